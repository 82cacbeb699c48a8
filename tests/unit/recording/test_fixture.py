"""What a test records with the fixture, and what is refused at its own line."""

from __future__ import annotations

import enum
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from pytest_token_telemetry.analysis.metrics import Metrics
from pytest_token_telemetry.recording.capture import Capture
from pytest_token_telemetry.recording.fixture import TokenTelemetry
from pytest_token_telemetry.recording.tape import Tape
from pytest_token_telemetry.sample import Sample
from pytest_token_telemetry.samples import Samples, SamplesBuilder
from tests.lines import v2

CALL = {"predicted_output_tokens": 900, "output_tokens": 850}
AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


class Level(enum.Enum):
    LOW = "low"


class End(enum.Enum):
    CUT = "length"
    BROKEN = "failed"


class Telemetry(TokenTelemetry):
    """The fixture of a test whose markers can be said, with all that it puts on its tape."""

    def __init__(self) -> None:
        self.tape = Tape(None)
        self.marks: list[dict[str, object]] = []
        self.judged: list[object] = []
        super().__init__(self.tape, Capture(self.tape), self.item, self.judge)

    def item(self) -> pytest.Item:
        marks = [SimpleNamespace(name="token_telemetry", args=(), kwargs=kwargs) for kwargs in self.marks]
        return cast("pytest.Item", SimpleNamespace(iter_markers=lambda name: marks))

    def judge(self, columns: Samples, population: str | None) -> Metrics:
        self.judged.append((columns.output_tokens.tolist(), population))
        return cast("Metrics", "the figures")

    @property
    def calls(self) -> list[dict[str, object]]:
        return [json.loads(each) for each in self.tape.test]

    @property
    def last(self) -> dict[str, object]:
        """What was recorded last, without what every line has."""
        return {name: value for name, value in self.calls[-1].items() if name not in ("schema", "time")}

    def unusable(self) -> dict[str, int]:
        cut = self.tape.cut()
        return cut["unusable"] if cut else {}


@pytest.fixture
def telemetry() -> Telemetry:
    return Telemetry()


def chat(*reasons: str | None, tokens: object = 96, **fields: object) -> dict[str, Any]:
    return {
        "id": "chatcmpl-1",
        "model": "gpt-x",
        "choices": [{"index": n, "finish_reason": reason} for n, reason in enumerate(reasons or ("stop",))],
        "usage": {"completion_tokens": tokens},
        **fields,
    }


# record() ---------------------------------------------------------------------------------------------------------


def test_a_call_is_recorded_with_all_that_is_known(telemetry: Telemetry) -> None:
    telemetry.record(
        **CALL,
        max_tokens=4096,
        budget_tokens=8192,
        finish_reason="end_turn",
        truncated=False,
        success=True,
        category="docs",
        complexity="low",
        deliverable_count=3,
        task_id="p",
        model="m",
        operation="summarise",
        id="x",
        time=AT,
    )
    assert telemetry.calls == [
        {
            "schema": "token-telemetry/1",
            "time": "2026-01-02T03:04:05Z",
            **CALL,
            "max_tokens": 4096,
            "budget_tokens": 8192,
            "finish_reason": "stop",
            "finish_reason_raw": "end_turn",
            "truncated": False,
            "success": True,
            "category": "docs",
            "complexity": "low",
            "deliverable_count": 3,
            "task_id": "p",
            "model": "m",
            "operation": "summarise",
            "id": "x",
        }
    ]


def test_what_is_not_said_is_not_recorded(telemetry: Telemetry) -> None:
    before = datetime.now(UTC)
    telemetry.record(**CALL, category=None, max_tokens=None)
    assert telemetry.last == CALL
    assert before <= datetime.fromisoformat(str(telemetry.calls[0]["time"])) <= datetime.now(UTC)


@pytest.mark.parametrize("predicted", [{}, {"predicted_output_tokens": None}, {"predicted_output_tokens": 0}])
def test_a_prediction_is_optional_however_a_call_is_recorded(telemetry: Telemetry, predicted: dict[str, Any]) -> None:
    telemetry.record(output_tokens=96, **predicted)
    telemetry.observe(chat("stop"), **predicted)
    with telemetry.call(**predicted) as call:
        call.output_tokens = 96
    with telemetry.call(**predicted) as call:
        call.response = chat("length")
    expected = 0 if predicted.get("predicted_output_tokens") == 0 else None
    assert [each.get("predicted_output_tokens") for each in telemetry.calls] == [expected] * 4
    assert [each.predicted_output_tokens for each in telemetry.samples] == [expected] * 4


