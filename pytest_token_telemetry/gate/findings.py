"""All that the checks and the words about them look at: the figures of what was read, under the settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pytest_token_telemetry.analysis.metrics import Metrics, metrics
from pytest_token_telemetry.analysis.populations import Judged, distinct_tasks, judged, rows_of_one_per_task
from pytest_token_telemetry.analysis.readiness import Readiness, readiness
from pytest_token_telemetry.analysis.replayed import CutOffs, askable, cut_offs, with_estimates
from pytest_token_telemetry.analysis.strata import Labels, Strata, labels, strata
from pytest_token_telemetry.samples import UNKNOWN

if TYPE_CHECKING:
    from pytest_token_telemetry.past.baseline import Baseline
    from pytest_token_telemetry.past.history import PastVerdict
    from pytest_token_telemetry.replay.run import Replay
    from pytest_token_telemetry.samples import Integers, Samples
    from pytest_token_telemetry.settings import Settings
    from pytest_token_telemetry.sources.reading import Reading


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """What samples are held against, as far as it was asked for."""

    replay: Replay | None = None
    baseline: Baseline | None = None
    """``None`` also if there is none yet where one was asked for."""
    history: tuple[PastVerdict, ...] | None = None
    """The oldest first."""


@dataclass(frozen=True, slots=True)
class Findings:
    """What was read, and its figures."""

    reading: Reading
    samples: Samples
    """Those that take part: all, or one a task."""
    settings: Settings
    judged: Judged
    labels: Labels
    metrics: Metrics
    readiness: Readiness
    strata: Strata
    no_ratio: int
    """Samples whose prediction or output is not above 0."""
    over_budget: int
    """Samples whose output exceeds their budget although nothing cut them off."""
    by_cap: int
    """Truncated samples of which only the cap tells it."""
    replayed: Replayed | None
    """What was replayed, if an estimator is judged."""
    legacy: int
    """V1 samples."""
    with_task: int
    """Samples that name their task."""
    tasks: int
    """The distinct tasks that they name."""

    @property
    def unusable(self) -> int:
        """Telemetry lines that could not be used."""
        return sum(lines.count for lines in self.reading.unusable.values())

    def place(self, samples: Samples, row: int) -> str:
        """Where the sample in this row of ``samples`` stands: a line of a file, or a test and which of its samples."""
        file, line = self.reading.files[samples.file[row]], int(samples.line[row])
        return f"{file.path}:{line}" if file.kind == "file" else f"{file.path} #{line}"


@dataclass(frozen=True, slots=True)
class Replayed:
    """The recorded calls for which the estimator has a prediction, with the predictions of their time."""

    replay: Replay
    calls: int
    """All that it was asked about and that would be judged."""
    rows: Integers
    """Which of the reading's samples they are."""
    recorded: Samples
    cut: CutOffs
    listed: Samples
    """Legacy samples that it was not asked about: they are not judged."""


def find(reading: Reading, settings: Settings, replay: Replay | None = None) -> Findings:
    """The figures of ``reading``, or of what ``replay`` makes of it, under ``settings``."""
    rows, samples = None, reading.samples
    if settings.one_per_task:
        rows = rows_of_one_per_task(samples)
        samples = samples.take(rows)
    legacy = int(np.count_nonzero(samples.legacy))
    replayed = None
    if replay is not None:
        rows = np.arange(len(samples)) if rows is None else rows
        replayed = _replayed(samples, rows, replay, judges_legacy=settings.population == "all")
        samples = with_estimates(
            replayed.recorded,
            replay.head.predicted_output_tokens[replayed.rows],
            replay.head.budget_tokens[replayed.rows],
            replayed.cut,
        )
    with_task, tasks = distinct_tasks(reading.samples)
    over_budget = (samples.budget_tokens >= 0) & (samples.output_tokens > samples.budget_tokens)
    population = judged(samples, settings.population, settings.under_multiplier)
    if replayed is not None:
        population = population.without_attempts(replayed.cut.unknown)
    labelled = labels(samples, settings.alias)
    return Findings(
        reading=reading,
        samples=samples,
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
        strata=strata(
            samples,
            population,
            labelled,
            max_underestimation=float(settings.max_underestimation),
            max_truncation=float(settings.max_truncation),
        ),
        no_ratio=_no_ratio(samples) + (_no_ratio(replayed.listed) if replayed is not None else 0),
        over_budget=int(np.count_nonzero(over_budget & (samples.truncated == 0))),
        by_cap=int(np.count_nonzero((samples.truncated == 1) & samples.truncation_source.is_name("cap"))),
        replayed=replayed,
        legacy=legacy,
        with_task=with_task,
        tasks=tasks,
    )


def _replayed(samples: Samples, rows: Integers, replay: Replay, *, judges_legacy: bool) -> Replayed:
    """Those of ``samples``, which are the ``rows`` of what was read, for which there is a prediction."""
    asked = askable(samples, judges_legacy=judges_legacy)
    answered = asked & (replay.head.predicted_output_tokens[rows] != UNKNOWN)
    recorded = samples.take(np.flatnonzero(answered))
    kept = rows[answered]
    return Replayed(
        replay=replay,
        calls=int(np.count_nonzero(asked)),
        rows=kept,
        recorded=recorded,
        cut=cut_offs(recorded, replay.head.budget_tokens[kept]),
        listed=samples.take(np.flatnonzero(~asked)),
    )


def _no_ratio(samples: Samples) -> int:
    return int(np.count_nonzero((samples.predicted_output_tokens <= 0) | (samples.output_tokens == 0)))
