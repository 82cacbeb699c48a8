"""Exact binomial bounds, and how many samples would prove a rate."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st
from scipy.stats import beta, binom

from pytest_token_telemetry.analysis.evidence import bounds, samples_to_prove


@pytest.mark.parametrize(
    ("events", "n", "lower", "upper"),
    [
        # Clopper and Pearson, one-sided 95 %, as statsmodels' proportion_confint(method="beta", alpha=0.1) gives them
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
    assert [samples_to_prove(events, target) for events in range(6)] == needed


@pytest.mark.parametrize(("target", "needed"), [(0.05, 32), (0.02, 80)])
def test_less_confidence_needs_fewer_samples(target, needed):
    assert samples_to_prove(0, target, 0.80) == needed


@pytest.mark.parametrize("events", [0, 1, 5])
def test_nothing_proves_a_rate_of_zero(events):
    assert samples_to_prove(events, 0.0) is None


@pytest.mark.parametrize(("events", "needed"), [(0, 1), (1, 1), (7, 7)])
def test_a_rate_of_one_needs_no_proof(events, needed):
    assert samples_to_prove(events, 1.0) == needed


@pytest.mark.parametrize("target", [0.1, 0.01, 0.001, 1e-6, 0.9, 0.96])
def test_clean_samples_to_prove_have_a_closed_form(target):
    # (1 - target) ** n <= 0.05
    assert samples_to_prove(0, target) == math.ceil(math.log(0.05) / math.log1p(-target))


@limits(deadline=None, max_examples=150)
@given(st.integers(0, 60), st.floats(0.001, 0.99), st.sampled_from([0.5, 0.8, 0.95, 0.99]))
def test_samples_to_prove_are_enough_and_one_less_is_not(events, target, confidence):
    needed = samples_to_prove(events, target, confidence)
    assert needed is not None
    assert binom.cdf(events, needed, target) <= (1 - confidence) * (1 + 1e-9)
    if needed - 1 > events:
        assert binom.cdf(events, needed - 1, target) > (1 - confidence) * (1 - 1e-9)


@pytest.mark.parametrize(
    ("events", "n", "proves"),
    [
        # "pass": the upper bound is within 5 %; "fail": the lower one is above; None: neither
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
