"""Calls of which each fact has the name of one of our fields, put into columns many at once.

Each is read as `own_parsing.sample_of_other` reads it. Where one of those that have the same fields says anything but
what is usual, each of them is given to that instead.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from types import NoneType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from pytest_token_telemetry.sample import FIELDS, MOST_TOKENS
from pytest_token_telemetry.samples import UNKNOWN, NameColumn, narrowest, unknown
from pytest_token_telemetry.sources.emitted import Emitted
from pytest_token_telemetry.sources.tagged.byte_words import Text
from pytest_token_telemetry.sources.tagged.digests import digests_of_texts
from pytest_token_telemetry.sources.tagged.own_lane import completed
from pytest_token_telemetry.sources.tagged.own_parsing import read_features, sample_of_other, writable
from pytest_token_telemetry.sources.tagged.records import RecordError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

    from pytest_token_telemetry.sample import Field
    from pytest_token_telemetry.samples import Integers, Samples
    from pytest_token_telemetry.sources.emitted import Emission
    from pytest_token_telemetry.sources.rows import Rows

AT_ONCE = 1 << 12
"""Records that are put into columns together."""


class Record(NamedTuple):
    """A call on its way into columns."""

    said: dict[str, object]
    """What it says by the names of our fields, but no time."""
    identity: str | None
    """See `Rows.add`, as for the line, the place and the keys."""
    line: int
    place: int
    ended: int
    """When it ended, in ns since 1970; 0: not known."""
    keys: Sequence[str] = ()
    remapped: bool = False
    """As for `is_truncated`."""
    emission: Emission | None = None
    """See `Rows.add`."""


class RecordColumns:
    """The records of one file on their way into its rows."""

    def __init__(self, into: Rows, at_once: int = AT_ONCE) -> None:
        """Columns for ``into``, of ``at_once`` so many records; 1: each is given by itself."""
        self._into = into
        self._at_once = at_once
        self._waiting: dict[tuple[bool, tuple[str, ...]], list[Record]] = {}
        """By whether their reasons may be changed, and the names of their fields."""
        self._count = 0

    def add(self, record: Record) -> None:
        """Add a record."""
        if record.keys or self._at_once == 1:
            self._add_one(record)
            return
        kind = record.remapped, tuple(record.said)
        alike = self._waiting.get(kind)
        if alike is None:
            alike = self._waiting[kind] = []
        alike.append(record)
        self._count += 1
        if self._count >= self._at_once:
            self.finish()

    def finish(self) -> None:
        """Give the rows what waits."""
        for (remapped, names), alike in self._waiting.items():
            columns = dict(zip(names, zip(*[each.said.values() for each in alike], strict=True), strict=True))
            try:
                self.add_columns(
                    columns,
                    [each.identity for each in alike],
                    [each.line for each in alike],
                    [each.place for each in alike],
                    np.array([each.ended for each in alike], object),
                    remapped=remapped,
                    emitted=Emitted.of([each.emission for each in alike]),
                )
            except UnusualError:
                for each in alike:
                    self._add_one(each)
        self._waiting.clear()
        self._count = 0

    def add_columns(
        self,
        said: Mapping[str, Sequence[Any]],
        identities: Sequence[str | None],
        lines: Sequence[int],
        places: Sequence[int],
        ended: npt.NDArray[Any],
        *,
        remapped: bool = False,
        emitted: Emitted,
    ) -> None:
        """Add many records at once: all of a `Record` of each, and ``None`` for what one does not say.

        ``remapped``: that of all of them. ``emitted``: see `Rows.add_block`.

        Raises:
            UnusualError: they must be added one by one. None was.
        """
        times = np.where(ended == 0, NO_TIME, ended // 1000)
        samples = samples_of_columns(said, lines, times, self._into.file, remapped=remapped)
        known = None
        if None in identities:
            known = np.array([each is not None for each in identities], np.bool_)
        digests = digests_of_texts([each or "" for each in identities])
        self._into.add_block(samples, digests, known=known, places=np.array(places, np.int64), emitted=emitted)

    def _add_one(self, record: Record) -> None:
        said = record.said
        if record.ended:
            said = {**said, "time": time_of(record.ended)}
        try:
            sample = sample_of_other(said, remapped=record.remapped)
        except RecordError as error:
            self._into.refuse(error, record.line, record.keys)
        else:
            _, identity, line, place, _, keys, _, emission = record
            self._into.add(sample, identity, line, place=place, keys=keys, emission=emission)


def samples_of_columns(
    said: Mapping[str, Sequence[Any]],
    lines: Sequence[int],
    times: Integers | Sequence[int],
    file: int,
    *,
    remapped: bool = False,
) -> Samples:
    """The samples of many records of a file, each column of as many values as there are records.

    Args:
        said: what the records say by the names of our fields, but no time. ``None``: it is not said.
        lines: the line of each.
        times: when each call ended, in us since 1970; `NO_TIME`: not known.
        file: the index of the file.
        remapped: as for `is_truncated`, of all of them.

    Raises:
        UnusualError: they must be read one by one.
    """
    n = len(lines)
    if n < _FEWEST:
        raise UnusualError
    columns: dict[str, Any] = {}
    for name, column in said.items():
        field = FIELDS[name]
        if field.kind == "features":
            columns[name] = {row: features for row, each in enumerate(column) if (features := read_features(each))}
        elif field.kind != "text":
            columns[name] = _column(field, column)
    if "output_tokens" not in columns:
        raise UnusualError
    columns["time"] = np.asarray(times, np.int64).view("datetime64[us]")
    columns["line"] = narrowest(np.array(lines, np.int64))
    columns["file"] = np.broadcast_to(narrowest(np.array([file], np.int64))[0], n)
    return completed(replace(unknown(n), **columns), of_other=True, remapped=remapped)


class UnusualError(Exception):
    """Some records are to be read one by one."""


def time_of(nanoseconds: int) -> datetime | None:
    """The time in UTC, without its zone, of so many ns since 1970; ``None`` for what no calendar has."""
    try:
        return _EPOCH + timedelta(microseconds=nanoseconds // 1000)
    except OverflowError:
        return None


_EPOCH = datetime(1970, 1, 1)
NO_TIME: int = np.datetime64("NaT", "us").astype(np.int64).item()

_FEWEST = 16
"""Records for which columns pay."""

_MOST_WORDS = 64
"""Words for why outputs ended, of one block."""


def _column(field: Field, values: Sequence[Any]) -> Any:  # noqa: ANN401 - whatever `Samples` holds
    """A column of the ``values`` of a field.

    Raises:
        UnusualError: one of them is of another type than usual, or no value of this field.
    """
    if field.kind in ("name", "reason", "raw reason"):
        return _names(field, values)
    kinds = set(map(type, values))
    if field.kind == "count" and kinds <= {str, int, NoneType}:
        return _counts(field, values, kinds)
    if field.kind == "flag" and kinds <= {bool, NoneType}:
        return np.array([UNKNOWN if value is None else value for value in values], np.int8)
    raise UnusualError


def _counts(field: Field, values: Sequence[Any], kinds: set[type]) -> Any:  # noqa: ANN401
    unknown = [row for row, value in enumerate(values) if value is None] if NoneType in kinds else []
    if unknown and field.needed:
        raise UnusualError
    if str in kinds:
        texts = values if kinds == {str} else ["0" if value is None else str(value) for value in values]
        numbers = _whole_numbers(texts)
    else:
        try:
            given = [value or 0 for value in values] if unknown else values
            numbers = np.fromiter(given, np.int64, len(given))
        except OverflowError:
            raise UnusualError from None
    least = 0 if field.zero_is_count else -MOST_TOKENS
    if np.any((numbers > MOST_TOKENS) | (numbers < least)):
        raise UnusualError
    if not field.zero_is_count:
        numbers[numbers <= 0] = UNKNOWN
    numbers[unknown] = UNKNOWN
    return numbers.astype(np.int32) if field.unit == "tokens" else narrowest(numbers)


def _whole_numbers(texts: Sequence[str]) -> Integers:
    """The numbers in ``texts``, of shape ``(texts,)``.

    Raises:
        UnusualError: a text is none of one to eight digits.
    """
    joined = "".join(texts)
    sizes: Integers = np.fromiter(map(len, texts), np.int64, len(texts))
    ends = np.cumsum(sizes)
    if joined.isascii():
        numbers, are_numbers = Text(joined.encode()).numbers(ends - sizes, ends)
        if are_numbers.all():
            return numbers
    raise UnusualError


def _names(field: Field, values: Sequence[Any]) -> NameColumn:
    try:
        codes: dict[str | None, int] = dict.fromkeys(values, UNKNOWN)
    except TypeError:
        raise UnusualError from None
    if not set(map(type, codes)) <= {str, NoneType}:
        raise UnusualError
    names = [text for text in codes if text]
    codes |= {text: code for code, text in enumerate(names)}
    if field.kind != "name" and len(names) > _MOST_WORDS:
        raise UnusualError
    column = np.fromiter(map(codes.__getitem__, values), np.int32, len(values))
    return NameColumn(narrowest(column), tuple(map(writable, names)))
