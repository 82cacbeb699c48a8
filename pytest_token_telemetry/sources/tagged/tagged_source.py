"""The source of lines with a tag, in any log: the origin's lines, and our own.

Lines are found by `LineScanner`, whatever the file holds, and gathered over many small files. `regular` reads those at
once that look as the origin writes them; all others are read one by one, by `parse`, which is what both must agree on.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pytest_token_telemetry.sources import own_format
from pytest_token_telemetry.sources.tagged.budgets import BUDGET_REACH, join_rows
from pytest_token_telemetry.sources.tagged.fast_lane import regular
from pytest_token_telemetry.sources.tagged.formats import parse
from pytest_token_telemetry.sources.tagged.records import Budget, Read, Unusable
from pytest_token_telemetry.sources.tagged.search import BUFFER, Lines, line_scanner

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_token_telemetry.samples import Integers, SamplesBuilder
    from pytest_token_telemetry.sources.rows import Rows
    from pytest_token_telemetry.sources.tagged.simple_search import Fragment

_BACK = 1 << 16
"""Bytes that are read at a time to look back."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is looked at, and at a time."""

    buffer: int = BUFFER
    """Bytes that are read at a time."""
    at_once: int = 1 << 20
    """Bytes of lines that are gathered before they are read."""
    reach: int = BUDGET_REACH
    """Lines from a ``[TOKEN_BUDGET]`` record to the sample that it belongs to."""


class TaggedSource:
    """Reads one file after the other, with one buffer for all of them."""

    def __init__(self, into: Rows, sizes: Sizes, on_read: Callable[[int], None] | None = None) -> None:
        """It gives what it finds ``into`` rows. ``on_read`` is called with the number of bytes of each read."""
        self._into = into
        self._sizes = sizes
        self._scanner = line_scanner(sizes.buffer, on_read)
        self._gathered: list[bytes] = []
        self._origins: list[tuple[int, Integers]] = []
        self._size = 0
        self._budgets: list[_PlacedBudget] = []
        self._last = (0, 0, 0)

    def read(self, descriptor: int, begin: int, end: int) -> tuple[int, int]:
        """Read the next file from byte ``begin``, where a line begins, to byte ``end``.

        It may be a part of a file: lines before it are read for what they say about its samples.

        Returns:
            How many line ends there are, and how many bytes are missing at the end.

        Raises:
            OSError: the file cannot be read, or mixes encodings in a way that would lose records.
        """
        before, lines = _look_back(descriptor, begin, self._sizes.reach)
        self._into.begin_file(lines)
        for found in self._scanner.scan(descriptor, before, end):
            if isinstance(found, Lines):
                self._gather(found)
            else:
                self._read_fragment(found, self._into.file)
        return self._scanner.line_ends - lines, self._scanner.left

    def complete(self, samples: SamplesBuilder, rows: Integers, places: Integers) -> None:
        """Give samples what the ``[TOKEN_BUDGET]`` lines above them say: see `Rows.build`."""
        if not self._budgets:
            return
        files, lines = samples.column("file")[rows], samples.column("line")[rows]
        for file, budgets in groupby(sorted(self._budgets, key=lambda each: each[:3]), key=lambda each: each.file):
            part = slice(*np.searchsorted(files, (file, file + 1)).tolist())
            columns = (lines[part].tolist(), places[part].tolist(), rows[part].tolist())
            join_rows(samples, zip(*columns, strict=True), (each[1:] for each in budgets), self._sizes.reach)

    def finish(self) -> None:
        """Read the lines that were gathered, of however many files, at once."""
        if not self._gathered:
            return
        text = b"".join(self._gathered)
        files = np.repeat([file for file, _ in self._origins], [len(numbers) for _, numbers in self._origins])
        numbers = np.concatenate([numbers for _, numbers in self._origins])
        self._gathered, self._origins, self._size = [], [], 0
        found = regular(text)
        if len(found.samples):
            rows = found.samples.line - 1
            self._into.add_block(replace(found.samples, file=files[rows], line=numbers[rows]), found.digest)
        for at, budget in found.budgets:
            self._budgets.append(_PlacedBudget(int(files[at - 1]), int(numbers[at - 1]), 0, budget))
        for line in found.rest:
            file, number = int(files[line.number - 1]), int(numbers[line.number - 1])
            for fragment in self._scanner.fragments_of_line(text[line.begin : line.end], number):
                self._read_fragment(fragment, file)

    def _gather(self, lines: Lines) -> None:
        self._gathered.append(lines.text)
        self._origins.append((self._into.file, lines.numbers))
        self._size += len(lines.text)
        if self._size >= self._sizes.at_once:
            self.finish()

    def _read_fragment(self, fragment: Fragment, file: int) -> None:
        *before, place = self._last
        place = place + 1 if before == [file, fragment.line] else 0
        self._last = (file, fragment.line, place)
        match parse(fragment):
            case Budget() as budget:
                self._budgets.append(_PlacedBudget(file, fragment.line, place, budget))
            case Unusable(reason):
                self._into.complain(reason, fragment.line, file=file)
            case Read(sample, identity):
                own = fragment.tag == own_format.TAG
                self._into.add(sample, identity, fragment.line, place=place, file=file, own=own)


class _PlacedBudget(NamedTuple):
    """A ``[TOKEN_BUDGET]`` record that a sample below it may claim."""

    file: int
    line: int
    place: int
    """Which record of its line it is, from 0."""
    budget: Budget


def _look_back(descriptor: int, begin: int, lines: int) -> tuple[int, int]:
    """Where the last ``lines`` before ``begin`` begin, and how many these are: fewer at the beginning of the file.

    Those are enough to read what follows as in the whole file: a sample claims the nearest record that is left, so
    that what stands further above never changes who claims these.
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
