"""Where an estimator is: ``package.module:callable``, or ``path/to/checkout::package.module:callable``."""

from __future__ import annotations

import functools
import importlib
import inspect
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_token_telemetry.text import inert, meant, nearest, raised

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class Location:
    """Which callable of which module, and from which directory the module is imported."""

    module: str
    name: str
    """With dots, if it is an attribute of an attribute."""
    directory: Path | None = None
    """``None``: wherever Python finds the module."""
    home: Path | None = None
    """Where else the module may lie, if there is no directory."""

    def __str__(self) -> str:
        spec = f"{self.module}:{self.name}"
        return spec if self.directory is None else f"{self.directory}::{spec}"

    def below(self, base: Path) -> Location:
        """The same, written in ``base``: a relative directory is below it, and a module may lie in it."""
        return replace(self, home=base) if self.directory is None else replace(self, directory=base / self.directory)

    def refuse_missing_directory(self) -> None:
        """See whether there is the directory, if one is named.

        Raises:
            LookupError: there is none.
        """
        if self.directory is not None and not self.directory.is_dir():
            raise LookupError(
                f"'{self.directory}' is not a directory (name one that is there: 'git worktree add DIRECTORY COMMIT'"
                " makes one of another commit)"
            )

    def load(self) -> Callable[..., object]:
        """Import the callable.

        Raises:
            LookupError: with one sentence, if the module cannot be imported or has no such callable.
        """
        self.refuse_missing_directory()
        if self.directory is not None:
            sys.path.insert(0, str(self.directory))
        elif self.home is not None and str(self.home) not in sys.path:
            sys.path.append(str(self.home))
        try:
            found: object = importlib.import_module(self.module)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # whatever the module raises while it is imported
            said = f"{self.module!r} cannot be imported: {inert(raised(error), 300)}"
            way_out = f"write {instead}" if (instead := self._instead(error)) else self._near(error)
            raise LookupError(f"{said} ({inert(way_out, 300)})" if way_out else said) from error
        file = getattr(found, "__file__", None)
        if self.directory and not (file and Path(file).resolve().is_relative_to(self.directory.resolve())):
            # The base must not be the head by mistake.
            raise LookupError(f"{self.module!r} is not in '{self.directory}', but was found elsewhere")
        try:
            for part in self.name.split("."):
                found = getattr(found, part)
        except AttributeError:
            near = _like(found, part)
            raise LookupError(f"{self.module!r} has no {self.name!r}{near and f' ({near})'}") from None
        except Exception as error:  # a module can have a __getattr__ of its own
            raise LookupError(f"{self.module}:{self.name} cannot be had: {inert(raised(error), 300)}") from error
        if not callable(found):
            raise LookupError(f"{self.module}:{self.name} is {type(found).__name__}, which cannot be called")
        return found

    def _instead(self, error: BaseException) -> Location | None:
        """What to write where the import misses a module that is there: ``est:guess`` instead of ``est.py:guess``.

        Else the file is looked for: that of the module, in the directories of the one it is looked for in, and that of
        another module beside it, where its directory was written as a package.
        """
        missing = _missing(error)
        if missing is None:
            return None
        module = self.module.removesuffix(".py")
        if missing == self.module != module:
            return replace(self, module=module)
        root = self.directory or self.home
        if root is None:
            return None
        if f"{module}.".startswith(f"{missing}."):
            below = sorted(filter(Path.is_dir, _entries(root)), key=lambda path: (path.name != "src", path.name))
            directories = [path for path in below if not path.name.startswith(".") and _holds(path, module)]
        else:
            steps = module.split(".")
            below = [root.joinpath(*steps[:i]) for i in range(len(steps) - 1, 0, -1)]
            directories = [path for path in below if _holds(path, missing)]
            module = ".".join(steps[len(directories[0].relative_to(root).parts) :]) if directories else module
        if not directories:
            return None
        shown = directories[0] if self.directory is not None else directories[0].relative_to(root)
        return Location(module, self.name, shown)

    def _near(self, error: BaseException) -> str:
        """``did you mean this?``, of the modules that lie where the import misses one; empty if none is like it."""
        missing, root = _missing(error), self.directory or self.home
        if missing is None or root is None or not f"{self.module}.".startswith(f"{missing}."):
            return ""
        package, dot, module = missing.rpartition(".")
        entries = _entries(root.joinpath(*package.split(".")) if package else root)
        names = [path.stem for path in entries if path.stem.isidentifier() and _holds(path.parent, path.stem)]
        near = nearest(module, names)
        return "" if near is None else f"did you mean {package}{dot}{near}?"


def _missing(error: BaseException) -> str | None:
    """The module that an import missed."""
    missing = error.name if isinstance(error, ModuleNotFoundError) else None
    return missing if isinstance(missing, str) and all(map(str.isidentifier, missing.split("."))) else None


def _entries(directory: Path) -> list[Path]:
    try:
        return list(directory.iterdir())
    except OSError:
        return []


def _holds(directory: Path, module: str) -> bool:
    """True if ``module`` would be imported from a file in ``directory``."""
    path = directory.joinpath(*module.split("."))
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


def _like(found: object, missing: str) -> str:
    """``did you mean this?``, of what ``found`` has that is most like ``missing``; empty if nothing is."""
    try:
        known = [name for name in dir(found) if not name.startswith("_")]
    except Exception:  # an object can have a __dir__ of its own
        return ""
    return inert(meant(missing, known), 300)


def defined_at(estimator: object, base: Path) -> str | None:
    """Where the code of ``estimator`` begins, as ``file:line``; ``None`` if it is not written in Python.

    Args:
        estimator: a function, a method, a class, an object that can be called, or any of these decorated or partial.
        base: the directory from which a path of a file below it is shown.
    """
    while isinstance(estimator, functools.partial):
        estimator = estimator.func
    if not inspect.isroutine(estimator):
        is_class = isinstance(estimator, type)
        estimator = getattr(estimator if is_class else type(estimator), "__init__" if is_class else "__call__", None)
    try:
        code = getattr(inspect.unwrap(estimator), "__code__", None) if callable(estimator) else None
    except ValueError:  # it wraps itself
        return None
    if not inspect.iscode(code):
        return None
    path = Path(code.co_filename)
    shown = path.relative_to(base) if path.is_relative_to(base) else path
    return f"{shown.as_posix()}:{code.co_firstlineno}"


def plain_function(estimator: object) -> str | None:
    """Where a plain function is defined, as ``file:line``; ``None`` for all else, which may share a place."""
    is_plain = inspect.isfunction(estimator) and not estimator.__closure__ and not hasattr(estimator, "__wrapped__")
    return defined_at(estimator, Path()) if is_plain else None


def location(text: str) -> Location:
    """The `Location` that ``text`` names.

    Raises:
        ValueError: with the rest of a sentence that begins with the setting's name.
    """
    directory, separator, spec = text.strip().rpartition("::")
    module, colon, name = spec.partition(":")
    words = [*module.split("."), *name.split(".")]
    if not colon or not all(word.isidentifier() for word in words) or (separator and not directory):
        raise ValueError(f"{text!r} is not an estimator (write package.module:callable, or path::module:callable)")
    return Location(module, name, Path(directory) if separator else None)
