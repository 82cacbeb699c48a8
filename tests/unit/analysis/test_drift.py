"""New samples against a baseline, by stratum."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import settings as limits
from hypothesis import strategies as st
from scipy.stats import binom, fisher_exact, hypergeom, mannwhitneyu, norm, rankdata

from pytest_token_telemetry.analysis.drift import Drift, RateDrift, Summary, drift
from pytest_token_telemetry.analysis.metrics import Share
from pytest_token_telemetry.analysis.stratified import (
    LARGEST_BIN,
    LogRatios,
    bins_of,
    least_visible,
    rate_difference,
    rate_difference_bounds,
    rate_p,
    shift,
    van_elteren,
)

NO_SAMPLES = Share(0, 0)
NO_RATIOS = LogRatios()

SIMPSON = {"impl": ((2, 70), (1, 30)), "tests": ((1, 20), (1, 20)), "docs": ((2, 10), (8, 50))}
"""Base and head: within no category worse, but head has much more of the worst one."""

A, B = (20, 35, 41, 52, 60, 71, 80, 95), (55, 66, 75, 88, 93, 110, 130, 160)
A2, B2 = (30, 40, 50), (45, 60, 70, 80)


def rates(*strata):
    """``(events, n)`` of base and of head in each stratum."""
    return [(Share(*base), Share(*head)) for base, head in strata]


def ratios_at(bins) -> LogRatios:
    distinct = sorted(set(bins))
    return LogRatios(tuple(distinct), tuple(list(bins).count(bin_) for bin_ in distinct))


def log_ratios(output, predicted) -> LogRatios:
    return ratios_at(bins_of(output, predicted).tolist())


def ratios(*strata):
    """The bins of base's samples and of head's in each stratum."""
    return [(ratios_at(base), ratios_at(head)) for base, head in strata]


def sides(strata, of="underestimation"):
    """Both sides of a drift in one of the figures; the others have no samples."""
    empty = Summary(NO_SAMPLES, NO_SAMPLES, NO_RATIOS)
    return [{name: replace(empty, **{of: pair[side]}) for name, pair in strata.items()} for side in (0, 1)]


def drift_of(strata, of="underestimation") -> RateDrift:
    found = drift(*sides({name: rates(pair)[0] for name, pair in strata.items()}, of))
    return getattr(found, of)


def drift_of_ratios(strata):
    return drift(*sides({name: ratios(pair)[0] for name, pair in strata.items()}, "log_ratios")).ratio


# Rates

SHARES = st.integers(1, 25).flatmap(lambda n: st.builds(Share, st.integers(0, n), st.just(n)))
RATES = st.lists(st.tuples(SHARES, SHARES), min_size=1, max_size=5)


def exact_p(strata) -> Fraction:
    """Every way in which chance can deal each stratum's events, by enumeration."""
    chances = []
    for base, head in strata:
        n, events = base.n + head.n, base.events + head.events
        chances.append(
            {
                k: Fraction(math.comb(events, k) * math.comb(n - events, head.n - k), math.comb(n, head.n))
                for k in range(max(0, events - base.n), min(events, head.n) + 1)
            }
        )
    seen, p = sum(head.events for _, head in strata), Fraction(0)
    for outcome in product(*chances):
        chance = math.prod((each[k] for each, k in zip(chances, outcome, strict=True)), start=Fraction(1))
        p += chance if sum(outcome) > seen else chance / 2 if sum(outcome) == seen else 0
    return p


def variance_of(strata) -> float:
    """Of the number of head's events, by chance: the textbook's variance of a hypergeometric count."""
    return sum(
        head.n * (base.events + head.events) * (n - base.events - head.events) * base.n / (n * n * (n - 1))
        for base, head in strata
        for n in [base.n + head.n]
    )


@pytest.mark.parametrize(
    ("strata", "expected"),
    [
        (SIMPSON.values(), 0.563341),
        ([((5, 100), (10, 100))], 0.096840),  # the same, all categories in one
        ([((2, 60), (7, 50))], 0.026515),
    ],
)
def test_p_values_of_a_rise_are_those_of_the_reference_table(strata, expected):
    assert rate_p(rates(*strata)) == pytest.approx(expected, abs=5e-7)


