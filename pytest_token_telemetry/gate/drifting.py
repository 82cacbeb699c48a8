"""New calls against the baseline: what has become worse, as checks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_token_telemetry.analysis.baseline import baseline, new_rows, summaries, terms
from pytest_token_telemetry.analysis.drift import LEAST_SAMPLES, RateDrift, drift
from pytest_token_telemetry.analysis.populations import judged
from pytest_token_telemetry.analysis.strata import labels
from pytest_token_telemetry.analysis.tasks import one_per_task
from pytest_token_telemetry.ids import DRIFT, DRIFT_OF_RATIO, DRIFT_OF_TRUNCATION, DRIFT_OF_UNDERESTIMATION
from pytest_token_telemetry.verdict import Check, DriftFigure, DriftReport
from pytest_token_telemetry.wording import chance, percent, plural, times

if TYPE_CHECKING:
    from pytest_token_telemetry.analysis.baseline import Baseline
    from pytest_token_telemetry.analysis.drift import Finding, RatioDrift
    from pytest_token_telemetry.analysis.populations import Judged
    from pytest_token_telemetry.analysis.strata import Labels
    from pytest_token_telemetry.columns import Samples
    from pytest_token_telemetry.gate.past import Past
    from pytest_token_telemetry.settings import Settings
    from pytest_token_telemetry.sources.reading import Reading
    from pytest_token_telemetry.verdict import Outcome

_NO_BASELINE = "there is no baseline yet (--token-telemetry-save-baseline writes one)"


def drift_report(reading: Reading, settings: Settings, past: Past) -> DriftReport | None:
    """The calls that the baseline does not hold, against it; ``None`` if none was asked for.

    It is about the predictions that were recorded, whatever estimator is replayed: about the system, not the change.
    """
    if settings.baseline is None:
        return None
    if past.baseline is None:
        return DriftReport(missing=_NO_BASELINE, baseline_samples=0, new_samples=0, drift=None)
    samples, population, named = _recorded(reading, settings)
    rows = new_rows(samples, past.baseline)
    head = summaries(samples, population, named, rows)
    return DriftReport(
        missing=None,
        baseline_samples=past.baseline.samples,
        new_samples=len(rows),
        drift=drift(past.baseline.strata, head),
    )


def baseline_of(reading: Reading, settings: Settings) -> Baseline:
    """What to keep of ``reading``, for later calls to be compared with."""
    return baseline(
        *_recorded(reading, settings),
        terms(settings.population, settings.under_multiplier, settings.alias, one_per_task=settings.one_per_task),
    )


def _recorded(reading: Reading, settings: Settings) -> tuple[Samples, Judged, Labels]:
    """The samples that take part, with the predictions of their time: which of them count, and their categories."""
    samples = one_per_task(reading.samples) if settings.one_per_task else reading.samples
    population = judged(samples, settings.population, settings.under_multiplier)
    return samples, population, labels(samples, settings.alias)


def drift_checks(report: DriftReport, settings: Settings, *, ready: bool) -> list[Check]:
    """One check each for the two rates and for output over prediction."""
    if report.drift is None:
        return [Check(id, "skip", report.missing or "", DriftFigure(None, None, "no-baseline")) for id in DRIFT]
    seen: Outcome = "fail" if settings.drift == "fail" else "warn"
    found = report.drift
    return [
        _check(DRIFT_OF_UNDERESTIMATION, found.underestimation, _rate(found.underestimation), seen, ready=ready),
        _check(DRIFT_OF_TRUNCATION, found.truncation, _rate(found.truncation), seen, ready=ready),
        _check(DRIFT_OF_RATIO, found.ratio, _ratio(found.ratio), seen, ready=ready),
    ]


def _check(id: str, finding: Finding, figures: str, seen: Outcome, *, ready: bool) -> Check:
    figure = DriftFigure(finding.p, finding.adjusted_p, finding.outcome)
    if finding.outcome == "too-few":
        return Check(id, "skip", f"{figures}: not enough data to judge drift{_least(finding)}", figure)
    p = chance(finding.adjusted_p or 0)
    if finding.outcome == "steady":
        return Check(id, "pass", f"{figures}: no drift seen ({p})", figure)
    if not ready:
        return Check(id, "skip", f"{figures}: drift ({p}); not judged, data not ready", figure)
    return Check(id, seen, f"{figures}: drift ({p})", figure)


def _least(finding: Finding) -> str:
    """How much it would take."""
    if isinstance(finding, RateDrift) and min(finding.compared_base.n, finding.compared_head.n) >= LEAST_SAMPLES:
        visible = finding.least_visible
        return "" if visible is None else f" (smallest visible rise: {plural(visible, 'event')})"
    return f" ({LEAST_SAMPLES} calls needed on each side, in categories that both have)"


def _rate(found: RateDrift) -> str:
    base, head = (
        f"{share.events}/{share.n}" + (f" = {percent(share.events / share.n)}" if share.n else "")
        for share in (found.base, found.head)
    )
    words = f"{base} in the baseline, {head} new"
    if found.standardised is not None and found.mix_shift:
        words += f" ({percent(found.standardised)} with the baseline's mix of categories)"
    return words


def _ratio(found: RatioDrift) -> str:
    base, head = ("none" if median is None else times(median) for median in (found.base_median, found.head_median))
    words = f"median output over prediction {base} in the baseline, {head} new"
    return words if found.shift is None else f"{words}, {times(found.shift)} as much within categories"
