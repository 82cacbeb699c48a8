"""Read calls from databases: the origin's tables, or any table or query with a column for each field.

SQLAlchemy speaks to all of them: this is imported only where a database is named. Rows are streamed, in a transaction
that only reads. What a driver says is searched for passwords before it leaves this module.
"""

from __future__ import annotations

import sqlite3
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote, quote_plus

import sqlalchemy
from sqlalchemy import Text, cast, column, false, inspect, literal_column, make_url, select
from sqlalchemy.exc import ArgumentError, NoSuchModuleError
from sqlalchemy.pool import NullPool

from pytest_token_telemetry.sample import FIELDS
from pytest_token_telemetry.sources.call_records import LayoutError, layout
from pytest_token_telemetry.sources.extract import Extract, FileRead
from pytest_token_telemetry.sources.field_names import likely
from pytest_token_telemetry.sources.merge import Origin
from pytest_token_telemetry.sources.own_format import field_meant
from pytest_token_telemetry.sources.places import Place
from pytest_token_telemetry.sources.rows import Rows
from pytest_token_telemetry.sources.tagged.records import RecordError
from pytest_token_telemetry.text import inert

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sqlalchemy import URL, ColumnElement, Connection, CursorResult, Engine, Inspector, Select
    from sqlalchemy.types import TypeEngine

    from pytest_token_telemetry.option_types import DatabaseUrl
    from pytest_token_telemetry.sample import Kind
    from pytest_token_telemetry.sources.call_records import Layout

KNOWN = ("token_estimation_v2_events", "llm_usage_events")
"""The origin's tables. By default only the first that is there is read: the second tells of the same calls."""

ROLES = {"llm_usage_events": "role"}
"""Which column says what kind of call it was, by the name of the table."""

AT_ONCE = 1000
"""Rows that are fetched at a time."""

CONNECTING = 15
"""Seconds in which a server has to answer, where the driver can be told so."""

_TIMEOUTS = dict.fromkeys(("psycopg", "psycopg2", "pymysql", "mysqldb"), "connect_timeout")


class DatabaseError(Exception):
    """Why a database cannot be read, in one sentence."""


@dataclass(frozen=True, slots=True)
class Database:
    """A database, and what to read there."""

    url: DatabaseUrl
    tables: tuple[str, ...] = ()
    """Without any and without a query: one of `KNOWN`."""
    query: str | None = None
    fields: tuple[tuple[str, str], ...] = ()
    """Fields of ours, each with the name of its column."""


def refuse_unusable(databases: Sequence[Database]) -> None:
    """Refuse a URL that no driver here can take, before anybody is asked for rows.

    Raises:
        DatabaseError: in one sentence that begins with the URL as it may be shown.
    """
    for database in databases:
        try:
            with _engine(database.url):
                pass
        except DatabaseError as error:
            raise DatabaseError(f"{database.url.shown}: {error}") from None


def read_database(
    database: Database, *, keep_ids: bool = False, keep_keys: bool = False
) -> tuple[Extract, list[Origin]]:
    """Read the calls in ``database``. What cannot be read is a file of the extract too, with the reason.

    A table is a file, shown as the URL and the table's name. The line of a sample is the key of its row, if that is a
    whole number above 0, or else its place in the answer.
    """
    shown, rows = database.url.shown, Rows(keeps_keys=keep_keys)
    found: list[tuple[str, FileRead]] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of types that SQLAlchemy does not know: they are not asked for
        try:
            with _engine(database.url) as engine:
                for table in _tables(engine, database):
                    found.append((f"{shown}: {table}", _read(engine, database, table, rows)))  # noqa: PERF401 - one fails
                if database.query is not None:
                    found.append((f"{shown}: query", _read(engine, database, None, rows)))
        except Exception as error:  # a driver may raise anything
            found.append((shown, FileRead(opened=False, error=_reason(error, database.url))))
    samples, identities, absorbed = rows.build(complete=(), keep_ids=keep_ids)
    extract = Extract(
        files=tuple(file for _, file in found),
        samples=samples,
        identities=identities,
        absorbed=absorbed,
        complaints=rows.complaints(),
        unusable_keys=rows.unusable_keys(),
        places=dict(rows.places),
    )
    return extract, [Origin(name, name, name, "table") for name, _ in found]


