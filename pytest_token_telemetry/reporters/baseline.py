"""The judged samples as a baseline file: the same samples give the same bytes, and a diff shows one stratum a line."""

from __future__ import annotations

import base64
import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from pytest_token_telemetry.analysis.baseline import baseline, terms
from pytest_token_telemetry.analysis.populations import judged
from pytest_token_telemetry.analysis.strata import labels
from pytest_token_telemetry.analysis.tasks import one_per_task
from pytest_token_telemetry.reporters.files import replace_file
from pytest_token_telemetry.settings import flag
from pytest_token_telemetry.sources.baseline import SCHEMA

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_token_telemetry.analysis.baseline import Baseline
    from pytest_token_telemetry.settings import Settings
    from pytest_token_telemetry.sources.reading import Reading


def write(reading: Reading, settings: Settings, path: Path) -> list[str]:
    """Write what was judged to ``path``; one sentence if that fails."""
    samples = one_per_task(reading.samples) if settings.one_per_task else reading.samples
    population = judged(samples, settings.population, settings.under_multiplier)
    on = terms(settings.population, settings.under_multiplier, settings.alias, one_per_task=settings.one_per_task)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, render(baseline(samples, population, labels(samples, settings.alias), on)))
    except OSError as error:
        reason = error.strerror or type(error).__name__
        return [f"{flag('save_baseline')}: {settings.texts['save_baseline']!r} could not be written: {reason}"]
    return []


def render(kept: Baseline) -> str:
    """``kept`` as JSON."""
    strata = sorted(kept.strata.items(), key=lambda item: (item[0] is not None, item[0] or ""))
    lines = [
        _compact(
            {
                "name": name,
                "underestimation": [summary.underestimation.events, summary.underestimation.n],
                "truncation": [summary.truncation.events, summary.truncation.n],
                "log_ratios": {"ticks": summary.log_ratios.ticks, "counts": summary.log_ratios.counts},
            }
        )
        for name, summary in strata
    ]
    parts = (
        f'"schema": {_compact(SCHEMA)}',
        f'"terms": {_compact(dict(sorted(asdict(kept.terms).items())))}',
        f'"newest": {_compact(kept.newest)}',
        f'"samples": {kept.samples}',
        '"strata": [' + ",".join(f"\n    {line}" for line in lines) + ("\n  ]" if lines else "]"),
        f'"marks": {_compact(base64.b64encode(b"".join(kept.marks)).decode())}',
    )
    return "{\n  " + ",\n  ".join(parts) + "\n}\n"


def _compact(value: object) -> str:
    return json.dumps(value, ensure_ascii=True)
