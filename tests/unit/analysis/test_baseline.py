"""What a baseline keeps of judged samples, and which later samples are new to it."""

from __future__ import annotations

from collections import Counter
from dataclasses import fields, replace
from datetime import datetime
from fractions import Fraction
from math import log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st

from pytest_token_telemetry.analysis.baseline import MARK_BYTES, baseline, new_rows, summaries, terms
from pytest_token_telemetry.analysis.drift import Summary
from pytest_token_telemetry.analysis.metrics import Share
from pytest_token_telemetry.analysis.populations import judged
from pytest_token_telemetry.analysis.strata import labels
from pytest_token_telemetry.analysis.stratified import LogRatios
from pytest_token_telemetry.reporters.baseline import render
from pytest_token_telemetry.sample import Sample
from tests.unit.gate.cases import call, columns, cut_off

TERMS = terms("risk", Fraction(1), {})
NOON = datetime(2026, 1, 2, 12)

flags = st.sampled_from([True, False, None])
names = st.none() | st.sampled_from(["docs", "DOCS", "documentation", "tests", "値", "\ud800", ""])

samples = st.builds(
    Sample,
    predicted_output_tokens=st.integers(-1, 4) | st.integers(1, 10**9),
    output_tokens=st.integers(0, 4) | st.integers(1, 10**9),
    budget_tokens=st.none() | st.integers(1, 3),
    truncated=flags,
    success=flags,
    legacy=st.booleans(),
    category=names,
    complexity=names,
    deliverable_count=st.none() | st.integers(1, 3),
    task_id=names,
    time=st.none() | st.datetimes(datetime(2026, 1, 1), datetime(2026, 1, 3)),
)


def kept(rows, population="risk", alias=None, multiplier=1):
    made = columns(list(rows))
    on = terms(population, Fraction(multiplier), alias or {})
    return baseline(made, judged(made, population, Fraction(multiplier)), labels(made, alias or {}), on)


def new(rows, known):
    return new_rows(columns(list(rows)), known).tolist()


# What is kept


def test_the_figures_of_every_category_are_kept():
    # docs: 3 judged, 2 of them underestimated (1200 > 1000, and one cut off); 3 attempts, 1 truncated
    rows = [
        call(1000, 500, category="docs"),
        call(1000, 1200, category="docs"),
        cut_off(1000, 8192, category="docs"),
        call(1000, 1000, category="tests"),
        call(1000, 1000),
    ]
    found = kept(rows).strata
    assert set(found) == {"docs", "tests", "implementation"}
    assert found["docs"] == Summary(
        Share(2, 3),
        Share(1, 3),
        # ln(0.5) = -0.6931, ln(1.2) = 0.1823, ln(8.192) = 2.1032
        LogRatios((-69, 18, 210), (1, 1, 1)),
    )
    assert found["tests"] == Summary(Share(0, 1), Share(0, 1), LogRatios((0,), (1,)))


def test_calls_that_name_no_category_are_a_stratum_of_their_own():
    assert set(kept([call(category=None), call(category="docs")]).strata) == {None, "docs"}


def test_spellings_of_one_category_are_one_stratum():
    rows = [call(category=name) for name in ("docs", "Documentation", "DOCS")]
    found = kept(rows, alias={"documentation": "docs"}).strata
    assert {name: summary.underestimation.n for name, summary in found.items()} == {"docs": 3}


def test_nothing_is_kept_of_nothing():
    found = kept([])
    assert (found.strata, found.marks, found.newest, found.samples) == ({}, (), None, 0)


def test_the_newest_time_is_kept_and_no_other():
    rows = [call(time=NOON.replace(hour=hour)) for hour in (3, 9, 6)]
    assert kept([*rows, call()]).newest == "2026-01-02T09:00:00.000000"


def test_no_newest_time_is_kept_where_no_call_has_one():
    assert kept([call()]).newest is None


def test_the_terms_are_those_of_the_settings():
    found = terms("success", Fraction("1.1"), {"testing": "tests", "doc": "docs"})
    assert (found.population, found.under_multiplier) == ("success", "1.1")
    assert found.quantile_method == "hyndman-fan-6"
    assert list(found.alias.items()) == [("doc", "docs"), ("testing", "tests")]


def counted(rows, population):
    """The same by plain counting, as the vocabulary has it."""
    found = {}
    for row in rows:
        cut = row.truncated is True
        exceeds = row.output_tokens > row.predicted_output_tokens
        if population == "risk":
            at_risk = (row.success is True and row.output_tokens > 0) or cut
            under = at_risk and (cut or exceeds)
            attempt = not row.legacy and row.truncated is not None
        else:
            at_risk = row.success is True if population == "success" else True
            under = at_risk and exceeds
            attempt = at_risk and not row.legacy
        name = row.category and {"documentation": "docs"}.get(row.category.lower(), row.category.lower())
        events = found.setdefault(name, [0, 0, 0, 0, Counter()])
        events[0] += under
        events[1] += at_risk
        events[2] += attempt and cut
        events[3] += attempt
        if at_risk and row.predicted_output_tokens > 0 and row.output_tokens > 0:
            ratio = round(100 * log(row.output_tokens / row.predicted_output_tokens))
            events[4][max(-2100, min(2100, ratio))] += 1
    return {
        name: Summary(
            Share(under, at_risk),
            Share(cut, attempts),
            LogRatios(tuple(sorted(ratios)), tuple(ratios[tick] for tick in sorted(ratios))),
        )
        for name, (under, at_risk, cut, attempts, ratios) in found.items()
    }


