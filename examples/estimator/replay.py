"""What the gate asks, in the estimator's own terms."""

from __future__ import annotations

from estimator import estimate, select_budget

from pytest_token_telemetry import CannotReplay, Request


def replay(request: Request) -> tuple[int, int]:
    """Prediction and budget for a recorded call."""
    if request.category is None or request.complexity is None or request.deliverable_count is None:
        raise CannotReplay
    predicted = estimate(request.category, request.complexity, request.deliverable_count)
    return predicted, select_budget(predicted)
