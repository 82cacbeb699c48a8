"""Many samples as columns, in as little memory as they need, and the one builder of them.

What is calculated with has one type whatever the values: 32 bits for a count of tokens, which is `MOST_TOKENS`
at most. Sums and products of such columns must be widened first. What is only compared or looked up has the narrowest
type that holds its values, and a column of one value takes no room.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, TypeVar

import numpy as np

from pytest_token_telemetry.sample import FIELDS, Sample

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import numpy.typing as npt

    from pytest_token_telemetry.sample import Field

    Integers: TypeAlias = npt.NDArray[np.int64]
    Counts: TypeAlias = npt.NDArray[np.int32]
    Flags: TypeAlias = npt.NDArray[np.int8]
    Narrow: TypeAlias = npt.NDArray[np.signedinteger[Any]]
    """As wide as the values need."""
    Floats: TypeAlias = npt.NDArray[np.float64]
    Mask: TypeAlias = npt.NDArray[np.bool_]

Scalar = TypeVar("Scalar", bound=np.generic)

BLOCK = 1 << 18
"""Rows that are worked on at once: few enough for the processor's cache, so many that a block's overhead is nothing."""

UNKNOWN = -1
"""How a column says that a count, a flag or a name is not known."""


@dataclass(frozen=True, slots=True)
class NameColumn:
    """One name a sample, as a code into the distinct names; `UNKNOWN` where there is none."""

    codes: Narrow
    names: tuple[str, ...]

    def name(self, row: int) -> str | None:
        """The name in ``row``."""
        code = int(self.codes[row])
        return None if code == UNKNOWN else self.names[code]

    def is_name(self, name: str) -> Mask:
        """The rows that have ``name``."""
        mask: Mask = self.codes == (self.names.index(name) if name in self.names else UNKNOWN - 1)
        return mask


@dataclass(frozen=True, slots=True)
class Tenths:
    """Numbers with one decimal, as logs write percentages: to be read like an array of them, at a quarter of the room.

    A tenth of a whole number is the same floating point number as its decimals are read as, so nothing is lost.
    """

    whole: npt.NDArray[np.int16]
    """Ten times each number; `_NO_TENTHS` is NaN."""

    def __getitem__(self, rows: Integers | slice | int) -> Floats:
        whole = self.whole[rows]
        return np.where(whole == _NO_TENTHS, np.nan, whole.astype(np.float64) / 10.0)

    def __len__(self) -> int:
        return len(self.whole)

    def item(self, row: int) -> float:
        """The number in ``row``."""
        return float(self[row])


_NO_TENTHS = np.int16(np.iinfo(np.int16).min)


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """Samples as columns of shape ``(samples,)``. `pytest_token_telemetry.sample.FIELDS` says what each means.

    Counts are in tokens or files, and `UNKNOWN` where not given. Flags are 1, 0 or `UNKNOWN`, but ``legacy`` is always
    known. Of a `NameColumn`, the codes are `UNKNOWN`.
    """

    predicted_output_tokens: Counts
    output_tokens: Counts
    budget_tokens: Counts
    max_tokens: Counts
    truncated: Flags
    truncation_source: NameColumn
    success: Flags
    deliverable_count: Narrow
    category: NameColumn
    complexity: NameColumn
    task_id: NameColumn
    model: NameColumn
    operation: NameColumn
    finish_reason: NameColumn
    finish_reason_raw: NameColumn
    time: npt.NDArray[np.datetime64]
    """In microseconds; NaT where not given."""
    run: NameColumn
    smape: Floats | Tenths
    """In percent; NaN where not given."""
    legacy: Mask
    features: Mapping[int, Mapping[str, str]]
    """The features of those rows that have any."""
    file: Narrow
    """Index of the file that each was read from; never unknown."""
    line: Narrow
    """Its line there, from 1; never unknown."""

    def __len__(self) -> int:
        return len(self.output_tokens)

    def take(self, rows: Integers) -> Samples:
        """The samples in ``rows``, in that order."""
        taken = {name: _taken(getattr(self, name), rows) for name in _COLUMNS}
        return Samples(**taken, features=_features_of(self.features, rows, len(self)))


def blocks(rows: int, at_least: int = 1) -> Iterator[slice]:
    """The rows from 0 to ``rows``, `BLOCK` of them at a time, but not fewer than ``at_least``."""
    size = max(BLOCK, at_least)
    return (slice(begin, min(begin + size, rows)) for begin in range(0, rows, size))


def narrowest(values: Narrow) -> Narrow:
    """``values`` in the narrowest type that holds them."""
    return values.astype(_narrowest_of([values]))


def in_tenths(values: Floats) -> Floats | Tenths:
    """``values`` as `Tenths`, if that is what they all are."""
    whole = np.empty(len(values), dtype=np.int16)
    for part in blocks(len(values)):
        with np.errstate(over="ignore"):
            tenfold = np.rint(values[part] * 10.0)
        unknown = np.isnan(tenfold)
        if not (unknown | ((tenfold / 10.0 == values[part]) & (np.abs(tenfold) < -float(_NO_TENTHS)))).all():
            return values
        whole[part] = np.where(unknown, float(_NO_TENTHS), tenfold)
    return Tenths(whole)


def stored(values: npt.NDArray[Scalar]) -> npt.NDArray[Scalar]:
    """``values``, or if they are all alike one of them, shown as often as it is there: it takes no room."""
    if not len(values):
        return values
    first = values[0]
    alike = values == first if first == first else np.isnan(values)  # NaN and NaT differ from themselves
    return np.broadcast_to(first, values.shape) if alike.all() else values


def _features_of(
    features: Mapping[int, Mapping[str, str]], rows: Integers | Mask, n: int
) -> dict[int, Mapping[str, str]]:
    """The ``features`` of ``rows``, of ``n``, by their new rows."""
    if not features:
        return {}
    have = np.zeros(n, dtype=np.bool_)
    have[list(features)] = True
    found = np.flatnonzero(have[rows])
    taken = np.arange(n)[rows][found]
    return {new: features[old] for new, old in zip(found.tolist(), taken.tolist(), strict=True)}


def _taken(column: Any, rows: Integers) -> Any:  # noqa: ANN401 - whatever `Samples` holds
    if isinstance(column, NameColumn):
        return NameColumn(_taken(column.codes, rows), column.names)
    if isinstance(column, Tenths):
        return Tenths(_taken(column.whole, rows))
    if len(column) and column.strides == (0,):
        return np.broadcast_to(column[0], rows.shape)
    return column[rows]


class _Packing(NamedTuple):
    """How a column is kept."""

    code: str
    """The type code of the values that are added one by one, of which one that does not fit raises `OverflowError`.

    Empty: they are objects.
    """
    unknown: float | None
    """What stands for a value that was not given."""
    type: str | None
    """The type of the column, whatever its values; ``None``: the narrowest that holds them."""


def _packing(field: Field) -> _Packing | None:
    """How the column of ``field`` is kept; ``None`` if it has no such column."""
    match field.kind:
        case "count":
            return _Packing("i", UNKNOWN, "int32" if field.unit == "tokens" else None)
        case "flag":
            return _Packing("b", UNKNOWN, "int8") if field.unknown is None else _Packing("b", 0, "bool")
        case "number":
            return _Packing("d", float("nan"), "float64")
        case "time":
            return _Packing("", None, "datetime64[us]")
    return _Packing("i", UNKNOWN, None) if field.is_shared else None


_PACKINGS = {name: packing for name, field in FIELDS.items() if (packing := _packing(field)) is not None}
_PLACES = {"file": _Packing("i", None, None), "line": _Packing("q", None, None)}
_COLUMNS = {**_PACKINGS, **_PLACES}
_NAMES = frozenset(name for name in _PACKINGS if FIELDS[name].is_shared)


def unknown(n: int) -> Samples:
    """``n`` samples of which nothing is known, to be filled in with `dataclasses.replace`. They take no room."""
    columns: dict[str, Any] = {
        name: np.broadcast_to(np.array(0 if name in _PLACES else packing.unknown, packing.type or np.int8), n)
        for name, packing in _COLUMNS.items()
    }
    return Samples(**{**columns, **{name: NameColumn(columns[name], ()) for name in _NAMES}}, features={})


class SamplesBuilder:
    """Samples on their way into columns: put parts together, add samples one by one, change them, then `build`."""

    def __init__(self, parts: Iterable[Samples] = ()) -> None:
        """A builder of the samples of ``parts``, one after the other.

        One column after the other is put together. What nobody else holds of the parts is given up with it, so that
        there is never much more than the parts, or the builder.
        """
        self._codes: dict[str, dict[str, int]] = {name: {} for name in _NAMES}
        self._names: dict[str, list[str]] = {name: [] for name in _NAMES}
        self._features: dict[int, Mapping[str, str]] = {}
        self._rows = 0
        self._begin_to_add()
        columns: dict[str, list[Any]] = {name: [] for name in _COLUMNS}
        for part in parts:
            for name, found in columns.items():
                found.append(getattr(part, name))
            self._features |= {self._rows + row: features for row, features in part.features.items()}
            self._rows += len(part)
        part = None  # type: ignore[assignment] # it holds its columns
        self._columns: dict[str, Any] = {name: self._joined(name, columns.pop(name)) for name in _COLUMNS}

    def __len__(self) -> int:
        return self._rows + len(self._added["line"])

    def add(self, sample: Sample, file: int = 0, line: int = 0) -> int:
        """Append ``sample``, read from ``line`` of the file with index ``file``, and return its row."""
        row = len(self)
        for name, values, codes, unknown in self._adding:
            value = getattr(sample, name)
            if value is None:
                value = unknown
            elif codes is not None:
                value = codes.setdefault(value, len(codes))
            values.append(value)
        self._added["file"].append(file)
        self._added["line"].append(line)
        if sample.features:
            self._features[row] = sample.features
        return row

    def column(self, name: str) -> Any:  # noqa: ANN401 - an array, or `Tenths`
        """The column ``name`` itself, of shape ``(samples,)``: as in `Samples`, but names as codes of this builder."""
        self._settle()
        return self._columns[name]

    def values(self, name: str, rows: Sequence[int]) -> list[Any]:
        """What ``rows`` say in the column ``name``, of counts, flags or names; ``None`` where they say nothing."""
        return [self._value(name, value) for value in self.column(name)[rows].tolist()]

    def write(self, name: str, rows: Sequence[int], values: Sequence[Any]) -> None:
        """Have ``rows`` say ``values`` in the column ``name``: what `values` gives."""
        if not rows:
            return
        column = self.column(name)
        if name in _NAMES:
            codes = [UNKNOWN if value is None else self._code(name, value) for value in values]
        else:
            codes = [UNKNOWN if value is None else int(value) for value in values]
        kind = np.dtype(_COLUMNS[name].type or np.result_type(column.dtype, np.min_scalar_type(-max(codes) - 2)))
        if column.dtype != kind or not column.flags.writeable:  # too narrow, or one value that stands for all rows
            column = self._columns[name] = column.astype(kind)
        column[rows] = codes

    def copy(self, name: str, rows: Integers, others: Integers) -> None:
        """Have ``rows`` say in the column ``name`` what ``others``, as many rows, say there."""
        if not len(rows):
            return
        column = self.column(name)
        if not column.flags.writeable:  # one value that stands for all rows
            column = self._columns[name] = column.copy()
        column[rows] = column[others]

    def fill_times(self, rows: Integers, others: Integers) -> None:
        """Give those of ``rows`` that have no time the time of the ``others``, as many rows."""
        times = self.column("time")
        new = np.isnat(times[rows]) & ~np.isnat(times[others])
        self.copy("time", rows[new], others[new])

    def sample(self, row: int) -> Sample:
        """The sample in ``row``, without its id."""
        self._settle()
        said = {name: self._value(name, self._columns[name].item(row)) for name in _PACKINGS}
        return Sample(**said, features=self._features.get(row, {}))

    def fill(self, row: int, sample: Sample) -> None:
        """Add to ``row`` what ``sample``, another record of the same call, knows and it does not."""
        for name, packing in _PACKINGS.items():
            value = getattr(sample, name)
            if packing.unknown == UNKNOWN and value is not None and self.column(name)[row] == UNKNOWN:
                self.write(name, [row], [value])

    def build(self, rows: Integers | Mask | None = None) -> Samples:
        """The samples, or those in ``rows``, in that order, and no builder any more.

        Names that none has are left out. The others are numbered in the order of their first rows.
        """
        self._settle()
        built = {name: self._built(name, self._columns.pop(name), rows) for name in _COLUMNS}
        features: Mapping[int, Mapping[str, str]] = self._features
        if rows is not None:
            features = _features_of(features, rows, self._rows)
        return Samples(**built, features=features)

    def _begin_to_add(self) -> None:
        self._added: dict[str, Any] = {name: array(each.code) if each.code else [] for name, each in _COLUMNS.items()}
        self._adding = [
            (name, self._added[name], self._codes.get(name), packing.unknown) for name, packing in _PACKINGS.items()
        ]

    def _settle(self) -> None:
        """Put what was added one by one behind the rest."""
        added, before = self._added, self._rows
        if not added["line"]:
            return
        self._rows = len(self)
        for name, values in added.items():
            packing = _COLUMNS[name]
            # Without a copy where the type fits: nothing can be appended to the values while the column is there.
            column = np.frombuffer(values, packing.code) if packing.code else np.array(values, packing.type)
            column = column.astype(packing.type or column.dtype, copy=False)
            self._columns[name] = self._joined(name, [self._columns[name], column]) if before else column
        self._names = {name: list(codes) for name, codes in self._codes.items()}
        self._begin_to_add()

    def _value(self, name: str, value: Any) -> Any:  # noqa: ANN401 - whatever a field may be
        """What ``value`` in the column ``name`` says, as a sample says it."""
        if value == _COLUMNS[name].unknown or value != value:  # NaN
            return FIELDS[name].unknown
        return self._names[name][value] if name in _NAMES else bool(value) if FIELDS[name].kind == "flag" else value

    def _built(self, name: str, column: Any, rows: Integers | Mask | None) -> Any:  # noqa: ANN401
        if rows is not None:
            column = Tenths(column.whole[rows]) if isinstance(column, Tenths) else column[rows]
        kind = _COLUMNS[name].type
        if name in _NAMES:
            return _compact(column, self._names[name])
        if kind == "float64" and not isinstance(column, Tenths):
            column = in_tenths(column)
        if isinstance(column, Tenths):
            return Tenths(stored(column.whole))
        return stored(column if kind else narrowest(column))

    def _joined(self, name: str, parts: list[Any]) -> Any:  # noqa: ANN401
        """The columns ``name`` of all parts as one. Codes of names that are an array are of this builder."""
        kind = _COLUMNS[name].type
        if name in _NAMES:
            mappings = [None if isinstance(each, np.ndarray) else self._mapping(name, each.names) for each in parts]
            codes = zip(mappings, _each(parts), strict=True)
            narrow = np.min_scalar_type(-len(self._codes[name]) - 1)
            return _one((part if of is None else of[part.codes] for of, part in codes), self._rows, narrow)
        if kind == "float64":
            tenths = [each if isinstance(each, Tenths) else in_tenths(each) for each in parts]
            if all(isinstance(each, Tenths) for each in tenths):
                parts.clear()
                return Tenths(_one((each.whole for each in _each(tenths)), self._rows, np.int16))
            return _one((each[:] for each in _each(parts)), self._rows, np.float64)
        return _one(_each(parts), self._rows, kind or _narrowest_of(parts))

    def _mapping(self, column: str, names: Sequence[str]) -> npt.NDArray[Any]:
        """This builder's code for each code of a part with these ``names``; the last is for `UNKNOWN`."""
        codes = np.array([*(self._code(column, name) for name in names), UNKNOWN])
        return codes.astype(np.min_scalar_type(-len(self._names[column]) - 1))

    def _code(self, column: str, name: str) -> int:
        code = self._codes[column].setdefault(name, len(self._names[column]))
        if code == len(self._names[column]):
            self._names[column].append(name)
        return code


