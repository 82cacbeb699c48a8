"""The parts of the report below its checks: each a title, sentences, and tables of figures and names.

A form decides how a section looks, never what stands in it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from pytest_token_telemetry.analysis.attempts import NEAR_PERCENT
from pytest_token_telemetry.analysis.budgets import LEAST_CALLS
from pytest_token_telemetry.gate.checks.drift import NO_BASELINE
from pytest_token_telemetry.report import advice
from pytest_token_telemetry.text import (
    Located,
    Untrusted,
    chance,
    exact,
    joined,
    percent,
    plural,
    points,
    sparkline,
    times,
    upwards,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from pytest_token_telemetry.analysis.attempts import Attempts
    from pytest_token_telemetry.analysis.budgets import Budgets
    from pytest_token_telemetry.analysis.drift import Drift, RateDrift, StratumRates
    from pytest_token_telemetry.analysis.metrics import Share
    from pytest_token_telemetry.analysis.strata import Stratum
    from pytest_token_telemetry.analysis.tuning import Advice, Caps, ForwardCheck, Tuning
    from pytest_token_telemetry.gate.replay_report import (
        BaseComparison,
        ChangedSample,
        EstimatorFigures,
        ReplayReport,
        WrongAnswer,
    )
    from pytest_token_telemetry.past.baseline import DriftReport
    from pytest_token_telemetry.past.history import PastVerdict
    from pytest_token_telemetry.report.model import Report, SourceFile, WorstSample
    from pytest_token_telemetry.text import Sentence

T = TypeVar("T")

Columns: TypeAlias = "Mapping[str, Callable[[T], Sentence]]"
"""The title of each column, and what stands in its cells."""


@dataclass(frozen=True, slots=True)
class Table:
    """Figures and names, a row each. Names come last in a row."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Sentence, ...], ...]
    marked: frozenset[tuple[int, int]] = frozenset()
    """Cells that must not be missed, by row and column."""
    folded: int = 0
    """How many the last row sums up, if it is the others; else 0."""


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the report: sentences, then tables, then remarks on them."""

    title: str
    sentences: tuple[Sentence, ...] = ()
    tables: tuple[Table, ...] = ()
    remarks: tuple[str, ...] = ()


def compared(report: Report) -> Iterator[Section]:
    """What must be seen besides: attempts that differ, and what was asked for: an estimator, drift, and history."""
    if report.attempts is not None and _differ(report.attempts):
        yield _attempts(report.attempts)
    if report.estimator is not None:
        yield from _estimator(report.estimator)
    if report.drift is not None:
        yield _drift(report.drift)
    if report.history is not None:
        yield _history(report.history)


def details(report: Report) -> Iterator[Section]:
    """Everything else, for who wants to know more."""
    if report.worst:
        yield _most_output(report)
    yield _strata(report)
    if report.attempts is not None and not _differ(report.attempts):
        yield _attempts(report.attempts)
    if report.budgets is not None and report.budgets.calls >= LEAST_CALLS:
        yield _budgets(report.budgets)
    if report.tuning is not None:
        yield _tuning(report.tuning, advice.waste_target(report))
    if collect := advice.to_collect(report):
        yield Section("What to collect", tuple(collect))
    yield _sources(report)
    yield _settings(report)


ADVICE, DATA = "Caps and advice", "Data and settings"


@dataclass(frozen=True, slots=True)
class Chapter:
    """Sections that answer one question of a reader."""

    title: str
    sections: tuple[Section, ...]


def changed_calls(report: Report) -> Chapter:
    """The calls to look at first."""
    base = None if report.estimator is None else report.estimator.base
    found = [] if base is None or not base.changed else [_changed(base)]
    if report.worst:
        found.append(_most_output(report))
    return Chapter("Calls that changed" if base is not None and base.changed else "Calls to look at", tuple(found))


def held_against(report: Report) -> Iterator[Section]:
    """What is compared: predictions of another estimator, and new calls with those of a baseline."""
    if report.estimator is not None:
        yield from (each for each in _estimator(report.estimator) if each.title != _CHANGED)
    if report.drift is not None:
        yield _drift(report.drift)


def further(report: Report) -> Iterator[Chapter]:
    """What is there for who wants to know more: advice, history, and the data."""
    advised = [] if report.attempts is None else [_attempts(report.attempts)]
    if report.budgets is not None and report.budgets.calls >= LEAST_CALLS:
        advised.append(_budgets(report.budgets))
    if report.tuning is not None:
        advised.append(_tuning(report.tuning, advice.waste_target(report)))
    if collect := advice.to_collect(report):
        advised.append(Section("What to collect", tuple(collect)))
    yield Chapter(ADVICE, tuple(advised))
    yield Chapter("History", () if report.history is None else (_history(report.history),))
    yield Chapter(DATA, (_strata(report), _sources(report), _settings(report)))


def _most_output(report: Report) -> Section:
    return Section("Largest overruns", tables=(calls(report.worst),))


def _differ(attempts: Attempts) -> bool:
    """True if a task was tried again with a larger cap, or first attempts are truncated more or less often than all."""
    first, every = attempts.first, attempts.every
    return attempts.larger_cap.n > 0 or (first.n > 0 and first.events * every.n != every.events * first.n)


def _attempts(attempts: Attempts) -> Section:
    first, every, retries, near = attempts.first, attempts.every, attempts.larger_cap, attempts.near_cap
    every_said = f"ll attempts: {_of(every)}"
    told = [f"First attempts: {_of(first)} truncated; a{every_said}." if first.n else f"A{every_said} truncated."]
    if retries.n:
        were = "retry with a larger cap was" if retries.n == 1 else "retries with a larger cap were"
        told.append(f"{retries.events} of {retries.n} {were} not truncated again.")
    if near.n:
        told.append(f"{near.events} of {plural(near.n, 'call')} used {NEAR_PERCENT}% or more of their cap.")
    return Section("Attempts", (" ".join(told),))


def _of(share: Share) -> str:
    return f"{share.events} of {share.n}" + (f" ({percent(share.events / share.n)})" if share.n else "")


def _estimator(replay: ReplayReport) -> Iterator[Section]:
    yield _replay(replay)
    if replay.errors:
        yield _wrong("Invalid predictions", replay.errors)
    if replay.base is not None:
        yield _base(replay.base)
        if replay.base.errors:
            yield _wrong("Invalid predictions of base", replay.base.errors)
        if replay.base.changed:
            yield _changed(replay.base)


def _replay(report: ReplayReport) -> Section:
    if not report.calls:
        return Section("Replayed estimator", ("There is no recorded call to replay.",))
    sentences: list[Sentence] = [
        (
            "The verdict is on the predictions of ",
            Untrusted(report.estimator),
            f" for {report.replayed} of {plural(report.calls, 'recorded call')}, not on those of the time.",
        )
    ]
    if report.with_budget:
        were = "was" if report.unknown == 1 else "were"
        open_ = f"; of {report.unknown} that {were} truncated and would have had more room, the outcome is unknown"
        sentences.append(
            f"With its budgets, {report.would_truncate} of {plural(report.with_budget, 'call')} would have been"
            f" truncated{open_ if report.unknown else ''}."
        )
    figures = _side_by_side(("recorded", report.recorded), ("replayed", report.figures))
    return Section("Replayed estimator", tuple(sentences), (figures,))


def _base(base: BaseComparison) -> Section:
    counts, title = base.underestimated, "Base against head"
    sentences: list[Sentence] = []
    if base.base_commit is not None and base.head_commit is not None:
        sentences.append(f"Base is commit {base.base_commit[:12]}, head is commit {base.head_commit[:12]}.")
    if base.wrong or base.cannot:
        missing = f" has no prediction for {plural(base.cannot + base.wrong, 'call')}"
        wrong = f": {plural(base.wrong, 'answer')} of another kind" if base.wrong else ""
        sentences.append(("Base ", Untrusted(base.estimator), f"{missing}{wrong}."))
    if not base.calls:
        return Section(title, (*sentences, "Not compared: there is no call that both can replay."))
    sentences.append(
        f"On the {plural(base.calls, 'call')} that both can replay, {counts.newly_underestimated} newly underestimated"
        f" and {counts.newly_safe} newly safe ({chance(base.p)}, McNemar's exact test)."
    )
    if base.difference is not None and base.bounds is not None:
        sure = exact(Fraction(str(base.bounds.confidence)) * 100)
        sentences.append(
            f"The underestimation rate changes by {points(base.difference)}, between"
            f" {points(base.bounds.lower)} and {points(base.bounds.upper)} ({sure}% confidence each)."
        )
    ratio = base.predictions
    if ratio.p50 is not None:
        sentences.append(
            f"{plural(ratio.raised, 'prediction')} raised and {ratio.lowered} lowered; median change"
            f" {times(ratio.p50)}."
        )
    return Section(title, tuple(sentences), (_side_by_side(("base", base.base), ("head", base.head)),))


def _side_by_side(*estimators: tuple[str, EstimatorFigures]) -> Table:
    rows = tuple(
        (name, _share(each.underestimation), _share(each.truncation), ratio(each.waste_p50), ratio(each.waste_p90))
        for name, each in estimators
    )
    return Table(("", "underestimated", "truncated", "waste P50", "waste P90"), rows)


def _wrong(title: str, errors: tuple[WrongAnswer, ...]) -> Section:
    rows = tuple((Untrusted(error.source), Untrusted(error.reason)) for error in errors)
    return Section(title, tables=(Table(("call", "what the estimator did"), rows),))


def _changed(base: BaseComparison) -> Section:
    columns: Columns[ChangedSample] = {
        "base": lambda each: f"{each.base_predicted:,}",
        "head": lambda each: f"{each.head_predicted:,}",
        "output": lambda each: f"{each.output_tokens:,}",
        "change": lambda each: each.change or "none",
        "category": lambda each: Untrusted(each.category),
        "call": lambda each: Located(each.source),
    }
    return Section(_CHANGED, tables=(_table(columns, base.changed),))


_CHANGED = "Predictions that changed most"


def _drift(report: DriftReport) -> Section:
    found = report.drift
    if found is None:
        return Section("Drift", (f"Not compared: {NO_BASELINE}.",))
    sentence = (
        f"{plural(report.new_samples, 'new call')} against {report.baseline_samples} in the baseline, compared"
        " within categories: a change of the mix alone is no drift."
    )
    return Section("Drift", (sentence, *_mix(found.underestimation)), (_drift_by_category(found),))


def _drift_by_category(found: Drift) -> Table:
    under = {(each.folded, each.name): each for each in found.underestimation.strata}
    cut = {(each.folded, each.name): each for each in found.truncation.strata}  # some have figures of one rate only
    names = sorted({*under, *cut}, key=lambda key: (key[0], key[1] is not None, key[1] or ""))
    return Table(
        ("underestimated, baseline", "new", "truncated, baseline", "new", "share of calls", "category"),
        tuple((*_sides(under.get(key)), *_sides(cut.get(key)), _mixes(under.get(key)), _named(*key)) for key in names),
        folded=max((folded for folded, _ in names), default=0),
    )


def _sides(stratum: StratumRates | None) -> tuple[str, str]:
    return ("none", "none") if stratum is None else (_share(stratum.base), _share(stratum.head))


def _mixes(stratum: StratumRates | None) -> str:
    return "none" if stratum is None else f"{percent(stratum.base_mix)} -> {percent(stratum.head_mix)}"


def _mix(found: RateDrift) -> tuple[str, ...]:
    if found.mix_shift is None or found.standardised is None or not found.head.n:
        return ()
    return (
        f"{percent(found.mix_shift)} of the calls moved to other categories; with the baseline's mix, the new"
        f" underestimation rate of {percent(found.head.events / found.head.n)} would be {percent(found.standardised)}.",
    )


def _history(past: tuple[PastVerdict, ...]) -> Section:
    if not past:
        return Section("History", ("This is the first session of the history.",))
    under = sparkline([each.underestimation for each in past])
    cut = sparkline([each.truncation for each in past])
    sessions = "session" if len(past) == 1 else plural(len(past), "session")
    columns: Columns[PastVerdict] = {
        "verdict": lambda each: each.verdict,
        "samples": lambda each: f"{each.samples:,}",
        "underestimation": lambda each: "none" if each.underestimation is None else percent(each.underestimation),
        "truncation": lambda each: "none" if each.truncation is None else percent(each.truncation),
        "when": lambda each: Untrusted(each.time),
        "commit": lambda each: Untrusted(each.commit and each.commit[:12]),
    }
    sentence = f"The last {sessions}: underestimation {under}, truncation {cut}."
    return Section("History", (sentence,), (_table(columns, past),))


def calls(samples: tuple[WorstSample, ...]) -> Table:
    """The figures and names of single calls."""
    columns: Columns[WorstSample] = {
        "actual / predicted": lambda each: ratio(each.ratio),
        "predicted": lambda each: _count(each.predicted_output_tokens),
        "output": lambda each: f"{each.output_tokens:,}",
        "truncated": lambda each: {True: "yes", False: "no", None: "not given"}[each.truncated],
        "category": lambda each: Untrusted(each.category),
        "task": lambda each: Untrusted(each.task_id),
        "where": lambda each: Located(each.source),
    }
    return _table(columns, samples)


def _strata(report: Report) -> Section:
    strata = report.strata
    kinds = (
        ("category", strata.category),
        ("complexity", strata.complexity),
        ("deliverables", strata.deliverables),
        *((kind, rows) for kind, rows in (("model", strata.model), ("operation", strata.operation)) if len(rows) > 1),
    )
    return Section(
        "By category, complexity and number of deliverables",
        tables=tuple(_stratum_table(kind, rows, strata.spellings) for kind, rows in kinds if rows),
        remarks=("* above its target, proven with all strata looked at together (Holm, 95%)",),
    )


def _stratum_table(kind: str, strata: tuple[Stratum, ...], spellings: tuple[Stratum, ...]) -> Table:
    folded = _folded(strata)
    if kind == "category" and spellings:
        strata = tuple(_with_spellings(strata, spellings))
    columns: Columns[Stratum] = {
        "attempts": lambda each: f"{each.attempts:,}",
        "successful": lambda each: f"{each.successes:,}",
        "truncated": lambda each: f"{each.truncated:,}{'*' if each.truncation_proven else ''}",
        "judged": lambda each: f"{each.risk:,}",
        "underestimated": lambda each: f"{each.underestimated:,}{'*' if each.underestimation_proven else ''}",
        "waste P50": lambda each: ratio(each.waste_p50, ""),
        "waste P90": lambda each: ratio(each.waste_p90, ""),
        kind: _stratum_name,
    }
    marked = {(i, 2) for i, each in enumerate(strata) if each.truncation_proven} | {
        (i, 4) for i, each in enumerate(strata) if each.underestimation_proven
    }
    return replace(_table(columns, strata, frozenset(marked)), folded=folded)


def _with_spellings(categories: tuple[Stratum, ...], spellings: tuple[Stratum, ...]) -> Iterator[Stratum]:
    """Each category with its spellings below it. Those that are not listed come before the categories that are not."""
    of_category: dict[str | None, list[Stratum]] = {None: []}
    for each in spellings:
        of_category.setdefault(each.spelling_of, []).append(each)
    for category in categories:
        if not category.folded:
            yield category
            yield from of_category.get(category.name, ()) if category.name is not None else ()
    yield from of_category[None]
    yield from (category for category in categories if category.folded)


def _stratum_name(stratum: Stratum) -> Sentence:
    return (
        _named(stratum.folded, stratum.name) if stratum.spelling_of is None else ("spelled ", Untrusted(stratum.name))
    )


def _folded(rows: Sequence[Stratum] | Sequence[Advice] | Sequence[Caps] | Sequence[SourceFile]) -> int:
    """How many the others are."""
    return sum(each.folded for each in rows)


def _named(folded: int, name: str | None) -> Sentence:
    return f"{folded:,} others" if folded else Untrusted(name)


def _budgets(budgets: Budgets) -> Section:
    unclear = budgets.calls - budgets.at_constant - budgets.following
    rows = [
        (f"{each.calls:,}", f"{each.exceeded:,}", f"constant: {each.budget_tokens:,}") for each in budgets.constants
    ]
    rows.append((f"{budgets.following:,}", "", "follows from the prediction"))
    rows.append((f"{unclear:,}", "", "neither can be told"))
    table = Table(("calls", "predicted above", "budget"), tuple(rows))
    return Section("Who decided the budget", tables=(table,), remarks=(advice.who_decided(budgets),))


def _tuning(tuning: Tuning, waste_target: Fraction | None) -> Section:
    folded = _folded(tuning.categories) + _folded(tuning.cells)
    kind = tuning.grouped_by
    columns = {kind if title == "category" else title: cell for title, cell in _advice(waste_target).items()}
    tables = [replace(_table(columns, (*tuning.categories, *tuning.cells)), folded=folded)]
    if tuning.max_tokens:
        risks = tuple(f"cap at {percent(cap.risk)} risk" for cap in tuning.max_tokens[0].caps)
        rows: tuple[tuple[Sentence, ...], ...] = tuple(
            (f"{each.n:,}", *map(advice.cap_in_words, each.caps), _named(each.folded, each.name))
            for each in tuning.max_tokens
        )
        tables.append(Table(("judged", *risks, kind), rows, folded=_folded(tuning.max_tokens)))
    forward = () if tuning.forward is None else (_forward(tuning.forward),)
    return Section("Tuning advice", tables=tuple(tables), remarks=(LEGEND.format(advice.KINDS[kind]), *forward))


LEGEND = "( ) lowers the predictions: that saves cost, and is no advice for risk; ~ is borrowed from other {}"


def _multiplier(advice: Advice) -> str:
    """``1.81``, rounded up so that it does what is promised; in brackets if it lowers; else why there is none."""
    if advice.multiplier is None:
        return advice.basis
    shown = f"{'~' if advice.basis == 'borrowed' else ''}{upwards(advice.multiplier)}"
    return f"({shown})" if advice.tier == "cost" else shown


def _expectation(advice: Advice) -> str:
    """``4.0% (0.2 to 11.3)``: the rate to expect after, and where it will be in nine of ten cases."""
    if advice.expected_underestimation is None or advice.expected_range is None:
        return ""
    low, high = (f"{100 * bound:.1f}" for bound in advice.expected_range)
    return f"{percent(advice.expected_underestimation)} ({low} to {high})"


def _forward(check: ForwardCheck) -> str:
    """What the advice of the earlier calls would have done to the later ones."""
    left_out = f", {check.uncovered} without advice left out" if check.uncovered else ""
    if check.scored.value is None or check.bounds is None:
        return f"forward check: tuned on the first {check.tuned_on}, no later call to score{left_out}"
    rate = f"{check.scored.events}/{check.scored.n} = {percent(check.scored.value)}"
    sure = f"true rate {percent(check.bounds.lower)} to {percent(check.bounds.upper)} (95% confidence each)"
    return f"forward check: tuned on the first {check.tuned_on}, {rate} of the rest underestimated, {sure}{left_out}"


def _advice(waste_target: Fraction | None) -> Columns[Advice]:
    return {
        "judged": lambda each: f"{each.n:,}",
        "truncated": lambda each: f"{each.truncated:,}",
        "underestimated": lambda each: f"{each.underestimated:,}",
        "multiply by": _multiplier,
        "then underestimated": _expectation,
        "waste P50": lambda each: advice.change(each.waste_p50, None),
        "waste P90": lambda each: advice.change(each.waste_p90, waste_target),
        "waste P90 at best": lambda each: (
            "unbounded" if each.spread_floor is None else times(each.spread_floor, waste_target)
        ),
        "category": lambda each: _named(each.folded, each.name),
        "complexity": lambda each: "" if each.complexity is None else Untrusted(each.complexity),
    }


def _sources(report: Report) -> Section:
    by_samples = sorted(report.sources, key=lambda source: (source.folded, -source.samples))
    file = "file or test" if report.counts.tests else "file"
    rows: tuple[tuple[Sentence, ...], ...] = tuple(
        (f"{each.samples:,}", _named(each.folded, each.path)) for each in by_samples
    )
    tables = [Table(("samples", file), rows, folded=_folded(report.sources))]
    if report.not_read.unreadable:
        rows = tuple((Untrusted(each.reason), Untrusted(each.path)) for each in report.not_read.unreadable)
        others = report.not_read.unreadable_folded
        if others:
            rows = (*rows, ("", f"{others:,} others"))
        tables.append(Table(("not read, because", file), rows, folded=others))
    if reasons := report.counts.unusable.reasons:
        unusable: tuple[tuple[Sentence, ...], ...] = tuple(
            (f"{lines.count:,}", Untrusted(reason), joined(map(Untrusted, lines.places), " "))
            for reason, lines in reasons.items()
        )
        tables.append(Table(("lines", "unusable because", "such as"), unusable))
    counts = report.counts
    if counts.skipped:
        skipped = tuple((f"{count:,}", Untrusted(reason)) for reason, count in counts.skipped.items())
        tables.append(Table(("records", "skipped as"), skipped))
    if counts.dropped:
        dropped = tuple((f"{count:,}", Untrusted(reason)) for reason, count in counts.dropped.items())
        tables.append(Table(("samples", "dropped by a plugin as"), dropped))
    remarks = []
    if counts.nothing_known:
        remarks.append(f"{counts.nothing_known} of {plural(counts.files, 'file')} without any telemetry")
    if counts.mentions:
        remarks.append(f"{plural(counts.mentions, 'mention')} of a tag without a record")
    return Section("Sources", tables=tuple(tables), remarks=tuple(remarks))


def _settings(report: Report) -> Section:
    rows: tuple[tuple[Sentence, ...], ...] = tuple(
        (Untrusted(name), Untrusted(text) if isinstance(text, str) else joined(map(Untrusted, text), " "))
        for name, text in report.settings.items()
    )
    return Section("Settings", tables=(Table(("setting", "in force"), rows),))


def _table(columns: Columns[T], items: Iterable[T], marked: frozenset[tuple[int, int]] = frozenset()) -> Table:
    """A row for each of ``items``."""
    return Table(tuple(columns), tuple(tuple(cell(each) for cell in columns.values()) for each in items), marked)


def _share(share: Share) -> str:
    return f"{share.events}/{share.n} = {percent(share.events / share.n)}" if share.n else "none"


def _count(value: int | None) -> str:
    return "none" if value is None else f"{value:,}"


def ratio(value: float | None, without: str = "none") -> str:
    """``1.63x``."""
    return without if value is None else times(value)
