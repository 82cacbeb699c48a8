"""A provider's response by its shape: which facts are read, and what is refused."""

from __future__ import annotations

import copy
import enum
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock, Mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_token_telemetry.recording.responses import Response, read
from pytest_token_telemetry.sample import finish_reason

SECRET = "what the model said"


def attributes(value: Any) -> Any:
    """``value`` as clients give it: attributes instead of keys."""
    if isinstance(value, dict):
        return SimpleNamespace(**{key: attributes(part) for key, part in value.items()})
    return [attributes(part) for part in value] if isinstance(value, list) else value


@pytest.fixture(params=[dict, attributes], ids=["JSON", "object"])
def form(request: pytest.FixtureRequest) -> Callable[[Any], Any]:
    made: Callable[[Any], Any] = request.param
    return made


def chat(*reasons: str | None, tokens: object = 96, **fields: object) -> dict[str, Any]:
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "model": "gpt-x",
        "choices": [
            {"index": index, "finish_reason": reason, "message": {"role": "assistant", "content": SECRET}}
            for index, reason in enumerate(reasons)
        ],
        "usage": {"prompt_tokens": 11, "completion_tokens": tokens, "total_tokens": 107},
        **fields,
    }


def responses(status: str | None = "completed", **fields: object) -> dict[str, Any]:
    return {
        "id": "resp_1",
        "object": "response",
        "model": "gpt-x",
        "status": status,
        "incomplete_details": None,
        "max_output_tokens": 128,
        "output": [{"type": "message", "content": [{"type": "output_text", "text": SECRET}]}],
        "usage": {"output_tokens": 128, "output_tokens_details": {"reasoning_tokens": 64}},
        **fields,
    }


def message(stop_reason: str | None = "end_turn", tokens: object = 41, **fields: object) -> dict[str, Any]:
    return {
        "id": "msg_1",
        "type": "message",
        "model": "claude-x",
        "stop_reason": stop_reason,
        "content": [{"type": "text", "text": SECRET}],
        "usage": {"input_tokens": 9, "output_tokens": tokens},
        **fields,
    }


def gemini(*reasons: str | None, **usage: object) -> dict[str, Any]:
    return {
        "responseId": "gem-1",
        "modelVersion": "gemini-x",
        "candidates": [{"finishReason": reason, "content": {"parts": [{"text": SECRET}]}} for reason in reasons],
        "usageMetadata": {"promptTokenCount": 8, **usage},
    }


def gemini_object(*reasons: str | None, **usage: object) -> dict[str, Any]:
    return {
        "response_id": "gem-1",
        "model_version": "gemini-x",
        "candidates": [{"finish_reason": reason, "index": None} for reason in reasons],
        "usage_metadata": {"prompt_token_count": 8, "candidates_token_count": None, **usage},
    }


def test_an_openai_chat_completion(form: Callable[[Any], Any]) -> None:
    assert read(form(chat("length"))) == Response(
        output_tokens=96, finish_reason="length", model="gpt-x", id="chatcmpl-1", max_tokens=None, choices=1
    )


def test_an_openai_response_echoes_its_cap(form: Callable[[Any], Any]) -> None:
    incomplete = responses("incomplete", incomplete_details={"reason": "max_output_tokens"})
    assert read(form(incomplete)) == Response(
        output_tokens=128, finish_reason="max_output_tokens", model="gpt-x", id="resp_1", max_tokens=128, choices=1
    )


def test_an_anthropic_message(form: Callable[[Any], Any]) -> None:
    assert read(form(message("max_tokens"))) == Response(
        output_tokens=41, finish_reason="max_tokens", model="claude-x", id="msg_1", max_tokens=None, choices=1
    )


def test_gemini_as_json() -> None:
    assert read(gemini("MAX_TOKENS", candidatesTokenCount=4, thoughtsTokenCount=112)) == Response(
        output_tokens=116, finish_reason="MAX_TOKENS", model="gemini-x", id="gem-1", max_tokens=None, choices=1
    )


def test_gemini_as_an_object(form: Callable[[Any], Any]) -> None:
    assert read(form(gemini_object("STOP", candidates_token_count=4, thoughts_token_count=112))) == Response(
        output_tokens=116, finish_reason="STOP", model="gemini-x", id="gem-1", max_tokens=None, choices=1
    )


