"""The source of lines with a tag, in any text: the origin's lines, and our own.

Lines are found by `LineScanner`, whatever the file holds, and gathered over many small files. `regular` reads those at
once that look as the origin writes them; all others are read one by one, by `parse`, which is what both must agree on.
"""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np

from pytest_token_telemetry.sources.source import Found
from pytest_token_telemetry.sources.tagged.absorbing import absorb
from pytest_token_telemetry.sources.tagged.begun import begun
from pytest_token_telemetry.sources.tagged.fast_lane import regular
from pytest_token_telemetry.sources.tagged.formats import is_own, parse
from pytest_token_telemetry.sources.tagged.line_scanner import Lines, line_scanner
from pytest_token_telemetry.sources.tagged.records import Budget, Read, Unusable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pytest_token_telemetry.samples import Integers, Mask, SamplesBuilder
    from pytest_token_telemetry.sources.rows import Absorptions, Rows
    from pytest_token_telemetry.sources.source import Opened, Sizes
    from pytest_token_telemetry.sources.tagged.simple_search import Fragment

_BACK = 1 << 16
"""Bytes that are read at a time to look back."""


class TaggedSource:
    """Any text may have lines with a tag."""

    name = "logs"
    in_parts = True

    def claims(self, path: str, head: bytes) -> bool:  # noqa: ARG002
        """It reads what no other source does."""
        return True

    def reader(self, into: Rows, sizes: Sizes, on_read: Callable[[int], None] | None = None) -> TaggedReader:
        """See `Source.reader`."""
        return TaggedReader(into, sizes, on_read)


