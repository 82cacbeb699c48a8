"""Files of other systems in a session: spans, what plugins add, and what this plugin wrote itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.integration.conftest import Run, by_source, usage_error
from tests.lines import MIX, ready_lines, write
from tests.spans import chat, span, spans, write_spans


def test_spans_are_judged_as_log_lines_are(run: Run, pytester: pytest.Pytester) -> None:
    """27 calls of every kind that readiness asks for; one was truncated, which is 3.7% of all attempts."""
    calls = [
        span(
            chat(
                900,
                **{
                    "gen_ai.response.finish_reasons": ["stop" if n else "length"],
                    "token_telemetry.predicted.output_tokens": 1000,
                    "token_telemetry.success": n > 0,
                    "token_telemetry.category": category,
                    "token_telemetry.complexity": complexity,
                    "token_telemetry.deliverable_count": deliverables,
                },
            ),
            trace=f"{n:032x}",
            at=n,
        )
        for n, (category, complexity, deliverables) in enumerate(MIX)
    ]
    write_spans(pytester.path / "runs" / "traces.json", *map(spans, calls), indent=2)
    result = run()
    assert result.report is not None
    assert (result.exit, result.report["verdict"], by_source(result)) == (1, "tune", {"runs/traces.json": 27})
    assert (result.checks["tier1::underestimation"], result.checks["tier1::truncation"]) == ("pass", "fail")
    assert "1/27 = 3.7%" in result.text


def test_spans_without_a_model_call_are_named(run: Run, pytester: pytest.Pytester) -> None:
    write_spans(pytester.path / "runs" / "traces.json", spans(span({"http.route": "/"})))
    result = run()
    text = " ".join(result.text.split())
    assert (result.exit, result.checks["readiness::sources"]) == (1, "fail")
    assert "no telemetry found: 1 file looks like OTLP JSON" in text
    assert "Let the system leave one token-telemetry/1 line a call" in text


OUTPUTS = {
    "json": "report.json",
    "tuning": "tuning.json",
    "code-quality": "quality.json",
    "save-baseline": "baseline.json",
    "history": "history.json",
}


def test_what_the_gate_writes_below_the_directory_is_passed_over(run: Run, passing: Path) -> None:
    """The second session finds what the first one wrote, and writes it again."""
    (passing / "package.json").write_text('{"name": "[TokenEstimationV2] agent"}')
    outputs = [f"--token-telemetry-{name}={passing / path}" for name, path in OUTPUTS.items()]
    for _ in range(2):
        assert run("--token-telemetry-dir=runs", *outputs, directory=None).exit == 0
        counts = json.loads((passing / "report.json").read_text())["counts"]
        assert (counts["samples"], counts["mentions"], counts["unusable"]["total"]) == (60, 1, 0)
    assert sorted(path.name for path in passing.glob("*.json")) == sorted([*OUTPUTS.values(), "package.json"])


@pytest.mark.parametrize(
    ("name", "way_out"),
    [("report.json", "name a file that no pattern matches"), ("traces.jsonl", "name it 'runs/traces.json'")],
)
def test_an_output_never_takes_the_place_of_spans(run: Run, pytester: pytest.Pytester, name: str, way_out: str) -> None:
    path = write_spans(pytester.path / "runs" / name, spans(span(chat())))
    before = path.read_bytes()
    error = usage_error(run("--token-telemetry-dir=runs", f"--token-telemetry-json=runs/{name}", directory=None))
    assert error == f"--token-telemetry-json: 'runs/{name}' would be read as a log ({way_out})"
    assert path.read_bytes() == before


GATEWAY = """
    from pytest_token_telemetry import FileSource, Sample

    class Gateway(FileSource):
        name = "gateway"

        def claims(self, path, head):
            return head.startswith(b"gateway 1\\n")

        def read(self, file, into):
            for number, line in enumerate(file.read().decode().splitlines()[1:], 2):
                predicted, output = line.split()
                into.add(Sample(predicted_output_tokens=int(predicted), output_tokens=int(output)), None, number)

    class Elsewhere(Gateway):
        name = "otlp"
"""


@pytest.mark.parametrize("jobs", ["1", "3"])
def test_another_plugin_adds_a_source(run: Run, pytester: pytest.Pytester, jobs: str) -> None:
    pytester.makeconftest(f"{GATEWAY}\n    def pytest_token_telemetry_sources(): return [Gateway()]")
    write(pytester.path / "runs", ["gateway 1", "1000 900", "1000 800"], "gateway.log")
    write(pytester.path / "runs", ready_lines(27), "agent.log")
    result = run(f"--token-telemetry-jobs={jobs}")
    assert by_source(result) == {"runs/agent.log": 27, "runs/gateway.log": 2}


@pytest.mark.parametrize(
    ("body", "line", "reason"),
    [
        (
            "def claims(self, path, head): return [][0]",
            "",
            "claims of source gateway: IndexError: list index out of range",
        ),
        ("pass", "x 900", "read of source gateway: ValueError: invalid literal for int() with base 10: 'x'"),
        ("pass", "900 -1", "read of source gateway: ValueError: output_tokens of a sample is -1"),
    ],
    ids=["claims", "read", "count"],
)
def test_what_an_added_source_raises_is_why_a_file_is_unreadable(
    run: Run, pytester: pytest.Pytester, body: str, line: str, reason: str
) -> None:
    broken = f"class Broken(Gateway):\n        {body}"
    pytester.makeconftest(f"{GATEWAY}\n    {broken}\n    def pytest_token_telemetry_sources(): return [Broken()]")
    write(pytester.path / "runs", ["gateway 1", "1000 900", line], "gateway.log")
    result = run()
    assert result.report["verdict"] == "not-ready"
    assert [each["reason"] for each in result.report["not_read"]["unreadable"]] == [reason]


@pytest.mark.parametrize(
    ("answer", "arguments", "sentence"),
    [
        ("Gateway", [], "pytest_token_telemetry_sources: Gateway is not a source (give an instance of a FileSource)"),
        ("1 / 0", [], "pytest_token_telemetry_sources: ZeroDivisionError: division by zero"),
        ("[5]", [], "pytest_token_telemetry_sources: int is not a source (give an instance of a FileSource)"),
        (
            "[Elsewhere()]",
            [],
            "pytest_token_telemetry_sources: there is a source named 'otlp' already (choose another name)",
        ),
        (
            "[Gateway()]",
            ["--token-telemetry-executor=concurrent.futures:ThreadPoolExecutor"],
            "--token-telemetry-executor: the sources that pytest_token_telemetry_sources adds are not known elsewhere"
            " (read the files here)",
        ),
        (
            "Gateway()",
            ["--token-telemetry-format=xml"],
            "--token-telemetry-format: there is no format 'xml' (they are auto, gateway, otlp, batches, litellm,"
            " inspect, openhands, langsmith, langfuse, promptfoo, csv, claude-code, responses, autopack-export, logs)",
        ),
        (
            "Gateway()",
            ["--token-telemetry-format=gatway"],
            "--token-telemetry-format: there is no format 'gatway' (did you mean gateway?)",
        ),
    ],
)
def test_sources_that_cannot_be_used_are_refused(
    run: Run, passing: object, pytester: pytest.Pytester, answer: str, arguments: list[str], sentence: str
) -> None:
    pytester.makeconftest(f"{GATEWAY}\n    def pytest_token_telemetry_sources(): return {answer}")
    assert usage_error(run(*arguments)) == sentence
