"""Recorded calls with another estimator's predictions and budgets, and two estimators on the same samples."""

from __future__ import annotations

from dataclasses import fields
from fractions import Fraction
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st
from scipy.stats import binom

from pytest_token_telemetry.analysis.metrics import Share, metrics
from pytest_token_telemetry.analysis.populations import judged
from pytest_token_telemetry.analysis.replayed import (
    Paired,
    PredictionRatio,
    askable,
    cut_offs,
    difference_bounds,
    mid_p,
    most_changed,
    paired,
    prediction_ratio,
    rows_to_ask,
    with_estimates,
)
from pytest_token_telemetry.samples import UNKNOWN
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
    known = judged(found, population, Fraction(1)).without_attempts(cut.unknown)
    assert known.attempts.tolist() == [True, True, False]
    assert known.truncated.tolist() == [False, True, False]
    assert metrics(found, known).truncation.value == 0.5


def test_a_truncation_that_nobody_knows_of_stays_underestimated():
    """It was cut off before it ended: no prediction below its output would have done."""
    found, cut = replayed(cut_off(output=900), predicted=[800], budgets=[1000])
    known = judged(found, "risk", Fraction(1)).without_attempts(cut.unknown)
    assert (known.at_risk.tolist(), known.underestimated.tolist()) == ([True], [True])


def test_a_failed_call_that_would_have_been_cut_off_counts_as_one_at_risk():
    found, cut = replayed(call(output=900, success=False), predicted=[1000], budgets=[800])
    known = judged(found, "risk", Fraction(1)).without_attempts(cut.unknown)
    assert (known.at_risk.tolist(), known.underestimated.tolist()) == ([True], [True])


@pytest.mark.parametrize(("judges_legacy", "expected"), [(False, [True, False]), (True, [True, True])])
def test_legacy_samples_are_asked_about_only_where_they_are_judged(judges_legacy, expected):
    assert askable(columns([call(), call(**LEGACY)]), judges_legacy=judges_legacy).tolist() == expected


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([call(None), call(1), call(0)], [False, True, True]),
        ([call(None), call(None, success=False)], [True, True]),
        ([call(None), call(1, **LEGACY)], [True, False]),  # that one is not asked about
        ([], []),
    ],
)
def test_calls_without_a_prediction_are_asked_about_where_none_has_one(rows, expected):
    assert askable(columns(rows), judges_legacy=False).tolist() == expected


def test_whether_any_call_has_a_prediction_is_up_to_those_that_take_part():
    """The last attempt counts, and neither task's last one has a prediction."""
    rows = [call(1, task_id="a"), call(None, task_id="a"), call(1, task_id="b"), call(None, task_id="b")]
    assert rows_to_ask(columns(rows), judges_legacy=False, one_per_task=True).tolist() == [1, 3]
    assert rows_to_ask(columns(rows), judges_legacy=False, one_per_task=False).tolist() == [0, 2]


def test_one_attempt_a_task_is_asked_about_where_one_is_judged():
    samples = columns([call(task_id="a"), call(**LEGACY), call(task_id="a"), call(), call(task_id="b")])
    assert rows_to_ask(samples, judges_legacy=False, one_per_task=True).tolist() == [2, 3, 4]
    assert rows_to_ask(samples, judges_legacy=True, one_per_task=True).tolist() == [1, 2, 3, 4]
    assert rows_to_ask(samples, judges_legacy=False, one_per_task=False).tolist() == [0, 2, 3, 4]


# Two estimators


COUNTS = st.integers(0, 60)
TABLES = st.builds(Paired, COUNTS, COUNTS, COUNTS, COUNTS)

T, F = True, False


def swapped(counts: Paired) -> Paired:
    """Base and head the other way round."""
    return Paired(counts.newly_safe, counts.newly_underestimated, counts.both, counts.neither)


def differing(newly_underestimated: int, newly_safe: int) -> Paired:
    return Paired(newly_underestimated, newly_safe, 3, 100)


def test_samples_are_counted_by_who_underestimates_them():
    base = np.array([T, T, T, F, F, F, F, F, F, F])
    head = np.array([T, F, F, T, T, T, F, F, F, F])
    found = paired(base, head)
    assert found == Paired(newly_underestimated=3, newly_safe=2, both=1, neither=4)
    assert (found.n, found.base, found.head) == (10, Share(3, 10), Share(4, 10))
    assert found.difference == pytest.approx(0.1)


