"""Exact binomial bounds, and how many samples would prove a rate."""

from __future__ import annotations

import gc
import math
import random

import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st
from scipy.stats import beta, binom

from pytest_token_telemetry.analysis.evidence import (
    MOST_SAMPLES,
    Certainty,
    bounds,
    holm,
    log_evidence_above,
    log_evidence_within,
    p_value_above,
    wilson,
)

NINETY_FIVE, SEQUENTIAL = Certainty(), Certainty(sequential=True)


@pytest.mark.parametrize(
    ("events", "n", "lower", "upper"),
    [
        # Clopper and Pearson, one-sided 95%, as statsmodels' proportion_confint(method="beta", alpha=0.1) gives them
        (0, 20, 0.0, 0.139108),
        (1, 20, 0.002561, 0.216106),
        (4, 20, 0.071354, 0.401028),
        (0, 59, 0.0, 0.049508),
        (5, 100, 0.019906, 0.102253),
    ],
)
def test_bounds_are_those_of_the_published_table(events, n, lower, upper):
    found = bounds(events, n)
    assert (found.confidence, found.lower, found.upper) == (
        0.95,
        pytest.approx(lower, abs=5e-7),
        pytest.approx(upper, abs=5e-7),
    )


def exact_bounds(events: int, n: int, confidence: float) -> tuple[float, float]:
    """Clopper and Pearson's bounds as quantiles of the beta distribution."""
    lower = 0.0 if events == 0 else beta.ppf(1 - confidence, events, n - events + 1)
    upper = 1.0 if events == n else beta.ppf(confidence, events + 1, n - events)
    return float(lower), float(upper)


