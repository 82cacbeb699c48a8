"""How long to wait before asking again: as long as the server says, and never longer than its user would."""

from __future__ import annotations

import random
import time
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

LONGEST = 180.0
"""Seconds, in all: a job that posts a comment has five minutes or so."""

TRIES = 5
"""Of one call."""

SETTLING = (0.5, 1.5)
"""Seconds between writing and looking again, for others that write at the same time."""

UNKNOWN_LIMIT = 60.0
"""Seconds, where a server sets a limit without saying for how long; GitHub asks for a minute at least."""


class Clock(Protocol):
    """The time."""

    def now(self) -> float:
        """Seconds since 1970."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


class SystemClock:
    """The time, as everybody has it."""

    def now(self) -> float:
        """Seconds since 1970."""
        return time.time()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)


class Patience:
    """All the waiting of one command."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._left = LONGEST

    def wait(self, seconds: float) -> bool:
        """Wait, or return False if that is longer than there is patience for."""
        if seconds > self._left:
            return False
        self._left -= seconds
        self._clock.sleep(seconds)
        return True

    def settle(self) -> None:
        """Let others that write at the same time finish."""
        self._clock.sleep(random.uniform(*SETTLING))  # noqa: S311 - so that posters do not march in step

    def asked_for(self, headers: Mapping[str, str]) -> float | None:
        """Seconds that the server asks to wait, if it does."""
        after = str(headers.get("retry-after", "")).strip()
        if after.isascii() and after.isdigit():
            return float(after[:9])
        if after:
            try:
                return max(0.0, parsedate_to_datetime(after).timestamp() - self._clock.now())
            except (ValueError, OverflowError):
                return None
        reset = str(headers.get("x-ratelimit-reset", ""))
        if str(headers.get("x-ratelimit-remaining", "")) == "0" and reset.isascii() and reset.isdigit():
            return max(0.0, float(reset[:12]) - self._clock.now()) + 1  # it is not said when in that second
        return None


def backoff(attempt: int) -> float:
    """Seconds to wait after the failure of the ``attempt``-th try, from 0: 1, 2, 4, 8."""
    return float(2**attempt)
