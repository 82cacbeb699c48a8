"""Claude Code's transcripts: no file is claimed, and no placeholder is taken for a count."""

from __future__ import annotations

import io
import json
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_token_telemetry.sample import Sample
from pytest_token_telemetry.samples import SamplesBuilder
from pytest_token_telemetry.sources.exports import claude_code
from pytest_token_telemetry.sources.exports.claude_code import NO_END, ClaudeCodeSource
from pytest_token_telemetry.sources.own_format import FAILED, NO_OUTPUT
from pytest_token_telemetry.sources.rows import Rows
from tests.lines import v2
from tests.unit.sources.exports.readings import lines, reading, real

if TYPE_CHECKING:
    from pytest_token_telemetry.sources.rows import Complaint


def block(output: object = 900, stop: str | None = "end_turn", id: str = "msg_1", **more: object) -> dict[str, Any]:
    """One block of an answer."""
    return {
        "type": "assistant",
        "timestamp": "2026-06-14T10:00:30.000Z",
        "sessionId": "s",
        "uuid": "u",
        "requestId": "req_1",
        "version": "2.1.98",
        "isSidechain": False,
        "message": {
            "id": id,
            "type": "message",
            "model": "claude-sonnet-4-5",
            "content": [{"type": "text", "text": "An answer"}],
            "stop_reason": stop,
            "usage": {"input_tokens": 25, "output_tokens": output},
        },
        **more,
    }


PROMPT = {"type": "user", "sessionId": "s", "uuid": "u0", "message": {"role": "user", "content": "A prompt"}}
OLD: dict[str, Any] = {"version": "2.1.97"}


def read(content: bytes) -> tuple[list[Sample], dict[str, int]]:
    """The samples of a transcript, and why other calls are none."""
    rows = Rows()
    rows.begin_file()
    ClaudeCodeSource().read(io.BytesIO(content), rows)
    samples, *_ = rows.build(complete=(), keep_ids=False)
    table = SamplesBuilder([samples])
    complaints: tuple[Complaint, ...] = rows.complaints()
    return [table.sample(row) for row in range(len(samples))], {each.reason: each.count for each in complaints}


def test_no_file_is_claimed(tmp_path: Path) -> None:
    found = reading(tmp_path, lines(PROMPT, block()))
    assert (len(found.samples), found.look_like) == (0, {"Claude Code transcripts": 1})


def test_transcripts_beside_other_files_are_told_with_what_reads_them(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text(f"{v2()}\n")
    (tmp_path / "b.jsonl").write_text('{"name": "a record of nobody"}\n')
    found = reading(tmp_path, lines(PROMPT, block()), "t.jsonl")
    assert (len(found.samples), found.look_like) == (1, {"Claude Code transcripts": 1})
    assert [Path(each).name for each in found.unknown] == ["b.jsonl"]


def test_an_answer_is_a_call_in_however_many_blocks() -> None:
    blocks = (block(1, None), block(900), block(900, None))
    assert read(lines(PROMPT, *blocks, {"type": "summary", "leafUuid": "u"})) == (
        [
            Sample(
                output_tokens=900,
                truncated=False,
                finish_reason="stop",
                finish_reason_raw="end_turn",
                model="claude-sonnet-4-5",
                time=datetime(2026, 6, 14, 10, 0, 30),
            )
        ],
        {},
    )


@pytest.mark.parametrize(
    ("blocks", "outputs", "reasons"),
    [
        pytest.param([block(8, None, **OLD), block(2, None, **OLD)], [], {NO_END: 1}, id="placeholders"),
        pytest.param([block(8000, None, **OLD), block(120, **OLD)], [120], {}, id="the-end-has-the-count"),
        pytest.param([block(8, None, **OLD), block(None, **OLD)], [], {NO_OUTPUT: 1}, id="end-without-a-count"),
        pytest.param([block(120, None, version=3), block(90, version="x")], [90], {}, id="unknown-version"),
        pytest.param([block(900, None, version="2.2"), block(120)], [900], {}, id="later-version"),
        pytest.param([block(900, None)], [], {NO_END: 1}, id="no-end"),
        pytest.param([block(900), block(901, id="msg_2")], [900, 901], {}, id="two"),
        pytest.param([block(isApiErrorMessage=True, id="x"), block()], [900], {FAILED: 1}, id="error"),
        pytest.param([{**block(), "message": {**block()["message"], "model": "<synthetic>"}}], [], {}, id="synthetic"),
        pytest.param([[{"content": "a list of tasks"}], block()], [900], {}, id="other-files"),
        pytest.param([{**block(), "message": "x"}, {**block(), "message": {"usage": 3}}], [], {}, id="other-shapes"),
    ],
)
def test_a_placeholder_is_no_count(blocks: list[Any], outputs: list[int], reasons: dict[str, int]) -> None:
    samples, complaints = read(lines(*blocks))
    assert ([each.output_tokens for each in samples], complaints) == (outputs, reasons)


def test_answers_to_two_requests_are_two_calls_even_with_one_id() -> None:
    """As a server that stands in for the provider gives it."""
    samples, unusable = read(lines(block(900), block(901, requestId="req_2")))
    assert ([each.output_tokens for each in samples], unusable) == ([900, 901], {})


def test_a_sidechain_is_named_and_a_cut_off_answer_is_truncated() -> None:
    (found,), _ = read(lines(block(32000, "max_tokens", isSidechain=True)))
    assert (found.operation, found.truncated, found.max_tokens) == ("sidechain", True, None)


def test_answers_are_held_in_bounded_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claude_code, "MOST_HELD", 2)
    samples, complaints = read(lines(*(block(n, id=f"msg_{n}") for n in range(1, 6))))
    assert ([each.output_tokens for each in samples], complaints) == ([1, 2, 3, 4, 5], {})


def test_what_was_read_before_a_broken_line_counts() -> None:
    samples, complaints = read(lines(block()) + json.dumps(block(id="msg_2")).encode()[:-9])
    assert ([each.output_tokens for each in samples], [*complaints.values()]) == ([900], [1])


def test_a_real_transcript_has_usage_and_stop_reasons_and_no_cap() -> None:
    path = real("claude-code") / "representative_messages.jsonl"
    samples, complaints = read(path.read_bytes())
    assert [(each.output_tokens, each.finish_reason, each.max_tokens) for each in samples] == [
        (120, "stop", None),
        (85, "tool_call", None),
        (95, "stop", None),
        (35, "tool_call", None),
        (110, "stop", None),
    ]
    assert complaints == {}
