"""What remote directories hold. It stands alone: the rest is imported where a URL is named."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_token_telemetry.sources.extract import Extract
    from pytest_token_telemetry.sources.merge import Origin


@dataclass(slots=True)
class RemoteReading:
    """What some remote directories hold."""

    extracts: list[Extract] = field(default_factory=list)
    origins: list[Origin] = field(default_factory=list)
    """Of the objects that were read, in the order of the ``extracts``."""
    unreadable: dict[str, str] = field(default_factory=dict)
    special: set[str] = field(default_factory=set)
    """What is neither an object nor a directory."""
    look_like: Counter[str] = field(default_factory=Counter)
    """What objects look like, as long as no sample was found."""
    matched: int = 0
    """Objects that match."""
    others: Counter[str] = field(default_factory=Counter)
    """Objects that do not, by the patterns of the names that end alike."""
