"""The checks as pytest items: collected without any file, reported like any test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_token_telemetry.option import ROOT
from pytest_token_telemetry.session.command_line import is_picked

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from _pytest._io import TerminalWriter

    from pytest_token_telemetry.report.model import Report


GATE_MARKER = "token_telemetry_gate"
"""Every check has it: ``-m "not token_telemetry_gate"`` leaves the gate out."""

REPORT: pytest.StashKey[Report] = pytest.StashKey()
"""Where the items find the report, once it is there."""


CHECK_IDS = pytest.StashKey[tuple[str, ...]]()
"""The ids of the session's checks."""

WarnedStatus = tuple[str, str, tuple[str, dict[str, bool]]]
"""Category, letter, and word with its marks."""


class CheckFailed(Exception):  # noqa: N818 - it is an outcome, not an error
    """A check is not met. Its text is all there is to say."""


class _Message(str):
    """A check's message: one text for all that reads it, and lines that fit where it is shown."""

    __slots__ = ()

    def toterminal(self, terminal: TerminalWriter) -> None:
        """Write it as pytest has a failure written."""
        from pytest_token_telemetry.report.terminal_lines import wrapped

        for line, marks in wrapped(self, terminal.fullwidth, {}):
            terminal.line(line, **marks)


class GateCollector(pytest.Collector):
    """The root of all checks. It stands for no file."""

    def collect(self) -> Iterator[TierCollector]:
        """One collector a tier."""
        for tier in dict.fromkeys(check.split("::")[0] for check in self.config.stash[CHECK_IDS]):
            yield TierCollector.from_parent(self, name=tier)


class TierCollector(pytest.Collector):
    """The checks of readiness, or of one tier."""

    def collect(self) -> Iterator[CheckItem]:
        """The tier's checks, as far as they were asked for."""
        for check in self.config.stash[CHECK_IDS]:
            tier, name = check.split("::")
            if tier == self.name and is_picked(self.config, check):
                yield CheckItem.from_parent(self, name=name, check=check)


class CheckItem(pytest.Item):
    """One check."""

    def __init__(self, *, check: str, **parts: object) -> None:
        super().__init__(**parts)  # type: ignore[arg-type] # pytest's own, passed on by from_parent
        self.check = check
        self.add_marker(GATE_MARKER)

    def runtest(self) -> None:
        """Report the check's outcome, which was decided before."""
        from pytest_token_telemetry.report import words
        from pytest_token_telemetry.text import plain

        report = self.config.stash[REPORT]
        result = next(each for each in report.checks if each.id == self.check)
        if result.outcome == "fail":
            raise CheckFailed(plain(words.message(report, result)))
        if result.outcome in ("skip", "warn"):  # what passed is shown nowhere, in pytest's own JUnit file neither
            pytest.skip(f"{'warning: ' if result.outcome == 'warn' else ''}{plain(words.message(report, result))}")

    def repr_failure(  # type: ignore[override] # a plain text is one of the forms that pytest takes
        self, excinfo: pytest.ExceptionInfo[BaseException], style: str | None = None
    ) -> object:
        """The check's message alone: where it was raised says nothing."""
        if isinstance(excinfo.value, CheckFailed):
            return _Message(excinfo.value)
        return super().repr_failure(excinfo, style)  # type: ignore[arg-type]

    def reportinfo(self) -> tuple[Path, int, str]:
        """Where the check is and what it is called. The line must be a number: pytest adds to it."""
        return self.path, 0, f"{ROOT}::{self.check}"


def warned_status(nodeid: str, report: Report) -> WarnedStatus | None:
    """How pytest shows the check of ``report`` with this node id, if it warns."""
    warned = any(result.outcome == "warn" and f"{ROOT}::{result.id}" == nodeid for result in report.checks)
    return ("warned", "w", ("WARNING", {"yellow": True})) if warned else None


def root_collector(session: pytest.Session) -> GateCollector:
    """The collector of all checks."""
    return GateCollector.from_parent(session, name=ROOT, nodeid=ROOT)