@limits(deadline=None, max_examples=100)
@given(st.integers(1, 3000), st.integers(1, 3000), st.floats(0, 1), st.floats(0, 1))
def test_one_stratum_is_fishers_test_with_half_of_what_was_seen(base_n, head_n, base_rate, head_rate):
    base, head = Share(round(base_n * base_rate), base_n), Share(round(head_n * head_rate), head_n)
    chance = hypergeom(base_n + head_n, base.events + head.events, head_n)
    expected = chance.sf(head.events) + chance.pmf(head.events) / 2
    assert rate_p([(base, head)]) == pytest.approx(expected, rel=1e-8, abs=1e-290)
    table = [[head.events, head_n - head.events], [base.events, base_n - base.events]]
    fisher = fisher_exact(table, alternative="greater").pvalue
    assert rate_p([(base, head)]) == pytest.approx(fisher - chance.pmf(head.events) / 2, abs=1e-9)


@limits(deadline=None, max_examples=60)
@given(
    st.lists(
        st.tuples(*[st.integers(1, 8).flatmap(lambda n: st.builds(Share, st.integers(0, n), st.just(n)))] * 2),
        min_size=1,
        max_size=4,
    )
)
def test_several_strata_are_every_way_to_deal_their_events(strata):
    assert rate_p(strata) == pytest.approx(float(exact_p(strata)), rel=1e-12, abs=1e-300)


@given(RATES)
def test_risen_and_fallen_are_two_sides_of_one_probability(strata):
    risen, fallen = rate_p(strata), rate_p([(head, base) for base, head in strata])
    assert 0.0 <= risen <= 1.0
    assert risen + fallen == pytest.approx(1.0, abs=1e-12)


@given(RATES, st.randoms(use_true_random=False))
def test_the_order_of_the_strata_does_not_matter_to_the_last_bit(strata, random):
    shuffled = random.sample(strata, len(strata))
    assert rate_p(shuffled) == rate_p(strata)
    assert rate_difference(shuffled) == rate_difference(strata)


@given(RATES, SHARES, SHARES)
def test_a_stratum_without_events_or_with_nothing_else_says_nothing(strata, base, head):
    for share in (0, 1):
        silent = (Share(share * base.n, base.n), Share(share * head.n, head.n))
        assert rate_p([*strata, silent]) == pytest.approx(rate_p(strata), abs=1e-12)


@given(RATES)
def test_one_more_event_of_head_is_more_evidence(strata):
    base, head = strata[0]
    if head.events < head.n:
        more = Share(head.events + 1, head.n)
        assert rate_p([(base, more), *strata[1:]]) <= rate_p(strata) + 1e-12


@pytest.mark.parametrize("strata", [[], rates(((0, 30), (0, 40))), rates(((30, 30), (40, 40)), ((0, 9), (0, 1)))])
def test_where_nothing_can_differ_more_and_less_are_as_likely(strata):
    assert rate_p(strata) == 0.5


@pytest.mark.parametrize(
    ("base_n", "head_n", "expected"),
    [
        (20, 20, [0.0, 0.6, 9, 22, 63]),
        (50, 50, [0.7, 2.9, 46, 69, 97]),
        (100, 50, [1.7, 4.3, 62, 82, 99]),
    ],
)
def test_a_rise_is_seen_as_often_as_in_the_reference_table(base_n, head_n, expected):
    seen = np.array(
        [
            [
                Fraction(head, head_n) - Fraction(base, base_n) >= Fraction(2, 100)
                and rate_p(rates(((base, base_n), (head, head_n)))) <= 0.05
                for head in range(head_n + 1)
            ]
            for base in range(min(base_n, 25) + 1)  # at 5% of 100, more have no chance to speak of
        ]
    )
    for (before, after), percent in zip(
        [(0.02, 0.02), (0.05, 0.05), (0.02, 0.10), (0.03, 0.15), (0.05, 0.30)], expected, strict=True
    ):
        chances = binom.pmf(range(len(seen)), base_n, before), binom.pmf(range(head_n + 1), head_n, after)
        digits = 1 if percent < 5 else 0
        assert round(100 * float(chances[0] @ seen @ chances[1]), digits) == percent


def test_fifty_strata_of_thousands_stay_exact():
    assert rate_p(rates(((50, 1000), (50, 1000))) * 50) == pytest.approx(0.5, abs=1e-12)
    assert rate_p(rates(((500, 1000), (500, 1000))) * 50) == pytest.approx(0.5, abs=1e-12)
    # The sum of so many is all but normal
    strata = rates(((50, 1000), (52, 1000))) * 50
    assert rate_p(strata) == pytest.approx(norm.sf(50 / math.sqrt(variance_of(strata))), rel=5e-4)


