"""Reports, baselines and histories that this plugin wrote: passed over, whatever names and quotes stand in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_token_telemetry.settings import OWN_OUTPUT
from pytest_token_telemetry.sources.source import FileSource

if TYPE_CHECKING:
    from typing import BinaryIO

    from pytest_token_telemetry.sources.rows import Rows


class OurOutput(FileSource):
    """What is written here is never read as telemetry."""

    name = "our-output"

    def claims(self, path: str, head: bytes) -> bool:  # noqa: ARG002
        """Whether the text begins as one of ours does."""
        return OWN_OUTPUT.match(head) is not None

    def read(self, file: BinaryIO, into: Rows) -> None:
        """Read nothing."""


OUR_OUTPUT = OurOutput()
