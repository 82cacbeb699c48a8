"""What there is to judge by."""

from __future__ import annotations

import pytest

from pytest_token_telemetry.analysis.readiness import readiness
from pytest_token_telemetry.analysis.strata import labels
from pytest_token_telemetry.settings import DEFAULT_ALIASES
from tests.unit.gate.cases import call, columns, cut_off, ready


def found_in(rows, categories=("implementation", "tests", "docs")):
    samples = columns(rows)
    return readiness(
        samples,
        labels(samples, dict(DEFAULT_ALIASES)),
        categories=categories,
        complexities=("low", "medium", "high"),
        deliverables=("1", "2-5", "6+"),
    )


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
    assert found_in([call(category=spelling), call(category=category)]).categories.present == {category: 2}


def test_complexities_are_not_folded_through_the_aliases_of_categories():
    assert found_in([call(complexity="TEST")]).complexities.present == {"test": 1}


def test_samples_that_do_not_say_whether_they_succeeded_are_counted():
    legacy = call(success=None, truncated=None, legacy=True)
    found = found_in([call(success=None), call(success=None), call(), legacy])
    assert found.silent_on_success == 2


def test_attempts_say_whether_they_were_cut_off():
    assert found_in([call(truncated=None), call(truncated=False), cut_off()]).attempts == 2


def test_nothing_required_is_nothing_missing():
    assert found_in([], categories=()).categories.missing == ()
