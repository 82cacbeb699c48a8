"""The verdict in the terminal: one screen, the verdict and the next step first."""

from __future__ import annotations

import textwrap
import unicodedata
from typing import TYPE_CHECKING

from pytest_token_telemetry.reporters import tuning_words
from pytest_token_telemetry.verdict import Untrusted
from pytest_token_telemetry.wording import inert, percent, plural, times
from pytest_token_telemetry.wording import size as in_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Self

    import pytest

    from pytest_token_telemetry.analysis.strata import Stratum
    from pytest_token_telemetry.analysis.tuning import Tuning
    from pytest_token_telemetry.verdict import Cell, Section, Verdict, WorstSample

_COLOURS = {"pass": "green", "fail": "red", "skip": "yellow", "warn": "yellow"}
_CONCLUSION_COLOURS = {"pass": "green", "tune": "red", "not-ready": "red", "inconclusive": "yellow"}

LINES = 25
"""What a screen holds, the heading included."""

_WORST = "most output for its prediction:"

Line = tuple[str, dict[str, bool]]
"""A line and how to mark it."""


def show(terminal: pytest.TerminalReporter, verdict: Verdict | str, errors: list[str]) -> None:
    """Write the verdict, or why there is none, then what went wrong in writing it elsewhere."""
    verbosity = terminal.config.get_verbosity()
    if verbosity < 0:
        lines = [brief(verdict)]
    else:
        terminal.write_sep("=", "token telemetry")
        lines = screen(verdict, terminal._tw.fullwidth, verbose=verbosity > 0)
    for text, marks in lines:
        terminal.write_line(text, **marks)
    for error in errors:
        terminal.write_line(f"ERROR: {error}", red=True, bold=True)


def brief(verdict: Verdict | str) -> Line:
    """All in one line, for ``-q``."""
    if isinstance(verdict, str):
        return f"token telemetry: not judged: {verdict}", {"yellow": True}
    return f"token telemetry: {verdict.title}: {verdict.headline}", {_CONCLUSION_COLOURS[verdict.conclusion]: True}


def screen(verdict: Verdict | str, width: int, *, verbose: bool) -> list[Line]:
    """The verdict on one screen of 80 columns, `LINES` with the heading; all there is to say with ``verbose``."""
    if isinstance(verdict, str):
        return [(f"not judged: {verdict}", {"yellow": True})]
    if verbose:
        return [*_judgement(verdict, width, None), *_remarks(verdict, width, None), *_details(verdict, width)]
    rest = _remarks(verdict, width, 4)
    for most in (3, 2, 1):
        lines = _judgement(verdict, width, most)
        room = LINES - 1 - len(lines)
        if room > 0:
            break
    if len(rest) > room:
        rest = rest[: max(room - 1, 0)]
        if rest and rest[-1][0] == _WORST:
            rest.pop()  # a title of nothing
        rest.append(("... more with -v", {}))
    return lines + rest


def _judgement(verdict: Verdict, width: int, most: int | None) -> list[Line]:
    """What must be seen, each part on at most ``most`` lines: the headline, the next steps, the checks."""
    colour = _CONCLUSION_COLOURS[verdict.conclusion]
    lines = _wrapped(f"{verdict.title}: {verdict.headline}", width, most, {colour: True, "bold": True})
    for step in verdict.advice:
        lines += _wrapped(f"-> {step}", width, most, {"bold": True})
    for check in verdict.checks:
        first, *more = _wrapped(f"{check.outcome} {check.id}: {check.message}", width, most, {})
        lines += [(first[0], {_COLOURS[check.outcome]: True}), *more]
    return lines


def _remarks(verdict: Verdict, width: int, most: int | None) -> list[Line]:
    unreadable = list(verdict.sources.unreadable.items())[:3]
    lines = [(_unreadable(path, reason, width), {"red": True}) for path, reason in unreadable]
    for section in verdict.sections:
        lines += [line for text in section.sentences for line in _wrapped(f"{section.title}: {text}", width, most, {})]
    lines += [line for note in verdict.notes for line in _wrapped(f"note: {note}", width, most, {})]
    if verdict.worst:
        lines += [(_WORST, {}), *((_worst(sample, width), {}) for sample in verdict.worst)]
    return lines


def _unreadable(path: str, reason: str, width: int) -> str:
    """In one line, with the end of the path, which says most."""
    room = max(width - len("could not be read: : ") - len(reason) - 1, 20)
    return f"could not be read: {_cut(inert(path, len(path) * 10)[::-1], room)[::-1]}: {reason}"


def _worst(sample: WorstSample, width: int) -> str:
    """Figures first, then the place, of which the end says most, then the task in what room is left."""
    ratio = "no ratio" if sample.ratio is None else times(sample.ratio)
    cut_off = " cut off" if sample.truncated else ""
    figures = f"{ratio:>8}  {sample.predicted_output_tokens} -> {sample.output_tokens}{cut_off}"
    room = max(width - len(figures) - 5, 20)
    place = _cut(inert(sample.source, len(sample.source) * 10)[::-1], room * 2 // 3)[::-1]
    task = _cut(inert(sample.task_id), room - _columns(place)) if sample.task_id else ""
    return f"{figures}  {place}  {task}".rstrip()


def _columns(text: str) -> int:
    """How wide ``text`` is: Chinese, Japanese and Korean letters and emoji take two columns."""
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)


def _cut(text: str, width: int) -> str:
    """The beginning of ``text`` that fits into ``width`` columns."""
    if _columns(text) <= width:
        return text
    end, room = 0, width - 1
    while (room := room - _columns(text[end])) >= 0:
        end += 1
    return f"{text[:end]}…"


