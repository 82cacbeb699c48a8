"""Copies that are left out many at once are those that would be left out one by one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_token_telemetry.sources import copies
from pytest_token_telemetry.sources.dividing import TaskSizes
from pytest_token_telemetry.sources.own_format import line as own_line
from pytest_token_telemetry.sources.parallel import Scan
from pytest_token_telemetry.sources.reading import Reading
from pytest_token_telemetry.sources.recorded import Phase, Recorded, Span
from tests.lines import cut_off, stamp, v2, write
from tests.unit.sources.builders import RECORDED, TEXTS, at, budget, everything, logs, read


def read_files(directory: Path, files: Sequence[list[str]]) -> Reading:
    for n, lines in enumerate(files):
        write(directory, lines, f"{n}.log")
    return read(directory)


def one_by_one(table: object, rows: object, digests: object, again: Any, *_: object) -> tuple[Any, Any, Any]:
    none = np.empty(0, np.int64)
    return none, none, np.flatnonzero(~again)


@settings(deadline=None, max_examples=150)
@given(
    st.lists(TEXTS, min_size=1, max_size=3),
    st.lists(st.integers(0, 2), max_size=3),
    st.sampled_from([None, RECORDED]),
)
def test_looking_at_each_row_finds_the_same(
    texts: list[bytes], copied: Sequence[int], recorded: Recorded | None
) -> None:
    with logs([*texts, *(texts[n % len(texts)] for n in copied)]) as directory:
        found = everything(read(directory, recorded=recorded))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(copies, "_whole_copies", one_by_one)
            assert everything(read(directory, recorded=recorded)) == found


def looked_at(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The rows that are looked at, once something was read."""
    rows: list[int] = []
    original = copies._Looking.look_at

    def look_at(self: Any, row: int, *arguments: Any) -> None:
        rows.append(row)
        original(self, row, *arguments)

    monkeypatch.setattr(copies._Looking, "look_at", look_at)
    return rows


def test_a_copied_tree_is_left_out_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [line for n in range(50) for line in (budget(f"p{n}", n), v2(time=stamp(n), output=n))]
    own = [own_line(predicted_output_tokens=1, output_tokens=n, id=f"call-{n}", time=at(n)) for n in range(50)]
    for name in ("a", "b", "c"):
        write(tmp_path, lines, f"{name}.log")
        write(tmp_path, own, f"{name}.jsonl")
    rows = looked_at(monkeypatch)
    found = read(tmp_path)
    assert (len(found.samples), found.duplicates, rows) == (100, 200, [])
    assert [file.samples for file in found.files] == [50, 50, 0, 0, 0, 0]


def test_only_copies_that_know_something_else_are_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [v2(time=stamp(n), output=n) for n in range(50)]
    write(tmp_path, lines, "a.log")
    write(tmp_path, [budget("p", 7), *lines], "b.log")
    rows = looked_at(monkeypatch)
    found = read(tmp_path)
    assert (len(found.samples), found.duplicates, rows) == (50, 50, [7, 57])
    assert found.samples.task_id.name(7) == "p"


def test_calls_of_a_stand_in_are_told_apart_by_their_time_wherever_they_are_read(tmp_path: Path) -> None:
    calls = [own_line(predicted_output_tokens=1, output_tokens=1, id="stub", time=at(n)) for n in range(5)]
    write(tmp_path, calls, "a.jsonl")
    write(tmp_path, calls, "b.jsonl")
    found = read(tmp_path)
    assert (len(found.samples), found.duplicates) == (5, 5)


