"""The report file: strict JSON with every key that others may rely on."""

from __future__ import annotations

import json
import re

import jsonschema
import pytest
from hypothesis import given
from hypothesis import settings as limits
from msgspec import convert

from pytest_token_telemetry import CannotReplay, __version__
from pytest_token_telemetry.gate.findings import Past
from pytest_token_telemetry.past.history import PastVerdict
from pytest_token_telemetry.report import advice, collecting, markdown, terminal, words
from pytest_token_telemetry.report import notes as report_notes
from pytest_token_telemetry.report.json_file import render, render_tuning, schema
from pytest_token_telemetry.report.markdown_flavours import FLAVOURS
from pytest_token_telemetry.report.model import Report
from pytest_token_telemetry.settings import options
from pytest_token_telemetry.sources.places import Unfound, UnusedColumn
from pytest_token_telemetry.sources.reading import File, Scanned, UnusableLines
from pytest_token_telemetry.sources.uncounted import Uncounted
from tests.unit.analysis.test_tuning import RATIOS, calls
from tests.unit.gate.cases import (
    baseline_of,
    call,
    compared,
    cut_off,
    judge,
    reading,
    ready,
    replayed,
    settings,
    verdict,
)
from tests.unit.report.verdicts import full, verdicts


def refuse(constant):
    raise AssertionError(f"{constant} is not JSON")


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
            *(
                "name",
                "attempts",
                "successes",
                "truncated",
                "risk",
                "underestimated",
                "waste_p50",
                "waste_p90",
                "unknown",
            )
        }
    assert keys(found["worst"][0]) >= {
        *("source", "task_id", "category", "predicted_output_tokens", "output_tokens", "truncated", "ratio")
    }
    assert keys(found["sources"][0]) >= {"path", "samples"}


def test_the_report_says_what_the_reading_took():
    found = verdict(ready(27), {"scanned": Scanned(3, 2_000, 0.5, 2)})
    assert report(found)["scan"] == {
        "files": 3,
        "size": 2_000,
        "seconds": 0.5,
        "rate": 4_000.0,
        "processes": 2,
    }
    assert report(verdict(ready(27)))["scan"] is None


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
        "files": (File("logs/a.log", 20), File("logs/b.log", 11), File("sqlite:///a.db: calls", 0, "table")),
        "duplicates": 4,
        "doubled": ("logs/a.log", "logs/b.log"),
        "unusable": {"success is missing": UnusableLines(3, ["logs/a.log:7"])},
        "uncounted": Uncounted(attempts=2, truncated=1),
        "unreadable": {"logs/c.log": "Permission denied"},
        "mentions": 2,
        "remarks": {"without_request": 5},
        "skipped": {"spans that are not model calls": 5},
        "unfound": (Unfound("ours", "success", "result.ok", 7),),
        "unused_columns": (UnusedColumn("guess", "predicted_output_tokens", 2),),
        "nothing_known": 1,
        "empty_tables": 1,
        "look_like": {"CSV": 1},
        "near_misses": {"*.txt": 3},
    }
    assert report(verdict(rows, found))["counts"] == {
        "samples": 31,
        "attempts": 29,
        "successes": 28,
        "risk": 29,
        "legacy": 1,
        "no_ratio": 1,
        "duplicates": 4,
        "doubled_files": 2,
        "uncounted": {"events": 1, "n": 2},
        "unusable": {"total": 3, "reasons": {"success is missing": {"count": 3, "places": ["logs/a.log:7"]}}},
        "files": 2,
        "tests": 0,
        "tables": 1,
        "empty_tables": 1,
        "unreadable_files": 1,
        "runs": 2,
        "tasks": 2,
        "with_task": 28,
        "silent_on_success": 0,
        "over_budget": 0,
        "over_cap": 0,
        "predicted_caps": 0,
        "by_cap": 0,
        "broke_off": 0,
        "unknown_reasons": {},
        "settled_reasons": {},
        "lost_tests": 0,
        "deselected_tests": 0,
        "mentions": 2,
        "remarks": {"without_request": 5},
        "skipped": {"spans that are not model calls": 5},
        "unfound": [{"map": "ours", "field": "success", "path": "result.ok", "records": 7}],
        "unused_columns": [{"column": "guess", "field": "predicted_output_tokens", "files": 2, "within": "csv"}],
        "nothing_known": 1,
        "look_like": {"CSV": 1},
        "near_misses": {"*.txt": 3},
        "copies_of_tests": 1,
        "dropped": {},
        "relabelled": 0,
        "towards": 28,
        "carried": {
            "samples": 31,
            "predictions": 31,
            "caps": 0,
            "reasons": 29,
            "labels": 31,
            "categories": 31,
            "complexities": 31,
            "deliverables": 31,
            "legacy": 1,
        },
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
        "unknown": [],
        "unreadable_folded": 0,
        "outside_folded": 0,
        "special_folded": 0,
        "unknown_folded": 0,
    }


