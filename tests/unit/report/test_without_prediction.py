"""Calls without a prediction in every form of report: none breaks, and none shows how unknown is packed."""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta

import pytest

from pytest_token_telemetry.gate.findings import Past
from pytest_token_telemetry.past.history import PastVerdict
from pytest_token_telemetry.report import code_quality, json_file, junit, markdown, terminal
from pytest_token_telemetry.report.locations import pointers
from pytest_token_telemetry.report.markdown_flavours import FLAVOURS
from pytest_token_telemetry.report.untrusted_file import from_json
from tests.unit.gate.cases import (
    baseline_of,
    call,
    compared,
    cut_off,
    judge,
    reading,
    ready,
    replay_of,
    replayed,
    settings,
    verdict,
)

NOON = datetime(2026, 7, 7, 12)
NONE = [
    *ready(60, None, max_tokens=8192),
    *(
        cut_off(None, 8192 + n, category="docs", max_tokens=8192 + n, time=NOON + timedelta(minutes=n))
        for n in range(9)
    ),
    call(None, 0, success=None, truncated=None),
    call(
        None, 700, category=None, complexity=None, deliverable_count=None, task_id="phase-7", model="m", operation="o"
    ),
]
"""No call has a prediction. 9 of 70 attempts are truncated."""

SOME = [*NONE, *ready(30), cut_off(500, 8192, category="tests"), call(0, 5), call(100, 900, task_id="phase-7")]
"""Some have one."""


def everything(rows, **written):
    """A verdict on ``rows`` with all that can be asked for."""
    read, under = reading(rows), settings(baseline="b.json", tuning="t.json", history="h.jsonl", **written)
    known = baseline_of(rows[::2], **written)
    history = (PastVerdict("2026-07-07T12:00:00Z", "tune", 70, None, 9 / 70, None),)
    replay = replay_of(read.samples, under, lambda request: (900, 4096), lambda request: 1000)
    return judge(read, under, past=Past(replay=replay, baseline=known, history=history))


_WRAPPED = f"\n{' ' * 31}answered None"
"""In a table, where one cell takes two lines."""


def forms(report):
    """All forms of ``report``, by name."""
    in_json = json.loads(json_file.render(report))
    del in_json["distributions"]  # places of bins may be below 0
    found = {"code quality": code_quality.render(report), "json": json.dumps(in_json)}
    found |= {family: junit.render(report, family) for family in ("xunit1", "xunit2")}
    found |= {f"markdown {name}": markdown.render(report, write) for name, write in FLAVOURS.items()}
    for width, verbose in ((80, False), (80, True), (200, True)):
        lines = terminal.screen(report, width, verbosity=verbose)
        found[f"terminal {width} {verbose}"] = "\n".join(text for text, _ in lines).replace(_WRAPPED, "answered None")
    found["annotations"] = "\n".join(each.message for each in pointers(report, 1000))
    return found


REPORTS = {
    "plain": lambda rows, **written: verdict(rows, **written),
    "with a proof": lambda rows, **written: verdict(rows, confidence="0.95", tuning="t.json", **written),
    "compared": lambda rows, **written: compared(rows[1:], baseline_of(rows[::2], **written), **written),
    "replayed": lambda rows, **written: replayed(rows, lambda request: 900, **written),
    "replayed in vain": lambda rows, **written: replayed(
        rows, lambda request: request.predicted_output_tokens, **written
    ),
    "one a task, replayed": lambda rows, **written: replayed(rows, lambda _: 900, one_per_task="true", **written),
    "everything": everything,
}


@pytest.mark.parametrize("population", ["risk", "success", "all"])
@pytest.mark.parametrize("rows", [NONE, SOME, NONE[-2:]], ids=["none", "some", "few"])
@pytest.mark.parametrize("make", REPORTS.values(), ids=REPORTS)
def test_no_form_of_report_shows_a_prediction_that_is_not_there(make, rows, population):
    report = make(rows, population=population)
    for name, text in forms(report).items():
        assert not re.search(r"(?<![\w.,…-])-1(?![\d.])", text), name
        assert "None" not in " ".join(text.split()).replace("it answered None", ""), name
    assert from_json(json_file.render(report).encode()) is not None


def test_a_call_that_was_cut_off_is_shown_without_a_prediction():
    report = verdict(NONE)
    first, *_ = json.loads(json_file.render(report))["cut_off"]
    assert (first["predicted_output_tokens"], first["ratio"], first["underestimated"]) == (None, None, False)
    # 8,200 = 8,192 + 8, the ninth: the largest output of those without a ratio
    assert (first["source"], first["output_tokens"]) == ("logs/run-1/agent.log:69", 8200)
    assert "truncated: 8,200 output, category docs" in [each.message for each in pointers(report, 100)]
    assert "truncated: 8,200 output, category docs" in code_quality.render(report)


def test_a_call_with_a_prediction_comes_before_those_without():
    rows = json.loads(json_file.render(verdict(SOME)))["cut_off"]
    # 8192 / 500
    assert [(each["predicted_output_tokens"], each["ratio"]) for each in rows] == [(500, 16.384), *[(None, None)] * 4]


def test_an_estimator_is_asked_about_all_calls_where_none_has_a_prediction():
    report = replayed(NONE, lambda request: 1000)
    assert (report.estimator.calls, report.estimator.replayed) == (71, 71)
    assert (report.estimator.recorded.underestimation.n, report.estimator.recorded.waste_p90) == (0, None)
    # At risk are the 60 and the one of 700 tokens, which succeeded, and the 9 that were truncated.
    assert (report.estimator.figures.underestimation.events, report.estimator.figures.underestimation.n) == (9, 70)


def test_an_estimator_is_asked_about_those_with_a_prediction_where_some_have_one():
    assert replayed(SOME, lambda request: 1000).estimator.calls == 33


def test_an_estimator_that_starts_from_the_recorded_prediction_is_told_so_in_one_sentence():
    def estimator(request):
        return round(request.predicted_output_tokens * 1.2)

    report = replayed(NONE, estimator)
    assert (report.verdict, report.estimator.wrong) == ("not-ready", 71)
    place = f"test_without_prediction.py:{estimator.__code__.co_firstlineno + 1}"
    assert report.estimator.errors[0].reason == (
        f"the recorded call has no prediction to start from: {place}: TypeError: unsupported operand type(s)"
        " for *: 'NoneType' and 'float'"
    )
