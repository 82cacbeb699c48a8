"""Read every telemetry line below some directories: samples, and a count of all that is none."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import TYPE_CHECKING, Literal

from pytest_token_telemetry.columns import SampleColumns, Samples
from pytest_token_telemetry.sources import native
from pytest_token_telemetry.sources.budgets import Budgets
from pytest_token_telemetry.sources.formats import parse, telemetry_scanner
from pytest_token_telemetry.sources.lines import BUFFER, line_scanner
from pytest_token_telemetry.sources.recorded import KnownCalls, Span
from pytest_token_telemetry.sources.records import Budget, Read, Unusable
from pytest_token_telemetry.sources.walk import walk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from pytest_token_telemetry.sample import Sample
    from pytest_token_telemetry.sources.recorded import Phase, Recorded
    from pytest_token_telemetry.sources.scan import Fragment

_AT_ONCE = timedelta(milliseconds=100)
"""Between two lines of our own about one call, written by what makes it and by what tests it."""

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
    """A file that was read, or a test that recorded."""

    path: str
    """As shown, with '/', or the test's node id. It may hold any character: a reporter makes it inert."""
    samples: int
    kind: Literal["file", "test"] = "file"


@dataclass(slots=True)
class UnusableLines:
    """Lines that should be samples and cannot be, for one reason."""

    count: int = 0
    places: list[str] = field(default_factory=list)
    """The first `PLACES_SHOWN`, as ``file:line``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """All that some directories hold and some tests recorded."""

    samples: Samples
    files: tuple[File, ...]
    """The tests that recorded, in the order in which they ran, then the files that were read, by their paths."""
    recorded: Recorded | None = None
    """What tests recorded, if that was asked for."""
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

    def count(self, kind: Literal["file", "test"]) -> int:
        """How many files were read, or how many tests recorded."""
        return sum(file.kind == kind and (kind == "file" or file.samples > 0) for file in self.files)


def read_directories(
    directories: Sequence[Directory],
    patterns: Iterable[str],
    *,
    recorded: Recorded | None = None,
    block: int = BUFFER,
    progress: Callable[[int, int], None] | None = None,
) -> Reading:
    """Read the files below ``directories`` that match one of ``patterns``, and what tests recorded.

    The result is the same in whatever order the file system lists them and for any ``block`` size.

    Args:
        directories: where to look.
        patterns: see `walk`.
        recorded: what tests recorded. A line of a file that tells of one of their calls is no other sample.
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
    if recorded is not None:
        reader.take(recorded)
    for candidate in sorted(candidates):
        reader.read(candidate)
    return Reading(
        samples=reader.columns.build(),
        files=tuple(map(File, reader.files, reader.counts, reader.kinds)),
        recorded=recorded,
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
        self.kinds: list[Literal["file", "test"]] = []
        self.duplicates = 0
        self.unusable: dict[str, UnusableLines] = {}
        self.unreadable = unreadable
        self._size = 0
        self._progress = progress
        self._scanner = line_scanner(block, self._count_bytes)
        self._seen_files: set[tuple[int, int]] = set()
        self._copies: dict[bytes, dict[str | None, int]] = {}
        self._known = KnownCalls()
        self._recorded: dict[int, tuple[Sample, Phase]] = {}
        self._session = Span(0, 0)
        self._told: dict[str, tuple[int, datetime | None]] = {}
        self._tests = 0

    def take(self, recorded: Recorded) -> None:
        """Take what tests recorded, before any file is read."""
        self._session = recorded.span
        self.unreadable |= recorded.lost
        numbers: dict[str, int] = {}
        for phase in recorded.phases:
            number = numbers.get(phase.test)
            if number is None:
                number = numbers[phase.test] = self._begin(phase.test, "test")
            self.duplicates += phase.repeated
            for reason, count in phase.unusable.items():
                self._complain(reason, phase.test, count)
            for line in phase.lines:
                self._take_recorded(line, phase, number)
        self._tests = len(numbers)

    def _take_recorded(self, line: str, phase: Phase, number: int) -> None:
        """Take one recorded call. What a test records twice happened twice, even with the same id."""
        for fragment in telemetry_scanner().fragments_of(iter((f"{line}\n".encode(),))):
            match native.parse(fragment):
                case Read(sample, identity):
                    self.counts[number] += 1
                    row = self.columns.add(sample, number, self.counts[number])
                    self._known.add(sample, row)
                    self._recorded[row] = (sample, phase)
                    for known in _identities(sample, identity):
                        rows = self._copies.setdefault(_digest(known), {})
                        if sample.truncated or sample.task_id not in rows:  # a copy may say that a call was cut off
                            rows[sample.task_id] = row
                case Unusable(reason):
                    self._complain(reason, phase.test)

    def _begin(self, name: str, kind: Literal["file", "test"]) -> int:
        """Begin with a file or a test, and return its number."""
        self.files.append(name)
        self.counts.append(0)
        self.kinds.append(kind)
        return len(self.files) - 1

    def _complain(self, reason: str, place: str, count: int = 1) -> None:
        lines = self.unusable.setdefault(reason, UnusableLines())
        lines.count += count
        if len(lines.places) < PLACES_SHOWN:
            lines.places.append(place)

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
            self._begin(shown, "file")
            budgets = Budgets()
            for fragment in self._scanner.fragments(descriptor, status.st_size):
                self._take(fragment, budgets, candidate)
        except OSError as error:
            self.unreadable[shown] = error.strerror or type(error).__name__
        finally:
            os.close(descriptor)

    def _count_bytes(self, size: int) -> None:
        self._size += size
        if self._progress is not None:
            self._progress(len(self.files) - self._tests, self._size)

    def _take(self, fragment: Fragment, budgets: Budgets, candidate: _Candidate) -> None:
        match parse(fragment):
            case Budget() as budget:
                budgets.add(budget, fragment.line)
            case Unusable(reason):
                self._complain(reason, f"{candidate.shown}:{fragment.line}")
            case Read(sample, identity):
                sample = replace(budgets.join(sample, fragment.line), run=candidate.run)
                self._add(sample, identity, fragment.line, own=fragment.tag == native.TAG)

    def _add(self, sample: Sample, identity: str | None, line: int, *, own: bool) -> None:
        """Keep ``sample``, unless the same line was read before, for the same task as far as the files tell.

        Calls that are cut off at the same cap in the same second leave the same line, but belong to different tasks. A
        copy without the lines around it does not know its task.
        """
        rows: dict[str | None, int] = {}
        if identity is not None:
            if own and self._is_next_of_stub(sample):
                identity = _identities(sample, identity)[-1]
            rows = self._copies.setdefault(_digest(identity), rows)
        task = sample.task_id
        row = None if rows else self._recorded_row(sample, own=own)
        if row is not None:
            rows[task] = row
            self.columns.fill(row, sample)
            self.duplicates += 1
            return
        if not rows or (task is not None and rows.keys().isdisjoint((task, None))):
            rows[task] = self.columns.add(sample, len(self.files) - 1, line)
            self.counts[-1] += 1
            return
        self.duplicates += 1
        if task is not None:
            row = rows[task] = rows.pop(task if task in rows else None)
            self.columns.complete(row, task_id=task, max_tokens=sample.max_tokens)
        if sample.truncated:
            self.columns.cut_off(rows[task] if task in rows else next(iter(rows.values())))

    def _is_next_of_stub(self, sample: Sample) -> bool:
        """True if the file has an earlier call with the same id, at another time.

        A system tells of its call once: it is a stand-in for a model, which gives every answer the same id.
        """
        if sample.id is None:
            return False
        file = len(self.files) - 1
        known_file, time = self._told.setdefault(sample.id, (file, sample.time))
        return known_file == file and time != sample.time

    def _recorded_row(self, sample: Sample, *, own: bool) -> int | None:
        """The row of the recorded call that ``sample``, from a file, tells of once more.

        A log line may come from anywhere in the phase. Lines of our ``own`` format tell their time exactly.
        """
        if not self._session.covers(sample.time):
            return None

        def may_be(row: int) -> bool:
            known, phase = self._recorded[row]
            if not own:
                return phase.span.covers(sample.time)
            if sample.time is None or known.time is None or phase.span.begins_after(sample.time):
                return False
            if None not in (sample.task_id, known.task_id) and sample.task_id != known.task_id:
                return False
            return abs(sample.time - known.time) <= _AT_ONCE

        return self._known.claim(sample, may_be)


def _identities(sample: Sample, identity: str | None) -> tuple[str, ...]:
    """By what a line is known: its identity, and the same with its time, where a stand-in gives many calls one id."""
    if identity is None:
        return ()
    return (identity,) if sample.id is None else (identity, f"{identity} at {sample.time}")


def _digest(identity: str) -> bytes:
    return blake2b(identity.encode("utf-8", "surrogatepass"), digest_size=16).digest()


_READ_ONLY = (
    os.O_RDONLY
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_NONBLOCK", 0)  # a file that became a pipe must not block
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_BINARY", 0)
)
