"""What of some files is remembered, what of them is to be read, and what is to be remembered from now on.

A file is as it was if its identity, size, times and fingerprint are. If it has only grown, and what is remembered of it
still has its fingerprint, only what is behind that is read. Else it is read again. What is remembered of a file always
ends with a line, so that a last line without an end is read each time.
"""

from __future__ import annotations

import io
import os
from bisect import bisect_left
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from operator import attrgetter
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from pytest_token_telemetry.columns import UNKNOWN
from pytest_token_telemetry.sources.extract import READ_ONLY, Complaint, Extract, Loose, LooseBudget, Piece
from pytest_token_telemetry.sources.parts import Placed, settled, together
from pytest_token_telemetry.sources.remembered import Mark, Memory
from pytest_token_telemetry.sources.scan import is_wide
from pytest_token_telemetry.sources.tasks import part_of
from pytest_token_telemetry.table import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pytest_token_telemetry.sources.cache import Cache
    from pytest_token_telemetry.sources.extract import FileRead

ALONE = 1 << 23
"""Bytes of a file from which on it is remembered by itself. Smaller ones are together with those beside them: else
there would be as many files again, and to open one takes as long as to read through half a megabyte."""

RACY = 2_000_000_000
"""Nanoseconds that a file must have rested when it was looked at: else it may change and keep its time."""

_PRINT = 1 << 12
"""Bytes at both ends of what is remembered that make its fingerprint."""

_REACH = 1 << 16
"""Bytes before the end of a file in which its last whole line must end."""

_OfFile = TypeVar("_OfFile", LooseBudget, Complaint)
_FILE: Callable[[LooseBudget | Complaint], int] = attrgetter("file")


class Plan:
    """What one session has to read, and what it makes of that."""

    def __init__(self, cache: Cache, now: int, *, keep_ids: bool) -> None:
        """For files that are looked at from ``now`` on, with the calls' own ids or without."""
        self.pieces: list[Piece] = []
        """What is to be read."""
        self.files_known = 0
        """Files of which nothing is to be read, or only an end."""
        self._cache = cache
        self._now = now
        self._keep_ids = keep_ids
        self._paths: list[str] = []
        self._numbers: list[int] = []
        self._places: dict[str, _Place] = {}

    def add(self, path: str) -> None:
        """Plan to read the file at ``path``, the next one."""
        self._paths.append(path)
        try:
            is_planned = self._cache.is_large(os.lstat(path)) and self._look(path)
        except OSError:
            is_planned = False  # whatever it is, reading says so
        if not is_planned:
            self._read(Piece(path))

    def result(self, extracts: Sequence[Extract]) -> Extract:
        """The extract of all files, from those of the `pieces`, in their order. What is new is remembered."""
        known = [
            Placed(place.memory.extract, place.numbers)
            for place in self._places.values()
            if any(number != UNKNOWN for number in place.numbers)
        ]
        everything = settled(together([*known, *_placed(extracts, self._numbers)]))
        if any(place.news for place in self._places.values()):
            self._cache.save(self._memories(extracts))
        return everything

    def _read(self, piece: Piece) -> int:
        self.pieces.append(piece)
        self._numbers.append(len(self._paths) - 1)
        return len(self.pieces) - 1

    def _look(self, path: str) -> bool:
        """Plan to read what is not known of a large file; false if it is not to be remembered.

        Raises:
            OSError: it cannot be read.
        """
        with io.FileIO(os.open(path, READ_ONLY)) as file:
            status = os.fstat(file.fileno())
            if not self._cache.is_large(status):
                return False
            place = self._place_of(path, status.st_size)
            name = _hash(os.fsencode(path))
            place.seen.add(name)
            at = place.files.get(name)
            if at is not None and not _is_as_it_was(place.memory.marks[at], status, file):
                at = None
            begin = 0 if at is None else place.memory.marks[at].end
            end = _last_line_end(file, begin, status.st_size)
            if not end or (at is None and is_wide(_bytes(file, 0, 4))):
                return False
            times = status.st_mtime_ns, status.st_ctime_ns, self._now
            fingerprint = _fingerprint(file, end)
            part, rest = part_of(file, begin, end), part_of(file, end, status.st_size)
        if at is not None:
            place.numbers[at] = len(self._paths) - 1
            self.files_known += 1
        if begin < end:
            mark = Mark(name, status.st_dev, status.st_ino, status.st_size, *times, end, 0, fingerprint)
            place.news.append(_News(path, at, self._read(Piece(path, part)), mark))
        if end < status.st_size:
            self._read(Piece(path, rest))
        return True

    def _place_of(self, path: str, size: int) -> _Place:
        """Where a file of this path and size is remembered."""
        is_alone = size >= ALONE
        owner = path if is_alone else os.path.dirname(path)  # noqa: PTH120 - it is a text
        key = _hash(b"%d %d " % (self._keep_ids, is_alone) + os.fsencode(owner))
        if key not in self._places:
            self._places[key] = _Place(None if is_alone else owner, self._cache.load(key) or _NOTHING)
        return self._places[key]

    def _memories(self, extracts: Sequence[Extract]) -> Iterator[tuple[str, Memory]]:
        """What is to be remembered in each place of which there is something new, with its name."""
        read = [file for extract in extracts for file in extract.files]
        parts: list[Placed] = []
        of_pieces = [UNKNOWN] * len(self.pieces)
        marks: list[Mark] = []
        spans: list[tuple[str, int, int]] = []
        for key, place in self._places.items():
            news = [each for each in place.news if each.is_sound(read[each.piece])]
            if not news:
                continue
            begin = len(marks)
            numbers = place.keep(marks)
            for each in news:
                at = len(marks) if each.continues is None else numbers[each.continues]
                of_pieces[each.piece] = at
                marks[at : at + 1] = [each.mark]
            parts.append(Placed(place.memory.extract, numbers))
            spans.append((key, begin, len(marks)))
        if spans:
            everything = together([*parts, *_placed(extracts, of_pieces)])
            for key, begin, end in spans:
                yield key, _cut(everything, marks, begin, end)


