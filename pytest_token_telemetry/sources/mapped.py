"""Reads files by a map that a user wrote: see `field_map`."""

from __future__ import annotations

import os
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, BinaryIO

import msgspec

from pytest_token_telemetry.option_types import matches
from pytest_token_telemetry.sample import FIELDS
from pytest_token_telemetry.sources.exports.csv_rows import csv_rows, looks_like_csv, looks_like_json
from pytest_token_telemetry.sources.exports.export_records import beginning, documents_of, inner
from pytest_token_telemetry.sources.field_map import REST, as_text
from pytest_token_telemetry.sources.keys import of_map
from pytest_token_telemetry.sources.line_matching import matched_lines
from pytest_token_telemetry.sources.look_like import OUTSIDE
from pytest_token_telemetry.sources.places import LEFT_OUT, MEANINGLESS, WHERE, Place
from pytest_token_telemetry.sources.source import HEAD, FileSource
from pytest_token_telemetry.sources.tagged.records import RecordError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_token_telemetry.sources.field_map import FieldMap, Lookup, Steps
    from pytest_token_telemetry.sources.rows import Rows

NO_RECORD = "a value where the map expects a record is not an object"
_NO_OUTPUT = "output_tokens is missing"
NO_LIST = "the map's path to the records leads to nothing in a document"


@dataclass
class MappedSource(FileSource):
    """The files of one map. It is plain data, so any process can be told of it."""

    name: str
    map: FieldMap

    @property
    def reads_json(self) -> bool:
        """See `MapSource`."""
        return self.map.format == "json"

    def claims(self, path: str, head: bytes) -> bool:  # noqa: ARG002
        """Whether a pattern of the map matches: users say which files are theirs, whatever stands in them."""
        return is_claimed(path, self.map.files)

    def read(self, file: BinaryIO, into: Rows) -> None:
        """Read each record that is a call."""
        layout, lookups, names = self.map.layout(), self.map.lookups, self.map.names
        time = names.index("time") if "time" in names else None
        paths = map(self.map.shown, lookups)
        places = [Place("without", self.name, *each) for each in zip(names, paths, strict=True)]
        outside = Place("outside", self.name, WHERE, self.map.shown_where)
        output = lookups[names.index("output_tokens")]
        with_output = Place("output outside", self.name, LEFT_OUT, self.map.shown(output))
        call = Place("record", self.name)
        for line, place, record in self._records(file, into):
            if not isinstance(record, dict):
                into.complain(NO_RECORD, line)
            elif not all(as_text(_at(record, steps)) in wanted for steps, wanted in self.map.where):
                into.skip(f"{OUTSIDE}{self.name}")
                into.places[outside] += 1
                if any(_at(record, steps) not in (None, "") for steps in output.paths):
                    into.places[with_output] += 1
            else:
                values = [_found(record, lookup) for lookup in lookups]
                into.places[call] += 1
                if None in values:
                    into.places.update(each for each, value in zip(places, values, strict=True) if value is None)
                try:
                    found = layout.read(values)
                except RecordError as error:
                    why = f"{error}{self._way_out(str(error), values)}"
                    into.complain(why, line, ended=error.ended, keys=self._keys(record))
                else:
                    if time is not None and found.sample.time is None and values[time] is not None:
                        into.places[places[time]] += 1  # what stands there is no time
                    has_id = found.sample.id is not None
                    into.add(found.sample, found.identity, line, place=place, own=has_id, keys=self._keys(record))

    def _way_out(self, error: str, values: Sequence[object]) -> str:
        """Which path of the map is to blame for an error, if one is, and what to do."""
        name = error.partition(" ")[0]
        if name not in self.map.fields:
            return ""
        where = self.map.shown(self.map.fields[name])
        if error == _NO_OUTPUT and values[self.map.names.index(name)] is None:
            return f": nothing at {where} (map {self.name})"
        if FIELDS[name].kind == "flag":
            return f": {MEANINGLESS}{where} (values in map {self.name})"
        return ""

    def _keys(self, record: object) -> Sequence[str]:
        """By what the side file of the map names the call of a record."""
        value = None if self.map.join is None else as_text(_at(record, self.map.join.on))
        return () if value is None else (of_map(self.name, value),)

    def _records(self, file: BinaryIO, into: Rows) -> Iterator[tuple[int, int, object]]:
        """The records of a file, each with its line and its place there."""
        if self.map.format != "text":
            self._refuse_other_format(beginning(file, HEAD))
        match self.map.format:
            case "csv":
                yield from ((line, 0, row) for line, row in csv_rows(file, into))
            case "text":
                yield from ((line, 0, groups) for line, groups in matched_lines(self.map.expression, file, into))
            case "json":
                for each in documents_of(file, ANY_JSON, into):
                    places = count()
                    for records in record_lists(each.value, self.map.records):
                        if records is None:
                            into.complain(NO_LIST, each.line)
                            continue
                        yield from ((each.line, next(places), record) for record in records)

    def _refuse_other_format(self, head: bytes) -> None:
        if self.map.format == "json" and looks_like_csv(head):
            raise OSError(None, f'it is a CSV file (add format = "csv" to map {self.name})')
        if self.map.format == "csv" and looks_like_json(head):
            raise OSError(None, f'it is JSON (remove format = "csv" from map {self.name})')


def record_lists(document: object, steps: Steps) -> Iterator[Sequence[object] | None]:
    """The lists of records at ``steps`` in a document, or in each document of a list; ``None`` for one without."""
    value = _at(document, steps)
    values = [_at(each, steps) for each in document] if value is None and isinstance(document, list) else [value]
    for each in values:
        yield None if each is None and steps else each if isinstance(each, list) else [each]


def is_claimed(path: str, patterns: Sequence[str]) -> bool:
    """Whether a map with these ``patterns`` claims the file at ``path``, below whatever directory."""
    return matches(path.replace(os.sep, "/"), [f"*/{each}" if "/" in each else each for each in patterns])


ANY_JSON: msgspec.json.Decoder[object] = msgspec.json.Decoder(object)


def _found(record: object, lookup: Lookup) -> object:
    """The value that a lookup finds. A null and an empty text are not given."""
    for steps in lookup.paths:
        value = _at(record, steps)
        if value is not None and value != "":
            if lookup.values is not None and (text := as_text(value)) is not None:
                return lookup.values.get(text, lookup.values.get(REST, value))
            return value
    return lookup.constant


def _at(value: object, steps: Steps) -> object:
    """The value at the end of a path; ``None`` if there is none. A text on the way that holds JSON is looked into."""
    for step in steps:
        value = inner(value) if isinstance(value, str) else value
        if isinstance(value, dict):
            value = value.get(step)
        elif isinstance(value, list) and step.isascii() and step.isdecimal() and len(step) < _DIGITS:
            value = value[int(step)] if int(step) < len(value) else None
        else:
            return None
    return value


_DIGITS = 10
"""More than the place in any list has."""
