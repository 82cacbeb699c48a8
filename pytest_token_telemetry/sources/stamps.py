"""The timestamps at the beginning of many lines, as ``2026-01-02 03:04:05,678``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pytest_token_telemetry.sources.words import digits, like

if TYPE_CHECKING:
    import numpy.typing as npt

    from pytest_token_telemetry.columns import Integers, Mask
    from pytest_token_telemetry.sources.words import Text, Words

    Times = npt.NDArray[np.datetime64]


def stamps(text: Text, begins: Integers) -> tuple[Times, Integers, Mask]:
    """The times that are written from ``begins``, in microseconds, where they end, and which of them are that.

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
    """The days since 1970-01-01 that are written as ``2026-01-`` and ``02``, and which of them are days."""
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
    """The microseconds of what is written as ``:05,678`` and what follows, and how many bytes these take."""
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
