"""The checks of the gate, in the order in which they run and are shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_token_telemetry.gate.checks.carried import CARRIED
from pytest_token_telemetry.gate.checks.coverage import CATEGORIES, COMPLEXITIES, DELIVERABLES
from pytest_token_telemetry.gate.checks.drift import DRIFT_OF_RATIO, DRIFT_OF_TRUNCATION, DRIFT_OF_UNDERESTIMATION
from pytest_token_telemetry.gate.checks.rates import TRUNCATION, UNDERESTIMATION
from pytest_token_telemetry.gate.checks.ratios import CAP_USE, WASTE
from pytest_token_telemetry.gate.checks.replay import REPLAY
from pytest_token_telemetry.gate.checks.samples import SAMPLES
from pytest_token_telemetry.gate.checks.sources import ALL_READ
from pytest_token_telemetry.settings import ROOT

if TYPE_CHECKING:
    from pytest_token_telemetry.gate.check import Check

__all__ = [
    "ALL_READ",
    "CAP_USE",
    "CARRIED",
    "CATEGORIES",
    "CHECKS",
    "CHECK_BY_ID",
    "COMPLEXITIES",
    "DELIVERABLES",
    "DRIFT_OF_RATIO",
    "DRIFT_OF_TRUNCATION",
    "DRIFT_OF_UNDERESTIMATION",
    "REPLAY",
    "SAMPLES",
    "TRUNCATION",
    "UNDERESTIMATION",
    "WASTE",
    "checks_of",
    "node_id",
]

CHECKS: tuple[Check[Any], ...] = (
    ALL_READ,
    SAMPLES,
    CARRIED,
    CATEGORIES,
    COMPLEXITIES,
    DELIVERABLES,
    REPLAY,
    UNDERESTIMATION,
    TRUNCATION,
    WASTE,
    CAP_USE,
    DRIFT_OF_UNDERESTIMATION,
    DRIFT_OF_TRUNCATION,
    DRIFT_OF_RATIO,
)

CHECK_BY_ID = {check.id: check for check in CHECKS}


def checks_of(*, replay: bool, baseline: bool, require: bool = False) -> tuple[Check[Any], ...]:
    """The checks of a session, by whether it replays an estimator, has a baseline, requires what samples carry."""
    there = {"replay": replay, "baseline": baseline, "require": require}
    return tuple(check for check in CHECKS if check.needs is None or there[check.needs])


def node_id(check: str) -> str:
    """The id of ``check`` as pytest shows it."""
    return f"{ROOT}::{check}"
