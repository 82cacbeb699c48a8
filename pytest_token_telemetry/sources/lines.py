"""Find the tagged records of a file fast: read whole lines into one buffer, and look closer at those with a tag only.

What is found is what `Scanner` finds, which is the definition. A record never goes beyond its line, so that a line can
be looked at by itself; text in a wide encoding, and lines longer than the buffer, are left to the `Scanner`.
"""

from __future__ import annotations

import io
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from pytest_token_telemetry.sources.formats import NEEDLES, telemetry_scanner
from pytest_token_telemetry.sources.scan import LOOK_BACK, RECORD_LIMIT, Fragment, Scanner, is_wide

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

BUFFER = 1 << 20
"""Bytes of the buffer: in the fastest range that was measured, and more than any line of a real log has."""

_MARK = 4
"""Bytes that tell the encoding."""

_WORTH_NUMPY = 1 << 12
"""Bytes from which on numpy counts line ends faster than `bytes.count`."""


def line_scanner(buffer: int = BUFFER, on_read: Callable[[int], None] | None = None) -> LineScanner:
    """A scanner for the records of all formats: see `LineScanner`."""
    return LineScanner(telemetry_scanner(), NEEDLES, buffer, on_read)


class LineScanner:
    """Finds the records of one file after the other, with one buffer for all of them."""

    def __init__(
        self,
        scanner: Scanner,
        needles: tuple[bytes, ...],
        buffer: int = BUFFER,
        on_read: Callable[[int], None] | None = None,
    ) -> None:
        """A fast way to the results of ``scanner``, each of whose tags begins with one of ``needles``.

        ``on_read`` is called with the number of bytes of each read, of at most ``buffer`` bytes.
        """
        self._scanner = scanner
        self._needles = needles
        self._buffer = bytearray(max(buffer, _MARK))
        self._on_read = on_read

    def fragments(self, descriptor: int, size: int) -> Iterator[Fragment]:
        """The records in the open file ``descriptor``, which had ``size`` bytes when it was opened, in their order.

        Raises:
            OSError: the file cannot be read, or mixes encodings in a way that would lose records.
        """
        buffer, view = self._buffer, memoryview(self._buffer)
        file = io.FileIO(descriptor, closefd=False)
        line, filled, total = 1, 0, 0
        while True:
            got = self._read(file, view[filled:])
            filled += got
            total += got
            at_end = not got or total >= size
            is_first = total == filled
            if is_first and filled < _MARK and not at_end:
                continue
            if is_first and is_wide(bytes(view[: min(filled, _MARK)])):
                yield from self._rest(file, filled, 1, plain=False)
                return
            whole = buffer.rfind(b"\n", 0, filled) + 1
            if not whole and filled == len(buffer) and not at_end:
                yield from self._rest(file, filled, line, plain=True)
                return
            yield from self._in_lines(whole, line)
            line += _line_ends(buffer, 0, whole)
            if at_end:
                yield from self._shifted((bytes(view[whole:filled]),), line, plain=True)
                return
            buffer[: filled - whole] = buffer[whole:filled]
            filled -= whole

    def _read(self, file: io.FileIO, view: memoryview) -> int:
        got = file.readinto(view) or 0
        if got and self._on_read is not None:
            self._on_read(got)
        return got

    def _rest(self, file: io.FileIO, filled: int, line: int, *, plain: bool) -> Iterator[Fragment]:
        """All that stands in the buffer and behind it, which begins on ``line``."""

        def blocks() -> Iterator[bytes]:
            while got := self._read(file, memoryview(self._buffer)):
                yield bytes(self._buffer[:got])

        return self._shifted(chain((bytes(self._buffer[:filled]),), blocks()), line, plain=plain)

    def _in_lines(self, whole: int, line: int) -> Iterator[Fragment]:
        """The records in the buffer's first ``whole`` bytes, which are whole lines, the first of them ``line``."""
        text: bytes | bytearray = self._buffer
        if text.find(0, 0, whole) >= 0:  # as in UTF-16 without a mark
            text = bytes(text[:whole]).replace(b"\0", b"")
            whole = len(text)
        counted = 0
        for begin, at, end in self._tagged(text, whole):
            line += _line_ends(text, counted, begin)
            counted = begin
            yield from self._of_line(text, begin, at, end, line)

    def _tagged(self, text: bytes | bytearray, whole: int) -> Iterator[tuple[int, int, int]]:
        """Where each line with a needle begins, where its first needle is, and where its line end is."""
        needles = self._needles
        found = [text.find(needle, 0, whole) for needle in needles]
        while True:
            at = min((each for each in found if each >= 0), default=-1)
            if at < 0:
                return
            end = text.find(b"\n", at, whole)
            yield text.rfind(b"\n", 0, at) + 1, at, end
            found = [
                text.find(needle, end, whole) if 0 <= each < end else each
                for needle, each in zip(needles, found, strict=True)
            ]

    def _of_line(self, text: bytes | bytearray, begin: int, at: int, end: int, line: int) -> Iterable[Fragment]:
        """The records of the line from ``begin`` to ``end``, whose first needle is at ``at``."""
        tag = self._scanner.tag
        found = tag.search(text, at, end)
        if found is None:
            return ()
        start, after = found.span()
        if start - begin > LOOK_BACK or end - after >= RECORD_LIMIT or tag.search(text, after, end):
            return self._shifted((bytes(text[begin : end + 1]),), line, plain=True)
        return (Fragment(line, found[0], bytes(text[begin:start]), bytes(text[after:end]), ended=True),)

    def _shifted(self, raw: Iterable[bytes], line: int, *, plain: bool) -> Iterator[Fragment]:
        """The records in ``raw``, which begins on ``line``."""
        for fragment in self._scanner.fragments_of(iter(raw), plain=plain):
            yield fragment if line == 1 else replace(fragment, line=fragment.line + line - 1)


def _line_ends(text: bytes | bytearray, begin: int, end: int) -> int:
    if end - begin < _WORTH_NUMPY:
        return text.count(b"\n", begin, end)
    return int(np.count_nonzero(np.frombuffer(text, np.uint8, end - begin, begin) == ord("\n")))
