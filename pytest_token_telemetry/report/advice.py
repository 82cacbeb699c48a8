"""What to do next, in sentences: prove, tune, and which caps to set; and what to collect, of `collecting`."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from pytest_token_telemetry.gate.checks import (
    CAP_USE,
    TRUNCATION,
    UNDERESTIMATION,
    WASTE,
)
from pytest_token_telemetry.gate.results import RateResult, RatioResult
from pytest_token_telemetry.report.collecting import maps_to_correct, reasons_to_name, what_to_collect
from pytest_token_telemetry.report.words import (
    deselected,
    subject_of,
    warns,
)
from pytest_token_telemetry.text import exact, joined, listing, named, plain, plural, times, upwards

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from pytest_token_telemetry.analysis.budgets import Budgets
    from pytest_token_telemetry.analysis.caps import CapUseOf
    from pytest_token_telemetry.analysis.carried import Grouping
    from pytest_token_telemetry.analysis.strata import Stratum
    from pytest_token_telemetry.analysis.tuning import Advice, BeforeAfter, Cap, Caps
    from pytest_token_telemetry.report.model import Report
    from pytest_token_telemetry.text import Piece, Sentence

_WHAT_CHANGED = "Find out what changed since the baseline, in the work or in the model, before tuning to it."


def next_steps(report: Report) -> list[Sentence]:
    """What to do next, one sentence each."""
    if report.verdict == "not-ready":
        return list(what_to_collect(report))
    lost = [*maps_to_correct(report, {"output_tokens"})]
    match report.verdict:
        case "tune":
            return [*lost, *_what_to_tune(report)]
        case "inconclusive":
            return [*lost, *_what_to_prove(report)]
    steps: list[Sentence] = [*lost, *reasons_to_name(report)]
    if warns(report, WASTE.id):
        where = _waste_to_lower(report)
        steps.append(joined(("Risk is within its targets. To save cost, lower predictions ", where, "."), ""))
    if warns(report, "drift::"):
        steps.append(_WHAT_CHANGED)
    steps += _caps_to_lower(report)
    if not steps and warns(report, CAP_USE.id) and not (report.estimator and report.estimator.with_budget):
        steps.append("Risk is within its targets. To save quota, size caps (max_tokens) closer to each call.")
    return [*(steps or ["Nothing to tune: go on collecting, and watch for drift."]), *_caps_to_set(report)]


def _waste_to_lower(report: Report) -> Sentence:
    """Where predictions are far above the outputs, without what no multiplier can lower without new risk."""
    strata, kind = _strata(report)
    target = waste_target(report) or Fraction(0)
    spread = {each.name for each in report.tuning.categories if not each.meets_both} if report.tuning else set()
    wasteful = [
        (_called(each, kind), f" (P90 {times(each.waste_p90, target)})")
        for each in strata
        if each.waste_p90 is not None and each.waste_p90 >= target and each.name not in spread and not each.folded
    ]
    return joined(("of ", _some(wasteful)), "") if wasteful else "where waste is high"


def first_steps(report: Report) -> tuple[list[Sentence], list[Sentence]]:
    """The steps that the shortest reports have too, and the others: the first, and the one for truncated calls."""
    steps = next_steps(report)
    exceeded = {result.id for result in report.checks if result.exceeded}
    raised = [_where_to_raise(report)] if report.verdict == "tune" and TRUNCATION.id in exceeded else []
    first = [step for i, step in enumerate(steps) if i == 0 or step in raised]
    return first, [step for step in steps if step not in first]


def _strata(report: Report) -> tuple[tuple[Stratum, ...], Grouping]:
    """The kinds of work that advice is about, and what they are."""
    kind = "category" if report.tuning is None else report.tuning.grouped_by
    strata: tuple[Stratum, ...] = getattr(report.strata, kind) or report.strata.category
    return strata, kind


def _caps_to_lower(report: Report) -> Iterator[Sentence]:
    """Where calls use little of their caps, if that is above its target, and none was truncated."""
    result, tuning = report.result(CAP_USE.id), report.tuning
    if not isinstance(result, RatioResult) or result.outcome not in ("warn", "fail") or result.value is None:
        return
    if report.estimator is not None and report.estimator.with_budget:
        return  # its budgets would be the caps, and not those that were sent
    every = () if tuning is None else tuning.cap_use
    raised = {(each.name, each.folded > 0) for each in _strata(report)[0] if each.truncated}
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
        named_ones = _some([(_called(each, kind), f" (P90 {times(each.p90, result.limit)})") for each in little])
        where = joined((" of ", named_ones), "")
    begins = "Lower the caps (max_tokens)" if result.exceeded else "To save quota, lower the caps (max_tokens)"
    ends = ", as far as Tier 1 stays within its targets." if result.exceeded else "."
    yield joined((begins, where or " where calls use little of them", ends), "")


def _suggested(use: CapUseOf, report: Report) -> Cap | None:
    """The cap for all calls that `_caps_to_set` suggests for those of ``use``, if it does."""
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
            *(() if is_alone else (_called(each, kind), " ")),
            f"{cap.max_tokens:,} at {exact(Fraction(str(cap.risk)) * 100)}%; {each.mean_cap:,.0f} on average now",
        )
        for each in every
        if (cap := _suggested(each, report)) is not None
    ]
    yield joined(
        (
            "To save quota, size caps (max_tokens) closer to each call: one for all calls would reserve more (",
            _some(rows, "; "),
            ").",
        ),
        "",
    )


_LEAST_FOR_P90 = 9
"""Calls without which a P90 is their largest figure."""


def _caps_to_set(report: Report) -> Iterator[Sentence]:
    """Caps by the risk that they buy, where there are caps to judge, or nothing is predicted."""
    tuning, carried = report.tuning, report.counts.carried
    if tuning is None or not tuning.max_tokens or carried is None:
        return
    if not carried.caps and carried.question == "predictions":
        return
    every = tuning.max_tokens
    kind, limit = tuning.grouped_by, _limit(report)
    shown = every if len(every) == _SHOWN + 1 else every[:_SHOWN]
    rows = joined([(*_cap_name(each, every, kind), _caps_by_risk(each, limit, report)) for each in shown], "; ")
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
    return () if len(every) == 1 and caps.name is None else (_called(caps, kind), ": ")


def _caps_by_risk(caps: Caps, limit: Fraction, report: Report) -> str:
    """``13,166 at 2%``, or what it takes to suggest one."""
    within = _within(caps, limit)
    found = [
        f"{cap.max_tokens:,} at {exact(Fraction(str(cap.risk)) * 100)}%" for cap in within if cap.max_tokens is not None
    ]
    if found:
        return ", ".join(found)
    needed = [cap.samples_needed for cap in within if cap.samples_needed is not None]
    of = next((each for each in _strata(report)[0] if (each.name, each.folded) == (caps.name, caps.folded)), None)
    exceeds = of is not None and of.attempts > 0 and Fraction(of.truncated, of.attempts) > limit
    are_enough = any(cap.max_tokens is None and cap.samples_needed is None for cap in caps.caps)
    if not needed or (are_enough and exceeds):  # more calls change nothing
        return "too many truncated to tell"
    return f"needs {min(needed):,} calls, has {caps.n:,}"


def _within(caps: Caps, limit: Fraction) -> Sequence[Cap]:
    """Those with half the risk that the gate passes, ``limit``, so that new calls pass too; else with all of it.

    Half of all new samples have a higher rate than the risk of their cap.
    """
    safe = [cap for cap in caps.caps if 2 * Fraction(str(cap.risk)) <= limit and cap.max_tokens is not None]
    return safe or [cap for cap in caps.caps if Fraction(str(cap.risk)) <= limit] or caps.caps


def cap_in_words(suggested: Cap) -> str:
    """``8,192``, or what it takes to suggest one."""
    if suggested.max_tokens is not None:
        return f"{suggested.max_tokens:,}"
    return "too many truncated" if suggested.samples_needed is None else f"needs {suggested.samples_needed:,}"


def _what_to_prove(report: Report) -> Iterator[Sentence]:
    if report.counts.question == "lengths":
        yield "Record the cap that is sent, or why outputs end, so that truncation can be judged."
        yield from _caps_to_set(report)
        return
    if report.counts.question != "predictions" and report.population != "risk":
        yield "Judge the population risk (--token-telemetry-population=risk): truncation needs no prediction there."
        return
    wanted, beyond = [], []
    for result in report.checks:
        if result.inconclusive and isinstance(result, RateResult):
            subject = subject_of(result)
            if result.samples_to_prove is None:
                beyond.append(subject)
            else:
                wanted.append(f"{plural(result.samples_to_prove - result.n, 'more sample')} to prove {subject}")
    if wanted:
        yield f"Collect {listing(wanted)}, if no event comes with them."
    if beyond:
        yield f"Raise the target of {listing(beyond)}, or set no confidence: no number of samples proves so low a rate."
    if report.deselected:
        yield f"Run all checks for a verdict: {deselected(report)} were deselected."


def _what_to_tune(report: Report) -> Iterator[Sentence]:
    failed = {result.id for result in report.checks if result.exceeded}
    if warns(report, "drift::") or any(id.startswith("drift::") for id in failed):
        yield _WHAT_CHANGED
    strata, kind = _strata(report)
    multiplied = False
    replayed = report.estimator is not None and report.estimator.with_budget  # then budgets are no longer those
    if report.budgets is not None and report.budgets.are_constant and not replayed:
        yield who_decided(report.budgets)
    if UNDERESTIMATION.id in failed:
        steps = list(_what_to_multiply(report, say_capped=TRUNCATION.id not in failed))
        where = _most(strata, kind, lambda each: (each.underestimated, each.risk))
        result = report.result(UNDERESTIMATION.id)
        too_low = not isinstance(result, RateResult) or result.uncertain < result.events
        fallback = [joined(("Raise the predictions where calls were underestimated: ", where, "."), "")]
        caps_tell = TRUNCATION.id in failed and (not too_low or _wait_for_caps(report))
        yield from steps or ([] if caps_tell else fallback)
        multiplied = True
    if TRUNCATION.id in failed:
        yield _where_to_raise(report)
    elif WASTE.id in failed and not multiplied:
        where = _waste_to_lower(report)
        yield joined(("Lower the predictions ", where, ", as far as Tier 1 stays within its targets."), "")
    yield from _caps_to_lower(report)
    yield from _caps_to_set(report)


def _wait_for_caps(report: Report) -> bool:
    """True if of all calls that were underestimated, it is told only with larger caps by how much."""
    every = () if report.tuning is None else report.tuning.categories
    found = {each.basis for each in every if each.underestimated}
    return found == {"raise-cap"}


def _where_to_raise(report: Report) -> Sentence:
    """Which calls need a larger cap, by the kinds of those whose output is known."""
    where = _most(*_strata(report), lambda each: (each.truncated, each.attempts))
    lost = report.counts.uncounted.events
    also = f"{plural(lost, 'call')} without an output count" if lost else ""
    parts = [part for part in (where, also) if plain(part)]
    if report.estimator is not None and report.estimator.with_budget:
        begins = "Raise the budgets of the estimator where calls would be truncated: "
        return joined((begins, joined(parts), ". Then replay again."), "")
    return joined(
        (
            "Raise the cap (max_tokens) where calls were truncated: ",
            joined(parts),
            f".{_of_retries(report)} Then collect and tune again.",
        ),
        "",
    )


def _of_retries(report: Report) -> str:
    """How long the outputs became that a larger cap helped."""
    longest = None if report.attempts is None else report.attempts.longest_retry
    return "" if longest is None else f" Retries with a larger cap took up to {longest:,} tokens."


def who_decided(budgets: Budgets) -> str:
    """Whether the prediction decided the budget, and which constants did where most budgets are one."""
    n = len(budgets.constants)
    if not budgets.are_constant:
        constant = f", {budgets.at_constant:,} are a constant" if n else ""
        return f"{budgets.following:,} of {plural(budgets.calls, 'budget')} follow from the prediction{constant}."
    shown = [f"{each.budget_tokens:,} ({plural(each.calls, 'call')})" for each in budgets.constants[:_SHOWN]]
    others = " and others" if n > _SHOWN else ""
    changes = "no cap" if budgets.calls - budgets.at_constant <= budgets.calls * _HARDLY_ANY else "few caps"
    constants = "a constant" if n == 1 else f"one of {n} constants"
    return (
        f"{budgets.at_constant:,} of {budgets.calls:,} budgets are {constants}:"
        f" tuning the estimator changes {changes}. Lower or raise"
        f" {'the floor' if budgets.are_floors else 'these budgets'}: {', '.join(shown)}{others}."
    )


_HARDLY_ANY = Fraction(1, 20)
"""Of the budgets: as good as none."""

_SHOWN = 3
"""Categories and constants that a sentence names."""


def _what_to_multiply(report: Report, *, say_capped: bool) -> Iterator[Sentence]:
    tuning, target = report.tuning, waste_target(report)
    if tuning is None:
        return
    hit = [each for each in tuning.categories if each.underestimated]

    is_alone = len(tuning.categories) == 1 and tuning.categories[0].name is None

    def where(advice: list[Advice], say: Callable[[Advice], str], between: str = ", ") -> Sentence:
        return _some([(_called(each, tuning.grouped_by), say(each)) for each in advice], between)

    if multiply := _above_target([each for each in hit if each.tier == "risk" and each.multiplier != 1], report):
        by = where(multiply, lambda each: f" by {upwards(each.multiplier or 0)} ({_basis(each)})")
        if is_alone:
            by = f"by {upwards(multiply[0].multiplier or 0)} ({_basis(multiply[0])})"
        yield joined((f"Multiply the predictions {'' if is_alone else 'in '}", by, "."), "")
        if priced := [each for each in multiply if each.waste_p90[1] is not None]:
            yield joined(("Cost: ", where(priced, lambda each: _price(each, target), "; "), "."), "")
    capped = [each for each in hit if each.basis == "raise-cap"]
    if capped and say_capped:
        cut = where(
            capped,
            lambda each: f" ({each.underestimated:,} of {each.n:,} underestimated, {each.truncated:,} truncated)",
        )
        yield joined(("Raise max_tokens and collect, then tune: ", cut, "."), "")
    if few := [each for each in hit if each.basis == "collect"]:
        needed = where(few, lambda each: f" ({each.n:,} of {each.samples_needed:,})")
        yield joined(("Collect samples to tune on: ", needed, "."), "")
    if spread := [each for each in hit if each.multiplier is not None and not each.meets_both]:
        names = where(spread, lambda _: "")
        yield joined(
            (
                "No single multiplier meets both risk and cost in ",
                names,
                ": the estimator lacks information there (split the category or add a feature).",
            ),
            "",
        )


def _above_target(every: list[Advice], report: Report) -> list[Advice]:
    """Those with a rate above the target, which exceed it together; all of them if none does alone."""
    result = report.result(UNDERESTIMATION.id)
    limit = result.limit if isinstance(result, RateResult) else Fraction(0)
    return [each for each in every if Fraction(each.underestimated, each.n or 1) > limit] or every


def _some(every: Sequence[Sentence], between: str = ", ") -> Sentence:
    """The first few, and that there are others."""
    shown = every if len(every) == _SHOWN + 1 else every[:_SHOWN]
    return (*joined(shown, between), " and others" if len(every) > len(shown) else "")


def waste_target(report: Report) -> Fraction | None:
    """What the waste P90 is held against; ``None`` if its check was deselected."""
    waste = report.result(WASTE.id)
    return waste.limit if isinstance(waste, RatioResult) else None


def _price(advice: Advice, target: Fraction | None) -> str:
    """`` x1.91: waste P90 1.83x -> 3.49x, above the target``: what the advice costs."""
    after = advice.waste_p90[1]
    exceeds = target is not None and after is not None and not after < float(target)
    is_at = exceeds and after == float(target or 0)
    side = f", {'not below' if is_at else 'above'} the target" if exceeds else ""
    changed = f"waste P90 {change(advice.waste_p90, target)}{side}"
    return f" x{upwards(advice.multiplier or 0)}: {changed}"


def change(figures: BeforeAfter, target: Fraction | None) -> str:
    """``1.66x -> 3.00x``: before and after, with as many digits as show on which side of ``target`` they are.

    One figure where nothing changes.
    """
    before, after = figures
    if before is None:
        return ""
    if after is None or after == before:
        return times(before, target)
    return f"{times(before, target)} -> {times(after, target)}"


def _basis(advice: Advice) -> str:
    return f"{plural(advice.n, 'sample')}{', with the spread of the others' if advice.basis == 'borrowed' else ''}"


def _most(strata: Iterable[Stratum], kind: Grouping, figure: Callable[[Stratum], tuple[int, int]]) -> Sentence:
    """The three strata of this kind with the most events, as ``docs 5 of 12``."""
    hit = sorted((each for each in strata if figure(each)[0]), key=figure, reverse=True)
    return _some([(_called(each, kind), " {} of {}".format(*figure(each))) for each in hit])


def _called(row: Advice | Stratum | Caps | CapUseOf, kind: Grouping) -> Piece:
    if row.folded:
        return f"{row.folded:,} other {KINDS[kind]}"
    return f"calls without {'an' if kind == 'operation' else 'a'} {kind}" if row.name is None else named(row.name)


KINDS: Mapping[Grouping, str] = {"category": "categories", "operation": "operations", "model": "models"}
"""Several of each."""
