"""How each kind of response is known, and where it says what: one `Shape` a provider's or library's kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from pytest_token_telemetry import sample

Ends: TypeAlias = "dict[int, str | None]"
"""Why each answer ended, by its index. ``None``: it goes on, or nothing is said."""


_IDS = ("id", "response_id", "responseId")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How one kind of response, or of a part of it, is recognized and read."""

    name: str
    fits: Callable[[object], bool]
    output_tokens: Callable[[object], int | None]
    ends: Callable[[object], Ends]
    """Only of the answers that a part speaks of."""
    way_out: str
    says_its_end: Callable[[object], bool] = lambda _: True
    """Whether the call goes on where a part does not say why it ended."""
    is_whole: Callable[[object], bool] = lambda _: False
    """Whether it is a whole answer, so that two of them are two calls."""
    adds_up: bool = False
    """Whether the counts of the parts are to be added. Else the later replaces the earlier."""
    own_ids: bool = False
    """Whether gateways are known to give each part of one stream an id of its own."""
    facts: Callable[[object], object] = lambda part: part
    """What has the call's model and id."""
    stream: Callable[[object], str | None] = lambda part: word(get(part, *_IDS))
    """What the parts of one stream have in common."""
    max_tokens: Callable[[object], int | None] = lambda _: None

    def id(self, part: object) -> str | None:
        """The call's own id."""
        return word(get(self.facts(part), *_IDS))

    def model(self, part: object) -> str | None:
        """The model's name."""
        return word(get(self.facts(part), "model", "model_version", "modelVersion", "model_name"))


def get(thing: object, *names: str) -> object:
    """The value of the first of ``names`` that ``thing`` has, as an attribute or as a key."""
    if type(thing) is dict:  # of decoded JSON there are many
        for name in names:
            if (value := thing.get(name)) is not None:
                return value
        return None
    values = (thing.get(name) if isinstance(thing, Mapping) else getattr(thing, name, None) for name in names)
    return next((value for value in values if value is not None), None)


def word(value: object) -> str | None:
    """``value`` if it is a text or an enumeration of texts."""
    if isinstance(value, Enum):
        value = value.value if isinstance(value.value, str) else value.name
    return value if isinstance(value, str) and value else None


def _chat_tokens(completion: object) -> int | None:
    return _completion_tokens(get(completion, "usage"))


def _completion_tokens(usage: object) -> int | None:
    """The completion, and the reasoning where it is beside it, as with xAI: there the three make the total."""
    count = _count(usage, "completion_tokens")
    reasoning = _number(get(usage, "completion_tokens_details"), "reasoning_tokens")
    if count is None or _number(usage, "prompt_tokens") + count + reasoning != _number(usage, "total_tokens"):
        return count
    return count + reasoning


def _chat_ends(completion: object) -> Ends:
    """Gateways translate, and LiteLLM calls ``stop`` what it does not know: the provider's word is kept beside."""

    def end(choice: object) -> str | None:
        return sample.telling_reason([*_native_reasons(choice), word(get(choice, "finish_reason"))])

    return _by_index(get(completion, "choices"), end)


def keeps_native_reason(completion: object) -> bool:
    """Whether each choice of a chat completion that has ended has the provider's own word beside the gateway's."""
    ended = [choice for choice in _sequence(get(completion, "choices")) if word(get(choice, "finish_reason"))]
    return bool(ended) and all(any(_native_reasons(choice)) for choice in ended)


def _native_reasons(choice: object) -> list[str | None]:
    return [word(get(each, "native_finish_reason")) for each in (get(choice, "provider_specific_fields"), choice)]


def _have(name: str) -> Callable[[object], bool]:
    return lambda completion: any(get(choice, name) is not None for choice in _sequence(get(completion, "choices")))


def _response_ends(response: object) -> Ends:
    status = word(get(response, "status"))
    if status in ("queued", "in_progress"):
        return {}
    return {0: word(get(get(response, "incomplete_details"), "reason")) or status}


def _message_ends(message: object) -> Ends:
    return {0: word(get(get(message, "delta"), "stop_reason") or get(message, "stop_reason"))}


def _gemini_tokens(response: object) -> int | None:
    """Thoughts are beside the candidates, unless the total says that they are among them.

    A count of zero is left out, and then the prompt is all of the total.
    """
    usage = get(response, "usage_metadata", "usageMetadata")
    candidates = _count(usage, "candidates_token_count", "candidatesTokenCount")
    thoughts = _count(usage, "thoughts_token_count", "thoughtsTokenCount")
    prompt = _number(usage, "prompt_token_count", "promptTokenCount")
    tools = _number(usage, "tool_use_prompt_token_count", "toolUsePromptTokenCount")
    total = _number(usage, "total_token_count", "totalTokenCount")
    if candidates is None and thoughts is None:
        return 0 if prompt and prompt == total else None
    answer, beside = candidates or 0, thoughts or 0
    return answer if beside <= answer and total - answer in (prompt, prompt + tools) else answer + beside


def _gemini_ends(response: object) -> Ends:
    """A prompt that was blocked has no candidates, and the reason stands elsewhere."""
    blocked = word(get(get(response, "prompt_feedback", "promptFeedback"), "block_reason", "blockReason"))
    ends = _by_index(get(response, "candidates"), lambda answer: word(get(answer, "finish_reason", "finishReason")))
    return ends or ({0: blocked} if blocked else {})