def test_other_keywords_are_features_as_plain_values(telemetry: Telemetry) -> None:
    telemetry.record(**CALL, files=np.int64(3), level=Level.LOW, at=AT, share=np.float32(0.5), new=np.True_, none=None)
    assert telemetry.last["features"] == {
        "files": 3,
        "level": "low",
        "at": "2026-01-02T03:04:05+00:00",
        "share": 0.5,
        "new": True,
        "none": None,
    }


@pytest.mark.parametrize("stated", [True, np.True_])
def test_who_states_that_a_call_was_cut_off_is_what_says_so(telemetry: Telemetry, stated: object) -> None:
    telemetry.record(**CALL, truncated=stated)
    assert telemetry.last == {**CALL, "truncated": True, "truncation_source": "reported"}


@pytest.mark.parametrize("name", ["legacy", "truncation_source"])
def test_what_follows_from_the_rest_is_refused(telemetry: Telemetry, name: str) -> None:
    with pytest.raises(TypeError, match=f"{name}: it follows from the rest"):
        telemetry.record(**CALL, **{name: True})
    with pytest.raises(TypeError, match=f"{name}: it follows from the rest"):
        telemetry.observe(chat("stop"), predicted_output_tokens=1, **{name: True})


@pytest.mark.parametrize("stated", [False, np.False_])
def test_nothing_says_that_a_whole_call_was_cut_off(telemetry: Telemetry, stated: object) -> None:
    telemetry.record(**CALL, truncated=stated)
    assert telemetry.last == {**CALL, "truncated": False}


@pytest.mark.parametrize(
    ("fields", "truncated"),
    [
        ({"finish_reason": "max_tokens"}, True),
        ({"max_tokens": 850}, True),
        ({"max_tokens": 851}, False),
        ({"max_tokens": 851, "output_tokens": 0}, None),
        ({"max_tokens": 0}, None),
        ({"finish_reason": "tool_use", "max_tokens": 850}, True),
        ({"finish_reason": "stop", "max_tokens": 850}, False),
        ({"finish_reason": "stop", "max_tokens": 850, "truncated": False}, False),
        ({}, None),
        ({"truncated": True, "finish_reason": "stop"}, True),
    ],
)
def test_a_recorded_call_was_cut_off_if_anything_says_so(
    telemetry: Telemetry, fields: dict[str, object], truncated: bool | None
) -> None:
    telemetry.record(**{**CALL, **fields})
    assert telemetry.samples[0].truncated is truncated


# Markers ----------------------------------------------------------------------------------------------------------


def test_what_a_call_does_not_say_its_marker_says(telemetry: Telemetry) -> None:
    telemetry.marks = [{"category": "docs", "deliverable_count": 3}, {"category": "tests", "success": True}]
    telemetry.record(**CALL)
    assert telemetry.last == {**CALL, "category": "docs", "deliverable_count": 3, "success": True}


@pytest.mark.parametrize("how", ["record", "observe"])
def test_what_a_call_says_wins_and_none_says_nothing(telemetry: Telemetry, how: str) -> None:
    telemetry.marks = [{"category": "docs", "complexity": "low", "success": True, "deliverable_count": 3}]
    said = {"category": "tests", "complexity": None, "success": False, "deliverable_count": 0}
    if how == "record":
        telemetry.record(**CALL, **said)
    else:
        telemetry.observe(chat(), predicted_output_tokens=900, **said)
    names = ("category", "complexity", "success", "deliverable_count")
    assert [telemetry.last[name] for name in names] == ["tests", "low", False, 0]


def test_a_marker_is_read_for_each_call(telemetry: Telemetry) -> None:
    telemetry.marks = [{"category": "docs"}]
    telemetry.record(**CALL)
    telemetry.marks = [{"category": "tests"}]
    telemetry.record(**CALL)
    assert [call["category"] for call in telemetry.calls] == ["docs", "tests"]


def test_limits_of_a_marker_are_no_defaults(telemetry: Telemetry) -> None:
    telemetry.marks = [{"max_truncation": "2%"}]
    telemetry.record(**CALL)
    assert telemetry.last == CALL


def test_where_no_test_runs_there_are_no_defaults() -> None:
    tape = Tape(None)
    TokenTelemetry(tape, Capture(tape), lambda: None, Telemetry().judge).record(**CALL)
    assert len(tape.test) == 1


# observe() --------------------------------------------------------------------------------------------------------


def test_a_response_tells_its_tokens_model_id_and_end(telemetry: Telemetry) -> None:
    telemetry.observe(chat(), predicted_output_tokens=100, category="docs", retries=2)
    assert telemetry.last == {
        "predicted_output_tokens": 100,
        "output_tokens": 96,
        "model": "gpt-x",
        "id": "chatcmpl-1",
        "finish_reason": "stop",
        "finish_reason_raw": "stop",
        "truncated": False,
        "category": "docs",
        "features": {"retries": 2},
    }


