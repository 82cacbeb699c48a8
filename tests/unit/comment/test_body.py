"""The comment as GitHub renders it."""

from __future__ import annotations

import copy
import json
import os
import random

import cmarkgfm
import lxml.html
import pytest
from cmarkgfm.cmark import Options
from hypothesis import HealthCheck, given
from hypothesis import settings as limits
from hypothesis import strategies as st

from pytest_token_telemetry.comment.body import LARGEST_COMMENT, Frame, Leg, render
from pytest_token_telemetry.comment.hidden_lines import Run, Stamp, Told, told_of
from pytest_token_telemetry.report.consistency import RefusedError
from pytest_token_telemetry.report.markdown import Doubt
from pytest_token_telemetry.report.untrusted_file import from_json
from tests.unit.report.documents import NAMES, VERDICTS, check, document, report
from tests.unit.report.test_untrusted_file import PLACES, json_values, put
from tests.unit.report.verdicts import HOSTILE, MARK

COMMIT = "9f8e7d6c5b4a39281706f5e4d3c2b1a098765432"
URL = "https://github.example/octo/estimator"
OWN_LINKS = {f"{URL}/commit/{COMMIT}", f"{URL}/actions/runs/7000/attempts/2"}
OWN_ELEMENTS = {
    *("div", "h2", "h3", "blockquote", "p", "strong", "b", "ul", "li", "table", "thead", "tbody", "tr", "th", "td"),
    *("details", "summary", "code", "sub", "a"),
}


def frame(**changed):
    known = {"name": "default", "stamp": Stamp(Run(7000, 2), COMMIT), "run_number": 123, "repository_url": URL}
    return Frame(**{**known, **changed})


def leg(verdict="pass", change=None, label="report.json"):
    return Leg(label, from_json(report(verdict, change)))


def comment(*legs, **changed):
    return render(list(legs), frame(**changed))


def page(text):
    rendered = cmarkgfm.github_flavored_markdown_to_html(text, Options.CMARK_OPT_UNSAFE)
    return lxml.html.fragment_fromstring(rendered, create_parent="div")


def table(document, first_header):
    """The cells of a table, as it is read: with plain spaces, and without the place where a word may be parted."""
    for each in document.iter("table"):
        rows = [
            [cell.text_content().replace("\xa0", " ").replace("\xad", "") for cell in row if cell.tag in ("th", "td")]
            for row in each.iter("tr")
        ]
        if rows[0][0] == first_header:
            return rows
    raise AssertionError(first_header)


def lead(text):
    """The sentence below the heading, and the next step behind it."""
    return page(text).find("p").text_content().replace("\xa0", " ")


def folds(text):
    return [each.find("summary").text_content() for each in page(text).iter("details")]


@pytest.mark.parametrize(
    ("verdict", "heading", "said"),
    [
        ("pass", "✅ Token telemetry: PASS, no tuning needed", "0.0% underestimated, 0.0% truncated, unproven. "),
        ("tune", "❌ Token telemetry: TUNE, tuning needed", "10.0% underestimated, 10.0% truncated. "),
        ("not-ready", "❌ Token telemetry: NOT READY, do not tune", "Not enough representative data: collect more, "),
        (
            "inconclusive",
            "⚪ Token telemetry: INCONCLUSIVE, nothing proven",
            "Nothing is proven either way: 0.0% underestimated, 0.0% truncated. ",
        ),
    ],
)
def test_the_verdict_comes_first_and_then_the_figures_that_decide(verdict, heading, said):
    """6 of 60 calls were truncated: 10% where 2% are allowed. No alert stands between."""
    text = comment(leg(verdict))
    assert page(text).findall("h2")[0].text_content() == heading
    assert "> [!" not in text
    assert lead(text).startswith(said)


def test_a_pass_that_is_proven_does_not_say_that_it_is_not():
    def prove(found):
        for id in ("tier1::underestimation", "tier1::truncation"):
            check(found, id).update(proven=True)

    assert lead(comment(leg("pass", prove))).startswith("0.0% underestimated, 0.0% truncated. ")


