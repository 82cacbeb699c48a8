"""Whether a report's counts and settings allow its outcomes: a check that passed on no samples is refused."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from pytest_token_telemetry.analysis.distributions import axis_of
from pytest_token_telemetry.gate.checks import (
    ALL_READ,
    CAP_USE,
    CARRIED,
    CATEGORIES,
    COMPLEXITIES,
    DELIVERABLES,
    SAMPLES,
    TRUNCATION,
    UNDERESTIMATION,
    WASTE,
)
from pytest_token_telemetry.gate.results import CountResult, CoverageResult, RateResult, RatioResult
from pytest_token_telemetry.option_types import ANY, NONE
from pytest_token_telemetry.report.consistency import RefusedError
from pytest_token_telemetry.settings import REQUIRABLE, options

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_token_telemetry.analysis.carried import Kind
    from pytest_token_telemetry.gate.results import Result
    from pytest_token_telemetry.report.model import Report

_PARTS = (
    "attempts",
    "successes",
    "risk",
    "legacy",
    "no_ratio",
    "with_task",
    "silent_on_success",
    "by_cap",
    "broke_off",
    "over_cap",
    "predicted_caps",
    "relabelled",
)
"""Counts of some of the samples."""

_SETTINGS = {
    SAMPLES.id: "min_samples",
    CARRIED.id: "require",
    CATEGORIES.id: "require_categories",
    COMPLEXITIES.id: "require_complexities",
    DELIVERABLES.id: "require_deliverables",
    UNDERESTIMATION.id: "max_underestimation",
    TRUNCATION.id: "max_truncation",
    WASTE.id: "max_waste_p90",
    CAP_USE.id: "max_cap_use_p90",
}
"""The setting that each check's target comes from."""

_KINDS: dict[str, Kind] = {
    CATEGORIES.id: "categories",
    COMPLEXITIES.id: "complexities",
    DELIVERABLES.id: "deliverables",
}


def check_counts(report: Report) -> None:
    """Return if the counts and settings can have led to these checks.

    Raises:
        RefusedError: they cannot.
    """
    counts = report.counts
    for part in _PARTS:
        if getattr(counts, part) > counts.samples:
            raise RefusedError(f"counts.{part} is more than samples")
    if sum((*counts.unknown_reasons.values(), *counts.settled_reasons.values())) > counts.samples:
        raise RefusedError("counts.unknown_reasons and settled_reasons are of more samples than there are")
    takes_part = report.population == "risk" and report.estimator is None
    if counts.uncounted.n > (counts.unusable.total if takes_part else 0):
        raise RefusedError("counts.uncounted is of more calls than can take part")
    _check_carried(report)
    if counts.nothing_known > counts.files:
        raise RefusedError("counts.nothing_known is more than files")
    if counts.empty_tables > counts.tables:
        raise RefusedError("counts.empty_tables is more than tables")
    if max(len(report.not_read.unreadable), counts.lost_tests) > counts.unreadable_files:
        raise RefusedError("counts.unreadable_files is less than what could not be read")
    if sum(source.samples for source in report.sources) > counts.samples:
        raise RefusedError("sources have more than samples")
    if sum(source.duplicates for source in report.sources) > counts.duplicates:
        raise RefusedError("sources have more than duplicates")
    if sum(source.unusable for source in report.sources) > counts.unusable.total:
        raise RefusedError("sources have more than unusable")
    if not sum((Counter(source.skipped) for source in report.sources), Counter()) <= Counter(counts.skipped):
        raise RefusedError("sources have more than skipped")
    if sum(source.dropped for source in report.sources) > sum(counts.dropped.values()):
        raise RefusedError("sources have more than dropped")
    if (attempts := report.attempts) is not None:
        most = max(attempts.every.n, attempts.near_cap.n)
        if most > counts.samples or attempts.first.n > counts.tasks:
            raise RefusedError("attempts is of more calls than there are")
    for result in report.checks:
        uncounted = counts.uncounted.n if result.id == TRUNCATION.id else 0
        if isinstance(result, RateResult) and result.uncounted != uncounted:
            raise RefusedError(f"{result.id} is not about counts.uncounted")
        if any(n > most for n, most in _shares(result, report)):
            raise RefusedError(f"{result.id} is of more samples than there are")
        if result.outcome == "pass" and not _is_borne_out(result, report):
            raise RefusedError(f"{result.id} says pass, and the counts say otherwise")
        if not _has_its_target(result, report):
            raise RefusedError(f"{result.id} has another target than the settings")
    for result in (*report.checks, *report.unmet):
        if isinstance(result, CoverageResult):
            _check_coverage(result, report)
    _check_distributions(report)


