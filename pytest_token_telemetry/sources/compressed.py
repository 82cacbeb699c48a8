"""Read compressed files as streams of text, recognised by their first bytes, whatever their names are.

A file may expand to any size, so that what it expands to is bounded. It is never in memory as a whole.
"""

from __future__ import annotations

import os
import re
import sys
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol, cast

if TYPE_CHECKING:
    from collections.abc import Callable

CUT_OFF = "data is cut off"
"""How the reason ends why a file cannot be read that is still written, or was copied in part."""

MAGIC = 10
"""Bytes at the beginning of a file by which it is recognised."""

_BLOCK = 1 << 14
"""Compressed bytes that are unpacked at a time. The text of a damaged block is lost, so it is small."""

_XZ_MEMORY = 128 << 20
"""Bytes of memory that unpacking may take: twice of what ``xz -9`` needs. The default of zstd is the same."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a file may expand to, in bytes.

    Logs shrink to a tenth. The most that was measured is 224 times, for one message with the time of each
    millisecond, and 412 times for one message without times (gzip). A bomb has 1,000 (gzip) to a million times (bzip2).
    """

    free: int = 64 << 20
    """However small the file is: a second of one core."""
    ratio: int = 500
    """Beyond that, as often as it is long."""
    most: int = 16 << 30
    """However long it is: gzip unpacks it in one to three minutes. bzip2 takes ten times as long."""

    def reason(self, size: int, expanded: int) -> str | None:
        """Why a file of which ``size`` bytes expanded to so many is not read on; ``None``: it is."""
        if expanded > self.most:
            return f"it expands to more than {self.most >> 30} GB: unpack it, or divide it"
        if expanded > max(self.free, size * self.ratio):
            return f"it expands to more than {self.ratio} times its size: unpack it if that is right"
        return None


class Unpacking:
    """The text of a compressed file, which may be several compressed texts one after the other."""

    def __init__(self, kind: _Kind, descriptor: int, on_read: Callable[[int], None] | None, bounds: Bounds) -> None:
        self._kind = kind
        self._descriptor = descriptor
        self._on_read = on_read
        self._bounds = bounds
        self._one = kind.decompressor()
        self._size = self._expanded = 0
        self._error: OSError | None = None
        os.lseek(descriptor, 0, os.SEEK_SET)

    def readinto(self, view: memoryview) -> int:
        """Fill ``view`` with what comes next, and return how many bytes these are: fewer at the end, and 0 behind it.

        Raises:
            OSError: what follows cannot be read, is damaged or cut off, or is too much.
        """
        filled = 0
        while self._error is None and filled < len(view):
            try:
                text = self._next(len(view) - filled)
            except OSError as error:
                self._error = error
                break
            if not text:
                break
            view[filled : filled + len(text)] = text
            filled += len(text)
        if self._error is not None and not filled:
            raise self._error
        return filled

    def _next(self, most: int) -> bytes:
        """Some text, of at most so many bytes; empty at the end."""
        while True:
            if self._one.eof and not self._begin_another():
                return b""
            block = self._read() if self._one.needs_input else None
            text = self._unpacked(block or b"", most)
            if text:
                return text
            if block == b"" and not self._one.eof:
                raise OSError(None, f"its {self._kind.name} {CUT_OFF}")

    def _unpacked(self, block: bytes, most: int) -> bytes:
        try:
            text = self._one.decompress(block, most)
        except Exception as error:  # each library has its own
            raise OSError(None, f"its {self._kind.name} data cannot be unpacked: {error}") from error
        self._expanded += len(text)
        if (reason := self._bounds.reason(self._size, self._expanded)) is not None:
            raise OSError(None, reason)
        return text

    def _begin_another(self) -> bool:
        """Go on with the compressed text that follows, behind any padding; false if there is none."""
        padding = self._kind.padding
        rest = self._one.unused_data.lstrip(padding)
        while len(rest) < MAGIC and (block := self._read()):
            rest = (rest + block).lstrip(padding)
        if not rest:
            return False
        if self._kind.begin.match(rest) is None:
            raise OSError(None, f"something else follows its {self._kind.name} data")
        self._one = _Begun(self._kind.decompressor(), rest)
        return True

    def _read(self) -> bytes:
        block = os.read(self._descriptor, _BLOCK)
        self._size += len(block)
        if block and self._on_read is not None:
            self._on_read(len(block))
        return block


def unpacking(
    descriptor: int,
    head: bytes,
    on_read: Callable[[int], None] | None = None,
    bounds: Bounds = Bounds(),
) -> Unpacking | None:
    """The text of an open file that begins with ``head``, of `MAGIC` bytes; ``None`` if it is not compressed.

    ``on_read`` is called with the number of compressed bytes of each read.

    Raises:
        OSError: nothing is installed that unpacks it.
    """
    kind = _kind_of(head)
    return None if kind is None else Unpacking(kind, descriptor, on_read, bounds)


