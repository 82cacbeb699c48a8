"""One completed model call."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pytest_token_telemetry.recording.record import MOST_TOKENS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from pytest_token_telemetry.recording.record import FinishReason

MAX_TOKENS_COUNTED = MOST_TOKENS
"""The limit also keeps ``tokens * multiplier`` exact in 64 bits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One model call whose output tokens are known. ``None`` always means that nobody said."""

    predicted_output_tokens: int
    """The estimator's point prediction, made before the call."""
    output_tokens: int
    """What the provider billed as output, reasoning included."""
    budget_tokens: int | None = None
    """The cap that the budget selector chose."""
    max_tokens: int | None = None
    """The cap that was really sent."""
    finish_reason: FinishReason | None = None
    finish_reason_raw: str | None = None
    """The provider's own word for why the output ended."""
    truncated: bool | None = None
    truncation_source: str | None = None
    """What says that it was cut off, where that is known: ``reason``, ``cap`` or ``reported``."""
    success: bool | None = None
    category: str | None = None
    complexity: str | None = None
    deliverable_count: int | None = None
    """How many files the call should produce; never 0, which means that nobody counted."""
    task_id: str | None = None
    run: str | None = None
    time: datetime | None = None
    """When the call was logged: in UTC if the log named a time zone, else by the log's own clock."""
    model: str | None = None
    smape: float | None = None
    """The error in percent as logged: SMAPE, or the relative error on a legacy line."""
    id: str | None = None
    """The call's own id."""
    legacy: bool = False
    """A V1 line: prediction and output only."""
    features: Mapping[str, str] = field(default_factory=dict)
    """What else the line said, by the log's own keys."""
