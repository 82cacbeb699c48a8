"""Reports, baselines and histories that this plugin wrote: passed over, whatever names and quotes stand in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from pytest_token_telemetry.sources.documents import Broken, documents
from pytest_token_telemetry.sources.source import FileSource
from pytest_token_telemetry.writing import OWN_OUTPUT

if TYPE_CHECKING:
    from typing import BinaryIO

    from pytest_token_telemetry.sources.rows import Rows

OTHER_TEXT = "something that this plugin did not write stands behind a report of it"


class OurOutput(FileSource):
    """What is written here is never read as telemetry."""

    name = "our-output"

    def claims(self, path: str, head: bytes) -> bool:  # noqa: ARG002
        """Whether the text begins as one of ours does."""
        return OWN_OUTPUT.match(head) is not None

    def read(self, file: BinaryIO, into: Rows) -> None:
        """Read nothing, but count what was appended: it may be telemetry."""
        found = documents(file, _RAW.decode)
        next(found, None)
        for each in found:
            if isinstance(each, Broken) or OWN_OUTPUT.match(each.value) is None:
                into.complain(OTHER_TEXT, each.line)


_RAW = msgspec.json.Decoder(msgspec.Raw)
