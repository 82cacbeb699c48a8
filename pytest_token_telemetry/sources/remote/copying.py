"""Copies of remote objects in a temporary directory, whole or with the reason why not."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from pytest_token_telemetry.sources.batch_lines import holds_batch, holds_requests
from pytest_token_telemetry.sources.extract import Listed
from pytest_token_telemetry.sources.remote.drivers import CopyError, reason
from pytest_token_telemetry.sources.source import HEAD, opened

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from pytest_token_telemetry.sources.remote.calls import Calls
    from pytest_token_telemetry.sources.remote.listing import RemoteObject

BLOCK = 1 << 20
"""Bytes that are asked for at a time."""

COPIED = 256 << 20
"""Bytes of copies that are read together. As much is on its way meanwhile. A larger object is copied by itself."""

COPIES = 2500
"""How many objects these are at most."""

_BEGINNING = 1 << 16
"""Bytes by which requests of batches are known, also where they are compressed."""

_MARKS = ("ETag", "etag", "e_tag", "generation", "md5Hash", "LastModified", "last_modified", "mtime", "created")
"""By what drivers tell one version of an object from another, the surest first."""


def groups(objects: Iterable[RemoteObject]) -> Iterator[list[RemoteObject]]:
    """What is copied and read together, in the order of ``objects``."""
    group: list[RemoteObject] = []
    total = 0
    for each in objects:
        if group and (total + each.size > COPIED or len(group) == COPIES):
            yield group
            group, total = [], 0
        group.append(each)
        total += each.size
    if group:
        yield group


@dataclass(slots=True)
class Copying:
    """Copies objects into a temporary directory."""

    folder: str
    calls: Calls
    beside: Mapping[str, list[RemoteObject]]
    """By directory: the objects that may hold requests of batches."""
    _number: int = 0

    def begin(self, objects: Iterable[RemoteObject], folder: str = "", most: int = sys.maxsize) -> list[Copy]:
        """Begin to copy ``objects``, so many bytes of each at ``most``."""
        copies: list[Copy] = []
        for each in objects:
            self._number += 1
            place = os.path.join(folder or self.folder, f"{self._number}.jsonl")  # noqa: PTH118 - one string an object
            copies.append(Copy(each, place))
            copies[-1].begin(self.calls, most)
        return copies

    def wait_for(self, copies: Sequence[Copy]) -> None:
        """Wait until each copy is whole, or known not to be.

        Raises:
            ScanError: a server no longer answers.
        """
        self.calls.work_until(lambda: not any(each.left for each in copies))

    def remove(self, copies: Iterable[Copy], folders: Iterable[str] = ()) -> None:
        """Free the place of ``copies`` and ``folders``."""
        for each in copies:
            with suppress(OSError):
                os.unlink(each.path)  # noqa: PTH108
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)

    def requests_beside(self, copies: Iterable[Copy]) -> dict[str, str]:
        """By directory: where copies lie of the requests beside results of batches. What cannot be read gives none."""
        found: dict[str, str] = {}
        for each in copies:
            above = each.object.above
            if above not in found and above in self.beside and each.begins_with(holds_batch):
                found[above] = folder = tempfile.mkdtemp(dir=self.folder)
                heads = self.begin(self.beside[above], folder, _BEGINNING)
                self.wait_for(heads)
                with_requests = [head.object for head in heads if head.begins_with(holds_requests)]
                self.remove(heads)
                self.wait_for(self.begin(with_requests, folder))
        return found


@dataclass(slots=True)
class Copy:
    """An object on its way."""

    object: RemoteObject
    path: str
    left: int = 0
    """Answers that are still to come."""
    error: str | None = None
    version: Version | Exception | None = None
    """Before it was copied."""

    def begin(self, calls: Calls, most: int = sys.maxsize) -> None:
        """Ask for all blocks, and before and after them which version of the object this is.

        Of an object store, one block comes whole or not at all.
        """
        one, shown = self.object, self.object.origin.shown
        size = min(one.size, most)
        begins = range(0, max(size, 1), BLOCK)
        is_checked = len(begins) > 1 or not one.directory.driver.async_impl
        self.left = len(begins) + 2 * is_checked

        def take(answer: int | Exception) -> None:
            self.left -= 1
            if isinstance(answer, Exception):
                self.error = self.error or reason(answer, one.directory.url)
            if self.left == 1 and is_checked:
                calls.ask(shown, partial(_version, one), compare)

        def compare(answer: Version | Exception) -> None:
            self.left -= 1
            if isinstance(answer, Exception):
                self.error = self.error or reason(answer, one.directory.url)
            elif answer.size != one.size or answer != self.version:
                self.error = self.error or "it was changed while it was read"

        def first(answer: Version | Exception) -> None:
            self.version = answer
            if isinstance(answer, Exception):
                self.left, self.error = 0, reason(answer, one.directory.url)
            else:
                self.left -= 1
                ask_for_blocks()

        def ask_for_blocks() -> None:
            for begin in begins:
                calls.ask(shown, partial(_copy_block, one, begin, min(begin + BLOCK, size), self.path), take)

        if is_checked:
            calls.ask(shown, partial(_version, one), first)
        else:
            ask_for_blocks()

    def begins_with(self, is_it: Callable[[bytes], bool]) -> bool:
        """Whether its text begins with what ``is_it`` knows."""
        try:
            with opened(self.path) as file, file.stream() as stream:
                return is_it(stream.read(HEAD))
        except OSError:
            return False

    def listed(self, beside: str) -> Listed:
        """How it is read, under the name of its object."""
        status = os.stat(self.path)  # noqa: PTH116
        return Listed.of(self.object.origin.real, status)._replace(copy=self.path, beside=beside)


def _copy_block(one: RemoteObject, begin: int, end: int, path: str) -> int:
    """Copy the bytes from ``begin`` to ``end``, and return how many these are.

    Raises:
        Exception: of the driver, whatever it raises.
        CopyError: fewer came, or they cannot be kept.
    """
    text = b""
    if begin < end:
        with one.directory.alone():
            text = one.directory.driver.cat_file(one.path, start=begin, end=end)
    if len(text) != end - begin:
        raise CopyError(f"its server sent {len(text)} of {end - begin} bytes")
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.seek(begin)
            file.write(text)
    except OSError as error:
        why = f"{error.strerror} (let TMPDIR name a directory with room for {COPIED >> 19} MB and the largest object)"
        raise CopyError(f"it cannot be copied to {tempfile.gettempdir()}: {why}") from None
    return len(text)


class Version(NamedTuple):
    """By what a version of an object is known."""

    size: object
    mark: str


def _version(one: RemoteObject) -> Version:
    with one.directory.alone():
        one.directory.driver.invalidate_cache()
        info = one.directory.driver.info(one.path)
    return Version(info.get("size"), next((str(info[name]) for name in _MARKS if info.get(name) is not None), ""))
