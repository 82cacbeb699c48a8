"""Risk and cost against their targets, and what each figure proves."""

from __future__ import annotations

import re
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import settings as limits
from hypothesis import strategies as st
from msgspec.structs import replace as replace_fields
from scipy.stats import beta

from pytest_token_telemetry.analysis.metrics import Share
from pytest_token_telemetry.gate.check import Case
from pytest_token_telemetry.gate.checks import UNDERESTIMATION
from pytest_token_telemetry.gate.checks import WASTE as WASTE_CHECK
from pytest_token_telemetry.gate.findings import find
from pytest_token_telemetry.gate.results import RateResult, RatioResult
from pytest_token_telemetry.gate.verdict import certainty_of
from tests.unit.gate.cases import call, cut_off, message, outcomes, reading, ready, result, settings, verdict

UNDER, CUT, WASTE = "tier1::underestimation", "tier1::truncation", "tier2::waste-p90"


def under(events, n):
    """``n`` successes of every kind, of which ``events`` exceeded their prediction."""
    return [*ready(n - events), *[call(1000, 1200)] * events]


@pytest.mark.parametrize(
    ("events", "n", "target", "outcome"),
    [
        (1, 20, "5%", "pass"),
        (1, 20, "0.05", "pass"),
        (2, 20, "5%", "fail"),
        (7, 100, "7%", "pass"),  # 7 / 100 * 100 is 7.000000000000001
        (7, 100, "6.999999%", "fail"),
        (0, 20, "0", "pass"),
        (1, 300, "0", "fail"),
        (29, 100, "29%", "pass"),
        (57, 100, "57%", "pass"),
        (300, 300, "100%", "pass"),
    ],
)
def test_rates_are_compared_exactly(events, n, target, outcome):
    rows = [*ready(n - events), *[call(1000, 1200)] * events] if events < n else ready(n, 1000, 1200)
    found = verdict(rows, max_underestimation=target, require_categories="none")
    assert result(found, UNDER).outcome == outcome
    assert found.verdict == {"pass": "pass", "fail": "tune"}[outcome]


@pytest.mark.parametrize(("output", "outcome"), [(115, "pass"), (116, "fail")])
def test_the_multiplier_is_compared_exactly(output, outcome):
    found = verdict(ready(27, 100, output), under_multiplier="1.15")
    assert result(found, UNDER).outcome == outcome


@pytest.mark.parametrize(
    ("events", "n", "outcome", "said"),
    [
        (
            1,
            20,
            "pass",
            "1/20 = 5.0% of the risk population (target <= 5%) PASS, unproven: true rate may be up to 21.6% (95%"
            " confidence); 93 samples with 1 event would prove it",
        ),
        (
            0,
            59,
            "pass",
            "0/59 = 0.0% of the risk population (target <= 5%) PASS, proven: true rate at most 5.0% (95% confidence)",
        ),
        (
            3,
            20,
            "fail",
            # scipy: beta.ppf(0.05, 3, 18) = 0.0421
            "3/20 = 15.0% of the risk population (target <= 5%) FAIL, unproven: true rate may be as low as 4.2%"
            " (95% confidence)",
        ),
        (
            4,
            20,
            "fail",
            "4/20 = 20.0% of the risk population (target <= 5%) FAIL, proven: true rate at least 7.1% (95% confidence)",
        ),
    ],
)
def test_a_rate_is_told_with_what_it_proves(events, n, outcome, said):
    found = verdict(under(events, n), min_samples="1", require_categories="none", require_complexities="none")
    assert (result(found, UNDER).outcome, message(found, UNDER)) == (outcome, said)


def test_a_rate_of_zero_cannot_be_proven():
    found = verdict(ready(60), max_truncation="0")
    assert message(found, CUT) == (
        "0/60 = 0.0% of attempts (target <= 0%) PASS, unproven: true rate may be up to 4.9% (95% confidence)"
    )
    assert (result(found, CUT).proven, result(found, CUT).samples_to_prove) == (False, None)


