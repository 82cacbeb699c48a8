"""What people see: one screen, one line with ``-q``, all with ``-v``, and how far a long scan is."""

from __future__ import annotations

import os
import pty
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.integration.conftest import Run
from tests.lines import ready_lines, write


def section(text: str) -> list[str]:
    """The lines of the plugin's section, with its heading."""
    lines = text.splitlines()
    start = next(i for i, line in enumerate(lines) if " token telemetry =" in line)
    end = next((i for i in range(start + 1, len(lines)) if lines[i].startswith("====")), len(lines))
    return lines[start:end]


@pytest.mark.parametrize("logs", ["passing", "tuning", "unready"])
def test_the_verdict_fits_one_screen_and_begins_with_what_to_do(
    run: Run, logs: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    request.getfixturevalue(logs)
    lines = section(run().text)
    assert len(lines) <= 25
    assert max(map(len, lines)) <= 80
    assert lines[1].startswith({"passing": "PASS:", "tuning": "TUNE:", "unready": "NOT READY:"}[logs])
    assert any(line.startswith("-> ") for line in lines[2:5])


def test_messages_of_failed_checks_fit_where_they_are_shown_and_are_whole_elsewhere(
    run: Run, tuning: object, monkeypatch: pytest.MonkeyPatch, pytester: pytest.Pytester
) -> None:
    monkeypatch.setenv("COLUMNS", "50")
    lines = run("--junitxml=junit.xml").text.splitlines()
    failures = lines[next(i for i, line in enumerate(lines) if " FAILURES =" in line) :]
    shown = failures[: next(i for i, line in enumerate(failures) if line.startswith("- generated xml"))]
    assert max(map(len, shown)) <= 50
    (rate, *_) = ElementTree.parse(pytester.path / "junit.xml").iter("failure")
    assert rate.text is not None
    assert rate.text in " ".join(" ".join(shown).split())
    assert len(rate.text) > 50


def test_q_leaves_one_line(run: Run, tuning: object) -> None:
    (told,) = [line for line in run("-q", "--tb=no").text.splitlines() if "token telemetry" in line]
    assert told == "token telemetry: TUNE: Tuning needed: 10.0% underestimated, 10.0% truncated."


def test_v_adds_strata_and_sources(run: Run, tuning: object) -> None:
    lines = section(run("-v").text)
    assert any(line.split()[-1:] == ["docs"] for line in lines)
    assert any("60  logs     runs/run-1/agent.log" in line for line in lines)


def test_the_worst_samples_are_named_with_their_place(run: Run, tuning: object) -> None:
    assert "8.19x  1000 -> 8192 truncated  runs/run-1/agent.log:55" in run().text


def test_unusable_lines_are_counted_with_their_reason(run: Run, pytester: pytest.Pytester) -> None:
    lines = [*ready_lines(), "[TokenEstimationV2] predicted_output=5 actual_total=50 success=True"]
    write(pytester.path / "runs", lines)
    result = run("-v")
    assert "1 telemetry line could not be used: actual_total counts input and output together" in " ".join(
        result.text.split()
    )
    assert "runs/run-1/agent.log:28" in result.text


def test_words_that_are_no_known_reason_are_named_from_logs_databases_and_tests_where_the_cap_decides(
    run: Run, pytester: pytest.Pytester
) -> None:
    call = '{"schema":"token-telemetry/1","output_tokens":90,"max_tokens":100,"finish_reason":"cut_off"}'
    write(pytester.path / "runs", [call] * 2, "a.jsonl")
    with closing(sqlite3.connect(pytester.path / "calls.db")) as connection:
        connection.execute("CREATE TABLE calls (output_tokens INTEGER, max_tokens INTEGER, finish_reason TEXT)")
        connection.execute("INSERT INTO calls VALUES (70, 100, 'cut')")
        connection.commit()
    pytester.makepyfile(
        """
        def test_call(token_telemetry):
            token_telemetry.record(output_tokens=80, max_tokens=100, finish_reason="finito")
        """
    )
    database = ("--token-telemetry-db=sqlite:///calls.db", "--token-telemetry-db-table=calls")
    text = run("--token-telemetry", *database).text
    assert (
        "note: 4 samples ended for reasons that are not known: cut_off (2 samples), finito (1 sample), cut"
        " (1 sample). The gate ignores such words: the cap, or truncated where it is given, decided."
    ) in " ".join(text.split())


def watch(command: list[str], directory: Path) -> str:
    """What ``command`` writes to a terminal."""
    controller, terminal = pty.openpty()
    process = subprocess.Popen(command, cwd=directory, stdout=terminal, stderr=terminal, stdin=terminal)
    os.close(terminal)
    written = b""
    while True:
        try:
            block = os.read(controller, 65536)
        except OSError:  # how Linux says that the other end is closed
            break
        if not block:
            break
        written += block
    process.wait()
    os.close(controller)
    return written.decode()


@pytest.fixture
def slow_scan(pytester: pytest.Pytester) -> list[str]:
    """A command that reads for longer than a progress line waits."""
    write(pytester.path / "runs", ready_lines())
    for i in range(8):
        write(pytester.path / "runs", ["nothing to see"] * 6_000, f"run-1/{i}.log")  # small ones are read at once
    pytester.makeconftest(
        """
        import time
        from pytest_token_telemetry.sources.tagged import line_scanner
        read_into = line_scanner._read_into
        def from_slow_disk(descriptor, view):
            time.sleep(0.2)
            return read_into(descriptor, view)
        line_scanner._read_into = from_slow_disk
        """
    )
    return [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "no:randomly",
        "--token-telemetry-dir=runs",
        "--token-telemetry-jobs=1",
    ]


def test_a_long_scan_counts_files_on_a_terminal(slow_scan: list[str], pytester: pytest.Pytester) -> None:
    assert "reading token telemetry: " in watch(slow_scan, pytester.path)


def test_a_long_scan_is_silent_elsewhere(slow_scan: list[str], pytester: pytest.Pytester) -> None:
    result = subprocess.run(slow_scan, cwd=pytester.path, capture_output=True, text=True, check=False)
    assert "PASS" in result.stdout
    assert "reading token telemetry" not in result.stdout
