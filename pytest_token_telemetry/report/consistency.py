"""Whether a report's verdict, outcomes and figures fit together: one that says PASS while a check failed is refused.

A figure that follows from others in the report must be the one that does.
"""

from __future__ import annotations

from datetime import datetime
from fractions import Fraction
from typing import TYPE_CHECKING

from pytest_token_telemetry.analysis.drift import LEAST_RISE_OF_TRUNCATION, LEAST_RISE_OF_UNDERESTIMATION, LEAST_SHIFT
from pytest_token_telemetry.analysis.evidence import holm
from pytest_token_telemetry.analysis.metrics import Share
from pytest_token_telemetry.analysis.number_ranges import ROUNDING
from pytest_token_telemetry.analysis.replayed import mid_p
from pytest_token_telemetry.gate.checks import ALL_READ, CHECK_BY_ID, REPLAY, TRUNCATION, UNDERESTIMATION, WASTE
from pytest_token_telemetry.gate.checks.drift import DriftCheck
from pytest_token_telemetry.gate.results import CountResult, CoverageResult, DriftResult, RateResult, RatioResult

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_token_telemetry.analysis.attempts import Attempts
    from pytest_token_telemetry.analysis.drift import Drift, RateDrift, RatioDrift
    from pytest_token_telemetry.analysis.evidence import Bounds
    from pytest_token_telemetry.gate.replay_report import BaseComparison, EstimatorFigures, ReplayReport
    from pytest_token_telemetry.gate.results import Result
    from pytest_token_telemetry.past.baseline import DriftReport
    from pytest_token_telemetry.report.model import Report

MOST_DIFFERING = 10**7
"""Calls on which two estimators differ: of more, the p value takes long to compute."""

_FARTHEST = 1e30
"""No ratio is kept that is larger than a billion, and no change of them is larger than its square."""

_ROUNDING_OF_CHANCE = 1e-6
"""Two ways to compute the same p value, which is made of logarithms of factorials, differ by less."""


_SHORTENED = Fraction(1, 10**12)
"""A target of very many digits is written as the floating point number next to it."""


class RefusedError(Exception):
    """Why a report is not used: one clause in our own words that shows nothing of the report."""


def check_consistency(report: Report) -> None:
    """Return if the report can be the gate's.

    Raises:
        RefusedError: it cannot.
    """
    _check_time(report.created)
    ids = [*(result.id for result in report.checks), *report.deselected]
    if len(set(ids)) < len(ids):
        raise RefusedError("it has a check twice")
    for result in (*report.checks, *report.unmet):
        check = CHECK_BY_ID.get(result.id)
        if check is not None and type(result) is not check.kind:
            raise RefusedError(f"{result.id} has a figure of another kind")
    for result in report.checks:
        if result.outcome == "pass" and (result.inconclusive or _misses(result)):
            raise RefusedError(f"{result.id} says pass, and its figure says otherwise")
        if isinstance(result, RateResult | RatioResult):
            _check_proof(result)
    _check_unasked(report)
    _check_estimator(report)
    _check_rates(report)
    if report.attempts is not None:
        _check_attempts(report, report.attempts)
    _check_drift(report)
    _check_verdict(report)
    _check_unmet(report)
    if report.tuning and report.tuning.forward:
        _check_range(report.tuning.forward.bounds, "tuning.forward", 0, 1)
    if report.tuning and len({tuple(cap.risk for cap in each.caps) for each in report.tuning.max_tokens}) > 1:
        raise RefusedError("tuning.max_tokens has other risks in each row")


def _check_time(created: str) -> None:
    try:
        datetime.strptime(created, "%Y-%m-%dT%H:%M:%S%z")
    except ValueError:
        raise RefusedError("created is not a time in UTC") from None