def test_what_is_next_to_impossible_is_no_error():
    certain, never = (1000, 1000), (0, 1000)
    assert rate_p(rates((never, certain)) * 50) == pytest.approx(0.0, abs=1e-300)
    assert rate_p(rates((certain, never)) * 50) == pytest.approx(1.0, abs=1e-12)
    # 1 / (2 * C(200, 100)): the only outcome as extreme
    assert rate_p(rates(((0, 100), (100, 100)))) == pytest.approx(1 / (2 * math.comb(200, 100)), rel=1e-10)
    # and squared, with a second stratum of the same
    expected = Fraction(1, 2 * math.comb(200, 100) ** 2)
    assert rate_p(rates(((0, 100), (100, 100))) * 2) == pytest.approx(float(expected), rel=1e-10)


def test_large_counts_are_no_problem():
    base, head = Share(500_000, 10**7), Share(10_300, 200_000)
    chance = hypergeom(base.n + head.n, base.events + head.events, head.n)
    expected = chance.sf(head.events) + chance.pmf(head.events) / 2
    assert rate_p([(base, head)]) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("base", "head_n", "expected"),
    [
        (Share(0, 20), 20, 4),
        # C(n, k) / C(40, k) / 2 <= 5%, which is 0.0577 for three and 0.0265 for four of twenty
        (Share(20, 20), 20, None),
        (Share(19, 20), 20, None),  # twenty of twenty would be 0.25
        (Share(0, 1000), 1, 1),  # one of 1,001 is head's: 0.0005
        (Share(0, 2), 2, None),  # both would be 1 / C(4, 2) / 2 = 0.083
        (Share(0, 2), 0, None),
    ],
)
def test_a_clean_baseline_needs_some_events_to_be_contradicted(base, head_n, expected):
    assert least_visible(base, head_n) == expected


@limits(deadline=None, max_examples=60)
@given(SHARES, st.integers(1, 30))
def test_fewer_events_than_the_least_visible_are_not_seen(base, head_n):
    seen = [rate_p([(base, Share(events, head_n))]) <= 0.05 for events in range(head_n + 1)]
    assert least_visible(base, head_n) == (seen.index(True) if True in seen else None)


def test_the_difference_is_the_average_within_the_strata():
    # Weights n0 n1 / n: 70 * 30 / 100 = 21, 20 * 20 / 40 = 10, 10 * 50 / 60 = 25/3
    expected = (
        21 * (Fraction(1, 30) - Fraction(2, 70)) + 0 + Fraction(25, 3) * (Fraction(8, 50) - Fraction(2, 10))
    ) / (21 + 10 + Fraction(25, 3))
    assert rate_difference(rates(*SIMPSON.values())) == expected


@limits(deadline=None, max_examples=60)
@given(RATES)
def test_the_difference_has_the_sign_of_mantel_and_haenszels_test(strata):
    tables = pytest.importorskip("statsmodels.stats.contingency_tables", reason="statsmodels is not at hand")
    cells = [[[head.events, head.n - head.events], [base.events, base.n - base.events]] for base, head in strata]
    stratified = tables.StratifiedTable([np.array(cell, dtype=np.float64) for cell in cells])
    excess = sum(
        Fraction(head.events) - Fraction(head.n * (base.events + head.events), base.n + head.n) for base, head in strata
    )
    difference = rate_difference(strata)
    assert (difference > 0, difference < 0) == (excess > 0, excess < 0)
    variance = variance_of(strata)
    if variance > 0:
        statistic = stratified.test_null_odds(correction=False).statistic
        assert float(excess) ** 2 / variance == pytest.approx(statistic, rel=1e-9, abs=1e-9)


def test_simpsons_strata_have_the_reference_statistic():
    strata = rates(*SIMPSON.values())
    variance = variance_of(strata)
    weight = sum(b.n * h.n / (b.n + h.n) for b, h in strata)
    assert float(rate_difference(strata)) * weight / math.sqrt(variance) == pytest.approx(-0.1545, abs=5e-5)


def test_bounds_on_a_difference_are_those_of_the_reference_table():
    found = rate_difference_bounds(rates(((2, 60), (7, 50))))
    assert (found.confidence, found.lower, found.upper) == (
        0.95,
        pytest.approx(0.018427, abs=5e-7),
        pytest.approx(0.208367, abs=5e-7),
    )


@limits(deadline=None, max_examples=100)
@given(SHARES, SHARES, st.sampled_from([0.8, 0.95, 0.99]))
def test_bounds_of_one_stratum_agree_with_statsmodels(base, head, confidence):
    proportion = pytest.importorskip("statsmodels.stats.proportion", reason="statsmodels is not at hand")
    found = rate_difference_bounds([(base, head)], confidence)
    expected = proportion.confint_proportions_2indep(
        head.events, head.n, base.events, base.n, method="newcomb", compare="diff", alpha=2 * (1 - confidence)
    )
    assert (found.lower, found.upper) == pytest.approx(expected, abs=1e-9)


