"""What to multiply predictions by, and which caps to send, so that a stated share of the calls stays within them.

How a multiplier keeps its promise is told in `conformal`. The median ratio, which looks like the natural choice, leaves
half of all calls underestimated.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache, partial
from math import floor, inf, isfinite, isnan
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

import numpy as np
from msgspec import Meta

from pytest_token_telemetry.analysis.caps import CapUseOf
from pytest_token_telemetry.analysis.carried import Grouping
from pytest_token_telemetry.analysis.conformal import (
    ALPHA,
    BASES,
    HEADROOM_ALPHA,
    Basis,
    conformal_rank,
    conformal_values,
    least_samples,
    multipliers,
    spread,
)
from pytest_token_telemetry.analysis.evidence import CONFIDENCE, Bounds, bounds, p_value_above
from pytest_token_telemetry.analysis.groups import counted, grouped, quantile_places, rows_of
from pytest_token_telemetry.analysis.metrics import WASTE_SHARES, Share, waste_ratios
from pytest_token_telemetry.analysis.number_ranges import ROWS, Count, Quantity, Rate
from pytest_token_telemetry.analysis.strata import Split
from pytest_token_telemetry.samples import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_token_telemetry.analysis.groups import Grouped
    from pytest_token_telemetry.analysis.populations import Judged
    from pytest_token_telemetry.analysis.strata import Label, Labels
    from pytest_token_telemetry.samples import Floats, Integers, Mask, NameColumn, Samples

RISKS = (Fraction(1, 100), Fraction(1, 50), Fraction(1, 20))
"""The risks that caps are suggested for."""

EARLIER = Fraction(7, 10)
"""The share of the samples, by time, that the forward check tunes on; it scores the rest."""

_ROUNDING = 1 + 1e-12
"""A multiplier is a ratio of counts, and gives back the count in floating point but for less than that."""

_SHARES = (0.1, 0.95, *WASTE_SHARES)
"""Where the advice looks at ratios."""

_LEAST = least_samples(ALPHA)

BeforeAfter: TypeAlias = tuple[Quantity | None, Quantity | None]


@dataclass(frozen=True, slots=True)
class Advice:
    """What to do with the predictions of one category, or of one complexity within it."""

    name: str | None
    """The category, or what else `Tuning.grouped_by` says. ``None``: the samples that do not say."""
    complexity: str | None
    """``None``: the whole category."""
    n: Count
    truncated: Count
    alpha: Rate
    """The share that may exceed the advised prediction."""
    basis: Basis
    """Whether it rests on the category itself, borrows from the others, or there is no multiplier to advise."""
    multiplier: Quantity | None
    """What to multiply the predictions by."""
    tier: Literal["risk", "cost"] | None
    """``risk``: it raises the predictions. ``cost``: it lowers them, which saves quota and is no advice for risk."""
    underestimated: Count
    """Of ``n``, before."""
    expected_underestimation: Rate | None
    """The rate to expect after; for ``borrowed`` at most that."""
    expected_range: tuple[Rate, Rate] | None
    """Where the true rate after will be in nine of ten cases, given samples like these."""
    waste_p50: BeforeAfter
    waste_p90: BeforeAfter
    spread_floor: Quantity | None
    """The lowest waste P90 that any single multiplier can reach with 5% underestimation. ``None``: endless."""
    meets_both: bool
    """True if one multiplier can meet the targets of risk and cost together."""
    samples_needed: Count | None
    """For ``collect``: the least number of samples to tune on."""
    folded: Count = 0
    """How many categories, or complexities within them, are tuned as one, too small to be listed. 0: it is one."""

    def __post_init__(self) -> None:
        if self.folded and (self.name is not None or self.complexity is not None):
            raise ValueError("the others have a name")


@dataclass(frozen=True, slots=True)
class Cap:
    """A ``max_tokens`` that a share of ``1 - risk`` of the calls stays below: one that reaches it may be truncated."""

    risk: Rate
    max_tokens: Count | None
    """``None`` if the samples do not tell."""
    samples_needed: Count | None
    """How many would tell if no further one is truncated. ``None`` also if more are truncated than the risk."""


@dataclass(frozen=True, slots=True)
class Caps:
    """Suggested caps of one category, or what else `Tuning.grouped_by` says."""

    name: str | None
    n: Count
    caps: Annotated[tuple[Cap, ...], Meta(max_length=10)]
    folded: Count = 0
    """How many categories have these caps together, too small to be listed. 0: it is one."""

    def __post_init__(self) -> None:
        if self.folded and self.name is not None:
            raise ValueError("the others have a name")


@dataclass(frozen=True, slots=True)
class ForwardCheck:
    """Tuned on the earlier calls, scored on the later ones."""

    tuned_on: Count
    scored: Share
    bounds: Bounds | None
    uncovered: Count
    """Later calls of categories that the earlier ones gave no multiplier for."""


@dataclass(frozen=True, slots=True)
class Tuning:
    """All advice."""

    alpha: Rate
    categories: Annotated[tuple[Advice, ...], ROWS]
    cells: Annotated[tuple[Advice, ...], ROWS]
    """Complexities within categories, where there is data for a multiplier of their own."""
    max_tokens: Annotated[tuple[Caps, ...], ROWS]
    forward: ForwardCheck | None
    """``None`` without times."""
    grouped_by: Grouping = "category"
    """What the names of `categories`, `max_tokens` and `cap_use` are."""
    cap_use: Annotated[tuple[CapUseOf, ...], ROWS] = ()
    """How much of the caps that were sent their calls use. Empty in an older report."""


def tune(
    samples: Samples,
    judged: Judged,
    labels: Labels,
    *,
    under_multiplier: Fraction,
    max_waste_p90: Fraction,
    grouped_by: Grouping = "category",
    uncounted: int = 0,
) -> Tuning:
    """Advice for every category, its complexities and its caps.

    Args:
        samples: columns with one entry for each sample.
        judged: masks over the same samples. Advice rests on those at risk that have a prediction above 0 and an
            output above 0 or cut off; caps also on those without a prediction.
        labels: the category and complexity of the same samples, `UNKNOWN` for none.
        under_multiplier: how many times the prediction an output may be.
        max_waste_p90: the target that `Advice.meets_both` is about.
        grouped_by: what stands in for the category, which then no sample has.
        uncounted: truncated calls of unknown output. Each category may have them all, beyond every cap.
    """
    tuner = _Tuner(samples, judged, float(under_multiplier), float(max_waste_p90))
    label = label_of(samples, labels, grouped_by)
    categories = Split.by_name(label, tuner.usable)
    spread = tuner.spread(categories, tuner.usable)
    advice = tuner.advise(categories, tuner.usable, spread)
    places = {each.name: place for place, each in enumerate(advice) if not each.folded}

    def place(cell: Advice) -> tuple[int, int]:
        return cell.folded, places.get(cell.name, len(places))

    cells = Split.by_cell(labels, tuner.usable, _LEAST)
    in_cell = tuner.usable & (cells.codes != UNKNOWN)
    return Tuning(
        alpha=float(ALPHA),
        categories=tuple(advice),
        cells=tuple(sorted(tuner.advise(cells, in_cell, spread), key=place)),
        max_tokens=tuple(tuner.caps(Split.by_name(label, tuner.of_caps), uncounted)),
        forward=tuner.forward(categories),
        grouped_by=grouped_by,
    )


def label_of(samples: Samples, labels: Labels, grouped_by: Grouping) -> Label:
    """What tells ``samples`` apart: ``labels`` say their categories."""
    if grouped_by == "category":
        return labels.category
    column: NameColumn = getattr(samples, grouped_by)
    return column.codes, column.names


def endless_outputs(samples: Samples) -> Callable[[Integers], Floats]:
    """A function from rows, as indices, to their output tokens, endless where a call was truncated."""

    def outputs(rows: Integers) -> Floats:
        return np.where(samples.truncated[rows] == 1, inf, samples.output_tokens[rows].astype(np.float64))

    return outputs


def endless_ratios(samples: Samples) -> Callable[[Integers], Floats]:
    """The same of actual / predicted, of rows whose prediction is above 0."""
    outputs = endless_outputs(samples)

    def ratios(rows: Integers) -> Floats:
        found: Floats = outputs(rows) / samples.predicted_output_tokens[rows]
        return found

    return ratios


def calls_of_caps(samples: Samples, judged: Judged) -> Mask:
    """Mask the calls that caps rest on: also those without a prediction that did not fail, as far as they say."""
    without = (samples.predicted_output_tokens == UNKNOWN) & ((samples.success != 0) | (samples.truncated == 1))
    mask: Mask = _calls_of_multipliers(samples, judged) | (without & _has_output(samples))
    return mask


def _calls_of_multipliers(samples: Samples, judged: Judged) -> Mask:
    at_risk = judged.at_risk | judged.open_at_risk  # of the latter, it is known that they were truncated
    mask: Mask = at_risk & (samples.predicted_output_tokens > 0) & _has_output(samples)
    return mask


def _has_output(samples: Samples) -> Mask:
    mask: Mask = (samples.truncated == 1) | (samples.output_tokens > 0)
    return mask


class _Tuner:
    def __init__(self, samples: Samples, judged: Judged, under_multiplier: float, max_waste_p90: float) -> None:
        self._max_waste_p90 = max_waste_p90
        self._samples = samples
        self._judged = judged
        self._room = under_multiplier
        self._bounds = cache(bounds)  # of many small categories, most are of a few sizes
        self._output = endless_outputs(samples)
        self._ratios = endless_ratios(samples)
        self.usable = _calls_of_multipliers(samples, judged)
        self.of_caps = calls_of_caps(samples, judged)

    def spread(self, split: Split, mask: Mask) -> float:
        """What small categories borrow from the others: see `conformal.spread`."""
        return spread(counted(split.codes, mask, split.size), lambda: self._grouped(split, mask))

    def _grouped(self, split: Split, mask: Mask) -> Grouped[np.float64]:
        return grouped(split.codes, mask, split.size, self._ratios, _places)

    def advise(self, split: Split, mask: Mask, spread: float) -> list[Advice]:
        """For each part of ``split`` that has rows in ``mask``, the largest first, then the others."""
        truncated = counted(split.codes, mask & (self._samples.truncated == 1), split.size)
        underestimated = counted(split.codes, mask & self._judged.underestimated, split.size)
        wastes = grouped(split.codes, mask & self._judged.with_ratio, split.size, waste_ratios(self._samples), _places)
        p50, p90 = (wastes.quantile(share) for share in WASTE_SHARES)
        del wastes  # the ratios below take as much room
        ratios = self._grouped(split, mask)
        found = multipliers(ratios, spread, self._room)
        floors = _spread_floors(ratios, self._room)
        order = split.largest_first(ratios.counts)
        figures = (
            *(found.basis, found.alpha, found.exceeding, found.values),
            *(ratios.counts, truncated, underestimated, p50, p90, floors),
        )
        names = (split.names[code] for code in order.tolist())
        advice = list(map(self._advice, names, *(column[order].tolist() for column in figures)))
        return [*advice[:-1], replace(advice[-1], folded=split.folded)] if split.folded else advice

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
            # Given the samples, the rate follows Beta(exceeding, rank): its 5% and 95% points are binomial bounds.
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

    def caps(self, split: Split, uncounted: int) -> list[Caps]:
        """For each part of ``split``, the largest first, then the others. ``uncounted``: see `tune`."""
        places = partial(_places, beyond=uncounted)
        outputs = grouped(split.codes, self.of_caps, split.size, self._output, places)
        truncated = counted(split.codes, self.of_caps & (self._samples.truncated == 1), split.size)
        order = split.largest_first(outputs.counts)
        counts = outputs.counts[order].tolist()
        cut = truncated[order].tolist()
        by_risk = [
            _caps(conformal_values(outputs, risk, uncounted)[order].tolist(), counts, cut, risk, uncounted)
            for risk in RISKS
        ]
        names = (split.names[code][0] for code in order.tolist())
        found = list(map(Caps, names, counts, zip(*by_risk, strict=True)))
        return [*found[:-1], replace(found[-1], folded=split.folded)] if split.folded else found

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


def _places(n: int, beyond: int = 0) -> list[int]:
    """Which of ``n`` ascending values, counted from 0, the advice looks at. ``beyond``: see `conformal_rank`."""
    ranks = (conformal_rank(n, alpha, beyond) for alpha in (HEADROOM_ALPHA, ALPHA, *RISKS))
    return sorted({n - 1, *(rank - 1 for rank in ranks if rank is not None), *quantile_places(n, _SHARES)})


def _caps(values: list[float], counts: list[int], truncated: list[int], risk: Fraction, uncounted: int) -> list[Cap]:
    """The cap of each category for one risk.

    Args:
        values: the `conformal_values` of output tokens, one for each category, endless where there is none.
        counts: the number of samples of each category.
        truncated: how many of them were truncated.
        risk: the share of calls that may reach the cap.
        uncounted: see `tune`.
    """
    return [
        Cap(float(risk), int(value) + 1, None)
        if isfinite(value)
        else Cap(float(risk), None, _samples_needed(n, cut, risk, uncounted))
        for value, n, cut in zip(values, counts, truncated, strict=True)
    ]


def _samples_needed(n: int, truncated: int, risk: Fraction, uncounted: int) -> int | None:
    """How many calls give a cap at this ``risk`` if no further one is truncated; ``None`` if too many are."""
    endless = truncated + uncounted
    are_too_many = p_value_above(endless, n + uncounted, float(risk)) <= 1 - CONFIDENCE
    return None if are_too_many else least_samples(risk, endless) - uncounted


def _before_and_after(waste: float, multiplier: float | None) -> BeforeAfter:
    """``waste`` is NaN where there is none."""
    before = None if isnan(waste) else waste
    return before, None if before is None or multiplier is None else before * multiplier


def _spread_floors(ratios: Grouped[np.float64], under_multiplier: float) -> Floats:
    """The best waste P90 that one multiplier can reach with 5% underestimation, of each group; endless for none."""
    low, high = ratios.quantile(0.1), ratios.quantile(0.95)
    floors = np.full_like(low, inf)
    np.divide(high, under_multiplier * low, out=floors, where=np.isfinite(high))
    return floors
