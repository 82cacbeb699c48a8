"""Files are written whole or not at all, in UTF-8; what is appended to one is there as a whole, or taken back."""

from __future__ import annotations

import os
import re
import sys
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import FileIO
    from pathlib import Path
    from typing import Literal

if sys.platform != "win32":
    import fcntl

OWN_OUTPUT = re.compile(
    rb'\A\s*(?:\{\s*"schema"\s*:\s*"token-telemetry-(?:report|tuning|baseline|history)/'
    rb'|\[\s*(?:\{\s*"check_name"\s*:\s*"token-telemetry::|\]\s*\Z))'
)
"""How the JSON begins that is written here: no source reads it."""

_LOCK_TRIES = 500
_LOCK_PAUSE = 0.001
"""Seconds."""


def replace_file(path: Path, text: str) -> None:
    """Write beside ``path``, then rename: a reader sees the old file or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and not path.is_file():
        path.write_bytes(encoded(text))  # a device or a pipe; a directory says that it is one
        return
    target = path.resolve()
    temporary = target.with_name(f".{os.urandom(8).hex()}.tmp")
    try:
        with temporary.open("xb") as file:
            file.write(encoded(text))
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def append_file(path: Path, text: str, most: int | None = None) -> None:
    """Write to the end of ``path`` at once, as other programs append to the same file: all of ``text``, or an error.

    Raises:
        OSError: it cannot be written as a whole, or would get more than ``most`` bytes.
    """
    data = encoded(text)
    with appending(path) as file:
        if most is not None and os.fstat(file.fileno()).st_size + len(data) > most:
            raise OSError(0, f"it would be larger than {most:,} bytes")
        append(file, data)


@contextmanager
def appending(path: Path, mode: Literal["ab", "a+b"] = "ab") -> Iterator[FileIO]:
    """Open ``path`` for `append`, under its lock if that is free soon: a process that hangs with it stops no other."""
    with path.open(mode, buffering=0) as file:
        locked = _lock(file)
        try:
            yield file
        finally:
            if locked:  # not by closing: a process that was forked meanwhile has the file open too
                fcntl.flock(file, fcntl.LOCK_UN)


def append(file: FileIO, data: bytes) -> None:
    """Write all of ``data`` to the end of ``file``, which is open by `appending`.

    A full disk, a quota or a limit may end a write in the middle. What was written is then taken back, if it is still
    the end of the file: behind it may stand a line of somebody who takes no lock. Where it cannot be taken back, a line
    end keeps it from what comes next.

    Raises:
        OSError: the data could not be written as a whole.
    """
    left, begin = memoryview(data), None
    try:
        while count := file.write(left):
            left = left[count:]
            if not left:
                return
            if begin is None and file.seekable():
                begin = file.tell() - count
        raise OSError(0, "it takes no more bytes")
    except BaseException:
        if begin is not None:
            _take_back(file, begin, len(data) - len(left))
        raise


def _take_back(file: FileIO, begin: int, written: int) -> None:
    """Cut off the ``written`` bytes from ``begin`` on, if they are the end of the file."""
    if os.fstat(file.fileno()).st_size != begin + written:
        return
    try:
        file.truncate(begin)
    except OSError:  # a file that can only be appended to
        with suppress(OSError):
            file.write(b"\n")


def _lock(file: FileIO) -> bool:
    """Lock ``file``, and return if that is done: Windows and some file systems have no such locks."""
    for _ in range(_LOCK_TRIES if sys.platform != "win32" else 0):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_LOCK_PAUSE)
        except OSError:
            return False
        else:
            return True
    return False


def encoded(text: str) -> bytes:
    """In UTF-8. Bytes of the command line that are none became surrogates; they are shown as JSON escapes them."""
    return text.encode("utf-8", "backslashreplace")


def reason(error: OSError) -> str:
    """Why the system refused: ``Permission denied``."""
    return error.strerror or type(error).__name__