def _check_proof(result: RateResult | RatioResult) -> None:
    """The bounds are on a rate, and what is not proven takes more samples."""
    _check_range(result.bounds, result.id, 0, 1)
    if result.inconclusive and result.samples_to_prove is not None and result.samples_to_prove <= result.n:
        raise RefusedError(f"{result.id} is inconclusive, and has the samples that prove it")


def _check_unmet(report: Report) -> None:
    """What is not met is that of readiness, and the same among the checks."""
    for each in report.unmet:
        if not each.id.startswith("readiness::") or each.outcome == "pass" or each.for_unready:
            raise RefusedError("it has something in unready that is not a readiness check or is met")
    unmet = {each.id for each in report.unmet}
    for each in report.checks:
        if each.id.startswith("readiness::") and (each.id in unmet) != (each.outcome != "pass"):
            raise RefusedError("its readiness checks are not those in unready")


def _check_unasked(report: Report) -> None:
    """What was not asked is what the data carries nothing for, and a rate and a ratio always show that."""
    for result in report.checks:
        check, carried = CHECK_BY_ID.get(result.id), report.counts.carried
        if check is None:  # what it is about is not known here
            continue
        asked = carried is None or check.is_asked(carried)
        judged = isinstance(result, RateResult | RatioResult) and result.n > 0
        if result.unasked and (asked or judged or result.outcome == "pass"):
            raise RefusedError(f"{result.id} was not asked, and the data says otherwise")


def _misses(result: Result) -> bool:
    """True if the figure cannot be that of a check that passed."""
    match result:
        case RateResult():
            most = Fraction(result.events + result.open, max(result.n + result.open, 1))
            return result.n == 0 or most > result.limit + _SHORTENED
        case RatioResult():
            return not result.is_within
        case CountResult():
            unusable = result.id == ALL_READ.id and result.value > result.target
            return result.missing > 0 or result.value < result.target or unusable
        case CoverageResult():
            return bool(result.missing)
        case DriftResult():
            return result.finding != "steady"
    return False


def _check_rates(report: Report) -> None:
    """The Tier 1 checks show the rates of the figures, which are the sums of the categories."""
    metrics, strata, categories = report.metrics, report.strata, report.strata.category
    main = (*categories, *strata.complexity, *strata.deliverables)
    for stratum in (*main, *strata.spellings, *strata.model, *strata.operation):
        if max(stratum.underestimated, stratum.unknown) > stratum.risk or stratum.truncated > stratum.attempts:
            raise RefusedError("strata has more events than calls")
    if sum(each.attempts for each in strata.spellings) > sum(each.attempts for each in categories):
        raise RefusedError("strata.spellings has more than the categories")
    sums = {
        UNDERESTIMATION.id: (sum(each.underestimated for each in categories), sum(each.risk for each in categories)),
        TRUNCATION.id: (sum(each.truncated for each in categories) + report.counts.uncounted.events, None),
    }
    for id, share in ((UNDERESTIMATION.id, metrics.underestimation), (TRUNCATION.id, metrics.truncation)):
        result = report.result(id)
        if not isinstance(result, RateResult):
            continue
        if share.n and (share.events, share.n) != (result.events, result.n):
            raise RefusedError(f"{id} is not the rate in metrics")
        events, n = sums[id]
        if events != result.events or (n is not None and n != result.n):
            raise RefusedError(f"{id} is not the sum of the categories")


def _check_attempts(report: Report, attempts: Attempts) -> None:
    """First attempts and retries are among all attempts, which are those of the truncation rate unless some are not."""
    first, every, retries = attempts.first, attempts.every, attempts.larger_cap
    again = retries.n - retries.events
    if first.events + again > every.events or first.n - first.events + retries.events > every.n - every.events:
        raise RefusedError("attempts has first ones and retries that are not among all")
    if retries.n > every.events:
        raise RefusedError("attempts has more retries than calls that were truncated")
    is_rate = report.population == "risk" and report.estimator is None and not report.is_on("one_per_task")
    uncounted = report.counts.uncounted
    known = Share(every.events + uncounted.events, every.n + uncounted.n)
    if is_rate and known != report.metrics.truncation:
        raise RefusedError("attempts is not what the truncation rate is of")


