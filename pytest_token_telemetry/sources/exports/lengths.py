"""The source of plain tables: a CSV file in which a column is known to be the output tokens of calls.

Traces of serving systems are such tables. They tell lengths, and most neither caps nor why an output ended.
"""

from __future__ import annotations

import re
from itertools import chain, islice
from typing import TYPE_CHECKING

from pytest_token_telemetry.sample import FIELDS, letters
from pytest_token_telemetry.sources.call_records import plain_time, whole
from pytest_token_telemetry.sources.exports.csv_rows import csv_rows, header_of
from pytest_token_telemetry.sources.exports.export_records import call_said
from pytest_token_telemetry.sources.field_map import may_be
from pytest_token_telemetry.sources.field_names import ALIASES, CAP, MODEL, NAMES, OPERATION, PREDICTED, REASON, likely
from pytest_token_telemetry.sources.keys import of_call
from pytest_token_telemetry.sources.labels import flag_of
from pytest_token_telemetry.sources.places import Place
from pytest_token_telemetry.sources.provider_calls import tell
from pytest_token_telemetry.sources.source import FileSource

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import BinaryIO

    from pytest_token_telemetry.sources.rows import Rows


class LengthsSource(FileSource):
    """One call a row."""

    name = "csv"

    def claims(self, path: str, head: bytes) -> bool:  # noqa: ARG002
        """A table whose header names the output tokens, and nothing by which they may be the sum over several calls."""
        header = header_of(head)
        return "output_tokens" in _columns(header).values() and _OF_SUMS.isdisjoint(map(letters, header))

    def read(self, file: BinaryIO, into: Rows) -> None:
        """See `FileSource.read`."""
        rows = csv_rows(file, into)
        first: list[tuple[int, dict[str, str]]] = []
        fault: OSError | None = None
        try:
            for row in islice(rows, _FIRST):
                first.append(row)  # noqa: PERF402 - those before a fault count
        except OSError as error:
            fault = error
        columns, unused = columns_by([cells for _, cells in first])
        into.places.update(Place("column", "", field, name) for name, field in unused.items())
        for line, cells in chain(first, rows):
            _tell_row(into, columns, cells, line)
        if fault is not None:
            raise fault


_OF_SUMS = frozenset(
    (
        *("observationcount", "tracecount", "counttraces", "callcount", "numcalls", "ncalls", "llmcalls"),
        *("requestcount", "numrequests", "nrequests", "nummodelrequests", "modelrequests"),
        "runtype",
    )
)
"""Columns that count the calls of a row, as reports of usage have them, or say that it may be a step around calls."""

_FIRST = 200
"""Rows by whose values a column is judged."""


def _tell_row(into: Rows, columns: dict[str, str], cells: dict[str, str], line: int) -> None:
    """Tell one call. A number in the place of an id is that of a row."""
    given = [(field, cells[name]) for name, field in columns.items()]
    said = {field: _value(field, cell) for field, cell in given if cell.lower() not in _NOT_GIVEN}
    number = said.get("id")
    if not (isinstance(number, str) and number.isdecimal()):
        is_exact = any(field == "time" and _SECONDS.search(cell) for field, cell in given)
        tell(into, call_said(said), line, by_time=is_exact)
        return
    # each table numbers its rows from the beginning: with its time alone a number tells copies
    del said["id"]
    if "time" in said:
        said["id"] = f"{said['time']} {number}"
    tell(into, call_said(said), line, keys=(of_call(number),))


_SECONDS = re.compile(r":[0-9]{2}:[0-9]{2}|T[0-9]{6}|[0-9]{10}")
"""What a time has that names a second. Of one minute, many calls have the same few values."""


def columns_by(rows: Sequence[dict[str, str]]) -> tuple[dict[str, str], dict[str, str]]:
    """The columns that are read, each with our field, and the others, each with the field that it may be or nothing."""
    found = _columns([*rows[0]]) if rows else {}
    unused = {name: "" for name in (rows[0] if rows else ()) if name not in found}
    for field in (PREDICTED, CAP, REASON, OPERATION, MODEL):
        if field in found.values():
            continue
        aliases = [name for name in unused if ALIASES.get(letters(name)) == field and _fits(field, name, rows)]
        others = [name for name in unused if likely([name]) == field and _fits(field, name, rows)]
        if len(aliases) == 1:
            del unused[aliases[0]]
            found[aliases[0]] = field
        else:
            unused |= dict.fromkeys(aliases or others, field)
    return found, unused


def _fits(field: str, name: str, rows: Sequence[dict[str, str]]) -> bool:
    """Whether the values of a column can be those of ``field``. A reason is a word or two."""
    cells = {row[name] for row in rows if row[name].lower() not in _NOT_GIVEN}
    if field == REASON:
        return 0 < len(cells) <= _REASONS and all(len(cell) <= _LONGEST for cell in cells)
    return bool(cells) and all(may_be(field, whole(cell)) for cell in cells)


_REASONS = 10
_LONGEST = 32


_NOT_GIVEN = frozenset(("", "nan", "none", "null", "<na>"))
"""Cells that say nothing, in lower case."""


def _columns(header: Sequence[str]) -> dict[str, str]:
    """The columns that are known, each with our field. Of several for one field, the first counts."""
    found: dict[str, str] = {}
    for name in header:
        field = NAMES.get(letters(name))
        if field is not None and field not in found.values():
            found[name] = field
    return found


def _value(field: str, cell: str) -> object:
    """What a cell says, as JSON would say it."""
    if FIELDS[field].kind == "count":
        return whole(cell)
    if FIELDS[field].kind == "flag":
        return flag_of(cell)
    return plain_time(cell) if FIELDS[field].kind == "time" else cell
