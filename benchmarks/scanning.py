"""How fast is the gate, and how much memory does it take? ``python benchmarks/scanning.py``, about three minutes.

Some corpora are written from fixed seeds, and the whole command ``pytest token-telemetry --token-telemetry-dir=DIR`` is
run on each, in turn with ripgrep and grep (which only print the lines), plain scripts (which do what people write),
and pytest without anything to do. Before times are taken, each is run once, so that the files are in memory, and what
it found is compared with what was written: the benchmark fails if a record is missing.

Ratios are those within one round; behind each median stand the lowest and the highest. ``--scale=1`` is the full size:
4.8 GB, one corpus at a time, and several minutes. ``--write-docs`` puts the tables into ``docs/performance.md``.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from contenders import (
    ALONE,
    FAST,
    GATE,
    GREP,
    GROUPS,
    GUNZIP,
    LOADS,
    PLAIN,
    RIPGREP,
    contenders,
    missing,
    part_name,
    programs,
)
from corpora import Kind, Shape, Written, bytes_needed, read_written
from figures import compared, differences, machine, ratios, seconds, spread, table, write_docs
from measuring import Cost, MeasuringError, clean_environment, run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from contenders import Contender

MB = 1_000_000

TARGETS = {
    ("small", GATE): "0.2 s above pytest alone",
    ("many", GATE): "150 MB",
    ("many", PLAIN): "2 times faster",
    ("many", RIPGREP): "5 times slower",
    ("sparse", GATE): "150 MB",
    ("sparse", PLAIN): "4 times faster ([fast]: 6)",
    ("sparse", RIPGREP): "9 times slower",
    ("dense", GATE): "300 MB",
    ("dense", PLAIN): "2 times faster",
    ("own", GATE): "300 MB",
    ("own", LOADS): "3 times faster",
}
"""At full size, on two cores."""

TITLES: dict[Kind, str] = {
    "small": "A small tree",
    "many": "Many small files",
    "sparse": "Big files, little telemetry",
    "packed": "Compressed files",
    "dense": "Nothing but telemetry",
    "own": "Nothing but lines of our own",
    "one": "One big file",
}

Costs = dict[str, list[Cost]]


def measure(written: Written, corpus: Path, work: Path, rounds: int) -> Costs:
    """The costs of each contender, by its name: of each round one.

    Raises:
        MeasuringError: one did not find what was written, or not the same each time.
    """
    runners = contenders(written, corpus, work)
    results = {each.name: _verified(each, work) for each in runners}
    costs: Costs = {each.name: [] for each in runners}
    for n in range(rounds):
        for each in runners[n % len(runners) :] + runners[: n % len(runners)]:  # nobody always follows the same
            costs[each.name].append(_timed(each, work, results[each.name]))
    return costs


def _verified(contender: Contender, work: Path) -> object:
    """What ``contender`` says, once that is known to be right."""
    output = work / "output.txt"
    run(
        (*contender.command, *contender.more),
        directory=_empty(work),
        environment=contender.environment,
        output=None if contender.verify is None and contender.result is None else output,
        accept=contender.accept,
    )
    try:
        if contender.verify is not None:
            contender.verify(output)
        return None if contender.result is None else contender.result(output.read_text(encoding="utf-8"))
    except MeasuringError as error:
        raise MeasuringError(f"{contender.name}: {error}") from error
    finally:
        output.unlink(missing_ok=True)


def _timed(contender: Contender, work: Path, expected: object) -> Cost:
    output = None if contender.result is None else work / "output.txt"
    cost = run(
        contender.command,
        directory=_empty(work),
        environment=contender.environment,
        output=output,
        accept=contender.accept,
    )
    if output is not None and contender.result is not None:
        found = contender.result(output.read_text(encoding="utf-8"))
        if found != expected:
            raise MeasuringError(f"{contender.name} came to {found} and before to {expected}")
    return cost


def _empty(work: Path) -> Path:
    directory = work / "empty"
    directory.mkdir(exist_ok=True)
    return directory


def report(written: Written, costs: Costs) -> str:
    """The table of one corpus."""
    kind = written.shape.kind
    gates = [name for name in (GATE, FAST) if name in costs]
    rows = []
    for name, found in costs.items():
        if name.startswith(part_name("")):
            continue
        walls = [cost.wall for cost in found]
        rows.append(
            (
                name,
                seconds(walls),
                seconds([cost.cpu for cost in found]),
                f"{max(cost.peak for cost in found) / MB:,.0f}",
                *(_compared(name, walls, [cost.wall for cost in costs[gate]]) for gate in gates),
                TARGETS.get((kind, name), ""),
            )
        )
    header = ("", "seconds", "CPU seconds", "peak MB", *(f"{gate} is" for gate in gates), "target at full size")
    others = f" beside {written.others:,} other files" if written.others else ""
    packed = f" (compressed to {written.stored / written.bytes:.0%})" if written.stored < written.bytes else ""
    held = f"{written.bytes / MB:,.0f} MB{packed}, {written.lines:,} lines, {written.records:,} records"
    return f"{TITLES[kind]} (`{kind}`), {written.logs:,} logs{others}: {held}.\n\n{table(header, rows)}"


def _compared(name: str, walls: list[float], gate: list[float]) -> str:
    peers = (PLAIN, LOADS, RIPGREP, GROUPS, GREP, GUNZIP)
    return compared(ratios(walls, gate)) if name in peers else ""


def growth(all_costs: dict[Kind, Costs]) -> str:
    """The table of what each corpus, and half and a quarter of it, take above pytest's own start."""
    rows = []
    for kind, costs in all_costs.items():
        alone = [cost.wall for cost in costs[ALONE]]
        sizes = [
            differences([cost.wall for cost in costs[name]], alone) if name in costs else None
            for name in (part_name("a quarter"), part_name("a half"), GATE)
        ]
        half, whole = sizes[1:]
        cells = ["" if size is None else seconds(size) for size in sizes]
        rows.append((f"`{kind}`", *cells, "" if half is None or whole is None else spread(ratios(whole, half))))
    return table(("seconds above pytest alone", "a quarter", "a half", "the whole", "whole / half"), rows)


