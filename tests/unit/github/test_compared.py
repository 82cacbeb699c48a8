"""What the comment says of changes: base against head, new calls against the baseline, the sessions before."""

from __future__ import annotations

import pytest

from pytest_token_telemetry.github.comment import Section
from pytest_token_telemetry.github.reading import from_json
from pytest_token_telemetry.reporters.json import render
from tests.unit.gate.cases import replayed
from tests.unit.github.reports import VERDICTS, check, document
from tests.unit.github.test_comment import comment, page, section, table

NOTHING = "no baseline, no base estimator: nothing to compare with"


def paragraph(text, title):
    found = [each.text_content() for each in page(text).iter("p") if each.text_content().startswith(title)]
    assert len(found) == 1, found
    return found[0]


def position(text, *parts):
    places = [text.index(part) for part in parts]
    assert places == sorted(places)


def compared(change=None, **changed):
    return comment(section("compared", change), **changed)


# Base against head


def test_base_stands_beside_head_with_the_difference_and_its_interval():
    """Of 60 calls base underestimates 2 and head 3; Newcombe's bounds are those of the report."""
    bounds = document("compared")["estimator"]["base"]["bounds"]
    assert (round(bounds["lower"], 4), round(bounds["upper"], 4)) == (-0.0537, 0.0897)
    assert table(page(compared()), "")[0] == ["", "base", "head", "difference"]
    assert table(page(compared()), "")[1:] == [
        [
            "underestimated",
            "2/60 = 3.3 %",
            "3/60 = 5.0 %",
            "+1.7 points, truly between -5.4 points and +9.0 points (95 % each)",
        ],
        ["truncated", "0/60 = 0.0 %", "0/60 = 0.0 %", "+0.0 points"],
        ["waste P50", "1.11x", "1.11x", "+0.00x"],
        ["waste P90", "1.11x", "1.11x", "+0.00x"],
    ]


def test_what_tells_base_and_head_apart_is_counted():
    assert paragraph(compared(), "Base against head") == (
        "Base against head: of the 60 calls that both can replay, 3 newly underestimated and 2 newly safe"
        " (p = 0.688, McNemar's exact test)"
    )


def test_the_comparison_is_in_sight_right_after_the_checks():
    text = compared()
    position(text, "<th>outcome</th>", "Base against head", "Drift", "What to do next", "History", "<details>")
    assert not any("Base against head" in each.text_content() for each in page(text).iter("details"))


def test_the_estimators_are_named_as_code():
    assert paragraph(compared(), "Head is") == (
        "Head is new:predict: the verdict is on its predictions for 60 of 60 recorded calls, not on those of the time."
        " Base is old:predict. 2 predictions raised and 3 lowered; in the middle they are 1.00x those of base."
        " With its budgets, 0 of 60 calls would have been truncated."
    )
    assert "<code>new:predict</code>" in compared()
    assert "<code>old:predict</code>" in compared()


def test_figures_that_fall_have_a_minus():
    """0 of 60 were cut off with base, as many as with head; waste falls from 2.5 to 1.11."""

    def fall(found):
        found["estimator"]["base"]["base"].update(waste_p50=2.5, waste_p90=2.5, truncation={"events": 6, "n": 60})

    assert [row[3] for row in table(page(compared(fall)), "")[2:]] == ["-10.0 points", "-1.39x", "-1.39x"]


def test_figures_that_are_not_known_have_no_difference():
    def forget(found):
        none = {"waste_p50": None, "waste_p90": None, "truncation": {"events": 0, "n": 0}}
        found["estimator"]["base"]["base"].update(none)

    assert [[row[1], row[3]] for row in table(page(compared(forget)), "")[2:]] == [["no data", ""]] * 3


def test_what_the_estimators_did_not_answer_is_said():
    def silence(found):
        estimator = found["estimator"]
        estimator.update(calls=63, cannot=1, wrong=2, with_budget=60, would_truncate=1, unknown=2)
        estimator["base"].update(cannot=3)

    words = paragraph(compared(silence), "Head is")
    assert "for 60 of 63 recorded calls" in words
    assert "not on those of the time (without 1 that it cannot replay and 2 answered with no prediction)." in words
    assert "Base is old:predict (without 3 that it cannot replay)." in words
    assert words.endswith(
        "With its budgets, 1 of 60 calls would have been truncated; of 2 that were cut off and would have had more"
        " room, nobody knows."
    )


