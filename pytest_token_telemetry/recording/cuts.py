"""What tests recorded, on its way with their reports: of Python's own types, or xdist could not send it."""

from __future__ import annotations

from typing import TypedDict


class Cut(TypedDict):
    """What was recorded in a phase of a test."""

    lines: list[str]
    """``token-telemetry/1``."""
    unusable: dict[str, int]
    """How many records could not be used, by reason."""
    repeated: int
    """Records left out, because they tell of a call that was recorded already."""
    began: float
    """When the test began, in seconds since the epoch."""


class Rest(TypedDict):
    """What a worker knows at its end."""

    cut: Cut | None
    deselected: int