def _check_verdict(report: Report) -> None:
    outcomes = {result.id: result.outcome for result in report.checks}
    exceeded = [result.id for result in report.checks if result.exceeded]
    match report.verdict:
        case "pass":
            _check_pass(report, outcomes)
        case "tune":
            if not exceeded or report.unmet:
                raise RefusedError("it says tune, and its checks do not")
        case "not-ready":
            if not set(outcomes.values()) & {"fail", "skip"} or (report.unready is not None and not report.unready):
                raise RefusedError("it says not-ready, and its checks do not")
        case "inconclusive":
            if exceeded:
                raise RefusedError("it says inconclusive, and a check failed")
            if not report.deselected and not any(result.inconclusive for result in report.checks):
                raise RefusedError("it says inconclusive, and its checks do not")


def _check_pass(report: Report, outcomes: Mapping[str, str]) -> None:
    if failed := [id for id, outcome in outcomes.items() if outcome == "fail"]:
        raise RefusedError(f"it says pass, and {failed[0]} failed")
    if any(result.inconclusive for result in report.checks) or report.unmet:
        raise RefusedError("it says pass, and a check is inconclusive or not met")
    for result in report.checks:
        if isinstance(result, DriftResult) and result.finding == "drift" and result.outcome != "warn":
            raise RefusedError(f"it says pass, and {result.id} does not warn of the drift that it found")
    deciding = [
        check.id
        for check in CHECK_BY_ID.values()
        if check.decides
        and (
            check.needs is None
            or (check.needs == "replay" and report.estimator is not None)
            or (check.needs == "require" and "require" in report.settings)
        )
    ]
    needed = {check.id for check in CHECK_BY_ID.values() if check.decides}  # a plugin's check is not known here
    unasked = {result.id for result in report.checks if result.unasked}
    if any(outcomes.get(id) != "pass" for id in deciding if id not in unasked) or needed & {*report.deselected}:
        raise RefusedError("it says pass, and not all checks that decide passed")


def _check_estimator(report: Report) -> None:
    """All figures of a report that replays an estimator are about its predictions."""
    replay, there = report.estimator, REPLAY.id in _ids(report)
    if replay is None:
        if there:
            raise RefusedError(f"it has {REPLAY.id}, and no estimator")
        if any(isinstance(result, RateResult) and result.open for result in report.checks):
            raise RefusedError("it has calls whose end a replay leaves open, and no estimator")
        return
    if not there:
        raise RefusedError(f"it has an estimator, and no {REPLAY.id}")
    for result in report.checks:
        if not _is_about(result, replay):
            raise RefusedError(f"{result.id} is not about what was replayed")
    _check_figures(replay.recorded, replay.replayed, "estimator.recorded")
    _check_figures(replay.figures, replay.replayed, "estimator.figures")
    if replay.base is not None:
        _check_base(replay, replay.base)


def _is_about(result: Result, replay: ReplayReport) -> bool:
    match result:
        case CountResult(value=value, target=target, missing=missing) if result.id == REPLAY.id:
            passes_rightly = replay.replayed > 0 or result.outcome != "pass"
            return value == replay.replayed and missing == max(target - value, 0) and passes_rightly
        case RateResult(events=events, n=n) if result.id == UNDERESTIMATION.id:
            return (events, n) == (replay.figures.underestimation.events, replay.figures.underestimation.n)
        case RateResult(events=events, n=n, open=open_) if result.id == TRUNCATION.id:
            replayed = replay.figures.truncation  # calls without a prediction are attempts beside them, or not judged
            return open_ <= replay.unknown and events >= replayed.events and n - events >= replayed.n - replayed.events
        case RatioResult(value=value) if result.id == WASTE.id:
            return value == replay.figures.waste_p90
    return True


