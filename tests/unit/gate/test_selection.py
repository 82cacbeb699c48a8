"""What a selection of checks does to the verdict."""

from __future__ import annotations

import itertools

import pytest

from pytest_token_telemetry.report.words import headline
from tests.unit.gate.cases import CHECK_IDS, call, cut_off, judge, message, notes, outcomes, reading, ready, settings

READINESS = tuple(each for each in CHECK_IDS if each.startswith("readiness"))
TIER1 = tuple(each for each in CHECK_IDS if each.startswith("tier1"))
WASTE = "tier2::waste-p90"


def judged(samples, selected, **written):
    return judge(reading(samples), settings(**written), selected)


@pytest.mark.parametrize("selected", [TIER1, (*TIER1, WASTE), TIER1[:1], TIER1[1:], (WASTE,)])
def test_tiers_alone_fail_on_data_that_is_not_ready(selected):
    found = judged(ready(5), selected)
    assert outcomes(found) == dict.fromkeys(selected, "fail")
    assert (found.verdict, found.fails) == ("not-ready", True)
    assert all("not judged, data not ready" in message(found, each.id) for each in found.checks)


def test_tiers_alone_skip_on_unready_data_where_not_ready_skips():
    found = judged(ready(5), TIER1, not_ready="skip")
    assert outcomes(found) == dict.fromkeys(TIER1, "skip")
    assert (found.verdict, found.fails) == ("not-ready", False)


def test_a_failing_readiness_check_fails_alone():
    found = judged(ready(5), ("readiness::samples", *TIER1))
    assert outcomes(found) == {"readiness::samples": "fail", TIER1[0]: "skip", TIER1[1]: "skip"}


def test_a_passing_readiness_check_does_not_hide_unready_data():
    found = judged(ready(5), ("readiness::sources", *TIER1))
    assert outcomes(found) == {"readiness::sources": "pass", TIER1[0]: "fail", TIER1[1]: "fail"}
    assert found.fails


def test_readiness_alone_that_passes_is_no_verdict():
    found = judged(ready(60), READINESS)
    assert (found.verdict, found.fails) == ("inconclusive", False)
    assert headline(found) == "No verdict: what was checked passes, but 3 of 8 checks were deselected."


def test_readiness_alone_that_fails_is_not_ready():
    found = judged(ready(5), READINESS)
    assert (found.verdict, found.fails) == ("not-ready", True)


def test_a_part_of_readiness_that_passes_on_unready_data_is_no_verdict():
    found = judged(ready(5), ("readiness::sources",))
    assert (found.verdict, found.fails) == ("inconclusive", False)


@pytest.mark.parametrize("samples", [ready(60), ready(60, 5000, 1000)])
def test_waste_may_be_left_out_of_a_pass(samples):
    found = judged(samples, READINESS + TIER1)
    assert (found.verdict, found.fails) == ("pass", False)


@pytest.mark.parametrize("left_out", [each for each in CHECK_IDS if each != WASTE])
def test_nothing_else_may_be_left_out_of_a_pass(left_out):
    found = judged(ready(60), set(CHECK_IDS) - {left_out})
    assert (found.verdict, found.fails, found.deselected) == ("inconclusive", False, (left_out,))


def test_tier_one_alone_tells_to_tune_on_ready_data():
    found = judged([*ready(60), *[cut_off()] * 9], TIER1)
    assert (found.verdict, found.fails) == ("tune", True)


def test_nothing_selected_is_no_verdict():
    found = judged(ready(60), ())
    assert (found.verdict, found.fails, found.checks) == ("inconclusive", False, ())
    assert headline(found) == "No verdict: every check was deselected."
    assert found.deselected == CHECK_IDS


def test_nothing_selected_on_unready_data_is_no_verdict():
    assert judged([], ()).verdict == "inconclusive"


def test_what_was_deselected_is_noted():
    found = judged(ready(60), READINESS + TIER1[:1])
    assert notes(found) == ["2 of 8 checks deselected: tier1::truncation, tier2::waste-p90."]


def test_checks_keep_their_order_whatever_the_order_of_the_selection():
    assert [each.id for each in judged(ready(60), CHECK_IDS[::-1]).checks] == list(CHECK_IDS)


@pytest.mark.parametrize("size", range(len(CHECK_IDS) + 1))
@pytest.mark.parametrize(
    ("samples", "policy"),
    [(ready(60), "fail"), (ready(5), "fail"), (ready(5), "skip"), ([*ready(60), *[call(1, 10)] * 9], "fail")],
    ids=["good", "few", "few, skipped", "bad"],
)
def test_no_selection_makes_a_pass_of_what_is_none(samples, policy, size):
    read, under = reading(samples), settings(not_ready=policy)
    whole = judge(read, under, CHECK_IDS)
    for selected in itertools.combinations(CHECK_IDS, size):
        found = judge(read, under, selected)
        assert found.verdict in (whole.verdict, "inconclusive")
        assert found.fails == any(each.outcome == "fail" for each in found.checks)
        assert tuple(each.id for each in found.checks) == selected
        assert set(found.deselected).isdisjoint(selected)
