"""What whole trees of logs add up to."""

from __future__ import annotations

import dataclasses
import gzip
import itertools
import json
import math
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_token_telemetry.sources.deferred import ONE_A_LINE
from pytest_token_telemetry.sources.dividing import TaskSizes
from pytest_token_telemetry.sources.documents import PLAIN_TEXT
from pytest_token_telemetry.sources.parallel import Progress, Scan
from pytest_token_telemetry.sources.reading import Directory, File, Reading, UnusableLines, read_directories
from pytest_token_telemetry.sources.source import Sizes
from pytest_token_telemetry.sources.tagged import simple_search
from pytest_token_telemetry.sources.unread import BESIDE
from tests.lines import stamp, v2, write
from tests.spans import chat, span, spans
from tests.unit.sources.builders import OTHER_LINES, V2_LINES, budget, joined, rows

if TYPE_CHECKING:
    from collections.abc import Callable


def read(*directories: Path, patterns: tuple[str, ...] = ("*.log",), **options: Any) -> Reading:
    """What is below ``directories``, each shown by its name."""
    return read_directories([Directory(path, path.name) for path in directories], patterns, **options)


def scan_of(buffer: int, tell: Callable[[int, int], None] | None = None) -> Scan:
    return Scan(sizes=Sizes(buffer), progress=Progress(tell))


def read_lines(directory: Path, *lines: str) -> Reading:
    return read(write(directory, list(lines)))


def summary(reading: Reading) -> dict[str, Any]:
    """All of a reading, as something that can be compared."""
    others = {field.name: getattr(reading, field.name) for field in dataclasses.fields(reading)}
    return {**others, "samples": rows(reading), "scanned": None}


# Counting ---------------------------------------------------------------------------------------------------------


def test_samples_are_counted_by_file_and_run(tmp_path: Path) -> None:
    write(tmp_path, [v2(time=stamp(0))], "top.log")
    write(tmp_path, [v2(time=stamp(1)), "nothing", v2(time=stamp(2))], "run-1/deep/er/a.log")
    write(tmp_path, ["nothing"], "run-2/b.log")
    found = read_directories([Directory(tmp_path, "logs")], ["*.log"])
    assert found.files == (
        File("logs/run-1/deep/er/a.log", 2, format="logs"),
        File("logs/run-2/b.log", 0, format="logs"),
        File("logs/top.log", 1, format="logs"),
    )
    assert [(row["place"], row["run"]) for row in rows(found)] == [
        ("logs/run-1/deep/er/a.log:1", "logs/run-1"),
        ("logs/run-1/deep/er/a.log:3", "logs/run-1"),
        ("logs/top.log:1", "logs"),
    ]


def test_no_file_is_no_error(tmp_path: Path) -> None:
    found = read(tmp_path)
    assert (len(found.samples), found.files, found.unreadable) == (0, (), {})


def test_unusable_lines_are_counted_with_their_reason_and_first_three_places(tmp_path: Path) -> None:
    write(tmp_path, [v2(None), *[v2(output=-1)] * 2], "a.log")
    write(tmp_path, ["", *[v2(output=-1)] * 5], "b.log")
    (tmp_path / "c.log").write_text("[TokenEstimationV2] predicted_output=10", encoding="utf-8")
    found = read_directories([Directory(tmp_path, "logs")], ["*.log"])
    assert found.unusable == {
        "actual_output is negative": UnusableLines(7, ["logs/a.log:2", "logs/a.log:3", "logs/b.log:2"]),
        "predicted_output is not a whole number": UnusableLines(1, ["logs/a.log:1"]),
        "the line is cut off after predicted_output": UnusableLines(1, ["logs/c.log:1"]),
    }
    assert len(found.samples) == 0


def test_prose_is_neither_a_sample_nor_unusable(tmp_path: Path) -> None:
    found = read_lines(
        tmp_path, "=== Check logs above for [TokenEstimation] line ===", "[TOKEN_BUDGET] used 5/6 tokens"
    )
    assert (len(found.samples), found.unusable) == (0, {})
    assert (found.mentions, found.nothing_known) == (2, 0)


@pytest.mark.parametrize("size", [1 << 20, 40])
def test_files_that_hold_nothing_known_are_counted(tmp_path: Path, size: int) -> None:
    """A sample, also one that is left out as a copy, an unusable line, a tag and a record of a budget are known."""
    write(tmp_path, [v2()], "a.log")
    write(tmp_path, [v2()], "copy.log")
    write(tmp_path, ["nothing", v2(None)], "unusable.log")
    write(tmp_path, ["a [TokenEstimation] here", "and [TokenEstimationV2] or [TokenEstimation] there"], "m.log")
    write(tmp_path, ["nothing", budget("phase-7", 900)], "budget.log")
    write(tmp_path, ["nothing", "more nothing of this kind", "and no more than nothing"], "nothing.log")
    (tmp_path / "empty.log").write_bytes(b"")
    found = read(tmp_path, scan=Scan(bounds=TaskSizes(size, 2, size)))
    assert (len(found.samples), found.duplicates) == (2, 1)
    assert (found.mentions, found.nothing_known, found.look_like) == (3, 2, {})


