"""The checks as JUnit XML, read back by other programs."""

from __future__ import annotations

import os
import re
from pathlib import Path

import junitparser
import pytest
from hypothesis import given
from hypothesis import settings as limits
from lxml import etree

from pytest_token_telemetry.report.junit import render
from pytest_token_telemetry.report.words import headline
from pytest_token_telemetry.sources.reading import File
from tests.unit.gate.cases import CHECK_IDS, advice, call, cut_off, judge, message, reading, ready, settings, verdict
from tests.unit.report.verdicts import verdicts

FAMILIES = ["xunit1", "xunit2"]
XSD = "TOKEN_TELEMETRY_JUNIT_XSD"

PASS = verdict(ready(60))
TUNE = verdict([*ready(60, 5000, 1000), *[cut_off()] * 9])
NOT_READY = verdict(ready(5))
EXAMPLES = {
    "pass": PASS,
    "tune": TUNE,
    "not ready": NOT_READY,
    "not ready, skipped": verdict([], not_ready="skip"),
    "one check": judge(reading(ready(60)), settings(), ("tier1::truncation",)),
    "none": judge(reading(ready(60)), settings(), ()),
}


def parsed(found, family="xunit1"):
    return etree.fromstring(render(found, family).encode())


def cases(found, family="xunit1"):
    return {
        f"{case.get('classname').rpartition('.')[2]}::{case.get('name')}": case
        for case in parsed(found, family).iter("testcase")
    }


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("name", EXAMPLES)
def test_totals_are_those_of_the_cases(name, family):
    found = EXAMPLES[name]
    outcomes = [check.outcome for check in found.checks]
    root = parsed(found, family)
    assert (root.tag, root[0].tag, len(root)) == ("testsuites", "testsuite", 1)
    for element in (root, root[0]):
        assert element.get("name") == "token-telemetry"
        assert element.get("tests") == str(len(outcomes))
        assert element.get("failures") == str(outcomes.count("fail"))
        assert element.get("errors") == "0"
    assert root[0].get("skipped") == str(outcomes.count("skip") + outcomes.count("warn"))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("name", EXAMPLES)
def test_another_reader_finds_the_same(name, family, tmp_path):
    path = tmp_path / "junit.xml"
    path.write_text(render(EXAMPLES[name], family), encoding="utf-8")
    outcomes = [check.outcome for check in EXAMPLES[name].checks]
    (suite,) = junitparser.JUnitXml.fromfile(str(path))
    assert (suite.tests, suite.failures, suite.skipped, suite.errors) == (
        len(outcomes),
        outcomes.count("fail"),
        outcomes.count("skip") + outcomes.count("warn"),
        0,
    )
    read = ["fail" if case.is_failure else "skip" if case.is_skipped else "pass" for case in suite]
    assert read == ["skip" if outcome == "warn" else outcome for outcome in outcomes]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("name", EXAMPLES)
def test_the_schema_of_jenkins_takes_the_second_family(name, family):
    path = os.environ.get(XSD)
    if not path:
        pytest.skip(f"{XSD} names no junit-10.xsd (pytest's source archive has one)")
    schema = etree.XMLSchema(etree.parse(Path(path)))
    strict = render(EXAMPLES[name], family)
    if family == "xunit1":
        strict = re.sub(r' (file|line)="[^"]*"', "", strict)
    assert schema.validate(etree.fromstring(strict.encode())), schema.error_log


def test_every_check_is_a_case_in_order():
    assert list(cases(PASS)) == list(CHECK_IDS)


def test_a_passing_check_has_its_figure_as_output():
    case = cases(PASS)["tier1::truncation"]
    assert [each.tag for each in case] == ["system-out"]
    assert case[0].text == message(PASS, "tier1::truncation")


@pytest.mark.parametrize("check", ["tier1::underestimation", "tier1::truncation"])
def test_a_failing_check_says_so_in_message_and_text(check):
    said = message(TUNE, check)
    failure = cases(TUNE)[check].find("failure")
    assert (failure.get("message"), failure.get("type")) == (said, "token-telemetry.tier1")
    assert failure.text.split("\n") == [said, "", f"TUNE: {headline(TUNE)}", *advice(TUNE)]


def test_a_skipped_check_says_why():
    skipped = cases(NOT_READY)["tier1::truncation"].find("skipped")
    assert skipped.get("message") == message(NOT_READY, "tier1::truncation")
    assert skipped.get("message").endswith("not judged, data not ready")


def test_a_warning_is_no_pass():
    case = cases(TUNE)["tier2::waste-p90"]
    assert sorted(each.tag for each in case) == ["skipped", "system-out"]
    # scipy: beta.ppf(0.05, 60, 10) = 0.7834
    said = "above target, proven: 60 of 69 at 3x or more, at least 78.3% (95% confidence)"
    assert case.find("system-out").text.endswith(said)
    assert case.find("skipped").get("message") == f"warning: {message(TUNE, 'tier2::waste-p90')}"


