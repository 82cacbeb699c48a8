"""Calls that no test records itself, seen by spans: the real clients and instrumentations, asked over HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from pytest_token_telemetry.sources.otlp.calls import BEFORE_LAST
from tests.integration.conftest import Outcome, Run, by_source
from tests.integration.provider_server import TEXT, serving
from tests.lines import v2

for package in ("openai", "anthropic", "google.genai"):
    pytest.importorskip(package, reason=f"{package} is not installed")
for module in ("genai.openai", "genai.anthropic", "google_genai", "anthropic"):
    pytest.importorskip(f"opentelemetry.instrumentation.{module}", reason="an instrumentation is not installed")

JUDGED = ("--token-telemetry", "--token-telemetry-json=report.json", "--token-telemetry-record=calls.jsonl")

HEAD = f"""
import asyncio, logging, os, threading, types
import anthropic, openai, pytest
from google import genai

LINE = {v2(1000, 16, time=None, reason="length", truncated=True, success=False, category="docs")!r}
URL = os.environ["MODEL_SERVER"]
MESSAGES = [dict(role="user", content="Say something.")]
GIVEN = dict(api_key="none", max_retries=1)
OPENAI = openai.OpenAI(base_url=URL + "/v1", **GIVEN)
ANTHROPIC = anthropic.Anthropic(base_url=URL, **GIVEN)
GEMINI = genai.Client(vertexai=False, api_key="none", http_options=dict(base_url=URL))
WITH_USAGE = dict(include_usage=True)


def chat(model="gpt-x", cap=16, **more):
    return OPENAI.chat.completions.create(model=model, messages=MESSAGES, max_completion_tokens=cap, **more)


def message(model="claude-x", cap=16, **more):
    return ANTHROPIC.messages.create(model=model, messages=MESSAGES, max_tokens=cap, **more)


def generate(model="gemini-x", cap=16, way=GEMINI.models.generate_content):
    return way(model=model, contents="Say something.", config=dict(max_output_tokens=cap))

"""

CALLS = """
def test_openai():
    chat()
    list(chat(cap=100, stream=True, stream_options=WITH_USAGE))
    OPENAI.responses.create(model="gpt-x", input="Say something.", max_output_tokens=16)
    list(OPENAI.responses.create(model="gpt-x", input="Say something.", max_output_tokens=100, stream=True))


def test_anthropic():
    message()
    list(message(cap=100, stream=True))
    with ANTHROPIC.messages.stream(model="claude-x", messages=MESSAGES, max_tokens=16) as stream:
        stream.get_final_message()


def test_gemini():
    generate()
    list(generate(cap=100, way=GEMINI.models.generate_content_stream))


def test_retried_by_the_client():
    chat(model="flaky")
    message(model="flaky")


@pytest.mark.parametrize("ask", [chat, message, generate])
def test_failed(ask):
    with pytest.raises(Exception, match="an answer"):
        ask(model="overloaded")


def test_without_usage():
    list(chat(stream=True))


def test_tasks_and_threads(token_telemetry):
    async def ask(predicted):
        with token_telemetry.predict(predicted, category="docs"):
            async with openai.AsyncOpenAI(base_url=URL + "/v1", **GIVEN) as client:
                given = dict(model=f"gpt-{predicted}", messages=MESSAGES, max_completion_tokens=16)
                await client.chat.completions.create(**given)
                async for _ in await client.chat.completions.create(**given, stream=True, stream_options=WITH_USAGE):
                    pass
            async with anthropic.AsyncAnthropic(base_url=URL, **GIVEN) as client:
                await client.messages.create(model=f"claude-{predicted}", messages=MESSAGES, max_tokens=16)
            await asyncio.to_thread(generate, model=f"gemini-{predicted}")

    async def both():
        await asyncio.gather(ask(12), ask(18))

    asyncio.run(both())
    with token_telemetry.predict(30):
        stream = chat(model="gpt-30", stream=True, stream_options=WITH_USAGE)
    thread = threading.Thread(target=list, args=(stream,))
    thread.start()
    thread.join()


def test_seen_three_times(token_telemetry):
    with token_telemetry.predict(1000, complexity="low"):
        token_telemetry.observe(chat())
    logging.getLogger("agent").warning(LINE)