def test_where_no_file_holds_anything_known_they_are_named_for_what_they_look_like(tmp_path: Path) -> None:
    run = '{"type": "user", "sessionId": "3", "uuid": "1"}'
    write(tmp_path, [run], "a.log")
    write(tmp_path, ["started", "ended"], "b.log")
    (tmp_path / "c.log").write_bytes(gzip.compress(run.encode()))
    found = read(tmp_path)
    assert (found.nothing_known, list(found.look_like.items())) == (
        3,
        [("Claude Code transcripts", 2), ("plain text", 1)],
    )


CALLS_BELOW = {
    "otlp": spans(span(chat(44))),
    "batches": {
        "custom_id": "a",
        "response": {"status_code": 200, "body": {"choices": [], "usage": {"completion_tokens": 44}}},
    },
    "litellm": {"call_type": "acompletion", "litellm_call_id": "1", "completion_tokens": 44, "status": "success"},
    "langsmith": {"run_type": "llm", "id": "1", "trace_id": "1", "outputs": {"usage_metadata": {"output_tokens": 44}}},
    "responses": {"object": "chat.completion", "choices": [], "usage": {"completion_tokens": 44}},
    "autopack-export": {"predicted_output_tokens": 50, "actual_output_tokens": 44},
}

BANNER = "INFO:     Started server process [17]"


@pytest.mark.parametrize("name", ONE_A_LINE)
@pytest.mark.parametrize("first", ['{"message": "Proxy initialized", "level": "INFO"}', BANNER, "{}"])
def test_calls_below_a_first_line_of_another_kind_are_read_beside_other_files(
    tmp_path: Path, name: str, first: str
) -> None:
    write(tmp_path, [v2()])
    write(tmp_path, [first, json.dumps(CALLS_BELOW[name])], "calls.log")
    reading = read(tmp_path)
    assert sorted(reading.samples.output_tokens.tolist()) == [44, 900]


@pytest.mark.parametrize("size", [1, 1000], ids=["small", "large"])
def test_text_before_the_first_record_counts_as_behind_it(tmp_path: Path, size: int) -> None:
    calls = [json.dumps({**CALLS_BELOW["litellm"], "id": f"call-{n}"}) for n in range(size)]
    write(tmp_path, [BANNER, "", "INFO:     Uvicorn running on http://0.0.0.0:4000", *calls, BANNER])
    reading = read(tmp_path)
    assert len(reading.samples) == size
    assert (reading.unusable, reading.skipped) == ({}, {PLAIN_TEXT: 3})


def test_telemetry_of_our_own_goes_before_calls_of_others_in_its_file(tmp_path: Path) -> None:
    for lines in ([json.dumps({"message": text}) for text in ("Begun", v2())], [BANNER, v2()]):
        write(tmp_path, [*lines, json.dumps(CALLS_BELOW["responses"])])
        reading = read(tmp_path)
        assert reading.samples.output_tokens.tolist() == [900]
        assert {reason: each.count for reason, each in reading.unusable.items()} == {BESIDE: 1}


def test_where_no_file_matches_the_files_that_are_there_are_told_by_their_endings(tmp_path: Path) -> None:
    for name in ("a.txt", "b/c.txt", "d.csv", "e.csv", "f.tar.gz", "g", "h"):
        write(tmp_path, [v2()], name)
    assert list(read(tmp_path).near_misses.items()) == [("*.csv", 2), ("*.txt", 2), ("*.gz", 1)]
    assert read(tmp_path, patterns=("*.txt",)).near_misses == {}


def test_the_real_logs_add_up_to_what_was_counted_by_hand(real_logs: Path) -> None:
    found = read_directories([Directory(real_logs, "logs")], ["*.log"])
    legacy = found.samples.legacy
    attempts = found.samples.predicted_output_tokens == -1
    assert (len(legacy), legacy.sum(), attempts.sum()) == (46, 6, 6)
    assert (len(found.files), found.duplicates, found.unusable, found.unreadable) == (13, 0, {}, {})
    assert ((found.samples.success == 1) & ~legacy).sum() == 17
    assert (found.samples.truncated == 1).sum() == 6
    row = rows(found)[0]
    assert row["place"].startswith("logs/build129-p3-batch.log:")
    assert (row["task_id"], row["max_tokens"]) == ("build129-p3-w1.9-documentation-low-5files", 16384)
    assert (row["output_tokens"], row["time"]) == (16384, "2025-12-24T15:51:25.000000")


# Budget records ---------------------------------------------------------------------------------------------------


def test_a_budget_record_gives_the_sample_below_it_its_task_and_its_cap(tmp_path: Path) -> None:
    assert joined(read_lines(tmp_path, budget("phase-7", 900), v2(output=900))) == [("phase-7", 16384)]


def test_what_the_line_says_itself_goes_before(tmp_path: Path) -> None:
    found = read_lines(tmp_path, budget("phase-7", 900), v2(output=900, more=" task_id=own max_tokens=4096"))
    assert joined(found) == [("own", 4096)]


def test_a_budget_record_without_a_task_is_not_joined(tmp_path: Path) -> None:
    line = budget("phase-7", 900).replace("phase=", "name=")
    assert joined(read_lines(tmp_path, line, v2(output=900))) == [(None, None)]