def _wrapped(text: str, width: int, most: int | None, marks: dict[str, bool]) -> list[Line]:
    """``text`` on at most ``most`` lines of less than ``width`` columns, those after the first indented."""
    whole = text.replace(" %", "\0%")  # a figure stays with its percent sign
    lines = textwrap.wrap(whole, width - 1, subsequent_indent="     ", max_lines=most, placeholder=" ...")
    return [(line.replace("\0", " "), marks) for line in lines]


def _details(verdict: Verdict, width: int) -> Iterator[Line]:
    for title, strata in (
        ("category", verdict.strata.category),
        ("complexity", verdict.strata.complexity),
        ("deliverables", verdict.strata.deliverables),
    ):
        yield "", {}
        yield (
            f"{'attempts':>8} {'success':>8} {'trunc.':>7} {'judged':>7} {'under.':>7} {'P50':>8} {'P90':>8}  {title}",
            {},
        )
        for stratum in strata:
            yield _stratum(stratum), {}
    yield "* above its target, proven with all strata looked at together (Holm, 95 %)", {}
    yield "", {}
    for sentence in verdict.plan.sentences:
        yield from _wrapped(sentence, width, None, {})
    for section in verdict.sections:
        if section.columns:
            yield "", {}
            yield from ((line, {}) for line in _table(section))
    if verdict.tuning is not None:
        yield "", {}
        yield from ((line, {}) for line in _tuning(verdict.tuning))
    sources = verdict.sources
    yield "", {}
    yield f"{'samples':>8}  {'file or test' if verdict.counts.tests else 'file'}", {}
    for file in sources.files:
        yield f"{file.samples:>8}  {inert(file.path, width - 11)}", {}
    for path, reason in sources.unreadable.items():
        yield f"{'unread':>8}  {inert(path, 200)}: {reason}", {"red": True}
    for reason, lines in sources.unusable.items():
        yield (
            f"{lines.count:>8}  unusable because {reason}: {', '.join(inert(place, 200) for place in lines.places)}",
            {},
        )


def _table(section: Section) -> Iterator[str]:
    """A section's title and its table: our own figures to the right, what is untrusted to the left."""
    yield section.title
    rows = [[_cell(cell) for cell in row] for row in section.rows]
    cells = [list(section.columns), *rows]
    widths = [max(_columns(row[column]) for row in cells) for column in range(len(section.columns))]
    for row in cells:
        yield "  ".join(
            f"{' ' * (width - _columns(cell))}{cell}" for cell, width in zip(row, widths, strict=True)
        ).rstrip()


def _cell(cell: Cell) -> str:
    return _name(cell.text) if isinstance(cell, Untrusted) else cell


def _stratum(stratum: Stratum) -> str:
    p50, p90 = ("" if value is None else times(value) for value in (stratum.waste_p50, stratum.waste_p90))
    truncated = f"{stratum.truncated}{'*' if stratum.truncation_proven else ''}"
    under = f"{stratum.underestimated}{'*' if stratum.underestimation_proven else ''}"
    return (
        f"{stratum.attempts:>8} {stratum.successes:>8} {truncated:>7} {stratum.risk:>7}"
        f" {under:>7} {p50:>8} {p90:>8}  {_name(stratum.name)}"
    )


def _tuning(tuning: Tuning) -> Iterator[str]:
    head = ("judged", "trunc.", "under.", "multiply by", "then underest.", "waste P90", "at best")
    widths = (6, 6, 6, 11, 19, 16, 7)
    yield f"{_row(head, widths)}  category"
    for advice in (*tuning.categories, *tuning.cells):
        cells = (
            str(advice.n),
            str(advice.truncated),
            str(advice.underestimated),
            tuning_words.multiplier(advice),
            tuning_words.expectation(advice),
            tuning_words.waste(advice.waste_p90),
            tuning_words.spread_floor(advice),
        )
        within = f", {_name(advice.complexity)}" if advice.complexity else ""
        yield f"{_row(cells, widths)}  {_name(advice.name)}{within}"
    yield tuning_words.LEGEND
    for caps in tuning.max_tokens[:1]:
        yield f"{'judged':>6} {_row([f'cap, {percent(cap.risk)} risk' for cap in caps.caps], (17,) * 3)}  category"
    for caps in tuning.max_tokens:
        yield f"{caps.n:>6} {_row(map(tuning_words.cap, caps.caps), (17,) * 3)}  {_name(caps.name)}"
    if tuning.forward is not None:
        yield tuning_words.forward(tuning.forward)


def _row(cells: Iterable[str], widths: Iterable[int]) -> str:
    return " ".join(f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=True))


def _name(untrusted: str | None) -> str:
    return "(not said)" if untrusted is None else inert(untrusted, 40)


class ScanProgress:
    """One line that counts files and bytes while a long scan runs: on a terminal only, and gone when it ends."""

    _BEGIN = 1.0
    """Seconds before the first line."""
    _BETWEEN = 0.2
    """Seconds between two."""

    def __init__(self, terminal: pytest.TerminalReporter | None, clock: Callable[[], float]) -> None:
        self._terminal = terminal if terminal is not None and terminal.isatty else None
        self._clock = clock
        self._began = clock()
        self._next = self._began + self._BEGIN
        self._shown = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._terminal is not None and self._shown:
            self._terminal.rewrite("", erase=True)

    def __call__(self, files: int, size: int) -> None:
        """Say how far the scan is."""
        if self._terminal is None:
            return
        now = self._clock()
        if now >= self._next:
            self._next = now + self._BETWEEN
            self._shown = True
            rate = in_bytes(size / (now - self._began))
            said = f"{plural(files, 'file')}, {in_bytes(size)}, {rate}/s"
            self._terminal.rewrite(f"reading token telemetry: {said}", erase=True)
