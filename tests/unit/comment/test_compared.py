"""What the comment says of changes: base against head, new calls against the baseline, the sessions before."""

from __future__ import annotations

import pytest

from pytest_token_telemetry import CannotReplay
from pytest_token_telemetry.comment.body import Leg
from pytest_token_telemetry.report.consistency import RefusedError
from pytest_token_telemetry.report.json_file import render
from pytest_token_telemetry.report.untrusted_file import from_json
from tests.unit.comment.test_body import comment, leg, page, table
from tests.unit.gate.cases import call, ready, replayed
from tests.unit.report.documents import VERDICTS, check, document

NOTHING = "no baseline, no base estimator: nothing to compare with"
NOT_READY = "<b>Not enough representative data: collect more, do not tune.</b>"


def position(text, *parts):
    places = [text.index(part) for part in parts]
    assert places == sorted(places)


def compared(change=None, **changed):
    return comment(leg("compared", change), **changed)


def sentences(text):
    return [each.text_content() for each in page(text).iter("li")]


def folded(text, title):
    """The tables below the title of a section among the details."""
    [found] = [each for each in page(text).findall(".//details//p") if each.text_content() == title]
    tables = []
    for each in found.itersiblings():
        if each.tag == "p" and each.find("b") is not None:
            break
        tables += [each] if each.tag == "table" else []
    return [[[cell.text_content().replace("\xa0", " ") for cell in row] for row in each.iter("tr")] for each in tables]


def last_line(text):
    return page(text).findall(".//sub")[0].text_content()


# Base against head


def test_the_rates_of_base_and_head_are_in_sight_and_what_they_prove_is_folded():
    """Of 60 calls base underestimates 2 and head 3; Newcombe's bounds are those of the report."""
    bounds = document("compared")["estimator"]["base"]["bounds"]
    assert (round(bounds["lower"], 4), round(bounds["upper"], 4)) == (-0.0537, 0.0897)
    rows = table(page(compared()), "")
    assert rows[0] == ["", "base", "this pull request", "target"]
    assert rows[1] == ["underestimated", "3.3%", "✅ 5.0% (3/60)", "≤ 5%"]
    assert "unproven; +1.7 points of underestimation against base.</b>" in compared()
    said = sentences(compared())
    assert (
        "The underestimation rate changes by +1.7 points (p = 0.688, McNemar's mid-p test): of 60 calls that both can"
        " replay, 3 newly underestimated and 2 newly safe."
    ) in said
    assert "The change is between -5.4 points and +9.0 points (95% confidence each)." in said
    [figures] = folded(compared(), "Base against head")
    assert figures[1:] == [
        ["base", "2/60 = 3.3%", "0/60 = 0.0%", "1.11x", "1.11x"],
        ["head", "3/60 = 5.0%", "0/60 = 0.0%", "1.11x", "1.11x"],
    ]


def test_a_base_that_cannot_replay_all_stands_beside_no_figure_of_other_calls():
    """Head underestimates 2 of 60 calls, and base none of the 57 that it can replay, of which head underestimates 0."""

    def base(request):
        if request.model == "new":
            raise CannotReplay
        return 1200

    rows = [*ready(57), *ready(3, model="new", output=1000)]
    found = replayed(rows, lambda request: 950, base)
    text = comment(Leg("gate", from_json(render(found).encode())))
    heading = "; 0.0 points of underestimation against base on the 57 calls that both can replay."
    assert heading in text.partition("</b>")[0]
    assert table(page(text), "")[:2] == [
        ["", "this pull request", "target"],
        ["underestimated", "✅ 5.0% (3/60)", "≤ 5%"],
    ]


def cuts_failed(request):
    return 1000, 800 if request.task_id == "failed" else 4096


def cuts_none(request):
    return 1000, 4096


def compared_on_failed(head, base):
    """60 calls that both judge, none underestimated, and 3 that only the estimator judges whose budget cuts them."""
    rows = [*ready(60), *[call(success=False, task_id="failed")] * 3]
    return comment(Leg("gate", from_json(render(replayed(rows, head, base)).encode())))


