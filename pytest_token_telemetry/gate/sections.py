"""The parts of the report that are there only if they were asked for: replay, drift, history."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from pytest_token_telemetry.verdict import Cell, EstimatorFigures, Section, Untrusted
from pytest_token_telemetry.wording import chance, exact, percent, plural, points, sparkline, times

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_token_telemetry.analysis.drift import RateDrift, StratumRates
    from pytest_token_telemetry.analysis.metrics import Share
    from pytest_token_telemetry.verdict import BaseComparison, DriftReport, PastVerdict, ReplayReport, WrongAnswer


def sections(
    replay: ReplayReport | None, drift: DriftReport | None, history: tuple[PastVerdict, ...] | None
) -> Iterator[Section]:
    """One for each of them that is there."""
    if replay is not None:
        yield _replay(replay)
        if replay.errors:
            yield _wrong("Answers that are no prediction", replay.errors)
        if replay.base is not None:
            yield _base(replay.base)
            if replay.base.errors:
                yield _wrong("Answers of base that are no prediction", replay.base.errors)
            if replay.base.changed:
                yield _changed(replay.base)
    if drift is not None:
        yield _drift(drift)
    if history is not None:
        yield _history(history)


def _replay(report: ReplayReport) -> Section:
    sentences = [
        f"The verdict is on the estimator's predictions for {report.replayed} of"
        f" {plural(report.calls, 'recorded call')}, not on those of the time."
    ]
    if report.with_budget:
        were = "was" if report.unknown == 1 else "were"
        open_ = f"; of {report.unknown} that {were} cut off and would have had more room, nobody knows"
        sentences.append(
            f"With its budgets, {report.would_truncate} of {plural(report.with_budget, 'call')} would have been"
            f" truncated{open_ if report.unknown else ''}."
        )
    return Section(
        "Replayed estimator",
        tuple(sentences),
        _FIGURES,
        (_row("recorded", report.recorded), _row("replayed", report.figures)),
    )


def _base(base: BaseComparison) -> Section:
    counts = base.underestimated
    sentences = []
    if base.wrong or base.cannot:
        missing = f"Base has no prediction for {plural(base.cannot + base.wrong, 'call')}"
        sentences.append(f"{missing}: {plural(base.wrong, 'answer')} of another kind." if base.wrong else f"{missing}.")
    if not base.calls:
        return Section("Base against head", (*sentences, "Not compared: there is no call that both can replay."))
    sentences.append(
        f"On the {plural(base.calls, 'call')} that both can replay, {counts.newly_underestimated} newly underestimated"
        f" and {counts.newly_safe} newly safe ({chance(base.p)}, McNemar's exact test)."
    )
    if base.difference is not None and base.bounds is not None:
        sure = exact(Fraction(str(base.bounds.confidence)) * 100)
        sentences.append(
            f"The underestimation rate changes by {points(base.difference)}, truly between"
            f" {points(base.bounds.lower)} and {points(base.bounds.upper)} ({sure} % each)."
        )
    ratio = base.predictions
    if ratio.p50 is not None:
        sentences.append(
            f"{plural(ratio.raised, 'prediction')} raised and {ratio.lowered} lowered; in the middle they are"
            f" {times(ratio.p50)} those of base."
        )
    return Section("Base against head", tuple(sentences), _FIGURES, (_row("base", base.base), _row("head", base.head)))


def _wrong(title: str, errors: tuple[WrongAnswer, ...]) -> Section:
    return Section(
        title,
        columns=("call", "what the estimator did"),
        rows=tuple((Untrusted(error.source), Untrusted(error.reason)) for error in errors),
    )


def _changed(base: BaseComparison) -> Section:
    return Section(
        "Predictions that changed most",
        columns=("base", "head", "output", "change", "category", "call"),
        rows=tuple(
            (
                f"{each.base_predicted:,}",
                f"{each.head_predicted:,}",
                f"{each.output_tokens:,}",
                each.change or "none",
                Untrusted(each.category),
                Untrusted(each.source),
            )
            for each in base.changed
        ),
    )


def _drift(report: DriftReport) -> Section:
    if report.drift is None:
        return Section("Drift", (f"Not compared: {report.missing}.",))
    found = report.drift
    under = {each.name: each for each in found.underestimation.strata}
    cut = {each.name: each for each in found.truncation.strata}  # a category can have figures of one rate only
    names = sorted({*under, *cut}, key=lambda name: (name is not None, name or ""))
    return Section(
        "Drift",
        (
            f"{plural(report.new_samples, 'new call')} against {report.baseline_samples} in the baseline, compared"
            " within categories: a change of the mix alone is no drift.",
            *_mix(found.underestimation),
        ),
        ("underestimated, baseline", "new", "truncated, baseline", "new", "share of calls", "category"),
        tuple(
            (*_sides(under.get(name)), *_sides(cut.get(name)), _mixes(under.get(name)), Untrusted(name))
            for name in names
        ),
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
    return Section(
        "History",
        (f"The last {sessions}: underestimation {under}, truncation {cut}.",),
        ("verdict", "samples", "underestimation", "truncation", "when", "commit"),
        tuple(
            (
                each.verdict,
                f"{each.samples:,}",
                "none" if each.underestimation is None else percent(each.underestimation),
                "none" if each.truncation is None else percent(each.truncation),
                Untrusted(each.time),
                Untrusted(each.commit and each.commit[:12]),
            )
            for each in past
        ),
    )


_FIGURES = ("", "underestimated", "truncated", "waste P50", "waste P90")


def _row(name: str, figures: EstimatorFigures) -> tuple[Cell, ...]:
    waste = ("none" if value is None else times(value) for value in (figures.waste_p50, figures.waste_p90))
    return (name, _share(figures.underestimation), _share(figures.truncation), *waste)


def _share(share: Share) -> str:
    return f"{share.events}/{share.n} = {percent(share.events / share.n)}" if share.n else "none"
