"""The source of providers' batches: results, each joined with its request by the id that both have.

Requests stand in files of their own: in the directory of the results, or in files that users named. Of a request only
its cap and its labels are kept.
"""

from __future__ import annotations

import os
import re
from array import array
from bisect import bisect_left
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from pytest_token_telemetry.sources.batch_lines import (
    Request,
    Result,
    entries_of,
    holds_batch,
    holds_requests,
)
from pytest_token_telemetry.sources.documents import Document, documents, whole_documents
from pytest_token_telemetry.sources.keys import of_call
from pytest_token_telemetry.sources.labels import slips_in
from pytest_token_telemetry.sources.outcomes import BESIDE, BY_NAME, NAMED
from pytest_token_telemetry.sources.provider_calls import call_of, decoded, records_of, tell
from pytest_token_telemetry.sources.response_shapes import get
from pytest_token_telemetry.sources.source import HEAD, Found, opened
from pytest_token_telemetry.sources.tagged.records import Read, Unusable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_token_telemetry.samples import Integers, Mask, SamplesBuilder
    from pytest_token_telemetry.sources.labels import Slips
    from pytest_token_telemetry.sources.rows import Remark, Rows
    from pytest_token_telemetry.sources.source import Opened, Sizes

NO_ENTRY = "a record is neither a request nor a result of a batch"

ENDING = re.compile(r"\.(?:jsonl|ndjson|json)(?:\.(?:gz|zst|bz2|xz))?\Z")
"""Of the names of files in which requests are looked for."""


class BatchSource:
    """Batches of OpenAI, Anthropic and Gemini, and of whoever speaks their formats."""

    name = "batches"
    in_parts = False

    def claims(self, path: str, head: bytes) -> bool:  # noqa: ARG002
        """A file whose first record is a request or a result."""
        return holds_batch(head)

    def reader(self, into: Rows, sizes: Sizes, on_read: Callable[[int], None] | None) -> BatchReader:  # noqa: ARG002
        """See `Source.reader`."""
        return BatchReader(into, on_read)


class BatchReader:
    """Reads one file after the other, and remembers the requests of the directory that it is in."""

    def __init__(self, into: Rows, on_read: Callable[[int], None] | None) -> None:
        self._into = into
        self._on_read = on_read
        self._beside: tuple[str, Requests] | None = None
        self._named: tuple[tuple[str, ...], Requests] = ((), Requests())

    def read(self, file: Opened) -> Found:
        """Read the results of a file. Requests are no samples.

        Raises:
            OSError: the file cannot be read, or one of requests that users named cannot be used.
        """
        self._into.begin_file()
        with file.stream() as stream:
            for document in whole_documents(stream, decoded, self._into):
                for at, record in records_of(document.value):
                    for place, entry in enumerate(entries_of(record)):
                        self._take(entry, file, document.line, at + place)
        if self._on_read is not None and file.unpacked is None:
            self._on_read(file.size)
        return Found()

    def _take(self, entry: Request | Result | None, file: Opened, line: int, place: int) -> None:
        match entry:
            case None:
                self._into.complain(NO_ENTRY, line)
            case Request(key, _, _, generates):
                self._into.know([self._into.file])
                if generates:
                    self._into.expect(of_call(key))
                    self._into.outcomes.ask(key, _directory(file), self._into.file, line)
            case Result(key, Unusable() as unusable):
                self._answer(key, file)
                tell(self._into, unusable, line, keys=_keys(key))
            case Result(key, response, asked, slips):
                missing: Remark | None = None
                if asked is None:
                    asked, slips, missing = self._asked(key, file)
                    self._answer(key, file)
                call = call_of(response, asked)
                tell(self._into, call, line, place, _keys(key))
                if missing is not None and isinstance(call, Read) and call.sample.max_tokens is None:
                    self._into.remarks[missing] += 1
                if isinstance(call, Read):
                    self._into.note(dict.fromkeys((*slips, *slips_in(get(response, "metadata")))))

    def _asked(self, key: str | None, file: Opened) -> tuple[Mapping[str, object], Slips, Remark | None]:
        """What the request with ``key`` asked for: nothing, and why, where that cannot be told."""
        for requests in (self._named_by(file), self._beside_of(file)):
            found = [] if key is None else requests.find(key)
            if found:
                return (*found[0], None) if len(found) == 1 else ({}, (), "requests_differ")
        return {}, (), "without_request"

    def _named_by(self, file: Opened) -> Requests:
        """The requests in files that users named."""
        if self._named[0] != file.requests:
            self._named = file.requests, Requests.named(file.requests, self._ask(NAMED, BY_NAME))
        return self._named[1]

    def _beside_of(self, file: Opened) -> Requests:
        """The requests in the directory of ``file``."""
        directory = file.beside or _directory(file)
        if self._beside is None or self._beside[0] != directory:
            self._beside = directory, Requests.beside(directory, self._ask(_directory(file), BESIDE))
        return self._beside[1]

    def _ask(self, directory: str, where: int) -> Callable[[str], None]:
        """What remembers requests of files that may be none of those that are judged: see `outcomes.ask`."""

        def ask(key: str) -> None:
            self._into.expect(of_call(key))
            self._into.outcomes.ask(key, directory, self._into.file, where)

        return ask

    def _answer(self, key: str | None, file: Opened) -> None:
        """Remember that the request with ``key`` has a result. One that is not beside ``file`` may stand anywhere."""
        if key is not None:
            if self._named_by(file).find(key):
                self._into.outcomes.answer(key, NAMED)
            self._into.outcomes.answer(key, _directory(file) if self._beside_of(file).find(key) else "")

    def finish(self) -> None:
        """Nothing is kept back."""

    def complete(self, samples: SamplesBuilder, rows: Integers, waits: Mask) -> None:
        """Every sample is complete when it is added."""


