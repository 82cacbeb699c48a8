"""Judged samples as a file to be kept in git."""

from __future__ import annotations

import json

import pytest

from pytest_token_telemetry.gate.drifting import baseline_of
from pytest_token_telemetry.reporters.baseline import render, write
from pytest_token_telemetry.sources.baseline import read
from tests.unit.analysis.test_baseline import kept
from tests.unit.gate.cases import call, cut_off, reading, ready, settings

HERE = "out/baseline.json"


@pytest.fixture
def saved(tmp_path):
    """Write samples as a baseline under settings, and return its path."""

    def save(samples, **written):
        path = tmp_path / "out" / "baseline.json"
        assert write(baseline_of(reading(samples), settings(**written)), path, HERE) == []
        return path

    return save


def strata(path):
    return {stratum["name"]: stratum for stratum in json.loads(path.read_text())["strata"]}


def test_a_file_reads_as_a_table():
    text = render(kept([call(1000, 1000, category="docs"), call(1000, 2000, category=None), cut_off(category="a")]))
    lines = text.splitlines()
    assert lines[0] == "{"
    assert lines[1] == '  "schema": "token-telemetry-baseline/1",'
    assert lines[2] == (
        '  "terms": {"alias": {}, "one_per_task": false, "population": "risk",'
        ' "quantile_method": "hyndman-fan-6", "under_multiplier": "1"},'
    )
    assert lines[3:6] == ['  "newest": null,', '  "samples": 3,', '  "strata": [']
    # ln 2 = 0.693, ln 8.192 = 2.103
    assert lines[6:9] == [
        '    {"name": null, "underestimation": [1, 1], "truncation": [0, 1],'
        ' "log_ratios": {"ticks": [69], "counts": [1]}},',
        '    {"name": "a", "underestimation": [1, 1], "truncation": [1, 1],'
        ' "log_ratios": {"ticks": [210], "counts": [1]}},',
        '    {"name": "docs", "underestimation": [0, 1], "truncation": [0, 1],'
        ' "log_ratios": {"ticks": [0], "counts": [1]}}',
    ]
    assert lines[9] == "  ],"
    assert lines[10].startswith('  "marks": "')
    assert lines[11:] == ["}"]


def test_a_stratum_is_a_line_whatever_its_name():
    names = ["a\nb", "\u2028", '"', "値", "\ud800", "x" * 300]
    text = render(kept([call(category=name) for name in names]))
    assert len([line for line in text.split("\n") if line.startswith("    {")]) == 6
    assert text.isascii()
    assert {each["name"] for each in json.loads(text)["strata"]} == set(names)


def test_a_new_call_changes_the_line_of_its_stratum_and_the_marks():
    rows = [call(category=name) for name in ("a", "b", "c")]
    before, after = (render(kept(each)).splitlines() for each in (rows, [*rows, call(1, 9, category="b")]))
    changed = [one for one, other in zip(before, after, strict=True) if one != other]
    assert [line.split(":")[0].strip() for line in changed] == ['"samples"', '{"name"', '"marks"']


def test_no_strata_are_an_empty_list():
    assert '  "strata": [],' in render(kept([])).splitlines()


def test_no_path_no_task_and_no_model_stand_in_the_file():
    text = render(kept([call(task_id="ZQX-1", model="ZQX-2", run="ZQX-3", complexity="ZQX-4", features={"ZQX": "5"})]))
    assert "ZQX" not in text


def test_what_was_judged_is_saved(saved):
    assert strata(saved([*ready(27), cut_off(category="docs")]))["docs"]["truncation"] == [1, 10]  # 9 of 27, and 1


def test_a_saved_file_is_a_baseline(saved):
    assert read(saved(ready(60))).samples == 60


@pytest.mark.parametrize(
    ("population", "truncation", "underestimation"),
    [("risk", [1, 3], [2, 3]), ("success", [0, 2], [1, 2]), ("all", [1, 3], [2, 4])],
)
def test_the_population_is_the_one_that_is_judged(saved, population, truncation, underestimation):
    legacy = call(1000, 900, legacy=True, success=None, truncated=None)
    path = saved([call(), call(1000, 1200), cut_off(), legacy], population=population)
    assert strata(path)["implementation"]["truncation"] == truncation
    assert strata(path)["implementation"]["underestimation"] == underestimation


def test_spellings_are_folded(saved):
    assert set(strata(saved([call(category="documentation"), call(category="manual")], alias=("manual=docs",)))) == {
        "docs"
    }


def test_one_sample_a_task_is_saved_where_one_is_judged(saved):
    path = saved([call(task_id="a"), call(task_id="a"), call(task_id="b")], one_per_task="true")
    document = json.loads(path.read_text())
    assert (document["samples"], document["terms"]["one_per_task"]) == (2, True)


def test_the_same_samples_leave_the_file_as_it_was(saved):
    before = saved(ready(60)).read_bytes()
    assert saved(ready(60)[::-1]).read_bytes() == before


def test_a_baseline_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "occupied").write_text("")
    errors = write(kept(ready(60)), tmp_path / "occupied" / "baseline.json", HERE)
    assert errors == ["--token-telemetry-save-baseline: 'out/baseline.json' could not be written: File exists"]


def test_a_directory_is_no_place_for_a_baseline(tmp_path):
    errors = write(kept(ready(60)), tmp_path, HERE)
    assert errors == ["--token-telemetry-save-baseline: 'out/baseline.json' could not be written: Is a directory"]
