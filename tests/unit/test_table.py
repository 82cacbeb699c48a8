"""Samples that can still be changed."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_token_telemetry import columns
from pytest_token_telemetry.columns import UNKNOWN, Samples, columns_of
from pytest_token_telemetry.sample import MAX_TOKENS_COUNTED, Sample
from pytest_token_telemetry.table import Table

BARE = Sample(predicted_output_tokens=1000, output_tokens=900)
FULL = Sample(
    predicted_output_tokens=1000,
    output_tokens=900,
    budget_tokens=8192,
    max_tokens=16384,
    finish_reason="length",
    finish_reason_raw="max_tokens",
    truncated=True,
    truncation_source="cap",
    success=False,
    category="docs",
    complexity="low",
    deliverable_count=300,
    task_id="phase-7",
    run="run-1",
    time=datetime(2026, 1, 2, 3, 4, 5, 678),
    model="some-model",
    smape=29.6,
    legacy=True,
    features={"retries": "2"},
)

samples = st.builds(
    Sample,
    predicted_output_tokens=st.integers(-5, 10**9),
    output_tokens=st.integers(0, 10**9),
    max_tokens=st.none() | st.integers(1, 10**9),
    deliverable_count=st.none() | st.integers(1, 10**6),
    truncated=st.none() | st.booleans(),
    category=st.none() | st.sampled_from(["docs", "tests", "a", "b"]),
    smape=st.none() | st.floats(0, 1e9),
    features=st.dictionaries(st.sampled_from("xy"), st.sampled_from("12"), max_size=1),
)


@given(st.lists(st.lists(samples, max_size=4), min_size=1, max_size=4))
def test_parts_come_back_as_they_went_in(parts):
    table = Table([columns_of(part) for part in parts])
    expected = [sample for part in parts for sample in part]
    assert [table.sample(row) for row in range(len(table))] == expected


def test_every_field_comes_back():
    assert Table([columns_of([BARE, FULL])]).sample(1) == FULL


@given(st.lists(samples, min_size=1, max_size=8), st.data())
def test_only_the_names_of_the_rows_that_stay_are_kept(rows, choice):
    kept = choice.draw(st.lists(st.sampled_from(range(len(rows))), unique=True).map(sorted))
    built = Table([columns_of(rows)]).build(np.array(kept, dtype=np.int64))
    categories = [rows[row].category for row in kept]
    assert [built.category.name(row) for row in range(len(kept))] == categories
    assert list(built.category.names) == list(dict.fromkeys(name for name in categories if name is not None))
    assert built.features == {new: rows[old].features for new, old in enumerate(kept) if rows[old].features}


def test_a_task_and_a_cap_can_be_said_afterwards():
    table = Table([columns_of([BARE, BARE])])
    table.complete(1, task_id="phase-9", max_tokens=16384)
    built = table.build()
    assert [built.task_id.name(row) for row in (0, 1)] == [None, "phase-9"]
    assert built.max_tokens.tolist() == [UNKNOWN, 16384]


def test_what_is_not_said_stays_as_it_was():
    table = Table([columns_of([FULL])])
    table.complete(0, task_id="phase-9", max_tokens=None)
    assert table.sample(0) == replace(FULL, task_id="phase-9")
    table.complete(0, task_id=None, max_tokens=0)
    assert table.sample(0) == replace(FULL, task_id="phase-9", max_tokens=0)


def test_another_record_adds_what_it_knows():
    table = Table([columns_of([BARE, FULL])])
    table.fill(0, FULL)
    unfilled = {"time": None, "smape": None, "legacy": False, "features": {}}
    assert table.sample(0) == replace(FULL, **unfilled)
    table.fill(1, replace(FULL, category="tests", output_tokens=1))
    assert table.sample(1) == FULL


def test_a_row_can_be_cut_off_afterwards():
    table = Table([columns_of([BARE, BARE])])
    table.set_truncated(1, truncated=True)
    assert table.build().truncated.tolist() == [UNKNOWN, 1]


def test_the_parts_stay_as_they_were():
    part = columns_of([BARE])
    Table([part]).complete(0, task_id="x", max_tokens=5)
    assert (part.task_id.name(0), part.max_tokens.tolist()) == (None, [UNKNOWN])


def sample(n: int = 1, **fields: object) -> Sample:
    return Sample(predicted_output_tokens=n, output_tokens=n, **fields)  # type: ignore[arg-type]


def names(samples: Samples) -> list[str | None]:
    return [samples.task_id.name(row) for row in range(len(samples))]


NAMES = st.lists(st.none() | st.sampled_from("abcdefg"), max_size=12)


@given(st.lists(NAMES, max_size=4), st.data())
def test_names_of_parts_are_joined_and_numbered_as_they_appear(
    parts: list[list[str | None]], data: st.DataObject
) -> None:
    given = [name for part in parts for name in part]
    rows = data.draw(st.lists(st.integers(0, len(given) - 1), unique=True) if given else st.just([]))
    table = Table([columns_of([]), *(columns_of(sample(task_id=name) for name in part) for part in parts)])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(columns, "BLOCK", 3)
        built = table.build(np.array(rows, dtype=np.int64))
    expected = [given[row] for row in rows]
    assert names(built) == expected
    assert built.task_id.names == tuple(dict.fromkeys(name for name in expected if name is not None))


@pytest.mark.parametrize("n", [127, 128, 129, 32_768, 33_000])
def test_any_number_of_names_fits(n: int) -> None:
    half = n // 2
    parts = [columns_of(sample(task_id=str(at)) for at in range(*span)) for span in ((0, half), (half, n))]
    assert names(Table(parts).build()) == [str(at) for at in range(n)]


@pytest.mark.parametrize("n", [126, 127, 128])
def test_more_names_than_a_narrow_column_holds_can_be_written(n: int) -> None:
    table = Table([columns_of(sample(task_id=str(at)) for at in range(n))])
    table.write("task_id", [5, 9], ["another", "one more"])
    table.complete(7, task_id="the last", max_tokens=None)
    expected = list(map(str, range(n)))
    expected[5], expected[7], expected[9] = "another", "the last", "one more"
    assert names(table.build()) == expected


def test_what_rows_say_can_be_asked_and_written() -> None:
    table = Table([columns_of([FULL, BARE, FULL])])
    said = {name: table.values(name, [2, 1]) for name in ("task_id", "max_tokens", "truncated", "finish_reason")}
    assert said == {
        "task_id": ["phase-7", None],
        "max_tokens": [16384, None],
        "truncated": [True, None],
        "finish_reason": ["length", None],
    }
    for name, values in said.items():
        table.write(name, [1, 2], values)
        table.write(name, [], [])
        assert table.values(name, [1, 2]) == values


def test_a_column_of_one_value_can_be_written_to() -> None:
    table = Table([columns_of([sample(), sample(), sample()])])
    table.complete(1, task_id="p", max_tokens=MAX_TOKENS_COUNTED)
    table.set_truncated(2, True)
    built = table.build()
    assert names(built) == [None, "p", None]
    assert built.max_tokens.tolist() == [-1, MAX_TOKENS_COUNTED, -1]
    assert built.truncated.tolist() == [-1, -1, 1]


def test_numbers_keep_their_values_when_parts_have_different_widths() -> None:
    numbers = [1, 127, 128, 40_000, MAX_TOKENS_COUNTED]
    parts = [columns_of([sample(deliverable_count=number)]) for number in numbers]
    assert Table(parts).build().deliverable_count.tolist() == numbers


def test_errors_in_tenths_and_others_are_joined() -> None:
    parts = [columns_of([sample(smape=each)]) for each in (10.5, None, 0.1234)]
    assert [str(each) for each in Table(parts).build().smape[:].tolist()] == ["10.5", "nan", "0.1234"]
    assert [str(each) for each in Table(parts[:2]).build().smape[:].tolist()] == ["10.5", "nan"]


def test_a_mask_takes_the_rows_that_it_has() -> None:
    table = Table([columns_of([sample(1, features={"a": "1"}), sample(2), sample(3, features={"a": "3"})])])
    built = table.build(np.array([False, True, True]))
    assert built.output_tokens.tolist() == [2, 3]
    assert built.features == {1: {"a": "3"}}
