"""What other plugins and ``conftest.py`` files can hook."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_token_telemetry.replay.estimator import Request
    from pytest_token_telemetry.sources.source import Source


@pytest.hookspec
def pytest_token_telemetry_sources() -> Sequence[Source]:  # type: ignore[empty-body]
    """Add formats of files: each source claims files by how they begin, and reads samples from them.

    They are asked before the built-in ones::

        # conftest.py
        def pytest_token_telemetry_sources():
            return [OurGateway()]

    All files are then read in pytest's own process, as others do not have the plugins.

    Returns:
        Instances of subclasses of `pytest_token_telemetry.FileSource`.
    """


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
