"""The command line as it was typed: ids of checks, options without effect, and the form that moves pytest's rootdir."""

from __future__ import annotations

import os
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_token_telemetry.option import GATE, ROOT, flag, ini_key, typed_keys
from pytest_token_telemetry.option_types import without_password
from pytest_token_telemetry.settings import OFF, OUTPUTS, RECORDING, is_off, options

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

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
    ids = [each for each in typed if _own_id(config, each)]
    picked = config.stash.get(PICKED, None) or [_own_id(config, each) for each in config.args or typed]
    return next(options, None) or next((each for each in ids if _own_id(config, each) in picked), None)


def refuse_misspelled_ids(config: pytest.Config) -> None:
    """Refuse what is nearly ``token-telemetry``, as ``token_telemetry``, and no file, before pytest misses the file.

    Raises:
        pytest.UsageError: naming the argument.
    """
    for argument in config.args:
        root, colons, rest = argument.partition("::")
        if not root.lower().startswith("tok") or root == ROOT or (config.invocation_params.dir / root).exists():
            continue
        if _meant(root.lower(), [ROOT], likeness=0.9):
            raise pytest.UsageError(f"{argument}: there is no such file (did you mean {ROOT}{colons}{rest}?)")


def take_ids(config: pytest.Config) -> None:
    """Take ``token-telemetry`` and ids below it off the arguments, before pytest looks for files of that name.

    Raises:
        pytest.UsageError: an id names no check.
    """
    own = [argument for argument in config.args if _own_id(config, argument)]
    ids = [_own_id(config, argument) for argument in own]
    adds_checks = config.hook.pytest_token_telemetry_checks.get_hookimpls()  # then it is known later which there are
    if own and not adds_checks:
        _refuse_unknown(ids)
    config.stash[PICKED] = tuple(ids)
    config.args[:] = [argument for argument in config.args if argument not in own]


def _refuse_unknown(ids: Iterable[str]) -> None:
    from pytest_token_telemetry.gate.checks import CHECKS, added_checks, node_id

    every = [check.id for check in (*CHECKS, *added_checks())]
    for argument in ids:
        if not any(picks(argument, check) for check in every):
            known = [node_id(check) for check in every]
            way_out = _meant(argument, known) or f"they are {', '.join(known)}"
            raise pytest.UsageError(f"{argument}: there is no such check ({way_out})")


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


def refuse_unknown_options(config: pytest.Config, parser: pytest.Parser) -> None:
    """Refuse what looks like an option of ours and is nobody's, before pytest lists all that it does not know.

    Raises:
        pytest.UsageError: naming the option, and the one that was probably meant.
    """
    typed = [str(argument) for argument in config.invocation_params.args]
    ours = {OFF, *(flag(name) for name, _ in options())}
    if all(_name_of(each) in ours for each in typed if _is_option_of_ours(each)):
        return
    _, unknown = parser.parse_known_and_unknown_args(typed)
    for argument in unknown:
        if _is_option_of_ours(argument):
            way_out = _meant(_name_of(argument), ours) or f"pytest --help lists all that begin with {flag(GATE)}"
            raise pytest.UsageError(f"{_name_of(argument)}: there is no such option ({way_out})")


def refuse_unknown_keys(config: pytest.Config) -> None:
    """Refuse keys of the ini file that look like ours and set nothing, so that no gate is off by a misprint.

    Raises:
        pytest.UsageError: naming the key, and the one that was probably meant.
    """
    written: Iterable[str] | None = getattr(config, "_inicfg", None)
    if written is None:  # pytest 8
        written = config.inicfg
    typed = typed_keys(config)
    ours = [ini_key(name) for name, _ in options()]
    for key in (*typed, *written):  # pytest 8 does not write what is typed into the others
        if key not in ours and _is_key_of_ours(key, ours):
            where = f"-o {key}" if key in typed else f"{key} in {config.inipath.name}" if config.inipath else key
            way_out = _meant(_folded(key), ours) or f"pytest --help lists all that begin with {ini_key(GATE)}"
            raise pytest.UsageError(f"{where}: there is no such setting ({way_out})")


def _is_key_of_ours(key: str, ours: Collection[str]) -> bool:
    """True if ``key`` is meant for us: spelled like the option (``token-telemetry-dir``), or a letter or two off."""
    folded = _folded(key)
    return folded.startswith(ini_key(GATE)) or (folded.startswith("tok") and bool(_meant(folded, ours, likeness=0.9)))


def _folded(key: str) -> str:
    return key.lower().lstrip("-").replace("-", "_")


def _meant(text: str, known: Iterable[str], *, likeness: float = 0.6) -> str:
    """``did you mean this?``, of what is ``known``; empty if nothing is like ``text``.

    What all names of ours begin with makes none like another. The beginning of one alone means that one, and so does a
    name with more behind it.
    """
    from pytest_token_telemetry.text import nearest  # idle sessions do without

    begins = next((each for each in (f"{flag(GATE)}-", f"{ini_key(GATE)}_") if text.startswith(each)), "")
    names = sorted(each.removeprefix(begins) for each in known if each.startswith(begins))
    typed = text.removeprefix(begins)
    shorter = (each for each in names if typed.startswith(each) and each not in (flag(GATE), ini_key(GATE)))
    part = max(shorter, key=len, default="")
    longer = [each[len(part) :] for each in names if each.startswith(part)]
    rest = nearest(typed[len(part) :], longer, likeness=likeness)
    found = [part + (rest or "")] if part or rest else [each for each in names if begins and each.startswith(typed)]
    return f"did you mean {begins}{found[0]}?" if len(found) == 1 else ""


def _is_option_of_ours(argument: str) -> bool:
    return argument.startswith((flag(GATE), "--no-token-"))


def _name_of(argument: str) -> str:
    return argument.partition("=")[0]


def refuse_idle(config: pytest.Config) -> None:
    """Refuse what was typed for the gate where there is nothing to judge, and checks where it is off.

    Options from ``addopts`` may stand there for the runs that do name a directory.

    Raises:
        pytest.UsageError: naming the argument.
    """
    if config.getoption("help", False) or config.getoption("version", False):
        return
    ids = [argument for argument in config.args if _own_id(config, argument)]
    if is_off(config):
        for argument in ids:
            raise pytest.UsageError(f"{argument}: {OFF} turns the gate off (leave one of the two out)")
        return
    typed = [str(argument).partition("=")[0] for argument in config.invocation_params.args]
    useful = [flag(name) for name in RECORDING]
    options = [argument for argument in typed if argument.startswith(f"{flag(GATE)}-") and argument not in useful]
    for argument in options + ids:
        raise pytest.UsageError(
            f"{argument}: there is nothing to judge (add {flag('dir')}=DIR, {flag('db')}=URL, or {flag(GATE)} for what"
            " tests record)"
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
    directory = without_password(typed[typed.index(flag("dir")) + 1])
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
                f"{option}={parts} gives this session only part of the tests and checks, so it cannot judge the"
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


def _own_id(config: pytest.Config, argument: str) -> str:
    """``argument`` as an id of ours, also if it is one as pytest shows it below the root; empty if it is none."""
    root, colons, rest = argument.partition("::")
    path = config.invocation_params.dir / root
    is_shown = root.endswith(f"../{ROOT}") and Path(os.path.normpath(path)) == config.rootpath / ROOT
    if not (root == ROOT or is_shown) or (not colons and path.exists()):
        return ""
    return f"{ROOT}{colons}{rest}"
