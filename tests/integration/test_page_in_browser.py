"""The page in a real browser: its pictures are there and right, and nothing that stands in it runs or loads."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

from pytest_token_telemetry.report.model import Report, SourceFile
from tests.integration.browsing import Shown, window
from tests.integration.test_browser import INJECTED, OWNED
from tests.unit.page.reports import VERDICTS, report
from tests.unit.report.verdicts import HOSTILE

if TYPE_CHECKING:
    from playwright.sync_api import Browser

DRAWN = "[data-picture]:not([data-drawn])"

pytestmark = pytest.mark.skipif(sys.version_info < (3, 12), reason="one version is enough for a browser")


Show = Callable[..., Shown]


@pytest.fixture
def show(browser: Browser, tmp_path: Path) -> Iterator[Show]:
    """Show the page of some reports."""
    file = tmp_path / "page.html"
    with ExitStack() as windows:

        def show(*reports: Report, width: int = 1280, scheme: str = "light") -> Shown:
            from pytest_token_telemetry.page.page import render

            file.write_text(render(*reports), encoding="utf-8")
            shown = windows.enter_context(window(browser, file, width, color_scheme=scheme))
            shown.page.wait_for_selector(DRAWN, state="detached")
            return shown

        yield show


@pytest.mark.parametrize("name", [*VERDICTS, "many", "caps"])
def test_all_is_drawn_and_nothing_fetched_and_the_first_screen_has_what_matters(show: Show, name: str) -> None:
    shown = show(report(name))
    for place in ("h1", ".headline", ".steps li >> nth=0", "#rates svg", "text=What has changed"):
        box = shown.page.locator(place).first.bounding_box()
        assert box is not None
        assert box["y"] + box["height"] <= 800, place
    drawn = shown.page.locator("[data-picture]").all()
    assert len(drawn) >= 5
    for each in drawn:
        assert each.get_attribute("data-drawn") == "yes"
        assert each.locator("svg path, svg rect").count() > 0
    assert shown.requests == [shown.url]
    assert shown.said == []


def test_the_marks_count_what_the_report_counts(show: Show) -> None:
    found = report("tune")
    shown = show(found)
    assert found.distributions is not None
    assert found.drift is not None
    assert found.drift.drift is not None
    assert (
        len(shown.rows("outputs", "calls")) == shown.marks("outputs", "symbol").count() == found.metrics.waste.n == 60
    )
    assert sum(row["calls"] for row in shown.rows("ratios", "bins")) == found.metrics.waste.n
    rates = shown.rows("rates", "rates")
    assert [(row["events"], row["n"]) for row in rates] == [(found.metrics.underestimation.events, 60), (6, 60)]
    assert [row["target"] for row in rates] == [0.05, 0.02]
    strata = [*found.strata.category, *found.strata.complexity, *found.strata.deliverables, *found.strata.model]
    dots = shown.rows("forest-truncation", "truncation")
    assert [(row["events"], row["n"]) for row in dots] == [(each.truncated, each.attempts) for each in strata]
    assert shown.marks("forest-truncation", "symbol").count() == len(strata)
    known = [cap for curve in found.distributions.curves for cap in curve.max_tokens if cap]
    assert [row["x"] for row in shown.rows("caps", "curves")] == known
    assert len(shown.rows("history", "sessions")) == 2 * 5  # two rates of four sessions and this one
    assert len(shown.rows("drift", "sides")) == shown.marks("drift", "symbol").count() == 6  # three categories twice
    cells = shown.rows("readiness", "full")
    assert sum(row["calls"] for row in cells) == found.counts.counted == 54
    assert shown.marks("readiness", "text").count() == 27


def test_pointing_at_a_mark_names_what_it_is(show: Show) -> None:
    shown = show(report("tune"))
    for i in (0, 17, 54, 58):
        row = shown.rows("outputs", "calls")[i]
        told = shown.tip(shown.marks("outputs", "symbol").nth(i))
        assert (told["task"], told["where"], told["call"]) == (row["task"], row["where"], row["how"])
        assert told["output"] == f"{row['output']:,}"
    dots = shown.rows("forest-truncation", "truncation")
    for i in (0, len(dots) - 1):
        told = shown.tip(shown.marks("forest-truncation", "symbol").nth(i))
        assert (told["of"], told["events"], told["calls"]) == (
            dots[i]["name"],
            str(dots[i]["events"]),
            str(dots[i]["n"]),
        )
    assert shown.tip(shown.marks("drift", "symbol").nth(0))["calls"] == "baseline"
    assert shown.tip(shown.marks("history", "symbol").nth(2))["commit"] == "0123abc2"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(show: Show, scheme: str) -> None:
    from axe_playwright_python.sync_playwright import Axe

    page = show(report("tune"), scheme=scheme).page
    page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    found = Axe().run(page).response["violations"]
    serious = [(each["id"], [node["html"][:200] for node in each["nodes"]][:3]) for each in found]
    assert serious == []


@pytest.mark.parametrize("name", ["tune", "not-ready", "many"])
def test_a_phone_never_scrolls_sideways(show: Show, name: str) -> None:
    shown = show(report(name), width=390)
    assert shown.width() <= 390
    shown.page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    assert shown.width() <= 390


def test_it_is_printed_on_a4_in_dark_ink_with_all_tables(show: Show) -> None:
    page = show(report("tune"), scheme="dark").page
    page.set_viewport_size({"width": 703, "height": 1000})  # 210 mm less the margins
    page.emulate_media(media="print", color_scheme="dark")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("details:not([open])").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= 703
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(31, 35, 40)"
    assert page.pdf(format="A4").startswith(b"%PDF")


def test_tables_are_sorted_filtered_and_copied(show: Show) -> None:
    formula = msgspec.structs.replace(report("tune").worst[0], task_id='=1+1,"x"', output_tokens=123)
    found = msgspec.structs.replace(report("tune"), worst=(*report("tune").worst, formula))
    page = show(found).page
    part = page.locator("[data-table]").first
    column = part.locator("tbody tr td:nth-child(3)")
    before = [int(text.replace(",", "")) for text in column.all_inner_texts()]
    part.get_by_role("button", name="output", exact=True).click()
    assert [int(text.replace(",", "")) for text in column.all_inner_texts()] == sorted(before)
    part.get_by_role("button", name="output", exact=True).press("Enter")
    assert [int(text.replace(",", "")) for text in column.all_inner_texts()] == sorted(before, reverse=True)
    part.locator("input").fill("=1+1")
    assert part.locator("tbody tr:visible").count() == 1
    assert part.locator("[role=status]").inner_text() == "1 of 5 rows"
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    part.get_by_role("button", name="Copy as CSV").click()
    part.get_by_text("copied").wait_for()
    head, line = page.evaluate("navigator.clipboard.readText()").splitlines()
    assert head.startswith('"actual / predicted","predicted","output"')
    assert '"123"' in line
    assert '"\'=1+1,""x"""' in line


