"""Spans and log records of OpenTelemetry: one sample a call, whatever wrote them, and a reason for what is none."""

from __future__ import annotations

import gc
import gzip
import io
import itertools
import json
import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pytest_token_telemetry.sample import Sample
from pytest_token_telemetry.samples import UNKNOWN, SamplesBuilder
from pytest_token_telemetry.sources.deferred import Deferred
from pytest_token_telemetry.sources.documents import CUT_OFF, NO_JSON, OTHER_SHAPE, TAGGED
from pytest_token_telemetry.sources.merge import Reading
from pytest_token_telemetry.sources.otlp.calls import BEFORE_LAST, NO_CALL, NO_CALL_LOGGED, TOLD_AGAIN, Calls
from pytest_token_telemetry.sources.otlp.decoding import Decoder, RawAttribute
from pytest_token_telemetry.sources.otlp.otlp_source import NO_OTLP, OtlpSource
from pytest_token_telemetry.sources.otlp.seen import Seen, all_nanoseconds, nanoseconds
from pytest_token_telemetry.sources.own_format import NO_OUTPUT, NO_OUTPUT_FAILED
from pytest_token_telemetry.sources.reading import Directory, read_directories
from pytest_token_telemetry.sources.rows import Rows
from pytest_token_telemetry.sources.source import Sizes, opened
from tests.conftest import SHARED
from tests.lines import v2
from tests.spans import NOW, attributes, chat, span, spans, value, write_spans
from tests.unit.sources.builders import own_line

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd


def read(directory: Path) -> Reading:
    return read_directories([Directory(directory, "d")], ["*"])


def samples_of(reading: Reading) -> list[Sample]:
    table = SamplesBuilder([reading.samples])
    return [table.sample(row) for row in range(len(reading.samples))]


def one(tmp_path: Path, *documents: object) -> Sample:
    """The only sample that ``documents`` tell of."""
    reading = read(write_spans(tmp_path / "spans.jsonl", *documents).parent)
    assert (len(reading.samples), reading.unusable, reading.unreadable) == (1, {}, {})
    return samples_of(reading)[0]


def outputs(tmp_path: Path, *documents: object) -> list[int]:
    """The output tokens of all samples that ``documents`` tell of."""
    reading = read(write_spans(tmp_path / "spans.jsonl", *documents).parent)
    assert (reading.unusable, reading.unreadable) == ({}, {})
    found: list[int] = reading.samples.output_tokens.tolist()
    return found


def reasons(reading: Reading) -> dict[str, list[str]]:
    return {reason: lines.places for reason, lines in reading.unusable.items()}


OURS = {
    "token_telemetry.predicted.output_tokens": 800,
    "token_telemetry.budget.output_tokens": 4096,
    "token_telemetry.category": "docs",
    "token_telemetry.complexity": "low",
    "token_telemetry.deliverable_count": 2,
    "token_telemetry.task_id": "phase-7",
    "token_telemetry.success": True,
    "token_telemetry.feature.files": 3,
}
LABELS = {
    "predicted_output_tokens": 800,
    "budget_tokens": 4096,
    "category": "docs",
    "complexity": "low",
    "deliverable_count": 2,
    "task_id": "phase-7",
    "success": True,
    "features": {"files": "3"},
}
WHOLE = spans(span(chat(**{"gen_ai.response.id": "chatcmpl-1", "gen_ai.response.model": "gpt-5.2-2026", **OURS})))
SCOPES = WHOLE["resourceSpans"][0]["scopeSpans"]


def expected(**more: object) -> Sample:
    """The sample of `WHOLE`, which ends a second after it began."""
    return Sample(
        **{
            "output_tokens": 900,
            "max_tokens": 8192,
            "truncated": False,
            "finish_reason": "stop",
            "finish_reason_raw": "stop",
            "model": "gpt-5.2-2026",
            "operation": "chat",
            "time": datetime(2026, 11, 23, 5, 2, 49),
            "run": "d",
            **LABELS,
            **more,
        }
    )


def in_numbers(document: Any) -> Any:
    """``document`` with 64-bit integers as numbers and enums as texts, as some exporters write them."""
    text = json.dumps(document)
    for plain in (900, 8192, 800, 4096, 2, 3):
        text = text.replace(f'"intValue": "{plain}"', f'"intValue": {plain}')
    return json.loads(text.replace('"kind": 3', '"kind": "SPAN_KIND_CLIENT"'))


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(json.dumps(WHOLE), id="line-without-its-end"),
        pytest.param(json.dumps(WHOLE, indent=2) + "\n", id="document"),
        pytest.param("\ufeff" + json.dumps(WHOLE) + "\r\n", id="bom"),
        pytest.param(json.dumps(in_numbers(WHOLE)), id="numbers-and-names"),
        pytest.param(json.dumps([WHOLE]), id="list"),
        pytest.param(json.dumps(WHOLE["resourceSpans"][0], indent=4), id="bare-resource-spans"),
        pytest.param(
            json.dumps({"resource": {}, "scopeSpans": WHOLE["resourceSpans"][0]["scopeSpans"]}), id="bare-empty"
        ),
        pytest.param(json.dumps({"scopeSpans": WHOLE["resourceSpans"][0]["scopeSpans"]}), id="bare-scope-spans"),
        pytest.param(
            json.dumps({"schemaUrl": "https://x/1.42.0", **WHOLE["resourceSpans"][0]}), id="bare-schema-first"
        ),
        pytest.param(json.dumps({"schemaUrl": "", "scopeSpans": SCOPES}), id="bare-schema-and-scopes"),
        pytest.param(
            json.dumps({"resource": {"droppedAttributesCount": 1, "attributes": []}, "scopeSpans": SCOPES}),
            id="bare-resource-with-a-count-first",
        ),
        pytest.param(json.dumps({"instrumentationLibrarySpans": SCOPES}), id="bare-old-name"),
        pytest.param(json.dumps({"resource": {}, "instrumentationLibrarySpans": SCOPES}), id="bare-old-name-last"),
        pytest.param(json.dumps({"resourceSpans": [{"instrumentationLibrarySpans": SCOPES}]}), id="old-name"),
        pytest.param(json.dumps({"batches": WHOLE["resourceSpans"]}), id="tempo"),
        pytest.param(json.dumps({"batches": [{"instrumentationLibrarySpans": SCOPES}]}), id="tempo-old-name"),
        pytest.param(json.dumps({"trace": WHOLE}, indent=2), id="tempo-v2"),
        pytest.param(json.dumps({"metrics": {"inspectedBytes": "9"}, "trace": WHOLE}), id="tempo-v2-metrics-first"),
        pytest.param(json.dumps({"trace": {"batches": WHOLE["resourceSpans"]}}), id="tempo-v2-old-name"),
        pytest.param(json.dumps({"resourceMetrics": [{"x": [1]}]}) + "\n" + json.dumps(WHOLE), id="metrics-before"),
        pytest.param(json.dumps(WHOLE)[:-1] + ',"unknown":{"\\ud83d":1e99}}', id="unknown-fields"),
    ],
)
def test_a_document_is_read_however_it_is_written(tmp_path: Path, text: str) -> None:
    for name, content in (("plain.json", text.encode()), ("packed.json.gz", gzip.compress(text.encode()))):
        directory = tmp_path / name
        directory.mkdir()
        (directory / name).write_bytes(content)
        reading = read(directory)
        assert (samples_of(reading), reading.unusable) == ([expected()], {})


def test_pretty_documents_one_after_the_other_are_read_with_their_lines(tmp_path: Path) -> None:
    documents = [spans(span(chat(900 + n), trace=f"t{n}")) for n in range(3)]
    write_spans(tmp_path / "spans.json", *documents, indent=2)
    reading = read(tmp_path)
    lines = json.dumps(documents[0], indent=2).count("\n") + 1
    assert reading.samples.output_tokens.tolist() == [900, 901, 902]
    assert reading.samples.line.tolist() == [1, 1 + lines, 1 + 2 * lines]


def log(said: dict[str, object], **more: object) -> dict[str, Any]:
    """A document of one log record."""
    record = {"timeUnixNano": str(NOW), "attributes": attributes(said), **more}
    return {"resourceLogs": [{"resource": {}, "scopeLogs": [{"logRecords": [record]}]}]}


EVENT = "gen_ai.client.inference.operation.details"


@pytest.mark.parametrize(
    ("said", "record"),
    [
        pytest.param(chat(7), {"eventName": EVENT}, id="event-name"),
        pytest.param(chat(7, **{"event.name": EVENT}), {}, id="old-event-name"),
        pytest.param(chat(7), {"observedTimeUnixNano": NOW, "timeUnixNano": 0}, id="observed"),
    ],
)
def test_a_log_record_of_a_call_is_a_sample(tmp_path: Path, said: dict[str, object], record: dict[str, object]) -> None:
    sample = one(tmp_path, log(said, **record))
    assert (sample.output_tokens, sample.max_tokens, sample.finish_reason) == (7, 8192, "stop")
    assert sample.time == datetime(2026, 11, 23, 5, 2, 48)


@pytest.mark.parametrize(
    ("trace", "own"),
    [
        ("", ""),
        ("0" * 32, "0" * 16),
        ("AAAAAAAAAAAAAAAAAAAAAA==", "AAAAAAAAAAA="),  # as protobuf's own JSON writes the same bytes
    ],
)
def test_log_records_outside_of_spans_are_a_call_each(tmp_path: Path, trace: str, own: str) -> None:
    """Exporters write ids of zeros where no span was open: OpenTelemetry's for Python did until 1.26."""
    records = [
        log({**chat(512), "gen_ai.response.finish_reasons": ["length"]}, traceId=trace, spanId=own) for _ in range(3)
    ]
    assert outputs(tmp_path, *records) == [512, 512, 512]


