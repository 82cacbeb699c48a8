"""Samples as a plugin relabels or drops them, after the copies were left out and before anything is judged."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_token_telemetry.sample import FIELDS, Sample
from pytest_token_telemetry.samples import SamplesBuilder
from pytest_token_telemetry.sources.own_format import checked
from pytest_token_telemetry.text import LONGEST_REASON, inert, listing

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_token_telemetry.sources.merge import Reading

LABELS = tuple(
    name
    for name, field in FIELDS.items()
    if field.of_test and (field.kind == "name" or name in ("success", "deliverable_count"))
)
"""What a plugin may change: what a call was for. What was measured of it, nobody may."""


@dataclass(frozen=True, slots=True)
class Drop:
    """The answer of a plugin that wants a sample not to be judged."""

    reason: str
    """As reports show it, with how many samples were dropped for it."""


def changed(reading: Reading, change: Callable[[Sample, str], Sample | Drop]) -> Reading:
    """``reading`` with every sample as ``change`` gives it, which is called with the sample and its place."""
    samples = reading.samples
    table = SamplesBuilder([samples])
    kept = np.ones(len(samples), np.bool_)
    dropped: Counter[str] = Counter()
    changes: dict[str, dict[int, object]] = {name: {} for name in LABELS}
    for row in range(len(samples)):
        before = table.sample(row)
        after = change(before, reading.place(samples, row))
        if isinstance(after, Drop):
            kept[row] = False
            dropped[inert(after.reason, LONGEST_REASON)] += 1
        elif after is not before:
            for name in LABELS:
                if getattr(after, name) != getattr(before, name):
                    changes[name][row] = getattr(after, name)
    for name, values in changes.items():
        table.write(name, [*values], [*values.values()])
    found = table.build(kept)
    counts = np.bincount(found.file, minlength=len(reading.files)).tolist()
    return replace(
        reading,
        samples=found,
        files=tuple(
            file._replace(samples=count, dropped=file.samples - count)
            for file, count in zip(reading.files, counts, strict=True)
        ),
        dropped=dict(dropped.most_common()),
        relabelled=len(set().union(*changes.values())),
    )


def relabelled(before: Sample, answer: object) -> Sample | Drop:
    """What the ``answer`` of one plugin makes of a sample. ``None`` leaves it as it is.

    Raises:
        TypeError: it is not an answer, or a label is of a kind that its field cannot hold.
        ValueError: a label is out of range, or more than labels was changed.
    """
    if answer is None:
        return before
    if isinstance(answer, Drop) and isinstance(answer.reason, str):
        return answer
    if not isinstance(answer, Sample):
        kind = (answer if isinstance(answer, type) else type(answer)).__name__
        raise TypeError(f'{kind} is not an answer (give the Sample, Drop("why") or None)')
    other = [name for name in FIELDS if name not in LABELS and getattr(answer, name) != getattr(before, name)]
    if other:
        raise ValueError(f"{other[0]} cannot be changed, as it was measured ({listing(LABELS)} can)")
    labels: dict[str, Any] = {name: _label(name, getattr(answer, name)) for name in LABELS}
    return replace(answer, **labels)


def _label(name: str, value: object) -> object:
    given = checked(name, value)
    return given.encode("utf-8", "backslashreplace").decode() if isinstance(given, str) else given
