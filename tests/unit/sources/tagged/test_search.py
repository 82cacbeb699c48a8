"""The fast scanner finds what the simple one finds."""

from __future__ import annotations

import dataclasses
import itertools
import sys
import tempfile
import types
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_token_telemetry.sources.tagged.formats import TAG_NEEDLES as NEEDLES
from pytest_token_telemetry.sources.tagged.formats import telemetry_scanner
from pytest_token_telemetry.sources.tagged.line_scanner import LineScanner, line_scanner
from pytest_token_telemetry.sources.tagged.search import _DENSE_HITS, Find, Hits, Search, fastest_find
from pytest_token_telemetry.sources.tagged.simple_search import LOOK_BACK, RECORD_LIMIT, Fragment
from tests.lines import v2
from tests.unit.sources.builders import FOUND, fast, simply
from tests.unit.sources.tagged.test_simple_search import HEAD, PIECES, contents


def simple(path: Path) -> FOUND:
    return simply(telemetry_scanner(), path.read_bytes())


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "a.log"


@pytest.fixture(params=["numpy", "stringzilla"])
def search(request: pytest.FixtureRequest) -> Search:
    """Every way to find a text, with buffers on both sides of what is small."""
    if request.param == "numpy":
        return Search(NEEDLES, small=20)
    return Search(
        NEEDLES, pytest.importorskip("stringzilla", reason="the extra 'fast' is not installed").find, small=20
    )


@settings(deadline=None, max_examples=500, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(contents(), min_size=1, max_size=3), st.integers(0, len(HEAD)), st.integers(1, 200))
def test_one_buffer_finds_in_one_file_after_the_other_what_the_simple_scanner_finds(
    search: Search, texts: list[bytes], cut: int, buffer: int
) -> None:
    scanner = LineScanner(telemetry_scanner(), search, buffer)
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "a.log")
        for text in texts:
            path.write_bytes(text + HEAD[:cut])
            assert fast(scanner, path) == simple(path)


@settings(deadline=None, max_examples=500, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(PIECES | st.just(b"\n") | st.just(v2().encode()), max_size=30).map(b"".join), st.integers(1, 2000))
def test_records_in_lines_of_any_kind_are_found(search: Search, text: bytes, buffer: int) -> None:
    scanner = LineScanner(telemetry_scanner(), search, buffer)
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "a.log")
        path.write_bytes(text)
        assert fast(scanner, path) == simple(path)


@pytest.mark.parametrize("before", range(4))
def test_a_text_may_become_dense_within_a_line(file: Path, search: Search, before: int) -> None:
    """Its first tags are then found one by one, and the line is not to be taken twice."""
    text = v2() + "\n" + f"{NEEDLES[1].decode()} {v2()} [TokenEstimation] {v2()}\n" * 100
    file.write_bytes((v2() * before + "\n" + text).encode())
    assert fast(LineScanner(telemetry_scanner(), search), file) == simple(file)


@pytest.mark.parametrize("before", [0, 1, LOOK_BACK - 1, LOOK_BACK, LOOK_BACK + 1])
@pytest.mark.parametrize("after", [0, RECORD_LIMIT - 1, RECORD_LIMIT, RECORD_LIMIT + 1])
def test_limits_are_those_of_the_simple_scanner(file: Path, before: int, after: int) -> None:
    file.write_bytes(b"one\n" + b"x" * before + b"[TokenEstimation]" + b"y" * after + b"\nlast\n")
    assert fast(line_scanner(), file) == simple(file)
    assert len(simple(file)) == 1


@pytest.mark.parametrize("needle", NEEDLES)
def test_a_needle_alone_is_no_record(file: Path, needle: bytes) -> None:
    file.write_bytes(b"a " + needle[:-1] + b"\n" + needle[:-1] + b"x\n")
    assert fast(line_scanner(), file) == []


def test_a_line_that_begins_like_wide_text_is_plain(file: Path) -> None:
    """Behind a line that fills the buffer, where a simple scanner takes over."""
    file.write_bytes(b"x" * 100 + b"\n" + b"y" * 50 + b"\n" + b"\xff\xfe" + b"z" * 100 + v2().encode() + b"\n")
    found = fast(line_scanner(60), file)
    assert [each.line for each in found if isinstance(each, Fragment)] == [3]
    assert found == simple(file)


def test_a_file_of_an_unknown_size_is_read_to_its_end(file: Path) -> None:
    file.write_bytes((v2() + "\n").encode() * 50)
    assert len(fast(line_scanner(600), file, 0, 10**9)) == 50


