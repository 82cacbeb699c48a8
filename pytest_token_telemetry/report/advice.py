"""What to do next, in sentences: prove, tune, with the caps of `cap_advice`; and what to collect, of `collecting`."""

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
from pytest_token_telemetry.report.cap_advice import caps_to_lower, caps_to_set
from pytest_token_telemetry.report.collecting import lines_to_repair, maps_to_correct, reasons_to_name, what_to_collect
from pytest_token_telemetry.report.kinds import SHOWN, called, some, strata_of
from pytest_token_telemetry.report.unread import to_map, to_read
from pytest_token_telemetry.report.words import (
    deselected,
    is_above,
    subject_of,
    warns,
)
from pytest_token_telemetry.text import joined, listing, percent, plain, plural, times, upwards

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from pytest_token_telemetry.analysis.budgets import Budgets
    from pytest_token_telemetry.analysis.carried import Grouping
    from pytest_token_telemetry.analysis.strata import Stratum
    from pytest_token_telemetry.analysis.tuning import Advice, BeforeAfter
    from pytest_token_telemetry.report.model import Report
    from pytest_token_telemetry.text import Sentence

_WHAT_CHANGED = "Find out what changed since the baseline, in the work or in the model, before tuning to it."


def next_steps(report: Report) -> list[Sentence]:
    """What to do next, one sentence each."""
    if report.verdict == "not-ready":
        return what_to_collect(report)
    lost = [*maps_to_correct(report, {"output_tokens"}), *lines_to_repair(report), *to_read(report)]
    match report.verdict:
        case "tune":
            return [*lost, *_what_to_tune(report)]
        case "inconclusive":
            return [*lost, *_what_to_prove(report)]
    steps: list[Sentence] = [*lost, *reasons_to_name(report)]
    if is_above(report, WASTE.id):
        steps.append(_cost_to_save(report))
    if warns(report, "drift::"):
        steps.append(_WHAT_CHANGED)
    steps += caps_to_lower(report)
    if not steps and is_above(report, CAP_USE.id) and not (report.estimator and report.estimator.with_budget):
        steps.append("Risk is within its targets. To save quota, size caps (max_tokens) closer to each call.")
    return [*(steps or ["Nothing to tune: go on collecting, and watch for drift."]), *caps_to_set(report)]


def _cost_to_save(report: Report) -> Sentence:
    """What to lower where only waste is above its target."""
    if not _wasteful(report) and (names := _wasteful(report, is_spread=True)):
        return joined(
            (
                "Risk is within its targets. To save cost, give the estimator more information: no single multiplier"
                " is expected to meet both risk and cost in ",
                some(names),
                ".",
            ),
            "",
        )
    return joined(("Risk is within its targets. To save cost, lower predictions ", _waste_to_lower(report), "."), "")


def _waste_to_lower(report: Report) -> Sentence:
    """Where predictions are far above the outputs, without what no multiplier can lower without new risk."""
    wasteful = _wasteful(report)
    return joined(("of ", some(wasteful)), "") if wasteful else "where waste is high"


def _wasteful(report: Report, *, is_spread: bool = False) -> list[Sentence]:
    """Where waste is above its target; ``is_spread``: where no multiplier can lower it without new risk."""
    strata, kind = strata_of(report)
    target = waste_target(report) or Fraction(0)
    spread = {each.name for each in report.tuning.categories if not each.meets_both} if report.tuning else set()
    return [
        (called(each, kind), f" (P90 {times(each.waste_p90, target)})")
        for each in strata
        if each.waste_p90 is not None
        and each.waste_p90 >= target
        and (each.name in spread) is is_spread
        and not each.folded
    ]


def first_steps(report: Report) -> tuple[list[Sentence], list[Sentence]]:
    """The steps that the shortest reports have too, and the others: the first, and those that mend what failed."""
    steps = next_steps(report)
    mending = [*_what_mends(report)] if report.verdict == "tune" else []
    first = [step for i, step in enumerate(steps) if i == 0 or step in mending]
    return first, [step for step in steps if step not in first]


def _what_to_prove(report: Report) -> Iterator[Sentence]:
    if report.counts.question == "lengths":
        yield "Record the cap that is sent, or why outputs end, so that truncation can be judged."
        yield from to_map(report, "Or map the column that holds it", ("max_tokens", "finish_reason"))
        yield from caps_to_set(report)
        return
    if report.counts.question != "predictions" and report.population != "risk":
        yield "Judge the population risk (--token-telemetry-population=risk): truncation needs no prediction there."
        return
    wanted, beyond = [], []
    for result in report.checks:
        if result.inconclusive and isinstance(result, RateResult):
            if result.is_open:
                yield (
                    "Send calls with the new caps (max_tokens), record them, and judge these: no replay can tell"
                    f" whether the caps are large enough for {plural(result.open, 'call')} that the old ones truncated."
                )
                continue
            subject = subject_of(result)
            if not result.is_within:
                yield from _what_may_be_chance(report, result, subject)
            elif result.samples_to_prove is None:
                beyond.append(subject)
            else:
                wanted.append(f"{plural(result.samples_to_prove - result.n, 'more sample')} to prove {subject}")
    if wanted:
        yield f"Collect {listing(wanted)}, if no event comes with them."
    if beyond:
        yield f"Raise the target of {listing(beyond)}, or set no confidence: no number of samples proves so low a rate."
    if report.deselected:
        yield f"Run all checks for a verdict: {deselected(report)} were deselected."


