"""Find the tagged records of a file fast: read whole lines into one buffer, and look closer at those with a tag only.

What is found is what `Scanner` finds, which is the definition. Most records are on one line, which can be looked at by
itself. Records that may have several are cut out with what stands around them; text in a wide encoding, and lines that
are longer than the buffer, are left to the `Scanner`.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pytest_token_telemetry.sources.source import BUFFER
from pytest_token_telemetry.sources.tagged.formats import TAG_NEEDLES, telemetry_scanner
from pytest_token_telemetry.sources.tagged.normal import is_coloured, normal
from pytest_token_telemetry.sources.tagged.own_parsing import NEEDLE
from pytest_token_telemetry.sources.tagged.search import Search, fastest_find
from pytest_token_telemetry.sources.tagged.simple_search import (
    NAME_REACH,
    RECORD_LIMIT,
    WIDE_BEGINS,
    Fragment,
    Scanner,
    is_wide,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_token_telemetry.samples import Integers

_MARK = 4
"""Bytes that tell the encoding."""
_WORTH_NUMPY = 1 << 12
"""Bytes from which on numpy counts line ends faster than `bytes.count`."""


ESCAPE = b"\\u00"
"""What stands in a line where a name is not spelled as usual, or a colour is written as JSON."""

_OF_NAMES = b"267"
"""The first digits of the characters of a name, and of its quotes."""

_OTHERS = (b"\0", b"\x1b", ESCAPE, NEEDLE)
_NAME_WORD = NEEDLE.strip(b'"')


class Lines(NamedTuple):
    """Lines with a needle, and perhaps others near them."""

    numbers: Integers
    """Of each line, from 1."""
    text: bytes
    """The lines, each with its line end, and `normal`."""


def line_scanner(buffer: int = BUFFER, on_read: Callable[[int], None] | None = None) -> LineScanner:
    """A scanner for the records of all formats: see `LineScanner`."""
    return LineScanner(telemetry_scanner(), Search(TAG_NEEDLES, fastest_find()), buffer, on_read)


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
        self._mask = np.empty(len(self._buffer), np.bool_)
        self._on_read = on_read
        self._descriptor = -1
        self._at = 0
        self._file_end = 0
        self._readinto: Callable[[memoryview], int] | None = None
        self._passed = self._ahead = b""
        self.left = 0
        """How many bytes were asked for and are not there, once all was read."""
        self.line_ends = 0
        """How many the file has, or the part of it that was asked for, once all of it was read."""

    def fragments_of_line(self, text: bytes, line: int) -> Iterator[Fragment]:
        """The records in one of `Lines`, with its line end."""
        return self._scanner.fragments_within(text, 0, len(text), line)

    def others(self, text: bytearray, ends: Integers) -> list[int]:
        """The indices of those texts that are to be scanned each by itself: they may have names, or colours.

        Many stand in ``text``, one behind the other, up to each of ``ends``.
        """
        places = [place for needle in _OTHERS for place in self._search.places(text, needle, len(text))]
        return sorted({*np.searchsorted(ends, places, "right").tolist()}) if places else []

    def lines_of(self, text: bytearray, ends: Integers) -> tuple[Integers, Lines] | None:
        """Take the lines that may hold records from many texts, of whole lines and none of `others`, as given there.

        Returns:
            The index of each line's text, and the lines, numbered within their texts; ``None`` if there are none.
        """
        hits, dense = self._search.hits(text, len(text))
        if not hits and dense == len(text):
            return None
        line_ends = np.flatnonzero(np.frombuffer(text, np.uint8) == ord("\n"))
        first, rest = np.searchsorted(line_ends, np.append(0, ends)), np.searchsorted(line_ends, dense)
        chosen = np.unique(np.concatenate([np.searchsorted(line_ends, hits), np.arange(rest, len(line_ends))]))
        at = np.searchsorted(first, chosen, "right") - 1
        lines = _lines(text, chosen, np.append(0, line_ends[:-1] + 1), line_ends, 0)
        return at, lines._replace(numbers=chosen - first[at] + 1)

    def scan(
        self,
        descriptor: int,
        begin: int,
        end: int,
        file_end: int | None = None,
        readinto: Callable[[memoryview], int] | None = None,
    ) -> Iterator[Lines | Fragment]:
        """Read an open file from byte ``begin`` to byte ``end``, and give all that may hold records, in its order.

        A line begins at ``begin``, and its number is 1; a line or the file ends at ``end``. A record that goes on is
        looked at up to ``file_end``. Fragments are what a `Scanner` found by itself. ``readinto`` reads the text of the
        whole file instead, which may be shorter.

        Raises:
            OSError: the file cannot be read, or mixes encodings in a way that would lose records.
        """
        buffer, view = self._buffer, memoryview(self._buffer)
        if readinto is None:
            os.lseek(descriptor, begin, os.SEEK_SET)
        self._descriptor, self._at = descriptor, begin
        self._file_end = 0 if readinto is not None else end if file_end is None else file_end
        self.left = end - begin
        self._readinto = readinto
        self._passed = self._ahead = b""
        self.line_ends = filled = 0
        is_first = True
        while True:
            got = self._read(view[filled:])
            filled += got
            at_end = not got or not self.left
            if is_first and filled < _MARK and not at_end:
                continue
            if is_first and not begin and buffer[0] in WIDE_BEGINS and is_wide(bytes(view[: min(filled, _MARK)])):
                yield from self._rest(filled, plain=False)
                return
            whole = buffer.rfind(b"\n", 0, filled) + 1
            if not whole and filled == len(buffer) and not at_end:
                yield from self._rest(filled, plain=True)
                return
            is_first = False
            yield from self._in_lines(whole, filled)
            if at_end:
                if filled > whole:
                    yield from self._last_line(whole, filled)
                return
            if readinto is not None:
                self._passed = (self._passed + buffer[:whole])[-NAME_REACH:]
            buffer[: filled - whole] = buffer[whole:filled]
            filled -= whole

    def _read(self, view: memoryview) -> int:
        if self._readinto is not None:
            if not self._ahead:
                return self._readinto(view)
            got = min(len(view), len(self._ahead))
            view[:got], self._ahead = self._ahead[:got], self._ahead[got:]
            return got
        got = _read_into(self._descriptor, view[: self.left])
        self.left -= got
        self._at += got
        if got and self._on_read is not None:
            self._on_read(got)
        return got

    def _rest(self, filled: int, *, plain: bool) -> Iterator[Fragment]:
        """All that stands in the buffer and behind it."""

        def blocks() -> Iterator[bytes]:
            got = filled
            while got:
                block = bytes(self._buffer[:got])
                self.line_ends += block.count(b"\n")
                yield block
                got = self._read(memoryview(self._buffer))

        return self._among(self._before(0, filled) if plain else b"", blocks(), plain=plain)

    def _last_line(self, begin: int, filled: int) -> Iterator[Fragment]:
        """What stands in the file's last line, which has no line end."""
        text = bytes(self._buffer[begin:filled])
        is_named = _NAME_WORD in text or ESCAPE in text
        return self._among(self._before(begin, filled) if is_named else b"", iter((text,)), plain=True)

    def _among(self, before: bytes, blocks: Iterator[bytes], *, plain: bool) -> Iterator[Fragment]:
        """What a `Scanner` finds in ``blocks`` of text, which have the text ``before`` them, and more behind them."""
        line = self.line_ends + 1
        ends: list[int] = []

        def text() -> Iterator[bytes]:
            yield before
            yield from blocks
            if self._at < self._file_end:
                ends.append(self.line_ends)
                yield _read_at(self._descriptor, min(NAME_REACH, self._file_end - self._at), self._at)

        for fragment in self._scanner.fragments_of(text(), line=line - before.count(b"\n"), plain=plain):
            if fragment.line >= line and not (ends and fragment.line > ends[0]):
                yield fragment

    def _before(self, begin: int, filled: int) -> bytes:
        """What a record may have before the place ``begin`` of the buffer, in whole lines."""
        if self._readinto is not None:
            return (self._passed + self._buffer[:begin])[-NAME_REACH:]
        end = self._at - filled + begin
        first = max(0, end - NAME_REACH)
        text = _read_at(self._descriptor, end - first, first)
        return text if not first else text[text.find(b"\n") + 1 :]

    def _after(self, end: int, filled: int) -> bytes:
        """What a record may have behind the place ``end`` of the buffer."""
        if self._readinto is not None:
            more = memoryview(bytearray(NAME_REACH - len(self._ahead)))
            got = self._readinto(more) if len(more) else 0
            self._ahead += more[:got]
            return bytes(self._buffer[end:filled]) + self._ahead
        begin = self._at - filled + end
        return _read_at(self._descriptor, max(0, min(NAME_REACH, self._file_end - begin)), begin)

    def _in_lines(self, whole: int, filled: int) -> Iterator[Lines | Fragment]:
        """Take what may hold records from the buffer's first ``whole`` bytes, of ``filled``, and count their lines."""
        text = self._buffer
        size = whole
        escapes = self._search.places(text, ESCAPE, size)
        if text.find(0, 0, size) >= 0 or text.find(0x1B, 0, size) >= 0 or (len(escapes) and is_coloured(text)):
            text = bytearray(normal(bytes(text[:size])))
            size = len(text)
            escapes = self._search.places(text, ESCAPE, size)
        escaped = [at for at in escapes.tolist() if text[at + len(ESCAPE)] in _OF_NAMES]
        names = self._search.places(text, NEEDLE, size)
        hits, dense = self._search.hits(text, size)
        if not hits and dense == size and not len(names) and not escaped:
            self.line_ends += _line_ends(text, size)
            return
        ends = self._places(text, b"\n", size)
        begins = np.append(0, ends[:-1] + 1)
        chosen = np.zeros(len(ends), np.bool_)
        chosen[np.searchsorted(ends, np.array(hits, np.int64))] = True
        chosen[np.searchsorted(ends, dense) :] = True
        named = np.searchsorted(ends, names)
        special = self._special(text, begins, ends, names, named, escaped)
        chosen[named] = True
        chosen[special] = False
        if special:
            around = self._surrounded(bytes(text[:size]), whole, filled)
            for index in special:
                begin, end = (around.shift + int(each[index]) for each in (begins, ends))
                yield from self._scanner.fragments_within(around.text, begin, end + 1, self.line_ends + index + 1)
        if chosen.any():
            yield _lines(text, np.flatnonzero(chosen), begins, ends, self.line_ends + 1)
        self.line_ends += len(ends)

    def _special(
        self, text: bytearray, begins: Integers, ends: Integers, names: Integers, lines: Integers, escapes: list[int]
    ) -> list[int]:
        """Find the lines that cannot be read each by itself, or whose name is spelled in an unusual way.

        The ``names`` stand on ``lines``.
        """
        found: set[int] = set()
        if len(names):
            begin, end = begins[lines], ends[lines]
            opening, closing = (self._places(text, brace, int(ends[-1])) for brace in (b"{", b"}"))
            is_long = end - begin > RECORD_LIMIT
            if len(opening) == len(closing) == len(names):  # most files have a brace before and behind each name
                is_odd = (opening < begin) | (opening > names) | (closing < names) | (closing > end)
            else:
                is_odd = np.ones(len(names), np.bool_)
            if is_odd.any():
                before = np.searchsorted(opening, begin)
                opened = np.searchsorted(opening, end) - before
                closed = np.searchsorted(closing, end) - np.searchsorted(closing, begin)
                is_odd = (np.searchsorted(opening, names) <= before) | (opened != closed)
            found.update(lines[is_long | is_odd].tolist())
        for index in {int(each) for each in np.searchsorted(ends, np.array(escapes, np.int64))}:
            if self._scanner.tag.search(text, int(begins[index]), int(ends[index])) is not None:
                found.add(index)
        return sorted(found)

    def _places(self, text: bytearray, byte: bytes, size: int) -> Integers:
        """Where ``byte`` stands in the first ``size`` bytes of the buffer's ``text``."""
        return np.flatnonzero(np.equal(np.frombuffer(text, np.uint8, size), byte[0], out=self._mask[:size]))

    def _surrounded(self, text: bytes, whole: int, filled: int) -> _Surrounded:
        """The buffer's ``whole`` lines, and what records in them may have before and behind these."""
        before, after = normal(self._before(0, filled)), normal(self._after(whole, filled))
        return _Surrounded(b"".join((before, text, after)), len(before))


