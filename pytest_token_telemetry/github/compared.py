"""What the comment says of changes: base against head, new calls against the baseline, the sessions before this one.

All blocks are HTML, and no figure is green: a difference is no verdict.
"""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from typing import TYPE_CHECKING

from pytest_token_telemetry.github.figures import chance_of_drift
from pytest_token_telemetry.github.markup import code, own, sentence, table
from pytest_token_telemetry.github.report import Changes, NotCompared
from pytest_token_telemetry.wording import chance, exact, listing, percent, plural, points, sparkline, times

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_token_telemetry.analysis.evidence import Bounds
    from pytest_token_telemetry.analysis.metrics import Share
    from pytest_token_telemetry.github.report import Comparison, RateChange, RatioChange, Replay, Report, Session
    from pytest_token_telemetry.verdict import ChangedSample, EstimatorFigures

CHANGED_SHOWN = 10
SESSIONS_SHOWN = 10


def replay(found: Replay) -> list[str]:
    """The estimator beside its base; without one, beside what was recorded."""
    if found.base is None:
        figures = table(("", "recorded", "replayed"), _side_by_side(found.recorded, found.figures))
        return [_titled("Recorded against replayed", "there is no base estimator to compare with"), figures, _of(found)]
    if not found.base.calls:
        title = _titled("Base against head", "not compared, as there is no call that both can replay")
        return [title, _of(found)]
    return [_split(found.base), _base_and_head(found.base), _of(found)]


def _titled(title: str, words: str) -> str:
    return f"<p><b>{title}</b>: {own(words)}</p>"


def _split(base: Comparison) -> str:
    counts = base.underestimated
    return _titled(
        "Base against head",
        f"of the {plural(base.calls, 'call')} that both can replay, {counts.newly_underestimated} newly underestimated"
        f" and {counts.newly_safe} newly safe ({chance(base.p)}, McNemar's exact test)",
    )


def _base_and_head(base: Comparison) -> str:
    difference = base.underestimated.difference
    changes = (
        "" if difference is None else points(difference) + _between(base.bounds, points),
        _difference(base.base.truncation, base.head.truncation),
        _change(base.base.waste_p50, base.head.waste_p50),
        _change(base.base.waste_p90, base.head.waste_p90),
    )
    rows = zip(_side_by_side(base.base, base.head), changes, strict=True)
    return table(("", "base", "head", "difference"), ((*sides, own(change)) for sides, change in rows))


def _side_by_side(one: EstimatorFigures, other: EstimatorFigures) -> list[tuple[str, str, str]]:
    return [
        ("underestimated", _share(one.underestimation), _share(other.underestimation)),
        ("truncated", _share(one.truncation), _share(other.truncation)),
        ("waste P50", _times(one.waste_p50), _times(other.waste_p50)),
        ("waste P90", _times(one.waste_p90), _times(other.waste_p90)),
    ]


def _of(found: Replay) -> str:
    """Which estimators, and which calls."""
    subject = "The estimator" if found.base is None else "Head"
    words = [
        f"{subject} is {code(found.estimator)}: the verdict is on its predictions for {found.replayed} of"
        f" {plural(found.calls, 'recorded call')}, not on those of the time{_without(found.cannot, found.wrong)}."
    ]
    if found.base is not None:
        base = found.base
        words.append(f"Base is {code(base.estimator)}{_without(base.cannot, base.wrong)}.")
        if base.factor is not None:
            words.append(
                f"{plural(base.raised, 'prediction')} raised and {base.lowered} lowered; in the middle they are"
                f" {times(base.factor)} those of base."
            )
    if found.with_budget:
        words.append(_budgets(found))
    return f"<p>{' '.join(words)}</p>"


def _without(cannot: int, wrong: int) -> str:
    """Why an estimator has no prediction for some calls."""
    why = [
        *([f"{cannot} that it cannot replay"] if cannot else []),
        *([f"{wrong} answered with no prediction"] if wrong else []),
    ]
    return f" (without {listing(why)})" if why else ""


def _budgets(found: Replay) -> str:
    words = f"With its budgets, {found.would_truncate} of {plural(found.with_budget, 'call')} would have been truncated"
    if not found.unknown:
        return f"{words}."
    were = "was" if found.unknown == 1 else "were"
    return f"{words}; of {found.unknown} that {were} cut off and would have had more room, nobody knows."


