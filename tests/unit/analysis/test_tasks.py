"""One sample a task."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_token_telemetry.analysis.tasks import distinct_tasks, one_per_task
from tests.unit.gate.cases import call, columns, cut_off

NOON = datetime(2026, 1, 2, 12)


def outputs(*rows):
    return one_per_task(columns(list(rows))).output_tokens.tolist()


def at(minutes, output, **fields):
    return call(output=output, time=NOON + timedelta(minutes=minutes), **{"task_id": "a", **fields})


def test_the_last_attempt_by_time_is_kept_wherever_it_stands():
    assert outputs(at(2, 22), at(3, 33), at(1, 11)) == [33]


def test_without_times_the_last_attempt_by_place_is_kept():
    assert outputs(call(output=1, task_id="a"), call(output=2, task_id="a")) == [2]


def test_at_one_time_the_last_attempt_by_place_is_kept():
    assert outputs(at(1, 1), at(1, 2), at(0, 3)) == [2]


def test_an_attempt_with_a_time_is_later_than_one_without():
    assert outputs(at(1, 1), call(output=2, task_id="a")) == [1]


def test_each_task_keeps_one_sample_in_the_order_of_the_log():
    rows = [call(output=output, task_id=task) for output, task in enumerate("abcab", start=1)]
    assert outputs(*rows) == [3, 4, 5]


def test_samples_that_name_no_task_are_all_kept():
    rows = [call(output=1), call(output=2, task_id="a"), call(output=3), call(output=4, task_id="a")]
    assert outputs(*rows) == [1, 3, 4]


def test_without_any_task_nothing_changes():
    rows = [call(output=output) for output in (1, 2, 3)]
    assert outputs(*rows) == [1, 2, 3]
    assert one_per_task(columns([cut_off()])).truncated.tolist() == [1]


def test_no_samples_are_no_tasks():
    assert len(one_per_task(columns([]))) == 0
    assert distinct_tasks(columns([])) == (0, 0)


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_task_with_a_truncated_attempt_counts_as_truncated_wherever_it_was(place):
    rows = [call(output=1, task_id="a"), call(output=2, task_id="a"), call(output=3, task_id="a")]
    rows[place] = cut_off(output=9, task_id="a")
    kept = one_per_task(columns([*rows, call(task_id="b")]))
    assert kept.truncated.tolist() == [1, 0]


def test_a_truncated_sample_without_a_task_touches_no_other():
    kept = one_per_task(columns([cut_off(), call(), call(task_id="z")]))
    assert kept.truncated.tolist() == [1, 0, 0]


def test_a_task_that_never_says_whether_it_was_cut_off_stays_unknown():
    kept = one_per_task(columns([call(task_id="a", truncated=False), call(task_id="a", truncated=None)]))
    assert kept.truncated.tolist() == [-1]


def test_all_that_a_sample_has_stays_with_it():
    rows = [
        call(task_id="a", features={"turn": "1"}),
        call(task_id="a", features={"turn": "2"}, category="docs", model="m", run="r"),
        call(features={"turn": "3"}),
        call(task_id="b"),
    ]
    kept = one_per_task(columns(rows))
    assert kept.features == {0: {"turn": "2"}, 1: {"turn": "3"}}
    assert [kept.category.name(row) for row in range(3)] == ["docs", "implementation", "implementation"]
    assert (kept.model.name(0), kept.run.name(0), kept.task_id.name(0)) == ("m", "r", "a")
    assert kept.line.tolist() == [2, 3, 4]


def test_taking_rows_takes_their_features_in_the_new_order():
    samples = columns([call(output=n, features={"n": str(n)} if n != 2 else {}) for n in (1, 2, 3)])
    taken = samples.take(np.array([2, 1, 0]))
    assert taken.output_tokens.tolist() == [3, 2, 1]
    assert taken.features == {0: {"n": "3"}, 2: {"n": "1"}}


def test_tasks_are_counted_among_the_samples_that_name_one():
    rows = [call(), *[call(task_id="a")] * 3, call(task_id="b")]
    assert distinct_tasks(columns(rows)) == (4, 2)


@given(st.lists(st.tuples(st.sampled_from([None, "a", "b", "c"]), st.none() | st.integers(0, 3), st.booleans())))
def test_one_sample_a_task_remains(rows):
    samples = columns(
        [
            call(
                output=place + 1,
                task_id=task,
                time=None if minute is None else NOON + timedelta(minutes=minute),
                truncated=cut,
            )
            for place, (task, minute, cut) in enumerate(rows)
        ]
    )
    kept = one_per_task(samples)
    tasks = {task for task, _, _ in rows} - {None}
    assert len(kept) == sum(task is None for task, _, _ in rows) + len(tasks)
    for task in tasks:
        (row,) = [row for row in range(len(kept)) if kept.task_id.name(row) == task]
        attempts = [
            (cut, -1 if minute is None else minute, place)
            for place, (name, minute, cut) in enumerate(rows)
            if name == task
        ]
        assert kept.output_tokens[row] == max(attempts)[-1] + 1
        assert kept.truncated[row] == any(cut for name, _, cut in rows if name == task)
