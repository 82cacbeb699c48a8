"""Files of any format, read by a map that a user wrote."""

from __future__ import annotations

import gzip
import pickle
import re
import tomllib
from datetime import datetime
from io import BytesIO
from pathlib import Path

import pytest

from pytest_token_telemetry.sample import Sample
from pytest_token_telemetry.sources import line_matching
from pytest_token_telemetry.sources.documents import PLAIN_TEXT
from pytest_token_telemetry.sources.field_map import MapError, as_text, dotted, field_map, maps_in
from pytest_token_telemetry.sources.line_matching import AT_ONCE, LONGEST, TOO_LONG, matched_lines
from pytest_token_telemetry.sources.look_like import OUTSIDE
from pytest_token_telemetry.sources.mapped import NO_LIST, NO_RECORD, MappedSource
from pytest_token_telemetry.sources.merge import Reading
from pytest_token_telemetry.sources.parallel import Scan
from pytest_token_telemetry.sources.places import Unfound
from pytest_token_telemetry.sources.reading import Directory, read_directories
from pytest_token_telemetry.sources.recorded import Recorded
from pytest_token_telemetry.sources.rows import Rows
from pytest_token_telemetry.sources.unread import FOR_A_MAP
from tests.lines import v2
from tests.unit.sources.exports.readings import lines, only, outputs, reasons, samples_of


def source(text: str) -> MappedSource:
    """The source of a map named ``ours``."""
    return MappedSource("ours", field_map("ours", tomllib.loads(text), "sources.ours"))


def reading(tmp_path: Path, written: str, content: bytes, name: str = "a.jsonl") -> Reading:
    """What a file holds, read by a map."""
    (tmp_path / name).write_bytes(content)
    return read_directories([Directory(tmp_path, "d")], ["*"], scan=Scan(mapped=(source(written),)))


GATEWAY = """
files = "*.jsonl"
where = { event = "call", "reply.status" = [200, "ok"] }

[fields]
output_tokens = "reply.usage.out"
predicted_output_tokens = ["labels.estimate", 'labels."our.estimate"']
max_tokens = { path = ["request.cap", "request.options.cap"], value = 512 }
finish_reason = { path = "reply.choices.0.why", values = { E = "stop", L = "length" } }
success = { path = "result", values = { done = true, "*" = false } }
model = { value = "m-1" }
time = "at"
id = "number"
features = { files = "request.files" }
"""


@pytest.mark.parametrize(
    ("files", "named", "remarks"),
    [("*.jsonl", "auto", {}), ("cals*.jsonl", "auto", {"maps_without_file": 1}), ("cals*.jsonl", "ours", {})],
)
def test_a_map_that_no_file_matches_is_told_with_its_pattern(
    tmp_path: Path, files: str, named: str, remarks: dict[str, int]
) -> None:
    (tmp_path / "calls.jsonl").write_bytes(lines({"out": 44}))
    own = source(f'files = "{files}"\nfields = {{ output_tokens = "out" }}')
    scan = Scan(mapped=(own,), format=named)
    found = read_directories([Directory(tmp_path, "d")], ["*"], scan=scan)
    assert found.remarks == remarks
    assert found.unfound == ((Unfound("ours", "files", "cals*.jsonl", 0),) if remarks else ())


def test_a_map_is_told_to_match_no_file_only_where_there_are_directories() -> None:
    own = source('files = "*.jsonl"\nfields = { output_tokens = "out" }')
    found = read_directories([], ["*"], recorded=Recorded(), scan=Scan(mapped=(own,)))
    assert (found.remarks, found.unfound) == ({}, ())


@pytest.mark.parametrize("event", ["cal", "call"])
def test_a_where_that_no_record_fits_is_told_beside_other_files(tmp_path: Path, event: str) -> None:
    where = f'{{ event = "{event}", "reply.status" = 200 }}'
    for number in range(2):
        (tmp_path / f"{number}.jsonl").write_bytes(lines({"event": "call", "reply": {"status": 200}, "out": 44}))
    (tmp_path / "a.log").write_text(f"{v2()}\n", encoding="utf-8")
    own = source(f'files = "*.jsonl"\nwhere = {where}\nfields = {{ output_tokens = "out" }}')
    found = read_directories([Directory(tmp_path, "d")], ["*"], scan=Scan(mapped=(own,)))
    expected = () if event == "call" else (Unfound("ours", "where", "event and reply.status", 2),)
    assert found.unfound == expected


