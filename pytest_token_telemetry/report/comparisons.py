"""What the report compares: predictions of another estimator, new calls with a baseline, and sessions over time."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from pytest_token_telemetry.gate.checks.drift import has_both
from pytest_token_telemetry.gate.replay_report import WrongReason
from pytest_token_telemetry.option import flag
from pytest_token_telemetry.report.tables import Columns, Section, Table, named, ratio, share, table_of
from pytest_token_telemetry.report.words import invalid, most_frequent
from pytest_token_telemetry.text import (
    Located,
    Untrusted,
    chance,
    exact,
    joined,
    listing,
    percent,
    plural,
    points,
    sparkline,
    times,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_token_telemetry.analysis.drift import Drift, RateDrift, RatioDrift, StratumRates
    from pytest_token_telemetry.gate.replay_report import (
        BaseComparison,
        ChangedSample,
        EstimatorFigures,
        ReplayReport,
        WrongAnswer,
    )
    from pytest_token_telemetry.past.baseline import DriftReport
    from pytest_token_telemetry.past.history import PastVerdict
    from pytest_token_telemetry.text import Sentence


def of_estimator(replay: ReplayReport) -> Iterator[Section]:
    """What a replayed estimator predicts, and how it differs from the one on the base."""
    yield _replay(replay)
    if replay.errors:
        yield _wrong("Invalid predictions", replay)
    if replay.base is not None:
        yield _base(replay.base, replay)
        if replay.base.errors:
            yield _wrong("Invalid predictions of base", replay.base)
        if replay.base.changed:
            yield of_changes(replay.base)


def _replay(report: ReplayReport) -> Section:
    if not report.calls:
        return Section("Replayed estimator", ("There is no recorded call to replay.",))
    sentences: list[Sentence] = [
        (
            "The verdict is on the predictions of ",
            Untrusted(report.estimator),
            f" for {report.replayed:,} of {plural(report.calls, 'recorded call')}, not on those made at the time.",
        )
    ]
    if report.with_budget:
        were = "was" if report.unknown == 1 else "were"
        open_ = f"; of {report.unknown:,} that {were} truncated and would have had more room, the outcome is unknown"
        sentences.append(
            f"With its budgets, {report.would_truncate:,} of {plural(report.with_budget, 'call')} would have been"
            f" truncated{open_ if report.unknown else ''}."
        )
    if report.unasked:
        calls = plural(report.unasked, "call")
        judged = "not judged" if report.with_budget else "judged for truncation alone, as recorded"
        sentences.append(f"It was not asked about {calls} without a prediction: {judged}.")
    figures = _side_by_side(("recorded", report.recorded), ("replayed", report.figures))
    return Section("Replayed estimator", tuple(sentences), (figures,))


def _base(base: BaseComparison, replay: ReplayReport) -> Section:
    title = "Base against head"
    sentences: list[Sentence] = [_change_of_rate(base), *_change_of_truncation(base, replay)]
    vital = len(sentences)
    if base.bounds is not None:
        sure = exact(Fraction(str(base.bounds.confidence)) * 100)
        sentences.append(
            f"The change is between {points(base.bounds.lower)} and {points(base.bounds.upper)} ({sure}% confidence"
            " each)."
        )
    if base.base_commit is not None and base.head_commit is not None:
        of_base, of_head = base.base_commit[:12], base.head_commit[:12]
        sentences.append(
            f"Base is commit {of_base}, head is commit {of_head}."
            if base.base_commit != base.head_commit
            else f"Base and head are both of commit {of_base}: what differs between them is not committed."
        )
    if base.wrong or base.cannot:
        missing = f" has no prediction for {plural(base.cannot + base.wrong, 'call')}"
        wrong: Sentence = (
            joined((f"; {invalid(base.wrong)}", most_frequent(base.reasons, base.wrong)), "") if base.wrong else ""
        )
        sentences.append(joined((("Base ", Untrusted(base.estimator), missing), wrong, "."), ""))
    if not base.calls:
        return Section(title, tuple(sentences), vital=vital)
    if base.only_base_judges or base.only_head_judges:
        sides = (("base", base.only_base_judges), ("head", base.only_head_judges))
        parts = [f"{plural(n, 'call')} without success that only {side} would truncate" for side, n in sides if n]
        sentences.append(f"Not judged by both, so not compared: {listing(parts)}.")
    ratio = base.predictions
    if ratio.p50 is not None:
        sentences.append(
            f"{plural(ratio.raised, 'prediction')} raised and {ratio.lowered:,} lowered; median change"
            f" {times(ratio.p50)}."
        )
    figures = _side_by_side(("base", base.base), ("head", base.head))
    return Section(title, tuple(sentences), (figures,), vital=vital)


def _change_of_rate(base: BaseComparison) -> Sentence:
    """What decides: how the rate changes, and how likely that is by chance."""
    if not base.calls:
        return "Not compared: there is no call that both can replay."
    counts, calls = base.underestimated, plural(base.calls, "call")
    pairs = f"{counts.newly_underestimated:,} newly underestimated and {counts.newly_safe:,} newly safe"
    test = f"{chance(base.p)}, McNemar's mid-p test"
    if base.difference is None:
        return f"On the {calls} that both can replay, {pairs} ({test})."
    return (
        f"The underestimation rate changes by {points(base.difference)} ({test}): of {calls} that both can replay,"
        f" {pairs}."
    )


def _change_of_truncation(base: BaseComparison, replay: ReplayReport) -> Iterator[str]:
    """How many calls the budgets of each would truncate, and of how many calls that is unknown."""
    old, new = base.base.truncation, base.head.truncation
    if not base.calls or not (replay.with_budget or old != new):
        return
    calls = plural(replay.unknown, "truncated call")
    unknown = f"; of {calls} to which head gives more room, the outcome is unknown" if replay.unknown else ""
    yield f"Truncated: {share(old)} with base, {share(new)} with head{unknown}."


def _side_by_side(*estimators: tuple[str, EstimatorFigures]) -> Table:
    rows = tuple(
        (name, share(each.underestimation), share(each.truncation), ratio(each.waste_p50), ratio(each.waste_p90))
        for name, each in estimators
    )
    return Table(("", "underestimated", "truncated", "waste P50", "waste P90"), rows)


def _wrong(title: str, replay: ReplayReport | BaseComparison) -> Section:
    """A row for each reason: how many calls it explains, and the first of them."""
    rows = tuple(
        (f"{each.calls:,}", Untrusted(each.reason), Located(each.source))
        for each in replay.reasons or _reasons_of(replay.errors)
    )
    return Section(title, tables=(Table(("calls", "what the estimator did", "first call"), rows),))


def _reasons_of(errors: tuple[WrongAnswer, ...]) -> list[WrongReason]:
    """The reasons of the first invalid predictions, of which an older report knows no more."""
    found: dict[str, WrongReason] = {}
    for error in errors:
        known = found.get(error.reason, WrongReason(error.reason, 0, error.source))
        found[error.reason] = WrongReason(known.reason, known.calls + 1, known.source)
    return list(found.values())


def of_changes(base: BaseComparison) -> Section:
    """The calls of which base and head predict most differently."""
    columns: Columns[ChangedSample] = {
        "base": lambda each: f"{each.base_predicted:,}",
        "head": lambda each: f"{each.head_predicted:,}",
        "output": lambda each: f"{each.output_tokens:,}",
        "change": lambda each: each.change or "none",
        "category": lambda each: Untrusted(each.category),
        "call": lambda each: Located(each.source),
    }
    return Section(CHANGED, tables=(table_of(columns, base.changed),))


CHANGED = "Predictions that changed most"


def of_drift(report: DriftReport, path: str | None, judged: str) -> Section:
    """New calls beside those of the baseline at ``path``. ``judged``: what underestimation is a share of, in words."""
    found = report.drift
    if found is None:
        way_out = f" ({flag('save_baseline')} writes one)."
        missing = ("Not compared: there is no baseline at ", Untrusted(path), f" yet{way_out}")
        return Section("Drift", (missing,), vital=1)
    if not report.new_samples:
        known = plural(report.baseline_samples, "call")
        known = f"Not compared: every call is one of those of the baseline ({known})."
        return Section("Drift", (known,), vital=1)
    against = f"{plural(report.new_samples, 'new call')} against {report.baseline_samples:,} in the baseline"
    unjudged = _unjudged(found, against)
    compared = [
        f"{against}, compared within categories: a change of the mix alone is no drift.",
        *_mix(found.underestimation, judged),
    ]
    is_judged = any(each.outcome != "too-few" for each in _figures(found).values())
    sentences = (*unjudged, *(compared if is_judged else ()))
    return Section("Drift", sentences, (_drift_by_category(found),), vital=len(unjudged))


def _unjudged(found: Drift, against: str) -> tuple[str, ...]:
    """That there is not enough data to judge drift: of any figure, or of some that both sides have."""
    figures = _figures(found)
    few = [name for name, each in figures.items() if each.outcome == "too-few"]
    if len(few) == len(figures):
        return (f"Not enough data to judge drift: {against}.",)
    there = [name for name in few if has_both(figures[name])]
    return (f"Not enough data to judge drift of {listing(there)}.",) if there else ()


def _figures(found: Drift) -> dict[str, RateDrift | RatioDrift]:
    return {"underestimation": found.underestimation, "truncation": found.truncation, "ratio": found.ratio}


def _drift_by_category(found: Drift) -> Table:
    under = {(each.folded, each.name): each for each in found.underestimation.strata}
    cut = {(each.folded, each.name): each for each in found.truncation.strata}  # some have figures of one rate only
    mixes, of = (under, "calls") if found.truncation.mix_shift is None else (cut, "attempts")
    names = sorted({*under, *cut}, key=lambda key: (key[0], key[1] is not None, key[1] or ""))
    return Table(
        ("underestimated, baseline", "new", "truncated, baseline", "new", f"share of {of}", "category"),
        tuple((*_sides(under.get(key)), *_sides(cut.get(key)), _mixes(mixes.get(key)), named(*key)) for key in names),
        folded=max((folded for folded, _ in names), default=0),
    )


def _sides(stratum: StratumRates | None) -> tuple[str, str]:
    return ("none", "none") if stratum is None else (share(stratum.base), share(stratum.head))


def _mixes(stratum: StratumRates | None) -> str:
    return "none" if stratum is None else f"{percent(stratum.base_mix)} -> {percent(stratum.head_mix)}"


def _mix(found: RateDrift, judged: str) -> tuple[str, ...]:
    """What a change of the mix does to a rate that is judged; nothing if it hardly changes."""
    if not found.mix_shift or found.standardised is None or found.outcome == "too-few":
        return ()
    return (
        f"{percent(found.mix_shift)} of {judged} moved to other categories; with the baseline's mix, the new"
        f" underestimation rate of {percent(found.head.events / found.head.n)} would be {percent(found.standardised)}.",
    )


def of_history(past: tuple[PastVerdict, ...]) -> Section:
    """The rates of the last sessions."""
    if not past:
        return Section("History", ("This is the first session of the history.",))
    under = _line([each.underestimation for each in past])
    cut = _line([each.truncation for each in past])
    sessions = "session" if len(past) == 1 else plural(len(past), "session")
    columns: Columns[PastVerdict] = {
        "verdict": lambda each: each.verdict,
        "samples": lambda each: f"{each.samples:,}",
        "underestimated": lambda each: "none" if each.underestimation is None else percent(each.underestimation),
        "truncated": lambda each: "none" if each.truncation is None else percent(each.truncation),
        "when": lambda each: Untrusted(each.time),
        **({"commit": _commit} if any(each.commit for each in past) else {}),
    }
    sentence = f"The last {sessions}: underestimation {under}, truncation {cut}."
    return Section("History", (sentence,), (table_of(columns, past),))


def _commit(past: PastVerdict) -> Sentence:
    return Untrusted(past.commit and past.commit[:12])


def _line(rates: list[float | None]) -> str:
    """A bar a session, and the rate of the last one that has one."""
    last = next((rate for rate in reversed(rates) if rate is not None), None)
    return sparkline(rates) if last is None else f"{sparkline(rates)} {percent(last)}"
