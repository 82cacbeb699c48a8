"""Each check of the gate: a figure, its target, and one line that says all."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from pytest_token_telemetry.analysis.evidence import bounds
from pytest_token_telemetry.analysis.metrics import wasteful
from pytest_token_telemetry.ids import (
    CATEGORIES,
    COMPLEXITIES,
    DELIVERABLES,
    SAMPLES,
    SOURCES,
    TRUNCATION,
    UNDERESTIMATION,
    WASTE,
)
from pytest_token_telemetry.verdict import Check, CountFigure, CoverageFigure, Outcome, RateFigure, RatioFigure
from pytest_token_telemetry.wording import exact, listing, percent, plural, times

if TYPE_CHECKING:
    from pytest_token_telemetry.analysis.evidence import Certainty
    from pytest_token_telemetry.analysis.metrics import Share
    from pytest_token_telemetry.analysis.readiness import Coverage
    from pytest_token_telemetry.gate.findings import Findings
    from pytest_token_telemetry.settings import Settings

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
    files, tests, unreadable = reading.count("file"), reading.count("test"), len(reading.unreadable)
    read = files + tests
    unusable = findings.unusable
    empty = [
        *(["no file matches"] if findings.settings.dir and not files else []),
        *(["no test recorded a sample"] if reading.recorded is not None and not tests else []),
    ]
    figure = CountFigure(read, max(read + unreadable, 1), max(unreadable, len(empty)))
    if unreadable:
        what = "paths" if reading.recorded is None else "files and tests"
        return Check(SOURCES, "fail", f"{unreadable} of {read + unreadable} {what} could not be read", figure)
    if empty:
        return Check(SOURCES, "fail", listing(empty), figure)
    if limit is not None and unusable > limit:
        message = f"{plural(unusable, 'telemetry line')} could not be used (limit {limit})"
        return Check(SOURCES, "fail", message, CountFigure(unusable, limit, unusable - limit))
    read_or_recorded = (
        f"{plural(files, 'file')} read" if files else "",
        f"{plural(tests, 'test')} recorded" if tests else "",
    )
    message = listing(filter(None, read_or_recorded))
    if findings.with_task:
        message += f", {plural(findings.with_task, 'sample')} of {plural(findings.tasks, 'task')}"
    return Check(SOURCES, "pass", message, figure)


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
    counts = ", ".join(f"{value}: {coverage.present[value]}" for value in present)
    return Check(id, "pass", f"{counts} successful", figure)


def tier_checks(findings: Findings, *, ready: bool) -> list[Check]:
    """Risk and cost against their targets; skipped, but with their figures, if the data is not ``ready``."""
    settings, figures = findings.settings, findings.metrics
    at_risk, attempts = _POPULATIONS[settings.population]
    rate_check = _Rate(settings, ready=ready).check
    return [
        rate_check(UNDERESTIMATION, figures.underestimation, at_risk, settings.max_underestimation, figures.uncertain),
        rate_check(TRUNCATION, figures.truncation, attempts, settings.max_truncation),
        _waste_check(findings, ready=ready),
    ]


class _Rate:
    """How a Tier 1 rate becomes a check: by its own value, or by what it proves if a confidence is set."""

    def __init__(self, settings: Settings, *, ready: bool) -> None:
        self._certainty = settings.certainty
        self._certified = settings.confidence is not None
        self._open: Outcome = "fail" if settings.inconclusive == "fail" else "skip"
        self._ready = ready

    def check(self, id: str, share: Share, population: str, target: Fraction, uncertain: int = 0) -> Check:
        limit = f"(target <= {exact(target * 100)} %)"
        if share.value is None:
            figure = RateFigure(0, 0, None, float(target), None, proven=False, samples_to_prove=None)
            return Check(id, "fail" if self._ready else "skip", f"no data: nothing in {population} {limit}", figure)
        figure = self._figure(share, target, uncertain)
        rate = f"{share.events}/{share.n} = {percent(Fraction(share.events, share.n), target)} of {population} {limit}"
        evidence = _evidence(figure, self._certainty, target) + _uncertainty(figure)
        if not self._ready:
            return Check(id, "skip", f"{rate}, {evidence}; {_NOT_JUDGED}", figure)
        if self._certified and not figure.proven:
            return Check(id, self._open, f"{rate} INCONCLUSIVE, {evidence}", figure, inconclusive=True)
        if _is_within(figure, target):
            return Check(id, "pass", f"{rate} PASS, {evidence}", figure)
        return Check(id, "fail", f"{rate} FAIL, {evidence}", figure)

    def _figure(self, share: Share, target: Fraction, uncertain: int) -> RateFigure:
        within = Fraction(share.events, share.n) <= target
        prove = self._certainty.proves_within if within else self._certainty.proves_above
        proven = prove(share.events, share.n, float(target))
        open_ = not proven and (within or self._certified)
        return RateFigure(
            share.events,
            share.n,
            share.value,
            float(target),
            bounds(share.events, share.n, self._certainty.confidence),
            proven=proven,
            samples_to_prove=self._certainty.samples_to_prove(share.events, float(target)) if open_ else None,
            uncertain=uncertain,
        )


def _is_within(figure: RateFigure, target: Fraction) -> bool:
    return Fraction(figure.events, figure.n) <= target


def _evidence(figure: RateFigure, certainty: Certainty, target: Fraction) -> str:
    """What a rate proves, in words."""
    assert figure.bounds is not None  # noqa: S101 - only a rate without samples has none
    sure = _sure(certainty)
    upper, lower = percent(figure.bounds.upper, target), percent(figure.bounds.lower, target)
    if certainty.sequential:
        words = f"{'proven' if figure.proven else 'unproven'} ({sure}, at every look)"
    elif _is_within(figure, target):
        words = f"proven: true rate at most {upper}" if figure.proven else f"unproven: true rate may be up to {upper}"
        words += f" ({sure})"
    else:
        words = (
            f"proven: true rate at least {lower}" if figure.proven else f"unproven: true rate may be as low as {lower}"
        )
        words += f" ({sure})"
    claim = "it" if _is_within(figure, target) else "the target met"
    return words + _more_needed(figure.samples_to_prove, figure.events, claim)


def _sure(certainty: Certainty) -> str:
    return f"{exact(Fraction(str(certainty.confidence)) * 100)} %"


def _more_needed(samples: int | None, events: int, claim: str = "it") -> str:
    if samples is None:
        return ""
    return f"; {plural(samples, 'sample')} with {plural(events, 'event')} would prove {claim}"


def _uncertainty(figure: RateFigure) -> str:
    if not figure.uncertain:
        return ""
    cut = "1 was" if figure.uncertain == 1 else f"{figure.uncertain} were"
    return f"; {figure.events - figure.uncertain} to {figure.events}, as {cut} cut off below the prediction"


def _waste_check(findings: Findings, *, ready: bool) -> Check:
    settings, waste, certainty = findings.settings, findings.metrics.waste, findings.settings.certainty
    target = settings.max_waste_p90
    limit = f"(target < {exact(target)}x)"
    if waste.p90 is None:
        figure = RatioFigure(0, None, float(target))
        return Check(WASTE, "warn" if ready else "skip", f"no data: no ratio {limit}", figure)
    within = waste.p90 < float(target)  # 29/10 is not below 2.9, though as a floating point number it is
    above = wasteful(findings.samples, findings.judged, float(target))
    prove = certainty.proves_within if within else certainty.proves_above
    proven = prove(above.events, above.n, _TENTH)
    proof = bounds(above.events, above.n, certainty.confidence)
    figure = RatioFigure(
        n=waste.n,
        value=waste.p90,
        target=float(target),
        upper_limit=waste.upper_limit,
        events=above.events,
        bounds=proof,
        proven=proven,
        samples_to_prove=certainty.samples_to_prove(above.events, _TENTH) if within and not proven else None,
    )
    excess: Outcome = "fail" if settings.tier2 == "fail" else "warn"
    outcome: Outcome = ("pass" if within else excess) if ready else "skip"
    word = {"pass": " PASS", "fail": " FAIL", "warn": " above target", "skip": ""}[outcome]
    at_risk, _ = _POPULATIONS[settings.population]
    size = f"{times(waste.p90, target)}{' (upper limit)' if waste.upper_limit else ''}"
    share = Fraction(1, 10)
    bound = f"at most {percent(proof.upper, share)}" if within else f"at least {percent(proof.lower, share)}"
    words = f"{'proven' if proven else 'unproven'}: {above.events} of {above.n} at {exact(target)}x or more"
    evidence = f"{words}, truly {bound} ({_sure(certainty)}){_more_needed(figure.samples_to_prove, above.events)}"
    message = f"P90 = {size} of {at_risk} {limit}{word}, {evidence}"
    return Check(WASTE, outcome, message if ready else f"{message}; {_NOT_JUDGED}", figure)


_TENTH = 0.1
"""The share of calls that a P90 leaves above itself."""
