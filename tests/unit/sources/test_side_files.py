"""Side files: predictions in files of their own, joined with the calls of any source."""

from __future__ import annotations

import gzip
import json
import os
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_token_telemetry.sources.dividing import TaskSizes
from pytest_token_telemetry.sources.field_map import field_map
from pytest_token_telemetry.sources.keys import SideFile, SideFileError
from pytest_token_telemetry.sources.mapped import MappedSource
from pytest_token_telemetry.sources.own_format import SCHEMA
from pytest_token_telemetry.sources.own_format import line as own_line
from pytest_token_telemetry.sources.parallel import Scan
from pytest_token_telemetry.sources.places import UnusedColumn
from pytest_token_telemetry.sources.reading import Directory, Reading, read_directories
from pytest_token_telemetry.sources.recorded import Phase, Recorded, Span
from pytest_token_telemetry.sources.side_files import CONTRADICTS, NO_ID, NO_ROW, SAYS_NOTHING, TWICE, read_side_files
from tests.answers import chat as answer
from tests.spans import chat, span, spans, write_spans
from tests.unit.sources.builders import samples_of
from tests.unit.sources.json_files import reasons, write
from tests.unit.sources.test_batches import asked, completion


def side(path: Path, rows: Iterable[object]) -> SideFile:
    write(path, rows)
    return SideFile(str(path), path.name, f"--predictions: {path.name}")


def read(directory: Path, *files: SideFile, scan: Scan | None = None, recorded: Recorded | None = None) -> Reading:
    return read_directories([Directory(directory, "d")], ["*"], scan=scan, recorded=recorded, side_files=files)


def said(reading: Reading) -> list[tuple[int | None, str | None]]:
    """Prediction and category of each sample."""
    return [(each.predicted_output_tokens, each.category) for each in samples_of(reading)]


@pytest.mark.parametrize(
    "row",
    [{"trace_id": "5b8efff798038103d269b633813fc60c"}, {"span_id": "EEE19B7EC3C1B174"}, {"span_id": "7uGbfsPBsXQ="}],
    ids=["trace", "upper-case", "base64"],
)
def test_ids_of_spans_and_traces_are_the_same_however_they_are_written(tmp_path: Path, row: dict[str, object]) -> None:
    call = span(chat(900), trace="5B8EFFF798038103D269B633813FC60C", id="eee19b7ec3c1b174")
    write_spans(tmp_path / "logs" / "a.jsonl", spans(call))
    assert said(read(tmp_path / "logs", side(tmp_path / "p.jsonl", [{**row, "predicted_output_tokens": 800}]))) == [
        (800, None)
    ]


def litellm(n: int, **fields: object) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{n}",
        "litellm_call_id": f"call-{n}",
        "trace_id": "session",
        "call_type": "completion",
        "completion_tokens": 10,
        "response": answer("stop", tokens=10),
        **fields,
    }


OUR_SPAN = {"gen_ai.response.id": "resp-1"}
SPANS = spans(
    span({"gen_ai.operation.name": "invoke_agent"}, id="agent"),
    span(chat(900, **OUR_SPAN), id="inner", parent="outer"),
    span(chat(900, **OUR_SPAN), id="outer", parent="agent"),
)


@pytest.mark.parametrize(
    "id",
    [{"response_id": "resp-1"}, {"span_id": "inner"}, {"span_id": "outer"}, {"span_id": "agent"}, {"trace_id": "a1"}],
    ids=str,
)
def test_a_call_of_spans_is_named_by_response_span_or_trace(tmp_path: Path, id: dict[str, str]) -> None:
    write_spans(tmp_path / "spans.jsonl", SPANS)
    row = {"predicted_output_tokens": 800, "category": "docs", "success": "true", "deliverable_count": "3", **id}
    reading = read(tmp_path, side(tmp_path / "predictions.jsonl", [row]))
    (sample,) = samples_of(reading)
    assert (sample.predicted_output_tokens, sample.category, sample.success, sample.deliverable_count) == (
        *(800, "docs", True, 3),
    )
    assert (reading.remarks, reading.unusable, reading.nothing_known, reading.count("file")) == ({}, {}, 0, 1)


