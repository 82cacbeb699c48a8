"""What is appended is there as a whole, or not at all, however full the disk is and whoever else writes."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_token_telemetry import TokenTelemetryWriter, writing
from pytest_token_telemetry.analysis.metrics import Share
from pytest_token_telemetry.past import PastError, history
from tests.full_disk import full_disk, no_file_beyond

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CALL = {"predicted_output_tokens": 900, "output_tokens": 850}

APPENDS: dict[str, Callable[[Path], object]] = {
    "a text": lambda path: writing.append_file(path, "y" * 200),
    "a call": lambda path: TokenTelemetryWriter(path).write(**CALL),
    "a session": lambda path: history.append(path, "pass", 1, Share(0, 1), Share(0, 1)),
}
"""Each of more than 100 bytes."""

PAGE = 4096


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "calls.jsonl"


@contextmanager
def no_room(kind: str, path: Path, content: bytes) -> Iterator[None]:
    """A file at ``path`` that takes 96 bytes more than ``content``, which ends 96 bytes before the end of a page."""
    if kind == "disk":
        with full_disk(path.parent, path, content):
            yield
    else:
        path.write_bytes(content)
        with no_file_beyond(PAGE):
            yield


@pytest.mark.parametrize("kind", ["limit", "disk"])
@pytest.mark.parametrize("name", APPENDS)
def test_what_is_cut_off_is_an_error_and_taken_back(name: str, kind: str, path: Path) -> None:
    content = b"\n" * (PAGE - 96)
    with no_room(kind, path, content):
        with pytest.raises((OSError, PastError), match=r"No space left on device|File too large"):
            APPENDS[name](path)
        assert path.read_bytes() == content


def test_a_device_that_takes_nothing_is_an_error() -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("this system has no /dev/full")
    with pytest.raises(OSError, match="No space left on device"):
        writing.append_file(full, "text")


class Limited(FileIO):
    """A file on a disk that is full at ``size`` bytes, for what is written to it but not for others."""

    size = 0
    others = b""
    """What somebody else appends after a write that was cut off."""
    for_append_only = False

    def write(self, data: memoryview) -> int:  # type: ignore[override]
        if bytes(data) == b"\n":
            return super().write(data)
        with no_file_beyond(self.size):
            count = super().write(data)
        with Path(str(self.name)).open("ab") as other:
            other.write(self.others)
        return count

    def truncate(self, size: int | None = None) -> int:
        if self.for_append_only:
            raise PermissionError(1, "Operation not permitted")
        return super().truncate(size)


@pytest.mark.parametrize(
    ("others", "for_append_only", "left"),
    [
        (b"", False, b""),
        (b"other\n", False, b"yyyyyyyyother\n"),  # a line that somebody else wrote behind it stays
        (b"", True, b"yyyyyyyy\n"),  # what cannot be taken back is ended, as soon as there is room
    ],
)
def test_what_is_cut_off_is_taken_back_or_does_no_harm(
    others: bytes, for_append_only: bool, left: bytes, path: Path
) -> None:
    path.write_bytes(b"x\n")
    with Limited(path, "ab") as file:
        file.size, file.others, file.for_append_only = 10, others, for_append_only
        with pytest.raises(OSError, match="File too large"):
            writing.append(file, b"y" * 50 + b"\n")
    assert path.read_bytes() == b"x\n" + left


def test_a_writer_goes_on_when_there_is_room_again(path: Path) -> None:
    """Behind what somebody else left there meanwhile, who was killed."""
    writer = TokenTelemetryWriter(path)
    writer.write(**CALL)
    with no_file_beyond(path.stat().st_size + 30), pytest.raises(OSError, match="File too large"):
        writer.write(**CALL)
    with path.open("ab") as file:
        file.write(b'{"schema":"token-tel')
    writer.write(**CALL)
    first, other, last, end = path.read_bytes().split(b"\n")
    assert [json.loads(line)["output_tokens"] for line in (first, last)] == [850, 850]
    assert other.startswith(b'{"schema":"token-tel')
    assert end == b""


PROGRAM = """
import resource, sys
from pytest_token_telemetry import TokenTelemetryWriter

path, name = sys.argv[1:]
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
writer = TokenTelemetryWriter(path)
sys.stdin.readline()
done = 0
for n in range(2000):
    try:
        writer.write(predicted_output_tokens=1, output_tokens=n, id=f"{name}-{n}", features={"text": "x" * (n % 97)})
    except OSError:
        continue
    done += 1
print(done)
"""


def test_processes_that_fill_a_disk_together_leave_whole_lines(path: Path) -> None:
    pytest.importorskip("resource", reason="this system has no limits for processes")
    command = [sys.executable, "-c", PROGRAM, str(path)]
    programs = [
        subprocess.Popen([*command, str(n)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for n in range(3)
    ]
    done = sum(int(program.communicate("\n")[0]) for program in programs)
    lines = path.read_bytes().split(b"\n")
    assert lines.pop() == b""
    assert len({json.loads(line)["id"] for line in lines}) == len(lines) == done
    assert 90_000 < path.stat().st_size <= 100_000


def test_who_stopped_with_the_lock_stops_nobody_else(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fcntl = pytest.importorskip("fcntl", reason="this system has no such locks")
    monkeypatch.setattr(writing, "_LOCK_TRIES", 20)
    with path.open("ab") as holder:
        fcntl.flock(holder, fcntl.LOCK_EX)
        writing.append_file(path, "text\n")
    assert path.read_bytes() == b"text\n"


def test_nobody_appends_to_what_is_about_to_be_taken_back(path: Path) -> None:
    fcntl = pytest.importorskip("fcntl", reason="this system has no such locks")
    with path.open("ab", buffering=0) as holder:
        fcntl.flock(holder, fcntl.LOCK_EX)
        holder.write(b"cut o")
        other = threading.Thread(target=writing.append_file, args=(path, "text\n"))
        other.start()
        time.sleep(0.05)
        holder.truncate(0)
        fcntl.flock(holder, fcntl.LOCK_UN)
        other.join()
    assert path.read_bytes() == b"text\n"
