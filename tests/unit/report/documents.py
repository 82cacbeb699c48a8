"""Report files as the gate writes them, and as somebody may have changed them."""

from __future__ import annotations

import copy
import itertools
import json
from collections.abc import Callable
from typing import Any

from pytest_token_telemetry.gate.findings import Past
from pytest_token_telemetry.past.baseline import Baseline
from pytest_token_telemetry.past.history import PastVerdict
from pytest_token_telemetry.report.json_file import render
from tests.unit.gate.cases import (
    Estimator,
    baseline_of,
    call,
    cut_off,
    judge,
    reading,
    ready,
    replay_of,
    settings,
    verdict,
)

Document = dict[str, Any]


def _document(*arguments: Any, **settings: Any) -> Document:
    return json.loads(render(verdict(*arguments, **settings)))


_DOCUMENTS = {
    "pass": _document(ready(60)),
    "tune": _document([*ready(54), *[cut_off(category="docs", task_id=f"phase-{n}") for n in range(6)]]),
    "not-ready": _document([call() for _ in range(5)]),
    "inconclusive": _document(ready(30), confidence="95%"),
}
"""60 calls without an event; 6 of 60 truncated; 5 calls of one kind; 30 calls that prove nothing."""

VERDICTS = tuple(_DOCUMENTS)

HISTORY = tuple(
    PastVerdict(f"2026-01-0{n}T09:00:00Z", "tune" if n == 3 else "pass", 100, n / 50, None, f"0123abc{n}")
    for n in (0, 1, 3)
)


def _answers(low: range, tokens: int) -> Estimator:
    """An estimator that predicts 1000 tokens, and only ``tokens`` for the calls whose numbers are in ``low``."""
    numbers = itertools.count()
    return lambda request: (tokens if next(numbers) in low else 1000, 4096)


def _past(
    estimator: Estimator | None = None,
    base: Estimator | None = None,
    known: Baseline | None = None,
    history: tuple[PastVerdict, ...] | None = None,
    **written: str,
) -> Document:
    """The report on 60 calls that took 900 tokens, held against all that."""
    read, under = reading(ready(60)), settings(**written)
    replay = None if estimator is None else replay_of(read.samples, under, estimator, base)
    return json.loads(render(judge(read, under, past=Past(replay=replay, baseline=known, history=history))))


_LAST_THREE, _FIRST_TWO = range(57, 60), range(2)
_SHORTER = baseline_of(ready(60, 1000, 500))
"""60 calls that took 500 tokens."""

_DOCUMENTS |= {
    "compared": _past(
        _answers(_LAST_THREE, 899), _answers(_FIRST_TWO, 800), _SHORTER, HISTORY, baseline="baseline.json"
    ),
    "replayed": _past(_answers(_LAST_THREE, 899), baseline="baseline.json"),
    "unanswered": _past(lambda request: None),
    "lacking": _document([call(category=each) for each in "abbccc"], min_samples="1", require="predictions,caps"),
    "required": _document(ready(60), require_categories="any", require="predictions"),
    "capped": _document(ready(60, max_tokens=2048)),
    "drifted": _past(known=_SHORTER, history=(), baseline="baseline.json", drift="fail"),
}
"""Head predicts too little for the last three calls, base for the first two; without base, and without a baseline yet;
an estimator that answers nothing (NOT READY); calls of other categories than the required ones, without the caps that
are required (NOT READY); what is required is there; caps; drift that fails (TUNE)."""

NAMES = tuple(_DOCUMENTS)


def document(name: str = "pass") -> Document:
    """The report of a gate that ended in the verdict ``name``, or that is called so, to be changed at will."""
    return copy.deepcopy(_DOCUMENTS[name])


def report(name: str = "pass", change: Callable[[Document], object] | None = None) -> bytes:
    """The same as the content of a file."""
    found = document(name)
    if change is not None:
        change(found)
    return json.dumps(found).encode()


def check(found: Document, id: str) -> Document:
    """One of its checks."""
    return next(each for each in found["checks"] if each["id"] == id)