def test_other_log_records_tell_of_no_call(tmp_path: Path) -> None:
    choice = {"gen_ai.system": "openai", "gen_ai.operation.name": "chat", "event.name": "gen_ai.choice"}
    assert outputs(tmp_path, log(choice), log({"message": "started"}), log(chat(7), spanId="b1")) == [7]


def test_telemetry_lines_in_the_bodies_of_log_records_are_samples(tmp_path: Path) -> None:
    """As a collector exports what a program logged: as text, or as what a handler made of it."""
    own = own_line(predicted_output_tokens=5, output_tokens=6, time=datetime(2026, 1, 1, tzinfo=UTC))
    structured = {"kvlistValue": {"values": [{"key": "message", "value": value(v2(3, 4, time=None))}]}}
    documents = [
        log({}, body=value(v2(1, 2))),
        log({}, body=structured),
        log({}, body=value(f"\x1b[32mINFO\x1b[0m {own}")),
        log({}, body=value("[TokenEstimationV2] predicted_output=7")),
        log({}, body=value("about [TokenEstimationV2] lines")),
    ]
    write_spans(tmp_path / "a.json", *documents)
    write_spans(tmp_path / "copy.json", *documents)
    reading = read(tmp_path)
    found = samples_of(reading)
    assert [(each.predicted_output_tokens, each.output_tokens) for each in found] == [(1, 2), (3, 4), (5, 6)]
    assert [each.time.year if each.time else None for each in found] == [2026, 2026, 2026]
    assert (reading.duplicates, reading.mentions) == (3, 2)
    assert {reason: lines.count for reason, lines in reading.unusable.items()} == {
        "the line is cut off after predicted_output, or lacks actual_output, success and truncated": 2
    }


OLD = {
    "gen_ai.system": "openai",
    "llm.request.type": "chat",
    "llm.request.model": "gpt-4o",
    "llm.request.max_tokens": 16,
    "llm.usage.completion_tokens": 16,
}
OPENINFERENCE = {
    "openinference.span.kind": "LLM",
    "llm.model_name": "gpt-5.2",
    "llm.token_count.completion": 16,
    "llm.token_count.completion_details.reasoning": 12,
}
ANTHROPIC = {
    "gen_ai.operation.name": "chat",
    "gen_ai.request.model": "claude-sonnet-4-5",
    "gen_ai.request.max_tokens": 16,
    "gen_ai.usage.output_tokens": 16,
    "anthropic.message.stop_reason": "max_tokens",
}


@pytest.mark.parametrize(
    ("said", "cap", "reason", "truncated"),
    [
        pytest.param(chat(16, **{"gen_ai.response.finish_reasons": ["length"]}), 8192, "length", True, id="current"),
        pytest.param(
            {"gen_ai.operation.name": "text_completion", "gen_ai.usage.completion_tokens": 16},
            None,
            None,
            None,
            id="first",
        ),
        pytest.param(OLD | {"llm.response.finish_reason": "length"}, 16, "length", True, id="llm"),
        pytest.param(OLD | {"gen_ai.completion.0.finish_reason": "length"}, 16, "length", True, id="openllmetry-old"),
        pytest.param(chat(16, **{"gen_ai.response.finish_reasons": "stop, length"}), 16384, "length", True, id="text"),
        pytest.param(
            chat(16, **{"gen_ai.response.finish_reasons": None, "gen_ai.response.finish_reason": "MAX_TOKENS"}),
            8192,
            "length",
            True,
            id="singular",
        ),
        pytest.param(ANTHROPIC, 16, "length", True, id="anthropic-sdk"),
        pytest.param(
            OPENINFERENCE | {"llm.invocation_parameters": '{"max_completion_tokens": 16, "tools": [{}]}'},
            16,
            None,
            True,
            id="openinference-responses",
        ),
        pytest.param(
            OPENINFERENCE | {"llm.finish_reason": "stop", "llm.invocation_parameters": '{"max_tokens": 64}'},
            64,
            "stop",
            False,
            id="openinference-chat",
        ),
        pytest.param(OPENINFERENCE | {"llm.invocation_parameters": "{"}, None, None, None, id="parameters-cut-off"),
        pytest.param(
            {
                "langfuse.observation.type": "generation",
                "langfuse.observation.model.name": "gpt-5.2",
                "langfuse.observation.model.parameters": '{"max_tokens": 16}',
                "langfuse.observation.usage_details": '{"input": 3, "output": 10, "output_reasoning_tokens": 6}',
                "langfuse.observation.metadata.finish_reason": "length",
            },
            16,
            "length",
            True,
            id="langfuse-sdk",
        ),
        *(
            pytest.param(
                {"langfuse.observation.type": "generation", "langfuse.observation.usage_details": usage},
                None,
                None,
                None,
                id=f"langfuse-{n}",
            )
            for n, usage in enumerate(
                ('{"completion_tokens": 16}', '{"output_tokens": 16, "output_tokens_details": {"reasoning_tokens": 9}}')
            )
        ),
        pytest.param(
            {
                "agentops.span.kind": "llm",
                "gen_ai.usage.completion_tokens": 16,
                "gen_ai.response.finish_reason": "stop",
            },
            None,
            "stop",
            False,
            id="agentops",
        ),
        pytest.param({"gen_ai.response.model": "m", "gen_ai.usage.output_tokens": 16}, None, None, None, id="unnamed"),
        pytest.param(
            chat(16, **{"gen_ai.request.max_tokens": 16, "gen_ai.request.choice.count": 2})
            | {"gen_ai.response.finish_reasons": ["tool_calls", "tool_calls"]},
            32,  # both answers share the output tokens, and each has a cap of 16
            "tool_call",
            False,
            id="several-answers",
        ),
    ],
)
def test_each_emitters_names_are_known(
    tmp_path: Path, said: dict[str, object], cap: int | None, reason: str | None, truncated: bool | None
) -> None:
    sample = one(tmp_path, spans(span(said)))
    assert (sample.output_tokens, sample.max_tokens, sample.finish_reason) == (16, cap, reason)
    assert sample.truncated is truncated


def claude_code(kind: str, **said: object) -> dict[str, object]:
    """What Claude Code 2.1 says of what it did."""
    return {"span.type": kind, "session.id": "7", "duration_ms": 2225, **said}


def test_the_requests_of_claude_code_are_calls(tmp_path: Path) -> None:
    facts = {"gen_ai.system": "anthropic", "gen_ai.request.model": "claude", "input_tokens": 387, "success": True}
    documents = [
        spans(
            span(claude_code("interaction", user_prompt_length=9), id="b0"),
            span(claude_code("llm_request", **facts, output_tokens=44, stop_reason="max_tokens"), id="b1", parent="b0"),
            span(claude_code("tool", tool_name="Read", output_tokens=7), id="b2", parent="b0"),
            span(claude_code("llm_request", **facts, output_tokens=45, stop_reason="end_turn"), id="b3", parent="b0"),
        ),
        log({"event.name": "api_request", "model": "claude", "output_tokens": 44}, traceId="a1", spanId="b1"),
    ]
    found = read(write_spans(tmp_path / "spans.jsonl", *documents).parent)
    assert [(each.output_tokens, each.truncated, each.success) for each in samples_of(found)] == [
        (44, True, None),  # `success` is that of the request
        (45, False, None),
    ]
    assert (found.unusable, found.skipped) == ({}, {NO_CALL: 2, TOLD_AGAIN: 1})


REQUEST = {"event.name": "api_request", "model": "claude", "duration_ms": 2225, "input_tokens": 387}
"""What Claude Code logs of a request beside its output."""


def logged(name: str, **more: object) -> dict[str, object]:
    """The rest of a log record of Claude Code."""
    return {"body": value(f"claude_code.{name}"), **more}


def test_the_log_records_of_claude_codes_requests_are_samples(tmp_path: Path) -> None:
    """They say neither a cap nor why the output ended, so that truncation is unknown."""
    documents = [
        log({**REQUEST, "output_tokens": 44, "request_id": "req_1"}, **logged("api_request")),
        log({**REQUEST, "output_tokens": "45"}, timeUnixNano=str(NOW + 1)),
        log({"event.name": "user_prompt", "prompt_length": 9}, **logged("user_prompt")),
        log({"event.name": "tool_result", "tool_name": "Read", "duration_ms": 3}, **logged("tool_result")),
        log({"event.name": "api_request", "http.route": "/v1"}),  # that of another program
        log({"event.name": "api_error", "model": "claude", "error": "overloaded"}, **logged("api_error")),
        log(REQUEST, **logged("api_request")),
    ]
    found = read(write_spans(tmp_path / "logs.jsonl", *documents).parent)
    assert [(each.output_tokens, each.truncated, each.model) for each in samples_of(found)] == [
        (44, None, "claude"),
        (45, None, "claude"),
    ]
    assert {reason: lines.count for reason, lines in found.unusable.items()} == {NO_OUTPUT: 1, NO_OUTPUT_FAILED: 1}
    assert found.skipped == {NO_CALL_LOGGED: 3}


