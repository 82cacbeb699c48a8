"""Calls in a database, judged by pytest, and passwords that nobody sees."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from itertools import product

import pytest

from tests.integration.conftest import Run


def test_the_calls_of_a_database_are_judged(
    run: Run, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(sqlite3.connect(pytester.path / "calls.db")) as connection:
        connection.execute(
            "CREATE TABLE calls (guess INTEGER, output_tokens INTEGER, cap INTEGER, stop_reason TEXT, success INTEGER,"
            " category TEXT, complexity TEXT, deliverables INTEGER)"
        )
        strata = product(("implementation", "tests", "docs"), ("low", "medium", "high"), (1, 3, 8))
        rows = [(1000, 900, 2000, "stop", 1, *each) for each in strata]
        connection.executemany("INSERT INTO calls VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
        connection.commit()
    monkeypatch.setenv("CALLS", "sqlite:///calls.db")
    pytester.makeini(
        "[pytest]\ntoken_telemetry_db = env:CALLS\ntoken_telemetry_db_table = calls\n"
        "token_telemetry_db_field =\n    predicted_output_tokens=guess\n    max_tokens=cap\n"
    )
    outcome = run("token-telemetry", "--token-telemetry-json=report.json", directory=None)
    assert outcome.exit == 0
    assert "pass readiness: 27 successful samples (20 needed), 1 table read" in outcome.text
    report = json.loads((pytester.path / "report.json").read_text())
    assert (report["verdict"], report["counts"]["samples"], report["counts"]["tables"]) == ("pass", 27, 1)
    assert report["settings"]["db"] == ["sqlite:///calls.db"]
    assert report["sources"] == [
        {"path": "sqlite:///calls.db: calls", "samples": 27, "kind": "table", "folded": 0, "format": ""}
    ]


def test_no_output_has_the_password_of_a_database_that_cannot_be_reached(run: Run, pytester: pytest.Pytester) -> None:
    outputs = ("json=r.json", "junit=r.xml", "markdown=r.md", "code-quality=c.json", "history=h.jsonl", "tuning=t.json")
    outcome = run(
        *("token-telemetry", "-vv", "--showlocals", "--tb=long", "--junitxml=p.xml"),
        "--token-telemetry-db=postgresql+psycopg://me:s3cret%2Fword@127.0.0.1:1/calls?sslpassword=s3cret",
        *(f"--token-telemetry-{each}" for each in outputs),
        directory=None,
    )
    assert outcome.exit == 1
    assert "NOT READY" in outcome.text
    assert "@127.0.0.1:1/calls: connection failed" in outcome.text
    assert "Connection refused" in outcome.text
    written = [path.read_text() for path in pytester.path.iterdir() if path.is_file()]
    assert len(written) >= len(outputs)
    assert not any("s3cret" in each for each in (outcome.text, *written))


def test_a_database_without_sqlalchemy_is_refused_with_the_extra_to_install(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "sqlalchemy", None)
    monkeypatch.delitem(__import__("sys").modules, "pytest_token_telemetry.sources.database", raising=False)
    outcome = run("token-telemetry", "--token-telemetry-db=sqlite:///calls.db", directory=None)
    assert outcome.exit == 4
    why = 'SQLAlchemy is not installed (run pip install "pytest-token-telemetry[sql]")'
    assert f"ERROR: --token-telemetry-db: {why}" in outcome.text
