"""One call as a line: what is written, and what is refused where it is made."""

from __future__ import annotations

import enum
import json
from datetime import UTC, datetime, timedelta, timezone
from importlib import resources

import numpy as np
import pytest

from pytest_token_telemetry.recording.record import line

CALL = {"predicted_output_tokens": 900, "output_tokens": 850}


class Level(enum.Enum):
    LOW = "low"


def written(**fields: object) -> dict[str, object]:
    record: dict[str, object] = json.loads(line(**{**CALL, **fields}))
    return record


def test_a_line_has_what_was_given_and_nothing_that_was_not() -> None:
    record = written(time=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), category="docs", success=None)
    assert record == {
        "schema": "token-telemetry/1",
        "time": "2026-01-02T03:04:05Z",
        "predicted_output_tokens": 900,
        "output_tokens": 850,
        "category": "docs",
    }


def test_a_line_is_one_line() -> None:
    assert "\n" not in line(**CALL, category="a\nb\u2028c")


def test_the_time_is_now_if_there_is_none() -> None:
    before = datetime.now(UTC)
    assert before <= datetime.fromisoformat(str(written()["time"])) <= datetime.now(UTC)


def test_a_time_is_written_in_utc() -> None:
    zone = timezone(timedelta(hours=2))
    assert written(time=datetime(2026, 1, 2, 3, tzinfo=zone))["time"] == "2026-01-02T01:00:00Z"


@pytest.mark.parametrize(
    ("field", "value", "plain"),
    [
        ("output_tokens", np.int64(7), 7),
        ("output_tokens", 7.0, 7),
        ("success", np.bool_(True), True),
        ("complexity", Level.LOW, "low"),
        ("predicted_output_tokens", 0, 0),
    ],
)
def test_wrapped_values_become_plain(field: str, value: object, plain: object) -> None:
    assert written(**{field: value})[field] == plain
    assert type(written(**{field: value})[field]) is type(plain)


def test_features_become_plain_too() -> None:
    features = {"files": np.int32(3), "level": Level.LOW, "at": datetime(2026, 1, 2, tzinfo=UTC)}
    assert written(features=features)["features"] == {"files": 3, "level": "low", "at": "2026-01-02T00:00:00+00:00"}


@pytest.mark.parametrize(
    ("raw", "ours"),
    [("max_tokens", "length"), ("end_turn", "stop"), ("MAX_TOKENS", "length"), ("eos", "stop"), ("bored", "unknown")],
)
def test_a_finish_reason_is_kept_in_both_vocabularies(raw: str, ours: str) -> None:
    record = written(finish_reason=raw)
    assert (record["finish_reason"], record["finish_reason_raw"]) == (ours, raw)


@pytest.mark.parametrize(
    ("fields", "error", "sentence"),
    [
        ({"output_tokens": None}, TypeError, "output_tokens: None is not a whole number"),
        ({"output_tokens": "many"}, TypeError, "output_tokens: 'many' is not a whole number"),
        ({"output_tokens": True}, TypeError, "output_tokens: True is not a whole number"),
        ({"output_tokens": 1.5}, TypeError, "output_tokens: 1.5 is not a whole number"),
        ({"output_tokens": float("nan")}, TypeError, "output_tokens: nan is not a whole number"),
        ({"output_tokens": -1}, ValueError, "output_tokens: -1 is not between 0 and 1000000000"),
        ({"max_tokens": 10**10}, ValueError, "max_tokens: 10000000000 is not between"),
        ({"success": "yes"}, TypeError, "success: 'yes' is not True, False or None"),
        ({"category": 3}, TypeError, "category: 3 is not a text"),
        ({"category": "x" * 257}, ValueError, "category: a text of 257 characters is too long"),
        ({"prompt": "secret"}, TypeError, "prompt: there is no such field"),
        ({"model": object()}, TypeError, "model: object is no number, text, truth value or None"),
        ({"features": {"list": [1]}}, TypeError, "list is no number, text, truth value or None"),
        ({"time": "now"}, TypeError, "time: str is not a datetime"),
        ({"time": datetime(2026, 1, 2)}, ValueError, "has no time zone"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(
    fields: dict[str, object], error: type[Exception], sentence: str
) -> None:
    with pytest.raises(error) as caught:
        line(**{**CALL, **fields})
    assert sentence in str(caught.value)


def test_lines_are_valid_by_the_schema_that_is_shipped() -> None:
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed")
    package = resources.files("pytest_token_telemetry.recording")
    schema = json.loads(package.joinpath("token-telemetry-1.schema.json").read_text("utf-8"))
    check = jsonschema.Draft202012Validator(schema)
    check.check_schema(schema)
    full = written(
        budget_tokens=1,
        max_tokens=2,
        deliverable_count=3,
        success=True,
        truncated=False,
        truncation_source="cap",
        legacy=False,
        category="a",
        complexity="b",
        task_id="c",
        model="d",
        id="e",
        finish_reason="stop",
        features={"f": 1},
    )
    assert list(check.iter_errors(full)) == []
    assert set(full) == set(schema["properties"])
    assert not check.is_valid({**full, "output_tokens": -1})
    assert not check.is_valid({"schema": "token-telemetry/1"})