@pytest.mark.token_telemetry(success=True, category="tests")
def test_marked():
    message()
"""

SPY = """
import os
import pytest
from pytest_token_telemetry.recording.spans import SpanKeeper

SEEN = []
on_end = SpanKeeper.on_end

def spy(self, span):
    SEEN.append(dict(span.attributes))
    on_end(self, span)

SpanKeeper.on_end = spy

@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config):
    from openai.resources.chat.completions import Completions
    from anthropic.resources.messages import Messages
    from google.genai.models import Models
    from opentelemetry import trace
    left = [type(each).__name__ for each in (Completions.create, Messages.create, Models.generate_content)]
    kept = {name: value for name, value in os.environ.items() if name.startswith("OTEL_")}
    with open("spied.txt", "w") as file:
        file.write(repr((SEEN, left, kept, type(trace.get_tracer_provider()).__name__)))
"""

CAPTURE = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"


@pytest.fixture(autouse=True)
def _server(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A model's server; and a user who has their prompts captured, and the SDK off, for their own telemetry."""
    with serving() as address:
        monkeypatch.setenv("MODEL_SERVER", address)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        monkeypatch.setenv(CAPTURE, "SPAN_ONLY")
        yield


@pytest.fixture
def judge(run: Run, pytester: pytest.Pytester) -> Any:
    """Run the tests with the gate on what they record, in a process of its own: clients are changed there."""

    def run_judged(*arguments: str) -> tuple[Outcome, list[dict[str, Any]]]:
        result = run(*JUDGED, *arguments, directory=None, process=True)
        assert "Traceback" not in result.text
        return result, [json.loads(line) for line in (pytester.path / "calls.jsonl").read_text().splitlines()]

    return run_judged


def said(calls: list[dict[str, Any]], *names: str) -> list[tuple[Any, ...]]:
    return sorted((tuple(call.get(name) for name in names) for call in calls), key=str)


