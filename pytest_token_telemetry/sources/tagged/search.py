"""Search a text for needles: with stringzilla where it is installed, else with numpy."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple, TypeAlias, cast

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from pytest_token_telemetry.samples import Integers

_SMALL = 1 << 14
"""Bytes of a text in which it is fastest to find each needle by itself, without asking how many there are."""

_DENSE_HITS = 64
_DENSE_BYTES = 1500
"""A text becomes dense where it has so many hits in a row, each within so few bytes on average."""

Find: TypeAlias = "Callable[[bytearray, bytes, int, int], int]"


class Hits(NamedTuple):
    """Where needles stand in a text."""

    sparse: list[int]
    """In order, as far as the text is not dense."""
    dense: int
    """Where the text begins to be dense: all that follows has to be looked at. The text's size, if it is not."""


def fastest_find() -> Find | None:
    """How stringzilla finds a text in a buffer, if the extra ``[fast]`` is installed."""
    try:
        from stringzilla import find
    except ImportError:
        return None
    return cast("Find", find)


class Search:
    """Searches for needles of at least three bytes."""

    def __init__(self, needles: Sequence[bytes], find: Find | None = None, small: int = _SMALL) -> None:
        """A search for ``needles``.

        Args:
            needles: what to find.
            find: as `bytearray.find`; ``None``: there is none that is faster than numpy.
            small: bytes of a text in which each needle is searched by itself, without asking how many there are.
        """
        self._small = small
        self._needles = tuple(needles)
        self._has_find = find is not None
        self._find = find or bytearray.find
        self._groups = [(needle,) for needle in needles] if find else _alike(needles)

    def places(self, text: bytearray, needle: bytes, size: int) -> Integers:
        """Where ``needle``, which cannot overlap itself, stands in the first ``size`` bytes of ``text``, in order."""
        if not self._has_find and size >= self._small and len(needle) > 1:
            return _every_place(text, needle, size)
        found: list[int] = []
        for at in _places(text, needle, size, self._find):
            found.append(at)
            if _is_dense(found):
                return _every_place(text, needle, size)
        return np.array(found, np.int64)

    def hits(self, text: bytearray, size: int) -> Hits:
        """Where needles stand in the first ``size`` bytes of ``text``."""
        dense = size
        found: list[int] = []
        if size < self._small:
            for needle in self._needles:
                found += _places(text, needle, size, self._find)
            return Hits(sorted(found), size)
        for places in self._every(text, size):
            near: list[int] = []
            for at in places:
                if at >= dense:
                    break
                near.append(at)
                if len(near) > _DENSE_HITS and at - near[-_DENSE_HITS] < _DENSE_HITS * _DENSE_BYTES:  # as `_is_dense`
                    dense = near[-_DENSE_HITS]
                    break
            found += near
        return Hits(sorted(at for at in found if at < dense), dense)

    def _every(self, text: bytearray, size: int) -> Iterator[Iterable[int]]:
        """Find the places of all needles, group by group, sorted within each group."""
        for needles in self._groups:
            if len(needles) == 1:
                yield _places(text, needles[0], size, self._find)
            else:
                yield _candidates(text, needles, size)


def _places(text: bytearray, needle: bytes, size: int, find: Find) -> Iterator[int]:
    at = find(text, needle, 0, size)
    while at >= 0:
        yield at
        at = find(text, needle, at + len(needle), size)


def _is_dense(places: Sequence[int]) -> bool:
    return len(places) > _DENSE_HITS and places[-1] - places[-_DENSE_HITS] < _DENSE_HITS * _DENSE_BYTES


def _every_place(text: bytearray, needle: bytes, size: int) -> Integers:
    """Where ``needle`` stands, by comparing all bytes: one search after the other takes longer where there are many."""
    every = np.frombuffer(text, np.uint8, size)
    last = max(0, size - len(needle) + 1)
    found = every[:last] == needle[0]
    found &= every[1 : last + 1] == needle[1]
    places = np.flatnonzero(found)
    for at, byte in enumerate(needle[2:], start=2):
        places = places[every[places + at] == byte]
    return places


def _alike(needles: Sequence[bytes]) -> list[tuple[bytes, ...]]:
    """Group the needles by their first two bytes."""
    return [tuple(group) for _, group in groupby(sorted(needles), key=lambda needle: needle[:2])]


def _candidates(text: bytearray, needles: tuple[bytes, ...], size: int) -> Iterator[int]:
    """Find ``needles`` that share their first two bytes: comparing all pairs of bytes is faster than one search."""
    pair = np.uint16(int.from_bytes(needles[0][:2], "little"))
    even, odd = (np.frombuffer(text, "<u2", (size - first) // 2, first) == pair for first in (0, 1))
    places = np.concatenate([2 * np.flatnonzero(even), 2 * np.flatnonzero(odd) + 1])
    third = np.frombuffer(text, np.uint8)[np.minimum(places + 2, size - 1)]
    places = places[np.isin(third, [needle[2] for needle in needles])]
    places.sort()
    return (at for at in places.tolist() if text.startswith(needles, at, size))
