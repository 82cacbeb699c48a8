"""The verdict as one line of the history."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, BinaryIO

from pytest_token_telemetry.settings import flag
from pytest_token_telemetry.sources.history import SCHEMA, is_cut_off

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_token_telemetry.verdict import Verdict

_COMMIT = ("GITHUB_SHA", "CI_COMMIT_SHA", "GIT_COMMIT", "BITBUCKET_COMMIT", "BUILD_SOURCEVERSION")
"""Where GitHub, GitLab, Jenkins, Bitbucket and Azure say which commit they test."""


def append(verdict: Verdict, path: Path) -> list[str]:
    """Append ``verdict`` to the history at ``path``; one sentence if that fails."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a+b") as file:
            _end_last_line(file)
            file.write(render(verdict).encode())
    except OSError as error:
        reason = error.strerror or type(error).__name__
        return [f"{flag('history')}: {verdict.settings['history']!r} could not be written: {reason}"]
    return []


def _end_last_line(file: BinaryIO) -> None:
    """Take a last line away that was cut off, as the session that wrote it was killed; end any other."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(size - _LONGEST_LINE, 0))
    last = file.read().rpartition(b"\n")[2]
    if is_cut_off(last) and len(last) < _LONGEST_LINE:
        file.truncate(size - len(last))
    elif last:
        file.write(b"\n")


_LONGEST_LINE = 1 << 16
"""Bytes that no line of ours comes near."""


def render(verdict: Verdict) -> str:
    """``verdict`` as a line."""
    under, cut = verdict.metrics.underestimation, verdict.metrics.truncation
    record = {
        "schema": SCHEMA,
        "time": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "verdict": verdict.conclusion,
        "samples": verdict.counts.samples,
        "underestimation": [under.events, under.n],
        "truncation": [cut.events, cut.n],
        "commit": next((commit for name in _COMMIT if (commit := os.environ.get(name))), None),
    }
    return json.dumps(record) + "\n"