def test_one_call_of_which_nobody_knows_is_one():
    text = compared(lambda found: found["estimator"].update(unknown=1))
    assert "of 1 that was cut off and would have had more room" in text


def nothing_in_common(found):
    none = {"events": 0, "n": 0}
    figures = {"underestimation": none, "truncation": none, "waste_p50": None, "waste_p90": None}
    found["estimator"]["base"].update(
        calls=0, cannot=60, base=figures, head=figures, difference=None, bounds=None, p=1.0, changed=[]
    )
    found["estimator"]["base"]["underestimated"] = dict.fromkeys(
        ("newly_underestimated", "newly_safe", "both", "neither"), 0
    )
    found["estimator"]["base"]["predictions"] = {"raised": 0, "lowered": 0, "p50": None}


def test_estimators_without_a_call_in_common_are_not_compared():
    text = compared(nothing_in_common)
    assert paragraph(text, "Base against head") == (
        "Base against head: not compared, as there is no call that both can replay"
    )
    assert "<th>head</th>" not in text
    assert "Predictions that changed most" not in text


def test_the_predictions_that_changed_most_are_folded():
    document = page(compared())
    rows = table(document, "base")
    assert rows[0] == ["base", "head", "output", "change", "category", "call"]
    assert rows[1] == ["1,000", "899", "900", "newly underestimated", "implementation", "logs/run-1/agent.log:58"]
    assert [row[3] for row in rows[1:]] == ["newly underestimated"] * 3 + ["newly safe"] * 2
    [folded] = [each for each in document.iter("details") if "changed most" in each.find("summary").text_content()]
    assert folded.get("open") is None


def test_of_many_that_changed_ten_are_shown():
    def many(found):
        base = found["estimator"]["base"]
        base["changed"] = [{**base["changed"][0], "change": None}] * 12

    rows = table(page(compared(many)), "base")
    assert (len(rows), rows[1][3], rows[-1]) == (12, "none", ["and 2 more"])


# Without a base


def test_a_replay_without_a_base_stands_beside_what_was_recorded():
    text = comment(section("replayed"))
    assert paragraph(text, "Recorded against replayed") == (
        "Recorded against replayed: there is no base estimator to compare with"
    )
    assert table(page(text), "") == [
        ["", "recorded", "replayed"],
        ["underestimated", "0/60 = 0.0 %", "3/60 = 5.0 %"],
        ["truncated", "0/60 = 0.0 %", "0/60 = 0.0 %"],
        ["waste P50", "1.11x", "1.11x"],
        ["waste P90", "1.11x", "1.11x"],
    ]
    assert paragraph(text, "The estimator is").startswith(
        "The estimator is new:predict: the verdict is on its predictions"
    )
    assert "Base is" not in text


def test_the_check_of_the_replay_has_its_figure():
    rows = {row[1]: row for row in table(page(comment(section("replayed"))), "outcome")}
    assert rows["readiness::replay"] == ["✅ pass", "readiness::replay", "60 calls replayed", "at least 54"]


def test_an_estimator_that_answers_too_little_is_blamed_and_not_the_data():
    text = comment(section("unanswered"))
    assert "**The estimator cannot be judged: it does not replay enough of the recorded calls.**" in text


def test_an_estimator_whose_answers_are_wrong_is_told_so():
    """59 of 60 would be enough, but the settings allow no wrong answer."""

    def mistake(found):
        found["estimator"].update(calls=61, wrong=1)
        check(found, "readiness::replay")["outcome"] = "fail"
        found["verdict"] = "not-ready"

    assert "**The estimator cannot be judged: not all of its answers are predictions.**" in comment(
        section("replayed", mistake)
    )


def test_data_that_is_not_ready_is_not_the_estimators_fault():
    def unready(found):
        check(found, "readiness::samples").update(outcome="fail", value=3, missing=17)
        found["verdict"] = "not-ready"

    text = comment(section("replayed", unready))
    assert "**Not enough representative data to judge the estimator: collect more, do not tune.**" in text


