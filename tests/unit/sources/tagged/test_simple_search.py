"""Which records are found in which bytes, however they are read."""

from __future__ import annotations

import codecs
import os
import tracemalloc
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pytest_token_telemetry.sources.tagged import own_parsing
from pytest_token_telemetry.sources.tagged.normal import normal
from pytest_token_telemetry.sources.tagged.parsing import BUDGET, TAGS, V1, V2
from pytest_token_telemetry.sources.tagged.simple_search import LOOK_BACK, RECORD_LIMIT, Fragment, Scanner
from tests.lines import v2
from tests.unit.sources.builders import FOUND, outcome, simply

if TYPE_CHECKING:
    from pathlib import Path


def fragments(data: bytes, block: int = 1 << 18, **limits: int) -> FOUND:
    return simply(Scanner(TAGS, **limits), data, block)


def test_an_empty_file_holds_nothing() -> None:
    assert fragments(b"") == []


def test_a_record_has_what_stands_before_and_after_its_tag_on_its_line() -> None:
    assert fragments(b"one\ntwo [TOKEN_BUDGET] three\nfour") == [Fragment(2, BUDGET, b"two ", b" three", True)]


def test_a_record_without_a_line_end_has_not_ended() -> None:
    assert fragments(b"[TOKEN_BUDGET] three") == [Fragment(1, BUDGET, b"", b" three", False)]


def test_a_record_ends_where_the_next_tag_of_its_line_begins() -> None:
    assert fragments(b"a[TokenEstimationV2]b[TokenEstimation]c[TOKEN_BUDGET]d\n") == [
        Fragment(1, V2, b"a", b"b", False),
        Fragment(1, V1, b"b", b"c", False),
        Fragment(1, BUDGET, b"c", b"d", True),
    ]


def test_what_is_cut_short_of_a_tag_is_none() -> None:
    assert fragments(b"[TokenEstimation[TokenEstimationV2[TOKEN_BUDGET") == []


@pytest.mark.parametrize("size", [RECORD_LIMIT - 1, RECORD_LIMIT, RECORD_LIMIT + 1])
def test_a_record_is_cut_at_its_limit(size: int) -> None:
    [found] = fragments(V2 + b"x" * size + b"\n")
    assert found.after == b"x" * min(size, 16384)
    assert found.ended is (size < 16384)


def test_the_text_before_a_tag_is_cut_to_its_nearest_part() -> None:
    [found] = fragments(b"far" + b"x" * 1020 + b"near" + V2 + b"\n")
    assert found.before == b"x" * 1020 + b"near"


def test_lines_are_counted_by_their_line_feeds_alone() -> None:
    data = b"\r\r\x0b\x0c\x1c\x85\xe2\x80\xa8\r\n\n" + V2 + b"\r\n" * 3 + V1 + b"\n"
    assert [found.line for found in fragments(data, 5)] == [3, 6]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be-sig", "utf-32", "utf-32-be-sig"])
@pytest.mark.parametrize("block", [1, 2, 3, 5, 1 << 18])
def test_text_is_read_whatever_its_encoding(encoding: str, block: int) -> None:
    text = "grün\n2026 [TokenEstimationV2] category=größe😀\r\nend\n"
    if encoding.endswith("-be-sig"):
        data = f"\ufeff{text}".encode(encoding.removesuffix("-sig"))
    else:
        data = text.encode(encoding)
    assert fragments(data, block) == [Fragment(2, V2, b"2026 ", " category=größe😀\r".encode(), True)]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_wide_text_without_a_mark_is_read_where_it_is_ascii(encoding: str) -> None:
    data = b"plain\n" + "[TokenEstimationV2] a=b\r\n".encode(encoding) + b"[TOKEN_BUDGET] c=d\n"
    assert fragments(data, 7) == [
        Fragment(2, V2, b"", b" a=b\r", True),
        Fragment(3, BUDGET, b"", b" c=d", True),
    ]


@pytest.mark.parametrize("end", [b"\xd8", b"\x00\xd8", b"\x41"])
def test_wide_text_that_ends_within_a_character_is_read_up_to_there(end: bytes) -> None:
    [found] = fragments(codecs.BOM_UTF16_LE + "[TokenEstimationV2] a=b".encode("utf-16-le") + end)
    assert found.after == " a=b\ufffd".encode()


def test_nul_bytes_are_left_out() -> None:
    assert fragments(b"\0[Tok\0\0enEstimation]\0 a\0=b\n\0") == [Fragment(1, V1, b"", b" a=b", True)]


