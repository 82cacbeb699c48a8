"""Files that a user maps, in a session."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.conftest import Run, by_source, usage_error
from tests.lines import MIX

PAGE = (Path(__file__).parents[2] / "docs" / "field-map.md").read_text(encoding="utf-8")


def test_the_map_of_the_documentation_lets_predictions_be_judged_once_there_are_enough_calls(
    run: Run, pytester: pytest.Pytester
) -> None:
    """Each time, its sample has a call of 912 tokens that was predicted to have 800, and one that was truncated."""
    pytester.mkdir("runs")
    file = pytester.path / "runs" / "gateway.jsonl"
    pytester.makepyprojecttoml(PAGE.partition("```toml\n")[2].partition("```")[0])
    sample = PAGE.partition("```json\n")[2].partition("```")[0]
    file.write_text(sample)
    few = run()
    assert (few.report or {})["verdict"] == "not-ready"
    assert "1 of 20 successful samples" in few.text
    file.write_text(sample * 20)
    enough = run()
    assert (enough.report or {})["verdict"] == "tune"
    assert (enough.checks["tier1::underestimation"], enough.checks["tier1::truncation"]) == ("fail", "fail")


MAP = """
[tool.token-telemetry.sources.gateway]
files = "*.out"
format = "csv"
[tool.token-telemetry.sources.gateway.fields]
predicted_output_tokens = "guess"
output_tokens = "used"
category = "kind"
complexity = "level"
deliverable_count = "files"
success = { value = true }
max_tokens = { value = 2000 }
"""


def test_mapped_files_are_judged_and_a_report_must_not_be_one_of_them(run: Run, pytester: pytest.Pytester) -> None:
    pytester.mkdir("runs")
    rows = [f"1000,900,{category},{complexity},{files}" for category, complexity, files in MIX]
    (pytester.path / "runs" / "calls.out").write_text("\n".join(["guess,used,kind,level,files", *rows]))
    pytester.makepyprojecttoml(MAP)
    result = run()
    assert by_source(result) == {"runs/calls.out": len(MIX)}
    assert (result.checks["readiness::deliverables"], result.checks["tier1::underestimation"]) == ("pass", "pass")
    refused = run("--token-telemetry-markdown=runs/summary.out")
    assert usage_error(refused) == (
        "--token-telemetry-markdown: 'runs/summary.out' would be read as a log (name it 'runs/summary.md')"
    )


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (
            MAP.replace("gateway", "otlp"),
            "tool.token-telemetry.sources.otlp: there is a source of this name (choose another",
        ),
        (
            MAP.replace("used", ""),
            "tool.token-telemetry.sources.gateway.fields.output_tokens: '' is not a path (write the",
        ),
    ],
)
def test_a_mistake_in_a_map_ends_the_session(run: Run, pytester: pytest.Pytester, text: str, why: str) -> None:
    pytester.mkdir("runs")
    (pytester.path / "maps.toml").write_text(text)
    refused = run("--token-telemetry-map=maps.toml")
    assert usage_error(refused).startswith(f"--token-telemetry-map: maps.toml: {why}")


def test_a_proposed_map_is_printed_and_nothing_is_judged(run: Run, pytester: pytest.Pytester) -> None:
    pytester.mkdir("runs")
    (pytester.path / "runs" / "calls.jsonl").write_text('{"call": {"completion_tokens": 40}}\n')
    result = run("token-telemetry", "--token-telemetry-propose-map")
    assert '\noutput_tokens = "call.completion_tokens"  # in 1 of 1, such as 40\n' in result.text
    assert "judges nothing: paste its maps into pyproject.toml, or" in " ".join(result.text.split())
    (pytester.path / "runs" / "calls.jsonl").unlink()
    nothing = run("token-telemetry", "--token-telemetry-propose-map")
    assert "not judged: --token-telemetry-propose-map judges nothing\n" in nothing.text
    assert "!!!" not in result.text
    assert (result.exit, result.report) == (2, None)


@pytest.mark.parametrize("workers", [(), ("-n1",)], ids=["alone", "workers"])
def test_no_test_runs_where_a_map_is_proposed(run: Run, pytester: pytest.Pytester, workers: tuple[str, ...]) -> None:
    pytester.mkdir("runs")
    pytester.makepyfile("def test_it(): open('ran', 'w').close()")
    result = run("--token-telemetry-propose-map", *workers)
    assert "no tests ran in" in result.text
    assert ((pytester.path / "ran").exists(), result.exit) == (False, 2)


def test_a_map_joins_a_file_beside_it_where_it_is_in_use(run: Run, pytester: pytest.Pytester) -> None:
    pytester.mkdir("runs")
    (pytester.path / "maps").mkdir()
    join = 'join = { file = "predicted.csv", on = "id", key = "request" }\n'
    text = MAP.replace('predicted_output_tokens = "guess"\n', "").replace('format = "csv"\n', f'format = "csv"\n{join}')
    (pytester.path / "maps" / "maps.toml").write_text(text)
    rows = [f"{n},900,{category},{complexity},{files}" for n, (category, complexity, files) in enumerate(MIX)]
    (pytester.path / "runs" / "calls.out").write_text("\n".join(["id,used,kind,level,files", *rows]))
    predictions = [f"{n},1000" for n in range(len(MIX) + 1)]
    predicted = pytester.path / "maps" / "predicted.csv"
    predicted.write_text("\n".join(["request,predicted_output_tokens", *predictions]))
    option = "--token-telemetry-map=maps/maps.toml"
    result = run(option)
    assert result.report is not None
    counts = result.report["counts"]
    assert (counts["carried"]["predictions"], counts["remarks"]) == (len(MIX), {"without_call": 1})
    predicted.write_text("request,note\n1,none\n")
    label = "--token-telemetry-map: maps/maps.toml: tool.token-telemetry.sources.gateway.join.file: 'predicted.csv'"
    assert usage_error(run(option)).startswith(f"{label} names no prediction: no field takes its column note")
    assert run(option, "--token-telemetry-format=logs").exit == 1  # nothing is there for it, and no error
