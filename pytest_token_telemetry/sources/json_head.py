"""Which keys the beginning of a JSON file shows: by them a file is known, however long its first record is."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_TOKEN = re.compile(rb'"((?:[^"\\]++|\\.)*+)(?:"(\s*:)?|\\?\Z)|[][{}]', re.DOTALL)
"""A string, which the end of the beginning may cut off, with the colon that makes it a key; or a bracket."""

_BEGIN = re.compile(rb'(?:\[\s*)?\{\s*"')

_BOM = b"\xef\xbb\xbf"


@lru_cache(maxsize=4)
def shown_keys(head: bytes) -> Mapping[str, str]:
    """The keys of the first record in ``head``, each with its value if that is a text, else with an empty one.

    A key within another one is ``response.body``, also where lists are between them. The record may be the first one of
    a list. There are no keys in a text that is not JSON.
    """
    text = head.removeprefix(_BOM).lstrip()
    if _BEGIN.match(text) is None:
        return {}
    whole = 1 if text.startswith(b"{") else 2
    found: dict[str, str] = {}
    above: list[str] = []
    key, colon = "", 0
    for token in _TOKEN.finditer(text):
        if token[1] is None:
            if token[0] in b"[{":
                above.append(key)
                key = above[-1]
            else:
                key = above.pop() if above else ""
                if len(above) < whole:
                    break
        elif token[2] is not None:
            key = ".".join(filter(None, (above[-1] if above else "", token[1].decode("utf-8", "replace"))))
            found.setdefault(key, "")
            colon = token.end()
        elif colon and not text[colon : token.start()].strip() and not found[key]:
            found[key] = token[1].decode("utf-8", "replace")
    return found
