"""One model call as a line of telemetry: checked where it is made, so that no line is unusable later."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from enum import Enum
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

SCHEMA = "token-telemetry/1"

FinishReason = Literal["stop", "length", "tool_call", "content_filter", "error", "context", "unknown"]

Plain: TypeAlias = "str | int | float | bool | None"

FINISH_REASONS: dict[str, FinishReason] = {
    "stop": "stop",
    "end_turn": "stop",
    "stop_sequence": "stop",
    "length": "length",
    "max_tokens": "length",
    "max_output_tokens": "length",
    "max_tokens_exceeded": "length",
    "tool_use": "tool_call",
    "tool_calls": "tool_call",
    "tool_call": "tool_call",
    "function_call": "tool_call",
    "content_filter": "content_filter",
    "refusal": "content_filter",
    "safety": "content_filter",
    "error": "error",
    "context": "context",
    "model_length": "context",
    "model_context_window_exceeded": "context",
}
"""What providers and their libraries call the end of an output, in one vocabulary."""

MOST_TOKENS = 10**9
"""A larger count is taken for a defect."""

LONGEST_TEXT = 256
"""Characters of a name or feature. Prompts and answers do not belong into telemetry."""

_COUNTS = ("predicted_output_tokens", "output_tokens", "budget_tokens", "max_tokens", "deliverable_count")
_FLAGS = ("success", "truncated")
_TEXTS = ("category", "complexity", "task_id", "model", "id")


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
        fields: ``budget_tokens``, ``max_tokens``, ``deliverable_count`` (whole numbers), ``success``, ``truncated``
            (true or false), ``category``, ``complexity``, ``task_id``, ``model``, ``id`` (texts). ``None``: not known.

    Raises:
        TypeError: a value is of a kind that the field cannot hold, or there is no such field.
        ValueError: a value is out of range.
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
        elif name in _TEXTS:
            record[name] = _text(name, plain)
        else:
            raise TypeError(f"{name}: there is no such field (write features={{{name!r}: ...}})")
    raw = _plain("finish_reason", finish_reason)
    if raw is not None:
        text = _text("finish_reason", raw)
        record["finish_reason"] = _reason(text)
        record["finish_reason_raw"] = text
    if features:
        record["features"] = {_text("features", name): _feature(name, value) for name, value in features.items()}
    return json.dumps(record, ensure_ascii=False, separators=(",", ":"))


_reason = finish_reason


def _plain(name: str, value: object) -> Plain:
    """``value`` without its wrapping: enumerations by their value, numbers of other libraries as Python's own."""
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, datetime):
        return value.isoformat()
    if not isinstance(value, (str, int, float, bool, type(None))) and callable(item := getattr(value, "item", None)):
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


def _feature(name: str, value: object) -> Plain:
    plain = _plain(f"features[{name!r}]", value)
    return _text(f"features[{name!r}]", plain) if isinstance(plain, str) else plain


def _time(value: object) -> str:
    if value is None:
        value = datetime.now(UTC)
    if not isinstance(value, datetime):
        raise TypeError(f"time: {type(value).__name__} is not a datetime")
    if value.tzinfo is None:
        raise ValueError(f"time: {value.isoformat()} has no time zone (write datetime.now(UTC))")
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
