"""Ask an estimator about every recorded call."""

from __future__ import annotations

from array import array
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pytest_token_telemetry.replay.estimator import Request, ask, tells_outcome
from pytest_token_telemetry.samples import UNKNOWN, stored

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from pytest_token_telemetry.replay.estimator import Answer
    from pytest_token_telemetry.replay.watch import Watch
    from pytest_token_telemetry.samples import Counts, Integers, Samples

ERRORS_KEPT = 10
"""Invalid predictions that are listed, and reasons for them."""

_MOST_REASONS = 1000
"""Reasons that are counted: an estimator may give another one for each call."""


@dataclass(frozen=True, slots=True)
class Replay:
    """The estimator that is judged, what it answered, and the same of the one that it is compared with."""

    estimator: str
    head: Estimates
    base_estimator: str | None = None
    base: Estimates | None = None
    source: str | None = None
    """Where the estimator is defined, as ``file:line``, if Python knows."""
    commits: tuple[str, str] | None = None
    """Of the two checkouts, the base's and the head's, if they are two and git knows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimates:
    """What an estimator answered, as columns of one entry for each sample, asked about or not."""

    predicted_output_tokens: Counts
    """`UNKNOWN` where there is no prediction."""
    budget_tokens: Counts
    """`UNKNOWN` where the estimator picked none."""
    cannot: int
    """How many calls it said that it cannot replay."""
    wrong: int
    """How many answers were invalid predictions."""
    errors: tuple[tuple[int, str], ...]
    """The first of those: the sample's row and what went wrong. It may quote the estimator's own words."""
    reasons: tuple[tuple[int, str, int], ...] = ()
    """What went wrong most often: the first sample's row, the reason, and the number of calls."""


def replay(
    samples: Samples, rows: Integers, estimator: Callable[[Request], object], watch: Watch | None = None
) -> Estimates:
    """Ask ``estimator`` about the samples in ``rows`` (ascending indices into ``samples``), in this process.

    Raises:
        Overdue: the ``watch`` says so.
    """

    def answers() -> Iterator[Answer]:
        for request in requests(samples, rows):
            if watch is not None:
                watch.begin()
            yield ask(estimator, request)

    return estimates(answers(), rows, len(samples))


def requests(samples: Samples, rows: Integers) -> Iterator[Request]:
    """Make one request for each of ``rows``, indices into ``samples``, in that order."""
    texts = (samples.category, samples.complexity, samples.task_id, samples.model, samples.operation)
    names = [[*column.names, None] for column in texts]  # the last is what `UNKNOWN`, -1, looks up
    columns = zip(
        rows.tolist(),
        samples.predicted_output_tokens[rows].tolist(),
        samples.deliverable_count[rows].tolist(),
        *(column.codes[rows].tolist() for column in texts),
        strict=True,
    )
    for row, predicted, count, category, complexity, task_id, model, operation in columns:
        features = samples.features.get(row)
        yield Request(
            predicted_output_tokens=None if predicted == UNKNOWN else predicted,
            category=names[0][category],
            complexity=names[1][complexity],
            deliverable_count=None if count == UNKNOWN else count,
            task_id=names[2][task_id],
            model=names[3][model],
            operation=names[4][operation],
            features=_features(features) if features else {},
        )


def _features(recorded: Mapping[str, str]) -> dict[str, str | bool]:
    """Those that are known before the call. A text of a flag is true even if it says false."""
    return {name: _FLAGS.get(text, text) for name, text in recorded.items() if not tells_outcome(name)}


_FLAGS = {"True": True, "False": False, "true": True, "false": False}


def estimates(answers: Iterable[Answer], rows: Integers, samples: int) -> Estimates:
    """The ``answers`` for ``rows`` as columns of ``samples`` entries."""
    # A number that 32 bits do not hold raises OverflowError here; numpy may wrap it in silence.
    predicted = array("i", [UNKNOWN]) * samples
    budgets = array("i", [UNKNOWN]) * samples
    cannot = wrong = 0
    errors: list[tuple[int, str]] = []
    first: dict[str, int] = {}
    counts: Counter[str] = Counter()
    for row, answer in zip(rows.tolist(), answers, strict=True):
        if answer.predicted_output_tokens is not None:
            predicted[row] = answer.predicted_output_tokens
        if answer.budget_tokens is not None:
            budgets[row] = answer.budget_tokens
        cannot += answer.cannot
        if answer.error is not None:
            wrong += 1
            if len(errors) < ERRORS_KEPT:
                errors.append((row, answer.error))
            if answer.error in first or len(first) < _MOST_REASONS:
                first.setdefault(answer.error, row)
                counts[answer.error] += 1
    return Estimates(
        predicted_output_tokens=np.array(predicted),
        budget_tokens=stored(np.array(budgets)),
        cannot=cannot,
        wrong=wrong,
        errors=tuple(errors),
        reasons=tuple((first[reason], reason, count) for reason, count in counts.most_common(ERRORS_KEPT)),
    )
