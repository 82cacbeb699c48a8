"""Side files: what users predicted of their calls, in files of their own, joined by an id that both have.

A row names calls by one id, and what it says fills in what their own records leave open. A prediction is that of one
call: where an id is that of several, they get the labels alone.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pytest_token_telemetry.sample import FIELDS
from pytest_token_telemetry.samples import UNKNOWN, NameColumn
from pytest_token_telemetry.sources.call_records import whole
from pytest_token_telemetry.sources.documents import BOM, whole_documents
from pytest_token_telemetry.sources.exports.csv_rows import csv_rows
from pytest_token_telemetry.sources.exports.export_records import beginning
from pytest_token_telemetry.sources.field_names import likely
from pytest_token_telemetry.sources.keys import SideFileError, hashed, of_call, of_map, of_span, of_trace
from pytest_token_telemetry.sources.labels import field_of, labels_of
from pytest_token_telemetry.sources.own_format import SCHEMA, field_meant
from pytest_token_telemetry.sources.places import Place
from pytest_token_telemetry.sources.provider_calls import decoded, records_of
from pytest_token_telemetry.sources.rows import MOST_PLACES, PLACES_KEPT, Complaint, Rows
from pytest_token_telemetry.sources.source import HEAD, opened
from pytest_token_telemetry.sources.tagged.own_parsing import sample_of
from pytest_token_telemetry.sources.tagged.records import RecordError
from pytest_token_telemetry.text import inert, listing, meant

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import BinaryIO

    import numpy.typing as npt

    from pytest_token_telemetry.samples import Integers, Mask, Samples, SamplesBuilder
    from pytest_token_telemetry.sources.keys import Keys, SideFile
    from pytest_token_telemetry.sources.rows import Remark

IDS = {
    "response_id": of_call,
    "call_id": of_call,
    "custom_id": of_call,
    "span_id": of_span,
    "trace_id": of_trace,
}
"""What may name the call of a row. The first that a row has counts."""

OF_OURS = {**IDS, "id": of_call}
"""The same of a row that is a line of our own form. Elsewhere, an ``id`` may be anything."""

OF_ONE_CALL = ("predicted_output_tokens", "budget_tokens")
"""What a row says of one call alone."""

JOINED = (*OF_ONE_CALL, "category", "complexity", "deliverable_count", "task_id", "operation", "success")
"""What a side file may say. What was measured of a call, it may not."""

NO_ROW = "a row of a side file is not an object"
NO_ID = "a row of a side file has no id of a call"
SAYS_NOTHING = "a row of a side file has neither a prediction nor a label"
TWICE = "a side file names an id twice, with different values"
CONTRADICTS = "a side file has another prediction or budget than the record of the call"


@dataclass(frozen=True, slots=True)
class SideRows:
    """What side files say, in columns. A file is known by its index."""

    shown: tuple[str, ...]
    """The names of the files."""
    said: Samples
    hash: npt.NDArray[np.uint64]
    """Of the key of each row, of shape ``(rows,)``."""
    complaints: tuple[Complaint, ...]
    without_prediction: int
    """How many files have none."""
    places: Mapping[Place, int]
    """Their columns that no field takes."""


class Joined(NamedTuple):
    """What came of a join."""

    remarks: Mapping[Remark, int]
    complaints: Sequence[Complaint]
    """Of the side files."""


def read_side_files(files: Sequence[SideFile]) -> SideRows:
    """Read side files.

    Raises:
        SideFileError: one cannot be read, or no row of it can be used.
    """
    rows = Rows()
    without_prediction = 0
    places: Counter[Place] = Counter()
    for file in files:
        rows.begin_file()
        columns = _Columns(file)
        try:
            found = _read(file, rows, columns)
        except OSError as error:
            raise SideFileError(f"{file.label} cannot be read: {error.strerror or error}") from None
        if not found:
            why = next((each.reason for each in rows.complaints() if each.file == rows.file), "it has no row")
            raise SideFileError(
                f"{file.label} names no prediction: {columns.blamed(why)} (write one JSON object a line, or a CSV file"
                f" with a header: {file.key or listing([*IDS], last='or')}, and predicted_output_tokens)"
            )
        without_prediction += "predicted_output_tokens" not in columns.fields
        places.update(Place("column", "", field, name, "side") for name, field in columns.unused().items())
    said, identities, _ = rows.build(complete=(), keep_ids=False)
    shown = tuple(file.shown for file in files)
    return SideRows(shown, said, hashed(identities.digest[:, 0]), rows.complaints(), without_prediction, places)


def join(
    table: SamplesBuilder, keys: Keys, stays: Mask | None, side: SideRows, unusable: npt.NDArray[np.uint64]
) -> Joined:
    """Give the calls of ``table`` what ``side`` files say of them.

    Args:
        table: calls, whose own records count where they say something.
        keys: of the calls.
        stays: which rows of the table are judged, of shape ``(rows,)``; ``None``: all.
        side: what side files say.
        unusable: the hashes of the keys of calls that cannot be used: these are counted already.
    """
    entries, twice = _entries(side)
    calls, of, rank = _pairs(side.hash[entries], keys, stays)
    found = np.bincount(of, minlength=len(entries))
    contradicts = np.zeros(len(entries), np.bool_)
    for name in OF_ONE_CALL:
        given, own = _codes(side.said, name)[entries[of]], table.column(name)[calls]
        contradicts[of[(found[of] == 1) & (given != UNKNOWN) & (own != UNKNOWN) & (given != own)]] = True
    order = np.argsort(-rank, kind="stable")  # the nearest has the last word
    order = order[~contradicts[of[order]]]
    calls, of = calls[order], of[order]
    for name in JOINED:
        given = _codes(side.said, name)[entries[of]]
        writes = (given != UNKNOWN) & (table.column(name)[calls] == UNKNOWN)
        if name in OF_ONE_CALL:
            writes &= found[of] == 1
        table.write(name, calls[writes].tolist(), _values(side.said, name, given[writes]))
    predicts = np.any([_codes(side.said, name)[entries] != UNKNOWN for name in OF_ONE_CALL], axis=0)
    remarks: Counter[Remark] = Counter()
    remarks["without_call"] = int(np.count_nonzero((found == 0) & ~np.isin(side.hash[entries], unusable)))
    remarks["without_prediction"] = side.without_prediction
    remarks["several_calls"] = int(np.count_nonzero((found > 1) & predicts))
    complaints = [*side.complaints, *_complaints(side, twice, TWICE)]
    return Joined(+remarks, [*complaints, *_complaints(side, entries[contradicts], CONTRADICTS)])


class _Columns:
    """What the rows of a side file call their values."""

    def __init__(self, file: SideFile) -> None:
        self._is_joined_by_map = bool(file.key)
        self._ids = [file.key] if file.key else [*IDS]
        self._kinds: set[tuple[str, ...]] = set()
        """Names of rows that were seen together."""
        self._of_ours: tuple[str, ...] = ()
        """Names that only lines of our own form have a use for, if one was seen."""
        self._names: dict[str, None] = {}
        self.fields: set[str] = set()
        """Those of which a row says something."""

    def see(self, row: Mapping[str, object]) -> None:
        """Take the names of a row."""
        names = tuple(row)
        if names not in self._kinds and len(self._kinds) < MOST_PLACES:
            self._kinds.add(names)
            self._names.update(dict.fromkeys(names[: MOST_PLACES - len(self._names)]))
            if not self._is_joined_by_map and _is_ours(row):
                self._of_ours = ("id", "schema")

    def unused(self) -> dict[str, str]:
        """The names that nothing is read from, each with the field that it may be, or nothing."""
        fields = {name: field_of(name) for name in self._names if name not in (*IDS, *self._ids, *self._of_ours)}
        taken = {*fields.values()}
        return {
            name: likeliest if (likeliest := _meant(name)) in JOINED and likeliest not in taken else ""
            for name, field in fields.items()
            if field not in (*JOINED, "features")
        }

    def blamed(self, why: str) -> str:
        """Why no row can be used, with the names that may have been meant for something else."""
        if why not in (NO_ID, SAYS_NOTHING) or not (unused := self.unused()):
            return why
        ids = self._ids if why == NO_ID else []
        if ids and not self._is_joined_by_map and "id" in unused:
            unused["id"] = "call_id"
        hints = [
            meant(name, ids, likeness=_LIKENESS) or (field and f"did you mean {field}?")
            for name, field in unused.items()
        ]
        shown = [f"{name} ({hint})" if hint else name for name, hint in zip(unused, hints, strict=True)]
        some = shown if len(shown) <= _SHOWN else [*shown[:_SHOWN], f"{len(shown) - _SHOWN} others"]
        columns = f"no field takes its column{'s' if len(shown) > 1 else ''} {inert(listing(some), _LONGEST)}"
        return columns if why == SAYS_NOTHING else f"{why}, and {columns}"


_LIKENESS = 0.8
"""How like an id's name a column has to be to be asked about."""

