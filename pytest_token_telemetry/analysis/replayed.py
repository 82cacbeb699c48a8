"""Recorded calls as they would have been with another estimator, and how it does against the one of their time.

Only the samples that one of them underestimates and the other does not tell the two apart, so a paired comparison
sees far smaller differences than two rates side by side would.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import sqrt
from typing import TYPE_CHECKING

import numpy as np

from pytest_token_telemetry.analysis.evidence import CONFIDENCE, Bounds, p_value_above, wilson
from pytest_token_telemetry.analysis.groups import quantile
from pytest_token_telemetry.analysis.metrics import Share
from pytest_token_telemetry.analysis.number_ranges import Count, Quantity
from pytest_token_telemetry.analysis.populations import rows_of_one_per_task
from pytest_token_telemetry.samples import UNKNOWN

if TYPE_CHECKING:
    from pytest_token_telemetry.samples import Counts, Floats, Integers, Mask, Narrow, Samples


@dataclass(frozen=True, slots=True)
class CutOffs:
    """What other budgets would have done, as masks with one entry for each sample."""

    with_budget: Mask
    """The estimator picked a budget."""
    would: Mask
    """The output would not have fitted into it."""
    unknown: Mask
    """The call was truncated and would have had more room: whether enough is unknown."""


@dataclass(frozen=True, slots=True)
class Paired:
    """How often each of two estimators underestimates, counted over the same samples."""

    newly_underestimated: Count
    """By head only."""
    newly_safe: Count
    """Underestimated by base only."""
    both: Count
    neither: Count

    @property
    def n(self) -> int:
        """The number of samples."""
        return self.newly_underestimated + self.newly_safe + self.both + self.neither

    @property
    def base(self) -> Share:
        """What base underestimates."""
        return Share(self.newly_safe + self.both, self.n)

    @property
    def head(self) -> Share:
        """What head underestimates."""
        return Share(self.newly_underestimated + self.both, self.n)

    @property
    def difference(self) -> float | None:
        """Head's rate less base's; above 0 is worse. ``None`` without samples."""
        return (self.newly_underestimated - self.newly_safe) / self.n if self.n else None


@dataclass(frozen=True, slots=True)
class PredictionRatio:
    """Head's prediction over base's, of the samples for which both are above 0. ``None`` without samples."""

    n: Count
    raised: Count
    lowered: Count
    min: Quantity | None
    p10: Quantity | None
    p50: Quantity | None
    p90: Quantity | None
    max: Quantity | None


def askable(samples: Samples, *, judges_legacy: bool) -> Mask:
    """Mask the samples that an estimator is asked about.

    Legacy ones say too little, and count in one population only. Calls without a prediction are asked about where none
    of the others has one: beside such, they are attempts of which no more than the counts are known.
    """
    asked = np.ones(len(samples), dtype=np.bool_) if judges_legacy else ~samples.legacy
    predicts: Mask = asked & (samples.predicted_output_tokens != UNKNOWN)
    return predicts if predicts.any() else asked


def rows_to_ask(samples: Samples, *, judges_legacy: bool, one_per_task: bool) -> Integers:
    """Ascending indices of the `askable` samples of those that take part."""
    if not one_per_task:
        return np.flatnonzero(askable(samples, judges_legacy=judges_legacy))
    rows = rows_of_one_per_task(samples)
    return rows[askable(samples.take(rows), judges_legacy=judges_legacy)]


def cut_offs(samples: Samples, budgets: Counts) -> CutOffs:
    """What ``budgets`` would have cut off.

    Args:
        samples: recorded calls.
        budgets: caps in tokens, one entry for each of ``samples``, `UNKNOWN` where the estimator picked none.
    """
    with_budget = budgets != UNKNOWN
    output, was_cut_off = samples.output_tokens, samples.truncated == 1
    would = with_budget & ((output > budgets) | ((output == budgets) & was_cut_off))
    return CutOffs(with_budget, would, with_budget & was_cut_off & (output < budgets))


def with_estimates(samples: Samples, predicted: Counts, budgets: Counts, cut: CutOffs) -> Samples:
    """Recorded calls with other predictions, other budgets, and what these cut off.

    The logged error stays where the prediction does.

    Args:
        samples: recorded calls.
        predicted: output tokens, one entry for each of ``samples``; `UNKNOWN` for a call without a prediction.
        budgets: caps in tokens, `UNKNOWN` where the recorded one stays.
        cut: the `cut_offs` of ``budgets``.
    """
    return replace(
        samples,
        predicted_output_tokens=predicted,
        budget_tokens=np.where(cut.with_budget, budgets, samples.budget_tokens),
        truncated=np.where(cut.would, np.int8(1), samples.truncated),
        smape=np.where(predicted == samples.predicted_output_tokens, samples.smape[:], np.nan),
    )


def paired(base: Mask, head: Mask) -> Paired:
    """Count what is underestimated by ``base`` and by ``head``, which hold one entry a sample, in the same order."""
    both = int(np.count_nonzero(base & head))
    only_head = int(np.count_nonzero(head)) - both
    only_base = int(np.count_nonzero(base)) - both
    return Paired(only_head, only_base, both, len(base) - both - only_head - only_base)


def mid_p(counts: Paired) -> float:
    """The two-sided mid-p value of McNemar's exact test that both estimators underestimate equally often.

    Fagerland, Lydersen and Laake, BMC Medical Research Methodology 13 (2013) 91: twice the smaller tail, with half of
    what was observed. As many newly underestimated samples as newly safe ones give 1, and so do none of either: samples
    on which the estimators agree are no evidence against their being equally good.
    """
    differing = counts.newly_underestimated + counts.newly_safe
    larger = max(counts.newly_underestimated, counts.newly_safe)
    if 2 * larger == differing:
        return 1.0
    beyond = p_value_above(larger + 1, differing, 0.5) if larger < differing else 0.0
    return p_value_above(larger, differing, 0.5) + beyond


def difference_bounds(counts: Paired, confidence: float = CONFIDENCE) -> Bounds | None:
    """One-sided bounds on `Paired.difference`; ``None`` without samples.

    Newcombe, Statistics in Medicine 17 (1998) 2635-2650, method 10: Wilson's bounds on both rates, combined with
    regard to how the rates go together.
    """
    base, head, difference = counts.base.value, counts.head.value, counts.difference
    if base is None or head is None or difference is None:
        return None
    of_base, of_head = wilson(base, counts.n, confidence), wilson(head, counts.n, confidence)
    correlation = _correlation(counts)

    def combined(one: float, other: float) -> float:
        return sqrt(max(one * one - 2.0 * correlation * one * other + other * other, 0.0))

    return Bounds(
        confidence,
        difference - combined(head - of_head.lower, of_base.upper - base),
        difference + combined(of_head.upper - head, base - of_base.lower),
    )


def prediction_ratio(base: Narrow | Floats, head: Narrow | Floats) -> PredictionRatio:
    """How ``head`` predicts against ``base``, which hold one prediction a sample, in the same order."""
    comparable = (base > 0) & (head > 0)
    base, head = base[comparable], head[comparable]
    if not len(base):
        return PredictionRatio(0, 0, 0, None, None, None, None, None)
    ascending: Floats = np.sort(head / base)
    return PredictionRatio(
        n=len(base),
        raised=int(np.count_nonzero(head > base)),
        lowered=int(np.count_nonzero(head < base)),
        min=float(ascending[0]),
        p10=quantile(ascending, 0.1),
        p50=quantile(ascending, 0.5),
        p90=quantile(ascending, 0.9),
        max=float(ascending[-1]),
    )


def most_changed(base: Narrow | Floats, head: Narrow | Floats, most: int) -> Integers:
    """The indices of the rows, at most ``most``, whose prediction changed most from ``base`` to ``head``.

    Twice as much is as large a change as half as much; equal changes keep the order of the rows. Where only one of the
    predictions is above 0 there is no greater change. Rows that did not change are left out.
    """
    low, high = np.minimum(base, head), np.maximum(base, head)
    changes: Floats = np.where(high > 0, np.inf, 1.0)
    # The larger over the smaller, which ties where logarithms would differ by rounding.
    np.divide(high, low, out=changes, where=low > 0)
    rows = np.argsort(-changes, kind="stable")[:most]
    return rows[changes[rows] > 1.0]


def _correlation(counts: Paired) -> float:
    """How the two rates go together, from -1 to 1, corrected towards 0 for continuity."""
    base, head = counts.base.events, counts.head.events
    margins = base * (counts.n - base) * head * (counts.n - head)
    if margins == 0:
        return 0.0
    association = counts.both * counts.neither - counts.newly_underestimated * counts.newly_safe
    corrected = max(association - counts.n / 2, 0.0) if association > 0 else float(association)
    return corrected / sqrt(margins)