@dataclass(slots=True)
class _Place:
    """Some files that are remembered together."""

    directory: str | None
    """Where they are; ``None`` if it is only one."""
    memory: Memory
    news: list[_News] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)
    """The hashes of the paths of those that the session has looked at."""
    files: dict[str, int] = field(init=False)
    """Which file of the memory has the path with this hash."""
    numbers: list[int] = field(init=False)
    """Of each file of the memory: its number in the session, if it is as it was."""

    def __post_init__(self) -> None:
        self.files = {mark.path: at for at, mark in enumerate(self.memory.marks)}
        self.numbers = [UNKNOWN] * len(self.memory.marks)

    def keep(self, marks: list[Mark]) -> list[int]:
        """Add to ``marks`` those of the files that are as they were, or that other sessions may ask for.

        Returns:
            Of each file of the memory, its place there; `UNKNOWN` if it is to be forgotten.
        """
        others = {mark.path for mark in self.memory.marks} - self.seen
        others &= _names_in(self.directory) if others and self.directory is not None else set()
        numbers = []
        for mark, number in zip(self.memory.marks, self.numbers, strict=True):
            is_kept = number != UNKNOWN or mark.path in others
            numbers.append(len(marks) if is_kept else UNKNOWN)
            marks += [mark] * is_kept
        return numbers