def test_the_document_says_what_it_is():
    found = report(verdict([]))
    assert (found["schema"], found["version"]) == ("token-telemetry-report/1", __version__)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", found["created"])


def test_every_setting_in_force_is_there_as_written():
    found = report(verdict([], max_underestimation="5%", pattern=["*.log", "*.txt"]))["settings"]
    required = {name for name, option in options() if option.default is not None}
    assert keys(found) == required
    assert (found["max_underestimation"], found["pattern"]) == ("5%", ["*.log", "*.txt"])


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


def test_what_was_not_asked_for_is_null():
    found = report(verdict(ready(27)))
    assert (found["estimator"], found["drift"], found["history"]) == (None, None, None)


def test_a_replay_is_told_whole():
    def estimator(request):
        if request.category == "tests":
            raise CannotReplay
        return (1100, 800) if request.category == "docs" else "many"

    found = report(replayed(ready(60), estimator, lambda request: 1000, estimator_errors="skip"))["estimator"]
    assert keys(found) == {
        *(
            "estimator",
            "source",
            "calls",
            "replayed",
            "cannot",
            "wrong",
            "errors",
            "reasons",
            "recorded",
            "figures",
            "unasked",
        ),
        *("with_budget", "would_truncate", "unknown", "base"),
    }
    # of 60, 24 are implementation, 18 tests and 18 docs
    counts = ("calls", "replayed", "cannot", "wrong", "with_budget", "would_truncate", "unknown")
    assert [found[each] for each in counts] == [60, 18, 18, 24, 18, 18, 0]
    assert found["errors"][0] == {
        "source": "logs/run-1/agent.log:1",
        "reason": "the prediction is str, not a number",
    }
    assert found["recorded"] == {
        "underestimation": {"events": 0, "n": 18},
        "truncation": {"events": 0, "n": 18},
        "waste_p50": 1000 / 900,
        "waste_p90": 1000 / 900,
    }
    assert found["figures"]["truncation"] == {"events": 18, "n": 18}
    base = found["base"]
    assert keys(base) == {
        *("estimator", "calls", "base", "head", "underestimated", "difference", "bounds", "p", "predictions"),
        *("cannot", "wrong", "errors", "reasons", "changed", "base_commit", "head_commit"),
        *("only_base_judges", "only_head_judges"),
    }
    assert base["underestimated"] == {"newly_underestimated": 18, "newly_safe": 0, "both": 0, "neither": 0}
    assert keys(base["bounds"]) == {"confidence", "lower", "upper"}
    assert keys(base["predictions"]) == {"n", "raised", "lowered", "min", "p10", "p50", "p90", "max"}
    assert base["changed"][0] == {
        "source": "logs/run-1/agent.log:19",  # docs are the last nine of 27
        "category": "docs",
        "base_predicted": 1000,
        "head_predicted": 1100,
        "output_tokens": 900,
        "change": "newly underestimated",
    }


def test_a_comparison_with_a_baseline_is_told_whole():
    found = report(compared(ready(60), baseline_of(ready(60, 1000, 500))))
    drift = found["drift"]
    assert (drift["missing"], drift["baseline_samples"], drift["new_samples"]) == (None, 60, 60)
    assert keys(drift["drift"]) == {"underestimation", "truncation", "ratio"}
    assert drift["drift"]["ratio"]["shift"] == pytest.approx(1.8, rel=0.01)  # 0.9 / 0.5, kept to one percent
    check = next(each for each in found["checks"] if each["id"] == "drift::ratio")
    assert keys(check) >= {"p", "adjusted_p", "finding"}
    assert (check["outcome"], check["finding"]) == ("warn", "drift")


def test_a_missing_baseline_is_told():
    found = report(compared(ready(27), None))
    assert found["drift"] == {
        "missing": "there is no baseline yet (--token-telemetry-save-baseline writes one)",
        "baseline_samples": 0,
        "new_samples": 0,
        "drift": None,
    }
    checks = {each["id"]: each for each in found["checks"]}
    assert (checks["drift::ratio"]["outcome"], checks["drift::ratio"]["finding"]) == ("skip", "no-baseline")


def test_a_history_is_told_the_oldest_first():
    history = (PastVerdict("2026-01-01T00:00:00Z", "tune", 60, 0.1, None, "abc"), PastVerdict("", "pass", 1, None, 0.0))
    found = report(judge(reading(ready(27)), settings(), past=Past(history=history)))
    assert found["history"][0] == {
        "time": "2026-01-01T00:00:00Z",
        "verdict": "tune",
        "samples": 60,
        "underestimation": 0.1,
        "truncation": None,
        "commit": "abc",
        "underestimated": None,
        "truncated": None,
    }
    assert [each["verdict"] for each in found["history"]] == ["tune", "pass"]