def test_what_is_appended_while_it_is_read_is_for_the_next_time(file: Path) -> None:
    file.write_bytes((v2() + "\n").encode() * 2)
    size = file.stat().st_size
    with file.open("ab") as opened:
        opened.write((v2() + "\n").encode() * 50)
    assert len(fast(line_scanner(size), file, 0, size)) == 2


def test_each_read_is_told(file: Path) -> None:
    file.write_bytes(b"x" * 8 + b"\n" + b"x" * 8 + b"\n" + b"x" * 7)
    sizes: list[int] = []
    assert fast(line_scanner(10, sizes.append), file) == []
    assert sum(sizes) == 25
    assert max(sizes) <= 10


@settings(deadline=None, max_examples=300)
@given(
    st.lists(PIECES | st.just(b"\n") | st.just(v2().encode()), max_size=30).map(b"".join),
    st.integers(1, 500),
    st.data(),
)
def test_parts_of_a_file_add_up_to_it(text: bytes, buffer: int, choice: st.DataObject) -> None:
    ends = [at + 1 for at, byte in enumerate(text) if byte == ord("\n")]
    cuts = choice.draw(st.lists(st.sampled_from(ends), unique=True).map(sorted)) if ends else []
    scanner = line_scanner(buffer)
    found: FOUND = []
    lines = 0
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "a.log")
        path.write_bytes(b"first\n" + text)
        for begin, end in itertools.pairwise([0, *(6 + cut for cut in cuts), 6 + len(text)]):
            for fragment in fast(scanner, path, begin, end):
                assert isinstance(fragment, Fragment)
                found.append(dataclasses.replace(fragment, line=fragment.line + lines))
            lines += scanner.line_ends
        assert found == simple(path)
    assert lines == text.count(b"\n") + 1


# Needles --------------------------------------------------------------------------------------------------------------

TEXTS = st.lists(
    st.sampled_from(
        [*NEEDLES, *(each[:3] for each in NEEDLES), b"[T", b"[", b'"', b"x", b"a line of text\n", b"y" * 700]
    )
    | st.binary(max_size=3),
    max_size=40,
).map(b"".join)


@pytest.fixture(params=["numpy", "stringzilla"])
def find(request: pytest.FixtureRequest) -> Find | None:
    """Every way to find a text."""
    if request.param == "stringzilla":
        return pytest.importorskip("stringzilla", reason="the extra 'fast' is not installed").find
    return None


def places(text: bytes) -> list[int]:
    return [at for at in range(len(text)) if text.startswith(NEEDLES, at)]


@given(TEXTS, st.integers(0, 60))
def test_all_needles_are_found_in_order(text: bytes, left: int) -> None:
    for find in (None, bytearray.find):
        for small in (1, 1 << 30):
            size = max(0, len(text) - left)
            assert Search(NEEDLES, find, small).hits(bytearray(text), size) == (places(text[:size]), size)


def test_a_text_is_dense_from_where_hits_are_near_each_other(find: Find | None) -> None:
    sparse = (NEEDLES[0] + b"x" * 5_001) * 200  # at even and odd places
    dense = (b"x" * 100 + NEEDLES[0]) * 200
    hits = Search(NEEDLES, find, small=1).hits(bytearray(sparse + dense), len(sparse) + len(dense))
    assert hits.sparse == places(sparse + dense)[: len(hits.sparse)]
    assert 200 - _DENSE_HITS <= len(hits.sparse) <= 200
    assert hits.dense == places(sparse + dense)[len(hits.sparse)]


def test_what_stands_before_dense_text_is_found_though_its_needle_is_searched_later(find: Find | None) -> None:
    text = NEEDLES[-1] + b"\n" + (b"x" * 100 + NEEDLES[0]) * 200 + NEEDLES[-1]
    hits = Search(NEEDLES, find, small=1).hits(bytearray(text), len(text))
    assert hits.sparse[0] == 0
    assert hits.dense == places(text)[len(hits.sparse)]


def test_the_end_of_the_text_is_no_beginning_of_a_needle(find: Find | None) -> None:
    for needle in NEEDLES:
        for cut in range(len(needle)):
            assert Search(NEEDLES, find, small=1).hits(bytearray(needle), cut) == Hits([], cut)


def test_the_fast_find_is_taken_where_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "stringzilla", None)
    assert fastest_find() is None
    module = types.ModuleType("stringzilla")
    module.find = lambda *_: -1  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "stringzilla", module)
    assert fastest_find() is module.find
