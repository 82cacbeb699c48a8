"""The history file: the last ten sessions, or one sentence why it is none."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st

from pytest_token_telemetry.sources.history import SHOWN, HistoryError, is_cut_off, read
from pytest_token_telemetry.verdict import PastVerdict

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
    with pytest.raises(HistoryError) as error:
        read_text(directory, text)
    return str(error.value)


def test_a_line_is_a_session(directory):
    assert read_text(directory, line()) == (PastVerdict("2026-11-23T05:00:00Z", "pass", 60, 0.05, 0.0, "abc123"),)


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
    assert refusal(directory, text) == f"has no session in line {number} (name another file)"


def test_a_directory_is_no_history(tmp_path):
    with pytest.raises(HistoryError, match=r"^cannot be read: Is a directory$"):
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
    except HistoryError:
        return
    assert all(each.samples >= 0 and 0 <= (each.truncation or 0) <= 1 for each in found)
