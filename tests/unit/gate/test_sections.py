"""The parts of a report that are there only if they were asked for."""

from __future__ import annotations

import pytest

from pytest_token_telemetry import CannotReplay
from pytest_token_telemetry.gate import judge
from pytest_token_telemetry.gate.past import Past
from pytest_token_telemetry.verdict import PastVerdict, Untrusted
from tests.unit.gate.cases import (
    baseline_of,
    call,
    compared,
    cut_off,
    reading,
    ready,
    replayed,
    settings,
    verdict,
)
from tests.unit.gate.test_drifting import later
from tests.unit.gate.test_replaying import BASE, HEAD, TEN, as_recorded, numbered, table


def section(found, title):
    return next(each for each in found.sections if each.title == title)


def titles(found):
    return [each.title for each in found.sections]


def judged(samples, history):
    return judge(reading(samples), settings(), past=Past(history=history))


def test_nothing_that_was_not_asked_for_has_a_section():
    assert verdict(ready(27)).sections == ()


# Replay


def test_a_replay_is_told_beside_what_was_recorded():
    found = section(replayed([*ready(60), cut_off()], lambda request: 4500), "Replayed estimator")
    assert found.sentences == (
        "The verdict is on the estimator's predictions for 61 of 61 recorded calls, not on those of the time.",
    )
    assert found.columns == ("", "underestimated", "truncated", "waste P50", "waste P90")
    # 1000 / 900 is 1.11; 4500 / 900 is 5
    assert found.rows == (
        ("recorded", "1/61 = 1.6 %", "1/61 = 1.6 %", "1.11x", "1.11x"),
        ("replayed", "1/61 = 1.6 %", "1/61 = 1.6 %", "5.00x", "5.00x"),
    )


def test_a_replay_of_nothing_has_no_figures():
    found = section(replayed([], as_recorded), "Replayed estimator")
    assert found.rows[1] == ("replayed", "none", "none", "none", "none")


@pytest.mark.parametrize(
    ("rows", "pairs", "sentence"),
    [
        ([call(), call()], [(1, 899), (1, 900)], "With its budgets, 1 of 2 calls would have been truncated."),
        ([call()], [(1, 899)], "With its budgets, 1 of 1 call would have been truncated."),
        (
            [call(), cut_off(output=900)],
            [(1, 900), (1, 901)],
            "With its budgets, 0 of 2 calls would have been truncated; of 1 that was cut off and would have had more"
            " room, nobody knows.",
        ),
        (
            [cut_off(output=900)] * 2,
            [(1, 901)] * 2,
            "With its budgets, 0 of 2 calls would have been truncated; of 2 that were cut off and would have had more"
            " room, nobody knows.",
        ),
    ],
)
def test_budgets_are_told_in_one_sentence(rows, pairs, sentence):
    assert section(replayed(numbered(rows), table(*pairs)), "Replayed estimator").sentences[1] == sentence


def test_wrong_answers_are_listed():
    found = replayed(numbered(ready(27)), table("</td>", ValueError, otherwise=1000))
    wrong = section(found, "Answers that are no prediction")
    assert wrong.rows == (
        (Untrusted("logs/run-1/agent.log:1"), Untrusted("the prediction is str, not a number")),
        (Untrusted("logs/run-1/agent.log:2"), Untrusted("the prediction is type, not a number")),
    )


def test_base_and_head_are_told_side_by_side():
    found = replayed(TEN, HEAD, BASE)
    assert titles(found) == ["Replayed estimator", "Base against head", "Predictions that changed most"]
    told = section(found, "Base against head")
    assert told.sentences[0] == "Base has no prediction for 1 call."
    assert told.sentences[1] == (
        "On the 8 calls that both can replay, 2 newly underestimated and 1 newly safe (p = 0.625, McNemar's exact"
        " test)."
    )
    assert told.sentences[2].startswith("The underestimation rate changes by +14.3 points, truly between -")
    assert told.sentences[2].endswith(" points (95 % each).")
    assert told.sentences[3] == "2 predictions raised and 4 lowered; in the middle they are 0.97x those of base."
    assert told.rows == (
        ("base", "3/7 = 42.9 %", "1/8 = 12.5 %", "1.10x", "2.00x"),
        ("head", "4/7 = 57.1 %", "1/8 = 12.5 %", "1.00x", "1.11x"),
    )


def test_the_calls_that_changed_are_listed():
    rows = section(replayed(TEN, HEAD, BASE), "Predictions that changed most").rows
    assert rows[3] == (
        *("1,000", "100", "400", "none"),
        Untrusted("implementation"),
        Untrusted("logs/run-1/agent.log:7"),
    )
    assert rows[1][3:5] == ("newly underestimated", Untrusted("docs"))
    assert len(rows) == 6


def test_an_estimator_that_changed_nothing_lists_nothing():
    assert titles(replayed(ready(60), as_recorded, as_recorded)) == ["Replayed estimator", "Base against head"]


def test_estimators_that_have_no_call_in_common_are_told_so():
    found = section(replayed(numbered(ready(2)), table(1, None), table(None, 1)), "Base against head")
    assert found.sentences == (
        "Base has no prediction for 1 call: 1 answer of another kind.",
        "Not compared: there is no call that both can replay.",
    )


def test_what_the_base_cannot_answer_is_told():
    found = replayed(numbered(ready(27)), as_recorded, table(CannotReplay, CannotReplay, otherwise=1000))
    assert section(found, "Base against head").sentences[0] == "Base has no prediction for 2 calls."