def test_no_samples_are_no_difference():
    nobody = paired(np.array([], dtype=np.bool_), np.array([], dtype=np.bool_))
    assert nobody == Paired(0, 0, 0, 0)
    assert (nobody.difference, difference_bounds(nobody), mid_p(nobody)) == (None, None, 1.0)


@pytest.mark.parametrize(
    ("newly_underestimated", "newly_safe", "expected"),
    [
        (6, 16, 0.034690),  # complete response before and after therapy: Fagerland, Lydersen and Laake (2014)
        (1, 7, 10 / 256),  # airway hyper-responsiveness, the same: 2 * (1 + 8) / 2**8 - 8 / 2**8
        (0, 5, 1 / 32),  # 2 / 2**5 - 1 / 2**5
        (0, 1, 1 / 2),
        (2, 1, 1 - 3 / 8),  # the whole distribution less one observed outcome
    ],
)
def test_mid_p_is_that_of_published_examples(newly_underestimated, newly_safe, expected):
    assert mid_p(differing(newly_underestimated, newly_safe)) == pytest.approx(expected, abs=5e-7)


@pytest.mark.parametrize("count", [0, 1, 2, 17, 10**6])
def test_as_many_newly_underestimated_as_newly_safe_samples_are_no_evidence(count):
    assert mid_p(differing(count, count)) == 1.0


@limits(deadline=None, max_examples=200)
@given(st.integers(0, 300), st.integers(0, 300))
def test_mid_p_agrees_with_the_binomial_distribution(newly_underestimated, newly_safe):
    n, smaller = newly_underestimated + newly_safe, min(newly_underestimated, newly_safe)
    expected = 2 * binom.cdf(smaller, n, 0.5) - binom.pmf(smaller, n, 0.5)
    assert mid_p(differing(newly_underestimated, newly_safe)) == pytest.approx(expected, rel=1e-9)


@limits(deadline=None, max_examples=50)
@given(st.integers(0, 100), st.integers(0, 100))
def test_mid_p_is_the_exact_p_value_less_the_observed_probability(newly_underestimated, newly_safe):
    tables = pytest.importorskip("statsmodels.stats.contingency_tables", reason="statsmodels is not at hand")
    n = newly_underestimated + newly_safe
    observed = comb(n, newly_safe) / 2**n
    exact = tables.mcnemar([[3, newly_underestimated], [newly_safe, 100]], exact=True).pvalue
    if newly_underestimated != newly_safe:
        assert mid_p(differing(newly_underestimated, newly_safe)) == pytest.approx(exact - observed, abs=1e-12)


@pytest.mark.parametrize(("newly_underestimated", "newly_safe"), [(501_000, 500_000), (10**6, 0), (3, 10**5)])
def test_mid_p_stays_exact_with_a_million_samples(newly_underestimated, newly_safe):
    n, smaller = newly_underestimated + newly_safe, min(newly_underestimated, newly_safe)
    expected = 2 * binom.cdf(smaller, n, 0.5) - binom.pmf(smaller, n, 0.5)
    assert mid_p(differing(newly_underestimated, newly_safe)) == pytest.approx(expected, rel=1e-6)


@given(TABLES)
def test_mid_p_is_a_probability_and_the_same_for_either_estimator(counts):
    assert 0.0 <= mid_p(counts) <= 1.0
    assert mid_p(counts) == mid_p(swapped(counts))


@pytest.mark.parametrize(
    ("both", "only_head", "only_base", "neither", "lower", "upper"),
    [
        # Newcombe (1998), method 10, two-sided 95%
        (36, 12, 2, 0, 0.0569, 0.3404),  # the rates go against each other
        (12, 9, 2, 21, 0.0112, 0.2954),  # they go together, which is corrected for continuity
        # Fagerland, Lydersen and Laake (2014)
        (1, 1, 7, 12, -0.507, -0.026),  # they go together so little that the correction leaves nothing
        (59, 6, 16, 80, -0.1186, -0.0046),
    ],
)
def test_bounds_on_the_difference_are_those_of_published_examples(both, only_head, only_base, neither, lower, upper):
    found = difference_bounds(Paired(only_head, only_base, both, neither), confidence=0.975)
    assert found is not None
    digits = len(str(lower).partition(".")[2])
    assert (round(found.lower, digits), round(found.upper, digits)) == (lower, upper)


