"""What does the plugin cost where nobody uses it? ``python benchmarks/idle.py``, about a minute.

pytest runs one trivial test in two fresh environments, one with the package and one without, in turns. The table shows
the ratio of the medians to pytest without the package, and between what it lies in 95 of 100 draws from the rounds; its
row for pytest without the package, measured once more, shows what is noise. Then follows the time that it takes to
import the modules of the plugin, as ``python -X importtime`` tells it.

The environments are filled by pip. ``--here`` needs none: it measures the Python that runs it, with the plugin and with
``-p no:token_telemetry``. ``--write-docs`` puts the figures into ``docs/performance.md``.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from figures import interval, machine, seconds, spread, table, write_docs
from measuring import clean_environment, run

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from measuring import Cost

ROOT = Path(__file__).parent.parent
PACKAGE = "pytest_token_telemetry"
BLOCKED = ("-p", "no:token_telemetry")
PLUGIN = f"import pytest, {PACKAGE}.plugin, {PACKAGE}.hookspecs"
"""What pytest imports of the package where nothing is judged. It does so by calls, which ``importtime`` leaves out."""

_IMPORT = re.compile(r"^import time:\s*(\d+) \|\s*\d+ \|\s*(\S+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Case:
    """A way to run pytest."""

    name: str
    python: str
    arguments: tuple[str, ...] = ()


def measure(cases: Sequence[Case], project: Path, rounds: int) -> list[list[Cost]]:
    """Of each case, what it costs in each round."""
    costs: list[list[Cost]] = [[] for _ in cases]
    for n in range(-1, rounds):  # the first is to compile what is imported
        turns = [(i + n) % len(cases) for i in range(len(cases))]  # nobody always follows the same
        for i in turns:
            command = (cases[i].python, "-m", "pytest", "-q", *cases[i].arguments)
            cost = run(command, directory=project, environment=clean_environment())
            if n >= 0:
                costs[i].append(cost)
    return costs


def report(cases: Sequence[Case], costs: Sequence[Sequence[Cost]]) -> str:
    """The table."""
    walls = [[cost.wall for cost in found] for found in costs]
    cpus = [[cost.cpu for cost in found] for found in costs]
    rows = [
        (case.name, seconds(wall), _ratio(wall, walls[0]), seconds(cpu), _ratio(cpu, cpus[0]))
        for case, wall, cpu in zip(cases, walls, cpus, strict=True)
    ]
    return table(("pytest with one test", "seconds", "ratio", "CPU seconds", "ratio"), rows)


def _ratio(of: Sequence[float], to: Sequence[float]) -> str:
    return "1" if of is to else "{:.3f} ({:.3f} to {:.3f})".format(*interval(of, to))


def imports(python: str, project: Path, rounds: int) -> str:
    """What importing the plugin takes, in milliseconds: its own modules, and those that nothing else imports."""
    known = _import_times(python, project, "-m", "pytest", "-q", *BLOCKED).keys()
    found = [_import_times(python, project, "-c", PLUGIN) for _ in range(rounds)]
    ours = {name for name in found[0] if name.split(".")[0] == PACKAGE}
    others = found[0].keys() - known - ours
    own = _milliseconds(found, ours)
    slowest = sorted(ours, key=lambda name: median(_milliseconds(found, {name})), reverse=True)[:3]
    told = ", ".join(f"`{name}` {median(_milliseconds(found, {name})):.2f}" for name in slowest)
    also = f" What they import that pytest does not: {spread(_milliseconds(found, others))} ms." if others else ""
    return f"Imports: {len(ours)} modules of our own take {spread(own)} ms; most of them {told}.{also}"


def _milliseconds(found: Sequence[dict[str, int]], names: Collection[str]) -> list[float]:
    """What the imports of ``names`` took, each time."""
    return [sum(took for name, took in each.items() if name in names) / 1_000 for each in found]


def _import_times(python: str, project: Path, *arguments: str) -> dict[str, int]:
    """Microseconds that each module's own import takes, without those that it imports."""
    done = subprocess.run(  # noqa: S603 - the Python that is measured
        [python, "-X", "importtime", *arguments],
        cwd=project,
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    return {name: int(took) for took, name in _IMPORT.findall(done.stderr)}


def environment(directory: Path, *packages: str) -> str:
    """The Python of a fresh environment in ``directory`` with ``packages``."""
    subprocess.run([sys.executable, "-m", "venv", directory], check=True)  # noqa: S603
    python = str(directory / "bin" / "python")
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages], check=True)  # noqa: S603
    return python


def main() -> int:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=30, help="of which the median is shown (default 30)")
    parser.add_argument("--here", action="store_true", help="measure the Python that runs this; install nothing")
    parser.add_argument("--write-docs", action="store_true", help="write the figures into docs/performance.md")
    options = parser.parse_args()

    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        project = work / "project"
        project.mkdir()
        (project / "test_it.py").write_text("def test_it():\n    pass\n", encoding="utf-8")
        if options.here:
            python = sys.executable
            cases = [
                Case("without the plugin", python, BLOCKED),
                Case("the same, once more", python, BLOCKED),
                Case("with the plugin", python),
            ]
        else:
            pytest = f"pytest=={version('pytest')}"
            bare = environment(work / "bare", pytest)
            python = environment(work / "installed", pytest, str(ROOT))
            cases = [
                Case("without the package", bare),
                Case("the same, once more", bare),
                Case("with the package, and `-p no:token_telemetry`", python, BLOCKED),
                Case("with the package", python),
            ]
        found = report(cases, measure(cases, project, options.rounds))
        text = f"{machine()} {options.rounds} rounds.\n\n{found}\n\n{imports(python, project, min(options.rounds, 10))}"
    print(text)
    if options.write_docs:
        write_docs("idle", text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
