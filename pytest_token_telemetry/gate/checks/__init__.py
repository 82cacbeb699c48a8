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
from pytest_token_telemetry.option import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterable

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
    "added_checks",
    "checks_of",
    "forget",
    "know",
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
"""Ours, and while a session has them those that other plugins add."""

_ADDED: list[Check[Any]] = []


def know(checks: Iterable[Check[Any]]) -> tuple[Check[Any], ...]:
    """Know ``checks`` beside ours, and no others that were added; return those that were known before."""
    before = added_checks()
    for check in before:
        del CHECK_BY_ID[check.id]
    _ADDED[:] = checks
    CHECK_BY_ID.update({check.id: check for check in _ADDED})
    return before


def forget(known_before: tuple[Check[Any], ...]) -> None:
    """Know again what was `known_before`, where a session ends that a test of another one runs."""
    know(known_before)


def added_checks() -> tuple[Check[Any], ...]:
    """The checks that other plugins add, after ours in their order."""
    return tuple(_ADDED)


def checks_of(*, replay: bool, baseline: bool, require: bool = False) -> tuple[Check[Any], ...]:
    """The checks of a session, by whether it replays an estimator, has a baseline, requires what samples carry."""
    there = {"replay": replay, "baseline": baseline, "require": require}
    return tuple(check for check in (*CHECKS, *_ADDED) if check.needs is None or there[check.needs])


def node_id(check: str) -> str:
    """The id of ``check`` as pytest shows it."""
    return f"{ROOT}::{check}"
