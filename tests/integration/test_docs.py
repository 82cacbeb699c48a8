"""What the documentation shows is what the plugin does."""

from __future__ import annotations

import itertools
import json
import re
import runpy
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
import yaml

from pytest_token_telemetry import __version__
from pytest_token_telemetry.option import flag, ini_key
from pytest_token_telemetry.settings import options
from pytest_token_telemetry.sources.recognition import SOURCES
from scripts import docs, page_pictures, screenshots, snippets
from tests.lines import write


@pytest.mark.parametrize("name", docs.PAGES)
def test_the_generated_parts_of_a_page_are_true(name: str) -> None:
    page = (docs.ROOT / name).read_text(encoding="utf-8")
    assert "<!-- generated: " in page
    assert docs.generated(page) == page


@pytest.mark.parametrize("name", docs.SCHEMAS)
def test_a_schema_is_as_the_code_has_it(name: str) -> None:
    assert (docs.ROOT / name).read_text(encoding="utf-8") == docs.SCHEMAS[name]()


def test_a_report_is_valid_against_its_schema(tmp_path: Path) -> None:
    schema = json.loads((docs.ROOT / "docs" / "report.schema.json").read_text(encoding="utf-8"))
    command = [*docs.CHANGE.split()[1:], f"--token-telemetry-json={tmp_path / 'report.json'}"]
    subprocess.run([sys.executable, *command], cwd=docs.ROOT, capture_output=True, check=False)
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(schema).validate(report)
    report["counts"]["samples"] = -1
    assert not jsonschema.Draft202012Validator(schema).is_valid(report)


def keys_of(value: object) -> set[str]:
    """The keys of objects in ``value``, without the spellings of aliases."""
    if isinstance(value, list):
        return set().union(*map(keys_of, value))
    if not isinstance(value, dict):
        return set()
    return set(value).union(*(keys_of(each) for key, each in value.items() if key != "aliases"))


def test_every_key_of_the_tuning_file_is_shown_and_explained(tmp_path: Path) -> None:
    command = ["-m", "pytest", "token-telemetry", "--token-telemetry-dir=examples/passes"]
    command += [f"--token-telemetry-tuning={tmp_path / 'tuning.json'}", "-p", "no:cacheprovider"]
    subprocess.run([sys.executable, *command], cwd=docs.ROOT, capture_output=True, check=False)
    written = keys_of(json.loads((tmp_path / "tuning.json").read_text(encoding="utf-8")))
    assert {"cap_use", "caps", "forward", "spread_floor"} < written
    page = (docs.ROOT / "docs" / "tuning.md").read_text(encoding="utf-8").partition("## The JSON\n")[2]
    [shown] = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    assert keys_of(json.loads(shown)) == written
    assert {key for key in written if f"`{key}`" not in page} == set()


def test_the_command_for_doubled_caps_shows_the_caps_of_one_category(pytester: pytest.Pytester) -> None:
    page = (docs.ROOT / "docs" / "tuning.md").read_text(encoding="utf-8")
    step = page.partition("**Judge that directory.**")[2].partition("**Set that cap**")[0]
    [command] = re.findall(r"^ *pytest (token-telemetry .*)$", step, re.MULTILINE)
    mix = itertools.islice(itertools.cycle(itertools.product(("low", "medium", "high"), (1, 3, 8))), 120)
    known = {"schema": "token-telemetry/1", "category": "docs", "success": True, "finish_reason": "stop"}
    tokens = {"predicted_output_tokens": 1000, "output_tokens": 900, "max_tokens": 2000}
    calls = ({**known, **tokens, "complexity": level, "deliverable_count": count} for level, count in mix)
    write(pytester.path / ".doubled_runs", [json.dumps(each) for each in calls], "calls.jsonl")
    told = pytester.runpytest_subprocess(*shlex.split(command)).stdout.str()
    assert "PASS: No tuning needed" in told
    assert "Caps (max_tokens) by risk of truncation: docs: " in told


@pytest.mark.parametrize("name", [name for name, _ in options()])
def test_every_setting_is_documented(name: str) -> None:
    table = (docs.ROOT / "docs" / "options.md").read_text(encoding="utf-8")
    assert any(f"`{flag(name)}{end}" in table for end in ("=", "[=", "`"))
    assert f"`{ini_key(name)}`" in table


@pytest.mark.parametrize(
    "page", ["README.md", "examples/README.md", *(f"docs/{path.name}" for path in (docs.ROOT / "docs").glob("*.md"))]
)
def test_a_page_names_only_settings_and_files_that_exist(page: str) -> None:
    text = (docs.ROOT / page).read_text(encoding="utf-8")
    known = {flag(name) for name, _ in options()} | {ini_key(name) for name, _ in options()}
    named = set(re.findall(r"--token-telemetry-[a-z0-9-]+|\btoken_telemetry_[a-z0-9_]+", text))
    assert named <= known
    for target, anchor in re.findall(r"\]\(((?!http)[^)#]*)(?:#([^)]+))?\)", text):
        linked = (docs.ROOT / page).parent / target if target else docs.ROOT / page
        assert linked.exists(), target
        assert not anchor or anchor in anchors(linked.read_text(encoding="utf-8")), f"{target}#{anchor}"


