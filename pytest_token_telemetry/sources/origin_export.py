"""The origin's export of its table of calls: JSON lines with the names of the table's columns."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, BinaryIO

import msgspec

from pytest_token_telemetry.sources.call_records import LayoutError, layout
from pytest_token_telemetry.sources.documents import BOM, whole_documents
from pytest_token_telemetry.sources.source import FileSource
from pytest_token_telemetry.sources.tagged.records import RecordError

if TYPE_CHECKING:
    from pytest_token_telemetry.sources.rows import Rows

_BEGINS = re.compile(
    rb'\s*\{(?:(?=[^\n]*"predicted_output_tokens"\s*:)(?=[^\n]*"actual_output_tokens"\s*:)'
    rb'|\s*"run_id"\s*:[^\n]*"phase_id"\s*:[^\n]*"deliverable_count"\s*:)'
)
"""Both counts on the first line, or, where a list of deliverables is longer than `HEAD`, what stands before it."""


class OriginExport(FileSource):
    """Reads the lines that the origin exports from ``token_estimation_v2_events``."""

    name = "autopack-export"

    def claims(self, path: str, head: bytes) -> bool:  # noqa: ARG002
        """Whether the first line tells of a call by the names of that table."""
        return _BEGINS.match(head.removeprefix(BOM)) is not None

    def read(self, file: BinaryIO, into: Rows) -> None:
        """Read each line."""
        for each in whole_documents(file, msgspec.json.Decoder(dict[str, object]).decode, into):
            try:
                found = layout(tuple(each.value)).read([*each.value.values()])
            except RecordError as error:
                into.refuse(error, each.line)
            except LayoutError:
                into.complain("output_tokens is missing", each.line)
            else:
                into.add(found.sample, found.identity, each.line)
