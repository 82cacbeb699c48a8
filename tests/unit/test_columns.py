"""Samples as columns."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st

from pytest_token_telemetry.columns import UNKNOWN, SampleColumns, Tenths, columns_of, in_tenths, narrowest, stored
from pytest_token_telemetry.sample import MAX_TOKENS_COUNTED, Sample

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
    deliverable_count=5,
    task_id="phase-7",
    run="run-1",
    time=datetime(2026, 1, 2, 3, 4, 5, 678_000),
    model="some-model",
    smape=113.3,
    legacy=True,
    features={"colour": "blue"},
)
BARE = Sample(predicted_output_tokens=1, output_tokens=2)


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
    ] == [448, 124, 8192, 16384, 5, 1, 0]
    assert [
        column.name(0)
        for column in (
            samples.category,
            samples.complexity,
            samples.task_id,
            samples.run,
            samples.model,
            samples.finish_reason,
            samples.finish_reason_raw,
        )
    ] == ["docs", "low", "phase-7", "run-1", "some-model", "length", "max_tokens"]
    assert (samples.smape[0], samples.legacy[0], samples.features) == (113.3, np.True_, {0: {"colour": "blue"}})
    assert samples.time[0] == np.datetime64("2026-01-02T03:04:05.678")


def test_what_nobody_said_is_unknown():
    samples = columns_of([BARE])
    assert [
        int(column[0])
        for column in (
            samples.budget_tokens,
            samples.max_tokens,
            samples.deliverable_count,
            samples.truncated,
            samples.success,
        )
    ] == [UNKNOWN] * 5
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
    columns = SampleColumns()
    assert [columns.add(BARE, 3, 7), columns.add(BARE, 4, 1)] == [0, 1]
    samples = columns.build()
    assert (samples.file.tolist(), samples.line.tolist()) == ([3, 4], [7, 1])


@limits(deadline=None)
@given(st.lists(st.none() | st.text(max_size=3), max_size=30))
def test_names_come_back_as_they_went_in(names):
    samples = columns_of(Sample(predicted_output_tokens=1, output_tokens=1, category=name) for name in names)
    assert [samples.category.name(row) for row in range(len(samples))] == names
    assert len(set(samples.category.names)) == len(samples.category.names)


@pytest.mark.parametrize("count", [0, 1, MAX_TOKENS_COUNTED, -MAX_TOKENS_COUNTED])
def test_counts_come_back_as_they_went_in(count):
    samples = columns_of([Sample(predicted_output_tokens=count, output_tokens=count)])
    assert (samples.predicted_output_tokens.tolist(), samples.output_tokens.tolist()) == ([count], [count])


def test_a_count_beyond_32_bits_is_refused_and_not_wrapped():
    for count in (2**31, -(2**31) - 1, 2**40):
        with pytest.raises(OverflowError):
            columns_of([Sample(predicted_output_tokens=count, output_tokens=1)])


def test_the_largest_count_leaves_room_for_a_sum_of_two():
    # wherever two columns are added, subtracted or compared by mistake without being widened
    assert np.iinfo(np.int32).max >= 2 * MAX_TOKENS_COUNTED


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
    columns = SampleColumns()
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
    predicted_output_tokens=st.integers(-MAX_TOKENS_COUNTED, MAX_TOKENS_COUNTED),
    output_tokens=st.integers(0, MAX_TOKENS_COUNTED),
    max_tokens=st.none() | st.integers(0, MAX_TOKENS_COUNTED),
    truncated=st.none() | st.booleans(),
    legacy=st.booleans(),
    category=st.none() | st.sampled_from(["a", "b"]),
    deliverable_count=st.none() | st.sampled_from([1, 127, 128, 40_000, MAX_TOKENS_COUNTED]),
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
    known = (sample.max_tokens, sample.truncated)
    return (
        *(sample.predicted_output_tokens, sample.output_tokens),
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
