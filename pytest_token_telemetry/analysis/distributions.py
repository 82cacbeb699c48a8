"""How outputs lie to predictions and caps, in bounded size however many calls there are: what pictures show."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import isfinite
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

import numpy as np
from msgspec import Meta, Struct

from pytest_token_telemetry.analysis.caps import cap_ratios, looked_at
from pytest_token_telemetry.analysis.carried import Grouping, counting, grouping
from pytest_token_telemetry.analysis.conformal import ALPHA, conformal_rank, conformal_values
from pytest_token_telemetry.analysis.groups import (
    computed,
    counted,
    grouped,
    largest_first,
    quantile_places,
    with_others,
)
from pytest_token_telemetry.analysis.listed import listed
from pytest_token_telemetry.analysis.metrics import WASTE_SHARES
from pytest_token_telemetry.analysis.number_ranges import Count, Quantity
from pytest_token_telemetry.analysis.strata import Split
from pytest_token_telemetry.analysis.tuning import calls_of_caps, endless_outputs, endless_ratios, label_of
from pytest_token_telemetry.samples import UNKNOWN

if TYPE_CHECKING:
    from pytest_token_telemetry.analysis.carried import Carried
    from pytest_token_telemetry.analysis.populations import Judged
    from pytest_token_telemetry.analysis.strata import Label, Labels
    from pytest_token_telemetry.samples import Floats, Integers, Mask, Narrow, Samples

Axis: TypeAlias = Literal["prediction", "cap"]
"""What outputs are held against."""

BINS_PER_DECADE = 10
"""Bins of tokens, on either axis of the density."""

_LARGEST_BIN = 100

BINS_PER_OCTAVE = 4
"""Bins of ratios: each begins 1.19 times as high as the one before."""

_OCTAVES = 10
"""Ratios beyond 1024 and 1/1024 are counted in the outermost bins."""

CURVE = tuple(
    Fraction(per_mille, 1000) for per_mille in (500, 400, 300, 200, 150, 100, 70, 50, 40, 30, 20, 15, 10, 5, 2, 1)
)
"""The risks at which the cap of a category is told, the largest first."""

MOST_PICTURED = 12
"""Categories with a distribution and a curve of their own: more of them nobody tells apart."""

MOST_SENT = 3
"""Caps that are told of each category: those that were sent most often."""

_MOST_NAMES = 30
"""Rows or columns of the grid."""


class DensityCell(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Calls that lie in one cell of a grid of logarithms; in a file an array of its fields."""

    x: Annotated[int, Meta(ge=0, le=_LARGEST_BIN)]
    """The bin of what was predicted, or of the cap: `BINS_PER_DECADE` times its logarithm, rounded down."""
    y: Annotated[int, Meta(ge=0, le=_LARGEST_BIN)]
    """The same of the output."""
    calls: Count
    cut_off: Count

    def __post_init__(self) -> None:
        if self.cut_off > self.calls:
            raise ValueError("cut_off is more than calls")


@dataclass(frozen=True, slots=True)
class Ratios:
    """Output over prediction of one category, or cap over output where caps are judged."""

    name: str | None
    """``None``: the calls that do not say."""
    n: Count
    cut_off: Count
    """Of ``n``: calls that were truncated, in no bin. Their output has no end, and their cap was used up."""
    first: Annotated[int, Meta(ge=-BINS_PER_OCTAVE * _OCTAVES, le=BINS_PER_OCTAVE * _OCTAVES)]
    """The first bin: `BINS_PER_OCTAVE` times the logarithm to the base of 2, rounded down."""
    counts: Annotated[tuple[Count, ...], Meta(max_length=2 * BINS_PER_OCTAVE * _OCTAVES + 1)]
    """Calls of that bin and of the following ones."""
    quantile: Quantity | None
    """What 95% of the next calls stay within (conformal); of caps, the P90. ``None``: the calls do not tell."""
    folded: Count = 0
    """How many categories it sums up. 0: it is one."""

    def __post_init__(self) -> None:
        if self.n != self.cut_off + sum(self.counts):
            raise ValueError("n is not the sum of its calls")
        if self.folded and self.name is not None:
            raise ValueError("the others have a name")


