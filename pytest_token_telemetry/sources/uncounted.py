"""Calls that say how they ended, and whose records cannot be used: no samples, but attempts.

Of a call that breaks off, the count is what is missing first, so that leaving such calls out would hide truncation.
"""

from __future__ import annotations

from array import array
from collections import Counter
from hashlib import blake2b
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_token_telemetry.sources.tagged.records import Ended

Ends: TypeAlias = "array[int]"
"""The calls of one file, in 64 bits each: a hash of its identity, 0 without one, and last whether it was truncated."""


class Uncounted(NamedTuple):
    """How many such calls there are."""

    attempts: int = 0
    truncated: int = 0


NONE_UNCOUNTED = Uncounted()


def no_ends() -> Ends:
    """No calls."""
    return array("Q")


def packed(ended: Ended) -> int:
    """One of `Ends`."""
    key = 0
    if ended.identity is not None:
        text = ended.identity.encode("utf-8", "surrogatepass")
        key = int.from_bytes(blake2b(text, digest_size=8).digest()) & ~1
    return key | ended.truncated


def uncounted(files: Iterable[Ends]) -> Uncounted:
    """How many calls the ``files`` tell of: copies in another file are none, and equal ones of one file are as many."""
    found: Counter[int] = Counter()
    for ends in files:
        for end, times in Counter(ends).items():
            found[end] = found[end] + times if end < _KNOWN else max(found[end], times)
    return Uncounted(found.total(), sum(times for end, times in found.items() if end & 1))


_KNOWN = 2
"""The least end of a call with an identity."""
