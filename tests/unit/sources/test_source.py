"""Files of other formats: a source claims them, and everything else is done for it."""

from __future__ import annotations

import gzip
import lzma
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import pytest

from pytest_token_telemetry.sample import Sample
from pytest_token_telemetry.sources import recognition
from pytest_token_telemetry.sources.deferred import Deferred
from pytest_token_telemetry.sources.dividing import TaskSizes
from pytest_token_telemetry.sources.documents import TAGGED
from pytest_token_telemetry.sources.parallel import Scan
from pytest_token_telemetry.sources.rows import Rows
from pytest_token_telemetry.sources.source import FileSource
from tests.lines import stamp, v2, write
from tests.unit.sources.builders import own_line, read


class Pairs(FileSource):
    """A prediction and an output a line, in files that say so."""

    name = "pairs"

    def claims(self, path: str, head: bytes) -> bool:
        return path.endswith(".log") and head.startswith(b"pairs\n")

    def read(self, file: BinaryIO, into: Rows) -> None:
        for number, line in enumerate(file.read().decode().splitlines(), 1):
            predicted, _, output = line.partition(" ")
            if output.isdecimal():
                sample = Sample(predicted_output_tokens=int(predicted), output_tokens=int(output))
                into.add(sample, f"pairs {line}", number)
            elif number > 1:
                into.complain("there is no output", number)


@pytest.fixture(autouse=True)
def pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recognition, "SOURCES", [Pairs(), *recognition.SOURCES])


@pytest.mark.parametrize("jobs", [1, None])
def test_a_claimed_file_is_read_by_its_source_among_logs(tmp_path: Path, jobs: int | None) -> None:
    write(tmp_path, [v2(time=stamp(1), predicted=1, output=2)], "a.log")
    write(tmp_path, ["pairs", "3 4", "5", "6 7", v2()], "b.log")
    write(tmp_path, [v2(time=stamp(2), predicted=8, output=9)], "c.log")
    found = read(tmp_path, Scan(jobs=jobs, bounds=TaskSizes(10_000, 10, 20)))  # a log of this size is read in parts
    assert found.samples.predicted_output_tokens.tolist() == [1, 3, 6, 8]
    assert [(file.path, file.samples) for file in found.files] == [
        ("logs/a.log", 1),
        ("logs/b.log", 2),
        ("logs/c.log", 1),
    ]
    assert {reason: lines.places for reason, lines in found.unusable.items()} == {
        "there is no output": ["logs/b.log:3", "logs/b.log:5"]
    }


def test_the_source_that_is_named_reads_every_file_but_reports_of_ours(tmp_path: Path) -> None:
    write(tmp_path, ["3 4", v2()], "a.log")
    write(tmp_path, ['{"schema": "token-telemetry-report/1", "n":', "5 }"], "report.log")
    found = read(tmp_path, Scan(format="pairs"))
    assert (found.samples.output_tokens.tolist(), found.unusable.keys()) == ([4], {"there is no output"})
    assert read(tmp_path, Scan(format="logs")).samples.output_tokens.tolist() == [900]
    assert {why: each.count for why, each in read(tmp_path, Scan(format="otlp")).unusable.items()} == {TAGGED: 1}


def test_sources_that_are_added_are_asked_first_and_stay_in_this_process(tmp_path: Path) -> None:
    """The class cannot be sent to another process."""

    class Triples(Pairs):
        name = "triples"

        def read(self, file: BinaryIO, into: Rows) -> None:
            into.add(Sample(output_tokens=3), None, 1)

    write(tmp_path, ["pairs", "3 4"], "a.log")
    write(tmp_path, [v2()] * 100, "b.log")
    scan = Scan(jobs=4, added=(Triples(),), bounds=TaskSizes(10_000, 10, 20))
    assert read(tmp_path, scan).samples.output_tokens.tolist() == [3] + [900] * 100
    assert scan.progress.processes == 1


@pytest.mark.parametrize(("name", "compress"), [("b.gz.log", gzip.compress), ("b.xz.log", lzma.compress)])
def test_a_compressed_file_is_claimed_by_its_text(
    tmp_path: Path, name: str, compress: Callable[[bytes], bytes]
) -> None:
    """The file is longer than what tells its format, and so is its text."""
    lines = ["pairs", *(f"{random.getrandbits(20)} {each}" for each in range(1, 20_001))]
    (tmp_path / name).write_bytes(compress("\n".join(lines).encode()))
    found = read(tmp_path)
    assert found.samples.output_tokens.tolist() == list(range(1, 20_001))
    assert found.samples.line.tolist() == list(range(2, 20_002))


def test_a_damaged_compressed_file_is_unreadable(tmp_path: Path) -> None:
    packed = gzip.compress(b"pairs\n3 4\n" * 10_000)
    (tmp_path / "b.gz.log").write_bytes(packed[: len(packed) // 2])
    assert read(tmp_path).unreadable == {"logs/b.gz.log": "its gzip data is cut off"}


def test_its_copies_are_left_out(tmp_path: Path) -> None:
    write(tmp_path, ["pairs", "3 4"], "a.log")
    write(tmp_path, ["pairs", "3 4", "5 6"], "b.log")
    found = read(tmp_path)
    assert (found.samples.output_tokens.tolist(), found.duplicates) == ([4, 6], 1)


def test_what_its_source_cannot_read_is_unreadable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(self: Pairs, file: BinaryIO, into: Rows) -> None:
        raise OSError(None, "it is encrypted")

    monkeypatch.setattr(Pairs, "read", fails)
    write(tmp_path, ["pairs", "3 4"], "a.log")
    assert read(tmp_path).unreadable == {"logs/a.log": "it is encrypted"}


DEFERRED = [source for source in recognition.SOURCES if isinstance(source, Deferred)]


@pytest.mark.parametrize("deferred", DEFERRED, ids=lambda each: each.name)
def test_a_deferred_source_is_what_its_entry_says(deferred: Deferred) -> None:
    assert (deferred.source.name, deferred.source.in_parts) == (deferred.name, deferred.in_parts)


@pytest.mark.parametrize(
    ("head", "imported"),
    [
        (v2(time=stamp(1)), False),
        ("[2026-01-02 03:04:05,123] INFO started", False),
        pytest.param(own_line(output_tokens=5), False, id="own"),
        ("", False),
        ('{"resourceSpans": []}', True),
        ('\ufeff [\n {"run_type": 1}', True),
        ('\ufeff [\n {"id": 1}', False),
        ("PK\x03\x04", True),
        ("output_tokens,model", True),
    ],
)
def test_formats_of_others_are_imported_where_a_file_may_be_of_one(head: str, imported: bool) -> None:
    script = (
        "import sys; from pytest_token_telemetry.sources import recognition;"
        f"recognition.source_of('a.log', {head.encode()!r}, recognition.Choice());"
        "found = [name for name in sys.modules if '.sources.exports' in name or '.sources.otlp' in name];"
        "print(bool(found), 'pytest' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(imported), "False"]
