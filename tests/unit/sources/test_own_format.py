"""Our own lines: what is written, what is refused where it is made, and what is read back."""

from __future__ import annotations

import enum
import json
from collections import Counter
from datetime import UTC, datetime, timedelta, timezone
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st

from pytest_token_telemetry.sample import FIELDS
from pytest_token_telemetry.sources.own_format import KEPT_REASONS, NO_RESPONSE, checked, count, line, unusable_line
from pytest_token_telemetry.sources.parallel import Scan
from pytest_token_telemetry.sources.places import UnusedColumn
from pytest_token_telemetry.sources.reading import Directory, Reading, read_directories
from pytest_token_telemetry.sources.source import Sizes
from pytest_token_telemetry.sources.tagged.formats import parse, telemetry_scanner
from pytest_token_telemetry.sources.tagged.records import Read
from tests.lines import v2

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
        ({"prompt": "secret"}, TypeError, "prompt: there is no such field (write features={'prompt': ...})"),
        ({"catgory": "docs"}, TypeError, "catgory: there is no such field (write category)"),
        ({"cap": 4096}, TypeError, "cap: there is no such field (write max_tokens)"),
        ({"model": object()}, TypeError, "model: object is not a number, text, truth value or None"),
        ({"features": {"list": [1]}}, TypeError, "list is not a number, text, truth value or None"),
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
    package = resources.files("pytest_token_telemetry.sources")
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
        operation="o",
        id="e",
        finish_reason="stop",
        features={"f": 1},
    )
    assert list(check.iter_errors(full)) == []
    assert set(full) == set(schema["properties"])
    assert check.is_valid({**full, "predicted_output_tokens": None})
    assert not check.is_valid({**full, "predicted_output_tokens": -1})
    assert not check.is_valid({**full, "output_tokens": -1})
    assert check.is_valid({"schema": "token-telemetry/1", "output_tokens": 0})
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
        ({"f": b"raw"}, TypeError, "features['f']: bytes is not a number, text, truth value or None"),
        ({"f": np.array([1, 2])}, TypeError, "features['f']: ndarray is not a number, text, truth value or None"),
        (["f"], TypeError, "features: list is not a mapping of names to values"),
        ("f", TypeError, "features: str is not a mapping of names to values"),
        (7, TypeError, "features: int is not a mapping of names to values"),
        ([], TypeError, "features: list is not a mapping of names to values"),
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

    with pytest.raises(TypeError, match=r"^model: Tensor is not a number, text, truth value or None$"):
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
        ([7], TypeError, "max_tokens: list is not a number, text, truth value or None"),
        (-1, ValueError, "max_tokens: -1 is not between 0 and 1000000000"),
        (10**9 + 1, ValueError, "max_tokens: 1000000001 is not between 0 and 1000000000"),
    ],
)
def test_what_is_no_count_is_refused(value: object, error: type[Exception], sentence: str) -> None:
    with pytest.raises(error) as caught:
        count("max_tokens", value)
    assert str(caught.value) == sentence


@pytest.mark.parametrize("name", [name for name, field in FIELDS.items() if field.kind == "count"])
def test_no_count_may_be_below_zero(name: str) -> None:
    with pytest.raises(ValueError, match=f"^{name}: -5 is not between 0 and 1000000000$"):
        count(name, -5)


@pytest.mark.parametrize(
    ("value", "plain"), [(True, True), (False, False), (np.True_, True), (np.False_, False), (None, None)]
)
def test_a_flag_becomes_a_plain_truth_value(value: object, plain: bool | None) -> None:
    assert checked("truncated", value) is plain


@pytest.mark.parametrize("value", [1, 0, "yes", np.int64(1), float("nan")])
def test_what_is_no_flag_is_refused(value: object) -> None:
    with pytest.raises(TypeError, match=r"^truncated: .* is not True, False or None$"):
        checked("truncated", value)


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30) | st.sampled_from(
    ["token-telemetry/1", '"token-telemetry/1"', "[TokenEstimation]", "[TOKEN_BUDGET] a=b", "[", "\\", "\\u005bT", "\n"]
)


