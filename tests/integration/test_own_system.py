"""A program without pytest leaves its telemetry, and the gate reads it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.integration.conftest import Run

PROGRAM = """
import itertools, logging, sys
from pytest_token_telemetry import TokenTelemetryHandler, TokenTelemetryWriter

worker = sys.argv[1]
kinds = itertools.product(("implementation", "tests", "docs"), ("low", "medium", "high"), (1, 3, 8))
writer = TokenTelemetryWriter("runs/shared.jsonl")
for i, (category, complexity, count) in enumerate(kinds):
    writer.write(
        predicted_output_tokens=1000, output_tokens=900, max_tokens=4096, finish_reason="stop", success=True,
        category=category, complexity=complexity, deliverable_count=count, task_id=f"{worker}-{i}", id=f"{worker}-{i}",
    )
log = logging.getLogger("agent")
log.setLevel(logging.INFO)
log.addHandler(TokenTelemetryHandler(f"runs/logged/{worker}.jsonl"))
log.info("no telemetry in this one")
log.info("called", extra={"token_telemetry": {
    "predicted_output_tokens": 1000, "output_tokens": 800, "finish_reason": "end_turn", "success": True,
    "id": f"logged-{worker}"}})
log.info("broken", extra={"token_telemetry": {"predicted_output_tokens": 1000}})
print(sorted(set(sys.modules) & {"numpy", "pytest", "pluggy", "msgspec", "junit_xml", "tabulate"}))
"""


@pytest.fixture
def program(pytester: pytest.Pytester) -> list[str]:
    (pytester.path / "program.py").write_text(PROGRAM)
    (pytester.path / "runs").mkdir()
    return [sys.executable, "program.py"]


def test_several_processes_leave_telemetry_that_the_gate_reads(
    run: Run, program: list[str], pytester: pytest.Pytester
) -> None:
    workers = [
        subprocess.Popen([*program, str(i)], cwd=pytester.path, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for i in range(4)
    ]
    said = [worker.communicate() for worker in workers]
    assert [worker.returncode for worker in workers] == [0] * 4
    assert {output for output, _ in said} == {b"[]\n"}  # the standard library alone
    assert all(b"output_tokens" in errors for _, errors in said)  # the broken record is said, and breaks nothing
    report = run().report
    assert report["verdict"] == "pass"
    assert report["counts"]["samples"] == 4 * 28
    assert report["counts"]["unusable"]["total"] == 0
    assert report["counts"]["tasks"] == 4 * 27


def test_the_package_has_only_what_it_names() -> None:
    import pytest_token_telemetry

    assert pytest_token_telemetry.TokenTelemetryWriter.__name__ == "TokenTelemetryWriter"
    with pytest.raises(AttributeError, match="no attribute 'Missing'"):
        _ = pytest_token_telemetry.Missing
