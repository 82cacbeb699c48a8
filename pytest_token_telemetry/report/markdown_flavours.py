"""How markdown is written for one kind of reader.

A flavour says how a text stands in the document, never which: names and paths come from logs that anybody may have
written, and each flavour has its own way to keep them from becoming markup.
"""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING

from pytest_token_telemetry.text import LONGEST_SHOWN, NOT_GIVEN, Located, Untrusted, inert, pieces

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pytest_token_telemetry.text import Piece, Sentence


class Flavour:
    """How each kind of text is written for GitHub: details are folded, and an alert stands out.

    All that is returned is markdown, fit for the cell of a table too.

    Untrusted texts stand in HTML ``<code>`` in HTML blocks only, escaped: there GitHub makes no mention, reference,
    link or emoji of them (its filters skip ``code``: https://github.com/gjtorikian/html-pipeline,
    ``mention_filter.rb``),
    and no pipe or back-tick ends a cell.
    """

    def own(self, text: str) -> str:
        """Our own words, and figures within them."""
        return html.escape(text, quote=False).replace("|", "&#124;")

    def code(self, untrusted: str | None, longest: int = LONGEST_SHOWN) -> str:
        """A text that anybody may have written, on one line and inert."""
        return NOT_GIVEN if untrusted is None else f"<code>{html.escape(inert(untrusted, longest)) or '&nbsp;'}</code>"

    def located(self, source: str | None) -> str:
        """Where a call stands."""
        return self.code(source)

    def strong(self, written: str) -> str:
        """What must not be missed, in a cell."""
        return f"<b>{written}</b>"

    def lead(self, headline: str, alert: str | None) -> str:
        """The headline, as an alert of this name if there is one."""
        return f"> [!{alert}]\n> **{headline}**" if alert else f"**{headline}**"

    def bullets(self, items: Iterable[str]) -> str:
        """Sentences below each other; nothing without any."""
        lines = [f"<li>{item}</li>" for item in items]
        return "\n".join(("<ul>", *lines, "</ul>")) if lines else ""

    def table(self, header: Sequence[str], rows: Iterable[Sequence[str]], more: int = 0) -> str:
        """A table in HTML, without a blank line, which would end it. ``more`` is how many rows were left out."""
        lines = [f"<tr>{''.join(f'<th>{cell}</th>' for cell in header)}</tr>"]
        lines += (f"<tr>{''.join(f'<td>{_unbroken(cell)}</td>' for cell in row)}</tr>" for row in rows)
        if more > 0:
            lines.append(f"<tr><td>and {more:,} more</td></tr>")
        return "<table>\n" + "\n".join(lines) + "\n</table>"

    def remark(self, text: str) -> str:
        """A sentence below a table."""
        return f"<p>{text}</p>"

    def stacked(self, blocks: Iterable[str]) -> str:
        """The blocks of one part, below each other."""
        return "\n".join(filter(None, blocks))

    def folded(self, title: str, body: str) -> str:
        """Details below a title; nothing without a body."""
        return f"<details><summary>{title}</summary>\n\n{body}\n\n</details>" if body else ""

    def section(self, title: str, sentences: str, tables: str) -> str:
        """What was asked for besides: its sentences in sight, its tables among the details."""
        if not tables:
            return f"<p><b>{title}</b></p>\n{sentences}"
        return "\n\n".join(filter(None, (sentences, self.folded(title, tables))))

    def last_line(self, text: str) -> str:
        """What the report is about."""
        return f"<sub>{text}</sub>"


def _unbroken(cell: str) -> str:
    """Keeps a mark and its word on one line: the browser would part them in narrow columns."""
    return _PARTABLE.sub("&nbsp;", cell)


_PARTABLE = re.compile(r"(?<=^[❌✅⚪]) |(?<=^⚠️) ")


class _Plain(Flavour):
    """For GitLab, Bitbucket and e-mail: markdown that reads well as it is, without HTML.

    Untrusted texts stand in code spans, whose fence is longer than any run of back-ticks in them. A pipe would end a
    table's cell even there, and an escaped one would not read well as it is: it is shown as a broken bar.
    """

    def own(self, text: str) -> str:
        return _MARKUP.sub(r"\\\g<0>", text).replace("|", _BAR)

    def code(self, untrusted: str | None, longest: int = LONGEST_SHOWN) -> str:
        if untrusted is None:
            return NOT_GIVEN
        text = _LONG_FENCE.sub("…", inert(untrusted, longest).replace("|", _BAR)) or "\N{NO-BREAK SPACE}"
        fence = "`" * (max(map(len, _FENCE.findall(text)), default=0) + 1)
        pad = " " if text[0] in "` " or text[-1] in "` " else ""  # parsers take one blank off either end
        return f"{fence}{pad}{text}{pad}{fence}"

    def strong(self, written: str) -> str:
        return f"**{written}**"

    def lead(self, headline: str, alert: str | None) -> str:  # noqa: ARG002 - the heading says as much
        return f"**{headline}**"

    def bullets(self, items: Iterable[str]) -> str:
        return "\n".join(f"- {item}" for item in items)

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

    def folded(self, title: str, body: str) -> str:
        return f"### {title}\n\n{body}" if body else ""

    def section(self, title: str, sentences: str, tables: str) -> str:
        return self.folded(title, self.stacked((sentences, tables)))

    def last_line(self, text: str) -> str:
        return text


def written(write: Flavour, sentence: Sentence) -> str:
    """``sentence`` in a flavour."""
    return "".join(_piece(write, part) for part in pieces(sentence))


def _piece(write: Flavour, part: Piece) -> str:
    match part:
        case Located():
            return write.located(part.text)
        case Untrusted():
            return write.code(part.text)
    return write.own(part)


_BAR = "\N{BROKEN BAR}"

_NARROWEST, _WIDEST = 3, 40
"""Characters to which the cells of a column are filled up: as many as the line below the header needs, or more."""

_FENCE = re.compile("`+")

_LONG_FENCE = re.compile("`{20,}")
"""Parsers look for no end of a span that begins with more than 80 (``MAXBACKTICKS`` of cmark)."""

_MARKUP = re.compile(r"[<&](?=[A-Za-z/!?#])|\*")
"""What begins HTML, or the emphasis or the list that a star would."""

GITHUB = Flavour()
PLAIN = _Plain()

FLAVOURS: dict[str, Flavour] = {"github": GITHUB, "plain": PLAIN}
"""By the name that the setting has for it."""
