"""Take the pictures of the comment that ``docs/pull-requests.md`` shows: ``python scripts/screenshots.py``.

Each is a real run of the gate on the examples, the comment on its report, and a browser that shows it. Needs the extra
``browser``, Chromium or Chrome, and two fonts: on Debian, ``apt-get install chromium fonts-liberation
fonts-noto-color-emoji``. A browser that is not on ``PATH`` is named in ``TOKEN_TELEMETRY_BROWSER``.
"""

from __future__ import annotations

import io
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

import cmarkgfm
from cmarkgfm.cmark import Options

from pytest_token_telemetry.command import run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

Theme: TypeAlias = Literal["light", "dark"]

ROOT = Path(__file__).parent.parent
IMAGES = ROOT / "docs" / "images"
STYLE = ROOT / "scripts" / "comment.css"

WIDTH, PHONE = 1000, 390
"""Of the window, in pixels: what a pull request leaves a comment on a laptop, and a phone."""

SCALES = {WIDTH: 1.0, PHONE: 1.5}
"""Pixels of a picture for one of the page: sharp enough, and small."""

THEMES: tuple[Theme, ...] = ("light", "dark")

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
"""Their programs, where they are on ``PATH``."""


@dataclass(frozen=True, slots=True)
class Case:
    """A comment to show."""

    name: str
    gate: tuple[str, ...]
    """pytest's options."""
    unverified: bool = False
    judged: bool = True
    """False if the session ends before its verdict."""

    def image(self, width: int, theme: Theme) -> Path:
        """Its picture: the one on a laptop in the light theme has the plain name."""
        phone, dark = "-phone" if width == PHONE else "", "-dark" if theme == "dark" else ""
        return IMAGES / f"comment-{self.name}{phone}{dark}.png"


_PASSES = "--token-telemetry-dir=examples/passes"
_CHANGE = (
    "--token-telemetry-estimator=examples/estimator::replay:replay",
    "--token-telemetry-base-estimator=examples/estimator/main::replay:replay",
)

CASES = (
    Case("pass", (_PASSES,)),
    Case("tune", (_PASSES, *_CHANGE)),
    Case("not-ready", ("--token-telemetry-dir=examples/not-ready",)),
    Case("inconclusive", (_PASSES, "--token-telemetry-confidence=95%")),
    Case("no-verdict", ("--token-telemetry-dir=examples/gone",), judged=False),
    Case("unverified", (_PASSES,), unverified=True),
)

_JOB = {
    "GITHUB_REPOSITORY": "octo-org/agent",
    "GITHUB_SHA": "9f8e7d6c5b4a39281706f5e4d3c2b1a098765432",
    "GITHUB_RUN_ID": "7000",
    "GITHUB_RUN_NUMBER": "123",
    "GITHUB_RUN_ATTEMPT": "1",
}
_CREATED = "2026-01-05T09:00:00Z"
"""When each report was made, so that a picture changes only with the comment."""

_ALERT = re.compile(r"<blockquote>\n<p>\[!(NOTE|WARNING|CAUTION)\]\n(.*?)</blockquote>", re.DOTALL)
_SIGNS = {
    "NOTE": "M8 1a7 7 0 1 0 0 14a7 7 0 1 0 0-14M8 4v1.5M8 7.5v4",
    "WARNING": "M8 1.5L15 14H1zM8 6v4M8 11.5v1",
    "CAUTION": "M5 1h6l4 4v6l-4 4H5l-4-4V5zM8 4v5M8 10.5v1.5",
}
"""What the titles of alerts begin with, as lines of an SVG of 16 by 16: few fonts have all three."""


def main() -> None:
    """Take all pictures."""
    IMAGES.mkdir(exist_ok=True)
    with open_browser(find_browser()) as browser:
        for case in CASES:
            shown = page(comment(case))
            for width, theme in itertools.product(SCALES, THEMES):
                image = case.image(width, theme)
                image.write_bytes(picture(browser, shown, width, theme))
                sys.stdout.write(f"{image.relative_to(ROOT)}: {image.stat().st_size:,} bytes\n")


def comment(case: Case) -> str:
    """The comment as the command would post it."""
    with tempfile.TemporaryDirectory() as directory:
        report = Path(directory) / "report.json"
        judge(case.gate, report)
        out = io.StringIO()
        unverified = ["--unverified"] if case.unverified else []
        run(["comment", "--dry-run", f"--report={report}", *unverified], _JOB, out, time)
    said = out.getvalue()
    return said[said.index("<!-- ") :]


def judge(gate: tuple[str, ...], report: Path) -> None:
    """Run the gate, and keep its report."""
    quiet = ["-q", "-p", "no:randomly", "-p", "no:hypothesispytest", "-p", "no:cacheprovider"]
    subprocess.run(
        [sys.executable, "-m", "pytest", "token-telemetry", *quiet, *gate, f"--token-telemetry-json={report}"],
        cwd=ROOT,
        env={**os.environ, **_JOB, "PYTEST_ADDOPTS": ""},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=False,
    )
    found = json.loads(report.read_text(encoding="utf-8"))
    report.write_text(json.dumps({**found, "created": _CREATED}), encoding="utf-8")


def page(markdown: str) -> str:
    """``markdown`` as a document that shows it like a comment on GitHub.

    GitHub's own parser makes it, with raw HTML left as it is: GitHub takes more away.
    """
    body = _ALERT.sub(_alert, cmarkgfm.github_flavored_markdown_to_html(markdown, Options.CMARK_OPT_UNSAFE))
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>Comment</title>\n'
        '<meta name="viewport" content="width=device-width">\n'
        f"<style>\n{STYLE.read_text(encoding='utf-8')}</style>\n</head>\n<body>\n<article>\n"
        "<header><b>github-actions</b> bot commented</header>\n"
        f"<section>\n{body}</section>\n</article>\n</body>\n</html>\n"
    )


def _alert(match: re.Match[str]) -> str:
    """The parser leaves alerts as quotes; the site that uses it does not."""
    kind, text = match.groups()
    sign = f'<svg viewBox="0 0 16 16"><path d="{_SIGNS[kind]}"/></svg>'
    return f'<div class="alert {kind.lower()}">\n<p class="title">{sign} {kind.capitalize()}</p>\n<p>{text}</div>'


def find_browser() -> str:
    """The path of a browser's program; empty if there is none."""
    named = os.environ.get("TOKEN_TELEMETRY_BROWSER")
    return named or next(filter(None, map(shutil.which, BROWSERS)), "")


@contextmanager
def open_browser(program: str) -> Iterator[Browser]:
    """A headless browser. It is not on the network, and knows nothing of the user's own."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program)
        try:
            yield browser
        finally:
            browser.close()


def picture(browser: Browser, document: str, width: int, theme: Theme) -> bytes:
    """A PNG of the comment in a window of ``width`` pixels, as small as its few colours allow."""
    from PIL import Image

    context = browser.new_context(
        viewport={"width": width, "height": 300},
        device_scale_factor=SCALES[width],
        color_scheme=theme,
        offline=True,
        java_script_enabled=False,
    )
    shown = context.new_page()
    shown.set_content(document)
    shot = shown.locator("article").screenshot()
    context.close()
    small = io.BytesIO()
    # The octree keeps the few red and green pixels of the marks; a median cut greys them for the sake of the text.
    few_colours = Image.open(io.BytesIO(shot)).convert("RGB").quantize(64, Image.Quantize.FASTOCTREE)
    few_colours.save(small, "PNG", optimize=True)
    return small.getvalue()


if __name__ == "__main__":
    main()