def test_a_rate_figure_has_all_that_reports_need():
    # scipy: beta.ppf(0.05, 1, 20) and beta.ppf(0.95, 2, 19)
    found = result(verdict(under(1, 20)), UNDER)
    assert (found.events, found.n, found.value, found.target) == (1, 20, 0.05, 0.05)
    assert (found.proven, found.samples_to_prove) == (False, 93)
    assert (found.bounds.confidence, found.bounds.lower, found.bounds.upper) == (
        0.95,
        pytest.approx(beta.ppf(0.05, 1, 20)),
        pytest.approx(beta.ppf(0.95, 2, 19)),
    )


def test_a_rate_that_is_exceeded_has_no_number_of_samples_to_prove_it():
    assert result(verdict(under(2, 20)), UNDER).samples_to_prove is None


def test_one_truncation_in_twenty_exceeds_the_target():
    found = verdict([*ready(19), cut_off()], min_samples="19")
    assert outcomes(found)[CUT] == "fail"
    assert message(found, CUT).startswith("1/20 = 5.0% of attempts (target <= 2%) FAIL")


@pytest.mark.parametrize(
    ("population", "of_underestimation", "of_truncation"),
    [
        ("risk", "0/27 = 0.0% of the risk population ", "0/27 = 0.0% of attempts "),
        ("success", "0/27 = 0.0% of successful samples ", "0/27 = 0.0% of successful samples "),
        ("all", "0/27 = 0.0% of all samples ", "0/27 = 0.0% of all V2 samples "),
    ],
)
def test_a_rate_names_its_population(population, of_underestimation, of_truncation):
    found = verdict(ready(27), population=population)
    assert message(found, UNDER).startswith(of_underestimation)
    assert message(found, CUT).startswith(of_truncation)
    assert found.population == population


def test_skipped_tiers_show_their_figures():
    found = verdict(ready(10, 1000, 1200))
    assert [result(found, each).outcome for each in (UNDER, CUT, WASTE)] == ["skip"] * 3
    assert message(found, UNDER).startswith("10/10 = 100.0% of the risk population (target <= 5%), proven:")
    for each in (UNDER, CUT, WASTE):
        assert message(found, each).endswith("; not judged, data not ready")
    # 1000 / 1200, and 1 - 0.05 ** (1 / 10)
    assert message(found, WASTE) == (
        "P90 = 0.83x of the risk population (target < 3x), unproven: 0 of 10 at 3x or more, at most 25.9%"
        " (95% confidence); 29 samples with 0 events"
        " would prove it; not judged, data not ready"
    )


def test_without_samples_there_is_no_rate():
    found = verdict([])
    assert result(found, UNDER) == RateResult(
        id=UNDER,
        outcome="skip",
        events=0,
        n=0,
        value=None,
        target=0.05,
        bounds=None,
        proven=False,
        samples_to_prove=None,
    )
    assert message(found, UNDER) == "no data: nothing in the risk population (target <= 5%)"
    assert result(found, WASTE) == RatioResult(id=WASTE, outcome="skip", n=0, value=None, target=3.0)
    assert message(found, WASTE) == "no data: no ratio (target < 3x)"


@pytest.mark.parametrize(
    ("tier2", "outcome", "conclusion", "word"),
    [("warn", "warn", "pass", "above target"), ("fail", "fail", "tune", "FAIL")],
)
def test_waste_warns_unless_it_is_told_to_fail(tier2, outcome, conclusion, word):
    found = verdict(ready(27, 5000, 1000), tier2=tier2)
    # 0.05 ** (1 / 27) = 0.8950
    assert message(found, WASTE) == (
        f"P90 = 5.00x of the risk population (target < 3x) {word}, proven: 27 of 27 at 3x or more, at least"
        " 89.5% (95% confidence)"
    )
    assert (result(found, WASTE).outcome, found.verdict, found.fails) == (outcome, conclusion, outcome == "fail")


