"""Samples of the same task depend on each other: how many tasks there are, and one sample a task."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pytest_token_telemetry.columns import UNKNOWN

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
    codes = samples.task_id.codes
    times = np.nan_to_num(samples.time.astype(np.float64), nan=-np.inf)
    order = np.lexsort((np.arange(len(samples)), times, samples.truncated == 1))
    kept = np.full(len(samples.task_id.names), UNKNOWN, dtype=np.int64)
    named = order[codes[order] != UNKNOWN]
    kept[codes[named]] = named  # of several rows of one task, the last in this order stays
    return np.sort(np.concatenate((np.flatnonzero(codes == UNKNOWN), kept[kept != UNKNOWN])))


def distinct_tasks(samples: Samples) -> tuple[int, int]:
    """How many samples name a task, and how many tasks they name."""
    codes = samples.task_id.codes
    named = codes[codes != UNKNOWN]
    return len(named), len(np.unique(named))
