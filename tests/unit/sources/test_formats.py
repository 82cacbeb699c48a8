"""The same calls, written in every format, give the same report: what a format cannot carry is all that differs."""

from __future__ import annotations

import json
import random
import sqlite3
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_token_telemetry.option_types import database as url_of
from pytest_token_telemetry.sample import FIELDS, FinishReason, Sample, is_truncated
from pytest_token_telemetry.sources.database import Database
from pytest_token_telemetry.sources.field_map import field_map
from pytest_token_telemetry.sources.keys import SideFile
from pytest_token_telemetry.sources.mapped import MappedSource
from pytest_token_telemetry.sources.own_format import line as own_line
from pytest_token_telemetry.sources.parallel import Scan
from pytest_token_telemetry.sources.reading import Directory, Reading, read_directories
from pytest_token_telemetry.sources.recognition import SOURCES
from pytest_token_telemetry.sources.recorded import Phase, Recorded, Span
from pytest_token_telemetry.sources.uncounted import Uncounted
from tests.answers import chat, gemini, message, responses
from tests.lines import v2
from tests.spans import attributes, span, spans, write_spans
from tests.unit.gate import cases
from tests.unit.sources.builders import samples_of
from tests.unit.sources.json_files import write


class Called(NamedTuple):
    """A call."""

    predicted: int
    output: int
    budget: int
    cap: int
    reason: FinishReason
    success: bool
    category: str
    complexity: str
    deliverables: int
    task: str

    @property
    def labels(self) -> dict[str, Any]:
        """What metadata say of it."""
        return {
            "predicted_output_tokens": self.predicted,
            "budget_tokens": self.budget,
            "success": self.success,
            "category": self.category,
            "complexity": self.complexity,
            "deliverable_count": self.deliverables,
            "task_id": self.task,
        }

    def word(self, stop: str = "stop", length: str = "length", tool: str = "tool_calls") -> str:
        """Why it ended, as a provider says it."""
        return {"stop": stop, "length": length, "tool_call": tool}[self.reason]

    def sample(self, lost: frozenset[str]) -> Sample:
        """What a reader is to know of it where a format has no place for what is ``lost``."""
        known: dict[str, Any] = {
            **self.labels,
            "output_tokens": self.output,
            "max_tokens": self.cap,
            "finish_reason": self.reason,
            "model": MODEL,
        }
        known |= dict.fromkeys(lost & known.keys())
        cut_off = is_truncated(None, self.reason, self.output, known["max_tokens"])
        source = ("reason" if self.reason == "length" else "cap") if cut_off else None
        source = None if "truncation_source" in lost else source
        return Sample(**known, truncated=cut_off, truncation_source=source)


MODEL = "gpt-x"
CATEGORIES = ("implementation", "tests", "docs")
COUNTS = st.integers(1, 300)
CALLS = st.lists(
    st.builds(
        Called,
        *(COUNTS, COUNTS, COUNTS, COUNTS),
        st.sampled_from(["stop", "length", "tool_call"]),
        st.booleans(),
        st.sampled_from(CATEGORIES),
        st.sampled_from(["low", "medium", "high"]),
        st.integers(1, 9),
        st.sampled_from(["task-1", "task-2"]),
    ),
    min_size=1,
    max_size=6,
)


