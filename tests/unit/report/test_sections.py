"""The parts of a report below its checks."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from msgspec.structs import replace as replace_fields

from pytest_token_telemetry import CannotReplay
from pytest_token_telemetry.gate.findings import Past
from pytest_token_telemetry.past.history import PastVerdict
from pytest_token_telemetry.report import sections
from pytest_token_telemetry.report.words import texts
from pytest_token_telemetry.sources.reading import File, UnusableLines
from pytest_token_telemetry.text import Located, Untrusted
from tests.unit.analysis.test_tuning import RATIOS, calls
from tests.unit.gate.cases import (
    advice,
    baseline_of,
    call,
    compared,
    cut_off,
    judge,
    reading,
    ready,
    replayed,
    settings,
    verdict,
)
from tests.unit.gate.test_drift_checks import later
from tests.unit.gate.test_replay_report import BASE, HEAD, TEN, as_recorded, numbered, table

NOON = datetime(2026, 1, 2, 12)


def section(found, title):
    return next(each for each in sections.compared(found) if each.title == title)


def titles(found):
    return [each.title for each in sections.compared(found)]


def sentences(found, title):
    return tuple(texts(section(found, title).sentences))


def shown(found, title):
    (made,) = section(found, title).tables
    return made


def judged(samples, history):
    return judge(reading(samples), settings(), past=Past(history=history))


def test_nothing_that_was_not_asked_for_has_a_section():
    assert titles(verdict(ready(27))) == []


# Attempts


def test_attempts_that_were_tried_again_are_told() -> None:
    first = [cut_off(output=1000, max_tokens=1000, task_id=task) for task in "ab"]
    second = [call(output=1900, max_tokens=2000, task_id="a"), cut_off(output=2000, max_tokens=2000, task_id="b")]
    found = verdict([*first, *second, call(max_tokens=8192), call(output=1)])
    assert sentences(found, "Attempts") == (
        "First attempts: 2 of 2 (100.0%) truncated; all attempts: 3 of 6 (50.0%). 1 of 2 retries with a larger cap"
        " were not truncated again. 4 of 5 calls used 95% or more of their cap.",
    )
    once = verdict([first[0], second[0]])
    assert "1 of 1 retry with a larger cap was not truncated again." in sentences(once, "Attempts")[0]


def test_attempts_that_all_end_alike_are_a_detail() -> None:
    found = verdict(ready(27))
    assert detail(found, "Attempts").sentences == ("All attempts: 0 of 27 (0.0%) truncated.",)
    unknown = verdict([call(truncated=None)])
    assert detail(unknown, "Attempts").sentences == ("All attempts: 0 of 0 truncated.",)


# Replay


def test_a_replay_is_told_beside_what_was_recorded():
    found = replayed([*ready(60), cut_off()], lambda request: 4500)
    assert sentences(found, "Replayed estimator") == (
        "The verdict is on the predictions of new:predict for 61 of 61 recorded calls, not on those made at the time.",
    )
    assert shown(found, "Replayed estimator").columns == ("", "underestimated", "truncated", "waste P50", "waste P90")
    # 1000 / 900 is 1.11; 4500 / 900 is 5
    assert shown(found, "Replayed estimator").rows == (
        ("recorded", "1/61 = 1.6%", "1/61 = 1.6%", "1.11x", "1.11x"),
        ("replayed", "1/61 = 1.6%", "1/61 = 1.6%", "5.00x", "5.00x"),
    )


def test_a_replay_of_nothing_has_no_figures():
    found = section(replayed([], as_recorded), "Replayed estimator")
    assert (found.sentences, found.tables) == (("There is no recorded call to replay.",), ())


@pytest.mark.parametrize(
    ("rows", "pairs", "sentence"),
    [
        ([call(), call()], [(1, 899), (1, 900)], "With its budgets, 1 of 2 calls would have been truncated."),
        ([call()], [(1, 899)], "With its budgets, 1 of 1 call would have been truncated."),
        (
            [call(), cut_off(output=900)],
            [(1, 900), (1, 901)],
            "With its budgets, 0 of 2 calls would have been truncated; of 1 that was truncated and would have had more"
            " room, the outcome is unknown.",
        ),
        (
            [cut_off(output=900)] * 2,
            [(1, 901)] * 2,
            "With its budgets, 0 of 2 calls would have been truncated; of 2 that were truncated and would have had more"
            " room, the outcome is unknown.",
        ),
    ],
)
def test_budgets_are_told_in_one_sentence(rows, pairs, sentence):
    assert sentences(replayed(numbered(rows), table(*pairs)), "Replayed estimator")[1] == sentence


def test_wrong_answers_are_a_row_for_each_reason():
    found = replayed(numbered(ready(27)), table("</td>", ValueError, ValueError, otherwise=1000))
    wrong = shown(found, "Invalid predictions")
    assert wrong.rows == (
        ("2", Untrusted("the prediction is type, not a number"), Located("logs/run-1/agent.log:2")),
        ("1", Untrusted("the prediction is str, not a number"), Located("logs/run-1/agent.log:1")),
    )


def test_an_older_report_groups_the_wrong_answers_that_it_lists():
    found = replayed(numbered(ready(27)), table(ValueError, "</td>", ValueError, otherwise=1000))
    older = replace_fields(found, estimator=replace_fields(found.estimator, reasons=()))
    assert shown(older, "Invalid predictions").rows == (
        ("2", Untrusted("the prediction is type, not a number"), Located("logs/run-1/agent.log:1")),
        ("1", Untrusted("the prediction is str, not a number"), Located("logs/run-1/agent.log:2")),
    )
    assert advice(older) == ["Repair the estimator, as 3 of 27 predictions are invalid."]


def test_base_and_head_are_told_side_by_side():
    found = replayed(TEN, HEAD, BASE)
    assert titles(found) == ["Replayed estimator", "Base against head", "Predictions that changed most"]
    told = sentences(found, "Base against head")
    assert told[0] == (
        "The underestimation rate changes by +14.3 points (p = 0.625, McNemar's mid-p test): of 8 calls that both can"
        " replay, 2 newly underestimated and 1 newly safe."
    )
    assert told[1].startswith("The change is between -")
    assert told[1].endswith(" points (95% confidence each).")
    assert told[2] == "Base old:predict has no prediction for 1 call."
    assert told[3] == "2 predictions raised and 4 lowered; median change 0.97x."
    assert shown(found, "Base against head").rows == (
        ("base", "3/7 = 42.9%", "1/8 = 12.5%", "1.10x", "2.00x"),
        ("head", "4/7 = 57.1%", "1/8 = 12.5%", "1.00x", "1.11x"),
    )


def test_the_calls_that_changed_are_listed():
    rows = shown(replayed(TEN, HEAD, BASE), "Predictions that changed most").rows
    assert rows[3] == (
        *("1,000", "100", "400", "none"),
        Untrusted("implementation"),
        Located("logs/run-1/agent.log:7"),
    )
    assert rows[1][3:5] == ("newly underestimated", Untrusted("docs"))
    assert len(rows) == 6


def test_an_estimator_that_changed_nothing_lists_nothing():
    assert titles(replayed(ready(60), as_recorded, as_recorded)) == ["Replayed estimator", "Base against head"]


def test_estimators_that_have_no_call_in_common_are_told_so():
    found = sentences(replayed(numbered(ready(2)), table(1, None), table(None, 1)), "Base against head")
    assert found == (
        "Not compared: there is no call that both can replay.",
        "Base old:predict has no prediction for 1 call; 1 prediction is invalid: the prediction is NoneType, not a"
        " number (1 call).",
    )


def test_what_the_base_cannot_answer_is_told():
    found = replayed(numbered(ready(27)), as_recorded, table(CannotReplay, CannotReplay, otherwise=1000))
    assert "Base old:predict has no prediction for 2 calls." in sentences(found, "Base against head")


def test_wrong_answers_of_the_base_are_told_and_listed():
    found = replayed(numbered(ready(27)), as_recorded, table(CannotReplay, "</td>", otherwise=1000))
    assert (
        "Base old:predict has no prediction for 2 calls; 1 prediction is invalid: the prediction is str, not a"
        " number (1 call)."
    ) in sentences(found, "Base against head")
    assert shown(found, "Invalid predictions of base").rows == (
        ("1", Untrusted("the prediction is str, not a number"), Located("logs/run-1/agent.log:2")),
    )


# Drift


def test_no_baseline_is_said():
    found = compared(ready(27), None)
    assert sentences(found, "Drift") == (
        "Not compared: there is no baseline at baseline.json yet (--token-telemetry-save-baseline writes one).",
    )
    assert section(found, "Drift").tables == ()


def test_drift_is_told_by_category():
    # of 60, 24 are implementation and 18 each tests and docs; of 27, 9 each
    found = compared(later(ready(27)), baseline_of(ready(60)))
    assert sentences(found, "Drift")[0] == (
        "27 new calls against 60 in the baseline, compared within categories: a change of the mix alone is no drift."
    )
    # 24/60 = 40% became 9/27 = 33.3%
    assert sentences(found, "Drift")[1] == (
        "6.7% of the risk population moved to other categories; with the baseline's mix, the new underestimation"
        " rate of 0.0% would be 0.0%."
    )
    assert shown(found, "Drift").rows == (
        *(
            ("0/18 = 0.0%", "0/9 = 0.0%", "0/18 = 0.0%", "0/9 = 0.0%", "30.0% -> 33.3%", Untrusted("docs")),
            (
                *("0/24 = 0.0%", "0/9 = 0.0%", "0/24 = 0.0%", "0/9 = 0.0%", "40.0% -> 33.3%"),
                Untrusted("implementation"),
            ),
            ("0/18 = 0.0%", "0/9 = 0.0%", "0/18 = 0.0%", "0/9 = 0.0%", "30.0% -> 33.3%", Untrusted("tests")),
        ),
    )


def test_what_the_mix_does_is_told_of_a_rate_that_is_judged():
    few = compared(later(ready(9)), baseline_of(ready(60)))
    assert not any("moved to other categories" in said for said in sentences(few, "Drift"))


def test_a_category_with_figures_of_one_rate_only_is_told_too():
    """Calls that failed without being truncated are attempts, and say nothing about the prediction."""
    failed = [call(category="other", success=False)] * 2
    silent = [call(category="silent", truncated=None)] * 3
    found = shown(compared(later([*ready(27), *failed, *silent]), baseline_of(ready(60))), "Drift")
    rows = {row[-1].text: row[:-1] for row in found.rows}
    assert rows["other"] == ("none", "none", "none", "0/2 = 0.0%", "0.0% -> 6.9%")  # of 29 attempts
    assert rows["silent"] == ("none", "0/3 = 0.0%", "none", "none", "none")
    assert rows["docs"][:4] == ("0/18 = 0.0%", "0/9 = 0.0%", "0/18 = 0.0%", "0/9 = 0.0%")


def test_categories_that_one_side_has_are_told():
    old = baseline_of([*ready(27), call(category="gone")])
    found = shown(compared(later([*ready(27), call(category=None)]), old), "Drift")
    names = [row[-1] for row in found.rows]
    assert names == [Untrusted(name) for name in (None, "docs", "gone", "implementation", "tests")]


def test_nothing_new_is_told():
    rows = ready(60)
    found = sentences(compared(rows, baseline_of(rows)), "Drift")
    assert found == ("Not compared: every call is one of those of the baseline (60 calls).",)


# History


def past(n, verdict="pass", samples=60, under=0.0, cut=0.0, commit=None):
    return PastVerdict(f"2026-01-{n:02}T05:00:00Z", verdict, samples, under, cut, commit)


def test_the_first_session_of_a_history_is_told_so():
    found = sentences(judged(ready(27), ()), "History")
    assert found == ("This is the first session of the history.",)


def test_one_earlier_session_is_one():
    found = sentences(judged(ready(27), (past(1),)), "History")
    assert found == ("The last session: underestimation ▁ 0.0%, truncation ▁ 0.0%.",)


def test_sessions_are_bars_from_none_to_the_highest():
    # of 14%: 0, 2, 4... in steps of 2
    rates = [step * 0.02 for step in range(8)]
    found = sentences(judged(ready(27), tuple(past(n, under=rate) for n, rate in enumerate(rates, 1))), "History")
    assert found == ("The last 8 sessions: underestimation ▁▂▃▄▅▆▇█ 14.0%, truncation ▁▁▁▁▁▁▁▁ 0.0%.",)


def test_a_session_without_a_rate_is_a_dot():
    found = sentences(judged(ready(27), (past(1, under=None, cut=None), past(2, under=0.5))), "History")
    assert found == ("The last 2 sessions: underestimation ·█ 50.0%, truncation ·▁ 0.0%.",)


def test_sessions_are_listed_the_oldest_first():
    history = (
        past(1, "not-ready", 5, None, None),
        past(2, "tune", 1234, 0.125, 0.02, "0123456789abcdef"),
    )
    assert shown(judged(ready(27), history), "History").rows == (
        ("not-ready", "5", "none", "none", Untrusted("2026-01-01T05:00:00Z"), Untrusted(None)),
        ("tune", "1,234", "12.5%", "2.0%", Untrusted("2026-01-02T05:00:00Z"), Untrusted("0123456789ab")),
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


# Strata


def detail(found, title):
    return next(each for each in sections.details(found) if each.title == title)


def test_marks_of_strata_are_explained():
    found = detail(
        verdict([*ready(81), *[cut_off(category="capped")] * 9]), "By category, complexity and number of deliverables"
    )
    table = found.tables[0]
    assert table.rows[-1] == (*("9", "0", "9*", "9", "9*", "0.12x", "0.12x"), Untrusted("capped"))
    assert table.marked == {(3, 2), (3, 4)}
    assert found.remarks == ("* above its target, proven with all strata looked at together (Holm, 95%)",)


STRATA = "By category, complexity and number of deliverables"


def test_judged_calls_that_are_no_attempts_have_a_column():
    """Budgets of 9000 give the 9 truncated calls more room than 8192: judged, and no attempts."""
    rows = [*ready(81), *[cut_off(category="capped")] * 9]
    found = detail(replayed(rows, lambda request: (1000, 9000)), STRATA)
    assert found.tables[0].columns[:5] == ("attempts", "unknown", "successful", "truncated", "judged")
    assert found.tables[0].rows[-1][:6] == ("0", "9", "0", "0", "9", "9*")
    assert found.tables[0].marked == {(3, 5)}
    assert found.remarks[1:] == (
        "unknown: judged, but no attempt: it was truncated, and nothing tells whether the estimator's larger budget"
        " would have been enough",
    )


def test_calls_that_nothing_tells_of_whether_they_were_truncated_are_unknown():
    found = detail(verdict([*ready(27), *[call(truncated=None, category="docs")] * 3]), STRATA)
    docs = next(row for row in found.tables[0].rows if row[-1] == Untrusted("docs"))
    assert docs[:5] == ("9", "3", "12", "0", "12")
    assert found.remarks == ("unknown: judged, but no attempt: nothing tells whether it was truncated",)


def test_spellings_stand_below_their_category_and_models_in_a_table_of_their_own():
    rows = [*ready(27, model="a"), *[call(category="documentation", model="b")] * 2]
    tables = detail(verdict(rows), "By category, complexity and number of deliverables").tables
    # of 27, 9 are docs, as 2 more are
    names = [row[-1] for row in tables[0].rows]
    place = names.index(Untrusted("docs"))
    assert names[place + 1 : place + 3] == [("spelled ", Untrusted("docs")), ("spelled ", Untrusted("documentation"))]
    assert [row[0] for row in tables[0].rows[place : place + 3]] == ["11", "9", "2"]
    assert (tables[3].columns[-1], [row[-1] for row in tables[3].rows]) == ("model", [Untrusted("a"), Untrusted("b")])
    assert len(tables) == 4


def test_files_without_telemetry_and_mentions_of_tags_are_counted():
    found = verdict(
        ready(27), {"files": (File("a", 27), File("b", 0), File("c", 0)), "nothing_known": 2, "mentions": 1}
    )
    assert detail(found, "Sources").remarks == (
        "2 of 3 files without any telemetry",
        "1 mention of a tag without a record",
    )
    assert detail(verdict(ready(27)), "Sources").remarks == ()


def test_a_source_shows_what_became_of_its_other_records_where_some_source_has_any():
    files = (
        File("a", 26, format="otlp", duplicates=1200),
        File("b", 1, format="otlp", unusable=3, skipped={"no calls": 4}),
    )
    whole = {"duplicates": 1200, "unusable": {"lost": UnusableLines(3, ["b:1"])}, "skipped": {"no calls": 4}}
    found = verdict(ready(27), {"files": files, **whole})
    table = detail(found, "Sources").tables[0]
    assert table.columns == ("samples", "duplicates", "unusable", "skipped", "read as", "file")
    assert [row[:4] for row in table.rows] == [("26", "1,200", "0", "0"), ("1", "0", "3", "4")]
    assert [(each.duplicates, each.unusable, each.skipped) for each in found.sources] == [
        (1200, 0, {}),
        (0, 3, {"no calls": 4}),
    ]
    assert detail(verdict(ready(27)), "Sources").tables[0].columns == ("samples", "file")


def test_files_that_are_not_listed_share_a_row_with_what_became_of_their_records():
    files = tuple(
        File(f"{n}.log", 1, duplicates=2, unusable=3, skipped={"no calls": 4}, dropped=5) for n in range(1003)
    )
    lost = {"lost": UnusableLines(3009, ["0.log:1"])}
    whole = {"duplicates": 2006, "unusable": lost, "skipped": {"no calls": 4012}, "dropped": {"own": 5015}}
    last = verdict(ready(1003), {"files": files, **whole}).sources[-1]
    assert (last.folded, last.samples, last.duplicates, last.unusable) == (3, 3, 6, 9)
    assert (last.skipped, last.dropped) == ({"no calls": 12}, 15)


def test_skipped_records_are_counted_by_reason():
    found = detail(verdict(ready(27), {"skipped": {"spans that are not model calls": 1200}}), "Sources")
    assert (found.tables[-1].columns, found.tables[-1].rows) == (
        ("records", "skipped as"),
        (("1,200", Untrusted("spans that are not model calls")),),
    )


# Tuning

ROWS = [
    *ready(60),
    *calls(RATIOS, "refactoring"),
    *calls([1.34, 1.40, 6.23], "bugfix"),
    *calls([1.5], "rare"),
    *[cut_off(category="capped")] * 5,
]
TUNE = verdict(ROWS)


def advised(found):
    """The rows of advice by category, those of a complexity alone left out."""
    return {row[-2].text: row[:-2] for row in detail(found, "Tuning advice").tables[0].rows if row[-1] == ""}


@pytest.mark.parametrize(
    ("predicted", "output", "title"),
    [
        (1000, 970, "Closest to their predictions"),
        (1000, 1000, "Closest to their predictions"),
        (1000, 1001, "Largest overruns"),
        (0, 1, "Largest overruns"),
        (0, 0, "Closest to their predictions"),
    ],
)
def test_calls_are_overruns_only_if_one_ran_over(predicted, output, title):
    found = verdict([*ready(26), call(predicted, output)])
    assert next(sections.details(found)).title == title
    assert sections.changed_calls(found).sections[-1].title == title


def test_multipliers_have_a_table():
    # the waste before is that of the example by hand, 2.8219 and 4.5257, and the waste after 1.12 times that
    found = advised(TUNE)
    assert found["refactoring"] == (
        *("20", "0", "1", "1.12", "4.8% (0.3 to 13.9)"),
        *("2.82x -> 3.16x", "4.53x -> 5.07x", "4.98x"),
    )
    assert found["bugfix"][3:5] == ("~6.23", "25.0% (0.0 to 63.2)")
    assert found["rare"][3:5] == ("collect", "")
    assert found["capped"][:5] == ("5", "5", "5", "raise-cap", "")
    # well predicted: 900 of 1000, so that a lower prediction would do, which is no advice for risk
    assert found["implementation"][3] == "(0.90)"


def test_a_multiplier_that_lowers_is_in_brackets_however_little_it_lowers():
    found = verdict(calls([0.9928] * 39), tuning="tuning.json")
    table, *_ = detail(found, "Tuning advice").tables
    assert table.rows[0][3] == "(0.993)"
    assert (
        "( ) lowers the predictions: that saves cost, and is not advice for risk"
        in detail(found, "Tuning advice").remarks
    )


PROMISE = (
    "expected of new calls: on average, at most this share of them is underestimated; in nine of ten cases, a share"
    " within the range. More samples narrow it"
)


def test_a_promise_for_new_calls_cannot_be_read_as_a_change():
    """None of 19 is underestimated, and nothing is multiplied: 19 samples promise 1 in 20 all the same."""
    found = verdict(calls([1.0] * 19), tuning="tuning.json")
    table, *_ = detail(found, "Tuning advice").tables
    at = table.columns.index("expected of new calls")
    assert table.rows[0][2 : at + 1] == ("0", "1.00", "5.0% (0.3 to 14.6)")
    assert table.rows[0][at + 1 : at + 3] == ("1.00x", "1.00x")  # waste as before: not 1.00x -> 1.00x
    assert PROMISE in detail(found, "Tuning advice").remarks
    assert PROMISE not in detail(verdict(calls([1.0] * 2), tuning="tuning.json"), "Tuning advice").remarks


def capped(found):
    return {row[-1].text: row[:-1] for row in detail(found, "Tuning advice").tables[1].rows}


def test_caps_have_a_table():
    assert detail(TUNE, "Tuning advice").tables[1].columns == (
        *("judged", "cap at 1.0% risk", "cap at 2.0% risk", "cap at 5.0% risk", "category"),
    )
    assert capped(TUNE)["refactoring"] == ("20", "needs 99", "needs 49", "11,201")
    assert capped(TUNE)["capped"] == ("5", "raise-cap", "raise-cap", "raise-cap")
    hidden = capped(verdict([*ready(60), *[cut_off(category="capped")] * 19]))
    assert hidden["capped"] == ("19", "raise-cap", "raise-cap", "raise-cap")


def test_without_advice_there_is_no_section_of_it():
    assert "Tuning advice" not in [each.title for each in sections.details(verdict(ready(27)))]


def in_time(rows):
    return [replace(each, time=NOON + timedelta(minutes=minute)) for minute, each in enumerate(rows)]


FORWARD = verdict(
    in_time(calls([1.5] * 90 + [2.0] * 10)),
    require_categories="none",
    require_complexities="none",
    require_deliverables="none",
)
SAID = (
    # scipy: beta.ppf(.05, 10, 21) = 0.1931, beta.ppf(.95, 11, 20) = 0.4992
    "forward check: tuned on the first 70, 10/30 = 33.3% of the rest underestimated, true rate 19.3% to 49.9% (95%"
    " confidence each)"
)


def test_the_forward_check_is_said():
    assert detail(FORWARD, "Tuning advice").remarks[-1] == SAID


def test_a_cell_has_its_complexity():
    rows = detail(FORWARD, "Tuning advice").tables[0].rows
    assert (Untrusted("implementation"), Untrusted("low")) in [row[-2:] for row in rows]
