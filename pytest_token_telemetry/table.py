"""Samples that can still be changed: from many parts into one, then what copies of a call know of it."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_token_telemetry.columns import UNKNOWN, NameColumn, Samples, Tenths, in_tenths, narrowest, stored
from pytest_token_telemetry.sample import Sample

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

    from pytest_token_telemetry.columns import Integers

_COUNTS = ("predicted_output_tokens", "output_tokens", "budget_tokens", "max_tokens", "deliverable_count")
_FLAGS = ("truncated", "success")
_NAMES = (
    *("category", "complexity", "task_id", "run", "model"),
    *("finish_reason", "finish_reason_raw", "truncation_source"),
)
_WIDTHS = {**dict.fromkeys((*_COUNTS, *_NAMES, "file"), np.int32), **dict.fromkeys(_FLAGS, np.int8), "line": np.int64}
"""Of what may be written later: wide enough for every value that a sample can have."""

_NARROW = ("deliverable_count", "file", "line")
"""What is narrowed again once nothing is written any more, as names are."""


class Table:
    """Samples as columns that can be written to."""

    def __init__(self, parts: Sequence[Samples]) -> None:
        """The samples of ``parts``, one after the other."""
        self._codes: dict[str, dict[str, int]] = {name: {} for name in _NAMES}
        self._names: dict[str, list[str]] = {name: [] for name in _NAMES}
        self._columns: dict[str, npt.NDArray[Any]] = {}
        for name in (each.name for each in fields(Samples)):
            if name != "features":
                columns = [self._coded(name, part) if name in _NAMES else getattr(part, name)[:] for part in parts]
                self._columns[name] = _joined(columns, _WIDTHS.get(name))
        self._features: dict[int, Mapping[str, str]] = {}
        begin = 0
        for part in parts:
            self._features |= {begin + row: features for row, features in part.features.items()}
            begin += len(part)

    def __len__(self) -> int:
        return len(self._columns["line"])

    def column(self, name: str) -> npt.NDArray[Any]:
        """The column ``name`` itself; codes of names as numbers."""
        return self._columns[name]

    def set_names(self, column: str, codes: Integers, names: Sequence[str]) -> None:
        """Give every row a name in ``column``."""
        self._codes[column] = {name: code for code, name in enumerate(names)}
        self._names[column] = list(names)
        self._columns[column] = codes.astype(np.int32)

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
            self._columns["task_id"][row] = self._code("task_id", task_id)
        if max_tokens is not None:
            self._columns["max_tokens"][row] = max_tokens

    def fill(self, row: int, sample: Sample) -> None:
        """Add to ``row`` what ``sample``, another record of the same call, knows and it does not."""
        for name in (*_COUNTS, *_FLAGS):
            value = getattr(sample, name)
            if value is not None and self._columns[name][row] == UNKNOWN:
                self._columns[name][row] = value
        for name in _NAMES:
            if self._columns[name][row] == UNKNOWN:
                self._columns[name][row] = self._code(name, getattr(sample, name))

    def set_truncated(self, row: int, truncated: bool | None) -> None:
        """Say afterwards whether ``row`` was cut off."""
        self._columns["truncated"][row] = UNKNOWN if truncated is None else truncated

    def build(self, rows: Integers | None = None) -> Samples:
        """The samples, or those in ``rows``, in that order. Names that none of them has are left out."""
        columns = {name: column if rows is None else column[rows] for name, column in self._columns.items()}
        names = {name: _compact(columns.pop(name), self._names[name]) for name in _NAMES}
        features = self._features
        if rows is not None and features:
            features = {new: features[old] for new, old in enumerate(rows.tolist()) if old in features}
        for name in _NARROW:
            columns[name] = narrowest(columns[name])
        smape = in_tenths(columns.pop("smape"))
        return Samples(
            smape=smape if isinstance(smape, Tenths) else stored(smape),
            **{name: stored(column) for name, column in columns.items()},  # type: ignore[arg-type] # mypy takes
            **names,  # type: ignore[arg-type] # either ** for any parameter
            features=features,
        )

    def _coded(self, name: str, part: Samples) -> npt.NDArray[Any]:
        """The codes of a part's names, in the table's numbering."""
        column: NameColumn = getattr(part, name)
        if not column.names:
            return column.codes
        codes = np.array([*(self._code(name, each) for each in column.names), UNKNOWN], dtype=np.int32)
        return codes[column.codes]  # the code of no name is -1, the last

    def _code(self, column: str, name: str | None) -> int:
        if name is None:
            return UNKNOWN
        code = self._codes[column].setdefault(name, len(self._names[column]))
        if code == len(self._names[column]):
            self._names[column].append(name)
        return code


def _compact(codes: npt.NDArray[Any], names: Sequence[str]) -> NameColumn:
    """``codes`` of those ``names`` that occur, numbered in the order of their first rows."""
    first = np.full(len(names) + 1, len(codes))
    first[codes[::-1]] = np.arange(len(codes))[::-1]  # the last to be written is the first row
    order = np.argsort(first[:-1], kind="stable")
    order = order[first[order] < len(codes)]
    if len(order) == len(names) and (order == np.arange(len(order))).all():
        return NameColumn(stored(narrowest(codes)), tuple(names))
    renumbered = np.full(len(names) + 1, UNKNOWN, dtype=codes.dtype)
    renumbered[order] = np.arange(len(order))
    return NameColumn(stored(narrowest(renumbered[codes])), tuple(names[code] for code in order.tolist()))


def _joined(columns: list[npt.NDArray[Any]], kind: Any) -> npt.NDArray[Any]:  # noqa: ANN401 - a type of numpy
    joined = np.concatenate(columns) if len(columns) > 1 else columns[0]
    return joined.astype(kind or joined.dtype)  # a copy, if there was one part


def _unless_unknown(count: int) -> int | None:
    return None if count == UNKNOWN else count
