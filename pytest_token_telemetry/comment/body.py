"""The comment: one heading, one sentence and one table of a report, all else folded; or the same of several reports.

Headings, alert and links are made of our own words, numbers and the environment's values.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from pytest_token_telemetry import __version__
from pytest_token_telemetry.comment.hidden_lines import Stamp, Told, footed, marker
from pytest_token_telemetry.comment.links import Linking
from pytest_token_telemetry.report import advice, brief, markdown, sections, words
from pytest_token_telemetry.report.markdown import SIZES, TITLES, Doubt, symbol, title
from pytest_token_telemetry.report.markdown_flavours import GITHUB, written
from pytest_token_telemetry.report.notes import notes
from pytest_token_telemetry.text import LONGEST_EXPLANATION, joined, listing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_token_telemetry.report.markdown import Outlook, Size
    from pytest_token_telemetry.report.markdown_flavours import Flavour
    from pytest_token_telemetry.report.model import Report
    from pytest_token_telemetry.report.tables import Chapter, Section
    from pytest_token_telemetry.text import Sentence

LARGEST_COMMENT = 65_536
"""Characters of a comment that GitHub takes."""

_WORST_FIRST: tuple[Outlook, ...] = ("tune", "not-ready", "none", "inconclusive", "pass")

JOB_RESULTS = {"success": None, "failure": "failed", "cancelled": "was cancelled", "skipped": "was skipped"}
"""How a job can end, as ``needs`` has it, and what to say of one that did not succeed."""

UNVERIFIED = "Figures not verified: whoever wrote the change decides what its run reports."


@dataclass(frozen=True, slots=True)
class Leg:
    """A report, or why there is none: one job of a matrix leaves one."""

    label: str
    """Where it was read from. Untrusted."""
    report: Report | None
    refusal: str = ""
    """In our own words."""
    unjudged: str | None = None
    """Why the gate has no verdict, as the report says it. Untrusted."""
    origin_doubts: tuple[Doubt, ...] = ()
    """Why it may be of another run than the comment."""

    @property
    def outlook(self) -> Outlook:
        """The verdict, or that there is none."""
        return "none" if self.report is None else self.report.verdict

    @property
    def doubts(self) -> tuple[Doubt, ...]:
        """Why its verdict is not to be relied on."""
        return () if self.report is None else (*self.origin_doubts, *markdown.doubts_of(self.report))


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What the comment says beside the reports."""

    name: str
    stamp: Stamp
    run_number: int = 0
    repository_url: str = ""
    """Built from the environment; empty if it says nothing."""
    unverified: bool = False
    job_result: str = ""
    """How the gate's job ended, as GitHub says it; empty: not given."""
    before: Told | None = None
    """The verdict that the comment told until now; ``None`` if there is none, or there is one now."""


def render(legs: list[Leg], frame: Frame) -> str:
    """The comment of one report or of several, the worst first, in less than `LARGEST_COMMENT` characters."""
    ordered = sorted(legs, key=lambda leg: _WORST_FIRST.index(leg.outlook))
    worst = ordered[0].outlook
    told = frame.before if worst == "none" else Told(worst, frame.stamp.commit)

    def comment(size: Size) -> str:
        blocks = markdown.stacked(_blocks(ordered, frame, size))
        foot = _foot(ordered, frame, cut=size is not SIZES[0])
        return footed(f"{marker(frame.name)}\n{blocks}", foot, frame.stamp, told)

    return markdown.fitting(comment)


def _blocks(legs: list[Leg], frame: Frame, size: Size) -> Iterator[str]:
    worst = legs[0]
    doubts = [*dict.fromkeys(doubt for leg in legs for doubt in leg.doubts)]
    of_job = _doubts_of_job(legs, frame)
    yield f"## {title(worst.outlook, [*doubts, *of_job], verified=not frame.unverified)}"
    said = [UNVERIFIED] if frame.unverified else []
    if len(legs) == 1:
        yield _warned([*said, *(each.sentence for each in (*doubts, *of_job))])
        yield from _leg(worst, frame, size)
        return
    in_doubt = sum(bool(leg.doubts) for leg in legs)
    beside = [f"{in_doubt} in doubt: {listing(dict.fromkeys(each.brief for each in doubts))}."] if doubts else []
    yield _warned([*said, *beside, *(each.sentence for each in of_job)])
    alike = sum(leg.outlook == worst.outlook for leg in legs)
    yield f"<p><b>{alike} of {len(legs)} reports: {TITLES[worst.outlook]}.</b></p>"
    rows = [
        (f"{i}", f"{_symbol(leg, frame)} {TITLES[leg.outlook]}", GITHUB.code(leg.label))
        for i, leg in enumerate(legs, 1)
    ]
    yield GITHUB.table(("", "Verdict", "Report"), rows)
    if size.checks == "none":
        return
    for i, leg in enumerate(legs, 1):
        yield f"### {i}. {_symbol(leg, frame)} {TITLES[leg.outlook]}"
        yield " ".join(each.sentence for each in leg.doubts)
        yield from _leg(leg, frame, size)


