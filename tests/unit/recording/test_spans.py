"""Spans that end in a test: which calls they tell of, by the spans of OpenTelemetry's own SDK."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import Counter
from collections.abc import Iterator
from contextvars import copy_context
from typing import Any

import pytest

from tests.lines import v2
from tests.spans import chat
from tests.unit.recording.test_fixture import Telemetry
from tests.unit.recording.test_fixture import chat as response

pytest.importorskip("opentelemetry.sdk.trace", reason="opentelemetry-sdk is not installed")

from opentelemetry import baggage, context, trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider

from pytest_token_telemetry.recording.spans import NOT_ENDED, UNREADABLE, SpanKeeper
from pytest_token_telemetry.sources.otlp.calls import BEFORE_LAST
from pytest_token_telemetry.sources.own_format import NO_OUTPUT, NO_OUTPUT_FAILED


class Traced(Telemetry):
    """The fixture of a test whose spans are kept."""

    def __init__(self, resource: dict[str, Any] | None = None) -> None:
        super().__init__()
        self.keeper = SpanKeeper(lambda: self._predicted.fields)
        self.keeper.listens = True
        self.provider = TracerProvider(resource=Resource(resource or {}), shutdown_on_exit=False)
        self.provider.add_span_processor(self.keeper)
        self.tracer = self.provider.get_tracer("tests")

    def begin(self, **said: Any) -> trace.Span:
        """A span of a call: ``_`` in a name stands for a dot, and for itself where OpenTelemetry has one."""
        return self.tracer.start_span("chat", attributes=said)

    def span(self, output: Any = 900, /, **said: Any) -> None:
        """A call that is over."""
        attributes = {name: value for name, value in chat(output, **said).items() if value is not None}
        self.tracer.start_span("chat", attributes=attributes).end()  # type: ignore[arg-type]

    def take(self, **defaults: object) -> dict[str, Any]:
        """Take what was told, as at a test's end. What was counted beside the calls."""
        self._capture.take_spans(self.keeper.take(defaults))
        self._capture.take_logged()
        self._capture.settle()
        cut = self.tape.cut()
        return {"unusable": cut["unusable"], "repeated": cut["repeated"]} if cut else {}

    def said(self, *names: str) -> list[tuple[object, ...]]:
        return [tuple(call.get(name) for name in names) for call in self.calls]


NOTHING = {"unusable": {}, "repeated": 0}
ID = {"gen_ai.response.id": "chatcmpl-1"}


@pytest.fixture
def traced() -> Iterator[Traced]:
    traced = Traced()
    traced._capture.listen()
    yield traced
    traced._capture.stop_listening()


def test_a_span_is_a_call_with_all_that_it_says_and_the_marker_adds(traced: Traced) -> None:
    traced.span(900, **ID, **{"gen_ai.response.finish_reasons": ["length"], "token_telemetry.category": "docs"})
    assert traced.take(category="marked", success=True, complexity="low") == NOTHING
    [call] = traced.calls
    assert {name: value for name, value in call.items() if name not in ("schema", "time")} == {
        "output_tokens": 900,
        "max_tokens": 8192,
        "finish_reason": "length",
        "finish_reason_raw": "length",
        "truncated": True,
        "success": True,
        "category": "docs",
        "complexity": "low",
        "model": "gpt-5.2",
        "operation": "chat",
        "truncation_source": "reason",
        "id": "chatcmpl-1",
    }
    assert traced.take() == {}


def test_what_is_no_call_is_nothing_and_what_has_no_count_is_counted(traced: Traced) -> None:
    traced.begin(**{"http.method": "POST"}).end()
    traced.span(**{"gen_ai.operation.name": "embeddings"})
    traced.span(**{"gen_ai.operation.name": "invoke_agent"})
    traced.span(None)
    traced.span(None, **{"error.type": "TimeoutError"})
    traced.span(**{"gen_ai.usage.output_tokens": "many"})
    failed = traced.begin(**{"gen_ai.operation.name": "chat"})
    failed.set_status(trace.StatusCode.ERROR)
    failed.end()
    unusable = traced.take()["unusable"]
    assert {reason: unusable.pop(reason) for reason in (NO_OUTPUT, NO_OUTPUT_FAILED)} == {
        NO_OUTPUT: 1,
        NO_OUTPUT_FAILED: 2,
    }
    assert sum(unusable.values()) == 1
    assert traced.calls == []


