"""What is remembered of files: how each was when it was read, and what its beginning, up to a line end, holds.

It is kept as bytes, which anybody may have damaged or made up. What cannot have come from reading files is refused.
"""

from __future__ import annotations

import re
import sys
from dataclasses import astuple, dataclass
from datetime import datetime
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

import pytest_token_telemetry
from pytest_token_telemetry.columns import UNKNOWN, NameColumn, Samples, Tenths
from pytest_token_telemetry.recording import record
from pytest_token_telemetry.sample import MAX_TOKENS_COUNTED
from pytest_token_telemetry.sources.arrays import DamagedError, Store, Stored, whole
from pytest_token_telemetry.sources.extract import (
    PLACES_KEPT,
    Complaint,
    Extract,
    FileRead,
    Identities,
    Loose,
    LooseBudget,
)
from pytest_token_telemetry.sources.records import Budget

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_token_telemetry.columns import Floats

SCHEMA = 1

LARGEST = 1 << 29
"""Bytes of what is remembered in one place."""

_MOST = (1 << 62) - 1
_COUNTS = ("predicted_output_tokens", "output_tokens", "budget_tokens", "max_tokens", "deliverable_count")
_FLAGS = ("truncated", "success")
_NAMES: dict[str, tuple[str, ...] | None] = {
    **dict.fromkeys(("category", "complexity", "task_id", "model", "finish_reason_raw")),
    "finish_reason": get_args(record.FinishReason),
    "truncation_source": record.TRUNCATION_SOURCES,
}
"""The columns of names, and which ones they can be."""

_REASON = re.compile(r"[A-Za-z_][\w ,.:()'-]{1,200}", re.ASCII)
"""What reasons look like: they are our own words, and reports trust them."""


@dataclass(frozen=True, slots=True)
class Mark:
    """How a file was, and how much of it is remembered."""

    path: str
    """The hash of its path."""
    device: int
    inode: int
    size: int
    modified: int
    """When its content was changed, and when anything of it was: nanoseconds."""
    changed: int
    seen: int
    """When it was looked at."""
    end: int
    """Bytes of what is remembered: up to behind a line end."""
    line_ends: int
    fingerprint: str
    """The hash of what these bytes begin and end with."""

    @property
    def file(self) -> FileRead:
        """What became of the file then."""
        return FileRead((self.device, self.inode), None, self.line_ends)


@dataclass(frozen=True, slots=True)
class Memory:
    """What is remembered of some files."""

    marks: tuple[Mark, ...]
    extract: Extract
    """Of the beginnings of these files, with what must be joined with their next parts."""


@cache
def meaning() -> str:
    """Stands for all that decides what a line says: for other code, or another Python, nothing is remembered."""
    code = blake2b(f"{SCHEMA} {pytest_token_telemetry.__version__} {sys.version_info[:2]}".encode(), digest_size=16)
    package = Path(pytest_token_telemetry.__file__).parent
    for path in sorted((*package.glob("sources/*.py"), *package.glob("recording/*.py"))):
        code.update(path.read_bytes())
    return code.hexdigest()


def pack(memory: Memory, key: str) -> bytes:
    """``memory`` as bytes, to be kept under the name ``key``."""
    extract, store = memory.extract, Store()
    _store_samples(store, extract.samples)
    _store_identities(store, extract.identities)
    loose = extract.loose or Loose([], np.zeros(len(extract.samples), np.int64))
    store.integers("place", loose.places)
    store.integers("budget file", [each.file for each in loose.budgets])
    store.integers("budget line", [each.line for each in loose.budgets])
    store.integers("budget place", [each.place for each in loose.budgets])
    store.integers("budget output", [each.budget.output_tokens for each in loose.budgets])
    store.integers("budget cap", [each.budget.max_tokens for each in loose.budgets])
    store.texts("budget task", [each.budget.task_id for each in loose.budgets])
    store.integers("complaint file", [each.file for each in extract.complaints])
    store.integers("complaint count", [each.count for each in extract.complaints])
    store.texts("complaint reason", [each.reason for each in extract.complaints])
    store.integers("complaint places", [len(each.lines) for each in extract.complaints])
    store.integers("complaint line", [line for each in extract.complaints for line in each.lines])
    marks = [astuple(mark) for mark in memory.marks]
    return store.packed({"meaning": meaning(), "key": key, "rows": len(extract.samples), "marks": marks})


