"""The ids of the checks. A session imports them even if it has nothing to judge, so they stand alone."""

from __future__ import annotations

ROOT = "token-telemetry"
"""Where the ids of all checks begin, as pytest shows them."""

SOURCES = "readiness::sources"
SAMPLES = "readiness::samples"
CATEGORIES = "readiness::categories"
COMPLEXITIES = "readiness::complexities"
DELIVERABLES = "readiness::deliverables"
UNDERESTIMATION = "tier1::underestimation"
TRUNCATION = "tier1::truncation"
WASTE = "tier2::waste-p90"

REPLAY = "readiness::replay"
DRIFT_OF_UNDERESTIMATION = "drift::underestimation"
DRIFT_OF_TRUNCATION = "drift::truncation"
DRIFT_OF_RATIO = "drift::ratio"
DRIFT = (DRIFT_OF_UNDERESTIMATION, DRIFT_OF_TRUNCATION, DRIFT_OF_RATIO)

CHECK_IDS = (
    SOURCES,
    SAMPLES,
    CATEGORIES,
    COMPLEXITIES,
    DELIVERABLES,
    UNDERESTIMATION,
    TRUNCATION,
    WASTE,
)
"""The checks of every session, in the order in which they run and are shown."""

ALL_CHECK_IDS = (*CHECK_IDS[:5], REPLAY, *CHECK_IDS[5:], *DRIFT)
"""With those that take part only if an estimator is replayed or a baseline is named."""


def check_ids(*, replay: bool, drift: bool) -> tuple[str, ...]:
    """The checks of a session that replays an estimator, or compares with a baseline, or both or neither."""
    left_out = {*(() if replay else (REPLAY,)), *(() if drift else DRIFT)}
    return tuple(check for check in ALL_CHECK_IDS if check not in left_out)


def node_id(check: str) -> str:
    """The check's id as pytest shows it."""
    return f"{ROOT}::{check}"
