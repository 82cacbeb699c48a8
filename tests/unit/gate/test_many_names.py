"""However many names the data has, a report stays small: the smallest of a kind are one row, and no call is lost."""

from __future__ import annotations

from datetime import datetime, timedelta
from unittest import mock

import pytest

from pytest_token_telemetry.analysis import listed, tuning
from pytest_token_telemetry.gate.findings import Past
from pytest_token_telemetry.report import json_file, markdown, terminal
from pytest_token_telemetry.report.untrusted_file import LARGEST_REPORT, from_json
from pytest_token_telemetry.sources.reading import File, UnusableLines
from tests.unit.gate.cases import (
    advice,
    baseline_of,
    call,
    compared,
    cut_off,
    judge,
    notes,
    reading,
    ready,
    settings,
    verdict,
)


def many(kind: str) -> list:
    """Three names of nine calls, 1,000 of two, 290 of one that was underestimated, ten of one that was truncated."""
    return [
        *ready(27),
        *(call(1000, 900, **{kind: f"big-{n:04}"}) for n in range(1000) for _ in range(2)),
        *(call(1000, 1200, **{kind: f"small-{n:03}"}) for n in range(290)),
        *(cut_off(1000, 8192, **{kind: f"cut-{n}"}) for n in range(10)),
    ]


FOUND = verdict(many("category"))


@pytest.mark.parametrize("kind", ["category", "complexity"])
def test_beyond_the_thousand_largest_strata_the_others_are_one(kind):
    found = FOUND if kind == "category" else verdict(many(kind))
    *shown, others = getattr(found.strata, kind)
    # the three, and 997 of those with two calls; 3 with two calls and 300 with one are left
    assert [(each.attempts, each.folded) for each in shown[-2:]] == [(2, 0)] * 2
    assert (len(shown), others.name, others.folded) == (1000, None, 303)
    assert (others.attempts, others.successes, others.truncated) == (306, 296, 10)
    assert (others.risk, others.underestimated) == (306, 300)
    # ascending, 10 ratios of 1000 / 8192, 290 of 1000 / 1200, 6 of 1000 / 900: both quantiles are among the 290
    assert (others.waste_p50, others.waste_p90) == (pytest.approx(1000 / 1200), pytest.approx(1000 / 1200))
    assert sum(each.attempts for each in getattr(found.strata, kind)) == 27 + 2000 + 300


def test_the_others_are_tuned_as_one():
    *shown, others = FOUND.tuning.categories
    assert len(shown) == 1000
    assert (others.name, others.folded, others.n, others.truncated, others.underestimated) == (None, 303, 306, 10, 300)
    # at 5%, the 307 - 15 = 292nd of 306: 6 of 0.9, 290 of 1.2, 10 that are endless
    assert (others.basis, others.multiplier) == ("category", pytest.approx(1.2))
    *_, caps = FOUND.tuning.max_tokens
    # at 5% the 292nd of 6 of 900, 290 of 1,200 and 10 that are endless; at 1 and 2% one of these
    assert (caps.folded, caps.n, [cap.max_tokens for cap in caps.caps]) == (303, 306, [None, None, 1201])
    assert FOUND.tuning.forward is None


@mock.patch.object(listed, "MOST_LISTED", 2)
def test_complexities_within_categories_beyond_the_largest_are_one():
    rows = [call(1000, 900 + n, complexity=f"c{at}") for at in range(4) for n in range(30 - at)]
    *shown, others = verdict(rows, tuning="tuning.json").tuning.cells
    assert [(each.name, each.complexity, each.n) for each in shown] == [
        ("implementation", "c0", 30),
        ("implementation", "c1", 29),
    ]
    # 28 and 27 samples from 900 on: enough for 2.5%, which takes the 56 - 1 = 55th of 55, 927 of 1,000
    assert (others.folded, others.n, others.multiplier) == (2, 55, pytest.approx(0.927))


def test_names_as_long_as_lines_are_fewer():
    found = verdict([call(category=f"{n:02}{'x' * 9998}") for n in range(30)]).strata.category
    # of 64,000 bytes, six names of 10,000 and their quotes
    assert [each.folded for each in found] == [0] * 6 + [24]


def test_a_thousand_of_a_kind_are_listed():
    found = verdict([call(category=f"{n}") for n in range(1000)]).strata.category
    assert [each.folded for each in found] == [0] * 1000


def test_the_others_are_said_in_every_form():
    assert advice(FOUND)[0] == "Multiply the predictions in 303 other categories by 1.20 (306 samples)."
    lines = [line for line, _ in terminal.screen(FOUND, 200, verbosity=1) if line.endswith("303 others")]
    assert len(lines) == 3  # the strata, the advice, the caps
    assert "1,253 more" in markdown.render(FOUND)  # of 1,303, of which 50 are shown


