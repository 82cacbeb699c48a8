"""The fast scanner finds what the simple one finds."""

from __future__ import annotations

import dataclasses
import itertools
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_token_telemetry.sources import search
from pytest_token_telemetry.sources.formats import NEEDLES, telemetry_scanner
from pytest_token_telemetry.sources.lines import LineScanner, line_scanner
from pytest_token_telemetry.sources.scan import LOOK_BACK, RECORD_LIMIT, Fragment
from pytest_token_telemetry.sources.search import Find
from tests.lines import v2
from tests.unit.sources.test_scan import HEAD, PIECES, contents

FOUND = list[Fragment | str]


def simply(path: Path) -> FOUND:
    """What the simple scanner finds in a file, and the reason if it ends with an error."""
    found: FOUND = []
    with path.open("rb") as file:
        try:
            found.extend(telemetry_scanner().fragments(file.fileno()))
        except OSError as error:
            found.append(str(error.strerror))
    return found


def fast(path: Path, scanner: LineScanner) -> FOUND:
    """The same of the fast one."""
    found: FOUND = []
    with path.open("rb") as file:
        try:
            found.extend(scanner.fragments(file.fileno(), 0, os.fstat(file.fileno()).st_size))
        except OSError as error:
            found.append(str(error.strerror))
    return found


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "a.log"


@pytest.fixture(params=["numpy", "stringzilla"])
def find(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Find | None:
    """Every way to find a text."""
    monkeypatch.setattr(search, "_SMALL", 20)  # so that buffers are on both sides of it
    if request.param == "numpy":
        return None
    return pytest.importorskip("stringzilla", reason="the extra 'fast' is not installed").find


@settings(deadline=None, max_examples=500, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(contents(), min_size=1, max_size=3), st.integers(0, len(HEAD)), st.integers(1, 200))
def test_one_buffer_finds_in_one_file_after_the_other_what_the_simple_scanner_finds(
    find: Find | None, texts: list[bytes], cut: int, buffer: int
) -> None:
    scanner = LineScanner(telemetry_scanner(), NEEDLES, buffer, find=find)
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "a.log")
        for text in texts:
            path.write_bytes(text + HEAD[:cut])
            assert fast(path, scanner) == simply(path)


@settings(deadline=None, max_examples=500, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(PIECES | st.just(b"\n") | st.just(v2().encode()), max_size=30).map(b"".join), st.integers(1, 2000))
def test_records_in_lines_of_any_kind_are_found(find: Find | None, text: bytes, buffer: int) -> None:
    scanner = LineScanner(telemetry_scanner(), NEEDLES, buffer, find=find)
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "a.log")
        path.write_bytes(text)
        assert fast(path, scanner) == simply(path)


@pytest.mark.parametrize("before", range(4))
def test_a_text_may_become_dense_within_a_line(file: Path, find: Find | None, before: int) -> None:
    """Its first tags are then found one by one, and the line is not to be taken twice."""
    text = v2() + "\n" + f"{NEEDLES[1].decode()} {v2()} [TokenEstimation] {v2()}\n" * 100
    file.write_bytes((v2() * before + "\n" + text).encode())
    assert fast(file, LineScanner(telemetry_scanner(), NEEDLES, find=find)) == simply(file)


@pytest.mark.parametrize("before", [0, 1, LOOK_BACK - 1, LOOK_BACK, LOOK_BACK + 1])
@pytest.mark.parametrize("after", [0, RECORD_LIMIT - 1, RECORD_LIMIT, RECORD_LIMIT + 1])
def test_limits_are_those_of_the_simple_scanner(file: Path, before: int, after: int) -> None:
    file.write_bytes(b"one\n" + b"x" * before + b"[TokenEstimation]" + b"y" * after + b"\nlast\n")
    assert fast(file, line_scanner()) == simply(file)
    assert len(simply(file)) == 1


@pytest.mark.parametrize("needle", NEEDLES)
def test_a_needle_alone_is_no_record(file: Path, needle: bytes) -> None:
    file.write_bytes(b"a " + needle[:-1] + b"\n" + needle[:-1] + b"x\n")
    assert fast(file, line_scanner()) == []


def test_a_line_that_begins_like_wide_text_is_plain(file: Path) -> None:
    """Behind a line that fills the buffer, where a simple scanner takes over."""
    file.write_bytes(b"x" * 100 + b"\n" + b"y" * 50 + b"\n" + b"\xff\xfe" + b"z" * 100 + v2().encode() + b"\n")
    found = fast(file, line_scanner(60))
    assert [each.line for each in found if isinstance(each, Fragment)] == [3]
    assert found == simply(file)


def test_a_file_of_an_unknown_size_is_read_to_its_end(file: Path) -> None:
    file.write_bytes((v2() + "\n").encode() * 50)
    with file.open("rb") as opened:
        assert len(list(line_scanner(600).fragments(opened.fileno(), 0, 10**9))) == 50


def test_what_is_appended_while_it_is_read_is_for_the_next_time(file: Path) -> None:
    file.write_bytes((v2() + "\n").encode() * 2)
    size = file.stat().st_size
    with file.open("ab") as opened:
        opened.write((v2() + "\n").encode() * 50)
    with file.open("rb") as opened:
        assert len(list(line_scanner(size).fragments(opened.fileno(), 0, size))) == 2


def test_each_read_is_told(file: Path) -> None:
    file.write_bytes(b"x" * 8 + b"\n" + b"x" * 8 + b"\n" + b"x" * 7)
    sizes: list[int] = []
    assert fast(file, line_scanner(10, sizes.append)) == []
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
        with path.open("rb") as file:
            for begin, end in itertools.pairwise([0, *(6 + cut for cut in cuts), 6 + len(text)]):
                for fragment in scanner.fragments(file.fileno(), begin, end):
                    found.append(dataclasses.replace(fragment, line=fragment.line + lines))
                lines += scanner.line_ends
        assert found == simply(path)
    assert lines == text.count(b"\n") + 1
