"""How many there are of everything that was read and judged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import numpy as np
from msgspec import Meta, Struct, field

from pytest_token_telemetry.analysis.number_ranges import Count, Names
from pytest_token_telemetry.analysis.populations import judged

if TYPE_CHECKING:
    from pytest_token_telemetry.gate.findings import Findings


class ReasonCount(Struct, frozen=True):
    """Lines that should be samples and cannot be, for one reason."""

    count: Count
    places: Names
    """The first of them, as ``file:line``. Untrusted."""


class UnusableCount(Struct, frozen=True):
    """Telemetry lines that could not be used."""

    total: Count = 0
    reasons: Annotated[dict[str, ReasonCount], Meta(max_length=1000)] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.total != sum(lines.count for lines in self.reasons.values()):
            raise ValueError("total is not the sum of its reasons")


class Counts(Struct, frozen=True, kw_only=True):
    """How many there are of everything. What an older report does not count is 0."""

    samples: Count
    attempts: Count
    """Samples that say whether they were truncated."""
    successes: Count
    risk: Count
    """Successful or truncated."""
    legacy: Count
    """V1 samples."""
    no_ratio: Count
    """Samples whose prediction or output is not above 0."""
    duplicates: Count
    unusable: UnusableCount
    files: Count
    tests: Count = 0
    """That recorded."""
    unreadable_files: Count
    runs: Count
    tasks: Count
    """The distinct tasks that samples name."""
    with_task: Count = 0
    """Samples that name their task."""
    silent_on_success: Count = 0
    """Samples, legacy ones aside, that do not say whether they succeeded."""
    over_budget: Count = 0
    """Samples whose output exceeds their budget although nothing truncated them."""
    by_cap: Count = 0
    """Truncated samples of which only the cap tells it."""
    lost_tests: Count = 0
    """Tests whose records a dead worker took with it."""
    deselected_tests: Count = 0
    copies_of_tests: Count = 1
    """How often each test ran, on a worker of its own each time."""


def counts(findings: Findings) -> Counts:
    """How many there are in ``findings``."""
    reading, samples, recorded = findings.reading, findings.samples, findings.reading.recorded
    known = findings.settings.population == "risk"
    at_risk = (findings.judged if known else judged(samples, "risk", findings.settings.under_multiplier)).at_risk
    return Counts(
        samples=len(reading.samples),
        attempts=findings.readiness.attempts,
        successes=findings.readiness.successes,
        risk=int(np.count_nonzero(at_risk)),
        legacy=findings.legacy,
        no_ratio=findings.no_ratio,
        duplicates=reading.duplicates,
        unusable=UnusableCount(
            findings.unusable,
            {reason: ReasonCount(lines.count, tuple(lines.places)) for reason, lines in reading.unusable.items()},
        ),
        files=reading.count("file"),
        tests=reading.count("test"),
        unreadable_files=len(reading.unreadable),
        runs=len(samples.run.names),
        tasks=findings.tasks,
        with_task=findings.with_task,
        silent_on_success=findings.readiness.silent_on_success,
        over_budget=findings.over_budget,
        by_cap=findings.by_cap,
        lost_tests=len(recorded.lost) if recorded is not None else 0,
        deselected_tests=recorded.deselected if recorded is not None else 0,
        copies_of_tests=recorded.copies if recorded is not None else 1,
    )