def test_what_is_given_wins_over_the_response_and_none_gives_nothing(telemetry: Telemetry) -> None:
    telemetry.observe(chat(), predicted_output_tokens=100, output_tokens=5, model="m", id=None, finish_reason="length")
    assert (telemetry.last["output_tokens"], telemetry.last["model"], telemetry.last["id"]) == (5, "m", "chatcmpl-1")
    assert (telemetry.last["finish_reason"], telemetry.last["truncated"]) == ("length", True)


def test_what_a_response_does_not_tell_its_marker_tells(telemetry: Telemetry) -> None:
    telemetry.marks = [{"model": "m", "budget_tokens": 100}]
    telemetry.observe(chat(model=None), predicted_output_tokens=100)
    telemetry.observe(chat(), predicted_output_tokens=100)
    assert [call["model"] for call in telemetry.calls] == ["m", "gpt-x"]
    assert [call["budget_tokens"] for call in telemetry.calls] == [100, 100]


@pytest.mark.parametrize(
    ("reason", "fields", "truncated", "source"),
    [
        ("length", {}, True, "reason"),
        ("model_length", {}, True, "reason"),
        ("length", {"max_tokens": 96}, True, "reason"),
        ("stop", {"max_tokens": 96}, False, None),
        ("end_turn", {"max_tokens": 95}, False, None),
        ("content_filter", {"max_tokens": 96}, False, None),
        ("tool_calls", {"max_tokens": 96}, True, "cap"),
        ("tool_calls", {"max_tokens": 95}, True, "cap"),
        ("tool_calls", {"max_tokens": np.int64(96)}, True, "cap"),
        ("a new word", {"max_tokens": 96}, True, "cap"),
        ("error", {"max_tokens": 96}, True, "cap"),
        (None, {"max_tokens": 96}, True, "cap"),
        ("stop", {"max_tokens": 97}, False, None),
        ("stop", {}, False, None),
        ("tool_calls", {}, False, None),
        ("content_filter", {}, False, None),
        (None, {"max_tokens": 97}, False, None),
        ("a new word", {"max_tokens": 97}, False, None),
        (None, {}, None, None),
        ("a new word", {}, None, None),
        ("error", {}, None, None),
        ("error", {"max_tokens": 97}, None, None),
        ("stop", {"finish_reason": "MAX_TOKENS"}, True, "reason"),
        ("stop", {"finish_reason": End.CUT}, True, "reason"),
        ("length", {"finish_reason": "stop"}, False, None),
        ("tool_calls", {"output_tokens": 50, "max_tokens": 50}, True, "cap"),
        ("stop", {"output_tokens": np.int64(50), "max_tokens": 51}, False, None),
        ("stop", {"truncated": True}, True, "reported"),
        ("stop", {"truncated": np.True_}, True, "reported"),
        ("length", {"truncated": True}, True, "reason"),
        ("length", {"truncated": False}, True, "reason"),
        ("stop", {"max_tokens": 96, "truncated": False}, False, None),
    ],
)
def test_a_call_was_cut_off_if_its_reason_or_its_cap_says_so(
    telemetry: Telemetry, reason: str | None, fields: dict[str, object], truncated: bool | None, source: str | None
) -> None:
    telemetry.observe(chat(reason), predicted_output_tokens=100, **fields)
    assert (telemetry.last.get("truncated"), telemetry.last.get("truncation_source")) == (truncated, source)
    assert telemetry.samples[0].truncated is truncated


@pytest.mark.parametrize(("cap", "truncated"), [(31, True), (32, True), (33, False)])
def test_answers_that_share_their_tokens_share_as_many_caps(telemetry: Telemetry, cap: int, truncated: bool) -> None:
    """Three answers of 32 tokens each, on average."""
    telemetry.observe(chat("tool_calls", "stop", "stop"), predicted_output_tokens=100, max_tokens=cap)
    assert (telemetry.last["max_tokens"], telemetry.last["truncated"]) == (3 * cap, truncated)


@pytest.mark.parametrize(("given", "used"), [(None, 96), (97, 97)])
def test_the_cap_may_be_in_the_marker(telemetry: Telemetry, given: int | None, used: int) -> None:
    telemetry.marks = [{"max_tokens": 96}]
    telemetry.observe(chat("tool_calls"), predicted_output_tokens=100, max_tokens=given)
    assert (telemetry.last["max_tokens"], telemetry.last["truncated"]) == (used, used == 96)


