"""What every test may use."""

from __future__ import annotations

import gc
import os
from contextlib import suppress
from pathlib import Path

import numpy as np  # noqa: F401 - numpy can be imported once a process, and pytester forgets what a test imported
import pytest

with suppress(ImportError):  # it warns where it is imported again: the same as above
    import sqlalchemy.dialects.postgresql  # noqa: F401

with suppress(ImportError):  # the same as numpy
    import vl_convert  # noqa: F401

try:
    from hypothesis import settings
except ModuleNotFoundError:
    pass  # the README's example needs no extra, and pytest reads this file for it
else:
    settings.register_profile("untimed", deadline=None)  # how long an example takes says nothing on a busy machine
    settings.load_profile("untimed")

pytest_plugins = ["pytester"]


def pytest_configure(config: pytest.Config) -> None:
    """Name the markers of our tests, not in the settings: sessions within tests have no such tests."""
    config.addinivalue_line("markers", "property: draws its input from Hypothesis; added to each such test")
    config.addinivalue_line("markers", "large: much data, and nothing that differs between versions of Python")


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark the tests that draw their input: nothing that is measured should rest on what they happen to draw."""
    if getattr(getattr(item, "obj", None), "is_hypothesis_test", False):
        item.add_marker("property")


for name in (
    *("GITHUB_SHA", "GITHUB_RUN_ID", "GITHUB_RUN_ATTEMPT", "GITHUB_EVENT_NAME", "GITHUB_EVENT_PATH"),
    *("CI_COMMIT_SHA", "GIT_COMMIT", "BITBUCKET_COMMIT", "BUILD_SOURCEVERSION"),
):
    os.environ.pop(name, None)  # what a test reports is not made for the commit that is tested here

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


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """No test is named by packed bytes: they hold the second of their making, and workers must name tests alike."""
    is_packed = isinstance(val, bytes) and any(byte < 9 or 13 < byte < 32 for byte in val)
    return argname if is_packed else None
