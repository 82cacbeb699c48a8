"""The page: what stands in it, that nothing in it runs or loads, and that its pictures are of the report's figures."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Mapping

import msgspec
import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st
from lxml import html

from pytest_token_telemetry.command import run
from pytest_token_telemetry.page import page as pages
from pytest_token_telemetry.page.markup import Html, markup, raw, tag
from pytest_token_telemetry.page.page import every_picture, render
from pytest_token_telemetry.report.json_file import render as as_json
from pytest_token_telemetry.report.model import MOST_CALLS
from pytest_token_telemetry.report.untrusted_file import from_json
from pytest_token_telemetry.report.words import message
from pytest_token_telemetry.text import Untrusted, plain
from tests.unit.gate.cases import call, judge, reading, settings
from tests.unit.page.reports import VERDICTS, report, spread
from tests.unit.report import documents as reports
from tests.unit.report.verdicts import HOSTILE


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out Vega, which takes seconds to bundle: what it draws is looked at in a browser."""
    monkeypatch.setattr(pages, "vega_embed", lambda: "window.vegaEmbed = null;")


def document(text: str) -> html.HtmlElement:
    return html.document_fromstring(text)


def data(name: str, picture: str, dataset: str) -> list[dict[str, object]]:
    """What a picture of the report ``name`` shows."""
    specs = {each.name: each.spec for each in every_picture(report(name))}
    found = specs[picture]["datasets"]
    assert isinstance(found, Mapping)
    return list(found[dataset])


@given(st.text(max_size=40))
@limits(max_examples=100)
def test_what_is_not_markup_is_escaped(text):
    for content in (text, Untrusted(text)):
        found = html.fragment_fromstring(tag("p", content, title=text), create_parent=False)
        assert {each.tag for each in found.iter()} <= {"p", "code"}
    assert markup("<b>") == "&lt;b&gt;"
    assert markup(("of ", Untrusted(None))) == "of not given"
    assert tag("p", Html("<b>x</b>")) == "<p><b>x</b></p>"


@pytest.mark.parametrize("text", ["</script>", "</SCRIPT ", "<!--", "<script>"])
def test_a_script_that_would_end_early_is_refused(text):
    with pytest.raises(ValueError, match="ends too early"):
        raw("script", f"x = '{text}'")


@pytest.mark.parametrize("name", VERDICTS)
def test_the_verdict_comes_first_then_pictures_then_tables(name):
    found = document(render(report(name)))
    assert found.xpath("//h1")[0].text_content().split(": ")[1].startswith(report(name).title)
    assert [each.get("data-verdict") for each in found.xpath("//header")] == [name]
    assert found.xpath("//*[@data-picture]/@data-picture")[0] == "rates"
    titles = found.xpath("//details/summary/text()")
    assert {"Checks", "Sources", "Settings"} <= set(titles)


@pytest.mark.parametrize("name", [*VERDICTS, "drifted"])
def test_the_first_screen_has_every_check_that_failed(name):
    found = from_json(json.dumps(reports.document(name)).encode())
    first = document(render(found)).xpath("//ul[@class='checks']")[0].text_content()
    failed = [each for each in found.checks if each.outcome == "fail"]
    assert all(plain(message(found, each)) in first for each in failed)
    drift = [each for each in found.checks if each.id.startswith("drift::")]
    assert all(plain(message(found, each)) in first for each in drift)


def test_nothing_may_run_or_load_but_the_two_scripts_of_the_page():
    text = render(report("tune"))
    found = document(text)
    (policy,) = found.xpath("//meta[@http-equiv='Content-Security-Policy']/@content")
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy
    assert policy.count("sha256-") == 3  # two scripts and a style
    assert not found.xpath("//@style | //@onclick | //@src | //link | //iframe | //img | //object")
    assert {href[0] for href in found.xpath("//@href")} == {"#"}
    assert text.index("Content-Security-Policy") < text.index("<style") < text.index("<script")


@pytest.mark.parametrize("name", ["tune", "many", "caps", "not-ready"])
def test_each_specification_is_one_of_vega_lite(name):
    altair = pytest.importorskip("altair", reason="the extra 'browser' is not installed")
    for each in every_picture(report(name)):
        altair.LayerChart.from_dict(each.spec)  # it is checked against the schema


def test_a_dot_is_a_judged_call_and_shows_where_it_stands():
    dots = data("tune", "outputs", "calls")
    found = report("tune")
    assert len(dots) == found.metrics.waste.n == 60
    assert sum(dot["how"] == "truncated" for dot in dots) == found.metrics.truncation.events == 6
    assert dots[54] == {
        "x": 100,
        "y": 16384,
        "how": "truncated",
        "output": 16384,
        "predicted": "100",
        "cap": "16,384",
        "name": "docs",
        "task": "cut-0",
        "where": "logs/run-1/agent.log:55",
    }


def test_more_calls_than_5000_are_cells():
    found = report("many")
    assert (found.calls, found.metrics.waste.n) == (None, 5400)
    assert MOST_CALLS < sum(cell["calls"] for cell in data("many", "outputs", "cells")) == 5400


def test_calls_are_in_the_report_only_if_a_page_was_asked_for():
    assert judge(reading(spread(60)), settings()).calls is None
    assert len(report("pass").calls or ()) == 60
    assert from_json(as_json(report("pass")).encode()).calls == report("pass").calls


