"""Calls in a database, judged by pytest, and passwords that nobody sees."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from itertools import product

import pytest

from pytest_token_telemetry.option import flag, ini_key
from pytest_token_telemetry.settings import options
from tests.integration.conftest import NOTHING_LOST, Run

SECRET = "postgresql://me:s3cr@host/x"


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
        {"path": "sqlite:///calls.db: calls", "samples": 27, "kind": "table", "folded": 0, "format": "", **NOTHING_LOST}
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


TEXTS = {
    "alias": f"{SECRET}=docs",
    "db": f"env:{SECRET}",
    "db_field": f"output_tokens={SECRET}",
    "db_query": f"SELECT * FROM elsewhere('{SECRET}')",
}
"""Settings that take a text of a form of its own."""


@pytest.mark.parametrize("name", [name for name, option in options() if not option.is_switch])
@pytest.mark.parametrize("is_typed", [True, False], ids=["typed", "kept"])
def test_no_output_has_the_password_in_a_url_that_any_setting_is_given(
    run: Run, pytester: pytest.Pytester, passing: object, name: str, *, is_typed: bool
) -> None:
    text = TEXTS.get(name, SECRET)
    needed = {"db_table": "db", "db_field": "db", "db_query": "db"}
    arguments = [f"--token-telemetry-{needed[name]}=sqlite:///calls.db"] if name in needed else []
    others = ("dir=runs", "json=r.json", "junit=r.xml", "markdown=r.md")
    arguments += [f"--token-telemetry-{each}" for each in others if not each.startswith(f"{name}=")]
    if is_typed:
        arguments.append(f"{flag(name)}={text}")
    else:
        pytester.makeini(f"[pytest]\n{ini_key(name)} = {text}\n")
    sqlite3.connect(pytester.path / "calls.db").close()
    outcome = run("token-telemetry", "-vv", "--tb=long", *arguments, directory=None)
    assert outcome.exit != 0
    if name not in TEXTS and name not in ("db", "dir"):
        assert "'postgresql://***@host/x' is a URL that may hold a password" in outcome.text
    written = {path: path.read_bytes() for path in pytester.path.rglob("*") if path.is_file() and path.suffix != ".ini"}
    assert "s3cr" not in outcome.text
    assert [path.name for path, said in written.items() if b"s3cr" in said or "s3cr" in str(path)] == []


@pytest.mark.parametrize("query", [f"FROM elsewhere('{SECRET}')", f"SELECT 1 AS output_tokens -- {SECRET}"])
def test_a_query_is_shown_without_the_password_of_a_url_in_it(run: Run, pytester: pytest.Pytester, query: str) -> None:
    sqlite3.connect(pytester.path / "calls.db").close()
    outputs = ("json=r.json", "junit=r.xml", "markdown=r.md")
    outcome = run(
        *("token-telemetry", "-vv", "--token-telemetry-db=sqlite:///calls.db", f"--token-telemetry-db-query={query}"),
        *(f"--token-telemetry-{each}" for each in outputs),
        directory=None,
    )
    written = [path.read_text() for path in pytester.path.iterdir() if path.suffix in (".json", ".xml", ".md")]
    assert "***@" in "".join((outcome.text, *written))
    assert not any("s3cr" in each for each in (outcome.text, *written))


def test_a_database_without_sqlalchemy_is_refused_with_the_extra_to_install(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "sqlalchemy", None)
    monkeypatch.delitem(__import__("sys").modules, "pytest_token_telemetry.sources.database", raising=False)
    outcome = run("token-telemetry", "--token-telemetry-db=sqlite:///calls.db", directory=None)
    assert outcome.exit == 4
    why = 'SQLAlchemy is not installed (run pip install "pytest-token-telemetry[sql]")'
    assert f"ERROR: --token-telemetry-db: {why}" in outcome.text
