"""Read every telemetry line below some directories, and count what is no sample."""

from __future__ import annotations

import os
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

from pytest_token_telemetry.sources.extract import Listed
from pytest_token_telemetry.sources.look_like import looks_of, pattern_of, read_if_asked
from pytest_token_telemetry.sources.merge import File, Origin, Reading, Scanned, UnusableLines, merge
from pytest_token_telemetry.sources.parallel import Scan
from pytest_token_telemetry.sources.places import FILES, Unfound
from pytest_token_telemetry.sources.recognition import AUTO
from pytest_token_telemetry.sources.remote.found import RemoteReading
from pytest_token_telemetry.sources.walk import walk
from pytest_token_telemetry.text import listing

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from pytest_token_telemetry.option_types import RemoteUrl
    from pytest_token_telemetry.sources.database import Database
    from pytest_token_telemetry.sources.extract import Extract
    from pytest_token_telemetry.sources.keys import SideFile
    from pytest_token_telemetry.sources.mapped import MappedSource
    from pytest_token_telemetry.sources.recorded import Recorded
    from pytest_token_telemetry.sources.side_files import SideRows

__all__ = ["Directory", "File", "Reading", "Scanned", "UnusableLines", "read_directories"]


@dataclass(frozen=True, slots=True)
class Directory:
    """A directory to read, and how to write it in front of the paths below it."""

    path: Path
    shown: str

    def show(self, path: str) -> str:
        """``path``, relative to the directory, as users see it; ``.`` is the directory itself."""
        return _printable((self.shown if path == "." else os.path.join(self.shown, path)).replace(os.sep, "/"))  # noqa: PTH118

    def origins(self, files: Mapping[str, str]) -> Iterator[Origin]:
        """Of ``files``, by their paths relative to the directory, each with the path to open.

        The run that a file belongs to is the first directory below this one, or else this one.
        """
        above = os.path.join(self.shown, "").replace(os.sep, "/")  # noqa: PTH118
        runs: dict[str, str] = {}
        for path, real in files.items():
            first = path[: path.find("/")] if "/" in path else "."
            if first not in runs:
                runs[first] = self.show(first)
            yield Origin(_printable(above + path), real, runs[first])


def read_directories(
    directories: Sequence[Directory],
    patterns: Iterable[str],
    *,
    recorded: Recorded | None = None,
    scan: Scan | None = None,
    remotes: Sequence[RemoteUrl] = (),
    databases: Iterable[Database] = (),
    side_files: Sequence[SideFile] = (),
) -> Reading:
    """Read the files below ``directories`` and ``remotes`` that match one of ``patterns``, and ``databases``.

    What tests recorded comes first.

    The result is the same in whatever order the file system lists them and for any ``scan``.

    Args:
        directories: where to look.
        patterns: see `walk`.
        recorded: what tests recorded. A line of a file that tells of one of their calls is no other sample.
        scan: how to read the files.
        remotes: where to look too. The objects there come behind the files.
        databases: what to read there, in this process.
        side_files: files that say what was predicted of calls. They are none of the files that are read for calls.

    Raises:
        ScanError: what reads died, or a remote directory cannot be listed.
        SideFileError: a side file cannot be used.
    """
    side = _side_rows(side_files)
    kept = {"keep_ids": recorded is not None, "keep_keys": side is not None}
    patterns = tuple(patterns)
    candidates: list[Origin] = []
    unreadable: dict[str, str] = {}
    outside: set[str] = set()
    special: set[str] = set()
    with scan or Scan() as scan:
        for directory in directories:
            below = walk(directory.path, patterns, scan.expect)
            candidates += directory.origins(below.files)
            unreadable |= {directory.show(path): reason for path, reason in below.unreadable.items()}
            outside |= {directory.show(path) for path in below.outside}
            special |= {directory.show(path) for path in below.special}
        began = time.perf_counter()
        origins: list[Origin] = []
        listed = _each_once(sorted(candidates), origins, [file.path for file in side_files])
        extracts = scan.read(listed, **kept)
        paths = [each.real for each in origins]
        far = RemoteReading()
        if remotes:
            from pytest_token_telemetry.sources.remote.remote_reading import read_remote  # it needs an extra

            far = read_remote(remotes, patterns, scan, **kept)
        extracts += far.extracts
        origins += far.origins
        seconds, progress = time.perf_counter() - began, scan.progress
        idle = _maps_without_file(scan, origins) if scan.mapped and (directories or remotes) else []
    scanned = Scanned(progress.files, progress.size, seconds, progress.processes)
    for database in databases:
        from pytest_token_telemetry.sources.database import read_database  # it needs an extra

        extract, tables = read_database(database, **kept)
        extracts.append(extract)
        origins += tables
    found = merge(_given_up(extracts), origins, recorded, side)
    if found.nothing_known == found.count("file") > 0:
        asked, looks = {}, looks_of(paths, far.look_like)
    else:
        unknown = {*found.unknown}
        asked = read_if_asked({each.shown: each.real for each in origins if each.shown in unknown}) if unknown else {}
        looks = dict(Counter(asked.values()).most_common())
    return replace(
        found,
        unreadable=dict(sorted((unreadable | far.unreadable | found.unreadable).items())),
        outside=tuple(sorted(outside)),
        special=tuple(sorted(special | far.special)),
        unknown=tuple(each for each in found.unknown if each not in asked),
        look_like=looks,
        near_misses={} if candidates or far.matched else _near_misses(directories, far.others),
        scanned=scanned,
        remarks={**found.remarks, "maps_without_file": len(idle)} if idle else found.remarks,
        unfound=(*found.unfound, *idle),
    )