class _Surrounded(NamedTuple):
    """Some text, with what stands around it."""

    text: bytes
    shift: int
    """Where it begins."""


def _lines(text: bytearray, chosen: Integers, begins: Integers, ends: Integers, first: int) -> Lines:
    """The lines with the indices ``chosen``, of which the one with index 0 has the number ``first``."""
    is_new = np.ones(len(chosen), np.bool_)
    is_new[1:] = chosen[1:] != chosen[:-1] + 1
    runs = np.flatnonzero(is_new)
    lasts = np.append(runs[1:], len(chosen)) - 1
    spans = zip(begins[chosen[runs]].tolist(), (ends[chosen[lasts]] + 1).tolist(), strict=True)
    view = memoryview(text)
    return Lines(chosen + first, b"".join([view[begin:end] for begin, end in spans]))


def _read_into(descriptor: int, view: memoryview) -> int:
    if hasattr(os, "readv"):
        return os.readv(descriptor, (view,))
    got = os.read(descriptor, len(view))
    view[: len(got)] = got
    return len(got)


def _read_at(descriptor: int, size: int, begin: int) -> bytes:
    if hasattr(os, "pread"):
        return os.pread(descriptor, size, begin)
    at = os.lseek(descriptor, 0, os.SEEK_CUR)
    os.lseek(descriptor, begin, os.SEEK_SET)
    text = os.read(descriptor, size)
    os.lseek(descriptor, at, os.SEEK_SET)
    return text


def _line_ends(text: bytearray, size: int) -> int:
    if size < _WORTH_NUMPY:
        return text.count(b"\n", 0, size)
    return int(np.count_nonzero(np.frombuffer(text, np.uint8, size) == ord("\n")))
