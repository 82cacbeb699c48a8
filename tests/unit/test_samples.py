"""Samples as columns, and their builder."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st

from pytest_token_telemetry import samples as module
from pytest_token_telemetry.sample import FIELDS, MOST_TOKENS, Sample
from pytest_token_telemetry.samples import (
    UNKNOWN,
    Samples,
    SamplesBuilder,
    Tenths,
    columns_of,
    in_tenths,
    narrowest,
    stored,
)

FULL = Sample(
    predicted_output_tokens=448,
    output_tokens=124,
    budget_tokens=8192,
    max_tokens=16384,
    finish_reason="length",
    finish_reason_raw="max_tokens",
    truncated=True,
    truncation_source="reason",
    success=False,
    category="docs",
    complexity="low",
    deliverable_count=300,
    task_id="phase-7",
    run="run-1",
    time=datetime(2026, 1, 2, 3, 4, 5, 678_000),
    model="some-model",
    operation="summarise",
    smape=113.3,
    legacy=True,
    features={"colour": "blue"},
)
BARE = Sample(predicted_output_tokens=1, output_tokens=2)


def test_every_field_but_the_id_has_a_column_in_the_order_of_the_table():
    columns = [each.name for each in fields(Samples)]
    assert columns == [*(name for name in FIELDS if name != "id"), "file", "line"]


def test_every_field_has_its_column():
    samples = columns_of([FULL])
    assert [
        int(column[0])
        for column in (
            samples.predicted_output_tokens,
            samples.output_tokens,
            samples.budget_tokens,
            samples.max_tokens,
            samples.deliverable_count,
            samples.truncated,
            samples.success,
        )
    ] == [448, 124, 8192, 16384, 300, 1, 0]
    assert [
        column.name(0)
        for column in (
            samples.category,
            samples.complexity,
            samples.task_id,
            samples.run,
            samples.model,
            samples.operation,
            samples.finish_reason,
            samples.finish_reason_raw,
        )
    ] == ["docs", "low", "phase-7", "run-1", "some-model", "summarise", "length", "max_tokens"]
    assert (samples.smape[0], samples.legacy[0], samples.features) == (113.3, np.True_, {0: {"colour": "blue"}})
    assert samples.time[0] == np.datetime64("2026-01-02T03:04:05.678")


def test_what_nobody_said_is_unknown():
    samples = columns_of([Sample(output_tokens=2)])
    assert [
        int(column[0])
        for column in (
            samples.predicted_output_tokens,
            samples.budget_tokens,
            samples.max_tokens,
            samples.deliverable_count,
            samples.truncated,
            samples.success,
        )
    ] == [UNKNOWN] * 6
    assert [column.name(0) for column in (samples.category, samples.task_id, samples.finish_reason)] == [None] * 3
    assert np.isnan(samples.smape[0])
    assert np.isnat(samples.time[0])
    assert (samples.legacy[0], samples.features) == (np.False_, {})


def test_no_samples_are_empty_columns():
    samples = columns_of([])
    assert len(samples) == 0
    assert (samples.output_tokens.dtype, samples.smape[:].dtype, samples.legacy.dtype) == (
        np.int32,
        np.float64,
        np.bool_,
    )
    assert samples.time.dtype == np.dtype("datetime64[us]")
    assert samples.category.names == ()


def test_a_sample_remembers_where_it_was_read():
    columns = SamplesBuilder()
    assert [columns.add(BARE, 3, 7), columns.add(BARE, 4, 1)] == [0, 1]
    samples = columns.build()
    assert (samples.file.tolist(), samples.line.tolist()) == ([3, 4], [7, 1])


@limits(deadline=None)
@given(st.lists(st.none() | st.text(max_size=3), max_size=30))
def test_names_come_back_as_they_went_in(names):
    samples = columns_of(Sample(predicted_output_tokens=1, output_tokens=1, category=name) for name in names)
    assert [samples.category.name(row) for row in range(len(samples))] == names
    assert len(set(samples.category.names)) == len(samples.category.names)


@pytest.mark.parametrize("count", [0, 1, MOST_TOKENS, -MOST_TOKENS])
def test_counts_come_back_as_they_went_in(count):
    samples = columns_of([Sample(predicted_output_tokens=count, output_tokens=count)])
    assert (samples.predicted_output_tokens.tolist(), samples.output_tokens.tolist()) == ([count], [count])


def test_a_count_beyond_32_bits_is_refused_and_not_wrapped():
    for count in (2**31, -(2**31) - 1, 2**40):
        with pytest.raises(OverflowError):
            columns_of([Sample(predicted_output_tokens=count, output_tokens=1)])


def test_the_largest_count_leaves_room_for_a_sum_of_two():
    # wherever two columns are added, subtracted or compared by mistake without being widened
    assert np.iinfo(np.int32).max >= 2 * MOST_TOKENS


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([], np.int8),
        ([-1, 127], np.int8),
        ([-128], np.int8),
        ([128], np.int16),
        ([-129], np.int16),
        ([2**15], np.int32),
        ([0, 2**31 - 1], np.int32),
        ([2**31], np.int64),
        ([-(2**31) - 1], np.int64),
    ],
)
def test_what_is_only_looked_up_is_as_narrow_as_its_values(values, kind):
    found = narrowest(np.array(values, dtype=np.int64))
    assert (found.dtype, found.tolist()) == (kind, values)


def named(count):
    return [Sample(predicted_output_tokens=1, output_tokens=1, category=f"name {n}") for n in range(count)]


@pytest.mark.parametrize(("count", "kind"), [(128, np.int8), (129, np.int16), (2**15, np.int16), (2**15 + 1, np.int32)])
def test_codes_are_as_narrow_as_there_are_names(count, kind):
    samples = columns_of([*named(count), BARE])
    assert samples.category.codes.dtype == kind
    assert [samples.category.name(row) for row in (0, count - 1, count)] == ["name 0", f"name {count - 1}", None]


def test_a_line_beyond_32_bits_keeps_its_number():
    columns = SamplesBuilder()
    columns.add(BARE, 0, 1)
    columns.add(BARE, 0, 2**31)
    assert columns.build().line.tolist() == [1, 2**31]


NAT, NOON = np.datetime64("NaT", "us"), np.datetime64("2026-01-02T12", "us")


@pytest.mark.parametrize(
    "values",
    [[7, 7, 7], [True, True], [0.5, 0.5], [np.nan, np.nan], [NAT, NAT], [NOON, NOON]],
)
def test_a_column_of_one_value_takes_no_room(values):
    values = np.array(values)
    found = stored(values)
    assert found.strides == (0,)
    assert found.dtype == values.dtype
    assert np.array_equal(found, values, equal_nan=values.dtype.kind in "fM")


@pytest.mark.parametrize("values", [[], [7, 8], [True, False], [np.nan, 0.5], [0.5, np.nan], [NAT, NOON], [NOON, NAT]])
def test_any_other_column_is_kept_as_it_is(values):
    values = np.array(values)
    assert stored(values) is values


@limits(deadline=None)
@given(st.lists(st.integers(-32767, 32767) | st.none(), max_size=8))
def test_numbers_of_one_decimal_are_the_same_in_tenths(tenths):
    written = [
        "nan" if whole is None else f"{whole // 10}.{whole % 10}" if whole >= 0 else str(whole / 10) for whole in tenths
    ]
    values = np.array([float(each) for each in written])
    found = in_tenths(values)
    assert isinstance(found, Tenths)
    assert [repr(each) for each in found[:].tolist()] == [repr(each) for each in values.tolist()]
    rows = np.arange(len(values))[::-1]
    assert np.array_equal(found[rows], values[rows], equal_nan=True)


@pytest.mark.parametrize("other", [0.25, 3276.8, -3276.8, float("inf"), 1e308, 0.1 + 0.2])
def test_numbers_of_more_decimals_stay_as_they_are(other):
    values = np.array([113.3, float("nan"), other])
    assert in_tenths(values) is values
    samples = columns_of([FULL, BARE, Sample(predicted_output_tokens=1, output_tokens=1, smape=other)])
    assert samples.smape[np.array([2, 0])].tolist() == [other, 113.3]


samples = st.builds(
    Sample,
    predicted_output_tokens=st.none() | st.integers(0, MOST_TOKENS),
    output_tokens=st.integers(0, MOST_TOKENS),
    max_tokens=st.none() | st.integers(0, MOST_TOKENS),
    truncated=st.none() | st.booleans(),
    legacy=st.booleans(),
    category=st.none() | st.sampled_from(["a", "b"]),
    deliverable_count=st.none() | st.sampled_from([1, 127, 128, 40_000, MOST_TOKENS]),
    time=st.none() | st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1)),
    smape=st.none() | st.sampled_from([0.0, 113.3, 200.0]) | st.floats(0, 200),
    features=st.dictionaries(st.sampled_from(["x", "y"]), st.text(max_size=2), max_size=2),
)


def rows_of(columns):
    """What each row says, in Python's own types."""
    return [
        (
            columns.predicted_output_tokens[row].item(),
            columns.output_tokens[row].item(),
            columns.max_tokens[row].item(),
            columns.truncated[row].item(),
            columns.legacy[row].item(),
            columns.category.name(row),
            columns.deliverable_count[row].item(),
            columns.time[row].item(),
            repr(columns.smape[row].item()),
            columns.features.get(row, {}),
        )
        for row in range(len(columns))
    ]


