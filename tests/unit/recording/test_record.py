"""One call as a line: what is written, and what is refused where it is made."""

from __future__ import annotations

import enum
import json
from datetime import UTC, datetime, timedelta, timezone
from importlib import resources

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st

from pytest_token_telemetry.recording.record import count, flag, line

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


@pytest.mark.parametrize("number", [1, 32])
def test_up_to_32_features_are_written(number: int) -> None:
    features = {f"f{n}": n for n in range(number)}
    assert written(features=features)["features"] == features


@pytest.mark.parametrize("features", [None, {}])
def test_no_features_are_written_as_nothing(features: object) -> None:
    assert "features" not in written(features=features)


@pytest.mark.parametrize(
    ("features", "error", "sentence"),
    [
        ({f"f{n}": n for n in range(33)}, ValueError, "features: 33 are too many (up to 32)"),
        ({"f": float("nan")}, ValueError, "features['f']: nan is not a number that JSON can hold"),
        ({"f": float("-inf")}, ValueError, "features['f']: -inf is not a number that JSON can hold"),
        ({"f": np.float32("inf")}, ValueError, "features['f']: inf is not a number that JSON can hold"),
        ({"f": "x" * 257}, ValueError, "features['f']: a text of 257 characters is too long (up to 256)"),
        ({"x" * 257: 1}, ValueError, "features: a text of 257 characters is too long (up to 256)"),
        ({1: 2}, TypeError, "features: 1 is not a text"),
        ({"f": b"raw"}, TypeError, "features['f']: bytes is no number, text, truth value or None"),
        ({"f": np.array([1, 2])}, TypeError, "features['f']: ndarray is no number, text, truth value or None"),
        (["f"], TypeError, "features: list is no mapping of names to values"),
        ("f", TypeError, "features: str is no mapping of names to values"),
        (7, TypeError, "features: int is no mapping of names to values"),
        ([], TypeError, "features: list is no mapping of names to values"),
    ],
)
def test_what_cannot_be_features_is_refused(features: object, error: type[Exception], sentence: str) -> None:
    with pytest.raises(error) as caught:
        line(**CALL, features=features)
    assert str(caught.value) == sentence


def test_what_fails_when_it_is_unwrapped_is_refused_by_name() -> None:
    class Tensor:
        def item(self) -> object:
            raise RuntimeError("a tensor of 2 elements cannot be converted")

    with pytest.raises(TypeError, match=r"^model: Tensor is no number, text, truth value or None$"):
        line(**CALL, model=Tensor())


@pytest.mark.parametrize("value", [None, True, 1, 1.5, "text", np.float64(1.5), Level.LOW, ""])
def test_plain_features_are_written(value: object) -> None:
    plain = value.value if isinstance(value, enum.Enum) else value
    assert written(features={"f": value})["features"] == {"f": plain}


def test_a_line_has_at_most_16_kib() -> None:
    """No reader has to look further: the rest of a longer line would be lost."""
    wide = {f"{n:02}": "ü" * 256 for n in range(31)}
    base = len(line(**CALL, features=wide, time=datetime(2026, 1, 2, tzinfo=UTC)).encode())
    room = 16384 - base - len(',"zz":""')
    assert 0 < room < 256
    longest = line(**CALL, features={**wide, "zz": "x" * room}, time=datetime(2026, 1, 2, tzinfo=UTC))
    assert len(longest.encode()) == 16384
    with pytest.raises(ValueError, match=r"^the call takes more than 16384 bytes \(record fewer"):
        line(**CALL, features={**wide, "zz": "x" * (room + 1)}, time=datetime(2026, 1, 2, tzinfo=UTC))


@pytest.mark.parametrize("field", ["category", "task_id", "model", "id", "complexity", "finish_reason"])
def test_half_a_character_is_replaced(field: str) -> None:
    text = line(**CALL, **{field: "a\ud83db"})
    text.encode("utf-8")
    assert json.loads(text)["finish_reason_raw" if field == "finish_reason" else field] == "a?b"


