"""A text as words of eight bytes, to read many places of it at once: constants, numbers, times, texts that repeat."""

from __future__ import annotations

from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, TypeAlias, TypeVar

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

    from pytest_token_telemetry.samples import Integers, Mask

    Words: TypeAlias = npt.NDArray[np.uint64]
    """Eight bytes of text each, the first of them lowest."""
    Times = npt.NDArray[np.datetime64]

REACH = 512
"""Bytes that can be looked at before or behind any place of a text, even where it has begun or ended."""

LONGEST_TEXT = 192
"""Bytes of a text between two numbers. Real ones have up to 80."""
MOST_TEXTS = 512
"""Distinct texts between the same two keys that are read once for all their lines."""

LONGEST_CONSTANT = 24
"""Bytes of the constants that `Text.have` compares."""
_ROWS = 256
"""Rows of constants that stay in the processor's cache."""

Meaning = TypeVar("Meaning")


class Text:
    """A text in memory. Places in it are columns of offsets."""

    def __init__(self, text: bytes) -> None:
        self.text = text
        self._padded = b"".join((bytes(REACH), text, bytes(REACH)))
        self.bytes = np.frombuffer(self._padded, np.uint8)[REACH:-REACH]

    def places(self, text: bytes) -> Integers:
        """Where ``text``, of one byte or two, stands, in order."""
        found, more = self._masks
        np.equal(self.bytes, np.uint8(text[0]), out=found)
        if len(text) > 1:
            behind = np.frombuffer(self._padded, np.uint8, len(self.bytes), REACH + 1)
            found &= np.equal(behind, np.uint8(text[1]), out=more)
        return np.flatnonzero(found)

    def places_not_printable(self) -> Integers:
        """Where control characters and bytes beyond ASCII stand, in order."""
        found, more = self._masks
        from_blank = np.subtract(self.bytes, np.uint8(ord(" ")), out=more.view(np.uint8))
        return np.flatnonzero(np.greater(from_blank, np.uint8(0x7F - ord(" ")), out=found))

    @cached_property
    def _masks(self) -> npt.NDArray[np.bool_]:
        """Room for two masks: to ask the system for more memory takes longer than to search."""
        return np.empty((2, len(self.bytes)), np.bool_)

    def words(self, begins: Integers, count: int) -> Words:
        """The ``count`` words from each of ``begins``, as a row each."""
        size = 8 * count
        # One gather of long items takes a fifth of the time of many gathers of short ones.
        every = np.ndarray(len(self._padded) - size + 1, f"V{size}", self._padded, strides=1)
        return every[begins + REACH].view("<u8").reshape(-1, count)

    def before(self, ends: Integers, sizes: Integers) -> Words:
        """The texts of these ``sizes``, at most `REACH` bytes, before ``ends``, as a row each.

        Their last words end at ``ends``; what is too short for a row has zeros before it.
        """
        count = -(-int(np.max(sizes, initial=1)) // 8)
        words = self.words(ends - 8 * count, count)
        filled = min(int(np.min(sizes, initial=REACH)) // 8, count)
        width = 8 * (count - filled)
        if width:
            masks = np.ndarray(width + 1, f"V{width}", bytes(width) + b"\xff" * width, strides=1)
            words[:, : count - filled] &= masks[sizes - 8 * filled].view("<u8").reshape(-1, count - filled)
        return words

    def ends_with(self, constant: bytes, ends: Integers) -> Mask:
        """Whether ``constant`` stands before each of ``ends``."""
        count = -(-len(constant) // 8)
        words = self.words(ends - 8 * count, count)
        ok = np.ones(len(ends), np.bool_)
        for column in reversed(range(1, count)):
            begin = len(constant) - 8 * (count - column)
            ok &= words[:, column] == _word(constant[begin : begin + 8])
            if not ok.any():
                return ok
        first = len(constant) - 8 * (count - 1)
        ok &= words[:, 0] >> _bits(8 - first) == _word(constant[:first])
        return ok

    def have(self, constants: Sequence[bytes], ends: Integers) -> Mask:
        """Mark the rows of ``ends``, of shape ``(rows, constants)``, before which all ``constants`` stand.

        They have at most `LONGEST_CONSTANT` bytes.
        """
        expected, masks = (
            np.frombuffer(b"".join(each.rjust(LONGEST_CONSTANT, b"\0") for each in every), "<u8")
            for every in (constants, [b"\xff" * len(constant) for constant in constants])
        )
        ok = np.empty(len(ends), np.bool_)
        for begin in range(0, len(ends), _ROWS):
            part = ends[begin : begin + _ROWS]
            words = self.words(part.ravel() - LONGEST_CONSTANT, LONGEST_CONSTANT // 8).reshape(len(part), -1)
            words &= masks
            same = words == expected
            ok[begin : begin + _ROWS] = True if same.all() else same.all(axis=1)
        return ok

    def numbers(self, begins: Integers, ends: Integers) -> tuple[Integers, Mask]:
        """Read the whole numbers from ``begins`` to ``ends``, and mark which texts are one: one to eight digits."""
        sizes = ends - begins
        others = _bits(8 - np.clip(sizes, 0, 8))
        digits = self.words(ends - 8, 1)[:, 0] ^ _word(b"0" * 8)
        digits >>= others  # what stands before the number goes out, and zeros come in
        digits <<= others
        ok: Mask = ((digits + _word(b"\x06" * 8)) | digits) & _word(b"\xf0" * 8) == 0
        ok &= (sizes >= 1) & (sizes <= 8)
        pairs = (digits * np.uint64(10) + (digits >> _bits(1))) & _word(b"\xff\0" * 4)
        fours = (pairs * np.uint64(100) + (pairs >> _bits(2))) & _word(b"\xff\xff\0\0" * 2)
        numbers = (fours * np.uint64(10_000) + (fours >> _bits(4))) & _word(b"\xff" * 4)
        return numbers.view(np.int64), ok

    def distinct(self, begins: Integers, ends: Integers, longest: int) -> tuple[Integers, Mask]:
        """Give each text from ``begins`` to ``ends`` the index of one text that equals it, the same for all equal ones.

        The mask says for which texts one was found: those of one to ``longest`` bytes, at most `REACH`, but for a few
        that the hash fails.
        """
        sizes = ends - begins
        ok = (sizes >= 1) & (sizes <= longest)
        sizes = np.where(ok, sizes, 0)
        leaders, found = _leaders(self.before(ends, sizes), sizes)
        return leaders, found & ok

    def meanings(
        self, begins: Integers, ends: Integers, meaning: Callable[[bytes], Meaning | None], most: int | None = None
    ) -> tuple[Integers, list[Meaning | None]]:
        """What the texts from ``begins`` to ``ends`` mean: of each, the index of its meaning; ``None`` is the last.

        That is also what all mean beyond ``most`` distinct ones, `MOST_TEXTS` if it is not given.
        """
        leaders, found = self.distinct(begins, ends, LONGEST_TEXT)
        distinct = np.flatnonzero(found & (leaders == np.arange(len(leaders))))[: MOST_TEXTS if most is None else most]
        numbers = np.full(len(leaders), -1)
        numbers[distinct] = np.arange(len(distinct))
        spans = zip(begins[distinct].tolist(), ends[distinct].tolist(), strict=True)
        return np.where(found, numbers[leaders], -1), [*(meaning(self.text[at:to]) for at, to in spans), None]


def like(pattern: bytes, words: Words) -> tuple[Words, Mask]:
    """The words for `digits`, and which of them are like ``pattern``.

    In a pattern, ``0`` is any digit, ``?`` any byte, and all else itself.
    """
    differences = words ^ _word(pattern)
    # A digit differs from "0" in the lower half of the byte alone, by up to 9: with 6 more, nothing is carried over.
    more = bytes(6 if byte == ord("0") else 0 for byte in pattern)
    wrong = bytes({ord("0"): 0xF0, ord("?"): 0}.get(byte, 0xFF) for byte in pattern)
    ok: Mask = ((differences + _word(more)) | differences) & _word(wrong) == 0
    return differences, ok


def digits(differences: Words, begin: int, end: int) -> Integers:
    """The number that the bytes from ``begin`` to ``end`` are, where the pattern of `like` has digits."""
    number = (differences >> _bits(begin)) & np.uint64(0xF)
    for at in range(begin + 1, end):
        number = number * np.uint64(10) + ((differences >> _bits(at)) & np.uint64(0xF))
    return number.view(np.int64)


def stamps(text: Text, begins: Integers) -> tuple[Times, Integers, Mask]:
    """Read the times from ``begins``, in microseconds; say where each ends, and mark which texts are one.

    A fraction is read if it has three or six digits. Any others, and a time zone, are left behind the end.
    """
    words = text.words(begins, 4)
    days, ok = _days(words[:, 0], words[:, 1] & np.uint64(0xFFFF))
    middle, is_middle = like(b"00?00:00", words[:, 1])
    end, is_end = like(b":00?????", words[:, 2])
    separator = (words[:, 1] >> np.uint64(16)) & np.uint64(0xFF)
    hour, minute, second = digits(middle, 3, 5), digits(middle, 6, 8), digits(end, 1, 3)
    ok &= is_middle & is_end & ((separator == ord(" ")) | (separator == ord("T")))
    ok &= (hour <= 23) & (minute <= 59) & (second <= 59)
    fraction, size = _fraction(words[:, 2], words[:, 3])
    microseconds = ((hour * 60 + minute) * 60 + second) * 1_000_000 + fraction
    return (days * 86_400_000_000 + microseconds).view("datetime64[us]"), begins + len("2026-01-02 03:04:05") + size, ok


def _days(starts: Words, ends: Words) -> tuple[Integers, Mask]:
    """Read days, written as ``2026-01-`` and ``02``, since 1970-01-01, and mark which texts are a day."""
    changes = np.ones(len(starts), np.bool_)  # most lines are of the same day as the line before them
    changes[1:] = (starts[1:] != starts[:-1]) | (ends[1:] != ends[:-1])
    date, is_date = like(b"0000-00-", starts[changes])
    last, is_last = like(b"00??????", ends[changes])
    year, month, day = digits(date, 0, 4), digits(date, 5, 7), digits(last, 0, 2)
    months = (year * 12 + month - (1970 * 12 + 1)).view("datetime64[M]")
    days = months.astype("datetime64[D]") + (day - 1)
    ok = is_date & is_last & (year >= 1) & (month >= 1) & (month <= 12)
    ok &= (day >= 1) & (days.astype("datetime64[M]") == months)
    which = np.cumsum(changes) - 1
    return days.view(np.int64)[which], ok[which]


def _fraction(words: Words, following: Words) -> tuple[Integers, Integers]:
    """Read the fraction of ``:05,678`` and what follows in microseconds, and count the bytes that it takes."""
    point = (words >> np.uint64(24)) & np.uint64(0xFF)
    is_point = (point == ord(".")) | (point == ord(","))
    three, is_three = like(b"????000?", words)
    six, is_six = like(b"????0000", words)
    rest, is_rest = like(b"00??????", following)
    is_three &= is_point
    is_six &= is_point & is_rest
    microseconds = digits(three, 4, 7) * 1000
    microseconds[~is_three] = 0
    microseconds[is_six] += digits(six[is_six], 7, 8) * 100 + digits(rest[is_six], 0, 2)
    return microseconds, np.where(is_six, 7, np.where(is_three, 4, 0))


_ROUNDS = 4
_SLOT_BITS = 14
_FACTORS = np.array(
    [pow(0x9E3779B97F4A7C15, 2 * n + 1, 1 << 64) for n in range(_ROUNDS * REACH // 8)], np.uint64
).reshape(_ROUNDS, -1)


def _leaders(rows: Words, sizes: Integers) -> tuple[Integers, Mask]:
    """Of each row: the index of an equal row of equal size, one for all of these, and whether it is found.

    Rows are put into the slots of a table by a hash, and are held against what remains there. Those that find another
    row there try again, with another hash. It decides only who is held against whom.
    """
    leaders = np.arange(len(rows))
    found = np.zeros(len(rows), np.bool_)
    table = np.empty(1 << _SLOT_BITS, np.int64)
    left = np.arange(len(rows))
    for factors in _FACTORS:
        slots = ((rows @ factors[: rows.shape[1]]) >> np.uint64(64 - _SLOT_BITS)).view(np.int64)
        table[slots] = np.arange(len(slots))
        there = table[slots]
        equal = _equal(rows, there) & (sizes == sizes[there])
        leaders[left[equal]] = left[there[equal]]
        found[left[equal]] = True
        left, rows, sizes = left[~equal], rows[~equal], sizes[~equal]
        if not len(left):
            break
    return leaders, found


def _equal(rows: Words, others: Integers) -> Mask:
    """Mark which rows equal the row whose index ``others`` gives."""
    count = rows.shape[1]
    same = rows == rows.view(f"V{8 * count}")[others, 0].view(np.uint64).reshape(-1, count)
    every: Mask = np.ones(len(rows), np.bool_) if same.all() else same.all(axis=1)
    return every


def _bits(count: int | Integers) -> Words:
    """The bits of ``count`` bytes."""
    return np.multiply(count, 8).astype(np.uint64)


@lru_cache
def _word(text: bytes) -> np.uint64:
    """Up to eight bytes of text as a word."""
    return np.uint64(int.from_bytes(text, "little"))
