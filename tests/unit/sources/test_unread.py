"""Files of spans in a layout that is not read are unusable beside others: their calls may be the truncated ones."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from pytest_token_telemetry.sources.dividing import TaskSizes
from pytest_token_telemetry.sources.documents import NO_JSON, PLAIN_TEXT, TAGGED
from pytest_token_telemetry.sources.otlp.attributes import OUTPUT
from pytest_token_telemetry.sources.own_format import line as own_line
from pytest_token_telemetry.sources.parallel import Scan
from pytest_token_telemetry.sources.reading import Directory, Reading, read_directories
from pytest_token_telemetry.sources.unread import BESIDE, NO_SCHEMA, UNREAD, WIDE
from tests import answers
from tests.lines import v2
from tests.spans import chat, span, spans, write_spans
from tests.unit.sources.builders import samples_of
from tests.unit.sources.exports.test_langfuse import generation

TAGS = [{"key": "gen_ai.usage.output_tokens", "type": "int64", "value": 16}]
PROMPT = {"key": "prompt", "value": "x" * 10_000}
JAEGER = {"data": [{"traceID": "a1", "spans": [{"traceID": "a1", "tags": TAGS}]}]}
CONSOLE = {"name": "chat m", "attributes": {"gen_ai.usage.output_tokens": 16, "gen_ai.request.max_tokens": 16}}
PROTOBUF = b"\0\0\0\x40\x0a\x3e\x0a\x1a gen_ai.usage.output_tokens\x12\x02\x18\x10\n"


def read(directory: Path, scan: Scan | None = None) -> Reading:
    return read_directories([Directory(directory, "d")], ["*"], scan=scan)


def places(reading: Reading) -> dict[str, list[str]]:
    return {reason: lines.places for reason, lines in reading.unusable.items()}


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(json.dumps(JAEGER).encode(), id="jaeger"),
        pytest.param(json.dumps([{"tags": {"llm.token_count.completion": "16"}}]).encode() + b"\n", id="zipkin"),
        pytest.param(json.dumps(CONSOLE, indent=4).encode(), id="console"),
        pytest.param(json.dumps({"resource_spans": [spans(span(chat(16)))]}).encode(), id="other-case"),
        pytest.param(json.dumps({"result": spans(span(chat(16)))}).encode(), id="wrapped"),
        pytest.param(json.dumps({"data": [{"tags": [PROMPT, *TAGS]}]}).encode() + b" " * 70_000, id="long"),
        pytest.param(gzip.compress(json.dumps(JAEGER).encode()), id="compressed"),
        pytest.param(PROTOBUF, id="protobuf"),
    ],
)
def test_unread_spans_beside_read_ones_are_an_unusable_line(tmp_path: Path, content: bytes) -> None:
    write_spans(tmp_path / "a.jsonl", spans(span(chat(7))))
    (tmp_path / "b.json").write_bytes(content)
    reading = read(tmp_path)
    assert (len(reading.samples), places(reading), reading.nothing_known) == (1, {UNREAD: ["d/b.json:1"]}, 0)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(json.dumps({"prompt": json.dumps(CONSOLE)}), id="within-a-prompt"),
        pytest.param("gen_ai.usage.output_tokens is the name of an attribute", id="prose"),
        pytest.param(json.dumps({"spans": [{"tags": {"http.status": 200}}]}), id="no-call"),
    ],
)
def test_what_only_mentions_a_name_is_nothing_known(tmp_path: Path, text: str) -> None:
    write_spans(tmp_path / "a.jsonl", spans(span(chat(7))))
    (tmp_path / "b.json").write_text(text, encoding="utf-8")
    reading = read(tmp_path)
    assert (reading.unusable, reading.nothing_known) == ({}, 1)


def test_a_log_with_records_is_read_whatever_else_its_lines_say(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text(json.dumps({**CONSOLE, "message": v2()}) + "\n", encoding="utf-8")
    reading = read(tmp_path)
    assert (len(reading.samples), reading.unusable) == (1, {})


def test_files_of_one_unread_layout_alone_are_named_for_what_they_look_like(tmp_path: Path) -> None:
    (tmp_path / "b.json").write_text(json.dumps(JAEGER), encoding="utf-8")
    reading = read(tmp_path)
    assert (reading.unusable, reading.nothing_known, reading.look_like) == ({}, 1, {"JSON": 1})


def test_a_file_that_is_read_in_parts_counts_once(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(f"{json.dumps(CONSOLE)}\n" * 300, encoding="utf-8")
    (tmp_path / "b.log").write_text(f"{v2()}\n", encoding="utf-8")
    reading = read(tmp_path, Scan(jobs=2, bounds=TaskSizes(3000, 10, 1000)))
    assert {reason: lines.count for reason, lines in reading.unusable.items()} == {UNREAD: 1}


RESPONSE = json.dumps(answers.chat("length", tokens=16))
RECORDS = {
    "responses": RESPONSE,
    "gemini": json.dumps(answers.gemini("STOP", tokens=16)),
    "otlp": json.dumps(spans(span(chat(16)))).replace("[T", "T"),
}


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(f"2026-11-27 10:00:00 INFO got {RESPONSE}", id="prefix"),
        pytest.param(
            f"2026-11-27T10:00:00.1Z stdout F {json.dumps(spans(span(chat(16)))).replace('[T', 'T')}", id="container"
        ),
        pytest.param(json.dumps({"log": RESPONSE, "stream": "stdout"}), id="in-a-text"),
        pytest.param(
            json.dumps({"time": 1, "reply": answers.gemini("STOP", candidatesTokenCount=16)}), id="below-a-key"
        ),
    ],
)
def test_a_log_with_counts_in_json_of_which_nothing_is_read_is_named(tmp_path: Path, line: str) -> None:
    write_spans(tmp_path / "a.jsonl", spans(span(chat(7))))
    (tmp_path / "b.log").write_text("INFO: a banner\n" + f"{line}\n" * 3, encoding="utf-8")
    (tmp_path / "c.log").write_text("INFO: completion_tokens are counted\n", encoding="utf-8")
    reading = read(tmp_path)
    assert (len(reading.samples), reading.unusable, reading.unknown) == (1, {}, ("d/b.log",))


@pytest.mark.parametrize("behind", [0, 5, 500])
def test_records_over_several_lines_below_text_are_read(tmp_path: Path, behind: int) -> None:
    """So LiteLLM's proxy prints its payloads."""
    records = [json.dumps(spans(span(chat(count))), indent=4).replace("[T", "T") for count in (16, 17)]
    text = "INFO: a banner\n" * behind + "".join(f"INFO: called\n{record}\n" for record in records)
    (tmp_path / "b.log").write_text(text, encoding="utf-8")
    reading = read(tmp_path)
    assert [each.output_tokens for each in samples_of(reading)] == [16, 17]
    assert (reading.unusable, reading.skipped) == ({}, {PLAIN_TEXT: behind + 2})