_SHOWN = 8
"""Columns that an error names."""

_LONGEST = 500
"""Characters of what it says of them."""


def _meant(name: str) -> str | None:
    """The field that a column may be: here, most short names are ours."""
    return field_meant(name) or likely([name])


def _read(file: SideFile, into: Rows, columns: _Columns) -> int:
    """Read one file, and count its rows that can be used."""
    found = 0
    with opened(file.path) as opened_file, opened_file.stream() as stream:
        for line, place, row in _rows(stream, into):
            if not isinstance(row, dict):
                into.complain(NO_ROW, line)
                continue
            columns.see(row)
            key = _key(row, file)
            said = {
                name: whole(value) if FIELDS[name].kind == "count" else value
                for name, value in labels_of(row).items()
                if name in JOINED
            }
            if key is None or not said:
                into.complain(SAYS_NOTHING if key is not None else NO_ID, line)
                continue
            try:
                sample = sample_of({"output_tokens": 0, **said})
            except RecordError as error:
                into.complain(f"a side file: {error}", line)
            else:
                into.add(sample, key, line, place=place)
                columns.fields.update(said)
                found += 1
    return found


def _rows(stream: BinaryIO, into: Rows) -> Iterator[tuple[int, int, object]]:
    """The rows of a file, each with its line and its place there."""
    if beginning(stream, HEAD).removeprefix(BOM).lstrip()[:1] in (b"{", b"["):
        for document in whole_documents(stream, decoded, into, reads_ours=False):
            yield from ((document.line, place, row) for place, row in records_of(document.value))
    else:
        yield from ((line, 0, row) for line, row in csv_rows(stream, into))


