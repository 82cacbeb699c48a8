"""Judge a language-model token estimator from the telemetry that its calls leave behind."""

from __future__ import annotations

__version__ = "0.1.0"
