"""Samples of the same task depend on each other: how many tasks there are, and one sample a task."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pytest_token_telemetry.analysis.groups import counted
from pytest_token_telemetry.columns import UNKNOWN, blocks

if TYPE_CHECKING:
    from pytest_token_telemetry.columns import Integers, Samples


def one_per_task(samples: Samples) -> Samples:
    """One attempt of each task, and every sample that names none: see `rows_of_one_per_task`."""
    return samples.take(rows_of_one_per_task(samples))


def rows_of_one_per_task(samples: Samples) -> Integers:
    """The rows of one attempt of each task, and of every sample that names none.

    The last attempt, by time, and by place where times are missing or equal. If any was truncated, the last of those:
    the answer was cut off, whatever came after it.
    """
    codes, tasks = samples.task_id.codes, len(samples.task_id.names)
    cut_off = counted(codes, samples.truncated == 1, tasks) > 0
    last = np.full(tasks, UNKNOWN, dtype=np.int64)
    newest = np.full(tasks, _NO_TIME, dtype=np.int64)
    for part in blocks(len(samples)):
        candidates = codes[part] != UNKNOWN
        candidates &= (samples.truncated[part] == 1) | ~cut_off[codes[part]]
        rows = np.flatnonzero(candidates) + part.start
        times = samples.time[rows].astype(np.int64)
        np.maximum.at(newest, codes[rows], times)
        rows = rows[times == newest[codes[rows]]]
        last[codes[rows]] = rows  # of several rows of one task, the last stays
    keeps = codes == UNKNOWN
    keeps[last[last != UNKNOWN]] = True
    return np.flatnonzero(keeps)


_NO_TIME = np.iinfo(np.int64).min
"""How a missing time, which is before all others, is written as a number."""


def distinct_tasks(samples: Samples) -> tuple[int, int]:
    """How many samples name a task, and how many tasks they name."""
    codes = samples.task_id.codes
    counts = counted(codes, codes != UNKNOWN, len(samples.task_id.names))
    return int(counts.sum()), int(np.count_nonzero(counts))