@given(RATES)
def test_bounds_enclose_the_difference_and_turn_with_it(strata):
    found = rate_difference_bounds(strata)
    turned = rate_difference_bounds([(head, base) for base, head in strata])
    difference = float(rate_difference(strata))
    assert -1 - 1e-12 <= found.lower <= difference + 1e-12
    assert difference - 1e-12 <= found.upper <= 1 + 1e-12
    assert (turned.lower, turned.upper) == (pytest.approx(-found.upper), pytest.approx(-found.lower))


@given(SHARES, SHARES, st.integers(2, 5))
def test_equal_strata_are_bounded_as_all_their_samples_together(base, head, times):
    together = (Share(times * base.events, times * base.n), Share(times * head.events, times * head.n))
    one, several = rate_difference_bounds([together]), rate_difference_bounds([(base, head)] * times)
    assert (several.lower, several.upper) == (pytest.approx(one.lower), pytest.approx(one.upper))


def test_without_strata_there_is_no_difference():
    assert rate_difference([]) is rate_difference_bounds([]) is None


# Ratios

BIN_LISTS = st.lists(st.integers(-30, 30), min_size=1, max_size=30)
RATIOS = st.lists(st.tuples(BIN_LISTS, BIN_LISTS), min_size=1, max_size=4)


def test_ratios_are_kept_as_whole_percents_of_a_logarithm():
    # ln 2 = 0.6931, ln 0.5 = -0.6931, ln 1.004 = 0.0040, ln 1.006 = 0.0060
    found = log_ratios(np.array([200, 50, 1004, 1006, 200]), np.array([100, 100, 1000, 1000, 100]))
    assert found == LogRatios(bins=(-69, 0, 1, 69), counts=(1, 1, 1, 2))
    assert found.n == 5


@limits(deadline=None, max_examples=100)
@given(st.lists(st.tuples(st.integers(1, 10**9), st.integers(1, 10**9)), min_size=1, max_size=50))
def test_no_ratio_is_off_by_more_than_half_a_percent(calls):
    found = log_ratios(*(np.array(column) for column in zip(*calls, strict=True)))
    kept = [bin_ for bin_, count in zip(found.bins, found.counts, strict=True) for _ in range(count)]
    exact = sorted(100 * math.log(output / predicted) for output, predicted in calls)
    assert kept == pytest.approx(exact, abs=0.5 + 1e-9)
    assert list(found.bins) == sorted(set(found.bins))


def test_no_ratios_are_an_empty_histogram():
    found = log_ratios(np.array([], dtype=np.int64), np.array([], dtype=np.int64))
    assert found == NO_RATIOS
    assert (found.n, found.median) == (0, None)


def test_ratios_beyond_a_billion_are_kept_as_that():
    found = log_ratios(np.array([10**9, 1]), np.array([1e-200, 1e300]))
    assert found.bins == (-LARGEST_BIN, LARGEST_BIN)


@given(st.lists(st.integers(-300, 300), min_size=1, max_size=40))
def test_the_median_ratio_is_that_of_the_bins(bins):
    assert ratios_at(bins).median == pytest.approx(math.exp(np.median(bins) / 100))


def test_ranks_are_compared_as_in_the_reference_table():
    assert van_elteren(ratios((A, B))) == (pytest.approx(2.205441, abs=5e-7), pytest.approx(0.027423, abs=5e-7))
    both = van_elteren(ratios((A, B), (A2, B2)))
    assert both == (pytest.approx(2.808570, abs=5e-7), pytest.approx(0.004976, abs=5e-7))


@limits(deadline=None, max_examples=150)
@given(BIN_LISTS, BIN_LISTS)
def test_one_stratum_is_mann_and_whitneys_test(base, head):
    statistic, p = van_elteren(ratios((base, head)))
    if len({*base, *head}) == 1:
        assert (statistic, p) == (0.0, 1.0)
        return
    expected = mannwhitneyu(head, base, use_continuity=False, method="asymptotic")
    assert p == pytest.approx(expected.pvalue, rel=1e-10, abs=1e-12)
    assert (statistic > 0) == (expected.statistic > len(base) * len(head) / 2)