def test_records_with_an_output_that_a_where_leaves_out_are_told(tmp_path: Path) -> None:
    """A record without one is no call that was missed."""
    others = [
        {"event": "retry", "out": 1},
        {"event": "retry", "out": 2},
        {"event": "ping", "out": ""},
        {"event": "ping"},
    ]
    (tmp_path / "a.jsonl").write_bytes(lines({"event": "call", "out": 44}, *others))
    own = source('files = "*.jsonl"\nwhere = { event = "call" }\nfields = { output_tokens = "out" }')
    found = read_directories([Directory(tmp_path, "d")], ["*"], scan=Scan(mapped=(own,)))
    assert found.unfound == (Unfound("ours", "outside where", "out", 2),)


@pytest.mark.parametrize("schema", ['{"schema":"token-telemetry/1"', '\n { "schema" : "token-telemetry/1"'])
def test_a_file_that_begins_with_a_line_of_our_own_is_read_as_such_whichever_map_its_name_matches(
    tmp_path: Path, schema: str
) -> None:
    mapped = 'files = "*.jsonl"\nwhere = { event = "call" }\nfields = { output_tokens = "out" }'
    theirs = lines({"event": "call", "out": 44})
    (tmp_path / "theirs.jsonl").write_bytes(theirs)
    found = reading(tmp_path, mapped, f'{schema},"output_tokens":40}}\n'.encode(), "calls.jsonl")
    assert (outputs(found), found.skipped) == ([40, 44], {})
    behind = reading(tmp_path, mapped, theirs + b'{"schema":"token-telemetry/1","output_tokens":40}\n', "calls.jsonl")
    assert (outputs(behind), behind.skipped) == ([44, 40, 44], {})  # one of theirs begins it
    both = reading(tmp_path, mapped, f'{schema},"output_tokens":40}}\n'.encode() + theirs, "calls.jsonl")
    assert (outputs(both), both.skipped) == ([40, 44, 44], {})


def test_lines_for_an_expression_below_a_line_of_our_own_are_an_unusable_line(tmp_path: Path) -> None:
    mapped = "files = '*.log'\nformat = 'text'\nexpression = 'out=(?P<output_tokens>\\d+)'"
    found = reading(tmp_path, mapped, b'{"schema":"token-telemetry/1","output_tokens":40}\nout=44\n', "calls.log")
    assert (outputs(found), reasons(found)) == ([40], {FOR_A_MAP: 1})


@pytest.mark.parametrize("success", ['["result", "outcome"]', '{ path = "outcome", values = { ok = true } }'])
def test_a_flag_whose_texts_have_no_meaning_is_told_with_its_map_its_path_and_the_way_out(
    tmp_path: Path, success: str
) -> None:
    written = f'files = "*.jsonl"\nfields = {{ output_tokens = "out", success = {success} }}'
    records = [{"out": 1, "outcome": "done"}, {"out": 1, "outcome": "failed"}, {"out": 3, "outcome": "yes"}]
    found = reading(tmp_path, written, lines(*records))
    path = "result or outcome" if success.startswith("[") else "outcome"
    why = f"success is not true, false or null: give a meaning to each value at {path} (values in map ours)"
    assert (reasons(found), outputs(found)) == ({why: 2}, [3])


