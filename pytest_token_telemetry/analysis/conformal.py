"""Multipliers that keep their promise for every sample size and distribution.

The multiplier of a category is an order statistic of actual / predicted (split conformal prediction: Vovk, Gammerman
and Shafer, Algorithmic Learning in a Random World, 2005): among n + 1 exchangeable calls, the last exceeds the K-th
smallest of the others in at most ``alpha`` of all cases if ``K = n + 1 - floor((n + 1) * alpha)``. A truncated call
would have gone on, so its ratio is endless.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from math import ceil, inf, isfinite
from typing import TYPE_CHECKING, Literal, TypeVar

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_token_telemetry.analysis.groups import Grouped
    from pytest_token_telemetry.samples import Flags, Floats, Integers

_Count = TypeVar("_Count", int, "Integers")

Basis = Literal["category", "borrowed", "collect", "raise-cap"]

ALPHA = Fraction(1, 20)
"""The share of calls that may exceed what is advised."""

HEADROOM_ALPHA = Fraction(1, 40)
"""The same where there are samples enough for it: tuned to 5%, every second gate at 5% would still fail."""

LEAST_BORROWING = 3
"""Samples that a category needs to be tuned with the help of the others."""

BASES: tuple[Basis, ...] = ("category", "borrowed", "collect", "raise-cap")


def conformal_rank(n: int, alpha: Fraction, beyond: int = 0) -> int | None:
    """Which of ``n`` ascending values the next one exceeds in at most ``alpha`` of all cases, counted from 1.

    ``None`` if ``n`` is less than `least_samples`, or if it is one of so many values ``beyond`` these, which nobody
    knows.
    """
    rank = _rank(n + beyond, alpha)
    return rank if rank <= n else None


def conformal_values(values: Grouped[np.float64], alpha: Fraction, beyond: int = 0) -> Floats:
    """The value at the `conformal_rank` of each group, with as many ``beyond`` it; endless where there is none."""
    ranks = _rank(values.counts + beyond, alpha)
    return np.where(ranks <= values.counts, values.at(np.minimum(ranks, values.counts) - 1), inf)


def _rank(n: _Count, alpha: Fraction) -> _Count:
    """The `conformal_rank` of ``n`` samples, or one that is above ``n``."""
    return n + 1 - (n + 1) * alpha.numerator // alpha.denominator


@cache
def least_samples(alpha: Fraction, endless: int = 0) -> int:
    """The least number of samples, of which so many are ``endless``, whose value at the `conformal_rank` is not."""
    return ceil((1 + endless) / alpha) - 1


@dataclass(frozen=True, slots=True)
class Multipliers:
    """What to multiply the predictions of each group by: arrays of one entry a group, in any case where it is empty."""

    basis: Flags
    """On what it rests, as an index into `BASES`."""
    exceeding: Integers
    """If that is the group itself: in how many of all cases of its number and one more the promise fails."""
    alpha: Floats
    values: Floats
    """NaN where there is none to advise."""


def multipliers(ratios: Grouped[np.float64], spread: float, room: float) -> Multipliers:
    """What to multiply the predictions of each group by.

    Args:
        ratios: actual / predicted of each group's samples, endless for a truncated one; ascending, as far as the
            `conformal_rank` for both alphas, the median and the largest have to be in their places.
        spread: what `spread` gives; endless if there is nothing to borrow.
        room: how many times the prediction an output may be.

    Returns:
        Columns with one entry for each of ``ratios.counts``.
    """
    counts, largest = ratios.counts, ratios.at(ratios.counts - 1)
    headroom, own = conformal_values(ratios, HEADROOM_ALPHA), conformal_values(ratios, ALPHA)
    has_headroom = np.isfinite(headroom)
    borrowed = np.full(len(counts), np.nan)
    if isfinite(spread):
        borrows = (counts >= LEAST_BORROWING) & np.isfinite(largest)
        borrowed[borrows] = np.maximum(largest, ratios.quantile(0.5) * spread)[borrows]
    cases = [np.isfinite(own), ~np.isfinite(largest), ~np.isnan(borrowed)]
    alpha = np.where(has_headroom, float(HEADROOM_ALPHA), float(ALPHA))
    ranks = np.where(has_headroom, _rank(counts, HEADROOM_ALPHA), _rank(counts, ALPHA))
    return Multipliers(
        basis=np.select(cases, [np.int8(0), np.int8(3), np.int8(1)], np.int8(2)),
        exceeding=counts + 1 - ranks,
        alpha=alpha,
        values=np.select(cases, [np.where(has_headroom, headroom, own), np.nan, borrowed], np.nan) / room,
    )


def spread(counts: Integers, group: Callable[[], Grouped[np.float64]]) -> float:
    """What at most `ALPHA` of the calls of all groups exceed in actual / predicted over their group's median.

    Args:
        counts: the number of ratios of each group.
        group: makes the ratios, with the same counts. Its values are overwritten.

    Returns:
        A factor; endless where no group is small enough to borrow it, or all groups together are too small to lend.
    """
    lends = counts >= LEAST_BORROWING
    if not (lends & (counts < least_samples(ALPHA))).any():
        return inf
    ratios = group()
    lends &= np.isfinite(medians := ratios.quantile(0.5)) & (medians > 0)
    rank = conformal_rank(int(counts[lends].sum()), ALPHA)
    if rank is None:
        return inf
    residuals, starts = ratios.values, ratios.starts
    columns = (each.tolist() for each in (starts, starts + counts, np.where(lends, medians, 0)))
    for begin, end, median in zip(*columns, strict=True):
        if median:
            residuals[begin:end] /= median
        else:
            residuals[begin:end] = inf  # above all others
    residuals.partition(rank - 1)
    return float(residuals[rank - 1])
