"""The verdict as GitHub renders it, and what holds for every flavour."""

from __future__ import annotations

import cmarkgfm
import lxml.html
import pytest
from cmarkgfm.cmark import Options
from hypothesis import given
from hypothesis import settings as limits

from pytest_token_telemetry.report.markdown import render
from pytest_token_telemetry.report.markdown_flavours import FLAVOURS, GITHUB, PLAIN
from pytest_token_telemetry.report.words import headline
from pytest_token_telemetry.sources.reading import File, Scanned, UnusableLines
from tests.unit.gate.cases import (
    advice,
    baseline_of,
    call,
    compared,
    cut_off,
    judge,
    message,
    reading,
    ready,
    replayed,
    settings,
    verdict,
)
from tests.unit.report.verdicts import HOSTILE, MARK, full, verdicts

EVERYWHERE = {"div", "h2", "p", "strong", "ul", "li", "table", "thead", "tbody", "tr", "th", "td", "code"}

OWN_ELEMENTS = {GITHUB: EVERYWHERE | {"blockquote", "details", "summary", "b", "sub"}, PLAIN: EVERYWHERE | {"h3"}}


def page(found, write=GITHUB):
    """The document as GitHub's own parser makes it of the report's markdown, with all the HTML in it."""
    return parsed(render(found, write))


def parsed(markdown):
    """The document that GitHub's own parser makes of ``markdown``."""
    rendered = cmarkgfm.github_flavored_markdown_to_html(markdown, Options.CMARK_OPT_UNSAFE)
    return lxml.html.fragment_fromstring(rendered, create_parent="div")


def table(document, header):
    """The rows of the table whose first or last column has this header, as texts."""
    for each in document.iter("table"):
        rows = [[text(cell) for cell in row if cell.tag in ("th", "td")] for row in each.iter("tr")]
        if header in (rows[0][0], rows[0][-1]):
            return rows
    raise AssertionError(header)


def text(element):
    """What it says, with blanks where lines may not break."""
    return element.text_content().replace("\xa0", " ")


@pytest.mark.parametrize(
    ("found", "heading", "alert"),
    [
        (verdict(ready(27)), "✅ Token telemetry: PASS, no tuning needed", None),
        (verdict([*ready(27), cut_off()]), "❌ Token telemetry: TUNE, tuning needed", "[!CAUTION]"),
        (verdict([]), "❌ Token telemetry: NOT READY, do not tune", "[!WARNING]"),
    ],
    ids=["pass", "tune", "not ready"],
)
def test_the_verdict_comes_first(found, heading, alert):
    document = page(found)
    assert document[0].tag == "h2"
    assert document[0].text_content() == heading
    assert document[1].tag == ("blockquote" if alert else "p")
    assert document[1].find(".//strong").text_content() == headline(found)
    if alert:
        assert render(found).split("\n\n")[1].startswith(f"> {alert}\n> **")


def test_what_to_do_is_a_list():
    found = verdict([])
    assert [each.text_content().strip() for each in page(found).find("ul")] == advice(found)


def test_every_check_has_a_row():
    found = verdict([*ready(60, 5000, 1000), *[cut_off()] * 9])
    symbols = {"pass": "✅ pass", "fail": "❌ fail", "skip": "⚪ skipped", "warn": "⚠️ warning"}
    rows = table(page(found), "Outcome")[1:]
    assert sorted(rows) == sorted(
        [symbols[check.outcome], check.id.replace("::", " "), message(found, check.id)] for check in found.checks
    )


def test_what_failed_comes_first_and_among_it_what_is_asked_first():
    found = verdict([*ready(60, 5000, 1000), *[cut_off()] * 9])
    assert [row[:2] for row in table(page(found), "Outcome")[1:5]] == [
        ["❌ fail", "tier1 underestimation"],
        ["❌ fail", "tier1 truncation"],
        ["⚠️ warning", "tier2 waste-p90"],
        ["✅ pass", "readiness sources"],
    ]


def test_a_pipe_in_a_setting_ends_no_cell():
    assert ["pattern", "a|b"] in table(page(verdict([], pattern=("a|b",))), "setting")


