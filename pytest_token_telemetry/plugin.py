"""What pytest loads: options, fixture and marker in, hooks on.

With nothing to judge and nothing recorded it prints nothing, creates nothing, and imports nothing but pytest and the
standard library.
"""

from __future__ import annotations

import copy
import os
import sys
from typing import TYPE_CHECKING

import pytest

from pytest_token_telemetry import settings
from pytest_token_telemetry.recording.tape import MARKER, RUNNING, Arrivals
from pytest_token_telemetry.session import command_line

if TYPE_CHECKING:
    from collections.abc import Generator

    from pytest_token_telemetry.recording.fixture import TokenTelemetry
    from pytest_token_telemetry.session.gate_session import GateSession


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    """Offer the settings, and remove earlier reports before the command line can be refused."""
    settings.add_to(parser)
    early = _as_known(pluginmanager.get_plugin("pytestconfig"))
    if early is not None:  # a worker leaves them
        _remove_old_reports(early, whole=False)


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Offer the hooks."""
    from pytest_token_telemetry import hookspecs

    pluginmanager.add_hookspecs(hookspecs)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(
    early_config: pytest.Config, parser: pytest.Parser
) -> Generator[None, object, object]:
    """Remove earlier reports before a ``conftest.py`` can end the session, and let none end it with 0."""
    early = _as_known(early_config)
    if early is not None:
        _remove_old_reports(early, whole=True)
    try:
        result = yield
        if early is not None:
            command_line.refuse_unknown_options(early_config, parser)
        return result
    except SystemExit as ended:
        if early is not None and _is_success(ended.code) and (due := _due(early)):
            raise SystemExit(due) from None
        raise
    except Exception as error:
        if early is not None:
            _tell_no_verdict(early, error)
        raise


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> Generator[None, object, object]:
    """Leave no way to exit 0 where the gate was asked for and did not pass, whatever other plugins make of the code."""
    try:
        code = yield
    except SystemExit as ended:
        if not (_is_success(ended.code) and (due := _due(config))):
            raise
        return due
    except Exception as error:
        _tell_no_verdict(config, error)
        raise
    code = (_due(config) if _is_success(code) else 0) or code
    if not _is_success(code):
        _tell_no_verdict(config, f"pytest ended in {code} before the session began")
    return code


def pytest_configure(config: pytest.Config) -> None:
    """Switch the gate on where there is something to judge, and the recording where it was asked for."""
    config.addinivalue_line(
        "markers",
        f"{MARKER}(category, complexity, deliverable_count, ..., max_underestimation, max_truncation): defaults for the"
        " model calls that the test records, and limits that fail it.",
    )
    is_worker = hasattr(config, "workerinput")
    if not is_worker:  # again, if a conftest.py brought the plugin
        _remove_old_reports(config, whole=True)
        command_line.refuse_unknown_keys(config)
        command_line.refuse_misspelled_ids(config)
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
            from pytest_token_telemetry.session import refusals
            from pytest_token_telemetry.session.gate_session import GateSession

            command_line.warn_if_rootdir_moved(config)
            command_line.warn_if_split(config)
            found = settings.Settings.load(config)
            refusals.refuse(config, found)
            gate = GateSession(config, found, arrivals)
            config.pluginmanager.register(gate, "token-telemetry-gate")
    elif wanted:
        from pytest_token_telemetry.session.gate_session import WorkerSession

        config.pluginmanager.register(WorkerSession(), "token-telemetry-worker")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Remember which test runs, and read the marker of those that have one."""
    if isinstance(item, pytest.Item):  # and no stand-in of another plugin
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


def _is_success(code: object) -> bool:
    """True if the process ends with 0: the system takes the last eight bits, and none for nothing."""
    return code is None or (isinstance(code, int) and code & 0xFF == 0)


def _due(config: pytest.Config) -> int:
    """What a session has to exit with that is about to exit with 0, after saying why; 0 if that is right."""
    is_worker = hasattr(config, "workerinput")
    if is_worker or not settings.is_wanted(config) or command_line.runs_nothing(config):
        return 0
    gate: GateSession | None = config.pluginmanager.get_plugin("token-telemetry-gate")
    if gate is not None and gate.exit_code is not None:
        due, why = gate.exit_code, "another plugin asked for exit code 0"
    elif command_line.asked_with(config) or (gate is not None and gate.has_judged):
        due, why = pytest.ExitCode.INTERRUPTED, "another plugin ended the session with exit code 0 before its verdict"
    else:
        return 0
    if due:
        sys.stderr.write(f"ERROR: token telemetry: {why} (it is {int(due)})\n")
    return int(due)


def _tell_no_verdict(config: pytest.Config, why: Exception | str) -> None:
    """Let the report file and the GitHub job say ``why`` a session ended before the gate could say it."""
    gate: GateSession | None = config.pluginmanager.get_plugin("token-telemetry-gate")
    if hasattr(config, "workerinput") or (gate is not None and gate.exit_code is not None):
        return
    asked = settings.is_wanted(config) or command_line.asked_with(config) or any(command_line.typed_reports(config))
    if command_line.runs_nothing(config) or not asked:
        return
    from pytest_token_telemetry.session.no_verdict import explained, tell_no_verdict

    said = why if isinstance(why, str) else explained(why)
    tell_no_verdict(config, said if gate is None or isinstance(why, pytest.UsageError) else gate.not_judged)


def _as_known(config: pytest.Config | None) -> pytest.Config | None:
    """``config`` with the options that are known before a ``conftest.py`` is loaded; ``None`` in a worker of xdist."""
    known = getattr(config, "known_args_namespace", None)
    if config is None or known is None or "PYTEST_XDIST_WORKER" in os.environ:
        return None
    early = copy.copy(config)
    early.option = known
    return early


def _remove_old_reports(config: pytest.Config, *, whole: bool) -> None:
    """Remove an earlier session's reports from where this one was told to write; typed ones alone, or the ``whole``.

    Raises:
        pytest.UsageError: of the whole, one could not be removed.
    """
    if command_line.runs_nothing(config):
        return
    found = list(command_line.typed_reports(config))
    if whole and settings.is_wanted(config) and any(settings.is_on(config, name) for name in settings.OUTPUTS):
        from pytest_token_telemetry.report.files import reports_of

        found += reports_of(config)
    if found:
        from pytest_token_telemetry.report.files import remove_report

        errors = dict.fromkeys(error for name, path in found if (error := remove_report(name, path)))
        if whole and errors:
            raise pytest.UsageError(*errors)
