"""The verdict in the terminal: one screen, the verdict and the next step first."""

from __future__ import annotations

import re
from enum import IntEnum
from itertools import chain
from typing import TYPE_CHECKING, TypeAlias

from pytest_token_telemetry.gate.checks.coverage import LONGEST_TYPED, OR_ANY
from pytest_token_telemetry.gate.checks.rates import NOT_JUDGED
from pytest_token_telemetry.gate.results import DriftResult
from pytest_token_telemetry.option import flag
from pytest_token_telemetry.option_types import ANY
from pytest_token_telemetry.report import advice, sections, words
from pytest_token_telemetry.report.notes import NOTE, losses, notes
from pytest_token_telemetry.report.terminal_calls import LEAST_WORST, MOST_SPREADS, spreads, worst_samples
from pytest_token_telemetry.report.terminal_lines import cut, table_lines, within, wrapped
from pytest_token_telemetry.text import ASCII_BARS, BARS, first_clause, inert, listing, plain, plural

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import TextIO

    import pytest

    from pytest_token_telemetry.gate.results import Result
    from pytest_token_telemetry.report.model import Report
    from pytest_token_telemetry.report.terminal_lines import Line
    from pytest_token_telemetry.text import Sentence

_COLOURS = {"pass": "green", "fail": "red", "skip": "yellow", "warn": "yellow"}
_CONCLUSION_COLOURS = {"pass": "green", "tune": "red", "not-ready": "red", "inconclusive": "yellow"}

LINES = 25
"""What a screen holds, the heading included."""


def show(
    terminal: pytest.TerminalReporter, report: Report | str, errors: list[str], written: Sequence[str] = ()
) -> None:
    """Write the report, or why there is none, which files were ``written``, and what went wrong in writing others."""
    verbosity = terminal.config.get_verbosity()
    if verbosity < 0:
        lines = brief(report, terminal._tw.fullwidth)
    else:
        terminal.write_sep("=", "token telemetry")
        bars = BARS if _encodes(terminal._tw._file, BARS) else ASCII_BARS
        lines = screen(report, terminal._tw.fullwidth, verbosity=verbosity, bars=bars, written=written)
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
    """The verdict, the next step and what every report must tell besides: for ``-q``."""
    if isinstance(report, str):
        return wrapped(f"token telemetry: not judged: {report}", width, {"yellow": True})
    said = (f"token telemetry: {report.title}: {words.headline(report)}", words.session_result(report))
    lines = wrapped(" ".join(filter(None, said)), width, {_colour(report): True})
    steps, _ = advice.first_steps(report)
    lines += [line for step in steps for line in wrapped(f"-> {_short(step)}", width, {})]
    return lines + [line for told in sections.vital(report) for line in _told(*told, width)]


def _colour(report: Report) -> str:
    """That of the verdict. A PASS in a session that failed is not green."""
    return "yellow" if report.session_failed and report.verdict == "pass" else _CONCLUSION_COLOURS[report.verdict]


def screen(
    report: Report | str, width: int, *, verbosity: int = 0, bars: str = BARS, written: Sequence[str] = ()
) -> list[Line]:
    """The verdict on one screen of 80 columns, `LINES` with the heading; all there is to say with a ``verbosity``.

    No sentence is cut: what does not fit is left out whole, and the last line counts what was. A screen that is too
    narrow for what must be seen becomes longer. Long names are cut in tables, unless the ``verbosity`` is 2 or more.
    A PASS leaves single calls to ``verbosity``.

    ``written``: the files that were written, as the user named them.
    """
    if isinstance(report, str):
        return wrapped(f"not judged: {report}", width, {"yellow": True})
    everything = _everything(report, width, bars, whole_names=verbosity > 1)
    files = wrapped(f"wrote {listing(inert(each) for each in written)}", width, {}) if written else []
    if verbosity > 0:
        return everything + files
    lines = _one_screen(report, width, bars, LINES - 2 - len(files))  # without the heading and the last line
    more = len(everything) - len(lines)
    return [*lines, *files, *([(f"-v shows {plural(more, 'more line')}", {})] if more > 0 else [])]


