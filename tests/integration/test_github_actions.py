"""``--token-telemetry-github`` in a job of GitHub Actions, told by the variables and files that a runner sets."""

from __future__ import annotations

import html
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.github_commands import Command, commands

SWITCH = "--token-telemetry-github"
QUIET = ("-p", "no:randomly", "-p", "no:cacheprovider")


@dataclass(frozen=True)
class Job:
    """A step of a job."""

    repository: Path
    summary: Path
    outputs: Path

    def run(self, *arguments: str) -> tuple[int, str, str]:
        """Run pytest, and return its exit code and what it printed on either stream."""
        command = [sys.executable, "-m", "pytest", *QUIET, "--token-telemetry-dir=runs", *arguments]
        result = subprocess.run(command, cwd=self.repository, capture_output=True, text=True, check=False)
        return result.returncode, result.stdout, result.stderr

    @property
    def told(self) -> dict[str, str]:
        """The outputs of the step."""
        return dict(line.split("=", 1) for line in self.outputs.read_text().splitlines())


@pytest.fixture
def job(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Job:
    made = Job(pytester.path, tmp_path / "summary.md", tmp_path / "outputs.txt")
    made.summary.touch()
    made.outputs.touch()
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_WORKSPACE", str(made.repository))
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(made.summary))
    monkeypatch.setenv("GITHUB_OUTPUT", str(made.outputs))
    return made


def errors(printed: str) -> list[Command]:
    return [command for command in commands(printed) if command.name == "error"]


@pytest.mark.parametrize("layout", [[], ["-s"], ["-n", "2"], ["-q"], ["-p", "no:terminal"], ["--capture=sys"]])
def test_a_failure_is_told_once_on_the_real_stream(job: Job, tuning: Path, suite: None, layout: list[str]) -> None:
    code, stdout, stderr = job.run(SWITCH, "--token-telemetry-json=report.json", *layout)
    assert code == 1
    assert [each.properties["title"] for each in errors(stderr)] == [
        "token-telemetry::tier1::underestimation",
        "token-telemetry::tier1::truncation",
    ]
    assert {each.properties["file"] for each in commands(stderr)} == {"runs/run-1/agent.log"}
    assert commands(stdout) == []
    assert job.summary.read_text().count("## ❌ Token telemetry: TUNE, tuning needed") == 1
    assert job.told == {
        "verdict": "tune",
        "headline": job.told["headline"],
        "report": str(job.repository / "report.json"),
    }
    assert job.told["headline"].startswith("Tuning needed: ")


def test_a_pass_is_told_without_an_annotation(job: Job, passing: Path) -> None:
    code, stdout, stderr = job.run(SWITCH)
    assert (code, commands(stdout + stderr)) == (0, [])
    assert job.told["verdict"] == "pass"
    assert job.summary.read_text().startswith("## ✅")


def test_an_ini_file_turns_it_on_and_the_command_line_off(job: Job, passing: Path, pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\ntoken_telemetry_github = true\n")
    assert job.run("-o", "token_telemetry_github=false")[0] == 0
    assert job.outputs.read_text() == ""
    assert job.run()[0] == 0
    assert job.told["verdict"] == "pass"


def test_elsewhere_it_has_no_effect(job: Job, tuning: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GITHUB_ACTIONS")
    code, stdout, stderr = job.run(SWITCH)
    assert (code, commands(stdout + stderr)) == (1, [])
    assert job.summary.read_text() + job.outputs.read_text() == ""


def test_without_it_a_job_is_told_nothing(job: Job, tuning: Path) -> None:
    code, stdout, stderr = job.run()
    assert (code, commands(stdout + stderr)) == (1, [])
    assert job.summary.read_text() + job.outputs.read_text() == ""


def test_a_session_that_ends_early_has_no_verdict(job: Job, passing: Path, pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_it(): assert False")
    code, _, stderr = job.run(SWITCH, "-x")
    assert code == 1
    (told,) = commands(stderr)
    assert told.data.startswith("not judged: ")
    assert job.told["verdict"] == "none"
    assert "NO VERDICT" in job.summary.read_text()
    assert "the session ended before the checks: stopping after 1 failures" in told.data


CRASHES = "def pytest_sessionstart():\n    raise RuntimeError('no such <b>model</b>')\n"


@pytest.mark.parametrize(
    ("arguments", "code", "why"),
    [
        (["--token-telemetry-max-truncation=2,5"], 4, "--token-telemetry-max-truncation: '2,5' is not a rate"),
        (["--token-telemetry-dir=gone"], 4, "--token-telemetry-dir: 'gone' does not exist"),
        (["--token-telemetry-estimator=gone:x"], 4, "--token-telemetry-estimator: 'gone' cannot be imported"),
        ([], 3, "the session ended before the checks: RuntimeError: no such <b>model</b>"),
    ],
)
def test_a_gate_that_crashes_says_why_wherever_its_verdict_would_be_read(
    job: Job, passing: Path, pytester: pytest.Pytester, arguments: list[str], code: int, why: str
) -> None:
    if not arguments:
        pytester.makeconftest(CRASHES)
    ended, _, stderr = job.run(SWITCH, "--token-telemetry-json=report.json", *arguments)
    assert ended == code
    (told,) = commands(stderr)
    assert told.data.startswith(f"not judged: {why}")
    assert f"<p>not judged: <code>{html.escape(why)}" in job.summary.read_text()
    assert job.told["verdict"] == "none"
    written = json.loads((pytester.path / "report.json").read_text())
    assert written["verdict"] is None
    assert written["reason"].startswith(why)


def test_the_summary_is_written_once_if_it_is_appended_too(job: Job, passing: Path) -> None:
    assert job.run(SWITCH, f"--token-telemetry-markdown-append={job.summary}")[0] == 0
    assert job.summary.read_text().count("## ✅") == 1


def test_a_summary_that_cannot_be_written_is_said(job: Job, passing: Path) -> None:
    job.summary.unlink()
    job.summary.mkdir()
    code, stdout, _ = job.run(SWITCH)
    assert code == 4
    assert "ERROR: GITHUB_STEP_SUMMARY could not be written: Is a directory" in stdout


def test_an_estimator_is_annotated_where_it_is_defined(job: Job, passing: Path, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(mine="LEAST = 100\n\ndef predict(request):\n    return LEAST\n")
    code, _, stderr = job.run(SWITCH, "--token-telemetry-estimator=mine:predict", "token-telemetry")
    assert code == 1
    first = errors(stderr)[0]
    assert (first.properties["file"], first.properties["line"]) == ("mine.py", "3")


def test_the_hook_of_a_conftest_is_annotated_where_it_is_defined(
    job: Job, passing: Path, pytester: pytest.Pytester
) -> None:
    pytester.makeconftest("def pytest_token_telemetry_estimate(request):\n    return 100\n")
    first = errors(job.run(SWITCH, "token-telemetry")[2])[0]
    assert (first.properties["file"], first.properties["line"]) == ("conftest.py", "1")
