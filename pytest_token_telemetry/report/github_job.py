"""The verdict in a GitHub Actions job: annotations, the summary of the step, and its outputs.

A switch asks for it, and not the mere presence of the job's variables: a run of pytest within a test inherits those,
and would speak in the name of the session. Elsewhere the switch has no effect, so that an ini file can turn it on.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pytest_token_telemetry.gate.checks import node_id
from pytest_token_telemetry.report import markdown, words
from pytest_token_telemetry.report.locations import pointers
from pytest_token_telemetry.report.markdown_flavours import GITHUB
from pytest_token_telemetry.text import inert
from pytest_token_telemetry.writing import append_file, reason

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import TextIO

    from pytest_token_telemetry.report.locations import Place
    from pytest_token_telemetry.report.model import Report

TITLE = "token-telemetry"

LONGEST_SENTENCE = 1000
"""Characters of a sentence that the runner is told."""

MOST_ANNOTATIONS = 10
"""GitHub shows no more of a kind for a step."""

LARGEST_SUMMARY = 1_000_000
"""Bytes of all summaries of a step. GitHub drops what is larger than 1 MiB whole."""

Level = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Job:
    """What the runner says of the job."""

    workspace: Path | None
    """Where the repository is."""
    summary: Path | None
    outputs: Path | None


def job_of(variables: Mapping[str, str]) -> Job | None:
    """The job that this process is part of; ``None`` outside of GitHub Actions."""
    if variables.get("GITHUB_ACTIONS") != "true":
        return None
    paths = (variables.get(name) for name in ("GITHUB_WORKSPACE", "GITHUB_STEP_SUMMARY", "GITHUB_OUTPUT"))
    return Job(*(Path(path) if path else None for path in paths))


def tell(
    report: Report | str, job: Job, out: TextIO, bases: Sequence[Path], file: Path | None, appended: Path | None
) -> list[str]:
    """Tell ``job`` the report, and return one sentence for each part that could not be told.

    Args:
        report: the report, or why there is none.
        job: whom to tell.
        out: where the runner reads commands.
        bases: the directories in which relative paths of the verdict may lie.
        file: the report file, if one is written.
        appended: a file that has the summary already, and that may be the step's.
    """
    for command in _pointers(report, job, bases):
        write_line(out, f"\n{command}")  # whatever stands on the line already
    errors = []
    if job.summary is not None and (appended is None or job.summary.resolve() != appended.resolve()):
        errors += _append("GITHUB_STEP_SUMMARY", job.summary, _summary(report), LARGEST_SUMMARY)
    if job.outputs is not None:
        errors += write_outputs(job.outputs, _outputs(report, file))
    return errors


def annotation(level: Level, sentence: str, *, title: str = TITLE, file: str | None = None, line: int = 1) -> str:
    """The command that shows ``sentence`` with the run, and beside the line of a file of the repository.

    Nothing in ``sentence`` or ``file`` ends the command or begins another, whoever wrote it.
    """
    places = {} if file is None else {"file": file, "line": str(line)}
    properties = ",".join(f"{name}={_property(value)}" for name, value in {**places, "title": title}.items())
    return f"::{level} {properties}::{_data(sentence)}"


def write_line(out: TextIO, text: str) -> None:
    """Write ``text`` to ``out``, whatever its encoding, and have it read at once."""
    encoding = getattr(out, "encoding", None) or "utf-8"
    out.write(text.encode(encoding, "backslashreplace").decode(encoding) + "\n")
    out.flush()


def write_outputs(path: Path, outputs: Mapping[str, str]) -> list[str]:
    """Add to the step's outputs, each on one line, and return one sentence if they could not be written."""
    lines = (f"{name}={inert(value, LONGEST_SENTENCE)}\n" for name, value in outputs.items())
    return _append("GITHUB_OUTPUT", path, "".join(lines))


def _data(text: str) -> str:
    return inert(text, LONGEST_SENTENCE).replace("%", "%25")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _pointers(report: Report | str, job: Job, bases: Sequence[Path]) -> Iterator[str]:
    if isinstance(report, str):
        yield annotation("warning", f"not judged: {report}")
        return
    for found in pointers(report, MOST_ANNOTATIONS):
        file = _in_repository(found.place, job.workspace, bases)
        line = 1 if found.place is None else found.place.line
        where = f" ({found.place.file}:{line})" if found.place is not None and file is None else ""
        yield annotation(found.severity, f"{found.message}{where}", title=node_id(found.check), file=file, line=line)


def _in_repository(place: Place | None, workspace: Path | None, bases: Sequence[Path]) -> str | None:
    """The path of ``place`` as GitHub knows it; ``None`` if it is not a file of the repository."""
    if place is None or workspace is None:
        return None
    root = workspace.resolve()
    try:
        paths = ((base / place.file).resolve() for base in bases)
        found = next((path for path in paths if path.exists() and path.is_relative_to(root)), None)
        return None if found is None else found.relative_to(root).as_posix()
    except (OSError, ValueError):  # too long, or with a NUL: no path at all
        return None


def _summary(report: Report | str) -> str:
    if isinstance(report, str):
        return f"## {markdown.title('none')}\n\n<p>not judged: {GITHUB.code(report, LONGEST_SENTENCE)}</p>\n"
    return markdown.render(report)


def _outputs(report: Report | str, file: Path | None) -> dict[str, str]:
    if isinstance(report, str):
        return {"verdict": "none", "headline": f"not judged: {report}"}
    told = {"verdict": report.verdict, "headline": words.headline(report)}
    return told if file is None else {**told, "report": str(file)}


def _append(name: str, path: Path, text: str, most: int | None = None) -> list[str]:
    """Add ``text`` to the file that the variable ``name`` names, which may get ``most`` bytes."""
    try:
        append_file(path, text, most)
    except OSError as error:
        return [f"{name} could not be written: {reason(error)}"]
    return []
