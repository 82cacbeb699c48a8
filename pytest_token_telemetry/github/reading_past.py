"""Read what a report holds its samples against, as hostile input: other estimators, a baseline, earlier sessions.

A figure that follows from others in the report must be the one that does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

from pytest_token_telemetry.analysis.drift import LEAST_RISE_OF_TRUNCATION, LEAST_RISE_OF_UNDERESTIMATION, LEAST_SHIFT
from pytest_token_telemetry.analysis.evidence import Bounds, holm
from pytest_token_telemetry.analysis.metrics import Share
from pytest_token_telemetry.analysis.paired import Paired, mid_p
from pytest_token_telemetry.github.report import (
    Changes,
    Comparison,
    NotCompared,
    RateChange,
    RatioChange,
    Replay,
    Session,
)
from pytest_token_telemetry.verdict import Change, ChangedSample, Conclusion, EstimatorFigures

if TYPE_CHECKING:
    from fractions import Fraction

    from pytest_token_telemetry.github.fields import Fields

MOST_CHANGED = 100
MOST_SESSIONS = 100

MOST_DIFFERING = 10**7
"""Calls on which two estimators differ: of more, the p value takes long to compute."""

_ROUNDING = 1e-9
"""Two ways to compute the same differ by less."""

_ROUNDING_OF_CHANCE = 1e-6
"""The same of a p value, which is made of logarithms of factorials."""


def read_replay(fields: Fields) -> Replay:
    """What an estimator would have predicted, and what its base would have."""
    calls = fields.count("calls")
    cannot, wrong = fields.count("cannot"), fields.count("wrong")
    replayed = fields.count("replayed")
    if replayed + cannot + wrong != calls:
        fields.refuse("calls", "is not the number of answers")
    with_budget = _part(fields, "with_budget", replayed)
    would_truncate = _part(fields, "would_truncate", with_budget)
    figures = _figures(fields.object("figures"), replayed)
    base = fields.optional("base", fields.object)
    return Replay(
        estimator=fields.text("estimator"),
        calls=calls,
        replayed=replayed,
        cannot=cannot,
        wrong=wrong,
        recorded=_figures(fields.object("recorded"), replayed),
        figures=figures,
        with_budget=with_budget,
        would_truncate=would_truncate,
        unknown=_part(fields, "unknown", with_budget - would_truncate),
        base=None if base is None else _comparison(base, calls, replayed, figures),
    )


def _comparison(fields: Fields, calls: int, replayed: int, replayed_figures: EstimatorFigures) -> Comparison:
    cannot, wrong = fields.count("cannot"), fields.count("wrong")
    both = _part(fields, "calls", min(replayed, calls - cannot - wrong))
    if both < replayed - cannot - wrong:
        fields.refuse("calls", "is less than both can replay")
    base, head = _figures(fields.object("base"), both), _figures(fields.object("head"), both)
    if not _is_part(head, replayed_figures) or (both == replayed and head != replayed_figures):
        fields.refuse("head", "is not part of what was replayed")
    counts = _paired(fields.object("underestimated"), both)
    if not _is_split(counts, base.underestimation, head.underestimation):
        fields.refuse("underestimated", "is not what base and head underestimate")
    predictions = fields.object("predictions")
    raised = _part(predictions, "raised", both)
    return Comparison(
        estimator=fields.text("estimator"),
        calls=both,
        cannot=cannot,
        wrong=wrong,
        base=base,
        head=head,
        underestimated=counts,
        bounds=_difference(fields, counts),
        p=_chance(fields, counts),
        raised=raised,
        lowered=_part(predictions, "lowered", both - raised),
        factor=predictions.optional("p50", predictions.number),
        changed=_changed(fields, counts),
    )


def _is_part(some: EstimatorFigures, every: EstimatorFigures) -> bool:
    """True if the calls of ``some`` can be among those of ``every``."""
    return all(
        part.events <= whole.events and part.n - part.events <= whole.n - whole.events
        for part, whole in ((some.underestimation, every.underestimation), (some.truncation, every.truncation))
    )


def _is_split(counts: Paired, base: Share, head: Share) -> bool:
    """True if ``counts`` can be of the calls that are judged with either's predictions."""
    every = max(base.n, head.n) <= counts.n <= base.n + head.n
    return every and (counts.base.events, counts.head.events) == (base.events, head.events)