@limits(deadline=None, max_examples=150)
@given(RATIOS)
def test_strata_are_weighted_by_one_over_their_size_and_one(strata):
    excess = variance = 0.0
    for base, head in strata:
        n, ranks = len(base) + len(head), rankdata([*base, *head])
        excess += (ranks[len(base) :].sum() - len(head) * (n + 1) / 2) / (n + 1)
        # the variance of a sum of ranks drawn without replacement, ties and all
        variance += len(base) * len(head) / n * np.var(ranks, ddof=1) / (n + 1) ** 2
    statistic, p = van_elteren(ratios(*strata))
    expected = excess / math.sqrt(variance) if variance > 1e-12 else 0.0
    assert statistic == pytest.approx(expected, rel=1e-9, abs=1e-9)
    assert p == pytest.approx(2 * norm.sf(abs(expected)), rel=1e-8, abs=1e-12)


@given(RATIOS)
def test_ratios_turned_round_are_as_far_off_the_other_way(strata):
    there, back = ratios(*strata), ratios(*((head, base) for base, head in strata))
    assert van_elteren(back) == (pytest.approx(-van_elteren(there)[0], abs=1e-12), pytest.approx(van_elteren(there)[1]))
    (factor, bounds), (inverse, turned) = shift(there), shift(back)
    assert factor * inverse == pytest.approx(1.0)
    if bounds is None:
        assert turned is None
    else:
        assert (bounds.lower * turned.upper, bounds.upper * turned.lower) == (pytest.approx(1.0), pytest.approx(1.0))
        assert bounds.lower <= factor <= bounds.upper


@given(RATIOS, st.integers(-200, 200))
def test_a_shift_of_all_ratios_is_found_exactly(strata, moved):
    before, _ = shift(ratios(*strata))
    after, _ = shift(ratios(*((base, [bin_ + moved for bin_ in head]) for base, head in strata)))
    assert after == pytest.approx(before * math.exp(moved / 100))


@limits(deadline=None, max_examples=150)
@given(BIN_LISTS, BIN_LISTS)
def test_the_shift_of_one_stratum_is_the_median_difference(base, head):
    # Hodges and Lehmann's estimate, and bounds by order statistics of all pairwise differences
    differences = np.sort(np.subtract.outer(head, base), axis=None)
    factor, bounds = shift(ratios((base, head)))
    assert factor == pytest.approx(math.exp(np.median(differences) / 100))
    pairs = len(differences)
    rank = pairs / 2 - norm.ppf(0.95) * math.sqrt(pairs * (len(base) + len(head) + 1) / 12)
    if rank <= 0:
        assert bounds is None
    else:
        expected = differences[math.ceil(rank) - 1], differences[pairs - math.ceil(rank)]
        assert (bounds.lower, bounds.upper) == pytest.approx([math.exp(each / 100) for each in expected])


def test_the_shift_of_several_strata_weighs_their_pairs():
    # One pair at +10 with weight 1/3, four at +40 with 1/5 each: more than half of the weight is at +40
    assert shift(ratios(([0], [10]), ([0, 0], [40, 40])))[0] == pytest.approx(math.exp(0.4))
    # Two strata of one pair each: halfway
    assert shift(ratios(([0], [10]), ([0], [40])))[0] == pytest.approx(math.exp(0.25))


@limits(deadline=None, max_examples=60)
@given(RATIOS)
def test_without_its_shift_nothing_is_left_to_see(strata):
    factor, _ = shift(ratios(*strata))
    bins = 100 * math.log(factor)
    statistics = [
        van_elteren(ratios(*((base, [bin_ - moved for bin_ in head]) for base, head in strata)))[0]
        for moved in (math.floor(bins + 1e-6) - 1, math.ceil(bins - 1e-6) + 1)
    ]
    assert statistics[0] >= -1e-9
    assert statistics[1] <= 1e-9


def test_without_strata_there_is_no_shift():
    assert shift([]) is None
    assert van_elteren([]) == (0.0, 1.0)


def test_a_pair_of_samples_has_a_shift_and_no_bounds():
    assert shift(ratios(([0], [30]))) == (pytest.approx(math.exp(0.3)), None)


@pytest.mark.parametrize("spread", [0.2, 0.6, 0.9, 1.2])
def test_coarse_ratios_say_what_exact_ones_do(spread):
    random = np.random.default_rng(20261123)
    base, head = np.exp(random.normal(0, spread, 150)), np.exp(random.normal(spread / 4, spread, 80))
    exact = mannwhitneyu(head, base, use_continuity=False, method="asymptotic").pvalue
    statistic, _ = van_elteren([(log_ratios(base, np.ones(150)), log_ratios(head, np.ones(80)))])
    assert abs(statistic) == pytest.approx(norm.isf(exact / 2), abs=0.03)


# The rule


