"""Whether a report's verdict, outcomes and figures fit together: one that says PASS while a check failed is refused."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from pytest_token_telemetry.github.fields import RefusedError
from pytest_token_telemetry.github.report import Count, Coverage, Rate, Ratio
from pytest_token_telemetry.verdict import CHECK_IDS, DRIFT, SOURCES, WASTE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_token_telemetry.github.report import Check, Report

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
    if any(outcomes.get(id) != "pass" for id in _DECIDING) or set(report.deselected) - _ADVISORY:
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
    return False
