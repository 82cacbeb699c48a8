"""What to multiply predictions by, and which caps to send, so that a stated share of the calls stays within them.

How a multiplier keeps its promise is told in `conformal`. The median ratio, which looks like the natural choice, leaves
half of all calls underestimated.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from math import floor, inf, isfinite, isnan
from typing import TYPE_CHECKING, Literal

import numpy as np

from pytest_token_telemetry.analysis.conformal import (
    ALPHA,
    BASES,
    HEADROOM_ALPHA,
    conformal_rank,
    conformal_values,
    least_samples,
    multipliers,
    spread,
)
from pytest_token_telemetry.analysis.evidence import Bounds, bounds
from pytest_token_telemetry.analysis.groups import counted, grouped, rows_of
from pytest_token_telemetry.analysis.metrics import WASTE_SHARES, Share, quantile, quantile_places, waste_ratios
from pytest_token_telemetry.analysis.split import Split, largest_first
from pytest_token_telemetry.columns import UNKNOWN

if TYPE_CHECKING:
    from pytest_token_telemetry.analysis.conformal import Basis
    from pytest_token_telemetry.analysis.groups import Grouped
    from pytest_token_telemetry.analysis.populations import Judged
    from pytest_token_telemetry.analysis.strata import Labels
    from pytest_token_telemetry.columns import Floats, Integers, Mask, Samples

RISKS = (Fraction(1, 100), Fraction(1, 50), Fraction(1, 20))
"""The risks that caps are suggested for."""

EARLIER = Fraction(7, 10)
"""The share of the samples, by time, that the forward check tunes on; it scores the rest."""

_ROUNDING = 1 + 1e-12
"""A multiplier is a ratio of counts, and gives back the count in floating point but for less than that."""

_SHARES = (0.1, 0.95, *WASTE_SHARES)
"""Where the advice looks at ratios."""

_LEAST = least_samples(ALPHA)

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


def tune(
    samples: Samples, judged: Judged, labels: Labels, *, under_multiplier: Fraction, max_waste_p90: Fraction
) -> Tuning:
    """Advice for every category of the ``judged`` samples."""
    tuner = _Tuner(samples, judged, float(under_multiplier), float(max_waste_p90))
    categories = Split.by_category(labels)
    spread = tuner.spread(categories, tuner.usable)
    advice = tuner.advise(categories, tuner.usable, spread)
    places = {each.name: place for place, each in enumerate(advice)}
    return Tuning(
        alpha=float(ALPHA),
        categories=tuple(advice),
        cells=tuple(sorted(tuner.advise_cells(labels, spread), key=lambda each: places[each.name])),
        max_tokens=tuple(tuner.caps(categories)),
        forward=tuner.forward(categories),
    )


def spread_floor(ratios: Floats, under_multiplier: float) -> float:
    """The best waste P90 that one multiplier can reach with 5 % underestimation, whatever that multiplier is."""
    low, high = quantile(ratios, 0.1), quantile(ratios, 0.95)
    return float(_spread_floors(np.array(low), np.array(high), under_multiplier))


def _spread_floors(low: Floats, high: Floats, under_multiplier: float) -> Floats:
    """The same, where ``low`` is exceeded by 90 % of the ratios, and ``high`` by 5 %."""
    floors = np.full_like(low, inf)
    np.divide(high, under_multiplier * low, out=floors, where=np.isfinite(high) & (low > 0))
    return floors


class _Tuner:
    def __init__(self, samples: Samples, judged: Judged, under_multiplier: float, max_waste_p90: float) -> None:
        self._max_waste_p90 = max_waste_p90
        self._samples = samples
        self._judged = judged
        self._room = under_multiplier
        self._bounds = cache(bounds)  # of many small categories, most are of a few sizes
        has_output = (samples.truncated == 1) | (samples.output_tokens > 0)
        self.usable: Mask = judged.at_risk & (samples.predicted_output_tokens > 0) & has_output

    def _output(self, rows: Integers) -> Floats:
        return np.where(self._samples.truncated[rows] == 1, inf, self._samples.output_tokens[rows].astype(np.float64))

    def _ratios(self, rows: Integers) -> Floats:
        ratios: Floats = self._output(rows) / self._samples.predicted_output_tokens[rows]
        return ratios

    def spread(self, split: Split, mask: Mask) -> float:
        """What small categories borrow from the others: see `conformal.spread`."""
        return spread(counted(split.codes, mask, split.size), lambda: self._grouped(split, mask))

    def _grouped(self, split: Split, mask: Mask) -> Grouped[np.float64]:
        return grouped(split.codes, mask, split.size, self._ratios, _places)

    def advise(self, split: Split, mask: Mask, spread: float) -> list[Advice]:
        """For each part of ``split`` that has rows in ``mask``, the largest first."""
        truncated = counted(split.codes, mask & (self._samples.truncated == 1), split.size)
        underestimated = counted(split.codes, mask & self._judged.underestimated, split.size)
        wastes = grouped(split.codes, mask & self._judged.with_ratio, split.size, waste_ratios(self._samples), _places)
        p50, p90 = (wastes.quantile(share) for share in WASTE_SHARES)
        del wastes  # the ratios below take as much room
        ratios = self._grouped(split, mask)
        found = multipliers(ratios, spread, self._room)
        floors = _spread_floors(ratios.quantile(0.1), ratios.quantile(0.95), self._room)
        order = largest_first(ratios.counts)
        figures = (
            *(found.basis, found.alpha, found.exceeding, found.values),
            *(ratios.counts, truncated, underestimated, p50, p90, floors),
        )
        names = (split.names[code] for code in order.tolist())
        return list(map(self._advice, names, *(column[order].tolist() for column in figures)))

    def advise_cells(self, labels: Labels, spread: float) -> list[Advice]:
        """For each complexity within a category that has samples enough for a multiplier of its own."""
        cells = Split.by_cell(labels, self.usable, _LEAST)
        return self.advise(cells, self.usable & (cells.codes != UNKNOWN), spread)

    def _advice(
        self,
        names: tuple[str | None, str | None],
        index: int,
        alpha: float,
        exceeding: int,
        value: float,
        n: int,
        truncated: int,
        underestimated: int,
        p50: float,
        p90: float,
        floor_: float,
    ) -> Advice:
        basis, multiplier = BASES[index], None if isnan(value) else value
        expected, likely = None, None
        if basis == "category":
            # Given the samples, the rate follows Beta(exceeding, rank): its 5 % and 95 % points are binomial bounds.
            expected = exceeding / (n + 1)
            likely = (self._bounds(exceeding, n).lower, self._bounds(exceeding - 1, n).upper)
        elif basis == "borrowed":
            expected, likely = 1 / (n + 1), (0.0, self._bounds(0, n).upper)
        return Advice(
            name=names[0],
            complexity=names[1],
            n=n,
            truncated=truncated,
            alpha=alpha,
            basis=basis,
            multiplier=multiplier,
            tier=None if multiplier is None else "risk" if multiplier >= 1 else "cost",
            underestimated=underestimated,
            expected_underestimation=expected,
            expected_range=likely,
            waste_p50=_before_and_after(p50, multiplier),
            waste_p90=_before_and_after(p90, multiplier),
            spread_floor=floor_ if isfinite(floor_) else None,
            meets_both=floor_ < self._max_waste_p90,
            samples_needed=_LEAST if basis == "collect" else None,
        )

    def caps(self, split: Split) -> list[Caps]:
        """For each part of ``split``, the largest first."""
        outputs = grouped(split.codes, self.usable, split.size, self._output, _places)
        order = largest_first(outputs.counts)
        counts = outputs.counts[order].tolist()
        by_risk = [_caps(conformal_values(outputs, risk)[order], counts, risk) for risk in RISKS]
        names = (split.names[code][0] for code in order.tolist())
        return list(map(Caps, names, counts, zip(*by_risk, strict=True)))

    def forward(self, split: Split) -> ForwardCheck | None:
        """Only multipliers above 1 are applied: risk is never bought with a lower prediction."""
        earlier, later = self._halves()
        tuned_on = int(np.count_nonzero(earlier))
        if not tuned_on or not later.any():
            return None
        spread = self.spread(split, earlier)
        raised = np.maximum(multipliers(self._grouped(split, earlier), spread, self._room).values, 1.0)
        exceeding = covered = 0
        for rows in rows_of(later):
            factors = raised[split.codes[rows]]
            allowed = self._samples.predicted_output_tokens[rows] * factors * self._room
            # Nothing is above NaN, which is where there is no multiplier.
            exceeding += int(np.count_nonzero(self._output(rows) > allowed * _ROUNDING))
            covered += int(np.count_nonzero(~np.isnan(factors)))
        return ForwardCheck(
            tuned_on=tuned_on,
            scored=Share(exceeding, covered),
            bounds=bounds(exceeding, covered) if covered else None,
            uncovered=int(np.count_nonzero(later)) - covered,
        )

    def _halves(self) -> tuple[Mask, Mask]:
        """The usable rows by their times: the `EARLIER` ones and the others. At one time, the first come first."""
        times = self._samples.time
        timed = self.usable & ~np.isnat(times)
        ascending = times[timed]
        n = floor(len(ascending) * EARLIER)
        if not n:
            return np.zeros_like(timed), timed
        ascending.view(np.int64).partition(n - 1)  # as numbers, which is four times as fast
        last = ascending[n - 1]
        earlier: Mask = timed & (times < last)
        rest = n - int(np.count_nonzero(earlier))
        for rows in rows_of(timed & (times == last)):
            earlier[rows[:rest]] = True
            rest -= min(rest, len(rows))
        return earlier, timed & ~earlier


def _places(n: int) -> list[int]:
    """Which of ``n`` ascending values, counted from 0, the advice looks at."""
    ranks = (conformal_rank(n, alpha) for alpha in (HEADROOM_ALPHA, ALPHA, *RISKS))
    return sorted({n - 1, *(rank - 1 for rank in ranks if rank is not None), *quantile_places(n, _SHARES)})


def _caps(values: Floats, counts: list[int], risk: Fraction) -> list[Cap]:
    """That of each category, by its `conformal_values` and its number of samples."""
    share, least = float(risk), least_samples(risk)
    return [
        Cap(share, int(value) if isfinite(value) else None, least if n < least else None)
        for value, n in zip(values.tolist(), counts, strict=True)
    ]


def _before_and_after(waste: float, multiplier: float | None) -> BeforeAfter:
    """``waste`` is NaN where there is none."""
    before = None if isnan(waste) else waste
    return before, None if before is None or multiplier is None else before * multiplier
