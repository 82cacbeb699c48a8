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
    name = PurePath(path).name
    ending = _ending(name)
    return f"*{escape(ending)}" if ending else escape(name)


def _ending(name: str) -> str:
    path = PurePath(name)
    return "".join(path.suffixes[-2:] if path.suffix in _COMPRESSED else path.suffixes[-1:])


_COMPRESSED = (".gz", ".bz2", ".xz", ".zst")


def is_apart(pattern: str, files: Below, others: Iterable[str]) -> bool:
    """Whether ``pattern`` matches all ``files``, and none of ``others``, which are real paths."""
    return all(matches(each, [pattern]) for each in files.values()) and not _has_any(pattern, others)


def _has_any(pattern: str, paths: Iterable[str]) -> bool:
    return any(is_claimed(path, [pattern]) for path in paths)


def parted(files: Below, others: Sequence[str]) -> Parted:
    """Patterns for ``files``: one that such files to come may match too, or else their names.

    ``others``: the real paths of files that none may match.
    """
    for pattern in _candidates([*files.values()]):
        if is_apart(pattern, files, others):
            return Parted([pattern])
    named: dict[str, None] = {}
    left = 0
    for path in files.values():
        alone = (each for each in (escape(PurePath(path).name), escape(path)) if not _has_any(each, others))
        pattern = next(alone, "")
        if pattern in named or (pattern and len(named) < NAMED):
            named[pattern] = None
        else:
            left += 1
    return Parted([*named], left)


def _candidates(paths: Sequence[str]) -> Iterator[str]:
    """Patterns that match all of ``paths``, the likely ones first: by the words of the names, then by directories."""
    names = {PurePath(path).name for path in paths}
    ending = _ending(min(names))
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
