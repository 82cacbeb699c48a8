"""What other plugins and ``conftest.py`` files can hook."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_token_telemetry.gate.check import Check
    from pytest_token_telemetry.replay.estimator import Request
    from pytest_token_telemetry.report.model import Report
    from pytest_token_telemetry.sample import Sample
    from pytest_token_telemetry.sources.changed import Drop
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
def pytest_token_telemetry_sample(sample: Sample, place: str) -> Sample | Drop | None:
    """Relabel a sample, or drop it, before it is judged.

    It is called for each sample, after copies of one call were left out. Of several plugins each is asked in turn, and
    sees what the one before it made of the sample. What was measured cannot be changed::

        # conftest.py
        def pytest_token_telemetry_sample(sample, place):
            if sample.model == "stand-in":
                return Drop("no real model")
            if sample.operation == "write_docs":
                return replace(sample, category="docs")

    Args:
        sample: the call, without its id.
        place: where it was read: ``runs/agent.jsonl:12``, or ``tests/test_agent.py::test_it #1``.

    Returns:
        The sample with other labels, `pytest_token_telemetry.Drop` with the reason, or ``None`` to leave it as it is.
    """


@pytest.hookspec
def pytest_token_telemetry_checks(config: pytest.Config) -> Sequence[Check[Any]]:  # type: ignore[empty-body]
    """Add checks: they are items of the session like ours, after them, and stand in every report.

    A check is an instance of a subclass of `pytest_token_telemetry.Check`::

        # conftest.py
        def pytest_token_telemetry_checks(config):
            return [SpeedCheck("ours::speed", "speed")]

    Args:
        config: that of pytest, to read options of your own from.

    Returns:
        The checks, with ids that are new. One that answers ``fail`` fails
        the session. Without ``decides = True`` there is a PASS where it was left out.
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


@pytest.hookspec
def pytest_token_telemetry_report(report: Report) -> None:
    """Take the finished report, at the end of the session and after all files are written.

    It is called where there is a verdict, and on the controller of xdist alone::

        # conftest.py
        def pytest_token_telemetry_report(report):
            print(report.verdict, report.counts.samples)

    Args:
        report: what every form of report is made of.
    """
