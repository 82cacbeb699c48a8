"""The files that the page about other CI servers shows: the servers take them, and their commands leave the reports."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import jsonschema
import pytest
import yaml
from lxml import etree

from scripts import snippets
from tests.lines import cut_off, ready_lines, stamp, write
from tests.unit.report.test_code_quality import SCHEMA

PAGE = snippets.PAGE.read_text(encoding="utf-8")
FILES = snippets.snippets()
GITLAB = yaml.safe_load(FILES[".gitlab-ci.yml"])["token-gate"]
AZURE = yaml.safe_load(FILES["azure-pipelines.yml"])["steps"]
BITBUCKET = yaml.safe_load(FILES["bitbucket-pipelines.yml"])["pipelines"]["pull-requests"]["**"][0]["step"]
JENKINS = FILES["Jenkinsfile"]

RESULTS = next(each["inputs"] for each in AZURE if each.get("task") == "PublishTestResults@2")
SUMMARY = "build/token-telemetry.md"


@dataclass(frozen=True)
class Step:
    """Commands that one shell runs, as the servers do: it ends with the first that fails."""

    commands: str
    after_failure: bool = False


@dataclass(frozen=True)
class Job:
    """What a snippet runs, and what it keeps."""

    steps: list[Step]
    junit: str
    kept: list[str]


JOBS = {
    "GitLab": Job(
        [Step("\n".join(GITLAB["script"]))],
        GITLAB["artifacts"]["reports"]["junit"],
        [*GITLAB["artifacts"]["paths"], GITLAB["artifacts"]["reports"]["codequality"]],
    ),
    "Jenkins": Job(
        [Step(text) for _, text in re.findall(r"sh ('''|'|\")(.*?)\1\n", JENKINS, re.DOTALL)],
        *re.findall(r"junit testResults: '(.*?)'", JENKINS),
        re.findall(r"archiveArtifacts artifacts: '(.*?)'", JENKINS),
    ),
    "Azure": Job(
        [
            Step(each["script"].replace("$(System.DefaultWorkingDirectory)", "$PWD"), "condition" in each)
            for each in AZURE
            if "script" in each
        ],
        RESULTS["testResultsFiles"],
        [SUMMARY],
    ),
    "Bitbucket": Job(
        [Step("\n".join(BITBUCKET["script"]))],
        *re.findall(r"--token-telemetry-junit=(test-reports/\S+)", BITBUCKET["script"][1]),
        [path for each in BITBUCKET["artifacts"]["upload"] for path in each["paths"]],
    ),
}

PYTHON = f"""#!/bin/sh
case "$2" in
  pip) echo "$4" >> installed.txt ;;
  venv) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
  *) exec {shlex.quote(sys.executable)} "$@" ;;
