"""Which ``[TOKEN_BUDGET]`` record belongs to which sample."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_token_telemetry.recording.record import is_truncated

if TYPE_CHECKING:
    from pytest_token_telemetry.sample import Sample
    from pytest_token_telemetry.sources.records import Budget

BUDGET_REACH = 200
"""Lines from a ``[TOKEN_BUDGET]`` record to the sample that it belongs to. Real logs have up to 39."""

_PENDING_BUDGETS = 64
"""Budget records that are remembered at a time: more calls than that do not run side by side in one file."""


class Budgets:
    """The ``[TOKEN_BUDGET]`` records of one text that no sample has claimed yet."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[int, Budget]] = deque(maxlen=_PENDING_BUDGETS)

    def add(self, budget: Budget, line: int) -> None:
        """Remember ``budget``, which stands on ``line``."""
        self._waiting.append((line, budget))

    def join(self, sample: Sample, line: int) -> Sample:
        """``sample`` with the task and cap of the nearest record above it that has the same output count."""
        for at, budget in reversed(self._waiting):
            if line - at > BUDGET_REACH:
                break
            if budget.output_tokens == sample.output_tokens and not sample.legacy:
                self._waiting.remove((at, budget))
                cap = sample.max_tokens or budget.max_tokens
                return replace(
                    sample,
                    task_id=sample.task_id or budget.task_id,
                    max_tokens=cap,
                    truncated=is_truncated(sample.truncated, sample.finish_reason, sample.output_tokens, cap),
                )
        return sample
