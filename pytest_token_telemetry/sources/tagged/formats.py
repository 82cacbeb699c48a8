"""Every format that is read: how its records are found, and what they say."""

from __future__ import annotations

import re
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


def has_tagged_line(text: bytes) -> bool:
    """Whether a line of ``text`` has a tag and a field behind it. Without a field, it only mentions the tag."""
    return any(tag in text for tag in TAG_NEEDLES) and _TAGGED.search(text) is not None


def has_telemetry(text: bytes) -> bool:
    """Whether a line of ``text`` may be a tagged one, or one of our own."""
    return own_parsing.NEEDLE in text or has_tagged_line(text)


_TAGGED = re.compile(rb"(?:" + b"|".join(map(re.escape, TAG_NEEDLES)) + rb")[^\n]*?\w=")


def telemetry_scanner() -> Scanner:
    """A scanner for the records of all formats: see `Scanner`."""
    return Scanner(parsing.TAGS, own_parsing.NAME, HEAD.encode())


def is_own(fragment: Fragment) -> bool:
    """Whether ``fragment`` is a record of our own format."""
    return fragment.tag not in parsing.TAGS


def parse(fragment: Fragment) -> Read | Unusable | Budget | None:
    """What ``fragment`` says, in whichever format; ``None`` if it only mentions a tag."""
    return own_parsing.parse(fragment) if is_own(fragment) else parsing.parse(fragment)
