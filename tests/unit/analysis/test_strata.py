"""Figures by category, complexity and number of deliverables."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
from scipy.stats import binom

from pytest_token_telemetry.analysis.populations import judged
from pytest_token_telemetry.analysis.strata import labels, strata
from tests.unit.gate.cases import call, columns, cut_off, ready


def strata_of(rows, population="risk", aliases=None, max_underestimation=0.05):
    samples = columns(rows)
    return strata(
        samples,
        judged(samples, population, Fraction(1)),
        labels(samples, aliases or {}),
        max_underestimation=max_underestimation,
        max_truncation=0.02,
    )


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


def test_of_strata_with_as_many_attempts_the_one_with_more_at_risk_comes_first():
    rows = [call(category="a", success=False), call(category="b")]
    assert [each.name for each in strata_of(rows).category] == ["b", "a"]


@pytest.mark.parametrize(("n", "proven"), [(16, True), (17, False)])
def test_an_underestimation_rate_is_marked_where_chance_explains_it_in_five_of_a_hundred_cases(n, proven):
    # three strata and two rates, so six times the tail: 0.0421 for 4 of 16, 0.0528 for 4 of 17
    rows = [call(1000, 2000 if place < 4 else 500) for place in range(n)]
    (found,) = strata_of(rows).category
    assert found.underestimation_p == pytest.approx(6 * binom.sf(3, n, 0.05), rel=1e-9)
    assert (found.underestimation_proven, found.truncation_proven) == (proven, False)


@pytest.mark.parametrize(("n", "proven"), [(21, True), (22, False)])
def test_a_truncation_rate_is_marked_where_chance_explains_it_in_five_of_a_hundred_cases(n, proven):
    # 0.0488 for 3 of 21, 0.0557 for 3 of 22
    rows = [cut_off(9000, 8192) if place < 3 else call() for place in range(n)]
    (found,) = strata_of(rows, max_underestimation=0.5).category
    assert found.truncation_p == pytest.approx(6 * binom.sf(2, n, 0.02), rel=1e-9)
    assert (found.underestimation_proven, found.truncation_proven) == (False, proven)


def test_buckets_come_in_their_order_with_the_unknown_first():
    rows = [call(deliverable_count=count) for count in (9, 9, 9, 1, 4, None)]
    assert [each.name for each in strata_of(rows).deliverables] == [None, "1", "2-5", "6+"]


@pytest.mark.parametrize(
    ("required", "names"),
    [
        # of 1, 4, 9, 10 and 300: none is below 1, and 4 is in no bucket of the second and the third
        (("1", "2-9", "10+"), ["1", "2-9", "2-9", "10+", "10+"]),
        (("1", "5-9", "10-20"), ["1", None, "5-9", "10-20", None]),
        (("9",), [None, None, "9", None, None]),
        (("6+", "1"), ["1", "2-5", "6+", "6+", "6+"]),
        (("any",), ["1", "2-5", "6+", "6+", "6+"]),
        ((), ["1", "2-5", "6+", "6+", "6+"]),
    ],
)
def test_deliverables_are_divided_by_the_buckets_that_are_required(required, names):
    samples = columns([call(deliverable_count=count) for count in (1, 4, 9, 10, 300, 0, None)])
    codes, every = labels(samples, {}, required).deliverables
    assert [every[code] if code >= 0 else None for code in codes.tolist()] == [*names, None, None]


def test_samples_without_a_category_have_a_stratum_without_a_name():
    assert [each.name for each in strata_of([call(category=None)]).category] == [None]


def test_a_stratum_without_a_judged_sample_is_left_out():
    legacy = call(category="old", legacy=True, success=None, truncated=None)
    assert [each.name for each in strata_of([legacy, call()]).category] == ["implementation"]


def test_spellings_fall_into_one_stratum():
    rows = [call(category="Doc"), call(category="docs "), call(category="DOCUMENTATION")]
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


def test_each_spelling_of_a_category_has_figures_of_its_own():
    rows = [call(category="implementation")] * 42
    rows += [*[cut_off(category="IMPLEMENT_FEATURE")] * 4, *[call(category="IMPLEMENT_FEATURE")] * 2]
    rows += [call(category="documentation"), call(category="Tests"), call(category="tests")]
    aliases = {"implement_feature": "implementation", "documentation": "docs"}
    found = strata_of(rows, aliases=aliases)
    assert [(each.name, each.attempts, each.truncated) for each in found.category] == [
        ("implementation", 48, 4),
        ("tests", 2, 0),
        ("docs", 1, 0),
    ]
    # docs has one spelling only
    assert [(each.name, each.spelling_of, each.attempts, each.truncated) for each in found.spellings] == [
        ("implementation", "implementation", 42, 0),
        ("IMPLEMENT_FEATURE", "implementation", 6, 4),
        ("Tests", "tests", 1, 0),
        ("tests", "tests", 1, 0),
    ]


def test_spellings_that_are_not_listed_are_one_row():
    letters = [f"a{'b' * n}" for n in range(1, 101)]
    rows = [call(category=name) for spelled in letters for name in (spelled, spelled.upper())] * 6
    found = strata_of([*rows, *(call(category=name) for n in range(1200) for name in (f"c{n}", f"C{n}"))])
    assert sum(each.folded or 1 for each in found.spellings) == 2 * (100 + 1200)
    assert (len(found.spellings), found.spellings[-1].spelling_of) == (201, None)
    assert sum(each.attempts for each in found.spellings) == 2 * (600 + 1200)


def test_models_and_operations_are_strata_as_they_are_spelled():
    rows = [call(model="M", operation="chat"), cut_off(model="m"), call(model="m", operation="chat"), call()]
    found = strata_of(rows)
    assert [(each.name, each.attempts, each.truncated) for each in found.model] == [
        ("m", 2, 1),
        (None, 1, 0),
        ("M", 1, 0),
    ]
    assert [(each.name, each.attempts) for each in found.operation] == [(None, 2), ("chat", 2)]
    assert strata_of([call()]).model == ()


def test_the_p_values_of_other_strata_do_not_depend_on_models():
    # seven strata in all: for the model, two rates of one stratum
    rows = [cut_off(9000, 8192) if place < 3 else call() for place in range(21)]
    alone, with_model = strata_of(rows), strata_of([replace(each, model="m") for each in rows])
    assert with_model.category == alone.category
    assert with_model.model[0].truncation_p == pytest.approx(2 * binom.sf(2, 21, 0.02), rel=1e-9)
