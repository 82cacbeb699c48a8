"""How often the drift checks see drift that is there, and drift that is not: a seeded simulation.

Output over prediction is lognormal (sigma 0.6) with its median where 5% of the calls are underestimated; 1% are cut
off. A shift multiplies the ratios, and cuts off more calls. Beside each figure stands that of the same rule in the
research it was taken from, whose set-up is not told whole. Run ``python benchmarks/drift.py``: it ends with an error if
more than 5% of the comparisons without a shift see drift, beyond the noise of the simulation.
"""

from __future__ import annotations

import sys
from math import exp, sqrt
from statistics import NormalDist

import numpy as np

from pytest_token_telemetry.analysis.drift import Summary, drift
from pytest_token_telemetry.analysis.metrics import Share
from pytest_token_telemetry.analysis.stratified import SIGNIFICANCE, LogRatios, bins_of

SIGMA = 0.6
MEDIAN = exp(-NormalDist().inv_cdf(0.95) * SIGMA)
PREDICTED = 100_000
TRIALS = 600
CUT_OFF = {1.0: 0.01, 1.25: 0.015, 1.5: 0.03, 2.0: 0.06}
"""The truncation rate that goes with each shift."""
PUBLISHED = {(20, 20): (None, 8, 36, 86), (50, 50): (None, 32, 84, 100), (200, 100): (None, 75, 100, 100)}
"""Detected in percent; without a shift, 1.5 to 3.0 in all."""


def summary(chance: np.random.Generator, calls: int, shift: float) -> Summary:
    """What ``calls`` simulated calls come to."""
    ratios = MEDIAN * shift * np.exp(SIGMA * chance.standard_normal(calls))
    cut = chance.random(calls) < CUT_OFF[shift]
    output = np.maximum(np.rint(ratios * PREDICTED), 1).astype(np.int64)
    under = int(np.count_nonzero(cut | (output > PREDICTED)))
    predicted = np.full(calls, PREDICTED, dtype=np.int64)
    bins, counts = np.unique(bins_of(output, predicted), return_counts=True)
    histogram = LogRatios(tuple(bins.tolist()), tuple(counts.tolist()))
    return Summary(Share(under, calls), Share(int(np.count_nonzero(cut)), calls), histogram)


def detected(chance: np.random.Generator, base: int, head: int, shift: float) -> float:
    """In what share of the trials one of the checks sees drift."""
    seen = 0
    for _ in range(TRIALS):
        found = drift({"docs": summary(chance, base, 1.0)}, {"docs": summary(chance, head, shift)})
        seen += "drift" in (found.underestimation.outcome, found.truncation.outcome, found.ratio.outcome)
    return seen / TRIALS


def main() -> int:
    """Print the table: 1 if there are too many false alarms."""
    chance = np.random.default_rng(20_260_123)
    noise = 3 * sqrt(SIGNIFICANCE * (1 - SIGNIFICANCE) / TRIALS)
    alarmed = False
    print("  base/head   " + "".join(f"{f'x {shift}':>16}" for shift in CUT_OFF))
    for (base, head), published in PUBLISHED.items():
        shares = [detected(chance, base, head, shift) for shift in CUT_OFF]
        alarmed = alarmed or shares[0] > SIGNIFICANCE + noise
        cells = (
            f"{share:.1%} ({other})" if other else f"{share:.1%}"
            for share, other in zip(shares, published, strict=True)
        )
        print(f"{base:>6}/{head:<6} " + "".join(f"{cell:>16}" for cell in cells))
    return int(alarmed)


if __name__ == "__main__":
    sys.exit(main())
