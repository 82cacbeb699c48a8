"""Which files pytest reads its settings from, and what their ``pythonpath`` adds."""

from __future__ import annotations

import configparser
import os
import shlex
import tomllib
from contextlib import suppress
from pathlib import Path

SETTINGS_FILES = {
    "pytest.toml": "pytest",
    ".pytest.toml": "pytest",
    "pytest.ini": "pytest",
    ".pytest.ini": "pytest",
    "pyproject.toml": "tool.pytest",
    "tox.ini": "pytest",
    "setup.cfg": "tool:pytest",
}
"""The files in which pytest looks for its settings, in its order, and the section of each."""


def python_path(named: str, root: str) -> list[str]:
    """What ``pythonpath`` of pytest's settings says, from ``named`` up to ``root``: the first that has settings."""
    for directory in (Path(named), *Path(named).parents):
        for name, section in SETTINGS_FILES.items():
            found = _python_path(directory / name, section)
            if found is not None:
                return [os.path.normpath(directory / each) for each in found]
        if str(directory) == root:
            break
    return []


def _python_path(path: Path, section: str) -> list[str] | None:
    """``pythonpath`` in one file; ``None`` if the file has no settings of pytest."""
    with suppress(OSError, ValueError, TypeError, configparser.Error):
        text = path.read_text(encoding="utf-8")
        value: object = ""
        if path.suffix == ".toml":
            table: object = tomllib.loads(text)
            for key in section.split("."):
                table = table.get(key) if isinstance(table, dict) else None
            if not isinstance(table, dict):
                return None
            value = {**table, **table.get("ini_options", {})}.get("pythonpath", "")
        else:
            ini = configparser.ConfigParser(interpolation=None, strict=False)
            ini.read_string(text)
            if section not in ini:
                return [] if path.name.endswith("pytest.ini") else None
            value = ini[section].get("pythonpath", "")
        return shlex.split(value) if isinstance(value, str) else [str(each) for each in value]  # type: ignore[attr-defined] # else it raises below
    return None
