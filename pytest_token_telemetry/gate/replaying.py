"""What the replayed estimator comes to, beside what was recorded and beside the estimator that it is to replace."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

import numpy as np

from pytest_token_telemetry.analysis.metrics import metrics
from pytest_token_telemetry.analysis.paired import difference_bounds, mid_p, most_changed, paired, prediction_ratio
from pytest_token_telemetry.analysis.populations import judged
from pytest_token_telemetry.analysis.replayed import cut_offs, with_estimates, without_unknown
from pytest_token_telemetry.columns import UNKNOWN
from pytest_token_telemetry.ids import REPLAY
from pytest_token_telemetry.verdict import (
    BaseComparison,
    ChangedSample,
    Check,
    CountFigure,
    EstimatorFigures,
    ReplayReport,
    WrongAnswer,
    source_of,
)
from pytest_token_telemetry.wording import listing, plural

if TYPE_CHECKING:
    from pytest_token_telemetry.analysis.metrics import Metrics
    from pytest_token_telemetry.analysis.populations import Judged
    from pytest_token_telemetry.columns import Integers, Mask, Samples
    from pytest_token_telemetry.gate.findings import Findings
    from pytest_token_telemetry.replay.run import Estimates
    from pytest_token_telemetry.settings import Settings
    from pytest_token_telemetry.sources.reading import Reading
    from pytest_token_telemetry.verdict import Change

CHANGED_SHOWN = 10


def replay_report(findings: Findings) -> ReplayReport | None:
    """What the replay comes to; ``None`` if there was none."""
    replayed, settings = findings.replayed, findings.settings
    if replayed is None:
        return None
    replay = replayed.replay
    recorded = judged(replayed.recorded, settings.population, settings.under_multiplier)
    return ReplayReport(
        estimator=replay.estimator,
        source=replay.source,
        calls=replayed.calls,
        replayed=len(replayed.rows),
        cannot=replay.head.cannot,
        wrong=replay.head.wrong,
        errors=_errors(findings.reading, replay.head),
        recorded=_figures(metrics(replayed.recorded, recorded)),
        figures=_figures(findings.metrics),
        with_budget=int(np.count_nonzero(replayed.cut.with_budget)),
        would_truncate=int(np.count_nonzero(replayed.cut.would)),
        unknown=int(np.count_nonzero(replayed.cut.unknown)),
        base=None
        if replay.base is None or replay.base_estimator is None
        else _comparison(findings, replay.base_estimator, replay.base),
    )


def replay_check(report: ReplayReport, settings: Settings) -> Check:
    """Whether the estimator answers for enough of the recorded calls to be judged by them."""
    if not report.calls:
        return Check(REPLAY, "fail", "there is no recorded call to replay", CountFigure(0, 1, 1))
    needed = ceil(settings.min_replayed * report.calls)
    figure = CountFigure(report.replayed, needed, max(needed - report.replayed, 0))
    said = f"{report.replayed} of {plural(report.calls, 'call')} replayed"
    if report.wrong and settings.estimator_errors == "fail":
        verb = "is" if report.wrong == 1 else "are"
        return Check(REPLAY, "fail", f"{said}: {plural(report.wrong, 'answer')} {verb} no prediction", figure)
    details = [
        *([f"{report.cannot} that it cannot replay"] if report.cannot else []),
        *([f"{plural(report.wrong, 'wrong answer')} left out"] if report.wrong else []),
    ]
    said += f" ({listing(details)})" if details else ""
    if figure.missing or not report.replayed:
        return Check(REPLAY, "fail", f"{said}, {needed} needed", figure)
    return Check(REPLAY, "pass", said, figure)


def _comparison(findings: Findings, estimator: str, base: Estimates) -> BaseComparison:
    replayed, settings = findings.replayed, findings.settings
    assert replayed is not None  # noqa: S101 - asked for only then
    both = np.flatnonzero(base.predicted_output_tokens[replayed.rows] != UNKNOWN)
    rows = replayed.rows[both]
    recorded = replayed.recorded.take(both)
    old, old_judged = _with(recorded, base, rows, settings)
    new, new_judged = _with(recorded, replayed.replay.head, rows, settings)
    at_risk = old_judged.at_risk | new_judged.at_risk
    counts = paired(old_judged.underestimated[at_risk], new_judged.underestimated[at_risk])
    old_predicted, new_predicted = old.predicted_output_tokens, new.predicted_output_tokens
    changed = (
        ChangedSample(
            source=_place(findings.reading, recorded, row),
            category=recorded.category.name(row),
            base_predicted=int(old_predicted[row]),
            head_predicted=int(new_predicted[row]),
            output_tokens=int(recorded.output_tokens[row]),
            change=_change(bool(old_judged.underestimated[row]), bool(new_judged.underestimated[row])),
        )
        for row in _most_changed(old, new, old_judged.underestimated, new_judged.underestimated)
    )
    return BaseComparison(
        estimator=estimator,
        calls=len(rows),
        cannot=base.cannot,
        wrong=base.wrong,
        errors=_errors(findings.reading, base),
        base=_figures(metrics(old, old_judged)),
        head=_figures(metrics(new, new_judged)),
        underestimated=counts,
        difference=counts.difference,
        bounds=difference_bounds(counts),
        p=mid_p(counts),
        predictions=prediction_ratio(old_predicted, new_predicted),
        changed=tuple(changed),
    )


def _most_changed(old: Samples, new: Samples, before: Mask, now: Mask) -> list[int]:
    """The rows to show: newly underestimated, then newly safe, then others, and those that changed most of each."""
    found: list[int] = []
    for kind in (now & ~before, before & ~now, now == before):
        rows = np.flatnonzero(kind)
        predicted = old.predicted_output_tokens[rows], new.predicted_output_tokens[rows]
        found += [int(rows[row]) for row, _ in most_changed(*predicted, CHANGED_SHOWN - len(found))]
    return found


def _errors(reading: Reading, estimates: Estimates) -> tuple[WrongAnswer, ...]:
    return tuple(WrongAnswer(_place(reading, reading.samples, row), reason) for row, reason in estimates.errors)


def _with(recorded: Samples, estimates: Estimates, rows: Integers, settings: Settings) -> tuple[Samples, Judged]:
    """The ``recorded`` calls with what an estimator says of them, and which of them count."""
    cut = cut_offs(recorded, estimates.budget_tokens[rows])
    samples = with_estimates(recorded, estimates.predicted_output_tokens[rows], estimates.budget_tokens[rows], cut)
    return samples, without_unknown(judged(samples, settings.population, settings.under_multiplier), cut)


def _change(before: bool, now: bool) -> Change | None:
    if before == now:
        return None
    return "newly underestimated" if now else "newly safe"


def _figures(figures: Metrics) -> EstimatorFigures:
    return EstimatorFigures(figures.underestimation, figures.truncation, figures.waste.p50, figures.waste.p90)


def _place(reading: Reading, samples: Samples, row: int) -> str:
    file = reading.files[samples.file[row]]
    return source_of(file.path, int(samples.line[row]), file.kind)