def _check_figures(figures: EstimatorFigures, calls: int, place: str) -> None:
    if max(figures.underestimation.n, figures.truncation.n) > calls:
        raise RefusedError(f"{place} is of more calls than there are")


def _check_base(replay: ReplayReport, base: BaseComparison) -> None:
    """The base and the head are compared on the calls that both replay."""
    place = "estimator.base"
    both, without = base.calls, base.cannot + base.wrong
    if not max(replay.replayed - without, 0) <= both <= min(replay.replayed, replay.calls - without):
        raise RefusedError(f"{place}.calls is not what both can replay")
    _check_figures(base.base, both, f"{place}.base")
    _check_figures(base.head, both, f"{place}.head")
    if not _is_part(base.head, replay.figures) or (both == replay.replayed and not _is_all_but(base, replay.figures)):
        raise RefusedError(f"{place}.head is not part of what was replayed")
    counts = base.underestimated
    if (counts.base, counts.head) != (base.base.underestimation, base.head.underestimation):
        raise RefusedError(f"{place}.underestimated is not what base and head underestimate")
    if counts.n + base.only_base_judges + base.only_head_judges > both:
        raise RefusedError(f"{place} judges more calls than both can replay")
    for side, only in (("base", base.only_base_judges), ("head", base.only_head_judges)):
        if only > max(getattr(base, side).truncation.events, replay.recorded.truncation.events):
            raise RefusedError(f"{place}.only_{side}_judges is of more calls than {side} would truncate")
    if not _is_same(base.difference, counts.difference, ROUNDING):
        raise RefusedError(f"{place}.difference is not that of the counts")
    _check_range(base.bounds, place, -1, 1)
    _check_bounds(base.bounds, base.difference, place)
    if max(counts.newly_underestimated, counts.newly_safe) > MOST_DIFFERING:
        raise RefusedError(f"{place}.underestimated is of too many calls")
    if not _is_same(base.p, mid_p(counts), _ROUNDING_OF_CHANCE):
        raise RefusedError(f"{place}.p is not that of the counts")
    if base.predictions.raised + base.predictions.lowered > both:
        raise RefusedError(f"{place}.predictions is of more calls than there are")
    flips = [sample.change for sample in base.changed]
    more = flips.count("newly underestimated") > counts.newly_underestimated
    if more or flips.count("newly safe") > counts.newly_safe:
        raise RefusedError(f"{place}.changed has more than the counts")


def _is_part(some: EstimatorFigures, every: EstimatorFigures) -> bool:
    """True if the calls of ``some`` can be among those of ``every``."""
    return all(
        part.events <= whole.events and part.n - part.events <= whole.n - whole.events
        for part, whole in ((some.underestimation, every.underestimation), (some.truncation, every.truncation))
    )


def _is_all_but(base: BaseComparison, every: EstimatorFigures) -> bool:
    """True if head's figures are those of ``every`` call, without those that the base does not judge."""
    some, judged, left_out = base.head, every.underestimation, base.only_head_judges
    if not left_out:
        return some == every
    without = Share(max(judged.events - left_out, 0), max(judged.n - left_out, 0))
    return (some.underestimation, some.truncation) == (without, every.truncation)


def _is_same(value: float | None, expected: float | None, rounding: float) -> bool:
    if value is None or expected is None:
        return value is expected
    return abs(value - expected) <= rounding


def _check_bounds(bounds: Bounds | None, estimate: float | None, place: str, *, needed: bool = True) -> None:
    """The bounds on ``estimate`` are around it."""
    if bounds is None:
        if needed and estimate is not None:
            raise RefusedError(f"{place}.bounds is missing")
    elif estimate is None or not bounds.lower - ROUNDING <= estimate <= bounds.upper + ROUNDING:
        raise RefusedError(f"{place}.bounds is not around the figure")