@limits(deadline=None)
@given(TEXTS, st.dictionaries(TEXTS, TEXTS, max_size=3))
def test_any_text_is_one_record_on_one_line(text: str, features: dict[str, str]) -> None:
    found = line(**CALL, category=text, features=features)
    record = json.loads(found.encode("utf-8"))
    assert record["category"] == text
    assert record.get("features", {}) == features
    said = [parse(fragment) for fragment in telemetry_scanner().fragments_of(iter([f"{found}\n".encode()]))]
    assert [type(each) for each in said if each is not None] == [Read]
    assert not any(tag in found for tag in ("[TokenEstimation", "[TOKEN_BUDGET]", "\n"))


AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def read(directory: Path, text: str, name: str = "a.jsonl") -> Reading:
    (directory / name).write_text(text, encoding="utf-8")
    return read_directories([Directory(directory, "logs")], ["*.log", "*.jsonl"])


def call(**fields: object) -> str:
    return line(**{"predicted_output_tokens": 900, "output_tokens": 850, "time": AT, **fields})


def test_every_field_comes_back(tmp_path: Path) -> None:
    text = call(
        budget_tokens=1000,
        max_tokens=2000,
        finish_reason="end_turn",
        success=True,
        category="docs",
        complexity="low",
        deliverable_count=3,
        task_id="phase-7",
        model="m",
        features={"files": 3, "language": "de"},
    )
    found = read(tmp_path, f"{text}\n").samples
    assert len(found) == 1
    assert (found.predicted_output_tokens[0], found.output_tokens[0]) == (900, 850)
    assert (found.budget_tokens[0], found.max_tokens[0], found.deliverable_count[0]) == (1000, 2000, 3)
    assert (found.success[0], found.truncated[0], bool(found.legacy[0])) == (1, 0, False)
    assert [found.category.name(0), found.complexity.name(0), found.task_id.name(0), found.model.name(0)] == [
        "docs",
        "low",
        "phase-7",
        "m",
    ]
    assert (found.finish_reason.name(0), found.finish_reason_raw.name(0)) == ("stop", "end_turn")
    assert found.time[0].item() == AT.replace(tzinfo=None)
    assert found.features[0] == {"files": "3", "language": "de"}


@pytest.mark.parametrize(
    ("fields", "truncated"),
    [
        ({"finish_reason": "length"}, 1),
        ({"finish_reason": "stop", "truncated": True}, 1),
        ({"finish_reason": "length", "truncated": False}, 1),
        ({"finish_reason": "model_length"}, 1),
        ({"max_tokens": 850}, 1),
        ({"max_tokens": 850, "finish_reason": "tool_calls"}, 1),
        ({"max_tokens": 850, "finish_reason": "stop"}, 0),
        ({"max_tokens": 850, "truncated": False}, 0),
        ({"max_tokens": 851}, 0),
        ({"max_tokens": 851, "finish_reason": "a new word"}, 0),
        ({"max_tokens": 851, "finish_reason": "error"}, -1),
        ({"max_tokens": 851, "output_tokens": 0}, -1),
        ({"max_tokens": 0}, -1),
        ({"budget_tokens": 851}, -1),
        ({"finish_reason": "tool_calls"}, 0),
        ({"finish_reason": "a new word"}, -1),
        ({}, -1),
    ],
)
def test_a_call_is_truncated_if_anything_says_so(tmp_path: Path, fields: dict[str, object], truncated: int) -> None:
    assert read(tmp_path, call(**fields)).samples.truncated.tolist() == [truncated]