@pytest.mark.parametrize("record", RECORDS.values(), ids=RECORDS)
@pytest.mark.parametrize("lines", [30, 500, 5000])
def test_our_own_lines_among_records_of_others_are_read(tmp_path: Path, record: str, lines: int) -> None:
    """A program may log into the file that its gateway writes. However a line of ours is spelled, it is one."""
    own = {"schema": "token-telemetry/1", "id": "x", "output_tokens": 99, "predicted_output_tokens": 90}
    ours = [
        json.dumps(own),
        json.dumps({**own, "id": "y"}, separators=(",", ":")),
        json.dumps({**own, "output_tokens": None}),
    ]
    text = f"{record}\n" + "\n".join(ours) + "\n" + f"{record}\n" * min(lines, 20)
    (tmp_path / "b.log").write_text(text, encoding="utf-8")
    found = read(tmp_path)
    assert sorted(found.samples.predicted_output_tokens.tolist())[-2:] == [90, 90]
    assert found.unusable["output_tokens is missing"].places == ["d/b.log:4"]


@pytest.mark.parametrize("is_first", [True, False], ids=["ours-first", "theirs-first"])
@pytest.mark.parametrize("times", [1, 30])
def test_our_own_line_and_a_record_of_one_call_in_one_file_are_one(tmp_path: Path, times: int, is_first: bool) -> None:
    """The record knows the reason, and the line of ours the prediction, wherever it has its schema."""
    mixed = []
    for n in range(times):
        record = json.dumps({**answers.chat("length", tokens=16), "id": f"call-{n}"})
        said = {"id": f"call-{n}", "output_tokens": 16, "predicted_output_tokens": 9}
        ours = json.dumps({"schema": "token-telemetry/1", **said} if n % 2 else {**said, "schema": "token-telemetry/1"})
        mixed += [ours, record] if is_first else [record, ours]
    (tmp_path / "b.log").write_text("\n".join(mixed) + "\n", encoding="utf-8")
    found = read(tmp_path)
    assert (len(found.samples), found.duplicates, found.unusable) == (times, times, {})
    assert {(each.predicted_output_tokens, each.truncated) for each in samples_of(found)} == {(9, True)}


