"""The origin's thirteen published run logs, figure for figure."""

from __future__ import annotations

import json

import pytest

from pytest_token_telemetry.report import json_file
from pytest_token_telemetry.sources.reading import Directory, read_directories
from tests.unit.gate.cases import judge, settings


@pytest.fixture(scope="module")
def real_reading(real_logs):
    return read_directories([Directory(real_logs, "logs")], ["*.log"])


@pytest.fixture
def judged(real_reading):
    return lambda **written: json.loads(json_file.render(judge(real_reading, settings(**written))))


def check(found, id):
    return next(each for each in found["checks"] if each["id"] == id)


@pytest.mark.parametrize("multiplier", ["1.0", "1.1"])
@pytest.mark.parametrize(
    ("population", "underestimated", "truncated", "p50", "p90"),
    [
        ("risk", (19, 23), (6, 40), "0.3173828125", "1.6342122109"),
        ("success", (13, 17), (0, 17), "0.2286038164", "2.2787211359"),
        ("all", (20, 40), (6, 34), "0.9128526060", "6.3550387597"),
    ],
)
def test_every_population_has_its_published_figures(
    judged, population, multiplier, underestimated, truncated, p50, p90
):
    found = judged(population=population, under_multiplier=multiplier)
    under, cut = check(found, "tier1::underestimation"), check(found, "tier1::truncation")
    waste = found["metrics"]["waste"]
    assert (under["events"], under["n"]) == underestimated
    assert (cut["events"], cut["n"]) == truncated
    assert (f"{waste['p50']:.10f}", f"{waste['p90']:.10f}", waste["n"]) == (p50, p90, underestimated[1])
    assert check(found, "tier2::waste-p90")["value"] == waste["p90"]
    assert found["population"] == population


@pytest.mark.parametrize(
    ("population", "under", "cut"),
    [("risk", "82.6%", "15.0%"), ("success", "76.5%", "0.0%"), ("all", "50.0%", "17.6%")],
)
def test_rates_are_shown_as_published(judged, population, under, cut):
    found = judged(population=population)
    assert f" = {under} of " in check(found, "tier1::underestimation")["message"]
    assert f" = {cut} of " in check(found, "tier1::truncation")["message"]


def test_everything_is_counted(judged):
    counts = judged()["counts"]
    assert counts["files"] == 13
    assert (counts["samples"] - counts["legacy"], counts["legacy"]) == (40, 6)
    assert (counts["attempts"], counts["successes"], counts["risk"]) == (40, 17, 23)
    assert (counts["duplicates"], counts["unusable"]["total"], counts["unreadable_files"]) == (0, 0, 0)


@pytest.mark.parametrize(
    ("population", "mean", "median"), [("all", "108.1058823529", 110.6), ("success", "116.6352941176", 125.6)]
)
def test_the_error_is_as_published(judged, population, mean, median):
    smape = judged(population=population)["metrics"]["smape"]
    assert (f"{smape['mean']:.10f}", smape["median"]) == (mean, pytest.approx(median))


@pytest.mark.parametrize("population", ["risk", "success", "all"])
def test_the_logs_are_not_ready(judged, population):
    found = judged(population=population)
    assert found["verdict"] == "not-ready"
    samples = check(found, "readiness::samples")
    assert (samples["outcome"], samples["value"], samples["target"], samples["missing"]) == ("fail", 17, 20, 3)
    assert check(found, "readiness::categories")["missing"] == ["tests", "docs"]
    assert check(found, "readiness::complexities")["missing"] == []
    assert check(found, "readiness::deliverables")["missing"] == ["1", "6+"]
    assert [check(found, each)["outcome"] for each in ("tier1::underestimation", "tier1::truncation")] == [
        "skip",
        "skip",
    ]


def test_what_to_collect_is_said(judged):
    assert judged()["advice"] == [
        "Collect 3 more successful samples. These would do:"
        " 2 in tests of high complexity with 1 deliverable and 1 in docs of high complexity with 6+"
        " deliverables.",
    ]


def test_the_budgets_were_constants(judged):
    # counted with grep in the 34 lines; the last of them has 8424 = 1.2 * 7020
    assert judged()["budgets"] == {
        "calls": 34,
        "at_constant": 33,
        "following": 0,
        "constants": [
            {"budget_tokens": 12288, "calls": 17, "exceeded": 0},
            {"budget_tokens": 8192, "calls": 12, "exceeded": 0},
            {"budget_tokens": 16384, "calls": 4, "exceeded": 0},
        ],
    }


def test_the_spelling_that_was_cut_off_is_seen(judged):
    spellings = judged()["strata"]["spellings"]
    assert [(each["name"], each["spelling_of"], each["truncated"], each["attempts"]) for each in spellings] == [
        ("implementation", "implementation", 0, 21),
        ("IMPLEMENT_FEATURE", "implementation", 4, 6),
    ]
