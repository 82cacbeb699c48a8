"""Which files the gate reads, and what it says of those that hold nothing."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.answers import chat
from tests.integration.conftest import Run, usage_error
from tests.lines import cut_off, ready_lines, stamp, write

CUT = "".join(f"{cut_off(time=stamp(1000 + i), category='docs')}\n" for i in range(6)).encode()


@pytest.mark.parametrize(
    ("name", "compress"),
    [
        ("agent.log.1", bytes),
        ("agent.log.2.gz", gzip.compress),
        ("agent.log.2.bz2", bz2.compress),
        ("agent.log.xz", lzma.compress),
        ("agent.log-20260101.gz", gzip.compress),
        ("agent.log.2026-01-01", bytes),
        ("agent.jsonl.1", bytes),
        ("agent.jsonl-20260101.gz", gzip.compress),
        ("not-named-for-it.log", gzip.compress),
    ],
)
def test_calls_in_rotated_and_compressed_files_are_judged(
    run: Run, pytester: pytest.Pytester, name: str, compress: Callable[[bytes], bytes]
) -> None:
    write(pytester.path / "runs", ready_lines(54))
    (pytester.path / "runs" / name).write_bytes(compress(CUT))
    result = run()
    assert (result.exit, result.checks["tier1::truncation"]) == (1, "fail")
    assert result.report is not None
    assert (result.report["verdict"], result.report["counts"]["samples"]) == ("tune", 60)


@pytest.fixture
def ready(pytester: pytest.Pytester) -> Path:
    return write(pytester.path / "runs", ready_lines(54)) / "run-1"


def test_a_rotated_and_compressed_copy_counts_once(run: Run, ready: Path) -> None:
    text = (ready / "agent.log").read_bytes()
    (ready / "agent.log.1").write_bytes(text)
    (ready / "agent.log.1.gz").write_bytes(gzip.compress(text))
    result = run()
    assert result.report is not None
    assert (result.report["verdict"], result.report["counts"]["samples"]) == ("pass", 54)
    assert (result.report["counts"]["files"], result.report["counts"]["duplicates"]) == (3, 108)


def test_a_compressed_file_that_is_cut_off_is_no_pass(run: Run, ready: Path) -> None:
    (ready / "agent.log.1.gz").write_bytes(gzip.compress(CUT)[:-9])
    result = run()
    assert (result.exit, result.checks["readiness::sources"]) == (1, "fail")
    assert "agent.log.1.gz: its gzip data is cut off" in result.text


def test_results_of_batches_are_joined_with_the_requests_that_are_named(run: Run, pytester: pytest.Pytester) -> None:
    """Of 40 results, 39 have a request: they took all of their 96 tokens, which their reasons do not settle."""
    keys = [f"r-{n}" for n in range(40)]
    requests = [json.dumps({"custom_id": key, "body": {"max_tokens": 96}}) for key in keys[1:]]
    results = [
        json.dumps({"custom_id": key, "response": {"status_code": 200, "body": chat("tool_calls", id=key)}})
        for key in keys
    ]
    write(pytester.path, requests, "sent/requests.jsonl")
    write(pytester.path / "runs", results, "results.jsonl")
    result = run("--token-telemetry-requests=sent/requests.jsonl")
    assert result.report is not None
    counts = result.report["counts"]
    assert (counts["samples"], counts["by_cap"], counts["remarks"]) == (40, 39, {"without_request": 1})
    note = (
        "1 batch result without a request: the cap is unknown (--token-telemetry-requests=FILE names it,"
        " docs/batches.md)."
    )
    assert note in " ".join(result.text.split())


def test_calls_are_joined_with_predictions_of_a_file_of_their_own(run: Run, pytester: pytest.Pytester) -> None:
    """Of 40 calls, each of 96 tokens, 39 have a prediction, and one of these is too small."""
    (pytester.path / "runs").mkdir()
    calls = "".join(json.dumps(chat("stop", tokens=96, id=f"c-{n}")) + "\n" for n in range(40))
    (pytester.path / "runs" / "answers.jsonl").write_text(calls)
    rows = [f"c-{n},{10 if n == 1 else 100},docs\n" for n in range(1, 42)]
    (pytester.path / "runs" / "predicted.csv").write_text(
        "response_id,predicted_output_tokens,category\n" + "".join(rows)
    )
    option = "--token-telemetry-predictions=runs/predicted.csv"
    result = run(option, "-v")
    assert result.report is not None
    counts = result.report["counts"]
    assert (counts["samples"], counts["carried"]["predictions"], counts["remarks"]) == (40, 39, {"without_call": 2})
    assert counts["files"] == 1
    text = " ".join(result.text.split())
    assert "2 rows of side files without a call: no usable call has the id that they name (docs/side-files.md)." in text
    assert "1 of 40 samples has no prediction" in text
    (pytester.path / "runs" / "predicted.csv").write_text("nothing\n")
    refused = run(option)
    assert (refused.exit, usage_error(refused)) == (
        4,
        f"{option.replace('=', ': ', 1).replace('runs', chr(39) + 'runs')}' cannot be read: its first line is not a"
        " header of a CSV file in UTF-8",
    )


@pytest.mark.parametrize("table", ["token_telemetry", "pytest-token-telemetry", "pytest_token_telemetry"])
def test_a_table_of_ours_by_another_name_is_refused(
    run: Run, pytester: pytest.Pytester, ready: Path, table: str
) -> None:
    (pytester.path / "pyproject.toml").write_text(f"[tool.{table}]\ndir = 'runs'\n")
    refused = run()
    assert (refused.exit, ready.is_dir()) == (4, True)
    assert usage_error(refused).startswith(f"pyproject.toml: tool.{table}: there is no such table (")


TRANSCRIPT = "".join(f'{{"id": "r-{i}", "sessionId": "s", "uuid": "u"}}\n' for i in range(40))


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (
            {"calls.jsonl": '{"model": "m", "usage": {"completion_tokens": 50}}\n'},
            "no telemetry found: 1 file looks like JSON",
        ),
        (
            {"a.jsonl": TRANSCRIPT, "b.jsonl": TRANSCRIPT, "c.log": "tokens,seconds\n3,4\n"},
            "no telemetry found: 2 files look like Claude Code transcripts (--token-telemetry-format=claude-code reads"
            " them), 1 file looks like CSV",
        ),
        ({"a.log": "", "b.log": "started\n"}, "no telemetry found: 1 file is empty, 1 file looks like plain text"),
        (
            {"a.txt": "started\n", "b.txt": "ended\n"},
            "no file matches *.log, *.log.*, *.log-*, *.json*, *.ndjson*, *.csv* or *.eval; 2 files *.txt are there",
        ),
    ],
)
def test_files_that_hold_nothing_known_fail_and_are_named(
    run: Run, pytester: pytest.Pytester, files: dict[str, str], said: str
) -> None:
    for name, text in files.items():
        write(pytester.path / "runs", text.splitlines(), name)
    result = run("--token-telemetry-markdown=report.md")
    assert (result.exit, result.checks["readiness::sources"]) == (1, "fail")
    assert f"fail readiness::sources: {said}" in " ".join(result.text.split())
    assert result.report is not None
    assert result.report["verdict"] == "not-ready"
    markdown = (pytester.path / "report.md").read_text(encoding="utf-8")
    assert said.split(":")[0].split(" *")[0] in markdown


def test_a_name_that_is_no_text_is_told_all_the_same(run: Run, pytester: pytest.Pytester) -> None:
    (pytester.path / "runs").mkdir()
    try:
        (pytester.path / "runs" / os.fsdecode(b"agent.\xfflog")).write_bytes(CUT)
    except OSError:
        pytest.skip("names are text here")
    result = run()
    assert (result.exit, result.checks["readiness::sources"]) == (1, "fail")
    assert result.report is not None
    assert result.report["counts"]["near_misses"] == {"*.\\udcfflog": 1}


def test_files_without_telemetry_beside_others_and_mentions_are_shown_with_v(run: Run, ready: Path) -> None:
    write(ready, ["see the [TokenEstimationV2] lines above"], "mention.log")
    write(ready, ["started"], "other.log")
    result = run("-v")
    assert result.exit == 0
    assert "1 of 3 files without any telemetry" in result.text
    assert "1 mention of a tag without a record" in result.text
    assert "without any telemetry" not in run().text


def test_files_of_records_without_a_call_beside_others_are_told(run: Run, ready: Path) -> None:
    write(ready, ['{"ev": "call", "tok": 512}'] * 3, "own.jsonl")
    write(ready, ["when,tok", "today,512", "today,90"], "own.csv")
    write(ready, ['{"setting": 1}'], "settings.json")
    result = run()
    told = "note: no record of runs/run-1/own.csv and of 1 other file is read: map them if they hold"
    assert result.exit == 0
    assert told in " ".join(result.text.split())
    assert result.report is not None
    assert result.report["not_read"]["unknown"] == ["runs/run-1/own.csv", "runs/run-1/own.jsonl"]
