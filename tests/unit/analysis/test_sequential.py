"""Evidence that holds at every look."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st
from scipy.stats import binom

from pytest_token_telemetry.analysis.evidence import Certainty
from pytest_token_telemetry.analysis.sequential import log_evidence_above, log_evidence_within

CERTAINTY = Certainty(sequential=True)


def test_the_evidence_for_a_target_is_as_published():
    # published as 4.579540; with 30 digits it is 4.57953914
    assert log_evidence_within(2, 200, 0.05) == pytest.approx(4.57953914, abs=5e-9)


def test_the_evidence_against_a_target_is_as_published():
    assert log_evidence_above(15, 100, 0.05) == pytest.approx(6.222911, abs=5e-7)


def test_the_threshold_is_the_logarithm_of_twenty():
    # log(20) = 2.995732: two of two hundred are beyond it, and so are fifteen of a hundred
    assert CERTAINTY.proves_within(2, 200, 0.05)
    assert CERTAINTY.proves_above(15, 100, 0.05)


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
def test_proof_begins_where_the_published_table_says(events, n, within, above):
    assert CERTAINTY.proves_within(events, n, 0.05) is within
    assert CERTAINTY.proves_above(events, n, 0.05) is above


@pytest.mark.parametrize(("events", "target", "needed"), [(0, 0.05, 78), (1, 0.05, 119), (0, 0.02, 197)])
def test_samples_to_prove_are_those_of_the_published_table(events, target, needed):
    assert CERTAINTY.samples_to_prove(events, target) == needed


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
    assert not CERTAINTY.proves_above(100, 100, target)


def test_no_sample_is_no_evidence():
    assert log_evidence_within(0, 0, 0.05) == log_evidence_above(0, 0, 0.05) == 0.0


def test_many_looks_deceive_as_seldom_as_one():
    # Ville: at a true rate on target at most 5 % of all histories ever seem to prove anything, either way. With 400 of
    # them, seeded, 34 would be three standard deviations too many; with bounds for one look they are some 65.
    generator = random.Random(3)
    certified = failed = 0
    for _ in range(400):
        events, ever_within, ever_above = 0, False, False
        for n in range(1, 521):
            events += generator.random() < 0.05
            if n >= 20 and n % 10 == 0:
                ever_within |= CERTAINTY.proves_within(events, n, 0.05)
                ever_above |= CERTAINTY.proves_above(events, n, 0.05)
        certified += ever_within
        failed += ever_above
    assert certified < 34
    assert failed < 34