def _symbol(leg: Leg, frame: Frame) -> str:
    return symbol(leg.outlook, leg.doubts, verified=not frame.unverified)


def _doubts_of_job(legs: list[Leg], frame: Frame) -> list[Doubt]:
    """The doubt about a job that failed though no report says why: it may have died after writing its report."""
    ended = JOB_RESULTS.get(frame.job_result)
    if ended is None or any(leg.report is None or leg.report.fails or leg.report.session_failed for leg in legs):
        return []
    return [Doubt(f"job {ended.rpartition(' ')[2]}", f"The job of the gate {ended}, and no report says why.")]


def _warned(sentences: list[str]) -> str:
    """The one alert of the comment, if there is something to warn of."""
    return GITHUB.lead(" ".join(sentences), "WARNING") if sentences else ""


def _leg(leg: Leg, frame: Frame, size: Size) -> Iterator[str]:
    if leg.report is None:
        yield _without_verdict(leg, frame)
        return
    report, verified = leg.report, not frame.unverified
    commit, url = frame.stamp.commit, frame.repository_url
    write = Linking(report.tracked, f"{url}/blob/{commit}" if url and commit else "")
    first, steps = ([written(write, step) for step in found] for found in advice.first_steps(report))
    asked = "".join(f" {each}" for each in words.question(report))
    yield f"<p><b>{write.own(brief.decisive(report))}</b>{write.own(asked)} {' '.join(first)}</p>"
    if size.checks == "none":
        return
    figures = brief.figures(report, lambda result: markdown.outcome(result, verified=verified).split()[0])
    yield "" if figures is None else markdown.table_of(figures, write, len(figures.rows))
    yield markdown.checks_table(report, brief.failed_besides(report), write, verified=verified)
    if size.details:
        yield _chapter(sections.changed_calls(report), write, size)
    if size.checks == "all":
        yield write.folded("How sure", _how_sure(report, write, size, verified=verified))
    if size.details:
        for chapter in sections.further(report):
            begin = write.bullets(steps) if chapter.title == sections.ADVICE else ""
            end = write.last_line(markdown.about(report)) if chapter.title == sections.DATA else ""
            yield _chapter(chapter, write, size, begin, end)


def _without_verdict(leg: Leg, frame: Frame) -> str:
    """Why there is no verdict, and the one before, which the comment told until now."""
    why = f"The report is not used: {leg.refusal}."
    if leg.unjudged is not None:
        why = f"The gate ended without a verdict: {GITHUB.code(leg.unjudged, LONGEST_EXPLANATION)}"
    if frame.before is None:
        return f"<p>{why}</p>"
    verdict, commit = TITLES[frame.before.verdict], frame.before.commit
    return f"<p>{why}</p>\n<p>The verdict before: {verdict}{commit and f', for <code>{commit[:7]}</code>'}.</p>"


def _how_sure(report: Report, write: Flavour, size: Size, *, verified: bool) -> str:
    """What each figure proves, what it is held against, and what to know of it."""
    ready = words.readiness(report)
    folded: list[Sentence] = [] if ready is None else [joined(("Readiness: ", ready, "."), "")]
    known = [*folded, *words.waivers(report), *notes(report)]
    return write.stacked(
        (
            markdown.checks_table(report, brief.proof(report), write, verified=verified),
            write.bullets(written(write, each) for each in known),
            *(_section(each, write, size) for each in sections.held_against(report)),
        )
    )


def _chapter(chapter: Chapter, write: Flavour, size: Size, begin: str = "", end: str = "") -> str:
    return write.folded(
        chapter.title, write.stacked((begin, *(_section(each, write, size) for each in chapter.sections), end))
    )


def _section(section: Section, write: Flavour, size: Size) -> str:
    sentences = write.bullets(written(write, sentence) for sentence in section.sentences)
    shown = write.stacked((sentences, markdown.tables(section, write, size)))
    return f"<p><b>{section.title}</b></p>\n{shown}" if shown else ""


def _foot(legs: list[Leg], frame: Frame, *, cut: bool) -> str:
    """The visible line of the stamp."""
    said = []
    if judged := [leg.report.created for leg in legs if leg.report is not None]:
        newest = datetime.strptime(max(judged), "%Y-%m-%dT%H:%M:%S%z")
        said.append(f"judged {newest:%Y-%m-%d %H:%M} UTC")
    stamp, url = frame.stamp, frame.repository_url
    if stamp.commit:
        short = f"<code>{stamp.commit[:7]}</code>"
        said.append(f"for [{short}]({url}/commit/{stamp.commit})" if url else f"for {short}")
    if stamp.run.id:
        run = f"run {frame.run_number or stamp.run.id} attempt {stamp.run.attempt}"
        said.append(f"[{run}]({url}/actions/runs/{stamp.run.id}/attempts/{stamp.run.attempt})" if url else run)
    if cut:
        said.append("shortened: the run has the full report")
    said.append(f"pytest-token-telemetry {__version__}")
    return f"<sub>{' · '.join(said)}</sub>"
