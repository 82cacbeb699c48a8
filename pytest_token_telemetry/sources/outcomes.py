"""Calls that one file asks for and another one answers: which of them have no outcome is known when all are read."""

from __future__ import annotations

from array import array
from hashlib import blake2b
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import numpy.typing as npt

    from pytest_token_telemetry.samples import Integers

NO_RESULT = "a request has no result"

NAMED = "\0"
"""The directory of requests in files that users named, wherever they are."""

BESIDE, BY_NAME = 0, -1
"""Instead of the line of a request: it stands in a file beside its results, or in one that users named."""


class Outcomes(NamedTuple):
    """What some files ask for, and which of it was answered in them. Requests are known by hashes."""

    file: Integers
    """The index of the file of each request, of shape ``(requests,)``."""
    line: Integers
    """In which it stands, from 1; or `BESIDE` or `BY_NAME`, if the file is not read for calls."""
    here: npt.NDArray[np.uint64]
    """By what an answer in its own directory knows it."""
    anywhere: npt.NDArray[np.uint64]
    """By what an answer knows it that has no request in its own directory."""
    answered: npt.NDArray[np.uint64]
    """What answers know their requests by."""

    @staticmethod
    def joined(parts: Iterable[Outcomes]) -> Outcomes:
        """Those of all ``parts``."""
        return Outcomes(*(np.concatenate(each) for each in zip(_NONE, *parts, strict=True)))


class OutcomesBuilder:
    """Takes requests and answers in any order."""

    def __init__(self) -> None:
        self._files, self._lines = array("q"), array("q")
        self._here, self._anywhere, self._answered = array("Q"), array("Q"), array("Q")

    def ask(self, key: str, directory: str, file: int, line: int) -> None:
        """Add a request with this ``key``, which stands in a ``directory``.

        If its file is not read for calls, the ``file`` is that of the results, and the ``line`` `BESIDE` or `BY_NAME`.
        """
        self._files.append(file)
        self._lines.append(line)
        self._here.append(_hashed(key, directory))
        self._anywhere.append(_hashed(key, ""))

    def answer(self, key: str, directory: str) -> None:
        """Add an answer to the request with this ``key`` in a ``directory``; empty: in any."""
        self._answered.append(_hashed(key, directory))

    def build(self) -> Outcomes:
        """All of them."""
        of_requests = (self._files, self._lines, self._here, self._anywhere)
        return Outcomes(*(np.array(each) for each in (*of_requests, self._answered)))


def without_result(found: Outcomes) -> Iterator[tuple[int, list[int]]]:
    """Give the files with requests that nothing answers, each with their lines. Copies of a request are one.

    Of those that users named, only those that no other file has are looked at. A line that is not known is the first.
    """
    open_ = ~(np.isin(found.here, found.answered) | np.isin(found.anywhere, found.answered))
    is_named = found.line == BY_NAME
    rows = np.flatnonzero(open_ & ~(is_named & np.isin(found.anywhere, found.anywhere[~is_named])))
    rows = rows[np.argsort(found.line[rows] <= 0, kind="stable")]
    rows = np.sort(rows[np.unique(found.here[rows], return_index=True)[1]])
    files, lines = found.file[rows], np.maximum(found.line[rows], 1)
    for file in np.unique(files).tolist():
        yield file, np.sort(lines[files == file]).tolist()


def _hashed(key: str, directory: str) -> int:
    text = f"{directory}\0{key}".encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(text, digest_size=8).digest())


_NONE = OutcomesBuilder().build()
