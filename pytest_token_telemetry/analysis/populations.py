"""Which samples each figure is about.

A truncated call never succeeds, so judging successful calls alone hides every truncation, and the calls that were
underestimated the most with it. The default therefore judges the risk population, successful *or* truncated; a failed
call that was not cut off says nothing about how long a good answer would have been.

``success`` and ``all`` are the origin's V3 analyzer with and without ``--success-only``: the raw comparison of output
and prediction, with no rule for truncation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from pytest_token_telemetry.columns import blocks

if TYPE_CHECKING:
    from fractions import Fraction

    import numpy.typing as npt

    from pytest_token_telemetry.columns import Mask, Samples

    Bits: TypeAlias = npt.NDArray[np.uint8]

Population = Literal["risk", "success", "all"]


class Judged:
    """The samples that count for each figure: masks over the same samples, kept as the bits of a byte each."""

    __slots__ = ("_bits",)

    def __init__(self, bits: Bits) -> None:
        self._bits = bits

    def _are(self, bit: int) -> Mask:
        mask: Mask = (self._bits & np.uint8(bit)) != 0
        return mask

    @property
    def at_risk(self) -> Mask:
        """What the underestimation rate is a share of."""
        return self._are(_AT_RISK)

    @property
    def underestimated(self) -> Mask:
        """Within ``at_risk``."""
        return self._are(_UNDERESTIMATED)

    @property
    def uncertain(self) -> Mask:
        """Within ``underestimated``: cut off before the prediction was reached, so that nobody knows."""
        return self._are(_UNCERTAIN)

    @property
    def attempts(self) -> Mask:
        """What the truncation rate is a share of."""
        return self._are(_ATTEMPTS)

    @property
    def truncated(self) -> Mask:
        """Within ``attempts``."""
        return self._are(_TRUNCATED)

    @property
    def with_ratio(self) -> Mask:
        """Within ``at_risk``: the prediction and the output are above 0."""
        return self._are(_WITH_RATIO)

    @property
    def with_smape(self) -> Mask:
        """Not truncated, and not at 0 on both sides."""
        return self._are(_WITH_SMAPE)

    def without_attempts(self, rows: Mask) -> Judged:
        """The same, with a truncation rate that leaves ``rows`` out."""
        return Judged(np.where(rows, self._bits & ~np.uint8(_ATTEMPTS | _TRUNCATED), self._bits))


_AT_RISK, _UNDERESTIMATED, _UNCERTAIN, _ATTEMPTS, _TRUNCATED, _WITH_RATIO, _WITH_SMAPE = (1 << bit for bit in range(7))


def successful(samples: Samples) -> Mask:
    """The samples that readiness counts: successful, with an output. No output means that nobody counted it."""
    mask: Mask = (samples.success == 1) & (samples.output_tokens > 0)
    return mask


def judged(samples: Samples, population: Population, multiplier: Fraction) -> Judged:
    """Which ``samples`` count in ``population``, where more than ``multiplier`` times the prediction is too much."""
    bits = np.empty(len(samples), dtype=np.uint8)
    for part in blocks(len(samples)):
        bits[part] = _bits(_Block(samples, part), population, multiplier)
    return Judged(bits)


class _Block:
    """Some neighbouring samples."""

    def __init__(self, samples: Samples, part: slice) -> None:
        # Counts are multiplied below: that takes 64 bits.
        self.predicted = samples.predicted_output_tokens[part].astype(np.int64)
        self.output = samples.output_tokens[part].astype(np.int64)
        self.cut_off: Mask = samples.truncated[part] == 1
        self.says_truncated: Mask = samples.truncated[part] >= 0
        self.success: Mask = samples.success[part] == 1
        self.legacy: Mask = samples.legacy[part]


def _bits(block: _Block, population: Population, multiplier: Fraction) -> Bits:
    exceeds: Mask = block.output * multiplier.denominator > block.predicted * multiplier.numerator
    if population == "risk":
        at_risk = (block.success & (block.output > 0)) | block.cut_off
        underestimated = at_risk & (block.cut_off | exceeds)
        attempts = ~block.legacy & block.says_truncated
        described = ~block.legacy
    else:
        at_risk = block.success if population == "success" else np.ones_like(block.success)
        underestimated = at_risk & exceeds
        attempts = at_risk & ~block.legacy
        described = at_risk
    bits = np.zeros(len(block.output), dtype=np.uint8)
    for bit, mask in (
        (_AT_RISK, at_risk),
        (_UNDERESTIMATED, underestimated),
        (_UNCERTAIN, underestimated & ~exceeds),
        (_ATTEMPTS, attempts),
        (_TRUNCATED, attempts & block.cut_off),
        (_WITH_RATIO, at_risk & (block.predicted > 0) & (block.output > 0)),
        (_WITH_SMAPE, described & ~block.cut_off & (block.predicted + block.output > 0)),
    ):
        bits |= mask * np.uint8(bit)
    return bits
