"""New calls against a baseline: what each drift check says, and what it makes of the verdict."""

from __future__ import annotations

import itertools
from datetime import datetime, timedelta

import pytest
from msgspec.structs import replace as replace_fields
from scipy.stats import hypergeom

from pytest_token_telemetry.gate.checks import DRIFT_OF_RATIO
from pytest_token_telemetry.gate.findings import Past
from pytest_token_telemetry.past.baseline import DriftReport
from pytest_token_telemetry.report.sections import held_against
from pytest_token_telemetry.report.terminal import screen
from pytest_token_telemetry.report.words import headline
from tests.lines import MIX
from tests.unit.gate.cases import (
    ALL_CHECK_IDS,
    CHECK_IDS,
    DRIFT,
    advice,
    baseline_of,
    call,
    compared,
    cut_off,
    judge,
    message,
    notes,
    outcomes,
    reading,
    ready,
    replay_of,
    result,
    settings,
    verdict,
)

UNDER, CUT, RATIO = DRIFT
NOON = datetime(2026, 1, 2, 12)


def later(samples):
    """``samples`` as new calls: each with a time of its own."""
    from dataclasses import replace

    return [replace(sample, time=NOON + timedelta(seconds=n)) for n, sample in enumerate(samples)]


def calls(category, under, n):
    """``n`` calls of all complexities and numbers of deliverables, ``under`` of them underestimated."""
    kinds = itertools.cycle(MIX)
    return [
        call(1000, 1200 if number < under else 900, category=category, complexity=complexity, deliverable_count=count)
        for number, (_, complexity, count) in zip(range(n), kinds, strict=False)
    ]


OLD = baseline_of(ready(60))


def drift(found):
    return {id: outcome for id, outcome in outcomes(found).items() if id in DRIFT}


# The first session


def test_a_missing_baseline_is_a_skip_with_its_reason():
    found = compared(ready(60), None)
    assert (found.verdict, found.fails) == ("pass", False)
    for id in DRIFT:
        assert (result(found, id).outcome, message(found, id)) == (
            "skip",
            "there is no baseline yet (--token-telemetry-save-baseline writes one)",
        )
        assert (result(found, id).p, result(found, id).adjusted_p, result(found, id).finding) == (
            None,
            None,
            "no-baseline",
        )
    assert found.drift == DriftReport(baseline_samples=0, new_samples=0, drift=None)
    assert headline(found) == "No tuning needed: 0.0% underestimated, 0.0% truncated."


def test_without_a_baseline_asked_for_there_is_no_drift_check():
    found = verdict(ready(60))
    assert found.drift is None
    assert [each.id for each in found.checks] == list(CHECK_IDS)


# Outcomes


def test_new_calls_like_the_old_ones_are_steady():
    found = compared(later(ready(60)), OLD)
    assert drift(found) == {UNDER: "pass", CUT: "pass", RATIO: "pass"}
    assert message(found, UNDER) == "0/60 = 0.0% in the baseline, 0/60 = 0.0% new: no drift seen (p = 1.000)"
    assert message(found, RATIO) == (
        "median output over prediction 0.90x in the baseline, 0.90x new, 1.00x as much within categories:"
        " no drift seen (p = 1.000)"
    )
    assert result(found, UNDER).finding == "steady"
    assert (found.drift.baseline_samples, found.drift.new_samples) == (60, 60)


@pytest.mark.parametrize(("policy", "outcome", "conclusion"), [("warn", "warn", "pass"), ("fail", "fail", "tune")])
def test_drift_warns_or_fails(policy, outcome, conclusion):
    # every output is half as long again, and still below its prediction
    found = compared(later(ready(60, 2000, 1900)), baseline_of(ready(60, 2000, 1250)), drift=policy)
    assert drift(found) == {UNDER: "pass", CUT: "pass", RATIO: outcome}
    assert (found.verdict, found.fails) == (conclusion, policy == "fail")
    # 1900 / 1250 is 1.52
    assert message(found, RATIO).endswith("0.95x new, 1.52x as much within categories: drift (p < 0.001)")
    impossible = replace_fields(result(found, RATIO), adjusted_p=0.0)  # so little that it is 0 in floating point
    assert DRIFT_OF_RATIO.words(impossible, found.context).endswith(": drift (p < 0.001)")


