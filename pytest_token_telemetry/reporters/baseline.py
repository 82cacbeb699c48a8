"""The judged samples as a baseline file: the same samples give the same bytes, and a diff shows one stratum a line."""

from __future__ import annotations

import base64
import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from pytest_token_telemetry.reporters.files import replace_file
from pytest_token_telemetry.settings import flag
from pytest_token_telemetry.sources.baseline import SCHEMA

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_token_telemetry.analysis.baseline import Baseline


def write(kept: Baseline, path: Path, written: str) -> list[str]:
    """Write ``kept`` to ``path``, which its user has ``written`` so; one sentence if that fails."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, render(kept))
    except OSError as error:
        reason = error.strerror or type(error).__name__
        return [f"{flag('save_baseline')}: {written!r} could not be written: {reason}"]
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
