"""The comment: verdicts that a reviewer reads in five seconds, then the checks, then the details, folded.

Heading, alert and links are made of our own words, numbers and the environment's values. What a report says in words
stands in HTML blocks only (`markup`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from pytest_token_telemetry import __version__
from pytest_token_telemetry.github import compared, details
from pytest_token_telemetry.github.figures import in_brief, in_full
from pytest_token_telemetry.github.markup import bullets, code, folded, sentence, table
from pytest_token_telemetry.github.report import Count
from pytest_token_telemetry.github.stamp import Stamp, footed, marker
from pytest_token_telemetry.ids import REPLAY
from pytest_token_telemetry.wording import listing, plural

if TYPE_CHECKING:
    from pytest_token_telemetry.github.report import Check, Report

LARGEST = 65_536
"""Characters of a comment that GitHub takes."""

LONGEST = 60_000
"""Characters that we write at most."""

Outlook = Literal["pass", "tune", "not-ready", "inconclusive", "none"]

_WORST_FIRST: tuple[Outlook, ...] = ("tune", "not-ready", "none", "inconclusive", "pass")
_SYMBOLS = {"tune": "❌", "not-ready": "❌", "none": "⚠️", "inconclusive": "⚪", "pass": "✅"}
_TITLES = {
    "tune": "TUNE, tuning needed",
    "not-ready": "NOT READY, collect more",
    "none": "NO VERDICT, a report is missing or not usable",
    "inconclusive": "INCONCLUSIVE, nothing proven",
    "pass": "PASS, no tuning needed",
}
_ALERTS = {"tune": "CAUTION", "not-ready": "WARNING", "none": "WARNING", "inconclusive": "NOTE"}
_OUTCOMES = {"pass": "✅ pass", "fail": "❌ fail", "skip": "⚪ skipped", "warn": "⚠️ warning"}
_OUTCOME_ORDER = {"fail": 0, "warn": 1, "skip": 2, "pass": 3}

UNVERIFIED = (
    "These figures come from this pull request's own run in a fork. Its author decides what that run reports: they are"
    " not verified."
)


@dataclass(frozen=True, slots=True)
class Section:
    """A report, or why there is none."""

    label: str
    """Where it was read from. Untrusted."""
    report: Report | None
    refusal: str = ""
    """In our own words."""

    @property
    def outlook(self) -> Outlook:
        """The verdict, or that there is none."""
        return "none" if self.report is None else self.report.verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What the comment says beside the reports."""

    name: str
    stamp: Stamp
    run_number: int = 0
    repository_url: str = ""
    """Built from the environment; empty if it says nothing."""
    unverified: bool = False


@dataclass(frozen=True, slots=True)
class _Size:
    """How much a comment shows."""

    worst: int
    rows: int
    sentences: int
    checks: Literal["all", "failing", "none"]
    compared: Literal["all", "figures", "none"]
    """``figures`` are all but the sessions before and the predictions that changed most."""


_SIZES = (
    _Size(5, 20, 20, "all", "all"),
    _Size(5, 20, 20, "all", "figures"),
    _Size(3, 5, 10, "all", "figures"),
    _Size(0, 0, 5, "all", "figures"),
    _Size(0, 0, 0, "failing", "figures"),
    _Size(0, 0, 0, "failing", "none"),
    _Size(0, 0, 0, "none", "none"),
)
"""The size ladder: the first that fits. The step summary of the run has everything."""


@dataclass(slots=True)
class _Text:
    blocks: list[str] = field(default_factory=list)

    def add(self, *blocks: str) -> None:
        self.blocks += (block for block in blocks if block)


def render(sections: list[Section], frame: Frame) -> str:
    """The comment of one report or of several, the worst first, in less than `LARGEST` characters."""
    ordered = sorted(sections, key=lambda section: _WORST_FIRST.index(section.outlook))
    for size in _SIZES:
        text = footed(_content(ordered, frame, size), _foot(ordered, frame, cut=size is not _SIZES[0]), frame.stamp)
        if len(text) <= LONGEST:
            break
    return text