def test_half_a_character_of_a_feature_is_replaced() -> None:
    assert written(features={"a\ud83d": "\ude00b"})["features"] == {"a?": "?b"}


@pytest.mark.parametrize("source", ["reason", "cap", "reported"])
def test_what_says_that_a_call_was_cut_off_is_written(source: str) -> None:
    assert written(truncated=True, truncation_source=source)["truncation_source"] == source


@pytest.mark.parametrize("source", ["", "guess", "REASON", 1, True])
def test_another_source_of_truncation_is_refused(source: object) -> None:
    with pytest.raises(ValueError, match=f"^truncation_source: {source!r} is not one of reason, cap, reported$"):
        line(**CALL, truncation_source=source)


@pytest.mark.parametrize("value", [True, False, np.True_])
def test_a_call_of_the_first_version_is_written(value: object) -> None:
    assert written(legacy=value)["legacy"] is bool(value)


def test_a_version_that_is_no_flag_is_refused() -> None:
    with pytest.raises(TypeError, match=r"^legacy: 1 is not True, False or None$"):
        line(**CALL, legacy=1)


@pytest.mark.parametrize(
    ("value", "plain"),
    [(7, 7), (7.0, 7), (np.int32(7), 7), (np.float64(7.0), 7), (np.array(7), 7), (0, 0), (10**9, 10**9), (None, None)],
)
def test_a_count_becomes_a_plain_whole_number(value: object, plain: int | None) -> None:
    assert count("max_tokens", value) == plain
    assert type(count("max_tokens", value)) is type(plain)


@pytest.mark.parametrize(
    ("value", "error", "sentence"),
    [
        (True, TypeError, "max_tokens: True is not a whole number"),
        ("7", TypeError, "max_tokens: '7' is not a whole number"),
        (7.5, TypeError, "max_tokens: 7.5 is not a whole number"),
        (float("inf"), TypeError, "max_tokens: inf is not a whole number"),
        ([7], TypeError, "max_tokens: list is no number, text, truth value or None"),
        (-1, ValueError, "max_tokens: -1 is not between 0 and 1000000000"),
        (10**9 + 1, ValueError, "max_tokens: 1000000001 is not between 0 and 1000000000"),
    ],
)
def test_what_is_no_count_is_refused(value: object, error: type[Exception], sentence: str) -> None:
    with pytest.raises(error) as caught:
        count("max_tokens", value)
    assert str(caught.value) == sentence


def test_only_a_prediction_may_be_below_zero() -> None:
    assert count("predicted_output_tokens", -5) == -5


@pytest.mark.parametrize(
    ("value", "plain"), [(True, True), (False, False), (np.True_, True), (np.False_, False), (None, None)]
)
def test_a_flag_becomes_a_plain_truth_value(value: object, plain: bool | None) -> None:
    assert flag("truncated", value) is plain


@pytest.mark.parametrize("value", [1, 0, "yes", np.int64(1), float("nan")])
def test_what_is_no_flag_is_refused(value: object) -> None:
    with pytest.raises(TypeError, match=r"^truncated: .* is not True, False or None$"):
        flag("truncated", value)


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30) | st.sampled_from(
    ["token-telemetry/1", '"token-telemetry/1"', "[TokenEstimation]", "[TOKEN_BUDGET] a=b", "[", "\\", "\\u005bT", "\n"]
)


@limits(deadline=None)
@given(TEXTS, st.dictionaries(TEXTS, TEXTS, max_size=3))
def test_any_text_is_one_line_of_json_with_one_tag(text: str, features: dict[str, str]) -> None:
    found = line(**CALL, category=text, features=features)
    record = json.loads(found.encode("utf-8"))
    assert record["category"] == text
    assert record.get("features", {}) == features
    assert found.count('"token-telemetry/1"') == 1
    assert not any(tag in found for tag in ("[TokenEstimation", "[TOKEN_BUDGET]", "\n"))
