"""The figures of the judged samples: rates, waste, error, and the samples that are worst."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING

import numpy as np

from pytest_token_telemetry.analysis.groups import computed, quantile, quantile_places, rows_of
from pytest_token_telemetry.analysis.number_ranges import Bound, Count, Quantity
from pytest_token_telemetry.analysis.populations import successful
from pytest_token_telemetry.sample import MOST_TOKENS
from pytest_token_telemetry.samples import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_token_telemetry.analysis.populations import Judged
    from pytest_token_telemetry.samples import Counts, Floats, Integers, Mask, Samples

QUANTILE_METHOD = "hyndman-fan-6"
"""Hyndman and Fan, The American Statistician 50 (1996) 361-365, definition 6; the origin's, clamped to the range."""

WASTE_SHARES = (0.5, 0.9)
"""Where the waste ratios are looked at: their P50 and P90."""


@dataclass(frozen=True, slots=True)
class Share:
    """``events`` among ``n`` samples."""

    events: Count
    n: Count

    def __post_init__(self) -> None:
        if self.events > self.n:
            raise ValueError("events is more than n")

    @property
    def value(self) -> float | None:
        """As a fraction of 1; ``None`` without samples."""
        return self.events / self.n if self.n else None


@dataclass(frozen=True, slots=True)
class Waste:
    """Prediction over output, of the judged samples that have both. ``None`` without samples."""

    n: Count
    p50: Quantity | None
    p90: Quantity | None
    mean: Quantity | None
    upper_limit: bool = False
    """True if the P90 rests on calls that were truncated: their real waste is lower, and so may the P90 be."""
    method: str = QUANTILE_METHOD


@dataclass(frozen=True, slots=True)
class Smape:
    """The symmetric error in percent of the samples that were not truncated. ``None`` without samples."""

    n: Count
    mean: Quantity | None
    median: Quantity | None
    min: Quantity | None
    max: Quantity | None


@dataclass(frozen=True, slots=True)
class Tokens:
    """Mean and median of a count of tokens. ``None`` without samples."""

    mean: Bound | None
    median: Bound | None


@dataclass(frozen=True, slots=True)
class Metrics:
    """All figures of the judged samples."""

    underestimation: Share
    uncertain: Count
    """Of the underestimated: truncated at or below the prediction."""
    truncation: Share
    success: Share
    """Among the samples that say whether they succeeded."""
    waste: Waste
    smape: Smape
    predicted_output_tokens: Tokens
    output_tokens: Tokens


NO_CALLS = Share(0, 0)


def metrics(samples: Samples, judged: Judged, uncounted: Share = NO_CALLS) -> Metrics:
    """The figures of those ``samples`` that are ``judged``.

    Of calls whose records cannot be used, which are ``uncounted``, only truncation is a figure.
    """
    attempts, truncated = _count(judged.attempts), _count(judged.truncated)
    return Metrics(
        underestimation=Share(_count(judged.underestimated), _count(judged.at_risk)),
        uncertain=_count(judged.uncertain),
        truncation=Share(truncated + uncounted.events, attempts + uncounted.n),
        success=Share(_count(successful(samples)), _count(samples.success >= 0)),
        waste=waste(samples, judged.with_ratio),
        smape=_smape(samples, judged.with_smape),
        predicted_output_tokens=_tokens(samples.predicted_output_tokens, judged.at_risk),
        output_tokens=_tokens(samples.output_tokens, judged.at_risk),
    )


def waste(samples: Samples, mask: Mask) -> Waste:
    """Sum up prediction / output.

    Args:
        samples: columns with one entry for each sample.
        mask: the samples that count; their predictions and outputs must be above 0.
    """
    ratios = computed(mask, waste_ratios(samples))
    if not len(ratios):
        return Waste(0, None, None, None)
    mean = float(ratios.mean())
    ratios.partition(quantile_places(len(ratios), WASTE_SHARES))
    p50, p90 = (quantile(ratios, share) for share in WASTE_SHARES)
    rests_on = float(np.max(ratios, where=ratios <= p90, initial=0.0))
    upper_limit = _reaching(samples, mask & (samples.truncated == 1), rests_on) > 0
    return Waste(len(ratios), p50, p90, mean, upper_limit)


