"""What there is to judge by, and what to collect."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st

from pytest_token_telemetry.analysis.carried import carried
from pytest_token_telemetry.analysis.readiness import PlannedRun, Thinnest, planned_runs, readiness, thinnest
from pytest_token_telemetry.analysis.strata import labels
from pytest_token_telemetry.settings import DEFAULT_ALIASES
from tests.unit.gate.cases import call, columns, cut_off, ready


def found_in(rows, categories=("implementation", "tests", "docs"), complexities=("low", "medium", "high")):
    samples = columns(rows)
    return readiness(
        samples,
        labels(samples, dict(DEFAULT_ALIASES)),
        carried(samples),
        categories=categories,
        complexities=complexities,
        deliverables=("1", "2-5", "6+"),
    )


def test_what_the_data_names_is_counted_required_or_not():
    rows = [*[call(category="summarise")] * 3, call(category="docs"), call(category=None), call(success=False)]
    found = found_in(rows).categories
    # of the four successful calls that name a category, one is in a required one; the fifth names none
    assert (found.present, found.found, found.named) == ({"docs": 1}, {"summarise": 3, "docs": 1}, 4)


def test_the_most_frequent_names_are_kept():
    rows = [call(category=f"c{n}") for n in range(30) for _ in range(n + 1)]
    found = found_in(rows).categories
    # 30 calls of c29 down to 11 of c10, of 1 + 2 + ... + 30 = 465
    assert found.found == {f"c{n}": n + 1 for n in range(29, 9, -1)}
    assert found.named == 465


@pytest.mark.parametrize(
    ("rows", "present", "missing"),
    [
        ([call(category="a"), call(category="b"), call(category="any")], {"any": 3}, ()),
        ([call(category=None), call(category="a", success=False)], {}, ("any",)),
    ],
)
def test_any_takes_one_sample_that_names_one(rows, present, missing):
    found = found_in(rows, categories=("any",)).categories
    assert (found.present, found.missing) == (present, missing)


def test_a_mix_of_everything_lacks_nothing():
    found = found_in(ready(27))
    assert (found.successes, found.attempts) == (27, 27)
    assert (found.categories.missing, found.complexities.missing, found.deliverables.missing) == ((), (), ())


def test_every_combination_once_makes_nine_of_each():
    found = found_in(ready(27))
    assert found.categories.present == {"implementation": 9, "tests": 9, "docs": 9}
    assert found.deliverables.present == {"1": 9, "2-5": 9, "6+": 9}


def test_no_samples_lack_everything():
    found = found_in([])
    assert found.successes == 0
    assert found.categories.missing == ("implementation", "tests", "docs")
    assert found.complexities.missing == ("low", "medium", "high")
    assert found.deliverables.missing == ("1", "2-5", "6+")


@pytest.mark.parametrize(
    "row",
    [call(success=False), call(success=None), cut_off(), call(output=0)],
    ids=["failed", "silent", "cut", "no output"],
)
def test_only_a_success_with_output_counts(row):
    found = found_in([row])
    assert (found.successes, found.categories.present) == (0, {})


@pytest.mark.parametrize(
    ("count", "bucket"), [(1, "1"), (2, "2-5"), (3, "2-5"), (5, "2-5"), (6, "6+"), (7, "6+"), (10**9, "6+")]
)
def test_deliverables_fall_into_their_bucket(count, bucket):
    assert found_in([call(deliverable_count=count)]).deliverables.present == {bucket: 1}


@pytest.mark.parametrize("count", [None, 0])
def test_an_unknown_count_fills_no_bucket(count):
    assert found_in([call(deliverable_count=count)]).deliverables.present == {}


@pytest.mark.parametrize(
    ("spelling", "category"),
    [
        ("documentation", "docs"),
        ("Docs", "docs"),
        ("testing", "tests"),
        ("IMPLEMENT_FEATURE", "implementation"),
        ("refactoring", "refactoring"),
    ],
)
def test_spellings_of_a_category_are_one(spelling, category):
    found = found_in([call(category=spelling), call(category=category)], categories=[category])
    assert found.categories.present == {category: 2}


def test_values_that_nobody_requires_are_not_kept():
    assert found_in([call(category=f"category-{n}") for n in range(9)]).categories.present == {}


def test_complexities_are_not_folded_through_the_aliases_of_categories():
    assert found_in([call(complexity="TEST")], complexities=["test", "tests"]).complexities.present == {"test": 1}


def test_samples_that_do_not_say_whether_they_succeeded_are_counted():
    legacy = call(success=None, truncated=None, legacy=True)
    found = found_in([call(success=None), call(success=None), call(), legacy])
    assert found.silent_on_success == 2


def test_attempts_say_whether_they_were_cut_off():
    assert found_in([call(truncated=None), call(truncated=False), cut_off()]).attempts == 2


def test_nothing_required_is_nothing_missing():
    assert found_in([], categories=()).categories.missing == ()


# Planning


CATEGORIES, COMPLEXITIES, BUCKETS = ("implementation", "tests", "docs"), ("low", "medium", "high"), ("1", "2-5", "6+")
COUNTS = {"1": 1, "2-5": 3, "6+": 8, "any": 3, None: 3}


def of(rows, categories=CATEGORIES, complexities=COMPLEXITIES, deliverables=BUCKETS):
    samples = columns(rows)
    return readiness(
        samples,
        labels(samples, {}),
        carried(samples),
        categories=categories,
        complexities=complexities,
        deliverables=deliverables,
    )


def test_nothing_is_planned_for_data_that_is_ready():
    assert planned_runs(of(ready(27)), 20) == ()


def test_without_data_every_value_gets_its_share():
    assert planned_runs(of([]), 20) == (
        PlannedRun(7, "implementation", "low", "1"),
        PlannedRun(7, "tests", "medium", "2-5"),
        PlannedRun(6, "docs", "high", "6+"),
    )


def test_missing_values_of_all_dimensions_share_a_run():
    rows = [each for each in ready(81) if each.category != "docs" and each.complexity != "high"]
    assert planned_runs(of(rows), 20) == (PlannedRun(1, "docs", "high", "1"),)


def test_the_thinnest_evidence_is_thickened():
    # 9 implementation, 9 tests, 1 docs: the first eight go to docs, then one to each
    rows = [call(category=category, complexity="low") for category in ("implementation", "tests") * 9]
    rows.append(call(category="docs", complexity="low"))
    runs = planned_runs(of(rows, complexities=(), deliverables=()), 30)
    assert runs == (
        PlannedRun(9, "docs", None, None),
        PlannedRun(1, "implementation", None, None),
        PlannedRun(1, "tests", None, None),
    )


def test_where_nothing_is_required_any_run_will_do():
    assert planned_runs(of([], (), (), ()), 5) == (PlannedRun(5, None, None, None),)


def test_a_billion_runs_are_planned_as_fast_as_twenty():
    runs = planned_runs(of([]), 999_999_999)
    assert runs == (
        PlannedRun(333_333_333, "implementation", "low", "1"),
        PlannedRun(333_333_333, "tests", "medium", "2-5"),
        PlannedRun(333_333_333, "docs", "high", "6+"),
    )


def test_thousands_of_required_values_are_planned():
    names = tuple(f"category-{n}" for n in range(5000))
    runs = planned_runs(of([], categories=names), 20)
    assert [run.category for run in runs] == list(names)
    assert {run.count for run in runs} == {1}


def test_the_thinnest_values_are_named():
    rows = [*ready(27), call(category="docs"), call(category="docs", complexity="high")]
    # readiness needs 9 of each; docs has two more, low and high one more each, and both calls have three deliverables
    assert thinnest(of(rows)) == Thinnest(("implementation", 9), ("medium", 9), ("1", 9))


def test_a_missing_value_is_not_thin():
    assert thinnest(of([call(category="docs")])) == Thinnest(("docs", 1), ("low", 1), ("2-5", 1))


def test_any_value_is_not_thin_and_asks_for_one_kind_at_most():
    assert thinnest(of(ready(27), ("any",), (), ())) == Thinnest(None, None, None)
    assert planned_runs(of([], ("any",), (), ("any",)), 5) == (PlannedRun(5, "any", None, "any"),)
    assert planned_runs(of(ready(3), ("any",), (), ("any",)), 5) == (PlannedRun(2, None, None, None),)


def test_nothing_is_thin_where_there_is_nothing():
    assert thinnest(of([])) == thinnest(of(ready(27), (), (), ())) == Thinnest(None, None, None)


kinds = st.tuples(
    st.sampled_from([*CATEGORIES, "other", None]),
    st.sampled_from([*COMPLEXITIES, "other", None]),
    st.sampled_from([1, 3, 8, None]),
)
subsets = st.tuples(
    *(st.lists(st.sampled_from(each), unique=True) | st.just(["any"]) for each in (CATEGORIES, COMPLEXITIES, BUCKETS))
)


@limits(deadline=None, max_examples=200)
@given(st.lists(kinds, max_size=30), subsets, st.integers(1, 40))
def test_the_fewest_runs_make_the_data_ready(samples, required, min_samples):
    rows = [call(category=category, complexity=level, deliverable_count=count) for category, level, count in samples]
    found = of(rows, *required)
    runs = planned_runs(found, min_samples)
    missing = [len(each.missing) for each in (found.categories, found.complexities, found.deliverables)]
    assert sum(run.count for run in runs) == max(min_samples - len(rows), *missing, 0)
    assert all(run.count > 0 for run in runs)
    assert len(set(runs)) == len(runs)
    collected = [
        call(category=run.category, complexity=run.complexity, deliverable_count=COUNTS[run.deliverables])
        for run in runs
        for _ in range(run.count)
    ]
    then = of([*rows, *collected], *required)
    assert then.successes >= min_samples
    assert then.categories.missing == then.complexities.missing == then.deliverables.missing == ()


@limits(deadline=None, max_examples=200)
@given(st.lists(st.integers(0, 9), min_size=1, max_size=4), st.integers(1, 40))
def test_runs_go_where_the_evidence_is_thinnest(present, more):
    names = tuple("abcd"[: len(present)])
    rows = [call(category=name) for name, count in zip(names, present, strict=True) for _ in range(count)]
    runs = planned_runs(of(rows, names, (), ()), len(rows) + more)
    # one at a time, each to the value that has the least by then
    counts = dict(zip(names, present, strict=True))
    for _ in range(max(more, sum(count == 0 for count in present))):
        counts[min(counts, key=counts.__getitem__)] += 1
    planned = {run.category: run.count for run in runs}
    assert {name: count + planned.get(name, 0) for name, count in zip(names, present, strict=True)} == counts


@pytest.mark.parametrize("sizes", list(itertools.product((0, 1, 2, 5), repeat=3)))
def test_few_kinds_are_planned(sizes):
    names = [tuple(f"{kind}{n}" for n in range(size)) for kind, size in zip("abc", sizes, strict=True)]
    runs = planned_runs(of([], *names), 40)
    # a new kind begins where one of the dimensions goes on to its next value
    assert len(runs) <= max(sum(size - 1 for size in sizes if size) + 1, 1)