def test_copies_of_log_records_without_any_id_count_once(tmp_path: Path) -> None:
    documents = [log({**REQUEST, "output_tokens": 44}, timeUnixNano=str(NOW + n // 2)) for n in range(4)]
    write_spans(tmp_path / "a.jsonl", *documents[:3])
    write_spans(tmp_path / "b.jsonl", *documents[1:])
    found = read(tmp_path)
    assert (len(found.samples), found.duplicates) == (4, 2)


@pytest.mark.parametrize("files", [1, 2], ids=["one-file", "a-file-a-signal"])
@pytest.mark.parametrize("trace", ["", "a1"], ids=["without-a-trace", "of-the-span-around-it"])
def test_a_request_of_claude_code_with_a_span_and_a_log_record_is_one_sample(
    tmp_path: Path, files: int, trace: str
) -> None:
    """Its version decides whether its log records belong to a trace, and then it is that of the whole interaction."""
    facts = {"model": "claude", "stop_reason": "max_tokens"}
    given = [span(claude_code("interaction"), id="b0", lasts=9)]
    for n in range(4):
        said = claude_code("llm_request", **facts, output_tokens=44 + n // 3, request_id=f"req_{n}")
        given.append(span(said, id=f"b{n + 1}", parent="b0", at=2 * n))
    records = [
        log(
            {**REQUEST, "output_tokens": 44 + n // 3, "request_id": f"req_{n}"},
            **logged("api_request", timeUnixNano=str(NOW + int((2 * n + 1.001) * 1e9))),
            **({"traceId": trace, "spanId": "b0"} if trace else {}),
        )
        for n in range(4)
    ]
    for record in records:
        record["resourceLogs"][0]["scopeLogs"][0]["scope"] = {"name": "com.anthropic.claude_code.events"}
    write_spans(tmp_path / "traces.jsonl", spans(*given), *(records if files == 1 else ()))
    if files == 2:
        write_spans(tmp_path / "logs.jsonl", *records)
    found = read(tmp_path)
    assert [(each.output_tokens, each.truncated) for each in samples_of(found)] == [(44, True)] * 3 + [(45, True)]


def test_log_records_without_ids_are_those_of_the_calls_within_their_span(tmp_path: Path) -> None:
    """Three requests of one interaction, two of them of one length, and one of which no span tells."""
    requests = [
        span(claude_code("llm_request", model="claude", output_tokens=output), id=f"b{n}", parent="b0", at=2 * n)
        for n, output in enumerate((10, 10, 20), 1)
    ]
    records = [
        log(
            {**REQUEST, "output_tokens": output},
            **logged("api_request", traceId="a1", spanId="b0", timeUnixNano=str(NOW + int((2 * n + 1) * 1e9))),
        )
        for n, output in enumerate((10, 10, 20, 30), 1)
    ]
    document = spans(span(claude_code("interaction"), id="b0", lasts=9), *requests)
    assert sorted(outputs(tmp_path / "after", document, *records)) == [10, 10, 20, 30]
    assert sorted(outputs(tmp_path / "before", *records, document)) == [10, 10, 20, 30]


@pytest.mark.parametrize("count", [0, None])
def test_a_span_that_failed_before_any_output_is_no_sample(tmp_path: Path, count: int | None) -> None:
    failed = span(chat(count, **{"gen_ai.response.finish_reasons": None}), status={"code": 2})
    found = read(write_spans(tmp_path / "spans.jsonl", spans(failed)).parent)
    assert (len(found.samples), [*found.unusable]) == (0, [NO_OUTPUT_FAILED])


def test_skipped_spans_are_counted_by_file(tmp_path: Path) -> None:
    tool = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "search"}
    for name, tools in (("a", 1), ("b", 3)):
        several = [span(tool, id=f"{name}{n}") for n in range(tools)]
        write_spans(tmp_path / f"{name}.jsonl", spans(*several))
    found = read(tmp_path)
    assert ([each.skipped for each in found.files], found.skipped) == ([{NO_CALL: 1}, {NO_CALL: 3}], {NO_CALL: 4})


def test_a_span_that_names_nothing_is_no_call_by_a_count_that_anything_may_have(tmp_path: Path) -> None:
    write_spans(tmp_path / "spans.jsonl", spans(span({"gen_ai.request.model": "m", "output_tokens": 99})))
    assert (len(read(tmp_path).samples), read(tmp_path).skipped) == (0, {NO_CALL: 1})


@pytest.mark.parametrize("calls", [1, 40])
@pytest.mark.parametrize(
    ("scope", "output", "truncated"),
    [("litellm", 8192, True), ("litellm", 900, False), ("opentelemetry.instrumentation.genai.openai", 8192, False)],
)
def test_the_stop_of_litellm_hides_no_truncation(
    tmp_path: Path, scope: str, output: int, truncated: bool, calls: int
) -> None:
    """It writes ``stop`` for what it does not know, in spans as in its records."""
    document = spans(*[span(chat(output), trace=f"t{n}", id=f"b{n}") for n in range(calls)])
    document["resourceSpans"][0]["scopeSpans"][0]["scope"] = {"name": scope}
    found = samples_of(read(write_spans(tmp_path / "spans.jsonl", document).parent))
    assert [each.truncated for each in found] == [truncated] * calls


def test_the_reason_of_a_provider_counts_beside_that_of_litellm(tmp_path: Path) -> None:
    outer, inner = (spans(span(chat(8192), id=id, parent=parent)) for id, parent in (("a", ""), ("b", "a")))
    outer["resourceSpans"][0]["scopeSpans"][0]["scope"] = {"name": "litellm"}
    assert one(tmp_path, inner, outer).truncated is False


@pytest.mark.parametrize(
    "parameters",
    [
        {"max_tokens": 16},
        {"max_completion_tokens": "16", "max_tokens": 99},
        {"maxOutputTokens": 16.0},
        {"maxTokens": 16, "temperature": 0.1},  # of Bedrock
        {"inferenceConfig": {"maxTokens": 16}},
        {"max_tokens_to_sample": 16},
        {"options": {"num_predict": 16}},  # of Ollama
        {"generationConfig": {"maxOutputTokens": 16}},
    ],
    ids=str,
)
def test_the_cap_among_parameters_has_many_names(tmp_path: Path, parameters: dict[str, object]) -> None:
    said = {"openinference.span.kind": "LLM", "llm.token_count.completion": 16, "llm.model_name": "m"}
    sample = one(tmp_path, spans(span({**said, "llm.invocation_parameters": json.dumps(parameters)})))
    assert (sample.max_tokens, sample.truncated) == (16, True)


TWO_ANSWERS = [
    {"gen_ai.response.finish_reasons": ["tool_calls", "tool_calls"]},
    {"gen_ai.response.finish_reasons": "tool_calls, tool_calls"},
    {"gen_ai.completion.0.finish_reason": "tool_calls", "gen_ai.completion.1.finish_reason": "tool_calls"},
    {"gen_ai.response.finish_reasons": ["tool_calls"], "gen_ai.request.choice.count": 2},
    {"gen_ai.response.finish_reasons": ["tool_calls"], "gen_ai.request.choice.count": 2.0},
]


@pytest.mark.parametrize("said", TWO_ANSWERS, ids=str)
@pytest.mark.parametrize("cap", [500, 500.0])
@pytest.mark.parametrize("calls", [1, 40])
def test_the_cap_counts_once_for_each_answer(tmp_path: Path, said: dict[str, object], cap: object, calls: int) -> None:
    """Few instrumentations tell how many answers were asked for, but each answer has its reason."""
    both = {**chat(600), "gen_ai.response.finish_reasons": None, "gen_ai.request.max_tokens": cap, **said}
    write_spans(tmp_path / "spans.jsonl", spans(*[span(both, trace=f"t{n}") for n in range(calls)]))
    found = [(sample.max_tokens, sample.truncated) for sample in samples_of(read(tmp_path))]
    assert found == [(1000, False)] * calls


@pytest.mark.parametrize("status", [{"code": 2}, {"code": "STATUS_CODE_ERROR"}])
def test_a_call_that_broke_off_with_an_error_is_not_known_to_be_whole(
    tmp_path: Path, status: dict[str, object]
) -> None:
    said = chat(16, **{"gen_ai.response.finish_reasons": None})
    sample = one(tmp_path, spans(span(said, status=status)))
    assert (sample.finish_reason, sample.truncated) == ("error", None)


@pytest.mark.parametrize(
    "carried",
    [
        pytest.param({key: str(each) for key, each in OURS.items()}, id="baggage"),
        pytest.param({f"traceloop.association.properties.{key}": each for key, each in OURS.items()}, id="traceloop"),
        pytest.param({"metadata": json.dumps(OURS)}, id="openinference"),
        pytest.param(
            {"metadata": json.dumps({"token_telemetry": {key.partition(".")[2]: each for key, each in OURS.items()}})},
            id="openinference-nested",
        ),
        pytest.param(
            {
                "token_telemetry.predicted_output_tokens": 800.0,
                "token_telemetry.budget_tokens": "4096",
                **{key: each for key, each in OURS.items() if "output_tokens" not in key},
            },
            id="names-of-our-fields",
        ),
        pytest.param(
            {
                "token_telemetry.predicted_tokens": 800,
                "token_telemetry.selected_budget": "4096",
                **{key: each for key, each in OURS.items() if "output_tokens" not in key},
            },
            id="other-names-of-our-fields",
        ),
    ],
)
@pytest.mark.parametrize("where", ["span", "parent", "grandparent", "resource"])
def test_the_prediction_and_the_labels_travel_with_the_call(
    tmp_path: Path, carried: dict[str, object], where: str
) -> None:
    of_call, of_parent, of_root, of_all = (
        {**(carried if where == place else {})} for place in ("span", "parent", "grandparent", "resource")
    )
    if where == "resource" and "metadata" in carried:
        of_all = dict(OURS)
    sample = one(
        tmp_path,
        spans(span(chat(**of_call), id="c", parent="p"), resource=of_all),
        spans(
            span({"http.route": "/x", **of_parent}, id="p", parent="r"),
            span({"gen_ai.operation.name": "invoke_agent", **of_root}, id="r"),
        ),
    )
    assert {name: getattr(sample, name) for name in LABELS} == LABELS


def test_the_nearest_label_counts(tmp_path: Path) -> None:
    sample = one(
        tmp_path,
        spans(
            span({"token_telemetry.category": "tests", "token_telemetry.task_id": "root"}, id="r"),
            span({"token_telemetry.category": "docs"}, id="p", parent="r"),
            span(chat(), id="c", parent="p"),
            resource={"token_telemetry.category": "implementation", "token_telemetry.complexity": "high"},
        ),
    )
    assert (sample.category, sample.task_id, sample.complexity) == ("docs", "root", "high")


def test_the_operation_is_the_prompt_else_the_agent_else_what_the_call_does(tmp_path: Path) -> None:
    agent = span({"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "planner"}, id="a")
    plain, within = span(chat(1), trace="a0"), span(chat(2), id="c", parent="a")
    prompted = span(chat(3, **{"gen_ai.prompt.name": "summary"}), id="d", parent="a", at=9)
    write_spans(tmp_path / "spans.jsonl", spans(plain, agent, within, prompted))
    assert [each.operation for each in samples_of(read(tmp_path))] == ["chat", "planner", "summary"]


def test_two_spans_of_one_call_are_one_sample_with_what_each_knows(tmp_path: Path) -> None:
    """OpenLLMetry adds a cumulative count of a stream to one that was there: 19 for 16. The provider's own is right."""
    outer = span(
        {**chat(19), "gen_ai.response.id": "msg_1", "gen_ai.response.finish_reasons": None}, id="outer", lasts=3
    )
    inner = span(
        ANTHROPIC | {"gen_ai.response.id": "msg_1", "gen_ai.request.max_tokens": None}, id="in", parent="outer", at=1
    )
    sample = one(tmp_path, spans(inner), spans(outer))
    assert (sample.output_tokens, sample.max_tokens, sample.model) == (16, 8192, "claude-sonnet-4-5")
    assert (sample.finish_reason, sample.finish_reason_raw, sample.truncated) == ("length", "max_tokens", True)


NO_ID = {"gen_ai.response.id": None}


@pytest.mark.parametrize(
    ("given", "calls"),
    [
        pytest.param([span(OPENINFERENCE, id="o"), span(chat(16), id="i", parent="o")], [16], id="equal-counts"),
        pytest.param([span(OPENINFERENCE, id="o"), span(chat(15), id="i", parent="o")], [16, 15], id="other-counts"),
        pytest.param(
            [span(OPENINFERENCE, id="o"), span({}, id="http", parent="o"), span(chat(16), id="i", parent="http")],
            [16],
            id="one-between",
        ),
        pytest.param(
            [span(chat(None), id="o"), span(chat(16, **{"gen_ai.response.id": "x"}), id="i", parent="o")],
            [16],
            id="no-usage",
        ),
        pytest.param(
            [
                span(chat(16, **{"gen_ai.response.id": "x"}), id="o"),
                span(chat(16, **{"gen_ai.response.id": "y"}), id="i", parent="o"),
            ],
            [16, 16],
            id="other-ids",
        ),
        pytest.param(
            [span(OPENINFERENCE, id="o"), *(span(chat(16), id=f"i{n}", parent="o", at=n * 9) for n in range(3))],
            [16, 16, 16],
            id="around-several",
        ),
        pytest.param([span(chat(16), id="a"), span(chat(16), id="b")], [16, 16], id="next-to-each-other"),
        pytest.param(
            [span(chat(16), id="a", trace="1"), span(chat(16), id="a", trace="2")], [16, 16], id="other-traces"
        ),
        pytest.param([span(chat(16)), span(chat(16))], [16], id="written-twice"),
        pytest.param(
            [
                span(chat(16, **{"gen_ai.response.id": "stub"}), id="a"),
                span(chat(16, **{"gen_ai.response.id": "stub"}), id="b", at=9),
            ],
            [16, 16],
            id="stand-in-with-one-id",
        ),
        pytest.param(
            [
                span(chat(16, **{"gen_ai.response.id": "stub"}), id="a", lasts=5),
                span(chat(17, **{"gen_ai.response.id": "stub"}), id="b", at=1),
                span(chat(16, **{"gen_ai.response.id": "stub"}), id="c", at=2),
            ],
            [16, 17, 16],
            id="stand-in-with-one-id-at-one-time",
        ),
        pytest.param(
            [
                span(chat(19, **{"gen_ai.response.id": "stub"}), id="a", lasts=5),
                span(chat(16, **{"gen_ai.response.id": "stub"}), id="in-a", parent="a", at=1),
                span(chat(18, **{"gen_ai.response.id": "stub"}), id="b", lasts=5),
                span(chat(17, **{"gen_ai.response.id": "stub"}), id="in-b", parent="b", at=1),
            ],
            [16, 17],
            id="stand-in-with-a-span-within-each",
        ),
        pytest.param(
            [
                span(chat(1696, **{"gen_ai.operation.name": "invoke_agent", "gen_ai.response.id": "x"}), id="o"),
                span(chat(65, **{"gen_ai.response.id": "x"}), id="i", parent="o"),
            ],
            [65],
            id="agent-that-shares-the-id",
        ),
        pytest.param(
            [
                span(chat(81, **{"gen_ai.operation.name": None}), id="o", lasts=20),
                span(chat(65), id="i", parent="o"),
                span(chat(16), id="j", parent="o", at=9),
            ],
            [65, 16],
            id="sum-that-does-not-say-so",
        ),
        pytest.param(
            [
                *(
                    span(chat(16, **{"gen_ai.operation.name": name}), id=name)
                    for name in ("invoke_agent", "execute_tool", "embeddings", "invoke_workflow", "create_agent")
                ),
                span(
                    {"openinference.span.kind": "AGENT", "llm.token_count.completion": 16, "llm.model_name": "m"},
                    id="k",
                ),
                span({"traceloop.span.kind": "workflow", "gen_ai.usage.output_tokens": 16}, id="w"),
                span({"gen_ai.usage.output_tokens": 16}, id="u"),
                span(chat(7), id="c"),
            ],
            [7],
            id="other-operations",
        ),
        pytest.param(
            [
                span(chat(16, **{"gen_ai.operation.name": "responses"}), id="o"),
                span(chat(50, **{"gen_ai.operation.name": "run"}), id="run", lasts=20),
                span(chat(20), id="i", parent="run"),
                span(chat(30), id="j", parent="run", at=9),
            ],
            [16, 20, 30],
            id="unknown-operations",
        ),
        pytest.param([span(chat(16), trace="", id=""), span(chat(16), trace="", id="")], [16, 16], id="without-any-id"),
        pytest.param([span(chat(5), id="a", parent="b"), span(chat(6), id="b", parent="a")], [5, 6], id="circle"),
    ],
)
def test_spans_are_counted_by_the_calls_that_they_tell_of(
    tmp_path: Path, given: list[dict[str, Any]], calls: list[int]
) -> None:
    """In whatever order they come, in one document or in several."""
    assert outputs(tmp_path / "one", spans(*given)) == calls
    assert outputs(tmp_path / "each", *map(spans, given)) == calls
    assert sorted(outputs(tmp_path / "turned", *map(spans, reversed(given)))) == sorted(calls)


def by(scope: str, *given: dict[str, Any]) -> dict[str, Any]:
    """A document of one instrumentation."""
    document = spans(*given)
    document["resourceSpans"][0]["scopeSpans"][0]["scope"] = {"name": scope}
    return document


LANGCHAIN = by("langchain", span(chat(16), id="a", lasts=5))
"""It is not the current span, so that the one of the client has the same parent."""


@pytest.mark.parametrize(
    ("beside", "calls"),
    [
        pytest.param([span(chat(16), id="b", at=1)], [16], id="its-client"),
        pytest.param([span(chat(16, **{"gen_ai.response.id": "x"}), id="b", at=1)], [16], id="an-id"),
        pytest.param([span(chat(16, **{"gen_ai.response.model": "gpt-5.2-2026"}), id="b", at=1)], [16], id="a-version"),
        pytest.param([span(chat(16), id=id, at=1) for id in "bc"], [16, 16], id="two-calls"),
        pytest.param([span(chat(15), id="b", at=1)], [16, 15], id="another-output"),
        pytest.param([span(chat(16, **{"gen_ai.request.model": "m"}), id="b", at=1)], [16, 16], id="another-model"),
        pytest.param([span(chat(16), id="b", at=1, lasts=9)], [16, 16], id="longer"),
        pytest.param([span(chat(16), id="b", at=1, trace="a2")], [16, 16], id="another-trace"),
    ],
)
def test_a_span_beside_that_of_another_instrumentation_is_the_same_call_if_it_went_on_within_it(
    tmp_path: Path, beside: list[dict[str, Any]], calls: list[int]
) -> None:
    client = by("openai", *beside)
    assert outputs(tmp_path / "a", LANGCHAIN, client) == calls
    assert sorted(outputs(tmp_path / "b", client, LANGCHAIN)) == sorted(calls)
    same = by("langchain", *beside)  # one instrumentation tells of a call once
    assert len(outputs(tmp_path / "c", LANGCHAIN, same)) == 1 + len(beside)


STUB = {"gen_ai.response.id": "stub"}


@pytest.mark.parametrize("order", [*itertools.permutations(range(3))])
def test_calls_of_a_stand_in_are_as_many_in_whatever_order_they_come(tmp_path: Path, order: tuple[int, ...]) -> None:
    """The second and the third go on at one time."""
    given = [
        span(chat(16, **STUB), id=f"b{n}", at=at, lasts=lasts) for n, (at, lasts) in enumerate(((0, 1), (5, 5), (6, 2)))
    ]
    assert outputs(tmp_path, *(spans(given[n]) for n in order)) == [16] * 3


def test_a_span_that_was_written_twice_is_no_stand_ins(tmp_path: Path) -> None:
    """Its log record, which names no span, is that of the same call."""
    written = spans(span(chat(16, **STUB)))
    record = log(chat(16, **STUB), eventName=EVENT, traceId="a1", spanId="", timeUnixNano=str(NOW + 10**9))
    assert outputs(tmp_path, written, written, record) == [16]


def test_a_sum_around_calls_of_a_stand_in_is_one_with_the_first(tmp_path: Path) -> None:
    calls = [span(chat(16 + n, **STUB), id=f"b{n}", parent="a", at=n / 2, lasts=2) for n in range(2)]
    assert outputs(tmp_path, spans(span(chat(33, **STUB), id="a", lasts=9), *calls)) == [16, 17]


def test_spans_within_each_other_are_no_stand_ins(tmp_path: Path) -> None:
    """So that the span of another instrumentation, which is in neither, is of the same call."""
    outer, inner = span(chat(16, **STUB), id="a", lasts=5), span(chat(16, **STUB), id="b", parent="a", at=1)
    beside = by("openai", span(chat(16, **STUB), id="c", at=1))
    assert outputs(tmp_path, by("ai", outer, inner), beside) == [16]


def test_calls_beside_each_other_have_one_span_of_each_instrumentation(tmp_path: Path) -> None:
    """The one that ends first is the nearest: else the first client's call is within the second framework's."""
    framework = by("langchain", span(chat(1), id="a", lasts=3), span(chat(1), id="b", at=1, lasts=9))
    client = by("openai", span(chat(1), id="c", at=2, lasts=0.5), span(chat(1), id="d", at=4))
    assert outputs(tmp_path / "few", framework, client) == [1, 1]
    many = [span(chat(1), id=f"a{n}", at=n / 1000, lasts=99) for n in range(200)]
    within = [span(chat(1), id=f"b{n}", at=1 + n / 1000, lasts=9) for n in range(200)]
    assert len(outputs(tmp_path / "many", by("langchain", *many), by("openai", *within))) == 200


def test_spans_beside_each_other_with_ids_are_calls_of_their_own(tmp_path: Path) -> None:
    outer, inner = (span(chat(16, **{"gen_ai.response.id": id}), id=id, lasts=n) for n, id in ((5, "x"), (2, "y")))
    third = by("openai", span(chat(5), id="z", at=20))  # without an id: the trace is looked at span by span
    assert outputs(tmp_path, by("langchain", outer), by("openai", inner), third) == [16, 16, 5]


@pytest.mark.parametrize("count", [1, 40])
def test_the_reason_may_stand_in_an_event_of_the_span(tmp_path: Path, count: int) -> None:
    """As that of Strands Agents. What an attribute says counts, and an event that cannot be read says nothing."""
    said = attributes({"finish_reason": "max_tokens", "message": "[]"})
    choice = [{"name": "x", "attributes": None}, {"name": "gen_ai.choice", "attributes": said}]
    silent = chat(16, **{"gen_ai.response.finish_reasons": None, "gen_ai.request.max_tokens": None})
    given = [
        span(silent, trace="1", events=choice),
        span(chat(16, **{"gen_ai.request.choice.count": 1}), trace="2", events=choice),
        span(silent, trace="3", events=[{"name": "gen_ai.choice", "attributes": {"finish_reason": 5}}]),
        span(silent, trace="4", events=[{"name": "gen_ai.assistant.message", "attributes": said}]),
    ]
    write_spans(tmp_path / "s.jsonl", *[spans({**each, "spanId": f"b{n}"}) for n in range(count) for each in given])
    found = read(tmp_path)
    assert found.samples.truncated.tolist() == [1, 0, UNKNOWN, UNKNOWN] * count


def test_a_log_record_and_its_span_are_one_sample(tmp_path: Path) -> None:
    event = log(chat(16, **{"gen_ai.response.finish_reasons": ["length"]}), eventName=EVENT, traceId="a1", spanId="b1")
    sample = one(tmp_path, event, spans(span(chat(16, **{"gen_ai.response.finish_reasons": None}))))
    assert (sample.finish_reason, sample.max_tokens) == ("length", 8192)


def test_spans_that_were_exported_twice_count_once(tmp_path: Path) -> None:
    """The second file has one more call, and another exporter's copy of the first without its outer span."""
    outer = span(chat(16, **{"gen_ai.response.id": "x"}), id="o")
    inner = span(ANTHROPIC | {"gen_ai.response.id": "x"}, id="i", parent="o")
    alone, untraced = span(chat(5), trace="a2"), span(chat(6, **{"gen_ai.response.id": "y"}), trace="", id="")
    write_spans(tmp_path / "a.jsonl", spans(outer, inner), spans(alone), spans(untraced))
    write_spans(tmp_path / "b.json", spans(inner), spans(untraced, alone, span(chat(5), trace="a3")), indent=1)
    reading = read(tmp_path)
    assert (reading.samples.output_tokens.tolist(), reading.duplicates) == ([16, 5, 6, 5], 3)


@pytest.mark.parametrize("backwards", [False, True], ids=["outer-first", "inner-first"])
def test_spans_of_one_response_in_two_files_know_together_what_each_knows(tmp_path: Path, backwards: bool) -> None:
    """As where the exporter began another file between them."""
    reasons, id = "gen_ai.response.finish_reasons", {"gen_ai.response.id": "x"}
    said = {"gen_ai.request.max_tokens": 16, "token_telemetry.predicted.output_tokens": 12}
    outer = span(chat(16, **id, **said, **{reasons: None}), id="o")
    inner = span(chat(16, **id, **{reasons: ["length"], "gen_ai.request.max_tokens": None}), id="i", parent="o")
    for name, each in zip(("a.jsonl", "b.jsonl"), (inner, outer) if backwards else (outer, inner), strict=True):
        write_spans(tmp_path / name, spans(each))
    reading = read(tmp_path)
    (sample,) = samples_of(reading)
    assert (sample.predicted_output_tokens, sample.max_tokens, sample.truncated) == (12, 16, True)
    assert reading.duplicates == 1


def test_calls_of_a_stand_in_are_as_many_in_two_files_of_a_trace(tmp_path: Path) -> None:
    """Beside a copy of the second file."""
    stub = {"gen_ai.response.id": "stub"}
    for name, ids in (("a.jsonl", "abc"), ("b.jsonl", "de"), ("copy.jsonl", "de")):
        write_spans(tmp_path / name, *[spans(span(chat(16, **stub), id=id, at=9 * ord(id))) for id in ids])
    reading = read(tmp_path)
    assert (len(reading.samples), reading.duplicates) == (5, 2)


HEX = {"trace": "5b8efff798038103d269b633813fc60c", "id": "eee19b7ec3c1b174", "parent": "00f067aa0ba902b7"}
BASE64 = {"trace": "W47/95gDgQPSabYzgT/GDA==", "id": "7uGbfsPBsXQ=", "parent": "APBnqgupArc="}
"""The same ids, as protobuf's own JSON writes them."""


@pytest.mark.parametrize("ids", [{key: id.upper() for key, id in HEX.items()}, BASE64], ids=["upper-case", "base64"])
def test_ids_are_the_same_however_they_are_written(tmp_path: Path, ids: dict[str, str]) -> None:
    """The span around the call, and a copy of the call in another file, have their ids in other letters."""
    said = {"gen_ai.operation.name": "invoke_agent", "token_telemetry.category": "docs"}
    around = span(said, trace=HEX["trace"], id=HEX["parent"])
    write_spans(tmp_path / "a.jsonl", spans(around, span(chat(16), **ids)))
    write_spans(tmp_path / "b.jsonl", spans(span(chat(16), **HEX)))
    write_spans(tmp_path / "c.jsonl", log(chat(16), eventName=EVENT, traceId=ids["trace"], spanId=ids["id"]))
    reading = read(tmp_path)
    assert [(each.output_tokens, each.category) for each in samples_of(reading)] == [(16, "docs")]
    assert reading.duplicates == 2


def test_a_call_without_output_tokens_is_counted_with_its_reason(tmp_path: Path) -> None:
    broke_off, failed = span(chat(None), id="a"), span(chat(None), id="b", status={"code": 2})
    refused = span(chat(None, **{"error.type": "429"}), id="c")
    write_spans(tmp_path / "s.jsonl", spans(broke_off), spans(failed, refused), spans(span(chat(7), id="d")))
    reading = read(tmp_path)
    assert {reason: lines.count for reason, lines in reading.unusable.items()} == {NO_OUTPUT: 1, NO_OUTPUT_FAILED: 2}
    assert reasons(reading)[NO_OUTPUT] == ["d/s.jsonl:1"]
    assert reading.samples.output_tokens.tolist() == [7]


@pytest.mark.parametrize("known", [{"gen_ai.operation.name": "responses"}, {"gen_ai.operation.name": None}])
def test_a_span_of_no_known_operation_without_output_tokens_is_a_call_by_what_only_calls_have(
    tmp_path: Path, known: dict[str, object]
) -> None:
    none = {
        "gen_ai.response.finish_reasons": None,
        "gen_ai.request.max_tokens": None,
        "gen_ai.usage.output_tokens": None,
    }
    cut_off = span(chat(None, **{"gen_ai.response.finish_reasons": ["length"]}, **known), id="a")
    broke_off = span({**chat(None, **known), "gen_ai.response.finish_reasons": None}, id="b")
    write_spans(tmp_path / "s.jsonl", spans(cut_off, broke_off, span({**chat(), **known, **none}, id="c")))
    found = read(tmp_path)
    assert (found.unusable[NO_OUTPUT].count, found.uncounted) == (2, (1, 1))
    assert found.skipped == {NO_CALL: 1}


@pytest.mark.parametrize("count", [1, 40])
def test_a_stream_that_broke_off_has_no_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """The instrumentation of Anthropic's client leaves the count of the first event, and no reason."""
    monkeypatch.setattr("pytest_token_telemetry.sources.otlp.otlp_source._DECODER", Decoder())  # it knows no name yet
    said = chat(1, **{"gen_ai.request.stream": True, "gen_ai.response.finish_reasons": None})
    ended = chat(7, **{"gen_ai.request.stream": True})
    at_cap = {**said, "gen_ai.usage.output_tokens": 8192}
    label = {**said, "gen_ai.usage.output_tokens": 16, "token_telemetry.max_tokens": 16}
    empty = {**said, "gen_ai.response.finish_reasons": []}
    every = (said, ended, at_cap, label, empty)
    of_calls = [span(each, trace=f"{n}{kind}") for n in range(count) for kind, each in enumerate(every)]
    names = span({**label, **ended})  # all of them, so that the others are put into columns
    write_spans(tmp_path / "s.jsonl", *map(spans, (names, *of_calls)))
    found = read(tmp_path)
    assert sorted(found.samples.output_tokens.tolist()) == [7] * (1 + count) + [16] * count + [8192] * count
    assert sum(found.samples.truncated.tolist()) == 2 * count
    assert found.unusable[NO_OUTPUT].count == 2 * count


def test_a_stream_that_broke_off_is_one_call_with_the_span_beside_it(tmp_path: Path) -> None:
    none = {"gen_ai.response.finish_reasons": None}
    outer = by("langchain", span(chat(1, **{"gen_ai.request.stream": True, **none}), id="a", lasts=5))
    write_spans(tmp_path / "s.jsonl", outer, by("openai", span(chat(1, **none), id="b", at=1)))
    found = read(tmp_path)
    assert (len(found.samples), found.unusable[NO_OUTPUT].count) == (0, 1)


PARSING = "Could not parse response content as the length limit was reached - CompletionUsage(completion_tokens=16)"


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ({"error.type": "openai.LengthFinishReasonError"}, {"code": 2, "message": PARSING}),
        ({"error.type": "LengthFinishReasonError"}, {}),
        ({}, {"code": 2, "message": f"LengthFinishReasonError: {PARSING}"}),
    ],
)
def test_a_call_that_its_parser_called_failed_for_its_length_was_truncated(
    tmp_path: Path, said: dict[str, object], status: dict[str, object]
) -> None:
    """What OpenTelemetry's instrumentation leaves of OpenAI's ``parse()``: neither usage nor reason."""
    request = {**chat(None), "gen_ai.response.finish_reasons": None, **said}
    refused = span(chat(None, **{"error.type": "429", "gen_ai.response.finish_reasons": None}), id="c")
    write_spans(tmp_path / "s.jsonl", spans(span(request, id="a", status=status)), spans(refused))
    found = read(tmp_path)
    assert (found.uncounted, found.unusable[NO_OUTPUT_FAILED].count) == ((1, 1), 2)


def test_spans_that_are_no_call_or_no_further_one_are_skipped_and_counted(tmp_path: Path) -> None:
    """Six spans: two of one call, another call, an agent, a request, and a sum that does not say so."""
    given = [
        span({"gen_ai.operation.name": "invoke_agent", "gen_ai.usage.output_tokens": 32}, id="agent"),
        span(chat(32, **{"gen_ai.operation.name": None}), id="sum", parent="agent", lasts=20),
        span(chat(16), id="outer", parent="sum"),
        span(OPENINFERENCE, id="inner", parent="outer"),
        span({"http.route": "/"}, id="http", parent="inner"),
        span(chat(16), id="next", parent="sum", at=9),
    ]
    write_spans(tmp_path / "s.jsonl", *map(spans, given))
    reading = read(tmp_path)
    assert (len(reading.samples), reading.skipped) == (2, {NO_CALL: 3, TOLD_AGAIN: 1})


@pytest.mark.parametrize("said", [{}, {"token_telemetry.task_id": "look-up"}], ids=["silent", "labelled"])
def test_calls_that_geminis_client_made_for_functions_are_missed(tmp_path: Path, said: dict[str, object]) -> None:
    """It calls functions within its span, which tells of the last answer alone; others have functions beside calls."""
    tool = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "look_up", **said}
    gemini = {"gen_ai.operation.name": "generate_content"}
    given = [
        span(tool, id="t1", parent="g"),
        span(tool, id="t2", parent="g"),
        span(chat(16, **gemini), id="g", parent="agent"),
        span(chat(17), id="c", parent="agent", at=20),
        span(tool, id="t3", parent="c", at=20),
        span(chat(18, **gemini), id="beside", parent="agent", at=40),
        span(tool, id="t4", parent="agent", at=60),
        span({"gen_ai.operation.name": "invoke_agent"}, id="agent", lasts=90),
    ]
    write_spans(tmp_path / "s.jsonl", spans(*given))
    reading = read(tmp_path)
    assert (reading.samples.output_tokens.tolist(), reasons(reading)) == ([16, 17, 18], {BEFORE_LAST: ["d/s.jsonl:1"]})
    assert reading.skipped == {NO_CALL: 5}


def test_a_call_that_is_alone_with_its_functions_misses_others_too(tmp_path: Path) -> None:
    """Trace by trace, as such spans are read once their names are known."""
    tool, gemini = {"gen_ai.operation.name": "execute_tool"}, {"gen_ai.operation.name": "generate_content"}
    traces = [
        spans(span(tool, id="t", parent="g", trace=f"t{n}"), span(chat(16 + n, **gemini), id="g", trace=f"t{n}"))
        for n in range(3)
    ]
    write_spans(tmp_path / "s.jsonl", *traces)
    reading = read(tmp_path)
    assert reading.samples.output_tokens.tolist() == [16, 17, 18]
    assert reasons(reading) == {BEFORE_LAST: ["d/s.jsonl:1", "d/s.jsonl:2", "d/s.jsonl:3"]}


def test_failed_attempts_below_a_span_of_no_known_operation_are_as_many(tmp_path: Path) -> None:
    """As Vercel's AI SDK leaves them: only the cap shows that the outer span is of a call, and it has both within."""
    request = {"ai.operationId": "ai.generateText", "ai.model.id": "gpt-5.2", "ai.settings.maxOutputTokens": 1000}
    attempt = {"operation.name": "ai.generateText.doGenerate", "gen_ai.request.model": "gpt-5.2"}
    attempts = [
        span({**attempt, "gen_ai.request.max_tokens": 1000}, id=f"b{n}", parent="a", at=n * 2) for n in range(2)
    ]
    outer = span(request, id="a", lasts=9)
    write_spans(tmp_path / "s.jsonl", *map(spans, (*attempts, outer, span(request, trace="a2"))))
    found = read(tmp_path)
    assert (found.unusable[NO_OUTPUT].count, found.skipped) == (3, {NO_CALL: 1})


def test_a_retry_leaves_the_failed_attempt_and_the_answer(tmp_path: Path) -> None:
    outer, answer = span(chat(16), id="o", lasts=9), span(ANTHROPIC, id="i2", parent="o", at=5)
    failed = span(chat(None, **{"error.type": "529"}), id="i1", parent="o")
    write_spans(tmp_path / "s.jsonl", spans(failed), spans(answer), spans(outer))
    reading = read(tmp_path)
    assert (reading.samples.output_tokens.tolist(), reasons(reading)) == ([16], {NO_OUTPUT_FAILED: ["d/s.jsonl:1"]})


DEEP = json.dumps(spans(span({"metadata": "deep"}))).replace('"deep"', "[" * 100_000 + "]" * 100_000)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        pytest.param(json.dumps(spans(span(chat("many")))), "output_tokens is not a whole number", id="text"),
        pytest.param(json.dumps(spans(span(chat(-1)))), "output_tokens is not a whole number", id="negative"),
        pytest.param(json.dumps(spans(span(chat(1.5)))), "output_tokens is not a whole number", id="fraction"),
        pytest.param(json.dumps(spans(span(chat(10**10)))), "output_tokens is too large", id="large"),
        pytest.param(json.dumps(spans(span(chat(10**4000)))), "output_tokens is not a whole number", id="huge"),
        pytest.param(
            json.dumps(spans(span(chat(**{"token_telemetry.predicted.output_tokens": "soon"})))),
            "predicted_output_tokens is not a whole number",
            id="prediction",
        ),
        pytest.param(
            json.dumps(
                spans(
                    span({}, attributes=[*attributes(chat()), {"key": "gen_ai.usage.output_tokens", "value": value(1)}])
                )
            ),
            "an attribute is given twice, with different values",
            id="twice",
        ),
        pytest.param(
            json.dumps(
                spans(span(chat(**{"token_telemetry.category": "docs", "x.token_telemetry.category": "tests"})))
            ),
            "category is given twice, with different values",
            id="label-twice",
        ),
        pytest.param(json.dumps(WHOLE)[:-30], CUT_OFF, id="cut-off"),
        pytest.param('{"resourceSpans":' * 100_000, CUT_OFF, id="deep"),
        pytest.param('{"resourceSpans": {"spans": 5}}', OTHER_SHAPE, id="shape"),
        pytest.param('{"resourceSpans": []} nonsense', NO_JSON, id="prose"),
        pytest.param('{"resourceSpans": []}\n' + v2(), TAGGED, id="origin-line"),
        pytest.param('{"resourceSpans": []}\n{"trace": {"id": "1", "spans": [{}]}}', NO_OTLP, id="other-trace"),
        pytest.param('{"batches": [{"scopeSpans": []}]}\n{"batches": [{"id": "1"}]}', NO_OTLP, id="other-batches"),
        pytest.param(
            json.dumps({"resource": {"attributes": []}, "body": {"stringValue": v2()}}), NO_OTLP, id="flat-log-record"
        ),
        pytest.param('{"resourceSpans": []}\n' + DEEP, CUT_OFF, id="deep-value"),
    ],
)
def test_what_cannot_be_used_has_its_reason_and_the_rest_is_read(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "s.json").write_text(f"{text}\n{json.dumps(spans(span(chat(7), trace='last')))}\n", encoding="utf-8")
    reading = read(tmp_path)
    assert {each: lines.count for each, lines in reading.unusable.items()} == {reason: 1}
    assert (reading.samples.output_tokens.tolist(), reading.unreadable) == ([7], {})


def test_calls_before_the_end_of_a_damaged_file_count(tmp_path: Path) -> None:
    text = "".join(json.dumps(spans(span(chat(n), trace=f"{n:x}"))) + "\n" for n in range(1, 20_000))
    packed = gzip.compress(text.encode())
    (tmp_path / "s.json.gz").write_bytes(packed[: len(packed) // 2])
    reading = read(tmp_path)
    assert reading.unreadable == {"d/s.json.gz": "its gzip data is cut off"}
    assert reading.samples.output_tokens[:3].tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    ("head", "claimed"),
    [
        (b'{"resourceSpans":[', True),
        (b'\xef\xbb\xbf \n{\n  "resourceLogs" : [', True),
        (b'[{"resourceSpans":[', True),
        (b'{"resourceMetrics":[', True),
        (b'{"scopeSpans":[', True),
        (b'{"resource":{"attributes":[{', True),
        (b'{"resource":{},"scopeLogs":[', True),
        (b'{"schemaUrl":"https://x","resource":{"attributes":[', True),
        (b'{"schemaUrl":"https://x","resource":{"droppedAttributesCount":0,"attributes":[{"key":"a","value":{', True),
        (b'{"batches":[{"resource":{"attributes":[{"key":"a","value":{', True),
        (b'{"resource":{"name":"x"}}', False),
        (b'{"schemaUrl":"https://x","resource":{"name":"x"}}', False),
        (b'{"batches":[{"id":1,"resource":{"name":"x"}}]}', False),
        (b'{"trace":{"id":"1","spans":[]}}', False),
        (b'{"schema":"token-telemetry/1","resourceSpans":[', False),
        (b'{"text":"{\\"resourceSpans\\":[', False),
        (b'2026-01-02 {"resourceSpans":[', False),
        (b'{"custom_id":"1","response":{}}', False),
        (b"", False),
    ],
)
def test_files_are_known_by_how_they_begin(head: bytes, claimed: bool) -> None:
    assert OtlpSource().claims("a.json", head) is claimed


def test_spans_of_a_trace_belong_together_within_a_stated_reach() -> None:
    rows = Rows()
    rows.begin_file()
    calls = Calls(rows, most_held=3)
    for n, (trace, output) in enumerate([("a", 1), ("b", 2), ("a", 1), ("c", 3), ("d", 4), ("b", 2)], 1):
        calls.add(Seen(trace, "s", line=n, is_call=True, operation="chat", facts={"output_tokens": output}))
    calls.finish()
    samples, *_ = rows.build(complete=(), keep_ids=False)
    found = list(zip(samples.line.tolist(), samples.output_tokens.tolist(), strict=True))
    assert found == [(1, 1), (2, 2), (4, 3), (5, 4), (6, 2)]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 6)), max_size=6), st.integers(1, 6))
