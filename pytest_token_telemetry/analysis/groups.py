"""Samples by a code, such as that of their category: counts, and ascending figures of each group.

The rows are visited in blocks, so that nothing wider than a mask or a figure a sample is ever held: of ten million
samples, each eight bytes are 80 MB.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic

import numpy as np

from pytest_token_telemetry.columns import UNKNOWN, Scalar, blocks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import numpy.typing as npt

    from pytest_token_telemetry.columns import Floats, Integers, Mask, Narrow

_SMALL = 1000
"""Values that are sorted as fast as parted."""


def computed(mask: Mask, values: Callable[[Integers], npt.NDArray[Scalar]]) -> npt.NDArray[Scalar]:
    """What ``values`` makes of the rows of ``mask``, in their order."""
    found, end = np.empty(int(np.count_nonzero(mask)), dtype=_type_of(values)), 0
    for rows in rows_of(mask):
        begin, end = end, end + len(rows)
        found[begin:end] = values(rows)
    return found


def rows_of(mask: Mask) -> Iterator[Integers]:
    """The rows of ``mask``, a block at a time."""
    for part in blocks(len(mask)):
        yield np.flatnonzero(mask[part]) + part.start


def counted(codes: Narrow, mask: Mask, names: int) -> Integers:
    """How many rows of ``mask`` have each code.

    Args:
        codes: one a row, below ``names``.
        mask: the rows that count.
        names: how many codes there are.

    Returns:
        One entry a code, and one more, the last, for `UNKNOWN`: so ``counts[codes]`` is right for all.
    """
    counts = np.zeros(names + 1, dtype=np.int64)
    for part in blocks(len(codes), at_least=names):
        found = codes[part][mask[part]].astype(np.int64)
        found[found == UNKNOWN] = names
        counts += np.bincount(found, minlength=names + 1)
    return counts


def looked_up(table: npt.NDArray[Scalar], codes: Narrow) -> npt.NDArray[Scalar]:
    """``table[codes]``, without an index of eight bytes a row. The last entry of ``table`` is for `UNKNOWN`."""
    found = np.empty(len(codes), dtype=table.dtype)
    for part in blocks(len(codes)):
        found[part] = table[codes[part]]
    return found


def present(counts: Integers) -> Integers:
    """The codes that `counted` found: `UNKNOWN` first, which is what -1 says of its last entry, then in their order."""
    codes = np.flatnonzero(counts[:-1])
    return np.concatenate(([UNKNOWN], codes)) if counts[-1] else codes


def _type_of(values: Callable[[Integers], npt.NDArray[Scalar]]) -> np.dtype[Scalar]:
    return values(np.empty(0, dtype=np.int64)).dtype


@dataclass(frozen=True, slots=True)
class Grouped(Generic[Scalar]):
    """Values of each code, ascending, one code after the other."""

    values: npt.NDArray[Scalar]
    counts: Integers
    """How many each code has: one entry a code, the last for `UNKNOWN`."""
    starts: Integers
    """Where they begin."""

    def of(self, code: int) -> npt.NDArray[Scalar]:
        """The values of ``code``."""
        return self.values[self.starts[code] : self.starts[code] + self.counts[code]]

    def quantile(self, share: float) -> Floats:
        """`metrics.quantile` of every code; NaN for those without values."""
        position = share * (self.counts + 1)
        below = np.floor(position).astype(np.int64)
        part = position - below
        low, high = self.at(below - 1), self.at(below)
        outside = (position <= 1) | (position >= self.counts)
        with np.errstate(invalid="ignore"):  # an endless value less another
            between = np.where(np.isfinite(high), low + part * (high - low), high)
        return np.where(outside | (part == 0), low, between)

    def at(self, place: Integers) -> Floats:
        """The value at ``place`` of each code, counted from 0, or the nearest that there is; NaN without any."""
        found = np.full(len(self.counts), np.nan)
        some = self.counts > 0
        found[some] = self.values[(self.starts + np.clip(place, 0, self.counts - 1))[some]]
        return found


def grouped(
    codes: Narrow,
    mask: Mask,
    names: int,
    values: Callable[[Integers], npt.NDArray[Scalar]],
    places: Callable[[int], Sequence[int]] | None = None,
) -> Grouped[Scalar]:
    """What ``values`` makes of the rows of ``mask``, by their codes.

    A counting sort, a block at a time: neither an order of all rows nor a mask a code is made.

    Args:
        codes: one a row, below ``names``.
        mask: the rows that count.
        names: how many codes there are.
        values: of the rows that it is given.
        places: which of so many ascending values are needed, from 0. The others need not be in their places, which in
            a group of millions is several times as fast.
    """
    counts = counted(codes, mask, names)
    ends = np.cumsum(counts)
    starts = ends - counts
    found, next_ = np.empty(int(ends[-1]), dtype=_type_of(values)), starts.copy()
    for rows in rows_of(mask):
        keys = codes[rows]
        order = np.argsort(keys, kind="stable")
        keys = keys[order]
        firsts = np.flatnonzero(np.concatenate(([True], keys[1:] != keys[:-1]))[: len(keys)])
        lengths = np.diff(firsts, append=len(keys))
        found[np.repeat(next_[keys[firsts]] - firsts, lengths) + np.arange(len(keys))] = values(rows[order])
        next_[keys[firsts]] += lengths
    for begin, end in zip(starts[counts > 1].tolist(), ends[counts > 1].tolist(), strict=True):
        if places is None or end - begin < _SMALL:
            found[begin:end].sort()
        else:
            found[begin:end].partition(places(end - begin))
    return Grouped(found, counts, starts)