def said(sample):
    known = (sample.predicted_output_tokens, sample.output_tokens, sample.max_tokens, sample.truncated)
    return (
        *(UNKNOWN if value is None else int(value) for value in known),
        *(sample.legacy, sample.category),
        UNKNOWN if sample.deliverable_count is None else sample.deliverable_count,
        *(sample.time, repr(float("nan") if sample.smape is None else sample.smape), dict(sample.features)),
    )


@limits(deadline=None)
@given(st.lists(samples, max_size=8), st.data())
def test_any_sample_comes_back_as_it_went_in_and_so_do_those_that_are_taken(rows, data):
    columns = columns_of(rows)
    assert rows_of(columns) == [said(row) for row in rows]
    taken = data.draw(st.lists(st.integers(0, len(rows) - 1), max_size=8) if rows else st.just([]))
    assert rows_of(columns.take(np.array(taken, dtype=np.int64))) == [said(rows[row]) for row in taken]


def test_what_takes_no_room_takes_none_in_a_part_of_the_samples():
    taken = columns_of([BARE, BARE, FULL]).take(np.array([1, 0]))
    assert taken.max_tokens.tolist() == [UNKNOWN, UNKNOWN]
    taken = columns_of([BARE] * 3).take(np.array([1, 0]))
    assert (taken.max_tokens.strides, taken.task_id.codes.strides, len(taken)) == ((0,), (0,), 2)


