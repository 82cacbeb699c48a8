"""LangSmith's runs: one call a run of a model, posted at once or at its beginning and its end."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from pytest_token_telemetry.sample import Sample
from pytest_token_telemetry.sources.exports import steps
from pytest_token_telemetry.sources.exports.langsmith import NO_BEGINNING, NO_CALL, TOLD_AGAIN
from pytest_token_telemetry.sources.own_format import NO_OUTPUT, NO_OUTPUT_FAILED
from tests.unit.sources.exports.readings import lines, only, outputs, reading, reading_of, real, reasons, samples_of


def completion(tokens: object = 900, reason: object = "stop", id: str = "chatcmpl-1") -> dict[str, Any]:
    return {
        "id": id,
        "object": "chat.completion",
        "model": "gpt-5-mini-2026",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "An answer"}, "finish_reason": reason}],
        "usage_metadata": {"input_tokens": 9, "output_tokens": tokens, "total_tokens": 909},
    }


def run(id: str = "r1", **more: object) -> dict[str, Any]:
    return {
        "id": id,
        "name": "ChatOpenAI",
        "run_type": "llm",
        "trace_id": "t1",
        "start_time": "2026-10-13T07:05:37",
        "end_time": "2026-10-13T07:05:38+00:00",
        "extra": {"metadata": {"ls_model_name": "gpt-5-mini", "category": "docs"}},
        "inputs": {"messages": [{"content": "A prompt"}], "max_completion_tokens": 1024},
        "outputs": completion(),
        **more,
    }


def posted(id: str = "r1", end: dict[str, Any] | None = None) -> dict[str, Any]:
    """A run as a client posts it: a part at its beginning, and the rest at its end."""
    whole = run(id)
    order = f"20261013T070537170001Z{id}"
    began = {key: whole[key] for key in ("id", "name", "run_type", "inputs", "extra")}
    began |= {"trace_id": id, "dotted_order": order, "session_name": "default", "start_time": 1791874337000}
    ended = {"end_time": 1791875138000, "outputs": whole["outputs"], "trace_id": id, "dotted_order": order}
    return {"post": [began], "patch": [ended if end is None else {**ended, **end}]}


WHOLE = Sample(
    output_tokens=900,
    max_tokens=1024,
    truncated=False,
    finish_reason="stop",
    finish_reason_raw="stop",
    model="gpt-5-mini-2026",
    operation="ChatOpenAI",
    category="docs",
    time=datetime(2026, 10, 13, 7, 5, 38),
    run="d",
)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(json.dumps([run()]).encode(), id="list"),
        pytest.param(lines(run()), id="lines"),
        pytest.param(json.dumps({"runs": [run()], "cursors": {}}, indent=1).encode(), id="of-the-api"),
        pytest.param(json.dumps(posted()).encode(), id="posted"),
        pytest.param(lines({"post": posted()["post"]}, {"patch": posted()["patch"]}), id="posted-in-two"),
        pytest.param(lines({"patch": posted()["patch"]}, {"post": posted()["post"]}), id="end-before-beginning"),
        pytest.param(lines(run("c", run_type="chain", outputs=completion(7), child_runs=[run()])), id="child"),
    ],
)
def test_a_run_of_a_model_is_a_call(tmp_path: Path, content: bytes) -> None:
    assert only(reading(tmp_path, content)) == WHOLE


MESSAGE = {
    "id": "run-1",
    "usage_metadata": {"output_tokens": 901},
    "response_metadata": {"finish_reason": "length", "model_name": "gpt-5-mini-2026"},
}


@pytest.mark.parametrize(
    ("outputs", "tokens", "reason"),
    [
        (completion(901, {"index": 0, "delta": {}, "finish_reason": "length"}), 901, "length"),  # of a stream
        ({"generations": [[{"text": "An answer", "message": {"kwargs": MESSAGE}}]]}, 901, "length"),
        (
            {
                "generations": [[{"text": "An answer", "generation_info": {"finish_reason": "length"}}]],
                "llm_output": {"token_usage": {"completion_tokens": 901}},
            },
            901,
            "length",
        ),
        (
            {"message": {"role": "assistant", "stop_reason": "max_tokens", "usage": {"output_tokens": 901}}},
            901,
            "length",
        ),
        ({"usage": {"output_tokens": 901}, "incomplete_details": {"reason": "max_output_tokens"}}, 901, "length"),
        ({"generations": [[{"generationInfo": {"finishReason": "MAX_TOKENS"}, "text": "An answer"}]]}, 50, "length"),
        ({"candidates": [{"finishReason": "MAX_TOKENS"}], "usage_metadata": {"output_tokens": 901}}, 901, "length"),
        ({"candidates": [{"finish_reason": "MAX_TOKENS"}], "usage_metadata": {"output_tokens": 901}}, 901, "length"),
        ({"finishReason": "length", "usage": {"output_tokens": 901}}, 901, "length"),  # as JavaScript names it
        ({"message": {"stopReason": "max_tokens", "usage": {"output_tokens": 901}}}, 901, "length"),
        ({"output": "An answer"}, 50, None),  # what the API counts itself
    ],
)
def test_usage_and_reason_are_found_where_each_client_puts_them(
    tmp_path: Path, outputs: dict[str, Any], tokens: int, reason: str | None
) -> None:
    found = only(reading(tmp_path, [run(outputs=outputs, completion_tokens=50)]))
    assert (found.output_tokens, found.finish_reason) == (tokens, reason)


def test_usage_may_stand_in_the_metadata(tmp_path: Path) -> None:
    """Where programs put it that trace calls by themselves."""
    metadata = {"metadata": {"usage_metadata": {"input_tokens": 9, "output_tokens": 901}}}
    assert only(reading(tmp_path, [run(outputs={"output": "An answer"}, extra=metadata)])).output_tokens == 901


@pytest.mark.parametrize(
    "more",
    [
        {"inputs": {"max_tokens": 512}},
        {"inputs": {}, "extra": {"invocation_params": {"max_tokens": 512}}},
        {"inputs": None, "extra": {"metadata": {"ls_max_tokens": 512}}},
        {"inputs": {"generationConfig": {"maxOutputTokens": 512}}, "extra": 3},
    ],
)
def test_the_cap_is_found_where_each_client_puts_it(tmp_path: Path, more: dict[str, Any]) -> None:
    assert only(reading(tmp_path, [run(**more)])).max_tokens == 512


def test_a_node_of_a_graph_names_the_operation(tmp_path: Path) -> None:
    found = only(reading(tmp_path, [run(extra={"metadata": {"langgraph_node": "planner", "operation": ""}})]))
    assert found.operation == "planner"


def test_of_runs_within_each_other_the_innermost_is_the_call(tmp_path: Path) -> None:
    outer = run("r1", outputs=completion(905))
    inner = run("r2", parent_run_id="r1", inputs={}, outputs=completion(900))
    for content in ([outer, inner], [inner, outer]):
        found = only(reading(tmp_path, content))
        assert (found.output_tokens, found.max_tokens) == (900, 1024)
    two = [run("r0", outputs=completion(1801))]
    two += [run(f"r{n}", parent_run_id="r0", outputs=completion(900, id=f"chatcmpl-{n}")) for n in (1, 2)]
    found_of_two = reading(tmp_path, two)
    assert (outputs(found_of_two), found_of_two.skipped) == ([900, 900], {TOLD_AGAIN: 1})


def test_a_run_around_two_calls_says_of_each_what_it_asked_for(tmp_path: Path) -> None:
    """A chat model with a fallback: the prediction, the labels and the cap are those of both, the answer is of one."""
    metadata = {"token_telemetry.predicted.output_tokens": 800, "category": "docs"}
    outer = run("r1", extra={"metadata": metadata}, inputs={"max_tokens": 1024}, outputs=completion(905, "length"))
    first, second = (run(f"r{n}", parent_run_id="r1", inputs={}, extra={}, outputs=completion(n)) for n in (2, 3))
    second["extra"] = {"metadata": {"category": "tests"}}
    for content in ([outer, first, second], [first, second, outer]):
        found = reading(tmp_path, content)
        assert [
            (each.output_tokens, each.predicted_output_tokens, each.category, each.max_tokens, each.truncated)
            for each in samples_of(found)
        ] == [(2, 800, "docs", 1024, False), (3, 800, "tests", 1024, False)]
        assert found.skipped == {TOLD_AGAIN: 1}


def test_runs_that_are_no_calls_are_counted(tmp_path: Path) -> None:
    unfinished = {"post": posted("r2")["post"]}
    headless = {"patch": posted("r3")["patch"]}
    of_tool = run("r5", run_type="tool", outputs=completion())
    found = reading(tmp_path, lines(run(), unfinished, headless, run("r4", error="timeout", outputs=None), of_tool))
    assert (outputs(found), reasons(found)) == ([900], {NO_OUTPUT: 1, NO_BEGINNING: 1, NO_OUTPUT_FAILED: 1})
    assert found.skipped == {NO_CALL: 1}


def test_a_run_that_failed_before_any_output_is_no_sample_of_0_tokens(tmp_path: Path) -> None:
    """LangSmith's API counts 0 tokens of such a run."""
    counts = {"outputs": None, "completion_tokens": 0, "total_tokens": 0}
    failed = [run(f"f{n}", error="RateLimitError()", **counts) for n in range(3)]
    found = reading(tmp_path, lines(run(), *failed, run("cut", error="LengthFinishReasonError()", **counts)))
    assert (len(found.samples), reasons(found)) == (1, {NO_OUTPUT_FAILED: 4})
    assert found.uncounted == (1, 1)


def test_a_call_that_its_parser_called_failed_for_its_length_was_truncated(tmp_path: Path) -> None:
    """As the wrapped client posts what OpenAI's ``parse()`` raises."""
    error = "LengthFinishReasonError('Could not parse response content as the length limit was reached')Traceback"
    found = reading(tmp_path, lines(run("a", outputs=None, error=error), run("b", outputs=None, error="timeout")))
    assert (found.uncounted, reasons(found)) == ((1, 1), {NO_OUTPUT_FAILED: 2})


def test_runs_are_held_in_bounded_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "MOST_HELD", 4)
    found = reading(tmp_path, lines(*(run(f"r{n}", outputs=completion(n)) for n in range(1, 12))))
    assert (outputs(found), found.unusable) == ([*range(1, 12)], {})


def test_real_runs_have_usage_and_reason() -> None:
    found = reading_of(real("langsmith"))
    assert [(each.output_tokens, each.finish_reason) for each in samples_of(found)] == [(9, "stop"), (9, "stop")]
    assert found.unusable == {}