@pytest.mark.parametrize(
    ("predicted", "output", "target", "outcome", "shown"),
    [
        (2999, 1000, "3", "pass", "2.999x"),
        (3000, 1000, "3", "warn", "3.00x"),
        (29, 10, "2.9", "warn", "2.90x"),  # in floating point 2.9 is below 29/10
        (29, 10, "2.91", "pass", "2.90x"),
        (11, 10, "1.1", "warn", "1.10x"),
        (299_999, 100_000, "3x", "pass", "2.99999x"),
    ],
)
def test_waste_must_stay_below_its_target(predicted, output, target, outcome, shown):
    found = verdict(ready(27, predicted, output), max_waste_p90=target)
    assert result(found, WASTE).outcome == outcome
    assert message(found, WASTE).startswith(f"P90 = {shown} of ")


def test_without_any_ratio_waste_cannot_be_judged():
    found = verdict(ready(27, predicted=0), max_underestimation="100%", tier2="fail")
    assert (result(found, WASTE).outcome, found.verdict) == ("warn", "pass")


def test_truncated_runs_that_failed_hide_nothing_in_the_risk_population_but_all_in_successes():
    rows = [*ready(67), *[cut_off(category=category) for category in ("docs", "tests", "docs", "docs")] * 2]
    honest = verdict(rows)
    assert (honest.title, message(honest, CUT).partition(" of ")[0]) == ("TUNE", "8/75 = 10.7%")
    blind = verdict(rows, population="success")
    assert (blind.title, message(blind, CUT).partition(" of ")[0]) == ("PASS", "0/67 = 0.0%")
    assert [result(blind, each).outcome for each in (UNDER, CUT)] == ["pass", "pass"]


NOTHING = find(reading([]), settings())
CONTEXT = verdict([]).context
_RATE = re.compile(r"([\d,]+)/([\d,]+) = (\d+\.\d+)% ")


@limits(deadline=None, max_examples=200)
@given(
    st.integers(1, 100_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))),
    st.one_of(st.decimals(0, 100, places=3), st.none()),
)
@example((1, 99_999), None)
def test_no_percentage_is_shown_on_the_wrong_side_of_its_target(counts, percent):
    events, n = counts
    # or else the very rate, as far as fifteen digits can say it
    written = f"{100 * events / n:.13f}%" if percent is None else f"{percent}%"
    asked = settings(max_underestimation=written)
    target = asked.max_underestimation
    findings = replace(
        NOTHING,
        settings=asked,
        metrics=replace(NOTHING.metrics, underestimation=Share(events, n)),
    )
    found = UNDERESTIMATION.decide(Case(findings, None, None, certainty_of(asked), ready=True))
    match = _RATE.match(UNDERESTIMATION.words(found, CONTEXT))
    assert match is not None
    shown = Fraction(match[3]) / 100
    assert found.outcome == ("pass" if Fraction(events, n) <= target else "fail")
    assert (shown <= target) == (found.outcome == "pass")
    assert abs(shown - Fraction(events, n)) <= Fraction(1, 2000)


def test_samples_to_prove_are_told_with_what_they_would_prove():
    found = verdict(under(3, 20), min_samples="1", require_categories="none", confidence="0.95")
    # statistics tables: three events need 153 samples
    assert message(found, UNDER) == (
        "3/20 = 15.0% of the risk population (target <= 5%) INCONCLUSIVE, unproven: true rate may be as low as 4.2%"
        " (95% confidence); 153 samples with 3 events would prove the target met"
    )


FIVE_ROWS = [
    call(100, 90),
    call(100, 120),
    cut_off(100, 150),
    cut_off(100, 100),
    call(100, 10, success=False),
]


def test_calls_cut_off_below_their_prediction_make_the_rate_an_interval():
    # 120 and 150 exceed their prediction for sure; the call truncated at 100 of 100 may have
    found = verdict(FIVE_ROWS)
    figure = result(found, UNDER)
    assert (figure.events, figure.n, figure.uncertain) == (3, 4, 1)
    assert "; 1 of these was truncated within the prediction" in message(found, UNDER)


@pytest.mark.parametrize(("cut", "outcome"), [(2, "pass"), (3, "fail")])
def test_the_upper_end_of_the_interval_is_gated(cut, outcome):
    found = verdict([*ready(40 - cut), *[cut_off(1000, 900)] * cut])
    assert (result(found, UNDER).outcome, result(found, UNDER).uncertain) == (outcome, cut)
    assert f"; {cut} of these were truncated within the prediction" in message(found, UNDER)


