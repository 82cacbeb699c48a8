"""What the replayed estimator comes to, beside what was recorded and beside the estimator that it is to replace."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

import numpy as np
from msgspec import Meta, Struct

from pytest_token_telemetry.analysis.evidence import Bounds
from pytest_token_telemetry.analysis.metrics import Share, metrics
from pytest_token_telemetry.analysis.number_ranges import ROUNDING, ROWS, Count, Difference, Quantity, Rate
from pytest_token_telemetry.analysis.populations import judged
from pytest_token_telemetry.analysis.replayed import (
    Paired,
    PredictionRatio,
    cut_offs,
    difference_bounds,
    mid_p,
    most_changed,
    paired,
    prediction_ratio,
)
from pytest_token_telemetry.gate.findings import with_answers
from pytest_token_telemetry.replay.commits import COMMIT
from pytest_token_telemetry.samples import UNKNOWN

if TYPE_CHECKING:
    from pytest_token_telemetry.analysis.metrics import Metrics
    from pytest_token_telemetry.gate.findings import Findings
    from pytest_token_telemetry.replay.run import Estimates
    from pytest_token_telemetry.samples import Mask, Samples

CHANGED_SHOWN = 10

Commit: TypeAlias = Annotated[str, Meta(pattern=rf"^(?:{COMMIT})$(?!\n)")]
"""Python's ``$`` alone would let a line end after it."""

Flip = Literal["newly underestimated", "newly safe"]
"""What becomes of a call with another estimator."""


class EstimatorFigures(Struct, frozen=True):
    """What one estimator's predictions come to."""

    underestimation: Share
    truncation: Share
    waste_p50: Quantity | None
    waste_p90: Quantity | None

    def __post_init__(self) -> None:
        if (self.waste_p50 is None) != (self.waste_p90 is None):
            raise ValueError("one of waste_p50 and waste_p90 is missing")
        if (self.waste_p50 or 0) > (self.waste_p90 or 0) * (1 + ROUNDING):
            raise ValueError("waste_p50 is more than waste_p90")


class WrongAnswer(Struct, frozen=True):
    """An answer of the estimator that is no prediction. Both texts are untrusted."""

    source: str
    reason: str


class WrongReason(Struct, frozen=True):
    """Why answers of the estimator are no predictions. Both texts are untrusted."""

    reason: str
    calls: Count
    source: str
    """Where the first of these calls stands."""


class ChangedSample(Struct, frozen=True):
    """A sample for which two estimators differ much. Its texts are untrusted."""

    source: str
    category: str | None
    base_predicted: Count
    head_predicted: Count
    output_tokens: Count
    change: Flip | None


class BaseComparison(Struct, frozen=True, kw_only=True):
    """The estimator beside the one that it is to replace, on the calls that both can replay."""

    estimator: str
    calls: Count
    cannot: Count
    """Calls that the base said it cannot replay."""
    wrong: Count
    """Answers of the base that were no prediction."""
    errors: Annotated[tuple[WrongAnswer, ...], ROWS]
    """The first of those."""
    base: EstimatorFigures
    """Of the calls that both judge; truncation of its own attempts."""
    head: EstimatorFigures
    underestimated: Paired
    """Of the calls that both judge."""
    difference: Difference | None
    """Of the two rates; above 0, the new estimator is worse."""
    bounds: Bounds | None
    """On that difference."""
    p: Rate
    """How likely as uneven a change is if both underestimate as often (McNemar's exact test, mid-p)."""
    predictions: PredictionRatio
    changed: Annotated[tuple[ChangedSample, ...], Meta(max_length=100)]
    """Those that changed most: first those that are newly underestimated or newly safe."""
    base_commit: Commit | None = None
    """What the base is a checkout of, if it is one of its own and git knows."""
    head_commit: Commit | None = None

    reasons: Annotated[tuple[WrongReason, ...], ROWS] = ()
    """Why answers of the base were no predictions, the most frequent reasons first. Empty in an older report."""
    only_base_judges: Count = 0
    """Calls without success that only the base's budget would truncate: what head would do to them is not judged."""
    only_head_judges: Count = 0

    def __post_init__(self) -> None:
        if (self.base_commit is None) != (self.head_commit is None):
            raise ValueError("one of base_commit and head_commit is missing")
        _refuse_more_than(self.wrong, self.reasons)


class ReplayReport(Struct, frozen=True, kw_only=True):
    """What an estimator would have predicted for the recorded calls."""

    estimator: str
    source: str | None
    """Where it is defined, as ``file:line``, if Python knows."""
    calls: Count
    replayed: Count
    cannot: Count
    """Calls that the estimator said it cannot replay."""
    wrong: Count
    """Answers that were no prediction."""
    errors: Annotated[tuple[WrongAnswer, ...], ROWS]
    """The first of those."""
    recorded: EstimatorFigures
    """Of the same calls with the predictions of their time."""
    figures: EstimatorFigures
    """With the estimator's."""
    with_budget: Count
    """Calls for which the estimator picked a budget."""
    would_truncate: Count
    """Of those: the output would not have fitted into it."""
    unknown: Count
    """Of those: the call was truncated, and would have had more room."""
    base: BaseComparison | None
    reasons: Annotated[tuple[WrongReason, ...], ROWS] = ()
    """Why answers were no predictions, the most frequent reasons first. Empty in an older report."""
    unasked: Count = 0
    """Calls without a prediction beside those with one. They are attempts only if the estimator picks no budget."""

    def __post_init__(self) -> None:
        _refuse_more_than(self.wrong, self.reasons)
        if self.replayed + self.cannot + self.wrong != self.calls:
            raise ValueError("calls is not the number of answers")
        if self.would_truncate + self.unknown > self.with_budget or self.with_budget > self.replayed:
            raise ValueError("with_budget is not what its parts say")