@pytest.mark.parametrize("population", ["risk", "success", "all"])
@limits(max_examples=60)
@given(rows=st.lists(samples, max_size=12))
def test_the_figures_are_those_of_plain_counting(population, rows):
    assert kept(rows, population, {"documentation": "docs"}).strata == counted(rows, population)


@given(st.lists(samples, max_size=8), st.data())
def test_only_the_rows_that_are_asked_for_are_summed_up(rows, data):
    chosen = data.draw(st.sets(st.sampled_from(range(len(rows)))) if rows else st.just(set()))
    made = columns(rows)
    found = summaries(made, judged(made, "risk", Fraction(1)), labels(made, {}), np.array(sorted(chosen), dtype=int))
    assert found == kept([rows[row] for row in sorted(chosen)]).strata


def test_every_call_that_is_judged_is_in_some_stratum():
    rows = [call(category=name) for name in ("a", "b", None)] * 3
    assert sum(summary.underestimation.n for summary in kept(rows).strata.values()) == 9


# The same samples, the same bytes


@limits(max_examples=60)
@given(st.lists(samples, max_size=8).flatmap(lambda rows: st.tuples(st.just(rows), st.permutations(rows))))
def test_the_same_samples_in_any_order_give_the_same_bytes(orders):
    one, other = orders
    assert render(kept(one)) == render(kept(other))


def test_a_place_or_a_feature_of_a_sample_leaves_no_trace():
    one = [call(run="run-1", features={"language": "python"})]
    other = [call(run="run-2", smape=3.0)]
    assert render(kept(one)) == render(kept(other))


def test_the_marks_are_sorted_and_one_a_sample():
    marks = kept([call(output=output) for output in range(50)] + [call(output=0)]).marks
    assert list(marks) == sorted(marks)
    assert (len(marks), len(set(marks))) == (51, 50)
    assert {len(mark) for mark in marks} == {MARK_BYTES}


# Which samples are new

OTHER = {
    "predicted_output_tokens": 1001,
    "output_tokens": 901,
    "budget_tokens": 4096,
    "max_tokens": 4096,
    "finish_reason_raw": "end_turn",
    "truncated": True,
    "success": False,
    "category": "docs",
    "complexity": "high",
    "deliverable_count": 4,
    "task_id": "phase-7",
    "time": NOON,
    "model": "some-model",
}
"""Another value of every field that tells one sample from another."""


@pytest.mark.parametrize("name", OTHER)
def test_a_sample_that_differs_in_one_field_is_new(name):
    assert new([replace(call(), **{name: OTHER[name]})], kept([call()])) == [0]


@pytest.mark.parametrize("name", OTHER)
def test_a_field_that_nobody_said_differs_from_one_that_somebody_did(name):
    told = replace(call(), **{name: OTHER[name]})
    if OTHER[name] is not True and name not in ("predicted_output_tokens", "output_tokens"):
        assert new([replace(told, **{name: None})], kept([told])) == [0]


def test_the_fields_that_tell_samples_apart_are_all_but_the_places_and_what_follows_from_others():
    rest = {"finish_reason", "truncation_source", "run", "smape", "id", "legacy", "features"}
    assert {field.name for field in fields(Sample)} == rest | set(OTHER)


def test_samples_that_are_in_the_baseline_are_not_new_wherever_they_stand():
    rows = [call(output=output) for output in range(9)]
    assert new(rows[::-1], kept(rows)) == []


def test_a_sample_among_those_of_the_baseline_is_new():
    assert new([call(output=1), call(output=2), call(output=3)], kept([call(output=3), call(output=1)])) == [1]


def test_of_equal_samples_as_many_are_new_as_there_are_more():
    assert new([call()] * 5, kept([call()] * 3)) == [3, 4]
    assert new([call()] * 2, kept([call()] * 3)) == []


def test_names_that_would_run_into_one_another_tell_samples_apart():
    one = call(category="a", complexity="b', 'c")
    assert new([call(category="a', 'b", complexity="c")], kept([one])) == [0]


def test_all_is_new_to_a_baseline_of_nothing():
    assert new([call()] * 3, kept([])) == [0, 1, 2]


@limits(max_examples=60)
@given(st.lists(samples, max_size=6), st.lists(samples, max_size=6))
def test_what_is_new_and_what_was_known_are_all_there_is(old, added):
    found = new([*added, *old], kept(old))
    both = Counter(kept([*added, *old]).marks)
    assert Counter(kept([[*added, *old][row] for row in found]).marks) == both - Counter(kept(old).marks)
    assert len(found) == len(added)
