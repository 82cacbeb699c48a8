"""What every test may use."""

from __future__ import annotations

import gc
from pathlib import Path

import numpy as np  # noqa: F401 - numpy can be imported once a process, and pytester forgets what a test imported
import pytest

try:
    from hypothesis import settings
except ModuleNotFoundError:
    pass  # the README's example needs no extra, and pytest reads this file for it
else:
    settings.register_profile("untimed", deadline=None)  # how long an example takes says nothing on a busy machine
    settings.load_profile("untimed")

pytest_plugins = ["pytester"]

SHARED = Path(__file__).parent.parent.parent / "shared"


def pytest_collection_finish() -> None:
    """Leave what was imported and collected out of all garbage collections that follow: it stays to the end.

    Every pytest session within a test would look through it, for a third of its time.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def real_logs() -> Path:
    """The origin's real run logs, where they are at hand."""
    logs = SHARED / "data" / "autopack_logs"
    if not logs.is_dir():
        pytest.skip("the origin's real logs are not at hand")
    return logs