@pytest.mark.parametrize(
    ("reason", "raw", "ours", "truncated"),
    [
        ("length", "OUTPUT_CEILING", "length", 1),
        ("length", "end_turn", "length", 1),
        ("context", "end_turn", "context", 1),
        ("stop", "max_tokens", "length", 1),
        ("OUTPUT_LIMIT", None, "length", 1),
        (None, "maxTokens", "length", 1),
        ("stop", "a new word", "unknown", -1),
        ("unknown", "end_turn", "stop", 0),
    ],
)
def test_a_reason_that_says_cut_off_counts_in_either_field(
    tmp_path: Path, reason: str | None, raw: str | None, ours: str, truncated: int
) -> None:
    fields = {**json.loads(call()), "finish_reason": reason, "finish_reason_raw": raw}
    found = read(tmp_path, json.dumps(fields)).samples
    assert (found.finish_reason.name(0), found.finish_reason_raw.name(0)) == (ours, raw or reason)
    assert found.truncated.tolist() == [truncated]


def test_of_calls_with_a_cap_and_no_reason_all_count_for_truncation(tmp_path: Path) -> None:
    """10 of 100 reached the cap: 10%, not 10 of the 10 that reached it."""
    outputs = [1000] * 10 + [50] * 90
    text = "\n".join(call(id=str(n), output_tokens=each, max_tokens=1000) for n, each in enumerate(outputs))
    assert Counter(read(tmp_path, text).samples.truncated.tolist()) == {1: 10, 0: 90}


def test_keys_come_in_any_order_and_others_are_passed_over(tmp_path: Path) -> None:
    record = {"extra": {"deep": 1}, "output_tokens": "850", "time": None, "schema": "token-telemetry/1"}
    found = read(tmp_path, json.dumps({**record, "predicted_output_tokens": 900, "later": [1, {"a": 2}]}))
    assert found.samples.output_tokens.tolist() == [850]
    assert found.unusable == {}


@pytest.mark.parametrize(
    ("keys", "meant"),
    [
        ({"max_token": 2000}, {"max_token": "max_tokens"}),
        ({"max_token": "2000"}, {"max_token": "max_tokens"}),
        ({"maxTokens": 2000, "sucess": True}, {"maxTokens": "max_tokens", "sucess": "success"}),
        ({"stop_reason": "end_turn"}, {"stop_reason": "finish_reason"}),
        ({"categor\u200by": "docs"}, {"categor\u200by": "category"}),
        ({"max_token\ud800s": 5}, {"max_token?s": "max_tokens"}),
        ({"max_token": 2000, "max_tokens": 2000}, {}),
        ({"stop_reason": "end_turn", "finish_reason_raw": "end_turn"}, {}),
        ({"max_token": None, "sucess": "", "tim": "now", "categry": 3, "mode": [1], "budget": 0}, {}),
        ({"max_tokens" + "_" * 300: 5}, {}),
        ({"user": 3, "level": "info", "run": "a", "smape": 1.0, "unusable": "x", "idx": 3}, {}),
    ],
)
def test_keys_that_nearly_are_a_field_s_are_named_and_others_are_not(
    tmp_path: Path, keys: dict[str, object], meant: dict[str, str]
) -> None:
    text = "".join(json.dumps({"schema": "token-telemetry/1", **CALL, **keys}) + "\n" for _ in range(3))
    expected = tuple(UnusedColumn(key, field, 3, "line") for key, field in sorted(meant.items()))
    assert read(tmp_path, text).unused_columns == expected


def test_a_misspelt_output_is_named_where_no_line_can_be_used_for_it(tmp_path: Path) -> None:
    found = read(tmp_path, '{"schema":"token-telemetry/1","ouput_tokens":850}\n')
    assert [*found.unusable] == ["output_tokens is missing"]
    assert found.unused_columns == (UnusedColumn("ouput_tokens", "output_tokens", 1, "line"),)