@dataclass(frozen=True, slots=True)
class SentCap:
    """A cap that many calls of one category were sent with."""

    max_tokens: Count
    calls: Count
    exceeding: Count
    """Calls of the category, sent with this cap or another, that were cut off or have more output."""


@dataclass(frozen=True, slots=True)
class RiskCurve:
    """Which cap leaves which risk in one category."""

    name: str | None
    n: Count
    max_tokens: Annotated[tuple[Count | None, ...], Meta(max_length=len(CURVE))]
    """The least cap for each risk of `CURVE`. ``None``: the calls do not tell."""
    sent: Annotated[tuple[SentCap, ...], Meta(max_length=MOST_SENT)]
    folded: Count = 0
    """How many categories it sums up. 0: it is one."""

    def __post_init__(self) -> None:
        if any(each.exceeding > self.n for each in self.sent):
            raise ValueError("exceeding is more than n")
        if self.folded and self.name is not None:
            raise ValueError("the others have a name")


class GridCell(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Calls of one kind of work: places in the names of the grid, -1 for none; in a file an array of its fields."""

    category: Annotated[int, Meta(ge=-1, le=_MOST_NAMES)]
    complexity: Annotated[int, Meta(ge=-1, le=_MOST_NAMES)]
    deliverables: Annotated[int, Meta(ge=-1, le=_MOST_NAMES)]
    calls: Count


_NAMES = Meta(max_length=_MOST_NAMES)


@dataclass(frozen=True, slots=True)
class Grid:
    """How many calls that count towards readiness there are of each kind of work."""

    categories: Annotated[tuple[str, ...], _NAMES]
    complexities: Annotated[tuple[str, ...], _NAMES]
    deliverables: Annotated[tuple[str, ...], _NAMES]
    cells: Annotated[tuple[GridCell, ...], Meta(max_length=(_MOST_NAMES + 1) ** 3)]
    """Those with calls."""
    others: Count = 0
    """Calls of names that are not listed."""

    def __post_init__(self) -> None:
        for cell in self.cells:
            places = (cell.category, cell.complexity, cell.deliverables)
            names = (self.categories, self.complexities, self.deliverables)
            if any(place >= len(kind) for place, kind in zip(places, names, strict=True)):
                raise ValueError("cells are of names that are not there")


@dataclass(frozen=True, slots=True)
class Distributions:
    """What the pictures are made of."""

    against: Axis | None
    """``None``: there is neither a prediction nor a cap, and no density and no ratio."""
    density: Annotated[tuple[DensityCell, ...], Meta(max_length=(_LARGEST_BIN + 1) ** 2)]
    ratios: Annotated[tuple[Ratios, ...], Meta(max_length=MOST_PICTURED + 2)]
    curves: Annotated[tuple[RiskCurve, ...], Meta(max_length=MOST_PICTURED + 2)]
    grid: Grid
    grouped_by: Grouping = "category"
    """What the names of `ratios` and `curves` are."""


def distributions(
    samples: Samples, judged: Judged, labels: Labels, carried: Carried, uncounted: int = 0
) -> Distributions:
    """What pictures show of ``samples``.

    Args:
        samples: columns with one entry for each sample.
        judged: masks over the same samples.
        labels: the category, complexity and bucket of the same samples, `UNKNOWN` for none.
        carried: what they carry, by which it is known what is judged.
        uncounted: as for `tune`.
    """
    by = grouping(samples, carried)
    label = label_of(samples, labels, by)
    axis = axis_of(carried)
    shown = pictured(samples, judged, axis)
    return Distributions(
        against=axis,
        density=_density(samples, shown, axis),
        ratios=_ratios(samples, judged, label, axis),
        curves=_curves(samples, judged, label, uncounted),
        grid=_grid(labels, counting(samples, carried.question)),
        grouped_by=by,
    )


def axis_of(carried: Carried) -> Axis | None:
    """What outputs are held against: what is judged."""
    return {"predictions": "prediction", "caps": "cap"}.get(carried.question)  # type: ignore[return-value]


def pictured(samples: Samples, judged: Judged, axis: Axis | None) -> Mask:
    """Mask the calls that have a place in the picture: both of their figures are above 0."""
    if axis == "prediction":
        return judged.with_ratio
    mask: Mask = (samples.max_tokens > 0) & (samples.output_tokens > 0) & (axis == "cap")
    return mask


def held_against(samples: Samples, rows: Integers, axis: Axis | None) -> Integers:
    """The predictions of ``rows``, or their caps."""
    column = samples.predicted_output_tokens if axis == "prediction" else samples.max_tokens
    return column[rows].astype(np.int64)


def _density(samples: Samples, shown: Mask, axis: Axis | None) -> tuple[DensityCell, ...]:
    """The cells with calls, row by row."""
    width = _LARGEST_BIN + 1

    def cells(rows: Integers) -> Integers:
        x, y = (
            _decades(each) for each in (held_against(samples, rows, axis), samples.output_tokens[rows].astype(np.int64))
        )
        found: Integers = (y * width + x).astype(np.int64)
        return found

    every = np.bincount(computed(shown, cells), minlength=width * width)
    cut_off = np.bincount(computed(shown & (samples.truncated == 1), cells), minlength=width * width)
    found = np.flatnonzero(every)
    return tuple(
        DensityCell(cell % width, cell // width, calls, cut)
        for cell, calls, cut in zip(found.tolist(), every[found].tolist(), cut_off[found].tolist(), strict=True)
    )


def _decades(tokens: Integers) -> Integers:
    found: Integers = np.clip(np.floor(np.log10(tokens) * BINS_PER_DECADE + 1e-9), 0, _LARGEST_BIN).astype(np.int64)
    return found


def _ratios(samples: Samples, judged: Judged, label: Label, axis: Axis | None) -> tuple[Ratios, ...]:
    if axis is None:
        return ()
    if axis == "prediction":
        mask, ratios = judged.with_ratio, endless_ratios(samples)
        beside = np.zeros_like(mask)
    else:
        mask, ratios = looked_at(samples), cap_ratios(samples)
        beside = (samples.max_tokens > 0) & (samples.truncated == 1)
    share = 1 - float(ALPHA) if axis == "prediction" else WASTE_SHARES[1]

    def places(n: int) -> list[int]:
        rank = conformal_rank(n, ALPHA)
        return quantile_places(n, [share]) if axis == "cap" else [] if rank is None else [rank - 1]

    split = Split.by_name(label, mask | beside, MOST_PICTURED)
    values = grouped(split.codes, mask, split.size, ratios, places)
    truncated = counted(split.codes, beside, split.size)
    quantiles = conformal_values(values, ALPHA) if axis == "prediction" else values.quantile(share)
    width = 2 * _OCTAVES * BINS_PER_OCTAVE + 2  # the last is for endless ones, of calls that were truncated

    def cells(rows: Integers) -> Integers:
        codes = split.codes[rows].astype(np.int64)
        codes[codes == UNKNOWN] = split.size
        found: Integers = codes * width + _octaves(ratios(rows), width - 1)
        return found

    every = np.bincount(computed(mask, cells), minlength=(split.size + 1) * width).reshape(-1, width)
    found = []
    for code in split.largest_first(values.counts + truncated).tolist():
        *counts, endless = every[code].tolist()
        cut_off = endless + int(truncated[code])
        bins = [place for place, count in enumerate(counts) if count] or [_OCTAVES * BINS_PER_OCTAVE, -1]
        quantile = float(quantiles[code])
        found.append(
            Ratios(
                name=split.names[code][0],
                n=int(values.counts[code] + truncated[code]),
                cut_off=cut_off,
                first=bins[0] - _OCTAVES * BINS_PER_OCTAVE,
                counts=tuple(counts[bins[0] : bins[-1] + 1]),
                quantile=quantile if isfinite(quantile) else None,
                folded=split.folded if code == split.size - 1 else 0,
            )
        )
    return tuple(found)


def _octaves(ratios: Floats, endless: int) -> Integers:
    """The bin of each ratio, the first being that of the smallest ones, and ``endless`` that of endless ones."""
    most = _OCTAVES * BINS_PER_OCTAVE
    # A ratio on an edge is in the bin above it, whatever its logarithm is rounded to.
    bins = np.clip(np.floor(np.log2(ratios) * BINS_PER_OCTAVE + 1e-9), -most, most) + most
    return np.where(np.isinf(ratios), endless, bins).astype(np.int64)


def _curves(samples: Samples, judged: Judged, label: Label, uncounted: int) -> tuple[RiskCurve, ...]:
    mask = calls_of_caps(samples, judged)
    split = Split.by_name(label, mask, MOST_PICTURED)

    def places(n: int) -> list[int]:
        return sorted({rank - 1 for risk in CURVE if (rank := conformal_rank(n, risk, uncounted)) is not None})

    outputs = grouped(split.codes, mask, split.size, endless_outputs(samples), places)
    caps = [conformal_values(outputs, risk, uncounted) for risk in CURVE]
    found = []
    for code in split.largest_first(outputs.counts).tolist():
        start, n = int(outputs.starts[code]), int(outputs.counts[code])
        mine = outputs.values[start : start + n]
        sent = _sent(samples, mask & (split.codes == code))
        found.append(
            RiskCurve(
                name=split.names[code][0],
                n=n,
                max_tokens=tuple(int(cap[code]) if isfinite(cap[code]) else None for cap in caps),
                sent=tuple(
                    SentCap(cap, calls, int(np.count_nonzero(mine > cap)))  # endless ones too
                    for cap, calls in sent
                ),
                folded=split.folded if code == split.size - 1 else 0,
            )
        )
    return tuple(found)


def _sent(samples: Samples, mask: Mask) -> list[tuple[int, int]]:
    """The caps that calls in ``mask`` were sent with most often, and how often."""
    values, counts = np.unique(samples.max_tokens[mask & (samples.max_tokens > 0)], return_counts=True)
    most = np.argsort(-counts, kind="stable")[:MOST_SENT]
    return [*zip(values[most].tolist(), counts[most].tolist(), strict=True)]


def _grid(labels: Labels, mask: Mask) -> Grid:
    kinds = [_most_frequent(label, mask) for label in (labels.category, labels.complexity, labels.deliverables)]
    sizes = [len(names) + 2 for _, names in kinds]  # those that do not say, and those that are not listed

    def cells(rows: Integers) -> Integers:
        found = np.zeros(len(rows), dtype=np.int64)
        for (codes, _), size in zip(kinds, sizes, strict=True):
            found *= size
            found += codes[rows]
            found += 1
        return found

    counts = np.bincount(computed(mask, cells), minlength=1)
    categories, complexities, buckets = (names for _, names in kinds)
    found, others = [], 0
    for code in np.flatnonzero(counts).tolist():
        rest, bucket = divmod(code, sizes[2])
        category, complexity = divmod(rest, sizes[1])
        cell = GridCell(category - 1, complexity - 1, bucket - 1, int(counts[code]))
        if cell.category < len(categories) and cell.complexity < len(complexities) and cell.deliverables < len(buckets):
            found.append(cell)
        else:
            others += cell.calls
    return Grid(categories, complexities, buckets, tuple(found), others)


def _most_frequent(label: Label, mask: Mask) -> tuple[Narrow, tuple[str, ...]]:
    """The codes of the names that calls in ``mask`` have most often, and these names; the others' code is the next."""
    codes, names = label
    order = largest_first(counted(codes, mask, len(names)))
    order = order[order != UNKNOWN]
    kept = listed(names[code] for code in order[:_MOST_NAMES].tolist())
    return with_others(codes, len(names), order, kept), tuple(names[code] for code in order[:kept].tolist())