def test_a_budget_record_that_no_sample_claims_is_a_call_of_its_own(tmp_path: Path) -> None:
    """One with another output count, and one below the sample."""
    lines = budget("phase-7", 901), v2(output=900, time=None), budget("phase-8", 900, 900, time=stamp(2))
    first, _, last = rows(read_lines(tmp_path, *lines))
    log = f"{tmp_path.name}/run-1"
    call = {"legacy": 0, "run": log, "output_tokens": 901, "max_tokens": 16384, "truncated": 0, "task_id": "phase-7"}
    assert first == {**call, "place": f"{log}/agent.log:1", "time": "2026-01-02T03:04:05.678000"}
    call |= {"output_tokens": 900, "max_tokens": 900, "truncated": 1, "task_id": "phase-8"}
    assert last == {**call, "place": f"{log}/agent.log:3", "time": "2026-01-02T00:00:02.000000"}


def test_a_budget_record_of_another_file_is_not_joined(tmp_path: Path) -> None:
    write(tmp_path, [budget("phase-7", 900)], "a.log")
    write(tmp_path, [v2(output=900)], "b.log")
    assert joined(read(tmp_path)) == [("phase-7", 16384), (None, None)]


@pytest.mark.parametrize(
    ("distance", "expected"), [(200, [("phase-7", 16384)]), (201, [("phase-7", 16384), (None, None)])]
)
def test_a_budget_record_reaches_two_hundred_lines(
    tmp_path: Path, distance: int, expected: list[tuple[str | None, int | None]]
) -> None:
    assert joined(read_lines(tmp_path, budget("phase-7", 900), *[""] * (distance - 1), v2(output=900))) == expected


def test_each_budget_record_is_used_once(tmp_path: Path) -> None:
    found = read_lines(tmp_path, budget("p", 900), v2(output=900, time=stamp(1)), v2(output=900, time=stamp(2)))
    assert joined(found) == [("p", 16384), (None, None)]


def test_calls_side_by_side_are_told_apart_by_their_output(tmp_path: Path) -> None:
    found = read_lines(tmp_path, budget("p", 1, 100), budget("q", 2, 200), v2(output=1), v2(output=2))
    assert joined(found) == [("p", 100), ("q", 200)]


def test_a_legacy_line_takes_no_budget_record(tmp_path: Path) -> None:
    legacy = "[TokenEstimation] Predicted: 300 output tokens, Actual: 900 output tokens"
    found = read_lines(tmp_path, budget("p", 900), legacy, v2(output=900))
    assert joined(found) == [(None, None), ("p", 16384)]


def test_any_number_of_calls_side_by_side_find_their_budget_records(tmp_path: Path) -> None:
    lines = [budget(f"p{n}", n) for n in range(100)]
    found = read_lines(tmp_path, *lines, *[v2(output=n, time=stamp(n)) for n in range(100)])
    assert [task for task, _ in joined(found)] == [f"p{n}" for n in range(100)]


# Duplicates -------------------------------------------------------------------------------------------------------


def write_files(directory: Path, *contents: list[str]) -> Path:
    for n, lines in enumerate(contents):
        write(directory, lines, f"{n}.log")
    return directory


def test_a_line_copied_into_another_file_is_one_sample_and_one_duplicate(tmp_path: Path) -> None:
    found = read(write_files(tmp_path, [v2()], ["before", f"a.log:{v2()}\r"], [v2()]))
    assert [row["place"] for row in rows(found)] == [f"{tmp_path.name}/0.log:1"]
    assert found.duplicates == 2
    assert [file.samples for file in found.files] == [1, 0, 0]


def test_lines_written_twice_by_two_handlers_are_one_sample_each(tmp_path: Path) -> None:
    lines = [budget("p", 900), v2(output=900), budget("q", 901), v2(output=901)]
    found = read_lines(tmp_path, *(line for line in lines for _ in range(2)))
    assert (joined(found), found.duplicates) == ([("p", 16384), ("q", 16384)], 2)


def test_lines_without_a_timestamp_are_never_merged(tmp_path: Path) -> None:
    found = read(write_files(tmp_path, [v2(time=None)] * 2, [v2(time=None)]))
    assert (len(found.samples), found.duplicates) == (3, 0)


def test_a_timestamp_that_is_no_date_still_tells_copies(tmp_path: Path) -> None:
    found = read(write_files(tmp_path, [v2(time="9999-99-99 99:99:99")], [v2(time="9999-99-99 99:99:99")]))
    assert (len(found.samples), found.duplicates) == (1, 1)


def test_lines_glued_without_a_timestamp_of_their_own_are_never_merged(tmp_path: Path) -> None:
    found = read(write_files(tmp_path, [v2() + " " + v2(time=None)], [v2() + " " + v2(time=None)]))
    assert (len(found.samples), found.duplicates) == (3, 1)


def test_a_copy_glued_to_its_next_line_is_a_copy(tmp_path: Path) -> None:
    first, second = v2(time=stamp(1)), v2(time=stamp(2))
    found = read(write_files(tmp_path, [first, second], [first + second]))
    assert (len(found.samples), found.duplicates) == (2, 2)