def changed(samples: Sequence[ChangedSample]) -> str:
    """The predictions that changed most."""
    if not samples:
        return ""
    return table(
        ("base", "head", "output", "change", "category", "call"),
        (
            (
                f"{sample.base_predicted:,}",
                f"{sample.head_predicted:,}",
                f"{sample.output_tokens:,}",
                sample.change or "none",
                code(sample.category),
                code(sample.source),
            )
            for sample in samples[:CHANGED_SHOWN]
        ),
        len(samples) - CHANGED_SHOWN,
    )


def drift(found: Changes | NotCompared, *, quoted: bool) -> list[str]:
    """New calls against the baseline, or why they are not compared."""
    if isinstance(found, NotCompared):
        return [f"<p><b>Drift</b>: not compared: {sentence(found.why, quoted=quoted)}</p>"]
    title = _titled(
        "Drift",
        f"{plural(found.new_samples, 'new call')} against {found.baseline_samples} in the baseline, compared within"
        " categories: a change of the mix alone is no drift",
    )
    ratio = found.ratio
    rows = (
        ("underestimated", *_rates(found.underestimation)),
        ("truncated", *_rates(found.truncation)),
        ("output / prediction, median", _times(ratio.base_median), _times(ratio.head_median), _shift(ratio)),
    )
    return [title, table(("", "baseline", "new", "change within categories"), rows), _mix(found.underestimation)]


def _rates(found: RateChange) -> tuple[str, str, str]:
    size = "" if found.difference is None else f"{points(found.difference)}{_between(found.bounds, points)}; "
    return _share(found.base), _share(found.head), own(f"{size}{chance_of_drift(found.outcome, found.adjusted_p)}")


def _shift(found: RatioChange) -> str:
    size = "" if found.shift is None else f"{times(found.shift)} as much{_between(found.bounds, times)}; "
    return own(f"{size}{chance_of_drift(found.outcome, found.adjusted_p)}")


def _mix(found: RateChange) -> str:
    if not found.mix_shift or found.standardised is None or not found.head.n:
        return ""
    return (
        f"<p>{percent(found.mix_shift)} of the calls moved to other categories; with the baseline's mix, the new"
        f" underestimation rate of {percent(Fraction(found.head.events, found.head.n))} would be"
        f" {percent(found.standardised)}.</p>"
    )


def history(sessions: tuple[Session, ...]) -> str:
    """The last sessions in a line."""
    if not sessions:
        return "<p><b>History</b>: this is the first session</p>"
    shown = sessions[-SESSIONS_SHOWN:]
    last = "session" if len(shown) == 1 else plural(len(shown), "session")
    counts = Counter(session.verdict for session in shown)
    verdicts = listing(f"{n} {verdict}" for verdict, n in counts.items())
    under = _line([session.underestimation for session in shown])
    cut = _line([session.truncation for session in shown])
    return f"<p><b>History</b>: the last {last}: underestimation {under}, truncation {cut}; {verdicts}</p>"


def _line(values: list[float | None]) -> str:
    """Bars, and what they stand for."""
    known = [value for value in values if value is not None]
    if not known:
        return "not known"
    return f"<code>{sparkline(values)}</code> ({percent(min(known))} to {percent(max(known))})"


def nothing(report: Report) -> str:
    """What there is nothing of to compare with: that is said, so that no figure is taken for a change."""
    base = report.replay is not None and report.replay.base is not None
    baseline = isinstance(report.drift, Changes)
    if not base and not baseline:
        return "no baseline, no base estimator: nothing to compare with"
    return "" if base and baseline else "no baseline" if base else "no base estimator"


def _share(share: Share) -> str:
    return f"{share.events}/{share.n} = {percent(Fraction(share.events, share.n))}" if share.n else "no data"


def _difference(base: Share, head: Share) -> str:
    if base.value is None or head.value is None:
        return ""
    return points(head.value - base.value)


def _change(base: float | None, head: float | None) -> str:
    if base is None or head is None:
        return ""
    return f"{'+' if head >= base else '-'}{times(abs(head - base))}"


def _between(bounds: Bounds | None, words: Callable[[float], str]) -> str:
    if bounds is None:
        return ""
    sure = exact(Fraction(str(bounds.confidence)) * 100)
    return f", truly between {words(bounds.lower)} and {words(bounds.upper)} ({sure} % each)"


def _times(value: float | None) -> str:
    return "no data" if value is None else times(value)