def test_spans_that_come_together_are_held_as_those_that_come_one_by_one(
    runs: list[tuple[str, int]], most_held: int
) -> None:
    found = []
    for is_together in (True, False):
        rows = Rows()
        rows.begin_file()
        calls = Calls(rows, most_held=most_held)
        for line, (trace, count) in enumerate(runs):
            said = {"is_call": True, "facts": {"output_tokens": 7}}
            given = [Seen(trace, "s", line=line, place=place, **said) for place in range(count)]
            if is_together:
                calls.add_all(given)
            else:
                for each in given:
                    calls.add(each)
        calls.finish()
        samples, *_ = rows.build(complete=(), keep_ids=False)
        found.append((samples.line.tolist(), rows.skipped))
    assert found[0] == found[1]


KEYS = st.sampled_from([*chat(), *OURS, *OPENINFERENCE, "metadata", "llm.invocation_parameters", "error.type"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3) | KEYS, inner, max_size=2),
    max_leaves=4,
)
FIELDS = st.sampled_from(
    ["traceId", "spanId", "parentSpanId", "startTimeUnixNano", "endTimeUnixNano", "status", "name"]
)


SPANS = st.lists(
    st.builds(
        lambda said, more, wrapped: span({}, attributes=[{"key": k, "value": v} for k, v in said] + wrapped, **more),
        st.lists(st.tuples(KEYS, VALUES), max_size=4),
        st.dictionaries(FIELDS, VALUES, max_size=2),
        st.dictionaries(KEYS, VALUES.filter(lambda plain: plain is not None), max_size=8).map(attributes),
    ),
    max_size=4,
)