@pytest.mark.parametrize("confidence", [0.5, 0.8, 0.9, 0.95, 0.99, 0.999])
@pytest.mark.parametrize("n", [1, 2, 3, 7, 20, 59, 100, 1000, 54_321])
def test_bounds_agree_with_the_beta_distribution(n, confidence):
    for events in sorted({0, 1, 2, n // 20, n // 3, n // 2, n - 1, n}):
        if events <= n:
            found = bounds(events, n, confidence)
            assert (found.lower, found.upper) == pytest.approx(exact_bounds(events, n, confidence), abs=1e-9)


@pytest.mark.parametrize("events", [0, 1, 17, 199_999, 500_000, 5_000_000, 9_999_999, 10_000_000])
def test_bounds_stay_exact_with_ten_million_samples(events):
    found = bounds(events, 10_000_000)
    assert (found.lower, found.upper) == pytest.approx(exact_bounds(events, 10_000_000, 0.95), abs=1e-9)


@limits(deadline=None, max_examples=150)
@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.floats(0.5, 0.9999))
def test_bounds_agree_with_the_beta_distribution_for_any_count(counts, confidence):
    events, n = counts
    found = bounds(events, n, confidence)
    assert (found.lower, found.upper) == pytest.approx(exact_bounds(events, n, confidence), abs=1e-9)


@pytest.mark.parametrize("n", [1, 20, 1000])
def test_without_an_event_the_lower_bound_is_zero(n):
    assert bounds(0, n).lower == 0.0


@pytest.mark.parametrize("n", [1, 20, 1000])
def test_with_events_only_the_upper_bound_is_one(n):
    assert bounds(n, n).upper == 1.0


@pytest.mark.parametrize("n", [1, 20, 59, 500])
def test_without_an_event_the_upper_bound_has_a_closed_form(n):
    assert bounds(0, n).upper == pytest.approx(1 - 0.05 ** (1 / n), abs=1e-12)


@pytest.mark.parametrize(
    ("target", "needed"),
    [
        (0.05, [59, 93, 124, 153, 181, 208]),
        (0.02, [149, 236, 313, 386, 456, 523]),
        (0.10, [29, 46, 61, 76, 89, 103]),
    ],
)
def test_samples_to_prove_are_those_of_the_published_table(target, needed):
    assert [NINETY_FIVE.samples_to_prove(events, target) for events in range(6)] == needed


@pytest.mark.parametrize(("target", "needed"), [(0.05, 32), (0.02, 80)])
def test_less_confidence_needs_fewer_samples(target, needed):
    assert Certainty(0.80).samples_to_prove(0, target) == needed


@pytest.mark.parametrize("events", [0, 1, 5])
def test_nothing_proves_a_rate_of_zero(events):
    assert NINETY_FIVE.samples_to_prove(events, 0.0) is None


@pytest.mark.parametrize(("events", "needed"), [(0, 1), (1, 1), (7, 7)])
def test_a_rate_of_one_needs_no_proof(events, needed):
    assert NINETY_FIVE.samples_to_prove(events, 1.0) == needed


@pytest.mark.parametrize("target", [0.1, 0.01, 0.001, 1e-6, 0.9, 0.96])
def test_clean_samples_to_prove_have_a_closed_form(target):
    # (1 - target) ** n <= 0.05
    assert NINETY_FIVE.samples_to_prove(0, target) == math.ceil(math.log(0.05) / math.log1p(-target))


@limits(deadline=None, max_examples=150)
@given(st.integers(0, 60), st.floats(0.001, 0.99), st.sampled_from([0.5, 0.8, 0.95, 0.99]))
def test_samples_to_prove_are_enough_and_one_less_is_not(events, target, confidence):
    needed = Certainty(confidence).samples_to_prove(events, target)
    assert needed is not None
    assert binom.cdf(events, needed, target) <= (1 - confidence) * (1 + 1e-9)
    if needed - 1 > events:
        assert binom.cdf(events, needed - 1, target) > (1 - confidence) * (1 - 1e-9)


@pytest.mark.parametrize(
    ("events", "n", "proves"),
    [
        # "pass": the upper bound is within 5%; "fail": the lower one is above; None: neither
        (0, 58, None),
        (0, 59, "pass"),
        (1, 92, None),
        (1, 93, "pass"),
        (3, 20, None),
        (4, 20, "fail"),
        (9, 100, None),
        (10, 100, "fail"),
    ],
)
def test_proof_begins_where_the_published_table_says(events, n, proves):
    found = bounds(events, n)
    assert ("pass" if found.upper <= 0.05 else "fail" if found.lower > 0.05 else None) == proves
    assert NINETY_FIVE.proves_within(events, n, 0.05) is (proves == "pass")
    assert NINETY_FIVE.proves_above(events, n, 0.05) is (proves == "fail")


@pytest.mark.parametrize(("n", "least"), [(20, 4), (50, 6), (100, 10), (200, 16)])
def test_an_underestimation_rate_is_proven_too_high_from_the_published_count(n, least):
    assert NINETY_FIVE.proves_above(least, n, 0.05)
    assert not NINETY_FIVE.proves_above(least - 1, n, 0.05)


@pytest.mark.parametrize(("n", "least"), [(20, 3), (50, 4), (100, 6), (200, 8)])
def test_a_truncation_rate_is_proven_too_high_from_the_published_count(n, least):
    assert NINETY_FIVE.proves_above(least, n, 0.02)
    assert not NINETY_FIVE.proves_above(least - 1, n, 0.02)


@limits(deadline=None, max_examples=300)
@given(
    st.integers(1, 3000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))),
    st.floats(0.001, 0.999),
    st.sampled_from([0.5, 0.8, 0.95, 0.999999]),
)
def test_what_is_proven_is_what_the_bounds_say(counts, target, confidence):
    events, n = counts
    certainty = Certainty(confidence)
    lower, upper = exact_bounds(events, n, confidence)
    if abs(upper - target) > 1e-9:
        assert certainty.proves_within(events, n, target) is (upper <= target)
    if abs(lower - target) > 1e-9:
        assert certainty.proves_above(events, n, target) is (lower > target)


@pytest.mark.parametrize("certainty", [Certainty(), Certainty(0.5), Certainty(sequential=True)])
@pytest.mark.parametrize("target", [0.0, 1e-17, 1e-15, 0.05, 0.5, 1.0])
def test_no_samples_prove_nothing(certainty, target):
    assert not certainty.proves_within(0, 0, target)
    assert not certainty.proves_above(0, 0, target)


@pytest.mark.parametrize("certainty", [Certainty(), Certainty(sequential=True)])
@pytest.mark.parametrize("target", [0.0, 1e-17])
def test_one_event_proves_that_it_does_not_never_happen(certainty, target):
    assert certainty.proves_above(1, 100, target)
    assert not certainty.proves_above(0, 100, target)
    assert not certainty.proves_within(0, 100, target)


@pytest.mark.parametrize("certainty", [Certainty(), Certainty(sequential=True)])
def test_a_target_of_one_is_always_met(certainty):
    assert certainty.proves_within(5, 5, 1.0)
    assert not certainty.proves_above(5, 5, 1.0)


@pytest.mark.parametrize("sequential", [False, True])
@pytest.mark.parametrize("target", [1e-17, 1e-12, 1e-8])
@pytest.mark.parametrize("events", [0, 1, 1000])
def test_a_number_of_samples_that_nobody_collects_is_none(events, target, sequential):
    # log(0.05) / log(1 - 1e-8) is three hundred millions
    certainty = Certainty(sequential=sequential)
    assert certainty.samples_to_prove(events, target) is None
    assert certainty.samples_to_prove_at_rate(events, 10**13, target) is None