def test_no_more_misspelt_keys_are_kept_than_the_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytest_token_telemetry.sources.rows.MOST_PLACES", 2)
    text = "".join(f'{call()[:-1]},"max_token{letter}":9}}\n' for letter in "abcd")
    assert [each.column for each in read(tmp_path, text).unused_columns] == ["max_tokena", "max_tokenb"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"output_tokens": None}, "output_tokens is missing"),
        ({"predicted_output_tokens": 1.5}, "predicted_output_tokens is not a whole number"),
        ({"output_tokens": "many"}, "output_tokens is not a whole number"),
        ({"output_tokens": 1.5}, "output_tokens is not a whole number"),
        ({"output_tokens": True}, "output_tokens is not a whole number"),
        ({"output_tokens": -1}, "output_tokens is negative"),
        ({"predicted_output_tokens": -1}, "predicted_output_tokens is negative"),
        ({"output_tokens": 10**10}, "output_tokens is too large"),
        ({"success": "yes"}, "success is not true, false or null"),
        ({"category": 3}, "category is not a text"),
        ({"output_tokens": None, "unusable": NO_RESPONSE}, NO_RESPONSE),
        ({"output_tokens": None, "unusable": "seCret"}, "output_tokens is missing"),
        ({"output_tokens": None, "unusable": [NO_RESPONSE]}, "output_tokens is missing"),
    ],
)
def test_a_line_that_cannot_be_used_is_counted_with_its_reason(
    tmp_path: Path, change: dict[str, object], reason: str
) -> None:
    found = read(tmp_path, json.dumps({**json.loads(call()), **change}))
    assert len(found.samples) == 0
    assert {why: lines.places for why, lines in found.unusable.items()} == {reason: ["logs/a.jsonl:1"]}


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ('"output_tokens":851', "output_tokens is given twice, with different values"),
        ('"output_tokens":850.0', "output_tokens is given twice, with different values"),
        ('"truncated":true,"truncated":1', "truncated is given twice, with different values"),
        ('"id":"seCret","id":null', "id is given twice, with different values"),
        ('"schema":"token-telemetry/2"', "schema is given twice, with different values"),
        ('"seCret":1,"seCret":2', "a key is given twice, with different values"),
        ('"features":{"seCret":1,"seCret":2}', "a key is given twice, with different values"),
        ('"features":{"a":[1]},"features":{"a":[2]}', "features is given twice, with different values"),
        ('"output_tokens":850', None),
        ('"category":"docs","category":"docs"', None),
        ('"features":{"a":[1]},"features":{"a":[1]}', None),
    ],
)
def test_two_values_for_one_key_cannot_be_used(tmp_path: Path, more: str, reason: str | None) -> None:
    found = read(tmp_path, f"{call()[:-1]},{more}}}")
    assert list(found.unusable) == ([] if reason is None else [reason])
    assert len(found.samples) == (reason is None)


def test_a_line_that_was_cut_off_is_lost_alone(tmp_path: Path) -> None:
    whole = call(id="a")
    found = read(tmp_path, f"{whole}\n{call(id='b')[:80]}\n{call(id='c')}\n{call(id='d')[:-1]}")
    assert len(found.samples) == 2
    assert {why: lines.count for why, lines in found.unusable.items()} == {"the JSON line is malformed or cut off": 2}


def test_objects_glued_into_one_line_are_all_read(tmp_path: Path) -> None:
    assert len(read(tmp_path, f"{call(id='a')}{call(id='b')} {call(id='c')}").samples) == 3


def test_a_mention_of_the_schema_is_none(tmp_path: Path) -> None:
    found = read(tmp_path, 'lines of "token-telemetry/1" are read\n', "a.log")
    assert (len(found.samples), found.unusable) == (0, {})


def test_lines_with_one_id_are_one_call(tmp_path: Path) -> None:
    (tmp_path / "b.jsonl").write_text(call(id="x", category="docs"))
    found = read(tmp_path, f"{call(id='x')}\n{call(id='y')}")
    assert (len(found.samples), found.duplicates) == (2, 1)


def test_copies_are_known_by_their_time_and_never_without(tmp_path: Path) -> None:
    timeless = json.dumps({"schema": "token-telemetry/1", "predicted_output_tokens": 1, "output_tokens": 1})
    (tmp_path / "b.jsonl").write_text(f"{call()}\n{timeless}\n")
    found = read(tmp_path, f"{call()}\n{timeless}\n")
    assert (len(found.samples), found.duplicates) == (3, 1)


