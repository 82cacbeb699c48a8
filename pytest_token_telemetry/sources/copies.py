"""Find records of a call that another record tells of.

Each line of a file is a call; a line that several files hold is as many calls as the file has that holds it most often.
Nearly all lines are alone with what they say: the hashes of all are sorted, and only rows that share one are looked at.
Most of these are whole copies of files, which are left out at once. The others are looked at one by one.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np

from pytest_token_telemetry.samples import UNKNOWN
from pytest_token_telemetry.sources.recorded import KnownCalls, Span
from pytest_token_telemetry.sources.rows import Identities, timed
from pytest_token_telemetry.sources.tagged.digests import digests_of_texts

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from pytest_token_telemetry.sample import Sample
    from pytest_token_telemetry.samples import Integers, Mask, Samples, SamplesBuilder
    from pytest_token_telemetry.sources.recorded import Phase
    from pytest_token_telemetry.sources.rows import AbsorbedRecords
    from pytest_token_telemetry.sources.tagged.digests import Digests

    Hashes: TypeAlias = npt.NDArray[np.uint64]
    Parts: TypeAlias = Sequence[tuple[Samples, Identities]]
    """The samples of files, in their order."""

_AT_ONCE = timedelta(milliseconds=100)
"""Longest time between two lines of our own about one call, by the code that makes it and by its test."""

_CLOCKS = 16 * 3600
"""Seconds that a local clock may be away from UTC, and more."""

_Digest = tuple[int, int]

Copies: TypeAlias = dict[_Digest, dict[str | None, int]]
"""The rows of calls by their digests, and by their tasks."""


@dataclass
class RecordedCalls:
    """The calls that tests recorded. Each has a row, from 0."""

    span: Span
    """When the tests ran."""
    known: KnownCalls = field(default_factory=KnownCalls)
    calls: dict[int, tuple[Sample, Phase]] = field(default_factory=dict)
    """By row."""
    _known_by: list[tuple[str, int]] = field(default_factory=list)
    """By what copies are known: identities, and the rows of their calls."""

    def add(self, row: int, sample: Sample, identity: str | None, phase: Phase) -> None:
        """Add a call. What a test records twice happened twice, even with the same id."""
        self.known.add(sample, row)
        self.calls[row] = (sample, phase)
        if identity is not None:
            self._known_by.append((identity, row))

    @cached_property
    def copies(self) -> Copies:
        """The calls by what their copies are known by, once all were added."""
        copies: Copies = {}
        digests = digests_of_texts([identity for identity, _ in self._known_by])
        known = [row for _, row in self._known_by]
        have = [at for at, row in enumerate(known) if self.calls[row][0].id is not None]
        times = np.array([self.calls[known[at]][0].time for at in have], "datetime64[us]")
        every = np.concatenate([digests, timed(digests[have], times)])
        for (head, tail), row in zip(every.tolist(), [*known, *(known[at] for at in have)], strict=True):
            rows = copies.setdefault((head, tail), {})
            sample, _ = self.calls[row]
            if sample.truncated or sample.task_id not in rows:  # a copy may say that a call was truncated
                rows[sample.task_id] = row
        return copies

    def may_tell_of(self, times: npt.NDArray[np.datetime64]) -> Mask:
        """Mark which of ``times`` may be of the tests, by whatever clock; an unknown time may be."""
        seconds = times.astype("datetime64[s]").astype(np.int64)
        near = (seconds >= self.span.began - _CLOCKS) & (seconds <= self.span.ended + _CLOCKS)
        found: Mask = np.isnat(times) | near
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspects:
    """The rows of files that may be copies, or have copies."""

    rows: Integers
    """In order, from 0."""
    identities: Identities
    """Of these rows."""
    near: Mask
    """Which of them may tell of a call that a test recorded."""
    absorbed: AbsorbedRecords
    """The records that samples absorb: some of the rows may be copies of these."""
    tellers: Integers
    """Of those that have an id, in their order: the first row of all with the same id."""


def find_suspects(parts: Parts, recorded: RecordedCalls, absorbed: AbsorbedRecords) -> Suspects:
    """Find the rows of ``parts`` that share a hash with each other or with a ``recorded`` call, or may tell of one.

    Those too that share a hash with an ``absorbed`` record, which are without a prediction.
    """
    told = np.empty(0, np.uint64)
    if any((samples.predicted_output_tokens == UNKNOWN).any() for samples, _ in parts):
        told = np.unique(absorbed.head)
    repeated, heads = _repeated(parts), np.unique(np.array([head for head, _ in recorded.copies], np.uint64))
    rows, identities, nears = [np.empty(0, np.int64)], [], [np.empty(0, np.bool_)]
    begin = 0
    for samples, known in parts:
        head = known.digest[:, 0]
        near = np.zeros(len(samples), np.bool_)
        if recorded.calls:
            near = recorded.may_tell_of(samples.time) | (known.known & _is_one_of(heads, head))
        suspect = near | (known.known & _is_one_of(repeated, head))
        if len(told):
            suspect |= known.known & (samples.predicted_output_tokens == UNKNOWN) & _is_one_of(told, head)
        found = np.flatnonzero(suspect)
        rows.append(begin + found)
        identities.append(known.take(found))
        nears.append(near[found])
        begin += len(samples)
    joined = Identities.joined(identities)
    return Suspects(
        rows=np.concatenate(rows),
        identities=joined,
        near=np.concatenate(nears),
        absorbed=absorbed,
        tellers=_tellers(parts, joined.id[joined.id != 0]),
    )


class LeftOut(NamedTuple):
    """What is left out of a table."""

    rows: Integers
    """The rows that tell of a call once more, in any order."""
    again: Integers
    """Those of them that stand in a file in which every record stands several times in a row: each counts once."""
    doubled: Integers
    """Such files."""


def copies_left_out(table: SamplesBuilder, suspects: Suspects, recorded: RecordedCalls) -> LeftOut:
    """Find the rows of ``table`` that tell of a call once more, and add what they know to those that stay.

    The table begins with the ``recorded`` calls; the rows of files follow.
    """
    rows = len(recorded.calls) + suspects.rows
    identities = suspects.identities
    digests = _digests(table, suspects, len(recorded.calls))
    again, doubled = _written_again(table, rows, digests, identities.known)
    told = _told_by_samples(table, rows, digests, ~again & identities.known, suspects.absorbed)
    doubtful = suspects.near | ~identities.known
    whole, leaders, others = _whole_copies(table, rows, digests, again | told, doubtful, identities.id != 0)
    is_named = identities.id != 0
    is_named[identities.emitted.row] = True
    _add_labels(table, rows[leaders[is_named[whole]]], rows[whole[is_named[whole]]])
    files, tasks = table.column("file")[rows[others]], table.column("task_id")[rows[others]]
    others = others[np.lexsort((others, tasks == UNKNOWN, files))]
    looking = _Looking(table, recorded)
    for at in others.tolist():
        digest = (int(digests[at, 0]), int(digests[at, 1])) if identities.known[at] else None
        has_id = bool(identities.id[at])
        known = looking.look_at(int(rows[at]), digest, has_id, bool(identities.own[at]), identities.ids.get(at))
        if known is not None and is_named[at]:
            _add_labels(table, np.array([known]), rows[at : at + 1])
    left_out = np.concatenate([rows[again | told], rows[whole], np.array(looking.left_out, dtype=np.int64)])
    return LeftOut(left_out, rows[again], doubled)


def _repeated(parts: Parts) -> Hashes:
    """Find the first halves of digests that more than one row has, sorted."""
    heads = np.empty(sum(np.count_nonzero(known.known) for _, known in parts), np.uint64)
    begin = 0
    for _, known in parts:
        found = known.digest[known.known, 0]
        heads[begin : begin + len(found)] = found
        begin += len(found)
    heads.sort()
    return np.unique(heads[1:][heads[1:] == heads[:-1]])


def _is_one_of(ordered: Hashes, hashes: Hashes) -> Mask:
    """Mark which of ``hashes`` occur in ``ordered``, which is sorted."""
    if not len(ordered):
        return np.zeros(len(hashes), np.bool_)
    found: Mask = ordered[_places(ordered, hashes)] == hashes
    return found


def _places(ordered: Hashes, hashes: Hashes) -> Integers:
    """Find the index in ``ordered`` of each of ``hashes`` that occurs there."""
    return np.minimum(np.searchsorted(ordered, hashes), len(ordered) - 1)


def _tellers(parts: Parts, ids: Hashes) -> Integers:
    """Find the first row, of all parts, that has each of ``ids``."""
    ordered = np.unique(ids)
    if not len(ordered):
        return np.empty(0, np.int64)
    first = np.full(len(ordered), -1)
    begin = 0
    for samples, known in parts:
        places = _places(ordered, known.id)
        rows = np.flatnonzero((ordered[places] == known.id) & (first[places] < 0))[::-1]
        first[places[rows]] = begin + rows  # the last to be written is the first row
        begin += len(samples)
    return first[_places(ordered, ids)]


def _digests(table: SamplesBuilder, suspects: Suspects, first: int) -> Digests:
    """By what copies of each suspect are known.

    If a file has an earlier call with the same id at another time, and no earlier file has one, the id is that of a
    stand-in for a model, which gives every answer the same: a system tells of its call once. The time tells them apart.
    """
    known = suspects.identities
    digests = known.digest.copy()
    have = np.flatnonzero(known.id)
    files, times = table.column("file"), table.column("time").view(np.int64)
    rows, tellers = first + suspects.rows[have], first + suspects.tellers
    is_stub = (files[rows] == files[tellers]) & (times[rows] != times[tellers])
    stubs = have[is_stub]
    digests[stubs] = timed(digests[stubs], table.column("time")[rows[is_stub]])
    return digests


def _written_again(table: SamplesBuilder, rows: Integers, digests: Digests, known: Mask) -> tuple[Mask, Integers]:
    """Mark suspects that a handler attached several times has written again, and find the files of such handlers.

    In such a file each record stands equally often, or some times as often, next to each other. One record alone is no
    proof: parallel calls that are truncated at one cap leave the same line. A line that knows another task, or another
    end, than the one before it is not the same.
    """
    column = table.column("file")
    files, begins, found = np.unique(column[rows], return_index=True, return_counts=True)
    every = found == np.searchsorted(column, files, "right") - np.searchsorted(column, files, "left")
    if not every.any():
        return np.zeros(len(rows), np.bool_), np.empty(0, np.int64)
    differs = np.zeros(len(rows), np.bool_)
    differs[1:] = (digests[1:] != digests[:-1]).any(axis=1)
    differs[begins] = False
    starts = differs | ~known
    for name in ("task_id", "max_tokens", "truncated"):
        said = table.column(name)[rows]
        starts[1:] |= (said[1:] != said[:-1]) & (said[1:] != UNKNOWN)
    starts[begins] = True
    runs = np.flatnonzero(starts)
    lengths = np.diff(runs, append=len(rows))
    times = np.gcd.reduceat(lengths, np.searchsorted(runs, begins))
    times[~(every & np.logical_or.reduceat(differs, begins))] = 1
    at = np.arange(len(rows)) - np.repeat(runs, lengths)
    again: Mask = at % np.repeat(times, found) != 0
    return again, files[times > 1].astype(np.int64)


def _told_by_samples(
    table: SamplesBuilder, rows: Integers, digests: Digests, among: Mask, absorbed: AbsorbedRecords
) -> Mask:
    """Mark the suspects ``among`` all that are copies of records that samples of other files ``absorbed``.

    A file tells as often of such a record as the file in which most of them are absorbed.
    """
    found = np.zeros(len(rows), np.bool_)
    at = np.flatnonzero(among & (table.column("predicted_output_tokens")[rows] == UNKNOWN))
    heads, files = digests[at, 0], table.column("file")[rows[at]]
    same = np.isin(absorbed.head, heads)
    times = Counter(zip(absorbed.head[same].tolist(), absorbed.file[same].tolist(), strict=True))
    most: dict[int, int] = {}
    for (head, _), count in times.items():
        most[head] = max(most.get(head, 0), count)
    for each, head, file in zip(at.tolist(), heads.tolist(), files.tolist(), strict=True):
        if times[head, file] < most.get(head, 0):
            times[head, file] += 1
            found[each] = True
    return found


def _whole_copies(
    table: SamplesBuilder, rows: Integers, digests: Digests, again: Mask, doubtful: Mask, has_id: Mask
) -> tuple[Integers, Integers, Integers]:
    """Those of the suspects that tell what an earlier one with the same digest does, these, and those to be looked at.

    Those in ``again`` are passed over. The second line of a file that says the same is a copy of the
    second one of another file, unless the lines have the id of their call. If one suspect is ``doubtful`` or differs in
    what its lines before tell, all with its digest are to be looked at.
    """
    order = np.lexsort((digests[:, 1], digests[:, 0]))  # those alike stay in the order of their rows
    order = order[~again[order]] if again.any() else order
    if not len(order):
        return order, order, order
    is_first = np.ones(len(order), np.bool_)
    is_first[1:] = (digests[order[1:]] != digests[order[:-1]]).any(axis=1)
    begins = np.flatnonzero(is_first)
    group = np.cumsum(is_first) - 1
    leaders = order[begins][group]
    is_doubtful = doubtful[order]
    for name in ("task_id", "max_tokens", "truncated"):
        column = table.column(name)
        is_doubtful |= column[rows[order]] != column[rows[leaders]]
    is_doubtful = np.logical_or.reduceat(is_doubtful, begins)[group]
    nth = _nth_of_file(table.column("file")[rows[order]], is_first)
    nth[has_id[order]] = 0
    place = group * (int(np.max(nth)) + 1) + nth
    is_copy = np.zeros(len(order), np.bool_)
    is_copy[1:] = place[1:] <= np.maximum.accumulate(place)[:-1]  # a file before had as many
    copies = order[is_copy & ~is_doubtful]
    by_row = np.argsort(copies)
    return copies[by_row], leaders[is_copy & ~is_doubtful][by_row], np.sort(order[is_doubtful])


def _add_labels(table: SamplesBuilder, known: Integers, copies: Integers) -> None:
    """Add to ``known`` rows what only their ``copies``, as many rows, say: two systems may tell of one call."""
    for name in _LABELS:
        column = table.column(name)
        new = np.flatnonzero((column[known] == UNKNOWN) & (column[copies] != UNKNOWN))
        table.copy(name, known[new][::-1], copies[new][::-1])  # the first is written last
    table.fill_times(known[::-1], copies[::-1])


_LABELS = (
    *("predicted_output_tokens", "budget_tokens", "max_tokens", "truncated"),
    *("success", "deliverable_count", "category", "complexity", "model", "operation"),
)


def _nth_of_file(files: Integers, is_first: Mask) -> Integers:
    """Count, from 0, the rows of one group and one file before each row. Groups begin where ``is_first``."""
    is_new = is_first.copy()
    is_new[1:] |= files[1:] != files[:-1]
    begins = np.flatnonzero(is_new)
    nth: Integers = np.arange(len(files)) - begins[np.cumsum(is_new) - 1]
    return nth


@dataclass(slots=True)
class _Calls:
    """The calls that one line tells of, in however many files."""

    rows: dict[str | None, list[int]] = field(default_factory=dict)
    """By task."""
    _file: int = UNKNOWN
    _told: dict[str | None, int] = field(default_factory=dict)
    """By task: how many of them the file has told of."""

    def told_by(self, file: int, task: str | None, *, again: bool) -> int | None:
        """Find the row of a call that a line of ``file`` tells of, for the same task as far as the files know it.

        Lines of a file that name their task come first: those that name none may tell of any. Unless it may do so
        ``again``, a file tells of each call once.
        """
        if file != self._file:
            self._file, self._told = file, {}
        for each in (task, None) if task is not None else (None, *(each for each in self.rows if each is not None)):
            told, rows = self._told.get(each, 0), self.rows.get(each, ())
            if told == len(rows):
                continue
            row = rows[told]
            if each != task and task is not None:
                del self.rows[each][told]
                self.add(row, task, again=again)
            elif not again:
                self._told[each] = told + 1
            return row
        return None

    def add(self, row: int, task: str | None, *, again: bool) -> None:
        """Add a call of which the file has told."""
        rows = self.rows.setdefault(task, [])
        told = len(rows) if again else self._told.get(task, 0)
        rows.insert(told, row)
        if not again:
            self._told[task] = told + 1


class _Looking:
    """Decides on rows one by one, file by file."""

    def __init__(self, table: SamplesBuilder, recorded: RecordedCalls) -> None:
        """What copies know is added to the rows of ``table`` that stay."""
        self.left_out: list[int] = []
        self._table = table
        self._files = table.column("file")
        self._recorded = recorded
        self._calls: dict[_Digest, _Calls] = {}

    def look_at(self, row: int, digest: _Digest | None, has_id: bool, own: bool, id: str | None) -> int | None:
        """Keep ``row``, unless the same line was read before, for the same task as far as the files tell.

        Return the row of the call, if that may get what only this one says.

        Calls that are cut off at the same cap in the same second leave the same line, but belong to different tasks. A
        copy without the lines around it does not know its task. A line that has an id, or that a test recorded, is one
        call wherever it stands, and in one file too.
        """
        sample = self._table.sample(row)
        task, file = sample.task_id, int(self._files[row])
        calls, again = _Calls(), has_id
        if digest is not None:
            of_tests = self._recorded.copies.get(digest, {})
            again = again or bool(of_tests)
            calls = self._calls.setdefault(digest, _Calls({task: [each] for task, each in of_tests.items()}))
        known = calls.told_by(file, task, again=again)
        if known is not None:
            self._leave_out(row, known, sample)
            return None if known in self._recorded.calls else known  # two calls of a test may have one id
        recorded = None if again and calls.rows else self._recorded_row(replace(sample, id=id), own)
        calls.add(row if recorded is None else recorded, task, again=again)
        if recorded is not None:
            self._table.fill(recorded, sample)
            self.left_out.append(row)
        return None

    def _leave_out(self, row: int, known: int, sample: Sample) -> None:
        """Leave out ``row``, a copy of the one that is ``known``, and add to that what only the copy says."""
        self.left_out.append(row)
        if sample.task_id is not None:
            self._table.write("task_id", [known], [sample.task_id])
            if sample.max_tokens is not None:
                self._table.write("max_tokens", [known], [sample.max_tokens])
        if sample.truncated:
            self._table.write("truncated", [known], [True])

    def _recorded_row(self, sample: Sample, own: bool) -> int | None:
        """The row of the recorded call that ``sample``, from a file, tells of once more.

        A log line may come from anywhere in the phase. Lines of our own format tell their time exactly.
        """
        if not self._recorded.span.covers(sample.time):
            return None

        def may_be(row: int) -> bool:
            known, phase = self._recorded.calls[row]
            if not own:
                return phase.span.covers(sample.time)
            if sample.time is None or known.time is None or phase.span.begins_after(sample.time):
                return False
            if None not in (sample.task_id, known.task_id) and sample.task_id != known.task_id:
                return False
            return abs(sample.time - known.time) <= _AT_ONCE

        return self._recorded.known.claim(sample, may_be)
