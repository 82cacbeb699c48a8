"""Find the tagged records of a file fast: read whole lines into one buffer, and look closer at those with a tag only.

What is found is what `Scanner` finds, which is the definition. A record never goes beyond its line, so that a line can
be looked at by itself; text in a wide encoding, and lines longer than the buffer, are left to the `Scanner`.
"""

from __future__ import annotations

import io
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple, TypeAlias, cast

import numpy as np

from pytest_token_telemetry.sources.formats import NEEDLES, telemetry_scanner
from pytest_token_telemetry.sources.scan import Fragment, Scanner, is_wide

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

BUFFER = 1 << 20
"""Bytes of the buffer: in the fastest range that was measured, and more than any line of a real log has."""

_MARK = 4
"""Bytes that tell the encoding."""

_WORTH_NUMPY = 1 << 12
"""Bytes from which on numpy counts line ends faster than `bytes.count`."""


_DENSE_HITS = 64
_DENSE_BYTES = 1500
"""A block that has so many tagged lines, each in so few bytes on average, is given away whole."""


class Line(NamedTuple):
    """A line with a tag, or what only looks like one."""

    number: int
    """From 1."""
    text: bytes
    """With its line end, and without NUL."""


class Block(NamedTuple):
    """Lines of which many have a tag."""

    number: int
    """Of the first, from 1."""
    text: bytes
    """Whole lines, without NUL."""


Find: TypeAlias = "Callable[[bytearray, bytes, int, int], int]"

Piece: TypeAlias = "Line | Block | Fragment"
"""What a file comes in. A fragment is what a `Scanner` found by itself."""


def line_scanner(buffer: int = BUFFER, on_read: Callable[[int], None] | None = None) -> LineScanner:
    """A scanner for the records of all formats: see `LineScanner`."""
    return LineScanner(telemetry_scanner(), NEEDLES, buffer, on_read)


def fastest_find() -> Find:
    """How to find a text in a buffer: with stringzilla, if the extra ``[fast]`` is installed, else as Python does."""
    try:
        from stringzilla import find
    except ImportError:
        return bytearray.find
    return cast("Find", find)


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

        ``on_read`` is called with the number of bytes of each read, of at most ``buffer`` bytes. ``find`` is as
        `bytearray.find`; ``None``: the fastest one that is installed.
        """
        self._scanner = scanner
        self._needles = needles
        self._buffer = bytearray(max(buffer, _MARK))
        self._on_read = on_read
        self._find = find or fastest_find()
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
                yield from self.fragments_of(piece.text, piece.number)

    def fragments_of(self, text: bytes, line: int) -> Iterator[Fragment]:
        """The records in ``text``, plain lines of which the first is ``line``."""
        return self._shifted((text,), line, plain=True)

    def pieces(self, descriptor: int, begin: int, end: int) -> Iterator[Piece]:
        """All that may hold records, in its order, from byte ``begin`` of the open file ``descriptor`` to byte ``end``.

        A line begins at ``begin``, and its number is 1. The file ends at ``end``, or a line does. What is appended
        while the file is read is for the next time.

        Raises:
            OSError: the file cannot be read, or mixes encodings in a way that would lose records.
        """
        buffer, view = self._buffer, memoryview(self._buffer)
        file = io.FileIO(descriptor, closefd=False)
        file.seek(begin)
        self.left = end - begin
        self.line_ends = filled = 0
        is_first = True
        while True:
            got = self._read(file, view[filled:])
            filled += got
            at_end = not got or not self.left
            if is_first and filled < _MARK and not at_end:
                continue
            if is_first and not begin and is_wide(bytes(view[: min(filled, _MARK)])):
                yield from self._rest(file, filled, plain=False)
                return
            whole = buffer.rfind(b"\n", 0, filled) + 1
            if not whole and filled == len(buffer) and not at_end:
                yield from self._rest(file, filled, plain=True)
                return
            is_first = False
            line = self.line_ends + 1
            self.line_ends += _line_ends(buffer, 0, whole)
            yield from self._in_lines(whole, line)
            if at_end:
                yield from self.fragments_of(bytes(view[whole:filled]), self.line_ends + 1)
                return
            buffer[: filled - whole] = buffer[whole:filled]
            filled -= whole

    def _read(self, file: io.FileIO, view: memoryview) -> int:
        got = file.readinto(view[: self.left]) or 0
        self.left -= got
        if got and self._on_read is not None:
            self._on_read(got)
        return got

    def _rest(self, file: io.FileIO, filled: int, *, plain: bool) -> Iterator[Fragment]:
        """All that stands in the buffer and behind it."""
        line = self.line_ends + 1

        def blocks() -> Iterator[bytes]:
            got = filled
            while got:
                block = bytes(self._buffer[:got])
                self.line_ends += block.count(b"\n")
                yield block
                got = self._read(file, memoryview(self._buffer))

        return self._shifted(blocks(), line, plain=plain)

    def _in_lines(self, whole: int, line: int) -> Iterator[Piece]:
        """What may hold records in the buffer's first ``whole`` bytes, whole lines, of which the first is ``line``."""
        text = self._buffer
        if text.find(0, 0, whole) >= 0:  # as in UTF-16 without a mark
            text = text[:whole].replace(b"\0", b"")
            whole = len(text)
        counted = 0
        for hits, (begin, end) in enumerate(self._tagged(text, whole)):
            line += _line_ends(text, counted, begin)
            counted = begin
            if hits == 0:
                first = begin
            if hits == _DENSE_HITS and begin - first < _DENSE_HITS * _DENSE_BYTES:
                yield Block(line, bytes(text[begin:whole]))
                return
            yield Line(line, bytes(text[begin : end + 1]))

    def _tagged(self, text: bytearray, whole: int) -> Iterator[tuple[int, int]]:
        """Where each line with a needle begins, and where its line end is."""
        find, needles = self._find, self._needles
        found = [find(text, needle, 0, whole) for needle in needles]
        while True:
            at = min((each for each in found if each >= 0), default=-1)
            if at < 0:
                return
            end = text.find(b"\n", at, whole)
            yield text.rfind(b"\n", 0, at) + 1, end
            found = [
                find(text, needle, end, whole) if 0 <= each < end else each
                for needle, each in zip(needles, found, strict=True)
            ]

    def _shifted(self, raw: Iterable[bytes], line: int, *, plain: bool) -> Iterator[Fragment]:
        """The records in ``raw``, which begins on ``line``."""
        for fragment in self._scanner.fragments_of(iter(raw), plain=plain):
            yield fragment if line == 1 else replace(fragment, line=fragment.line + line - 1)


def _line_ends(text: bytearray, begin: int, end: int) -> int:
    if end - begin < _WORTH_NUMPY:
        return text.count(b"\n", begin, end)
    return int(np.count_nonzero(np.frombuffer(text, np.uint8, end - begin, begin) == ord("\n")))
