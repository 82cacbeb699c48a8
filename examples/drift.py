"""Write the calls of a made-up system: ``python examples/drift.py DIRECTORY``.

Documentation is its weak spot: one call of five there is underestimated.

- ``before``: 100 calls, 10 of them docs.
- ``mix``: 100 later calls, 50 of them docs. The estimator has become no worse anywhere.
- ``longer``: 100 later calls of the first mix, to a model that writes a quarter more. It still fits.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from itertools import cycle, product
from pathlib import Path

from pytest_token_telemetry import TokenTelemetryWriter

# category: (calls, underestimated calls)
BEFORE = {"implementation": (70, 2), "tests": (20, 1), "docs": (10, 2)}
MIX = {"implementation": (30, 1), "tests": (20, 1), "docs": (50, 8)}

PREDICTED = 1000
MOST_OF_IT = (440, 490, 530, 560, 590, 620, 650, 690, 730, 780)
MORE_THAN_IT = 1200


def main(directory: Path) -> None:
    """Write the three runs, a day each."""
    first = datetime(2026, 1, 5, 9, tzinfo=UTC)
    write(directory / "before", BEFORE, 1.0, first)
    write(directory / "mix", MIX, 1.0, first + timedelta(days=1))
    write(directory / "longer", BEFORE, 1.25, first + timedelta(days=1))


def write(directory: Path, calls: dict[str, tuple[int, int]], longer: float, time: datetime) -> None:
    """Write one run: what the calls need, times ``longer``."""
    path = directory / "calls.jsonl"
    path.unlink(missing_ok=True)
    telemetry = TokenTelemetryWriter(path)
    kinds = cycle(product(("low", "medium", "high"), (1, 3, 8)))
    for category, (number, underestimated) in calls.items():
        for call in range(number):
            time += timedelta(minutes=1)
            complexity, deliverables = next(kinds)
            needed = MORE_THAN_IT if call < underestimated else MOST_OF_IT[call % len(MOST_OF_IT)]
            telemetry.write(
                time=time,
                predicted_output_tokens=PREDICTED,
                output_tokens=round(needed * longer),
                max_tokens=4096,
                finish_reason="stop",
                success=True,
                category=category,
                complexity=complexity,
                deliverable_count=deliverables,
            )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
