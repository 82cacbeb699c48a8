"""How much of the caps that were sent calls use, and what the rest reserves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pytest_token_telemetry.analysis.groups import computed, quantile, quantile_places, rows_of
from pytest_token_telemetry.analysis.metrics import QUANTILE_METHOD, WASTE_SHARES, Share
from pytest_token_telemetry.analysis.number_ranges import Count, Quantity

if TYPE_CHECKING:
    from pytest_token_telemetry.samples import Floats, Integers, Mask, Samples

LEAST_OUTPUT = 50
"""Output tokens of a call whose cap is looked at: a one-word answer says nothing about its cap."""


@dataclass(frozen=True, slots=True)
class CapUse:
    """Cap over output, of the calls that were not cut off and have `LEAST_OUTPUT` tokens. ``None`` without any."""

    n: Count
    p50: Quantity | None
    p90: Quantity | None
    calls: Count
    """All calls with a cap, of any length."""
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
    ratios = computed(_looked_at(samples), lambda rows: _ratios(samples, rows))
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


def oversized(samples: Samples, limit: float) -> Share:
    """The share of the calls that `cap_use` looks at whose cap is ``limit`` times the output or more."""
    mask = _looked_at(samples)
    events = sum(int(np.count_nonzero(_ratios(samples, rows) >= limit)) for rows in rows_of(mask))
    return Share(events, int(np.count_nonzero(mask)))


def _looked_at(samples: Samples) -> Mask:
    mask: Mask = (samples.max_tokens > 0) & (samples.truncated == 0) & (samples.output_tokens >= LEAST_OUTPUT)
    return mask


def _ratios(samples: Samples, rows: Integers) -> Floats:
    """Cap over output of each of ``rows``."""
    found: Floats = samples.max_tokens[rows] / samples.output_tokens[rows]
    return found