def test_a_map_says_where_each_field_of_a_call_stands(tmp_path: Path) -> None:
    call = {
        "event": "call",
        "at": 1767225600,  # 2026-01-01T00:00:00Z
        "number": 7,
        "labels": {"our.estimate": 300},
        "request": {"files": 4, "options": {"cap": 400}},
        "reply": {"status": 200, "usage": {"out": 400}, "choices": [{"why": "L"}, {"why": "E"}]},
        "result": "gave up",
    }
    assert only(reading(tmp_path, GATEWAY, lines(call))) == Sample(
        predicted_output_tokens=300,
        output_tokens=400,
        max_tokens=400,
        finish_reason="length",
        finish_reason_raw="length",
        truncated=True,
        truncation_source="reason",
        success=False,
        model="m-1",
        time=datetime(2026, 1, 1),
        run="d",
        features={"files": "4"},
    )


def test_what_is_not_there_is_unknown_or_the_constant(tmp_path: Path) -> None:
    reply = {"status": "ok", "usage": {"out": 30}, "choices": [{"why": "else"}]}
    call = {"event": "call", "reply": reply, "request": {"cap": "", "files": None}}
    found = only(reading(tmp_path, GATEWAY, lines(call)))
    assert (found.predicted_output_tokens, found.max_tokens, found.success, found.features) == (None, 512, None, {})
    assert (found.finish_reason, found.finish_reason_raw) == ("unknown", "else")


def test_records_that_are_no_calls_are_skipped_and_those_that_cannot_be_used_are_counted(tmp_path: Path) -> None:
    usable = {"event": "call", "reply": {"status": 200, "usage": {"out": 30}}}
    content = lines(
        usable,
        {"event": "ping"},
        {**usable, "reply": {"status": 500}},
        {**usable, "reply": {"status": 200}},
        {**usable, "reply": {"status": 200, "usage": {"out": -1}}},
        {**usable, "request": {"cap": "many"}},
        {**usable, "result": "done", "labels": {"estimate": [1]}},
        "a text",
        [usable, usable],
    )
    found = reading(tmp_path, GATEWAY, content + b"no JSON\n" + lines(usable))
    assert outputs(found) == [30] * 4
    assert found.skipped == {f"{OUTSIDE}ours": 2, PLAIN_TEXT: 1}
    assert reasons(found) == {
        "output_tokens is missing: nothing at reply.usage.out (map ours)": 1,
        "output_tokens is negative": 1,
        "max_tokens is not a whole number": 1,
        "predicted_output_tokens is not a whole number": 1,
        NO_RECORD: 1,
    }


@pytest.mark.parametrize(
    "content",
    [
        b'[{"out": 1}, {"out": 2}]',
        b'{"out": 1}\n{"out": 2}\n',
        b'{\n  "out": 1\n}\n{\n  "out": 2\n}\n',
    ],
)
def test_json_may_be_lines_documents_or_a_list(tmp_path: Path, content: bytes) -> None:
    found = reading(tmp_path, 'files = "*.jsonl"\nfields.output_tokens = "out"', content)
    assert outputs(found) == [1, 2]
    assert found.unusable == {}


@pytest.mark.parametrize(
    ("content", "written", "why"),
    [
        (b"out;why\n12;a\n13;b\n", "", 'it is a CSV file (add format = "csv" to map ours)'),
        (b"\xef\xbb\xbfout,why\r\n12,a\r\n", "", 'it is a CSV file (add format = "csv" to map ours)'),
        (b"calls, all of them\n" + b"no JSON\n", "", "a line is not JSON"),
        (b'{"out": 1}\n', 'format = "csv"\n', 'it is JSON (remove format = "csv" from map ours)'),
        (b"12\n", 'format = "csv"\n', "its first line is not a header of a CSV file in UTF-8"),
    ],
)
def test_a_file_of_another_format_than_its_map_says_is_told_with_the_remedy(
    tmp_path: Path, content: bytes, written: str, why: str
) -> None:
    for name, packed in (("a.txt", content), ("b.txt.gz", gzip.compress(content))):
        (tmp_path / name).write_bytes(packed)
    own = source(f'files = "*.txt*"\n{written}fields.output_tokens = "out"')
    found = read_directories([Directory(tmp_path, "d")], ["*"], scan=Scan(mapped=(own,)))
    assert found.unreadable == {"d/a.txt": why, "d/b.txt.gz": why}
    assert found.unusable == {} or why == "a line is not JSON"


