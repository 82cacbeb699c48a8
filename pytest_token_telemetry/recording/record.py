"""One model call as a line of telemetry: checked where it is made, so that no line is unusable later."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from enum import Enum
from math import isfinite
from typing import Literal, TypeAlias

SCHEMA = "token-telemetry/1"

HEAD = f'{{"schema":"{SCHEMA}"'
"""How every line begins."""

FinishReason = Literal["stop", "length", "tool_call", "content_filter", "error", "context", "unknown"]

Plain: TypeAlias = "str | int | float | bool | None"

FINISH_REASONS: dict[str, FinishReason] = {
    "stop": "stop",
    "end_turn": "stop",
    "stop_sequence": "stop",
    "complete": "stop",
    "completed": "stop",
    "eos": "stop",
    "eos_token": "stop",
    "length": "length",
    "max_tokens": "length",
    "max_output_tokens": "length",
    "max_tokens_exceeded": "length",
    "tool_use": "tool_call",
    "tool_calls": "tool_call",
    "tool_call": "tool_call",
    "function_call": "tool_call",
    "content_filter": "content_filter",
    "content_filtered": "content_filter",
    "refusal": "content_filter",
    "safety": "content_filter",
    "sensitive": "content_filter",
    "error_toxic": "content_filter",
    "guardrail_intervened": "content_filter",
    "recitation": "content_filter",
    "language": "content_filter",
    "blocklist": "content_filter",
    "prohibited_content": "content_filter",
    "spii": "content_filter",
    "model_armor": "content_filter",
    "escalation": "content_filter",
    "jailbreak": "content_filter",
    "image_safety": "content_filter",
    "image_prohibited_content": "content_filter",
    "image_recitation": "content_filter",
    "error": "error",
    "failed": "error",
    "cancelled": "error",
    "network_error": "error",
    "insufficient_system_resource": "error",
    "malformed_function_call": "error",
    "malformed_tool_use": "error",
    "malformed_response": "error",
    "malformed_model_output": "error",
    "missing_thought_signature": "error",
    "unexpected_tool_call": "error",
    "context": "context",
    "model_length": "context",
    "model_context_window_exceeded": "context",
}
"""What providers and their libraries call the end of an output, in one vocabulary."""

MOST_TOKENS = 10**9
"""A larger count is taken for a defect."""

LONGEST_TEXT = 256
"""Characters of a name or feature. Prompts and answers do not belong into telemetry."""

MOST_FEATURES = 32
"""Features of one call."""

LONGEST_LINE = 1 << 14
"""Bytes of a line: no reader has to look further."""

TRUNCATION_SOURCES = ("reason", "cap", "reported")
"""What can say that an output was cut off: the finish reason, the cap that it reached, or who recorded it."""

_COUNTS = ("predicted_output_tokens", "output_tokens", "budget_tokens", "max_tokens", "deliverable_count")
_FLAGS = ("success", "truncated", "legacy")
_TEXTS = ("category", "complexity", "task_id", "model", "id")

FIELDS = frozenset({*_COUNTS, *_FLAGS, *_TEXTS, "time", "finish_reason", "truncation_source"})
"""All that a line can say of a call, besides the features of its own."""


def finish_reason(raw: str) -> FinishReason:
    """``raw`` in our vocabulary, however it is spelled: ``max_tokens``, ``MAX_TOKENS``, ``FinishReason.MAX_TOKENS``."""
    return FINISH_REASONS.get(raw.lower().rpartition(".")[2].replace("-", "_"), "unknown")


def is_truncated(
    stated: bool | None, reason: FinishReason | None, output_tokens: int, max_tokens: int | None
) -> bool | None:
    """Whether the output was cut off: if anything says so, a lost reason or an unset flag must not hide it.

    An output that reached the cap was cut off, unless the reason or the flag says that it ended by itself.
    """
    if stated or reason in ("length", "context"):
        return True
    if stated is not None:
        return stated
    if reason in ("stop", "content_filter"):
        return False
    if max_tokens and output_tokens >= max_tokens:
        return True
    return False if reason == "tool_call" else None


def line(
    *,
    predicted_output_tokens: object,
    output_tokens: object,
    time: object = None,
    finish_reason: object = None,
    features: Mapping[str, object] | None = None,
    **fields: object,
) -> str:
    """One call as a line of JSON, without its line end.

    Args:
        predicted_output_tokens: the estimator's prediction, made before the call.
        output_tokens: what the provider billed as output, reasoning included.
        time: a ``datetime`` with a time zone; now, if there is none.
        finish_reason: the provider's own word for why the output ended.
        features: what the estimator predicted from, as plain values; never the prompt.
        fields: ``budget_tokens``, ``max_tokens``, ``deliverable_count`` (whole numbers), ``success``, ``truncated``,
            ``legacy`` (true or false), ``truncation_source`` (one of `TRUNCATION_SOURCES`), ``category``,
            ``complexity``, ``task_id``, ``model``, ``id`` (texts). ``None``: not known.

    Raises:
        TypeError: a value is of a kind that the field cannot hold, or there is no such field.
        ValueError: a value is out of range, or the line would be too long.
    """
    counts = {"predicted_output_tokens": predicted_output_tokens, "output_tokens": output_tokens}
    record: dict[str, Plain | dict[str, Plain]] = {"schema": SCHEMA, "time": _time(time)}
    for name, value in {**counts, **fields}.items():
        plain = _plain(name, value)
        if plain is None and name not in counts:
            continue
        if name in _COUNTS:
            record[name] = _count(name, plain)
        elif name in _FLAGS:
            record[name] = _flag(name, plain)
        elif name == "truncation_source":
            record[name] = _one_of(name, plain, TRUNCATION_SOURCES)
        elif name in _TEXTS:
            record[name] = _text(name, plain)
        else:
            raise TypeError(f"{name}: there is no such field (write features={{{name!r}: ...}})")
    raw = _plain("finish_reason", finish_reason)
    if raw is not None:
        text = _text("finish_reason", raw)
        record["finish_reason"] = _reason(text)
        record["finish_reason_raw"] = text
    if features is not None and not isinstance(features, Mapping):
        raise TypeError(f"features: {type(features).__name__} is no mapping of names to values")
    if features:
        if len(features) > MOST_FEATURES:
            raise ValueError(f"features: {len(features)} are too many (up to {MOST_FEATURES})")
        record["features"] = {_text("features", name): _feature(name, value) for name, value in features.items()}
    text = json.dumps(record, ensure_ascii=False, separators=(",", ":"))
    for tag, escaped in _ESCAPES:
        text = f"{HEAD}{text[len(HEAD) :].replace(tag, escaped)}"
    encoded = text.encode("utf-8", "replace")
    if len(encoded) > LONGEST_LINE:
        raise ValueError(f"the call takes more than {LONGEST_LINE} bytes (record fewer or shorter features)")
    return encoded.decode()


_reason = finish_reason

_ESCAPES = (("[T", "\\u005bT"), (f'"{SCHEMA}"', json.dumps(SCHEMA).replace("/", "\\/")))
"""What a reader would take for the tag of a record, within a text of ours, and how JSON can write it otherwise."""


def completed(line: str, fields: Mapping[str, object]) -> str:
    """``line``, one of ours, with those of the ``fields`` that it does not have. ``None`` is not known here either."""
    known: dict[str, object] = json.loads(line)
    new = {name: value for name, value in fields.items() if value is not None and name not in known}
    return json.dumps({**known, **new}, ensure_ascii=False, separators=(",", ":"))


def count(name: str, value: object) -> int | None:
    """``value`` as the plain whole number that the field ``name`` takes, or ``None``.

    Raises:
        TypeError: it is no whole number.
        ValueError: it is out of range.
    """
    plain = _plain(name, value)
    return None if plain is None else _count(name, plain)


def flag(name: str, value: object) -> bool | None:
    """``value`` as the plain truth value that the field ``name`` takes, or ``None``.

    Raises:
        TypeError: it is no truth value.
    """
    plain = _plain(name, value)
    return None if plain is None else _flag(name, plain)


def _plain(name: str, value: object) -> Plain:
    """``value`` without its wrapping: enumerations by their value, numbers of other libraries as Python's own."""
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, datetime):
        return value.isoformat()
    if not isinstance(value, (str, int, float, bool, type(None))) and callable(item := getattr(value, "item", None)):
        with suppress(Exception):  # an array of many, or a class that calls something else so
            value = item()
    if isinstance(value, (str, int, float, bool, type(None))):
        return value
    raise TypeError(f"{name}: {type(value).__name__} is no number, text, truth value or None")