@dataclass(frozen=True, slots=True)
class _News:
    """What is to be remembered of a file from now on."""

    path: str
    continues: int | None
    """Which file of the memory it is, if what is known of it is only continued."""
    piece: int
    """What is added."""
    mark: Mark
    """How the file was before that was read. How many line ends it has was not known."""

    def is_sound(self, read: FileRead) -> bool:
        """True if the piece was read, and of this file, which has at most grown since."""
        mark = self.mark
        if read.error is not None or read.identity != (mark.device, mark.inode) or not read.line_ends:
            return False
        try:
            now = os.lstat(self.path)
        except OSError:
            return False
        is_same = (now.st_size, now.st_mtime_ns, now.st_ctime_ns) == (mark.size, mark.modified, mark.changed)
        return (now.st_dev, now.st_ino) == read.identity and (is_same or now.st_size > mark.size)


def _placed(extracts: Sequence[Extract], numbers: Sequence[int]) -> Iterator[Placed]:
    """The extracts of some pieces, with the ``numbers`` of the pieces' files."""
    begin = 0
    for extract in extracts:
        end = begin + len(extract.files)
        yield Placed(extract, numbers[begin:end])
        begin = end


def _cut(extract: Extract, marks: Sequence[Mark], begin: int, end: int) -> Memory:
    """What ``extract`` knows of its files from ``begin`` to ``end``, to be remembered with their ``marks``."""
    first, last = np.searchsorted(extract.samples.file, (begin, end)).tolist()
    rows = np.arange(first, last)
    samples = Table([extract.samples.take(rows)]).build()
    loose = extract.loose or Loose([], np.zeros(len(extract.samples), np.int64))
    files = extract.files[begin:end]
    return Memory(
        tuple(replace(mark, line_ends=file.line_ends) for mark, file in zip(marks[begin:end], files, strict=True)),
        Extract(
            files=files,
            samples=replace(samples, file=samples.file - begin),
            identities=extract.identities.take(rows),
            complaints=tuple(
                replace(each, file=each.file - begin) for each in _of_files(extract.complaints, begin, end)
            ),
            loose=Loose(
                [each._replace(file=each.file - begin) for each in _of_files(loose.budgets, begin, end)],
                loose.places[rows],
            ),
        ),
    )


def _of_files(ordered: Sequence[_OfFile], begin: int, end: int) -> Sequence[_OfFile]:
    """Those of the files from ``begin`` to ``end``."""
    return ordered[bisect_left(ordered, begin, key=_FILE) : bisect_left(ordered, end, key=_FILE)]


def _is_as_it_was(mark: Mark, status: os.stat_result, file: io.FileIO) -> bool:
    """True if what is remembered of a file is still its beginning."""
    if (mark.device, mark.inode) != (status.st_dev, status.st_ino) or status.st_size < mark.size:
        return False
    if status.st_size == mark.size:
        last = max(mark.modified, mark.changed)
        if (mark.modified, mark.changed) != (status.st_mtime_ns, status.st_ctime_ns) or last > mark.seen - RACY:
            return False
    return _fingerprint(file, mark.end) == mark.fingerprint


def _last_line_end(file: io.FileIO, begin: int, end: int) -> int:
    """Behind the last line end of a file of this ``end``; ``begin`` if it has none behind it, or none near."""
    near = max(begin, end - _REACH)
    return near + at + 1 if (at := _bytes(file, near, end).rfind(b"\n")) >= 0 else begin


def _fingerprint(file: io.FileIO, end: int) -> str:
    """The hash of what the first ``end`` bytes begin and end with."""
    return _hash(_bytes(file, 0, min(end, _PRINT)) + _bytes(file, max(0, end - _PRINT), end))


def _bytes(file: io.FileIO, begin: int, end: int) -> bytes:
    file.seek(begin)
    return file.read(end - begin) or b""


def _hash(text: bytes) -> str:
    return blake2b(text, digest_size=16).hexdigest()


def _names_in(directory: str) -> set[str]:
    """The hashes of the paths of all that is in a directory, as far as it can be listed."""
    try:
        return {_hash(os.fsencode(os.path.join(directory, name))) for name in os.listdir(directory)}  # noqa: PTH118, PTH208
    except OSError:
        return set()


_NOTHING = Memory((), together([]))