def test_the_cap_may_be_in_the_response(telemetry: Telemetry) -> None:
    """As with OpenAI's Responses alone."""
    response = {"object": "response", "status": "completed", "max_output_tokens": 96, "usage": {"output_tokens": 96}}
    telemetry.observe(response, predicted_output_tokens=100)
    assert (telemetry.last["max_tokens"], telemetry.last["truncated"]) == (96, False)
    telemetry.marks = [{"max_tokens": 200}]
    telemetry.observe(response, predicted_output_tokens=100)
    assert (telemetry.last["max_tokens"], telemetry.last["truncated"]) == (200, False)


# call() -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "said", "raises", "success"),
    [
        (None, None, False, True),
        (None, None, True, False),
        (None, True, False, True),
        (None, True, True, False),
        (None, False, False, False),
        (None, False, True, False),
        (True, None, False, True),
        (True, None, True, False),
        (True, False, False, False),
        (True, True, True, False),
        (False, None, False, False),
        (False, None, True, False),
        (False, True, False, True),
        (False, True, True, False),
    ],
)
@pytest.mark.parametrize("with_response", [True, False])
def test_a_block_that_raises_failed_and_else_it_is_as_said(
    telemetry: Telemetry, given: bool | None, said: bool | None, raises: bool, success: bool, with_response: bool
) -> None:
    def block() -> None:
        with telemetry.call(predicted_output_tokens=100, success=given, category="docs") as call:
            if with_response:
                call.response = chat()
            else:
                call.output_tokens = 96
            call.success = said
            if raises:
                raise KeyError("of the block")

    if raises:
        with pytest.raises(KeyError, match="of the block"):
            block()
    else:
        block()
    assert len(telemetry.calls) == 1
    assert (telemetry.last["success"], telemetry.last["output_tokens"]) == (success, 96)
    assert telemetry.last["category"] == "docs"


def test_a_block_records_when_it_ends(telemetry: Telemetry) -> None:
    with telemetry.call(predicted_output_tokens=100) as call:
        call.response = chat()
        assert telemetry.samples == ()
    assert len(telemetry.samples) == 1


def test_a_response_goes_before_a_count_and_the_count_is_kept(telemetry: Telemetry) -> None:
    with telemetry.call(predicted_output_tokens=100, retries=2) as call:
        call.response = chat()
        call.output_tokens = 5
    assert (telemetry.last["model"], telemetry.last["output_tokens"]) == ("gpt-x", 5)
    assert telemetry.last["features"] == {"retries": 2}


def test_a_reason_may_be_set_in_the_block(telemetry: Telemetry) -> None:
    with telemetry.call(max_tokens=96, finish_reason="stop") as call:
        call.output_tokens = 90
        call.finish_reason = "max_tokens"
    assert (telemetry.last["output_tokens"], telemetry.last["truncated"]) == (90, True)


def test_a_count_may_be_known_before_the_block(telemetry: Telemetry) -> None:
    """As where a test replays what was recorded before."""
    with telemetry.call(predicted_output_tokens=100, output_tokens=5):
        pass
    with telemetry.call(predicted_output_tokens=100, output_tokens=5) as call:
        call.output_tokens = 0
    assert [call["output_tokens"] for call in telemetry.calls] == [5, 0]


class CutOffError(Exception):
    """As OpenAI (``completion``) and Instructor (``last_completion``) raise for a call that was cut off."""

    def __init__(self, completion: object = None, **held: object) -> None:
        super().__init__("the length limit was reached")
        self.completion = completion
        self.__dict__ |= held


class SilentError(CutOffError):
    """As a client's error that has no request yet."""

    @property
    def status_code(self) -> int:
        raise RuntimeError("not me")

    @property
    def last_completion(self) -> object:
        raise RuntimeError("not me")


def fail(telemetry: Telemetry, error: BaseException, fields: dict[str, object] | None = None, **said: object) -> None:
    """Set what is ``said`` in a block of a call that has ``fields``, and raise ``error`` there."""
    with telemetry.call(**{"predicted_output_tokens": 100, **(fields or {})}) as call:
        for name, value in said.items():
            setattr(call, name, value)
        raise error


def wrapped(error: Exception) -> Exception:
    """What a program raises from ``error``."""
    try:
        raise RuntimeError("no answer") from error
    except RuntimeError as outer:
        return outer


@pytest.mark.parametrize(
    "error",
    [
        CutOffError(chat("length")),
        CutOffError(last_completion=chat("length")),
        CutOffError(response=chat("length")),
        SilentError(response=chat("length")),
        wrapped(CutOffError(chat("length"))),
    ],
)
def test_an_exception_may_carry_the_response(telemetry: Telemetry, error: Exception) -> None:
    with pytest.raises(type(error)):
        fail(telemetry, error)
    assert (telemetry.last["output_tokens"], telemetry.last["success"]) == (96, False)
    assert (telemetry.last["truncated"], telemetry.last["truncation_source"]) == (True, "reason")
    assert telemetry.unusable() == {}