def test_both_formats_may_stand_in_one_file(tmp_path: Path) -> None:
    assert len(read(tmp_path, f"{v2()}\n{call()}\n", "a.log").samples) == 2


@pytest.mark.parametrize("text", ['{"schema":"token-telemetry/1"' + "[" * 12000, "{" * 900 + '"token-telemetry/1"'])
def test_deep_nesting_is_no_crash(tmp_path: Path, text: str) -> None:
    assert len(read(tmp_path, text).samples) == 0


names = st.none() | st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)


@limits(deadline=None, max_examples=150)
@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "predicted_output_tokens": st.integers(0, 10**9),
                "output_tokens": st.integers(0, 10**9),
                "category": names,
                "task_id": names,
                "success": st.none() | st.booleans(),
                "truncated": st.booleans(),
                "deliverable_count": st.none() | st.integers(0, 50),
            }
        ),
        max_size=8,
    ),
    st.integers(1, 300),
)
def test_what_is_written_is_read_whatever_it_is(
    tmp_path_factory: pytest.TempPathFactory, calls: list[dict[str, object]], block: int
) -> None:
    directory = tmp_path_factory.mktemp("native")
    text = "".join(f"{line(**fields, time=AT, id=str(i))}\n" for i, fields in enumerate(calls))
    (directory / "a.jsonl").write_text(text, encoding="utf-8")
    found = read_directories([Directory(directory, "logs")], ["*.jsonl"], scan=Scan(sizes=Sizes(block))).samples
    assert found.output_tokens.tolist() == [fields["output_tokens"] for fields in calls]
    assert found.predicted_output_tokens.tolist() == [fields["predicted_output_tokens"] for fields in calls]
    assert [found.category.name(row) for row in range(len(found))] == [fields["category"] for fields in calls]
    assert found.truncated.tolist() == [int(bool(fields["truncated"])) for fields in calls]
    assert [found.task_id.name(row) for row in range(len(found))] == [fields["task_id"] for fields in calls]


HEAD = '{"schema":"token-telemetry/1"'
CUT_OFF = "the JSON line is malformed or cut off"


@pytest.mark.parametrize("cut", range(3, len(HEAD) + 1))
def test_a_file_that_is_cut_off_within_the_head_of_a_line_says_so(tmp_path: Path, cut: int) -> None:
    found = read(tmp_path, f"{call(id='a')}\n{HEAD[:cut]}")
    assert len(found.samples) == 1
    assert {why: lines.places for why, lines in found.unusable.items()} == {CUT_OFF: ["logs/a.jsonl:2"]}


@pytest.mark.parametrize("end", ["", "{", '{"', "}", "a {", '{"a', '"'])
def test_an_end_that_is_no_part_of_a_head_is_none(tmp_path: Path, end: str) -> None:
    found = read(tmp_path, f"{call(id='a')}\n{end}")
    assert (len(found.samples), found.unusable) == (1, {})


def test_a_file_that_is_cut_off_at_any_byte_of_a_line_loses_that_line_alone(tmp_path: Path) -> None:
    whole = f"{call(id='a')}\n{call(id='b', category='größe')}\n".encode()
    last = f"{call(id='c', task_id='größe', features={'n': 1.5})}\n".encode()
    for cut in range(3, len(last) - 1):
        (tmp_path / "a.jsonl").write_bytes(whole + last[:cut])
        found = read_directories([Directory(tmp_path, "logs")], ["*.jsonl"])
        assert len(found.samples) == 2, last[:cut]
        assert {why: lines.count for why, lines in found.unusable.items()} == {CUT_OFF: 1}, last[:cut]


def test_a_last_line_without_its_line_end_is_whole(tmp_path: Path) -> None:
    found = read(tmp_path, f"{call(id='a')}\n{call(id='b')}")
    assert (len(found.samples), found.unusable) == (2, {})


