"""Files of spans whose layout is not read: Jaeger's, Zipkin's, a console's, protobuf.

Beside others, they must not be lost in silence. Nobody knows how many calls one holds: each is one unusable line.
"""

from __future__ import annotations

import re

UNREAD = "spans of model calls in a layout that is not read"

LOOKED_AT = 1 << 16
"""Bytes of a file that are looked at: a prompt may stand before the count."""

_NAMES = rb"gen_ai\.usage\.(?:output|completion)_tokens|llm\.(?:usage\.completion_tokens|token_count\.completion)"
"""What spans of calls call their output tokens: `otlp.attributes.OUTPUT`, which takes long to import."""

_JSON = re.compile(rb"(?:\xef\xbb\xbf)?\s*(?:\[\s*)?\{")
_IN_JSON = re.compile(rb'"(?:' + _NAMES + rb')"')
_IN_BYTES = re.compile(_NAMES)


def may_tell_of_calls(head: bytes) -> bool:
    """Whether more of a file that begins with ``head`` is worth a look: JSON and binary data are."""
    return _JSON.match(head) is not None or b"\0" in head


def tells_of_calls(beginning: bytes) -> bool:
    """Whether the ``beginning`` of a file names output tokens as spans do, in JSON or in binary data."""
    if _JSON.match(beginning) is not None:
        return _IN_JSON.search(beginning) is not None
    return b"\0" in beginning and _IN_BYTES.search(beginning) is not None
