"""Which calls of different traces are one: those of one response, of which several programs or instrumentations tell.

A client and a gateway, each in a trace of its own, tell of a call with the response's id, which is the provider's own.
So does a record of another format, as of a gateway's log. A server that stands in for a provider gives all answers one
id. It is told by what else the calls say: if one emitter, or one format, tells of two, or if outputs, models or times
differ, they are as many calls as there are.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pytest_token_telemetry.sources.by_row import ByRow
from pytest_token_telemetry.sources.tagged.digests import digests_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy.typing as npt

    from pytest_token_telemetry.samples import Integers, Mask, SamplesBuilder

MOST_EMITTERS = 8
"""Emitters of one call. More have a stand-in's id in common."""

_CLOCKS = 1_000_000
"""Microseconds by which the clocks of two hosts may differ."""

_ROUNDED = 1_000_000
"""Microseconds that the time of a record may leave out: some providers tell whole seconds."""

_RECORD = -1
"""Instead of the begin of a call, where a record of another format tells of it."""


class Emission(NamedTuple):
    """By what a call may be known in another trace."""

    response: str
    """The response's own id."""
    emitters: tuple[str, ...]
    """Which programs and instrumentations tell of it."""
    began: int
    """In ns since 1970."""


@dataclass(frozen=True, slots=True)
class Emitted(ByRow):
    """The emissions of calls, one entry an emitter."""

    response: npt.NDArray[np.uint64] = field(default_factory=lambda: np.empty(0, np.uint64))
    """The hash of the response's id, never 0: that of `Ids`."""
    emitter: npt.NDArray[np.uint32] = field(default_factory=lambda: np.empty(0, np.uint32))
    """Its hash. If two have the same, their calls stay two."""
    began: Integers = field(default_factory=lambda: np.empty(0, np.int64))
    """In us since 1970; `_RECORD` where no span tells it."""

    @staticmethod
    def of(emissions: Sequence[Emission | None]) -> Emitted:
        """The ``emissions`` of as many rows, from 0; ``None``: of one nothing is known."""
        return Emitted.of_columns(
            [row for row, each in enumerate(emissions) if each for _ in each.emitters],
            [each.response for each in emissions if each for _ in each.emitters],
            [emitter for each in emissions if each for emitter in each.emitters],
            np.array([each.began // 1000 for each in emissions if each for _ in each.emitters], np.int64),
        )

    @staticmethod
    def of_columns(rows: Sequence[int], responses: Sequence[str], emitters: Sequence[str], began: Integers) -> Emitted:
        """The same by its columns, the ids and the emitters as texts."""
        if not rows:
            return Emitted()
        names = {each: code for code, each in enumerate(dict.fromkeys(emitters))}
        hashes = digests_of([each.encode("utf-8", "surrogatepass") for each in names])[:, 0].astype(np.uint32)
        return Emitted(
            np.array(rows, np.int64),
            digests_of([each.encode("utf-8", "surrogatepass") for each in responses])[:, 0] | np.uint64(1),
            hashes[np.fromiter(map(names.__getitem__, emitters), np.int64, len(emitters))],
            began,
        )

    @staticmethod
    def repeated(parts: Sequence[Emitted], begins: Sequence[int], records: Iterable[OfRecords]) -> Emitted:
        """Those of all ``parts`` of which another one has the same response, or one of the ``records``: few, as a rule.

        With these records, of as many parts.
        """
        every = np.concatenate([np.empty(0, np.uint64), *(part.response for part in parts)])
        if not len(every):
            return Emitted()
        every.sort()
        is_told = np.zeros(len(every), np.bool_)
        is_told[1:] = every[1:] == every[:-1]
        of_records = []
        for ids, formats in records:
            at = np.minimum(np.searchsorted(every, ids), len(every) - 1)
            rows = np.flatnonzero(every[at] == ids)
            is_told[at[rows]] = True
            began = np.full(len(rows), _RECORD, np.int64)
            of_records.append(Emitted(rows, ids[rows], formats[rows].astype(np.uint32), began))
        found = np.unique(every[is_told])
        if not len(found):
            return Emitted()
        of_spans = [part.entries(np.isin(part.response, found)) for part in parts]
        return Emitted.joined([*of_spans, *of_records], [*begins[: len(parts)], *begins[: len(parts)]])


class OfRecords(NamedTuple):
    """What may tell of the responses of spans too: the records of other formats."""

    ids: npt.NDArray[np.uint64]
    """The hash of each row's own id; 0 without one."""
    formats: Integers
    """The number of each row's format. It stands for the emitter."""


class ToldAgain(NamedTuple):
    """Which rows tell of the same calls as which others."""

    rows: Integers
    by: Integers
    """The row that stays, for each of those."""


def told_in_other_traces(table: SamplesBuilder, emitted: Emitted, stays: Mask | None) -> ToldAgain:
    """Find the rows of ``table`` that tell of a call of another row, and add what they know to that one.

    ``stays``: which rows are no copies; ``None``: all.
    """
    among = np.arange(len(emitted.row)) if stays is None else np.flatnonzero(stays[emitted.row])
    order = among[np.lexsort((emitted.row[among], emitted.response[among]))]
    responses = emitted.response[order]
    is_first = np.ones(len(order), np.bool_)
    is_first[1:] = responses[1:] != responses[:-1]
    begins = np.flatnonzero(is_first)
    counts = np.diff(begins, append=len(order))
    again: list[int] = []
    by: list[int] = []
    several = (counts > 1) & (counts <= MOST_EMITTERS)
    for begin, count in zip(begins[several].tolist(), counts[several].tolist(), strict=True):
        group = order[begin : begin + count]
        rows = np.unique(emitted.row[group])
        if len(rows) > 1 and len(np.unique(emitted.emitter[group])) == count and _is_one(table, emitted, group, rows):
            first, *others = rows.tolist()
            for other in sorted(others, key=lambda row: -int(emitted.began[group][emitted.row[group] == row][0])):
                sample = table.sample(other)
                table.fill(first, sample)
                if sample.truncated and table.column("truncated")[first] != 1:
                    said = {name: getattr(sample, name) for name in _OF_END}
                    for name, value in said.items():
                        if value is not None:
                            table.write(name, [first], [value])
            again += others
            by += [first] * len(others)
    return ToldAgain(np.array(again, np.int64), np.array(by, np.int64))


_OF_END = ("truncated", "truncation_source", "finish_reason", "finish_reason_raw")
"""What says how a call ended: it is of the record that says that it was cut off."""


def _is_one(table: SamplesBuilder, emitted: Emitted, group: Integers, rows: Integers) -> bool:
    """Whether the calls of a ``group`` have the same output and model, and were going on at one time."""
    by_span = emitted.began[group] != _RECORD
    began, spans = emitted.began[group][by_span], np.unique(emitted.row[group][by_span])
    if not len(spans) or np.min(began) <= 0 or len(np.unique(table.column("output_tokens")[rows])) > 1:
        return False
    times = table.column("time").view(np.int64)  # the least where it is not known
    told = times[np.setdiff1d(rows, spans)]
    told = told[told != np.iinfo(np.int64).min]
    return bool(
        np.max(began) <= np.min(times[spans]) + _CLOCKS
        and (told >= np.min(began) - _CLOCKS - _ROUNDED).all()
        and (told <= np.max(times[spans]) + _CLOCKS).all()
        and _are_one_model([table.sample(row).model for row in rows.tolist()], exactly=len(spans) == len(rows))
    )


def _are_one_model(names: Sequence[str | None], *, exactly: bool) -> bool:
    """Whether ``names`` may be of one model: records of a gateway may lack the provider, or the version."""
    known = {name for name in names if name is not None}
    if exactly or len(known) < 2:
        return len(known) < 2
    shortest, *others = sorted((name.rpartition("/")[2] for name in known), key=len)
    return all(name.startswith(shortest) for name in others)