OURS = {"predicted_output_tokens": 9, "output_tokens": 16}
OTLP = RECORDS["otlp"]


@pytest.mark.parametrize("record", [RESPONSE, OTLP], ids=["response", "spans"])
@pytest.mark.parametrize("count", [1, 100])
@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")], ids=["plain", "blanks"])
@pytest.mark.parametrize("name", ["b.log", "b.log.gz"])
def test_lines_of_ours_that_all_come_before_records_of_others_hide_none(
    tmp_path: Path, record: str, count: int, separators: tuple[str, str], name: str
) -> None:
    ours = [{"schema": "token-telemetry/1", "id": str(n), "output_tokens": 99} for n in range(count)]
    text = "".join(f"{json.dumps(each, separators=separators)}\n" for each in ours) + f"{record}\n"
    written = gzip.compress(text.encode()) if name.endswith("gz") else text.encode()
    (tmp_path / name).write_bytes(written)
    found = read(tmp_path)
    assert (sorted(found.samples.output_tokens.tolist()), found.unusable) == ([16, *[99] * count], {})


@pytest.mark.parametrize("record", [RESPONSE, OTLP], ids=["response", "spans"])
@pytest.mark.parametrize("bounds", [None, TaskSizes(30_000, 10, 1000)], ids=["whole", "in-parts"])
def test_records_at_the_end_of_a_long_log_are_read(tmp_path: Path, record: str, bounds: TaskSizes | None) -> None:
    text = "INFO: served a request from the pool\n" * 5000
    (tmp_path / "b.log").write_text(f"{text}{record}\n", encoding="utf-8")
    found = read(tmp_path, Scan() if bounds is None else Scan(jobs=2, bounds=bounds))
    assert (found.samples.output_tokens.tolist(), found.skipped) == ([16], {PLAIN_TEXT: 5000})


@pytest.mark.parametrize("prefix", ["", "INFO: "])
def test_records_of_others_beside_tagged_lines_are_one_unusable_line(tmp_path: Path, prefix: str) -> None:
    """They may tell of the same calls, and tagged lines have no id by which that is known."""
    line = f"{prefix}{own_line(output_tokens=900)}" if prefix else v2()
    (tmp_path / "b.log").write_text(f"{line}\n" + f"{RESPONSE}\n" * 3, encoding="utf-8")
    found = read(tmp_path)
    assert ([each.output_tokens for each in samples_of(found)], places(found)) == ([900], {BESIDE: ["d/b.log:1"]})


@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")], ids=["plain", "blanks"])
@pytest.mark.parametrize(
    "record",
    [
        pytest.param(generation(), id="langfuse"),
        pytest.param({"event": "chat", "usage": {"output_tokens": 5}}, id="unknown"),
    ],
)
def test_records_that_only_a_file_of_their_own_makes_readable_are_one_unusable_line_below_ours(
    tmp_path: Path, separators: tuple[str, str], record: dict[str, object]
) -> None:
    ours = [{"schema": "token-telemetry/1", "id": str(n), **OURS} for n in range(30)]
    written = [*(json.dumps(each, separators=separators) for each in ours), *[json.dumps(record)] * 3]
    (tmp_path / "b.jsonl").write_text("\n".join(written) + "\n", encoding="utf-8")
    found = read(tmp_path)
    assert (len(found.samples), places(found)) == (30, {BESIDE: ["d/b.jsonl:1"]})


