"""The comment in a real browser, at the widths of a reviewer's laptop and phone."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from scripts import screenshots
from scripts.screenshots import CASES, PHONE, WIDTH, Case
from tests.integration.browsing import Shown, window
from tests.unit.comment.test_body import OWN_LINKS, comment, hostile, leg
from tests.unit.report.verdicts import MARK

if TYPE_CHECKING:
    from playwright.sync_api import Browser

HEADINGS = {
    "pass": "✅ Token telemetry: PASS, no tuning needed",
    "tune": "❌ Token telemetry: TUNE, tuning needed",
    "not-ready": "❌ Token telemetry: NOT READY, do not tune",
    "inconclusive": "⚪ Token telemetry: INCONCLUSIVE, nothing proven",
    "no-verdict": "⚠️ Token telemetry: NO VERDICT",
    "unverified": "⚪ Token telemetry: PASS, no tuning needed (unverified)",
}

LEADS = {
    "pass": "1.7% underestimated, 0.0% truncated, unproven. To save quota, ",
    "tune": "6.8% underestimated; +5.1 points of underestimation against base. Multiply the predictions in docs by ",
    "not-ready": "Not enough representative data: collect more, do not tune. Collect 3 more successful samples.",
    "inconclusive": "Nothing is proven either way: 1.7% underestimated, 0.0% truncated. Collect 34 more samples ",
    "no-verdict": "The gate ended without a verdict: --token-telemetry-dir: 'examples/gone' does not exist ",
    "unverified": "1.7% underestimated, 0.0% truncated, unproven. To save quota, ",
}

OWNED = "document.title='owned'"
INJECTED = [
    f"<script>{OWNED}</script>",
    f'<img id=injected src=x onerror="{OWNED}">',
    f"<svg id=injected onload={OWNED}></svg>",
    f'</code></td></tr></table><h2 id=injected onclick="{OWNED}">x</h2>',
    f"</code></details><details open id=injected ontoggle={OWNED}>",
    f'<iframe id=injected srcdoc="<script>parent.{OWNED}</script>"></iframe>',
    f"<a id=injected href=javascript:{OWNED}>x</a> [x](javascript:{OWNED})",
    "<style id=injected>body { display: none }</style>",
    "</title><meta http-equiv=refresh content=0;url=http://evil.example>",
    "![x](http://evil.example/x.png) <link rel=stylesheet href=http://evil.example/x.css>",
]
"""What a browser would act on, were it more than text."""


Show = Callable[..., Shown]


@pytest.fixture
def show(browser: Browser, tmp_path: Path) -> Iterator[Show]:
    """Show a comment's markdown."""
    file = tmp_path / "comment.html"
    with ExitStack() as windows:

        def show(markdown: str) -> Shown:
            file.write_text(screenshots.page(markdown), encoding="utf-8")
            return windows.enter_context(window(browser, file, WIDTH))

        yield show


@functools.cache
def made(case: Case) -> str:
    return screenshots.comment(case)


every_case = pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])


@every_case
def test_the_verdict_is_the_first_that_is_seen(show: Show, case: Case) -> None:
    heading = show(made(case)).page.get_by_role("heading").first
    assert heading.is_visible()
    assert heading.inner_text() == HEADINGS[case.name]
    box = heading.bounding_box()
    assert box is not None
    assert box["y"] < 100


@every_case
@pytest.mark.parametrize("width", [WIDTH, PHONE])
def test_why_and_what_next_is_said_at_the_first_sight(show: Show, case: Case, width: int) -> None:
    page = show(made(case)).page
    page.set_viewport_size({"width": width, "height": 800})
    lead = page.locator("section > p").first
    assert lead.inner_text().replace("\xa0", " ").startswith(LEADS[case.name])
    box = lead.bounding_box()
    assert box is not None
    assert box["y"] + box["height"] < 420
    assert page.locator(".alert").count() == int(case.unverified)


HEIGHTS = {"pass": 600, "tune": 660, "not-ready": 820, "inconclusive": 640, "no-verdict": 300, "unverified": 690}
"""Of the whole comment on a phone, in pixels."""


@every_case
def test_on_a_phone_all_that_is_not_folded_fits(show: Show, case: Case) -> None:
    page = show(made(case)).page
    page.set_viewport_size({"width": PHONE, "height": 800})
    for table in page.locator("table:visible").all():
        assert table.evaluate("table => table.scrollWidth <= table.clientWidth")
    box = page.locator("article").bounding_box()
    assert box is not None
    assert box["height"] <= HEIGHTS[case.name]


@every_case
def test_the_page_is_never_scrolled_sideways(show: Show, case: Case) -> None:
    shown = show(made(case))
    assert shown.width() <= WIDTH
    shown.unfold_at_once()
    for width in (WIDTH, 780, PHONE):
        shown.page.set_viewport_size({"width": width, "height": 800})
        assert shown.width() <= width


@every_case
def test_on_a_laptop_no_table_is_cut_off(show: Show, case: Case) -> None:
    for table in show(made(case)).page.locator("table:visible").all():
        assert table.evaluate("table => table.scrollWidth <= table.clientWidth")


@every_case
def test_the_details_are_folded_until_they_are_asked_for(show: Show, case: Case) -> None:
    shown = show(made(case))
    folded = shown.page.locator("details table").all()
    assert bool(folded) == case.judged
    assert not any(table.is_visible() for table in folded)
    shown.unfold()
    assert all(table.is_visible() for table in folded)


@every_case
def test_nothing_is_fetched_and_there_is_no_image(show: Show, case: Case) -> None:
    shown = show(made(case))
    assert shown.requests == [shown.url]
    assert shown.page.locator("img, picture, iframe, script, link").count() == 0


def test_nothing_that_was_not_verified_is_green(show: Show) -> None:
    shown = show(made(next(case for case in CASES if case.unverified)))
    shown.unfold_at_once()
    assert "✅" not in shown.page.locator("body").inner_text()


@pytest.mark.parametrize("text", INJECTED)
def test_hostile_text_is_seen_as_text_and_does_nothing(show: Show, text: str) -> None:
    text = f"{MARK} {text}"
    shown = show(comment(leg("tune", lambda found: hostile(found, text), label=text), leg()))
    shown.unfold()
    page = shown.page
    assert text in page.locator("article").inner_text()
    assert page.title() == "Comment"
    assert page.locator("[id]").count() == 0
    assert page.locator("article :is(img, picture, iframe, script, style, link, meta, input, form)").count() == 0
    assert {link.get_attribute("href") for link in page.locator("a").all()} == OWN_LINKS
    assert (shown.requests, shown.said) == ([shown.url], [])
