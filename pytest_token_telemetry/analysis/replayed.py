"""Recorded calls as they would have been with another estimator's predictions and budgets."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from pytest_token_telemetry.analysis.tasks import rows_of_one_per_task
from pytest_token_telemetry.columns import UNKNOWN

if TYPE_CHECKING:
    from pytest_token_telemetry.analysis.populations import Judged
    from pytest_token_telemetry.columns import Counts, Integers, Mask, Samples


@dataclass(frozen=True, slots=True)
class CutOffs:
    """What other budgets would have done, as masks over the samples."""

    with_budget: Mask
    """The estimator picked a budget."""
    would: Mask
    """The output would not have fitted into it."""
    unknown: Mask
    """It would have had more room than the call that was cut off: nobody knows whether enough."""


def askable(samples: Samples, *, judges_legacy: bool) -> Mask:
    """The samples that an estimator is asked about: legacy ones say too little, and count in one population only."""
    return np.ones(len(samples), dtype=np.bool_) if judges_legacy else ~samples.legacy


def rows_to_ask(samples: Samples, *, judges_legacy: bool, one_per_task: bool) -> Integers:
    """The rows of those of the `askable` that take part."""
    rows = np.flatnonzero(askable(samples, judges_legacy=judges_legacy))
    return np.intersect1d(rows, rows_of_one_per_task(samples)) if one_per_task else rows


def cut_offs(samples: Samples, budgets: Counts) -> CutOffs:
    """What ``budgets``, `UNKNOWN` where there is none, would have cut off of ``samples``."""
    with_budget = budgets != UNKNOWN
    output, was_cut_off = samples.output_tokens, samples.truncated == 1
    would = with_budget & ((output > budgets) | ((output == budgets) & was_cut_off))
    return CutOffs(with_budget, would, with_budget & was_cut_off & (output < budgets))


def with_estimates(samples: Samples, predicted: Counts, budgets: Counts, cut: CutOffs) -> Samples:
    """``samples`` with other predictions and, where there are any, other budgets, and what these cut off.

    The logged error stays where the prediction does.
    """
    return replace(
        samples,
        predicted_output_tokens=predicted,
        budget_tokens=np.where(cut.with_budget, budgets, samples.budget_tokens),
        truncated=np.where(cut.would, np.int8(1), samples.truncated),
        smape=np.where(predicted == samples.predicted_output_tokens, samples.smape[:], np.nan),
    )


def without_unknown(judged: Judged, cut: CutOffs) -> Judged:
    """``judged``, with a truncation rate over the calls of which it is known whether they would have been cut off."""
    return judged.without_attempts(cut.unknown)
