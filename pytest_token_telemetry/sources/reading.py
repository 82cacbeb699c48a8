"""Read every telemetry line below some directories: samples, and a count of all that is none."""

from __future__ import annotations

import os
import stat
from collections import deque
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import TYPE_CHECKING

from pytest_token_telemetry.columns import SampleColumns, Samples
from pytest_token_telemetry.recording.record import is_truncated
from pytest_token_telemetry.sources import autopack, native
from pytest_token_telemetry.sources.records import Budget, Read, Unusable
from pytest_token_telemetry.sources.scan import BLOCK, Scanner
from pytest_token_telemetry.sources.walk import walk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from pytest_token_telemetry.sample import Sample
    from pytest_token_telemetry.sources.scan import Fragment

BUDGET_REACH = 200
"""Lines from a ``[TOKEN_BUDGET]`` record to the sample that it belongs to. Real logs have up to 39."""

_PENDING_BUDGETS = 64
"""Budget records that are remembered at a time: more calls than that do not run side by side in one file."""

PLACES_SHOWN = 3
"""How many places of each kind of unusable line are kept."""


@dataclass(frozen=True, slots=True)
class Directory:
    """A directory to read, and how to write it in front of the paths below it."""

    path: Path
    shown: str

    def show(self, path: str) -> str:
        """``path``, relative to the directory, as users see it; ``.`` is the directory itself."""
        joined = self.shown if path == "." else os.path.join(self.shown, path)  # noqa: PTH118
        return joined.replace(os.sep, "/").encode("utf-8", "backslashreplace").decode()


@dataclass(frozen=True, slots=True)
class File:
    """A file that was read."""

    path: str
    """As shown, with '/'. It may hold any character: a reporter makes it inert."""
    samples: int