def test_wrong_answers_of_the_base_are_told_and_listed():
    found = replayed(numbered(ready(27)), as_recorded, table(CannotReplay, "</td>", otherwise=1000))
    assert section(found, "Base against head").sentences[0] == (
        "Base has no prediction for 2 calls: 1 answer of another kind."
    )
    assert section(found, "Answers of base that are no prediction").rows == (
        (Untrusted("logs/run-1/agent.log:2"), Untrusted("the prediction is str, not a number")),
    )


# Drift


def test_no_baseline_is_said():
    found = section(compared(ready(27), None), "Drift")
    assert found.sentences == ("Not compared: there is no baseline yet (--token-telemetry-save-baseline writes one).",)
    assert (found.columns, found.rows) == ((), ())


def test_drift_is_told_by_category():
    # of 60, 24 are implementation and 18 each tests and docs; of 27, 9 each
    found = section(compared(later(ready(27)), baseline_of(ready(60))), "Drift")
    assert found.sentences[0] == (
        "27 new calls against 60 in the baseline, compared within categories: a change of the mix alone is no drift."
    )
    # 24/60 = 40 % became 9/27 = 33.3 %
    assert found.sentences[1] == (
        "6.7 % of the calls moved to other categories; with the baseline's mix, the new underestimation rate of 0.0 %"
        " would be 0.0 %."
    )
    assert found.rows == (
        *(
            ("0/18 = 0.0 %", "0/9 = 0.0 %", "0/18 = 0.0 %", "0/9 = 0.0 %", "30.0 % -> 33.3 %", Untrusted("docs")),
            (
                *("0/24 = 0.0 %", "0/9 = 0.0 %", "0/24 = 0.0 %", "0/9 = 0.0 %", "40.0 % -> 33.3 %"),
                Untrusted("implementation"),
            ),
            ("0/18 = 0.0 %", "0/9 = 0.0 %", "0/18 = 0.0 %", "0/9 = 0.0 %", "30.0 % -> 33.3 %", Untrusted("tests")),
        ),
    )


def test_a_category_with_figures_of_one_rate_only_is_told_too():
    """Calls that failed without being cut off are attempts, and say nothing about the prediction."""
    failed = [call(category="other", success=False)] * 2
    silent = [call(category="silent", truncated=None)] * 3
    found = section(compared(later([*ready(27), *failed, *silent]), baseline_of(ready(60))), "Drift")
    rows = {row[-1].text: row[:-1] for row in found.rows}
    assert rows["other"] == ("none", "none", "none", "0/2 = 0.0 %", "none")
    assert rows["silent"] == ("none", "0/3 = 0.0 %", "none", "none", "0.0 % -> 10.0 %")  # of 30 at risk
    assert rows["docs"][:4] == ("0/18 = 0.0 %", "0/9 = 0.0 %", "0/18 = 0.0 %", "0/9 = 0.0 %")


def test_categories_that_one_side_has_are_told():
    old = baseline_of([*ready(27), call(category="gone")])
    found = section(compared(later([*ready(27), call(category=None)]), old), "Drift")
    names = [row[-1] for row in found.rows]
    assert names == [Untrusted(name) for name in (None, "docs", "gone", "implementation", "tests")]


def test_nothing_new_is_told():
    rows = ready(60)
    found = section(compared(rows, baseline_of(rows)), "Drift")
    assert found.sentences == (
        "0 new calls against 60 in the baseline, compared within categories: a change of the mix alone is no drift.",
    )


# History


def past(n, verdict="pass", samples=60, under=0.0, cut=0.0, commit=None):
    return PastVerdict(f"2026-01-{n:02}T05:00:00Z", verdict, samples, under, cut, commit)


def test_the_first_session_of_a_history_is_told_so():
    found = section(judged(ready(27), ()), "History")
    assert found.sentences == ("This is the first session of the history.",)


def test_one_earlier_session_is_one():
    found = section(judged(ready(27), (past(1),)), "History")
    assert found.sentences == ("The last session: underestimation ▁, truncation ▁.",)


def test_sessions_are_bars_from_none_to_the_highest():
    # of 14 %: 0, 2, 4... in steps of 2
    rates = [step * 0.02 for step in range(8)]
    found = section(judged(ready(27), tuple(past(n, under=rate) for n, rate in enumerate(rates, 1))), "History")
    assert found.sentences == ("The last 8 sessions: underestimation ▁▂▃▄▅▆▇█, truncation ▁▁▁▁▁▁▁▁.",)


def test_a_session_without_a_rate_is_a_dot():
    found = section(judged(ready(27), (past(1, under=None, cut=None), past(2, under=0.5))), "History")
    assert found.sentences == ("The last 2 sessions: underestimation ·█, truncation ·▁.",)


def test_sessions_are_listed_the_oldest_first():
    history = (
        past(1, "not-ready", 5, None, None),
        past(2, "tune", 1234, 0.125, 0.02, "0123456789abcdef"),
    )
    assert section(judged(ready(27), history), "History").rows == (
        ("not-ready", "5", "none", "none", Untrusted("2026-01-01T05:00:00Z"), Untrusted(None)),
        ("tune", "1,234", "12.5 %", "2.0 %", Untrusted("2026-01-02T05:00:00Z"), Untrusted("0123456789ab")),
    )


def test_everything_that_was_asked_for_has_its_section():
    from tests.unit.gate.cases import replay_of

    read, under = reading(ready(60)), settings(baseline="baseline.json")
    found = judge(
        read,
        under,
        past=Past(
            replay=replay_of(read.samples, under, lambda request: 950, as_recorded),
            baseline=baseline_of(ready(27)),
            history=(past(1),),
        ),
    )
    assert titles(found) == [
        "Replayed estimator",
        "Base against head",
        "Predictions that changed most",
        "Drift",
        "History",
    ]
