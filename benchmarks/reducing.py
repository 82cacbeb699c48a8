"""How much memory and time does it take to put together what workers found? ``python benchmarks/reducing.py``.

Ten million samples by default, a few seconds. ``--samples=100000000`` is the size that the documentation speaks of; it
fails above ``--limit`` bytes of memory a sample. Columns are generated as workers would send them, each task of
``--rows`` samples pickled and unpickled on its way, with one line in a hundred copied from the task before; nothing is
read from files. In the end all samples are there, but for the copies.
"""

from __future__ import annotations

import argparse
import pickle
import resource
import sys
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np

from pytest_token_telemetry.samples import NameColumn, Samples, Tenths, narrowest
from pytest_token_telemetry.sources.extract import Extract, FileRead
from pytest_token_telemetry.sources.merge import Origin, merge
from pytest_token_telemetry.sources.rows import AbsorbedRecords, Identities

if TYPE_CHECKING:
    from collections.abc import Iterator

COPIES = 100
"""One sample in so many is a copy."""

FILES = 8
"""Of a task."""

_RSS_UNIT = 1 if sys.platform == "darwin" else 1024


class Workers:
    """What workers send, generated when it is asked for."""

    def __init__(self, samples: int, rows: int) -> None:
        """``samples`` in all, ``rows`` a task."""
        self.tasks = max(1, samples // rows)
        self.rows = rows
        self.sent = 0
        """Bytes."""
        self.seconds = 0.0
        """That went into generating and sending."""

    def extracts(self) -> Iterator[Extract]:
        """One of each task."""
        last = None
        for task in range(self.tasks):
            began = perf_counter()
            extract = _extract(task, self.rows, last)
            last = extract.identities.digest[: self.rows // COPIES].copy()
            text = pickle.dumps(extract, pickle.HIGHEST_PROTOCOL)
            self.sent += len(text)
            del extract
            received = pickle.loads(text)  # noqa: S301 - from here
            del text
            self.seconds += perf_counter() - began
            yield received
            del received


def _extract(task: int, rows: int, copied: np.ndarray | None) -> Extract:
    random = np.random.default_rng(task)
    digests = random.integers(0, 1 << 64, (rows, 2), np.uint64)
    output = random.lognormal(7, 1, rows).astype(np.int32)
    predicted = (output * random.lognormal(0.3, 0.4, rows)).astype(np.int32)
    truncated = random.random(rows) < 0.01
    begin = np.datetime64("2026-01-01", "us") + np.timedelta64(task, "h")
    if copied is not None:
        digests[-len(copied) :] = copied
    unknown = np.broadcast_to(np.int8(-1), rows)
    return Extract(
        files=tuple(FileRead(True, None, rows) for n in range(FILES)),
        samples=Samples(
            predicted_output_tokens=predicted,
            output_tokens=output,
            budget_tokens=random.choice(np.array([4096, 8192, 16384], np.int32), rows),
            max_tokens=np.broadcast_to(np.int32(-1), rows),
            truncated=truncated.astype(np.int8),
            success=(~truncated & (random.random(rows) < 0.9)).astype(np.int8),
            legacy=np.broadcast_to(np.False_, rows),
            deliverable_count=random.integers(1, 12, rows, np.int8),
            smape=Tenths(random.integers(0, 2000, rows, np.int16)),
            category=_names(random, rows, "implementation", "tests", "docs"),
            complexity=_names(random, rows, "low", "medium", "high"),
            task_id=NameColumn(unknown, ()),
            run=NameColumn(unknown, ()),
            model=_names(random, rows, "claude-sonnet-4-5", "gpt-5"),
            operation=NameColumn(unknown, ()),
            finish_reason=_names(random, rows, "stop", "length"),
            finish_reason_raw=_names(random, rows, "end_turn", "stop", "max_tokens"),
            truncation_source=NameColumn(unknown, ()),
            time=begin + np.sort(random.integers(0, 3_600_000, rows)).astype("timedelta64[ms]"),
            features={},
            file=narrowest(np.sort(random.integers(0, FILES, rows))),
            line=narrowest(np.arange(1, rows + 1)),
        ),
        identities=Identities(
            digest=digests,
            known=np.broadcast_to(np.True_, rows),
            own=np.broadcast_to(np.False_, rows),
            among_others=np.broadcast_to(np.False_, rows),
            id=np.broadcast_to(np.uint64(0), rows),
            ids={},
        ),
        absorbed=AbsorbedRecords.joined([]),
        complaints=(),
    )


def _names(random: np.random.Generator, rows: int, *names: str) -> NameColumn:
    return NameColumn(random.integers(0, len(names), rows, np.int8), names)


def peak() -> int:
    """Bytes of memory that were resident at once."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _RSS_UNIT


def main() -> int:
    """Measure, print, and see whether all is there within the limit."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=10_000_000)
    parser.add_argument("--rows", type=int, default=100_000, help="samples of a task")
    parser.add_argument("--limit", type=int, default=120, help="bytes of memory a sample")
    options = parser.parse_args()
    workers = Workers(options.samples, options.rows)
    origins = [Origin(f"logs/{n}.log", f"logs/{n}.log", f"logs/run-{n % 100}") for n in range(workers.tasks * FILES)]
    before = peak()
    began = perf_counter()
    merged = merge(workers.extracts(), origins, None)
    seconds = perf_counter() - began - workers.seconds
    samples = workers.tasks * options.rows
    copies = (workers.tasks - 1) * (options.rows // COPIES)
    used = peak() - before
    print(f"{samples:,} samples of {workers.tasks:,} tasks, {merged.duplicates:,} of them copies")
    print(f"sent: {workers.sent / samples:.1f} bytes a sample")
    print(f"merged: {seconds:.1f} s, {seconds / samples * 1e6:.3f} s for a million")
    print(f"memory: {used / 1e9:.2f} GB at its peak, {used / samples:.0f} bytes a sample")
    if (merged.duplicates, len(merged.samples)) != (copies, samples - copies):
        print(f"ERROR: {copies:,} copies were sent", file=sys.stderr)
        return 1
    if used > options.limit * samples:
        print(f"ERROR: more than {options.limit} bytes a sample", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
