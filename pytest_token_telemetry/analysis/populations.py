"""Which samples each figure is about.

A truncated call never succeeds, so judging successful calls alone hides every truncation, and the calls that were
underestimated the most with it. The default therefore judges the risk population, successful *or* truncated; a failed
call that was not cut off says nothing about how long a good answer would have been.

``success`` and ``all`` are the origin's V3 analyzer with and without ``--success-only``: the raw comparison of output
and prediction, with no rule for truncation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from fractions import Fraction

    from pytest_token_telemetry.columns import Mask, Samples

Population = Literal["risk", "success", "all"]


@dataclass(frozen=True, slots=True)
class Judged:
    """The samples that count for each figure: masks over the same samples."""

    at_risk: Mask
    """What the underestimation rate is a share of."""
    underestimated: Mask
    """Within ``at_risk``."""
    uncertain: Mask
    """Within ``underestimated``: cut off before the prediction was reached, so that nobody knows."""
    attempts: Mask
    """What the truncation rate is a share of."""
    truncated: Mask
    """Within ``attempts``."""
    with_ratio: Mask
    """Within ``at_risk``: the prediction and the output are above 0."""
    with_smape: Mask
    """Not truncated, and not at 0 on both sides."""


def successful(samples: Samples) -> Mask:
    """The samples that readiness counts: successful, with an output. No output means that nobody counted it."""
    mask: Mask = (samples.success == 1) & (samples.output_tokens > 0)
    return mask


def judged(samples: Samples, population: Population, multiplier: Fraction) -> Judged:
    """Which ``samples`` count in ``population``, where more than ``multiplier`` times the prediction is too much."""
    predicted, output = samples.predicted_output_tokens, samples.output_tokens
    exceeds = output * multiplier.denominator > predicted * multiplier.numerator
    cut_off = samples.truncated == 1
    if population == "risk":
        at_risk = successful(samples) | cut_off
        underestimated = at_risk & (cut_off | exceeds)
        attempts = ~samples.legacy & (samples.truncated >= 0)
        described = ~samples.legacy
    else:
        at_risk = samples.success == 1 if population == "success" else np.ones(len(samples), dtype=np.bool_)
        underestimated = at_risk & exceeds
        attempts = at_risk & ~samples.legacy
        described = at_risk
    return Judged(
        at_risk=at_risk,
        underestimated=underestimated,
        uncertain=underestimated & ~exceeds,
        attempts=attempts,
        truncated=attempts & cut_off,
        with_ratio=at_risk & (predicted > 0) & (output > 0),
        with_smape=described & ~cut_off & (predicted + output > 0),
    )
