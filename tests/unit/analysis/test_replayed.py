"""Recorded calls with another estimator's predictions and budgets."""

from __future__ import annotations

from dataclasses import fields
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_token_telemetry.analysis.metrics import metrics
from pytest_token_telemetry.analysis.populations import judged
from pytest_token_telemetry.analysis.replayed import (
    askable,
    cut_offs,
    rows_to_ask,
    with_estimates,
    without_unknown,
)
from pytest_token_telemetry.columns import UNKNOWN
from tests.unit.gate.cases import call, columns, cut_off

LEGACY = {"legacy": True, "success": None, "truncated": None}


def budgets_on(*rows, budgets):
    return cut_offs(columns(list(rows)), np.array(budgets))


@pytest.mark.parametrize(
    ("truncated", "output", "budget", "would", "unknown"),
    [
        # it ended by itself after 900 tokens
        (False, 900, 901, False, False),
        (False, 900, 900, False, False),
        (False, 900, 899, True, False),
        (False, 900, 0, True, False),
        # it was cut off after 900: it wanted more than that
        (True, 900, 899, True, False),
        (True, 900, 900, True, False),
        (True, 900, 901, False, True),
        # nobody says whether it was cut off
        (None, 900, 901, False, False),
        (None, 900, 900, False, False),
        (None, 900, 899, True, False),
        # no budget: nothing is known of one
        (False, 900, UNKNOWN, False, False),
        (True, 900, UNKNOWN, False, False),
        # nothing came out
        (False, 0, 0, False, False),
        (True, 0, 0, True, False),
    ],
)
def test_what_a_budget_would_have_cut_off(truncated, output, budget, would, unknown):
    found = budgets_on(call(output=output, truncated=truncated), budgets=[budget])
    assert found.with_budget.tolist() == [budget != UNKNOWN]
    assert (found.would.tolist(), found.unknown.tolist()) == ([would], [unknown])


def test_every_call_has_a_budget_of_its_own():
    found = budgets_on(call(output=900), cut_off(output=900), call(output=900), budgets=[800, 1000, UNKNOWN])
    assert found.with_budget.tolist() == [True, True, False]
    assert found.would.tolist() == [True, False, False]
    assert found.unknown.tolist() == [False, True, False]


@given(st.lists(st.tuples(st.sampled_from([True, False, None]), st.integers(0, 5), st.integers(-1, 5))))
def test_no_call_would_have_been_cut_off_and_is_unknown_as_well(calls):
    found = budgets_on(
        *(call(output=output, truncated=cut) for cut, output, _ in calls), budgets=[b for *_, b in calls]
    )
    assert not (found.would & found.unknown).any()
    assert not ((found.would | found.unknown) & ~found.with_budget).any()


def replayed(*rows, predicted, budgets=None):
    samples = columns(list(rows))
    budgets = np.array(budgets or [UNKNOWN] * len(rows))
    cut = cut_offs(samples, budgets)
    return with_estimates(samples, np.array(predicted), budgets, cut), cut


def test_predictions_take_the_place_of_those_of_the_time():
    found, _ = replayed(call(1000), call(2000), predicted=[1500, 0])
    assert found.predicted_output_tokens.tolist() == [1500, 0]


def test_budgets_take_the_place_of_those_of_the_time_where_there_are_any():
    found, _ = replayed(call(budget_tokens=8192), call(budget_tokens=8192), predicted=[1, 1], budgets=[4096, UNKNOWN])
    assert found.budget_tokens.tolist() == [4096, 8192]


def test_a_call_that_a_budget_would_have_cut_off_is_truncated():
    rows = (call(output=900), cut_off(output=900), call(output=900, truncated=None), call(output=900))
    found, _ = replayed(*rows, predicted=[1] * 4, budgets=[800, 1000, 800, 900])
    assert found.truncated.tolist() == [1, 1, 1, 0]


def test_a_logged_error_stays_where_the_prediction_does():
    found, _ = replayed(call(1000, smape=10.5), call(1000, smape=10.5), call(1000), predicted=[1000, 1001, 1000])
    assert found.smape.tolist() == pytest.approx([10.5, np.nan, np.nan], nan_ok=True)


def test_all_else_is_as_it_was_recorded():
    recorded = columns([call(task_id="a", features={"x": "1"}), cut_off(category="docs")])
    budgets = np.array([800, 9000])
    found = with_estimates(recorded, np.array([1, 2]), budgets, cut_offs(recorded, budgets))
    changed = {field.name for field in fields(found) if getattr(found, field.name) is not getattr(recorded, field.name)}
    assert changed == {"predicted_output_tokens", "budget_tokens", "truncated", "smape"}


def test_the_recorded_samples_stay_as_they_are():
    recorded = columns([call(1000, 900)])
    budgets = np.array([800])
    with_estimates(recorded, np.array([7]), budgets, cut_offs(recorded, budgets))
    assert (recorded.predicted_output_tokens[0], recorded.truncated[0]) == (1000, 0)


@pytest.mark.parametrize("population", ["risk", "all"])
def test_a_truncation_that_nobody_knows_of_is_no_attempt(population):
    # one ended by itself, one would have been cut off, one was and might not have been
    rows = (call(output=900), call(output=900), cut_off(output=900))
    found, cut = replayed(*rows, predicted=[1000] * 3, budgets=[900, 800, 1000])
    known = without_unknown(judged(found, population, Fraction(1)), cut)
    assert known.attempts.tolist() == [True, True, False]
    assert known.truncated.tolist() == [False, True, False]
    assert metrics(found, known).truncation.value == 0.5


def test_a_truncation_that_nobody_knows_of_stays_underestimated():
    """It was cut off before it ended: no prediction below its output would have done."""
    found, cut = replayed(cut_off(output=900), predicted=[800], budgets=[1000])
    known = without_unknown(judged(found, "risk", Fraction(1)), cut)
    assert (known.at_risk.tolist(), known.underestimated.tolist()) == ([True], [True])


def test_a_failed_call_that_would_have_been_cut_off_counts_as_one_at_risk():
    found, cut = replayed(call(output=900, success=False), predicted=[1000], budgets=[800])
    known = without_unknown(judged(found, "risk", Fraction(1)), cut)
    assert (known.at_risk.tolist(), known.underestimated.tolist()) == ([True], [True])


@pytest.mark.parametrize(("judges_legacy", "expected"), [(False, [True, False]), (True, [True, True])])
def test_legacy_samples_are_asked_about_only_where_they_are_judged(judges_legacy, expected):
    assert askable(columns([call(), call(**LEGACY)]), judges_legacy=judges_legacy).tolist() == expected


def test_one_attempt_a_task_is_asked_about_where_one_is_judged():
    samples = columns([call(task_id="a"), call(**LEGACY), call(task_id="a"), call(), call(task_id="b")])
    assert rows_to_ask(samples, judges_legacy=False, one_per_task=True).tolist() == [2, 3, 4]
    assert rows_to_ask(samples, judges_legacy=True, one_per_task=True).tolist() == [1, 2, 3, 4]
    assert rows_to_ask(samples, judges_legacy=False, one_per_task=False).tolist() == [0, 2, 3, 4]
