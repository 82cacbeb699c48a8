"""Each export is known by how it begins, and nothing else is taken for one."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_token_telemetry.sources.deferred import Deferred, signs_of
from pytest_token_telemetry.sources.exports.csv_rows import header_of
from pytest_token_telemetry.sources.look_like import looks_of
from pytest_token_telemetry.sources.recognition import SOURCES
from pytest_token_telemetry.sources.rows import Rows
from pytest_token_telemetry.sources.source import HEAD
from tests.lines import v2
from tests.spans import chat, span, spans
from tests.unit.sources.builders import own_line
from tests.unit.sources.exports import (
    test_claude_code,
    test_inspect_log,
    test_langfuse,
    test_langsmith,
    test_openhands,
    test_promptfoo,
)
from tests.unit.sources.exports.readings import lines, outputs, reading, reasons

BY_NAME = {each.name: each.source for each in SOURCES if isinstance(each, Deferred)}
SIGNS = {each.name: each.signs for each in SOURCES if isinstance(each, Deferred)}
EXPORTS: list[tuple[str, bytes]] = [
    ("inspect", test_inspect_log.zipped(test_inspect_log.OF_ALGEBRA)),
    ("inspect", json.dumps(test_inspect_log.log(test_inspect_log.OF_ALGEBRA), indent=2).encode()),
    ("openhands", json.dumps(test_openhands.TRAJECTORY, indent=4).encode()),
    ("openhands", lines(test_openhands.RESULT)),
    ("langsmith", lines(test_langsmith.run(), test_langsmith.posted())),
    ("langfuse", lines(test_langfuse.generation())),
    ("langfuse", test_langfuse.in_csv(test_langfuse.generation())),
    ("promptfoo", json.dumps(test_promptfoo.evaluation(test_promptfoo.result())).encode()),
    ("csv", b"id,output_tokens,time,success\n1,44,2026-01-01,true\n"),
    ("claude-code", lines(test_claude_code.PROMPT, test_claude_code.block())),
]
"""Files of each format, with what reads them."""

OWN = own_line(output_tokens=900, time=datetime(2026, 1, 1, tzinfo=UTC))
"""The same in every process that collects the tests."""


def claimed_by(content: bytes, name: str = "a.json") -> list[str]:
    """All that claim a file."""
    return [source.name for source in SOURCES[:-1] if source.claims(name, content[:HEAD])]


@pytest.mark.parametrize(("name", "content"), EXPORTS)
def test_one_source_claims_a_file(name: str, content: bytes) -> None:
    assert claimed_by(content) == ([] if name == "claude-code" else [name])


OTHERS: list[Any] = [
    v2().encode(),
    OWN.encode(),
    json.dumps(spans(span(chat()))).encode(),
    b'{"message": "{\\"run_type\\": \\"llm\\", \\"trace_id\\": 1}", "evalId": 1}',
    b'[{"id": 1, "timestamp": 2, "source": "user", "message": "m", "text": "t"}]',
    b'{"schema": "token-telemetry-report/1", "results": {"version": 1}}',
    b'{"id": 1, "timestamp": "2", "source": "app", "message": "m"}',
    b'{"id": 1, "timestamp": "2", "source": "app", "action": "start", "message": "m"}',
    b'{"trace_id": "1", "start_time": "2", "type": "request", "level": "ERROR"}',
    b"{\n",
    b"",
    b"PK\x03\x04" + bytes(22) + b"\x08\x00\x00\x00data.csv",
    b"output_tokens",
    b"# output_tokens,time\n1,2\n",
]


@pytest.mark.parametrize("content", OTHERS)
def test_nothing_else_is_claimed(content: bytes) -> None:
    exports = {name for name, _ in EXPORTS}
    assert exports.isdisjoint(claimed_by(content))


@pytest.mark.parametrize(
    "content",
    [
        *(content for _, content in EXPORTS),
        *OTHERS,
        b'{"response.candidates": [], "n": 1}',
        b'\xef\xbb\xbf[ {"TRACEID": "1", "Start_Time": "2", "type": "SPAN"}]',
        b'{"a": ", ", "": 1, "\\"key\\"": 2, "run_type" : 1, "id": 2, "start_time": 3}',
    ],
)
def test_who_claims_a_file_is_asked(content: bytes) -> None:
    shown = signs_of(content[:HEAD])
    assert [name for name in claimed_by(content) if SIGNS[name].isdisjoint(shown)] == []


def test_a_zip_is_known_by_its_name_too() -> None:
    assert claimed_by(OTHERS[-3], "a.eval") == ["inspect"]


def test_a_header_is_names_alone() -> None:
    assert header_of(b'time;"output tokens";n\n1;2;3') == ["time", "output tokens", "n"]
    assert header_of(b"a=1,b\n") == header_of(b"time\n") == header_of(b",a\n") == []


def test_a_transcript_is_named_for_what_it_looks_like(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(EXPORTS[-1][1])
    assert looks_of([str(path)]) == {"Claude Code transcripts": 1}


BEGINNINGS = [
    lines(test_inspect_log.log(test_inspect_log.OF_ALGEBRA)),
    lines(test_openhands.RESULT),
    lines(test_langsmith.run()),
    lines(test_langfuse.generation()),
    lines(test_promptfoo.evaluation(test_promptfoo.result())),
    lines({"schema": "token-telemetry-report/1"}),
]


@pytest.mark.parametrize("content", BEGINNINGS)
@pytest.mark.parametrize("other", [json.dumps({"log": v2()}), '{"id": "1"}', v2()])
def test_records_behind_those_of_another_kind_are_counted(tmp_path: Path, content: bytes, other: str) -> None:
    whole = reading(tmp_path, content)
    mixed = reading(tmp_path, content + f"{other}\n".encode())
    assert (outputs(mixed), reasons(whole), sum(reasons(mixed).values())) == (outputs(whole), {}, 1)


@pytest.mark.parametrize("content", BEGINNINGS)
def test_lines_of_our_own_behind_records_of_others_are_samples(tmp_path: Path, content: bytes) -> None:
    """Not behind what we wrote ourselves: that is no log."""
    whole = reading(tmp_path, content)
    mixed = reading(tmp_path, content + f"{OWN}\n".encode())
    is_read = content is not BEGINNINGS[-1]
    assert outputs(mixed) == [*outputs(whole), *([900] if is_read else [])]
    assert sum(reasons(mixed).values()) == int(not is_read)


_VALUES = [b"null", b"[]", b"{}", b'""', b"-1", b"1e999", b"9" * 30, b"true", b"[" * 99, b'"\\ud800"', b"\xff", b"[1]"]


@given(st.sampled_from(EXPORTS), st.lists(st.tuples(st.integers(0), st.integers(0, 40), st.sampled_from(_VALUES))))
@settings(max_examples=100)
def test_whatever_is_damaged_is_an_error_or_a_count(
    export: tuple[str, bytes], damages: list[tuple[int, int, bytes]]
) -> None:
    name, content = export
    for at, size, value in damages:
        at %= max(len(content), 1)
        content = content[:at] + value + content[at + size :]
    rows = Rows()
    rows.begin_file()
    source: Any = BY_NAME[name]
    reason: str | None = "read to its end"
    try:
        source.read(io.BytesIO(content), rows)
    except OSError as error:
        reason = error.strerror
    samples, *_ = rows.build(complete=(), keep_ids=True)
    assert reason
    assert len(samples) <= content.count(b"\n") + 8