def test_a_rate_that_rose_with_the_mix_alone_has_not_drifted():
    found = drift_of(SIMPSON)
    assert (found.base, found.head) == (Share(5, 100), Share(10, 100))
    # 0.7 * 1/30 + 0.2 * 1/20 + 0.1 * 8/50
    assert found.standardised == pytest.approx(0.049333, abs=5e-7)
    assert found.p == pytest.approx(0.563341, abs=5e-7)
    assert (found.matters, found.outcome) == (False, "steady")
    # implementation from 70% to 30%, docs from 10% to 50%
    assert found.mix_shift == pytest.approx(0.4)
    assert [(each.name, each.base_mix, each.head_mix) for each in found.strata] == [
        ("docs", 0.1, 0.5),
        ("impl", 0.7, 0.3),
        ("tests", 0.2, 0.2),
    ]


@pytest.mark.parametrize("of", ["underestimation", "truncation"])
def test_a_rate_that_rose_within_the_strata_has_drifted(of):
    found = drift_of({"docs": ((1, 50), (8, 50)), "tests": ((2, 50), (7, 50))}, of)
    assert found.outcome == "drift"
    assert found.difference == pytest.approx(0.12)
    assert found.bounds.lower > 0.0
    assert found.adjusted_p == found.p


@pytest.mark.parametrize("of", ["underestimation", "truncation"])
def test_a_rate_that_fell_has_not_drifted(of):
    found = drift_of({"docs": ((30, 50), (2, 50))}, of)
    assert found.outcome == "steady"
    assert found.p > 0.999


@pytest.mark.parametrize(
    ("of", "head", "outcome"),
    [
        # 1% of 10,000 before: a significant rise, which must reach two points, or one
        ("underestimation", 299, "steady"),
        ("underestimation", 300, "drift"),
        ("truncation", 199, "steady"),
        ("truncation", 200, "drift"),
    ],
)
def test_a_rise_must_be_large_enough_to_matter(of, head, outcome):
    found = drift_of({"docs": ((100, 10_000), (head, 10_000))}, of)
    assert found.p < 1e-6
    assert found.outcome == outcome


@pytest.mark.parametrize(("moved", "outcome"), [(9, "steady"), (10, "drift"), (-9, "steady"), (-10, "drift")])
def test_ratios_must_move_by_a_tenth_to_matter(moved, outcome):
    bins = range(-20, 20)  # ln 1.1 is 9.53 bins
    found = drift_of_ratios({"docs": ([*bins] * 50, [bin_ + moved for bin_ in bins] * 50)})
    assert found.p < 1e-6
    assert found.shift == pytest.approx(math.exp(moved / 100))
    assert found.outcome == outcome


def test_a_side_of_one_sample_has_its_mix():
    # base is all docs, head half docs and half tests: half of base's mix would have to move
    found = drift_of({"docs": ((0, 1), (0, 1)), "tests": ((0, 0), (0, 1))})
    assert [(each.name, each.base_mix, each.head_mix) for each in found.strata] == [
        ("docs", 1.0, 0.5),
        ("tests", 0.0, 0.5),
    ]
    assert found.mix_shift == pytest.approx(0.5)


def test_ratios_that_moved_with_the_mix_alone_have_not_drifted():
    short, long = [*range(-20, 20)], [*range(80, 120)]
    found = drift_of_ratios({"docs": (long, long * 4), "tests": (short * 4, short)})
    assert (found.base_median, found.head_median) == (pytest.approx(1.06, abs=0.02), pytest.approx(2.55, abs=0.05))
    assert (found.shift, found.outcome) == (1.0, "steady")
    assert [(each.name, each.base_n, each.head_n) for each in found.strata] == [("docs", 40, 160), ("tests", 160, 40)]
    assert [each.base_median for each in found.strata] == [each.head_median for each in found.strata]


@pytest.mark.parametrize(("base_n", "head_n"), [(19, 500), (500, 19), (0, 500), (500, 0), (0, 0)])
def test_too_few_samples_are_not_called_steady(base_n, head_n):
    found = drift_of({"docs": ((0, base_n), (0, head_n))})
    assert (found.outcome, found.p, found.adjusted_p) == ("too-few", None, None)
    found = drift_of_ratios({"docs": ([0] * base_n, [50] * head_n)})
    assert (found.outcome, found.p, found.adjusted_p) == ("too-few", None, None)


def test_twenty_samples_on_each_side_are_judged():
    found = drift_of({"docs": ((0, 10), (0, 10)), "tests": ((0, 10), (0, 10))})
    assert (found.outcome, found.p, found.least_visible) == ("steady", 0.5, 4)
    assert drift_of_ratios({"docs": ([0] * 20, [0] * 20)}).outcome == "steady"
    assert drift_of_ratios({"docs": ([0] * 20, [50] * 20)}).outcome == "drift"


