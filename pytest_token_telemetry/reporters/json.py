"""The report file: the one interface between the gate and other programs. Its schema is in ``docs/reports.md``."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pytest_token_telemetry import __version__
from pytest_token_telemetry.analysis.metrics import QUANTILE_METHOD
from pytest_token_telemetry.reporters import tuning

if TYPE_CHECKING:
    from pytest_token_telemetry.verdict import Verdict, WorstSample

SCHEMA = "token-telemetry-report/1"


def render(verdict: Verdict) -> str:
    """``verdict`` as a JSON document: rates as fractions of 1, figures not rounded."""
    counts = asdict(verdict.counts)
    counts["unusable"] = {
        "total": verdict.counts.unusable,
        "reasons": {reason: asdict(lines) for reason, lines in verdict.sources.unusable.items()},
    }
    metrics = verdict.metrics
    document = {
        "schema": SCHEMA,
        "version": __version__,
        "created": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "verdict": verdict.conclusion,
        "headline": verdict.headline,
        "advice": verdict.advice,
        "notes": verdict.notes,
        "population": verdict.population,
        "counts": counts,
        "checks": [
            {
                "id": check.id,
                "outcome": check.outcome,
                "inconclusive": check.inconclusive,
                "message": check.message,
                **asdict(check.figure),
            }
            for check in verdict.checks
        ],
        "deselected": verdict.deselected,
        "metrics": {
            "success_rate": metrics.success.value,
            "waste": {**asdict(metrics.waste), "method": QUANTILE_METHOD},
            "smape": asdict(metrics.smape),
            "predicted_output_tokens": asdict(metrics.predicted_output_tokens),
            "output_tokens": asdict(metrics.output_tokens),
        },
        "strata": asdict(verdict.strata),
        "plan": asdict(verdict.plan),
        "tuning": None if verdict.tuning is None else tuning.document(verdict.tuning),
        "estimator": None if verdict.replay is None else asdict(verdict.replay),
        "drift": None if verdict.drift is None else asdict(verdict.drift),
        "history": None if verdict.history is None else [asdict(each) for each in verdict.history],
        "worst": [_worst(sample) for sample in verdict.worst],
        "cut_off": [_worst(sample) for sample in verdict.cut_off],
        "sources": [asdict(file) for file in verdict.sources.files],
        "not_read": {
            "unreadable": [{"path": path, "reason": why} for path, why in verdict.sources.unreadable.items()],
            "outside": verdict.sources.outside,
            "special": verdict.sources.special,
        },
        "scan": None if (scanned := verdict.sources.scanned) is None else {**asdict(scanned), "rate": scanned.rate},
        "settings": verdict.settings,
    }
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _worst(sample: WorstSample) -> dict[str, object]:
    fields = asdict(sample)
    del fields["file"], fields["line"], fields["kind"]
    return {"source": sample.source, **fields}
