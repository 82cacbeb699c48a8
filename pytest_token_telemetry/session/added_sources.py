"""Sources of files that other plugins add, and the format that the user names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pytest

from pytest_token_telemetry.option import flag
from pytest_token_telemetry.session.hooks import SOURCES as HOOK
from pytest_token_telemetry.text import listing

if TYPE_CHECKING:
    from pytest_token_telemetry.settings import Settings
    from pytest_token_telemetry.sources.source import Source


def added_sources(config: pytest.Config, settings: Settings) -> tuple[Source, ...]:
    """The sources that other plugins add.

    Raises:
        pytest.UsageError: something else is added, or there is no source of the format that is named.
    """
    from pytest_token_telemetry.sources.extract import AUTO, SOURCES

    added: list[Source] = []
    for given in config.hook.pytest_token_telemetry_sources():
        for source in given if isinstance(given, Sequence) else (given,):
            if isinstance(source, type) or not all(
                hasattr(source, name) for name in ("name", "in_parts", "claims", "reader")
            ):
                name = (source if isinstance(source, type) else type(source)).__name__
                raise pytest.UsageError(f"{HOOK}: {name} is no source (give an instance of a FileSource)")
            added.append(source)
    names = [each.name for each in (*added, *SOURCES)]
    if twice := next((name for name in names if names.count(name) > 1 or name == AUTO), None):
        raise pytest.UsageError(f"{HOOK}: there is a source named {twice!r} already (name it otherwise)")
    if settings.format not in (AUTO, *names):
        raise pytest.UsageError(
            f"{flag('format')}: {settings.format!r} is not one of {listing([AUTO, *names], last='or')}"
        )
    if added and settings.executor is not None:
        raise pytest.UsageError(
            f"{flag('executor')}: the sources that {HOOK} adds are not known elsewhere (read the files here)"
        )
    return tuple(added)
