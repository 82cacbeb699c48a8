"""Samples that can still be changed: from many parts into one, then what copies of a call know of it."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_token_telemetry.columns import UNKNOWN, NameColumn, Samples, Tenths, blocks, in_tenths, narrowest, stored
from pytest_token_telemetry.sample import Sample

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import numpy.typing as npt

    from pytest_token_telemetry.columns import Integers, Mask

_COUNTS = ("predicted_output_tokens", "output_tokens", "budget_tokens", "max_tokens", "deliverable_count")
_FLAGS = ("truncated", "success")
_NAMES = (
    *("category", "complexity", "task_id", "run", "model"),
    *("finish_reason", "finish_reason_raw", "truncation_source"),
)
_NARROW = ("deliverable_count", "file", "line")
"""What has the narrowest type that holds its values, as names have."""

_KINDS: dict[str, np.dtype[Any]] = {
    **{name: np.dtype(np.int32) for name in _COUNTS if name not in _NARROW},
    **dict.fromkeys(_FLAGS, np.dtype(np.int8)),
    "legacy": np.dtype(np.bool_),
    "time": np.dtype("datetime64[us]"),
}
"""What has one type, whatever its values."""


class Table:
    """Samples as columns that can be written to."""

    def __init__(self, parts: Iterable[Samples]) -> None:
        """The samples of ``parts``, one after the other.

        One column after the other is put together. What nobody else holds of the parts is given up with it, so that
        there is never much more than the parts, or the table.
        """
        self._codes: dict[str, dict[str, int]] = {name: {} for name in _NAMES}
        self._names: dict[str, list[str]] = {name: [] for name in _NAMES}
        self._features: dict[int, Mapping[str, str]] = {}
        self._rows = 0
        columns: dict[str, list[Any]] = {each.name: [] for each in fields(Samples) if each.name != "features"}
        for part in parts:
            for name, found in columns.items():
                found.append(getattr(part, name))
            self._features |= {self._rows + row: features for row, features in part.features.items()}
            self._rows += len(part)
        part = None  # type: ignore[assignment] # it holds its columns
        self._columns: dict[str, Any] = {name: self._joined(name, columns.pop(name)) for name in list(columns)}

    def __len__(self) -> int:
        return self._rows

    def column(self, name: str) -> Any:  # noqa: ANN401 - an array, or `Tenths`
        """The column ``name`` itself; codes of names as numbers."""
        return self._columns[name]

    def values(self, name: str, rows: Sequence[int]) -> list[Any]:
        """What ``rows`` say in the column ``name``, of counts, flags or names; ``None`` where they say nothing."""
        known = self._columns[name][rows].tolist()
        if name in _NAMES:
            names = self._names[name]
            return [None if code == UNKNOWN else names[code] for code in known]
        return [None if value == UNKNOWN else bool(value) if name in _FLAGS else value for value in known]

    def write(self, name: str, rows: Sequence[int], values: Sequence[Any]) -> None:
        """Have ``rows`` say ``values`` in the column ``name``: what `values` gives."""
        if not rows:
            return
        if name in _NAMES:
            codes = [self._code(name, value) for value in values]
        else:
            codes = [UNKNOWN if value is None else int(value) for value in values]
        column = self._columns[name]
        kind = _KINDS.get(name) or np.result_type(column.dtype, np.min_scalar_type(-max(codes) - 2))
        if column.dtype != kind or not column.flags.writeable:  # too narrow, or one value that stands for all rows
            column = self._columns[name] = column.astype(kind)
        column[rows] = codes

    def sample(self, row: int) -> Sample:
        """The sample in ``row``, without its id."""
        known: dict[str, Any] = {}
        for name in _COUNTS:
            known[name] = _unless_unknown(int(self._columns[name][row]))
        for name in _FLAGS:
            flag = int(self._columns[name][row])
            known[name] = None if flag == UNKNOWN else bool(flag)
        for name in _NAMES:
            code = int(self._columns[name][row])
            known[name] = None if code == UNKNOWN else self._names[name][code]
        smape = float(self._columns["smape"][row])
        return Sample(
            **known,
            smape=None if np.isnan(smape) else smape,
            time=self._columns["time"][row].item(),
            legacy=bool(self._columns["legacy"][row]),
            features=self._features.get(row, {}),
        )

    def complete(self, row: int, *, task_id: str | None, max_tokens: int | None) -> None:
        """Say afterwards which task ``row`` belongs to and which cap was sent, as far as it is known."""
        if task_id is not None:
            self.write("task_id", [row], [task_id])
        if max_tokens is not None:
            self.write("max_tokens", [row], [max_tokens])

    def fill(self, row: int, sample: Sample) -> None:
        """Add to ``row`` what ``sample``, another record of the same call, knows and it does not."""
        for name in (*_COUNTS, *_FLAGS, *_NAMES):
            value = getattr(sample, name)
            if value is not None and self._columns[name][row] == UNKNOWN:
                self.write(name, [row], [value])

    def set_truncated(self, row: int, truncated: bool | None) -> None:
        """Say afterwards whether ``row`` was cut off."""
        self.write("truncated", [row], [truncated])

    def build(self, rows: Integers | Mask | None = None) -> Samples:
        """The samples, or those in ``rows``, in that order, and no table any more. Names that none has are left out."""
        built = {name: self._built(name, self._columns.pop(name), rows) for name in list(self._columns)}
        features = self._features
        if rows is not None and features:
            kept = np.flatnonzero(rows) if rows.dtype == np.bool_ else rows
            features = {new: features[old] for new, old in enumerate(kept.tolist()) if old in features}
        return Samples(**built, features=features)

    def _built(self, name: str, column: Any, rows: Integers | Mask | None) -> Any:  # noqa: ANN401
        if rows is not None:
            column = Tenths(column.whole[rows]) if isinstance(column, Tenths) else column[rows]
        if name in _NAMES:
            return _compact(column, self._names[name])
        if isinstance(column, Tenths):
            return column
        return stored(narrowest(column) if name in _NARROW else column)

    def _joined(self, name: str, parts: list[Any]) -> Any:  # noqa: ANN401
        """The columns ``name`` of all parts as one."""
        if name in _NAMES:
            mappings = [self._mapping(name, part.names) for part in parts]
            kind = np.min_scalar_type(-len(self._names[name]) - 1)
            codes = (mapping[part.codes] for mapping, part in zip(mappings, _each(parts), strict=True))
            return _one(codes, self._rows, kind)
        if name == "smape":
            return self._joined_tenths(parts)
        return _one(_each(parts), self._rows, _KINDS.get(name) or _kind_of(parts))

    def _joined_tenths(self, parts: list[Any]) -> Any:  # noqa: ANN401
        tenths = [each if isinstance(each, Tenths) else in_tenths(each) for each in parts]
        if all(isinstance(each, Tenths) for each in tenths):
            parts.clear()
            return Tenths(_one((each.whole for each in _each(tenths)), self._rows, np.int16))
        return _one((each[:] for each in _each(parts)), self._rows, np.float64)

    def _mapping(self, column: str, names: Sequence[str]) -> npt.NDArray[Any]:
        """The table's code for each code of a part with these ``names``; the last is for no name, whose code is -1."""
        codes = np.array([*(self._code(column, name) for name in names), UNKNOWN])
        return codes.astype(np.min_scalar_type(-len(self._names[column]) - 1))

    def _code(self, column: str, name: str | None) -> int:
        if name is None:
            return UNKNOWN
        code = self._codes[column].setdefault(name, len(self._names[column]))
        if code == len(self._names[column]):
            self._names[column].append(name)
        return code


def _kind_of(parts: Sequence[npt.NDArray[Any]]) -> np.dtype[Any]:
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


def _unless_unknown(count: int) -> int | None:
    return None if count == UNKNOWN else count