def test_calls_that_only_one_of_them_judges_are_not_compared():
    text = compared_on_failed(cuts_none, cuts_failed)
    said = "Not judged by both, so not compared: 3 calls without success that only base would truncate."
    assert said in sentences(text)
    assert "; 0.0 points of underestimation against base.</b>" in text
    assert table(page(text), "")[1:3] == [
        ["underestimated", "0.0%", "✅ 0.0% (0/60)", "≤ 5%"],
        ["truncated", "4.8%", "✅ 0.0% (0/63)", "≤ 2%"],
    ]
    [figures] = folded(text, "Base against head")
    assert [row[1:3] for row in figures[1:]] == [["0/60 = 0.0%", "3/63 = 4.8%"], ["0/60 = 0.0%", "0/63 = 0.0%"]]


def test_a_base_stands_beside_no_rate_that_counts_more_calls():
    text = compared_on_failed(cuts_failed, cuts_none)
    said = "Not judged by both, so not compared: 3 calls without success that only head would truncate."
    assert said in sentences(text)
    assert "; 0.0 points of underestimation against base on the 60 calls that both judge.</b>" in text
    assert table(page(text), "")[1:3] == [
        ["underestimated", "", "✅ 4.8% (3/63)", "≤ 5%"],
        ["truncated", "0.0%", "❌ 4.8% (3/63)", "≤ 2%"],
    ]


def test_the_comparison_follows_the_checks():
    position(
        compared(),
        "Find out what changed",
        "Predictions that changed most",
        "Largest overruns",
        "<th>Outcome</th>",
        "The verdict is on",
        "of 60 calls",
        "60 new calls",
        "The last 3 sessions",
    )


def test_the_estimators_are_named_as_code():
    assert "<code>new:predict</code>" in compared()
    silent = compared(
        lambda found: (
            found["estimator"].update(calls=63, cannot=3),
            found["estimator"]["base"].update(cannot=3),
            check(found, "readiness::replay").update(target=57),
        )
    )
    assert "Base <code>old:predict</code> has no prediction for 3 calls." in silent


def test_both_commits_are_named():
    commits = {"base_commit": "0123456789abcdef" + "0" * 24, "head_commit": "f" * 40}
    text = compared(lambda found: found["estimator"]["base"].update(commits))
    assert "Base is commit 0123456789ab, head is commit ffffffffffff." in sentences(text)
    one = {"base_commit": "f" * 40, "head_commit": "f" * 40}
    text = compared(lambda found: found["estimator"]["base"].update(one))
    said = "Base and head are both of commit ffffffffffff: what differs between them is not committed."
    assert said in sentences(text)


@pytest.mark.parametrize("commit", ["main", "f" * 39, "F" * 40, "f" * 65, "`" * 40, None])
def test_a_commit_that_is_none_is_refused(commit):
    commits = {"base_commit": commit, "head_commit": "f" * 40}
    with pytest.raises(RefusedError, match=r"^estimator\.base"):
        compared(lambda found: found["estimator"]["base"].update(commits))


def nothing_in_common(found):
    none = {"events": 0, "n": 0}
    figures = {"underestimation": none, "truncation": none, "waste_p50": None, "waste_p90": None}
    base = found["estimator"]["base"]
    base.update(calls=0, cannot=60, base=figures, head=figures, difference=None, bounds=None, p=1.0, changed=[])
    base["underestimated"] = dict.fromkeys(base["underestimated"], 0)
    base["predictions"] = {**dict.fromkeys(base["predictions"]), "n": 0, "raised": 0, "lowered": 0}


def test_estimators_without_a_call_in_common_are_not_compared():
    text = compared(nothing_in_common)
    assert "Not compared: there is no call that both can replay." in sentences(text)
    assert "<td>head</td>" not in text
    assert "Predictions that changed most" not in text


