"""Read every telemetry line below some directories, and count what is no sample."""

from __future__ import annotations

import os
import stat
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pytest_token_telemetry.sources.dividing import Sized
from pytest_token_telemetry.sources.merge import File, Origin, Reading, Scanned, UnusableLines, merge
from pytest_token_telemetry.sources.parallel import Scan
from pytest_token_telemetry.sources.walk import walk

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

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
        below = walk(directory.path, patterns)
        candidates += directory.origins(below.files)
        unreadable |= {directory.show(path): reason for path, reason in below.unreadable.items()}
        outside |= {directory.show(path) for path in below.outside}
        special |= {directory.show(path) for path in below.special}
    scan = scan or Scan()
    began = time.perf_counter()
    ordered, files = _each_once(sorted(candidates))
    extracts = scan.read(files, keep_ids=recorded is not None)
    seconds, progress = time.perf_counter() - began, scan.progress
    scanned = Scanned(progress.files, progress.size, seconds, progress.processes)
    found = merge(_given_up(extracts), ordered, recorded)
    return replace(
        found,
        unreadable=dict(sorted((unreadable | found.unreadable).items())),
        outside=tuple(sorted(outside)),
        special=tuple(sorted(special)),
        scanned=scanned,
    )


def _given_up(extracts: list[Extract]) -> Iterator[Extract]:
    """Give each of ``extracts``, and hold none of those given before."""
    extracts.reverse()
    while extracts:
        yield extracts.pop()


def _each_once(candidates: Iterable[Origin]) -> tuple[list[Origin], list[Sized]]:
    """Drop paths that lead to the same file as an earlier one, and look up the sizes of the others."""
    seen: set[object] = set()
    origins, files = [], []
    for each in candidates:
        if each.real in seen:
            continue
        seen.add(each.real)
        size = 0
        try:
            status = os.stat(each.real, follow_symlinks=False)  # noqa: PTH116 - one string a file, not one object
        except OSError:
            pass  # reading it says why
        else:
            identity = (status.st_dev, status.st_ino)
            if status.st_ino and identity in seen:  # some file systems number no files
                continue
            seen.add(identity)
            size = status.st_size if stat.S_ISREG(status.st_mode) else 0
        origins.append(each)
        files.append(Sized(each.real, size))
    return origins, files
