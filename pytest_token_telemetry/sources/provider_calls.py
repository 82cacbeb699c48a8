"""A call as a provider's own JSON tells of it: the response, and what is known of its request."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from pytest_token_telemetry.sample import FIELDS, finish_reason
from pytest_token_telemetry.sources import responses
from pytest_token_telemetry.sources.labels import labels_of
from pytest_token_telemetry.sources.own_format import FAILED
from pytest_token_telemetry.sources.response_shapes import generates_no_text, get, keeps_native_reason
from pytest_token_telemetry.sources.tagged.own_parsing import identity_by_id, sample_of_other
from pytest_token_telemetry.sources.tagged.records import Read, RecordError, Unusable, ended_as

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_token_telemetry.sources.emitted import Emission
    from pytest_token_telemetry.sources.rows import Rows

T = TypeVar("T")


NO_RESPONSE = "a record is not the response of a model"
NO_GENERATION = "calls that generate no text"


def decoded(text: bytes) -> Any:  # noqa: ANN401 - any JSON
    """The value of a JSON text, also with ``NaN`` and ``Infinity`` in it, as Python writes them.

    Raises:
        ValueError: it is not JSON.
    """
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return json.loads(text)


def records_of(value: T | list[T]) -> Iterator[tuple[int, T]]:
    """Number, from 0, the records of a document: it is one, or a list of them."""
    yield from enumerate(value) if isinstance(value, list) else ((0, value),)


def tell(
    into: Rows,
    call: Read | Unusable | str,
    line: int,
    place: int = 0,
    keys: Sequence[str] = (),
    *,
    by_time: bool = True,
    emission: Emission | None = None,
) -> None:
    """Add a call to the rows, or count why it is not a sample; a text says why it is passed over.

    ``keys`` and ``emission``: as for `Rows.add`. ``by_time``: whether the time and the values tell the copies of a call
    without an id.
    """
    if isinstance(call, Unusable):
        into.complain(call.reason, line, ended=call.ended, keys=(call.id or "", *keys))
        return
    if isinstance(call, str):
        into.skip(call)
        into.know([into.file])
        return
    sample, identity = call.sample, call.identity
    if identity is None and sample.time is not None and by_time:
        identity = "\x1f".join(map(repr, (*keys, *(getattr(sample, name) for name in FIELDS))))
    into.add(sample, identity, line, place=place, own=sample.id is not None, keys=keys, emission=emission)


def call_of(response: object, asked: Mapping[str, object], *, by_remapper: bool = False) -> Read | Unusable | str:
    """The call of a ``response``, with what is known of its request by the names of our own fields.

    A text says why it is passed over.

    ``by_remapper``: whether a gateway wrote it that calls ``stop`` what it does not know.
    """
    if generates_no_text(response):
        return NO_GENERATION
    try:
        known = responses.read(response)
    except responses.FailedCallError as error:
        return failed_call(error.reason, error.id)
    except responses.IncompleteCallError as error:
        return Unusable(
            f"a response is not a sample: {error.lacks}",
            ended=ended_as(None, None if error.reason is None else finish_reason(error.reason), error.id),
            id=error.id,
        )
    except (TypeError, ValueError):
        return Unusable("a count of tokens is none" if responses.is_response(response) else NO_RESPONSE)
    said = {
        "output_tokens": known.output_tokens,
        "finish_reason": known.finish_reason,
        "model": known.model,
        "id": known.id,
        "time": moment(get(response, "completed_at", "created_at", "created", "create_time", "createTime")),
        **labels_of(get(response, "metadata")),
        **asked,
    }
    if known.max_tokens is not None:
        said["max_tokens"] = known.max_tokens
    remapped = known.remapped or (by_remapper and not keeps_native_reason(response))
    return called(said, known.choices, remapped=remapped)


def failed_call(reason: str | None, id: object) -> Unusable:
    """A call that failed, with what it gives for the ``reason``, and with its ``id``."""
    known = None if reason is None else finish_reason(reason)
    own = id if isinstance(id, str) and id else None
    return Unusable(FAILED, ended=ended_as(None, known, own, failed=True), id=own)


def called(
    said: Mapping[str, object], choices: int = 1, *, remapped: bool = False, failed: bool = False
) -> Read | Unusable:
    """The call of which all this is ``said``: see `sample_of_other`."""
    try:
        sample = sample_of_other(said, choices=choices, remapped=remapped, failed=failed)
    except RecordError as error:
        return Unusable(str(error), ended=error.ended)
    return Read(sample, None if sample.id is None else identity_by_id(sample.id, sample))


def moment(value: object) -> datetime | str | None:
    """A time that is told in seconds since the epoch, or as a text."""
    if isinstance(value, str):
        return value
    try:
        return datetime.fromtimestamp(value, UTC) if type(value) in (int, float) else None  # type: ignore[arg-type] # a number
    except (ValueError, OverflowError, OSError):
        return None
