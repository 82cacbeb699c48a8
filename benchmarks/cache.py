"""What does the cache save? ``python benchmarks/cache.py``, about a minute.

Some corpora are read, in one process and without pytest: without a cache, with an empty one, with one that knows all,
and with one that knows all but 64 KB at the end of each log. The four take turns, and what each finds is compared with
what is found without a cache. Ratios are those within one round; behind each median stand the lowest and the highest.
``--scale=1`` is the full size.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from corpora import Kind, Shape, write
from figures import machine, ratios, seconds, spread, table

from pytest_token_telemetry.sources.cache import LEAST, Cache
from pytest_token_telemetry.sources.reading import Directory, read_directories
from pytest_token_telemetry.sources.scanning import Scan

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_token_telemetry.sources.reading import Reading

APPENDED = ("a line that nobody asked for, as most of them are\n" * 1400).encode()[: 1 << 16]

WITHOUT, EMPTY, KNOWN, GROWN = "without a cache", "with an empty one", "with one that knows all", "the logs have grown"


@dataclass(frozen=True)
class Tree:
    """Logs to read, and where to remember them."""

    logs: Path
    cache: Path

    def read(self, *, remembered: bool) -> Reading:
        """Read them, by a clock by which all of them have rested."""
        cache = Cache(self.cache, clock=lambda: time.time_ns() + 10**13) if remembered else None
        return read_directories([Directory(self.logs, "logs")], ["*.log"], scan=Scan(cache=cache))

    def forget(self) -> None:
        """Empty the cache."""
        shutil.rmtree(self.cache, ignore_errors=True)

    def grow(self) -> None:
        """Append to each log that is remembered."""
        for path in self.logs.rglob("*.log"):
            if path.stat().st_size > LEAST:
                with path.open("ab") as file:
                    file.write(APPENDED)


def measure(tree: Tree, rounds: int) -> dict[str, list[float]]:
    """Seconds of each way to read, of each round one."""
    costs: dict[str, list[float]] = {name: [] for name in (WITHOUT, EMPTY, KNOWN, GROWN)}
    tree.read(remembered=False)  # so that the files are in memory
    for _ in range(rounds):
        tree.forget()
        for name in costs:
            if name == GROWN:
                tree.grow()
            began = time.perf_counter()
            found = tree.read(remembered=name != WITHOUT)
            costs[name].append(time.perf_counter() - began)
            if figures(found) != figures(tree.read(remembered=False)):
                raise SystemExit(f"{name}: it does not find what is found without it")
    return costs


def figures(found: Reading) -> tuple[object, ...]:
    """What is compared."""
    samples = found.samples
    return len(samples), int(samples.output_tokens.sum(dtype="int64")), found.files, found.duplicates, found.unusable


def rows(kind: Kind, written: str, costs: dict[str, list[float]], kept: int) -> Sequence[Sequence[str]]:
    """The lines of the table about one corpus."""
    first = (f"`{kind}`", written)
    return [
        (
            *(first if name == WITHOUT else ("", "")),
            name,
            seconds(times),
            "" if name == WITHOUT else spread(ratios(costs[WITHOUT], times), "{:.1f}"),
            f"{kept / 1e6:.1f}" if name == KNOWN else "",
        )
        for name, times in costs.items()
    ]


def main() -> int:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=0.1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", choices=get_args(Kind))
    options = parser.parse_args()
    lines: list[Sequence[str]] = []
    kinds: tuple[Kind, ...] = (options.only,) if options.only else ("small", "many", "sparse", "dense")
    for kind in kinds:
        with tempfile.TemporaryDirectory() as directory:
            tree = Tree(Path(directory, "logs"), Path(directory, "cache"))
            written = write(Shape(kind, options.scale), tree.logs)
            costs = measure(tree, options.rounds)
            kept = sum(path.stat().st_size for path in tree.cache.iterdir()) if tree.cache.is_dir() else 0
            lines += rows(kind, f"{written.logs:,} logs, {written.bytes / 1e6:,.0f} MB", costs, kept)
    print(machine())
    print(f"Scale {options.scale}, {options.rounds} rounds.\n")
    print(table(("corpus", "", "", "seconds", "times faster", "MB kept"), lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
