"""What the pictures are made of: every call once, however many there are."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st

from pytest_token_telemetry.analysis.carried import carried
from pytest_token_telemetry.analysis.distributions import (
    CURVE,
    MOST_PICTURED,
    DensityCell,
    Distributions,
    GridCell,
    SentCap,
    distributions,
)
from pytest_token_telemetry.analysis.populations import judged
from pytest_token_telemetry.analysis.strata import labels
from pytest_token_telemetry.sample import Sample
from tests.unit.gate.cases import call, columns, cut_off, ready


def of(rows: list[Sample]) -> Distributions:
    samples = columns(rows)
    return distributions(samples, judged(samples, "risk", Fraction(1)), labels(samples, {}), carried(samples))


def test_each_call_lies_in_the_cell_of_its_logarithms():
    # log10(1000) = 3, log10(900) = 2.954, log10(8192) = 3.913: ten bins for 1
    found = of([call(), call(), cut_off()])
    assert found.against == "prediction"
    assert found.density == (DensityCell(30, 29, 2, 0), DensityCell(30, 39, 1, 1))


def test_ratios_are_counted_in_quarters_of_an_octave_and_those_cut_off_apart():
    # 1/2 is 4 * log2(1/2) = -4, 1 is 0, and 1.19 is 4 * log2(1.19) = 1.004
    (found,) = of([call(1000, 500), call(1000, 1000), call(1000, 1000), call(1000, 1190), cut_off()]).ratios
    assert (found.name, found.n, found.cut_off) == ("implementation", 5, 1)
    assert (found.first, found.counts) == (-4, (1, 0, 0, 0, 2, 1))


@pytest.mark.parametrize(
    ("cut", "quantile"),
    # Of 39 calls, the next exceeds the 38th smallest output in 2 of 40 cases, which is 5%; of 18 nobody knows it.
    [(0, 0.38), (1, 0.38), (2, None)],
)
def test_the_quantile_is_what_19_of_20_calls_stay_within(cut, quantile):
    rows = [call(1000, 10 * place) for place in range(1, 40 - cut)] + [cut_off()] * cut
    (found,) = of(rows).ratios
    assert found.quantile == quantile
    assert of(rows[:18]).ratios[0].quantile is None


def test_the_curve_says_which_cap_leaves_which_risk():
    # Of 99 outputs 10, 20, ... 990, the next exceeds the k-th smallest in 100 - k of 100 cases.
    rows = [call(1000, 10 * place, max_tokens=4096 if place % 3 else 900) for place in range(1, 100)]
    (found,) = of(rows).curves
    caps = dict(zip(CURVE, found.max_tokens, strict=True))
    assert caps[Fraction(1, 2)] == 500
    assert caps[Fraction(1, 20)] == 950
    assert caps[Fraction(1, 100)] == 990
    assert caps[Fraction(1, 200)] is None  # which takes 199 calls
    assert found.sent == (SentCap(4096, 66, 0), SentCap(900, 33, 9))


def test_without_predictions_caps_are_held_against_outputs():
    found = of([call(None, 1000, max_tokens=4000), call(None, 500, max_tokens=4000), call(None, 20, max_tokens=4000)])
    assert found.against == "cap"
    assert sum(cell.calls for cell in found.density) == 3
    (ratios,) = found.ratios  # a cap is 4 and 8 times the output: 2 and 3 octaves; 20 tokens say nothing about one
    assert (ratios.n, ratios.first, ratios.counts) == (2, 8, (1, 0, 0, 0, 1))
    assert of([call(None, 1000)]).against is None


def test_ratios_to_caps_leave_out_calls_that_failed_and_the_density_has_them():
    short = call(None, 100, max_tokens=4000, success=False)
    found = of([call(None, 1000, max_tokens=4000), short, short, replace(short, category="docs")])
    assert [(each.name, each.n, each.quantile) for each in found.ratios] == [("implementation", 1, 4.0)]
    assert sum(cell.calls for cell in found.density) == 4
    unknown = of([call(None, 1000, max_tokens=4000, success=None), replace(short, success=None)])
    assert [(each.n, each.quantile) for each in unknown.ratios] == [(2, 40.0)]


def test_calls_that_used_their_cap_up_are_counted_beside_their_ratios():
    cut = call(None, 4000, max_tokens=4000, truncated=True)
    found = of([call(None, 1000, max_tokens=4000), cut, cut, replace(cut, category="docs")]).ratios
    assert [(each.name, each.n, each.cut_off, sum(each.counts)) for each in found] == [
        ("implementation", 3, 2, 1),
        ("docs", 1, 1, 0),
    ]
    assert [each.quantile for each in found] == [4.0, None]


def test_the_grid_counts_each_kind_of_work():
    rows = [call(), call(), call(category="docs", deliverable_count=1), call(complexity=None), cut_off()]
    found = of(rows).grid
    assert (found.categories, found.complexities) == (("implementation", "docs"), ("low",))
    assert found.deliverables == ("2-5", "1")
    assert set(found.cells) == {GridCell(0, 0, 0, 2), GridCell(1, 0, 1, 1), GridCell(0, -1, 0, 1)}


def test_of_many_names_those_with_few_calls_are_one():
    rows = [call(category=f"c{n}") for n in range(200) for _ in range(200 - n)]
    found = of(rows)
    assert [each.name for each in found.ratios[:MOST_PICTURED]] == [f"c{n}" for n in range(MOST_PICTURED)]
    assert [each.folded for each in found.ratios[MOST_PICTURED:]] == [188]
    assert [each.folded for each in found.curves[MOST_PICTURED:]] == [188]
    assert sum(each.n for each in found.ratios) == sum(each.n for each in found.curves) == len(rows)
    assert sum(cell.calls for cell in found.grid.cells) + found.grid.others == len(rows)
    assert found.grid.others == sum(200 - n for n in range(30, 200))


rows_of_calls = st.lists(
    st.builds(
        Sample,
        predicted_output_tokens=st.none() | st.integers(0, 10**6),
        output_tokens=st.integers(0, 10**6),
        max_tokens=st.none() | st.integers(1, 10**6),
        truncated=st.sampled_from([True, False, None]),
        success=st.sampled_from([True, False, None]),
        category=st.none() | st.sampled_from(["docs", "tests"]),
    ),
    max_size=30,
)


@limits(max_examples=100, deadline=None)
@given(rows_of_calls)
def test_every_call_is_counted_once(rows):
    found = of([*rows, *ready(1)])
    usable = [
        each
        for each in [*rows, *ready(1)]
        if (each.truncated or (each.success and each.output_tokens > 0))
        and (each.predicted_output_tokens or 0) > 0
        and each.output_tokens > 0
    ]
    assert sum(cell.calls for cell in found.density) == len(usable)
    assert sum(cell.cut_off for cell in found.density) == sum(each.truncated is True for each in usable)
    assert sum(each.n for each in found.ratios) == len(usable)
    assert sum(each.cut_off for each in found.ratios) == sum(each.truncated is True for each in usable)
    for each in usable:
        x, y = (math.floor(10 * math.log10(n) + 1e-9) for n in (each.predicted_output_tokens, each.output_tokens))
        assert any((cell.x, cell.y) == (x, y) for cell in found.density)
    for curve in found.curves:
        caps = [cap for cap in curve.max_tokens if cap is not None]
        assert caps == sorted(caps)
