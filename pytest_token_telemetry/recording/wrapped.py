"""Lines that a handler has broken to fit a width, known again by the whole line that was seen in another way.

As rich does it: between words, or within a long one, with the rest below, behind spaces, and with one word of the
handler's own (where the call was logged) behind a part.
"""

from __future__ import annotations

import re
from bisect import bisect_left, insort
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

T = TypeVar("T")

_ESCAPES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)")
"""Colours, and links."""


class WholeLines(Generic[T]):
    """Lines that were seen whole, and what they are. Spaces make no difference."""

    def __init__(self) -> None:
        self._ordered: list[str] = []
        self._lines: dict[str, T] = {}

    def add(self, line: str, what: T) -> None:
        """Remember ``line``."""
        text = "".join(_words(line))
        if text not in self._lines:
            insort(self._ordered, text)
            self._lines[text] = what

    def continued(self, part: str, following: Iterable[str]) -> T | None:
        """What the line is that ``part`` begins, and of which the lines that follow hold all the rest."""
        following = list(following)
        for text, begin in self._beginning_with(part):
            if _is_made_of(text[begin:], following):
                return self._lines[text]
        return None

    def begun_by(self, part: str) -> Iterator[T]:
        """What the lines are that ``part`` begins."""
        return (self._lines[text] for text, _ in self._beginning_with(part))

    def _beginning_with(self, part: str) -> Iterator[tuple[str, int]]:
        """The longer lines that ``part`` begins, and how many of their characters it has."""
        for begun in _contents(part):
            for at in range(bisect_left(self._ordered, begun), len(self._ordered)):
                text = self._ordered[at]
                if not text.startswith(begun):
                    break
                if len(text) > len(begun):
                    yield text, len(begun)


def _is_made_of(rest: str, lines: Iterable[str]) -> bool:
    """True if the first of ``lines`` hold ``rest`` and nothing else."""
    for line in lines:
        content = next((each for each in _contents(line) if each and rest.startswith(each)), None)
        if content is None:
            return False
        rest = rest[len(content) :]
        if not rest:
            return True
    return False


def _contents(part: str) -> Iterator[str]:
    """What ``part`` can hold of a line: all of its words, or all but a last one of the handler's own."""
    words = _words(part)
    yield "".join(words)
    if len(words) > 1 and "=" not in words[-1]:
        yield "".join(words[:-1])


def _words(text: str) -> list[str]:
    return _ESCAPES.sub("", text).split()
