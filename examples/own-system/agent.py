"""A program that leaves a line of telemetry a call: ``python examples/own-system/agent.py``."""

from __future__ import annotations

from itertools import cycle, product
from pathlib import Path

from pytest_token_telemetry import TokenTelemetryWriter

LINES = Path(__file__).parent / "runs" / "agent.jsonl"

TOKENS_PER_FILE = {"implementation": 640, "tests": 480, "docs": 300}
NEEDED = (0.92, 0.71, 0.86, 0.64, 0.79)
"""What the stand-in for a model uses of a prediction."""


def main() -> None:
    """Make 27 calls, and write what each was to cost and what it cost."""
    LINES.unlink(missing_ok=True)
    telemetry = TokenTelemetryWriter(LINES)
    tasks = product(TOKENS_PER_FILE, ("low", "medium", "high"), (1, 3, 8))
    for number, ((category, complexity, files), needed) in enumerate(zip(tasks, cycle(NEEDED), strict=False), start=1):
        predicted = TOKENS_PER_FILE[category] * files
        telemetry.write(
            predicted_output_tokens=predicted,
            output_tokens=round(predicted * (1.2 if number == 5 else needed)),
            max_tokens=predicted * 3 // 2,
            finish_reason="stop",
            success=True,  # of the task, not just of the request
            category=category,
            complexity=complexity,
            deliverable_count=files,
            task_id=f"task-{number}",
            id=f"call-{number}",
        )


if __name__ == "__main__":
    main()