def _what_may_be_chance(report: Report, result: RateResult, subject: str) -> Iterator[Sentence]:
    """What to do about a rate above its target that the samples do not prove to be above it."""
    rate = percent(Fraction(result.events, result.n), result.limit)
    yield (
        f"Tune, or collect more samples: {subject} is {rate}, above its target, which may be chance in"
        f" {plural(result.n, 'sample')}."
    )
    if result.id == UNDERESTIMATION.id:
        yield from _what_to_multiply(report)


def _what_to_tune(report: Report) -> Iterator[Sentence]:
    failed = _failed(report)
    if warns(report, "drift::") or any(id.startswith("drift::") for id in failed):
        yield _WHAT_CHANGED
    replayed = report.estimator is not None and report.estimator.with_budget  # then budgets are no longer those
    if report.budgets is not None and report.budgets.are_constant and not replayed:
        yield who_decided(report.budgets)
    first, others = _predictions_to_mend(report)
    mending = [*_what_mends(report)]
    sooner, later = (mending, first) if _has_most_without_multiplier(report) else (first, mending)
    yield from sooner
    yield from (step for step in later if step not in sooner)  # each kind's risk, before what no multiplier helps
    yield from (step for step in others if step not in sooner)
    yield from (step for step in caps_to_lower(report) if step not in mending)
    yield from caps_to_set(report)


def _what_mends(report: Report) -> Iterator[Sentence]:
    """The steps that mend what failed; without what they cost, and without what only saves quota."""
    failed = _failed(report)
    first, others = _predictions_to_mend(report)
    caps = [_where_to_raise(report)] if TRUNCATION.id in failed else []
    if _has_most_without_multiplier(report):
        yield from (*(caps or others[:1]), *first[:1])
    else:
        yield from (*first[:1], *caps)
    if not caps and WASTE.id in failed and UNDERESTIMATION.id not in failed:
        where = _waste_to_lower(report)
        yield joined(("Lower the predictions ", where, ", as far as Tier 1 stays within its targets."), "")
    if CAP_USE.id in failed:
        yield from caps_to_lower(report)


def _failed(report: Report) -> set[str]:
    return {result.id for result in report.checks if result.exceeded}


def _predictions_to_mend(report: Report) -> tuple[list[Sentence], list[Sentence]]:
    """What to do where calls were underestimated, and what else where no multiplier helps."""
    failed = _failed(report)
    if UNDERESTIMATION.id not in failed:
        return [], []
    multiply = [*_what_to_multiply(report)]
    others = [*_without_multiplier(report, say_capped=TRUNCATION.id not in failed)]
    where = _most(*strata_of(report), lambda each: (each.underestimated, each.risk))
    result = report.result(UNDERESTIMATION.id)
    too_low = not isinstance(result, RateResult) or result.uncertain < result.events
    fallback: list[Sentence] = [joined(("Raise the predictions where calls were underestimated: ", where, "."), "")]
    caps_tell = TRUNCATION.id in failed and (not too_low or _wait_for_caps(report))
    return multiply or others[:1] or ([] if caps_tell else fallback), others if multiply else others[1:]


def _wait_for_caps(report: Report) -> bool:
    """True if of all calls to mend, it is told only with larger caps by how much they were underestimated."""
    return {each.basis for each in _to_mend(report)} == {"raise-cap"}


def _where_to_raise(report: Report) -> Sentence:
    """Which calls need a larger cap, by the kinds of those whose output is known."""
    where = _most(*strata_of(report), lambda each: (each.truncated, each.attempts))
    lost = report.counts.uncounted.events
    also = f"{plural(lost, 'call')} of unusable lines" if lost else ""
    parts = [part for part in (where, also) if plain(part)]
    if report.estimator is not None and report.estimator.with_budget:
        begins = "Raise the budgets of the estimator where calls would be truncated: "
        return joined((begins, joined(parts), ". Then replay again."), "")
    return joined(
        (
            "Raise the cap (max_tokens) where calls were truncated: ",
            joined(parts),
            f". {_how_far(report)}",
        ),
        "",
    )


