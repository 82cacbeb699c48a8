"""Have the calls changed since the baseline? New samples against what a baseline keeps of the old ones, by stratum.

All tests compare within strata, because a rate over all of them moves with the mix of work even if nothing got worse
(Simpson's paradox). A change is drift only if chance does not explain it *and* it is large enough to matter, and too
few samples are never called steady.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from fractions import Fraction
from math import exp, lgamma
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

import numpy as np

from pytest_token_telemetry.analysis.evidence import Bounds, holm
from pytest_token_telemetry.analysis.groups import counted, grouped, present
from pytest_token_telemetry.analysis.listed import listed
from pytest_token_telemetry.analysis.metrics import Share
from pytest_token_telemetry.analysis.number_ranges import ROWS, Count, Difference, Quantity, Rate
from pytest_token_telemetry.analysis.stratified import (
    SIGNIFICANCE,
    LogRatios,
    bins_of,
    histograms,
    least_visible,
    rate_difference,
    rate_difference_bounds,
    rate_p,
    shift,
    van_elteren,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import numpy.typing as npt

    from pytest_token_telemetry.analysis.populations import Judged
    from pytest_token_telemetry.analysis.strata import Labels
    from pytest_token_telemetry.analysis.stratified import Rates
    from pytest_token_telemetry.samples import Integers, Samples

    _Key: TypeAlias = tuple[str | None, int]
    """The name of a stratum, or none and how many strata it sums up."""

    _Pair: TypeAlias = tuple[_Key, "Summary", "Summary"]

Trend = Literal["drift", "steady", "too-few"]

LEAST_SAMPLES = 20
"""On each side, for a test to say anything."""

LEAST_RISE_OF_UNDERESTIMATION = Fraction(2, 100)
LEAST_RISE_OF_TRUNCATION = Fraction(1, 100)
LEAST_SHIFT = 1.1
"""What matters: a rate that rose by as much, ratios that grew or shrank by this factor."""


@dataclass(frozen=True, slots=True)
class Summary:
    """One stratum of one side: what a baseline keeps of it, and what new samples come down to."""

    underestimation: Share
    truncation: Share
    log_ratios: LogRatios


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """What one of the tests says."""

    p: Rate | None
    """How likely as much change is by chance. ``None``: there are too few samples to see any."""
    adjusted_p: Rate | None = None
    """The same, adjusted for the other tests (Holm)."""
    matters: bool
    """True if the change is as large as it has to be to matter."""

    @property
    def outcome(self) -> Trend:
        """The verdict."""
        if self.adjusted_p is None:
            return "too-few"
        return "drift" if self.matters and self.adjusted_p <= SIGNIFICANCE else "steady"


@dataclass(frozen=True, slots=True)
class StratumRates:
    """A rate in one stratum: a diagnostic, never a gate."""

    name: str | None
    base: Share
    head: Share
    base_mix: Rate
    """The stratum's part of base's samples."""
    head_mix: Rate
    p: Rate | None
    """How likely as high a rate of head is by chance, adjusted for all strata (Holm).

    ``None`` if one side has no samples here: the stratum is not compared.
    """
    folded: Count = 0
    """How many strata it sums up, too small to be listed. 0: it is one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RateDrift(Shift):
    """Has a rate risen?"""

    base: Share
    head: Share
    compared_base: Share
    """Of the strata that both sides have; ``base`` is of all."""
    compared_head: Share
    standardised: Rate | None
    """Head's rate if its mix were that of ``compared_base``, to be held against the rate of that."""
    difference: Difference | None
    """How much higher head's rate is within the strata, on average (`rate_difference`): what has to matter."""
    bounds: Bounds | None
    """On ``difference``. ``None``, like the two above: no stratum is compared."""
    mix_shift: Rate | None
    """The part of head's samples that base's mix would have in other strata. ``None``: one side has no samples."""
    least_visible: Count | None
    """`least_visible` of the compared samples, as if in one stratum: with fewer events head cannot show a rise."""
    strata: Annotated[tuple[StratumRates, ...], ROWS]