def test_without_a_call_to_replay_it_is_not_the_estimators_fault_either():
    found = from_json(render(replayed([], lambda request: 1000)).encode())
    text = comment(Section("report.json", found))
    assert "**Not enough representative data to judge the estimator: collect more, do not tune.**" in text
    assert table(page(text), "")[1] == ["underestimated", "no data", "no data"]


# Drift


def drift_table(text):
    return next(
        rows
        for each in page(text).iter("table")
        if (rows := [[cell.text_content() for cell in row] for row in each.iter("tr")])[0][1:2] == ["baseline"]
    )


def test_new_calls_stand_beside_those_of_the_baseline():
    """Outputs of 900 where the baseline had 500: 1.8 times as much, kept to half a percent."""
    text = compared()
    assert paragraph(text, "Drift") == (
        "Drift: 60 new calls against 60 in the baseline, compared within categories: a change of the mix alone is no"
        " drift"
    )
    assert drift_table(text) == [
        ["", "baseline", "new", "change within categories"],
        [
            "underestimated",
            "0/60 = 0.0 %",
            "0/60 = 0.0 %",
            "+0.0 points, truly between -4.3 points and +4.3 points (95 % each); no drift seen (p = 1.000)",
        ],
        [
            "truncated",
            "0/60 = 0.0 %",
            "0/60 = 0.0 %",
            "+0.0 points, truly between -4.3 points and +4.3 points (95 % each); no drift seen (p = 1.000)",
        ],
        [
            "output / prediction, median",
            "0.50x",
            "0.90x",
            "1.79x as much, truly between 1.79x and 1.79x (95 % each); drift (p < 0.001)",
        ],
    ]


def test_drift_is_a_warning_among_the_checks():
    rows = {row[1]: row for row in table(page(compared()), "outcome")}
    assert rows["drift::ratio"] == ["⚠️ warning", "drift::ratio", "drift (p < 0.001)", "no drift"]
    assert rows["drift::truncation"] == ["✅ pass", "drift::truncation", "no drift seen (p = 1.000)", "no drift"]


def test_drift_that_fails_is_in_the_alert():
    alert = page(comment(section("drifted"))).find("blockquote").text_content()
    assert "Tuning needed: output over prediction has moved since the baseline (p < 0.001)." in alert


def test_a_change_of_the_mix_is_told():
    def mix(found):
        found["drift"]["drift"]["underestimation"].update(mix_shift=0.4, standardised=0.049)

    assert (
        "40.0 % of the calls moved to other categories; with the baseline's mix, the new underestimation rate of 0.0 %"
        " would be 4.9 %."
    ) in compared(mix)
    assert "with the baseline's mix" not in compared()


def test_too_little_new_data_is_no_steadiness():
    def shrink(found):
        drift = found["drift"]["drift"]
        drift["truncation"].update(
            p=None, adjusted_p=None, difference=None, bounds=None, matters=False, head={"events": 0, "n": 0}
        )
        drift["ratio"].update(
            p=None, adjusted_p=None, shift=None, bounds=None, matters=False, head_n=0, head_median=None
        )
        drift["underestimation"]["adjusted_p"] = drift["underestimation"]["p"]
        check(found, "drift::underestimation")["adjusted_p"] = drift["underestimation"]["p"]
        for id in ("drift::truncation", "drift::ratio"):
            check(found, id).update(outcome="skip", p=None, adjusted_p=None, finding="too-few")

    text = compared(shrink)
    assert [row[2:] for row in drift_table(text)[2:]] == [["no data", "not enough data to judge drift"]] * 2
    rows = {row[1]: row for row in table(page(text), "outcome")}
    assert rows["drift::ratio"][0::2] == ["⚪ skipped", "not enough data to judge drift"]


def test_a_baseline_that_is_not_there_yet_is_said():
    text = comment(section("replayed"))
    assert paragraph(text, "Drift") == (
        "Drift: not compared: there is no baseline yet (--token-telemetry-save-baseline writes one)"
    )
    rows = {row[1]: row for row in table(page(text), "outcome")}
    assert rows["drift::ratio"] == ["⚪ skipped", "drift::ratio", "no baseline", "no drift"]


# Nothing to compare with