@pytest.mark.parametrize(
    ("name", "records", "id"),
    [
        ("calls.jsonl", [litellm(1)], {"call_id": "call-1"}),
        ("calls.jsonl", [litellm(1)], {"response_id": "chatcmpl-1"}),
        ("calls.jsonl", [litellm(1)], {"trace_id": "session"}),
        (
            "out.jsonl",
            [{"custom_id": "r-1", "response": {"status_code": 200, "body": answer("stop", tokens=10)}}],
            {"custom_id": "r-1"},
        ),
        ("own.jsonl", [json.loads(own_line(output_tokens=10, id="mine"))], {"call_id": "mine"}),
        ("answers.jsonl", [answer("stop", tokens=10, id="chatcmpl-9")], {"response_id": "chatcmpl-9"}),
        ("answers.jsonl", [answer("stop", tokens=10, id="a")], {"schema": SCHEMA, "id": "a"}),
        ("answers.jsonl", [answer("stop", tokens=10, id="a")], {"schema": SCHEMA, "id": "b", "response_id": "a"}),
    ],
)
def test_calls_of_any_source_are_joined(tmp_path: Path, name: str, records: list[object], id: dict[str, str]) -> None:
    write(tmp_path / name, records)
    reading = read(tmp_path, side(tmp_path / "predictions.jsonl", [{**id, "predicted_tokens": 12, "category": "docs"}]))
    assert (said(reading), reading.unusable, "without_call" in reading.remarks) == ([(12, "docs")], {}, False)


FAILED_IN_BATCH = {"custom_id": "b", "response": None, "error": {"code": "batch_expired", "message": "no"}}
ERROR_IN_BATCH = {"custom_id": "b", "response": {"status_code": 500, "body": {"error": {"message": "no"}}}}
ERRORED = {"custom_id": "b", "result": {"type": "errored", "error": {"type": "error"}}}
NO_COUNT = {"custom_id": "b", "response": {"status_code": 200, "body": {**answer("stop", id="b"), "usage": None}}}
LOST_SPAN = span({**chat(0), "gen_ai.usage.output_tokens": None, "gen_ai.response.id": "b"}, id="b1")


@pytest.mark.parametrize(
    ("name", "records", "id"),
    [
        ("errors.jsonl", [FAILED_IN_BATCH], {"custom_id": "b"}),
        ("out.jsonl", [ERROR_IN_BATCH], {"custom_id": "b"}),
        ("out.jsonl", [ERRORED], {"custom_id": "b"}),
        ("out.jsonl", [NO_COUNT], {"custom_id": "b"}),
        ("calls.jsonl", [litellm(1, status="failure")], {"call_id": "call-1"}),
        ("calls.jsonl", [litellm(1, status="failure")], {"response_id": "chatcmpl-1"}),
        ("calls.jsonl", [litellm(1, completion_tokens=-1)], {"trace_id": "session"}),
    ],
)
def test_a_row_of_a_call_that_cannot_be_used_is_not_without_a_call(
    tmp_path: Path, name: str, records: list[object], id: dict[str, str]
) -> None:
    write(tmp_path / name, records)
    rows = [{**id, "predicted_output_tokens": 12}, {"call_id": "nobody's", "predicted_output_tokens": 12}]
    for scan in (None, Scan(jobs=2, bounds=TaskSizes(10_000, 10, 4096))):
        reading = read(tmp_path, side(tmp_path / "predictions.jsonl", rows), scan=scan)
        assert (sum(each.count for each in reading.unusable.values()), reading.remarks) == (1, {"without_call": 1})