def _maps_without_file(scan: Scan, origins: Sequence[Origin]) -> list[Unfound]:
    """The maps that match none of the files: their calls may be missing."""
    if scan.format != AUTO:
        return []
    mapped = cast("tuple[MappedSource, ...]", scan.mapped)
    idle = [each for each in mapped if not any(each.claims(file.real, b"") for file in origins)]
    return [Unfound(each.name, FILES, listing(each.map.files, last="or"), 0) for each in idle]


_ENDINGS = 3
"""How many endings of names are kept."""


def _near_misses(directories: Iterable[Directory], others: Counter[str]) -> dict[str, int]:
    """The files below ``directories``, and ``others``, by the pattern of names that end alike: the most frequent."""
    names = (each.show(path).rpartition("/")[2] for each in directories for path in walk(each.path, ("*",)).files)
    endings = others + Counter(map(pattern_of, names))
    return dict(sorted(endings.items(), key=lambda item: (-item[1], item[0]))[:_ENDINGS])


def _printable(path: str) -> str:
    return path if path.isascii() else path.encode("utf-8", "backslashreplace").decode()


def _given_up(extracts: list[Extract]) -> Iterator[Extract]:
    """Give each of ``extracts``, and hold none of those given before."""
    extracts.reverse()
    while extracts:
        yield extracts.pop()


def _side_rows(files: Sequence[SideFile]) -> SideRows | None:
    if not files:
        return None
    from pytest_token_telemetry.sources.side_files import read_side_files  # few have any

    return read_side_files(files)


def _each_once(candidates: Iterable[Origin], origins: list[Origin], others: Iterable[str]) -> Iterator[Listed]:
    """Add to ``origins`` what leads to no file that an earlier one or one of the ``others`` leads to.

    Give how each of these is now.
    """
    seen: set[object] = {*others}
    for other in others:
        with suppress(OSError):
            status = os.stat(other)  # noqa: PTH116 - a path in one string, as others here
            seen.add((status.st_dev, status.st_ino))
    for each in candidates:
        identity: object = each.real
        try:
            status = os.lstat(each.real)
        except OSError:
            file = Listed(each.real, 0)  # reading it says why
        else:
            file = Listed.of(each.real, status)
            if status.st_ino:  # some file systems number no files
                identity = status.st_dev, status.st_ino
        if identity not in seen:
            seen.add(identity)
            origins.append(each)
            yield file
