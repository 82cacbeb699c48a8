"""What is recorded between two reports, which report carries it, and what arrives from the workers of xdist."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import cast
from unittest.mock import ANY

import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st

from pytest_token_telemetry.recording.tape import Arrivals, Tape
from pytest_token_telemetry.recording.writer import TokenTelemetryWriter
from pytest_token_telemetry.sources.tagged.records import Ended


def report() -> pytest.TestReport:
    """All that a tape asks of one: to be a thing of its own, and to take an attribute."""
    return cast("pytest.TestReport", SimpleNamespace())


def carried(made: pytest.TestReport) -> object:
    return getattr(made, "token_telemetry", None)


def piece(*lines: str, repeated: int = 0, ends: Sequence[bool] = (), **unusable: int) -> dict[str, object]:
    return {"lines": list(lines), "unusable": unusable, "ends": [*ends], "repeated": repeated, "began": ANY}


def test_nothing_makes_no_piece() -> None:
    tape = Tape(None)
    assert tape.cut() is None
    assert tape.rest() is None


def test_a_piece_has_all_since_the_last_one() -> None:
    tape = Tape(None)
    tape.add("a")
    tape.add("b")
    assert tape.cut() == piece("a", "b")
    tape.add("c")
    assert tape.cut() == piece("c")
    assert tape.cut() is None


def test_unusable_records_are_counted_by_reason() -> None:
    tape = Tape(None)
    for reason in ("late", "old", "late"):
        tape.add_unusable(reason)
    tape.add_unusable("late", Ended(truncated=True, identity="a"))
    assert tape.cut() == piece(late=3, old=1, ends=[True])


def test_repeated_records_are_counted() -> None:
    tape = Tape(None)
    tape.add_repeated()
    tape.add_repeated()
    assert tape.cut() == piece(repeated=2)


def test_lines_that_may_be_completed_are_written_when_the_tape_is_cut(tmp_path: Path) -> None:
    path = tmp_path / "calls.jsonl"
    tape = Tape(TokenTelemetryWriter(path), lambda: True)
    number = tape.add("a")
    assert path.read_text() == ""
    assert tape.replace(number, "a and more")
    tape.attach(report())
    assert path.read_text() == "a and more\n"
    tape.begin_test()  # the report was not told: the line is on the tape again, and in the file already
    tape.add("b")
    tape.attach(report())
    assert path.read_text() == "a and more\nb\n"


def test_records_that_could_not_be_used_are_lines_too(tmp_path: Path) -> None:
    path = tmp_path / "calls.jsonl"
    tape = Tape(TokenTelemetryWriter(path))
    tape.add_unusable("late", Ended(truncated=True, identity="a"))
    tape.add_unusable("late")
    cut = tape.cut()
    assert cut is not None
    tape.write_unusable([cut])
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(line["unusable"], line.get("truncated")) for line in lines] == [("late", True), ("late", None)]


def test_a_piece_is_made_of_what_can_be_sent_to_another_process() -> None:
    tape = Tape(None)
    tape.add("a")
    tape.add_unusable("late")
    made = report()
    tape.attach(made)
    tape.begin_test()
    cut = tape.cut()
    assert cut is not None
    assert [type(value) for value in cut.values()] == [list, dict, list, int, float]


def test_the_lines_of_a_test_stay_until_the_next_one_begins() -> None:
    tape = Tape(None)
    tape.add("a")
    tape.cut()
    tape.add("b")
    assert tape.test == ["a", "b"]
    tape.begin_test()
    assert tape.test == []
    tape.add("c")
    assert tape.test == ["c"]


def test_a_report_carries_the_piece_of_its_phase() -> None:
    tape = Tape(None)
    setup, call = report(), report()
    tape.add("a")
    tape.attach(setup)
    tape.add("b")
    tape.attach(call)
    assert [carried(setup), carried(call)] == [piece("a"), piece("b")]


def test_a_report_of_a_phase_that_recorded_nothing_carries_nothing() -> None:
    silent = report()
    Tape(None).attach(silent)
    assert not hasattr(silent, "token_telemetry")


def test_what_was_told_is_not_carried_again() -> None:
    tape = Tape(None)
    made = report()
    tape.add("a")
    tape.attach(made)
    tape.told(made)
    tape.begin_test()
    assert tape.rest() is None


def test_what_was_never_told_is_taken_back_when_the_next_test_begins() -> None:
    tape = Tape(None)
    tape.add("a")
    tape.add_unusable("late", Ended(truncated=False, identity=None))
    tape.add_repeated()
    tape.attach(report())
    tape.begin_test()
    tape.add("b")
    tape.add_unusable("late", Ended(truncated=True, identity=None))
    tape.add_unusable("old")
    tape.add_repeated()
    made = report()
    tape.attach(made)
    assert carried(made) == piece("a", "b", repeated=2, ends=[False, True], late=2, old=1)


def test_what_was_taken_back_is_no_line_of_the_next_test() -> None:
    tape = Tape(None)
    tape.add("a")
    tape.attach(report())
    tape.begin_test()
    assert tape.test == []


def test_what_was_taken_back_stays_in_its_order() -> None:
    tape = Tape(None)
    for phase in ("setup", "call", "teardown"):
        tape.add(phase)
        tape.attach(report())
    tape.add("end")
    assert tape.rest() == piece("setup", "call", "teardown", "end")


def test_a_copy_of_a_report_may_be_told() -> None:
    """As pytest makes one for a subtest."""
    tape = Tape(None)
    made = report()
    tape.add("a")
    tape.attach(made)
    tape.told(copy.copy(made))
    assert tape.rest() is None


def test_only_the_report_that_was_told_is_on_its_way() -> None:
    """What it carries may look like what another carries."""
    tape = Tape(None)
    lost, told = report(), report()
    for made in (lost, told):
        tape.add("a")
        tape.attach(made)
    tape.told(told)
    tape.told(report())
    assert tape.rest() == piece("a")


def test_a_piece_that_is_taken_back_is_taken_once() -> None:
    tape = Tape(None)
    tape.add("a")
    tape.attach(report())
    assert tape.rest() == piece("a")
    assert tape.rest() is None


class Clock:
    """Shows the same time until it is set."""

    def __init__(self) -> None:
        self.shows = 0.0

    def __call__(self) -> float:
        return self.shows


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr("pytest_token_telemetry.recording.tape.time", made)
    return made


def begins(tape: Tape) -> float:
    cut = tape.cut()
    assert cut is not None
    return cut["began"]


def test_each_piece_of_a_test_knows_when_the_test_began(clock: Clock) -> None:
    clock.shows = 10
    tape = Tape(None)
    tape.add("before any test")
    assert begins(tape) == 10
    clock.shows = 20
    tape.begin_test()
    for later in (21, 22):
        clock.shows = later
        tape.add("a")
        assert begins(tape) == 20
    clock.shows = 30
    tape.begin_test()
    tape.add("b")
    assert begins(tape) == 30


def test_what_was_taken_back_began_with_its_own_test(clock: Clock) -> None:
    tape = Tape(None)
    for begin in (10, 20, 30):
        clock.shows = begin
        tape.begin_test()
        tape.add("a")
        tape.attach(report())
    clock.shows = 40
    tape.begin_test()
    assert begins(tape) == 10


def test_each_line_is_written_at_once(tmp_path: Path) -> None:
    path = tmp_path / "calls.jsonl"
    tape = Tape(TokenTelemetryWriter(path))
    for n, line in enumerate(("a", "größe", "c")):
        tape.add(line)
        assert len(path.read_text(encoding="utf-8").splitlines()) == n + 1
    assert path.read_text(encoding="utf-8") == "a\ngröße\nc\n"


def test_what_is_taken_back_is_not_written_again(tmp_path: Path) -> None:
    tape = Tape(TokenTelemetryWriter(tmp_path / "calls.jsonl"))
    tape.add("a")
    tape.attach(report())
    tape.rest()
    assert (tmp_path / "calls.jsonl").read_text(encoding="utf-8") == "a\n"


STEPS = st.sampled_from(["add", "unusable", "repeated", "attach and tell", "attach", "begin"])


@limits(deadline=None)
@given(st.lists(STEPS, max_size=30))
def test_every_line_arrives_once_and_in_order_whichever_reports_are_told(steps: list[str]) -> None:
    """In order for each report, and for what no report has carried away."""
    tape = Tape(None)
    lines, unusable, repeated = [], 0, 0
    arrived: list[str] = []
    pieces: list[list[str]] = []
    for n, step in enumerate(steps):
        if step == "add":
            lines.append(f"{n:02}")
            tape.add(f"{n:02}")
        elif step == "unusable":
            unusable += 1
            tape.add_unusable("late")
        elif step == "repeated":
            repeated += 1
            tape.add_repeated()
        elif step == "begin":
            tape.begin_test()
        else:
            made = report()
            tape.attach(made)
            if step == "attach and tell":
                tape.told(made)
                pieces.append(carried(made) or piece())
    pieces.append(tape.rest() or piece())
    for each in pieces:
        assert each["lines"] == sorted(each["lines"])
        arrived.extend(each["lines"])
    assert sorted(arrived) == lines
    assert sum(each["unusable"].get("late", 0) for each in pieces) == unusable
    assert sum(each["repeated"] for each in pieces) == repeated


# Workers of xdist, where a real one cannot be made to die at will --------------------------------------------------


def arrivals(dist: str) -> Arrivals:
    return Arrivals(cast("pytest.Config", SimpleNamespace(getoption=lambda name, default: dist, stash=pytest.Stash())))


def worker(name: str) -> SimpleNamespace:
    return SimpleNamespace(gateway=SimpleNamespace(id=name), workeroutput={})


def test_every_worker_that_ends_well_ran_each_test_once() -> None:
    arrived = arrivals("each")
    for name in ("gw0", "gw1"):
        arrived.pytest_testnodedown(worker(name), None)
    assert arrived.recorded().copies == 2


def test_a_dead_worker_is_none_beside_the_one_that_replaces_it() -> None:
    arrived = arrivals("each")
    arrived.pytest_testnodedown(worker("gw0"), "Not properly terminated")
    for name in ("gw1", "gw2"):
        arrived.pytest_testnodedown(worker(name), None)
    assert arrived.recorded().copies == 2
    assert arrived.recorded().lost == {"worker gw0": "it died between two tests"}


def test_workers_that_share_the_tests_ran_each_once_together() -> None:
    arrived = arrivals("load")
    for name in ("gw0", "gw1"):
        arrived.pytest_testnodedown(worker(name), None)
    assert arrived.recorded().copies == 1
