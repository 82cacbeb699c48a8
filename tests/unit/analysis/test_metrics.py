"""Waste, error, success and the worst samples."""

from __future__ import annotations

import random
import statistics
from fractions import Fraction

import numpy as np
import pytest

from pytest_token_telemetry.analysis.metrics import Share, waste, wasteful, worst
from pytest_token_telemetry.analysis.populations import judged
from tests.unit.gate.cases import call, columns, cut_off, figures


def waste_of(ratios, per=100):
    """The waste of calls that were predicted ``ratio`` times their output."""
    samples = columns([call(round(ratio * per), per) for ratio in ratios])
    return waste(samples, np.ones(len(samples), dtype=np.bool_))


TWENTY = [1.05, 1.1, 1.15, 1.2, 1.25, 1.3, 1.35, 1.4, 1.5, 1.6, 1.7, 1.8, 1.9, 2.0, 2.2, 2.4, 2.6, 2.8, 3.5, 5.0]
TEN = [1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.7, 1.8, 2.0, 6.0]


@pytest.mark.parametrize(
    ("ratios", "p90"),
    [
        (TWENTY, 3.43),  # h = 0.9 * 21 = 18.9: 2.8 + 0.9 * (3.5 - 2.8)
        (TEN, 5.6),  # h = 0.9 * 11 = 9.9: 2.0 + 0.9 * (6.0 - 2.0)
        (TEN[1:], 6.0),  # h = 0.9 * 10 = 9: the largest
        ([2.5], 2.5),
    ],
)
def test_p90_is_hyndman_and_fans_sixth(ratios, p90):
    assert waste_of(ratios).p90 == pytest.approx(p90, abs=1e-12)


@pytest.mark.parametrize("n", range(1, 31))
def test_quantiles_are_those_of_the_standard_library_within_the_range(n):
    draw = random.Random(n)
    ratios = [draw.randint(1, 900) / 100 for _ in range(n)]
    # the standard library's "exclusive" method is the same definition, but extrapolates, and wants two values
    p50, p90 = (
        min(max(statistics.quantiles(ratios, n=10)[i], min(ratios)), max(ratios)) if n > 1 else ratios[0]
        for i in (4, 8)
    )
    found = waste_of(ratios)
    assert (found.n, found.p50, found.p90) == (n, pytest.approx(p50, abs=1e-12), pytest.approx(p90, abs=1e-12))


def test_mean_waste_is_the_mean_of_the_ratios():
    assert waste_of([1.0, 2.0, 6.0]).mean == pytest.approx(3.0)


def test_no_ratio_is_no_waste():
    found = waste_of([])
    assert (found.n, found.p50, found.p90, found.mean) == (0, None, None, None)


def test_the_p90_is_an_upper_limit_if_it_rests_on_a_call_that_was_cut_off():
    # of two ratios the P90 is the larger one
    assert not figures([cut_off(1000, 1000), call(2000, 1000)]).waste.upper_limit
    assert figures([call(1000, 1000), cut_off(2000, 1000)]).waste.upper_limit


def test_a_ratio_on_the_limit_is_wasteful():
    samples = columns([call(2999, 1000), call(3000, 1000), call(3001, 1000)])
    assert wasteful(samples, judged(samples, "risk", Fraction(1)), 3.0) == Share(2, 3)


def test_smape_is_taken_as_logged():
    assert figures([call(100, 200, smape=12.5)]).smape.mean == 12.5


def test_smape_is_computed_where_none_was_logged():
    # 200 * |448 - 124| / (448 + 124) = 113.286...
    assert figures([call(448, 124)]).smape.mean == pytest.approx(200 * 324 / 572)


def test_smape_leaves_out_what_was_cut_off():
    found = figures([call(smape=10.0), cut_off(smape=150.0)]).smape
    assert (found.n, found.max) == (1, 10.0)


def test_smape_of_the_risk_population_is_over_every_call_that_was_not_cut_off():
    assert figures([call(smape=10.0), call(smape=30.0, success=False)]).smape.n == 2


def test_smape_of_the_success_population_is_over_successes():
    assert figures([call(smape=10.0), call(smape=30.0, success=False)], "success").smape.n == 1


def test_nothing_predicted_and_nothing_written_has_no_smape():
    assert figures([call(0, 0)], "all").smape.n == 0


def test_a_single_token_has_a_smape_and_a_waste():
    found = figures([call(0, 1), call(1, 1)], "all")
    assert (found.smape.n, found.smape.max, found.waste.n, found.waste.mean) == (2, 200.0, 1, 1.0)


def test_smape_has_its_range_and_its_median():
    found = figures([call(smape=error) for error in (4.0, 1.0, 10.0, 2.0)]).smape
    assert (found.mean, found.median, found.min, found.max) == (4.25, 3.0, 1.0, 10.0)


def test_the_success_rate_is_over_those_that_say():
    rows = [call(success=True), call(success=False), call(success=False), call(success=None)]
    assert figures(rows).success == Share(1, 3)


def test_tokens_have_mean_and_median():
    found = figures([call(100, 10), call(200, 20), call(900, 60)])
    assert (found.predicted_output_tokens.mean, found.predicted_output_tokens.median) == (400.0, 200.0)
    assert (found.output_tokens.mean, found.output_tokens.median) == (30.0, 20.0)


def worst_of(rows, population="risk", most=5):
    samples = columns(rows)
    return worst(samples, judged(samples, population, Fraction(1)).at_risk, most)


def test_the_worst_samples_took_the_most_output_for_their_prediction():
    rows = [call(100, 50), call(100, 400), call(100, 100), call(100, 300)]
    assert worst_of(rows, most=3) == [(1, 4.0), (3, 3.0), (2, 1.0)]


def test_worst_samples_alike_stay_in_their_order():
    assert [row for row, _ in worst_of([call()] * 7)] == [0, 1, 2, 3, 4]


def test_a_prediction_of_nothing_is_worst_and_has_no_ratio():
    assert worst_of([call(100, 900), call(0, 5), call(0, 9)]) == [(1, None), (2, None), (0, 9.0)]


def test_samples_without_a_prediction_come_behind_those_with_a_ratio_the_largest_output_first():
    rows = [call(None, 5), call(10**9, 0), call(None, 10**9), call(100, 900), call(None, 5), call(None, 0), call(0, 1)]
    expected = [(6, None), (3, 9.0), (1, 0.0), (2, None), (0, None), (4, None), (5, None)]
    samples = columns(rows)
    for most in range(len(rows) + 1):
        assert worst(samples, np.ones(len(rows), np.bool_), most) == expected[:most]


def test_the_worst_samples_are_of_the_population():
    assert worst_of([call(100, 900, success=False), call(100, 50)]) == [(1, 0.5)]


def test_no_samples_have_no_worst():
    assert worst_of([]) == []


def test_of_no_places_nothing_is_worst():
    assert worst_of([call()], most=0) == []
