"""All that the checks and the words about them look at: the figures of what was read, under the settings.

Among them are the counts: how many there are of everything that was read and judged.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import starmap
from typing import TYPE_CHECKING, Annotated

import numpy as np
from msgspec import Meta, Struct, field

from pytest_token_telemetry.analysis.attempts import Attempts, attempts
from pytest_token_telemetry.analysis.budgets import Budgets, budgets
from pytest_token_telemetry.analysis.caps import CapUse, RepeatedOutput, cap_use, repeated_output
from pytest_token_telemetry.analysis.carried import Carried, carried
from pytest_token_telemetry.analysis.groups import counted
from pytest_token_telemetry.analysis.listed import listed
from pytest_token_telemetry.analysis.metrics import NO_CALLS, Metrics, Share, metrics
from pytest_token_telemetry.analysis.number_ranges import Count, Names
from pytest_token_telemetry.analysis.populations import Judged, distinct_tasks, judged, rows_of_one_per_task
from pytest_token_telemetry.analysis.readiness import Readiness, readiness
from pytest_token_telemetry.analysis.replayed import askable, cut_offs, with_estimates
from pytest_token_telemetry.analysis.strata import Labels, Strata, labels, strata
from pytest_token_telemetry.samples import UNKNOWN
from pytest_token_telemetry.sources.places import Within

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_token_telemetry.analysis.carried import Kind, Question
    from pytest_token_telemetry.past.baseline import Baseline
    from pytest_token_telemetry.past.history import PastVerdict
    from pytest_token_telemetry.replay.run import Estimates, Replay
    from pytest_token_telemetry.samples import Integers, Mask, Samples
    from pytest_token_telemetry.settings import Settings
    from pytest_token_telemetry.sources.reading import Reading


MOST_REASONS = 100
"""Reasons for unusable lines that are listed: more of them help nobody."""


MOST_WORDS = 10
"""Words for the end of an output that are kept of those that are not known."""

MOST_DROPS = 50
"""Reasons for dropped samples that are listed."""


class ReasonCount(Struct, frozen=True):
    """Lines that should be samples and cannot be, for one reason."""

    count: Count
    places: Names
    """The first of them, as ``file:line``. Untrusted."""


class UnusableCount(Struct, frozen=True):
    """Telemetry lines that could not be used."""

    total: Count = 0
    reasons: Annotated[dict[str, ReasonCount], Meta(max_length=1000)] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.total != sum(lines.count for lines in self.reasons.values()):
            raise ValueError("total is not the sum of its reasons")


class UnfoundField(Struct, frozen=True):
    """A field of a map whose paths lead to a value in no record, or what else it does not read."""

    map: str
    field: str
    path: str
    """As the map writes it. Untrusted, as the others are."""
    records: Count


class UnusedColumn(Struct, frozen=True):
    """A column of CSV files, tables or side files, or a key of metadata, that no field takes."""

    column: str
    """Untrusted."""
    field: str
    """What it may be; empty: nothing that a verdict needs. Untrusted."""
    files: Count
    """How many have it: files, tables and queries, or calls with such metadata."""
    within: Within = "csv"
    """What has it."""


class Counts(Struct, frozen=True, kw_only=True):
    """How many there are of everything. What an older report does not count is 0."""

    samples: Count
    attempts: Count
    """Samples that say whether they were truncated."""
    successes: Count
    risk: Count
    """Successful or truncated, with a prediction."""
    legacy: Count
    """V1 samples."""
    no_ratio: Count
    """Samples whose prediction or output is not above 0."""
    duplicates: Count
    doubled_files: Count = 0
    """Files in which every record stands several times in a row."""
    unusable: UnusableCount
    uncounted: Share = NO_CALLS
    """Of those lines, the calls that the truncation rate has too, as they say how they ended: the truncated of all."""
    files: Count
    tests: Count = 0
    """That recorded."""
    tables: Count = 0
    """Of databases."""
    empty_tables: Count = 0
    """Those that were read and have no row."""
    unreadable_files: Count
    runs: Count
    tasks: Count
    """The distinct tasks that samples name."""
    with_task: Count = 0
    """Samples that name their task."""
    silent_on_success: Count = 0
    """Samples with a prediction, legacy ones aside, that do not say whether they succeeded."""
    over_budget: Count = 0
    """Samples whose output exceeds their budget although nothing truncated them."""
    over_cap: Count = 0
    """Samples whose output exceeds their cap although nothing truncated them."""
    predicted_caps: Count = 0
    """Samples whose prediction is their cap."""
    by_cap: Count = 0
    """Truncated samples of which only the cap tells it."""
    broke_off: Count = 0
    """Samples that ended with an error, of which nothing else tells whether they were truncated: no attempts."""
    unknown_reasons: Annotated[dict[str, Count], Meta(max_length=50)] = field(default_factory=dict)
    """Why outputs ended in words that are not known, of samples that nothing else tells whether they were truncated:
    the most frequent words, each with how many samples. Untrusted."""
    settled_reasons: Annotated[dict[str, Count], Meta(max_length=50)] = field(default_factory=dict)
    """The same of samples of which the cap, or who recorded them, says whether they were truncated, but for the word
    ``unknown``, with which nobody means another one. Untrusted."""
    lost_tests: Count = 0
    """Tests whose records a dead worker took with it."""
    deselected_tests: Count = 0
    mentions: Count = 0
    """Tags that no record follows."""
    remarks: Annotated[dict[str, Count], Meta(max_length=50)] = field(default_factory=dict)
    """What could not be joined, by why: see `Remark`."""
    skipped: Annotated[dict[str, Count], Meta(max_length=50)] = field(default_factory=dict)
    """Records that are no sample and should be none, by reason. Untrusted."""
    unfound: Annotated[tuple[UnfoundField, ...], Meta(max_length=50)] = ()
    unused_columns: Annotated[tuple[UnusedColumn, ...], Meta(max_length=50)] = ()
    dropped: Annotated[dict[str, Count], Meta(max_length=50)] = field(default_factory=dict)
    """Samples that a plugin dropped before they were judged, by the reason that it gave. Untrusted."""
    relabelled: Count = 0
    """Samples that a plugin gave other labels."""
    nothing_known: Count = 0
    """Files that were read and have no sample, no unusable line and no tag."""
    look_like: Annotated[dict[str, Count], Meta(max_length=50)] = field(default_factory=dict)
    """What these look like, where there are no others, with how many do."""
    near_misses: Annotated[dict[str, Count], Meta(max_length=50)] = field(default_factory=dict)
    """Where no file matches: patterns of names that are there, with how many. Untrusted."""
    copies_of_tests: Count = 1
    """How often each test ran, on a worker of its own each time."""
    towards: Count | None = None
    """Samples that count towards how many are needed. ``None`` in an older report: the successful ones."""
    carried: Carried | None = None
    """What the samples carry that take part. ``None`` in an older report, which judged predictions."""

    @property
    def counted(self) -> int:
        """Samples that count towards how many are needed."""
        return self.successes if self.towards is None else self.towards

    @property
    def question(self) -> Question:
        """What is judged."""
        return "predictions" if self.carried is None else self.carried.question


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
    recorded: Samples
    """The same if an estimator is replayed too: with what was sent at the time, and calls that it cannot replay."""
    lengths: Samples
    """Those that take part, truncated where they were: an output that another budget would truncate is known whole."""
    settings: Settings
    judged: Judged
    labels: Labels
    carried: Carried
    metrics: Metrics
    cap_use: CapUse
    repeated_output: RepeatedOutput | None
    budgets: Budgets
    """Recorded ones, by the predictions of their time, also if an estimator is replayed."""
    readiness: Readiness
    readiness_recorded: Readiness
    """The same if an estimator is replayed too: with calls that it cannot replay."""
    strata: Strata
    counts: Counts
    attempts: Attempts
    """Of all that was read."""
    replayed: Replayed | None
    """What was replayed, if an estimator is judged."""

    @property
    def unusable(self) -> int:
        """Telemetry lines that could not be used."""
        return self.counts.unusable.total

    def place(self, samples: Samples, row: int) -> str:
        """Where the sample in this row of ``samples`` stands: a line of a file, or a test and which of its samples."""
        return self.reading.place(samples, row)


@dataclass(frozen=True, slots=True)
class Replayed:
    """The recorded calls for which the estimator has a prediction, with the predictions of their time."""

    replay: Replay
    calls: int
    """All that it was asked about and that would be judged."""
    rows: Integers
    """Which of the reading's samples they are."""
    recorded: Samples
    listed: Samples
    """Samples that it was not asked about, as `askable` says: they are not judged."""


