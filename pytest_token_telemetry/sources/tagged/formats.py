"""Every format that is read: how its records are found, and what they say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_token_telemetry.sources.own_format import HEAD
from pytest_token_telemetry.sources.tagged import own_parsing, parsing
from pytest_token_telemetry.sources.tagged.simple_search import Scanner

if TYPE_CHECKING:
    from pytest_token_telemetry.sources.tagged.records import Budget, Read, Unusable
    from pytest_token_telemetry.sources.tagged.simple_search import Fragment

TAG_NEEDLES = (b"[TokenEstimation", parsing.BUDGET)
"""Each tag begins with one of these."""

NEEDLES = (*TAG_NEEDLES, own_parsing.NEEDLE)
"""One of these stands in each record, but for those with a name that is not spelled as usual."""


def telemetry_scanner() -> Scanner:
    """A scanner for the records of all formats: see `Scanner`."""
    return Scanner(parsing.TAGS, own_parsing.NAME, HEAD.encode())


def is_own(fragment: Fragment) -> bool:
    """Whether ``fragment`` is a record of our own format."""
    return fragment.tag not in parsing.TAGS


def parse(fragment: Fragment) -> Read | Unusable | Budget | None:
    """What ``fragment`` says, in whichever format; ``None`` if it only mentions a tag."""
    return own_parsing.parse(fragment) if is_own(fragment) else parsing.parse(fragment)