@given(SPANS)
def test_any_attributes_give_samples_or_reasons(given: list[dict[str, Any]]) -> None:
    rows = Rows()
    rows.begin_file()
    why: str | None = None
    try:
        OtlpSource().read(io.BytesIO(json.dumps(spans(*given)).encode("utf-8", "replace")), rows)
    except OSError as error:  # Python writes numbers that JSON has not
        why = error.strerror
    assert why is None or [why] == [each.reason for each in rows.complaints()] == [CUT_OFF]
    samples, *_ = rows.build(complete=(), keep_ids=False)
    assert len(samples) + sum(each.count for each in rows.complaints()) <= len(given)
    assert np.all(samples.output_tokens >= 0)


def test_messages_that_a_collector_packed_one_by_one_are_read(tmp_path: Path) -> None:
    packed = [zstd.compress(json.dumps(spans(span(chat(n), trace=f"{n:x}"))).encode()) for n in range(1, 20)]
    (tmp_path / "traces.json").write_bytes(b"".join(len(each).to_bytes(4, "big") + each for each in packed))
    reading = read(tmp_path)
    assert reading.samples.output_tokens.tolist() == [*range(1, 20)]
    assert reading.samples.line.tolist() == [*range(1, 20)]


def test_a_file_of_one_document_that_is_cut_off_is_unreadable(tmp_path: Path) -> None:
    """It may have had any number of calls, and one unusable line beside good files would let them pass."""
    whole = json.dumps(spans(*[span({}) for _ in range(9)]))
    (tmp_path / "cut.json").write_text(whole[:-2])
    (tmp_path / "grows.json").write_text(f"{whole}\n{whole[:-2]}")
    reading = read_directories([Directory(tmp_path, "d")], ["*"])
    assert (reading.unreadable, reading.unusable[CUT_OFF].count) == ({"d/cut.json": CUT_OFF}, 2)


