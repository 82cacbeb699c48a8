"""What calls are held against besides the targets: the baseline and the history, read, written and compared."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from pytest_token_telemetry.analysis.metrics import Share


class PastError(Exception):
    """Why a baseline or a history cannot be used or written: the rest of a sentence that begins with its name."""


KeptCount = Annotated[int, Meta(ge=0, le=10**12)]


class Events(Struct, array_like=True, forbid_unknown_fields=True):
    """``[events, n]``: events among ``n`` samples."""

    events: KeptCount
    n: KeptCount

    @property
    def share(self) -> Share:
        """The same as figures are calculated with.

        Raises:
            ValueError: there are more events than samples.
        """
        return Share(self.events, self.n)
