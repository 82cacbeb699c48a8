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
from functools import cache, lru_cache
from math import ceil, floor, inf, isfinite, isnan
from typing import TYPE_CHECKING, Literal

import numpy as np

from pytest_token_telemetry.analysis.evidence import Bounds, bounds
from pytest_token_telemetry.analysis.groups import computed, counted, grouped, present, rows_of
from pytest_token_telemetry.analysis.metrics import WASTE_SHARES, Share, quantile, quantile_places, waste_ratios
from pytest_token_telemetry.columns import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_token_telemetry.analysis.populations import Judged
    from pytest_token_telemetry.analysis.strata import Labels
    from pytest_token_telemetry.columns import Floats, Integers, Mask, Narrow, Samples

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

_SHARES = (0.1, 0.95, *WASTE_SHARES)
"""Where the advice looks at ratios."""

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
    categories = _Split.by_category(labels)
    spread = tuner.spread(categories, tuner.usable)
    advice = tuner.advise(categories, tuner.usable, spread)
    places = {each.name: place for place, each in enumerate(advice)}
    cells = _Split.by_cell(labels, tuner.usable)
    in_cells = tuner.advise(cells, tuner.usable & (cells.codes != UNKNOWN), spread)
    return Tuning(
        alpha=float(ALPHA),
        categories=tuple(advice),
        cells=tuple(sorted(in_cells, key=lambda each: places[each.name])),
        max_tokens=tuple(tuner.caps(categories)),
        forward=tuner.forward(categories),
    )


def spread_floor(ratios: Floats, under_multiplier: float) -> float:
    """The best waste P90 that one multiplier can reach with 5 % underestimation, whatever that multiplier is."""
    low, high = quantile(ratios, 0.1), quantile(ratios, 0.95)
    return high / (under_multiplier * low) if isfinite(high) and low > 0 else inf