def _check_carried(report: Report) -> None:
    """What the samples carry can be so, and no figure rests on more than carry what it needs."""
    counts, carried, use = report.counts, report.counts.carried, report.metrics.cap_use
    if carried is None:
        return
    if report.budgets is not None and report.budgets.calls > carried.predictions:
        raise RefusedError("budgets is of more calls than have a prediction")
    parts = (carried.predictions, carried.caps, carried.reasons, carried.legacy)
    labels = (carried.categories, carried.complexities, carried.deliverables)
    if not max(labels) <= carried.labels <= min(sum(labels), carried.samples):
        raise RefusedError("counts.carried.labels is not what its parts say")
    if carried.samples > counts.samples or max(parts) > carried.samples or counts.counted > carried.samples:
        raise RefusedError("counts.carried is more than samples")
    most = {"predictions": counts.successes, "lengths": carried.samples}.get(carried.question, counts.attempts)
    if counts.counted > most:
        raise RefusedError("counts.towards is more than can count")
    if report.metrics.underestimation.n > carried.predictions or report.metrics.waste.n > carried.predictions:
        raise RefusedError("counts.carried.predictions is less than what was judged")
    repeated = report.metrics.repeated_output
    if repeated is not None and repeated.calls > carried.samples - carried.caps:
        raise RefusedError("metrics.repeated_output is of more calls than have no cap")
    if use is not None and use.calls != carried.caps:
        raise RefusedError("metrics.cap_use.calls is not counts.carried.caps")
    result = report.result(CAP_USE.id)
    if use is not None and isinstance(result, RatioResult) and (result.n, result.value) != (use.n, use.p90):
        raise RefusedError(f"{CAP_USE.id} is not about metrics.cap_use")


def _check_distributions(report: Report) -> None:
    """The pictures are of the calls that the figures are of."""
    found, counts, use = report.distributions, report.counts, report.metrics.cap_use
    pictured = 0 if found is None else sum(cell.calls for cell in found.density)
    if report.calls is not None and len(report.calls) != pictured:
        raise RefusedError("calls are not those of distributions.density")
    if found is None or counts.carried is None:
        return
    if found.against != axis_of(counts.carried):
        raise RefusedError("distributions.against is not what was judged")
    of_caps = (0, 0) if use is None else (use.n, use.calls)
    n, most = (report.metrics.waste.n, report.metrics.waste.n) if found.against == "prediction" else of_caps
    of_ratios = sum(each.n for each in found.ratios)
    if found.against == "cap":
        if of_ratios > most:
            raise RefusedError("distributions.ratios are of more calls than have a cap")
        of_ratios -= sum(each.cut_off for each in found.ratios)  # cap use is not of those that were truncated
    in_part = found.against == "cap" and report.estimator is not None  # caps of calls that it cannot replay count too
    if of_ratios > n or (of_ratios < n and found.against and not in_part):
        raise RefusedError("distributions.ratios are of other calls than the figures")
    if pictured > most or (found.against == "prediction" and pictured < most):
        raise RefusedError("distributions.density is of other calls than the figures")
    if sum(each.n for each in found.curves) > counts.carried.samples:
        raise RefusedError("distributions.curves are of more calls than there are")
    if sum(cell.calls for cell in found.grid.cells) + found.grid.others != counts.counted:
        raise RefusedError("distributions.grid is of other calls than those that count")


