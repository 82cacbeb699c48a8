r"""The text of a file as it is searched: without NUL bytes, and without what only colours it for a terminal.

Without its NUL bytes, the ASCII part of UTF-16 text that has no byte order mark (an append to a file of another
encoding) reads as plain ASCII. Colours may stand anywhere, as in ``[<ESC>[1mTokenEstimationV2<ESC>[0m]``, and are
written as ``\u001b`` where a line was put into JSON.
"""

from __future__ import annotations

import re

LONGEST_CODE = 1 << 9
"""Bytes of a code for a terminal. Real ones have up to 200, where they link to a file."""

_ESCAPE = rb"(?:\x1b|\\{1,16}u001[bB])"
_LINK_END = rb"(?:\x07|\\{1,16}u0007|%b\\{1,16})" % _ESCAPE
CODE = re.compile(rb"%b(?:\[[0-?]{0,32}[ -/]{0,8}[@-~]|\][^\x07\x1b\n\\]{0,400}%b)" % (_ESCAPE, _LINK_END))
"""A colour, or a link."""


def normal(text: bytes) -> bytes:
    """Leave out what is not looked at. The lines stay as many as they are."""
    if b"\0" in text:
        text = text.replace(b"\0", b"")
    return CODE.sub(b"", text) if is_coloured(text) else text


def is_coloured(text: bytes | bytearray) -> bool:
    """Whether there may be codes in ``text``."""
    return 0x1B in text or b"u001b" in text or b"u001B" in text