def test_the_stop_of_litellm_hides_no_truncation(traced: Traced) -> None:
    for scope in ("tests", "litellm"):
        traced.tracer = traced.provider.get_tracer(scope)
        traced.span(8192, **{"gen_ai.response.finish_reasons": ["stop"]})
    assert traced.take() == NOTHING
    assert traced.said("truncated", "truncation_source") == [(False, None), (True, "cap")]


def test_how_a_call_ended_is_known_without_its_count(traced: Traced) -> None:
    for reason in ("length", "stop", "length"):
        traced.span(None, **{"gen_ai.response.finish_reasons": [reason]})
    traced.span(None, **{"gen_ai.response.finish_reasons": None})
    traced._capture.take_spans(traced.keeper.take({}))
    traced._capture.settle()
    cut = traced.tape.cut()
    assert cut is not None
    assert (cut["ends"], cut["unusable"]) == ([True, False, True], {NO_OUTPUT: 4})


def test_the_reason_may_stand_in_an_event(traced: Traced) -> None:
    for reason in ("max_tokens", 5):
        begun = traced.begin(**{"gen_ai.operation.name": "chat", "gen_ai.usage.output_tokens": 900})
        begun.add_event("gen_ai.choice", {"finish_reason": reason})
        begun.end()
    assert traced.take() == NOTHING
    assert traced.said("finish_reason_raw", "truncated") == [("max_tokens", True), (None, None)]


def test_a_span_that_cannot_be_read_breaks_no_program_and_is_counted(traced: Traced) -> None:
    around = context.attach(baggage.set_baggage("token_telemetry.category", object()))
    traced.span(900, **ID)
    context.detach(around)
    assert traced.take() == NOTHING
    traced.keeper.on_end(None)  # type: ignore[arg-type] # as of an SDK that changed
    assert traced.take()["unusable"] == {UNREADABLE: 1}


def test_calls_that_have_not_ended_with_the_tests_are_counted_once_each(traced: Traced) -> None:
    """The call of a framework, with its client's within it; another one, and a request that is no call."""
    call = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-5.2"}
    outer = traced.tracer.start_span("chat", attributes=call)
    step = traced.tracer.start_span("step", context=trace.set_span_in_context(outer))
    inner = traced.tracer.start_span("chat", context=trace.set_span_in_context(step), attributes=call)
    alone = traced.tracer.start_span("chat", attributes=call)
    traced.tracer.start_span("GET", attributes={"http.route": "/"})
    traced.span(16)
    ended = traced.tracer.start_span("chat", attributes=call)
    ended.end()
    rest = traced.keeper.take_rest({})
    assert [each.output_tokens for each in rest.samples] == [16]
    assert Counter(each.reason for each in rest.unusable) == {NOT_ENDED: 2, NO_OUTPUT: 1}
    assert traced.keeper.take_rest({}).unusable == []
    for late in (inner, step, outer, alone):
        late.end()
    assert traced.keeper.take_rest({}).unusable == []


def test_spans_of_one_call_are_one_sample_by_id_and_by_ancestry(traced: Traced) -> None:
    for id in (ID, {}):
        outer = {"gen_ai.operation.name": "chat", "gen_ai.request.max_tokens": 900, "gen_ai.usage.output_tokens": 900}
        with traced.tracer.start_as_current_span("framework", attributes={**outer, **id}):
            traced.span(900, **id, **{"gen_ai.request.max_tokens": None, "gen_ai.response.finish_reasons": ["length"]})
    assert traced.take() == {"unusable": {}, "repeated": 2}
    assert traced.said("max_tokens", "finish_reason") == [(900, "length")] * 2


