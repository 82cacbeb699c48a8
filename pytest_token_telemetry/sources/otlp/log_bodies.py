"""Lines with a tag that a program logged and a collector exported: they stand in the bodies of log records."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_token_telemetry.sources.record_columns import time_of
from pytest_token_telemetry.sources.tagged.formats import NEEDLES, is_own, parse, telemetry_scanner
from pytest_token_telemetry.sources.tagged.records import Read, Unusable

if TYPE_CHECKING:
    import msgspec

    from pytest_token_telemetry.sources.rows import Rows


class LogBodies:
    """Reads bodies as the lines of a log are read, which may stand in JSON too."""

    def __init__(self, into: Rows) -> None:
        self._into = into
        self._scanner = telemetry_scanner()

    def read(self, body: msgspec.Raw, time: int, line: int) -> bool:
        """Read a ``body`` from that line, and say whether it holds a record, usable or not.

        ``time`` is that of its log record, in ns since 1970, for a line that has none.
        """
        text = bytes(body)
        if not any(needle in text for needle in NEEDLES):
            return False
        found = False
        text += b"\n"
        into = self._into
        for place, fragment in enumerate(self._scanner.fragments_within(text, 0, len(text), 1)):
            match parse(fragment):
                case Read(sample, identity, slips):
                    into.note_in_line(slips, line)
                    if sample.time is None and time:
                        sample = replace(sample, time=time_of(time))
                    if identity is None and time:
                        identity = f"otlp {time} {place} {text!r}"
                    into.add(sample, identity, line, place=place, own=is_own(fragment))
                    found = True
                case Unusable(reason, slips=slips):
                    into.note_in_line(slips, line)
                    into.complain(reason, line)
                    found = True
                case None:
                    into.mention(line, file=into.file)
        return found
