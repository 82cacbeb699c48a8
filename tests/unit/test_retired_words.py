"""What we once said in another way: no message, help text or page says it any more, so that one thing has one word."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import pytest_token_telemetry

PACKAGE = Path(pytest_token_telemetry.__file__).parent
ROOT = Path(__file__).parents[2]
PAGES = [*sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md", ROOT / "examples" / "README.md"]

RETIRED = {
    r"(?:\d|^) %(?![\w(%])": "5%",
    r"most output for (?:its|their) prediction": "largest overruns (actual / predicted)",
    r"\btruly (?:at|between)\b": "at most, between",
    r"in the middle they are": "median change",
    r"(?:is|are|that is|that are) no prediction\b": "invalid prediction",
    r"that it cannot replay": "could not be replayed",
    r"samples? did not say": "samples without a success value",
    r"\bset apart\b": "excluded",
    r"\bendless\b": "unbounded",
    r"(?<![Tt]here )\bis no (?:call|file|JSON|list|number|path|sample|table|text)\b": "is not a call",
    r"can be meant as": "is ambiguous",
    r"\bnobody said\b": "not given",
    r"(?:calls?|runs?|answers?|attempts?|outputs?) (?:was|were|is|are|that was|that were) cut off": "truncated",
    r"more with -v": "-v shows N more lines",
}
"""How it was said, and how it is said now."""


def messages(path: Path) -> Iterator[str]:
    """The texts of a module that are no docstrings: of an f-string, those between its figures."""
    tree = ast.parse(path.read_text("utf-8"))
    bare = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in bare:
            yield node.value


def test_no_message_says_it_in_the_old_way() -> None:
    modules = sorted(PACKAGE.rglob("*.py"))
    assert len(modules) > 100
    old = re.compile("|".join(f"(?:{words})" for words in RETIRED))
    assert [(path.name, text) for path in modules for text in messages(path) if old.search(text)] == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_page_says_it_in_the_old_way(path: Path) -> None:
    text = path.read_text("utf-8")
    assert [found[0] for words in RETIRED for found in re.finditer(words, text)] == []


def test_the_old_ways_are_known() -> None:
    old = "5 % | most output for its prediction | truly at most 5% | 60 that it cannot replay | ... more with -v"
    assert sum(bool(re.search(words, old)) for words in RETIRED) == 5
