"""What the providers' own clients return, asked over HTTP: read as it comes, whole and streamed, truncated and not."""

from __future__ import annotations

import asyncio
import gc
import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from threading import Event
from time import sleep
from typing import Any

import pytest

from pytest_token_telemetry.sample import Sample
from pytest_token_telemetry.sources.keys import SideFile
from pytest_token_telemetry.sources.reading import Directory, read_directories
from pytest_token_telemetry.sources.responses import FailedCallError, Response, read
from tests.integration.provider_server import NATURAL_TOKENS, OVERLOADED, OWN_IDS, TEXT, WITHIN, serving
from tests.unit.sources.builders import samples_of

MESSAGES: Any = [{"role": "user", "content": "Say something."}]
WITH_USAGE: Any = {"include_usage": True}
CAP = 16
"""Less than the model would like to say: 16 tokens are billed, not 40."""


@pytest.fixture(scope="module", autouse=True)
def _loopback_alone() -> Iterator[None]:
    """No client asks for another host, and none goes through a proxy."""
    look_up = socket.getaddrinfo
    strangers = []

    def local(host: Any, *arguments: Any, **keywords: Any) -> Any:
        if host in ("127.0.0.1", b"127.0.0.1"):
            return look_up(host, *arguments, **keywords)
        strangers.append(host)
        raise OSError("there is no network in this test")

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NO_PROXY", "127.0.0.1")
        patch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # else its import asks for the newest
        patch.setattr(socket, "getaddrinfo", local)
        yield
    assert strangers == []


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with serving() as address:
        yield address


@pytest.fixture(params=[CAP, 100], ids=["truncated", "whole"])
def cap(request: pytest.FixtureRequest) -> int:
    given: int = request.param
    return given


def of_cap(cap: int, cut_off: str, whole: str) -> tuple[int, str]:
    """The tokens and the reason to expect."""
    return (CAP, cut_off) if cap == CAP else (NATURAL_TOKENS, whole)


def assert_failed(error: Exception, name: str) -> None:
    with pytest.raises(FailedCallError) as caught:
        read(error)
    assert str(caught.value).startswith(f"{name}: the call failed")
    assert TEXT not in str(caught.value)


