"""What a line of a provider's batch says: a request, or the result of one, of OpenAI, Anthropic or Gemini."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pytest_token_telemetry.sources.caps import cap_of_body
from pytest_token_telemetry.sources.json_head import shown_keys
from pytest_token_telemetry.sources.labels import labels_of, slips_in
from pytest_token_telemetry.sources.own_format import FAILED
from pytest_token_telemetry.sources.provider_calls import failed_call
from pytest_token_telemetry.sources.response_shapes import get, word
from pytest_token_telemetry.sources.responses import end_of
from pytest_token_telemetry.sources.tagged.records import Unusable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pytest_token_telemetry.sources.labels import Slips

EXPIRED = "a call expired"
CANCELED = "a call was canceled"


class Request(NamedTuple):
    """What a request asked for."""

    key: str
    """Its ``custom_id``, which its result has too; Gemini calls it ``key``."""
    asked: Mapping[str, object]
    """By the names of our own fields."""
    slips: Slips = ()
    """Keys of its metadata that no field takes."""
    generates: bool = True
    """Whether it asks for text."""


class Result(NamedTuple):
    """What became of a request."""

    key: str | None
    outcome: object
    """The response, or `Unusable` if the call failed."""
    asked: Mapping[str, object] | None = None
    """What its request asked for, where the line has that too, as Vertex AI's have."""
    slips: Slips = ()
    """As those of `Request`."""


_OF_REQUESTS = (
    {"custom_id", "body"},
    {"custom_id", "params"},
    {"requests.custom_id"},
    {"request.contents"},
    {"key", "request.generationConfig"},
    {"key", "request.generation_config"},
)
_OF_RESULTS = (
    {"custom_id", "response"},
    {"custom_id", "result"},
    {"key", "error.code", "error.message"},
    {"response.candidates"},
    {"response.usageMetadata"},
)
"""Keys that the first record of a file must show, so many that no program's own log has them by chance."""


def holds_batch(head: bytes) -> bool:
    """Whether a file that begins with ``head`` is of a batch."""
    return _shows(head, (*_OF_REQUESTS, *_OF_RESULTS))


def holds_requests(head: bytes) -> bool:
    """Whether a file that begins with ``head`` may hold the requests of a batch."""
    return _shows(head, _OF_REQUESTS)


def _shows(head: bytes, kinds: Iterable[set[str]]) -> bool:
    keys = shown_keys(head).keys()
    return any(kind <= keys for kind in kinds)


def entries_of(record: object) -> Iterator[Request | Result | None]:
    """What a record says; ``None`` if it is of no batch. The body of Anthropic's call that creates one has many."""
    if not isinstance(record, dict):
        yield None
    elif isinstance(requests := record.get("requests"), list):
        for each in requests:
            yield _entry(each) if isinstance(each, dict) else None
    else:
        yield _entry(record)


def _entry(record: dict[str, object]) -> Request | Result | None:
    key = _key(record)
    outcome = _outcome(record)
    body = next((value for name in _BODIES if isinstance(value := record.get(name), dict)), None)
    asked, slips = (None, ()) if body is None else _asked(body, record)
    if outcome is not None:
        return Result(key, outcome, asked, slips)
    generates = not (word(record.get("url")) or "").endswith(_OF_NO_TEXT)
    return Request(key, asked, slips, generates) if key is not None and asked is not None else None


_BODIES = ("body", "params", "request")

_OF_NO_TEXT = ("/embeddings", "/moderations", "/images/generations", "/images/edits")
"""The ends of addresses at which no text is asked for."""


def _key(record: dict[str, object]) -> str | None:
    key = get(record, "custom_id", "key")
    return str(key) if type(key) in (str, int) else None


def _outcome(record: dict[str, object]) -> object:
    """The response, or why there is none; ``None`` if the record is not a result."""
    if isinstance(result := record.get("result"), dict):
        kind = word(result.get("type"))
        if kind in _ENDS:
            return Unusable(_ENDS[kind])
        return get(result, "message") or Unusable(FAILED)
    response, error = record.get("response"), record.get("error")
    if "request" in record and word(record.get("status")):  # Vertex AI's, which is empty where all went well
        return _failed(response)
    if isinstance(response, dict):
        body = response.get("body", response)
        status = response.get("status_code")
        return _failed(body) if (type(status) is int and status >= 400) or not isinstance(body, dict) else body
    if error or ("custom_id" in record and "response" in record):
        return Unusable(_ENDS.get(word(get(error, "code")) or "", FAILED))
    return None


def _failed(response: object) -> Unusable:
    return failed_call(end_of(response)[0], get(response, "id", "responseId"))


_ENDS = {
    "errored": FAILED,
    "expired": EXPIRED,
    "canceled": CANCELED,
    "batch_expired": EXPIRED,
    "batch_cancelled": CANCELED,
}


def _asked(body: dict[str, object], record: dict[str, object]) -> tuple[Mapping[str, object], Slips]:
    """The cap in the ``body`` of a request, and what its metadata says, or that of the whole ``record``."""
    cap = cap_of_body(body)
    metadata = (record.get("metadata"), body.get("metadata"), body.get("labels"))
    asked: dict[str, object] = {}
    for each in metadata:
        asked |= labels_of(each)
    slips = slips_in(*metadata)
    return ({**asked, "max_tokens": cap} if type(cap) in (int, float, str) else asked), slips
