"""Read many plain ``[TokenEstimationV2]`` and ``[TOKEN_BUDGET]`` lines at once, each as `formats.parse` reads it alone.

A line is regular if it has one tag, a timestamp at its start, and the keys of the origin in their order, with plain
numbers. Such lines differ in their numbers and in few texts between these. The numbers are read as columns; what each
distinct text means says `formats.parse`, from a line that is plain but for that text. All other lines are left to the
caller: where there is any doubt, a line is not regular.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from pytest_token_telemetry.samples import UNKNOWN, NameColumn, unknown
from pytest_token_telemetry.sources.own_format import HEAD
from pytest_token_telemetry.sources.tagged.byte_words import Text, stamps
from pytest_token_telemetry.sources.tagged.digests import digests
from pytest_token_telemetry.sources.tagged.formats import TAGS, parse
from pytest_token_telemetry.sources.tagged.parsing import BUDGET, NO_NAMES, V2
from pytest_token_telemetry.sources.tagged.records import Budget, Read
from pytest_token_telemetry.sources.tagged.simple_search import Fragment

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

    from pytest_token_telemetry.sample import Sample
    from pytest_token_telemetry.samples import Flags, Floats, Integers, Mask, Samples
    from pytest_token_telemetry.sources.tagged.digests import Digests


class Line(NamedTuple):
    """A line of a block."""

    number: int
    """From 1."""
    begin: int
    end: int
    """Behind its line end, if it has one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Regular:
    """What the regular lines of a block say, and which other lines are to be read one by one."""

    samples: Samples
    """A row for each regular line, in their order; `Samples.line` is its number in the block, from 1."""
    digest: Digests
    """The digest of each row's `Read.identity`, of shape ``(rows, 2)``."""
    rest: list[Line]
    """The other lines that have a tag, or are cut off within the head of one, in their order.

    A `Scanner` that is given one alone would take its first bytes for the mark of an encoding, if they look like one.
    """
    budgets: list[tuple[int, Budget]]
    """What plain ``[TOKEN_BUDGET]`` lines say, each with its number in the block, from 1."""


def regular(block: bytes) -> Regular:
    """Read the regular lines of ``block``.

    Args:
        block: whole lines; only the last line of a file may lack its end. Plain bytes without NUL.
    """
    text = Text(block)
    line_ends = text.places(b"\n")
    tags = _tags(text)
    lines = np.searchsorted(line_ends, tags)
    reader = _Reader(text, line_ends, tags, lines)
    samples = reader.samples()
    is_rest = ~reader.chosen
    is_rest[reader.chosen] = ~reader.ok
    budgets = _budgets(text, line_ends, tags, lines, is_rest)
    return Regular(
        samples=samples,
        digest=reader.digest(),
        rest=_lines(block, line_ends, np.unique(lines[is_rest])),
        budgets=budgets,
    )


def _budgets(
    text: Text, line_ends: Integers, tags: Integers, lines: Integers, is_rest: Mask
) -> list[tuple[int, Budget]]:
    """Read the plain ``[TOKEN_BUDGET]`` lines, each with its number, and take them out of the rest."""
    begins = tags + len(BUDGET)
    candidates = np.flatnonzero(is_rest & _alone(lines) & (lines < len(line_ends)) & text.ends_with(BUDGET, begins))
    ends = line_ends[lines[candidates]]
    budgets = []
    rows = (column.tolist() for column in (candidates, lines[candidates], begins[candidates], ends))
    for tag, line, begin, end in zip(*rows, strict=True):
        found = _BUDGET.fullmatch(text.text, begin, end)
        if found is not None and (task := found[1].decode()).lower() not in NO_NAMES:
            budgets.append((line + 1, Budget(task, int(found[2]), int(found[3]))))
            is_rest[tag] = False
    return budgets


def _alone(lines: Integers) -> Mask:
    """Mark which of ``lines``, sorted line indices, occur once."""
    alone = np.ones(len(lines), np.bool_)
    alone[1:] &= lines[1:] != lines[:-1]
    alone[:-1] &= lines[1:] != lines[:-1]
    return alone


def _tags(text: Text) -> Integers:
    """Where the tags of all formats begin, in order."""
    found = []
    for first in dict.fromkeys(tag[:1] for tag in TAGS):
        begins = text.places(first)
        second = text.words(begins, 1)[:, 0] >> np.uint64(8) & np.uint64(0xFF)
        for tag in TAGS:
            if tag.startswith(first):
                candidates = begins[second == tag[1]]
                found.append(candidates[text.ends_with(tag, candidates + len(tag))])
    found = [begins for begins in found if len(begins)] or found[:1]
    return found[0] if len(found) == 1 else np.sort(np.concatenate(found))