class TestOpenAI:
    @pytest.fixture
    def client(self, server: str) -> Iterator[Any]:
        openai = pytest.importorskip("openai", reason="openai is not installed")
        with openai.OpenAI(base_url=f"{server}/v1", api_key="none", max_retries=0) as client:
            yield client

    def test_a_chat_completion(self, client: Any, cap: int) -> None:
        completion = client.chat.completions.create(model="gpt-x", messages=MESSAGES, max_completion_tokens=cap)
        tokens, reason = of_cap(cap, "length", "stop")
        facts = Response(tokens, reason, "gpt-x", "chatcmpl-1", None, 1)
        assert read(completion) == facts
        assert read(completion.model_dump()) == facts
        assert read(completion.model_dump(exclude_none=True)) == facts

    def test_several_choices_share_the_tokens(self, client: Any, cap: int) -> None:
        asked = {"model": "gpt-x", "messages": MESSAGES, "max_completion_tokens": cap, "n": 3}
        tokens, reason = of_cap(cap, "length", "stop")
        facts = Response(3 * tokens, reason, "gpt-x", "chatcmpl-1", None, 3)
        assert read(client.chat.completions.create(**asked)) == facts
        assert read(list(client.chat.completions.create(**asked, stream=True, stream_options=WITH_USAGE))) == facts

    def test_a_chat_stream(self, client: Any, cap: int) -> None:
        stream = client.chat.completions.create(
            model="gpt-x", messages=MESSAGES, max_completion_tokens=cap, stream=True, stream_options=WITH_USAGE
        )
        with pytest.raises(TypeError, match=r"^Stream is not .* \(read the stream to its end"):
            read(stream)
        chunks = list(stream)
        tokens, reason = of_cap(cap, "length", "stop")
        assert read(chunks) == Response(tokens, reason, "gpt-x", "chatcmpl-1", None, 1)
        assert read(chunks[-1]) == Response(tokens, None, "gpt-x", "chatcmpl-1", None, 1)

    def test_a_chat_stream_without_usage_names_the_way_out(self, client: Any) -> None:
        chunks = list(client.chat.completions.create(model="gpt-x", messages=MESSAGES, stream=True))
        for refused in (chunks, chunks[-1]):
            with pytest.raises(ValueError, match="include_usage") as caught:
                read(refused)
            assert TEXT not in str(caught.value)

    def test_the_events_of_the_chat_helper(self, client: Any, cap: int) -> None:
        asked = {"model": "gpt-x", "messages": MESSAGES, "max_completion_tokens": cap}
        with client.chat.completions.stream(**asked, stream_options=WITH_USAGE) as stream:
            events = list(stream)
        assert {event.type for event in events} >= {"chunk", "content.delta"}
        tokens, reason = of_cap(cap, "length", "stop")
        assert read(events) == Response(tokens, reason, "gpt-x", "chatcmpl-1", None, 1)

    def test_a_completion_that_was_too_short_to_parse(self, client: Any) -> None:
        import openai
        from pydantic import BaseModel

        class Answer(BaseModel):
            text: str

        with pytest.raises(openai.LengthFinishReasonError) as caught:
            client.chat.completions.parse(
                model="gpt-x", messages=MESSAGES, max_completion_tokens=CAP, response_format=Answer
            )
        facts = Response(CAP, "length", "gpt-x", "chatcmpl-1", None, 1)
        assert read(caught.value) == read(caught.value.completion) == facts

    def test_chunks_with_ids_of_their_own(self, client: Any, cap: int) -> None:
        asked = {"model": OWN_IDS, "messages": MESSAGES, "max_completion_tokens": cap, "stream": True}
        chunks = list(client.chat.completions.create(**asked, stream_options=WITH_USAGE))
        tokens, reason = of_cap(cap, "length", "stop")
        assert read(chunks) == Response(tokens, reason, OWN_IDS, "chatcmpl-1", None, 1)
        with pytest.raises(ValueError, match="those of several calls"):
            read([*chunks[:-1], *client.chat.completions.create(**asked, stream_options=WITH_USAGE)])

    def test_a_call_that_failed(self, client: Any) -> None:
        with pytest.raises(Exception, match=TEXT) as caught:
            client.responses.create(model=OVERLOADED, input="Say something.")
        assert_failed(caught.value, "InternalServerError")

    def test_a_response(self, client: Any, cap: int) -> None:
        response = client.responses.create(model="gpt-x", input="Say something.", max_output_tokens=cap)
        tokens, reason = of_cap(cap, "max_output_tokens", "completed")
        facts = Response(tokens, reason, "gpt-x", "resp_1", cap, 1)
        assert read(response) == facts
        assert read(response.model_dump()) == facts

    def test_a_response_stream(self, client: Any, cap: int) -> None:
        asked = {"model": "gpt-x", "input": "Say something.", "max_output_tokens": cap}
        events = list(client.responses.create(**asked, stream=True))
        tokens, reason = of_cap(cap, "max_output_tokens", "completed")
        facts = Response(tokens, reason, "gpt-x", "resp_1", cap, 1)
        assert read(events) == facts
        assert read(events[-1]) == facts
        with pytest.raises(ValueError, match="not finished"):
            read(events[0])
        with client.responses.stream(**asked) as stream:
            assert read(list(stream)) == facts

    def test_a_raw_response_has_to_be_parsed(self, client: Any) -> None:
        raw = client.chat.completions.with_raw_response.create(model="gpt-x", messages=MESSAGES)
        for refused in (raw, raw.http_response):
            with pytest.raises(TypeError, match=rf"^{type(refused).__name__} is .* pass its json\(\) or parse\(\)"):
                read(refused)
        facts = Response(NATURAL_TOKENS, "stop", "gpt-x", "chatcmpl-1", None, 1)
        assert read(raw.parse()) == read(raw.http_response.json()) == facts

    def test_a_call_that_was_not_awaited(self, server: str) -> None:
        openai = pytest.importorskip("openai", reason="openai is not installed")

        async def call() -> Response:
            async with openai.AsyncOpenAI(base_url=f"{server}/v1", api_key="none", max_retries=0) as client:
                pending = client.chat.completions.create(model="gpt-x", messages=MESSAGES)
                with pytest.raises(TypeError, match="await it first"):
                    read(pending)
                return read(await pending)

        assert asyncio.run(call()).output_tokens == NATURAL_TOKENS


