"""Files that take no more bytes: by a limit of the process, or because the disk is full."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def no_file_beyond(size: int) -> Iterator[None]:
    """No file of this process gets more than ``size`` bytes: the write that would is cut off there."""
    resource = pytest.importorskip("resource", reason="this system has no limits for processes")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@contextmanager
def full_disk(directory: Path, path: Path, content: bytes) -> Iterator[None]:
    """Mount a small disk at ``directory``, write ``content`` to ``path`` in it, and fill up all other pages."""
    if os.name != "posix" or os.geteuid() or not sys.platform.startswith("linux"):
        pytest.skip("only root may mount a disk")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", directory], capture_output=True)
    if mounted.returncode:
        pytest.skip("this container may not mount a disk")
    try:
        path.write_bytes(content)
        free = os.statvfs(directory)
        (directory / "fill").write_bytes(b"x" * (free.f_bavail * free.f_frsize))
        yield
    finally:
        subprocess.run(["umount", directory], check=True)
