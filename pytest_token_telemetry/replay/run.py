"""Ask an estimator about every recorded call: in this process, or in one of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from array import array
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

from pytest_token_telemetry.columns import UNKNOWN, stored
from pytest_token_telemetry.replay.answer import Answer, ask
from pytest_token_telemetry.replay.request import Request, tells_outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from pytest_token_telemetry.columns import Counts, Integers, Samples
    from pytest_token_telemetry.replay.locate import Location

ERRORS_KEPT = 10
"""Wrong answers that are listed."""


@dataclass(frozen=True, slots=True)
class Replay:
    """The estimator that is judged, what it answered, and the same of the one that it is compared with."""

    estimator: str
    head: Estimates
    base_estimator: str | None = None
    base: Estimates | None = None
    source: str | None = None
    """Where the estimator is defined, as ``file:line``, if Python knows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimates:
    """What an estimator answered, as columns of one entry a sample, asked about or not."""

    predicted_output_tokens: Counts
    """`UNKNOWN` where there is no prediction."""
    budget_tokens: Counts
    """`UNKNOWN` where the estimator picked none."""
    cannot: int
    """How many calls it said that it cannot replay."""
    wrong: int
    """How many answers were no prediction."""
    errors: tuple[tuple[int, str], ...]
    """The first of those: the sample's row and what went wrong. It may quote the estimator's own words."""


def requests(samples: Samples, rows: Integers) -> Iterator[Request]:
    """One for each of the ``samples`` in ``rows``, in that order."""
    texts = (samples.category, samples.complexity, samples.task_id, samples.model)
    names = [[*column.names, None] for column in texts]  # the code of what is not known is -1, the last
    columns = zip(
        rows.tolist(),
        samples.predicted_output_tokens[rows].tolist(),
        samples.deliverable_count[rows].tolist(),
        *(column.codes[rows].tolist() for column in texts),
        strict=True,
    )
    for row, predicted, count, category, complexity, task_id, model in columns:
        features = samples.features.get(row)
        yield Request(
            predicted_output_tokens=predicted,
            category=names[0][category],
            complexity=names[1][complexity],
            deliverable_count=None if count == UNKNOWN else count,
            task_id=names[2][task_id],
            model=names[3][model],
            features=_known_before(features) if features else {},
        )


def _known_before(features: Mapping[str, str]) -> dict[str, str]:
    """Those that do not tell how the call ended."""
    return {name: value for name, value in features.items() if not tells_outcome(name)}


def replay(samples: Samples, rows: Integers, estimator: Callable[[Request], object]) -> Estimates:
    """What ``estimator`` predicts for those of ``samples`` that are in ``rows``."""
    return _estimates((ask(estimator, request) for request in requests(samples, rows)), rows, len(samples))


def replay_apart(samples: Samples, rows: Integers, where: Location, here: Path, search: Sequence[str]) -> Estimates:
    """What the estimator at ``where`` predicts for them, asked in a process of its own.

    Args:
        samples: calls.
        rows: which of them.
        where: the estimator.
        here: where the process begins.
        search: the directories in which it looks for modules.

    Raises:
        LookupError: with one sentence, if it cannot be loaded or its process ends early.
    """
    with tempfile.TemporaryFile("w+", encoding="utf-8") as questions:
        questions.writelines(json.dumps(asdict(request)) + "\n" for request in requests(samples, rows))
        questions.seek(0)
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, search))}
        home = str(where.home or here)
        # -P: a module of the user's that is named as one of Python's own must not take its place.
        command = [sys.executable, "-P", "-m", "pytest_token_telemetry.replay.worker", str(where), home]
        run = subprocess.run(  # noqa: S603 - the interpreter that runs this, with arguments of ours
            command,
            stdin=questions,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            env=environment,
            cwd=here,
            check=False,
        )
    lines = run.stdout.splitlines()
    try:
        refused = json.loads(lines[0])["refused"] if lines else None
        if refused is not None:
            raise LookupError(str(refused))
        if run.returncode != 0 or len(lines) != len(rows) + 1:
            raise LookupError(
                f"its process ended with {run.returncode} after {max(len(lines) - 1, 0)} of {len(rows)} answers"
            )
        return _estimates((Answer(**json.loads(line)) for line in lines[1:]), rows, len(samples))
    except (ValueError, TypeError, KeyError, OverflowError):
        raise LookupError("its process wrote something else than its answers") from None


def _estimates(answers: Iterable[Answer], rows: Integers, samples: int) -> Estimates:
    """The ``answers`` for ``rows`` as columns of ``samples`` entries."""
    # A number that 32 bits do not hold raises OverflowError here; numpy may wrap it in silence.
    predicted = array("i", [UNKNOWN]) * samples
    budgets = array("i", [UNKNOWN]) * samples
    cannot = wrong = 0
    errors: list[tuple[int, str]] = []
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
    return Estimates(
        predicted_output_tokens=np.array(predicted),
        budget_tokens=stored(np.array(budgets)),
        cannot=cannot,
        wrong=wrong,
        errors=tuple(errors),
    )
