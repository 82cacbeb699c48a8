"""Put the page together: the verdict first, then pictures, then tables; one file without anything to fetch.

A policy in the file itself lets the browser run the page's own two scripts and nothing else, by their digests, and
load nothing. Names are text in every place; the data of pictures is JSON that no script contains.
"""

from __future__ import annotations

import base64
import hashlib
import json
from functools import cache
from importlib import import_module
from importlib.resources import files
from typing import TYPE_CHECKING

from pytest_token_telemetry import __version__
from pytest_token_telemetry.page import call_pictures, rate_pictures, readiness_picture
from pytest_token_telemetry.page.markup import Html, raw, tag
from pytest_token_telemetry.page.tables import tables
from pytest_token_telemetry.report import advice, markdown, sections, words
from pytest_token_telemetry.text import plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_token_telemetry.gate.results import Result
    from pytest_token_telemetry.page.specs import Picture
    from pytest_token_telemetry.report.model import Report

MARK = "token-telemetry-page"
"""Stands near the beginning of every page, so that one of ours is known."""

MISSING = 'vl-convert-python is not installed (run pip install "pytest-token-telemetry[html]")'


class MissingError(Exception):
    """The library that brings Vega-Lite is not installed."""


def refuse_missing() -> None:
    """Return if pages can be made.

    Raises:
        MissingError: they cannot.
    """
    try:  # now: where a test runs pytest in this process, that is forgotten after it, and can be imported once
        import_module("vl_convert")
    except ModuleNotFoundError:
        raise MissingError(MISSING) from None
    except ImportError as error:
        raise MissingError(f"vl-convert cannot be imported: {error}") from None


def render(*reports: Report) -> str:
    """The page of the last of ``reports``, with the rates of all of them in their order.

    Raises:
        MissingError: the extra ``[html]`` is not installed.
    """
    report = reports[-1]
    first, pictures = rate_pictures.rates(report), every_picture(*reports)
    specs = {each.name: each.spec for each in [*([first] if first else []), *pictures]}
    style, script, vega = _own("page.css"), _own("page.js"), vega_embed()
    data = json.dumps(specs, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    title = plain(f"Token telemetry: {report.title}")
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="generator", content=f"{MARK} {__version__}"),
        tag("meta", http_equiv="Content-Security-Policy", content=_policy((vega, script), style)),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("title", title),
        raw("style", style),
    )
    main = tag(
        "main",
        _verdict(report),
        tag("div", *_first(report, first), class_="first"),
        _contents(pictures),
        tag("h2", "Pictures", id="pictures"),
        tag("div", *map(_figure, pictures), class_="pictures"),
        tag("h2", "Tables", id="tables"),
        *tables(report),
        tag(
            "p",
            f"{markdown.about(report)} · judged {report.created} · pytest-token-telemetry {__version__}",
            class_="note",
        ),
    )
    body = tag(
        "body",
        main,
        tag("div", "", id="tip", hidden=True, aria_hidden="true"),
        raw("script", _in_script(data), type="application/json", id="specs"),
        raw("script", vega),
        raw("script", script),
    )
    return f"<!doctype html>\n{tag('html', head, body, lang='en')}\n"


def every_picture(*reports: Report) -> list[Picture]:
    """The pictures below the first screen: those that the data has something for."""
    return [
        *call_pictures.pictures(reports[-1]),
        *rate_pictures.pictures(reports),
        *readiness_picture.pictures(reports[-1]),
    ]


@cache
def vega_embed() -> str:
    """Vega, Vega-Lite and Vega-Embed in one script, which needs no network and evaluates no text.

    Raises:
        MissingError: the library that has them is not installed.
    """
    try:
        from vl_convert import javascript_bundle
    except ModuleNotFoundError:
        raise MissingError(MISSING) from None
    return f"(() => {{{javascript_bundle('window.vegaEmbed = vegaEmbed;')}\n}})();"


def _own(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def _in_script(data: str) -> str:
    """JSON that no parser of HTML takes for markup."""
    return data.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _policy(scripts: Sequence[str], style: str) -> str:
    def digests(texts: Sequence[str]) -> str:
        found = (base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in texts)
        return " ".join(f"'sha256-{digest}'" for digest in found)

    own = f"script-src {digests(scripts)}; style-src {digests([style])}"
    return f"default-src 'none'; {own}; base-uri 'none'; form-action 'none'"


def _verdict(report: Report) -> Html:
    doubts = markdown.doubts_of(report)
    steps = [tag("li", step) for step in advice.next_steps(report)]
    return tag(
        "header",
        tag("h1", markdown.title(report.verdict, doubts)),
        tag("p", markdown.told(words.headline(report), doubts), class_="headline"),
        tag("ul", *steps, class_="steps"),
        data_verdict=report.verdict,
    )


def _first(report: Report, rates: Picture | None) -> Iterator[Html]:
    """What is seen below the verdict: the rates and what has changed, and beside them the checks."""
    changed = [
        tag("p", sentence)
        for section in sections.compared(report)
        if section.title in ("Base against head", "Drift", "Replayed estimator")
        for sentence in section.sentences
    ]
    nothing = tag("p", "Nothing to compare with: no baseline, no base estimator.", class_="note")
    yield tag(
        "div",
        *([] if rates is None else [_figure(rates, "h2")]),
        tag("section", tag("h2", "What has changed"), *(changed or [nothing]), class_="card"),
        class_="column",
    )
    tiers = [each for each in report.checks if each.id.startswith("tier") and not each.unasked]
    readiness = [each for each in report.checks if each.id.startswith("readiness::")]
    others = [each for each in report.checks if each not in tiers and each not in readiness]
    decide = [each for each in others if each.outcome == "fail"]
    rest = [each for each in others if each not in decide]
    checks = (_check(report, each) for each in (*report.unmet, *decide, *tiers, *rest))
    yield tag("section", tag("h2", "Checks"), tag("ul", *checks, class_="checks"), class_="card")


def _check(report: Report, result: Result) -> Html:
    outcome = tag("span", result.outcome, class_="outcome", data_outcome=result.outcome)
    said = words.message(report, result)
    return tag("li", outcome, " ", words.subject_of(result), ": ", said)


def _contents(pictures: Sequence[Picture]) -> Html:
    links = [tag("li", tag("a", each.title, href=f"#{each.name}")) for each in pictures]
    links.append(tag("li", tag("a", "Tables", href="#tables")))
    return tag("nav", tag("ul", *links), aria_label="Contents")


def _figure(picture: Picture, heading: str = "h3") -> Html:
    return tag(
        "figure",
        tag("figcaption", tag(heading, picture.title), tag("p", picture.reading, class_="note")),
        tag(
            "div",
            "",
            class_="picture",
            role="img",
            aria_label=f"{picture.title}. {picture.reading}",
            data_picture=picture.name,
        ),
        id=picture.name,
    )