TOOLS = "toolUsePromptTokenCount"


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [
        ({"candidatesTokenCount": 5}, 5),
        ({"thoughtsTokenCount": 7}, 7),
        ({"candidatesTokenCount": 0, "thoughtsTokenCount": 7}, 7),
        ({"totalTokenCount": 8}, 0),  # the prompt alone: a zero is left out
        ({"thoughtsTokenCount": 0, "totalTokenCount": 8}, 0),
        ({"candidatesTokenCount": 20, "thoughtsTokenCount": 15, "totalTokenCount": 28}, 20),  # 8 + 20: 15 of the 20
        ({"candidatesTokenCount": 20, "thoughtsTokenCount": 15, "totalTokenCount": 43}, 35),  # 8 + 20 + 15
        ({"candidatesTokenCount": 20, "thoughtsTokenCount": 15, "totalTokenCount": 99}, 35),
        ({"candidatesTokenCount": 20, "thoughtsTokenCount": 15, "totalTokenCount": 30, TOOLS: 2}, 20),  # 8 + 2 + 20
        ({"candidatesTokenCount": 20, "thoughtsTokenCount": 15, "totalTokenCount": 45, TOOLS: 2}, 35),
        ({"candidatesTokenCount": 4, "thoughtsTokenCount": 15, "totalTokenCount": 12}, 19),  # no 15 are within 4
    ],
)
def test_the_total_tells_whether_geminis_thoughts_are_beside_the_candidates(usage: dict[str, int], tokens: int) -> None:
    assert read(gemini("STOP", **usage)).output_tokens == tokens


@pytest.mark.parametrize("candidates", [[], None])
def test_a_prompt_that_gemini_blocked_says_why(candidates: list[Any] | None) -> None:
    feedback = {"blockReason": "SAFETY"}
    blocked = {**gemini(totalTokenCount=8), "promptFeedback": feedback, "candidates": candidates}
    assert (read(blocked).output_tokens, read(blocked).finish_reason) == (0, "SAFETY")


@pytest.mark.parametrize(
    ("translation", "fields", "kept"),
    [
        ("stop", {"provider_specific_fields": {"native_finish_reason": "pause_turn"}}, "pause_turn"),
        ("stop", {"native_finish_reason": "MAX_TOKENS"}, "MAX_TOKENS"),  # OpenRouter has it on the choice itself
        ("length", {"native_finish_reason": "a new word"}, "length"),
        ("tool_calls", {"provider_specific_fields": {"native_finish_reason": "max_tokens"}}, "max_tokens"),
    ],
)
def test_the_word_before_a_gateways_translation_is_kept_unless_the_other_says_cut_off(
    translation: str, fields: dict[str, Any], kept: str, form: Callable[[Any], Any]
) -> None:
    translated = chat(translation)
    translated["choices"][0] |= fields
    assert read(form(translated)).finish_reason == kept


def test_other_things_a_gateway_keeps_are_no_reason(form: Callable[[Any], Any]) -> None:
    translated = chat("stop")
    translated["choices"][0]["provider_specific_fields"] = {"citations": None}
    assert read(form(translated)).finish_reason == "stop"


@pytest.mark.parametrize(
    ("prompt", "completion", "reasoning", "total", "billed"),
    [
        (32, 9, 94, 135, 103),  # xAI: 32 + 9 + 94 = 135, so the 94 are beside the 9
        (32, 103, 94, 135, 103),  # OpenAI: 32 + 103 = 135, so the 94 are in the 103
        (32, 9, 94, 999, 9),
        (32, 9, 94, None, 9),
        (32, 9, None, 41, 9),
    ],
)
def test_reasoning_beside_the_completion_is_billed_too(
    prompt: int, completion: int, reasoning: int | None, total: int | None, billed: int
) -> None:
    usage = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "completion_tokens_details": {"reasoning_tokens": reasoning},
        "total_tokens": total,
    }
    assert read(chat("stop", usage=usage)).output_tokens == billed


@pytest.mark.parametrize(
    ("response", "raw", "ours"),
    [
        (responses("completed"), "completed", "stop"),
        (responses("incomplete"), "incomplete", "length"),
        (responses("incomplete", incomplete_details={"reason": "content_filter"}), "content_filter", "content_filter"),
        (responses("failed"), "failed", "error"),
        (responses("cancelled"), "cancelled", "error"),
        (message("model_context_window_exceeded"), "model_context_window_exceeded", "context"),
        (message("pause_turn"), "pause_turn", "unknown"),
        (message("compaction"), "compaction", "unknown"),
        (gemini("RECITATION", candidatesTokenCount=1), "RECITATION", "content_filter"),
        (gemini("MALFORMED_FUNCTION_CALL", candidatesTokenCount=1), "MALFORMED_FUNCTION_CALL", "error"),
        (gemini("OTHER", candidatesTokenCount=1), "OTHER", "unknown"),
        (chat("eos"), "eos", "stop"),
        (chat("network_error"), "network_error", "error"),
        (chat("guardrail_intervened"), "guardrail_intervened", "content_filter"),
    ],
)
def test_the_providers_word_is_kept_and_understood(response: dict[str, Any], raw: str, ours: str) -> None:
    said = read(response).finish_reason
    assert said == raw
    assert finish_reason(said) == ours


