"""Read the samples of files, each file by itself: none needs to know what another one holds.

Which samples of many files are copies is for `merge`. So files can be read anywhere and in any order, and what comes of
them is columns, never lines.
"""

from __future__ import annotations

import os
import stat
import sys
from dataclasses import dataclass, field, fields, is_dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from pytest_token_telemetry import __version__
from pytest_token_telemetry.sources.compressed import MAGIC, is_compressed, unpacking
from pytest_token_telemetry.sources.rows import Complaint, Identities, Rows
from pytest_token_telemetry.sources.source import HEAD, claimed, head_of
from pytest_token_telemetry.sources.tagged.simple_search import WIDE_BEGINS
from pytest_token_telemetry.sources.tagged.tagged_source import Sizes, TaggedSource

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from pytest_token_telemetry.samples import Samples

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

    @classmethod
    def of(cls, path: str, status: os.stat_result) -> Listed:
        """The file at ``path`` with this ``status``."""
        if not stat.S_ISREG(status.st_mode):
            return cls(path, 0)
        return cls(path, status.st_size, status.st_ino, status.st_mtime_ns)

    def fault(self, now: os.stat_result) -> str | None:
        """Why what is read ``now`` may be less than what was listed. A file that only grew is fine."""
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


_READ = FileRead(opened=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Extract:
    """What some files hold. A file is known by its index in ``files``."""

    files: tuple[FileRead, ...]
    samples: Samples
    """In the order of their files, lines and places in the line."""
    identities: Identities
    """Of the samples."""
    complaints: tuple[Complaint, ...]
    """In the order of their files."""
    mentions: dict[int, int] = field(default_factory=dict)
    """How many tags without a record each file has; 0 for one with records that say something about samples only."""

    def __reduce__(self) -> tuple[Callable[..., Extract], tuple[object, ...]]:
        """As it goes to another process: in columns, of which those of one value are that value."""
        return _received, (self.files, _packed(self.samples), _packed(self.identities), self.complaints, self.mentions)


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
    sizes: Sizes = field(default_factory=Sizes)
    version: str = __version__
    """Of this package where the task was made."""

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
    rows = Rows()
    logs = TaggedSource(rows, task.sizes, on_read)
    small = min(SMALL, task.sizes.buffer) if task.part is None else -1
    files = tuple(_read(file, task.part, small, rows, logs, on_read) for file in task.files)
    logs.finish()
    samples, identities = rows.build(complete=logs.complete, keep_ids=task.keep_ids)
    return Extract(
        files=files,
        samples=samples,
        identities=identities,
        complaints=rows.complaints(),
        mentions={**dict.fromkeys(logs.files_with_budgets(), 0), **rows.mentions},
    )


def ending(descriptor: int, begin: int, end: int) -> bytes:
    """The hash of the last bytes, 4096 at most, from byte ``begin`` of an open file to byte ``end``.

    Raises:
        OSError: they cannot be read.
    """
    begin = max(begin, end - _ENDING)
    os.lseek(descriptor, begin, os.SEEK_SET)
    return blake2b(os.read(descriptor, end - begin), digest_size=8).digest()


READ_ONLY = (
    os.O_RDONLY
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_NONBLOCK", 0)  # a file that became a pipe must not block
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_BINARY", 0)
)
"""How a file is opened that was a regular one a moment ago."""


def _read(
    file: Listed,
    part: Part | None,
    small: int,
    rows: Rows,
    logs: TaggedSource,
    on_read: Callable[[int], None] | None,
) -> FileRead:
    """Read the next file, or a part of it. One of no more than so many bytes is ``small``."""
    number = rows.file + 1
    found = FileRead(opened=False)
    try:
        descriptor = os.open(file.path, READ_ONLY)
        try:
            if file.size <= small and (text := _plain_text(descriptor, file)) is not None:
                logs.read_small(text)
                found = _READ
            else:
                found = _read_opened(descriptor, file, part, rows, logs, on_read)
        finally:
            os.close(descriptor)
    except OSError as error:
        found = FileRead(rows.file == number, error.strerror or type(error).__name__)
    if rows.file < number:
        rows.begin_file()
    return found


def _plain_text(descriptor: int, file: Listed) -> bytes | None:
    """All of a small file, if it is as it was listed, and plain text for no source but that of logs."""
    if file.fault(os.fstat(descriptor)) is not None:
        return None
    text = os.read(descriptor, file.size + 1)
    if len(text) != file.size or (text and (text[0] in _NOT_PLAIN or text[-1] != _LINE_END)) or is_compressed(text):
        return None
    return None if claimed(file.path, text[:HEAD]) is not None else text


def _read_opened(
    descriptor: int,
    file: Listed,
    part: Part | None,
    rows: Rows,
    logs: TaggedSource,
    on_read: Callable[[int], None] | None,
) -> FileRead:
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        return FileRead(False, "it is no longer a regular file")
    now = Listed.of(file.path, status)
    begin, end = (0, now.size) if part is None else (part.begin, part.end)
    line_ends = missing = 0
    head = head_of(descriptor) if part is None else b""
    if head and (text := unpacking(descriptor, head[:MAGIC], on_read)) is not None:
        line_ends, _ = logs.read(descriptor, 0, sys.maxsize, 0, text.readinto)
    elif part is None and (source := claimed(file.path, head)) is not None:
        rows.begin_file()
        with open(descriptor, "rb", closefd=False) as opened:
            opened.seek(0)
            source.read(opened, rows)
    else:
        line_ends, missing = logs.read(descriptor, begin, end, now.size)
    error = file.fault(status) or now.fault(os.fstat(descriptor))
    if missing:
        error = "it became shorter while it was read"
    elif error is None and part is not None and ending(descriptor, begin, end) != part.ending:
        error = "it was replaced while it was read"
    return FileRead(True, error, line_ends)


def _received(
    files: tuple[FileRead, ...],
    samples: _Columns,
    identities: _Columns,
    complaints: tuple[Complaint, ...],
    mentions: dict[int, int],
) -> Extract:
    return Extract(
        files=files,
        samples=_unpacked(samples),
        identities=_unpacked(identities),
        complaints=complaints,
        mentions=mentions,
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
