"""A corpus is what is told of it."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from benchmarks.corpora import PARTS, Kind, Shape, Written, has_parts, read_written, write
from benchmarks.plain_script import records_of, report

TINY = {"small": 1.0, "many": 0.001, "sparse": 0.001, "dense": 0.002, "one": 0.001}


@pytest.fixture(scope="module", params=get_args(Kind))
def corpus(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Written, Path]:
    directory = tmp_path_factory.mktemp(request.param)
    return write(Shape(request.param, TINY[request.param]), directory), directory


def test_a_corpus_holds_what_was_told(corpus: tuple[Written, Path]) -> None:
    written, directory = corpus
    logs = [path.read_bytes() for path in directory.rglob("*.log")]
    lines = [line for log in logs for line in log.splitlines()]
    assert len(logs) == written.logs
    assert sum(map(len, logs)) == written.bytes
    assert len(lines) == written.lines
    assert sum(b"[TokenEstimation" in line for line in lines) == written.tagged_lines
    assert sum(b"[TokenEstimationV2] predicted_output=" in line for line in lines) == written.v2
    assert sum(b"[TokenEstimation] Predicted: " in line for line in lines) == written.v1
    assert written.records > 0
    others = [path for path in directory.rglob("*.json") if path.name != "corpus.json"]
    assert len(others) == written.others
    assert read_written(directory) == written


def test_no_record_of_a_corpus_is_a_copy_of_another(corpus: tuple[Written, Path]) -> None:
    written, directory = corpus
    records = set()
    for path in directory.rglob("*.log"):
        records |= {line for line in path.read_bytes().splitlines() if b"[TokenEstimation" in line}
    assert len(records) == written.tagged_lines


def test_the_plain_script_finds_every_record(corpus: tuple[Written, Path]) -> None:
    written, directory = corpus
    records = records_of(directory)
    assert len(records) == written.records
    assert report(records)[0] == f"records: {written.records}"


def test_the_parts_of_a_corpus_are_a_quarter_a_quarter_and_a_half(tmp_path: Path) -> None:
    write(Shape("dense", 0.002), tmp_path)
    assert has_parts("dense")
    sizes = {part: sum(path.stat().st_size for path in (tmp_path / part).rglob("*.log")) for part in PARTS}
    for part, share in PARTS.items():
        assert sizes[part] / sum(sizes.values()) == pytest.approx(share, rel=0.01)


def test_the_same_shape_is_the_same_text(tmp_path: Path) -> None:
    for name in ("one", "other"):
        write(Shape("dense", 0.001), tmp_path / name)
    texts = [(tmp_path / name / "part-1/run-00/calls.log").read_bytes() for name in ("one", "other")]
    assert texts[0] == texts[1]


def test_a_corpus_that_was_not_finished_is_none(tmp_path: Path) -> None:
    (tmp_path / "run-1").mkdir()
    assert read_written(tmp_path) is None
