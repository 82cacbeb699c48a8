"""Which calls of different traces are one: those of one response, of which several programs or instrumentations tell.

A client and a gateway, each in a trace of its own, tell of a call with the response's id, which is the provider's own.
So do records of other formats, as of a gateway's log and of the program's. A server that stands in for a provider gives
all answers one id. It is told by what else the calls say: if one emitter, or one format, tells of two, or if they
differ in more than two spans of one call do, they are as many calls as there are.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pytest_token_telemetry.sample import are_one_model, is_truncated, truncation_source
from pytest_token_telemetry.samples import UNKNOWN
from pytest_token_telemetry.sources.by_row import ByRow
from pytest_token_telemetry.sources.tagged.digests import digests_of_texts

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from pytest_token_telemetry.samples import Integers, Mask, SamplesBuilder

MOST_EMITTERS = 8
"""Emitters of one call. More have a stand-in's id in common."""

_TWICE = 32
"""Tokens of the first events of a stream: by so many two spans of one call may differ."""

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
    """In ns since 1970; negative where a record tells of it, and no span."""

    @staticmethod
    def of_record(id: str, emitter: str) -> Emission:
        """By what a record is known beside its own id, if a record of another format has this one."""
        return Emission(id, (emitter,), _RECORD * 1000)


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
    def of_records(rows: Sequence[int], ids: Sequence[str], emitter: str) -> Emitted:
        """The emissions of records of one ``emitter``: see `Emission.of_record`."""
        return Emitted.of_columns(rows, ids, [emitter] * len(rows), np.full(len(rows), _RECORD))

    @staticmethod
    def of_columns(rows: Sequence[int], responses: Sequence[str], emitters: Sequence[str], began: Integers) -> Emitted:
        """The same by its columns, the ids and the emitters as texts."""
        if not rows:
            return Emitted()
        names = {each: code for code, each in enumerate(dict.fromkeys(emitters))}
        hashes = digests_of_texts([*names])[:, 0].astype(np.uint32)
        return Emitted(
            np.array(rows, np.int64),
            digests_of_texts(responses)[:, 0] | np.uint64(1),
            hashes[np.fromiter(map(names.__getitem__, emitters), np.int64, len(emitters))],
            began,
        )

    @staticmethod
    def repeated(parts: Sequence[Emitted], begins: Sequence[int], records: Sequence[OfRecords]) -> Emitted:
        """Those of all ``parts`` of which another one has the same response, or one of the ``records``: few, as a rule.

        With these records, of as many parts, and with those of which a record of another format has the same.
        """
        every = np.concatenate([np.empty(0, np.uint64), *(part.response for part in parts)])
        every.sort()
        is_told = np.zeros(len(every), np.bool_)
        is_told[1:] = every[1:] == every[:-1]
        for ids, _ in records if len(every) else ():
            at = np.minimum(np.searchsorted(every, ids), len(every) - 1)
            is_told[at[every[at] == ids]] = True
        found = np.union1d(every[is_told], _of_several_formats(records))
        if not len(found):
            return Emitted()
        of_spans = [part.entries(np.isin(part.response, found)) for part in parts]
        of_records = []
        for ids, formats in records:
            rows = np.flatnonzero(np.isin(ids, found))
            began = np.full(len(rows), _RECORD, np.int64)
            of_records.append(Emitted(rows, ids[rows], formats[rows].astype(np.uint32), began))
        return Emitted.joined([*of_spans, *of_records], [*begins[: len(parts)], *begins[: len(parts)]])


def _of_several_formats(records: Sequence[OfRecords]) -> npt.NDArray[np.uint64]:
    """The ids that records of more than one format have."""
    rows = [np.flatnonzero(ids) for ids, _ in records]
    formats = np.concatenate([np.empty(0, np.uint32), *(of.formats[at] for of, at in zip(records, rows, strict=True))])
    if not len(formats) or formats.min() == formats.max():
        return np.empty(0, np.uint64)
    ids = np.concatenate([of.ids[at] for of, at in zip(records, rows, strict=True)])
    order = np.lexsort((formats, ids))
    ids, formats = ids[order], formats[order]
    return np.unique(ids[1:][(ids[1:] == ids[:-1]) & (formats[1:] != formats[:-1])])


class OfRecords(NamedTuple):
    """What may tell of the responses of spans too: the records of other formats."""

    ids: npt.NDArray[np.uint64]
    """The hash of each row's own id; 0 without one."""
    formats: npt.NDArray[np.uint32]
    """The number of each row's format. It stands for the emitter."""


class ToldAgain(NamedTuple):
    """Which rows tell of the same calls as which others."""

    rows: Integers
    by: Integers
    """The row that stays, for each of those."""
    differing: int = 0
    """Ids that records of several formats have once each, with different counts of output tokens."""


