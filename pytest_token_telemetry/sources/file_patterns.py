"""Patterns for the ``files`` of a map that match some files, and none of the others."""

from __future__ import annotations

import os
import re
from glob import escape
from itertools import takewhile
from pathlib import PurePath
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from pytest_token_telemetry.option_types import matches
from pytest_token_telemetry.sources.mapped import is_claimed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

NAMED = 20
"""Files that a map names where no pattern tells them from others."""

Below: TypeAlias = "Mapping[str, str]"
"""Files by the real paths to open them: the path of each below the directory that was walked, with '/'."""


class Parted(NamedTuple):
    """Patterns that tell files from others."""

    patterns: list[str]
    left: int = 0
    """Files that none of them matches: they are too many to be named, or others have their names."""


def below(paths: Iterable[str], directories: Iterable[str | os.PathLike[str]]) -> dict[str, str]:
    """Files at real ``paths``, in ``directories`` that were walked."""
    roots = [os.path.join(os.path.realpath(each), "") for each in directories]  # noqa: PTH118
    return {path: _below(path, roots).replace(os.sep, "/") for path in paths}


def _below(path: str, roots: Iterable[str]) -> str:
    return next((path[len(root) :] for root in roots if path.startswith(root)), PurePath(path).name)


def whole_pattern(path: str) -> str:
    """The pattern of all files with the same ending; of a file without one, its name."""
    name = _unrotated(PurePath(path).name)
    ending = PurePath(name).suffix
    return f"*{escape(ending)}" if ending else escape(name)


def whole_patterns(whole: str, paths: Iterable[str]) -> list[str]:
    """``whole`` for files at ``paths``, and for other rotations of them if some are rotated."""
    return _with_rotations(whole) if _are_rotated(paths) else [whole]


def _unrotated(name: str) -> str:
    """The name that a file had before it was rotated or compressed: ``calls.jsonl`` of ``calls.jsonl.2.gz``."""
    return _ROTATION.sub("", name)


_ROTATION = re.compile(
    r"(?<=.)(?:\.\d{1,4}|[.-]\d{4}-?\d\d-?\d\d(?:[-_T]\d[\d-]*)?){0,2}(?:\.(?:gz|bz2|xz|zst))?\Z", re.ASCII | re.DOTALL
)
"""As ``logrotate`` and ``logging.handlers`` write it: ``.1``, ``.2.gz``, ``-20261127``, ``.2026-11-27_10-30-00``."""


def _are_rotated(paths: Iterable[str]) -> bool:
    return any(_unrotated(name) != name for name in (PurePath(path).name for path in paths))


def _with_rotations(pattern: str) -> list[str]:
    """``pattern`` for files and their rotations. Without an ending, and as ``.json``, it may begin other names too."""
    if pattern.endswith("*"):
        return [pattern]
    is_safe = PurePath(pattern).suffix not in ("", ".json")
    return [f"{pattern}*"] if is_safe else [pattern, f"{pattern}[.-]*"]


def is_apart(patterns: Sequence[str], files: Below, others: Iterable[str]) -> bool:
    """Whether each of ``files`` matches one of ``patterns``, and none of ``others``, which are real paths."""
    return all(matches(each, patterns) for each in files.values()) and not _has_any(patterns, others)


def _has_any(patterns: Sequence[str], paths: Iterable[str]) -> bool:
    return any(is_claimed(path, patterns) for path in paths)


def parted(files: Below, others: Sequence[str]) -> Parted:
    """Patterns for ``files``: one that such files to come may match too, or else their names.

    ``others``: the real paths of files that none may match.
    """
    are_rotated = _are_rotated(files.values())
    for pattern in _candidates([*files.values()]):
        patterns = _with_rotations(pattern) if are_rotated else [pattern]
        if is_apart(patterns, files, others):
            return Parted(patterns)
    named: dict[str, None] = {}
    left = 0
    for path in files.values():
        alone = next((each for each in _alone(path, are_rotated=are_rotated) if not _has_any(each, others)), [])
        if alone and (named.keys() >= {*alone} or len(named) < NAMED):
            named |= dict.fromkeys(alone)
        else:
            left += 1
    return Parted([*named], left)


def _alone(path: str, *, are_rotated: bool) -> Iterator[list[str]]:
    """Patterns for one file: for its rotations too, or by its name, or by its path."""
    name = PurePath(path).name
    if are_rotated:
        yield _with_rotations(escape(_unrotated(name)))
        yield _with_rotations(escape(f"{path.removesuffix(name)}{_unrotated(name)}"))
    yield [escape(name)]
    yield [escape(path)]


def _candidates(paths: Sequence[str]) -> Iterator[str]:
    """Patterns that match all of ``paths``, the likely ones first: by the words of the names, then by directories.

    They match rotated files by the names that these had before.
    """
    names = {_unrotated(PurePath(path).name) for path in paths}
    ending = PurePath(min(names)).suffix
    stems = [_WORDS.findall(name.removesuffix(ending)) for name in sorted(names)]
    begin = "".join(_common(stems))
    end = "".join(reversed(_common([stem[::-1] for stem in stems])))
    is_one = len(names) == 1
    if is_one and not any(map(str.isdecimal, stems[0])):
        yield escape(min(names))
    if begin:
        yield f"{escape(begin)}*{escape(ending)}"
    if end:
        yield f"*{escape(end)}{escape(ending)}"
    if is_one:
        yield escape(min(names))
    yield from _by_directory([PurePath(path).parts[:-1] for path in paths], escape(ending))


def _by_directory(directories: Sequence[tuple[str, ...]], ending: str) -> Iterator[str]:
    common = [parts[0] for parts in takewhile(lambda parts: len(set(parts)) == 1, zip(*directories, strict=False))]
    for n in range(len(common)):
        yield f"{'/'.join(map(escape, common[: n + 1]))}/*{ending}"
    for part in directories[0]:
        if all(part in each[1:] for each in directories):
            yield f"*/{escape(part)}/*{ending}"


def _common(stems: Sequence[Sequence[str]]) -> list[str]:
    """The words that all ``stems`` begin with; of one stem those before its first number."""
    if len(stems) == 1:
        words = [*takewhile(lambda word: not word.isdecimal(), stems[0])]
    else:
        words = [each[0] for each in takewhile(lambda each: len(set(each)) == 1, zip(*stems, strict=False))]
    while words and not words[-1].isalpha():
        words.pop()
    return words


_WORDS = re.compile(r"[^\W\d_]+|\d+|[\W_]+")
