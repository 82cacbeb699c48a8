"""Single calls on a screen: how their ratios are spread, as bars, and those that ran over most."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_token_telemetry.analysis.distributions import BINS_PER_OCTAVE
from pytest_token_telemetry.report import sections
from pytest_token_telemetry.report.terminal_lines import columns_of, cut, inert_name, within, wrapped
from pytest_token_telemetry.text import inert, sparkline, times

if TYPE_CHECKING:
    from pytest_token_telemetry.analysis.distributions import Axis, Ratios
    from pytest_token_telemetry.report.model import Report, WorstSample
    from pytest_token_telemetry.report.terminal_lines import Line

MOST_SPREADS = 5
"""Lines of categories that the usual screen has at most; the last sums up those that have none."""

_SPREAD_BARS = 16
"""Bars between the two ends, which stand for all that lies beyond."""

_SPREADS: dict[Axis, tuple[str, int, int]] = {
    "prediction": ("actual / predicted", -2, 1),
    "cap": ("cap / actual", 0, 2),
}
"""What the ratios are, the octave of the first bar, and bins of a bar: caps are many times the output."""

LEAST_WORST = 2
"""Lines of the worst samples, if there are any: the title, and one of them."""


def worst_samples(report: Report, width: int) -> list[Line]:
    """The calls with the highest ratios, below their title."""
    worst = sections.worst_calls(report)
    title = f"{sections.title_of_calls(worst).lower()} (actual / predicted):"
    lines: list[Line] = [(title, {}), *((_worst(sample, width), {}) for sample in worst)]
    return within(lines, width) if worst else []


def spreads(report: Report, width: int, bars: str, most: int | None) -> list[Line]:
    """How the ratios of each category are spread, a line each: the last of ``most`` lines sums up all others."""
    found = report.distributions
    if found is None or found.against is None or not found.ratios:
        return []
    what, octave, bins = _SPREADS[found.against]
    first = octave * BINS_PER_OCTAVE
    end = octave + _SPREAD_BARS * bins // BINS_PER_OCTAVE
    title = f"{what} by {found.grouped_by}, {2.0**octave:g}x to {2**end}x (| = 1x; at the ends: all beyond):"
    shown = len(found.ratios) if most is None or len(found.ratios) <= most else most - 1
    rows = [[each] for each in found.ratios[:shown]] + [[*found.ratios[shown:]]] * (shown < len(found.ratios))
    figures = [_spread_calls(row) for row in rows]
    lines = wrapped(title, width, {})
    for row, calls in zip(rows, figures, strict=True):
        counts = [sum(each) for each in zip(*(_spread(ratios, first, bins) for ratios in row), strict=True)]
        drawn = sparkline([count or None for count in counts], bars)
        at = 1 - first // bins
        line = f"  {drawn[:at]}|{drawn[at:]}  {calls.ljust(max(map(len, figures)))}  "
        folded = sum(ratios.folded or 1 for ratios in row)
        name = f"{folded:,} others" if folded > 1 or row[0].folded else inert_name(row[0].name)
        lines.append((f"{line}{cut(name, max(width - len(line) - 1, 8))}", {}))
    return within(lines, width)


def _spread(ratios: Ratios, first: int, bins: int) -> list[int]:
    """Calls of each bar, between those before the ``first`` bin and those behind the last bar."""
    counts = [0] * (_SPREAD_BARS + 2)
    for place, count in enumerate(ratios.counts, ratios.first):
        counts[min(max((place - first) // bins + 1, 0), _SPREAD_BARS + 1)] += count
    return counts


def _spread_calls(row: list[Ratios]) -> str:
    """``24 calls, 6 truncated``: the latter are in no bar."""
    cut_off = sum(ratios.cut_off for ratios in row)
    n = sum(ratios.n for ratios in row)
    calls = "1 call" if n == 1 else f"{n:,} calls"
    return f"{calls}, {cut_off:,} truncated" if cut_off else calls


def _worst(sample: WorstSample, width: int) -> str:
    """Figures first, then the place, of which the end says most, then the task in what room is left."""
    ratio = "no ratio" if sample.ratio is None else times(sample.ratio)
    cut_off = " truncated" if sample.truncated else ""
    predicted = "" if sample.predicted_output_tokens is None else f"{sample.predicted_output_tokens} -> "
    figures = f"{ratio:>8}  {predicted}{sample.output_tokens}{cut_off}"
    room = max(width - len(figures) - 5, 20)
    place = cut(inert(sample.source, len(sample.source) * 10)[::-1], room * 2 // 3)[::-1]
    task = cut(inert(sample.task_id), room - columns_of(place)) if sample.task_id else ""
    return f"{figures}  {place}  {task}".rstrip()
