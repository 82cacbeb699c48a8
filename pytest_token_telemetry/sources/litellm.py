"""The source of LiteLLM's records of calls: its standard logging payload, and the rows of the proxy's spend logs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias

import msgspec

from pytest_token_telemetry.sources.documents import TAGGED, whole_documents
from pytest_token_telemetry.sources.json_head import shown_keys
from pytest_token_telemetry.sources.labels import slips_in
from pytest_token_telemetry.sources.litellm_lane import Lane, PlainRecord, plain_record
from pytest_token_telemetry.sources.litellm_records import (
    FORMAT,
    FROM_CACHE,
    Record,
    call_of_record,
    emission_of,
    json_within,
    keys_of_record,
    metadata_of_record,
)
from pytest_token_telemetry.sources.provider_calls import decoded, records_of, tell
from pytest_token_telemetry.sources.source import FileSource
from pytest_token_telemetry.sources.tagged.formats import has_telemetry
from pytest_token_telemetry.sources.tagged.records import Read, Unusable

if TYPE_CHECKING:
    from collections.abc import Set

    from pytest_token_telemetry.sources.rows import Rows

LOG_LINE = "log lines without a payload"

__all__ = ["FROM_CACHE", "LOG_LINE", "LiteLLMSource"]


class LiteLLMSource(FileSource):
    """One record a call. What was asked and answered is passed over where it is not needed, and never kept."""

    name = FORMAT

    def claims(self, path: str, head: bytes) -> bool:  # noqa: ARG002
        """A file whose first record has the names that LiteLLM gives to calls, or wraps a payload."""
        shown = shown_keys(head)
        return _tells_of_calls(shown.keys()) or _tells_of_calls(_shown_within(shown.get(_MESSAGE, "")))

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
                    call = _of_log_line(record) or call_of_record(record)
                    emission = emission_of(record.id, record.litellm_call_id)
                    tell(into, call, line, place, keys_of_record(record), emission=emission)
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

_PAYLOAD, _MESSAGE = "standard_logging_object", "message"
_WRAPPED = tuple(f"{above}{_PAYLOAD}" for above in ("", "kwargs.", "message.", "message.kwargs."))
"""Where loggers and log shippers put a payload."""

_NAMES_IN_MESSAGE = [{f"{_MESSAGE}.{name}" for name in each} for each in _NAMES]


def _tells_of_calls(keys: Set[str]) -> bool:
    return any(each <= keys for each in (*_NAMES, *_NAMES_IN_MESSAGE)) or not keys.isdisjoint(_WRAPPED)


def _shown_within(text: str) -> Set[str]:
    """The keys that the beginning of a string shows, as it stands in JSON, if it is the JSON text of an object."""
    return shown_keys(_ESCAPED.sub(r"\1", text).encode()).keys() if text.startswith("{") else frozenset()


_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
"""A sign of a string, which is another one only where that is no part of a key."""


class _Line(Record):
    """A record, or what a logger wraps it in."""

    standard_logging_object: Any = None
    kwargs: Any = None
    message: Any = None
    level: Any = None


def _unwrapped(line: _Line) -> Record:
    """The payload that a ``line`` wraps, or else the line itself."""
    if line.call_type is None:
        message = json_within(line.message)  # the proxy's JSON logs have a text
        message = message if isinstance(message, dict) else {}
        wrapped = (line.standard_logging_object, line.kwargs, message.get(_PAYLOAD), message.get("kwargs"), message)
        for above in wrapped:
            inner = above.get(_PAYLOAD, above) if isinstance(above, dict) else None
            if isinstance(inner, dict) and "call_type" in inner:
                return msgspec.convert(inner, Record)
    return line


def _of_log_line(record: Record) -> str | Unusable | None:
    """What a line of the proxy's JSON logs says whose message is no payload; ``None``: the record is no such line."""
    if not isinstance(record, _Line) or record.call_type is not None or record.completion_tokens is not None:
        return None
    if not isinstance(record.message, str) or record.level is None:
        return None
    if has_telemetry(record.message.encode("utf-8", "replace")):
        return Unusable(TAGGED)
    return None if record.message.startswith("{") else LOG_LINE


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
