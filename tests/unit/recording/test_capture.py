"""Telemetry lines that are logged and printed: what is recorded of them, and what is the same call."""

from __future__ import annotations

import json
import logging
import re
import textwrap
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st

from pytest_token_telemetry.recording.capture import Capture
from pytest_token_telemetry.recording.tape import Tape
from pytest_token_telemetry.sources.own_format import line
from tests.lines import cut_off, v2

LEGACY = "[TokenEstimation] Predicted: 300 output tokens, Actual: 128 output tokens, Error: 57.3%"
BUDGET = "[TOKEN_BUDGET] phase=phase-7 complexity=low input=1158 output=900/16384 total=5018 utilization=23.6%"
CALL = {"predicted_output_tokens": 1000, "output_tokens": 900}
LOGGER = logging.getLogger("agent")


@contextmanager
def listening(capture: Capture) -> Iterator[None]:
    capture.listen()
    try:
        yield
    finally:
        capture.stop_listening()


class Recording:
    """A capture, and all that it has put on its tape."""

    def __init__(self) -> None:
        self.tape = Tape(None)
        self.capture = Capture(self.tape)

    def log(self, message: str, *arguments: object, **fields: object) -> Recording:
        with listening(self.capture):
            LOGGER.info(message, *arguments, extra={"token_telemetry": fields} if fields else None)
        self.capture.take_logged()
        return self

    def print(self, *lines: str, to: str = "stdout") -> Recording:
        self.capture.take_printed(to, "".join(f"{each}\n" for each in lines))
        return self

    def record(self, **fields: object) -> Recording:
        """As a test does by itself."""
        own = line(**{**CALL, **fields})
        self.capture.know(own, self.tape.add(own))
        return self

    @property
    def calls(self) -> list[dict[str, object]]:
        """What the test has recorded, and what was recorded of its lines."""
        return [json.loads(each) for each in self.tape.test]

    @property
    def outputs(self) -> list[object]:
        return [call["output_tokens"] for call in self.calls]

    def counts(self) -> tuple[int, int, int]:
        """Recorded, repeated and unusable."""
        cut = self.tape.cut()
        return (len(cut["lines"]), cut["repeated"], sum(cut["unusable"].values())) if cut else (0, 0, 0)


@pytest.fixture(autouse=True)
def _verbose_logger() -> Iterator[None]:
    """Let everything pass, whatever the root logger's level, for no longer than a test."""
    LOGGER.setLevel(logging.DEBUG)
    yield
    LOGGER.setLevel(logging.NOTSET)


@pytest.fixture
def recording() -> Recording:
    return Recording()