def test_the_predictions_that_changed_most_are_folded():
    [rows] = folded(compared(), "Predictions that changed most")
    assert rows[0] == ["base", "head", "output", "change", "category", "call"]
    assert rows[1] == ["1,000", "899", "900", "newly underestimated", "implementation", "logs/run-1/agent.log:58"]
    assert [row[3] for row in rows[1:]] == ["newly underestimated"] * 3 + ["newly safe"] * 2


def test_a_replay_without_a_base_stands_beside_what_was_recorded():
    [figures] = folded(comment(leg("replayed")), "Replayed estimator")
    assert [row[:2] for row in figures[1:]] == [["recorded", "0/60 = 0.0%"], ["replayed", "3/60 = 5.0%"]]


# Whose fault it is


def test_an_estimator_that_answers_too_little_is_blamed_and_not_the_data():
    text = comment(leg("unanswered"))
    assert "<b>The estimator cannot be judged: none of 60 recorded calls could be replayed.</b>" in text


def fail(found, id, **figure):
    check(found, id).update(outcome="fail", **figure)
    found.update(verdict="not-ready", unready=[check(found, id)])


def test_an_estimator_whose_answers_are_wrong_is_told_so():
    """60 of 61 would be enough, but the settings allow no wrong answer."""

    def mistake(found):
        found["estimator"].update(calls=61, wrong=1)
        fail(found, "readiness::replay")

    text = comment(leg("replayed", mistake))
    assert "<b>The estimator cannot be judged: 1 of 61 predictions is invalid.</b>" in text


def test_data_that_is_not_ready_is_not_the_estimators_fault():
    assert NOT_READY in comment(leg("replayed", lambda found: fail(found, "readiness::samples", value=3, missing=17)))


def test_without_a_call_to_replay_it_is_not_the_estimators_fault_either():
    found = from_json(render(replayed([], lambda request: 1000)).encode())
    assert NOT_READY in comment(Leg("report.json", found))


# Drift


def test_new_calls_stand_beside_those_of_the_baseline():
    """Outputs of 900 where the baseline had 500: 1.8 times as much, kept to half a percent."""
    text = compared()
    assert (
        "60 new calls against 60 in the baseline, compared within categories: a change of the mix alone is no drift."
    ) in sentences(text)
    found = {row[1]: row for row in table(page(text), "Outcome")}
    assert found["drift ratio"] == [
        "⚠️ warning",
        "drift ratio",
        "median output over prediction 0.50x in the baseline, 0.90x new, 1.79x as much within categories: drift"
        " (p < 0.001)",
    ]
    assert found["drift truncation"][0::2] == [
        "✅ pass",
        "0/60 = 0.0% in the baseline, 0/60 = 0.0% new: no drift seen (p = 1.000)",
    ]


def test_drift_that_fails_is_in_the_open_beside_the_rates_of_the_baseline():
    text = comment(leg("drifted"))
    said = page(text).find("p").text_content()
    assert said.startswith(
        "Outputs changed against their predictions since the baseline; 0.0 points of underestimation against"
    )
    assert table(page(text), "")[0:2] == [
        ["", "baseline", "this pull request", "target"],
        ["underestimated", "0.0%", "✅ 0.0% (0/60)", "≤ 5%"],
    ]
    assert text.index("drift ratio") < text.index("<details>")


def test_a_change_of_the_mix_is_told():
    def mix(found):
        found["drift"]["drift"]["underestimation"].update(mix_shift=0.4, standardised=0.049)

    assert (
        "40.0% of the risk population moved to other categories; with the baseline's mix, the new underestimation"
        " rate of 0.0% would be 4.9%."
    ) in sentences(compared(mix))