@dataclass(frozen=True, slots=True)
class _Split:
    """The samples as they are tuned apart."""

    codes: Narrow
    names: Sequence[tuple[str | None, str | None]]
    """The category and the complexity of each code, and of `UNKNOWN`, the last."""

    @property
    def size(self) -> int:
        """How many codes there are."""
        return len(self.names) - 1

    @staticmethod
    def by_category(labels: Labels) -> _Split:
        """Every category."""
        codes, names = labels.category
        return _Split(codes, [(name, None) for name in (*names, None)])

    @staticmethod
    def by_cell(labels: Labels, mask: Mask) -> _Split:
        """Every complexity within a category that has samples enough in ``mask``; `UNKNOWN` for all others."""
        (categories, names), (levels, complexities) = labels.category, labels.complexity
        kind = np.min_scalar_type((len(names) + 1) * len(complexities))

        def pairs_of(rows: Integers) -> Integers:
            of = categories[rows].astype(np.int64)
            of[of == UNKNOWN] = len(names)
            found: Integers = (of * len(complexities) + levels[rows]).astype(kind)
            return found

        said = mask & (levels != UNKNOWN)
        pairs, counts = np.unique(computed(said, pairs_of), return_counts=True)
        pairs = pairs[counts >= least_samples(ALPHA)]
        codes = np.full(len(mask), UNKNOWN, dtype=np.min_scalar_type(-len(pairs) - 1))
        for rows in rows_of(said) if len(pairs) else ():
            found = pairs_of(rows)
            places = np.minimum(np.searchsorted(pairs, found), len(pairs) - 1)
            there = pairs[places] == found
            codes[rows[there]] = places[there]
        named = [divmod(pair, len(complexities)) for pair in pairs.tolist()]
        every = (*names, None)
        return _Split(codes, [*((every[of], complexities[level]) for of, level in named), (None, None)])


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

    def spread(self, split: _Split, mask: Mask) -> float:
        """Of output / prediction over its category's median, of all categories together, what `ALPHA` exceeds.

        Only small categories borrow it; where there is none, it is left at endless.
        """
        counts = counted(split.codes, mask, split.size)
        lend = counts >= LEAST_BORROWING
        if not (lend & (counts < least_samples(ALPHA))).any():
            return inf
        ratios = grouped(split.codes, mask, split.size, self._ratios, _places)
        lend &= np.isfinite(medians := ratios.quantile(0.5)) & (medians > 0)
        rank = conformal_rank(int(counts[lend].sum()), ALPHA)
        if rank is None:
            return inf
        residuals, starts = ratios.values, ratios.starts
        columns = (each.tolist() for each in (starts, starts + counts, np.where(lend, medians, 0)))
        for begin, end, median in zip(*columns, strict=True):
            if median:
                residuals[begin:end] /= median
            else:
                residuals[begin:end] = inf  # above all others
        residuals.partition(rank - 1)
        return float(residuals[rank - 1])

    def multiplier(self, ratios: Floats, spread: float) -> tuple[Basis, float, int | None, float | None]:
        """The basis, the target, the rank if the category stands by itself, and the multiplier.

        Args:
            ratios: output / prediction, ascending.
            spread: what `spread` gives.
        """
        n = len(ratios)
        for alpha, rank in _ranks(n):
            if rank is not None and isfinite(ratios[rank - 1]):
                return "category", alpha, rank, float(ratios[rank - 1]) / self._room
        if not isfinite(ratios[-1]):
            return "raise-cap", float(ALPHA), None, None
        if n < LEAST_BORROWING or not isfinite(spread):
            return "collect", float(ALPHA), None, None
        return "borrowed", float(ALPHA), None, max(float(ratios[-1]), quantile(ratios, 0.5) * spread) / self._room

    def advise(self, split: _Split, mask: Mask, spread: float) -> list[Advice]:
        """For each part of ``split`` that has rows in ``mask``, the largest first."""
        truncated = counted(split.codes, mask & (self._samples.truncated == 1), split.size)
        underestimated = counted(split.codes, mask & self._judged.underestimated, split.size)
        wastes = grouped(split.codes, mask & self._judged.with_ratio, split.size, waste_ratios(self._samples), _places)
        p50, p90 = (wastes.quantile(share) for share in WASTE_SHARES)
        del wastes  # the ratios below take as much room
        ratios = grouped(split.codes, mask, split.size, self._ratios, _places)
        order = _largest_first(ratios.counts)
        columns = (each[order].tolist() for each in (truncated, underestimated, p50, p90))
        return [
            self._advice(split.names[code], ratios.of(code), spread, *figures)
            for code, *figures in zip(order.tolist(), *columns, strict=True)
        ]

    def _advice(
        self,
        names: tuple[str | None, str | None],
        ratios: Floats,
        spread: float,
        truncated: int,
        underestimated: int,
        p50: float,
        p90: float,
    ) -> Advice:
        n = len(ratios)
        basis, alpha, rank, multiplier = self.multiplier(ratios, spread)
        expected, likely = None, None
        if basis == "category" and rank is not None:
            exceeding = n + 1 - rank
            # Given the samples, the rate follows Beta(exceeding, rank): its 5 % and 95 % points are binomial bounds.
            expected = exceeding / (n + 1)
            likely = (self._bounds(exceeding, n).lower, self._bounds(n - rank, n).upper)
        elif basis == "borrowed":
            expected, likely = 1 / (n + 1), (0.0, self._bounds(0, n).upper)
        floor_ = spread_floor(ratios, self._room)
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
            samples_needed=least_samples(ALPHA) if basis == "collect" else None,
        )

    def caps(self, split: _Split) -> list[Caps]:
        """For each part of ``split``, the largest first."""
        outputs = grouped(split.codes, self.usable, split.size, self._output, _places)
        return [_caps(split.names[code][0], outputs.of(code)) for code in _largest_first(outputs.counts).tolist()]

    def forward(self, split: _Split) -> ForwardCheck | None:
        """Only multipliers above 1 are applied: risk is never bought with a lower prediction."""
        earlier, later = self._halves()
        tuned_on = int(np.count_nonzero(earlier))
        if not tuned_on or not later.any():
            return None
        spread = self.spread(split, earlier)
        ratios = grouped(split.codes, earlier, split.size, self._ratios, _places)
        raised = np.full(split.size + 1, np.nan)
        for code in present(ratios.counts).tolist():
            _, _, _, multiplier = self.multiplier(ratios.of(code), spread)
            if multiplier is not None:
                raised[code] = max(multiplier, 1.0)
        exceeding = covered = 0
        for rows in rows_of(later):
            multipliers = raised[split.codes[rows]]
            allowed = self._samples.predicted_output_tokens[rows] * multipliers * self._room
            # Nothing is above NaN, which is where there is no multiplier.
            exceeding += int(np.count_nonzero(self._output(rows) > allowed * _ROUNDING))
            covered += int(np.count_nonzero(~np.isnan(multipliers)))
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


def _largest_first(counts: Integers) -> Integers:
    """The codes that have any, those with as many in their order."""
    codes = present(counts)
    return codes[np.argsort(-counts[codes], kind="stable")]


@lru_cache(maxsize=4096)
def _ranks(n: int) -> tuple[tuple[float, int | None], ...]:
    """The shares that may exceed a multiplier, the one to be tried first first, with their `conformal_rank`."""
    return tuple((float(alpha), conformal_rank(n, alpha)) for alpha in (HEADROOM_ALPHA, ALPHA))


@lru_cache(maxsize=4096)
def _cap_ranks(n: int) -> tuple[tuple[float, int | None, int], ...]:
    """The risks of caps, with their `conformal_rank` and their `least_samples`."""
    return tuple((float(risk), conformal_rank(n, risk), least_samples(risk)) for risk in RISKS)


def _places(n: int) -> list[int]:
    """Which of ``n`` ascending values, counted from 0, the advice looks at."""
    ranks = (*(rank for _, rank in _ranks(n)), *(rank for _, rank, _ in _cap_ranks(n)))
    return sorted({n - 1, *(rank - 1 for rank in ranks if rank is not None), *quantile_places(n, _SHARES)})


def _caps(name: str | None, outputs: Floats) -> Caps:
    caps = []
    for risk, rank, least in _cap_ranks(len(outputs)):
        value = inf if rank is None else float(outputs[rank - 1])
        caps.append(Cap(risk, int(value) if isfinite(value) else None, least if rank is None else None))
    return Caps(name, len(outputs), tuple(caps))


def _before_and_after(waste: float, multiplier: float | None) -> BeforeAfter:
    """``waste`` is NaN where there is none."""
    before = None if isnan(waste) else waste
    return before, None if before is None or multiplier is None else before * multiplier