def found_in(
    *documents: object, keeps_keys: bool = False
) -> tuple[list[tuple[object, ...]], Counter[str], Counter[str]]:
    """What a file of these documents gives: samples with their identities, reasons of unusable lines, and skipped."""
    rows = Rows(keeps_keys=keeps_keys)
    rows.begin_file()
    OtlpSource().read(io.BytesIO("".join(f"{json.dumps(each)}\n" for each in documents).encode()), rows)
    samples, identities, _ = rows.build(complete=(), keep_ids=False)
    table = SamplesBuilder([samples])
    known = zip(identities.known.tolist(), identities.digest.tolist(), strict=True)
    found = [(table.sample(row), *each) for row, each in enumerate(known)]
    return found, Counter({each.reason: each.count for each in rows.complaints()}), rows.skipped


COUNTS = st.sampled_from(["7", "0", "4096", "007", "-1", "٣", "soon", "", "1000000000", "1000000001", str(10**30)])
NUMBERS = st.integers(-1, 5000) | st.sampled_from([10**9, 10**9 + 1, 2.0, 1.5, 1e300, True])
WORDS = st.sampled_from(["stop", "length", "stop, max_tokens", "", "x" * 300, "half\ud83d"])
EMITTED = {
    "gen_ai.operation.name": st.sampled_from(["chat", "Chat", "text_completion", "invoke_agent", "other"]),
    "gen_ai.usage.output_tokens": COUNTS | NUMBERS,
    "gen_ai.request.max_tokens": COUNTS | NUMBERS,
    "gen_ai.request.model": WORDS | NUMBERS,
    "gen_ai.response.model": WORDS,
    "gen_ai.response.id": WORDS | NUMBERS,
    "gen_ai.response.finish_reasons": st.lists(WORDS, max_size=2) | WORDS,
    "token_telemetry.predicted.output_tokens": COUNTS | NUMBERS,
    "token_telemetry.category": WORDS,
    "token_telemetry.success": st.sampled_from(["true", "False", "maybe", "", True]),
    "token_telemetry.deliverable_count": COUNTS,
}
USUAL = chat(
    9, **{"gen_ai.response.id": "r", "gen_ai.response.model": "m", **{key: OURS[key] for key in EMITTED if key in OURS}}
)


