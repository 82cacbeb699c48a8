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

from pytest_token_telemetry.analysis.groups import counted
from pytest_token_telemetry.samples import UNKNOWN, blocks

if TYPE_CHECKING:
    from fractions import Fraction

    import numpy.typing as npt

    from pytest_token_telemetry.samples import Integers, Mask, Samples

    Bits: TypeAlias = npt.NDArray[np.uint16]

Population = Literal["risk", "success", "all"]


class Judged:
    """The samples that count for each figure: masks over the same samples, kept as the bits of two bytes each."""

    __slots__ = ("_bits",)

    def __init__(self, bits: Bits) -> None:
        self._bits = bits

    def _are(self, bit: int) -> Mask:
        mask: Mask = (self._bits & np.uint16(bit)) != 0
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
        """Within ``underestimated``: truncated at or below the prediction, so that nobody knows."""
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

    @property
    def open(self) -> Mask:
        """Outside ``attempts``: whether they would be truncated is not known, see `with_open`."""
        return self._are(_OPEN)

    @property
    def open_at_risk(self) -> Mask:
        """Outside ``at_risk``: whether they would be underestimated is not known, see `with_open`."""
        return self._are(_OPEN_AT_RISK)

    def without_attempts(self, rows: Mask) -> Judged:
        """The same, with a truncation rate that leaves ``rows`` out."""
        return Judged(np.where(rows, self._bits & ~np.uint16(_ATTEMPTS | _TRUNCATED), self._bits))

    def with_open(self, rows: Mask, of_caps: Mask) -> Judged:
        """The same, where nobody knows of the attempts among ``rows`` whether they would be truncated.

        ``of_caps``: those whose prediction is a cap. Where one is not known to be exceeded, it is no event either.
        """
        left_out = self.without_attempts(rows)
        found = Judged(np.where(rows & self.attempts, left_out._bits | np.uint16(_OPEN), left_out._bits))
        unknown = rows & of_caps & self.uncertain
        outside = found._bits & ~_RISK | np.uint16(_OPEN_AT_RISK)
        return Judged(np.where(unknown, outside, found._bits))

    def at_risk_within(self, rows: Mask) -> Judged:
        """The same, with underestimation and waste of ``rows`` alone."""
        return Judged(np.where(rows, self._bits, self._bits & ~_RISK))


_AT_RISK, _UNDERESTIMATED, _UNCERTAIN, _ATTEMPTS, _TRUNCATED, _WITH_RATIO, _WITH_SMAPE, _OPEN, _OPEN_AT_RISK = (
    1 << bit for bit in range(9)
)
_RISK = np.uint16(_AT_RISK | _UNDERESTIMATED | _UNCERTAIN | _WITH_RATIO)
"""What is said of underestimation and waste."""


def successful(samples: Samples) -> Mask:
    """Mask the samples that readiness counts: successful, with an output above 0.

    An output of 0 is one that nobody counted. An unknown success is none.
    """
    mask: Mask = (samples.success == 1) & (samples.output_tokens > 0)
    return mask


def judged(samples: Samples, population: Population, multiplier: Fraction) -> Judged:
    """Which ``samples`` count in ``population``, where more than ``multiplier`` times the prediction is too much.

    A sample whose success or truncation is unknown counts as one that did not succeed, or was not cut off. One without
    a prediction is an attempt in ``risk`` and nothing else; the origin's analyzer knows none.
    """
    bits = np.empty(len(samples), dtype=np.uint16)
    for part in blocks(len(samples)):
        bits[part] = _bits(samples, part, population, multiplier)
    return Judged(bits)


def distinct_tasks(samples: Samples) -> tuple[int, int]:
    """How many samples name a task, and how many tasks they name."""
    codes = samples.task_id.codes
    counts = counted(codes, codes != UNKNOWN, len(samples.task_id.names))
    return int(counts.sum()), int(np.count_nonzero(counts))


def rows_of_one_per_task(samples: Samples) -> Integers:
    """Ascending indices of one attempt of each task, as its attempts depend on each other, and of all without a task.

    The last attempt, by time, and by place where times are missing or equal. If any was truncated, the last of those:
    the answer was truncated, whatever came after it.
    """
    codes, tasks = samples.task_id.codes, len(samples.task_id.names)
    cut_off = counted(codes, samples.truncated == 1, tasks) > 0
    last = np.full(tasks, UNKNOWN, dtype=np.int64)
    newest = np.full(tasks, _NO_TIME, dtype=np.int64)
    for part in blocks(len(samples)):
        candidates = codes[part] != UNKNOWN
        candidates &= (samples.truncated[part] == 1) | ~cut_off[codes[part]]
        rows = np.flatnonzero(candidates) + part.start
        times = samples.time[rows].astype(np.int64)
        np.maximum.at(newest, codes[rows], times)
        rows = rows[times == newest[codes[rows]]]
        last[codes[rows]] = rows  # of several rows of one task, the last stays
    keeps = codes == UNKNOWN
    keeps[last[last != UNKNOWN]] = True
    return np.flatnonzero(keeps)


_NO_TIME = np.iinfo(np.int64).min
"""How a missing time, which is before all others, is written as a number."""


def _bits(samples: Samples, part: slice, population: Population, multiplier: Fraction) -> Bits:
    """The bits of the samples in ``part``."""
    # Counts are multiplied below: that takes 64 bits.
    predicted, output = (
        column[part].astype(np.int64) for column in (samples.predicted_output_tokens, samples.output_tokens)
    )
    truncated, success, legacy = samples.truncated[part], samples.success[part] == 1, samples.legacy[part]
    cut_off = truncated == 1
    exceeds: Mask = output * multiplier.denominator > predicted * multiplier.numerator
    predicts = predicted != UNKNOWN
    if population == "risk":
        at_risk = ((success & (output > 0)) | cut_off) & predicts
        underestimated = at_risk & (cut_off | exceeds)
        attempts = ~legacy & (truncated >= 0)
        described = ~legacy
    else:
        at_risk = success & predicts if population == "success" else predicts
        underestimated = at_risk & exceeds
        attempts = at_risk & ~legacy
        described = at_risk
    bits = np.zeros(len(output), dtype=np.uint16)
    for bit, mask in (
        (_AT_RISK, at_risk),
        (_UNDERESTIMATED, underestimated),
        (_UNCERTAIN, underestimated & ~exceeds),
        (_ATTEMPTS, attempts),
        (_TRUNCATED, attempts & cut_off),
        (_WITH_RATIO, at_risk & (predicted > 0) & (output > 0)),
        (_WITH_SMAPE, described & predicts & ~cut_off & (predicted + output > 0)),
    ):
        bits |= mask * np.uint16(bit)
    return bits
