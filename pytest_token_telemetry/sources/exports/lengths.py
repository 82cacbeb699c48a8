"""The source of plain tables: a CSV file in which a column is known to be the output tokens of calls.

Traces of serving systems are such tables. They tell lengths, and most neither caps nor why an output ended.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_token_telemetry.sample import FIELDS, letters
from pytest_token_telemetry.sources.call_records import whole
from pytest_token_telemetry.sources.exports.csv_rows import csv_rows, header_of
from pytest_token_telemetry.sources.exports.export_records import call_said
from pytest_token_telemetry.sources.keys import of_call
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
        """A table whose header names the output tokens."""
        return "output_tokens" in _columns(header_of(head)).values()

    def read(self, file: BinaryIO, into: Rows) -> None:
        """See `FileSource.read`."""
        columns: dict[str, str] | None = None
        for line, cells in csv_rows(file, into):
            if columns is None:
                columns = _columns([*cells])
            given = [(field, cells[name]) for name, field in columns.items()]
            said = {field: _value(field, cell) for field, cell in given if cell.lower() not in _NOT_GIVEN}
            number = said.get("id")
            if isinstance(number, str) and number.isdecimal():
                # each table numbers its rows from the beginning: with its time alone a number tells copies
                del said["id"]
                if "time" in said:
                    said["id"] = f"{said['time']} {number}"
                tell(into, call_said(said), line, keys=(of_call(number),))
            else:
                tell(into, call_said(said), line)


NAMES = {
    **{
        letters(each): name
        for name, field in FIELDS.items()
        if field.in_line and field.kind != "features"
        for each in (name, *field.also)
    },
    "generatedtokens": "output_tokens",
    "responsetokens": "output_tokens",
    "outputlength": "output_tokens",
    "numoutputtokens": "output_tokens",
    "timestamp": "time",
    "requestid": "id",
}
"""Our fields by the letters of what others call them: ``GeneratedTokens`` in Azure's traces."""


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
        return {"true": True, "false": False, "1": True, "0": False}.get(cell.lower(), cell)
    return cell
