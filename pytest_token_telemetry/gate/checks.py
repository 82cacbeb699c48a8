"""Each check of the gate: a figure, its target, and one line that says all."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from pytest_token_telemetry.analysis.evidence import bounds, samples_to_prove
from pytest_token_telemetry.verdict import (
    CATEGORIES,
    COMPLEXITIES,
    DELIVERABLES,
    SAMPLES,
    SOURCES,
    TRUNCATION,
    UNDERESTIMATION,
    WASTE,
    Check,
    CountFigure,
    CoverageFigure,
    Outcome,
    RateFigure,
    RatioFigure,
)
from pytest_token_telemetry.wording import exact, listing, percent, plural, times

if TYPE_CHECKING:
    from pytest_token_telemetry.analysis.evidence import Bounds
    from pytest_token_telemetry.analysis.metrics import Share
    from pytest_token_telemetry.analysis.readiness import Coverage
    from pytest_token_telemetry.gate.findings import Findings

_POPULATIONS = {
    "risk": ("the risk population", "attempts"),
    "success": ("successful samples", "successful samples"),
    "all": ("all samples", "all V2 samples"),
}
"""What the underestimation and the truncation rate are shares of, in words."""

_NOT_JUDGED = "not judged, data not ready"


def readiness_checks(findings: Findings) -> list[Check]:
    """Whether there is enough representative data to judge by."""
    found = findings.readiness
    return [
        _sources_check(findings),
        _samples_check(findings),
        _coverage_check(CATEGORIES, found.categories, "in {}"),
        _coverage_check(COMPLEXITIES, found.complexities, "of complexity {}"),
        _coverage_check(DELIVERABLES, found.deliverables, "with deliverables {}"),
    ]


def _sources_check(findings: Findings) -> Check:
    reading, limit = findings.reading, findings.settings.max_unusable
    read, unreadable = len(reading.files), len(reading.unreadable)
    unusable = findings.unusable
    figure = CountFigure(read, max(read + unreadable, 1), max(unreadable, int(not read)))
    if unreadable:
        return Check(SOURCES, "fail", f"{unreadable} of {read + unreadable} paths could not be read", figure)
    if not read:
        return Check(SOURCES, "fail", "no file matches", figure)
    if limit is not None and unusable > limit:
        message = f"{plural(unusable, 'telemetry line')} could not be used (limit {limit})"
        return Check(SOURCES, "fail", message, figure)
    return Check(SOURCES, "pass", f"{plural(read, 'file')} read", figure)


def _samples_check(findings: Findings) -> Check:
    found, needed = findings.readiness, findings.settings.min_samples
    if found.successes < needed:
        message = f"{found.successes} of {needed} successful samples"
        if found.silent_on_success:
            message += f" ({plural(found.silent_on_success, 'sample')} did not say)"
        figure = CountFigure(found.successes, needed, needed - found.successes)
        return Check(SAMPLES, "fail", message, figure)
    if found.attempts < needed:
        message = f"only {found.attempts} of {needed} samples say whether they were truncated"
        return Check(SAMPLES, "fail", message, CountFigure(found.attempts, needed, needed - found.attempts))
    message = f"{plural(found.successes, 'successful sample')} ({needed} needed)"
    return Check(SAMPLES, "pass", message, CountFigure(found.successes, needed, 0))


def _coverage_check(id: str, coverage: Coverage, where: str) -> Check:
    present = tuple(value for value in coverage.required if value not in coverage.missing)
    figure = CoverageFigure(present, coverage.required, coverage.missing)
    if coverage.missing:
        return Check(id, "fail", f"no successful sample {where.format(listing(coverage.missing, 'or'))}", figure)
    if not present:
        return Check(id, "pass", "nothing is required", figure)
    counts = listing(f"{value} ({coverage.present[value]})" for value in present)
    return Check(id, "pass", f"successful samples {where.format(counts)}", figure)


def tier_checks(findings: Findings, *, ready: bool) -> list[Check]:
    """Risk and cost against their targets; skipped, but with their figures, if the data is not ``ready``."""
    settings, figures = findings.settings, findings.metrics
    at_risk, attempts = _POPULATIONS[settings.population]
    return [
        _rate_check(UNDERESTIMATION, figures.underestimation, at_risk, settings.max_underestimation, ready=ready),
        _rate_check(TRUNCATION, figures.truncation, attempts, settings.max_truncation, ready=ready),
        _waste_check(findings, ready=ready),
    ]


def _rate_check(
    id: str,
    share: Share,
    population: str,
    target: Fraction,
    *,
    ready: bool,
) -> Check:
    limit = f"(target <= {exact(target * 100)} %)"
    if share.value is None:
        figure = RateFigure(0, 0, None, float(target), None, proven=False, samples_to_prove=None)
        return Check(id, "fail" if ready else "skip", f"no data: nothing in {population} {limit}", figure)
    rate = Fraction(share.events, share.n)
    within = rate <= target
    proof = bounds(share.events, share.n)
    proven = proof.upper <= target if within else proof.lower > target
    needed = samples_to_prove(share.events, float(target)) if within and not proven else None
    figure = RateFigure(
        share.events, share.n, share.value, float(target), proof, proven=proven, samples_to_prove=needed
    )
    words = f"{share.events}/{share.n} = {percent(rate, target)} of {population} {limit}"
    evidence = _proof_in_words(figure, proof, target, within=within)
    if not ready:
        return Check(id, "skip", f"{words}, {evidence}; {_NOT_JUDGED}", figure)
    if within:
        return Check(id, "pass", f"{words} PASS, {evidence}", figure)
    return Check(id, "fail", f"{words} FAIL, {evidence}", figure)


def _proof_in_words(figure: RateFigure, proof: Bounds, target: Fraction, *, within: bool) -> str:
    sure = f"({exact(Fraction(str(proof.confidence)) * 100)} %)"
    if within:
        upper = percent(proof.upper, target)
        if figure.proven:
            return f"proven: true rate at most {upper} {sure}"
        words = f"unproven: true rate may be up to {upper} {sure}"
        if figure.samples_to_prove is not None:
            needed, events = plural(figure.samples_to_prove, "sample"), plural(figure.events, "event")
            words += f"; {needed} with {events} would prove it"
        return words
    lower = percent(proof.lower, target)
    if figure.proven:
        return f"proven: true rate at least {lower} {sure}"
    return f"unproven: true rate may be as low as {lower} {sure}"


def _waste_check(findings: Findings, *, ready: bool) -> Check:
    settings, waste = findings.settings, findings.metrics.waste
    target = settings.max_waste_p90
    limit = f"(target < {exact(target)}x)"
    figure = RatioFigure(waste.n, waste.p90, float(target))
    if waste.p90 is None:
        return Check(WASTE, "warn" if ready else "skip", f"no data: no ratio {limit}", figure)
    within = waste.p90 < float(target)  # 29/10 is not below 2.9, though as a floating point number it is
    excess: Outcome = "fail" if settings.tier2 == "fail" else "warn"
    outcome: Outcome = ("pass" if within else excess) if ready else "skip"
    word = {"pass": " PASS", "fail": " FAIL", "warn": " above target", "skip": f"; {_NOT_JUDGED}"}[outcome]
    at_risk, _ = _POPULATIONS[settings.population]
    message = f"P90 = {times(waste.p90, target)} of {at_risk}, n = {waste.n} {limit}{word}"
    return Check(WASTE, outcome, message, figure)
