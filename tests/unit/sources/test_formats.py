"""The same calls, written in every format that can hold them, are the same samples."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.answers import chat, gemini, message, responses
from tests.unit.sources.builders import samples_of
from tests.unit.sources.json_files import read, write


class Called(NamedTuple):
    """A call, and what a reader is to know of it."""

    predicted: int
    output: int
    cap: int
    cut_off: bool
    """Whether its reason says so."""

    @property
    def expected(self) -> tuple[object, ...]:
        truncated = self.cut_off or self.output >= self.cap
        source = "reason" if self.cut_off else "cap" if truncated else None
        return self.predicted, self.output, self.cap, "length" if self.cut_off else "stop", truncated, source, "docs"


CALLS = st.lists(
    st.builds(Called, st.integers(1, 300), st.integers(1, 300), st.integers(1, 300), st.booleans()), max_size=8
)

Written = dict[str, list[dict[str, Any]]]
"""Records by the names of their files."""

Write = Callable[[Iterable[Called]], Written]


def labels(call: Called) -> dict[str, Any]:
    return {"predicted_output_tokens": call.predicted, "category": "docs"}


def completion(call: Called, n: int) -> dict[str, Any]:
    return chat("length" if call.cut_off else "stop", tokens=call.output, id=f"id-{n}")


def response(call: Called, n: int) -> dict[str, Any]:
    cut_off = {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}} if call.cut_off else {}
    usage = {"output_tokens": call.output}
    fields = {"id": f"id-{n}", "usage": usage, "max_output_tokens": call.cap, "metadata": labels(call)}
    return responses(**{**fields, **cut_off})


def openai_batch(calls: Iterable[Called]) -> Written:
    pairs = [*enumerate(calls)]
    return {
        "in.jsonl": [
            {"custom_id": f"{n}", "body": {"max_completion_tokens": call.cap, "metadata": labels(call)}}
            for n, call in reversed(pairs)
        ],
        "out.jsonl": [
            {"custom_id": f"{n}", "response": {"status_code": 200, "body": completion(call, n)}} for n, call in pairs
        ],
    }


def responses_batch(calls: Iterable[Called]) -> Written:
    return {
        "out.jsonl": [
            {"custom_id": f"{n}", "response": {"status_code": 200, "body": response(call, n)}}
            for n, call in enumerate(calls)
        ]
    }


def anthropic_batch(calls: Iterable[Called]) -> Written:
    pairs = [*enumerate(calls)]

    def answer(call: Called, n: int) -> dict[str, Any]:
        return message("max_tokens" if call.cut_off else "end_turn", call.output, id=f"msg_{n}")

    return {
        "in.jsonl": [
            {"custom_id": f"{n}", "params": {"max_tokens": call.cap}, "metadata": labels(call)} for n, call in pairs
        ],
        "out.jsonl": [
            {"custom_id": f"{n}", "result": {"type": "succeeded", "message": answer(call, n)}} for n, call in pairs
        ],
    }


def gemini_batch(calls: Iterable[Called]) -> Written:
    """A third of the output is thoughts."""
    pairs = [*enumerate(calls)]

    def answer(call: Called, n: int) -> dict[str, Any]:
        thoughts = call.output // 3
        counts = {"candidatesTokenCount": call.output - thoughts, "thoughtsTokenCount": thoughts}
        return {**gemini("MAX_TOKENS" if call.cut_off else "STOP", **counts), "responseId": f"id-{n}"}

    return {
        "in.jsonl": [
            {"key": f"{n}", "request": {"generationConfig": {"maxOutputTokens": call.cap}}, "metadata": labels(call)}
            for n, call in pairs
        ],
        "out.jsonl": [{"key": f"{n}", "response": answer(call, n)} for n, call in pairs],
    }


def litellm(calls: Iterable[Called]) -> Written:
    return {
        "calls.jsonl": [
            {
                "id": f"id-{n}",
                "litellm_call_id": f"{n}",
                "call_type": "completion",
                "status": "success",
                "completion_tokens": call.output,
                "model": "gpt-x",
                "model_parameters": {"max_tokens": call.cap},
                "metadata": {"spend_logs_metadata": labels(call)},
                "response": completion(call, n),
            }
            for n, call in enumerate(calls)
        ]
    }


def plain_responses(calls: Iterable[Called]) -> Written:
    return {"answers.jsonl": [response(call, n) for n, call in enumerate(calls)]}


def inspect(calls: Iterable[Called]) -> Written:
    def event(call: Called, n: int) -> dict[str, Any]:
        stop = "max_tokens" if call.cut_off else "stop"
        output = {"choices": [{"stop_reason": stop}], "usage": {"output_tokens": call.output}}
        return {"event": "model", "uuid": f"id-{n}", "config": {"max_tokens": call.cap}, "output": output}

    samples = [{"id": n, "metadata": labels(call), "events": [event(call, n)]} for n, call in enumerate(calls)]
    return {"log.json": [{"version": 2, "status": "success", "eval": {"task": "t"}, "samples": samples}]}


def promptfoo(calls: Iterable[Called]) -> Written:
    return {
        "results.jsonl": [
            {
                "id": f"id-{n}",
                "promptIdx": 0,
                "testIdx": n,
                "prompt": {"config": {"max_tokens": call.cap}},
                "testCase": {"metadata": labels(call)},
                "response": {
                    "tokenUsage": {"completion": call.output},
                    "finishReason": "length" if call.cut_off else "stop",
                },
            }
            for n, call in enumerate(calls)
        ]
    }


def langsmith(calls: Iterable[Called]) -> Written:
    return {
        "runs.jsonl": [
            {
                "id": f"run-{n}",
                "run_type": "llm",
                "trace_id": "t",
                "extra": {"metadata": labels(call)},
                "inputs": {"max_tokens": call.cap},
                "outputs": completion(call, n),
            }
            for n, call in enumerate(calls)
        ]
    }


def langfuse(calls: Iterable[Called]) -> Written:
    return {
        "observations.jsonl": [
            {
                "id": f"id-{n}",
                "traceId": "t",
                "type": "GENERATION",
                "startTime": "2026-05-01T12:00:00Z",
                "modelParameters": {"max_tokens": call.cap},
                "usageDetails": {"output": call.output},
                "metadata": {"finish_reason": "length" if call.cut_off else "stop", **labels(call)},
            }
            for n, call in enumerate(calls)
        ]
    }


@pytest.mark.parametrize(
    "written",
    [
        *(openai_batch, responses_batch, anthropic_batch, gemini_batch, litellm, plain_responses),
        *(inspect, promptfoo, langsmith, langfuse),
    ],
)
@settings(max_examples=20)
@given(calls=CALLS)
def test_every_format_gives_the_same_samples(
    written: Callable[[Iterable[Called]], Written], calls: list[Called]
) -> None:
    with tempfile.TemporaryDirectory() as directory:
        for name, records in written(calls).items():
            write(Path(directory) / name, records)
        reading = read(Path(directory))
    assert (reading.unusable, reading.remarks, reading.duplicates) == ({}, {}, 0)
    assert [
        (
            each.predicted_output_tokens,
            each.output_tokens,
            each.max_tokens,
            each.finish_reason,
            each.truncated,
            each.truncation_source,
            each.category,
        )
        for each in samples_of(reading)
    ] == [call.expected for call in calls]