def test_lines_above_json_are_no_header(tmp_path: Path) -> None:
    content = b"time, level\n" + lines({"out": 1})
    assert outputs(reading(tmp_path, 'files = "*.jsonl"\nfields.output_tokens = "out"', content)) == [1]


def test_records_may_stand_in_a_list_within_a_document_and_in_a_text_of_json(tmp_path: Path) -> None:
    written = 'files = "*.jsonl"\nrecords = "data.calls"\nfields.output_tokens = "usage.out"'
    content = lines(
        {"data": {"calls": [{"usage": {"out": 1}}, {"usage": '{"out": 2}'}]}},
        {"data": {}},
        {"data": {"calls": []}},
    )
    found = reading(tmp_path, written, content)
    assert (outputs(found), reasons(found)) == ([1, 2], {NO_LIST: 1})


def test_records_may_stand_in_each_document_of_a_list(tmp_path: Path) -> None:
    content = lines([{"data": {"calls": [{"out": 5}, {"out": 6}]}}, {"data": {"calls": [{"out": 7}]}}, {}])
    found = reading(tmp_path, 'files = "*"\nrecords = "data.calls"\nfields.output_tokens = "out"', content)
    assert outputs(found) == [5, 6, 7]
    assert reasons(found) == {NO_LIST: 1}
    inner = lines([[{"out": 5}], {"calls": [{"out": 6}]}])
    at_place = reading(tmp_path, 'files = "*"\nrecords = "0"\nfields.output_tokens = "out"', inner)
    assert outputs(at_place) == [5]


@pytest.mark.parametrize(
    ("first", "second", "calls"),
    [
        ([{"id": "x"}], [{"id": "x"}, {"id": "y"}], 2),
        ([{"id": "x"}, {"id": "x"}], [], 1),
        ([{"id": 7, "at": "2026-01-01T10:00:00"}, {"id": 7, "at": "2026-01-01T10:00:09"}], [], 2),
        ([{"at": "2026-01-01T10:00:00"}], [{"at": "2026-01-01T10:00:00"}], 1),
        ([{"at": "2026-01-01T10:00:00"}, {"at": "2026-01-01T10:00:00"}], [], 2),
        ([{}], [{}], 2),
    ],
)
def test_which_records_are_one_call(
    tmp_path: Path, first: list[dict[str, object]], second: list[dict[str, object]], calls: int
) -> None:
    written = 'files = "*.jsonl"\nfields = { output_tokens = "out", id = "id", time = "at" }'
    (tmp_path / "b.jsonl").write_bytes(lines(*({"out": 5, **each} for each in second)))
    assert outputs(reading(tmp_path, written, lines(*({"out": 5, **each} for each in first)))) == [5] * calls


def test_a_map_of_a_table_names_its_columns(tmp_path: Path) -> None:
    written = """
    files = "*.csv"
    format = "csv"
    where = { kind = "llm", ok = true }
    fields = { output_tokens = "n.out", success = "ok", category = { path = "sort", values = { d = "docs" } } }
    """
    content = b"kind,ok,n.out,sort\nllm,true,12,d\nllm,false,13,d\nllm,true,14,\nllm,true,,d\n"
    found = reading(tmp_path, written, content, "a.csv")
    assert [(each.output_tokens, each.success, each.category) for each in samples_of(found)] == [
        (12, True, "docs"),
        (14, True, None),
    ]
    assert (found.skipped, reasons(found)) == (
        {f"{OUTSIDE}ours": 1},
        {"output_tokens is missing: nothing at n.out (map ours)": 1},
    )


WRONG_PATHS = """
fields.output_tokens = ["nope", "out"]
fields.predicted_output_tokens = ["limits.gues", "limits.guesses"]
fields.max_tokens = "cap"
fields.finish_reason = { path = "whi", value = "stop" }
fields.features = { files = "fils" }
"""


