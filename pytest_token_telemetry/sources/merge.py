"""Put together what tests recorded and what files hold, without the copies."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from pytest_token_telemetry.samples import UNKNOWN, NameColumn, Samples, SamplesBuilder, blocks, narrowest
from pytest_token_telemetry.sources import own_format
from pytest_token_telemetry.sources.copies import RecordedCalls, copies_left_out, find_suspects
from pytest_token_telemetry.sources.recorded import Span
from pytest_token_telemetry.sources.tagged.formats import telemetry_scanner
from pytest_token_telemetry.sources.tagged.records import Read, Unusable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pytest_token_telemetry.samples import Integers, Mask
    from pytest_token_telemetry.sources.extract import Extract, FileRead
    from pytest_token_telemetry.sources.recorded import Phase, Recorded
    from pytest_token_telemetry.sources.rows import Identities

PLACES_SHOWN = 3
"""How many places of each kind of unusable line are kept."""


@dataclass(frozen=True, slots=True)
class File:
    """A file that was read, or a test that recorded."""

    path: str
    """As shown, with '/', or the test's node id. It may hold any character: a reporter makes it inert."""
    samples: int
    kind: Literal["file", "test"] = "file"


@dataclass(slots=True)
class UnusableLines:
    """Lines that should be samples and cannot be, for one reason."""

    count: int = 0
    places: list[str] = field(default_factory=list)
    """The first `PLACES_SHOWN`, as ``file:line``."""

    def add(self, count: int, places: Iterable[str]) -> None:
        """Count more of them."""
        self.count += count
        self.places = [*self.places, *places][:PLACES_SHOWN]


class Origin(NamedTuple):
    """A file to read. They are read in their order."""

    shown: str
    """Its path as users see it."""
    real: str
    """The path to open."""
    run: str
    """The run that it belongs to."""


@dataclass(frozen=True, slots=True)
class Scanned:
    """What the reading of files took."""

    files: int
    size: int
    """Bytes."""
    seconds: float
    processes: int

    @property
    def rate(self) -> float:
        """Bytes a second."""
        return self.size / self.seconds if self.seconds else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """All that some directories hold and some tests recorded."""

    samples: Samples
    files: tuple[File, ...]
    """The tests that recorded, in the order in which they ran, then the files that were read, by their paths."""
    recorded: Recorded | None = None
    """What tests recorded, if that was asked for."""
    duplicates: int = 0
    """Copies of a sample that were left out."""
    unusable: dict[str, UnusableLines] = field(default_factory=dict)
    """By reason."""
    unreadable: dict[str, str] = field(default_factory=dict)
    """Files and directories that could not be read, with the reason."""
    outside: tuple[str, ...] = ()
    """Links out of a directory, not followed."""
    special: tuple[str, ...] = ()
    """Pipes, sockets and devices, not opened."""
    scanned: Scanned | None = field(default=None, compare=False)
    """What the reading took."""

    def count(self, kind: Literal["file", "test"]) -> int:
        """How many files were read, or how many tests recorded."""
        return sum(file.kind == kind and (kind == "file" or file.samples > 0) for file in self.files)


def merge(extracts: Iterable[Extract], origins: Sequence[Origin], recorded: Recorded | None) -> Reading:
    """Merge what tests ``recorded`` and the ``extracts`` of all files, whose ``origins`` are in the same order.

    If nobody else holds the extracts, there is never much more of them at a time than all their samples once.
    """
    tests = _Tests(recorded)
    files = _Files(len(tests.names), tests.unusable, tests.unreadable)
    begin = 0
    for extract in extracts:
        files.add(extract, origins[begin : begin + len(extract.files)])
        begin += len(extract.files)
    suspects = find_suspects(files.parts, tests.calls)
    table = SamplesBuilder(chain([tests.columns.build()], files.samples()))
    left_out = copies_left_out(table, suspects, tests.calls)
    samples = table.build(_all_but(left_out, len(table)))
    names, kinds = [*tests.names, *files.names], ["test"] * len(tests.names) + ["file"] * len(files.names)
    counts = _counts(samples, len(names))
    return Reading(
        samples=samples,
        files=tuple(File(*each) for each in zip(names, counts, kinds, strict=True)),  # type: ignore[arg-type] # two kinds
        recorded=recorded,
        duplicates=tests.repeated + len(left_out),
        unusable=dict(sorted(files.unusable.items())),
        unreadable=files.unreadable,
    )