def test_three_figures_stand_beside_their_targets():
    rows = table(page(comment(leg("tune"))), "")
    assert rows == [
        ["", "this pull request", "target"],
        ["underestimated", "❌ 10.0% (6/60)", "≤ 5%"],
        ["truncated", "❌ 10.0% (6/60)", "≤ 2%"],
        ["waste P90", "✅ 1.11x", "< 3x"],
    ]


def test_caps_stand_in_the_place_of_waste_where_nothing_is_predicted():
    def forget(found):
        found["checks"] = [each for each in found["checks"] if not each["id"].startswith("tier2::waste")]
        found["deselected"] = ["tier2::waste-p90"]
        found["verdict"] = "inconclusive"

    assert [row[0] for row in table(page(comment(leg("capped", forget))), "")][1:] == [
        "underestimated",
        "truncated",
        "cap use P90",
    ]


def test_all_else_is_folded():
    assert folds(comment(leg("tune"))) == ["Calls to look at", "How sure", "Caps and advice", "Data and settings"]
    assert folds(comment(leg("compared"))) == [
        *("Calls that changed", "How sure", "Caps and advice", "History", "Data and settings"),
    ]


def test_readiness_is_one_line_if_it_passes_and_in_the_open_if_it_fails():
    ready = "Readiness: 60 successful samples (20 needed), 1 file read."
    text = comment(leg("pass"))
    assert text.index("<summary>How sure") < text.index(ready)
    assert not [row for row in table(page(text), "Outcome") if row[1].startswith("readiness")]
    text = comment(leg("not-ready"))
    assert text.index("no successful sample in tests or docs") < text.index("<details>")
    assert text.count("no successful sample in tests or docs") == 1


def test_how_sure_the_rates_are_is_folded():
    rows = table(page(comment(leg("tune"))), "Outcome")[1:]
    found = {row[1]: row for row in rows}
    assert list(found) == ["tier1 underestimation", "tier1 truncation", "tier2 waste-p90"]
    assert found["tier1 truncation"][0] == "❌ fail"
    assert found["tier1 truncation"][2].startswith("6/60 = 10.0% of attempts (target <= 2%) FAIL, ")
    assert "(target < 3x)" in found["tier2 waste-p90"][2]


def test_no_line_ends_within_an_outcome():
    """In a narrow column a browser would part a mark and its word, as it did in a screenshot."""
    text = comment(leg("tune"))
    assert "<td>❌&nbsp;fail</td>" in text
    assert "<td>6/60 = 10.0% of attempts (target &lt;= 2%)" in text


def test_a_rate_says_what_it_proves():
    """No event in 60: at 95%, the rule of three says up to 5%, exactly 1 - 0.05 ** (1 / 60) = 4.87%."""
    rows = {row[1]: row for row in table(page(comment(leg("pass"))), "Outcome")}
    assert "unproven: true rate may be up to 4.9% (95% confidence)" in rows["tier1 truncation"][2]
    assert "149 samples with 0 events would prove it" in rows["tier1 truncation"][2]


def test_what_is_missing_is_named():
    rows = {row[1]: row for row in table(page(comment(leg("not-ready"))), "Outcome")}
    assert rows["readiness categories"][2] == "no successful sample in tests or docs"


@pytest.mark.parametrize("verdict", VERDICTS)
def test_what_to_do_is_said_the_next_step_in_sight_and_the_others_folded(verdict):
    first, *others = document(verdict)["advice"]
    text = comment(leg(verdict))
    assert lead(text).endswith(first)
    said = [each.text_content() for each in page(text).iter("li")]
    assert all(said.count(each) == 1 for each in others)


LIE = "All is well, trust me"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("unverified", [False, True])
def test_no_sentence_of_the_file_is_shown(name, unverified):
    """The file's own are for people. All that the comment says is made of its figures."""

    def lie(found):
        found.update(headline=LIE, advice=[LIE], notes=[LIE], version=LIE)
        found["plan"]["sentences"] = [LIE]
        for each in (*found["checks"], *found["unready"]):
            each["message"] = LIE
        if found["drift"]:
            found["drift"]["missing"] = LIE

    made = comment(leg(name, lie), unverified=unverified)
    assert made == comment(leg(name), unverified=unverified)
    assert LIE not in made


