"""Predict the output tokens of a call from a table of coefficients, and pick its budget from the prediction."""

from __future__ import annotations

from math import ceil
from pathlib import Path

from pytest_token_telemetry import Calibration

COEFFICIENTS = {
    # category, complexity: (tokens of any call, tokens of each deliverable)
    ("implementation", "low"): (1470, 252),
    ("implementation", "medium"): (2450, 420),
    ("implementation", "high"): (4655, 798),
    ("tests", "low"): (910, 156),
    ("tests", "medium"): (1517, 260),
    ("tests", "high"): (2882, 494),
    ("docs", "low"): (630, 108),
    ("docs", "medium"): (1050, 180),
    ("docs", "high"): (1995, 342),
}
SAFETY = 1.2
ROOM = 1.4
SMALLEST_BUDGET = 4096
CALIBRATION = Calibration.load(*sorted(Path(__file__).parent.glob("tuning-*.json")))
"""The gate's advice, once some was written beside this file."""


def estimate(category: str, complexity: str, deliverables: int) -> int:
    """Predict the output tokens of a call that is to write ``deliverables`` files."""
    base, each = COEFFICIENTS[category, complexity]
    raw = round((base + each * deliverables) * SAFETY / 10) * 10
    return CALIBRATION.predict(raw, category=category, complexity=complexity)


def select_budget(predicted: int) -> int:
    """Pick the cap to send with the call: some room above the prediction, in whole kilobytes of tokens."""
    return max(SMALLEST_BUDGET, ceil(predicted * ROOM / 1024) * 1024)