def find(reading: Reading, settings: Settings, replay: Replay | None = None) -> Findings:
    """The figures of ``reading``, or of what ``replay`` makes of it, under ``settings``."""
    rows, samples = None, reading.samples
    if settings.one_per_task:
        rows = rows_of_one_per_task(samples)
        samples = samples.take(rows)
    legacy = int(np.count_nonzero(samples.legacy))
    replayed = None
    recorded, carry, use = samples, carried(samples), cap_use(samples)
    if replay is None:
        population, lengths = judged(samples, settings.population, settings.under_multiplier), samples
    else:
        rows = np.arange(len(samples)) if rows is None else rows
        asked = askable(samples, judges_legacy=settings.population == "all")
        replayed = _replayed(samples, rows, replay, asked)
        kept = np.isin(rows, replayed.rows) | (~asked & ~samples.legacy)  # calls without a prediction stay attempts
        at_the_time = samples.take(np.flatnonzero(kept))
        samples, population = with_answers(at_the_time, replay.head, rows[kept], settings)
        lengths = replace(samples, truncated=at_the_time.truncated[:])
        carry = replace(carry, predictions=max(carry.predictions, len(replayed.rows)))
    risk = population if settings.population == "risk" else judged(samples, "risk", settings.under_multiplier)
    uncounted = NO_CALLS
    if settings.population == "risk" and replay is None and population.attempts.any():
        uncounted = Share(reading.uncounted.truncated, reading.uncounted.attempts)
    labelled = labels(samples, settings.alias, settings.require_deliverables)

    def readiness_of(samples: Samples, labelled: Labels) -> Readiness:
        return readiness(
            samples,
            labelled,
            carry,
            categories=_required("categories", settings, carry),
            complexities=_required("complexities", settings, carry),
            deliverables=_required("deliverables", settings, carry),
        )

    there = there_recorded = readiness_of(samples, labelled)
    if replay is not None:
        there_recorded = readiness_of(recorded, labels(recorded, settings.alias, settings.require_deliverables))
    return Findings(
        reading=reading,
        samples=samples,
        recorded=recorded,
        lengths=lengths,
        settings=settings,
        judged=population,
        labels=labelled,
        carried=carry,
        metrics=metrics(samples, population, uncounted),
        cap_use=use,
        repeated_output=repeated_output(samples),
        budgets=budgets(samples if replayed is None else replayed.recorded),
        readiness=there,
        readiness_recorded=there_recorded,
        strata=strata(
            samples,
            population,
            labelled,
            max_underestimation=float(settings.max_underestimation),
            max_truncation=float(settings.max_truncation),
        ),
        counts=_counts(
            reading,
            samples,
            there,
            carry,
            at_risk=risk.at_risk,
            legacy=legacy,
            no_ratio=_no_ratio(samples) + (_no_ratio(replayed.listed) if replayed is not None else 0),
            uncounted=uncounted,
        ),
        attempts=attempts(reading.samples),
        replayed=replayed,
    )