esac
"""
"""A Python that has the package installed, and only notes what else it should install."""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A repository without logs, beside the programs that a server has."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("python", "python3"):
        (programs / name).write_text(PYTHON)
        (programs / name).chmod(0o755)
    (tmp_path / "project").mkdir()
    return tmp_path / "project"


def passing(project: Path) -> None:
    write(project / "runs", ready_lines(60))


def failing(project: Path) -> None:
    write(project / "runs", ready_lines(54) + [cut_off(time=stamp(1000 + i)) for i in range(6)])


def run(job: Job, project: Path) -> tuple[int, str]:
    """The exit code of the first step that fails, or 0, and what all of them print."""
    status, text = 0, ""
    for step in job.steps:
        if status == 0 or step.after_failure:
            done = bash(step.commands, project)
            status, text = status or done.returncode, text + done.stdout
    return status, text


def bash(commands: str, project: Path) -> subprocess.CompletedProcess[str]:
    path = f"{project.parent / 'bin'}{os.pathsep}{os.environ['PATH']}"
    quick = f"{os.environ['PYTEST_ADDOPTS']} -p no:randomly"
    environment = {**os.environ, "PATH": path, "PYTEST_ADDOPTS": quick, "PYTHONUTF8": "1"}
    return subprocess.run(
        ["bash", "-e", "-c", commands], cwd=project, env=environment, capture_output=True, encoding="utf-8", check=False
    )


@pytest.mark.parametrize("server", JOBS)
@pytest.mark.parametrize(("logs", "status"), [(passing, 0), (failing, 1)], ids=["pass", "fail"])
def test_a_job_ends_as_the_gate_does_and_leaves_what_it_keeps(
    server: str, logs: object, status: int, project: Path
) -> None:
    job = JOBS[server]
    logs(project)
    ended, text = run(job, project)
    assert ended == status, text
    package = "pytest-token-telemetry @ git+https://github.com/OWNER/pytest-token-telemetry@COMMIT"
    assert (project / "installed.txt").read_text() == f"{package}\n"
    suites = etree.parse(project / job.junit).getroot()
    assert bool(int(suites.get("failures"))) is bool(status)
    assert SUMMARY in job.kept
    assert (project / SUMMARY).read_text(encoding="utf-8").startswith("## ❌" if status else "## ✅")
    assert "<details>" not in (project / SUMMARY).read_text(encoding="utf-8")
    for each in job.kept:
        assert (project / each).is_file()


@pytest.mark.parametrize("server", JOBS)
def test_a_job_without_a_verdict_fails_and_leaves_no_report(server: str, project: Path) -> None:
    job = JOBS[server]
    passing(project)
    (project / "conftest.py").write_text("raise RuntimeError\n")
    ended, _ = run(job, project)
    assert ended != 0
    assert not [each for each in (job.junit, *job.kept) if (project / each).exists()]


def test_jenkins_shows_no_report_of_an_earlier_build(project: Path) -> None:
    passing(project)
    assert run(JOBS["Jenkins"], project)[0] == 0
    (project / "conftest.py").write_text("raise RuntimeError\n")
    assert run(JOBS["Jenkins"], project)[0] != 0
    assert not (project / "build").exists()


def test_gitlab_keeps_the_files_of_a_failure_and_compares_with_the_target_branch() -> None:
    assert GITLAB["artifacts"]["when"] == "always"
    assert {"if": "$CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH"} in GITLAB["rules"]


def test_gitlab_finds_the_lines_that_the_findings_are_about(project: Path) -> None:
    failing(project)
    run(JOBS["GitLab"], project)
    found = json.loads((project / GITLAB["artifacts"]["reports"]["codequality"]).read_text(encoding="utf-8"))
    jsonschema.validate(found, SCHEMA)
    places = [each["location"] for each in found]
    assert {each["path"] for each in places} == {"runs/run-1/agent.log"}
    lines = (project / "runs/run-1/agent.log").read_text().splitlines()
    assert all("truncated=True" in lines[each["lines"]["begin"] - 1] for each in places)


def test_jenkins_keeps_the_verdict_among_the_properties() -> None:
    (always,) = re.findall(r"post \{\s+always \{(.*?)\}", JENKINS, re.DOTALL)
    assert re.search(r"junit .*keepProperties: true", always)
    assert JENKINS.count("{") == JENKINS.count("}")


def test_azure_publishes_after_a_failure_and_misses_what_is_missing(project: Path) -> None:
    publish = next(each for each in AZURE if each.get("task") == "PublishTestResults@2")
    assert publish["condition"] == AZURE[-1]["condition"] == "succeededOrFailed()"
    assert (RESULTS["testResultsFormat"], RESULTS["failTaskOnMissingResultsFile"]) == ("JUnit", True)
    failing(project)
    _, text = run(JOBS["Azure"], project)
    assert f"##vso[task.uploadsummary]{project}/{SUMMARY}\n" in text


def test_bitbucket_keeps_the_summary_of_a_failure() -> None:
    assert {each["capture-on"] for each in BITBUCKET["artifacts"]["upload"]} == {"always"}


def test_the_summary_can_be_sent_with_the_verdict_as_its_subject(project: Path) -> None:
    (command,) = re.findall(r"```bash\n(mail .*?)```", PAGE, re.DOTALL)
    mail = project.parent / "bin" / "mail"
    mail.write_text('#!/bin/sh\nprintf "%s\\n" "$@" > sent.txt\ncat >> sent.txt\n')
    mail.chmod(0o755)
    failing(project)
    run(JOBS["GitLab"], project)
    assert bash(command, project).returncode == 0
    sent = (project / "sent.txt").read_text(encoding="utf-8")
    assert sent.startswith("-s\n❌ Token telemetry: TUNE, tuning needed\nteam@example.com\n## ❌ Token telemetry:")


@pytest.mark.parametrize("name", snippets.SCHEMAS)
def test_a_file_is_valid_by_its_servers_schema(name: str) -> None:
    pytest.importorskip("check_jsonschema", reason="check-jsonschema has the schemas")
    assert snippets.check(name, FILES[name]) == 0


@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [
        (".gitlab-ci.yml", "when: always", "when: ever"),
        ("azure-pipelines.yml", "condition:", "conditions:"),
        ("bitbucket-pipelines.yml", "script:", "script: 1\n          name:"),
    ],
)
def test_a_malformed_file_is_found(name: str, right: str, wrong: str) -> None:
    pytest.importorskip("check_jsonschema", reason="check-jsonschema has the schemas")
    assert right in FILES[name]
    assert snippets.check(name, FILES[name].replace(right, wrong)) == 1
