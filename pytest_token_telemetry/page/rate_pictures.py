"""Pictures of rates: against their targets, of each kind of work, over sessions, and against the baseline."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from pytest_token_telemetry.analysis.evidence import bounds
from pytest_token_telemetry.gate.checks import TRUNCATION, UNDERESTIMATION
from pytest_token_telemetry.gate.results import RateResult
from pytest_token_telemetry.page.specs import (
    BAD,
    GOOD,
    INK,
    MARK,
    MUTED,
    SECOND,
    WARN,
    Picture,
    layer,
    named,
    percentage,
    place,
    shown,
    spec,
    told,
)
from pytest_token_telemetry.text import percent

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_token_telemetry.analysis.drift import Drift
    from pytest_token_telemetry.analysis.metrics import Share
    from pytest_token_telemetry.analysis.strata import Stratum
    from pytest_token_telemetry.page.specs import Rows, Spec
    from pytest_token_telemetry.report.model import Report

_CHECKS = (UNDERESTIMATION, TRUNCATION)

_MOST_OF_A_KIND = 12

_ROW = 26
"""Pixels."""

_PROVEN, _NOT_PROVEN = "proven above its target", "not proven above it"

_RATES = {"domain": ["underestimation", "truncation"], "range": [MARK, SECOND]}


def rates(report: Report) -> Picture | None:
    """The Tier 1 rates; ``None`` if none was judged."""
    results = [each for check in _CHECKS if isinstance(each := report.result(check.id), RateResult) and each.n]
    if not results:
        return None
    names = [each.id.partition("::")[2] for each in results]
    labels = [
        (name, f"{percent(Fraction(each.events, each.n), each.limit)}, {'proven' if each.proven else 'unproven'}")
        for name, each in zip(names, results, strict=True)
    ]
    rows: Rows = [
        {
            "i": i,
            "rate": each.value,
            "target": each.target,
            "events": each.events,
            "n": each.n,
            **({} if each.bounds is None else {"lower": each.bounds.lower, "upper": each.bounds.upper}),
            "name": names[i],
            "within": each.is_within,
        }
        for i, each in enumerate(results)
    ]
    ends = [end for each in results for end in (each.target, each.value, each.bounds and each.bounds.upper) if end]
    x = percentage("rate", most=min(max(ends, default=1) * 1.1, 1))
    y = place("i")
    hover = told(
        name="rate of", rate="rate", events="events", n="of", lower="at least", upper="at most", target="target"
    )
    colour = {"condition": {"test": "datum.within", "value": GOOD}, "value": BAD}
    return Picture(
        "rates",
        "Risk against its targets",
        "A bar is the measured rate, the thick line its target, and the thin line where the true rate may be.",
        spec(
            56 * len(rows),
            {"rates": rows},
            layer("rates", "bar", {"x": x, "y": y, "color": colour, "tooltip": hover}, height=20, minBandSize=2),
            layer("rates", "rule", {"x": {**x, "field": "lower"}, "x2": {"field": "upper"}, "y": y}, color=INK),
            layer("rates", "tick", {"x": {**x, "field": "target"}, "y": y}, color=WARN, thickness=4, size=40),
            labels=labels,
        ),
    )


def pictures(reports: Sequence[Report]) -> Iterator[Picture]:
    """Those that the data of the last report, or the row of all reports, has something for."""
    report = reports[-1]
    yield from _forests(report)
    if len(sessions := _sessions(reports)) > 1:
        yield _history(sessions, report)
    if report.drift is not None and report.drift.drift is not None:
        yield _drift(report.drift.drift)


def _forests(report: Report) -> Iterator[Picture]:
    strata = report.strata
    kinds = {
        "category": strata.category,
        "complexity": strata.complexity,
        "deliverables": strata.deliverables,
        "model": strata.model,
    }
    listed = [(kind, each) for kind, rows in kinds.items() for each in rows[:_MOST_OF_A_KIND]]
    of_under = [(kind, each, each.underestimated, each.risk, each.underestimation_proven) for kind, each in listed]
    of_cut = [(kind, each, each.truncated, each.attempts, each.truncation_proven) for kind, each in listed]
    for rate, rows in (("underestimation", of_under), ("truncation", of_cut)):
        if found := [each for each in rows if each[3]]:
            result = report.result(f"tier1::{rate}")
            yield _forest(rate, found, result.target if isinstance(result, RateResult) else None)


def _forest(rate: str, found: list[tuple[str, Stratum, int, int, bool]], target: float | None) -> Picture:
    labels = [
        " ".join(filter(None, (named(each.name, each.folded), "" if kind in ("category", "model") else kind)))
        for kind, each, *_ in found
    ]
    rows: Rows = []
    for i, (_, _, events, n, proven) in enumerate(found):
        exact = bounds(events, n)
        rows.append(
            {
                "i": i,
                "name": labels[i],
                "rate": events / n,
                "events": events,
                "n": n,
                "lower": exact.lower,
                "upper": exact.upper,
                "proven": _PROVEN if proven else _NOT_PROVEN,
            }
        )
    x, y = percentage("rate", f"{rate} rate"), place("i")
    colour = {
        "field": "proven",
        "type": "nominal",
        "scale": {"domain": [_PROVEN, _NOT_PROVEN], "range": [BAD, MARK]},
        "legend": {"columns": 1},
    }
    hover = told(name="of", rate="rate", events="events", n="calls", lower="at least", upper="at most")
    size = {
        "field": "n",
        "type": "quantitative",
        "scale": {"type": "sqrt", "range": [30, 260], "zero": True},
        "legend": None,
    }
    layers = [
        layer(
            rate,
            "rule",
            {"x": {**x, "field": "lower"}, "x2": {"field": "upper"}, "y": y, "color": colour},
        ),
        layer(rate, "point", {"x": x, "y": y, "size": size, "color": colour, "tooltip": hover}, filled=True, opacity=1),
    ]
    datasets: dict[str, Rows] = {rate: rows}
    if target is not None:
        datasets["target"] = [{"rate": target}]
        layers.insert(0, layer("target", "rule", {"x": x}, color=WARN, strokeWidth=2, strokeDash=[5, 4]))
    return Picture(
        f"forest-{rate}",
        f"{rate.capitalize()} by kind of work",
        "A dot is the measured rate, the larger the more calls, its line where the true rate may be (exact, 95% at"
        " either end), and the dashed line the target.",
        spec(_ROW * len(rows) + 10, datasets, *layers, labels=labels),
    )


def _sessions(reports: Sequence[Report]) -> Rows:
    """The rates of each session, the oldest first: of several reports, or of what one says of earlier ones."""
    report = reports[-1]
    past = () if len(reports) > 1 else report.history or ()
    rows: Rows = []
    for i, each in enumerate(past):
        about: Spec = {"i": i, "when": shown(each.time), "commit": shown(each.commit), "verdict": each.verdict}
        rows += [
            {**about, "kind": kind, "rate": rate, **_interval(share)}
            for kind, rate, share in (
                ("underestimation", each.underestimation, each.underestimated),
                ("truncation", each.truncation, each.truncated),
            )
            if rate is not None
        ]
    for i, now in enumerate(reports, len(past)):
        commit = now.made_for and now.made_for.commit
        about = {"i": i, "when": now.created, "commit": shown(commit or None), "verdict": now.verdict}
        shares = (("underestimation", now.metrics.underestimation), ("truncation", now.metrics.truncation))
        rows += [{**about, "kind": kind, "rate": share.value, **_interval(share)} for kind, share in shares if share.n]
    return rows if len({row["i"] for row in rows}) > 1 else []


def _interval(share: Share | None) -> Spec:
    if share is None or not share.n:
        return {}
    exact = bounds(share.events, share.n)
    return {"events": share.events, "n": share.n, "lower": exact.lower, "upper": exact.upper}


def _history(rows: Rows, report: Report) -> Picture:
    labels = [*dict.fromkeys((row["i"], str(row["when"])[:10]) for row in rows)]
    whens = dict(labels)
    last = max(whens)  # type: ignore[type-var]
    x = {**place("i", labelAngle=0, labelOverlap=True), "scale": {"domain": [*range(last + 1)]}}  # type: ignore[operator]
    y = percentage("rate", "rate")
    colour = {"field": "kind", "type": "nominal", "scale": _RATES}
    hover = told(
        kind="rate of",
        rate="rate",
        events="events",
        n="of",
        when="when",
        verdict="verdict",
        commit="commit",
    )
    aside = {"xOffset": {"field": "kind", "type": "nominal", "scale": {"range": [-4, 4]}}}
    layers = [
        layer("sessions", "line", {"x": x, "y": y, "color": colour, **aside}, strokeWidth=1.5),
        layer(
            "sessions",
            "rule",
            {"x": x, "y": {**y, "field": "lower"}, "y2": {"field": "upper"}, "color": colour, **aside},
        ),
        layer(
            "sessions",
            "point",
            {"x": x, "y": y, "color": colour, "tooltip": hover, **aside},
            filled=True,
            size=60,
            opacity=1,
        ),
    ]
    datasets: dict[str, Rows] = {"sessions": rows}
    below = ""
    if report.drift is not None and (drift := report.drift.drift) is not None:
        shares = (("underestimation", drift.underestimation.base), ("truncation", drift.truncation.base))
        datasets["baseline"] = [{"kind": kind, "rate": share.value} for kind, share in shares if share.n]
        layers.append(layer("baseline", "rule", {"y": y, "color": colour}, strokeDash=[5, 4]))
        below = " A dashed line is the rate of the baseline."
    return Picture(
        "history",
        "Over the sessions",
        "A dot is the rate of one session, the newest at the right, and its line where the true rate may be (exact,"
        f" 95% at either end).{below}",
        spec(260, datasets, *layers, labels=[whens.get(i, "") for i in range(last + 1)]),  # type: ignore[operator]
    )


def _drift(found: Drift) -> Picture:
    both = [each for each in found.underestimation.strata if each.base.n or each.head.n][:_MOST_OF_A_KIND]
    labels = [named(each.name, each.folded) for each in both]
    sides: Rows = [
        {"i": i, "name": labels[i], "kind": kind, "rate": share.value, "events": share.events, "n": share.n}
        for i, each in enumerate(both)
        for kind, share in (("baseline", each.base), ("new", each.head))
        if share.n
    ]
    pairs: Rows = [
        {"i": i, "base": each.base.value, "head": each.head.value}
        for i, each in enumerate(both)
        if each.base.n and each.head.n
    ]
    y = place("i")
    x = percentage("rate", "underestimation rate")
    colour = {
        "field": "kind",
        "type": "nominal",
        "scale": {"domain": ["baseline", "new"], "range": [MUTED, MARK]},
    }
    hover = told(name="category", kind="calls", rate="rate", events="events", n="of")
    return Picture(
        "drift",
        "Drift by category",
        "Each line leads from the baseline's underestimation rate to that of the new calls; to the right, it rose.",
        spec(
            _ROW * len(both) + 10,
            {"sides": sides, "pairs": pairs},
            layer("pairs", "rule", {"x": {**x, "field": "base"}, "x2": {"field": "head"}, "y": y}, color=MUTED),
            layer(
                "sides", "point", {"x": x, "y": y, "color": colour, "tooltip": hover}, filled=True, size=80, opacity=1
            ),
            labels=labels,
        ),
    )
