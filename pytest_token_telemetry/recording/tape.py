"""What the tests of one process record, from one report to the next, and how it arrives where it is judged.

It is there in every session, so it needs pytest and the standard library alone.
"""

from __future__ import annotations

import os
from collections import Counter
from itertools import zip_longest
from time import time
from typing import TYPE_CHECKING, Any, TypedDict, TypeGuard

import pytest

from pytest_token_telemetry.option import GATE, ROOT, flag
from pytest_token_telemetry.settings import is_off, is_on, read_one

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from pytest_token_telemetry.recording.writer import TokenTelemetryWriter
    from pytest_token_telemetry.sources.recorded import Phase, Recorded
    from pytest_token_telemetry.sources.tagged.records import Ended

ATTRIBUTE = "token_telemetry"
"""Of a report: the `Cut` of that phase. Of a worker's output: the `Rest` that no report carried."""

MARKER = "token_telemetry"
"""Defaults, and limits, for what a test records."""

RUNNING = pytest.StashKey[pytest.Item]()
"""The test that is running, or ran last."""

UNUSABLE = pytest.StashKey["list[Cut]"]()
"""In the main or controller process: the pieces with records that could not be used."""


class Cut(TypedDict):
    """What was recorded in a phase of a test: of Python's own types, or xdist could not send it."""

    lines: list[str]
    """``token-telemetry/1``."""
    unusable: dict[str, int]
    """How many records could not be used, by reason."""
    ends: list[bool]
    """Of those of them that say how the call ended: whether it was truncated."""
    repeated: int
    """Records left out, because they tell of a call that was recorded already."""
    began: float
    """When the test began, in seconds since the epoch."""


class Rest(TypedDict):
    """What a process that ran tests knows at its end."""

    cut: Cut | None
    deselected: int
    """How many tests did not run."""
    unwritten: dict[str, int]
    """How many calls the file to record to did not take, by reason."""
    refused: dict[str, str]
    """By their extras, why instrumentations are not on that are there."""


class Tape:
    """Takes lines in, and is cut at the end of each phase of a test, so that a report can carry the piece away."""

    def __init__(self, writer: TokenTelemetryWriter | None, may_complete: Callable[[], bool] = lambda: False) -> None:
        """A tape whose lines are also appended to the file of ``writer``.

        Each is as it comes, or when the tape is cut where something ``may_complete`` it.
        """
        self._writer = writer
        self._may_complete = may_complete
        self._written = 0
        """Of the lines since the last cut: how many are in the file."""
        self._cut = _nothing(time())
        self._attached: list[Cut] = []
        self._numbers = 0
        self._process = os.getpid()
        self.test: list[str] = []
        """The lines of the test that is running."""
        self.unwritten: dict[str, int] = {}
        """How many lines the writer could not append, by reason."""

    def begin_test(self) -> None:
        """Begin with a test, or with another attempt at it.

        A piece whose report was made but never told (some plugins that run tests again do that) is taken back.
        """
        self.test = []
        self._process = os.getpid()
        self._cut["began"] = time()
        for cut in reversed(self._attached):
            self._cut["lines"][:0] = cut["lines"]
            self._written += len(cut["lines"])
            self._cut["unusable"] = dict(Counter(self._cut["unusable"]) + Counter(cut["unusable"]))
            self._cut["ends"] += cut["ends"]
            self._cut["repeated"] += cut["repeated"]
            self._cut["began"] = min(self._cut["began"], cut["began"])
        self._attached = []

    def add(self, line: str) -> int:
        """Take in a line of `pytest_token_telemetry.sources.own_format.line`, and return its number.

        Raises:
            RuntimeError: this is another process than the one that runs the test, and nobody would see the line.
        """
        if os.getpid() != self._process:
            raise RuntimeError(
                "token_telemetry: record in the process that runs the test (in others, use TokenTelemetryWriter)"
            )
        self.test.append(line)
        self._cut["lines"].append(line)
        if not self._may_complete():
            self._write()
        self._numbers += 1
        return self._numbers - 1

    def replace(self, number: int, line: str) -> bool:
        """Put ``line`` in the place of the one with ``number``, if it is still on the tape."""
        at = number - self._numbers  # from the end
        if -at > len(self._cut["lines"]) or -at > len(self.test):
            return False
        self._cut["lines"][at] = self.test[at] = line
        return True

    def _write(self) -> None:
        """Append what is not in the file yet."""
        new, self._written = self._cut["lines"][self._written :], len(self._cut["lines"])
        for line in new:
            self._append(line)

    def _append(self, line: str) -> None:
        if self._writer is None:
            return
        try:
            self._writer.append(line)
        except OSError as error:  # the test did nothing wrong: the session fails when it ends
            from pytest_token_telemetry.writing import reason

            self.unwritten[reason(error)] = self.unwritten.get(reason(error), 0) + 1

    def write_unusable(self, cuts: Iterable[Cut]) -> None:
        """Append a line for each record of ``cuts`` that could not be used: who reads the file later must know of it.

        That is for the end of the session, in which its checks know of them already.
        """
        from pytest_token_telemetry.sources import own_format

        for cut in cuts if self._writer is not None else ():
            reasons = [reason for reason, count in cut["unusable"].items() for _ in range(count)]
            for reason, truncated in zip_longest(reasons, cut["ends"]):
                self._append(own_format.unusable_line(reason, truncated=truncated))

    def add_unusable(self, reason: str, ended: Ended | None = None) -> None:
        """Count a record of a call that cannot be used. ``ended``: as that of `Unusable`."""
        self._cut["unusable"][reason] = self._cut["unusable"].get(reason, 0) + 1
        if ended is not None:
            self._cut["ends"].append(ended.truncated)

    def add_repeated(self) -> None:
        """Count a record of a call that was recorded already."""
        self._cut["repeated"] += 1

    def attach(self, report: pytest.TestReport) -> None:
        """Cut the tape, and let ``report`` carry the piece, if there is anything on it."""
        cut = self.cut()
        if cut is not None:
            setattr(report, ATTRIBUTE, cut)
            self._attached.append(cut)

    def told(self, report: pytest.TestReport) -> None:
        """The ``report``, or a copy of it as pytest makes for a subtest, is on its way."""
        carried = getattr(report, ATTRIBUTE, None)
        self._attached = [cut for cut in self._attached if cut is not carried]

    def cut(self) -> Cut | None:
        """All since the last cut; ``None`` if there is nothing."""
        self._write()
        cut, self._cut, self._written = self._cut, _nothing(self._cut["began"]), 0
        return cut if cut["lines"] or cut["unusable"] or cut["repeated"] else None

    def rest(self) -> Cut | None:
        """All that no report has carried away."""
        self.begin_test()
        return self.cut()


