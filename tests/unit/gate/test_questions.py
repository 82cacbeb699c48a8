"""What is judged follows from what the data carries: predictions, caps, reasons, or lengths alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_token_telemetry.report.advice import next_steps
from pytest_token_telemetry.report.words import headline
from pytest_token_telemetry.sample import Sample
from pytest_token_telemetry.sources.places import UnusedColumn
from pytest_token_telemetry.text import plain
from tests.unit.gate.cases import (
    CHECK_IDS,
    call,
    judge,
    message,
    notes,
    outcomes,
    reading,
    ready,
    result,
    settings,
    verdict,
)

TRUNCATION, CAP_USE = "tier1::truncation", "tier2::cap-use"
UNDERESTIMATION, WASTE = "tier1::underestimation", "tier2::waste-p90"
NO_MIX = "The data names no kind of work, so no mix is required"
PROVEN = "The data names no kind of work, so no mix is required (20 samples to judge by"
"""How many prove 2% with none, one or two events: 149, 236 and 313; 59 prove 5% with none (docs/definitions.md)."""


def bare(output=100, **fields):
    """A call of which only what is said is known."""
    return Sample(output_tokens=output, **fields)


def capped(n, output=400, cap=1000, **fields):
    return [bare(output, max_tokens=cap, truncated=output >= cap, **fields) for _ in range(n)]


def stopped(n, **fields):
    return [bare(finish_reason="stop", truncated=False, **fields) for _ in range(n)]


def steps(found):
    return [plain(each) for each in next_steps(found)]


def test_predictions_are_judged_as_ever():
    found = verdict(ready(60))
    assert headline(found) == "No tuning needed: 0.0% underestimated, 0.0% truncated."
    assert [each.id for each in found.checks] == list(CHECK_IDS)
    assert outcomes(found)[UNDERESTIMATION] == outcomes(found)[TRUNCATION] == "pass"


def test_caps_are_judged_where_nothing_is_predicted():
    """2 of 100 are truncated: 2%, as allowed. Of the others, each has a cap of 1000 for 400 tokens: 2.5x."""
    found = verdict([*capped(98), *capped(2, output=1000)])
    assert headline(found) == (
        "No tuning needed: 2.0% truncated. No prediction in the data: the caps were judged."
        f" {PROVEN} and 313 to prove the target of truncation)."
    )
    assert (found.verdict, found.fails) == ("pass", False)
    assert outcomes(found) == {
        "readiness::sources": "pass",
        "readiness::samples": "pass",
        "readiness::categories": "pass",
        "readiness::complexities": "pass",
        "readiness::deliverables": "pass",
        TRUNCATION: "pass",
        CAP_USE: "pass",
    }
    assert (result(found, TRUNCATION).events, result(found, TRUNCATION).n) == (2, 100)
    assert (result(found, CAP_USE).n, result(found, CAP_USE).value) == (98, 2.5)
    assert message(found, UNDERESTIMATION) == "no prediction in the data"
    assert WASTE not in {each.id for each in found.checks}
    assert message(found, "readiness::samples") == "100 samples (20 needed)"


def test_caps_that_cut_off_are_to_be_raised():
    """5 of 100 are truncated."""
    found = verdict([*capped(95, category="summarise"), *capped(5, output=1000, category="summarise")], **ANY)
    assert headline(found) == "Tuning needed: 5.0% truncated. No prediction in the data: the caps were judged."
    assert (found.verdict, found.fails) == ("tune", True)
    assert steps(found)[0].startswith("Raise the cap (max_tokens) where calls were truncated: summarise 5 of 100")


ANY = {"require_categories": "summarise", "require_complexities": "none", "require_deliverables": "none"}


def test_what_caps_reserve_is_told():
    """100 calls reserve 100,000 tokens and use 98 * 400 + 2 * 1000 = 41,200 of them."""
    found = verdict([*capped(98), *capped(2, output=1000)])
    use = found.metrics.cap_use
    assert (use.calls, use.reserved, use.unused) == (100, 100_000, 58_800)
    assert "100 calls with a cap reserved 100,000 tokens of quota, and 58.8% went unused." in notes(found)


@pytest.mark.parametrize(("policy", "outcome", "conclusion"), [("warn", "warn", "pass"), ("fail", "fail", "tune")])
def test_caps_far_above_the_output_cost_quota(policy, outcome, conclusion):
    found = verdict(capped(100, output=100), cap_use=policy)
    assert (outcomes(found)[CAP_USE], found.verdict) == (outcome, conclusion)
    assert any(each.startswith("Caps (max_tokens) by risk of truncation: 101 at 1%") for each in steps(found))


@pytest.mark.parametrize(
    ("written", "caps"), [({}, "101 at 1%."), ({"max_truncation": "1%"}, "101 at 1%."), ({"max_truncation": "10%"}, "")]
)
def test_caps_are_advised_with_half_the_risk_that_passes(written, caps):
    """Half of all new samples are truncated more often than the risk of their cap says."""
    found = verdict([bare(n, max_tokens=4000, truncated=False) for n in range(1, 101)], **written)
    assert steps(found)[-1].removeprefix("Caps (max_tokens) by risk of truncation: ") == (
        caps or "101 at 1%, 100 at 2%, 97 at 5%."
    )


def test_one_cap_that_would_reserve_more_than_those_that_were_sent_is_not_advised():
    """Caps follow the calls: 90 of 100 tokens have 500, ten of 5,000 have 6,000, which is 1,050 on average."""
    small = capped(90, output=100, cap=500)
    found = verdict([*small, *capped(10, output=5000, cap=6000)])
    assert found.tuning.cap_use[0].mean_cap == 1050
    assert steps(found) == [
        "To save quota, size caps (max_tokens) closer to each call: one for all calls would reserve more (5,001 at 1%;"
        " 1,050 on average now).",
    ]


@pytest.mark.parametrize(("cap", "lowers"), [(430, True), (390, False)])
def test_caps_are_lowered_only_where_that_saves_more_than_a_quarter(cap, lowers):
    """300 tokens at 1% of 80 calls that take 100 and 40 that take 300: P90 is 3.9x or more, and 300 is 77% of 390."""
    found = verdict([*capped(80, output=100, cap=cap), *capped(40, output=300, cap=cap)])
    assert result(found, CAP_USE).outcome == "warn"
    to_lower = "To save quota, lower the caps (max_tokens) where calls use little of them."
    size = "Risk is within its targets. To save quota, size caps (max_tokens) closer to each call."
    assert steps(found)[0] == (to_lower if lowers else size)


def test_a_short_answer_says_nothing_about_its_cap():
    found = verdict([*capped(20), *capped(20, output=49), *capped(20, output=50)])
    assert result(found, CAP_USE).n == 40


def test_calls_that_are_left_out_of_cap_use_are_counted():
    found = verdict([*capped(20), *capped(3, output=49), *capped(4, success=False), *capped(1, output=1000)])
    assert message(found, CAP_USE).startswith(
        "P90 = 2.50x of calls with a cap, 8 truncated, failed or below 50 tokens left out (target < 3x) PASS, "
    )
    found = verdict(capped(30, success=False))
    assert message(found, CAP_USE) == (
        "no data: every call with a cap is truncated, failed or below 50 tokens (target < 3x)"
    )


WORK = {f"require_{each}": "none" for each in ("categories", "complexities", "deliverables")}

UNUSED = "lower the caps (max_tokens)"


def used(category, cap, n=20, *, truncated=0):
    """Calls of 100 output tokens that were sent with ``cap``, and of so many more, as many as were truncated at it."""
    ended = [call(output=100, category=category, max_tokens=cap)] * n
    return [*ended, *[call(output=cap, category=category, max_tokens=cap, truncated=True, success=False)] * truncated]


def test_the_caps_that_are_used_least_are_named():
    rows = [*used("docs", 500), *used("tests", 4000), *used("implementation", 250), *used("rare", 9000, 5)]
    found = verdict(rows, **WORK)
    assert found.verdict == "pass"
    # 5 calls say less of a P90 than 20
    assert f"To save quota, {UNUSED} of tests (P90 40.00x), docs (P90 5.00x), rare (P90 90.00x)." in steps(found)
    by = [(each.name, each.n, each.p90) for each in found.tuning.cap_use]
    assert by == [("docs", 20, 5.0), ("tests", 20, 40.0), ("implementation", 20, 2.5), ("rare", 5, 90.0)]


def test_no_cap_is_lowered_because_calls_failed_early():
    """A cap of 250 is 2.5x of 100 tokens. The 8 that failed have 5x, which would be the P90 of docs and of all 48."""
    failed = [call(output=50, category="docs", max_tokens=250, success=False)] * 8
    rows = [*used("docs", 250), *used("tests", 250), *failed]
    found = verdict(rows, **WORK)
    assert (outcomes(found)[CAP_USE], result(found, CAP_USE).n, result(found, CAP_USE).value) == ("pass", 40, 2.5)
    assert UNUSED not in "".join(steps(found))
    found = verdict([*rows, *used("implementation", 4000)], **WORK)
    assert f"To save quota, {UNUSED} of implementation (P90 40.00x)." in steps(found)
    assert found.metrics.cap_use.calls == 68  # quota is reserved by calls that failed too
    unknown = verdict([*rows[:-8], *[replace(each, success=None) for each in failed]], **WORK)
    assert f"To save quota, {UNUSED} of docs (P90 5.00x)." in steps(unknown)


def test_caps_that_name_no_work_are_lowered_without_a_name():
    found = verdict(capped(100, output=100, category=None, complexity=None, deliverable_count=None))
    assert f"To save quota, {UNUSED} where calls use little of them." in steps(found)


def test_caps_are_lowered_under_tune_too_after_the_advice_on_risk():
    """Where calls were truncated, the advice is to raise the cap, and not to lower it as well."""
    rows = [*used("docs", 4000), *used("tests", 900, truncated=6), *used("implementation", 250)]
    found = verdict(rows, **WORK)
    assert found.verdict == "tune"
    told = steps(found)
    at = told.index(
        "Raise the cap (max_tokens) where calls were truncated: tests 6 of 26. How far is unknown: double it for"
        " some calls, then collect and tune again."
    )
    assert told[at + 1] == f"To save quota, {UNUSED} of docs (P90 40.00x)."
    assert told[at + 2].startswith("No cap (max_tokens) to suggest yet: tests: too many truncated to tell; ")


def test_caps_that_must_be_raised_everywhere_are_lowered_nowhere():
    rows = [row for name in ("docs", "tests", "implementation") for row in used(name, 4000, truncated=6)]
    assert UNUSED not in "".join(steps(verdict(rows, **WORK)))


def test_caps_are_not_lowered_where_they_truncate_however_seldom():
    rows = [*used("docs", 4000), *used("tests", 4000, truncated=1), *used("implementation", 4000)]
    found = verdict(rows, max_truncation="99%", **WORK)
    assert found.verdict == "pass"
    [lower] = [step for step in steps(found) if UNUSED in step]
    assert "tests" not in lower


def test_caps_that_fail_are_named_too():
    found = verdict(used("docs", 4000), cap_use="fail", **WORK)
    assert ("Lower the caps (max_tokens) of docs (P90 40.00x), as far as Tier 1 stays within its targets.") in steps(
        found
    )


def test_the_target_of_cap_use_is_a_setting():
    assert outcomes(verdict(capped(50), max_cap_use_p90="2.5"))[CAP_USE] == "warn"
    assert outcomes(verdict(capped(50), max_cap_use_p90="2.51"))[CAP_USE] == "pass"


def test_reasons_alone_tell_of_truncation():
    found = verdict([*stopped(49), bare(finish_reason="length", truncated=True)])
    assert headline(found) == (
        "No tuning needed: 2.0% truncated. No prediction in the data, caps unknown: only truncation was judged."
        f" {PROVEN} and 236 to prove the target of truncation)."
    )
    assert outcomes(found).keys() == {*[f"readiness::{each}" for each in READY], TRUNCATION}


READY = ("sources", "samples", "categories", "complexities", "deliverables")


def test_lengths_alone_give_caps_and_no_verdict():
    """Of 1 to 100 tokens, the cap at risk 5% is the 96th of 101 places; 1% takes the last but none."""
    found = verdict([bare(n) for n in range(1, 101)])
    assert (found.verdict, found.fails) == ("inconclusive", False)
    assert headline(found) == f"Nothing to judge: the samples have neither predictions nor caps nor reasons. {NO_MIX}."
    assert steps(found) == [
        "Record the cap that is sent, or why outputs end, so that truncation can be judged.",
        "Caps (max_tokens) by risk of truncation: 101 at 1%, 100 at 2%, 97 at 5%.",
    ]
    assert verdict([bare(n) for n in range(1, 101)], inconclusive="fail").fails


def test_lengths_of_a_table_say_which_columns_may_be_caps():
    rows, begins = [bare(n) for n in range(1, 101)], "Record the cap that is sent, "
    other, cap = UnusedColumn("kind", "", 1, "table"), UnusedColumn("tok_limit", "max_tokens", 1, "table")
    unlikely = steps(verdict(rows, {"unused_columns": (other,)}))
    assert unlikely[0].startswith(begins)
    assert unlikely[1] == (
        "Or map the column that holds it (--token-telemetry-db-field=max_tokens=COLUMN): no field takes kind."
    )
    likely = steps(verdict(rows, {"unused_columns": (cap, other)}))
    assert likely[0].startswith("Map tok_limit (--token-telemetry-db-field=max_tokens=tok_limit) if it is max_tokens")
    assert likely[1].startswith(begins)
    assert not any("kind" in each for each in likely)


def test_lengths_of_named_work_give_the_caps_of_each_kind():
    """As above, of two categories; nothing is judged, so no mix of them is asked for, unless it was set."""
    rows = [bare(tokens * n, category=name) for name, tokens in (("docs", 1), ("ours", 10)) for n in range(1, 101)]
    found = verdict(rows)
    assert (found.verdict, headline(found)) == (
        "inconclusive",
        "Nothing to judge: the samples have neither predictions nor caps nor reasons.",
    )
    assert steps(found)[-1] == (
        "Caps (max_tokens) by risk of truncation: docs: 101 at 1%, 100 at 2%, 97 at 5%;"
        " ours: 1,001 at 1%, 991 at 2%, 961 at 5%."
    )
    assert verdict(rows, chosen=["require_categories"]).verdict == "not-ready"


def test_few_of_what_is_judged_are_not_ready():
    found = verdict(capped(19))
    assert (found.verdict, found.fails) == ("not-ready", True)
    assert message(found, "readiness::samples") == "19 of 20 samples"
    assert "No prediction in the data: the caps would be judged." in headline(found)
    assert "Collect 1 more sample." in steps(found)


def test_an_unknown_success_hinders_no_verdict_on_caps():
    assert verdict(capped(20, success=None)).verdict == "pass"


def test_a_mixture_is_judged_check_by_check():
    """60 calls with predictions, all good; 40 with caps alone, of which 4 are truncated: 4 of 100 attempts."""
    found = verdict([*ready(60), *capped(36), *capped(4, output=1000)])
    assert (found.verdict, headline(found)) == ("tune", "Tuning needed: 4.0% truncated.")
    assert (result(found, UNDERESTIMATION).events, result(found, UNDERESTIMATION).n) == (0, 60)
    assert (result(found, TRUNCATION).events, result(found, TRUNCATION).n) == (4, 100)
    assert result(found, CAP_USE).n == 36
    assert "40 of 100 samples have no prediction: they count for truncation alone." in notes(found)


def test_a_mixture_with_lengths_alone_counts_them_nowhere():
    found = verdict([*ready(60), *[bare(100)] * 40])
    assert (found.verdict, result(found, TRUNCATION).n, result(found, UNDERESTIMATION).n) == ("pass", 60, 60)


def test_few_predictions_among_many_calls_are_not_ready():
    found = verdict([*ready(9), *capped(100, category="docs")])
    assert found.verdict == "not-ready"
    assert result(found, "readiness::samples").value == 9


@pytest.mark.parametrize("population", ["success", "all"])
def test_the_origins_populations_know_no_call_without_a_prediction(population):
    mixed = verdict([*ready(60), *capped(40, output=1000)], population=population)
    alone = verdict(ready(60), population=population)
    for id in (UNDERESTIMATION, TRUNCATION, WASTE):
        assert result(mixed, id) == result(alone, id)


def test_a_cap_is_never_shown_as_a_prediction():
    found = verdict(capped(60))
    assert (found.metrics.waste.n, found.metrics.underestimation.n, found.metrics.smape.n) == (0, 0, 0)
    assert [each.predicted_output_tokens for each in (*found.worst, *found.cut_off)] == []


def test_what_names_its_work_owes_the_default_mix():
    found = verdict([*capped(50), *capped(1, category="docs")])
    assert outcomes(found)["readiness::categories"] == "fail"


def test_a_mix_that_was_asked_for_is_required_of_everything():
    found = verdict(capped(50), chosen=["require_categories"])
    assert [outcomes(found)[f"readiness::{each}"] for each in READY[2:]] == ["fail", "pass", "pass"]


def test_predictions_of_no_named_work_are_judged_by_counts():
    nothing = {"category": None, "complexity": None, "deliverable_count": None}
    found = verdict([call(**nothing)] * 20)
    assert (found.verdict, headline(found)) == (
        "pass",
        "No tuning needed: 0.0% underestimated, 0.0% truncated."
        f" {PROVEN}, 59 to prove the target of underestimation and 149 to prove the target of truncation).",
    )


def test_where_nothing_is_predicted_only_what_is_named_is_asked_for():
    """A team that names its work by category alone is not asked for complexities."""
    found = verdict(capped(50, category="docs"), require_categories="docs")
    assert found.verdict == "pass"
    assert headline(found) == (
        "No tuning needed: 0.0% truncated. No prediction in the data: the caps were judged."
        " No complexity or number of deliverables is named, so none is required."
    )
    assert verdict(capped(50, category="docs")).verdict == "not-ready"
    assert verdict([call(complexity=None)] * 50).verdict == "not-ready"


def test_what_nobody_misses_says_so_where_nothing_else_is_asked():
    found = judge(reading(ready(60)), settings(), [CAP_USE])
    assert [(each.id, each.outcome) for each in found.checks] == [(CAP_USE, "skip")]
    assert (message(found, CAP_USE), found.verdict) == ("no cap in the data", "inconclusive")


def test_caps_are_advised_in_a_mixture_that_is_to_be_tuned():
    """60 calls of 900 tokens have a 58th and a 60th. Of the 40 others four were truncated, 10%: more such calls would
    show no cap at 5% either, though 2% takes 49 calls."""
    found = verdict([*ready(60, category="docs"), *capped(36), *capped(4, output=1000)], require_categories="any")
    assert (found.verdict, steps(found)[-1]) == (
        "tune",
        "Caps (max_tokens) by risk of truncation: docs: 901 at 2%; calls without a category: too many"
        " truncated to tell.",
    )


def test_few_lengths_say_what_they_are_good_for():
    found = verdict([bare(n) for n in range(1, 11)])
    assert found.verdict == "not-ready"
    assert "No predictions, caps or reasons in the data: it can only say which caps to set" in headline(found)
