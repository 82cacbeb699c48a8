"""Files of plain responses, one a line, are known by their first one, whichever provider gave it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pytest_token_telemetry.sources.response_lines import ResponseSource
from pytest_token_telemetry.sources.source import HEAD
from tests.answers import chat, chunk, gemini, message, responses
from tests.unit.sources.builders import samples_of
from tests.unit.sources.json_files import read, reasons, write

LONG = "x" * 2 * HEAD


def dumped(response: dict[str, Any]) -> dict[str, Any]:
    """As Anthropic's client dumps a message: by the alphabet, and so the text comes first."""
    return dict(sorted(response.items()))


@pytest.mark.parametrize(
    ("response", "facts"),
    [
        (chat("length"), (96, "length", "gpt-x", None)),
        (
            chat("stop", object="text_completion", choices=[{"text": LONG, "finish_reason": "stop"}]),
            (96, "stop", "gpt-x", None),
        ),
        (responses(output=[{"content": [{"text": LONG}]}]), (128, "completed", "gpt-x", 128)),
        (message(role="assistant"), (41, "end_turn", "claude-x", None)),
        (dumped(message(content=[{"text": LONG, "type": "text"}], id="msg_1", a="a")), None),
        (
            {"id": "msg_1", **dumped(message(content=[{"text": LONG, "type": "text"}]))},
            (41, "end_turn", "claude-x", None),
        ),
        (gemini("MAX_TOKENS", candidatesTokenCount=30), (30, "MAX_TOKENS", "gemini-x", None)),
    ],
)
def test_responses_of_all_providers(tmp_path: Path, response: dict[str, Any], facts: tuple[object, ...] | None) -> None:
    """A message whose text comes before all that tells what it is is not known: then a format has to be named."""
    reading = read(write(tmp_path / "answers.jsonl", [response, response | {"id": "other"}]).parent)
    found = [(each.output_tokens, each.finish_reason_raw, each.model, each.max_tokens) for each in samples_of(reading)]
    assert found == ([] if facts is None else [facts, facts])
    assert (reading.unusable, reading.nothing_known) == ({}, int(facts is None))
    assert len(read(tmp_path, named="responses").samples) == 2


def test_a_line_that_stands_twice_is_one_call(tmp_path: Path) -> None:
    reading = read(write(tmp_path / "answers.jsonl", [chat("stop"), message(), chat("stop")]).parent)
    assert (len(reading.samples), reading.duplicates) == (2, 1)


def test_a_line_that_is_no_response_is_counted(tmp_path: Path) -> None:
    records = [
        chat("stop"),
        {"error": {"message": "no"}},
        {"prompt": "x"},
        chat("stop", usage=None),
        chat(None, tokens=1),
    ]
    reading = read(write(tmp_path / "answers.jsonl", records).parent)
    assert len(reading.samples) == 2
    assert reasons(reading) == {
        "a call failed": (1, ["d/answers.jsonl:2"]),
        "a record is not the response of a model": (1, ["d/answers.jsonl:3"]),
        "a response is not a sample: it has no count of its output tokens": (1, ["d/answers.jsonl:4"]),
    }


@pytest.mark.parametrize("part", [{"message": {"content": "x" * 9000, "role": "assistant"}}, {"text": "x" * 9000}])
@pytest.mark.parametrize("indent", [None, 2])
def test_a_long_answer_is_known_as_the_client_writes_it(
    tmp_path: Path, part: dict[str, Any], indent: int | None
) -> None:
    """``to_json()`` of OpenAI's client has the choices before the names that say what it is."""
    choices = [{"finish_reason": "length", "index": 0, **part}]
    said = {"id": "x", "choices": choices, "created": 1, "object": "chat.completion", "usage": {"completion_tokens": 9}}
    (tmp_path / "a.json").write_text(json.dumps(said, indent=indent), encoding="utf-8")
    found = read(tmp_path).samples
    assert (found.output_tokens.tolist(), found.truncated.tolist()) == ([9], [1])


@pytest.mark.parametrize(
    "record",
    [
        chunk("stop"),
        {"messages": [{"role": "user", "content": "x"}]},
        {"id": "msg_1", "content": "a chat"},
        {"type": "assistant", "message": message()},
        {"schema": "token-telemetry/1", "output_tokens": 3},
        {"object": "list", "data": []},
        {"choices": [1, 2]},
        [],
        "[TokenEstimationV2] predicted_output=1",
    ],
)
def test_other_json_is_left_to_others(record: object) -> None:
    """Chunks of streams are several to a call."""
    assert not ResponseSource().claims("a.jsonl", json.dumps(record).encode()[:HEAD])
