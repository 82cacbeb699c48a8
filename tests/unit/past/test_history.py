"""The history: a line for each session; the last ten are read, or one sentence says why there are none."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st

from pytest_token_telemetry.analysis.metrics import Share
from pytest_token_telemetry.past import PastError
from pytest_token_telemetry.past.history import SHOWN, PastVerdict, append, is_cut_off, read, render

RECORD = {
    "schema": "token-telemetry-history/1",
    "time": "2026-11-23T05:00:00Z",
    "verdict": "pass",
    "samples": 60,
    "underestimation": [3, 60],
    "truncation": [0, 57],
    "commit": "abc123",
}


def line(**parts) -> str:
    return json.dumps({**RECORD, **parts}) + "\n"


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return tmp_path_factory.mktemp("history")


def read_text(directory, text: str | bytes):
    path = directory / "history.jsonl"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read(path)


def refusal(directory, text: str | bytes) -> str:
    with pytest.raises(PastError) as error:
        read_text(directory, text)
    return str(error.value)


def test_a_line_is_a_session(directory):
    assert read_text(directory, line()) == (
        PastVerdict("2026-11-23T05:00:00Z", "pass", 60, 0.05, 0.0, "abc123", Share(3, 60), Share(0, 57)),
    )


def test_a_session_without_calls_has_no_rates(directory):
    (found,) = read_text(directory, line(samples=0, underestimation=[0, 0], truncation=[0, 0], commit=None))
    assert (found.underestimation, found.truncation, found.commit) == (None, None, None)


def test_the_last_ten_are_shown_the_oldest_first(directory):
    found = read_text(directory, "".join(line(samples=n) for n in range(12)))
    assert [each.samples for each in found] == list(range(2, 12))
    assert SHOWN == 10


def test_no_file_is_no_history_and_no_error(tmp_path):
    assert read(tmp_path / "nowhere" / "history.jsonl") == ()


@pytest.mark.parametrize("text", ["", "\n", "\r\n\n  \n"])
def test_an_empty_file_is_an_empty_history(directory, text):
    assert read_text(directory, text) == ()


def test_line_ends_of_windows_and_blank_lines_are_passed_over(directory):
    assert len(read_text(directory, line().replace("\n", "\r\n") + "\n" + line())) == 2


def test_keys_of_later_versions_are_passed_over(directory):
    assert len(read_text(directory, line(branch="main"))) == 1


@pytest.mark.parametrize("cut", [1, 2, 20, 40, len(line()) - 2])
def test_a_last_line_that_was_cut_off_is_passed_over(directory, cut):
    assert len(read_text(directory, line() + line()[:cut])) == 1
    assert is_cut_off(line()[:cut].encode())


def test_a_last_line_that_lost_nothing_but_its_end_counts(directory):
    assert len(read_text(directory, (line() * 2).rstrip())) == 2
    assert not is_cut_off(line().rstrip().encode())


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("hello\n", 1),
        ("hello", 1),
        ("# History\n\n", 1),
        ("{}\n", 1),
        ("[]\n", 1),
        ("null\n", 1),
        (b"\xff\xfe\n", 1),
        ("[" * 100_000 + "\n", 1),
        (line() + "hello", 2),
        (line() + "hello\n" + line(), 2),
        (line() + line()[:40] + "\n" + line(), 2),
        (f"<<<<<<< HEAD\n{line()}", 1),
        (line(schema="token-telemetry/1"), 1),
        (line(schema="token-telemetry-history/2"), 1),
        (line(verdict="fine"), 1),
        (line(verdict=["pass"]), 1),
        (line(time=None), 1),
        (line(time=5), 1),
        (line(samples="60"), 1),
        (line(samples=-1), 1),
        (line(samples=1.5), 1),
        (line(samples=True), 1),
        (line(samples=10**4000), 1),
        (line(underestimation=None), 1),
        (line(underestimation=[3]), 1),
        (line(underestimation=[3, 60, 1]), 1),
        (line(underestimation=[61, 60]), 1),
        (line(underestimation="36"), 1),
        (line(truncation=[-1, 60]), 1),
        (line(truncation=[0.5, 60]), 1),
        (line(truncation=[float("nan"), 60]), 1),
        (line(commit=5), 1),
        (json.dumps({key: value for key, value in RECORD.items() if key != "truncation"}) + "\n", 1),
    ],
    ids=range(33),
)
def test_what_is_no_history_is_refused_with_its_line(directory, text, number):
    assert refusal(directory, text).startswith(f"has no session in line {number} (")


@pytest.mark.parametrize(
    ("text", "way_out"),
    [
        ("# Notes\n" * 99, "name another file"),
        (line(samples=-1) * 2, "name another file"),
        (line() + "hello\n" + line(), "delete that line to keep the others, or name another file"),
        (line() + "hello", "delete that line to keep the others, or name another file"),
        (f"<<<<<<< HEAD\n{line()}", "delete that line to keep the others, or name another file"),
    ],
    ids=["no history", "nothing to keep", "in the middle", "at the end", "at the beginning"],
)
def test_a_history_with_a_line_that_is_no_session_can_be_kept_without_it(directory, text, way_out):
    assert refusal(directory, text).endswith(f" ({way_out})")


def test_a_directory_is_no_history(tmp_path):
    with pytest.raises(PastError, match=r"^cannot be read: Is a directory$"):
        read(tmp_path)


def test_long_texts_are_cut(directory):
    (found,) = read_text(directory, line(time="x" * 5000, commit="y" * 5000))
    assert (found.time, found.commit) == ("x" * 32, "y" * 64)


@limits(max_examples=200, deadline=None)
@given(data=st.data())
def test_a_file_with_bytes_lost_added_or_changed_is_refused_or_read(directory, data):
    raw = bytearray((line() * 3).encode())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(raw)))
        if data.draw(st.booleans()):
            del raw[at : at + data.draw(st.integers(1, 200))]
        else:
            raw[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=3) | st.just(b"\n"))
    try:
        found = read_text(directory, bytes(raw))
    except PastError:
        return
    assert all(each.samples >= 0 and 0 <= (each.truncation or 0) <= 1 for each in found)


# As it is written

COMMIT = ("GITHUB_SHA", "CI_COMMIT_SHA", "GIT_COMMIT", "BITBUCKET_COMMIT", "BUILD_SOURCEVERSION")


@pytest.fixture(autouse=True)
def _no_ci(monkeypatch):
    for name in COMMIT:
        monkeypatch.delenv(name, raising=False)


SESSION = ("pass", 63, Share(3, 63), Share(1, 62))


def test_a_line_tells_the_verdict_and_its_rates():
    record = json.loads(render(*SESSION))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", record.pop("time"))
    assert record == {
        "schema": "token-telemetry-history/1",
        "verdict": "pass",
        "samples": 63,
        "underestimation": [3, 63],
        "truncation": [1, 62],
        "commit": None,
    }


def test_a_session_is_one_line():
    assert render(*SESSION).count("\n") == 1
    assert render(*SESSION).endswith("}\n")


@pytest.mark.parametrize("name", COMMIT)
def test_the_commit_is_the_one_that_the_server_names(monkeypatch, name):
    monkeypatch.setenv(name, "abc123")
    assert json.loads(render(*SESSION))["commit"] == "abc123"


def test_a_hostile_commit_stays_within_its_line(monkeypatch):
    monkeypatch.setenv("GITHUB_SHA", 'abc"\n\x1b[31m\udcff')
    assert json.loads(render(*SESSION))["commit"] == 'abc"\n\x1b[31m\udcff'
    assert render(*SESSION).count("\n") == 1


def test_every_session_is_appended(tmp_path):
    path = tmp_path / "out" / "history.jsonl"
    append(path, *SESSION)
    append(path, "not-ready", 0, Share(0, 0), Share(0, 0))
    assert [each.verdict for each in read(path)] == ["pass", "not-ready"]


def test_a_line_that_was_cut_off_is_repaired_by_the_next_session(tmp_path):
    path = tmp_path / "history.jsonl"
    append(path, *SESSION)
    path.write_bytes(path.read_bytes() * 2 + b'{"schema": "token-telemetry-history/1", "ti')
    append(path, *SESSION)
    append(path, *SESSION)
    assert len(read(path)) == 4
    assert path.read_bytes().count(b"\n") == 4


def test_a_file_of_nothing_but_a_line_that_was_cut_off_is_repaired(tmp_path):
    path = tmp_path / "history.jsonl"
    path.write_bytes(b'{"sch')
    append(path, *SESSION)
    assert len(read(path)) == 1


def test_a_line_that_lost_nothing_but_its_end_is_ended(tmp_path):
    path = tmp_path / "history.jsonl"
    append(path, *SESSION)
    path.write_bytes(path.read_bytes().rstrip())
    append(path, *SESSION)
    assert len(read(path)) == 2


@pytest.mark.parametrize("foreign", [b"hello", b"hello\n", b"x" * 100_000, b'{"schema": "other"'])
def test_nothing_is_taken_away_from_a_file_that_is_no_history(tmp_path, foreign):
    path = tmp_path / "notes.txt"
    path.write_bytes(foreign)
    append(path, *SESSION)
    assert path.read_bytes().startswith(foreign)
    with pytest.raises(PastError):
        read(path)


def test_a_long_history_grows_by_one_line(tmp_path):
    path = tmp_path / "history.jsonl"
    path.write_text(render(*SESSION) * 2000)
    append(path, *SESSION)
    assert path.read_bytes().count(b"\n") == 2001
    assert len(read(path)) == 10


def test_a_history_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "occupied").write_text("")
    with pytest.raises(PastError, match=r"^could not be written: File exists$"):
        append(tmp_path / "occupied" / "history.jsonl", *SESSION)
    with pytest.raises(PastError, match=r"^could not be written: Is a directory$"):
        append(tmp_path, *SESSION)
