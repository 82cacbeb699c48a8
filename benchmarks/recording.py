"""What does recording cost? Ratios, not times: ``python benchmarks/recording.py``, less than a minute.

The first table is about a suite of 2,000 trivial tests, run by pytest in one process: with and without
``token_telemetry.record(...)`` in each test, with and without the switch. Each cell is the processor time of that
session by the time of the first, in which nothing is recorded and no switch is set: 1.10 is 10% slower. The switch
adds the capture of log lines around each test, and once the gate with its imports. The four sessions take turns, so
that a machine that slows down slows all of them; the figure is the median of the rounds, and behind it stand the
lowest and the highest.

A trivial test takes pytest less than a millisecond, so these ratios are the highest that can be: they are what is added
to a test that does nothing. In a test that waits for a model no ratio can be seen.

The second table is about ``record()`` alone, in one test: how many calls a second it takes, and how many lines a second
``json.dumps`` makes of the same fields and appends to a list. Nothing here fails: times are those of the machine.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from tabulate import tabulate

FIELDS = {
    "predicted_output_tokens": 900,
    "output_tokens": 850,
    "max_tokens": 2048,
    "finish_reason": "end_turn",
    "success": True,
    "category": "docs",
    "complexity": "low",
    "deliverable_count": 3,
    "task_id": "phase-7",
    "model": "a-model",
}
"""Of each call."""

PLAIN = """
import pytest

@pytest.mark.parametrize("number", range({tests}))
def test_trivial(number):
    assert number >= 0
"""

RECORDING = """
import pytest

@pytest.mark.parametrize("number", range({tests}))
def test_trivial(number, token_telemetry):
    token_telemetry.record(**{fields!r})
    assert number >= 0
"""

RATE = """
import json
from time import perf_counter

FIELDS = {fields!r}

def test_rates(token_telemetry):
    lines = []
    rates = []
    for call in (lambda: token_telemetry.record(**FIELDS), lambda: lines.append(json.dumps(FIELDS))):
        began = perf_counter()
        for _ in range({calls}):
            call()
        rates.append({calls} / (perf_counter() - began))
    with open("rates.json", "w") as file:
        json.dump(rates, file)
"""

SWITCH = "--token-telemetry"

CELLS = {
    ("nothing is recorded", "without the switch"): ("test_plain.py",),
    ("nothing is recorded", "with the switch"): ("test_plain.py", SWITCH),
    ("each test records", "without the switch"): ("test_recording.py",),
    ("each test records", "with the switch"): ("test_recording.py", SWITCH),
}
"""What is compared, and how pytest is called for it. The first is what the others are ratios to."""


def seconds(directory: Path, *arguments: str) -> float:
    """The processor time that pytest takes for ``arguments``, its start and its imports included. Not on Windows."""
    alone = {**os.environ, "PYTEST_ADDOPTS": "", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    plugin = ("-p", "pytest_token_telemetry.plugin", "-p", "no:cacheprovider", "-q")
    before = os.times()
    done = subprocess.run(  # noqa: S603 - our own pytest
        [sys.executable, "-m", "pytest", *plugin, *arguments],
        cwd=directory,
        env=alone,
        capture_output=True,
        text=True,
        check=False,
    )
    after = os.times()
    if " passed" not in done.stdout:
        raise RuntimeError(done.stdout + done.stderr)
    return after.children_user + after.children_system - before.children_user - before.children_system


def ratios(directory: Path, rounds: int) -> dict[tuple[str, str], list[float]]:
    """Of each cell, the ratio in each round."""
    found: dict[tuple[str, str], list[float]] = {cell: [] for cell in CELLS}
    for _ in range(rounds):
        took = {cell: seconds(directory, *arguments) for cell, arguments in CELLS.items()}
        base = next(iter(took.values()))
        for cell, time in took.items():
            found[cell].append(time / base)
    return found


def rates(directory: Path, rounds: int) -> list[tuple[float, float]]:
    """Of each round, the calls of ``record()`` and the lines of ``json.dumps`` a second."""
    found = []
    for _ in range(rounds):
        seconds(directory, "test_rate.py")
        recorded, dumped = json.loads((directory / "rates.json").read_text(encoding="utf-8"))
        found.append((recorded, dumped))
    return found


def main() -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tests", type=int, default=2_000, help="in the suite (default 2,000)")
    parser.add_argument("--calls", type=int, default=20_000, help="of record() in one test (default 20,000)")
    parser.add_argument("--rounds", type=int, default=5, help="of which the median is shown (default 5)")
    options = parser.parse_args()

    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        for file, text in (("test_plain.py", PLAIN), ("test_recording.py", RECORDING), ("test_rate.py", RATE)):
            content = text.format(tests=options.tests, calls=options.calls, fields=FIELDS)
            (directory / file).write_text(content, encoding="utf-8")
        seconds(directory, "test_recording.py", SWITCH)  # so that everything is compiled
        suite = ratios(directory, options.rounds)
        speeds = rates(directory, options.rounds)

    rows: dict[str, list[str]] = {}
    for (tests, _), found in suite.items():
        rows.setdefault(tests, []).append(f"{median(found):.2f} ({min(found):.2f} to {max(found):.2f})")
    header = (f"{options.tests:,} trivial tests", *dict.fromkeys(switch for _, switch in CELLS))
    table = [(tests, *cells) for tests, cells in rows.items()]
    print(tabulate(table, header, tablefmt="github", disable_numparse=True, colalign=("left", "right", "right")))
    print()
    recorded, dumped = (median(column) for column in zip(*speeds, strict=True))
    share = median(line / call for call, line in speeds)
    table = [
        ("token_telemetry.record(...)", f"{recorded:,.0f}", f"{share:.1f}"),
        ("lines.append(json.dumps(...))", f"{dumped:,.0f}", "1.0"),
    ]
    header = ("in one test", "a second", "time of a call")
    print(tabulate(table, header, tablefmt="github", disable_numparse=True, colalign=("left", "right", "right")))
    return 0


if __name__ == "__main__":
    sys.exit(main())
