"""What is remembered of files: the same is found with and without it, whatever happened to them in between."""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_token_telemetry.columns import NameColumn, Samples, Tenths
from pytest_token_telemetry.sources import cache as cache_module
from pytest_token_telemetry.sources import plan, remembered
from pytest_token_telemetry.sources.cache import LEAST, Cache
from pytest_token_telemetry.sources.reading import Directory, Reading, read_directories
from pytest_token_telemetry.sources.recorded import Phase, Recorded, Span
from pytest_token_telemetry.sources.scanning import Progress, Scan
from pytest_token_telemetry.sources.tasks import Bounds
from tests.lines import stamp, v2, write
from tests.unit.sources.test_reading import LOGS, budget

LONG_AGO = 1_600_000_000
SECOND = 1_000_000_000
PATTERNS = ("*.log", "*.jsonl")


def later() -> int:
    """A clock by which all files have rested."""
    return time.time_ns() + 3600 * SECOND


def cache_in(directory: Path, least: int = 0, clock: Callable[[], int] = later) -> Cache:
    return Cache(directory, least=least, clock=clock)


def read(tree: Path, cache: Cache | None = None, recorded: Recorded | None = None, **options: Any) -> Reading:
    return read_directories([Directory(tree, "logs")], PATTERNS, recorded=recorded, scan=Scan(cache=cache, **options))


def told(reading: Reading) -> dict[str, Any]:
    """All of a reading, as something that can be compared: also types, and the numbering of names."""
    found = {each.name: getattr(reading, each.name) for each in dataclasses.fields(reading) if each.compare}
    return {**found, "samples": columns(reading.samples)}


def columns(samples: Samples) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for each in dataclasses.fields(samples):
        value = getattr(samples, each.name)
        names: tuple[str, ...] = ()
        if isinstance(value, NameColumn):
            value, names = value.codes, value.names
        value = value.whole if isinstance(value, Tenths) else value
        found[each.name] = (value.dtype, value.tobytes(), names) if isinstance(value, np.ndarray) else value
    return found


class Reads:
    """Reads a tree with one cache, and counts the bytes that are read of the logs."""

    def __init__(self, tree: Path, directory: Path, **options: Any) -> None:
        self.tree = tree
        self.directory = directory
        self.options = options
        self.notes: list[str] = []

    def __call__(self, recorded: Recorded | None = None) -> int:
        """How many bytes were read, after looking that the cache does not show."""
        progress = Progress()
        cache = cache_in(self.directory, **self.options)
        found = read(self.tree, cache, recorded, progress=progress)
        self.notes = cache.notes
        assert told(found) == told(read(self.tree, None, recorded))
        assert progress.files == found.count("file")
        return progress.size


@pytest.fixture
def reads(tmp_path: Path) -> Reads:
    """A tree with one log of 1200 samples, of 300 kB."""
    write(tmp_path / "logs", [v2(time=stamp(n)) for n in range(1200)])
    return Reads(tmp_path / "logs", tmp_path / "cache")


LOG = Path("run-1/agent.log")


def size_of(reads: Reads) -> int:
    return (reads.tree / LOG).stat().st_size


def rewrite(path: Path, change: Callable[[bytes], bytes]) -> None:
    """Change what a file holds, in place."""
    data = change(path.read_bytes())
    with path.open("r+b") as file:
        file.write(data)
        file.truncate()


def append(path: Path, text: str) -> None:
    with path.open("ab") as file:
        file.write(text.encode())


# What is read again -----------------------------------------------------------------------------------------------


def test_of_an_unchanged_file_nothing_is_read(reads: Reads) -> None:
    assert reads() == size_of(reads)
    assert [reads(), reads()] == [0, 0]


def test_of_an_appended_file_what_was_appended_is_read(reads: Reads) -> None:
    reads()
    line = f"{v2(time=stamp(5000))}\n"
    append(reads.tree / LOG, line * 3)
    assert [reads(), reads()] == [3 * len(line), 0]