def _check_coverage(result: CoverageResult, report: Report) -> None:
    """Names are counted among the samples that count, and what samples carry is what the counts say."""
    if result.id != CARRIED.id:
        if max(result.named or 0, sum(result.counts)) > report.counts.counted:
            raise RefusedError(f"{result.id} is of more samples than there are")
        return
    carried = report.counts.carried
    counts = {name: getattr(carried, name, 0) for name in result.target if name in REQUIRABLE}
    there = {name: count for name, count in counts.items() if count}
    if len(counts) < len(result.target) or (result.value, result.counts) != (tuple(there), tuple(there.values())):
        raise RefusedError(f"{result.id} is not what counts.carried says")


def _shares(result: Result, report: Report) -> Iterator[tuple[int, int]]:
    """How many samples a figure is made of, and how many there are for it."""
    counts, of_risk = report.counts, report.population == "risk"
    uncounted = counts.uncounted.n if result.id == TRUNCATION.id else 0
    if isinstance(result, RateResult | RatioResult):
        yield result.n - uncounted, counts.samples
    if of_risk and result.id == UNDERESTIMATION.id and isinstance(result, RateResult):
        yield result.n, counts.risk
    if of_risk and result.id == TRUNCATION.id and isinstance(result, RateResult):
        yield result.n - uncounted, counts.attempts


def _is_borne_out(result: Result, report: Report) -> bool:
    """True if the counts allow a pass of this check."""
    counts = report.counts
    if isinstance(result, CoverageResult):
        return all(result.counts) and (result.id == CARRIED.id or sum(result.counts) <= counts.counted)
    if not isinstance(result, CountResult):
        return True
    if result.id == SAMPLES.id:
        has_attempts = counts.question == "lengths" or counts.attempts >= result.target
        return result.value == counts.counted and has_attempts
    if result.id == ALL_READ.id:
        context, limit = report.context, _setting(report, "max_unusable")
        no_file = counts.nothing_known == counts.files and (context.reads_files or counts.files)
        no_row = counts.empty_tables == counts.tables and (context.reads_tables or counts.tables)
        no_test = context.reads_tests and not counts.tests
        too_many = limit is not None and counts.unusable.total > limit
        read = counts.files + counts.tests + counts.tables
        return not (no_file or no_row or no_test or too_many or counts.unreadable_files) and result.value == read
    return True


def _has_its_target(result: Result, report: Report) -> bool:
    """True if the settings ask for this target. Aliases may fold the required names into fewer, never into none."""
    name = _SETTINGS.get(result.id)
    if name is None:
        return True
    wanted = _setting(report, name)
    match result:
        case CoverageResult() if result.id == CARRIED.id or ANY in (*(wanted or ()), *result.target):
            return bool(result.target == wanted)
        case CoverageResult():
            carried = report.counts.carried
            kind = _KINDS.get(result.id)
            is_waived = carried is not None and kind is not None and not carried.owes(kind) and not result.target
            fits = wanted is not None and bool(result.target) == bool(wanted) and len(result.target) <= len(wanted)
            return fits or is_waived
        case CountResult():
            return wanted is not None and result.target == wanted
        case RateResult() | RatioResult():
            return wanted is not None and result.target == float(wanted)
    return True


def _setting(report: Report, name: str) -> Any:  # noqa: ANN401 - each option has a type of its own
    """The value of a setting; ``None`` if it is not set."""
    text = report.settings.get(name)
    if text is None:
        return None
    try:
        option = dict(options())[name]
        written = text if isinstance(text, str) else ""
        return option.read(NONE if option.is_list and not written else written)  # as older reports say it
    except ValueError:
        raise RefusedError(f"settings.{name} is not one that the gate takes") from None
