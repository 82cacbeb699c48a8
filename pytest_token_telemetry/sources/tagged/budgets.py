"""Which ``[TOKEN_BUDGET]`` record belongs to which sample."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_token_telemetry.sample import is_truncated
from pytest_token_telemetry.sources.source import REACH

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pytest_token_telemetry.sample import Sample
    from pytest_token_telemetry.samples import SamplesBuilder
    from pytest_token_telemetry.sources.tagged.records import Budget


class Budgets:
    """The ``[TOKEN_BUDGET]`` records of one text that no sample has claimed yet."""

    def __init__(self, reach: int = REACH) -> None:
        """A sample is at most ``reach`` lines below its record."""
        self._reach = reach
        self._pending: dict[int, list[tuple[int, Budget]]] = defaultdict(list)

    def add(self, budget: Budget, line: int) -> None:
        """Remember ``budget``, which stands on ``line``."""
        self._pending[budget.output_tokens].append((line, budget))

    def claim(self, output_tokens: int, line: int) -> Budget | None:
        """Take the nearest record above ``line`` that has this output count: no other sample gets it."""
        pending = self._pending.get(output_tokens)
        if not pending or line - pending[-1][0] > self._reach:
            return None
        return pending.pop()[1]

    def join(self, sample: Sample, line: int) -> Sample:
        """Claim the record of ``sample``, and add to it what that says."""
        found = None if sample.legacy else self.claim(sample.output_tokens, line)
        return sample if found is None else joined(sample, found)


def joined(sample: Sample, budget: Budget) -> Sample:
    """Add the task and the cap of its record to ``sample``, where its own line does not name them."""
    cap = sample.max_tokens or budget.max_tokens
    return replace(
        sample,
        task_id=sample.task_id or budget.task_id,
        max_tokens=cap,
        truncated=is_truncated(sample.truncated, sample.finish_reason, sample.output_tokens, cap),
    )


def join_rows(
    table: SamplesBuilder,
    rows: Iterable[tuple[int, int, int, int]],
    budgets: Iterable[tuple[int, int, int, Budget]],
    reach: int = REACH,
) -> None:
    """Give each sample what the record of its file that it claims says.

    Args:
        table: the samples.
        rows: file, line, place in the line, and row of each sample, in their order.
        budgets: file, line, place in the line, and the record itself, in their order.
        reach: lines from a record to its sample, at most.
    """
    waiting, of = Budgets(reach), -1
    following = iter(budgets)
    budget = next(following, None)
    outputs, legacy = table.column("output_tokens"), table.column("legacy")
    claims: list[tuple[int, Budget]] = []
    for file, line, place, row in rows:
        if file != of:
            waiting, of = Budgets(reach), file
        while budget is not None and budget[:3] < (file, line, place):
            if budget[0] == file:
                waiting.add(budget[3], budget[1])
            budget = next(following, None)
        found = None if legacy[row] else waiting.claim(int(outputs[row]), line)
        if found is not None:
            claims.append((row, found))
    _join_claims(table, claims)


def _join_claims(table: SamplesBuilder, claims: Sequence[tuple[int, Budget]]) -> None:
    """Do what `joined` does for all rows of ``claims`` at once."""
    rows = [row for row, _ in claims]
    names = ("task_id", "max_tokens", "truncated", "finish_reason", "output_tokens")
    known = zip(*(table.values(name, rows) for name in names), strict=True)
    tasks, caps, flags = [], [], []
    for (_, budget), (task, cap, flag, reason, output) in zip(claims, known, strict=True):
        tasks.append(task or budget.task_id)
        caps.append(cap or budget.max_tokens)
        flags.append(is_truncated(flag, reason, output, caps[-1]))
    for name, values in (("task_id", tasks), ("max_tokens", caps), ("truncated", flags)):
        table.write(name, rows, values)
