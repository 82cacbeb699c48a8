"""What a format is: something that claims files and reads samples from them.

Files that no source in `SOURCES` claims are read as logs that may hold lines with a tag: see `tagged.tagged_source`.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from typing import BinaryIO

    from pytest_token_telemetry.sources.rows import Rows

HEAD = 1 << 12
"""Bytes of a file by which a source may know it."""


class Source(Protocol):
    """A format of files."""

    name: str

    def claims(self, path: str, head: bytes) -> bool:
        """Whether the file at ``path`` that begins with ``head``, of `HEAD` bytes at most, is of this format."""

    def read(self, file: BinaryIO, into: Rows) -> None:
        """Read the samples of a whole file.

        Raises:
            OSError: not all of it can be read.
        """


SOURCES: list[Source] = []
"""In the order in which they are asked."""


def claimed(path: str, head: bytes) -> Source | None:
    """The source that the file at ``path``, which begins with ``head``, is for; ``None``: it is a log."""
    for source in SOURCES:
        if source.claims(path, head):
            return source
    return None


def head_of(descriptor: int) -> bytes:
    """The first `HEAD` bytes of an open file.

    Raises:
        OSError: they cannot be read.
    """
    os.lseek(descriptor, 0, os.SEEK_SET)
    return os.read(descriptor, HEAD)