@settings(max_examples=50)
@given(SPANS | st.lists(st.fixed_dictionaries({}, optional=EMITTED).map(span), max_size=3))
def test_attributes_are_read_alike_whether_or_not_their_names_are_known(given: list[dict[str, Any]]) -> None:
    """The names of the first document are learned. The second time, it is decoded by them."""
    found: list[object] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pytest_token_telemetry.sources.otlp.otlp_source._DECODER", Decoder())
        for _ in range(2):
            try:
                found.append(found_in(spans(*given), {}))
            except OSError as error:  # Python writes numbers that JSON has not
                found.append(error.strerror)
    assert found[0] == found[1]


@pytest.mark.parametrize("count", [3, 2000])
def test_names_are_learned_as_long_as_they_are_few(count: int) -> None:
    """In a document with too many names, each attribute stays as it is written."""
    decoder = Decoder()
    text = json.dumps(spans(span(chat() | {f"name {n}": "x" for n in range(count)}))).encode()
    kinds = []
    for _ in range(2):
        (document,) = decoder.decode(text)
        (resource,) = document.resourceSpans or ()
        (scope,) = resource.scopeSpans or ()
        (found,) = scope.spans or ()
        kinds.append([type(each) is RawAttribute for each in found.attributes or ()])
    assert all(kinds[0])
    assert [*map(len, kinds)] == [len(chat()) + count] * 2
    assert set(kinds[1]) == {count > 1000}


