"""Unusable records that say how their calls ended: counted once, whatever file tells of them, and as attempts alone."""

from __future__ import annotations

import json
from array import array
from pathlib import Path

import pytest

from pytest_token_telemetry.sources.dividing import TaskSizes
from pytest_token_telemetry.sources.parallel import Scan
from pytest_token_telemetry.sources.reading import Directory, Reading, UnusableLines, read_directories
from pytest_token_telemetry.sources.tagged.records import Ended
from pytest_token_telemetry.sources.uncounted import Uncounted, no_ends, packed, uncounted
from tests.lines import stamp, v2
from tests.unit.gate import cases
from tests.unit.gate.cases import call, ready


def ends(*calls: tuple[str | None, bool]) -> array[int]:
    found = no_ends()
    found.extend(packed(Ended(truncated, identity)) for identity, truncated in calls)
    return found


def test_copies_in_other_files_are_none_and_equal_calls_of_one_file_are_as_many() -> None:
    one = ends(("a", True), ("a", True), ("b", False), (None, True))
    other = ends(("a", True), ("b", False), ("b", False), (None, False))
    assert uncounted([one, other]) == Uncounted(attempts=2 + 2 + 2, truncated=2 + 1)
    assert uncounted([]) == Uncounted(0, 0)


def read(path: Path, **options: object) -> Reading:
    return read_directories([Directory(path, "d")], ["*"], scan=Scan(jobs=1, **options))  # type: ignore[arg-type]


LOST = [v2(output=None, time=stamp(n), truncated=end) for n, end in enumerate((True, False, None))]


