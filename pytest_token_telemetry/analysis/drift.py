"""Have the calls changed since the baseline? New samples against what a baseline keeps of the old ones, by stratum.

All tests compare within strata, because a rate over all of them moves with the mix of work even if nothing got worse
(Simpson's paradox). A change is drift only if chance does not explain it *and* it is large enough to matter, and too
few samples are never called steady.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import reduce
from math import erfc, exp, sqrt
from statistics import NormalDist
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from pytest_token_telemetry.analysis.evidence import CONFIDENCE, Bounds, holm
from pytest_token_telemetry.analysis.metrics import Share
from pytest_token_telemetry.analysis.paired import wilson

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pytest_token_telemetry.columns import Floats, Integers

    Rates: TypeAlias = Sequence[tuple[Share, Share]]
    Ratios: TypeAlias = Sequence[tuple["LogRatios", "LogRatios"]]
    Distribution: TypeAlias = tuple[int, Floats]

Outcome = Literal["drift", "steady", "too-few"]

SIGNIFICANCE = 0.05
"""How often at most any of the three tests may see drift where there is none."""

LEAST_SAMPLES = 20
"""On each side, for a test to say anything."""

LEAST_RISE_OF_UNDERESTIMATION = Fraction(2, 100)
LEAST_RISE_OF_TRUNCATION = Fraction(1, 100)
LEAST_SHIFT = 1.1
"""What matters: a rate that rose by as much, ratios that grew or shrank by this factor."""

TICKS = 100
"""Logarithms are kept in hundredths, which tells ratios apart to one percent."""

LARGEST_TICK = 2100
"""Ratios beyond a billion, or a billionth, are kept as that."""


@dataclass(frozen=True, slots=True)
class LogRatios:
    """Output over prediction of many samples, as a histogram of their logarithms without its empty bars.

    The tests need only the order of the ratios, so this is all that a baseline must keep: a few hundred numbers,
    however many samples there are.
    """

    ticks: tuple[int, ...] = ()
    """Where there are samples, ascending, each tick once."""
    counts: tuple[int, ...] = ()
    """How many, each above 0."""

    @property
    def n(self) -> int:
        """The number of samples."""
        return sum(self.counts)

    @property
    def median(self) -> float | None:
        """The ratio in the middle. ``None`` without samples."""
        if not self.counts:
            return None
        low, high = np.searchsorted(np.cumsum(self.counts), [(self.n + 1) // 2, self.n // 2 + 1])
        return exp((self.ticks[low] + self.ticks[high]) / (2 * TICKS))


@dataclass(frozen=True, slots=True)
class Summary:
    """One stratum of one side: what a baseline keeps of it, and what new samples come down to."""

    underestimation: Share
    truncation: Share
    log_ratios: LogRatios


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one of the tests says."""

    p: float | None
    """How likely as much change is by chance. ``None``: there are too few samples to see any."""
    adjusted_p: float | None = None
    """The same, adjusted for the other tests (Holm)."""
    matters: bool
    """True if the change is as large as it has to be to matter."""

    @property
    def outcome(self) -> Outcome:
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
    base_mix: float
    """The stratum's part of base's samples."""
    head_mix: float
    p: float | None
    """How likely as high a rate of head is by chance, adjusted for all strata (Holm).

    ``None`` if one side has no samples here: the stratum is not compared.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class RateDrift(Finding):
    """Has a rate risen?"""

    base: Share
    head: Share
    compared_base: Share
    """Of the strata that both sides have; ``base`` is of all."""
    compared_head: Share
    standardised: float | None
    """Head's rate if its mix were that of ``compared_base``, to be held against the rate of that."""
    difference: float | None
    """How much higher head's rate is within the strata, on average (`rate_difference`): what has to matter."""
    bounds: Bounds | None
    """On ``difference``. ``None``, like the two above: no stratum is compared."""
    mix_shift: float | None
    """The part of head's samples that base's mix would have in other strata. ``None``: one side has no samples."""
    least_visible: int | None
    """`least_visible` of the compared samples, as if in one stratum: with fewer events head cannot show a rise."""
    strata: tuple[StratumRates, ...]


