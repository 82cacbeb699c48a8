"""What the tests of the agent share: a client of a model that runs as long as they do."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from agent import Client
from model_server import serving


@pytest.fixture(scope="session")
def client() -> Iterator[Client]:
    """A client of the stand-in. A real agent's tests would have the one of its provider here."""
    with pytest.MonkeyPatch.context() as patch, serving() as base_url:
        patch.setenv("no_proxy", "127.0.0.1")  # it is on this machine, whatever proxy leads out of it
        yield Client(base_url)