class TestAnthropic:
    @pytest.fixture
    def client(self, server: str) -> Iterator[Any]:
        anthropic = pytest.importorskip("anthropic", reason="anthropic is not installed")
        with anthropic.Anthropic(base_url=server, api_key="none", max_retries=0) as client:
            yield client

    @pytest.fixture
    def facts(self, cap: int) -> Response:
        tokens, reason = of_cap(cap, "max_tokens", "end_turn")
        return Response(tokens, reason, "claude-x", "msg_1", None, 1)

    def test_a_message(self, client: Any, cap: int, facts: Response) -> None:
        message = client.messages.create(model="claude-x", messages=MESSAGES, max_tokens=cap)
        assert read(message) == facts
        assert read(message.model_dump()) == facts
        assert read(client.beta.messages.create(model="claude-x", messages=MESSAGES, max_tokens=cap)) == facts

    def test_a_stream_of_events(self, client: Any, cap: int, facts: Response) -> None:
        events = list(client.messages.create(model="claude-x", messages=MESSAGES, max_tokens=cap, stream=True))
        assert read(events) == facts
        (final,) = (event for event in events if event.type == "message_delta")
        assert read(final) == Response(facts.output_tokens, facts.finish_reason, None, None, None, 1)
        for unfinished in (events[0], events[-1], events[:3]):
            with pytest.raises(ValueError, match="not finished"):
                read(unfinished)

    def test_the_events_of_the_helper(self, client: Any, cap: int, facts: Response) -> None:
        with client.messages.stream(model="claude-x", messages=MESSAGES, max_tokens=cap) as stream:
            with pytest.raises(TypeError, match=r"^MessageStream is not .* \(read the stream to its end"):
                read(stream)
            events = list(stream)
            assert read(events) == read(events[-1]) == read(stream.get_final_message()) == facts

    def test_a_call_that_failed(self, client: Any) -> None:
        with pytest.raises(Exception, match=TEXT) as caught:
            client.messages.create(model=OVERLOADED, messages=MESSAGES, max_tokens=CAP)
        assert_failed(caught.value, "ServiceUnavailableError")

    @pytest.mark.parametrize("kind", ["text", "content_block_delta"])
    def test_an_event_in_the_middle_says_nothing(self, client: Any, kind: str) -> None:
        with client.messages.stream(model="claude-x", messages=MESSAGES, max_tokens=CAP) as stream:
            event = next(event for event in stream if event.type == kind)
        with pytest.raises(TypeError, match="of a stream its final event, or a list of all events") as caught:
            read(event)
        assert TEXT not in str(caught.value)


