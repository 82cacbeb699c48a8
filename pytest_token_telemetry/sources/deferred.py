"""Formats of others, each imported when a file may be of it: to import all takes longer than to read most logs."""

from __future__ import annotations

import re
from importlib import import_module
from typing import TYPE_CHECKING

from pytest_token_telemetry.sources.own_format import HEAD as OWN

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_token_telemetry.sources.rows import Rows
    from pytest_token_telemetry.sources.source import Reader, Sizes, Source


ONE_A_LINE = ("otlp", "batches", "litellm", "langsmith", "responses", "autopack-export")
"""The formats that have one record a line, so that text or a record of another kind may stand before them."""


class Deferred:
    """A source of whole files that is not imported yet."""

    in_parts = False

    def __init__(self, name: str, place: str, *signs: str) -> None:
        """The source ``name``, whose class is at ``place``: ``MODULE:CLASS``, below this room.

        Each file that it claims shows one of ``signs``: see `signs_of`.
        """
        self.name = name
        self.signs = frozenset(_plain(sign.encode()) for sign in signs)
        self._place = place
        self._made: Source | None = None

    @property
    def source(self) -> Source:
        """The source itself, of its module as it is loaded now.

        `pytester` unloads what was first imported within one of its sessions. Types of an unloaded module cannot be
        looked up by their names any more, as decoders do where they learn.
        """
        module, _, name = self._place.partition(":")
        kind: type[Source] = getattr(import_module(f"{__package__}.{module}"), name)
        if type(self._made) is not kind:
            self._made = kind()
        return self._made

    def claims(self, path: str, head: bytes) -> bool:
        """See `Source.claims`."""
        return self.source.claims(path, head)

    def reader(self, into: Rows, sizes: Sizes, on_read: Callable[[int], None] | None) -> Reader:
        """See `Source.reader`."""
        return self.source.reader(into, sizes, on_read)


def signs_of(head: bytes) -> frozenset[bytes]:
    """By what a file that begins with ``head`` may be of a format of others: most logs show nothing.

    A table with a header and a ZIP file show what they are; JSON with an object first shows its keys, as `_plain` gives
    them, and a key with dots each part. Lines of our own show nothing: they are so many that they are known here.
    """
    if head.startswith(_OWN) or (begin := _BEGINS.match(head)) is None:
        return _NOTHING
    if begin[0].endswith(b"{"):
        return frozenset(_plain(b".".join(_KEY.findall(head))).split(b"."))
    return _IS_ZIP if begin[0].endswith(_ZIP) else _IS_TABLE


def _plain(key: bytes) -> bytes:
    """A key as all its spellings agree on it."""
    return key.replace(b"_", b"").lower()


ZIP, TABLE = "a zip", "a table"
"""Signs that are no keys."""

_ZIP = b"PK\x03\x04"
_OWN = OWN.encode()
_BEGINS = re.compile(rb'(?:\xef\xbb\xbf)?(?:\s*(?:\[\s*)?\{|PK\x03\x04|["A-Za-z_][^\n]*[,;\t])')
_KEY = re.compile(rb'"([^"\\]++)\\?+"\s*+:')
"""Also one within a string that is JSON: LiteLLM's proxy logs so."""
_NOTHING: frozenset[bytes] = frozenset()
_IS_ZIP, _IS_TABLE = frozenset((ZIP.encode(),)), frozenset((TABLE.encode(),))
