"""The verdict in the terminal: one screen, the verdict and the next step first."""

from __future__ import annotations

from enum import IntEnum
from itertools import chain
from typing import TYPE_CHECKING

from pytest_token_telemetry.analysis.distributions import BINS_PER_OCTAVE
from pytest_token_telemetry.gate.results import DriftResult, RateResult, RatioResult
from pytest_token_telemetry.report import advice, sections, words
from pytest_token_telemetry.report.notes import losses, notes, unusable_lines
from pytest_token_telemetry.report.terminal_lines import columns_of, cut, inert_name, table_lines, within, wrapped
from pytest_token_telemetry.text import ASCII_BARS, BARS, first_clause, inert, plain, plural, sparkline, times

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TextIO

    import pytest

    from pytest_token_telemetry.analysis.distributions import Axis, Ratios
    from pytest_token_telemetry.report.model import Report, WorstSample
    from pytest_token_telemetry.report.terminal_lines import Line
    from pytest_token_telemetry.text import Sentence

_COLOURS = {"pass": "green", "fail": "red", "skip": "yellow", "warn": "yellow"}
_CONCLUSION_COLOURS = {"pass": "green", "tune": "red", "not-ready": "red", "inconclusive": "yellow"}

LINES = 25
"""What a screen holds, the heading included."""

_MOST_SPREADS = 5
"""Lines of categories that the usual screen has at most; the last sums up those that have none."""

_SPREAD_BARS = 16
"""Bars between the two ends, which stand for all that lies beyond."""

_SPREADS: dict[Axis, tuple[str, int, int]] = {
    "prediction": ("actual / predicted", -2, 1),
    "cap": ("cap / actual", 0, 2),
}
"""What the ratios are, the octave of the first bar, and bins of a bar: caps are many times the output."""

_LEAST_WORST = 2
"""Lines of the worst samples, if there are any: the title, and one of them."""


def show(terminal: pytest.TerminalReporter, report: Report | str, errors: list[str]) -> None:
    """Write the report, or why there is none, then what went wrong in writing it elsewhere."""
    verbosity = terminal.config.get_verbosity()
    if verbosity < 0:
        lines = brief(report, terminal._tw.fullwidth)
    else:
        terminal.write_sep("=", "token telemetry")
        bars = BARS if _encodes(terminal._tw._file, BARS) else ASCII_BARS
        lines = screen(report, terminal._tw.fullwidth, verbosity=verbosity, bars=bars)
    for text, marks in _writable(lines, terminal._tw.fullwidth, terminal._tw._file):
        terminal.write_line(text, **marks)
    for error in errors:  # whole, as pytest writes its own: what it names can be searched for
        terminal.write_line(f"ERROR: {error}", red=True, bold=True)


def _encodes(file: TextIO, text: str) -> bool:
    try:
        text.encode(_encoding(file))
    except UnicodeEncodeError:
        return False
    return True


def _encoding(file: TextIO) -> str:
    return getattr(file, "encoding", None) or "utf-8"


def _writable(lines: list[Line], width: int, file: TextIO) -> Iterator[Line]:
    """``lines`` in letters that ``file`` has: an escape takes its place in the line, which may become longer."""
    for text, marks in lines:
        if _encodes(file, text):
            yield text, marks
            continue
        encoding = _encoding(file)
        own = text.replace("…", "~") if not _encodes(file, "…") else text
        yield from within([(own.encode(encoding, "backslashreplace").decode(encoding), marks)], width)


def brief(report: Report | str, width: int) -> list[Line]:
    """The verdict, the next step and what of the telemetry could not be used: for ``-q``."""
    if isinstance(report, str):
        return wrapped(f"token telemetry: not judged: {report}", width, {"yellow": True})
    said = (f"token telemetry: {report.title}: {words.headline(report)}", words.session_result(report))
    lines = wrapped(" ".join(filter(None, said)), width, {_colour(report): True})
    steps, _ = advice.first_steps(report)
    lines += [line for step in steps for line in wrapped(f"-> {plain(step)}", width, {})]
    return lines + [line for note in unusable_lines(report) for line in wrapped(f"note: {plain(note)}", width, {})]


