"""Put together what tests recorded and what files hold, and leave out what tells of a call once more."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

import numpy as np

from pytest_token_telemetry.columns import UNKNOWN, SampleColumns, Samples
from pytest_token_telemetry.sources import native
from pytest_token_telemetry.sources.extract import Identities, digest_of, halves, timed_digest
from pytest_token_telemetry.sources.formats import telemetry_scanner
from pytest_token_telemetry.sources.recorded import KnownCalls, Span
from pytest_token_telemetry.sources.records import Read, Unusable
from pytest_token_telemetry.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pytest_token_telemetry.columns import Integers, Mask
    from pytest_token_telemetry.sample import Sample
    from pytest_token_telemetry.sources.extract import Extract, FileRead
    from pytest_token_telemetry.sources.recorded import Phase, Recorded

PLACES_SHOWN = 3
"""How many places of each kind of unusable line are kept."""

_AT_ONCE = timedelta(milliseconds=100)
"""Between two lines of our own about one call, written by what makes it and by what tests it."""

_CLOCKS = 16 * 3600
"""Seconds that a local clock may be away from UTC, and more."""

_Digest = tuple[int, int]
_Copies = dict[_Digest, dict[str | None, int]]
"""By identity: the rows of its calls, by their tasks."""


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


@dataclass(frozen=True, slots=True)
class Origin:
    """A file to read."""

    shown: str
    """Its path as users see it."""
    run: str
    """The run that it belongs to."""


@dataclass(slots=True, kw_only=True)
class Merged:
    """All that was recorded and read."""

    samples: Samples
    files: list[File]
    duplicates: int
    unusable: dict[str, UnusableLines]
    unreadable: dict[str, str]


def merge(extracts: Sequence[Extract], origins: Sequence[Origin], recorded: Recorded | None) -> Merged:
    """Merge what tests ``recorded`` and the ``extracts`` of all files, whose ``origins`` are in the same order."""
    tests = _Tests(recorded)
    files = _Files(len(tests.names), tests.unusable, tests.unreadable)
    begin = 0
    for extract in extracts:
        files.add(extract, origins[begin : begin + len(extract.files)])
        begin += len(extract.files)
    table = Table([tests.columns.build(), *files.parts])
    codes = dict.fromkeys(files.runs)
    numbers = {run: code for code, run in enumerate(codes)}
    of_files = np.array([*[UNKNOWN] * len(tests.names), *(numbers[run] for run in files.runs), UNKNOWN])
    table.set_names("run", of_files[table.column("file")], list(codes))
    copies = _CopiesLeftOut(table, tests, files.identities())
    samples = table.build(copies.kept())
    names, kinds = [*tests.names, *files.names], ["test"] * len(tests.names) + ["file"] * len(files.names)
    counts = np.bincount(samples.file, minlength=len(names)).tolist()
    return Merged(
        samples=samples,
        files=[File(*each) for each in zip(names, counts, kinds, strict=True)],  # type: ignore[arg-type] # two kinds
        duplicates=tests.repeated + copies.count,
        unusable=dict(sorted(files.unusable.items())),
        unreadable=files.unreadable,
    )


class _Tests:
    """What tests recorded."""

    def __init__(self, recorded: Recorded | None) -> None:
        self.columns = SampleColumns()
        self.names: list[str] = []
        self.repeated = 0
        self.unusable: dict[str, UnusableLines] = {}
        self.unreadable = dict(recorded.lost) if recorded is not None else {}
        self.span = recorded.span if recorded is not None else Span(0, 0)
        self.known = KnownCalls()
        self.calls: dict[int, tuple[Sample, Phase]] = {}
        self.copies: _Copies = {}
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
        """Take one recorded call. What a test records twice happened twice, even with the same id."""
        for fragment in telemetry_scanner().fragments_of(iter((f"{line}\n".encode(),))):
            match native.parse(fragment):
                case Read(sample, identity):
                    lines[phase.test] += 1
                    row = self.columns.add(sample, number, lines[phase.test])
                    self.known.add(sample, row)
                    self.calls[row] = (sample, phase)
                    for digest in _digests(sample, identity):
                        rows = self.copies.setdefault(digest, {})
                        if sample.truncated or sample.task_id not in rows:  # a copy may say that a call was cut off
                            rows[sample.task_id] = row
                case Unusable(reason):
                    self._complain(reason, phase.test, 1)

    def _complain(self, reason: str, test: str, count: int) -> None:
        self.unusable.setdefault(reason, UnusableLines()).add(count, [test])


class _Files:
    """What files hold, each file once, whatever names it has."""

    def __init__(self, first: int, unusable: dict[str, UnusableLines], unreadable: dict[str, str]) -> None:
        """Files are numbered from ``first`` on."""
        self.names: list[str] = []
        self.runs: list[str] = []
        self.parts: list[Samples] = []
        self.unusable = unusable
        self.unreadable = unreadable
        self._first = first
        self._seen: set[tuple[int, int]] = set()
        self._identities: list[Identities] = []

    def add(self, extract: Extract, origins: Sequence[Origin]) -> None:
        """Add some files, with their ``origins``."""
        numbers = [self._number(*each) for each in zip(extract.files, origins, strict=True)]
        for complaint in extract.complaints:
            if numbers[complaint.file] != UNKNOWN:
                shown = origins[complaint.file].shown
                places = [f"{shown}:{line}" for line in complaint.lines]
                self.unusable.setdefault(complaint.reason, UnusableLines()).add(complaint.count, places)
        files = np.array([*numbers, UNKNOWN])[extract.samples.file]
        samples, identities = replace(extract.samples, file=files), extract.identities
        if UNKNOWN in numbers:
            rows = np.flatnonzero(files != UNKNOWN)
            samples, identities = samples.take(rows), identities.take(rows)
        self.parts.append(samples)
        self._identities.append(identities)

    def identities(self) -> Identities:
        """Those of all parts."""
        return Identities.joined(self._identities)

    def _number(self, file: FileRead, origin: Origin) -> int:
        """The file's number; `UNKNOWN` if it was read under another name or could not be opened."""
        if file.identity in self._seen:
            return UNKNOWN
        if file.error is not None:
            self.unreadable[origin.shown] = file.error
        if file.identity is None:
            return UNKNOWN
        self._seen.add(file.identity)
        self.names.append(origin.shown)
        self.runs.append(origin.run)
        return self._first + len(self.names) - 1


