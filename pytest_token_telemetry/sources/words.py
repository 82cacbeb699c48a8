"""A text as words of eight bytes, to read many places of it at once: constants, whole numbers, texts that repeat.

Places are columns of offsets into the text. Which are worth looking at is for the caller to know: eight bytes before
each end must be within the text, and eight bytes behind each beginning of `Text.like`.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from pytest_token_telemetry.columns import Integers, Mask

    Words: TypeAlias = npt.NDArray[np.uint64]
    """Eight bytes of text each, the first of them lowest."""


class Text:
    """A text in memory."""

    def __init__(self, text: bytes) -> None:
        self.text = text
        self.bytes = np.frombuffer(text, np.uint8)
        self._words: Words = np.ndarray(max(0, len(text) - 7), "<u8", text.ljust(8), strides=1)  # one from each byte

    def places(self, byte: bytes) -> Integers:
        """Where ``byte`` stands, in order."""
        return np.flatnonzero(self.bytes == ord(byte))

    def ends_with(self, constant: bytes, ends: Integers) -> Mask:
        """Whether ``constant`` stands before each of ``ends``."""
        size = len(constant)
        if size < 8:
            short: Mask = (self._words[ends - 8] >> _bits(8 - size)) == _word(constant)
            return short
        ok = np.ones(len(ends), np.bool_)
        for at in (0, *range(size % 8 or 8, size, 8)):  # the second word may overlap the first
            ok &= self._words[ends - (size - at)] == _word(constant[at : at + 8])
        return ok

    def numbers(self, begins: Integers, ends: Integers) -> tuple[Integers, Mask]:
        """The whole numbers from ``begins`` to ``ends``, and which of them are that: one to eight digits."""
        sizes = ends - begins
        others = _bits(8 - np.clip(sizes, 0, 8))
        digits = self._words[ends - 8] ^ _word(b"00000000")
        digits >>= others  # what stands before the number is shifted out, and zeros in
        digits <<= others
        ok: Mask = ((digits + _word(b"\x06" * 8)) | digits) & _word(b"\xf0" * 8) == 0
        ok &= (sizes >= 1) & (sizes <= 8)
        pairs = (digits * np.uint64(10) + (digits >> _bits(1))) & _word(b"\xff\0" * 4)
        fours = (pairs * np.uint64(100) + (pairs >> _bits(2))) & _word(b"\xff\xff\0\0" * 2)
        numbers = (fours * np.uint64(10_000) + (fours >> _bits(4))) & _word(b"\xff" * 4)
        return numbers.view(np.int64), ok

    def like(self, pattern: bytes, begins: Integers) -> tuple[Words, Mask]:
        """The eight bytes from each of ``begins``, for `digits`, and whether they are like ``pattern``.

        In a pattern, ``0`` is any digit, ``?`` any byte, and all else itself.
        """
        differences = self._words[begins] ^ _word(pattern)
        # A digit differs from "0" in the lower half of the byte alone, by 9 at the most: 6 more are not carried over.
        carry, wrong = _pattern(pattern)
        ok: Mask = ((differences + carry) | differences) & wrong == 0
        return differences, ok

    def distinct(self, begins: Integers, ends: Integers, longest: int) -> tuple[Integers, Mask]:
        """For each text from ``begins`` to ``ends``: the index of a place that has the same text, one for all of these.

        And for which texts that is so: those of one to ``longest`` bytes, but for a few that chance is against.
        """
        sizes = ends - begins
        ok = (sizes >= 1) & (sizes <= longest)
        sizes = np.where(ok, sizes, 0)
        parts = [sizes.view(np.uint64)]
        for at in range(0, int(sizes.max(initial=0)), 8):
            part = self._words[np.maximum(ends - at - 8, 0)]
            part >>= _bits(8 - np.clip(sizes - at, 0, 8))
            parts.append(part)
        leaders, same = _leaders(parts)
        return leaders, same & ok


def digits(differences: Words, begin: int, end: int) -> Integers:
    """The number that the bytes from ``begin`` to ``end`` are, where the pattern of `Text.like` has digits."""
    number = np.zeros(len(differences), np.uint64)
    for at in range(begin, end):
        number = number * np.uint64(10) + (differences >> _bits(at) & np.uint64(0xFF))
    return number.view(np.int64)


_FACTORS = (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0xD6E8FEB86659FD93, 0xA0761D6478BD642F)
_SLOT_BITS = 12


def _leaders(parts: list[Words]) -> tuple[Integers, Mask]:
    """Of each row of the columns ``parts``: the index of an equal row, one for all of these, and whether it is found.

    Rows are put into the slots of a table, by a hash of theirs, and are held against what remains there. Those who find
    another row there try again with another hash. Nothing rests on the hash but who finds an equal row.
    """
    key = parts[0]
    for part in parts[1:]:
        key = (key ^ (key >> np.uint64(29))) * np.uint64(_FACTORS[0]) ^ part
    leaders = np.arange(len(key))
    found = np.zeros(len(key), np.bool_)
    table = np.zeros(1 << _SLOT_BITS, np.int64)
    left = np.arange(len(key))
    for factor in _FACTORS:
        mixed = (key ^ (key >> np.uint64(32))) * np.uint64(factor)
        slots = (mixed >> np.uint64(64 - _SLOT_BITS)).view(np.int64)
        table[slots] = np.arange(len(slots))
        there = table[slots]
        equal = np.ones(len(slots), np.bool_)
        for part in parts:
            equal &= part == part[there]
        leaders[left[equal]] = left[there[equal]]
        found[left[equal]] = True
        left, key, parts = left[~equal], key[~equal], [part[~equal] for part in parts]
        if not len(left):
            break
    return leaders, found


def _bits(count: int | Integers) -> Words:
    """The bits of ``count`` bytes."""
    return np.asarray(count * 8, np.int64).astype(np.uint64)


@lru_cache
def _word(text: bytes) -> np.uint64:
    """Up to eight bytes of text as a word."""
    return np.uint64(int.from_bytes(text, "little"))


@lru_cache
def _pattern(pattern: bytes) -> tuple[np.uint64, np.uint64]:
    """For `Text.like`: what to add to the differences, and which bits of the sum must not be there."""
    carry = bytes(6 if byte == ord("0") else 0 for byte in pattern)
    wrong = bytes({ord("0"): 0xF0, ord("?"): 0}.get(byte, 0xFF) for byte in pattern)
    return _word(carry), _word(wrong)
