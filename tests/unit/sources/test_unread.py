"""Files of spans in a layout that is not read are unusable beside others: their calls may be the truncated ones."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from pytest_token_telemetry.sources.dividing import TaskSizes
from pytest_token_telemetry.sources.documents import NO_JSON
from pytest_token_telemetry.sources.otlp.attributes import OUTPUT
from pytest_token_telemetry.sources.parallel import Scan
from pytest_token_telemetry.sources.reading import Directory, Reading, read_directories
from pytest_token_telemetry.sources.unread import BEHIND, UNREAD, WIDE
from tests import answers
from tests.lines import v2
from tests.spans import chat, span, spans, write_spans
from tests.unit.sources.builders import samples_of

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
    assert {reason: lines.count for reason, lines in reading.unusable.items()} == {NO_JSON: behind + 2}


@pytest.mark.parametrize("line", ["[2026-11-16 09:07:26] INFO: hello", "[1,2 x [3", "plain"])
def test_a_line_that_is_none_counts_once(tmp_path: Path, line: str) -> None:
    (tmp_path / "b.log").write_text(f"{RESPONSE}\n{line}\n", encoding="utf-8")
    assert sum(lines.count for lines in read(tmp_path).unusable.values()) == 1


@pytest.mark.parametrize(
    "record",
    [
        pytest.param(RESPONSE, id="responses"),
        pytest.param(json.dumps(answers.gemini("STOP", tokens=16)), id="gemini"),
        pytest.param(json.dumps(spans(span(chat(16)))).replace("[T", "T"), id="otlp"),
    ],
)
@pytest.mark.parametrize("lines", [30, 500, 5000])
def test_records_behind_much_text_are_read(tmp_path: Path, record: str, lines: int) -> None:
    write_spans(tmp_path / "a.jsonl", spans(span(chat(7))))
    before = min(lines, 500)
    text = "INFO: a banner\n" * before + f"{record}\n" * lines
    (tmp_path / "b.log").write_text(text, encoding="utf-8")
    found = read(tmp_path)
    assert found.unusable[NO_JSON].count == before
    others = sum(told.count for told in found.unusable.values()) - before
    assert len(found.samples) + found.duplicates + others + sum(found.skipped.values()) == 1 + lines


def test_records_behind_much_text_with_a_tag_in_it_are_an_unusable_line(tmp_path: Path) -> None:
    write_spans(tmp_path / "a.jsonl", spans(span(chat(7))))
    text = "INFO: a banner\n" * 30 + "[Tagged] a line\n" + f"{RESPONSE}\n" * 30
    (tmp_path / "b.log").write_text(text, encoding="utf-8")
    assert places(read(tmp_path)) == {BEHIND: ["d/b.log:1"]}


@pytest.mark.parametrize(
    "line", [f"INFO: {RESPONSE}", '{"event": "ended", "output_tokens": 5}', v2() + "\n" + RESPONSE]
)
def test_text_that_mentions_counts_and_logs_with_tags_are_no_records_behind_text(tmp_path: Path, line: str) -> None:
    write_spans(tmp_path / "a.jsonl", spans(span(chat(7))))
    (tmp_path / "b.log").write_text("INFO: a banner\n" * 30 + f"{line}\n", encoding="utf-8")
    assert read(tmp_path).unusable == {}


def test_records_behind_much_text_alone_are_read(tmp_path: Path) -> None:
    (tmp_path / "b.log").write_text("INFO: a banner\n" * 30 + f"{RESPONSE}\n", encoding="utf-8")
    reading = read(tmp_path)
    assert (len(reading.samples), places(reading)) == (1, {NO_JSON: [f"d/b.log:{line}" for line in (1, 2, 3)]})


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