def unpack(data: bytes, key: str) -> Memory:
    """What was packed into ``data`` under the name ``key``.

    Raises:
        DamagedError: that was something else, or by another version.
    """
    stored = Stored(data)
    header = stored.header
    if not isinstance(header, dict) or header.get("meaning") != meaning() or header.get("key") != key:
        raise DamagedError
    try:
        marks, n = tuple(_mark(*each) for each in header["marks"]), whole(header["rows"])
    except (KeyError, TypeError, ValueError):
        raise DamagedError from None
    return Memory(
        marks,
        Extract(
            files=tuple(mark.file for mark in marks),
            samples=_samples(stored, n, marks),
            identities=_identities(stored, n),
            complaints=tuple(_complaints(stored, marks)),
            loose=Loose(_budgets(stored, marks), stored.integers("place", n, 0, _MOST)),
        ),
    )


def _store_samples(store: Store, samples: Samples) -> None:
    for name in (*_COUNTS, *_FLAGS, "legacy", "file", "line"):
        store.integers(name, getattr(samples, name))
    store.integers("time", samples.time.view(np.int64))
    if isinstance(samples.smape, Tenths):
        store.integers("smape in tenths", samples.smape.whole)
    else:
        store.exact("smape", samples.smape)
    for name in _NAMES:
        column: NameColumn = getattr(samples, name)
        store.integers(name, column.codes)
        store.texts(name, column.names)
    store.integers("features row", sorted(samples.features))
    rows = [features for _, features in sorted(samples.features.items())]
    store.integers("features", map(len, rows))
    store.texts("features key", [key for features in rows for key in features])
    store.texts("features value", [value for features in rows for value in features.values()])


def _samples(stored: Stored, n: int, marks: Sequence[Mark]) -> Samples:
    files = stored.ascending("file", n, 0, len(marks) - 1)
    lines = stored.integers("line", n, 1, _MOST)
    last = np.array([mark.line_ends for mark in marks], np.int64)
    if (lines > last[files]).any() or ((np.diff(lines) < 0) & (np.diff(files) == 0)).any():
        raise DamagedError
    columns: dict[str, Any] = {
        **{name: stored.integers(name, n, -MAX_TOKENS_COUNTED, MAX_TOKENS_COUNTED) for name in _COUNTS},
        **{name: stored.integers(name, n, UNKNOWN, 1).astype(np.int8) for name in _FLAGS},
        **{name: _names(stored, name, n) for name in _NAMES},
    }
    return Samples(
        **columns,
        run=NameColumn(np.full(n, UNKNOWN), ()),
        legacy=stored.mask("legacy", n),
        smape=_smape(stored, n),
        time=_times(stored, n),
        features=_features(stored, n),
        file=files,
        line=lines,
    )


def _smape(stored: Stored, n: int) -> Floats | Tenths:
    if "smape in tenths" not in stored:
        return stored.floats("smape", n)
    limits = np.iinfo(np.int16)
    return Tenths(stored.integers("smape in tenths", n, limits.min, limits.max).astype(np.int16))


def _names(stored: Stored, name: str, n: int) -> NameColumn:
    names, possible = stored.texts(name, None), _NAMES[name]
    if possible is not None and not set(names) <= set(possible):
        raise DamagedError
    return NameColumn(stored.integers(name, n, UNKNOWN, len(names) - 1), tuple(names))


def _times(stored: Stored, n: int) -> Any:  # noqa: ANN401 - a type of numpy
    """Times that `datetime` can hold, or none."""
    unknown = np.iinfo(np.int64).min
    numbers = stored.integers("time", n, unknown, _MOST)
    first, last = np.array([datetime.min, datetime.max], "datetime64[us]").view(np.int64).tolist()
    if ((numbers != unknown) & ((numbers < first) | (numbers > last))).any():
        raise DamagedError
    return numbers.view("datetime64[us]")


