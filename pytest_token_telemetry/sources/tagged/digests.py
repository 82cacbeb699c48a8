"""By what copies of a line are known: 128 bits of its text, computed for many texts at once.

Texts that differ have different digests, but for a chance of one in 2**64 or less among all that a session reads. It is
no protection against somebody who wants two of them to be the same: who writes the logs decides anyway what they say.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from pytest_token_telemetry.sources.tagged.byte_words import REACH, Text

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from pytest_token_telemetry.samples import Integers

    Digests: TypeAlias = npt.NDArray[np.uint64]
    """Of shape (rows, 2)."""

_AT_ONCE = 1 << 10
"""Texts whose words stay in the processor's cache."""

_MOST_HELD = 1 << 20
"""Bytes of texts that wait to be hashed."""

_FACTORS = np.frombuffer(
    b"".join(blake2b(b"factors", digest_size=64, salt=bytes([n])).digest() for n in range(REACH // 8 * 2 // 8)), "<u8"
).reshape(2, -1) | np.uint64(1)
"""Any odd numbers, two for each word of a text. Those of its last word are the last."""

_MIX = np.uint64(0x9E3779B97F4A7C15)


def digests(text: Text, begins: Integers, ends: Integers) -> Digests:
    """The digests of the texts in ``text`` from ``begins`` to ``ends``."""
    found = np.empty((len(begins), 2), np.uint64)
    for first in range(0, len(begins), _AT_ONCE):
        part = slice(first, first + _AT_ONCE)
        found[part] = _digests(text, begins[part], ends[part])
    return found


def digests_of(texts: Sequence[bytes]) -> Digests:
    """The digest of each of ``texts``."""
    ends = np.cumsum([0, *map(len, texts)], dtype=np.int64)
    return digests(Text(b"".join(texts)), ends[:-1], ends[1:])


def digests_of_texts(texts: Sequence[str]) -> Digests:
    """The digest of each of ``texts``."""
    text, bounds = one_text(texts)
    return digests(text, bounds[:-1], bounds[1:])


def one_text(texts: Sequence[str]) -> tuple[Text, Integers]:
    """``texts`` one after the other, and where each begins, with the end of the last: of shape ``(texts + 1,)``."""
    joined = "".join(texts)
    if joined.isascii():  # one encoding is faster than many
        return Text(joined.encode()), np.cumsum([0, *map(len, texts)], dtype=np.int64)
    parts = [*map(encoded, texts)]
    return Text(b"".join(parts)), np.cumsum([0, *map(len, parts)], dtype=np.int64)


def encoded(text: str) -> bytes:
    """What is hashed of a text, which may have halves of characters."""
    return text.encode("utf-8", "surrogatepass")


class DigestColumn:
    """The digests of texts that come one by one, hashed a megabyte at a time."""

    def __init__(self) -> None:
        self._built = [digests_of([])]
        self._texts: list[bytes] = []
        self._size = 0

    def add(self, text: bytes) -> None:
        """Add that of ``text``."""
        self._texts.append(text)
        self._size += len(text)
        if self._size > _MOST_HELD:
            self._take()

    def build(self) -> Digests:
        """Those of all texts."""
        self._take()
        return np.concatenate(self._built)

    def _take(self) -> None:
        self._built.append(digests_of(self._texts))
        self._texts, self._size = [], 0


def _digests(text: Text, begins: Integers, ends: Integers) -> Digests:
    sizes = ends - begins
    long = np.flatnonzero(sizes > REACH).tolist()
    words = text.before(ends, np.minimum(sizes, REACH))
    words ^= words >> np.uint64(32)
    words *= _MIX
    words ^= words >> np.uint64(29)
    found: Digests = words @ _FACTORS[:, _FACTORS.shape[1] - words.shape[1] :].T
    found += sizes.astype(np.uint64)[:, np.newaxis] * _MIX
    for row in long:
        found[row] = np.frombuffer(blake2b(text.text[begins[row] : ends[row]], digest_size=16).digest(), "<u8")
    return found
