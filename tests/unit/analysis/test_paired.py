"""Two estimators on the same samples."""

from __future__ import annotations

from fractions import Fraction
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st
from scipy.stats import binom

from pytest_token_telemetry.analysis.evidence import Bounds
from pytest_token_telemetry.analysis.metrics import Share
from pytest_token_telemetry.analysis.paired import (
    Paired,
    PredictionRatio,
    difference_bounds,
    mid_p,
    most_changed,
    paired,
    prediction_ratio,
    wilson,
)

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
        # Newcombe (1998), method 10, two-sided 95 %
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
    # 0.2 + sqrt((0.378377 - 0.2)**2 + 0**2), with Wilson's one-sided 95 % bounds for 4/20 and 0/20
    found = difference_bounds(Paired(4, 0, 0, 16))
    assert found == Bounds(0.95, pytest.approx(0.039930, abs=2e-6), pytest.approx(0.378377, abs=2e-6))


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


@pytest.mark.parametrize(
    ("events", "n", "lower", "upper"),
    [
        # Wilson, one-sided 95 %, as statsmodels' proportion_confint(method="wilson", alpha=0.1) gives them
        (0, 20, 0.0, 0.119158),
        (1, 20, 0.011235, 0.196007),
        (4, 20, 0.093118, 0.378377),
        (0, 59, 0.0, 0.043846),
        (5, 100, 0.024547, 0.099161),
    ],
)
def test_wilson_bounds_are_those_of_the_published_table(events, n, lower, upper):
    found = wilson(events / n, n)
    assert (found.lower, found.upper) == (pytest.approx(lower, abs=5e-7), pytest.approx(upper, abs=5e-7))


@limits(deadline=None, max_examples=100)
@given(
    st.integers(1, 10**6).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))),
    st.sampled_from([0.6, 0.9, 0.95, 0.999]),
)
def test_wilson_bounds_agree_with_statsmodels(counts, confidence):
    proportion = pytest.importorskip("statsmodels.stats.proportion", reason="statsmodels is not at hand")
    events, n = counts
    found = wilson(events / n, n, confidence)
    expected = proportion.proportion_confint(events, n, method="wilson", alpha=2 * (1 - confidence))
    assert (found.lower, found.upper) == pytest.approx(expected, abs=1e-9)
    assert 0.0 <= found.lower <= events / n <= found.upper <= 1.0


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
    assert most_changed(nothing, nothing, 10) == []


def test_the_largest_change_comes_first_whichever_way_it_went():
    base, head = np.array([100, 100, 100, 100, 100]), np.array([150, 20, 100, 300, 99])
    assert most_changed(base, head, 10) == [(1, 0.2), (3, 3.0), (0, 1.5), (4, 0.99)]


def test_no_more_changes_are_listed_than_asked_for():
    base, head = np.full(50, 100), np.arange(101, 151)
    assert [row for row, _ in most_changed(base, head, 3)] == [49, 48, 47]
    assert most_changed(base, head, 0) == []


def test_equal_changes_keep_the_order_of_the_rows():
    # a third and three times: the logarithm of a rounded third is not exactly that of three
    base, head = np.array([100, 300, 700, 900, 21]), np.array([300, 100, 2100, 300, 63])
    assert [row for row, _ in most_changed(base, head, 5)] == [0, 1, 2, 3, 4]


def test_a_prediction_that_came_or_went_is_the_greatest_change():
    base, head = np.array([100, 0, 100, 0, -3, 10]), np.array([100_000, 100, 0, 0, 0, 10])
    assert most_changed(base, head, 10) == [(1, None), (2, None), (0, 1000.0)]


@limits(deadline=None, max_examples=100)
@given(st.lists(st.tuples(st.integers(1, 400), st.integers(1, 400)), max_size=40), st.integers(0, 12))
def test_the_most_changed_are_those_with_the_largest_factor(predictions, most):
    base, head = (np.array([each[side] for each in predictions], dtype=np.int64) for side in (0, 1))
    factors = [max(Fraction(*each), 1 / Fraction(*each)) for each in predictions]
    expected = sorted((row for row in range(len(factors)) if factors[row] > 1), key=lambda row: (-factors[row], row))
    assert [row for row, _ in most_changed(base, head, most)] == expected[:most]
    assert all(ratio == head[row] / base[row] for row, ratio in most_changed(base, head, most))
