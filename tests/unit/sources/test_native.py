"""Our own lines, read back."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st

from pytest_token_telemetry.recording.record import line
from pytest_token_telemetry.sources.reading import Directory, Reading, read_directories
from pytest_token_telemetry.sources.scanning import Scan
from tests.lines import v2

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
        ({"max_tokens": 851}, -1),
        ({"finish_reason": "tool_calls"}, 0),
        ({}, -1),
    ],
)
def test_a_call_is_truncated_if_anything_says_so(tmp_path: Path, fields: dict[str, object], truncated: int) -> None:
    assert read(tmp_path, call(**fields)).samples.truncated.tolist() == [truncated]


def test_keys_come_in_any_order_and_others_are_passed_over(tmp_path: Path) -> None:
    record = {"extra": {"deep": 1}, "output_tokens": "850", "time": None, "schema": "token-telemetry/1"}
    found = read(tmp_path, json.dumps({**record, "predicted_output_tokens": 900, "later": [1, {"a": 2}]}))
    assert found.samples.output_tokens.tolist() == [850]
    assert found.unusable == {}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"output_tokens": None}, "output_tokens is missing"),
        ({"predicted_output_tokens": None}, "predicted_output_tokens is missing"),
        ({"output_tokens": "many"}, "output_tokens is not a whole number"),
        ({"output_tokens": 1.5}, "output_tokens is not a whole number"),
        ({"output_tokens": True}, "output_tokens is not a whole number"),
        ({"output_tokens": -1}, "output_tokens is negative"),
        ({"output_tokens": 10**10}, "output_tokens is too large"),
        ({"success": "yes"}, "success is not true, false or null"),
        ({"category": 3}, "category is not a text"),
    ],
)
def test_a_line_that_cannot_be_used_is_counted_with_its_reason(
    tmp_path: Path, change: dict[str, object], reason: str
) -> None:
    found = read(tmp_path, json.dumps({**json.loads(call()), **change}))
    assert len(found.samples) == 0
    assert {why: lines.places for why, lines in found.unusable.items()} == {reason: ["logs/a.jsonl:1"]}


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
                "predicted_output_tokens": st.integers(-5, 10**9),
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
    found = read_directories([Directory(directory, "logs")], ["*.jsonl"], scan=Scan(buffer=block)).samples
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


def test_a_version_that_is_no_flag_is_refused(tmp_path: Path) -> None:
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


def test_an_id_that_is_no_text_is_none(tmp_path: Path) -> None:
    lines = [json.dumps({**json.loads(call()), "id": 7, "output_tokens": 1, "time": at}) for at in ("a", "b", "b")]
    found = read(tmp_path, "\n".join(lines))
    assert (len(found.samples), found.duplicates) == (2, 1)


def test_half_a_character_is_no_crash(tmp_path: Path) -> None:
    """JSON can write what UTF-8 cannot."""
    halves = {"id": "\ud83d", "category": "a\ud83d", "features": {"b\ud83d": "c\ud83d"}}
    found = read(tmp_path, "\n".join(json.dumps({**json.loads(call()), **halves}) for _ in range(2)))
    assert (len(found.samples), found.duplicates) == (1, 1)
    assert (found.samples.category.name(0), found.samples.features) == ("a?", {0: {"b?": "c?"}})
