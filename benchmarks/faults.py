"""Is there a way to a PASS that is not true? ``python benchmarks/faults.py``, on Linux with a C compiler.

Sessions that read logs, judge them and write every report are attacked in three ways:

- ``faults``: each system call that concerns their files fails, falls short, or is the last of its process.
- ``kills``: a signal ends the session, a process that reads for it, or a worker of pytest-xdist at a random moment.
- ``plugins``: a plugin does something hostile at each hook of pytest.

Afterwards, exit code 0 and every PASS in a report must be true: what the undisturbed session says, of the same figures.
The command prints how each kind of attack ended, and for each untruth how to repeat it; then it ends with 1.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from collections import Counter
from itertools import zip_longest
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, Protocol

from attacked import Stage
from faulty_calls import Fault, FaultyCalls, faults, library
from figures import PAGE, machine, table, write_docs
from hostile_plugins import Hostility, Plugin
from kills import Kill, Killer
from scenarios import Scenario

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from untruths import Aftermath, Judgement

PARTS = ("faults", "kills", "plugins")

OUTCOMES = ("as undisturbed", "failed closed", "untidy", "WRONG")

FAULTY = (Scenario("pass"), Scenario("tune"), Scenario("pass", 2), Scenario("tune", 2), Scenario("pass", 1, 2))


class Attack(Protocol):
    """One case."""

    scenario: Scenario

    @property
    def kind(self) -> str:
        """Under which name it is counted."""


def drawn(cases: Sequence[Any], number: int, random: Random) -> list[Any]:
    """So many of the ``cases``, of each kind as many as of any other, or all that there are."""
    by_kind: dict[str, list[Any]] = {}
    for case in random.sample(cases, len(cases)):
        by_kind.setdefault(case.kind, []).append(case)
    rounds = zip_longest(*by_kind.values())
    return [case for each in rounds for case in each if case is not None][:number]


class Part:
    """One way of attack: all its cases, and how one is run."""

    def __init__(self, name: str, stage: Stage, options: argparse.Namespace) -> None:
        self.name = name
        self._stage = stage
        self._options = options
        self.outcomes: dict[str, Counter[str]] = {}
        """Of each kind, how often which."""
        self.drawn = self.of = 0
        """How many cases were run of how many."""
        self.wrong: list[str] = []
        self.untidy: list[str] = []

    def run(self) -> None:
        """Run the cases that are drawn, or the one that was asked for."""
        cases, play = self._cases()
        if self._options.only is not None:
            cases = [case for case in cases if re.search(self._options.only, f"{case.kind} {case}")]
        self.of = len(cases)
        if self._options.case is None and self.name != "kills" and 0 < self._options.cases < len(cases):
            cases = drawn(cases, self._options.cases, Random(f"{self.name} {self._options.seed}"))  # noqa: S311
        self.drawn = len(cases)
        for n, case in enumerate(cases, 1):
            found, judgement = play(case)
            self._note(case, found, judgement)
            if n % 50 == 0:
                _progress(f"{self.name}: {n} of {self.drawn}, {len(self.wrong)} wrong")

    def _cases(self) -> tuple[list[Any], Callable[[Any], tuple[Aftermath, Judgement]]]:
        seed, case = self._options.seed, self._options.case
        if self.name == "faults":
            calls = FaultyCalls(self._stage)
            if case is not None:
                return [Fault.of(case)], calls.play
            return [fault for scenario in FAULTY for fault in faults(scenario, calls.count(scenario))], calls.play
        if self.name == "kills":
            killer = Killer(self._stage)
            if case is not None:
                return [Kill.of(case)], killer.play
            return [Kill.drawn(seed, number) for number in range(self._options.kills)], killer.play
        hostility = Hostility(self._stage)
        return ([Plugin.of(case)] if case is not None else list(hostility.plugins())), hostility.play

    def _note(self, case: Attack, found: Aftermath, judgement: Judgement) -> None:
        undisturbed = self._stage.undisturbed[case.scenario]
        same = found.status == undisturbed.status and found.files.keys() == undisturbed.files.keys()
        outcome = OUTCOMES[0 if same else 1]
        repeat = f"benchmarks/faults.py {self.name} --case={case}"
        if judgement.untidy:
            outcome = "untidy"
            self.untidy.append(f"{repeat}  # exit {found.status}; {'; '.join(judgement.untidy)}")
        if judgement.wrong:
            outcome = "WRONG"
            self.wrong.append(f"{repeat}  # exit {found.status}; {'; '.join(judgement.wrong)}")
            _progress(self.wrong[-1])
        self.outcomes.setdefault(case.kind, Counter())[outcome] += 1
        if self._options.case is not None:
            print(found.output)
            print(outcome, found.status, *judgement.wrong, *judgement.untidy, sep="\n")

    def report(self) -> str:
        """The table of the part."""
        rows = [(kind, *(str(counts[each]) for each in OUTCOMES)) for kind, counts in sorted(self.outcomes.items())]
        totals = [str(sum(counts[each] for counts in self.outcomes.values())) for each in OUTCOMES]
        drawn = f"{self.name}: {self.drawn:,} of {self.of:,} cases"
        return f"{drawn}\n\n{table(('', *OUTCOMES), [*rows, ('in all', *totals)])}"


def main() -> int:
    """Print the tables: 1 if something that is not true was said."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", choices=PARTS, help="which attacks (default all)")
    parser.add_argument("--kills", type=int, default=1_000, help="how many kills (default 1,000)")
    parser.add_argument(
        "--cases", type=int, default=1_000, help="draw so many faults, and plugins (default 1,000; 0: all)"
    )
    parser.add_argument("--seed", type=int, default=1, help="of what is drawn (default 1)")
    parser.add_argument("--case", help="run this one, as the command printed it, and show what the session says")
    parser.add_argument("--only", metavar="REGEX", help="draw from those whose kind or name matches")
    parser.add_argument("--untidy", action="store_true", help="show how to repeat what is untidy too")
    parser.add_argument("--write-docs", action="store_true", help="write the tables into docs/attacks.md")
    options = parser.parse_args()
    if options.case is not None and len(options.parts) != 1:
        parser.error("--case needs the part it belongs to")
    parts = []
    with tempfile.TemporaryDirectory(prefix="token-telemetry-faults-") as name:
        work = Path(name)
        for part in options.parts or PARTS:
            stage = Stage(work, library(work))
            try:
                parts.append(Part(part, stage, options))
                parts[-1].run()
            finally:
                stage.close()
    text = "\n\n".join((machine(), *(part.report() for part in parts)))
    print(text)
    for part in parts:
        for line in sorted(part.wrong + (part.untidy if options.untidy else []), key=_reason):
            print(line)
    if options.write_docs:
        write_docs("faults", text, PAGE.with_name("attacks.md"))
    return 1 if any(part.wrong for part in parts) else 0


def _reason(line: str) -> str:
    return line.partition("#")[2]


def _progress(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
