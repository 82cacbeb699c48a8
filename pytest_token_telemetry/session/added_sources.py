"""Sources of files that other plugins add or the user maps, and the format that the user names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pytest

from pytest_token_telemetry.option import flag
from pytest_token_telemetry.session.hooks import SOURCES as HOOK
from pytest_token_telemetry.session.hooks import refused
from pytest_token_telemetry.session.refusals import refuse_read_outputs
from pytest_token_telemetry.text import meant

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_token_telemetry.settings import Settings
    from pytest_token_telemetry.sources.mapped import MappedSource
    from pytest_token_telemetry.sources.source import Source


def mapped_sources(config: pytest.Config, settings: Settings) -> tuple[MappedSource, ...]:
    """The sources of the user's field maps: in ``pyproject.toml`` in the rootdir, and in the files that are named.

    Raises:
        pytest.UsageError: a map has a mistake.
    """
    files = dict(zip(settings.map, settings.texts["map"], strict=True))
    own = config.rootpath / "pyproject.toml"
    shown_by_file = {**({own: own.name} if _may_have_maps(own) else {}), **files}
    if not shown_by_file:
        return ()
    from pytest_token_telemetry.sources.field_map import SECTION, MapError, maps_in
    from pytest_token_telemetry.sources.mapped import MappedSource
    from pytest_token_telemetry.sources.recognition import AUTO, SOURCES

    found: list[MappedSource] = []
    taken = {AUTO, *(each.name for each in SOURCES)}
    try:
        for file, text in shown_by_file.items():
            shown = f"{flag('map')}: {text}" if file in files else text
            maps = maps_in(file, shown)
            if not maps and file in files:
                raise MapError(f"{shown} has no map (write [{SECTION}.NAME])")
            for each in maps:
                if each.name in taken:
                    raise MapError(
                        f"{shown}: {SECTION}.{each.name}: there is a source of this name (choose another name)"
                    )
                taken.add(each.name)
                found.append(MappedSource(each.name, each))
    except MapError as error:
        raise pytest.UsageError(str(error)) from None
    refuse_read_outputs(config, settings, [pattern for source in found for pattern in source.map.files])
    return tuple(found)


def _may_have_maps(file: Path) -> bool:
    """Whether it is worth parsing: most projects map nothing, and have a ``pyproject.toml`` all the same."""
    try:
        text = file.read_bytes()
    except OSError:
        return False
    return any(name in text for name in (b"token-telemetry", b"tool.token_telemetry", b"tool.pytest_token_telemetry"))


def added_sources(config: pytest.Config, settings: Settings, mapped: Sequence[Source] = ()) -> tuple[Source, ...]:
    """The sources that other plugins add, beside those that the user ``mapped``.

    Raises:
        pytest.UsageError: something else is added, or there is no source of the format that is named.
    """
    from pytest_token_telemetry.sources.added import AddedSource
    from pytest_token_telemetry.sources.recognition import AUTO, SOURCES

    added: list[Source] = []
    with refused(HOOK):
        given_by_plugins = config.hook.pytest_token_telemetry_sources()
    for given in given_by_plugins:
        for source in given if isinstance(given, Sequence) else (given,):
            if isinstance(source, type) or not all(
                hasattr(source, name) for name in ("name", "in_parts", "claims", "reader")
            ):
                name = (source if isinstance(source, type) else type(source)).__name__
                raise pytest.UsageError(f"{HOOK}: {name} is not a source (give an instance of a FileSource)")
            added.append(AddedSource(source))
    names = [each.name for each in (*added, *mapped, *SOURCES)]
    if twice := next((name for name in names if names.count(name) > 1 or name == AUTO), None):
        raise pytest.UsageError(f"{HOOK}: there is a source named {twice!r} already (choose another name)")
    if settings.format not in (AUTO, *names):
        known = [AUTO, *names]
        way_out = meant(settings.format, known) or f"they are {', '.join(known)}"
        raise pytest.UsageError(f"{flag('format')}: there is no format {settings.format!r} ({way_out})")
    if added and settings.executor is not None:
        raise pytest.UsageError(
            f"{flag('executor')}: the sources that {HOOK} adds are not known elsewhere (read the files here)"
        )
    return tuple(added)
