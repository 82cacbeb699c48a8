"""Samples by what they name, such as a category or a model: the figures of each, and as they are tuned apart."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from functools import cache, partial
from itertools import chain, islice
from math import isnan
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

import numpy as np

from pytest_token_telemetry.analysis.evidence import holm, p_value_above
from pytest_token_telemetry.analysis.groups import (
    computed,
    counted,
    grouped,
    largest_first,
    looked_up,
    present,
    quantile_places,
    rows_of,
    with_others,
)
from pytest_token_telemetry.analysis.listed import FEW_LISTED, MOST_LISTED, listed
from pytest_token_telemetry.analysis.metrics import WASTE_SHARES, waste_ratios
from pytest_token_telemetry.analysis.number_ranges import ROWS, Count, Quantity, Rate
from pytest_token_telemetry.analysis.populations import successful
from pytest_token_telemetry.sample import division
from pytest_token_telemetry.samples import UNKNOWN, narrowest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pytest_token_telemetry.analysis.populations import Judged
    from pytest_token_telemetry.samples import Floats, Integers, Mask, NameColumn, Narrow, Samples

Label: TypeAlias = "tuple[Narrow, tuple[str, ...]]"
"""A code for each sample, `UNKNOWN` for none, and the name of each code."""


_SIGNIFICANT = 0.05


@dataclass(frozen=True, slots=True)
class Stratum:
    """The figures of one category, spelling of a category, complexity, bucket, model or operation: never gates."""

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
    """How likely as many underestimated calls would be at a rate on target, adjusted for its family (Holm)."""
    truncation_p: Rate | None = None
    """The same for truncated calls."""
    underestimation_proven: bool = False
    """True if the rate is above its target with 95% confidence, all strata looked at together."""
    truncation_proven: bool = False
    folded: Count = 0
    """How many strata it sums up that are too small to be listed. 0: it is one."""
    spelling_of: str | None = None
    """The category that it is a spelling of; ``None``: it is none, or sums up spellings."""
    unknown: Count = 0
    """Of ``risk``, no attempts: it is unknown whether they were truncated. 0 also in an older report."""

    def __post_init__(self) -> None:
        if self.folded and self.name is not None:
            raise ValueError("the others have a name")
        if self.spelling_of is not None and self.name is None:
            raise ValueError("spelling_of is of no name")


@dataclass(frozen=True, slots=True)
class Strata:
    """The strata that hold a sample, the largest first, as many as are `listed`, then the others; buckets in order."""

    category: Annotated[tuple[Stratum, ...], ROWS]
    complexity: Annotated[tuple[Stratum, ...], ROWS]
    deliverables: Annotated[tuple[Stratum, ...], ROWS]
    spellings: Annotated[tuple[Stratum, ...], ROWS] = ()
    """As logged, of the categories that have several. What one of them does, their category may hide.

    P values of these and of what follows are adjusted as a family of their own.
    """
    model: Annotated[tuple[Stratum, ...], ROWS] = ()
    """Empty if no sample names one."""
    operation: Annotated[tuple[Stratum, ...], ROWS] = ()


@dataclass(frozen=True, slots=True)
class Labels:
    """Which category, complexity and bucket each sample is in: codes into the names, `UNKNOWN` for none."""

    category: Label
    complexity: Label
    deliverables: Label
    spellings: tuple[int, ...]
    """The code of the category that each name of the samples' column of categories is in."""


def labels(samples: Samples, aliases: Mapping[str, str], required: Iterable[str] = ()) -> Labels:
    """The strata of each sample: one code an entry, `UNKNOWN` where it does not say.

    Names are folded to lower case, and categories through ``aliases``. Deliverables are divided by the buckets that are
    ``required``, as `division` tells; a count outside of every bucket is in none.
    """
    buckets, ranges = np.full(len(samples), UNKNOWN, dtype=np.int8), division(required)
    for code, (least, most) in enumerate(ranges.values()):
        buckets[(samples.deliverable_count >= least) & (samples.deliverable_count <= most)] = code
    category, spellings = _folded(samples.category, aliases)
    return Labels(
        category=category,
        complexity=_folded(samples.complexity, {})[0],
        deliverables=(buckets, tuple(ranges)),
        spellings=tuple(spellings),
    )


