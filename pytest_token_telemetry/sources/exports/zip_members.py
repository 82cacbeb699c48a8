"""The members of a ZIP file as streams, bounded: a small file may expand to any size."""

from __future__ import annotations

import struct
import zipfile
import zlib
from contextlib import contextmanager
from io import BufferedReader, RawIOBase
from typing import IO, TYPE_CHECKING, BinaryIO, cast

from pytest_token_telemetry.sources.compressed import Bounds, zstd

if TYPE_CHECKING:
    from collections.abc import Iterator

_MOST_LISTED = 16 << 20
"""Bytes of a list of members: some 200,000 with names like Inspect's. It is held whole."""

_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""Ways of compressing that give no more at a time than they are asked for."""

_ZSTD = 93
"""The way in which Inspect compresses, which `zipfile` knows from Python 3.14 on, and cannot give in small parts."""

_ENCRYPTED = 1
"""The flag of a member that needs a password."""

_BOUNDS = Bounds()


class ZipMembers:
    """A ZIP file, of which any member can be opened."""

    def __init__(self, file: BinaryIO, bounds: Bounds = _BOUNDS) -> None:
        """Read the list of members.

        Raises:
            OSError: there is none, or it is damaged or too long.
        """
        if not file.seekable():
            raise OSError(None, "it is a ZIP file within another compression: unpack it")
        self._file = file
        self._bounds = bounds
        self._size = file.seek(0, 2)
        self._expanded = 0
        self.is_exhausted = False
        """Whether what was read is more than the file may expand to, so that nothing else is read."""
        with _faults_as("its ZIP data is cut off or damaged, or is still being written"):
            self._archive = zipfile.ZipFile(cast("IO[bytes]", _Bounded(file)))
        self._members = {info.filename: info for info in self._archive.infolist()}

    @property
    def names(self) -> list[str]:
        """The names of all members; where several have the same, only the last counts."""
        return [*self._members]

    def has(self, name: str) -> bool:
        """Whether there is a member with this ``name``."""
        return name in self._members

    @contextmanager
    def open(self, name: str) -> Iterator[BinaryIO]:
        """The text of a member.

        Raises:
            OSError: it cannot be read, here or later; or all that was read is more than the file may expand to.
        """
        info = self._members[name]
        if info.flag_bits & _ENCRYPTED:
            raise OSError(None, "it is encrypted")
        if info.compress_type == _ZSTD:
            yield cast("BinaryIO", BufferedReader(_Member(self, _Zstd(self._file, info)), 1 << 16))
            return
        if info.compress_type not in _METHODS:
            raise OSError(None, f"it is compressed by a method that is not read here (number {info.compress_type})")
        with _faults_as(_DAMAGED):
            member = self._archive.open(info)
        with member:
            yield cast("BinaryIO", BufferedReader(_Member(self, member), 1 << 16))

    def read(self, member: IO[bytes] | _Zstd, size: int) -> bytes:
        """The next bytes of an open member, no more than ``size``.

        Raises:
            OSError: as for `open`.
        """
        with _faults_as(_DAMAGED):
            text = member.read(size)
        self._expanded += len(text)
        if (reason := self._bounds.reason(self._size, self._expanded)) is not None:
            self.is_exhausted = True
            raise OSError(None, reason)
        return text


_DAMAGED = "its ZIP data is damaged"


@contextmanager
def _faults_as(reason: str) -> Iterator[None]:
    """Raise one error for all that `zipfile` and what it unpacks with may raise where a file is damaged."""
    try:
        yield
    except OSError:
        raise
    except Exception as error:
        raise OSError(None, reason) from error


class _Member(RawIOBase):
    """A member that is open."""

    def __init__(self, archive: ZipMembers, member: IO[bytes] | _Zstd) -> None:
        self._archive = archive
        self._member = member

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        text = self._archive.read(self._member, len(buffer))
        buffer[: len(text)] = text
        return len(text)


class _Zstd:
    """A member that is compressed with zstd."""

    def __init__(self, file: BinaryIO, info: zipfile.ZipInfo) -> None:
        """Begin to read it.

        Raises:
            OSError: it is not there, or nothing is installed that unpacks it.
        """
        self._file = file
        self._one = zstd()
        self._crc, self._expected = 0, info.CRC
        file.seek(info.header_offset)
        header = file.read(_HEADER.size)
        if len(header) < _HEADER.size or not header.startswith(b"PK\3\4"):
            raise OSError(None, _DAMAGED)
        self._at = info.header_offset + _HEADER.size + sum(_HEADER.unpack(header))
        self._end = self._at + info.compress_size

    def read(self, size: int) -> bytes:
        """The next bytes, no more than ``size``; empty at the end.

        Raises:
            OSError: it is damaged.
        """
        text = b""
        while not text and not self._one.eof:
            block = self._block() if self._one.needs_input else b""
            text = self._one.decompress(block, size)
        self._crc = zlib.crc32(text, self._crc)
        if self._one.eof and (self._one.unused_data or self._at < self._end or self._crc != self._expected):
            raise OSError(None, _DAMAGED)
        return text

    def _block(self) -> bytes:
        self._file.seek(self._at)
        block = self._file.read(min(self._end - self._at, _BLOCK))
        if not block:
            raise OSError(None, _DAMAGED)
        self._at += len(block)
        return block


_HEADER = struct.Struct("<26xHH")
"""What stands before a member: at its end, how long the member's name is and what else stands before its data."""

_BLOCK = 1 << 16
"""Compressed bytes that are read at a time."""


class _Bounded(RawIOBase):
    """A file of which never more is read at once than a list of members may have."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def read(self, size: int = -1) -> bytes:
        if size > _MOST_LISTED:
            raise OSError(None, f"its list of members has more than {_MOST_LISTED >> 20} MiB")
        return self._file.read(_MOST_LISTED if size < 0 else size)
