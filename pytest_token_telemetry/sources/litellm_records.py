"""What one of LiteLLM's records says of its call: the rules for its reason, its cap and its labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from pytest_token_telemetry.sources import responses
from pytest_token_telemetry.sources.caps import cap_of
from pytest_token_telemetry.sources.emitted import Emission
from pytest_token_telemetry.sources.keys import of_call, of_trace
from pytest_token_telemetry.sources.labels import labels_of
from pytest_token_telemetry.sources.provider_calls import NO_GENERATION, called, decoded, failed_call, moment
from pytest_token_telemetry.sources.response_shapes import keeps_native_reason

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_token_telemetry.sources.tagged.records import Read, Unusable

FORMAT = "litellm"

FROM_CACHE = "answers from a cache"

GENERATES = frozenset(
    {
        *("completion", "acompletion", "text_completion", "atext_completion"),
        *("responses", "aresponses", "anthropic_messages", "aanthropic_messages"),
        *("generate_content", "agenerate_content", "generate_content_stream", "agenerate_content_stream"),
    }
)
"""Those of LiteLLM's types of calls that generate text."""

_MAY_GENERATE = frozenset(
    {
        *("pass_through_endpoint", "llm_passthrough_route", "allm_passthrough_route"),
        *("_aresponses_websocket", "create_interaction", "acreate_interaction"),
    }
)
"""Those of requests that the proxy passes through, whatever they ask for. They do if they have tokens or a reason."""


class Record(msgspec.Struct):
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


def call_of_record(record: Record) -> Read | Unusable | str:
    """The call of a ``record``; a text says why it is passed over."""
    kind = record.call_type if isinstance(record.call_type, str) else None
    if kind is not None and kind not in GENERATES and kind not in _MAY_GENERATE:
        return NO_GENERATION
    reason, choices, remapped = end_of(json_within(record.response))
    if kind in _MAY_GENERATE and not record.completion_tokens and reason is None:
        return NO_GENERATION
    if record.status == "failure":
        return failed_call(reason, record.id or record.request_id)
    if record.cache_hit is True or record.cache_hit == "True":
        return FROM_CACHE
    parameters = json_within(record.model_parameters)
    if not isinstance(parameters, dict):
        parameters = json_within(record.proxy_server_request)
    return called(
        {
            "output_tokens": record.completion_tokens,
            "max_tokens": cap_of(parameters),
            "finish_reason": reason,
            "model": record.model,
            "id": record.id or record.request_id,
            "time": moment(record.end_time or record.start_time),
            **labels_of_record(*metadata_of_record(record)),
        },
        choices,
        remapped=remapped,
    )


def metadata_of_record(record: Record) -> tuple[object, object]:
    """The tags and the metadata of a request."""
    metadata = json_within(record.metadata)
    kept = [metadata.get(name) for name in (_OF_CLIENT, _OF_SPEND_LOGS)] if isinstance(metadata, dict) else [None, None]
    of_client, of_logs = (each if isinstance(each, dict) else None for each in kept)
    return json_within(record.request_tags), joined_metadata(of_client, of_logs)


_OF_CLIENT, _OF_SPEND_LOGS = "requester_metadata", "spend_logs_metadata"
"""Where LiteLLM keeps what a client of its proxy sends as metadata, and what is meant for its spend logs."""


def joined_metadata(of_client: Mapping[str, Any] | None, of_logs: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """What both say: what is meant for the spend logs counts first."""
    return {**of_client, **of_logs} if of_client and of_logs else of_client or of_logs or {}


def keys_of_record(record: Record) -> Sequence[str]:
    """By what side files may name a call beside the response's id."""
    ids = ((of_call, record.request_id), (of_call, record.litellm_call_id), (of_trace, record.trace_id))
    return [key(id) for key, id in ids if isinstance(id, str) and id]


def emission_of(id: object, call_id: object) -> Emission | None:
    """By what a record is known beside its ``id``."""
    own = own_call_id(id, call_id)
    return None if own is None else Emission.of_record(own, FORMAT)


def own_call_id(id: object, call_id: object) -> str | None:
    """LiteLLM's own id of a call, if it is not the response's: programs have it before that is known."""
    return call_id if isinstance(call_id, str) and call_id and call_id != id else None


def end_of(response: object) -> tuple[str | None, int, bool]:
    """Why a ``response`` ended, how many answers it has, and whether LiteLLM may have changed the reason."""
    return *responses.end_of(response), not keeps_native_reason(response)


def labels_of_record(tags: object, metadata: object) -> dict[str, object]:
    """What the ``tags`` and the ``metadata`` of a request say, by the names of our own fields: the metadata counts."""
    return {**labels_of(tags), **labels_of(metadata)} if tags else labels_of(metadata)


def json_within(value: object) -> object:
    """``value``, or what it is the JSON text of: a database holds it so."""
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            return decoded(value.encode("utf-8", "replace"))
        except (ValueError, RecursionError):
            return None
    return value
