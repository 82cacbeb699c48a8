"""What stands at many places of a text, held against slices of it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_token_telemetry.sources.tagged import byte_words
from pytest_token_telemetry.sources.tagged.byte_words import Text, digits, like

TEXTS = st.lists(
    st.sampled_from([b"0", b"7", b"9", b"/", b":", b"a", b"=", b"12345678", b"key=", b"\xff"]), max_size=40
)


@settings(deadline=None, max_examples=100)
@given(TEXTS.map(b"".join), st.sampled_from([b"a", b"=", b"key=", b"12345678", b"key=12345678", b"9" * 20]))
def test_a_constant_is_found_where_it_ends(text: bytes, constant: bytes) -> None:
    ends = np.arange(len(text) + 1)
    assert Text(text).ends_with(constant, ends).tolist() == [text[:end].endswith(constant) for end in ends]


@settings(deadline=None, max_examples=100)
@given(TEXTS.map(b"".join))
def test_whole_numbers_have_up_to_eight_digits(text: bytes) -> None:
    pairs = [
        (begin, end) for begin in range(len(text) + 1) for end in range(max(0, begin - 2), min(len(text), begin + 10))
    ]
    begins, ends = np.array(pairs, np.int64).reshape(-1, 2).T
    numbers, ok = Text(text).numbers(begins, ends)
    parts = [text[begin:end] for begin, end in pairs]
    expected = [int(part) if part.isdigit() and len(part) <= 8 else None for part in parts]
    assert [number if good else None for number, good in zip(numbers.tolist(), ok.tolist(), strict=True)] == expected


@pytest.mark.parametrize("count", [1, 5, 300, 5000])
def test_equal_texts_have_one_index(count: int) -> None:
    parts = [str(n * n % 1009).encode() * (n % 7) for n in range(count)]
    ends = np.cumsum([len(part) for part in parts])
    begins = ends - [len(part) for part in parts]
    leaders, found = Text(b"".join(parts)).distinct(begins, ends, 20)
    for part, leader, good in zip(parts, leaders.tolist(), found.tolist(), strict=True):
        assert not good or (parts[leader] == part and 1 <= len(part) <= 20)
    groups = {
        (part, leader) for part, leader, good in zip(parts, leaders.tolist(), found.tolist(), strict=True) if good
    }
    assert len(groups) == len({part for part, _ in groups})
    assert found.sum() >= 0.99 * sum(1 <= len(part) <= 20 for part in parts)


def test_texts_that_always_meet_another_are_not_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(byte_words, "_FACTORS", np.zeros_like(byte_words._FACTORS))
    leaders, found = Text(b"abcdef" * 2).distinct(np.arange(12), np.arange(12) + 1, 8)
    assert found.sum() == 8  # one letter of six in each of four rounds
    assert all((leader - place) % 6 == 0 for place, leader in enumerate(leaders.tolist()))


@pytest.mark.parametrize(
    ("text", "expected"),
    [(b"12:34x56", True), (b"12:34\xff56", True), (b"1:334x56", False), (b"12;34x56", False), (b"12:3/x56", False)],
)
def test_a_pattern_of_digits(text: bytes, expected: bool) -> None:
    found, ok = like(b"00:00?00", Text(text).words(np.array([0]), 1)[:, 0])
    assert ok.tolist() == [expected]
    assert not expected or (digits(found, 0, 2).tolist(), digits(found, 3, 5).tolist()) == ([12], [34])


@pytest.mark.parametrize("sought", [b"=", b"==", b"=b", b"\xff"])
def test_a_byte_or_two_are_found_wherever_they_stand(sought: bytes) -> None:
    for text in (b"", b"=", b"a==b=c====dd=", b"=" * 11, b"=b\xff"):
        assert Text(text).places(sought).tolist() == [at for at in range(len(text)) if text.startswith(sought, at)]


def test_what_is_not_printable_is_found() -> None:
    text = bytes(range(256))
    assert Text(text).places_not_printable().tolist() == [*range(32), *range(128, 256)]


@settings(deadline=None, max_examples=100)
@given(TEXTS.map(b"".join), st.lists(st.sampled_from([b"a", b"=", b"key=", b"12345678", b"key=" * 6]), min_size=1))
def test_rows_that_have_all_constants(text: bytes, constants: list[bytes]) -> None:
    ends = np.arange(len(text) + 1)[:, np.newaxis] - np.arange(len(constants))
    expected = [
        all(text[: max(end, 0)].endswith(each) for each, end in zip(constants, row, strict=True))
        for row in ends.tolist()
    ]
    assert Text(text).have(constants, ends).tolist() == expected