@pytest.mark.parametrize(
    ("written", "name", "content"),
    [
        (
            f'files = "*.jsonl"\nwhere = {{ kind = "call" }}\n{WRONG_PATHS}',
            "{}.jsonl",
            lines({"kind": "call", "out": 1, "cap": 9}, {"kind": "call", "out": 2}, {"kind": "ping"}),
        ),
        (
            'files = "*.csv"\nformat = "csv"\n' + WRONG_PATHS.replace("limits.", "limits "),
            "{}.csv",
            b"out,cap,limits guess\n1,9,3\n2,,3\n",
        ),
        (
            "files = '*.out'\nexpression = '"
            r"(?P<out>\d+)(?: (?P<cap>9))?(?P<fils>x)?(?P<gues>y)?(?P<guesses>y)?(?P<whi>y)?'"
            + WRONG_PATHS.replace("limits.", "").replace('"nope", ', ""),
            "{}.out",
            b"1 9\n2\nno call\n",
        ),
    ],
    ids=["json", "csv", "text"],
)
@pytest.mark.parametrize("jobs", [1, 2])
def test_a_path_that_leads_to_a_value_in_no_record_is_told(
    tmp_path: Path, written: str, name: str, content: bytes, jobs: int
) -> None:
    for number in range(3):
        (tmp_path / name.format(number)).write_bytes(content)
    found = read_directories([Directory(tmp_path, "d")], ["*"], scan=Scan(jobs=jobs, mapped=(source(written),)))
    paths = {"csv": "limits gues or limits guesses", "out": "gues or guesses"}
    predicted = paths.get(name.rpartition(".")[2], "limits.gues or limits.guesses")
    assert sorted(outputs(found)) == [1, 1, 1, 2, 2, 2]
    assert found.unfound == (
        Unfound("ours", "predicted_output_tokens", predicted, 6),
        Unfound("ours", "features.files", "fils", 6),
    )


def test_a_path_that_leads_to_a_value_in_one_file_of_many_is_right(tmp_path: Path) -> None:
    (tmp_path / "b.jsonl").write_bytes(lines({"out": 1, "guess": 3}))
    found = reading(
        tmp_path,
        'files = "*.jsonl"\nfields = { output_tokens = "out", predicted_output_tokens = "guess" }',
        lines({"out": 1}, {"out": 2, "guess": ""}),
    )
    assert (len(outputs(found)), found.unfound) == (3, ())


def test_a_path_to_what_is_never_a_time_is_told(tmp_path: Path) -> None:
    written = 'files = "*.jsonl"\nfields = { output_tokens = "out", time = "why" }'
    found = reading(tmp_path, written, lines({"out": 1, "why": "done"}, {"out": 2}))
    assert (outputs(found), found.unfound) == ([1, 2], (Unfound("ours", "time", "why", 2),))
    found = reading(tmp_path, written, lines({"out": 1, "why": "done"}, {"out": 2, "why": "2026-01-05T10:00:03Z"}))
    assert found.unfound == ()
    found = reading(tmp_path, written, lines({"out": 1, "why": "1764000000"}))
    assert found.samples.time.tolist() == [datetime(2025, 11, 24, 16)]


def test_the_reason_of_a_missing_output_names_the_map_and_its_paths(tmp_path: Path) -> None:
    written = 'files = "*.jsonl"\nfields = { output_tokens = ["a.out", "used"], finish_reason = "why" }'
    found = reading(tmp_path, written, lines({"a": 1, "why": "length"}, {"why": "stop"}))
    assert reasons(found) == {"output_tokens is missing: nothing at a.out or used (map ours)": 2}
    assert found.unfound == (Unfound("ours", "output_tokens", "a.out or used", 2),)
    assert found.uncounted.truncated == 1


TEXT = """
files = "*.out"
expression = 'used (?P<output_tokens>\\S+) of (?P<cap>\\d+)(?: because (?P<why>\\w+))?'
fields = { output_tokens = "output_tokens", max_tokens = "cap", finish_reason = "why" }
"""


