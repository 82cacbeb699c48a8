"""The layout of our own lines: between which of its quotes each value stands.

Lines of one writer have the same keys in the same order, and the same text between their values.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from pytest_token_telemetry.sample import FIELDS
from pytest_token_telemetry.sources.own_format import SCHEMA
from pytest_token_telemetry.sources.tagged.byte_words import LONGEST_CONSTANT
from pytest_token_telemetry.sources.tagged.own_parsing import READ

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_token_telemetry.sample import Field

REASONS = ("finish_reason", "finish_reason_raw")
"""The fields that say why an output ended."""


class Layout:
    """What lines of one layout have in common. A place in them is a quote's number, from 0, and bytes from there."""

    def __init__(self, line: bytes, members: Sequence[tuple[Field, int, int]]) -> None:
        """Take the layout of ``line``, each of whose ``members`` is a field and where its value begins and ends."""
        begins, ends = (np.array(each) for each in list(zip(*members, strict=True))[1:])
        quotes = np.append(np.flatnonzero(np.frombuffer(line, np.uint8) == ord('"')), len(line))
        self.fields = [field for field, _, _ in members]
        self.quotes = len(quotes) - 1
        self.first = int(quotes[0])
        """Where the first quote is in the line."""
        self.opening = np.searchsorted(quotes, begins) - 1
        """The quotes before the values."""
        self.begins = begins - quotes[self.opening]
        self.closing = np.searchsorted(quotes, ends)
        """The quotes behind the values, or as many as there are: the line's end."""
        self.ends = ends - quotes[self.closing]
        self.after = line[ends[-1] :]
        """What stands behind the last value."""
        self.constants: list[bytes] = []
        """What stands before each value, in pieces."""
        pieces: list[tuple[int, int]] = []
        for at, (begin, end) in enumerate(zip([0, *ends], begins, strict=False)):
            for to in range(end, begin, -LONGEST_CONSTANT):
                self.constants.append(line[max(begin, to - LONGEST_CONSTANT) : to])
                pieces.append((self.opening[at], to - quotes[self.opening[at]]))
        self.anchors, self.shifts = np.array(pieces).T
        """Behind which quotes, and how far, the pieces end."""


def layout_of(line: bytes) -> Layout | None:
    """The layout of ``line``; ``None`` if lines like it are never plain."""
    members: list[tuple[Field, int, int]] = []
    keys: set[str] = set()
    at = 0
    for match in _MEMBER.finditer(line):
        key, kind = match[1].decode("ascii", "replace"), match.lastindex or 0
        if match.start() != at or key in keys or match[0].startswith(b"{") == bool(at):
            return None
        keys.add(key)
        at = match.end()
        field = FIELDS.get(key)
        if field is None or not (key in READ or key in REASONS):
            if key != "schema" or match[0].partition(b":")[2].strip() != f'"{SCHEMA}"'.encode():
                return None
        elif kind == _KINDS.get(field.kind, _TEXT):
            members.append((field, *match.span(kind)))
        elif match[kind] != b"null" or field.needed:
            return None
    is_whole = line[at:] == b"}" and "schema" in keys and keys >= _NEEDED
    return Layout(line, members) if is_whole else None


_NEEDED = {name for name, field in FIELDS.items() if field.needed}
_MEMBER = re.compile(rb'[{,] {0,2}"([^"]*)" {0,2}: {0,2}(?:"([^"]*)"|(\w+)|(\{[^{}]*\})) {0,2}')
"""A key and its value. With so few blanks, what stands between two values is within reach of `Text`."""
_TEXT, _BARE, _OBJECT = 2, 3, 4
_KINDS = {"count": _BARE, "flag": _BARE, "features": _OBJECT}
"""The group of a value, by the kind of its field."""
