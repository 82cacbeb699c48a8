"""Ratios are told as they were measured."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.figures import compared, differences, interval, ratios, seconds, spread, table, write_docs


def test_ratios_and_differences_are_those_of_each_round() -> None:
    assert ratios([6.0, 8.0], [2.0, 4.0]) == [3.0, 2.0]
    assert differences([6.0, 8.0], [2.0, 5.0]) == [4.0, 3.0]
    with pytest.raises(ValueError, match="longer"):
        ratios([1.0], [1.0, 2.0])


def test_a_spread_is_the_median_and_both_ends() -> None:
    assert spread([3.0, 1.0, 1.5]) == "1.50 (1.00 to 3.00)"
    assert seconds([0.004, 0.005, 0.009]) == "0.005 (0.004 to 0.009)"
    assert seconds([0.4, 0.5, 0.9]) == "0.50 (0.40 to 0.90)"


def test_a_peer_that_takes_longer_makes_the_gate_faster() -> None:
    assert compared([4.0, 8.0, 5.0]) == "5.0 (4.0 to 8.0) times faster"


def test_a_peer_that_takes_less_makes_the_gate_slower() -> None:
    assert compared([0.5, 0.25, 0.2]) == "4.0 (2.0 to 5.0) times slower"


def test_the_interval_of_a_steady_ratio_is_that_ratio() -> None:
    assert interval([2.0, 4.0, 6.0], [2.0, 4.0, 6.0]) == (1.0, 1.0, 1.0)


def test_the_interval_holds_the_ratio_of_the_medians() -> None:
    middle, low, high = 0, 1, 2
    found = interval([1.0, 1.2, 1.1, 1.3, 1.0], [1.0, 1.0, 1.0, 1.0, 1.0])
    assert found[middle] == 1.1
    assert 1.0 <= found[low] <= found[middle] <= found[high] <= 1.3


def test_a_table_is_markdown_and_leaves_numbers_alone() -> None:
    assert table(("", "seconds"), [("the gate", "1.50")]).splitlines() == [
        "|          |   seconds |",
        "|----------|-----------|",
        "| the gate |      1.50 |",
    ]


def test_docs_are_written_between_their_marks(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("a\n<!-- figures: idle -->\nold\n<!-- end of idle -->\nz\n", encoding="utf-8")
    for _ in range(2):  # once more changes nothing
        write_docs("idle", r"new \1" + "\n", page)
        expected = "a\n<!-- figures: idle -->\nnew \\1\n<!-- end of idle -->\nz\n"
        assert page.read_text(encoding="utf-8") == expected


def test_a_page_without_the_marks_is_refused(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("nothing\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"page\.md has no figures of idle"):
        write_docs("idle", "new", page)
