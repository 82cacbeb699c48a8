"""What to multiply predictions by, and which caps to send, so that a stated share of the calls stays within them.

The multiplier of a category is an order statistic of output / prediction, with a guarantee for every sample size and
distribution (split conformal prediction: Vovk, Gammerman and Shafer, Algorithmic Learning in a Random World, 2005):
among n + 1 exchangeable calls, the last exceeds the K-th smallest of the others in at most ``alpha`` of all cases if
``K = n + 1 - floor((n + 1) * alpha)``. A truncated call would have gone on, so it counts as endless.

The median ratio, which looks like the natural choice, leaves half of all calls underestimated.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from math import ceil, floor, inf, isfinite
from typing import TYPE_CHECKING, Literal

import numpy as np

from pytest_token_telemetry.analysis.evidence import Bounds, bounds
from pytest_token_telemetry.analysis.metrics import Share, quantile, waste
from pytest_token_telemetry.columns import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_token_telemetry.analysis.populations import Judged
    from pytest_token_telemetry.analysis.strata import Labels
    from pytest_token_telemetry.columns import Floats, Integers, Mask, Samples

Basis = Literal["category", "borrowed", "collect", "raise-cap"]

ALPHA = Fraction(1, 20)
"""The share of calls that may exceed what is advised."""

HEADROOM_ALPHA = Fraction(1, 40)
"""The same where there are samples enough for it: tuned to 5 %, every second gate at 5 % would still fail."""

LEAST_BORROWING = 3
"""Samples that a category needs to be tuned with the help of the others."""

RISKS = (Fraction(1, 100), Fraction(1, 50), Fraction(1, 20))
"""The risks that caps are suggested for."""

EARLIER = Fraction(7, 10)
"""The share of the samples, by time, that the forward check tunes on; it scores the rest."""

_ROUNDING = 1 + 1e-12
"""A multiplier is a ratio of counts, and gives back the count in floating point but for less than that."""

BeforeAfter = tuple[float | None, float | None]


@dataclass(frozen=True, slots=True)
class Advice:
    """What to do with the predictions of one category, or of one complexity within it."""

    name: str | None
    """The category. ``None``: the samples that do not say."""
    complexity: str | None
    """``None``: the whole category."""
    n: int
    truncated: int
    alpha: float
    """The share that may exceed the advised prediction."""
    basis: Basis
    """Whether it rests on the category itself, borrows from the others, or there is no multiplier to advise."""
    multiplier: float | None
    """What to multiply the predictions by."""
    tier: Literal["risk", "cost"] | None
    """``risk``: it raises the predictions. ``cost``: it lowers them, which saves quota and is no advice for risk."""
    underestimated: int
    """Of ``n``, before."""
    expected_underestimation: float | None
    """The rate to expect after; for ``borrowed`` at most that."""
    expected_range: tuple[float, float] | None
    """Where the true rate after will be in nine of ten cases, given samples like these."""
    waste_p50: BeforeAfter
    waste_p90: BeforeAfter
    spread_floor: float | None
    """The lowest waste P90 that any single multiplier can reach with 5 % underestimation. ``None``: endless."""
    meets_both: bool
    """True if one multiplier can meet the targets of risk and cost together."""
    samples_needed: int | None
    """For ``collect``: the least number of samples to tune on."""


@dataclass(frozen=True, slots=True)
class Cap:
    """A ``max_tokens`` that a share of ``1 - risk`` of the calls stays within."""

    risk: float
    max_tokens: int | None
    """``None`` if the samples do not tell."""
    samples_needed: int | None
    """More samples than there are, if that is why."""


@dataclass(frozen=True, slots=True)
class Caps:
    """Suggested caps of one category."""

    name: str | None
    n: int
    caps: tuple[Cap, ...]


@dataclass(frozen=True, slots=True)
class ForwardCheck:
    """Tuned on the earlier calls, scored on the later ones."""

    tuned_on: int
    scored: Share
    bounds: Bounds | None
    uncovered: int
    """Later calls of categories that the earlier ones gave no multiplier for."""


@dataclass(frozen=True, slots=True)
class Tuning:
    """All advice."""

    alpha: float
    categories: tuple[Advice, ...]
    cells: tuple[Advice, ...]
    """Complexities within categories, where there is data for a multiplier of their own."""
    max_tokens: tuple[Caps, ...]
    forward: ForwardCheck | None
    """``None`` without times."""


def conformal_rank(n: int, alpha: Fraction) -> int | None:
    """Which of ``n`` ascending values the next one exceeds in at most ``alpha`` of all cases, counted from 1.

    ``None`` if ``n`` is less than `least_samples`.
    """
    rank = n + 1 - (n + 1) * alpha.numerator // alpha.denominator
    return rank if rank <= n else None


@cache
def least_samples(alpha: Fraction) -> int:
    """The least number of samples for which there is a `conformal_rank`."""
    return ceil(1 / alpha) - 1


def tune(
    samples: Samples, judged: Judged, labels: Labels, *, under_multiplier: Fraction, max_waste_p90: Fraction
) -> Tuning:
    """Advice for every category of the ``judged`` samples."""
    tuner = _Tuner(samples, judged, float(under_multiplier), float(max_waste_p90))
    rows = np.flatnonzero(judged.at_risk & (samples.predicted_output_tokens > 0) & tuner.has_output)
    categories, names = labels.category
    complexities, levels = labels.complexity
    advice, cells, caps = [], [], []
    pooled = tuner.pooled_residuals(rows, categories)
    for code, members in _groups(rows, categories):
        name = None if code == UNKNOWN else names[code]
        advice.append(tuner.advise(members, name, None, pooled))
        caps.append(tuner.caps(members, name))
        for level, cell in _groups(members, complexities):
            if level != UNKNOWN and len(cell) >= least_samples(ALPHA):
                cells.append(tuner.advise(cell, name, levels[level], pooled))
    return Tuning(
        alpha=float(ALPHA),
        categories=tuple(advice),
        cells=tuple(cells),
        max_tokens=tuple(caps),
        forward=tuner.forward(rows, categories),
    )


def spread_floor(ratios: Floats, under_multiplier: float) -> float:
    """The best waste P90 that one multiplier can reach with 5 % underestimation, whatever that multiplier is."""
    high, low = quantile(ratios, 0.95), quantile(ratios, 0.1)
    return high / (under_multiplier * low) if isfinite(high) and low > 0 else inf


class _Tuner:
    def __init__(self, samples: Samples, judged: Judged, under_multiplier: float, max_waste_p90: float) -> None:
        self._max_waste_p90 = max_waste_p90
        self._samples = samples
        self._judged = judged
        self._room = under_multiplier
        cut_off = samples.truncated == 1
        self._output: Floats = np.where(cut_off, inf, samples.output_tokens.astype(np.float64))
        self._cut_off: Mask = cut_off
        self.has_output: Mask = self._output > 0

    def _ratios(self, rows: Integers) -> Floats:
        ratios: Floats = np.sort(self._output[rows] / self._samples.predicted_output_tokens[rows])
        return ratios

    def pooled_residuals(self, rows: Integers, codes: Integers) -> Floats:
        """Output / prediction over its category's median, of all categories together, ascending."""
        residuals = [np.empty(0)]
        for _, members in _groups(rows, codes):
            ratios = self._ratios(members)
            median = quantile(ratios, 0.5)
            if len(ratios) >= LEAST_BORROWING and isfinite(median) and median > 0:
                residuals.append(ratios / median)
        return np.sort(np.concatenate(residuals))

    def multiplier(self, rows: Integers, pooled: Floats) -> tuple[Basis, Fraction, int | None, float | None]:
        """The basis, the target, the rank if the category stands by itself, and the multiplier."""
        ratios = self._ratios(rows)
        n = len(ratios)
        for alpha in (HEADROOM_ALPHA, ALPHA):
            rank = conformal_rank(n, alpha)
            if rank is not None and isfinite(ratios[rank - 1]):
                return "category", alpha, rank, float(ratios[rank - 1]) / self._room
        if not isfinite(ratios[-1]):
            return "raise-cap", ALPHA, None, None
        pooled_rank = conformal_rank(len(pooled), ALPHA)
        spread = inf if pooled_rank is None else float(pooled[pooled_rank - 1])
        if n < LEAST_BORROWING or not isfinite(spread):
            return "collect", ALPHA, None, None
        return "borrowed", ALPHA, None, max(float(ratios[-1]), quantile(ratios, 0.5) * spread) / self._room

    def advise(self, rows: Integers, name: str | None, complexity: str | None, pooled: Floats) -> Advice:
        n = len(rows)
        basis, alpha, rank, multiplier = self.multiplier(rows, pooled)
        expected, likely = None, None
        if basis == "category" and rank is not None:
            exceeding = n + 1 - rank
            # Given the samples, the rate follows Beta(exceeding, rank): its 5 % and 95 % points are binomial bounds.
            expected, likely = exceeding / (n + 1), (bounds(exceeding, n).lower, bounds(n - rank, n).upper)
        elif basis == "borrowed":
            expected, likely = 1 / (n + 1), (0.0, bounds(0, n).upper)
        before = waste(self._samples, rows[self._judged.with_ratio[rows]])
        floor_ = spread_floor(self._ratios(rows), self._room)
        return Advice(
            name=name,
            complexity=complexity,
            n=n,
            truncated=int(np.count_nonzero(self._cut_off[rows])),
            alpha=float(alpha),
            basis=basis,
            multiplier=multiplier,
            tier=None if multiplier is None else "risk" if multiplier >= 1 else "cost",
            underestimated=int(np.count_nonzero(self._judged.underestimated[rows])),
            expected_underestimation=expected,
            expected_range=likely,
            waste_p50=(before.p50, _scaled(before.p50, multiplier)),
            waste_p90=(before.p90, _scaled(before.p90, multiplier)),
            spread_floor=floor_ if isfinite(floor_) else None,
            meets_both=floor_ < self._max_waste_p90,
            samples_needed=least_samples(ALPHA) if basis == "collect" else None,
        )

    def caps(self, rows: Integers, name: str | None) -> Caps:
        outputs = np.sort(self._output[rows])
        caps = []
        for risk in RISKS:
            rank = conformal_rank(len(outputs), risk)
            value = inf if rank is None else float(outputs[rank - 1])
            caps.append(
                Cap(
                    risk=float(risk),
                    max_tokens=int(value) if isfinite(value) else None,
                    samples_needed=least_samples(risk) if rank is None else None,
                )
            )
        return Caps(name, len(outputs), tuple(caps))

    def forward(self, rows: Integers, codes: Integers) -> ForwardCheck | None:
        """Only multipliers above 1 are applied: risk is never bought with a lower prediction."""
        times = self._samples.time[rows]
        timed = rows[~np.isnat(times)]
        order = timed[np.argsort(self._samples.time[timed], kind="stable")]
        earlier, later = np.split(order, [floor(len(order) * EARLIER)])
        if not len(earlier) or not len(later):
            return None
        pooled = self.pooled_residuals(earlier, codes)
        raised = {}
        for code, members in _groups(earlier, codes):
            _, _, _, multiplier = self.multiplier(members, pooled)
            if multiplier is not None:
                raised[code] = max(multiplier, 1.0)
        covered = later[np.isin(codes[later], list(raised))]
        multipliers = np.array([raised[code] for code in codes[covered].tolist()])
        allowed = self._samples.predicted_output_tokens[covered] * multipliers * self._room
        exceeds = self._output[covered] > allowed * _ROUNDING
        scored = Share(int(np.count_nonzero(exceeds)), len(covered))
        return ForwardCheck(
            tuned_on=len(earlier),
            scored=scored,
            bounds=bounds(scored.events, scored.n) if scored.n else None,
            uncovered=len(later) - len(covered),
        )


def _groups(rows: Integers, codes: Integers) -> Iterator[tuple[int, Integers]]:
    """The ``rows`` of each code, the largest group first."""
    order = rows[np.argsort(codes[rows], kind="stable")]
    present, starts = np.unique(codes[order], return_index=True)
    groups = zip(present.tolist(), np.split(order, starts)[1:], strict=True)
    yield from sorted(groups, key=lambda group: -len(group[1]))


def _scaled(value: float | None, multiplier: float | None) -> float | None:
    return None if value is None or multiplier is None else value * multiplier
