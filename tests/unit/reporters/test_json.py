"""The report file: strict JSON with every key that others may rely on."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import settings as limits

from pytest_token_telemetry import __version__
from pytest_token_telemetry.reporters.json import render
from pytest_token_telemetry.settings import options
from pytest_token_telemetry.sources.reading import File, UnusableLines
from tests.unit.gate.cases import call, cut_off, ready, verdict
from tests.unit.reporters.verdicts import verdicts


def refuse(constant):
    raise AssertionError(f"{constant} is no JSON")


def report(found):
    return json.loads(render(found), parse_constant=refuse)


def keys(value):
    return set(value)


def test_the_report_has_every_key_of_its_schema():
    found = report(verdict([*ready(27), cut_off()]))
    assert keys(found) >= {
        *("schema", "version", "created", "verdict", "headline", "advice", "population", "counts", "checks"),
        *("metrics", "strata", "worst", "sources", "settings"),
    }
    assert keys(found["counts"]) >= {
        *("samples", "attempts", "successes", "risk", "legacy", "duplicates", "unusable", "files"),
        *("unreadable_files", "runs", "tasks"),
    }
    assert keys(found["counts"]["unusable"]) >= {"total", "reasons"}
    assert keys(found["metrics"]) >= {"success_rate", "waste", "smape", "predicted_output_tokens", "output_tokens"}
    assert keys(found["metrics"]["waste"]) >= {"n", "p50", "p90", "mean", "method"}
    assert keys(found["metrics"]["smape"]) >= {"n", "mean", "median", "min", "max"}
    for tokens in ("predicted_output_tokens", "output_tokens"):
        assert keys(found["metrics"][tokens]) >= {"mean", "median"}
    assert keys(found["strata"]) >= {"category", "complexity", "deliverables"}
    for stratum in found["strata"]["category"]:
        assert keys(stratum) >= {
            *("name", "attempts", "successes", "truncated", "risk", "underestimated", "waste_p50", "waste_p90")
        }
    assert keys(found["worst"][0]) >= {
        *("source", "task_id", "category", "predicted_output_tokens", "output_tokens", "truncated", "ratio")
    }
    assert keys(found["sources"][0]) >= {"path", "samples"}


def test_checks_have_the_keys_that_mean_something_for_them():
    checks = {check["id"]: check for check in report(verdict(ready(27)))["checks"]}
    for id, check in checks.items():
        assert keys(check) >= {"id", "outcome", "message", "value", "target"}
        if id.startswith("readiness"):
            assert keys(check) >= {"missing"}
        if id.startswith("tier1"):
            assert keys(check) >= {"events", "n", "bounds", "proven", "samples_to_prove"}
            assert keys(check["bounds"]) == {"confidence", "lower", "upper"}


def test_figures_are_whole_and_rates_are_fractions_of_one():
    rows = [*ready(26), *[call(100, 300)] * 3, cut_off()]
    found = report(verdict(rows))
    under = next(check for check in found["checks"] if check["id"] == "tier1::underestimation")
    assert (under["events"], under["n"], under["value"], under["target"]) == (4, 30, 4 / 30, 0.05)
    assert found["metrics"]["success_rate"] == 29 / 30
    assert found["metrics"]["waste"]["method"] == "hyndman-fan-6"


def test_counts_count():
    rows = [
        *ready(27, run="run-1", task_id="a"),
        cut_off(run="run-2", task_id="b"),
        call(success=False, truncated=None),
        call(legacy=True, success=None, truncated=None),
        call(0, 5),
    ]
    found = {
        "files": (File("logs/a.log", 20), File("logs/b.log", 11)),
        "duplicates": 4,
        "unusable": {"success is missing": UnusableLines(3, ["logs/a.log:7"])},
        "unreadable": {"logs/c.log": "Permission denied"},
    }
    assert report(verdict(rows, found))["counts"] == {
        "samples": 31,
        "attempts": 29,
        "successes": 28,
        "risk": 29,
        "legacy": 1,
        "no_ratio": 1,
        "duplicates": 4,
        "unusable": {"total": 3, "reasons": {"success is missing": {"count": 3, "places": ["logs/a.log:7"]}}},
        "files": 2,
        "tests": 0,
        "unreadable_files": 1,
        "runs": 2,
        "tasks": 2,
    }


def test_what_was_not_read_is_told():
    found = {
        "unreadable": {"logs/c.log": "Permission denied"},
        "outside": ("logs/link",),
        "special": ("logs/pipe.log",),
    }
    assert report(verdict([], found))["not_read"] == {
        "unreadable": [{"path": "logs/c.log", "reason": "Permission denied"}],
        "outside": ["logs/link"],
        "special": ["logs/pipe.log"],
    }


def test_the_document_says_what_it_is():
    found = report(verdict([]))
    assert (found["schema"], found["version"]) == ("token-telemetry-report/1", __version__)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", found["created"])


def test_every_setting_in_force_is_there_as_written():
    found = report(verdict([], max_underestimation="5 %", pattern=["*.log", "*.txt"]))["settings"]
    required = {name for name, option in options() if option.default is not None}
    assert keys(found) == required
    assert (found["max_underestimation"], found["pattern"]) == ("5 %", ["*.log", "*.txt"])


@pytest.mark.parametrize(
    ("rows", "conclusion"), [(ready(27), "pass"), ([*ready(27), cut_off()], "tune"), ([], "not-ready")]
)
def test_the_conclusion_is_the_verdicts(rows, conclusion):
    assert report(verdict(rows))["verdict"] == conclusion


def test_no_data_is_null():
    found = report(verdict([]))
    assert found["metrics"]["success_rate"] is None
    assert found["metrics"]["waste"] == {
        "n": 0,
        "p50": None,
        "p90": None,
        "mean": None,
        "method": "hyndman-fan-6",
        "upper_limit": False,
    }
    checks = {check["id"]: check for check in found["checks"]}
    assert (checks["tier1::truncation"]["value"], checks["tier1::truncation"]["bounds"]) == (None, None)
    assert checks["readiness::sources"]["missing"] == 0


def test_a_missing_source_is_a_number():
    checks = {check["id"]: check for check in report(verdict([], {"files": ()}))["checks"]}
    assert '"missing": 1' in json.dumps(checks["readiness::sources"])


def test_names_come_through_whole():
    name = "値\n\x1b\u202e" + "x" * 300
    assert report(verdict([call(category=name, task_id=name)]))["worst"][0]["task_id"] == name


@limits(deadline=None, max_examples=100)
@given(verdicts())
def test_any_verdict_is_strict_json(found):
    document = report(found)
    assert document["verdict"] == found.conclusion
    assert [check["id"] for check in document["checks"]] == [check.id for check in found.checks]
    assert document["deselected"] == list(found.deselected)
