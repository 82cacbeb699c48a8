"""A record that is cut off in one file and stands whole in another is a copy of that, and no complaint."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_token_telemetry.sources import rows
from pytest_token_telemetry.sources.dividing import TaskSizes
from pytest_token_telemetry.sources.parallel import Scan
from pytest_token_telemetry.sources.reading import Reading
from tests.lines import cut_off, stamp, v2, write
from tests.unit.sources.builders import everything, logs, read

WHOLE = v2()
PARALLEL = cut_off()


def cut(line: str, behind: str = " complexity=low") -> str:
    return line[: line.index(behind) + len(behind)]


def counts(reading: Reading) -> tuple[int, int, int]:
    """Samples, duplicates and unusable lines."""
    return len(reading.samples), reading.duplicates, sum(each.count for each in reading.unusable.values())


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ([[WHOLE], [cut(WHOLE)]], (1, 1, 0)),
        ([[cut(WHOLE)], [WHOLE]], (1, 1, 0)),
        ([[WHOLE], [cut(WHOLE, " complex")]], (1, 1, 0)),
        ([[WHOLE], [cut(WHOLE, " smape=")]], (1, 1, 0)),
        ([[WHOLE], [cut(WHOLE, " selected_budget=81")]], (1, 1, 0)),
        ([[WHOLE], [f"\x1b[1m{cut(WHOLE)}\x1b[0m   agent.py:12", "    deliverables=3 success=True"]], (1, 1, 0)),
        ([[WHOLE], [cut(WHOLE)], [cut(WHOLE, " smape=10.5%")]], (1, 2, 0)),
        ([[WHOLE], [WHOLE], [cut(WHOLE)]], (1, 2, 0)),
        # as many as stand whole elsewhere, and not here
        ([[PARALLEL] * 9, [cut(PARALLEL)] * 9], (9, 9, 0)),
        ([[PARALLEL] * 9, [cut(PARALLEL)] * 10], (9, 9, 1)),
        ([[PARALLEL] * 9, [*[PARALLEL] * 7, *[cut(PARALLEL)] * 5]], (9, 9, 3)),
        ([[PARALLEL] * 2, [PARALLEL] * 9, [cut(PARALLEL)] * 9], (9, 11, 0)),
        ([[WHOLE], [WHOLE, cut(WHOLE)]], (1, 1, 1)),
        ([[WHOLE], [cut(WHOLE), cut(WHOLE, " smape=10.5%")]], (1, 1, 1)),
        # a handler was attached twice, and there are two calls all the same
        ([[PARALLEL, PARALLEL, WHOLE, WHOLE], [cut(PARALLEL)] * 2], (2, 3, 1)),
        # in doubt
        ([[WHOLE, cut(WHOLE)]], (1, 0, 1)),
        ([[WHOLE], [cut(WHOLE, " actual_output=")]], (1, 0, 1)),
        ([[WHOLE], [cut(WHOLE, " predicted_output=1000")]], (1, 0, 1)),
        ([[v2(time=None)], [cut(v2(time=None))]], (1, 0, 1)),
        # another call
        ([[WHOLE], [cut(v2(output=901))]], (1, 0, 1)),
        ([[WHOLE], [cut(v2(predicted=1001))]], (1, 0, 1)),
        ([[WHOLE], [cut(v2(time=stamp(1)))]], (1, 0, 1)),
        ([[WHOLE], [cut(v2(category="docs"))]], (1, 0, 1)),
        ([[WHOLE], [cut(v2(budget=4096))]], (1, 0, 1)),
    ],
)
def test_a_record_that_is_cut_off_is_a_copy_of_one_that_says_all_of_it(
    tmp_path: Path, files: list[list[str]], expected: tuple[int, int, int]
) -> None:
    for n, lines in enumerate(files):
        write(tmp_path, lines, f"{n}.log")
    assert counts(read(tmp_path)) == expected


def test_the_places_are_of_lines_that_are_no_copies(tmp_path: Path) -> None:
    write(tmp_path, [v2(time=stamp(n)) for n in (0, 1, 3)], "a.log")
    write(tmp_path, [cut(v2(time=stamp(n))) for n in range(8)], "b.log")
    found = read(tmp_path)
    assert counts(found) == (3, 3, 5)
    assert [each.places for each in found.unusable.values()] == [["logs/b.log:3", "logs/b.log:5", "logs/b.log:6"]]


@pytest.mark.parametrize("most", [1000, 40])
def test_a_file_that_is_read_in_parts_has_the_same_copies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monkeypatch.setattr(rows, "MOST_BEGUN", most)
    monkeypatch.setattr("pytest_token_telemetry.sources.dividing.MOST_BEGUN", most)
    write(tmp_path, [v2(time=stamp(n), output=n) for n in range(100)], "a.log")
    write(tmp_path, [cut(v2(time=stamp(n), output=n)) for n in range(100)], "b.log")
    found = read(tmp_path, scan=Scan(bounds=TaskSizes(1 << 20, 100, 2000)))
    assert counts(found) == (100, min(most, 100), max(0, 100 - most))
    assert everything(found) == everything(read(tmp_path))


ENDS = [None, " complexity=low", " selected_budget=8192", " smape=10.5%"]
"""``None``: whole."""


@settings(deadline=None, max_examples=150)
@given(st.lists(st.lists(st.tuples(st.integers(0, 2), st.sampled_from(ENDS)), max_size=8), min_size=1, max_size=4))
def test_calls_are_the_multiset_maximum_and_cut_off_records_fill_it(files: list[list[tuple[int, str | None]]]) -> None:
    """A file's cut-off records are copies as far as another file has more of that call whole than it has itself."""
    texts, whole, broken = [], [], []
    for n, told in enumerate(files):
        lines = [v2(time=stamp(call)) if end is None else cut(v2(time=stamp(call)), end) for call, end in told]
        single = v2(time=stamp(100 + n))  # so that no file is one in which every record stands several times
        texts.append("".join(f"{line}\n" for line in [*lines, single]).encode())
        whole.append(Counter(call for call, end in told if end is None))
        broken.append(Counter(call for call, end in told if end is not None))
    calls = sum(max(each[call] for each in whole) for call in range(3)) + len(files)
    copies = sum(
        min(broken[n][call], max(0, *(each[call] - whole[n][call] for each in whole)))
        for n in range(len(files))
        for call in range(3)
    )
    complaints = sum(each.total() for each in broken) - copies
    with logs(texts) as directory:
        found = counts(read(directory))
    assert found == (calls, sum(map(len, files)) + len(files) - calls - complaints, complaints)
