"""Evidence that may be looked at after every sample: averaged likelihood ratios, valid at all looks together.

A bound that is right 95 times in 100 at one look is wrong far more often at one of fifty. The average of likelihood
ratios against fixed alternatives exceeds ``1 / alpha`` at *any* look with probability at most ``alpha`` (Ville's
inequality), whatever decides when to stop.
"""

from __future__ import annotations

from math import exp, inf, log, log1p

_BELOW = (1 / 8, 1 / 4, 1 / 2)
"""True rates that would prove the target, as shares of it."""

_ABOVE = (2, 3, 5)
"""True rates that would disprove it, as multiples."""


def log_evidence_within(events: int, n: int, target: float) -> float:
    """The logarithm of the evidence that the true rate is within ``target``; 0 is none."""
    return _log_mean_ratio(events, n, target, [share * target for share in _BELOW])


def log_evidence_above(events: int, n: int, target: float) -> float:
    """The logarithm of the evidence that the true rate is above ``target``; 0 is none."""
    return _log_mean_ratio(events, n, target, [multiple * target for multiple in _ABOVE])


def _log_mean_ratio(events: int, n: int, target: float, rates: list[float]) -> float:
    """The logarithm of the mean likelihood ratio of ``rates`` against ``target``, which is above 0 and below 1."""
    terms = [
        events * log(rate / target) + (n - events) * (log1p(-rate) - log1p(-target)) for rate in rates if rate < 1.0
    ]
    if not terms:
        return -inf  # a target so high that no multiple of it is a rate
    largest = max(terms)
    return largest + log(sum(exp(term - largest) for term in terms) / len(terms))
