"""Figures by category, complexity and number of deliverables."""

from __future__ import annotations

from fractions import Fraction

import pytest

from pytest_token_telemetry.analysis.populations import judged
from pytest_token_telemetry.analysis.strata import labels, strata
from tests.unit.gate.cases import call, columns, cut_off, ready


def strata_of(rows, population="risk", aliases=None):
    samples = columns(rows)
    return strata(samples, judged(samples, population, Fraction(1)), labels(samples, aliases or {}))


def test_a_stratum_has_all_figures_of_its_samples():
    rows = [
        call(300, 100, category="docs"),
        call(100, 400, category="docs"),
        cut_off(100, 50, category="docs"),
        call(100, 10, category="docs", success=False),
        call(category="tests"),
    ]
    docs = strata_of(rows).category[0]
    assert (docs.name, docs.attempts, docs.successes, docs.truncated) == ("docs", 4, 2, 1)
    assert (docs.risk, docs.underestimated) == (3, 2)
    # ratios 3, 0.25 and 2: the median is 2; with n = 3 the P90 is the largest
    assert (docs.waste_p50, docs.waste_p90) == (pytest.approx(2.0), pytest.approx(3.0))


def test_the_largest_stratum_comes_first():
    rows = [call(category="few"), *[call(category="many")] * 3, *[call(category="some")] * 2]
    assert [each.name for each in strata_of(rows).category] == ["many", "some", "few"]


def test_strata_of_one_size_come_by_name():
    rows = [call(category=name) for name in ("b", "c", "a")]
    assert [each.name for each in strata_of(rows).category] == ["a", "b", "c"]


def test_buckets_come_in_their_order_with_the_unknown_first():
    rows = [call(deliverable_count=count) for count in (9, 9, 9, 1, 4, None)]
    assert [each.name for each in strata_of(rows).deliverables] == [None, "1", "2-5", "6+"]


def test_samples_without_a_category_have_a_stratum_without_a_name():
    assert [each.name for each in strata_of([call(category=None)]).category] == [None]


def test_a_stratum_without_a_judged_sample_is_left_out():
    legacy = call(category="old", legacy=True, success=None, truncated=None)
    assert [each.name for each in strata_of([legacy, call()]).category] == ["implementation"]


def test_spellings_fall_into_one_stratum():
    rows = [call(category="Doc"), call(category="docs"), call(category="DOCUMENTATION")]
    found = strata_of(rows, aliases={"doc": "docs", "documentation": "docs"}).category
    assert [(each.name, each.attempts) for each in found] == [("docs", 3)]


def test_a_stratum_without_a_ratio_has_no_waste():
    found = strata_of([cut_off(0, 5)]).category[0]
    assert (found.waste_p50, found.waste_p90) == (None, None)


@pytest.mark.parametrize("population", ["risk", "success", "all"])
def test_strata_of_a_kind_add_up_to_the_whole(population):
    rows = [*ready(40), cut_off(category="docs"), cut_off(complexity=None), call(success=False, deliverable_count=None)]
    samples = columns(rows)
    whole = judged(samples, population, Fraction(1))
    found = strata_of(rows, population)
    for kind in (found.category, found.complexity, found.deliverables):
        assert sum(each.attempts for each in kind) == whole.attempts.sum()
        assert sum(each.risk for each in kind) == whole.at_risk.sum()
        assert sum(each.underestimated for each in kind) == whole.underestimated.sum()
        assert sum(each.truncated for each in kind) == whole.truncated.sum()


def test_no_samples_have_no_strata():
    found = strata_of([])
    assert (found.category, found.complexity, found.deliverables) == ((), (), ())