@contextmanager
def corpus_of(shape: Shape, kept: Path | None) -> Iterator[tuple[Written, Path]]:
    """A corpus in a directory below ``kept``, or in one that is deleted afterwards.

    Raises:
        MeasuringError: there is no room for it.
    """
    if kept is not None:
        yield _made(shape, kept / f"{shape.kind}-{shape.scale:g}")
        return
    with tempfile.TemporaryDirectory(prefix="token-telemetry-corpus-") as name:
        yield _made(shape, Path(name))


def _made(shape: Shape, directory: Path) -> tuple[Written, Path]:
    directory.mkdir(parents=True, exist_ok=True)
    written = read_written(directory)
    if written is None:
        needed, free = bytes_needed(shape), shutil.disk_usage(directory).free
        if needed > free:
            raise MeasuringError(
                f"{shape.kind} needs {needed / MB:,.0f} MB of disk space, {free / MB:,.0f} MB are free"
            )
    script = str(Path(__file__).parent / "corpora.py")
    # In a process of its own: what this one has in memory is the least that can be measured
    command = (sys.executable, script, shape.kind, str(directory), f"--scale={shape.scale}")
    subprocess.run(command, env=clean_environment(), stdout=subprocess.DEVNULL, check=True)  # noqa: S603
    made = read_written(directory)
    if made is None:
        raise MeasuringError(f"{shape.kind} was not written")
    return made, directory


def main() -> int:
    """Print the tables: 1 if something that was written was not found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", type=float, default=0.05, help="share of the full size (default 0.05)")
    parser.add_argument("--rounds", type=int, default=5, help="of which the median is shown (default 5)")
    parser.add_argument(
        "--corpora", type=Path, metavar="DIR", help="keep the corpora there, and use those that are there"
    )
    parser.add_argument("--only", choices=get_args(Kind), action="append", help="this corpus (repeatable; default all)")
    parser.add_argument("--write-docs", action="store_true", help="write the tables into docs/performance.md")
    options = parser.parse_args()
    kinds: list[Kind] = options.only or list(get_args(Kind))
    kept: Path | None = options.corpora and options.corpora.resolve()
    needs = [bytes_needed(Shape(kind, options.scale)) for kind in kinds]
    room = max(needs) if kept is None else sum(needs)
    _progress(f"needs up to {room / MB:,.0f} MB of disk space")
    for reason in missing():
        _progress(f"left out: {reason}")

    texts, all_costs = [], dict[Kind, Costs]()
    try:
        with tempfile.TemporaryDirectory(prefix="token-telemetry-benchmark-") as name:
            least = run(("true",), directory=Path(name), environment=clean_environment()).peak
            for kind in kinds:
                _progress(f"{kind}: writing")
                with corpus_of(Shape(kind, options.scale), kept) as (written, corpus):
                    _progress(f"{kind}: measuring")
                    all_costs[kind] = measure(written, corpus, Path(name), options.rounds)
                texts.append(report(written, all_costs[kind]))
    except MeasuringError as error:
        _progress(str(error))
        return 1
    text = "\n\n".join(
        (
            f"{machine(*programs())} Scale {options.scale:g}, {options.rounds} rounds; no less than {least / MB:.0f} MB"
            " of memory can be seen.",
            *(f"Left out: {reason}." for reason in missing()),
            *texts,
            growth(all_costs),
        )
    )
    print(text)
    if options.write_docs:
        write_docs("scanning", text)
    return 0


def _progress(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
