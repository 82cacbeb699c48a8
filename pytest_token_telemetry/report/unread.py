"""Names that no field takes, in sentences: which field they may be, and how to have them read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_token_telemetry.option import flag
from pytest_token_telemetry.text import Untrusted, joined, plural

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from pytest_token_telemetry.report.model import Report
    from pytest_token_telemetry.sources.places import Within
    from pytest_token_telemetry.text import Piece, Sentence

_SHOWN = 8
"""Names that a sentence shows."""


def not_read(report: Report) -> list[Sentence]:
    """Which names may be which field: a note for each field and what has them."""
    found: list[Sentence] = []
    for (within, field), names in _near_misses(report).items():
        one = "it" if len(names) == 1 else "one"
        way = {
            "csv": (f"rename {one}, or map the CSV files (docs/field-map.md)",),
            "table": (f"map {one} (", *_mapping(field, names), ")"),
            "side": (f"rename {one} (docs/side-files.md)",),
            "metadata": (f"rename {one} (docs/batches.md)",),
            "line": (f"rename {one} (docs/own-system.md)",),
        }[within]
        found.append(("not read: ", *_few(names), _WHERE[within], " may be ", Untrusted(field), ": ", *way, "."))
    return found


def to_read(report: Report) -> Iterator[Sentence]:
    """Have names read that may be a field that no call has: a step for each of them."""
    lacking = _lacking(report)
    for (within, field), names in _near_misses(report).items():
        if field not in lacking:
            continue
        step = {
            "csv": ("Rename ", *_few(names), ", or map the CSV files (docs/field-map.md),"),
            "table": ("Map ", *_few(names), " (", *_mapping(field, names), ")"),
            "side": ("Rename ", *_few(names), _WHERE["side"]),
            "metadata": ("Rename ", *_few(names), _WHERE["metadata"]),
            "line": ("Rename ", *_few(names), _WHERE["line"]),
        }[within]
        yield (*step, " if it is ", Untrusted(field), ": no call has that.")


def to_map(report: Report, begin: str, fields: Sequence[str]) -> Iterator[Sentence]:
    """Map columns of tables that may hold ``fields`` by any name, if none is likely to. ``begin``: a clause."""
    columns = [each.column for each in report.counts.unused_columns if each.within == "table" and not each.field]
    if columns and not any(field in fields for _, field in _near_misses(report)):
        option = f"{flag('db_field')}={fields[0]}=COLUMN"
        yield (f"{begin} ({option}): no field takes ", *_few(columns, last="and"), ".")


def columns_of_side_files(report: Report) -> Sentence:
    """``: no field takes its columns prediction and kind``, or nothing."""
    names = [each.column for each in report.counts.unused_columns if each.within == "side"]
    if not names:
        return ""
    whose = "their" if report.counts.remarks.get("without_prediction", 0) > 1 else "its"
    columns = "column " if len(names) == 1 else "columns "
    return (f": no field takes {whose} {columns}", *_few(names, last="and"))


_WHERE: dict[Within, str] = {
    "csv": "",
    "table": "",
    "side": " in side files",
    "metadata": " in metadata",
    "line": " in lines of token-telemetry/1",
}


def _near_misses(report: Report) -> dict[tuple[Within, str], list[str]]:
    """The names that may be a field, by what has them and that field."""
    found: dict[tuple[Within, str], list[str]] = {}
    for each in report.counts.unused_columns:
        if each.field:
            found.setdefault((each.within, each.field), []).append(each.column)
    return found


def _lacking(report: Report) -> Collection[str]:
    """The fields that no call has."""
    counts, carried = report.counts, report.counts.carried
    if carried is None or not carried.samples:
        return ()
    having = {
        "predicted_output_tokens": carried.predictions,
        "max_tokens": carried.caps,
        "finish_reason": carried.reasons,
        "truncated": carried.reasons,
        "category": carried.categories,
        "complexity": carried.complexities,
        "deliverable_count": carried.deliverables,
        "success": carried.predictions == 0 or counts.silent_on_success < carried.predictions - carried.legacy,
    }
    return [field for field, calls in having.items() if not calls]


def _mapping(field: str, names: Sequence[str]) -> tuple[Piece, ...]:
    """The option that maps a column of a table."""
    column = Untrusted(names[0]) if len(names) == 1 else "COLUMN"
    return (f"{flag('db_field')}=", Untrusted(field), "=", column)


def _few(names: Sequence[str], last: str = "or") -> tuple[Piece, ...]:
    shown: list[Sentence] = [Untrusted(name) for name in names[:_SHOWN]]
    if len(names) > _SHOWN:
        shown.append(plural(len(names) - _SHOWN, "other"))
    return joined(shown, last=last)