def test_the_worst_samples_are_folded():
    document = page(comment(leg("tune")))
    rows = table(document, "actual / predicted")
    assert rows[1] == ["8.19x", "1,000", "8,192", "yes", "docs", "phase-0", "logs/run-1/agent.log:55"]
    assert len(rows) == 6
    assert document.find(".//details").get("open") is None


def test_tuning_advice_is_folded():
    document = page(comment(leg("tune")))
    [folded] = [each for each in document.iter("details") if each.find("summary").text_content() == "Caps and advice"]
    assert folded.get("open") is None
    caps = folded.findall(".//table")[-1]
    assert [each.text_content().replace("\xa0", " ") for each in caps.iter("th")] == [
        "judged",
        "cap at 1.0% risk",
        "cap at 2.0% risk",
        "cap at 5.0% risk",
        "category",
    ]


def test_a_verdict_without_all_checks_says_so():
    def deselect(found):
        found["checks"] = [each for each in found["checks"] if each["id"] != "tier1::truncation"]
        found["deselected"] = ["tier1::truncation"]
        found["verdict"] = "inconclusive"

    text = comment(leg("pass", deselect))
    assert lead(text).startswith("No verdict: what was checked passes, but 1 of 8 checks were deselected. ")


def test_a_verdict_of_no_checks_has_no_table_of_them():
    def deselect(found):
        found.update(checks=[], deselected=["tier1::truncation"], verdict="inconclusive")

    assert "<th>Outcome</th>" not in comment(leg("pass", deselect))


def test_a_check_of_a_newer_version_is_named_in_our_own_words():
    def fail(found):
        found["checks"].append({"id": "tier3::cost", "outcome": "fail", "message": LIE, "kind": LIE})
        found["verdict"] = "tune"

    text = comment(leg("pass", fail))
    assert lead(text).startswith("A check from a plugin or a newer version failed. ")
    assert table(page(text), "Outcome")[1] == [
        "❌ fail",
        "tier3 cost",
        "a check from a plugin or a newer version: fail",
    ]
    assert LIE not in text


def test_an_id_that_is_none_of_ours_stands_as_code_since_it_may_look_like_a_commit():
    def rename(found):
        found["checks"].append({"id": "tier3::deadbeef1", "outcome": "fail", "message": LIE, "kind": LIE})
        found.update(verdict="tune", deselected=["abcdef0::abcdef1"])

    text = comment(leg("pass", rename))
    assert "<td><code>tier3 deadbeef1</code></td>" in text
    assert "deselected: <code>abcdef0::abcdef1</code>." in text


def outcomes(*legs):
    return [row[0] for row in table(page(comment(*legs)), "Outcome")[1:]]


def test_a_check_that_is_neither_says_so_and_is_red_if_it_fails():
    def fail(found):
        check(found, "tier1::truncation")["outcome"] = "fail"

    assert "⚪ inconclusive" in outcomes(leg("inconclusive"))
    assert "❌ inconclusive" in outcomes(leg("inconclusive", fail))


def test_samples_of_tests_are_counted_as_such():
    def record(found):
        found["counts"].update(files=0, tests=2)
        found["settings"].update(dir=[], gate="true")
        check(found, "readiness::sources").update(value=2, target=2)

    assert "60 samples in 2 tests" in comment(leg("pass", record))


def test_a_report_without_tuning_has_none():
    assert "Tuning advice" not in comment(leg("pass"))


def test_the_foot_names_commit_and_run():
    text = comment(leg())
    foot = page(text).findall(".//sub")[-1]
    assert {link.get("href") for link in foot.iter("a")} == OWN_LINKS
    assert "9f8e7d6" in foot.text_content()
    assert "run 123 attempt 2" in foot.text_content()
    hidden = f"run=7000 attempt=2 commit={COMMIT} verdict=pass of={COMMIT}"
    assert text.splitlines()[-1] == f"<!-- token-telemetry stamp: {hidden} -->"


def test_without_an_environment_there_are_no_links():
    text = comment(leg(), repository_url="", stamp=Stamp(Run(), ""), run_number=0)
    assert not list(page(text).iter("a"))


