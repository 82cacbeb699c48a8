"""Which ``[TOKEN_BUDGET]`` record belongs to which sample of one text."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_token_telemetry.sample import is_truncated
from pytest_token_telemetry.sources.source import REACH

if TYPE_CHECKING:
    from pytest_token_telemetry.sample import Sample
    from pytest_token_telemetry.sources.tagged.records import Budget


class Budgets:
    """The ``[TOKEN_BUDGET]`` records of one text that no sample has absorbed yet."""

    def __init__(self) -> None:
        self._pending: dict[int, list[tuple[int, Sample]]] = defaultdict(list)

    def add(self, budget: Budget, line: int) -> None:
        """Remember ``budget``, which stands on ``line``."""
        self._pending[budget.sample.output_tokens].append((line, budget.sample))

    def join(self, sample: Sample, line: int) -> Sample:
        """Add to ``sample`` what the nearest record above ``line`` with its output says: no other sample gets that."""
        pending = self._pending.get(sample.output_tokens)
        if sample.legacy or not pending or line - pending[-1][0] > REACH:
            return sample
        _, budget = pending.pop()
        cap = sample.max_tokens or budget.max_tokens
        return replace(
            sample,
            task_id=sample.task_id or budget.task_id,
            max_tokens=cap,
            truncated=is_truncated(sample.truncated, sample.finish_reason, sample.output_tokens, cap),
        )
