"""A file in a real browser, and what the browser did to show it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


@dataclass
class Shown:
    """What is shown in a window of its own."""

    page: Page
    url: str
    requests: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    """Dialogs, errors, and lines of the console."""

    def unfold(self) -> None:
        """As a reader does, one after the other."""
        for each in self.page.locator("summary").all():
            each.click()

    def unfold_at_once(self) -> None:
        """Where only what is seen then matters: a click takes its time."""
        self.page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")

    def width(self) -> int:
        """Of what there is to see: wider than the window if the page has to be scrolled sideways."""
        return int(self.page.evaluate("document.documentElement.scrollWidth"))

    def rows(self, picture: str, dataset: str) -> list[dict[str, Any]]:
        """What a picture shows, read back from its view."""
        return list(
            self.page.evaluate(
                "([picture, data]) => document.querySelector(`[data-picture=${picture}]`).view.data(data)"
                ".map(row => ({...row}))",
                [picture, dataset],
            )
        )

    def marks(self, picture: str, kind: str) -> Any:
        """The marks of a picture, of one kind."""
        return self.page.locator(
            f"[data-picture={picture}] .mark-{kind}:not([class*=role-]) > *, "
            f"[data-picture={picture}] .mark-{kind}.role-mark > *"
        )

    def tip(self, mark: Any) -> dict[str, str]:
        """What is shown while a mark is pointed at."""
        mark.scroll_into_view_if_needed()
        mark.hover(force=True)
        tip = self.page.locator("#tip")
        return dict(zip(tip.locator("dt").all_inner_texts(), tip.locator("dd").all_inner_texts(), strict=True))


@contextmanager
def window(browser: Browser, file: Path, width: int, **options: Any) -> Iterator[Shown]:
    """Show a file of HTML until the end of the context."""
    context = browser.new_context(viewport={"width": width, "height": 800}, **options)
    page = context.new_page()
    shown = Shown(page, file.as_uri())
    page.on("request", lambda request: shown.requests.append(request.url))
    page.on("dialog", lambda dialog: (shown.said.append(dialog.message), dialog.dismiss()))
    page.on("console", lambda line: shown.said.append(line.text))
    page.on("pageerror", lambda error: shown.said.append(str(error)))
    page.goto(shown.url)
    yield shown
    context.close()
