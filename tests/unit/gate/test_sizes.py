"""Many samples and large counts: judged in blocks and in narrow columns, which no figure may show."""

from __future__ import annotations

import contextlib
import math
import statistics
from datetime import datetime, timedelta
from fractions import Fraction
from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st
from msgspec.structs import replace

from pytest_token_telemetry import samples as in_columns
from pytest_token_telemetry.analysis import groups
from pytest_token_telemetry.analysis.metrics import Share, wasteful, worst
from pytest_token_telemetry.analysis.populations import judged, rows_of_one_per_task
from pytest_token_telemetry.analysis.replayed import cut_offs
from pytest_token_telemetry.analysis.strata import labels, strata
from pytest_token_telemetry.analysis.tuning import tune
from pytest_token_telemetry.sample import MOST_TOKENS as MOST
from pytest_token_telemetry.samples import UNKNOWN
from tests.unit.gate.cases import baseline_of, call, columns, compared, cut_off, figures, replayed, verdict

NOON = datetime(2026, 1, 2, 12)

calls = st.builds(
    call,
    predicted=st.none() | st.integers(0, 9) | st.sampled_from([100, 150, MOST]),
    output=st.integers(0, 9) | st.sampled_from([100, 150, MOST]),
    truncated=st.sampled_from([None, False, False, True]),
    success=st.sampled_from([None, False, True, True]),
    legacy=st.sampled_from([False, False, True]),
    category=st.sampled_from([None, "docs", "Documentation", "tests"]),
    complexity=st.sampled_from([None, "low", "high"]),
    deliverable_count=st.sampled_from([None, 1, 2, 6]),
    task_id=st.sampled_from([None, "a", "b", "c"]),
    time=st.sampled_from([None, NOON, NOON + timedelta(minutes=1)]),
    smape=st.none() | st.floats(0, 200),
    truncation_source=st.sampled_from([None, "cap"]),
)
SIZES = st.integers(1, 7)


@contextlib.contextmanager
def in_blocks(size):
    """As if so many rows were a block, and two of a group were many."""
    with mock.patch.object(in_columns, "BLOCK", size), mock.patch.object(groups, "_SMALL", 2):
        yield


def told(report):
    """All of ``report`` but when it was made."""
    return repr(replace(report, created=""))


