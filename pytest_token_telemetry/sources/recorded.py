"""What tests recorded, as it reached the process that judges, and which other records are of the same calls."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC
from itertools import chain
from operator import itemgetter
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from pytest_token_telemetry.sample import Sample

_TOLERANCE = 1.0
"""Seconds. Log lines tell full seconds, and are written a moment before or after the call is recorded."""


@dataclass(frozen=True, slots=True)
class Span:
    """A span of time, in seconds since the epoch."""

    began: float
    ended: float
    """May be endless."""

    def covers(self, time: datetime | None) -> bool:
        """True if a line with ``time``, in UTC or by the local clock, may have been written then."""
        if time is None:
            return True
        for moment in (
            time.replace(tzinfo=UTC),
            time,
            time.replace(fold=1),
        ):  # a local clock shows an hour twice a year
            try:
                seconds = moment.timestamp()
            except (ValueError, OverflowError, OSError):  # no clock shows that
                continue
            if self.began - _TOLERANCE <= seconds <= self.ended + _TOLERANCE:
                return True
        return False

    def begins_after(self, time: datetime) -> bool:
        """True if ``time``, in UTC, was before it: an earlier session's line, which may be a moment old."""
        return time.replace(tzinfo=UTC).timestamp() < self.began


@dataclass(frozen=True, slots=True)
class Phase:
    """What one phase of one test recorded: its setup, its call or its teardown. Reruns have phases of their own."""

    test: str
    """Its node id. Untrusted."""
    span: Span
    lines: tuple[str, ...] = ()
    """``token-telemetry/1``."""
    unusable: Mapping[str, int] = field(default_factory=dict)
    """How many records of calls could not be used, by reason."""
    repeated: int = 0
    """Records that were left out, because they tell of a call that was recorded already."""
    ends: tuple[bool, ...] = ()
    """Of those unusable ones that say how the call ended: whether it was truncated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What the tests of a session recorded."""

    phases: tuple[Phase, ...] = ()
    lost: Mapping[str, str] = field(default_factory=dict)
    """Tests, or workers, of which something may be missing, each with the reason. The names are untrusted."""
    deselected: int = 0
    """Tests that did not run."""
    copies: int = 1
    """How many workers ran each test."""

    @property
    def span(self) -> Span:
        """From the first phase to the last."""
        spans = [phase.span for phase in self.phases]
        return Span(min((each.began for each in spans), default=0), max((each.ended for each in spans), default=0))


def repeats(later: Sample, earlier: Sample) -> bool:
    """True if ``later`` can be another record of the call ``earlier``: counts are equal and nothing contradicts.

    What ``later`` knows and ``earlier`` does not is to be added to it, that it was truncated above all.
    """
    return all(
        one is None or other is None or one == other
        for one, other in zip((*_facts(later), later.id), (*_facts(earlier), earlier.id), strict=True)
    )


def _facts(sample: Sample) -> tuple[int | bool | None, ...]:
    """What two records of one call must agree on, as far as they know it."""
    return (
        *(sample.predicted_output_tokens, sample.output_tokens, sample.budget_tokens, sample.deliverable_count),
        *(sample.truncated, sample.success),
    )


_Alike: TypeAlias = "dict[tuple[object, ...], list[tuple[Sample, int]]]"
"""Calls with the same facts: thousands of equal ones are compared once."""


class KnownCalls:
    """Calls that were recorded, each of which another source may tell of once more."""

    def __init__(self) -> None:
        self._calls: dict[int, dict[int | None, _Alike]] = defaultdict(dict)
        """By their outputs, and by their predictions."""

    def add(self, sample: Sample, number: int = 0) -> None:
        """Remember a call, under a ``number`` of the caller's."""
        alike = self._calls[sample.output_tokens].setdefault(sample.predicted_output_tokens, {})
        alike.setdefault((*_facts(sample), sample.id), []).append((sample, number))

    def claim(self, sample: Sample, may_be: Callable[[int], bool] = lambda _: True) -> int | None:
        """The number of the first call that ``sample`` repeats and that it ``may_be``. It can be claimed only once.

        One with the same prediction comes before one where only one of both records has a prediction.
        """
        predicted, known = sample.predicted_output_tokens, self._calls.get(sample.output_tokens, {})
        for each in chain([None], known) if predicted is None else (predicted, None):
            number = _claimed(known.get(each, {}), sample, may_be)
            if number is not None:
                if not known[each]:
                    del known[each]
                return number
        return None

    def claim_first(self, may_be: Callable[[Sample], bool]) -> int | None:
        """The number of the first call that it ``may_be``, whatever its counts. It can be claimed only once."""
        every = ((alike, facts) for of in self._calls.values() for alike in of.values() for facts in alike)
        found = [(each[1], alike, facts, each) for alike, facts in every for each in alike[facts] if may_be(each[0])]
        if not found:
            return None
        number, alike, facts, call = min(found, key=itemgetter(0))
        alike[facts].remove(call)
        if not alike[facts]:
            del alike[facts]
        return number


def _claimed(alike: _Alike, sample: Sample, may_be: Callable[[int], bool]) -> int | None:
    """Take the first call out of those ``alike`` that ``sample`` repeats and that it ``may_be``."""
    for facts, calls in alike.items():
        if not repeats(sample, calls[0][0]):
            continue
        for at, (_, number) in enumerate(calls):
            if may_be(number):
                del calls[at]
                if not calls:
                    del alike[facts]
                return number
    return None
