"""What tests recorded, together with what directories hold: each call counts once."""

from __future__ import annotations

import itertools
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st

from pytest_token_telemetry.sources.own_format import line
from pytest_token_telemetry.sources.parallel import Progress, Scan
from pytest_token_telemetry.sources.reading import Directory, File, Reading, UnusableLines, read_directories
from pytest_token_telemetry.sources.recorded import Phase, Recorded, Span
from pytest_token_telemetry.sources.source import Sizes
from pytest_token_telemetry.sources.uncounted import Uncounted
from tests.lines import cut_off, v2, write

TEST = "tests/test_agent.py::test_it"
AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SPAN = Span(AT.timestamp(), AT.timestamp() + 10)
LATER = Span(SPAN.began + 100, SPAN.ended + 100)


def call(**fields: object) -> str:
    return line(**{"predicted_output_tokens": 1000, "output_tokens": 900, "time": AT, **fields})


def phase(*lines: str, test: str = TEST, span: Span = SPAN, unusable: dict[str, int] | None = None) -> Phase:
    return Phase(test, span, lines, unusable or {})


def read(logs: Path, *phases: Phase, **options: object) -> Reading:
    """What is below ``logs``, and what was recorded in ``phases``."""
    return read_directories(
        [Directory(logs, "logs")], ["*.log", "*.jsonl"], recorded=Recorded(phases=phases), **options
    )


def counts(reading: Reading) -> tuple[int, int]:
    """Samples and duplicates."""
    return len(reading.samples), reading.duplicates


def places(reading: Reading) -> list[tuple[str, int]]:
    """Where each sample is from."""
    files, lines = reading.samples.file.tolist(), reading.samples.line.tolist()
    return [(reading.files[file].path, ordinal) for file, ordinal in zip(files, lines, strict=True)]


def test_each_file_and_test_says_what_became_of_its_records(tmp_path: Path) -> None:
    """`a.jsonl` has two calls, `b.jsonl` a copy, a call and two lines that say no count; `c.log` is cut off."""
    (tmp_path / "a.jsonl").write_text("".join(f"{call(id=each)}\n" for each in "xy"))
    lost = json.dumps({"schema": "token-telemetry/1", "id": "z"})
    (tmp_path / "b.jsonl").write_text("".join(f"{each}\n" for each in (call(id="y"), call(id="w"), lost, lost)))
    whole = v2(700, 600, time="2026-01-03 03:04:05,000")
    (tmp_path / "c.log").write_text(f"{whole}\n")
    (tmp_path / "d.log").write_text(whole[: whole.index(" stop_reason")])
    recorded = Recorded(phases=(phase(call(id="v"), unusable={"a call failed": 4}),))
    found = read_directories([Directory(tmp_path, "logs")], ["*"], recorded=recorded)
    assert [(each.path, each.samples, each.duplicates, each.unusable) for each in found.files] == [
        (TEST, 1, 0, 4),
        ("logs/a.jsonl", 2, 0, 0),
        ("logs/b.jsonl", 1, 1, 2),
        ("logs/c.log", 1, 0, 0),
        ("logs/d.log", 0, 1, 0),
    ]
    assert found.duplicates == 2
    assert sum(each.unusable for each in found.files) == sum(each.count for each in found.unusable.values()) == 6


@pytest.fixture
def local_clock() -> Iterator[Callable[[str], None]]:
    """Sets the local clock to a time zone, as POSIX writes it, for the time of a test."""
    if not hasattr(time, "tzset"):
        pytest.skip("the time zone of a process cannot be set here")
    with pytest.MonkeyPatch.context() as patch:

        def set_to(zone: str) -> None:
            patch.setenv("TZ", zone)
            time.tzset()

        yield set_to
    time.tzset()


# What tests recorded ----------------------------------------------------------------------------------------------


