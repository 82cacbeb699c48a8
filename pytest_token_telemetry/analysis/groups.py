"""Samples by a code, such as that of their category: counts, and ascending figures of each group.

The rows are visited in blocks, so that nothing wider than a mask or a figure a sample is ever held: of ten million
samples, each eight bytes are 80 MB.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import floor
from typing import TYPE_CHECKING, Generic

import numpy as np

from pytest_token_telemetry.samples import UNKNOWN, Scalar, blocks, narrowest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    import numpy.typing as npt

    from pytest_token_telemetry.samples import Floats, Integers, Mask, Narrow

_SMALL = 1000
"""Values that are sorted as fast as parted."""


def computed(mask: Mask, values: Callable[[Integers], npt.NDArray[Scalar]]) -> npt.NDArray[Scalar]:
    """Compute a figure for the rows of ``mask`` only.

    Args:
        mask: one entry for each sample.
        values: maps rows, as ascending indices, to one figure each.

    Returns:
        One figure for each row in ``mask``, in the order of the rows.
    """
    found, end = np.empty(int(np.count_nonzero(mask)), dtype=_type_of(values)), 0
    for rows in rows_of(mask):
        begin, end = end, end + len(rows)
        found[begin:end] = values(rows)
    return found


def rows_of(mask: Mask) -> Iterator[Integers]:
    """The indices of the rows in ``mask``, ascending, a block at a time."""
    for part in blocks(len(mask)):
        yield np.flatnonzero(mask[part]) + part.start


def counted(codes: Narrow, mask: Mask, names: int) -> Integers:
    """Count the rows of ``mask`` that have each code.

    Args:
        codes: one for each row, from 0 to below ``names``, or `UNKNOWN`.
        mask: the rows that count, one entry for each row.
        names: the number of codes.

    Returns:
        One count for each code, and one more, the last, for `UNKNOWN`: so ``counts[codes]`` is right for all.
    """
    counts = np.zeros(names + 1, dtype=np.int64)
    for part in blocks(len(codes), at_least=names):
        found = codes[part][mask[part]].astype(np.int64)
        found[found == UNKNOWN] = names
        counts += np.bincount(found, minlength=names + 1)
    return counts


def looked_up(table: npt.NDArray[Scalar], codes: Narrow) -> npt.NDArray[Scalar]:
    """``table[codes]``, without an index of eight bytes a row.

    Args:
        table: one entry for each code, and one more, the last, for `UNKNOWN`, which is -1.
        codes: one for each row.
    """
    found = np.empty(len(codes), dtype=table.dtype)
    for part in blocks(len(codes)):
        found[part] = table[codes[part]]
    return found


def with_others(codes: Narrow, names: int, order: Integers, kept: int) -> Narrow:
    """Fold all groups but some into one.

    Args:
        codes: one for each row, from 0 to below ``names``, or `UNKNOWN`.
        names: the number of codes.
        order: the codes that have rows.
        kept: how many of ``order``, the first of them, stay.

    Returns:
        One code for each row: the place in ``order`` up to below ``kept``, or ``kept`` for all others, or `UNKNOWN`.
    """
    table = np.full(names + 1, kept, dtype=np.int64)
    table[order[:kept]] = np.arange(kept)
    table[UNKNOWN] = UNKNOWN
    return looked_up(narrowest(table), codes)


def present(counts: Integers) -> Integers:
    """The codes with rows, given the counts of `counted`: `UNKNOWN` first, then ascending."""
    codes = np.flatnonzero(counts[:-1])
    return np.concatenate(([UNKNOWN], codes)) if counts[-1] else codes


def largest_first(counts: Integers) -> Integers:
    """The codes that `counted` found, those with as many in their order."""
    codes = present(counts)
    return codes[np.argsort(-counts[codes], kind="stable")]


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

    def quantile(self, share: float) -> Floats:
        """The value that ``share`` of each code's stay below, by `metrics.QUANTILE_METHOD`; NaN for codes without any.

        Written here because numpy's makes NaN of an endless value, and is slow for a few values.
        """
        position = share * (self.counts + 1)
        below = np.floor(position).astype(np.int64)
        part = position - below
        low, high = self.at(below - 1), self.at(below)
        with np.errstate(invalid="ignore"):  # an endless value less another
            between = np.where(np.isfinite(high), low + part * (high - low), high)
        return np.where(part == 0, low, between)

    def at(self, place: Integers) -> Floats:
        """The value at one place of each code, or the nearest that there is.

        Args:
            place: counted from 0, one entry for each of ``counts``; it may be outside of the code's values.

        Returns:
            One value for each of ``counts``, NaN for a code without any.
        """
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
    """Group a figure of the rows in ``mask`` by their codes.

    A counting sort, a block at a time: neither an order of all rows nor a mask for each code is made.

    Args:
        codes: one for each row, from 0 to below ``names``, or `UNKNOWN`.
        mask: the rows that count, one entry for each row.
        names: the number of codes.
        values: maps rows, as indices, to one figure each.
        places: maps the size of a group to the places, from 0, of the ascending values that are needed. The others
            need not be in their places, which in a group of millions is several times as fast.
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
        elif wanted := places(end - begin):
            found[begin:end].partition(wanted)
    return Grouped(found, counts, starts)


def quantile(ascending: Floats, share: float) -> float:
    """The value that ``share`` of the ``ascending`` ones, at least one, stay below: `Grouped.quantile` of one group."""
    one = Grouped(ascending, np.array([len(ascending)]), np.array([0]))
    return float(one.quantile(share)[0])


def quantile_places(n: int, shares: Iterable[float]) -> list[int]:
    """Which of ``n`` ascending values, counted from 0, `quantile` looks at: the others need not be in their places."""
    below = [floor(share * (n + 1)) for share in shares]
    return sorted({min(max(place, 0), n - 1) for each in below for place in (each - 1, each)})
