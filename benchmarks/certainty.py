"""Does the evidence keep its promises? A seeded simulation: ``python benchmarks/certainty.py``, about half a minute.

It prints the tables of ``docs/certainty.md`` and ends with an error if a promise is broken:

- certified checks pass an estimator that truly underestimates 5.1% of its calls in at most 5% of all runs, and so do
  sequential ones over fifty looks at a file that grows;
- the advised multipliers meet 5% on fresh calls in every category, while the median ratio meets it in none.
"""

from __future__ import annotations

import argparse
import sys
from fractions import Fraction
from math import log
from statistics import NormalDist

import numpy as np
from tabulate import tabulate

from pytest_token_telemetry.analysis.evidence import Certainty
from pytest_token_telemetry.analysis.populations import judged
from pytest_token_telemetry.analysis.strata import labels
from pytest_token_telemetry.analysis.tuning import tune
from pytest_token_telemetry.sample import Sample
from pytest_token_telemetry.samples import columns_of

SEED = 20261123
TARGET = 0.05
TOO_HIGH = 0.051
LOOKS = 50
CATEGORIES = {"implementation": (0.5, 0.43, 0.9), "tests": (0.3, 0.60, 0.5), "docs": (0.2, 1.80, 0.8)}
"""Of each category: its share of the calls, and the median and log-sigma of actual / predicted (lognormal)."""


def wrong_passes(random: np.random.Generator, runs: int) -> list[tuple[int, float, float]]:
    """For some sample sizes: how often the point gate and the certified check pass a rate that is too high."""
    certainty = Certainty(0.95)
    rows = []
    for n in (60, 100, 200, 400):
        events = random.binomial(n, TOO_HIGH, size=runs)
        certified = [certainty.proves_within(k, n, TARGET) for k in range(n + 1)]
        rows.append((n, float(np.mean(events <= n * TARGET)), float(np.mean(np.take(certified, events)))))
    return rows


def wrong_passes_when_looking(random: np.random.Generator, runs: int) -> tuple[float, float]:
    """How often a check passes at one of fifty looks, ten samples apart: certified at each look, and sequential."""
    sizes = range(20, 20 + 10 * LOOKS, 10)
    steps = np.array([20, *[10] * (LOOKS - 1)])
    events = np.cumsum(random.binomial(steps, TOO_HIGH, size=(runs, LOOKS)), axis=1)
    rates = []
    for certainty in (Certainty(0.95), Certainty(0.95, sequential=True)):
        passed = np.zeros(runs, dtype=np.bool_)
        for look, n in enumerate(sizes):
            proves = [certainty.proves_within(k, n, TARGET) for k in range(int(events[:, look].max()) + 1)]
            passed |= np.take(proves, events[:, look])
        rates.append(float(np.mean(passed)))
    return rates[0], rates[1]


def tuned(random: np.random.Generator, runs: int, n: int) -> dict[str, tuple[float, float, float]]:
    """The mean true underestimation rate of each category: before, by the median ratio, and by the advice."""
    rates: dict[str, list[tuple[float, float, float]]] = {name: [] for name in CATEGORIES}
    for _ in range(runs):
        samples, ratios = _calls(random, n)
        population = judged(samples, "risk", Fraction(1))
        advice = tune(samples, population, labels(samples, {}), under_multiplier=Fraction(1), max_waste_p90=Fraction(3))
        for each in advice.categories:
            if each.name is not None and each.multiplier is not None:
                median = float(np.median(ratios[each.name]))
                rates[each.name].append(
                    (_exceeding(each.name, 1.0), _exceeding(each.name, median), _exceeding(each.name, each.multiplier))
                )
    return {name: tuple(np.mean(found, axis=0).tolist()) for name, found in rates.items()}


def _calls(random: np.random.Generator, n: int) -> tuple[object, dict[str, np.ndarray]]:
    names = list(CATEGORIES)
    chosen = random.choice(len(names), size=n, p=[share for share, _, _ in CATEGORIES.values()])
    predicted = random.integers(500, 20_000, size=n)
    outputs = [
        round(prediction * float(random.lognormal(log(CATEGORIES[names[i]][1]), CATEGORIES[names[i]][2])))
        for i, prediction in zip(chosen.tolist(), predicted.tolist(), strict=True)
    ]
    calls = [
        Sample(
            predicted_output_tokens=prediction,
            output_tokens=max(output, 1),
            truncated=False,
            success=True,
            category=names[i],
        )
        for i, prediction, output in zip(chosen.tolist(), predicted.tolist(), outputs, strict=True)
    ]
    ratios = {
        name: np.array([call.output_tokens / call.predicted_output_tokens for call in calls if call.category == name])
        for name in names
    }
    return columns_of(calls), ratios


def _exceeding(category: str, multiplier: float) -> float:
    """The true share of fresh calls whose output exceeds ``multiplier`` times their prediction."""
    _, median, sigma = CATEGORIES[category]
    return 1.0 - NormalDist(log(median), sigma).cdf(log(multiplier))


def main() -> int:
    """Print the tables, and return 1 if a promise is broken."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=20_000, help="simulated gates (default 20,000)")
    runs = parser.parse_args().runs
    random = np.random.default_rng(SEED)
    table = {"tablefmt": "github", "disable_numparse": True, "colalign": ("left", "right", "right")}

    gates = wrong_passes(random, runs)
    looks = wrong_passes_when_looking(random, runs // 10)
    print(f"An estimator that truly underestimates {TOO_HIGH:.1%} of its calls, at a target of {TARGET:.0%}, passes:\n")
    rows = [(f"one gate, n = {n}", f"{point:.1%}", f"{certified:.1%}") for n, point, certified in gates]
    print(tabulate(rows, ("", "by its rate", "certified (95%)"), **table))
    print()
    rows = [(f"at one of {LOOKS} looks, n = 20 to 510", f"{looks[0]:.1%}", f"{looks[1]:.1%}")]
    print(tabulate(rows, ("", "certified at each look", "sequential"), **table))

    n = 300
    rates = tuned(random, max(runs // 100, 20), n)
    print(f"\nUnderestimation of fresh calls, tuned on {n} calls with a target of 5%:\n")
    rows = [(name, *(f"{rate:.1%}" for rate in found)) for name, found in rates.items()]
    header = ("category", "before", "median ratio", "advised multiplier")
    print(tabulate(rows, header, tablefmt="github", disable_numparse=True, colalign=("left", *["right"] * 3)))

    noise = 2.0 / (runs // 10) ** 0.5 * TARGET**0.5
    broken = [
        *(f"certified passes {rate:.1%} at n = {n}" for n, _, rate in gates if rate > TARGET),
        *([f"sequential passes {looks[1]:.1%}"] if looks[1] > TARGET + noise else []),
        *(f"the advice leaves {found[2]:.1%} in {name}" for name, found in rates.items() if found[2] > TARGET),
        *(f"the median ratio leaves {found[1]:.1%} in {name}" for name, found in rates.items() if found[1] <= TARGET),
    ]
    for promise in broken:
        print(f"BROKEN: {promise}", file=sys.stderr)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