@dataclass(frozen=True, slots=True)
class StratumRatios:
    """The ratios of one stratum: a diagnostic, never a gate."""

    name: str | None
    base_n: int
    head_n: int
    base_median: float | None
    head_median: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RatioDrift(Finding):
    """Has output over prediction moved, up or down?"""

    base_n: int
    head_n: int
    base_median: float | None
    head_median: float | None
    shift: float | None
    """By which factor head's ratios are higher within the strata: what has to matter. ``None``: none is compared."""
    bounds: Bounds | None
    """On ``shift``. ``None``: too few samples for any."""
    strata: tuple[StratumRatios, ...]


@dataclass(frozen=True, slots=True)
class Drift:
    """What all three tests say."""

    underestimation: RateDrift
    truncation: RateDrift
    ratio: RatioDrift


def drift(base: Mapping[str | None, Summary], head: Mapping[str | None, Summary]) -> Drift:
    """Compare ``head``, which sums up samples that are not in the baseline, with ``base``, by name of the stratum.

    ``None`` is the name of the samples that do not say. Strata that only one side has are listed, not compared.
    """
    nothing = Summary(Share(0, 0), Share(0, 0), LogRatios())
    names = sorted({*base, *head}, key=lambda name: (name is not None, name or ""))
    pairs = [(name, base.get(name, nothing), head.get(name, nothing)) for name in names]
    under = _rate_drift(
        [(name, old.underestimation, new.underestimation) for name, old, new in pairs], LEAST_RISE_OF_UNDERESTIMATION
    )
    cut = _rate_drift([(name, old.truncation, new.truncation) for name, old, new in pairs], LEAST_RISE_OF_TRUNCATION)
    ratio = _ratio_drift([(name, old.log_ratios, new.log_ratios) for name, old, new in pairs])
    judged = [test for test, finding in enumerate((under, cut, ratio)) if finding.p is not None]
    adjusted = dict(zip(judged, holm([p for p in (under.p, cut.p, ratio.p) if p is not None]), strict=True))
    return Drift(
        replace(under, adjusted_p=adjusted.get(0)),
        replace(cut, adjusted_p=adjusted.get(1)),
        replace(ratio, adjusted_p=adjusted.get(2)),
    )


def log_ratios(output: Integers, predicted: Integers | Floats) -> LogRatios:
    """The histogram of samples whose output and prediction are above 0, one entry each."""
    exact = np.clip(np.log(output / predicted) * TICKS, -LARGEST_TICK, LARGEST_TICK)
    ticks, counts = np.unique(np.rint(exact).astype(np.int64), return_counts=True)
    return LogRatios(tuple(ticks.tolist()), tuple(counts.tolist()))


def rate_p(rates: Rates) -> float:
    """The one-sided, exact mid-p value that head's rate has not risen in any stratum.

    Given how many events a stratum has on both sides together, chance makes head's part of them hypergeometric
    (Zelen, Biometrika 58 (1971) 129-137). The value is the probability that head's parts add up to more than they do,
    and half of that they add up to as much. With one stratum it is that of Fisher's test. Subtracted from 1 it is the
    value that the rate has not fallen; twice the smaller of both is two-sided.

    Args:
        rates: base and head of each stratum, both with samples.
    """
    lowest, probability = _head_events(rates)
    seen = sum(head.events for _, head in rates) - lowest
    tail = float(probability[max(seen + 1, 0) :].sum())
    return min(1.0, tail + float(probability[seen]) / 2 if 0 <= seen < len(probability) else tail)


def least_visible(base: Share, head_n: int) -> int | None:
    """The least number of events among ``head_n`` samples that `rate_p` takes for a rise, in one stratum.

    ``None`` if it takes none for one.
    """
    events = bisect_left(
        range(head_n + 1), True, key=lambda events: rate_p([(base, Share(events, head_n))]) <= SIGNIFICANCE
    )
    return events if events <= head_n else None


def rate_difference(rates: Rates) -> Fraction | None:
    """By how much head's rate is higher within the strata, on average, exactly; ``None`` without strata.

    Mantel and Haenszel's common difference: it is above 0 if and only if head has more events than `rate_p` expects.
    """
    weights = sum(Fraction(base.n * head.n, base.n + head.n) for base, head in rates)
    excess = sum(Fraction(head.events * base.n - base.events * head.n, base.n + head.n) for base, head in rates)
    return excess / weights if weights else None


