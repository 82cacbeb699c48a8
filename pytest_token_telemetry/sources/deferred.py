"""Formats of others, each imported when a file may be of it: to import all takes longer than to read most logs."""

from __future__ import annotations

import re
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING

from pytest_token_telemetry.sources.own_format import HEAD as OWN

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_token_telemetry.sources.rows import Rows
    from pytest_token_telemetry.sources.source import Reader, Sizes, Source


class Deferred:
    """A source of whole files that is not imported yet."""

    in_parts = False

    def __init__(self, name: str, place: str) -> None:
        """The source ``name``, whose class is at ``place``: ``MODULE:CLASS``, below this room."""
        self.name = name
        self._place = place

    @cached_property
    def source(self) -> Source:
        """The source itself."""
        module, _, name = self._place.partition(":")
        made: Source = getattr(import_module(f"{__package__}.{module}"), name)()
        return made

    def claims(self, path: str, head: bytes) -> bool:
        """See `Source.claims`."""
        return self.source.claims(path, head)

    def reader(self, into: Rows, sizes: Sizes, on_read: Callable[[int], None] | None) -> Reader:
        """See `Source.reader`."""
        return self.source.reader(into, sizes, on_read)


def may_be_of_others(head: bytes) -> bool:
    """Whether a text that begins with ``head`` may be JSON with an object first, a ZIP file, or a table with a header.

    Lines of our own begin like the first, and are so many that they are known here.
    """
    return not head.startswith(_OWN) and _BEGINS.match(head) is not None


_OWN = OWN.encode()
_BEGINS = re.compile(rb'(?:\xef\xbb\xbf)?(?:\s*(?:\[\s*)?\{|PK\x03\x04|["A-Za-z_][^\n]*[,;\t])')