@pytest.mark.parametrize("verdict", VERDICTS)
def test_without_a_baseline_and_a_base_it_is_said_at_the_end(verdict):
    text = comment(section(verdict))
    [last] = [each.text_content() for each in page(text).iter("p") if NOTHING in each.text_content()]
    assert last.endswith(f" in 1 file · {NOTHING}")


def test_a_report_of_an_older_version_has_nothing_to_compare_with_either():
    def older(found):
        del found["estimator"], found["drift"], found["history"]

    assert comment(section("pass", older)) == comment(section("pass"))
    assert "History" not in comment(section("pass"))


@pytest.mark.parametrize(
    ("name", "end"),
    [("replayed", f" · {NOTHING}"), ("drifted", " · no base estimator"), ("compared", "in 1 file")],
)
def test_what_there_is_nothing_of_is_said(name, end):
    assert paragraph(comment(section(name)), "risk population").endswith(end)


def test_a_base_without_a_baseline_is_said():
    def forget(found):
        found["drift"] = None
        found["checks"] = [each for each in found["checks"] if not each["id"].startswith("drift::")]

    assert paragraph(compared(forget), "risk population").endswith("in 1 file · no baseline")


# History


def test_the_sessions_before_are_a_line():
    """0, 2 and 6 %: the last is the highest, the second a third of it, 2 of 7 steps and a bit."""
    text = compared()
    assert paragraph(text, "History") == (
        "History: the last 3 sessions: underestimation ▁▃█ (0.0 % to 6.0 %), truncation not known; 2 pass and 1 tune"
    )
    assert "<code>▁▃█</code>" in text


def test_only_the_last_ten_sessions_are_shown():
    def lengthen(found):
        first, *_ = found["history"]
        found["history"] = [
            {**first, "underestimation": 1, "verdict": "tune"},
            *[first] * 9,
            {**first, "truncation": 0},
        ]

    assert paragraph(compared(lengthen), "History") == (
        "History: the last 10 sessions: underestimation ▁▁▁▁▁▁▁▁▁▁ (0.0 % to 0.0 %), truncation ·········▁"
        " (0.0 % to 0.0 %); 10 pass"
    )


def test_one_session_before_is_one():
    text = compared(lambda found: found["history"].pop() and found["history"].pop())
    assert paragraph(text, "History").startswith("History: the last session: underestimation ▁ ")


def test_the_first_session_of_a_history_is_told_so():
    assert paragraph(comment(section("drifted")), "History") == "History: this is the first session"


# Figures of a fork


@pytest.mark.parametrize("name", ["compared", "replayed", "drifted", "unanswered"])
def test_unverified_comparisons_are_never_green(name):
    text = comment(section(name), unverified=True)
    assert "✅" not in text
    assert text.index("not verified") < text.index("<table>")


def test_the_unverified_reason_for_no_comparison_is_quoted():
    def excuse(found):
        found["drift"]["missing"] = "All is well."

    assert "not compared: All is well.</p>" in comment(section("replayed", excuse))
    assert "not compared: <code>All is well.</code></p>" in comment(section("replayed", excuse), unverified=True)


# Size


def shows(text):
    return {
        part: found in text
        for part, found in {
            "changed": "Predictions that changed most",
            "history": "<b>History</b>",
            "worst": "Most output for its prediction",
            "notes": "a note of its own",
            "passed": "readiness::samples",
            "compared": "Base against head",
            "failed": "tier1::underestimation",
        }.items()
    }


def failing(found):
    found.update(verdict="tune", notes=["a note of its own"])
    check(found, "tier1::underestimation").update(outcome="fail", target=0.01)


def test_what_is_least_needed_goes_first_and_the_comparison_late():
    """Of more and more reports in one comment, each loses the same parts, in this order."""
    order = ("changed", "history", "worst", "notes", "passed", "compared", "failed")
    seen = [shows(comment(*[section("compared", failing)] * n)) for n in range(1, 51)]
    assert all(seen[0].values())
    assert any(step == {**dict.fromkeys(order, True), "changed": False, "history": False} for step in seen)
    assert any(not step["passed"] and step["compared"] for step in seen)
    assert any(not step["compared"] and step["failed"] for step in seen)
    for step in seen:
        kept = [step[part] for part in order]
        assert kept == sorted(kept)