@pytest.mark.large
@pytest.mark.parametrize("filler", [b"x", b"\0", b"["], ids=["text", "hole", "brackets"])
def test_a_line_of_100_megabytes_is_read_in_little_memory(tmp_path: Path, filler: bytes) -> None:
    """One record stands at its start, one in its middle, one at its end."""
    path = tmp_path / "long.log"
    half = 50 << 20
    chunk = filler * (1 << 20)
    with path.open("wb") as file:
        for n in range(2):
            file.write(f" {v2(output=n)} ".encode())
            if filler == b"\0":
                file.seek(half, os.SEEK_CUR)
            else:
                for _ in range(0, half, len(chunk)):
                    file.write(chunk)
        file.write(f" {v2(output=2)}\n".encode())
    tracemalloc.start()
    try:
        with path.open("rb") as file:
            found = list(Scanner(TAGS).fragments_of(iter(lambda: file.read(1 << 18), b"")))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        path.unlink()
    assert [(record.line, record.after.split()[1]) for record in found] == [
        (1, b"actual_output=0"),
        (1, b"actual_output=1"),
        (1, b"actual_output=2"),
    ]
    assert [record.ended for record in found] == [False, False, True]
    assert peak < 8 << 20


RECORD = v2(more=" task_id=größe").encode()
PIECES = st.one_of(
    st.sampled_from(
        [
            RECORD,
            RECORD + b"\n",
            RECORD[:-30],
            b"[TokenEstimation] Predicted: 300 output tokens, Actual: 128 output tokens, Error: 57.3%\n",
            b"[TOKEN_BUDGET] phase=p output=900/16384 total=1\n",
            V2,
            V1,
            BUDGET,
            b"[TokenEstimation",
            b"V2]",
            b"[",
            b"\n",
            b"\r\n",
            b"\0",
            b"\x1b[32m",
            b"\xff\xfe",
            b"\xef\xbb\xbf",
            b"2026-01-02 03:04:05,678 - ",
            "[TokenEstimationV2] a=b\r\n".encode("utf-16-le"),
            b"\x1b]8;;file:///a\x1b\\",
            b"\\u001b[0m",
            b'{"schema":"token-telemetry/1","a":{}}',
            b'{\n  "schema": "token-telemetry/1",\n  "a": 1\n}\n',
            rb'{"log":"{\"schema\":\"token-telemetry/1\"}\n"}',
            rb'"schema":"t\u006fken-telemetry\/1"',
            b'"token-telemetry/2',
            b"{",
            b"}",
            b'"',
            b"\\",
            b"\\u00",
        ]
    ),
    st.binary(max_size=12),
    st.integers(1, 90).map(lambda n: b"x" * n),
)
MARKS = st.sampled_from(
    [b"", codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE]
)
WIDE = {
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
    codecs.BOM_UTF32_LE: "utf-32-le",
    codecs.BOM_UTF32_BE: "utf-32-be",
}


@st.composite
def contents(draw: st.DrawFn) -> bytes:
    """A file: records, mutilated and glued ones, noise, in some encoding."""
    text = b"".join(draw(st.lists(PIECES, max_size=12)))
    mark = draw(MARKS)
    if mark in WIDE and draw(st.booleans()):
        text = text.decode("utf-8", "replace").encode(WIDE[mark])
    return mark + text


@settings(deadline=None, max_examples=200)
@given(contents(), st.data())
def test_blocks_do_not_show(data: bytes, choice: st.DataObject) -> None:
    limit = choice.draw(st.integers(1, 300), "limit of a record")
    look_back = choice.draw(st.integers(1, 60), "look back")
    block = choice.draw(st.integers(1, len(data) + 2), "block")
    assert fragments(data, block, limit=limit, look_back=look_back) == fragments(
        data, len(data) + 1, limit=limit, look_back=look_back
    )


def slowly(text: bytes, limit: int, look_back: int) -> list[Fragment]:
    """What `Scanner` documents, by looking at each byte of a text in memory."""
    tags = [(at, tag) for at in range(len(text)) for tag in TAGS if text[at : at + len(tag)] == tag]
    found = []
    for n, (start, tag) in enumerate(tags):
        line = text[:start].split(b"\n")
        before = line[-1].rsplit(tags[n - 1][1], 1)[-1] if n else line[-1]
        rest = text[start + len(tag) : tags[n + 1][0] if n + 1 < len(tags) else None]
        after = rest.split(b"\n")[0]
        ended = b"\n" in rest and len(after) < limit
        found.append(Fragment(len(line), tag, before[-look_back:], after[:limit], ended))
    return found


@settings(deadline=None, max_examples=200)
@given(st.lists(PIECES, max_size=12).map(b"".join), st.integers(1, 300), st.integers(1, 60), st.integers(1, 400))
def test_records_are_those_of_a_slow_search(text: bytes, limit: int, look_back: int, block: int) -> None:
    # "text" keeps the beginning from being a mark of wide text
    expected = slowly(normal(b"text" + text), limit, look_back)
    assert fragments(b"text" + text, block, limit=limit, look_back=look_back) == expected


