"""A provider's response by its shape: which facts are read, and what is refused."""

from __future__ import annotations

import copy
import enum
import itertools
from collections.abc import Callable, Iterator
from email.message import Message
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock, Mock
from urllib.error import HTTPError, URLError

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_token_telemetry.sample import finish_reason
from pytest_token_telemetry.sources.responses import FailedCallError, JointCountError, Response, read
from tests.answers import SECRET, chat, chunk, gemini, gemini_object, message, responses


def attributes(value: Any) -> Any:
    """``value`` as clients give it: attributes instead of keys."""
    if isinstance(value, dict):
        return SimpleNamespace(**{key: attributes(part) for key, part in value.items()})
    return [attributes(part) for part in value] if isinstance(value, list) else value


@pytest.fixture(params=[dict, attributes], ids=["JSON", "object"])
def form(request: pytest.FixtureRequest) -> Callable[[Any], Any]:
    made: Callable[[Any], Any] = request.param
    return made


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
        ({"candidatesTokenCount": 20, "thoughtsTokenCount": 15, "totalTokenCount": 28, TOOLS: 2}, 20),  # 8 + 20
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
        (32, 0, 94, 126, 94),
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
    chunk(id="", model=""),  # what Azure sends first
    chunk(None),
    chunk("length"),
    chunk(usage={"completion_tokens": 96}),
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
    def of(index: int, reason: str | None) -> dict[str, Any]:
        return chunk(choices=[{"index": index, "delta": {}, "finish_reason": reason}])

    stream = [of(1, None), of(0, None), of(1, "stop"), of(0, "length"), of(1, None), CHAT_STREAM[-1]]
    assert read(stream) == Response(96, "length", "gpt-x", "chatcmpl-1", None, 2)
    stopped = [of(1, "stop"), of(0, "tool_calls"), of(2, None), CHAT_STREAM[-1]]
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
        (responses(usage=None), "pass it once it is completed"),
        (message(usage={}), "message_delta"),
        ([MESSAGE_STREAM[0], END_WITHOUT_COUNT, MESSAGE_STREAM[-1]], "message_delta"),
        ([*MESSAGE_STREAM[:4], {**END_WITHOUT_COUNT, "usage": {"output_tokens": None}}], "message_delta"),
        ([gemini(None, candidatesTokenCount=1), gemini("STOP")], "last chunk"),
        ([chunk(None, usage={"completion_tokens": 1}), chunk("stop")], 'send stream_options={"include_usage": True}'),
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


USAGE = {"completion_tokens": 96}


def own(*ids: str, end: int = -1, models: tuple[str, ...] = ("gpt-x",)) -> list[dict[str, Any]]:
    """A stream whose chunks have those ``ids``, of which the one at ``end`` ends the answer, and its count."""
    reasons = [None] * len(ids)
    reasons[end] = "length"
    each = zip(ids, reasons, (*models, *models[-1:] * len(ids)), strict=False)
    return [*(chunk(reason, id=id, model=model) for id, reason, model in each), chunk(usage=USAGE, id="u", model="")]


def gemini_own(*ids: str) -> list[dict[str, Any]]:
    return [{**part, "responseId": id} for part, id in zip(GEMINI_STREAM, ids, strict=True)]


@pytest.mark.parametrize(
    ("stream", "facts"),
    [
        (own("a", "b", "c"), Response(96, "length", "gpt-x", "a", None, 1)),
        (own("a", "a", "a"), Response(96, "length", "gpt-x", "a", None, 1)),  # the count alone has another id
        (own("a", "b", "c", models=("", "gpt-x")), Response(96, "length", "gpt-x", "a", None, 1)),
        (gemini_own("a", "b", "c"), Response(116, "MAX_TOKENS", "gemini-x", "a", None, 1)),
        (
            [*gemini_own("a", "b", "c"), {"responseId": "d", "usageMetadata": {"candidatesTokenCount": 5}}],
            Response(5, "MAX_TOKENS", "gemini-x", "a", None, 1),
        ),
    ],
)
def test_chunks_with_ids_of_their_own_are_one_stream_by_their_order_and_model(
    stream: list[Any], facts: Response, form: Callable[[Any], Any]
) -> None:
    assert read([form(part) for part in stream]) == facts


