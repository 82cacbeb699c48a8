"""The report as markdown: what a reviewer reads in five seconds, then the details.

The order and the words are the same for everybody, and in the comment on a pull request, which is made of the same
blocks; how they are written is up to a `Flavour`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from pytest_token_telemetry import __version__
from pytest_token_telemetry.report import advice, sections, words
from pytest_token_telemetry.report.markdown_flavours import GITHUB, written
from pytest_token_telemetry.report.notes import notes
from pytest_token_telemetry.text import listing, plural, size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from pytest_token_telemetry.gate.results import Result
    from pytest_token_telemetry.past.history import Conclusion
    from pytest_token_telemetry.report.markdown_flavours import Flavour
    from pytest_token_telemetry.report.model import Report
    from pytest_token_telemetry.report.tables import Section, Table

LONGEST = 60_000
"""Characters. GitHub takes 65,536 in a comment, and whoever posts it adds some."""

Outlook: TypeAlias = 'Conclusion | Literal["none"]'
"""A verdict, or that there is none."""

TITLES: dict[Outlook, str] = {
    "pass": "PASS, no tuning needed",
    "tune": "TUNE, tuning needed",
    "not-ready": "NOT READY, do not tune",
    "inconclusive": "INCONCLUSIVE, nothing proven",
    "none": "NO VERDICT",
}
_ALERTS: dict[Outlook, str] = {"tune": "CAUTION", "not-ready": "WARNING", "none": "WARNING", "inconclusive": "NOTE"}
_SYMBOLS: dict[Outlook, str] = {"pass": "✅", "tune": "❌", "not-ready": "❌", "inconclusive": "⚪", "none": "⚠️"}
_OUTCOMES = {"fail": "❌ fail", "warn": "⚠️ warning", "skip": "⚪ skipped", "pass": "✅ pass"}
"""In the order of importance."""

_TIERS = ("tier1", "tier2", "drift", "readiness")
"""In the order of what a reviewer asks first."""


@dataclass(frozen=True, slots=True)
class Size:
    """How much is shown. The terminal and the JSON report have everything."""

    rows: int
    """Of each table."""
    checks: Literal["all", "failing", "none"] = "all"
    details: bool = True


SIZES = (
    *(Size(rows) for rows in (50, 20, 10, 5, 2)),
    Size(2, details=False),
    Size(0, "failing", details=False),
    Size(0, "none", details=False),
)


def fitting(make: Callable[[Size], str]) -> str:
    """What ``make`` makes at the largest size that has less than `LONGEST` characters."""
    for each in SIZES:
        text = make(each)
        if len(text) <= LONGEST:
            break
    return text


def stacked(blocks: Iterable[str]) -> str:
    """``blocks`` that are not empty, below each other: all of them, or so many that they are longer than `LONGEST`."""
    found: list[str] = []
    room = LONGEST
    for block in filter(None, blocks):
        found.append(block)
        room -= len(block)
        if room < 0:
            break  # fifty large reports take long to render, and this size of them is of no use
    return "\n\n".join(found)


def render(report: Report, write: Flavour = GITHUB) -> str:
    """``report`` as markdown, below the 65,536 characters of a comment."""

    def document(size: Size) -> str:
        doubts = doubts_of(report)
        heading = f"## {title(report.verdict, doubts)}"
        lead = write.lead(write.own(told(words.headline(report), doubts)), alert(report.verdict, doubts))
        blocks = (heading, lead, *body(report, write, size), write.last_line(_last_line(report)))
        return stacked(blocks) + "\n"

    return fitting(document)


@dataclass(frozen=True, slots=True)
class Doubt:
    """Why a verdict is not to be relied on: a word or two for the heading, and a sentence. Both are our own."""

    brief: str
    sentence: str


def doubts_of(report: Report) -> tuple[Doubt, ...]:
    """What the report itself says beside its verdict: that the session failed for another reason."""
    sentence = words.session_result(report)
    if not sentence or report.session is None:
        return ()
    return (Doubt("tests failed" if report.session.tests_failed else "session failed", sentence),)


def title(outlook: Outlook, doubts: Sequence[Doubt] = (), *, verified: bool = True) -> str:
    """The heading's text. Nothing that is not verified, or in doubt, is green."""
    unverified = [] if verified or outlook == "none" else ["unverified"]
    beside = ", ".join(dict.fromkeys([*unverified, *(doubt.brief for doubt in doubts)]))
    return f"{symbol(outlook, doubts, verified=verified)} Token telemetry: {TITLES[outlook]}{beside and f' ({beside})'}"


def symbol(outlook: Outlook, doubts: Sequence[Doubt] = (), *, verified: bool = True) -> str:
    """The mark of a verdict."""
    if outlook == "pass" and doubts:
        return _SYMBOLS["none"]
    return _SYMBOLS["inconclusive" if outlook == "pass" and not verified else outlook]