def strata(
    samples: Samples, judged: Judged, labels: Labels, *, max_underestimation: float, max_truncation: float
) -> Strata:
    """The figures of every stratum, and what their rates prove against the targets.

    The p values are adjusted for looking at all strata at once.
    """
    main = [_counted(samples, judged, *label) for label in (labels.category, labels.complexity, labels.deliverables)]
    more = [_spellings(samples, judged, labels), *(_named(samples, judged, name) for name in ("model", "operation"))]
    targets = max_underestimation, max_truncation
    category, complexity, deliverables = _proven(main, *targets)
    spellings, model, operation = (tuple(sorted(kind, key=_by_size)) for kind in _proven(more, *targets))
    return Strata(
        category=tuple(sorted(category, key=_by_size)),
        complexity=tuple(sorted(complexity, key=_by_size)),
        deliverables=deliverables,
        spellings=spellings,
        model=model,
        operation=operation,
    )


def _named(samples: Samples, judged: Judged, name: Literal["model", "operation"]) -> list[Stratum]:
    """The strata of one kind of name, unless no sample has any."""
    column: NameColumn = getattr(samples, name)
    found = _counted(samples, judged, column.codes, column.names, most=FEW_LISTED) if column.names else []
    return found if any(each.name is not None for each in found) else []


def _spellings(samples: Samples, judged: Judged, labels: Labels) -> list[Stratum]:
    """The spellings of the categories that occur in several."""
    column, of, names = samples.category, labels.spellings, labels.category[1]
    if len(names) == len(of):
        return []
    occurring = present(counted(column.codes, np.ones(len(samples), dtype=np.bool_), len(of)))
    of_category = Counter(of[code] for code in occurring.tolist() if code != UNKNOWN)
    kept = [code for code in occurring.tolist() if code != UNKNOWN and of_category[of[code]] > 1]
    if not kept:
        return []
    table = np.full(len(of) + 1, UNKNOWN, dtype=np.int64)
    table[kept] = np.arange(len(kept))
    codes = looked_up(narrowest(table), column.codes)
    found = _counted(samples, judged, codes, [column.names[code] for code in kept], most=FEW_LISTED)
    categories = {column.names[code]: names[of[code]] for code in kept}
    return [
        replace(each, spelling_of=None if each.name is None else categories[each.name])
        for each in found
        if each.name is not None or each.folded
    ]


def _proven(
    kinds: list[list[Stratum]], max_underestimation: float, max_truncation: float
) -> Iterator[tuple[Stratum, ...]]:
    """The strata of ``kinds``, one family, with what their rates prove."""
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
    return (tuple(islice(proven, len(kind))) for kind in kinds)


def _by_size(stratum: Stratum) -> tuple[int, int, int, str]:
    return stratum.folded, -stratum.attempts, -stratum.risk, stratum.name or ""


def _counted(
    samples: Samples,
    judged: Judged,
    codes: Narrow,
    names: Sequence[str | None],
    folded: int = 0,
    most: int = MOST_LISTED,
) -> list[Stratum]:
    """The strata of one kind that hold a sample, the unknown first, then in the order of their codes.

    What they prove is not in them yet. With ``folded``, the last of ``names`` is for so many strata.
    """

    def count(mask: Mask) -> Integers:
        return counted(codes, mask, len(names))

    attempts, successes = count(judged.attempts), count(successful(samples))
    risk = count(judged.at_risk)
    found = present(attempts + risk + successes)
    if not folded:
        order = found[found != UNKNOWN]
        order = order[np.lexsort((-risk[order], -attempts[order]))]
        fewer, shown, others = _with_others(codes, names, order, most)
        if others:
            return _counted(samples, judged, fewer, shown, others)
    truncated, underestimated = count(judged.truncated), count(judged.underestimated)
    places = partial(quantile_places, shares=WASTE_SHARES)
    ratios = grouped(codes, judged.with_ratio, len(names), waste_ratios(samples), places)
    counts = (each[found].tolist() for each in (attempts, successes, truncated, risk, underestimated))
    quantiles = (_known(ratios.quantile(share)[found]) for share in WASTE_SHARES)
    unknown = count(judged.at_risk & ~judged.attempts)[found].tolist()
    named = [*names, None]  # the last is `UNKNOWN`
    found_strata = map(Stratum, (named[code] for code in found.tolist()), *counts, *quantiles)
    return [
        replace(each, folded=folded if code == len(names) - 1 else 0, unknown=no_attempts)
        for code, each, no_attempts in zip(found.tolist(), found_strata, unknown, strict=True)
    ]


