"""The judged samples by category, by complexity and by number of deliverables."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import islice
from math import isnan
from typing import TYPE_CHECKING

import numpy as np

from pytest_token_telemetry.analysis.evidence import holm, p_value_above
from pytest_token_telemetry.analysis.groups import counted, grouped, looked_up, present
from pytest_token_telemetry.analysis.metrics import WASTE_SHARES, quantile_places, waste_ratios
from pytest_token_telemetry.analysis.populations import successful
from pytest_token_telemetry.columns import UNKNOWN, narrowest
from pytest_token_telemetry.values import BUCKETS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_token_telemetry.analysis.populations import Judged
    from pytest_token_telemetry.columns import Floats, Integers, Mask, NameColumn, Narrow, Samples


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

    category: tuple[Narrow, tuple[str, ...]]
    complexity: tuple[Narrow, tuple[str, ...]]
    deliverables: tuple[Narrow, tuple[str, ...]]


def labels(samples: Samples, aliases: Mapping[str, str]) -> Labels:
    """The strata of each sample. Names are folded to lower case, and categories through ``aliases``."""
    buckets = np.full(len(samples), UNKNOWN, dtype=np.int8)
    for least in BUCKETS.values():
        buckets += samples.deliverable_count >= least
    return Labels(
        category=_folded(samples.category, aliases),
        complexity=_folded(samples.complexity, {}),
        deliverables=(buckets, tuple(BUCKETS)),
    )


def strata(samples: Samples, judged: Judged, labels: Labels) -> Strata:
    """The figures of every stratum."""

    def by_size(stratum: Stratum) -> tuple[int, int, str]:
        return -stratum.attempts, -stratum.risk, stratum.name or ""

    return Strata(
        category=tuple(sorted(_strata(samples, judged, *labels.category), key=by_size)),
        complexity=tuple(sorted(_strata(samples, judged, *labels.complexity), key=by_size)),
        deliverables=tuple(_strata(samples, judged, *labels.deliverables)),
    )


def _strata(samples: Samples, judged: Judged, codes: Narrow, names: tuple[str, ...]) -> list[Stratum]:
    """Those that hold a sample, the unknown first, then in the order of their codes."""

    def count(mask: Mask) -> Integers:
        return counted(codes, mask, len(names))

    attempts, successes = count(judged.attempts), count(successful(samples))
    truncated, risk, underestimated = count(judged.truncated), count(judged.at_risk), count(judged.underestimated)
    ratios = grouped(codes, judged.with_ratio, len(names), waste_ratios(samples), _waste_places)
    found = present(attempts + risk + successes)
    counts = (each[found].tolist() for each in (attempts, successes, truncated, risk, underestimated))
    quantiles = (_known(ratios.quantile(share)[found]) for share in WASTE_SHARES)
    named = [*names, None]  # the last is `UNKNOWN`
    return list(map(Stratum, (named[code] for code in found.tolist()), *counts, *quantiles))


def _waste_places(n: int) -> list[int]:
    return quantile_places(n, WASTE_SHARES)


def _known(figures: Floats) -> list[float | None]:
    return [None if isnan(figure) else figure for figure in figures.tolist()]


def with_evidence(strata: Strata, max_underestimation: float, max_truncation: float) -> Strata:
    """``strata`` with what their rates prove against the targets, adjusted for looking at all of them at once."""
    every = (*strata.category, *strata.complexity, *strata.deliverables)
    p_value = cache(p_value_above)  # of many small strata, most are alike
    adjusted = holm(
        [p_value(each.underestimated, each.risk, max_underestimation) for each in every]
        + [p_value(each.truncated, each.attempts, max_truncation) for each in every]
    )
    marked = iter(
        [_marked(each, under, cut) for each, under, cut in zip(every, adjusted, adjusted[len(every) :], strict=False)]
    )
    category, complexity, deliverables = (
        tuple(islice(marked, len(group))) for group in (strata.category, strata.complexity, strata.deliverables)
    )
    return Strata(category, complexity, deliverables)


def _marked(stratum: Stratum, under: float, cut: float) -> Stratum:
    """``stratum`` with its p values. Of 100,000 strata, `dataclasses.replace` would take most of a second."""
    return Stratum(
        stratum.name,
        stratum.attempts,
        stratum.successes,
        stratum.truncated,
        stratum.risk,
        stratum.underestimated,
        stratum.waste_p50,
        stratum.waste_p90,
        underestimation_p=under,
        truncation_p=cut,
        underestimation_proven=under <= _SIGNIFICANT,
        truncation_proven=cut <= _SIGNIFICANT,
    )


def _folded(column: NameColumn, aliases: Mapping[str, str]) -> tuple[Narrow, tuple[str, ...]]:
    lower = [name.lower() for name in column.names]
    folded = [aliases.get(name, name) for name in lower]
    names = tuple(dict.fromkeys(folded))
    positions = {name: code for code, name in enumerate(names)}
    # The last entry is where UNKNOWN, which is -1, points.
    table = narrowest(np.array([*(positions[name] for name in folded), UNKNOWN], dtype=np.int64))
    if (table[:-1] == np.arange(len(folded))).all():
        return column.codes, names  # no name was folded into another
    return looked_up(table, column.codes), names
