"""What is kept of judged samples so that later ones can be compared with them: a few numbers a stratum."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING

import numpy as np

from pytest_token_telemetry.analysis.drift import Summary
from pytest_token_telemetry.analysis.metrics import QUANTILE_METHOD, Share
from pytest_token_telemetry.analysis.stratified import log_ratios
from pytest_token_telemetry.columns import UNKNOWN
from pytest_token_telemetry.wording import exact

if TYPE_CHECKING:
    from collections.abc import Mapping
    from fractions import Fraction

    from pytest_token_telemetry.analysis.populations import Judged, Population
    from pytest_token_telemetry.analysis.strata import Labels
    from pytest_token_telemetry.columns import Integers, Samples

MARK_BYTES = 8
"""Of the hash that stands for a sample: two of ten million samples share one with a chance of 1 in 370,000."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What the figures of a baseline depend on: they can be compared only with figures on the same terms."""

    population: str
    under_multiplier: str
    quantile_method: str
    alias: Mapping[str, str]
    one_per_task: bool = False
    """True if one sample a task was judged: then a baseline of all of them has another mix."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """What is kept of judged samples."""

    terms: Terms
    strata: Mapping[str | None, Summary]
    """By category; ``None`` are the samples that name none."""
    marks: tuple[bytes, ...]
    """One a sample, ascending: what was judged already is not new."""
    newest: str | None
    """When the newest sample was made, by its log's clock: ISO 8601, without a time zone."""

    @property
    def samples(self) -> int:
        """How many samples it stands for."""
        return len(self.marks)


def terms(
    population: Population, under_multiplier: Fraction, alias: Mapping[str, str], *, one_per_task: bool = False
) -> Terms:
    """The `Terms` of settings."""
    return Terms(
        population=population,
        under_multiplier=exact(under_multiplier),
        quantile_method=QUANTILE_METHOD,
        alias=dict(sorted(alias.items())),
        one_per_task=one_per_task,
    )


def baseline(samples: Samples, judged: Judged, labels: Labels, on: Terms) -> Baseline:
    """What to keep of ``samples``."""
    times = samples.time[~np.isnat(samples.time)]
    return Baseline(
        terms=on,
        strata=summaries(samples, judged, labels, np.arange(len(samples))),
        marks=tuple(sorted(_marks(samples))),
        newest=str(np.sort(times)[-1]) if len(times) else None,
    )


def summaries(samples: Samples, judged: Judged, labels: Labels, rows: Integers) -> dict[str | None, Summary]:
    """Those of the ``samples`` in ``rows``, by category."""
    codes, names = labels.category
    rows = rows[np.argsort(codes[rows], kind="stable")]
    present, starts = np.unique(codes[rows], return_index=True)
    found: dict[str | None, Summary] = {}
    for code, here in zip(present.tolist(), np.split(rows, starts)[1:], strict=True):
        ratios = here[judged.with_ratio[here]]
        found[None if code == UNKNOWN else names[code]] = Summary(
            Share(int(np.count_nonzero(judged.underestimated[here])), int(np.count_nonzero(judged.at_risk[here]))),
            Share(int(np.count_nonzero(judged.truncated[here])), int(np.count_nonzero(judged.attempts[here]))),
            log_ratios(samples.output_tokens[ratios], samples.predicted_output_tokens[ratios]),
        )
    return found


def new_rows(samples: Samples, known: Baseline) -> Integers:
    """The rows of ``samples`` that ``known`` does not stand for. Of equal samples, as many as there are more."""
    left = Counter(known.marks)
    rows = []
    for row, mark in enumerate(_marks(samples)):
        if left[mark]:
            left[mark] -= 1
        else:
            rows.append(row)
    return np.array(rows, dtype=np.int64)


def _marks(samples: Samples) -> list[bytes]:
    """What tells each sample from others, wherever its line stands."""
    names = (samples.category, samples.complexity, samples.task_id, samples.model, samples.finish_reason_raw)
    counts = (
        *(samples.predicted_output_tokens, samples.output_tokens, samples.budget_tokens, samples.max_tokens),
        *(samples.truncated, samples.success, samples.deliverable_count),
    )
    columns = [column.tolist() for column in counts]
    times = samples.time.astype(str).tolist()
    return [
        blake2b(repr((time, numbers, [column.name(row) for column in names])).encode(), digest_size=MARK_BYTES).digest()
        for row, (time, *numbers) in enumerate(zip(times, *columns, strict=True))
    ]
