"""What a command costs: time, processor time and memory of all the processes that it starts. Not on Windows."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

_PR_SET_CHILD_SUBREAPER = 36
_RSS_UNIT = 1 if sys.platform == "darwin" else 1024
_NOWHERE = Path("/dev/zero")
"""Takes and forgets what is written, like /dev/null, which grep recognises: it then stops at the first line."""


class MeasuringError(Exception):
    """A command did not do what is to be measured."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What a command took."""

    wall: float
    """Seconds, until the command itself ended."""
    cpu: float
    """Seconds of user and system time, of all its processes."""
    peak: int
    """Bytes of memory that were resident at once, of the process that had most.

    Never below what the measuring process itself has, about 20 MB: a process is a copy of it before it is another.
    """


def run(
    command: Sequence[str],
    *,
    directory: Path,
    environment: Mapping[str, str],
    output: Path | None = None,
    accept: Collection[int] = (0,),
) -> Cost:
    """Run ``command`` in ``directory``, with its standard output in the file ``output``, or nowhere, and measure it.

    Raises:
        MeasuringError: it ended with another exit code than those to ``accept``.
    """
    _adopt_orphans()
    errors = directory / "stderr.txt"
    with (output or _nowhere()).open("wb") as out, errors.open("wb") as err:
        began = perf_counter()
        process = subprocess.Popen(  # noqa: S603 - commands of this directory
            command, cwd=directory, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=err
        )
        _, status, usage = os.wait4(process.pid, 0)
        wall = perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    cpu = usage.ru_utime + usage.ru_stime
    peak = usage.ru_maxrss
    with suppress(ChildProcessError):
        while True:  # processes that outlived their parent, such as a server of forks
            _, _, usage = os.wait4(-1, 0)
            cpu += usage.ru_utime + usage.ru_stime
            peak = max(peak, usage.ru_maxrss)
    if process.returncode not in accept:
        said = errors.read_text(encoding="utf-8", errors="replace")[-2_000:]
        if output is not None:
            said = output.read_text(encoding="utf-8", errors="replace")[-2_000:] + said
        raise MeasuringError(f"{' '.join(command)}: exit code {process.returncode}\n{said}")
    return Cost(wall, cpu, peak * _RSS_UNIT)


def clean_environment(**more: str) -> dict[str, str]:
    """The environment without what would change how Python or pytest start, and with ``more``."""
    left_out = ("PYTHON", "PYTEST", "TOKEN_TELEMETRY", "COVERAGE", "GITHUB", "RIPGREP")
    return {name: value for name, value in os.environ.items() if not name.startswith(left_out)} | more


def _nowhere() -> Path:
    return _NOWHERE if _NOWHERE.is_char_device() else Path(os.devnull)


def _adopt_orphans() -> None:
    """Become the parent of processes that outlive theirs, so that what they took can be known. On Linux."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