@contextmanager
def lenient() -> Iterator[None]:
    """Takes pytest's own handlers away, which raise for arguments that do not fit."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(logging.getLogger(), "handlers", [])
        yield


def without_time(call: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in call.items() if name not in ("schema", "time")}


# What is recorded -------------------------------------------------------------------------------------------------


def test_a_logged_line_is_recorded_with_all_that_it_says(recording: Recording) -> None:
    recording.log(v2(more=" max_tokens=4096 task_id=p retries=2"))
    [call] = recording.calls
    assert without_time(call) == {
        "predicted_output_tokens": 1000,
        "output_tokens": 900,
        "budget_tokens": 8192,
        "max_tokens": 4096,
        "category": "implementation",
        "complexity": "low",
        "deliverable_count": 3,
        "success": True,
        "finish_reason": "stop",
        "finish_reason_raw": "end_turn",
        "truncated": False,
        "task_id": "p",
        "model": "claude-sonnet-4-5",
        "features": {"retries": "2"},
    }


def test_its_time_is_when_it_was_logged(recording: Recording) -> None:
    before = datetime.now(UTC)
    recording.log(v2())
    assert before <= datetime.fromisoformat(str(recording.calls[0]["time"])) <= datetime.now(UTC)


def test_the_time_of_a_printed_line_is_when_it_was_taken(recording: Recording) -> None:
    before = datetime.now(UTC)
    recording.print(v2())
    assert before <= datetime.fromisoformat(str(recording.calls[0]["time"])) <= datetime.now(UTC)


def test_a_line_of_the_first_version_stays_one(recording: Recording) -> None:
    recording.log(LEGACY)
    [call] = recording.calls
    assert without_time(call) == {"predicted_output_tokens": 300, "output_tokens": 128, "legacy": True}


def test_a_line_of_our_own_is_recorded_too(recording: Recording) -> None:
    recording.print(line(**CALL, category="docs", truncated=True, truncation_source="cap", finish_reason="stop"))
    [call] = recording.calls
    assert (call["category"], call["truncated"], call["truncation_source"]) == ("docs", True, "cap")
    assert (call["finish_reason"], call["finish_reason_raw"]) == ("stop", "stop")


def test_a_line_of_our_own_keeps_its_id_and_time(recording: Recording) -> None:
    """The program may have left the same line in a file."""
    own = line(**CALL, id="x", time=datetime(2026, 1, 2, 3, 4, 5, 678900, tzinfo=UTC))
    recording.print(own)
    assert recording.calls == [json.loads(own)]


def test_a_line_of_our_own_without_a_time_has_the_time_when_it_was_taken(recording: Recording) -> None:
    before = datetime.now(UTC)
    recording.print(json.dumps({"schema": "token-telemetry/1", **CALL}))
    assert before <= datetime.fromisoformat(str(recording.calls[0]["time"])) <= datetime.now(UTC)


def test_the_arguments_of_a_message_are_part_of_it(recording: Recording) -> None:
    recording.log("[TokenEstimationV2] predicted_output=%d actual_output=%s success=True truncated=False", 5, 7)
    assert recording.outputs == [7]


def test_what_any_logger_lets_pass_is_caught_at_any_level(recording: Recording) -> None:
    with listening(recording.capture):
        LOGGER.debug(v2(output=1))
        LOGGER.critical(v2(output=2))
        LOGGER.getChild("client").error(v2(output=3))
    recording.capture.take_logged()
    assert recording.outputs == [1, 2, 3]


def test_other_messages_are_passed_over(recording: Recording) -> None:
    recording.log("nothing").log("see [TokenEstimationV2] lines").log(BUDGET).print("nothing", BUDGET)
    assert recording.counts() == (0, 0, 0)


def test_arguments_that_do_not_fit_are_the_programs_own_affair(recording: Recording) -> None:
    with lenient():
        recording.log("[TokenEstimationV2] %s %s %d", "one")
    assert recording.counts() == (0, 0, 0)


def test_an_object_that_cannot_be_shown_is_the_programs_own_affair(recording: Recording) -> None:
    class Shy:
        def __str__(self) -> str:
            raise RuntimeError("not me")

    with lenient():
        recording.log("[TokenEstimationV2] %s", Shy())
    assert recording.counts() == (0, 0, 0)


def test_a_message_of_several_lines_holds_several_calls(recording: Recording) -> None:
    recording.log(f"both:\n{v2(output=1)}\nand\n{v2(output=2)}")
    assert recording.outputs == [1, 2]


def test_output_without_a_last_line_end_is_whole(recording: Recording) -> None:
    recording.capture.take_printed("stdout", v2(output=7, more=" max_tokens=4096"))
    assert [call["max_tokens"] for call in recording.calls] == [4096]


def test_nothing_that_was_printed_is_nothing(recording: Recording) -> None:
    recording.capture.take_printed("stdout", "")
    assert recording.counts() == (0, 0, 0)


def test_colours_around_a_line_are_no_part_of_it(recording: Recording) -> None:
    recording.print(f"\x1b[32mINFO\x1b[0m \x1b[1m{v2(time=None)}\x1b[0m")
    [call] = recording.calls
    assert (call["output_tokens"], call["model"]) == (900, "claude-sonnet-4-5")


def test_half_a_character_is_no_crash(recording: Recording) -> None:
    half = "\ud83d"
    ours = json.dumps({"schema": "token-telemetry/1", **CALL, "output_tokens": 1, "id": half, "features": {half: half}})
    with lenient():  # pytest-xdist could not send what pytest's own handler would keep
        recording.print(half + v2(category=half), ours).log(v2(output=2) + half)
    assert recording.outputs == [900, 1, 2]


@pytest.mark.parametrize(
    "features",
    [
        {f"f{n}": "\x01" * 256 for n in range(32)},
        {f"f{n}": "\\" * 256 for n in range(32)},
        {f"{n:0>256}": "x" * 250 for n in range(31)},
    ],
    ids=["control characters", "backslashes", "long"],
)
def test_a_line_that_has_more_features_than_we_can_write_counts_without_them(
    recording: Recording, features: dict[str, str]
) -> None:
    recording.print(v2(more="".join(f" {name}={value}" for name, value in features.items())))
    [call] = recording.calls
    assert (call["output_tokens"], call["category"]) == (900, "implementation")


def test_a_line_of_our_own_with_a_source_that_is_none_counts(recording: Recording) -> None:
    recording.print(
        json.dumps({"schema": "token-telemetry/1", **CALL, "truncated": True, "truncation_source": "guess"})
    )
    [call] = recording.calls
    assert without_time(call) == {**CALL, "truncated": True}


# What cannot be used ----------------------------------------------------------------------------------------------


def test_a_line_that_cannot_be_used_is_counted_by_its_reason(recording: Recording) -> None:
    recording.log(v2(output=-1)).log(v2(None)).print(v2(output=-2))
    cut = recording.tape.cut()
    assert cut is not None
    assert cut["unusable"] == {"actual_output is negative": 2, "predicted_output is not a whole number": 1}
    assert cut["ends"] == [False] * 3  # each says that its call was not truncated
    assert cut["lines"] == []


def test_an_unusable_line_that_is_logged_and_printed_is_one(recording: Recording) -> None:
    recording.log(v2(time=None, output=-1)).print(v2(output=-1))
    assert recording.counts() == (0, 1, 1)


# Fields beside a message ------------------------------------------------------------------------------------------


def test_fields_beside_a_message_are_a_call(recording: Recording) -> None:
    recording.log("called the model", **CALL, id="x", category="docs", features={"files": 3})
    [call] = recording.calls
    assert without_time(call) == {**CALL, "id": "x", "category": "docs", "features": {"files": 3}}


@pytest.mark.parametrize(
    "fields",
    [
        {"predicted_output_tokens": 1000},
        {**CALL, "output_tokens": "many"},
        {**CALL, "output_tokens": -1},
        {**CALL, "prompt": "secret"},
        {**CALL, "features": ["a"]},
        {**CALL, "features": "ab"},
        {**CALL, "features": {1: 2}},
        {**CALL, "features": {"a": object()}},
        {**CALL, "time": datetime(2026, 1, 2)},
        {1: 2},
        [1, 2],
        "a text",
        0,
    ],
)
def test_fields_that_cannot_be_are_counted_and_break_nothing(recording: Recording, fields: object) -> None:
    with listening(recording.capture):
        LOGGER.info("called", extra={"token_telemetry": fields})
    recording.capture.take_logged()
    cut = recording.tape.cut()
    assert cut is not None
    assert cut["unusable"] == {"a logged call has a field that cannot be": 1}


def test_fields_that_fail_when_they_are_looked_at_break_nothing(recording: Recording) -> None:
    class Broken:
        def item(self) -> object:
            raise RuntimeError("no")

        def keys(self) -> object:
            raise RuntimeError("no")

    recording.log("called", **{**CALL, "model": Broken()})
    with listening(recording.capture):
        LOGGER.info("called", extra={"token_telemetry": Broken()})
    recording.capture.take_logged()
    assert recording.counts() == (0, 0, 2)


def test_fields_are_those_of_the_time_of_the_message(recording: Recording) -> None:
    """A program may fill the same dictionary for each call."""
    features: dict[str, object] = {}
    fields: dict[str, object] = {**CALL, "features": features}
    with listening(recording.capture):
        for n in (1, 2, 3):
            fields["output_tokens"] = features["n"] = n
            LOGGER.info("called", extra={"token_telemetry": fields})
    recording.capture.take_logged()
    assert recording.outputs == [1, 2, 3]
    assert [call["features"] for call in recording.calls] == [{"n": 1}, {"n": 2}, {"n": 3}]


def test_the_time_of_fields_is_that_of_the_message(recording: Recording) -> None:
    with listening(recording.capture):
        LOGGER.info("called", extra={"token_telemetry": CALL})
    after = datetime.now(UTC)
    recording.capture.take_logged()
    assert datetime.fromisoformat(str(recording.calls[0]["time"])) <= after


def test_fields_of_a_message_whose_arguments_do_not_fit_are_a_call(recording: Recording) -> None:
    with lenient():
        recording.log("called %s and %s", "one", **CALL)
    assert recording.outputs == [900]


def test_fields_and_a_message_that_says_the_same_are_one_call(recording: Recording) -> None:
    recording.log(v2(time=None), **CALL)
    assert recording.counts() == (1, 1, 0)


def test_fields_and_a_message_that_says_something_else_are_two_calls(recording: Recording) -> None:
    recording.log(v2(time=None, output=5), **CALL)
    assert recording.counts() == (2, 0, 0)


def test_fields_beside_plain_messages_are_each_a_call(recording: Recording) -> None:
    recording.log("called", **CALL).log("called", **CALL)
    assert recording.counts() == (2, 0, 0)


# Budgets ----------------------------------------------------------------------------------------------------------


def test_a_budget_line_that_was_logged_before_gives_its_task_and_cap(recording: Recording) -> None:
    recording.log(BUDGET).log(v2())
    [call] = recording.calls
    assert (call["task_id"], call["max_tokens"]) == ("phase-7", 16384)


def test_an_output_that_reached_the_cap_of_its_budget_line_was_cut_off(recording: Recording) -> None:
    recording.log("[TOKEN_BUDGET] phase=p output=900/900").log(v2(reason=None, truncated=None))
    assert [call["truncated"] for call in recording.calls] == [True]


def test_budget_lines_are_joined_way_by_way(recording: Recording) -> None:
    recording.log(BUDGET).print(v2(output=900, category="a")).log(v2(output=900, category="b"))
    assert [(call["category"], call.get("task_id")) for call in recording.calls] == [("a", None), ("b", "phase-7")]


def test_a_budget_line_that_only_one_way_shows_makes_no_other_call(recording: Recording) -> None:
    recording.log(v2(time=None)).print(BUDGET, v2())
    assert recording.counts() == (1, 1, 0)


def test_a_budget_line_is_forgotten_with_its_test(recording: Recording) -> None:
    recording.log(BUDGET)
    recording.capture.begin_test()
    recording.log(v2())
    assert [call.get("task_id") for call in recording.calls] == [None]


# The same call ----------------------------------------------------------------------------------------------------


def test_a_line_that_is_logged_and_printed_is_one_call(recording: Recording) -> None:
    recording.log(v2(time=None)).print(v2(), to="stderr")
    assert recording.counts() == (1, 1, 0)


def test_the_same_line_twice_in_one_way_is_two_calls(recording: Recording) -> None:
    recording.log(v2()).log(v2()).print(v2(), v2())
    assert recording.counts() == (2, 2, 0)


@pytest.mark.parametrize(
    "shown",
    [
        "\x1b[32m{}\x1b[0m",
        "2026-01-02 03:04:05,678 INFO agent: {}",
        "{}   ",
        "{}\r",
        '{{"level": "INFO", "message": "{}", "logger": "agent"}}',
        "{} logger=agent",
    ],
)
def test_a_formatter_makes_no_other_call_of_a_logged_line(recording: Recording, shown: str) -> None:
    recording.log(v2(time=None)).print(shown.format(v2(time=None)))
    assert recording.counts() == (1, 1, 0)


def test_lines_that_differ_are_each_a_call(recording: Recording) -> None:
    recording.log(v2()).print(v2(category="docs")).print(v2(), to="stderr")
    assert recording.counts() == (2, 1, 0)


def test_what_one_phase_logs_and_the_next_one_prints_is_one_call(recording: Recording) -> None:
    recording.log(v2())
    assert recording.counts() == (1, 0, 0)
    recording.print(v2())
    assert recording.counts() == (0, 1, 0)


def test_a_line_of_the_test_before_is_another_call(recording: Recording) -> None:
    recording.log(v2())
    recording.capture.begin_test()
    recording.print(v2())
    assert recording.counts() == (2, 0, 0)


def test_the_log_line_of_a_call_that_the_test_recorded_is_left_out(recording: Recording) -> None:
    recording.record().log(v2(time=None)).print(v2())
    assert recording.counts() == (1, 2, 0)


def test_each_call_that_the_test_recorded_leaves_out_one_log_line(recording: Recording) -> None:
    recording.record().record().log(v2()).log(v2()).log(v2())
    assert recording.counts() == (3, 2, 0)


def test_a_log_line_of_other_counts_or_another_end_is_not_left_out(recording: Recording) -> None:
    recording.record(success=True).log(v2(output=901)).log(v2(success=False))
    assert recording.counts() == (3, 0, 0)


def test_a_cut_off_line_tells_a_call_that_does_not_say_so(recording: Recording) -> None:
    recording.record().log(cut_off(output=900)).print(cut_off(output=900))
    assert recording.counts() == (1, 2, 0)
    assert [call.get("truncated") for call in recording.calls] == [True]


def test_what_was_recorded_in_the_test_before_leaves_nothing_out(recording: Recording) -> None:
    recording.record()
    recording.capture.begin_test()
    recording.log(v2())
    assert recording.counts() == (2, 0, 0)


def test_each_line_of_a_text_that_is_read_is_a_call(recording: Recording) -> None:
    recording.capture.read(f"{v2()}\nnothing\n{v2()}\n{v2(output=-1)}\n")
    recording.capture.read(v2())
    assert recording.counts() == (3, 0, 1)


def test_a_line_that_is_read_of_a_call_that_the_test_recorded_is_left_out(recording: Recording) -> None:
    recording.record()
    recording.capture.read(f"{v2()}\n{v2()}\n")
    assert recording.counts() == (2, 1, 0)


@pytest.mark.parametrize("way", ["logged", "printed"])
@pytest.mark.parametrize("before", [True, False])
def test_a_line_that_is_read_and_seen_in_another_way_is_one_call(recording: Recording, way: str, before: bool) -> None:
    """As where a test prints the output of a program that it has run."""
    for step in ("seen", "read") if before else ("read", "seen"):
        if step == "read":
            recording.capture.read(f"{v2(output=7)}\n{v2()}\n")
        elif way == "logged":
            recording.log(v2())
        else:
            recording.print(v2())
    assert recording.counts() == (2, 1, 0)


def test_budget_lines_of_a_text_that_is_read_are_its_own(recording: Recording) -> None:
    recording.capture.read(BUDGET)
    recording.capture.read(f"{BUDGET}\n{v2()}\n{v2()}\n")
    assert [call.get("task_id") for call in recording.calls] == ["phase-7", None]


# Broken to fit a width --------------------------------------------------------------------------------------------


def broken(line: str, columns: int, *, words: bool = True, coloured: bool = False, place: str = "agent.py:12") -> str:
    """``line`` as rich's handler prints it into so many ``columns``, or broken within words."""
    head = "[11/26/26 13:00:36] INFO     "
    width = columns - len(head) - len(place) - 1
    if words:
        parts = textwrap.wrap(line, width, break_on_hyphens=False)
    else:
        parts = [line[at : at + width] for at in range(0, len(line), width)]
    shown = [f"{'' if n else head:{len(head)}}{part:{width}} {'' if n else place}" for n, part in enumerate(parts)]
    text = "\n".join(shown)
    return re.sub(r"=(\w+)", "=\x1b[1m\\1\x1b[0m", text) if coloured else text


