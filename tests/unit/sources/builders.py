"""What tests of reading share: lines and logs of any kind, and ways to read them."""

from __future__ import annotations

import dataclasses
import os
import tempfile
from collections.abc import Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from pytest_token_telemetry.samples import NameColumn, SamplesBuilder
from pytest_token_telemetry.sources.own_format import line as own_line
from pytest_token_telemetry.sources.reading import Directory, Reading, read_directories
from pytest_token_telemetry.sources.recorded import Phase, Recorded, Span
from pytest_token_telemetry.sources.tagged.simple_search import Fragment
from tests.lines import v2

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_token_telemetry.sample import Sample
    from pytest_token_telemetry.sources.parallel import Scan
    from pytest_token_telemetry.sources.tagged.line_scanner import LineScanner
    from pytest_token_telemetry.sources.tagged.simple_search import Scanner

FOUND = list[Fragment | str]
"""The records of a file, and the reason if it ends with an error."""


def in_blocks(text: bytes, block: int = 1 << 18) -> Iterator[bytes]:
    """``text`` as it comes from a file that is read ``block`` bytes at a time."""
    return (text[at : at + block] for at in range(0, len(text), block))


def simply(scanner: Scanner, text: bytes, block: int = 1 << 18) -> FOUND:
    """What the simple scanner finds in a file that holds ``text``."""
    return outcome(scanner.fragments_of(in_blocks(text, block)))


def fast(scanner: LineScanner, path: Path, begin: int = 0, end: int | None = None) -> FOUND:
    """What the fast scanner finds in a file, or in a part of it."""
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        return outcome(_fragments(scanner, file.fileno(), begin, size if end is None else end, size))


def _fragments(scanner: LineScanner, descriptor: int, begin: int, end: int, size: int) -> Iterator[Fragment]:
    for found in scanner.scan(descriptor, begin, end, size):
        if isinstance(found, Fragment):
            yield found
        else:
            for number, text in zip(found.numbers.tolist(), found.text.split(b"\n"), strict=False):
                yield from scanner.fragments_of_line(text + b"\n", number)


def outcome(fragments: Iterator[Fragment]) -> FOUND:
    """``fragments`` in the order of their lines, and the reason if they end with an error."""
    found: list[Fragment] = []
    error: list[str] = []
    try:
        found.extend(fragments)
    except OSError as raised:
        error.append(str(raised.strerror))
    return [*sorted(found, key=lambda fragment: fragment.line), *error]


# Lines and logs -------------------------------------------------------------------------------------------------------

TIME = "2026-01-02 03:04:05,678"


def budget(phase: str, output: int, cap: int = 16384, time: str = TIME) -> str:
    return f"{time} - a - INFO - [TOKEN_BUDGET] phase={phase} complexity=low input=1 output={output}/{cap} total=2"


def rows(reading: Reading) -> list[dict[str, Any]]:
    """The samples, one dictionary each; what nobody said is left out."""
    samples = reading.samples
    found = []
    for row in range(len(samples)):
        values: dict[str, Any] = {"place": f"{reading.files[samples.file[row]].path}:{samples.line[row]}"}
        for name in ("predicted_output_tokens", "output_tokens", "max_tokens", "truncated", "success", "legacy"):
            values[name] = int(getattr(samples, name)[row])
        for name in ("task_id", "run", "category", "model", "operation"):
            values[name] = getattr(samples, name).name(row)
        values["time"] = str(samples.time[row])
        values |= samples.features.get(row, {})
        found.append({name: value for name, value in values.items() if value not in (None, -1, "NaT")})
    return found


def joined(reading: Reading) -> list[tuple[str | None, int | None]]:
    """Task and cap of each sample."""
    return [(row.get("task_id"), row.get("max_tokens")) for row in rows(reading)]


FLAGS = st.sampled_from(["True", "False", "None", "true"])
COUNTS = st.sampled_from(["0", "1", "900", "16384", "1000000000"])
WORDS = st.fixed_dictionaries(
    {"success": FLAGS, "truncated": FLAGS},
    optional={
        "predicted_output": COUNTS | st.sampled_from(["None", "x", "1000000001", "-7"]),
        "actual_output": COUNTS | st.sampled_from(["None", "1.5", "1000000001", "-7"]),
        "actual_total": COUNTS,
        "category": st.sampled_from(["docs", "tests", "None"]),
        "task_id": st.sampled_from(["p", "r", "None"]),
        "retries": st.sampled_from(["1", "2"]),
    },
)
PREFIXES = ["", "2026-01-02 03:04:05 ", "2026-01-02 03:04:05,678 - a - INFO - ", "[2026-01-02 03:04:06] INFO: "]


