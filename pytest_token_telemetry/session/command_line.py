"""The command line as it was typed: ids of checks, options without effect, and the form that moves pytest's rootdir."""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING

import pytest

from pytest_token_telemetry.option import GATE, ROOT, flag
from pytest_token_telemetry.settings import OUTPUTS, RECORDING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator
    from pathlib import Path

PICKED = pytest.StashKey[tuple[str, ...]]()
"""The ids of ours, or beginnings of some, that stood on the command line. If there are none, all checks run."""

_RUN_NOTHING = (
    *("collectonly", "setuponly", "setupplan"),
    *("help", "version", "markers", "showfixtures", "show_fixtures_per_test", "cacheshow"),
)
"""pytest's options that run no test."""

_SPLITTING = {"splits": "--splits", "num_shards": "--num-shards", "test-group-count": "--test-group-count"}
"""Where pytest-split, pytest-shard and pytest-test-groups keep the number of parts, and the options that set it."""


class TokenTelemetryWarning(pytest.PytestWarning):
    """Something about the call is probably not as it was meant."""


def runs_nothing(config: pytest.Config) -> bool:
    """True if the session was asked to show something, and to run no test."""
    return any(getattr(config.option, name, False) for name in _RUN_NOTHING)


def typed_reports(config: pytest.Config) -> Iterator[tuple[str, Path]]:
    """The files that the command line names for reports, and the setting of each: also those that a later one replaces.

    Nothing that pytest or another plugin can refuse keeps them from being known.
    """
    typed = [str(argument) for argument in config.invocation_params.args]
    names = {flag(name): name for name in OUTPUTS}
    for argument, following in zip_longest(typed, typed[1:], fillvalue=""):
        option, equals, value = argument.partition("=")
        if option in names and (path := value if equals else following):
            yield names[option], config.invocation_params.dir / path


def asked_with(config: pytest.Config) -> str | None:
    """The option or the id that was typed to ask for the gate.

    ``None`` if there is none: what an ini file or ``addopts`` has was not typed.
    """
    typed = [str(argument) for argument in config.invocation_params.args]
    asking = (flag("dir"), flag("db"), flag(GATE))
    options = (option for each in typed if (option := each.partition("=")[0]) in asking)
    ids = config.stash.get(PICKED, None) or [each for each in config.args or typed if _is_own(config, each)]
    return next(options, None) or next((each for each in ids if each in typed), None)


def take_ids(config: pytest.Config) -> None:
    """Take ``token-telemetry`` and ids below it off the arguments, before pytest looks for files of that name.

    Raises:
        pytest.UsageError: an id names no check.
    """
    own = [argument for argument in config.args if _is_own(config, argument)]
    adds_checks = config.hook.pytest_token_telemetry_checks.get_hookimpls()  # then it is known later which there are
    if own and not adds_checks:
        _refuse_unknown(own)
    config.stash[PICKED] = tuple(own)
    config.args[:] = [argument for argument in config.args if argument not in own]


def _refuse_unknown(ids: Iterable[str]) -> None:
    from pytest_token_telemetry.gate.checks import CHECKS, added_checks, node_id

    every = [check.id for check in (*CHECKS, *added_checks())]
    for argument in ids:
        if not any(picks(argument, check) for check in every):
            known = ", ".join(map(node_id, every))
            raise pytest.UsageError(f"{argument}: there is no such check (they are {known})")


def picks(argument: str, check: str) -> bool:
    """True if ``argument`` is the id of ``check``, or the beginning of it."""
    return f"{ROOT}::{check}::".startswith(f"{argument}::")


def is_picked(config: pytest.Config, check: str) -> bool:
    """True if ``check`` was asked for by its id, or all were."""
    picked = config.stash[PICKED]
    return not picked or any(picks(each, check) for each in picked)


def refuse_absent(config: pytest.Config, checks: Collection[str]) -> None:
    """Refuse the ids of checks that are not among those of the session.

    Raises:
        pytest.UsageError: naming the id.
    """
    from pytest_token_telemetry.gate.checks import CHECKS, added_checks

    for argument in config.stash[PICKED]:
        if not any(picks(argument, check) for check in checks):
            _refuse_unknown([argument])
            needs = next(check.needs for check in (*CHECKS, *added_checks()) if picks(argument, check.id))
            needed = flag("estimator" if needs == "replay" else str(needs))
            raise pytest.UsageError(f"{argument}: there is no such check in this session (add {needed})")