def _everything(report: Report, width: int, bars: str, *, whole_names: bool) -> list[Line]:
    told = _head(report, width) + [line for step in advice.next_steps(report) for line in _step(step, width)]
    told += [line for result in report.checks for line in _check(report, result, width)]
    told += [line for _, lines in (*_asked_for(report, width), *_remarks(report, width, bars)) for line in lines]
    told += spreads(report, width, bars, None) + worst_samples(report, width)
    return [*told, *_details(report, width, whole_names=whole_names)]


class _Rank(IntEnum):
    """What has room on a screen first, as ``docs/reports.md`` lists it."""

    MUST = 0
    """The verdict, the first next step and those that mend what failed, and the checks that failed or warn."""
    VITAL = 1
    RISK = 2
    """The other checks of Tier 1."""
    STEPS = 3
    LOSSES = 4
    CHECKS = 5
    COMPARED = 6
    DETAILS = 7
    """What checks say behind their figure: those that failed or warn."""
    DETAILS_OF_PASSED = 8
    REMARKS = 9


_Slot: TypeAlias = "dict[_Rank, list[Line]]"
"""Something that a screen may show, by what has room for it: a shorter form comes before a longer one."""


def _one_screen(report: Report, width: int, bars: str, most: int) -> list[Line]:
    """What ``most`` lines have room for: the most important first, then bars and single calls.

    That data is not ready to be judged is told of all figures, or by the verdict alone.
    """
    every = [*_checks(report, width, _short)]
    others = [*_checks(report, width, lambda said: _short(said).removesuffix(NOT_JUDGED))]
    lines, shown = _shown_with(every, report, width, bars, most)
    tells = (one[max(one)] if one != other else told for one, other, told in zip(every, others, shown, strict=True))
    if [*tells] != shown:
        lines, _ = _shown_with(others, report, width, bars, most)
    worst = [] if report.verdict == "pass" else worst_samples(report, width)
    left = most - len(lines) - min(len(worst), LEAST_WORST)
    drawn = (spreads(report, width, bars, categories) for categories in range(MOST_SPREADS, 1, -1))
    lines += next((each for each in drawn if len(each) <= left), [])
    return lines + (worst[: most - len(lines)] if most - len(lines) >= LEAST_WORST else [])


def _shown_with(
    checks: Sequence[_Slot], report: Report, width: int, bars: str, most: int
) -> tuple[list[Line], list[list[Line]]]:
    """What ``most`` lines have room for, and what is among it of each of the ``checks``."""
    _, others = advice.first_steps(report)
    steps = [
        {_Rank.STEPS if step in others else _Rank.MUST: _step(step, width, _short)}
        for step in advice.next_steps(report)
    ]
    besides = (*_asked_for(report, width), *_remarks(report, width, bars))
    slots: list[_Slot] = [{_Rank.MUST: _head(report, width)}, *steps, {}, *checks]
    slots += [{rank: lines} for rank, lines in besides]
    shown, more = _fitting(slots, most), len(steps) + 1
    if not all(shown[:more]):
        slots[more] = {_Rank.VITAL: _more_steps(len(others), width)}
        shown = _fitting(slots, most)
        if shown[more]:
            shown[more] = _more_steps(sum(not lines for lines in shown[:more]), width)
    return [*chain.from_iterable(shown)], shown[more + 1 : more + 1 + len(checks)]


def _fitting(slots: list[_Slot], most: int) -> list[list[Line]]:
    """What is shown of each of the ``slots``: what must be, and of all else what fits into ``most`` lines with it."""
    shown: list[list[Line]] = [[] for _ in slots]
    for rank in _Rank:
        for place, slot in enumerate(slots):
            lines = slot.get(rank, shown[place])
            if rank == _Rank.MUST or sum(map(len, shown)) - len(shown[place]) + len(lines) <= most:
                shown[place] = lines
    return shown


def _more_steps(count: int, width: int) -> list[Line]:
    return wrapped(f"-> {plural(count, 'more step')} with -v", width, {"bold": True})


def _head(report: Report, width: int) -> list[Line]:
    head = wrapped(f"{report.title}: {words.headline(report)}", width, {_colour(report): True, "bold": True})
    return head + wrapped(words.session_result(report), width, {"red": True})


