"""Verdicts on what is proven, one sample a task, and what depends on it."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from scipy.stats import binom

from pytest_token_telemetry.report.words import headline
from tests.unit.gate.cases import advice, call, cut_off, message, notes, outcomes, plan, ready, result, verdict

UNDER, CUT, WASTE = "tier1::underestimation", "tier1::truncation", "tier2::waste-p90"
ANY = {"require_categories": "none", "require_complexities": "none", "require_deliverables": "none", "min_samples": "1"}


def underestimated(events, n, **written):
    """The verdict on ``n`` calls, of which ``events`` exceeded their prediction, with a truncation that is proven."""
    rows = [*[call()] * (n - events), *[call(1000, 1200)] * events]
    return verdict(rows, **{**ANY, "max_truncation": "100%", **written})


@pytest.mark.parametrize(
    ("events", "n", "conclusion"),
    [
        (0, 58, "inconclusive"),
        (0, 59, "pass"),
        (1, 92, "inconclusive"),
        (1, 93, "pass"),
        (3, 20, "inconclusive"),
        (4, 20, "tune"),
        (9, 100, "inconclusive"),
        (10, 100, "tune"),
    ],
)
@pytest.mark.parametrize("policy", ["warn", "fail"])
def test_with_a_confidence_only_what_is_proven_passes_or_fails(events, n, conclusion, policy):
    found = underestimated(events, n, confidence="0.95", inconclusive=policy)
    assert found.verdict == conclusion
    open_ = "skip" if policy == "warn" else "fail"
    assert outcomes(found)[UNDER] == {"pass": "pass", "tune": "fail", "inconclusive": open_}[conclusion]
    assert result(found, UNDER).inconclusive is (conclusion == "inconclusive")
    word = {"pass": "PASS, proven", "tune": "FAIL, proven", "inconclusive": "INCONCLUSIVE, unproven"}[conclusion]
    assert f"(target <= 5%) {word}" in message(found, UNDER)
    assert found.fails is (conclusion == "tune" or (conclusion == "inconclusive" and policy == "fail"))


@pytest.mark.parametrize(
    ("events", "n", "conclusion"),
    [
        (0, 77, "inconclusive"),
        (0, 78, "pass"),
        (1, 118, "inconclusive"),
        (1, 119, "pass"),
        (4, 20, "inconclusive"),
        (5, 20, "tune"),
    ],
)
def test_at_every_look_a_proof_takes_more(events, n, conclusion):
    found = underestimated(events, n, confidence="0.95", sequential="true")
    assert found.verdict == conclusion
    assert f"{'un' if conclusion == 'inconclusive' else ''}proven (95% confidence, at every look)" in message(
        found, UNDER
    )


def test_at_every_look_the_samples_that_prove_it_are_more():
    assert result(underestimated(0, 20, confidence="0.95", sequential="true"), UNDER).samples_to_prove == 78


@pytest.mark.parametrize(("confidence", "n"), [("50%", 14), ("0.8", 32), ("0.95", 59), ("99.9999%", 270)])
def test_more_confidence_takes_more_samples(confidence, n):
    # log(1 - C) / log(0.95): 13.5, 31.4, 58.4 and 269.3
    assert underestimated(0, n - 1, confidence=confidence).verdict == "inconclusive"
    assert underestimated(0, n, confidence=confidence).verdict == "pass"


@pytest.mark.parametrize(("events", "n", "conclusion"), [(0, 20, "pass"), (1, 20, "pass"), (2, 20, "tune")])
def test_without_a_confidence_the_rate_itself_decides(events, n, conclusion):
    assert underestimated(events, n).verdict == conclusion


def test_a_failure_outweighs_what_is_open():
    rows = [*ready(100), *[call(1000, 1200)] * 30]
    for policy in ("warn", "fail"):
        found = verdict(rows, confidence="0.95", inconclusive=policy)
        assert (found.verdict, found.fails) == ("tune", True)
        assert result(found, CUT).inconclusive
        assert headline(found) == "Tuning needed: 23.1% underestimated."
        assert not any("truncated" in step for step in advice(found))


def test_nothing_proven_says_what_to_collect():
    found = verdict(ready(27), confidence="0.95")
    assert found.title == "INCONCLUSIVE"
    assert headline(found) == "Nothing is proven either way: 0.0% underestimated, 0.0% truncated."
    # 59 - 27 and 149 - 27
    assert advice(found) == [
        "Collect 32 more samples to prove underestimation and 122 more samples to prove truncation, if no event comes"
        " with them."
    ]


def test_one_thing_unproven_is_named():
    found = verdict(ready(100), confidence="0.95")
    assert headline(found) == "Truncation is not proven either way: 0.0% underestimated, 0.0% truncated."
    assert advice(found) == ["Collect 49 more samples to prove truncation, if no event comes with them."]


def test_a_rate_above_its_target_that_may_be_chance_is_to_be_tuned_or_looked_at_again():
    """No sample without an event is asked for: at the rate that is seen, none comes."""
    found = verdict([*ready(149), *[call(1000, 1200, category="docs")] * 10], confidence="0.95")
    assert found.title == "INCONCLUSIVE"
    first, second, *_ = advice(found)
    assert first == (
        "Tune, or collect more samples: underestimation is 6.3%, above its target, which may be chance in 159 samples."
    )
    assert second.startswith("Multiply the predictions in docs by ")


def test_a_target_that_nothing_proves_is_to_be_raised():
    found = verdict(ready(100), confidence="0.95", max_truncation="0")
    assert found.verdict == "inconclusive"
    assert advice(found) == [
        "Raise the target of truncation, or set no confidence: no number of samples proves so low a rate."
    ]


def test_one_event_disproves_a_target_of_nothing():
    found = verdict([*ready(300), cut_off()], confidence="0.95", max_truncation="0")
    assert outcomes(found)[CUT] == "fail"
    # 1 - .95 ** (1 / 301)
    assert " FAIL, proven: true rate at least 0.02% (95% confidence)" in message(found, CUT)


@pytest.mark.parametrize("written", [{}, {"confidence": "0.95"}, {"confidence": "0.95", "sequential": "true"}])
def test_the_smallest_target_is_judged(written):
    target = "0.000000000000001%"
    clean = verdict(ready(60), max_underestimation=target, max_truncation=target, **written)
    assert clean.verdict == ("inconclusive" if written else "pass")
    found = verdict([*ready(60), cut_off()], max_underestimation=target, max_truncation=target, **written)
    assert found.verdict == "tune"


@pytest.mark.parametrize("written", [{}, {"confidence": "0.95"}, {"confidence": "0.95", "sequential": "true"}])
def test_no_data_never_passes(written):
    # nobody says whether the calls succeeded, so that none is in the risk population
    for rows in ([], [call(success=None)] * 60, [call(truncated=None)] * 60):
        found = verdict(rows, **written)
        assert found.verdict == "not-ready"
        assert "pass" not in {outcomes(found)[each] for each in (UNDER, CUT, WASTE)}
    assert message(verdict([], **written), UNDER) == "no data: nothing in the risk population (target <= 5%)"


def test_a_confidence_does_not_touch_waste():
    found = verdict(ready(27, 5000, 1000), confidence="0.95", tier2="fail", max_truncation="100%")
    assert (outcomes(found)[WASTE], found.verdict) == ("fail", "tune")


def of_tasks(runs, tasks):
    return [
        call(
            task_id=f"task-{n % tasks}",
            category=each.category,
            complexity=each.complexity,
            deliverable_count=each.deliverable_count,
        )
        for n, each in enumerate(ready(runs))
    ]


@pytest.mark.parametrize(("tasks", "warned"), [(30, False), (29, True), (1, True)])
def test_more_than_two_runs_a_task_are_noted(tasks, warned):
    found = verdict(of_tasks(60, tasks))
    assert bool(notes(found)) is warned
    if warned:
        assert notes(found)[0] == (
            f"60 samples come from only {tasks} task{'s' if tasks > 1 else ''}, and attempts at one task are alike:"
            " proofs are weaker than they say (--token-telemetry-one-per-task judges one a task)."
        )


def test_tasks_are_counted():
    assert message(verdict([*of_tasks(60, 30), call()]), "readiness::sources") == (
        "1 file read, 60 of 61 samples of 30 tasks"
    )
    assert message(verdict(ready(60)), "readiness::sources") == "1 file read"


def test_one_sample_a_task_is_judged():
    found = verdict([*of_tasks(60, 30), *ready(27)], one_per_task="true")
    assert result(found, UNDER).n == 57
    assert notes(found) == ["One sample a task is judged: 30 of 60 left out."]
    assert (found.counts.samples, found.counts.tasks) == (87, 30)


def test_one_sample_a_task_of_samples_without_a_task_is_all_of_them():
    found = verdict(ready(27), one_per_task="true")
    assert result(found, UNDER).n == 27
    assert notes(found) == ["One sample a task was asked for, but no sample names its task: all are judged."]


def test_a_task_that_was_cut_off_once_counts_as_cut_off():
    noon = datetime(2026, 1, 2, 12)
    rows = [
        *ready(60),
        call(task_id="a", time=noon + timedelta(minutes=1)),
        cut_off(task_id="a", time=noon),
    ]
    figure = result(verdict(rows, one_per_task="true"), CUT)
    assert (figure.events, figure.n) == (1, 61)


def test_outputs_above_their_budget_are_noted():
    rows = [
        *ready(27),
        call(output=8193),
        cut_off(output=9000),
        call(output=8192),
        call(output=9000, budget_tokens=None),
    ]
    assert notes(verdict(rows)) == [
        "1 sample above the budget without being truncated: the budget is not the cap that was sent."
    ]


def test_strata_far_above_their_target_are_marked():
    rows = [*ready(81), *[call(1000, 1200, category="refactoring")] * 9, *[cut_off(category="docs")]]
    found = {each.name: each for each in verdict(rows).strata.category}
    assert found["refactoring"].underestimation_proven
    assert not found["docs"].underestimation_proven
    assert not found["docs"].truncation_proven


def test_marks_are_adjusted_for_all_strata():
    # three of nine are unlikely at 5%, but not among the twenty rates of ten strata
    rows = [*ready(81), *[call(1000, 1200, category="refactoring")] * 3, *[call(category="refactoring")] * 6]
    strata = verdict(rows).strata
    every = (*strata.category, *strata.complexity, *strata.deliverables)
    found = next(each for each in every if each.name == "refactoring")
    assert len(every) == 10
    assert found.underestimation_p == pytest.approx(20 * binom.sf(2, 9, 0.05), rel=1e-9)
    assert not found.underestimation_proven


@pytest.mark.parametrize(
    ("rows", "tuning", "present"),
    [
        (ready(27), None, False),
        (ready(27), "tuning.json", True),
        ([*ready(27), cut_off()], None, True),
        (ready(5), None, False),
        ([], "tuning.json", True),
    ],
    ids=["pass", "pass, requested", "tune", "not ready", "nothing, requested"],
)
def test_tuning_is_there_if_it_is_needed_or_asked_for(rows, tuning, present):
    assert (verdict(rows, tuning=tuning).tuning is not None) is present


def sentences(rows, **written):
    return plan(verdict(rows, **written))


def test_the_plan_says_how_many_samples_prove_each_target():
    # by the tables one event needs 93 samples, and at 2% none needs 149
    plan = sentences([*ready(99), call(1000, 1200)])
    assert plan[-2:] == [
        "To prove underestimation within its target (1 of 100 now): done.",
        "To prove truncation within its target (0 of 100 now): 149 samples in all if there are no more events, 149 at"
        " the present rate.",
    ]


def test_the_plan_says_what_no_number_of_samples_proves():
    plan = sentences([*ready(90), *[call(1000, 1200)] * 10], max_truncation="0")
    assert plan[-2:] == [
        # ten events: statsmodels' bound is within 5% from 336 samples on
        "To prove underestimation within its target (10 of 100 now): 336 samples in all if there are no more events; at"
        " the present rate, no number would.",
        "To prove truncation within its target (0 of 100 now): no number of samples proves so low a target.",
    ]


def test_without_samples_there_is_no_present_rate():
    found = verdict([])
    proofs = found.plan.proofs
    # log(0.05) / log(0.95) = 58.4 and log(0.05) / log(0.98) = 148.3
    assert [(proof.n, proof.without_more_events, proof.at_present_rate) for proof in proofs] == [
        (0, 59, None),
        (0, 149, None),
    ]
    assert plan(found)[-2:] == [
        "To prove underestimation within its target (no data yet): 59 samples without an event.",
        "To prove truncation within its target (no data yet): 149 samples without an event.",
    ]


def test_the_plan_names_the_thinnest_evidence():
    rows = [*ready(81), call(category="docs"), call(category="tests", complexity="high", deliverable_count=8)]
    assert sentences(rows)[0] == (
        "The thinnest evidence is that of implementation (27 successful samples), medium complexity (27 successful"
        " samples) and 1 deliverable (27 successful samples)."
    )


def test_the_plan_schedules_what_is_missing():
    # three low and two medium ones of implementation, two with 1, two with 2-5 and one with 6+ deliverables
    assert sentences(ready(5))[:2] == [
        "Schedule successful runs: 5 in tests of high complexity with 6+ deliverables.",
        "Schedule successful runs: 1 in tests of high complexity with 1 deliverable.",
    ]


def test_a_long_plan_is_cut_short_in_words_only():
    found = verdict([], require_categories=",".join(f"c{n}" for n in range(50)), min_samples="60")
    runs = [each for each in plan(found) if each.startswith("Schedule successful runs: ")]
    assert len(runs) == 21
    assert runs[-1] == f"Schedule successful runs: {sum(run.count for run in found.plan.runs[20:])} of other kinds."
    assert sum(run.count for run in found.plan.runs) == 60


@pytest.mark.parametrize("least", ["999999999", "1000000"])
def test_any_number_of_samples_can_be_planned(least):
    said = advice(verdict(ready(27), min_samples=least))[0]
    assert said.startswith(f"Collect {int(least) - 27:,} more successful samples. These would do: ")
