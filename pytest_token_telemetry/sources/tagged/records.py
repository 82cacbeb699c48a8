"""What a record in a file can turn out to be, in any format."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from pytest_token_telemetry.sample import is_truncated

if TYPE_CHECKING:
    from pytest_token_telemetry.sample import FinishReason, Sample
    from pytest_token_telemetry.sources.labels import Slips


@dataclass(frozen=True, slots=True)
class Read:
    """A record that is a sample."""

    sample: Sample
    identity: str | None
    """The line from its timestamp on: the same in every copy. ``None`` without a timestamp."""
    slips: Slips = field(default=(), compare=False)
    """Of a line of our own."""


class Ended(NamedTuple):
    """How a call ended whose record cannot be used: it is not a sample, but an attempt."""

    truncated: bool
    identity: str | None
    """The call's own id, or else as that of `Read`."""


def ended_as(
    stated: bool | None,
    reason: FinishReason | None,
    identity: str | None,
    output_tokens: int | None = None,
    max_tokens: int | None = None,
    *,
    failed: bool = False,
) -> Ended | None:
    """How a call ended whose record cannot be used; ``None`` if nothing says it. See `is_truncated`.

    Of a call that ``failed``, only *truncated* is evidence: a ``stop`` may be what stands where no output ended.
    """
    cap = None if output_tokens is None else max_tokens
    truncated = is_truncated(stated, reason, output_tokens or 0, cap)
    if truncated is None or (not truncated and (failed or reason == "error")):
        return None
    return Ended(truncated, identity)


@dataclass(frozen=True, slots=True)
class Unusable:
    """A record that should be a sample and cannot be."""

    reason: str
    cut_off: bool = field(default=False, compare=False)
    """Whether it ends before it says all that it should: the same record may stand whole elsewhere."""
    ended: Ended | None = field(default=None, compare=False)
    """How the call ended, if the record tells it."""
    id: str | None = field(default=None, compare=False)
    """The call's own id."""
    slips: Slips = field(default=(), compare=False)
    """Of a line of our own."""


@dataclass(frozen=True, slots=True)
class Budget:
    """A ``[TOKEN_BUDGET]`` record: which task used how many output tokens under which cap.

    It is a call of its own, unless a sample below it tells of the same call.
    """

    sample: Sample
    """Without a prediction."""
    identity: str | None
    """See `Read`."""


class RecordError(Exception):
    """Why a record cannot be used, in our own words: never the record's."""

    ended: Ended | None = None
    """As that of `Unusable`."""


class CutOffError(RecordError):
    """The record does not say all that it should."""
