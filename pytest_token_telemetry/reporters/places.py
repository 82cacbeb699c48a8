"""What a verdict has to say about single lines: of the logs, of the tests, or of the estimator."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pytest_token_telemetry.ids import REPLAY, SOURCES, TRUNCATION, UNDERESTIMATION, WASTE
from pytest_token_telemetry.wording import inert, times

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_token_telemetry.verdict import Check, ReplayReport, Verdict, WorstSample

_OF_ESTIMATOR = (REPLAY, UNDERESTIMATION, TRUNCATION, WASTE)
"""Checks that judge the estimator, if one is replayed."""

_SOURCE = re.compile(r"(?P<file>.+):(?P<line>\d+)|(?P<test>.+) #\d+", re.ASCII | re.DOTALL)
"""As `verdict.source_of` writes it."""


@dataclass(frozen=True, slots=True)
class Place:
    """A line of a file. The path is untrusted."""

    file: str
    """As shown: relative to where pytest was called, or as its user wrote it."""
    line: int


@dataclass(frozen=True, slots=True)
class Finding:
    """One sentence about one place."""

    severity: Literal["error", "warning"]
    check: str
    """The id of the check that it belongs to."""
    message: str
    """On one line, with nothing in it that does not print. What it quotes is untrusted."""
    place: Place | None


def findings(verdict: Verdict, most: int) -> list[Finding]:
    """What ``verdict`` finds, at most ``most``: the checks that failed, those that warn, then what shows it best."""
    errors = [check for check in verdict.checks if check.outcome == "fail"]
    warnings = [check for check in verdict.checks if check.outcome == "warn"]
    found = [Finding("error", check.id, check.message, place_of(check, verdict)) for check in errors]
    found += [Finding("warning", check.id, check.message, place_of(check, verdict)) for check in warnings]
    shown = (evidence for check in errors for evidence in _evidence(check, verdict))
    each_once = {(evidence.message, evidence.place): evidence for evidence in shown}  # a sample may show two checks
    return [*found, *each_once.values()][:most]


def place_of(check: Check, verdict: Verdict) -> Place | None:
    """Where to look first: the estimator if one is judged, else the line that shows best what ``check`` says."""
    if verdict.replay is not None and check.id in _OF_ESTIMATOR:
        return place(verdict.replay.source)
    return next((found.place for found in _evidence(check, verdict)), None)


def first_place(verdict: Verdict) -> Place:
    """Where it all comes from: the first directory, or the first test that recorded."""
    files = [*verdict.settings["dir"], *(file.path.split("::")[0] for file in verdict.sources.files)]
    return Place(next(iter(files), "."), 1)


def place(source: str | None) -> Place | None:
    """The place that ``source`` names: ``file:line``, or a test's sample, whose file begins at line 1."""
    found = _SOURCE.fullmatch(source) if source else None
    if found is None:
        return None
    return Place(found["file"], int(found["line"])) if found["file"] else _file_of(found["test"])


def _file_of(path: str) -> Place:
    """The beginning of a file, or of the file that holds a test."""
    return Place(path.split("::")[0], 1)


def _evidence(check: Check, verdict: Verdict) -> Iterator[Finding]:
    if check.id == SOURCES:
        yield from _not_read(verdict)
    elif check.id == REPLAY and verdict.replay is not None:
        yield from _wrong_answers(verdict.replay)
    elif check.id == UNDERESTIMATION:
        yield from (_sample(check, sample) for sample in verdict.worst if sample.underestimated)
    elif check.id == TRUNCATION:
        yield from (_sample(check, sample) for sample in verdict.cut_off)


def _not_read(verdict: Verdict) -> Iterator[Finding]:
    for path, reason in verdict.sources.unreadable.items():
        yield Finding("warning", SOURCES, f"could not be read: {reason}", _file_of(path))
    for reason, lines in verdict.sources.unusable.items():
        for source in lines.places:
            yield Finding("warning", SOURCES, f"unusable because {reason}", place(source) or _file_of(source))


def _wrong_answers(replay: ReplayReport) -> Iterator[Finding]:
    for error in replay.errors:
        yield Finding(
            "warning", REPLAY, f"for the call at {inert(error.source)}: {inert(error.reason)}", place(replay.source)
        )


def _sample(check: Check, sample: WorstSample) -> Finding:
    what = "cut off" if sample.truncated else "underestimated"
    ratio = "" if sample.ratio is None else f" ({times(sample.ratio)})"
    named = [("category", sample.category), ("task", sample.task_id)]
    names = "".join(f", {kind} {inert(name, 60)}" for kind, name in named if name is not None)
    said = f"{what}: {sample.predicted_output_tokens:,} tokens predicted, {sample.output_tokens:,} output{ratio}{names}"
    return Finding("warning", check.id, said, place(sample.source))