class Word(enum.Enum):
    CUT_OFF = "MAX_TOKENS"


class Number(enum.IntEnum):
    MAX_TOKENS = 2


@pytest.mark.parametrize("reason", [Word.CUT_OFF, Number.MAX_TOKENS])
def test_a_reason_may_be_an_enumeration(reason: Any) -> None:
    assert read(gemini_object(reason, candidates_token_count=4)).finish_reason == "MAX_TOKENS"


@pytest.mark.parametrize(
    ("response", "reason"),
    [
        (chat("stop", "tool_calls", "length"), "length"),
        (chat("tool_calls", "stop", "stop"), "tool_calls"),
        (chat("stop", "stop", "model_length"), "model_length"),
        (chat(None, "stop", None), "stop"),
        (gemini("STOP", "MAX_TOKENS", "STOP", candidatesTokenCount=9), "MAX_TOKENS"),
    ],
)
def test_of_several_answers_the_one_that_was_cut_off_speaks(response: dict[str, Any], reason: str) -> None:
    assert read(response).finish_reason == reason
    assert read(response).choices == 3


def test_what_is_not_said_is_none() -> None:
    bare = {"choices": [{}], "usage": {"completion_tokens": 0}}
    assert read(bare) == Response(0, None, None, None, None, 1)
    assert read({**bare, "id": "", "model": "", "choices": [{"finish_reason": ""}]}) == read(bare)


def test_a_mock_in_place_of_a_name_is_not_a_name() -> None:
    mocked = Mock(choices=[Mock(finish_reason="stop")], usage=Mock(completion_tokens=5))
    assert read(mocked) == Response(5, "stop", None, None, None, 1)


CHAT_STREAM = [
    chat(usage=None, id="", model=""),  # what Azure sends first
    chat(None, usage=None),
    chat("length", usage=None),
    chat(),
]
RESPONSES_STREAM = [
    {"type": "response.created", "response": responses("in_progress", usage=None)},
    {"type": "response.output_text.delta", "delta": SECRET},
    {"type": "response.incomplete", "response": responses("incomplete", incomplete_details={"reason": "length"})},
]
MESSAGE_STREAM = [
    {"type": "message_start", "message": message(None, tokens=1)},
    {"type": "ping"},
    {"type": "content_block_delta", "delta": {"type": "text_delta", "text": SECRET}},
    {"type": "message_delta", "delta": {"stop_reason": None}, "usage": {"output_tokens": 30}},
    {"type": "message_delta", "delta": {"stop_reason": "max_tokens"}, "usage": {"output_tokens": 41}},
    {"type": "message_stop"},
]
END_WITHOUT_COUNT = {"type": "message_delta", "delta": {"stop_reason": "max_tokens"}}
GEMINI_STREAM = [
    gemini(None, thoughtsTokenCount=112),
    gemini(None, candidatesTokenCount=1, thoughtsTokenCount=112),
    gemini("MAX_TOKENS", candidatesTokenCount=4, thoughtsTokenCount=112),
]


@pytest.mark.parametrize(
    ("stream", "facts"),
    [
        (CHAT_STREAM, Response(96, "length", "gpt-x", "chatcmpl-1", None, 1)),
        (RESPONSES_STREAM, Response(128, "length", "gpt-x", "resp_1", 128, 1)),
        (MESSAGE_STREAM, Response(41, "max_tokens", "claude-x", "msg_1", None, 1)),
        (GEMINI_STREAM, Response(116, "MAX_TOKENS", "gemini-x", "gem-1", None, 1)),
    ],
    ids=["chat", "responses", "messages", "gemini"],
)
@pytest.mark.parametrize("collected", [list, tuple])
def test_all_events_of_a_stream(
    stream: list[Any], facts: Response, form: Callable[[Any], Any], collected: type[Any]
) -> None:
    assert read(collected(form(event) for event in stream)) == facts


