"""Lines that programs leave: whole whatever happened to the file before, and however many write to it."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st

from pytest_token_telemetry import TokenTelemetryHandler, TokenTelemetryWriter
from pytest_token_telemetry.sources.own_format import line
from pytest_token_telemetry.sources.reading import Directory, Reading, read_directories

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
CALL = {"predicted_output_tokens": 900, "output_tokens": 850}
CUT_OFF = "the JSON line is malformed or cut off"


def call(n: int, **fields: object) -> str:
    return line(predicted_output_tokens=900, output_tokens=n, time=AT, id=f"call-{n}", **fields)


def read(path: Path) -> Reading:
    return read_directories([Directory(path.parent, "logs")], [path.name])


def counts(path: Path) -> tuple[list[int], dict[str, int]]:
    """The output tokens of each call in the file, and how many lines cannot be used."""
    found = read(path)
    return found.samples.output_tokens.tolist(), {why: lines.count for why, lines in found.unusable.items()}


def write(path: Path, *numbers: int) -> None:
    writer = TokenTelemetryWriter(path)
    for n in numbers:
        writer.write(predicted_output_tokens=900, output_tokens=n, time=AT, id=f"call-{n}")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "calls.jsonl"


# Writing ----------------------------------------------------------------------------------------------------------


def test_a_call_is_one_line_with_its_fields_and_features(path: Path) -> None:
    TokenTelemetryWriter(path).write(**CALL, time=AT, category="größe\n", features={"files": 3})
    assert path.read_bytes().count(b"\n") == 1
    assert json.loads(path.read_text(encoding="utf-8")) == {
        "schema": "token-telemetry/1",
        "time": "2026-01-02T03:04:05Z",
        **CALL,
        "category": "größe\n",
        "features": {"files": 3},
    }


def test_each_call_is_in_the_file_at_once(path: Path) -> None:
    writer = TokenTelemetryWriter(path)
    for n in range(3):
        writer.write(predicted_output_tokens=1, output_tokens=n)
        assert path.read_bytes().count(b"\n") == n + 1


def test_a_call_that_is_refused_leaves_nothing(path: Path) -> None:
    writer = TokenTelemetryWriter(path)
    with pytest.raises(TypeError, match="output_tokens: None is not a whole number"):
        writer.write(predicted_output_tokens=1, output_tokens=None)
    with pytest.raises(TypeError, match="features: list is not a mapping"):
        writer.write(**CALL, features=["a"])
    assert path.read_bytes() == b""


@pytest.mark.parametrize("kind", [str, Path])
def test_missing_directories_are_made(tmp_path: Path, kind: type) -> None:
    path = tmp_path / "a" / "b" / "calls.jsonl"
    write(kind(path), 1)
    assert counts(path) == ([1], {})


def test_a_directory_that_is_there_is_taken(path: Path) -> None:
    write(path, 1)
    write(path, 2)
    assert counts(path) == ([1, 2], {})


def test_a_file_that_cannot_be_written_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"directory|denied"):
        TokenTelemetryWriter(tmp_path)


def test_a_file_that_was_removed_is_begun_again(path: Path) -> None:
    """As log rotation does."""
    writer = TokenTelemetryWriter(path)
    writer.write(**CALL)
    path.unlink()
    writer.write(**CALL)
    assert path.read_bytes().count(b"\n") == 1


# After a writer that was killed -----------------------------------------------------------------------------------


def test_a_whole_file_is_left_as_it_is(path: Path) -> None:
    write(path, 1, 2)
    before = path.read_bytes()
    TokenTelemetryWriter(path)
    assert path.read_bytes() == before


def test_a_last_line_that_is_cut_off_at_any_byte_is_lost_alone_and_told(path: Path) -> None:
    whole = f"{call(1)}\n{call(2)}\n".encode()
    last = f"{call(3, category='größe', features={'n': 1.5})}\n".encode()
    for cut in range(1, len(last) - 1):
        path.write_bytes(whole + last[:cut])
        write(path, 4, 5)
        assert counts(path) == ([1, 2, 4, 5], {CUT_OFF: 1}), last[:cut]


def test_a_first_line_that_is_cut_off_at_any_byte_is_lost_alone_and_told(path: Path) -> None:
    last = f"{call(3)}\n".encode()
    for cut in range(1, len(last) - 1):
        path.write_bytes(last[:cut])
        write(path, 4)
        assert counts(path) == ([4], {CUT_OFF: 1}), last[:cut]


def test_a_cut_off_line_is_ended_once(path: Path) -> None:
    for cut in range(1, 60):
        path.write_bytes(call(3).encode()[:cut])
        TokenTelemetryWriter(path)
        ended = path.read_bytes()
        assert ended.endswith(b"\n")
        TokenTelemetryWriter(path)
        assert path.read_bytes() == ended


def test_a_line_that_only_lacks_its_end_is_whole(path: Path) -> None:
    path.write_text(f"{call(1)}\n{call(2)}", encoding="utf-8")
    write(path, 3)
    assert counts(path) == ([1, 2, 3], {})


@pytest.mark.parametrize("end", ["prose", "x" * 5000, "}", '{"schema":"another/1"', '{"a"', '"token', " {"])
def test_another_end_is_only_ended(path: Path, end: str) -> None:
    path.write_text(f"{call(1)}\n{end}", encoding="utf-8")
    write(path, 2)
    assert path.read_text(encoding="utf-8") == f"{call(1)}\n{end}\n{call(2)}\n"
    assert counts(path) == ([1, 2], {})


@limits(deadline=None)
@given(st.lists(st.integers(0, 120), min_size=1, max_size=5))
def test_writers_that_were_killed_again_and_again_lose_one_line_each(
    tmp_path_factory: pytest.TempPathFactory, cuts: list[int]
) -> None:
    path = tmp_path_factory.mktemp("killed") / "calls.jsonl"
    for n, cut in enumerate(cuts):
        write(path, n)
        with path.open("ab") as file:
            file.write(call(1000).encode()[:cut])
    TokenTelemetryWriter(path)
    lost = sum(cut > 0 for cut in cuts)
    assert len(call(1000)) > 120
    assert counts(path) == (list(range(len(cuts))), {CUT_OFF: lost} if lost else {})


# Many writers -----------------------------------------------------------------------------------------------------

PROGRAM = """
import sys
from datetime import UTC, datetime
from pytest_token_telemetry import TokenTelemetryWriter

