"""Whether the successful samples are many and mixed enough to judge an estimator by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pytest_token_telemetry.analysis.groups import counted
from pytest_token_telemetry.analysis.populations import successful
from pytest_token_telemetry.columns import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_token_telemetry.analysis.strata import Labels
    from pytest_token_telemetry.columns import Narrow, Samples


@dataclass(frozen=True, slots=True)
class Coverage:
    """How many successful samples there are of each value."""

    required: tuple[str, ...]
    present: dict[str, int]
    """Every value that occurs, required or not."""

    @property
    def missing(self) -> tuple[str, ...]:
        """The required values without a successful sample."""
        return tuple(value for value in self.required if not self.present.get(value))


@dataclass(frozen=True, slots=True)
class Readiness:
    """What there is to judge by."""

    successes: int
    silent_on_success: int
    """Samples, legacy ones aside, that do not say whether they succeeded."""
    attempts: int
    """Samples that say whether they were truncated."""
    categories: Coverage
    complexities: Coverage
    deliverables: Coverage


def readiness(
    samples: Samples,
    labels: Labels,
    *,
    categories: Iterable[str],
    complexities: Iterable[str],
    deliverables: Iterable[str],
) -> Readiness:
    """What ``samples`` offer of the required ``categories``, ``complexities`` and ``deliverables`` buckets."""
    rows = successful(samples)

    def coverage(label: tuple[Narrow, tuple[str, ...]], required: Iterable[str]) -> Coverage:
        codes, names = label
        counts = counted(codes, rows, len(names))[:-1].tolist()  # the last are those that do not say
        present = {name: count for name, count in zip(names, counts, strict=True) if count}
        return Coverage(tuple(required), present)

    return Readiness(
        successes=int(np.count_nonzero(rows)),
        silent_on_success=int(np.count_nonzero(~samples.legacy & (samples.success == UNKNOWN))),
        attempts=int(np.count_nonzero(~samples.legacy & (samples.truncated >= 0))),
        categories=coverage(labels.category, categories),
        complexities=coverage(labels.complexity, complexities),
        deliverables=coverage(labels.deliverables, deliverables),
    )
