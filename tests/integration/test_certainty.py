"""Verdicts that need a proof, samples that depend on each other, plans and advice, as a user meets them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from lxml import etree

from tests.integration.conftest import Run
from tests.lines import cut_off, ready_lines, stamp, v2, write

PROOF = "--token-telemetry-confidence=0.95"


def logs(pytester: pytest.Pytester, samples: int, events: int) -> None:
    """``samples`` judged calls, of which ``events`` were underestimated and none was truncated."""
    good = ready_lines(samples - events)
    write(pytester.path / "runs", good + [v2(1000, 1500, time=stamp(9000 + i)) for i in range(events)])


@pytest.mark.parametrize(
    ("samples", "events", "outcome"),
    [(58, 0, "skip"), (59, 0, "pass"), (92, 1, "skip"), (93, 1, "pass"), (100, 9, "skip"), (100, 10, "fail")],
)
def test_a_check_that_needs_a_proof_passes_fails_or_stays_open(
    run: Run, pytester: pytest.Pytester, samples: int, events: int, outcome: str
) -> None:
    logs(pytester, samples, events)
    assert run(PROOF).checks["tier1::underestimation"] == outcome


def test_an_open_check_is_a_skip_with_its_figure_everywhere(run: Run, pytester: pytest.Pytester) -> None:
    logs(pytester, 100, 1)
    result = run(PROOF, "-rs", "--token-telemetry-junit=junit.xml", "--token-telemetry-markdown=summary.md")
    assert result.exit == 0
    assert result.report["verdict"] == "inconclusive"
    # 0 truncated of 100: 149 would prove 2%.
    assert result.report["advice"] == ["Collect 49 more samples to prove truncation, if no event comes with them."]
    skipped = etree.parse("junit.xml").find(".//testcase[@name='truncation']/skipped")
    assert "0/100 = 0.0% of attempts (target <= 2%) INCONCLUSIVE" in skipped.get("message")
    summary = Path("summary.md").read_text()
    assert summary.splitlines()[0].endswith("INCONCLUSIVE, nothing proven")
    assert "<td>⚪&nbsp;inconclusive</td><td>tier1 truncation</td>" in summary
    assert "INCONCLUSIVE: Truncation is not proven either way" in result.text


def test_an_open_check_can_fail(run: Run, pytester: pytest.Pytester) -> None:
    logs(pytester, 100, 1)
    result = run(PROOF, "--token-telemetry-inconclusive=fail")
    assert result.exit == 1
    assert result.report["verdict"] == "inconclusive"
    assert result.checks["tier1::truncation"] == "fail"


def test_an_open_check_that_fails_says_so_to_reviewers(run: Run, pytester: pytest.Pytester) -> None:
    logs(pytester, 100, 1)
    run(PROOF, "--token-telemetry-inconclusive=fail", "--token-telemetry-markdown=summary.md")
    assert "<td>❌&nbsp;inconclusive</td><td>tier1 truncation</td>" in Path("summary.md").read_text()


def test_a_proof_at_every_look_takes_more_samples(run: Run, pytester: pytest.Pytester) -> None:
    logs(pytester, 160, 0)
    assert run(PROOF).report["verdict"] == "pass"
    at_every_look = run(PROOF, "--token-telemetry-sequential")
    assert at_every_look.checks["tier1::underestimation"] == "pass"  # 78 would do
    assert at_every_look.checks["tier1::truncation"] == "skip"  # it takes 197


def test_the_default_stays_the_rate_itself(run: Run, passing: object) -> None:
    assert run().report["verdict"] == "pass"


def attempts(tasks: int, each: int) -> list[str]:
    lines = ready_lines(tasks * each)
    return [f"{line} task_id=task-{i // each}" for i, line in enumerate(lines)]


def test_more_than_two_runs_a_task_are_warned_of(run: Run, pytester: pytest.Pytester) -> None:
    write(pytester.path / "runs", attempts(20, 3))
    assert "60 samples come from only 20 tasks" in " ".join(run().report["notes"])


def test_one_sample_a_task_can_be_judged(run: Run, pytester: pytest.Pytester) -> None:
    again = [f"{v2(time=stamp(9000 + i))} task_id=task-{i}" for i in range(3)]
    cut = [f"{cut_off(time=stamp(8000 + i))} task_id=task-{i}" for i in range(3)]
    write(pytester.path / "runs", attempts(40, 1) + cut + again)
    result = run("--token-telemetry-one-per-task")
    check = next(each for each in result.report["checks"] if each["id"] == "tier1::truncation")
    assert (check["events"], check["n"]) == (3, 40)
    assert "One sample a task is judged: 6 of 46 left out." in result.report["notes"]


def test_what_is_missing_is_planned_as_runs(run: Run, unready: object) -> None:
    report = run().report
    planned = report["plan"]["runs"]
    assert sum(each["count"] for each in planned) == 15
    assert {each["category"] for each in planned} == {"implementation", "tests", "docs"}
    assert {each["deliverables"] for each in planned} >= {"1", "6+"}
    # 0 of 5 in both: 59 and 149 samples without an event prove 5% and 2%.
    assert [each["without_more_events"] for each in report["plan"]["proofs"]] == [59, 149]


def test_tuning_advice_comes_with_the_verdict_that_needs_it(run: Run, pytester: pytest.Pytester) -> None:
    docs = [v2(1000, 1000 + 10 * i, time=stamp(9000 + i), category="docs", deliverables=1) for i in range(40)]
    write(pytester.path / "runs", ready_lines(60) + docs)
    result = run()
    assert result.report["verdict"] == "tune"
    docs_advice = next(each for each in result.report["tuning"]["categories"] if each["name"] == "docs")
    # 58 calls in docs: rank 59 - floor(59 / 40) = 58, the largest ratio, 1390 / 1000.
    assert (docs_advice["n"], docs_advice["multiplier"], docs_advice["alpha"]) == (58, 1.39, 0.025)
    assert "Multiply the predictions in docs by 1.39 (58 samples)." in result.report["advice"]


def test_tuning_advice_is_written_on_request(run: Run, passing: object) -> None:
    assert run().report["tuning"] is None
    result = run("--token-telemetry-tuning=out/tuning.json")
    written = json.loads(Path("out/tuning.json").read_text())
    assert written["schema"] == "token-telemetry-tuning/1"
    assert written.pop("aliases")["documentation"] == "docs"
    assert written == result.report["tuning"]
