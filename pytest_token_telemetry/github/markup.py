"""Text that anybody may have written, as GitHub markdown that it cannot leave.

All blocks are HTML without a blank line, where no markdown is read. A name stands in ``<code>`` there, where GitHub
makes no mention, reference, commit link or emoji of it either (its filters skip ``pre`` and ``code``; an escaped ``@``
they do not: https://github.com/gjtorikian/html-pipeline, ``mention_filter.rb``).
"""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING

from pytest_token_telemetry.wording import LONGEST_SHOWN, inert

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

LONGEST_SENTENCE = 400
"""Characters that are shown of a sentence."""


def code(untrusted: str | None, longest: int = LONGEST_SHOWN) -> str:
    """A name, as HTML."""
    if untrusted is None:
        return "not said"
    return f"<code>{html.escape(inert(untrusted, longest)) or '&nbsp;'}</code>"


def sentence(untrusted: str, *, quoted: bool = False) -> str:
    """A sentence, as HTML: as it is if it is of plain words and figures and not to be ``quoted``, else as `code`."""
    if (
        not quoted
        and len(untrusted) <= LONGEST_SENTENCE
        and _PLAIN.fullmatch(untrusted)
        and not _REFERENCE.search(untrusted)
    ):
        return own(untrusted)
    return code(untrusted, LONGEST_SENTENCE)


_WORD = r"[A-Za-z]+(?:[_'-][A-Za-z]+)*|[A-Z]\d{1,2}"
_FIGURE = r"\d{1,6}(?:[.,]\d{1,6})?(?:[-/]\d{1,6})?[x+]?"
_TOKEN = rf"(?:\(?(?:{_WORD}|{_FIGURE})\)?[.,:;]?|%[),.;]{{0,2}}|<=|<|=)"
_PLAIN = re.compile(rf"{_TOKEN}(?: {_TOKEN})*")
"""No character that begins a mention, a reference, an address, an emoji or markup, and no word and figure in one."""

_REFERENCE = re.compile(r"\b[0-9a-fA-F]{7,}\b")
"""GitHub links what may be a commit."""


def own(text: str) -> str:
    """Our own words, as HTML."""
    return html.escape(text, quote=False)


def table(header: Sequence[str], rows: Iterable[Sequence[str]], more: int = 0) -> str:
    """A table of cells that are HTML already. ``more`` is how many rows were left out."""
    lines = [f"<tr>{''.join(f'<th>{cell}</th>' for cell in header)}</tr>"]
    lines += (f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    if more > 0:
        lines.append(f"<tr><td>and {more:,} more</td></tr>")
    return "<table>\n" + "\n".join(lines) + "\n</table>"


def bullets(items: Iterable[str]) -> str:
    """A list of HTML texts, or nothing."""
    lines = [f"<li>{item}</li>" for item in items]
    return "\n".join(("<ul>", *lines, "</ul>")) if lines else ""


def folded(summary: str, body: str) -> str:
    """``body`` below a summary in our own words, or nothing."""
    return f"<details><summary>{summary}</summary>\n\n{body}\n\n</details>" if body else ""