def test_the_same_line_of_two_tasks_is_two_samples(tmp_path: Path) -> None:
    """Calls cut off at the same cap in the same second look alike."""
    found = read_lines(tmp_path, budget("p", 900), v2(output=900), budget("q", 900), v2(output=900))
    assert (joined(found), found.duplicates) == ([("p", 16384), ("q", 16384)], 0)


COPIES = {
    "p": [budget("p", 900), v2(output=900)],
    "q": [budget("q", 900), v2(output=900)],
    "unknown": [v2(output=900)],
    "unknown too": ["nothing", v2(output=900)],
}


@pytest.mark.parametrize("order", list(itertools.permutations(COPIES)), ids=" ".join)
def test_copies_that_do_not_know_their_task_merge_in_any_order(tmp_path: Path, order: tuple[str, ...]) -> None:
    found = read(write_files(tmp_path, *(COPIES[name] for name in order)))
    assert sorted(joined(found)) == [("p", 16384), ("q", 16384)]
    assert found.duplicates == 2


@pytest.mark.parametrize("order", list(itertools.permutations(["p", "unknown"])), ids=" ".join)
def test_a_pair_of_copies_merges_in_either_order(tmp_path: Path, order: tuple[str, ...]) -> None:
    found = read(write_files(tmp_path, *(COPIES[name] for name in order)))
    assert (joined(found), found.duplicates) == ([("p", 16384)], 1)


@pytest.mark.parametrize("backwards", [False, True])
def test_a_copy_that_knows_the_cap_tells_it_in_either_order(tmp_path: Path, backwards: bool) -> None:
    line = v2(output=900, more=" task_id=p")
    copies = [[budget("p", 900), line], [line]]
    found = read(write_files(tmp_path, *(reversed(copies) if backwards else copies)))
    assert (joined(found), found.duplicates) == ([("p", 16384)], 1)


# Bytes ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_the_same_log_in_another_encoding_is_a_copy(tmp_path: Path, encoding: str) -> None:
    line = v2(category="größe")
    (tmp_path / "a.log").write_bytes(f"{line}\n".encode())
    (tmp_path / "b.log").write_bytes(f"{line}\r\n".encode(encoding))
    found = read(tmp_path)
    assert (len(found.samples), found.duplicates) == (1, 1)
    assert rows(found)[0]["category"] == "größe"


def test_wide_text_appended_to_a_log_is_read(tmp_path: Path) -> None:
    """As a shell does that redirects into a file which another program began."""
    log = tmp_path / "a.log"
    log.write_bytes(f"{v2(time=stamp(1))}\n".encode() + f"{v2(time=stamp(2))}\r\n".encode("utf-16-le"))
    found = read(tmp_path)
    assert [(row["place"][-2:], row["model"]) for row in rows(found)] == [
        (":1", "claude-sonnet-4-5"),
        (":2", "claude-sonnet-4-5"),
    ]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
def test_plain_text_appended_to_wide_text_is_never_lost_in_silence(tmp_path: Path, encoding: str) -> None:
    log = tmp_path / "a.log"
    log.write_bytes(f"{v2(time=stamp(1))}\n".encode(encoding) + f"{v2(time=stamp(2))}\n".encode())
    found = read(tmp_path)
    assert len(found.samples) == 1
    assert "another encoding was appended" in next(iter(found.unreadable.values()))


def test_noise_around_records_does_no_harm(tmp_path: Path) -> None:
    noise = bytes(range(256)) * 50
    (tmp_path / "a.log").write_bytes(noise + b"\n" + v2().encode() + b"\n" + noise)
    assert len(read(tmp_path).samples) == 1


def test_a_long_word_behind_a_tag_is_searched_once(tmp_path: Path) -> None:
    """Searching each again from each of its letters took minutes for this file."""
    word = "a" * (simple_search.RECORD_LIMIT - 1)
    found = read_lines(tmp_path, *[f"[TOKEN_BUDGET] {word}", f"[TokenEstimation] {'a.' * (len(word) // 2)}"] * 50, v2())
    assert (len(found.samples), found.unusable) == (1, {})


# Files ------------------------------------------------------------------------------------------------------------


def test_several_patterns_are_one_reading(tmp_path: Path) -> None:
    for n, name in enumerate(("a.log", "b.txt", "c/d.out", "e.csv")):
        write(tmp_path, [v2(time=stamp(n))], name)
    found = read(tmp_path, patterns=("*.log", "*.txt", "c/*"))
    assert [file.path.rpartition("/")[2] for file in found.files] == ["a.log", "b.txt", "d.out"]


def test_a_file_with_several_names_is_read_once(tmp_path: Path) -> None:
    write(tmp_path, [v2(time=None)], "b.log")
    os.link(tmp_path / "b.log", tmp_path / "c.log")
    (tmp_path / "a.log").symlink_to("b.log")
    found = read(tmp_path)
    assert found.files == (File(f"{tmp_path.name}/a.log", 1, format="logs"),)
    assert found.duplicates == 0


def test_directories_that_overlap_are_read_once(tmp_path: Path) -> None:
    write(tmp_path, [v2(time=None)], "run-1/a.log")
    (tmp_path / "link").symlink_to("run-1")
    directories = [tmp_path, tmp_path / "run-1", tmp_path / "link", tmp_path]
    for order in itertools.permutations(directories):
        found = read_directories([Directory(path, f"logs/{path.relative_to(tmp_path)}") for path in order], ["*.log"])
        assert len(found.samples) == len(found.files) == 1


