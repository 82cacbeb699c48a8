"""Compressed files are read as the text that they hold, in bounded time and memory, and what is damaged is said."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import sys
import tracemalloc
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_token_telemetry.sources.compressed import MAGIC, Bounds, is_compressed, unpacking
from pytest_token_telemetry.sources.dividing import TaskSizes
from pytest_token_telemetry.sources.parallel import Progress, Scan
from pytest_token_telemetry.sources.source import Sizes
from tests.lines import stamp, v2, write
from tests.unit.sources.builders import budget, joined, read

if TYPE_CHECKING:
    from collections.abc import Callable

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": zstd.compress,
}
every = pytest.mark.parametrize("compress", COMPRESS.values(), ids=COMPRESS)


def text_of(path: Path, *, at_once: int = 1000, bounds: Bounds | None = None) -> bytes:
    """What a compressed file holds, read as the scanner does."""
    found = bytearray()
    with path.open("rb") as file:
        stream = unpacking(file.fileno(), file.read(MAGIC), bounds=bounds or Bounds())
        assert stream is not None
        view = memoryview(bytearray(at_once))
        while got := stream.readinto(view):
            found += view[:got]
    return bytes(found)


def text_or_reason(path: Path) -> bytes | str:
    try:
        return text_of(path)
    except OSError as error:
        return error.strerror


def lines(count: int, first: int = 0) -> bytes:
    return "".join(f"{v2(time=stamp(first + i))}\n" for i in range(count)).encode()


# The text ---------------------------------------------------------------------------------------------------------


@every
@given(texts=st.lists(st.binary(max_size=3000), min_size=1, max_size=4), at_once=st.integers(1, 4000))
def test_several_compressed_texts_are_one(
    tmp_path_factory: pytest.TempPathFactory,
    compress: Callable[[bytes], bytes],
    texts: list[bytes],
    at_once: int,
) -> None:
    path = tmp_path_factory.mktemp("text") / "a"
    path.write_bytes(b"".join(map(compress, texts)))
    assert text_of(path, at_once=at_once) == b"".join(texts)


@every
def test_incompressible_text_of_many_blocks_comes_whole(tmp_path: Path, compress: Callable[[bytes], bytes]) -> None:
    text = os.urandom(300_000)
    path = tmp_path / "a"
    path.write_bytes(compress(text) + bytes(40_000) + compress(text))  # padded, as on tapes
    assert text_of(path, at_once=70_000) == text + text


def test_frames_of_zstd_that_are_to_be_skipped_are(tmp_path: Path) -> None:
    skipped = b"\x50\x2a\x4d\x18" + (5).to_bytes(4, "little") + b"pzstd"
    path = tmp_path / "a"
    path.write_bytes(skipped + zstd.compress(b"one ") + skipped + zstd.compress(b"two"))
    assert text_of(path) == b"one two"


@pytest.mark.parametrize(
    "head", [b"", b"\x1f", b"BZh9 is no beginning", b"[2026-01-", b"{}", b"\xff\xfea\0", b"PK\x03\x04"]
)
def test_other_files_are_not_compressed(head: bytes) -> None:
    assert not is_compressed(head[:MAGIC])


# Damage -----------------------------------------------------------------------------------------------------------


@every
def test_what_is_cut_off_is_an_error_wherever_it_ends(tmp_path: Path, compress: Callable[[bytes], bytes]) -> None:
    packed = compress(lines(20))
    path = tmp_path / "a"
    for end in range(MAGIC, len(packed)):
        path.write_bytes(packed[:end])
        with pytest.raises(OSError, match="data is cut off"):
            text_of(path)


@every
def test_what_stands_before_the_damage_counts_and_the_file_is_unreadable(
    tmp_path: Path, compress: Callable[[bytes], bytes]
) -> None:
    packed = compress(lines(5)) + compress(lines(5, first=5))[:-1]
    (tmp_path / "a.log").write_bytes(packed)
    found = read(tmp_path)
    assert len(found.samples) >= 5
    (reason,) = found.unreadable.values()
    assert reason.endswith("data is cut off")
    assert [file.path for file in found.files] == ["logs/a.log"]


@every
@given(data=st.data())
def test_damaged_data_never_ends_in_another_error_than_one_of_reading(
    tmp_path_factory: pytest.TempPathFactory, compress: Callable[[bytes], bytes], data: st.DataObject
) -> None:
    packed = bytearray(compress(lines(5)))
    for _ in range(data.draw(st.integers(1, 3))):
        packed[data.draw(st.integers(MAGIC, len(packed) - 1))] ^= data.draw(st.integers(1, 255))
    path = tmp_path_factory.mktemp("damage") / "a"
    path.write_bytes(packed)
    found = text_or_reason(path)
    assert isinstance(found, bytes) or "data" in found


@every
def test_what_follows_and_is_something_else_is_an_error(tmp_path: Path, compress: Callable[[bytes], bytes]) -> None:
    (tmp_path / "a.log").write_bytes(compress(lines(5)) + lines(5, first=5))
    found = read(tmp_path)
    assert len(found.samples) == 5
    (reason,) = found.unreadable.values()
    assert reason.startswith("something else follows its")


def test_zstd_that_nothing_unpacks_is_unreadable_and_the_way_out_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd", None)
    (tmp_path / "a.log").write_bytes(zstd.compress(lines(1)))
    found = read(tmp_path)
    assert (found.files, found.unreadable) == (
        (),
        {"logs/a.log": "it is compressed with zstd: install the extra 'pytest-token-telemetry[zstd]', or unpack it"},
    )


# Bombs ------------------------------------------------------------------------------------------------------------


@pytest.mark.large
@every
def test_a_bomb_ends_as_an_unreadable_file_in_little_memory(tmp_path: Path, compress: Callable[[bytes], bytes]) -> None:
    """100 MB of one line, of which each format makes 250 KB at most."""
    bomb = compress(lines(1) + b"x" * 100_000_000)
    assert len(bomb) < 250_000
    (tmp_path / "a.log").write_bytes(bomb)
    del bomb
    tracemalloc.start()
    found = read(tmp_path, Scan(sizes=Sizes(buffer=1 << 16)))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    (reason,) = found.unreadable.values()
    assert reason == "it expands to more than 500 times its size: unpack it if that is right"
    assert len(found.samples) == 1
    assert peak < 20_000_000


@pytest.mark.parametrize(
    ("bounds", "reason"),
    [
        (Bounds(free=10, ratio=1100, most=1 << 40), None),
        (Bounds(free=10, ratio=400, most=1 << 40), "it expands to more than 400 times its size"),
        (Bounds(free=2_000_000, ratio=400, most=1 << 40), None),
        (Bounds(free=2_000_000, ratio=500, most=999_999), "it expands to more than 0 GB"),
    ],
)
def test_both_bounds_hold(tmp_path: Path, bounds: Bounds, reason: str | None) -> None:
    path = tmp_path / "a"
    packed = gzip.compress(bytes(1_000_000))
    path.write_bytes(packed)
    assert 400 < 1_000_000 // len(packed) < 1100
    if reason is None:
        assert len(text_of(path, bounds=bounds)) == 1_000_000
    else:
        with pytest.raises(OSError, match=reason):
            text_of(path, bounds=bounds)


def messages(*texts: bytes) -> bytes:
    """What a collector's file exporter writes with ``compression: zstd``: each message behind its length."""
    packed = [zstd.compress(text) for text in texts]
    return b"".join(len(each).to_bytes(4, "big") + each for each in packed)


