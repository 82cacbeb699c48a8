"""Report files as the gate writes them, and as somebody may have changed them."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

from pytest_token_telemetry.reporters.json import render
from tests.unit.gate.cases import call, cut_off, ready, verdict

Document = dict[str, Any]


def _document(*arguments: Any, **settings: Any) -> Document:
    return json.loads(render(verdict(*arguments, **settings)))


_DOCUMENTS = {
    "pass": _document(ready(60)),
    "tune": _document([*ready(54), *[cut_off(category="docs", task_id=f"phase-{n}") for n in range(6)]]),
    "not-ready": _document([call() for _ in range(5)]),
    "inconclusive": _document(ready(30), confidence="95%"),
}
"""60 calls without an event; 6 of 60 cut off; 5 calls of one kind; 30 calls that prove nothing."""

VERDICTS = tuple(_DOCUMENTS)


def document(verdict: str = "pass") -> Document:
    """The report of a gate that ended in ``verdict``, to be changed at will."""
    assert _DOCUMENTS[verdict]["verdict"] == verdict
    return copy.deepcopy(_DOCUMENTS[verdict])


def report(verdict: str = "pass", change: Callable[[Document], object] | None = None) -> bytes:
    """The same as the content of a file."""
    found = document(verdict)
    if change is not None:
        change(found)
    return json.dumps(found).encode()


def check(found: Document, id: str) -> Document:
    """One of its checks."""
    return next(each for each in found["checks"] if each["id"] == id)