def test_too_little_new_data_is_no_steadiness():
    def shrink(found):
        drift, none = found["drift"]["drift"], {"events": 0, "n": 0}
        unknown = {"p": None, "adjusted_p": None, "bounds": None, "matters": False}
        drift["truncation"].update(unknown, difference=None, head=none, compared_head=none)
        drift["ratio"].update(unknown, shift=None, head_n=0, head_median=None)
        drift["underestimation"]["adjusted_p"] = drift["underestimation"]["p"]
        check(found, "drift::underestimation")["adjusted_p"] = drift["underestimation"]["p"]
        for id in ("drift::truncation", "drift::ratio"):
            check(found, id).update(outcome="skip", p=None, adjusted_p=None, finding="too-few")

    found = {row[1]: row for row in table(page(compared(shrink)), "Outcome")}
    for id in ("drift truncation", "drift ratio"):
        assert found[id][0] == "⚪ skipped"
        assert "none new: nothing to compare" in found[id][2]


def test_a_baseline_that_is_not_there_yet_is_said():
    text = comment(leg("replayed"))
    missing = "there is no baseline yet (--token-telemetry-save-baseline writes one)"
    assert any(each.startswith("Not compared: there is no baseline at ") for each in sentences(text))
    found = {row[1]: row for row in table(page(text), "Outcome")}
    assert found["drift ratio"] == ["⚪ skipped", "drift ratio", missing]


# Nothing to compare with


@pytest.mark.parametrize("verdict", VERDICTS)
def test_without_a_baseline_and_a_base_it_is_said_at_the_end(verdict):
    assert last_line(comment(leg(verdict))).endswith(f" in 1 file · {NOTHING}")


def test_a_report_of_an_older_version_has_nothing_to_compare_with_either():
    def older(found):
        del found["estimator"], found["drift"], found["history"]

    assert comment(leg("pass", older)) == comment(leg("pass"))
    assert "History" not in comment(leg("pass"))


@pytest.mark.parametrize(
    ("name", "end"),
    [("replayed", f" · {NOTHING}"), ("drifted", " · no base estimator"), ("compared", "in 1 file")],
)
def test_what_there_is_nothing_of_is_said(name, end):
    assert last_line(comment(leg(name))).endswith(end)


def test_a_base_without_a_baseline_is_said():
    def forget(found):
        found["drift"] = None
        found["checks"] = [each for each in found["checks"] if not each["id"].startswith("drift::")]

    assert last_line(compared(forget)).endswith("in 1 file · no baseline")


# History


def test_the_sessions_before_are_a_line():
    """0, 2 and 6%: the last is the highest, the second a third of it, 2 of 7 steps and a bit."""
    assert "The last 3 sessions: underestimation ▁▃█ 6.0%, truncation ···." in sentences(compared())
    [rows] = folded(compared(), "History")
    assert [row[:3] for row in rows[1:]] == [
        ["pass", "100", "0.0%"],
        ["pass", "100", "2.0%"],
        ["tune", "100", "6.0%"],
    ]


def test_the_first_session_of_a_history_is_told_so():
    assert "This is the first session of the history." in sentences(comment(leg("drifted")))


# Figures of a fork


@pytest.mark.parametrize("name", ["compared", "replayed", "drifted", "unanswered"])
def test_unverified_comparisons_are_never_green(name):
    text = comment(leg(name), unverified=True)
    assert "✅" not in text
    assert text.index("not verified") < text.index("<table>")


# Size

ORDER = ("details", "proof", "table", "verdict")


def shows(text):
    return {
        part: found in text
        for part, found in {
            "details": "Largest overruns",
            "proof": "of 60 calls that both can replay",
            "table": "this pull request",
            "verdict": "TUNE, tuning needed",
        }.items()
    }


def failing(found):
    found["verdict"] = "tune"
    check(found, "tier1::underestimation").update(outcome="fail", target=0.01)
    found["settings"]["max_underestimation"] = "1%"


@pytest.mark.large
def test_what_is_least_needed_goes_first_and_what_failed_last():
    """Of more and more reports in one comment, each loses the same parts, in this order."""
    seen = [shows(comment(*[leg("compared", failing)] * n)) for n in range(1, 51)]
    assert all(seen[0].values())
    assert any(not step["details"] and step["proof"] for step in seen)
    assert any(not step["proof"] and step["table"] for step in seen)
    for step in seen:
        kept = [step[part] for part in ORDER]
        assert kept == sorted(kept)
