"""The lines of a text that a user's regular expression matches, in bounded time.

An expression such as ``(a+)+b`` can take years for one line, and no thread can stop it. So another process matches,
many lines at a time, and is ended if an answer takes too long.
"""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from threading import Timer
from typing import TYPE_CHECKING

import msgspec

from pytest_token_telemetry.sources import matching_process

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from pytest_token_telemetry.sources.rows import Rows

LONGEST = 1 << 20
"""Bytes of a line."""

AT_ONCE = 1 << 18
"""Bytes of lines that are matched at a time."""

PATIENCE = 10.0
"""Seconds for so many lines. A plain expression takes hundredths."""

TOO_LONG = f"a line has more than {LONGEST >> 20} MiB"

_too_slow: set[str] = set()
"""Expressions that took too long in this process: nobody waits for them again."""


def matched_lines(
    expression: str, file: BinaryIO, into: Rows, patience: float = PATIENCE
) -> Iterator[tuple[int, dict[str, str | None]]]:
    """The named groups of each line that ``expression`` matches, with the line's number.

    Raises:
        OSError: not all of the file can be read, or the expression takes longer than ``patience``, in seconds.
    """
    if expression in _too_slow:
        raise OSError(None, "the expression of its map took too long for an earlier file")
    with _started(expression) as process:
        first = 1
        try:
            for lines in _batches(file, into):
                first = next(iter(lines))
                for number, groups in zip(lines, _ask(process, [*lines.values()], patience), strict=True):
                    if groups is not None:
                        yield number, groups
        except _TooSlowError:
            _too_slow.add(expression)
            raise OSError(
                None,
                f"the expression of its map takes longer than {patience:g} s at line {first} or soon after"
                " (write one without repeats within repeats)",
            ) from None
        finally:
            process.kill()
            if process.stdin is not None:
                with suppress(BrokenPipeError):  # it may hold what was not read
                    process.stdin.close()


class _TooSlowError(Exception):
    """There was no answer in time."""


def _started(expression: str) -> subprocess.Popen[bytes]:
    script = str(Path(matching_process.__file__))
    return subprocess.Popen(  # noqa: S603 - our own script, and the expression is no command
        [sys.executable, "-I", script, expression],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )


def _ask(process: subprocess.Popen[bytes], lines: list[str], patience: float) -> list[dict[str, str | None] | None]:
    """What the expression finds in each of ``lines``.

    Raises:
        _TooSlowError: the process did not answer in time, and was ended.
        OSError: it ended by itself.
    """
    if process.stdin is None or process.stdout is None:
        raise AssertionError("both are pipes")
    late = False

    def end() -> None:
        nonlocal late
        late = True
        process.kill()

    timer = Timer(patience, end)
    timer.daemon = True
    timer.start()
    try:
        process.stdin.write(msgspec.json.encode(lines) + b"\n")
        process.stdin.flush()
        answer = process.stdout.readline()
    except BrokenPipeError:
        answer = b""
    finally:
        timer.cancel()
    if answer.endswith(b"\n"):
        return msgspec.json.decode(answer, type=list[dict[str, str | None] | None])
    if late:
        raise _TooSlowError
    raise OSError(None, "the process that matches the expression of its map ended")


def _batches(file: BinaryIO, into: Rows) -> Iterator[dict[int, str]]:
    """The lines of a file by their numbers, many at a time. One that is too long is counted."""
    number = size = 0
    lines: dict[int, str] = {}
    while text := file.readline(LONGEST + 1):
        number += 1
        if len(text) > LONGEST:
            into.complain(TOO_LONG, number)
            while text and not text.endswith(b"\n"):
                text = file.readline(LONGEST)
            continue
        lines[number] = text.decode("utf-8", "replace").rstrip("\r\n")
        size += len(text)
        if size >= AT_ONCE:
            yield lines
            lines, size = {}, 0
    if lines:
        yield lines