class _CopiesLeftOut:
    """Which rows of files tell of a call that an earlier row tells of.

    Nearly all lines are alone with what they say, which sorting their digests shows. Only the others are looked at one
    by one.
    """

    def __init__(self, table: Table, tests: _Tests, identities: Identities) -> None:
        """Look at all rows of files; what copies know is added to the rows that stay."""
        self._table = table
        self._tests = tests
        self._identities = identities
        self._first = len(table) - len(identities.known)
        self._copies = tests.copies
        self._tellers: dict[int, int] | None = None
        self._left_out: list[int] = []
        for row in self._first + np.flatnonzero(self._suspicious()):
            self._look_at(int(row))

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self._left_out)

    def kept(self) -> Integers | None:
        """The rows that stay; ``None`` if all do."""
        if not self._left_out:
            return None
        kept = np.ones(len(self._table), np.bool_)
        kept[self._left_out] = False
        return np.flatnonzero(kept)

    def _suspicious(self) -> Mask:
        """The rows of files that may be copies, or have copies."""
        known, heads = self._identities.known, self._identities.digest[:, 0]
        rows = np.flatnonzero(known)
        order = rows[np.argsort(heads[rows])]
        alike = heads[order[1:]] == heads[order[:-1]]
        found = np.zeros(len(known), np.bool_)
        found[order[1:][alike]] = True
        found[order[:-1][alike]] = True
        if self._tests.calls:
            found |= known & np.isin(heads, np.array([head for head, _ in self._copies], dtype=np.uint64))
            found |= self._in_session()
        return found

    def _in_session(self) -> Mask:
        """The rows of files that may be of the time of the tests, by whatever clock, or do not tell their time."""
        time = self._table.column("time")[self._first :]
        seconds = time.astype("datetime64[s]").astype(np.int64)
        span = self._tests.span
        found: Mask = np.isnat(time) | ((seconds >= span.began - _CLOCKS) & (seconds <= span.ended + _CLOCKS))
        return found

    def _look_at(self, row: int) -> None:
        """Keep ``row``, unless the same line was read before, for the same task as far as the files tell.

        Calls that are cut off at the same cap in the same second leave the same line, but belong to different tasks. A
        copy without the lines around it does not know its task.
        """
        table = self._table
        rows: dict[str | None, int] = {}
        digest = self._digest(row)
        if digest is not None:
            rows = self._copies.setdefault(digest, rows)
        sample = table.sample(row)
        task = sample.task_id
        recorded = None if rows else self._recorded_row(row, sample)
        if recorded is not None:
            rows[task] = recorded
            table.fill(recorded, sample)
            self._left_out.append(row)
            return
        if not rows or (task is not None and rows.keys().isdisjoint((task, None))):
            rows[task] = row
            return
        self._left_out.append(row)
        if task is not None:
            kept = rows[task] = rows.pop(task if task in rows else None)
            table.complete(kept, task_id=task, max_tokens=sample.max_tokens)
        if sample.truncated:
            table.set_truncated(rows[task] if task in rows else next(iter(rows.values())), truncated=True)

    def _digest(self, row: int) -> _Digest | None:
        """By what copies of ``row`` are known."""
        at = row - self._first
        if not self._identities.known[at]:
            return None
        timed = self._identities.timed.get(at)
        digest = timed[0] if timed is not None and self._is_next_of_stub(row) else self._identities.digest[at]
        return int(digest[0]), int(digest[1])

    def _is_next_of_stub(self, row: int) -> bool:
        """True if its file has an earlier call with the same id, at another time, and no earlier file has one.

        A system tells of its call once: it is a stand-in for a model, which gives every answer the same id.
        """
        files, times, ids = self._table.column("file"), self._table.column("time"), self._identities.id
        if self._tellers is None:
            each, first = np.unique(ids, return_index=True)
            self._tellers = dict(zip(each.tolist(), (self._first + first).tolist(), strict=True))
        teller = self._tellers[int(ids[row - self._first])]
        return bool(files[teller] == files[row] and times[teller].item() != times[row].item())

    def _recorded_row(self, row: int, sample: Sample) -> int | None:
        """The row of the recorded call that ``sample``, from a file, tells of once more.

        A log line may come from anywhere in the phase. Lines of our own format tell their time exactly.
        """
        if not self._tests.span.covers(sample.time):
            return None
        at = row - self._first
        own = bool(self._identities.own[at])
        sample = replace(sample, id=self._identities.ids.get(at))

        def may_be(row: int) -> bool:
            known, phase = self._tests.calls[row]
            if not own:
                return phase.span.covers(sample.time)
            if sample.time is None or known.time is None or phase.span.begins_after(sample.time):
                return False
            if None not in (sample.task_id, known.task_id) and sample.task_id != known.task_id:
                return False
            return abs(sample.time - known.time) <= _AT_ONCE

        return self._tests.known.claim(sample, may_be)


def _digests(sample: Sample, identity: str | None) -> list[_Digest]:
    """By what a recorded call is known: its identity, and the same with its time if it has an id."""
    if identity is None:
        return []
    known = [digest_of(identity)]
    if sample.id is not None:
        known.append(timed_digest(identity, sample))
    return [(int(head), int(tail)) for each in known for head, tail in halves(each)]
