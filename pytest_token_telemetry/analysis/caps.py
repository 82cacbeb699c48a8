"""How much of the caps that were sent calls use, what the rest reserves, and what may be a cap that nobody logged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pytest_token_telemetry.analysis.groups import computed, grouped, quantile, quantile_places, rows_of
from pytest_token_telemetry.analysis.metrics import QUANTILE_METHOD, WASTE_SHARES, Share
from pytest_token_telemetry.analysis.number_ranges import Count, Quantity
from pytest_token_telemetry.analysis.strata import Split
from pytest_token_telemetry.samples import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_token_telemetry.analysis.strata import Label
    from pytest_token_telemetry.samples import Counts, Floats, Integers, Mask, Samples

LEAST_OUTPUT = 50
"""Output tokens of a call whose cap is looked at: a one-word answer says nothing about its cap."""

LEAST_REPEATS = 5
"""Calls of one output, without which it is not held to be a cap."""

_TIMES_AS_MANY = 10
"""How many times as often as the numbers below it such an output occurs."""

_LEAST_OTHERS = 10
"""Different other outputs, without which the calls may all be the same one."""

_ROUND = (50, 64)
"""Caps are multiples of one of these: 1000 and 1500, 4096 and 12288. Other numbers are one time in 28."""

_MOST_ABOVE = 100
"""One call in so many may have more output: another cap may have been sent with a few."""

_LOOKED_AT = 3
"""Outputs that are held against those below them: the most frequent ones. Each takes a look at all calls."""


@dataclass(frozen=True, slots=True)
class RepeatedOutput:
    """An output that so many calls have, and hardly one exceeds, that it may be their cap. A hint, never a count."""

    output_tokens: Count
    calls: Count


@dataclass(frozen=True, slots=True)
class CapUse:
    """Cap over output, of calls of `LEAST_OUTPUT` tokens that were not cut off and are not known to have failed."""

    n: Count
    p50: Quantity | None
    """``None`` without any call, as `p90`."""
    p90: Quantity | None
    calls: Count
    """All calls with a cap, also those that failed or are short."""
    reserved: Count
    """Tokens: the sum of their caps. Quotas are reserved by these."""
    unused: Count
    """Of these: what their outputs left."""
    method: str = QUANTILE_METHOD

    def __post_init__(self) -> None:
        if self.n > self.calls:
            raise ValueError("n is more than calls")
        if self.unused > self.reserved:
            raise ValueError("unused is more than reserved")


def cap_use(samples: Samples) -> CapUse:
    """How much of their caps ``samples`` use."""
    ratios = computed(looked_at(samples), cap_ratios(samples))
    p50 = p90 = None
    if len(ratios):
        ratios.partition(quantile_places(len(ratios), WASTE_SHARES))
        p50, p90 = (quantile(ratios, share) for share in WASTE_SHARES)
    capped = samples.max_tokens > 0
    caps, outputs = samples.max_tokens[capped].astype(np.int64), samples.output_tokens[capped]
    return CapUse(
        n=len(ratios),
        p50=p50,
        p90=p90,
        calls=len(caps),
        reserved=int(caps.sum()),
        unused=int(np.maximum(caps - outputs, 0).sum()),
    )


@dataclass(frozen=True, slots=True)
class CapUseOf:
    """The same of one category, or what else the advice is grouped by."""

    name: str | None
    """``None``: the calls that do not say."""
    n: Count
    p90: Quantity
    folded: Count = 0
    """How many categories it sums up, too small to be listed. 0: it is one."""
    mean_cap: Quantity | None = None
    """The average cap of these calls, in tokens. ``None`` in an older report."""

    def __post_init__(self) -> None:
        if self.folded and self.name is not None:
            raise ValueError("the others have a name")


def cap_use_of_each(samples: Samples, label: Label) -> tuple[CapUseOf, ...]:
    """The cap use of every name of ``label``, the largest by calls first."""
    mask, share = looked_at(samples), WASTE_SHARES[1]
    split = Split.by_name(label, mask)
    ratios = grouped(split.codes, mask, split.size, cap_ratios(samples), lambda n: quantile_places(n, [share]))
    p90 = ratios.quantile(share)
    caps = np.zeros(split.size + 1)  # the last one's are those of `UNKNOWN`
    for rows in rows_of(mask):
        codes = split.codes[rows].astype(np.int64)
        codes[codes == UNKNOWN] = split.size
        caps += np.bincount(codes, samples.max_tokens[rows], minlength=split.size + 1)
    return tuple(
        CapUseOf(
            name=split.names[code][0],
            n=int(ratios.counts[code]),
            p90=float(p90[code]),
            folded=split.folded if code == split.size - 1 else 0,
            mean_cap=float(caps[code] / ratios.counts[code]),
        )
        for code in split.largest_first(ratios.counts).tolist()
    )


def oversized(samples: Samples, limit: float) -> Share:
    """The share of the calls that `cap_use` looks at whose cap is ``limit`` times the output or more."""
    mask, ratios = looked_at(samples), cap_ratios(samples)
    events = sum(int(np.count_nonzero(ratios(rows) >= limit)) for rows in rows_of(mask))
    return Share(events, int(np.count_nonzero(mask)))


def repeated_output(samples: Samples) -> RepeatedOutput | None:
    """The output of calls without a known cap that may be their cap.

    It is round, `LEAST_REPEATS` calls have it, `_TIMES_AS_MANY` times as many as have a number in the tenth below it on
    average, and no more than one in `_MOST_ABOVE` calls has more. Short outputs repeat by chance: `LEAST_OUTPUT`.
    """
    unknown = (samples.max_tokens <= 0) & (samples.truncated != 1)
    outputs = computed(unknown & (samples.output_tokens > 0), lambda rows: samples.output_tokens[rows])
    if len(outputs) < LEAST_REPEATS + _LEAST_OTHERS:
        return None
    place = len(outputs) - 1 - len(outputs) // _MOST_ABOVE
    outputs.partition(place)
    values, counts = np.unique(outputs[place:], return_counts=True)
    counts[0] += np.count_nonzero(outputs[:place] == values[0])
    round_ = (values % _ROUND[0] == 0) | (values % _ROUND[1] == 0)
    likely = round_ & (values >= LEAST_OUTPUT) & (counts >= LEAST_REPEATS)
    for i in np.flatnonzero(likely)[np.argsort(-counts[likely], kind="stable")][:_LOOKED_AT].tolist():
        value, calls = int(values[i]), int(counts[i])
        below = int(np.count_nonzero((outputs < value) & (outputs >= value - value // 10)))
        if calls * (value // 10) >= _TIMES_AS_MANY * below and _has_others(outputs, value):
            return RepeatedOutput(value, calls)
    return None


def _has_others(outputs: Counts, value: int) -> bool:
    return len(np.unique(outputs[outputs != value])) >= _LEAST_OTHERS


def looked_at(samples: Samples) -> Mask:
    """Mask the calls that `cap_use` looks at.

    A call that failed without being cut off is often short because it failed. One that does not say whether it failed
    counts: many logs never do.
    """
    ended = (samples.truncated == 0) & (samples.success != 0)
    mask: Mask = (samples.max_tokens > 0) & ended & (samples.output_tokens >= LEAST_OUTPUT)
    return mask


def cap_ratios(samples: Samples) -> Callable[[Integers], Floats]:
    """A function from rows, as indices, to cap / actual of each, both of which must be above 0."""

    def ratios(rows: Integers) -> Floats:
        found: Floats = samples.max_tokens[rows] / samples.output_tokens[rows]
        return found

    return ratios