LOGGED = v2(time=None, more=" retries=2")
LONG = {"model": "a" * 90, "features": {"a": "b" * 90, "c": "d e f"}}


@pytest.mark.parametrize("columns", [90, 100, 120, 160, 200, 240, 260, 280, 400])
@pytest.mark.parametrize("words", [True, False])
@pytest.mark.parametrize("coloured", [True, False])
@pytest.mark.parametrize("place", ["agent.py:12", ""])
@pytest.mark.parametrize(
    "logged",
    [[LOGGED], [v2(time=None, output=1), LOGGED, LOGGED], [cut_off(time=None)] * 9, [LEGACY], [line(**CALL, **LONG)]],
    ids=["one", "three", "parallel", "legacy", "ours"],
)
def test_a_call_that_is_logged_and_printed_broken_is_one_call(
    recording: Recording, columns: int, words: bool, coloured: bool, place: str, logged: list[str]
) -> None:
    for each in logged:
        recording.log(each)
    shown = [broken(each, columns, words=words, coloured=coloured, place=place) for each in logged]
    recording.print(*shown, "done")
    samples, _, unusable = recording.counts()
    assert (samples, unusable) == (len(logged), 0)


COUNTS = "[TokenEstimationV2] predicted_output=1000 actual_output=900"


@pytest.mark.parametrize(
    ("logged", "printed", "expected"),
    [
        # cut off: behind both counts or within a later word, and before
        ([LOGGED], [f"{COUNTS} smape=10.5% selected_bu"], (1, 1, 0)),
        ([LOGGED], [f"{COUNTS} smape=10.5%   agent.py:12"], (1, 1, 0)),
        ([LOGGED], [f"{COUNTS[:-1]}"], (1, 0, 1)),
        ([LOGGED], [f"{COUNTS} smape=10.6% selected_bu"], (1, 0, 1)),
        ([LOGGED] * 2, [f"{COUNTS} smape=10.5%"] * 3, (2, 2, 1)),
        # whole, and again broken or cut off, in one way
        ([LOGGED], [LOGGED, broken(LOGGED, 120)], (1, 2, 0)),
        ([LOGGED], [LOGGED, f"{COUNTS} smape=10.5%"], (1, 1, 1)),
        # another call
        ([], [broken(LOGGED, 120)], (0, 0, 1)),
        ([LOGGED], [broken(v2(time=None, output=901), 120)], (1, 0, 1)),
        ([LOGGED], [broken(v2(time=None, category="docs"), 120)], (1, 0, 1)),
        ([LOGGED], [broken(v2(time=None, complexity="high"), 120, words=False)], (1, 0, 1)),
        ([LOGGED], [f"{COUNTS} smape=10.5%", "then: tokens=5"], (1, 0, 1)),
        ([v2(time=None)], [broken(v2(time=None).replace("-4-5", "-4-6"), 240)], (2, 0, 0)),
        ([v2(time=None)], [broken(f"{v2(time=None)}-6", 240)], (2, 0, 0)),
        ([v2(time=None)], [broken(v2(time=None)[:-1], 240)], (2, 0, 0)),
        ([v2(time=None)], [broken(v2(time=None), 240).replace("\n", "\nother\n")], (2, 0, 0)),
        # more of them than were logged
        ([LOGGED], [broken(LOGGED, 120)] * 3, (3, 1, 0)),
        # one that cannot be used
        ([v2(time=None, output=-1)], [broken(v2(time=None, output=-1), 120)], (0, 1, 1)),
    ],
)
def test_a_broken_line_is_another_call_unless_a_whole_one_says_all_of_it(
    recording: Recording, logged: list[str], printed: list[str], expected: tuple[int, int, int]
) -> None:
    for each in logged:
        recording.log(each)
    assert recording.print(*printed, "done").counts() == expected