@pytest.mark.parametrize(
    "stream",
    [
        own("a", "b", "c", models=("gpt-x", "gpt-y")),
        own("a", "b", "c", models=("",)),  # nobody says that it is one model
        own("a", "b", "c", end=1),  # "c" goes on where the answer has ended
        own("a", "b", "a", "b"),  # side by side
        own("a", "a", "b", "b"),  # the first has broken off
        [*own("a", "a", "a")[:-1], *own("b", "b", "b")],
        [chunk(None, id="a"), chunk(None, id=""), chunk("stop", id="b"), chunk(usage=USAGE)],
        [chat("stop", id=None), chat("stop", id=None)],
        [chat("stop"), chat("stop")],
        gemini_own("a", "b", "b"),
        [*MESSAGE_STREAM[:4], {"type": "message_start", "message": message(None, id="msg_2")}, *MESSAGE_STREAM[1:]],
        [RESPONSES_STREAM[0], {"type": "response.completed", "response": responses(id="resp_2")}],
    ],
)
def test_events_that_may_be_of_several_calls_are_refused(stream: list[Any], form: Callable[[Any], Any]) -> None:
    with pytest.raises(ValueError, match="those of several calls"):
        read([form(part) for part in stream])


@pytest.mark.parametrize(
    "stream",
    [
        [chunk(None, usage={"completion_tokens": 5}), chunk(None, usage={"completion_tokens": 9})],
        chunk(None, usage=USAGE),
    ],
)
def test_a_stream_that_broke_off_is_not_finished_though_each_chunk_has_a_count(stream: Any) -> None:
    with pytest.raises(ValueError, match=r"^a chat completion: it is not finished"):
        read(stream)


FAILED = "the call failed, and has no count of its output tokens (there is nothing to record of it)"
ERROR = {"type": "overloaded_error", "message": SECRET}


@pytest.mark.parametrize(
    ("failed", "name"),
    [
        (responses("failed", usage=None, error={"code": "server_error", "message": SECRET}), "an OpenAI response: "),
        (responses("cancelled", usage=None), "an OpenAI response: "),
        (
            [RESPONSES_STREAM[0], {"type": "response.failed", "response": responses("failed", usage=None)}],
            "an OpenAI response: ",
        ),
        ([RESPONSES_STREAM[0], {"type": "error", "code": "server_error", "message": SECRET}], "an OpenAI response: "),
        ({"type": "error", "error": ERROR}, ""),
        ([*MESSAGE_STREAM[:4], {"type": "error", "error": ERROR}], "an Anthropic message: "),
        ({"error": {"message": SECRET, "code": 429}}, ""),
        ({"error": SECRET}, ""),
        ({"error": {"type": "overloaded_error"}}, ""),
        ([chunk(None), {"error": ERROR}], "a chat completion: "),
        (chunk("error", error={"code": 502, "message": SECRET}), "a chat completion: "),
        (chat("error", usage=None), "a chat completion: "),
        ({"error": {"code": 503, "message": SECRET, "status": "UNAVAILABLE"}}, ""),
        ([GEMINI_STREAM[0], {"error": {"code": 503, "message": SECRET}}], "a Gemini response: "),
    ],
)
def test_a_call_that_failed_says_so(failed: Any, name: str, form: Callable[[Any], Any]) -> None:
    with pytest.raises(FailedCallError) as caught:
        read([form(part) for part in failed] if isinstance(failed, list) else form(failed))
    assert str(caught.value) == name + FAILED


def langchain(usage: object = None, /, kind: str = "ai", run: str = "lc_run--1", **said: object) -> dict[str, Any]:
    """As langchain-core 1.8 has it, by `model_dump`."""
    return {"type": kind, "id": run, "content": SECRET, "usage_metadata": usage, "response_metadata": said}


def tokens(output: object, reasoning: int = 0, total: int | None = None, prompt: int = 11) -> dict[str, Any]:
    """LangChain's ``usage_metadata``."""
    assert isinstance(output, int)
    total = prompt + output if total is None else total
    details = {"reasoning": reasoning}
    return {"input_tokens": prompt, "output_tokens": output, "total_tokens": total, "output_token_details": details}


def piece(usage: object = None, /, run: str = "lc_run--1", last: bool = False, **said: object) -> dict[str, Any]:
    return {**langchain(usage, "AIMessageChunk", run, **said), "chunk_position": "last" if last else None}


TOKEN_USAGE = {"completion_tokens": 16, "prompt_tokens": 11, "total_tokens": 27}
RESPONSE_METADATA = {
    "object": "response",
    "status": "incomplete",
    "incomplete_details": {"reason": "max_output_tokens"},
}


