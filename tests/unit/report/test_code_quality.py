"""The verdict as GitLab's Code Quality widget reads it."""

from __future__ import annotations

import json
import os

import jsonschema
import pytest
from hypothesis import given
from hypothesis import settings as limits

from pytest_token_telemetry.report.code_quality import MOST, render
from pytest_token_telemetry.sources.reading import File, UnusableLines
from pytest_token_telemetry.sources.recorded import Recorded
from tests.unit.gate.cases import call, cut_off, judge, message, reading, ready, replayed, settings, verdict
from tests.unit.report.verdicts import HOSTILE, MARK, verdicts

SCHEMA = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["description", "check_name", "fingerprint", "severity", "location"],
        "additionalProperties": False,
        "properties": {
            "description": {"type": "string", "minLength": 1},
            "check_name": {"type": "string", "pattern": "^token-telemetry::[a-z0-9]+::[a-z0-9-]+$"},
            "fingerprint": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
            "severity": {"enum": ["info", "minor", "major", "critical", "blocker"]},
            "location": {
                "type": "object",
                "required": ["path", "lines"],
                "additionalProperties": False,
                "properties": {
                    "path": {"type": "string", "minLength": 1, "not": {"pattern": "^(/|\\./)"}},
                    "lines": {
                        "type": "object",
                        "required": ["begin"],
                        "additionalProperties": False,
                        "properties": {"begin": {"type": "integer", "minimum": 1}},
                    },
                },
            },
        },
    },
}
"""The fields that https://docs.gitlab.com/ci/testing/code_quality/#code-quality-report-format lists."""

VALID = jsonschema.Draft202012Validator(SCHEMA)

LOG = "logs/run-1/agent.log"
TUNE = [*ready(60), call(1000, 2500, category="docs", task_id="p/1"), *[call(1000, 1001)] * 4]


def entries(found):
    return json.loads(render(found))


def places(found):
    return [
        (each["severity"], each["check_name"], each["location"]["path"], each["location"]["lines"]["begin"])
        for each in entries(found)
    ]


def fingerprints(found):
    return [each["fingerprint"] for each in entries(found)]


def test_a_pass_is_an_empty_array():
    assert render(verdict(ready(60))) == "[]\n"


@pytest.mark.parametrize(
    ("found", "name"),
    [
        (verdict(ready(60), confidence="0.99"), "inconclusive"),
        (judge(reading(ready(60)), settings(), selected=set()), "inconclusive"),
        (judge(reading(TUNE), settings(), selected={"tier2::waste-p90"}), "inconclusive"),
        (verdict(ready(3), not_ready="skip"), "not-ready"),
    ],
)
def test_an_empty_array_is_a_pass_alone(found, name):
    assert places(found) == [("minor", f"token-telemetry::verdict::{name}", LOG, 1)]


def test_a_failed_check_comes_with_the_samples_that_show_it():
    assert places(verdict(TUNE)) == [
        ("major", "token-telemetry::tier1::underestimation", LOG, 61),
        *(("minor", "token-telemetry::tier1::underestimation", LOG, line) for line in (61, 62, 63, 64, 65)),
    ]


def test_a_description_names_its_check():
    found = verdict(TUNE)
    assert [each["description"] for each in entries(found)][:2] == [
        f"tier1::underestimation: {message(found, 'tier1::underestimation')}",
        "tier1::underestimation: underestimated: 1,000 tokens predicted, 2,500 output (2.50x), category docs, task p/1",
    ]


def test_a_warning_is_minor():
    assert places(verdict(ready(60, 9000, 900))) == [("minor", "token-telemetry::tier2::waste-p90", LOG, 1)]


def empty(file):
    """A verdict on one file that holds nothing."""
    return verdict([], {"files": (File(file, 0),)})


def test_what_has_no_line_is_about_the_first_file_and_never_a_directory():
    found = verdict([], {"files": (File("./runs/a.log", 0), File("more/b.log", 0))}, dir=["./runs/", "more"])
    assert {each[2:] for each in places(found)} == {("runs/a.log", 1)}


