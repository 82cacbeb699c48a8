"""Reports that contradict themselves: verdicts, outcomes and comparisons that do not fit together."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pytest_token_telemetry.analysis.metrics import Share
from pytest_token_telemetry.analysis.replayed import Paired
from pytest_token_telemetry.past.baseline import DriftReport
from pytest_token_telemetry.report.json_file import render
from pytest_token_telemetry.report.untrusted_file import from_json
from tests.unit.gate.cases import baseline_of, call, compared, ready, replayed, verdict
from tests.unit.report.documents import check, document, report
from tests.unit.report.test_untrusted_file import changed, refusal


def at(found, path):
    """What stands at ``path``, as in ``base.underestimated``; a check is named by its id."""
    for key in filter(None, path.split(".")):
        if "::" in key:
            found = next(each for each in found if each["id"] == key) if isinstance(found, list) else check(found, key)
        else:
            found = found[int(key) if key.isdigit() else key]
    return found


def test_what_samples_are_held_against_is_read():
    found = from_json(report("compared"))
    base, drift = found.estimator.base, found.drift
    assert (base.estimator, base.calls, base.predictions.raised, base.predictions.lowered) == ("old:predict", 60, 2, 3)
    assert (base.base.underestimation, base.head.underestimation) == (Share(2, 60), Share(3, 60))
    assert base.underestimated == Paired(newly_underestimated=3, newly_safe=2, both=0, neither=55)
    # The chance of 3 or more of 5 coins is 1/2, and of exactly 3 it is 10/32: twice the one less the other.
    assert base.p == pytest.approx(2 / 2 - 10 / 32)
    assert [each.change for each in base.changed] == ["newly underestimated"] * 3 + ["newly safe"] * 2
    assert (drift.baseline_samples, drift.new_samples, drift.drift.ratio.outcome) == (60, 60, "drift")
    assert [session.verdict for session in found.history] == ["pass", "pass", "tune"]
    assert [session.underestimation for session in found.history] == [0, 1 / 50, 3 / 50]


def test_no_comparison_is_read():
    found = from_json(report("replayed"))
    assert found.estimator.base is None
    assert found.drift == DriftReport(baseline_samples=0, new_samples=0, drift=None)
    assert found.history is None


@pytest.mark.parametrize(
    ("nothing_known", "why"),
    [
        (2, "nothing_known is more than files"),
        (1, "readiness::sources says pass, and the counts say otherwise"),
        (-1, "expected `int` >= 0"),
    ],
)
def test_files_that_hold_nothing_are_at_odds_with_a_pass(nothing_known, why):
    assert why in refusal(report("pass", lambda found: found["counts"].update(nothing_known=nothing_known)))


@pytest.mark.parametrize(
    ("tables", "empty_tables", "why"),
    [
        (0, 1, "empty_tables is more than tables"),
        (1, 1, "readiness::sources says pass, and the counts say otherwise"),
        (1, 0, "readiness::sources says pass, and the counts say otherwise"),  # it says how many were read
    ],
)
def test_tables_that_hold_nothing_are_at_odds_with_a_pass(tables, empty_tables, why):
    counts = {"tables": tables, "empty_tables": empty_tables}
    assert why in refusal(report("pass", lambda found: found["counts"].update(counts)))


UNDER, CUT, RATIO = "drift.drift.underestimation", "drift.drift.truncation", "drift.drift.ratio"


@pytest.mark.parametrize(
    ("path", "keys", "why"),
    [
        ("estimator", {"estimator": 7}, "estimator.estimator: expected `str`, got `int`"),
        ("estimator", {"calls": 61}, "estimator: calls is not the number of answers"),
        ("estimator", {"cannot": 1}, "estimator: calls is not the number of answers"),
        ("estimator", {"wrong": -1}, "estimator.wrong: expected `int` >= 0"),
        ("estimator", {"with_budget": 61}, "estimator: with_budget is not what its parts say"),
        ("estimator", {"with_budget": 9, "would_truncate": 10}, "estimator: with_budget is not what its parts say"),
        ("estimator", {"would_truncate": 9, "unknown": 52}, "estimator: with_budget is not what its parts say"),
        ("checks.tier1::truncation", {"open": 1}, "tier1::truncation is not about what was replayed"),
        ("estimator.recorded.truncation", {"n": 61}, "estimator.recorded is of more calls than there are"),
        (
            "estimator.recorded.underestimation",
            {"events": 61},
            "estimator.recorded.underestimation: events is more than n",
        ),
        ("estimator.figures", {"waste_p50": 1.2}, "estimator.figures: waste_p50 is more than waste_p90"),
        ("estimator.figures", {"waste_p90": None}, "estimator.figures: one of waste_p50 and waste_p90 is missing"),
        ("estimator.base", {"calls": 61}, "estimator.base.calls is not what both can replay"),
        ("estimator.base", {"cannot": 1}, "estimator.base.calls is not what both can replay"),
        ("estimator.base", {"calls": 59}, "estimator.base.calls is not what both can replay"),
        ("estimator.base.head.underestimation", {"events": 2}, "estimator.base.head is not part of what was replayed"),
        (
            "estimator.base.base.underestimation",
            {"events": 4},
            "estimator.base.underestimated is not what base and head underestimate",
        ),
        (
            "estimator.base.underestimated",
            {"newly_safe": 0},
            "estimator.base.underestimated is not what base and head underestimate",
        ),
        (
            "estimator.base.underestimated",
            {"neither": 54},
            "estimator.base.underestimated is not what base and head underestimate",
        ),
        (
            "estimator.base.underestimated",
            {"newly_underestimated": 10**7 + 1},
            "estimator.base.underestimated is not what base and head underestimate",
        ),
        (
            "estimator.base.underestimated",
            {"neither": 56},
            "estimator.base.underestimated is not what base and head underestimate",
        ),
        (
            "estimator.base.base.underestimation",
            {"n": 59},
            "estimator.base.underestimated is not what base and head underestimate",
        ),
        ("estimator.base", {"only_base_judges": 1}, "estimator.base judges more calls than both can replay"),
        ("estimator.base", {"only_head_judges": 1}, "estimator.base.head is not part of what was replayed"),
        ("estimator.base", {"difference": -0.05}, "estimator.base.difference is not that of the counts"),
        ("estimator.base", {"difference": None}, "estimator.base.difference is not that of the counts"),
        ("estimator.base", {"bounds": None}, "estimator.base.bounds is missing"),
        ("estimator.base.bounds", {"lower": 0.02}, "estimator.base.bounds is not around the figure"),
        ("estimator.base.bounds", {"upper": 0.01}, "estimator.base.bounds is not around the figure"),
        ("estimator.base.bounds", {"upper": 2}, "estimator.base.bounds is not from -1 to 1"),
        ("estimator.base.bounds", {"confidence": 0}, "estimator.base.bounds.confidence: expected `float` >= 0.5"),
        ("estimator.base", {"p": 0.04}, "estimator.base.p is not that of the counts"),
        ("estimator.base", {"p": 1}, "estimator.base.p is not that of the counts"),
        ("estimator.base.predictions", {"raised": 58}, "estimator.base.predictions is of more calls than there are"),
        (
            "estimator.base.changed.4",
            {"change": "newly underestimated"},
            "estimator.base.changed has more than the counts",
        ),
        ("estimator.base.changed.0", {"change": "newly safe"}, "estimator.base.changed has more than the counts"),
        (
            "estimator.base.changed.0",
            {"change": "better"},
            "estimator.base.changed[0].change: not one of the words that may stand there",
        ),
        ("estimator.base", {"changed": [{}] * 101}, "estimator.base.changed: expected `array` of length <= 100"),
        ("drift", {"new_samples": 59}, "drift.drift.underestimation is of more calls than there are"),
        (f"{UNDER}.base", {"events": 61}, f"{UNDER}.base: events is more than n"),
        (UNDER, {"difference": 0.3}, f"{UNDER}.bounds is not around the figure"),
        (CUT, {"matters": True}, f"{CUT}.matters is not what the figures say"),
        (CUT, {"difference": None, "bounds": None, "matters": True}, f"{CUT}.matters is not what the figures say"),
        (UNDER, {"bounds": None}, f"{UNDER}.bounds is missing"),
        (f"{UNDER}.bounds", {"lower": 0.01}, f"{UNDER}.bounds is not around the figure"),
        (UNDER, {"adjusted_p": 0.04}, f"{UNDER}.adjusted_p is not that of the three"),
        (CUT, {"adjusted_p": None}, f"{CUT}.adjusted_p is not that of the three"),
        (RATIO, {"adjusted_p": 0.9}, f"{RATIO}.adjusted_p is not that of the three"),
        (RATIO, {"p": 0.9}, f"{RATIO}.adjusted_p is not that of the three"),
        (RATIO, {"shift": 0}, f"{RATIO}.shift is not a factor"),
        (RATIO, {"matters": False}, f"{RATIO}.matters is not what the figures say"),
        (RATIO, {"head_n": 61}, f"{RATIO} is of more calls than there are"),
        ("history.0", {"verdict": "green"}, "history[0].verdict: not one of the words that may stand there"),
        ("history.0", {"truncation": 1.5}, "history[0].truncation: expected `float` <= 1.000000001"),
    ],
)
def test_comparisons_that_do_not_fit_together_are_refused(path, keys, why):
    assert refusal(report("compared", lambda found: at(found, path).update(keys))) == why


def test_a_head_of_fewer_calls_is_part_of_what_was_replayed():
    """Base cannot replay one call. Of the 59 others head cannot underestimate more than of all 60."""

    def one_less(found, events):
        base = found["estimator"]["base"]
        base.update(calls=59, cannot=1, difference=(events - 2) / 59, p=1.0, changed=[])
        for side in (base["base"], base["head"]):
            side["truncation"]["n"] = side["underestimation"]["n"] = 59
        base["head"]["underestimation"]["events"] = events
        base["underestimated"].update(newly_underestimated=events, neither=57 - events)

    assert from_json(report("compared", lambda found: one_less(found, 2))).estimator.base.calls == 59
    why = "estimator.base.head is not part of what was replayed"
    assert refusal(report("compared", lambda found: one_less(found, 4))) == why


FAILED = [call(success=False, task_id="failed")] * 3


def cuts_failed(request):
    return 1000, 800 if request.task_id == "failed" else 4096


@pytest.mark.parametrize(
    ("side", "keys", "why"),
    [
        ("base", {"only_base_judges": 4}, "estimator.base judges more calls than both can replay"),
        ("head", {"only_head_judges": 2}, "estimator.base.head is not part of what was replayed"),
        ("head", {"only_head_judges": 4}, "estimator.base.head is not part of what was replayed"),
        (
            "base",
            {"only_base_judges": 2, "only_head_judges": 1},
            "estimator.base.head is not part of what was replayed",
        ),
        (
            "base",
            {"base": {"underestimation": {"events": 0, "n": 60}, "truncation": {"events": 2, "n": 63}}},
            "estimator.base.only_base_judges is of more calls than base would truncate",
        ),
    ],
)
def test_calls_that_one_estimator_alone_judges_fit_the_figures_of_both(side, keys, why):
    estimators = [lambda request: (1000, 4096), cuts_failed]
    found = json.loads(render(replayed([*ready(60), *FAILED], *estimators[:: 1 if side == "base" else -1])))
    assert from_json(json.dumps(found).encode()).estimator.base.underestimated.n == 60
    for key, value in keys.items():
        part = found["estimator"]["base"]
        part[key] = {**part[key], **value} if isinstance(value, dict) else value
    assert refusal(json.dumps(found).encode()) == why


def test_outputs_that_shrink_matter_as_those_that_grow():
    """Half as much: 900 tokens where the baseline has 1800."""
    found = from_json(render(compared(ready(60), baseline_of(ready(60, 1000, 1800)))).encode())
    assert found.drift.drift.ratio.shift == pytest.approx(0.5, abs=0.01)
    assert found.drift.drift.ratio.outcome == "drift"


def test_a_history_that_is_too_long_is_refused():
    assert refusal(changed("compared", history=[{}] * 101)) == "history: expected `array` of length <= 100"


@pytest.mark.parametrize("key", ["estimator", "drift"])
def test_a_comparison_that_is_no_object_is_refused(key):
    assert refusal(changed("compared", **{key: [1]})) == f"{key}: expected `object | null`, got `array`"


def test_the_chance_of_as_many_calls_as_are_taken_is_computed_in_no_time():
    """All that differ to one side: 2 to the power of minus that many, which is 0."""
    many = 10**7
    share = {"events": many, "n": many}

    def enlarge(found):
        estimator = found["estimator"]
        base = estimator["base"]
        for each in (estimator, base):
            each.update(calls=many)
        estimator.update(replayed=many)
        base.update(difference=1.0, p=0.0, changed=[], bounds={"confidence": 0.95, "lower": 1, "upper": 1})
        base["underestimated"].update(newly_underestimated=many, newly_safe=0, both=0, neither=0)
        base["base"]["underestimation"].update(n=many, events=0)
        base["head"]["underestimation"] = estimator["figures"]["underestimation"] = share
        check(found, "readiness::replay").update(value=many)
        found["metrics"]["underestimation"] = share
        found["counts"].update(samples=many, risk=many)
        found["counts"]["carried"].update(samples=many, predictions=many)
        found["strata"]["category"] = [{**found["strata"]["category"][0], "risk": many, "underestimated": many}]
        check(found, "tier1::underestimation").update(share, value=1.0, outcome="fail")
        found["verdict"] = "tune"

    assert from_json(report("compared", enlarge)).estimator.base.p == 0


@pytest.mark.parametrize(
    ("id", "keys", "why"),
    [
        ("readiness::replay", {"value": 59}, "readiness::replay is not about what was replayed"),
        ("readiness::replay", {"target": 61}, "readiness::replay says pass, and its figure says otherwise"),
        ("readiness::replay", {"missing": 1}, "readiness::replay says pass, and its figure says otherwise"),
        ("readiness::replay", {"outcome": "skip"}, "it says pass, and not all checks that decide passed"),
        ("readiness::replay", {"outcome": "fail"}, "it says pass, and readiness::replay failed"),
        (
            "tier1::underestimation",
            {"events": 0, "value": 0.0},
            "tier1::underestimation is not about what was replayed",
        ),
        ("tier1::truncation", {"n": 59}, "tier1::truncation is not about what was replayed"),
        ("tier2::waste-p90", {"value": 1.0}, "tier2::waste-p90 is not about what was replayed"),
        ("drift::ratio", {"outcome": "pass"}, "drift::ratio says pass, and its figure says otherwise"),
        (
            "drift::ratio",
            {"outcome": "skip"},
            "it says pass, and drift::ratio does not warn of the drift that it found",
        ),
        (
            "drift::ratio",
            {"outcome": "pass", "finding": "steady"},
            "drift::ratio is not about the comparison with the baseline",
        ),
        ("drift::ratio", {"adjusted_p": 0.9}, "drift::ratio is not about the comparison with the baseline"),
        ("drift::ratio", {"finding": "none"}, "checks[11].finding: not one of the words that may stand there"),
        ("drift::truncation", {"finding": "too-few"}, "drift::truncation says pass, and its figure says otherwise"),
    ],
)
def test_a_check_that_does_not_show_the_comparison_is_refused(id, keys, why):
    assert refusal(report("compared", lambda found: check(found, id).update(keys))) == why


def test_a_list_is_no_figure_of_a_count():
    def empty(found):
        check(found, "readiness::replay").update(target=[], missing=[])

    why = "checks[5].target: expected `int`, got `array`"
    assert refusal(report("compared", empty)) == why


def test_an_estimator_that_replays_nothing_does_not_pass():
    """Its calls are all that it cannot replay, of which none is needed."""

    def empty(found):
        estimator, none = found["estimator"], {"events": 0, "n": 0}
        estimator.update(replayed=0, cannot=60, with_budget=0, base=None)
        for each in (estimator["recorded"], estimator["figures"]):
            each.update(underestimation=none, truncation=none, waste_p50=None, waste_p90=None)
        check(found, "readiness::replay").update(value=0, target=0)
        for id in ("tier1::underestimation", "tier1::truncation"):
            check(found, id).update(none, value=None, outcome="skip")
        check(found, "tier2::waste-p90").update(n=0, value=None, outcome="skip")
        found["verdict"] = "inconclusive"

    assert refusal(report("replayed", empty)) == "readiness::replay is not about what was replayed"


def without(found, *ids):
    found["checks"] = [each for each in found["checks"] if each["id"] not in ids]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda found: found.update(estimator=None), "it has readiness::replay, and no estimator"),
        (lambda found: found.pop("estimator"), "it has readiness::replay, and no estimator"),
        (lambda found: without(found, "readiness::replay"), "it has an estimator, and no readiness::replay"),
        (
            lambda found: (without(found, "readiness::replay"), found.update(deselected=["readiness::replay"])),
            "it says pass, and not all checks that decide passed",
        ),
        (lambda found: found.update(drift=None), "it has checks of drift, and no comparison with a baseline"),
        (
            lambda found: found["drift"].update(drift=None),
            "drift::underestimation is not about the comparison with the baseline",
        ),
        (
            lambda found: without(found, "drift::ratio"),
            "it has a comparison with a baseline, and not all checks of drift",
        ),
    ],
)
def test_a_comparison_without_its_checks_or_the_reverse_is_refused(change, why):
    assert refusal(report("compared", change)) == why


def test_a_drift_check_that_passes_without_a_baseline_is_refused():
    def green(found):
        check(found, "drift::ratio").update(outcome="pass", p=1.0, adjusted_p=1.0, finding="steady")

    assert refusal(report("replayed", green)) == "drift::ratio is not about the comparison with the baseline"


STRATUM = {
    "name": "m",
    **dict.fromkeys(("successes", "truncated", "risk", "underestimated"), 0),
    "attempts": 1,
    "waste_p50": None,
    "waste_p90": None,
}


@pytest.mark.parametrize(
    ("name", "path", "keys", "why"),
    [
        ("tune", "metrics.truncation", {"n": 61}, "tier1::truncation is not the rate in metrics"),
        ("tune", "strata.category.0", {"truncated": 0}, "tier1::truncation is not the sum of the categories"),
        ("tune", "strata.complexity.0", {"truncated": 60}, "strata has more events than calls"),
        ("tune", "strata", {"model": [{**STRATUM, "truncated": 2}]}, "strata has more events than calls"),
        ("tune", "strata", {"model": [{**STRATUM, "unknown": 1}]}, "strata has more events than calls"),
        (
            "tune",
            "strata",
            {"spellings": [{**STRATUM, "attempts": 5000, "spelling_of": "docs"}]},
            "strata.spellings has more than the categories",
        ),
        ("tune", "strata.deliverables.0", {"underestimated": 60}, "strata has more events than calls"),
        ("pass", "checks.tier1::truncation.bounds", {"upper": 1.5}, "tier1::truncation.bounds is not from 0 to 1"),
        ("pass", "checks.tier2::waste-p90.bounds", {"lower": -1}, "tier2::waste-p90.bounds is not from 0 to 1"),
        (
            "inconclusive",
            "checks.tier1::truncation",
            {"samples_to_prove": 30},
            "tier1::truncation is inconclusive, and has the samples that prove it",
        ),
        ("compared", "checks.drift::ratio", {"kind": "other"}, "drift::ratio has a figure of another kind"),
        ("pass", "attempts.every", {"n": 61}, "attempts is not what the truncation rate is of"),
        ("pass", "attempts.first", {"n": 61}, "attempts has first ones and retries that are not among all"),
        ("pass", "attempts.first", {"events": 1, "n": 1}, "attempts has first ones and retries that are not among all"),
        ("pass", "attempts.larger_cap", {"n": 1}, "attempts has first ones and retries that are not among all"),
        (
            "pass",
            "attempts.larger_cap",
            {"events": 1, "n": 1},
            "attempts has more retries than calls that were truncated",
        ),
        ("pass", "attempts.near_cap", {"n": 61}, "attempts is of more calls than there are"),
        ("pass", "attempts.first", {"n": 1}, "attempts is of more calls than there are"),
        (
            "pass",
            "metrics",
            {"repeated_output": {"output_tokens": 1000, "calls": 10_000}},
            "metrics.repeated_output is of more calls than have no cap",
        ),
        ("pass", "budgets", {"calls": 10_000}, "budgets is of more calls than have a prediction"),
    ],
)
def test_figures_that_contradict_others_are_refused(name, path, keys, why):
    assert refusal(report(name, lambda found: at(found, path).update(keys))) == why


def test_a_rate_that_passes_only_without_what_is_open_is_refused():
    def change(found):
        found["estimator"].update(with_budget=60, unknown=2)
        at(found, "checks.tier1::truncation").update(open=2)

    assert refusal(report("compared", change)) == "tier1::truncation says pass, and its figure says otherwise"


def test_advice_scored_beyond_a_rate_is_refused():
    forward = {"tuned_on": 9, "scored": {"events": 1, "n": 9}, "uncovered": 0}
    bounds = {"confidence": 0.95, "lower": 0, "upper": 7}
    content = report("tune", lambda found: found["tuning"].update(forward={**forward, "bounds": bounds}))
    assert refusal(content) == "tuning.forward.bounds is not from 0 to 1"


@pytest.mark.parametrize(
    ("name", "change", "why"),
    [
        ("not-ready", lambda found: found.update(unready=[]), "it says not-ready, and its checks do not"),
        ("not-ready", lambda found: found["unready"].pop(), "its readiness checks are not those in unready"),
        (
            "not-ready",
            lambda found: found["unready"][0].update(id="readiness::sources"),
            "its readiness checks are not those in unready",
        ),
        (
            "not-ready",
            lambda found: found["unready"][0].update(outcome="pass"),
            "it has something in unready that is not a readiness check or is met",
        ),
        (
            "not-ready",
            lambda found: found["unready"][0].update(for_unready=True),
            "it has something in unready that is not a readiness check or is met",
        ),
        (
            "tune",
            lambda found: found.update(unready=document("not-ready")["unready"]),
            "it says tune, and its checks do not",
        ),
        (
            "pass",
            lambda found: found.update(unready=document("not-ready")["unready"]),
            "it says pass, and a check is inconclusive or not met",
        ),
        ("pass", lambda found: found.update(verdict="inconclusive"), "it says inconclusive, and its checks do not"),
    ],
)
def test_what_is_not_met_fits_the_verdict_and_the_checks(name, change, why):
    assert refusal(report(name, change)) == why


def need_nothing(found):
    """What a report says that requires nothing, while its settings ask for all."""
    check(found, "readiness::samples").update(target=0)
    for kind in ("categories", "complexities", "deliverables"):
        check(found, f"readiness::{kind}").update(target=[], value=[], counts=[])


COUNTED = [
    # 60 successful calls of one file, and as many attempts
    ("counts", {"samples": 0}, "counts.attempts is more than samples"),
    ("counts", {"samples": 59}, "counts.attempts is more than samples"),
    ("counts", {"legacy": 61}, "counts.legacy is more than samples"),
    ("counts", {"uncounted": {"events": 0, "n": 1}}, "attempts is not what the truncation rate is of"),
    ("checks.tier1::truncation", {"uncounted": 1}, "tier1::truncation is not about counts.uncounted"),
    ("counts", {"risk": 59}, "tier1::underestimation is of more samples than there are"),
    ("counts", {"attempts": 59}, "tier1::truncation is of more samples than there are"),
    ("sources.0", {"samples": 61}, "sources have more than samples"),
    ("sources.0", {"duplicates": 1}, "sources have more than duplicates"),
    ("sources.0", {"unusable": 1}, "sources have more than unusable"),
    ("sources.0", {"skipped": {"no calls": 1}}, "sources have more than skipped"),
    ("sources.0", {"dropped": 1}, "sources have more than dropped"),
    ("counts", {"successes": 0}, "counts.towards is more than can count"),
    ("counts", {"towards": 0}, "readiness::samples says pass, and the counts say otherwise"),
    ("counts.carried", {"predictions": 61}, "counts.carried is more than samples"),
    ("counts.carried", {"predictions": 59}, "budgets is of more calls than have a prediction"),
    ("counts.carried", {"caps": 1}, "metrics.cap_use.calls is not counts.carried.caps"),
    ("metrics.cap_use", {"calls": 1}, "metrics.cap_use.calls is not counts.carried.caps"),
    (
        "checks.tier1::truncation",
        {"unasked": True, "outcome": "skip"},
        "tier1::truncation was not asked, and the data says otherwise",
    ),
    (
        "checks.tier1::underestimation",
        {"unasked": True, "outcome": "skip"},
        "tier1::underestimation was not asked, and the data says otherwise",
    ),
    ("checks.readiness::samples", {"value": 59}, "readiness::samples says pass, and the counts say otherwise"),
    ("counts", {"unreadable_files": 1}, "readiness::sources says pass, and the counts say otherwise"),
    ("counts", {"lost_tests": 1}, "counts.unreadable_files is less than what could not be read"),
    ("counts", {"files": 0}, "readiness::sources says pass, and the counts say otherwise"),
    ("counts", {"files": 2}, "readiness::sources says pass, and the counts say otherwise"),
    ("checks.readiness::sources", {"value": 2}, "readiness::sources says pass, and its figure says otherwise"),
    ("settings", {"gate": "true"}, "readiness::sources says pass, and the counts say otherwise"),
    (
        "not_read",
        {"unreadable": [{"path": "a", "reason": "b"}]},
        "counts.unreadable_files is less than what could not be read",
    ),
    (
        "checks.readiness::categories",
        {"counts": [0, 20, 20]},
        "readiness::categories says pass, and the counts say otherwise",
    ),
    (
        "checks.readiness::deliverables",
        {"counts": [21, 20, 20]},
        "readiness::deliverables says pass, and the counts say otherwise",
    ),
    (
        "checks.readiness::deliverables",
        {"target": [], "value": [], "counts": []},
        "readiness::deliverables has another target than the settings",
    ),
    (
        "checks.readiness::categories",
        {"target": list("abcd"), "value": list("abcd"), "counts": []},
        "readiness::categories has another target than the settings",
    ),
    ("checks.readiness::samples", {"target": 0}, "readiness::samples has another target than the settings"),
    ("settings", {"min_samples": "21"}, "readiness::samples has another target than the settings"),
    ("settings", {"min_samples": "none"}, "settings.min_samples is not one that the gate takes"),
    ("settings", {"min_samples": ["20"]}, "settings.min_samples is not one that the gate takes"),
    ("settings", {"max_unusable": "0x"}, "settings.max_unusable is not one that the gate takes"),
    ("checks.tier1::truncation", {"target": 1}, "tier1::truncation has another target than the settings"),
    ("checks.tier2::waste-p90", {"target": 9}, "tier2::waste-p90 has another target than the settings"),
    ("checks.tier2::waste-p90", {"n": 61}, "tier2::waste-p90 is of more samples than there are"),
    ("distributions", {"against": "cap"}, "distributions.against is not what was judged"),
    ("distributions", {"density": []}, "distributions.density is of other calls than the figures"),
    ("distributions", {"density": [[30, 29, 61, 0]]}, "distributions.density is of other calls than the figures"),
    ("distributions", {"ratios": []}, "distributions.ratios are of other calls than the figures"),
    ("distributions.curves.0", {"n": 61}, "distributions.curves are of more calls than there are"),
    ("distributions.grid", {"others": 1}, "distributions.grid is of other calls than those that count"),
    ("", {"calls": []}, "calls are not those of distributions.density"),
]


@pytest.mark.parametrize(
    ("keys", "why"),
    [
        ({"n": 61, "cut_off": 1}, "distributions.ratios are of more calls than have a cap"),
        ({"n": 60, "cut_off": 1, "counts": [59]}, "distributions.ratios are of other calls than the figures"),
    ],
)
def test_ratios_of_caps_are_of_calls_with_a_cap(keys, why):
    found = json.loads(render(verdict([call(None, 1000, max_tokens=2000)] * 60)))
    (ratios,) = found["distributions"]["ratios"]
    assert (ratios["n"], ratios["counts"]) == (60, [60])
    ratios.update(keys)
    assert refusal(json.dumps(found).encode()) == why


@pytest.mark.parametrize(("path", "keys", "why"), COUNTED)
def test_checks_that_the_counts_contradict_are_refused(path, keys, why):
    assert refusal(report("pass", lambda found: at(found, path).update(keys))) == why


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (need_nothing, "readiness::samples has another target than the settings"),
        (
            lambda found: (need_nothing(found), found["settings"].clear()),
            "readiness::samples has another target than the settings",
        ),
        (
            lambda found: (found.update(population="all"), found["counts"].update(uncounted={"events": 0, "n": 1})),
            "counts.uncounted is of more calls than can take part",
        ),
        (
            lambda found: (found.update(population="all"), found["counts"].update(attempts=19)),
            "readiness::samples says pass, and the counts say otherwise",
        ),
        (
            lambda found: found["settings"].pop("require_categories"),
            "readiness::categories has another target than the settings",
        ),
        (
            lambda found: (
                found["settings"].update(max_unusable="0"),
                found["counts"].update(unusable={"total": 1, "reasons": {"x": {"count": 1, "places": []}}}),
            ),
            "readiness::sources says pass, and the counts say otherwise",
        ),
    ],
)
def test_a_pass_that_counts_and_settings_contradict_together_is_refused(change, why):
    assert refusal(report("pass", change)) == why


CARRIED, OF_WORK = "checks.readiness::carried", "checks.readiness::categories"


@pytest.mark.parametrize(
    ("name", "path", "keys", "why"),
    [
        # 6 calls with a prediction each, none with a cap, in a, b and c, and none in a required category
        ("lacking", CARRIED, {"outcome": "pass"}, "readiness::carried says pass, and its figure says otherwise"),
        (
            "lacking",
            CARRIED,
            {"target": ["predictions"], "missing": []},
            "readiness::carried has another target than the settings",
        ),
        ("lacking", CARRIED, {"counts": [5]}, "readiness::carried is not what counts.carried says"),
        ("lacking", CARRIED, {"counts": []}, "readiness::carried is not what counts.carried says"),
        ("lacking", "settings", {"require": "tokens"}, "settings.require is not one that the gate takes"),
        ("lacking", "settings", {"require": "caps"}, "readiness::carried has another target than the settings"),
        ("lacking", OF_WORK, {"named": 7}, "readiness::categories is of more samples than there are"),
        ("lacking", OF_WORK, {"named": 5}, "checks[3]: found is more than named"),
        ("lacking", OF_WORK, {"named": None}, "checks[3]: found is more than named"),
        ("lacking", OF_WORK, {"found": {"a": 0}}, "checks[3]: found is missing"),
        ("lacking", OF_WORK, {"found": {"docs": 1}}, "checks[3]: found is missing"),
        ("lacking", OF_WORK, {"found": {"a": -1}}, "checks[3].found[...]: expected `int` >= 0"),
        (
            "lacking",
            OF_WORK,
            {"found": {f"c{n}": 1 for n in range(21)}},
            "checks[3].found: expected `object` of length <= 20",
        ),
        ("lacking", "checks.readiness::complexities", {"found": {"low": 5}}, "checks[4]: found is not counts"),
        ("required", CARRIED, {"counts": [59]}, "readiness::carried is not what counts.carried says"),
        (
            "required",
            "settings",
            {"require_categories": "docs"},
            "readiness::categories has another target than the settings",
        ),
        (
            "required",
            OF_WORK,
            {"target": [], "value": [], "counts": []},
            "readiness::categories has another target than the settings",
        ),
        ("required", OF_WORK, {"counts": [61]}, "readiness::categories says pass, and the counts say otherwise"),
        (
            "pass",
            "settings",
            {"require_categories": "any"},
            "readiness::categories has another target than the settings",
        ),
        ("pass", "settings", {"require": "caps"}, "it says pass, and not all checks that decide passed"),
        ("pass", "settings", {"require": ""}, "it says pass, and not all checks that decide passed"),
    ],
)
def test_readiness_that_the_counts_contradict_is_refused(name, path, keys, why):
    def change(found):
        at(found, path).update(keys)
        for each in found["unready"]:
            if path.endswith(each["id"]):
                each.update(keys)

    assert refusal(report(name, change)) == why


@pytest.mark.parametrize("counts", [[60, 60], [60, 1], []])
def test_a_pass_of_what_no_sample_carries_is_refused(counts):
    """60 calls have a prediction, and none a cap."""
    both = {"target": ["predictions", "caps"], "value": ["predictions", "caps"], "counts": counts}

    def change(found):
        at(found, CARRIED).update(both)
        found["settings"].update(require="predictions,caps")

    assert refusal(report("required", change)) == "readiness::carried is not what counts.carried says"


def test_an_older_report_that_requires_nothing_is_read():
    change = {"target": [], "value": [], "counts": []}
    found = report(
        "pass",
        lambda found: (at(found, OF_WORK).update(change), found["settings"].update(require_categories="")),
    )
    assert from_json(found).settings["require_categories"] == ""


def test_nothing_is_required_where_nobody_asks_for_it():
    none = verdict(
        ready(60), require_categories="none", require_complexities="none", require_deliverables="none", min_samples="1"
    )
    assert from_json(render(none).encode()).verdict == "pass"


@pytest.mark.parametrize("path", sorted((Path(__file__).parent / "older").iterdir()), ids=lambda path: path.stem)
def test_reports_of_earlier_versions_are_read(path):
    content = path.read_bytes()
    assert from_json(content).verdict == json.loads(content)["verdict"]
