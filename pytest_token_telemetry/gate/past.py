"""What samples are held against, besides the targets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_token_telemetry.analysis.baseline import Baseline
    from pytest_token_telemetry.replay.run import Replay
    from pytest_token_telemetry.verdict import PastVerdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """What samples are held against, as far as it was asked for."""

    replay: Replay | None = None
    baseline: Baseline | None = None
    """``None`` also if there is none yet where one was asked for."""
    history: tuple[PastVerdict, ...] | None = None
    """The oldest first."""
