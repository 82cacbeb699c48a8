"""The figures of the judged samples: rates, waste, error, and the samples that are worst."""

from __future__ import annotations

from dataclasses import dataclass
from math import floor, inf, isfinite
from typing import TYPE_CHECKING

import numpy as np

from pytest_token_telemetry.analysis.populations import successful

if TYPE_CHECKING:
    import numpy.typing as npt

    from pytest_token_telemetry.analysis.populations import Judged
    from pytest_token_telemetry.columns import Floats, Integers, Mask, Samples

QUANTILE_METHOD = "hyndman-fan-6"
"""Hyndman and Fan, The American Statistician 50 (1996) 361-365, definition 6; the origin's, clamped to the range."""


@dataclass(frozen=True, slots=True)
class Share:
    """``events`` among ``n`` samples."""

    events: int
    n: int

    @property
    def value(self) -> float | None:
        """As a fraction of 1; ``None`` without samples."""
        return self.events / self.n if self.n else None


@dataclass(frozen=True, slots=True)
class Waste:
    """Prediction over output, of the judged samples that have both. ``None`` without samples."""

    n: int
    p50: float | None
    p90: float | None
    mean: float | None
    upper_limit: bool = False
    """True if the P90 rests on calls that were cut off: their real waste is lower, and so may the P90 be."""


@dataclass(frozen=True, slots=True)
class Smape:
    """The symmetric error in percent of the samples that were not truncated. ``None`` without samples."""

    n: int
    mean: float | None
    median: float | None
    min: float | None
    max: float | None


@dataclass(frozen=True, slots=True)
class Tokens:
    """Mean and median of a count of tokens. ``None`` without samples."""

    mean: float | None
    median: float | None


@dataclass(frozen=True, slots=True)
class Metrics:
    """All figures of the judged samples."""

    underestimation: Share
    uncertain: int
    """Of the underestimated: cut off before the prediction was reached."""
    truncation: Share
    success: Share
    """Among the samples that say whether they succeeded."""
    waste: Waste
    smape: Smape
    predicted_output_tokens: Tokens
    output_tokens: Tokens


def metrics(samples: Samples, judged: Judged) -> Metrics:
    """The figures of those ``samples`` that are ``judged``."""
    return Metrics(
        underestimation=Share(_count(judged.underestimated), _count(judged.at_risk)),
        uncertain=_count(judged.uncertain),
        truncation=Share(_count(judged.truncated), _count(judged.attempts)),
        success=Share(_count(successful(samples)), _count(samples.success >= 0)),
        waste=waste(samples, judged.with_ratio),
        smape=_smape(samples, judged.with_smape),
        predicted_output_tokens=_tokens(samples.predicted_output_tokens[judged.at_risk]),
        output_tokens=_tokens(samples.output_tokens[judged.at_risk]),
    )


def waste(samples: Samples, rows: Mask | Integers) -> Waste:
    """The waste ratio of ``rows`` (a mask or their numbers), whose predictions and outputs are above 0."""
    ratios = samples.predicted_output_tokens[rows] / samples.output_tokens[rows]
    if not len(ratios):
        return Waste(0, None, None, None)
    ascending = np.sort(ratios)
    p50, p90 = quantile(ascending, 0.5), quantile(ascending, 0.9)
    rests_on = ascending[int(np.searchsorted(ascending, p90, side="right")) - 1]
    upper_limit = bool((ratios[samples.truncated[rows] == 1] >= rests_on).any())
    return Waste(len(ratios), p50, p90, float(ratios.mean()), upper_limit)


def quantile(ascending: Floats, share: float) -> float:
    """The value that ``share`` of the ``ascending`` ones stay below, by `QUANTILE_METHOD`.

    Written here because numpy's makes NaN of an endless value, and is slow for a few values.
    """
    position = share * (len(ascending) + 1)
    if position <= 1:
        return float(ascending[0])
    if position >= len(ascending):
        return float(ascending[-1])
    below = floor(position)
    low, high = float(ascending[below - 1]), float(ascending[below])
    part = position - below
    return low if part == 0 else low + part * (high - low) if isfinite(high) else inf


def wasteful(samples: Samples, judged: Judged, limit: float) -> Share:
    """The judged samples whose waste ratio reaches ``limit``."""
    rows = judged.with_ratio
    ratios = samples.predicted_output_tokens[rows] / samples.output_tokens[rows]
    return Share(int(np.count_nonzero(ratios >= limit)), len(ratios))


def worst(samples: Samples, among: Mask, most: int) -> list[tuple[int, float | None]]:
    """The rows of ``among``, at most ``most``, with the most output for their prediction, and how many times it.

    A prediction of 0 or less has no ratio and comes first.
    """
    rows = np.flatnonzero(among)
    predicted = samples.predicted_output_tokens[rows]
    ratios = np.full(len(rows), np.inf)
    np.divide(samples.output_tokens[rows], predicted, out=ratios, where=predicted > 0)
    order = np.argsort(-ratios, kind="stable")[:most]
    return [(int(rows[i]), float(ratios[i]) if np.isfinite(ratios[i]) else None) for i in order]


def _smape(samples: Samples, mask: Mask) -> Smape:
    """As logged; computed where a line gave none."""
    predicted, output = samples.predicted_output_tokens[mask], samples.output_tokens[mask]
    computed = 200.0 * np.abs(predicted - output) / (predicted + output)
    errors: Floats = np.where(np.isnan(samples.smape[mask]), computed, samples.smape[mask])
    if not len(errors):
        return Smape(0, None, None, None, None)
    return Smape(
        len(errors),
        float(errors.mean()),
        float(np.median(errors)),
        float(np.min(errors)),
        float(np.max(errors)),
    )


def _tokens(counts: npt.NDArray[np.int64]) -> Tokens:
    return Tokens(float(counts.mean()), float(np.median(counts))) if len(counts) else Tokens(None, None)


def _count(mask: Mask) -> int:
    return int(np.count_nonzero(mask))