def _with_others(
    codes: Narrow, names: Sequence[str | None], order: Integers, most: int = MOST_LISTED
) -> tuple[Narrow, Sequence[str | None], int]:
    """Fold the groups beyond those that are `listed` into one. ``order`` has the codes with rows, the largest first.

    Returns:
        One code for each row, the name of each code, and how many groups the last of them folds; 0 if that is none.
    """
    kept = listed(names[code] or "" for code in order[:most].tolist())
    if kept == len(order):
        return codes, names, 0
    shown = [*(names[code] for code in order[:kept].tolist()), None]
    return with_others(codes, len(names), order, kept), shown, len(order) - kept


def _known(figures: Floats) -> list[float | None]:
    return [None if isnan(figure) else figure for figure in figures.tolist()]


def _folded(column: NameColumn, aliases: Mapping[str, str]) -> tuple[Label, list[int]]:
    """The folded names of ``column``, and the code of the one that each of its names is folded into."""
    positions: dict[str, int] = {}
    lower = ((name, (name.strip(" ") or name).lower()) for name in column.names)
    # The name itself, if it is in lower case: a million of them are not held twice.
    names = (aliases.get(low, name if name == low else low) for name, low in lower)
    folded = [positions.setdefault(name, len(positions)) for name in names]
    if len(positions) == len(folded):
        return (column.codes, tuple(positions)), folded  # no name was folded into another
    # The last entry is where UNKNOWN, which is -1, points.
    codes = looked_up(narrowest(np.array([*folded, UNKNOWN], dtype=np.int64)), column.codes)
    return (codes, tuple(positions)), folded


@dataclass(frozen=True, slots=True)
class Split:
    """The samples as they are tuned apart."""

    codes: Narrow
    names: Sequence[tuple[str | None, str | None]]
    """The category, or what else it is by, and the complexity of each code, and of `UNKNOWN`, the last."""
    folded: int = 0
    """How many parts that are too small to be listed the last code stands for; 0: it is an ordinary one."""

    @property
    def size(self) -> int:
        """How many codes there are."""
        return len(self.names) - 1

    def largest_first(self, counts: Integers) -> Integers:
        """The codes that have ``counts``, in the order in which they are listed: the others last."""
        order = largest_first(counts)
        return np.concatenate((order[order != self.size - 1], order[order == self.size - 1])) if self.folded else order

    @staticmethod
    def by_name(label: Label, mask: Mask, most: int = MOST_LISTED) -> Split:
        """The names of ``label``, largest by samples in ``mask`` first; those beyond the `listed` ones are one part."""
        codes, every = label
        order = largest_first(counted(codes, mask, len(every)))
        codes, names, folded = _with_others(codes, every, order[order != UNKNOWN], most)
        return Split(codes, [(name, None) for name in (*names, None)], folded)

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

        def named(pair: int) -> tuple[str | None, str | None]:
            of, level = divmod(pair, len(complexities))
            return names[of] if of < len(names) else None, complexities[level]

        said = mask & (levels != UNKNOWN)
        pairs, counts = np.unique(computed(said, pairs_of), return_counts=True)
        pairs, counts = pairs[counts >= least], counts[counts >= least]
        codes = np.full(len(mask), UNKNOWN, dtype=np.min_scalar_type(-len(pairs) - 1))
        for rows in rows_of(said) if len(pairs) else ():
            found = pairs_of(rows)
            places = np.minimum(np.searchsorted(pairs, found), len(pairs) - 1)
            there = pairs[places] == found
            codes[rows[there]] = places[there]
        order = np.argsort(-counts, kind="stable")
        kept = listed(
            f"{category}{complexity}" for category, complexity in map(named, pairs[order[:MOST_LISTED]].tolist())
        )
        if kept == len(pairs):
            return Split(codes, [*map(named, pairs.tolist()), (None, None)])
        shown = [*map(named, pairs[order[:kept]].tolist()), (None, None), (None, None)]
        return Split(with_others(codes, len(pairs), order, kept), shown, len(pairs) - kept)
