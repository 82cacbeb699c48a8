"""The source of LiteLLM's records of calls: its standard logging payload, and the rows of the proxy's spend logs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias

import msgspec

from pytest_token_telemetry.sources.documents import whole_documents
from pytest_token_telemetry.sources.json_head import shown_keys
from pytest_token_telemetry.sources.labels import slips_in
from pytest_token_telemetry.sources.litellm_lane import Lane, PlainRecord, plain_record
from pytest_token_telemetry.sources.litellm_records import (
    FROM_CACHE,
    Record,
    call_of_record,
    keys_of_record,
    metadata_of_record,
)
from pytest_token_telemetry.sources.provider_calls import decoded, records_of, tell
from pytest_token_telemetry.sources.source import FileSource
from pytest_token_telemetry.sources.tagged.records import Read

if TYPE_CHECKING:
    from pytest_token_telemetry.sources.rows import Rows

__all__ = ["FROM_CACHE", "LiteLLMSource"]


class LiteLLMSource(FileSource):
    """One record a call. What was asked and answered is passed over where it is not needed, and never kept."""

    name = "litellm"

    def claims(self, path: str, head: bytes) -> bool:  # noqa: ARG002
        """A file whose first record has the names that LiteLLM gives to calls, or wraps a payload."""
        keys = shown_keys(head).keys()
        return any(each <= keys for each in _NAMES) or not keys.isdisjoint(_WRAPPED)

    def read(self, file: BinaryIO, into: Rows) -> None:
        """See `FileSource.read`."""
        lane = Lane(into)
        line = place = 0
        try:
            for document in whole_documents(file, _records if into.keeps_keys else _plain_or_records, into):
                if document.line != line:
                    line, place = document.line, 0
                value = document.value
                if isinstance(value, PlainRecord):
                    lane.add(value, line, place)
                    place += 1
                    continue
                for _, line_record in records_of(value):
                    record = _unwrapped(line_record)
                    call = call_of_record(record)
                    tell(into, call, line, place, keys_of_record(record))
                    if isinstance(call, Read):
                        into.note(slips_in(*metadata_of_record(record)))
                    place += 1
        finally:
            lane.finish()


_NAMES = (
    {"call_type", "litellm_call_id"},
    {"call_type", "trace_id", "status"},  # payloads of older versions have no id of LiteLLM's own
    {"call_type", "startTime"},
    {"call_type", "request_id", "spend"},
)

_PAYLOAD = "standard_logging_object"
_WRAPPED = tuple(f"{above}{_PAYLOAD}" for above in ("", "kwargs.", "message.", "message.kwargs."))
"""Where loggers and log shippers put a payload."""


class _Line(Record):
    """A record, or what a logger wraps it in."""

    standard_logging_object: Any = None
    kwargs: Any = None
    message: Any = None


def _unwrapped(line: _Line) -> Record:
    """The payload that a ``line`` wraps, or else the line itself."""
    if line.call_type is None:
        message = line.message if isinstance(line.message, dict) else {}
        for above in (line.standard_logging_object, line.kwargs, message.get(_PAYLOAD), message.get("kwargs")):
            inner = above.get(_PAYLOAD, above) if isinstance(above, dict) else None
            if isinstance(inner, dict) and "call_type" in inner:
                return msgspec.convert(inner, Record)
    return line


_Records: TypeAlias = _Line | list[_Line]
_DECODER: msgspec.json.Decoder[_Records] = msgspec.json.Decoder(_Records)


def _plain_or_records(text: bytes) -> PlainRecord | _Records:
    return plain_record(text) or _records(text)


def _records(text: bytes) -> _Records:
    try:
        return _DECODER.decode(text)
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError:
        found: _Records = msgspec.convert(decoded(text), _Records)
        return found
