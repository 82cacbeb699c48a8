"""Ask an estimator about every recorded call: in this process, or in one of its own.

Two versions of one module cannot be imported side by side in one process, and what the base estimator prints or leaves
behind must not touch the session. So it runs this module in a process of its own: requests come in as lines of JSON,
answers go out as such.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from array import array
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pytest_token_telemetry.importing import location
from pytest_token_telemetry.replay.estimator import Answer, Request, ask, tells_outcome
from pytest_token_telemetry.samples import UNKNOWN, stored

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from pytest_token_telemetry.importing import Location
    from pytest_token_telemetry.samples import Counts, Integers, Samples

ERRORS_KEPT = 10
"""Invalid predictions that are listed."""


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


def replay(samples: Samples, rows: Integers, estimator: Callable[[Request], object]) -> Estimates:
    """Ask ``estimator`` about the samples in ``rows`` (ascending indices into ``samples``), in this process."""
    return _estimates((ask(estimator, request) for request in requests(samples, rows)), rows, len(samples))


def replay_apart(samples: Samples, rows: Integers, where: Location, here: Path, search: Sequence[str]) -> Estimates:
    """Ask the estimator at ``where`` about the samples in ``rows``, in a process of its own.

    Args:
        samples: calls.
        rows: ascending indices into ``samples``.
        where: the estimator.
        here: the directory in which the process starts.
        search: the directories in which it looks for modules.

    Raises:
        LookupError: with one sentence, if the estimator cannot be loaded or its process ends early.
    """
    with tempfile.TemporaryFile("w+", encoding="utf-8") as questions:
        questions.writelines(json.dumps(asdict(request)) + "\n" for request in requests(samples, rows))
        questions.seek(0)
        # -P: a module of the user's that is named as one of Python's own must not take its place.
        run = subprocess.run(  # noqa: S603 - the interpreter that runs this, with arguments of ours
            [sys.executable, "-P", "-m", __name__, str(where), str(where.home or here)],
            stdin=questions,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, search))},
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


def main(spec: str, home: str) -> int:
    """Be the other process of `replay_apart`: answer the requests on standard input until it ends.

    What the estimator at ``spec`` prints goes to standard error. A module without a directory may lie in ``home``.
    """
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    try:
        estimator = location(spec).below(Path(home)).load()
    except LookupError as error:
        answers.write(json.dumps({"refused": str(error)}) + "\n")
        return 1
    answers.write(json.dumps({"refused": None}) + "\n")
    for line in sys.stdin:
        answers.write(json.dumps(ask(estimator, Request(**json.loads(line)))._asdict()) + "\n")
    answers.flush()
    return 0


def requests(samples: Samples, rows: Integers) -> Iterator[Request]:
    """Make one request for each of ``rows``, indices into ``samples``, in that order."""
    texts = (samples.category, samples.complexity, samples.task_id, samples.model)
    names = [[*column.names, None] for column in texts]  # the last is what `UNKNOWN`, -1, looks up
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
            features={name: text for name, text in features.items() if not tells_outcome(name)} if features else {},
        )


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


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
