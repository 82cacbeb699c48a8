"""What an attacked session leaves is judged as what it is."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are looked up in /proc")


@pytest.fixture(scope="module")
def benchmarks() -> Iterator[SimpleNamespace]:
    """The modules, imported as the scripts of that directory import each other."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).parents[3] / "benchmarks"))
        import attacked
        import scenarios
        import untruths

        yield SimpleNamespace(Stage=attacked.Stage, tune=scenarios.Scenario("tune"), Excuse=untruths.Excuse)


@pytest.fixture(scope="module")
def stage(benchmarks: SimpleNamespace, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    stage = benchmarks.Stage(tmp_path_factory.mktemp("stage"))
    stage.learn(benchmarks.tune)
    yield stage
    stage.close()


@pytest.mark.parametrize("log", ["run-1/a.log", "run-2/c.log.gz", "e.jsonl"])
def test_without_one_log_the_rest_passes(benchmarks: SimpleNamespace, stage: Any, log: str) -> None:
    scenario = benchmarks.tune
    stage.set(scenario)
    (stage.directory / "data" / "logs" / log).unlink()
    found = stage.play(scenario.arguments)
    assert found.status == 0  # 6 of 126 are 4.8%
    wrong = stage.judge(found, scenario).wrong
    assert "exit 0" in wrong
    assert any(each.startswith("PASS in") and "out/report.json" in each for each in wrong)


def test_what_nothing_disturbs_is_true(benchmarks: SimpleNamespace, stage: Any) -> None:
    scenario = benchmarks.tune
    judgement = stage.judge(stage.learn(scenario), scenario)
    assert (judgement.wrong, judgement.untidy) == ([], [])


def test_each_untruth_is_told(benchmarks: SimpleNamespace, stage: Any) -> None:
    scenario = benchmarks.tune
    found = stage.learn(scenario)
    record = "appended/calls.jsonl"

    def wrong(**changes: Any) -> list[str]:
        return list(stage.judge(replace(found, **changes), scenario).wrong)

    def with_file(name: str, content: bytes) -> dict[str, bytes]:
        return {**found.files, name: content}

    assert wrong(status=0) == ["exit 0"]
    assert wrong(old=frozenset({"out/summary.md"})) == ["old: out/summary.md"]
    assert wrong(files=with_file("out/report.json", json.dumps({"verdict": "pass"}).encode())) == [
        "PASS in out/report.json"
    ]
    assert wrong(files=with_file("out/junit.xml", found.files["out/junit.xml"][:-9])) == ["broken: out/junit.xml"]
    assert wrong(files=with_file("out/.a.tmp", b"")) == ["litter: out/.a.tmp"]
    assert wrong(files=with_file(record, found.files[record][:-9])) == [f"the last line of {record} is torn"]
    assert wrong(files=with_file(record, b"")) == [f"lost what stood in {record}"]
    assert wrong(left_running=("python",)) == ["still running: python"]


def test_an_excuse_is_none_for_exit_code_0(benchmarks: SimpleNamespace, stage: Any) -> None:
    scenario = benchmarks.tune
    found = replace(stage.learn(scenario), old=frozenset({"out/summary.md"}))
    excuse = benchmarks.Excuse(stuck=lambda _: True)
    assert stage.judge(found, scenario, excuse).wrong == []
    assert stage.judge(replace(found, status=0), scenario, excuse).wrong == ["old: out/summary.md", "exit 0"]


def test_what_was_deselected_is_an_excuse_where_it_is_told(benchmarks: SimpleNamespace, stage: Any) -> None:
    scenario = benchmarks.tune
    silent = replace(stage.learn(scenario), status=0)
    told = replace(
        silent, output="INCONCLUSIVE: No verdict: what was checked passes, but 8 of 11 checks were deselected."
    )
    excuse = benchmarks.Excuse(deselected=True)
    assert [stage.judge(found, scenario, excuse).wrong for found in (silent, told)] == [["exit 0"], []]
    assert stage.judge(told, scenario).wrong == ["exit 0"]


def test_a_report_without_a_verdict_tells_no_other_figures(benchmarks: SimpleNamespace, stage: Any) -> None:
    scenario = replace(benchmarks.tune, truth="pass")
    told = json.dumps({"verdict": None}).encode()
    found = stage.learn(scenario)
    silent = replace(found, status=4, files={**found.files, "out/report.json": told})
    assert stage.judge(silent, scenario).wrong == []
