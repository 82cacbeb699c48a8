"""Who decided the budget, for selectors whose kind is known."""

from __future__ import annotations

import random
from dataclasses import replace
from math import ceil, log2

import numpy as np
import pytest

from pytest_token_telemetry.analysis.budgets import LEAST_CALLS, Budgets, Constant, budgets
from pytest_token_telemetry.samples import Samples, unknown

PREDICTIONS = [round(200 * 1.05**step) for step in range(100)]
"""From 200 to 25,051, each 5% above the one before."""

FLOORS = {"low": 8192, "medium": 12288, "high": 16384}
LEVELS = [*FLOORS] * 34


def samples(predicted: list[int], budget: list[int]) -> Samples:
    return replace(
        unknown(len(predicted)),
        predicted_output_tokens=np.array(predicted, dtype=np.int32),
        budget_tokens=np.array(budget, dtype=np.int32),
    )


def selected(budget: list[int], predicted: list[int] = PREDICTIONS) -> Budgets:
    return budgets(samples(predicted, budget))


def test_a_floor_by_complexity_decides_whatever_is_predicted() -> None:
    found = selected([FLOORS[level] for level in LEVELS[:100]])
    # 200 * 1.05**n exceeds 8192, 12288 and 16384 from n = 77, 85 and 91: for low these are 78, 81... 99
    assert found == Budgets(
        calls=100,
        at_constant=100,
        following=0,
        constants=(Constant(8192, 34, 8), Constant(12288, 33, 5), Constant(16384, 33, 3)),
    )
    assert found.are_constant
    assert not found.are_floors


def test_of_a_floor_or_a_multiple_each_call_says_which_decided() -> None:
    found = selected([max(8192, ceil(1.2 * each)) for each in PREDICTIONS])
    # 1.2 * 200 * 1.05**n exceeds 8192 from n = 73
    assert found == Budgets(calls=100, at_constant=73, following=27, constants=(Constant(8192, 73, 0),))
    assert found.are_constant
    assert found.are_floors


@pytest.mark.parametrize("affine", [lambda each: each * 12 // 10, lambda each: each + 2000])
def test_a_budget_that_rises_with_the_prediction_follows_from_it(affine) -> None:
    assert selected([affine(each) for each in PREDICTIONS]) == Budgets(100, 0, 100, ())


def test_what_rounding_makes_alike_is_no_constant_but_in_the_lowest_step() -> None:
    predicted = range(101, 1101)
    found = selected([ceil(each * 6 / 5 / 256) * 256 for each in predicted], [*predicted])
    # 1.2 * 213 is below 256: 113 predictions from 101 to 213, of which 0.9 between the outer twentieths span
    # 106.7 to 207.3, less than twice
    assert found == Budgets(1000, 0, found.following, ())
    assert found.following >= 900
    lower = range(51, 1101)
    found = selected([ceil(each * 6 / 5 / 256) * 256 for each in lower], [*lower])
    assert found.constants == (Constant(256, 163, 0),)


def test_powers_of_two_are_no_constants() -> None:
    found = selected([2 ** ceil(log2(1.2 * each)) for each in PREDICTIONS])
    assert (found.at_constant, found.constants) == (0, ())
    assert found.following > 50


def test_a_fixed_cap_is_a_constant_and_no_floor_where_predictions_exceed_it() -> None:
    found = selected([4096] * 100)
    # 200 * 1.05**n exceeds 4096 from n = 62
    assert found == Budgets(100, 100, 0, (Constant(4096, 100, 38),))
    assert not found.are_floors


def test_budgets_that_have_nothing_to_do_with_predictions_follow_from_none() -> None:
    drawn = random.Random(7)
    assert selected([drawn.randrange(2000, 30_000) for _ in PREDICTIONS]) == Budgets(100, 0, 0, ())
    falling = [40_000 - each for each in PREDICTIONS]
    assert selected(falling) == Budgets(100, 0, 0, ())


def test_budgets_drawn_from_few_values_many_times_are_no_constants() -> None:
    drawn = random.Random(7)
    found = selected([drawn.randrange(1000, 1500) for _ in range(10_000)], PREDICTIONS * 100)
    assert found == Budgets(10_000, 0, 0, ())


@pytest.mark.parametrize(
    ("calls", "expected"),
    [
        (LEAST_CALLS - 1, Budgets(9, 0, 0, ())),
        (LEAST_CALLS, Budgets(10, 10, 0, (Constant(8192, 10, 0),))),
    ],
)
def test_few_calls_say_nothing(calls: int, expected: Budgets) -> None:
    assert selected([8192] * calls, PREDICTIONS[:70:7][:calls]) == expected


def test_one_prediction_says_nothing_about_its_budget() -> None:
    assert selected([8192] * 100, [1000] * 100) == Budgets(100, 0, 0, ())
    assert selected([1200] * 50 + [1201] * 50, [1000] * 100) == Budgets(100, 0, 0, ())


def test_one_prediction_far_off_makes_no_constant_of_a_multiple() -> None:
    found = selected([1200] * 30, [*[1000] * 29, 10])
    assert found == Budgets(30, 0, 0, ())


def test_calls_without_a_prediction_or_a_budget_take_no_part() -> None:
    found = selected([8192, -1, 0, 8192], [1000, 1000, 1000, -1])
    assert found == Budgets(1, 0, 0, ())


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"at_constant": 80, "following": 30}, "more than calls"),
        ({"at_constant": 71}, "not the sum"),
        ({"constants": (Constant(8192, 40, 0), Constant(8192, 30, 0))}, "one twice"),
        ({"calls": 9, "at_constant": 9, "constants": (Constant(8192, 9, 0),)}, "too few"),
    ],
)
def test_figures_that_cannot_be_together_are_refused(fields, reason: str) -> None:
    known = {"calls": 100, "at_constant": 70, "following": 0, "constants": (Constant(8192, 70, 0),)}
    with pytest.raises(ValueError, match=reason):
        Budgets(**{**known, **fields})


@pytest.mark.parametrize("fields", [(8192, 2, 0), (8192, 3, 4)])
def test_a_constant_that_cannot_be_is_refused(fields: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="calls"):
        Constant(*fields)
