"""How long to wait for the server. The calls are tested against a server, in ``integration/test_poster.py``."""

from __future__ import annotations

import pytest

from pytest_token_telemetry.comment.github import TOTAL_WAIT, Patience
from tests.integration.github_server import FakeClock


class StoppedClock(FakeClock):
    def time(self):
        return 1_700_000_000.0  # 14 November 2023, 22:13:20 UTC


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "0"}, 0),
        ({"retry-after": " 30 "}, 30),
        ({"retry-after": "Tue, 14 Nov 2023 22:13:50 GMT"}, 30),
        ({"retry-after": "Tue, 14 Nov 2023 22:00:00 GMT"}, 0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "٣"}, None),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1700000010"}, 11),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1600000000"}, 1),
        ({"x-ratelimit-remaining": "5", "x-ratelimit-reset": "1700000010"}, None),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "never"}, None),
        ({"retry-after": "2", "x-ratelimit-remaining": "0", "x-ratelimit-reset": "1700000010"}, 2),
    ],
)
def test_the_servers_hint(headers, seconds):
    assert Patience(StoppedClock()).asked_for(headers) == seconds


def test_patience_ends():
    clock = StoppedClock()
    patience = Patience(clock)
    assert patience.wait(TOTAL_WAIT - 1)
    assert not patience.wait(2)
    assert patience.wait(1)
    assert clock.slept == [TOTAL_WAIT - 1, 1]
