"""Langfuse's exports: one call a generation, in JSON and in CSV."""

from __future__ import annotations

import csv
import io
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from pytest_token_telemetry.sample import Sample
from pytest_token_telemetry.sources.exports.csv_rows import OTHER_CELLS
from pytest_token_telemetry.sources.exports.langfuse import AGAIN, NO_CALL, OTHER_UNIT, TOLD_AGAIN
from pytest_token_telemetry.sources.own_format import NO_OUTPUT, NO_OUTPUT_FAILED
from tests.unit.sources.exports.readings import lines, only, outputs, reading, reasons, samples_of


def generation(tokens: int | None = 600, /, **more: object) -> dict[str, Any]:
    """An observation whose reasoning, 300 tokens, stands beside the rest."""
    details = {} if tokens is None else {"input": 64, "output": tokens, "output_reasoning_tokens": 300, "total": 964}
    return {
        "id": "o1",
        "traceId": "t1",
        "type": "GENERATION",
        "name": "summarise",
        "startTime": "2026-05-01T12:00:00.000Z",
        "endTime": "2026-05-01T12:00:02.000Z",
        "model": "gpt-5-mini",
        "modelParameters": {"max_tokens": 1024, "temperature": 0},
        "input": [{"role": "user", "content": "A prompt, with a comma"}],
        "output": {"role": "assistant", "content": "An answer"},
        "usageDetails": details,
        "metadata": {"finish_reason": "stop", "category": "docs"},
        "level": "DEFAULT",
        "promptName": None,
        **more,
    }


OURS = {
    "token_telemetry.predicted.output_tokens": "800",
    "baggage.token_telemetry.complexity": "low",
    "token_telemetry.success": "true",
    "token_telemetry.feature.files": 3,
    "token_telemetry.category": "tests",
    "gen_ai.request.model": "gpt-5-mini",
}


def test_an_observation_without_an_id_is_known_by_its_time_and_values(tmp_path: Path) -> None:
    header = "trace_id,type,start_time,end_time,model,usage_details"
    rows = [f'x,GENERATION,2026-05-01T12:00:00Z,2026-05-01T12:00:0{n}Z,m,"{{""output"": 44}}"' for n in range(4)]
    for name, given in (("a.csv", rows[:3]), ("b.csv", rows[1:])):
        found = reading(tmp_path, "\n".join([header, *given, ""]).encode(), name)
    assert (outputs(found), found.duplicates) == ([44] * 4, 2)


@pytest.mark.parametrize("attributes", [OURS, json.dumps(OURS)], ids=["object", "text"])
def test_attributes_of_the_span_that_it_was_say_the_prediction_and_the_labels(
    tmp_path: Path, attributes: object
) -> None:
    """Langfuse keeps a span's attributes in the metadata. What stands there beside them counts first."""
    resource = {"token_telemetry.task_id": "phase-7", "token_telemetry.complexity": "high"}
    metadata = {"attributes": attributes, "resourceAttributes": resource, "category": "docs"}
    sample = only(reading(tmp_path, [generation(metadata=metadata)]))
    assert (sample.predicted_output_tokens, sample.category, sample.complexity) == (800, "docs", "low")
    assert (sample.success, sample.task_id, sample.features) == (True, "phase-7", {"files": "3"})


def in_csv(*rows: dict[str, Any]) -> bytes:
    file = io.StringIO()
    writer = csv.DictWriter(file, [*rows[0]])
    writer.writeheader()
    for row in rows:
        writer.writerow({key: json.dumps(v) if isinstance(v, (dict, list)) else v for key, v in row.items()})
    return file.getvalue().encode()


def in_warehouse(row: dict[str, Any]) -> dict[str, Any]:
    """With the names of the export to a bucket."""
    return {"".join(f"_{c.lower()}" if c.isupper() else c for c in key): value for key, value in row.items()}


WHOLE = Sample(
    output_tokens=900,
    max_tokens=1024,
    truncated=False,
    finish_reason="stop",
    finish_reason_raw="stop",
    model="gpt-5-mini",
    operation="summarise",
    category="docs",
    time=datetime(2026, 5, 1, 12, 0, 2),
    run="d",
)
SPAN = generation(7, id="o0", type="SPAN")


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(json.dumps([generation(), SPAN], indent=2).encode(), id="list"),
        pytest.param(lines(SPAN, generation()), id="lines"),
        pytest.param(lines(in_warehouse(generation())), id="bucket"),
        pytest.param(json.dumps({"data": [generation(), SPAN], "meta": {"page": 1}}).encode(), id="page"),
        pytest.param(json.dumps({"id": "t1", "observations": [SPAN, generation()]}).encode(), id="trace"),
        pytest.param(in_csv(generation(), SPAN), id="csv"),
        pytest.param(b"\xef\xbb\xbf" + in_csv(generation(input="p" * 200_000)), id="csv-with-long-cells"),
        pytest.param(lines(generation(modelParameters=json.dumps({"max_tokens": "1024"}))), id="json-in-json"),
    ],
)
def test_a_generation_is_a_call(tmp_path: Path, content: bytes) -> None:
    assert only(reading(tmp_path, content)) == WHOLE


