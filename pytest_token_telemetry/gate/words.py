"""The verdict in sentences: the headline, what to do next, and what to know when reading the figures."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import TYPE_CHECKING

from pytest_token_telemetry.ids import (
    DRIFT,
    DRIFT_OF_RATIO,
    DRIFT_OF_TRUNCATION,
    DRIFT_OF_UNDERESTIMATION,
    REPLAY,
    SOURCES,
    TRUNCATION,
    UNDERESTIMATION,
    WASTE,
    check_ids,
)
from pytest_token_telemetry.verdict import Check, Conclusion, Plan, ProofPlan, RateFigure
from pytest_token_telemetry.wording import listing, percent, plural, upwards

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from pytest_token_telemetry.analysis.metrics import Share
    from pytest_token_telemetry.analysis.planning import PlannedRun, Thinnest
    from pytest_token_telemetry.analysis.strata import Stratum
    from pytest_token_telemetry.analysis.tuning import Advice, Tuning
    from pytest_token_telemetry.gate.findings import Findings

_SUBJECTS = {UNDERESTIMATION: "underestimation", TRUNCATION: "truncation", WASTE: "waste"}

_DRIFTED = {
    DRIFT_OF_UNDERESTIMATION: "more underestimated than in the baseline",
    DRIFT_OF_TRUNCATION: "more truncated than in the baseline",
    DRIFT_OF_RATIO: "output moved against the predictions since the baseline",
}

_OWN_WORD = re.compile(r"[a-z][a-z_-]{0,31}")
"""A category that may stand in a sentence of ours: no mention, reference, link or markup can be made of it."""


def headline(
    conclusion: Conclusion,
    findings: Findings,
    kept: list[Check],
    deselected: tuple[str, ...],
    unready: Collection[str],
) -> str:
    """One plain sentence. ``unready`` are the readiness checks that are not met, deselected or not."""
    if conclusion == "not-ready":
        if _blames_estimator(findings, unready):
            return f"The estimator cannot be judged: {_what_it_lacks(findings)}."
        if set(unready) == {SOURCES} and findings.reading.recorded is not None and findings.reading.recorded.lost:
            return "What a dead worker recorded is missing: run the tests again."
        if set(unready) == {SOURCES} and findings.reading.files:
            return "The logs cannot all be used: mend that first, do not tune."
        return "Not enough representative data: collect more, do not tune."
    if conclusion == "inconclusive":
        if not kept:
            return "No verdict: every check was deselected."
        match [_SUBJECTS[check.id] for check in kept if check.inconclusive]:
            case [subject]:
                return f"{subject.capitalize()} is not proven either way: {_rate_in_words(findings)}."
            case [_, *_]:
                return f"Nothing is proven either way: {_rate_in_words(findings)}."
        return f"No verdict: what was checked passes, but {_of_all(deselected, findings)} were deselected."
    if conclusion == "pass":
        waste = ", waste above its target" if _warns_of_waste(kept) else ""
        drift = ", drift since the baseline" if _warns_of_drift(kept) else ""
        return f"No tuning needed: {_rate_in_words(findings)}{waste}{drift}."
    above = {**_rates(findings), WASTE: "waste above its target", **_DRIFTED}
    return f"Tuning needed: {', '.join(above[id] for id in _exceeded(kept))}."


def _blames_estimator(findings: Findings, unready: Collection[str]) -> bool:
    """True if there are calls to replay, and the estimator does not."""
    return REPLAY in unready and findings.replayed is not None and findings.replayed.calls > 0


def _what_it_lacks(findings: Findings) -> str:
    assert findings.replayed is not None  # noqa: S101 - asked for only then
    if findings.replayed.replay.head.wrong and findings.settings.estimator_errors == "fail":
        return "not all of its answers are predictions"
    return "it does not replay enough of the recorded calls"


def _exceeded(kept: list[Check]) -> list[str]:
    """The ids of the checks whose figures are above their targets, and not just unproven."""
    return [check.id for check in kept if check.outcome == "fail" and not check.inconclusive]


def _rate_in_words(findings: Findings) -> str:
    return ", ".join(_rates(findings).values())


def _rates(findings: Findings) -> dict[str, str]:
    """The Tier 1 rates in words, by the ids of their checks."""
    figures, settings = findings.metrics, findings.settings

    def rate(share: Share, target: Fraction) -> str:
        return percent(Fraction(share.events, share.n), target) if share.n else "no data"

    under = rate(figures.underestimation, settings.max_underestimation)
    cut = rate(figures.truncation, settings.max_truncation)
    return {UNDERESTIMATION: f"{under} underestimated", TRUNCATION: f"{cut} truncated"}


def advice(
    conclusion: Conclusion,
    findings: Findings,
    kept: list[Check],
    deselected: tuple[str, ...],
    unready: Collection[str],
    plan: Plan,
    tuning: Tuning | None,
) -> list[str]:
    """What to do next, one sentence each. ``unready`` are the readiness checks that are not met."""
    match conclusion:
        case "not-ready":
            return _what_to_collect(findings, plan, unready)
        case "tune":
            return _what_to_tune(findings, kept, tuning)
        case "inconclusive":
            return [*_what_to_prove(kept), *_what_to_run(deselected, findings)]
        case "pass":
            return [
                *(
                    ["Risk is within its targets. To save cost, lower predictions where waste is high."]
                    if _warns_of_waste(kept)
                    else []
                ),
                *([_WHAT_CHANGED] if _warns_of_drift(kept) else []),
            ] or ["Nothing to tune: go on collecting, and watch for drift."]


_WHAT_CHANGED = "Find out what changed since the baseline, in the work or in the model, before tuning to it."


def _warns_of_waste(kept: list[Check]) -> bool:
    return any(check.id == WASTE and check.outcome == "warn" for check in kept)


def _warns_of_drift(kept: list[Check]) -> bool:
    return any(check.id in DRIFT and check.outcome == "warn" for check in kept)


def _what_to_prove(kept: list[Check]) -> list[str]:
    wanted, beyond = [], []
    for check in kept:
        if check.inconclusive and isinstance(figure := check.figure, RateFigure):
            if figure.samples_to_prove is None:
                beyond.append(_SUBJECTS[check.id])
            else:
                more = plural(figure.samples_to_prove - figure.n, "more sample")
                wanted.append(f"{more} to prove {_SUBJECTS[check.id]}")
    steps = [f"Collect {listing(wanted)}, if no event comes with them."] if wanted else []
    if beyond:
        steps.append(f"Raise the target of {listing(beyond)}, or set no confidence: nothing proves so low a rate.")
    return steps


def _what_to_run(deselected: tuple[str, ...], findings: Findings) -> list[str]:
    return [f"Run all checks for a verdict: {_of_all(deselected, findings)} were deselected."] if deselected else []


def _what_to_collect(findings: Findings, plan: Plan, unready: Collection[str]) -> list[str]:
    found, settings, reading = findings.readiness, findings.settings, findings.reading
    lost = reading.recorded.lost if reading.recorded is not None else {}
    steps = []
    if len(reading.unreadable) > len(lost):
        steps.append("Make every file readable: what could not be read was not judged.")
    elif settings.dir and not reading.count("file"):
        steps.append("Check the directory and the pattern: no file matches.")
    if lost:
        steps.append("Run the tests again: a worker died, and what it recorded last is lost.")
    elif reading.recorded is not None and not reading.count("test"):
        steps.append("Let tests record their model calls, with the token_telemetry fixture or in log lines: none did.")
    if not reading.files:
        return steps
    if _blames_estimator(findings, unready):
        return [*steps, "Let the estimator answer for the recorded calls, or say CannotReplay: -v shows what it did."]
    if reading.count("file") and not len(reading.samples):
        steps.append("Check that the system logs [TokenEstimationV2] lines: the files hold none that can be used.")
    if settings.max_unusable is not None and findings.unusable > settings.max_unusable:
        steps.append("Repair what writes the unusable lines, or raise the limit.")
    if found.attempts < settings.min_samples <= found.successes:
        steps.append("Log 'truncated' with every sample: too few say whether they were cut off.")
    if plan.runs:
        steps.append(f"Collect {plural(sum(run.count for run in plan.runs), 'more successful sample')}.")
        runs = [_run_in_words(run) for run in plan.runs[:_RUNS_SHOWN]]
        others = sum(run.count for run in plan.runs[_RUNS_SHOWN:])
        steps.append(f"These would do: {listing([*runs, f'{others} of other kinds'] if others else runs)}.")
    return steps


_RUNS_SHOWN = 4
"""Kinds of runs that the advice names."""

_RUNS_LISTED = 20
"""Kinds of runs that the plan lists; the report has all."""


def _run_in_words(run: PlannedRun) -> str:
    kind = [
        f"in {run.category}" if run.category else "",
        f"of {run.complexity} complexity" if run.complexity else "",
        f"with {_deliverables(run.deliverables)}" if run.deliverables else "",
    ]
    return " ".join([str(run.count), *(list(filter(None, kind)) or ["of any kind"])])


def _deliverables(bucket: str) -> str:
    return f"{bucket} {'deliverable' if bucket == '1' else 'deliverables'}"


def plan_in_words(runs: tuple[PlannedRun, ...], thin: Thinnest, proofs: tuple[ProofPlan, ...]) -> list[str]:
    """What to collect, for someone who schedules runs."""
    sentences = [f"Schedule successful runs: {_run_in_words(run)}." for run in runs[:_RUNS_LISTED]]
    if others := sum(run.count for run in runs[_RUNS_LISTED:]):
        sentences.append(f"Schedule successful runs: {others} of other kinds.")
    cells = [
        f"{name} ({plural(count, 'successful sample')})"
        for name, count in (
            thin.category or ("", 0),
            (f"{thin.complexity[0]} complexity", thin.complexity[1]) if thin.complexity else ("", 0),
            (_deliverables(thin.deliverables[0]), thin.deliverables[1]) if thin.deliverables else ("", 0),
        )
        if count
    ]
    if cells:
        sentences.append(f"The thinnest evidence is that of {listing(cells)}.")
    return sentences + [_proof_plan_in_words(proof) for proof in proofs]


def _proof_plan_in_words(proof: ProofPlan) -> str:
    subject = f"To prove {_SUBJECTS[proof.id]} within its target ({proof.events} of {proof.n} now):"
    if proof.without_more_events is None:
        return f"{subject} no number of samples proves so low a target."
    if proof.without_more_events <= proof.n:
        return f"{subject} done."
    words = f"{subject} {proof.without_more_events} samples in all if there are no more events"
    if proof.at_present_rate is None:
        return f"{words}; at the present rate, no number would."
    return f"{words}, {proof.at_present_rate} at the present rate."


def _what_to_tune(findings: Findings, kept: list[Check], tuning: Tuning | None) -> list[str]:
    failed = _exceeded(kept)
    steps = []
    if UNDERESTIMATION in failed and tuning is not None:
        where = _most(findings.strata.category, lambda each: (each.underestimated, each.risk))
        steps += _what_to_multiply(tuning, say_capped=TRUNCATION not in failed) or [
            f"Raise the predictions where runs were underestimated: {where}."
        ]
    if TRUNCATION in failed:
        where = _most(findings.strata.category, lambda each: (each.truncated, each.attempts))
        steps.append(f"Raise the budget (max_tokens) where runs were cut off: {where}. Then tune again.")
    if WASTE in failed and not steps:
        steps.append("Lower the predictions where waste is high, as far as Tier 1 stays within its targets.")
    if set(failed) & set(DRIFT):
        steps.append(_WHAT_CHANGED)
    return steps


def _what_to_multiply(tuning: Tuning, *, say_capped: bool) -> list[str]:
    hit = [each for each in tuning.categories if each.underestimated]
    multiply = [each for each in hit if each.tier == "risk"]
    capped = [each for each in hit if each.basis == "raise-cap"]
    few = [each for each in hit if each.basis == "collect"]
    spread = [each for each in hit if each.basis == "category" and not each.meets_both]
    steps = []
    if multiply:
        by = [f"{_named(each.name)} by {upwards(each.multiplier or 0)} ({_basis(each)})" for each in multiply[:_SHOWN]]
        steps.append(f"Multiply the predictions in {', '.join(by)}{_and_others(multiply)}.")
    if capped and say_capped:
        where = [f"{_named(each.name)} ({each.truncated} of {each.n} cut off)" for each in capped[:_SHOWN]]
        steps.append(f"Raise max_tokens and collect, then tune: {', '.join(where)}{_and_others(capped)}.")
    if few:
        where = [f"{_named(each.name)} ({each.n} of {each.samples_needed})" for each in few[:_SHOWN]]
        steps.append(f"Collect samples to tune on: {', '.join(where)}{_and_others(few)}.")
    if spread:
        where = [_named(each.name) for each in spread[:_SHOWN]]
        steps.append(
            f"No single multiplier meets both risk and cost in {', '.join(where)}{_and_others(spread)}: the estimator"
            " lacks information there (split the category or add a feature)."
        )
    return steps


_SHOWN = 3
"""Categories that a sentence names."""


def _basis(advice: Advice) -> str:
    borrowed = ", borrowed from the others" if advice.basis == "borrowed" else ""
    return f"{plural(advice.n, 'sample')}{borrowed}"


def _named(name: str | None) -> str:
    return name if name is not None and _OWN_WORD.fullmatch(name) else "another category"


def _and_others(all_of_them: list[Advice]) -> str:
    return " and others" if len(all_of_them) > _SHOWN else ""


def _most(categories: tuple[Stratum, ...], figure: Callable[[Stratum], tuple[int, int]]) -> str:
    """The three categories with the most events, as ``docs 5 of 12``."""
    hit = sorted((each for each in categories if figure(each)[0]), key=figure, reverse=True)
    shown = []
    for each in hit[:_SHOWN]:
        events, n = figure(each)
        shown.append(f"{_named(each.name)} {events} of {n}")
    return ", ".join(shown) + (" and others" if len(hit) > _SHOWN else "")


def notes(findings: Findings, deselected: tuple[str, ...], *, ready: bool) -> list[str]:
    """What a reader must know to read the figures rightly, one sentence each."""
    reading = findings.reading
    unusable, legacy = findings.unusable, findings.legacy
    found = []
    if deselected:
        found.append(f"{_of_all(deselected, findings)} deselected: {', '.join(deselected)}.")
    if findings.settings.save_baseline is not None and not ready:
        found.append("No baseline was saved: the data is not ready, and nothing should be compared with it.")
    if unusable:
        reasons = "; ".join(f"{lines.count} because {reason}" for reason, lines in reading.unusable.items())
        found.append(f"{plural(unusable, 'telemetry line')} could not be used: {reasons}.")
    if reading.duplicates:
        found.append(f"{plural(reading.duplicates, 'duplicate')} left out: the same call in another place.")
    if findings.no_ratio:
        found.append(f"{plural(findings.no_ratio, 'sample')} with a prediction or an output of 0, set apart.")
    if legacy:
        fate = "judged" if findings.settings.population == "all" else "listed, not judged"
        found.append(f"{plural(legacy, 'legacy sample')} (V1 lines) {fate}.")
    found += _recording(findings)
    found += _dependence(findings)
    if findings.over_budget:
        over = plural(findings.over_budget, "sample")
        found.append(f"{over} above the budget without being cut off: the budget is not the cap that was sent.")
    if reading.outside:
        found.append(f"{plural(len(reading.outside), 'link')} out of the directory not followed.")
    if reading.special:
        found.append(f"{plural(len(reading.special), 'path')} not opened: pipes, sockets or devices.")
    return found


def _recording(findings: Findings) -> list[str]:
    """What tests did not record, and what they recorded more than once."""
    recorded = findings.reading.recorded
    found = []
    if findings.by_cap:
        found.append(f"{plural(findings.by_cap, 'truncation')} known by the cap alone: the reason did not say so.")
    if recorded is not None and recorded.deselected:
        found.append(f"{plural(recorded.deselected, 'test')} deselected: what they would record is not judged.")
    if recorded is not None and recorded.copies > 1:
        found.append(f"Each test ran on {recorded.copies} workers (--dist=each): its samples count once a run.")
    return found


def _dependence(findings: Findings) -> list[str]:
    runs, tasks = findings.with_task, findings.tasks
    if findings.settings.one_per_task:
        if not tasks:
            return ["One sample a task was asked for, but no sample names its task: all are judged."]
        return [f"One sample a task is judged: {runs - tasks} of {runs} left out."]
    if runs <= 2 * tasks:
        return []
    return [
        f"{runs} samples come from only {plural(tasks, 'task')}, and runs of one task are alike: what is called proven"
        " here is less so (--token-telemetry-one-per-task judges one a task)."
    ]


def _of_all(deselected: tuple[str, ...], findings: Findings) -> str:
    checks = check_ids(replay=findings.replayed is not None, drift=findings.settings.baseline is not None)
    return f"{len(deselected)} of {len(checks)} checks"