def test_of_40_000_hostile_strings_none_runs_and_none_loads(show: Show) -> None:
    texts = [f"{text} {n}" for n in range(1300) for text in (*INJECTED, *HOSTILE[:21])]
    found = report("pass")
    assert found.calls is not None
    assert len(texts) > 40_000
    calls = [
        msgspec.structs.replace(call, source=a, task_id=b, category=c)
        for call, a, b, c in zip(found.calls, texts[::3], texts[1::3], texts[2::3], strict=False)
    ]
    sources = tuple(SourceFile(text, 0) for text in texts)
    first, changed = found.worst[0], msgspec.structs.replace
    worst = tuple(changed(first, source=text, task_id=text, category=text) for text in INJECTED)
    settings = {text: text for text in (*INJECTED, *HOSTILE)}
    shown = show(changed(found, calls=tuple(calls), sources=sources, worst=worst, cut_off=worst, settings=settings))
    page = shown.page
    for i in range(0, 50, 7):
        shown.tip(shown.marks("outputs", "symbol").nth(i))
    page.locator("[data-table] th button").first.click()
    assert page.locator("tbody tr").count() > len(texts)
    page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    assert page.title() == f"Token telemetry: {found.title}"
    assert OWNED not in page.title()
    assert page.locator("#injected, main :is(img, iframe, script, style, link, meta, object, embed, form)").count() == 0
    assert (shown.requests, shown.said) == ([shown.url], [])