def _required(kind: Kind, settings: Settings, carried: Carried) -> tuple[str, ...]:
    """What of a mix of work is required. A default is not, where the data does not owe it."""
    name = f"require_{kind}"
    required: tuple[str, ...] = getattr(settings, name)
    return required if name in settings.chosen or carried.owes(kind) else ()


def _counts(
    reading: Reading,
    samples: Samples,
    readiness: Readiness,
    carried: Carried,
    *,
    at_risk: Mask,
    legacy: int,
    no_ratio: int,
    uncounted: Share,
) -> Counts:
    """How many there are in ``reading``, of which ``samples`` are judged."""
    recorded = reading.recorded
    with_task, tasks = distinct_tasks(reading.samples)
    over_budget = (samples.budget_tokens >= 0) & (samples.output_tokens > samples.budget_tokens)
    is_prediction = samples.max_tokens == samples.predicted_output_tokens
    over_cap = (samples.max_tokens > 0) & (samples.output_tokens > samples.max_tokens)
    reasons, words = _reasons(reading), samples.finish_reason_raw
    return Counts(
        samples=len(reading.samples),
        attempts=readiness.attempts,
        successes=readiness.successes,
        risk=int(np.count_nonzero(at_risk)),
        legacy=legacy,
        no_ratio=no_ratio,
        duplicates=reading.duplicates,
        doubled_files=len(reading.doubled),
        unusable=UnusableCount(sum(lines.count for lines in reasons.values()), reasons),
        uncounted=uncounted,
        files=reading.count("file"),
        tests=reading.count("test"),
        tables=reading.count("table"),
        empty_tables=reading.empty_tables,
        unreadable_files=len(reading.unreadable),
        runs=len(samples.run.names),
        tasks=tasks,
        with_task=with_task,
        silent_on_success=readiness.silent_on_success,
        over_budget=int(np.count_nonzero(over_budget & (samples.truncated == 0))),
        over_cap=int(np.count_nonzero(over_cap & (samples.truncated == 0))),
        predicted_caps=int(np.count_nonzero((samples.max_tokens > 0) & is_prediction)),
        broke_off=int(np.count_nonzero((samples.truncated == UNKNOWN) & samples.finish_reason.is_name("error"))),
        unknown_reasons=_unknown_reasons(samples, samples.truncated == UNKNOWN),
        settled_reasons=_unknown_reasons(samples, (samples.truncated != UNKNOWN) & ~words.is_name("unknown")),
        by_cap=int(np.count_nonzero((samples.truncated == 1) & samples.truncation_source.is_name("cap"))),
        lost_tests=0 if recorded is None else len(recorded.lost),
        deselected_tests=0 if recorded is None else recorded.deselected,
        mentions=reading.mentions,
        remarks={str(each): n for each, n in reading.remarks.items()},
        skipped=dict([*reading.skipped.items()][:50]),
        unfound=tuple(starmap(UnfoundField, reading.unfound[:50])),
        unused_columns=tuple(
            starmap(UnusedColumn, sorted(reading.unused_columns, key=lambda each: not each.field)[:50])
        ),
        dropped=_dropped(reading.dropped),
        relabelled=reading.relabelled,
        nothing_known=reading.nothing_known,
        look_like=reading.look_like,
        near_misses=reading.near_misses,
        copies_of_tests=1 if recorded is None else recorded.copies,
        towards=readiness.counted,
        carried=carried,
    )


