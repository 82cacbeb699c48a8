"""A directory that remembers what large files hold, for any number of sessions at a time.

What is kept there is data, each file of it whole or not there. A file that is damaged is as good as none.
"""

from __future__ import annotations

import io
import os
import re
import secrets
import stat
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from pytest_token_telemetry.sources.arrays import DamagedError
from pytest_token_telemetry.sources.extract import READ_ONLY
from pytest_token_telemetry.sources.plan import Plan
from pytest_token_telemetry.sources.remembered import LARGEST, Memory, pack, unpack
from pytest_token_telemetry.wording import plural

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

LEAST = 1 << 16
"""Bytes of a file above which it is remembered: to read a smaller one takes hardly longer than to look at it."""

SUFFIX = ".cache"

_DAY = 86400
_UNUSED = 30 * _DAY
"""Seconds after which what no session used is removed."""

_OWN_FILE = re.compile(rf"[0-9a-f]{{32}}{re.escape(SUFFIX)}|\.[0-9a-f]{{32}}\.tmp")


class Cache:
    """See above."""

    def __init__(self, directory: Path, *, least: int = LEAST, clock: Callable[[], int] | None = None) -> None:
        """Remember files of more than ``least`` bytes in ``directory``. ``clock`` tells nanoseconds, as files do."""
        self._directory = directory
        self._least = least
        self._clock = clock or time.time_ns
        self._ignored = 0
        self._failure = ""

    @property
    def notes(self) -> list[str]:
        """What went wrong, in one sentence each. None of it changes what is found."""
        notes = []
        if self._ignored:
            files = plural(self._ignored, "file")
            notes.append(f"{files} of the cache ignored, damaged or of another version: the logs were read again")
        if self._failure:
            notes.append(f"the cache could not be written: {self._failure}")
        return notes

    def plan(self, paths: Sequence[str], *, keep_ids: bool) -> Plan:
        """What is known of the files at ``paths``, and what of them is to be read."""
        plan = Plan(self, self._clock(), keep_ids=keep_ids)
        for path in paths:
            plan.add(path)
        return plan

    def is_large(self, status: os.stat_result) -> bool:
        """True if a file is worth it."""
        return stat.S_ISREG(status.st_mode) and status.st_size > self._least

    def load(self, key: str) -> Memory | None:
        """What is remembered under the name ``key``."""
        path = self._directory / f"{key}{SUFFIX}"
        try:
            with io.FileIO(os.open(path, READ_ONLY)) as file:
                status = os.fstat(file.fileno())
                if not stat.S_ISREG(status.st_mode) or status.st_size > LARGEST:
                    raise DamagedError
                memory = unpack(file.readall() or b"", key)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, DamagedError):
            self._ignored += 1
            return None
        if time.time() - status.st_mtime > _DAY:
            _touch(path)
        return memory

    def save(self, memories: Iterable[tuple[str, Memory]]) -> None:
        """Remember each of ``memories`` under its name, as far as that can be written."""
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            for key, memory in memories:
                data = pack(memory, key)
                if len(data) <= LARGEST:
                    _replace(self._directory / f"{key}{SUFFIX}", data)
            self._sweep()
        except OSError as error:
            self._failure = error.strerror or type(error).__name__

    def _sweep(self) -> None:
        """Remove what no session has used for long, and what one that was killed left half written."""
        with os.scandir(self._directory) as entries:
            for entry in entries:
                if not _OWN_FILE.fullmatch(entry.name):
                    continue
                with suppress(FileNotFoundError):  # another session renames its files, and sweeps too
                    age = time.time() - entry.stat(follow_symlinks=False).st_mtime
                    if age > (_UNUSED if entry.name.endswith(SUFFIX) else _DAY):
                        os.unlink(entry.path)  # noqa: PTH108 - it is a text


def _touch(path: Path) -> None:
    """Say that a file is of use."""
    try:
        os.utime(path)
    except OSError:
        return  # it may be another's


def _replace(path: Path, data: bytes) -> None:
    """Write beside ``path``, then rename: another session sees the old file or the new one."""
    temporary = path.with_name(f".{secrets.token_hex(16)}.tmp")
    try:
        with temporary.open("xb") as file:
            file.write(data)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