@pytest.mark.parametrize(
    ("response", "facts"),
    [
        (  # langchain-openai 1.7
            langchain(
                tokens(16, 8), model_name="gpt-x", id="chatcmpl-1", finish_reason="length", token_usage=TOKEN_USAGE
            ),
            Response(16, "length", "gpt-x", "chatcmpl-1", None, 1),
        ),
        (
            langchain(tokens(16, 8), id="resp_1", model="gpt-x", model_name="gpt-x", **RESPONSE_METADATA),
            Response(16, "max_output_tokens", "gpt-x", "resp_1", None, 1),
        ),
        (langchain(tokens(16), object="response", status="completed"), Response(16, "completed", None, None, None, 1)),
        (  # langchain-anthropic 1.7
            langchain(tokens(16), id="msg_1", model="claude-x", stop_reason="max_tokens", usage={"output_tokens": 16}),
            Response(16, "max_tokens", "claude-x", "msg_1", None, 1),
        ),
        (  # langchain-google-genai 4.4
            langchain(tokens(16, 8), model_name="gemini-x", finish_reason="MAX_TOKENS"),
            Response(16, "MAX_TOKENS", "gemini-x", None, None, 1),
        ),
        (langchain(tokens(16), stopReason="max_tokens"), Response(16, "max_tokens", None, None, None, 1)),  # Bedrock
        (langchain(tokens(16), model="llama", done_reason="length"), Response(16, "length", "llama", None, None, 1)),
        (langchain(tokens(16)), Response(16, None, None, None, None, 1)),
        (langchain(None, token_usage=TOKEN_USAGE, finish_reason="stop"), Response(16, "stop", None, None, None, 1)),
        (langchain(None, usage={"output_tokens": 16}), Response(16, None, None, None, None, 1)),
        (
            {"type": "ai", "data": langchain(tokens(16), stop_reason="end_turn")},
            Response(16, "end_turn", None, None, None, 1),
        ),
        # 11 + 20 of which 15 are thoughts: LangChain adds them to the candidates (20 + 15), the total does not
        (langchain(tokens(35, 15, total=31)), Response(20, None, None, None, None, 1)),
        # xAI: 32 + 9 + 94 = 135
        (langchain(tokens(9, 94, total=135, prompt=32)), Response(103, None, None, None, None, 1)),
        (langchain(tokens(9, 94, total=99, prompt=32)), Response(9, None, None, None, None, 1)),
        (  # what OpenAI's interface streams
            [piece(), piece(finish_reason="length", model_name="gpt-x"), piece(tokens(16, 8)), piece(last=True)],
            Response(16, "length", "gpt-x", None, None, 1),
        ),
        (  # Gemini's: each part has what is new
            [
                piece(tokens(8, 8, total=0)),
                piece(tokens(8, total=27, prompt=0), finish_reason="MAX_TOKENS"),
                piece(last=True),
            ],
            Response(16, "MAX_TOKENS", None, None, None, 1),
        ),
        (
            [piece(run="resp_1", id="resp_1"), piece(tokens(16), **RESPONSE_METADATA, model="gpt-x", last=True)],
            Response(16, "max_output_tokens", "gpt-x", "resp_1", None, 1),
        ),
        (piece(tokens(16), stop_reason="max_tokens"), Response(16, "max_tokens", None, None, None, 1)),
        ([piece(tokens(16), stop_reason="stop"), piece(tokens(0))], Response(16, "stop", None, None, None, 1)),
        (  # the provider's own count beside LangChain's is not added to it
            [piece(token_usage=TOKEN_USAGE, finish_reason="length"), piece(tokens(16))],
            Response(16, "length", None, None, None, 1),
        ),
        (langchain(tokens(16), incomplete_details={"reason": "length"}), Response(16, "length", None, None, None, 1)),
        ([piece(tokens(16)), piece(last=True)], Response(16, None, None, None, None, 1)),
        ([{"type": "human", "content": SECRET}, langchain(tokens(16))], Response(16, None, None, None, None, 1)),
    ],
)
def test_a_message_of_langchain(response: Any, facts: Response) -> None:
    assert read(response) == facts
    objects = (
        [SimpleNamespace(**part) for part in response] if isinstance(response, list) else SimpleNamespace(**response)
    )
    assert read(objects) == facts