def test_a_count_of_a_table_may_have_a_fraction_of_zero(tmp_path: Path) -> None:
    """As pandas writes all counts of a column with one that is missing."""
    table = 'files = "*.csv"\nformat = "csv"\nfields = { output_tokens = "out", max_tokens = "cap" }\n'
    found = reading(tmp_path, table, b"out,cap\n44.0,64.00\n64,64.0\n45,\n46,1.5\n", "a.csv")
    assert [(each.output_tokens, each.max_tokens) for each in samples_of(found)] == [(44, 64), (64, 64), (45, None)]
    assert reasons(found) == {"max_tokens is not a whole number": 1}


def test_an_expression_finds_calls_in_lines(tmp_path: Path) -> None:
    content = b"start\nx used 40 of 90 y\r\nused 90 of 90 because limit\nused ? of 90\nused 7 of\n\xff used 8 of 9"
    found = reading(tmp_path, TEXT, content, "a.out")
    assert [(each.output_tokens, each.max_tokens, each.truncated) for each in samples_of(found)] == [
        (40, 90, False),
        (90, 90, True),
        (8, 9, False),
    ]
    assert reasons(found) == {"output_tokens is not a whole number": 1}
    assert found.unusable["output_tokens is not a whole number"].places == ["d/a.out:4"]


def test_groups_with_the_names_of_fields_need_no_fields(tmp_path: Path) -> None:
    written = "files = '*.out'\nexpression = '(?P<output_tokens>\\d+)/(?P<max_tokens>\\d+) (?P<other>x)?'"
    assert only(reading(tmp_path, written, b"3/4 \n", "a.out")).max_tokens == 4


def test_long_texts_are_matched_in_pieces_and_a_line_that_is_too_long_is_counted(tmp_path: Path) -> None:
    n = AT_ONCE // 8
    content = (
        b"".join(b"used %d of 9\n" % each for each in range(n)) + b"used 1 of " + b"9" * LONGEST + b"\nused 5 of 9"
    )
    found = reading(tmp_path, TEXT, content, "a.out")
    assert outputs(found) == [*range(n), 5]
    assert found.unusable[TOO_LONG].places == [f"d/a.out:{n + 1}"]


def test_an_expression_that_backtracks_is_ended_and_nobody_waits_for_it_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line_matching, "_too_slow", set())
    hopeless = b"ab\n" + b"a" * 100 + b"!\n"
    with pytest.raises(OSError, match=r"the expression of its map takes longer than 0\.5 s at line 1 or soon after"):
        [*matched_lines(r"(?P<x>(a+)+)b", BytesIO(hopeless), Rows(), patience=0.5)]
    with pytest.raises(OSError, match="took too long for an earlier file"):
        [*matched_lines(r"(?P<x>(a+)+)b", BytesIO(hopeless), Rows(), patience=0.5)]


def test_a_map_claims_the_files_of_its_patterns_before_any_other_source(tmp_path: Path) -> None:
    written = 'files = ["gate/*.csv", "*.out"]\nformat = "csv"\nfields = { output_tokens = "other" }'
    (tmp_path / "gate").mkdir()
    (tmp_path / "gate" / "a.csv").write_text("output_tokens,other\n1,2\n")
    assert sorted(outputs(reading(tmp_path, written, b"output_tokens,other\n1,3\n", "b.csv"))) == [1, 2]


def test_a_map_is_known_in_other_processes(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / f"{number}.jsonl").write_bytes(lines({"out": number}))
    own = source('files = "*.jsonl"\nfields.output_tokens = "out"')
    assert pickle.loads(pickle.dumps(own)) == own
    found = read_directories([Directory(tmp_path, "d")], ["*"], scan=Scan(jobs=2, mapped=(own,)))
    assert outputs(found) == [0, 1, 2]


