"""Take the pictures of the page that ``docs/page.md`` shows: ``python -m scripts.page_pictures``.

Each is a page of a real run of the gate on the examples: its first screen on a laptop and beside it on a phone, in
light and dark. Single pictures are SVG, of the page's own specifications. Needs what `screenshots` needs.
"""

from __future__ import annotations

import io
import json
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from pytest_token_telemetry.page.page import every_picture, render
from pytest_token_telemetry.page.specs import PALETTE
from pytest_token_telemetry.report.untrusted_file import read
from scripts.screenshots import CASES, IMAGES, ROOT, find_browser, judge, open_browser

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from pytest_token_telemetry.page.specs import Picture
    from pytest_token_telemetry.report.model import Report
    from scripts.screenshots import Case

Scheme: TypeAlias = Literal["light", "dark"]

SCHEMES: tuple[Scheme, ...] = ("light", "dark")

WIDTHS = (1280, 390)
HEIGHT = 800

SHOWN = ("outputs", "ratios", "caps", "forest-underestimation", "readiness")
"""Pictures that the docs have as SVG, those of the case `pass`."""


_PAGES = [case for case in CASES if case.judged and not case.unverified]


def main() -> None:
    """Take all pictures."""
    with open_browser(find_browser()) as browser:
        for case in _PAGES:
            found = report(case)
            for scheme in SCHEMES:
                _write(_page(case, scheme), screens(browser, render(found), scheme))
            if case.name == "pass":
                for each in every_picture(found):
                    if each.name in SHOWN:
                        _write(_single(each.name), svg(each).encode())


def paths() -> set[Path]:
    """All that are taken."""
    return {_page(case, scheme) for case in _PAGES for scheme in SCHEMES} | set(map(_single, SHOWN))


def _page(case: Case, scheme: Scheme) -> Path:
    return IMAGES / f"page-{case.name}-{scheme}.png"


def _single(name: str) -> Path:
    return IMAGES / f"page-{name}.svg"


def report(case: Case) -> Report:
    """The gate's report on an example, with its calls."""
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "report.json"
        judge((*case.gate, f"--token-telemetry-html={directory}/page.html"), file)
        return read(file)


def screens(browser: Browser, document: str, scheme: Scheme) -> bytes:
    """A PNG of the first screens, as small as their few colours allow."""
    from PIL import Image

    whole = Image.new("RGB", (sum(WIDTHS) + 20, HEIGHT), "#808080")
    left = 0
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "page.html"
        file.write_text(document, encoding="utf-8")
        for width in WIDTHS:
            context = browser.new_context(
                viewport={"width": width, "height": HEIGHT},
                color_scheme=scheme,
                offline=True,
            )
            shown = context.new_page()
            shown.goto(file.as_uri())
            shown.wait_for_selector("[data-picture]:not([data-drawn])", state="detached")
            whole.paste(Image.open(io.BytesIO(shown.screenshot())), (left, 0))
            left += width + 20
            context.close()
    small = io.BytesIO()
    whole.quantize(64, Image.Quantize.FASTOCTREE).save(small, "PNG", optimize=True)
    return small.getvalue()


def svg(picture: Picture) -> str:
    """The same picture without a page: on white paper, in its colours by name."""
    from vl_convert import vegalite_to_svg

    text = json.dumps({**picture.spec, "width": 560, "background": "white"})
    for name, colour in PALETTE.items():
        text = text.replace(name, colour)
    return f"{vegalite_to_svg(json.loads(text))}\n"


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    sys.stdout.write(f"{path.relative_to(ROOT)}: {len(content):,} bytes\n")


if __name__ == "__main__":
    main()
