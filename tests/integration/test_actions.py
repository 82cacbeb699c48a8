"""The composite actions, run as GitHub's runner runs them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
import yaml

from tests.action_runner import ROOT, Ran, Runner
from tests.integration.github_server import GitHubServer
from tests.lines import cut_off, ready_lines, stamp, v2, write

ACTIONS = (".", "comment")
UPLOAD = "actions/upload-artifact@043fb46d1a93c77aae656e7c1c64a875d1fc6a0a"


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    """A job that has checked out a repository without a test."""
    for name in ("repository", "temporary"):
        (tmp_path / name).mkdir()
    made = Runner(tmp_path / "repository", tmp_path / "temporary")
    made.variables["PYTEST_ADDOPTS"] = "-p no:randomly -p no:hypothesispytest -p no:cacheprovider"
    return made


def gate(runner: Runner, **inputs: str) -> Ran:
    """Run the gate with this Python, which has the plugin already."""
    given = {name.replace("_", "-"): value for name, value in inputs.items()}
    return runner.run(".", given, skip={"install": {"python": sys.executable}})


def passing(runner: Runner, directory: str = "runs") -> None:
    write(runner.workspace / directory, ready_lines(60))


def tuning(runner: Runner) -> None:
    cut = [cut_off(time=stamp(1000 + i), category="docs") for i in range(6)]
    write(runner.workspace / "runs", ready_lines(54) + cut)


class TestGate:
    def test_a_pass_ends_in_0_with_outputs_a_summary_and_an_artifact(self, runner: Runner) -> None:
        passing(runner)
        ran = gate(runner, directories="runs")
        assert ran.exit == 0, ran.printed
        assert ran.commands == []
        assert ran.summary.startswith("## ✅ Token telemetry: PASS, no tuning needed")
        assert ran.outputs["verdict"] == "pass"
        report = json.loads(Path(ran.outputs["report"]).read_text())
        assert ran.outputs["headline"] == report["headline"]
        ((used, given),) = ran.used
        assert used == UPLOAD
        assert given["name"] == "token-telemetry-report-gate-0"
        assert sorted(path.name for path in Path(given["path"]).iterdir()) == ["junit.xml", "report.json", "summary.md"]

    def test_a_failure_ends_in_1_and_keeps_its_reports(self, runner: Runner) -> None:
        tuning(runner)
        ran = gate(runner, directories="runs")
        assert ran.exit == 1
        assert ran.outputs["verdict"] == "tune"
        assert [each.name for each in ran.commands][:2] == ["error", "error"]
        assert ran.commands[0].properties["file"] == "runs/run-1/agent.log"
        assert {path.name for path in Path(ran.used[0][1]["path"]).iterdir()} >= {"report.json"}

    def test_directories_and_options_are_one_a_line(self, runner: Runner) -> None:
        for directory in ("runs", "more runs", "$(touch x)"):
            passing(runner, directory)
        ran = gate(
            runner,
            directories="runs\n\r\n  more runs  \r\n$(touch x)\n",
            options="--token-telemetry-alias=manual work=docs\n--token-telemetry-min-samples=60\r\n",
        )
        assert ran.outputs["verdict"] == "pass", ran.printed
        settings = json.loads(Path(ran.outputs["report"]).read_text())["settings"]
        assert settings["dir"] == ["runs", "more runs", "$(touch x)"]
        assert "manual work=docs" in settings["alias"]
        assert not (runner.workspace / "x").exists()

    @pytest.mark.parametrize("name", ["github", "json=x.json", "markdown=x.md", "junit", "html=x.html"])
    def test_an_option_that_the_action_sets_is_refused(self, runner: Runner, name: str) -> None:
        passing(runner)
        for option in (f"--token-telemetry-{name}", f"-o\ntoken_telemetry_{name.partition('=')[0]}=false"):
            ran = gate(runner, directories="runs", options=f"-q\n{option}\n", html="true")
            assert (ran.exit, ran.outputs["verdict"], ran.used) == (4, "none", [])
            [told] = ran.commands
            assert f"the action sets --token-telemetry-{name.partition('=')[0]} itself" in told.data

    @pytest.mark.parametrize(
        ("server", "uploads"),
        [("https://github.com", 1), ("https://octo.ghe.com", 1), ("https://ghe.example", 0), ("https://xghe.com", 0)],
    )
    def test_on_an_own_server_a_step_of_the_workflow_keeps_the_reports(
        self, runner: Runner, server: str, uploads: int
    ) -> None:
        runner.github["server_url"] = server
        ran = runner.run(".", {}, skip={"install": {}, "judge": {"reports": "/reports"}})
        assert len(ran.used) == uploads
        assert ran.outputs["reports"] == "/reports"

    def test_options_may_name_tests_that_record(self, runner: Runner) -> None:
        (runner.workspace / "test_it.py").write_text(
            "def test_it(token_telemetry):\n"
            "    token_telemetry.record(predicted_output_tokens=1, output_tokens=1, success=True)\n"
        )
        ran = gate(runner, options="--token-telemetry\ntest_it.py")
        assert ran.outputs["verdict"] == "not-ready"
        assert json.loads(Path(ran.outputs["report"]).read_text())["counts"]["samples"] == 1

    def test_it_runs_where_it_is_told_to(self, runner: Runner) -> None:
        tuning(runner)
        (runner.workspace / "runs").rename(runner.workspace / "runs-of-agent")
        (runner.workspace / "agent").mkdir()
        (runner.workspace / "runs-of-agent").rename(runner.workspace / "agent" / "runs")
        ran = gate(runner, directories="runs", working_directory="agent")
        assert ran.outputs["verdict"] == "tune"
        assert ran.commands[0].properties["file"] == "agent/runs/run-1/agent.log"

    def test_a_page_is_kept_beside_the_report_though_the_gate_fails(self, runner: Runner) -> None:
        pytest.importorskip("vl_convert", reason="vl-convert-python is not installed (the extra [html])")
        tuning(runner)
        ran = gate(runner, directories="runs", html="true")
        assert ran.exit == 1, ran.printed
        page = Path(ran.used[0][1]["path"]) / "page.html"
        assert 'data-verdict="tune"' in page.read_text(encoding="utf-8")

    def test_an_empty_name_keeps_no_artifact(self, runner: Runner) -> None:
        passing(runner)
        assert gate(runner, directories="runs", artifact="").used == []

    @pytest.mark.parametrize(
        ("inputs", "code"),
        [
            ({}, 4),
            ({"directories": "missing"}, 4),
            ({"directories": "runs", "options": "--token-telemetry-max-truncation=2 percent"}, 4),
            ({"directories": "runs", "options": "--collect-only"}, 1),
            ({"directories": "runs", "options": "--help"}, 1),
            ({"directories": "runs", "options": "-p\nno:token_telemetry"}, 4),
        ],
        ids=["nothing", "missing", "malformed", "collect-only", "help", "no plugin"],
    )
    def test_without_a_verdict_it_never_ends_in_0(self, runner: Runner, inputs: dict[str, str], code: int) -> None:
        passing(runner)
        ran = gate(runner, **inputs)
        assert ran.exit == code, ran.printed
        assert ran.outputs["verdict"] == "none"
        told = [each.data for each in ran.commands]
        assert any(each.startswith(("not judged: ", "There is no verdict: pytest ended with ")) for each in told)

    @pytest.mark.parametrize(("hook", "verdict"), [("sessionstart", "none"), ("unconfigure", "tune")])
    def test_a_process_that_ends_at_once_never_ends_in_0(self, runner: Runner, hook: str, verdict: str) -> None:
        tuning(runner)
        (runner.workspace / "conftest.py").write_text(f"import os\ndef pytest_{hook}(): os._exit(0)\n")
        ran = gate(runner, directories="runs")
        assert (ran.exit, ran.outputs["verdict"], ran.commands[-1].name) == (1, verdict, "error")

    @pytest.mark.skipif(
        "TOKEN_TELEMETRY_INSTALL" not in os.environ, reason="TOKEN_TELEMETRY_INSTALL does not allow to install packages"
    )
    @pytest.mark.parametrize(
        ("own", "html"), [(True, "true"), (False, "false")], ids=["virtual environment, page", "no virtual environment"]
    )
    def test_it_installs_itself_beside_the_packages_of_the_python(self, runner: Runner, own: bool, html: str) -> None:
        write(runner.workspace / "runs", [v2(time=stamp(i)) for i in range(5)])
        base = Path(getattr(sys, "_base_executable", sys.executable))
        python = str(base)
        if own:
            subprocess.run([base, "-m", "venv", "--without-pip", runner.workspace / ".venv"], check=True)
            python = ".venv/bin/python"
        ran = runner.run(".", {"directories": "runs", "python": python, "html": html})
        assert ran.exit == 1, ran.printed
        assert ran.outputs["verdict"] == "not-ready"
        assert (runner.temporary / "token-telemetry").exists() is not own


class TestComment:
    @pytest.fixture
    def server(self) -> GitHubServer:
        started = GitHubServer()
        yield started
        started.close()

    @pytest.fixture
    def comment(self, runner: Runner, server: GitHubServer) -> object:
        """Comment the verdict of the gate on pull request 7."""
        passing(runner)
        report = gate(runner, directories="runs").outputs["report"]
        event = runner.temporary / "event.json"
        event.write_text(json.dumps({"pull_request": {"number": 7, "head": {"repo": {"full_name": "octo/app"}}}}))
        environment = server.environment()
        token = environment.pop("GITHUB_TOKEN")
        runner.variables |= {
            **environment,
            "GITHUB_EVENT_NAME": "pull_request",
            "GITHUB_EVENT_PATH": str(event),
        }

        def run(**inputs: str) -> Ran:
            given = {name.replace("_", "-"): value for name, value in inputs.items()}
            program = Path(sys.executable).with_name("token-telemetry")
            skip = {"install": {"program": str(program)}}
            return runner.run("comment", {"report": report, "token": token, **given}, skip=skip)

        return run

    def test_a_comment_is_posted_and_named(self, comment, server: GitHubServer) -> None:
        ran = comment()
        assert ran.exit == 0, ran.printed
        [posted] = server.comments
        assert "PASS" in posted["body"]
        assert ran.outputs == {"comment-action": "created", "comment-url": ran.outputs["comment-url"]}
        assert ran.outputs["comment-url"].endswith("/pull/7#issuecomment-" + str(posted["id"]))
        assert comment(job_result="failure").outputs["comment-action"] == "updated"
        assert "PASS, no tuning needed (unverified, job failed)" in server.comments[0]["body"]

    def test_every_input_is_an_option(self, comment, server: GitHubServer) -> None:
        more = {"job_result": "failure", "dry_run": "true"}
        ran = comment(expect="2", name="nightly", pull_request="9", unverified="true", author="me", **more)
        assert ran.exit == 0, ran.printed
        assert server.comments == []
        assert "on pull request #9" in ran.printed
        assert "only 1 of 2 reports are there" in ran.printed
        assert ":v1:nightly -->" in ran.printed
        assert "not verified" in ran.printed

    def test_reports_are_one_a_line(self, comment, server: GitHubServer, runner: Runner) -> None:
        more = runner.workspace / "more reports"
        more.mkdir()
        report = next(runner.temporary.glob("token-telemetry-reports.*/report.json"))
        shutil.copy(report, more / "report-2.json")
        ran = comment(report=f"{report}\r\n{more}\r\n")
        assert ran.exit == 0, ran.printed
        assert "### 2. " in server.comments[0]["body"]

    @pytest.mark.parametrize("workflow", ["token-gate", "token-gate-comment"])
    def test_a_matrix_becomes_one_comment(self, comment, server: GitHubServer, runner: Runner, workflow: str) -> None:
        jobs = yaml.safe_load((ROOT / f".github/workflows/{workflow}.yml").read_text(encoding="utf-8"))["jobs"]
        download, post = jobs["comment"]["steps"]
        untrusted = runner.temporary / "untrusted"
        reports = next(runner.temporary.glob("token-telemetry-reports.*"))
        for runner.job_index in range(3):
            [(_, upload)] = runner.run(".", {}, skip={"install": {}, "judge": {"reports": str(reports)}}).used
            assert not (untrusted / upload["name"]).exists(), "an artifact has the name of another one"
            if fnmatchcase(upload["name"], download["with"]["pattern"]):
                shutil.copytree(upload["path"], untrusted / upload["name"])
        report = post["with"]["report"].replace("${{ runner.temp }}", str(runner.temporary))
        assert download["with"]["path"].replace("${{ runner.temp }}", str(runner.temporary)) == report
        ran = comment(report=report, expect="3")
        assert ran.exit == 0, ran.printed
        assert "### 3. " in server.comments[0]["body"]
        assert "token-telemetry-report-gate-2" in server.comments[0]["body"]

    def test_the_token_is_in_no_output(self, comment, server: GitHubServer) -> None:
        assert server.environment()["GITHUB_TOKEN"] not in comment().printed

    @pytest.mark.skipif(
        "TOKEN_TELEMETRY_INSTALL" not in os.environ, reason="TOKEN_TELEMETRY_INSTALL does not allow to install packages"
    )
    def test_it_installs_itself_with_what_it_needs(self, comment, server: GitHubServer, runner: Runner) -> None:
        report = next(runner.temporary.glob("token-telemetry-reports.*/report.json"))
        python = getattr(sys, "_base_executable", sys.executable)
        token = server.environment()["GITHUB_TOKEN"]
        ran = runner.run("comment", {"report": str(report), "token": token, "python": python})
        assert ran.exit == 0, ran.printed
        assert ran.outputs["comment-action"] == "created"


@pytest.mark.parametrize("action", ACTIONS)
def test_the_shell_of_every_step_passes_shellcheck(action: str, tmp_path: Path) -> None:
    program = shutil.which("shellcheck", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if program is None:
        pytest.skip("shellcheck is not installed (the extra 'lint' has it)")
    steps = yaml.safe_load((ROOT / action / "action.yml").read_text(encoding="utf-8"))["runs"]["steps"]
    shells = [step for step in steps if "run" in step]
    assert len(shells) == 2
    for step in shells:
        variables = "".join(f"export {name}=\n" for name in step["env"])
        script = tmp_path / "step.sh"
        script.write_text(f"{variables}set -eo pipefail\n{step['run']}")
        result = subprocess.run(
            [program, "--shell=bash", script],
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.returncode == 0, result.stdout


@pytest.mark.parametrize("action", ACTIONS)
def test_an_action_runs_no_code_of_others_that_is_not_pinned(action: str) -> None:
    steps = yaml.safe_load((ROOT / action / "action.yml").read_text(encoding="utf-8"))["runs"]["steps"]
    for step in steps:
        assert "run" in step or step["uses"] == UPLOAD
