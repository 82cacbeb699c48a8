"""Many samples as columns, in as little memory as they need.

What is calculated with has one type whatever the values: 32 bits for a count of tokens, which is `MAX_TOKENS_COUNTED`
at most. Sums and products of such columns must be widened first. What is only compared or looked up has the narrowest
type that holds its values, and a column of one value takes no room.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime

    import numpy.typing as npt

    from pytest_token_telemetry.sample import Sample

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


_NO_TENTHS = np.int16(np.iinfo(np.int16).min)


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """Samples as columns of equal length.

    Counts are `UNKNOWN` where nobody said; flags are 1, 0 or `UNKNOWN`.
    """

    predicted_output_tokens: Counts
    output_tokens: Counts
    budget_tokens: Counts
    max_tokens: Counts
    truncated: Flags
    success: Flags
    legacy: Mask
    deliverable_count: Narrow
    smape: Floats | Tenths
    """NaN where the line gave none."""
    category: NameColumn
    complexity: NameColumn
    task_id: NameColumn
    run: NameColumn
    model: NameColumn
    finish_reason: NameColumn
    finish_reason_raw: NameColumn
    truncation_source: NameColumn
    time: npt.NDArray[np.datetime64]
    features: Mapping[int, Mapping[str, str]]
    """The features of those rows that have any."""
    file: Narrow
    """Index of the file each was read from."""
    line: Narrow
    """Its line there, from 1."""

    def __len__(self) -> int:
        return len(self.output_tokens)

    def take(self, rows: Integers) -> Samples:
        """The samples in ``rows``, in that order."""
        columns = {each.name: getattr(self, each.name) for each in fields(self)}
        taken = {name: _taken(column, rows) for name, column in columns.items() if name != "features"}
        return Samples(**taken, features=self._features_of(rows))

    def _features_of(self, rows: Integers) -> dict[int, Mapping[str, str]]:
        if not self.features:
            return {}
        have = np.zeros(len(self), dtype=np.bool_)
        have[list(self.features)] = True
        found = np.flatnonzero(have[rows])
        return {new: self.features[old] for new, old in zip(found.tolist(), rows[found].tolist(), strict=True)}


def blocks(rows: int, at_least: int = 1) -> Iterator[slice]:
    """The rows from 0 to ``rows``, `BLOCK` of them at a time, but not fewer than ``at_least``."""
    size = max(BLOCK, at_least)
    return (slice(begin, min(begin + size, rows)) for begin in range(0, rows, size))


def narrowest(values: Narrow) -> Narrow:
    """``values`` in the narrowest type that holds them."""
    if not len(values):
        return values.astype(np.int8)
    lowest, highest = int(np.min(values)), int(np.max(values))
    for kind in (np.int8, np.int16, np.int32):
        if np.iinfo(kind).min <= lowest and highest <= np.iinfo(kind).max:
            return values.astype(kind)
    return values


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


def _taken(column: Any, rows: Integers) -> Any:  # noqa: ANN401 - whatever `Samples` holds
    if isinstance(column, NameColumn):
        return NameColumn(_taken(column.codes, rows), column.names)
    if isinstance(column, Tenths):
        return Tenths(column.whole[rows])
    if len(column) and column.strides == (0,):
        return np.broadcast_to(column[0], rows.shape)
    return column[rows]


class SampleColumns:
    """Samples on their way into columns: add them one by one, then `build`."""

    _COUNTS = ("predicted_output_tokens", "output_tokens", "budget_tokens", "max_tokens", "deliverable_count")
    _FLAGS = ("truncated", "success")
    _NAMES = (
        *("category", "complexity", "task_id", "run", "model"),
        *("finish_reason", "finish_reason_raw", "truncation_source"),
    )

    def __init__(self) -> None:
        # A value that its column does not hold raises OverflowError here, not where it would be wrapped in silence.
        self._integers = {
            **{name: array("i") for name in (*self._COUNTS, *self._NAMES, "file")},
            **{name: array("b") for name in (*self._FLAGS, "legacy")},
            "line": array("q"),
        }
        self._names: dict[str, dict[str, int]] = {name: {} for name in self._NAMES}
        self._smape = array("d")
        self._time: list[datetime | None] = []
        self._features: dict[int, Mapping[str, str]] = {}

    def __len__(self) -> int:
        return len(self._smape)

    def add(self, sample: Sample, file: int = 0, line: int = 0) -> int:
        """Append ``sample``, read from ``line`` of the file with index ``file``, and return its row."""
        row = len(self)
        for name in (*self._COUNTS, *self._FLAGS):
            value = getattr(sample, name)
            self._integers[name].append(UNKNOWN if value is None else value)
        for name in self._NAMES:
            self._integers[name].append(self._code(name, getattr(sample, name)))
        self._integers["legacy"].append(sample.legacy)
        self._integers["file"].append(file)
        self._integers["line"].append(line)
        self._smape.append(float("nan") if sample.smape is None else sample.smape)
        self._time.append(sample.time)
        if sample.features:
            self._features[row] = sample.features
        return row

    def build(self) -> Samples:
        """The columns."""
        integers: dict[str, Any] = {name: _as_column(column) for name, column in self._integers.items()}
        names = {
            name: NameColumn(stored(narrowest(integers.pop(name))), tuple(codes)) for name, codes in self._names.items()
        }
        for name in ("deliverable_count", "file", "line"):
            integers[name] = narrowest(integers[name])
        smape = stored(_as_column(self._smape))
        integers["legacy"] = integers["legacy"].astype(np.bool_)
        return Samples(
            **{name: stored(column) for name, column in integers.items()},  # type: ignore[arg-type] # mypy takes
            **names,  # type: ignore[arg-type] # either ** for any parameter
            smape=smape if len(smape) and smape.strides == (0,) else in_tenths(smape),
            time=stored(np.array(self._time, dtype="datetime64[us]")),
            features=self._features,
        )

    def _code(self, column: str, name: str | None) -> int:
        codes = self._names[column]
        return UNKNOWN if name is None else codes.setdefault(name, len(codes))


def _as_column(values: array[Any]) -> npt.NDArray[Any]:
    """``values`` without a copy: nothing can be appended to them while the column is there."""
    return np.frombuffer(values, dtype=values.typecode) if values else np.empty(0, dtype=values.typecode)


def columns_of(samples: Iterable[Sample]) -> Samples:
    """The columns of ``samples``, in their order."""
    columns = SampleColumns()
    for sample in samples:
        columns.add(sample)
    return columns.build()
