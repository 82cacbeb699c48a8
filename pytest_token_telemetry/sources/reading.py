"""Read every telemetry line below some directories: samples, and a count of all that is none."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from pytest_token_telemetry.sources.merge import File, Origin, UnusableLines, merge
from pytest_token_telemetry.sources.scanning import Scan
from pytest_token_telemetry.sources.walk import walk

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from pytest_token_telemetry.columns import Samples
    from pytest_token_telemetry.sources.extract import Extract
    from pytest_token_telemetry.sources.recorded import Recorded

__all__ = ["Directory", "File", "Reading", "Scanned", "UnusableLines", "read_directories"]


@dataclass(frozen=True, slots=True)
class Directory:
    """A directory to read, and how to write it in front of the paths below it."""

    path: Path
    shown: str

    def show(self, path: str) -> str:
        """``path``, relative to the directory, as users see it; ``.`` is the directory itself."""
        joined = self.shown if path == "." else os.path.join(self.shown, path)  # noqa: PTH118
        joined = joined.replace(os.sep, "/")
        return joined if joined.isascii() else joined.encode("utf-8", "backslashreplace").decode()

    def origins(self, files: Mapping[str, str]) -> Iterator[Origin]:
        """Of ``files``, by their paths relative to the directory, each with the path to open.

        The run that a file belongs to is the first directory below this one, or else this one.
        """
        runs: dict[str, str] = {}
        for path, real in files.items():
            first = path.split("/", 1)[0] if "/" in path else "."
            if first not in runs:
                runs[first] = self.show(first)
            yield Origin(self.show(path), real, runs[first])


@dataclass(frozen=True, slots=True)
class Scanned:
    """What the reading of files took."""

    files: int
    size: int
    """Bytes."""
    seconds: float
    processes: int

    @property
    def rate(self) -> float:
        """Bytes a second."""
        return self.size / self.seconds if self.seconds else 0.0


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
    scanned: Scanned | None = field(default=None, compare=False)
    """What the reading took."""

    def count(self, kind: Literal["file", "test"]) -> int:
        """How many files were read, or how many tests recorded."""
        return sum(file.kind == kind and (kind == "file" or file.samples > 0) for file in self.files)


def read_directories(
    directories: Sequence[Directory],
    patterns: Iterable[str],
    *,
    recorded: Recorded | None = None,
    scan: Scan | None = None,
) -> Reading:
    """Read the files below ``directories`` that match one of ``patterns``, and what tests recorded.

    The result is the same in whatever order the file system lists them and for any ``scan``.

    Args:
        directories: where to look.
        patterns: see `walk`.
        recorded: what tests recorded. A line of a file that tells of one of their calls is no other sample.
        scan: how to read the files.
    """
    patterns = tuple(patterns)
    candidates: list[Origin] = []
    unreadable: dict[str, str] = {}
    outside: set[str] = set()
    special: set[str] = set()
    for directory in directories:
        found = walk(directory.path, patterns)
        candidates += directory.origins(found.files)
        unreadable |= {directory.show(path): reason for path, reason in found.unreadable.items()}
        outside |= {directory.show(path) for path in found.outside}
        special |= {directory.show(path) for path in found.special}
    ordered = _each_once(sorted(candidates))
    scan = scan or Scan()
    began = time.perf_counter()
    extracts = scan.read([each.real for each in ordered], keep_ids=recorded is not None)
    seconds, progress = time.perf_counter() - began, scan.progress
    scanned = Scanned(progress.files, progress.size, seconds, progress.processes)
    merged = merge(_given_up(extracts), ordered, recorded)
    return Reading(
        samples=merged.samples,
        files=tuple(merged.files),
        recorded=recorded,
        duplicates=merged.duplicates,
        unusable=merged.unusable,
        unreadable=dict(sorted((unreadable | merged.unreadable).items())),
        outside=tuple(sorted(outside)),
        special=tuple(sorted(special)),
        scanned=scanned,
    )


def _given_up(extracts: list[Extract]) -> Iterator[Extract]:
    """Each of ``extracts``, which nobody holds any more when the next one is asked for."""
    extracts.reverse()
    while extracts:
        yield extracts.pop()


def _each_once(candidates: list[Origin]) -> list[Origin]:
    """Without those that an earlier one is a link to, or that lie in a directory that was given twice."""
    first: dict[str, Origin] = {}
    for each in candidates:
        first.setdefault(each.real, each)
    return list(first.values())
