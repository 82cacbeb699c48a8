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


def rate(share: dict[str, int]) -> str:
    return f"{share['events']}/{share['n']} = {100 * share['events'] / share['n']:.1f} %"


def around(bounds: dict[str, float], words: Callable[[float], str]) -> str:
    return f"truly between {words(bounds['lower'])} and {words(bounds['upper'])} (95 % each)"


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
    assert rows(page, "", "base", "head", "difference") == [
        [
            "underestimated",
            rate(old["underestimation"]),
            rate(new["underestimation"]),
            f"{points(base['difference'])}, {around(base['bounds'], points)}",
        ],
        ["truncated", rate(old["truncation"]), rate(new["truncation"]), "+0.0 points"],
        ["waste P50", times(old["waste_p50"]), times(new["waste_p50"]), f"{new['waste_p50'] - old['waste_p50']:+.2f}x"],
        ["waste P90", times(old["waste_p90"]), times(new["waste_p90"]), f"{new['waste_p90'] - old['waste_p90']:+.2f}x"],
    ]
    text = page.text_content()
    assert (
        f"of the 166 calls that both can replay, {changes['newly_underestimated']} newly underestimated and"
        f" {changes['newly_safe']} newly safe (p = {base['p']:.3f}, McNemar's exact test)"
    ) in text
    assert [[row[0], row[1], row[3], row[5]] for row in rows(page, "base", "head", "output")] == [
        [f"{each['base_predicted']:,}", f"{each['head_predicted']:,}", each["change"] or "none", each["source"]]
        for each in base["changed"]
    ]

    drift = report["drift"]["drift"]
    seen = {row[0]: row[1:] for row in rows(page, "", "baseline", "new")}
    for name, key in (("underestimated", "underestimation"), ("truncated", "truncation")):
        found = drift[key]
        assert seen[name][:2] == [rate(found["base"]), rate(found["head"])]
        assert seen[name][2] == (
            f"{points(found['difference'])}, {around(found['bounds'], points)};"
            f" no drift seen (p = {found['adjusted_p']:.3f})"
        )
    ratio = drift["ratio"]
    assert seen["output / prediction, median"][:2] == [times(ratio["base_median"]), times(ratio["head_median"])]
    assert seen["output / prediction, median"][2].startswith(
        f"{times(ratio['shift'])} as much, {around(ratio['bounds'], times)}; "
    )
    assert "100 new calls against 66 in the baseline" in text
    assert (
        "History: the last session: underestimation █ (1.7 % to 1.7 %), truncation ▁ (0.0 % to 0.0 %); 1 pass" in text
    )
    assert "nothing to compare with" not in text
    checks = {row[1]: row[2] for row in rows(page, "outcome", "check")}
    assert checks["readiness::replay"] == "166 calls replayed"
    underestimation = rate(report["estimator"]["figures"]["underestimation"])
    assert checks["tier1::underestimation"].replace("\xa0", " ").startswith(underestimation)


def test_a_fork_s_comparison_is_not_green(run: Run, comment: Comment) -> None:
    run(HEAD, BASE, directory=str(PASSES))
    text = comment("--unverified").text_content()
    assert "Base against head" in text
    assert "✅" not in text


def test_a_replay_without_base_and_baseline_says_so(run: Run, comment: Comment) -> None:
    report = run(HEAD, BASELINE, directory=str(PASSES)).report
    page = comment()
    recorded, replayed = report["estimator"]["recorded"], report["estimator"]["figures"]
    assert rows(page, "", "recorded", "replayed")[0] == [
        "underestimated",
        rate(recorded["underestimation"]),
        rate(replayed["underestimation"]),
    ]
    text = page.text_content()
    assert "there is no base estimator to compare with" in text
    assert "Drift: not compared: there is no baseline yet" in text
    assert "no baseline, no base estimator: nothing to compare with" in text


def test_a_plain_report_has_nothing_to_compare_with(run: Run, comment: Comment) -> None:
    run(directory=str(PASSES))
    text = comment().text_content()
    assert "no baseline, no base estimator: nothing to compare with" in text
    assert "against" not in text
