"""Judge what was read by the settings: figures and targets into results, results into the verdict.

With the verdict goes what to collect: the runs that make the data ready, the thinnest evidence, and how many samples
prove a target.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, get_args

from msgspec import Struct, convert, to_builtins
from msgspec.structs import replace as replace_fields

from pytest_token_telemetry.analysis.caps import cap_use_of_each
from pytest_token_telemetry.analysis.carried import grouping
from pytest_token_telemetry.analysis.evidence import CONFIDENCE, Certainty
from pytest_token_telemetry.analysis.number_ranges import ROWS, Count
from pytest_token_telemetry.analysis.readiness import PlannedRun, Thinnest, planned_runs, thinnest
from pytest_token_telemetry.analysis.strata import labels
from pytest_token_telemetry.analysis.tuning import label_of, tune
from pytest_token_telemetry.gate.check import Case
from pytest_token_telemetry.gate.checks import CHECK_BY_ID, added_checks, checks_of
from pytest_token_telemetry.gate.findings import find
from pytest_token_telemetry.gate.replay_report import replay_report
from pytest_token_telemetry.gate.results import AnyResult, CheckId, RateResult, RatioResult
from pytest_token_telemetry.past.baseline import drift_report
from pytest_token_telemetry.text import listing, raised

if TYPE_CHECKING:
    from collections.abc import Collection

    from pytest_token_telemetry.analysis.tuning import Tuning
    from pytest_token_telemetry.gate.check import Check
    from pytest_token_telemetry.gate.findings import Findings, Past
    from pytest_token_telemetry.gate.results import Result
    from pytest_token_telemetry.past.history import Conclusion, PastVerdict
    from pytest_token_telemetry.settings import Settings
    from pytest_token_telemetry.sources.reading import Reading


class CheckError(Exception):
    """A check that another plugin added does not work. One sentence that names it."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What the gate decided, and the findings that it rests on."""

    conclusion: Conclusion
    results: tuple[Result, ...]
    """Of the checks that were not deselected."""
    deselected: tuple[str, ...]
    """The ids of those that were."""
    unready: tuple[Result, ...]
    """The readiness checks that are not met, deselected or not."""
    plan: Plan
    tuning: Tuning | None
    """Advice, if the verdict is TUNE, the data has caps or no predictions, or it was asked for."""
    case: Case
    """What it rests on."""
    history: tuple[PastVerdict, ...] | None
    """Earlier sessions, the oldest first."""


def judge(
    reading: Reading, settings: Settings, past: Past, selected: Collection[str] = frozenset(CHECK_BY_ID)
) -> Judgement:
    """Decide on ``reading``.

    Args:
        reading: samples, and what else the sources hold.
        settings: targets and requirements.
        past: what the samples are held against: an estimator's answers, a baseline, earlier verdicts.
        selected: ids of the checks that take part. Tier 1 is judged on ready data only, even if the readiness checks
            do not take part, and without all readiness and Tier 1 checks no verdict is a PASS.

    Raises:
        CheckError: a check that another plugin added does not work.
    """
    findings = find(reading, settings, past.replay)
    certainty = certainty_of(settings)
    case = Case(findings, replay_report(findings), drift_report(reading, settings, past.baseline), certainty)
    checks = checks_of(
        replay=case.replay is not None, baseline=case.drift is not None, require=settings.require is not None
    )
    readiness = [_decided(check, case) for check in checks if check.tier == "readiness"]
    unready = tuple(result for result in readiness if result.outcome != "pass")
    case = replace(case, ready=not unready)
    tiers = [_decided(check, case) for check in checks if check.tier != "readiness"]
    every = _asked([*readiness, *tiers], selected)
    kept = [result for result in every if result.id in selected]
    deselected = tuple(result.id for result in every if result.id not in selected)
    if unready:
        kept = _as_not_ready(kept, settings.not_ready)
    conclusion = _conclusion(kept, deselected, ready=not unready)
    return Judgement(
        conclusion=conclusion,
        results=tuple(kept),
        deselected=deselected,
        unready=unready,
        plan=_plan(findings, every, certainty),
        tuning=_tuning(findings) if _advises(conclusion, kept, case) else None,
        case=case,
        history=past.history,
    )