def waste_ratios(samples: Samples) -> Callable[[Integers], Floats]:
    """A function from rows, as indices, to prediction / output of each, both of which must be above 0."""

    def ratios(rows: Integers) -> Floats:
        found: Floats = samples.predicted_output_tokens[rows] / samples.output_tokens[rows]
        return found

    return ratios


def _reaching(samples: Samples, mask: Mask, limit: float) -> int:
    """How many samples of ``mask`` have a waste ratio of ``limit`` or more."""
    ratios = waste_ratios(samples)
    return sum(int(np.count_nonzero(ratios(rows) >= limit)) for rows in rows_of(mask))


def wasteful(samples: Samples, judged: Judged, limit: float) -> Share:
    """The share of the judged samples with a waste ratio of ``limit`` or more."""
    rows = judged.with_ratio
    return Share(_reaching(samples, rows, limit), _count(rows))


def worst(samples: Samples, among: Mask, most: int) -> list[tuple[int, float | None]]:
    """The samples with the most output for their prediction.

    Args:
        samples: columns with one entry for each sample.
        among: the samples to choose from, one entry for each.
        most: how many to list.

    Returns:
        Row and actual / predicted of each, the largest ratio first, equal ones in the order of the rows. A prediction
        of 0 has no ratio, which is ``None``, and comes before all others. Samples without a prediction have none
        either, and come last, the largest output first.
    """
    worst_rows, worst_ratios = np.empty(0, dtype=np.int64), np.empty(0)
    for rows in rows_of(among):
        predicted, output = samples.predicted_output_tokens[rows], samples.output_tokens[rows]
        # Below 0, where no ratio is, outputs keep their order.
        ratios = np.where(predicted == UNKNOWN, output - 2.0 * MOST_TOKENS, np.inf)
        np.divide(output, predicted, out=ratios, where=predicted > 0)
        if len(worst_rows) == most > 0:  # of rows alike, the first ones stay
            better = ratios > worst_ratios[-1]
            rows, ratios = rows[better], ratios[better]
        worst_rows, worst_ratios = np.concatenate((worst_rows, rows)), np.concatenate((worst_ratios, ratios))
        order = np.argsort(-worst_ratios, kind="stable")[:most]
        worst_rows, worst_ratios = worst_rows[order], worst_ratios[order]
    return [
        (row, ratio if 0 <= ratio < inf else None)
        for row, ratio in zip(worst_rows.tolist(), worst_ratios.tolist(), strict=True)
    ]


def _smape(samples: Samples, mask: Mask) -> Smape:
    """Sum up the symmetric error of the samples in ``mask``: as logged, computed where a line gave none (NaN)."""

    def errors_of(rows: Integers) -> Floats:
        logged = samples.smape[rows]
        predicted = samples.predicted_output_tokens[rows].astype(np.int64)
        output = samples.output_tokens[rows].astype(np.int64)
        return np.where(np.isnan(logged), 200.0 * np.abs(predicted - output) / (predicted + output), logged)

    errors = computed(mask, errors_of)
    if not len(errors):
        return Smape(0, None, None, None, None)
    mean, least, most = float(errors.mean()), float(np.min(errors)), float(np.max(errors))
    return Smape(len(errors), mean, float(np.median(errors, overwrite_input=True)), least, most)


def _tokens(counts: Counts, mask: Mask) -> Tokens:
    judged = counts[mask]
    if not len(judged):
        return Tokens(None, None)
    mean = float(judged.mean(dtype=np.float64))
    return Tokens(mean, float(np.median(judged, overwrite_input=True)))


def _count(mask: Mask) -> int:
    return int(np.count_nonzero(mask))
