"""What files look like that hold nothing known, by how they begin."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING

from pytest_token_telemetry.sources.deferred import ONE_A_LINE, signs_of
from pytest_token_telemetry.sources.source import opened

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_HEAD = 1 << 16
"""Bytes that are looked at: a key of a record may stand behind a long prompt."""

OUTSIDE = "records outside the where of map "
"""Why records are passed over where a map may be wrong; its name stands behind."""

EMPTY = "empty files"
UTF16 = "UTF-16"


def _json(*keys: str) -> str:
    """Match the beginning of JSON with all of these keys, each a choice of several."""
    return r'(?=\s*(?:\{\s*["}]|\[\s*["{\[\]]))' + "".join(rf'(?=.*"(?:{key})"\s*:)' for key in keys)


_RULES = (
    ("OTLP JSON", _json("resourceSpans|resourceLogs|scopeSpans|scopeLogs")),
    ("Claude Code transcripts", _json("sessionId", "uuid|leafUuid")),
    ("SQLite", r"SQLite format 3\0"),
    ("ZIP", r"PK\x03\x04"),
    ("CSV", r"(?:[\w .-]+([,;\t]))(?:[\w .-]+\1)*[\w .-]+\r?\n[^,;\t\n]*\1"),
    ("JSON", _json()),
    (EMPTY, r"\s*\Z"),
    (UTF16, r"\xff\xfe|\xfe\xff"),
    ("plain text", r"[^\0]*\Z"),
    ("binary data", r""),
)
"""The first that matches, each with what must stand at the beginning. The special ones come first."""

_BEHIND = {name: f"JSON lines with records of format {name}" for name in ONE_A_LINE}
"""Files that begin with other records or text, too long to look behind them when they are read."""

READ_WITH = {
    "Claude Code transcripts": "--token-telemetry-format=claude-code",
    **{look: f"--token-telemetry-format={name}" for name, look in _BEHIND.items()},
}
"""Of `LOOKS`: those that are read where they are asked for alone, and how."""

MAPPABLE = ("CSV", "JSON")
"""Of `LOOKS`: those that a field map may read."""

UNSTRUCTURED = (EMPTY, "plain text", "binary data")
"""Of `LOOKS`: those of which no reader will ever know more."""

LOOKS = (*(name for name, _ in _RULES), *_BEHIND.values())
"""All that files can look like."""

_COMPILED = [(name, re.compile(begin.encode(), re.DOTALL)) for name, begin in _RULES]


def looks_of(paths: Iterable[str], others: Mapping[str, int] = {}) -> dict[str, int]:
    """What files look like, the most frequent first, with how many do, ``others`` among them.

    Those that cannot be read do not count.
    """
    found = dict.fromkeys(LOOKS, 0) | dict(others)
    for path in paths:
        try:
            found[_look(_head(path))] += 1
        except OSError:
            continue
    return {look: count for look, count in sorted(found.items(), key=lambda item: -item[1]) if count}


def read_if_asked(paths: Mapping[str, str]) -> dict[str, str]:
    """Which of the first files are read where they are asked for alone, as shown, each with what it looks like.

    ``paths``: those to open, by their names as shown.
    """
    found: dict[str, str] = {}
    for shown, path in islice(paths.items(), _MOST_LOOKED_AT):
        with suppress(OSError):
            if (look := _look(_head(path))) in READ_WITH:
                found[shown] = look
    return found


_MOST_LOOKED_AT = 100


def pattern_of(name: str) -> str:
    """What matches the names that end like this one."""
    ending = os.path.splitext(name)[1]  # noqa: PTH122 - one string, not one object
    return f"*{ending}" if ending else name


def _head(path: str) -> bytes:
    """The beginning of a file's text, unpacked if it is compressed."""
    with opened(path) as file, file.stream() as stream:
        return stream.read(_HEAD)


def _look(head: bytes) -> str:
    head = head.removeprefix(b"\xef\xbb\xbf")
    look = next(name for name, begin in _COMPILED if begin.match(head))
    return _look_behind(head) or look if look in ("JSON", "plain text") else look


def _look_behind(head: bytes) -> str | None:
    """What the lines below the first one look like, if a format has such records."""
    from pytest_token_telemetry.sources.recognition import source_behind, source_below  # the gate knows looks alone

    source = source_below(head, signs_of(head)) or source_behind(head)
    return None if source is None else _BEHIND[source.name]
