"""Which samples count for which figure."""

from __future__ import annotations

from fractions import Fraction

import pytest

from pytest_token_telemetry.analysis.metrics import Share, metrics
from pytest_token_telemetry.analysis.populations import judged, successful
from tests.unit.gate.cases import call, columns

ONE = Fraction(1)


def figures(rows, population, multiplier="1"):
    samples = columns(rows)
    return metrics(samples, judged(samples, population, Fraction(multiplier)))


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
