"""A record is found by what it is, not by one spelling of its bytes."""

from __future__ import annotations

import gzip
import json
import textwrap
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from pytest_token_telemetry.sources.own_format import line
from pytest_token_telemetry.sources.reading import Directory, Reading, read_directories
from tests.lines import v2

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CALL = {
    "schema": "token-telemetry/1",
    "time": "2026-05-01T10:00:00Z",
    "predicted_output_tokens": 1000,
    "output_tokens": 907,
    "truncated": True,
    "category": "docs",
}
PLAIN = json.dumps(CALL)


def read(directory: Path, content: str | bytes, name: str = "a.log") -> Reading:
    (directory / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_directories([Directory(directory, "logs")], ["*"])


def outputs(reading: Reading) -> list[int]:
    return reading.samples.output_tokens.tolist()


def reasons(reading: Reading) -> dict[str, int]:
    return {reason: lines.count for reason, lines in reading.unusable.items()}


def reordered(record: dict[str, object], *last: str) -> dict[str, object]:
    return {**{key: each for key, each in record.items() if key not in last}, **{key: record[key] for key in last}}


def in_docker(text: str) -> str:
    return json.dumps({"log": f"{text}\n", "stream": "stdout", "time": "2026-05-01T10:00:00.123456789Z"})


def in_dotnet(text: str) -> str:
    """Quotes within a string as .NET writes them."""
    return json.dumps({"Message": text}).replace('\\"', "\\u0022")


FEATURES = {"features": {f"f{n}": "x" * 150 for n in range(8)}}
MEGABYTE = {"note": "x" * 900_000}
SPELLINGS = {
    "plain": PLAIN,
    "in prose": f"INFO: called {PLAIN}, done",
    "behind a byte order mark": f"\ufeff{PLAIN}",
    "keys in alphabetical order": json.dumps(CALL, sort_keys=True),
    "the schema last": json.dumps(reordered(CALL, "schema")),
    "the schema behind a kilobyte of features": json.dumps({**FEATURES, **reordered(CALL, "schema")}),
    "the schema behind most of a megabyte": json.dumps({**MEGABYTE, **reordered(CALL, "schema")}),
    "most of a megabyte behind the schema": json.dumps({**CALL, **MEGABYTE}),
    "an escaped slash": PLAIN.replace("/1", "\\/1"),
    "an escaped hyphen": PLAIN.replace("token-telemetry", "token\\u002dtelemetry"),
    "an escaped letter": PLAIN.replace("token-telemetry", "t\\u006Fken-telemetry"),
    "an escaped key": PLAIN.replace('"schema"', '"\\u0073chema"'),
    "blanks before colons": json.dumps(CALL, separators=(" , ", " : ")),
    "pretty": json.dumps(CALL, indent=2),
    "pretty, the schema last": json.dumps(reordered(CALL, "schema"), indent=4),
    "pretty, behind features": json.dumps({**FEATURES, **reordered(CALL, "schema")}, indent=1),
    "pretty, in a list": json.dumps([{"other": 1}, CALL], indent=2),
    "pretty, with carriage returns": json.dumps(CALL, indent=2).replace("\n", "\r\n"),
    "one of a list": json.dumps([{"schema": "another/1"}, CALL, {"x": {}}]),
    "within another object": json.dumps({"level": "info", "call": CALL}),
    "within a string": json.dumps({"message": PLAIN}),
    "within a string, pretty": json.dumps({"message": json.dumps(CALL, indent=2)}),
    "within a string within a string": json.dumps({"log": json.dumps({"message": PLAIN})}),
    "in a container's log": in_docker(PLAIN),
    "in a container's log of a logger": in_docker(json.dumps({"message": PLAIN, "level": "info"})),
    "with quotes as .NET escapes them": in_dotnet(PLAIN),
    "coloured": PLAIN.replace('"token-telemetry/1"', '"token\x1b[1m-telemetry\x1b[0m/1"'),
    "coloured and pretty": "\n".join(f"\x1b[32m{each}\x1b[0m" for each in json.dumps(CALL, indent=2).split("\n")),
}


@pytest.mark.parametrize("text", SPELLINGS.values(), ids=SPELLINGS)
@pytest.mark.parametrize("end", ["\n", ""])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_call_is_found_however_it_is_spelled(tmp_path: Path, text: str, end: str, encoding: str) -> None:
    found = read(tmp_path, f"one\n{text}{end}".encode(encoding))
    assert (outputs(found), found.samples.truncated.tolist(), reasons(found)) == ([907], [1], {})


@pytest.mark.parametrize("text", SPELLINGS.values(), ids=SPELLINGS)
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_calls_among_others_are_found_however_they_are_spelled(
    tmp_path: Path, text: str, pack: Callable[[bytes], bytes]
) -> None:
    others = f"{line(predicted_output_tokens=5, output_tokens=1)}\n{v2(output=2)}\n"
    found = read(tmp_path, pack(f"{others}{text}\n{others}{text}\n{others}".encode()))
    assert outputs(found) == [1, 2, 907, 1, 2, 907, 1, 2]
    assert reasons(found) == {}


LATER = {**CALL, "schema": "token-telemetry/2"}
UNUSABLE = {
    "a later version": (json.dumps(LATER), "its schema is token-telemetry/2, not token-telemetry/1"),
    "a later version, nested": (json.dumps({"m": json.dumps(LATER)}), "its schema is token-telemetry/2"),
    "a later version, pretty": (json.dumps(LATER, indent=2), "its schema is token-telemetry/2"),
    "two values for a key": (f'{PLAIN[:-1]}, "output_tokens": 5}}', "output_tokens is given twice"),
    "two values, nested": (json.dumps({"m": f'{PLAIN[:-1]}, "truncated": false}}'}), "truncated is given twice"),
    "two values, pretty": (json.dumps(CALL, indent=2)[:-2] + ',\n "success": true,\n "success": false\n}', "success"),
    "cut off": (PLAIN[:-20], "the JSON line is malformed or cut off"),
    "cut off, pretty": (json.dumps(CALL, indent=2)[:-20], "the JSON line is malformed or cut off"),
    "cut off, nested": (json.dumps({"m": PLAIN[:-20]}), "the JSON line is malformed or cut off"),
    "no count": (json.dumps({**CALL, "output_tokens": None}), "output_tokens is missing"),
}


@pytest.mark.parametrize(("text", "reason"), UNUSABLE.values(), ids=UNUSABLE)
def test_what_cannot_be_used_is_counted_with_its_reason(tmp_path: Path, text: str, reason: str) -> None:
    found = read(tmp_path, f"one\n{text}\nend\n")
    [(said, count)] = reasons(found).items()
    assert said.startswith(reason)
    assert (count, outputs(found)) == (1, [])


@pytest.mark.parametrize(
    "text",
    [
        "the schema is token-telemetry/1",
        'reads "token-telemetry/1" only',
        json.dumps({"formats": ["token-telemetry/1"]}),
        json.dumps({"schema": "token-telemetry-report/1", "verdict": "pass"}),
    ],
)
def test_a_mention_of_the_schema_is_no_record(tmp_path: Path, text: str) -> None:
    found = read(tmp_path, f"{text}\n")
    assert (outputs(found), reasons(found)) == ([], {})


NAMED = {"features": {"schema": "token-telemetry/1"}}


@pytest.mark.parametrize(("nested", "indent"), [({"task_id": PLAIN}, None), (NAMED, None), (NAMED, 2)])
def test_a_record_within_a_record_is_none(tmp_path: Path, nested: dict[str, object], indent: int | None) -> None:
    found = read(tmp_path, json.dumps({**CALL, **nested}, indent=indent) + "\n")
    assert (outputs(found), reasons(found)) == ([907], {})


def test_a_copy_in_a_containers_log_is_a_copy(tmp_path: Path) -> None:
    read(tmp_path, f"{PLAIN}\n{v2(output=1)}\n")
    found = read(tmp_path, f"{in_docker(PLAIN)}\n{in_docker(v2(output=1))}\n", "container.log")
    assert (sorted(outputs(found)), found.duplicates) == ([1, 907], 2)


# Lines of the origin ----------------------------------------------------------------------------------------------

LAST = v2(output=907, truncated="True").replace(" deliverables=3", "") + " deliverables=5"
LOG_LINES = {
    "coloured words": v2(output=907, truncated="True").replace("=907", "=\x1b[1;36m907\x1b[0m"),
    "a coloured tag": v2(output=907, truncated="True").replace("[Token", "\x1b[1m[\x1b[0mToken\x1b[1m"),
    "colours within the tag": v2(output=907, truncated="True").replace("Estimation", "Esti\x1b[0mmation"),
    "a link": f"\x1b]8;;file:///a.py\x1b\\{v2(output=907, truncated='True')}\x1b]8;;\x1b\\",
    "colours in JSON": in_docker(v2(output=907, truncated="True").replace("[Token", "\x1b[1m[\x1b[0mToken")),
    "in a container's log": in_docker(LAST),
    "in a container's log, with carriage returns": in_docker(f"{LAST}\r"),
    "in two": in_docker(json.dumps({"message": f"{LAST}\n", "level": "info"})),
    "two lines in one string": json.dumps({"message": f"{LAST}\nand another line"}),
    "a backslash in JSON": json.dumps({"message": LAST.replace("model=", "dir=C:\\new model=")}),
    "quotes in JSON": json.dumps({"m": json.dumps({"message": LAST.replace("model=", 'why="no" model=')})}),
    "in a string without a line end": json.dumps({"message": LAST, "level": "info"}),
    "of a runtime": f"2026-05-01T10:00:00.1Z stdout F {LAST}",
}


@pytest.mark.parametrize("text", LOG_LINES.values(), ids=LOG_LINES)
def test_a_line_of_the_origin_is_found_whatever_is_around_it(tmp_path: Path, text: str) -> None:
    found = read(tmp_path, f"one\n{text}\nend\n")
    assert (outputs(found), found.samples.truncated.tolist(), reasons(found)) == ([907], [1], {})
    assert found.samples.deliverable_count.tolist() == [5 if text.count(LAST[-15:]) else 3]


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (in_docker(LAST).replace("\\n", ""), "deliverables"),
        (f"2026-05-01T10:00:00.1Z stdout P {LAST}", "deliverables"),
        (v2().partition(" success=")[0], "deliverables, or lacks success and truncated"),
        (v2().partition(" truncated=")[0], "stop_reason, or lacks truncated"),
        (
            textwrap.fill(v2(), 200, initial_indent="12:00:01 INFO ", subsequent_indent=" " * 14),
            "category, or lacks success and truncated",
        ),
    ],
)
def test_a_line_that_was_cut_off_or_wrapped_says_behind_what(tmp_path: Path, text: str, key: str) -> None:
    assert reasons(read(tmp_path, f"{text}\n")) == {f"the line is cut off after {key}": 1}


def test_times_are_those_of_the_line_not_of_its_wrapping(tmp_path: Path) -> None:
    found = read(tmp_path, f"{in_docker(v2(time='2026-05-01 09:00:00'))}\n{in_docker(PLAIN)}\n")
    times = [datetime(2026, 5, 1, hour, tzinfo=UTC).replace(tzinfo=None) for hour in (9, 10)]
    assert found.samples.time.tolist() == times
