"""The facts of one finished model call, read from what the provider's client returned.

A response is known by its shape, as an object or as decoded JSON, whole or as the events of its stream: no client is
imported. What was asked and answered is never looked at.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias, TypeVar

from pytest_token_telemetry import sample

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Response:
    """What a finished call says of itself. ``None``: it does not say."""

    output_tokens: int
    """What was billed as output: reasoning included, all ``choices`` together."""
    finish_reason: str | None
    """The provider's own word, as it was before a gateway's translation where that is kept.

    Of the words of several choices, one that says that an answer was cut off; else the first.
    """
    model: str | None
    id: str | None
    max_tokens: int | None
    """The cap. OpenAI's Responses alone echo it."""
    choices: int
    """How many answers share ``output_tokens``."""


def read(response: object) -> Response:
    """The facts of one call.

    Args:
        response: what a client of OpenAI (chat or Responses), Anthropic, Gemini or LiteLLM returned, or its JSON as a
            ``dict``; of a stream the final event, or a list of all events: what later events say replaces the earlier.

    Raises:
        TypeError: it is no such response, or what it has for a count is none.
        ValueError: the call is not finished, has no token count, or the events are those of several calls.
    """
    events = response if isinstance(response, (list, tuple)) else (response,)
    if not events:
        raise ValueError("the list has no events (a stream can be read only once: keep its events)")
    parts = [part for event in events if (part := _part(event))]
    if not parts:
        raise _refusal(events[-1])
    max_tokens = _last(shape.max_tokens(source) for shape, source in parts)
    ids = [id for _, source in parts if (id := _word(_get(source, "id", "response_id", "responseId")))]
    if len(set(ids)) > 1:
        raise ValueError("the events are those of several calls (pass those of one, or its final event alone)")
    said: _Ends = {}
    output_tokens = None
    for shape, source in parts:
        found = shape.ends(source)
        said |= {index: end or said.get(index) for index, end in found.items()}
        count = shape.output_tokens(source)
        if count is not None or any(found.values()):  # a count from before the end is of what there was by then
            output_tokens = count
    ends = [end for _, end in sorted(said.items()) if end]
    shape = parts[-1][0]
    if not ends and shape.says_its_end:
        raise ValueError(f"{shape.name}: it is not finished ({shape.way_out})")
    if output_tokens is None:
        raise ValueError(f"{shape.name}: it has no count of its output tokens ({shape.way_out})")
    return Response(
        output_tokens=output_tokens,
        finish_reason=sample.telling_reason(ends),
        model=_last(_word(_get(source, "model", "model_version", "modelVersion")) for _, source in parts),
        id=_last(ids),
        max_tokens=max_tokens,
        choices=max(len(said), 1),
    )


_Ends: TypeAlias = "dict[int, str | None]"
"""Why each answer ended, by its index. ``None``: it goes on, or nothing is said."""


@dataclass(frozen=True, slots=True)
class _Shape:
    """How one kind of response is recognized and read."""

    name: str
    fits: Callable[[object], bool]
    output_tokens: Callable[[object], int | None]
    ends: Callable[[object], _Ends]
    way_out: str
    says_its_end: bool = True
    max_tokens: Callable[[object], int | None] = lambda _: None


def _part(event: object) -> tuple[_Shape, object] | None:
    """The shape of ``event``, or of what it carries, and that; ``None`` for a kind of event that is not known."""
    kind = _word(_get(event, "type")) or ""
    carrier = "response" if kind.startswith("response.") else _CARRIERS.get(kind)
    carried = _get(event, carrier) if carrier else None
    source = event if carried is None else carried
    shape = next((shape for shape in _SHAPES if shape.fits(source)), None)
    if shape is None and not kind:
        raise _refusal(event)
    return None if shape is None else (shape, source)


def _last(values: Iterable[_T | None]) -> _T | None:
    return next((value for value in reversed([*values]) if value is not None), None)


def _refusal(thing: object) -> TypeError:
    if inspect.isawaitable(thing):
        way_out = "await it first"
    elif isinstance(thing, (Iterator, AsyncIterator)):
        way_out = "read the stream to its end, and pass a list of its events"
    elif type(_get(thing, "status_code")) is int:
        way_out = "an HTTP response has to be decoded: pass its json() or parse()"
    else:
        way_out = (
            "pass what a client of OpenAI, Anthropic, Gemini or LiteLLM returned, or its JSON as a dict; "
            "of a stream its final event, or a list of all events"
        )
    return TypeError(f"{type(thing).__name__} is not the response of a model ({way_out})")


def _chat_tokens(completion: object) -> int | None:
    """The completion, and the reasoning where it is beside it, as with xAI: there the three make the total."""
    usage = _get(completion, "usage")
    count = _count(usage, "completion_tokens")
    reasoning = _number(_get(usage, "completion_tokens_details"), "reasoning_tokens")
    if count is None or _number(usage, "prompt_tokens") + count + reasoning != _number(usage, "total_tokens"):
        return count
    return count + reasoning