@pytest.mark.parametrize("where", ["matched", "beside", "named"])
def test_a_row_of_a_request_without_a_result_is_not_without_a_call(tmp_path: Path, where: str) -> None:
    requests = [asked(key, max_tokens=100) for key in "12"]
    name = {"matched": "in.jsonl", "beside": "in.txt.json", "named": "sent/in.jsonl"}[where]
    write(tmp_path / "d" / name if where != "named" else tmp_path / name, requests)
    write(tmp_path / "d" / "out.jsonl", [completion("1")])
    rows = [{"call_id": key, "predicted_output_tokens": 12} for key in ("1", "2", "nobody's")]
    scan = Scan(requests=(str(tmp_path / name),) if where == "named" else ())
    predictions = side(tmp_path / "predictions.jsonl", rows)
    reading = read_directories([Directory(tmp_path / "d", "d")], ["*.jsonl"], scan=scan, side_files=[predictions])
    assert (said(reading), reading.remarks) == ([(12, None)], {"without_call": 1})


def test_a_row_of_a_span_without_a_count_is_not_without_a_call(tmp_path: Path) -> None:
    write_spans(tmp_path / "spans.jsonl", spans(LOST_SPAN))
    for id in ({"span_id": "b1"}, {"response_id": "b"}, {"trace_id": "a1"}):
        reading = read(tmp_path, side(tmp_path / "predictions.jsonl", [{**id, "predicted_output_tokens": 12}]))
        assert (sum(each.count for each in reading.unusable.values()), reading.remarks) == (1, {})


def test_a_row_of_a_mapped_record_without_a_count_is_not_without_a_call(tmp_path: Path) -> None:
    (tmp_path / "predicted.csv").write_text("request,predicted_output_tokens\n7,12\n8,5\n")
    write(tmp_path / "calls.out", [{"used": None, "request": {"number": 7}}])
    gateway = field_map("gateway", tomllib.loads(MAP), "gateway", tmp_path)
    file = SideFile(str(tmp_path / "predicted.csv"), "p", "p", "gateway", "request")
    reading = read(tmp_path, file, scan=Scan(mapped=(MappedSource("gateway", gateway),)))
    assert (len(reading.unusable), reading.remarks) == (1, {"without_call": 1})


def test_many_plain_lines_of_our_own_are_joined_in_processes_and_parts_too(tmp_path: Path) -> None:
    ids = [f"id-{n}" for n in range(300)]
    lines = [own_line(output_tokens=n + 1, id=id) + "\n" for n, id in enumerate(ids)]
    (tmp_path / "own.log").write_text("".join(lines))
    rows = [{"call_id": id, "predicted_output_tokens": n} for n, id in enumerate(ids)]
    file = side(tmp_path / "predictions.jsonl", reversed(rows))
    whole = read(tmp_path, file)
    assert said(whole) == [(n, None) for n in range(300)]
    in_parts = Scan(jobs=2, bounds=TaskSizes(10_000, 10, 4096))
    assert said(read(tmp_path, file, scan=in_parts)) == said(whole)


def test_a_call_that_a_test_recorded_is_joined(tmp_path: Path) -> None:
    phase = Phase("test_it.py::test_it", Span(0, 1), (own_line(output_tokens=5, id="a"),))
    file = side(tmp_path / "predictions.jsonl", [{"call_id": "a", "predicted_output_tokens": 7}])
    reading = read(tmp_path, file, recorded=Recorded(phases=(phase,)))
    assert (said(reading), reading.remarks) == ([(7, None)], {})


def test_a_prediction_is_that_of_one_call_and_labels_are_those_of_all(tmp_path: Path) -> None:
    write(tmp_path / "calls.jsonl", [litellm(1), litellm(2)])
    rows = [
        {"trace_id": "session", "predicted_output_tokens": 800, "category": "docs"},
        {"call_id": "call-2", "predicted_output_tokens": 30},
    ]
    reading = read(tmp_path, side(tmp_path / "predictions.jsonl", rows))
    assert said(reading) == [(None, "docs"), (30, "docs")]
    assert (reading.remarks, reading.unusable) == ({"several_calls": 1}, {})