def test_spans_of_one_response_in_two_traces_are_one_call_if_two_instrumentations_made_them(traced: Traced) -> None:
    """As of streams: the outer span is not the current one. The inner one is next to the provider, and counts."""
    other = traced.provider.get_tracer("other")
    said = {"gen_ai.operation.name": "chat", "gen_ai.usage.output_tokens": 19, "token_telemetry.category": "docs", **ID}
    outer = [other.start_span("chat", attributes=said) for _ in range(2)]
    for output in (16, 17):
        traced.span(output, **ID)
    for each in outer:
        each.end()
    other.start_span("chat", attributes=said).end()
    assert traced.take() == {"unusable": {}, "repeated": 2}
    assert sorted(traced.said("output_tokens", "category")) == [(16, "docs"), (17, "docs"), (19, "docs")]


def test_a_span_of_a_framework_and_that_of_its_client_are_one_call_in_whatever_traces(traced: Traced) -> None:
    """As LangChain's, of which none is the current one, and which have no id."""
    framework = traced.provider.get_tracer("langchain")
    said = {"gen_ai.operation.name": "chat", "gen_ai.usage.output_tokens": 900, "token_telemetry.category": "docs"}
    outer = [framework.start_span("chat", attributes=said) for _ in range(2)]
    for _ in range(3):
        traced.span(900, **ID)
    for each in outer:
        each.end()
    assert traced.take() == {"unusable": {}, "repeated": 2}
    assert sorted(traced.said("category"), key=str) == [("docs",), ("docs",), (None,)]


def test_equal_spans_of_no_common_trace_are_as_many_calls(traced: Traced) -> None:
    for _ in range(3):
        traced.span(900, **ID)
    assert traced.take() == NOTHING
    assert len(traced.calls) == 3


def test_what_is_around_a_call_says_what_its_span_does_not() -> None:
    traced = Traced({"token_telemetry.task_id": "all", "token_telemetry.complexity": "high"})
    around = context.attach(baggage.set_baggage("token_telemetry.predicted.output_tokens", "700"))
    with traced.tracer.start_as_current_span("job", attributes={"token_telemetry.category": "docs"}):
        traced.span(900)
        with traced.predict(950, complexity="low"):
            traced.span(901)
    context.detach(around)
    traced.span(902)
    assert traced.take(category="tests", complexity="medium") == NOTHING
    assert traced.said("output_tokens", "predicted_output_tokens", "category", "complexity", "task_id") == [
        (900, 700, "docs", "high", "all"),
        (901, 950, "docs", "low", "all"),
        (902, None, "tests", "high", "all"),
    ]


class TestPredict:
    def test_a_call_has_the_prediction_of_where_its_span_began(self, traced: Traced) -> None:
        with traced.predict(900, category="docs", files=3):
            span = traced.begin(**{"gen_ai.operation.name": "chat", "gen_ai.usage.output_tokens": 10})
            traced.span(11, **{"token_telemetry.predicted.output_tokens": 5})
        thread = threading.Thread(target=span.end)
        thread.start()
        thread.join()
        traced.span(12)
        traced.take()
        assert sorted(traced.said("output_tokens", "predicted_output_tokens", "category", "features"), key=str) == [
            (10, 900, "docs", {"files": "3"}),
            (11, 5, "docs", {"files": "3"}),
            (12, None, None, None),
        ]

    def test_threads_and_tasks_follow_their_context(self, traced: Traced) -> None:
        """Both tasks are in their blocks at once, and each starts another; a thread is given the context."""

        async def call(output: int) -> None:
            traced.span(output)

        async def work(predicted: int, here: asyncio.Event, there: asyncio.Event) -> None:
            with traced.predict(predicted):
                here.set()
                await there.wait()
                traced.span(predicted + 1)
                await asyncio.create_task(call(predicted + 2))
                await asyncio.to_thread(traced.span, predicted + 3)

        async def both() -> None:
            one, other = asyncio.Event(), asyncio.Event()
            await asyncio.gather(work(100, one, other), work(200, other, one))

        asyncio.run(both())
        with traced.predict(300):
            thread = threading.Thread(target=copy_context().run, args=(traced.span, 301))
            thread.start()
            thread.join()
        traced.take()
        assert sorted(traced.said("output_tokens", "predicted_output_tokens")) == [
            *((101, 100), (102, 100), (103, 100), (201, 200), (202, 200), (203, 200), (301, 300))
        ]


