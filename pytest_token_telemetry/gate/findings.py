"""All that the checks and the words about them look at: the figures of what was read, under the settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pytest_token_telemetry.analysis.metrics import Metrics, metrics
from pytest_token_telemetry.analysis.populations import Judged, judged
from pytest_token_telemetry.analysis.readiness import Readiness, readiness
from pytest_token_telemetry.analysis.strata import Labels, Strata, labels, strata

if TYPE_CHECKING:
    from pytest_token_telemetry.settings import Settings
    from pytest_token_telemetry.sources.reading import Reading


@dataclass(frozen=True, slots=True)
class Findings:
    """What was read, and its figures."""

    reading: Reading
    settings: Settings
    judged: Judged
    labels: Labels
    metrics: Metrics
    readiness: Readiness
    strata: Strata
    no_ratio: int
    """Samples whose prediction or output is not above 0."""

    @property
    def unusable(self) -> int:
        """Telemetry lines that could not be used."""
        return sum(lines.count for lines in self.reading.unusable.values())

    @property
    def legacy(self) -> int:
        """V1 samples."""
        return int(np.count_nonzero(self.reading.samples.legacy))


def find(reading: Reading, settings: Settings) -> Findings:
    """The figures of ``reading`` under ``settings``."""
    samples = reading.samples
    population = judged(samples, settings.population, settings.under_multiplier)
    labelled = labels(samples, settings.alias)
    return Findings(
        reading=reading,
        settings=settings,
        judged=population,
        labels=labelled,
        metrics=metrics(samples, population),
        readiness=readiness(
            samples,
            labelled,
            categories=settings.require_categories,
            complexities=settings.require_complexities,
            deliverables=settings.require_deliverables,
        ),
        strata=strata(samples, population, labelled),
        no_ratio=int(np.count_nonzero((samples.predicted_output_tokens <= 0) | (samples.output_tokens == 0))),
    )
