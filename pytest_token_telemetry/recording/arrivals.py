"""What tests recorded, as it arrives with their reports: from this process, or from the workers of pytest-xdist."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_token_telemetry.ids import ROOT
from pytest_token_telemetry.settings import GATE, flag, is_on

if TYPE_CHECKING:
    from pytest_token_telemetry.recording.cuts import Cut, Rest
    from pytest_token_telemetry.sources.recorded import Recorded

ATTRIBUTE = "token_telemetry"
"""Of a report: the `Cut` of that phase. Of a worker's output: the `Rest` that no report carried."""


class Arrivals:
    """Hooks of the main or controller process. They are there always: a test may record without being asked to."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._carried: list[tuple[str, Cut, float, float]] = []
        """The tests, each with what it recorded, and when it began and ended."""
        self._lost: dict[str, str] = {}
        self._deselected = 0
        self._workers: set[str] = set()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep what ``report`` carries."""
        cut = getattr(report, ATTRIBUTE, None)
        if cut is not None:
            self._carried.append((report.nodeid, cut, cut["began"], report.stop))

    def pytest_deselected(self, items: list[pytest.Item]) -> None:
        """Count the tests that do not run. Under xdist the workers do."""
        self._deselected += sum(not item.nodeid.startswith(f"{ROOT}::") for item in items)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: object) -> None:  # noqa: ANN401 - a class of xdist
        """Keep what a worker knew at its end, or that it did not come to its end."""
        worker = f"worker {node.gateway.id}"
        rest: Rest | None = getattr(node, "workeroutput", {}).get(ATTRIBUTE)
        if error:
            self._lost[worker] = "it died between two tests"
            return
        self._workers.add(worker)  # not the dead one, which another replaces
        if rest is not None:
            self._deselected = max(self._deselected, rest["deselected"])
            self.add_rest(worker, rest["cut"])

    @pytest.hookimpl(optionalhook=True)
    def pytest_handlecrashitem(self, crashitem: str, report: Any) -> None:  # noqa: ANN401 - with xdist's attributes
        """Remember which test a worker was running when it died."""
        worker = f"worker {report.node.gateway.id}"
        self._lost.pop(worker, None)
        self._lost[crashitem] = f"{worker} died while it ran"

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say that there are samples which nothing judges."""
        count = sum(len(cut["lines"]) for _, cut, _, _ in self._carried)
        if count and not is_on(self._config, GATE):
            noun = "sample" if count == 1 else "samples"
            terminalreporter.write_line(f"token telemetry: {count} {noun} recorded; gate with {flag(GATE)}")

    def add_rest(self, where: str, cut: Cut | None) -> None:
        """Keep what no report carried."""
        if cut is not None:
            self._carried.append((where, cut, 0.0, 2.0**31))

    def recorded(self) -> Recorded:
        """All that has arrived."""
        from pytest_token_telemetry.sources.recorded import Phase, Recorded, Span

        phases = [
            Phase(test, Span(began, ended), tuple(cut["lines"]), cut["unusable"], cut["repeated"])
            for test, cut, began, ended in self._carried
        ]
        each = self._config.getoption("dist", "no") == "each"
        return Recorded(
            phases=tuple(phases),
            lost=dict(self._lost),
            deselected=self._deselected,
            copies=max(1, len(self._workers)) if each else 1,
        )
