"""The origin's published baseline of five failed calls: valid data, and nothing to tune by."""

from __future__ import annotations

import pytest

from pytest_token_telemetry.report.words import headline
from tests.unit.gate.cases import advice, call, message, result, verdict

ROWS = [(448, 124, 113.3), (448, 129, 110.6), (448, 124, 113.3), (822, 129, 145.7), (373, 117, 104.5)]
COMPLEXITIES = ["low", "medium", "medium", "high", "low"]
BASELINE = [
    call(predicted, output, smape=smape, success=False, truncated=False, category="impl", complexity=complexity)
    for (predicted, output, smape), complexity in zip(ROWS, COMPLEXITIES, strict=True)
]


@pytest.fixture(params=["risk", "success", "all"])
def baseline(request):
    return verdict(BASELINE, population=request.param)


def test_the_baseline_is_not_ready(baseline):
    assert (baseline.title, baseline.fails) == ("NOT READY", True)
    assert headline(baseline) == "Not enough representative data: collect more, do not tune."


def test_the_baseline_needs_collecting(baseline):
    # none of the five succeeded, so each of three categories, complexities and buckets takes a third of the twenty
    assert advice(baseline) == [
        "Collect 20 more successful samples. These would do: 7 in implementation of low complexity with 1 deliverable,"
        " 7 in tests of medium complexity with"
        " 2-5 deliverables and 6 in docs of high complexity with 6+ deliverables."
    ]


def test_the_baseline_has_no_success(baseline):
    assert baseline.metrics.success_rate == 0.0
    assert (baseline.counts.samples, baseline.counts.successes) == (5, 0)


def test_all_of_the_baseline_has_the_published_error():
    # (113.3 + 110.6 + 113.3 + 145.7 + 104.5) / 5
    smape = verdict(BASELINE, population="all").metrics.smape
    assert smape.mean == pytest.approx(117.48)
    assert f"{smape.mean:.1f}" == "117.5"
    assert (smape.n, smape.median, smape.min, smape.max) == (5, 113.3, 104.5, 145.7)


def test_the_errors_are_those_of_the_counts():
    unlogged = [
        call(each.predicted_output_tokens, each.output_tokens, success=False, truncated=False) for each in BASELINE
    ]
    assert verdict(unlogged, population="all").metrics.smape.mean == pytest.approx(117.48, abs=0.05)


def test_all_of_the_baseline_has_the_published_rates():
    found = verdict(BASELINE, population="all")
    under, cut = "tier1::underestimation", "tier1::truncation"
    assert message(found, under).startswith("0/5 = 0.0% of all samples (target <= 5%)")
    assert message(found, cut).startswith("0/5 = 0.0% of all V2 samples (target <= 2%)")
    assert (result(found, under).outcome, result(found, cut).outcome) == ("skip", "skip")


def test_failed_calls_are_not_at_risk():
    assert message(verdict(BASELINE), "tier1::underestimation") == (
        "no data: nothing in the risk population (target <= 5%)"
    )