def test_drift_that_fails_is_tuned_after_it_is_understood():
    found = compared(later(ready(60, 2000, 1900)), baseline_of(ready(60, 2000, 1250)), drift="fail")
    assert headline(found) == "Tuning needed: outputs changed against their predictions since the baseline."
    assert advice(found) == [
        "Find out what changed since the baseline, in the work or in the model, before tuning to it."
    ]


def test_drift_that_warns_is_said_with_the_pass():
    found = compared(later(ready(60, 2000, 1900)), baseline_of(ready(60, 2000, 1250)))
    assert headline(found) == "No tuning needed: 0.0% underestimated, 0.0% truncated, drift since the baseline."
    assert advice(found) == [
        "Find out what changed since the baseline, in the work or in the model, before tuning to it."
    ]


def test_drift_and_waste_that_warn_are_both_said():
    found = compared(later(ready(60, 5000, 900)), baseline_of(ready(60, 5000, 600)))
    assert headline(found).endswith("waste above its target, drift since the baseline.")
    assert len(advice(found)) == 2


def test_a_risen_rate_is_seen_within_its_target():
    rows = [*calls("implementation", 10, 300), *calls("docs", 0, 100), *calls("tests", 0, 100)]
    old = baseline_of([*calls("implementation", 0, 300), *calls("docs", 0, 100), *calls("tests", 0, 100)])
    found = compared(later(rows), old)
    assert outcomes(found)["tier1::underestimation"] == "pass"
    assert outcomes(found)[UNDER] == "warn"
    # in docs and tests nothing can differ, so it is Fisher's test on 300 and 300 with 10 events, all on one side
    assert result(found, UNDER).p == pytest.approx(hypergeom(600, 10, 300).pmf(10) / 2)


def test_every_drift_that_fails_has_its_words():
    old = baseline_of(ready(200))
    rows = [*ready(150), *(cut_off(category=name) for name in ("implementation", "docs", "tests") * 10)]
    found = compared(later([*rows, *ready(30, 1000, 1500)]), old, drift="fail")
    assert {id: outcome for id, outcome in drift(found).items() if outcome == "fail"}.keys() >= {UNDER, CUT}
    assert "more underestimated than in the baseline, more truncated than in the baseline" in headline(found)
    assert advice(found)[0].startswith("Find out what changed since the baseline")


def test_drift_that_warns_is_said_with_what_is_to_be_tuned():
    found = compared(later([*ready(150), *ready(60, 1000, 1500)]), baseline_of(ready(200)))
    assert (found.verdict, drift(found)[UNDER]) == ("tune", "warn")
    assert headline(found).endswith(" underestimated, drift since the baseline.")
    assert advice(found)[0].startswith("Find out what changed since the baseline")


def test_waste_that_fails_is_advised_beside_drift():
    found = compared(later(ready(60, 5000, 900)), baseline_of(ready(60, 5000, 600)), drift="fail", tier2="fail")
    assert advice(found) == [
        "Find out what changed since the baseline, in the work or in the model, before tuning to it.",
        "Lower the predictions of implementation (P90 5.56x), docs (P90 5.56x), tests (P90 5.56x), as far as Tier 1"
        " stays within its targets.",
    ]


def test_no_new_call_is_said_to_be_one():
    found = compared(ready(60), OLD)
    assert [message(found, id) for id in DRIFT] == [
        "0/60 = 0.0% in the baseline, none new: nothing to compare",
        "0/60 = 0.0% in the baseline, none new: nothing to compare",
        "median output over prediction 0.90x in the baseline, none new: nothing to compare",
    ]
    [section] = held_against(found)
    assert section.sentences == ("Not compared: every call is one of those of the baseline (60 calls).",)
    assert section.tables == ()


