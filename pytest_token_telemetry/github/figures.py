"""A check's figure in our own words: every number is written anew from the report's, and no text of it is repeated."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from pytest_token_telemetry.github.markup import code, own
from pytest_token_telemetry.github.report import Check, Count, Coverage, Rate, Ratio
from pytest_token_telemetry.ids import (
    DRIFT_OF_RATIO,
    DRIFT_OF_TRUNCATION,
    DRIFT_OF_UNDERESTIMATION,
    REPLAY,
    SAMPLES,
    SOURCES,
    TRUNCATION,
    UNDERESTIMATION,
    WASTE,
)
from pytest_token_telemetry.verdict import DriftFigure
from pytest_token_telemetry.wording import chance, exact, percent, plural, times, upwards

if TYPE_CHECKING:
    from pytest_token_telemetry.github.report import Advice
    from pytest_token_telemetry.verdict import DriftFinding

NAMES_SHOWN = 10
"""MissingError names that a line shows."""

DRIFTED = {
    DRIFT_OF_UNDERESTIMATION: "underestimation has risen since the baseline",
    DRIFT_OF_TRUNCATION: "truncation has risen since the baseline",
    DRIFT_OF_RATIO: "output over prediction has moved since the baseline",
}
SUBJECTS = {UNDERESTIMATION: "underestimation", TRUNCATION: "truncation", WASTE: "waste P90"}


def in_brief(check: Check) -> str:
    """``underestimation 19/23 = 82.6 % (target at most 5 %)``, in plain text, for a check that failed."""
    subject = SUBJECTS.get(check.id, "another check")
    match check.figure:
        case Rate(n=n) as rate if n and check.id in SUBJECTS:
            return f"{subject} {_measured(rate)} (target {_target(rate)})"
        case Ratio(value=value) as ratio if value is not None and check.id in SUBJECTS:
            return f"{subject} {_measured_ratio(ratio)} (target {_target(ratio)})"
        case DriftFigure(adjusted_p=p) if p is not None:
            return f"{DRIFTED[check.id]} ({chance(p)})"
    return subject


def in_full(check: Check) -> tuple[str, str]:
    """What was measured and what was asked for, as HTML."""
    match check.figure:
        case Rate(n=0) as rate:
            return "no data", _target(rate)
        case Rate() as rate:
            return own(f"{_measured(rate)}{_evidence(rate)}"), _target(rate)
        case Ratio(value=None) as ratio:
            return "no data", _target(ratio)
        case Ratio() as ratio:
            proof = "proven" if ratio.proven else "unproven"
            return f"{_measured_ratio(ratio)} of {plural(ratio.n, 'sample')}, {proof}", _target(ratio)
        case Count() as count:
            return _counted(check.id, count)
        case Coverage() as coverage:
            return _covered(coverage), _names(coverage.required)
        case DriftFigure(finding=finding, adjusted_p=p):
            return own(chance_of_drift(finding, p)), "no drift"
    return code(check.message), ""


def chance_of_drift(finding: DriftFinding, p: float | None) -> str:
    """``drift (p = 0.012)``, or why it is not judged."""
    match finding:
        case "no-baseline":
            return "no baseline"
        case "too-few":
            return "not enough data to judge drift"
        case "drift":
            return f"drift ({chance(p or 0)})"
        case "steady":
            return f"no drift seen ({chance(p or 0)})"


def _measured(rate: Rate) -> str:
    return f"{rate.events}/{rate.n} = {percent(Fraction(rate.events, rate.n), _exact(rate.target))}"


def _measured_ratio(ratio: Ratio) -> str:
    shown = times(ratio.value or 0.0, _exact(ratio.target))
    return f"{shown} (upper limit)" if ratio.upper_limit else shown


def _target(figure: Rate | Ratio) -> str:
    if isinstance(figure, Rate):
        return f"at most {exact(_exact(figure.target) * 100)} %"
    return f"below {exact(_exact(figure.target))}x"


def _exact(target: float) -> Fraction:
    """The decimal number that the target was written as."""
    return Fraction(str(target))


def _evidence(rate: Rate) -> str:
    if rate.bounds is None:
        return ""
    confidence, lower, upper = rate.bounds
    target = _exact(rate.target)
    sure = f"{exact(Fraction(str(confidence)) * 100)} % each"
    proof = "proven" if rate.proven else "unproven"
    words = f", {proof}: true rate {percent(lower, target)} to {percent(upper, target)} ({sure})"
    if rate.samples_to_prove is not None:
        events = plural(rate.events, "event")
        claim = "it" if Fraction(rate.events, rate.n) <= target else "the target met"
        words += f"; {plural(rate.samples_to_prove, 'sample')} with {events} would prove {claim}"
    return words


def _counted(id: str, count: Count) -> tuple[str, str]:
    if id == SOURCES and count.value > count.target:
        return f"{plural(count.value, 'telemetry line')} could not be used", f"at most {count.target}"
    if id == SOURCES:
        return f"{count.value} read", f"{count.target}"
    if id == SAMPLES:
        return plural(count.value, "successful sample"), f"at least {count.target}"
    if id == REPLAY:
        return f"{plural(count.value, 'call')} replayed", f"at least {count.target}"
    return f"{count.value}", f"{count.target}"


def _covered(coverage: Coverage) -> str:
    return f"none in {_names(coverage.missing)}" if coverage.missing else "all covered"


def _names(names: tuple[str, ...]) -> str:
    shown = ", ".join(code(name) for name in names[:NAMES_SHOWN])
    return f"{shown} and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else shown or "nothing"


def multiplied(advice: Advice) -> str:
    """``1.81``, in brackets if it lowers predictions, with ~ if it is borrowed; else why there is none."""
    if advice.multiplier is None:
        return advice.basis
    shown = f"{'~' if advice.basis == 'borrowed' else ''}{upwards(advice.multiplier)}"
    return f"({shown})" if advice.tier == "cost" else shown