def test_the_response_that_was_set_goes_before_the_one_of_the_exception(telemetry: Telemetry) -> None:
    with pytest.raises(CutOffError):
        fail(telemetry, CutOffError(chat("length")), response=chat(tokens=7))
    assert telemetry.last["output_tokens"] == 7


def test_an_exception_without_a_response_goes_on_and_the_call_is_counted(telemetry: Telemetry) -> None:
    with pytest.raises(KeyError):
        fail(telemetry, KeyError())
    assert telemetry.unusable() == {"a call ended without a response": 1}


class Unwilling:
    @property
    def choices(self) -> object:
        raise RuntimeError("not me")


@pytest.mark.parametrize("response", [chat(tokens=None), chat(tokens="many"), object(), [], Unwilling()])
def test_the_exception_of_the_block_wins_over_what_cannot_be_recorded(telemetry: Telemetry, response: object) -> None:
    with pytest.raises(KeyError, match="of the block"):
        fail(telemetry, KeyError("of the block"), response=response)
    assert telemetry.calls == []
    assert telemetry.unusable() == {"a call ended without a response": 1}


REFUSED = SimpleNamespace(status_code=429)
"""The HTTP response in what a client raises where the provider answers with an error."""


@pytest.mark.parametrize(
    ("error", "response", "reason"),
    [
        (CutOffError(response=REFUSED, status_code=429), None, "a call failed"),
        (wrapped(CutOffError(response=REFUSED, status_code=429)), None, "a call failed"),
        (KeyError(), {"error": {"message": "overloaded"}}, "a call failed"),
        (KeyError(), {"object": "response", "status": "failed"}, "a call failed"),
        (CutOffError(Unwilling()), None, "a call ended without a response"),
        (SilentError(), None, "a call ended without a response"),
        (CutOffError(chat(), n_attempts=2), None, "a call ended with the count of several attempts"),
    ],
)
def test_why_a_call_has_no_count_is_counted(
    telemetry: Telemetry, error: Exception, response: object, reason: str
) -> None:
    with pytest.raises(type(error)):
        fail(telemetry, error, response=response)
    assert (telemetry.calls, telemetry.unusable()) == ([], {reason: 1})


@pytest.mark.parametrize("marked", [True, False, None])
@pytest.mark.parametrize(("said", "success"), [(None, False), (True, True), (False, False)])
@pytest.mark.parametrize("reason", ["error", "FinishReason.MALFORMED_FUNCTION_CALL", End.BROKEN])
def test_a_call_that_failed_is_no_success_unless_it_is_said(
    telemetry: Telemetry, marked: bool | None, said: bool | None, success: bool, reason: object
) -> None:
    telemetry.marks = [{"success": marked}]
    with telemetry.call(predicted_output_tokens=100) as call:
        call.response, call.success = chat("error"), said
    telemetry.observe(chat("error"), predicted_output_tokens=100, success=said)
    telemetry.observe(chat("stop"), predicted_output_tokens=100, finish_reason=reason, success=said)
    telemetry.record(**CALL, finish_reason=reason, success=said)
    assert [call["success"] for call in telemetry.calls] == [success] * 4


def test_a_call_that_nobody_counted_is_refused_in_words(telemetry: Telemetry) -> None:
    events = [{"type": "message_delta", "delta": {"stop_reason": "max_tokens"}}, {"type": "message_stop"}]
    with pytest.raises(
        ValueError, match=r"^an Anthropic message: it has no count of its output tokens \(pass "
    ) as raised:
        telemetry.observe(events, predicted_output_tokens=100)
    assert [entry.name for entry in raised.traceback][-1] == "_here"


def test_an_exception_can_be_observed(telemetry: Telemetry) -> None:
    telemetry.observe(CutOffError(chat("length")), predicted_output_tokens=100)
    assert (telemetry.last["truncated"], telemetry.last["output_tokens"]) == (True, 96)
    with pytest.raises(ValueError, match="the call failed"):
        telemetry.observe(CutOffError(response=REFUSED, status_code=429), predicted_output_tokens=100)


def test_the_exception_of_the_block_wins_over_wrong_fields(telemetry: Telemetry) -> None:
    with pytest.raises(KeyError):
        fail(telemetry, KeyError(), {"predicted_output_tokens": "many"}, output_tokens=5)
    assert telemetry.unusable() == {"a call ended without a response": 1}


def test_an_interruption_goes_on_too(telemetry: Telemetry) -> None:
    with pytest.raises(KeyboardInterrupt):
        fail(telemetry, KeyboardInterrupt(), response=chat())
    assert telemetry.last["success"] is False