def test_no_check_has_no_table():
    document = page(judge(reading([]), settings(), ()))
    with pytest.raises(AssertionError):
        table(document, "Outcome")


def test_the_worst_samples_have_a_table():
    rows = [*ready(27), cut_off(0, 9, task_id="phase-1", category="docs"), call(471, 5267, category=None)]
    assert table(page(verdict(rows)), "actual / predicted")[1:3] == [
        ["none", "0", "9", "yes", "docs", "phase-1", "logs/run-1/agent.log:28"],
        ["11.18x", "471", "5,267", "no", "not given", "not given", "logs/run-1/agent.log:29"],
    ]


def test_strata_have_tables():
    document = page(verdict([*ready(27), call(category=None)]))
    assert table(document, "category")[1] == ["9", "9", "0", "9", "0", "1.11x", "1.11x", "docs"]
    assert [row[-1] for row in table(document, "category")[1:]] == ["docs", "implementation", "tests", "not given"]
    assert [row[-1] for row in table(document, "deliverables")[1:]] == ["1", "2-5", "6+"]


def test_sources_have_tables():
    found = verdict(
        ready(27),
        {
            "files": (File("logs/a.log", 7), File("logs/b.log", 20)),
            "unreadable": {"logs/c.log": "Permission denied"},
            "unusable": {"success is missing": UnusableLines(3, ["logs/a.log:7", "logs/a.log:9"])},
        },
    )
    document = page(found)
    assert table(document, "file")[1:] == [["20", "logs/b.log"], ["7", "logs/a.log"]]
    assert table(document, "not read, because")[1:] == [["Permission denied", "logs/c.log"]]
    assert table(document, "lines")[1:] == [["3", "success is missing", "logs/a.log:7 logs/a.log:9"]]


def test_what_was_asked_for_is_in_sight_and_its_table_folded():
    document = page(replayed(ready(60), lambda request: 1100, lambda request: 1000))
    told = [each.text_content().strip() for each in document.findall("ul/li")]
    assert "of 60 calls that both can replay, 0 newly underestimated and 0 newly safe" in " ".join(told)
    folded = {each.find("summary").text_content(): each for each in document.findall("details")}
    assert {"Replayed estimator", "Base against head", "Predictions that changed most"} <= set(folded)
    assert table(folded["Base against head"], "")[1:] == [
        ["base", "0/60 = 0.0%", "0/60 = 0.0%", "1.11x", "1.11x"],
        ["head", "0/60 = 0.0%", "0/60 = 0.0%", "1.22x", "1.22x"],
    ]
    assert table(folded["Predictions that changed most"], "base")[1] == (
        ["1,000", "1,100", "900", "none", "implementation", "logs/run-1/agent.log:1"]
    )


def test_a_missing_baseline_is_said():
    document = page(compared(ready(60), None))
    assert "Not compared: there is no baseline at " in document.text_content()


def test_names_in_what_was_asked_for_stay_in_their_cells():
    assert_nothing_escapes(full())
    rows = table(page(full()), "calls")
    rows[1][1] = rows[1][1].partition(": ")[2]  # behind the line that raised it
    assert rows[1] == [
        "1",
        "ValueError: ZQX</code>|@octocat\\u001b[31m # x",
        "ZQX</code>|@octocat\\u001b[31m\\u000a# x:31",
    ]


def test_settings_have_a_table():
    rows = dict(table(page(verdict([], alias=["a=docs", "b=tests"])), "setting")[1:])
    assert (rows["max_truncation"], rows["alias"], rows["population"]) == ("2%", "a=docs b=tests", "risk")


def test_the_last_line_says_what_was_judged():
    assert (
        page(verdict(ready(27)))
        .findall(".//sub")[-1]
        .text_content()
        .startswith(
            "risk population · 27 samples in 1 file · no baseline, no base estimator: nothing to compare with · "
        )
    )


