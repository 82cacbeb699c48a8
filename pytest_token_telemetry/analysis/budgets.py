"""Who decides the budget: the prediction, or a constant such as a floor that predictions do not reach.

Where constants decide, another estimator changes no cap. What was selected is looked at, which is `budget_tokens`, and
not the `max_tokens` that was sent: a retry or a client may have changed that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import numpy as np
from msgspec import Meta

from pytest_token_telemetry.analysis.groups import Grouped, computed
from pytest_token_telemetry.analysis.number_ranges import Count
from pytest_token_telemetry.samples import blocks

if TYPE_CHECKING:
    import numpy.typing as npt

    from pytest_token_telemetry.samples import Floats, Integers, Mask, Samples

LEAST_CALLS = 10
"""Calls with a prediction and a budget, without which nothing is said."""

LEAST_OF_CONSTANT = 3
"""Calls of one budget, without which it is no constant: two are alike by chance."""

_LEAST_SHARE = 100
"""One in so many calls have a constant: of a million budgets drawn at random, each is there many times."""

LEAST_SPAN = 2.0
"""How far the predictions of a constant are apart, highest over lowest, the outer twentieths left out.

Rounding gives two predictions the same budget too. Rounded up to a multiple of a step, or to a power of two, they are
less than twice each other; but for the lowest step, which is a floor.
"""

_OUTER = 0.05

_NEAR = 0.1
"""How far a prediction's place among the predictions may be from its budget's place among the budgets, as a share."""

_LEAST_PREDICTIONS = 5
"""Different predictions, without which an order of theirs says nothing."""


@dataclass(frozen=True, slots=True)
class Constant:
    """A budget that calls have whatever their predictions."""

    budget_tokens: Count
    calls: Count
    exceeded: Count
    """Calls whose prediction is above it. 0: it is a floor, as far as the predictions tell."""

    def __post_init__(self) -> None:
        if self.exceeded > self.calls:
            raise ValueError("exceeded is more than calls")
        if self.calls < LEAST_OF_CONSTANT:
            raise ValueError("calls are too few for a constant")


@dataclass(frozen=True, slots=True)
class Budgets:
    """What the budgets of calls with a prediction follow from. Of the others, the calls do not tell."""

    calls: Count
    """With a prediction and a budget above 0."""
    at_constant: Count
    following: Count
    """Their budgets are not constant, and larger where predictions are larger."""
    constants: Annotated[tuple[Constant, ...], Meta(max_length=_LEAST_SHARE)]
    """Those of most calls first."""

    def __post_init__(self) -> None:
        if self.at_constant + self.following > self.calls:
            raise ValueError("at_constant and following are more than calls")
        if len({each.budget_tokens for each in self.constants}) < len(self.constants):
            raise ValueError("constants has one twice")
        if self.at_constant != sum(each.calls for each in self.constants):
            raise ValueError("at_constant is not the sum of constants")
        if self.calls < LEAST_CALLS and (self.at_constant or self.following):
            raise ValueError("calls are too few to say what decides")

    @property
    def are_constant(self) -> bool:
        """True if most budgets are a constant."""
        return 2 * self.at_constant > self.calls

    @property
    def are_floors(self) -> bool:
        """True if no prediction exceeds its constant."""
        return not any(each.exceeded for each in self.constants)


def budgets(samples: Samples) -> Budgets:
    """What the budgets of ``samples`` follow from."""
    # Budget and prediction in one number, as sorting such is many times faster than sorting rows by two keys.
    keys = computed(
        (samples.predicted_output_tokens > 0) & (samples.budget_tokens > 0),
        lambda rows: samples.budget_tokens[rows].astype(np.int64) << 32 | samples.predicted_output_tokens[rows],
    )
    if len(keys) < LEAST_CALLS:
        return Budgets(len(keys), 0, 0, ())
    keys.sort()
    budget, predicted = (keys >> 32).astype(np.int32), (keys & 0xFFFFFFFF).astype(np.int32)
    del keys
    starts = np.flatnonzero(np.concatenate(([True], budget[1:] != budget[:-1])))
    counts = np.diff(starts, append=len(budget))
    groups = Grouped(predicted, counts, starts)
    is_wide = groups.quantile(1 - _OUTER) >= LEAST_SPAN * groups.quantile(_OUTER)
    constant: Mask = is_wide & (counts >= LEAST_OF_CONSTANT) & (counts * _LEAST_SHARE >= len(budget))
    order = np.flatnonzero(constant)
    order = order[np.argsort(-counts[order], kind="stable")]
    found = zip(starts[order].tolist(), counts[order].tolist(), strict=True)
    return Budgets(
        calls=len(budget),
        at_constant=int(counts[constant].sum()),
        following=_following(predicted[np.repeat(~constant, counts)], counts[~constant]),
        constants=tuple(_constant(predicted[first : first + n], int(budget[first])) for first, n in found),
    )


def _constant(predicted: npt.NDArray[np.int32], budget: int) -> Constant:
    """The one of calls with these predictions, in tokens, ascending."""
    calls = len(predicted)
    return Constant(budget, calls, calls - int(np.searchsorted(predicted, budget, side="right")))


def _following(predicted: npt.NDArray[np.int32], counts: Integers) -> int:
    """How many calls have a place among the budgets that is about that of their prediction among the predictions.

    If budgets have nothing to do with predictions, every fifth call has by chance; then it is none.

    Args:
        predicted: predictions in tokens, by ascending budget.
        counts: how many there are of each budget.
    """
    n = len(predicted)
    distinct, of_each = np.unique(predicted, return_counts=True)
    if n < LEAST_CALLS or len(distinct) < _LEAST_PREDICTIONS or 2 * int(np.max(counts)) > n:
        return 0
    by_prediction, by_budget = _middles(of_each), np.repeat(_middles(counts), counts)
    near = sum(
        int(
            np.count_nonzero(
                np.abs(by_prediction[np.searchsorted(distinct, predicted[part])] - by_budget[part]) <= _NEAR * n
            )
        )
        for part in blocks(n)
    )
    return near if 2 * near > n else 0


def _middles(counts: Integers) -> Floats:
    """The place of each value among all, given how often each is there: the middle of its equals."""
    middles: Floats = np.cumsum(counts) - counts / 2
    return middles