class TestGemini:
    @pytest.fixture
    def client(self, server: str) -> Iterator[Any]:
        genai = pytest.importorskip("google.genai", reason="google-genai is not installed")
        with genai.Client(vertexai=False, api_key="none", http_options={"base_url": server}) as client:
            yield client

    @pytest.fixture
    def facts(self, cap: int) -> Response:
        """8 thoughts, and 8 or 32 tokens beside them."""
        tokens, reason = of_cap(cap, "MAX_TOKENS", "STOP")
        return Response(tokens, reason, "gemini-x", "gem-1", None, 1)

    def test_a_response(self, client: Any, cap: int, facts: Response) -> None:
        config = {"max_output_tokens": cap}
        response = client.models.generate_content(model="gemini-x", contents="Say something.", config=config)
        assert read(response) == facts
        assert read(response.model_dump()) == facts
        assert read(response.model_dump(mode="json", by_alias=True, exclude_none=True)) == facts

    def test_thoughts_that_are_among_the_candidates(self, client: Any, cap: int, facts: Response) -> None:
        config = {"max_output_tokens": cap}
        response = client.models.generate_content(model=WITHIN, contents="Say something.", config=config)
        usage = response.usage_metadata
        assert (usage.candidates_token_count, usage.thoughts_token_count) == (facts.output_tokens, 8)
        assert read(response) == facts

    def test_a_call_that_failed(self, client: Any) -> None:
        with pytest.raises(Exception, match=TEXT) as caught:
            client.models.generate_content(model=OVERLOADED, contents="Say something.")
        assert_failed(caught.value, "ServerError")

    def test_candidates_share_the_tokens(self, client: Any, cap: int, facts: Response) -> None:
        config = {"max_output_tokens": cap, "candidate_count": 2}
        response = client.models.generate_content(model="gemini-x", contents="Say something.", config=config)
        assert read(response).output_tokens == 2 * facts.output_tokens
        assert read(response).choices == 2

    def test_a_stream(self, client: Any, cap: int, facts: Response) -> None:
        config = {"max_output_tokens": cap}
        stream = client.models.generate_content_stream(model="gemini-x", contents="Say something.", config=config)
        with pytest.raises(TypeError, match=r"^generator is not .* \(read the stream to its end"):
            read(stream)
        chunks = list(stream)
        assert read(chunks) == read(chunks[-1]) == facts
        with pytest.raises(ValueError, match="not finished"):
            read(chunks[0])

    def test_every_reason_of_the_client_has_a_name(self) -> None:
        types = pytest.importorskip("google.genai.types", reason="google-genai is not installed")
        usage = types.GenerateContentResponseUsageMetadata(candidates_token_count=5)
        for reason in types.FinishReason:
            candidates = [types.Candidate(finish_reason=reason)]
            response = types.GenerateContentResponse(candidates=candidates, usage_metadata=usage)
            assert read(response) == Response(5, reason.name, None, None, None, 1)

    def test_a_prompt_that_was_blocked(self) -> None:
        types = pytest.importorskip("google.genai.types", reason="google-genai is not installed")
        blocked = types.GenerateContentResponse.model_validate(
            {
                "promptFeedback": {"blockReason": "PROHIBITED_CONTENT"},
                "usageMetadata": {"promptTokenCount": 8, "totalTokenCount": 8},
            }
        )
        assert read(blocked) == Response(0, "PROHIBITED_CONTENT", None, None, None, 1)


def wait_for_lines(file: Path, count: int) -> None:
    """Wait until ``file`` has so many, or for 20 seconds."""
    for _ in range(200):
        if file.exists() and len(file.read_bytes().splitlines()) >= count:
            return
        sleep(0.1)