def test_who_is_only_suspected_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As rows are whose hashes have their first halves in common."""
    monkeypatch.setattr(copies, "_repeated", lambda parts: np.unique(parts[0][1].digest[:, 0]))
    write(tmp_path, [v2(time=stamp(second)) for second in range(9)], "a.log")
    found = read(tmp_path)
    assert (len(found.samples), found.duplicates) == (9, 0)


# Many calls in one file -------------------------------------------------------------------------------------------

CUT = cut_off(output=8192)
OTHER, NEXT = v2(time=stamp(1), output=1), v2(time=stamp(2), output=2)
OWN = [own_line(predicted_output_tokens=1, output_tokens=n, time=at(5)) for n in (1, 2)]
WITH_ID = own_line(predicted_output_tokens=1, output_tokens=1, time=at(5), id="a")


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ([[CUT] * 9], (9, 0)),
        ([[CUT] * 9 + [OTHER]], (10, 0)),
        ([[OTHER, CUT, OTHER, CUT]], (4, 0)),
        ([[CUT] * 9, [CUT] * 9], (9, 9)),
        ([[CUT] * 2, [CUT] * 9, [CUT]], (9, 3)),
        ([[CUT, OTHER, CUT], [CUT, OTHER]], (3, 2)),
        ([[CUT, OTHER], [CUT, CUT, NEXT], [OTHER, OTHER, NEXT]], (5, 3)),
        ([[OWN[0], OWN[0], OWN[1]]], (3, 0)),
        ([[OWN[0], OWN[1]], [OWN[0], OWN[0], OWN[1]]], (3, 2)),
        ([[WITH_ID, OTHER, WITH_ID], [WITH_ID]], (2, 2)),
    ],
    ids=str,
)
def test_a_line_is_as_many_calls_as_the_file_has_that_holds_most_of_it(
    tmp_path: Path, files: list[list[str]], expected: tuple[int, int]
) -> None:
    found = read_files(tmp_path, files)
    assert (len(found.samples), found.duplicates, found.doubled) == (*expected, ())


@pytest.mark.parametrize(
    ("files", "expected", "doubled"),
    [
        ([[CUT, CUT, OTHER, OTHER]], (2, 2), ["0.log"]),
        ([[CUT] * 3 + [OTHER] * 3], (2, 4), ["0.log"]),
        ([[OWN[0], OWN[0], OWN[1], OWN[1]]], (2, 2), ["0.log"]),
        # parallel calls of one line, and each was written twice
        ([[CUT] * 4 + [OTHER] * 2], (3, 3), ["0.log"]),
        ([[CUT] * 6 + [OTHER] * 3], (3, 6), ["0.log"]),
        # copies of what was doubled, and of what was not
        ([[CUT, CUT, OTHER, OTHER], [CUT, OTHER]], (2, 4), ["0.log"]),
        ([[CUT, OTHER, CUT], [CUT, CUT, OTHER, OTHER]], (3, 4), ["1.log"]),
        # one record alone is no proof
        ([[CUT, CUT]], (2, 0), []),
        ([[OTHER, OTHER]], (2, 0), []),
        # one that stands alone, or elsewhere, or without a time
        ([[CUT, CUT, OTHER]], (3, 0), []),
        ([[CUT, CUT, OTHER, OTHER, NEXT]], (5, 0), []),
        ([[CUT, CUT, OTHER, OTHER, NEXT], [CUT]], (5, 1), []),
        ([[CUT, OTHER, CUT, OTHER]], (4, 0), []),
        ([[CUT] * 2 + [OTHER] * 3], (5, 0), []),
        ([[CUT, CUT, OTHER, OTHER, v2(time=None), v2(time=None)]], (6, 0), []),
        # equal lines of two tasks are two calls
        ([[OTHER, OTHER, budget("p", 8192), CUT, budget("q", 8192), CUT]], (4, 0), []),
    ],
    ids=str,
)
def test_a_file_where_every_record_stands_several_times_in_a_row_counts_each_once(
    tmp_path: Path, files: list[list[str]], expected: tuple[int, int], doubled: list[str]
) -> None:
    """As a handler leaves it that is attached twice."""
    found = read_files(tmp_path, files)
    assert (len(found.samples), found.duplicates) == expected
    assert found.doubled == tuple(f"logs/{name}" for name in doubled)


def test_lines_without_a_time_are_never_written_again(tmp_path: Path) -> None:
    write(tmp_path, [OTHER, OTHER, v2(time=None, output=5), v2(time=None, output=6)], "a.log")
    found = read(tmp_path, recorded=RECORDED)
    assert (len(found.samples), found.duplicates, found.doubled) == (5, 0, ())


def test_a_file_that_is_read_in_parts_is_known_to_be_doubled(tmp_path: Path) -> None:
    write(tmp_path, [line for n in range(60) for line in [v2(time=stamp(n), output=n)] * 2], "a.log")
    found = read(tmp_path, scan=Scan(bounds=TaskSizes(1 << 20, 100, 1000)))
    assert (len(found.samples), found.duplicates, found.doubled) == (60, 60, ("logs/a.log",))


@pytest.mark.parametrize(("logged", "expected"), [(1, (2, 2)), (2, (2, 3)), (3, (3, 3))])
def test_each_line_of_a_file_tells_of_another_recorded_call(
    tmp_path: Path, logged: int, expected: tuple[int, int]
) -> None:
    call = own_line(predicted_output_tokens=1000, output_tokens=900, time=at(5))
    recorded = Recorded(phases=(Phase("test", Span(at(5).timestamp(), at(6).timestamp()), (call, call)),))
    line = v2(time="2026-01-02T03:04:05Z")
    write(tmp_path, [line] * logged, "a.log")
    write(tmp_path, [line], "b.log")
    found = read(tmp_path, recorded=recorded)
    assert (len(found.samples), found.duplicates) == expected


def test_a_flood_of_one_line_in_doubt_takes_no_quadratic_time(tmp_path: Path) -> None:
    write(tmp_path, [CUT] * 20_000, "a.log")
    write(tmp_path, [budget("p", 8192), *[CUT] * 20_000], "b.log")
    found = read(tmp_path)
    assert (len(found.samples), found.duplicates) == (20_000, 20_000)


ALONE = budget("p", 900)
TIMELESS = ALONE.partition(" - INFO - ")[2]
CLAIMING = v2(output=900)


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        # copies of a call of its own, and two such calls
        ([[ALONE], [ALONE]], (1, 1)),
        ([[ALONE, ALONE], [ALONE]], (2, 1)),
        ([[ALONE, budget("q", 900)]], (2, 0)),
        # a copy of a record that a sample of another file absorbs: once for each such sample
        ([[ALONE, CLAIMING], [ALONE]], (1, 1)),
        ([[ALONE], [ALONE, CLAIMING], [ALONE]], (1, 2)),
        ([[ALONE, CLAIMING], [ALONE, ALONE]], (2, 1)),
        ([[ALONE, ALONE, CLAIMING], [ALONE, CLAIMING]], (2, 1)),
        ([[ALONE, ALONE, CLAIMING, CLAIMING], [ALONE]], (2, 1)),
        ([[ALONE, CLAIMING], [ALONE, v2(output=900, time=stamp(9))], [ALONE]], (2, 1)),
        # one that is another call, and ones without a time
        ([[ALONE, CLAIMING], [budget("p", 900, time=stamp(9))]], (2, 0)),
        ([[TIMELESS], [TIMELESS]], (2, 0)),
        ([[TIMELESS, CLAIMING], [TIMELESS]], (2, 0)),
        # a handler that is attached twice
        ([[ALONE, ALONE, OTHER, OTHER]], (2, 2)),
    ],
    ids=str,
)
def test_budget_lines_that_no_sample_of_their_file_claims(
    tmp_path: Path, files: list[list[str]], expected: tuple[int, int]
) -> None:
    found = read_files(tmp_path, files)
    assert (len(found.samples), found.duplicates) == expected


TASKS = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from([None, "p", "q"])), max_size=8)


@settings(deadline=None, max_examples=150)
@given(st.lists(TASKS, min_size=1, max_size=4))
def test_calls_are_the_multiset_maximum_over_files(files: list[list[tuple[str, str | None]]]) -> None:
    """Per line: the most that a file has for each task, or the most that a file has at all, if that is more."""
    texts = []
    for n, told in enumerate(files):
        lines = [f"2026-01-02 03:04:05 nothing {n}"]
        for number, (letter, task) in enumerate(told):
            if task:
                lines.append(budget(task, ord(letter)))
            lines += [v2(output=ord(letter)), f"{number}"]
        single = v2(time=stamp(n), output=1)  # so that no file is one in which every record stands several times
        texts.append("\n".join([*lines, single]).encode())
    expected = len(files)
    for letter in "abc":
        of_tasks: Counter[str] = Counter()
        for told in files:
            of_tasks |= Counter(task for each, task in told if each == letter and task)
        expected += max(of_tasks.total(), *(sum(each == letter for each, _ in told) for told in files))
    with logs(texts) as directory:
        found = read(directory)
    assert (len(found.samples), found.duplicates) == (expected, sum(map(len, files)) + len(files) - expected)
