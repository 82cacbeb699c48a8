"""The picture of readiness: how many calls there are of each kind of work, and which kinds have none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_token_telemetry.gate.checks import CATEGORIES, COMPLEXITIES, DELIVERABLES
from pytest_token_telemetry.gate.results import CoverageResult
from pytest_token_telemetry.option_types import ANY
from pytest_token_telemetry.page.specs import INK, MARK, WARN, Picture, layer, place, shown, spec, told

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_token_telemetry.page.specs import Rows
    from pytest_token_telemetry.report.model import Report

_MOST_ROWS = 15
_MOST_COLUMNS = 15


def pictures(report: Report) -> Iterator[Picture]:
    """The grid, if calls say of which kind of work they are."""
    grid = None if report.distributions is None else report.distributions.grid
    if grid is None or not (grid.categories or grid.complexities or grid.deliverables):
        return
    counts = {(cell.category, cell.complexity, cell.deliverables): cell.calls for cell in grid.cells}
    categories = _places(grid.categories, _required(report, CATEGORIES.id), {key[0] for key in counts})
    complexities = _places(grid.complexities, _required(report, COMPLEXITIES.id), {key[1] for key in counts})
    buckets = _places(grid.deliverables, _required(report, DELIVERABLES.id), {key[2] for key in counts})
    columns = [(level, bucket) for level in complexities for bucket in buckets][:_MOST_COLUMNS]
    rows = [*categories][:_MOST_ROWS]
    labels = [categories[row] for row in rows]
    above = [f"{complexities[level]}, {buckets[bucket]}" for level, bucket in columns]
    cells: Rows = [
        {
            "row": i,
            "column": len(rows) + j,
            "calls": counts.get((row, level, bucket), 0),
            "name": categories[row],
            "kind": complexities[level],
            "how": buckets[bucket],
        }
        for i, row in enumerate(rows)
        for j, (level, bucket) in enumerate(columns)
    ]
    full, empty = ([cell for cell in cells if bool(cell["calls"]) is there] for there in (True, False))
    axes = {
        "x": {
            **place("column", orient="top", labelAngle=-40, labelLimit=90),
            "scale": {"domain": [len(rows) + j for j in range(len(columns))]},
        },
        "y": {**place("row"), "scale": {"domain": [*range(len(rows))]}},
        "tooltip": told(name="category", kind="complexity", how="deliverables", calls="calls"),
    }
    shade = {
        "field": "calls",
        "type": "quantitative",
        "scale": {"type": "log", "range": [0.12, 0.5]},
        "legend": None,
    }
    text = {"text": {"field": "calls", "type": "quantitative", "format": ","}}
    yield Picture(
        "readiness",
        "What there is to judge by",
        "A cell is a kind of work: category, then complexity and number of deliverables. The darker, the more calls"
        " count; a dashed cell has none, and is what to collect.",
        spec(
            34 * len(rows) + 10,
            {"full": full, "empty": empty},
            layer("full", "rect", {**axes, "opacity": shade}, color=MARK),
            layer("empty", "rect", axes, fillOpacity=0, stroke=WARN, strokeDash=[3, 3], strokeWidth=1),
            layer("full", "text", {**axes, **text}, color=INK),
            layer("empty", "text", {**axes, **text}, color=WARN),
            labels=[*labels, *above],
        ),
    )


def _required(report: Report, id: str) -> Sequence[str]:
    """The names that a readiness check asks for."""
    result = report.result(id)
    return [name for name in result.target if name != ANY] if isinstance(result, CoverageResult) else []


def _places(names: Sequence[str], required: Sequence[str], used: set[int]) -> dict[int, str]:
    """The label of each name by its place, the required ones first; those that no call has get places below -1."""
    known = {name: place for place, name in enumerate(names)}
    missing = iter(range(-2, -2 - len(required), -1))
    ordered = {(known[name] if name in known else next(missing)): shown(name) for name in required}
    ordered |= {place: shown(name) for name, place in known.items() if place not in ordered}
    return ordered | ({-1: shown(None)} if -1 in used else {})
