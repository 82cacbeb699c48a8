"""What a count of events among samples proves about the true rate: exact one-sided binomial bounds.

Clopper and Pearson, Biometrika 26 (1934) 404-413. Of the usual bounds only these keep their promise for every rate and
sample size, which is what a certificate needs.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, lgamma, log, log1p

CONFIDENCE = 0.95
"""Of each bound by itself."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """One-sided bounds on the true rate: each holds with ``confidence`` by itself."""

    confidence: float
    lower: float
    upper: float


def bounds(events: int, n: int, confidence: float = CONFIDENCE) -> Bounds:
    """The bounds that ``events`` among ``n`` independent samples give.

    Args:
        events: from 0 to ``n``.
        n: at least 1.
        confidence: from 0.5 up to but not including 1.
    """
    return Bounds(confidence, 1.0 - _upper(n - events, n, confidence), _upper(events, n, confidence))


def samples_to_prove(events: int, target: float, confidence: float = CONFIDENCE) -> int | None:
    """The least number of samples, with ``events`` among them, whose upper bound is within ``target``.

    ``None`` if no number would do: nothing proves a rate of 0.
    """
    if target <= 0.0:
        return None
    enough = max(events, 1)
    if target >= 1.0:
        return enough
    while not _proves(events, enough, target, confidence):
        enough *= 2
    too_few = enough // 2
    while enough - too_few > 1:
        middle = (enough + too_few) // 2
        if middle >= events and _proves(events, middle, target, confidence):
            enough = middle
        else:
            too_few = middle
    return enough


def _proves(events: int, n: int, rate: float, confidence: float) -> bool:
    return events < n * rate and _at_most(events, n, rate) <= 1.0 - confidence


def _upper(events: int, n: int, confidence: float) -> float:
    """The rate at which ``events`` or fewer have probability ``1 - confidence``, by bisection."""
    if events >= n:
        return 1.0
    low, high = events / n, 1.0
    while (middle := 0.5 * (low + high)) not in (low, high):
        if _at_most(events, n, middle) > 1.0 - confidence:
            low = middle
        else:
            high = middle
    return high


def _at_most(events: int, n: int, rate: float) -> float:
    """The probability of ``events`` or fewer among ``n``, for ``0 < rate < 1`` at or above ``events / n``.

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
    return exp(largest) * total
