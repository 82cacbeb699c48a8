"""Which calls of different traces are one: those of one response, of which several programs or instrumentations tell.

A client and a gateway, each in a trace of its own, tell of a call with the response's id, which is the provider's own.
A server that stands in for a provider gives all answers one id. It is told by what else the calls say: if one emitter
tells of two, or if outputs, models or times differ, they are as many calls as there are.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pytest_token_telemetry.samples import UNKNOWN
from pytest_token_telemetry.sources.by_row import ByRow
from pytest_token_telemetry.sources.tagged.digests import digests_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from pytest_token_telemetry.samples import Integers, Mask, SamplesBuilder

MOST_EMITTERS = 8
"""Emitters of one call. More have a stand-in's id in common."""

_CLOCKS = 1_000_000
"""Microseconds by which the clocks of two hosts may differ."""


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
    """The hash of the response's id."""
    emitter: npt.NDArray[np.uint32] = field(default_factory=lambda: np.empty(0, np.uint32))
    """Its hash. If two have the same, their calls stay two."""
    began: Integers = field(default_factory=lambda: np.empty(0, np.int64))
    """In us since 1970."""

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
            digests_of([each.encode("utf-8", "surrogatepass") for each in responses])[:, 0].copy(),
            hashes[np.fromiter(map(names.__getitem__, emitters), np.int64, len(emitters))],
            began,
        )

    @staticmethod
    def repeated(parts: Sequence[Emitted], begins: Sequence[int]) -> Emitted:
        """Those of all ``parts`` of which another one has the same response: few, as a rule."""
        every = np.concatenate([np.empty(0, np.uint64), *(part.response for part in parts)])
        every.sort()
        found = np.unique(every[1:][every[1:] == every[:-1]])
        if not len(found):
            return Emitted()
        return Emitted.joined([part.entries(np.isin(part.response, found)) for part in parts], begins)


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
                if sample.truncated:
                    table.write("truncated", [first], [True])
            again += others
            by += [first] * len(others)
    return ToldAgain(np.array(again, np.int64), np.array(by, np.int64))


def _is_one(table: SamplesBuilder, emitted: Emitted, group: Integers, rows: Integers) -> bool:
    """Whether the calls of a ``group`` have the same output and model, and were going on at one time."""
    models = np.unique(table.column("model")[rows])
    ended: Integers = table.column("time")[rows].view(np.int64)  # the least if it is not known
    began = emitted.began[group]
    return bool(
        len(np.unique(table.column("output_tokens")[rows])) == 1
        and len(models[models != UNKNOWN]) <= 1
        and np.min(began) > 0
        and np.max(began) <= np.min(ended) + _CLOCKS
    )
