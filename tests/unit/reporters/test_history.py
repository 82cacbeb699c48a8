"""A session as a line of the history."""

from __future__ import annotations

import json
import re

import pytest

from pytest_token_telemetry.reporters.history import append, render
from pytest_token_telemetry.sources.history import HistoryError, read
from tests.unit.gate.cases import call, cut_off, ready, verdict

COMMIT = ("GITHUB_SHA", "CI_COMMIT_SHA", "GIT_COMMIT", "BITBUCKET_COMMIT", "BUILD_SOURCEVERSION")


@pytest.fixture(autouse=True)
def _no_ci(monkeypatch):
    for name in COMMIT:
        monkeypatch.delenv(name, raising=False)


def judged(*more):
    return verdict([*ready(60), *more], history="history.jsonl")


def test_a_line_tells_the_verdict_and_its_rates():
    # of 60 + 3 calls, 2 exceed their prediction and 1 was cut off
    record = json.loads(render(judged(call(100, 200), call(100, 200), cut_off())))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", record.pop("time"))
    assert record == {
        "schema": "token-telemetry-history/1",
        "verdict": "pass",
        "samples": 63,
        "underestimation": [3, 63],
        "truncation": [1, 63],
        "commit": None,
    }


def test_a_session_is_one_line():
    assert render(judged()).count("\n") == 1
    assert render(judged()).endswith("}\n")


@pytest.mark.parametrize("name", COMMIT)
def test_the_commit_is_the_one_that_the_server_names(monkeypatch, name):
    monkeypatch.setenv(name, "abc123")
    assert json.loads(render(judged()))["commit"] == "abc123"


def test_a_hostile_commit_stays_within_its_line(monkeypatch):
    monkeypatch.setenv("GITHUB_SHA", 'abc"\n\x1b[31m\udcff')
    assert json.loads(render(judged()))["commit"] == 'abc"\n\x1b[31m\udcff'
    assert render(judged()).count("\n") == 1


def test_every_session_is_appended(tmp_path):
    path = tmp_path / "out" / "history.jsonl"
    assert append(judged(), path) == []
    assert append(verdict([], history="x"), path) == []
    assert [each.verdict for each in read(path)] == ["pass", "not-ready"]


def test_a_line_that_was_cut_off_is_repaired_by_the_next_session(tmp_path):
    path = tmp_path / "history.jsonl"
    append(judged(), path)
    path.write_bytes(path.read_bytes() * 2 + b'{"schema": "token-telemetry-history/1", "ti')
    append(judged(), path)
    append(judged(), path)
    assert len(read(path)) == 4
    assert path.read_bytes().count(b"\n") == 4


def test_a_file_of_nothing_but_a_line_that_was_cut_off_is_repaired(tmp_path):
    path = tmp_path / "history.jsonl"
    path.write_bytes(b'{"sch')
    append(judged(), path)
    assert len(read(path)) == 1


def test_a_line_that_lost_nothing_but_its_end_is_ended(tmp_path):
    path = tmp_path / "history.jsonl"
    append(judged(), path)
    path.write_bytes(path.read_bytes().rstrip())
    append(judged(), path)
    assert len(read(path)) == 2


@pytest.mark.parametrize("foreign", [b"hello", b"hello\n", b"x" * 100_000, b'{"schema": "other"'])
def test_nothing_is_taken_away_from_a_file_that_is_no_history(tmp_path, foreign):
    path = tmp_path / "notes.txt"
    path.write_bytes(foreign)
    append(judged(), path)
    assert path.read_bytes().startswith(foreign)
    with pytest.raises(HistoryError):
        read(path)


def test_a_long_history_grows_by_one_line(tmp_path):
    path = tmp_path / "history.jsonl"
    path.write_text(render(judged()) * 2000)
    append(judged(), path)
    assert path.read_bytes().count(b"\n") == 2001
    assert len(read(path)) == 10


def test_a_history_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "occupied").write_text("")
    assert append(judged(), tmp_path / "occupied" / "history.jsonl") == [
        "--token-telemetry-history: 'history.jsonl' could not be written: File exists"
    ]
    assert append(judged(), tmp_path) == [
        "--token-telemetry-history: 'history.jsonl' could not be written: Is a directory"
    ]