path, first = sys.argv[1], int(sys.argv[2])
at = datetime(2026, 1, 2, tzinfo=UTC)
features = {**{f"{i:02}": "x" * 256 for i in range(14)}, "rest": "x" * int(sys.argv[3])}
sys.stdin.readline()
for n in range(first, first + 300):
    TokenTelemetryWriter(path).write(
        predicted_output_tokens=1, output_tokens=n, time=at, id=str(n), features=features
    )
"""


def test_processes_that_write_at_once_lose_nothing(path: Path) -> None:
    """Each begins with the file again and again, as a line of another may just be on its way.

    On some systems a line becomes visible page by page: here each has the end of a page in its head.
    """
    page = 4096
    features = {**{f"{i:02}": "x" * 256 for i in range(14)}, "rest": ""}
    shortest = line(predicted_output_tokens=1, output_tokens=1000, time=AT, id="1000", features=features)
    rest = page - len(shortest) - 1
    assert 0 < rest < 256
    path.write_bytes(b"x" * (page - 10) + b"\n")
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(path), str(1000 + 300 * n), str(rest)], stdin=subprocess.PIPE
        )
        for n in range(4)
    ]
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write(b"\n")
        writer.stdin.flush()
    for writer in writers:
        writer.communicate()
    assert [writer.returncode for writer in writers] == [0] * 4
    outputs, unusable = counts(path)
    assert (sorted(outputs), unusable) == (list(range(1000, 2200)), {})
    whole = [json.loads(each) for each in path.read_bytes().splitlines() if b"output_tokens" in each]
    assert sorted(each["output_tokens"] for each in whole) == list(range(1000, 2200))


def test_an_end_that_two_processes_give_a_line_is_no_record(path: Path) -> None:
    for cut in range(1, 60):
        begin = call(3).encode()[:cut]
        path.write_bytes(begin)
        TokenTelemetryWriter(path)
        ending = path.read_bytes().removeprefix(begin)
        with path.open("ab") as file:
            file.write(ending * 2)
        write(path, 4)
        assert counts(path) == ([4], {CUT_OFF: 1}), begin


def test_threads_that_write_at_once_lose_nothing(path: Path) -> None:
    writer = TokenTelemetryWriter(path)

    def work(first: int) -> None:
        for n in range(first, first + 200):
            writer.write(predicted_output_tokens=1, output_tokens=n, id=str(n))

    threads = [threading.Thread(target=work, args=(200 * n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    outputs, unusable = counts(path)
    assert (sorted(outputs), unusable) == (list(range(800)), {})


# The handler ------------------------------------------------------------------------------------------------------


def emit(handler: logging.Handler, **attributes: object) -> None:
    handler.handle(logging.makeLogRecord({"msg": "called", "levelno": logging.INFO, **attributes}))


def test_a_handler_writes_what_is_logged_beside_the_message(path: Path) -> None:
    emit(TokenTelemetryHandler(path), token_telemetry={**CALL, "features": {"files": 3}})
    assert read(path).samples.features == {0: {"files": "3"}}


def test_a_call_without_a_prediction_is_written(path: Path) -> None:
    TokenTelemetryWriter(path).write(output_tokens=850, operation="summarise")
    emit(TokenTelemetryHandler(path), token_telemetry={"output_tokens": 850, "predicted_output_tokens": None})
    found = read(path).samples
    assert (found.predicted_output_tokens.tolist(), found.output_tokens.tolist()) == ([-1, -1], [850, 850])
    assert [found.operation.name(row) for row in range(2)] == ["summarise", None]


def test_a_handler_passes_over_all_else(path: Path) -> None:
    handler = TokenTelemetryHandler(path)
    emit(handler)
    emit(handler, token_telemetry=None)
    assert path.read_bytes() == b""


@pytest.mark.parametrize(
    "fields", [{}, {"predicted_output_tokens": 1}, {**CALL, "features": [1]}, {**CALL, "prompt": "x"}, 7, [1]]
)
def test_a_handler_tells_what_it_cannot_write_and_breaks_nothing(
    path: Path, fields: object, capsys: pytest.CaptureFixture[str]
) -> None:
    handler = TokenTelemetryHandler(path)
    emit(handler, token_telemetry=fields)
    assert "--- Logging error ---" in capsys.readouterr().err
    assert path.read_bytes() == b""


def test_a_handler_has_a_level(path: Path) -> None:
    assert TokenTelemetryHandler(path).level == logging.NOTSET
    assert TokenTelemetryHandler(path, logging.ERROR).level == logging.ERROR
