"""Fields that maps looked for in vain, and names that no field takes: counted while files are read, told after."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping


Within: TypeAlias = Literal["csv", "table", "side", "metadata", "line"]
"""What has a column: CSV files without a map, tables and queries of databases, side files, the metadata of calls, or
lines of our own."""


class Place(NamedTuple):
    """What is counted of a map, or of what is read without one. Counts of all files and of all their parts add up."""

    kind: Literal["record", "without", "outside", "output outside", "column"]
    """A record that is a call, one of these without a value where a field should stand, one that the ``where`` of the
    map leaves out, one of those with an output, or a file, a table, a call or a line with a column."""
    map: str
    field: str = ""
    """Of a column: what it may be."""
    path: str = ""
    """As users read it; or the name of the column."""
    within: Within = "csv"
    """Of a column."""


class Unfound(NamedTuple):
    """What a map looked for in vain, or left out."""

    map: str
    field: str
    """One of which no record has a value; or `WHERE`, which no record fits, `LEFT_OUT`, of records with an output that
    do not fit it, or `FILES`, which match none."""
    path: str
    """Where it should stand, in which paths the ``where`` looks, or the patterns of the files."""
    records: int


WHERE, LEFT_OUT, FILES = "where", "outside where", "files"

MEANINGLESS = "give a meaning to each value at "
"""What stands in the reason of a record in which a flag of a map is no truth value; its path stands behind."""


class UnusedColumn(NamedTuple):
    """A column of CSV files, tables or side files, or a key of metadata or of a line, that no field takes."""

    column: str
    field: str
    """What it may be; empty: nothing that a verdict needs."""
    files: int
    """How many have it: files, tables and queries, calls with such metadata, or lines."""
    within: Within = "csv"


def unused_columns(places: Mapping[Place, int]) -> tuple[UnusedColumn, ...]:
    """The columns by their names."""
    found = (
        UnusedColumn(each.path, each.field, count, each.within)
        for each, count in places.items()
        if each.kind == "column"
    )
    return tuple(sorted(found))


def unfound(places: Mapping[Place, int]) -> tuple[Unfound, ...]:
    """The fields of maps whose paths lead to a value in no record, and what each ``where`` leaves out, by maps."""
    records = {each.map: count for each, count in places.items() if each.kind == "record"}
    found = (
        Unfound(each.map, each.field, each.path, count)
        for each, count in places.items()
        if (each.kind == "without" and count == records[each.map])
        or (each.kind == "outside" and each.map not in records)
        or (each.kind == "output outside" and each.map in records)
    )
    return tuple(sorted(found, key=lambda each: each.map))