@pytest.mark.parametrize(
    "schema", ["token-telemtry/1", "token_telemetry/1", "token-telemetry", "Token-Telemetry/1", None]
)
def test_lines_beside_ours_whose_schema_is_missing_or_misspelt_are_unusable(tmp_path: Path, schema: str | None) -> None:
    slip = json.dumps(OURS if schema is None else {"schema": schema, **OURS})
    (tmp_path / "b.jsonl").write_text(f"{own_line(output_tokens=5)}\n" + f"{slip}\n" * 3, encoding="utf-8")
    found = read(tmp_path)
    assert (found.samples.output_tokens.tolist(), found.unusable[NO_SCHEMA].count) == ([5], 3)
    assert places(found) == {NO_SCHEMA: [f"d/b.jsonl:{line}" for line in (2, 3, 4)]}


@pytest.mark.parametrize("schema", ["token-telemetry/2", "telemetry/1", "https://json-schema.org/draft/2020-12/schema"])
def test_other_schemas_are_no_slips(tmp_path: Path, schema: str) -> None:
    other = json.dumps({"schema": schema, "count": 1})
    (tmp_path / "b.jsonl").write_text(f"{own_line(output_tokens=5)}\n{other}\n", encoding="utf-8")
    assert NO_SCHEMA not in read(tmp_path).unusable


@pytest.mark.parametrize("name", ["b.jsonl", "b.jsonl.gz"])
def test_each_slip_of_files_of_slips_alone_is_counted(tmp_path: Path, name: str) -> None:
    text = (json.dumps({"schema": "token-telemtry/1", **OURS}) + "\n").encode() * 5000
    (tmp_path / name).write_bytes(gzip.compress(text) if name.endswith("gz") else text)
    for scan in (None, Scan(jobs=2, bounds=TaskSizes(30_000, 10, 1000))):
        found = read(tmp_path, scan)
        assert (found.unusable[NO_SCHEMA].count, found.nothing_known) == (5000, 0)


@pytest.mark.parametrize(
    "line",
    [
        pytest.param("[2026-11-16 09:07:26] INFO: hello", id="time"),
        pytest.param("\x1b[92m12:00:00 - LiteLLM Proxy\x1b[0m", id="coloured"),
        pytest.param('  File "proxy.py", line 3, in main', id="indented"),
        pytest.param("hello", id="plain"),
    ],
)
def test_text_among_records_is_skipped(tmp_path: Path, line: str) -> None:
    (tmp_path / "b.log").write_text(f"{RESPONSE}\n{line}\n", encoding="utf-8")
    found = read(tmp_path)
    assert (len(found.samples), found.unusable, found.skipped) == (1, {}, {PLAIN_TEXT: 1})


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        pytest.param("2026-11-16 INFO: got {'id': 'x'}", NO_JSON, id="object"),
        pytest.param('ed", "completion_tokens": 5,', NO_JSON, id="piece"),
        pytest.param('[1,2 x ["3"]', NO_JSON, id="list"),
        pytest.param("\0\0\0", NO_JSON, id="hole"),
        pytest.param(v2(), TAGGED, id="tagged"),
        pytest.param(f"INFO: {own_line(output_tokens=5)}", TAGGED, id="ours"),
        pytest.param("7", NO_JSON, id="number"),
    ],
)
def test_a_line_that_may_be_a_record_is_unusable_and_counts_once(tmp_path: Path, line: str, reason: str) -> None:
    (tmp_path / "b.log").write_text(f"{OTLP}\n{line}\n", encoding="utf-8")
    assert places(read(tmp_path)) == {reason: ["d/b.log:2"]}