def many(n: int) -> list[Called]:
    """Calls such as a healthy system makes, and some that were cut off."""
    chance = random.Random(16)
    found = []
    for at in range(n):
        predicted = chance.randint(100, 5000)
        output = int(predicted * chance.uniform(0.3, 1.1))
        cap = chance.choice((1024, 4096, 8192))
        reason: FinishReason = chance.choice(("stop", "stop", "tool_call"))
        if output >= cap:
            output, reason = cap, chance.choice(("length", "length", "tool_call", "stop"))
        labels = CATEGORIES[at % 3], ("low", "medium", "high")[at // 3 % 3], chance.choice((1, 3, 8))
        found.append(Called(predicted, output, cap // 2, cap, reason, output < cap, *labels, f"task-{at // 2}"))
    return found


# How each format writes them ------------------------------------------------------------------------------------------

Calls = Sequence[Called]
Records = dict[str, Iterable[Any]]
"""Records by the names of their files."""


def directory_of(path: Path, **more: Any) -> Reading:
    more.setdefault("scan", Scan(jobs=1))
    return read_directories([Directory(path, "d")], ["*"], **more)


def texts(labels: Mapping[str, object]) -> dict[str, str]:
    """Labels as metadata that take texts alone have them."""
    return {name: str(value).lower() for name, value in labels.items()}


def completion(call: Called, n: int, **fields: Any) -> dict[str, Any]:
    return chat(call.word(), tokens=call.output, id=f"id-{n}", model=MODEL, **fields)


def natively(call: Called, n: int) -> dict[str, Any]:
    """A completion of LiteLLM, which keeps the provider's word."""
    answer = completion(call, n)
    kept = {"provider_specific_fields": {"native_finish_reason": call.word()}}
    return {**answer, "choices": [{**each, **kept} for each in answer["choices"]]}


def response(call: Called, n: int) -> dict[str, Any]:
    """OpenAI's Responses say of calls to tools that they are completed."""
    incomplete = {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}
    fields = {
        "id": f"id-{n}",
        "model": MODEL,
        "usage": {"output_tokens": call.output},
        "max_output_tokens": call.cap,
        "metadata": texts(call.labels),
    }
    return responses(**{**fields, **(incomplete if call.reason == "length" else {})})


def anthropic(call: Called, n: int) -> dict[str, Any]:
    word = call.word("end_turn", "max_tokens", "tool_use")
    return message(word, call.output, id=f"msg_{n}", model=MODEL)


def google(call: Called, n: int) -> dict[str, Any]:
    """A third of the output is thoughts. Gemini says of calls to tools that they stop."""
    thoughts = (call.output or 0) // 3
    counts = {"candidatesTokenCount": call.output - thoughts, "thoughtsTokenCount": thoughts} if call.output else {}
    return {**gemini(call.word("STOP", "MAX_TOKENS", "STOP"), **counts), "responseId": f"id-{n}", "modelVersion": MODEL}


def openai_batch(calls: Calls) -> Records:
    return {
        "in.jsonl": [
            {"custom_id": f"{n}", "body": {"max_completion_tokens": call.cap, "metadata": texts(call.labels)}}
            for n, call in reversed([*enumerate(calls)])
        ],
        "out.jsonl": [
            {"custom_id": f"{n}", "response": {"status_code": 200, "body": completion(call, n)}}
            for n, call in enumerate(calls)
        ],
    }


def responses_batch(calls: Calls) -> Records:
    return {
        "out.jsonl": [
            {"custom_id": f"{n}", "response": {"status_code": 200, "body": response(call, n)}}
            for n, call in enumerate(calls)
        ]
    }


def anthropic_batch(calls: Calls) -> Records:
    return {
        "in.jsonl": [
            {"custom_id": f"{n}", "params": {"max_tokens": call.cap}, "metadata": call.labels}
            for n, call in enumerate(calls)
        ],
        "out.jsonl": [
            {"custom_id": f"{n}", "result": {"type": "succeeded", "message": anthropic(call, n)}}
            for n, call in enumerate(calls)
        ],
    }


def gemini_batch(calls: Calls) -> Records:
    return {
        "in.jsonl": [
            {"key": f"{n}", "request": {"generationConfig": {"maxOutputTokens": call.cap}}, "metadata": call.labels}
            for n, call in enumerate(calls)
        ],
        "out.jsonl": [{"key": f"{n}", "response": google(call, n)} for n, call in enumerate(calls)],
    }


def vertex_batch(calls: Calls) -> Records:
    return {
        "out.jsonl": [
            {
                "status": "",
                "request": {"contents": [], "generationConfig": {"maxOutputTokens": call.cap}},
                "metadata": call.labels,
                "response": google(call, n),
            }
            for n, call in enumerate(calls)
        ]
    }


def litellm(calls: Calls) -> Records:
    return {
        "calls.jsonl": [
            {
                "id": f"id-{n}",
                "litellm_call_id": f"{n}",
                "call_type": "completion",
                "status": "success",
                "completion_tokens": call.output,
                "model": MODEL,
                "model_parameters": {"max_tokens": call.cap},
                "metadata": {"spend_logs_metadata": call.labels},
                "response": natively(call, n),
            }
            for n, call in enumerate(calls)
        ]
    }


def litellm_spend_logs(calls: Calls) -> Records:
    return {
        "spend.jsonl": [
            {
                "request_id": f"id-{n}",
                "call_type": "acompletion",
                "spend": 0.1,
                "completion_tokens": call.output,
                "model": MODEL,
                "metadata": json.dumps({"spend_logs_metadata": call.labels}),
                "proxy_server_request": json.dumps({"max_tokens": call.cap}),
                "response": json.dumps(natively(call, n)),
            }
            for n, call in enumerate(calls)
        ]
    }


def inspect(calls: Calls) -> Records:
    samples = [evaluated(n, call) for n, call in enumerate(calls)]
    return {"log.json": [{**INSPECT, "samples": samples}]}


INSPECT = {"version": 2, "status": "success", "eval": {"task": "t"}}


def evaluated(n: int, call: Called) -> dict[str, Any]:
    """A sample of an evaluation by Inspect."""
    choice = {"stop_reason": call.word(length="max_tokens")}
    event = {
        "event": "model",
        "uuid": f"id-{n}",
        "model": MODEL,
        "config": {"max_tokens": call.cap},
        "output": {"choices": [choice], "usage": {"output_tokens": call.output}},
    }
    return {"id": n, "epoch": 1, "metadata": call.labels, "events": [event]}


def promptfoo(calls: Calls) -> Records:
    return {
        "results.jsonl": [
            {
                "id": f"id-{n}",
                "promptIdx": 0,
                "testIdx": n,
                "provider": {"id": MODEL},
                "prompt": {"config": {"max_tokens": call.cap}},
                "testCase": {"metadata": call.labels},
                "response": {"tokenUsage": {"completion": call.output}, "finishReason": call.word()},
            }
            for n, call in enumerate(calls)
        ]
    }


def langsmith(calls: Calls) -> Records:
    return {
        "runs.jsonl": [
            {
                "id": f"run-{n}",
                "run_type": "llm",
                "trace_id": "t",
                "extra": {"metadata": call.labels},
                "inputs": {"max_tokens": call.cap},
                "outputs": completion(call, n),
            }
            for n, call in enumerate(calls)
        ]
    }


def langfuse(calls: Calls) -> Records:
    return {
        "observations.jsonl": [
            {
                "id": f"id-{n}",
                "traceId": "t",
                "type": "GENERATION",
                "model": MODEL,
                "startTime": "2026-05-01T12:00:00Z",
                "modelParameters": {"max_tokens": call.cap},
                "usageDetails": {"output": call.output},
                "metadata": {"finish_reason": call.word(), **call.labels},
            }
            for n, call in enumerate(calls)
        ]
    }


def openhands(calls: Calls) -> Records:
    return {
        "trajectory.json": [
            {
                "history": [
                    {
                        "id": n,
                        "timestamp": "2026-01-27T22:44:56",
                        "source": "agent",
                        "action": "run",
                        "tool_call_metadata": {"model_response": natively(call, n)},
                    }
                    for n, call in enumerate(calls)
                ]
            }
        ]
    }


def claude_code(calls: Calls) -> Records:
    return {
        "session.jsonl": [
            {"type": "assistant", "sessionId": "s", "uuid": f"u{n}", "version": "2.1.98", "message": anthropic(call, n)}
            for n, call in enumerate(calls)
        ]
    }


def origin_record(n: int, call: Called) -> dict[str, Any]:
    """A row of the origin's table."""
    return {
        "run_id": "d",
        "phase_id": call.task,
        "timestamp": f"2026-01-02 {n // 3600:02}:{n // 60 % 60:02}:{n % 60:02}",
        "category": call.category,
        "complexity": call.complexity,
        "deliverable_count": call.deliverables,
        "predicted_output_tokens": call.predicted,
        "actual_output_tokens": call.output,
        "selected_budget": call.budget,
        "success": call.success,
        "truncated": bool(is_truncated(None, call.reason, call.output, call.cap)),
        "stop_reason": call.word("end_turn", "max_tokens", "tool_use"),
        "model": MODEL,
        "actual_max_tokens": call.cap,
    }


def origin_export(calls: Calls) -> Records:
    return {"export.ndjson": [origin_record(n, call) for n, call in enumerate(calls)]}


def chats(calls: Calls) -> Records:
    return {"answers.jsonl": [completion(call, n) for n, call in enumerate(calls)]}


def messages(calls: Calls) -> Records:
    return {"answers.jsonl": [anthropic(call, n) for n, call in enumerate(calls)]}


def candidates(calls: Calls) -> Records:
    return {"answers.jsonl": [google(call, n) for n, call in enumerate(calls)]}


def plain_responses(calls: Calls) -> Records:
    return {"answers.jsonl": [response(call, n) for n, call in enumerate(calls)]}


def ours(call: Called) -> dict[str, Any]:
    """What a span says with attributes of ours."""
    return {f"token_telemetry.{name}": value for name, value in call.labels.items()}


def genai(call: Called, n: int) -> dict[str, Any]:
    return {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": MODEL,
        "gen_ai.usage.output_tokens": call.output,
        "gen_ai.request.max_tokens": call.cap,
        "gen_ai.response.finish_reasons": [call.word()],
        "gen_ai.response.id": f"id-{n}",
        **ours(call),
    }


def spans_of(path: Path, said: Iterable[dict[str, Any]]) -> Reading:
    write_spans(path / "spans.jsonl", *(spans(span(each, trace=f"t{n}", id=f"s{n}")) for n, each in enumerate(said)))
    return directory_of(path)


def otlp_genai(path: Path, calls: Calls) -> Reading:
    return spans_of(path, (genai(call, n) for n, call in enumerate(calls)))


def otlp_openllmetry(path: Path, calls: Calls) -> Reading:
    return spans_of(
        path,
        (
            {
                "llm.request.type": "chat",
                "gen_ai.request.model": MODEL,
                "gen_ai.usage.completion_tokens": call.output,
                "gen_ai.request.max_tokens": call.cap,
                "gen_ai.completion.0.finish_reason": call.word(),
                **{f"traceloop.association.properties.{name}": value for name, value in ours(call).items()},
            }
            for call in calls
        ),
    )


def otlp_openinference(path: Path, calls: Calls) -> Reading:
    return spans_of(
        path,
        (
            {
                "openinference.span.kind": "LLM",
                "llm.model_name": MODEL,
                "llm.token_count.completion": call.output,
                "llm.invocation_parameters": json.dumps({"max_tokens": call.cap}),
                "llm.finish_reason": call.word(),
                "metadata": json.dumps(ours(call)),
            }
            for call in calls
        ),
    )


def otlp_events(path: Path, calls: Calls) -> Reading:
    records = [
        {
            "traceId": f"t{n}",
            "spanId": f"s{n}",
            "eventName": "gen_ai.client.inference.operation.details",
            "attributes": attributes(genai(call, n)),
        }
        for n, call in enumerate(calls)
    ]
    write(path / "logs.jsonl", [{"resourceLogs": [{"scopeLogs": [{"logRecords": records}]}]}])
    return directory_of(path)


def log_lines(path: Path, calls: Calls) -> Reading:
    (path / "agent.log").write_text(
        "".join(
            v2(
                *(call.predicted, call.output),
                time=f"2026-01-02 {n // 3600:02}:{n // 60 % 60:02}:{n % 60:02},000",
                budget=call.budget,
                category=call.category,
                complexity=call.complexity,
                deliverables=call.deliverables,
                success=call.success,
                reason=call.word("end_turn", "max_tokens", "tool_use"),
                truncated=is_truncated(None, call.reason, call.output, call.cap),
                more=f" max_tokens={call.cap} task_id={call.task}",
            )
            .replace("claude-sonnet-4-5", MODEL)
            .replace(" smape=10.5%", "")
            + "\n"
            for n, call in enumerate(calls)
        )
    )
    return directory_of(path)


def own(n: int, call: Called) -> str:
    """A line of ours, as the fixture writes it."""
    sample = call.sample(frozenset())
    facts = {"output_tokens": call.output, "max_tokens": call.cap, "finish_reason": call.word(), "model": MODEL}
    ends = {"truncated": sample.truncated, "truncation_source": sample.truncation_source}
    return own_line(id=f"id-{n}", **call.labels, **facts, **ends)


def own_lines(path: Path, calls: Calls) -> Reading:
    (path / "own.jsonl").write_text("".join(own(n, call) + "\n" for n, call in enumerate(calls)))
    return directory_of(path)


def recorded(path: Path, calls: Calls) -> Reading:
    phases = (Phase("test_it.py::test_it", Span(0, 1), tuple(own(n, call) for n, call in enumerate(calls))),)
    return directory_of(path, recorded=Recorded(phases=phases))


def flat(n: int, call: Called) -> dict[str, Any]:
    """A record that has a name for each field."""
    facts = {"output_tokens": call.output, "max_tokens": call.cap, "finish_reason": call.word(), "model": MODEL}
    return {**call.labels, **facts, "id": f"id-{n}"}


def table(path: Path, calls: Calls, name: str = "calls.csv") -> Reading:
    rows = [flat(n, call) for n, call in enumerate(calls)]
    lines = [",".join(rows[0]), *(",".join(texts(row).values()) for row in rows)]
    (path / name).write_text("".join(f"{line}\n" for line in lines))
    return directory_of(path)


def mapped(path: Path, map_of: dict[str, Any]) -> Reading:
    source = MappedSource("ours", field_map("ours", map_of, "ours"))
    return directory_of(path, scan=Scan(jobs=1, mapped=(source,)))


def map_of_json(path: Path, calls: Calls) -> Reading:
    write(path / "calls.out", ({"call": flat(n, call)} for n, call in enumerate(calls)))
    return mapped(path, {"files": "*.out", "fields": {name: f"call.{name}" for name in flat(0, calls[0])}})


def map_of_csv(path: Path, calls: Calls) -> Reading:
    table(path, calls, "calls.out")
    fields = {name: name for name in flat(0, calls[0])}
    return mapped(path, {"files": "*.out", "format": "csv", "fields": fields})


def map_of_text(path: Path, calls: Calls) -> Reading:
    rows = [flat(n, call) for n, call in enumerate(calls)]
    (path / "calls.out").write_text("".join(f"call {' '.join(texts(row).values())} done\n" for row in rows))
    groups = " ".join(rf"(?P<{name}>\S+)" for name in rows[0])
    return mapped(path, {"files": "*.out", "expression": f"call {groups} done"})


def database(path: Path, rows: Sequence[Mapping[str, Any]], name: str, **more: Any) -> Reading:
    with closing(sqlite3.connect(path / "calls.db")) as connection:
        connection.execute(f"CREATE TABLE {name} ({', '.join(rows[0])})")
        marks = ", ".join("?" * len(rows[0]))
        connection.executemany(f"INSERT INTO {name} VALUES ({marks})", [tuple(row.values()) for row in rows])
        connection.commit()
    found = Database(url_of(f"sqlite:///{path / 'calls.db'}"), **more)
    return read_directories([], [], databases=[found])


def origin_table(path: Path, calls: Calls) -> Reading:
    return database(path, [origin_record(n, call) for n, call in enumerate(calls)], "token_estimation_v2_events")


def other_table(path: Path, calls: Calls) -> Reading:
    return database(path, [flat(n, call) for n, call in enumerate(calls)], "calls", tables=("calls",))


def inspect_eval(path: Path, calls: Calls) -> Reading:
    with zipfile.ZipFile(path / "log.eval", "w") as archive:
        archive.writestr("_journal/start.json", json.dumps(INSPECT))
        for n, call in enumerate(calls):
            archive.writestr(f"samples/{n}_epoch_1.json", json.dumps(evaluated(n, call)))
        archive.writestr("header.json", json.dumps(INSPECT))
    return directory_of(path)


def with_side_file(path: Path, calls: Calls) -> Reading:
    for name, records in chats(calls).items():
        write(path / name, records)
    side = write(path / "p.jsonl", ({"response_id": f"id-{n}", **call.labels} for n, call in enumerate(calls)))
    return directory_of(path, side_files=[SideFile(str(side), "p.jsonl", "p.jsonl")])


@dataclass(frozen=True, slots=True)
class Format:
    """A format, and what it has no place for."""

    source: str
    """The name of what reads it."""
    read: Callable[[Path, Calls], Reading]
    lost: frozenset[str] = frozenset()
    says: Callable[[Called], Called] = lambda call: call
    """What its words make of a call."""


LABELS = frozenset(
    (
        *("predicted_output_tokens", "budget_tokens", "success"),
        *("category", "complexity", "deliverable_count", "task_id"),
    )
)
WITHOUT_SOURCE = frozenset(("truncation_source",))


def files(write_down: Callable[[Calls], Records], named: str = "auto") -> Callable[[Path, Calls], Reading]:
    """Writes the records into files, and reads these."""

    def read(path: Path, calls: Calls) -> Reading:
        for name, records in write_down(calls).items():
            write(path / name, records)
        return directory_of(path, scan=Scan(jobs=1, format=named))

    return read


def without_tools(call: Called) -> Called:
    """A provider that says of a call to a tool that it stopped."""
    return call._replace(reason="stop") if call.reason == "tool_call" else call


FORMATS = {
    "lines of our own": Format("logs", own_lines),
    "what tests record": Format("logs", recorded),
    "log lines of the origin": Format("logs", log_lines, WITHOUT_SOURCE),
    "OTLP: OpenTelemetry's spans": Format("otlp", otlp_genai),
    "OTLP: OpenLLMetry's spans": Format("otlp", otlp_openllmetry),
    "OTLP: OpenInference's spans": Format("otlp", otlp_openinference),
    "OTLP: log records of calls": Format("otlp", otlp_events),
    "batches of OpenAI": Format("batches", files(openai_batch)),
    "batches of OpenAI (Responses)": Format("batches", files(responses_batch), says=without_tools),
    "batches of Anthropic": Format("batches", files(anthropic_batch)),
    "batches of Gemini": Format("batches", files(gemini_batch), says=without_tools),
    "batches of Vertex AI": Format("batches", files(vertex_batch), says=without_tools),
    "responses of OpenAI (chat)": Format("responses", files(chats), LABELS | {"max_tokens"}),
    "responses of OpenAI (Responses)": Format("responses", files(plain_responses), says=without_tools),
    "responses of Anthropic": Format("responses", files(messages), LABELS | {"max_tokens"}),
    "responses of Gemini": Format("responses", files(candidates), LABELS | {"max_tokens"}, without_tools),
    "responses with a file of predictions": Format("responses", with_side_file, frozenset(("max_tokens",))),
    "LiteLLM's payloads": Format("litellm", files(litellm)),
    "LiteLLM's spend logs": Format("litellm", files(litellm_spend_logs)),
    "Inspect's logs (JSON)": Format("inspect", files(inspect)),
    "Inspect's logs (.eval)": Format("inspect", inspect_eval),
    "promptfoo": Format("promptfoo", files(promptfoo)),
    "LangSmith": Format("langsmith", files(langsmith)),
    "Langfuse": Format("langfuse", files(langfuse)),
    "OpenHands": Format("openhands", files(openhands), LABELS | {"max_tokens"}),
    "Claude Code": Format("claude-code", files(claude_code, "claude-code"), LABELS | {"max_tokens"}),
    "a table (CSV)": Format("csv", table),
    "the origin's export": Format("autopack-export", files(origin_export), WITHOUT_SOURCE),
    "the origin's database": Format("database", origin_table, WITHOUT_SOURCE),
    "a database of your own": Format("database", other_table),
    "a field map (JSON)": Format("map", map_of_json),
    "a field map (CSV)": Format("map", map_of_csv),
    "a field map (text)": Format("map", map_of_text),
}


def compared(sample: Sample, lost: frozenset[str]) -> Sample:
    """Without what tells of no call: when, where, by which id, and in which of a provider's words."""
    sample = replace(sample, time=None, run=None, id=None, operation=None, finish_reason_raw=None, smape=None)
    return replace(sample, truncation_source=None) if "truncation_source" in lost else sample


def read_back(name: str, path: Path, calls: Calls) -> Reading:
    """What is read of ``calls`` in a format. Each must be there, and no more than that."""
    form = FORMATS[name]
    reading = form.read(path, calls)
    assert (reading.unusable, reading.unreadable, reading.duplicates) == ({}, {}, 0)
    assert reading.remarks == {}
    expected = [form.says(call).sample(form.lost) for call in calls]
    assert [compared(each, form.lost) for each in samples_of(reading)] == expected
    return reading


def test_every_source_has_a_format_here() -> None:
    assert {each.source for each in FORMATS.values()} == {*(source.name for source in SOURCES), "map", "database"}


def test_the_docs_say_what_a_format_cannot_carry() -> None:
    """``docs/definitions.md`` has one row for all formats that lack the same."""
    rows: dict[str, list[str]] = {}
    for name, form in FORMATS.items():
        lacks = [f"`{each}`" for each in FIELDS if each in form.lost]
        if form.says is without_tools:
            lacks.append("that a call ended with a call of a tool: it says `stop`")
        rows.setdefault(", ".join(lacks) or "nothing", []).append(name)
    table = "".join(f"| {'; '.join(names)} | {lacks} |\n" for lacks, names in rows.items())
    page = (Path(__file__).parents[3] / "docs" / "definitions.md").read_text(encoding="utf-8")
    assert f"| format | what it cannot carry |\n|:--|:--|\n{table}" in page


@pytest.mark.parametrize("name", FORMATS)
@settings(max_examples=5)
@given(calls=CALLS)
def test_every_format_gives_the_same_samples(
    name: str, calls: list[Called], tmp_path_factory: pytest.TempPathFactory
) -> None:
    read_back(name, tmp_path_factory.mktemp("d"), calls)


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_gives_the_same_report(name: str, tmp_path: Path) -> None:
    calls = many(500)
    form = FORMATS[name]
    found = read_back(name, tmp_path, calls)
    pairs = zip([form.says(call).sample(form.lost) for call in calls], samples_of(found), strict=True)
    expected = [replace(each, time=read.time, operation=read.operation) for each, read in pairs]
    told = {"files": found.files, "unused_columns": found.unused_columns}
    assert figures(found) == figures(cases.reading(expected, **told))


WRITTEN_BY_US = {"lines of our own", "what tests record"}
"""The writer takes no call without a count."""


@pytest.mark.parametrize("name", sorted(FORMATS.keys() - WRITTEN_BY_US - {"a field map (text)"}))
def test_a_call_without_an_output_count_is_an_attempt(name: str, tmp_path: Path) -> None:
    calls = many(3)
    lost = calls[0]._replace(output=None, reason="length")  # type: ignore[arg-type] # what a reader must bear
    found = FORMATS[name].read(tmp_path, [*calls, lost])
    assert (len(found.samples), found.uncounted) == (3, Uncounted(attempts=1, truncated=1))


@pytest.mark.parametrize(("yes", "no"), [("yes", "no"), ("t", "F"), ("1", "0"), (1, 0), ("True", "FALSE")])
@pytest.mark.parametrize(
    "name",
    sorted(
        name
        for name, form in FORMATS.items()
        if "success" not in form.lost and name not in (*WRITTEN_BY_US, "log lines of the origin")
    ),
)
def test_success_has_the_same_words_in_every_format(name: str, yes: object, no: object, tmp_path: Path) -> None:
    first, second = many(2)
    calls = [first._replace(success=yes), second._replace(success=no)]  # type: ignore[arg-type] # what a reader must bear
    found = FORMATS[name].read(tmp_path, calls)
    assert [each.success for each in samples_of(found)] == [True, False]


Failed = Callable[[Calls], Records]
"""Writes calls that failed, and lost their output count."""


def failed(write_down: Callable[[Calls], Records], **said: Any) -> Failed:
    """Records that say all this of a call that failed."""

    def written(calls: Calls) -> Records:
        return {name: [{**each, **said} for each in records] for name, records in write_down(calls).items()}

    return written


def failed_batch(calls: Calls) -> Records:
    bodies = (completion(call, n) for n, call in enumerate(calls))
    return {
        "out.jsonl": [
            {"custom_id": f"{n}", "response": {"status_code": 500, "body": body}} for n, body in enumerate(bodies)
        ]
    }


def failed_evaluation(calls: Calls) -> Records:
    samples = [evaluated(n, call) for n, call in enumerate(calls)]
    for each in samples:
        each["events"][0]["error"] = "boom"
    return {"log.json": [{**INSPECT, "samples": samples}]}


def failed_results(calls: Calls) -> Records:
    results = [*promptfoo(calls)["results.jsonl"]]
    return {"results.jsonl": [{**each, "response": {**each["response"], "error": "boom"}} for each in results]}


def failed_spans(calls: Calls) -> Records:
    told = (span(genai(call, n), trace=f"t{n}", id=f"s{n}", status={"code": 2}) for n, call in enumerate(calls))
    return {"spans.jsonl": map(spans, told)}


FAILED: dict[str, Failed] = {
    "LiteLLM's payloads": failed(litellm, status="failure"),
    "LiteLLM's payloads with a count of 0": failed(litellm, status="failure", completion_tokens=0),
    "LiteLLM's spend logs": failed(litellm_spend_logs, status="failure"),
    "OTLP": failed_spans,
    "Langfuse": failed(langfuse, level="ERROR"),
    "LangSmith": failed(langsmith, error="boom"),
    "promptfoo": failed_results,
    "Inspect": failed_evaluation,
    "batches of OpenAI": failed_batch,
    "batches of Vertex AI": failed(vertex_batch, status="boom"),
    "responses of OpenAI (chat)": failed(chats, error={"message": "boom"}),
}


@pytest.mark.parametrize("name", FAILED)
def test_a_failed_call_without_a_count_is_an_attempt_only_if_its_reason_says_truncated(
    name: str, tmp_path: Path
) -> None:
    lost = [each._replace(output=None) for each in many(10)]  # type: ignore[arg-type] # what a reader must bear
    ends: tuple[FinishReason, ...] = ("stop", "length", "tool_call")
    for reason in ends:
        for file, records in FAILED[name]([each._replace(reason=reason) for each in lost]).items():
            write(tmp_path / reason / file, records)
    assert {reason: directory_of(tmp_path / reason).uncounted for reason in ends} == {
        "stop": Uncounted(),
        "length": Uncounted(10, 10),
        "tool_call": Uncounted(),
    }


def figures(reading: Reading) -> dict[str, Any]:
    """All that a report says, but for where the calls stood."""
    where = {"db": ["sqlite:///calls.db"]} if reading.count("table") else {}
    report: dict[str, Any] = msgspec.to_builtins(cases.judge(reading, cases.settings(**where)))
    assert report["counts"]["samples"] == 500
    for name in ("created", "sources", "scan"):
        del report[name]
    for name in ("files", "tests", "tables", "runs"):
        del report["counts"][name]
    for each in (*report["worst"], *report["cut_off"]):
        del each["source"]
    return report