class TestOtherRecords:
    """A call that is seen by its span, by a log line and by the test itself is one sample."""

    @pytest.mark.parametrize(
        ("steps", "repeated"),
        [
            ("span observe log take", 2),
            ("span observe read take", 2),
            ("span read take", 1),
            ("span log take", 1),
            ("span take log take", 1),
            ("span take read take", 1),
            ("span observe take log take", 2),
        ],
    )
    def test_it_is_one_sample_with_what_each_knows(self, traced: Traced, steps: str, repeated: int) -> None:
        line = v2(1000, 850, time=None, category="docs", reason="stop")
        for step in steps.split():
            match step:
                case "span":
                    traced.span(850, **ID)
                case "observe":
                    traced.observe(response(tokens=850), predicted_output_tokens=1000)
                case "read":
                    traced.read(line)
                case "log":
                    logging.getLogger("agent").warning(line)
                case "take":
                    traced._capture.take_spans(traced.keeper.take({}))
                    traced._capture.take_logged()
        assert traced.said("output_tokens", "predicted_output_tokens", "max_tokens", "category") == [
            (850, 1000, 8192, "docs")
        ]
        assert traced.take() == {"unusable": {}, "repeated": repeated}

    def test_a_response_with_another_prediction_or_count_is_known_by_its_id(self, traced: Traced) -> None:
        """A span of OpenLLMetry counts what Anthropic's stream began with twice: 19 for 3 + 16."""
        with traced.predict(900):
            traced.span(16, **ID)
        traced.observe(response(tokens=16), predicted_output_tokens=5)
        assert traced.take() == {"unusable": {}, "repeated": 1}
        traced._capture.begin_test()
        traced.span(19, **ID)
        traced.observe(response(tokens=16))
        assert traced.take() == {"unusable": {}, "repeated": 1}
        assert traced.said("output_tokens", "predicted_output_tokens", "max_tokens") == [
            (16, 5, 8192),
            (16, None, 8192),
        ]

    def test_a_stand_in_gives_all_calls_one_id(self, traced: Traced) -> None:
        for tokens in (16, 19, 30):
            traced.span(tokens, **ID)
        traced.observe(response(tokens=16))
        traced.observe(response(tokens=17))
        assert traced.take() == {"unusable": {}, "repeated": 1}
        assert sorted(traced.said("output_tokens")) == [(16,), (17,), (19,), (30,)]

    def test_a_cut_off_call_is_never_left_out_for_one_that_was_not(self, traced: Traced) -> None:
        traced.span(96, **ID, **{"gen_ai.response.finish_reasons": ["length"]})
        traced.observe(response("stop", tokens=96))
        assert traced.take() == NOTHING
        assert sorted(traced.said("truncated")) == [(False,), (True,)]

    def test_a_call_that_the_test_lost_or_counted_itself_is_not_counted_again(self, traced: Traced) -> None:
        error = {"error.type": "InternalServerError"}

        def fail(reason: Exception) -> Exception:
            traced.span(None, **error)
            return reason

        with pytest.raises(KeyError), traced.call():
            raise fail(KeyError())
        traced.span(None, **error)
        traced.span(None, **ID)
        traced.observe(response(tokens=96))  # of a stream whose span has no usage
        assert traced.take() == {
            "unusable": {"a call ended without a response": 1, NO_OUTPUT_FAILED: 1},
            "repeated": 2,
        }
        assert traced.said("output_tokens") == [(96,)]

    @pytest.mark.parametrize(
        ("recorded", "repeated"),
        [
            ({"finish_reason": "length"}, 1),
            ({"finish_reason": "length", "model": "gpt-5.2", "max_tokens": 96}, 1),
            ({"finish_reason": "length", "id": "chatcmpl-1"}, 1),
            ({"finish_reason": "stop"}, 0),
            ({}, 0),  # it would hide that the call was cut off
            ({"finish_reason": "length", "id": "chatcmpl-2"}, 0),
            ({"finish_reason": "length", "model": "claude-x"}, 0),
            ({"finish_reason": "length", "max_tokens": 97}, 0),
        ],
    )
    def test_a_stream_that_the_test_counts_itself_is_one_call_with_its_span(
        self, traced: Traced, recorded: dict[str, Any], repeated: int
    ) -> None:
        ended = {"gen_ai.response.finish_reasons": ["length"], "gen_ai.request.max_tokens": 96}
        traced.span(40)
        traced.span(None, **ID, **ended)
        traced.record(output_tokens=40)
        traced.record(output_tokens=96, **recorded)
        assert traced.take() == {"unusable": {} if repeated else {NO_OUTPUT: 1}, "repeated": repeated + 1}
        assert sorted(traced.said("output_tokens")) == [(40,), (96,)]

    def test_a_stream_that_is_counted_in_a_log_line_is_one_call_with_its_span(self, traced: Traced) -> None:
        traced.span(None, **ID, **{"gen_ai.request.model": "anthropic/claude-sonnet-4-5"})
        logging.getLogger("agent").warning(v2(1000, 850, time=None, reason="stop"))
        assert traced.take() == {"unusable": {}, "repeated": 1}

    def test_a_stream_that_ended_is_no_call_that_the_test_says_was_cut_off(self, traced: Traced) -> None:
        traced.span(None, **ID)
        traced.record(output_tokens=96, finish_reason="length")
        assert traced.take() == {"unusable": {NO_OUTPUT: 1}, "repeated": 0}

    def test_calls_for_functions_are_missed_even_if_the_test_recorded_the_answer(self, traced: Traced) -> None:
        gemini = {"gen_ai.operation.name": "generate_content", "gen_ai.request.model": "gemini-x", **ID}
        call = traced.tracer.start_span("generate_content", attributes={**gemini, "gen_ai.usage.output_tokens": 96})
        tool = {"gen_ai.operation.name": "execute_tool"}
        traced.tracer.start_span("execute_tool", trace.set_span_in_context(call), attributes=tool).end()
        call.end()
        for tokens in (96, 97):  # of a stand-in, which gives both the same id
            traced.observe(response(tokens=tokens))
        assert traced.take() == {"unusable": {BEFORE_LAST: 1}, "repeated": 1}

    @pytest.mark.parametrize("recorded", [1, 2, 4])
    def test_as_many_streams_are_counted_as_the_test_recorded(self, traced: Traced, recorded: int) -> None:
        for n in range(3):
            traced.span(None, **{"gen_ai.response.id": f"chatcmpl-{n}"})
        traced.span(None, **{"error.type": "InternalServerError"})
        for n in range(recorded):
            traced.record(output_tokens=90 + n)
        unusable = {NO_OUTPUT: max(0, 3 - recorded), NO_OUTPUT_FAILED: 1}
        assert traced.take() == {
            "unusable": {each: n for each, n in unusable.items() if n},
            "repeated": min(3, recorded),
        }

    @pytest.mark.parametrize("is_known", [True, False])
    def test_a_response_that_an_exception_holds_is_one_call_with_its_failed_span(
        self, traced: Traced, is_known: bool
    ) -> None:
        """As OpenAI's ``parse()`` raises: its instrumentation sees an error. The other failed call counts."""

        class HeldError(Exception):
            completion = response("length", tokens=16)

        failed = {"error.type": "LengthFinishReasonError"}
        traced.span(16 if is_known else None, **failed, **(ID if is_known else {}))
        with pytest.raises(HeldError), traced.call(max_tokens=16):
            raise HeldError
        traced.span(None, **failed)
        assert traced.take() == {"unusable": {NO_OUTPUT_FAILED: 1}, "repeated": 1}
        assert traced.said("output_tokens", "truncated") == [(16, True)]
