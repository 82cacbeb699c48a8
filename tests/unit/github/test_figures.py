"""Figures in words, from the numbers alone. The expected words follow from the numbers shown."""

from __future__ import annotations

import pytest

from pytest_token_telemetry.github.figures import in_brief, in_full, multiplied
from pytest_token_telemetry.github.report import Advice, Check, Count, Coverage, Rate, Ratio


def check(id, figure, outcome="fail"):
    return Check(id, outcome, inconclusive=False, message="as it came", figure=figure)


def rate(events, n, target=0.05, bounds=None, **changed):
    return Rate(events, n, target, bounds, **{"proven": False, "samples_to_prove": None, **changed})


def ratio(value, target=3.0, **changed):
    return Ratio(**{"n": 23, "value": value, "target": target, "upper_limit": False, "proven": True, **changed})


@pytest.mark.parametrize(
    ("figure", "words"),
    [
        (rate(1, 20), "1/20 = 5.0 %"),
        (rate(1, 20, bounds=(0.95, 0.0026, 0.2161)), "1/20 = 5.0 %, unproven: true rate 0.3 % to 21.6 % (95 % each)"),
        (
            rate(1, 20, bounds=(0.95, 0.0026, 0.2161), samples_to_prove=93),
            "1/20 = 5.0 %, unproven: true rate 0.3 % to 21.6 % (95 % each); 93 samples with 1 event would prove it",
        ),
        (
            rate(2, 20, bounds=(0.9, 0.03, 0.25), samples_to_prove=127),
            "2/20 = 10.0 %, unproven: true rate 3.0 % to 25.0 % (90 % each); 127 samples with 2 events would prove the"
            " target met",
        ),
        (rate(5001, 100_000), "5001/100000 = 5.001 %"),
        (rate(0, 0), "no data"),
    ],
)
def test_a_rate_never_stands_on_the_wrong_side_of_its_target(figure, words):
    assert in_full(check("tier1::underestimation", figure)) == (words, "at most 5 %")


@pytest.mark.parametrize(
    ("figure", "words", "target"),
    [
        (ratio(1.634), "1.63x of 23 samples, proven", "below 3x"),
        (ratio(2.9999, proven=False), "2.9999x of 23 samples, unproven", "below 3x"),
        (ratio(3.5, 2.5, upper_limit=True), "3.50x (upper limit) of 23 samples, proven", "below 2.5x"),
        (ratio(None), "no data", "below 3x"),
    ],
)
def test_a_ratio(figure, words, target):
    assert in_full(check("tier2::waste-p90", figure)) == (words, target)


@pytest.mark.parametrize(
    ("id", "figure", "words"),
    [
        ("readiness::sources", Count(13, 13, 0), ("13 read", "13")),
        ("readiness::sources", Count(0, 1, 1), ("0 read", "1")),
        ("readiness::sources", Count(12, 3, 9), ("12 telemetry lines could not be used", "at most 3")),
        ("readiness::samples", Count(1, 20, 19), ("1 successful sample", "at least 20")),
        ("readiness::tasks", Count(3, 5, 2), ("3", "5")),
        ("readiness::categories", Coverage((), ()), ("all covered", "nothing")),
        ("drift::x", None, ("<code>as it came</code>", "")),
    ],
)
def test_counts_and_what_is_not_known(id, figure, words):
    assert in_full(check(id, figure)) == words


def test_of_many_missing_names_ten_are_shown():
    names = tuple(f"n{i}" for i in range(12))
    measured, _ = in_full(check("readiness::categories", Coverage(names, names)))
    assert measured.endswith("<code>n9</code> and 2 more")


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (check("tier1::truncation", rate(6, 60, 0.02)), "truncation 6/60 = 10.0 % (target at most 2 %)"),
        (check("tier2::waste-p90", ratio(3.2)), "waste P90 3.20x (target below 3x)"),
        (check("tier1::truncation", rate(0, 0)), "truncation"),
        (check("tier1::something", rate(6, 60)), "another check"),
        (check("drift::x", None), "another check"),
    ],
)
def test_the_alert_names_what_we_know(found, words):
    assert in_brief(found) == words


@pytest.mark.parametrize(
    ("basis", "multiplier", "tier", "words"),
    [
        ("category", 1.121, "risk", "1.13"),
        ("borrowed", 2.0, "risk", "~2.00"),
        ("category", 0.5, "cost", "(0.50)"),
        ("collect", None, None, "collect"),
        ("raise-cap", None, None, "raise-cap"),
    ],
)
def test_a_multiplier_is_rounded_up(basis, multiplier, tier, words):
    advice = Advice("docs", 9, 0, 1, basis, multiplier, tier, None, (None, None))
    assert multiplied(advice) == words
