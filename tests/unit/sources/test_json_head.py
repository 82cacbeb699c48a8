"""The beginning of a JSON file shows its keys, wherever it breaks off."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_token_telemetry.sources.json_head import shown_keys

RECORD = {"id": "r-1", "body": {"n": 2, "parts": [{"text": 'a "b": {', "end": "stop"}, {"more": []}]}, "last": None}
KEYS = {
    "id": "r-1",
    "body": "",
    "body.n": "",
    "body.parts": "",
    "body.parts.text": 'a \\"b\\": {',
    "body.parts.end": "stop",
    "body.parts.more": "",
    "last": "",
}


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("form", ["{}", "\ufeff{}\n", "[{0}, {0}]", '{}\n{{"another": 1}}'])
def test_the_keys_of_the_first_record_are_shown_with_their_texts(form: str, indent: int | None) -> None:
    head = form.format(json.dumps(RECORD, indent=indent)).encode()
    assert shown_keys(head) == KEYS


@pytest.mark.parametrize(
    "head", [b"", b"text", b"[TokenEstimationV2] a=1", b'[["a"]]', b"{}", b"{1: 2}", b'"a": 1', b"\xff\xfe{"]
)
def test_what_is_no_record_shows_none(head: bytes) -> None:
    assert shown_keys(head) == {}


@given(st.integers(0, len(json.dumps(RECORD))))
def test_what_breaks_off_shows_the_keys_before(end: int) -> None:
    """A text that is cut off shows nothing that stands in it."""
    shown = shown_keys(json.dumps(RECORD).encode()[:end])
    assert [*shown] == [*KEYS][: len(shown)]
    assert all(KEYS[key].startswith(text) for key, text in shown.items())


def test_a_long_text_shows_nothing_of_what_it_holds() -> None:
    head = b'{"messages": [{"content": "' + b'\\"custom_id\\": 1, {' * 300
    assert [*shown_keys(head[:4096])] == ["messages", "messages.content"]


@given(st.binary(max_size=200))
def test_any_bytes_show_something_or_nothing(tail: bytes) -> None:
    shown = shown_keys(b'{"a": ' + tail)
    assert [*shown][:1] == ["a"]
