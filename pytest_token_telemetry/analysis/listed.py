"""How many rows of a list a report has room for, however many names the data has. All others are one row.

So neither a name for every call nor names as long as lines make a report that nobody can open.
"""

from __future__ import annotations

import json
from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

MOST_LISTED = 1000

FEW_LISTED = 200
"""Of spellings, models and operations: with a thousand of each, a report would be too large for the poster."""

LONGEST_NAMES = 64_000
"""Bytes of the names of one list, as JSON writes them."""


def listed(names: Iterable[str]) -> int:
    """How many of ``names`` get a row of their own. The most important come first."""
    room, count = LONGEST_NAMES, 0
    for name in islice(names, MOST_LISTED):
        room -= len(json.dumps(name, ensure_ascii=False).encode("utf-8", "backslashreplace"))
        if room < 0:
            break
        count += 1
    return count