@settings(max_examples=50)
@example([{"gen_ai.usage.output_tokens": "٣"}], {})
@example([{"token_telemetry.success": ""}, {"token_telemetry.success": False}], {})
@given(
    st.sets(st.sampled_from([*EMITTED]), max_size=2).flatmap(
        lambda odd: st.lists(st.fixed_dictionaries({key: EMITTED[key] for key in odd}), min_size=1, max_size=3)
    ),
    st.sampled_from([{}, {"status": {"code": 2}}, {"endTimeUnixNano": "9" * 20}, {"endTimeUnixNano": 0}]),
)
def test_many_calls_are_what_each_is_in_a_file_of_its_own(odd: list[dict[str, object]], more: dict[str, Any]) -> None:
    """Calls of one layout are read many at once where there are many of them, and where none says anything odd."""
    said = [USUAL | each for each in odd] + [USUAL] * (20 - len(odd))
    given = [span(each, trace=f"t{n}", **(more if n == 0 else {})) for n, each in enumerate(said)]
    alone = [found_in(spans(each)) for each in given]
    samples, reasons, skipped = found_in(*map(spans, given))
    assert samples == [each for found, *_ in alone for each in found]
    assert reasons == sum((each for _, each, _ in alone), Counter())
    assert skipped == sum((each for *_, each in alone), Counter())
    assert len(samples) >= 20 - len(odd)


STEPS = st.builds(
    lambda said, id, output, parent, own: (said | ({"gen_ai.response.id": id} if id else {}), output, parent, own),
    st.sampled_from(
        [
            *([USUAL] * 6),
            chat(None),
            USUAL | {"gen_ai.usage.output_tokens": "soon", "token_telemetry.category": ""},
            {"gen_ai.operation.name": "execute_tool"},
            {"gen_ai.operation.name": "execute_tool", "error.type": "timeout"},
            {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "planner"},
            {"gen_ai.operation.name": "invoke_agent", **OURS},
            {"gen_ai.operation.name": "invoke_agent", "token_telemetry.category": 3, "token_telemetry.success": "true"},
            {"gen_ai.usage.output_tokens": 9, "gen_ai.response.model": "m"},
            {"url.path": "/"},
        ]
    ),
    st.sampled_from([None, None, None, "shared", ""]),
    st.sampled_from([9, 9, 40]),
    st.integers(-1, 5),
    st.sampled_from([None, None, None, None, None, None, 0, ""]),
)
"""What a span says, its output tokens if it is a call, and which one it is within; which id it has, if not its own."""


def trace_of(n: int, steps: list[tuple[dict[str, object], int, int, object]]) -> dict[str, Any]:
    """A document of one trace."""
    given = []
    for at, (said, output, parent, own) in enumerate(steps):
        each = dict(said)
        if each.get("gen_ai.usage.output_tokens") == 9:
            each["gen_ai.usage.output_tokens"] = output
        if each.get("gen_ai.response.id") == "r":
            each["gen_ai.response.id"] = f"r{at}"
        id = f"s{at if own is None else own}" if own != "" else ""
        given.append(span(each, trace=f"t{n}", id=id, parent=f"s{parent}" if parent >= 0 else "", at=at, lasts=9))
    return spans(*given)


AGENT = ({"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "planner", **OURS}, 9, -1, None)


@settings(max_examples=100)
@example([AGENT, (USUAL, 9, 0, None), (USUAL, 9, 0, None)])
@example([AGENT, (USUAL, 9, 0, None), (USUAL, 9, 1, None)])
@example([AGENT, *[({**USUAL, "gen_ai.response.id": "shared"}, 9, 0, None)] * 2])
@example([AGENT, ({"gen_ai.operation.name": "plan", "token_telemetry.task_id": "x"}, 9, -1, 0), (USUAL, 9, 0, None)])
@given(st.lists(STEPS, min_size=1, max_size=6))
def test_many_traces_are_what_each_is_span_by_span(steps: list[tuple[dict[str, object], int, int, object]]) -> None:
    """Where side files are to be joined, all spans of a trace are looked at, as their ids are keys."""
    given = [trace_of(n, steps) for n in range(20)]
    alone = [found_in(each, keeps_keys=True) for each in given]
    samples, reasons, skipped = found_in(*given)
    assert samples == [each for found, *_ in alone for each in found]
    assert reasons == sum((each for _, each, _ in alone), Counter())
    assert skipped == sum((each for *_, each in alone), Counter())


TIMES = st.sampled_from(
    ["1795410168862523286", "9" * 19, "9" * 20, str(2**63 - 1), "٣" * 19, "", "7", None, 7, -1, 2.5]
)


@example(["1795410168862523286"] * 3)
@example(["0017954101688625232"] * 3)
@example([str(2**63 - 1), str(2**63)])
@given(st.lists(TIMES, max_size=4))
def test_many_times_are_what_each_is(values: list[object]) -> None:
    assert all_nanoseconds(values).tolist() == [nanoseconds(value) for value in values]


@pytest.mark.parametrize("is_running", [True, False])
def test_the_collector_of_cycles_is_left_as_it_was_and_has_nothing_to_collect(is_running: bool) -> None:
    """Reading pauses it, whatever the documents are: memory would grow with the file if they left cycles."""
    twice = {"attributes": [*attributes(chat()), *attributes(chat(7))]}
    documents = [WHOLE, spans(span({}, **twice)), {"x": 1}, {"resourceSpans": [{"scopeSpans": 3}]}, log(chat())]
    was_running = gc.isenabled()
    try:
        found_in(*documents)
        gc.collect()
        (gc.enable if is_running else gc.disable)()
        rows = Rows()
        rows.begin_file()
        text = "".join(f"{json.dumps(each)}\n" for each in documents * 100) + '{"cut off'
        OtlpSource().read(io.BytesIO(text.encode()), rows)
        assert gc.isenabled() is is_running
        assert gc.collect() < 100
    finally:
        (gc.enable if was_running else gc.disable)()
    assert sum(each.count for each in rows.complaints()) >= 300


def test_spans_are_read_after_their_modules_were_unloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As pytest's own ``pytester`` unloads what was first imported in a session within the session."""
    write_spans(tmp_path / "spans.jsonl", *(spans(span(chat(), trace=f"t{n}")) for n in range(3)))
    source = Deferred("otlp", "otlp.otlp_source:OtlpSource")
    assert source.source.claims("", b'{"resourceSpans":')
    for name in [each for each in sys.modules if each.startswith("pytest_token_telemetry.sources.otlp.")]:
        monkeypatch.delitem(sys.modules, name)
    rows = Rows()
    reader = source.reader(rows, Sizes(), None)
    with opened(str(tmp_path / "spans.jsonl")) as file:
        reader.read(file)
    samples, _, _ = rows.build(complete=(), keep_ids=False)
    assert len(samples) == 3


def test_real_spans_are_read_as_their_calls() -> None:
    """Every call was cut off at 16 tokens, but the one with a prediction, which had a cap of 64."""
    if not (SHARED / "data" / "otlp").is_dir():
        pytest.skip("the files of other systems are not at hand")
    reading = read(SHARED / "data" / "otlp")
    assert [(each.path, each.samples) for each in reading.files] == [
        ("d/anthropic_plain_default.jsonl", 2),
        ("d/baggage.jsonl", 1),
        ("d/genai_anthropic_default.jsonl", 2),
        ("d/genai_openai_default.jsonl", 4),
        ("d/tl_anthropic.jsonl", 2),
    ]
    assert (reading.unusable, reading.unreadable, reading.duplicates) == ({}, {}, 0)
    found = samples_of(reading)
    predicted = found.pop(2)
    assert (predicted.predicted_output_tokens, predicted.category, predicted.max_tokens) == (12, "docs", 64)
    assert (predicted.output_tokens, predicted.truncated) == (16, False)
    assert {(each.max_tokens, each.truncated, each.finish_reason) for each in found} == {(16, True, "length")}
    assert [each.output_tokens for each in found] == [16] * 9 + [19]  # a stream's usage, which OpenLLMetry adds up
