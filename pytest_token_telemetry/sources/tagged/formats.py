"""Every format that is read: how its records are found, and what they say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_token_telemetry.sources import own_format
from pytest_token_telemetry.sources.own_format import HEAD
from pytest_token_telemetry.sources.tagged import parsing
from pytest_token_telemetry.sources.tagged.simple_search import Scanner

if TYPE_CHECKING:
    from pytest_token_telemetry.sources.tagged.records import Budget, Read, Unusable
    from pytest_token_telemetry.sources.tagged.simple_search import Fragment

TAGS = (*parsing.TAGS, own_format.TAG)
"""What the records of all formats begin with."""

NEEDLES = (b"[TokenEstimation", parsing.BUDGET, own_format.TAG)
"""Each tag begins with one of these."""


def telemetry_scanner() -> Scanner:
    """A scanner for the records of all formats: see `Scanner`."""
    return Scanner(TAGS, HEAD.encode())


def parse(fragment: Fragment) -> Read | Unusable | Budget | None:
    """What ``fragment`` says, in whichever format; ``None`` if it only mentions a tag."""
    return own_format.parse(fragment) if fragment.tag == own_format.TAG else parsing.parse(fragment)