def _narrowest_of(parts: Sequence[npt.NDArray[Any]]) -> np.dtype[Any]:
    """The narrowest type that holds the numbers of all ``parts``, or one that is wider."""
    lowest = min((int(part.min()) for part in parts if len(part)), default=UNKNOWN)
    highest = max((int(part.max()) for part in parts if len(part)), default=UNKNOWN)
    return np.min_scalar_type(min(lowest, -highest - 1, UNKNOWN))


def _each(parts: list[Any]) -> Iterator[Any]:
    """The parts, each of which is given up."""
    parts.reverse()
    while parts:
        yield parts.pop()


def _one(parts: Iterable[npt.NDArray[Any]], rows: int, kind: npt.DTypeLike) -> npt.NDArray[Any]:
    """The ``parts`` one after the other, of a type that holds all their values."""
    column = np.empty(rows, kind)
    begin = 0
    for part in parts:
        column[begin : begin + len(part)] = part
        begin += len(part)
    return column


def _compact(codes: npt.NDArray[Any], names: Sequence[str]) -> NameColumn:
    """``codes`` of those ``names`` that occur, numbered in the order of their first rows."""
    order = _in_order(codes, len(names))
    if order == list(range(len(names))):
        return NameColumn(stored(narrowest(codes)), tuple(names))
    renumbered = np.full(len(names) + 1, UNKNOWN, dtype=codes.dtype)
    renumbered[order] = np.arange(len(order))
    for part in blocks(len(codes)):
        codes[part] = renumbered[codes[part]]
    return NameColumn(stored(narrowest(codes)), tuple(names[code] for code in order))


def _in_order(codes: npt.NDArray[Any], names: int) -> list[int]:
    """Those codes that occur, of ``names`` possible ones, in the order of their first rows."""
    order: list[int] = []
    is_new = np.ones(names + 1, dtype=np.bool_)
    is_new[UNKNOWN] = False
    for part in blocks(len(codes)):
        if len(order) == names:
            break
        found = codes[part]
        new, first = np.unique(found[is_new[found]], return_index=True)
        order += new[np.argsort(first)].tolist()
        is_new[new] = False
    return order


def columns_of(samples: Iterable[Sample]) -> Samples:
    """The columns of ``samples``, in their order."""
    builder = SamplesBuilder()
    for sample in samples:
        builder.add(sample)
    return builder.build()