def _unknown_reasons(samples: Samples, rows: Mask) -> dict[str, int]:
    """The words that are not known of those ``rows`` of ``samples``."""
    rows = rows & samples.finish_reason.is_name("unknown")
    words = samples.finish_reason_raw
    counts = counted(words.codes, rows, len(words.names))[:-1]  # the last are those without a word
    most = np.argsort(-counts, kind="stable")[:MOST_WORDS].tolist()
    return {words.names[code]: int(counts[code]) for code in most if counts[code]}


def _dropped(dropped: Mapping[str, int]) -> dict[str, int]:
    """How many samples were dropped for each reason; beyond the most frequent ones, the others are one."""
    most = [*dropped.items()]
    if len(most) <= MOST_DROPS:
        return dict(most)
    shown = dict(most[: MOST_DROPS - 1])
    return {**shown, f"{len(most) - len(shown)} other reasons": sum(dropped.values()) - sum(shown.values())}


def _reasons(reading: Reading) -> dict[str, ReasonCount]:
    """Why lines are unusable, in the order of the reading; beyond the most frequent reasons, the others are one."""
    every = {reason: ReasonCount(lines.count, tuple(lines.places)) for reason, lines in reading.unusable.items()}
    frequent = sorted(every, key=lambda reason: -every[reason].count)[:MOST_REASONS]
    kept = set(frequent[: listed("".join((reason, *every[reason].places)) for reason in frequent)])
    others = [lines for reason, lines in every.items() if reason not in kept]
    found = {reason: lines for reason, lines in every.items() if reason in kept}
    if others:
        found[f"{len(others):,} other reasons"] = ReasonCount(sum(lines.count for lines in others), ())
    return found


def with_answers(recorded: Samples, estimates: Estimates, rows: Integers, settings: Settings) -> tuple[Samples, Judged]:
    """Recorded calls with what an estimator says of them, and which of them count.

    If it picks budgets, the truncation rate is theirs: calls that it was not asked about are none of its attempts.

    Args:
        recorded: calls for which there is a prediction, or that were not asked about and have none.
        estimates: the answers, one entry for each sample of the reading.
        rows: which of those samples the calls are.
        settings: the population that is judged.
    """
    predicted, budgets = estimates.predicted_output_tokens[rows], estimates.budget_tokens[rows]
    cut = cut_offs(recorded, budgets)
    samples = with_estimates(recorded, predicted, budgets, cut)
    counts = judged(samples, settings.population, settings.under_multiplier)
    counts = counts.with_open(cut.unknown, of_caps=predicted == budgets)
    if (estimates.budget_tokens != UNKNOWN).any():
        counts = counts.without_attempts(predicted == UNKNOWN)
    return samples, counts


def _replayed(samples: Samples, rows: Integers, replay: Replay, asked: Mask) -> Replayed:
    """Those of ``samples``, which are the ``rows`` of what was read, for which there is a prediction."""
    answered = asked & (replay.head.predicted_output_tokens[rows] != UNKNOWN)
    return Replayed(
        replay=replay,
        calls=int(np.count_nonzero(asked)),
        rows=rows[answered],
        recorded=samples.take(np.flatnonzero(answered)),
        listed=samples.take(np.flatnonzero(~asked & samples.legacy)),
    )


def _no_ratio(samples: Samples) -> int:
    predicted = samples.predicted_output_tokens
    return int(np.count_nonzero((predicted == 0) | ((predicted != UNKNOWN) & (samples.output_tokens == 0))))
