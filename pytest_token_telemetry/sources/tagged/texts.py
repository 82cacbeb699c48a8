"""What texts that repeat mean, as columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pytest_token_telemetry.samples import UNKNOWN, NameColumn

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from pytest_token_telemetry.sample import Sample
    from pytest_token_telemetry.samples import Flags, Integers


@dataclass(frozen=True, slots=True)
class Texts:
    """What some texts mean, one a row."""

    which: npt.NDArray[np.signedinteger]
    """Of each line: the index of what its text means."""
    samples: Sequence[Sample | None]
    """What each distinct text means, or ``None`` if that makes a line irregular."""

    def take(self, rows: Integers) -> Texts:
        """Take some ``rows``, with the meanings in the order of their first rows."""
        used, first, which = np.unique(self.which[rows], return_index=True, return_inverse=True)
        order = np.argsort(first)
        ranks = np.argsort(order)
        return Texts(ranks[which], [self.samples[index] for index in used[order].tolist()])

    def names(self, field: str) -> NameColumn:
        """The column of the names in ``field``."""
        names = [getattr(sample, field) for sample in self.samples]
        codes = {name: code for code, name in enumerate(dict.fromkeys(name for name in names if name is not None))}
        return NameColumn(self._column([codes.get(name, UNKNOWN) for name in names]), tuple(codes))

    def flags(self, field: str) -> Flags:
        """The column of the flags in ``field``."""
        flags = (getattr(sample, field) for sample in self.samples)
        return self._column([UNKNOWN if flag is None else int(flag) for flag in flags]).astype(np.int8)

    def _column(self, values: Sequence[int]) -> Integers:
        column: Integers = np.array(values, np.int64)[self.which]
        return column
