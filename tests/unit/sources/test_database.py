"""Calls in databases: the origin's tables as they were and are, any table or query, and what hostile rows hold."""

from __future__ import annotations

import math
import os
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from pytest_token_telemetry.option_types import database as url_of
from pytest_token_telemetry.sample import Sample
from pytest_token_telemetry.samples import SamplesBuilder
from pytest_token_telemetry.sources.call_records import LayoutError, layout
from pytest_token_telemetry.sources.database import Database, DatabaseError, refuse_unusable
from pytest_token_telemetry.sources.own_format import line as own_line
from pytest_token_telemetry.sources.places import UnusedColumn
from pytest_token_telemetry.sources.reading import Directory, Reading, read_directories
from pytest_token_telemetry.sources.tagged.records import RecordError
from tests.conftest import SHARED
from tests.lines import v2

FIRST = """
    event_id INTEGER PRIMARY KEY AUTOINCREMENT, run_id TEXT NOT NULL, phase_id TEXT NOT NULL,
    timestamp TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, category TEXT NOT NULL,
    complexity TEXT NOT NULL CHECK(complexity IN ('low', 'medium', 'high')), deliverable_count INTEGER NOT NULL,
    deliverables_json TEXT NOT NULL, predicted_output_tokens INTEGER NOT NULL, actual_output_tokens INTEGER NOT NULL,
    selected_budget INTEGER NOT NULL, success BOOLEAN NOT NULL, truncated BOOLEAN NOT NULL DEFAULT 0, stop_reason TEXT,
    model TEXT NOT NULL, smape_percent REAL, waste_ratio REAL, underestimated BOOLEAN,
    created_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP"""
WITH_FEATURES = f"""{FIRST}, is_truncated_output BOOLEAN NOT NULL DEFAULT FALSE, api_reference_required BOOLEAN,
    examples_required BOOLEAN, research_required BOOLEAN, usage_guide_required BOOLEAN, context_quality VARCHAR"""
LAST = f"""{WITH_FEATURES}, is_sot_file BOOLEAN, sot_file_name VARCHAR, sot_entry_count_hint INTEGER,
    actual_max_tokens INTEGER"""

EVENT = {
    "event_id": 7,
    "run_id": "run-1",
    "phase_id": "phase-2",
    "timestamp": "2025-12-24 01:55:10.435454",
    "category": "documentation",
    "complexity": "low",
    "deliverable_count": 5,
    "deliverables_json": "[]",
    "predicted_output_tokens": 5200,
    "actual_output_tokens": 16384,
    "selected_budget": 8192,
    "success": 0,
    "truncated": 1,
    "stop_reason": "max_tokens",
    "model": "claude-sonnet-4-5",
    "smape_percent": 103.6,
}
CALL = {
    "output_tokens": 16384,
    "predicted_output_tokens": 5200,
    "budget_tokens": 8192,
    "success": False,
    "truncated": True,
    "finish_reason": "length",
    "finish_reason_raw": "max_tokens",
    "category": "documentation",
    "complexity": "low",
    "deliverable_count": 5,
    "task_id": "phase-2",
    "run": "run-1",
    "model": "claude-sonnet-4-5",
    "smape": 103.6,
    "time": datetime(2025, 12, 24, 1, 55, 10, 435454),
}
"""What `EVENT` says, by our names."""


