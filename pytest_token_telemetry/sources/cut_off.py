"""Find records that are cut off in one file and stand whole in another: each is a copy, and no complaint."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pytest_token_telemetry.sample import FIELDS
from pytest_token_telemetry.samples import blocks

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from pytest_token_telemetry.sample import Sample
    from pytest_token_telemetry.samples import Integers, SamplesBuilder

_COMPARED = [name for name, field in FIELDS.items() if field.tells_apart]


class CutOff(NamedTuple):
    """A record that is cut off."""

    file: int
    """The number of its file."""
    begun: Sample
    """What it says up to there."""


def copies_of_whole(table: SamplesBuilder, first: int, without: Integers, records: Sequence[CutOff]) -> list[bool]:
    """Tell which ``records`` are copies of a row of ``table``, from ``first`` on, but not of one in ``without``.

    Such a row is of another file and the same time, and says all that the record says. It stands for one record of a
    file; and as many rows of it as the file itself has whole stand for these. When in doubt, a record is no copy.
    """
    if not records:
        return []
    of_times = _rows_of_times(table, {each.begun.time for each in records})
    rows = np.setdiff1d(of_times[of_times >= first], without).tolist()
    by_time: dict[datetime | None, list[tuple[int, int, Sample]]] = defaultdict(list)
    for row, file in zip(rows, table.column("file")[rows].tolist(), strict=True):
        whole = table.sample(row)
        by_time[whole.time].append((row, file, whole))
    taken: dict[int, set[int]] = defaultdict(set)
    found = []
    for file, begun in records:
        agreeing: dict[int, list[int]] = defaultdict(list)
        for row, other, whole in by_time.get(begun.time, ()):
            if _agrees(whole, begun):
                agreeing[other].append(row)
        whole_here = len(agreeing.pop(file, ()))
        free = [[row for row in each if row not in taken[file]] for each in agreeing.values()]
        whole_elsewhere = [each[-1] for each in free if len(each) > whole_here]
        taken[file].update(whole_elsewhere)
        found.append(bool(whole_elsewhere))
    return found


def _rows_of_times(table: SamplesBuilder, times: set[datetime | None]) -> Integers:
    """Find the rows that are of these ``times``, ``None`` aside, in their order."""
    known = np.array([time for time in times if time is not None], "datetime64[us]")
    column = table.column("time")
    found = [np.flatnonzero(np.isin(column[part], known)) + part.start for part in blocks(len(table))]
    return np.concatenate([np.empty(0, np.int64), *found])


def _agrees(whole: Sample, begun: Sample) -> bool:
    """True if ``whole`` says all that ``begun`` says."""
    return all(getattr(begun, name) in (None, getattr(whole, name)) for name in _COMPARED)
