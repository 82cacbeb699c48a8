"""Files put together by their shape: where their records have our fields."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence  # noqa: TC003 - `Shapes` is a dataclass with these
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from random import Random
from typing import TYPE_CHECKING, TypeAlias

from pytest_token_telemetry.sources.sampled_records import OUTPUT, Seen, are_read_together

if TYPE_CHECKING:
    from pytest_token_telemetry.sources.field_map import Steps

RECORDS = 200
"""Records of a file that are looked at."""

FILES = 20
"""Files of a shape whose records are looked at together."""

LOOKED_AT = 500
"""Files of an ending whose shapes are looked at, at most."""

_BYTES = 1 << 29
"""Bytes of files that are looked at, at most: each of `FILES` is, whatever it has."""

_BYTES_OF_FILE = 1 << 24
"""Bytes of a file that count: of lines no more are read, as a rule."""

_Places: TypeAlias = "dict[str, set[Steps]]"
"""The paths of each field that was found, or may be."""


@dataclass(slots=True)
class Shape:
    """Files that one map reads."""

    files: list[str] = field(default_factory=list)
    seen: Seen = field(default_factory=Seen)
    """The records of the first files."""
    has_output: bool = False
    """Whether it is known which count is the output."""
    _places: _Places = field(default_factory=dict)

    def add(self, path: str, look: _Look) -> None:
        """Have one more file."""
        if len(self.files) < FILES:
            self.seen.add_all(look.seen)
        self.files.append(path)
        for name, found in look.places.items():
            self._places.setdefault(name, set()).update(found)

    def agrees(self, look: _Look) -> bool:
        """Whether one map can read a file too."""
        places = [(name, self._places[name], found) for name, found in look.places.items() if name in self._places]
        return (OUTPUT in self._places) == (OUTPUT in look.places) and all(
            not known.isdisjoint(found) or (name != OUTPUT and are_read_together(name, known | found))
            for name, known, found in places
        )

    def share(self, look: _Look) -> float:
        """Which share of the paths in a file stand in this shape too: of an empty file all."""
        paths = look.seen.paths
        return sum(each in self.seen.paths for each in paths) / len(paths) if paths else 1.0


@dataclass(frozen=True, slots=True)
class _Look:
    seen: Seen
    places: _Places
    has_output: bool

    @classmethod
    def at(cls, records: Iterator[object]) -> _Look:
        seen = _seen(records)
        sure, doubtful = seen.fields()
        places = {name: {*sure.get(name, ()), *doubtful.get(name, ())} for name in sure | doubtful}
        return cls(seen, places, OUTPUT in sure)


def looked_at(paths: Sequence[str]) -> list[str]:
    """Those of ``paths`` whose shapes are looked at: all, as a rule, or else a sample that is the same each time."""
    found: set[str] = set()
    size = 0
    sample = paths if len(paths) <= LOOKED_AT else Random(0).sample(paths, LOOKED_AT)  # noqa: S311 - no secret
    for path in sample:
        with suppress(OSError):  # it is gone
            size += min(os.path.getsize(path), _BYTES_OF_FILE)  # noqa: PTH202
        if len(found) >= FILES and size > _BYTES:
            break
        found.add(path)
    return [path for path in paths if path in found]


def shapes_of(paths: Sequence[str], records: Callable[[str], Iterator[object]]) -> list[Shape]:
    """The shapes of the files at ``paths``, each with its files, those with an output and of most files first.

    A file without an output is of the shape that has most of its paths: all of its calls may have failed.

    Args:
        paths: see `looked_at`.
        records: gives those of a file.
    """
    shapes: list[Shape] = []
    others: list[str] = []
    for path in paths:
        look = _Look.at(records(path))
        if look.has_output:
            shape = next((each for each in shapes if each.agrees(look)), None)
            _put(path, look, shape, shapes)
        else:
            others.append(path)
    shapes.sort(key=lambda each: -len(each.files))
    for path in others:
        look = _Look.at(records(path))  # again: to keep what all of them hold needs too much memory
        nearest = max(shapes, key=lambda each: each.share(look), default=None)
        if nearest is not None and nearest.share(look) <= _MOST:
            nearest = next((each for each in shapes if not each.has_output and each.agrees(look)), None)
        _put(path, look, nearest, shapes)
    return sorted(shapes, key=lambda each: (not each.has_output, -len(each.files)))


def seen_in(paths: Sequence[str], records: Callable[[str], Iterator[object]]) -> Seen:
    """What the first of the files at ``paths`` hold."""
    found = Seen()
    for path in paths[:FILES]:
        found.add_all(_seen(records(path)))
    return found


def _seen(records: Iterator[object]) -> Seen:
    found = Seen()
    with suppress(OSError):  # what was seen before counts
        for record in islice(records, RECORDS):
            found.add(record)
    return found


def _put(path: str, look: _Look, shape: Shape | None, shapes: list[Shape]) -> None:
    if shape is None:
        shape = Shape(has_output=look.has_output)
        shapes.append(shape)
    shape.add(path, look)


_MOST = 0.5
