"""OpenHands' trajectories: one call a response, on however many events it stands."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from pytest_token_telemetry.sample import Sample
from pytest_token_telemetry.sources.documents import CUT_OFF
from pytest_token_telemetry.sources.exports.openhands import NO_RESPONSE
from pytest_token_telemetry.sources.own_format import FAILED
from tests.unit.sources.exports.readings import lines, only, outputs, reading, reading_of, real, reasons, samples_of

FIRST = {"id": 0, "timestamp": "2026-01-27T22:44:56", "source": "user", "message": "A prompt", "action": "message"}


def response(output: object = 1135, id: str = "chatcmpl-1", reason: str | None = "tool_calls") -> dict[str, Any]:
    """A chat completion, created at 06:45:13 UTC on January 28th 2025."""
    return {
        "id": id,
        "created": 1738046713,
        "model": "claude-sonnet-4-5",
        "object": "chat.completion",
        "choices": [{"finish_reason": reason, "index": 0, "message": {"role": "assistant", "content": "An answer"}}],
        "usage": {"completion_tokens": output, "prompt_tokens": 3486, "total_tokens": 4621},
    }


def event(number: int, answer: object, kind: str = "action") -> dict[str, Any]:
    called = {"function_name": "edit", "tool_call_id": "t", "model_response": answer, "total_calls_in_response": 1}
    return {
        "id": number,
        "timestamp": "2026-01-27T22:45:13",
        "source": "agent",
        kind: "edit",
        "tool_call_metadata": called,
        "args": {"content": "A prompt"},
    }


TRAJECTORY = [
    FIRST,
    event(1, response()),
    event(2, response(), "observation"),
    event(3, response(177, "chatcmpl-2", "length")),
    {"id": 4, "timestamp": "2026-01-27T22:45:14", "source": "environment", "observation": "agent_state_changed"},
]
METADATA = {"llm_config": {"model": "claude-sonnet-4-5", "max_output_tokens": 8192}}
RESULT = {
    "instance_id": "django-1",
    "test_result": {"git_patch": ""},
    "instruction": "A prompt",
    "metadata": METADATA,
    "history": TRAJECTORY,
    "metrics": {
        "token_usages": [
            {"model": "claude-sonnet-4-5", "completion_tokens": 1135, "response_id": "chatcmpl-1"},
            {"model": "claude-sonnet-4-5", "completion_tokens": 50, "response_id": "chatcmpl-3"},
        ]
    },
}


def completion(kwargs: object, **more: object) -> bytes:
    """What version 1 logs of a call, where it is asked to log completions."""
    messages = [{"content": [{"type": "text", "text": "A prompt. " * 900}], "role": "system"}]
    ended = {"cost": 0.0, "timestamp": 1795844287.8, "latency_sec": 0.08}
    return json.dumps(
        {"context_window": 0, "messages": messages, "tools": [], "kwargs": kwargs, **more, **ended}
    ).encode()


def test_a_completion_is_a_call_with_its_cap(tmp_path: Path) -> None:
    found = reading(tmp_path, completion({"max_completion_tokens": 801}, response=response(801, reason="length")))
    assert only(found) == Sample(
        output_tokens=801,
        max_tokens=801,
        truncated=True,
        truncation_source="reason",
        finish_reason="length",
        finish_reason_raw="length",
        model="claude-sonnet-4-5",
        time=datetime(2025, 1, 28, 6, 45, 13),
        run="d",
    )


def test_a_completion_that_failed_is_unusable(tmp_path: Path) -> None:
    found = reading(tmp_path, completion({}, error={"type": "APIError", "message": "overloaded"}))
    assert (outputs(found), reasons(found)) == ([], {FAILED: 1})


def test_a_completion_of_responses_is_known_by_its_path(tmp_path: Path) -> None:
    answer = {
        "id": "resp_1",
        "object": "response",
        "status": "incomplete",
        "incomplete_details": {"reason": "max_output_tokens"},
        "model": "gpt-5.2",
        "usage": {"input_tokens": 5, "output_tokens": 16, "total_tokens": 21},
    }
    asked = {"context_window": 0, "llm_path": "responses", "instructions": "A prompt", "kwargs": {}}
    found = only(reading(tmp_path, json.dumps({**asked, "response": answer}).encode()))
    assert (found.output_tokens, found.truncated, found.max_tokens) == (16, True, None)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(json.dumps(TRAJECTORY, indent=4).encode(), id="trajectory"),
        pytest.param(json.dumps({"trajectory": TRAJECTORY}).encode(), id="of-the-api"),
        pytest.param(lines({"history": TRAJECTORY}), id="history"),
        pytest.param(lines({"history": [[FIRST, TRAJECTORY[1]], TRAJECTORY[2:4]]}), id="pairs"),
        pytest.param(json.dumps([{**FIRST, "message": "p" * 5000}, *TRAJECTORY[1:]]).encode(), id="long-prompt"),
    ],
)
def test_a_response_is_a_call_on_however_many_events_it_stands(tmp_path: Path, content: bytes) -> None:
    found = reading(tmp_path, content)
    facts = {"model": "claude-sonnet-4-5", "time": datetime(2025, 1, 28, 6, 45, 13), "run": "d"}
    assert (samples_of(found), found.unusable) == (
        [
            Sample(
                output_tokens=1135,
                finish_reason="tool_call",
                finish_reason_raw="tool_calls",
                truncated=False,
                **facts,  # type: ignore[arg-type]
            ),
            Sample(
                output_tokens=177,
                finish_reason="length",
                finish_reason_raw="length",
                truncated=True,
                truncation_source="reason",
                **facts,  # type: ignore[arg-type]
            ),
        ],
        {},
    )
    assert found.duplicates == 0


def test_a_result_tells_the_cap_the_task_and_the_calls_without_a_tool(tmp_path: Path) -> None:
    found = samples_of(reading(tmp_path, lines(RESULT)))
    assert [(each.output_tokens, each.max_tokens, each.truncated, each.task_id) for each in found] == [
        (1135, 8192, False, "django-1"),
        (177, 8192, True, "django-1"),
        (50, 8192, False, "django-1"),
    ]


@pytest.mark.parametrize("usage", [{"response_id": ""}, {"response_id": None}, {}], ids=["empty", "null", "none"])
def test_a_count_without_its_response_is_counted_with_its_reason(tmp_path: Path, usage: dict[str, Any]) -> None:
    """It may be that of a call which an event tells of."""
    usages = [{"model": "m", "completion_tokens": 50, **usage}, {"completion_tokens": 60, "response_id": "x"}, None]
    found = reading(tmp_path, lines({**RESULT, "metrics": {"token_usages": usages}}))
    assert (outputs(found), reasons(found)) == ([1135, 177, 60], {NO_RESPONSE: 2})


def test_a_stop_at_the_cap_settles_nothing_as_litellm_says_it(tmp_path: Path) -> None:
    result = {**RESULT, "history": [event(1, response(8192, "a", "stop")), event(2, response(8191, "b", "stop"))]}
    found = [each for each in samples_of(reading(tmp_path, lines(result))) if each.finish_reason is not None]
    assert [(each.output_tokens, each.truncated, each.truncation_source) for each in found] == [
        (8192, True, "cap"),
        (8191, False, None),
    ]


def test_events_in_files_of_their_own_are_one_call(tmp_path: Path) -> None:
    for each in TRAJECTORY[1:3]:
        (tmp_path / f"{each['id']}.json").write_text(json.dumps(each), encoding="utf-8")
    found = reading_of(tmp_path)
    assert (only(found).output_tokens, found.duplicates) == (1135, 1)


def test_responses_that_are_no_calls_are_counted(tmp_path: Path) -> None:
    broken = [event(1, response(None, "x")), event(2, {"id": "z"}), event(3, response(-1, "y")), event(4, None)]
    found = reading(tmp_path, [FIRST, *broken, event(5, response())])
    assert outputs(found) == [1135]
    assert sum(reasons(found).values()) == 3


def test_a_trajectory_that_is_cut_off_is_unreadable(tmp_path: Path) -> None:
    text = json.dumps(TRAJECTORY, indent=4)[:-20].encode()
    assert reading(tmp_path, text).unreadable == {"d/a.json": CUT_OFF}


def test_a_real_trajectory_has_two_calls() -> None:
    found = reading_of(real("openhands"))
    assert [(each.output_tokens, each.finish_reason) for each in samples_of(found)] == [
        (1135, "tool_call"),
        (177, "tool_call"),
    ]
