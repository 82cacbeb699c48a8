"""Which lines a verdict points to."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import settings as limits

from pytest_token_telemetry.report.locations import Place, Pointer, place, place_of, pointers
from pytest_token_telemetry.sources.reading import File, UnusableLines
from tests.unit.gate.cases import call, cut_off, judge, reading, ready, replayed, result, settings, verdict
from tests.unit.report.verdicts import verdicts

LOG = "logs/run-1/agent.log"


def places(found: list[Pointer]) -> list[tuple[str, str, Place | None]]:
    return [(each.severity, each.check, each.place) for each in found]


def test_a_pass_has_nothing_to_say():
    assert pointers(verdict(ready(60)), 10) == []


def test_a_failed_check_comes_before_the_samples_that_show_it():
    found = pointers(
        verdict([*ready(60), call(1000, 2500, category="docs", task_id="p/1"), *[call(1000, 1001)] * 4]), 10
    )
    assert places(found)[:2] == [
        ("error", "tier1::underestimation", Place(LOG, 61)),
        ("warning", "tier1::underestimation", Place(LOG, 61)),
    ]
    assert found[0].message.startswith("5/65 = 7.7% of the risk population")
    assert found[1].message == ("underestimated: 1,000 tokens predicted, 2,500 output (2.50x), category docs, task p/1")
    assert [each.place.line for each in found[1:]] == [61, 62, 63, 64, 65]


def test_samples_that_were_not_underestimated_show_nothing():
    found = pointers(verdict([*ready(27), call(1000, 1001)], max_underestimation="0%"), 10)
    assert [each.place for each in found if each.severity == "warning"] == [Place(LOG, 28)]


def test_calls_that_were_cut_off_are_shown_even_if_others_took_more_for_their_prediction():
    rows = [*ready(60), *[call(1000, 9000, success=True)] * 5, cut_off(9000, 4096), cut_off(9000, 4096)]
    found = pointers(verdict(rows, max_underestimation="50%"), 10)
    assert [each.check for each in found] == ["tier1::truncation"] * 3
    assert [each.place.line for each in found] == [66, 66, 67]
    assert found[1].message.startswith("truncated: 9,000 tokens predicted, 4,096 output (0.46x)")


def test_one_sample_that_shows_two_checks_is_shown_once():
    found = pointers(verdict([*ready(27), *[cut_off()] * 3]), 10)
    assert [each.severity for each in found] == ["error", "error", "warning", "warning", "warning"]


def test_checks_that_fail_for_the_same_reason_are_all_shown(monkeypatch):
    found = verdict([*ready(27), *[cut_off()] * 3])
    words = "pytest_token_telemetry.gate.checks.rates.RateCheck.words"
    monkeypatch.setattr(words, lambda check, result, context: "the same")
    told = pointers(found, 10)
    assert told[0].message == told[1].message
    assert [each.check for each in told[:2]] == ["tier1::underestimation", "tier1::truncation"]


def test_the_most_severe_are_kept():
    found = pointers(verdict([*ready(27), *[cut_off()] * 30]), 3)
    assert [each.severity for each in found] == ["error", "error", "warning"]


def test_a_warning_comes_after_the_failures():
    rows = [*(each for each in ready(60, 9000, 900)), *[cut_off()] * 10]
    found = pointers(verdict(rows), 10)
    assert [(each.severity, each.check) for each in found][:3] == [
        ("error", "tier1::underestimation"),
        ("error", "tier1::truncation"),
        ("warning", "tier2::waste-p90"),
    ]


def test_files_and_lines_that_could_not_be_used_are_shown_where_they_are():
    read = reading(
        ready(60),
        files=(File("tests/test_a.py::test_it", 60, "test"),),
        unreadable={"logs/secret.log": "Permission denied", "tests/test_a.py::test_it": "its worker died"},
        unusable={"it has no output": UnusableLines(4, ["logs/a.log:7", "tests/test_a.py::test_it"])},
    )
    found = pointers(judge(read, settings(max_unusable="0")), 10)
    assert places(found) == [
        ("error", "readiness::sources", Place("logs/secret.log", 1)),
        ("warning", "readiness::sources", Place("logs/secret.log", 1)),
        ("warning", "readiness::sources", Place("tests/test_a.py", 1)),
        ("warning", "readiness::sources", Place("logs/a.log", 7)),
        ("warning", "readiness::sources", Place("tests/test_a.py", 1)),
    ]
    assert [each.message for each in found[1:4]] == [
        "could not be read: Permission denied",
        "read only in part: its worker died",
        "unusable because it has no output",
    ]


def test_a_check_of_the_data_has_no_place():
    assert place_of(result(verdict([]), "readiness::samples"), verdict([])) is None


def test_a_sample_of_a_test_is_in_the_tests_file():
    found = verdict([call(1000, 2000)] * 2, {"files": (File("tests/test_a.py::TestIt::test_it[x:3]", 2, "test"),)})
    assert place_of(result(found, "tier1::underestimation"), found) == Place("tests/test_a.py", 1)


@pytest.mark.parametrize("id", ["readiness::replay", "tier1::underestimation", "tier1::truncation", "tier2::waste-p90"])
def test_what_judges_an_estimator_points_to_it(id):
    found = replayed(ready(60), lambda request: 100)
    assert place_of(result(found, id), found) is None  # it was not loaded from anywhere here
    told = replayed(ready(60), lambda request: 100, source="src/estimator.py:12")
    assert place_of(result(told, id), told) == Place("src/estimator.py", 12)


def test_wrong_answers_name_their_calls_and_point_to_the_estimator():
    def estimator(request):
        return "many" if request.task_id else 1000

    rows = [*ready(60), *[call(task_id="p/1")] * 2]
    found = pointers(replayed(rows, estimator, source="src/estimator.py:12"), 3)
    assert places(found)[:2] == [
        ("error", "readiness::replay", Place("src/estimator.py", 12)),
        ("warning", "readiness::replay", Place("src/estimator.py", 12)),
    ]
    assert found[1].message == f"for the call at {LOG}:61: the prediction is str, not a number"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("a.log:3", Place("a.log", 3)),
        ("C:/a b.log:12", Place("C:/a b.log", 12)),
        ("a #2:4", Place("a #2", 4)),
        ("t/test_x.py::test_y[a:3] #2", Place("t/test_x.py", 1)),
        ("a.log", None),
        ("", None),
        (None, None),
        ("postgresql://me@host/db: calls:17", None),
        ("https://logs/a.log:17", Place("https://logs/a.log", 17)),
    ],
)
def test_a_source_names_a_place(source, expected):
    assert place(source) == expected


@limits(deadline=None, max_examples=100)
@given(verdicts())
def test_pointers_are_few_severe_first_and_on_one_line(found):
    told = pointers(found, 10)
    assert len(told) <= 10
    severities = [each.severity for each in told]
    assert severities == sorted(severities)
    failed = {check.id for check in found.checks if check.outcome == "fail"}
    assert {each.check for each in told if each.severity == "error"} == failed
    assert not any(unicodedata.category(char) in ("Cc", "Zl", "Zp") for each in told for char in each.message)