@pytest.mark.parametrize("verdict", VERDICTS)
def test_unverified_figures_are_called_so_and_nothing_is_green(verdict):
    text = comment(leg(verdict), unverified=True)
    assert "✅" not in text
    assert page(text).find("h2").text_content().endswith(" (unverified)")
    assert text.index("not verified") < text.index("<table>")
    assert text.count("> [!") == 1


def test_several_reports_are_one_comment_with_the_worst_first():
    legs = [leg(verdict, label=f"{verdict}.json") for verdict in ("pass", "inconclusive", "tune", "pass")]
    missing = Leg("gone.json", None, "there is no such file")
    document = page(comment(*legs, missing))
    assert document.find("h2").text_content() == "❌ Token telemetry: TUNE, tuning needed"
    assert document.find("p").text_content() == "1 of 5 reports: TUNE, tuning needed."
    overview = table(document, "")
    assert [row[2] for row in overview[1:]] == ["tune.json", "gone.json", "inconclusive.json", "pass.json", "pass.json"]
    assert [each.text_content() for each in document.findall("h3")] == [
        "1. ❌ TUNE, tuning needed",
        "2. ⚠️ NO VERDICT",
        "3. ⚪ INCONCLUSIVE, nothing proven",
        "4. ✅ PASS, no tuning needed",
        "5. ✅ PASS, no tuning needed",
    ]


TESTS_FAILED = {"exit_status": 1, "tests_failed": 2}
STALE = Doubt("attempt 1", "It is of attempt 1.")


@pytest.mark.parametrize("verdict", VERDICTS)
@pytest.mark.parametrize("unverified", [False, True])
def test_a_session_whose_tests_failed_is_not_green_whatever_the_verdict(verdict, unverified):
    def fail(found):
        found["session"] = TESTS_FAILED

    text = comment(leg(verdict, fail), unverified=unverified)
    document = page(text)
    assert "✅ Token" not in text
    assert document.find("h2").text_content().endswith("tests failed)")
    sentence = "Tests of the same session failed (2 failures): the session fails whatever the verdict."
    assert text.count(sentence) == 1
    assert text.index(sentence) < text.index("<table>")
    assert text.count("> [!") == 1
    if verdict == "pass" and not unverified:
        heading = "⚠️ Token telemetry: PASS, no tuning needed (tests failed)"
        assert document.find("h2").text_content() == heading
        assert f"> [!WARNING]\n> **{sentence}**" in text


@pytest.mark.parametrize(
    ("verdict", "status", "brief"),
    [
        ("pass", 0, ""),
        ("pass", 1, " (session failed)"),
        ("pass", 4, " (session failed)"),
        ("tune", 0, ""),
        ("tune", 1, ""),
        ("tune", 3, " (session failed)"),
    ],
)
def test_an_exit_status_that_the_verdict_does_not_explain_is_said(verdict, status, brief):
    def end(found):
        found["session"] = {"exit_status": status, "tests_failed": 0}

    text = comment(leg(verdict, end))
    assert page(text).find("h2").text_content().partition(" needed")[2] == brief
    assert (f"pytest ended in {status} for another reason than the verdict" in text) == bool(brief)


def test_one_report_in_doubt_among_several_leaves_none_green():
    doubted = Leg("old.json", leg().report, origin_doubts=(STALE,))
    failed = leg("pass", lambda found: found.update(session=TESTS_FAILED))
    text = comment(leg(), doubted, failed)
    document = page(text)
    assert document.find("h2").text_content() == "⚠️ Token telemetry: PASS, no tuning needed (attempt 1, tests failed)"
    assert document.find("blockquote").text_content().strip().endswith("2 in doubt: attempt 1 and tests failed.")
    assert document.find("p").text_content() == "3 of 3 reports: PASS, no tuning needed."
    assert [row[1].partition(" ")[0] for row in table(document, "")[1:]] == ["✅", "⚠️", "⚠️"]
    assert text.count(STALE.sentence) == 1


