"""The source of LiteLLM's records of calls: its standard logging payload, and the rows of the proxy's spend logs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias

import msgspec

from pytest_token_telemetry.sources import responses
from pytest_token_telemetry.sources.documents import whole_documents
from pytest_token_telemetry.sources.json_head import shown_keys
from pytest_token_telemetry.sources.keys import of_call, of_trace
from pytest_token_telemetry.sources.labels import labels_of
from pytest_token_telemetry.sources.provider_calls import FAILED, called, decoded, moment, records_of, tell
from pytest_token_telemetry.sources.response_shapes import keeps_native_reason
from pytest_token_telemetry.sources.source import FileSource
from pytest_token_telemetry.sources.tagged.records import Unusable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_token_telemetry.sources.rows import Rows
    from pytest_token_telemetry.sources.tagged.records import Read

NO_GENERATION = "calls that generate no text"
FROM_CACHE = "answers from a cache"


class LiteLLMSource(FileSource):
    """One record a call. What was asked and answered is passed over where it is not needed, and never kept."""

    name = "litellm"

    def claims(self, path: str, head: bytes) -> bool:  # noqa: ARG002
        """A file whose first record has the names that LiteLLM gives to calls."""
        keys = shown_keys(head).keys()
        return any(each <= keys for each in ({"call_type", "litellm_call_id"}, {"call_type", "request_id", "spend"}))

    def read(self, file: BinaryIO, into: Rows) -> None:
        """See `FileSource.read`."""
        for document in whole_documents(file, _records, into):
            for place, record in records_of(document.value):
                call = _call(record)
                if isinstance(call, str):
                    into.skip(call)
                    into.know([into.file])
                else:
                    tell(into, call, document.line, place, _keys(record))


class _Record(msgspec.Struct):
    """Those fields of a record that tell of its call. The types of most are looked at later, to say what is wrong."""

    call_type: Any = None
    status: Any = None
    cache_hit: Any = None
    id: Any = None
    request_id: Any = None
    litellm_call_id: Any = None
    trace_id: Any = None
    model: Any = None
    completion_tokens: Any = None
    start_time: Any = msgspec.field(default=None, name="startTime")
    end_time: Any = msgspec.field(default=None, name="endTime")
    request_tags: Any = None
    metadata: Any = None
    model_parameters: Any = None
    proxy_server_request: Any = None
    response: Any = None


_Records: TypeAlias = _Record | list[_Record]
_DECODER: msgspec.json.Decoder[_Records] = msgspec.json.Decoder(_Records)


def _records(text: bytes) -> _Records:
    try:
        return _DECODER.decode(text)
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError:
        found: _Records = msgspec.convert(decoded(text), _Records)
        return found


_GENERATES = frozenset(
    {
        *("completion", "acompletion", "text_completion", "atext_completion"),
        *("responses", "aresponses", "anthropic_messages", "aanthropic_messages"),
        *("generate_content", "agenerate_content", "generate_content_stream", "agenerate_content_stream"),
    }
)
"""Those of LiteLLM's types of calls that generate text."""


def _call(record: _Record) -> Read | Unusable | str:
    if isinstance(record.call_type, str) and record.call_type not in _GENERATES:
        return NO_GENERATION
    if record.status == "failure":
        return Unusable(FAILED)
    if record.cache_hit is True or record.cache_hit == "True":
        return FROM_CACHE
    response = _inner(record.response)
    reason, choices = responses.end_of(response)
    parameters, metadata = _inner(record.model_parameters), _inner(record.metadata)
    if not isinstance(parameters, dict):
        parameters = _inner(record.proxy_server_request)
    return called(
        {
            "output_tokens": record.completion_tokens,
            "max_tokens": _cap(parameters),
            "finish_reason": reason,
            "model": record.model,
            "id": record.id or record.request_id,
            "time": moment(record.end_time or record.start_time),
            **labels_of(_inner(record.request_tags)),
            **labels_of(metadata.get("spend_logs_metadata") if isinstance(metadata, dict) else None),
        },
        choices,
        remapped=not keeps_native_reason(response),
    )


def _keys(record: _Record) -> Sequence[str]:
    """By what side files may name a call beside the response's id."""
    ids = ((of_call, record.request_id), (of_call, record.litellm_call_id), (of_trace, record.trace_id))
    return [key(id) for key, id in ids if isinstance(id, str) and id]


def _cap(parameters: object) -> object:
    """The cap that was sent, by whichever name."""
    if not isinstance(parameters, dict):
        return None
    names = ("max_completion_tokens", "max_tokens", "max_output_tokens")
    return next((cap for name in names if (cap := parameters.get(name)) is not None), None)


def _inner(value: object) -> object:
    """``value``, or what it is the JSON text of: a database holds it so."""
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            return decoded(value.encode("utf-8", "replace"))
        except (ValueError, RecursionError):
            return None
    return value