@pytest.mark.filterwarnings(  # what Pydantic thinks of LiteLLM's types
    "ignore:Items? .* using the `ReadOnly` qualifier:UserWarning",
    "ignore:Accessing the 'model_.*' attribute on the instance is deprecated:DeprecationWarning",
)
class TestLiteLLM:
    @pytest.fixture
    def litellm(self, monkeypatch: pytest.MonkeyPatch) -> Any:
        litellm = pytest.importorskip("litellm", reason="litellm is not installed")
        monkeypatch.setattr(litellm, "suppress_debug_info", True)
        return litellm

    @pytest.fixture(params=["openai/gpt-x", "anthropic/claude-x", "gemini/gemini-x"])
    def asked(self, request: pytest.FixtureRequest, server: str, cap: int) -> dict[str, Any]:
        model: str = request.param
        path = {"openai": "/v1", "anthropic": "", "gemini": "/v1beta"}[model.partition("/")[0]]
        return {
            "model": model,
            "api_base": f"{server}{path}",
            "api_key": "none",
            "messages": MESSAGES,
            "max_tokens": cap,
        }

    def test_a_response(self, litellm: Any, asked: dict[str, Any], cap: int) -> None:
        facts = read(litellm.completion(**asked))
        tokens, reason = of_cap(cap, "length", "stop")
        native = {"gemini/gemini-x": of_cap(cap, "MAX_TOKENS", "STOP")[1]}  # kept where it is Gemini's
        assert (facts.output_tokens, facts.finish_reason) == (tokens, native.get(asked["model"], reason))
        assert facts.model == asked["model"].partition("/")[2]
        assert facts.id

    @pytest.mark.parametrize("cap", [CAP])
    def test_a_call_that_failed(self, litellm: Any, asked: dict[str, Any]) -> None:
        model = f"{asked['model'].partition('/')[0]}/{OVERLOADED}"
        with pytest.raises(Exception, match=TEXT) as caught:
            litellm.completion(**{**asked, "model": model}, num_retries=0)
        assert_failed(caught.value, type(caught.value).__name__)

    def test_a_stream(self, litellm: Any, asked: dict[str, Any], cap: int) -> None:
        stream = litellm.completion(**asked, stream=True, stream_options=WITH_USAGE)
        with pytest.raises(TypeError, match=r"^CustomStreamWrapper is not .* \(read the stream to its end"):
            read(stream)
        chunks = list(stream)
        facts = read(chunks)
        assert (facts.output_tokens, facts.finish_reason) == of_cap(cap, "length", "stop")
        assert (facts.model, facts.choices) == (asked["model"].partition("/")[2], 1)
        assert read(litellm.stream_chunk_builder(chunks)) == facts

    def test_the_logger_of_the_page_keeps_every_call(
        self, litellm: Any, asked: dict[str, Any], cap: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Awaited or not, streamed or not; a failed call is a line too."""
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(litellm, "callbacks", [])
        page = (Path(__file__).parents[2] / "docs" / "litellm.md").read_text(encoding="utf-8")
        block = re.search(r"```python\n(.*?)```", page, re.DOTALL)
        assert block is not None
        exec(dedent(block[1]), {})
        file = tmp_path / "litellm-logs" / "calls.jsonl"

        async def ask() -> None:
            await litellm.acompletion(**asked)
            async for _ in await litellm.acompletion(**asked, stream=True, stream_options=WITH_USAGE):
                pass
            model = f"{asked['model'].partition('/')[0]}/{OVERLOADED}"
            with pytest.raises(Exception, match=TEXT):
                await litellm.acompletion(**{**asked, "model": model}, num_retries=0)
            await asyncio.to_thread(wait_for_lines, file, 4)  # its logger is a task of its own

        litellm.completion(**asked)
        wait_for_lines(file, 1)
        asyncio.run(ask())
        found = [json.loads(line)["status"] for line in file.read_text(encoding="utf-8").splitlines()]
        assert sorted(found) == ["failure", "success", "success", "success"]
        reading = read_directories([Directory(tmp_path, "d")], ["*.jsonl"])
        assert reading.samples.truncated.tolist() == [cap == CAP] * 3

    def test_its_stop_settles_nothing(self, litellm: Any, asked: dict[str, Any], cap: int) -> None:
        """It calls ``stop`` what it does not know: unless it keeps the provider's word, as of Gemini."""
        keeps = asked["model"].startswith("gemini/")
        chunks = list(litellm.completion(**asked, stream=True, stream_options=WITH_USAGE))
        assert read(litellm.completion(**asked)).remapped is not keeps
        assert read(chunks).remapped

    def test_the_native_reason_is_preferred(self, litellm: Any) -> None:
        usage = litellm.Usage(prompt_tokens=3, completion_tokens=7, total_tokens=10)
        choices = [litellm.Choices(finish_reason="model_context_window_exceeded")]  # which becomes "stop"
        response = litellm.ModelResponse(id="x", model="claude-x", choices=choices, usage=usage)
        assert read(response) == Response(7, "model_context_window_exceeded", "claude-x", "x", None, 1)
        assert read(response.model_dump()) == read(response)

    def test_a_response_of_the_other_interface(self, litellm: Any) -> None:
        from litellm.types.llms.openai import ResponsesAPIResponse

        response = ResponsesAPIResponse(
            id="resp_1",
            created_at=1,
            model="gpt-x",
            object="response",
            status="incomplete",
            incomplete_details={"reason": "max_output_tokens"},
            max_output_tokens=16,
            output=[],
            usage={"input_tokens": 3, "output_tokens": 16, "total_tokens": 19},
        )
        assert read(response) == Response(16, "max_output_tokens", "gpt-x", "resp_1", 16, 1, remapped=True)


class TestFiles:
    """What clients answer, written down by the clients themselves and read back from a file."""

    @staticmethod
    def read_back(tmp_path: Path, *lines: str) -> list[Sample]:
        (tmp_path / "answers.jsonl").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        reading = read_directories([Directory(tmp_path, "d")], ["answers.jsonl"])
        assert (reading.unusable, reading.unreadable) == ({}, {})
        return samples_of(reading)

    def test_openai(self, server: str, tmp_path: Path, cap: int) -> None:
        openai = pytest.importorskip("openai", reason="openai is not installed")
        with openai.OpenAI(base_url=f"{server}/v1", api_key="none", max_retries=0) as client:
            completion = client.chat.completions.create(model="gpt-x", messages=MESSAGES, max_completion_tokens=cap)
            response = client.responses.create(model="gpt-x", input="Say something.", max_output_tokens=cap)
        for answer, raw in (
            (completion, of_cap(cap, "length", "stop")),
            (response, of_cap(cap, "max_output_tokens", "completed")),
        ):
            for form in (answer.model_dump_json(), answer.to_json(indent=None)):
                (found,) = self.read_back(tmp_path, form)
                assert (found.output_tokens, found.finish_reason_raw) == raw
                assert (found.model, found.truncated, found.time is not None) == ("gpt-x", cap == CAP, True)
            assert found.max_tokens == (cap if answer is response else None)
            result = {"id": "b", "custom_id": "r", "response": {"status_code": 200, "body": json.loads(form)}}
            request = {"custom_id": "r", "body": {"max_completion_tokens": cap}}
            (tmp_path / "requests.jsonl").write_text(json.dumps(request), encoding="utf-8")
            (joined,) = self.read_back(tmp_path, json.dumps(result))
            assert (joined.max_tokens, joined.truncated) == (cap, cap == CAP)

    def test_anthropic(self, server: str, tmp_path: Path, cap: int) -> None:
        anthropic = pytest.importorskip("anthropic", reason="anthropic is not installed")
        from anthropic.types.messages import MessageBatchIndividualResponse, MessageBatchSucceededResult

        with anthropic.Anthropic(base_url=server, api_key="none", max_retries=0) as client:
            message = client.messages.create(model="claude-x", messages=MESSAGES, max_tokens=cap)
        result = MessageBatchIndividualResponse(
            custom_id="r", result=MessageBatchSucceededResult(message=message, type="succeeded")
        )
        for form in (message.model_dump_json(), message.to_json(indent=None), result.to_json(indent=None)):
            (found,) = self.read_back(tmp_path, form)
            assert (found.output_tokens, found.finish_reason_raw) == of_cap(cap, "max_tokens", "end_turn")
            assert (found.model, found.truncated) == ("claude-x", cap == CAP)

    def test_gemini(self, server: str, tmp_path: Path, cap: int) -> None:
        genai = pytest.importorskip("google.genai", reason="google-genai is not installed")
        with genai.Client(vertexai=False, api_key="none", http_options={"base_url": server}) as client:
            config = {"max_output_tokens": cap}
            response = client.models.generate_content(model="gemini-x", contents="Say something.", config=config)
        as_json = response.model_dump(mode="json", by_alias=True, exclude_none=True)
        result = json.dumps({"key": "r", "response": as_json})
        for form in (response.model_dump_json(), response.model_dump_json(exclude_none=True), result):
            (found,) = self.read_back(tmp_path, form)
            assert (found.output_tokens, found.finish_reason_raw) == of_cap(cap, "MAX_TOKENS", "STOP")
            assert (found.model, found.truncated) == ("gemini-x", cap == CAP)

    @pytest.mark.filterwarnings("ignore:.*ReadOnly:UserWarning")  # of pydantic, about LiteLLM's own types
    def test_litellm(self, server: str, tmp_path: Path, cap: int, monkeypatch: pytest.MonkeyPatch) -> None:
        litellm = pytest.importorskip("litellm", reason="litellm is not installed")
        lines: list[str] = []
        told = Event()

        def keep(kwargs: Any, *_: Any) -> None:
            lines.append(json.dumps(kwargs["standard_logging_object"], default=str))
            told.set()

        monkeypatch.setattr(litellm, "suppress_debug_info", True)
        monkeypatch.setattr(litellm, "success_callback", [keep])
        metadata = {"spend_logs_metadata": {"predicted_output_tokens": 12, "category": "docs"}}
        asked = {"model": "anthropic/claude-x", "api_base": server, "api_key": "none", "messages": MESSAGES}
        litellm.completion(**asked, max_tokens=cap, metadata=metadata)
        assert told.wait(30)
        (found,) = self.read_back(tmp_path, *lines)
        tokens, reason = of_cap(cap, "length", "stop")
        assert (found.output_tokens, found.finish_reason, found.max_tokens) == (tokens, reason, cap)
        assert (found.predicted_output_tokens, found.category, found.model) == (12, "docs", "claude-x")
        assert found.truncated is (cap == CAP)

    @pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # streams that it leaves open
    @pytest.mark.parametrize("kind", ["eval", "json"])
    def test_inspect(self, tmp_path: Path, kind: str) -> None:
        """Its package is large, so continuous integration does without."""
        inspect = pytest.importorskip("inspect_ai", reason="inspect-ai is not installed")
        from inspect_ai.dataset import Sample as Question
        from inspect_ai.model import ModelOutput, ModelUsage, get_model

        def output(stop: Any, tokens: int) -> Any:
            found = ModelOutput.from_content("mockllm/model", TEXT, stop_reason=stop)
            found.usage = ModelUsage(input_tokens=3, output_tokens=tokens, total_tokens=tokens + 3)
            return found

        outputs = [output("stop", 12), output("max_tokens", 16), output("tool_calls", 16), output("stop", 16)]
        questions = [
            Question(id=n, input="Say something.", metadata={"predicted_output_tokens": n, "category": "docs"})
            for n in range(len(outputs))
        ]
        model = get_model("mockllm/model", custom_outputs=outputs, memoize=False)
        task = inspect.Task(name="t", dataset=questions)
        options = {"log_dir": str(tmp_path), "log_format": kind, "display": "none", "max_samples": 1}
        (log,) = inspect.eval(task, model=model, max_tokens=16, **options)
        assert log.status == "success"
        gc.collect()
        reading = read_directories([Directory(tmp_path, "d")], [f"*.{kind}"])
        assert (reading.unusable, reading.unreadable, reading.duplicates) == ({}, {}, 0)
        found = sorted(samples_of(reading), key=lambda each: each.predicted_output_tokens or 0)
        assert [(each.output_tokens, each.max_tokens, each.truncated, each.truncation_source) for each in found] == [
            (12, 16, False, None),
            (16, 16, True, "reason"),
            (16, 16, True, "cap"),
            (16, 16, False, None),
        ]
        assert [each.predicted_output_tokens for each in found] == [0, 1, 2, 3]
        assert {(each.category, each.model) for each in found} == {("docs", "mockllm/model")}


class TestSpans:
    """Spans that the packages leave themselves, in files of OpenTelemetry's own exporter."""

    @staticmethod
    def exporter(path: Path) -> Any:
        files = pytest.importorskip("opentelemetry.exporter.otlp.json.file", reason="its exporter is not installed")
        return files.FileSpanExporter(str(path))

    @pytest.fixture
    def provider(self, tmp_path: Path) -> Iterator[Any]:
        pytest.importorskip("opentelemetry.sdk", reason="OpenTelemetry's SDK is not installed")
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import SimpleSpanProcessor

        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(self.exporter(tmp_path / "spans.jsonl")))
        yield provider
        provider.shutdown()

    @staticmethod
    def read_back(directory: Path, *side_files: SideFile) -> list[Sample]:
        reading = read_directories([Directory(directory, "d")], ["spans.jsonl"], side_files=side_files)
        assert (reading.unusable, reading.unreadable, reading.remarks, reading.duplicates) == ({}, {}, {}, 0)
        return samples_of(reading)

    def test_anthropic(self, provider: Any, server: str, tmp_path: Path, cap: int) -> None:
        """Of two calls, the span around one says what was predicted, and a file of predictions says it of the other."""
        anthropic = pytest.importorskip("anthropic", reason="anthropic is not installed")
        client = anthropic.Anthropic(
            base_url=server, api_key="none", max_retries=0, open_telemetry={"tracer_provider": provider}
        )
        asked = {"model": "claude-x", "messages": MESSAGES, "max_tokens": cap}
        tracer = provider.get_tracer("test")
        with client:
            with tracer.start_as_current_span("task", attributes={"token_telemetry.predicted.output_tokens": 30}):
                client.messages.create(**asked)
            with tracer.start_as_current_span("task") as task:
                id = format(task.get_span_context().span_id, "016x")
                with client.messages.stream(**asked) as stream:
                    stream.get_final_message()
        (tmp_path / "predicted.csv").write_text(f"span_id,predicted_output_tokens,category\n{id},50,docs\n")
        found = self.read_back(tmp_path, SideFile(str(tmp_path / "predicted.csv"), "p", "p"))
        tokens, reason = of_cap(cap, "max_tokens", "end_turn")
        assert [(each.output_tokens, each.finish_reason_raw, each.max_tokens, each.model) for each in found] == [
            (tokens, reason, cap, "claude-x")
        ] * 2
        assert [each.truncated for each in found] == [cap == CAP] * 2
        assert [(each.predicted_output_tokens, each.category) for each in found] == [(30, None), (50, "docs")]

    @pytest.mark.filterwarnings("ignore:.*ReadOnly:UserWarning")  # of pydantic, about LiteLLM's own types
    def test_litellm(self, server: str, tmp_path: Path, cap: int, monkeypatch: pytest.MonkeyPatch) -> None:
        """LiteLLM leaves several spans a call."""
        litellm = pytest.importorskip("litellm", reason="litellm is not installed")
        pytest.importorskip("opentelemetry.sdk", reason="OpenTelemetry's SDK is not installed")
        exporter = self.exporter(tmp_path / "spans.jsonl")
        from litellm.integrations.opentelemetry import OpenTelemetry, OpenTelemetryConfig

        told, callback = Event(), OpenTelemetry(config=OpenTelemetryConfig(exporter=exporter, skip_set_global=True))
        monkeypatch.setattr(litellm, "suppress_debug_info", True)
        monkeypatch.setattr(litellm, "success_callback", [callback, lambda *_: told.set()])
        asked = {"model": "openai/gpt-x", "api_base": f"{server}/v1", "api_key": "none", "messages": MESSAGES}
        litellm.completion(**asked, max_tokens=cap)
        assert told.wait(30)
        (found,) = self.read_back(tmp_path)
        assert (found.output_tokens, found.finish_reason) == of_cap(cap, "length", "stop")
        assert (found.max_tokens, found.model, found.truncated) == (cap, "gpt-x", cap == CAP)