def refuse_idle(config: pytest.Config) -> None:
    """Refuse what was typed for the gate where there is nothing to judge.

    Options from ``addopts`` may stand there for the runs that do name a directory.

    Raises:
        pytest.UsageError: naming the argument.
    """
    if config.getoption("help", False) or config.getoption("version", False):
        return
    typed = [str(argument).partition("=")[0] for argument in config.invocation_params.args]
    useful = [flag(name) for name in RECORDING]
    options = [argument for argument in typed if argument.startswith(f"{flag(GATE)}-") and argument not in useful]
    ids = [argument for argument in config.args if _is_own(config, argument)]
    for argument in options + ids:
        raise pytest.UsageError(
            f"{argument}: there is nothing to judge (add {flag('dir')}=DIR, or {flag(GATE)} for what tests record)"
        )


def warn_if_rootdir_moved(config: pytest.Config) -> None:
    """Warn if the space form made pytest take the log directory for a test path, and read other settings for it.

    pytest looks for its settings before it knows the plugins' options: to it, the word after ``--token-telemetry-dir``
    is a path like any other.
    """
    typed = [str(argument) for argument in config.invocation_params.args]
    if flag("dir") not in typed or (config.args_source is config.ArgsSource.ARGS and config.args):
        return
    if config.getoption("inifilename", None) or config.getoption("rootdir", None):
        return
    here = config.invocation_params.dir
    expected = _config_file(here)
    if expected == config.inipath and (expected or config.rootpath == _root_without_config(here)):
        return
    directory = typed[typed.index(flag("dir")) + 1]
    settings = "" if expected == config.inipath else f", and settings come from {config.inipath}, not from {expected}"
    _warn(
        config,
        f"'{flag('dir')} {directory}' made pytest look for its settings in {directory}: rootdir is"
        f" {config.rootpath}{settings} (write {flag('dir')}={directory})",
    )


def warn_if_split(config: pytest.Config) -> None:
    """Warn if this session is one of several parts of a test suite: none of them can judge the whole."""
    for name, option in _SPLITTING.items():
        parts = getattr(config.option, name, None)
        if isinstance(parts, int) and parts > 1:
            _warn(
                config,
                f"{option}={parts} leaves this session a part of the tests and of the checks, so it cannot judge the"
                f" whole (give each part {flag('record')}=DIR/PART.jsonl instead of {flag(GATE)}, and judge once:"
                f" pytest {ROOT} {flag('dir')}=DIR)",
            )


def _warn(config: pytest.Config, text: str) -> None:
    """Warn while pytest is configured.

    Raises:
        pytest.UsageError: warnings are errors.
    """
    try:
        config.issue_config_time_warning(TokenTelemetryWarning(text), stacklevel=3)
    except TokenTelemetryWarning:
        raise pytest.UsageError(text) from None


def _config_file(directory: Path) -> Path | None:
    """The file that pytest reads its settings from if it starts in ``directory`` without paths."""
    from pytest_token_telemetry.replay.pytest_settings import SETTINGS_FILES

    for each in (directory, *directory.parents):
        for name, section in SETTINGS_FILES.items():
            path = each / name
            # A file of pytest's own counts without its section; in TOML a table may be below it.
            mark = "" if "pytest" in name else f"[{section}" if path.suffix == ".toml" else f"[{section}]"
            if path.is_file() and mark in path.read_text(encoding="utf-8", errors="replace"):
                return path
    for each in (directory, *directory.parents):
        if (path := each / "pyproject.toml").is_file():
            return path
    return None


def _root_without_config(directory: Path) -> Path:
    """The rootdir of pytest if it starts in ``directory`` without paths and finds no settings."""
    return next((each for each in (directory, *directory.parents) if (each / "setup.py").is_file()), directory)


def _is_own(config: pytest.Config, argument: str) -> bool:
    root = argument.split("::")[0]
    return root == ROOT and ("::" in argument or not (config.invocation_params.dir / root).exists())
