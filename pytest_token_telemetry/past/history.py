"""The history file, ``token-telemetry-history/1``: one line of JSON for each session, appended when it ends."""

from __future__ import annotations

import json
import os
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Literal, TypeAlias

import msgspec

from pytest_token_telemetry.analysis.metrics import Share
from pytest_token_telemetry.analysis.number_ranges import Rate
from pytest_token_telemetry.past import Events, KeptCount, PastError
from pytest_token_telemetry.writing import append as append_whole
from pytest_token_telemetry.writing import appending, reason

if TYPE_CHECKING:
    from collections.abc import Mapping
    from io import FileIO
    from pathlib import Path

Conclusion: TypeAlias = Literal["pass", "tune", "not-ready", "inconclusive"]
"""How a session ends."""

SHOWN = 10
"""Sessions that reports show."""

_LOOKED_AT = 100
"""Lines behind one that is no session that are looked at for others."""


@dataclass(frozen=True, slots=True)
class PastVerdict:
    """An earlier session, as reports show it. Its texts are untrusted."""

    time: str
    """When it ended, in UTC."""
    verdict: Conclusion
    samples: KeptCount
    underestimation: Rate | None
    """As a fraction of 1; ``None`` if no sample was judged. So is ``truncation``."""
    truncation: Rate | None
    commit: str | None = None
    underestimated: Share | None = None
    """Of how many calls the rate is. ``None`` in an older report; so is ``truncated``."""
    truncated: Share | None = None

    def __post_init__(self) -> None:
        pairs = ((self.underestimated, self.underestimation), (self.truncated, self.truncation))
        if any(share is not None and share.value != rate for share, rate in pairs):
            raise ValueError("its rates are not events of n")


class _Line(msgspec.Struct, kw_only=True):
    """A session in the file. Keys that later versions add are passed over."""

    schema: Literal["token-telemetry-history/1"]
    time: str
    verdict: Conclusion
    samples: KeptCount
    underestimation: Events
    truncation: Events
    commit: str | None = None


def read(path: Path) -> tuple[PastVerdict, ...]:
    """Read the last `SHOWN` sessions at ``path``, the oldest first; none if there is no file.

    A last line that was cut off is passed over: the session that wrote it was killed.

    Raises:
        PastError: the file is something else.
    """
    past: deque[PastVerdict] = deque(maxlen=SHOWN)
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                found = _session(line)
                if found is not None:
                    past.append(found)
                elif line.strip() and not is_cut_off(line):
                    has_others = past or any(map(_session, islice(file, _LOOKED_AT)))
                    keep = "delete that line to keep the others, or " if has_others else ""
                    raise PastError(f"has no session in line {number} ({keep}name another file)")
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise PastError(f"cannot be read: {reason(error)}") from None
    return tuple(past)


def append(path: Path, verdict: str, samples: int, underestimation: Share, truncation: Share) -> None:
    """Append this session to the history at ``path``.

    Args:
        path: the file; it and its directory are made if they are not there.
        verdict: how the session ended, as reports for programs write it.
        samples: how many were read.
        underestimation: events among the samples that were judged.
        truncation: events among the attempts.

    Raises:
        PastError: the file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with appending(path, "a+b") as file:
            _end_last_line(file)
            append_whole(file, render(verdict, samples, underestimation, truncation).encode())
    except OSError as error:
        raise PastError(f"could not be written: {reason(error)}") from None


def render(verdict: str, samples: int, underestimation: Share, truncation: Share) -> str:
    """This session as a line, with the time and the commit under test."""
    record = {
        "schema": _SCHEMA,
        "time": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "verdict": verdict,
        "samples": samples,
        "underestimation": [underestimation.events, underestimation.n],
        "truncation": [truncation.events, truncation.n],
        "commit": commit_under_test(os.environ),
    }
    return json.dumps(record) + "\n"


def commit_under_test(variables: Mapping[str, str]) -> str | None:
    """The commit that the CI server says it tests, as it writes it; ``None`` if it says none."""
    return next((commit for name in _COMMIT if (commit := variables.get(name))), None)


_SCHEMA = "token-telemetry-history/1"

_HEAD = f'{{"schema": "{_SCHEMA}"'.encode()
"""How every line begins."""

_COMMIT = ("GITHUB_SHA", "CI_COMMIT_SHA", "GIT_COMMIT", "BITBUCKET_COMMIT", "BUILD_SOURCEVERSION")
"""Where GitHub, GitLab, Jenkins, Bitbucket and Azure say which commit they test."""

_LONGEST_LINE = 1 << 16
"""Bytes that no line of ours comes near."""


def is_cut_off(line: bytes) -> bool:
    """True if ``line`` is the beginning of a session, without its end."""
    begins = line.startswith(_HEAD) or _HEAD.startswith(line)
    return begins and not line.endswith(b"\n") and _session(line) is None


def _end_last_line(file: FileIO) -> None:
    """Remove a last line that was cut off, as the session that wrote it was killed; end any other."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(size - _LONGEST_LINE, 0))
    last = file.read().rpartition(b"\n")[2]
    if is_cut_off(last) and len(last) < _LONGEST_LINE:
        file.truncate(size - len(last))
    elif last:
        append_whole(file, b"\n")


def _session(line: bytes) -> PastVerdict | None:
    """The session that ``line`` holds, its texts cut to a length that fits a table; ``None`` if it holds none."""
    try:
        record = msgspec.convert(json.loads(line), _Line)
        return PastVerdict(
            time=record.time[:32],
            verdict=record.verdict,
            samples=record.samples,
            underestimation=record.underestimation.share.value,
            truncation=record.truncation.share.value,
            commit=record.commit and record.commit[:64],
            underestimated=record.underestimation.share,
            truncated=record.truncation.share,
        )
    except (ValueError, RecursionError):
        return None
