"""Multipliers and caps that keep their promise."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from datetime import datetime, timedelta
from fractions import Fraction
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st
from scipy.stats import beta, norm

from pytest_token_telemetry import samples as rows_in_columns
from pytest_token_telemetry.analysis.conformal import ALPHA, HEADROOM_ALPHA, conformal_rank, least_samples
from pytest_token_telemetry.analysis.metrics import Share
from pytest_token_telemetry.analysis.populations import judged
from pytest_token_telemetry.analysis.strata import labels
from pytest_token_telemetry.analysis.tuning import RISKS, tune
from tests.unit.gate.cases import call, columns, cut_off

RATIOS = [
    *(0.21, 0.22, 0.23, 0.25, 0.26, 0.28, 0.31, 0.32, 0.33, 0.34),
    *(0.37, 0.38, 0.40, 0.42, 0.44, 0.45, 0.48, 0.54, 0.73, 1.12),
]
"""Output over prediction: the published example."""


def calls(ratios, category="implementation", **fields):
    """One success for each ratio of output and prediction."""
    return [call(10_000, round(ratio * 10_000), category=category, **fields) for ratio in ratios]


def tuned(rows, multiplier="1", population="risk", max_waste_p90="3"):
    samples = columns(rows)
    return tune(
        samples,
        judged(samples, population, Fraction(multiplier)),
        labels(samples, {}),
        under_multiplier=Fraction(multiplier),
        max_waste_p90=Fraction(max_waste_p90),
    )


def advice(rows, name="implementation", **written):
    return next(each for each in tuned(rows, **written).categories if each.name == name)


@pytest.mark.parametrize(
    ("alpha", "n", "rank"),
    [
        ("0.05", 18, None),
        ("0.05", 19, 19),
        ("0.05", 20, 20),
        ("0.05", 39, 38),
        ("0.05", 59, 57),
        ("0.05", 100, 96),
        ("0.05", 200, 191),
        ("0.02", 48, None),
        ("0.02", 49, 49),
        ("0.02", 100, 99),
        ("0.025", 38, None),
        ("0.025", 39, 39),
        ("0.10", 20, 19),
    ],
)
def test_the_rank_is_the_published_one(alpha, n, rank):
    assert conformal_rank(n, Fraction(alpha)) == rank


@pytest.mark.parametrize(("alpha", "n"), [("0.05", 19), ("0.025", 39), ("0.02", 49), ("0.01", 99), ("0.3", 3)])
def test_the_least_number_of_samples_is_the_published_one(alpha, n):
    assert least_samples(Fraction(alpha)) == n


@given(st.integers(0, 5000), st.fractions(Fraction(1, 1000), Fraction(1, 2)))
def test_the_rank_is_the_smallest_that_keeps_the_promise(n, alpha):
    # of n + 1 calls that are alike, the last is above the K-th of the others in (n + 1 - K) of n + 1 cases
    kept = [
        rank for rank in range(max(1, n - math.ceil(n * alpha) - 2), n + 1) if Fraction(n + 1 - rank, n + 1) <= alpha
    ]
    assert conformal_rank(n, alpha) == min(kept, default=None)
    assert (n >= least_samples(alpha)) == bool(kept)


def test_the_published_example_has_its_multiplier():
    found = advice(calls(RATIOS))
    assert (found.n, found.truncated, found.underestimated) == (20, 0, 1)
    assert (found.basis, found.alpha, found.tier) == ("category", 0.05, "risk")
    assert found.multiplier == pytest.approx(1.12, abs=1e-12)


def test_the_published_example_has_its_expectation():
    found = advice(calls(RATIOS))
    # one in 21, and nine of ten times the true rate is between the 5% and the 95% point of Beta(1, 20)
    assert found.expected_underestimation == pytest.approx(1 / 21)
    low, high = found.expected_range
    assert low == pytest.approx(beta.ppf(0.05, 1, 20), abs=1e-9)
    assert high == pytest.approx(beta.ppf(0.95, 1, 20), abs=1e-9)
    assert high == pytest.approx(0.1391, abs=5e-5)


def test_the_published_example_has_its_spread_floor():
    # (.73 + .95 * .39) / (.22 + .1 * .01) = 1.1005 / .221
    found = advice(calls(RATIOS))
    assert found.spread_floor == pytest.approx(1.1005 / 0.221)
    assert found.spread_floor == pytest.approx(4.9796, abs=5e-5)
    assert not found.meets_both
    assert advice(calls(RATIOS), max_waste_p90="5").meets_both


def test_a_spread_floor_on_the_target_does_not_meet_it():
    # the 10% point is 1 and the 95% point 3, and waste must stay below 3
    rows = calls([1.0] * 18 + [3.0] * 2)
    assert (advice(rows).spread_floor, advice(rows).meets_both) == (3.0, False)
    assert advice(rows, max_waste_p90="3.01").meets_both


def test_the_waste_after_is_the_waste_before_times_the_multiplier():
    # the median of prediction over output is between 1 / .37 and 1 / .34
    found = advice(calls(RATIOS))
    p50 = (1 / 0.37 + 1 / 0.34) / 2
    assert found.waste_p50 == (pytest.approx(p50), pytest.approx(1.12 * p50))
    # position 18.9: nine tenths of the way from the 18th (1 / .23) to the 19th (1 / .22)
    p90 = 1 / 0.23 + 0.9 * (1 / 0.22 - 1 / 0.23)
    assert found.waste_p90 == (pytest.approx(p90), pytest.approx(1.12 * p90))


def test_without_a_ratio_there_is_no_waste_before_or_after():
    found = advice([cut_off(100, 0)] * 20)
    assert (found.waste_p50, found.waste_p90) == ((None, None), (None, None))


def test_the_first_nineteen_of_the_example_lower():
    found = advice(calls(RATIOS[:19]))
    assert (found.multiplier, found.basis, found.tier) == (pytest.approx(0.73), "category", "cost")
    assert found.expected_underestimation == pytest.approx(1 / 20)


def test_a_small_category_borrows_the_spread_of_the_others():
    # of 22 residuals the 22nd: 6.23 / 1.40 = 4.45; times the median 1.40 again, and no less than the largest of its own
    found = advice([*calls(RATIOS[:19]), *calls([1.34, 1.40, 6.23], "docs")], "docs")
    assert (found.n, found.basis, found.tier) == (3, "borrowed", "risk")
    assert found.multiplier == pytest.approx(6.23)
    assert found.expected_underestimation == pytest.approx(1 / 4)
    # three of three within: 1 - .05 ** (1 / 3)
    assert found.expected_range == (0.0, pytest.approx(1 - 0.05 ** (1 / 3)))


def test_a_small_category_borrows_more_than_its_own_spread():
    # 24 residuals over their category's median: rank 25 - floor(1.25) = 24, the largest, which is 4
    others = calls([1.0] * 20 + [4.0])
    found = advice([*others, *calls([1.0, 1.1, 1.2], "docs")], "docs")
    assert found.multiplier == pytest.approx(1.1 * 4.0)


def test_a_borrowed_multiplier_covers_every_sample_of_its_own_category():
    # 39 residuals: rank 40 - floor(40 / 20) = 38, which is 1: the spread alone would give the median, 1, again
    found = advice([*calls([1.0] * 36), *calls([1.0, 1.0, 3.0], "docs")], "docs")
    assert (found.basis, found.multiplier) == ("borrowed", pytest.approx(3.0))


def test_a_category_of_two_lends_nothing():
    # the largest of 23 residuals is 1.5; the two would add 0.1 and 1.3 over 0.7, which is 1.86
    rows = [*calls([1.0] * 19 + [1.5]), *calls([0.1, 1.3], "tests"), *calls([1.1] * 3, "docs")]
    assert advice(rows, "docs").multiplier == pytest.approx(1.1 * 1.5)


def test_a_category_whose_median_is_cut_off_lends_nothing():
    # the 11th of 21 is endless; of the other 23 residuals all are 1
    rows = [*calls([1.0] * 20), *cut(calls([1.0] * 21, "tests"), *range(11)), *calls([2.0] * 3, "docs")]
    found = advice(rows, "docs")
    assert (found.basis, found.multiplier) == ("borrowed", pytest.approx(2.0))


def test_a_small_category_borrows_no_less_than_its_own_largest():
    # 43 residuals: rank 44 - floor(2.2) = 42, which is 1, as only 6 / 1.1 is above it; the median times 1 is 1.1, and
    # one of its three took 6
    found = advice([*calls([1.0] * 40), *calls([1.0, 1.1, 6.0], "docs")], "docs")
    assert (found.basis, found.multiplier) == ("borrowed", pytest.approx(6.0))


def test_a_category_of_fewer_than_three_lends_nothing():
    # as above, 24 residuals and the largest, 4: the two of a hundredth are not among them
    rows = [*calls([1.0] * 20 + [4.0]), *calls([1.0, 1.1, 1.2], "docs"), *calls([0.01] * 2, "tests")]
    assert advice(rows, "docs").multiplier == pytest.approx(1.1 * 4.0)


@pytest.mark.parametrize("n", [1, 2])
def test_fewer_than_three_samples_propose_nothing(n):
    found = advice([*calls(RATIOS), *calls([1.5] * n, "docs")], "docs")
    assert (found.basis, found.multiplier, found.tier, found.samples_needed) == ("collect", None, None, 19)
    assert (found.expected_underestimation, found.expected_range) == (None, None)
    assert found.waste_p90 == (pytest.approx(1 / 1.5), None)


def test_nothing_can_be_borrowed_where_all_are_few():
    # nineteen residuals are needed, and there are eighteen
    rows = [*calls([1.5] * 9), *calls([1.5] * 9, "docs")]
    assert {each.basis for each in tuned(rows).categories} == {"collect"}
    assert {each.basis for each in tuned([*rows, *calls([1.5] * 3, "tests")]).categories} == {"borrowed"}


def cut(rows, *places):
    """``rows`` with the calls at ``places`` cut off where they ended."""
    return [
        cut_off(each.predicted_output_tokens, each.output_tokens, category=each.category) if place in places else each
        for place, each in enumerate(rows)
    ]


def test_one_cut_off_call_in_twenty_hides_the_multiplier():
    # rank 20 of 20: the endless one
    found = advice(cut(calls(RATIOS), 19))
    assert (found.basis, found.multiplier, found.truncated, found.spread_floor) == ("raise-cap", None, 1, None)
    assert not found.meets_both
    assert conformal_rank(20, Fraction(1, 10)) == 19  # at a tenth it would be the one before: .73


def test_a_cut_off_call_counts_as_endless_however_short_it_was():
    assert advice(cut(calls(RATIOS), 0)).basis == "raise-cap"


def test_a_small_category_with_a_cut_off_call_needs_a_higher_cap():
    found = advice([*calls(RATIOS), *cut(calls([1.0] * 5, "docs"), 2)], "docs")
    assert (found.basis, found.multiplier) == ("raise-cap", None)


def test_few_cut_off_calls_among_many_hide_nothing():
    # n = 79 at 2.5%: rank 80 - 2 = 78, so one may be endless
    found = advice(cut(calls([1.0] * 77 + [1.5, 1.5]), 0))
    assert (found.basis, found.multiplier, found.truncated) == ("category", pytest.approx(1.5), 1)


@pytest.mark.parametrize(("n", "alpha", "place"), [(38, 0.05, 37), (39, 0.025, 39), (40, 0.025, 40), (79, 0.025, 78)])
def test_from_thirty_nine_samples_on_there_is_headroom(n, alpha, place):
    # 39 - floor(1.95) = 38; the other ranks are n + 1 - floor((n + 1) / 40)
    found = advice(calls([(1000 + rank) / 1000 for rank in range(1, n + 1)]))
    expected = 38 if n == 38 else place
    assert found.alpha == alpha
    assert found.multiplier == pytest.approx((1000 + expected) / 1000)


def test_the_under_multiplier_is_room_that_need_not_be_predicted():
    found = advice(calls(RATIOS), multiplier="1.4")
    assert found.multiplier == pytest.approx(1.12 / 1.4)
    assert found.tier == "cost"
    assert found.spread_floor == pytest.approx(1.1005 / 0.221 / 1.4)


def test_predictions_and_outputs_of_nothing_are_left_out():
    rows = [*calls(RATIOS), call(0, 500), call(None, 500)]
    assert advice(rows).n == 20
    assert advice([*rows, call(10_000, 0)], population="all").n == 20


def test_calls_that_are_not_judged_are_left_out():
    assert advice([*calls(RATIOS), *calls([9.0], success=False)]).n == 20


def test_a_multiplier_of_one_lowers_nothing():
    found = advice(calls([1.0] * 20))
    assert (found.multiplier, found.tier) == (1.0, "risk")


def test_a_spread_floor_on_the_target_of_cost_does_not_meet_it():
    # nine tenths exceed 1, a twentieth exceeds 3: the waste P90 is to stay below 3
    found = advice(calls([1.0] * 10 + [3.0] * 10))
    assert (found.spread_floor, found.meets_both) == (3.0, False)


def test_without_a_usable_sample_there_is_no_advice():
    for rows in ([], [call(0, 5)] * 30):
        found = tuned(rows)
        assert (found.categories, found.cells, found.max_tokens, found.forward) == ((), (), (), None)


def test_the_largest_category_comes_first():
    rows = [*calls([1.0] * 2, "few"), *calls([1.0] * 5, "many"), *calls([1.0] * 3, None)]
    assert [each.name for each in tuned(rows).categories] == ["many", None, "few"]


def test_a_complexity_has_its_own_multiplier_where_there_are_samples_enough():
    rows = [
        *calls([1.0] * 19, complexity="low"),
        *calls([2.0] * 18, complexity="high"),
        *calls([3.0] * 30, complexity=None),
    ]
    (cell,) = tuned(rows).cells
    assert (cell.name, cell.complexity, cell.n, cell.multiplier) == ("implementation", "low", 19, pytest.approx(1.0))


def test_among_thousands_each_figure_is_that_of_its_rank():
    # of 20,000 ranks n + 1 - floor((n + 1) * alpha): 19,501 at 2.5%, and 19,801, 19,601 and 19,001 at 1, 2 and 5%
    rows = [call(100_000, 100_000 + rank) for rank in range(1, 20_001)]
    random.Random(5).shuffle(rows)
    found = tuned(rows)
    assert found.categories[0].multiplier == pytest.approx(1.19501, abs=1e-9)
    assert [each.max_tokens for each in found.max_tokens[0].caps] == [119_802, 119_602, 119_002]  # one above


def test_a_complexity_needs_enough_samples_that_can_be_used():
    assert not tuned([*calls([1.0] * 18), *calls([1.0] * 5, success=False)]).cells


def test_complexities_come_in_the_order_of_their_categories():
    rows = [*calls([1.0] * 30, "few"), *calls([1.0] * 25, "many"), *calls([1.0] * 25, "many", complexity="high")]
    assert [(each.name, each.complexity) for each in tuned(rows).cells] == [
        ("many", "low"),
        ("many", "high"),
        ("few", "low"),
    ]


def test_a_complexity_of_the_samples_without_a_category_is_one_of_its_own():
    cells = tuned([*calls([1.0] * 19), *calls([1.0] * 19, None)]).cells
    assert {(each.name, each.n) for each in cells} == {(None, 19), ("implementation", 19)}


def test_more_complexities_than_a_byte_counts_are_told_apart():
    names = [f"category-{number}" for number in range(130)]
    cells = tuned([row for name in names for row in calls([1.0] * 19, name)]).cells
    assert [(each.name, each.n) for each in cells] == [(name, 19) for name in names]


def test_each_complexity_is_told_with_its_own_category():
    kinds = {("docs", "low"): 1.0, ("docs", "high"): 2.0, ("tests", "high"): 3.0, (None, "low"): 4.0}
    rows = [each for (name, of), ratio in kinds.items() for each in calls([ratio] * 19, name, complexity=of)]
    found = {(cell.name, cell.complexity): cell.multiplier for cell in tuned(rows).cells}
    assert found == pytest.approx(kinds)


@pytest.mark.parametrize(
    ("n", "caps"),
    [
        # one above the output of the rank: at 1% from 99 samples on, at 2% from 49, at 5% from 19
        (18, [(None, 99), (None, 49), (None, 19)]),
        (19, [(None, 99), (None, 49), (20, None)]),
        (48, [(None, 99), (None, 49), (48, None)]),
        (49, [(None, 99), (50, None), (49, None)]),
        (98, [(None, 99), (99, None), (96, None)]),
        (99, [(100, None), (99, None), (96, None)]),
        (199, [(199, None), (197, None), (191, None)]),
    ],
)
def test_caps_are_the_outputs_of_the_published_ranks(n, caps):
    (found,) = tuned([call(1000, output) for output in range(n, 0, -1)]).max_tokens
    assert (found.name, found.n) == ("implementation", n)
    assert [each.risk for each in found.caps] == [0.01, 0.02, 0.05]
    assert [(each.max_tokens, each.samples_needed) for each in found.caps] == caps


def test_a_cap_that_is_hidden_by_the_present_one_is_none():
    # one of 99 is endless: the 99th cannot be told, the 98th can
    rows = [*(call(1000, output) for output in range(1, 99)), cut_off(1000, 5)]
    (found,) = tuned(rows).max_tokens
    assert [(each.max_tokens, each.samples_needed) for each in found.caps] == [(None, 199), (99, None), (96, None)]


@pytest.mark.parametrize(
    ("truncated", "n", "needed"),
    [
        # 1 of 86 may be by chance at 1%, with P = 0.58, and 3 of 86 with P = 0.056; 4 of 86 have P = 0.011
        (1, 86, [199, 99, None]),
        (3, 86, [399, 199, None]),
        (4, 86, [None, 249, 99]),
        (40, 86, [None, None, None]),
        # 1 of 10: P = 0.096 at 1%
        (1, 10, [199, 99, 39]),
    ],
)
def test_each_truncated_call_takes_more_of_them_for_a_cap_until_they_are_too_many(truncated, n, needed):
    rows = [*(call(1000, 100) for _ in range(n - truncated)), *(cut_off(1000, 100) for _ in range(truncated))]
    (found,) = tuned(rows).max_tokens
    assert [each.samples_needed for each in found.caps] == needed


@pytest.mark.parametrize(("truncated", "risk"), [(0, 0), (1, 0), (2, 1), (1, 2)])
def test_with_as_many_calls_as_are_needed_there_is_a_cap(truncated, risk):
    cuts = [cut_off(1000, 100)] * truncated
    (few,) = tuned([*[call(1000, 100)] * (15 + 10 * truncated if risk else 15), *cuts]).max_tokens
    needed = few.caps[risk].samples_needed
    for n, cap in ((needed - 1, None), (needed, 101)):
        (found,) = tuned([*[call(1000, 100)] * (n - truncated), *cuts]).max_tokens
        assert found.caps[risk].max_tokens == cap


NOON = datetime(2026, 1, 2, 12)


def in_time(rows):
    """``rows``, a minute apart."""
    return [
        call(
            each.predicted_output_tokens,
            each.output_tokens,
            category=each.category,
            time=NOON + timedelta(minutes=minute),
        )
        for minute, each in enumerate(rows)
    ]


def test_the_forward_check_tunes_on_the_first_and_scores_the_last():
    # 70 of 100 ask for 1.2 to 1.269; of the last 30, 5 take more than that
    rows = in_time(calls([1.2 + rank / 1000 for rank in range(70)] + [1.0] * 25 + [1.3] * 5))
    for order in (rows, rows[::-1]):
        found = tuned(order).forward
        assert (found.tuned_on, found.scored, found.uncovered) == (70, Share(5, 30), 0)
        assert found.bounds.lower == pytest.approx(beta.ppf(0.05, 5, 26), abs=1e-9)
        assert found.bounds.upper == pytest.approx(beta.ppf(0.95, 6, 25), abs=1e-9)


def test_the_forward_check_never_lowers():
    # tuned to .5, it would call all of the last underestimated
    rows = in_time(calls([0.5] * 70 + [0.9] * 30))
    assert tuned(rows).forward.scored == Share(0, 30)


def test_the_forward_check_applies_the_multiplier_of_the_category_whatever_that_of_the_complexity():
    ratios = [(1.5, "high"), (1.0, "low")] * 35 + [(1.2, "low")] * 30
    rows = [each for ratio, level in ratios for each in calls([ratio], complexity=level)]
    found = tuned([replace(each, time=NOON + timedelta(minutes=n)) for n, each in enumerate(rows)])
    low = next(each for each in found.cells if each.complexity == "low")
    assert low.multiplier == pytest.approx(1.2)  # of all 100; of the first 70 it is 1
    assert found.forward.scored == Share(0, 30)  # with 1 it would be 30 of 30


def test_the_forward_check_leaves_out_what_was_not_there_before():
    rows = in_time([*calls([1.5] * 70), *calls([1.5] * 20), *calls([9.0] * 10, "docs")])
    found = tuned(rows).forward
    assert (found.scored, found.uncovered) == (Share(0, 20), 10)


def test_the_forward_check_may_have_nothing_to_score():
    rows = in_time([*calls([1.5] * 70), *calls([9.0] * 30, "docs")])
    found = tuned(rows).forward
    assert (found.scored, found.uncovered, found.bounds) == (Share(0, 0), 30, None)


def test_without_times_there_is_no_forward_check():
    assert tuned(calls(RATIOS)).forward is None
    assert tuned(in_time(calls(RATIOS[:1]))).forward is None


def test_at_one_time_the_forward_check_tunes_on_those_that_come_first():
    # 40 at noon, 60 a minute later: 30 of these belong to the first 70; a call without a time to neither
    rows = calls([1.2] * 70 + [1.0] * 25 + [1.3] * 5)
    timed = [replace(row, time=NOON + timedelta(minutes=place >= 40)) for place, row in enumerate(rows)]
    with mock.patch.object(rows_in_columns, "BLOCK", 20):
        found = tuned([*calls([9.0] * 10), *timed]).forward
    assert (found.tuned_on, found.scored) == (70, Share(5, 30))


def test_the_forward_check_borrows_from_the_first_calls_only():
    # 70 residuals, all 1, times the median 2: all 10 later calls in docs exceed it, and 8 of the others their 1
    earlier = [*calls([1.0] * 67), *calls([2.0] * 3, "docs")]
    found = tuned(in_time([*earlier, *calls([1.0] * 12 + [5.0] * 8), *calls([3.0] * 10, "docs")])).forward
    assert (found.tuned_on, found.scored, found.uncovered) == (70, Share(18, 30), 0)


@limits(deadline=None, max_examples=100)
@given(st.integers(1, 10**6), st.integers(1, 10**6), st.sampled_from(["1", "1.1", "1.15", "0.9"]))
def test_the_forward_check_never_counts_what_is_just_as_before(predicted, output, multiplier):
    rows = in_time([call(predicted, output)] * 40)
    assert tuned(rows, multiplier).forward.scored == Share(0, 12)


def lognormal(sigma, room):
    """Advice for 999 ratios, of which the 100th is exactly the 10% point and the 950th the 95% point."""
    rows = [call(10**6, round(10**6 * math.exp(sigma * z))) for z in norm.ppf([rank / 1000 for rank in range(1, 1000)])]
    return advice(rows, multiplier=str(room))


@pytest.mark.parametrize("room", [1.0, 1.1, 1.5])
@pytest.mark.parametrize("sigma", [0.3754, 0.6, 0.9, 1.2])
def test_the_spread_floor_of_a_lognormal_has_a_closed_form(sigma, room):
    # z(.95) + z(.90) = 2.9264
    assert lognormal(sigma, room).spread_floor == pytest.approx(math.exp(2.9264 * sigma) / room, rel=1e-3)


@pytest.mark.parametrize(("room", "sigma"), [(1.0, 0.3754), (1.1, 0.4080), (1.2, 0.4377), (1.5, 0.5140)])
def test_a_lognormal_meets_both_targets_up_to_the_published_spread(room, sigma):
    assert lognormal(sigma - 0.002, room).meets_both
    assert not lognormal(sigma + 0.002, room).meets_both


pairs = st.lists(st.tuples(st.integers(1, 5000), st.integers(1, 5000)), min_size=1, max_size=120)


@limits(deadline=None, max_examples=200)
@given(pairs, st.sampled_from(["1", "1.1", "0.8"]))
def test_a_multiplier_covers_as_many_samples_as_promised(pairs, room):
    found = advice([call(predicted, output) for predicted, output in pairs], multiplier=room)
    n = len(pairs)
    assert (found.basis == "category") == (n >= 19)
    if found.basis == "category":
        rank = conformal_rank(n, HEADROOM_ALPHA if n >= 39 else ALPHA)
        within = sum(output <= predicted * found.multiplier * float(room) * (1 + 1e-12) for predicted, output in pairs)
        assert within >= rank
        assert (n + 1 - rank) / (n + 1) <= found.alpha
        low, high = found.expected_range
        assert low <= found.expected_underestimation <= high
        ratios = sorted(output / predicted for predicted, output in pairs)
        assert found.multiplier * float(room) >= ratios[(n - 1) // 2] * (1 - 1e-12)  # never below the median


@limits(deadline=None, max_examples=100)
@given(pairs, st.integers(2, 50))
def test_smaller_predictions_get_multipliers_as_many_times_larger(pairs, factor):
    one = advice([call(predicted, output) for predicted, output in pairs])
    other = advice([call(predicted, output * factor) for predicted, output in pairs])
    assert (one.basis, one.n, one.alpha) == (other.basis, other.n, other.alpha)
    if one.multiplier is not None:
        assert other.multiplier == pytest.approx(factor * one.multiplier)
    assert one.spread_floor == pytest.approx(other.spread_floor)
    assert one.expected_range == other.expected_range


@limits(deadline=None, max_examples=100)
@given(st.lists(st.tuples(st.integers(1, 5000), st.booleans()), min_size=1, max_size=150))
def test_a_cap_holds_as_many_outputs_as_promised(outputs):
    rows = [cut_off(1000, output) if cut else call(1000, output) for output, cut in outputs]
    (found,) = tuned(rows).max_tokens
    for risk, cap in zip(RISKS, found.caps, strict=True):
        rank = conformal_rank(len(rows), risk)
        if rank is None:
            assert cap.max_tokens is None
            truncated = sum(cut for _, cut in outputs)
            assert cap.samples_needed in (None, least_samples(risk, truncated))
            assert truncated or cap.samples_needed
        elif cap.max_tokens is not None:
            assert sum(output < cap.max_tokens for output, cut in outputs if not cut) >= rank
        else:
            assert sum(not cut for _, cut in outputs) < rank


@limits(deadline=None, max_examples=60)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["a", "b", None]), st.none() | st.integers(0, 50), st.integers(0, 10**9), st.booleans()
        ),
        max_size=60,
    ),
    st.sampled_from(["risk", "success", "all"]),
)
def test_any_samples_have_finite_advice(rows, population):
    samples = [
        call(predicted, output, category=name, truncated=cut, success=not cut, time=NOON)
        for name, predicted, output, cut in rows
    ]
    found = tuned(samples, population=population)
    for each in (*found.categories, *found.cells):
        figures = (each.multiplier, each.expected_underestimation, each.spread_floor, *each.waste_p50, *each.waste_p90)
        assert all(figure is None or (math.isfinite(figure) and figure > 0) for figure in figures)
        assert (each.multiplier is None) == (each.basis in ("collect", "raise-cap"))
        assert (each.tier is None) == (each.multiplier is None)
