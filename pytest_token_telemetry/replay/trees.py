"""Which checkout a file belongs to: the head's, the base's, or neither.

One checkout may lie in the other, and environments of Python in both: the deepest directory around a file decides.
"""

from __future__ import annotations

import os
import sysconfig
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_token_telemetry.replay.pytest_settings import SETTINGS_FILES, python_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from types import ModuleType

_MARKS = (*SETTINGS_FILES, "setup.py")
"""Files that stand at the root of a project."""

_INSTALLED = ("site-packages", "dist-packages")


@dataclass(frozen=True, slots=True)
class Trees:
    """The directories of the two checkouts, as real paths. The outermost of each comes last."""

    head: tuple[str, ...]
    base: tuple[str, ...]

    def is_heads(self, path: str) -> bool:
        """True if what is at ``path`` is part of the head's checkout, and no package that is installed in it."""
        real = os.path.realpath(path)
        head, base, neither = (_depth(real, roots) for roots in (self.head, self.base, _neither()))
        installed = not set(_INSTALLED).isdisjoint(Path(real[head:]).parts)
        return head > neither and head >= base and not installed

    def in_base(self, path: str) -> Iterator[str]:
        """The directories of the base's checkout that stand where ``path`` stands in the head's."""
        real = os.path.realpath(path)
        for head in reversed(self.head):
            if _is_within(real, head):
                for base in reversed(self.base):
                    found = os.path.normpath(os.path.join(base, os.path.relpath(real, head)))  # noqa: PTH118 - texts
                    if os.path.isdir(found) and not self.is_heads(found):  # noqa: PTH112
                        yield found

    def search(self, path: Iterable[str]) -> list[str]:
        """Where the base's modules are looked for first. The head's are looked for in ``path``, or were found there.

        That is the directory that was named, what pytest's settings in the base's checkout add, what stands where the
        head's directories of ``path`` stand, and ``src``.
        """
        named, root = self.base[0], self.base[-1]
        found = [named, *python_path(named, root)]
        found += [each for entry in path if self.is_heads(entry) for each in self.in_base(entry)]
        found += [root, os.path.join(root, "src")]  # noqa: PTH118
        return list(dict.fromkeys(each for each in found if os.path.isdir(each)))  # noqa: PTH112


def trees(base: Path, head: Path, session: Iterable[Path], *, named: bool) -> Trees:
    """The checkouts around two estimators.

    Args:
        base: the directory that is named for the base estimator.
        head: the directory from which the other one is imported.
        session: the directories of the session, which are the head's.
        named: whether the head's directory was named too. Then the session may be in the base's checkout.
    """
    base, head = (Path(os.path.realpath(each)) for each in (base, head))
    heads = [] if head.name in _INSTALLED else [head, _project(head)]
    for each in (Path(os.path.realpath(directory)) for directory in session):
        if not named or head.is_relative_to(each) or not base.is_relative_to(each):
            heads += [each, _project(each)]
    heads = [each for each in heads if each == head or each not in (base, Path(each.anchor))]  # a disk is no checkout
    root = _root_beside(base, heads)
    outermost_last = sorted(dict.fromkeys(map(str, heads)), key=len, reverse=True)
    return Trees(tuple(outermost_last), tuple(dict.fromkeys((str(base), str(root)))))


def paths_of(module: ModuleType) -> Iterator[str]:
    """The file of a module; the directories of a namespace package."""
    known = getattr(module, "__dict__", {})  # a lazy module would be imported by a look at its attributes
    file = known.get("__file__")
    if isinstance(file, str):
        yield file
    elif "__path__" in known:
        yield from (str(each) for each in known["__path__"])


def imported_from(modules: Mapping[str, ModuleType]) -> Iterator[str]:
    """The directories from which ``modules`` were imported, by whatever finder."""
    for name, module in list(modules.items()):
        if "." not in name:
            for path in paths_of(module):
                is_package = "__path__" in vars(module) and path.endswith(".py")
                yield str(Path(path).parents[1] if is_package else Path(path).parent)


def _project(directory: Path) -> Path:
    """The checkout that ``directory`` is in; the project, if there is no git; else ``directory``."""
    around = (directory, *directory.parents)
    return next(
        (each for marks in ((".git",), _MARKS) for each in around if _has(each, marks)),
        directory,
    )


def _root_beside(directory: Path, heads: Sequence[Path]) -> Path:
    """The checkout or project that ``directory`` is in and none of ``heads``; else ``directory``."""
    found = directory
    for each in (directory, *directory.parents):
        if any(head.is_relative_to(each) for head in heads):
            break
        if _has(each, (".git",)):
            return each
        if _has(each, _MARKS):
            found = each
    return found


def _has(directory: Path, names: Iterable[str]) -> bool:
    return any((directory / name).exists() for name in names)


@cache
def _neither() -> tuple[str, ...]:
    """Python's own library, and this package, which may lie in the checkout that it judges."""
    own = sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"), str(Path(__file__).parents[1])
    return tuple(map(os.path.realpath, own))


def _depth(path: str, roots: Iterable[str]) -> int:
    """How long the longest of ``roots`` is that is around ``path``; 0 if none is."""
    return max((len(root) for root in roots if _is_within(path, root)), default=0)


def _is_within(path: str, root: str) -> bool:
    return path == root or path.startswith(root.rstrip(os.sep) + os.sep)
