"""Reports with something in every picture, made by the gate of calls whose figures are written here."""

from __future__ import annotations

import functools
import itertools

from pytest_token_telemetry.analysis.metrics import Share
from pytest_token_telemetry.gate.findings import Past
from pytest_token_telemetry.past.history import PastVerdict
from pytest_token_telemetry.report.model import Report
from pytest_token_telemetry.sample import Sample
from tests.lines import MIX
from tests.unit.gate.cases import baseline_of, call, cut_off, judge, reading, ready, settings

HISTORY = tuple(
    PastVerdict(f"2026-01-0{n}T09:00:00Z", "pass", 100, n / 100, 0.0, f"0123abc{n}", Share(n, 100), Share(0, 100))
    for n in range(1, 5)
)


def spread(n: int = 60, **fields: object) -> list[Sample]:
    """Calls far from each other: predicted 100, 108, 117 ..., and output a third to nine tenths of that."""
    mix = itertools.islice(itertools.cycle(MIX), n)
    return [
        call(
            round(100 * 1.08**place),
            round(100 * 1.08**place * (0.33, 0.9, 0.6)[place % 3]),
            **{
                "category": category,
                "complexity": complexity,
                "deliverable_count": count,
                "max_tokens": 16384,
                "task_id": f"phase-{place}",
                "model": "model-4",
                **fields,
            },
        )
        for place, (category, complexity, count) in enumerate(mix)
    ]


@functools.cache
def report(name: str, **written: str) -> Report:
    """The report of one kind of data."""
    under = settings(html="page.html", **written)
    match name:
        case "tune":  # 6 of 60 truncated at 16,384, against a baseline with none, after four sessions
            cut = [cut_off(100 * 4**n, 16384, category="docs", max_tokens=16384, task_id=f"cut-{n}") for n in range(6)]
            past = Past(baseline=baseline_of(ready(60)), history=HISTORY)
            return judge(
                reading([*spread(54), *cut]), settings(html="page.html", baseline="baseline.json", **written), past=past
            )
        case "pass":
            return judge(reading(spread(60)), under)
        case "not-ready":
            return judge(reading([call(), call(1000, 2000)]), under)
        case "inconclusive":
            return judge(reading(ready(30)), settings(html="page.html", confidence="95%"))
        case "many":
            return judge(reading(spread(60) * 90), under)
        case "caps":
            rows = [call(None, 500 + n, max_tokens=4096 if n % 2 else 600) for n in range(200)]
            return judge(reading(rows), under)
    raise ValueError(name)


VERDICTS = ("pass", "tune", "not-ready", "inconclusive")