@dataclass(slots=True)
class UnusableLines:
    """Lines that should be samples and cannot be, for one reason."""

    count: int = 0
    places: list[str] = field(default_factory=list)
    """The first `PLACES_SHOWN`, as ``file:line``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """All that some directories hold."""

    samples: Samples
    files: tuple[File, ...]
    """The files that were read, in the order of their paths."""
    duplicates: int = 0
    """Copies of a sample that were left out."""
    unusable: dict[str, UnusableLines] = field(default_factory=dict)
    """By reason."""
    unreadable: dict[str, str] = field(default_factory=dict)
    """Files and directories that could not be read, with the reason."""
    outside: tuple[str, ...] = ()
    """Links out of a directory, not followed."""
    special: tuple[str, ...] = ()
    """Pipes, sockets and devices, not opened."""


def read_directories(
    directories: Sequence[Directory],
    patterns: Iterable[str],
    *,
    block: int = BLOCK,
    progress: Callable[[int, int], None] | None = None,
) -> Reading:
    """Read the files below ``directories`` that match one of ``patterns``.

    The result is the same in whatever order the file system lists them and for any ``block`` size.

    Args:
        directories: where to look.
        patterns: see `walk`.
        block: bytes to read at a time.
        progress: called now and then with the number of files and of bytes so far.
    """
    patterns = tuple(patterns)
    candidates: set[_Candidate] = set()
    unreadable: dict[str, str] = {}
    outside: set[str] = set()
    special: set[str] = set()
    for directory in directories:
        found = walk(directory.path, patterns)
        candidates |= {
            _Candidate(directory.show(path), real, _run(directory, path)) for path, real in found.files.items()
        }
        unreadable |= {directory.show(path): reason for path, reason in found.unreadable.items()}
        outside |= {directory.show(path) for path in found.outside}
        special |= {directory.show(path) for path in found.special}
    reader = _Reader(block, progress, unreadable)
    for candidate in sorted(candidates):
        reader.read(candidate)
    return Reading(
        samples=reader.columns.build(),
        files=tuple(File(path, count) for path, count in zip(reader.files, reader.counts, strict=True)),
        duplicates=reader.duplicates,
        unusable=dict(sorted(reader.unusable.items())),
        unreadable=dict(sorted(reader.unreadable.items())),
        outside=tuple(sorted(outside)),
        special=tuple(sorted(special)),
    )


def _run(directory: Directory, path: str) -> str:
    """The run that a file belongs to: the first directory below the given one, or else that one."""
    return directory.show(path.split("/")[0] if "/" in path else ".")


@dataclass(frozen=True, slots=True, order=True)
class _Candidate:
    """A file to read: how it is shown, the path to open, and the run that it belongs to."""

    shown: str
    real: str
    run: str


class _Reader:
    def __init__(self, block: int, progress: Callable[[int, int], None] | None, unreadable: dict[str, str]) -> None:
        self.columns = SampleColumns()
        self.files: list[str] = []
        self.counts: list[int] = []
        self.duplicates = 0
        self.unusable: dict[str, UnusableLines] = {}
        self.unreadable = unreadable
        self._size = 0
        self._progress = progress
        self._scanner = Scanner((*autopack.TAGS, native.TAG), block, self._count_bytes)
        self._seen_files: set[tuple[int, int]] = set()
        self._copies: dict[bytes, dict[str | None, int]] = {}

    def read(self, candidate: _Candidate) -> None:
        """Read one file, unless it was read under another name."""
        shown = candidate.shown
        try:
            descriptor = os.open(candidate.real, _READ_ONLY)
        except OSError as error:
            self.unreadable[shown] = error.strerror or type(error).__name__
            return
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                self.unreadable[shown] = "it is no longer a regular file"
                return
            if (status.st_dev, status.st_ino) in self._seen_files:
                return
            self._seen_files.add((status.st_dev, status.st_ino))
            self.files.append(shown)
            self.counts.append(0)
            budgets = _Budgets()
            for fragment in self._scanner.fragments(descriptor):
                self._take(fragment, budgets, candidate)
        except OSError as error:
            self.unreadable[shown] = error.strerror or type(error).__name__
        finally:
            os.close(descriptor)

    def _count_bytes(self, size: int) -> None:
        self._size += size
        if self._progress is not None:
            self._progress(len(self.files), self._size)

    def _take(self, fragment: Fragment, budgets: _Budgets, candidate: _Candidate) -> None:
        match native.parse(fragment) if fragment.tag == native.TAG else autopack.parse(fragment):
            case Budget() as budget:
                budgets.add(budget, fragment.line)
            case Unusable(reason):
                lines = self.unusable.setdefault(reason, UnusableLines())
                lines.count += 1
                if len(lines.places) < PLACES_SHOWN:
                    lines.places.append(f"{candidate.shown}:{fragment.line}")
            case Read(sample, identity):
                sample = replace(budgets.join(sample, fragment.line), run=candidate.run)
                self._add(sample, identity, fragment.line)

    def _add(self, sample: Sample, identity: str | None, line: int) -> None:
        """Keep ``sample``, unless the same line was read before, for the same task as far as the files tell.

        Calls that are cut off at the same cap in the same second leave the same line, but belong to different tasks. A
        copy without the lines around it does not know its task.
        """
        rows: dict[str | None, int] = {}
        if identity is not None:
            rows = self._copies.setdefault(blake2b(identity.encode(), digest_size=16).digest(), rows)
        task = sample.task_id
        if not rows or (task is not None and rows.keys().isdisjoint((task, None))):
            rows[task] = self.columns.add(sample, len(self.files) - 1, line)
            self.counts[-1] += 1
            return
        self.duplicates += 1
        if task is not None:
            row = rows[task] = rows.pop(task if task in rows else None)
            self.columns.complete(row, task_id=task, max_tokens=sample.max_tokens)


_READ_ONLY = (
    os.O_RDONLY
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_NONBLOCK", 0)  # a file that became a pipe must not block
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_BINARY", 0)
)


class _Budgets:
    """The ``[TOKEN_BUDGET]`` records of one file that no sample has claimed yet."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[int, Budget]] = deque(maxlen=_PENDING_BUDGETS)

    def add(self, budget: Budget, line: int) -> None:
        self._waiting.append((line, budget))

    def join(self, sample: Sample, line: int) -> Sample:
        """``sample`` with the task and cap of the nearest record above it that has the same output count."""
        for at, budget in reversed(self._waiting):
            if line - at > BUDGET_REACH:
                break
            if budget.output_tokens == sample.output_tokens and not sample.legacy:
                self._waiting.remove((at, budget))
                cap = sample.max_tokens or budget.max_tokens
                return replace(
                    sample,
                    task_id=sample.task_id or budget.task_id,
                    max_tokens=cap,
                    truncated=is_truncated(sample.truncated, sample.finish_reason, sample.output_tokens, cap),
                )
        return sample