def test_a_test_that_recorded_is_a_place_of_samples(tmp_path: Path) -> None:
    found = read(tmp_path, phase(call(category="docs"), call(category="tests")))
    assert found.files == (File(TEST, 2, "test"),)
    assert [found.samples.category.name(row) for row in range(2)] == ["docs", "tests"]
    assert places(found) == [(TEST, 1), (TEST, 2)]


def test_the_phases_of_a_test_are_one_place(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        phase(call()),
        phase(call(), test="other"),
        phase(call(), call(), span=LATER),
        phase(call(), span=LATER),
    )
    assert found.files == (File(TEST, 4, "test"), File("other", 1, "test"))
    assert places(found) == [(TEST, 1), ("other", 1), (TEST, 2), (TEST, 3), (TEST, 4)]


def test_tests_come_before_files(tmp_path: Path) -> None:
    found = read(write(tmp_path, [v2(output=1)]), phase(call(), test="z"), phase(call(), test="a"))
    assert found.files == (File("z", 1, "test"), File("a", 1, "test"), File("logs/run-1/agent.log", 1, "file", "logs"))
    assert places(found) == [("z", 1), ("a", 1), ("logs/run-1/agent.log", 1)]


def test_files_and_tests_with_samples_are_counted_apart(tmp_path: Path) -> None:
    found = read(write(tmp_path, []), phase(call()), phase(test="silent"))
    assert (found.count("file"), found.count("test")) == (1, 1)


def test_no_directory_has_to_be_read(tmp_path: Path) -> None:
    found = read_directories([], ["*.log"], recorded=Recorded(phases=(phase(call()),)))
    assert counts(found) == (1, 0)


def test_what_was_recorded_is_kept_with_what_was_read(tmp_path: Path) -> None:
    recorded = Recorded(phases=(phase(call()),), deselected=3)
    assert read_directories([], [], recorded=recorded).recorded is recorded
    assert read_directories([], []).recorded is None


def test_calls_with_one_id_that_tests_recorded_are_each_a_call(tmp_path: Path) -> None:
    """Servers that stand in for a provider may give every call the same id."""
    found = read(tmp_path, phase(call(id="x"), call(id="x")), phase(call(id="x"), test="other"))
    assert counts(found) == (3, 0)


def test_unusable_and_repeated_records_are_counted_with_their_test(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        Phase(TEST, SPAN, (call(),), {"it is late": 2, "it is old": 1}, 3),
        Phase(TEST, LATER, (), {"it is late": 5}, 4, ends=(True, False, True)),
    )
    assert found.uncounted == Uncounted(attempts=3, truncated=2)
    assert counts(found) == (1, 7)
    assert found.unusable == {
        "it is late": UnusableLines(7, [TEST, TEST]),
        "it is old": UnusableLines(1, [TEST]),
    }


def test_tests_and_files_share_the_places_of_a_reason(tmp_path: Path) -> None:
    reason = "actual_output is negative"
    write(tmp_path, [v2(output=-1)] * 3, "a.log")
    found = read(tmp_path, phase(unusable={reason: 9}), phase(test="other", unusable={reason: 1}))
    assert found.unusable == {reason: UnusableLines(13, [TEST, "other", "logs/a.log:1"])}


def test_a_recorded_line_that_cannot_be_used_is_counted(tmp_path: Path) -> None:
    broken = call().replace("900", '"many"')
    found = read(tmp_path, phase(broken, call()))
    assert counts(found) == (1, 0)
    assert found.unusable == {"output_tokens is not a whole number": UnusableLines(1, [TEST])}


def test_tests_that_were_lost_are_told_with_what_could_not_be_read(tmp_path: Path) -> None:
    (tmp_path / "gone.log").symlink_to("nowhere")
    found = read_directories([Directory(tmp_path, "logs")], ["*.log"], recorded=Recorded(lost={TEST: "it died"}))
    assert found.unreadable == {"logs/gone.log": "the link leads to nothing", TEST: "it died"}