def told_by(node: object) -> Mapping[str, Any]:
    """What a worker of xdist told the controller at its end; nothing if it died, or ``node`` is a stand-in."""
    output = getattr(node, "workeroutput", None)
    return output if isinstance(output, dict) else {}


def _nothing(began: float) -> Cut:
    return Cut(lines=[], unusable={}, ends=[], repeated=0, began=began)


def _is_cut(value: object) -> TypeGuard[Cut]:
    """True if ``value`` is ours, and not what another plugin calls by the same name."""
    return isinstance(value, dict) and value.keys() == Cut.__annotations__.keys()


def _worker(node: object) -> str:
    """What reports call a worker of xdist, or what another plugin has in its place."""
    return f"worker {getattr(getattr(node, 'gateway', None), 'id', '?')}"


class Arrivals:
    """Hooks of the main or controller process. They are there always: a test may record without being asked to."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._unusable = config.stash.setdefault(UNUSABLE, [])
        self._phases: list[Phase] = []
        self._lost: dict[str, str] = {}
        self._deselected = 0
        self._workers: set[str] = set()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep what ``report`` carries."""
        cut = getattr(report, ATTRIBUTE, None)
        if isinstance(report, pytest.TestReport) and _is_cut(cut):
            self._add(report.nodeid, cut, cut["began"], report.stop)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: object) -> None:  # noqa: ANN401 - a class of xdist
        """Keep what a worker knew at its end, or that it did not come to its end."""
        worker = _worker(node)
        rest: Rest | None = told_by(node).get(ATTRIBUTE)
        if error:
            self._lost[worker] = "it died between two tests"
            return
        self._workers.add(worker)  # not the dead one, which another replaces
        if rest is not None:
            self.add_rest(worker, rest)

    @pytest.hookimpl(optionalhook=True)
    def pytest_handlecrashitem(self, crashitem: str, report: Any) -> None:  # noqa: ANN401 - with xdist's attributes
        """Remember which test a worker was running when it died."""
        worker = _worker(getattr(report, "node", None))
        self._lost.pop(worker, None)
        self._lost[crashitem] = f"{worker} died while it ran"

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say that there are samples which nothing judges."""
        count = sum(len(phase.lines) for phase in self._phases)
        if count and not is_on(self._config, GATE) and not is_off(self._config):
            noun = "sample" if count == 1 else "samples"
            way = self._way_to_the_file() if is_on(self._config, "record") else f"with {flag(GATE)}"
            terminalreporter.write_line(f"token telemetry: {count:,} {noun} recorded; gate {way}")

    def _way_to_the_file(self) -> str:
        """The command that judges what is in the file, to be pasted."""
        from shlex import quote

        file, here = read_one(self._config, "record"), self._config.invocation_params.dir
        directory = file.parent.relative_to(here) if file.is_relative_to(here) else file.parent
        named = f"{flag('dir')}={quote(str(directory))} {flag('pattern')}={quote(file.name)}"
        return f"the file with pytest {ROOT} {named}"

    def add_rest(self, where: str, rest: Rest) -> None:
        """Keep what no report carried, and which tests did not run: each worker says the same."""
        self._deselected = max(self._deselected, rest["deselected"])
        if rest["cut"] is not None:
            self._add(where, rest["cut"], 0.0, 2.0**31)

    def recorded(self) -> Recorded:
        """All that has arrived."""
        from pytest_token_telemetry.sources.recorded import Recorded

        each = self._config.getoption("dist", "no") == "each"
        return Recorded(
            phases=tuple(self._phases),
            lost=dict(self._lost),
            deselected=self._deselected,
            copies=max(1, len(self._workers)) if each else 1,
        )

    def _add(self, where: str, cut: Cut, began: float, ended: float) -> None:
        from pytest_token_telemetry.sources.recorded import Phase, Span

        if cut["unusable"]:
            self._unusable.append(cut)
        span = Span(began, ended)
        self._phases.append(
            Phase(where, span, tuple(cut["lines"]), cut["unusable"], cut["repeated"], tuple(cut["ends"]))
        )
