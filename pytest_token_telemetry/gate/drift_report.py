"""New calls against the baseline."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from pytest_token_telemetry.analysis.drift import Drift, drift, summaries
from pytest_token_telemetry.analysis.number_ranges import Count
from pytest_token_telemetry.analysis.populations import judged, rows_of_one_per_task
from pytest_token_telemetry.analysis.strata import labels
from pytest_token_telemetry.past.baseline import baseline, new_rows, terms

if TYPE_CHECKING:
    from pytest_token_telemetry.analysis.populations import Judged
    from pytest_token_telemetry.analysis.strata import Labels
    from pytest_token_telemetry.gate.findings import Past
    from pytest_token_telemetry.past.baseline import Baseline
    from pytest_token_telemetry.samples import Samples
    from pytest_token_telemetry.settings import Settings
    from pytest_token_telemetry.sources.reading import Reading


class DriftReport(Struct, frozen=True, kw_only=True):
    """New calls against the baseline."""

    baseline_samples: Count
    new_samples: Count
    drift: Drift | None
    """``None`` if there is no baseline yet."""


def drift_report(reading: Reading, settings: Settings, past: Past) -> DriftReport | None:
    """The calls that the baseline does not hold, against it; ``None`` if none was asked for.

    It is about the predictions that were recorded, whatever estimator is replayed: about the system, not the change.
    """
    if settings.baseline is None:
        return None
    if past.baseline is None:
        return DriftReport(baseline_samples=0, new_samples=0, drift=None)
    samples, population, named = _recorded(reading, settings)
    rows = new_rows(samples, past.baseline)
    head = summaries(samples, population, named, rows)
    return DriftReport(
        baseline_samples=past.baseline.samples,
        new_samples=len(rows),
        drift=drift(past.baseline.strata, head),
    )


def baseline_of(reading: Reading, settings: Settings) -> Baseline:
    """What to keep of ``reading``, for later calls to be compared with."""
    return baseline(
        *_recorded(reading, settings),
        terms(settings.population, settings.under_multiplier, settings.alias, one_per_task=settings.one_per_task),
    )


def _recorded(reading: Reading, settings: Settings) -> tuple[Samples, Judged, Labels]:
    """The samples that take part, with the predictions of their time: which of them count, and their categories."""
    samples = reading.samples
    if settings.one_per_task:
        samples = samples.take(rows_of_one_per_task(samples))
    population = judged(samples, settings.population, settings.under_multiplier)
    return samples, population, labels(samples, settings.alias)
