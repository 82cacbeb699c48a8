"""Which records are of a call that a test recorded: by their times, and by what they say."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as limits
from hypothesis import strategies as st

from pytest_token_telemetry.sample import Sample
from pytest_token_telemetry.sources.recorded import KnownCalls, Phase, Recorded, Span, repeats

NOON = datetime(2026, 7, 1, 12)


def at(moment: datetime) -> float:
    """``moment``, of UTC, in seconds since the epoch."""
    return moment.replace(tzinfo=UTC).timestamp()


SPAN = Span(at(NOON), at(NOON + timedelta(minutes=1)))


def sample(predicted: int | None = 900, output: int = 850, **fields: object) -> Sample:
    return Sample(predicted_output_tokens=predicted, output_tokens=output, **fields)


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


# Spans ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("span", [SPAN, Span(0, 0)])
def test_a_line_without_a_time_may_be_of_any_span(span: Span) -> None:
    assert span.covers(None)


@pytest.mark.parametrize("zone", ["UTC0", "CET-1", "EST5", "IST-5:30"])
@pytest.mark.parametrize(
    ("seconds", "covered"),
    [(-1.001, False), (-1, True), (-0.5, True), (0, True), (30, True), (60, True), (61, True), (61.001, False)],
)
def test_a_span_covers_its_seconds_in_utc_and_one_before_and_after(
    local_clock: Callable[[str], None], zone: str, seconds: float, covered: bool
) -> None:
    local_clock(zone)
    assert SPAN.covers(NOON + timedelta(seconds=seconds)) is covered


@pytest.mark.parametrize(("zone", "hours"), [("CET-1", 1), ("EST5", -5), ("IST-5:30", 5.5)])
@pytest.mark.parametrize(("seconds", "covered"), [(-1.001, False), (-1, True), (30, True), (61, True), (61.001, False)])
def test_a_span_covers_its_seconds_by_the_local_clock_too(
    local_clock: Callable[[str], None], zone: str, hours: float, seconds: float, covered: bool
) -> None:
    local_clock(zone)
    assert SPAN.covers(NOON + timedelta(hours=hours, seconds=seconds)) is covered


def test_the_clock_of_another_zone_is_not_covered(local_clock: Callable[[str], None]) -> None:
    local_clock("CET-1")
    assert not SPAN.covers(NOON + timedelta(hours=2))


def test_the_local_clock_is_that_of_the_season(local_clock: Callable[[str], None]) -> None:
    local_clock("CET-1CEST,M3.5.0,M10.5.0/3")
    winter = datetime(2026, 1, 15, 12)
    assert Span(at(winter), at(winter)).covers(winter + timedelta(hours=1))
    assert not Span(at(winter), at(winter)).covers(winter + timedelta(hours=2))
    assert SPAN.covers(NOON + timedelta(hours=2))
    assert not SPAN.covers(NOON + timedelta(hours=1))


@pytest.mark.parametrize(
    ("clock", "covered"),
    [
        ("02:29:58", False),
        ("02:29:59", True),
        ("02:59:59", True),
        ("02:00:00", True),
        ("02:10:01", True),
        ("02:10:02", False),
        ("02:20:00", False),
        ("03:05:00", False),
    ],
)
def test_the_hour_that_the_local_clock_shows_twice_is_covered_where_it_was_shown(
    local_clock: Callable[[str], None], clock: str, covered: bool
) -> None:
    """From 02:30 to 03:00, when clocks went back to 02:00, and on to 02:10."""
    local_clock("CET-1CEST,M3.5.0,M10.5.0/3")
    span = Span(at(datetime(2026, 10, 25, 0, 30)), at(datetime(2026, 10, 25, 1, 10)))
    assert span.covers(datetime.fromisoformat(f"2026-10-25T{clock}")) is covered


@pytest.mark.parametrize("moment", [datetime.min, datetime.max, datetime(1, 1, 1, 5), datetime(9999, 12, 31, 23)])
@pytest.mark.parametrize("zone", ["UTC0", "CET-1", "EST5"])
def test_a_time_that_no_clock_can_show_is_not_covered(
    local_clock: Callable[[str], None], zone: str, moment: datetime
) -> None:
    local_clock(zone)
    assert not SPAN.covers(moment)


@limits(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(-9000, 9000), st.integers(0, 4000), st.sampled_from([0, 1, -2]))
def test_what_is_covered_is_between_the_ends_on_one_of_two_clocks(
    local_clock: Callable[[str], None], seconds: int, length: int, hours: int
) -> None:
    local_clock(f"XXX{-hours}")
    span = Span(at(NOON), at(NOON) + length)
    expected = any(-1 <= shown <= length + 1 for shown in (seconds, seconds - hours * 3600))
    assert span.covers(NOON + timedelta(seconds=seconds)) is expected


def test_a_session_spans_its_phases_in_whatever_order_they_came() -> None:
    phases = (Phase("b", Span(50, 60)), Phase("a", Span(10, 90)), Phase("c", Span(20, 30)))
    assert Recorded(phases=phases).span == Span(10, 90)


def test_a_session_without_phases_spans_nothing() -> None:
    assert Recorded().span == Span(0, 0)


# Repetitions ------------------------------------------------------------------------------------------------------


def test_a_record_of_the_same_counts_may_be_of_the_same_call() -> None:
    assert repeats(sample(), sample())


@pytest.mark.parametrize("other", [sample(901, 850), sample(900, 851), sample(850, 900)])
def test_a_record_of_other_counts_is_of_another_call(other: Sample) -> None:
    assert not repeats(other, sample())
    assert not repeats(sample(), other)


@pytest.mark.parametrize(
    ("name", "one", "other"),
    [("success", True, False), ("budget_tokens", 1, 2), ("deliverable_count", 1, 2), ("id", "x", "y")],
)
def test_a_record_that_contradicts_is_of_another_call(name: str, one: object, other: object) -> None:
    assert not repeats(sample(**{name: one}), sample(**{name: other}))
    assert not repeats(sample(**{name: other}), sample(**{name: one}))


@pytest.mark.parametrize(
    ("name", "value"),
    [("success", False), ("budget_tokens", 1), ("deliverable_count", 1), ("id", "x"), ("predicted", 0)],
)
def test_a_record_that_says_more_or_less_may_be_of_the_same_call(name: str, value: object) -> None:
    assert repeats(sample(**{name: value}), sample(**{name: value}))
    assert repeats(sample(**{name: value}), sample(**{name: None}))
    assert repeats(sample(**{name: None}), sample(**{name: value}))


@pytest.mark.parametrize(
    ("later", "earlier", "repeated"),
    [
        (True, True, True),
        (True, False, False),
        (True, None, True),
        (False, True, False),
        (False, False, True),
        (False, None, True),
        (None, True, True),
        (None, False, True),
        (None, None, True),
    ],
)
def test_a_cut_off_call_is_never_left_out_for_one_that_says_that_it_was_not(
    later: bool | None, earlier: bool | None, repeated: bool
) -> None:
    assert repeats(sample(truncated=later), sample(truncated=earlier)) is repeated


@pytest.mark.parametrize("name", ["category", "complexity", "task_id", "model", "finish_reason_raw", "run"])
def test_how_two_sources_name_things_tells_no_calls_apart(name: str) -> None:
    assert repeats(sample(**{name: "docs"}), sample(**{name: "documentation"}))


# Claims -----------------------------------------------------------------------------------------------------------


def known(*samples: Sample) -> KnownCalls:
    """Knows ``samples`` under the numbers from 0."""
    calls = KnownCalls()
    for number, each in enumerate(samples):
        calls.add(each, number)
    return calls


def test_nothing_is_claimed_where_nothing_is_known() -> None:
    assert KnownCalls().claim(sample()) is None


def test_a_call_is_claimed_once() -> None:
    calls = known(sample())
    assert [calls.claim(sample()) for _ in range(3)] == [0, None, None]


def test_calls_that_look_alike_are_claimed_one_after_the_other() -> None:
    calls = known(sample(), sample(), sample())
    assert [calls.claim(sample()) for _ in range(4)] == [0, 1, 2, None]


def test_what_contradicts_is_passed_over_and_stays() -> None:
    calls = known(sample(success=False), sample(success=True))
    assert calls.claim(sample(success=True)) == 1
    assert calls.claim(sample(success=True)) is None
    assert calls.claim(sample(success=False)) == 0


def test_a_claim_takes_only_a_call_that_it_may_be() -> None:
    calls = known(sample(), sample(), sample())
    assert calls.claim(sample(), lambda number: number > 5) is None
    assert calls.claim(sample(), lambda number: number == 1) == 1
    assert [calls.claim(sample()) for _ in range(3)] == [0, 2, None]


def test_a_call_of_other_counts_is_not_claimed() -> None:
    assert known(sample(900, 851), sample(901, 850)).claim(sample(900, 850)) is None
    assert known(sample(None, 851), sample(900, 851)).claim(sample(None, 850)) is None


def test_a_record_claims_one_with_its_prediction_before_one_where_only_one_has_any() -> None:
    calls = known(sample(None), sample(901), sample(900), sample(900))
    assert [calls.claim(sample(900)) for _ in range(4)] == [2, 3, 0, None]
    calls = known(sample(901), sample(900), sample(None), sample(901))
    assert [calls.claim(sample(None)) for _ in range(5)] == [2, 0, 3, 1, None]


def test_what_contradicts_is_passed_over_where_only_one_has_a_prediction() -> None:
    calls = known(sample(900, success=False), sample(901, success=True), sample(902))
    assert calls.claim(sample(None, success=True)) == 1
    assert calls.claim(sample(None, success=True), lambda number: number != 2) is None
    assert calls.claim(sample(None, success=True)) == 2


def test_a_call_of_unknown_counts_is_the_first_that_it_may_be_and_only_once() -> None:
    calls = KnownCalls()
    for number, output in enumerate((40, 30, 40, 20)):
        calls.add(sample(output=output), number)
    may_be = lambda each: each.output_tokens > 20  # noqa: E731
    assert [calls.claim_first(may_be) for _ in range(4)] == [0, 1, 2, None]
    assert calls.claim(sample(output=40)) is None
    assert calls.claim(sample(output=20)) == 3


def test_thousands_of_predictions_for_one_output_are_claimed_in_order() -> None:
    """Calls that are truncated at one cap have one output; in quadratic time, this would take minutes."""
    calls = known(*(sample(predicted, 4096) for predicted in range(20_000)))
    assert [calls.claim(sample(None, 4096)) for _ in range(20_000)] == list(range(20_000))


COUNTS = st.tuples(st.none() | st.integers(0, 2), st.integers(0, 2))


@limits(deadline=None, max_examples=100)
@given(st.lists(COUNTS, max_size=12), st.lists(COUNTS, max_size=12))
def test_as_many_are_claimed_as_are_known_and_told_of_again(
    first: list[tuple[int | None, int]], second: list[tuple[int | None, int]]
) -> None:
    calls = known(*(sample(*counts) for counts in first))
    left = list(enumerate(first))
    for predicted, output in second:
        candidates = [
            (each != predicted, first.index((each, output)), number)
            for number, (each, of_output) in left
            if of_output == output and (each == predicted or None in (each, predicted))
        ]
        expected = min(candidates)[-1] if candidates else None
        assert calls.claim(sample(predicted, output)) == expected
        left = [each for each in left if each[0] != expected]
