"""The checks as JUnit XML.

The document is built with junit-xml and written here, because the package's own writer breaks on characters that XML
does not allow and adds attributes that no schema does. ``xunit2`` is valid against the schema that Jenkins and pytest
use; ``xunit1`` adds ``file`` and ``line``, which most reporters want.
"""

from __future__ import annotations

import platform
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from junit_xml import TestCase, TestSuite

from pytest_token_telemetry.option import ROOT
from pytest_token_telemetry.report import advice, words
from pytest_token_telemetry.report.locations import first_place, place_of
from pytest_token_telemetry.text import plain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_token_telemetry.gate.results import Result
    from pytest_token_telemetry.report.model import Report

LONGEST_MESSAGE = 2_000
LONGEST_OUTPUT = 32_000

_NOT_XML = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ATTRIBUTES = {
    "testsuite": ("name", "tests", "failures", "errors", "skipped", "time", "timestamp", "hostname"),
    "testcase": ("classname", "name", "file", "line", "time"),
    "property": ("name", "value"),
    "failure": ("message", "type"),
    "skipped": ("message",),
}
"""What is kept of each element's attributes, in this order."""


def render(report: Report, family: str) -> str:
    """``report`` as an XML document of the dialect ``family``: ``xunit1`` or ``xunit2``."""
    suite = TestSuite(
        ROOT,
        [_case(result, report) for result in report.checks],
        hostname=platform.node(),
        timestamp=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S"),
        properties=dict(_properties(report)),
    )
    built = suite.build_xml_doc("utf-8")
    if family == "xunit2":
        for case in built.iter("testcase"):
            for name in ("file", "line"):
                case.attrib.pop(name, None)
    outcomes = [result.outcome for result in report.checks]
    totals = {"tests": len(outcomes), "failures": outcomes.count("fail"), "errors": 0}
    root = ET.Element("testsuites", {"name": ROOT, **{key: str(n) for key, n in totals.items()}, "time": "0.000"})
    root.append(_clean(built))
    ET.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _case(result: Result, report: Report) -> TestCase:
    tier, name = result.id.split("::")
    place = place_of(result, report) or first_place(report)
    said = plain(words.message(report, result))
    text = "\n".join((said, "", f"{report.title}: {words.headline(report)}", *words.texts(advice.next_steps(report))))
    case = TestCase(name, f"{ROOT}.{tier}", file=place.file, line=place.line, stdout=said)
    if result.outcome == "fail":
        case.add_failure_info(message=said, output=text, failure_type=f"{ROOT}.{tier}")
    elif result.outcome != "pass":  # JUnit knows no warning, and what passed is shown nowhere
        case.add_skipped_info(message=f"warning: {said}" if result.outcome == "warn" else said, output=text)
    return case


def _properties(report: Report) -> Iterator[tuple[str, str]]:
    yield "verdict", report.verdict
    yield "headline", words.headline(report)
    if failed := words.session_result(report):
        yield "session", failed
    yield "population", report.population
    yield "samples", str(report.counts.samples)
    yield "deselected", " ".join(report.deselected)


def _clean(element: ET.Element) -> ET.Element:
    """``element`` with the attributes that reporters know, times that schemas take, and characters that XML allows."""
    kept = {
        name: _text(element.attrib[name], LONGEST_MESSAGE)
        for name in _ATTRIBUTES.get(element.tag, ())
        if name in element.attrib
    }
    if element.tag in ("testsuite", "testcase"):
        kept["time"] = "0.000"
    clean = ET.Element(element.tag, kept)
    clean.text = _text(element.text, LONGEST_OUTPUT) if element.text and element.text.strip() else None
    clean.extend(_clean(child) for child in element)
    return clean


def _text(text: str, longest: int) -> str:
    if len(text) > longest:
        text = f"{text[:longest]}… ({len(text) - longest} more characters)"
    return _NOT_XML.sub(lambda match: f"#x{ord(match[0]):02X}", text)