@pytest.mark.parametrize(
    ("scanned", "said"),
    [
        (Scanned(3, 2_500_000, 0.5, 1), "2.5 MB read in 0.5 s (5.0 MB/s)"),
        (Scanned(3, 2_500_000, 0.5, 2), "2.5 MB read in 0.5 s (5.0 MB/s) by 2 processes"),
        (Scanned(3, 0, 0.02, 1), "0 bytes read in 0.0 s (0 bytes/s)"),
    ],
)
def test_the_last_line_says_what_the_reading_took(scanned, said):
    last = page(verdict(ready(27), {"scanned": scanned})).findall(".//sub")[-1].text_content()
    assert f"27 samples in 1 file · {said} · " in last


def assert_nothing_escapes(found):
    for write in FLAVOURS.values():
        markdown = render(found, write)
        assert len(markdown) < 65_536
        assert_nothing_escapes_in(parsed(markdown), OWN_ELEMENTS[write])


def assert_nothing_escapes_in(document, own_elements):
    for each in document.iter():
        assert each.tag in own_elements
        assert not each.attrib
        if each.tag != "code" and not any(above.tag == "code" for above in each.iterancestors()):
            assert MARK not in (each.text or "")
        assert MARK not in (each.tail or "")
    for each in document.iter("table"):
        header, *rows = [[cell for cell in row if cell.tag in ("th", "td")] for row in each.iter("tr")]
        assert all(
            len(row) == len(header) or (len(row) == 1 and row[0].text_content().endswith(" more")) for row in rows
        )
    for each in document.iter("code"):
        assert not len(each)
        assert "\n" not in each.text_content()
        assert len(each.text_content()) <= 120


@pytest.mark.parametrize("text", HOSTILE)
def test_no_name_becomes_markup_a_link_or_a_cell(text):
    name = f"{MARK}{text}"
    rows = [*ready(27), *[cut_off(category=name, complexity=name, task_id=name)] * 9]
    assert_nothing_escapes(
        verdict(
            rows,
            {
                "files": (File(name, len(rows)),),
                "unreadable": {name: "Permission denied"},
                "unusable": {"success is missing": UnusableLines(1, [name])},
            },
            dir=[name.replace("\0", "")],
        )
    )


@limits(deadline=None, max_examples=100)
@given(verdicts())
def test_no_text_of_the_logs_becomes_markup_a_link_or_a_cell(found):
    assert_nothing_escapes(found)


def test_an_empty_name_is_an_empty_code():
    assert table(page(verdict([call(category="")])), "category")[1][-1] == " "


LONG = {"plain": "x" * 200, "quotes": '"' * 200, "controls": "\x01" * 200, "wide": "値" * 200}


@pytest.mark.large
@pytest.mark.parametrize("letters", LONG)
def test_hundreds_of_names_stay_within_a_comment(letters):
    names = [f"{n}{LONG[letters]}" for n in range(500)]  # ten times what a table shows
    rows = [cut_off(category=name, complexity=name, task_id=name) for name in names]
    found = verdict(
        rows,
        {
            "files": tuple(File(name, 1) for name in names),
            "unreadable": dict.fromkeys(names, "Permission denied"),
            "unusable": {f"field {n} is missing": UnusableLines(3, names[:3]) for n in range(30)},
        },
        alias=[f"{n}{'x' * 200}=docs" for n in range(500)],
        pattern=[name.replace("/", "") for name in names],
    )
    assert_nothing_escapes(found)
    assert table(page(found), "file")[-1][0].endswith(" more")


@pytest.mark.parametrize("letters", LONG)
def test_hundreds_of_new_categories_stay_within_a_comment(letters):
    names = [f"{n}{LONG[letters]}" for n in range(500)]
    found = compared([call(category=name) for name in names], baseline_of([call(category=name) for name in names[:9]]))
    assert sum(each.folded or 1 for each in found.drift.drift.underestimation.strata) == 500
    assert_nothing_escapes(found)


def test_what_is_left_out_is_counted():
    rows = [cut_off(category=f"c{n:03}") for n in range(55)]
    found = verdict(rows, {"files": tuple(File(f"logs/{n}.log", 1) for n in range(70))})
    document = page(found)
    assert len(table(document, "category")) == 1 + 50 + 1
    assert table(document, "category")[-1] == ["and 5 more"]
    assert table(document, "file")[-1] == ["and 20 more"]