def _how_far(report: Report) -> str:
    """How long the outputs became that a larger cap helped. If there are none, only a larger cap tells."""
    longest = None if report.attempts is None else report.attempts.longest_retry
    if longest is None:
        return "How far is unknown: double it for some calls, then collect and tune again."
    return f"Retries with a larger cap took up to {longest:,} tokens. Then collect and tune again."


def who_decided(budgets: Budgets) -> str:
    """Whether the prediction decided the budget, and which constants did where most budgets are one."""
    n = len(budgets.constants)
    if not budgets.are_constant:
        constant = f", {budgets.at_constant:,} are a constant" if n else ""
        return f"{budgets.following:,} of {plural(budgets.calls, 'budget')} follow from the prediction{constant}."
    shown = [f"{each.budget_tokens:,} ({plural(each.calls, 'call')})" for each in budgets.constants[:SHOWN]]
    others = " and others" if n > SHOWN else ""
    changes = "no cap" if budgets.calls - budgets.at_constant <= budgets.calls * _HARDLY_ANY else "few caps"
    constants = "a constant" if n == 1 else f"one of {n} constants"
    return (
        f"{budgets.at_constant:,} of {budgets.calls:,} budgets are {constants}:"
        f" tuning the estimator changes {changes}. Lower or raise"
        f" {'the floor' if budgets.are_floors else 'these budgets'}: {', '.join(shown)}{others}."
    )


_HARDLY_ANY = Fraction(1, 20)
"""Of the budgets: as good as none."""


def _hit(report: Report) -> list[Advice]:
    """The advice where calls were underestimated."""
    return [] if report.tuning is None else [each for each in report.tuning.categories if each.underestimated]


def _where(report: Report, advice: list[Advice], say: Callable[[Advice], str], between: str = ", ") -> Sentence:
    kind = "category" if report.tuning is None else report.tuning.grouped_by
    return some([(called(each, kind), say(each)) for each in advice], between)


def _what_to_multiply(report: Report) -> Iterator[Sentence]:
    """By how much to multiply the predictions, and what that costs."""
    tuning, target = report.tuning, waste_target(report)
    if tuning is None:
        return
    is_alone = len(tuning.categories) == 1 and tuning.categories[0].name is None
    if multiply := [each for each in _to_mend(report) if _is_multiplied(each)]:
        by = _where(report, multiply, lambda each: f" by {upwards(each.multiplier or 0)} ({_basis(each)})")
        if is_alone:
            by = f"by {upwards(multiply[0].multiplier or 0)} ({_basis(multiply[0])})"
        yield joined((f"Multiply the predictions {'' if is_alone else 'in '}", by, "."), "")
        if priced := [each for each in multiply if each.waste_p90[1] is not None]:
            yield joined(("Cost: ", _where(report, priced, lambda each: _price(each, target), "; "), "."), "")


def _without_multiplier(report: Report, *, say_capped: bool) -> Iterator[Sentence]:
    """What to do where no multiplier is known, or none helps."""
    hit = _hit(report)
    capped = [each for each in hit if each.basis == "raise-cap"]
    if capped and say_capped:
        cut = _where(
            report,
            capped,
            lambda each: f" ({each.underestimated:,} of {each.n:,} underestimated, {each.truncated:,} truncated)",
        )
        yield joined(("Raise max_tokens (double it for some calls) and collect, then tune: ", cut, "."), "")
    if few := [each for each in hit if each.basis == "collect"]:
        needed = _where(report, few, lambda each: f" ({each.n:,} of {each.samples_needed:,})")
        yield joined(("Collect samples to tune on: ", needed, "."), "")
    if spread := [each for each in hit if each.multiplier is not None and not each.meets_both]:
        names = _where(report, spread, lambda _: "")
        yield joined(
            (
                "No single multiplier is expected to meet both risk and cost in ",
                names,
                ": the estimator lacks information there (split the category or add a feature).",
            ),
            "",
        )


def _to_mend(report: Report) -> list[Advice]:
    """Where the rate is above the target; if nowhere, where calls were underestimated: together they exceed it."""
    result = report.result(UNDERESTIMATION.id)
    limit = result.limit if isinstance(result, RateResult) else Fraction(0)
    hit = _hit(report)
    return [each for each in hit if Fraction(each.underestimated, each.n or 1) > limit] or hit


def _is_multiplied(advice: Advice) -> bool:
    return advice.tier == "risk" and advice.multiplier != 1


def _has_most_without_multiplier(report: Report) -> bool:
    """Whether of the calls to mend, most are where no multiplier is known."""
    every = _to_mend(report) if UNDERESTIMATION.id in _failed(report) else []
    helped = sum(each.underestimated for each in every if _is_multiplied(each))
    return 0 < helped < sum(each.underestimated for each in every) - helped


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
    return some([(called(each, kind), " {} of {}".format(*figure(each))) for each in hit])
