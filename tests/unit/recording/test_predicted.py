"""A prediction that holds for the calls of a block, in threads and tasks too."""

from __future__ import annotations

import asyncio
import re
import sys
import threading
from contextvars import copy_context

import pytest

from tests.unit.recording.test_fixture import Telemetry, chat

CALL = {"output_tokens": 850}


@pytest.fixture
def telemetry() -> Telemetry:
    return Telemetry()


def said(telemetry: Telemetry, *names: str) -> list[tuple[object, ...]]:
    return [tuple(call.get(name) for name in names) for call in telemetry.calls]


def test_every_way_to_record_has_what_the_block_predicts(telemetry: Telemetry) -> None:
    with telemetry.predict(900, category="docs", files=3):
        telemetry.record(**CALL)
        telemetry.observe(chat())
        with telemetry.call() as call:
            call.output_tokens = 700
    telemetry.record(**CALL)
    assert said(telemetry, "predicted_output_tokens", "category", "features") == [
        *[(900, "docs", {"files": 3})] * 3,
        (None, None, None),
    ]


def test_what_a_call_says_wins_then_the_innermost_block_then_the_marker(telemetry: Telemetry) -> None:
    telemetry.marks = [{"category": "marked", "complexity": "low", "max_tokens": 10, "model": "marked"}]
    with telemetry.predict(900, category="outer", max_tokens=4000, model="outer"):
        with telemetry.predict(category="inner"):
            telemetry.record(**CALL, predicted_output_tokens=5, model="own")
            telemetry.observe(chat(tokens=96), category=None)
        telemetry.record(**CALL)
    names = ("predicted_output_tokens", "category", "complexity", "max_tokens", "model", "truncated")
    assert said(telemetry, *names) == [
        (5, "inner", "low", 4000, "own", False),
        (900, "inner", "low", 4000, "gpt-x", False),
        (900, "outer", "low", 4000, "outer", False),
    ]


@pytest.mark.parametrize("block", ["predict", "call"])
def test_a_block_that_is_never_entered_is_warned_about(telemetry: Telemetry, block: str) -> None:
    with pytest.warns(RuntimeWarning, match=rf"^token_telemetry\.{block}\(\.\.\.\) does nothing by itself") as warned:
        getattr(telemetry, block)(predicted_output_tokens=900)
    assert [each.filename for each in warned] == [__file__]  # the line of the test


def test_a_block_that_raises_ends(telemetry: Telemetry) -> None:
    with pytest.raises(KeyError), telemetry.predict(900):
        raise KeyError
    telemetry.record(**CALL)
    assert said(telemetry, "predicted_output_tokens") == [(None,)]


def test_each_task_has_its_own_prediction_and_those_it_starts_inherit_it(telemetry: Telemetry) -> None:
    """Both blocks are open at once: each task waits for the other before it records."""

    async def record(output: int) -> None:
        telemetry.record(output_tokens=output)

    async def work(predicted: int, here: asyncio.Event, there: asyncio.Event) -> None:
        with telemetry.predict(predicted):
            here.set()
            await there.wait()
            await record(predicted + 1)
            await asyncio.create_task(record(predicted + 2))

    async def both() -> None:
        one, other = asyncio.Event(), asyncio.Event()
        await asyncio.gather(work(100, one, other), work(200, other, one))
        await record(1)

    asyncio.run(both())
    assert sorted(said(telemetry, "output_tokens", "predicted_output_tokens")) == [
        *((1, None), (101, 100), (102, 100), (201, 200), (202, 200))
    ]


def test_a_thread_begins_without_the_prediction_unless_it_is_given_the_context(telemetry: Telemetry) -> None:
    """As of `threading.Thread` and executors in Python 3.11 to 3.13, and `asyncio.to_thread`, which copies it."""

    def record(output: int) -> None:
        telemetry.record(output_tokens=output)

    with telemetry.predict(900):
        for target, arguments in ((record, (1,)), (copy_context().run, (record, 2))):
            thread = threading.Thread(target=target, args=arguments)
            thread.start()
            thread.join()
        asyncio.run(asyncio.to_thread(record, 3))
    inherits = getattr(sys.flags, "thread_inherit_context", 0)
    assert said(telemetry, "output_tokens", "predicted_output_tokens") == [
        *((1, 900 if inherits else None), (2, 900), (3, 900))
    ]


@pytest.mark.parametrize(
    ("fields", "error", "sentence"),
    [
        ({"predicted_output_tokens": -1}, ValueError, "predicted_output_tokens: -1 is not between 0 and"),
        ({"category": 5}, TypeError, "category: 5 is not a text"),
        ({"catgory": "docs"}, TypeError, "catgory: there is no such field"),
        ({"files": [1]}, TypeError, "list is not a number, text, truth value or None"),
        (
            {"success": True},
            TypeError,
            "success: it is not known before the call (give it where the call is recorded, or",
        ),
        ({"sucess": True}, TypeError, "sucess: there is no such field (success is not known before the call)"),
        (
            {"categry": "docs"},
            TypeError,
            "categry: there is no such field (write category, or give the feature another",
        ),
        ({"output_tokens": 5}, TypeError, "output_tokens: it is not known before the call"),
        ({"truncation_source": "cap"}, TypeError, "truncation_source: it follows from the rest"),
    ],
)
def test_what_cannot_be_predicted_is_refused_at_the_line_of_the_block(
    telemetry: Telemetry, fields: dict[str, object], error: type[Exception], sentence: str
) -> None:
    with pytest.raises(error, match=re.escape(sentence)):
        telemetry.predict(**fields)