def rate_difference_bounds(rates: Rates, confidence: float = CONFIDENCE) -> Bounds | None:
    """One-sided bounds on `rate_difference`; ``None`` without strata.

    Newcombe, Statistics in Medicine 17 (1998) 873-890, method 10: Wilson's bounds on both rates, combined. With several
    strata as Yan and Su, Statistics in Biopharmaceutical Research 2 (2010) 329-335, have it: of the weighted rates,
    here at the size of a single sample with their variance.
    """
    if not rates:
        return None
    weights = np.array([base.n * head.n / (base.n + head.n) for base, head in rates])
    weights /= weights.sum()

    def weighted(shares: Iterable[Share]) -> tuple[float, Bounds]:
        events, n = np.array([(share.events, share.n) for share in shares], dtype=np.float64).T
        rate = min(float(weights @ (events / n)), 1.0)
        return rate, wilson(rate, float(1 / (weights**2 / n).sum()), confidence)

    old, of_old = weighted(base for base, _ in rates)
    new, of_new = weighted(head for _, head in rates)
    return Bounds(
        confidence,
        new - old - sqrt((new - of_new.lower) ** 2 + (of_old.upper - old) ** 2),
        new - old + sqrt((of_new.upper - new) ** 2 + (old - of_old.lower) ** 2),
    )


def van_elteren(ratios: Ratios) -> tuple[float, float]:
    """The statistic, above 0 if head's ratios are higher, and the two-sided p value that they are not different.

    Van Elteren, Bulletin of the International Statistical Institute 37 (1960) 351-361: Wilcoxon's rank sum test in each
    stratum, weighted with 1 / (n + 1); normal approximation, corrected for ties.
    """
    compared = _Pairs(ratios)
    if compared.variance <= 0:
        return 0.0, 1.0  # within each stratum all ratios are the same
    higher = compared.number - (compared.within(0) + compared.within(-1)) / 2
    z = float(compared.weights @ (higher - compared.number / 2)) / sqrt(compared.variance)
    return z, erfc(abs(z) / sqrt(2))


def shift(ratios: Ratios, confidence: float = CONFIDENCE) -> tuple[float, Bounds | None] | None:
    """The factor between head's ratios and base's within the strata, to half a tick, and one-sided bounds on it.

    Hodges and Lehmann, Annals of Mathematical Statistics 34 (1963) 598-611: divided by this factor, head's ratios are
    as often above base's as below, weighted as in `van_elteren`; divided by a bound, just not significantly more often.
    ``None`` without strata, and for the bounds if no factor would be significant.
    """
    if not ratios:
        return None
    compared = _Pairs(ratios)
    every, differences = float(compared.weights @ compared.number), compared.differences()

    def within(ticks: int) -> float:
        return float(compared.weights @ compared.within(ticks))

    def inner(outer: float) -> tuple[int, int]:
        """The differences that leave pairs of the weight ``outer`` below and above them, give or take rounding."""
        low = bisect_left(differences, outer * (1 - 1e-12), key=within)
        high = bisect_right(differences, (every - outer) * (1 + 1e-12), key=within)
        return differences[low], differences[high]

    middle = exp(sum(inner(every / 2)) / (2 * TICKS))
    insignificant = every / 2 - NormalDist().inv_cdf(confidence) * sqrt(compared.variance_without_ties)
    if insignificant <= 1e-9 * every:
        return middle, None
    low, high = inner(insignificant)
    return middle, Bounds(confidence, exp(low / TICKS), exp(high / TICKS))


class _Pairs:
    """All pairs of a ratio of base's and one of head's in the same stratum."""

    def __init__(self, ratios: Ratios) -> None:
        self.weights = np.array([1 / (base.n + head.n + 1) for base, head in ratios])
        """Of a pair in each stratum, in van Elteren's test."""
        self.number = np.array([base.n * head.n for base, head in ratios])
        """In each stratum."""
        without_ties = self.weights * self.number / 12
        self.variance_without_ties = float(without_ties.sum())
        self.variance = float(without_ties @ np.array([1 - _tied(*each) for each in ratios]))
        """Of half the weighted difference between the pairs with the higher head and those with the higher base."""
        self._strata = [
            (np.array(base.ticks), np.cumsum([0, *base.counts]), np.array(head.ticks), np.array(head.counts))
            for base, head in ratios
        ]

    def within(self, ticks: int) -> Integers:
        """How many pairs of each stratum have a head at most ``ticks`` above the base."""
        return np.array(
            [
                counts @ (reached[-1] - reached[np.searchsorted(base, head - ticks)])
                for base, reached, head, counts in self._strata
            ]
        )

    def differences(self) -> range:
        """All that a head can be above a base."""
        lowest = min(int(head[0] - base[-1]) for base, _, head, _ in self._strata)
        highest = max(int(head[-1] - base[0]) for base, _, head, _ in self._strata)
        return range(lowest, highest + 1)