@pytest.mark.parametrize("n", [1, 19])
def test_few_new_calls_are_not_enough_to_judge_and_no_finding(n):
    found = compared([*ready(60), *later(ready(n, 1000, 2000))], OLD, max_underestimation="99%")
    assert drift(found) == dict.fromkeys(DRIFT, "skip")
    assert found.verdict == "pass"
    for id in DRIFT:
        assert message(found, id).endswith(
            ": not enough data to judge drift (20 calls needed on each side, in categories that both have)"
        )
        assert result(found, id).finding == "too-few"


def test_calls_of_other_categories_are_not_enough_to_judge():
    found = compared(later(ready(60, category="other")), OLD, require_categories="none")
    assert drift(found) == dict.fromkeys(DRIFT, "skip")


def test_twenty_calls_that_can_show_no_rise_are_not_enough_to_judge():
    # if all 20 were underestimated, as 19 of 20 were, that would be chance: p = (20 / 40) / 2
    found = compared(later(calls("docs", 19, 20)), baseline_of(calls("docs", 19, 20)), require_categories="docs")
    assert result(found, UNDER).outcome == "skip"
    assert message(found, UNDER) == ("19/20 = 95.0% in the baseline, 19/20 = 95.0% new: not enough data to judge drift")


def test_the_smallest_rise_that_could_be_seen_is_named():
    # in docs all are underestimated already; one new call in tests is p = (1 / 5) / 2 at worst. In one category, none
    # of 4 others of 40 among the 20 new ones would be C(20, 4) / C(40, 4) / 2 = 0.027
    old = baseline_of([*calls("docs", 16, 16), *calls("tests", 0, 4)])
    found = compared(later([*calls("docs", 19, 19), *calls("tests", 0, 1)]), old, require_categories="docs")
    assert message(found, UNDER).endswith(": not enough data to judge drift (smallest visible rise: 20 events)")


# What is new


def test_calls_that_the_baseline_knows_are_not_new():
    rows = ready(60)
    found = compared([*rows, *later(ready(25))], baseline_of(rows))
    assert found.drift.new_samples == 25


def test_one_sample_a_task_is_compared_where_one_is_judged():
    rows = later([*ready(60), *ready(60, task_id="a")])
    found = compared(rows, baseline_of(ready(60), one_per_task="true"), one_per_task="true")
    assert found.drift.new_samples == 61


def test_spellings_of_a_category_are_one_stratum():
    found = compared(later(ready(60, category="Documentation")), baseline_of(ready(60, category="docs")))
    assert [each.name for each in found.drift.drift.underestimation.strata] == ["docs"]


@pytest.mark.parametrize("population", ["risk", "success", "all"])
def test_drift_is_that_of_the_population_that_is_judged(population):
    failed = [call(1000, 1500, success=False) for _ in range(40)]
    old = baseline_of(ready(60), population=population)
    found = compared(later([*ready(60), *failed]), old, population=population)
    head = found.drift.drift.underestimation.head
    assert (head.events, head.n) == {"risk": (0, 60), "success": (0, 60), "all": (40, 100)}[population]


# What it depends on


@pytest.mark.parametrize("policy", ["warn", "fail"])
def test_drift_is_not_judged_while_the_data_is_not_ready(policy):
    rows = later(ready(60, 2000, 1900, category="docs"))
    found = compared(rows, baseline_of(ready(60, 2000, 1250, category="docs")), drift=policy)
    assert found.verdict == "not-ready"
    assert result(found, RATIO).outcome == "skip"
    assert message(found, RATIO).endswith("drift (p < 0.001); not judged, data not ready")
    assert result(found, UNDER).outcome == "pass"


def test_drift_is_about_the_predictions_of_the_time_whatever_is_replayed():
    rows = later(ready(60))
    read, under = reading(rows), settings(baseline="baseline.json", drift="fail")
    past = Past(replay=replay_of(read.samples, under, lambda request: (450, 800)), baseline=OLD)
    found, alone = judge(read, under, past=past), compared(rows, OLD, drift="fail")
    assert (found.metrics.underestimation.events, found.metrics.truncation.events) == (60, 60)
    assert found.drift == alone.drift
    assert drift(found) == drift(alone) == {UNDER: "pass", CUT: "pass", RATIO: "pass"}


