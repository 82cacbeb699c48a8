"""The ids by which side files name a call: its own, its spans' and its trace's."""

from __future__ import annotations

from array import array
from base64 import b64decode
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pytest_token_telemetry.sources.by_row import ByRow
from pytest_token_telemetry.sources.tagged.digests import DigestColumn

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from pytest_token_telemetry.samples import Integers, Narrow

FARTHEST = 99
"""The rank of all ids that are farther from their call."""


class SideFileError(Exception):
    """Why a side file cannot be used, in one sentence that begins with its label."""


class SideFile(NamedTuple):
    """A file of what users predicted of their calls: see `side_files`."""

    path: str
    shown: str
    """Its path as users see it."""
    label: str
    """Where it was named, for errors."""
    map: str = ""
    """The name of the field map that joins it; empty: it is for calls of any source."""
    key: str = ""
    """What its rows call the id; empty: one of the names that all side files may use."""


def of_call(id: str) -> str:
    """The key of a call's own id, whoever gave it: the provider, a gateway, or who sent the request."""
    return id


def of_span(id: str) -> str:
    """The key of a span's id, however it is written."""
    return f"span {in_hex(id)}"


def of_trace(id: str) -> str:
    """The key of a trace's id, however it is written."""
    return f"trace {in_hex(id)}"


def in_hex(id: str) -> str:
    """The ``id`` of a span or of a trace in lower-case digits: some write it in upper case, protobuf's JSON in base64.

    What is no such id is given back.
    """
    length = len(id)
    if length in (16, 32):
        return id.lower()
    if (length == 12 and id[-1] == "=") or (length == 24 and id[-2:] == "=="):
        with suppress(ValueError):
            return b64decode(id, validate=True).hex()
    return id


def of_map(name: str, value: str) -> str:
    """The key of a ``value`` by which the map ``name`` joins."""
    return f"map {name} {value}"


@dataclass(frozen=True, slots=True)
class Keys(ByRow):
    """The keys of calls, one entry a key."""

    hash: npt.NDArray[np.uint64] = field(default_factory=lambda: np.empty(0, np.uint64))
    """Of the key, never 0."""
    rank: Narrow = field(default_factory=lambda: np.empty(0, np.int8))
    """How far the key is from the call: 0 is the call's own id, then come spans, the nearest first, then the trace."""

    def moved(self, rows: Integers, to: Integers) -> Keys:
        """The same, but those of ``rows`` are keys of the rows ``to``, as many."""
        if not len(rows) or not len(self.row):
            return self
        new = np.arange(int(max(np.max(self.row), np.max(rows))) + 1)
        new[rows] = to
        return Keys(new[self.row], self.hash, self.rank)


class KeyColumn:
    """Keys that come one by one."""

    def __init__(self) -> None:
        self._rows = array("q")
        self._ranks = array("b")
        self._digests = DigestColumn()

    def add(self, row: int, keys: Sequence[str]) -> None:
        """Add the ``keys`` of a row: its own id, then others, the nearest first. An empty one is none."""
        for rank, key in enumerate(keys):
            if key:
                self._rows.append(row)
                self._ranks.append(min(rank, FARTHEST))
                self._digests.add(key.encode("utf-8", "surrogatepass"))

    def build(self) -> Keys:
        """All of them."""
        rows, ranks = np.array(self._rows, np.int64), np.array(self._ranks, np.int8)
        return Keys(rows, hashed(self._digests.build()[:, 0]), ranks)


def hashed(heads: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """The hashes of keys, by the first halves of their digests."""
    found: npt.NDArray[np.uint64] = heads | np.uint64(1)
    return found
