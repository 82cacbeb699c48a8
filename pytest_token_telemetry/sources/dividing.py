"""The work of reading files as tasks that can be done anywhere, and what comes of a file's parts put together again."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, replace
from itertools import accumulate, groupby, pairwise
from typing import TYPE_CHECKING

import numpy as np

from pytest_token_telemetry.samples import UNKNOWN, SamplesBuilder
from pytest_token_telemetry.sources.compressed import is_compressed
from pytest_token_telemetry.sources.extract import (
    Extract,
    FileRead,
    Listed,
    Part,
    Task,
    ending,
    head_of,
    source_at,
)
from pytest_token_telemetry.sources.outcomes import Outcomes
from pytest_token_telemetry.sources.rows import MOST_BEGUN, PLACES_KEPT, AbsorbedRecords, Complaint, Identities
from pytest_token_telemetry.sources.source import READ_ONLY
from pytest_token_telemetry.sources.tagged.simple_search import is_wide
from pytest_token_telemetry.sources.uncounted import no_ends

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pytest_token_telemetry.samples import Integers


@dataclass(frozen=True, slots=True)
class TaskSizes:
    """How large tasks are."""

    size: int
    """Bytes of a task of several files."""
    files: int
    """How many files those are at most."""
    part: int
    """Bytes of a part. A larger file is read in parts, unless its lines cannot be told from its bytes."""
    line: int = 1 << 16
    """Bytes in which a line end is looked for; if there is none, a part goes on."""


HERE = TaskSizes(32 << 20, 2500, 64 << 20)
"""For processes on this machine: enough work to be worth its way, and little enough to keep all busy to the end."""

ELSEWHERE = TaskSizes(128 << 20, 5000, 128 << 20)
"""For other engines, of which some take 5 ms for a task."""


def plan(files: Iterable[Listed], bounds: TaskSizes, like: Task) -> Iterator[Task]:
    """The work of reading ``files``, in their order, by tasks that are ``like`` this one but for what they read."""
    batch: list[Listed] = []
    total = 0
    for file in files:
        size = file.size
        parts = _parts(file, bounds, like) if size > bounds.part else ()
        if batch and (parts or total + size > bounds.size or len(batch) == bounds.files):
            yield replace(like, files=tuple(batch))
            batch, total = [], 0
        for part in parts:
            yield replace(like, files=(file,), part=part)
        if not parts:
            batch.append(file)
            total += size
    if batch:
        yield replace(like, files=tuple(batch))


def in_whole_files(done: Iterable[tuple[Task, Extract]]) -> Iterator[Extract]:
    """The extracts of ``done``, in the order of the files, with one for all parts of a file."""
    for divided, of_task in groupby(done, key=lambda each: each[0].divided):
        extracts = [extract for _, extract in of_task]
        yield from extracts if divided is None else [_whole(extracts)]


def _parts(file: Listed, bounds: TaskSizes, like: Task) -> tuple[Part, ...]:
    """The parts of a large file; none if it has to be read whole, as one that is compressed."""
    try:
        descriptor = os.open(file.copy or file.path, READ_ONLY)
        try:
            head = head_of(descriptor)
            if is_wide(head) or is_compressed(head) or not source_at(descriptor, file, like).in_parts:
                return ()
            ends = [0, *_line_ends(descriptor, bounds, file.size), file.size]
            spans = pairwise(ends) if len(ends) > 2 else ()
            return tuple(Part(begin, end, ending(descriptor, begin, end)) for begin, end in spans)
        finally:
            os.close(descriptor)
    except OSError:
        return ()


def _line_ends(descriptor: int, bounds: TaskSizes, end: int) -> Iterator[int]:
    """Where lines end, behind about every so many bytes as a part has, up to ``end``."""
    at = bounds.part
    while at < end:
        os.lseek(descriptor, at, os.SEEK_SET)
        found = os.read(descriptor, bounds.line).find(b"\n") + 1
        if found and at + found < end:
            yield at + found
        at += found + bounds.part


def _whole(parts: Sequence[Extract]) -> Extract:
    """What reading a file whole finds, from the extracts of its parts, in their order."""
    files = [part.files[0] for part in parts]
    *before, line_ends = accumulate((file.line_ends for file in files), initial=0)
    samples = SamplesBuilder(
        replace(part.samples, line=part.samples.line.astype(np.int64) + lines)
        for part, lines in zip(parts, before, strict=True)
    )
    identities = Identities.joined([part.identities for part in parts])
    rows = _not_claimed_below(samples, identities, parts, before)
    error = next((file.error for file in files if file.error is not None), None)
    return Extract(
        files=(FileRead(any(file.opened for file in files), error, line_ends, files[0].format, files[0].unread),),
        samples=samples.build(rows),
        identities=identities if rows is None else identities.take(rows),
        absorbed=AbsorbedRecords.joined([part.absorbed for part in parts]),
        complaints=_added_up(parts, before),
        mentions={0: sum(part.mentions.get(0, 0) for part in parts)} if any(part.mentions for part in parts) else {},
        remarks=dict(sum((Counter(part.remarks) for part in parts), Counter())),
        places=dict(sum((Counter(part.places) for part in parts), Counter())),
        skipped=dict(sum((Counter(part.skipped) for part in parts), Counter())),
        outcomes=Outcomes.joined(
            part.outcomes._replace(line=part.outcomes.line + lines) for part, lines in zip(parts, before, strict=True)
        ),
        unusable_keys=np.concatenate([part.unusable_keys for part in parts]),
    )


def _not_claimed_below(
    samples: SamplesBuilder, identities: Identities, parts: Sequence[Extract], before: Sequence[int]
) -> Integers | None:
    """The rows that no sample of a later part absorbs; ``None``: all of them.

    Of the records of one line and one output, a sample below absorbs the last one that is left.
    """
    absorbed: list[int] = []
    for (line, output), times in Counter(
        (line + lines, output)
        for part, lines in zip(parts, before, strict=True)
        for line, output in part.absorbed.above
    ).items():
        column = samples.column("line")
        on_line = np.arange(np.searchsorted(column, line), np.searchsorted(column, line, "right"))
        waits = (samples.column("predicted_output_tokens")[on_line] == UNKNOWN) & ~identities.own[on_line]
        waits &= samples.column("output_tokens")[on_line] == output
        absorbed += on_line[waits][-times:].tolist()
    return np.setdiff1d(np.arange(len(samples)), absorbed) if absorbed else None


def _added_up(parts: Sequence[Extract], before: Sequence[int]) -> tuple[Complaint, ...]:
    """One complaint a reason, from the ``parts`` of a file, each with the number of line ends ``before`` it."""
    found: dict[str, Complaint] = {}
    for part, lines in zip(parts, before, strict=True):
        for each in part.complaints:
            kept = found.get(each.reason, replace(each, count=0, lines=(), begun=(), ends=no_ends()))
            places = (*kept.lines, *(line + lines for line in each.lines))[:PLACES_KEPT]
            begun = (*kept.begun, *((line + lines, said) for line, said in each.begun))[:MOST_BEGUN]
            count, ends = kept.count + each.count, kept.ends + each.ends
            found[each.reason] = replace(kept, count=count, lines=places, begun=begun, ends=ends)
    return tuple(complaint for _, complaint in sorted(found.items(), key=lambda item: item[0]))
