"""Who implements our hooks: seen in time, and called one by one."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_token_telemetry.text import raised

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from pytest_token_telemetry.report.model import Report

SOURCES = "pytest_token_telemetry_sources"
ESTIMATE = "pytest_token_telemetry_estimate"
SAMPLE = "pytest_token_telemetry_sample"

CHECKS = "pytest_token_telemetry_checks"
REPORT = "pytest_token_telemetry_report"

HOOKS = (ESTIMATE, SOURCES, SAMPLE, CHECKS, REPORT)


def implementations(config: pytest.Config) -> dict[str, int]:
    """How many plugins implement each of our hooks."""
    return {name: len(getattr(config.hook, name).get_hookimpls()) for name in HOOKS}


def late_hook(seen: Mapping[str, int], now: Iterable[Mapping[str, int]]) -> str | None:
    """The first hook that more plugins implement in one of ``now`` than were ``seen`` when the session began."""
    return next((name for each in now for name, n in seen.items() if each.get(name, 0) > n), None)


def callers(config: pytest.Config, hook: str) -> Iterator[tuple[str, Callable[..., object]]]:
    """The plugins that implement ``hook``, in the order in which pytest calls them: how errors name each, and its call.

    What one of them raises keeps no other from being called.
    """
    every = [(each.plugin_name, each.plugin) for each in reversed(getattr(config.hook, hook).get_hookimpls())]
    for name, plugin in every:
        others = [other for _, other in every if other is not plugin]
        yield f"{hook} ({Path(name).name})", config.pluginmanager.subset_hook_caller(hook, others)


def tell(config: pytest.Config, report: Report) -> list[str]:
    """Give the finished ``report`` to all plugins that want it; one sentence for each that raises."""
    errors = []
    for name, call in callers(config, REPORT):
        try:
            with refused(name):
                call(report=report)
        except pytest.UsageError as error:
            errors.append(str(error))
    return errors


@contextmanager
def refused(what: str) -> Iterator[None]:
    """Have whatever a plugin raises end the session as a mistake of its user. Ctrl-C stays what it is.

    Raises:
        pytest.UsageError: beginning with ``what``.
    """
    try:
        yield
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # also SystemExit, and pytest's skip and exit
        raise pytest.UsageError(f"{what}: {raised(error)}") from error
