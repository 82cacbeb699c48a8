"""Run pytest with the gate on, and read what it left."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from scripts import screenshots
from tests.lines import cut_off, ready_lines, stamp, v2, write

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@dataclass(frozen=True)
class Outcome:
    """One run of pytest with the gate on."""

    exit: int
    text: str
    outcomes: dict[str, int]
    report: dict[str, Any] | None

    @property
    def checks(self) -> dict[str, str]:
        assert self.report is not None
        return {check["id"]: check["outcome"] for check in self.report["checks"]}


_SUMMARY = re.compile(r"^(=.* |)\d+ \w+.* in [\d.]+s", re.MULTILINE)

Run = Callable[..., Outcome]


_MEASURED = ("test_replay.py", "test_executors.py", "test_jobs.py")
"""Those that start processes of ours which do what no other process does.

Of all others, coverage looks at the tests' own process alone: their sessions take a third longer with it, and show no
more.
"""


@pytest.fixture(autouse=True)
def _quick_runs(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the plugins that would import all of Hypothesis or asyncio in every run, and in each of its workers.

    What pytest prints is the same on a server too, where it would else print whole messages in its summary.
    """
    if "pytester" in request.fixturenames:
        request.getfixturevalue("pytester")  # it forgets the variable
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p no:hypothesispytest -p no:anyio")
    monkeypatch.delenv(
        "PYTEST_XDIST_WORKER", raising=False
    )  # what a test runs is no worker, even if the test is in one
    for server in ("CI", "BUILD_NUMBER"):
        monkeypatch.delenv(server, raising=False)
    if request.path.name not in _MEASURED:
        monkeypatch.delenv("COVERAGE_PROCESS_CONFIG", raising=False)


NOTHING_LOST = {"duplicates": 0, "unusable": 0, "skipped": {}, "dropped": 0}
"""What a report says of a source all of whose records are samples."""


@pytest.fixture
def run(pytester: pytest.Pytester) -> Run:
    """Run pytest in the test's directory on the logs below ``runs``, and read the JSON report."""

    def run_with(*arguments: str, directory: str | None = "runs", process: bool = False) -> Outcome:
        report = pytester.path / "report.json"
        report.unlink(missing_ok=True)
        gate = [f"--token-telemetry-dir={directory}", "--token-telemetry-json=report.json"] if directory else []
        runner = pytester.runpytest_subprocess if process else pytester.runpytest_inprocess
        result = runner("-p", "no:randomly", "-p", "no:cacheprovider", *gate, *arguments)
        return Outcome(
            int(result.ret),
            f"{result.stdout}\n{result.stderr}",
            result.parseoutcomes() if _SUMMARY.search(str(result.stdout)) else {},
            _judged(report),
        )

    return run_with


def _judged(path: Path) -> dict[str, Any] | None:
    """The report at ``path``, if it has a verdict."""
    report = json.loads(path.read_text()) if path.exists() else {"verdict": None}
    return None if report["verdict"] is None else report


@pytest.fixture
def passing(pytester: pytest.Pytester) -> Path:
    """Logs that end in PASS."""
    return write(pytester.path / "runs", ready_lines(60))


@pytest.fixture
def tuning(pytester: pytest.Pytester) -> Path:
    """Logs that end in TUNE: 6 of 60 calls were truncated, in docs."""
    cut = [cut_off(time=stamp(1000 + i), category="docs") for i in range(6)]
    return write(pytester.path / "runs", ready_lines(54) + cut)


@pytest.fixture
def unready(pytester: pytest.Pytester) -> Path:
    """Logs that end in NOT READY: 5 successful samples, none in docs or tests."""
    return write(pytester.path / "runs", [v2(time=stamp(i)) for i in range(5)])


@pytest.fixture
def suite(pytester: pytest.Pytester) -> None:
    """A test suite of three passing tests."""
    pytester.makepyfile(test_suite="def test_one(): pass\ndef test_two(): pass\ndef test_samples(): pass\n")


@pytest.fixture
def project(pytester: pytest.Pytester, request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Write one test file, ``test_agent.py``, that begins with the ``HEAD`` of the module."""

    def write_test(source: str) -> None:
        pytester.makepyfile(test_agent=f"{request.module.HEAD}\n{source}")

    return write_test


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Where a browser is named, the tests run, or fail."""
    if "TOKEN_TELEMETRY_BROWSER" not in os.environ:
        for needed in ("playwright.sync_api", "vl_convert", "axe_playwright_python"):
            pytest.importorskip(needed, reason="the extra 'browser' is not installed")
    program = screenshots.find_browser()
    if not program:
        pytest.skip("there is no Chromium or Chrome")
    with screenshots.open_browser(program) as opened:
        yield opened


def usage_error(result: Outcome) -> str:
    """The one sentence of a session that ended with a usage error."""
    assert result.exit == 4
    assert result.report is None
    assert "Traceback" not in result.text
    assert "PASS" not in result.text
    errors = [line for line in result.text.splitlines() if line.startswith("ERROR")]
    assert len(errors) == 1
    return errors[0].removeprefix("ERROR: ")


def by_source(result: Outcome) -> dict[str, int]:
    """How many samples came from each file or test."""
    assert result.report is not None
    return {source["path"]: source["samples"] for source in result.report["sources"]}


def add_hole(path: Path, size: int) -> None:
    """Make the file at ``path`` that long, which takes no room: it is slow to be read, as a large log is."""
    try:
        os.truncate(path, size)
    except OSError:
        pytest.skip("this file system has no files of that size")
    if path.stat().st_blocks > 1 << 10:
        pytest.skip("this file system keeps what is not there")
