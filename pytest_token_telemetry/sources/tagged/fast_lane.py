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

from pytest_token_telemetry.samples import UNKNOWN, unknown
from pytest_token_telemetry.sources.tagged.budget_lane import PLAIN_VALUE, Equals, PlainBudgets, plain_budgets
from pytest_token_telemetry.sources.tagged.byte_words import Text, stamps
from pytest_token_telemetry.sources.tagged.digests import digests
from pytest_token_telemetry.sources.tagged.formats import parse
from pytest_token_telemetry.sources.tagged.own_parsing import NEEDLE
from pytest_token_telemetry.sources.tagged.parsing import BUDGET, TAGS, V2
from pytest_token_telemetry.sources.tagged.records import Read
from pytest_token_telemetry.sources.tagged.simple_search import Fragment
from pytest_token_telemetry.sources.tagged.texts import Texts

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from pytest_token_telemetry.sample import Sample
    from pytest_token_telemetry.samples import Floats, Integers, Mask, Samples
    from pytest_token_telemetry.sources.tagged.digests import Digests
    from pytest_token_telemetry.sources.tagged.own_lane import Plain


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
    """The other lines that have a tag, in their order.

    A `Scanner` that is given one alone would take its first bytes for the mark of an encoding, if they look like one.
    """
    budgets: PlainBudgets
    mentions: Integers
    """The numbers of the lines that only mention a tag."""
    own: Plain | None
    """What the plain lines of our own format say; `Samples.line` as above. ``None`` if there are no such lines."""


def regular(block: bytes) -> Regular:
    """Read the regular lines of ``block``.

    Args:
        block: whole `normal` lines.
    """
    text = Text(block)
    line_ends = text.places(b"\n")
    tags = _tags(text)
    lines = np.searchsorted(line_ends, tags)
    reader = _Reader(text, line_ends, tags, lines)
    samples = reader.samples()
    is_rest = ~reader.chosen
    is_rest[reader.chosen] = ~reader.ok
    begins, ends = np.append(0, line_ends + 1), np.append(line_ends, len(block))
    own = np.flatnonzero(
        is_rest & _alone(lines) & text.ends_with(NEEDLE, tags + len(NEEDLE)) & (lines < len(line_ends))
    )
    of_own = None
    if len(own):
        from pytest_token_telemetry.sources.tagged.own_lane import plain  # most logs have none, and it takes 4 ms

        of_own = plain(text, begins[lines[own]], line_ends[lines[own]])
        is_rest[own[of_own.rows]] = False
        of_own = of_own._replace(samples=replace(of_own.samples, line=lines[own[of_own.rows]] + 1))
    is_budget = text.ends_with(BUDGET, tags + len(BUDGET))
    mentions = np.flatnonzero(is_rest & _alone(lines) & (reader.counts <= 1))
    mentions = mentions[_are_mentions(text, reader, mentions, is_budget[mentions], ends[lines[mentions]])]
    is_rest[mentions] = False
    alone = np.flatnonzero(is_rest & _alone(lines) & is_budget)
    equals = Equals(reader.equals, reader.first[alone], reader.counts[alone])
    budgets = plain_budgets(text, equals, tags[alone], begins[lines[alone]], ends[lines[alone]], _heading)
    alone = alone[budgets.rows]
    is_rest[alone] = False
    return Regular(
        samples=samples,
        digest=reader.digest(),
        rest=_lines(block, line_ends, np.unique(lines[is_rest])),
        budgets=budgets._replace(samples=replace(budgets.samples, line=lines[alone] + 1)),
        mentions=lines[mentions] + 1,
        own=of_own,
    )


def _are_mentions(text: Text, reader: _Reader, tags: Integers, is_budget: Mask, ends: Integers) -> Mask:
    """Mark which tags with the indices ``tags``, each the only one of its line, have no record behind them.

    There is one equals sign at most between each and the end of its line.
    """
    begins, counts = reader.tags[tags], reader.counts[tags]
    with_output = text.ends_with(b"output=", reader.equals[reader.first[tags]] + 1)
    found: Mask = is_budget & ((counts == 0) | ~with_output)
    for at in np.flatnonzero(~is_budget & (counts == 0)).tolist():
        is_tag = text.bytes[begins[at]] == ord("[")  # a name stands within its record
        found[at] = is_tag and text.text.find(b"Predicted:", int(begins[at]), int(ends[at])) < 0
    return found


def _alone(lines: Integers) -> Mask:
    """Mark which of ``lines``, sorted line indices, occur once."""
    alone = np.ones(len(lines), np.bool_)
    alone[1:] &= lines[1:] != lines[:-1]
    alone[:-1] &= lines[1:] != lines[:-1]
    return alone


def _tags(text: Text) -> Integers:
    """Where tags begin, and names in their usual spelling, in order."""
    begins = text.places(b"[T")
    found = [begins[text.ends_with(tag, begins + len(tag))] for tag in TAGS]
    names = text.places(_IN_NAME) - NEEDLE.index(_IN_NAME)
    names = names[(names >= 0) & (names + len(NEEDLE) <= len(text.text))]
    found.append(names[text.ends_with(NEEDLE, names + len(NEEDLE))])
    found = [begins for begins in found if len(begins)] or found[:1]
    return found[0] if len(found) == 1 else np.sort(np.concatenate(found))


_IN_NAME = b"-t"
"""The rarest two bytes of a name."""


def _lines(block: bytes, line_ends: Integers, indices: Integers) -> list[Line]:
    """The lines with these ``indices``."""
    begins = np.append(0, line_ends + 1)
    ends = np.append(line_ends + 1, len(block))
    columns = (indices + 1, begins[indices], ends[indices])
    return [Line(*line) for line in zip(*(column.tolist() for column in columns), strict=True)]


_KEYS = 11


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
        equals = self.equals = np.append(text.places(b"="), [size] * (_KEYS + 1))
        self.tags = tags
        first = self.first = np.searchsorted(equals, tags)
        """Of each tag: the index of the first equals sign behind it."""
        self.counts: Integers = np.searchsorted(equals, ends) - first
        """Of each tag: how many equals signs its line has behind it."""
        chosen = _alone(lines) & (ends < size) & (self.counts == _KEYS)
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
        if not len(self.line):
            return unknown(0)
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

    def _texts(self, begin: Integers, end: Integers, meaning: Callable[[bytes], Sample | None]) -> Texts:
        """What the texts from ``begin`` to ``end`` mean."""
        which, samples = self.text.meanings(begin, end, meaning)
        self.ok &= np.array([sample is not None for sample in samples])[which]
        return Texts(which.astype(np.int16), samples)


_HEADING = re.compile(rb"[ -+/:-~-][ -~]*")
"""What stands between timestamp and tag: it does not continue the timestamp's digits."""
_KIND = re.compile(rb" category=%b complexity=%b deliverables=" % (PLAIN_VALUE, PLAIN_VALUE))
_OUTCOME = re.compile(
    rb" success=%b stop_reason=%b truncated=%b model=%b" % (PLAIN_VALUE, PLAIN_VALUE, PLAIN_VALUE, PLAIN_VALUE)
)
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