def _all_but(left_out: Integers, rows: int) -> Mask | None:
    """Which of the rows stay; ``None`` if all do."""
    if not len(left_out):
        return None
    kept = np.ones(rows, np.bool_)
    kept[left_out] = False
    return kept


def _counts(samples: Samples, files: int) -> list[int]:
    """How many samples each file has."""
    counts = np.zeros(files, np.int64)
    for part in blocks(len(samples)):
        counts += np.bincount(samples.file[part], minlength=files)
    return counts.tolist()


class _Tests:
    """What tests recorded."""

    def __init__(self, recorded: Recorded | None) -> None:
        self._scanner = telemetry_scanner()
        self.columns = SamplesBuilder()
        self.names: list[str] = []
        self.repeated = 0
        self.unusable: dict[str, UnusableLines] = {}
        self.unreadable = dict(recorded.lost) if recorded is not None else {}
        self.calls = RecordedCalls(recorded.span if recorded is not None else Span(0, 0))
        numbers: dict[str, int] = {}
        lines: Counter[str] = Counter()
        for phase in recorded.phases if recorded is not None else ():
            if phase.test not in numbers:
                numbers[phase.test] = len(self.names)
                self.names.append(phase.test)
            self.repeated += phase.repeated
            for reason, count in phase.unusable.items():
                self._complain(reason, phase.test, count)
            for line in phase.lines:
                self._take(line, phase, numbers[phase.test], lines)

    def _take(self, line: str, phase: Phase, number: int, lines: Counter[str]) -> None:
        """Take one recorded call."""
        for fragment in self._scanner.fragments_of_line(f"{line}\n".encode(), 1):
            match own_format.parse(fragment):
                case Read(sample, identity):
                    lines[phase.test] += 1
                    row = self.columns.add(sample, number, lines[phase.test])
                    self.calls.add(row, sample, identity, phase)
                case Unusable(reason):
                    self._complain(reason, phase.test, 1)

    def _complain(self, reason: str, test: str, count: int) -> None:
        self.unusable.setdefault(reason, UnusableLines()).add(count, [test])


class _Files:
    """What files hold."""

    def __init__(self, first: int, unusable: dict[str, UnusableLines], unreadable: dict[str, str]) -> None:
        """Files are numbered from ``first`` on."""
        self.names: list[str] = []
        self.parts: list[tuple[Samples, Identities]] = []
        self.unusable = unusable
        self.unreadable = unreadable
        self._first = first

    def add(self, extract: Extract, origins: Sequence[Origin]) -> None:
        """Add some files, with their ``origins``."""
        numbers = [self._number(*each) for each in zip(extract.files, origins, strict=True)]
        for complaint in extract.complaints:
            places = [f"{origins[complaint.file].shown}:{line}" for line in complaint.lines]
            self.unusable.setdefault(complaint.reason, UnusableLines()).add(complaint.count, places)
        files = extract.samples.file
        runs = {run: code for code, run in enumerate(dict.fromkeys(each.run for each in origins))}
        samples = replace(
            extract.samples,
            file=narrowest(np.array(numbers, np.int64)[files]),
            run=NameColumn(narrowest(np.array([runs[each.run] for each in origins], np.int64)[files]), tuple(runs)),
        )
        self.parts.append((samples, extract.identities))

    def samples(self) -> Iterator[Samples]:
        """Give the samples of each part, and forget the part."""
        self.parts.reverse()
        while self.parts:
            yield self.parts.pop()[0]

    def _number(self, file: FileRead, origin: Origin) -> int:
        """The file's number; `UNKNOWN` if it could not be opened."""
        if file.error is not None:
            self.unreadable[origin.shown] = file.error
        if not file.opened:
            return UNKNOWN
        self.names.append(origin.shown)
        return self._first + len(self.names) - 1