@pytest.mark.parametrize(
    ("verdicts", "result", "heading"),
    [
        (["pass"], "", "✅ Token telemetry: PASS, no tuning needed"),
        (["pass"], "success", "✅ Token telemetry: PASS, no tuning needed"),
        (["pass"], "failure", "⚠️ Token telemetry: PASS, no tuning needed (job failed)"),
        (["pass", "pass"], "cancelled", "⚠️ Token telemetry: PASS, no tuning needed (job cancelled)"),
        (["pass", "tune"], "failure", "❌ Token telemetry: TUNE, tuning needed"),
    ],
)
def test_a_pass_of_a_job_that_failed_is_not_green(verdicts, result, heading):
    document = page(comment(*map(leg, verdicts), job_result=result))
    assert document.find("h2").text_content() == heading
    if "(job" in heading:
        said = document.find("blockquote").text_content().strip()
        assert said.endswith(", and no report says why.")


def test_why_the_only_report_is_not_used_is_said_once():
    assert comment(Leg("gone.json", None, "there is no such file")).count("there is no such file") == 1


HOSTILE_REASON = "'x' @octo</code><b>#1 ![x](http://evil.example)"


def test_a_gate_that_crashed_says_why_and_its_words_stay_text():
    text = comment(Leg("report.json", None, "it has no verdict", unjudged=f"{MARK}{HOSTILE_REASON}"))
    assert_nothing_escapes(text, MARK)
    assert lead(text) == f"The gate ended without a verdict: {MARK}{HOSTILE_REASON}"


@pytest.mark.parametrize(
    ("told", "said"),
    [
        (Told("tune", "a" * 40), "The verdict before: TUNE, tuning needed, for aaaaaaa."),
        (Told("pass", ""), "The verdict before: PASS, no tuning needed."),
    ],
)
def test_without_a_verdict_the_one_before_is_told_for_as_long_as_there_is_none(told, said):
    text = comment(Leg("gone.json", None, "there is no such file"), before=told)
    assert page(text).findall("p")[1].text_content() == said
    assert told_of(text) == told


def test_a_new_verdict_takes_the_place_of_the_one_before():
    text = comment(leg("tune"), before=Told("pass", "a" * 40))
    assert "verdict before" not in text
    assert told_of(text) == Told("tune", COMMIT)


LINE = "logs/run-1/agent.log"


def linked(path, **changed):
    """The addresses of the calls whose file stands at ``path`` in the repository."""
    text = comment(leg("tune", lambda found: found.update(tracked={LINE: path})), **changed)
    return [link.get("href") for link in page(text).iter("a") if link.get("href") not in OWN_LINKS], text


@pytest.mark.parametrize(
    ("path", "encoded"),
    [
        ("telemetry/logs/run-1/agent.log", "telemetry/logs/run-1/agent.log"),
        ("a b/ä#1?.log", "a%20b/%C3%A4%231%3F.log"),
        ('"><img src=x>/[x](y)', "%22%3E%3Cimg%20src%3Dx%3E/%5Bx%5D%28y%29"),
        ("javascript:x", "javascript%3Ax"),
    ],
)
def test_a_call_links_to_its_line_if_its_file_is_in_git(path, encoded):
    found, text = linked(path)
    assert f"{URL}/blob/{COMMIT}/{encoded}#L55" in found
    assert len(found) == 5
    assert all(link.startswith(f"{URL}/blob/{COMMIT}/{encoded}#L") for link in found)
    assert {each.tag for each in page(text).iter() if isinstance(each.tag, str)} <= OWN_ELEMENTS


@pytest.mark.parametrize(
    "path", ["../../settings", "/etc/passwd", "a//b", "./a", "a\\b", "a\nb", "", "x" * 301, "a/../b", "a\u202eb"]
)
def test_a_path_that_leads_elsewhere_is_not_linked(path):
    assert linked(path)[0] == []


def test_without_a_commit_nothing_is_linked():
    assert linked(LINE, stamp=Stamp(Run(7000, 2), ""))[0] == []
    assert linked(LINE, repository_url="", stamp=Stamp(Run(), COMMIT), run_number=0)[0] == []


def test_a_missing_report_is_worse_than_a_pass():
    document = page(comment(leg(), Leg("gone.json", None, "there is no such file")))
    assert document.find("h2").text_content() == ("⚠️ Token telemetry: NO VERDICT")