def test_without_a_directory_it_is_about_the_first_test():
    found = judge(
        reading([call()], files=(File("tests/test_a.py::test_it", 1, "test"),)), settings(gate="true", dir=[])
    )
    assert {each[2:] for each in places(found)} == {("tests/test_a.py", 1)}


def test_without_anything_it_is_about_all():
    found = judge(reading([], files=(), recorded=Recorded()), settings(gate="true", dir=[]))
    assert {each[2:] for each in places(found)} == {("token-telemetry::no-file", 1)}


def test_unusable_lines_are_findings_of_their_own():
    lines = UnusableLines(4, ["logs/a.log:7", "logs/a.log:9"])
    found = verdict(ready(60), {"unusable": {"it has no output": lines}}, max_unusable="0")
    assert places(found) == [
        ("major", "token-telemetry::readiness::sources", "logs/a.log", 7),
        ("minor", "token-telemetry::readiness::sources", "logs/a.log", 7),
        ("minor", "token-telemetry::readiness::sources", "logs/a.log", 9),
    ]


def test_a_path_below_the_current_directory_is_relative_to_it(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert {each[2] for each in places(empty(str(tmp_path / "a.log")))} == {"a.log"}
    assert {each[2] for each in places(empty(str(tmp_path.parent / "a.log")))} == {"../a.log"}


def test_a_path_on_another_drive_stays(monkeypatch):
    def no_way(path):
        raise ValueError("path is on mount 'D:', start on mount 'C:'")

    monkeypatch.setattr(os.path, "relpath", no_way)
    assert {each[2] for each in places(empty("/elsewhere/a.log"))} == {"/elsewhere/a.log"}


def test_findings_keep_their_fingerprint_whatever_stands_before_them():
    before, after = verdict(TUNE), verdict([*ready(60), *TUNE[:59:-1]])
    assert fingerprints(before)[0] == fingerprints(after)[0]  # of the check, whose worst sample moved
    unmoved = next(each for each in entries(before) if each["location"]["lines"]["begin"] == 63)
    assert unmoved in entries(after)


def test_a_check_stays_the_same_while_its_figures_change():
    assert fingerprints(verdict(TUNE))[0] == fingerprints(verdict([*ready(9), *TUNE]))[0]


def test_the_same_check_of_other_data_is_another():
    assert fingerprints(verdict(TUNE, dir=["a"]))[0] != fingerprints(verdict(TUNE, dir=["b"]))[0]


def test_wrong_answers_at_one_line_have_fingerprints_of_their_own():
    def estimator(request):
        return "many" if request.task_id else 1000

    rows = [*ready(60), *[call(task_id=f"p/{n}") for n in range(9)]]
    found = fingerprints(replayed(rows, estimator, source="src/estimator.py:12"))
    assert len(set(found)) == len(found) > 9


def test_the_examples_are_left_out_first():
    many = UnusableLines(MOST * 2, [f"logs/a.log:{n}" for n in range(1, MOST * 2)])
    found = verdict(
        [*ready(60, 9000, 900), *[cut_off()] * 10], {"unusable": {"it has no output": many}}, max_unusable="0"
    )
    assert [each["severity"] for each in entries(found)] == ["major"] + ["minor"] * (MOST - 1)


@pytest.mark.parametrize("text", HOSTILE)
def test_no_name_spoils_the_report(text):
    name = f"{MARK}{text}"
    rows = [*ready(60), *[cut_off(category=name, task_id=name)] * 9]
    found = entries(verdict(rows, {"files": (File(name, len(rows)),)}, dir=[name.replace("\0", "")]))
    VALID.validate(found)
    for each in found:
        assert each["description"].isprintable()
        assert each["location"]["path"].isprintable()


@limits(deadline=None, max_examples=100)
@given(verdicts())
def test_gitlab_takes_any_report(found):
    text = render(found)
    VALID.validate(json.loads(text))
    text.encode("utf-8")
    told = fingerprints(found)
    assert len(set(told)) == len(told) <= MOST


def test_a_path_that_is_no_text_is_shown_by_its_code():
    assert {each[2] for each in places(empty("runs-\udcff"))} == {"runs-\\udcff"}
