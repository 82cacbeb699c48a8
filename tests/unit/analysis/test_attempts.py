"""Attempts at tasks: first ones, retries with a larger cap, and calls near their cap."""

from __future__ import annotations

import itertools
from datetime import datetime, timedelta
from unittest import mock

from hypothesis import given
from hypothesis import strategies as st

from pytest_token_telemetry.analysis import attempts as module
from pytest_token_telemetry.analysis.attempts import Attempts, attempts
from pytest_token_telemetry.analysis.metrics import Share
from pytest_token_telemetry.sample import Sample
from tests.unit.gate.cases import columns, verdict
from tests.unit.gate.test_sizes import SIZES, in_blocks

NOON = datetime(2026, 1, 2, 12)


def attempt(task: str | None, output: int, cap: int | None, minute: int | None = 0, **fields: object) -> Sample:
    known = {"truncated": None if cap is None else output >= cap, "task_id": task, "max_tokens": cap}
    time = None if minute is None else NOON + timedelta(minutes=minute)
    return Sample(output_tokens=output, time=time, **{**known, **fields})  # type: ignore[arg-type]


CALLS = [
    attempt("a", 1000, 1000, 1),
    attempt("a", 1500, 2000, 2),  # a retry with a larger cap, not cut off again
    attempt("b", 1000, 1000, 5),
    attempt("b", 2000, 2000, 6),  # one that was cut off again
    attempt("b", 2000, 2000, 7),  # and again, with no larger cap
    attempt("b", 3000, 9000, 8),  # a retry with a larger cap, not cut off again
    attempt("c", 949, 1000, 1),
    attempt("c", 100, 2000, 2),  # the one before was not cut off
    attempt("d", 950, 1000, 9),  # the later one of its task, though it stands first
    attempt("d", 10, 1000, 3),
    attempt("e", 10, None, 1),  # nobody knows how the first attempt ended
    attempt(None, 1000, 1000, 1),
    Sample(output_tokens=1000, predicted_output_tokens=9, max_tokens=1000, truncated=True, task_id="f", legacy=True),
]


def test_attempts_are_those_counted_by_hand() -> None:
    # first calls that say: of a and b (cut off), of c and d; cut off in all: a 1, b 3, the one without a task;
    # 95% of the cap or more: a 1, b 3, d 1, and the one without a task, of 11 with a cap
    assert attempts(columns(CALLS)) == Attempts(Share(2, 4), Share(5, 11), Share(2, 3), Share(6, 11), 3000)


def test_without_calls_there_are_no_attempts() -> None:
    assert attempts(columns([])) == Attempts(Share(0, 0), Share(0, 0), Share(0, 0), Share(0, 0))


def test_no_attempt_is_hidden_where_one_of_each_task_is_judged() -> None:
    assert verdict(CALLS, one_per_task="true").attempts == verdict(CALLS).attempts == attempts(columns(CALLS))


def test_the_largest_counts_overflow_nothing() -> None:
    assert attempts(columns([attempt("a", 950_000_000, 10**9)])).near_cap == Share(1, 1)


@given(
    st.lists(
        st.builds(
            attempt,
            st.sampled_from([None, "a", "b", "c"]),
            st.sampled_from([0, 94, 95, 100, 200]),
            st.sampled_from([None, 100, 200, 300]),
            st.sampled_from([None, 0, 0, 1, 2]),
            truncated=st.sampled_from([None, True, False]),
            legacy=st.sampled_from([False, False, False, True]),
        ),
        max_size=30,
    ),
    SIZES,
)
def test_attempts_are_those_that_plain_sorting_finds(calls: list[Sample], size: int) -> None:
    counted = [call for call in calls if not call.legacy]
    tasks = [
        sorted((call for call in counted if call.task_id == task), key=lambda call: call.time or datetime.min)
        for task in "abc"
    ]
    retries = [
        after
        for task in tasks
        for before, after in itertools.pairwise(task)
        if before.truncated and before.max_tokens and after.max_tokens and after.max_tokens > before.max_tokens
    ]
    capped = [call for call in counted if call.max_tokens]
    with in_blocks(size), mock.patch.object(module, "_AT_ONCE", size):
        found = attempts(columns(calls))
    assert found == Attempts(
        cut_off([task[0] for task in tasks if task]),
        cut_off(counted),
        Share(sum(call.truncated is False for call in retries), sum(call.truncated is not None for call in retries)),
        Share(sum(call.output_tokens >= (call.max_tokens or 0) * 0.95 for call in capped), len(capped)),
        max((call.output_tokens for call in retries if call.truncated is False), default=0) or None,
    )


def cut_off(calls: list[Sample]) -> Share:
    return Share(sum(call.truncated is True for call in calls), sum(call.truncated is not None for call in calls))