def _content(sections: list[Section], frame: Frame, size: _Size) -> str:
    text = _Text([marker(frame.name)])
    worst = sections[0]
    text.add(_heading(worst.outlook, frame), _lead(sections, frame))
    if len(sections) == 1:
        text.add(*(_section(worst, size, frame) if worst.report else []))  # the lead says why there is none
    else:
        text.add(_overview(sections, frame))
        if size.checks != "none":
            for i, section in enumerate(sections, 1):
                text.add(f"### {i}. {_symbol(section.outlook, frame)} {_TITLES[section.outlook]}")
                text.add(*_section(section, size, frame))
    head, *rest = text.blocks
    return "\n\n".join((f"{head}\n{rest[0]}", *rest[1:]))


def _heading(worst: Outlook, frame: Frame) -> str:
    unverified = " (unverified)" if frame.unverified and worst != "none" else ""
    return f"## {_symbol(worst, frame)} Token telemetry: {_TITLES[worst]}{unverified}"


def _symbol(outlook: Outlook, frame: Frame) -> str:
    """Nothing that was not verified is green."""
    return "⚪" if outlook == "pass" and frame.unverified else _SYMBOLS[outlook]


def _lead(sections: list[Section], frame: Frame) -> str:
    """The verdict in a sentence, in an alert if it is none to be glad of: one at most, as GitHub's design asks."""
    worst = sections[0]
    words = f"**{_in_a_sentence(worst)}**"
    if len(sections) > 1:
        alike = sum(section.outlook == worst.outlook for section in sections)
        words = f"**{alike} of {len(sections)} reports: {_TITLES[worst.outlook]}.**"
    if frame.unverified:
        return f"> [!WARNING]\n> **{UNVERIFIED}**\n\n{words}"
    alert = _ALERTS.get(worst.outlook)
    return f"> [!{alert}]\n> {words}" if alert else words


def _in_a_sentence(section: Section) -> str:
    report = section.report
    if report is None:
        return f"The report is not used: {section.refusal}."
    match report.verdict:
        case "tune":
            exceeded = [check for check in report.checks if check.outcome == "fail" and not check.inconclusive]
            return f"Tuning needed: {listing([in_brief(check) for check in exceeded[:_NAMED]])}."
        case "not-ready" if why := _does_not_replay(report):
            return f"The estimator cannot be judged: {why}."
        case "not-ready":
            return "Not enough representative data to judge the estimator: collect more, do not tune."
        case "inconclusive" if report.deselected:
            return "No verdict: not all checks took part."
        case "inconclusive":
            return "The data proves neither that the estimator meets its targets nor that it misses them."
        case "pass":
            rates = [in_brief(check) for check in report.checks if check.id.startswith("tier1::")]
            return f"No tuning needed: {listing(rates)}."


def _does_not_replay(report: Report) -> str:
    """Why the estimator cannot be judged by the recorded calls; empty if it can, or there are none."""
    check = next((check for check in report.checks if check.id == REPLAY), None)
    if report.replay is None or not report.replay.calls or check is None or check.outcome == "pass":
        return ""
    short = isinstance(check.figure, Count) and check.figure.missing
    return (
        "it does not replay enough of the recorded calls"
        if short or not report.replay.replayed
        else "not all of its answers are predictions"
    )


_NAMED = 3
"""Checks that the alert names."""


def _overview(sections: list[Section], frame: Frame) -> str:
    rows = [
        (f"{i}", f"{_symbol(section.outlook, frame)} {_TITLES[section.outlook]}", code(section.label))
        for i, section in enumerate(sections, 1)
    ]
    return table(("", "verdict", "report"), rows)


def _section(section: Section, size: _Size, frame: Frame) -> list[str]:
    """The blocks of one report."""
    report = section.report
    if report is None:
        return ["" if size.checks == "none" else f"The report is not used: {section.refusal}."]
    return [
        _checks(report, size, frame),
        *(_compared(report, frame) if size.compared != "none" else []),
        _what_next(report, size, frame),
        bullets(sentence(note, quoted=frame.unverified) for note in report.notes[: size.sentences]),
        *(_past(report) if size.compared == "all" else []),
        folded("Most output for its prediction", details.worst(report.worst[: size.worst])),
        folded("Tuning advice", details.tuning(report, size.rows)),
        f"<p>{_judged(report)}</p>" if size.checks != "none" else "",
    ]


