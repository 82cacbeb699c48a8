"""Which sessions are attacked: data with a known verdict, and a command line that asks for every report.

The data that should fail (``tune``) has seven calls that took more than predicted, 7 of 136 = 5.1%: one in each of six
logs and one that a test records. Without any one of these logs, or without the tests, the rest is within the target of
5%, so what is lost shows as a PASS. Where calls may rightly be lost, as with a plugin that skips tests, there are five
in each (``worse``).
"""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

Truth = Literal["pass", "tune", "worse"]

REPORTS = {
    "json": "out/report.json",
    "junit": "out/junit.xml",
    "markdown": "out/summary.md",
    "code-quality": "out/quality.json",
    "tuning": "out/tuning.json",
}
"""Where the reports that are written whole stand below ``data``, by their options."""

PYTEST_XML = "out/pytest.xml"
"""Written by pytest itself."""

RECORD = "appended/calls.jsonl"
APPENDED_MARKDOWN = "appended/appended.md"
STEP_SUMMARY = "appended/step-summary.md"
STEP_OUTPUT = "appended/step-output.txt"
APPENDED = (RECORD, APPENDED_MARKDOWN, STEP_SUMMARY, STEP_OUTPUT)

BASELINE = "kept/baseline.json"
HISTORY = "kept/history.jsonl"
KEPT = (BASELINE, HISTORY)

_QUIET = (
    "xdist",
    "randomly",
    "pytest-split",
    "pytest-testmon",
    "rerunfailures",
    "pytest_cov",
    "anyio",
    "hypothesispytest",
)
"""Plugins that may be installed and have no part in this."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """Which session is attacked."""

    truth: Truth
    jobs: int = 1
    workers: int = 0
    """Of pytest-xdist."""
    logs: str = "logs"
    """The directory of logs: ``logs``, or one that is ``missing`` or ``empty``. There nothing else is judged."""

    def __str__(self) -> str:
        return f"{self.truth}-{self.jobs}-{self.workers}-{self.logs}"

    @classmethod
    def of(cls, name: str) -> Scenario:
        """The scenario of that name."""
        truth, jobs, workers, logs = name.split("-")
        return cls(next(each for each in _BAD_CALLS if each == truth), int(jobs), int(workers), logs)

    @property
    def status(self) -> int:
        """The exit code that the undisturbed session has."""
        return 4 if self.logs == "missing" else 0 if self.truth == "pass" else 1

    @property
    def arguments(self) -> tuple[str, ...]:
        """The command line after ``pytest``."""
        return (
            *(f"-pno:{name}" for name in _QUIET if name != "xdist" or not self.workers),
            *((f"-n{self.workers}",) if self.workers else ()),
            "-pno:cacheprovider",
            "tests",
            *(("--token-telemetry",) if self.logs == "logs" else ()),
            f"--token-telemetry-dir=data/{self.logs}",
            f"--token-telemetry-jobs={self.jobs}",
            *(f"--token-telemetry-{option}=data/{name}" for option, name in REPORTS.items()),
            f"--junitxml=data/{PYTEST_XML}",
            f"--token-telemetry-markdown-append=data/{APPENDED_MARKDOWN}",
            f"--token-telemetry-record=data/{RECORD}",
            f"--token-telemetry-baseline=data/{BASELINE}",
            f"--token-telemetry-save-baseline=data/{BASELINE}",
            f"--token-telemetry-history=data/{HISTORY}",
            "--token-telemetry-github",
        )


def write_case(directory: Path, scenario: Scenario) -> None:
    """Write the logs, six with ten calls each and one with all others, and the tests.

    Several processes get work if there is more than one task of 32 MB: between the logs stand some without a call.
    """
    logs = directory / "data" / "logs"
    bad = _BAD_CALLS[scenario.truth]
    for n, name in enumerate(
        ("run-1/a.log", "run-1/b.log", "run-2/c.log.gz", "run-2/d.log.gz", "e.jsonl", "run-3/f.jsonl")
    ):
        line = _own_line if "jsonl" in name else _tagged_line
        calls = [*(_GOOD_OUTPUT,) * (10 - bad), *(_BAD_OUTPUT,) * bad]
        text = "".join(f"{line(10 * n + k, tokens)}\n" for k, tokens in enumerate(calls))
        path = logs / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(text.encode(), mtime=0) if name.endswith(".gz") else text.encode())
    (logs / "good.log").write_text("".join(f"{_tagged_line(60 + k, _GOOD_OUTPUT)}\n" for k in range(68)), "utf-8")
    for name in ("f.log", "run-1/aa.log", "run-2/cc.log", "run-3/e.log") if scenario.jobs > 1 else ():
        (logs / name).write_bytes(_OTHER_LINE * (20_000_000 // len(_OTHER_LINE)))
    (directory / "pytest.ini").write_text("[pytest]\n", "utf-8")
    (directory / "tests").mkdir()
    (directory / "tests" / "test_calls.py").write_text(_TESTS.format(good=8 - bad, bad=bad), "utf-8")


_BAD_CALLS: Mapping[Truth, int] = {"pass": 0, "tune": 1, "worse": 5}
"""In each log, and from the tests."""

_OTHER_LINE = b"[2026-11-16 09:07:26] INFO: [Executor] the phase that writes the documentation is complete\n"

_PREDICTED, _GOOD_OUTPUT, _BAD_OUTPUT = 1_000, 600, 1_400

_TESTS = """
import pytest

@pytest.mark.parametrize("output", [600] * {good} + [1400] * {bad})
def test_call(token_telemetry, output):
    token_telemetry.record(
        predicted_output_tokens=1000, output_tokens=output, max_tokens=4000, finish_reason="stop", success=True,
        category="docs", complexity="low", deliverable_count=1,
    )
"""


def _strata(n: int) -> tuple[str, str, int]:
    return ("implementation", "tests", "docs")[n % 3], ("low", "medium", "high")[n // 3 % 3], (1, 3, 8)[n // 9 % 3]


def _tagged_line(n: int, output: int) -> str:
    category, complexity, deliverables = _strata(n)
    return (
        f"[2026-11-16 09:{n // 60:02}:{n % 60:02}] INFO: [TokenEstimationV2] predicted_output={_PREDICTED}"
        f" actual_output={output} smape=50.0% selected_budget=4000 category={category} complexity={complexity}"
        f" deliverables={deliverables} success=True stop_reason=end_turn truncated=False model=some-model"
    )


def _own_line(n: int, output: int) -> str:
    category, complexity, deliverables = _strata(n)
    return json.dumps(
        {
            "schema": "token-telemetry/1",
            "predicted_output_tokens": _PREDICTED,
            "output_tokens": output,
            "max_tokens": 4_000,
            "finish_reason": "stop",
            "success": True,
            "category": category,
            "complexity": complexity,
            "deliverable_count": deliverables,
            "task_id": f"task-{n}",
            "id": f"call-{n}",
            "time": f"2026-11-16T09:{n // 60:02}:{n % 60:02}Z",
        }
    )
