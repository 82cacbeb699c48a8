"""Read the samples of files, each file by itself: none needs to know what another one holds.

Which samples of many files are copies is for `merge`. So files can be read anywhere and in any order, and what comes of
them is columns, never lines.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field, fields, is_dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from pytest_token_telemetry import __version__
from pytest_token_telemetry.sources.rows import Complaint, Identities, Rows
from pytest_token_telemetry.sources.source import claimed
from pytest_token_telemetry.sources.tagged.tagged_source import Sizes, TaggedSource

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from pytest_token_telemetry.samples import Samples

_ENDING = 1 << 12
"""Bytes by which the end of a part is recognised: more than the line it ends with, which tells its time."""


class FileRead(NamedTuple):
    """What became of one file."""

    opened: bool
    """Whether it could be opened, and is a regular file."""
    error: str | None = None
    """Why not all of it could be read."""
    line_ends: int = 0
    """How many it has, or the part of it that was read."""


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

    def __reduce__(self) -> tuple[Callable[..., Extract], tuple[object, ...]]:
        """As it goes to another process: in columns, of which those of one value are that value."""
        return _received, (self.files, _packed(self.samples), _packed(self.identities), self.complaints)


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

    paths: tuple[str, ...]
    """Each is a file of the extract."""
    part: Part | None = None
    """What to read of the only file; ``None``: all of each file."""
    keep_ids: bool = False
    sizes: Sizes = field(default_factory=Sizes)
    version: str = __version__
    """Of this package where the task was made."""


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
    files = tuple(_read(path, task.part, rows, logs) for path in task.paths)
    logs.finish()
    samples, identities = rows.build(complete=logs.complete, keep_ids=task.keep_ids)
    return Extract(files=files, samples=samples, identities=identities, complaints=rows.complaints())


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


def _read(path: str, part: Part | None, rows: Rows, logs: TaggedSource) -> FileRead:
    """Read the next file, or a part of it."""
    file = rows.file + 1
    found = FileRead(opened=False)
    try:
        descriptor = os.open(path, READ_ONLY)
        try:
            found = _read_opened(descriptor, path, part, rows, logs)
        finally:
            os.close(descriptor)
    except OSError as error:
        found = FileRead(rows.file == file, error.strerror or type(error).__name__)
    if rows.file < file:
        rows.begin_file()
    return found


def _read_opened(descriptor: int, path: str, part: Part | None, rows: Rows, logs: TaggedSource) -> FileRead:
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        return FileRead(False, "it is no longer a regular file")
    if part is None and (source := claimed(path, descriptor)) is not None:
        rows.begin_file()
        with open(descriptor, "rb", closefd=False) as opened:
            opened.seek(0)
            source.read(opened, rows)
        return FileRead(True)
    begin, end = (0, status.st_size) if part is None else (part.begin, part.end)
    error = None
    line_ends, missing = logs.read(descriptor, begin, end)
    if missing:
        error = "it became shorter while it was read"
    elif part is not None and ending(descriptor, begin, end) != part.ending:
        error = "it was replaced while it was read"
    return FileRead(True, error, line_ends)


def _received(
    files: tuple[FileRead, ...], samples: _Columns, identities: _Columns, complaints: tuple[Complaint, ...]
) -> Extract:
    return Extract(files=files, samples=_unpacked(samples), identities=_unpacked(identities), complaints=complaints)


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
