"""Samples by category, complexity and number of deliverables: the figures of each, and as they are tuned apart."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache, partial
from itertools import chain, islice
from math import isnan
from typing import TYPE_CHECKING, Annotated

import numpy as np

from pytest_token_telemetry.analysis.evidence import holm, p_value_above
from pytest_token_telemetry.analysis.groups import (
    computed,
    counted,
    grouped,
    looked_up,
    present,
    quantile_places,
    rows_of,
)
from pytest_token_telemetry.analysis.metrics import WASTE_SHARES, waste_ratios
from pytest_token_telemetry.analysis.number_ranges import ROWS, Count, Quantity, Rate
from pytest_token_telemetry.analysis.populations import successful
from pytest_token_telemetry.sample import BUCKETS
from pytest_token_telemetry.samples import UNKNOWN, narrowest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_token_telemetry.analysis.populations import Judged
    from pytest_token_telemetry.samples import Floats, Integers, Mask, NameColumn, Narrow, Samples


_SIGNIFICANT = 0.05


@dataclass(frozen=True, slots=True)
class Stratum:
    """The figures of one category, complexity or bucket: diagnostics, never gates."""

    name: str | None
    """``None``: the samples that do not say."""
    attempts: Count
    successes: Count
    truncated: Count
    risk: Count
    """Judged for underestimation."""
    underestimated: Count
    waste_p50: Quantity | None
    waste_p90: Quantity | None
    underestimation_p: Rate | None = None
    """How likely as many underestimated calls would be at a rate on target, adjusted for all strata (Holm)."""
    truncation_p: Rate | None = None
    """The same for truncated calls."""
    underestimation_proven: bool = False
    """True if the rate is above its target with 95 % confidence, all strata looked at together."""
    truncation_proven: bool = False


@dataclass(frozen=True, slots=True)
class Strata:
    """Every stratum that holds a sample, the largest first; buckets in their order."""

    category: Annotated[tuple[Stratum, ...], ROWS]
    complexity: Annotated[tuple[Stratum, ...], ROWS]
    deliverables: Annotated[tuple[Stratum, ...], ROWS]


@dataclass(frozen=True, slots=True)
class Labels:
    """Which category, complexity and bucket each sample is in: codes into the names, `UNKNOWN` for none."""

    category: tuple[Narrow, tuple[str, ...]]
    complexity: tuple[Narrow, tuple[str, ...]]
    deliverables: tuple[Narrow, tuple[str, ...]]


def labels(samples: Samples, aliases: Mapping[str, str]) -> Labels:
    """The strata of each sample: one code an entry, `UNKNOWN` where it does not say.

    Names are folded to lower case, and categories through ``aliases``.
    """
    buckets = np.full(len(samples), UNKNOWN, dtype=np.int8)
    for least in BUCKETS.values():
        buckets += samples.deliverable_count >= least
    return Labels(
        category=_folded(samples.category, aliases),
        complexity=_folded(samples.complexity, {}),
        deliverables=(buckets, tuple(BUCKETS)),
    )


def strata(
    samples: Samples, judged: Judged, labels: Labels, *, max_underestimation: float, max_truncation: float
) -> Strata:
    """The figures of every stratum, and what their rates prove against the targets.

    The p values are adjusted for looking at all strata at once.
    """
    kinds = [_counted(samples, judged, *label) for label in (labels.category, labels.complexity, labels.deliverables)]
    every = list(chain.from_iterable(kinds))
    p_value = cache(p_value_above)  # of many small strata, most are alike
    adjusted = holm(
        [p_value(each.underestimated, each.risk, max_underestimation) for each in every]
        + [p_value(each.truncated, each.attempts, max_truncation) for each in every]
    )
    proven = (
        replace(
            each,
            underestimation_p=under,
            truncation_p=cut,
            underestimation_proven=under <= _SIGNIFICANT,
            truncation_proven=cut <= _SIGNIFICANT,
        )
        for each, under, cut in zip(every, adjusted, adjusted[len(every) :], strict=False)
    )
    category, complexity, deliverables = (tuple(islice(proven, len(kind))) for kind in kinds)
    return Strata(
        category=tuple(sorted(category, key=_by_size)),
        complexity=tuple(sorted(complexity, key=_by_size)),
        deliverables=deliverables,
    )


def _by_size(stratum: Stratum) -> tuple[int, int, str]:
    return -stratum.attempts, -stratum.risk, stratum.name or ""


def _counted(samples: Samples, judged: Judged, codes: Narrow, names: tuple[str, ...]) -> list[Stratum]:
    """The strata of one kind that hold a sample, the unknown first, then in the order of their codes.

    What they prove is not in them yet.
    """

    def count(mask: Mask) -> Integers:
        return counted(codes, mask, len(names))

    attempts, successes = count(judged.attempts), count(successful(samples))
    truncated, risk, underestimated = count(judged.truncated), count(judged.at_risk), count(judged.underestimated)
    places = partial(quantile_places, shares=WASTE_SHARES)
    ratios = grouped(codes, judged.with_ratio, len(names), waste_ratios(samples), places)
    found = present(attempts + risk + successes)
    counts = (each[found].tolist() for each in (attempts, successes, truncated, risk, underestimated))
    quantiles = (_known(ratios.quantile(share)[found]) for share in WASTE_SHARES)
    named = [*names, None]  # the last is `UNKNOWN`
    return list(map(Stratum, (named[code] for code in found.tolist()), *counts, *quantiles))


def _known(figures: Floats) -> list[float | None]:
    return [None if isnan(figure) else figure for figure in figures.tolist()]


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


@dataclass(frozen=True, slots=True)
class Split:
    """The samples as they are tuned apart."""

    codes: Narrow
    names: Sequence[tuple[str | None, str | None]]
    """The category and the complexity of each code, and of `UNKNOWN`, the last."""

    @property
    def size(self) -> int:
        """How many codes there are."""
        return len(self.names) - 1

    @staticmethod
    def by_category(labels: Labels) -> Split:
        """Every category."""
        codes, names = labels.category
        return Split(codes, [(name, None) for name in (*names, None)])

    @staticmethod
    def by_cell(labels: Labels, mask: Mask, least: int) -> Split:
        """Every complexity within a category that has ``least`` samples in ``mask``; `UNKNOWN` for all others."""
        (categories, names), (levels, complexities) = labels.category, labels.complexity
        kind = np.min_scalar_type((len(names) + 1) * len(complexities))

        def pairs_of(rows: Integers) -> Integers:
            of = categories[rows].astype(np.int64)
            of[of == UNKNOWN] = len(names)
            found: Integers = (of * len(complexities) + levels[rows]).astype(kind)
            return found

        said = mask & (levels != UNKNOWN)
        pairs, counts = np.unique(computed(said, pairs_of), return_counts=True)
        pairs = pairs[counts >= least]
        codes = np.full(len(mask), UNKNOWN, dtype=np.min_scalar_type(-len(pairs) - 1))
        for rows in rows_of(said) if len(pairs) else ():
            found = pairs_of(rows)
            places = np.minimum(np.searchsorted(pairs, found), len(pairs) - 1)
            there = pairs[places] == found
            codes[rows[there]] = places[there]
        named = [divmod(pair, len(complexities)) for pair in pairs.tolist()]
        every = (*names, None)
        return Split(codes, [*((every[of], complexities[level]) for of, level in named), (None, None)])
