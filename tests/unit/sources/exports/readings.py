"""What the tests of exports share: files of some content, and what is read of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_token_telemetry.samples import SamplesBuilder
from pytest_token_telemetry.sources.reading import Directory, read_directories
from tests.conftest import SHARED

if TYPE_CHECKING:
    from pytest_token_telemetry.sample import Sample
    from pytest_token_telemetry.sources.merge import Reading


def reading_of(directory: Path) -> Reading:
    """What the files in ``directory`` hold."""
    return read_directories([Directory(directory, "d")], ["*"])


def reading(tmp_path: Path, content: object, name: str = "a.json", indent: int | None = None) -> Reading:
    """What a file holds, of these bytes or of this JSON."""
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content, indent=indent).encode())
    return reading_of(tmp_path)


def lines(*records: object) -> bytes:
    """JSON lines."""
    return b"".join(json.dumps(each).encode() + b"\n" for each in records)


def samples_of(found: Reading) -> list[Sample]:
    """The samples, without their ids."""
    table = SamplesBuilder([found.samples])
    return [table.sample(row) for row in range(len(found.samples))]


def only(found: Reading) -> Sample:
    """The only sample, where there is nothing to complain of."""
    assert (len(found.samples), found.unusable, found.unreadable) == (1, {}, {})
    return samples_of(found)[0]


def outputs(found: Reading) -> list[int]:
    """The output tokens of all samples."""
    tokens: list[int] = found.samples.output_tokens.tolist()
    return tokens


def reasons(found: Reading) -> dict[str, int]:
    """Why records could not be used, and how many."""
    return {reason: each.count for reason, each in found.unusable.items()}


def real(folder: str) -> Path:
    """A folder of files that other systems wrote."""
    path = SHARED / "data" / folder
    if not path.is_dir():
        pytest.skip("the files of other systems are not at hand")
    return path
