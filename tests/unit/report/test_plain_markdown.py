"""The verdict for GitLab, Bitbucket and e-mail: without HTML, in the words that GitHub gets."""

from __future__ import annotations

import re

import cmarkgfm
import lxml.html
import pytest
from cmarkgfm.cmark import Options
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st

from pytest_token_telemetry.report import sections
from pytest_token_telemetry.report.markdown import render
from pytest_token_telemetry.report.markdown_flavours import FLAVOURS, GITHUB, PLAIN
from pytest_token_telemetry.report.words import headline
from pytest_token_telemetry.settings import options
from pytest_token_telemetry.text import inert
from tests.unit.gate.cases import call, compared, cut_off, ready, replayed, verdict
from tests.unit.report.test_markdown import page, table
from tests.unit.report.verdicts import HOSTILE

TUNE = verdict([*ready(60), *[cut_off(category="a|b", task_id="phase-1")] * 9])


def test_every_flavour_of_the_setting_is_there():
    with pytest.raises(ValueError, match=f"is not one of {', '.join(FLAVOURS)}$"):
        dict(options())["markdown_flavour"].read("html")


@pytest.mark.parametrize(
    "found",
    [
        verdict(ready(27)),
        verdict([call(category=None), cut_off(0, 9)]),
        verdict([*ready(60), *[cut_off()] * 9], alias=["a=docs", "b=tests"], confidence="0.95"),
        verdict([cut_off(category=f"c{n:03}") for n in range(90)]),
        replayed(ready(60), lambda request: 1100, lambda request: 1000),
        compared(ready(60), None),
    ],
    ids=["pass", "not ready", "tune", "many categories", "replay", "no baseline"],
)
def test_it_says_what_it_says_to_github(found):
    def words(write):
        return sorted(word for each in page(found, write).itertext() for word in each.split() if word[:2] != "[!")

    assert words(PLAIN) == words(GITHUB)


def test_the_verdict_comes_first():
    assert render(TUNE, PLAIN).split("\n\n")[:2] == [
        "## ❌ Token telemetry: TUNE, tuning needed",
        f"**{headline(TUNE)}**",
    ]


def test_what_github_folds_has_a_heading():
    headings = [each.text_content() for each in page(TUNE, PLAIN).findall("h3")]
    folded = [each.text_content() for each in page(TUNE, GITHUB).findall("details/summary")]
    assert headings == [*(each.title for each in sections.compared(TUNE)), *folded]
    assert folded != []


def test_what_was_asked_for_has_its_sentences_above_its_table():
    document = page(replayed(ready(60), lambda request: 1100, lambda request: 1000), PLAIN)
    heading = next(each for each in document.findall("h3") if each.text_content() == "Base against head")
    assert [each.tag for each in heading.itersiblings()][:2] == ["ul", "table"]


def test_a_proven_category_is_in_bold():
    row = next(each for each in page(TUNE, PLAIN).iter("tr") if each.find("td/strong") is not None)
    assert row[-1].text_content() == "a¦b"
    assert [each.text_content() for each in row.findall("td/strong")] == ["9*", "9*"]


def test_columns_stand_below_each_other_before_it_is_rendered():
    lines = render(TUNE, PLAIN).split("### By category")[1].split("\n\n")[1].splitlines()
    assert lines[0].startswith("| attempts | successful | truncated |")
    assert len({tuple(match.start() for match in re.finditer(r"\|", line))[:-1] for line in lines}) == 1


def test_a_narrow_column_is_as_wide_as_its_rule():
    assert PLAIN.table(("", "b"), [("x", "y")]).splitlines() == ["|     | b |", "| --- | --- |", "| x   | y |"]


def test_a_long_cell_moves_only_its_own_row():
    lines = PLAIN.table(("a", "b"), [("x" * 200, "long"), ("y", "short")]).splitlines()
    assert [line.index("|", 1) for line in lines] == [43, 43, 203, 43]


def test_what_is_left_out_is_counted():
    document = page(verdict([cut_off(category=f"c{n:03}") for n in range(55)]), PLAIN)
    assert len(table(document, "category")) == 1 + 50
    assert "and 5 more" in [each.text_content() for each in document.findall("p")]


def cells(*markdown):
    """The cells of a table's row, as elements."""
    text = PLAIN.table(["x"] * len(markdown), [markdown])
    rendered = cmarkgfm.github_flavored_markdown_to_html(text, Options.CMARK_OPT_UNSAFE)
    return lxml.html.fragment_fromstring(rendered, create_parent="div").findall("table/tbody/tr/td")


def assert_is_code(cell, untrusted):
    (code,) = cell
    assert (code.tag, cell.text, code.tail) == ("code", None, None)
    assert len(code) == 0
    shown = re.sub("`{20,}", "…", inert(untrusted).replace("|", "¦"))
    assert code.text == shown or (not shown.strip(" ") and code.text.isspace())


@pytest.mark.parametrize(
    "text", [*HOSTILE, "`", "``", "`a", "a`", " a", "a ", " ` ", "\\", "\\`", "`\\|", "`" * 200, ""]
)
def test_a_name_is_one_code_span(text):
    first, second, last = cells(PLAIN.code(text), f"{PLAIN.code(text)} {PLAIN.code('b`')}", "end")
    assert_is_code(first, text)
    assert [each.tag for each in second] == ["code", "code"]
    assert last.text == "end"


@limits(max_examples=1000)
@given(st.text("`|\\ a<>&*_[]()!~@#\n\x1b\u200b", max_size=130), st.text("` |\\", max_size=6))
def test_no_name_leaves_its_code_span(text, other):
    first, second, last = cells(PLAIN.code(text), PLAIN.code(other), "end")
    assert_is_code(first, text)
    assert_is_code(second, other)
    assert last.text == "end"


@pytest.mark.parametrize("text", ["<b>x</b>", "&lt;b&gt; &#64;x", "<!-- x -->", "a <= 5%, b < 3x & c", "</a><?b?>"])
def test_our_own_words_are_shown_as_they_are(text):
    (cell,) = cells(PLAIN.own(text))
    assert cell.text_content() == text
    assert not len(cell)


def test_a_star_of_ours_is_a_star():
    remark = "* above its target, 9* of ours"
    rendered = cmarkgfm.github_flavored_markdown_to_html(PLAIN.remark(PLAIN.own(remark)))
    assert rendered == f"<p>{remark}</p>\n"


def test_our_own_words_end_no_cell():
    assert [each.text for each in cells(PLAIN.own("a|b"), "end")] == ["a¦b", "end"]


def test_plain_figures_need_no_escapes():
    assert PLAIN.own("1/20 = 5.0% (target <= 5%), P90 < 3x") == "1/20 = 5.0% (target <= 5%), P90 < 3x"