@limits(deadline=None, max_examples=150)
@given(
    st.lists(st.sampled_from([1, 2, 9, 12]), min_size=1, max_size=8),
    st.lists(st.integers(0, 99), max_size=8),
    st.integers(90, 300),
    st.booleans(),
)
def test_calls_that_are_printed_broken_are_the_multiset_maximum(
    logged: list[int], choices: list[int], columns: int, words: bool
) -> None:
    recording = Recording()
    for output in logged:
        recording.log(v2(time=None, output=output))
    printed = [logged[choice % len(logged)] for choice in choices]
    recording.print(*(broken(v2(time=None, output=output), columns, words=words) for output in printed))
    expected = Counter(logged) | Counter(printed)
    assert Counter(recording.outputs) == expected
    assert recording.counts() == (expected.total(), len(logged) + len(printed) - expected.total(), 0)


def test_a_line_that_is_cut_off_is_no_whole_one(recording: Recording) -> None:
    recording.print(f"{COUNTS} smape=10.5% selected_bu").print(f"{COUNTS} smape=10.5%", to="stderr")
    assert recording.counts() == (0, 0, 2)


def test_many_broken_lines_take_no_quadratic_time(recording: Recording) -> None:
    lines = [v2(time=None, output=n) for n in range(3000)]
    with listening(recording.capture):
        for each in lines:
            LOGGER.info(each)
    recording.capture.take_logged()
    recording.print(*(broken(each, 120) for each in lines))
    assert recording.counts() == (3000, 3000, 0)