def _is_gemini(response: object) -> bool:
    candidates = get(response, "candidates")
    usage = get(response, "usage_metadata", "usageMetadata")
    return isinstance(candidates, Sequence) or (candidates is None and usage is not None)


def _langchain_tokens(message: object) -> int | None:
    """LangChain's own count, and what the provider's total says of the reasoning; else the provider's count.

    LangChain takes reasoning for a part of what OpenAI's interface counts, and for more than what Gemini's does.
    """
    usage = get(message, "usage_metadata")
    count = _count(usage, "output_tokens")
    if count is not None:
        reasoning = _number(get(usage, "output_token_details"), "reasoning")
        beyond = _number(usage, "total_tokens") - _number(usage, "input_tokens") - count
        return count + beyond if beyond in (reasoning, -reasoning) else count
    if _is_langchain_chunk(message):
        return None
    usage = get(_langchain_facts(message), "token_usage", "usage")
    count = _completion_tokens(usage)
    return _count(usage, "output_tokens") if count is None else count


def _langchain_ends(message: object) -> Ends:
    facts = _langchain_facts(message)
    named = [word(get(facts, name)) for name in ("finish_reason", "stop_reason", "stopReason", "done_reason")]
    return {0: sample.telling_reason([*named, _response_ends(facts).get(0)])}


def _langchain_facts(message: object) -> object:
    return get(message, "response_metadata")


def _is_langchain_chunk(message: object) -> bool:
    return get(message, "type") == "AIMessageChunk"


def _langchain_run(message: object) -> str | None:
    """LangChain's own id of a run. The provider's, which the first part of a stream may have instead, is none."""
    id = word(get(message, "id")) or ""
    return id if id.startswith(("lc_", "run-")) else None


SHAPES = (
    Shape(
        name="a LangChain message",
        fits=lambda thing: (
            get(thing, "type") in ("ai", "AIMessageChunk") and isinstance(_langchain_facts(thing), Mapping)
        ),
        output_tokens=_langchain_tokens,
        ends=_langchain_ends,
        way_out="pass a list of all chunks of its stream, or their sum; OpenAI's interface needs stream_usage=True",
        says_its_end=lambda message: _is_langchain_chunk(message) and get(message, "chunk_position") != "last",
        is_whole=lambda message: not _is_langchain_chunk(message),
        adds_up=True,
        facts=_langchain_facts,
        stream=_langchain_run,
    ),
    Shape(
        name="a chat completion",
        fits=lambda thing: isinstance(get(thing, "choices"), Sequence),
        output_tokens=_chat_tokens,
        ends=_chat_ends,
        way_out='send stream_options={"include_usage": True} with a stream, and pass its last chunk or a list of all',
        says_its_end=_have("delta"),
        is_whole=_have("message"),
        own_ids=True,
    ),
    Shape(
        name="an OpenAI response",
        fits=lambda thing: get(thing, "object") == "response",
        output_tokens=lambda response: _count(get(response, "usage"), "output_tokens"),
        ends=_response_ends,
        way_out="pass it once it is completed, or the last event of its stream",
        max_tokens=lambda response: _count(response, "max_output_tokens"),
    ),
    Shape(
        name="an Anthropic message",
        fits=lambda thing: get(thing, "type") in ("message", "message_start", "message_delta", "message_stop"),
        output_tokens=lambda message: _count(get(message, "usage"), "output_tokens"),
        ends=_message_ends,
        way_out="pass the event message_delta of its stream, a list of all events, or its get_final_message()",
    ),
    Shape(
        name="a Gemini response",
        fits=_is_gemini,
        output_tokens=_gemini_tokens,
        ends=_gemini_ends,
        way_out="pass its last chunk or a list of all",
        own_ids=True,
    ),
)


def generates_no_text(response: object) -> bool:
    """Whether ``response``, as decoded JSON, is that of a call for embeddings, a moderation, a ranking or an image."""
    if not isinstance(response, dict):
        return False
    if any(isinstance(response.get(name), (dict, list)) for name in ("embedding", "embeddings")):
        return True
    each = next(
        (items[0] for name in ("data", "results") if isinstance(items := response.get(name), list) and items), 0
    )
    return isinstance(each, dict) and not _OF_NO_TEXT.isdisjoint(each)


_OF_NO_TEXT = frozenset(("embedding", "flagged", "relevance_score", "b64_json", "revised_prompt"))
"""Names in the first of what such a call returned."""


def _by_index(answers: object, end: Callable[[object], str | None]) -> Ends:
    """Gemini leaves out an index of zero."""
    ends: Ends = {}
    for place, answer in enumerate(_sequence(answers)):
        index = get(answer, "index")
        ends[index if type(index) is int else place] = end(answer)
    return ends


def _sequence(value: object) -> Sequence[object]:
    return value if isinstance(value, Sequence) else ()


def _count(thing: object, *names: str) -> int | None:
    value = get(thing, *names)
    if value is None or (type(value) is int and value >= 0):  # not isinstance(): a mock passes for what it imitates
        return value
    raise TypeError(f"{names[0]}: {value if type(value) is int else type(value).__name__} is not a count of tokens")


def _number(thing: object, *names: str) -> int:
    """A count that is only compared; zero if there is none."""
    value = get(thing, *names)
    return value if type(value) is int else 0
