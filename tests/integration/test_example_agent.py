"""The example agent, and the page that leads from one's own tests to a verdict."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from scripts import docs
from tests.integration.conftest import Run

AGENT = docs.ROOT / "examples" / "agent"
TESTS, CALLS = 37, 39
"""One for each of 36 tasks, and one that makes three calls."""


class Session(NamedTuple):
    exit: int
    text: str
    report: dict[str, Any]


def session(directory: Path, report: Path, *arguments: str) -> Session:
    """The documented command in ``directory``, with more ``arguments``."""
    command = [sys.executable, *docs.AGENT.split()[1:], f"--token-telemetry-json={report}", "-p", "no:cacheprovider"]
    done = subprocess.run([*command, *arguments], cwd=directory, capture_output=True, text=True, check=False)
    assert report.exists(), done.stdout + done.stderr
    return Session(done.returncode, done.stdout, json.loads(report.read_text()))


@pytest.mark.parametrize(
    "arguments",
    [(), ("-n", "2"), tuple(f"-pno:{name}" for name in ("randomly", "xdist", "rerunfailures", "pytest_cov"))],
    ids=["in any order", "two workers", "no other plugin"],
)
def test_the_example_passes(arguments: tuple[str, ...], tmp_path: Path) -> None:
    done = session(docs.ROOT, tmp_path / "report.json", *arguments)
    assert done.exit == 0, done.text
    assert "\nPASS: " in done.text
    assert f"{TESTS + 8} passed" in done.text  # the tests and the checks
    counts = done.report["counts"]
    assert (counts["tests"], counts["samples"], counts["successes"], counts["tasks"]) == (TESTS, CALLS, CALLS, CALLS)
    assert counts["unusable"]["total"] == counts["duplicates"] == counts["files"] == 0


def test_every_run_of_the_example_is_the_same(tmp_path: Path) -> None:
    runs = [session(docs.ROOT, tmp_path / "report.json", "-p", "no:randomly").report for _ in range(2)]
    for run in runs:
        del run["created"], run["scan"]
    assert runs[0] == runs[1]


def test_the_example_needs_none_of_this_repository(tmp_path: Path) -> None:
    shutil.copytree(AGENT, tmp_path / "examples" / "agent", ignore=shutil.ignore_patterns("__pycache__"))
    done = session(tmp_path, tmp_path / "report.json", "-W", "error")
    assert done.exit == 0, done.text
    assert done.report["verdict"] == "pass"


def test_the_change_that_the_page_proposes_ends_in_tune_though_every_test_passes(tmp_path: Path) -> None:
    docs.copy_changed_agent(tmp_path)
    done = session(tmp_path, tmp_path / "report.json")
    assert done.exit == 1
    assert done.report["verdict"] == "tune"
    assert f"1 failed, {TESTS + 7} passed" in done.text  # the one is the check
    under = next(check for check in done.report["checks"] if check["id"] == "tier1::underestimation")
    assert under["outcome"] == "fail"
    docs_category = next(each for each in done.report["strata"]["category"] if each["name"] == "docs")
    assert docs_category["underestimated"] == docs_category["risk"] == 12


def test_an_answer_that_does_not_fit_is_cut_off_by_the_stand_in_and_no_success(
    run: Run, pytester: pytest.Pytester
) -> None:
    shutil.copytree(AGENT, pytester.path, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    code = (pytester.path / "agent.py").read_text()
    (pytester.path / "agent.py").write_text(code.replace("ROOM = 1.5", "ROOM = 0.1"))
    done = run("--token-telemetry", "--token-telemetry-json=report.json", directory=None, process=True)
    assert done.exit == 1
    report = json.loads((pytester.path / "report.json").read_text())
    category = {each["name"]: each for each in report["strata"]["category"]}
    cut_off = sum(each["truncated"] for each in category.values())
    assert cut_off > 0
    assert report["counts"]["successes"] == CALLS - cut_off


def test_the_page_begins_with_a_file_that_ends_in_the_verdict_it_shows(run: Run, pytester: pytest.Pytester) -> None:
    page = (docs.ROOT / "docs" / "from-your-tests.md").read_text(encoding="utf-8")
    shown = re.search(r"<!-- generated: first-test -->.*?\n(\w+: [^\n]*)\n", page, re.DOTALL)
    assert shown is not None
    assert shown[1].startswith("PASS: ")
    pytester.makepyfile(test_calls=docs.first_test())
    done = run("test_calls.py", "--token-telemetry", directory=None, process=True)
    assert done.exit == 0
    assert shown[1] in done.text
    without_switch = run("test_calls.py", directory=None, process=True)
    assert without_switch.exit == 0
    assert "token telemetry: 27 samples recorded; gate with --token-telemetry" in without_switch.text