# What lines say ---------------------------------------------------------------------------------------------------


def test_samples_are_what_lines_say(recording: Recording) -> None:
    found = recording.capture.samples([line(**CALL, category="docs"), line(**{**CALL, "output_tokens": 5})])
    assert [(sample.output_tokens, sample.category) for sample in found] == [(900, "docs"), (5, None)]
    assert recording.counts() == (0, 0, 0)


KINDS = {
    "plain": v2(output=1, time=None),
    "other": v2(output=2, time=None),
    "cut off": cut_off(output=3, time=None),
    "legacy": LEGACY,
    "ours": line(predicted_output_tokens=1000, output_tokens=5, time=datetime(2026, 1, 2, tzinfo=UTC)),
    "unusable": v2(output=-1, time=None),
}
WAYS = ("logging", "stdout", "stderr")


@limits(deadline=None, max_examples=200)
@given(
    st.lists(st.sampled_from([1, 2, 5, 9]), max_size=6),
    st.lists(st.tuples(st.sampled_from(WAYS), st.sampled_from(sorted(KINDS))), max_size=25),
)
def test_a_line_is_as_many_calls_as_the_way_that_shows_it_most_often(
    recorded: list[int], shown: list[tuple[str, str]]
) -> None:
    """By multisets: the union of the ways, less what the test recorded by itself."""
    recording = Recording()
    for output in recorded:
        recording.record(output_tokens=output)
    for way, kind in shown:
        if way == "logging":
            recording.log(KINDS[kind])
        else:
            recording.print(KINDS[kind], to=way)
    union: Counter[str] = Counter()
    for way in WAYS:
        union |= Counter(kind for each, kind in shown if each == way)
    unusable = union.pop("unusable", 0)
    outputs = {"plain": 1, "other": 2, "cut off": 3, "legacy": 128, "ours": 5}
    told = Counter({outputs[kind]: count for kind, count in union.items()})
    known = Counter(recorded)
    assert Counter(recording.outputs) == known + (told - known)
    assert recording.counts() == (
        (known + (told - known)).total(),
        len(shown) - unusable - (told - known).total(),
        unusable,
    )


