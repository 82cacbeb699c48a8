"""A map that a user writes: which files it is for, which records are calls, and where the fields of a call stand.

It is read from a table of TOML, and each mistake is one sentence. `mapped` reads files by it.
"""

from __future__ import annotations

import os
import re
import tomllib
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

from pytest_token_telemetry.option_types import format_name, glob
from pytest_token_telemetry.sample import FIELDS, FinishReason, finish_reason
from pytest_token_telemetry.sources.call_records import Layout
from pytest_token_telemetry.sources.tagged.records import RecordError
from pytest_token_telemetry.text import listing, meant

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

Format: TypeAlias = Literal["json", "csv", "text"]

Steps: TypeAlias = tuple[str, ...]
"""A dotted path: the keys of objects and the places in lists on the way to a value."""

Scalar: TypeAlias = str | int | float | bool

_TABLES = "sources"
SECTION = f"tool.token-telemetry.{_TABLES}"
"""The table of TOML that holds the maps by their names."""

REST = "*"
"""In a value map: any other value."""


class MapError(Exception):
    """A mistake in a map, in one sentence that begins with the place of the mistake."""


@dataclass(frozen=True, slots=True)
class Lookup:
    """Where a value stands in a record."""

    paths: tuple[Steps, ...]
    """The first that leads to a value counts."""
    values: Mapping[str, Scalar] | None = None
    """What a value there means, by its text: see `as_text`."""
    constant: Scalar | None = None
    """The value where no path leads to one."""


@dataclass(frozen=True, slots=True)
class Join:
    """A side file with what was predicted of the calls: see `side_files`."""

    path: str
    """To open."""
    shown: str
    label: str
    """Where it was named, for errors."""
    on: Steps
    """Where a record has the id."""
    key: str = ""
    """What the rows of the side file call the id; empty: one of the names that all side files may use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldMap:
    """One map."""

    name: str
    files: tuple[str, ...]
    """Patterns, as of ``--token-telemetry-pattern``."""
    format: Format = "json"
    expression: str = ""
    """Of a text: the regular expression whose named groups are the values of a line."""
    records: Steps = ()
    """Of JSON: where a document holds its list of records, if it is none itself."""
    where: tuple[tuple[Steps, tuple[str, ...]], ...] = ()
    """A record is a call if each path leads to one of its values, by their texts."""
    fields: Mapping[str, Lookup]
    features: Mapping[str, Lookup]
    join: Join | None = None

    def layout(self) -> Layout:
        """How the values of `lookups`, in that order, become a call."""
        names = [*self.fields]
        return Layout(
            fields=tuple((name, FIELDS[name].kind, (place,)) for place, name in enumerate(names)),
            features=tuple((name, place) for place, name in enumerate(self.features, len(names))),
            used=frozenset(),
            times=frozenset(),
        )

    @property
    def lookups(self) -> tuple[Lookup, ...]:
        """Where the values stand: those of the fields, then those of the features."""
        return (*self.fields.values(), *self.features.values())

    def shown(self, lookup: Lookup) -> str:
        """The paths of ``lookup`` as the map writes them; nothing if it has none."""
        paths = [*map(self.written, lookup.paths)]
        return listing(paths, last="or") if paths else ""

    @property
    def shown_where(self) -> str:
        """The paths of `where` as the map writes them; nothing if it has none."""
        return listing([self.written(steps) for steps, _ in self.where]) if self.where else ""

    def written(self, steps: Steps) -> str:
        """A path as the map writes it."""
        return dotted(steps) if self.format == "json" else steps[0]

    @property
    def names(self) -> tuple[str, ...]:
        """What a map calls these."""
        return (*self.fields, *(f"features.{name}" for name in self.features))


def maps_in(file: Path, shown: str) -> list[FieldMap]:
    """The maps in a TOML file, which errors call ``shown``.

    Raises:
        MapError: the file cannot be read, or has a mistake.
    """
    try:
        text = file.read_text(encoding="utf-8")
        table: object = tomllib.loads(text)
    except OSError as error:
        raise MapError(f"{shown} cannot be read: {error.strerror or error} (name a TOML file of maps)") from None
    except ValueError as error:  # no UTF-8, or no TOML
        raise MapError(f"{shown} is not a TOML file: {error}") from None
    _refuse_other_spelling(table, shown)
    for key in SECTION.split("."):
        if key == _TABLES and isinstance(table, dict):
            _refuse_other_tables(table, shown)
        table = table.get(key, {}) if isinstance(table, dict) else {}
    if not isinstance(table, dict):
        raise MapError(f"{shown}: {SECTION} is not a table (write [{SECTION}.NAME])")
    return [field_map(name, value, f"{shown}: {SECTION}.{name}", file.parent) for name, value in table.items()]


def _refuse_other_spelling(table: object, shown: str) -> None:
    """Refuse our table by a name that nobody else has: with other signs between its words, or the package's name."""
    _, ours, _ = SECTION.split(".")
    tools = table.get("tool") if isinstance(table, dict) else None
    for name in tools if isinstance(tools, dict) else ():
        way_out = {
            ours: f"write tool.{ours}",
            f"pytest-{ours}": f"settings stand in [tool.pytest.ini_options], maps in [{SECTION}.NAME]",
        }.get(name.replace("_", "-").lower())
        if name != ours and way_out is not None:
            raise MapError(f"{shown}: tool.{name}: there is no such table ({way_out})")


