"""Copies that are left out many at once are those that would be left out one by one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_token_telemetry.sources import copies
from pytest_token_telemetry.sources.own_format import line as own_line
from pytest_token_telemetry.sources.recorded import Recorded
from tests.lines import stamp, v2, write
from tests.unit.sources.builders import RECORDED, TEXTS, at, budget, everything, logs, read


def one_by_one(table: object, rows: Any, digests: object, doubtful: object) -> tuple[Any, Any]:
    return np.empty(0, np.int64), np.arange(len(rows))


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
