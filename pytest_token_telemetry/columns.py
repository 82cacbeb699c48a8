"""Many samples as columns."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    import numpy.typing as npt

    from pytest_token_telemetry.sample import Sample

    Integers: TypeAlias = npt.NDArray[np.int64]
    Floats: TypeAlias = npt.NDArray[np.float64]
    Mask: TypeAlias = npt.NDArray[np.bool_]

UNKNOWN = -1
"""How a column says that a count, a flag or a name is not known."""


@dataclass(frozen=True, slots=True)
class NameColumn:
    """One name a sample, as a code into the distinct names; `UNKNOWN` where there is none."""

    codes: Integers
    names: tuple[str, ...]

    def name(self, row: int) -> str | None:
        """The name in ``row``."""
        code = int(self.codes[row])
        return None if code == UNKNOWN else self.names[code]

    def is_name(self, name: str) -> Mask:
        """The rows that have ``name``."""
        mask: Mask = self.codes == (self.names.index(name) if name in self.names else UNKNOWN - 1)
        return mask


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """Samples as columns of equal length.

    Counts are `UNKNOWN` where nobody said; flags are 1, 0 or `UNKNOWN`.
    """

    predicted_output_tokens: Integers
    output_tokens: Integers
    budget_tokens: Integers
    max_tokens: Integers
    truncated: Integers
    success: Integers
    legacy: Mask
    deliverable_count: Integers
    smape: Floats
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
    file: Integers
    """Index of the file each was read from."""
    line: Integers
    """Its line there, from 1."""

    def __len__(self) -> int:
        return len(self.output_tokens)

    def take(self, rows: Integers) -> Samples:
        """The samples in ``rows``, in that order."""
        taken = {each.name: getattr(self, each.name) for each in fields(self)}
        taken = {
            name: NameColumn(column.codes[rows], column.names) if isinstance(column, NameColumn) else column[rows]
            for name, column in taken.items()
            if name != "features"
        }
        features = {new: self.features[old] for new, old in enumerate(rows.tolist()) if old in self.features}
        return Samples(**taken, features=features)


class SampleColumns:
    """Samples on their way into columns: add them one by one, then `build`."""

    _COUNTS = ("predicted_output_tokens", "output_tokens", "budget_tokens", "max_tokens", "deliverable_count")
    _FLAGS = ("truncated", "success")
    _NAMES = (
        *("category", "complexity", "task_id", "run", "model"),
        *("finish_reason", "finish_reason_raw", "truncation_source"),
    )

    def __init__(self) -> None:
        self._integers = {
            name: array("q") for name in (*self._COUNTS, *self._FLAGS, *self._NAMES, "legacy", "file", "line")
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

    def complete(self, row: int, *, task_id: str, max_tokens: int | None) -> None:
        """Say afterwards which task ``row`` belongs to and which cap was sent."""
        self._integers["task_id"][row] = self._code("task_id", task_id)
        if max_tokens is not None:
            self._integers["max_tokens"][row] = max_tokens

    def fill(self, row: int, sample: Sample) -> None:
        """Add to ``row`` what ``sample``, another record of the same call, knows and it does not."""
        for name in (*self._COUNTS, *self._FLAGS):
            value = getattr(sample, name)
            if value is not None and self._integers[name][row] == UNKNOWN:
                self._integers[name][row] = value
        for name in self._NAMES:
            if self._integers[name][row] == UNKNOWN:
                self._integers[name][row] = self._code(name, getattr(sample, name))

    def cut_off(self, row: int) -> None:
        """Say afterwards that ``row`` was cut off."""
        self._integers["truncated"][row] = True

    def build(self) -> Samples:
        """The columns."""
        integers = {name: np.array(column, dtype=np.int64) for name, column in self._integers.items()}
        names = {name: NameColumn(integers.pop(name), tuple(codes)) for name, codes in self._names.items()}
        legacy = integers.pop("legacy").astype(np.bool_)
        return Samples(
            **integers,  # type: ignore[arg-type] # mypy takes either ** for any parameter
            **names,  # type: ignore[arg-type]
            legacy=legacy,
            smape=np.array(self._smape, dtype=np.float64),
            time=np.array(self._time, dtype="datetime64[us]"),
            features=self._features,
        )

    def _code(self, column: str, name: str | None) -> int:
        codes = self._names[column]
        return UNKNOWN if name is None else codes.setdefault(name, len(codes))


def columns_of(samples: Iterable[Sample]) -> Samples:
    """The columns of ``samples``, in their order."""
    columns = SampleColumns()
    for sample in samples:
        columns.add(sample)
    return columns.build()
