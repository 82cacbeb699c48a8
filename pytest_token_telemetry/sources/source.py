"""What a format is: something that claims files by how they begin, and reads samples from them.

`recognition` has the list of all formats, and asks who reads a file. `extract` opens the files.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader, BytesIO, RawIOBase
from typing import TYPE_CHECKING, NamedTuple, Protocol, cast

from pytest_token_telemetry.sources.compressed import MAGIC, unpacking

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import BinaryIO

    from pytest_token_telemetry.samples import Integers, Mask, SamplesBuilder
    from pytest_token_telemetry.sources.rows import Absorptions, Rows

HEAD = 1 << 12
"""Bytes of a file's text by which a source may know it."""

BUFFER = 1 << 20
"""Bytes of a buffer: in the fastest range that was measured, and more than any line of a real log has."""

REACH = 200
"""Lines from a ``[TOKEN_BUDGET]`` record to the sample that it belongs to. Real logs have up to 39."""


READ_ONLY = (
    os.O_RDONLY
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_NONBLOCK", 0)  # a file that became a pipe must not block
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_BINARY", 0)
)
"""How a file is opened that was a regular one a moment ago."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """How many bytes and lines the reading handles at once."""

    buffer: int = BUFFER
    """Bytes that are read at a time."""
    at_once: int = 1 << 20
    """Bytes of lines that are gathered before they are read."""
    reach: int = REACH
    """Lines from a record that says something about a sample to that sample."""


_STREAMED = 1 << 17
"""Bytes of the buffer of a stream: a line of JSON has ten thousand and more."""


class Opened(NamedTuple):
    """A file that is open to be read, or a part of one."""

    path: str
    descriptor: int
    begin: int
    """The byte at which the part begins. A line begins there too."""
    end: int
    """The byte at which the part ends. A line, or the file, ends there too."""
    size: int
    """Bytes of the whole file."""
    text: bytes | None = None
    """The whole text of a small file, if it is plain and ends with a line end or is empty."""
    unpacked: Callable[[memoryview], int] | None = None
    """Fills a buffer with more of the text that a compressed file expands to; then read nothing else of it."""
    requests: tuple[str, ...] = ()
    """Files that users named because they hold what was asked for, where this one may hold what came of it."""
    beside: str = ""
    """Where copies of the files beside it lie, if it is a remote object and needs them."""

    def stream(self) -> BinaryIO:
        """Its text from the beginning, whether the file is compressed or not."""
        if self.text is not None:
            return BytesIO(self.text)
        if self.unpacked is not None:
            return cast("BinaryIO", BufferedReader(_Unpacked(self.unpacked), _STREAMED))
        stream = open(self.descriptor, "rb", _STREAMED, closefd=False)  # noqa: SIM115 - it is another's to close
        stream.seek(0)
        return stream


@contextmanager
def opened(path: str) -> Iterator[Opened]:
    """The file at ``path``, open to be read from its beginning, compressed or not.

    Raises:
        OSError: it cannot be opened, or nothing is installed that unpacks it.
    """
    descriptor = os.open(path, READ_ONLY)
    try:
        size = os.fstat(descriptor).st_size
        text = unpacking(descriptor, os.read(descriptor, MAGIC))
        yield Opened(path, descriptor, 0, size, size, unpacked=None if text is None else text.readinto)
    finally:
        os.close(descriptor)


class Found(NamedTuple):
    """How a file was read."""

    line_ends: int = 0
    """Line ends of the file, or of the part that was read."""
    missing: int = 0
    """Bytes that should have been there."""


class Reader(Protocol):
    """Reads the files of one format, one after the other, into rows."""

    def read(self, file: Opened) -> Found:
        """Have the rows begin the next file, and read it. What is found may wait until `finish`.

        Raises:
            OSError: not all of it can be read.
        """

    def finish(self) -> None:
        """Give the rows what was kept back, after the last file."""

    def complete(self, samples: SamplesBuilder, rows: Integers, waits: Mask) -> Absorptions | None:
        """Give samples what the records that wait for them say: see `Rows.build`."""


class Source(Protocol):
    """A format of files."""

    name: str
    in_parts: bool
    """Whether each line can be read alone, so that large files may be read in parts."""

    def claims(self, path: str, head: bytes) -> bool:
        """Whether the file at ``path`` is of this format: its text begins with ``head``, of `HEAD` bytes at most."""

    def reader(self, into: Rows, sizes: Sizes, on_read: Callable[[int], None] | None) -> Reader:
        """A reader that reads files ``into`` rows. ``on_read`` is called with the number of bytes of each read."""


class MapSource(Source, Protocol):
    """A source of a user's map."""

    @property
    def reads_json(self) -> bool:
        """Whether it reads JSON, and with it lines of our own format."""


class FileSource(ABC):
    """A source that reads each file by itself, from its beginning to its end: what most formats need."""

    name: str
    in_parts: bool = False

    @abstractmethod
    def claims(self, path: str, head: bytes) -> bool:
        """See `Source.claims`."""

    @abstractmethod
    def read(self, file: BinaryIO, into: Rows) -> None:
        """Read the samples of a whole file.

        Raises:
            OSError: not all of it can be read.
        """

    def reader(self, into: Rows, sizes: Sizes, on_read: Callable[[int], None] | None) -> Reader:  # noqa: ARG002
        """A reader that calls `read` for each file."""
        return _EachFile(self, into, on_read)


@dataclass(frozen=True, slots=True)
class _EachFile:
    source: FileSource
    into: Rows
    on_read: Callable[[int], None] | None

    def read(self, file: Opened) -> Found:
        self.into.begin_file()
        with file.stream() as stream:
            self.source.read(stream, self.into)
        if self.on_read is not None and file.unpacked is None:
            self.on_read(file.size)
        return Found()

    def finish(self) -> None:
        pass

    def complete(self, samples: SamplesBuilder, rows: Integers, waits: Mask) -> None:
        pass


class _Unpacked(RawIOBase):
    """What a compressed file expands to."""

    def __init__(self, readinto: Callable[[memoryview], int]) -> None:
        self._readinto = readinto

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        return self._readinto(memoryview(buffer))