_NEEDED = 'files = "*"\nfields.output_tokens = "out"\n'


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "fields: no path for output_tokens, without which there is no call (add output_tokens = "),
        ('fields.output_tokens = "o"', 'files: it is missing (write files = ["*.jsonl"])'),
        ('files = "/x"\nfields.output_tokens = "o"', "files: '/x' is not a pattern for paths below the directory"),
        ('files = "*"\nfields = { output_tokens = { value = 3 } }', "fields: no path for output_tokens"),
        (_NEEDED + "colour = 1", "colour: there is no such key (write files, format, expression, records, where, "),
        (_NEEDED + 'fields.max_token = "o"', "fields.max_token: there is no such key (did you mean max_tokens?)"),
        (_NEEDED + 'format = "xml"', "format: 'xml' is not a format of a map (write json, csv or text)"),
        (_NEEDED + 'fields.max_tokens = "a..b"', "fields.max_tokens: 'a..b' is not a path (write "),
        (_NEEDED + "fields.max_tokens = 4096", "fields.max_tokens: 4096 is not a path (write "),
        (
            _NEEDED + "fields.max_tokens = { value = -1.5 }",
            "fields.max_tokens: -1.5 cannot be its value: max_tokens is",
        ),
        (_NEEDED + "fields.max_tokens = { value = [1] }", "fields.max_tokens.value: [1] is not a plain value"),
        (_NEEDED + "fields.max_tokens = {}", "fields.max_tokens: it has neither a path nor a value"),
        (_NEEDED + 'fields.model = { path = "m", values = 3 }', "fields.model.values: 3 is not a value map"),
        (_NEEDED + 'fields.model = { from = "m" }', "fields.model.from: there is no such key (write path, values or"),
        (
            _NEEDED + 'fields.success = { path = "s", values = { ok = "fine" } }',
            "fields.success: 'fine' cannot be its value: success is not true, false or null",
        ),
        (
            _NEEDED + 'fields.finish_reason = { path = "s", values = { L = "lenght" } }',
            "fields.finish_reason: 'lenght' is not a known reason (did you mean length?)",
        ),
        (_NEEDED + "fields.features = 3", "fields.features: 3 is not a table"),
        (_NEEDED + "where = 3", "where: 3 is not a table"),
        (_NEEDED + 'join = "p.csv"', "join: 'p.csv' is not a table (write join = { file = "),
        (_NEEDED + 'join = { on = "a" }', "join.file: it is missing (write join = { file = "),
        (_NEEDED + 'join = { file = 3, on = "a" }', "join.file: 3 is not a path (write join = { file = "),
        (_NEEDED + 'join = { file = "p.csv" }', "join.on: it is missing (write join = { file = "),
        (_NEEDED + 'join = { file = "p.csv", on = "a", to = "b" }', "join.to: there is no such key (write file, on or"),
        (
            _NEEDED + 'join = { file = "p.csv", on = "a", key = 3 }',
            "join.key: 3 is not a name (write what the side file",
        ),
        (_NEEDED + 'join = { file = "no/p.csv", on = "a" }', "join.file: 'no/p.csv' does not exist (name a side file"),
        (_NEEDED + "where = { a = { b = 1 } }", "where.a: {'b': 1} is not a value to compare with"),
        (_NEEDED + 'expression = "(?P<out>x)"\nformat = "json"', "expression: it is for texts alone"),
        (_NEEDED + 'format = "csv"\nrecords = "a"', "records: a file of format csv has no lists of records"),
        (_NEEDED + 'format = "text"', "expression: it is missing (write expression = "),
        (_NEEDED + 'expression = "(?P<out>"', "expression: '(?P<out>' is not a regular expression: missing )"),
        (_NEEDED + r'expression = "\\d+"', "expression: it has no named group"),
        (
            _NEEDED + 'expression = "(?P<a>x)(?P<b>y)"',
            "fields.output_tokens: the expression has no group 'out' (it has",
        ),
    ],
)
def test_a_mistake_in_a_map_is_one_sentence(text: str, why: str) -> None:
    with pytest.raises(MapError) as error:
        source(text)
    assert str(error.value).startswith(f"sources.ours.{why}")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[tool", "maps.toml is not a TOML file: "),
        ("tool.token-telemetry.sources = 3", "maps.toml: tool.token-telemetry.sources is not a table (write "),
        (
            "tool.token-telemetry.source.a.files = 'x'",
            "maps.toml: tool.token-telemetry.source: there is no such table (did you mean sources?)",
        ),
        (
            "tool.token_telemetry.sources.a.files = 'x'",
            "maps.toml: tool.token_telemetry: there is no such table (write tool.token-telemetry)",
        ),
        (
            "tool.pytest-token-telemetry.dir = 'runs'",
            "maps.toml: tool.pytest-token-telemetry: there is no such table (settings stand in"
            " [tool.pytest.ini_options], maps in [tool.token-telemetry.sources.NAME])",
        ),
        (
            "[tool.Pytest_Token_Telemetry]",
            "maps.toml: tool.Pytest_Token_Telemetry: there is no such table (settings stand in",
        ),
        (
            "tool.token-telemetry.max_truncation = '5%'",
            "maps.toml: tool.token-telemetry.max_truncation: there is no such table (settings stand in"
            " [tool.pytest.ini_options], such as token_telemetry_max_truncation)",
        ),
        ("tool.token-telemetry.sources.a = 3", "maps.toml: tool.token-telemetry.sources.a is not a table (write "),
        (
            "[tool.token-telemetry.sources.Gate]",
            "maps.toml: tool.token-telemetry.sources.Gate: 'Gate' is not a name of a",
        ),
    ],
)
def test_a_mistake_in_a_file_of_maps_is_one_sentence(tmp_path: Path, text: str, why: str) -> None:
    (tmp_path / "maps.toml").write_text(text)
    with pytest.raises(MapError) as error:
        maps_in(tmp_path / "maps.toml", "maps.toml")
    assert str(error.value).startswith(why)