@limits(deadline=None, max_examples=60)
@given(
    st.lists(calls, max_size=60),
    SIZES,
    st.sampled_from(["risk", "success", "all"]),
    st.sampled_from(["true", "false"]),
)
def test_no_verdict_depends_on_the_size_of_a_block(rows, size, population, one_per_task):
    def found():
        written = {"population": population, "one_per_task": one_per_task, "tuning": "tuning.json"}
        known = baseline_of(rows[::2], population=population, one_per_task=one_per_task)
        return (
            known,
            told(verdict(rows, **written)),
            told(compared(rows, known, population=population, one_per_task=one_per_task)),
            told(replayed(rows, lambda request: (request.predicted_output_tokens or 7) // 2, **written)),
        )

    whole = found()
    with in_blocks(size):
        assert found() == whole


@limits(deadline=None)
@given(st.lists(calls, max_size=30), SIZES, st.integers(0, 9))
def test_the_worst_are_the_first_of_all_in_order(rows, size, most):
    samples = columns(rows)
    ratios = [row.output_tokens / row.predicted_output_tokens if row.predicted_output_tokens else None for row in rows]

    def order(at):
        ratio = ratios[at]
        if rows[at].predicted_output_tokens is None:
            return 1, -rows[at].output_tokens
        return 0, -math.inf if ratio is None else -ratio

    expected = [(at, ratios[at]) for at in sorted(range(len(rows)), key=order)[:most]]
    with in_blocks(size):
        assert worst(samples, np.ones(len(rows), np.bool_), most) == expected


@limits(deadline=None)
@given(st.lists(calls, max_size=30), SIZES)
def test_of_each_task_the_attempt_is_kept_that_plain_sorting_finds(rows, size):
    kept = [row for row, each in enumerate(rows) if each.task_id is None]
    for task in {each.task_id for each in rows} - {None}:
        attempts = [
            (each.truncated is True, each.time or datetime.min, row)
            for row, each in enumerate(rows)
            if each.task_id == task
        ]
        kept.append(max(attempts)[-1])
    with in_blocks(size):
        assert rows_of_one_per_task(columns(rows)).tolist() == sorted(kept)


# Large counts


@pytest.mark.parametrize("multiplier", ["10", "9.999999", "0.000001", "1.1"])
@pytest.mark.parametrize("predicted", [MOST, MOST - 1, 10**8, 214_748_365, 1, 0, -MOST])
@pytest.mark.parametrize("output", [MOST, MOST - 1, 1])
def test_what_is_underestimated_is_exact_whatever_the_multiplier(predicted, output, multiplier):
    samples = columns([call(predicted, output)])
    exceeds = Fraction(output) > predicted * Fraction(multiplier)
    assert judged(samples, "all", Fraction(multiplier)).underestimated.tolist() == [exceeds]


def test_means_and_medians_of_the_largest_counts_are_exact():
    # a hundred of them are beyond 32 bits, and so is the sum of the two in the middle of more
    found = figures([call(MOST, MOST - 1)] * 100, "all")
    assert (found.predicted_output_tokens.mean, found.predicted_output_tokens.median) == (MOST, MOST)
    assert (found.output_tokens.mean, found.output_tokens.median) == (MOST - 1, MOST - 1)
    assert found.waste.mean == pytest.approx(MOST / (MOST - 1), rel=1e-15)


@pytest.mark.parametrize(
    ("predicted", "output"), [(MOST, MOST), (MOST, MOST - 1), (MOST, 1), (1, MOST), (-MOST + 1, MOST)]
)
def test_the_error_of_the_largest_counts_is_computed_without_overflow(predicted, output):
    found = figures([call(predicted, output)], "all").smape
    assert (found.n, found.mean) == (1, 200.0 * abs(predicted - output) / (predicted + output))


@limits(deadline=None)
@given(st.lists(st.tuples(st.integers(1, MOST), st.integers(1, MOST)), min_size=1, max_size=30))
def test_figures_of_any_counts_are_those_of_plain_python(pairs):
    found = figures([call(*pair) for pair in pairs], "all")
    predicted, output = zip(*pairs, strict=True)
    assert found.predicted_output_tokens.median == statistics.median(predicted)
    assert found.output_tokens.mean == pytest.approx(statistics.fmean(output), rel=1e-12)
    assert found.waste.mean == pytest.approx(statistics.fmean(p / o for p, o in pairs), rel=1e-12)
    errors = [200.0 * abs(p - o) / (p + o) for p, o in pairs]
    assert (found.smape.median, found.smape.max) == (pytest.approx(statistics.median(errors), rel=1e-12), max(errors))
    assert found.underestimation == Share(sum(o > p for p, o in pairs), len(pairs))


def test_the_largest_ratios_reach_a_limit():
    samples = columns([call(MOST, 1), call(1, MOST)])
    assert wasteful(samples, judged(samples, "risk", Fraction(1)), float(MOST)) == Share(1, 2)
    assert worst(samples, np.array([True, True]), 2) == [(1, float(MOST)), (0, 1 / MOST)]


def test_strata_and_advice_hold_the_largest_counts():
    rows = [*[call(MOST, MOST)] * 60, *[cut_off(MOST, MOST)] * 2, *[call(MOST // 2, MOST, category="docs")] * 40]
    samples = columns(rows)
    which, named = judged(samples, "risk", Fraction(1)), labels(samples, {})
    assert [
        each.waste_p90 for each in strata(samples, which, named, max_underestimation=0.05, max_truncation=0.02).category
    ] == [1.0, 0.5]
    found = tune(samples, which, named, under_multiplier=Fraction(1), max_waste_p90=Fraction(3))
    assert [(each.n, each.truncated) for each in found.categories] == [(62, 2), (40, 0)]
    assert found.categories[1].multiplier == 2.0
    assert [cap.max_tokens for cap in found.max_tokens[0].caps] == [None, None, MOST + 1]


def test_the_forward_check_multiplies_the_largest_predictions_without_overflow():
    # tuned to 10, ten times half the largest count is allowed: more than 32 bits hold
    rows = [
        call(MOST // 10, MOST, time=NOON + timedelta(minutes=minute))
        if minute < 70
        else call(MOST // 2, MOST, time=NOON + timedelta(minutes=minute))
        for minute in range(100)
    ]
    samples = columns(rows)
    which, named = judged(samples, "risk", Fraction(1)), labels(samples, {})
    found = tune(samples, which, named, under_multiplier=Fraction(1), max_waste_p90=Fraction(3))
    assert found.forward.scored == Share(0, 30)


def test_the_largest_answers_of_an_estimator_are_judged():
    found = replayed([call(1000, MOST)] * 3, lambda request: (MOST, MOST), base=lambda request: 1)
    assert found.estimator.figures.underestimation == Share(0, 3)
    assert found.estimator.base.base.underestimation == Share(3, 3)
    assert found.estimator.base.predictions.max == MOST
    samples = columns([call(1000, MOST)])
    assert cut_offs(samples, np.array([MOST - 1], dtype=np.int32)).would.tolist() == [True]
    assert cut_offs(samples, np.array([UNKNOWN], dtype=np.int32)).would.tolist() == [False]


def test_the_largest_ratios_are_kept_in_a_baseline():
    known = baseline_of([call(1, MOST), call(MOST, 1), call(MOST, MOST)])
    (summary,) = known.strata.values()
    # the logarithm of a billion is 20.72
    assert summary.log_ratios.bins == (-2072, 0, 2072)