def anchors(page: str) -> set[str]:
    """What GitHub makes of the headings of a page, to link to."""
    headings = re.findall(r"^#+ (.+)", page, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


def test_every_format_is_named() -> None:
    page = (docs.ROOT / "docs" / "definitions.md").read_text(encoding="utf-8")
    named = re.search(r"reads every file as one format: (.*?), or the name of a map", page, re.DOTALL)
    assert named is not None
    assert {*re.findall(r"`([a-z-]+)`", named[1])} == {source.name for source in SOURCES}


def test_the_readme_has_the_two_commands_that_are_run() -> None:
    readme = (docs.ROOT / "README.md").read_text(encoding="utf-8")
    assert len(re.findall(r"^python -m pip install", readme, re.MULTILINE)) == 2


EXAMPLES = re.findall(
    r"^\| \[([\w-]+)\]\(\1\) \| .* \| ([A-Z ]+) \| `(.+)` \|$",
    (docs.ROOT / "examples" / "README.md").read_text(encoding="utf-8"),
    re.MULTILINE,
)
"""What the table of examples says: the folder, the verdict, the command."""

ON_A_PAGE = {
    "own-system": "own-system",
    "otlp": "otlp",
    "litellm": "litellm",
    "database": "databases",
    "field-map": "field-map",
}
"""The page that shows the command of an example. Those of the other examples are run for what is generated."""


def test_every_example_is_in_the_table() -> None:
    folders = {path.name for path in (docs.ROOT / "examples").iterdir() if path.is_dir()} - {"__pycache__"}
    assert {folder for folder, _, _ in EXAMPLES} == folders


@pytest.mark.parametrize(
    ("folder", "verdict", "commands"), [pytest.param(*row, id=row[0]) for row in EXAMPLES if row[0] in ON_A_PAGE]
)
def test_an_example_ends_as_the_table_says(folder: str, verdict: str, commands: str, pytester: pytest.Pytester) -> None:
    page = (docs.ROOT / "docs" / f"{ON_A_PAGE[folder]}.md").read_text(encoding="utf-8")
    steps = commands.split(" && ")
    assert f"says {verdict}" in page
    assert "\n".join(("```bash", *steps, "```")) in page
    unwritten = shutil.ignore_patterns("runs", "*.db")
    shutil.copytree(docs.ROOT / "examples" / folder, pytester.path / "examples" / folder, ignore=unwritten)
    *scripts, gate = (step.split()[1:] for step in steps)
    for script in scripts:
        runpy.run_path(*script, run_name="__main__")
    assert gate[:2] == ["-m", "pytest"]
    pytester.runpytest_inprocess(*gate[2:]).stdout.fnmatch_lines([f"{verdict}: *"])


@pytest.mark.parametrize("own_server", [False, True])
def test_one_sed_fills_the_placeholders_of_the_workflows(tmp_path: Path, own_server: bool) -> None:
    for path in snippets.write_workflows(tmp_path, own_server=own_server):
        text = path.read_text(encoding="utf-8")
        workflow = yaml.safe_load(text)
        steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
        used = [step["uses"] for step in steps if "uses" in step]
        assert all(re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", each) for each in used), used
        assert any(each.startswith("octo/pytest-token-telemetry") for each in used)
        assert not re.search("OWNER|COMMIT", text.replace(docs.PLACEHOLDERS, "").split("name:", 1)[1])
        newest = {each for each in used if "-artifact@" in each and not re.search("@(c6a366c|a9bc5e6)", each)}
        assert (newest == set()) is own_server  # no artifact action from version 4 on works on an own server
        assert ("$/" in text, "runner 2.336" in text) == (False, False)


def test_the_workflows_of_this_repository_say_what_their_own_reference_needs() -> None:
    lines = [line for path in (docs.ROOT / ".github").rglob("*.yml") for line in path.read_text().splitlines()]
    references = [line for line in lines if "uses: $/" in line]
    assert references
    assert all("runner 2.336" in line and "not on GitHub Enterprise Server" in line for line in references)


def test_the_version_has_one_source() -> None:
    from importlib.metadata import version

    assert version("pytest-token-telemetry") == __version__


@pytest.mark.parametrize("case", screenshots.CASES, ids=[case.name for case in screenshots.CASES])
def test_a_picture_of_every_comment_is_shown_at_both_widths_in_both_themes(case: screenshots.Case) -> None:
    page = (docs.ROOT / "docs" / "pull-requests.md").read_text(encoding="utf-8")
    for width in screenshots.SCALES:
        light, dark = (case.image(width, theme).name for theme in screenshots.THEMES)
        [words] = re.findall(rf'srcset="images/{dark}"><img src="images/{light}" alt="([^"]+)">', page)
        assert len(words.split()) > (10 if width == screenshots.WIDTH else 5)


def test_the_pictures_are_small_and_no_others_are_kept() -> None:
    comments = itertools.product(screenshots.CASES, screenshots.SCALES, screenshots.THEMES)
    pictures = {*(case.image(width, theme) for case, width, theme in comments), *page_pictures.paths()}
    assert set(screenshots.IMAGES.iterdir()) == pictures
    for picture in pictures:
        content = picture.read_bytes()
        assert content.startswith(b"<svg" if picture.suffix == ".svg" else b"\x89PNG\r\n\x1a\n")
        assert len(content) < 120_000
