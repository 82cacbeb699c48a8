"""What arrives from the workers of xdist, where a real worker cannot be made to die at will."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import pytest

from pytest_token_telemetry.recording.arrivals import Arrivals


def arrivals(dist: str) -> Arrivals:
    return Arrivals(cast(pytest.Config, SimpleNamespace(getoption=lambda name, default: dist)))


def worker(name: str) -> SimpleNamespace:
    return SimpleNamespace(gateway=SimpleNamespace(id=name), workeroutput={})


def test_every_worker_that_ends_well_ran_each_test_once() -> None:
    arrived = arrivals("each")
    for name in ("gw0", "gw1"):
        arrived.pytest_testnodedown(worker(name), None)
    assert arrived.recorded().copies == 2


def test_a_dead_worker_is_none_beside_the_one_that_replaces_it() -> None:
    arrived = arrivals("each")
    arrived.pytest_testnodedown(worker("gw0"), "Not properly terminated")
    for name in ("gw1", "gw2"):
        arrived.pytest_testnodedown(worker(name), None)
    assert arrived.recorded().copies == 2
    assert arrived.recorded().lost == {"worker gw0": "it died between two tests"}


def test_workers_that_share_the_tests_ran_each_once_together() -> None:
    arrived = arrivals("load")
    for name in ("gw0", "gw1"):
        arrived.pytest_testnodedown(worker(name), None)
    assert arrived.recorded().copies == 1
