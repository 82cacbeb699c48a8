"""What is kept of judged samples so that later ones can be compared with them: a few numbers a stratum."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING

import numpy as np

from pytest_token_telemetry.analysis.drift import Summary
from pytest_token_telemetry.analysis.groups import counted, grouped, present
from pytest_token_telemetry.analysis.metrics import QUANTILE_METHOD, Share
from pytest_token_telemetry.analysis.stratified import LogRatios, ticks_of
from pytest_token_telemetry.columns import blocks
from pytest_token_telemetry.wording import exact

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from fractions import Fraction

    import numpy.typing as npt

    from pytest_token_telemetry.analysis.groups import Grouped
    from pytest_token_telemetry.analysis.populations import Judged, Population
    from pytest_token_telemetry.analysis.strata import Labels
    from pytest_token_telemetry.columns import Integers, Mask, Samples

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
        newest=str(np.max(times)) if len(times) else None,
    )


def summaries(samples: Samples, judged: Judged, labels: Labels, rows: Integers) -> dict[str | None, Summary]:
    """Those of the ``samples`` in ``rows``, by category."""
    codes, names = labels.category
    chosen = np.zeros(len(samples), dtype=np.bool_)
    chosen[rows] = True

    def count(mask: Mask) -> Integers:
        return counted(codes, chosen & mask, len(names))

    def ticks(rows: Integers) -> npt.NDArray[np.int16]:
        return ticks_of(samples.output_tokens[rows], samples.predicted_output_tokens[rows])

    found = present(counted(codes, chosen, len(names)))
    figures = (
        each[found].tolist()
        for each in map(count, (judged.underestimated, judged.at_risk, judged.truncated, judged.attempts))
    )
    ratios = _histograms(grouped(codes, chosen & judged.with_ratio, len(names), ticks))
    named = [*names, None]  # the last is `UNKNOWN`
    return {
        named[code]: Summary(Share(under, at_risk), Share(cut, attempts), ratios[code])
        for code, under, at_risk, cut, attempts in zip(found.tolist(), *figures, strict=True)
    }


def _histograms(ticks: Grouped[np.int16]) -> list[LogRatios]:
    """That of each code."""
    differs = np.concatenate(([True], ticks.values[1:] != ticks.values[:-1]))[: len(ticks.values)]
    differs[ticks.starts[ticks.counts > 0]] = True
    bars = np.flatnonzero(differs)
    heights = np.diff(bars, append=len(differs)).tolist()
    places = ticks.values[bars].tolist()
    begins = np.searchsorted(bars, ticks.starts).tolist()
    ends = np.searchsorted(bars, ticks.starts + ticks.counts).tolist()
    return [
        LogRatios(tuple(places[begin:end]), tuple(heights[begin:end])) for begin, end in zip(begins, ends, strict=True)
    ]


def new_rows(samples: Samples, known: Baseline) -> Integers:
    """The rows of ``samples`` that ``known`` does not stand for. Of equal samples, as many as there are more."""
    left = Counter(known.marks)

    def is_new(mark: bytes) -> bool:
        if not left[mark]:
            return True
        left[mark] -= 1
        return False

    return np.flatnonzero(np.fromiter(map(is_new, _marks(samples)), dtype=np.bool_, count=len(samples)))


def _marks(samples: Samples) -> Iterator[bytes]:
    """What tells each sample from others, wherever its line stands."""
    names = (samples.category, samples.complexity, samples.task_id, samples.model, samples.finish_reason_raw)
    tables = [[*column.names, None] for column in names]  # the last is `UNKNOWN`
    counts = (
        *(samples.predicted_output_tokens, samples.output_tokens, samples.budget_tokens, samples.max_tokens),
        *(samples.truncated, samples.success, samples.deliverable_count),
    )
    for part in blocks(len(samples)):
        times = samples.time[part].astype(str).tolist()
        numbers = zip(*(column[part].tolist() for column in counts), strict=True)
        codes = zip(*(column.codes[part].tolist() for column in names), strict=True)
        for time, counted_, coded in zip(times, numbers, codes, strict=True):
            named = [table[code] for table, code in zip(tables, coded, strict=True)]
            yield blake2b(repr((time, list(counted_), named)).encode(), digest_size=MARK_BYTES).digest()
