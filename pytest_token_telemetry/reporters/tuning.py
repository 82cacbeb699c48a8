"""The tuning advice as JSON: a file of its own, and part of the report."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_token_telemetry.analysis.tuning import Tuning

SCHEMA = "token-telemetry-tuning/1"


def document(tuning: Tuning) -> dict[str, Any]:
    """``tuning`` as plain values: rates as fractions of 1, figures not rounded."""
    return {"schema": SCHEMA, **asdict(tuning)}


def render(tuning: Tuning) -> str:
    """``tuning`` as a JSON document."""
    return json.dumps(document(tuning), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