def test_an_open_check_is_skipped_with_its_figure_or_fails():
    rows = ready(60)
    for policy, kind in (("warn", "skipped"), ("fail", "failure")):
        found = verdict(rows, confidence="0.95", inconclusive=policy)
        (told,) = cases(found)["tier1::truncation"].findall(kind)
        assert told.get("message").startswith("0/60 = 0.0% of attempts (target <= 2%) INCONCLUSIVE, unproven: ")


def test_the_first_family_names_file_and_line():
    found = cases(TUNE)
    # the worst sample is the first that was truncated: 8192 for 1000, after 60 others
    assert (found["tier1::underestimation"].get("file"), found["tier1::underestimation"].get("line")) == (
        "logs/run-1/agent.log",
        "61",
    )
    assert found["tier1::truncation"].get("line") == "61"
    assert (found["readiness::samples"].get("file"), found["readiness::samples"].get("line")) == (
        "logs/run-1/agent.log",
        "1",
    )


NOTHING = judge(reading([], files=()), settings())
ONE_TEST = judge(reading([call()], files=(File("tests/test_a.py::test_it", 1, "test"),)), settings(gate="true", dir=[]))


@pytest.mark.parametrize(
    ("found", "file"),
    [
        (PASS, "logs/run-1/agent.log"),
        (NOT_READY, "logs/run-1/agent.log"),
        (NOTHING, "token-telemetry::no-file"),
        (ONE_TEST, "tests/test_a.py"),
    ],
)
def test_no_reporter_puts_a_case_at_another_file(found, file, tmp_path):
    # action-junit-report looks for **/FILE.*, with the last part of the class name where a case has no file;
    # publish-unit-test-result-action takes the file, else the class name; dorny's and Jenkins' readers know neither.
    for decoy in (
        "logs.py",
        "logs/run-1.md",
        "tier1.py",
        "src/readiness.md",
        "underestimation.py",
        "token-telemetry.yml",
    ):
        (tmp_path / decoy).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / decoy).write_text("")
    for case in cases(found).values():
        assert (case.get("file"), case.get("line")) == (file, "1")
        assert list(tmp_path.glob(f"**/{case.get('file')}.*")) == []


def test_a_colon_in_a_path_is_no_line():
    found = verdict([call(1000, 1001)], {"files": (File("C:/logs/a.log", 1),)})
    assert cases(found)["tier1::underestimation"].get("file") == "C:/logs/a.log"


def test_the_second_family_has_no_file_and_line():
    for case in cases(TUNE, "xunit2").values():
        assert set(case.attrib) == {"classname", "name", "time"}


def test_the_suite_says_what_was_judged():
    properties = {each.get("name"): each.get("value") for each in parsed(NOT_READY).iter("property")}
    assert properties == {
        "verdict": "not-ready",
        "headline": headline(NOT_READY),
        "population": "risk",
        "samples": "5",
        "deselected": "",
    }


def test_deselected_checks_are_properties_and_no_cases():
    found = parsed(EXAMPLES["one check"])
    assert len(list(found.iter("testcase"))) == 1
    deselected = next(each for each in found.iter("property") if each.get("name") == "deselected")
    assert deselected.get("value").split() == [each for each in CHECK_IDS if each != "tier1::truncation"]


def test_times_are_numbers_and_the_time_is_a_date():
    root = parsed(PASS)
    assert {each.get("time") for each in root.iter("testsuites", "testsuite", "testcase")} == {"0.000"}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", root[0].get("timestamp"))
    assert root[0].get("hostname") is not None


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x07b", "a#x07b"),
        ("\x1b[31m", "#x1B[31m"),
        ("\ufffe\uffff", "#xFFFE#xFFFF"),
        ("\ud800", "#xD800"),
        ("]]><&\"'", "]]><&\"'"),
        ("値 🚀 \x85\xa0", "値 🚀 \x85\xa0"),
    ],
)
def test_what_xml_forbids_is_shown_by_its_code(text, shown):
    found = verdict([], {"files": (File(text, 0),)})
    assert {case.get("file") for case in cases(found).values()} == {shown}


def test_what_is_too_long_is_cut_and_counted():
    found = verdict([], {"files": (File("d" * 5000, 0),)})
    said = cases(found)["readiness::categories"]
    assert re.search(r"d… \(\d+ more characters\)$", said.get("file"))
    assert len(said.get("file")) < 2100


@limits(deadline=None, max_examples=60)
@given(verdicts())
def test_any_verdict_is_well_formed(found):
    for family in FAMILIES:
        document = render(found, family)
        assert document.startswith('<?xml version="1.0" encoding="utf-8"?>\n')
        assert len(list(etree.fromstring(document.encode()).iter("testcase"))) == len(found.checks)