def _colour(report: Report) -> str:
    """That of the verdict. A PASS in a session that failed is not green."""
    return "yellow" if report.session_failed and report.verdict == "pass" else _CONCLUSION_COLOURS[report.verdict]


def screen(report: Report | str, width: int, *, verbosity: int = 0, bars: str = BARS) -> list[Line]:
    """The verdict on one screen of 80 columns, `LINES` with the heading; all there is to say with a ``verbosity``.

    No sentence is cut: what does not fit is left out whole, and the last line counts what was. A screen that is too
    narrow for what must be seen becomes longer. Long names are cut in tables, unless the ``verbosity`` is 2 or more.
    A PASS leaves single calls to ``verbosity``.
    """
    if isinstance(report, str):
        return wrapped(f"not judged: {report}", width, {"yellow": True})
    everything = _everything(report, width, bars, whole_names=verbosity > 1)
    if verbosity > 0:
        return everything
    most = LINES - 2  # the heading and the last line
    asked_for = [*_asked_for(report, width)]
    judgements = [_judgement(report, width, brevity) for brevity in _Brevity]
    fitting = [lines for lines in judgements[: _Brevity.STEPS] if len(lines) <= most] or judgements[-1:]
    lines = next((each for each in fitting if len(each) + sum(map(len, asked_for)) <= most), fitting[-1])
    figures = [] if lines in judgements[: _Brevity.PASSED] else _figures_not_judged(report, width)
    for sentence in (*asked_for, *figures, *_remarks(report, width, bars)):
        lines += sentence if len(lines) + len(sentence) <= most else []
    worst = [] if report.verdict == "pass" else _worst_samples(report, width)
    left = most - len(lines) - min(len(worst), _LEAST_WORST)
    spreads = (_spreads(report, width, bars, categories) for categories in range(_MOST_SPREADS, 1, -1))
    lines += next((spread for spread in spreads if len(spread) <= left), [])
    if most - len(lines) >= _LEAST_WORST:
        lines += worst[: most - len(lines)]
    more = len(everything) - len(lines)
    return [*lines, (f"-v shows {plural(more, 'more line')}", {})] if more > 0 else lines


def _everything(report: Report, width: int, bars: str, *, whole_names: bool) -> list[Line]:
    told = _judgement(report, width, _Brevity.NONE, folded=False)
    told += chain.from_iterable((*_asked_for(report, width), *_remarks(report, width, bars)))
    told += _spreads(report, width, bars, None) + _worst_samples(report, width)
    return [*told, *_details(report, width, whole_names=whole_names)]


class _Brevity(IntEnum):
    """What the checks leave out on a screen that has no room for all."""

    NONE = 0
    DETAILS_OF_PASSED = 1
    DETAILS = 2
    PASSED = 3
    STEPS = 4
    """Too much for one screen in the next steps: the first one, and of the others those that fit."""


def _judgement(report: Report, width: int, brevity: _Brevity, *, folded: bool = True) -> list[Line]:
    """What must be seen: the headline, the next steps, the checks.

    Readiness that passes is ``folded`` into one line, and drift without a baseline into the remark on it.
    """
    marks = {_colour(report): True, "bold": True}
    head = wrapped(f"{report.title}: {words.headline(report)}", width, marks)
    head += wrapped(words.session_result(report), width, {"red": True})
    checks = _checks(report, width, brevity, folded=folded)
    most = LINES - 2 - len(head) - len(checks) if brevity >= _Brevity.STEPS else None
    return head + _steps(report, width, most) + checks


def _steps(report: Report, width: int, most: int | None) -> list[Line]:
    """What to do next: all steps, or those that all must see, and of the others those that fit into so many lines."""
    first, others = ([], advice.next_steps(report)) if most is None else advice.first_steps(report)
    lines = [line for step in first for line in _step(step, width)]
    for number, step in enumerate([_step(each, width) for each in others]):
        left = wrapped(f"-> {plural(len(others) - number, 'more step')} with -v", width, {"bold": True})
        if most is not None and len(lines) + len(step) + len(left) > most:
            return lines + left
        lines += step
    return lines


def _step(step: Sentence, width: int) -> list[Line]:
    return wrapped(f"-> {plain(step)}", width, {"bold": True})


