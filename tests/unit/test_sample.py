"""One call: the table of its fields, and that all else follows from it."""

from __future__ import annotations

import dataclasses
import inspect
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

import pytest_token_telemetry
from pytest_token_telemetry.recording.fixture import TokenTelemetry
from pytest_token_telemetry.sample import FIELDS, FINISH_REASONS, FinishReason, Kind, Sample, finish_reason
from pytest_token_telemetry.samples import Samples
from pytest_token_telemetry.sources import own_format

TYPES = {
    "count": "int",
    "flag": "bool",
    "name": "str",
    "word": "str",
    "reason": "FinishReason",
    "raw reason": "str",
    "text": "str",
    "number": "float",
    "time": "datetime",
    "features": "Mapping[str, str]",
}
COLUMNS = {
    "count": ("Counts", "Narrow"),
    "flag": ("Flags", "Mask"),
    **dict.fromkeys(("name", "word", "reason", "raw reason"), ("NameColumn",)),
    "number": ("Floats | Tenths",),
    "time": ("npt.NDArray[np.datetime64]",),
    "features": ("Mapping[int, Mapping[str, str]]",),
}


@pytest.mark.parametrize("name", FIELDS)
def test_a_field_is_of_the_type_of_its_kind(name: str) -> None:
    [annotation] = [each.type for each in dataclasses.fields(Sample) if each.name == name]
    unknown = "" if FIELDS[name].needed or FIELDS[name].unknown is False or name == "features" else " | None"
    written = re.sub(r"\s+", "", str(annotation))
    assert written.startswith(f"Annotated[{TYPES[FIELDS[name].kind]}{unknown},".replace(" ", ""))


@pytest.mark.parametrize("name", [name for name in FIELDS if name != "id"])
def test_a_column_is_of_the_type_of_its_kind(name: str) -> None:
    [annotation] = [each.type for each in dataclasses.fields(Samples) if each.name == name]
    assert annotation in COLUMNS[FIELDS[name].kind]


def test_every_kind_is_used() -> None:
    assert {field.kind for field in FIELDS.values()} == set(get_args(Kind))


@pytest.mark.parametrize("name", FIELDS)
def test_a_field_is_described_in_one_sentence(name: str) -> None:
    assert re.fullmatch(r"[A-Z][^\n]+\.", FIELDS[name].meaning)


def test_a_field_without_a_value_is_unknown() -> None:
    bare = Sample(output_tokens=2)
    needed = {name for name, field in FIELDS.items() if field.needed}
    assert needed == {"output_tokens"}
    assert all(getattr(bare, name) == FIELDS[name].unknown for name in FIELDS.keys() - needed - {"features"})
    assert FIELDS["finish_reason"].words == get_args(FinishReason)


@pytest.mark.parametrize(
    ("raw", "ours"),
    [
        ("StopReasonMaxTokens", "length"),
        ("BetaStopReasonMaxTokens", "length"),
        ("FinishReasonMaxTokens", "length"),
        ("FINISH_REASON_MAX_TOKENS", "length"),
        ("StopReasonEndTurn", "stop"),
        ("StopReasonToolUse", "tool_call"),
        ("StopReasonRefusal", "content_filter"),
        ("StopReason", "unknown"),
        ("StopReasonPauseTurn", "unknown"),
        ("MaxTokensStopReason", "unknown"),
    ],
)
def test_the_name_of_an_enumeration_is_no_part_of_its_value(raw: str, ours: FinishReason) -> None:
    assert finish_reason(raw) == ours


@pytest.mark.parametrize("word", FINISH_REASONS)
def test_every_word_of_a_provider_may_be_a_value_of_an_enumeration(word: str) -> None:
    assert finish_reason(f"FINISH_REASON_{word}") == finish_reason(word)


def test_the_fixture_offers_what_a_caller_can_say_and_explains_it() -> None:
    taken = inspect.signature(TokenTelemetry.record).parameters.keys() - {"self"}
    assert taken == {name for name in own_format.WRITTEN if not FIELDS[name].follows}
    explained = re.findall(r"^ +(\w+): ", inspect.getdoc(TokenTelemetry.record) or "", re.MULTILINE)
    assert taken <= set(explained)