def _paired(fields: Fields, calls: int) -> Paired:
    counts = Paired(
        fields.count("newly_underestimated", highest=MOST_DIFFERING),
        fields.count("newly_safe", highest=MOST_DIFFERING),
        fields.count("both"),
        fields.count("neither"),
    )
    if counts.n > calls:
        fields.refuse("neither", "makes more calls than both can replay")
    return counts


def _difference(fields: Fields, counts: Paired) -> Bounds | None:
    """The bounds on the difference of the rates."""
    difference, expected = fields.optional("difference", lambda key: fields.number(key, -1, 1)), counts.difference
    if (difference is None) != (expected is None) or abs((difference or 0) - (expected or 0)) > _ROUNDING:
        fields.refuse("difference", "is not that of the counts")
    return _bounds_of_rates(fields, difference)


def _chance(fields: Fields, counts: Paired) -> float:
    p = fields.rate("p")
    if abs(p - mid_p(counts)) > _ROUNDING_OF_CHANCE:
        fields.refuse("p", "is not that of the counts")
    return p


def _changed(fields: Fields, counts: Paired) -> tuple[ChangedSample, ...]:
    found = tuple(map(_changed_sample, fields.objects("changed", MOST_CHANGED)))
    changes = [sample.change for sample in found]
    if (
        changes.count("newly underestimated") > counts.newly_underestimated
        or changes.count("newly safe") > counts.newly_safe
    ):
        fields.refuse("changed", "has more than the counts")
    return found


def _changed_sample(fields: Fields) -> ChangedSample:
    return ChangedSample(
        source=fields.text("source"),
        category=fields.optional("category", fields.text),
        base_predicted=fields.count("base_predicted"),
        head_predicted=fields.count("head_predicted"),
        output_tokens=fields.count("output_tokens"),
        change=fields.optional("change", lambda key: fields.choice(key, get_args(Change))),
    )


def _figures(fields: Fields, calls: int) -> EstimatorFigures:
    """The figures of one estimator, of no more than ``calls``."""
    p50, p90 = (fields.optional(key, fields.number) for key in ("waste_p50", "waste_p90"))
    if (p50 is None) != (p90 is None) or (p50 or 0) > (p90 or 0) * (1 + _ROUNDING):
        fields.refuse("waste_p50", "is more than waste_p90")
    return EstimatorFigures(_share(fields, "underestimation", calls), _share(fields, "truncation", calls), p50, p90)


def _share(fields: Fields, key: str, calls: int) -> Share:
    found = fields.object(key)
    n = _part(found, "n", calls)
    return Share(_part(found, "events", n), n)


def _part(fields: Fields, key: str, whole: int) -> int:
    """A count of some of the ``whole``."""
    found = fields.count(key)
    if found > whole:
        fields.refuse(key, "is more than there are")
    return found


def read_drift(fields: Fields) -> Changes | NotCompared:
    """What has changed since the baseline, or why there is no comparison."""
    found = fields.optional("drift", fields.object)
    why = fields.optional("missing", fields.text)
    if found is None:
        return NotCompared(why or "the report does not say why")
    if why is not None:
        fields.refuse("missing", "is there, and the comparison too")
    new = fields.count("new_samples")
    changes = Changes(
        baseline_samples=fields.count("baseline_samples"),
        new_samples=new,
        underestimation=_rate_change(found.object("underestimation"), new, LEAST_RISE_OF_UNDERESTIMATION),
        truncation=_rate_change(found.object("truncation"), new, LEAST_RISE_OF_TRUNCATION),
        ratio=_ratio_change(found.object("ratio"), new),
    )
    _check_adjustment(found, changes)
    return changes


