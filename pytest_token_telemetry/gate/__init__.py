"""Judge what was read by the settings: figures and targets into checks, checks into the verdict."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from pytest_token_telemetry.analysis.metrics import worst
from pytest_token_telemetry.analysis.planning import planned_runs, thinnest
from pytest_token_telemetry.analysis.populations import judged
from pytest_token_telemetry.analysis.tuning import tune
from pytest_token_telemetry.columns import UNKNOWN
from pytest_token_telemetry.gate.checks import readiness_checks, tier_checks
from pytest_token_telemetry.gate.drifting import drift_checks, drift_report
from pytest_token_telemetry.gate.findings import Findings, find
from pytest_token_telemetry.gate.past import Past
from pytest_token_telemetry.gate.replaying import replay_check, replay_report
from pytest_token_telemetry.gate.sections import sections
from pytest_token_telemetry.gate.words import advice, headline, notes, plan_in_words
from pytest_token_telemetry.ids import ALL_CHECK_IDS, DRIFT, WASTE
from pytest_token_telemetry.verdict import (
    Check,
    Conclusion,
    Counts,
    Plan,
    ProofPlan,
    RateFigure,
    Sources,
    Verdict,
    WorstSample,
)

if TYPE_CHECKING:
    from collections.abc import Collection

    from pytest_token_telemetry.columns import Mask
    from pytest_token_telemetry.settings import Settings
    from pytest_token_telemetry.sources.reading import Reading

WORST_SHOWN = 5


def judge(
    reading: Reading, settings: Settings, selected: Collection[str] = ALL_CHECK_IDS, past: Past | None = None
) -> Verdict:
    """The verdict on ``reading``.

    Args:
        reading: samples, and what else the sources hold.
        settings: targets and requirements.
        selected: ids of the checks that take part. Tier 1 is judged on ready data only, even if the readiness checks
            do not take part, and without all readiness and Tier 1 checks no verdict is a PASS.
        past: what the samples are held against: an estimator's answers, a baseline, earlier verdicts.
    """
    past = past or Past()
    findings = find(reading, settings, past.replay)
    replay = replay_report(findings)
    drift = drift_report(reading, settings, past)
    checks = [*readiness_checks(findings)]
    if replay is not None:
        checks.append(replay_check(replay, settings))
    unready = [check for check in checks if check.outcome != "pass"]
    ready = not unready
    checks += tier_checks(findings, ready=ready)
    if drift is not None:
        checks += drift_checks(drift, settings, ready=ready)
    kept = [check for check in checks if check.id in selected]
    deselected = tuple(check.id for check in checks if check.id not in selected)
    if not ready:
        kept = _unready(kept, settings.not_ready, unready[0].message)
    conclusion = _conclusion(kept, deselected, ready=ready)
    plan = _plan(findings, checks)
    tuning = None
    if conclusion == "tune" or settings.tuning is not None:
        tuning = tune(
            findings.samples,
            findings.judged,
            findings.labels,
            under_multiplier=settings.under_multiplier,
            max_waste_p90=settings.max_waste_p90,
        )
    return Verdict(
        conclusion=conclusion,
        fails=any(check.outcome == "fail" for check in kept),
        ready=ready,
        headline=headline(conclusion, findings, kept, deselected, [check.id for check in unready]),
        advice=tuple(advice(conclusion, findings, kept, deselected, [check.id for check in unready], plan, tuning)),
        notes=tuple(notes(findings, deselected, ready=ready)),
        population=settings.population,
        counts=_counts(findings),
        checks=tuple(kept),
        deselected=deselected,
        metrics=findings.metrics,
        strata=findings.strata,
        plan=plan,
        tuning=tuning,
        replay=replay,
        drift=drift,
        history=past.history,
        sections=tuple(sections(replay, drift, past.history)),
        worst=tuple(_worst(findings, findings.judged.at_risk)),
        cut_off=tuple(_worst(findings, findings.judged.truncated)),
        sources=Sources(
            files=reading.files,
            unreadable=reading.unreadable,
            unusable=reading.unusable,
            outside=reading.outside,
            special=reading.special,
            scanned=reading.scanned,
        ),
        settings=settings.texts,
    )


def _unready(kept: list[Check], policy: str, why: str) -> list[Check]:
    """The checks as they end when the data is not ready.

    If the checks that say so do not take part, those that could not be judged for it fail in their place: data that is
    not ready never ends in success because of a selection.
    """
    if policy == "skip":
        return [replace(check, outcome="skip") if check.outcome == "fail" else check for check in kept]
    if any(check.outcome == "fail" for check in kept):
        return kept
    return [
        replace(check, outcome="fail", message=f"{why}: {check.message}") if check.outcome == "skip" else check
        for check in kept
    ]


def _conclusion(kept: list[Check], deselected: tuple[str, ...], *, ready: bool) -> Conclusion:
    outcomes = {check.outcome for check in kept}
    if not ready and outcomes & {"fail", "skip"}:
        return "not-ready"
    if any(check.outcome == "fail" and not check.inconclusive for check in kept):
        return "tune"
    if any(check.inconclusive for check in kept):
        return "inconclusive"
    if set(deselected) - {WASTE, *DRIFT}:
        return "inconclusive"
    return "pass"


def _plan(findings: Findings, checks: list[Check]) -> Plan:
    certainty = findings.settings.certainty
    proofs = tuple(
        ProofPlan(
            id=check.id,
            n=figure.n,
            events=figure.events,
            without_more_events=certainty.samples_to_prove(figure.events, figure.target),
            at_present_rate=certainty.samples_to_prove_at_rate(figure.events, figure.n, figure.target)
            if figure.n
            else None,
        )
        for check in checks
        if isinstance(figure := check.figure, RateFigure)
    )
    runs = planned_runs(findings.readiness, findings.settings.min_samples)
    thin = thinnest(findings.readiness)
    return Plan(runs=runs, thinnest=thin, proofs=proofs, sentences=tuple(plan_in_words(runs, thin, proofs)))


def _counts(findings: Findings) -> Counts:
    reading, samples = findings.reading, findings.samples
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
        unusable=findings.unusable,
        files=reading.count("file"),
        tests=reading.count("test"),
        unreadable_files=len(reading.unreadable),
        runs=len(samples.run.names),
        tasks=findings.tasks,
    )


def _worst(findings: Findings, among: Mask) -> list[WorstSample]:
    samples, files = findings.samples, findings.reading.files
    codes, names = findings.labels.category
    return [
        WorstSample(
            file=files[samples.file[row]].path,
            line=int(samples.line[row]),
            kind=files[samples.file[row]].kind,
            task_id=samples.task_id.name(row),
            category=None if codes[row] == UNKNOWN else names[codes[row]],
            predicted_output_tokens=int(samples.predicted_output_tokens[row]),
            output_tokens=int(samples.output_tokens[row]),
            truncated=None if samples.truncated[row] == UNKNOWN else bool(samples.truncated[row]),
            ratio=ratio,
            underestimated=bool(findings.judged.underestimated[row]),
        )
        for row, ratio in worst(samples, among, WORST_SHOWN)
    ]