def test_the_id_of_a_row_of_another_form_names_no_call(tmp_path: Path) -> None:
    """It may be anything: the number of the row, say."""
    write(tmp_path / "answers.jsonl", [answer("stop", tokens=10, id="a")])
    rows = [{"id": "a", "predicted_output_tokens": 12}, {"call_id": "b", "predicted_output_tokens": 12}]
    reading = read(tmp_path, side(tmp_path / "predictions.jsonl", rows))
    assert (said(reading), reasons(reading)) == ([(None, None)], {NO_ID: (1, ["predictions.jsonl:1"])})


def test_the_id_of_a_line_of_ours_is_used(tmp_path: Path) -> None:
    """So -v does not list it among the keys that no field takes."""
    write(tmp_path / "answers.jsonl", [answer("stop", tokens=10, id="a")])
    line = json.loads(own_line(output_tokens=10, predicted_output_tokens=12, id="a"))
    reading = read(tmp_path, side(tmp_path / "predictions.jsonl", [line]))
    assert said(reading) == [(12, None)]
    assert [each.column for each in reading.unused_columns] == ["output_tokens", "time"]


def test_the_nearest_id_counts(tmp_path: Path) -> None:
    write_spans(tmp_path / "spans.jsonl", SPANS)
    rows = [
        {"trace_id": "a1", "predicted_output_tokens": 1, "complexity": "low"},
        {"span_id": "agent", "predicted_output_tokens": 2, "category": "docs"},
        {"span_id": "outer", "predicted_output_tokens": 3},
        {"response_id": "resp-1", "predicted_output_tokens": 4},
    ]
    for last, expected in ((4, 4), (3, 3), (2, 2), (1, 1)):
        (sample,) = samples_of(read(tmp_path, side(tmp_path / "predictions.jsonl", rows[:last])))
        assert sample.predicted_output_tokens == expected
        assert (sample.complexity, sample.category) == ("low", "docs" if last > 1 else None)


def test_a_row_with_several_ids_is_known_by_the_first(tmp_path: Path) -> None:
    write(tmp_path / "calls.jsonl", [litellm(1), litellm(2)])
    row = {"call_id": "call-2", "trace_id": "session", "predicted_output_tokens": 30, "category": "docs"}
    assert said(read(tmp_path, side(tmp_path / "predictions.jsonl", [row]))) == [(None, None), (30, "docs")]


def test_a_call_keeps_what_its_own_record_says(tmp_path: Path) -> None:
    own = {"metadata": {"spend_logs_metadata": {"predicted_output_tokens": 12, "category": "tests"}}}
    write(tmp_path / "calls.jsonl", [litellm(n, **own) for n in range(3)])
    rows = [
        {"call_id": "call-0", "predicted_output_tokens": 12, "category": "docs", "complexity": "low"},
        {"call_id": "call-1", "predicted_output_tokens": 13, "complexity": "low"},
    ]
    reading = read(tmp_path, side(tmp_path / "predictions.jsonl", rows))
    assert said(reading) == [(12, "tests")] * 3
    assert [each.complexity for each in samples_of(reading)] == ["low", None, None]
    assert (reasons(reading), reading.remarks) == ({CONTRADICTS: (1, ["predictions.jsonl:2"])}, {})


