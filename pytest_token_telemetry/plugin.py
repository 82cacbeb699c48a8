"""What pytest loads: options in, hooks on.

With nothing to judge it registers nothing, prints nothing and imports nothing but pytest and the standard library.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_token_telemetry import arguments, settings

if TYPE_CHECKING:
    import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Offer the settings."""
    settings.add_to(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Switch the gate on where there is something to judge."""
    is_worker = hasattr(config, "workerinput")
    if not settings.is_wanted(config):
        if not is_worker:
            arguments.refuse_idle(config)
        return
    arguments.take_ids(config)
    if not is_worker:
        from pytest_token_telemetry.session import GateSession

        arguments.warn_if_rootdir_moved(config)
        config.pluginmanager.register(GateSession(config, settings.Settings.load(config)), "token-telemetry-gate")