def _check_adjustment(fields: Fields, changes: Changes) -> None:
    """Nothing, if the adjusted p values are those of the p values."""
    findings = {key: getattr(changes, key) for key in ("underestimation", "truncation", "ratio")}
    judged = {key: finding.p for key, finding in findings.items() if finding.p is not None}
    expected = dict(zip(judged, holm(list(judged.values())), strict=True))
    for key, finding in findings.items():
        if (finding.p is None) != (finding.adjusted_p is None) or (
            finding.adjusted_p is not None and abs(finding.adjusted_p - expected[key]) > _ROUNDING
        ):
            fields.object(key).refuse("adjusted_p", "is not that of the three")


def _rate_change(fields: Fields, new: int, least: Fraction) -> RateChange:
    base = fields.object("base")
    n = base.count("n")
    difference = fields.optional("difference", lambda key: fields.number(key, -1, 1))
    return RateChange(
        p=fields.optional("p", fields.rate),
        adjusted_p=fields.optional("adjusted_p", fields.rate),
        matters=_matters(fields, None if difference is None else difference - float(least)),
        base=Share(_part(base, "events", n), n),
        head=_share(fields, "head", new),
        standardised=fields.optional("standardised", lambda key: fields.number(key, 0, 1 + _ROUNDING)),
        difference=difference,
        bounds=_bounds_of_rates(fields, difference),
        mix_shift=fields.optional("mix_shift", lambda key: fields.number(key, 0, 1 + _ROUNDING)),
    )


def _ratio_change(fields: Fields, new: int) -> RatioChange:
    shift = fields.optional("shift", lambda key: fields.number(key, 1 / _FARTHEST, _FARTHEST))
    return RatioChange(
        p=fields.optional("p", fields.rate),
        adjusted_p=fields.optional("adjusted_p", fields.rate),
        matters=_matters(fields, None if shift is None else max(shift, 1 / shift) - LEAST_SHIFT),
        base_n=fields.count("base_n"),
        head_n=_part(fields, "head_n", new),
        base_median=fields.optional("base_median", fields.number),
        head_median=fields.optional("head_median", fields.number),
        shift=shift,
        bounds=_bounds(fields, shift, 0, _FARTHEST),
    )


_FARTHEST = 1e30
"""No ratio is kept that is larger than a billion, and no change of them is larger than its square."""


def _matters(fields: Fields, excess: float | None) -> bool:
    """Whether a change matters: it does if it has at least the size that it needs, which it exceeds by ``excess``."""
    matters = fields.flag("matters")
    if matters != (excess is not None and excess >= 0) and (excess is None or abs(excess) > _ROUNDING):
        fields.refuse("matters", "is not what the figures say")
    return matters


def _bounds_of_rates(fields: Fields, difference: float | None) -> Bounds | None:
    """The bounds on the difference of two rates."""
    bounds = _bounds(fields, difference, -1, 1)
    if bounds is None and difference is not None:
        fields.refuse("bounds", "is missing")
    return bounds


def _bounds(fields: Fields, estimate: float | None, lowest: float, highest: float) -> Bounds | None:
    """The bounds on ``estimate``, which lies between them."""
    found = fields.optional("bounds", fields.object)
    if found is None:
        return None
    lower, upper = (found.number(key, lowest - _ROUNDING, highest + _ROUNDING) for key in ("lower", "upper"))
    if estimate is None or not lower - _ROUNDING <= estimate <= upper + _ROUNDING:
        fields.refuse("bounds", "is not around the figure")
    return Bounds(found.number("confidence", 0.5, 1), lower, upper)


def read_history(fields: Fields) -> tuple[Session, ...] | None:
    """The earlier sessions in the report ``fields``, the oldest first; ``None`` if no history was asked for."""
    if fields.is_null("history"):
        return None
    return tuple(map(_session, fields.objects("history", MOST_SESSIONS)))


def _session(fields: Fields) -> Session:
    return Session(
        verdict=fields.choice("verdict", get_args(Conclusion)),
        underestimation=fields.optional("underestimation", fields.rate),
        truncation=fields.optional("truncation", fields.rate),
    )
