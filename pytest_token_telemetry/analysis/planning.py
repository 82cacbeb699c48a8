"""What is missing for readiness, as runs to schedule."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_token_telemetry.analysis.readiness import Coverage, Readiness


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """Kind of work that ``count`` more successful samples should come from. ``None``: any."""

    count: int
    category: str | None
    complexity: str | None
    deliverables: str | None


@dataclass(frozen=True, slots=True)
class Thinnest:
    """The required values that occur least, with their number of successful samples."""

    category: tuple[str, int] | None
    complexity: tuple[str, int] | None
    deliverables: tuple[str, int] | None


def planned_runs(readiness: Readiness, min_samples: int) -> tuple[PlannedRun, ...]:
    """The fewest successful samples that make the data ready, each as useful as can be.

    Runs go to the missing categories, complexities and buckets, then to the required ones with the least evidence,
    and are of as few kinds as that allows.
    """
    dimensions = (readiness.categories, readiness.complexities, readiness.deliverables)
    needed = max(min_samples - readiness.successes, *(len(each.missing) for each in dimensions), 0)
    if not needed:
        return ()
    spreads = [_spread(each, needed) for each in dimensions]
    ends = [list(accumulate(count for _, count in each)) for each in spreads]
    runs, begin = [], 0
    for end in sorted(set().union(*ends)):
        # Each dimension's runs stand side by side, and every change in one of them begins a new kind.
        kind = [spread[bisect_right(of, begin)][0] for spread, of in zip(spreads, ends, strict=True)]
        runs.append(PlannedRun(end - begin, *kind))
        begin = end
    return tuple(runs)


def thinnest(readiness: Readiness) -> Thinnest:
    """The thinnest of the cells that are there, a dimension each."""

    def least(coverage: Coverage) -> tuple[str, int] | None:
        present = [(name, coverage.present[name]) for name in coverage.required if name not in coverage.missing]
        return min(present, key=lambda each: each[1], default=None)

    return Thinnest(least(readiness.categories), least(readiness.complexities), least(readiness.deliverables))


def _spread(coverage: Coverage, runs: int) -> list[tuple[str | None, int]]:
    """How many of the ``runs`` each required value gets, so that the least evidence becomes as much as can be."""
    if not coverage.required:
        return [(None, runs)]
    counts = sorted((coverage.present.get(name, 0), name) for name in coverage.required)
    total, filled = runs, 0
    for count, _ in counts:
        if filled and total <= count * filled:
            break  # the runs do not even lift the values before to this one's count
        total += count
        filled += 1
    level, rest = divmod(total, filled)
    low = {name for _, name in counts[:filled]}
    wanted = []
    for name in coverage.required:
        if name in low:
            wanted.append((name, level + (rest > 0) - coverage.present.get(name, 0)))
            rest -= 1
    fewest_first = sorted(wanted, key=lambda each: coverage.present.get(each[0], 0))
    return [(name, count) for name, count in fewest_first if count]