def _directory(file: Opened) -> str:
    return os.path.dirname(file.path)  # noqa: PTH120 - one string a file, not one object


@dataclass(slots=True)
class Requests:
    """What requests asked for, by their keys, in a few bytes each."""

    _keys: array[int] = field(default_factory=lambda: array("q"))
    """Hashes."""
    _codes: array[int] = field(default_factory=lambda: array("q"))
    _codes_of: dict[str, int] = field(default_factory=dict)
    _asked: list[tuple[Mapping[str, object], Slips]] = field(default_factory=list)
    """By code: many requests ask for the same."""
    _is_ordered: bool = False

    @classmethod
    def named(cls, paths: tuple[str, ...], on_request: Callable[[str], None]) -> Requests:
        """Those in the files at ``paths``, which users named.

        ``on_request`` is called with the key of each that asks for text.

        Raises:
            OSError: one of them cannot be read, or holds no request.
        """
        found = cls()
        for path in paths:
            before = len(found._keys)
            try:
                found._add_all(path, on_request)
            except OSError as error:
                raise OSError(None, f"requests in {path}: {error.strerror or error}") from error
            if len(found._keys) == before:
                raise OSError(None, f"requests in {path}: there is none (name the file that was sent)")
        return found

    @classmethod
    def beside(cls, directory: str, on_request: Callable[[str], None]) -> Requests:
        """Those in the files of a ``directory``, with ``on_request`` as in `named`. Links are not followed.

        What cannot be read gives none: caps are unknown then, and counted so.
        """
        found = cls()
        names: list[str] = []
        with suppress(OSError), os.scandir(directory) as entries:
            names += (each.name for each in entries if ENDING.search(each.name) and each.is_file(follow_symlinks=False))
        for name in sorted(names):
            path = os.path.join(directory, name)  # noqa: PTH118 - one string a file, not one object
            with suppress(OSError):
                if _holds_requests(path):
                    found._add_all(path, on_request)
        return found

    def add(self, request: Request) -> None:
        """Add a request, before any is looked for."""
        self._keys.append(hash(request.key))
        said = repr((sorted(request.asked.items()), request.slips))
        code = self._codes_of.setdefault(said, len(self._asked))
        self._codes.append(code)
        if code == len(self._asked):
            self._asked.append((request.asked, request.slips))

    def find(self, key: str) -> list[tuple[Mapping[str, object], Slips]]:
        """What requests with this ``key`` asked for: several if they differ. Of the same, the first has the slips."""
        if not self._is_ordered:
            keys = np.array(self._keys, np.int64)
            order = np.argsort(keys, kind="stable")
            self._keys = array("q", keys[order].tobytes())
            self._codes = array("q", np.array(self._codes, np.int64)[order].tobytes())
            self._is_ordered = True
        wanted = hash(key)
        begin = end = bisect_left(self._keys, wanted)
        while end < len(self._keys) and self._keys[end] == wanted:
            end += 1
        found: list[tuple[Mapping[str, object], Slips]] = []
        for code in sorted({*self._codes[begin:end]}):
            asked, slips = self._asked[code]
            if all(asked != other for other, _ in found):
                found.append((asked, slips))
        return found

    def _add_all(self, path: str, on_request: Callable[[str], None]) -> None:
        with opened(path) as file, file.stream() as stream:
            for document in documents(stream, decoded):
                for _, record in records_of(document.value) if isinstance(document, Document) else ():
                    for entry in entries_of(record):
                        if isinstance(entry, Request):
                            self.add(entry)
                            if entry.generates:
                                on_request(entry.key)


def _keys(key: str | None) -> tuple[str, ...]:
    """By what side files may name a call, beside the id of its response."""
    return () if key is None else (of_call(key),)


def _holds_requests(path: str) -> bool:
    with opened(path) as file, file.stream() as stream:
        return holds_requests(stream.read(HEAD))