def _step(step: Sentence, width: int, say: Callable[[Sentence], str] = plain) -> list[Line]:
    return wrapped(f"-> {say(step)}", width, {"bold": True})


def _short(sentence: Sentence) -> str:
    """``sentence`` with a setting that fits no line as ``=any (or =NAME,NAME,...)``: `screen` has it with ``-v``."""

    def shortened(found: re.Match[str]) -> str:
        typed, option = found[1], found[2]
        return found[0] if len(typed) <= LONGEST_TYPED else f"{option}={ANY} (or =NAME,NAME,...)"

    return _SETTING.sub(shortened, plain(sentence))


_SETTING = re.compile(rf'("?({re.escape(flag("require_"))}[a-z]+)=.*){re.escape(OR_ANY)}')
"""The setting that fits the data, whose names may have blanks."""


def _checks(report: Report, width: int, say: Callable[[Sentence], str]) -> Iterator[_Slot]:
    """The checks. Readiness that passes is one line, and drift without a baseline is left to the remark on it."""
    readiness = words.readiness(report)
    if readiness is not None:
        yield {_Rank.CHECKS: _marked(wrapped(f"pass readiness: {plain(readiness)}", width, {}), "pass")}
    for result in report.checks:
        if readiness is not None and result.id.startswith("readiness::"):
            continue
        if isinstance(result, DriftResult) and result.finding == "no-baseline" and result.outcome != "fail":
            continue
        decides = result.outcome in ("fail", "warn")
        others = _Rank.RISK if result.id.startswith("tier1::") and not result.unasked else _Rank.CHECKS
        yield {
            _Rank.MUST if decides else others: _check(report, result, width, whole=False, say=say),
            _Rank.DETAILS if decides else _Rank.DETAILS_OF_PASSED: _check(report, result, width, say=say),
        }


def _check(
    report: Report, result: Result, width: int, *, whole: bool = True, say: Callable[[Sentence], str] = plain
) -> list[Line]:
    """All that a check says, or its figure alone."""
    said = words.message(report, result)
    shown = say(said if whole else first_clause(said))
    return _marked(wrapped(f"{result.outcome} {result.id}: {shown}", width, {}), result.outcome)


def _marked(lines: list[Line], outcome: str) -> list[Line]:
    """``lines`` of a check, the first in the colour of its ``outcome``."""
    return [(lines[0][0], {_COLOURS[outcome]: True}), *lines[1:]]


def _asked_for(report: Report, width: int) -> Iterator[tuple[_Rank, list[Line]]]:
    """What was asked for besides a verdict, and what was asked for and is not in it: a sentence each."""
    for each in report.not_read.unreadable[:3]:
        what = "read only in part" if each.path in report.read_in_part else "could not be read"
        yield _Rank.LOSSES, within([(_unreadable(what, each.path, each.reason, width), {"red": True})], width)
    vital = sections.vital(report)
    for section in sections.held_against(report):
        for sentence in section.sentences:
            told = section.title, sentence
            yield _Rank.VITAL if told in vital else _Rank.COMPARED, _told(*told, width)
    for told in ((NOTE, loss) for loss in losses(report)):
        yield _Rank.VITAL if told in vital else _Rank.LOSSES, _told(*told, width)


def _remarks(report: Report, width: int, bars: str) -> Iterator[tuple[_Rank, list[Line]]]:
    """What to know besides, a sentence each."""
    drawn = str.maketrans(BARS, bars)
    asked_for = {section.title for section in sections.held_against(report)}
    for section in sections.compared(report):
        for sentence in section.sentences if section.title not in asked_for else ():
            yield _Rank.REMARKS, wrapped(f"{section.title}: {plain(sentence)}".translate(drawn), width, {})
    for note in notes(report)[len(losses(report)) :]:
        yield _Rank.REMARKS, _told(NOTE, note, width)


def _told(title: str, sentence: Sentence, width: int) -> list[Line]:
    return wrapped(f"{title}: {plain(sentence)}", width, {})


def _unreadable(what: str, path: str, reason: str, width: int) -> str:
    """In one line, with the end of the path, which says most."""
    room = max(width - len(f"{what}: : ") - len(reason) - 1, 20)
    return f"{what}: {cut(inert(path, len(path) * 10)[::-1], room)[::-1]}: {reason}"


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
