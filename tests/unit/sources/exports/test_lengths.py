"""Tables of calls: a CSV file whose header names the output tokens."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from pytest_token_telemetry.sample import Sample
from pytest_token_telemetry.sources.exports import csv_rows
from pytest_token_telemetry.sources.exports.csv_rows import OTHER_CELLS
from pytest_token_telemetry.sources.field_names import PREDICTED
from pytest_token_telemetry.sources.own_format import NO_OUTPUT
from pytest_token_telemetry.sources.places import UnusedColumn
from tests.unit.sources.exports.readings import only, outputs, reading, reading_of, real, reasons, samples_of


@pytest.mark.parametrize(
    "text",
    [
        "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:15:46.6805900,374,44\n",
        "\ufefftimestamp;context;output_tokens\r\n2023-11-16 18:15:46.680590;374;44\r\n",
        'time\t"Completion Tokens"\n2023-11-16T18:15:46.680590\t"44"',
        "Timestamp,Model tokens,Response tokens\n2023-11-16T18:15:46.680590,9,44\n",
    ],
)
def test_a_row_is_a_call(tmp_path: Path, text: str) -> None:
    assert only(reading(tmp_path, text.encode(), "a.csv")) == Sample(
        output_tokens=44, time=datetime(2023, 11, 16, 18, 15, 46, 680590), run="d"
    )


def test_all_that_a_table_names_is_known(tmp_path: Path) -> None:
    text = (
        "id,predicted_output_tokens,actual_output,max_tokens,selected_budget,stop_reason,success,category,model,note\n"
        '1,800,900,8192,4096,end_turn,true,docs,m,"a, b"\n'
        "2,800,900,900,,,0,,m,x\n"
    )
    first, second = samples_of(reading(tmp_path, text.encode()))
    assert first == Sample(
        predicted_output_tokens=800,
        output_tokens=900,
        max_tokens=8192,
        budget_tokens=4096,
        finish_reason="stop",
        finish_reason_raw="end_turn",
        truncated=False,
        success=True,
        category="docs",
        model="m",
        run="d",
    )
    assert (second.truncated, second.truncation_source, second.success) == (True, "cap", False)


@pytest.mark.parametrize("name", ["id", "request_id"])
def test_numbers_of_rows_are_no_ids_of_calls(tmp_path: Path, name: str) -> None:
    """Each table numbers its rows from 0, and calls that are truncated at one cap have the same counts."""
    for run in ("one", "two"):
        text = f"{name},output_tokens,max_tokens\n0,4096,4096\n1,4096,4096\n0,4096,4096\n2,,4096\n"
        reading(tmp_path, text.encode(), f"{run}.csv")
    found = reading_of(tmp_path)
    assert (outputs(found), found.duplicates, reasons(found)) == ([4096] * 6, 0, {NO_OUTPUT: 2})


@pytest.mark.parametrize(
    ("first", "second", "copies"),
    [
        ("chatcmpl-1,,44\n", "chatcmpl-1,,44\n", 1),
        ("0,2026-01-01T00:00:00Z,44\n", "0,2026-01-01T00:00:00Z,44\n", 1),
        ("0,2026-01-01T00:00:00Z,44\n", "0,2026-01-02T00:00:00Z,44\n", 0),
        ("0,2026-01-01T00:00:00Z,44\n", "1,2026-01-01T00:00:00Z,44\n", 0),
    ],
)
def test_copies_of_rows_are_known_by_ids_or_by_numbers_and_times(
    tmp_path: Path, first: str, second: str, copies: int
) -> None:
    reading(tmp_path, b"id,time,output_tokens\n" + first.encode(), "a.csv")
    found = reading(tmp_path, b"id,time,output_tokens\n" + second.encode(), "b.csv")
    assert (len(found.samples), found.duplicates) == (2 - copies, copies)


TABLE = "timestamp,output_tokens,max_tokens,finish_reason\n"


@pytest.mark.parametrize(
    ("first", "second", "calls"),
    [
        pytest.param(["00:00:01,44,50,stop"], ["00:00:01,44,50,stop"], 1, id="copy"),
        pytest.param(["00:00:01,50,50,length"] * 3, ["00:00:01,50,50,length"] * 2, 3, id="side-by-side"),
        pytest.param(["00:00:01.25,44,50,stop"], ["00:00:01.75,44,50,stop"], 2, id="other-time"),
        pytest.param(["00:00:01,44,50,stop"], ["00:00:01,45,50,stop"], 2, id="other-output"),
        pytest.param(["00:00:01,44,50,stop"], ["00:00:01,44,60,stop"], 2, id="other-cap"),
        pytest.param(["00:00,44,50,stop"], ["00:00,44,50,stop"], 2, id="no-seconds"),
        pytest.param(["00:00:01,5,9,", "00:00:02,5,9,"], ["00:00:02,5,9,", "00:00:03,5,9,"], 3, id="overlap"),
    ],
)
def test_a_row_without_an_id_is_known_by_its_time_and_values(
    tmp_path: Path, first: list[str], second: list[str], calls: int
) -> None:
    """Calls that run side by side and end at one cap leave equal rows: their file tells how many."""
    for name, rows in (("a.csv", first), ("b.csv", second)):
        reading(tmp_path, (TABLE + "".join(f"2026-01-01T{row}\n" for row in ["09:09:09,1,,", *rows])).encode(), name)
    found = reading_of(tmp_path)
    # the row that both tables begin with is one more
    assert (len(found.samples), found.duplicates) == (calls + 1, len(first) + len(second) - calls + 1)


@pytest.mark.parametrize(
    "time", ["1764000000", "1764000000.0", "1764000000000", "1764000000000000", "2025-11-24T16:00:00Z"]
)
def test_a_time_may_be_the_seconds_since_1970(tmp_path: Path, time: str) -> None:
    found = reading(tmp_path, f"timestamp,output_tokens\n{time},44\n".encode())
    assert found.samples.time.tolist() == [datetime(2025, 11, 24, 16)]


def test_calls_without_a_count_are_as_many_as_tables_number(tmp_path: Path) -> None:
    for run in ("one", "two"):
        reading(tmp_path, b"id,output_tokens,finish_reason\n0,,length\n", f"{run}.csv")
    assert reading_of(tmp_path).uncounted == (2, 2)


@pytest.mark.parametrize("nothing", ["", "NaN", "nan", "None", "NULL", "<NA>"])
def test_a_column_with_cells_that_are_not_given_may_have_its_counts_with_a_fraction(
    tmp_path: Path, nothing: str
) -> None:
    """As pandas writes them: a count that is missing makes floats of all others of its column."""
    text = (
        "output_tokens,max_tokens,predicted_output_tokens,stop_reason,success\n"
        f"900,8192.0,800.0,stop,True\n8192,8192.0,{nothing},tool_use,{nothing}\n44,{nothing},{nothing},{nothing},False\n"
    )
    samples = samples_of(reading(tmp_path, text.encode(), "a.csv"))
    assert [(each.max_tokens, each.predicted_output_tokens, each.truncated) for each in samples] == [
        (8192, 800, False),
        (8192, None, True),
        (None, None, None),
    ]
    assert [(each.finish_reason_raw, each.success) for each in samples] == [
        ("stop", True),
        ("tool_use", None),
        (None, False),
    ]


@pytest.mark.parametrize(
    ("header", "row", "read", "unused"),
    [
        ("predicted,Finish Reason,note", "150,cut,x", (150, None, "cut"), [("note", "")]),
        ("prediction,token cap,done-reason", "150,300,stop", (150, 300, "stop"), []),
        ("predicted,predicted_tokens", "150,160", (160, None, None), [("predicted", "")]),
        ("predicted,forecast", "150,160", (None, None, None), [("forecast", PREDICTED), ("predicted", PREDICTED)]),
        ("predicted,x", "a long text,1", (None, None, None), [("predicted", ""), ("x", "")]),
        ("guess,limit", "150,160", (None, None, None), [("guess", PREDICTED), ("limit", "max_tokens")]),
        ("why,limit ms", "eos,160", (None, None, None), [("limit ms", ""), ("why", "finish_reason")]),
        ("limit,max_tokens", "150,160", (None, 160, None), [("limit", "")]),
    ],
)
def test_a_column_is_read_by_a_name_that_means_one_field_alone_or_told(
    tmp_path: Path, header: str, row: str, read: object, unused: list[tuple[str, str]]
) -> None:
    text = f"output_tokens,{header}\n" + f"44,{row}\n" * 3
    (tmp_path / "b.csv").write_text(text)
    found = reading(tmp_path, text.encode(), "a.csv")
    first = samples_of(found)[0]
    assert (first.predicted_output_tokens, first.max_tokens, first.finish_reason_raw) == read
    assert found.unused_columns == tuple(UnusedColumn(name, field, 2) for name, field in unused)


def test_rows_that_are_no_calls_are_counted(tmp_path: Path) -> None:
    text = "time,output_tokens\n1,44\n2,\n3,x\n4,-1\n5,1,2\n\n6,45\n7,1.5\n"
    found = reading(tmp_path, text.encode(), "a.csv")
    assert outputs(found) == [44, 45]
    assert reasons(found) == {
        NO_OUTPUT: 1,
        "output_tokens is not a whole number": 3,
        OTHER_CELLS: 1,
    }
    assert found.unusable[NO_OUTPUT].places == ["d/a.csv:3"]


@pytest.mark.parametrize(
    "text",
    [
        "time,tokens\n1,44\n",
        "[2026-01-01] INFO: time,output_tokens\n",
        "output_tokens\n44\n",
        "2026-01-02 03:04:05,678 - agent - INFO - output_tokens,12\n",
    ],
)
def test_other_text_is_no_table(tmp_path: Path, text: str) -> None:
    found = reading(tmp_path, text.encode())
    assert (outputs(found), found.unusable, found.unreadable, found.nothing_known) == ([], {}, {}, 1)


@pytest.mark.parametrize(
    "header",
    [
        "id,timestamp,name,observationCount,inputTokens,outputTokens,totalTokens",  # Langfuse's traces
        "id,createdAt,countTraces,outputTokens",  # and sessions
        "start_time,end_time,num_model_requests,input_tokens,output_tokens",  # OpenAI's usage
        "id,name,run_type,parent_run_id,completion_tokens",  # LangSmith's runs, those of chains too
    ],
)
def test_a_table_whose_rows_may_be_sums_over_calls_is_not_read_but_named(tmp_path: Path, header: str) -> None:
    row = ",".join("9" * len(header.split(",")))
    found = reading(tmp_path, f"{header}\n{row}\n".encode(), "a.csv")
    assert (len(found.samples), found.unknown) == (0, ("d/a.csv",))


def test_a_quote_that_is_never_closed_is_one_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_rows, "MOST", 1000)
    found = reading(tmp_path, b"output_tokens,note\n44,x\n" + b'45,"' + b"y\n" * 2000, "a.csv")
    assert (outputs(found), found.unreadable) == (
        [44],
        {"d/a.csv": "its CSV is malformed: field larger than field limit (1000)"},
    )


def test_columns_that_group_calls_are_read_by_other_names(tmp_path: Path) -> None:
    text = b"output_tokens,endpoint,Engine\n44,/v1/sum,small\n45,/v1/chat,small\n"
    found = samples_of(reading(tmp_path, text, "a.csv"))
    assert [(each.operation, each.model) for each in found] == [("/v1/sum", "small"), ("/v1/chat", "small")]


def test_cells_of_a_column_that_is_there_twice_are_not_chosen_from(tmp_path: Path) -> None:
    found = reading(tmp_path, b"output_tokens,id,id,output_tokens\n44,a,b,44\n45,a,a,46\n", "a.csv")
    assert (outputs(found), reasons(found)) == ([44], {NO_OUTPUT: 1})


@pytest.mark.parametrize("end", [b"y\n" * 3, b"y,1\n46,z", b""])
def test_rows_within_a_quote_that_is_never_closed_are_not_lost_without_a_word(tmp_path: Path, end: bytes) -> None:
    found = reading(tmp_path, b'output_tokens,note\n44,x\n\n45,"' + end, "a.csv")
    assert (outputs(found), found.unreadable) == ([44], {"d/a.csv": "the quote in the row of line 4 is never closed"})


def test_a_line_without_end_is_one_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_rows, "MOST", 1000)
    found = reading(tmp_path, b"output_tokens,note\n44,x\n45," + b"y" * 2000, "a.csv")
    assert (outputs(found), found.unreadable) == ([44], {"d/a.csv": "a line of its CSV has more than 0 MiB"})


def test_a_real_trace_has_lengths_and_nothing_else() -> None:
    found = reading_of(real("serving-traces"))
    samples = found.samples
    assert (len(samples), found.unusable, found.unreadable) == (2000, {}, {})
    assert outputs(found)[:3] == [44, 109, 55]
    assert {*np.unique(samples.max_tokens).tolist(), *np.unique(samples.truncated).tolist()} == {-1}
