"""Attempts at one task: how often the first one is truncated, and whether a larger cap helps.

Calls of one task, by their times and then by their places, are attempts at it. All calls count that were read, those
too that `rows_of_one_per_task` leaves out; legacy samples do not.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from pytest_token_telemetry.analysis.groups import counted, rows_of
from pytest_token_telemetry.analysis.metrics import Share
from pytest_token_telemetry.analysis.number_ranges import Count
from pytest_token_telemetry.samples import UNKNOWN

if TYPE_CHECKING:
    from pytest_token_telemetry.samples import Integers, Mask, Samples

NEAR_PERCENT = 95
"""How much of its cap a call uses at least that came near to it."""


@dataclass(frozen=True, slots=True)
class Attempts:
    """How attempts end. A call that does not say whether it was truncated is left out of all but the last."""

    first: Share
    """Cut off, of the first calls of the tasks."""
    every: Share
    """Cut off, of all calls, those without a task too."""
    larger_cap: Share
    """Not truncated again, of the calls that follow one that was truncated, with a larger cap than that."""
    near_cap: Share
    """Used `NEAR_PERCENT` of their cap or more, of the calls whose cap is known. Those truncated count as well."""
    longest_retry: Count | None = None
    """The most output tokens of those that a larger cap helped. ``None``: there is none, or the report is older."""


def attempts(samples: Samples) -> Attempts:
    """How the attempts end that ``samples`` are."""
    says = ~samples.legacy & (samples.truncated >= 0)
    capped = ~samples.legacy & (samples.max_tokens > 0)
    larger_cap, longest = _after_larger_cap(samples)
    return Attempts(
        first=_cut_off(samples, _first_calls(samples)),
        every=Share(int(np.count_nonzero(says & (samples.truncated == 1))), int(np.count_nonzero(says))),
        larger_cap=larger_cap,
        near_cap=Share(
            sum(int(np.count_nonzero(_are_near(samples, rows))) for rows in rows_of(capped)),
            int(np.count_nonzero(capped)),
        ),
        longest_retry=longest,
    )


def _cut_off(samples: Samples, rows: Integers) -> Share:
    truncated = samples.truncated[rows]
    return Share(int(np.count_nonzero(truncated == 1)), int(np.count_nonzero(truncated >= 0)))


def _are_near(samples: Samples, rows: Integers) -> Mask:
    """Mark which of ``rows``, whose caps are known, use `NEAR_PERCENT` of them or more."""
    near: Mask = samples.output_tokens[rows].astype(np.int64) * 100 >= samples.max_tokens[rows] * np.int64(NEAR_PERCENT)
    return near


def _first_calls(samples: Samples) -> Integers:
    """The row of the first call of each task. A missing time is before all others."""
    codes, tasks = samples.task_id.codes, len(samples.task_id.names)
    first = np.full(tasks, UNKNOWN, np.int64)
    earliest = np.full(tasks, np.iinfo(np.int64).max)
    for rows in rows_of(~samples.legacy & (codes != UNKNOWN)):
        times = samples.time[rows].astype(np.int64)
        earlier = times < earliest[codes[rows]]
        rows, times = rows[earlier], times[earlier]
        np.minimum.at(earliest, codes[rows], times)
        rows = rows[times == earliest[codes[rows]]][::-1]
        first[codes[rows]] = rows  # of several rows of one task, the last to be written is the first
    found: Integers = first[first != UNKNOWN]
    return found


def _after_larger_cap(samples: Samples) -> tuple[Share, int | None]:
    """Of the calls that follow one of their task that was truncated, with a larger cap: those not truncated themselves.

    With them comes the most output tokens that one of these has.

    Only tasks with a truncated call are sorted, and not all of these at once: that would take 30 bytes a sample.
    """
    codes, tasks = samples.task_id.codes, len(samples.task_id.names)
    among = ~samples.legacy & (codes != UNKNOWN)
    cut_off = counted(codes, among & (samples.truncated == 1), tasks) > 0
    among &= cut_off[codes]
    groups = np.cumsum(counted(codes, among, tasks)[:-1]) // _AT_ONCE
    begins = np.flatnonzero(np.diff(groups, prepend=-1))
    events = n = longest = 0
    for begin, end in pairwise([*begins.tolist(), tasks]):
        retries = _retries(samples, np.flatnonzero(among & (codes >= begin) & (codes < end)))
        again = _cut_off(samples, retries)
        events, n = events + again.n - again.events, n + again.n
        longest = int(samples.output_tokens[retries[samples.truncated[retries] == 0]].max(initial=longest))
    return Share(events, n), longest or None


_AT_ONCE = 1 << 20
"""Calls that are sorted at once, or all of one task."""


def _retries(samples: Samples, rows: Integers) -> Integers:
    """Those of ``rows``, all calls of some tasks, ascending, that follow one that was cut off, with a larger cap."""
    codes, caps = samples.task_id.codes, samples.max_tokens
    rows = rows[np.lexsort((samples.time[rows].astype(np.int64), codes[rows]))]
    before, after = rows[:-1], rows[1:]
    follows = (codes[before] == codes[after]) & (samples.truncated[before] == 1) & (caps[before] > 0)
    retries: Integers = after[follows & (caps[after] > caps[before])]
    return retries
