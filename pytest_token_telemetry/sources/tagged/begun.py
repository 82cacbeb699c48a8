"""What a record says that is cut off, up to there: enough to know the same record where it stands whole."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_token_telemetry.sources.tagged import parsing
from pytest_token_telemetry.sources.tagged.records import Read

if TYPE_CHECKING:
    from pytest_token_telemetry.sample import Sample
    from pytest_token_telemetry.sources.tagged.simple_search import Fragment

_BEHIND_THE_COUNTS = (
    *(b"smape", b"selected_budget", b"category", b"complexity", b"deliverables"),
    *(b"success", b"stop_reason", b"truncated", b"model"),
)


def begun(fragment: Fragment) -> Sample | None:
    """What ``fragment`` says up to its last word, which may be cut off itself; ``None`` without both counts."""
    if fragment.tag != parsing.V2:
        return None
    kept = bytes(fragment.after).rstrip().rpartition(b" ")[0]
    unknown = b"".join(b" %b=None" % key for key in _BEHIND_THE_COUNTS if b" %b=" % key not in kept)
    said = parsing.parse(replace(fragment, after=kept + unknown, ended=True))
    return said.sample if isinstance(said, Read) else None
