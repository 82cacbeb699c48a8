"""A corpus is what is told of it."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import get_args

import pytest

from benchmarks.corpora import EDITION, PARTS, Kind, Shape, Written, has_parts, read_written, write
from benchmarks.json_script import count
from benchmarks.plain_script import records_of, report

TINY = {"small": 1.0, "many": 0.001, "sparse": 0.001, "packed": 0.01, "dense": 0.002, "own": 0.002, "one": 0.001}
NAMES = {"packed": "*.log.gz", "own": "*.jsonl"}


@pytest.fixture(scope="module", params=get_args(Kind))
def corpus(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Written, Path]:
    directory = tmp_path_factory.mktemp(request.param)
    return write(Shape(request.param, TINY[request.param]), directory), directory


def logs_of(written: Written, directory: Path) -> list[bytes]:
    paths = directory.rglob(NAMES.get(written.shape.kind, "*.log"))
    return [gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes() for path in paths]


def test_a_corpus_holds_what_was_told(corpus: tuple[Written, Path]) -> None:
    written, directory = corpus
    logs = logs_of(written, directory)
    lines = [line for log in logs for line in log.splitlines()]
    assert len(logs) == written.logs
    assert sum(map(len, logs)) == written.bytes
    assert len(lines) == written.lines
    assert sum(b"[TokenEstimation" in line for line in lines) == written.tagged_lines
    assert sum(b"[TokenEstimationV2] predicted_output=" in line for line in lines) == written.v2
    assert sum(b"[TokenEstimation] Predicted: " in line for line in lines) == written.v1
    assert sum(b'"schema":"token-telemetry/1"' in line for line in lines) == written.own
    budgets = [line for line in lines if b"[TOKEN_BUDGET]" in line]
    assert sum(b"[TOKEN_BUDGET] phase=" in line for line in budgets) == written.budgets
    assert len(budgets) == written.budgets + written.budget_mentions
    assert written.records > 0
    files = [path for path in directory.rglob("*") if path.is_file() and path.name != "corpus.about"]
    others = [path for path in files if path.suffix == ".txt"]
    assert len(others) == written.others
    assert sum(path.stat().st_size for path in files if path not in others) == written.stored
    assert read_written(directory) == written


def test_one_line_in_forty_has_a_tag_that_is_no_telemetry(tmp_path: Path) -> None:
    written = write(Shape("one", 0.005), tmp_path)
    noise = written.lines - written.tagged_lines
    # Real logs: 40 budget lines, 6 warnings and 17 lines about the context in 2,367
    assert written.budgets / noise == pytest.approx(40 / 2_367, rel=0.1)
    assert written.budget_mentions / noise == pytest.approx(23 / 2_367, rel=0.1)


def test_no_record_of_a_corpus_is_a_copy_of_another(corpus: tuple[Written, Path]) -> None:
    written, directory = corpus
    lines = [line for log in logs_of(written, directory) for line in log.splitlines()]
    records = {line for line in lines if b"[TokenEstimation" in line or line.startswith(b"{")}
    assert len(records) == written.tagged_lines + written.own


def test_the_scripts_find_every_record(corpus: tuple[Written, Path]) -> None:
    written, directory = corpus
    if written.own:
        assert count(directory) == written.records
        return
    records = records_of(directory, NAMES.get(written.shape.kind, "*.log"))
    assert len(records) == written.records
    assert report(records)[0] == f"records: {written.records}"


def test_the_parts_of_a_corpus_are_a_quarter_a_quarter_and_a_half(tmp_path: Path) -> None:
    write(Shape("dense", 0.002), tmp_path)
    assert has_parts("dense")
    sizes = {part: sum(path.stat().st_size for path in (tmp_path / part).rglob("*.log")) for part in PARTS}
    for part, share in PARTS.items():
        assert sizes[part] / sum(sizes.values()) == pytest.approx(share, rel=0.01)


@pytest.mark.parametrize(
    ("kind", "scale", "log"),
    [
        ("dense", 0.001, "run-00/calls.log"),
        ("packed", 0.01, "run-000/agent.log.gz"),
        ("own", 0.001, "run-00/calls.jsonl"),
    ],
)
def test_the_same_shape_is_the_same_text(tmp_path: Path, kind: Kind, scale: float, log: str) -> None:
    for name in ("one", "other"):
        write(Shape(kind, scale), tmp_path / name)
    texts = [(tmp_path / name / "part-1" / log).read_bytes() for name in ("one", "other")]
    assert texts[0] == texts[1]


def test_a_corpus_that_was_not_finished_is_none(tmp_path: Path) -> None:
    (tmp_path / "run-1").mkdir()
    assert read_written(tmp_path) is None


def test_a_corpus_of_another_edition_is_none(tmp_path: Path) -> None:
    told = {"shape": {"kind": "one", "scale": 1.0, "edition": EDITION - 1}, "logs": 1}
    (tmp_path / "corpus.about").write_text(json.dumps(told), encoding="utf-8")
    assert read_written(tmp_path) is None