def _chat_ends(completion: object) -> _Ends:
    """Gateways translate, and LiteLLM calls ``stop`` what it does not know: the provider's word is kept beside."""

    def end(choice: object) -> str | None:
        native = [_get(each, "native_finish_reason") for each in (_get(choice, "provider_specific_fields"), choice)]
        return sample.telling_reason(map(_word, [*native, _get(choice, "finish_reason")]))

    return _by_index(_get(completion, "choices"), end)


def _response_ends(response: object) -> _Ends:
    status = _word(_get(response, "status"))
    if status in ("queued", "in_progress"):
        return {}
    return {0: _word(_get(_get(response, "incomplete_details"), "reason")) or status}


def _message_ends(message: object) -> _Ends:
    return {0: _word(_get(_get(message, "delta"), "stop_reason") or _get(message, "stop_reason"))}


def _gemini_tokens(response: object) -> int | None:
    """Thoughts are beside the candidates, unless the total says that they are among them.

    A count of zero is left out, and then the prompt is all of the total.
    """
    usage = _get(response, "usage_metadata", "usageMetadata")
    candidates = _count(usage, "candidates_token_count", "candidatesTokenCount")
    thoughts = _count(usage, "thoughts_token_count", "thoughtsTokenCount")
    prompt = _number(usage, "prompt_token_count", "promptTokenCount")
    tools = _number(usage, "tool_use_prompt_token_count", "toolUsePromptTokenCount")
    total = _number(usage, "total_token_count", "totalTokenCount")
    if candidates is None and thoughts is None:
        return 0 if prompt and prompt == total else None
    answer, beside = candidates or 0, thoughts or 0
    return answer if beside <= answer and total - answer in (prompt, prompt + tools) else answer + beside


def _gemini_ends(response: object) -> _Ends:
    """A prompt that was blocked has no candidates, and the reason stands elsewhere."""
    blocked = _get(_get(response, "prompt_feedback", "promptFeedback"), "block_reason", "blockReason")
    ends = _by_index(_get(response, "candidates"), lambda answer: _word(_get(answer, "finish_reason", "finishReason")))
    return ends or {0: _word(blocked)}


def _is_gemini(response: object) -> bool:
    candidates = _get(response, "candidates")
    usage = _get(response, "usage_metadata", "usageMetadata")
    return isinstance(candidates, Sequence) or (candidates is None and usage is not None)


_CARRIERS = {"message_start": "message", "message_stop": "message", "chunk": "chunk"}
"""Where events carry the response itself, or a part of it."""

_SHAPES = (
    _Shape(
        "a chat completion",
        lambda thing: isinstance(_get(thing, "choices"), Sequence),
        _chat_tokens,
        _chat_ends,
        'send stream_options={"include_usage": True} with a stream, and pass its last chunk or a list of all',
        says_its_end=False,
    ),
    _Shape(
        "an OpenAI response",
        lambda thing: _get(thing, "object") == "response",
        lambda response: _count(_get(response, "usage"), "output_tokens"),
        _response_ends,
        "pass it once it is completed, or the last event of its stream; a call that failed may have no usage",
        max_tokens=lambda response: _count(response, "max_output_tokens"),
    ),
    _Shape(
        "an Anthropic message",
        lambda thing: _get(thing, "type") in ("message", "message_start", "message_delta", "message_stop"),
        lambda message: _count(_get(message, "usage"), "output_tokens"),
        _message_ends,
        "pass the event message_delta of its stream, a list of all events, or its get_final_message()",
    ),
    _Shape("a Gemini response", _is_gemini, _gemini_tokens, _gemini_ends, "pass its last chunk or a list of all"),
)


def _by_index(answers: object, end: Callable[[object], str | None]) -> _Ends:
    """Gemini leaves out an index of zero."""
    ends: _Ends = {}
    for place, answer in enumerate(answers if isinstance(answers, Sequence) else ()):
        index = _get(answer, "index")
        ends[index if type(index) is int else place] = end(answer)
    return ends


def _get(thing: object, *names: str) -> object:
    """The first that ``thing`` has of what is called ``names``, as an attribute or as a key."""
    values = (thing.get(name) if isinstance(thing, Mapping) else getattr(thing, name, None) for name in names)
    return next((value for value in values if value is not None), None)


def _word(value: object) -> str | None:
    if isinstance(value, Enum):
        value = value.value if isinstance(value.value, str) else value.name
    return value if isinstance(value, str) and value else None


def _count(thing: object, *names: str) -> int | None:
    value = _get(thing, *names)
    if value is None or (type(value) is int and value >= 0):  # not isinstance(): a mock passes for what it imitates
        return value
    raise TypeError(f"{names[0]}: {value if type(value) is int else type(value).__name__} is not a count of tokens")


def _number(thing: object, *names: str) -> int:
    """A count that is only compared; zero if there is none."""
    value = _get(thing, *names)
    return value if type(value) is int else 0
