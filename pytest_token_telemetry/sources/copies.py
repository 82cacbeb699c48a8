"""Find records of a call that another record tells of.

Nearly all lines are alone with what they say: the hashes of all are sorted, and only rows that share one are looked at.
Most of these are whole copies of files, which are left out at once. The others are looked at one by one.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from pytest_token_telemetry.sources.recorded import KnownCalls, Span
from pytest_token_telemetry.sources.rows import Identities, encoded, timed
from pytest_token_telemetry.sources.tagged.digests import digests_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from pytest_token_telemetry.sample import Sample
    from pytest_token_telemetry.samples import Integers, Mask, Samples, SamplesBuilder
    from pytest_token_telemetry.sources.recorded import Phase
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
        if identity is None:
            return
        self._known_by.append((identity, row))
        if sample.id is not None:
            self._known_by.append((timed(identity, sample), row))

    @cached_property
    def copies(self) -> Copies:
        """The calls by what their copies are known by, once all were added."""
        copies: Copies = {}
        digests = digests_of([encoded(identity) for identity, _ in self._known_by]).tolist()
        for (head, tail), (_, row) in zip(digests, self._known_by, strict=True):
            rows = copies.setdefault((head, tail), {})
            sample, _ = self.calls[row]
            if sample.truncated or sample.task_id not in rows:  # a copy may say that a call was cut off
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
    tellers: Integers
    """Of those that have an id, in their order: the first row of all with the same id."""


def find_suspects(parts: Parts, recorded: RecordedCalls) -> Suspects:
    """Find the rows of ``parts`` that share a hash with each other or with a ``recorded`` call, or may tell of one."""
    repeated, heads = _repeated(parts), np.unique(np.array([head for head, _ in recorded.copies], np.uint64))
    rows, identities, nears = [np.empty(0, np.int64)], [], [np.empty(0, np.bool_)]
    begin = 0
    for samples, known in parts:
        head = known.digest[:, 0]
        near = np.zeros(len(samples), np.bool_)
        if recorded.calls:
            near = recorded.may_tell_of(samples.time) | (known.known & _is_one_of(heads, head))
        found = np.flatnonzero(near | (known.known & _is_one_of(repeated, head)))
        rows.append(begin + found)
        identities.append(known.take(found))
        nears.append(near[found])
        begin += len(samples)
    joined = Identities.joined(identities)
    return Suspects(
        rows=np.concatenate(rows),
        identities=joined,
        near=np.concatenate(nears),
        tellers=_tellers(parts, joined.id[joined.id != 0]),
    )


def copies_left_out(table: SamplesBuilder, suspects: Suspects, recorded: RecordedCalls) -> Integers:
    """Find the rows of ``table`` that tell of a call once more, and add what they know to those that stay.

    The table begins with the ``recorded`` calls; the rows of files follow.
    """
    rows = len(recorded.calls) + suspects.rows
    identities = suspects.identities
    digests = _digests(table, suspects, len(recorded.calls))
    whole, others = _whole_copies(table, rows, digests, suspects.near | ~identities.known)
    looking = _Looking(table, recorded)
    for at in others.tolist():
        digest = (int(digests[at, 0]), int(digests[at, 1])) if identities.known[at] else None
        looking.look_at(int(rows[at]), digest, bool(identities.own[at]), identities.ids.get(at))
    return np.concatenate([rows[whole], np.array(looking.left_out, dtype=np.int64)])


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
    digests[have[is_stub]] = known.timed[is_stub]
    return digests


def _whole_copies(table: SamplesBuilder, rows: Integers, digests: Digests, doubtful: Mask) -> tuple[Integers, Integers]:
    """Those of the suspects that know nothing more than the first one with the same digest, and those to be looked at.

    If one of them is ``doubtful`` or differs in what its lines before tell, all with its digest are to be looked at.
    """
    order = np.lexsort((digests[:, 1], digests[:, 0]))  # those alike stay in the order of their rows
    is_first = np.ones(len(order), np.bool_)
    is_first[1:] = (digests[order[1:]] != digests[order[:-1]]).any(axis=1)
    begins = np.flatnonzero(is_first)
    group = np.cumsum(is_first) - 1
    leaders = order[begins][group]
    is_doubtful = doubtful[order]
    for name in ("task_id", "max_tokens", "truncated"):
        column = table.column(name)
        is_doubtful |= column[rows[order]] != column[rows[leaders]]
    if not len(order):
        return order, order
    is_doubtful = np.logical_or.reduceat(is_doubtful, begins)[group]
    return np.sort(order[~is_first & ~is_doubtful]), np.sort(order[is_doubtful])


class _Looking:
    """Decides on rows one by one, in their order."""

    def __init__(self, table: SamplesBuilder, recorded: RecordedCalls) -> None:
        """What copies know is added to the rows of ``table`` that stay."""
        self.left_out: list[int] = []
        self._table = table
        self._recorded = recorded

    def look_at(self, row: int, digest: _Digest | None, own: bool, id: str | None) -> None:
        """Keep ``row``, unless the same line was read before, for the same task as far as the files tell.

        Calls that are cut off at the same cap in the same second leave the same line, but belong to different tasks. A
        copy without the lines around it does not know its task.
        """
        table = self._table
        rows: dict[str | None, int] = {}
        if digest is not None:
            rows = self._recorded.copies.setdefault(digest, rows)
        sample = table.sample(row)
        task = sample.task_id
        recorded = None if rows else self._recorded_row(replace(sample, id=id), own)
        if recorded is not None:
            rows[task] = recorded
            table.fill(recorded, sample)
            self.left_out.append(row)
            return
        if not rows or (task is not None and rows.keys().isdisjoint((task, None))):
            rows[task] = row
            return
        self.left_out.append(row)
        if task is not None:
            kept = rows[task] = rows.pop(task if task in rows else None)
            table.write("task_id", [kept], [task])
            if sample.max_tokens is not None:
                table.write("max_tokens", [kept], [sample.max_tokens])
        if sample.truncated:
            table.write("truncated", [rows[task] if task in rows else next(iter(rows.values()))], [True])

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
