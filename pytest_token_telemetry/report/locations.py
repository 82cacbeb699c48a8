"""What the report has to say about single lines: of the logs, of the tests, or of the estimator."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pytest_token_telemetry.gate.checks import ALL_READ, CHECK_BY_ID, REPLAY, TRUNCATION, UNDERESTIMATION
from pytest_token_telemetry.option import ROOT
from pytest_token_telemetry.report import words
from pytest_token_telemetry.text import inert, plain, times

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_token_telemetry.gate.replay_report import ReplayReport
    from pytest_token_telemetry.gate.results import Result
    from pytest_token_telemetry.report.model import Report, WorstSample

_SOURCE = re.compile(r"(?P<file>.+):(?P<line>\d+)|(?P<test>.+) #\d+", re.ASCII | re.DOTALL)
"""As `report.source_of` writes it."""

_TABLE = re.compile(r"[a-z][a-z0-9+_]*://.*: .*:\d+", re.ASCII | re.DOTALL)
"""A row of a table of a database."""


@dataclass(frozen=True, slots=True)
class Place:
    """A line of a file. The path is untrusted."""

    file: str
    """As shown: relative to where pytest was called, or as its user wrote it."""
    line: int


@dataclass(frozen=True, slots=True)
class Pointer:
    """One sentence about one place."""

    severity: Literal["error", "warning"]
    check: str
    """The id of the check that it belongs to."""
    message: str
    """On one line, with nothing in it that does not print. What it quotes is untrusted."""
    place: Place | None
    is_check: bool = False
    """True if it is what the check says, and not an example of it."""


def pointers(report: Report, most: int) -> list[Pointer]:
    """What ``report`` finds, at most ``most``: the checks that failed, those that warn, then what shows it best."""
    errors = [result for result in report.checks if result.outcome == "fail"]
    warnings = [result for result in report.checks if result.outcome == "warn"]
    found = [_check("error", result, report) for result in errors]
    found += [_check("warning", result, report) for result in warnings]
    shown = (evidence for result in errors for evidence in _evidence(result, report))
    each_once = {(evidence.message, evidence.place): evidence for evidence in shown}  # a sample may show two checks
    return [*found, *each_once.values()][:most]


def _check(severity: Literal["error", "warning"], result: Result, report: Report) -> Pointer:
    said = plain(words.message(report, result))
    return Pointer(severity, result.id, said, place_of(result, report), is_check=True)


def place_of(result: Result, report: Report) -> Place | None:
    """Where to look first: the estimator if one is judged, else the line that shows best what ``result`` says."""
    check = CHECK_BY_ID.get(result.id)
    if report.estimator is not None and check is not None and check.judges_estimator:
        return place(report.estimator.source)
    return next((found.place for found in _evidence(result, report)), None)


def first_place(report: Report) -> Place:
    """The first file that was read, for what no line shows.

    Where none was, it is what no reporter finds in a checkout: one that looks for a directory, or for the name of a
    class, may come upon another file of that name.
    """
    local = (each.path for each in report.sources if each.kind != "table" and "://" not in each.path)
    return Place(next((path.split("::")[0] for path in local if path), f"{ROOT}::no-file"), 1)


def place(source: str | None) -> Place | None:
    """The place that ``source`` names: ``file:line``, or a test's sample, whose file begins at line 1; no database."""
    found = _SOURCE.fullmatch(source) if source and not _TABLE.fullmatch(source) else None
    if found is None:
        return None
    return Place(found["file"], int(found["line"])) if found["file"] else _file_of(found["test"])


def _file_of(path: str) -> Place:
    """The beginning of a file, or of the file that holds a test."""
    return Place(path.split("::")[0], 1)


def _evidence(result: Result, report: Report) -> Iterator[Pointer]:
    if result.id == ALL_READ.id:
        yield from _not_read(report)
    elif result.id == REPLAY.id and report.estimator is not None:
        yield from _wrong_answers(report.estimator)
    elif result.id == UNDERESTIMATION.id:
        yield from (_sample(result, sample) for sample in report.worst if sample.underestimated)
    elif result.id == TRUNCATION.id:
        yield from (_sample(result, sample) for sample in report.cut_off)


def _not_read(report: Report) -> Iterator[Pointer]:
    for each in report.not_read.unreadable:
        what = "read only in part" if each.path in report.read_in_part else "could not be read"
        yield Pointer("warning", ALL_READ.id, f"{what}: {inert(each.reason)}", _file_of(each.path))
    for reason, lines in report.counts.unusable.reasons.items():
        for source in lines.places:
            message = f"unusable because {inert(reason)}"
            yield Pointer("warning", ALL_READ.id, message, place(source) or _file_of(source))


def _wrong_answers(replay: ReplayReport) -> Iterator[Pointer]:
    for error in replay.errors:
        message = f"for the call at {inert(error.source)}: {inert(error.reason)}"
        yield Pointer("warning", REPLAY.id, message, place(replay.source))


def _sample(result: Result, sample: WorstSample) -> Pointer:
    what = "truncated" if sample.truncated else "underestimated"
    ratio = "" if sample.ratio is None else f" ({times(sample.ratio)})"
    called = [("category", sample.category), ("task", sample.task_id)]
    names = "".join(f", {kind} {inert(name, 60)}" for kind, name in called if name is not None)
    predicted = sample.predicted_output_tokens
    tokens = "" if predicted is None else f"{predicted:,} tokens predicted, "
    said = f"{what}: {tokens}{sample.output_tokens:,} output{ratio}{names}"
    return Pointer("warning", result.id, said, place(sample.source))
