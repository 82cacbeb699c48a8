"""promptfoo's results: one call a result, in a file an evaluation or in lines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pytest_token_telemetry.sample import Sample
from pytest_token_telemetry.sources.exports.promptfoo import SEVERAL
from pytest_token_telemetry.sources.litellm import FROM_CACHE
from pytest_token_telemetry.sources.own_format import NO_OUTPUT, NO_OUTPUT_FAILED
from tests.unit.sources.exports.readings import lines, only, outputs, reading, reasons

PROVIDER = "openai:chat:gpt-5-mini"


def result(completion: int | None = 900, **more: object) -> dict[str, Any]:
    tokens = {} if completion is None else {"total": 964, "prompt": 64, "completion": completion, "numRequests": 1}
    return {
        "cost": 0.001,
        "gradingResult": {"pass": False, "reason": "no"},
        "id": "8f14",
        "prompt": {"raw": "A prompt", "label": "A prompt", "config": {}},
        "promptIdx": 0,
        "testIdx": 3,
        "provider": {"id": PROVIDER, "label": ""},
        "response": {"output": "An answer", "tokenUsage": tokens, "finishReason": "stop", "cached": False},
        "success": False,
        "failureReason": 1,
        "testCase": {"vars": {"topic": "A prompt"}, "metadata": {"category": "docs"}},
        **more,
    }


def evaluation(*results: object, providers: object = None) -> dict[str, Any]:
    if providers is None:
        providers = [{"id": PROVIDER, "config": {"max_tokens": 1024}}]
    return {
        "evalId": "eval-x",
        "results": {"version": 3, "timestamp": "2026-05-01T12:00:00Z", "prompts": [], "results": results, "stats": {}},
        "config": {"providers": providers, "prompts": ["A prompt"]},
    }


WHOLE = Sample(
    output_tokens=900,
    max_tokens=1024,
    truncated=False,
    finish_reason="stop",
    finish_reason_raw="stop",
    model=PROVIDER,
    operation="prompt 0",
    task_id="eval-x test 3",
    category="docs",
    run="d",
)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(json.dumps(evaluation(result()), indent=2).encode(), id="file"),
        pytest.param(
            lines(result(evalId="eval-x", provider={"id": PROVIDER, "config": {"max_tokens": 1024}})), id="lines"
        ),
        pytest.param(
            json.dumps({**evaluation(), "results": {"version": 2, "results": [result()]}}).encode(), id="older"
        ),
    ],
)
def test_a_result_is_a_call_whether_its_assertions_passed_or_not(tmp_path: Path, content: bytes) -> None:
    assert only(reading(tmp_path, content)) == WHOLE


@pytest.mark.parametrize(
    ("providers", "more", "cap"),
    [
        ([PROVIDER], {}, None),
        (PROVIDER, {}, None),
        ([{PROVIDER: {"config": {"max_completion_tokens": 512}}}], {}, 512),
        ([{"id": PROVIDER, "config": {"max_tokens": 1}}, {"id": PROVIDER, "config": {"max_tokens": 2}}], {}, None),
        (
            [
                {"id": PROVIDER, "label": "a", "config": {"max_tokens": 1000}},
                {"id": PROVIDER, "label": "b", "config": {"max_tokens": 2000}},
            ],
            {"provider": {"id": PROVIDER, "label": "b"}},
            2000,
        ),
        (
            [{"id": PROVIDER, "config": {"max_tokens": 1024}}],
            {"prompt": {"raw": "A prompt", "config": {"max_tokens": 2048}}},
            2048,
        ),
        (None, {"provider": PROVIDER}, 1024),
        ({"x": 1}, {}, None),
    ],
)
def test_the_cap_is_that_of_the_prompt_or_else_of_the_provider(
    tmp_path: Path, providers: object, more: dict[str, Any], cap: int | None
) -> None:
    assert only(reading(tmp_path, evaluation(result(**more), providers=providers))).max_tokens == cap


def test_results_that_are_no_calls_are_counted(tmp_path: Path) -> None:
    cached = {"output": "An answer", "cached": True, "tokenUsage": {"total": 964, "cached": 964}}
    conversation = {"output": "An answer", "tokenUsage": {"completion": 5000, "numRequests": 5}}
    found = reading(
        tmp_path,
        evaluation(
            result(),
            result(response=cached),
            result(response=conversation),
            result(None),
            result(response=None, failureReason=2, error="429"),
            result(response={"error": "timeout"}),
        ),
    )
    assert (outputs(found), found.skipped) == ([900], {FROM_CACHE: 1})
    assert reasons(found) == {SEVERAL: 1, NO_OUTPUT: 1, NO_OUTPUT_FAILED: 2}


def test_a_truncated_result_is_one(tmp_path: Path) -> None:
    response = {"output": "An answer", "tokenUsage": {"completion": 1024}, "finishReason": "length"}
    found = only(reading(tmp_path, evaluation(result(response=response))))
    assert (found.truncated, found.truncation_source) == (True, "reason")