def test_a_file_without_maps_has_none_and_one_that_is_missing_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text("[tool.other]\n")
    assert maps_in(tmp_path / "a.toml", "a.toml") == []
    with pytest.raises(MapError, match=r"b\.toml cannot be read: No such file or directory \(name a TOML file of maps"):
        maps_in(tmp_path / "b.toml", "b.toml")


@pytest.mark.parametrize(
    ("value", "text"),
    [(True, "true"), (200, "200"), (200.0, "200"), (0.5, "0.5"), ("x", "x"), (None, None), ([1], None)],
)
def test_values_are_compared_as_texts(value: object, text: str | None) -> None:
    assert as_text(value) == text


def test_a_path_is_written_as_it_is_read() -> None:
    assert dotted(("attributes", "gen_ai.usage", "0")) == 'attributes."gen_ai.usage".0'


PAGE = (Path(__file__).parents[3] / "docs" / "field-map.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("kind", "name", "expected", "skipped", "unusable"),
    [
        (
            "json",
            "gateway.jsonl",
            [(800, 912, 1024, "stop", False, True, "m-1"), (None, 1024, 1024, "length", True, False, "m-1")],
            {f"{OUTSIDE}gateway": 1},
            {"output_tokens is missing: nothing at res.usage.out (map gateway)": 1},
        ),
        (
            "text",
            "server.out",
            [(None, 40, 64, "stop", False, None, "small"), (None, 64, 64, "length", True, None, "small")],
            {},
            {},
        ),
        (
            "json",
            "traces.jsonl",
            [(None, 64, 64, "length", True, None, "small")],
            {f"{OUTSIDE}mlflow": 1},
            {},
        ),
    ],
)
def test_the_maps_of_the_documentation_read_its_files(
    tmp_path: Path, kind: str, name: str, expected: object, skipped: object, unusable: object
) -> None:
    [content] = re.findall(rf"```{kind}\n(.*?)```", PAGE.partition(f"`{name}`")[2].partition("\n## ")[0], re.DOTALL)
    runs = tmp_path / "runs"
    runs.mkdir()
    (runs / name).write_text(content)
    (tmp_path / "maps.toml").write_text("\n".join(re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)))
    sources = tuple(MappedSource(each.name, each) for each in maps_in(tmp_path / "maps.toml", "maps.toml"))
    found = read_directories([Directory(runs, "d")], ["*"], scan=Scan(mapped=sources))
    assert [
        (
            *(each.predicted_output_tokens, each.output_tokens, each.max_tokens, each.finish_reason),
            *(each.truncated, each.success, each.model),
        )
        for each in samples_of(found)
    ] == expected
    assert (found.skipped, reasons(found)) == (skipped, unusable)