def alert(outlook: Outlook, doubts: Sequence[Doubt] = ()) -> str | None:
    """The alert that the headline stands in; ``None`` for a PASS that nothing speaks against."""
    return "WARNING" if doubts and outlook in ("pass", "inconclusive") else _ALERTS.get(outlook)


def told(headline: str, doubts: Sequence[Doubt]) -> str:
    """The headline, with a sentence for each doubt."""
    return " ".join((headline, *(doubt.sentence for doubt in doubts)))


def body(report: Report, write: Flavour, size: Size, *, verified: bool = True) -> Iterator[str]:
    """The blocks below the headline. Some may be empty."""
    if size.checks != "none":
        yield write.bullets(written(write, step) for step in advice.next_steps(report))
        yield _checks(report, write, size, verified=verified)
    if size.checks == "all":
        yield write.bullets(written(write, note) for note in notes(report))
        for section in sections.compared(report):
            sentences = write.bullets(written(write, sentence) for sentence in section.sentences)
            yield write.section(section.title, sentences, tables(section, write, size))
    if size.details:
        for section in sections.details(report):
            sentences = write.bullets(written(write, sentence) for sentence in section.sentences)
            yield write.folded(section.title, write.stacked((sentences, tables(section, write, size))))


def _checks(report: Report, write: Flavour, size: Size, *, verified: bool) -> str:
    shown = [result for result in report.checks if size.checks == "all" or result.outcome == "fail"]
    return checks_table(report, shown, write, len(report.checks) - len(shown), verified=verified)


def checks_table(report: Report, shown: Sequence[Result], write: Flavour, more: int = 0, *, verified: bool) -> str:
    """The results ``shown`` with all that each says, the most important first; nothing without any."""
    rows = [
        (
            outcome(result, verified=verified),
            written(write, words.known_id(result.id)).replace("::", " "),
            written(write, words.message(report, result)),
        )
        for result in sorted(shown, key=_importance)
    ]
    return write.table(("Outcome", "Check", "Figure"), rows, more) if rows else ""


def _importance(result: Result) -> tuple[int, int]:
    """Those that failed come first, those that were not asked last, and among others alike the ones about risk."""
    tier = result.id.partition("::")[0]
    place = len(_OUTCOMES) if result.unasked else list(_OUTCOMES).index(result.outcome)
    return place, _TIERS.index(tier) if tier in _TIERS else len(_TIERS)


def outcome(result: Result, *, verified: bool) -> str:
    """A mark and a word for how a check ended."""
    if result.inconclusive:
        return "❌ inconclusive" if result.outcome == "fail" else "⚪ inconclusive"
    return "⚪ pass" if result.outcome == "pass" and not verified else _OUTCOMES[result.outcome]


def tables(section: Section, write: Flavour, size: Size) -> str:
    """The tables of ``section`` with the remarks on them."""
    if not size.rows:
        return ""
    shown = [table_of(table, write, size.rows) for table in section.tables]
    remarks = [write.remark(write.own(remark)) for remark in section.remarks if shown]
    return write.stacked((*shown, *remarks))


def table_of(table: Table, write: Flavour, most: int) -> str:
    """``table`` with ``most`` rows."""
    rows = [[written(write, cell) for cell in row] for row in table.rows[:most]]
    for row, column in table.marked:
        if row < most:
            rows[row][column] = write.strong(rows[row][column])
    more = len(table.rows) - most
    return write.table(tuple(map(write.own, table.columns)), rows, more + max(table.folded - 1, 0) if more > 0 else 0)


def _last_line(report: Report) -> str:
    return f"{about(report)} · pytest-token-telemetry {__version__}"


def about(report: Report) -> str:
    """What was judged, and what it was compared with."""
    counts = report.counts
    places = (
        plural(counts.files, "file") if counts.files or not (counts.tests or counts.tables) else "",
        plural(counts.tables, "table") if counts.tables else "",
        plural(counts.tests, "test") if counts.tests else "",
    )
    where = listing(filter(None, places))
    judged = f"{report.population} population · {plural(counts.samples, 'sample')} in {where}"
    return " · ".join(filter(None, (judged, _scanned(report), _not_compared(report))))


def _scanned(report: Report) -> str:
    """What the reading of files took."""
    scan = report.scan
    if scan is None or not scan.files:
        return ""
    processes = f" by {scan.processes} processes" if scan.processes > 1 else ""
    return f"{size(scan.size)} read in {scan.seconds:.1f} s ({size(scan.rate)}/s){processes}"


def _not_compared(report: Report) -> str:
    """What there is nothing of to compare with: that is said, so that no figure is taken for a change."""
    base = report.estimator is not None and report.estimator.base is not None
    baseline = report.drift is not None and report.drift.drift is not None
    if not base and not baseline:
        return "no baseline, no base estimator: nothing to compare with"
    return "" if base and baseline else "no baseline" if base else "no base estimator"
