"""Samples by a code, a block at a time."""

from __future__ import annotations

import math
from fractions import Fraction
from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st

from pytest_token_telemetry import samples as rows_in_columns
from pytest_token_telemetry.analysis import groups
from pytest_token_telemetry.analysis.groups import (
    computed,
    counted,
    grouped,
    looked_up,
    present,
    quantile,
    quantile_places,
    rows_of,
)
from pytest_token_telemetry.samples import UNKNOWN, blocks

SHARES = (0.0, 0.1, 0.5, 0.9, 0.95, 1.0)

ROWS = st.lists(
    st.tuples(st.integers(UNKNOWN, 4), st.booleans(), st.sampled_from([0.5, 1.0, 2.0, 3.5, math.inf])), max_size=40
)
"""The code of each row, whether it counts, and its value."""


def columns(rows, kind=np.int8):
    codes, mask, values = zip(*rows, strict=True) if rows else ((), (), ())
    return np.array(codes, dtype=kind), np.array(mask, dtype=np.bool_), np.array(values, dtype=np.float64)


def values_of(found, code):
    begin = found.starts[code]
    return found.values[begin : begin + found.counts[code]].tolist()


def small_blocks(size):
    return mock.patch.object(rows_in_columns, "BLOCK", size)


@pytest.mark.parametrize("rows", [0, 1, 5, 6, 7])
def test_blocks_hold_every_row_once(rows):
    with small_blocks(3):
        assert [row for part in blocks(rows) for row in range(rows)[part]] == list(range(rows))
        assert [len(range(rows)[part]) for part in blocks(rows, at_least=5)] == [
            n for n in (min(rows, 5), rows - 5) if n > 0
        ]


@given(ROWS, st.integers(1, 5))
def test_rows_are_those_of_the_mask(rows, size):
    _, mask, values = columns(rows)
    with small_blocks(size):
        assert [row for part in rows_of(mask) for row in part.tolist()] == np.flatnonzero(mask).tolist()
        assert computed(mask, lambda rows: values[rows]).tolist() == values[mask].tolist()


@given(ROWS, st.integers(1, 5), st.sampled_from([np.int8, np.int16, np.int32, np.int64]))
def test_counts_are_those_of_plain_counting(rows, size, kind):
    codes, mask, _ = columns(rows, kind)
    with small_blocks(size):
        counts = counted(codes, mask, 5)
    for code in range(UNKNOWN, 5):
        assert counts[code] == sum(of == code and counts_ for of, counts_, _ in rows)
    assert present(counts).tolist() == sorted({of for of, counts_, _ in rows if counts_})


def test_codes_up_to_the_last_of_their_type_are_counted():
    # one more, for UNKNOWN, is more than the type of the codes holds
    codes = np.array([127, UNKNOWN, 127, 0], dtype=np.int8)
    counts = counted(codes, np.ones(4, dtype=np.bool_), 128)
    assert (counts[127], counts[0], counts[UNKNOWN], counts.sum()) == (2, 1, 1, 4)
    found = grouped(codes, np.ones(4, dtype=np.bool_), 128, lambda rows: rows.astype(np.float64))
    assert (values_of(found, 127), values_of(found, UNKNOWN)) == ([0.0, 2.0], [1.0])


@given(ROWS, st.integers(1, 5))
def test_what_is_looked_up_is_that_of_the_code(rows, size):
    codes, _, _ = columns(rows)
    table = np.array([10, 11, 12, 13, 14, UNKNOWN], dtype=np.int16)
    with small_blocks(size):
        assert looked_up(table, codes).tolist() == table[codes].tolist()


def sixth(ascending, share):
    """Hyndman and Fan's sixth quantile in fractions, within the range of the values."""
    position = share * (len(ascending) + 1)
    low, high = (ascending[min(max(math.floor(position) - back, 0), len(ascending) - 1)] for back in (1, 0))
    part = position % 1
    return low + float(part) * (high - low) if part and low < high else low


@limits(deadline=None, max_examples=200)
@given(ROWS, st.integers(1, 5), st.booleans(), st.sampled_from([1, 1000]))
def test_groups_hold_their_values_in_order_and_have_their_quantiles(rows, size, parted, small):
    codes, mask, values = columns(rows)

    def places(n):
        return quantile_places(n, SHARES)

    with small_blocks(size), mock.patch.object(groups, "_SMALL", small):
        found = grouped(codes, mask, 5, lambda rows: values[rows], places if parted else None)
    for code in range(UNKNOWN, 5):
        own = sorted(value for of, counts, value in rows if of == code and counts)
        assert found.counts[code] == len(own)
        assert sorted(values_of(found, code)) == own
        if own and not parted:
            assert values_of(found, code) == own
        for share in SHARES:
            of = found.quantile(share)[code]
            assert of == pytest.approx(sixth(own, Fraction(share).limit_denominator(20))) if own else math.isnan(of)


@pytest.mark.parametrize(("share", "value"), [(0.0, 1.0), (0.25, 1.0), (0.5, 2.0), (0.6, math.inf), (0.75, math.inf)])
def test_a_quantile_at_a_value_is_that_value_whatever_comes_next(share, value):
    # of three values, a half is at place 2, and six tenths between the second and the third
    assert quantile(np.array([1.0, 2.0, math.inf]), share) == value


@limits(deadline=None)
@given(st.lists(st.floats(0.01, 100), min_size=1, max_size=60), st.lists(st.floats(0, 1), min_size=1, max_size=3))
def test_the_places_of_quantiles_are_all_that_they_look_at(values, shares):
    parted = np.array(values)
    parted.partition(quantile_places(len(values), shares))
    assert [quantile(parted, share) for share in shares] == [quantile(np.sort(values), share) for share in shares]