def hostile(found, text):
    """``text`` wherever a report has one."""
    hostile_present(found, lambda: text)
    hostile_past(found, lambda: text)


def hostile_present(found, text):
    """A ``text()`` wherever one stands in what the report says of its samples."""
    for each in (*found["checks"], *found["unready"]):
        each["message"] = text()
        if each["kind"] == "coverage":
            each["missing"] = [text()] if each["outcome"] == "fail" else []
            each["value"] = [text(), text()]
            each["target"], each["counts"] = [*each["value"], *each["missing"]], []
            each["value"] = [name for name in each["value"] if name not in each["missing"]]
    found["checks"].append({"id": "drift::x", "outcome": "warn", "message": text(), "kind": text()})
    found["headline"] = found["version"] = text()
    found["advice"] = found["notes"] = found["plan"]["sentences"] = [text(), text()]
    for sample in (*found["worst"], *found["cut_off"]):
        sample.update(source=text(), task_id=text(), category=text())
    for kind in ("category", "complexity", "deliverables"):
        for stratum in found["strata"][kind]:
            stratum["name"] = text()
        if found["plan"]["thinnest"][kind]:
            found["plan"]["thinnest"][kind][0] = text()
    run = {"category": text(), "complexity": text(), "deliverables": text()}
    found["plan"]["runs"] = [{"count": 3, **run}]
    for row in (*found["tuning"]["categories"], *found["tuning"]["max_tokens"]) if found["tuning"] else ():
        row["name"] = text()
    for row in (*found["tuning"]["categories"], *found["tuning"]["cells"]) if found["tuning"] else ():
        row["complexity"] = text()
    for source in found["sources"]:
        source["path"] = text()
    unreadable = [{"path": text(), "reason": text()}]
    if found["verdict"] == "not-ready":
        fail_to_read(found)
    else:
        unreadable = []
    found["not_read"] = {"unreadable": unreadable, "outside": [text()], "special": [text()]}
    found["counts"]["unusable"] = {"total": 1, "reasons": {text(): {"count": 1, "places": [text(), text()]}}}
    found["settings"] |= {text(): text(), "dir": [text()], "pattern": [text(), text()]}


def fail_to_read(found):
    """One more file, which could not be read."""
    found["counts"]["unreadable_files"] = 1
    sources = check(found, "readiness::sources")
    sources.update(outcome="fail", target=2, missing=1)
    found["unready"].insert(0, sources)


def hostile_past(found, text):
    """A ``text()`` wherever one stands in what the samples are held against."""
    if found["estimator"]:
        wrong = {"source": text(), "reason": text()}
        found["estimator"].update(estimator=text(), errors=[wrong])
    if found["estimator"] and (base := found["estimator"]["base"]):
        base.update(estimator=text(), errors=[wrong])
        for sample in base["changed"]:
            sample.update(source=text(), category=text())
    if found["drift"]:
        found["drift"]["missing"] = text()
    if found["drift"] and found["drift"]["drift"]:
        for rates in found["drift"]["drift"].values():
            for stratum in rates["strata"]:
                stratum["name"] = text()
    found["tracked"] = {text(): text()}
    for session in found["history"] or ():
        session.update(time=text(), commit=text())


def assert_nothing_escapes(text, mark=None):
    """No element but ours, no link but ours, no cell too many, and the mark in ``<code>`` alone."""
    assert len(text) < LARGEST_COMMENT
    text.encode()
    document = page(text)
    for each in document.iter():
        if each.tag is lxml.html.etree.Comment:
            assert each.text.startswith((" pytest-token-telemetry:v1:", " token-telemetry stamp: "))
            continue
        assert each.tag in OWN_ELEMENTS
        assert set(each.attrib) <= ({"href"} if each.tag == "a" else set())
        assert each.get("href") in {None, *OWN_LINKS}
        if mark is not None:
            assert mark not in (each.tail or "")
            assert each.tag == "code" or mark not in (each.text or "")
    for each in document.iter("table"):
        header, *rows = [list(row) for row in each.iter("tr")]
        assert all(
            len(row) == len(header) or (len(row) == 1 and row[0].text_content().endswith(" more")) for row in rows
        )
    for each in document.iter("code"):
        assert not len(each)
        assert "\n" not in each.text_content()
        assert len(each.text_content()) <= 400
    assert sum(isinstance(each.tag, str) and each.tag == "h2" for each in document) == 1


