"""What to collect: the runs that make the data ready, the thinnest evidence, and how many samples prove a target."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from msgspec import Struct

from pytest_token_telemetry.analysis.number_ranges import ROWS, Count
from pytest_token_telemetry.analysis.readiness import PlannedRun, Thinnest, planned_runs, thinnest
from pytest_token_telemetry.gate.results import CheckId, RateResult

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_token_telemetry.analysis.evidence import Certainty
    from pytest_token_telemetry.gate.findings import Findings
    from pytest_token_telemetry.gate.results import Result


class ProofPlan(Struct, frozen=True):
    """How many samples would prove a Tier 1 target."""

    id: CheckId
    n: Count
    events: Count
    without_more_events: Count | None
    """In all, if no event comes with them. ``None``: nothing proves a target of 0, or one so little above it."""
    at_present_rate: Count | None
    """In all, if events come as often as until now. ``None``: at this rate nothing does."""


class Plan(Struct, frozen=True):
    """What to collect."""

    runs: Annotated[tuple[PlannedRun, ...], ROWS]
    """Successful samples that would make the data ready."""
    thinnest: Thinnest
    proofs: Annotated[tuple[ProofPlan, ...], ROWS]


def plan(findings: Findings, results: Iterable[Result], certainty: Certainty) -> Plan:
    """What to collect, given the ``results`` of all checks, deselected or not."""
    return Plan(
        runs=planned_runs(findings.readiness, findings.settings.min_samples),
        thinnest=thinnest(findings.readiness),
        proofs=tuple(
            ProofPlan(
                id=rate.id,
                n=rate.n,
                events=rate.events,
                without_more_events=certainty.samples_to_prove(rate.events, rate.target),
                at_present_rate=certainty.samples_to_prove_at_rate(rate.events, rate.n, rate.target)
                if rate.n
                else None,
            )
            for rate in results
            if isinstance(rate, RateResult)
        ),
    )
