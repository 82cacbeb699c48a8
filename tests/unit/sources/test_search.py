"""Needles are found wherever they stand, however they are searched."""

from __future__ import annotations

import sys
import types

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_token_telemetry.sources import search
from pytest_token_telemetry.sources.formats import NEEDLES
from pytest_token_telemetry.sources.search import Find, Hits, Search, fastest_find

TEXTS = st.lists(
    st.sampled_from(
        [*NEEDLES, *(each[:3] for each in NEEDLES), b"[T", b"[", b'"', b"x", b"a line of text\n", b"y" * 700]
    )
    | st.binary(max_size=3),
    max_size=40,
).map(b"".join)


@pytest.fixture(params=["numpy", "stringzilla"])
def find(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Find | None:
    """Every way to find a text."""
    monkeypatch.setattr(search, "_SMALL", 1)
    if request.param == "stringzilla":
        return pytest.importorskip("stringzilla", reason="the extra 'fast' is not installed").find
    return None


def simply(text: bytes) -> list[int]:
    return [at for at in range(len(text)) if text.startswith(NEEDLES, at)]


@given(TEXTS, st.integers(0, 60))
def test_all_needles_are_found_in_order(text: bytes, left: int) -> None:
    for find in (None, bytearray.find):
        for small in (1, 1 << 30):
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(search, "_SMALL", small)
                size = max(0, len(text) - left)
                assert Search(NEEDLES, find).hits(bytearray(text), size) == (simply(text[:size]), size)


def test_a_text_is_dense_from_where_hits_are_near_each_other(find: Find | None) -> None:
    sparse = (NEEDLES[0] + b"x" * 5_001) * 200  # at even and odd places
    dense = (b"x" * 100 + NEEDLES[0]) * 200
    hits = Search(NEEDLES, find).hits(bytearray(sparse + dense), len(sparse) + len(dense))
    assert hits.sparse == simply(sparse + dense)[: len(hits.sparse)]
    assert 200 - search._DENSE_HITS <= len(hits.sparse) <= 200
    assert hits.dense == simply(sparse + dense)[len(hits.sparse)]


def test_what_stands_before_dense_text_is_found_though_its_needle_is_searched_later(find: Find | None) -> None:
    text = NEEDLES[-1] + b"\n" + (b"x" * 100 + NEEDLES[0]) * 200 + NEEDLES[-1]
    hits = Search(NEEDLES, find).hits(bytearray(text), len(text))
    assert hits.sparse[0] == 0
    assert hits.dense == simply(text)[len(hits.sparse)]


def test_the_end_of_the_text_is_no_beginning_of_a_needle(find: Find | None) -> None:
    for needle in NEEDLES:
        for cut in range(len(needle)):
            assert Search(NEEDLES, find).hits(bytearray(needle), cut) == Hits([], cut)


def test_the_fast_find_is_taken_where_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "stringzilla", None)
    assert fastest_find() is None
    module = types.ModuleType("stringzilla")
    module.find = lambda *_: -1  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "stringzilla", module)
    assert fastest_find() is module.find
