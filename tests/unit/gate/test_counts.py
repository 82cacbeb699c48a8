"""What is counted of all that was read."""

from __future__ import annotations

from msgspec import convert

from pytest_token_telemetry.gate.findings import Counts
from tests.unit.gate.cases import call, cut_off, ready, verdict


def test_samples_that_are_odd_are_counted_by_what_is_odd():
    rows = [
        *ready(27),
        *[call(output=8193)] * 2,  # above the budget of 8192
        *[cut_off(output=8193)] * 5,
        *[cut_off(truncation_source="cap")] * 3,
        *[cut_off(truncation_source="reason")] * 4,
        *[call(0, 5), call(5, 0), call(5, 0), call(5, 1), call(1, 5)],  # the first three have no ratio
    ]
    found = verdict(rows).counts
    assert (found.over_budget, found.by_cap, found.no_ratio) == (2, 3, 3)


def test_what_an_older_report_does_not_count_is_nothing_and_its_tests_ran_once():
    always = ("samples", "attempts", "successes", "risk", "legacy", "no_ratio", "duplicates")
    always += ("files", "unreadable_files", "runs", "tasks")
    found = convert({**dict.fromkeys(always, 7), "unusable": {}}, Counts)
    later = (found.tests, found.with_task, found.silent_on_success, found.over_budget, found.by_cap)
    assert later == (0, 0, 0, 0, 0)
    assert (found.lost_tests, found.deselected_tests, found.copies_of_tests) == (0, 0, 1)
    assert (found.unusable.total, found.unusable.reasons) == (0, {})
