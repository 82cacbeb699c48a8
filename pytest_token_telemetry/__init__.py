"""Judge a language-model token estimator from the telemetry that its calls leave behind."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_token_telemetry.recording.writer import TokenTelemetryHandler, TokenTelemetryWriter

__version__ = "0.1.0"

__all__ = ["TokenTelemetryHandler", "TokenTelemetryWriter", "__version__"]


def __getattr__(name: str) -> object:
    """Import what programs use of the package when they use it: pytest imports the package at every start."""
    if name in ("TokenTelemetryHandler", "TokenTelemetryWriter"):
        from pytest_token_telemetry.recording import writer

        return getattr(writer, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