def test_an_id_with_two_values_is_unusable_and_the_same_twice_is_once(tmp_path: Path) -> None:
    write(tmp_path / "calls.jsonl", [litellm(n) for n in range(3)])
    rows = [
        {"call_id": "call-0", "predicted_output_tokens": 12},
        {"call_id": "call-1", "predicted_output_tokens": 12},
        {"call_id": "call-0", "predicted_output_tokens": 12, "category": "docs"},
        {"call_id": "call-1", "predicted_output_tokens": 12, "prompt": "another"},
    ]
    reading = read(tmp_path, side(tmp_path / "a.side", rows[:2]), side(tmp_path / "b.side", rows[2:]))
    assert said(reading) == [(None, None), (12, None), (None, None)]
    assert (reasons(reading), reading.remarks) == ({TWICE: (2, ["a.side:1", "b.side:1"])}, {})


def test_rows_without_a_call_and_rows_that_cannot_be_used_are_counted(tmp_path: Path) -> None:
    write(tmp_path / "calls.jsonl", [litellm(1)])
    rows = [
        {"call_id": "call-1", "predicted_output_tokens": 12},
        {"call_id": "another", "predicted_output_tokens": 12},
        {"call_id": "call-1"},
        {"predicted_output_tokens": 12},
        {"call_id": "call-3", "predicted_output_tokens": -1},
        {"call_id": "call-3", "predicted_output_tokens": "many"},
        17,
    ]
    file = side(tmp_path / "predictions.jsonl", rows)
    with Path(file.path).open("a") as more:
        more.write('{"call_id": "call-4", "predic')
    reading = read(tmp_path, file)
    assert (said(reading), reading.remarks) == ([(12, None)], {"without_call": 1})
    assert reasons(reading) == {
        SAYS_NOTHING: (1, ["predictions.jsonl:3"]),
        NO_ID: (1, ["predictions.jsonl:4"]),
        "a side file: predicted_output_tokens is negative": (1, ["predictions.jsonl:5"]),
        "a side file: predicted_output_tokens is not a whole number": (1, ["predictions.jsonl:6"]),
        NO_ROW: (1, ["predictions.jsonl:7"]),
        "a JSON document is malformed or cut off": (1, ["predictions.jsonl:8"]),
    }