def _refuse_more_than(wrong: int, reasons: tuple[WrongReason, ...]) -> None:
    if sum(each.calls for each in reasons) > wrong:
        raise ValueError("reasons has more calls than are wrong")


def replay_report(findings: Findings) -> ReplayReport | None:
    """What the replay comes to; ``None`` if there was none."""
    replayed, settings = findings.replayed, findings.settings
    if replayed is None:
        return None
    replay = replayed.replay
    recorded = judged(replayed.recorded, settings.population, settings.under_multiplier)
    cut = cut_offs(replayed.recorded, replay.head.budget_tokens[replayed.rows])
    return ReplayReport(
        estimator=replay.estimator,
        source=replay.source,
        calls=replayed.calls,
        replayed=len(replayed.rows),
        cannot=replay.head.cannot,
        wrong=replay.head.wrong,
        errors=_errors(findings, replay.head),
        reasons=_reasons(findings, replay.head),
        recorded=_figures(metrics(replayed.recorded, recorded)),
        figures=_figures(metrics(*with_answers(replayed.recorded, replay.head, replayed.rows, settings))),
        with_budget=int(np.count_nonzero(cut.with_budget)),
        would_truncate=int(np.count_nonzero(cut.would)),
        unknown=int(np.count_nonzero(cut.unknown)),
        unasked=int(np.count_nonzero(findings.samples.predicted_output_tokens == UNKNOWN)),
        base=None
        if replay.base is None or replay.base_estimator is None
        else _comparison(findings, replay.base_estimator, replay.base, replay.commits),
    )


def _comparison(findings: Findings, estimator: str, base: Estimates, commits: tuple[str, str] | None) -> BaseComparison:
    replayed, settings = findings.replayed, findings.settings
    assert replayed is not None  # noqa: S101 - asked for only then
    both = np.flatnonzero(base.predicted_output_tokens[replayed.rows] != UNKNOWN)
    rows = replayed.rows[both]
    recorded = replayed.recorded.take(both)
    old, old_judged = with_answers(recorded, base, rows, settings)
    new, new_judged = with_answers(recorded, replayed.replay.head, rows, settings)
    of_base, of_head = old_judged.at_risk, new_judged.at_risk
    at_risk = of_base & of_head
    old_judged, new_judged = old_judged.at_risk_within(at_risk), new_judged.at_risk_within(at_risk)
    counts = paired(old_judged.underestimated[at_risk], new_judged.underestimated[at_risk])
    old_predicted, new_predicted = old.predicted_output_tokens, new.predicted_output_tokens
    changed = (
        ChangedSample(
            source=findings.place(recorded, row),
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
        errors=_errors(findings, base),
        reasons=_reasons(findings, base),
        base=_figures(metrics(old, old_judged)),
        head=_figures(metrics(new, new_judged)),
        underestimated=counts,
        difference=counts.difference,
        bounds=difference_bounds(counts),
        p=mid_p(counts),
        predictions=prediction_ratio(old_predicted, new_predicted),
        changed=tuple(changed),
        base_commit=commits and commits[0],
        head_commit=commits and commits[1],
        only_base_judges=int(np.count_nonzero(of_base & ~of_head)),
        only_head_judges=int(np.count_nonzero(of_head & ~of_base)),
    )


def _most_changed(old: Samples, new: Samples, before: Mask, now: Mask) -> list[int]:
    """The rows to show: newly underestimated, then newly safe, then others, and those that changed most of each."""
    found: list[int] = []
    for kind in (now & ~before, before & ~now, now == before):
        rows = np.flatnonzero(kind)
        predicted = old.predicted_output_tokens[rows], new.predicted_output_tokens[rows]
        found += rows[most_changed(*predicted, CHANGED_SHOWN - len(found))].tolist()
    return found


def _errors(findings: Findings, estimates: Estimates) -> tuple[WrongAnswer, ...]:
    every = findings.reading.samples
    return tuple(WrongAnswer(findings.place(every, row), reason) for row, reason in estimates.errors)


def _reasons(findings: Findings, estimates: Estimates) -> tuple[WrongReason, ...]:
    every = findings.reading.samples
    return tuple(WrongReason(reason, calls, findings.place(every, row)) for row, reason, calls in estimates.reasons)


def _change(before: bool, now: bool) -> Flip | None:
    if before == now:
        return None
    return "newly underestimated" if now else "newly safe"


def _figures(figures: Metrics) -> EstimatorFigures:
    return EstimatorFigures(figures.underestimation, figures.truncation, figures.waste.p50, figures.waste.p90)
