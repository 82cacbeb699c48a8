"""Find the JSON object around a place of a text: in a line of prose, over several lines, or in strings of other JSON.

An object that was put into a string is there with its quotes escaped, once for each string it is in. So the text around
it is unescaped until the quotes at the place are plain.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

DEEPEST = 4
"""Strings of JSON within each other that are unescaped."""

_NEAREST = 8
MOST_BRACES = 256
"""Braces before a place from which its object may begin. A text may hold any number of them."""


class Around(NamedTuple):
    """A place in a text: a JSON string, and what stands before and behind it."""

    before: str
    name: str
    """With its quotes."""
    after: str

    @property
    def depth(self) -> int:
        """0 where the quotes are those of the text itself; more where they have to be unescaped."""
        return 0 if self.name.startswith('"') else 1

    def unescaped(self) -> Around:
        """The text of the string that the place is in."""
        return Around(*map(unescaped, self))

    def on_its_line(self) -> Around:
        """Without the lines before and behind that of the place."""
        return Around(self.before[self.before.rfind("\n") + 1 :], self.name, self.after.partition("\n")[0])


class Found(NamedTuple):
    """A JSON object in a text."""

    value: dict[str, Any]
    text: str
    begin: int
    end: int


def enclosing(around: Around, is_it: Callable[[dict[str, Any]], bool], decoder: json.JSONDecoder) -> Found | None:
    """The innermost object around a place of depth 0 that ``is_it``; ``None`` if there is none, or it is cut off.

    Where the line is cut off, only the nearest braces before the place are tried.
    """
    text = "".join(around)
    at = start = len(around.before)
    for tried in range(MOST_BRACES):
        if tried == _NEAREST and is_cut_off(around):
            break
        start = text.rfind("{", 0, start)
        if start < 0:
            break
        try:
            value, end = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            continue
        if end > at and is_it(value):
            return Found(value, text[start:end], start, end)
    return None


def is_cut_off(around: Around) -> bool:
    """Whether a line that begins with a brace breaks off before the object ends: no more text can complete it."""
    text, begin = "".join(around), around.before.rfind("\n") + 1
    if around.depth or not text.startswith("{", begin):
        return False
    try:
        _ANY.raw_decode(text, begin)
    except json.JSONDecodeError as error:
        return error.pos < len(text) - 1 and not error.msg.startswith("Unterminated string")  # that may go on
    except (ValueError, RecursionError):
        return True
    return False


_ANY = json.JSONDecoder()


def outside(found: Found, around: Around, is_it: Callable[[dict[str, Any]], bool]) -> bool:
    """Whether an object that ``is_it`` stands around another one that was ``found``.

    A brace within a text may hide it, as braces are counted without a look at what they are in.
    """
    text = "".join(around)
    closed = work = 0
    for brace in reversed([*_BRACES.finditer(text, 0, found.begin)]):
        closed += 1 if brace[0] == "}" else -1
        if closed < 0:
            closed = 0
            work += 1
            try:
                value, end = _ANY.raw_decode(text, brace.start())
            except (ValueError, RecursionError):
                continue
            if end >= found.end and is_it(value):
                return True
        if work > _MOST_OUTSIDE:
            break
    return False


_BRACES = re.compile(r"[{}]")
_MOST_OUTSIDE = 16
"""Objects around one that are looked at."""

_SIMPLE = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_ESCAPED = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)


def unescaped(text: str) -> str:
    """``text``, as it stands in a string of JSON, without its escapes."""
    if "\\" not in text:
        return text
    return _ESCAPED.sub(lambda match: chr(int(match[1], 16)) if match[1] else _SIMPLE.get(match[2], match[2]), text)