@pytest.mark.parametrize(
    ("event", "facts"),
    [
        (CHAT_STREAM[-1], Response(96, None, "gpt-x", "chatcmpl-1", None, 1)),
        ({"type": "chunk", "chunk": CHAT_STREAM[-1]}, Response(96, None, "gpt-x", "chatcmpl-1", None, 1)),
        (RESPONSES_STREAM[-1], Response(128, "length", "gpt-x", "resp_1", 128, 1)),
        (
            {"type": "response.completed", "response": responses()},
            Response(128, "completed", "gpt-x", "resp_1", 128, 1),
        ),
        (
            {"type": "response.failed", "response": responses("failed")},
            Response(128, "failed", "gpt-x", "resp_1", 128, 1),
        ),
        (MESSAGE_STREAM[-2], Response(41, "max_tokens", None, None, None, 1)),
        ({"type": "message_stop", "message": message()}, Response(41, "end_turn", "claude-x", "msg_1", None, 1)),
        (GEMINI_STREAM[-1], Response(116, "MAX_TOKENS", "gemini-x", "gem-1", None, 1)),
    ],
)
def test_the_final_event_of_a_stream(event: Any, facts: Response, form: Callable[[Any], Any]) -> None:
    assert read(form(event)) == facts


def test_answers_that_are_streamed_side_by_side_are_told_apart() -> None:
    def chunk(index: int, reason: str | None) -> dict[str, Any]:
        return chat(usage=None, choices=[{"index": index, "finish_reason": reason}])

    stream = [chunk(1, None), chunk(0, None), chunk(1, "stop"), chunk(0, "length"), chunk(1, None), chat()]
    assert read(stream) == Response(96, "length", "gpt-x", "chatcmpl-1", None, 2)
    stopped = [chunk(1, "stop"), chunk(0, "tool_calls"), chunk(2, None), chat()]
    assert read(stopped) == Response(96, "tool_calls", "gpt-x", "chatcmpl-1", None, 3)


@pytest.mark.parametrize(("earlier", "later", "cap"), [(128, None, 128), (None, 64, 64), (128, 64, 64)])
def test_what_a_later_event_knows_replaces_the_earlier(earlier: int | None, later: int | None, cap: int) -> None:
    begun = {"type": "response.created", "response": responses("in_progress", max_output_tokens=earlier)}
    ended = {"type": "response.completed", "response": responses(max_output_tokens=later)}
    assert read([begun, ended]).max_tokens == cap


@pytest.mark.parametrize("status", ["queued", "in_progress", None])
def test_a_response_in_the_background_is_not_finished(status: str | None, form: Callable[[Any], Any]) -> None:
    with pytest.raises(ValueError, match=r"^an OpenAI response: it is not finished \(pass it once it is completed"):
        read(form(responses(status)))


@pytest.mark.parametrize("unfinished", [message(None), MESSAGE_STREAM[0], MESSAGE_STREAM[:4], {"type": "message_stop"}])
def test_a_message_without_a_stop_reason_is_not_finished(unfinished: Any) -> None:
    with pytest.raises(ValueError, match=r"^an Anthropic message: it is not finished \(pass the event message_delta"):
        read(unfinished)


@pytest.mark.parametrize("unfinished", [GEMINI_STREAM[0], GEMINI_STREAM[:2], gemini(candidatesTokenCount=4)])
def test_a_chunk_of_gemini_without_a_reason_is_not_the_last(unfinished: Any) -> None:
    with pytest.raises(ValueError, match=r"^a Gemini response: it is not finished \(pass its last chunk"):
        read(unfinished)


@pytest.mark.parametrize(
    ("response", "way_out"),
    [
        (chat("stop", usage=None), 'send stream_options={"include_usage": True}'),
        (CHAT_STREAM[:3], 'send stream_options={"include_usage": True}'),
        (responses("failed", usage=None), "a call that failed may have no usage"),
        (message(usage={}), "message_delta"),
        ([MESSAGE_STREAM[0], END_WITHOUT_COUNT, MESSAGE_STREAM[-1]], "message_delta"),
        ([*MESSAGE_STREAM[:4], {**END_WITHOUT_COUNT, "usage": {"output_tokens": None}}], "message_delta"),
        ([gemini(None, candidatesTokenCount=1), gemini("STOP")], "last chunk"),
        ([chat(None, tokens=1), chat("stop", usage=None)], 'send stream_options={"include_usage": True}'),
        (gemini("STOP"), "last chunk"),
        (gemini("STOP", trafficType="ON_DEMAND", promptTokenCount=None), "last chunk"),
        (gemini("STOP", totalTokenCount=30), "last chunk"),
    ],
)
def test_a_response_without_a_count_is_refused_with_the_way_out(
    response: Any, way_out: str, form: Callable[[Any], Any]
) -> None:
    with pytest.raises(ValueError, match="no count of its output tokens") as caught:
        read([form(event) for event in response] if isinstance(response, list) else form(response))
    assert way_out in str(caught.value)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    "count",
    [True, 5.0, "5", -1, [SECRET], Mock(), Mock(spec=int), MagicMock()],
    ids=["bool", "float", "text", "negative", "list", "Mock", "Mock of an int", "MagicMock"],
)
@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda count: chat("stop", tokens=count), "completion_tokens"),
        (lambda count: responses(usage={"output_tokens": count}), "output_tokens"),
        (lambda count: responses(max_output_tokens=count), "max_output_tokens"),
        (lambda count: message(tokens=count), "output_tokens"),
        (lambda count: gemini("STOP", candidatesTokenCount=count), "candidates_token_count"),
        (lambda count: gemini("STOP", candidatesTokenCount=1, thoughtsTokenCount=count), "thoughts_token_count"),
    ],
    ids=["chat", "response", "cap", "message", "candidates", "thoughts"],
)
def test_what_is_no_count_is_refused_by_name(make: Callable[[object], Any], name: str, count: object) -> None:
    with pytest.raises(TypeError, match=rf"^{name}: \S+ is not a count of tokens$") as caught:
        read(make(count))
    assert SECRET not in str(caught.value)


