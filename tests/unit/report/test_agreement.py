"""Whoever tells it, the verdict is the same."""

from __future__ import annotations

import json

import cmarkgfm
import lxml.html
from cmarkgfm.cmark import Options
from hypothesis import example, given
from hypothesis import settings as limits
from lxml import etree
from msgspec.structs import replace

from pytest_token_telemetry.gate.checks.ratios import CAP_USE
from pytest_token_telemetry.report import code_quality, json_file, junit, markdown, terminal
from pytest_token_telemetry.report.markdown_flavours import FLAVOURS
from pytest_token_telemetry.report.model import SessionResult
from pytest_token_telemetry.sample import Sample
from tests.unit.gate.cases import ALL_CHECK_IDS, DRIFT, message, ready, verdict
from tests.unit.report.test_markdown import text as shown
from tests.unit.report.verdicts import verdicts

SHOWN = {
    "✅ pass": "pass",
    "❌ fail": "fail",
    "❌ inconclusive": "fail",
    "⚪ skipped": "skip",
    "⚪ inconclusive": "skip",
    "⚠️ warning": "warn",
}


def in_json(found):
    return {check["id"]: check["outcome"] for check in json.loads(json_file.render(found))["checks"]}


def in_terminal(found, *, verbose):
    outcomes = {}
    for text, _ in terminal.screen(found, 80, verbosity=verbose):
        outcome, _, rest = text.partition(" ")
        if (id := rest.partition(": ")[0]) in ALL_CHECK_IDS:
            outcomes[id] = outcome
    return outcomes


def in_junit(found, family):
    def outcome(case):
        if (skipped := case.find("skipped")) is not None:
            return "warn" if skipped.get("message").startswith("warning: ") else "skip"
        return "pass" if case.find("failure") is None else "fail"

    return {
        f"{case.get('classname').partition('.')[2]}::{case.get('name')}": outcome(case)
        for case in etree.fromstring(junit.render(found, family).encode()).iter("testcase")
    }


def in_code_quality(found):
    """What it says of whole checks, by the text that other reports have for them."""
    outcomes = {"major": "fail", "minor": "warn"}
    texts = {f"{check.id}: {message(found, check.id)}" for check in found.checks}
    return {
        each["check_name"].partition("::")[2]: outcomes[each["severity"]]
        for each in json.loads(code_quality.render(found))
        if each["description"] in texts
    }


def in_markdown(found, write):
    html = cmarkgfm.github_flavored_markdown_to_html(markdown.render(found, write), Options.CMARK_OPT_UNSAFE)
    document = lxml.html.fragment_fromstring(html, create_parent="div")
    rows = [[shown(cell) for cell in row] for row in document.iter("tr")]
    return {name.replace(" ", "::"): SHOWN[symbol] for symbol, name, *_ in rows if symbol in SHOWN}


@limits(deadline=None, max_examples=100)
@given(verdicts())
def test_every_report_tells_the_same_outcome_of_every_check(found):
    expected = {check.id: check.outcome for check in found.checks}
    assert in_json(found) == expected
    assert in_terminal(found, verbose=True) == expected
    screen = in_terminal(found, verbose=False)  # it may have no room for what passed or was skipped
    assert screen == {id: each for id, each in expected.items() if id in screen}
    assert {each for id, each in expected.items() if id not in screen} <= {"pass", "skip"}
    for write in FLAVOURS.values():
        assert in_markdown(found, write) == expected
    assert in_code_quality(found) == {id: each for id, each in expected.items() if each in ("fail", "warn")}
    for family in ("xunit1", "xunit2"):
        assert in_junit(found, family) == expected


@limits(deadline=None, max_examples=100)
@given(verdicts())
def test_every_report_tells_the_same_conclusion(found):
    titles = {
        "pass": "PASS, no tuning needed",
        "tune": "TUNE, tuning needed",
        "not-ready": "NOT READY, do not tune",
        "inconclusive": "INCONCLUSIVE, nothing proven",
    }
    assert json.loads(json_file.render(found))["verdict"] == found.verdict
    for write in FLAVOURS.values():
        heading, _, _ = markdown.render(found, write).partition("\n")
        assert heading.endswith(f" Token telemetry: {titles[found.verdict]}")
    assert terminal.screen(found, 80, verbosity=0)[0][0].startswith(f"{found.title}: ")
    suite = etree.fromstring(junit.render(found, "xunit1").encode())
    assert suite.find(".//property[@name='verdict']").get("value") == found.verdict
    assert found.fails == (int(suite.get("failures")) > 0)


def test_every_report_says_that_tests_failed_beside_a_pass():
    failed = SessionResult(exit_status=1, tests_failed=1)
    found = replace(verdict(ready(60)), session=failed)
    sentence = "Tests of the same session failed (1 failure): the session fails whatever the verdict."
    assert json.loads(json_file.render(found))["session"] == {"exit_status": 1, "tests_failed": 1}
    for write in FLAVOURS.values():
        heading, _, rest = markdown.render(found, write).partition("\n")
        assert heading == "## ⚠️ Token telemetry: PASS, no tuning needed (tests failed)"
        assert rest.count(sentence) == 1
    for verbose in (False, True):
        (first, marks), (second, _), *_ = terminal.screen(found, 120, verbosity=verbose)
        assert (first.partition(":")[0], second, "green" in marks) == ("PASS", sentence, False)
    (line, marks), *_ = terminal.brief(found, 300)
    assert (line.endswith(sentence), marks) == (True, {"yellow": True})
    suite = etree.fromstring(junit.render(found, "xunit2").encode())
    assert suite.find(".//property[@name='verdict']").get("value") == "pass"
    assert suite.find(".//property[@name='session']").get("value") == sentence


@limits(deadline=None, max_examples=100)
@given(verdicts())
@example(verdict([*ready(60), Sample(predicted_output_tokens=1000, output_tokens=100, max_tokens=2048, success=False)]))
def test_a_conclusion_follows_from_its_checks(found):
    outcomes = {check.outcome for check in found.checks}
    decided = {check.outcome for check in found.checks if not check.inconclusive}
    if found.verdict in ("pass", "inconclusive"):
        assert "fail" not in decided
        skipped = [each for each in found.checks if each.outcome == "skip" and not each.inconclusive]
        assert all(each.id in DRIFT or each.unasked or _has_no_cap_use(each) for each in skipped)
    if found.verdict == "pass":
        assert not any(check.inconclusive for check in found.checks)
    if found.verdict == "tune":
        assert "fail" in decided
    if found.verdict == "not-ready":
        assert outcomes & {"fail", "skip"}


def _has_no_cap_use(result):
    """True of the one figure that nothing must have: how much of their caps the calls that ended well use."""
    return result.id == CAP_USE.id and result.n == 0
