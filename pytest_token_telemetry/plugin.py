"""What pytest loads: options, fixture and marker in, hooks on.

With nothing to judge and nothing recorded it prints nothing, creates nothing, and imports nothing but pytest and the
standard library.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_token_telemetry import settings
from pytest_token_telemetry.recording.tape import MARKER, RUNNING, Arrivals
from pytest_token_telemetry.session import command_line

if TYPE_CHECKING:
    from collections.abc import Generator

    from pytest_token_telemetry.recording.fixture import TokenTelemetry


def pytest_addoption(parser: pytest.Parser) -> None:
    """Offer the settings."""
    settings.add_to(parser)


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Offer the hooks."""
    from pytest_token_telemetry import hookspecs

    pluginmanager.add_hookspecs(hookspecs)


def pytest_configure(config: pytest.Config) -> None:
    """Switch the gate on where there is something to judge, and the recording where it was asked for."""
    config.addinivalue_line(
        "markers",
        f"{MARKER}(category, complexity, deliverable_count, ..., max_underestimation, max_truncation): defaults for the"
        " model calls that the test records, and limits that fail it.",
    )
    is_worker = hasattr(config, "workerinput")
    wanted = settings.is_wanted(config)
    if wanted:
        command_line.take_ids(config)
    elif not is_worker:
        command_line.refuse_idle(config)
    settings.refuse_malformed_recording(config)
    if settings.is_recording(config):  # first: it makes the directory of its file, which the gate may be to read
        from pytest_token_telemetry.recording import recording_session

        recording_session.start(config)
    if not is_worker:
        arrivals = Arrivals(config)
        config.pluginmanager.register(arrivals, "token-telemetry-arrivals")
        if wanted:
            from pytest_token_telemetry.session.gate_session import GateSession

            command_line.warn_if_rootdir_moved(config)
            gate = GateSession(config, settings.Settings.load(config), arrivals)
            config.pluginmanager.register(gate, "token-telemetry-gate")
    elif wanted:
        from pytest_token_telemetry.session.gate_session import WorkerSession

        config.pluginmanager.register(WorkerSession(), "token-telemetry-worker")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Remember which test runs, and read the marker of those that have one."""
    item.config.stash[RUNNING] = item
    if item.get_closest_marker(MARKER) is not None:
        from pytest_token_telemetry.recording import recording_session

        recording_session.start(item.config)
    return (yield)


@pytest.fixture(scope="session")
def token_telemetry(pytestconfig: pytest.Config) -> TokenTelemetry:
    """Records the model calls that a test makes: ``token_telemetry.observe(response, predicted_output_tokens=900)``."""
    from pytest_token_telemetry.recording import recording_session

    return recording_session.start(pytestconfig).fixture