def test_a_copy_of_a_call_is_no_second_call(tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl", [litellm(1)])
    write(tmp_path / "b.jsonl", [litellm(1)])
    file = side(tmp_path / "predictions.jsonl", [{"call_id": "call-1", "predicted_output_tokens": 12}])
    reading = read(tmp_path, file)
    assert (said(reading), reading.duplicates, reading.remarks) == ([(12, None)], 1, {})


def test_the_number_of_a_row_of_a_table_joins(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "calls.csv").write_text("id,output_tokens\n0,44\n1,45\n")
    found = read(tmp_path / "d", side(tmp_path / "p.jsonl", [{"call_id": 1, "predicted_output_tokens": 40}]))
    assert [sample.predicted_output_tokens for sample in samples_of(found)] == [None, 40]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("p.csv", b"call_id,predicted_output_tokens,category,note\ncall-1,12,docs,\ncall-7,5,,\n"),
        ("p.csv", b"call_id,predicted_output_tokens,category\ncall-1,12.0,docs\ncall-7,5.0,\n"),
        ("p.csv", b"\xef\xbb\xbfcall_id;predicted_output_tokens;category\r\ncall-1;12;docs\r\ncall-7;5;\r\n"),
        ("p.json", b'[{"call_id": "call-1", "predicted_output_tokens": 12.0, "category": "docs"},'
                   b' {"call_id": "call-7", "category": "x"}]'),
        ("p.jsonl.gz", gzip.compress(b'{"call_id": "call-1", "predicted_output_tokens": 12, "category": "docs"}\n'
                                     b'{"call_id": "call-7", "category": "x", "score": NaN}\n')),
    ],
    ids=["commas", "fractions", "semicolons", "json", "packed"],
)  # fmt: skip
def test_a_side_file_is_json_or_csv_compressed_or_not(tmp_path: Path, name: str, content: bytes) -> None:
    write(tmp_path / "calls.jsonl", [litellm(1)])
    (tmp_path / name).write_bytes(content)
    reading = read(tmp_path, SideFile(str(tmp_path / name), name, name))
    assert (said(reading), reading.remarks, reading.unusable) == ([(12, "docs")], {"without_call": 1}, {})


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "cannot be read: it is empty"),
        (b"\0\1\2", "cannot be read: its first line is not a header of a CSV file in UTF-8"),
        (b"guess,calls\n1,2\n", f"names no prediction: {NO_ID}, and no field takes its columns guess (did you mean"),
        (b"{", "cannot be read: a JSON document is malformed or cut off"),
        (b"\x1f\x8b\x08", "cannot be read: "),
    ],
)
def test_a_broken_side_file_is_one_sentence(tmp_path: Path, content: bytes, why: str) -> None:
    (tmp_path / "p").write_bytes(content)
    with pytest.raises(SideFileError) as error:
        read_side_files([SideFile(str(tmp_path / "p"), "p", "--predictions: p")])
    assert str(error.value).startswith(f"--predictions: p {why}")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (
            b"custom_id,prediction,kind\na,12,docs\n",
            "names no prediction: no field takes its columns prediction (did you mean predicted_output_tokens?) and"
            " kind",
        ),
        (
            b'{"custom_id": "a", "predictd_output_tokens": 12}\n',
            "names no prediction: no field takes its column predictd_output_tokens (did you mean",
        ),
        (
            b"customid,predicted_output_tokens\na,12\n",
            f"names no prediction: {NO_ID}, and no field takes its column customid (did you mean custom_id?)",
        ),
        (
            b"id,predicted_output_tokens\na,12\n",
            f"names no prediction: {NO_ID}, and no field takes its column id (did you mean call_id?)",
        ),
        (b"custom_id,predicted_output_tokens\na,\n", f"names no prediction: {SAYS_NOTHING} (write one JSON"),
    ],
)
def test_a_side_file_of_which_no_field_takes_a_column_names_them(tmp_path: Path, content: bytes, why: str) -> None:
    (tmp_path / "p").write_bytes(content)
    with pytest.raises(SideFileError) as error:
        read_side_files([SideFile(str(tmp_path / "p"), "p", "--predictions: p")])
    assert str(error.value).startswith(f"--predictions: p {why}")


@pytest.mark.parametrize("name", ["p.csv", "p.jsonl"])
def test_columns_of_a_side_file_that_no_field_takes_are_told(tmp_path: Path, name: str) -> None:
    """It brings no prediction. Its other ids and features are read, and what is measured of a call is not."""
    write(tmp_path / "calls.jsonl", [litellm(1)])
    row = {"call_id": "call-1", "trace_id": "t", "prediction": 12, "kind": "docs", "success": 1, "note_by": "me"}
    row |= {"token_telemetry.feature.x": 1, "finish_reason": "stop"}
    if name == "p.csv":
        (tmp_path / name).write_text(f"{','.join(row)}\n{','.join(map(str, row.values()))}\n")
    else:
        write(tmp_path / name, [row, {"call_id": "call-1", "success": 1}])
    reading = read(tmp_path, SideFile(str(tmp_path / name), name, name))
    assert reading.remarks == {"without_prediction": 1}
    assert reading.unused_columns == (
        UnusedColumn("finish_reason", "", 1, "side"),
        UnusedColumn("kind", "", 1, "side"),
        UnusedColumn("note_by", "", 1, "side"),
        UnusedColumn("prediction", "predicted_output_tokens", 1, "side"),
    )


def test_a_column_of_a_side_file_beside_that_of_its_field_is_no_slip(tmp_path: Path) -> None:
    write(tmp_path / "calls.jsonl", [litellm(1)])
    row = {"call_id": "call-1", "predicted_tokens": 12, "estimate": 9}
    reading = read(tmp_path, side(tmp_path / "p.jsonl", [row]))
    assert (reading.remarks, reading.unused_columns) == ({}, (UnusedColumn("estimate", "", 1, "side"),))


