"""Where readers looked for fields in vain: counted by record while files are read, told when all are read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping


class Place(NamedTuple):
    """What is counted of a map. Counts of all files and of all their parts add up."""

    kind: Literal["record", "without"]
    """A record that is a call, or one of these without a value where a field should stand."""
    map: str
    field: str = ""
    path: str = ""
    """As users read it."""


class Unfound(NamedTuple):
    """A field of a map of which no record has a value."""

    map: str
    field: str
    path: str
    records: int


def unfound(places: Mapping[Place, int]) -> tuple[Unfound, ...]:
    """The fields of maps whose paths lead to a value in no record, in the order of the maps and of their fields."""
    records = {each.map: count for each, count in places.items() if each.kind == "record"}
    found = (
        Unfound(each.map, each.field, each.path, count)
        for each, count in places.items()
        if each.kind == "without" and count == records[each.map]
    )
    return tuple(sorted(found, key=lambda each: each.map))
