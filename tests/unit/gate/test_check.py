"""A check is one object: everything else follows from the list."""

from __future__ import annotations

import json

import pytest
from msgspec.structs import replace

from pytest_token_telemetry.gate import checks
from pytest_token_telemetry.gate.check import Check
from pytest_token_telemetry.gate.checks import CHECK_BY_ID, CHECKS, checks_of
from pytest_token_telemetry.gate.results import CountResult, Result
from pytest_token_telemetry.report import json_file, junit, markdown, terminal, words
from pytest_token_telemetry.report.markdown_flavours import FLAVOURS
from pytest_token_telemetry.text import plain
from tests.unit.gate.cases import ALL_CHECK_IDS, judge, outcomes, reading, ready, result, settings, verdict
from tests.unit.report.verdicts import full

OUTCOMES = ("pass", "fail", "skip", "warn")
EVERYTHING = full()


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.id)
def test_a_check_knows_itself(check):
    assert check.id.count("::") == 1
    assert check.tier in ("readiness", "tier1", "tier2", "drift")
    assert check.id.startswith(f"{check.tier}::")
    assert check.subject
    assert issubclass(check.kind, Result)
    assert type(result(EVERYTHING, check.id)) is check.kind


@pytest.mark.parametrize("outcome", OUTCOMES)
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.id)
def test_a_check_has_words_for_every_outcome(check, outcome):
    ended = replace(result(EVERYTHING, check.id), outcome=outcome)
    for found in (EVERYTHING, verdict([])):  # with all that can be asked for, and with nothing of it
        said = plain(check.words(ended, found.context))
        assert said.strip() == said != ""
        assert said.isprintable()
    assert check.in_headline(ended)


def test_no_two_checks_have_one_id():
    assert len(CHECK_BY_ID) == len(CHECKS)


class Runs(Check[CountResult]):
    """A check of a user's own: enough runs."""

    kind = CountResult
    decides = False

    def decide(self, case):
        runs = len(case.findings.samples.run.names)
        outcome = ("warn" if runs < 2 else "pass") if case.ready else "skip"
        return CountResult(id=self.id, outcome=outcome, value=runs, target=2, missing=max(2 - runs, 0))

    def words(self, result, context):
        return f"{result.value} of {result.target} runs, {context.counts.samples} samples"


@pytest.fixture
def runs(monkeypatch):
    """A check that is put into the list, and nowhere else."""
    added = Runs("tier2::runs", "runs")
    monkeypatch.setattr(checks, "CHECKS", (*CHECKS, added))
    monkeypatch.setitem(CHECK_BY_ID, added.id, added)  # it is made of the list when the module is imported
    return added


def test_a_check_that_is_added_to_the_list_is_judged_and_told_everywhere(runs):
    said = "1 of 2 runs, 27 samples"
    assert runs in checks_of(replay=False, baseline=False)
    found = judge(reading(ready(27, run="run-1")), settings(), (*ALL_CHECK_IDS, runs.id))
    assert outcomes(found)[runs.id] == "warn"
    assert found.verdict == "pass"
    assert plain(words.message(found, result(found, runs.id))) == said
    (told,) = [each for each in json.loads(json_file.render(found))["checks"] if each["id"] == runs.id]
    assert (told["kind"], told["outcome"], told["message"]) == ("count", "warn", said)
    assert f"warn {runs.id}: {said}" in [line for line, _ in terminal.screen(found, 80, verbosity=0)]
    for write in FLAVOURS.values():
        rendered = markdown.render(found, write)
        assert "tier2 runs" in rendered
        assert said in rendered
    assert said in junit.render(found, "xunit1")


def test_a_check_that_is_added_can_be_left_out(runs):
    found = judge(reading(ready(27)), settings(), ALL_CHECK_IDS)
    assert (found.verdict, found.deselected) == ("pass", (runs.id,))