def _refuse_other_tables(tables: Mapping[str, object], shown: str) -> None:
    from pytest_token_telemetry.option import ini_key  # needs pytest, which processes that only read do without

    for name in tables:
        if name != _TABLES:
            near = meant(name, [_TABLES])
            setting = ini_key(name.replace("-", "_").removeprefix("token_telemetry_"))
            way_out = near or f"settings stand in [tool.pytest.ini_options], such as {setting}"
            raise MapError(f"{shown}: {SECTION.removesuffix(_TABLES)}{name}: there is no such table ({way_out})")


def field_map(name: str, table: object, label: str, directory: Path | None = None) -> FieldMap:
    """The map that a ``table`` of TOML says. Errors begin with ``label``; paths of files are from ``directory``.

    Raises:
        MapError: the table has a mistake.
    """
    if not _is_name(name):
        raise MapError(f"{label}: {name!r} is not a name of a map (write lower-case letters, digits, '_' and '-')")
    if not isinstance(table, dict):
        raise MapError(f"{label} is not a table (write [{SECTION}.{name}])")
    _refuse_unknown(table, _KEYS, label)
    kind = _format(table, label)
    expression, groups = _expression(table, label) if kind == "text" else ("", ())
    parse = _Parser(kind, groups)
    records = table.get("records")
    if records is not None and kind != "json":
        raise MapError(f"{label}.records: a file of format {kind} has no lists of records (remove it)")
    said = table.get("fields", {group: group for group in groups if group in FIELDS})
    fields = dict(_lookups(said, parse, f"{label}.fields"))
    features = {} if not isinstance(said, dict) else said.get("features", {})
    output = fields.get("output_tokens")
    if output is None or not output.paths:
        raise MapError(
            f'{label}.fields: no path for output_tokens, without which there is no call (add output_tokens = "PATH")'
        )
    return FieldMap(
        name=name,
        files=_files(table, label),
        format=kind,
        expression=expression,
        records=() if records is None else parse.steps(records, f"{label}.records"),
        where=tuple(_where(table.get("where", {}), parse, f"{label}.where")),
        fields=fields,
        features=dict(_features(features, parse, f"{label}.fields.features")),
        join=_join(table["join"], parse, f"{label}.join", directory) if "join" in table else None,
    )


def _is_name(text: str) -> bool:
    try:
        return format_name(text) == text
    except ValueError:
        return False


_KEYS = ("files", "format", "expression", "records", "where", "fields", "join")
_LOOKUP_KEYS = ("path", "values", "value")