def test_bounds_combine_those_of_both_rates_where_nothing_goes_together():
    # Base underestimates none of 20, so that nothing can go with it: 0.2 - sqrt((0.2 - 0.093118)**2 + 0.119158**2),
    # 0.2 + sqrt((0.378377 - 0.2)**2 + 0**2), with Wilson's one-sided 95% bounds for 4/20 and 0/20
    found = difference_bounds(Paired(4, 0, 0, 16))
    assert (found.lower, found.upper) == pytest.approx((0.039930, 0.378377), abs=2e-6)


@limits(deadline=None, max_examples=200)
@given(TABLES, st.sampled_from([0.5, 0.8, 0.95, 0.999]))
def test_bounds_enclose_the_difference_and_turn_with_it(counts, confidence):
    found, turned = difference_bounds(counts, confidence), difference_bounds(swapped(counts), confidence)
    if counts.n == 0:
        assert found is turned is None
        return
    assert found.confidence == confidence
    assert -1 - 1e-12 <= found.lower <= counts.difference <= found.upper <= 1 + 1e-12
    assert (turned.lower, turned.upper) == (pytest.approx(-found.upper), pytest.approx(-found.lower))


@given(TABLES)
def test_more_confidence_is_a_wider_interval(counts):
    if counts.n:
        wide, narrow = difference_bounds(counts, 0.99), difference_bounds(counts, 0.9)
        assert wide.lower <= narrow.lower + 1e-12
        assert narrow.upper <= wide.upper + 1e-12


def test_without_a_differing_sample_there_is_still_no_certainty():
    found = difference_bounds(Paired(0, 0, 2, 28))
    assert found is not None
    assert found.lower < -0.02
    assert found.upper > 0.02


def test_predictions_are_compared_by_their_ratio():
    # ratios 0.5, 1, 1, 2, 4; Hyndman and Fan's sixth: 0.1 * 6 = 0.6 is before the first, 0.9 * 6 = 5.4 after the last
    found = prediction_ratio(np.array([100, 100, 700, 100, 25]), np.array([200, 50, 700, 100, 100]))
    assert found == PredictionRatio(n=5, raised=2, lowered=1, min=0.5, p10=0.5, p50=1.0, p90=4.0, max=4.0)


def test_what_is_not_predicted_has_no_ratio():
    found = prediction_ratio(np.array([0, -5, 100, 100]), np.array([100, 100, 0, 150]))
    assert found == PredictionRatio(n=1, raised=1, lowered=0, min=1.5, p10=1.5, p50=1.5, p90=1.5, max=1.5)


def test_no_predictions_have_no_ratio():
    nothing = np.array([], dtype=np.int64)
    assert prediction_ratio(nothing, nothing) == PredictionRatio(0, 0, 0, None, None, None, None, None)
    assert most_changed(nothing, nothing, 10).tolist() == []


def test_the_largest_change_comes_first_whichever_way_it_went():
    base, head = np.array([100, 100, 100, 100, 100]), np.array([150, 20, 100, 300, 99])
    assert most_changed(base, head, 10).tolist() == [1, 3, 0, 4]


def test_no_more_changes_are_listed_than_asked_for():
    base, head = np.full(50, 100), np.arange(101, 151)
    assert most_changed(base, head, 3).tolist() == [49, 48, 47]
    assert most_changed(base, head, 0).tolist() == []


def test_equal_changes_keep_the_order_of_the_rows():
    # a third and three times: the logarithm of a rounded third is not exactly that of three
    base, head = np.array([100, 300, 700, 900, 21]), np.array([300, 100, 2100, 300, 63])
    assert most_changed(base, head, 5).tolist() == [0, 1, 2, 3, 4]


def test_a_prediction_that_came_or_went_is_the_greatest_change():
    base, head = np.array([100, 0, 100, 0, -3, 10, 0]), np.array([100_000, 100, 0, 0, 0, 10, 1])
    assert most_changed(base, head, 10).tolist() == [1, 2, 6, 0]


@limits(deadline=None, max_examples=100)
@given(st.lists(st.tuples(st.integers(1, 400), st.integers(1, 400)), max_size=40), st.integers(0, 12))
def test_the_most_changed_are_those_with_the_largest_factor(predictions, most):
    base, head = (np.array([each[side] for each in predictions], dtype=np.int64) for side in (0, 1))
    factors = [max(Fraction(*each), 1 / Fraction(*each)) for each in predictions]
    expected = sorted((row for row in range(len(factors)) if factors[row] > 1), key=lambda row: (-factors[row], row))
    assert most_changed(base, head, most).tolist() == expected[:most]