def _check_range(bounds: Bounds | None, place: str, lowest: float, highest: float) -> None:
    if bounds is not None and not lowest - ROUNDING <= bounds.lower <= bounds.upper <= highest + ROUNDING:
        raise RefusedError(f"{place}.bounds is not from {lowest:g} to {highest:g}")


def _check_drift(report: Report) -> None:
    """The drift checks show what the comparison with the baseline found."""
    every = {check.id for check in CHECK_BY_ID.values() if check.needs == "baseline"}
    there = _ids(report) & every
    if report.drift is None:
        if there:
            raise RefusedError("it has checks of drift, and no comparison with a baseline")
        return
    if there != every:
        raise RefusedError("it has a comparison with a baseline, and not all checks of drift")
    if report.drift.drift is not None:
        _check_changes(report.drift, report.drift.drift)
    for result in report.checks:
        if isinstance(result, DriftResult) and not _shows(result, report.drift.drift):
            raise RefusedError(f"{result.id} is not about the comparison with the baseline")


def _shows(result: DriftResult, drift: Drift | None) -> bool:
    check = CHECK_BY_ID[result.id]
    if drift is None:
        return (result.p, result.adjusted_p, result.finding) == (None, None, "no-baseline")
    assert isinstance(check, DriftCheck)  # noqa: S101 - by the kind of its result
    found = check.finding(drift)
    return (result.p, result.adjusted_p, result.finding) == (found.p, found.adjusted_p, found.outcome)


def _check_changes(report: DriftReport, drift: Drift) -> None:
    _check_rate(drift.underestimation, report.new_samples, LEAST_RISE_OF_UNDERESTIMATION, "underestimation")
    _check_rate(drift.truncation, report.new_samples, LEAST_RISE_OF_TRUNCATION, "truncation")
    _check_ratio(drift.ratio, report.new_samples)
    found = {"underestimation": drift.underestimation, "truncation": drift.truncation, "ratio": drift.ratio}
    judged = {key: each.p for key, each in found.items() if each.p is not None}
    expected = dict(zip(judged, holm(list(judged.values())), strict=True))
    for key, each in found.items():
        if not _is_same(each.adjusted_p, expected.get(key), ROUNDING):
            raise RefusedError(f"drift.drift.{key}.adjusted_p is not that of the three")


def _check_rate(found: RateDrift, new_samples: int, least: Fraction, key: str) -> None:
    place = f"drift.drift.{key}"
    parts: tuple[tuple[Share, Share], ...] = (
        (found.compared_base, found.base),
        (found.compared_head, found.head),
    )
    if found.head.n > new_samples or any(part.n > whole.n or part.events > whole.events for part, whole in parts):
        raise RefusedError(f"{place} is of more calls than there are")
    _check_range(found.bounds, place, -1, 1)
    _check_bounds(found.bounds, found.difference, place)
    excess = None if found.difference is None else found.difference - float(least)
    _check_matters(found.matters, excess, place)


def _check_ratio(found: RatioDrift, new_samples: int) -> None:
    place = "drift.drift.ratio"
    if found.head_n > new_samples:
        raise RefusedError(f"{place} is of more calls than there are")
    if found.shift is not None and found.shift <= 0:
        raise RefusedError(f"{place}.shift is not a factor")
    _check_range(found.bounds, place, 0, _FARTHEST)
    _check_bounds(found.bounds, found.shift, place, needed=False)
    excess = None if found.shift is None else max(found.shift, 1 / found.shift) - LEAST_SHIFT
    _check_matters(found.matters, excess, place)


def _check_matters(matters: bool, excess: float | None, place: str) -> None:
    """A change matters if it has at least the size that it needs, which it exceeds by ``excess``."""
    if matters != (excess is not None and excess >= 0) and (excess is None or abs(excess) > ROUNDING):
        raise RefusedError(f"{place}.matters is not what the figures say")


def _ids(report: Report) -> set[str]:
    """Of all checks, deselected or not."""
    return {*(result.id for result in report.checks), *report.deselected}
