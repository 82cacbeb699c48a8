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

from pytest_token_telemetry.ids import node_id
from pytest_token_telemetry.reporters.places import findings, first_place
from pytest_token_telemetry.wording import inert

if TYPE_CHECKING:
    from pytest_token_telemetry.reporters.places import Finding
    from pytest_token_telemetry.verdict import Verdict

MOST = 100
"""Findings. They come from the most severe on, so that only examples are left out."""

LONGEST_PATH = 4096
"""Characters of a path: as many as Linux takes."""

_SEVERITIES = {"error": "major", "warning": "minor"}


def render(verdict: Verdict) -> str:
    """``verdict`` as a Code Quality report: an empty array if it finds nothing."""
    found = [_entry(finding, verdict) for finding in findings(verdict, MOST)]
    return json.dumps(found, indent=2, ensure_ascii=False) + "\n"


def _entry(finding: Finding, verdict: Verdict) -> dict[str, object]:
    place = finding.place or first_place(verdict)
    return {
        "check_name": node_id(finding.check),
        "description": f"{finding.check}: {finding.message}",
        "fingerprint": _fingerprint(finding, verdict),
        "severity": _SEVERITIES[finding.severity],
        "location": {"path": _path(place.file), "lines": {"begin": place.line}},
    }


def _fingerprint(finding: Finding, verdict: Verdict) -> str:
    """By what GitLab knows a finding of the target branch again.

    A sample or a line that cannot be used is what it says at its place. A check of the same data stays the same one
    while its figures and its worst sample change.
    """
    first = first_place(verdict).file
    if any(check.id == finding.check and check.message == finding.message for check in verdict.checks):
        parts = ["check", finding.check, first]
    else:
        place = finding.place or first_place(verdict)
        parts = ["place", finding.check, place.file, str(place.line), finding.message]
    return hashlib.sha256("\0".join(parts).encode("utf-8", "backslashreplace")).hexdigest()


def _path(file: str) -> str:
    """As GitLab takes it: relative, and with nothing that does not print."""
    path = Path(file)
    if path.is_absolute():
        with suppress(ValueError):  # it is on another drive of Windows
            path = Path(os.path.relpath(path))
    return inert(path.as_posix(), LONGEST_PATH)