def make(path: Path, table: str, columns: str, *events: dict[str, Any]) -> str:
    """A database file with one table and these rows; gives its URL."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"CREATE TABLE {table} ({columns})")
        for event in events:
            marks = ", ".join("?" * len(event))
            connection.execute(f"INSERT INTO {table} ({', '.join(event)}) VALUES ({marks})", [*event.values()])
        connection.commit()
    return f"sqlite:///{path}"


def read(url: str, *tables: str, **options: Any) -> Reading:
    return read_directories([], [], databases=[Database(url_of(url), tables, **options)])


def calls(reading: Reading) -> list[Sample]:
    """All samples, without their ids."""
    builder = SamplesBuilder([reading.samples])
    return [builder.sample(row) for row in range(len(builder))]


def error(reading: Reading) -> str:
    """Why the only thing to read could not be read."""
    (reason,) = reading.unreadable.values()
    return reason


# The origin's tables ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("columns", "more", "said"),
    [
        (FIRST, {}, {}),
        (WITH_FEATURES, {}, {}),
        (
            WITH_FEATURES,
            {"api_reference_required": 1, "research_required": 0, "context_quality": "some"},
            {"features": {"api_reference_required": "True", "research_required": "False", "context_quality": "some"}},
        ),
        (LAST, {"actual_max_tokens": 16384}, {"max_tokens": 16384}),
        (
            LAST,
            {"is_sot_file": 1, "sot_file_name": "build_log.md", "sot_entry_count_hint": 3},
            {"features": {"is_sot_file": "True", "sot_file_name": "build_log.md", "sot_entry_count_hint": "3"}},
        ),
    ],
    ids=["first", "with features, not set", "with features", "with the cap that was sent", "with logs of its own"],
)
def test_events_of_the_origin_are_read_in_each_shape_of_their_table(tmp_path, columns, more, said):
    url = make(tmp_path / "autopack.db", "token_estimation_v2_events", columns, {**EVENT, **more})
    reading = read(url)
    (sample,) = calls(reading)
    assert {name: getattr(sample, name) for name in {**CALL, **said}} == {**CALL, **said}
    assert reading.place(reading.samples, 0) == f"{url}: token_estimation_v2_events:7"
    assert [file.kind for file in reading.files] == ["table"]
    assert (reading.count("table"), reading.count("file"), reading.nothing_known) == (1, 0, 0)


def test_usage_events_of_the_origin_have_output_tokens_alone(tmp_path):
    columns = (
        "id INTEGER PRIMARY KEY, provider VARCHAR, model VARCHAR, run_id VARCHAR, phase_id VARCHAR, role VARCHAR,"
        " prompt_tokens INTEGER, completion_tokens INTEGER, created_at DATETIME"
    )
    event = {"id": 3, "model": "gpt-4o", "role": "auditor", "prompt_tokens": 9, "created_at": "2025-11-30 05:54:10"}
    url = make(
        tmp_path / "usage.db", "llm_usage_events", columns, {**event, "completion_tokens": 1507}, {**event, "id": 4}
    )
    reading = read(url)
    (sample,) = calls(reading)
    assert (sample.output_tokens, sample.operation, sample.model) == (1507, "auditor", "gpt-4o")
    assert (sample.predicted_output_tokens, sample.truncated, sample.id) == (None, None, None)
    assert {reason: (each.count, each.places) for reason, each in reading.unusable.items()} == {
        "output_tokens is missing": (1, [f"{url}: llm_usage_events:4"])
    }


def test_the_table_that_tells_most_is_read_alone(tmp_path):
    path = tmp_path / "both.db"
    make(path, "llm_usage_events", "completion_tokens INTEGER", {"completion_tokens": 16384})
    url = make(path, "token_estimation_v2_events", FIRST, EVENT)
    assert [file.path.rpartition(" ")[2] for file in read(url).files] == ["token_estimation_v2_events"]
    both = read(url, "token_estimation_v2_events", "llm_usage_events")
    assert [(file.path.rpartition(" ")[2], file.samples) for file in both.files] == [
        ("token_estimation_v2_events", 1),
        ("llm_usage_events", 1),
    ]


def test_the_real_database_gives_the_origins_figures():
    path = SHARED / "data" / "autopack_db" / "autopack.db"
    if not path.is_file():
        pytest.skip("the origin's real database is not at hand")
    samples = calls(read(f"sqlite:///{path}"))
    risk = [each for each in samples if each.success or each.truncated]
    under = [each for each in risk if each.truncated or each.output_tokens > (each.predicted_output_tokens or 0)]
    assert (len(samples), len(risk), len(under)) == (28, 25, 20)
    assert sum(each.truncated is True for each in samples) == 14
    usage = calls(read(f"sqlite:///{path}", "llm_usage_events"))
    assert (len(usage), {each.predicted_output_tokens for each in usage}) == (1371, {None})


def test_a_row_and_its_line_in_the_export_are_one_call(tmp_path):
    url = make(tmp_path / "autopack.db", "token_estimation_v2_events", LAST, {**EVENT, "actual_max_tokens": 16384})
    (tmp_path / "runs").mkdir()
    line = (
        '{"run_id": "run-1", "phase_id": "phase-2", "timestamp": "2025-12-24T01:55:10.435454", "category":'
        ' "documentation", "complexity": "low", "deliverable_count": 5, "deliverables": ["a.md"],'
        ' "predicted_output_tokens": 5200, "actual_output_tokens": %d, "selected_budget": 8192, "success": false,'
        ' "truncated": true, "stop_reason": "max_tokens", "model": "claude-sonnet-4-5", "smape_percent": 103.6}\n'
    )
    (tmp_path / "runs" / "export.ndjson").write_text(line % 16384 + line % 16000 + '{"run_id": "r"}\n[]\n')
    reading = read_directories([Directory(tmp_path / "runs", "runs")], ["*.ndjson"], databases=[Database(url_of(url))])
    assert (reading.duplicates, sorted(each.output_tokens for each in calls(reading))) == (1, [16000, 16384])
    assert reading.remarks == {}
    (first, _) = calls(reading)
    assert {name: getattr(first, name) for name in CALL} == CALL
    assert {reason: each.places for reason, each in reading.unusable.items()} == {
        "output_tokens is missing": ["runs/export.ndjson:3"],
        "a JSON document has a field of another type than its format says": ["runs/export.ndjson:4"],
    }


def test_rows_without_an_id_are_told_where_a_log_may_have_their_calls(tmp_path):
    """A log line of the origin has no id; a line of our own may have one, and so may a row."""
    one = make(tmp_path / "one.db", "calls", "call TEXT, output_tokens INTEGER", {"call": "x", "output_tokens": 5})
    told = []
    for line in (v2(), own_line(output_tokens=5), own_line(output_tokens=5, id="x")):
        (tmp_path / "a.log").write_text(f"{line}\n")
        for fields in ((), (("id", "call"),)):
            database = Database(url_of(one), ("calls",), fields=fields)
            reading = read_directories([Directory(tmp_path, "d")], ["*.log"], databases=[database])
            told.append(dict(reading.remarks))
    without = {"rows_without_id": 1}
    assert told == [without, {}, without, {}, {}, {}]


def test_the_real_export_has_seven_calls():
    path = SHARED / "data" / "autopack_db"
    if not path.is_dir():
        pytest.skip("the origin's real export is not at hand")
    reading = read_directories([Directory(path, "autopack_db")], ["*.ndjson"])
    assert (len(reading.samples), reading.unusable) == (7, {})


# Any table or query -----------------------------------------------------------------------------------------------

ANY = "key TEXT PRIMARY KEY, guess INTEGER, completion_tokens INTEGER, cap INTEGER, why TEXT, ok TEXT, at INTEGER"
ROW = {"key": "a", "guess": 900, "completion_tokens": 1000, "cap": 1000, "why": "length", "ok": "t", "at": 1735689600}
MAP = (("predicted_output_tokens", "guess"), ("max_tokens", "cap"), ("finish_reason", "why"), ("success", "ok"))


def test_a_field_map_reads_any_table_and_view(tmp_path):
    url = make(tmp_path / "own.db", "calls", ANY, ROW)
    with closing(sqlite3.connect(tmp_path / "own.db")) as connection:
        connection.execute("CREATE VIEW seen AS SELECT * FROM calls")
    fields = (*MAP, ("time", "at"), ("features", "cap"), ("features", "key"), ("id", "key"))
    for table in ("calls", "seen"):
        reading = read(url, table, fields=fields)
        (sample,) = calls(reading)
        said = (sample.predicted_output_tokens, sample.output_tokens, sample.max_tokens, sample.finish_reason)
        assert said == (900, 1000, 1000, "length")
        assert (sample.success, sample.truncated, sample.time) == (True, True, datetime(2025, 1, 1))
        assert sample.features == {"cap": "1000", "key": "a"}
        assert reading.place(reading.samples, 0) == f"{url}: {table}:1"


def test_a_query_reads_what_it_selects_and_its_signs_are_its_own(tmp_path):
    url = make(tmp_path / "own.db", "calls", ANY, ROW, {**ROW, "key": "b", "completion_tokens": 500})
    query = "WITH big AS (SELECT * FROM calls WHERE completion_tokens % 1000 = 0 AND key <> 'at 10 :no %s')"
    reading = read(url, query=f"{query} SELECT completion_tokens, guess AS predicted_tokens, 7 AS id FROM big")
    (sample,) = calls(reading)
    assert (sample.output_tokens, sample.predicted_output_tokens, sample.id) == (1000, 900, None)
    assert [file.path for file in reading.files] == [f"{url}: query"]


def test_a_row_of_a_table_without_key_is_known_by_sqlites_own(tmp_path):
    url = make(tmp_path / "own.db", "calls", "output_tokens INTEGER", *[{"output_tokens": n} for n in (1, 2, 3)])
    with closing(sqlite3.connect(tmp_path / "own.db")) as connection:
        connection.execute("DELETE FROM calls WHERE output_tokens = 2")
        connection.commit()
    assert read(url, "calls").samples.line.tolist() == [1, 3]


def test_equal_ids_of_calls_are_one_call_wherever_they_stand(tmp_path):
    one = make(tmp_path / "one.db", "calls", "call TEXT, output_tokens INTEGER", {"call": "x", "output_tokens": 5})
    two = make(tmp_path / "two.db", "calls", "call TEXT, output_tokens INTEGER", {"call": "x", "output_tokens": 5})
    databases = [Database(url_of(url), ("calls",), fields=(("id", "call"),)) for url in (one, two)]
    reading = read_directories([], [], databases=databases)
    assert (len(reading.samples), reading.duplicates) == (1, 1)
    keys = [Database(url_of(url), ("calls",)) for url in (one, two)]
    assert len(read_directories([], [], databases=keys).samples) == 2


@pytest.mark.parametrize("truncated", [None, True], ids=["all at once", "looked at"])
def test_a_row_and_a_log_line_with_one_id_are_one_call_and_each_adds_its_labels(tmp_path, truncated):
    """The line comes first and has a category. The row says that the task succeeded. The second row is another call."""
    rows = [{"call": id, "output_tokens": 5, "ok": 1, "kind": "tests"} for id in ("x", "y")]
    url = make(tmp_path / "one.db", "calls", "call TEXT, output_tokens INTEGER, ok INTEGER, kind TEXT", *rows)
    (tmp_path / "own.log").write_text(own_line(output_tokens=5, id="x", category="docs", truncated=truncated) + "\n")
    fields = (("id", "call"), ("success", "ok"), ("category", "kind"))
    database = Database(url_of(url), ("calls",), fields=fields)
    reading = read_directories([Directory(tmp_path, "d")], ["*.log"], databases=[database])
    assert [(each.category, each.success, each.truncated) for each in calls(reading)] == [
        ("docs", True, truncated),
        ("tests", True, None),
    ]
    assert reading.duplicates == 1


def test_more_rows_than_are_fetched_at_a_time_are_all_read(tmp_path):
    url = make(tmp_path / "own.db", "calls", "output_tokens INTEGER", *[{"output_tokens": n} for n in range(2500)])
    assert read(url, "calls").samples.output_tokens.tolist() == [*range(2500)]


# Values -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("output_tokens", Decimal(16384), 16384),
        ("output_tokens", Decimal("1.6384E+4"), 16384),
        ("output_tokens", 16384.0, 16384),
        ("output_tokens", "16384", 16384),
        ("predicted_output_tokens", "", None),
        ("budget_tokens", 0, None),
        *((("success"), value, True) for value in (True, 1, 1.0, "t", "TRUE", " yes ", "1", Decimal(1))),
        *((("success"), value, False) for value in (False, 0, "f", "False", "no", "0")),
        ("task_id", 17, "17"),
        *((name, "x" * 300, "x" * 256) for name in ("task_id", "run", "category")),
        ("task_id", UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        ("task_id", Decimal(12), "12"),
        ("category", "\ud800", "?"),
        ("smape", Decimal("12.5"), 12.5),
        ("smape", math.inf, None),
        ("smape", "12", None),
        ("time", datetime(2025, 1, 1, 2, tzinfo=UTC), datetime(2025, 1, 1, 2)),
        ("time", "2025-01-01 04:00:00+02", datetime(2025, 1, 1, 2)),
        ("time", "2025-01-01T02:00:00", datetime(2025, 1, 1, 2)),
        ("time", 1735696800, datetime(2025, 1, 1, 2)),
        ("time", Decimal("1735696800.5"), datetime(2025, 1, 1, 2, 0, 0, 500000)),
        ("time", 1735696800000, datetime(2025, 1, 1, 2)),
        ("time", 1735696800000000, datetime(2025, 1, 1, 2)),
        ("time", 1735696800000000000, datetime(2025, 1, 1, 2)),
        *(("time", value, None) for value in ("infinity", "2025-13-01", "soon", -1, 0, math.nan, 10**30, b"x", True)),
        ("features", math.pi, {"features": str(math.pi)}),
        ("features", b"\0", {}),
    ],
)
def test_a_value_is_read_in_each_form_that_databases_have(field, value, said):
    names = ("output_tokens", field) if field != "output_tokens" else ("output_tokens",)
    found = layout(names, ((field, field),)).read((1, value) if len(names) == 2 else (value,))
    assert getattr(found.sample, field) == said


@pytest.mark.parametrize(
    ("field", "value", "why"),
    [
        *(("output_tokens", value, "output_tokens is missing") for value in (None, "")),
        *(
            ("output_tokens", value, "output_tokens is not a whole number")
            for value in (
                "many",
                "1e3",
                1.5,
                math.nan,
                math.inf,
                b"12",
                memoryview(b"12"),
                True,
                Decimal("NaN"),
                "9" * 12,
            )
        ),
        *(("output_tokens", value, "output_tokens is negative") for value in (-1, Decimal(-5))),
        *(
            ("output_tokens", value, "output_tokens is too large")
            for value in (10**9 + 1, 2**70, 1e300, Decimal("1E+15"))
        ),
        ("output_tokens", Decimal("1E+999999"), "output_tokens is not a whole number"),
        ("output_tokens", Decimal("sNaN"), "output_tokens is not a whole number"),
        ("predicted_output_tokens", "x", "predicted_output_tokens is not a whole number"),
        *(("success", value, "success is not true, false or null") for value in (2, -1, "maybe", b"1", math.nan)),
        *(("category", value, "category is not a text") for value in (b"docs", True, ["docs"])),
    ],
)
def test_a_value_that_cannot_be_is_refused_with_its_reason(field, value, why):
    names = ("output_tokens", field) if field != "output_tokens" else ("output_tokens",)
    with pytest.raises(RecordError, match=f"^{why}$"):
        layout(names).read((1, value) if len(names) == 2 else (value,))


def test_hostile_rows_are_counted_and_the_others_read(tmp_path):
    hostile = [-1, "many", None, b"\xff", 10**12, 1.5, 12]
    columns = "id INTEGER PRIMARY KEY, output_tokens, category"
    events = [{"id": n, "output_tokens": value, "category": "docs"} for n, value in enumerate(hostile, 1)]
    url = make(tmp_path / "own.db", "calls", columns, *events)
    with closing(sqlite3.connect(tmp_path / "own.db")) as connection:
        connection.execute("UPDATE calls SET category = CAST(x'646fff' AS TEXT) WHERE id = 7")
        connection.commit()
    reading = read(url, "calls")
    (sample,) = calls(reading)
    assert (sample.output_tokens, sample.category) == (12, "do�")
    assert {reason: each.count for reason, each in reading.unusable.items()} == {
        "output_tokens is negative": 1,
        "output_tokens is not a whole number": 3,
        "output_tokens is missing": 1,
        "output_tokens is too large": 1,
    }
    assert reading.unusable["output_tokens is missing"].places == [f"{url}: calls:3"]


@pytest.mark.parametrize(
    ("names", "chosen", "why"),
    [
        (("a", "b"), (), r"no column for output_tokens \(there are a, b; add --token-telemetry-db-field=output_tokens"),
        (("output_tokens",), (("time", "at"),), r"no column at for time \(there are output_tokens\)"),
        (tuple("abcdefghijklmn"), (), r"\(there are a, b, c, d, e, f, g, h, i, j, k, l \.\.\.;"),
    ],
)
def test_columns_that_are_missing_are_named(names, chosen, why):
    with pytest.raises(LayoutError, match=why):
        layout(names, chosen)


# What cannot be read ----------------------------------------------------------------------------------------------


def test_a_table_without_rows_has_nothing(tmp_path):
    reading = read(make(tmp_path / "own.db", "llm_usage_events", "completion_tokens INTEGER"))
    assert (reading.count("table"), reading.empty_tables, reading.nothing_known) == (1, 1, 0)


def test_a_table_that_is_missing_is_told_beside_the_others(tmp_path):
    make(tmp_path / "own.db", '"my.calls"', "output_tokens INTEGER", {"output_tokens": 6})
    url = make(tmp_path / "own.db", "calls", "output_tokens INTEGER", {"output_tokens": 5})
    hostile = 'calls"; DROP TABLE calls; --'
    reading = read(url, "main.calls", "tools", "my.calls", hostile)
    assert reading.samples.output_tokens.tolist() == [5, 6]
    assert reading.unreadable == dict.fromkeys(
        (f"{url}: tools", f"{url}: {hostile}"),
        "there is no such table or view (it has calls, my.calls)",
    )


def test_what_is_there_is_named_where_no_table_is_known(tmp_path):
    url = make(tmp_path / "own.db", "calls", "output_tokens INTEGER")
    assert error(read(url)) == (
        "neither token_estimation_v2_events nor llm_usage_events is there (it has calls; add"
        " --token-telemetry-db-table=NAME)"
    )


def test_a_file_that_is_none_or_no_database_is_told(tmp_path):
    assert error(read(f"sqlite:///{tmp_path}/none.db")) == "there is no such file"
    assert not (tmp_path / "none.db").exists()
    (tmp_path / "text.db").write_text("no database\n" * 100)
    assert error(read(f"sqlite:///{tmp_path}/text.db")) == "file is not a database"


def test_a_row_that_breaks_the_answer_leaves_those_before_it(tmp_path):
    numbers = [{"output_tokens": n} for n in range(1500)]
    url = make(tmp_path / "own.db", "calls", "output_tokens INTEGER", *numbers)
    broken = "abs(CASE WHEN output_tokens = 1400 THEN -9223372036854775807 - 1 ELSE 0 END)"
    reading = read(url, query=f"SELECT output_tokens, {broken} FROM calls")
    assert error(reading) == "integer overflow"
    assert reading.count("table") == 1
    assert len(reading.samples) in range(1000, 1400)  # those that the driver had fetched


@pytest.mark.parametrize(
    "statement",
    ["WITH x AS (SELECT 1) DELETE FROM calls", "WITH x AS (SELECT 1) INSERT INTO calls SELECT 1"],
)
def test_nothing_is_written(tmp_path, statement):
    url = make(tmp_path / "own.db", "calls", "output_tokens INTEGER", {"output_tokens": 5})
    before = (tmp_path / "own.db").read_bytes()
    assert "readonly" in error(read(url, query=statement))
    assert (tmp_path / "own.db").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["own.db"]


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("sqlite://", "sqlite://: it names no file"),
        ("sqlite:///:memory:", "it names no file"),
        ("nosuch://u:secret@host/db", "nosuch://u@host/db: SQLAlchemy knows no such database"),
        ("postgresql+pg8000://u:secret@host/db", "pg8000 is not installed"),
        ("sqlite+aiosqlite:///x.db", "aiosqlite is not installed"),
        ("postgresql+psycopg_async://u:secret@host/db", "its driver psycopg is an asynchronous one"),
    ],
)
def test_a_url_that_no_driver_takes_is_refused_without_its_password(url, why):
    with pytest.raises(DatabaseError) as refused:
        refuse_unusable([Database(url_of(url))])
    assert why in str(refused.value)
    assert "secret" not in str(refused.value)


def test_a_driver_that_repeats_the_password_does_not_bring_it_out():
    url = "postgresql+psycopg://me:s3cret%2Fword@127.0.0.1:1/db?application_name=s3cret/word&sslmode=s3cret%2Fword"
    reading = read(url)
    assert [*reading.unreadable] == ["postgresql+psycopg://me@127.0.0.1:1/db"]
    assert 'invalid sslmode value: "***"' in error(reading)


# PostgreSQL -------------------------------------------------------------------------------------------------------


@pytest.fixture
def postgres() -> str:
    """The URL of a PostgreSQL server with nothing in it that matters."""
    url = os.environ.get("TOKEN_TELEMETRY_POSTGRES")
    if not url:
        pytest.skip("no PostgreSQL server: TOKEN_TELEMETRY_POSTGRES is not set")
    return url


def test_a_real_server_gives_what_its_types_hold(postgres):
    sqlalchemy = pytest.importorskip("sqlalchemy")
    columns = FIRST.replace("INTEGER PRIMARY KEY AUTOINCREMENT", "SERIAL PRIMARY KEY").replace("DEFAULT 0", "")
    more = {"success": False, "truncated": True}
    times = {"timestamp": "2025-12-24 03:55:10.435454+02"}, {"timestamp": "infinity"}
    schema = f"calls_{os.getpid()}"
    engine = sqlalchemy.create_engine(postgres)
    try:
        with engine.begin() as connection:
            connection.exec_driver_sql(f"CREATE SCHEMA {schema}")
            columns = columns.replace("timestamp TIMESTAMP", "timestamp TIMESTAMPTZ")
            columns = columns.replace("predicted_output_tokens INTEGER", "predicted_output_tokens NUMERIC")
            connection.exec_driver_sql(f"CREATE TABLE {schema}.events ({columns})")
            for n, time in enumerate(times, 1):
                event = {**EVENT, **more, **time, "event_id": n * 100}
                marks = ", ".join(f"%({name})s" for name in event)
                insert = f"INSERT INTO {schema}.events ({', '.join(event)}) VALUES ({marks})"
                connection.exec_driver_sql(insert, event)
            connection.exec_driver_sql(
                f"CREATE TABLE {schema}.many AS SELECT n AS completion_tokens FROM generate_series(1, 2500) AS n"
            )
        reading = read(postgres, f"{schema}.events", f"{schema}.many")
        first, second, *many = calls(reading)
        assert {name: getattr(first, name) for name in CALL} == CALL
        assert (second.time, second.output_tokens) == (None, 16384)
        assert sorted(each.output_tokens for each in many) == [*range(1, 2501)]
        assert reading.place(reading.samples, 1).endswith(f"{schema}.events:200")
        assert reading.unreadable == {}
        for query in (
            f"WITH x AS (DELETE FROM {schema}.many RETURNING 1) SELECT 1 AS output_tokens",
            f"SELECT setval('{schema}.events_event_id_seq', 1) AS output_tokens",
        ):
            assert read(postgres, query=query).unreadable != {}
        signs = "SELECT 5 AS output_tokens WHERE 'a%b' LIKE 'a%' AND ' :x %s' <> '%(x)s'"
        assert [each.output_tokens for each in calls(read(postgres, query=signs))] == [5]
        last = f"SELECT last_value AS output_tokens FROM {schema}.events_event_id_seq"
        assert [each.output_tokens for each in calls(read(postgres, query=last))] == [1]
        assert len(read(postgres, f"{schema}.many").samples) == 2500
    finally:
        with engine.begin() as connection:
            connection.exec_driver_sql(f"DROP SCHEMA IF EXISTS {schema} CASCADE")
        engine.dispose()


def test_a_real_server_refuses_a_wrong_password_and_nobody_repeats_it(postgres):
    sqlalchemy = pytest.importorskip("sqlalchemy")
    wrong = sqlalchemy.make_url(postgres).set(password="wr0ng/word").render_as_string(hide_password=False)
    reading = read(wrong)
    assert "password authentication failed" in error(reading)
    assert "wr0ng" not in f"{reading.unreadable}"


def test_columns_that_no_field_takes_are_told_with_the_field_that_they_may_be(tmp_path: Path) -> None:
    """By their names and types: no value of them is read. The key of the rows is none of them."""
    file = tmp_path / "calls.db"
    with closing(sqlite3.connect(file)) as there:
        there.execute(
            "create table jobs(pk integer primary key, kind text, guess int, tok_limit int, rate_limit int, used int,"
            " ended text, cap text, sucess int, finish_reason text, reason text)"
        )
        there.execute("insert into jobs values(1, 'x', 5, 9, 1, 4, 'stop', 'a', 1, 'stop', 'b')")
        there.commit()
    fields = (("output_tokens", "used"),)
    url = url_of(f"sqlite:///{file}")
    table = read_directories([], [], databases=[Database(url, tables=("jobs",), fields=fields)])
    told = [
        ("cap", "", 1),
        ("ended", "", 1),
        ("guess", "predicted_output_tokens", 1),
        ("kind", "", 1),
        ("rate_limit", "", 1),
        ("reason", "", 1),
        ("sucess", "success", 1),
        ("tok_limit", "max_tokens", 1),
    ]
    assert table.unused_columns == tuple(UnusedColumn(*each, "table") for each in told)
    query = "select used, kind, guess, tok_limit from jobs"
    asked = read_directories([], [], databases=[Database(url, query=query, fields=fields)])
    names = [each for each in told if each[0] in query]
    assert asked.unused_columns == tuple(UnusedColumn(*each, "table") for each in names)


def test_the_origins_own_tables_have_no_column_to_map(tmp_path: Path) -> None:
    file = tmp_path / "autopack.db"
    with closing(sqlite3.connect(file)) as there:
        there.execute(f"create table token_estimation_v2_events({LAST})")
        there.commit()
    assert read_directories([], [], databases=[Database(url_of(f"sqlite:///{file}"))]).unused_columns == ()