@pytest.mark.parametrize("at_once", [1, 7, 1000])
def test_messages_behind_their_lengths_are_lines(tmp_path: Path, at_once: int) -> None:
    texts = [b'{"n":1}', b'{"n":"' + os.urandom(40_000).hex().encode() + b'"}', b'{"n":3}']
    (tmp_path / "traces.json").write_bytes(messages(*texts))
    assert text_of(tmp_path / "traces.json", at_once=at_once).splitlines() == texts


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        pytest.param(messages(b'{"n":1}', b'{"n":2}')[:-3], "its zstd data is cut off", id="cut-off"),
        pytest.param(messages(b'{"n":1}') + b"\0\0", "something else follows its zstd data", id="length-cut-off"),
        pytest.param(messages(b'{"n":1}') + b'{"n":2}\n', "something else follows its zstd data", id="text-behind"),
        pytest.param(
            messages(b"\x0a\x05proto"),
            "its zstd data cannot be unpacked: its messages are not JSON (the collector writes JSON with format: json)",
            id="protobuf",
        ),
    ],
)
def test_messages_that_cannot_be_read_are_never_silent(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "traces.log").write_bytes(content)
    assert read(tmp_path).unreadable == {"logs/traces.log": reason}


# Among other files ------------------------------------------------------------------------------------------------


@every
def test_a_compressed_copy_is_a_duplicate(tmp_path: Path, compress: Callable[[bytes], bytes]) -> None:
    (tmp_path / "agent.log").write_bytes(lines(3))
    (tmp_path / "agent.gz.log").write_bytes(compress(lines(5)))
    found = read(tmp_path)
    assert (len(found.samples), found.duplicates) == (5, 3)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_compressed_text_may_be_in_any_encoding(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "a.log").write_bytes(gzip.compress(lines(3).decode().encode(encoding)))
    assert len(read(tmp_path).samples) == 3


def test_lines_longer_than_the_buffer_and_budgets_are_read_as_in_any_file(tmp_path: Path) -> None:
    text = "\n".join([budget("phase-7", 900), "x" * 5000, v2(output=900)]) + "\n"
    (tmp_path / "a.log").write_bytes(gzip.compress(text.encode()))
    assert joined(read(tmp_path, Scan(sizes=Sizes(buffer=1000)))) == [("phase-7", 16384)]


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_compressed_file_is_never_divided_and_its_compressed_bytes_are_progress(tmp_path: Path, jobs: int) -> None:
    texts = [os.urandom(30_000).hex().encode() + b"\n" + lines(4, first=4 * i) for i in range(2)]
    (tmp_path / "a.log").write_bytes(b"".join(map(gzip.compress, texts)))
    write(tmp_path, [v2(time=stamp(20 + i)) for i in range(50)], "b.log")
    size = sum(path.stat().st_size for path in tmp_path.iterdir())
    progress = Progress()
    found = read(tmp_path, Scan(jobs=jobs, bounds=TaskSizes(3000, 10, 1000), progress=progress))
    assert (len(found.samples), found.unreadable, progress.size) == (58, {}, size)
    assert [found.samples.line[i] for i in (0, 4)] == [2, 7]
