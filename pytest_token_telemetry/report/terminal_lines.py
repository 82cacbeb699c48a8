"""Text as a terminal shows it: how wide it is, on lines that are not wider, and tables of figures and names."""

from __future__ import annotations

import re
import textwrap
import unicodedata
from itertools import takewhile, zip_longest
from typing import TYPE_CHECKING

from tabulate import tabulate

from pytest_token_telemetry.option import ROOT
from pytest_token_telemetry.text import NOT_GIVEN, inert, pieces

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_token_telemetry.report.tables import Table
    from pytest_token_telemetry.text import Sentence

Line = tuple[str, dict[str, bool]]
"""A line and how to mark it."""

_OPTION = f"--{ROOT}"
_INDENT = 5 * " "

_WIDEST_TITLE = 15
"""Columns of a title before it goes on in the next line."""

_NARROW_TITLE = 8
"""The same where all figures are short."""

_LEAST_NAME = 14
"""Columns that are left to each name, however little room there is."""

_GAP = "  "


def columns_of(text: str) -> int:
    """How wide ``text`` is: Chinese, Japanese and Korean letters and emoji take two columns."""
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)


def cut(text: str, width: int) -> str:
    """The beginning of ``text`` that fits into ``width`` columns."""
    if columns_of(text) <= width:
        return text
    end, room = 0, width - 1
    while (room := room - columns_of(text[end])) >= 0:
        end += 1
    return f"{text[:end]}…"


def wrapped(text: str, width: int, marks: dict[str, bool]) -> list[Line]:
    """``text`` on lines of less than ``width`` columns, those after the first indented.

    An option with its value is never broken, however long it is: it can be pasted from where the terminal breaks it.
    """
    text = _QUOTED.sub(lambda found: found[0].replace(" ", "\2"), text)
    whole = "".join(f"{char}\1" if columns_of(char) == 2 else char for char in text)
    rest = max(width - len(_INDENT) - len(_OPTION), 0)
    lines: list[str] = []
    for i, part in enumerate(re.split(rf"(?<!\S)(\"?{_OPTION}\S{{{rest},}})", whole)):
        indent = _INDENT if lines else ""
        if i % 2:
            lines.append(f"{indent}{part}")
        else:
            lines += textwrap.wrap(
                part.lstrip() if i else part,
                width - 1,
                initial_indent=indent,
                subsequent_indent=_INDENT,
                break_on_hyphens=False,
            )
    return [(line.replace("\1", "").replace("\2", " "), marks) for line in lines]


_QUOTED = re.compile(rf'"{_OPTION}[^"]*"')
"""An option whose value has blanks."""


def within(lines: list[Line], width: int) -> list[Line]:
    """``lines`` of figures: those that a narrow terminal has no room for go on in the next."""
    return [
        part
        for text, marks in lines
        for part in (wrapped(text, width, marks) if columns_of(text) > width else [(text, marks)])
    ]


def table_lines(table: Table, width: int, *, whole_names: bool) -> Iterator[str]:
    """Our own figures below each other, to the right; then the names.

    Where the figures take too many columns, some of them follow below, with the names again. Names that do not fit go
    on in the next line or lose their middle, unless they are to be ``whole``.
    """
    own = [sum(1 for _ in takewhile(lambda cell: isinstance(cell, str), row)) for row in table.rows]
    figures = min(own, default=len(table.columns))
    every = [(title, *map(_name, cells)) for title, *cells in zip(table.columns, *table.rows, strict=True)]
    columns = [_titled(title, cells) for title, *cells in every[:figures] if any(cells)]
    named = [column for column in every[figures:] if any(column[1:])]
    sizes = [max(map(columns_of, column)) for column in named]
    names = [*zip(*named, strict=True)] or [()] * (len(table.rows) + 1)
    least = sum(min(size, _LEAST_NAME) + len(_GAP) for size in sizes)
    for at, block in enumerate(_blocks(columns, width - least)):
        yield from [""] if at else []
        taken = sum(_wide(column) + len(_GAP) for column in block)
        room = sizes if whole_names else _room(sizes, width - taken)
        lines = _beside(block, [[_lines(*cell) for cell in zip(row, room, strict=True)] for row in names])
        for left, cells in lines:
            padded = (f"{cell}{' ' * (size - columns_of(cell))}" for cell, size in zip(cells, room, strict=True))
            yield _GAP.join((*left, *padded)).rstrip()


def _titled(title: str, figures: list[str]) -> list[str]:
    """A column of ``figures`` below its title, which may take several lines."""
    widest = max(map(len, figures), default=0)
    if widest <= _NARROW_TITLE:
        title = title.replace("underestimated", "under-estimated")
    most = max(widest, _WIDEST_TITLE if widest > _NARROW_TITLE else _NARROW_TITLE)
    return [*(textwrap.wrap(title, most, break_long_words=False) or [""]), *figures]


def _wide(column: list[str]) -> int:
    return max(map(len, column))


def _blocks(columns: list[list[str]], width: int) -> Iterator[list[list[str]]]:
    """As many ``columns`` side by side as fit into ``width``, one at least."""
    block: list[list[str]] = []
    taken = 0
    for column in columns:
        if block and taken + _wide(column) > width:
            yield block
            block, taken = [], 0
        block.append(column)
        taken += _wide(column) + len(_GAP)
    yield block


def _beside(block: list[list[str]], names: list[list[list[str]]]) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    """The lines of a ``block`` of figures, each with what stands there of the ``names``, which begin with their titles.

    The titles of names stand in the last line of the others.
    """
    tall = max((len(column) for column in block), default=len(names))
    rows = zip(*([""] * (tall - len(column)) + column for column in block), strict=True)
    lines = tabulate([*rows], tablefmt="plain", stralign="right", disable_numparse=True).split("\n") if block else []
    wide = max(map(len, lines), default=0)
    beside = [[[""] for _ in names[0]]] * (tall - len(names)) + names
    for at, row in enumerate(beside):
        for i, cells in enumerate(zip_longest(*row, fillvalue="") if row else [()]):
            yield ((lines[at] if not i else "").ljust(wide),) if block else (), cells


def _room(sizes: list[int], width: int) -> list[int]:
    """How many columns each name gets, where all together have ``width``: the longest give way."""
    room = [*sizes]
    while sum(room) + len(_GAP) * (len(room) - 1) > width and max(room) > _LEAST_NAME:
        room[room.index(max(room))] -= 1
    return room


def _lines(name: str, width: int) -> list[str]:
    """``name`` on lines of ``width`` columns: a longer word loses its middle, and a path its beginning."""
    if columns_of(name) <= width:
        return [name]
    found = []
    for line in textwrap.wrap(name, width, break_long_words=False, break_on_hyphens=False):
        kept = width if "/" in line else width * 2 // 3
        end = cut(line[::-1], kept)[::-1]
        found.append(line if columns_of(line) <= width else f"{cut(line, width - columns_of(end) + 1)[:-1]}{end}")
    return found


def _name(cell: Sentence) -> str:
    """A cell of names, each on this line and not too long."""
    return "".join(part if isinstance(part, str) else inert_name(part.text) for part in pieces(cell))


def inert_name(untrusted: str | None) -> str:
    """A name of others, of 200 characters at most."""
    return f"({NOT_GIVEN})" if untrusted is None else inert(untrusted, 200)