NEW_FIELDS = """
    retries: Annotated[
        int | None,
        Field("count", "How often it was tried again.", unit="times", of_test=True, also=("attempts",)),
    ] = None
    language: Annotated[str | None, Field("name", "The language of the answer.")] = None
    cached: Annotated[bool | None, Field("flag", "Whether the prompt was cached.")] = None
    effort: Annotated[str | None, Field("word", "How hard it thinks.", words=("low", "high"))] = None
"""
NEW_COLUMNS = """
    retries: Counts
    language: NameColumn
    cached: Flags
    effort: NameColumn
"""
USE_OF_NEW_FIELDS = """
import json
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

from pytest_token_telemetry import TokenTelemetryWriter
from pytest_token_telemetry.recording.capture import Capture
from pytest_token_telemetry.recording.fixture import TokenTelemetry
from pytest_token_telemetry.recording.tape import Tape
from pytest_token_telemetry.sources.reading import Directory, read_directories
from scripts import docs

CALL = {"predicted_output_tokens": 900, "output_tokens": 850}
Path("runs").mkdir()
writer = TokenTelemetryWriter("runs/a.jsonl")
writer.write(**CALL, retries=2, language="de", cached=True, effort="high", id="a")
writer.write(**CALL, id="b")
writer.write(**CALL, language="en", id="c")
Path("runs/b.log").write_text(V2)
found = read_directories([Directory(Path("runs"), "runs")], ["*"]).samples
assert found.retries.tolist() == [2, -1, -1, -1], found.retries
assert [found.language.name(row) for row in range(4)] == ["de", None, "en", None]
assert found.cached.tolist() == [1, -1, -1, -1]
assert found.effort.name(0) == "high"

def refused(**fields):
    try:
        writer.write(**CALL, **fields)
    except (TypeError, ValueError) as error:
        return str(error)

assert refused(retries="many") == "retries: 'many' is not a whole number"
assert refused(cached=1) == "cached: 1 is not True, False or None"
assert refused(effort="some") == "effort: 'some' is not one of low, high"

mark = SimpleNamespace(args=(), kwargs={"retries": 7})
test = SimpleNamespace(iter_markers=lambda name: [mark])
tape = Tape(None)
capture = Capture(tape)
telemetry = TokenTelemetry(tape, capture, lambda: test, None)
telemetry.record(**CALL, language="de")
telemetry.record(**CALL, retries=3)
assert [(each.retries, each.language, each.features) for each in telemetry.samples] == [(7, "de", {}), (3, None, {})]
capture.read(json.dumps({"schema": "token-telemetry/1", **CALL, "cached": True, "language": "de"}))
capture.take_logged()
assert (telemetry.samples[0].cached, len(telemetry.samples)) == (True, 2)
try:
    telemetry.record(**CALL, attempts=3)
except TypeError as error:
    assert str(error) == "attempts: there is no such field (write retries, or give the feature another name)"
else:
    raise AssertionError

schema = json.loads(docs.line_schema())["properties"]
assert schema["retries"] == {
    "type": ["integer", "null"], "minimum": 0, "maximum": 10**9, "description": "How often it was tried again.",
}
assert schema["effort"]["enum"] == ["low", "high", None]
assert "| `retries` | whole number of times | How often it was tried again |" in docs.field_table()
"""


def test_a_new_field_is_one_entry_and_its_column(tmp_path: Path) -> None:
    """It is added to a copy of the package, and then written, read, recorded, checked and documented."""
    from tests.lines import v2

    source = Path(pytest_token_telemetry.__file__).parent
    shutil.copytree(source, tmp_path / source.name, ignore=shutil.ignore_patterns("__pycache__"))
    for module, mark, entries in (
        ("sample.py", "\n    features: Annotated[", NEW_FIELDS),
        ("samples.py", "\n    features: Mapping[int, ", NEW_COLUMNS),
    ):
        path = tmp_path / source.name / module
        text = path.read_text(encoding="utf-8")
        path.write_text(text.replace(mark, f"{entries.rstrip()}{mark}", 1), encoding="utf-8")
    ran = subprocess.run(
        [sys.executable, "-c", f"V2 = {v2() + chr(10)!r}\n{USE_OF_NEW_FIELDS}"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{Path(__file__).parents[2]}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