def test_a_directory_given_through_a_link_is_read(tmp_path: Path) -> None:
    write(tmp_path / "real", [v2()])
    (tmp_path / "link").symlink_to("real")
    assert len(read(tmp_path / "link").samples) == 1


def test_links_out_of_the_directory_are_told(tmp_path: Path) -> None:
    write(tmp_path / "elsewhere", [v2()], "a.log")
    logs = write(tmp_path / "logs", [])
    (logs / "a.log").symlink_to("../elsewhere/a.log")
    (logs / "directory").symlink_to("../elsewhere")
    found = read(logs)
    assert found.outside == ("logs/a.log", "logs/directory")
    assert (len(found.samples), found.unreadable) == (0, {})


def test_what_can_not_be_found_is_unreadable(tmp_path: Path) -> None:
    (tmp_path / "gone.log").symlink_to("nowhere")
    found = read_directories([Directory(tmp_path, "logs"), Directory(tmp_path / "missing", "missing")], ["*.log"])
    assert found.unreadable == {"logs/gone.log": "the link leads to nothing", "missing": "the directory does not exist"}


def within(seconds: float, work: Callable[[], Reading]) -> Reading:
    """The result of ``work``, which may hang if it is broken."""
    results: list[Reading] = []
    thread = threading.Thread(target=lambda: results.append(work()), daemon=True)
    thread.start()
    thread.join(seconds)
    assert results, "it hangs, or failed"
    return results[0]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_pipes_and_sockets_are_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, [v2()], "a.log")
    os.mkfifo(tmp_path / "pipe.log")
    monkeypatch.chdir(tmp_path)  # the whole path may be too long for a socket
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket.log")
        found = within(60, lambda: read_directories([Directory(tmp_path, "logs")], ["*.log"]))
    assert found.special == ("logs/pipe.log", "logs/socket.log")
    assert (found.unreadable, len(found.samples)) == ({}, 1)


def _make_pipe(path: Path) -> None:
    os.mkfifo(path)


def _make_link_outside(path: Path) -> None:
    path.symlink_to(write(path.parent.parent / "elsewhere", [v2()], "a.log") / "a.log")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
@pytest.mark.parametrize("make", [_make_pipe, _make_link_outside, Path.mkdir, lambda path: None])
def test_a_file_replaced_while_others_are_read_is_unreadable(tmp_path: Path, make: Callable[[Path], None]) -> None:
    logs = write_files(tmp_path / "logs", ["nothing"], [v2()])

    def replace(files: int, size: int) -> None:
        if files == 1:
            (logs / "1.log").unlink(missing_ok=True)
            if not os.path.lexists(logs / "1.log"):
                make(logs / "1.log")

    found = within(60, lambda: read(logs, scan=Scan(bounds=TaskSizes(1, 1, 1_000), progress=Progress(replace))))
    assert set(found.unreadable) == {"logs/1.log"}
    assert len(found.samples) == 0


LOG = "".join(f"{v2(time=stamp(n))}\n" for n in range(40))
OLD = 10**18
"""When the files below were written, in ns: what is written now is written later by any clock."""


def rewrite(path: Path, text: str) -> None:
    path.write_text(text)


def replace_by(path: Path, text: str) -> None:
    path.with_suffix(".new").write_text(text)
    path.with_suffix(".new").replace(path)


SHORTER, REPLACED, OVERWRITTEN = (
    f"it {what} while it was read" for what in ("became shorter", "was replaced", "was overwritten")
)
HOW_READ = pytest.mark.parametrize(
    ("sizes", "part"),
    [(Sizes(), 1 << 20), (Sizes(buffer=1_000), 1 << 20), (Sizes(), 1_000)],
    ids=["at once", "by and by", "in parts"],
)


def read_while(path: Path, name: str, change: Callable[[], object], sizes: Sizes, part: int) -> Reading:
    """Read ``path`` and a log beside it, and ``change`` something after the first read of the one called ``name``."""
    for each in ("0.log", "1.log"):
        path.with_name(each).write_text(LOG if each == path.name else "nothing\n" * 5)
        os.utime(path.with_name(each), ns=(OLD, OLD))
    changes = [change]

    def tell(files: int, size: int) -> None:
        if files == int(name[0]) + 1 and changes:
            changes.pop()()

    return read(path.parent, scan=Scan(sizes=sizes, bounds=TaskSizes(1, 1, part), progress=Progress(tell)))


