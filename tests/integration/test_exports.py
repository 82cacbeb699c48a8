"""Exports of other tools in a session: read as what they are, and transcripts only where somebody asks for them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.integration.conftest import Run, by_source
from tests.unit.sources.exports import test_claude_code, test_inspect_log
from tests.unit.sources.exports.readings import lines

if TYPE_CHECKING:
    import pytest


def test_evaluations_are_read_by_default_and_transcripts_where_they_are_asked_for(
    run: Run, pytester: pytest.Pytester
) -> None:
    """Two calls of an evaluation, one of a table and one of a transcript."""
    runs = pytester.path / "runs"
    runs.mkdir()
    transcript = lines(test_claude_code.PROMPT, test_claude_code.block(id="msg_1"))
    (runs / "session.jsonl").write_bytes(transcript)
    result = run()
    assert result.exit == 1
    assert "(--token-telemetry-format=claude-code reads it)" in " ".join(result.text.split())
    result = run("--token-telemetry-format=claude-code")
    assert by_source(result) == {"runs/session.jsonl": 1}

    sample = test_inspect_log.sample(test_inspect_log.model(), test_inspect_log.model(901, call=None))
    (runs / "a.eval").write_bytes(test_inspect_log.zipped(sample))
    (runs / "lengths.csv").write_text("timestamp,output_tokens\n2026-01-01 10:00:00,44\n", encoding="utf-8")
    result = run()
    assert by_source(result) == {"runs/a.eval": 2, "runs/lengths.csv": 1, "runs/session.jsonl": 0}
    assert result.report is not None
    assert "An answer" not in json.dumps(result.report)
