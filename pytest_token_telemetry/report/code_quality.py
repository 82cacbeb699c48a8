"""What the verdict finds, as GitLab's Code Quality widget reads it: one JSON array of single findings.

The format: https://docs.gitlab.com/ci/testing/code_quality/#code-quality-report-format
"""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_token_telemetry.gate.checks import node_id
from pytest_token_telemetry.report import words
from pytest_token_telemetry.report.locations import Pointer, first_place, pointers
from pytest_token_telemetry.text import inert, plain

if TYPE_CHECKING:
    from pytest_token_telemetry.report.model import Report

MOST = 100
"""Findings. They come from the most severe on, so that only examples are left out."""

LONGEST_PATH = 4096
"""Characters of a path: as many as Linux takes."""

_SEVERITIES = {"error": "major", "warning": "minor"}


def render(report: Report) -> str:
    """``report`` as a Code Quality report: an empty array, which says that all is well, for a PASS alone."""
    found = [_entry(each, report) for each in pointers(report, MOST) or _other_verdict(report)]
    return json.dumps(found, indent=2, ensure_ascii=False) + "\n"


def _other_verdict(report: Report) -> list[Pointer]:
    """What a verdict that no check explains says for itself."""
    if report.verdict == "pass":
        return []
    said = plain(words.headline(report))
    return [Pointer("warning", f"verdict::{report.verdict}", said, None, is_check=True)]


def _entry(found: Pointer, report: Report) -> dict[str, object]:
    place = found.place or first_place(report)
    return {
        "check_name": node_id(found.check),
        "description": f"{found.check}: {found.message}",
        "fingerprint": _fingerprint(found, report),
        "severity": _SEVERITIES[found.severity],
        "location": {"path": _path(place.file), "lines": {"begin": place.line}},
    }


def _fingerprint(found: Pointer, report: Report) -> str:
    """By what GitLab knows a finding of the target branch again.

    A sample or a line that cannot be used is what it says at its place. A check of the same data stays the same one
    while its figures and its worst sample change.
    """
    if found.is_check:
        parts = ["check", found.check, str(report.settings.get("dir"))]
    else:
        place = found.place or first_place(report)
        parts = ["place", found.check, place.file, str(place.line), found.message]
    return hashlib.sha256("\0".join(parts).encode("utf-8", "backslashreplace")).hexdigest()


def _path(file: str) -> str:
    """As GitLab takes it: relative, and with nothing that does not print."""
    path = Path(file)
    if path.is_absolute():
        with suppress(ValueError):  # it is on another drive of Windows
            path = Path(os.path.relpath(path))
    return inert(path.as_posix(), LONGEST_PATH)