def test_a_last_line_without_an_end_is_read_each_time(reads: Reads) -> None:
    half, rest = v2(time=stamp(5000))[:100], f"{v2(time=stamp(5000))[100:]}\n"
    append(reads.tree / LOG, half)
    assert reads() == size_of(reads)
    assert [reads(), reads()] == [100, 100]
    append(reads.tree / LOG, rest)
    assert [reads(), reads()] == [100 + len(rest), 0]


def test_a_budget_record_is_joined_with_a_sample_that_comes_later(reads: Reads) -> None:
    append(reads.tree / LOG, f"{budget('phase-7', 901)}\n")
    reads()
    append(reads.tree / LOG, f"{v2(output=901, time=stamp(5000))}\n")
    assert reads() < 500
    found = read(reads.tree, cache_in(reads.directory))
    assert [found.samples.task_id.name(row) for row in (1199, 1200)] == [None, "phase-7"]


CHANGES: dict[str, Callable[[Path], object]] = {
    "truncated": lambda path: rewrite(path, lambda data: data[: len(data) // 2]),
    "truncated to a line": lambda path: rewrite(path, lambda data: data[: data.rindex(b"\n", 0, 200_000) + 1]),
    "rewritten in the middle": lambda path: rewrite(path, lambda data: data.replace(b"03:04:05", b"03:04:06", 1)),
    "rewritten longer": lambda path: rewrite(path, lambda data: data.replace(b"=1000 ", b"=10000 ")),
    "rewritten longer at the end": lambda path: rewrite(path, lambda data: data[:-500] + data[-3000:]),
    "touched": lambda path: os.utime(path, (LONG_AGO, LONG_AGO)),
    "replaced by its copy": lambda path: shutil.copy2(path, path.with_name("x")) and path.with_name("x").replace(path),
    "its rights changed": lambda path: path.chmod(0o600),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_file_that_did_not_only_grow_is_read_again(reads: Reads, change: str) -> None:
    reads()
    time.sleep(0.02)  # longer than a tick of the clock of files
    CHANGES[change](reads.tree / LOG)
    assert [reads(), reads()] == [size_of(reads), 0]


def test_a_rotated_file_is_read_again(reads: Reads) -> None:
    reads()
    log = reads.tree / LOG
    log.rename(log.with_name("old.log"))
    write(reads.tree, [v2(time=stamp(n)) for n in range(3000, 3900)])
    total = size_of(reads) + log.with_name("old.log").stat().st_size
    assert [reads(), reads()] == [total, 0]


@pytest.mark.parametrize(("rested", "expected"), [(1.9, "again"), (2.0, "not")])
def test_a_file_must_have_rested_two_seconds(tmp_path: Path, rested: float, expected: str) -> None:
    write(tmp_path / "logs", [v2()] * 400)
    status = (tmp_path / "logs" / LOG).stat()
    now = max(status.st_mtime_ns, status.st_ctime_ns) + int(rested * SECOND)
    reads = Reads(tmp_path / "logs", tmp_path / "cache", clock=lambda: now)
    reads()
    assert reads() == (size_of(reads) if expected == "again" else 0)


def test_a_file_that_changes_within_a_tick_of_the_clock_is_read_again(
    reads: Reads, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on file systems whose times are coarse: same size, same times, other content."""
    reads.options["clock"] = time.time_ns
    log = reads.tree / LOG
    reads()
    before = log.stat()
    rewrite(log, lambda data: data.replace(b"=900 ", b"=901 "))
    os.utime(log, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert reads() == size_of(reads)


def test_a_file_that_was_just_written_can_still_be_continued(reads: Reads) -> None:
    reads.options["clock"] = time.time_ns
    reads()
    append(reads.tree / LOG, "nothing\n")
    assert reads() == len("nothing\n")


@pytest.mark.parametrize(("size", "remembered"), [(LEAST, False), (LEAST + 1, True)])
def test_only_files_over_64_kb_are_remembered(tmp_path: Path, size: int, remembered: bool) -> None:
    write(tmp_path / "logs", [])
    (tmp_path / "logs" / LOG).write_bytes(b"x" * (size - 1) + b"\n")
    reads = Reads(tmp_path / "logs", tmp_path / "cache", least=LEAST)
    assert reads() == size
    assert reads() == (0 if remembered else size)
    assert (tmp_path / "cache").exists() == remembered


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
def test_wide_text_is_not_remembered(reads: Reads, encoding: str) -> None:
    log = reads.tree / LOG
    log.write_text(log.read_text(), encoding=encoding)
    assert [reads(), reads()] == [size_of(reads)] * 2
    assert not reads.directory.exists()


def test_a_file_without_a_line_end_near_its_end_is_not_remembered(reads: Reads) -> None:
    append(reads.tree / LOG, "x" * (1 << 17))
    assert [reads(), reads()] == [size_of(reads)] * 2
    append(reads.tree / LOG, "\n")
    assert [reads(), reads()] == [size_of(reads), 0]


def test_a_file_is_remembered_with_and_without_the_ids_of_its_calls(reads: Reads) -> None:
    """They are needed where tests record too."""
    write(reads.tree, [own(f"call-{n}") for n in range(300)], "a.jsonl")
    recorded = Recorded(phases=(Phase("test_a", SPAN, (own("call-7"),)),))
    assert [reads() > 0, reads(recorded) > 0, reads(), reads(recorded)] == [True, True, 0, 0]


SPAN = Span(datetime(2026, 1, 2, 3, 4, tzinfo=UTC).timestamp(), datetime(2026, 1, 2, 3, 5, tzinfo=UTC).timestamp())


def own(id: str, n: int = 0, second: int = 5) -> str:
    """A call in our own format."""
    time = f"2026-01-02T03:04:{second:02}Z"
    call = {"predicted_output_tokens": 1000 + n, "output_tokens": 900, "id": id, "time": time}
    return json.dumps({"schema": "token-telemetry/1", **call, "features": {"retries": "1", "größe": "\ud83d"}})


def test_a_stand_in_that_gives_every_call_one_id_is_known_by_its_times(reads: Reads) -> None:
    write(reads.tree, [own("stub", second=n) for n in (5, 6, 6, 7)], "a.jsonl")
    reads()
    assert reads() == 0
    found = read(reads.tree, cache_in(reads.directory))
    assert (len(found.samples), found.duplicates) == (1203, 1)


def test_a_file_that_grows_while_it_is_read_is_continued(reads: Reads, monkeypatch: pytest.MonkeyPatch) -> None:
    log = reads.tree / LOG
    size = size_of(reads)
    line = f"{v2(time=stamp(9000))}\n"
    read(reads.tree, cache_in(reads.directory), progress=Progress(lambda files, size: append(log, line)))
    assert size_of(reads) == size + len(line)
    assert [reads(), reads()] == [len(line), 0]


@pytest.mark.parametrize("change", ["rewritten in the middle", "truncated", "replaced by its copy"])
def test_a_file_that_changes_while_it_is_read_is_not_remembered(reads: Reads, change: str) -> None:
    time.sleep(0.02)
    changes = [CHANGES[change]]

    def tell(files: int, size: int) -> None:
        if changes:
            changes.pop()(reads.tree / LOG)

    read(reads.tree, cache_in(reads.directory), progress=Progress(tell))
    assert reads() == size_of(reads)


def test_what_may_not_be_opened_any_more_is_told(reads: Reads, monkeypatch: pytest.MonkeyPatch) -> None:
    reads()
    opened = os.open

    def refused(path: Any, *arguments: Any) -> int:
        if str(path).endswith("agent.log"):
            raise PermissionError(13, "Permission denied")
        return opened(path, *arguments)

    monkeypatch.setattr(os, "open", refused)
    assert read(reads.tree, cache_in(reads.directory)).unreadable == {"logs/run-1/agent.log": "Permission denied"}


# What is kept -----------------------------------------------------------------------------------------------------


def entries(reads: Reads) -> list[Path]:
    return sorted(reads.directory.iterdir())


def test_files_beside_each_other_share_one_file_of_the_cache(reads: Reads) -> None:
    for n in range(5):
        write(reads.tree, [v2(time=stamp(2000 + n))], f"run-1/{n}.log")
    reads()
    assert len(entries(reads)) == 1
    append(reads.tree / "run-1/3.log", "nothing\n")
    assert [reads(), reads()] == [8, 0]
    assert len(entries(reads)) == 1


def test_a_large_file_has_one_for_itself(reads: Reads, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "ALONE", size_of(reads))
    write(reads.tree, [v2(time=stamp(2000))], "run-1/small.log")
    reads()
    assert len(entries(reads)) == 2
    append(reads.tree / LOG, "nothing\n")
    assert [reads(), reads()] == [8, 0]


def test_a_file_that_is_gone_is_forgotten_with_the_next_news_of_those_beside_it(reads: Reads) -> None:
    write(reads.tree, [v2(time=stamp(2000))], "run-1/small.log")
    reads()
    [entry] = entries(reads)
    both = entry.stat().st_size
    (reads.tree / LOG).unlink()
    append(reads.tree / "run-1/small.log", "nothing\n")
    assert [reads(), reads()] == [8, 0]
    assert entry.stat().st_size < both / 2


def test_a_file_that_this_session_does_not_read_is_not_forgotten(reads: Reads) -> None:
    write(reads.tree, [own("x")], "run-1/other.jsonl")
    reads()
    append(reads.tree / LOG, "nothing\n")
    cache = cache_in(reads.directory)
    read_directories([Directory(reads.tree, "logs")], ["*.log"], scan=Scan(cache=cache))
    assert reads() == 0


def test_what_no_session_used_for_30_days_is_removed(reads: Reads) -> None:
    reads()
    old = [reads.directory / name for name in (f"{'0' * 32}.cache", f".{'0' * 32}.tmp")]
    others = [reads.directory / name for name in ("notes.cache", f"{'1' * 32}.cache", f".{'1' * 32}.tmp")]
    for path in old + others:
        path.write_text("anything")
    for path in [*old, reads.directory / "notes.cache", *entries(reads)]:
        os.utime(path, (time.time() - 31 * 86400,) * 2)
    for path in others[1:]:
        os.utime(path)
    used = set(entries(reads)) - {*old, *others}
    append(reads.tree / LOG, "nothing\n")
    reads()
    assert set(entries(reads)) == {*others, *used}


def test_what_is_used_is_not_removed(reads: Reads) -> None:
    reads()
    [entry] = entries(reads)
    os.utime(entry, (time.time() - 29 * 86400,) * 2)
    reads()
    assert time.time() - entry.stat().st_mtime < 60


def test_more_than_can_be_kept_is_not_kept(reads: Reads, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache_module, "LARGEST", 1000)
    assert [reads(), reads()] == [size_of(reads)] * 2
    assert (entries(reads), reads.notes) == ([], [])


def test_a_directory_that_cannot_be_written_costs_one_line(reads: Reads) -> None:
    reads.directory.write_text("a file")
    assert reads() == size_of(reads)
    assert reads.notes == ["the cache could not be written: File exists"]


def test_nothing_is_left_of_a_file_that_could_not_be_written(reads: Reads, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", fail)
    reads()
    assert entries(reads) == []
    assert reads.notes == ["the cache could not be written: No space left on device"]


# Damage -----------------------------------------------------------------------------------------------------------

IGNORED = ["1 file of the cache ignored, damaged or of another version: the logs were read again"]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Reads, Path, bytes]:
    """A small tree with a bit of everything, and what is remembered of it."""
    base = tmp_path_factory.mktemp("kept")
    lines = [budget("p", 900), v2(), v2(output=-1), v2(more=" retry=1"), v2(time=None), own("x"), own("y")]
    write(base / "logs", [*lines, budget("q", 901)])
    reads = Reads(base / "logs", base / "cache")
    reads()
    [entry] = entries(reads)
    return reads, entry, entry.read_bytes()


def damaged(data: bytes) -> Iterator[bytes]:
    for at in range(len(data)):
        yield data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1 :]
        yield data[:at]
    for at in range(0, len(data), 7):
        yield data[:at] + b"\0" + data[at:]
        yield data[:at] + data[at + 1 :]
    yield data + b"\0"
    yield data * 2


def test_any_damage_is_seen(kept: tuple[Reads, Path, bytes]) -> None:
    _, entry, data = kept
    remembered.unpack(data, entry.stem)
    for each in damaged(data):
        with pytest.raises(remembered.DamagedError):
            remembered.unpack(each, entry.stem)


@pytest.mark.parametrize("how", ["flipped", "cut", "empty", "another's", "a directory", "a pipe", "of another version"])
def test_a_damaged_file_is_ignored_with_one_line_and_replaced(
    kept: tuple[Reads, Path, bytes], how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads, entry, data = kept
    entry.unlink(missing_ok=True)
    match how:
        case "flipped":
            entry.write_bytes(bytes([data[0] ^ 1]) + data[1:])
        case "cut":
            entry.write_bytes(data[:-1])
        case "empty":
            entry.write_bytes(b"")
        case "another's":
            other = Reads(write(reads.directory.parent / "other", [v2()]), reads.directory.parent / "others")
            other()
            shutil.copy(entries(other)[0], entry)
        case "a directory":
            entry.mkdir()
        case "a pipe":
            if not hasattr(os, "mkfifo"):
                pytest.skip("needs named pipes")
            os.mkfifo(entry)
        case "of another version":
            entry.write_bytes(data)
            monkeypatch.setattr(remembered, "meaning", lambda: "0" * 32)
    try:
        assert reads() == size_of(reads)
        if how == "a directory":
            assert reads.notes == [*IGNORED, "the cache could not be written: Is a directory"]
            return
        assert reads.notes == IGNORED
        assert (reads(), reads.notes) == (0, [])
    finally:
        shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        entry.write_bytes(data)


def forged(data: bytes, change: Callable[[dict[str, Any]], object], arrays: dict[str, Any]) -> bytes:
    """``data`` with another header and other arrays, and a hash that fits."""
    from pytest_token_telemetry.sources.arrays import Store, Stored

    stored, store = Stored(data), Store()
    change(stored.header)
    store._arrays = {**stored._arrays, **{name: np.asarray(array) for name, array in arrays.items()}}
    return store.packed(stored.header)


def unsigned(*numbers: int) -> Any:
    return np.array(numbers, np.uint64)


FORGED_ARRAYS = {
    "a code without a name": {"category": [0, 0, 9, 0, 0]},
    "a flag": {"truncated": [2, 0, 0, 0, 0]},
    "too many tokens": {"output_tokens": [10**9 + 1, 0, 0, 0, 0]},
    "a row more": {"output_tokens": [1] * 6},
    "another type": {"output_tokens": [1.0] * 5},
    "another file": {"file": [0, 0, 0, 0, 1]},
    "a file below": {"file": [-1, 0, 0, 0, 0]},
    "a line behind the end": {"line": [2, 4, 5, 6, 99]},
    "lines out of order": {"line": [4, 2, 5, 6, 7]},
    "line 0": {"line": [0, 2, 4, 5, 6]},
    "neither true nor false": {"legacy": [2, 0, 0, 0, 0]},
    "a time in another era": {"time": [1 << 61, 0, 0, 0, 0]},
    "a time before all": {"time": [-(1 << 62), 0, 0, 0, 0]},
    "features of no row": {"features row": [1, 3, 5]},
    "features twice": {"features row": [1, 3, 3]},
    "features without an end": {"features": [1, 2, 9]},
    "no features": {"features": [0, 2, 2]},
    "ids of other rows": {"id row": [3, 9]},
    "ids out of order": {"id row": [4, 3]},
    "an id less": {"id": unsigned(1)},
    "ids with a sign": {"id": [1, 2]},
    "half a digest": {"timed head": unsigned(1)},
    "texts beyond their bytes": {"category lengths": [1 << 40]},
    "texts with a negative length": {"category lengths": [-1]},
    "texts shorter than their bytes": {"category lengths": [3]},
    "bytes that are no text": {"model bytes": np.full(len("claude-sonnet-4-5"), -1, np.int8)},
    "a reason of its own": {
        "finish_reason bytes": np.frombuffer(b"stab", np.int8),
    },
    "a source of its own": {
        "truncation_source lengths": [1],
        "truncation_source bytes": np.frombuffer(b"x", np.int8),
    },
    "markup in place of our own words": {
        "complaint reason lengths": [3],
        "complaint reason bytes": np.frombuffer(b"<b>", np.int8),
    },
    "a complaint of nothing": {"complaint count": [0]},
    "more places than lines": {"complaint count": [1], "complaint places": [2], "complaint line": [1, 2]},
    "a place behind the end": {"complaint line": [99]},
    "no place": {"complaint places": [0], "complaint line": []},
    "budgets out of order": {"budget line": [8, 1]},
    "a budget behind the end": {"budget line": [1, 99]},
    "a budget of another file": {"budget file": [0, 1]},
    "a negative budget": {"budget cap": [-1, 5]},
    "a negative place": {"place": [-1, 0, 0, 0, 0]},
}


@pytest.mark.parametrize("name", FORGED_ARRAYS)
def test_what_cannot_come_from_reading_files_is_refused(kept: tuple[Reads, Path, bytes], name: str) -> None:
    _, entry, data = kept
    remembered.unpack(forged(data, lambda header: None, {}), entry.stem)
    with pytest.raises(remembered.DamagedError):
        remembered.unpack(forged(data, lambda header: None, FORGED_ARRAYS[name]), entry.stem)


def in_mark(at: int, value: object) -> Callable[[dict[str, Any]], object]:
    return lambda header: header["marks"][0].__setitem__(at, value)


FORGED_HEADERS: dict[str, Callable[[dict[str, Any]], object]] = {
    "no marks": lambda header: header.pop("marks"),
    "marks that are none": lambda header: header.update(marks=5),
    "a mark that is none": lambda header: header.update(marks=[5]),
    "a short mark": lambda header: header["marks"][0].pop(),
    "fewer marks": lambda header: header.update(marks=[]),
    "many rows": lambda header: header.update(rows=1 << 61),
    "rows without an end": lambda header: header.update(rows=float("inf")),
    "negative rows": lambda header: header.update(rows=-1),
    "a path that is no text": in_mark(0, 5),
    "an inode that is no number": in_mark(2, "x"),
    "a size of more bits": in_mark(3, 1 << 80),
    "an end behind the size": in_mark(7, 1 << 50),
    "a negative end": in_mark(7, -5),
    "more line ends than bytes": in_mark(8, 1 << 50),
    "a flag for a number": in_mark(8, True),
    "a fingerprint that is no text": in_mark(9, None),
}


@pytest.mark.parametrize("name", FORGED_HEADERS)
def test_a_header_that_cannot_be_ours_is_refused(kept: tuple[Reads, Path, bytes], name: str) -> None:
    _, entry, data = kept
    with pytest.raises(remembered.DamagedError):
        remembered.unpack(forged(data, FORGED_HEADERS[name], {}), entry.stem)


@pytest.mark.parametrize(
    "head", ["[]", "5", "{}", '{"header": 5, "arrays": 5}', "[" * 100_000, '{"header": {}, "arrays": [["a", [], 1]]}']
)
def test_a_head_that_is_no_header_is_refused(head: str) -> None:
    from hashlib import blake2b

    from pytest_token_telemetry.sources.arrays import MAGIC

    body = MAGIC + len(head).to_bytes(8, "little") + head.encode()
    with pytest.raises(remembered.DamagedError):
        remembered.unpack(body + blake2b(body, digest_size=16).digest(), "0" * 32)


def test_texts_of_any_characters_are_kept(reads: Reads) -> None:
    """Half characters may stand side by side, and must not become a whole one."""
    from pytest_token_telemetry.sources.arrays import Store, Stored

    texts = ["", "größe", "\ud83d\ude00", "😀", "\udc80", "a\0b"]
    store = Store()
    store.texts("any", texts)
    assert Stored(store.packed({})).texts("any", None) == texts


# Side by side -----------------------------------------------------------------------------------------------------


def test_sessions_side_by_side_do_not_break_each_other(tmp_path: Path) -> None:
    """They write the same files of the cache, over and over, while the logs grow."""
    tree = tmp_path / "logs"
    for n in range(3):
        write(tree, [v2(time=stamp(i)) for i in range(50)], f"{n}.log")
    notes: list[str] = []
    found: list[bool] = []

    def session(own_tree: Path) -> None:
        for n in range(15):
            cache = cache_in(tmp_path / "cache")
            reading = read(own_tree, cache)
            notes.extend(cache.notes)
            found.append(len(reading.samples) == 50 + n and not reading.unreadable)
            for each in sorted(own_tree.iterdir()):
                append(each, f"{v2(time=stamp(1000 + n))}\n")

    trees = [shutil.copytree(tree, tmp_path / name) for name in ("a", "b")]
    threads = [threading.Thread(target=session, args=(each,)) for each in trees]
    threads.append(threading.Thread(target=lambda: [read(tree, cache_in(tmp_path / "cache")) for _ in range(30)]))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (notes, found) == ([], [True] * 30)


def test_a_file_that_another_session_removes_meanwhile_is_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cache").mkdir()
    half_written = tmp_path / "cache" / f".{'0' * 32}.tmp"
    half_written.touch()
    listed = os.scandir

    class Listed:
        """A directory of which a file is renamed between the listing and the look at it."""

        def __init__(self, path: Path) -> None:
            self._entries = list(listed(path))
            half_written.unlink(missing_ok=True)

        def __enter__(self) -> list[os.DirEntry[str]]:
            return self._entries

        def __exit__(self, *exception: object) -> None:
            pass

    cache = cache_in(tmp_path / "cache")
    monkeypatch.setattr(cache_module.os, "scandir", Listed)
    cache.save([])
    assert (cache.notes, half_written.exists()) == ([], False)


def test_sessions_of_one_tree_do_not_break_each_other(reads: Reads) -> None:
    results: list[tuple[dict[str, Any], list[str]]] = []

    def session() -> None:
        for _ in range(10):
            cache = cache_in(reads.directory, clock=time.time_ns)  # so that each writes each time
            results.append((told(read(reads.tree, cache)), cache.notes))

    threads = [threading.Thread(target=session) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expected = told(read(reads.tree))
    assert len(results) == 30
    assert all(found == expected and not notes for found, notes in results)
    assert len(entries(reads)) == 1


@pytest.mark.parametrize("part", [1 << 12, 1 << 15])
def test_parts_of_files_that_are_read_elsewhere_are_remembered(reads: Reads, part: int) -> None:
    append(reads.tree / LOG, f"{budget('phase-7', 901)}\n")
    expected = told(read(reads.tree))
    for n in range(4):
        for executor in (None, lambda: ThreadPoolExecutor(2)):
            progress = Progress()
            cache = cache_in(reads.directory)
            scan = Scan(cache=cache, executor=executor, bounds=Bounds(part, 5, part), progress=progress)
            found = read_directories([Directory(reads.tree, "logs")], PATTERNS, scan=scan)
            assert told(found) == expected
        assert progress.size in (0, len("no end"))
        append(reads.tree / LOG, f"{v2(output=901, time=stamp(5000 + n))}\nno end")
        write(reads.tree, [v2(time=stamp(9000 + i)) for i in range(n * 40)], f"run-1/{n}.log")
        expected = told(read(reads.tree))


# For any edits ----------------------------------------------------------------------------------------------------

NAMES = ("a.log", "run-1/a.log", "run-1/b.log", "run-2/c.jsonl")
JSON_LINES = st.builds(own, st.sampled_from(["x", "y"]), st.integers(0, 1), st.integers(5, 6)) | st.just(
    '{"schema": "token-telemetry/1"'
)
LINES = st.one_of(LOGS, st.lists(JSON_LINES, max_size=3))
GLUE = st.sampled_from(["\n", "\r\n", ""])


@st.composite
def texts(draw: st.DrawFn) -> bytes:
    """Some lines, of which the last may lack its end."""
    text = draw(GLUE.flatmap(lambda glue: LINES.map(lambda lines: glue.join([*lines, ""]))))
    return (text + draw(st.sampled_from(["", "", "\n", "half", '{"schema"']))).encode()


EDITS = (
    *("append", "append", "append", "append", "append wide", "truncate", "flip", "write", "rotate", "swap"),
    *("touch", "delete", "encode", "link", "nothing"),
)


@st.composite
def edits(draw: st.DrawFn) -> tuple[Any, ...]:
    name = draw(st.sampled_from(NAMES))
    how = draw(st.sampled_from(EDITS))
    match how:
        case "append" | "write":
            return how, name, draw(texts())
        case "append wide":
            return "append", name, draw(texts()).decode().encode("utf-16-le")
        case "truncate" | "flip":
            return how, name, draw(st.integers(0, 1 << 12))
        case "rotate" | "swap" | "link":
            return how, name, draw(st.sampled_from([each for each in NAMES if each != name]))
        case "encode":
            return how, name, draw(st.sampled_from(["utf-16", "utf-16-le", "utf-32", "utf-8-sig"]))
        case _:
            return how, name, None


class Tree:
    """Logs that are edited. Each edit shows in the time of its file, as it does on a real clock in the end."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._times = itertools.count(LONG_AGO)

    def edit(self, how: str, name: str, argument: Any) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if how in ("append", "write"):
            with path.open("ab" if how == "append" else "wb") as file:
                file.write(argument)
        elif path.exists():
            self._change(path, how, argument)
        if path.exists() and how != "nothing":
            os.utime(path, (next(self._times),) * 2)

    def _change(self, path: Path, how: str, argument: Any) -> None:
        data = path.read_bytes()
        match how:
            case "truncate":
                rewrite(path, lambda data: data[:argument])
            case "flip" if data:
                at = argument % len(data)
                rewrite(path, lambda data: data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
            case "encode":
                path.write_bytes(data.decode("utf-8", "replace").encode(argument))
            case "delete":
                path.unlink()
            case "rotate" | "swap" | "link":
                self._move(path, self.root / argument, how)

    def _move(self, path: Path, other: Path, how: str) -> None:
        other.parent.mkdir(parents=True, exist_ok=True)
        if how == "link":
            other.unlink(missing_ok=True)
            os.link(path, other)
        elif how == "swap" and other.exists():
            path.rename(path.with_name("swapped"))
            other.rename(path)
            path.with_name("swapped").rename(other)
        else:
            path.replace(other)


@settings(deadline=None, max_examples=150)
@given(
    st.lists(edits(), min_size=1, max_size=12),
    st.sampled_from([1, 64, 1 << 20]),
    st.sampled_from([later, time.time_ns]),
    st.sampled_from([0, 100]),
    st.sampled_from([300, 1 << 23]),
    st.booleans(),
)
def test_the_cache_never_shows(
    changes: list[tuple[Any, ...]],
    buffer: int,
    clock: Callable[[], int],
    least: int,
    alone: int,
    records: bool,
) -> None:
    recorded = Recorded(phases=(Phase("test_a", SPAN, (own("x"), own("z"))),)) if records else None
    with tempfile.TemporaryDirectory() as directory, pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan, "ALONE", alone)
        tree = Tree(Path(directory, "logs"))
        for name in NAMES:
            tree.edit("write", name, f"{v2()}\n{own('x')}\n{budget('p', 900)}\n".encode())
        for change in changes:
            tree.edit(*change)
            cache = cache_in(Path(directory, "cache"), least, clock)
            found = read(tree.root, cache, recorded, buffer=buffer)
            assert told(found) == told(read(tree.root, None, recorded))
            assert cache.notes == []
