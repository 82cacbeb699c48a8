"""Telemetry lines as real systems write them, and trees of them."""

from __future__ import annotations

import itertools
from pathlib import Path

MIX = list(itertools.product(("implementation", "tests", "docs"), ("low", "medium", "high"), (1, 3, 8)))
"""Every combination that readiness asks for: 27."""


def v2(
    predicted: object = 1000,
    output: object = 900,
    *,
    time: str | None = "2026-01-02 03:04:05,678",
    budget: object = 8192,
    category: object = "implementation",
    complexity: object = "low",
    deliverables: object = 3,
    success: object = True,
    reason: object = "end_turn",
    truncated: object = False,
    more: str = "",
) -> str:
    """One ``[TokenEstimationV2]`` line, without its line end."""
    prefix = f"{time} - autopack.anthropic_clients - INFO - " if time else ""
    return (
        f"{prefix}[TokenEstimationV2] predicted_output={predicted} actual_output={output} smape=10.5%"
        f" selected_budget={budget} category={category} complexity={complexity} deliverables={deliverables}"
        f" success={success} stop_reason={reason} truncated={truncated} model=claude-sonnet-4-5{more}"
    )


def cut_off(predicted: object = 1000, output: object = 8192, **fields: object) -> str:
    """A call that the cap cut off, and that failed for it."""
    return v2(predicted, output, **{"success": False, "reason": "max_tokens", "truncated": True, **fields})


def stamp(n: int) -> str:
    """A time of its own for each ``n``."""
    return f"2026-01-02 {n // 3600 % 24:02}:{n // 60 % 60:02}:{n % 60:02},{n // 86400:03}"


def ready_lines(n: int = 27, **fields: object) -> list[str]:
    """``n`` successful calls of every kind that readiness asks for, each predicted well."""
    calls = itertools.islice(itertools.cycle(MIX), n)
    return [
        v2(time=stamp(i), **{"category": category, "complexity": complexity, "deliverables": count, **fields})
        for i, (category, complexity, count) in enumerate(calls)
    ]


def write(directory: Path, lines: list[str], name: str = "run-1/agent.log") -> Path:
    """Write ``lines`` into a log below ``directory``, and return ``directory``."""
    path = directory / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return directory
