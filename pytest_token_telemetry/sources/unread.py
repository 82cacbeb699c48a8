"""Calls that files may have and that are not read: spans in a layout of Jaeger or Zipkin; records among other lines.

They must not be lost in silence. Nobody knows how many calls a file holds: it is one unusable line.
"""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from pytest_token_telemetry.sources.own_format import HEAD, SCHEMA, is_line_of_ours, may_mean_ours
from pytest_token_telemetry.sources.tagged.own_parsing import NAME

if TYPE_CHECKING:
    from collections.abc import Iterator

UNREAD = "spans of model calls in a layout that is not read"
WIDE = "records of model calls in UTF-16, of which only log lines are read: save the file as UTF-8"

NO_SCHEMA = 'the schema of a JSON line is missing or misspelt: write "schema": "token-telemetry/1"'
BESIDE = "records of model calls among lines of another kind, which alone are read (give them a file of their own)"
FOR_A_MAP = "lines for a map among token-telemetry/1 lines, which alone are read (give them a file of their own)"

EVEN_BESIDE_RECORDS = (BESIDE, FOR_A_MAP)
"""Why a file may have calls that are not read, though others of it are."""

LOOKED_AT = 1 << 16
"""Bytes of a file's beginning, and of its end, that are looked at: a prompt may stand before the count."""

_NAMES = rb"gen_ai\.usage\.(?:output|completion)_tokens|llm\.(?:usage\.completion_tokens|token_count\.completion)"
"""What spans of calls call their output tokens: `otlp.attributes.OUTPUT`, which takes long to import."""

_JSON = re.compile(rb"(?:\xef\xbb\xbf)?\s*(?:\[\s*)?\{")
_IN_JSON = re.compile(rb'"(?:' + _NAMES + rb')"')
_IN_BYTES = re.compile(_NAMES)


_ENDS = (b'_tokens"', b'.completion"')
"""How these names end: to look for this is faster."""

_COUNTS = (b'_tokens"', b'TokenCount"', b'_tokens\\"')
"""How the names of counts end in records of calls, and in JSON within a string."""

COUNT_NAMES = (b"output_tokens", b"completion_tokens", b"andidatesTokenCount", b"candidates_token_count")

_COUNT = re.compile(
    rb'\\*"(?:(?:output|completion)_tokens|candidatesTokenCount|candidates_token_count)\\*"\s*:\s*[0-9]'
    rb'|\\*"(?:' + _NAMES + rb')\\*"'
)

_MOST_LINES = 20
"""Lines with a count that are looked at: those of one log are alike."""


def tells_of_calls(beginning: bytes) -> bool:
    """Whether the ``beginning`` of a file names output tokens as spans do, in JSON or in binary data."""
    if _JSON.match(beginning) is not None:
        return any(each in beginning for each in _ENDS) and _IN_JSON.search(beginning) is not None
    return b"\0" in beginning and _IN_BYTES.search(beginning) is not None


def counts_in_json(beginning: bytes) -> bool:
    """Whether JSON in the ``beginning`` of a file, behind a prefix or in a text, counts output tokens."""
    has_objects = b"{" in beginning  # most logs have none, and to look for one letter is fastest
    return has_objects and any(each in beginning for each in COUNT_NAMES) and _COUNT.search(beginning) is not None


def records_with_counts(text: bytes) -> Iterator[bytes]:
    """Give records of JSON below the first line that name a count of tokens: few, as a rule none.

    A record is a line, or begins with a line of its brace alone and is indented.
    """
    first = object_below(text)
    for count in _COUNTS if first else ():
        at, looked_at = text.find(count, first), 0
        while at >= 0 and looked_at < _MOST_LINES:
            begin, end = text.rfind(b"\n", 0, at) + 1, text.find(b"\n", at)
            if text[begin : begin + 1].isspace():
                begin, end = text.rfind(b"\n{", 0, at) + 1, text.find(b"\n}", at)
            end = len(text) if end < 0 else end
            if not _is_ours(text[begin:end]):
                looked_at += 1
                if text[begin] == _BRACE:
                    yield text[begin:end]
            at = text.find(count, end)


def has_others(text: bytes) -> bool:
    """Whether below a first line of our own format a line begins with an object that is spelled in another way."""
    return _OTHERS.search(text) is not None


def has_other_lines(text: bytes) -> bool:
    """Whether below a first line of our own format any line is of another kind."""
    return _OTHER_LINES.search(text) is not None


def first_others(text: bytes) -> Iterator[bytes]:
    """Give the first lines of ``text``, but the very first, that begin with an object and are none of ours."""
    ends = ((found.start() + 1, text.find(b"\n", found.end())) for found in _OTHERS.finditer(text))
    lines = (text[begin : end if end >= 0 else len(text)] for begin, end in ends)
    yield from islice((line for line in lines if not _is_ours(line)), _MOST_LINES)


def counts_beside_ours(text: bytes) -> bool:
    """Whether records of another kind count output tokens beside lines of our own."""
    return SCHEMA.encode() in text and any(_COUNT.search(each) for each in records_with_counts(text))


def lacks_schema(text: bytes) -> bool:
    """Whether a line of ``text`` looks like one of our own format, but for its schema."""
    named = _schemas(text)
    if any(map(may_mean_ours, named)):
        return True
    return SCHEMA in named and any(map(is_slip, records_with_counts(text)))


def is_slip(line: bytes) -> bool:
    """Whether a ``line`` looks like one of our own format, but for its schema."""
    named = _schemas(line)
    lacks = b'"schema"' not in line and _PREDICTED in line and b'"output_tokens"' in line
    return line.startswith(b"{") and not _is_ours(line) and (lacks or any(map(may_mean_ours, named)))


def _schemas(text: bytes) -> set[str]:
    """The schemas that JSON in ``text`` names."""
    return {found[1].decode("ascii", "replace") for found in _SCHEMA.finditer(text)} if b'"schema"' in text else set()


def _is_ours(line: bytes) -> bool:
    """Whether a line may be one of ours, however its schema is spelled."""
    return is_line_of_ours(line) or _NAME.search(_COLOURS.sub(b"", line)) is not None


_OURS = HEAD.encode()
_NAME = re.compile(NAME)
_COLOURS = re.compile(rb"\x1b\[[0-9;]*m")
_OTHER_LINES = re.compile(rb"\n(?!\s|" + re.escape(_OURS) + b").")
_OTHERS = re.compile(rb"\n\{(?!" + re.escape(_OURS[1:]) + b")")
_SCHEMA = re.compile(rb'"schema"\s*:\s*"([^"\\\x00-\x1f]{1,40})"')
_PREDICTED = b'"predicted_output_tokens"'


def object_below(text: bytes) -> int:
    """Where the first line begins, but the very first, that begins with a brace; 0 if there is none.

    Most logs have few braces, and a search for one letter is fast. In others numpy finds it sooner than ``bytes.find``.
    """
    at = 0
    for _ in range(_FEW_BRACES):
        at = text.find(b"{", at + 1)
        if at < 0 or text[at - 1] == _LINE_END:
            return max(at, 0)
    letters = np.frombuffer(text, np.uint8)[at:]
    begins = (letters[1:] == _BRACE) & (letters[:-1] == _LINE_END)
    first = int(begins.argmax()) if len(begins) else 0
    return at + first + 1 if len(begins) and begins[first] else 0


_FEW_BRACES = 8
_BRACE, _LINE_END = b"{\n"
