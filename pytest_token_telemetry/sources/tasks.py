"""The work of reading files in pieces that can be done anywhere, and what comes of them put together again."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from itertools import groupby, pairwise
from stat import S_ISREG
from typing import TYPE_CHECKING, NamedTuple

from pytest_token_telemetry.sources.extract import (
    ENDING,
    READ_ONLY,
    Extract,
    FileRead,
    Part,
    Piece,
    Task,
    hash_of_ending,
)
from pytest_token_telemetry.sources.parts import Placed, settled, together
from pytest_token_telemetry.sources.scan import is_wide

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from io import FileIO

_REACH = 1 << 16
"""Bytes in which a line end is looked for; if there is none, a part goes on."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How large tasks are."""

    size: int
    """Bytes of a task of several files."""
    files: int
    """How many files those are at most."""
    part: int
    """Bytes of a part. A larger file is read in parts, unless it is in a wide encoding: its lines cannot be told."""


HERE = Bounds(32 << 20, 2500, 64 << 20)
"""For processes on this machine: enough work to be worth its way, and little enough to keep all busy to the end."""

ELSEWHERE = Bounds(128 << 20, 5000, 128 << 20)
"""For other engines, of which some take 5 ms for a task."""


@dataclass(frozen=True, slots=True)
class Planned:
    """A task, and what is known of its files beforehand."""

    task: Task
    size: int
    """Bytes."""
    identities: tuple[tuple[int, int] | None, ...]
    """Device and inode of each file as this machine sees them: on another one, the same device has another number.

    None at all, if the task stays on this machine.
    """
    of: Piece | None = None
    """What was divided, if this is a part of it."""

    @property
    def paths(self) -> tuple[str, ...]:
        """The files."""
        return tuple(piece.path for piece in self.task.pieces)

    @property
    def files(self) -> int:
        """How many files it has, each part of a file being counted with the first."""
        return sum(not piece.begin for piece in self.task.pieces)


def plan(pieces: Iterable[Piece], bounds: Bounds, *, keep_ids: bool, away: bool) -> Iterator[Planned]:
    """The work on ``pieces``, in their order. It may go ``away``, to other machines."""
    batch: list[_Status] = []
    total = 0
    for piece in pieces:
        status = _status(piece)
        parts = _parts(status, bounds.part) if status.size > bounds.part else ()
        if batch and (parts or total + status.size > bounds.size or len(batch) == bounds.files):
            yield _together(batch, keep_ids, away)
            batch, total = [], 0
        if parts:
            for part in parts:
                task = Task((Piece(piece.path, part),), keep_ids)
                yield Planned(task, part.end - part.begin, (status.identity,) if away else (), piece)
        else:
            batch.append(status)
            total += status.size
    if batch:
        yield _together(batch, keep_ids, away)


def joined(done: Iterable[tuple[Planned, Extract]]) -> Iterator[Extract]:
    """The extracts of ``done``, in the order of the pieces: those of what was divided put together."""
    for of, parts in groupby(done, key=lambda each: each[0].of):
        extracts = (_identified(extract, planned.identities) for planned, extract in parts)
        if of is None:
            yield from extracts
        else:
            extract = together([Placed(each, (0,)) for each in extracts])
            yield settled(extract) if of.part is None else extract


class _Status(NamedTuple):
    piece: Piece
    size: int
    identity: tuple[int, int] | None


def _status(piece: Piece) -> _Status:
    try:
        status = os.stat(piece.path, follow_symlinks=False)  # noqa: PTH116 - one string a file, not one object
    except OSError:
        return _Status(piece, 0, None)
    size = status.st_size if S_ISREG(status.st_mode) else 0
    if piece.part is not None:
        size = piece.part.end - piece.part.begin
    return _Status(piece, size, (status.st_dev, status.st_ino))


def _together(batch: Sequence[_Status], keep_ids: bool, away: bool) -> Planned:
    task = Task(tuple(each.piece for each in batch), keep_ids)
    return Planned(task, sum(each.size for each in batch), tuple(each.identity for each in batch if away))


def _parts(status: _Status, size: int) -> tuple[Part, ...]:
    """The parts of a large piece, each of about ``size`` bytes; none if it has to be read whole."""
    begin, end = status.piece.begin, status.piece.begin + status.size
    try:
        descriptor = os.open(status.piece.path, READ_ONLY)
    except OSError:
        return ()
    with open(descriptor, "rb", buffering=0) as file:  # noqa: PTH123 - not a path
        try:
            if is_wide(file.read(4)):
                return ()
            ends = [begin, *_line_ends(file, size, begin, end), end]
            return tuple(part_of(file, *span) for span in pairwise(ends)) if len(ends) > 2 else ()
        except OSError:
            return ()


def part_of(file: FileIO, begin: int, end: int) -> Part:
    """The part of an open file from ``begin`` to ``end``."""
    file.seek(max(begin, end - ENDING))
    return Part(begin, end, hash_of_ending(file.read(end - file.tell())))


def _line_ends(file: FileIO, size: int, begin: int, end: int) -> Iterator[int]:
    """Where lines end, behind about every ``size`` bytes from ``begin`` to ``end``."""
    at = begin + size
    while at < end:
        file.seek(at)
        found = file.read(_REACH).find(b"\n") + 1
        if found and at + found < end:
            yield at + found
        at += found + size


def _identified(extract: Extract, identities: Sequence[tuple[int, int] | None]) -> Extract:
    """With the files known as this machine knows them, where they could be opened."""
    if not identities:
        return extract
    return replace(extract, files=tuple(map(_known_as, extract.files, identities)))


def _known_as(file: FileRead, identity: tuple[int, int] | None) -> FileRead:
    return file if file.identity is None or identity is None else file._replace(identity=identity)