@dataclass(frozen=True, slots=True)
class StratumRatios:
    """The ratios of one stratum: a diagnostic, never a gate. Medians are as exact as in `RatioDrift`."""

    name: str | None
    base_n: Count
    head_n: Count
    base_median: Quantity | None
    head_median: Quantity | None
    folded: Count = 0
    """As in `StratumRates`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RatioDrift(Shift):
    """Has output over prediction moved, up or down? Medians are read from bins: they are exact to about 0.5%."""

    base_n: Count
    head_n: Count
    base_median: Quantity | None
    head_median: Quantity | None
    shift: Quantity | None
    """By which factor head's ratios are higher within the strata: what has to matter. ``None``: none is compared."""
    bounds: Bounds | None
    """On ``shift``. ``None``: too few samples for any."""
    strata: Annotated[tuple[StratumRatios, ...], ROWS]


@dataclass(frozen=True, slots=True)
class Drift:
    """What all three tests say."""

    underestimation: RateDrift
    truncation: RateDrift
    ratio: RatioDrift


def summaries(samples: Samples, judged: Judged, labels: Labels, rows: Integers) -> dict[str | None, Summary]:
    """Sum up samples by category.

    Args:
        samples: all samples.
        judged: which of them count, as masks over ``samples``.
        labels: their categories, with one code for each of ``samples``.
        rows: indices into ``samples``: those that are summed up.

    Returns:
        The categories that occur in ``rows``; ``None`` is the name of the samples whose category is unknown.
    """
    codes, names = labels.category
    chosen = np.zeros(len(samples), dtype=np.bool_)
    chosen[rows] = True

    def bins(rows: Integers) -> npt.NDArray[np.int16]:
        return bins_of(samples.output_tokens[rows], samples.predicted_output_tokens[rows])

    found = present(counted(codes, chosen, len(names)))
    figures = (
        counted(codes, chosen & mask, len(names))[found].tolist()
        for mask in (judged.underestimated, judged.at_risk, judged.truncated, judged.attempts)
    )
    ratios = histograms(grouped(codes, chosen & judged.with_ratio, len(names), bins))
    named = [*names, None]  # the last is what `UNKNOWN`, -1, looks up
    return {
        named[code]: Summary(Share(under, at_risk), Share(cut, attempts), ratios[code])
        for code, under, at_risk, cut, attempts in zip(found.tolist(), *figures, strict=True)
    }


def drift(base: Mapping[str | None, Summary], head: Mapping[str | None, Summary]) -> Drift:
    """Compare ``head``, which sums up samples that are not in the baseline, with ``base``, by name of the stratum.

    ``None`` is the name of the samples that do not say. Strata that only one side has are listed, not compared. Those
    that are too small to be listed are compared as one.
    """
    nothing = Summary(Share(0, 0), Share(0, 0), LogRatios())
    names = sorted({*base, *head}, key=lambda name: (name is not None, name or ""))
    every = [((name, 0), base.get(name, nothing), head.get(name, nothing)) for name in names]
    pairs = list(_with_others(every))
    under = _rate_drift(
        [(name, old.underestimation, new.underestimation) for name, old, new in pairs], LEAST_RISE_OF_UNDERESTIMATION
    )
    cut = _rate_drift([(name, old.truncation, new.truncation) for name, old, new in pairs], LEAST_RISE_OF_TRUNCATION)
    ratio = _ratio_drift([(name, old.log_ratios, new.log_ratios) for name, old, new in pairs])
    p_values = (under.p, cut.p, ratio.p)
    adjusted = iter(holm([p for p in p_values if p is not None]))
    of_under, of_cut, of_ratio = (None if p is None else next(adjusted) for p in p_values)
    return Drift(
        replace(under, adjusted_p=of_under), replace(cut, adjusted_p=of_cut), replace(ratio, adjusted_p=of_ratio)
    )