@pytest.mark.parametrize(
    ("base", "outcome"),
    [
        # Twenty of twenty afterwards would be p = 0.25, 0.12, 0.058 and 0.027: C(base + 20, 20) / C(40, 20) / 2
        (19, "too-few"),
        (18, "too-few"),
        (17, "too-few"),
        (16, "steady"),
    ],
)
def test_a_baseline_in_which_no_rise_can_be_seen_is_not_called_steady(base, outcome):
    assert drift_of({"docs": ((base, 20), (0, 20))}).outcome == outcome
    # in the only stratum with room: 0.25, 0.12, 0.053 and 0.022
    halves = {"docs": ((base - 10, 10), (0, 10)), "tests": ((10, 10), (0, 10))}
    assert drift_of(halves).outcome == outcome


CROWDED = st.integers(7, 12).flatmap(lambda n: st.tuples(st.integers(n - 3, n), st.just(n)))


@limits(deadline=None, max_examples=60)
@given(st.lists(st.tuples(CROWDED, st.integers(7, 12)), min_size=3, max_size=3))
def test_a_rise_can_be_seen_if_the_most_extreme_outcome_is_significant(strata):
    worst = {str(name): (base, (head_n, head_n)) for name, (base, head_n) in enumerate(strata)}
    rise = rates(*worst.values())
    room = float(rate_difference(rise)) >= 0.02
    assume(abs(rate_p(rise) - 0.05) > 1e-9)  # where the last bit decides
    assert (drift_of(worst).outcome == "too-few") == (room and rate_p(rise) > 0.05)


def test_a_rate_without_room_to_rise_is_steady():
    found = drift_of({"docs": ((200, 200), (100, 200))})
    assert (found.outcome, found.least_visible) == ("steady", None)


def test_strata_of_one_side_are_listed_and_not_compared():
    found = drift_of({"docs": ((1, 50), (1, 50)), "new": ((0, 0), (40, 40)), "gone": ((40, 40), (0, 0))})
    assert (found.base, found.head) == (Share(41, 90), Share(41, 90))
    assert (found.compared_base, found.compared_head) == (Share(1, 50), Share(1, 50))
    assert (found.difference, found.standardised) == (0.0, pytest.approx(0.02))
    assert found.least_visible == least_visible(Share(1, 50), 50)
    assert {each.name: each.p is None for each in found.strata} == {"docs": False, "gone": True, "new": True}
    assert found.mix_shift == pytest.approx(40 / 90)


def test_sides_without_a_common_stratum_cannot_be_compared():
    found = drift_of({"new": ((0, 0), (1, 40)), "gone": ((1, 40), (0, 0))})
    assert (found.outcome, found.difference, found.bounds, found.standardised) == ("too-few", None, None, None)
    assert (found.least_visible, found.mix_shift) == (None, 1.0)
    ratio = drift_of_ratios({"new": ([], [0] * 40), "gone": ([0] * 40, [])})
    assert (ratio.outcome, ratio.shift, ratio.bounds, ratio.base_n, ratio.head_n) == ("too-few", None, None, 40, 40)


def test_strata_without_a_ratio_are_not_listed_with_the_ratios():
    assert drift(*sides({"docs": rates(((1, 50), (1, 50)))[0]})).ratio.strata == ()


def test_nothing_against_nothing_is_too_few():
    found = drift({}, {})
    assert {found.underestimation.outcome, found.truncation.outcome, found.ratio.outcome} == {"too-few"}
    assert (found.underestimation.mix_shift, found.underestimation.strata, found.ratio.strata) == (None, (), ())


def test_samples_that_do_not_say_are_a_stratum_of_their_own():
    found = drift_of({"docs": ((1, 50), (1, 50)), "": ((1, 50), (1, 50)), None: ((0, 50), (20, 50))})
    assert [each.name for each in found.strata] == [None, "", "docs"]
    assert found.outcome == "drift"


def test_strata_are_marked_with_regard_to_all_of_them():
    found = drift_of({"docs": ((0, 50), (6, 50)), "tests": ((1, 50), (1, 50)), "gone": ((1, 50), (0, 0))})
    alone = rate_p(rates(((0, 50), (6, 50))))
    assert {each.name: each.p for each in found.strata} == {
        "docs": pytest.approx(2 * alone),
        "tests": pytest.approx(0.5),
        "gone": None,
    }


