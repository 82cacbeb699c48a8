"""Find the tagged records of a file fast: read whole lines into one buffer, and look closer at those with a tag only.

What is found is what `Scanner` finds, which is the definition. A record never goes beyond its line, so that a line can
be looked at by itself; text in a wide encoding, and lines longer than the buffer, are left to the `Scanner`.
"""

from __future__ import annotations

import os
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple, TypeAlias, cast

import numpy as np

from pytest_token_telemetry.sources.tagged.formats import NEEDLES, telemetry_scanner
from pytest_token_telemetry.sources.tagged.simple_search import WIDE_BEGINS, Fragment, Scanner, is_wide

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from pytest_token_telemetry.samples import Integers

BUFFER = 1 << 20
"""Bytes of the buffer: in the fastest range that was measured, and more than any line of a real log has."""

_MARK = 4
"""Bytes that tell the encoding."""
_WORTH_NUMPY = 1 << 12
"""Bytes from which on numpy counts line ends faster than `bytes.count`."""


_SMALL = 1 << 14
"""Bytes of a text in which it is fastest to find each needle by itself, without asking how many there are."""

_DENSE_HITS = 64
_DENSE_BYTES = 1500
"""A text becomes dense where it has so many hits in a row, each within so few bytes on average."""

Find: TypeAlias = "Callable[[bytearray, bytes, int, int], int]"


class Lines(NamedTuple):
    """Lines with a needle, and perhaps others near them."""

    numbers: Integers
    """Of each line, from 1."""
    text: bytes
    """The lines, each with its line end, and without NUL."""


def line_scanner(buffer: int = BUFFER, on_read: Callable[[int], None] | None = None) -> LineScanner:
    """A scanner for the records of all formats: see `LineScanner`."""
    return LineScanner(telemetry_scanner(), Search(NEEDLES, fastest_find()), buffer, on_read)


class LineScanner:
    """Finds the records of one file after the other, with one buffer for all of them."""

    def __init__(
        self,
        scanner: Scanner,
        search: Search,
        buffer: int = BUFFER,
        on_read: Callable[[int], None] | None = None,
    ) -> None:
        """A fast way to the results of ``scanner``: each of its tags begins with a needle of ``search``.

        ``on_read`` is called with the number of bytes of each read, of at most ``buffer`` bytes.
        """
        self._scanner = scanner
        self._search = search
        self._buffer = bytearray(max(buffer, _MARK))
        self._on_read = on_read
        self.left = 0
        """How many bytes were asked for and are not there, once all was read."""
        self.line_ends = 0
        """How many the file has, or the part of it that was asked for, once all of it was read."""

    def fragments_of_line(self, text: bytes, line: int) -> Iterator[Fragment]:
        """The records in one of `Lines`, with its line end."""
        return self._scanner.fragments_of_line(text, line)

    def scan(self, descriptor: int, begin: int, end: int) -> Iterator[Lines | Fragment]:
        """Read an open file from byte ``begin`` to byte ``end``, and give all that may hold records, in its order.

        A line begins at ``begin``, and its number is 1; a line or the file ends at ``end``. Fragments are what a
        `Scanner` found by itself.

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
        """Take the lines that may hold records from the buffer's first ``whole`` bytes, and count all of them."""
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


class Hits(NamedTuple):
    """Where needles stand in a text."""

    sparse: list[int]
    """In order, as far as the text is not dense."""
    dense: int
    """Where the text begins to be dense: all that follows has to be looked at. The text's size, if it is not."""


def fastest_find() -> Find | None:
    """How stringzilla finds a text in a buffer, if the extra ``[fast]`` is installed."""
    try:
        from stringzilla import find
    except ImportError:
        return None
    return cast("Find", find)


class Search:
    """Searches for needles of at least three bytes."""

    def __init__(self, needles: Sequence[bytes], find: Find | None = None, small: int = _SMALL) -> None:
        """A search for ``needles``.

        Args:
            needles: what to find.
            find: as `bytearray.find`; ``None``: there is none that is faster than numpy.
            small: bytes of a text in which each needle is searched by itself, without asking how many there are.
        """
        self._small = small
        self._needles = tuple(needles)
        self._find = find or bytearray.find
        self._groups = [(needle,) for needle in needles] if find else _alike(needles)

    def hits(self, text: bytearray, size: int) -> Hits:
        """Where needles stand in the first ``size`` bytes of ``text``."""
        dense = size
        found: list[int] = []
        if size < self._small:
            for needle in self._needles:
                found += _places(text, needle, size, self._find)
            return Hits(sorted(found), size)
        for places in self._every(text, size):
            near: list[int] = []
            for at in places:
                if at >= dense:
                    break
                near.append(at)
                if len(near) > _DENSE_HITS and at - near[-_DENSE_HITS] < _DENSE_HITS * _DENSE_BYTES:
                    dense = near[-_DENSE_HITS]
                    break
            found += near
        return Hits(sorted(at for at in found if at < dense), dense)

    def _every(self, text: bytearray, size: int) -> Iterator[Iterable[int]]:
        """Find the places of all needles, group by group, sorted within each group."""
        for needles in self._groups:
            if len(needles) == 1:
                yield _places(text, needles[0], size, self._find)
            else:
                yield _candidates(text, needles, size)


def _places(text: bytearray, needle: bytes, size: int, find: Find) -> Iterator[int]:
    at = find(text, needle, 0, size)
    while at >= 0:
        yield at
        at = find(text, needle, at + len(needle), size)


def _alike(needles: Sequence[bytes]) -> list[tuple[bytes, ...]]:
    """Group the needles by their first two bytes."""
    return [tuple(group) for _, group in groupby(sorted(needles), key=lambda needle: needle[:2])]


def _candidates(text: bytearray, needles: tuple[bytes, ...], size: int) -> Iterator[int]:
    """Find ``needles`` that share their first two bytes: comparing all pairs of bytes is faster than one search."""
    pair = np.uint16(int.from_bytes(needles[0][:2], "little"))
    even, odd = (np.frombuffer(text, "<u2", (size - first) // 2, first) == pair for first in (0, 1))
    places = np.concatenate([2 * np.flatnonzero(even), 2 * np.flatnonzero(odd) + 1])
    third = np.frombuffer(text, np.uint8)[np.minimum(places + 2, size - 1)]
    places = places[np.isin(third, [needle[2] for needle in needles])]
    places.sort()
    return (at for at in places.tolist() if text.startswith(needles, at, size))
