"""How markdown is written for one kind of reader.

A flavour says how a text stands in the document, never which: names and paths come from logs that anybody may have
written, and each flavour has its own way to keep them from becoming markup.
"""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING, Protocol

from tabulate import tabulate

from pytest_token_telemetry.wording import inert

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class Flavour(Protocol):
    """How each kind of text is written. All that is returned is markdown, fit for the cell of a table too."""

    def own(self, text: str) -> str:
        """Our own words, and settings within them."""

    def code(self, untrusted: str | None) -> str:
        """A text that anybody may have written, on one line and inert."""

    def strong(self, own: str) -> str:
        """Words that must not be missed, in a cell."""

    def lead(self, headline: str, alert: str | None) -> str:
        """The headline, as an alert of this name if there is one."""

    def figures(self, header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
        """A table of our own words, in sight."""

    def table(self, header: Sequence[str], rows: Iterable[Sequence[str]], more: int = 0) -> str:
        """A table of details. ``more`` is how many rows were left out."""

    def remark(self, text: str) -> str:
        """A sentence below a table."""

    def stacked(self, blocks: Iterable[str]) -> str:
        """The tables and remarks of one part, below each other."""

    def part(self, title: str, body: str) -> str:
        """Details below a title."""

    def section(self, title: str, sentences: str, table: str) -> str:
        """What was asked for besides: its sentences in sight, its table among the details."""

    def last_line(self, text: str) -> str:
        """What the report is about."""


class _GitHub:
    """For GitHub: details are folded, and an alert stands out.

    Untrusted texts stand in HTML ``<code>`` in HTML tables only, escaped: there GitHub makes no mention, reference,
    link or emoji of them, and no pipe or back-tick ends a cell.
    """

    def own(self, text: str) -> str:
        return html.escape(text, quote=False).replace("|", "&#124;")

    def code(self, untrusted: str | None) -> str:
        return "not said" if untrusted is None else f"<code>{html.escape(inert(untrusted)) or '&nbsp;'}</code>"

    def strong(self, own: str) -> str:
        return f"<b>{own}</b>"

    def lead(self, headline: str, alert: str | None) -> str:
        return f"> [!{alert}]\n> **{headline}**" if alert else f"**{headline}**"

    def figures(self, header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
        return tabulate(rows, header, tablefmt="github", disable_numparse=True)

    def table(self, header: Sequence[str], rows: Iterable[Sequence[str]], more: int = 0) -> str:
        """In HTML, without a blank line, which would end it."""
        lines = [f"<tr>{''.join(f'<th>{cell}</th>' for cell in header)}</tr>"]
        lines += (f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
        if more > 0:
            lines.append(f"<tr><td>and {more:,} more</td></tr>")
        return "<table>\n" + "\n".join(lines) + "\n</table>"

    def remark(self, text: str) -> str:
        return f"<p>{text}</p>"

    def stacked(self, blocks: Iterable[str]) -> str:
        return "\n".join(filter(None, blocks))

    def part(self, title: str, body: str) -> str:
        return f"<details><summary>{title}</summary>\n\n{body}\n\n</details>" if body else ""

    def section(self, title: str, sentences: str, table: str) -> str:
        if not table:
            return f"**{title}**\n\n{sentences}"
        folded = self.part(title, table)
        return f"{sentences}\n\n{folded}" if sentences else folded

    def last_line(self, text: str) -> str:
        return f"<sub>{text}</sub>"


class _Plain:
    """For GitLab, Bitbucket and e-mail: markdown that reads well as it is, without HTML.

    Untrusted texts stand in code spans, whose fence is longer than any run of back-ticks in them. A pipe would end a
    table's cell even there, and an escaped one would not read well as it is: it is shown as a broken bar.
    """

    def own(self, text: str) -> str:
        return _HTML.sub(r"\\\g<0>", text).replace("|", _BAR)

    def code(self, untrusted: str | None) -> str:
        if untrusted is None:
            return "not said"
        text = _LONG_FENCE.sub("…", inert(untrusted).replace("|", _BAR)) or "\N{NO-BREAK SPACE}"
        fence = "`" * (max(map(len, _FENCE.findall(text)), default=0) + 1)
        pad = " " if text[0] in "` " or text[-1] in "` " else ""  # parsers take one blank off either end
        return f"{fence}{pad}{text}{pad}{fence}"

    def strong(self, own: str) -> str:
        return f"**{own}**"

    def lead(self, headline: str, alert: str | None) -> str:  # noqa: ARG002 - the heading says as much
        return f"**{headline}**"

    def figures(self, header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
        return self.table(header, rows)

    def table(self, header: Sequence[str], rows: Iterable[Sequence[str]], more: int = 0) -> str:
        """With pipes, below each other where the cells are not too long."""
        lines = [header, *rows]
        widths = [min(max(_NARROWEST, *map(len, column)), _WIDEST) for column in zip(*lines, strict=True)]
        lines.insert(1, ["-" * width for width in widths])
        widths[-1] = 0
        text = "\n".join(
            f"| {' | '.join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))} |" for line in lines
        )
        return f"{text}\n\nand {more:,} more" if more > 0 else text

    def remark(self, text: str) -> str:
        return text

    def stacked(self, blocks: Iterable[str]) -> str:
        return "\n\n".join(filter(None, blocks))

    def part(self, title: str, body: str) -> str:
        return f"### {title}\n\n{body}" if body else ""

    def section(self, title: str, sentences: str, table: str) -> str:
        return self.part(title, self.stacked((sentences, table)))

    def last_line(self, text: str) -> str:
        return text


_BAR = "\N{BROKEN BAR}"

_NARROWEST, _WIDEST = 3, 40
"""Characters to which the cells of a column are filled up: as many as the line below the header needs, or more."""

_FENCE = re.compile("`+")

_LONG_FENCE = re.compile("`{20,}")
"""Parsers look for no end of a span that begins with more than 80 (``MAXBACKTICKS`` of cmark)."""

_HTML = re.compile(r"[<&](?=[A-Za-z/!?#])")

GITHUB: Flavour = _GitHub()
PLAIN: Flavour = _Plain()

FLAVOURS = {"github": GITHUB, "plain": PLAIN}
"""By the name that the setting has for it."""