def test_progress_tells_no_tests_among_the_files(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(b"x" * 15)
    told: list[tuple[int, int]] = []
    scan = Scan(sizes=Sizes(10), progress=Progress(lambda *so_far: told.append(so_far)))
    read(tmp_path, phase(call()), phase(call(), test="b"), scan=scan)
    assert told == [(1, 10), (1, 15)]


@pytest.mark.parametrize(
    "text", ["token-telemetry/1", "[TokenEstimationV2]", "[TokenEstimation] Predicted: 5", "see [TOKEN_BUDGET] here"]
)
@pytest.mark.parametrize("field", ["category", "task_id", "id", "finish_reason"])
def test_a_text_that_looks_like_a_tag_is_a_text(tmp_path: Path, field: str, text: str) -> None:
    found = read(tmp_path, phase(call(**{field: text}), call(features={text: text})))
    assert (*counts(found), found.unusable) == (2, 0, {})
    assert found.samples.features == {1: {text: text}}


# The same calls in files ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [-1, 0, 5, 11])
def test_a_log_line_of_a_recorded_call_is_that_call_by_the_local_clock(
    tmp_path: Path, local_clock: Callable[[str], None], seconds: int
) -> None:
    local_clock("EST5")
    shown = (AT + timedelta(hours=-5, seconds=seconds)).strftime("%Y-%m-%d %H:%M:%S")
    assert counts(read(write(tmp_path, [v2(time=shown)]), phase(call()))) == (1, 1)


@pytest.mark.parametrize("zone", ["Z", "+00:00", "+0000"])
@pytest.mark.parametrize("seconds", [-1, 0, 5, 11])
def test_a_log_line_of_a_recorded_call_is_that_call_by_its_time_zone(
    tmp_path: Path, local_clock: Callable[[str], None], seconds: int, zone: str
) -> None:
    local_clock("EST5")
    shown = (AT + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S")
    assert counts(read(write(tmp_path, [v2(time=f"{shown}{zone}")]), phase(call()))) == (1, 1)


def test_a_log_line_with_the_time_of_another_zone_is_that_call(
    tmp_path: Path, local_clock: Callable[[str], None]
) -> None:
    local_clock("EST5")
    assert counts(read(write(tmp_path, [v2(time="2026-01-02T06:04:05+03:00")]), phase(call()))) == (1, 1)


def test_a_log_line_without_a_time_is_that_call(tmp_path: Path) -> None:
    assert counts(read(write(tmp_path, [v2(time=None)]), phase(call()))) == (1, 1)


@pytest.mark.parametrize("seconds", [-2, 12, 3600, -86400])
def test_a_log_line_of_another_time_is_another_call(
    tmp_path: Path, local_clock: Callable[[str], None], seconds: int
) -> None:
    local_clock("UTC0")
    shown = (AT + timedelta(seconds=seconds)).strftime("%Y-%m-%d %H:%M:%S")
    assert counts(read(write(tmp_path, [v2(time=shown)]), phase(call()))) == (2, 0)


def test_a_line_between_two_phases_is_another_call(tmp_path: Path) -> None:
    """The session lasted from the first to the last, but none of them recorded then."""
    shown = (AT + timedelta(seconds=50)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert counts(read(write(tmp_path, [v2(time=shown)]), phase(call()), phase(call(), span=LATER))) == (3, 0)


def test_a_line_is_of_the_phase_that_its_time_tells(tmp_path: Path) -> None:
    shown = (AT + timedelta(seconds=105)).strftime("%Y-%m-%dT%H:%M:%SZ")
    write(tmp_path, [v2(time=shown), v2(time=shown, more=" retry=1")])
    assert counts(read(tmp_path, phase(call()), phase(call(), span=LATER))) == (3, 1)


@pytest.mark.parametrize("other", [v2(1001, time=None), v2(output=901, time=None), v2(900, 1000, time=None)])
def test_a_line_of_other_counts_is_another_call(tmp_path: Path, other: str) -> None:
    assert counts(read(write(tmp_path, [other]), phase(call()))) == (2, 0)


def test_a_line_that_contradicts_is_another_call(tmp_path: Path) -> None:
    assert counts(read(write(tmp_path, [v2(time=None, success=False)]), phase(call(success=True)))) == (2, 0)


def test_a_cut_off_line_tells_a_recorded_call_that_it_was_cut_off(tmp_path: Path) -> None:
    found = read(write(tmp_path, [cut_off(output=900, time=None)]), phase(call()))
    assert counts(found) == (1, 1)
    assert found.samples.truncated.tolist() == [1]


@pytest.mark.parametrize("task", [None, "p"])
def test_a_copy_with_the_id_of_a_recorded_call_tells_that_it_was_cut_off(tmp_path: Path, task: str | None) -> None:
    written = call(id="x", finish_reason="max_tokens", task_id=task)
    found = read(write(tmp_path, [written], "a.jsonl"), phase(call(id="x")))
    assert counts(found) == (1, 1)
    assert found.samples.truncated.tolist() == [1]


def test_a_copy_that_does_not_say_so_takes_nothing_back(tmp_path: Path) -> None:
    recorded = phase(call(id="x", truncated=True, task_id="p"))
    written = [call(id="x"), call(id="x", truncated=False), call(id="x", truncated=False, task_id="p")]
    found = read(write(tmp_path, written, "a.jsonl"), recorded)
    assert counts(found) == (1, 3)
    assert found.samples.truncated.tolist() == [1]


def test_as_many_lines_are_left_out_as_calls_were_recorded(tmp_path: Path) -> None:
    found = read(write(tmp_path, [v2(time=None)] * 5), phase(call(), call(), call()))
    assert counts(found) == (5, 3)
    assert [file.samples for file in found.files] == [3, 2]


def test_a_line_of_our_own_is_its_recorded_call_whenever_it_was_written(tmp_path: Path) -> None:
    """Its time is the call's own, which the test may have given."""
    recorded = call(time=AT - timedelta(days=3))
    assert counts(read(write(tmp_path, [recorded], "a.jsonl"), phase(recorded))) == (1, 1)


def test_a_line_of_our_own_with_the_same_id_is_its_recorded_call(tmp_path: Path) -> None:
    written = call(id="x", time=AT - timedelta(days=3), category="docs")
    assert counts(read(write(tmp_path, [written], "a.jsonl"), phase(call(id="x")))) == (1, 1)


def test_a_line_with_another_id_is_another_call(tmp_path: Path) -> None:
    assert counts(read(write(tmp_path, [call(id="y")], "a.jsonl"), phase(call(id="x")))) == (2, 0)


def test_a_line_of_our_own_without_an_id_is_that_call_if_it_was_written_at_once(tmp_path: Path) -> None:
    for later, expected in ((timedelta(milliseconds=100), (1, 1)), (timedelta(milliseconds=101), (2, 0))):
        written = [call(time=AT + later, category="docs")]
        assert counts(read(write(tmp_path, written, "a.jsonl"), phase(call(time=AT)))) == expected


def test_a_line_of_our_own_may_be_written_before_the_call_is_recorded(tmp_path: Path) -> None:
    for earlier, expected in ((timedelta(milliseconds=100), (1, 1)), (timedelta(milliseconds=101), (2, 0))):
        written = [call(time=AT, category="docs")]
        assert counts(read(write(tmp_path, written, "a.jsonl"), phase(call(time=AT + earlier)))) == expected


@pytest.mark.parametrize(
    ("written", "recorded", "expected"), [("b", "a", (2, 0)), (None, "a", (1, 1)), ("a", None, (1, 1))]
)
def test_a_line_of_our_own_about_another_task_is_another_call(
    tmp_path: Path, written: str | None, recorded: str | None, expected: tuple[int, int]
) -> None:
    lines = [call(task_id=written, category="docs")]
    assert counts(read(write(tmp_path, lines, "a.jsonl"), phase(call(task_id=recorded)))) == expected


def test_what_a_file_knows_of_a_recorded_call_is_added_to_it(tmp_path: Path) -> None:
    found = read(write(tmp_path, [v2(time=None, success=True)]), phase(call()))
    assert (found.samples.success.tolist(), found.samples.budget_tokens.tolist()) == ([1], [8192])


@pytest.mark.parametrize(
    ("recorded", "written", "expected"),
    [
        (call(predicted_output_tokens=None), v2(time=None), [1000]),
        (call(predicted_output_tokens=None, id="x"), call(id="x"), [1000]),
        (call(id="x"), call(predicted_output_tokens=None, id="x"), [1000]),
        (call(), call(predicted_output_tokens=None, operation="summarise"), [1000]),
        (call(predicted_output_tokens=None), call(predicted_output_tokens=None, id="x"), [-1]),
        (call(predicted_output_tokens=None), call(output_tokens=901), [-1, 1000]),
    ],
)
def test_a_record_and_a_line_of_which_one_has_no_prediction_are_one_call(
    tmp_path: Path, recorded: str, written: str, expected: list[int]
) -> None:
    found = read(write(tmp_path, [written], "a.jsonl"), phase(recorded))
    assert found.samples.predicted_output_tokens.tolist() == expected
    assert found.duplicates == 2 - len(expected)


def test_lines_of_files_with_one_id_are_one_call_if_both_or_none_have_the_prediction(tmp_path: Path) -> None:
    none, some = call(id="x", predicted_output_tokens=None), call(id="x")
    write(tmp_path, [none, some, none], "a.jsonl")
    assert counts(read(write(tmp_path, [some, none], "b.jsonl"))) == (2, 3)


def test_a_stand_in_gives_every_answer_the_same_id(tmp_path: Path) -> None:
    written = [call(id="stub", time=AT + timedelta(seconds=n)) for n in (0, 1, 2, 2)]
    assert counts(read(write(tmp_path, written, "a.jsonl"))) == (3, 1)
    assert counts(read(write(tmp_path, written, "b.jsonl"))) == (3, 5)


@pytest.mark.parametrize("recorded", [True, False])
def test_a_line_of_our_own_without_a_time_is_a_call(tmp_path: Path, recorded: bool) -> None:
    timeless = json.dumps({"schema": "token-telemetry/1", "predicted_output_tokens": 1000, "output_tokens": 900})
    lines = (call(), timeless) if recorded else (timeless, call())
    assert counts(read(write(tmp_path, [lines[0]], "a.jsonl"), phase(lines[1]))) == (2, 0)


def test_a_log_line_of_a_recorded_call_is_of_any_task(tmp_path: Path) -> None:
    """The log may name the task by other words."""
    assert counts(read(write(tmp_path, [v2(time=None, more=" task_id=b")]), phase(call(task_id="a")))) == (1, 1)


def test_lines_with_one_id_and_other_counts_are_other_calls(tmp_path: Path) -> None:
    written = [call(id="x", output_tokens=901), call(id="x", predicted_output_tokens=1001)]
    assert counts(read(write(tmp_path, written, "a.jsonl"), phase(call(id="x")))) == (3, 0)


def test_copies_of_a_log_line_of_a_recorded_call_are_duplicates(tmp_path: Path) -> None:
    for name in ("b.log", "c/d.log", "e.log"):
        write(tmp_path, [v2(time="2026-01-02T03:04:06Z")], name)
    assert counts(read(tmp_path, phase(call()))) == (1, 3)


def test_copies_of_a_log_line_take_no_other_recorded_call(tmp_path: Path) -> None:
    copied, other = v2(time="2026-01-02T03:04:06Z"), v2(time="2026-01-02T03:04:07Z")
    write(tmp_path, [copied], "a.log")
    write(tmp_path, [copied, other], "b.log")
    assert counts(read(tmp_path, phase(call(), call()))) == (2, 3)


def test_a_budget_record_above_a_line_of_a_recorded_call_is_no_obstacle(tmp_path: Path) -> None:
    budget = "[TOKEN_BUDGET] phase=p complexity=low input=1 output=900/16384 total=2"
    assert counts(read(write(tmp_path, [budget, v2(time=None)]), phase(call()))) == (1, 1)


def test_what_no_report_carried_may_be_of_any_time(tmp_path: Path) -> None:
    carried = phase(call(), test="worker gw0", span=Span(0.0, 2.0**31))
    assert counts(read(write(tmp_path, [v2()]), carried)) == (1, 1)


# For any calls ----------------------------------------------------------------------------------------------------

CALLS = st.builds(
    call,
    predicted_output_tokens=st.sampled_from([1000, 1000, None]),
    output_tokens=st.sampled_from([900, 901]),
    id=st.sampled_from([None, "x", "y"]),
    task_id=st.sampled_from([None, "p", "q"]),
    max_tokens=st.sampled_from([None, 4096]),
    success=st.sampled_from([None, True, False]),
    truncated=st.sampled_from([None, True, False]),
    time=st.sampled_from([AT, AT + timedelta(seconds=1), AT + timedelta(days=1)]),
    features=st.sampled_from([None, {"retries": 1}]),
)
RECORDED = st.lists(st.lists(CALLS, max_size=4), max_size=4)
FACTS = ("output_tokens", "success", "truncated")
FLAGS = {True: 1, False: 0, None: -1, 900: 900, 901: 901}


def facts(reading: Reading) -> Counter[tuple[int, ...]]:
    columns = [getattr(reading.samples, name).tolist() for name in FACTS]
    return Counter(zip(*columns, strict=True))


def said(line: str) -> tuple[int, ...]:
    """What ``line`` says. Where it has a cap, its output is below it: not truncated, unless it says that it was."""
    fields = json.loads(line)
    fields.setdefault("truncated", False if "max_tokens" in fields else None)
    return tuple(FLAGS[fields.get(name)] for name in FACTS)


@limits(deadline=None, max_examples=100)
@given(RECORDED, st.data())
def test_copies_of_recorded_lines_in_files_change_nothing_in_any_order_and_number(
    tmp_path_factory: pytest.TempPathFactory, recorded: list[list[str]], choice: st.DataObject
) -> None:
    lines = list(itertools.chain(*recorded))
    copies = choice.draw(st.permutations([each for each in lines for _ in range(choice.draw(st.integers(0, 3)))]))
    half = choice.draw(st.integers(0, len(copies)))
    logs = tmp_path_factory.mktemp("logs")
    write(logs, copies[:half], "a.jsonl")
    write(logs, copies[half:], "b.jsonl")
    found = read(logs, *(phase(*each, test=f"test_{n}") for n, each in enumerate(recorded)))
    assert counts(found) == (len(lines), len(copies))
    assert facts(found) == Counter(said(each) for each in lines)


@limits(deadline=None, max_examples=100)
@given(st.lists(st.integers(0, 2), max_size=8), st.lists(st.integers(0, 2), max_size=8))
def test_log_lines_without_a_time_count_where_they_are_more_than_was_recorded(
    tmp_path_factory: pytest.TempPathFactory, recorded: list[int], logged: list[int]
) -> None:
    logs = write(tmp_path_factory.mktemp("logs"), [v2(output=output, time=None) for output in logged])
    found = read(logs, phase(*(call(output_tokens=output) for output in recorded)))
    expected = Counter(recorded) | Counter(logged)
    assert Counter(found.samples.output_tokens.tolist()) == expected
    assert found.duplicates == len(recorded) + len(logged) - expected.total()
