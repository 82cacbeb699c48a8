"""The space form, ``--token-telemetry-dir DIR``: people type it, and pytest takes DIR for a test path."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lines import ready_lines, write

FORMS = {"=": ["--token-telemetry-dir={}"], "space": ["--token-telemetry-dir", "{}"]}


def gate(pytester: pytest.Pytester, form: str, directory: object, *more: str) -> pytest.RunResult:
    arguments = [argument.format(directory) for argument in FORMS[form]]
    return pytester.runpytest_inprocess("-p", "no:randomly", "-p", "no:cacheprovider", *arguments, *more)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("config", ["pyproject.toml", "pytest.ini", None])
def test_inside_a_project_both_forms_read_the_same_settings(
    pytester: pytest.Pytester, form: str, config: str | None
) -> None:
    write(pytester.path / ".autonomous_runs", ready_lines())
    if config == "pyproject.toml":
        pytester.makepyprojecttoml('[tool.pytest.ini_options]\ntoken_telemetry_min_samples = "100"\n')
    elif config:
        (pytester.path / config).write_text("[pytest]\ntoken_telemetry_min_samples = 100\n")
    result = gate(pytester, form, ".autonomous_runs")
    result.stdout.fnmatch_lines([f"rootdir: {pytester.path}"])
    assert result.ret == (1 if config else 0)
    result.stdout.no_fnmatch_line("*made pytest look for its settings*")
    if config:
        result.stdout.fnmatch_lines([f"configfile: {config}", "*27 of 100 successful samples*"])


@pytest.fixture
def outside(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("elsewhere"), ready_lines())


def test_outside_the_project_the_equals_form_reads_the_projects_settings(
    pytester: pytest.Pytester, outside: Path
) -> None:
    pytester.makepyprojecttoml('[tool.pytest.ini_options]\ntoken_telemetry_min_samples = "100"\n')
    result = gate(pytester, "=", outside)
    result.stdout.fnmatch_lines(["*27 of 100 successful samples*"])
    result.stdout.no_fnmatch_line("*made pytest look for its settings*")


def test_outside_the_project_the_space_form_warns_what_happened(pytester: pytest.Pytester, outside: Path) -> None:
    pytester.makepyprojecttoml('[tool.pytest.ini_options]\ntoken_telemetry_min_samples = "100"\n')
    result = gate(pytester, "space", outside)
    result.stdout.fnmatch_lines(
        [f"*'--token-telemetry-dir {outside}' made pytest look for its settings in*{pytester.path}/pyproject.toml*"]
    )


def test_the_space_form_warns_without_any_settings_file_too(pytester: pytest.Pytester, outside: Path) -> None:
    result = gate(pytester, "space", outside)
    result.stdout.fnmatch_lines([f"*(write --token-telemetry-dir={outside})*"])


@pytest.mark.parametrize("form", FORMS)
def test_the_gate_alone_warns_too(pytester: pytest.Pytester, outside: Path, form: str) -> None:
    pytester.makeini("[pytest]\ntoken_telemetry_min_samples = 100\n")
    result = gate(pytester, form, outside, "token-telemetry")
    warned = "made pytest look for its settings" in result.stdout.str()
    assert warned is (form == "space")


def test_where_warnings_are_errors_it_is_a_usage_error(pytester: pytest.Pytester, outside: Path) -> None:
    pytester.makepyprojecttoml("[tool.pytest.ini_options]\n")
    result = gate(pytester, "space", outside, "-W", "error")
    assert result.ret == 4
    result.stderr.fnmatch_lines(["ERROR: '--token-telemetry-dir *made pytest look for its settings*"])


def test_named_settings_files_are_no_accident(pytester: pytest.Pytester, outside: Path) -> None:
    pytester.makeini("[pytest]\n")
    result = gate(pytester, "space", outside, "-c", "tox.ini")
    result.stdout.no_fnmatch_line("*made pytest look for its settings*")


def test_with_a_test_path_pytest_finds_the_projects_settings_itself(pytester: pytest.Pytester, outside: Path) -> None:
    pytester.makepyprojecttoml('[tool.pytest.ini_options]\ntoken_telemetry_min_samples = "100"\n')
    pytester.makepyfile("def test_it(): pass")
    result = gate(pytester, "space", outside, str(pytester.path))
    result.stdout.no_fnmatch_line("*made pytest look for its settings*")
    result.stdout.fnmatch_lines(["*27 of 100 successful samples*"])
