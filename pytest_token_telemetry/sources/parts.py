"""Put parts of files together, each read by itself, into what reading the whole files would have found."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pytest_token_telemetry.columns import UNKNOWN, SampleColumns
from pytest_token_telemetry.sources.extract import (
    PLACES_KEPT,
    Extract,
    FileRead,
    Identities,
    Loose,
    LooseBudget,
    joined,
)
from pytest_token_telemetry.table import Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_token_telemetry.columns import Integers
    from pytest_token_telemetry.sources.extract import Complaint


class Placed(NamedTuple):
    """An extract, and which files those are that it knows as its first, second, ..."""

    extract: Extract
    files: Sequence[int]
    """A number for each; `UNKNOWN`: leave it out. One that is there before is continued."""


def together(parts: Sequence[Placed]) -> Extract:
    """One extract of all files, in the order of their numbers, which are 0, 1, ... without a gap.

    The parts of a file come in their order. ``[TOKEN_BUDGET]`` records of parts stay loose: there may be a next part.
    """
    files: dict[int, FileRead] = {}
    rows = [_renumbered(part, files) for part in parts]
    table = Table([SampleColumns().build(), *(part.samples for part in rows)])
    identities = Identities.joined([part.identities for part in rows])
    places = np.concatenate([np.empty(0, np.int64), *(_places(part) for part in rows)])
    order = _order(table.column("file"))
    samples = table.build(order)
    if order is not None:
        identities, places = identities.take(order), places[order]
    budgets = sorted((each for part in rows if part.loose for each in part.loose.budgets), key=lambda each: each[:3])
    return Extract(
        files=tuple(files[number] for number in range(len(files))),
        samples=samples,
        identities=identities,
        complaints=_added_up([each for part in rows for each in part.complaints]),
        loose=Loose(budgets, places) if any(part.loose for part in rows) else None,
    )


def settled(extract: Extract) -> Extract:
    """``extract``, of which no file has a next part: the samples know what their ``[TOKEN_BUDGET]`` records say."""
    if extract.loose is None:
        return extract
    return replace(extract, samples=joined(extract.samples, extract.loose.places, extract.loose.budgets), loose=None)


def _renumbered(part: Placed, files: dict[int, FileRead]) -> Extract:
    """A part with its files and lines as they are among ``files``, to which its own are added."""
    extract = part.extract
    before = []
    for number, file in zip(part.files, extract.files, strict=True):
        known = files.get(number)
        before.append(0 if known is None else known.line_ends)
        if number != UNKNOWN:
            files[number] = file if known is None else _continued(known, file)
    numbers, lines = np.array(part.files, np.int64), np.array(before, np.int64)
    samples, identities, loose = extract.samples, extract.identities, extract.loose
    if UNKNOWN in part.files:
        kept = np.flatnonzero(numbers[samples.file] != UNKNOWN)
        samples, identities = samples.take(kept), identities.take(kept)
        loose = loose and replace(loose, places=loose.places[kept])
    return Extract(
        files=extract.files,
        samples=replace(samples, file=numbers[samples.file], line=samples.line + lines[samples.file]),
        identities=identities,
        complaints=tuple(
            replace(each, file=part.files[each.file], lines=tuple(line + before[each.file] for line in each.lines))
            for each in extract.complaints
            if part.files[each.file] != UNKNOWN
        ),
        loose=loose
        and replace(
            loose,
            budgets=[
                LooseBudget(part.files[file], line + before[file], place, budget)
                for file, line, place, budget in loose.budgets
                if part.files[file] != UNKNOWN
            ],
        ),
    )


def _continued(file: FileRead, part: FileRead) -> FileRead:
    """A file and its next part. Whether that is one of the same file, its ending told."""
    return FileRead(
        part.identity if file.identity is None else file.identity,
        part.error if file.error is None else file.error,
        file.line_ends + part.line_ends,
    )


def _places(part: Extract) -> Integers:
    return np.zeros(len(part.samples), np.int64) if part.loose is None else part.loose.places


def _order(files: Integers) -> Integers | None:
    """The rows in the order of their files, those of a file as they come; ``None`` if they are."""
    return None if (files[1:] >= files[:-1]).all() else np.argsort(files, kind="stable")


def _added_up(complaints: Sequence[Complaint]) -> tuple[Complaint, ...]:
    """One complaint for each file and reason, from those of the parts of the files."""
    found: dict[tuple[int, str], Complaint] = {}
    for each in complaints:
        known = found.get((each.file, each.reason), replace(each, count=0, lines=()))
        lines = (*known.lines, *each.lines)[:PLACES_KEPT]
        found[each.file, each.reason] = replace(known, count=known.count + each.count, lines=lines)
    return tuple(each for _, each in sorted(found.items(), key=lambda item: item[0]))