def _key(row: Mapping[str, object], file: SideFile) -> str | None:
    """By what a row names its calls; ``None`` if it does not."""
    ids = OF_OURS if _is_ours(row) else IDS
    for name in (file.key,) if file.key else ids:
        value = row.get(name)
        if type(value) in (str, int) and value != "":
            return of_map(file.map, str(value)) if file.map else ids[name](str(value))
    return None


def _is_ours(row: Mapping[str, object]) -> bool:
    return row.get("schema") == SCHEMA


def _entries(side: SideRows) -> tuple[Integers, Integers]:
    """The first row of each id, in the order of their hashes, and all rows of ids that have different values."""
    order = np.argsort(side.hash, kind="stable")
    is_first = np.ones(len(order), np.bool_)
    is_first[1:] = side.hash[order[1:]] != side.hash[order[:-1]]
    differs = np.zeros(len(order), np.bool_)
    for name in JOINED:
        codes = _codes(side.said, name)[order]
        differs[1:] |= codes[1:] != codes[:-1]
    differs &= ~is_first
    group = np.cumsum(is_first) - 1
    is_twice = np.bincount(group, weights=differs).astype(np.bool_)[group] if len(group) else differs
    return order[is_first & ~is_twice], np.sort(order[is_twice])


def _pairs(hashes: npt.NDArray[np.uint64], keys: Keys, stays: Mask | None) -> tuple[Integers, Integers, Integers]:
    """Which call and which of the ``hashes``, in ascending order, belong together, and how far these are.

    Each pair comes once, by its nearest key: arrays of shape ``(pairs,)``.
    """
    at = np.minimum(np.searchsorted(hashes, keys.hash), max(len(hashes) - 1, 0))
    match = hashes[at] == keys.hash if len(hashes) else np.zeros(len(keys.hash), np.bool_)
    if stays is not None:
        match &= stays[keys.row]
    calls, of, rank = keys.row[match], at[match], keys.rank[match].astype(np.int64)
    nearest = np.argsort(rank, kind="stable")
    _, once = np.unique(calls[nearest] * max(len(hashes), 1) + of[nearest], return_index=True)
    pairs = nearest[once]
    return calls[pairs], of[pairs], rank[pairs]


def _codes(said: Samples, name: str) -> Integers:
    """The column ``name``, of shape ``(rows,)``: counts, flags, or codes of names; `UNKNOWN` where not given."""
    column = getattr(said, name)
    codes = column.codes if isinstance(column, NameColumn) else column
    found: Integers = codes.astype(np.int64)
    return found


def _values(said: Samples, name: str, codes: Integers) -> list[object]:
    """What ``codes`` of the column ``name`` say."""
    column = getattr(said, name)
    return [column.names[code] for code in codes.tolist()] if isinstance(column, NameColumn) else codes.tolist()


def _complaints(side: SideRows, rows: Integers, reason: str) -> Iterable[Complaint]:
    """A complaint a file of ``rows``."""
    files, lines = side.said.file[rows], side.said.line[rows]
    for file in np.unique(files).tolist():
        of_file = np.sort(lines[files == file])
        yield Complaint(file, reason, len(of_file), tuple(of_file[:PLACES_KEPT].tolist()))