@pytest.mark.parametrize(
    "more",
    [
        {"metadata": {"finishReason": "length"}},
        {"metadata": {}, "modelParameters": {"finishReason": "length"}},
        {"metadata": "x", "output": {"choices": [{"finish_reason": "length", "message": {}}]}},
        {"metadata": json.dumps({"stop_reason": "max_tokens"})},
        {"metadata": {"attributes": {"gen_ai.response.finish_reasons": '["length"]'}}},  # of a span
        {"metadata": {"attributes": json.dumps({"llm.finish_reason": "length", "anthropic.message.stop_reason": 1})}},
    ],
)
def test_the_reason_is_found_where_each_integration_puts_it(tmp_path: Path, more: dict[str, Any]) -> None:
    assert only(reading(tmp_path, lines(generation(**more)))).finish_reason == "length"


def test_what_a_model_answers_is_no_reason(tmp_path: Path) -> None:
    answer = json.dumps({"finish_reason": "length"})
    assert only(reading(tmp_path, lines(generation(metadata=None, output=answer)))).finish_reason is None


def test_reasoning_within_the_output_is_not_added_again(tmp_path: Path) -> None:
    """Of spans, versions of Langfuse keep the usage as it is named there: the reasoning is a part of the output."""
    details = {"input": 9, "output": 600, "reasoning.output_tokens": 500}
    assert only(reading(tmp_path, lines(generation(usageDetails=details)))).output_tokens == 600


@pytest.mark.parametrize(
    "more", [{"usage": {"output": 900, "unit": "TOKENS"}}, {"completionTokens": 900}, {"outputUsage": "900"}]
)
def test_older_exports_count_elsewhere(tmp_path: Path, more: dict[str, Any]) -> None:
    assert only(reading(tmp_path, lines(generation(None, **more)))).output_tokens == 900


def test_generations_that_are_no_calls_are_counted(tmp_path: Path) -> None:
    characters = generation(usage={"output": 4000, "unit": "CHARACTERS"}, id="o4")
    rows = (generation(), generation(None, id="o2"), generation(None, level="ERROR", id="o3"), characters)
    for content in (lines(*rows), in_csv(*({"usage": None, **each} for each in rows))):
        found = reading(tmp_path, content)
        assert (outputs(found), reasons(found)) == ([900], {NO_OUTPUT: 1, NO_OUTPUT_FAILED: 1, OTHER_UNIT: 1})


def test_of_generations_within_each_other_the_innermost_is_the_call(tmp_path: Path) -> None:
    """A framework's, with what was predicted, around that of the client, which knows why it ended."""
    predicted = {"token_telemetry.predicted.output_tokens": 800}
    outer = generation(605, metadata=predicted, id="a", parentObservationId="chain")
    inner = generation(modelParameters={}, id="b", parentObservationId="a")
    chain = generation(type="CHAIN", id="chain", parentObservationId=None)
    for content in (lines(chain, outer, inner), lines(inner, outer, chain), in_csv(chain, outer, inner)):
        found = reading(tmp_path, content)
        assert found.skipped == {NO_CALL: 1, TOLD_AGAIN: 1}
        (call,) = samples_of(found)
        assert (call.output_tokens, call.predicted_output_tokens, call.max_tokens) == (900, 800, 1024)
        assert (call.finish_reason, call.truncated) == ("stop", False)


def test_a_generation_around_several_calls_says_of_none_how_it_ended(tmp_path: Path) -> None:
    outer = generation(1800, metadata={"finish_reason": "length", "category": "docs"}, id="a")
    both = [generation(metadata=None, id=f"b{n}", parentObservationId="a") for n in range(2)]
    found = samples_of(reading(tmp_path, lines(outer, *both)))
    assert [(each.output_tokens, each.category, each.finish_reason) for each in found] == [(900, "docs", None)] * 2


def test_a_generation_that_was_exported_again_is_one_call(tmp_path: Path) -> None:
    running = generation(None, endTime=None, metadata=None)
    found = reading(tmp_path, lines(running, generation()))
    assert (only(found).output_tokens, found.skipped) == (900, {AGAIN: 1})
    around_itself = generation(parentObservationId="o1")
    assert only(reading(tmp_path, lines(around_itself))).output_tokens == 900


def test_a_call_that_its_parser_called_failed_for_its_length_was_truncated(tmp_path: Path) -> None:
    """As the wrapped client leaves what OpenAI's ``parse()`` raises."""
    message = "Could not parse response content as the length limit was reached - CompletionUsage(completion_tokens=16)"
    cut_off = generation(None, metadata=None, level="ERROR", statusMessage=message)
    other = generation(None, metadata=None, level="ERROR", statusMessage="timeout", id="o2")
    for content in (lines(cut_off, other), in_csv(cut_off, other)):
        found = reading(tmp_path, content)
        assert (found.uncounted, reasons(found)) == ((1, 1), {NO_OUTPUT_FAILED: 2})


def test_rows_of_another_length_are_counted(tmp_path: Path) -> None:
    found = reading(tmp_path, in_csv(generation()) + b"o2,t2\r\n\r\n")
    assert (outputs(found), reasons(found)) == ([900], {OTHER_CELLS: 1})


def test_a_trace_that_names_its_observations_by_id_has_no_calls(tmp_path: Path) -> None:
    trace = {"id": "t", "traceId": "t", "startTime": "", "level": "", "type": "SPAN", "observations": ["o1"]}
    found = reading(tmp_path, [trace])
    assert (outputs(found), found.unusable, found.skipped, found.nothing_known) == ([], {}, {NO_CALL: 1}, 1)