@st.composite
def v2_lines(draw: st.DrawFn) -> str:
    """A line of the present version: good, or with one of its counts missing or nonsense."""
    words = draw(WORDS.flatmap(lambda words: st.permutations([f"{key}={value}" for key, value in words.items()])))
    return f"{draw(st.sampled_from(PREFIXES))}[TokenEstimationV2] {' '.join(words)}"


GOOD = "[TokenEstimationV2] predicted_output=900 actual_output=900 success=True truncated=False"
V2_LINES = v2_lines() | st.sampled_from([f"{prefix}{GOOD}" for prefix in PREFIXES])
OTHER_LINES = st.sampled_from(
    [
        "",
        "nothing to see",
        "key=value predicted_output=5",
        "2026-01-02 03:04:05 [TokenEstimation] Predicted: 300 output tokens, Actual: 900 output tokens, Error: 5.0%",
        "[TokenEstimation] Predicted: 300 output tokens, Actual: 900 output tokens",
        "[TokenEstimation] Predicted: None output tokens, Actual: 900 output tokens, Error: 5.0%",
        "see the [TokenEstimation] and",
        "no [TokenEstimationV2] here",
        "[TOKEN_BUDGET] phase=p complexity=low input=1 output=900/16384 total=2",
        "[TOKEN_BUDGET] phase=q complexity=low input=1 output=900/16384 total=2",
        "[TOKEN_BUDGET] phase=p output=16384/16384",
        budget("p", 900),
        budget("q", 16384),
        "[TOKEN_BUDGET] used 16384/16384 tokens",
    ]
)


PATTERNS = ("*.log", "*.jsonl")


def at(second: int) -> datetime:
    return datetime(2026, 1, 2, 3, 4, second, tzinfo=UTC)


def read(directory: Path, scan: Scan | None = None, recorded: Recorded | None = None) -> Reading:
    return read_directories([Directory(directory, "logs")], PATTERNS, scan=scan, recorded=recorded)


def samples_of(reading: Reading) -> list[Sample]:
    """Its samples, without their ids."""
    table = SamplesBuilder([reading.samples])
    return [table.sample(row) for row in range(len(reading.samples))]


def everything(reading: Reading) -> dict[str, Any]:
    """All of ``reading``, as something that can be compared."""
    found = {field.name: getattr(reading, field.name) for field in dataclasses.fields(reading) if field.compare}
    samples = found.pop("samples")
    for field in dataclasses.fields(samples):
        column = getattr(samples, field.name)
        if isinstance(column, NameColumn):
            column = ([column.name(row) for row in range(len(samples))], column.names)
        elif field.name != "features":
            column = [repr(value) for value in column[:].tolist()]  # NaN differs from itself
        found[field.name] = column
    return found


OWN_LINES = st.builds(
    lambda predicted, id, second, task, truncated: own_line(
        predicted_output_tokens=predicted, output_tokens=900, time=at(second), **id, **task, **truncated
    ),
    st.sampled_from([900, 900, None]),
    st.sampled_from([{}, {"id": "a"}, {"id": "b"}]),
    st.integers(0, 3),
    st.sampled_from([{}, {"task_id": "p"}]),
    st.sampled_from([{}, {"truncated": True}]),
)
LINES = V2_LINES | OTHER_LINES | OWN_LINES | st.sampled_from(["x" * 300, "\0", "ü\0\n\r", v2(), v2()])
TEXTS = st.builds(
    lambda lines, glue, encoding, end: glue.join([*lines, ""] if end else lines).encode(encoding),
    st.lists(LINES, max_size=12),
    st.sampled_from(["\n", "\n", "\n", "\r\n", ""]),
    st.sampled_from(["utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"]),
    st.booleans(),
)
RECORDED = Recorded(
    phases=(
        Phase(
            "tests/test_it.py::test_it",
            Span(1767323044.0, 1767323047.0),
            (own_line(predicted_output_tokens=900, output_tokens=900, time=at(5), id="a"),),
        ),
    )
)


@contextmanager
def logs(texts: Sequence[bytes]) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as directory:
        for n, text in enumerate(texts):
            Path(directory, f"{n}.log").write_bytes(text)
        yield Path(directory)
