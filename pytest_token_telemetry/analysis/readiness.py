"""Whether the samples are many and mixed enough to judge by, and which runs are missing.

Which samples count is told in `carried.counting`: for an estimator, the successful ones.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

import numpy as np

from pytest_token_telemetry.analysis.carried import counting
from pytest_token_telemetry.analysis.groups import counted
from pytest_token_telemetry.analysis.number_ranges import Count
from pytest_token_telemetry.analysis.populations import successful
from pytest_token_telemetry.option_types import ANY
from pytest_token_telemetry.samples import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_token_telemetry.analysis.carried import Carried
    from pytest_token_telemetry.analysis.strata import Labels
    from pytest_token_telemetry.samples import Narrow, Samples


MOST_FOUND = 20
"""Names that are kept of those that the data has."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """How many samples that count there are of each value that is required."""

    required: tuple[str, ...]
    """Names, or `ANY` alone."""
    present: dict[str, int]
    """Those that occur. Of `ANY`, all samples that count and name one."""
    found: dict[str, int]
    """All names that occur, required or not, the most frequent first: `MOST_FOUND` at most."""
    named: int
    """Samples that count and name one."""

    @property
    def missing(self) -> tuple[str, ...]:
        """The required values without a sample that counts."""
        return tuple(value for value in self.required if not self.present.get(value))


@dataclass(frozen=True, slots=True)
class Readiness:
    """What there is to judge by."""

    successes: int
    counted: int
    """Samples that count towards how many are needed."""
    silent_on_success: int
    """Samples with a prediction, legacy ones aside, that do not say whether they succeeded."""
    attempts: int
    """Samples that say whether they were truncated."""
    categories: Coverage
    complexities: Coverage
    deliverables: Coverage


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """Kind of work that ``count`` more samples should come from: ``None`` is any or no name, `ANY` any name."""

    count: Count
    category: str | None
    complexity: str | None
    deliverables: str | None


@dataclass(frozen=True, slots=True)
class Thinnest:
    """The required values that occur least, with their number of successful samples."""

    category: tuple[str, Count] | None
    complexity: tuple[str, Count] | None
    deliverables: tuple[str, Count] | None


def readiness(
    samples: Samples,
    labels: Labels,
    carried: Carried,
    *,
    categories: Iterable[str],
    complexities: Iterable[str],
    deliverables: Iterable[str],
) -> Readiness:
    """Count the samples of each required value.

    Args:
        samples: columns with one entry for each sample.
        labels: their codes, `UNKNOWN` where a sample does not say, which fills no requirement.
        carried: what they carry, by which it is known which of them count.
        categories: the names that are required, in lower case, or `ANY` alone; the next two likewise.
        complexities: of `Labels.complexity`.
        deliverables: of `Labels.deliverables`.
    """
    rows = counting(samples, carried.question)
    predicts = samples.predicted_output_tokens != UNKNOWN

    def coverage(label: tuple[Narrow, tuple[str, ...]], required: Iterable[str]) -> Coverage:
        (codes, names), required = label, tuple(required)
        wanted = frozenset(required)
        counts = counted(codes, rows, len(names))[:-1]  # the last are those that do not say
        named = int(counts.sum())
        most = np.argsort(-counts, kind="stable")[:MOST_FOUND].tolist()
        found = {names[code]: int(counts[code]) for code in most if counts[code]}
        if required == (ANY,):
            present = {ANY: named} if named else {}
        else:
            every = zip(names, counts.tolist(), strict=True)
            present = {name: count for name, count in every if count and name in wanted}
        return Coverage(required, present, found, named)

    return Readiness(
        successes=int(np.count_nonzero(successful(samples))),
        counted=int(np.count_nonzero(rows)),
        silent_on_success=int(np.count_nonzero(~samples.legacy & (samples.success == UNKNOWN) & predicts)),
        attempts=int(np.count_nonzero(~samples.legacy & (samples.truncated >= 0))),
        categories=coverage(labels.category, categories),
        complexities=coverage(labels.complexity, complexities),
        deliverables=coverage(labels.deliverables, deliverables),
    )


def planned_runs(readiness: Readiness, min_samples: int) -> tuple[PlannedRun, ...]:
    """The fewest samples that make the data ready, each as useful as can be.

    Runs go to the missing categories, complexities and buckets, then to the required ones with the least evidence,
    and are of as few kinds as that allows.
    """
    dimensions = (readiness.categories, readiness.complexities, readiness.deliverables)
    needed = max(min_samples - readiness.counted, *(len(each.missing) for each in dimensions), 0)
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
        present = [(name, coverage.present[name]) for name in coverage.required if name in coverage.present]
        if coverage.required == (ANY,):
            return None  # no name of it is thinner than another
        return min(present, key=lambda each: each[1], default=None)

    return Thinnest(least(readiness.categories), least(readiness.complexities), least(readiness.deliverables))


def _spread(coverage: Coverage, runs: int) -> list[tuple[str | None, int]]:
    """How many of the ``runs`` each required value gets, so that the least evidence becomes as much as can be."""
    if not coverage.required or ANY in coverage.present:
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
