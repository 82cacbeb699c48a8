"""The report in one sentence and one small table, for who decides in five seconds."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from pytest_token_telemetry.analysis.metrics import Share
from pytest_token_telemetry.gate.checks import CAP_USE, TRUNCATION, UNDERESTIMATION, WASTE
from pytest_token_telemetry.gate.results import RateResult, RatioResult
from pytest_token_telemetry.report import words
from pytest_token_telemetry.report.tables import Table, ratio
from pytest_token_telemetry.text import exact, percent, plural, points, times

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_token_telemetry.gate.results import Result
    from pytest_token_telemetry.report.model import Report

_ROWS: Mapping[str, str] = {
    UNDERESTIMATION.id: "under\N{SOFT HYPHEN}estimated",
    TRUNCATION.id: "truncated",
    WASTE.id: "waste P90",
    CAP_USE.id: "cap use P90",
}


def decisive(report: Report) -> str:
    """The figures that the verdict rests on, if they prove nothing, and how they changed: one sentence."""
    unproven = ", unproven" if is_unproven(report) else ""
    said = "; ".join(filter(None, (f"{words.decisive(report)}{unproven}", _change(report))))
    return f"{said[0].upper()}{said[1:]}."


def is_unproven(report: Report) -> bool:
    """True if it is a PASS, and a rate that passed may be above its target."""
    return report.verdict == "pass" and any(
        isinstance(each, RateResult) and each.outcome == "pass" and not each.proven for each in report.checks
    )


def _change(report: Report) -> str:
    """How a rate changed against the base, else against the baseline; empty if there is neither."""
    replay = report.estimator
    base = None if replay is None else replay.base
    if report.verdict == "not-ready":
        return ""
    if replay is not None and base is not None and base.difference is not None:
        shared = f" on the {plural(base.underestimated.n, 'call')} that both judge" if base.only_head_judges else ""
        if base.calls != replay.replayed:
            shared = f" on the {plural(base.calls, 'call')} that both can replay"
        return f"{points(base.difference)} of underestimation against base{shared}"
    drift = None if report.drift is None else report.drift.drift
    if drift is None:
        return ""
    rates = (("underestimation", drift.underestimation), ("truncation", drift.truncation))
    changes = (f"{points(each.difference)} of {name}" for name, each in rates if each.difference is not None)
    return next((f"{change} against the baseline, within categories" for change in changes), "")


def in_table(report: Report) -> list[Result]:
    """The checks that `figures` shows, if the data was ready to be judged: two rates, and what they cost."""
    asked = [each for id in _ROWS if (each := report.result(id)) is not None and not each.unasked]
    return [] if report.verdict == "not-ready" else asked[:3]


def figures(report: Report, mark: Callable[[Result], str]) -> Table | None:
    """Each rate and ratio with its ``mark``, beside that of base or baseline, and its target; ``None`` without any."""
    rows = in_table(report)
    if not rows:
        return None
    title, before = _before(report)
    names = ("", *([title] if title else []), "this pull request", "target")
    return Table(
        names,
        tuple(
            (
                _ROWS[each.id],
                *([before.get(each.id, "")] if title else []),
                f"{mark(each)} {figure}",
                target,
            )
            for each in rows
            for figure, target in (_figure(each),)
        ),
    )


def failed_besides(report: Report) -> list[Result]:
    """The checks that failed and that `figures` does not show: then they decide."""
    shown = in_table(report)
    return [each for each in report.checks if each.outcome == "fail" and each not in shown]


def proof(report: Report) -> list[Result]:
    """All other checks: what they say is what is proven. Readiness that passes as a whole is a sentence instead."""
    failed = failed_besides(report)
    folded = words.readiness(report) is not None
    others = (each for each in report.checks if each not in failed)
    return [each for each in others if not (folded and each.id.startswith("readiness::"))]


def _figure(result: Result) -> tuple[str, str]:
    """The figure and its target, short enough for a phone."""
    match result:
        case RateResult():
            rate = _rate(Share(result.events, result.n), result.limit)
            return f"{rate} ({result.events:,}/{result.n:,})", f"≤{_SPACE}{exact(result.limit * 100)}%"
        case RatioResult():
            size = "none" if result.value is None else times(result.value, result.limit)
            return size, f"<{_SPACE}{exact(result.limit)}x"
    return "", ""


def _rate(share: Share, limit: Fraction | None = None) -> str:
    return percent(Fraction(share.events, share.n), limit) if share.n else "none"


_SPACE = "\N{NO-BREAK SPACE}"


def _before(report: Report) -> tuple[str, dict[str, str]]:
    """What the figures are held against, and its figures by check; empty if there is nothing.

    Of a base that cannot replay all of the calls there are none: they would stand beside figures of other calls. Where
    it does not judge all that head judges, it has only its truncation rate.
    """
    replay = report.estimator
    base = None if replay is None else replay.base
    if replay is not None and base is not None and 0 < base.calls == replay.replayed:
        truncation = {TRUNCATION.id: _rate(base.base.truncation)}
        if base.only_head_judges:
            return "base", truncation
        under, waste = _rate(base.base.underestimation), ratio(base.base.waste_p90)
        return "base", {**truncation, UNDERESTIMATION.id: under, WASTE.id: waste}
    drift = None if report.drift is None else report.drift.drift
    if drift is None:
        return "", {}
    rates = {UNDERESTIMATION.id: drift.underestimation, TRUNCATION.id: drift.truncation}
    return "baseline", {id: _rate(each.base) for id, each in rates.items()}