def _lines(block: bytes, line_ends: Integers, indices: Integers) -> list[Line]:
    """The lines with these ``indices``, and a last one that may be cut off within the head of our own lines."""
    begins = np.append(0, line_ends + 1)
    ends = np.append(line_ends + 1, len(block))
    columns = (indices + 1, begins[indices], ends[indices])
    lines = [Line(*line) for line in zip(*(column.tolist() for column in columns), strict=True)]
    last = block[begins[-1] :]
    if last and len(last) < len(HEAD) and HEAD.encode().startswith(last):
        lines.append(Line(len(begins), int(begins[-1]), len(block)))
    return lines


_KEYS = 11
_LONGEST_TEXT = 192
"""Bytes of a text between two numbers. Real ones have up to 80."""
_MOST_TEXTS = 512
"""Distinct texts between the same two keys that are read once for all their lines."""


class _Reader:
    """Reads the lines that have one tag and as many equals signs behind it as there are keys.

    What is read of a line may be nonsense until all of it was found `ok`. But all places are in the block, or as near
    to it as `Text` allows, whatever the line.
    """

    def __init__(self, text: Text, line_ends: Integers, tags: Integers, lines: Integers) -> None:
        """A reader for ``text``, which has ``tags`` on the ``lines`` with these indices."""
        self.text = text
        size = len(text.text)
        begins = np.append(0, line_ends + 1)[lines]
        ends = np.append(line_ends, size)[lines]
        equals = np.append(text.places(b"="), [size] * (_KEYS + 1))
        first = np.searchsorted(equals, tags)
        chosen = _alone(lines) & (ends < size)
        chosen &= (equals[first + _KEYS - 1] < ends) & (equals[first + _KEYS] > ends)
        self.chosen: Mask = chosen
        """Which of the tags have such a line."""
        self.line: Integers = lines[chosen] + 1
        self.begin: Integers = begins[chosen]
        self.tag: Integers = tags[chosen]
        self.end: Integers = ends[chosen] - (text.bytes[ends[chosen] - 1] == ord("\r"))
        windows = np.lib.stride_tricks.sliding_window_view(equals, _KEYS)
        self.values: Integers = np.ascontiguousarray(windows[first[chosen]].T) + 1
        """Of each key: where its value begins."""
        self.stamp: Integers = self.begin + (text.bytes[self.begin] == ord("["))
        self.ok = np.ones(len(self.tag), np.bool_)

    def samples(self) -> Samples:
        """Read the regular lines, and mark in `ok` which these are."""
        predicted, output, smape, budget, category, _, deliverables, success, *_ = self.values
        kind = category - len(b" category=")
        outcome = success - len(b" success=")
        self._before(predicted, V2 + b" predicted_output=")
        counts = {
            "predicted_output_tokens": self._number(predicted, self._before(output, b" actual_output=")),
            "output_tokens": self._number(output, self._before(smape, b" smape=")),
            "budget_tokens": self._number(budget, kind),
            "deliverable_count": self._number(deliverables, outcome),
        }
        counts["deliverable_count"][counts["deliverable_count"] == 0] = UNKNOWN
        error = self._tenths(smape, self._before(budget, b"% selected_budget="))
        time, heading = self._time()
        self._texts(heading, self.tag, _heading)
        kinds = self._texts(kind, deliverables, _kind)
        outcomes = self._texts(outcome, self.end, _outcome)
        ok = np.flatnonzero(self.ok)
        kinds, outcomes = kinds.take(ok), outcomes.take(ok)
        numbers: dict[str, Any] = {name: column[ok].astype(np.int32) for name, column in counts.items()}
        return replace(
            unknown(len(ok)),
            **numbers,
            smape=error[ok],
            time=time[ok],
            category=kinds.names("category"),
            complexity=kinds.names("complexity"),
            success=outcomes.flags("success"),
            truncated=outcomes.flags("truncated"),
            finish_reason=outcomes.names("finish_reason"),
            finish_reason_raw=outcomes.names("finish_reason_raw"),
            model=outcomes.names("model"),
            line=self.line[ok],
        )

    def digest(self) -> Digests:
        """Hash the identity of each regular line: all of it from the timestamp on."""
        return digests(self.text, self.stamp[self.ok], self.end[self.ok])

    def _before(self, value: Integers, key: bytes) -> Integers:
        """Find where ``key`` begins, which must stand right before each ``value``."""
        self.ok &= self.text.ends_with(key, value)
        return value - len(key)

    def _number(self, begin: Integers, end: Integers) -> Integers:
        numbers, ok = self.text.numbers(begin, end)
        self.ok &= ok
        return numbers

    def _tenths(self, begin: Integers, end: Integers) -> Floats:
        """The numbers with one decimal from ``begin`` to ``end``; the division rounds as `float` does."""
        whole = self._number(begin, end - 2)
        tenth = self.text.bytes[end - 1] - np.uint8(ord("0"))
        self.ok &= (self.text.bytes[end - 2] == ord(".")) & (tenth <= 9)
        tenths: Floats = (whole * 10 + tenth) / 10
        return tenths

    def _time(self) -> tuple[npt.NDArray[np.datetime64], Integers]:
        """The time at the beginning of each line, and where it ends."""
        times, ends, ok = stamps(self.text, self.stamp)
        self.ok &= ok
        return times, ends

    def _texts(self, begin: Integers, end: Integers, meaning: Callable[[bytes], Sample | None]) -> _Texts:
        """What the texts from ``begin`` to ``end`` mean."""
        leaders, found = self.text.distinct(begin, end, _LONGEST_TEXT)
        distinct = np.flatnonzero(found & (leaders == np.arange(len(leaders))))[:_MOST_TEXTS]
        numbers = np.full(len(leaders), -1)
        numbers[distinct] = np.arange(len(distinct))
        spans = zip(begin[distinct].tolist(), end[distinct].tolist(), strict=True)
        samples = [*(meaning(self.text.text[at:to]) for at, to in spans), None]
        which = np.where(found, numbers[leaders], -1).astype(np.int16)
        self.ok &= np.array([sample is not None for sample in samples])[which]
        return _Texts(which, samples)