# The handler ------------------------------------------------------------------------------------------------------


def test_the_root_logger_has_its_handlers_back_at_the_end(recording: Recording) -> None:
    root = logging.getLogger()
    before = list(root.handlers)
    with listening(recording.capture):
        assert len(root.handlers) == len(before) + 1
    assert root.handlers == before


def test_a_test_may_take_all_handlers_away(recording: Recording) -> None:
    with lenient(), listening(recording.capture):
        logging.getLogger().handlers.clear()
    assert recording.counts() == (0, 0, 0)


def test_what_is_logged_outside_of_a_phase_is_not_caught(recording: Recording) -> None:
    LOGGER.info(v2())
    recording.capture.take_logged()
    assert recording.counts() == (0, 0, 0)


def test_what_was_taken_is_not_taken_again(recording: Recording) -> None:
    recording.log(v2())
    recording.capture.take_logged()
    assert recording.counts() == (1, 0, 0)


def test_the_order_is_that_of_the_messages(recording: Recording) -> None:
    with listening(recording.capture):
        for n in (3, 1, 2):
            LOGGER.info(v2(output=n))
        LOGGER.info("called", extra={"token_telemetry": {**CALL, "output_tokens": 9}})
    recording.capture.take_logged()
    assert recording.outputs == [3, 1, 2, 9]


