"""Our own lines: one JSON object a call, ``token-telemetry/1``, as `pytest_token_telemetry.recording` writes them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pytest_token_telemetry.recording.record import (
    LONGEST_TEXT,
    MOST_FEATURES,
    SCHEMA,
    TRUNCATION_SOURCES,
    finish_reason,
    is_truncated,
)
from pytest_token_telemetry.sample import MAX_TOKENS_COUNTED, Sample
from pytest_token_telemetry.sources.records import Read, RecordError, Unusable

if TYPE_CHECKING:
    from pytest_token_telemetry.sources.scan import Fragment

TAG = json.dumps(SCHEMA).encode()


def parse(fragment: Fragment) -> Read | Unusable | None:
    """What ``fragment`` says; ``None`` if it only mentions the schema's name."""
    before, after = fragment.before.decode("utf-8", "replace"), fragment.after.decode("utf-8", "replace")
    starts = [at for at in (before.rfind("{"), before.find("{")) if at >= 0]
    if not starts:
        return None
    text = f"{before}{TAG.decode()}{after}"
    for start in dict.fromkeys(starts):
        try:
            record, _ = _DECODER.raw_decode(text, start)
        except (ValueError, RecursionError):
            continue
        if isinstance(record, dict) and record.get("schema") == SCHEMA:
            try:
                return _read(record)
            except RecordError as error:
                return Unusable(str(error))
    return Unusable("the JSON line is malformed or cut off")


_DECODER = json.JSONDecoder()


def _read(record: dict[str, Any]) -> Read:
    output = _count(record, "output_tokens")
    predicted = _count(record, "predicted_output_tokens")
    if output is None or predicted is None:
        raise RecordError(f"{'output_tokens' if output is None else 'predicted_output_tokens'} is missing")
    if output < 0:
        raise RecordError("output_tokens is negative")
    raw = _text(record, "finish_reason_raw") or _text(record, "finish_reason")
    reason = None if raw is None else finish_reason(raw)
    cap = _positive(record, "max_tokens")
    source = _text(record, "truncation_source")
    sample = Sample(
        predicted_output_tokens=predicted,
        output_tokens=output,
        budget_tokens=_positive(record, "budget_tokens"),
        max_tokens=cap,
        finish_reason=reason,
        finish_reason_raw=raw,
        truncated=is_truncated(_flag(record, "truncated"), reason, output, cap),
        success=_flag(record, "success"),
        category=_text(record, "category"),
        complexity=_text(record, "complexity"),
        deliverable_count=_positive(record, "deliverable_count"),
        task_id=_text(record, "task_id"),
        truncation_source=source if source in TRUNCATION_SOURCES else None,
        time=_time(record),
        model=_text(record, "model"),
        id=_text(record, "id") if isinstance(record.get("id"), str) else None,
        legacy=_flag(record, "legacy") or False,
        features=_features(record.get("features")),
    )
    return Read(sample, _identity(record, sample))


def _identity(record: dict[str, Any], sample: Sample) -> str | None:
    """The call's own id with its counts, or else the whole line if it has a time: the same in every copy.

    Servers that stand in for a provider may give every call the same id: other counts are another call.
    """
    if isinstance(record.get("id"), str):
        return f"id {sample.predicted_output_tokens} {sample.output_tokens} {record['id']}"
    return json.dumps(record, sort_keys=True) if isinstance(record.get("time"), str) else None


def _count(record: dict[str, Any], key: str) -> int | None:
    value = record.get(key)
    if value is None:
        return None
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 12:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise RecordError(f"{key} is not a whole number")
    if abs(value) > MAX_TOKENS_COUNTED:
        raise RecordError(f"{key} is too large")
    return value


def _positive(record: dict[str, Any], key: str) -> int | None:
    value = _count(record, key)
    return value if value is not None and value > 0 else None


def _flag(record: dict[str, Any], key: str) -> bool | None:
    value = record.get(key)
    if value is not None and not isinstance(value, bool):
        raise RecordError(f"{key} is not true, false or null")
    return value


def _text(record: dict[str, Any], key: str) -> str | None:
    value = record.get(key)
    if value is not None and not isinstance(value, str):
        raise RecordError(f"{key} is not a text")
    return _writable(value) if value else None


def _time(record: dict[str, Any]) -> datetime | None:
    value = record.get("time")
    try:
        time = datetime.fromisoformat(value) if isinstance(value, str) else None
        return time.astimezone(UTC).replace(tzinfo=None) if time is not None and time.tzinfo else time
    except (ValueError, OverflowError):
        return None


def _features(value: object) -> dict[str, str]:
    """The features that are plain values, as texts."""
    if not isinstance(value, dict):
        return {}
    plain = [(name, each) for name, each in value.items() if isinstance(each, (str, int, float, bool))]
    return {_writable(name): _writable(str(each)) for name, each in plain[:MOST_FEATURES]}


def _writable(text: str) -> str:
    """``text`` at its longest, in UTF-8: JSON can also write half a character."""
    text = text[:LONGEST_TEXT]
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
