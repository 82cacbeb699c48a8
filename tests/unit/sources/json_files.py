"""What tests of JSON sources share: files of records, and what comes of them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from pytest_token_telemetry.sources.parallel import Scan
from pytest_token_telemetry.sources.reading import Directory, Reading, read_directories
from pytest_token_telemetry.sources.recognition import AUTO

PATTERNS = ("*.jsonl", "*.jsonl.*", "*.json")


def write(path: Path, records: Iterable[object]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{json.dumps(record)}\n" for record in records), encoding="utf-8")
    return path


def read(directory: Path, *requests: Path, patterns: tuple[str, ...] = PATTERNS, named: str = AUTO) -> Reading:
    scan = Scan(jobs=1, requests=tuple(map(str, requests)), format=named)
    return read_directories([Directory(directory, "d")], patterns, scan=scan)


def reasons(reading: Reading) -> dict[str, tuple[int, list[str]]]:
    return {reason: (lines.count, lines.places) for reason, lines in reading.unusable.items()}