def _checks(report: Report, size: _Size, frame: Frame) -> str:
    """Those that failed come first, and among those that ended alike the ones about the estimator."""
    shown = [
        check
        for check in sorted(report.checks, key=lambda check: (_OUTCOME_ORDER[check.outcome], _tier(check)))
        if size.checks == "all" or (size.checks == "failing" and check.outcome == "fail")
    ]
    if not shown:
        return ""
    left_out = len(report.checks) - len(shown)
    rows = [(_outcome(check, frame), code(check.id), *in_full(check)) for check in shown]
    return table(("outcome", "check", "measured", "target"), (tuple(map(_unbroken, row)) for row in rows), left_out)


def _tier(check: Check) -> int:
    tier, _, _ = check.id.partition("::")
    return _TIERS.index(tier) if tier in _TIERS else len(_TIERS)


_TIERS = ("tier1", "tier2", "drift", "readiness")
"""By what a reviewer asks first."""


def _unbroken(cell: str) -> str:
    """Keeps a mark and its word, and a figure and its %, on one line: the browser would part them in narrow columns."""
    return _PARTABLE.sub("&nbsp;", cell)


_PARTABLE = re.compile(r"(?<=^[❌✅⚪]) |(?<=^⚠️) |(?<=\d) (?=%)")


def _outcome(check: Check, frame: Frame) -> str:
    if check.inconclusive:
        return "❌ inconclusive" if check.outcome == "fail" else "⚪ inconclusive"
    return "⚪ pass" if check.outcome == "pass" and frame.unverified else _OUTCOMES[check.outcome]


def _compared(report: Report, frame: Frame) -> list[str]:
    """Base against head, and new calls against the baseline."""
    blocks = [] if report.replay is None else compared.replay(report.replay)
    return blocks if report.drift is None else [*blocks, *compared.drift(report.drift, quoted=frame.unverified)]


def _past(report: Report) -> list[str]:
    """What goes first where there is little room: the sessions before, and the predictions that changed most."""
    base = None if report.replay is None else report.replay.base
    return [
        "" if report.history is None else compared.history(report.history),
        "" if base is None else folded("Predictions that changed most", compared.changed(base.changed)),
    ]


def _what_next(report: Report, size: _Size, frame: Frame) -> str:
    steps = bullets(sentence(step, quoted=frame.unverified) for step in report.advice[: size.sentences])
    return f"<p><b>What to do next</b></p>\n{steps}" if steps else ""


def _judged(report: Report) -> str:
    places = [plural(report.files, "file") if report.files or not report.tests else ""]
    places.append(plural(report.tests, "test") if report.tests else "")
    where = listing(filter(None, places))
    words = [f"{report.population} population", f"{plural(report.samples, 'sample')} in {where}"]
    return " · ".join(filter(None, (*words, compared.nothing(report))))


def _foot(sections: list[Section], frame: Frame, *, cut: bool) -> str:
    """The visible line of the stamp."""
    words = []
    if judged := [section.report.created for section in sections if section.report is not None]:
        words.append(f"judged {max(judged):%Y-%m-%d %H:%M} UTC")
    stamp, url = frame.stamp, frame.repository_url
    if stamp.commit:
        short = f"<code>{stamp.commit[:7]}</code>"
        words.append(f"for [{short}]({url}/commit/{stamp.commit})" if url else f"for {short}")
    if stamp.run.id:
        run = f"run {frame.run_number or stamp.run.id} attempt {stamp.run.attempt}"
        words.append(f"[{run}]({url}/actions/runs/{stamp.run.id}/attempts/{stamp.run.attempt})" if url else run)
    if cut:
        words.append("shortened, the run has it all")
    words.append(f"pytest-token-telemetry {__version__}")
    return f"<sub>{' · '.join(words)}</sub>"
