"""Documents of JSON: one a line, one a file, several over many lines, and whatever else files hold."""

from __future__ import annotations

import io
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_token_telemetry.sources.documents import (
    CUT_OFF,
    DEEPEST,
    NO_JSON,
    OTHER_SHAPE,
    PLAIN_TEXT,
    TOO_LONG,
    Broken,
    Document,
    documents,
)

ANY = msgspec.json.Decoder()


def read(text: bytes, most: int = 1 << 20) -> list[tuple[Any, int]]:
    """The values, or the reasons for what is none, each with its line."""
    return [
        (each.value if isinstance(each, Document) else Broken(each.reason, 0), each.line)
        for each in documents(io.BytesIO(text), ANY.decode, most)
    ]


def broken(reason: str) -> Broken:
    return Broken(reason, 0)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(b'{"a":1}\n\n{"b":2}\r\n', [({"a": 1}, 1), ({"b": 2}, 3)], id="lines"),
        pytest.param(b'\xef\xbb\xbf{"a":1}\n\xef\xbb\xbf{"b":2}', [({"a": 1}, 1), ({"b": 2}, 2)], id="joined-with-bom"),
        pytest.param(b'{"a":1}{"b":2}, {"c":3}\n', [({"a": 1}, 1), ({"b": 2}, 1), ({"c": 3}, 1)], id="on-one-line"),
        pytest.param(b'{\n"a": [\n1]}\n[2]\n', [({"a": [1]}, 1), ([2], 4)], id="over-lines"),
        pytest.param(b'{\n"}": "{\\"["}', [({"}": '{"['}, 1)], id="brackets-in-strings"),
        pytest.param(b'{"a":"x\n{"b":2}\n', [(broken(CUT_OFF), 1), ({"b": 2}, 2)], id="cut-off-in-a-string"),
        pytest.param(
            b'{"a":[1,\n{"b":2}\n{"c":3}\n', [(broken(CUT_OFF), 1), ({"b": 2}, 2), ({"c": 3}, 3)], id="cut-off-line"
        ),
        pytest.param(
            b'{"a":[1,\n{"b":2}\n}]\n{"c":3}\n',
            [(broken(CUT_OFF), 1), ({"b": 2}, 2), ({"c": 3}, 4)],
            id="cut-off-and-closed-wrongly",
        ),
        pytest.param(
            b'{"a":[1,\n{"b":2}\n{"c":3,\n{"d":4}\n{"e":[5,\n{"f":[6,\n{"g":7,\n',
            [(broken(CUT_OFF), 1), ({"b": 2}, 2), (broken(CUT_OFF), 3), ({"d": 4}, 4)]
            + [(broken(CUT_OFF), line) for line in (5, 6, 7)],
            id="cut-off-lines",
        ),
        pytest.param(
            b'{"a":[\n{"b":2},\n{"c":3}\n,{"d":4}\n]}\n', [({"a": [{"b": 2}, {"c": 3}, {"d": 4}]}, 1)], id="rows"
        ),
        pytest.param(
            b'hello\n{"a":1}] x\n', [(broken(PLAIN_TEXT), 1), ({"a": 1}, 2), (broken(NO_JSON), 2)], id="prose"
        ),
        pytest.param(
            b'{\n "a": [\n  1,\n{\n "b": 2\n}\n', [(broken(CUT_OFF), 1), ({"b": 2}, 4)], id="indented-cut-off"
        ),
        pytest.param(b'{\n "a":\n\n 1\n}{"b":2}\n[3]', [({"a": 1}, 1), ({"b": 2}, 5), ([3], 6)], id="indented-glued"),
        pytest.param(
            b'{\n "a": "x\n}\n{\n "b": 2\n}\n', [(broken(CUT_OFF), 1), ({"b": 2}, 4)], id="indented-malformed"
        ),
        pytest.param(
            b'{\n "a": [\n  1{\n "b": [\n  2\n ]\n}\n{\n "c": "x{\n "d": 3,{\n "e": 4\n}\n[5]',
            [
                (broken(CUT_OFF), 1),
                ({"b": [2]}, 3),
                (broken(CUT_OFF), 8),
                (broken(CUT_OFF), 9),
                ({"e": 4}, 10),
                ([5], 13),
            ],
            id="indented-cut-off-and-glued",
        ),
        pytest.param(
            b'{"a":1}\n{"a":[1,{"a":2}\n{"a":"x{"a":[2,{"a":3}\n{"a":{"a":4}}\n',
            [
                ({"a": 1}, 1),
                (broken(CUT_OFF), 2),
                ({"a": 2}, 2),
                (broken(CUT_OFF), 3),
                ({"a": 3}, 3),
                ({"a": {"a": 4}}, 4),
            ],
            id="cut-off-and-glued",
        ),
        pytest.param(
            b'{"a":4}{"a":5{"a":6}\n{"a":"{\\"a\\":8',
            [({"a": 4}, 1), (broken(CUT_OFF), 1), ({"a": 6}, 1), (broken(CUT_OFF), 2)],
            id="glued-thrice",
        ),
        pytest.param(
            b'{"a":4,"b":[1{"a":5,"b":{"a":[6]}}\n',
            [(broken(CUT_OFF), 1), ({"a": 5, "b": {"a": [6]}}, 1)],
            id="nested-glued",
        ),
        pytest.param(
            b'{"a":[1,\n{\n "b": 2\n}\n{\n "c": 3\n}\n',
            [(broken(CUT_OFF), 1), ({"b": 2}, 2), ({"c": 3}, 5)],
            id="cut-off-line-before-indented",
        ),
        pytest.param(b'{\n "a": 1,\n"b": 2\n}\n[3]', [({"a": 1, "b": 2}, 1), ([3], 5)], id="indented-in-part"),
        pytest.param(
            b'{"a":1}\n{\n2026 INFO: x\n "y"\n[1]\nz {\n',
            [({"a": 1}, 1), (broken(CUT_OFF), 2), (broken(PLAIN_TEXT), 3), (broken(PLAIN_TEXT), 6)],
            id="text-behind-a-brace",
        ),
        pytest.param(b'{\n "a": 1\n\xef\xbb\xbf', [(broken(CUT_OFF), 1)], id="nothing-behind-a-bom"),
        pytest.param(b'x {"a":1}\n[2]', [(broken(NO_JSON), 1), ([2], 2)], id="prefix"),
        pytest.param(b"\0\0\0\n[1]\n", [(broken(NO_JSON), 1), ([1], 2)], id="hole"),
        pytest.param(b'{"a":"\\ud83d"}\n{"a":"\\ud83d\\ude00"}', [({"a": "\ufffd"}, 1), ({"a": "😀"}, 2)], id="half"),
        pytest.param(b'{"a":"\xff"}\n', [({"a": "\ufffd"}, 1)], id="not-utf-8"),
        pytest.param(b"[" * 100_000 + b"\n[1]\n", [(broken(CUT_OFF), 1), ([1], 2)], id="deep"),
        pytest.param(
            b"[" * (DEEPEST + 1) + b"\n" + b"]" * (DEEPEST + 1) + b"\n[1]",
            [(broken(CUT_OFF), 1), (broken(NO_JSON), 2), ([1], 3)],
            id="deep-over-lines",
        ),
        pytest.param(b'{"a":1e999}\n[1]', [(broken(OTHER_SHAPE), 1), ([1], 2)], id="huge"),
    ],
)
def test_documents(text: bytes, expected: list[tuple[Any, int]]) -> None:
    assert read(text) == expected


