"""What a count of events among samples proves about the true rate: exact one-sided binomial bounds.

Clopper and Pearson, Biometrika 26 (1934) 404-413. Of the usual bounds only these keep their promise for every rate and
sample size, which is what a certificate needs.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, inf, lgamma, log, log1p, sqrt
from statistics import NormalDist
from typing import TYPE_CHECKING, Annotated

from msgspec import Meta

from pytest_token_telemetry.analysis.number_ranges import Bound

if TYPE_CHECKING:
    from collections.abc import Sequence

CONFIDENCE = 0.95
"""Of each bound by itself."""

MOST_SAMPLES = 10**7
"""A plan for more samples than that is none."""

_LEAST_STEP = 1e-13
"""Part of a rate by which Newton's method may still move it."""

_BELOW = (1 / 8, 1 / 4, 1 / 2)
"""True rates that would prove the target, as shares of it."""

_ABOVE = (2, 3, 5)
"""True rates that would disprove it, as multiples."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """One-sided bounds on the true rate: each holds with ``confidence`` by itself."""

    confidence: Annotated[float, Meta(ge=0.5, le=1)]
    lower: Bound
    upper: Bound

    def __post_init__(self) -> None:
        if self.lower > self.upper:
            raise ValueError("lower is more than upper")


@dataclass(frozen=True, slots=True)
class Certainty:
    """How sure a proof must be."""

    confidence: float = CONFIDENCE
    """From 0.5 up to but not including 1."""
    sequential: bool = False
    """True if a proof must hold at every look at a file that grows, not just at one."""

    def proves_within(self, events: int, n: int, target: float) -> bool:
        """True if ``events`` among ``n`` samples prove that the true rate is at most ``target``."""
        if target <= 0.0 or n == 0:
            return False
        if target >= 1.0:
            return True
        if self.sequential:
            return log_evidence_within(events, n, target) >= -log(1.0 - self.confidence)
        return events < n * target and _at_most(events, n, target) <= 1.0 - self.confidence

    def proves_above(self, events: int, n: int, target: float) -> bool:
        """True if ``events`` among ``n`` samples prove that the true rate is above ``target``."""
        if events == 0 or target >= 1.0:
            return False
        if _is_nothing(target):
            return True  # it happened
        if self.sequential:
            return log_evidence_above(events, n, target) >= -log(1.0 - self.confidence)
        return events > n * target and _at_most(n - events, n, 1.0 - target) < 1.0 - self.confidence

    def samples_to_prove(self, events: int, target: float) -> int | None:
        """The least number of samples that, with ``events`` among them, prove a rate within ``target``.

        ``None`` if `MOST_SAMPLES` would not do: nothing proves a rate of 0.
        """
        if target <= 0.0:
            return None
        enough = max(events, 1)
        while not self.proves_within(events, enough, target):
            if enough >= MOST_SAMPLES:
                return None
            enough = min(enough * 2, MOST_SAMPLES)
        too_few = max(events, enough // 2) - 1
        while enough - too_few > 1:
            middle = (enough + too_few) // 2
            if self.proves_within(events, middle, target):
                enough = middle
            else:
                too_few = middle
        return enough

    def samples_to_prove_at_rate(self, events: int, n: int, target: float) -> int | None:
        """The least number, give or take an event, that proves it if events come at the rate of ``events`` in ``n``.

        ``None`` if that rate is not below ``target``, or so close to it that `MOST_SAMPLES` prove nothing.
        """
        if events == 0:
            return self.samples_to_prove(0, target)
        if target <= 0.0 or events >= n * target:
            return None

        def needed(expected: int) -> int | None:
            """The least number that proves it with ``expected`` events, if no more of them come by then."""
            samples = self.samples_to_prove(expected, target)
            return None if samples is None or samples * events > expected * n else samples

        too_few, enough = 0, 1
        while needed(enough) is None:
            too_few, enough = enough, enough * 2
            if enough * n > MOST_SAMPLES * events:
                return None
        while enough - too_few > 1:
            middle = (enough + too_few) // 2
            too_few, enough = (too_few, middle) if needed(middle) is not None else (middle, enough)
        return max(needed(enough) or 0, too_few * n // events + 1)


def p_value_above(events: int, n: int, target: float) -> float:
    """The probability of ``events`` or more among ``n`` if the true rate is ``target``, or 1 below it."""
    if events == 0 or events <= n * target:
        return 1.0
    return 0.0 if _is_nothing(target) else _at_most(n - events, n, 1.0 - target)


def log_evidence_within(events: int, n: int, target: float) -> float:
    """The logarithm of the evidence that the true rate is within ``target``; 0 is none.

    It may be looked at after every sample. An exact bound, right 95 times in 100 at one look, is wrong far more often
    at one of fifty; the average of likelihood ratios against fixed alternatives exceeds ``1 / alpha`` at *any* look
    with probability at most ``alpha`` (Ville's inequality), whatever decides when to stop.
    """
    return _log_mean_ratio(events, n, target, [share * target for share in _BELOW])


def log_evidence_above(events: int, n: int, target: float) -> float:
    """The logarithm of the evidence that the true rate is above ``target``; 0 is none."""
    return _log_mean_ratio(events, n, target, [multiple * target for multiple in _ABOVE])


def holm(p_values: Sequence[float]) -> list[float]:
    """``p_values`` adjusted so that taking all below 5% for real is wrong in at most 5% of all cases.

    Holm, Scandinavian Journal of Statistics 6 (1979) 65-70.
    """
    adjusted = [1.0] * len(p_values)
    largest = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted


def bounds(events: int, n: int, confidence: float = CONFIDENCE) -> Bounds:
    """The bounds that ``events`` among ``n`` independent samples give at one look.

    Args:
        events: from 0 to ``n``.
        n: at least 1.
        confidence: from 0.5 up to but not including 1.
    """
    return Bounds(confidence, 1.0 - _upper(n - events, n, confidence), _upper(events, n, confidence))


def wilson(rate: float, n: float, confidence: float = CONFIDENCE) -> Bounds:
    """Wilson's one-sided bounds on the true rate where ``rate`` was observed in ``n`` samples, which may be effective.

    Wilson, Journal of the American Statistical Association 22 (1927) 209-212. For intervals of a difference: a
    certificate wants the exact `bounds`.
    """
    z = NormalDist().inv_cdf(confidence)
    middle = rate + z * z / (2.0 * n)
    spread = z * sqrt(rate * (1.0 - rate) / n + z * z / (4.0 * n * n))
    scale = 1.0 + z * z / n
    # Rounding must not push a bound to the other side of the rate.
    return Bounds(
        confidence, max(0.0, min((middle - spread) / scale, rate)), min(1.0, max((middle + spread) / scale, rate))
    )


def _log_mean_ratio(events: int, n: int, target: float, rates: list[float]) -> float:
    """The logarithm of the mean likelihood ratio of ``rates`` against ``target``, which is above 0 and below 1."""
    terms = [
        events * log(rate / target) + (n - events) * (log1p(-rate) - log1p(-target)) for rate in rates if rate < 1.0
    ]
    if not terms:
        return -inf  # a target so high that no multiple of it is a rate
    largest = max(terms)
    return largest + log(sum(exp(term - largest) for term in terms) / len(terms))


def _is_nothing(target: float) -> bool:
    """True if ``target`` is 0, or so little above it that its complement is 1 in floating point."""
    return 1.0 - target >= 1.0


def _upper(events: int, n: int, confidence: float) -> float:
    """The rate at which ``events`` or fewer have probability ``1 - confidence``.

    By Newton's method on the logarithm of that probability, and by bisection where that leads away.
    """
    if events >= n:
        return 1.0
    low, high = events / n, 1.0
    rate = min(low + (2 * sqrt(events) + 3) / n, 0.5 * (low + high))
    while True:
        largest, total = _log_at_most(events, n, rate)
        excess = largest + log(total) - log(1.0 - confidence)
        low, high = (rate, high) if excess > 0 else (low, rate)
        following = rate + excess * total * (1.0 - rate) / (n - events)
        if not low < following < high:
            following = 0.5 * (low + high)
        if following in (low, high) or abs(following - rate) <= _LEAST_STEP * rate:
            return following
        rate = following


def _at_most(events: int, n: int, rate: float) -> float:
    """The probability of ``events`` or fewer among ``n``, for ``0 < rate < 1`` at or above ``events / n``."""
    largest, total = _log_at_most(events, n, rate)
    return exp(largest) * total


def _log_at_most(events: int, n: int, rate: float) -> tuple[float, float]:
    """The same, as the logarithm of one factor and another factor.

    The sum runs downwards from its largest term, relative to it, so that neither end underflows.
    """
    largest = (
        lgamma(n + 1) - lgamma(events + 1) - lgamma(n - events + 1) + events * log(rate) + (n - events) * log1p(-rate)
    )
    odds = (1.0 - rate) / rate
    term = total = 1.0
    for k in range(events, 0, -1):
        term *= k / (n - k + 1) * odds
        total += term
        if term < 1e-17 * total:
            break
    return largest, total
