"""Find the tagged records of a file fast: read whole lines into one buffer, and look closer at those with a tag only.

What is found is what `Scanner` finds, which is the definition. A record never goes beyond its line, so that a line can
be looked at by itself; text in a wide encoding, and lines longer than the buffer, are left to the `Scanner`.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np

from pytest_token_telemetry.sources.formats import NEEDLES, telemetry_scanner
from pytest_token_telemetry.sources.scan import WIDE_BEGINS, Fragment, Scanner, is_wide
from pytest_token_telemetry.sources.search import Search, fastest_find

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_token_telemetry.columns import Integers
    from pytest_token_telemetry.sources.search import Find

BUFFER = 1 << 20
"""Bytes of the buffer: in the fastest range that was measured, and more than any line of a real log has."""

_MARK = 4
"""Bytes that tell the encoding."""
_WORTH_NUMPY = 1 << 12
"""Bytes from which on numpy counts line ends faster than `bytes.count`."""


class Lines(NamedTuple):
    """Lines with a needle, and perhaps others near them."""

    numbers: Integers
    """Of each line, from 1."""
    text: bytes
    """The lines, each with its line end, and without NUL."""


Piece: TypeAlias = "Lines | Fragment"
"""What a file comes in. A fragment is what a `Scanner` found by itself."""


def line_scanner(buffer: int = BUFFER, on_read: Callable[[int], None] | None = None) -> LineScanner:
    """A scanner for the records of all formats: see `LineScanner`."""
    return LineScanner(telemetry_scanner(), NEEDLES, buffer, on_read, fastest_find())


class LineScanner:
    """Finds the records of one file after the other, with one buffer for all of them."""

    def __init__(
        self,
        scanner: Scanner,
        needles: tuple[bytes, ...],
        buffer: int = BUFFER,
        on_read: Callable[[int], None] | None = None,
        find: Find | None = None,
    ) -> None:
        """A fast way to the results of ``scanner``, each of whose tags begins with one of ``needles``.

        ``on_read`` is called with the number of bytes of each read, of at most ``buffer`` bytes. ``find`` is as in
        `Search`.
        """
        self._scanner = scanner
        self._search = Search(needles, find)
        self._buffer = bytearray(max(buffer, _MARK))
        self._on_read = on_read
        self.left = 0
        """How many bytes were asked for and are not there, once all was read."""
        self.line_ends = 0
        """How many the file has, or the part of it that was asked for, once all of it was read."""

    def fragments(self, descriptor: int, begin: int, end: int) -> Iterator[Fragment]:
        """The records in a part of the open file ``descriptor``, in their order: see `pieces`."""
        for piece in self.pieces(descriptor, begin, end):
            if isinstance(piece, Fragment):
                yield piece
            else:
                for number, text in zip(piece.numbers.tolist(), piece.text.split(b"\n"), strict=False):
                    yield from self.fragments_of_line(text + b"\n", number)

    def fragments_of_line(self, text: bytes, line: int) -> Iterator[Fragment]:
        """The records in one of `Lines`, with its line end."""
        return self._scanner.fragments_of_line(text, line)

    def pieces(self, descriptor: int, begin: int, end: int) -> Iterator[Piece]:
        """All that may hold records, in its order, from byte ``begin`` of the open file ``descriptor`` to byte ``end``.

        A line begins at ``begin``, and its number is 1. The file ends at ``end``, or a line does. What is appended
        while the file is read is for the next time.

        Raises:
            OSError: the file cannot be read, or mixes encodings in a way that would lose records.
        """
        buffer, view = self._buffer, memoryview(self._buffer)
        os.lseek(descriptor, begin, os.SEEK_SET)
        self.left = end - begin
        self.line_ends = filled = 0
        is_first = True
        while True:
            got = self._read(descriptor, view[filled:])
            filled += got
            at_end = not got or not self.left
            if is_first and filled < _MARK and not at_end:
                continue
            if is_first and not begin and buffer[0] in WIDE_BEGINS and is_wide(bytes(view[: min(filled, _MARK)])):
                yield from self._rest(descriptor, filled, plain=False)
                return
            whole = buffer.rfind(b"\n", 0, filled) + 1
            if not whole and filled == len(buffer) and not at_end:
                yield from self._rest(descriptor, filled, plain=True)
                return
            is_first = False
            if (lines := self._in_lines(whole)) is not None:
                yield lines
            if at_end:
                if filled > whole:
                    last = iter((bytes(view[whole:filled]),))
                    yield from self._scanner.fragments_of(last, line=self.line_ends + 1, plain=True)
                return
            buffer[: filled - whole] = buffer[whole:filled]
            filled -= whole

    def _read(self, descriptor: int, view: memoryview) -> int:
        got = _read_into(descriptor, view[: self.left])
        self.left -= got
        if got and self._on_read is not None:
            self._on_read(got)
        return got

    def _rest(self, descriptor: int, filled: int, *, plain: bool) -> Iterator[Fragment]:
        """All that stands in the buffer and behind it."""
        line = self.line_ends + 1

        def blocks() -> Iterator[bytes]:
            got = filled
            while got:
                block = bytes(self._buffer[:got])
                self.line_ends += block.count(b"\n")
                yield block
                got = self._read(descriptor, memoryview(self._buffer))

        return self._scanner.fragments_of(blocks(), line=line, plain=plain)

    def _in_lines(self, whole: int) -> Lines | None:
        """What may hold records in the buffer's first ``whole`` bytes, whole lines. They are counted."""
        text = self._buffer
        if text.find(0, 0, whole) >= 0:  # as in UTF-16 without a mark
            text = text[:whole].replace(b"\0", b"")
            whole = len(text)
        hits, dense = self._search.hits(text, whole)
        if not hits and dense == whole:
            self.line_ends += _line_ends(text, whole)
            return None
        is_end = np.frombuffer(text, np.uint8, whole) == ord("\n")
        view = memoryview(text)
        dense = text.rfind(b"\n", 0, dense) + 1
        begin = end = 0
        numbers, lines = [], []
        for at in hits:
            if end <= at < dense:
                next_one = text.rfind(b"\n", end, at) + 1 or end
                self.line_ends += int(np.count_nonzero(is_end[begin:next_one]))
                begin = next_one
                end = text.find(b"\n", at, whole) + 1
                numbers.append(self.line_ends + 1)
                lines.append(view[begin:end])
        self.line_ends += int(np.count_nonzero(is_end[begin:dense]))
        rest = np.arange(np.count_nonzero(is_end[dense:])) + (self.line_ends + 1)
        self.line_ends += len(rest)
        return Lines(np.concatenate([np.array(numbers, np.int64), rest]), b"".join([*lines, view[dense:whole]]))


def _read_into(descriptor: int, view: memoryview) -> int:
    if hasattr(os, "readv"):
        return os.readv(descriptor, (view,))
    got = os.read(descriptor, len(view))
    view[: len(got)] = got
    return len(got)


def _line_ends(text: bytearray, size: int) -> int:
    if size < _WORTH_NUMPY:
        return text.count(b"\n", 0, size)
    return int(np.count_nonzero(np.frombuffer(text, np.uint8, size) == ord("\n")))