def _rate_drift(strata: Sequence[tuple[_Key, Share, Share]], least_rise: Fraction) -> RateDrift:
    strata = [each for each in strata if each[1].n or each[2].n]
    rates = [(base, head) for _, base, head in strata if base.n and head.n]
    base, head = _total(base for _, base, _ in strata), _total(head for _, _, head in strata)
    compared_base, compared_head = _total(base for base, _ in rates), _total(head for _, head in rates)
    difference = rate_difference(rates)
    mixes = [(old.n / max(base.n, 1), new.n / max(head.n, 1)) for _, old, new in strata]
    p_values = iter(holm([rate_p([each]) for each in rates]))
    return RateDrift(
        p=rate_p(rates) if _can_judge(rates, compared_base, compared_head, least_rise) else None,
        matters=difference is not None and difference >= least_rise,
        base=base,
        head=head,
        compared_base=compared_base,
        compared_head=compared_head,
        standardised=sum(old.n * new.events / new.n for old, new in rates) / compared_base.n if rates else None,
        difference=None if difference is None else float(difference),
        bounds=rate_difference_bounds(rates),
        mix_shift=sum(abs(old - new) for old, new in mixes) / 2 if base.n and head.n else None,
        least_visible=least_visible(compared_base, compared_head.n) if rates else None,
        strata=tuple(
            StratumRates(name, old, new, *mix, next(p_values) if old.n and new.n else None, folded)
            for ((name, folded), old, new), mix in zip(strata, mixes, strict=True)
        ),
    )


def _can_judge(rates: Rates, base: Share, head: Share, least_rise: Fraction) -> bool:
    """Whether a rise that matters could be seen if there were one; where there is no room for any, there is none."""
    if min(base.n, head.n) < LEAST_SAMPLES:
        return False
    # The most extreme outcome is that all of head's samples are events: the last of all in `rate_p`.
    room = rate_difference([(old, Share(new.n, new.n)) for old, new in rates])
    log_chance = sum(
        lgamma(old.events + new.n + 1) + lgamma(old.n + 1) - lgamma(old.events + 1) - lgamma(old.n + new.n + 1)
        for old, new in rates
    )
    return (room is not None and room < least_rise) or exp(log_chance) / 2 <= SIGNIFICANCE


def _ratio_drift(strata: Sequence[tuple[_Key, LogRatios, LogRatios]]) -> RatioDrift:
    strata = [each for each in strata if each[1].counts or each[2].counts]
    ratios = [(base, head) for _, base, head in strata if base.counts and head.counts]
    base, head = _merged(base for _, base, _ in strata), _merged(head for _, _, head in strata)
    fewest = min(sum(each.n for each in side) for side in zip(*ratios, strict=True)) if ratios else 0
    moved, interval = shift(ratios) or (None, None)
    return RatioDrift(
        p=van_elteren(ratios)[1] if fewest >= LEAST_SAMPLES else None,
        matters=moved is not None and not 1 / LEAST_SHIFT < moved < LEAST_SHIFT,
        base_n=base.n,
        head_n=head.n,
        base_median=base.median,
        head_median=head.median,
        shift=moved,
        bounds=interval,
        strata=tuple(
            StratumRatios(name, old.n, new.n, old.median, new.median, folded) for (name, folded), old, new in strata
        ),
    )


def _with_others(pairs: Sequence[_Pair]) -> Iterator[_Pair]:
    """The largest ``pairs``, as many as are `listed`, in their order; then the sum of all others as one."""
    sizes = [
        max(old.underestimation.n + new.underestimation.n, old.truncation.n + new.truncation.n) for _, old, new in pairs
    ]
    largest = sorted(range(len(pairs)), key=lambda place: -sizes[place])
    kept = listed(pairs[place][0][0] or "" for place in largest)
    shown, others = set(largest[:kept]), [pairs[place] for place in largest[kept:]]
    yield from (pair for place, pair in enumerate(pairs) if place in shown)
    if others:
        old, new = (_sum(side) for side in list(zip(*others, strict=True))[1:])
        yield (None, len(others)), old, new


def _sum(parts: Sequence[Summary]) -> Summary:
    return Summary(
        _total(each.underestimation for each in parts),
        _total(each.truncation for each in parts),
        _merged(each.log_ratios for each in parts),
    )


def _total(shares: Iterable[Share]) -> Share:
    every = list(shares)
    return Share(sum(each.events for each in every), sum(each.n for each in every))


def _merged(parts: Iterable[LogRatios]) -> LogRatios:
    counts: Counter[int] = Counter()
    for part in parts:
        counts.update(dict(zip(part.bins, part.counts, strict=True)))
    return LogRatios(tuple(sorted(counts)), tuple(counts[bin_] for bin_ in sorted(counts)))
