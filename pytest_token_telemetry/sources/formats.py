"""Every format that is read: how its records are found, and what they say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_token_telemetry.recording.record import HEAD
from pytest_token_telemetry.sources import autopack, native
from pytest_token_telemetry.sources.scan import BLOCK, Scanner

if TYPE_CHECKING:
    from pytest_token_telemetry.sources.records import Budget, Read, Unusable
    from pytest_token_telemetry.sources.scan import Fragment

TAGS = (*autopack.TAGS, native.TAG)
"""What the records of all formats begin with."""

NEEDLES = (b"[TokenEstimation", autopack.BUDGET, native.TAG)
"""Each tag begins with one of these."""


def telemetry_scanner(block: int = BLOCK) -> Scanner:
    """A scanner for the records of all formats: see `Scanner`."""
    return Scanner(TAGS, block, HEAD.encode())


def parse(fragment: Fragment) -> Read | Unusable | Budget | None:
    """What ``fragment`` says, in whichever format; ``None`` if it only mentions a tag."""
    return native.parse(fragment) if fragment.tag == native.TAG else autopack.parse(fragment)
