"""Which ``[TOKEN_BUDGET]`` records samples claim: the others are calls of their own."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np

from pytest_token_telemetry.sample import is_truncated
from pytest_token_telemetry.samples import UNKNOWN
from pytest_token_telemetry.sources.rows import Claims

if TYPE_CHECKING:
    from pytest_token_telemetry.samples import Integers, Mask, SamplesBuilder


def claim(table: SamplesBuilder, rows: Integers, waits: Mask, reach: int) -> Claims:
    """Find which records samples claim, and add to each sample the task and the cap that its own line does not name.

    A sample claims the nearest record above it, of its file and its output, that no sample before it has claimed.

    Args:
        table: samples and records, a row each.
        rows: the rows in the order of their files, lines and places in the line.
        waits: which of ``rows``, of the same shape, are records that wait for a sample.
        reach: lines from a record to its sample, at most.
    """
    claims = _claims(table, rows, waits, reach)
    claimed, by = claims
    for name in ("task_id", "max_tokens"):
        column = table.column(name)
        unknown = column[by] <= 0 if name == "max_tokens" else column[by] == UNKNOWN
        table.copy(name, by[unknown], claimed[unknown])
    untold = by[table.column("truncated")[by] == UNKNOWN].tolist()
    names = ("finish_reason", "output_tokens", "max_tokens")
    known = zip(*(table.values(name, untold) for name in names), strict=True)
    table.write("truncated", untold, [is_truncated(None, *each) for each in known])
    return claims


def _claims(table: SamplesBuilder, rows: Integers, waits: Mask, reach: int) -> Claims:
    outputs, files = table.column("output_tokens")[rows], table.column("file")[rows]
    may_claim = ~waits & ~table.column("legacy")[rows]
    matters = waits & np.isin(outputs, outputs[may_claim])
    matters |= may_claim & np.isin(files, files[matters]) & np.isin(outputs, outputs[matters])
    at = np.flatnonzero(matters)
    lines = table.column("line")[rows[at]]
    claimed, by = [], []
    of, waiting = UNKNOWN, defaultdict[int, list[tuple[int, int]]](list)
    columns = (rows[at], files[at], lines, outputs[at], waits[at])
    for row, file, line, output, waits_here in zip(*(column.tolist() for column in columns), strict=True):
        if file != of:
            of, waiting = file, defaultdict(list)
        above = waiting[output]
        if waits_here:
            above.append((line, row))
        elif above and line - above[-1][0] <= reach:
            claimed.append(above.pop()[1])
            by.append(row)
    return Claims(np.array(claimed, np.int64), np.array(by, np.int64))
