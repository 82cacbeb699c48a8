"""Find the files to read below a directory: each once, none outside it, nothing but regular files."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pytest_token_telemetry.option_types import matchers, matches

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path


@dataclass(slots=True)
class Found:
    """What a walk came upon. Paths are relative to the directory that was walked, with '/'."""

    files: dict[str, str] = field(default_factory=dict)
    """Regular files that match, and links to files inside the directory, each with the real path to open."""
    unreadable: dict[str, str] = field(default_factory=dict)
    """Directories that could not be listed and links that lead nowhere, each with the reason."""
    outside: list[str] = field(default_factory=list)
    """Links that lead out of the directory: not followed."""
    special: list[str] = field(default_factory=list)
    """Pipes, sockets and devices that match: not opened."""


def walk(root: Path, patterns: Iterable[str], tell: Callable[[int], object] | None = None) -> Found:
    """All that matches one of ``patterns`` below ``root``, in an order of no meaning.

    A pattern without a '/' is matched with the file's name, any other with its path below ``root``. Links to
    directories are not followed: what they lead to is either below ``root`` anyway, or outside. ``tell`` is called
    now and then with the number of files so far.
    """
    patterns = tuple(patterns)
    of_name, of_path = matchers(patterns)
    real_root = os.path.realpath(root)
    found = Found()
    seen: set[tuple[int, int]] = set()
    pending = [""]
    while pending:
        if tell is not None:
            tell(len(found.files))
        below = pending.pop()
        directory = os.path.join(real_root, below)  # noqa: PTH118 - one string a file, not one object
        above = f"{below}/" if below else ""
        try:
            identity = os.stat(directory)  # noqa: PTH116
            if (identity.st_dev, identity.st_ino) in seen:
                continue  # the same directory, mounted within itself
            seen.add((identity.st_dev, identity.st_ino))
            with os.scandir(directory) as entries:
                for entry in entries:
                    path = above + entry.name
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(path)
                    elif entry.is_symlink():
                        _follow(entry.path, path, patterns, real_root, found)
                    elif of_name(entry.name) or of_path(path):
                        if entry.is_file(follow_symlinks=False):
                            found.files[path] = entry.path
                        else:
                            found.special.append(path)
        except FileNotFoundError:
            found.unreadable[below or "."] = "the directory does not exist"
        except OSError as error:
            found.unreadable[below or "."] = error.strerror or type(error).__name__
    return found


def _follow(link: str, path: str, patterns: tuple[str, ...], real_root: str, found: Found) -> None:
    target = os.path.realpath(link)
    inside = target == real_root or target.startswith(real_root.rstrip(os.sep) + os.sep)
    if os.path.isdir(target):  # noqa: PTH112
        if not inside:
            found.outside.append(path)
    elif not matches(path, patterns):
        return
    elif not inside and not _is_missing(target):
        found.outside.append(path)
    elif os.path.isfile(target):  # noqa: PTH113
        found.files[path] = target
    elif os.path.exists(target):  # noqa: PTH110
        found.special.append(path)
    else:
        found.unreadable[path] = "the link leads to nothing"


def _is_missing(path: str) -> bool:
    """Whether nothing is there: what may not be looked at is."""
    try:
        os.stat(path)  # noqa: PTH116
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return False
