"""Samples as columns."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st

from pytest_token_telemetry.columns import UNKNOWN, SampleColumns, columns_of
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
    assert (samples.output_tokens.dtype, samples.smape.dtype, samples.legacy.dtype) == (np.int64, np.float64, np.bool_)
    assert samples.time.dtype == np.dtype("datetime64[us]")
    assert samples.category.names == ()


def test_a_sample_remembers_where_it_was_read():
    columns = SampleColumns()
    assert [columns.add(BARE, 3, 7), columns.add(BARE, 4, 1)] == [0, 1]
    samples = columns.build()
    assert (samples.file.tolist(), samples.line.tolist()) == ([3, 4], [7, 1])


def test_a_task_and_a_cap_can_be_said_afterwards():
    columns = SampleColumns()
    columns.add(BARE)
    columns.add(BARE)
    columns.complete(1, task_id="phase-9", max_tokens=16384)
    samples = columns.build()
    assert [samples.task_id.name(row) for row in (0, 1)] == [None, "phase-9"]
    assert samples.max_tokens.tolist() == [UNKNOWN, 16384]


def test_a_cap_that_is_not_said_stays_as_it_was():
    columns = SampleColumns()
    columns.add(FULL)
    columns.complete(0, task_id="phase-9", max_tokens=None)
    samples = columns.build()
    assert (samples.task_id.name(0), samples.max_tokens.tolist()) == ("phase-9", [16384])


def test_no_cap_of_zero_is_lost():
    columns = SampleColumns()
    columns.add(FULL)
    columns.complete(0, task_id="x", max_tokens=0)
    assert columns.build().max_tokens.tolist() == [0]


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
