"""Digests are those of the text alone, and texts that differ have different ones."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pytest_token_telemetry.sources.tagged.byte_words import REACH, Text
from pytest_token_telemetry.sources.tagged.digests import digests, digests_of
from tests.lines import v2

TEXTS = st.lists(st.binary(max_size=20) | st.sampled_from([b"x" * n for n in range(REACH - 9, REACH + 9)]), max_size=30)


@given(TEXTS, st.integers(0, 20))
def test_a_digest_is_that_of_the_text_alone_wherever_it_stands(parts: list[bytes], begin: int) -> None:
    text = b"-" * begin + b"".join(parts)
    ends = np.cumsum([begin, *map(len, parts)])
    found = digests(Text(text), ends[:-1], ends[1:])
    assert found.shape == (len(parts), 2)
    alone = [digests_of([part]).tolist()[0] for part in parts]
    assert found.tolist() == alone == digests_of(parts).tolist()
    assert len({tuple(digest) for digest in alone}) == len(set(parts))


def test_all_of_a_long_text_counts() -> None:
    texts = [b"%d" % n + b"x" * size for size in (REACH - 1, REACH, 5 * REACH) for n in range(10)]
    assert len({tuple(digest) for digest in digests_of(texts).tolist()}) == len(texts)


def test_many_texts_that_differ_little_have_different_digests() -> None:
    """Lines with two numbers each, of which one changes slowly and one fast.

    Also of the lower half of each number no more are the same than chance makes: of n there are about n * n / 2**33.
    """
    lines = [v2(predicted=n // 1000, output=n % 1000).encode() for n in range(200_000)]
    lines += [b"x" * n + b"y" + b"x" * (60 - n) for n in range(61)] + [b"\0" * n for n in range(REACH * 2)]
    count = len(set(lines))
    found = digests_of(lines)
    assert len(np.unique(found, axis=0)) == count == len(lines)
    for half in found.T:
        assert len(np.unique(half)) == count
        for quarter in (half & np.uint64(0xFFFFFFFF), half >> np.uint64(32)):
            assert count - len(np.unique(quarter)) < 25  # 4.7 on average