def told_in_other_traces(table: SamplesBuilder, emitted: Emitted, stays: Mask | None) -> ToldAgain:
    """Find the rows of ``table`` that tell of a call of another row, and add what they know to that one.

    ``stays``: which rows are no copies; ``None``: all.
    """
    among = np.arange(len(emitted.row)) if stays is None else np.flatnonzero(stays[emitted.row])
    order = among[np.lexsort((emitted.row[among], emitted.response[among]))]
    responses = emitted.response[order]
    is_first = np.ones(len(order), np.bool_)
    is_first[1:] = responses[1:] != responses[:-1]
    counts = np.diff(np.flatnonzero(is_first), append=len(order))
    several = (counts > 1) & (counts <= MOST_EMITTERS)
    is_told = np.repeat(several, counts)
    told = _Told.all_of(table, emitted.entries(order[is_told]))
    again: list[int] = []
    by: list[int] = []
    end = differing = 0
    for count in counts[several].tolist():
        begin, end = end, end + count
        group = told[begin:end]
        if _is_one(table, group):
            first, *others = dict.fromkeys(each.row for each in group)
            began = {each.row: each.began for each in reversed(group)}
            for other in sorted(others, key=lambda row: -began[row]):
                _add(table, first, other)
            _take_output_of_innermost(table, first, group)
            again += others
            by += [first] * len(others)
        else:
            differing += _differs(group)
    return ToldAgain(np.array(again, np.int64), np.array(by, np.int64), differing)


def _add(table: SamplesBuilder, row: int, other: int) -> None:
    """Add to ``row`` what the ``other`` one, of another record of its call, knows."""
    sample = table.sample(other)
    table.fill(row, sample)
    table.fill_times(np.array([row]), np.array([other]))
    if sample.truncated and table.column("truncated")[row] != 1:
        for name in _OF_END:
            if (value := getattr(sample, name)) is not None:
                table.write(name, [row], [value])


def _take_output_of_innermost(table: SamplesBuilder, row: int, group: Sequence[_Told]) -> None:
    """Have ``row``, which stays, the output of the span that began last: it is next to the provider."""
    innermost = max(group, key=lambda each: (each.began, -each.ended, -each.output))
    if all(each.output == innermost.output for each in group):
        return
    table.write("output_tokens", [row], [innermost.output])
    known = table.sample(row)
    if known.truncation_source in (None, "cap"):  # by the output of another span
        truncated = is_truncated(None, known.finish_reason, innermost.output, known.max_tokens)
        table.write("truncated", [row], [truncated])
        table.write("truncation_source", [row], [truncation_source(truncated, None, known.finish_reason)])


_OF_END = ("truncated", "truncation_source", "finish_reason", "finish_reason_raw")
"""What says how a call ended: it is of the record that says that it was cut off."""


class _Told(NamedTuple):
    """What one emitter, or a record, says of a call: plain numbers, which take less time one by one than arrays."""

    row: int
    emitter: int
    began: int
    ended: int
    """The time of the call, in us since 1970; `_NO_TIME` if it is not known."""
    output: int
    predicted: int
    model: int

    @staticmethod
    def all_of(table: SamplesBuilder, emitted: Emitted) -> list[_Told]:
        """All of these, in their order."""
        rows = emitted.row
        ended = table.column("time")[rows].view(np.int64)
        said = (ended, *(table.column(name)[rows] for name in ("output_tokens", "predicted_output_tokens", "model")))
        columns = (rows, emitted.emitter, emitted.began, *said)
        return [*map(_Told, *(column.tolist() for column in columns))]


_NO_TIME = np.iinfo(np.int64).min


def _is_one(table: SamplesBuilder, group: Sequence[_Told]) -> bool:
    """Whether all in a ``group`` tell of one call: of the same output, prediction and model, at one time.

    Spans alone may have outputs that differ a little, as OpenLLMetry counts the first tokens of Anthropic's streams
    twice, or other models, as a gateway's client names it otherwise, but not both.
    """
    spans = [each for each in group if each.began != _RECORD]
    if (
        len({each.row for each in group}) == 1
        or len({each.emitter for each in group}) < len(group)
        or max(each.output for each in group) - min(each.output for each in group) > (_TWICE if spans == group else 0)
        or (not spans and len({each.predicted for each in group} - {UNKNOWN}) > 1)
        or (spans and not _are_at_one_time(group, spans))
    ):
        return False
    models = {each.model: each.row for each in group if each.model != UNKNOWN}
    if are_one_model(table.values("model", [*models.values()])):
        return True
    return len(spans) == len(group) and len({each.output for each in group}) == 1


def _differs(group: Sequence[_Told]) -> bool:
    """Whether records of several formats, each of which has it once, give one call different output tokens."""
    emitters = {each.emitter for each in group}
    return (
        len(emitters) == len(group)
        and all(each.began == _RECORD for each in group)
        and len({each.row for each in group}) > 1
        and len({each.output for each in group}) > 1
    )


def _are_at_one_time(group: Sequence[_Told], spans: Sequence[_Told]) -> bool:
    """Whether the calls of ``spans``, some of a ``group``, went on at one time, in which its records may be."""
    ended = [each.ended for each in group if each.began == _RECORD and each.ended != _NO_TIME]
    first, last = min(each.began for each in spans), max(each.began for each in spans)
    is_at_one_time = first > 0 and last <= min(each.ended for each in spans) + _CLOCKS
    latest = max(each.ended for each in spans) + _CLOCKS
    return is_at_one_time and all(first - _CLOCKS - _ROUNDED <= each <= latest for each in ended)
