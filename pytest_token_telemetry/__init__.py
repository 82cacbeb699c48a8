"""Judge a language-model token estimator from the telemetry that its calls leave behind."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_token_telemetry.calibration import Calibration
    from pytest_token_telemetry.gate.check import Case, Check, Context
    from pytest_token_telemetry.gate.results import CountResult, RateResult, RatioResult, Result
    from pytest_token_telemetry.recording.fixture import TokenTelemetry
    from pytest_token_telemetry.recording.writer import TokenTelemetryHandler, TokenTelemetryWriter
    from pytest_token_telemetry.replay.estimator import CannotReplay, Request
    from pytest_token_telemetry.sample import Sample
    from pytest_token_telemetry.sources.changed import Drop
    from pytest_token_telemetry.sources.source import FileSource

__version__ = "0.1.0"

__all__ = [
    "Calibration",
    "CannotReplay",
    "Case",
    "Check",
    "Context",
    "CountResult",
    "Drop",
    "FileSource",
    "RateResult",
    "RatioResult",
    "Request",
    "Result",
    "Sample",
    "TokenTelemetry",
    "TokenTelemetryHandler",
    "TokenTelemetryWriter",
    "__version__",
]

_HOMES = {
    "Calibration": "calibration",
    "CannotReplay": "replay.estimator",
    "Case": "gate.check",
    "Check": "gate.check",
    "Context": "gate.check",
    "CountResult": "gate.results",
    "Drop": "sources.changed",
    "FileSource": "sources.source",
    "RateResult": "gate.results",
    "RatioResult": "gate.results",
    "Request": "replay.estimator",
    "Result": "gate.results",
    "Sample": "sample",
    "TokenTelemetry": "recording.fixture",
    "TokenTelemetryHandler": "recording.writer",
    "TokenTelemetryWriter": "recording.writer",
}


def __getattr__(name: str) -> object:
    """Import what programs use of the package when they use it: pytest imports the package at every start."""
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
