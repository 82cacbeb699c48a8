"""Whether a report's verdict, outcomes and figures fit together: one that says PASS while a check failed is refused."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from pytest_token_telemetry.github.fields import RefusedError
from pytest_token_telemetry.github.report import Changes, Count, Coverage, Rate, Ratio
from pytest_token_telemetry.ids import (
    CHECK_IDS,
    DRIFT,
    DRIFT_OF_RATIO,
    DRIFT_OF_TRUNCATION,
    DRIFT_OF_UNDERESTIMATION,
    REPLAY,
    SOURCES,
    TRUNCATION,
    UNDERESTIMATION,
    WASTE,
)
from pytest_token_telemetry.verdict import DriftFigure

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_token_telemetry.github.report import Check, NotCompared, Replay, Report

_DECIDING = frozenset(CHECK_IDS) - {WASTE}
"""All of these pass in a report that says PASS."""

_ADVISORY = frozenset({WASTE, *DRIFT})
"""A report that says PASS may be without these."""

_ROUNDING = Fraction(1, 10**12)
"""A target comes as a floating point number, and may have been a decimal number next to it."""


def check_consistency(report: Report) -> None:
    """Nothing, if the report can be the gate's.

    Raises:
        RefusedError: it cannot.
    """
    ids = [check.id for check in report.checks]
    if len(set(ids)) < len(ids):
        raise RefusedError("it has a check twice")
    for check in report.checks:
        if check.outcome == "pass" and (check.inconclusive or _misses(check)):
            raise RefusedError(f"{check.id} says pass, and its figure says otherwise")
    _check_replay(report)
    _check_drift(report)
    outcomes = {check.id: check.outcome for check in report.checks}
    exceeded = {check.id for check in report.checks if check.outcome == "fail" and not check.inconclusive}
    match report.verdict:
        case "pass":
            _check_pass(report, outcomes)
        case "tune":
            if not exceeded or any(id.startswith("readiness::") for id in exceeded):
                raise RefusedError("it says tune, and its checks do not")
        case "not-ready":
            if not set(outcomes.values()) & {"fail", "skip"}:
                raise RefusedError("it says not-ready, and its checks do not")
        case "inconclusive":
            if exceeded:
                raise RefusedError("it says inconclusive, and a check failed")


def _check_pass(report: Report, outcomes: Mapping[str, str]) -> None:
    if failed := [id for id, outcome in outcomes.items() if outcome == "fail"]:
        raise RefusedError(f"it says pass, and {failed[0]} failed")
    if any(check.inconclusive for check in report.checks):
        raise RefusedError("it says pass, and a check is inconclusive")
    for check in report.checks:
        if isinstance(check.figure, DriftFigure) and check.figure.finding == "drift" and check.outcome != "warn":
            raise RefusedError(f"it says pass, and {check.id} does not warn of the drift that it found")
    deciding = _DECIDING if report.replay is None else _DECIDING | {REPLAY}
    if any(outcomes.get(id) != "pass" for id in deciding) or set(report.deselected) - _ADVISORY:
        raise RefusedError("it says pass, and not all checks that decide passed")


def _misses(check: Check) -> bool:
    match check.figure:
        case Rate(events=events, n=n, target=target):
            return n == 0 or Fraction(events, n) > Fraction(target) + _ROUNDING
        case Ratio(value=value, target=target):
            return value is None or value >= target
        case Count(value=value, target=target, missing=missing):
            return missing > 0 or value < target or (check.id == SOURCES and value > target)
        case Coverage(missing=names):
            return bool(names)
        case DriftFigure(finding=finding):
            return finding != "steady"
    return False


def _check_replay(report: Report) -> None:
    """All figures of a report that replays an estimator are about its predictions."""
    replay = report.replay
    there = REPLAY in _ids(report)
    if replay is None and there:
        raise RefusedError(f"it has {REPLAY}, and no estimator")
    if replay is None:
        return
    if not there:
        raise RefusedError(f"it has an estimator, and no {REPLAY}")
    for check in report.checks:
        if not _is_about(check, replay):
            raise RefusedError(f"{check.id} is not about what was replayed")


def _is_about(check: Check, replay: Replay) -> bool:
    match check.figure:
        case Count(value=value, target=target, missing=missing) if check.id == REPLAY:
            passes_rightly = replay.replayed > 0 or check.outcome != "pass"
            return value == replay.replayed and missing == max(target - value, 0) and passes_rightly
        case Rate(events=events, n=n) if check.id == UNDERESTIMATION:
            return (events, n) == (replay.figures.underestimation.events, replay.figures.underestimation.n)
        case Rate(events=events, n=n) if check.id == TRUNCATION:
            return (events, n) == (replay.figures.truncation.events, replay.figures.truncation.n)
        case Ratio(value=value) if check.id == WASTE:
            return value == replay.figures.waste_p90
    return True


def _check_drift(report: Report) -> None:
    """The drift checks show what the comparison with the baseline found."""
    there = _ids(report) & set(DRIFT)
    if report.drift is None and there:
        raise RefusedError("it has checks of drift, and no comparison with a baseline")
    if report.drift is not None and len(there) < len(DRIFT):
        raise RefusedError("it has a comparison with a baseline, and not all checks of drift")
    for check in report.checks:
        if check.id in DRIFT and check.figure != _drift_figure(check.id, report.drift):
            raise RefusedError(f"{check.id} is not about the comparison with the baseline")


def _drift_figure(id: str, drift: Changes | NotCompared | None) -> DriftFigure:
    if not isinstance(drift, Changes):
        return DriftFigure(None, None, "no-baseline")
    change = {
        DRIFT_OF_UNDERESTIMATION: drift.underestimation,
        DRIFT_OF_TRUNCATION: drift.truncation,
        DRIFT_OF_RATIO: drift.ratio,
    }[id]
    return DriftFigure(change.p, change.adjusted_p, change.outcome)


def _ids(report: Report) -> set[str]:
    """Of all checks, deselected or not."""
    return {*(check.id for check in report.checks), *report.deselected}