HELD = ("tune", "not-ready", "inconclusive", "compared", "replayed", "drifted")


@pytest.mark.parametrize("unverified", [False, True])
@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_becomes_markup_a_link_or_a_cell(text, unverified):
    text = f"{MARK}[<{text}"
    made = comment(
        *(leg(verdict, lambda found: hostile(found, text), label=text) for verdict in HELD),
        unverified=unverified,
    )
    assert_nothing_escapes(made, MARK)


FRAGMENTS = [*HOSTILE, *"|`<>&@#[]()!*_~:\n\r\\-=+. \"'", "</td>", "</table>", "-->", "<!--", "\n\n", "www.", "a@b.c"]
STRINGS = int(os.environ.get("TOKEN_TELEMETRY_HOSTILE_STRINGS", "1000"))
"""40,000 take half a minute."""


def test_hostile_strings_by_the_thousand_stay_text():
    """As `HOSTILE`, mixed by chance, each in a place of its own."""
    chance = random.Random(20261123)
    made = 0

    def text(*_):
        nonlocal made
        made += 1
        return f"{MARK}[<" + "".join(chance.choices(FRAGMENTS, k=chance.randint(1, 8)))[:200]

    def change(found):
        hostile_present(found, text)
        hostile_past(found, text)

    while made < STRINGS:
        legs = [leg(name, change, label=text()) for name in ("tune", "compared", "replayed")]
        assert_nothing_escapes(comment(*legs, unverified=chance.random() < 0.5), MARK)


@given(
    st.lists(st.sampled_from(HOSTILE) | st.text(max_size=20) | st.sampled_from("|`<>&@#[]()!*_~:\n\r\\-=+. ")).map(
        "".join
    )
)
@limits(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_a_report_says_it_stays_text(text):
    legs = [leg(name, lambda found: hostile(found, text), label=text) for name in ("tune", "compared")]
    assert_nothing_escapes(comment(*legs))


@given(st.data(), st.booleans())
@limits(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_stands_anywhere_a_report_that_is_read_is_shown_inertly(data, unverified):
    name = data.draw(st.sampled_from(list(PLACES)))
    found = put(document(name), data.draw(st.sampled_from(PLACES[name])), data.draw(json_values))
    try:
        read = from_json(json.dumps(found).encode())
    except RefusedError as refused:
        made = comment(Leg("report.json", None, str(refused)), unverified=unverified)
    else:
        made = comment(Leg("report.json", read), unverified=unverified)
    assert_nothing_escapes(made, MARK)
    assert not unverified or "✅" not in made


@pytest.mark.large
@pytest.mark.parametrize("reports", [1, 3, 50])
@pytest.mark.parametrize("text", ['"' * 5000, "\u202e" * 5000, "x" * 5000])
@pytest.mark.parametrize("name", ["tune", "compared"])
def test_the_size_ladder_keeps_below_the_limit(reports, text, name):
    advice = document("tune")["tuning"]

    def enlarge(found):
        found["tuning"] = copy.deepcopy(advice)
        hostile(found, text)
        found["worst"] *= 20
        found["tuning"]["categories"] *= 200
        for kind in ("categories", "complexities"):
            each = check(found, f"readiness::{kind}")
            each["target"] = each["value"] = [f"{n}{text}" for n in range(50)]
            each["missing"] = each["counts"] = []
            found["settings"][f"require_{kind}"] = ",".join(map(str, range(50)))

    made = comment(*[leg(name, enlarge, label=text)] * reports)
    assert len(made) < LARGEST_COMMENT
    assert ("TUNE, tuning needed" if name == "tune" else "PASS, no tuning needed") in made
    assert reports == 1 or "shortened: the run has the full report" in made
    assert made.splitlines()[-1].startswith("<!-- token-telemetry stamp: run=7000 ")
    assert_nothing_escapes(made)


def test_a_comment_of_usual_size_is_whole():
    assert "shortened" not in comment(*(leg("tune") for _ in range(3)))