# Selections


def selected(samples, known, checks, **written):
    under = settings(baseline="baseline.json", **written)
    return judge(reading(samples), under, checks, Past(baseline=known))


@pytest.mark.parametrize("left_out", [DRIFT, DRIFT[:1], (*DRIFT, "tier2::waste-p90")])
def test_drift_may_be_left_out_of_a_pass(left_out):
    found = selected(later(ready(60, 2000, 1900)), OLD, set(ALL_CHECK_IDS) - set(left_out))
    assert (found.verdict, found.fails) == ("pass", False)
    assert notes(found)[0].startswith(f"{len(left_out)} of 11 checks deselected: ")


def test_drift_that_fails_and_is_left_out_does_not_fail():
    old = baseline_of(ready(60, 2000, 1250))
    found = selected(later(ready(60, 2000, 1900)), old, CHECK_IDS, drift="fail")
    assert (found.verdict, found.fails) == ("pass", False)


def test_drift_alone_on_unready_data_without_a_baseline_is_seen_to_fail():
    found = selected(ready(9), None, DRIFT)
    assert outcomes(found) == dict.fromkeys(DRIFT, "fail")
    shown = "\n".join(line for line, _ in screen(found, 80))
    assert all(f"fail {id}: " in shown for id in DRIFT)


def test_drift_alone_that_passes_is_no_verdict():
    found = selected(later(ready(60)), OLD, DRIFT)
    assert (found.verdict, found.fails) == ("inconclusive", False)


def test_drift_alone_that_fails_is_tuned():
    found = selected(later(ready(60, 2000, 1900)), baseline_of(ready(60, 2000, 1250)), DRIFT, drift="fail")
    assert (found.verdict, found.fails) == ("tune", True)


def test_drift_alone_does_not_end_in_success_on_data_that_is_not_ready():
    rows = later(ready(60, 2000, 1900, category="docs"))
    found = selected(rows, baseline_of(ready(60, 2000, 1250, category="docs")), DRIFT)
    assert (found.verdict, found.fails) == ("not-ready", True)


# A change of the mix alone

SIMPSON = {
    # category: underestimated, n in the baseline; the same among the new calls
    "implementation": (2, 70, 1, 30),
    "tests": (1, 20, 1, 20),
    "docs": (2, 10, 8, 50),
}


@pytest.fixture
def simpson():
    old = [row for name, (under, n, *_) in SIMPSON.items() for row in calls(name, under, n)]
    new = [row for name, (*_, under, n) in SIMPSON.items() for row in calls(name, under, n)]
    return compared(later(new), baseline_of(old), drift="fail")


def test_a_rate_that_doubled_with_the_mix_is_no_drift(simpson):
    assert result(simpson, UNDER).outcome == "pass"
    assert result(simpson, UNDER).p == pytest.approx(0.563341, abs=5e-7)  # a convolution of hypergeometrics
    assert message(simpson, UNDER).startswith(
        "5/100 = 5.0% in the baseline, 10/100 = 10.0% new (4.9% with the baseline's mix of categories):"
    )


def test_the_rate_with_the_mix_of_the_baseline_stands_beside_the_crude_one(simpson):
    found = simpson.drift.drift.underestimation
    assert found.standardised == pytest.approx(0.7 / 30 + 0.2 / 20 + 0.1 * 8 / 50)  # 4.9333%
    assert found.mix_shift == pytest.approx(0.4)
    assert {each.name: (each.base_mix, each.head_mix) for each in found.strata}["docs"] == (0.1, 0.5)


def test_the_crude_comparison_would_have_been_nearer_to_an_alarm(simpson):
    crude = hypergeom(200, 15, 100)
    assert result(simpson, UNDER).p > crude.sf(10) + crude.pmf(10) / 2 == pytest.approx(0.096840, abs=5e-7)


def test_tier_1_still_judges_the_calls_as_they_are(simpson):
    assert (simpson.verdict, outcomes(simpson)["tier1::underestimation"]) == ("tune", "fail")
    assert headline(simpson) == "Tuning needed: 10.0% underestimated."
