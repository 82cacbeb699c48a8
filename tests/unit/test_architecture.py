"""The rooms of the package, and which way imports go between them. ``docs/architecture.md`` draws the same."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import pytest_token_telemetry

PACKAGE = "pytest_token_telemetry"
ROOT = Path(pytest_token_telemetry.__file__).parent

ROOMS = (
    ("text", "writing"),
    ("importing", "sample", "calibration"),
    ("option_types",),
    ("option",),
    ("settings",),
    ("samples",),
    ("sources", "replay"),
    ("analysis",),
    ("recording", "past"),
    ("gate",),
    ("report",),
    ("page",),
    ("comment", "session", "hookspecs"),
    ("plugin", "command"),
)
"""From left to right. A room imports those further left, never one beside or to the right of it."""

POSTER = {"analysis", "report", "text"}
"""All that the poster knows: it runs where no code of a pull request runs."""

Graph = Mapping[str, set[str]]


def imported(module: str, tree: ast.AST, modules: set[str]) -> Iterator[str]:
    """The modules of ours that ``tree`` imports, late and for type checking too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in modules)
        elif isinstance(node, ast.ImportFrom) and node.module is not None and node.module in modules:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in modules else node.module
        elif isinstance(node, ast.ImportFrom) and node.level:
            pytest.fail(f"{module}: a relative import is not followed here")


@cache
def parsed(text: str) -> ast.AST:
    """Once for all tests: they look at the same modules."""
    return ast.parse(text)


def graph(sources: Mapping[str, str]) -> Graph:
    """Which module imports which, by their names below the package; the package's own name is its version's home."""
    modules = {f"{PACKAGE}.{name}" if name else PACKAGE for name in sources}
    found = {}
    for name, text in sources.items():
        targets = {target.removeprefix(PACKAGE).lstrip(".") for target in imported(name, parsed(text), modules)}
        found[name] = targets - {name, ""}
    return found


def sources_of_package() -> dict[str, str]:
    """The text of each module, by its name below the package."""
    found = {}
    for path in ROOT.rglob("*.py"):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path.read_text("utf-8")
    return found


def room(module: str) -> str:
    return module.partition(".")[0]


def wrong_ways(found: Graph) -> list[str]:
    """The imports that go to the right, or beside."""
    place = {name: i for i, group in enumerate(ROOMS) for name in group}
    return [
        f"{module} imports {target}"
        for module, targets in found.items()
        for target in targets
        if module and room(module) != room(target) and place[room(module)] <= place[room(target)]
    ]


def test_every_module_is_in_a_room_of_the_list() -> None:
    listed = {name for group in ROOMS for name in group}
    assert {room(module) for module in sources_of_package()} - {""} == listed


def test_no_import_goes_from_left_to_right() -> None:
    assert wrong_ways(graph(sources_of_package())) == []


def test_no_modules_import_each_other_in_a_circle() -> None:
    try:
        TopologicalSorter(graph(sources_of_package())).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_the_poster_knows_the_report_and_nothing_else() -> None:
    found = graph(sources_of_package())
    reached = {room(target) for module, targets in found.items() if room(module) == "comment" for target in targets}
    assert reached - {"comment"} <= POSTER


def test_the_package_itself_offers_what_programs_use_and_imports_nothing_at_once() -> None:
    assert {room(target) for target in graph(sources_of_package())[""]} == {
        "calibration",
        "gate",
        "recording",
        "replay",
        "sample",
        "sources",
    }


@pytest.mark.parametrize(
    "line",
    [
        "from pytest_token_telemetry.report.model import Report",
        "import pytest_token_telemetry.gate.verdict",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from pytest_token_telemetry.report import model",
        "def late():\n    from pytest_token_telemetry.session.gate_session import GateSession",
    ],
)
def test_an_import_that_runs_the_wrong_way_is_seen(line: str) -> None:
    sources = sources_of_package()
    sources["analysis.metrics"] += f"\n{line}\n"
    assert len(wrong_ways(graph(sources))) == 1


def test_a_circle_within_a_room_is_seen() -> None:
    sources = sources_of_package()
    sources["text"] += "\nimport pytest_token_telemetry.writing\n"
    sources["writing"] += "\nfrom pytest_token_telemetry import text\n"
    with pytest.raises(CycleError):
        TopologicalSorter(graph(sources)).prepare()


def test_the_drawing_shows_every_room() -> None:
    drawing = (Path(__file__).parents[2] / "docs" / "architecture.md").read_text("utf-8")
    missing = [name for group in ROOMS for name in group if name not in drawing]
    assert missing == []