@given(st.lists(st.lists(samples, max_size=4), min_size=1, max_size=4))
def test_parts_come_back_as_they_went_in(parts):
    builder = SamplesBuilder([columns_of(part) for part in parts])
    expected = [sample for part in parts for sample in part]
    assert [builder.sample(row) for row in range(len(builder))] == expected


def test_every_field_comes_back():
    assert SamplesBuilder([columns_of([BARE, FULL])]).sample(1) == FULL


@given(st.lists(samples, min_size=1, max_size=8), st.data())
def test_only_the_names_of_the_rows_that_stay_are_kept(rows, choice):
    kept = choice.draw(st.lists(st.sampled_from(range(len(rows))), unique=True).map(sorted))
    built = SamplesBuilder([columns_of(rows)]).build(np.array(kept, dtype=np.int64))
    categories = [rows[row].category for row in kept]
    assert [built.category.name(row) for row in range(len(kept))] == categories
    assert list(built.category.names) == list(dict.fromkeys(name for name in categories if name is not None))
    assert built.features == {new: rows[old].features for new, old in enumerate(kept) if rows[old].features}


def test_another_record_adds_what_it_knows():
    bare = Sample(predicted_output_tokens=448, output_tokens=124)
    builder = SamplesBuilder([columns_of([bare, FULL])])
    builder.fill(0, FULL)
    unfilled = {"time": None, "smape": None, "legacy": False, "features": {}}
    assert builder.sample(0) == replace(FULL, **unfilled)
    builder.fill(1, replace(FULL, category="tests", output_tokens=1))
    assert builder.sample(1) == FULL


def test_the_parts_stay_as_they_were():
    part = columns_of([BARE])
    builder = SamplesBuilder([part])
    builder.write("task_id", [0], ["x"])
    builder.write("max_tokens", [0], [5])
    assert (part.task_id.name(0), part.max_tokens.tolist()) == (None, [UNKNOWN])


def sample(n: int = 1, **fields: object) -> Sample:
    return Sample(predicted_output_tokens=n, output_tokens=n, **fields)  # type: ignore[arg-type]


def tasks(samples: Samples) -> list[str | None]:
    return [samples.task_id.name(row) for row in range(len(samples))]


NAMES = st.lists(st.none() | st.sampled_from("abcdefg"), max_size=12)


@given(st.lists(NAMES, max_size=4), st.data())
def test_names_of_parts_are_joined_and_numbered_as_they_appear(
    parts: list[list[str | None]], data: st.DataObject
) -> None:
    given = [name for part in parts for name in part]
    rows = data.draw(st.lists(st.integers(0, len(given) - 1), unique=True) if given else st.just([]))
    builder = SamplesBuilder([columns_of([]), *(columns_of(sample(task_id=name) for name in part) for part in parts)])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "BLOCK", 3)
        built = builder.build(np.array(rows, dtype=np.int64))
    expected = [given[row] for row in rows]
    assert tasks(built) == expected
    assert built.task_id.names == tuple(dict.fromkeys(name for name in expected if name is not None))


