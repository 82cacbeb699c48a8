"""What to do next, in sentences: collect, prove, tune, and which caps to set."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from pytest_token_telemetry.gate.checks import (
    CAP_USE,
    CARRIED,
    CATEGORIES,
    CHECK_BY_ID,
    COMPLEXITIES,
    DELIVERABLES,
    REPLAY,
    SAMPLES,
    TRUNCATION,
    UNDERESTIMATION,
    WASTE,
)
from pytest_token_telemetry.gate.checks.samples import lacks_attempts
from pytest_token_telemetry.gate.checks.sources import outside_maps
from pytest_token_telemetry.gate.results import CountResult, CoverageResult, RateResult, RatioResult
from pytest_token_telemetry.option_types import ANY
from pytest_token_telemetry.report.words import (
    blamed,
    deselected,
    invalid,
    most_frequent,
    subject_of,
    unknown_reasons,
    warns,
)
from pytest_token_telemetry.sources.look_like import MAPPABLE, READ_WITH, UNSTRUCTURED, UTF16
from pytest_token_telemetry.text import Untrusted, exact, joined, listing, named, plain, plural, times, upwards

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from pytest_token_telemetry.analysis.budgets import Budgets
    from pytest_token_telemetry.analysis.caps import CapUseOf
    from pytest_token_telemetry.analysis.carried import Grouping
    from pytest_token_telemetry.analysis.readiness import PlannedRun
    from pytest_token_telemetry.analysis.strata import Stratum
    from pytest_token_telemetry.analysis.tuning import Advice, BeforeAfter, Cap, Caps
    from pytest_token_telemetry.gate.replay_report import ReplayReport
    from pytest_token_telemetry.gate.verdict import ProofPlan
    from pytest_token_telemetry.report.model import Report
    from pytest_token_telemetry.text import Piece, Sentence

_WHAT_CHANGED = "Find out what changed since the baseline, in the work or in the model, before tuning to it."


def next_steps(report: Report) -> list[Sentence]:
    """What to do next, one sentence each."""
    match report.verdict:
        case "not-ready":
            return list(_what_to_collect(report))
        case "tune":
            return list(_what_to_tune(report))
        case "inconclusive":
            return list(_what_to_prove(report))
    steps: list[Sentence] = [*_reasons_to_name(report)]
    if warns(report, WASTE.id):
        steps.append("Risk is within its targets. To save cost, lower predictions where waste is high.")
    if warns(report, "drift::"):
        steps.append(_WHAT_CHANGED)
    steps += _caps_to_lower(report)
    return [*(steps or ["Nothing to tune: go on collecting, and watch for drift."]), *_caps_to_set(report)]


def _reasons_to_name(report: Report) -> Iterator[Sentence]:
    """Why outputs end in words that are not known, where the truncation rate does without these calls."""
    if report.counts.unknown_reasons:
        unknown = unknown_reasons(report.counts)
        yield ("Say in a known word why outputs end (finish_reason: stop, length, ...): not known are ", *unknown, ".")


def _caps_to_lower(report: Report, truncated: Iterable[Stratum] = ()) -> Iterator[Sentence]:
    """Where calls use little of their caps, if that is above its target.

    ``truncated``: the kinds of work whose caps must be raised.
    """
    result, tuning = report.result(CAP_USE.id), report.tuning
    if not isinstance(result, RatioResult) or result.outcome not in ("warn", "fail") or result.value is None:
        return
    every = () if tuning is None else tuning.cap_use
    raised = {(each.name, each.folded > 0) for each in truncated}
    little = [each for each in every if each.p90 >= result.target and (each.name, each.folded > 0) not in raised]
    if every and not little:
        return
    little.sort(key=lambda each: (each.n < _LEAST_FOR_P90, -each.p90))
    where: Sentence = ""
    if tuning is not None and little and (len(every) > 1 or every[0].name is not None):
        kind = tuning.grouped_by
        named_ones = _some([(_called(each, kind), f" (P90 {times(each.p90, result.limit)})") for each in little])
        where = joined((": ", named_ones), "")
    said = "the caps (max_tokens) where calls use little of them"
    begins = (
        f"Lower {said}, as far as Tier 1 stays within its targets"
        if result.exceeded
        else f"To save quota, lower {said}"
    )
    yield joined((begins, where, "."), "")


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
    kind = tuning.grouped_by
    truncation = report.result(TRUNCATION.id)
    limit = truncation.limit if isinstance(truncation, RateResult) else Fraction(1)
    rows = joined([(*_cap_name(each, every, kind), _caps_by_risk(each, limit)) for each in every[:_SHOWN]], "; ")
    yield ("Caps (max_tokens) by risk of truncation: ", *rows, "; and others." if len(every) > _SHOWN else ".")


def _cap_name(caps: Caps, every: Sequence[Caps], kind: Grouping) -> tuple[Piece, ...]:
    """Whose ``caps`` these are: nothing where there is only one row, which has no name."""
    return () if len(every) == 1 and caps.name is None else (_called(caps, kind), ": ")


def _caps_by_risk(caps: Caps, limit: Fraction) -> str:
    """``13,166 at 5%``, or what it takes to suggest one.

    ``limit``: the truncation rate that the gate passes.
    """
    found = [
        f"{cap.max_tokens:,} at {exact(Fraction(str(cap.risk)) * 100)}%"
        for cap in caps.caps
        if cap.max_tokens is not None
    ]
    if found:
        return f"{', '.join(found)}{_cap_of_target(caps, limit)}"
    needed = [cap.samples_needed for cap in caps.caps]
    if None in needed:  # enough calls for that risk, and too many of them truncated: more calls change nothing
        return "too many truncated to tell"
    return f"needs {min(filter(None, needed)):,} calls, has {caps.n:,}"


def _cap_of_target(caps: Caps, limit: Fraction) -> str:
    """What it takes to suggest a cap that the gate would pass, where those that are suggested have more risk."""
    within = [cap for cap in caps.caps if Fraction(str(cap.risk)) <= limit]
    if not within or any(cap.max_tokens is not None for cap in within):
        return ""
    cap = max(within, key=lambda cap: cap.risk)
    if cap.samples_needed is None:
        return ""
    return f" ({exact(Fraction(str(cap.risk)) * 100)}% needs {cap.samples_needed:,} calls, has {caps.n:,})"


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


def _what_to_collect(report: Report) -> Iterator[Sentence]:
    counts, context = report.counts, report.context
    if counts.unreadable_files > counts.lost_tests:
        yield _to_repair(report)
    elif context.reads_files and not counts.files:
        yield "Check the directory and the pattern: no file matches."
    if counts.lost_tests:
        yield "Run the tests again: a worker died, and what it recorded last is lost."
    elif context.reads_tests and not counts.tests and counts.deselected_tests:
        left_out = f"{plural(counts.deselected_tests, 'test')} deselected"
        yield f"Select the tests that record calls as well as the checks: {left_out}, and no other recorded one."
    elif context.reads_tests and not counts.tests:
        yield (
            "Let tests record their model calls, with the token_telemetry fixture, in log lines, or in spans (extras"
            " [openai], [anthropic], [google] and [spans]; docs/from-your-tests.md): none did."
        )
    if not report.sources:
        return
    if (replay := blamed(report)) is not None:
        yield from _to_replay(report, replay)
        return
    wrong = _wrong_paths(report)
    blames_map = "output_tokens" in wrong
    none_found = [*_maps_to_correct(report, wrong), *(() if blames_map else _no_call_found(report))]
    yield from none_found
    samples, limit = report.result(SAMPLES.id), report.settings.get("max_unusable")
    too_many = isinstance(limit, str) and limit.isdecimal() and counts.unusable.total > int(limit[:20])
    if too_many and not blames_map:
        yield "Repair what writes the unusable lines, or raise the limit."
    if isinstance(samples, CountResult) and lacks_attempts(samples, context):
        unknown = [*_reasons_to_name(report)]
        yield from unknown or ["Log 'truncated' with every sample: too few say whether they were truncated."]
    yield from _what_to_record(report, wrong)
    mix = [
        (check, result)
        for check in (CATEGORIES, COMPLEXITIES, DELIVERABLES)
        if isinstance(result := report.result(check.id), CoverageResult)
    ]
    fitting = [setting for check, result in mix if (setting := check.setting(result, context))]
    for setting in fitting:
        yield ("Set ", *setting, " if your calls are labelled as they should be.")
    is_explained = none_found or counts.unreadable_files or (context.reads_files and not counts.files)
    if report.plan.runs and (counts.samples or not is_explained):
        kind = "more successful sample" if counts.question == "predictions" else "more sample"
        yield f"{'Else collect' if fitting else 'Collect'} {plural(sum(run.count for run in report.plan.runs), kind)}."
        yield _these_would_do(report.plan.runs)
        if isinstance(samples, CountResult) and not samples.missing:  # what is missing will not come by waiting
            for check, result in mix:
                if setting := check.without_missing(result, context):
                    yield ("Or set ", *setting, ", if your work has no others.")


_FIELDS: Mapping[str, str] = {
    "predictions": "predicted_output_tokens",
    "caps": "max_tokens",
    "reasons": "finish_reason",
}
"""The fields of what can be required."""


def _wrong_paths(report: Report) -> list[str]:
    """The fields of maps that no record has, where the data cannot be judged without them."""
    carried = report.result(CARRIED.id)
    required = carried.missing if isinstance(carried, CoverageResult) else ()
    needed = {"output_tokens", *(_FIELDS[each] for each in required if each in _FIELDS)}
    if report.counts.silent_on_success:
        needed.add("success")
    return [each.field for each in report.counts.unfound if each.field in needed]


def _what_to_record(report: Report, wrong: Collection[str]) -> Iterator[Sentence]:
    """What calls do not say. Fields whose paths are ``wrong`` may be recorded."""
    silent, samples = report.counts.silent_on_success, report.result(SAMPLES.id)
    if silent and "success" not in wrong and isinstance(samples, CountResult) and samples.missing:
        those = plural(silent, "sample")
        yield f"Record whether each task succeeded (success): {those} with a prediction cannot be judged without it."
    carried = report.result(CARRIED.id)
    missing = carried.missing if isinstance(carried, CoverageResult) else ()
    if lacking := [each for each in missing if _FIELDS.get(each) not in wrong]:
        yield (
            "Record ",
            *joined(map(named, lacking), last="and"),
            " with the calls: --token-telemetry-require asks for them.",
        )


def _maps_to_correct(report: Report, fields: Collection[str]) -> Iterator[Sentence]:
    """Give the maps that say of these ``fields`` that they stand where no record has anything."""
    unfound = [each for each in report.counts.unfound if each.field in fields]
    for name in dict.fromkeys(each.map for each in unfound):
        paths = [(Untrusted(each.path), " (", Untrusted(each.field), ")") for each in unfound if each.map == name]
        yield ("Correct map ", Untrusted(name), ": no record has ", *joined(paths, last="and"), ".")


def _to_repair(report: Report) -> Sentence:
    """What could not be read, by the first of it."""
    unreadable, others = report.not_read.unreadable, report.counts.unreadable_files - 1
    if not unreadable:
        return "Make every file readable: what cannot be read is not judged."
    first = unreadable[0]
    more = f" and {plural(others, 'other')}" if others else ""
    return (
        "Repair what cannot be read, as it is not judged: ",
        Untrusted(first.path),
        " (",
        Untrusted(first.reason),
        f"){more}.",
    )


def _to_replay(report: Report, replay: ReplayReport) -> Iterator[Sentence]:
    """What the estimator must do to be judged."""
    result = report.result(REPLAY.id)
    if replay.wrong:
        said = f"Repair the estimator, as {invalid(replay.wrong, replay.calls)}"
        yield joined((said, most_frequent(replay.reasons, replay.wrong), "."), "")
    if replay.cannot and isinstance(result, CountResult) and (result.missing or not replay.replayed):
        asked = plural(replay.calls, "recorded call")
        yield (
            f"Let the estimator answer for more of {asked}: it could not replay {replay.cannot:,}, and"
            f" {result.target:,} must be replayed."
        )


def _no_call_found(report: Report) -> Iterator[Sentence]:
    """What to look at where files hold no call, or are of a kind that is not read."""
    counts, chosen = report.counts, report.settings.get("format")
    ways = [READ_WITH[look] for look in counts.look_like if look in READ_WITH]
    if counts.samples or counts.files <= counts.unreadable_files:
        return
    if isinstance(chosen, str) and chosen != "auto":
        yield (
            "Check --token-telemetry-format=",
            named(chosen),
            ": read as this format, the files hold no usable call.",
        )
    elif wheres := outside_maps(counts):
        yield (
            "Correct ",
            *joined((("the where of map ", named(name)) for name, _ in wheres), last="and"),
            ": no record matches.",
        )
    elif UTF16 in counts.look_like:
        yield "Save these files as UTF-8: in other encodings only log lines are read, and these files hold none."
    elif ways:
        yield f"Add {listing(ways, last='or')} to judge these files: they hold no other call."
    elif any(look in MAPPABLE for look in counts.look_like):
        yield (
            "Map these files to our fields (--token-telemetry-propose-map proposes how, docs/field-map.md), or let the"
            " system leave one token-telemetry/1 line a call (docs/own-system.md): they hold no model call that is"
            " read."
        )
    elif any(look not in UNSTRUCTURED for look in counts.look_like):
        yield (
            "Let the system leave one token-telemetry/1 line a call (docs/own-system.md), or name other files:"
            " these hold no model call that is read."
        )
    elif counts.nothing_known:
        yield "Check that the system logs [TokenEstimationV2] or token-telemetry/1 lines: the files hold none."
    elif counts.unusable.total:
        yield "Repair what writes these records: none of them can be used, and -v says why."
    else:
        yield "Name files that hold model calls: these hold none."


_RUNS_SHOWN = 4
"""Kinds of runs that the advice names."""

_RUNS_LISTED = 20
"""Kinds of runs that the plan lists; the report has all."""


def _these_would_do(runs: Sequence[PlannedRun]) -> Sentence:
    kinds: list[Sentence] = [_run(run) for run in runs[:_RUNS_SHOWN]]
    if others := sum(run.count for run in runs[_RUNS_SHOWN:]):
        kinds.append(f"{others} of other kinds")
    return ("These would do: ", *joined(kinds, last="and"), ".")


def _run(run: PlannedRun) -> Sentence:
    kind: list[Sentence] = []
    if run.category:
        kind.append(("in ", named(run.category), " category" if run.category == ANY else ""))
    if run.complexity:
        kind.append(("of ", named(run.complexity), " complexity"))
    if run.deliverables:
        kind.append(("with ", *_deliverables(run.deliverables)))
    return joined((str(run.count), *(kind or ["of any kind"])), " ")


def _deliverables(bucket: str) -> tuple[Piece, ...]:
    if bucket == ANY:
        return ("any number of deliverables",)
    return (named(bucket), " deliverable" if bucket == "1" else " deliverables")


def to_collect(report: Report) -> list[Sentence]:
    """What to collect, for someone who schedules runs."""
    runs, thinnest = report.plan.runs, report.plan.thinnest
    successful = "successful " if report.counts.question == "predictions" else ""
    schedule = f"Schedule {successful}runs: "

    def of(samples: int) -> str:
        return f" ({plural(samples, f'{successful}sample')})"

    sentences: list[Sentence] = [joined((schedule, _run(run), "."), "") for run in runs[:_RUNS_LISTED]]
    if others := sum(run.count for run in runs[_RUNS_LISTED:]):
        sentences.append(f"{schedule}{others} of other kinds.")
    cells: list[Sentence] = []
    if thinnest.category:
        cells.append((named(thinnest.category[0]), of(thinnest.category[1])))
    if thinnest.complexity:
        cells.append((named(thinnest.complexity[0]), " complexity", of(thinnest.complexity[1])))
    if thinnest.deliverables:
        cells.append((*_deliverables(thinnest.deliverables[0]), of(thinnest.deliverables[1])))
    if cells:
        sentences.append(("The thinnest evidence is that of ", *joined(cells, last="and"), "."))
    return sentences + [_proof(proof) for proof in report.plan.proofs]


def _proof(proof: ProofPlan) -> str:
    check = CHECK_BY_ID.get(proof.id)
    target = "the target" if check is None else f"{check.subject} within its target"
    now = f"{proof.events:,} of {proof.n:,} now" if proof.n else "no data yet"
    subject = f"To prove {target} ({now}):"
    if proof.without_more_events is None:
        return f"{subject} no number of samples proves so low a target."
    if proof.without_more_events <= proof.n:
        return f"{subject} done."
    if not proof.n:
        return f"{subject} {proof.without_more_events:,} samples without an event."
    words = f"{subject} {proof.without_more_events:,} samples in all if there are no more events"
    if proof.at_present_rate is None:
        return f"{words}; at the present rate, no number would."
    return f"{words}, {proof.at_present_rate:,} at the present rate."


def _what_to_tune(report: Report) -> Iterator[Sentence]:
    failed = {result.id for result in report.checks if result.exceeded}
    kind = "category" if report.tuning is None else report.tuning.grouped_by
    strata: tuple[Stratum, ...] = getattr(report.strata, kind) or report.strata.category
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
        yield from steps or (fallback if too_low or TRUNCATION.id not in failed else [])
        multiplied = True
    if TRUNCATION.id in failed:
        yield _where_to_raise(report, _most(strata, kind, lambda each: (each.truncated, each.attempts)))
    elif WASTE.id in failed and not multiplied:
        yield "Lower the predictions where waste is high, as far as Tier 1 stays within its targets."
    yield from _caps_to_lower(report, [each for each in strata if each.truncated] if TRUNCATION.id in failed else ())
    yield from _caps_to_set(report)
    if any(id.startswith("drift::") for id in failed):
        yield _WHAT_CHANGED


def _where_to_raise(report: Report, where: Sentence) -> Sentence:
    """Which calls need a larger cap. ``where``: the kinds of those whose output is known."""
    lost = report.counts.uncounted.events
    also = f"{plural(lost, 'call')} without an output count" if lost else ""
    parts = [part for part in (where, also) if plain(part)]
    return joined(("Raise the cap (max_tokens) where calls were truncated: ", joined(parts), ". Then tune again."), "")


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

    def where(advice: list[Advice], say: Callable[[Advice], str], between: str = ", ") -> Sentence:
        return _some([(_called(each, tuning.grouped_by), say(each)) for each in advice], between)

    if multiply := [each for each in hit if each.tier == "risk" and each.multiplier != 1]:
        by = where(multiply, lambda each: f" by {upwards(each.multiplier or 0)} ({_basis(each)})")
        yield joined(("Multiply the predictions in ", by, "."), "")
        if priced := [each for each in multiply if each.waste_p90[1] is not None]:
            yield joined(("Cost: ", where(priced, lambda each: _price(each, target), "; "), "."), "")
    capped = [each for each in hit if each.basis == "raise-cap"]
    if capped and say_capped:
        cut = where(capped, lambda each: f" ({each.truncated:,} of {each.n:,} truncated)")
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


def _some(every: Sequence[Sentence], between: str = ", ") -> Sentence:
    """The first few, and that there are others."""
    return (*joined(every[:_SHOWN], between), " and others" if len(every) > _SHOWN else "")


def waste_target(report: Report) -> Fraction | None:
    """What the waste P90 is held against; ``None`` if its check was deselected."""
    waste = report.result(WASTE.id)
    return waste.limit if isinstance(waste, RatioResult) else None


def _price(advice: Advice, target: Fraction | None) -> str:
    """`` x1.91: waste P90 1.83x -> 3.49x, above the target``: what the advice costs."""
    after = advice.waste_p90[1]
    exceeds = target is not None and after is not None and not after < float(target)
    changed = f"waste P90 {change(advice.waste_p90, target)}{', above the target' if exceeds else ''}"
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