def test_the_most_samples_are_still_a_number():
    target = -math.log(0.05) / MOST_SAMPLES * 1.000001
    assert NINETY_FIVE.samples_to_prove(0, target) == math.ceil(math.log(0.05) / math.log1p(-target))


def fewest_at_rate(events, n, target, most):
    """By trying: the least number that proves it with as many events as the rate brings."""
    for samples in range(1, most):
        expected = math.ceil(samples * events / n)
        if expected < samples * target and binom.cdf(expected, samples, target) <= 0.05:
            return samples
    return None


@pytest.mark.parametrize(
    ("events", "n", "target"),
    [
        *((0, 20, 0.05), (1, 30, 0.05), (1, 40, 0.05), (1, 100, 0.05), (2, 100, 0.05), (3, 100, 0.05), (3, 77, 0.05)),
        *((1, 20, 0.10), (3, 45, 0.10), (5, 60, 0.10), (7, 100, 0.10), (1, 100, 0.02), (3, 20, 0.20), (12, 100, 0.20)),
    ],
)
def test_samples_to_prove_at_the_present_rate_are_the_fewest(events, n, target):
    assert NINETY_FIVE.samples_to_prove_at_rate(events, n, target) == fewest_at_rate(events, n, target, 5000)


@limits(deadline=None, max_examples=100)
@given(
    st.integers(1, 300).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))),
    st.sampled_from([0.02, 0.05, 0.1, 0.3]),
    st.booleans(),
)
def test_samples_at_the_present_rate_prove_it(counts, target, sequential):
    events, n = counts
    certainty = Certainty(sequential=sequential)
    needed = certainty.samples_to_prove_at_rate(events, n, target)
    if needed is not None:
        assert certainty.proves_within(-(-needed * events // n), needed, target)
    else:
        # the alternatives at every look are half the target at most: above some 0.7 of it none is likelier
        assert events >= (0.6 if sequential else 0.9) * target * n


@pytest.mark.parametrize(("events", "n", "target"), [(1, 20, 0.05), (2, 20, 0.05), (7, 100, 0.07), (1, 20, 0.0)])
def test_at_a_rate_on_target_no_number_of_samples_proves_it(events, n, target):
    assert NINETY_FIVE.samples_to_prove_at_rate(events, n, target) is None


@pytest.mark.parametrize("n", [1, 2, 20, 100, 1000, 10**5, 10**7])
@pytest.mark.parametrize("target", [0.001, 0.02, 0.05, 0.5, 0.99])
def test_a_p_value_is_the_upper_tail_of_the_binomial_distribution(n, target):
    for events in sorted({0, 1, 2, round(n * target), round(n * target * 1.01) + 1, min(2 * round(n * target), n), n}):
        if n * target < events <= n:
            assert p_value_above(events, n, target) == pytest.approx(
                binom.sf(events - 1, n, target), rel=1e-6, abs=1e-9
            )


@pytest.mark.parametrize(
    ("events", "n", "target"), [(0, 0, 0.05), (0, 9, 0.0), (1, 20, 0.05), (5, 5, 1.0), (0, 9, 1.0)]
)
def test_what_is_within_its_target_has_no_evidence_against_it(events, n, target):
    assert p_value_above(events, n, target) == 1.0


@pytest.mark.parametrize("target", [0.0, 1e-17])
def test_what_must_never_happen_is_disproven_by_one_event(target):
    assert p_value_above(1, 10**6, target) == 0.0


def test_p_values_are_adjusted_as_published():
    assert holm([0.001, 0.012, 0.02, 0.04, 0.30]) == pytest.approx([0.005, 0.048, 0.06, 0.08, 0.30])


def test_the_order_of_p_values_does_not_matter():
    assert holm([0.30, 0.02, 0.001, 0.04, 0.012]) == pytest.approx([0.30, 0.06, 0.005, 0.08, 0.048])


def test_no_p_values_stay_none():
    assert holm([]) == []


@pytest.fixture(scope="module")
def multitest():
    """Statsmodels' module, hidden from the garbage collector, which it runs in each call."""
    module = pytest.importorskip("statsmodels.stats.multitest", reason="statsmodels is not at hand")
    gc.freeze()
    return module


@limits(deadline=None, max_examples=100)
@given(p_values=st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_adjusted_p_values_agree_with_statsmodels(multitest, p_values):
    _, expected, _, _ = multitest.multipletests(p_values, method="holm")
    assert holm(p_values) == pytest.approx(expected.tolist(), abs=1e-9)


@pytest.mark.parametrize(
    ("confidence", "n", "rank"),
    [
        *((0.8, n, rank) for n, rank in ((31, None), (32, 32), (59, 58), (100, 98), (200, 194))),
        *((0.95, n, rank) for n, rank in ((58, None), (59, 59), (93, 92), (100, 99), (200, 196))),
    ],
)
def test_a_rank_that_is_probably_approximately_correct_follows_from_the_same_bound(confidence, n, rank):
    """The smallest rank whose exceedance is proven within 5%."""
    proven = [k for k in range(1, n + 1) if Certainty(confidence).proves_within(n - k, n, 0.05)]
    assert (min(proven) if proven else None) == rank


@pytest.mark.parametrize(
    ("events", "n", "lower", "upper"),
    [
        # Wilson, one-sided 95%, as statsmodels' proportion_confint(method="wilson", alpha=0.1) gives them
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


# At every look


def test_the_evidence_for_a_target_is_as_published():
    # published as 4.579540; with 30 digits it is 4.57953914
    assert log_evidence_within(2, 200, 0.05) == pytest.approx(4.57953914, abs=5e-9)


def test_the_evidence_against_a_target_is_as_published():
    assert log_evidence_above(15, 100, 0.05) == pytest.approx(6.222911, abs=5e-7)


def test_the_threshold_is_the_logarithm_of_twenty():
    # log(20) = 2.995732: two of two hundred are beyond it, and so are fifteen of a hundred
    assert SEQUENTIAL.proves_within(2, 200, 0.05)
    assert SEQUENTIAL.proves_above(15, 100, 0.05)


@pytest.mark.parametrize(
    ("events", "n", "within", "above"),
    [
        (0, 77, False, False),
        (0, 78, True, False),
        (1, 118, False, False),
        (1, 119, True, False),
        (4, 20, False, False),
        (5, 20, False, True),
    ],
)
def test_sequential_proof_begins_where_the_published_table_says(events, n, within, above):
    assert SEQUENTIAL.proves_within(events, n, 0.05) is within
    assert SEQUENTIAL.proves_above(events, n, 0.05) is above


@pytest.mark.parametrize(("events", "target", "needed"), [(0, 0.05, 78), (1, 0.05, 119), (0, 0.02, 197)])
def test_sequential_samples_to_prove_are_those_of_the_published_table(events, target, needed):
    assert SEQUENTIAL.samples_to_prove(events, target) == needed


def ratio(events: int, n: int, target: float, rates: list[float]) -> float:
    """The mean likelihood ratio, by scipy."""
    ratios = [binom.logpmf(events, n, rate) - binom.logpmf(events, n, target) for rate in rates]
    return float(math.log(math.fsum(math.exp(each) for each in ratios) / len(ratios)))


@limits(deadline=None, max_examples=150)
@given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.floats(0.001, 0.19))
def test_evidence_is_the_mean_likelihood_ratio(counts, target):
    events, n = counts
    below = ratio(events, n, target, [target / 8, target / 4, target / 2])
    above = ratio(events, n, target, [2 * target, 3 * target, 5 * target])
    assert log_evidence_within(events, n, target) == pytest.approx(below, rel=1e-9, abs=1e-9)
    assert log_evidence_above(events, n, target) == pytest.approx(above, rel=1e-9, abs=1e-9)


@limits(deadline=None, max_examples=100)
@given(st.integers(0, 10**7), st.floats(1e-6, 0.999999))
def test_any_evidence_is_a_number(events, target):
    for n in (10**7, max(events, 1)):
        assert not math.isnan(log_evidence_within(events, n, target))
        assert not math.isnan(log_evidence_above(events, n, target))


@pytest.mark.parametrize("target", [0.5, 0.7, 0.999])
def test_a_target_without_a_rate_twice_as_high_is_never_disproven(target):
    assert log_evidence_above(100, 100, target) == -math.inf
    assert not SEQUENTIAL.proves_above(100, 100, target)


def test_no_sample_is_no_evidence():
    assert log_evidence_within(0, 0, 0.05) == log_evidence_above(0, 0, 0.05) == 0.0


def test_many_looks_deceive_as_seldom_as_one():
    # Ville: at a true rate on target at most 5% of all histories ever seem to prove anything, either way. With 400 of
    # them, seeded, 34 would be three standard deviations too many; with bounds for one look they are some 65.
    generator = random.Random(3)
    certified = failed = 0
    for _ in range(400):
        events, ever_within, ever_above = 0, False, False
        for n in range(1, 521):
            events += generator.random() < 0.05
            if n >= 20 and n % 10 == 0:
                ever_within |= SEQUENTIAL.proves_within(events, n, 0.05)
                ever_above |= SEQUENTIAL.proves_above(events, n, 0.05)
        certified += ever_within
        failed += ever_above
    assert certified < 34
    assert failed < 34