def _tied(base: LogRatios, head: LogRatios) -> float:
    """The part of the variance of the ranks that ties take away; 1 if all ratios are the same."""
    n = base.n + head.n
    _, ticks = np.unique([*base.ticks, *head.ticks], return_inverse=True)
    together = np.bincount(ticks, [*base.counts, *head.counts])
    return float((together**3 - together).sum()) / (n**3 - n)


def _rate_drift(strata: Sequence[tuple[str | None, Share, Share]], least_rise: Fraction) -> RateDrift:
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
            StratumRates(name, old, new, *mix, next(p_values) if old.n and new.n else None)
            for (name, old, new), mix in zip(strata, mixes, strict=True)
        ),
    )


def _can_judge(rates: Rates, base: Share, head: Share, least_rise: Fraction) -> bool:
    """Whether a rise that matters could be seen if there were one; where there is no room for any, there is none."""
    if min(base.n, head.n) < LEAST_SAMPLES:
        return False
    largest = [(old, Share(new.n, new.n)) for old, new in rates]
    return (rate_difference(largest) or 0) < least_rise or rate_p(largest) <= SIGNIFICANCE


def _ratio_drift(strata: Sequence[tuple[str | None, LogRatios, LogRatios]]) -> RatioDrift:
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
        strata=tuple(StratumRatios(name, old.n, new.n, old.median, new.median) for name, old, new in strata),
    )


def _total(shares: Iterable[Share]) -> Share:
    every = list(shares)
    return Share(sum(each.events for each in every), sum(each.n for each in every))


def _merged(parts: Iterable[LogRatios]) -> LogRatios:
    counts: Counter[int] = Counter()
    for part in parts:
        counts.update(dict(zip(part.ticks, part.counts, strict=True)))
    return LogRatios(tuple(sorted(counts)), tuple(counts[tick] for tick in sorted(counts)))


def _head_events(rates: Rates) -> Distribution:
    """How many of all events are head's by chance: the least number of them, and the probabilities from there on.

    The sum of independent hypergeometric counts by convolution, two and two, so that none of the factors is long.
    """
    parts = [(0, np.ones(1)), *(_hypergeometric(base, head) for base, head in sorted(rates, key=_as_counts))]
    while len(parts) > 1:
        parts = [reduce(_convolved, parts[at : at + 2]) for at in range(0, len(parts), 2)]
    return parts[0]


def _hypergeometric(base: Share, head: Share) -> Distribution:
    """How many of one stratum's events are head's by chance.

    From the likeliest number outwards, relative to its probability: nothing overflows, and what underflows is nothing.
    """
    events, others = base.events + head.events, base.n + head.n - base.events - head.events
    lowest, highest = max(0, head.n - others), min(events, head.n)
    likeliest = (head.n + 1) * (events + 1) // (base.n + head.n + 2)
    up = np.arange(likeliest, highest, dtype=np.float64)
    down = np.arange(likeliest, lowest, -1, dtype=np.float64)
    above = np.cumprod((events - up) * (head.n - up) / ((up + 1) * (others - head.n + up + 1)))
    below = np.cumprod(down * (others - head.n + down) / ((events - down + 1) * (head.n - down + 1)))
    return _normalised(lowest, np.concatenate([below[::-1], [1.0], above]))


def _convolved(one: Distribution, other: Distribution) -> Distribution:
    return _normalised(one[0] + other[0], np.convolve(one[1], other[1]))


def _normalised(lowest: int, weights: Floats) -> Distribution:
    """Weights as probabilities, without the numbers at both ends whose probability underflowed."""
    possible = np.flatnonzero(weights)
    first, last = int(possible[0]), int(possible[-1])
    return lowest + first, weights[first : last + 1] / weights.sum()


def _as_counts(rates: tuple[Share, Share]) -> tuple[int, ...]:
    """An order that does not depend on that of the strata, so that the probabilities do not either, to the last bit."""
    base, head = rates
    return min(base.events + head.events, head.n), base.events, base.n, head.events, head.n