def test_a_document_beyond_the_bound_is_none() -> None:
    long_line, many_lines = b'{"a":"' + b"x" * 100 + b'"}\n', b"[\n" + b"1,\n" * 40 + b"2]\n"
    assert read(long_line + b"[1]\n", most=50) == [(broken(TOO_LONG), 1), ([1], 2)]
    assert (broken(TOO_LONG), 1) in read(many_lines + b"[1]\n", most=50)
    assert read(many_lines + b"[1]\n", most=50)[-1] == ([1], 43)


@given(
    st.lists(
        st.tuples(
            st.dictionaries(st.text(max_size=3), st.text(max_size=5) | st.lists(st.integers(-9, 9)), min_size=1),
            st.sampled_from([None, 0, 2]),
        ),
        max_size=5,
    )
)
def test_documents_are_found_however_they_are_printed(values: list[tuple[dict[str, Any], int | None]]) -> None:
    texts = [json.dumps(value, indent=indent) for value, indent in values]
    found = read("\n".join(texts).encode())
    assert [value for value, _ in found] == [value for value, _ in values]
    lines = [1 + sum(text.count("\n") + 1 for text in texts[:at]) for at in range(len(texts))]
    assert [line for _, line in found] == lines


@given(st.binary(max_size=200))
def test_any_bytes_give_documents_or_reasons(text: bytes) -> None:
    assert all(line >= 1 for _, line in read(text))


def test_what_cannot_be_read_is_an_error_after_what_was_read() -> None:
    class Failing(io.BytesIO):
        def readline(self, size: int | None = -1) -> bytes:
            if not (line := super().readline(size)):
                raise OSError("the end is missing")
            return line

    found = documents(Failing(b"[1]\n"), ANY.decode)
    assert next(found) == Document([1], 1)
    with pytest.raises(OSError, match="the end is missing"):
        next(found)