def test_a_side_file_that_is_gone_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(SideFileError, match=r"^p cannot be read: No such file or directory$"):
        read(tmp_path, SideFile(os.fspath(tmp_path / "p"), "p", "p"))


MAP = """
files = "*.out"
fields = { output_tokens = "used" }
join = { file = "predicted.csv", on = "request.number", key = "request" }
"""


def test_a_map_joins_its_records_by_any_name(tmp_path: Path) -> None:
    (tmp_path / "predicted.csv").write_text("request,predicted_output_tokens\n7,12\n8,5\n")
    write(tmp_path / "calls.out", [{"used": 10, "request": {"number": n}} for n in (7, 9)])
    gateway = field_map("gateway", tomllib.loads(MAP), "gateway", tmp_path)
    join = gateway.join
    assert join is not None
    file = SideFile(join.path, join.shown, join.label, "gateway", join.key)
    reading = read(tmp_path, file, scan=Scan(mapped=(MappedSource("gateway", gateway),)))
    assert (said(reading), reading.remarks) == ([(12, None), (None, None)], {"without_call": 1})


IDS = st.sampled_from(["call-0", "call-1", "call-2", "session", "nobody"])
COUNTS = st.none() | st.integers(0, 3)


@settings(max_examples=60)
@given(own=st.lists(COUNTS, min_size=3, max_size=3), rows=st.lists(st.tuples(IDS, COUNTS, COUNTS), max_size=6))
def test_every_row_is_used_or_counted(
    tmp_path_factory: pytest.TempPathFactory, own: list[int | None], rows: list[tuple[str, int | None, int | None]]
) -> None:
    """Against the same rules, written once more for one row at a time."""
    directory = tmp_path_factory.mktemp("d")
    metadata = [{} if n is None else {"predicted_output_tokens": n} for n in own]
    calls = [litellm(n, metadata={"spend_logs_metadata": each}) for n, each in enumerate(metadata)]
    write(directory / "calls.jsonl", calls)
    written = [
        {
            "trace_id" if id == "session" else "call_id": id,
            **({} if predicted is None else {"predicted_output_tokens": predicted}),
            **({} if label is None else {"category": f"c{label}"}),
        }
        for id, predicted, label in [*rows, ("call-9", 1, None)]  # a file without a row that can be used is refused
    ]
    reading = read(directory, side(directory / "p.jsonl", written))

    usable = [row for row in rows if row[1:] != (None, None)]
    values = {id: {row[1:] for row in usable if row[0] == id} for id, *_ in usable}
    once = {id: next(iter(each)) for id, each in values.items() if len(each) == 1}
    told = {n: once[f"call-{n}"][0] for n in range(3) if f"call-{n}" in once}
    wrong = {f"call-{n}" for n, guess in told.items() if None not in (own[n], guess) and own[n] != guess}
    expected = []
    for n, predicted in enumerate(own):
        near, far = once.get(f"call-{n}", (None, None)), once.get("session", (None, None))
        near = (None, None) if f"call-{n}" in wrong else near
        label = near[1] if near[1] is not None else far[1]
        guess = predicted if predicted is not None else near[0]
        expected.append((guess, None if label is None else f"c{label}"))
    assert said(reading) == expected
    counts = {reason: lines.count for reason, lines in reading.unusable.items()}
    differing = sum(len([row for row in usable if row[0] == id]) for id, each in values.items() if len(each) > 1)
    for reason, count in ((SAYS_NOTHING, len(rows) - len(usable)), (TWICE, differing), (CONTRADICTS, len(wrong))):
        assert counts.pop(reason, 0) == count
    assert counts == {}
    assert reading.remarks.get("without_call", 0) == 1 + ("nobody" in once)
    assert reading.remarks.get("several_calls", 0) == (once.get("session", (None,))[0] is not None)