def _checks(report: Report, width: int, brevity: _Brevity, *, folded: bool) -> list[Line]:
    lines: list[Line] = []
    readiness = words.readiness(report) if folded else None
    if readiness is not None:
        lines += _marked(wrapped(f"pass readiness: {plain(readiness)}", width, {}), "pass")
    for result in report.checks:
        if readiness is not None and result.id.startswith("readiness::"):
            continue
        if folded and isinstance(result, DriftResult) and result.finding == "no-baseline" and result.outcome != "fail":
            continue  # the remark on drift says so
        passed = result.outcome in ("pass", "skip")
        if passed and brevity >= _Brevity.PASSED:
            continue
        said: Sentence = words.message(report, result)
        if brevity >= (_Brevity.DETAILS_OF_PASSED if passed else _Brevity.DETAILS):
            said = first_clause(said)
        lines += _marked(wrapped(f"{result.outcome} {result.id}: {plain(said)}", width, {}), result.outcome)
    return lines


def _figures_not_judged(report: Report, width: int) -> Iterator[list[Line]]:
    """The figures of the checks that were not judged, a line each, for a screen without room for what passed."""
    for result in report.checks:
        if result.outcome == "skip" and isinstance(result, RateResult | RatioResult):
            said = f"skip {result.id}: {plain(first_clause(words.message(report, result)))}"
            yield _marked(wrapped(said, width, {}), "skip")


def _marked(lines: list[Line], outcome: str) -> list[Line]:
    """``lines`` of a check, the first in the colour of its ``outcome``."""
    return [(lines[0][0], {_COLOURS[outcome]: True}), *lines[1:]]


def _asked_for(report: Report, width: int) -> Iterator[list[Line]]:
    """What was asked for besides a verdict, and what was asked for and is not in it: a sentence each."""
    for each in report.not_read.unreadable[:3]:
        yield within([(_unreadable(each.path, each.reason, width), {"red": True})], width)
    for section in sections.held_against(report):
        for sentence in section.sentences:
            yield wrapped(f"{section.title}: {plain(sentence)}", width, {})
    for loss in losses(report):
        yield wrapped(f"note: {plain(loss)}", width, {})


def _remarks(report: Report, width: int, bars: str) -> Iterator[list[Line]]:
    """What to know besides, a sentence each."""
    drawn = str.maketrans(BARS, bars)
    asked_for = {section.title for section in sections.held_against(report)}
    for section in sections.compared(report):
        for sentence in section.sentences if section.title not in asked_for else ():
            yield wrapped(f"{section.title}: {plain(sentence)}".translate(drawn), width, {})
    for note in notes(report)[len(losses(report)) :]:
        yield wrapped(f"note: {plain(note)}", width, {})


def _worst_samples(report: Report, width: int) -> list[Line]:
    worst = sections.worst_calls(report)
    title = f"{sections.title_of_calls(worst).lower()} (actual / predicted):"
    lines: list[Line] = [(title, {}), *((_worst(sample, width), {}) for sample in worst)]
    return within(lines, width) if worst else []


def _spreads(report: Report, width: int, bars: str, most: int | None) -> list[Line]:
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


def _unreadable(path: str, reason: str, width: int) -> str:
    """In one line, with the end of the path, which says most."""
    room = max(width - len("could not be read: : ") - len(reason) - 1, 20)
    return f"could not be read: {cut(inert(path, len(path) * 10)[::-1], room)[::-1]}: {reason}"


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


def _details(report: Report, width: int, *, whole_names: bool) -> Iterator[Line]:
    told = sections.title_of_calls(report.worst)
    for section in (*sections.compared(report), *sections.details(report)):
        if not (section.tables or section.title == _COLLECT) or section.title == told:
            continue
        yield "", {}
        yield from within([(section.title, {"bold": True})], width)
        if section.title == _COLLECT:
            for sentence in section.sentences:
                yield from wrapped(plain(sentence), width, {})
        for i, table in enumerate(section.tables):
            yield from [("", {})] if i else []
            rows: list[Line] = [(line, {}) for line in table_lines(table, width, whole_names=whole_names)]
            yield from rows if whole_names else within(rows, width)
        for remark in section.remarks:
            yield from wrapped(remark, width, {})


_COLLECT = "What to collect"
"""The section that is not told above already, and has no table. The calls with the highest ratios are."""