@dataclass(frozen=True, slots=True)
class _Texts:
    """What some texts mean."""

    which: npt.NDArray[np.signedinteger]
    """Of each line: the index of what its text means."""
    samples: Sequence[Sample | None]
    """What each distinct text means, or ``None`` if that makes a line irregular."""

    def take(self, rows: Integers) -> _Texts:
        """Take some ``rows``, with the meanings in the order of their first rows."""
        used, first, which = np.unique(self.which[rows], return_index=True, return_inverse=True)
        order = np.argsort(first)
        ranks = np.argsort(order)
        return _Texts(ranks[which], [self.samples[index] for index in used[order].tolist()])

    def names(self, field: str) -> NameColumn:
        """The column of the names in ``field``."""
        names = [getattr(sample, field) for sample in self.samples]
        codes = {name: code for code, name in enumerate(dict.fromkeys(name for name in names if name is not None))}
        return NameColumn(self._column([codes.get(name, UNKNOWN) for name in names]), tuple(codes))

    def flags(self, field: str) -> Flags:
        """The column of the flags in ``field``."""
        flags = (getattr(sample, field) for sample in self.samples)
        return self._column([UNKNOWN if flag is None else int(flag) for flag in flags]).astype(np.int8)

    def _column(self, values: Sequence[int]) -> Integers:
        column: Integers = np.array(values, np.int64)[self.which]
        return column


_PLAIN = rb"([!#-<>-~]+)"
"""A value of printable ASCII characters, but no quotes and no equals sign."""
_HEADING = re.compile(rb"[ -+/:-~-][ -~]*")
"""What stands between timestamp and tag: it does not continue the timestamp's digits."""
_KIND = re.compile(rb" category=%b complexity=%b deliverables=" % (_PLAIN, _PLAIN))
_OUTCOME = re.compile(rb" success=%b stop_reason=%b truncated=%b model=%b" % (_PLAIN, _PLAIN, _PLAIN, _PLAIN))
_BUDGET = re.compile(
    rb" phase=([\w./+-]{1,120}) complexity=\w+ input=\d{1,9} output=(\d{1,9})/(\d{1,9})"
    rb"(?: total=\d{1,9}(?: utilization=[\d.]{1,9}%)?)?\r?"
)
"""No value is in quotes, or continues behind one, or holds a timestamp: that needs a colon."""
_PLAIN_KIND = b" category=docs complexity=low deliverables="
_PLAIN_OUTCOME = b" success=True stop_reason=end_turn truncated=False model=m"


@lru_cache(1 << 10)
def _heading(text: bytes) -> Sample | None:
    return _meaning(heading=text) if _HEADING.fullmatch(text) else None


@lru_cache(1 << 10)
def _kind(text: bytes) -> Sample | None:
    return _meaning(kind=text) if _KIND.fullmatch(text) else None


@lru_cache(1 << 10)
def _outcome(text: bytes) -> Sample | None:
    return _meaning(outcome=text) if _OUTCOME.fullmatch(text) else None


def _meaning(heading: bytes = b" ", kind: bytes = _PLAIN_KIND, outcome: bytes = _PLAIN_OUTCOME) -> Sample | None:
    """Read a line made of these texts; ``None`` if it is not one record of the time at its beginning."""
    before = b"2026-01-02 03:04:05" + heading
    after = b" predicted_output=1 actual_output=1 smape=1.0% selected_budget=1" + kind + b"1" + outcome
    match parse(Fragment(line=1, tag=V2, before=before, after=after, ended=True)):
        case Read(sample, identity) if identity == (before + V2 + after).decode():
            return sample if sample.time == datetime(2026, 1, 2, 3, 4, 5) else None
    return None