def _features(stored: Stored, n: int) -> Mapping[int, Mapping[str, str]]:
    rows = stored.ascending("features row", None, 0, n - 1, strictly=True).tolist()
    counts = stored.integers("features", len(rows), 1, _MOST).tolist()
    keys = stored.texts("features key", None)
    if len(keys) != sum(counts):
        raise DamagedError
    pairs = zip(keys, stored.texts("features value", len(keys)), strict=True)
    return {row: dict(next(pairs) for _ in range(count)) for row, count in zip(rows, counts, strict=True)}


def _store_identities(store: Store, identities: Identities) -> None:
    for half, name in enumerate(("digest head", "digest tail")):
        store.exact(name, identities.digest[:, half])
    store.integers("known", identities.known)
    store.integers("own", identities.own)
    rows = np.flatnonzero(identities.id)
    store.integers("id row", rows)
    store.exact("id", identities.id[rows])
    for half, name in enumerate(("timed head", "timed tail")):
        store.exact(name, identities.timed[:, half])
    store.texts("ids", [identities.ids[row] for row in rows.tolist()] if identities.ids else [])


def _identities(stored: Stored, n: int) -> Identities:
    rows = stored.ascending("id row", None, 0, n - 1, strictly=True)
    timed = np.stack([stored.hashes(name, len(rows)) for name in ("timed head", "timed tail")], axis=1)
    ids = stored.texts("ids", None)
    if len(ids) not in (0, len(rows)):
        raise DamagedError
    id, hashes = np.zeros(n, np.uint64), stored.hashes("id", len(rows))
    if not hashes.all():
        raise DamagedError
    id[rows] = hashes
    return Identities(
        digest=np.stack([stored.hashes(name, n) for name in ("digest head", "digest tail")], axis=1),
        known=stored.mask("known", n),
        own=stored.mask("own", n),
        id=id,
        timed=timed,
        ids=dict(zip(rows.tolist(), ids, strict=True)) if ids else {},
    )


def _budgets(stored: Stored, marks: Sequence[Mark]) -> list[LooseBudget]:
    files = stored.ascending("budget file", None, 0, len(marks) - 1).tolist()
    n = len(files)
    lines, places = (stored.integers(f"budget {name}", n, 0, _MOST).tolist() for name in ("line", "place"))
    outputs, caps = (stored.integers(f"budget {name}", n, 0, MAX_TOKENS_COUNTED).tolist() for name in ("output", "cap"))
    tasks = stored.texts("budget task", n)
    found = [
        LooseBudget(file, line, place, Budget(task, output, cap))
        for file, line, place, task, output, cap in zip(files, lines, places, tasks, outputs, caps, strict=True)
    ]
    if any(each.line > marks[each.file].line_ends for each in found) or sorted(found, key=_place) != found:
        raise DamagedError
    return found


def _place(budget: LooseBudget) -> tuple[int, int, int]:
    return budget.file, budget.line, budget.place


def _complaints(stored: Stored, marks: Sequence[Mark]) -> list[Complaint]:
    files = stored.ascending("complaint file", None, 0, len(marks) - 1).tolist()
    n = len(files)
    counts = stored.integers("complaint count", n, 1, _MOST).tolist()
    places = stored.integers("complaint places", n, 1, PLACES_KEPT).tolist()
    lines = iter(stored.integers("complaint line", sum(places), 1, _MOST).tolist())
    reasons = stored.texts("complaint reason", n)
    found = [
        Complaint(file, reason, count, tuple(next(lines) for _ in range(kept)))
        for file, reason, count, kept in zip(files, reasons, counts, places, strict=True)
    ]
    for each in found:
        if not _REASON.fullmatch(each.reason) or len(each.lines) > each.count:
            raise DamagedError
        if not each.lines[-1] <= marks[each.file].line_ends or sorted(each.lines) != list(each.lines):
            raise DamagedError
    return found


def _mark(path: object, *rest: object) -> Mark:
    device, inode, *others, fingerprint = rest
    if not (isinstance(path, str) and isinstance(fingerprint, str) and type(device) is int and type(inode) is int):
        raise TypeError
    size, modified, changed, seen, end, line_ends = map(whole, others)
    mark = Mark(path, device, inode, size, modified, changed, seen, end, line_ends, fingerprint)
    if not (0 < mark.line_ends <= mark.end <= mark.size):
        raise ValueError
    return mark
