"""What the pictures have in common: each is a Vega-Lite specification, whose data is plain figures and inert names.

Names never stand in an expression or in the name of a field. Labels of axes are looked up by their place, so that two
names that look alike are two rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from pytest_token_telemetry.text import NOT_GIVEN, inert

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Spec: TypeAlias = "dict[str, object]"

Rows: TypeAlias = "list[dict[str, object]]"

PALETTE = {
    "var(--ink)": "#1f2328",
    "var(--muted)": "#59636e",
    "var(--line)": "#d1d9e0",
    "var(--good)": "#1a7f37",
    "var(--bad)": "#cf222e",
    "var(--warn)": "#9a6700",
    "var(--mark)": "#0969da",
    "var(--second)": "#8250df",
}
"""The colours of pictures by their names in the page's style sheet, and what they are on white paper."""

INK, MUTED, LINE, GOOD, BAD, WARN, MARK, SECOND = PALETTE

_LONGEST_LABEL = 40


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture, and one sentence that says how to read it."""

    name: str
    title: str
    reading: str
    spec: Spec


@dataclass(frozen=True, slots=True)
class Layer:
    """Marks of one kind, and the name of their data."""

    data: str
    spec: Spec


def spec(height: int, datasets: dict[str, Rows], *layers: Layer, labels: Sequence[str | Sequence[str]] = ()) -> Spec:
    """A specification of ``layers`` on top of each other, those without data left out.

    Axes find their ``labels``, of one line or of several, by place, as ``labels[1]``.
    """
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "width": "container",
        "height": height,
        "autosize": {"type": "fit-x", "contains": "padding"},
        "background": "transparent",
        "datasets": datasets,
        "params": [{"name": "labels", "value": [*labels]}],
        "layer": [each.spec for each in layers if datasets[each.data]],
        "config": {
            "aria": False,  # the figure around it says what it is
            "font": "system-ui, sans-serif",
            "view": {"stroke": LINE},
            "axis": {
                "labelColor": MUTED,
                "titleColor": INK,
                "gridColor": LINE,
                "domainColor": LINE,
                "tickColor": LINE,
                "titleFontWeight": "normal",
                "labelFontSize": 12,
                "titleFontSize": 12,
                "labelLimit": 150,
                "labelPadding": 8,
                "gridOpacity": 0.6,
                "labelOverlap": True,
            },
            "legend": {
                "labelColor": INK,
                "titleColor": INK,
                "orient": "top",
                "title": None,
                "labelFontSize": 12,
                "labelLimit": 170,
                "columns": 3,
                "symbolStrokeWidth": 2,
            },
            "range": {"category": [MARK, SECOND, GOOD, WARN, INK, MUTED, BAD]},
        },
    }


def layer(data: str, mark: str, encoding: Mapping[str, object], **properties: object) -> Layer:
    """Marks of one kind, one for each row of ``data``."""
    return Layer(data, {"data": {"name": data}, "mark": {"type": mark, **properties}, "encoding": encoding})


def number(field: str, title: str | None = None, *, log: bool = False, form: str = ",", most: float = 0) -> Spec:
    """A quantity on an axis, up to ``most`` if that is not 0."""
    scale: Spec = {"type": "log", "nice": False, "padding": 8} if log else {"zero": True, "nice": True}
    if most:
        scale = {"domain": [0, most], "nice": False}
    axis = {"format": form, "tickCount": 5, "title": title}
    return {"field": field, "type": "quantitative", "scale": scale, "axis": axis}


def percentage(field: str, title: str | None = None, *, log: bool = False, most: float = 0) -> Spec:
    """A rate on an axis, in percent."""
    return number(field, title, log=log, form=".3~%", most=most)


def place(field: str, **axis: object) -> Spec:
    """A row or a column for each place in the labels, in their order."""
    shown = {"labelExpr": "labels[datum.value]", "title": None, "grid": False, "labelOverlap": False, **axis}
    return {"field": field, "type": "ordinal", "axis": shown}


def told(**fields: str) -> Rows:
    """What is shown of a mark that is pointed at: fields, and how they are called."""
    return [
        {"field": field, "title": title, "type": "nominal" if field in _TEXTS else "quantitative", "format": form}
        if (form := _FORMS.get(field, "" if field in _TEXTS else ","))
        else {"field": field, "title": title, "type": "nominal"}
        for field, title in fields.items()
    ]


_TEXTS = ("name", "task", "where", "how", "kind", "when", "commit", "proven", "cap", "predicted", "quantile", "verdict")
_FORMS = dict.fromkeys(("rate", "lower", "upper", "target", "risk", "share", "base", "head", "mix"), ".3~%")


def shown(name: str | None, kind: str = "") -> str:
    """An untrusted name as a label, after the kind of name that it is."""
    said = f"({NOT_GIVEN})" if name is None else inert(name, _LONGEST_LABEL)
    return f"{kind}: {said}" if kind else said


def named(name: str | None, folded: int) -> str:
    """The same of a row that may be for all others."""
    return f"{folded:,} others" if folded else shown(name)
