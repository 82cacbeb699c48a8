"""What an estimator is told of a recorded call: what was known before it, and nothing of how it ended."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

OUTCOMES = frozenset(
    {
        *("output", "output_tokens", "output_token_count", "total_output_tokens", "total", "total_tokens"),
        *("actual", "actual_output", "actual_output_tokens", "actual_tokens", "actual_total", "used_tokens"),
        *("completion_tokens", "generated_tokens", "reasoning_tokens", "thinking_tokens", "candidates_token_count"),
        *("thoughts_token_count", "eval_count", "utilization", "smape", "error", "ratio", "waste", "waste_ratio"),
        *("success", "succeeded", "successful", "failed", "outcome", "result", "status"),
        *("truncated", "truncation", "truncation_source", "is_truncated", "was_truncated", "cut_off"),
        *("finish_reason", "finish_reasons", "finish_reason_raw", "stop_reason", "stop_reasons", "done_reason"),
    }
)
"""Features with these names tell how a call ended: an estimator that reads them predicts what it was told."""

_FOLDED = frozenset(name.replace("_", "") for name in OUTCOMES)


@lru_cache(maxsize=4096)
def tells_outcome(feature: str) -> bool:
    """True if ``feature`` is one of `OUTCOMES`, however it is spelled: ``outputTokens``, ``usage.output-tokens``."""
    return "".join(filter(str.isalnum, feature.strip(".").rpartition(".")[2])).lower() in _FOLDED


class CannotReplay(Exception):  # noqa: N818 - it is an answer, not an error
    """Raised by an estimator that cannot say what it would have predicted for a recorded call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A recorded call as it was before it was made. ``None`` means that nobody said."""

    predicted_output_tokens: int
    """What the estimator of that time predicted."""
    category: str | None = None
    complexity: str | None = None
    deliverable_count: int | None = None
    task_id: str | None = None
    model: str | None = None
    features: Mapping[str, str] = field(default_factory=dict)
    """What else was recorded of it, by the keys of the log."""

    @property
    def deliverables(self) -> tuple[str, ...]:
        """What the call should produce, where a feature of this name lists it with commas between."""
        return tuple(filter(None, (name.strip() for name in self.features.get("deliverables", "").split(","))))