class TaggedReader:
    """Reads one file after the other, with one buffer for all of them."""

    def __init__(self, into: Rows, sizes: Sizes, on_read: Callable[[int], None] | None) -> None:
        self._into = into
        self._sizes = sizes
        self._scanner = line_scanner(sizes.buffer, on_read)
        self._gathered: list[bytes] = []
        self._origins: list[tuple[Integers, Integers]] = []
        self._size = 0
        self._on_read = on_read
        self._small: list[bytes] = []
        self._small_files: list[int] = []
        self._small_size = 0
        self._last = (0, 0, 0)

    def read(self, file: Opened) -> Found:
        """Read the next file. Small ones wait to be read together; of a part, the lines around it are read too.

        Raises:
            OSError: the file cannot be read, or mixes encodings in a way that would lose records.
        """
        if file.text is not None:
            self.read_text(file.text)
            return Found()
        if file.unpacked is not None:
            self._into.begin_file()
            self._take(self._scanner.scan(-1, 0, sys.maxsize, readinto=file.unpacked), self._into.file)
            return Found(self._scanner.line_ends)
        before, lines = _look_back(file.descriptor, file.begin, self._sizes.reach)
        self._into.begin_file(lines)
        self._take(self._scanner.scan(file.descriptor, before, file.end, file.size), self._into.file)
        return Found(self._scanner.line_ends - lines, self._scanner.left)

    def read_text(self, text: bytes) -> None:
        """Keep the ``text`` of the next file, a small one, until there are some more."""
        self._into.begin_file()
        if text:
            self._small.append(text)
            self._small_files.append(self._into.file)
            self._small_size += len(text)
            if self._small_size >= self._sizes.at_once:
                self._search_small()

    def complete(self, samples: SamplesBuilder, rows: Integers, waits: Mask) -> Absorptions:
        """Give samples what the ``[TOKEN_BUDGET]`` lines above them say."""
        return absorb(samples, rows, waits, self._sizes.reach)

    def finish(self) -> None:
        """Read what was gathered."""
        self._search_small()
        self._read_gathered()

    def _read_gathered(self) -> None:
        """Read the lines that were gathered, of however many files, at once."""
        if not self._gathered:
            return
        text = b"".join(self._gathered)
        files, numbers = (np.concatenate(columns) for columns in zip(*self._origins, strict=True))
        self._gathered, self._origins, self._size = [], [], 0
        found = regular(text)
        if len(found.samples):
            rows = found.samples.line - 1
            self._into.add_block(replace(found.samples, file=files[rows], line=numbers[rows]), found.digest)
        if (own := found.own) is not None and len(own.samples):
            rows = own.samples.line - 1
            self._into.add_own_block(
                replace(own.samples, file=files[rows], line=numbers[rows]), own.digest, own.known, own.ids
            )
        if len(found.budgets.samples):
            rows = found.budgets.samples.line - 1
            budgets = replace(found.budgets.samples, file=files[rows], line=numbers[rows])
            self._into.add_block(budgets, found.budgets.digest, waits=True)
        for at in (found.mentions - 1).tolist():
            self._into.mention(int(numbers[at]), file=int(files[at]))
        for line in found.rest:
            file, number = int(files[line.number - 1]), int(numbers[line.number - 1])
            for fragment in self._scanner.fragments_of_line(text[line.begin : line.end], number):
                self._read_fragment(fragment, file)

    def _search_small(self) -> None:
        """Gather the lines of the small files."""
        texts, files = self._small, np.array(self._small_files)
        if not texts:
            return
        self._small, self._small_files, self._small_size = [], [], 0
        text, ends = bytearray().join(texts), np.cumsum([*map(len, texts)])
        if self._on_read is not None:
            self._on_read(len(text))
        for at in self._scanner.others(text, ends):
            self._take(self._scanner.scan(-1, 0, sys.maxsize, readinto=BytesIO(texts[at]).readinto), int(files[at]))
            text[ends[at] - len(texts[at]) : ends[at]] = b"\n".rjust(len(texts[at]))  # no tag, and no more line ends
        if (found := self._scanner.lines_of(text, ends)) is not None:
            which, lines = found
            self._gather(files[which], lines)

    def _take(self, found: Iterable[Lines | Fragment], file: int) -> None:
        for each in found:
            if isinstance(each, Lines):
                self._gather(np.full(len(each.numbers), file), each)
            else:
                self._read_fragment(each, file)

    def _gather(self, files: Integers, lines: Lines) -> None:
        """Keep ``lines``, each of the file with that index, until they are worth reading."""
        self._gathered.append(lines.text)
        self._origins.append((files, lines.numbers))
        self._size += len(lines.text)
        if self._size >= self._sizes.at_once:
            self._read_gathered()

    def _read_fragment(self, fragment: Fragment, file: int) -> None:
        *before, place = self._last
        place = place + 1 if before == [file, fragment.line] else 0
        self._last = (file, fragment.line, place)
        match parse(fragment):
            case Budget(sample, identity):
                self._into.add(sample, identity, fragment.line, place=place, file=file, waits=True)
            case Unusable(reason, cut_off, ended, slips=slips):
                said = begun(fragment) if cut_off else None
                self._into.complain(reason, fragment.line, file=file, begun=said, ended=ended)
                self._into.note_in_line(slips, fragment.line)
            case Read(sample, identity, slips):
                own = is_own(fragment)
                self._into.note_in_line(slips, fragment.line)
                self._into.add(sample, identity, fragment.line, place=place, file=file, own=own)
            case None:
                self._into.mention(fragment.line, file=file)


def _look_back(descriptor: int, begin: int, lines: int) -> tuple[int, int]:
    """Where the last ``lines`` before ``begin`` begin, and how many these are: fewer at the beginning of the file.

    Those are enough to read what follows as in the whole file: a sample absorbs the nearest record that is left, so
    that what stands further above never changes who absorbs these.
    """
    at, found = begin, 0
    while at:
        size = min(at, _BACK)
        at -= size
        os.lseek(descriptor, at, os.SEEK_SET)
        block = os.read(descriptor, size)
        ends = block.count(b"\n")
        if found + ends > lines:
            end = size
            for _ in range(lines + 1 - found):
                end = block.rfind(b"\n", 0, end)
            return at + end + 1, lines
        found += ends
    return 0, found