@HOW_READ
@pytest.mark.parametrize(
    ("how", "text", "error"),
    [
        (rewrite, "", SHORTER),
        (rewrite, LOG[: len(LOG) // 2], SHORTER),
        (rewrite, "x" * (len(LOG) - 1) + "\n", OVERWRITTEN),
        (replace_by, "x" * (len(LOG) - 1) + "\n", REPLACED),
        (replace_by, "x\n" * len(LOG), REPLACED),
        (replace_by, "", SHORTER),
    ],
)
def test_a_file_that_is_another_one_than_was_listed_is_unreadable(
    tmp_path: Path, sizes: Sizes, part: int, how: Callable[[Path, str], None], text: str, error: str
) -> None:
    log = tmp_path / "1.log"
    found = read_while(log, "0.log", lambda: how(log, text), sizes, part)
    assert found.unreadable == {f"{tmp_path.name}/1.log": error}


@pytest.mark.parametrize("part", [1 << 20, 1_000])
@pytest.mark.parametrize(
    ("how", "text", "error"),
    [
        (rewrite, "", SHORTER),
        (rewrite, "x" * (len(LOG) - 1) + "\n", OVERWRITTEN),
        (rewrite, LOG[: len(LOG) // 2] + "x" * (len(LOG) - len(LOG) // 2), OVERWRITTEN),
    ],
)
def test_a_file_that_changes_while_it_is_read_is_unreadable(
    tmp_path: Path, part: int, how: Callable[[Path, str], None], text: str, error: str
) -> None:
    log = tmp_path / "0.log"
    found = read_while(log, "0.log", lambda: how(log, text), Sizes(buffer=600), part)
    assert found.unreadable == {f"{tmp_path.name}/0.log": error}


@HOW_READ
def test_a_file_that_only_grows_is_read(tmp_path: Path, sizes: Sizes, part: int) -> None:
    """What was there when it was listed is read, and perhaps more."""
    log = tmp_path / "1.log"
    found = read_while(log, "0.log", lambda: rewrite(log, LOG + v2(time=stamp(50)) + "\n"), sizes, part)
    assert (found.unreadable, found.unusable) == ({}, {})
    assert len(found.samples) in (40, 41)


def test_a_file_that_gives_its_name_to_another_one_while_it_is_read_is_read(tmp_path: Path) -> None:
    log = tmp_path / "0.log"
    found = read_while(log, "0.log", lambda: replace_by(log, ""), Sizes(buffer=600), 1 << 20)
    assert (found.unreadable, len(found.samples)) == ({}, 40)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (b"\xff\xfe.log", r"logs/\udcff\udcfe.log"),
        ("größe😀.log".encode(), "logs/größe😀.log"),
        (b"a\nb.log", "logs/a\nb.log"),
    ],
)
def test_any_name_can_be_read_and_shown(tmp_path: Path, name: bytes, shown: str) -> None:
    try:
        descriptor = os.open(os.fsencode(tmp_path) + b"/" + name, os.O_CREAT | os.O_WRONLY)
    except OSError:
        pytest.skip("this file system refuses the name")
    os.write(descriptor, f"{v2()}\n{v2(None)}\n".encode())
    os.close(descriptor)
    found = read_directories([Directory(tmp_path, "logs")], ["*.log"])
    assert found.files == (File(shown, 1, format="logs", unusable=1),)
    [lines] = found.unusable.values()
    assert lines.places == [f"{shown}:2"]


def test_an_empty_file_is_none_that_a_map_could_read(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text(f"{v2()}\n")
    for name, text in (("empty.jsonl", ""), ("other.jsonl", '{"event": "started"}\n')):
        (tmp_path / name).write_text(text)
    found = read_directories([Directory(tmp_path, "logs")], ["*.log", "*.jsonl"])
    assert [*found.unknown] == ["logs/other.jsonl"]


READ_AND_TELL = """
import json, sys
from pathlib import Path
from pytest_token_telemetry.sources.reading import Directory, read_directories
found = read_directories([Directory(Path(sys.argv[1]), "logs")], ["*.log"])
print(json.dumps([len(found.samples), found.unreadable]))
"""


def test_what_may_not_be_read_is_told_and_the_rest_is_read(tmp_path: Path) -> None:
    command = [sys.executable, "-c", READ_AND_TELL, str(tmp_path)]
    if sys.platform == "win32":
        pytest.skip("needs file modes")
    if os.geteuid() == 0:
        if not (setpriv := shutil.which("setpriv")):
            pytest.skip("root may read anything, and there is no setpriv to give that up")
        rights = "-dac_override,-dac_read_search"
        command = [setpriv, f"--bounding-set={rights}", f"--inh-caps={rights}", *command]
    write(tmp_path, [v2(time=stamp(1))], "a.log")
    write(tmp_path, [v2(time=stamp(2))], "b.log").joinpath("b.log").chmod(0)
    write(tmp_path, [v2(time=stamp(3))], "closed/c.log").joinpath("closed").chmod(0)
    try:
        told = subprocess.run(command, capture_output=True, text=True)
    finally:
        (tmp_path / "closed").chmod(0o700)
    if told.returncode and "setpriv" in told.stderr:
        pytest.skip("root may read anything, and setpriv can not give that up here")
    assert told.stderr == ""
    assert json.loads(told.stdout) == [
        1,
        {"logs/b.log": "Permission denied", "logs/closed": "Permission denied"},
    ]


def test_progress_tells_files_and_bytes_so_far(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(b"x" * 25)
    (tmp_path / "b.log").write_bytes(b"x" * 5)
    told: list[tuple[int, int]] = []
    read(tmp_path, scan=scan_of(10, lambda files, size: told.append((files, size))))
    assert told == [(2, 10), (2, 20), (2, 25), (2, 30)]


# For any logs -----------------------------------------------------------------------------------------------------

LOGS = st.builds(
    lambda lines, handlers: [line for line in lines for _ in range(handlers)],
    st.lists(V2_LINES | OTHER_LINES, max_size=12),
    st.sampled_from([1, 1, 1, 2, 3]),
)


def is_count(word: str | None) -> bool:
    return word is not None and word.lstrip("-").isdecimal() and abs(int(word)) <= 10**9


class SlowReader:
    """The counting rules once more: a text in memory, line by line, word by word."""

    def __init__(self, reach: int) -> None:
        self.reach = reach
        self.unusable = 0
        self.files: list[list[Telling]] = []
        self.claimed: list[Counter[str | None]] = []

    def read(self, text: str) -> None:
        budgets: dict[int, Telling] = {}
        self.files.append([])
        self.claimed.append(Counter())
        for number, line in enumerate(text.split("\n")):
            if "[TOKEN_BUDGET]" in line:
                words = dict(word.split("=", 1) for word in line.split() if "=" in word)
                if "phase" in words:
                    used, _, cap = words["output"].partition("/")
                    budgets[number] = self.keep(line, words["phase"], int(cap), None, used, "none")
            elif "[TokenEstimation]" in line and "Predicted:" in line:
                words = dict(itertools.pairwise(line.split()))
                predicted, output = words["Predicted:"], words["Actual:"]
                if is_count(predicted):
                    self.keep(line, None, None, predicted, output, "legacy")
                else:
                    self.unusable += 1
            elif "[TokenEstimationV2]" in line and "=" in line:
                words = dict(word.split("=", 1) for word in line.split() if "=" in word)
                predicted, output = words.get("predicted_output"), words.get("actual_output")
                if not (is_count(predicted) and is_count(output)) or min(int(str(predicted)), int(str(output))) < 0:
                    self.unusable += 1
                    continue
                task, cap = words.get("task_id"), None
                task = None if task == "None" else task
                for at in range(number - 1, max(-1, number - self.reach - 1), -1):
                    if at in budgets and budgets[at].said[1] == output:
                        budget = budgets.pop(at)
                        task, cap = task or budget.task, budget.cap
                        self.claimed[-1][budget.line] += 1
                        self.files[-1] = [each for each in self.files[-1] if each is not budget]
                        break
                self.keep(line, task, cap, predicted, output, words["success"].lower())

    def keep(self, line: str, task: str | None, cap: int | None, *said: str | None) -> Telling:
        self.files[-1].append(Telling(line[line.index("2026") :] if "2026" in line else None, task, cap, said))
        return self.files[-1][-1]

    def result(self) -> tuple[Counter[tuple[Any, ...]], int, int]:
        """Samples, duplicates and unusable lines."""
        most = {line: max(file[line] for file in self.claimed) for file in self.claimed for line in file if line}
        once = [
            [each for each in written_once(file) if each.said[0] or not claimed_elsewhere(each.line, claimed, most)]
            for file, claimed in zip(self.files, self.claimed, strict=True)
        ]
        samples: Counter[tuple[Any, ...]] = Counter()
        for line in {each.line: each.said for file in once for each in file}:
            copies = [[each for each in file if each.line == line] for file in once]
            calls = [each for file in copies for each in file] if line is None else calls_of(copies)
            samples.update((*each.said[:2], each.task, each.cap, each.said[2]) for each in calls)
        return samples, sum(map(len, self.files)) - samples.total(), self.unusable


def claimed_elsewhere(line: str | None, here: Counter[str | None], most: dict[str | None, int]) -> bool:
    """Whether a budget line is a copy of one that a sample of another file claims. It is then counted as claimed."""
    found = here[line] < most.get(line, 0)
    here[line] += found
    return found


class Telling(NamedTuple):
    """A line that tells of a call: from its time on, ``None`` without one."""

    line: str | None
    task: str | None
    cap: int | None
    said: tuple[str | None, ...]


def written_once(file: list[Telling]) -> list[Telling]:
    """The lines of a file without what a handler that is attached several times has written again."""
    runs: list[list[Telling]] = []
    for each in file:
        last = runs[-1][-1] if runs else each
        more = (each.task not in (None, last.task)) or (each.cap not in (None, last.cap))
        if not runs or each.line is None or each.line != last.line or more:
            runs.append([])
        runs[-1].append(each)
    times = math.gcd(*map(len, runs)) if len({each.line for each in file}) > 1 else 1
    return [each for run in runs for each in run[::times]]


def calls_of(copies: list[list[Telling]]) -> list[Telling]:
    """The calls that one line tells of in some files, of which each tells of a call once.

    Of a task there are as many as the file has that has most of them. A line that names no task may tell of any call of
    which its file does not tell otherwise, so there are others only where a file has more lines than all those.
    """
    calls: list[Telling] = []
    for task in {each.task for file in copies for each in file} - {None}:
        for alike in itertools.zip_longest(*([each for each in file if each.task == task] for file in copies)):
            known = [each for each in alike if each is not None]
            calls.append(max(known, key=lambda each: each.cap or 0))
    unknown = next((each for file in copies for each in file if each.task is None), None)
    return calls + [unknown for _ in range(max(map(len, copies)) - len(calls)) if unknown is not None]


def figures(found: Reading) -> tuple[Counter[tuple[Any, ...]], int, int]:
    flags = {1: "true", 0: "false", None: "none"}
    samples = Counter(
        (
            str(row["predicted_output_tokens"]) if "predicted_output_tokens" in row else None,
            str(row["output_tokens"]),
            row.get("task_id"),
            row.get("max_tokens"),
            "legacy" if row["legacy"] else flags[row.get("success")],
        )
        for row in rows(found)
    )
    return samples, found.duplicates, sum(lines.count for lines in found.unusable.values())


def write_logs(directory: Path, logs: dict[str, list[str]]) -> Path:
    for name, lines in logs.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join([*lines, ""]), encoding="utf-8")
    return directory


@settings(deadline=None, max_examples=200)
@given(st.lists(LOGS, min_size=1, max_size=3), st.integers(1, 6))
def test_counts_are_those_of_a_slow_reader(logs: list[list[str]], reach: int) -> None:
    slow = SlowReader(reach)
    for lines in logs:
        slow.read("\n".join(lines))
    with tempfile.TemporaryDirectory() as directory:
        tree = write_logs(Path(directory), {f"{n}.log": lines for n, lines in enumerate(logs)})
        scan = Scan(sizes=Sizes(reach=reach))
        assert figures(read(tree, scan=scan)) == slow.result()


NAMES = ["a.log", "b/a.log", "b/c/d.log", "e/a.log", "f.log"]


@settings(deadline=None, max_examples=60)
@given(st.lists(LOGS, min_size=5, max_size=5), st.permutations(NAMES), st.permutations(["", "b", "e", "b/c"]))
def test_neither_creation_nor_the_order_of_directories_shows(
    logs: list[list[str]], creation: list[str], directories: list[str]
) -> None:
    contents = dict(zip(NAMES, logs, strict=True))
    results = []
    for names, order in ((NAMES, ["", "b", "b/c", "e"]), (creation, directories)):
        with tempfile.TemporaryDirectory() as directory:
            tree = write_logs(Path(directory), {name: contents[name] for name in names})
            found = read_directories([Directory(tree / below, f"x/{below}") for below in order], ["*.log"])
            results.append(summary(found))
    assert results[0] == results[1]


@settings(deadline=None, max_examples=60)
@given(st.lists(LOGS, min_size=3, max_size=3), st.permutations(range(3)))
def test_counts_do_not_depend_on_which_file_is_read_first(logs: list[list[str]], order: list[int]) -> None:
    results = []
    for numbers in (range(3), order):
        with tempfile.TemporaryDirectory() as directory:
            tree = write_logs(Path(directory), {f"{n}.log": logs[number] for n, number in enumerate(numbers)})
            results.append(figures(read(tree)))
    assert results[0] == results[1]


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.lists(V2_LINES | OTHER_LINES | st.text(max_size=9), max_size=6), min_size=1, max_size=2),
    st.sampled_from(["\n", "\r\n", " ", ""]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"]),
    st.integers(1, 500),
)
def test_the_size_of_blocks_does_not_show(logs: list[list[str]], glue: str, encoding: str, block: int) -> None:
    with tempfile.TemporaryDirectory() as directory:
        for n, lines in enumerate(logs):
            Path(directory, f"{n}.log").write_bytes(glue.join(lines).encode(encoding, "replace"))
        results = [summary(read(Path(directory), scan=scan_of(size))) for size in (block, 1 << 20)]
    assert results[0] == results[1]


def test_no_reason_repeats_what_a_log_says(tmp_path: Path) -> None:
    lines = [v2(**{key: "seCret"}) for key in ("predicted", "output", "success", "truncated")]
    found = read_lines(tmp_path, *lines, "[TokenEstimation] Predicted: seCret")
    assert len(found.unusable) == 5
    assert not re.search("seCret", str(found.unusable))


@pytest.mark.parametrize(
    ("stated", "reason", "cap", "expected"),
    [
        ("None", "None", 900, 1),
        ("None", "None", 901, 0),
        ("None", "bored", 901, 0),
        ("None", "error", 901, -1),
        ("None", "None", 0, -1),
        ("False", "None", 900, 0),
    ],
)
def test_the_cap_of_its_budget_line_tells_whether_an_output_was_cut_off(
    tmp_path: Path, stated: str, reason: str, cap: int, expected: int
) -> None:
    budget = f"[TOKEN_BUDGET] phase=p output=900/{cap}"
    (tmp_path / "a.log").write_text(f"{budget}\n{v2(output=900, reason=reason, truncated=stated)}\n")
    assert read(tmp_path).samples.truncated.tolist() == [expected]


@pytest.mark.parametrize("order", list(itertools.permutations(["with its budget line", "alone"])), ids=" ".join)
def test_a_copy_that_knows_that_the_cap_was_reached_tells_it_in_either_order(
    tmp_path: Path, order: tuple[str, ...]
) -> None:
    line = v2(output=900, reason=None, truncated=None)
    copies = {"with its budget line": [budget("p", 900, 900), line], "alone": [line]}
    found = read(write_files(tmp_path, *(copies[name] for name in order)))
    assert (joined(found), found.duplicates) == ([("p", 900)], 1)
    assert found.samples.truncated.tolist() == [1]
