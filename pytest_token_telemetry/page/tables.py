"""The tables of the page: those of all reports, that can be sorted, filtered and copied."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_token_telemetry.page.markup import Html, tag
from pytest_token_telemetry.report import sections, words
from pytest_token_telemetry.report.tables import Section, Table
from pytest_token_telemetry.text import pieces

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_token_telemetry.report.model import Report
    from pytest_token_telemetry.text import Sentence


def tables(report: Report) -> Iterator[Html]:
    """A part that can be folded for each section of ``report``; that of the worst calls is open."""
    for i, section in enumerate(_sections(report)):
        body = [*(tag("p", sentence) for sentence in section.sentences)]
        body += [_table(section.title, table) for table in section.tables]
        body += [tag("p", remark, class_="note") for remark in section.remarks]
        yield tag("details", tag("summary", section.title), *body, open=i == 0)


def _sections(report: Report) -> Iterator[Section]:
    """All checks, and what other reports show, single calls first."""
    singled_out = [*sections.single_calls(report)]
    yield from singled_out
    yield _checks(report)
    others = (*sections.details(report), *sections.compared(report))
    yield from (section for section in others if section.tables and section not in singled_out)


def _checks(report: Report) -> Section:
    rows: tuple[tuple[Sentence, ...], ...] = tuple(
        (each.outcome, words.known_id(each.id), words.message(report, each)) for each in report.checks
    )
    return Section("Checks", tables=(Table(("outcome", "check", "figure"), rows),))


def _table(title: str, table: Table) -> Html:
    """The table, what it can be searched and copied with, and a place to say what was done."""
    figures = {
        column
        for column in range(len(table.columns))
        if all(_is_figure(row[column]) for row in table.rows) and any(row[column] for row in table.rows)
    }
    name = f"{title}: {table.columns[-1]}"
    rows = [
        tag("tr", *(_cell(cell, marked=(i, j) in table.marked, figure=j in figures) for j, cell in enumerate(row)))
        for i, row in enumerate(table.rows)
    ]
    heads = [tag("th", tag("button", column or "of", type="button"), scope="col") for column in table.columns]
    tools = tag(
        "div",
        tag("input", type="search", placeholder="filter", aria_label=f"filter {name}"),
        tag("button", "Copy as CSV", type="button", data_copy=True),
        tag("span", "", role="status", class_="note"),
        class_="tools",
    )
    inside = tag("table", tag("thead", tag("tr", *heads)), tag("tbody", *rows))
    scrolled = tag("div", inside, class_="rows", tabindex="0", role="region", aria_label=name)
    return tag("div", tools, scrolled, data_table=True)


def _cell(cell: Sentence, *, marked: bool, figure: bool) -> Html:
    kinds = " ".join(["figure"] * figure + ["marked"] * marked)
    return tag("td", cell, class_=kinds or False)


def _is_figure(cell: Sentence) -> bool:
    """True if the cell is our own and holds a figure, or none."""
    only = pieces(cell)
    return (
        len(only) == 1
        and isinstance(only[0], str)
        and (not only[0] or only[0][0] in "-(~0123456789" or only[0] == "none")
    )