@pytest.mark.parametrize("limit", [1, 5, 18, 19, 40])
def test_tags_in_a_row_are_those_of_a_slow_search_in_blocks_of_any_size(limit: int) -> None:
    text = b"text" + (b"\n" + V2 + V1 + b"=" * 7 + BUDGET) * 4
    expected = slowly(text, limit, 60)
    assert [found.line for found in expected] == [2, 2, 2, 3, 3, 3, 4, 4, 4, 5, 5, 5]
    for block in range(1, len(text) + 2):
        assert fragments(text, block, limit=limit, look_back=60) == expected


# A head that is cut off -------------------------------------------------------------------------------------------

HEAD = b'{"schema":"token-telemetry/1"'
NATIVE = b'"token-telemetry/1"'
CUT = b""
"""The tag of a head that is cut off."""


def headed(*blocks: bytes, head: bytes = HEAD) -> list[Fragment]:
    """What is found in a text that comes in ``blocks``."""
    return list(Scanner(TAGS, own_parsing.NAME, head).fragments_of(iter(blocks)))


@pytest.mark.parametrize("cut", range(3, len(HEAD)))
def test_a_last_line_that_is_cut_off_within_its_head_is_a_record(cut: int) -> None:
    assert headed(HEAD[:cut]) == [Fragment(1, CUT, HEAD[:cut], b"", False)]
    assert headed(b"one\r\n\n" + HEAD[:cut]) == [Fragment(3, CUT, HEAD[:cut], b"", False)]


@pytest.mark.parametrize("cut", range(3))
def test_less_than_three_bytes_of_a_head_are_none(cut: int) -> None:
    """A text may well end in a brace."""
    assert headed(HEAD[:cut]) == []
    assert headed(b"one\n" + HEAD[:cut]) == []


def test_a_whole_head_is_a_record_by_its_tag() -> None:
    assert headed(b"one\n" + HEAD) == [Fragment(2, NATIVE, b'one\n{"schema":', b"", False)]


@pytest.mark.parametrize(
    "text",
    [
        b"a {",
        b"{}",
        b'{"',
        b'{"a":{',
        b'x{"schema"',
        b' {"schema"',
        b'{"schema" ',
        b'{"schemas',
        b'{"schema"\n',
        b'\n{"sch\r',
    ],
)
def test_another_end_is_no_head(text: bytes) -> None:
    assert headed(text) == []


def test_a_head_that_is_cut_off_behind_another_line_of_any_length_is_found() -> None:
    for size in (1, LOOK_BACK - 1, LOOK_BACK, LOOK_BACK + 30, 1 << 18):
        assert [found.line for found in headed(b"x" * size, b"\n", HEAD[:9])] == [2]
        assert headed(b"x" * size, HEAD[:9]) == []


def test_a_head_that_is_cut_off_behind_a_record_is_found_too() -> None:
    assert headed(V2 + b" a=b\n" + HEAD[:20]) == [
        Fragment(1, V2, b"", b" a=b", True),
        Fragment(2, CUT, HEAD[:20], b"", False),
    ]


def test_without_a_head_there_is_none_to_be_cut_off() -> None:
    assert headed(HEAD[:20], head=b"") == []


@settings(deadline=None, max_examples=200)
@given(contents(), st.integers(0, len(HEAD) + 5), st.data())
def test_a_text_in_blocks_of_any_size_holds_what_its_file_holds(data: bytes, cut: int, choice: st.DataObject) -> None:
    data += choice.draw(st.sampled_from([b"", b"\n"])) + (HEAD + b',"a"')[:cut]
    blocks, rest = [], data
    while rest:
        size = choice.draw(st.integers(1, len(rest)))
        blocks.append(rest[:size])
        rest = rest[size:]
    scanner = Scanner(TAGS, own_parsing.NAME, HEAD)
    block = choice.draw(st.integers(1, len(data) + 1))
    assert outcome(scanner.fragments_of(iter(blocks))) == simply(scanner, data, block)


@example(RECORD + b"\n\x1b]8;;file:///a\x1b\\", 3, 1)
@settings(deadline=None, max_examples=200)
@given(st.lists(PIECES, max_size=12).map(b"".join), st.integers(0, len(HEAD) - 1), st.integers(1, 50))
def test_a_head_is_found_on_the_last_line_alone(text: bytes, cut: int, block: int) -> None:
    text = b"text" + text.replace(b"\0", b"") + HEAD[:cut]
    blocks = [text[at : at + block] for at in range(0, len(text), block)]
    heads = [found for found in headed(*blocks) if found.tag == CUT]
    lines = normal(text).split(b"\n")
    last = lines[-1]
    expected = [Fragment(len(lines), CUT, last, b"", False)] if len(last) > 2 and HEAD.startswith(last) else []
    assert heads == expected
