"""HTML that is safe by its type: what is not `Html` is escaped, and an `Untrusted` text is made inert as well."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

from pytest_token_telemetry.text import NOT_GIVEN, Untrusted, inert, pieces

if TYPE_CHECKING:
    from pytest_token_telemetry.text import Sentence


class Html(str):
    """A text that is HTML. Only this module makes it of others."""

    __slots__ = ()


def markup(content: Sentence | Html) -> Html:
    """``content`` as HTML: our own words escaped, names as code on one line."""
    if isinstance(content, Html):
        return content
    return Html("".join(_piece(part) for part in pieces(content)))


def tag(name: str, /, *children: Sentence | Html, **attributes: str | bool) -> Html:
    """An element. An attribute ``aria_label`` is written ``aria-label``, ``class_`` is ``class``; True has no value."""
    written = "".join(
        f" {key.rstrip('_').replace('_', '-')}" + ("" if value is True else f'="{html.escape(str(value))}"')
        for key, value in attributes.items()
        if value is not False
    )
    inside = "".join(map(markup, children))
    return Html(f"<{name}{written}>{inside}" + ("" if name in _VOID else f"</{name}>"))


_VOID = ("meta", "input")
"""Elements without an end."""


def raw(kind: str, text: str, **attributes: str) -> Html:
    """A script or a style with ``text`` as it is, which is ours or JSON.

    Raises:
        ValueError: the text would end the element, or begin what the parser reads in another way.
    """
    if any(each in text.lower() for each in (f"</{kind}", "<!--", "<script")):
        raise ValueError(f"a {kind} that ends too early")
    opening = tag(kind, **attributes).removesuffix(f"</{kind}>")
    return Html(f"{opening}{text}</{kind}>")


def _piece(part: str | Untrusted) -> str:
    if isinstance(part, str):
        return html.escape(part)
    return html.escape(NOT_GIVEN) if part.text is None else f"<code>{html.escape(inert(part.text)) or '&nbsp;'}</code>"
