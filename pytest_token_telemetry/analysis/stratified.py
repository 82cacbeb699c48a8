"""Two groups of samples compared within strata, exactly or by ranks.

Rates by the exact conditional test, ratios by van Elteren's; for both, how large the change is.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from fractions import Fraction
from functools import reduce
from math import erfc, exp, sqrt
from statistics import NormalDist
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from pytest_token_telemetry.analysis.evidence import CONFIDENCE, Bounds, wilson
from pytest_token_telemetry.analysis.metrics import Share

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy.typing as npt

    from pytest_token_telemetry.analysis.groups import Grouped
    from pytest_token_telemetry.samples import Floats, Integers, Narrow

    Rates: TypeAlias = Sequence[tuple[Share, Share]]
    Ratios: TypeAlias = Sequence[tuple["LogRatios", "LogRatios"]]
    Distribution: TypeAlias = tuple[int, Floats]

SIGNIFICANCE = 0.05
"""How often a test may see a change where there is none."""

BINS_PER_UNIT = 100
"""A bin is a hundredth of the natural logarithm wide, which tells ratios apart to one percent."""

LARGEST_BIN = 2100
"""Ratios beyond a billion, or a billionth, are kept as that."""


@dataclass(frozen=True, slots=True)
class LogRatios:
    """Output over prediction of many samples, as a histogram of their logarithms without its empty bins.

    The tests need only the order of the ratios, so this is all that a baseline must keep: a few hundred numbers,
    however many samples there are.
    """

    bins: tuple[int, ...] = ()
    """Those that are not empty, ascending, each once: the logarithm times `BINS_PER_UNIT`, rounded."""
    counts: tuple[int, ...] = ()
    """How many samples each of them holds, above 0."""

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
        return exp((self.bins[low] + self.bins[high]) / (2 * BINS_PER_UNIT))


def bins_of(output: Narrow | Floats, predicted: Narrow | Floats) -> npt.NDArray[np.int16]:
    """The bin of each sample.

    Args:
        output: output tokens, one entry for each sample, all above 0.
        predicted: predicted output tokens of the same samples, all above 0.
    """
    exact = np.clip(np.log(output / predicted) * BINS_PER_UNIT, -LARGEST_BIN, LARGEST_BIN)
    bins: npt.NDArray[np.int16] = np.rint(exact).astype(np.int16)
    return bins


def histograms(bins: Grouped[np.int16]) -> list[LogRatios]:
    """Count the samples of each bin.

    Args:
        bins: `bins_of` the samples, grouped by a code.

    Returns:
        One histogram for each code, and one more, the last, for `UNKNOWN`; empty where no sample has the code.
    """
    differs = np.concatenate(([True], bins.values[1:] != bins.values[:-1]))[: len(bins.values)]
    differs[bins.starts[bins.counts > 0]] = True
    firsts = np.flatnonzero(differs)
    counts = np.diff(firsts, append=len(differs)).tolist()
    values = bins.values[firsts].tolist()
    begins = np.searchsorted(firsts, bins.starts).tolist()
    ends = np.searchsorted(firsts, bins.starts + bins.counts).tolist()
    return [
        LogRatios(tuple(values[begin:end]), tuple(counts[begin:end])) for begin, end in zip(begins, ends, strict=True)
    ]


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
    """The factor between head's ratios and base's within the strata, to half a bin, and one-sided bounds on it.

    Hodges and Lehmann, Annals of Mathematical Statistics 34 (1963) 598-611: divided by this factor, head's ratios are
    as often above base's as below, weighted as in `van_elteren`; divided by a bound, just not significantly more often.
    ``None`` without strata, and for the bounds if no factor would be significant.
    """
    if not ratios:
        return None
    compared = _Pairs(ratios)
    every, differences = float(compared.weights @ compared.number), compared.differences()

    def within(bins: int) -> float:
        return float(compared.weights @ compared.within(bins))

    def inner(outer: float) -> tuple[int, int]:
        """The differences that leave pairs of the weight ``outer`` below and above them, give or take rounding."""
        low = bisect_left(differences, outer * (1 - 1e-12), key=within)
        high = bisect_right(differences, (every - outer) * (1 + 1e-12), key=within)
        return differences[low], differences[high]

    middle = exp(sum(inner(every / 2)) / (2 * BINS_PER_UNIT))
    insignificant = every / 2 - NormalDist().inv_cdf(confidence) * sqrt(compared.variance_without_ties)
    if insignificant <= 1e-9 * every:
        return middle, None
    low, high = inner(insignificant)
    return middle, Bounds(confidence, exp(low / BINS_PER_UNIT), exp(high / BINS_PER_UNIT))


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
            (np.array(base.bins), np.cumsum([0, *base.counts]), np.array(head.bins), np.array(head.counts))
            for base, head in ratios
        ]

    def within(self, bins: int) -> Integers:
        """How many pairs of each stratum have a head at most ``bins`` above the base."""
        return np.array(
            [
                counts @ (reached[-1] - reached[np.searchsorted(base, head - bins)])
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
    _, bins = np.unique([*base.bins, *head.bins], return_inverse=True)
    together = np.bincount(bins, [*base.counts, *head.counts])
    return float((together**3 - together).sum()) / (n**3 - n)


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
