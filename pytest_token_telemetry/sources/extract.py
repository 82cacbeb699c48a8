"""Read the samples of files, each file by itself: none needs to know what another one holds.

Which samples of many files are copies is for `merge`. So files can be read anywhere and in any order, and what comes of
them is columns, never lines.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from dataclasses import dataclass, field, fields, is_dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from pytest_token_telemetry import __version__
from pytest_token_telemetry.sources.compressed import MAGIC, is_compressed, unpacking
from pytest_token_telemetry.sources.outcomes import Outcomes, OutcomesBuilder
from pytest_token_telemetry.sources.recognition import AUTO, Choice, recognised
from pytest_token_telemetry.sources.rows import AbsorbedRecords, Complaint, Identities, Rows
from pytest_token_telemetry.sources.source import HEAD, READ_ONLY, Found, Opened, Sizes, opened
from pytest_token_telemetry.sources.tagged.simple_search import WIDE_BEGINS
from pytest_token_telemetry.sources.tagged.tagged_source import TaggedReader
from pytest_token_telemetry.sources.unread import LOOKED_AT, NO_SCHEMA, is_slip

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    import numpy.typing as npt

    from pytest_token_telemetry.samples import Samples
    from pytest_token_telemetry.sources.places import Place
    from pytest_token_telemetry.sources.rows import Remark
    from pytest_token_telemetry.sources.source import Reader, Source

SMALL = 1 << 16
"""Bytes of a file that is read at once, and searched together with others."""

_NOT_PLAIN = WIDE_BEGINS | frozenset(b"\x1f\x28\x42\xfd")
"""The first bytes of wide encodings and of compressed files (gzip, zstd, bzip2, xz): a closer look tells them."""

_LINE_END = ord("\n")

_ENDING = 1 << 12
"""Bytes by which the end of a part is recognised: more than the line it ends with, which tells its time."""


class Listed(NamedTuple):
    """A file to read, as it was when it was listed."""

    path: str
    size: int
    """Bytes; 0 if it is no regular file any more."""
    inode: int = 0
    """Its number, by which it is known while other files take its name; 0: it has none that means the same here."""
    changed: int = 0
    """When it was written to last, in ns; 0: it is not known by a clock that means the same here."""
    copy: str = ""
    """Where a copy of it lies, if it is a remote object."""
    beside: str = ""
    """See `Opened.beside`."""

    @classmethod
    def of(cls, path: str, status: os.stat_result) -> Listed:
        """The file at ``path`` with this ``status``."""
        if not stat.S_ISREG(status.st_mode):
            return cls(path, 0)
        return cls(path, status.st_size, status.st_ino, status.st_mtime_ns)

    def fault(self, now: os.stat_result) -> str | None:
        """Why what is read ``now`` may be less than what was listed. A file that only grew is fine."""
        if (now.st_size, now.st_ino, now.st_mtime_ns) == self[1:4] and stat.S_ISREG(now.st_mode):
            return None  # as nearly all files are
        if not stat.S_ISREG(now.st_mode):
            return "it is no longer a regular file"
        if now.st_size < self.size:
            return "it became shorter while it was read"
        if self.inode and now.st_ino != self.inode:
            return "it was replaced while it was read"
        if self.changed and now.st_size == self.size and now.st_mtime_ns != self.changed:
            return "it was overwritten while it was read"
        return None


class FileRead(NamedTuple):
    """What became of one file."""

    opened: bool
    """Whether it could be opened, and is a regular file."""
    error: str | None = None
    """Why not all of it could be read."""
    line_ends: int = 0
    """How many it has, or the part of it that was read."""
    format: str = ""
    """The name of the source that read it."""
    unread: str = ""
    """Why it may have calls where no line of it is a record; empty: nothing says so."""
    has_counts: bool = False
    """Whether it begins like a log in which JSON counts output tokens: it may have calls that no source reads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Extract:
    """What some files hold. A file is known by its index in ``files``."""

    files: tuple[FileRead, ...]
    samples: Samples
    """In the order of their files, lines and places in the line."""
    identities: Identities
    """Of the samples."""
    absorbed: AbsorbedRecords
    complaints: tuple[Complaint, ...]
    """In the order of their files."""
    mentions: dict[int, int] = field(default_factory=dict)
    """See `Rows.mentions`."""
    skipped: dict[tuple[int, str], int] = field(default_factory=dict)
    """See `Rows.skipped`."""
    remarks: dict[Remark, int] = field(default_factory=dict)
    """See `Rows.remarks`."""
    places: dict[Place, int] = field(default_factory=dict)
    """See `Rows.places`."""
    outcomes: Outcomes = field(default_factory=lambda: OutcomesBuilder().build())
    """See `Rows.outcomes`."""
    unusable_keys: npt.NDArray[np.uint64] = field(default_factory=lambda: np.empty(0, np.uint64))
    """See `Rows.unusable_keys`."""

    def __reduce__(self) -> tuple[Callable[..., Extract], tuple[object, ...]]:
        """As it goes to another process: in columns, of which those of one value are that value."""
        columns = (_packed(self.samples), _packed(self.identities), _packed(self.absorbed))
        told = (self.mentions, self.skipped, self.remarks, self.places, self.outcomes, self.unusable_keys)
        return _received, (self.files, *columns, self.complaints, *told)


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a file, of whole lines."""

    begin: int
    end: int
    ending: bytes
    """The hash of its last bytes, see `ending`: with others, the file is not the one that was divided."""


@dataclass(frozen=True, slots=True)
class Task:
    """What is read at a time, by whatever process on whatever machine."""

    files: tuple[Listed, ...]
    part: Part | None = None
    """What to read of the only file; ``None``: all of each file."""
    keep_ids: bool = False
    keep_keys: bool = False
    """See `Rows.keeps_keys`."""
    requests: tuple[str, ...] = ()
    """See `Opened.requests`."""
    sizes: Sizes = field(default_factory=Sizes)
    format: str = AUTO
    """This, and the next two, as of `Choice`."""
    mapped: tuple[Source, ...] = ()
    """They are plain data, known wherever the task goes."""
    added: tuple[Source, ...] = ()
    """They stay in the process that has the plugins."""
    version: str = __version__
    """Of this package where the task was made."""

    @property
    def choice(self) -> Choice:
        """Which sources may read the files."""
        return Choice(self.format, self.mapped, self.added)

    @property
    def size(self) -> int:
        """Bytes, as far as they are known before."""
        return sum(file.size for file in self.files) if self.part is None else self.part.end - self.part.begin

    @property
    def divided(self) -> str | None:
        """The file that was divided, if this is a part of it."""
        return None if self.part is None else self.files[0].path

    @property
    def new_files(self) -> int:
        """How many files it begins: a part that is not the first of its file begins none."""
        return 0 if self.part is not None and self.part.begin else len(self.files)


class VersionError(Exception):
    """The task was made by another version of this package."""


def extract(task: Task, on_read: Callable[[int], None] | None = None) -> Extract:
    """What ``task`` finds, anywhere. ``on_read`` is called with the number of bytes of each read.

    Raises:
        VersionError: what is read here may not be what is read there.
    """
    if task.version != __version__:
        raise VersionError(f"the worker has version {__version__} of pytest-token-telemetry, not {task.version}")
    rows = Rows(keeps_keys=task.keep_keys)
    readers = _Readers(rows, task, on_read)
    small = min(SMALL, task.sizes.buffer) if task.part is None else -1
    files = tuple(_read(file, task, small, rows, readers) for file in task.files)
    for reader in readers.begun:
        reader.finish()
    complete = (reader.complete for reader in readers.begun)
    samples, identities, absorbed = rows.build(complete=complete, keep_ids=task.keep_ids)
    return Extract(
        files=files,
        samples=samples,
        identities=identities,
        absorbed=absorbed,
        complaints=rows.complaints(),
        mentions=dict(rows.mentions),
        skipped=dict(rows.skipped),
        remarks=dict(rows.remarks),
        places=dict(rows.places),
        outcomes=rows.outcomes.build(),
        unusable_keys=rows.unusable_keys(),
    )


def head_of(descriptor: int, size: int = HEAD) -> bytes:
    """The first ``size`` bytes of an open file.

    Raises:
        OSError: they cannot be read.
    """
    os.lseek(descriptor, 0, os.SEEK_SET)
    return os.read(descriptor, size)


def ending(descriptor: int, begin: int, end: int) -> bytes:
    """The hash of the last bytes, 4096 at most, from byte ``begin`` of an open file to byte ``end``.

    Raises:
        OSError: they cannot be read.
    """
    begin = max(begin, end - _ENDING)
    os.lseek(descriptor, begin, os.SEEK_SET)
    return blake2b(os.read(descriptor, end - begin), digest_size=8).digest()


@dataclass(slots=True)
class _Readers:
    """A reader for each source that has something to read."""

    rows: Rows
    task: Task
    on_read: Callable[[int], None] | None
    _by_name: dict[str, Reader] = field(default_factory=dict)

    @property
    def begun(self) -> Collection[Reader]:
        """Those that were given something."""
        return self._by_name.values()

    def read(self, source: Source, file: Opened) -> Found:
        """Have ``source`` read a ``file``."""
        return self._of(source).read(file)

    def read_text(self, source: Source, text: bytes, file: Listed, descriptor: int) -> None:
        """Have ``source`` read a small ``file``, which is open and has this plain ``text``."""
        reader = self._of(source)
        if isinstance(reader, TaggedReader):
            reader.read_text(text)
        else:
            size = len(text)
            reader.read(Opened(file.path, descriptor, 0, size, size, text, None, self.task.requests, file.beside))

    def _of(self, source: Source) -> Reader:
        """The one reader for ``source``."""
        reader = self._by_name.get(source.name)
        if reader is None:
            reader = self._by_name[source.name] = source.reader(self.rows, self.task.sizes, self.on_read)
        return reader


def _read(file: Listed, task: Task, small: int, rows: Rows, readers: _Readers) -> FileRead:
    """Read the next file, or a part of it. One of no more than so many bytes is ``small``."""
    number = rows.file + 1
    found = FileRead(opened=False)
    try:
        descriptor = os.open(file.copy or file.path, READ_ONLY)
        try:
            if file.size <= small and (text := _plain_text(descriptor, file)) is not None:
                look = recognised(file.path, text, task.choice)
                readers.read_text(look.source, text, file, descriptor)
                found = FileRead(True, None, 0, look.source.name if text else "", look.unread, look.has_counts)
            else:
                found = _read_opened(descriptor, file, task, readers)
        finally:
            os.close(descriptor)
        if found.unread == NO_SCHEMA:
            _count_slips(file, rows, number)
            found = found._replace(unread="")
    except OSError as error:
        found = FileRead(rows.file == number, error.strerror or type(error).__name__)
    if rows.file < number:
        rows.begin_file()
    return found


def _count_slips(file: Listed, rows: Rows, number: int) -> None:
    """Count the lines of a file that are ours but for their schema.

    Raises:
        OSError: it cannot be read again.
    """
    from pytest_token_telemetry.sources.documents import MOST, numbered_lines  # few files have any

    with opened(file.copy or file.path) as again, again.stream() as stream:
        for line, text in numbered_lines(stream, MOST):
            if text is not None and is_slip(text):
                rows.complain(NO_SCHEMA, line, file=number)


def _plain_text(descriptor: int, file: Listed) -> bytes | None:
    """All of a small file, if it is as it was listed, and plain text."""
    if file.fault(os.fstat(descriptor)) is not None:
        return None
    text = os.read(descriptor, file.size + 1)
    if len(text) != file.size:
        return None
    if text and (text[-1] != _LINE_END or text[0] in _NOT_PLAIN or is_compressed(text)):
        return None
    return text


def _read_opened(descriptor: int, file: Listed, task: Task, readers: _Readers) -> FileRead:
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        return FileRead(False, "it is no longer a regular file")
    now, part = Listed.of(file.path, status), task.part
    begin, end = (0, now.size) if part is None else (part.begin, part.end)
    head = head_of(descriptor)
    unpacked = None
    if part is None and is_compressed(head[:MAGIC]):
        head, unpacked = _expanded(descriptor, head[:MAGIC], readers.on_read)
    opened = Opened(file.path, descriptor, begin, end, now.size, None, unpacked, task.requests, file.beside)
    is_shown = begin or unpacked is not None or len(head) < HEAD
    shown = head if is_shown else _shown(descriptor, now.size)
    look = recognised(file.path, shown, task.choice, is_part=part is not None)
    found = readers.read(look.source, opened)
    error = file.fault(status) or now.fault(os.fstat(descriptor))
    if found.missing:
        error = "it became shorter while it was read"
    elif error is None and part is not None and ending(descriptor, begin, end) != part.ending:
        error = "it was replaced while it was read"
    unread, has_counts = ("", False) if begin else look[1:]
    return FileRead(True, error, found.line_ends, look.source.name, unread, has_counts)


def source_at(descriptor: int, file: Listed, task: Task) -> Source:
    """The source that reads an open file, whole.

    Raises:
        OSError: it cannot be read.
    """
    return recognised(file.path, _shown(descriptor, file.size), task.choice).source


def _shown(descriptor: int, size: int) -> bytes:
    """What tells the kind of a file of that ``size``: its beginning, and the last lines of one that is longer."""
    begin = head_of(descriptor, LOOKED_AT)
    if size <= LOOKED_AT:
        return begin
    os.lseek(descriptor, max(LOOKED_AT, size - LOOKED_AT), os.SEEK_SET)
    end = os.read(descriptor, LOOKED_AT)
    return begin + end[end.find(b"\n") :]


def _expanded(
    descriptor: int, magic: bytes, on_read: Callable[[int], None] | None
) -> tuple[bytes, Callable[[memoryview], int] | None]:
    """The beginning of the text of a compressed file, and what reads all of it.

    Raises:
        OSError: nothing is installed that unpacks it.
    """
    head = bytearray(LOOKED_AT)
    size = 0
    if (text := unpacking(descriptor, magic)) is not None:
        with suppress(OSError):  # whoever reads all of it says why that ends early
            size = text.readinto(memoryview(head))
    text = unpacking(descriptor, magic, on_read)
    return bytes(head[:size]), None if text is None else text.readinto


def _received(
    files: tuple[FileRead, ...],
    samples: _Columns,
    identities: _Columns,
    absorbed: _Columns,
    complaints: tuple[Complaint, ...],
    mentions: dict[int, int],
    skipped: dict[tuple[int, str], int],
    remarks: dict[Remark, int],
    places: dict[Place, int],
    outcomes: Outcomes,
    unusable_keys: npt.NDArray[np.uint64],
) -> Extract:
    return Extract(
        files=files,
        samples=_unpacked(samples),
        identities=_unpacked(identities),
        absorbed=_unpacked(absorbed),
        complaints=complaints,
        mentions=mentions,
        skipped=skipped,
        remarks=remarks,
        places=places,
        outcomes=outcomes,
        unusable_keys=unusable_keys,
    )


class _Columns(NamedTuple):
    """A dataclass of columns on its way."""

    kind: type
    fields: dict[str, Any]


class _Alike(NamedTuple):
    """A column of one value on its way."""

    value: npt.NDArray[Any]
    """An array of it alone."""
    n: int


def _packed(value: Any) -> Any:  # noqa: ANN401 - whatever a field may be
    if is_dataclass(value):
        return _Columns(type(value), {each.name: _packed(getattr(value, each.name)) for each in fields(value)})
    if isinstance(value, np.ndarray) and value.ndim == 1 and len(value) and value.strides == (0,):
        return _Alike(value[:1].copy(), len(value))
    return value


def _unpacked(value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, _Columns):
        return value.kind(**{name: _unpacked(each) for name, each in value.fields.items()})
    return np.broadcast_to(value.value[0], value.n) if isinstance(value, _Alike) else value
