"""Pictures of calls: outputs against what was predicted, or against caps, and which cap leaves which risk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_token_telemetry.analysis.distributions import BINS_PER_DECADE, BINS_PER_OCTAVE, CURVE
from pytest_token_telemetry.gate.checks import CAP_USE
from pytest_token_telemetry.gate.results import RatioResult
from pytest_token_telemetry.page.specs import (
    BAD,
    INK,
    MARK,
    SECOND,
    WARN,
    Picture,
    layer,
    named,
    number,
    percentage,
    shown,
    spec,
    told,
)
from pytest_token_telemetry.text import inert

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pytest_token_telemetry.analysis.distributions import Distributions, Ratios
    from pytest_token_telemetry.page.specs import Layer, Rows, Spec
    from pytest_token_telemetry.report.model import Call, Report

_MOST_CURVES = 7
"""As many lines as there are colours."""

_ROW = 44
"""Pixels of a category."""


def pictures(report: Report) -> Iterator[Picture]:
    """Those that the data of ``report`` has something for."""
    found = report.distributions
    if found is None:
        return
    if found.density:
        yield _outputs(report, found)
    if found.ratios:
        yield _ratios(report, found)
    if any(cap is not None for curve in found.curves for cap in curve.max_tokens):
        yield _caps(found)


def _outputs(report: Report, found: Distributions) -> Picture:
    """Each call, or how many there are in each cell of a grid, and what was allowed."""
    by = "prediction" if found.against == "prediction" else "cap"
    axes = {
        "x": number("x", f"{by} (tokens)" if by == "cap" else "predicted output (tokens)", log=True, form="~s"),
        "y": number("y", "output (tokens)", log=True, form="~s"),
    }
    if report.calls is not None:
        datasets = {"calls": [_call(each, by) for each in report.calls]}
        marks, dots = _dots(axes, by), "a dot is a call, and a triangle one that was truncated, at its cap"
        ends = [min(_numbers(datasets["calls"], "x")), max(_numbers(datasets["calls"], "x"))]
    else:
        datasets = {"cells": _cells(found)}
        marks, dots = _shades(axes), "the darker a cell, the more calls lie in it"
        ends = [min(_numbers(datasets["cells"], "x")), max(_numbers(datasets["cells"], "x2"))]
    factor = float(str(report.settings.get("under_multiplier", "1")).rstrip("x")) if by == "prediction" else 1.0
    lines = {f"output = {by}": 1.0}
    if factor != 1:
        lines[f"{factor:g} times the prediction"] = factor
    datasets["lines"] = [{"x": end, "y": end * times, "kind": kind} for kind, times in lines.items() for end in ends]
    dashes = {"range": [[1, 0], [5, 4]]}
    line = layer(
        "lines",
        "line",
        {
            **axes,
            "strokeDash": {"field": "kind", "type": "nominal", "scale": dashes, "sort": None, "legend": None},
            "detail": {"field": "kind"},
        },
        color=INK,
        strokeWidth=1.5,
    )
    limit = "the line" if factor == 1 else "the dashed line"
    above = f"above {limit} an output is longer than its {by}" if by == "prediction" else f"on {limit} a cap is used up"
    return Picture(
        "outputs",
        f"Output against {by}",
        f"{dots.capitalize()}; {above}, and far below it the {by} is a waste.",
        spec(380, datasets, *marks, line),
    )


def _call(call: Call, by: str) -> dict[str, object]:
    cut_off = call.truncated is True
    within = "underestimated" if call.underestimated else f"within its {by}"
    return {
        "x": call.predicted_output_tokens if by == "prediction" else call.max_tokens,
        "y": max(call.output_tokens, call.max_tokens or 0) if cut_off else call.output_tokens,
        "how": "truncated" if cut_off else within,
        "output": call.output_tokens,
        "predicted": _tokens(call.predicted_output_tokens),
        "cap": _tokens(call.max_tokens),
        "name": shown(call.category),
        "task": shown(call.task_id),
        "where": inert(call.source),
    }


def _tokens(count: int | None) -> str:
    return "none" if count is None else f"{count:,}"


def _numbers(rows: Rows, field: str) -> list[float]:
    return [value for row in rows if isinstance(value := row[field], int | float)]


def _dots(axes: Mapping[str, object], by: str) -> list[Layer]:
    ends = [f"within its {by}", "underestimated", "truncated"]
    scale = {"domain": ends, "range": [MARK, WARN, BAD]}
    shapes = {"domain": ends, "range": ["circle", "circle", "triangle-up"]}
    encoding = {
        **axes,
        "color": {"field": "how", "type": "nominal", "scale": scale, "legend": {"columns": 2}},
        "shape": {"field": "how", "type": "nominal", "scale": shapes},
        "tooltip": told(
            how="call", output="output", predicted="predicted", cap="cap", name="category", task="task", where="where"
        ),
    }
    return [layer("calls", "point", encoding, filled=True, size=45, opacity=0.65)]


def _cells(found: Distributions) -> Rows:
    def edge(bin_: int) -> float:
        return float(10 ** (bin_ / BINS_PER_DECADE))

    return [
        {
            "x": edge(cell.x),
            "x2": edge(cell.x + 1),
            "y": edge(cell.y),
            "y2": edge(cell.y + 1),
            "calls": cell.calls,
            "cut": cell.cut_off,
        }
        for cell in found.density
    ]


def _shades(axes: Mapping[str, object]) -> list[Layer]:
    encoding = {
        **axes,
        "x2": {"field": "x2"},
        "y2": {"field": "y2"},
        "opacity": {
            "field": "calls",
            "type": "quantitative",
            "scale": {"type": "log", "range": [0.15, 1]},
            "legend": None,
        },
        "tooltip": told(calls="calls", cut="truncated"),
    }
    return [layer("cells", "rect", encoding, color=MARK)]


def _ratios(report: Report, found: Distributions) -> Picture:
    """A row of bars for each category, as high as its calls are frequent."""
    caps = found.against == "cap"
    labels = [f"{named(each.name, each.folded)} ({each.n:,})" for each in found.ratios]
    edge = max(each.first + len(each.counts) for each in found.ratios)
    cut_off = min(0, *(each.first for each in found.ratios)) - 3 if caps else max(edge, BINS_PER_OCTAVE) + 2
    datasets: dict[str, Rows] = {
        "bins": [row for i, each in enumerate(found.ratios) for row in _bins(i, each, cut_off)],
        "quantiles": [
            {"x": each.quantile, "y": i + 0.95, "y2": i + 0.05, "name": labels[i], "quantile": f"{each.quantile:.3g}x"}
            for i, each in enumerate(found.ratios)
            if each.quantile is not None
        ],
        "target": [{"x": _target(report)}],
    }
    top = len(labels)
    rows: Spec = {
        "type": "quantitative",
        "scale": {"domain": [0, top], "reverse": True, "nice": False},
        "axis": {
            "values": [i + 0.5 for i in range(top)],
            "labelExpr": "labels[floor(datum.value)]",
            "title": None,
            "grid": False,
            "ticks": False,
            "domain": False,
            "labelOverlap": False,
        },
    }
    x = number("x", "cap / actual" if caps else "actual / predicted", log=True, form="~g")
    bars = {
        "x": x,
        "x2": {"field": "x2"},
        "y": {"field": "y", **rows},
        "y2": {"field": "y2"},
        "color": {
            "field": "how",
            "type": "nominal",
            "scale": {"domain": ["ended by itself", "truncated"], "range": [MARK, BAD]},
        },
        "tooltip": told(name="category", how="calls that", calls="calls", share="share of the category"),
    }
    quantile = "90% of its calls stay within" if caps else "95% of its next calls stay within"
    ticks = {
        "x": x,
        "y": {"field": "y", **rows},
        "y2": {"field": "y2"},
        "tooltip": told(name="category", quantile=quantile),
    }
    target = "the target" if caps else "what a prediction allows"
    cut = f"; at the {'left' if caps else 'right'} edge are calls that were truncated"
    return Picture(
        "ratios",
        "Cap over output, by category" if caps else "Output over prediction, by category",
        f"The higher a bar, the more of the category's calls have that ratio{cut}. The dark line is {target}, and the"
        f" violet one what {quantile}.",
        spec(
            _ROW * top + 20,
            datasets,
            layer("bins", "rect", bars),
            layer("target", "rule", {"x": x}, color=INK, strokeWidth=1.5),
            layer("quantiles", "rule", ticks, color=SECOND, strokeWidth=3),
            labels=labels,
        ),
    )


def _bins(row: int, ratios: Ratios, cut_off: int) -> Rows:
    """The bars of one category, the highest of which fills its row; truncated calls are in the bin ``cut_off``."""
    highest = max(*ratios.counts, ratios.cut_off, 1)
    bins = [(ratios.first + i, count, "ended by itself") for i, count in enumerate(ratios.counts) if count]
    if ratios.cut_off:
        bins.append((cut_off, ratios.cut_off, "truncated"))
    return [
        {
            "x": 2 ** (bin_ / BINS_PER_OCTAVE),
            "x2": 2 ** ((bin_ + 1) / BINS_PER_OCTAVE),
            "y": row + 0.95,
            "y2": row + 0.95 - 0.85 * calls / highest,
            "name": named(ratios.name, ratios.folded),
            "how": how,
            "calls": calls,
            "share": calls / ratios.n,
        }
        for bin_, calls, how in bins
    ]


def _target(report: Report) -> float:
    """The ratio that must not be exceeded: as many times the prediction as is allowed, or the target of cap use."""
    result = report.result(CAP_USE.id)
    if isinstance(result, RatioResult) and report.distributions is not None and report.distributions.against == "cap":
        return result.target
    return float(str(report.settings.get("under_multiplier", "1")).rstrip("x"))


def _caps(found: Distributions) -> Picture:
    """A falling line for each category."""
    curves = [each for each in found.curves if any(cap is not None for cap in each.max_tokens)][:_MOST_CURVES]
    labels = [f"{named(each.name, each.folded)} ({each.n:,})" for each in curves]
    datasets: dict[str, Rows] = {
        "curves": [
            {"x": cap, "risk": float(risk), "i": i, "name": labels[i]}
            for i, each in enumerate(curves)
            for risk, cap in zip(CURVE, each.max_tokens, strict=False)
            if cap
        ],
        "sent": [
            {
                "x": cap.max_tokens,
                "risk": max((cap.exceeding + 1) / (each.n + 1), float(CURVE[-1])),
                "i": i,
                "name": labels[i],
                "calls": cap.calls,
                "exceeding": cap.exceeding,
            }
            for i, each in enumerate(curves)
            for cap in each.sent
            if cap.max_tokens
        ],
    }
    axes = {
        "x": number("x", "max_tokens", log=True, form="~s"),
        "y": percentage("risk", "truncation risk", log=True),
        "color": {
            "field": "i",
            "type": "nominal",
            "sort": None,
            "legend": {"labelExpr": "labels[datum.value]", "columns": 2, "symbolType": "stroke"},
        },
    }
    line = {**axes, "tooltip": told(name=found.grouped_by, x="max_tokens", risk="risk")}
    dot = {
        **axes,
        "tooltip": told(name=found.grouped_by, x="cap sent", calls="calls with it", exceeding="calls that exceed it"),
    }
    return Picture(
        "caps",
        "Which cap leaves which risk",
        "Choose the risk on the left, go to the line, and read the cap below; a diamond is a cap that is sent today.",
        spec(
            320,
            datasets,
            layer("curves", "line", line, point={"size": 25}, interpolate="step-after", strokeWidth=2),
            layer("sent", "point", dot, shape="diamond", size=140, filled=True),
            labels=labels,
        ),
    )