def test_calls_are_not_taken_for_the_events_of_one() -> None:
    with pytest.raises(ValueError, match="those of several calls"):
        read([chat("stop"), chat("stop", id="chatcmpl-2")])


def test_a_stream_that_was_read_already_has_no_events() -> None:
    with pytest.raises(ValueError, match="a stream can be read only once"):
        read([])


async def call() -> None: ...


async def stream() -> Any:
    yield CHAT_STREAM[0]


@pytest.mark.parametrize(
    ("thing", "kind", "way_out"),
    [
        (None, "NoneType", "pass what a client"),
        (SECRET, "str", "pass what a client"),
        (SECRET.encode(), "bytes", "pass what a client"),
        (850, "int", "pass what a client"),
        ({}, "dict", "pass what a client"),
        ({"output": SECRET}, "dict", "pass what a client"),
        ({"type": "content_block_delta", "delta": {"text": SECRET}}, "dict", "or a list of all events"),
        ([{"type": "text", "text": SECRET}], "dict", "or a list of all events"),
        ([chat("stop"), None], "NoneType", "pass what a client"),
        ([SECRET], "str", "pass what a client"),
        (Mock(), "Mock", "pass what a client"),
        (SimpleNamespace(status_code=200, text=SECRET), "SimpleNamespace", "pass its json() or parse()"),
        (iter(CHAT_STREAM), "list_iterator", "read the stream to its end"),
        ((chunk for chunk in CHAT_STREAM), "generator", "read the stream to its end"),
        (stream(), "async_generator", "read the stream to its end"),
    ],
)
def test_what_is_no_response_is_refused_by_its_type(thing: object, kind: str, way_out: str) -> None:
    with pytest.raises(TypeError) as caught:
        read(thing)
    assert str(caught.value).startswith(f"{kind} is not the response of a model (")
    assert way_out in str(caught.value)
    assert SECRET not in str(caught.value)


def test_a_coroutine_has_to_be_awaited() -> None:
    pending = call()
    with pytest.raises(TypeError, match=r"^coroutine is not the response of a model \(await it first\)$"):
        read(pending)
    pending.close()


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Everything in ``value`` that can be replaced: where it is, and its key or index there."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in pairs:
        yield value, key
        yield from places(part)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 9) | st.floats() | st.just(SECRET),
    lambda parts: st.lists(parts, max_size=2) | st.dictionaries(st.sampled_from(["type", "index", "usage"]), parts),
    max_leaves=4,
)
SOUND = [chat("stop", "length"), responses(), message(), gemini("STOP", candidatesTokenCount=4)]
STREAMS = [CHAT_STREAM, RESPONSES_STREAM, MESSAGE_STREAM, GEMINI_STREAM]


@given(st.sampled_from([*SOUND, *STREAMS]), st.data())
def test_whatever_a_response_has_in_a_place_it_is_read_or_refused_without_its_texts(
    sound: Any, data: st.DataObject
) -> None:
    thing = copy.deepcopy(sound)
    container, key = data.draw(st.sampled_from(list(places(thing))))
    container[key] = data.draw(ANYTHING)
    refusal = ""
    try:
        response = read(thing)
    except (TypeError, ValueError) as error:
        refusal = str(error)
    else:
        assert type(response.output_tokens) is int
        assert response.output_tokens >= 0
        assert response.choices >= 1
    assert SECRET not in refusal
