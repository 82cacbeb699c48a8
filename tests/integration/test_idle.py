"""Installed and unused, the plugin costs nothing and leaves nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ("numpy", "junit_xml", "tabulate", "msgspec", "sqlalchemy", "fsspec")

LIST_MODULES = """
import sys
def pytest_unconfigure():
    with open("modules.txt", "w") as file:
        file.write("\\n".join(sys.modules))
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "test_it.py").write_text("def test_it(): pass\n")
    (tmp_path / "conftest.py").write_text(LIST_MODULES)
    return tmp_path


def run(project: Path, *arguments: str) -> tuple[str, set[str], set[str]]:
    """What a run prints, the modules it imports and the files it leaves."""
    before = {path.name for path in project.iterdir()}
    quiet = ["-p", "no:randomly", "-p", "no:hypothesispytest", "-p", "no:cacheprovider"]
    command = [sys.executable, "-B", "-m", "pytest", *quiet, *arguments]
    result = subprocess.run(command, cwd=project, capture_output=True, text=True, check=True)
    modules = (project / "modules.txt").read_text().split()
    return result.stdout, set(modules), {path.name for path in project.iterdir()} - before - {"modules.txt"}


@pytest.mark.parametrize("arguments", [["--co", "-q"], ["-q"]])
def test_an_unrelated_project_imports_nothing_heavy_and_nothing_of_the_gate(
    project: Path, arguments: list[str]
) -> None:
    _, modules, _ = run(project, *arguments)
    assert "pytest_token_telemetry.plugin" in modules
    assert not modules.intersection(HEAVY)
    own = {name for name in modules if name.startswith("pytest_token_telemetry.")}
    assert own == {
        f"pytest_token_telemetry.{name}"
        for name in (
            "plugin",
            "settings",
            "option",
            "option_types",
            "session",
            "session.command_line",
            "recording",
            "recording.tape",
            "hookspecs",
        )
    }


def test_an_unrelated_project_sees_the_same_output_as_without_the_plugin(project: Path) -> None:
    with_plugin, _, _ = run(project, "--co", "-q")
    without, _, _ = run(project, "--co", "-q", "-p", "no:token_telemetry")
    assert [line for line in with_plugin.splitlines() if " in " not in line] == [
        line for line in without.splitlines() if " in " not in line
    ]


def test_an_unrelated_project_keeps_its_files(project: Path) -> None:
    _, _, created = run(project)
    assert created == set()


def test_an_empty_ini_value_on_the_command_line_switches_the_gate_off(project: Path) -> None:
    (project / "pytest.ini").write_text("[pytest]\ntoken_telemetry_dir = runs\n")
    output, modules, _ = run(project, "-o", "token_telemetry_dir=")
    assert "1 passed" in output
    assert not modules.intersection(HEAVY)


def test_options_in_addopts_wait_for_a_run_that_names_a_directory(project: Path) -> None:
    (project / "pytest.ini").write_text("[pytest]\naddopts = --token-telemetry-max-truncation=1%\n")
    output, _, _ = run(project)
    assert "1 passed" in output
    assert "token telemetry" not in output


@pytest.mark.parametrize(
    ("head", "arguments"),
    [
        ("import sys; sys.modules['opentelemetry'] = None\n", []),  # as where it is not installed
        ("", ["--token-telemetry-spans=off"]),
    ],
    ids=["not installed", "off"],
)
def test_the_gate_without_opentelemetry_imports_nothing_for_spans(
    project: Path, head: str, arguments: list[str]
) -> None:
    (project / "conftest.py").write_text(head + LIST_MODULES)
    (project / "test_it.py").write_text(
        "def test_it(token_telemetry): token_telemetry.record(output_tokens=1, max_tokens=2)\n"
    )
    gate = ["--token-telemetry", "--token-telemetry-require-categories=none", "--token-telemetry-min-samples=1"]
    _, modules, _ = run(project, *gate, "--token-telemetry-not-ready=skip", *arguments)
    assert "pytest_token_telemetry.recording.span_watch" in modules
    assert "pytest_token_telemetry.recording.spans" not in modules
    assert not {name for name in modules if name.startswith(("opentelemetry.", "openai", "anthropic", "google.genai"))}