def test_lines_of_the_origin_say_how_they_ended(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text("\n".join([*LOST, v2(time=stamp(9)), ""]))
    (tmp_path / "b.log").write_text("\n".join([*LOST, LOST[0], ""]))
    found = read(tmp_path)
    assert found.uncounted == Uncounted(attempts=4, truncated=2)  # the last of `LOST` ended with end_turn
    assert sum(lines.count for lines in found.unusable.values()) == 7


def test_an_impossible_prediction_hides_no_truncation(tmp_path: Path) -> None:
    """Two truncated calls of three: one says so, the output of one reached its cap."""
    given = [v2(predicted="899.6", time=stamp(n), truncated=end) for n, end in enumerate((True, False))]
    (tmp_path / "a.log").write_text("\n".join([*given, ""]))
    own = {"schema": "token-telemetry/1", "predicted_output_tokens": 899.6, "max_tokens": 1000}
    lines = [json.dumps({**own, "output_tokens": output}) for output in (999, 1000)]
    (tmp_path / "b.jsonl").write_text("\n".join([*lines, ""]))
    found = read(tmp_path)
    assert found.uncounted == Uncounted(attempts=4, truncated=2)
    assert {reason: each.count for reason, each in found.unusable.items()} == {
        "predicted_output is not a whole number": 2,
        "predicted_output_tokens is not a whole number": 2,
    }


def test_calls_with_one_id_are_as_many_whatever_their_records_lack(tmp_path: Path) -> None:
    own = {"schema": "token-telemetry/1", "id": "chatcmpl-123", "finish_reason": "length"}
    lines = [json.dumps({**own, "output_tokens": output}) for output in (None, "abc", -1)]
    for name in ("a.jsonl", "b.jsonl"):
        (tmp_path / name).write_text("\n".join([*lines, ""]))
    assert read(tmp_path).uncounted == Uncounted(attempts=3, truncated=3)


def test_a_word_for_the_end_that_cannot_be_read_is_no_word_for_a_whole_output(tmp_path: Path) -> None:
    """Below the cap, which alone says that they are whole; a reason that says truncated counts."""
    own = {"schema": "token-telemetry/1", "output_tokens": 500, "max_tokens": 1000}
    wrong: list[dict[str, object]] = [{"truncated": "maybe"}, {"finish_reason": ["length"]}]
    lines = [json.dumps({**own, **each}) for each in (*wrong, {"truncated": "maybe", "finish_reason": "length"})]
    (tmp_path / "b.jsonl").write_text("\n".join([*lines, ""]))
    faults = [v2(predicted="9.6", output=None, truncated=True, time=stamp(1)), v2(success="maybe", truncated=True)]
    (tmp_path / "a.log").write_text("\n".join([*faults, v2(predicted="9.6", truncated="maybe", reason="odd"), ""]))
    assert read(tmp_path).uncounted == Uncounted(attempts=3, truncated=3)


def test_calls_of_a_stand_in_in_two_files_are_two_by_their_outputs(tmp_path: Path) -> None:
    own = {"schema": "token-telemetry/1", "id": "x", "predicted_output_tokens": 1.5, "finish_reason": "stop"}
    for name, output in (("a", 500), ("b", 400), ("copy", 400)):
        (tmp_path / f"{name}.jsonl").write_text(f"{json.dumps({**own, 'output_tokens': output})}\n")
    assert read(tmp_path).uncounted == Uncounted(attempts=2, truncated=0)


def test_a_line_of_an_error_is_an_attempt_only_if_it_says_truncated(tmp_path: Path) -> None:
    failed = [v2(output=None, reason="error", truncated=end, time=stamp(n)) for n, end in enumerate((True, False))]
    (tmp_path / "a.log").write_text("\n".join([*failed, ""]))
    own = {"schema": "token-telemetry/1", "finish_reason": "error"}
    (tmp_path / "b.jsonl").write_text("".join(f"{json.dumps({**own, 'truncated': end})}\n" for end in (True, False)))
    assert read(tmp_path).uncounted == Uncounted(attempts=2, truncated=2)


@pytest.mark.parametrize("part", [1000, 1 << 20])
def test_the_parts_of_a_file_have_as_many(tmp_path: Path, part: int) -> None:
    lines = [json.dumps({"schema": "token-telemetry/1", "finish_reason": "length"})] * 50
    (tmp_path / "a.jsonl").write_text("\n".join([*lines, ""]))
    found = read(tmp_path, bounds=TaskSizes(1 << 20, 100, part))
    assert found.uncounted == Uncounted(50, 50)


def lines(count: int) -> dict[str, UnusableLines]:
    return {"output_tokens is missing": UnusableLines(count, ["a.log:1"])}


def test_they_take_part_in_the_truncation_rate_alone() -> None:
    rows = ready(60)
    with_some = cases.judge(cases.reading(rows, uncounted=Uncounted(40, 40), unusable=lines(40)), cases.settings())
    without = cases.judge(cases.reading(rows), cases.settings())
    assert with_some.verdict == "tune"
    assert (with_some.metrics.truncation.events, with_some.metrics.truncation.n) == (40, 100)
    assert with_some.metrics.underestimation == without.metrics.underestimation
    assert with_some.counts.successes == without.counts.successes == 60


def test_truncated_calls_without_a_count_are_beyond_every_cap() -> None:
    """Of 99 outputs, 1% may exceed the largest; with one call beyond it, no cap is known to leave that risk.

    A cap is one above the output.
    """
    rows = [call(None, output, max_tokens=2000) for output in range(1, 100)]
    caps = []
    for k in (0, 1):
        reading = cases.reading(rows, uncounted=Uncounted(k, k), unusable=lines(k) if k else {})
        tuning = cases.judge(reading, cases.settings()).tuning
        assert tuning is not None
        caps.append([cap.max_tokens for cap in tuning.max_tokens[0].caps])
    # ranks ceil(100 * share) of 99, then ceil(101 * share) of 99 and one beyond: share 0.99, 0.98, 0.95
    assert caps == [[100, 99, 96], [None, 100, 97]]


@pytest.mark.parametrize(("calls", "cap", "needed"), [(60, None, 198), (197, None, 198), (198, 101, None)])
def test_a_truncated_call_without_a_count_is_one_of_those_that_a_cap_needs(
    calls: int, cap: int | None, needed: int | None
) -> None:
    """With one endless output of 199, the second largest may be exceeded by 2 of 200."""
    rows = [call(None, 100, max_tokens=2000)] * calls
    reading = cases.reading(rows, uncounted=Uncounted(1, 1), unusable=lines(1))
    tuning = cases.judge(reading, cases.settings()).tuning
    assert tuning is not None
    found = tuning.max_tokens[0].caps[0]
    assert (found.max_tokens, found.samples_needed) == (cap, needed)


@pytest.mark.parametrize("population", ["success", "all"])
def test_the_rates_of_the_origin_leave_them_out(population: str) -> None:
    reading = cases.reading(ready(60), uncounted=Uncounted(40, 40), unusable=lines(40))
    assert cases.judge(reading, cases.settings(population=population)).verdict == "pass"


def test_lengths_alone_are_not_judged_by_them() -> None:
    rows = [call(None, 100, truncated=None, finish_reason=None) for _ in range(60)]
    found = cases.judge(cases.reading(rows, uncounted=Uncounted(3, 0), unusable=lines(3)), cases.settings())
    assert found.verdict == "inconclusive"