@pytest.mark.parametrize("source", ["reason", "cap", "reported"])
def test_what_says_that_a_call_was_cut_off_comes_back(tmp_path: Path, source: str) -> None:
    found = read(tmp_path, call(truncated=True, truncation_source=source)).samples
    assert (found.truncated.tolist(), found.truncation_source.name(0)) == ([1], source)


def test_another_source_of_truncation_is_not_known(tmp_path: Path) -> None:
    found = read(tmp_path, json.dumps({**json.loads(call()), "truncation_source": "a guess"})).samples
    assert [found.truncation_source.name(row) for row in range(len(found))] == [None]


def test_a_source_of_truncation_that_is_no_text_is_refused(tmp_path: Path) -> None:
    found = read(tmp_path, json.dumps({**json.loads(call()), "truncation_source": 1}))
    assert (len(found.samples), list(found.unusable)) == (0, ["truncation_source is not a text"])


@pytest.mark.parametrize(("legacy", "told"), [(True, True), (False, False), (None, False)])
def test_a_line_of_the_first_version_stays_one(tmp_path: Path, legacy: bool | None, told: bool) -> None:
    found = read(tmp_path, json.dumps({**json.loads(call()), "legacy": legacy}))
    assert found.samples.legacy.tolist() == [told]


def test_a_line_whose_version_is_no_flag_is_unusable(tmp_path: Path) -> None:
    found = read(tmp_path, json.dumps({**json.loads(call()), "legacy": "yes"}))
    assert (len(found.samples), list(found.unusable)) == (0, ["legacy is not true, false or null"])


@pytest.mark.parametrize("change", [{"output_tokens": 851}, {"predicted_output_tokens": 901}])
def test_lines_with_one_id_and_other_counts_are_other_calls(tmp_path: Path, change: dict[str, object]) -> None:
    """Servers that stand in for a provider may give every call the same id."""
    found = read(tmp_path, f"{call(id='x')}\n{call(id='x', **change)}\n{call(id='x')}\n")
    assert (len(found.samples), found.duplicates) == (2, 1)


def test_counts_and_ids_are_told_apart(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        f"{call(predicted_output_tokens=1, output_tokens=11, id='x')}\n"
        f"{call(predicted_output_tokens=11, output_tokens=1, id='x')}\n"
        f"{call(predicted_output_tokens=1, output_tokens=1, id='1 x')}\n"
        f"{call(predicted_output_tokens=1, output_tokens=1, id='x')}\n",
    )
    assert (len(found.samples), found.duplicates) == (4, 0)


@pytest.mark.parametrize("reason", sorted(KEPT_REASONS))
@pytest.mark.parametrize("truncated", [None, False, True])
def test_a_call_that_could_not_be_used_is_kept_with_its_reason(
    tmp_path: Path, reason: str, truncated: bool | None
) -> None:
    found = read(tmp_path, unusable_line(reason, truncated=truncated))
    assert (len(found.samples), {why: lines.count for why, lines in found.unusable.items()}) == (0, {reason: 1})
    assert found.uncounted == (int(truncated is not None), int(truncated is True))


def test_an_id_that_is_no_text_is_none(tmp_path: Path) -> None:
    lines = [json.dumps({**json.loads(call()), "id": 7, "output_tokens": 1, "time": at}) for at in ("a", "b", "b")]
    found = read(tmp_path, "\n".join(lines))
    assert (len(found.samples), found.duplicates) == (3, 0)


def test_half_a_character_is_read(tmp_path: Path) -> None:
    """JSON can write what UTF-8 cannot."""
    halves = {"id": "\ud83d", "category": "a\ud83d", "features": {"b\ud83d": "c\ud83d"}}
    found = read(tmp_path, "\n".join(json.dumps({**json.loads(call()), **halves}) for _ in range(2)))
    assert (len(found.samples), found.duplicates) == (1, 1)
    assert (found.samples.category.name(0), found.samples.features) == ("a?", {0: {"b?": "c?"}})
