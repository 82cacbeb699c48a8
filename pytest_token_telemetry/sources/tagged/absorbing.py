"""Which ``[TOKEN_BUDGET]`` records samples absorb: the others are calls of their own."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np

from pytest_token_telemetry.sample import is_truncated
from pytest_token_telemetry.samples import UNKNOWN
from pytest_token_telemetry.sources.rows import Absorptions

if TYPE_CHECKING:
    from pytest_token_telemetry.samples import Integers, Mask, SamplesBuilder


def absorb(table: SamplesBuilder, rows: Integers, waits: Mask, reach: int) -> Absorptions:
    """Find which records samples absorb, and add to each sample the task and the cap that its own line does not name.

    A sample absorbs the nearest record above it, of its file and its output, that no sample before it has absorbed.

    Args:
        table: samples and records, a row each.
        rows: the rows in the order of their files, lines and places in the line.
        waits: which of ``rows``, of the same shape, are records that wait for a sample.
        reach: lines from a record to its sample, at most.
    """
    found = _absorptions(table, rows, waits, reach)
    absorbed, by = found
    for name in ("task_id", "max_tokens"):
        column = table.column(name)
        unknown = column[by] <= 0 if name == "max_tokens" else column[by] == UNKNOWN
        table.copy(name, by[unknown], absorbed[unknown])
    untold = by[table.column("truncated")[by] == UNKNOWN].tolist()
    names = ("finish_reason", "output_tokens", "max_tokens")
    known = zip(*(table.values(name, untold) for name in names), strict=True)
    table.write("truncated", untold, [is_truncated(None, *each) for each in known])
    return found


def _absorptions(table: SamplesBuilder, rows: Integers, waits: Mask, reach: int) -> Absorptions:
    outputs, files = table.column("output_tokens")[rows], table.column("file")[rows]
    may_absorb = ~waits & ~table.column("legacy")[rows]
    matters = waits & np.isin(outputs, outputs[may_absorb])
    matters |= may_absorb & np.isin(files, files[matters]) & np.isin(outputs, outputs[matters])
    at = np.flatnonzero(matters)
    lines = table.column("line")[rows[at]]
    absorbed, by = [], []
    of, waiting = UNKNOWN, defaultdict[int, list[tuple[int, int]]](list)
    columns = (rows[at], files[at], lines, outputs[at], waits[at])
    for row, file, line, output, waits_here in zip(*(column.tolist() for column in columns), strict=True):
        if file != of:
            of, waiting = file, defaultdict(list)
        above = waiting[output]
        if waits_here:
            above.append((line, row))
        elif above and line - above[-1][0] <= reach:
            absorbed.append(above.pop()[1])
            by.append(row)
    return Absorptions(np.array(absorbed, np.int64), np.array(by, np.int64))
