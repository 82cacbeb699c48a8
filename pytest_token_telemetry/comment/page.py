"""The comment: the markdown of one report or of several, below one heading and above a line that says which run it is.

Headings, alert and links are made of our own words, numbers and the environment's values.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from pytest_token_telemetry import __version__
from pytest_token_telemetry.comment.hidden_lines import Stamp, footed, marker
from pytest_token_telemetry.report import markdown, words
from pytest_token_telemetry.report.markdown import SIZES, TITLES, Doubt, alert, symbol, title
from pytest_token_telemetry.report.markdown_flavours import GITHUB
from pytest_token_telemetry.text import listing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_token_telemetry.report.markdown import Outlook, Size
    from pytest_token_telemetry.report.model import Report

LARGEST_COMMENT = 65_536
"""Characters of a comment that GitHub takes."""

_WORST_FIRST: tuple[Outlook, ...] = ("tune", "not-ready", "none", "inconclusive", "pass")

JOB_RESULTS = {"success": None, "failure": "failed", "cancelled": "was cancelled", "skipped": "was skipped"}
"""How a job can end, as ``needs`` has it, and what to say of one that did not succeed."""

UNVERIFIED = (
    "These figures come from this pull request's own run in a fork. Its author decides what that run reports: they are"
    " not verified."
)


@dataclass(frozen=True, slots=True)
class Leg:
    """A report, or why there is none: one job of a matrix leaves one."""

    label: str
    """Where it was read from. Untrusted."""
    report: Report | None
    refusal: str = ""
    """In our own words."""
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

    @property
    def headline(self) -> str:
        """The verdict in a sentence, or why there is none."""
        return f"The report is not used: {self.refusal}." if self.report is None else words.headline(self.report)


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


def render(legs: list[Leg], frame: Frame) -> str:
    """The comment of one report or of several, the worst first, in less than `LARGEST_COMMENT` characters."""
    ordered = sorted(legs, key=lambda leg: _WORST_FIRST.index(leg.outlook))

    def page(size: Size) -> str:
        blocks = markdown.stacked(_blocks(ordered, frame, size))
        foot = _foot(ordered, frame, cut=size is not SIZES[0])
        return footed(f"{marker(frame.name)}\n{blocks}", foot, frame.stamp)

    return markdown.fitting(page)


def _blocks(legs: list[Leg], frame: Frame, size: Size) -> Iterator[str]:
    worst = legs[0]
    doubts = [*dict.fromkeys(doubt for leg in legs for doubt in leg.doubts)]
    of_job = _doubts_of_job(legs, frame)
    yield f"## {title(worst.outlook, [*doubts, *of_job], verified=not frame.unverified)}"
    yield _lead(legs, doubts, of_job, frame)
    if len(legs) == 1:
        yield from _leg(worst, frame, size)
        return
    rows = [
        (f"{i}", f"{_symbol(leg, frame)} {TITLES[leg.outlook]}", GITHUB.code(leg.label))
        for i, leg in enumerate(legs, 1)
    ]
    yield GITHUB.table(("", "Verdict", "Report"), rows)
    if size.checks == "none":
        return
    for i, leg in enumerate(legs, 1):
        yield f"### {i}. {_symbol(leg, frame)} {TITLES[leg.outlook]}"
        yield markdown.told(leg.headline, leg.doubts)
        yield from _leg(leg, frame, size)


def _symbol(leg: Leg, frame: Frame) -> str:
    return symbol(leg.outlook, leg.doubts, verified=not frame.unverified)


def _doubts_of_job(legs: list[Leg], frame: Frame) -> list[Doubt]:
    """The doubt about a job that failed though no report says why: it may have died after writing its report."""
    ended = JOB_RESULTS.get(frame.job_result)
    if ended is None or any(leg.report is None or leg.report.fails or leg.report.session_failed for leg in legs):
        return []
    return [Doubt(f"job {ended.rpartition(' ')[2]}", f"The job of the gate {ended}, and no report says why.")]


def _lead(legs: list[Leg], doubts: list[Doubt], of_job: list[Doubt], frame: Frame) -> str:
    """The verdict in a sentence, in an alert unless it is a PASS without doubts: GitHub's design asks for one only."""
    worst = legs[0]
    headline = markdown.told(worst.headline, [*doubts, *of_job])
    if len(legs) > 1:
        alike = sum(leg.outlook == worst.outlook for leg in legs)
        in_doubt = sum(bool(leg.doubts) for leg in legs)
        beside = f" {in_doubt} in doubt: {listing(dict.fromkeys(each.brief for each in doubts))}." if doubts else ""
        headline = markdown.told(f"{alike} of {len(legs)} reports: {TITLES[worst.outlook]}.{beside}", of_job)
    if frame.unverified:
        return f"{GITHUB.lead(UNVERIFIED, 'WARNING')}\n\n{GITHUB.lead(headline, None)}"
    return GITHUB.lead(GITHUB.own(headline), alert(worst.outlook, [*doubts, *of_job]))


def _leg(leg: Leg, frame: Frame, size: Size) -> Iterator[str]:
    if leg.report is not None:
        yield from markdown.body(leg.report, GITHUB, size, verified=not frame.unverified)
        if size.checks != "none":
            yield GITHUB.last_line(markdown.about(leg.report))


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
        said.append("shortened, the run has it all")
    said.append(f"pytest-token-telemetry {__version__}")
    return f"<sub>{' · '.join(said)}</sub>"