def _decided(check: Check[Result], case: Case) -> Result:
    """What ``check`` decides. One that another plugin added says nothing of data that is not ready, as ours do not.

    Raises:
        CheckError: it was added, and has no proper result.
    """
    if check not in added_checks():
        return check.decide(case)
    try:
        result = check.decide(case)
        if type(result) not in get_args(AnyResult):
            kinds = listing([kind.__name__ for kind in get_args(AnyResult)], last="or")
            raise TypeError(f"{type(result).__name__} is not a result (give a {kinds})")
        convert(to_builtins(result), type(result))
        if result.id != check.id:
            raise ValueError(f"its result is of {result.id}")
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # also SystemExit, and pytest's skip and exit
        raise CheckError(f"{check.id}: {raised(error)}") from error
    return result if case.ready else replace_fields(result, outcome="skip", inconclusive=False)


def certainty_of(settings: Settings) -> Certainty:
    """How sure a proof must be: as set, and for mere information 95%."""
    return Certainty(CONFIDENCE if settings.confidence is None else float(settings.confidence), settings.sequential)


def _asked(every: list[Result], selected: Collection[str]) -> list[Result]:
    """The results without those that nobody misses: of checks that only advise, on what the data does not carry.

    If nothing else is selected, they stay, and say so.
    """
    asked = [result for result in every if not result.unasked or CHECK_BY_ID[result.id].decides]
    left = {result.id for result in every} - {result.id for result in asked}
    return every if selected and left >= set(selected) else asked


def _as_not_ready(kept: list[Result], policy: str) -> list[Result]:
    """The results as they end when the data is not ready.

    If the checks that say so do not take part, those that could not be judged for it fail in their place: data that is
    not ready never ends in success because of a selection.
    """
    if policy == "skip":
        return [replace_fields(result, outcome="skip") if result.outcome == "fail" else result for result in kept]
    if any(result.outcome == "fail" for result in kept):
        return kept
    return [
        replace_fields(result, outcome="fail", for_unready=True) if result.outcome == "skip" else result
        for result in kept
    ]


def _conclusion(kept: list[Result], deselected: tuple[str, ...], *, ready: bool) -> Conclusion:
    outcomes = {result.outcome for result in kept}
    if not ready and outcomes & {"fail", "skip"}:
        return "not-ready"
    if any(result.exceeded for result in kept):
        return "tune"
    if any(result.inconclusive for result in kept):
        return "inconclusive"
    if any(CHECK_BY_ID[id].decides for id in deselected):
        return "inconclusive"
    return "pass"


def _advises(conclusion: Conclusion, kept: list[Result], case: Case) -> bool:
    """True if advice was asked for, or is needed: where a figure is above its target, or on caps."""
    asked = conclusion == "tune" or case.settings.tuning is not None
    asked |= any(isinstance(each, RateResult) and each.inconclusive and each.n and not each.is_within for each in kept)
    asked |= any(isinstance(each, RatioResult) and each.outcome in ("warn", "fail") for each in kept)
    return asked or case.findings.carried.caps > 0 or case.findings.carried.question != "predictions"


def _tuning(findings: Findings) -> Tuning:
    by = grouping(findings.samples, findings.carried)
    found = tune(
        findings.lengths,
        findings.judged,
        findings.labels,
        under_multiplier=findings.settings.under_multiplier,
        max_waste_p90=findings.settings.max_waste_p90,
        grouped_by=by,
        uncounted=findings.counts.uncounted.events,
    )
    sent, named = findings.recorded, findings.labels
    if findings.replayed is not None:
        named = labels(sent, findings.settings.alias, findings.settings.require_deliverables)
    return replace(found, cap_use=cap_use_of_each(sent, label_of(sent, named, by)))


def _plan(findings: Findings, results: list[Result], certainty: Certainty) -> Plan:
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
            if isinstance(rate, RateResult) and not rate.unasked and not rate.is_open
        ),
    )