def test_drift_compares_the_others_as_one():
    start = datetime(2026, 1, 2)
    old = [call(category=f"c{n:04}", time=start) for n in range(1300)]
    new = [call(1000, 1200, category=f"c{n:04}", time=start + timedelta(days=1)) for n in range(1300)]
    found = compared([*old, *new], baseline_of(old)).drift.drift
    assert (found.underestimation.compared_head.events, found.underestimation.compared_head.n) == (1300, 1300)
    for rows in (found.underestimation.strata, found.truncation.strata, found.ratio.strata):
        assert [each.folded for each in rows] == [0] * 1000 + [300]
    others = found.underestimation.strata[-1]
    assert (others.name, others.base.n, others.head.n, others.head.events) == (None, 300, 300, 300)
    assert others.head_mix == pytest.approx(300 / 1300)
    assert (found.ratio.strata[-1].base_n, found.ratio.strata[-1].head_n) == (300, 300)


def test_files_beyond_the_thousand_with_most_samples_are_one():
    files = tuple(File(f"logs/{n}.log", 2 if n % 2 else 1) for n in range(2400))
    found = verdict(ready(27), {"files": files})
    *shown, others = found.sources
    assert {(each.samples, each.folded) for each in shown} == {(2, 0)}
    assert [each.path for each in shown[:2]] == ["logs/1.log", "logs/3.log"]
    assert (others.path, others.samples, others.folded) == ("", 200 * 2 + 1200, 1400)
    assert found.counts.files == 2400
    assert "1,400 others" in "\n".join(line for line, _ in terminal.screen(found, 200, verbosity=1))


def test_paths_that_were_not_read_are_counted_beyond_a_thousand():
    paths = tuple(f"logs/{n:04}" for n in range(1200))
    unread = {"unreadable": dict.fromkeys(paths, "denied"), "outside": paths, "special": paths, "unknown": paths}
    found = verdict(ready(27), unread)
    left = found.not_read
    assert [len(each) for each in (left.unreadable, left.outside, left.special, left.unknown)] == [1000] * 4
    assert (left.unreadable_folded, left.outside_folded, left.special_folded, left.unknown_folded) == (200,) * 4
    assert (
        "no record of logs/0000 and of 1,199 other files is read: map them if they hold calls"
        " (--token-telemetry-propose-map proposes how, docs/field-map.md)."
    ) in notes(found)
    assert any(
        each.endswith(
            "and 1,199 other links lead out of the directory and are not followed: name the"
            " directories that they lead to with --token-telemetry-dir."
        )
        for each in notes(found)
    )
    assert "1,200 paths not opened: pipes, sockets or devices." in notes(found)


def test_reasons_beyond_the_hundred_most_frequent_are_one():
    unusable = {f"reason {n:03}": UnusableLines(1 + (n < 100), ["a.log:1"]) for n in range(150)}
    found = verdict(ready(27), {"unusable": unusable}).counts.unusable
    assert found.total == 250
    assert len(found.reasons) == 101
    assert (found.reasons["50 other reasons"].count, found.reasons["50 other reasons"].places) == (50, ())


def test_a_report_of_all_that_is_long_is_one_that_the_poster_reads():
    """Every list is as long as it gets."""

    def names(kind: str, n: int) -> dict[str, str]:
        return {kind: f"{kind[:2]}{n:04}{'値' * 30}"}

    paths = tuple(f"logs/{n:04}{'x' * 90}.log" for n in range(1100))
    found = {
        "files": tuple(File(path, 1) for path in paths),
        "unreadable": dict.fromkeys(paths, "denied"),
        "outside": paths,
        "special": paths,
        "unusable": {f"{path} is odd": UnusableLines(1, [f"{path}:{n}" for n in range(3)]) for path in paths},
    }
    rows = [
        call(997 + n, 1201 + n * n % 1013, **names("category", n), **names("complexity", n), time=datetime(2026, 1, 2))
        for n in range(1100)
    ]
    old, written = [*ready(54), *rows], settings(baseline="baseline.json", tuning="tuning.json")
    with mock.patch.object(tuning, "_LEAST", 1):  # so that each call is a cell
        judged = judge(reading([*old, *rows], **found), written, past=Past(baseline=baseline_of(old)))
    lists = (judged.strata.complexity, judged.tuning.cells, judged.drift.drift.ratio.strata, judged.sources)
    assert all(300 < len(each) <= 1001 and each[-1].folded for each in lists)
    text = json_file.render(judged).encode()
    assert len(text) <= LARGEST_REPORT
    assert from_json(text) == judged