def is_compressed(head: bytes) -> bool:
    """True if a file that begins with ``head``, of `MAGIC` bytes, is compressed in a format that is known here."""
    return _kind_of(head) is not None


class Decompressor(Protocol):
    """What `bz2`, `lzma` and `compression.zstd` agree on."""

    @property
    def eof(self) -> bool:
        """Whether the text has ended."""

    @property
    def needs_input(self) -> bool:
        """Whether nothing more comes without more data."""

    @property
    def unused_data(self) -> bytes:
        """What stands behind the end of the text."""

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """Give more of the text, of at most so many bytes."""


class _Begun:
    """A decompressor of which the first ``data`` were read already."""

    def __init__(self, one: Decompressor, data: bytes) -> None:
        self._one = one
        self._data = data

    @property
    def eof(self) -> bool:
        return self._one.eof

    @property
    def needs_input(self) -> bool:
        return not self._data and self._one.needs_input

    @property
    def unused_data(self) -> bytes:
        return self._one.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        data, self._data = self._data + data, b""
        return self._one.decompress(data, max_length)


class _Gzip:
    """One compressed text of a gzip file, with the methods of the others."""

    def __init__(self) -> None:
        self._one = zlib.decompressobj(wbits=31)

    @property
    def eof(self) -> bool:
        return self._one.eof

    @property
    def needs_input(self) -> bool:
        return not self._one.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._one.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        return self._one.decompress(self._one.unconsumed_tail + data, max_length)


def _bzip2() -> Decompressor:
    try:
        from bz2 import BZ2Decompressor
    except ImportError:
        raise OSError(None, "it is compressed with bzip2, and this Python was built without it") from None
    return BZ2Decompressor()


def _xz() -> Decompressor:
    try:
        from lzma import FORMAT_XZ, LZMADecompressor
    except ImportError:
        raise OSError(None, "it is compressed with xz, and this Python was built without it") from None
    return LZMADecompressor(FORMAT_XZ, _XZ_MEMORY)


def zstd() -> Decompressor:
    """What unpacks one text of zstd.

    Raises:
        OSError: nothing is installed that does.
    """
    try:
        if sys.version_info >= (3, 14):
            from compression.zstd import ZstdDecompressor
        else:
            from backports.zstd import ZstdDecompressor
    except ImportError:
        extra = "install the extra 'pytest-token-telemetry[zstd]', or unpack it"
        raise OSError(None, f"it is compressed with zstd: {extra}") from None
    return cast("Decompressor", ZstdDecompressor())


class _Message:
    """One message of a collector's file exporter (``compression: zstd``): its length, and a zstd text of JSON.

    It becomes a line.
    """

    def __init__(self) -> None:
        self._one = zstd()
        self._length = 4
        """Bytes of the length that are not passed over yet. The zstd text tells its end itself."""
        self._is_json = False
        self._has_ended = False

    @property
    def eof(self) -> bool:
        return self._has_ended

    @property
    def needs_input(self) -> bool:
        return not self._one.eof and self._one.needs_input

    @property
    def unused_data(self) -> bytes:
        return self._one.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        if self._one.eof:
            self._has_ended = True
            return b"\n"
        text = self._one.decompress(data[self._length :], max_length)
        self._length -= min(self._length, len(data))
        if text and not self._is_json:
            if not text.startswith(b"{"):
                raise ValueError("its messages are not JSON (the collector writes JSON with format: json)")
            self._is_json = True
        return text


class _Kind(NamedTuple):
    name: str
    begin: re.Pattern[bytes]
    decompressor: Callable[[], Decompressor]
    padding: bytes = b"\0"
    """What may stand between two texts."""


_KINDS = (
    _Kind("gzip", re.compile(rb"\x1f\x8b"), _Gzip),
    _Kind("bzip2", re.compile(rb"BZh[1-9](?:1AY&SY|\x17rE8P\x90)"), _bzip2),
    _Kind("xz", re.compile(rb"\xfd7zXZ\0"), _xz),
    _Kind("zstd", re.compile(rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18"), zstd),  # the second: a frame to skip
    _Kind("zstd", re.compile(rb".{4}\x28\xb5\x2f\xfd", re.DOTALL), _Message, b""),
)


_ANY = re.compile(b"|".join(kind.begin.pattern for kind in _KINDS), re.DOTALL)
"""One look at a file is enough for nearly all."""


def _kind_of(head: bytes) -> _Kind | None:
    if _ANY.match(head) is None:
        return None
    return next((kind for kind in _KINDS if kind.begin.match(head)), None)