def as_text(value: object) -> str | None:
    """How a map writes a plain ``value``: ``true``, ``200``, ``stop``. ``None`` if it is not plain, or not given."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value) if isinstance(value, (str, int, float)) else None


def may_be(name: str, value: object) -> bool:
    """Whether the field ``name`` can be ``value``."""
    return _fault(name, value) is None


def dotted(steps: Steps) -> str:
    """A path as a map writes it."""
    return ".".join(step if _BARE.fullmatch(step) else f'"{step}"' for step in steps)


_BARE = re.compile(r'[^."\s]+')
_STEP = re.compile(r'(?:"([^"]+)"|([^."\s]+))(?:\.(?=.)|\Z)')


@dataclass(frozen=True, slots=True)
class _Parser:
    """Reads paths in records of one format."""

    format: Format
    groups: Sequence[str]

    def steps(self, text: object, label: str) -> Steps:
        """The path that ``text`` says: in JSON a dotted one, else the name of a column or group."""
        if not isinstance(text, str) or not text:
            raise MapError(f"{label}: {text!r} is not a path (write {_EXAMPLES[self.format]})")
        if self.format == "json":
            found: list[str] = []
            at = 0
            while at < len(text):
                match = _STEP.match(text, at)
                if match is None:
                    raise MapError(
                        f"{label}: {text!r} is not a path (write {_EXAMPLES['json']}, and a key with dots or blanks in"
                        " double quotes: 'attributes.\"gen_ai.usage\"')"
                    )
                found.append(match[1] or match[2])
                at = match.end()
            return tuple(found)
        if self.format == "text" and text not in self.groups:
            raise MapError(f"{label}: the expression has no group {text!r} (it has {listing(self.groups)})")
        return (text,)


_EXAMPLES: Mapping[Format, str] = {
    "json": '"usage.completion_tokens"',
    "csv": "the name of a column",
    "text": "the name of a group of the expression",
}


def _refuse_unknown(table: Mapping[str, object], known: Sequence[str], label: str) -> None:
    for key in table:
        if key not in known:
            way_out = meant(key, known) or f"write {listing(known, last='or')}"
            raise MapError(f"{label}.{key}: there is no such key ({way_out})")


def _format(table: Mapping[str, object], label: str) -> Format:
    given = table.get("format", "text" if "expression" in table else "json")
    for known in get_args(Format):
        if given == known:
            if "expression" in table and known != "text":
                raise MapError(f'{label}.expression: it is for texts alone (remove it, or write format = "text")')
            return known  # type: ignore[no-any-return] # one of them
    raise MapError(f"{label}.format: {given!r} is not a format of a map (write {listing(get_args(Format), last='or')})")


def _files(table: Mapping[str, object], label: str) -> tuple[str, ...]:
    given = table.get("files")
    patterns = [given] if isinstance(given, str) else given
    if not isinstance(patterns, list) or not patterns or not all(isinstance(each, str) for each in patterns):
        what = "it is missing" if given is None else f"{given!r} is not a list of patterns"
        raise MapError(f'{label}.files: {what} (write files = ["*.jsonl"])')
    try:
        return tuple(map(glob, patterns))
    except ValueError as error:
        raise MapError(f"{label}.files: {error}") from None


def _expression(table: Mapping[str, object], label: str) -> tuple[str, Sequence[str]]:
    expression = table.get("expression")
    example = "write expression = 'used=(?P<output_tokens>\\d+) of (?P<max_tokens>\\d+)'"
    if not isinstance(expression, str):
        raise MapError(f"{label}.expression: it is missing ({example})")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            groups = [*re.compile(expression).groupindex]
    except (re.error, RecursionError, OverflowError) as error:
        raise MapError(f"{label}.expression: {expression!r} is not a regular expression: {error}") from None
    if "\0" in expression:  # no argument of a process can have one
        raise MapError(f"{label}.expression: it has a NUL character (write \\x00)")
    if not groups:
        raise MapError(f"{label}.expression: it has no named group ({example})")
    return expression, groups


def _lookups(table: object, parse: _Parser, label: str) -> Iterator[tuple[str, Lookup]]:
    if not isinstance(table, dict):
        raise MapError(f"{label}: {table!r} is not a table (write [{label.partition(': ')[2]}])")
    known = [name for name, field in FIELDS.items() if not field.follows]
    _refuse_unknown(table, known, label)
    for name, value in table.items():
        if name != "features":
            lookup = _lookup(value, parse, f"{label}.{name}")
            for fixed in (lookup.constant, *(lookup.values or {}).values()):
                _refuse_unusable(name, fixed, f"{label}.{name}")
            yield name, lookup


def _features(table: object, parse: _Parser, label: str) -> Iterator[tuple[str, Lookup]]:
    if not isinstance(table, dict):
        raise MapError(f'{label}: {table!r} is not a table (write features = {{ files = "request.files" }})')
    for name, value in table.items():
        yield name, _lookup(value, parse, f"{label}.{name}")


def _lookup(value: object, parse: _Parser, label: str) -> Lookup:
    """A path, a list of paths, or a table with more."""
    table = value if isinstance(value, dict) else {"path": value}
    _refuse_unknown(table, _LOOKUP_KEYS, label)
    paths = table.get("path", [])
    if isinstance(paths, str):
        paths = [paths]
    if not isinstance(paths, list):
        raise MapError(f"{label}: {paths!r} is not a path (write {_EXAMPLES[parse.format]}, or {{ value = ... }})")
    constant, values = table.get("value"), table.get("values")
    if not paths and constant is None:
        raise MapError(f"{label}: it has neither a path nor a value (write {_EXAMPLES[parse.format]})")
    if constant is not None and not isinstance(constant, Scalar):
        raise MapError(f"{label}.value: {constant!r} is not a plain value (write a text, a number, true or false)")
    if values is not None and not (
        isinstance(values, dict) and values and all(isinstance(each, Scalar) for each in values.values())
    ):
        raise MapError(f'{label}.values: {values!r} is not a value map (write values = {{ done = "stop" }})')
    return Lookup(tuple(parse.steps(each, label) for each in paths), values, constant)


def _refuse_unusable(name: str, value: Scalar | None, label: str) -> None:
    """Refuse a value that the field can never be."""
    if value is not None and (fault := _fault(name, value)) is not None:
        raise MapError(f"{label}: {value!r} cannot be its value: {fault} (write another)")
    if name in _REASONS and value not in (None, "unknown") and finish_reason(str(value)) == "unknown":
        known = get_args(FinishReason)
        way_out = meant(str(value), known) or f"write {listing(known, last='or')}"
        raise MapError(f"{label}: {value!r} is not a known reason ({way_out})")


_REASONS = ("finish_reason", "finish_reason_raw")


def _fault(name: str, value: object) -> str | None:
    """Why the field ``name`` cannot be ``value``, if it cannot."""
    record: dict[str, object] = {"output_tokens": 1, name: value}
    fields = tuple((each, FIELDS[each].kind, (place,)) for place, each in enumerate(record))
    try:
        Layout(fields, (), frozenset(), frozenset()).read([*record.values()])
    except RecordError as error:
        return str(error)
    return None


def _join(table: object, parse: _Parser, label: str, directory: Path | None) -> Join:
    example = 'write join = { file = "predictions.csv", on = "id" }'
    if not isinstance(table, dict):
        raise MapError(f"{label}: {table!r} is not a table ({example})")
    _refuse_unknown(table, ("file", "on", "key"), label)
    file, key = table.get("file"), table.get("key", "")
    if not isinstance(file, str) or not file:
        raise MapError(f"{label}.file: {'it is missing' if file is None else f'{file!r} is not a path'} ({example})")
    if not isinstance(key, str):
        raise MapError(f"{label}.key: {key!r} is not a name (write what the side file calls the id)")
    if "on" not in table:
        raise MapError(f"{label}.on: it is missing ({example})")
    path = os.path.realpath(os.path.join(directory or "", file))  # noqa: PTH118
    if not os.path.isfile(path):  # noqa: PTH113
        what = "is not a file" if os.path.exists(path) else "does not exist"  # noqa: PTH110
        raise MapError(f"{label}.file: {file!r} {what} (name a side file, by its path from the map's directory)")
    return Join(path, file, f"{label}.file: {file!r}", parse.steps(table["on"], f"{label}.on"), key)


def _where(table: object, parse: _Parser, label: str) -> Iterator[tuple[Steps, tuple[str, ...]]]:
    if not isinstance(table, dict):
        raise MapError(f'{label}: {table!r} is not a table (write where = {{ event = "llm.call" }})')
    for path, value in table.items():
        wanted = [as_text(each) for each in (value if isinstance(value, list) else [value])]
        texts = tuple(each for each in wanted if each is not None)
        if not texts or len(texts) < len(wanted):
            raise MapError(
                f"{label}.{path}: {value!r} is not a value to compare with (write a text, a number, true, false, or a"
                " list of these; a dotted path in quotes)"
            )
        yield parse.steps(path, f"{label}.{path}"), texts
