"""From pytest to the comment for real: what a change of the example's estimator does, and what changed since before."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cmarkgfm
import lxml.html
import pytest
from cmarkgfm.cmark import Options

from scripts import docs
from tests.integration.conftest import Run

ESTIMATOR = docs.ROOT / "examples" / "estimator"
PASSES = docs.ROOT / "examples" / "passes"
DRIFT = docs.ROOT / "examples" / "drift.py"

HEAD = f"--token-telemetry-estimator={ESTIMATOR}::replay:replay"
BASE = f"--token-telemetry-base-estimator={ESTIMATOR / 'main'}::replay:replay"
BASELINE = "--token-telemetry-baseline=baseline.json"
HISTORY = "--token-telemetry-history=history.jsonl"

Page = Any
Comment = Callable[..., Page]


@pytest.fixture
def comment() -> Comment:
    """The comment on the report that pytest left, as the command shows it and GitHub renders it."""

    def shown(*arguments: str) -> Page:
        program = Path(sys.executable).with_name("token-telemetry")
        environment = {name: value for name, value in os.environ.items() if not name.startswith("GITHUB_")}
        ended = subprocess.run(
            [str(program), "comment", "--report=report.json", "--dry-run", *arguments],
            env=environment,
            capture_output=True,
            text=True,
            encoding="utf-8",
        )
        assert (ended.returncode, ended.stderr) == (0, "")
        _, _, text = ended.stdout.partition("\n")
        rendered = cmarkgfm.github_flavored_markdown_to_html(text, Options.CMARK_OPT_UNSAFE)
        return lxml.html.fragment_fromstring(rendered, create_parent="div")

    return shown


def rows(page: Page, *header: str) -> list[list[str]]:
    """The rows below a table's ``header``."""
    for each in page.iter("table"):
        first, *others = [[cell.text_content() for cell in row] for row in each.iter("tr")]
        if tuple(first[: len(header)]) == header:
            return others
    raise AssertionError(header)


def figures(page: Page, title: str) -> list[list[str]]:
    """The rows of the table below the title of a section."""
    [found] = [each for each in page.iter("p") if each.text_content() == title]
    table = next(each for each in found.itersiblings() if each.tag == "table")
    _, *others = [[cell.text_content().replace("\xa0", " ") for cell in row] for row in table.iter("tr")]
    return others


def rate(share: dict[str, int]) -> str:
    return f"{share['events']}/{share['n']} = {100 * share['events'] / share['n']:.1f}%"


def around(bounds: dict[str, float], words: Callable[[float], str]) -> str:
    return f"between {words(bounds['lower'])} and {words(bounds['upper'])} (95% confidence each)"


def points(difference: float) -> str:
    return f"{100 * difference:+.1f} points"


def times(ratio: float) -> str:
    return f"{ratio:.2f}x"


def test_a_change_of_the_estimator_is_in_the_comment(run: Run, comment: Comment) -> None:
    assert run("--token-telemetry-save-baseline=baseline.json", HISTORY, directory=str(PASSES)).exit == 0
    subprocess.run([sys.executable, str(DRIFT), "runs"], check=True)
    report = run("--token-telemetry-dir=runs/longer", HEAD, BASE, BASELINE, HISTORY, directory=str(PASSES)).report
    page = comment()

    base = report["estimator"]["base"]
    assert base["calls"] == 166  # the 66 of the example and 100 later ones
    old, new, changes = base["base"], base["head"], base["underestimated"]
    assert figures(page, "Base against head") == [
        [
            name,
            rate(each["underestimation"]),
            rate(each["truncation"]),
            times(each["waste_p50"]),
            times(each["waste_p90"]),
        ]
        for name, each in (("base", old), ("head", new))
    ]
    text = page.text_content()
    assert (
        f"The underestimation rate changes by {points(base['difference'])} (p = {base['p']:.3f}, McNemar's mid-p test):"
        f" of 166 calls that both can replay, {changes['newly_underestimated']} newly underestimated and"
        f" {changes['newly_safe']} newly safe."
    ) in text
    assert f"The change is {around(base['bounds'], points)}" in text
    assert [[row[0], row[1], row[3], row[5]] for row in rows(page, "base", "head", "output")] == [
        [f"{each['base_predicted']:,}", f"{each['head_predicted']:,}", each["change"] or "none", each["source"]]
        for each in base["changed"]
    ]

    drift = report["drift"]["drift"]
    checks = {row[1]: row[2].replace("\xa0", " ") for row in rows(page, "Outcome", "Check")}
    for key in ("underestimation", "truncation"):
        found = drift[key]
        said = checks[f"drift {key}"]
        assert said.startswith(f"{rate(found['base'])} in the baseline, {rate(found['head'])} new")
        assert said.endswith(f": no drift seen (p = {found['adjusted_p']:.3f})")
    ratio = drift["ratio"]
    assert checks["drift ratio"].startswith(
        f"median output over prediction {times(ratio['base_median'])} in the baseline, {times(ratio['head_median'])}"
        f" new, {times(ratio['shift'])} as much within categories: "
    )
    assert "100 new calls against 66 in the baseline" in text
    assert "The last session: underestimation █ 1.7%, truncation ▁ 0.0%." in text
    assert "nothing to compare with" not in text
    assert "for 166 of 166 recorded calls" in text
    assert checks["tier1 underestimation"].startswith(rate(report["estimator"]["figures"]["underestimation"]))


def test_a_fork_s_comparison_is_not_green(run: Run, comment: Comment) -> None:
    run(HEAD, BASE, directory=str(PASSES))
    text = comment("--unverified").text_content()
    assert "Base against head" in text
    assert "✅" not in text


def test_a_replay_without_base_and_baseline_says_so(run: Run, comment: Comment) -> None:
    report = run(HEAD, BASELINE, directory=str(PASSES)).report
    page = comment()
    recorded, replayed = report["estimator"]["recorded"], report["estimator"]["figures"]
    assert [row[:2] for row in figures(page, "Replayed estimator")] == [
        ["recorded", rate(recorded["underestimation"])],
        ["replayed", rate(replayed["underestimation"])],
    ]
    text = page.text_content()
    assert "Base against head" not in text
    assert "Not compared: there is no baseline at " in text
    assert "no baseline, no base estimator: nothing to compare with" in text


def test_a_plain_report_has_nothing_to_compare_with(run: Run, comment: Comment) -> None:
    run(directory=str(PASSES))
    text = comment().text_content()
    assert "no baseline, no base estimator: nothing to compare with" in text
    assert "against" not in text
