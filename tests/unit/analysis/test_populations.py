"""Which samples count for which figure."""

from __future__ import annotations

from datetime import datetime, timedelta
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_token_telemetry.analysis.metrics import Share
from pytest_token_telemetry.analysis.populations import distinct_tasks, judged, rows_of_one_per_task, successful
from tests.unit.gate.cases import call, columns, cut_off, figures

ONE = Fraction(1)


FIVE_ROWS = [
    call(100, 90, success=True, truncated=False),
    call(100, 120, success=True, truncated=False),
    call(100, 150, success=False, truncated=True),
    call(100, 100, success=False, truncated=True),
    call(100, 10, success=False, truncated=False),
]


@pytest.mark.parametrize(
    ("population", "underestimated", "truncated"),
    [
        # risk: both successes and both cut-off calls, of which 120, 150 and the cut-off 100 are too low a prediction
        ("risk", Share(3, 4), Share(2, 5)),
        ("success", Share(1, 2), Share(0, 2)),
        # all: 120 and 150 exceed their prediction; 100 does not
        ("all", Share(2, 5), Share(2, 5)),
    ],
)
def test_each_population_has_its_own_rates(population, underestimated, truncated):
    found = figures(FIVE_ROWS, population)
    assert (found.underestimation, found.truncation) == (underestimated, truncated)


@pytest.mark.parametrize("population", ["risk", "success", "all"])
@pytest.mark.parametrize(("output", "under"), [(114, 0), (115, 0), (116, 1)])
def test_the_multiplier_is_compared_exactly(population, output, under):
    # in floating point 100 * 1.15 is 114.99999999999999
    assert figures([call(100, output)], population, "1.15").underestimation == Share(under, 1)


@pytest.mark.parametrize(("output", "under"), [(10**9, 0), (10**9 - 1, 0)])
def test_the_largest_counts_do_not_overflow(output, under):
    found = figures([call(10**9, output)], "all", "9.999999")
    assert found.underestimation == Share(under, 1)


def test_the_largest_output_exceeds_a_small_prediction_by_any_multiplier():
    assert figures([call(1, 10**9)], "risk", "10").underestimation == Share(1, 1)


@pytest.mark.parametrize(("success", "truncated"), [(False, False), (None, False), (None, None), (False, None)])
def test_a_call_that_neither_succeeded_nor_was_cut_off_is_not_at_risk(success, truncated):
    assert figures([call(success=success, truncated=truncated)], "risk").underestimation.n == 0


@pytest.mark.parametrize("success", [True, False, None])
def test_a_call_that_was_cut_off_is_underestimated_whatever_its_prediction(success):
    assert figures([call(5000, 10, success=success, truncated=True)], "risk").underestimation == Share(1, 1)


@pytest.mark.parametrize("population", ["success", "all"])
def test_the_origins_populations_have_no_rule_for_truncation(population):
    assert figures([call(5000, 10, truncated=True)], population).underestimation == Share(0, 1)


def test_a_success_without_output_is_not_successful():
    assert successful(columns([call(output=0), call(output=1), call(success=None)])).tolist() == [False, True, False]


def test_a_success_without_output_is_not_at_risk():
    assert figures([call(output=0)], "risk").underestimation.n == 0


@pytest.mark.parametrize(("population", "n"), [("success", 1), ("all", 1)])
def test_the_origins_populations_keep_a_success_without_output(population, n):
    assert figures([call(output=0)], population).underestimation == Share(0, n)


@pytest.mark.parametrize("population", ["risk", "success", "all"])
@pytest.mark.parametrize("predicted", [0, -5])
def test_a_prediction_of_nothing_is_underestimated_by_any_output(population, predicted):
    found = figures([call(predicted, 1)], population)
    assert (found.underestimation, found.waste.n) == (Share(1, 1), 0)


@pytest.mark.parametrize("population", ["risk", "success", "all"])
def test_a_call_without_output_has_no_waste(population):
    assert figures([call(output=0, truncated=True)], population).waste.n == 0


def test_attempts_are_calls_that_say_whether_they_were_cut_off():
    rows = [call(truncated=False), call(truncated=True), call(truncated=None)]
    assert figures(rows, "risk").truncation == Share(1, 2)


@pytest.mark.parametrize("population", ["success", "all"])
def test_the_origins_truncation_rate_is_over_all_it_keeps(population):
    rows = [call(truncated=False), call(truncated=True), call(truncated=None)]
    assert figures(rows, population).truncation == Share(1, 3)


LEGACY = call(100, 200, legacy=True, success=None, truncated=None)


@pytest.mark.parametrize(("population", "under"), [("risk", Share(0, 0)), ("success", Share(0, 0))])
def test_legacy_samples_are_not_judged(population, under):
    found = figures([LEGACY], population)
    assert (found.underestimation, found.truncation, found.waste.n, found.smape.n) == (under, Share(0, 0), 0, 0)


def test_the_origins_default_judges_legacy_samples_but_not_their_truncation():
    found = figures([LEGACY, call(100, 50)], "all")
    assert (found.underestimation, found.truncation, found.waste.n, found.smape.n) == (Share(1, 2), Share(0, 1), 2, 2)


@pytest.mark.parametrize("population", ["risk", "success", "all"])
def test_no_samples_are_no_figures(population):
    found = figures([], population)
    assert (found.underestimation.value, found.truncation.value, found.success.value) == (None, None, None)
    assert (found.waste.p90, found.smape.mean, found.output_tokens.mean) == (None, None, None)


@pytest.mark.parametrize("multiplier", ["1", "1.1", "0.5"])
def test_each_mask_lies_within_its_population(multiplier):
    samples = columns([*FIVE_ROWS, LEGACY, call(0, 5), call(5, 0)])
    for population in ("risk", "success", "all"):
        found = judged(samples, population, Fraction(multiplier))
        assert not (found.underestimated & ~found.at_risk).any()
        assert not (found.truncated & ~found.attempts).any()
        assert not (found.with_ratio & ~found.at_risk).any()


# One sample a task


NOON = datetime(2026, 1, 2, 12)


def one_per_task(samples):
    return samples.take(rows_of_one_per_task(samples))


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