@pytest.mark.parametrize("name", ["tune", "many"])
def test_bars_rows_and_cells_count_what_the_report_counts(name):
    found = report(name)
    assert sum(each["calls"] for each in data(name, "ratios", "bins")) == found.metrics.waste.n
    assert sum(each["calls"] for each in data(name, "readiness", "full")) == found.counts.counted
    rows = data(name, "forest-truncation", "truncation")[:3]
    strata = found.strata.category
    assert [(row["events"], row["n"]) for row in rows] == [(each.truncated, each.attempts) for each in strata]


def test_intervals_are_exact():
    # scipy.stats.beta.ppf([0.05, 0.95], [6, 7], [55, 54]) for 6 events among 60 calls
    from scipy.stats import beta

    *_, under, cut = data("tune", "history", "sessions")
    assert (under["events"], under["n"], cut["events"]) == (6, 60, 6)
    assert (under["lower"], under["upper"]) == pytest.approx((beta.ppf(0.05, 6, 55), beta.ppf(0.95, 7, 54)))


def test_caps_are_shown_where_nothing_is_predicted():
    found = {each.name: each for each in every_picture(report("caps"))}
    assert "forest-underestimation" not in found
    assert found["outputs"].title == "Output against cap"
    assert len(data("caps", "outputs", "calls")) == 200
    # 99 of 200 calls have 600 tokens of output or more, 500 to 699 each once: 601 on exceed the cap of 600
    sent = {row["x"]: row for row in data("caps", "caps", "sent")}
    assert (sent[600]["exceeding"], sent[4096]["exceeding"]) == (99, 0)


def test_a_report_without_what_pictures_are_made_of_still_has_rates_and_tables():
    older = msgspec.structs.replace(report("tune"), distributions=None, calls=None)
    found = document(render(older)).xpath("//*[@data-picture]/@data-picture")
    assert {"rates", "forest-truncation", "history", "drift"} == set(found) - {"forest-underestimation"}


def test_names_reach_the_page_as_text_alone():
    rows = [call(category=text, task_id=text, complexity=text, model=text) for text in HOSTILE * 3]
    found = document(render(judge(reading(rows), settings(html="page.html"))))
    assert not found.xpath(
        "//b | //h1[contains(., 'x')]/@id | //*[@onerror] | //img | //*[@href][not(starts-with(@href, '#'))]"
    )
    assert len(found.xpath("//script")) == 3
    specs = json.loads(found.xpath("//script[@id='specs']/text()")[0])
    assert len(specs["outputs"]["datasets"]["calls"]) == len(rows)


def page_of(*arguments: str) -> tuple[int, str]:
    out = io.StringIO()
    return run(["page", *arguments], {}, out, None), out.getvalue()


def test_the_command_makes_a_trend_of_several_reports(tmp_path):
    for name in ("pass", "tune", "inconclusive"):
        (tmp_path / f"{name}.json").write_text(as_json(report(name)), encoding="utf-8")
    paths = [str(tmp_path / f"{name}.json") for name in ("pass", "inconclusive", "tune")]
    code, said = page_of(*paths, f"--out={tmp_path / 'page.html'}")
    assert code == 0
    assert re.fullmatch(r"token-telemetry: .*page\.html: \d+ KB\n", said)
    found = document((tmp_path / "page.html").read_text("utf-8"))
    assert "TUNE" in found.xpath("//h1")[0].text_content()
    specs = json.loads(found.xpath("//script[@id='specs']/text()")[0])
    rows = specs["history"]["datasets"]["sessions"]
    assert [(row["i"], row["events"], row["n"]) for row in rows if row["kind"] == "truncation"] == [
        (0, 0, 60),
        (1, 0, 30),
        (2, 6, 60),
    ]


@pytest.mark.parametrize("content", ["{}", "not json", None])
def test_the_command_refuses_what_is_no_report(tmp_path, content):
    if content is not None:
        (tmp_path / "report.json").write_text(content)
    code, said = page_of(str(tmp_path / "report.json"), f"--out={tmp_path / 'page.html'}")
    assert (code, said.count("\n")) == (2, 1)
    assert "report.json is not used: " in said
    assert not (tmp_path / "page.html").exists()


def test_the_command_says_why_a_page_cannot_be_written_or_made(tmp_path, monkeypatch):
    (tmp_path / "report.json").write_text(as_json(report("pass")), encoding="utf-8")
    code, said = page_of(str(tmp_path / "report.json"), f"--out={tmp_path}")
    assert (code, "could not be written" in said) == (2, True)
    monkeypatch.undo()
    monkeypatch.setitem(__import__("sys").modules, "vl_convert", None)
    pages.vega_embed.cache_clear()
    code, said = page_of(str(tmp_path / "report.json"), f"--out={tmp_path / 'page.html'}")
    assert code == 2
    assert 'vl-convert-python is not installed (run pip install "pytest-token-telemetry[html]")' in said


@pytest.mark.parametrize("name", VERDICTS)
def test_the_next_steps_stand_in_the_order_of_the_report(name: str) -> None:
    found = report(name)
    steps = document(render(found)).xpath("//header/ul[@class='steps']/li")
    assert [step.text_content() for step in steps] == json.loads(as_json(found))["advice"]