@pytest.mark.parametrize("n", [127, 128, 129, 32_768, 33_000])
def test_any_number_of_names_fits(n: int) -> None:
    half = n // 2
    parts = [columns_of(sample(task_id=str(at)) for at in range(*span)) for span in ((0, half), (half, n))]
    assert tasks(SamplesBuilder(parts).build()) == [str(at) for at in range(n)]


@pytest.mark.parametrize("n", [126, 127, 128])
def test_more_names_than_a_narrow_column_holds_can_be_written(n: int) -> None:
    builder = SamplesBuilder([columns_of(sample(task_id=str(at)) for at in range(n))])
    builder.write("task_id", [5, 9], ["another", "one more"])
    builder.write("task_id", [7], ["the last"])
    expected = list(map(str, range(n)))
    expected[5], expected[7], expected[9] = "another", "the last", "one more"
    assert tasks(builder.build()) == expected


def test_what_rows_say_can_be_asked_and_written() -> None:
    builder = SamplesBuilder([columns_of([FULL, BARE, FULL])])
    said = {name: builder.values(name, [2, 1]) for name in ("task_id", "max_tokens", "truncated", "finish_reason")}
    assert said == {
        "task_id": ["phase-7", None],
        "max_tokens": [16384, None],
        "truncated": [True, None],
        "finish_reason": ["length", None],
    }
    for name, values in said.items():
        builder.write(name, [1, 2], values)
        builder.write(name, [], [])
        assert builder.values(name, [1, 2]) == values


def test_a_column_of_one_value_can_be_written_to() -> None:
    builder = SamplesBuilder([columns_of([sample(), sample(), sample()])])
    builder.write("task_id", [1], ["p"])
    builder.write("max_tokens", [1], [MOST_TOKENS])
    builder.write("truncated", [2], [True])
    built = builder.build()
    assert tasks(built) == [None, "p", None]
    assert built.max_tokens.tolist() == [-1, MOST_TOKENS, -1]
    assert built.truncated.tolist() == [-1, -1, 1]


def test_numbers_keep_their_values_when_parts_have_different_widths() -> None:
    numbers = [1, 127, 128, 40_000, MOST_TOKENS]
    parts = [columns_of([sample(deliverable_count=number)]) for number in numbers]
    assert SamplesBuilder(parts).build().deliverable_count.tolist() == numbers


def test_errors_in_tenths_and_others_are_joined() -> None:
    parts = [columns_of([sample(smape=each)]) for each in (10.5, None, 0.1234)]
    assert [str(each) for each in SamplesBuilder(parts).build().smape[:].tolist()] == ["10.5", "nan", "0.1234"]
    assert [str(each) for each in SamplesBuilder(parts[:2]).build().smape[:].tolist()] == ["10.5", "nan"]


def test_a_mask_takes_the_rows_that_it_has() -> None:
    builder = SamplesBuilder([columns_of([sample(1, features={"a": "1"}), sample(2), sample(3, features={"a": "3"})])])
    built = builder.build(np.array([False, True, True]))
    assert built.output_tokens.tolist() == [2, 3]
    assert built.features == {1: {"a": "3"}}


@pytest.mark.parametrize("n", [0, 2])
def test_of_unknown_samples_nothing_is_known_but_their_number(n: int) -> None:
    known = {"predicted_output_tokens": np.ones(n, np.int32), "output_tokens": np.full(n, 2, np.int32)}
    found = replace(module.unknown(n), **known)
    expected = columns_of([BARE] * n)
    assert (len(found), rows_of(found)) == (n, rows_of(expected))
    for each in fields(Samples):
        column, other = getattr(found, each.name), getattr(expected, each.name)
        if each.name not in ("features", "smape"):
            column, other = getattr(column, "codes", column), getattr(other, "codes", other)
            assert (column.dtype, column.tolist()) == (other.dtype, other.tolist()), each.name


def test_samples_can_be_added_behind_parts_and_behind_what_was_looked_at() -> None:
    builder = SamplesBuilder([columns_of([FULL])])
    assert builder.add(replace(FULL, category="tests", smape=0.25), 3, 7) == 1
    assert builder.sample(1) == replace(FULL, category="tests", smape=0.25)
    assert (builder.add(BARE, 4, 8), len(builder)) == (2, 3)
    builder.write("category", [2], ["tests"])
    built = builder.build()
    assert [built.category.name(row) for row in range(3)] == ["docs", "tests", "tests"]
    assert built.smape[:].tolist()[:2] == [113.3, 0.25]
    assert (built.file.tolist(), built.line.tolist()) == ([0, 3, 4], [0, 7, 8])
    assert built.features == {0: FULL.features, 1: FULL.features}