def test_calls_cut_off_above_their_prediction_are_certain():
    found = verdict([*ready(19), cut_off(1000, 1001)], min_samples="1")
    assert result(found, UNDER).uncertain == 0
    assert "truncated" not in message(found, UNDER)


@pytest.mark.parametrize("population", ["success", "all"])
def test_the_origins_populations_know_no_interval(population):
    found = result(verdict([*ready(27), cut_off(1000, 900)], population=population), UNDER)
    assert found.uncertain == 0


def waste_of(ratios, truncated=0):
    """The verdict on successes with these ``ratios``, of which the last are truncated."""
    rows = [call(round(ratio * 1000), 1000) for ratio in ratios[: len(ratios) - truncated]]
    rows += [cut_off(round(ratio * 1000), 1000) for ratio in ratios[len(ratios) - truncated :]]
    return verdict(rows, require_categories="none", require_complexities="none", require_deliverables="none")


TWENTY = [1.05, 1.1, 1.15, 1.2, 1.25, 1.3, 1.35, 1.4, 1.5, 1.6, 1.7, 1.8, 1.9, 2.0, 2.2, 2.4, 2.6, 2.8, 3.5, 5.0]


def test_waste_has_the_evidence_of_a_rate():
    figure = result(waste_of(TWENTY), WASTE)
    # numpy and R give 3.43 by definition 6; two of twenty reach 3: statsmodels' upper bound is .282619
    assert (figure.value, figure.events, figure.n, figure.proven) == (pytest.approx(3.43), 2, 20, False)
    assert figure.bounds.upper == pytest.approx(0.282619, abs=5e-7)


@pytest.mark.parametrize(("n", "proven"), [(20, False), (28, False), (29, True), (60, True)])
def test_waste_needs_twenty_nine_clean_samples_to_be_proven(n, proven):
    # 0.9 ** 29 = 0.0471; 0.9 ** 28 = 0.0523
    found = waste_of([1.5] * n)
    assert result(found, WASTE).proven is proven
    assert result(found, WASTE).samples_to_prove == (None if proven else 29)
    assert ("; 29 samples with 0 events would prove it" in message(found, WASTE)) is not proven
    of_another_program = WASTE_CHECK.words(replace_fields(result(found, WASTE), bounds=None), found.context)
    assert of_another_program.endswith(f" PASS, {'proven' if proven else 'unproven'}")


@pytest.mark.parametrize(("above", "proven"), [(5, False), (6, True)])
def test_waste_is_proven_high_by_the_lower_bound(above, proven):
    # scipy: binom.sf(4, 27, .1) = 0.1370; binom.sf(5, 27, .1) = 0.0472
    found = waste_of([1.5] * (27 - above) + [4.0] * above)
    assert (result(found, WASTE).outcome, result(found, WASTE).proven) == ("warn", proven)
    assert f"{'proven' if proven else 'unproven'}: {above} of 27 at 3x or more" in message(found, WASTE)


@pytest.mark.parametrize(
    ("ratios", "truncated", "limit"),
    [
        # P90 of 9 is the largest; truncated calls there make it an upper limit, elsewhere they do not matter
        ([1.0] * 8 + [2.0], 1, True),
        ([1.0] * 7 + [2.0, 0.5], 1, False),
        # with 20 it lies between the 18th and the 19th, and rests on both
        ([1.0] * 16 + [2.4, 2.5, 2.6, 2.0], 1, False),
        ([1.0] * 17 + [2.5, 2.6, 2.0], 1, True),
        ([1.0] * 17 + [2.5, 2.6, 2.4], 1, True),
        ([1.0] * 18 + [2.5, 2.6], 1, True),
    ],
)
def test_waste_that_rests_on_cut_off_calls_is_an_upper_limit(ratios, truncated, limit):
    found = waste_of(ratios, truncated)
    assert result(found, WASTE).upper_limit is limit
    assert ("x (upper limit) of " in message(found, WASTE)) is limit
