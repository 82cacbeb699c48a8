"""What is published: the package's description, and the workflow that builds, tries and publishes it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import metadata
from pathlib import Path

import pytest
import yaml

from pytest_token_telemetry import __version__

ROOT = Path(__file__).parents[2]
WORKFLOW = yaml.safe_load((ROOT / ".github/workflows/release.yml").read_text(encoding="utf-8"))
WHEEL = f"pytest_token_telemetry-{__version__}-py3-none-any.whl"


def step(name: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the shell of a step of the job that builds."""
    [script] = [each["run"] for each in WORKFLOW["jobs"]["build"]["steps"] if each.get("name", "").startswith(name)]
    environment = {**os.environ, "RUNNER_TEMP": str(folder / "temporary"), **variables}
    command = ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", script]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("tag", "section", "error"),
    [
        (f"v{__version__}", __version__, ""),
        ("v9.9.9", "9.9.9", "The tag is v9.9.9"),
        (__version__, __version__, ""),
        (f"v{__version__}", "Unreleased", "CHANGELOG.md has no section"),
        (f"v{__version__}", f"{__version__}9", "CHANGELOG.md has no section"),
    ],
)
def test_a_tag_must_name_the_version_that_was_built(tmp_path: Path, tag: str, section: str, error: str) -> None:
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist" / WHEEL).touch()
    (tmp_path / "CHANGELOG.md").write_text(f"# Changelog\n\n## {section} (2026-12-01)\n")
    result = step("Check the tag", tmp_path, TAG=tag)
    assert (result.returncode, error in result.stdout) == (1 if error else 0, True), result.stdout


@pytest.mark.skipif(
    "TOKEN_TELEMETRY_INSTALL" not in os.environ, reason="TOKEN_TELEMETRY_INSTALL does not allow to install packages"
)
def test_the_wheel_is_tried_by_the_readme(tmp_path: Path) -> None:
    source = tmp_path / "source"
    shutil.copytree(ROOT, source, ignore=shutil.ignore_patterns(".git", ".*_cache", "__pycache__"))
    build = ["wheel", "--quiet", "--no-deps", "--wheel-dir", str(source / "dist"), str(source)]
    subprocess.run([sys.executable, "-m", "pip", *build], check=True)
    for name in ("temporary", "programs"):
        (source / name).mkdir()
    (source / "programs" / "python").symlink_to(getattr(sys, "_base_executable", sys.executable))
    shutil.rmtree(source / "pytest_token_telemetry")  # so that nothing but the wheel can be what is tried
    path = f"{source / 'programs'}{os.pathsep}{os.environ['PATH']}"
    result = step("Try the wheel", source, PATH=path, PYTEST_ADDOPTS="", PIP_NO_COMPILE="1")
    assert result.returncode == 0, result.stdout + result.stderr
    assert "PASS: No tuning needed" in result.stdout


def test_publishing_needs_no_secret_and_attests() -> None:
    publish = WORKFLOW["jobs"]["publish"]
    assert publish["permissions"] == {"id-token": "write"}
    assert publish["needs"] == "build"
    assert publish["steps"][-1]["with"] == {"attestations": True}
    assert "secrets" not in (ROOT / ".github/workflows/release.yml").read_text(encoding="utf-8")


def test_the_package_says_where_its_pages_are() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert {"Documentation", "Source", "Issues", "Changelog"} == set(project["urls"])
    for url in project["urls"].values():
        assert url.startswith("https://github.com/OWNER/pytest-token-telemetry")
        path = re.sub(r"^.*?/pytest-token-telemetry/?(blob/main/|tree/main/|issues)?", "", url)
        assert (ROOT / path).exists()
    assert len(metadata("pytest-token-telemetry").get_all("Project-URL") or ()) == 4


def test_an_index_shows_the_readme_with_whole_addresses() -> None:
    shown = metadata("pytest-token-telemetry").get_payload()
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    place = "https://github.com/OWNER/pytest-token-telemetry"
    targets = [target for target in re.findall(r"\]\(([^)#]+)", readme) if not target.startswith("https:")]
    assert len(targets) > 30
    for target in targets:
        assert f"]({place}/{'raw' if target.endswith('.png') else 'blob'}/main/{target}" in shown
    assert set(re.findall(r"\]\((?!https:|#)", shown)) == set()


PAGES = ["README.md", *(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES)
def test_no_command_needs_a_release_before_there_is_one(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    before = text.partition("## After the first release")[0]
    commands = re.findall(r"pip3? install ([^\n`&|]+)", before)
    assert [each for each in commands if "pytest-token-telemetry" in each and "git+https://" not in each] == []


def test_the_page_on_installing_has_every_way() -> None:
    text = (ROOT / "docs" / "installing.md").read_text(encoding="utf-8")
    for way in (
        "python -m pip install .\n",
        "@ git+https://github.com/OWNER/",
        f"'pytest-token-telemetry=={__version__}'",
    ):
        assert way in text
    assert "(docs/installing.md)" in (ROOT / "README.md").read_text(encoding="utf-8")