@pytest.mark.parametrize(
    ("response", "sentence"),
    [
        (langchain(), "a LangChain message: it has no count of its output tokens"),
        (piece(tokens(8)), "a LangChain message: it is not finished"),
        ([piece(tokens(8)), piece(tokens(8))], "a LangChain message: it is not finished"),
        ([piece(tokens(8)), piece(finish_reason="STOP")], "a LangChain message: it has no count of its output tokens"),
        ([langchain(tokens(8)), langchain(tokens(8))], "the events are those of several calls"),
        (
            [piece(tokens(8), stop_reason="stop"), piece(tokens(8), run="lc_run--2", stop_reason="stop")],
            "the events are",
        ),
        ([piece(tokens(8), run="run-1"), piece(tokens(8), run="run-2", stop_reason="stop")], "the events are those"),
        ({"type": "ai", "text": SECRET}, "dict is not the response of a model"),
        ({"type": "human", "response_metadata": {}}, "dict is not the response of a model"),
    ],
)
def test_a_message_of_langchain_that_cannot_be_one_call_is_refused(response: Any, sentence: str) -> None:
    with pytest.raises((TypeError, ValueError)) as caught:
        read(response)
    assert str(caught.value).startswith(sentence)
    assert SECRET not in str(caught.value)


class HoldingError(Exception):
    """As OpenAI's `LengthFinishReasonError` (``completion``) and Instructor's exceptions (``last_completion``) do."""

    def __init__(self, **held: object) -> None:
        super().__init__(SECRET)
        self.__dict__ |= held


def raised(*errors: BaseException) -> BaseException:
    """The last of ``errors``, raised while those before it were handled."""
    for earlier, later in itertools.pairwise(errors):
        later.__context__ = earlier
    return errors[-1]


@pytest.mark.parametrize("name", ["completion", "last_completion", "response"])
@pytest.mark.parametrize(
    "held", [chat("length"), responses("incomplete"), message("max_tokens"), langchain(tokens(96))]
)
def test_an_exception_is_read_by_the_response_that_it_holds(name: str, held: Any, form: Callable[[Any], Any]) -> None:
    held = SimpleNamespace(**held) if held.get("type") == "ai" else form(held)
    assert read(HoldingError(**{name: held})) == read(held)
    assert read(raised(HoldingError(**{name: held}), ValueError("wrapped"))) == read(held)
    assert read(HoldingError(status_code=200, **{name: held})) == read(held)
    assert read(HoldingError(completion=None, response=SimpleNamespace(status_code=400), last_completion=held)) == read(
        held
    )


def test_the_count_of_several_attempts_is_not_that_of_a_call() -> None:
    assert read(HoldingError(last_completion=chat("stop"), n_attempts=1)).output_tokens == 96
    with pytest.raises(JointCountError, match=r"^HoldingError: its response has the count of 3 attempts"):
        read(HoldingError(last_completion=chat("stop"), n_attempts=3))


@pytest.mark.parametrize(
    "error",
    [
        HoldingError(status_code=429, response=SimpleNamespace(status_code=429)),  # OpenAI, Anthropic, LiteLLM
        HoldingError(code=503, status="UNAVAILABLE"),  # Google
        HTTPError("https://model.example", 503, SECRET, Message(), None),  # urllib
        raised(HTTPError("https://model.example", 503, SECRET, Message(), None), ValueError("wrapped")),
        raised(HoldingError(status_code=500), ValueError("wrapped")),
    ],
)
def test_an_exception_of_a_provider_says_that_the_call_failed(error: BaseException) -> None:
    with pytest.raises(FailedCallError) as caught:
        read(error)
    assert str(caught.value) == f"{type(error).__name__}: {FAILED}"


def test_any_other_exception_is_no_response() -> None:
    circle = ValueError(SECRET)
    circle.__cause__ = HoldingError(code=1, response=circle)
    circle.__cause__.__context__ = circle
    hidden = raised(HoldingError(completion=chat("length")), ValueError(SECRET))
    hidden.__suppress_context__ = True
    for error in (circle, hidden, SystemExit(1), URLError(SECRET)):
        with pytest.raises(TypeError, match=rf"^{type(error).__name__} is not the response of a model"):
            read(error)


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
SOUND = [
    chat("stop", "length"),
    responses(),
    message(),
    gemini("STOP", candidatesTokenCount=4),
    langchain(tokens(4), finish_reason="stop"),
]
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
