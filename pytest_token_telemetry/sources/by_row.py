"""Columns of which several entries, or none, belong to a row: keys of calls, and who told of them."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self

    from pytest_token_telemetry.samples import Integers, Mask


@dataclass(frozen=True, slots=True)
class ByRow:
    """Entries in no order. A subclass adds columns, each empty by default."""

    row: Integers = field(default_factory=lambda: np.empty(0, np.int64))
    """The row of the call."""

    def _columns(self) -> list[Any]:
        return [getattr(self, each.name) for each in fields(self)]

    def entries(self, chosen: Integers | Mask) -> Self:
        """Those that are ``chosen``."""
        return type(self)(*(column[chosen] for column in self._columns()))

    def take(self, rows: Integers, of: int) -> Self:
        """Those of ``rows``, in that order, of so many rows ``of`` that there are."""
        if not len(self.row):
            return self
        new = np.full(of, -1)
        new[rows] = np.arange(len(rows))
        at = new[self.row]
        found = self.entries(at >= 0)
        return type(self)(at[at >= 0], *found._columns()[1:])

    @classmethod
    def joined(cls, parts: Sequence[Self], begins: Sequence[int]) -> Self:
        """Those of all ``parts``, each with the row at which it begins."""
        rows = [begin + part.row for begin, part in zip(begins, parts, strict=False)]
        _, *columns = zip(cls()._columns(), *(part._columns() for part in parts), strict=True)
        return cls(np.concatenate([np.empty(0, np.int64), *rows]), *map(np.concatenate, columns))