def whole(underestimation, truncation, bins) -> list[dict[str | None, Summary]]:
    """Both sides of a drift in one stratum, in all three figures."""
    pairs = [rates(underestimation)[0], rates(truncation)[0], ratios(bins)[0]]
    return [{"docs": Summary(*(pair[side] for pair in pairs))} for side in (0, 1)]


def p_values(found: Drift) -> list[tuple[float | None, float | None]]:
    return [(each.p, each.adjusted_p) for each in (found.underestimation, found.truncation, found.ratio)]


def test_three_tests_make_each_other_harder():
    bins = [*range(-20, 20)]
    found = drift(*whole(((2, 60), (7, 50)), ((1, 60), (1, 50)), (bins, bins)))
    # Holm: the least three times, the next twice at least that, the last once
    assert p_values(found) == [
        (pytest.approx(0.026515, abs=5e-7), pytest.approx(3 * 0.026515, abs=2e-6)),
        (pytest.approx(found.truncation.p), pytest.approx(min(1.0, 2 * found.truncation.p))),
        (1.0, 1.0),
    ]
    assert found.underestimation.outcome == "steady"


def test_a_test_that_cannot_be_made_does_not_make_the_others_harder():
    found = drift(*whole(((2, 60), (7, 50)), ((0, 0), (0, 0)), ([0] * 30, [0] * 30)))
    assert [adjusted for _, adjusted in p_values(found)] == [pytest.approx(2 * 0.026515, abs=2e-6), None, 1.0]
    assert [found.truncation.outcome, found.ratio.outcome] == ["too-few", "steady"]


SUMMARIES = st.builds(
    Summary,
    st.one_of(SHARES, st.just(NO_SAMPLES)),
    st.one_of(SHARES, st.just(NO_SAMPLES)),
    st.lists(st.integers(-30, 30), max_size=25).map(ratios_at),
)
SIDES = st.dictionaries(st.one_of(st.none(), st.sampled_from(["docs", "tests", "impl", "other"])), SUMMARIES)


@limits(deadline=None, max_examples=150)
@given(SIDES, SIDES)
def test_any_two_sides_can_be_compared(base, head):
    found = drift(base, head)
    assert drift(dict(reversed(base.items())), dict(reversed(head.items()))) == found
    for finding in (found.underestimation, found.truncation, found.ratio):
        assert (finding.p is None) == (finding.adjusted_p is None) == (finding.outcome == "too-few")
        if finding.p is not None:
            assert 0.0 <= finding.p <= finding.adjusted_p <= 1.0
    for rate in (found.underestimation, found.truncation):
        assert sum(each.head.n for each in rate.strata) == rate.head.n
        assert rate.mix_shift is None or 0.0 <= rate.mix_shift <= 1.0 + 1e-12
        assert rate.standardised is None or 0.0 <= rate.standardised <= 1.0 + 1e-12


@limits(deadline=None, max_examples=50)
@given(SIDES)
def test_a_baseline_has_not_drifted_from_itself(side):
    found = drift(side, side)
    for finding in (found.underestimation, found.truncation, found.ratio):
        assert finding.outcome != "drift"
        assert not finding.matters


def simulated(random, n, shifted, truncation) -> dict[str | None, Summary]:
    """Calls of three categories, lognormal around 40, 60 and 80% of what was predicted."""
    category = random.choice(3, n, p=[0.5, 0.3, 0.2])
    output = np.exp(np.log([0.25, 0.4, 0.45])[category] + random.normal(0, 0.6, n)) * shifted
    truncated = random.random(n) < truncation
    under = truncated | (output > 1)
    return {
        str(code): Summary(
            Share(int(under[rows].sum()), int(rows.sum())),
            Share(int(truncated[rows].sum()), int(rows.sum())),
            log_ratios(output[rows], np.ones(int(rows.sum()))),
        )
        for code in range(3)
        if (rows := category == code).any()
    }


def alarms(n, shifted, truncation, runs) -> float:
    """How often any of the tests sees drift."""
    random, seen = np.random.default_rng(20261123), 0
    for _ in range(runs):
        found = drift(simulated(random, n, 1.0, 0.01), simulated(random, n, shifted, truncation))
        seen += "drift" in {found.underestimation.outcome, found.truncation.outcome, found.ratio.outcome}
    return seen / runs


def test_without_drift_there_is_an_alarm_in_less_than_one_of_twenty_cases():
    assert alarms(50, 1.0, 0.01, runs=200) <= 0.05


def test_half_as_much_output_again_is_seen_in_most_cases():
    assert alarms(50, 1.5, 0.03, runs=100) >= 0.7
