"""What do files of others cost to read? ``python benchmarks/formats.py``, a few minutes; ``--megabytes=1000`` is 1 GB.

Each file is read in turns by the gate's reading, to samples put together, and by a bare ``msgspec`` decode of each line
into untyped objects. What counts is the ratio of processor time within a round, without the start of the process. Each
measurement is a process of its own. Half of the file is read too: processor time and memory must not grow faster.

A standard logging payload as LiteLLM 1 writes it has 11.3 kB before anything is asked or answered: 7.4 kB are what it
knows of the model and its prices, 1.4 kB metadata, nearly all of it null. The generated one has a kilobyte of content
beside as much. The short one, of 2.4 kB, keeps only what tells of the call, and its content, as a filter may.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from random import Random
from shutil import rmtree
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from figures import machine, ratios, spread, table, write_docs
from measuring import clean_environment, run

from pytest_token_telemetry.sources.reading import Directory, read_directories

if TYPE_CHECKING:
    from collections.abc import Iterator

MEGABYTES = 100
ROUNDS = 5
SPANS = 20
"""Spans of one line: exporters write batches. A program that exports each span as it ends writes one a line."""

KINDS = {
    "calls": "OTLP, spans of chat calls, 15 attributes each",
    "single": "OTLP, the same with one span a line",
    "content": "OTLP, the same with 2 kB of messages each",
    "traces": "OTLP, traces of ten spans, of which one is a call",
    "agents": "OTLP, traces of an agent with five calls and four tools",
    "litellm": "LiteLLM, standard logging payloads of 12 kB",
    "short": "LiteLLM, payloads cut down to 2.4 kB",
}
"""What is measured, and how its table calls it."""

_RESOURCE = {
    "telemetry.sdk.language": "python",
    "telemetry.sdk.version": "1.45.2",
    "service.instance.id": "3449d447-2e30-410a-8c19-065e1f9d89ba",
    "service.name": "shop",
}
_OTHERS = (
    {"http.request.method": "GET", "url.path": "/orders/17", "url.scheme": "https", "http.route": "/orders/{id}"},
    {
        "db.system.name": "postgresql",
        "db.namespace": "shop",
        "db.query.text": "SELECT id FROM orders WHERE tenant = $1",
    },
    {"code.function.name": "shop.views.render", "thread.id": 140213, "thread.name": "worker-3"},
    {"messaging.system": "kafka", "messaging.destination.name": "order.events", "messaging.operation.type": "send"},
)


_ABOUT_MODELS = [
    f"{kind}_per_{unit}{above}{tier}"
    for kind in ("input", "output", "cache_creation_input", "cache_read_input")
    for unit in ("token", "audio_token", "image", "second")
    for above in ("", "_above_200k", "_above_272k")
    for tier in ("", "_priority", "_flex", "_batch")
][:167]
"""Names like those that LiteLLM has of a model, and as many."""


class Lines:
    """Lines of one kind, from a fixed seed."""

    def __init__(self, kind: str) -> None:
        self._random = Random(kind)  # noqa: S311
        self._kind = kind
        self._now = 1_795_410_168_862_523_286

    def __iter__(self) -> Iterator[str]:
        """Without end."""
        spans = self._traces()
        while True:
            match self._kind:
                case "litellm":
                    document = self._whole_payload()
                case "short":
                    document = self._payload()
                case _:
                    document = _document([next(spans) for _ in range(1 if self._kind == "single" else SPANS)])
            yield json.dumps(document, separators=(",", ":")) + "\n"

    def _traces(self) -> Iterator[dict[str, object]]:
        while True:
            trace, root = self._id(32), self._id(16)
            match self._kind:
                case "traces":
                    call = self._random.randrange(10)
                    for n in range(10):
                        said = self._call() if n == call else self._random.choice(_OTHERS)
                        yield self._span(trace, self._id(16), root, said)
                case "agents":
                    for _ in range(5):
                        yield self._span(trace, self._id(16), root, self._call())
                    for _ in range(4):
                        tool = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "search"}
                        yield self._span(trace, self._id(16), root, tool)
                    agent = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "planner"}
                    yield self._span(trace, root, "", agent)
                case _:
                    yield self._span(trace, root, self._id(16), self._call())

    def _span(self, trace: str, id: str, parent: str, said: dict[str, object]) -> dict[str, object]:
        self._now += self._random.randrange(10**9)
        return {
            "traceId": trace,
            "spanId": id,
            "parentSpanId": parent,
            "flags": 256,
            "name": "a span",
            "kind": 3,
            "startTimeUnixNano": str(self._now),
            "endTimeUnixNano": str(self._now + self._random.randrange(10**10)),
            "attributes": _attributes(said),
            "status": {},
        }

    def _call(self) -> dict[str, object]:
        random = self._random
        output, model = random.randrange(20, 4000), random.choice(("gpt-5.2", "gpt-4o", "claude-sonnet-4-5"))
        said: dict[str, object] = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": model,
            "server.address": "api.example.com",
            "server.port": 443,
            "token_telemetry.predicted.output_tokens": str(output * random.randrange(50, 200) // 100),
            "token_telemetry.category": random.choice(("docs", "tests", "implementation")),
            "gen_ai.request.max_tokens": 4096,
            "gen_ai.request.temperature": 0,
            "gen_ai.response.finish_reasons": [random.choice(("stop", "stop", "stop", "length"))],
            "gen_ai.response.model": f"{model}-2026-01-01",
            "gen_ai.response.id": f"chatcmpl-{self._id(29)}",
            "gen_ai.usage.input_tokens": random.randrange(100, 20_000),
            "gen_ai.usage.output_tokens": output,
            "gen_ai.usage.reasoning.output_tokens": random.randrange(20),
        }
        if self._kind == "content":
            for name, size in (("gen_ai.input.messages", 1200), ("gen_ai.output.messages", 800)):
                said[name] = json.dumps([{"role": "user", "parts": [{"type": "text", "content": self._text(size)}]}])
        return said

    def _payload(self) -> dict[str, Any]:
        said, id, output = self._call(), f"chatcmpl-{self._id(29)}", self._random.randrange(20, 4000)
        usage = {"completion_tokens": output, "prompt_tokens": 10, "total_tokens": output + 10}
        keys = ("hash", "alias", "spend", "max_budget", "user_id", "team_id", "org_id", "project_id", "team_alias")
        choice = {"finish_reason": "stop", "index": 0, "message": {"content": self._text(400), "role": "assistant"}}
        return {
            "id": id,
            "litellm_call_id": self._id(32),
            "trace_id": self._id(32),
            "call_type": "acompletion",
            "cache_hit": None,
            "status": "success",
            "custom_llm_provider": "openai",
            "startTime": self._now / 1e9,
            "endTime": (self._now + 10**9) / 1e9,
            "model": said["gen_ai.request.model"],
            "metadata": {
                **{f"user_api_key_{key}": None for key in keys},
                "spend_logs_metadata": {"predicted_output_tokens": output + 7, "category": "docs"},
                "usage_object": usage,
            },
            "response_cost": 0.0002415,
            "cost_breakdown": {"input_cost": 1.75e-05, "output_cost": 0.000224, "total_cost": 0.0002415},
            **usage,
            "request_tags": [],
            "api_base": "https://api.example.com/v1",
            "messages": [{"role": "user", "content": self._text(600)}],
            "response": {"id": id, "created": 1, "object": "chat.completion", "choices": [choice], "usage": usage},
            "model_parameters": {"max_tokens": 4096, "temperature": 0},
        }

    def _whole_payload(self) -> dict[str, Any]:
        payload, base, nothing = self._payload(), "https://api.example.com/v1", dict.fromkeys(_ABOUT_MODELS)
        prices = {name: self._random.randrange(1, 999) / 1e8 for name in _ABOUT_MODELS[::8]}
        headers = {f"llm_provider-x-ratelimit-{name}": self._id(8) for name in ("limit", "remaining", "reset", "id")}
        return {
            **payload,
            "metadata": dict.fromkeys(f"user_api_key_of_another_{n}" for n in range(26)) | payload["metadata"],
            **dict.fromkeys(("session_id", "model_group", "model_id", "end_user", "user_agent", "error_str")),
            "status_fields": {"llm_api_status": "success", "guardrail_status": "not_run"},
            "completionStartTime": (self._now + 10**9) / 1e9,
            "response_time": self._random.random(),
            "error_information": dict.fromkeys(f"error_of_the_provider_{n}" for n in range(13)),
            "hidden_params": {"api_base": base, "litellm_overhead_time_ms": 403.156, "additional_headers": headers},
            "model_map_information": {"model_map_key": "gpt-5.2", "model_map_value": nothing | prices},
            "guardrail_information": None,
            "standard_built_in_tools_params": {"web_search_options": None, "file_search": None},
        }

    def _id(self, digits: int) -> str:
        return f"{self._random.getrandbits(4 * digits):0{digits}x}"

    def _text(self, size: int) -> str:
        return " ".join(f"word{self._random.randrange(3000)}" for _ in range(size // 8))


def _document(spans: list[dict[str, object]]) -> dict[str, object]:
    scope = {"scope": {"name": "opentelemetry.instrumentation.genai.openai", "version": "1.3b0"}, "spans": spans}
    return {"resourceSpans": [{"resource": {"attributes": _attributes(_RESOURCE)}, "scopeSpans": [scope]}]}


def _attributes(said: dict[str, Any]) -> list[dict[str, object]]:
    return [{"key": key, "value": _value(value)} for key, value in said.items()]


def _value(value: object) -> dict[str, object]:
    if isinstance(value, list):
        return {"arrayValue": {"values": [_value(each) for each in value]}}
    return {"intValue": str(value)} if isinstance(value, int) else {"stringValue": value}


class Measured(NamedTuple):
    """One reading in a process of its own."""

    seconds: float
    """Of the processor."""
    found: int
    peak: int
    """Bytes of memory."""


def read(directory: Path) -> int:
    """How many samples there are below ``directory``."""
    reading = read_directories([Directory(directory, "d")], ["*"])
    if reading.unusable or reading.unreadable:
        raise SystemExit(f"not all of {directory} could be used: {reading.unusable} {reading.unreadable}")
    return len(reading.samples)


def decode(directory: Path) -> int:
    """How many lines there are below ``directory``, each decoded into untyped objects."""
    found = 0
    decoder = msgspec.json.Decoder()
    for path in directory.iterdir():
        with path.open("rb") as file:
            for line in file:
                decoder.decode(line)
                found += 1
    return found


def measured(how: str, directory: Path, scratch: Path) -> Measured:
    """What `read` or `decode` takes."""
    command = [sys.executable, __file__, f"--{how}={directory}"]
    output = scratch / "output.txt"
    cost = run(command, directory=scratch, environment=clean_environment(), output=output)
    seconds, found = output.read_text(encoding="utf-8").split()
    return Measured(float(seconds), int(found), cost.peak)


def write(kind: str, megabytes: float, directory: Path) -> None:
    """Write one file of so many ``megabytes`` at least."""
    left = megabytes * 1e6
    with (directory / f"{kind}.jsonl").open("w", encoding="utf-8") as file:
        for line in Lines(kind):
            file.write(line)
            left -= len(line)
            if left <= 0:
                return


def row(kind: str, megabytes: int, rounds: int, scratch: Path) -> list[str]:
    """Measure one kind of file, whole and half."""
    whole, half = scratch / "whole", scratch / "half"
    for directory, size in ((whole, megabytes), (half, megabytes / 2)):
        directory.mkdir()
        write(kind, size, directory)
    bare, ours = zip(
        *((measured("decode", whole, scratch), measured("read", whole, scratch)) for _ in range(rounds)), strict=True
    )
    halves = [measured("read", half, scratch) for _ in range(rounds)]
    for directory in (whole, half):
        rmtree(directory)
    times = ratios([each.seconds for each in ours], [each.seconds for each in bare])
    growth = ratios([each.seconds for each in ours], [each.seconds for each in halves])
    peaks = [max(each.peak for each in all_of) / 1e6 for all_of in (halves, ours)]
    return [
        KINDS[kind],
        f"{ours[0].found:,}",
        spread([each.seconds for each in bare]),
        spread([each.seconds for each in ours]),
        spread(times),
        spread(growth),
        " to ".join(f"{peak:.0f}" for peak in peaks),
    ]


def main() -> None:
    """Measure all kinds, or do what one process is measured at."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=MEGABYTES)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--only", choices=KINDS, action="append")
    parser.add_argument("--write-docs", action="store_true")
    parser.add_argument("--read", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--decode", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.read or given.decode:
        began = time.process_time()
        found = read(given.read) if given.read else decode(given.decode)
        print(time.process_time() - began, found)
        return
    header = ("", "samples", "bare decode, CPU s", "read, CPU s", "ratio", "twice the file", "peak MB, half to whole")
    with TemporaryDirectory() as scratch:
        rows = [row(kind, given.megabytes, given.rounds, Path(scratch)) for kind in given.only or KINDS]
    text = f"{machine()} {given.megabytes} MB a file, {given.rounds} rounds.\n\n{table(header, rows)}"
    print(text)
    if given.write_docs:
        write_docs("formats", text)


if __name__ == "__main__":
    main()
