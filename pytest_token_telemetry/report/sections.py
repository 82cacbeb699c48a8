"""The parts of the report below its checks: each a title, sentences, and tables of figures and names.

A form decides how a section looks, never what stands in it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_token_telemetry.analysis.attempts import NEAR_PERCENT
from pytest_token_telemetry.analysis.budgets import LEAST_CALLS
from pytest_token_telemetry.gate.checks import TRUNCATION
from pytest_token_telemetry.gate.checks.rates import POPULATIONS
from pytest_token_telemetry.gate.results import RateResult
from pytest_token_telemetry.option import GATE
from pytest_token_telemetry.report import advice, collecting
from pytest_token_telemetry.report.cap_advice import cap_in_words
from pytest_token_telemetry.report.comparisons import CHANGED, of_changes, of_drift, of_estimator, of_history
from pytest_token_telemetry.report.kinds import KINDS
from pytest_token_telemetry.report.notes import NOTE, unusable_lines
from pytest_token_telemetry.report.tables import Chapter, Columns, Section, Table, count, named, ratio, table_of
from pytest_token_telemetry.text import Located, Untrusted, joined, percent, plural, times, upwards

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from fractions import Fraction

    from pytest_token_telemetry.analysis.attempts import Attempts
    from pytest_token_telemetry.analysis.budgets import Budgets
    from pytest_token_telemetry.analysis.metrics import Share
    from pytest_token_telemetry.analysis.strata import Stratum
    from pytest_token_telemetry.analysis.tuning import Advice, Caps, ForwardCheck, Tuning
    from pytest_token_telemetry.past.baseline import DriftReport
    from pytest_token_telemetry.report.model import Report, SourceFile, WorstSample
    from pytest_token_telemetry.text import Sentence


def compared(report: Report) -> Iterator[Section]:
    """What must be seen besides: attempts that differ, and what was asked for: an estimator, drift, and history."""
    if report.attempts is not None and _differ(report.attempts):
        yield _attempts(report.attempts)
    if report.estimator is not None:
        yield from of_estimator(report.estimator)
    if report.drift is not None:
        yield _drift(report, report.drift)
    if report.history is not None:
        yield of_history(report.history)


def details(report: Report) -> Iterator[Section]:
    """Everything else, for who wants to know more."""
    yield from single_calls(report)
    yield _strata(report)
    if report.attempts is not None and not _differ(report.attempts):
        yield _attempts(report.attempts)
    if report.budgets is not None and report.budgets.calls >= LEAST_CALLS:
        yield _budgets(report.budgets)
    if report.tuning is not None:
        yield _tuning(report.tuning, advice.waste_target(report))
    if collect := collecting.to_collect(report):
        yield Section("What to collect", tuple(collect))
    yield _sources(report)
    yield _settings(report)


ADVICE, DATA = "Caps and advice", "Data and settings"


def changed_calls(report: Report) -> Chapter:
    """The calls to look at first."""
    base = None if report.estimator is None else report.estimator.base
    found = [] if base is None or not base.changed else [of_changes(base)]
    found += single_calls(report)
    return Chapter("Calls that changed" if base is not None and base.changed else "Calls to look at", tuple(found))


def held_against(report: Report) -> Iterator[Section]:
    """What is compared: predictions of another estimator, and new calls with those of a baseline."""
    if report.estimator is not None:
        yield from (each for each in of_estimator(report.estimator) if each.title != CHANGED)
    if report.drift is not None:
        yield _drift(report, report.drift)


def vital(report: Report) -> list[tuple[str, Sentence]]:
    """What every report tells, however short it is: titles and sentences.

    How the rates changed against base, that drift was not judged, and what of the telemetry could not be used.
    """
    told = [(each.title, sentence) for each in held_against(report) for sentence in each.sentences[: each.vital]]
    return told + [(NOTE, sentence) for sentence in unusable_lines(report)]


def _drift(report: Report, drift: DriftReport) -> Section:
    path = report.settings.get("baseline")
    judged = POPULATIONS[report.context.population]["underestimation"]
    return of_drift(drift, path if isinstance(path, str) else None, judged)


def further(report: Report) -> Iterator[Chapter]:
    """What is there for who wants to know more: advice, history, and the data."""
    advised = [] if report.attempts is None else [_attempts(report.attempts)]
    if report.budgets is not None and report.budgets.calls >= LEAST_CALLS:
        advised.append(_budgets(report.budgets))
    if report.tuning is not None:
        advised.append(_tuning(report.tuning, advice.waste_target(report)))
    if collect := collecting.to_collect(report):
        advised.append(Section("What to collect", tuple(collect)))
    yield Chapter(ADVICE, tuple(advised))
    yield Chapter("History", () if report.history is None else (of_history(report.history),))
    yield Chapter(DATA, (_strata(report), _sources(report), _settings(report)))


def single_calls(report: Report) -> Iterator[Section]:
    """The calls that decide most: those with the highest ratios, and of the truncated ones those with the highest."""
    worst = worst_calls(report)
    if worst:
        yield Section(title_of_calls(worst), tables=(_calls(worst),))
    if others := tuple(each for each in report.cut_off if each not in worst):
        yield Section(_title_of_truncated(len(others), report), tables=(_calls(others, leave_out="truncated"),))


def _title_of_truncated(shown: int, report: Report) -> str:
    """``Calls that were truncated``, and how many of them, unless these are all."""
    result = report.result(TRUNCATION.id)
    every = result.events - report.counts.uncounted.events if isinstance(result, RateResult) else shown
    return "Calls that were truncated" if shown >= every else f"Calls that were truncated ({shown} of {every:,})"


def title_of_calls(samples: tuple[WorstSample, ...]) -> str:
    """What the ``samples`` with the highest ratios are: no overruns, if every output is within its prediction."""
    return "Largest overruns" if any(map(_ran_over, samples)) else "Closest to their predictions"


def worst_calls(report: Report) -> tuple[WorstSample, ...]:
    """The calls with the highest ratios: only those that ran over, if any did."""
    return tuple(filter(_ran_over, report.worst)) or report.worst


def _ran_over(sample: WorstSample) -> bool:
    """True if the output is above the prediction."""
    predicted = sample.predicted_output_tokens
    return predicted is not None and sample.output_tokens > predicted


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
        told.append(f"{retries.events:,} of {retries.n:,} {were} not truncated again.")
    if near.n:
        told.append(f"{near.events:,} of {plural(near.n, 'call')} used {NEAR_PERCENT}% or more of their cap.")
    return Section("Attempts", (" ".join(told),))


def _of(share: Share) -> str:
    return f"{share.events:,} of {share.n:,}" + (f" ({percent(share.events / share.n)})" if share.n else "")


def _calls(samples: tuple[WorstSample, ...], leave_out: str = "") -> Table:
    """The figures and names of single calls, without the columns of what none of them has.

    ``leave_out``: the column of what the title says of all.
    """
    columns: Columns[WorstSample] = {
        "actual / predicted": lambda each: ratio(each.ratio),
        "predicted": lambda each: count(each.predicted_output_tokens),
        "output": lambda each: f"{each.output_tokens:,}",
        "cap": lambda each: count(each.max_tokens),
        "truncated": lambda each: {True: "yes", False: "no", None: "not given"}[each.truncated],
        "category": lambda each: Untrusted(each.category),
        "operation": lambda each: Untrusted(each.operation),
        "task": lambda each: Untrusted(each.task_id),
        "where": lambda each: Located(each.source),
    }
    told = {
        name: cell
        for name, cell in columns.items()
        if name != leave_out and any(cell(each) not in _NOTHING for each in samples)
    }
    return table_of(told, samples)


_NOTHING: tuple[Sentence, ...] = ("none", Untrusted(None))
"""Cells of calls that do not have what the column tells."""


def _strata(report: Report) -> Section:
    strata = report.strata
    kinds = (
        ("category", strata.category),
        ("complexity", strata.complexity),
        ("deliverables", strata.deliverables),
        *((kind, rows) for kind, rows in (("model", strata.model), ("operation", strata.operation)) if len(rows) > 1),
    )
    named_ones = [(kind, rows) for kind, rows in kinds if any(each.name is not None or each.folded for each in rows)]
    tables = [_stratum_table(kind, rows, strata.spellings) for kind, rows in named_ones or kinds[:1] if rows]
    remarks = [_STAR] if any(table.marked for table in tables) else []
    if any(_UNKNOWN in table.columns for table in tables):
        has_room = report.estimator is not None and report.estimator.unknown
        remarks.append(f"{_UNKNOWN}: judged, but no attempt: {_MORE_ROOM if has_room else _NOTHING_TELLS}")
    return Section("By category, complexity and number of deliverables", tables=tuple(tables), remarks=tuple(remarks))


_UNKNOWN = "unknown"

_NOTHING_TELLS = "nothing tells whether it was truncated"

_MORE_ROOM = "it was truncated, and nothing tells whether the estimator's larger budget would have been enough"

_STAR = "* above its target, proven with all strata looked at together (Holm, 95%)"


def _stratum_table(kind: str, strata: tuple[Stratum, ...], spellings: tuple[Stratum, ...]) -> Table:
    folded = _folded(strata)
    if kind == "category" and spellings:
        strata = tuple(_with_spellings(strata, spellings))
    columns: Columns[Stratum] = {
        "attempts": lambda each: f"{each.attempts:,}",
        **({_UNKNOWN: lambda each: f"{each.unknown:,}"} if any(each.unknown for each in strata) else {}),
        "successful": lambda each: f"{each.successes:,}",
        "truncated": lambda each: f"{each.truncated:,}{'*' if each.truncation_proven else ''}",
        "judged": lambda each: f"{each.risk:,}",
        "underestimated": lambda each: f"{each.underestimated:,}{'*' if each.underestimation_proven else ''}",
        "waste P50": lambda each: ratio(each.waste_p50, ""),
        "waste P90": lambda each: ratio(each.waste_p90, ""),
        kind: _stratum_name,
    }
    truncated, underestimated = (list(columns).index(name) for name in ("truncated", "underestimated"))
    marked = {(i, truncated) for i, each in enumerate(strata) if each.truncation_proven} | {
        (i, underestimated) for i, each in enumerate(strata) if each.underestimation_proven
    }
    return replace(table_of(columns, strata, frozenset(marked)), folded=folded)


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
    return named(stratum.folded, stratum.name) if stratum.spelling_of is None else ("spelled ", Untrusted(stratum.name))


def _folded(rows: Sequence[Stratum] | Sequence[Advice] | Sequence[Caps] | Sequence[SourceFile]) -> int:
    """How many the others are."""
    return sum(each.folded for each in rows)


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
    every = (*tuning.categories, *tuning.cells)
    tables = [replace(table_of(columns, every), folded=folded)] if every else []
    if tuning.max_tokens:
        risks = tuple(f"cap at {percent(cap.risk)} risk" for cap in tuning.max_tokens[0].caps)
        rows: tuple[tuple[Sentence, ...], ...] = tuple(
            (f"{each.n:,}", *map(cap_in_words, each.caps), named(each.folded, each.name)) for each in tuning.max_tokens
        )
        tables.append(Table(("judged", *risks, kind), rows, folded=_folded(tuning.max_tokens)))
    remarks = [*_signs(every, KINDS[kind]), *(() if tuning.forward is None else (_forward(tuning.forward),))]
    return Section("Tuning advice", tables=tuple(tables), remarks=tuple(remarks))


_EXPECTED = "expected of new calls"


def _signs(every: Sequence[Advice], kinds: str) -> Iterator[str]:
    """What the promise is, and what the signs mean that stand at multipliers."""
    if any(map(_promise, every)):
        yield (
            f"{_EXPECTED}: on average, at most this share of them is underestimated; in nine of ten cases, a share"
            " within the range. More samples narrow it"
        )
    shown = [_multiplier(each) for each in every]
    if any(text.startswith("(") for text in shown):
        yield "( ) lowers the predictions: that saves cost, and is not advice for risk"
    if any("~" in text for text in shown):
        yield f"~ is borrowed from other {kinds}"


def _multiplier(advice: Advice) -> str:
    """``1.81``, rounded up so that it does what is promised; in brackets if it lowers; else why there is none."""
    if advice.multiplier is None:
        return advice.basis
    rounded = upwards(advice.multiplier)
    shown = f"{'~' if advice.basis == 'borrowed' else ''}{rounded}"
    return f"({shown})" if float(rounded) < 1 else shown


def _promise(advice: Advice) -> str:
    """``4.0% (0.2 to 11.3)``: the rate of new calls is at most that, and in nine of ten cases within the range."""
    if advice.expected_underestimation is None or advice.expected_range is None:
        return ""
    low, high = (f"{100 * bound:.1f}" for bound in advice.expected_range)
    return f"{percent(advice.expected_underestimation)} ({low} to {high})"


def _forward(check: ForwardCheck) -> str:
    """What the advice of the earlier calls would have done to the later ones."""
    left_out = f", {check.uncovered:,} without advice left out" if check.uncovered else ""
    if check.scored.value is None or check.bounds is None:
        return f"forward check: tuned on the first {check.tuned_on:,}, no later call to score{left_out}"
    rate = f"{check.scored.events:,}/{check.scored.n:,} = {percent(check.scored.value)}"
    sure = f"true rate {percent(check.bounds.lower)} to {percent(check.bounds.upper)} (95% confidence each)"
    return f"forward check: tuned on the first {check.tuned_on:,}, {rate} of the rest underestimated, {sure}{left_out}"


def _advice(waste_target: Fraction | None) -> Columns[Advice]:
    return {
        "judged": lambda each: f"{each.n:,}",
        "truncated": lambda each: f"{each.truncated:,}",
        "underestimated": lambda each: f"{each.underestimated:,}",
        "multiply by": _multiplier,
        _EXPECTED: _promise,
        "waste P50": lambda each: advice.change(each.waste_p50, None),
        "waste P90": lambda each: advice.change(each.waste_p90, waste_target),
        "waste P90 at best": lambda each: (
            "unbounded" if each.spread_floor is None else times(each.spread_floor, waste_target)
        ),
        "category": lambda each: named(each.folded, each.name),
        "complexity": lambda each: "" if each.complexity is None else Untrusted(each.complexity),
    }


_NOUNS = {"csv": "file", "table": "table", "side": "side file", "metadata": "call", "line": "line"}
_IN = {"csv": "", "table": "", "side": "", "metadata": "metadata of ", "line": ""}
"""What has a name that no field takes."""

_LEFT_OUT: Columns[SourceFile] = {
    "duplicates": lambda each: f"{each.duplicates:,}",
    "unusable": lambda each: f"{each.unusable:,}",
    "skipped": lambda each: f"{sum(each.skipped.values()):,}",
    "dropped": lambda each: f"{each.dropped:,}",
}
"""What became of records that are no samples: a column for each that some source has."""


def _sources(report: Report) -> Section:
    by_samples = sorted(report.sources, key=lambda source: (source.folded, -source.samples))
    file = "file or test" if report.counts.tests else "file"
    columns: Columns[SourceFile] = {
        "samples": lambda each: f"{each.samples:,}",
        **{name: figure for name, figure in _LEFT_OUT.items() if any(getattr(each, name) for each in by_samples)},
        **({"read as": lambda each: Untrusted(each.format)} if any(each.format for each in by_samples) else {}),
        file: lambda each: named(each.folded, each.path),
    }
    tables = [replace(table_of(columns, by_samples), folded=_folded(report.sources))]
    if report.not_read.unreadable:
        rows: tuple[tuple[Sentence, ...], ...] = tuple(
            (Untrusted(each.reason), Untrusted(each.path)) for each in report.not_read.unreadable
        )
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
    if counts.unused_columns:
        unused = tuple(
            (_IN[each.within] + plural(each.files, _NOUNS[each.within]), Untrusted(each.column))
            for each in counts.unused_columns
        )
        tables.append(Table(("in", "name that no field takes"), unused))
    if counts.dropped:
        dropped = tuple((f"{count:,}", Untrusted(reason)) for reason, count in counts.dropped.items())
        tables.append(Table(("samples", "dropped by a plugin as"), dropped))
    remarks = []
    if counts.nothing_known:
        remarks.append(f"{counts.nothing_known:,} of {plural(counts.files, 'file')} without any telemetry")
    if counts.mentions:
        remarks.append(f"{plural(counts.mentions, 'mention')} of a tag without a record")
    return Section("Sources", tables=tuple(tables), remarks=tuple(remarks))


def _settings(report: Report) -> Section:
    rows: tuple[tuple[Sentence, ...], ...] = tuple(
        (Untrusted(name), Untrusted(text) if isinstance(text, str) else joined(map(Untrusted, text), " "))
        for name, text in report.settings.items()
        if text and (name, text) != (GATE, "false")  # directories may be judged without it
    )
    return Section("Settings", tables=(Table(("setting", "in force"), rows),))
