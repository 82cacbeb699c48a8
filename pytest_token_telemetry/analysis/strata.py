"""The judged samples by category, by complexity and by number of deliverables."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from pytest_token_telemetry.analysis.evidence import holm, p_value_above
from pytest_token_telemetry.analysis.metrics import waste
from pytest_token_telemetry.analysis.populations import successful
from pytest_token_telemetry.columns import UNKNOWN
from pytest_token_telemetry.values import BUCKETS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_token_telemetry.analysis.populations import Judged
    from pytest_token_telemetry.columns import Integers, Mask, NameColumn, Samples


_SIGNIFICANT = 0.05


@dataclass(frozen=True, slots=True)
class Stratum:
    """The figures of one category, complexity or bucket: diagnostics, never gates."""

    name: str | None
    """``None``: the samples that do not say."""
    attempts: int
    successes: int
    truncated: int
    risk: int
    """Judged for underestimation."""
    underestimated: int
    waste_p50: float | None
    waste_p90: float | None
    underestimation_p: float | None = None
    """How likely as many underestimated calls would be at a rate on target, adjusted for all strata (Holm)."""
    truncation_p: float | None = None
    """The same for truncated calls."""
    underestimation_proven: bool = False
    """True if the rate is above its target with 95 % confidence, all strata looked at together."""
    truncation_proven: bool = False


@dataclass(frozen=True, slots=True)
class Strata:
    """Every stratum that holds a sample, the largest first; buckets in their order."""

    category: tuple[Stratum, ...]
    complexity: tuple[Stratum, ...]
    deliverables: tuple[Stratum, ...]


@dataclass(frozen=True, slots=True)
class Labels:
    """Which category, complexity and bucket each sample is in: codes into the names, `UNKNOWN` for none."""

    category: tuple[Integers, tuple[str, ...]]
    complexity: tuple[Integers, tuple[str, ...]]
    deliverables: tuple[Integers, tuple[str, ...]]


def labels(samples: Samples, aliases: Mapping[str, str]) -> Labels:
    """The strata of each sample. Names are folded to lower case, and categories through ``aliases``."""
    counts = samples.deliverable_count
    buckets = np.searchsorted(list(BUCKETS.values()), counts, side="right").astype(np.int64) - 1
    return Labels(
        category=_folded(samples.category, aliases),
        complexity=_folded(samples.complexity, {}),
        deliverables=(np.where(counts > 0, buckets, UNKNOWN), tuple(BUCKETS)),
    )


def strata(samples: Samples, judged: Judged, labels: Labels) -> Strata:
    """The figures of every stratum."""
    succeeded = successful(samples)

    def of(label: tuple[Integers, tuple[str, ...]]) -> list[Stratum]:
        codes, names = label
        order = np.argsort(codes, kind="stable")
        present, starts = np.unique(codes[order], return_index=True)
        found = (
            _stratum(samples, judged, succeeded, rows, None if code == UNKNOWN else names[code])
            for code, rows in zip(present.tolist(), np.split(order, starts)[1:], strict=True)
        )
        return [each for each in found if each.attempts or each.risk or each.successes]

    def by_size(stratum: Stratum) -> tuple[int, int, str]:
        return -stratum.attempts, -stratum.risk, stratum.name or ""

    return Strata(
        category=tuple(sorted(of(labels.category), key=by_size)),
        complexity=tuple(sorted(of(labels.complexity), key=by_size)),
        deliverables=tuple(of(labels.deliverables)),
    )


def with_evidence(strata: Strata, max_underestimation: float, max_truncation: float) -> Strata:
    """``strata`` with what their rates prove against the targets, adjusted for looking at all of them at once."""
    every = (*strata.category, *strata.complexity, *strata.deliverables)
    adjusted = holm(
        [p_value_above(each.underestimated, each.risk, max_underestimation) for each in every]
        + [p_value_above(each.truncated, each.attempts, max_truncation) for each in every]
    )
    marked = iter(
        [
            replace(
                each,
                underestimation_p=under,
                truncation_p=cut,
                underestimation_proven=under <= _SIGNIFICANT,
                truncation_proven=cut <= _SIGNIFICANT,
            )
            for each, under, cut in zip(every, adjusted, adjusted[len(every) :], strict=False)
        ]
    )
    category, complexity, deliverables = (
        tuple(islice(marked, len(group))) for group in (strata.category, strata.complexity, strata.deliverables)
    )
    return Strata(category, complexity, deliverables)


def _stratum(samples: Samples, judged: Judged, succeeded: Mask, rows: Integers, name: str | None) -> Stratum:
    """The figures of ``rows``, by number: with a mask each, a log of many names would take quadratic time."""
    ratios = waste(samples, rows[judged.with_ratio[rows]])
    return Stratum(
        name=name,
        attempts=int(np.count_nonzero(judged.attempts[rows])),
        successes=int(np.count_nonzero(succeeded[rows])),
        truncated=int(np.count_nonzero(judged.truncated[rows])),
        risk=int(np.count_nonzero(judged.at_risk[rows])),
        underestimated=int(np.count_nonzero(judged.underestimated[rows])),
        waste_p50=ratios.p50,
        waste_p90=ratios.p90,
    )


def _folded(column: NameColumn, aliases: Mapping[str, str]) -> tuple[Integers, tuple[str, ...]]:
    lower = [name.lower() for name in column.names]
    folded = [aliases.get(name, name) for name in lower]
    names = tuple(dict.fromkeys(folded))
    positions = {name: code for code, name in enumerate(names)}
    # The last entry is where UNKNOWN, which is -1, points.
    table = np.array([*(positions[name] for name in folded), UNKNOWN], dtype=np.int64)
    return table[column.codes], names