@pytest.mark.parametrize("record", RECORDS.values(), ids=RECORDS)
@pytest.mark.parametrize("lines", [30, 500, 5000])
def test_records_behind_much_text_are_read(tmp_path: Path, record: str, lines: int) -> None:
    write_spans(tmp_path / "a.jsonl", spans(span(chat(7))))
    before = min(lines, 500)
    text = "INFO: a banner\n" * before + f"{record}\n" * lines
    (tmp_path / "b.log").write_text(text, encoding="utf-8")
    found = read(tmp_path)
    others = sum(told.count for told in found.unusable.values())
    skipped = {**found.skipped}
    assert skipped.pop(PLAIN_TEXT) == before
    assert len(found.samples) + found.duplicates + others + sum(skipped.values()) == 1 + lines


def test_records_behind_much_text_with_a_tag_in_it_are_an_unusable_line(tmp_path: Path) -> None:
    write_spans(tmp_path / "a.jsonl", spans(span(chat(7))))
    text = "INFO: a banner\n" * 30 + "[TokenEstimationV2] predicted_output=5\n" + f"{RESPONSE}\n" * 30
    (tmp_path / "b.log").write_text(text, encoding="utf-8")
    assert places(read(tmp_path))[BESIDE] == ["d/b.log:1"]


@pytest.mark.parametrize("line", [f"INFO: {RESPONSE}", '{"event": "ended", "output_tokens": 5}'])
def test_text_that_mentions_counts_is_no_records_behind_text(tmp_path: Path, line: str) -> None:
    write_spans(tmp_path / "a.jsonl", spans(span(chat(7))))
    (tmp_path / "b.log").write_text("INFO: a banner\n" * 30 + f"{line}\n", encoding="utf-8")
    assert read(tmp_path).unusable == {}


def test_records_behind_much_text_alone_are_read(tmp_path: Path) -> None:
    (tmp_path / "b.log").write_text("INFO: a banner\n" * 30 + f"{RESPONSE}\n", encoding="utf-8")
    reading = read(tmp_path)
    assert (len(reading.samples), reading.unusable, reading.skipped) == (1, {}, {PLAIN_TEXT: 30})


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be"])
@pytest.mark.parametrize(
    "content",
    [
        pytest.param(json.dumps(spans(span(chat(16)))).replace("[T", "T"), id="otlp"),
        pytest.param(f"{RESPONSE}\n" * 1000, id="responses"),
        pytest.param(f"INFO: a banner\n{RESPONSE}\n", id="behind-text"),
        pytest.param("INFO: a banner\n" * 500 + f"{RESPONSE}\n", id="far-behind-text"),
        pytest.param(json.dumps(JAEGER), id="jaeger"),
        pytest.param("output_tokens,max_tokens\n44,100\n", id="table"),
    ],
)
def test_records_in_utf_16_are_an_unusable_line(tmp_path: Path, content: str, encoding: str) -> None:
    write_spans(tmp_path / "a.jsonl", spans(span(chat(7))))
    mark = "\ufeff" if encoding.endswith("be") else ""
    (tmp_path / "b.json").write_bytes(f"{mark}{content}".encode(encoding))
    assert places(read(tmp_path)) == {WIDE: ["d/b.json:1"]}


def test_log_lines_in_utf_16_are_read_and_other_text_is_no_complaint(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text(f"{v2()}\n", encoding="utf-16")
    (tmp_path / "b.log").write_text('{"event": "started"}\nINFO: begun\n', encoding="utf-16")
    reading = read(tmp_path)
    assert (len(reading.samples), reading.unusable, reading.nothing_known) == (1, {}, 1)


@pytest.mark.parametrize("name", OUTPUT)
def test_each_name_of_the_output_tokens_is_known(tmp_path: Path, name: str) -> None:
    write_spans(tmp_path / "a.jsonl", spans(span(chat(7))))
    (tmp_path / "b.json").write_text(json.dumps({"tags": {name: 16}}), encoding="utf-8")
    assert places(read(tmp_path)) == {UNREAD: ["d/b.json:1"]}
