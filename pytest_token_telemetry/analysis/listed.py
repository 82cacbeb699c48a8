"""How many of a list are listed one by one: as many as a report has room for, however many the data has.

What is beyond them is one row, the others, so that neither a name a call nor names as long as lines make a report that
nobody can open.
"""

from __future__ import annotations

import json
from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

MOST_LISTED = 1000

LONGEST_NAMES = 64_000
"""Bytes of the names of one list, as JSON writes them."""


def listed(names: Iterable[str]) -> int:
    """How many of ``names``, those that matter most first, are listed one by one."""
    room, count = LONGEST_NAMES, 0
    for name in islice(names, MOST_LISTED):
        room -= len(json.dumps(name, ensure_ascii=False).encode("utf-8", "backslashreplace"))
        if room < 0:
            break
        count += 1
    return count
