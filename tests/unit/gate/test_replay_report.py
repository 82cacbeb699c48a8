"""An estimator that is replayed: what is judged of it, what is shown beside it, and when it cannot be judged."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st

from pytest_token_telemetry import CannotReplay
from pytest_token_telemetry.analysis.metrics import Share
from pytest_token_telemetry.analysis.replayed import Paired
from pytest_token_telemetry.gate.checks import checks_of
from pytest_token_telemetry.gate.findings import Past
from pytest_token_telemetry.gate.replay_report import ChangedSample, EstimatorFigures, WrongAnswer, WrongReason
from pytest_token_telemetry.report import json_file
from pytest_token_telemetry.report.consistency import check_consistency
from pytest_token_telemetry.report.untrusted_file import from_json
from pytest_token_telemetry.report.words import headline
from pytest_token_telemetry.sources.reading import Directory, read_directories
from tests.unit.gate.cases import (
    ALL_CHECK_IDS,
    CHECK_IDS,
    advice,
    call,
    columns,
    cut_off,
    judge,
    message,
    notes,
    outcomes,
    reading,
    ready,
    replay_of,
    replayed,
    result,
    settings,
    verdict,
)
from tests.unit.gate.test_readiness_checks import counted
from tests.unit.report.verdicts import samples

REPLAY, UNDERESTIMATION = "readiness::replay", "tier1::underestimation"
LEGACY = {"legacy": True, "success": None, "truncated": None, "category": None, "complexity": None}


def as_recorded(request):
    return request.predicted_output_tokens


def cannot(request):
    raise CannotReplay


def table(*answers, otherwise=None):
    """An estimator that gives the n-th of ``answers`` for the task ``n``, from 0."""

    def estimator(request):
        known = request.task_id is not None and int(request.task_id) < len(answers)
        answer = answers[int(request.task_id)] if known else otherwise
        if answer is CannotReplay:
            raise CannotReplay
        return answer

    return estimator


def numbered(rows):
    """``rows`` as the tasks 0, 1, 2..."""
    return [replace(row, task_id=str(number)) for number, row in enumerate(rows)]


# The same predictions, the same figures


def plain(found):
    """All of a report that a replay of the recorded predictions must not change."""
    document = json.loads(json_file.render(found))
    document["checks"] = [each for each in document["checks"] if each["id"] != REPLAY]
    del document["counts"]["predicted_caps"]  # of recorded predictions: an estimator is not asked about legacy lines
    return {name: part for name, part in document.items() if name not in ("created", "estimator")}


real = samples.map(
    lambda made: replace(
        made,
        predicted_output_tokens=made.predicted_output_tokens or 0,
        **({"success": None, "truncated": None} if made.legacy else {}),
    )
)


@limits(max_examples=60, deadline=None)
@given(
    more=st.lists(real, max_size=12),
    population=st.sampled_from(["risk", "success", "all"]),
    multiplier=st.sampled_from(["1.0", "1.1"]),
    one_per_task=st.sampled_from(["true", "false"]),
    tuning=st.sampled_from([None, "tuning.json"]),
)
def test_an_estimator_that_predicts_as_recorded_changes_no_figure(more, population, multiplier, one_per_task, tuning):
    rows = [*more, *ready(27)]
    written = {
        "population": population,
        "under_multiplier": multiplier,
        "one_per_task": one_per_task,
        "tuning": tuning,
    }
    assert plain(replayed(rows, as_recorded, **written)) == plain(verdict(rows, **written))


@pytest.mark.parametrize("population", ["risk", "success", "all"])
@pytest.mark.parametrize("multiplier", ["1.0", "1.1"])
def test_an_estimator_that_predicts_as_recorded_changes_no_figure_of_the_real_logs(real_logs, population, multiplier):
    read = read_directories([Directory(real_logs, "logs")], ["*.log"])
    predicted = np.flatnonzero(read.samples.predicted_output_tokens >= 0)  # there is nothing else to replay
    read = replace(read, samples=read.samples.take(predicted))
    under = settings(population=population, under_multiplier=multiplier)
    past = Past(replay=replay_of(read.samples, under, as_recorded))
    assert plain(judge(read, under, past=past)) == plain(judge(read, under))


# What is judged


def test_the_verdict_is_on_the_replayed_predictions():
    found = replayed(ready(60), lambda request: 800)  # 900 came out of each
    assert (found.verdict, found.metrics.underestimation) == ("tune", Share(60, 60))
    assert headline(found) == "Tuning needed: 100.0% underestimated."


def test_a_new_estimator_can_mend_what_the_recorded_one_did_wrong():
    rows = ready(60, 800, 900)
    assert verdict(rows).verdict == "tune"
    assert replayed(rows, lambda request: 1000).verdict == "pass"


def test_the_recorded_figures_stand_beside_the_replayed_ones():
    # recorded: 1000 / 900; replayed: 4500 / 900; one of 61 was truncated, with 8192
    found = replayed([*ready(60), cut_off()], lambda request: 4500).estimator
    assert found.recorded == EstimatorFigures(Share(1, 61), Share(1, 61), 1000 / 900, 1000 / 900)
    assert found.figures == EstimatorFigures(Share(1, 61), Share(1, 61), 5.0, 5.0)


def test_waste_is_judged_on_the_replayed_predictions():
    assert result(replayed(ready(60), lambda request: 4500), "tier2::waste-p90").outcome == "warn"


def test_the_worst_samples_are_those_of_the_replayed_predictions():
    found = replayed(numbered(ready(27)), table(10, otherwise=1000))
    assert (found.worst[0].task_id, found.worst[0].predicted_output_tokens) == ("0", 10)


def test_the_figures_of_a_stratum_are_those_of_the_replayed_predictions():
    found = replayed(ready(27), lambda request: 100 if request.category == "docs" else 1000)
    assert {each.name: each.underestimated for each in found.strata.category} == {
        "docs": 9,
        "tests": 0,
        "implementation": 0,
    }
    assert advice(found)[0].startswith("Multiply the predictions in docs by 9.00")


def test_an_estimator_cannot_see_what_it_is_judged_by():
    seen = []
    replayed([cut_off(features={"Output_Tokens": "8192", "kept": "x"})], lambda request: seen.append(request) or 1)
    assert not hasattr(seen[0], "output_tokens")
    assert seen[0].features == {"kept": "x"}


@pytest.mark.parametrize(("population", "asked"), [("risk", 27), ("success", 27), ("all", 28)])
def test_legacy_samples_are_asked_about_only_where_they_are_judged(population, asked):
    rows = [*ready(27), call(100, 900, **LEGACY)]
    found = replayed(rows, lambda request: 1000, population=population)
    assert (found.estimator.calls, found.estimator.replayed) == (asked, asked)
    assert (found.counts.samples, found.counts.legacy) == (28, 1)


def test_legacy_samples_are_listed_whatever_is_replayed():
    found = replayed([*ready(27), call(0, 900, **LEGACY)], lambda request: 1000)
    assert "1 legacy sample (V1 lines) listed, not judged." in notes(found)
    assert found.counts.no_ratio == 1


def test_a_prediction_of_nothing_has_no_ratio():
    found = replayed(ready(27), lambda request: 0)
    assert (found.counts.no_ratio, found.metrics.waste.n) == (27, 0)


def test_one_sample_a_task_is_replayed_where_one_is_judged():
    rows = [*ready(26, task_id="0"), *(replace(row, task_id="1") for row in ready(26)), *ready(26)]
    found = replayed(rows, table(CannotReplay, None, otherwise=1000), one_per_task="true", estimator_errors="skip")
    assert (found.estimator.calls, found.estimator.replayed, found.estimator.cannot, found.estimator.wrong) == (
        28,
        26,
        1,
        1,
    )
    assert (
        message(found, REPLAY) == "26 of 28 calls replayed (1 could not be replayed and 1 invalid prediction left out)"
    )


def test_a_call_that_is_not_replayed_takes_no_part():
    rows = numbered([*ready(60), *[call(1000, 5000)] * 3])
    found = replayed(rows, lambda request: 1000 if int(request.task_id) < 60 else cannot(request))
    assert (found.metrics.underestimation, found.verdict) == (Share(0, 60), "pass")
    assert found.counts.samples == 63


# Whether it can be judged


def replay_of_twenty(answers, rest=1000, **written):
    rows = numbered(ready(20))
    return replayed(rows, table(*answers, otherwise=rest), **written)


@pytest.mark.parametrize(
    ("refused", "written", "outcome"),
    [
        (0, {}, "pass"),
        (2, {}, "pass"),  # 18 of 20: 90%
        (3, {}, "fail"),
        (3, {"min_replayed": "85%"}, "pass"),
        (4, {"min_replayed": "85%"}, "fail"),
        (6, {"min_replayed": "70%"}, "pass"),
        (7, {"min_replayed": "70%"}, "fail"),
        (1, {"min_replayed": "95.01%"}, "fail"),
        (1, {"min_replayed": "100%"}, "fail"),
        (19, {"min_replayed": "0%"}, "pass"),
        (20, {"min_replayed": "0%"}, "fail"),  # nothing is left to judge
    ],
)
def test_enough_of_the_calls_must_be_replayed(refused, written, outcome):
    assert result(replay_of_twenty([CannotReplay] * refused, **written), REPLAY).outcome == outcome


def test_the_limit_is_exact():
    # 100 * 0.07 is more than 7 in floating point
    found = replayed(numbered(ready(100)), table(*[CannotReplay] * 93, otherwise=1000), min_replayed="7%")
    assert (result(found, REPLAY).outcome, counted(found, REPLAY)) == ("pass", (7, 7, 0))


def test_a_check_at_its_limit_tells_how_much_was_replayed():
    found = replay_of_twenty([CannotReplay] * 2)
    assert message(found, REPLAY) == "18 of 20 calls replayed (2 could not be replayed)"
    assert counted(found, REPLAY) == (18, 18, 0)


def test_a_check_below_its_limit_tells_what_is_needed():
    found = replay_of_twenty([CannotReplay] * 3)
    assert message(found, REPLAY) == "17 of 20 calls replayed (3 could not be replayed); 18 must be"
    assert counted(found, REPLAY) == (17, 18, 1)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ([None], "19 of 20 calls replayed: 1 invalid prediction"),
        ([None, -1, CannotReplay], "17 of 20 calls replayed: 2 invalid predictions"),
    ],
)
def test_a_wrong_answer_fails(wrong, said):
    found = replay_of_twenty(wrong)
    assert (result(found, REPLAY).outcome, message(found, REPLAY)) == ("fail", said)


def leaving_out(category):
    def estimator(request):
        if request.category == category:
            raise CannotReplay
        return 1000

    return estimator


def test_work_that_the_estimator_leaves_out_is_no_work_to_collect():
    rows = [each for each in ready(120) if each.category != "docs"] + [call(category="docs")] * 3
    found = replayed(rows, leaving_out("docs"))
    said = "no successful sample in docs: the estimator could replay none of those recorded"
    assert message(found, "readiness::categories") == said
    assert advice(found) == [
        "Let the estimator answer for docs: such calls were recorded, and it could replay none of them."
    ]
    assert headline(found) == "The estimator leaves out work that is required: let it answer for that, do not tune."
    never = replayed([each for each in rows if each.category != "docs"], leaving_out("docs"))
    assert message(never, "readiness::categories") == "no successful sample in docs"


def test_a_wrong_answer_can_be_left_out():
    found = replay_of_twenty([None, "900", CannotReplay], min_replayed="85%", estimator_errors="skip")
    assert result(found, REPLAY).outcome == "pass"
    assert (
        message(found, REPLAY) == "17 of 20 calls replayed (1 could not be replayed and 2 invalid predictions left out)"
    )


def test_only_what_happened_to_calls_is_told():
    found = replay_of_twenty([None, None], estimator_errors="skip")
    assert message(found, REPLAY) == "18 of 20 calls replayed (2 invalid predictions left out)"
    assert message(replay_of_twenty([]), REPLAY) == "20 of 20 calls replayed"


def test_wrong_answers_that_are_left_out_count_against_what_is_replayed():
    assert result(replay_of_twenty([None] * 3, estimator_errors="skip"), REPLAY).outcome == "fail"


def test_a_replay_without_calls_is_blamed_on_the_data():
    found = replayed([], as_recorded)
    assert message(found, REPLAY) == "there is no recorded call to replay"
    assert headline(found) == "Not enough representative data: collect more, do not tune."
    assert advice(found)[0] == "Name files that hold model calls: these hold none."


@pytest.mark.parametrize(
    ("answers", "written", "lack"),
    [
        ([CannotReplay] * 12, {}, "it replays 48 of 60 recorded calls"),
        ([None] * 12, {"estimator_errors": "skip"}, "it replays 48 of 60 recorded calls"),
        ([None], {}, "1 of 60 predictions is invalid"),
        ([None] * 12, {}, "12 of 60 predictions are invalid"),
        ([None] * 60, {}, "none of 60 recorded calls could be replayed"),
        ([CannotReplay] * 60, {}, "none of 60 recorded calls could be replayed"),
    ],
)
def test_an_estimator_that_cannot_be_judged_is_not_ready_and_blamed_for_it(answers, written, lack):
    found = replayed(numbered(ready(60)), table(*answers, otherwise=1000), **written)
    assert (found.verdict, found.fails) == ("not-ready", True)
    assert headline(found) == f"The estimator cannot be judged: {lack}."
    assert outcomes(found)[UNDERESTIMATION] == "skip"


MORE = "Let the estimator answer for more of 60 recorded calls: it could not replay 12, and 54 must be replayed."


@pytest.mark.parametrize(
    ("answers", "written", "steps"),
    [
        (
            [None] * 12,
            {},
            [
                "Repair the estimator, as 12 of 60 predictions are invalid: the prediction is NoneType, not a"
                " number (12 calls)."
            ],
        ),
        (
            ["900", -1, None, None],
            {},
            [
                "Repair the estimator, as 4 of 60 predictions are invalid, most often: the prediction is NoneType, not"
                " a number (2 calls), and for 2 other reasons."
            ],
        ),
        (
            [None],
            {},
            [
                "Repair the estimator, as 1 of 60 predictions is invalid: the prediction is NoneType, not a"
                " number (1 call)."
            ],
        ),
        ([CannotReplay] * 12, {}, [MORE]),
        (
            [*[CannotReplay] * 12, None],
            {},
            [
                "Repair the estimator, as 1 of 60 predictions is invalid: the prediction is NoneType, not a"
                " number (1 call).",
                MORE,
            ],
        ),
        (
            [CannotReplay, None],
            {},
            [
                "Repair the estimator, as 1 of 60 predictions is invalid: the prediction is NoneType, not a"
                " number (1 call)."
            ],
        ),
    ],
)
def test_the_next_step_counts_what_the_estimator_did_and_names_the_most_frequent_reason(answers, written, steps):
    assert advice(replayed(numbered(ready(60)), table(*answers, otherwise=1000), **written)) == steps


def test_a_reason_is_told_whole_and_inert():
    def noargs():
        return 1

    def rude(request):
        raise ValueError("\x1b[31m ##[error] " + "x" * 200)

    found = advice(replayed(ready(60), noargs))[0]
    assert found.endswith(
        " invalid: TypeError: test_a_reason_is_told_whole_and_inert.<locals>.noargs() takes 0 positional arguments but"
        " 1 was given (60 calls)."
    )
    found = advice(replayed(ready(60), rude))[0]
    place = f"test_replay_report.py:{rude.__code__.co_firstlineno + 1}"
    assert rf"invalid: {place}: ValueError: \u001b[31m #\u0023[error] xxx" in found
    assert len(found) < 250


def test_reasons_are_counted_and_the_most_frequent_come_first():
    answers = ["900", None, -1, None, CannotReplay, -1, None]
    found = replayed(numbered(ready(60)), table(*answers, otherwise=1000)).estimator
    assert found.reasons == (
        WrongReason("the prediction is NoneType, not a number", 3, "logs/run-1/agent.log:2"),
        WrongReason("the prediction is negative: -1", 2, "logs/run-1/agent.log:3"),
        WrongReason("the prediction is str, not a number", 1, "logs/run-1/agent.log:1"),
    )


def test_ten_reasons_are_listed():
    def estimator(request):
        raise ValueError(request.task_id)

    found = replayed(numbered(ready(60)), estimator)
    place = f"test_replay_report.py:{estimator.__code__.co_firstlineno + 1}"
    assert [reason.reason for reason in found.estimator.reasons] == [f"{place}: ValueError: {n}" for n in range(10)]
    assert advice(found)[0].endswith(f"most often: {place}: ValueError: 0 (1 call), and for other reasons.")


def test_an_estimator_that_cannot_be_judged_can_be_a_skip():
    found = replayed(ready(60), cannot, not_ready="skip")
    assert (found.verdict, found.fails, result(found, REPLAY).outcome) == ("not-ready", False, "skip")


def test_an_estimator_that_always_exits_is_no_success():
    def leave(request):
        raise SystemExit(0)

    found = replayed(ready(60), leave)
    assert (found.verdict, found.fails) == ("not-ready", True)


def test_the_first_ten_wrong_answers_are_listed_with_their_calls():
    found = replayed(numbered(ready(60)), table(*[None] * 12, otherwise=1000)).estimator
    assert found.wrong == 12
    assert found.errors == tuple(
        WrongAnswer(f"logs/run-1/agent.log:{line}", "the prediction is NoneType, not a number") for line in range(1, 11)
    )


# Which checks there are


def test_a_replay_adds_its_check_after_those_of_readiness():
    found = replayed(ready(60), as_recorded)
    asked = [each.id for each in checks_of(replay=True, baseline=False) if each.id != "tier2::cap-use"]
    assert [each.id for each in found.checks] == asked
    assert [each.id for each in verdict(ready(60)).checks] == list(CHECK_IDS)
    assert tuple(each.id for each in checks_of(replay=True, baseline=True, require=True)) == ALL_CHECK_IDS


@pytest.mark.parametrize("left_out", [REPLAY, UNDERESTIMATION])
def test_a_check_of_the_replay_may_not_be_left_out_of_a_pass(left_out):
    read, under = reading(ready(60)), settings()
    past = Past(replay=replay_of(read.samples, under, as_recorded))
    found = judge(read, under, set(ALL_CHECK_IDS) - {left_out}, past)
    assert (found.verdict, found.deselected) == ("inconclusive", (left_out,))
    assert notes(found)[0] == f"1 of 9 checks deselected: {left_out}."


def test_an_estimator_that_cannot_be_judged_is_no_pass_where_its_check_is_left_out():
    read, under = reading(ready(60)), settings()
    past = Past(replay=replay_of(read.samples, under, cannot))
    found = judge(read, under, {UNDERESTIMATION}, past)
    assert (found.verdict, found.fails) == ("not-ready", True)


# Budgets


def budgets(rows, *pairs):
    return replayed(numbered(rows), table(*pairs, otherwise=1000)).estimator


def test_runs_that_the_new_budgets_would_have_cut_off_are_counted():
    rows = [
        call(output=900),  # it would have been truncated
        call(output=900),  # it fits
        cut_off(output=900),  # again
        cut_off(output=900),  # nobody knows
        call(output=900),  # no budget
    ]
    found = budgets(rows, (1000, 899), (1000, 900), (1000, 900), (1000, 901), 1000)
    assert (found.with_budget, found.would_truncate, found.unknown) == (4, 2, 1)
    assert found.recorded.truncation == Share(2, 5)
    assert found.figures.truncation == Share(2, 4)  # without the one that nobody knows of
    assert found.figures.underestimation == Share(3, 5)


def test_a_smaller_budget_can_fail_the_truncation_check():
    found = replayed(ready(60), lambda request: (1000, 800))
    assert outcomes(found)["tier1::truncation"] == "fail"
    assert headline(found) == "Tuning needed: 100.0% underestimated, 100.0% truncated."


def test_a_larger_budget_does_not_prove_that_a_truncation_would_not_have_happened():
    rows = [*ready(60), *[cut_off(output=8192)] * 6]
    assert outcomes(verdict(rows))["tier1::truncation"] == "fail"
    found = replayed(rows, lambda request: (9000, 16384))
    assert outcomes(found)["tier1::truncation"] == "skip"  # of those that are known: 0 of 60; with the others: 6 of 66
    assert (found.metrics.truncation, result(found, "tier1::truncation").inconclusive) == (Share(0, 60), True)
    assert found.metrics.underestimation == Share(6, 66)  # they are underestimated, or it is uncertain
    assert found.metrics.uncertain == 6


def test_a_cap_in_the_place_of_a_prediction_leaves_underestimation_open_where_it_leaves_truncation_open():
    rows = [*ready(60), *[cut_off(output=8192)] * 6]
    found = replayed(rows, lambda request: (16384, 16384))
    said = [result(found, f"tier1::{rate}") for rate in ("underestimation", "truncation")]
    assert [(each.events, each.n, each.open, each.inconclusive) for each in said] == [(0, 60, 6, True)] * 2
    assert found.verdict == "inconclusive"
    assert found.plan.proofs == ()  # no number of such calls proves what larger caps would do


def test_caps_rest_on_calls_whose_outcome_is_open_too():
    """Truncated at 8192 of 16384: a fifth of the outputs are longer than any that is known whole."""
    rows = [*ready(48, category="docs"), *[cut_off(output=8192, category="docs")] * 12]
    found = replayed(rows, lambda request: (16384, 16384), tuning="tuning.json")
    [caps] = found.tuning.max_tokens
    assert (caps.n, [each.max_tokens for each in caps.caps]) == (60, [None] * 3)
    [advice] = found.tuning.categories
    assert (advice.n, advice.truncated, advice.multiplier) == (60, 12, None)


def test_a_report_of_caps_as_predictions_and_of_a_base_with_larger_budgets_is_consistent():
    """Head leaves open what the recorded cap truncated; base, whose predictions are none, judges it."""
    rows = [*ready(60, max_tokens=4096), *[cut_off(output=4096, max_tokens=4096)] * 4]
    found = replayed(rows, lambda request: (8192, 8192), base=lambda request: (800, 9000))
    assert found.estimator.base.only_base_judges == 4
    check_consistency(found)


def test_an_estimator_without_known_answers_blames_no_end():
    found = replayed([call(None, max_tokens=2000)] * 30, lambda request: None)
    assert message(found, "readiness::samples") == "0 of 20 samples"


def test_only_attempts_are_left_open():
    rows = [*ready(60), *[cut_off(output=8192)] * 2, *[cut_off(output=8192, legacy=True)] * 3]
    found = replayed(rows, lambda request: (9000, 16384), population="all")
    assert result(found, "tier1::truncation").open == 2


def test_a_rate_that_nothing_tells_of_is_no_pass():
    # all were truncated, and nobody knows whether they would have been with twice the room
    rows = ready(60, output=8192, truncated=True)
    found = replayed(rows, lambda request: (9000, 16384))
    assert result(found, "tier1::truncation").n == 0
    assert (outcomes(found)["tier1::truncation"], found.verdict) == ("fail", "tune")
    assert "no data" in headline(found)


def test_an_estimator_without_budgets_leaves_the_truncations_as_they_were():
    found = replayed([*ready(60), *[cut_off()] * 6], lambda request: 10_000)
    assert (found.estimator.with_budget, found.metrics.truncation) == (0, Share(6, 66))


# Beside the estimator that it is to replace

TEN = numbered(
    [
        call(output=900, category="docs"),
        call(output=900, category="Docs"),
        call(output=900, category=None),
        call(output=900),
        call(output=1000),
        call(output=500),
        call(output=400, success=False),  # not at risk
        cut_off(output=8192),
        call(),
        call(),
    ]
)
BASE = table(1000, 800, 800, 1000, 1000, 1000, 1000, 9000, CannotReplay, 1000)
HEAD = table(800, 1000, 850, 950, 1000, 499, 100, 9000, 1000, CannotReplay)


@pytest.fixture
def ten():
    return replayed(TEN, HEAD, BASE).estimator.base


def test_the_comparison_is_on_the_calls_that_both_can_replay(ten):
    assert (ten.estimator, ten.calls) == ("old:predict", 8)


def test_calls_are_counted_by_who_underestimates_them(ten):
    # at risk are all eight but the failed one; 900 > 800 and 500 > 499 are new, 900 > 800 was before,
    # 900 > 800 and 850 is both, and so is the one that was truncated; 900 < 950 and 1000 = 1000 are neither
    assert ten.underestimated == Paired(newly_underestimated=2, newly_safe=1, both=2, neither=2)
    assert ten.difference == pytest.approx(1 / 7)


def test_the_chance_is_that_of_mcnemars_mid_p(ten):
    # of three tosses at least two heads, 4/8, or at least two tails; less 3/8, what was observed: 8/8 - 3/8
    assert ten.p == pytest.approx(5 / 8)


def test_the_difference_has_bounds_around_it(ten):
    assert ten.bounds.lower < 0 < 1 / 7 < ten.bounds.upper


def test_the_figures_of_both_are_on_the_same_calls(ten):
    # base / output of the seven: .889 .889 1 1.099 1.111 1.111 2; head: .889 .944 .998 1 1.056 1.099 1.111
    assert ten.base == EstimatorFigures(Share(3, 7), Share(1, 8), 9000 / 8192, 2.0)
    assert ten.head == EstimatorFigures(Share(4, 7), Share(1, 8), 1.0, 1000 / 900)


def test_the_predictions_are_compared(ten):
    # head / base of the eight: .1 .499 .8 .95 1 1 1.0625 1.25
    found = ten.predictions
    assert (found.n, found.raised, found.lowered) == (8, 2, 4)
    assert (found.min, found.p50, found.max) == pytest.approx((0.1, 0.975, 1.25))


def test_the_calls_that_changed_most_are_listed(ten):
    assert [(each.source.rpartition(":")[2], each.change) for each in ten.changed] == [
        ("6", "newly underestimated"),  # half
        ("1", "newly underestimated"),  # a quarter, and so is the next
        ("2", "newly safe"),
        ("7", None),  # ten times less, but it does not count
        ("3", None),
        ("4", None),
    ]
    assert ten.changed[2] == ChangedSample("logs/run-1/agent.log:2", "Docs", 800, 1000, 900, "newly safe")


def test_ten_calls_are_listed_at_most():
    found = replayed(ready(60), lambda request: 900, as_recorded).estimator.base
    assert len(found.changed) == 10


def test_the_same_estimator_twice_has_changed_nothing():
    found = replayed([*ready(60), cut_off()], as_recorded, as_recorded).estimator.base
    assert (found.difference, found.p, found.changed) == (0.0, 1.0, ())
    assert found.base == found.head
    assert (found.predictions.raised, found.predictions.lowered, found.predictions.p50) == (0, 0, 1.0)


def test_a_base_that_replays_nothing_is_compared_on_no_call():
    found = replayed(ready(60), as_recorded, cannot)
    base = found.estimator.base
    assert (base.calls, base.difference, base.bounds, base.p, base.changed) == (0, None, None, 1.0, ())
    assert (found.verdict, base.head.underestimation) == ("pass", Share(0, 0))


def test_what_the_base_cannot_answer_is_counted_and_listed():
    base = table(None, CannotReplay, -1, CannotReplay, otherwise=1000)
    found = replayed(numbered(ready(60)), as_recorded, base).estimator
    assert (found.base.calls, found.base.cannot, found.base.wrong) == (56, 2, 2)
    assert found.base.errors == (
        WrongAnswer("logs/run-1/agent.log:1", "the prediction is NoneType, not a number"),
        WrongAnswer("logs/run-1/agent.log:3", "the prediction is negative: -1"),
    )
    assert (found.cannot, found.wrong, found.errors) == (0, 0, ())


def test_wrong_answers_of_the_base_fail_nothing():
    found = replayed(numbered(ready(60)), as_recorded, table(*[None] * 40, otherwise=1000))
    assert (found.verdict, found.estimator.base.calls) == ("pass", 20)


def test_calls_that_tell_the_two_apart_are_listed_before_others_that_changed_more():
    rows = numbered([*[call(output=1)] * 20, call(output=900), call(output=900)])
    head = table(*[10] * 20, 899, 901)
    base = table(*[1000] * 20, 900, 899)
    found = replayed(rows, head, base).estimator.base
    assert [each.change for each in found.changed[:3]] == ["newly underestimated", "newly safe", None]
    assert len(found.changed) == 10


def test_budgets_of_both_are_compared():
    found = replayed(ready(60), lambda request: (1000, 800), lambda request: (1000, 4096)).estimator.base
    assert (found.base.truncation, found.head.truncation) == (Share(0, 60), Share(60, 60))
    assert found.underestimated == Paired(newly_underestimated=60, newly_safe=0, both=0, neither=0)


FAILED = [call(success=False, task_id="failed")] * 3


def cuts_failed(request):
    """900 came out of each call: only those that failed do not fit."""
    return 1000, 800 if request.task_id == "failed" else 4096


def cuts_none(request):
    return 1000, 4096


@pytest.mark.parametrize(
    ("head", "base", "only_base", "only_head", "truncated"),
    [
        (cuts_none, cuts_failed, 3, 0, (3, 0)),
        (cuts_failed, cuts_none, 0, 3, (0, 3)),
        (cuts_failed, cuts_failed, 0, 0, (3, 3)),
    ],
)
def test_base_and_head_are_compared_on_the_calls_that_both_judge(head, base, only_base, only_head, truncated):
    """A failed call is judged only by an estimator whose budget would truncate it."""
    found = replayed([*ready(60), *FAILED], head, base).estimator.base
    both = 3 if (only_base, only_head) == (0, 0) else 0
    assert (found.calls, found.only_base_judges, found.only_head_judges) == (63, only_base, only_head)
    assert found.underestimated == Paired(newly_underestimated=0, newly_safe=0, both=both, neither=60)
    assert (found.base.underestimation, found.head.underestimation) == (Share(both, 60 + both), Share(both, 60 + both))
    assert (found.base.truncation, found.head.truncation) == tuple(Share(events, 63) for events in truncated)
    assert (found.difference, found.p) == (0, 1)
    assert {each.change for each in found.changed} <= {None}


some_budget = st.sampled_from([None, 700, 800, 899, 900, 901, 4096])


@limits(max_examples=60, deadline=None)
@given(
    calls=st.lists(
        st.tuples(st.sampled_from([True, False, None]), st.booleans(), some_budget, some_budget), max_size=12
    ),
    population=st.sampled_from(["risk", "success", "all"]),
)
def test_the_difference_is_that_of_the_two_rates_in_the_table(calls, population):
    rows = numbered([call(success=success, truncated=cut and not success) for success, cut, _, _ in calls])
    head, base = ([(1000, each[side]) for each in calls] for side in (2, 3))
    found = replayed(
        [*rows, *ready(27)],
        table(*head, otherwise=(1000, None)),
        table(*base, otherwise=(1000, None)),
        population=population,
    )
    compared = found.estimator.base
    old, new = compared.base.underestimation, compared.head.underestimation
    assert (old, new) == (compared.underestimated.base, compared.underestimated.head)
    assert compared.difference == pytest.approx(new.events / new.n - old.events / old.n)
    assert found.metrics.underestimation.n == new.n + compared.only_head_judges
    assert from_json(json_file.render(found).encode()) == found


def test_a_worse_base_changes_no_verdict():
    assert replayed(ready(60), as_recorded, lambda request: 1).verdict == "pass"


def test_recorded_samples_stay_in_the_reading():
    read = reading(ready(27))
    under = settings()
    judge(read, under, past=Past(replay=replay_of(read.samples, under, lambda request: (1, 1))))
    assert read.samples.predicted_output_tokens.tolist() == columns(ready(27)).predicted_output_tokens.tolist()
    assert not read.samples.truncated.any()


def test_cap_use_is_of_all_recorded_calls_whatever_is_replayed():
    rows = [call(1000, 900, max_tokens=cap, task_id=f"{n}") for n, cap in enumerate([1800] * 42 + [9000] * 12)]

    def half(request):
        if int(request.task_id) % 2:
            raise CannotReplay("no")
        return 1000

    recorded, found = (result(each, "tier2::cap-use") for each in (verdict(rows), replayed(rows, half)))
    assert (found.events, found.n, found.bounds) == (12, 54, recorded.bounds)


@pytest.mark.parametrize("answer", [1000, (1000, 1000)], ids=["predicts", "picks budgets"])
def test_cap_use_leaves_out_recorded_calls_that_failed_whatever_is_replayed(answer):
    """Caps of 2x, and of 20x for the 12 of 54 calls that failed."""
    rows = [call(1000, 900, max_tokens=1800) for _ in range(42)]
    failed = [call(1000, 90, max_tokens=1800, success=False) for _ in range(12)]
    found = replayed([*rows, *failed], lambda request: answer)
    assert (found.metrics.cap_use.n, found.metrics.cap_use.p90, found.metrics.cap_use.calls) == (42, 2.0, 54)
    assert [(each.n, each.p90) for each in found.tuning.cap_use] == [(42, 2.0)]


# Budgets of the estimator


def many(**fields):
    return [call(1000, 500 + n, max_tokens=4000, **fields) for n in range(120)]


def test_an_output_that_a_replayed_budget_would_truncate_is_known_whole():
    """Nothing was truncated, so advice on caps is that of the recorded lengths, and no new calls are needed."""
    none = dict.fromkeys(("require_categories", "require_complexities", "require_deliverables"), "none")
    found = replayed(many(), lambda request: (550, 550), **none)
    alone = replayed(many(), lambda request: 550, **none)
    assert (found.verdict, found.metrics.truncation.events) == ("tune", 69)
    assert found.tuning.max_tokens == alone.tuning.max_tokens
    assert [each.multiplier for each in found.tuning.categories] == [
        each.multiplier for each in alone.tuning.categories
    ]
    raised = "Raise the budgets of the estimator where calls would be truncated: implementation 69 of 120."
    assert f"{raised} Then replay again." in advice(found)
    assert not any("collect" in each for each in advice(found))


def test_caps_that_were_sent_fail_no_estimator_that_picks_its_own():
    none = dict.fromkeys(("require_categories", "require_complexities", "require_deliverables"), "none")
    found = replayed(many(), lambda request: (1000, 1000), cap_use="fail", **none)
    assert (found.verdict, result(found, "tier2::cap-use").outcome) == ("pass", "warn")
    assert message(found, "tier2::cap-use").startswith("P90 = 7.83x of calls with a cap as it was sent (target < 3x) ")
    assert advice(found)[0] == "Nothing to tune: go on collecting, and watch for drift."
    assert replayed(many(), lambda request: 1000, cap_use="fail", **none).verdict == "tune"


def test_calls_that_an_estimator_cannot_replay_are_no_failed_tasks():
    def estimator(request):
        raise CannotReplay

    assert message(replayed(ready(60), estimator), "readiness::samples") == "0 of 20 successful samples"