def _tables(engine: Engine, database: Database) -> Sequence[str]:
    """The names of the tables to read.

    Raises:
        DatabaseError: none was named, and none is known.
    """
    if database.tables or database.query is not None:
        return database.tables
    there = inspect(engine)
    for name in KNOWN:
        if there.has_table(name):
            return (name,)
    raise DatabaseError(
        f"neither {' nor '.join(KNOWN)} is there ({_what_has(there)}; add --token-telemetry-db-table=NAME)"
    )


_SHOWN = 8
"""Tables that an error lists."""


def _what_has(there: Inspector) -> str:
    """What a database has, for errors."""
    names = there.get_table_names()
    return f"it has {', '.join(names[:_SHOWN])}{' ...' if len(names) > _SHOWN else ''}" if names else "it has no table"


def _read(engine: Engine, database: Database, table: str | None, rows: Rows) -> FileRead:
    """Read one table, or without one the query."""
    rows.begin_file()
    is_answered = False
    try:
        with engine.connect() as connection:
            answer = _asked(connection, database, table)
            is_answered = True
            rows.places.update(Place("column", "", field, name, "table") for name, field in answer.unused.items())
            for number, values in enumerate(chain.from_iterable(answer.rows.partitions()), 1):
                key = values[answer.key] if answer.key is not None else None
                line = key if isinstance(key, int) and key > 0 else number
                try:
                    read = answer.layout.read(values)
                except RecordError as error:
                    rows.refuse(error, line)
                else:
                    rows.add(read.sample, read.identity, line, own=read.sample.id is not None)
    except Exception as error:  # a driver may raise anything
        return FileRead(is_answered, _reason(error, database.url))
    return FileRead(opened=True)


class _Answer(NamedTuple):
    """What a database answers."""

    rows: CursorResult[Any]
    layout: Layout
    key: int | None
    """The place of the row's key."""
    unused: Mapping[str, str]
    """The columns that nothing is read from, each with the field that it may be or nothing."""


def _asked(connection: Connection, database: Database, table: str | None) -> _Answer:
    """Ask for all rows, of a table with those columns alone that a field or the key is read from.

    Raises:
        DatabaseError: there is no such table.
        LayoutError: it has not the columns that are needed.
    """
    dialect = connection.dialect.name
    connection = connection.execution_options(stream_results=True, yield_per=AT_ONCE)
    if dialect == "postgresql":
        connection = connection.execution_options(postgresql_readonly=True)
    if table is None:
        connection = connection.execution_options(no_parameters=True)  # its % and : are its own
        rows = connection.exec_driver_sql(database.query or "")
        found = layout(tuple(rows.keys()), database.fields)
        return _Answer(rows, found, None, _unused(found, dict.fromkeys(rows.keys())))
    there = inspect(connection.engine)
    schema, _, name = ("", "", table) if there.has_table(table) else table.rpartition(".")
    if not there.has_table(name, schema=schema or None):
        raise DatabaseError(f"there is no such table or view ({_what_has(there)})")
    source = sqlalchemy.table(name, schema=schema or None)
    nothing: Select[Any] = select(literal_column("*")).select_from(source).where(false())
    with connection.execute(nothing) as empty:
        all_names = tuple(empty.keys())
    found = layout(all_names, database.fields, ROLES.get(name))
    keys = there.get_pk_constraint(name, schema=schema or None)["constrained_columns"]
    key = keys[0] if len(keys) == 1 else None
    if not keys and dialect == "sqlite" and name not in there.get_view_names():
        key = "rowid"
    names = [each for each in all_names if each in found.used or each == key]
    if key == "rowid":
        names.append(key)
    asked = (_column(each, dialect, each in found.times) for each in names)
    rows = connection.execute(select(*asked).select_from(source))
    types = {each["name"]: each["type"] for each in there.get_columns(name, schema=schema or None)}
    unused = {} if name in KNOWN else _unused(found, {each: types.get(each) for each in all_names if each != key})
    found = layout(tuple(names), database.fields, ROLES.get(name))
    return _Answer(rows, found, None if key is None else names.index(key), unused)


