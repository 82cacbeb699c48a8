"""Files that hold nothing known are named for what they look like."""

from __future__ import annotations

import gzip
import io
import json
import os
import sqlite3
import zipfile
from pathlib import Path

import pytest

from pytest_token_telemetry.sources.look_like import LOOKS, looks_of
from tests.conftest import SHARED


def zipped(name: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(name, "{}")
    return file.getvalue()


SHAPES: list[tuple[str, object]] = [
    ("OTLP JSON", {"resourceSpans": [{"resource": {}, "scopeSpans": []}]}),
    ("OTLP JSON", {"scopeSpans": [{"spans": []}]}),
    ("Claude Code transcripts", {"type": "user", "sessionId": "s", "uuid": "u", "message": {}}),
    ("JSON", {"model": "m", "usage": {"completion_tokens": 50}}),
    ("JSON", [[1, 2]]),
    *(
        (
            f"JSON lines with records of format {name}",
            b'{"event": "start"}\n\n' * 9 + json.dumps(record).encode() + b"\n",
        )
        for name, record in (
            ("otlp", {"schemaUrl": "", "resource": {}, "instrumentationLibrarySpans": []}),
            ("batches", {"custom_id": "a", "response": {"status_code": 200, "body": {}}}),
            ("litellm", {"call_type": "acompletion", "litellm_call_id": "1"}),
            ("langsmith", {"run_type": "llm", "trace_id": "1"}),
            ("responses", {"object": "chat.completion", "choices": []}),
            ("autopack-export", {"predicted_output_tokens": 5, "actual_output_tokens": 3}),
        )
    ),
    ("JSON", b'{"event": "start"}\n' * 20 + b'{"custom_id": "a", "response": {}}\n'),
    ("JSON", b'{"event":\n"output_tokens", "a":\n1}\n'),
    ("JSON", b"\xef\xbb\xbf{}"),
    ("JSON", {"text": "a custom_id and its response"}),
    ("ZIP", zipped("data.csv")),
    ("CSV", b"TIMESTAMP,ContextTokens,GeneratedTokens\r\n2023-11-16 18:15:46.6805900,374,44\r\n"),
    ("CSV", b"input\toutput\n374\t44\n"),
    ("plain text", b'[2026-01-02 03:04:05] INFO: {"custom_id": 1, "response": 2}\n'),
    ("plain text", b"2026-01-02 03:04:05,678 - agent - INFO - started\n2026-01-02 03:04:06,678 - agent - INFO - on\n"),
    ("plain text", "ä, ü\n".encode("latin-1")),
    ("UTF-16", "output_tokens,max_tokens\n44,100\n".encode("utf-16")),
    ("UTF-16", b"\xfe\xff" + "{}".encode("utf-16-be")),
    ("binary data", b"\x7fELF\0\0\0"),
    ("empty files", b""),
    ("empty files", b"\n\n"),
]


@pytest.mark.parametrize(("look", "content"), SHAPES)
@pytest.mark.parametrize("written", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_each_format_is_known_by_its_beginning(
    tmp_path: Path, look: str, content: object, written: type[bytes]
) -> None:
    path = tmp_path / "a"
    for indent in (None, 2):
        text = content if isinstance(content, bytes) else json.dumps(content, indent=indent).encode()
        path.write_bytes(written(text))
        assert looks_of([str(path)]) == {look: 1}


def test_a_database_is_known_by_its_beginning(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE calls (tokens INTEGER)")
    database.close()
    assert looks_of([str(path)]) == {"SQLite": 1}


def test_every_look_has_a_shape_here() -> None:
    assert {look for look, _ in SHAPES} | {"SQLite"} == set(LOOKS)


def test_looks_are_counted_the_most_frequent_first_and_what_cannot_be_read_is_not(tmp_path: Path) -> None:
    for name, content in (("a", b"{}"), ("b", b"text"), ("c", b"more text"), ("d", gzip.compress(b"text")[:9])):
        (tmp_path / name).write_bytes(content)
    paths = [str(tmp_path / name) for name in "abcde"]
    assert list(looks_of(paths).items()) == [("plain text", 2), ("JSON", 1)]


@pytest.mark.parametrize(
    ("folder", "looks"),
    [
        ("claude-code", {"Claude Code transcripts"}),
        ("otlp", {"OTLP JSON"}),
        ("serving-traces", {"CSV"}),
        ("autopack_db", {"JSON lines with records of format autopack-export", "SQLite"}),
        ("autopack_logs", {"plain text"}),
    ],
)
def test_real_files_look_like_what_they_are(folder: str, looks: set[str]) -> None:
    if not (SHARED / "data").is_dir():
        pytest.skip("the files of other systems are not at hand")
    assert set(looks_of(entry.path for entry in os.scandir(SHARED / "data" / folder))) == looks
