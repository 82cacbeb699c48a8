"""What a session refuses before it reads anything: what contradicts itself, is not there, or is not installed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_token_telemetry.option import flag
from pytest_token_telemetry.option_types import matches
from pytest_token_telemetry.session.comparisons import has_hook
from pytest_token_telemetry.settings import OUTPUTS, label_of
from pytest_token_telemetry.text import listing

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_token_telemetry.settings import Settings


REFUSED = pytest.StashKey[set[str]]()
"""The settings that name a report where a source would read it."""


def refuse(config: pytest.Config, settings: Settings) -> None:
    """Return if the gate can follow the ``settings``.

    Raises:
        pytest.UsageError: one contradicts another, or names what is not there or not installed.
    """
    _refuse_missing_directories(settings, label_of(config, "dir"))
    _refuse_missing_files(settings, "requests", label_of(config, "requests"), "a file of requests, as it was sent")
    _refuse_missing_files(settings, "predictions", label_of(config, "predictions"), "a side file of predictions")
    _refuse_shared_outputs(config, settings)
    _refuse_for_remote(settings)
    if settings.executor is not None and settings.jobs is not None:
        raise pytest.UsageError(f"{flag('jobs')} is for reading here, and {flag('executor')} reads elsewhere")
    if settings.sequential and settings.confidence is None:
        raise pytest.UsageError(f"{flag('sequential')} needs a confidence (add {flag('confidence')}=0.95)")
    _refuse_without_effect(config, settings)
    _refuse_missing_drivers(settings)
    if settings.html is not None:
        _refuse_missing_pages()


def refuse_read_outputs(config: pytest.Config, settings: Settings, patterns: Iterable[str]) -> None:
    """Refuse to write a report where a source would read it, by one of the ``patterns`` of files that are read.

    Raises:
        pytest.UsageError: a report would be read.
    """
    for name in ("save_baseline", "history", *OUTPUTS):
        path = getattr(settings, name)
        if path is not None and would_be_read(name, path, settings.local_directories, patterns):
            config.stash.setdefault(REFUSED, set()).add(name)
            raise pytest.UsageError(
                f"{label_of(config, name)}: {settings.texts[name]!r} would be read as a log"
                f" ({_where_none_is_read(name, settings, patterns)})"
            )


def _where_none_is_read(name: str, settings: Settings, patterns: Iterable[str]) -> str:
    """What to name instead of the path of the setting ``name``: a file beside it, unless one is there already."""
    path: Path = getattr(settings, name)
    ending = ".json" if name in _OWN_JSON else _ENDINGS[name]
    beside = path.with_suffix(ending)
    if os.path.lexists(beside) or would_be_read(name, beside, settings.local_directories, patterns):
        return "name a file that no pattern matches"
    return f"name it {str(settings.texts[name]).removesuffix(path.suffix) + ending!r}"


def _refuse_missing_directories(settings: Settings, label: str) -> None:
    """Refuse what is no directory. One that an ini file names may be missing, as in a fresh clone: it is not ready."""
    for text, directory in zip(settings.texts["dir"], settings.dir, strict=True):
        if isinstance(directory, Path) and not directory.is_dir():
            is_file = directory.is_file()
            if not is_file and label != flag("dir"):
                continue
            if is_file:
                alone = (
                    f"name the directory that it is in, and {flag('pattern')}={directory.name} to read no other file"
                )
                raise pytest.UsageError(f"{label}: {text!r} is a file, not a directory ({alone})")
            raise pytest.UsageError(f"{label}: {text!r} does not exist (name a directory of run logs)")


_NEEDS = {
    "inconclusive": ("confidence", "estimator"),
    "drift": ("baseline",),
    "estimator_errors": ("estimator",),
    "estimator_timeout": ("estimator",),
    "min_replayed": ("estimator",),
    "db_table": ("db",),
    "db_query": ("db",),
    "db_field": ("db",),
    "junit_family": ("junit",),
    "markdown_flavour": ("markdown", "markdown_append", "github"),
}
"""The settings without effect, unless one of others is there."""


def _refuse_without_effect(config: pytest.Config, settings: Settings) -> None:
    """Refuse what was typed and does nothing. Those of an ini file may wait for sessions that need them."""
    typed = {str(argument).partition("=")[0] for argument in config.invocation_params.args}
    for name, needed in _NEEDS.items():
        if flag(name) not in typed or any(getattr(settings, each) for each in needed):
            continue
        if "estimator" not in needed or not has_hook(config):
            names = listing(map(flag, needed), last="or")
            raise pytest.UsageError(f"{flag(name)} has no effect without {names} (add it, or leave this out)")


def _refuse_for_remote(settings: Settings) -> None:
    """Refuse what does not work with remote directories."""
    for url in settings.remote_directories:
        if settings.executor is not None:
            raise pytest.UsageError(f"{flag('executor')}: {url.shown} can only be read here (leave the executor out)")
        if settings.propose_map:
            raise pytest.UsageError(
                f"{flag('propose_map')}: {url.shown} is not a local directory (copy some files of it)"
            )


def _refuse_missing_files(settings: Settings, name: str, label: str, wanted: str) -> None:
    for text, file in zip(settings.texts[name], getattr(settings, name), strict=True):
        if not file.is_file():
            what = "is not a file" if file.exists() else "does not exist"
            raise pytest.UsageError(f"{label}: {text!r} {what} (name {wanted})")


def _refuse_shared_outputs(config: pytest.Config, settings: Settings) -> None:
    taken: dict[str, str] = {}
    pytest_junit = config.getoption("xmlpath", None)
    if pytest_junit:
        expanded = os.path.expandvars(os.path.expanduser(pytest_junit))  # noqa: PTH111 - as pytest reads it
        taken[os.path.realpath(config.invocation_params.dir / expanded)] = "--junitxml"
    baseline = None if settings.baseline is None else os.path.realpath(settings.baseline)
    for name in ("record", "save_baseline", "history", *OUTPUTS):
        path = getattr(settings, name)
        if path is None:
            continue
        real = os.path.realpath(path)
        if real in taken:
            raise pytest.UsageError(f"{label_of(config, name)}: {taken[real]} writes to the same file (name another)")
        if real == baseline and name != "save_baseline":
            raise pytest.UsageError(f"{label_of(config, name)}: {flag('baseline')} reads the same file (name another)")
        for inputs in ("requests", "predictions", "map"):
            if real in map(os.path.realpath, getattr(settings, inputs)):
                raise pytest.UsageError(f"{label_of(config, name)}: {flag(inputs)} reads the same file (name another)")
        taken[real] = flag(name)
    refuse_read_outputs(config, settings, settings.pattern)


def _refuse_missing_drivers(settings: Settings) -> None:
    """Refuse remote directories that no driver reads here."""
    if settings.remote_directories:
        from pytest_token_telemetry.sources.parallel import ScanError
        from pytest_token_telemetry.sources.remote.remote_reading import refuse_unreadable

        try:
            refuse_unreadable(settings.remote_directories)
        except ScanError as error:
            raise pytest.UsageError(f"{flag('dir')}: {error}") from None


def _refuse_missing_pages() -> None:
    """Refuse to promise a page without the extra that makes it."""
    from pytest_token_telemetry.page.page import MissingError, refuse_missing

    try:
        refuse_missing()
    except MissingError as error:
        raise pytest.UsageError(f"{flag('html')}: {error}") from None


_OWN_JSON = ("json", "tuning", "code_quality", "save_baseline", "history")
"""What the source of our own outputs passes over, if its name ends with ``.json``."""

_ENDINGS = {"markdown": ".md", "markdown_append": ".md", "junit": ".xml", "html": ".html"}
"""Of the names of other reports."""


def would_be_read(name: str, path: Path, directories: Iterable[Path], patterns: Iterable[str]) -> bool:
    """Whether a source would read what the setting ``name`` has written to ``path``, or reads now what is there."""
    from pytest_token_telemetry.writing import OWN_OUTPUT

    path = Path(os.path.realpath(path))
    if name in _OWN_JSON and path.suffix == ".json":
        try:
            with path.open("rb") as file:
                head = file.read(200)
        except OSError:  # it is not there; else writing it says why
            head = b""
        if not head or OWN_OUTPUT.match(head):
            return False
    return any(
        path.is_relative_to(real) and matches(path.relative_to(real).as_posix(), patterns)
        for real in map(Path, map(os.path.realpath, directories))
    )