def _count(name: str, value: Plain) -> int:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name}: {value!r} is not a whole number")
    if not (0 <= value <= MOST_TOKENS or (name == "predicted_output_tokens" and -MOST_TOKENS <= value < 0)):
        raise ValueError(f"{name}: {value} is not between 0 and {MOST_TOKENS}")
    return value


def _flag(name: str, value: Plain) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{name}: {value!r} is not True, False or None")
    return value


def _text(name: str, value: Plain) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{name}: {value!r} is not a text")
    if len(value) > LONGEST_TEXT:
        raise ValueError(f"{name}: a text of {len(value)} characters is too long (up to {LONGEST_TEXT})")
    return value


def _one_of(name: str, value: Plain, choices: tuple[str, ...]) -> str:
    if value not in choices:
        raise ValueError(f"{name}: {value!r} is not one of {', '.join(choices)}")
    return str(value)


def _feature(name: str, value: object) -> Plain:
    plain = _plain(f"features[{name!r}]", value)
    if isinstance(plain, float) and not isfinite(plain):
        raise ValueError(f"features[{name!r}]: {plain} is not a number that JSON can hold")
    return _text(f"features[{name!r}]", plain) if isinstance(plain, str) else plain


def _time(value: object) -> str:
    if value is None:
        value = datetime.now(UTC)
    if not isinstance(value, datetime):
        raise TypeError(f"time: {type(value).__name__} is not a datetime")
    if value.tzinfo is None:
        raise ValueError(f"time: {value.isoformat()} has no time zone (write datetime.now(UTC))")
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
