"""Which test is running, and the marker that it may have."""

from __future__ import annotations

import pytest

MARKER = "token_telemetry"
"""Defaults, and limits, for what a test records."""

RUNNING = pytest.StashKey[pytest.Item]()
"""The test that is running, or ran last."""
