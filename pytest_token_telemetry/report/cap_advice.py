"""Which caps to lower, and which to set, in sentences."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from pytest_token_telemetry.gate.checks import CAP_USE, TRUNCATION
from pytest_token_telemetry.gate.results import RateResult, RatioResult
from pytest_token_telemetry.report.kinds import called, first_few, some, strata_of
from pytest_token_telemetry.text import exact, joined, times

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_token_telemetry.analysis.caps import CapUseOf
    from pytest_token_telemetry.analysis.carried import Grouping
    from pytest_token_telemetry.analysis.tuning import Cap, Caps
    from pytest_token_telemetry.report.model import Report
    from pytest_token_telemetry.text import Piece, Sentence


def caps_to_lower(report: Report) -> Iterator[Sentence]:
    """Where calls use little of their caps, if that is above its target, and none was truncated."""
    result, tuning = report.result(CAP_USE.id), report.tuning
    if not isinstance(result, RatioResult) or result.outcome not in ("warn", "fail") or result.value is None:
        return
    if report.estimator is not None and report.estimator.with_budget:
        return  # its budgets would be the caps, and not those that were sent
    every = () if tuning is None else tuning.cap_use
    raised = {(each.name, each.folded > 0) for each in strata_of(report)[0] if each.truncated}
    little = [each for each in every if each.p90 >= result.target and (each.name, each.folded > 0) not in raised]
    better = [each for each in little if not _saves_little(each, report)]
    if little and not better and all(_reserves_more(each, report) for each in little):
        yield from _caps_to_size(little, report)
    if every and not better:
        return
    little = better
    little.sort(key=lambda each: (each.n < _LEAST_FOR_P90, -each.p90))
    where: Sentence = ""
    if tuning is not None and little and (len(every) > 1 or every[0].name is not None):
        kind = tuning.grouped_by
        named_ones = some([(called(each, kind), f" (P90 {times(each.p90, result.limit)})") for each in little])
        where = joined((" of ", named_ones), "")
    begins = "Lower the caps (max_tokens)" if result.exceeded else "To save quota, lower the caps (max_tokens)"
    ends = ", as far as Tier 1 stays within its targets." if result.exceeded else "."
    yield joined((begins, where or " where calls use little of them", ends), "")


_LEAST_FOR_P90 = 9
"""Calls without which a P90 is their largest figure."""


def _suggested(use: CapUseOf, report: Report) -> Cap | None:
    """The cap for all calls that `caps_to_set` suggests for those of ``use``, if it does."""
    every = () if report.tuning is None else report.tuning.max_tokens
    of = next((each for each in every if (each.name, each.folded > 0) == (use.name, use.folded > 0)), None)
    known = [] if of is None else [cap for cap in _within(of, _limit(report)) if cap.max_tokens is not None]
    return known[0] if known else None


def _reserves_more(use: CapUseOf, report: Report) -> bool:
    """True if one cap for all calls would be more than what they have on average: then theirs follow the calls."""
    cap = _suggested(use, report)
    return cap is not None and use.mean_cap is not None and (cap.max_tokens or 0) >= use.mean_cap


def _saves_little(use: CapUseOf, report: Report) -> bool:
    """True if one cap for all calls would hardly be less than what they have on average."""
    cap = _suggested(use, report)
    return cap is not None and use.mean_cap is not None and (cap.max_tokens or 0) >= _LITTLE * use.mean_cap


_LITTLE = 0.75
"""Of the average cap: what is more would save hardly any quota."""


def _caps_to_size(every: Sequence[CapUseOf], report: Report) -> Iterator[Sentence]:
    """Where calls use little of caps that one cap for all would not improve."""
    kind = "category" if report.tuning is None else report.tuning.grouped_by
    is_alone = len(every) == 1 and every[0].name is None and not every[0].folded
    rows = [
        (
            *(() if is_alone else (called(each, kind), " ")),
            f"{cap.max_tokens:,} at {exact(Fraction(str(cap.risk)) * 100)}%; {each.mean_cap:,.0f} on average now",
        )
        for each in every
        if (cap := _suggested(each, report)) is not None
    ]
    yield joined(
        (
            "To save quota, size caps (max_tokens) closer to each call: one for all calls would reserve more (",
            some(rows, "; "),
            ").",
        ),
        "",
    )


def caps_to_set(report: Report) -> Iterator[Sentence]:
    """Caps by the risk that they buy, where there are caps to judge, or nothing is predicted."""
    tuning, carried = report.tuning, report.counts.carried
    if tuning is None or not tuning.max_tokens or carried is None:
        return
    if not carried.caps and carried.question == "predictions":
        return
    # caps that pass, and follow their calls, are not to be replaced by one that reserves more
    sized = {(use.name, use.folded > 0) for use in tuning.cap_use if _reserves_more(use, report)}
    are_kept = report.verdict == "pass"
    every = [each for each in tuning.max_tokens if not (are_kept and (each.name, each.folded > 0) in sized)]
    if not every:
        return
    kind, limit = tuning.grouped_by, _limit(report)
    shown = first_few(every)
    rows = joined([(*_cap_name(each, every, kind), _caps_by_risk(each, limit)) for each in shown], "; ")
    none_yet = not any(cap.max_tokens is not None for each in every for cap in _within(each, limit))
    begins = "No cap (max_tokens) to suggest yet" if none_yet else "Caps (max_tokens) by risk of truncation"
    yield (f"{begins}: ", *rows, "; and others." if len(every) > len(shown) else ".")


def _limit(report: Report) -> Fraction:
    """The truncation rate that the gate passes; 1 if it judges none."""
    truncation = report.result(TRUNCATION.id)
    is_judged = report.counts.question != "lengths"
    return truncation.limit if is_judged and isinstance(truncation, RateResult) else Fraction(1)


def _cap_name(caps: Caps, every: Sequence[Caps], kind: Grouping) -> tuple[Piece, ...]:
    """Whose ``caps`` these are: nothing where there is only one row, which has no name."""
    return () if len(every) == 1 and caps.name is None else (called(caps, kind), ": ")


def _caps_by_risk(caps: Caps, limit: Fraction) -> str:
    """``13,166 at 2%``, or what it takes to suggest one."""
    within = _within(caps, limit)
    found = [
        f"{cap.max_tokens:,} at {exact(Fraction(str(cap.risk)) * 100)}%" for cap in within if cap.max_tokens is not None
    ]
    if found:
        return ", ".join(found)
    needed = [cap.samples_needed for cap in within if cap.samples_needed is not None]
    if not needed:
        return "too many truncated to tell"
    return f"needs {min(needed):,} calls, has {caps.n:,}"


def _within(caps: Caps, limit: Fraction) -> Sequence[Cap]:
    """Those with half the risk that the gate passes, ``limit``, so that new calls pass too; else with all of it.

    Half of all new samples have a higher rate than the risk of their cap.
    """
    safe = [cap for cap in caps.caps if 2 * Fraction(str(cap.risk)) <= limit and cap.max_tokens is not None]
    return safe or [cap for cap in caps.caps if Fraction(str(cap.risk)) <= limit] or caps.caps


def cap_in_words(suggested: Cap) -> str:
    """``8,192``, or what it takes to suggest one, in few words."""
    if suggested.max_tokens is not None:
        return f"{suggested.max_tokens:,}"
    return "raise-cap" if suggested.samples_needed is None else f"needs {suggested.samples_needed:,}"
