"""Read the samples of files, each file by itself: none needs to know what another one holds.

Which samples of many files are copies is for `merge`. So files can be read anywhere and in any order, and what comes of
them is columns, never lines.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, replace
from hashlib import blake2b
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pytest_token_telemetry import __version__
from pytest_token_telemetry.columns import SampleColumns, Samples, stored
from pytest_token_telemetry.sources import native
from pytest_token_telemetry.sources.budgets import join_rows
from pytest_token_telemetry.sources.dense import regular
from pytest_token_telemetry.sources.digests import digests_of
from pytest_token_telemetry.sources.formats import parse
from pytest_token_telemetry.sources.lines import BUFFER, Lines, line_scanner
from pytest_token_telemetry.sources.records import Budget, Read, Unusable
from pytest_token_telemetry.sources.scan import Fragment
from pytest_token_telemetry.sources.sending import received, sent
from pytest_token_telemetry.table import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import numpy.typing as npt

    from pytest_token_telemetry.columns import Integers, Mask
    from pytest_token_telemetry.sample import Sample
    from pytest_token_telemetry.sources.dense import Regular
    from pytest_token_telemetry.sources.digests import Digests
    from pytest_token_telemetry.sources.sending import Sent

PLACES_KEPT = 3
"""How many lines of each kind of unusable line are kept, by file."""

ENDING = 1 << 12
"""Bytes by which the end of a part is known: more than the line it ends with, which tells its time."""

_AT_ONCE = 1 << 20
"""Bytes of gathered lines, or of identities, that are read at once."""


class FileRead(NamedTuple):
    """What became of one file."""

    identity: tuple[int, int] | None
    """Device and inode; ``None`` if it could not be opened, or is no regular file."""
    error: str | None = None
    """Why not all of it could be read."""
    line_ends: int = 0
    """How many it has, or the part of it that was read."""


@dataclass(frozen=True, slots=True)
class Complaint:
    """Lines of one file that should be samples and cannot be, for one reason."""

    file: int
    reason: str
    count: int
    lines: tuple[int, ...]
    """The first `PLACES_KEPT`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identities:
    """By what copies of samples are known, one entry a row."""

    digest: Digests
    """That of `Read.identity`; 0 if it is not known."""
    known: Mask
    """Whether there is one."""
    own: Mask
    """Whether the line is of our own format."""
    id: npt.NDArray[np.uint64]
    """The hash of the call's own id; 0 without one, and without an identity."""
    timed: Digests
    """Of those rows alone that have an id, in their order: the digest of their identity and their time."""
    ids: dict[int, str]
    """By row: the id itself, if it is to be kept."""

    def take(self, rows: Integers) -> Identities:
        """Those of ``rows``, in that order."""
        id = self.id[rows]
        timed = self.timed
        if len(timed):
            timed = timed[(np.cumsum(self.id != 0) - 1)[rows[id != 0]]]
        new = {old: at for at, old in enumerate(rows.tolist())} if self.ids else {}
        return Identities(
            digest=self.digest[rows],
            known=stored(self.known[rows]),
            own=stored(self.own[rows]),
            id=stored(id),
            timed=timed,
            ids={new[row]: id for row, id in self.ids.items() if row in new},
        )

    @staticmethod
    def joined(parts: Sequence[Identities]) -> Identities:
        """Those of all ``parts``, one after the other."""
        begins = np.cumsum([0, *(len(part.known) for part in parts)]).tolist()
        return Identities(
            digest=np.concatenate([digests_of([]), *(part.digest for part in parts)]),
            known=np.concatenate([np.empty(0, np.bool_), *(part.known for part in parts)]),
            own=np.concatenate([np.empty(0, np.bool_), *(part.own for part in parts)]),
            id=np.concatenate([np.empty(0, np.uint64), *(part.id for part in parts)]),
            timed=np.concatenate([digests_of([]), *(part.timed for part in parts)]),
            ids={
                begin + row: each for begin, part in zip(begins, parts, strict=False) for row, each in part.ids.items()
            },
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Extract:
    """What some files hold. A file is known by its index in ``files``."""

    files: tuple[FileRead, ...]
    samples: Samples
    """In the order of their files, lines and places in the line."""
    identities: Identities
    complaints: tuple[Complaint, ...]
    """In the order of their files."""
    loose: Loose | None = None
    """If some are parts of files: what must be joined with the other parts."""

    def __reduce__(self) -> tuple[Callable[..., Extract], tuple[object, ...]]:
        """As it goes to another process: in columns, of which those of one value are that value."""
        return _received, (self.files, sent(self.samples), sent(self.identities), self.complaints, self.loose)


def _received(
    files: tuple[FileRead, ...], samples: Sent, identities: Sent, complaints: tuple[Complaint, ...], loose: Loose | None
) -> Extract:
    return Extract(
        files=files,
        samples=Samples(**received(samples)),
        identities=Identities(**received(identities)),
        complaints=complaints,
        loose=loose,
    )


@dataclass(frozen=True, slots=True)
class Loose:
    """``[TOKEN_BUDGET]`` records of parts of files, which may belong to samples of the next part."""

    budgets: list[LooseBudget]
    """In their order."""
    places: Integers
    """Of each sample: which record of its line it is, from 0."""


class LooseBudget(NamedTuple):
    """A ``[TOKEN_BUDGET]`` record that a sample below it may claim."""

    file: int
    line: int
    place: int
    """Which record of its line it is, from 0."""
    budget: Budget


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a file, of whole lines."""

    begin: int
    end: int
    ending: bytes
    """The hash of its last bytes, at most `ENDING`: with others, the file is not the one that was divided."""


class Piece(NamedTuple):
    """A file to read, or a part of one."""

    path: str
    part: Part | None = None
    """``None``: the whole file."""

    @property
    def begin(self) -> int:
        """Where it begins in the file."""
        return 0 if self.part is None else self.part.begin


@dataclass(frozen=True, slots=True)
class Task:
    """What is read at a time, by whatever process on whatever machine."""

    pieces: tuple[Piece, ...]
    """Each is a file of the extract."""
    keep_ids: bool = False
    version: str = __version__
    """Of this package where the task was made."""


class VersionError(Exception):
    """The task was made by another version of this package."""


def extract(task: Task, buffer: int = BUFFER, on_read: Callable[[int], None] | None = None) -> Extract:
    """What ``task`` finds, anywhere; see `Extractor`.

    Raises:
        VersionError: what is read here may not be what is read there.
    """
    if task.version != __version__:
        raise VersionError(f"the worker has version {__version__} of pytest-token-telemetry, not {task.version}")
    extractor = Extractor(buffer, on_read, keep_ids=task.keep_ids)
    for piece in task.pieces:
        extractor.read(*piece)
    return extractor.result()


class Extractor:
    """Reads one file after the other, with one buffer for all of them."""

    def __init__(
        self, buffer: int = BUFFER, on_read: Callable[[int], None] | None = None, *, keep_ids: bool = False
    ) -> None:
        """``on_read`` is called with the number of bytes of each read. ``keep_ids`` keeps the calls' own ids."""
        self._scanner = line_scanner(buffer, on_read)
        self._keep_ids = keep_ids
        self._files: list[FileRead] = []
        self._rows = _Rows()
        self._gathered: list[bytes] = []
        self._origins: list[tuple[int, Integers]] = []
        self._size = 0
        self._budgets: dict[int, list[LooseBudget]] = {}
        self._parts: set[int] = set()
        self._complaints: dict[tuple[int, str], _Complaints] = {}
        self._last = (0, 0, 0)

    def read(self, path: str, part: Part | None = None) -> None:
        """Read the file at ``path``, the next one, or a ``part`` of it."""
        if part is not None:
            self._parts.add(len(self._files))
        try:
            descriptor = os.open(path, READ_ONLY)
        except OSError as error:
            self._files.append(FileRead(None, _reason(error)))
            return
        try:
            self._files.append(self._read(descriptor, part))
        finally:
            os.close(descriptor)

    def result(self) -> Extract:
        """All that was read."""
        self._read_gathered()
        samples, identities = self._rows.build(keep_ids=self._keep_ids)
        budgets = sorted((each for of_file in self._budgets.values() for each in of_file), key=lambda each: each[:3])
        loose = [each for each in budgets if each.file in self._parts]
        if len(loose) < len(budgets):
            samples = joined(samples, self._rows.places, (each for each in budgets if each.file not in self._parts))
        return Extract(
            files=tuple(self._files),
            samples=samples,
            identities=identities,
            complaints=tuple(
                Complaint(file, reason, each.count, tuple(each.first()))
                for (file, reason), each in sorted(self._complaints.items(), key=lambda item: item[0])
            ),
            loose=Loose(loose, self._rows.places) if self._parts else None,
        )

    def _read(self, descriptor: int, part: Part | None) -> FileRead:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            return FileRead(None, "it is no longer a regular file")
        begin, end = (0, status.st_size) if part is None else (part.begin, part.end)
        error = None
        try:
            for piece in self._scanner.pieces(descriptor, begin, end):
                self._take(piece)
            if self._scanner.left:
                error = "it became shorter while it was read"
            elif part is not None and _ending(descriptor, part) != part.ending:
                error = "it was replaced while it was read"
        except OSError as failed:
            error = _reason(failed)
        return FileRead((status.st_dev, status.st_ino), error, self._scanner.line_ends)

    def _take(self, piece: Lines | Fragment) -> None:
        file = len(self._files)
        match piece:
            case Lines(numbers, text):
                self._gathered.append(text)
                self._origins.append((file, numbers))
                self._size += len(text)
                if self._size >= _AT_ONCE:
                    self._read_gathered()
            case Fragment():
                self._read_fragment(piece, file)

    def _read_gathered(self) -> None:
        """Read the lines that were gathered, of however many files, at once."""
        if not self._gathered:
            return
        text = b"".join(self._gathered)
        files = np.repeat([file for file, _ in self._origins], [len(numbers) for _, numbers in self._origins])
        numbers = np.concatenate([numbers for _, numbers in self._origins])
        self._gathered, self._origins, self._size = [], [], 0
        found = regular(text)
        rows = found.samples.line - 1
        self._rows.add_regular(found, files[rows], numbers[rows])
        for at, budget in found.budgets:
            file, number = int(files[at - 1]), int(numbers[at - 1])
            self._budgets.setdefault(file, []).append(LooseBudget(file, number, 0, budget))
        for line in found.rest:
            file, number = int(files[line.number - 1]), int(numbers[line.number - 1])
            for fragment in self._scanner.fragments_of_line(text[line.begin : line.end], number):
                self._read_fragment(fragment, file)

    def _read_fragment(self, fragment: Fragment, file: int) -> None:
        *before, place = self._last
        place = place + 1 if before == [file, fragment.line] else 0
        self._last = (file, fragment.line, place)
        match parse(fragment):
            case Budget() as budget:
                self._budgets.setdefault(file, []).append(LooseBudget(file, fragment.line, place, budget))
            case Unusable(reason):
                self._complaints.setdefault((file, reason), _Complaints()).add(fragment.line)
            case Read(sample, identity):
                own = fragment.tag == native.TAG
                self._rows.add(sample, identity, (file, fragment.line, place), own=own)


def joined(samples: Samples, places: Integers, budgets: Iterable[LooseBudget]) -> Samples:
    """The samples with what the ``[TOKEN_BUDGET]`` records of their files say.

    Args:
        samples: in the order of their files and lines.
        places: of each sample, which record of its line it is.
        budgets: the records, in their order.
    """
    table = Table([samples])
    for file, of_file in groupby(budgets, key=lambda each: each.file):
        begin, end = np.searchsorted(table.column("file"), (file, file + 1)).tolist()
        rows = zip(table.column("line")[begin:end].tolist(), places[begin:end].tolist(), range(begin, end), strict=True)
        join_rows(table, rows, (each[1:] for each in of_file))
    return table.build()


class _Complaints:
    """How many lines there are, and the first of them, in whatever order they come."""

    def __init__(self) -> None:
        self.count = 0
        self._lines: list[int] = []

    def add(self, line: int) -> None:
        """Add a line."""
        self.count += 1
        self._lines.append(line)
        if len(self._lines) > 100 * PLACES_KEPT:
            self._lines = self.first()

    def first(self) -> list[int]:
        """The first lines."""
        return sorted(self._lines)[:PLACES_KEPT]


class _Rows:
    """Samples with their identities, from lines that were read one by one and from many at once."""

    def __init__(self) -> None:
        self._regular: list[tuple[Samples, Digests]] = []
        self._columns = SampleColumns()
        self._digests = _DigestColumn()
        self._timed = _DigestColumn()
        self._known: list[bool] = []
        self._places: list[int] = []
        self._own: list[bool] = []
        self._ids: dict[int, str] = {}
        self.places: Integers = np.empty(0, np.int64)
        """Of each row that was built: which record of its line it is, from 0."""

    def add(self, sample: Sample, identity: str | None, at: tuple[int, int, int], *, own: bool) -> None:
        """Add a sample, which was read at this file, line and place in the line."""
        file, line, place = at
        row = self._columns.add(sample, file, line)
        self._digests.add(identity or "")
        self._known.append(identity is not None)
        self._places.append(place)
        self._own.append(own)
        if own and identity is not None and sample.id is not None:
            self._ids[row] = sample.id
            self._timed.add(timed(identity, sample))

    def add_regular(self, found: Regular, files: Integers, lines: Integers) -> None:
        """Add the regular lines of a block, which stand on these ``lines`` of these ``files``."""
        if len(lines):
            self._regular.append((replace(found.samples, file=files, line=lines), found.digest))

    def build(self, *, keep_ids: bool) -> tuple[Samples, Identities]:
        """All rows in the order of files, lines and places, and their identities."""
        irregular = self._columns.build()
        parts = [samples for samples, _ in self._regular] + [irregular]
        table = Table(parts)
        n, regular = len(table), len(table) - len(irregular)
        places = np.zeros(n, np.int64)
        places[regular:] = self._places
        known = np.ones(n, np.bool_)
        known[regular:] = self._known
        own = np.zeros(n, np.bool_)
        own[regular:] = self._own
        id = np.zeros(n, np.uint64)
        for row, text in self._ids.items():
            id[regular + row] = hash_of_id(text)
        digest = np.concatenate([*(digest for _, digest in self._regular), self._digests.build()])
        digest[~known] = 0
        order = np.lexsort((places, table.column("line"), table.column("file")))
        new = np.empty(n, np.int64)
        new[order] = np.arange(n)
        at = new[[regular + row for row in self._ids]]
        self.places = places[order]
        return table.build(order), Identities(
            digest=digest[order],
            known=stored(known[order]),
            own=stored(own[order]),
            id=stored(id[order]),
            timed=self._timed.build()[np.argsort(at)],
            ids=dict(zip(at.tolist(), self._ids.values(), strict=True)) if keep_ids else {},
        )


class _DigestColumn:
    """The digests of texts that come one by one."""

    def __init__(self) -> None:
        self._built = [digests_of([])]
        self._texts: list[bytes] = []
        self._size = 0

    def add(self, text: str) -> None:
        """Add that of ``text``."""
        self._texts.append(encoded(text))
        self._size += len(self._texts[-1])
        if self._size > _AT_ONCE:
            self._take()

    def build(self) -> Digests:
        """Those of all texts."""
        self._take()
        return np.concatenate(self._built)

    def _take(self) -> None:
        self._built.append(digests_of(self._texts))
        self._texts, self._size = [], 0


def encoded(identity: str) -> bytes:
    """What is hashed of an identity."""
    return identity.encode("utf-8", "surrogatepass")


def timed(identity: str, sample: Sample) -> str:
    """The identity of a call to a stand-in, which gives every call the same id: the line with the call's time."""
    return f"{identity} at {sample.time}"


def hash_of_id(id: str) -> int:
    """A number that stands for a call's own id. Not 0."""
    digest = blake2b(id.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little") or 1


def hash_of_ending(text: bytes) -> bytes:
    """What `Part.ending` is, by the text."""
    return blake2b(text, digest_size=8).digest()


def _ending(descriptor: int, part: Part) -> bytes:
    begin = max(part.begin, part.end - ENDING)
    os.lseek(descriptor, begin, os.SEEK_SET)
    return hash_of_ending(os.read(descriptor, part.end - begin))


def _reason(error: OSError) -> str:
    return error.strerror or type(error).__name__


READ_ONLY = (
    os.O_RDONLY
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_NONBLOCK", 0)  # a file that became a pipe must not block
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_BINARY", 0)
)
"""How a file is opened that was a regular one a moment ago."""
