"""What other plugins and ``conftest.py`` files can hook."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytest_token_telemetry.replay.estimator import Request


@pytest.hookspec(firstresult=True)
def pytest_token_telemetry_estimate(request: Request) -> object:
    """Predict the output tokens of a recorded call, for estimators that need to be set up.

    It takes the place of ``--token-telemetry-estimator``::

        # conftest.py
        estimator = Estimator.load("coefficients.json")

        def pytest_token_telemetry_estimate(request):
            return estimator.predict(request.category, request.complexity, request.deliverable_count)

    Args:
        request: the call as it was before it was made.

    Returns:
        The prediction, or a pair of the prediction and the budget. Raise `pytest_token_telemetry.CannotReplay` where
        there is none: ``None`` is an error, unless another hook answers.
    """
