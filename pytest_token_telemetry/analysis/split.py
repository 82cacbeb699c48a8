"""The samples as they are tuned apart: by category, and by complexity within one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pytest_token_telemetry.analysis.groups import computed, present, rows_of
from pytest_token_telemetry.columns import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_token_telemetry.analysis.strata import Labels
    from pytest_token_telemetry.columns import Integers, Mask, Narrow


@dataclass(frozen=True, slots=True)
class Split:
    """The samples as they are tuned apart."""

    codes: Narrow
    names: Sequence[tuple[str | None, str | None]]
    """The category and the complexity of each code, and of `UNKNOWN`, the last."""

    @property
    def size(self) -> int:
        """How many codes there are."""
        return len(self.names) - 1

    @staticmethod
    def by_category(labels: Labels) -> Split:
        """Every category."""
        codes, names = labels.category
        return Split(codes, [(name, None) for name in (*names, None)])

    @staticmethod
    def by_cell(labels: Labels, mask: Mask, least: int) -> Split:
        """Every complexity within a category that has ``least`` samples in ``mask``; `UNKNOWN` for all others."""
        (categories, names), (levels, complexities) = labels.category, labels.complexity
        kind = np.min_scalar_type((len(names) + 1) * len(complexities))

        def pairs_of(rows: Integers) -> Integers:
            of = categories[rows].astype(np.int64)
            of[of == UNKNOWN] = len(names)
            found: Integers = (of * len(complexities) + levels[rows]).astype(kind)
            return found

        said = mask & (levels != UNKNOWN)
        pairs, counts = np.unique(computed(said, pairs_of), return_counts=True)
        pairs = pairs[counts >= least]
        codes = np.full(len(mask), UNKNOWN, dtype=np.min_scalar_type(-len(pairs) - 1))
        for rows in rows_of(said) if len(pairs) else ():
            found = pairs_of(rows)
            places = np.minimum(np.searchsorted(pairs, found), len(pairs) - 1)
            there = pairs[places] == found
            codes[rows[there]] = places[there]
        named = [divmod(pair, len(complexities)) for pair in pairs.tolist()]
        every = (*names, None)
        return Split(codes, [*((every[of], complexities[level]) for of, level in named), (None, None)])


def largest_first(counts: Integers) -> Integers:
    """The codes that `counted` found, those with as many in their order."""
    codes = present(counts)
    return codes[np.argsort(-counts[codes], kind="stable")]