def test_what_a_line_knows_and_the_test_did_not_say_is_added(recording: Recording) -> None:
    recording.record(category="docs").log(v2(1000, 900, time=None, category="tests", success=True, deliverables=3))
    [call] = recording.calls
    assert (call["success"], call["deliverable_count"], call["category"]) == (True, 3, "docs")


@pytest.mark.parametrize("way", ["log", "print", "extra"])
def test_a_record_and_a_line_of_which_one_has_no_prediction_are_one_call(recording: Recording, way: str) -> None:
    recording.record(predicted_output_tokens=None)
    match way:
        case "log":
            recording.log(v2(time=None))
        case "print":
            recording.print(line(**CALL))
        case _:
            recording.log("called", **CALL)
    assert recording.counts() == (1, 1, 0)
    assert recording.calls[0]["predicted_output_tokens"] == 1000


def test_a_line_without_a_prediction_takes_none_from_a_record(recording: Recording) -> None:
    recording.record(category="docs").print(line(output_tokens=900, operation="summarise"))
    [call] = recording.calls
    assert (call["predicted_output_tokens"], call["operation"], call["category"]) == (1000, "summarise", "docs")


def test_a_line_that_knows_more_than_a_call_that_is_on_its_way_is_another_call(recording: Recording) -> None:
    recording.record()
    recording.tape.cut()
    recording.log(v2(1000, 900, time=None))
    assert len(recording.calls) == 2


def test_thousands_of_equal_calls_are_told_apart_from_as_many_lines(recording: Recording) -> None:
    for _ in range(2000):
        recording.record(deliverable_count=3)
    recording.log("\n".join([v2(1000, 900, time=None, deliverables=5)] * 2000))
    assert len(recording.calls) == 4000