def test_names_come_through_whole():
    name = "値\n\x1b\u202e" + "x" * 300
    assert report(verdict([call(category=name, task_id=name)]))["worst"][0]["task_id"] == name


@limits(deadline=None, max_examples=100)
@given(verdicts())
def test_any_verdict_is_strict_json(found):
    document = report(found)
    assert document["verdict"] == found.verdict
    assert [check["id"] for check in document["checks"]] == [check.id for check in found.checks]
    assert document["deselected"] == list(found.deselected)


# Tuning

ROWS = [
    *ready(60),
    *calls(RATIOS, "refactoring"),
    *calls([1.34, 1.40, 6.23], "bugfix"),
    *calls([1.5], "rare"),
    *[cut_off(category="capped")] * 5,
]
TUNE = verdict(ROWS)
PASS = verdict(ready(27))


def advised(found):
    return report(found)["tuning"]


def test_the_advice_has_every_key_of_its_schema():
    found = advised(TUNE)
    assert found["schema"] == "token-telemetry-tuning/1"
    assert found["alpha"] == 0.05
    assert set(found) >= {"schema", "alpha", "categories", "max_tokens"}
    for each in found["categories"]:
        assert set(each) >= {
            *("name", "n", "truncated", "multiplier", "basis", "expected_underestimation", "expected_range"),
            *("waste_p50", "waste_p90", "spread_floor"),
        }
        assert len(each["waste_p50"]) == len(each["waste_p90"]) == 2
    for each in found["max_tokens"]:
        assert set(each) >= {"name", "n", "caps"}
        assert [set(cap) for cap in each["caps"]] == [{"risk", "max_tokens", "samples_needed"}] * 3


def test_each_basis_has_its_word():
    assert {each["name"]: each["basis"] for each in advised(TUNE)["categories"]} == {
        "implementation": "category",
        "refactoring": "category",
        "tests": "borrowed",
        "docs": "borrowed",
        "bugfix": "borrowed",
        "rare": "collect",
        "capped": "raise-cap",
    }


def test_figures_of_the_advice_are_not_rounded():
    found = next(each for each in advised(TUNE)["categories"] if each["name"] == "refactoring")
    assert (found["n"], found["truncated"]) == (20, 0)
    assert found["multiplier"] == pytest.approx(1.12, abs=1e-12)
    assert found["expected_underestimation"] == 1 / 21
    assert found["spread_floor"] == pytest.approx(1.1005 / 0.221)


def test_the_file_and_the_report_hold_the_same_object():
    aliases = {"documentation": "docs"}
    advice = advised(TUNE)
    assert json.loads(render_tuning(TUNE.tuning, aliases)) == {**advice, "aliases": aliases}


def test_without_advice_the_report_has_null():
    assert advised(PASS) is None


@limits(deadline=None, max_examples=100)
@given(verdicts())
def test_any_advice_is_strict_json(found):
    of_caps = found.counts.question != "predictions" or found.counts.carried.caps > 0
    assert (found.tuning is not None) == (found.verdict == "tune" or "tuning" in found.settings or of_caps)
    if found.tuning is not None:
        assert json.loads(render_tuning(found.tuning, {})) == {**advised(found), "aliases": {}}


# Read again


def said(found):
    """All that is said of a report, in sentences and in every form that people read."""
    return {
        "headline": words.headline(found),
        "advice": advice.next_steps(found),
        "notes": report_notes.notes(found),
        "plan": collecting.to_collect(found),
        "checks": [words.message(found, each) for each in found.checks],
        "markdown": [markdown.render(found, write) for write in FLAVOURS.values()],
        "terminal": [terminal.screen(found, 80, verbosity=verbose) for verbose in (False, True)],
    }


@limits(deadline=None, max_examples=100)
@given(verdicts())
def test_the_words_need_no_more_than_the_report_file(found):
    assert said(convert(report(found), Report)) == said(found)


def test_the_words_on_all_that_can_be_asked_for_need_no_more_than_the_report_file():
    found = full(*[cut_off()] * 9)
    assert said(convert(report(found), Report)) == said(found)


@pytest.mark.parametrize(
    "found",
    [verdict([]), verdict([*ready(60), *[cut_off()] * 9]), full(), compared(ready(27), None)],
    ids=["nothing", "tune", "everything", "no baseline"],
)
def test_a_report_file_is_what_its_schema_says(found):
    jsonschema.validate(report(found), json.loads(schema()))