# read(), samples and report() -------------------------------------------------------------------------------------


def test_a_text_is_read_for_the_calls_that_it_tells_of(telemetry: Telemetry) -> None:
    telemetry.read(f"starting\n{v2(output=7)}\n{v2(output=-1)}\n")
    assert [sample.output_tokens for sample in telemetry.samples] == [7]
    assert telemetry.unusable() == {"actual_output is negative": 1}


def test_a_text_that_tells_of_a_recorded_call_tells_of_no_other(telemetry: Telemetry) -> None:
    telemetry.record(predicted_output_tokens=1000, output_tokens=900)
    telemetry.read(v2())
    assert len(telemetry.samples) == 1


def test_samples_are_those_of_the_test_in_their_order(telemetry: Telemetry) -> None:
    assert telemetry.samples == ()
    telemetry.record(**CALL, category="docs", time=AT)
    telemetry.observe(chat(), predicted_output_tokens=1)
    first, second = telemetry.samples
    assert first == Sample(**CALL, category="docs", time=AT.replace(tzinfo=None))
    assert (second.output_tokens, second.finish_reason_raw) == (96, "stop")
    telemetry.tape.begin_test()
    assert telemetry.samples == ()


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Each line that is read, and each call that is packed into columns."""
    done: list[object] = []
    read, add = Capture.samples, SamplesBuilder.add

    def read_counted(capture: Capture, lines: list[str]) -> tuple[Sample, ...]:
        done.extend(lines)
        return read(capture, lines)

    def add_counted(builder: SamplesBuilder, sample: Sample, *place: int) -> int:
        done.append(sample)
        return add(builder, sample, *place)

    monkeypatch.setattr(Capture, "samples", read_counted)
    monkeypatch.setattr(SamplesBuilder, "add", add_counted)
    return done


def test_looking_after_each_call_reads_and_packs_each_once(work: list[object]) -> None:
    telemetry = Telemetry()
    for n in range(40):
        telemetry.record(predicted_output_tokens=n, output_tokens=n, category=f"c{n % 3}", level=n)
        telemetry.report()
        assert [sample.output_tokens for sample in telemetry.samples] == [*range(n + 1)]
        assert telemetry.judged[-1] == ([*range(n + 1)], None)
        assert len(work) == 2 * (n + 1)
    telemetry.report()
    assert len(work) == 80


def test_a_call_that_a_text_completes_is_read_again_and_none_before_it(work: list[object]) -> None:
    telemetry = Telemetry()
    for output in (700, 850):
        telemetry.record(predicted_output_tokens=900, output_tokens=output)
        telemetry.report()
    before = telemetry.samples
    telemetry.read(v2(900, 850, category="docs"))
    work.clear()
    first, second = telemetry.samples
    telemetry.report()
    assert (first, second.category, second.success) == (before[0], "docs", True)
    assert len(work) == 2
    assert telemetry.judged[-1] == ([700, 850], None)
    telemetry.tape.begin_test()
    assert (telemetry.samples, telemetry.report(), telemetry.judged[-1]) == ((), "the figures", ([], None))


def test_samples_stay_when_a_report_has_carried_them_away(telemetry: Telemetry) -> None:
    telemetry.record(**CALL)
    telemetry.tape.cut()
    assert len(telemetry.samples) == 1


@pytest.mark.parametrize("population", [None, "risk", "success", "all"])
def test_a_report_judges_what_the_test_has_recorded(telemetry: Telemetry, population: Any) -> None:
    telemetry.record(**CALL)
    assert telemetry.report(population) == "the figures"
    assert telemetry.judged == [([850], population)]
    assert telemetry.report() == "the figures"
    assert telemetry.judged[-1] == ([850], None)


# What is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("other", "ours"),
    [
        ("predicted_output", "predicted_output_tokens"),
        ("predicted_tokens", "predicted_output_tokens"),
        ("actual_output", "output_tokens"),
        ("actual_output_tokens", "output_tokens"),
        ("completion_tokens", "output_tokens"),
        ("selected_budget", "budget_tokens"),
        ("max_completion_tokens", "max_tokens"),
        ("max_output_tokens", "max_tokens"),
        ("stop_reason", "finish_reason"),
        ("finish_reason_raw", "finish_reason"),
        ("deliverables", "deliverable_count"),
        ("predicted", "predicted_output_tokens"),
        ("prediction", "predicted_output_tokens"),
        ("cap", "max_tokens"),
        ("budget", "budget_tokens"),
        ("task", "task_id"),
        ("maxTokens", "max_tokens"),
        ("max_new_tokens", "max_tokens"),
        ("finishReason", "finish_reason"),
        ("predictedOutputTokens", "predicted_output_tokens"),
        ("was_truncated", "truncated"),
        ("succeeded", "success"),
    ],
)
@pytest.mark.parametrize("value", [1, None])
def test_what_other_systems_call_a_field_is_refused_with_our_name(
    telemetry: Telemetry, other: str, ours: str, value: object
) -> None:
    for refused in (
        lambda: telemetry.record(**CALL, **{other: value}),
        lambda: telemetry.observe(chat(), predicted_output_tokens=1, **{other: value}),
    ):
        with pytest.raises(TypeError) as caught:
            refused()
        assert str(caught.value) == f"{other}: there is no such field (write {ours}, or give the feature another name)"
    assert telemetry.calls == []


def test_a_slip_in_an_attribute_of_a_call_is_refused(telemetry: Telemetry) -> None:
    with telemetry.call(predicted_output_tokens=1) as call:
        with pytest.raises(
            AttributeError,
            match=r"^reponse: a call has no such attribute \(set response, output_tokens, finish_reason or",
        ):
            call.reponse = chat()  # type: ignore[attr-defined]
        call.response = chat()
    assert len(telemetry.calls) == 1


def test_what_is_set_behind_the_block_of_a_call_is_refused(telemetry: Telemetry) -> None:
    with telemetry.call(predicted_output_tokens=1) as call:
        call.output_tokens = 5
    with pytest.raises(RuntimeError, match=r"^success: the call is recorded already \(set it within the block\)$"):
        call.success = False
    assert len(telemetry.calls) == 1


def test_features_are_keywords_of_their_own(telemetry: Telemetry) -> None:
    with pytest.raises(
        TypeError, match=r"^features: there is no such field \(write each feature as a keyword of its own"
    ):
        telemetry.record(**CALL, features={"language": "de"})


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("catgory", "category"),
        ("categoryy", "category"),
        ("xcategory", "category"),
        ("categary", "category"),
        ("catgeory", "category"),
        ("acategory", "category"),
        ("Category", "category"),
        ("categoyr", "category"),
        ("max_token", "max_tokens"),
        ("sucess", "success"),
        ("modle", "model"),
        ("mode", "model"),
        ("times", "time"),
        ("task_ids", "task_id"),
        ("deliverable_cout", "deliverable_count"),
    ],
)
def test_a_keyword_one_letter_from_a_field_is_refused_with_its_name(
    telemetry: Telemetry, typed: str, meant: str
) -> None:
    refusals: list[Callable[[], object]] = [
        lambda: telemetry.record(**CALL, **{typed: 1}),
        lambda: telemetry.observe(chat(), predicted_output_tokens=1, **{typed: 1}),
        lambda: telemetry.call(predicted_output_tokens=1, **{typed: 1}),
    ]
    for refused in refusals:
        with pytest.raises(TypeError) as caught:
            refused()
        assert str(caught.value) == f"{typed}: there is no such field (write {meant}, or give the feature another name)"
    assert telemetry.calls == []


def test_names_that_are_less_like_a_field_are_features(telemetry: Telemetry) -> None:
    names = (
        "categroy2",
        "cat",
        "cagetory_",
        "x",
        "i",
        "ids",
        "idx",
        "uid",
        "mood",
        "timing",
        "gory",
        "tokens",
        "yrogetac",
    )
    telemetry.record(**CALL, **dict.fromkeys(names, 1))
    assert telemetry.last["features"] == dict.fromkeys(names, 1)


def unanswered(telemetry: Telemetry) -> None:
    with telemetry.call(predicted_output_tokens=1):
        pass


def answered_with(response: object, **fields: object) -> Callable[[Telemetry], None]:
    def block(telemetry: Telemetry) -> None:
        with telemetry.call(predicted_output_tokens=1, **fields) as call:
            call.response = response

    return block


REFUSALS: list[tuple[Callable[[Telemetry], object], type[Exception], str]] = [
    (
        lambda telemetry: telemetry.record(predicted_output_tokens=1, output_tokens="many"),
        TypeError,
        "output_tokens: 'many' is not a whole number",
    ),
    (
        lambda telemetry: telemetry.record(predicted_output_tokens=1.5, output_tokens=1),
        TypeError,
        "predicted_output_tokens: 1.5 is not a whole number",
    ),
    (
        lambda telemetry: telemetry.record(predicted_output_tokens=-1, output_tokens=1),
        ValueError,
        "predicted_output_tokens: -1 is not between 0 and 1000000000",
    ),
    (
        lambda telemetry: telemetry.record(**CALL, max_tokens=-1),
        ValueError,
        "max_tokens: -1 is not between 0 and 1000000000",
    ),
    (
        lambda telemetry: telemetry.record(**CALL, truncated="yes"),
        TypeError,
        "truncated: 'yes' is not True, False or None",
    ),
    (
        lambda telemetry: telemetry.record(**CALL, time=datetime(2026, 1, 2)),
        ValueError,
        "time: 2026-01-02T00:00:00 has no time zone (write datetime.now(UTC))",
    ),
    (
        lambda telemetry: telemetry.record(**CALL, prompt=["secret"]),
        TypeError,
        "features['prompt']: list is not a number, text, truth value or None",
    ),
    (
        lambda telemetry: telemetry.record(**CALL, share=float("nan")),
        ValueError,
        "features['share']: nan is not a number that JSON can hold",
    ),
    (
        lambda telemetry: telemetry.record(**CALL, **{f"f{n}": n for n in range(33)}),
        ValueError,
        "features: 33 are too many (up to 32)",
    ),
    (
        lambda telemetry: telemetry.observe(chat(), predicted_output_tokens="many"),
        TypeError,
        "predicted_output_tokens: 'many' is not a whole number",
    ),
    (
        lambda telemetry: telemetry.observe(chat(), predicted_output_tokens=1, max_tokens="many"),
        TypeError,
        "max_tokens: 'many' is not a whole number",
    ),
    (
        lambda telemetry: telemetry.observe(chat(), predicted_output_tokens=1, max_tokens=-5),
        ValueError,
        "max_tokens: -5 is not between 0 and 1000000000",
    ),
    (
        lambda telemetry: telemetry.observe(chat(), predicted_output_tokens=1, max_tokens=5, output_tokens="many"),
        TypeError,
        "output_tokens: 'many' is not a whole number",
    ),
    (
        lambda telemetry: telemetry.observe(chat(), predicted_output_tokens=1, truncated="yes"),
        TypeError,
        "truncated: 'yes' is not True, False or None",
    ),
    (
        lambda telemetry: telemetry.observe(chat(), predicted_output_tokens=1, finish_reason=7),
        TypeError,
        "finish_reason: 7 is not a text",
    ),
    (
        lambda telemetry: telemetry.observe(chat(tokens="many"), predicted_output_tokens=1),
        TypeError,
        "completion_tokens: str is not a count of tokens",
    ),
    (
        lambda telemetry: telemetry.observe([], predicted_output_tokens=1),
        ValueError,
        "the list has no events (a stream can be read only once: keep its events)",
    ),
    (
        lambda telemetry: telemetry.read(b"bytes"),
        TypeError,
        "read: bytes is not a text (decode it first)",
    ),
    (
        lambda telemetry: telemetry.report("everything"),
        ValueError,
        "report: 'everything' is not one of risk, success, all",
    ),
    (unanswered, ValueError, "call: neither response nor output_tokens was set in the block"),
    (answered_with(chat(tokens=-1)), TypeError, "completion_tokens: -1 is not a count of tokens"),
    (answered_with(chat(), success="yes"), TypeError, "success: 'yes' is not True, False or None"),
    (
        answered_with(chat(), stop_reason="x"),
        TypeError,
        "stop_reason: there is no such field (write finish_reason, or give the feature another name)",
    ),
]


@pytest.mark.parametrize(("refused", "error", "sentence"), REFUSALS, ids=[sentence for _, _, sentence in REFUSALS])
def test_what_cannot_be_recorded_is_refused_in_one_sentence_at_the_tests_own_line(
    telemetry: Telemetry, refused: Callable[[Telemetry], object], error: type[Exception], sentence: str
) -> None:
    with pytest.raises(error) as caught:
        refused(telemetry)
    assert str(caught.value) == sentence
    assert type(caught.value) is error
    assert Path(str(caught.traceback.filter(caught)[-1].path)) == Path(__file__)
    assert telemetry.calls == []
    assert telemetry.unusable() == {}


@pytest.mark.parametrize(
    "refused",
    [
        lambda telemetry: telemetry.record(**CALL),
        lambda telemetry: telemetry.observe(chat(), predicted_output_tokens=1),
        answered_with(chat()),
    ],
)
def test_a_marker_that_cannot_be_is_refused_at_the_tests_own_line(
    telemetry: Telemetry, refused: Callable[[Telemetry], object]
) -> None:
    telemetry.marks = [{"catgory": "docs"}]
    with pytest.raises(TypeError, match=r"^token_telemetry: there is no keyword 'catgory'") as caught:
        refused(telemetry)
    assert Path(str(caught.traceback.filter(caught)[-1].path)) == Path(__file__)


def test_nothing_of_a_response_is_in_a_refusal(telemetry: Telemetry) -> None:
    with pytest.raises(TypeError) as caught:
        telemetry.observe({"answer": "what the model said"}, predicted_output_tokens=1)
    assert "what the model said" not in str(caught.value)