def test_calls_are_seen_without_code(
    project: Any, judge: Any, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    project(CALLS)
    pytester.makeconftest(SPY)
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    result, lines = judge()
    calls = [line for line in lines if "unusable" not in line]
    assert result.outcomes["passed"] == 12  # with readiness::sources
    tests = {name.removeprefix("test_agent.py::test_"): count for name, count in by_source(result).items() if count}
    assert tests == {
        "openai": 4,
        "anthropic": 3,
        "gemini": 2,
        "retried_by_the_client": 2,
        "tasks_and_threads": 9,
        "seen_three_times": 1,
        "marked": 1,
    }
    whole = [call for call in calls if call["output_tokens"] == 40]
    assert said(whole, "max_tokens", "truncated") == [(100, False)] * 4
    cut_off = [call for call in calls if call not in whole]
    assert said(cut_off, "output_tokens", "truncated", "finish_reason") == [(16, True, "length")] * 18
    assert {call["model"] for call in calls if call["model"].endswith("x")} == {"gpt-x", "claude-x", "gemini-x"}
    predicted = [call for call in calls if "predicted_output_tokens" in call]
    assert said(predicted, "predicted_output_tokens", "model", "category", "complexity") == [
        (1000, "gpt-x", "docs", "low"),  # the log line names the category
        *((12, model, "docs", None) for model in ("claude-12", "gemini-x", "gpt-12", "gpt-12")),
        *((18, model, "docs", None) for model in ("claude-18", "gemini-x", "gpt-18", "gpt-18")),
        (30, "gpt-30", None, None),
    ]
    assert result.report is not None
    counts = result.report["counts"]
    assert (counts["successes"], counts["duplicates"], counts["carried"]["caps"]) == (1, 2, 22)
    assert {reason: told["count"] for reason, told in counts["unusable"]["reasons"].items()} == {
        "a call has no output tokens: it failed": 3,
        "a call has no output tokens: it broke off, or lost its usage": 1,
    }
    seen, left, kept, provider = eval((pytester.path / "spied.txt").read_text())
    assert len(seen) == 22 + 4
    assert TEXT not in repr(seen)
    assert "Say something." not in repr(seen)
    assert left == ["function"] * 3
    assert kept == {CAPTURE: "SPAN_ONLY", "OTEL_SDK_DISABLED": "true"}
    assert provider == "ProxyTracerProvider"


KEPT = """
KEPT = []


def test_begun():
    chat()
    KEPT.append(chat(stream=True))
"""


@pytest.mark.parametrize("arguments", [(), ("-n1",)], ids=["alone", "xdist"])
def test_a_call_that_has_not_ended_with_the_tests_is_counted(
    project: Any, judge: Any, arguments: tuple[str, ...]
) -> None:
    from pytest_token_telemetry.recording.spans import NOT_ENDED  # of what is known to be installed only now

    project(KEPT)
    result, lines = judge(*arguments)
    assert said(lines, "output_tokens", "unusable") == [(16, None), (None, NOT_ENDED)]
    assert result.report is not None
    assert result.report["counts"]["unusable"]["reasons"].keys() == {NOT_ENDED}


FUNCTIONS = """
def look_up() -> str:
    "Look it up."
    return "found"


@pytest.mark.parametrize("way", [GEMINI.models.generate_content, GEMINI.models.generate_content_stream])
def test_functions(way):
    [*way(model="gemini-x", contents="Say something.", config=dict(max_output_tokens=16, tools=[look_up]))]
"""


def test_calls_that_geminis_client_makes_for_functions_are_missed(project: Any, judge: Any) -> None:
    """It asks twice within one span, which tells of the last answer alone."""
    project(FUNCTIONS)
    result, lines = judge()
    calls = [line for line in lines if "unusable" not in line]
    assert said(calls, "output_tokens", "truncated") == [(16, True)] * 2
    assert result.report is not None
    unusable = result.report["counts"]["unusable"]["reasons"]
    assert {reason: told["count"] for reason, told in unusable.items()} == {BEFORE_LAST: 2}


def test_the_file_tells_all_that_the_session_saw(project: Any, judge: Any, run: Run, pytester: pytest.Pytester) -> None:
    """With the switch or without it: a job of its own may judge what others keep."""
    project(CALLS)
    live, with_switch = judge()
    (pytester.path / "kept").mkdir()
    run("--token-telemetry-record=kept/calls.jsonl", directory=None, process=True)
    kept = [json.loads(line) for line in (pytester.path / "kept/calls.jsonl").read_text().splitlines()]
    assert said(kept, "output_tokens", "max_tokens", "truncated") == said(
        with_switch, "output_tokens", "max_tokens", "truncated"
    )
    judged = run("-k", "not test_agent", directory="kept").report
    for report in (live.report, judged):
        assert report is not None
        counts, checks = report["counts"], {check["id"]: check for check in report["checks"]}
        assert (counts["samples"], counts["unusable"]["total"], counts["carried"]["caps"]) == (22, 4, 22)
        assert checks["tier1::truncation"]["events"] == 18 + counts["uncounted"]["events"]
        assert counts["uncounted"] == live.report["counts"]["uncounted"]


BROKEN = """
from dataclasses import replace
from pytest_token_telemetry.recording import instrumentations
instrumentations.KNOWN = [replace(each, instrumentor="Gone") if each.extra == "google" else each
                          for each in instrumentations.KNOWN]
"""


def test_workers_see_them_too_and_say_which_they_do_not(project: Any, judge: Any, pytester: pytest.Pytester) -> None:
    pytester.makeconftest(BROKEN)
    project("def test_one(): chat()\n\ndef test_other(): message()\n\ndef test_unseen(): generate()")
    result, _ = judge("-n", "2")
    assert by_source(result) == {"test_agent.py::test_one": 1, "test_agent.py::test_other": 1}
    assert "token telemetry: the instrumentation of [google] is not on: AttributeError: module" in result.text


OWN = """
import pytest
from opentelemetry import trace
from opentelemetry.instrumentation.anthropic import AnthropicInstrumentor
from opentelemetry.instrumentation.genai.openai import OpenAIInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

EXPORTER = InMemorySpanExporter()

def instrument():
    OpenAIInstrumentor().instrument()
    AnthropicInstrumentor().instrument()

@pytest.fixture(scope="session", autouse=True)
def provider():
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(EXPORTER))
    trace.set_tracer_provider(provider)
    {late}
    yield provider
    OpenAIInstrumentor().uninstrument()
    AnthropicInstrumentor().uninstrument()

@pytest.fixture
def exported(provider):
    EXPORTER.clear()
    return EXPORTER.get_finished_spans

{early}
"""


@pytest.mark.parametrize("when", ["early", "late"])
def test_a_program_keeps_its_own_telemetry(project: Any, judge: Any, pytester: pytest.Pytester, when: str) -> None:
    """One stream has a span of OpenLLMetry, which counts more than there is, one of Anthropic's client, and ours."""
    pytester.makeconftest(OWN.format(**{"early": "", "late": "", when: "instrument()"}))
    project(
        """
def test_openai(token_telemetry, exported):
    with token_telemetry.predict(12):
        chat()
    [span] = exported()
    assert "Say something." in span.attributes["gen_ai.input.messages"]  # its own wish

def test_anthropic(token_telemetry, exported):
    token_telemetry.observe(list(message(stream=True)))
    scopes = [span.instrumentation_scope.name for span in exported()]
    assert len(scopes) == 2 and "opentelemetry.instrumentation.anthropic" in scopes
    assert "opentelemetry.instrumentation.genai.anthropic" not in scopes  # ours

def test_both(provider):
    with provider.get_tracer("job").start_as_current_span("job", attributes={"token_telemetry.category": "docs"}):
        message(model="claude-job")

def test_a_framework(provider):
    said = {"gen_ai.operation.name": "chat", "gen_ai.usage.output_tokens": 16, "token_telemetry.task_id": "t"}
    with provider.get_tracer("framework").start_as_current_span("chat", attributes=said):
        chat(model="gpt-framework")
"""
    )
    result, calls = judge()
    assert result.outcomes["passed"] == 5  # with readiness::sources
    assert said(calls, "model", "output_tokens", "predicted_output_tokens", "category", "task_id") == [
        ("claude-job", 16, None, "docs", None),
        ("claude-x", 16, None, None, None),
        ("gpt-framework", 16, None, None, "t"),
        ("gpt-x", 16, 12, None, None),
    ]


PROVOKED = """
from pydantic import BaseModel


class Answer(BaseModel):
    text: str


@pytest.mark.provoked
@pytest.mark.token_telemetry(operation="provoked")
def test_provoked(token_telemetry):
    with pytest.raises(openai.LengthFinishReasonError) as caught:
        OPENAI.chat.completions.parse(
            model="gpt-x", messages=MESSAGES, max_completion_tokens=16, response_format=Answer
        )
    {then}


def test_another():
    chat(cap=1000)
"""

DROPPING = """
from pytest_token_telemetry import Drop


def pytest_configure(config):
    config.addinivalue_line("markers", "provoked: calls that are made to be truncated")


def pytest_token_telemetry_sample(sample, place):
    return Drop("provoked") if sample.operation == "provoked" else None
"""


@pytest.mark.parametrize(
    ("then", "options", "attempts", "dropped"),
    [
        pytest.param("pass", (), (1, 2), {}, id="without-its-count"),
        pytest.param("token_telemetry.observe(caught.value)", (), (0, 1), {"provoked": 1}, id="observed"),
        pytest.param("pass", ("-m", "not provoked"), (0, 1), {}, id="in-a-session-of-its-own"),
    ],
)
def test_a_provoked_truncation_can_be_left_out(
    run: Run,
    pytester: pytest.Pytester,
    then: str,
    options: tuple[str, ...],
    attempts: tuple[int, int],
    dropped: dict[str, int],
) -> None:
    """What the docs say of such a test: a hook drops what has a count, and of the rest the session is another."""
    pytester.makeconftest(DROPPING)
    pytester.makepyfile(HEAD + PROVOKED.format(then=then))
    report = run(*JUDGED, *options, directory=None, process=True).report
    (check,) = [each for each in report["checks"] if each["id"] == "tier1::truncation"]
    assert ((check["events"], check["n"]), report["counts"]["dropped"]) == (attempts, dropped)
