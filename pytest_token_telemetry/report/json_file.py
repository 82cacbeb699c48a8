"""The report file: the one interface between the gate and other programs. Its schema is in ``docs/reports.md``.

Its sentences are there for people. A program that reads the file makes its own from the figures.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import msgspec

from pytest_token_telemetry import __version__, calibration
from pytest_token_telemetry.gate.checks.drift import NO_BASELINE
from pytest_token_telemetry.report import advice, collecting, words
from pytest_token_telemetry.report.model import NoVerdict, Report, now
from pytest_token_telemetry.report.notes import notes
from pytest_token_telemetry.report.untrusted_file import LARGEST_REPORT
from pytest_token_telemetry.text import LONGEST_EXPLANATION, inert, plain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_token_telemetry.analysis.tuning import Tuning

_SENTENCES = {"type": "array", "items": {"type": "string"}}


def render(report: Report) -> str:
    """``report`` as a JSON document: rates as fractions of 1, figures not rounded, and sentences beside them."""
    document = msgspec.to_builtins(report)
    checks = [
        {**check, "message": plain(words.message(report, result))}
        for check, result in zip(document["checks"], report.checks, strict=True)
    ]
    said = {
        "headline": words.headline(report),
        "advice": words.texts(advice.next_steps(report)),
        "notes": words.texts(notes(report)),
    }
    document = {**_after(document, "verdict", said), "checks": checks}
    document["plan"]["sentences"] = words.texts(collecting.to_collect(report))
    if report.tuning is not None:
        document["tuning"] = {"schema": calibration.SCHEMA, **document["tuning"]}
    if report.drift is not None:
        document["drift"] = {"missing": NO_BASELINE if report.drift.drift is None else None, **document["drift"]}
    return _dumped(document)


def render_no_verdict(why: str) -> str:
    """The report of a session that has no verdict, with ``why`` in a clause."""
    reason = inert(why, LONGEST_EXPLANATION)
    document = msgspec.to_builtins(NoVerdict(version=__version__, created=now(), verdict=None, reason=reason))
    return _dumped(_after(document, "verdict", {"headline": f"No verdict: {reason.removesuffix('.')}."}))


def _after(document: dict[str, Any], key: str, more: dict[str, Any]) -> dict[str, Any]:
    """``document`` with ``more`` behind its ``key``."""
    place = list(document).index(key) + 1
    items = list(document.items())
    return dict([*items[:place], *more.items(), *items[place:]])


def render_tuning(tuning: Tuning, aliases: Mapping[str, str]) -> str:
    """The tuning advice alone, as `Calibration` reads it, with the ``aliases`` that folded its categories."""
    advice = msgspec.to_builtins(tuning)
    return _dumped({"schema": calibration.SCHEMA, "aliases": dict(sorted(aliases.items())), **advice})


def _dumped(document: dict[str, Any]) -> str:
    """``document`` with line breaks, or without if it is too large for the poster, as with a thousand long names."""
    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    if len(text.encode("utf-8", "backslashreplace")) <= LARGEST_REPORT:
        return text
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False, allow_nan=False) + "\n"


def schema() -> str:
    """The JSON Schema of a report file, as it stands in ``docs/``."""
    references, definitions = msgspec.json.schema_components((Report, NoVerdict), ref_template="#/$defs/{name}")
    sentence = {"type": "string"}
    definitions["NoVerdict"]["properties"] |= {"headline": sentence}
    definitions["Report"]["properties"] |= {"headline": sentence, "advice": _SENTENCES, "notes": _SENTENCES}
    definitions["Plan"]["properties"]["sentences"] = _SENTENCES
    definitions["DriftReport"]["properties"]["missing"] = {"anyOf": [sentence, {"type": "null"}]}
    definitions["Tuning"]["properties"]["schema"] = {"const": calibration.SCHEMA}
    for name, definition in definitions.items():
        if name.endswith("Result"):
            definition["properties"]["message"] = sentence
    document = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "token-telemetry-report/1",
        "anyOf": list(references),
        "$defs": dict(sorted(definitions.items())),
    }
    return _dumped(document)
