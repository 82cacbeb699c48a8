"""OTLP JSON as real instrumentations and exporters write it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

NOW = 1_795_410_168_000_000_000
"""2026-11-23 05:02:48 UTC, in ns since 1970."""


def value(plain: object) -> dict[str, object]:
    """A value as OTLP writes it: 64-bit integers as texts."""
    if isinstance(plain, bool):
        return {"boolValue": plain}
    if isinstance(plain, int):
        return {"intValue": str(plain)}
    if isinstance(plain, float):
        return {"doubleValue": plain}
    if isinstance(plain, list):
        return {"arrayValue": {"values": [value(each) for each in plain]}}
    return {"stringValue": str(plain)}


def attributes(said: dict[str, object]) -> list[dict[str, object]]:
    """Attributes, but for those that are ``None``."""
    return [{"key": key, "value": value(each)} for key, each in said.items() if each is not None]


def span(
    said: dict[str, object],
    *,
    trace: str = "a1",
    id: str = "b1",
    parent: str = "",
    at: float = 0,
    lasts: float = 1,
    **more: Any,
) -> dict[str, Any]:
    """A span that says all this, and begins ``at`` so many seconds."""
    start = NOW + int(at * 1e9)
    return {
        "traceId": trace,
        "spanId": id,
        "parentSpanId": parent,
        "name": "chat gpt-5.2",
        "kind": 3,
        "startTimeUnixNano": str(start),
        "endTimeUnixNano": str(start + int(lasts * 1e9)),
        "attributes": attributes(said),
        "status": {},
        **more,
    }


def chat(output: object = 900, **said: object) -> dict[str, object]:
    """What the instrumentation of a provider's client says of a call. ``_`` in a name stands for a dot."""
    return {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "gpt-5.2",
        "gen_ai.usage.output_tokens": output,
        "gen_ai.request.max_tokens": 8192,
        "gen_ai.response.finish_reasons": ["stop"],
        "gen_ai.input.messages": '[{"role": "user", "content": "[TokenEstimationV2] {\\"schema\\""}]',
        **said,
    }


def spans(*given: dict[str, Any], resource: dict[str, object] | None = None) -> dict[str, Any]:
    """A document of spans."""
    return {
        "resourceSpans": [
            {
                "resource": {"attributes": attributes({"service.name": "agent", **(resource or {})})},
                "scopeSpans": [{"scope": {"name": "opentelemetry.instrumentation.genai.openai"}, "spans": [*given]}],
            }
        ]
    }


def write_spans(path: Path, *documents: object, indent: int | None = None) -> Path:
    """Write ``documents`` one after the other, as a file's exporter does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{json.dumps(each, indent=indent)}\n" for each in documents), encoding="utf-8")
    return path
