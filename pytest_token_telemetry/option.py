"""One setting: what it is called, how users write it, and which of command line, ini file and default is in force."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_token_telemetry import option_types

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = "token-telemetry"
"""Where the ids of all checks begin, as pytest shows them, and the names of all options."""

GATE = "gate"
"""The setting whose option is ``--token-telemetry`` itself."""


class Option:
    """How one setting is written: by users, in help texts and in the documentation.

    Neither it nor `Settings` is a dataclass: to make one takes longer than all else that is imported where nothing is
    judged.
    """

    __slots__ = ("default", "help", "metavar", "read")

    def __init__(
        self,
        read: Callable[[str], Any],
        default: str | tuple[str, ...] | None,
        metavar: str,
        help: str,
    ) -> None:
        """An option whose value ``read`` reads.

        ``default`` is as a user would write it; a tuple: the setting may be given several times.
        """
        self.read = read
        self.default = default
        self.metavar = metavar
        self.help = help

    @property
    def is_list(self) -> bool:
        """True if the value names what is required: an empty one is refused, as it may be meant in two ways."""
        return self.metavar in ("NAMES", "BUCKETS", "FIELDS")

    @property
    def is_path(self) -> bool:
        """True if the value is a path, which starts where it is written."""
        return self.read in (option_types.path, option_types.directory)

    @property
    def takes_urls(self) -> bool:
        """True if the value may hold a URL with a password."""
        return self.read in (option_types.database, option_types.directory, option_types.query)

    @property
    def is_switch(self) -> bool:
        """True if the option never has a value on the command line."""
        return self.read is option_types.switch

    @property
    def repeatable(self) -> bool:
        """True if the setting may be given several times."""
        return isinstance(self.default, tuple)


def flag(name: str) -> str:
    """The setting's command line option."""
    if name == GATE:
        return "--token-telemetry"
    return f"--token-telemetry-{name.replace('_', '-')}"


def ini_key(name: str) -> str:
    """The setting's key in an ini file."""
    if name == GATE:
        return "token_telemetry"
    return f"token_telemetry_{name}"


class Written:
    """A setting as its user wrote it."""

    __slots__ = ("base", "is_chosen", "label", "texts")

    def __init__(self, texts: tuple[str, ...] | None, label: str, base: Path, *, is_chosen: bool = True) -> None:
        """A setting that is written as ``texts``, ``None`` if it is not, in ``label``, with paths from ``base``."""
        self.is_chosen = is_chosen
        self.texts = texts
        self.label = label
        self.base = base

    def read(self, option: Option) -> Any:  # noqa: ANN401 - each option has a type of its own
        """The value of the ``option``; ``None`` if it is not given.

        Raises:
            pytest.UsageError: what is written is malformed or out of range.
        """
        if self.texts is None:
            return None
        for text in () if option.takes_urls else self.texts:
            if (shown := option_types.without_password(text)) != text:
                only = f"only {flag('dir')} and {flag('db')} take one"
                raise pytest.UsageError(f"{self.label}: {shown!r} is a URL that may hold a password ({only})")
        try:
            read = [option.read(text) for text in self.texts]
        except ValueError as error:
            raise pytest.UsageError(f"{self.label}: {error}") from None
        if option.read in (option_types.estimator, option_types.executor, option_types.database):
            read = [each if isinstance(each, str) else each.below(self.base) for each in read]
        if option.is_path:
            read = [
                each if isinstance(each, option_types.RemoteUrl) else Path(os.path.normpath(self.base / each))
                for each in read
            ]
        return tuple(read) if option.repeatable else read[0]


def setting_in_force(config: pytest.Config, name: str, option: Option) -> Written:
    """The setting in force: from the command line, else the ini file, else its default."""
    invocation = config.invocation_params.dir
    typed = config.getoption(ini_key(name), None)
    if typed is not None:
        texts = tuple(typed) if option.repeatable else (typed,)
        is_off = option.is_path and not option.repeatable and not typed
        return Written(None if is_off else texts, flag(name), invocation)
    kept = kept_in_ini(config, name, option)
    if kept or kept is False or (kept == "" and option.is_list):
        ini = config.inipath
        texts = tuple(map(str, kept)) if option.repeatable else (str(kept).lower() if option.is_switch else str(kept),)
        key = ini_key(name)
        label = f"-o {key}" if key in typed_keys(config) else f"{key} in {ini.name}" if ini else key
        return Written(texts, label, ini.parent if ini else invocation)
    return default_of(name, option, invocation)


def typed_keys(config: pytest.Config) -> list[str]:
    """The keys of an ini file that stand behind ``-o`` on the command line."""
    return [each.partition("=")[0] for each in config.getoption("override_ini", None) or ()]


def kept_in_ini(config: pytest.Config, name: str, option: Option) -> Any:  # noqa: ANN401 - as pytest has it
    """What the ini file says. In TOML, what pytest wants as a text may be a number, or a list of names.

    Raises:
        pytest.UsageError: it is of another type.
    """
    key = ini_key(name)
    written = (config._inicfg if hasattr(config, "_inicfg") else config.inicfg).get(key)  # the latter is pytest 8's
    kept: object = getattr(written, "value", written)
    if not (option.repeatable or option.is_switch):
        if isinstance(kept, list):
            if not option.is_list:
                texts = [option_types.without_password(str(each)) for each in kept]
                raise pytest.UsageError(f"{key}: {texts} is a list (write one text)")
            return ",".join(map(str, kept))
        if isinstance(kept, int | float) and not isinstance(kept, bool):
            return str(kept)
    try:
        return config.getini(key)
    except (ValueError, pytest.UsageError):  # the first is pytest 8's
        if not option.is_switch:
            raise
        shown = option_types.without_password(str(kept))
        raise pytest.UsageError(f"{key}: {shown!r} is neither true nor false") from None  # pytest's names no key


def default_of(name: str, option: Option, base: Path = Path()) -> Written:
    """The setting as it is if nobody writes it."""
    default = (option.default,) if isinstance(option.default, str) else option.default
    return Written(default, flag(name), base, is_chosen=False)