def _unused(found: Layout, types: Mapping[str, TypeEngine[Any] | None]) -> dict[str, str]:
    """The names that nothing is read from, each with the field that it may be by its type, or nothing.

    ``types``: those of all names, ``None`` where they are not known.
    """
    taken = {field for field, *_ in found.fields}

    def field_of(name: str, sql_type: TypeEngine[Any] | None) -> str:
        field = field_meant(name) or likely([name])
        return field if field in _NEEDED - taken and _may_be(FIELDS[field].kind, sql_type) else ""

    return {name: field_of(name, sql_type) for name, sql_type in types.items() if name not in found.used}


_NEEDED = frozenset({"predicted_output_tokens", "max_tokens", "finish_reason", "truncated", "success"}) | {
    *("category", "complexity", "deliverable_count")
}
"""Fields that a verdict needs."""


def _may_be(kind: Kind, sql_type: TypeEngine[Any] | None) -> bool:
    """Whether a column of this ``sql_type`` may hold what a field of this ``kind`` does."""
    try:
        held = None if sql_type is None else sql_type.python_type
    except NotImplementedError:
        held = None
    return held is None or (issubclass(held, str) if kind in ("name", "reason") else not issubclass(held, str))


def _column(name: str, dialect: str, is_time: bool) -> ColumnElement[Any]:
    """How to ask for a column. PostgreSQL has times that no ``datetime`` can be: as texts they are just unknown."""
    asked: ColumnElement[Any] = column(name)
    return cast(asked, Text).label(name) if dialect == "postgresql" and is_time else asked


@contextmanager
def _engine(url: DatabaseUrl) -> Iterator[Engine]:
    """What connects to the database at ``url``.

    Raises:
        DatabaseError: nothing here can.
    """
    try:
        parsed = make_url(url.url)
        engine = _engine_of(parsed)
    except NoSuchModuleError:
        raise DatabaseError("SQLAlchemy knows no such database (install its dialect)") from None
    except ModuleNotFoundError as error:
        driver = error.name or "its driver"
        raise DatabaseError(f"{driver} is not installed (install it, or {_OTHER_DRIVER})") from None
    except (ArgumentError, ValueError, TypeError):
        raise DatabaseError("SQLAlchemy does not understand this URL") from None
    if engine.dialect.is_async:
        raise DatabaseError(f"its driver {engine.dialect.driver} is an asynchronous one ({_OTHER_DRIVER})")
    try:
        yield engine
    finally:
        engine.dispose()


_OTHER_DRIVER = "name another driver, as postgresql+psycopg:// does"


def _engine_of(url: URL) -> Engine:
    driver = url.get_driver_name()
    if url.get_backend_name() == "sqlite" and driver == "pysqlite":
        path = Path((url.database or "").removeprefix("file:"))
        if url.database in (None, "", ":memory:") or url.host:
            raise DatabaseError("it names no file (write sqlite:///calls.db)")
        return sqlalchemy.create_engine("sqlite://", creator=lambda: _sqlite(path), poolclass=NullPool)
    timeout = _TIMEOUTS.get(driver)
    arguments = {timeout: CONNECTING} if timeout is not None and timeout not in url.query else {}
    return sqlalchemy.create_engine(url, poolclass=NullPool, connect_args=arguments)


def _sqlite(path: Path) -> sqlite3.Connection:
    """A connection that can read the file at ``path`` and nothing else, and takes texts of any bytes."""
    if not path.is_file():
        raise DatabaseError("there is no such file")
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
    connection.text_factory = lambda text: text.decode("utf-8", "replace")
    connection.execute("PRAGMA query_only = ON")
    return connection


def _reason(error: Exception, url: DatabaseUrl) -> str:
    """What ``error`` says, without what ``url`` may keep secret."""
    if isinstance(error, (DatabaseError, LayoutError)):
        return str(error)
    said = str(getattr(error, "orig", None) or error).strip() or type(error).__name__
    for secret in _secrets(url):
        said = said.replace(secret, "***")
    return inert(" ".join(said.split()), _LONGEST)


_LONGEST = 300
"""Characters of what a driver says."""


def _secrets(url: DatabaseUrl) -> Sequence[str]:
    """The texts in ``url`` that nobody may see, the longest first: its password and the values of its parameters."""
    parsed = make_url(url.url)
    parameters = ([each] if isinstance(each, str) else each for each in parsed.query.values())
    plain = [str(each) for each in (parsed.password, *chain.from_iterable(parameters)) if each]
    every = {url.url, *plain, *map(quote, plain), *map(quote_plus, plain)}
    return sorted(every, key=len, reverse=True)
