"""The history file, ``token-telemetry-history/1``: one line of JSON a session."""

from __future__ import annotations

import json
from collections import deque
from typing import TYPE_CHECKING, Any

from pytest_token_telemetry.verdict import PastVerdict

if TYPE_CHECKING:
    from pathlib import Path

SCHEMA = "token-telemetry-history/1"

SHOWN = 10
"""Sessions that reports show."""

_HEAD = f'{{"schema": "{SCHEMA}"'.encode()
"""How every line begins."""

_VERDICTS = ("pass", "tune", "not-ready", "inconclusive")


class HistoryError(Exception):
    """Why a history cannot be used: the rest of a sentence that begins with its name."""


def read(path: Path) -> tuple[PastVerdict, ...]:
    """The last `SHOWN` sessions at ``path``, the oldest first; none if there is no file.

    A last line that was cut off is passed over: the session that wrote it was killed.

    Raises:
        HistoryError: the file is something else.
    """
    past: deque[PastVerdict] = deque(maxlen=SHOWN)
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                found = _session(line)
                if found is not None:
                    past.append(found)
                elif line.strip() and not is_cut_off(line):
                    raise HistoryError(f"has no session in line {number} (name another file)")
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise HistoryError(f"cannot be read: {error.strerror or type(error).__name__}") from None
    return tuple(past)


def is_cut_off(line: bytes) -> bool:
    """True if ``line`` is the beginning of a session, without its end."""
    begins = line.startswith(_HEAD) or _HEAD.startswith(line)
    return begins and not line.endswith(b"\n") and _session(line) is None


def _session(line: bytes) -> PastVerdict | None:
    try:
        record: dict[str, Any] = json.loads(line)
        if record["schema"] != SCHEMA or record["verdict"] not in _VERDICTS:
            return None
        return PastVerdict(
            time=_text(record["time"])[:32],
            verdict=record["verdict"],
            samples=_count(record["samples"]),
            underestimation=_rate(record["underestimation"]),
            truncation=_rate(record["truncation"]),
            commit=None if record.get("commit") is None else _text(record["commit"])[:64],
        )
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _rate(pair: list[object]) -> float | None:
    events, n = map(_count, pair)
    if events > n:
        raise ValueError("there are more events than samples")
    return events / n if n else None


def _count(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 10**12:
        raise ValueError("it is no count")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("it is no text")
    return value
