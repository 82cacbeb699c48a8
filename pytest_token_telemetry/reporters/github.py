"""The verdict in a GitHub Actions job: annotations, the summary of the step, and its outputs.

A switch asks for it, and not the mere presence of the job's variables: a run of pytest within a test inherits those,
and would speak in the name of the session. Elsewhere the switch has no effect, so that an ini file can turn it on.
"""

from __future__ import annotations

import html
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_token_telemetry.github.runner import LONGEST, annotation, write_line, write_outputs
from pytest_token_telemetry.ids import node_id
from pytest_token_telemetry.reporters import markdown
from pytest_token_telemetry.reporters.places import findings
from pytest_token_telemetry.wording import inert

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import TextIO

    from pytest_token_telemetry.reporters.places import Place
    from pytest_token_telemetry.verdict import Verdict

MOST_ANNOTATIONS = 10
"""GitHub shows no more of a kind for a step."""

LARGEST_SUMMARY = 1_000_000
"""Bytes of all summaries of a step. GitHub drops what is larger than 1 MiB whole."""


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
    verdict: Verdict | str, job: Job, out: TextIO, bases: Sequence[Path], report: Path | None, appended: Path | None
) -> list[str]:
    """Tell ``job`` the verdict, and return one sentence for each part that could not be told.

    Args:
        verdict: the verdict, or why there is none.
        job: whom to tell.
        out: where the runner reads commands.
        bases: the directories in which relative paths of the verdict may lie.
        report: the report file, if one is written.
        appended: a file that has the summary already, and that may be the step's.
    """
    for command in _annotations(verdict, job, bases):
        write_line(out, f"\n{command}")  # whatever stands on the line already
    errors = []
    if job.summary is not None and (appended is None or job.summary.resolve() != appended.resolve()):
        errors += _try("GITHUB_STEP_SUMMARY", _append, job.summary, _summary(verdict))
    if job.outputs is not None:
        errors += _try("GITHUB_OUTPUT", write_outputs, job.outputs, _outputs(verdict, report))
    return errors


def _annotations(verdict: Verdict | str, job: Job, bases: Sequence[Path]) -> Iterator[str]:
    if isinstance(verdict, str):
        yield annotation("warning", f"not judged: {verdict}")
        return
    for found in findings(verdict, MOST_ANNOTATIONS):
        file = _in_repository(found.place, job.workspace, bases)
        line = 1 if found.place is None else found.place.line
        where = f" ({found.place.file}:{line})" if found.place is not None and file is None else ""
        yield annotation(found.severity, f"{found.message}{where}", title=node_id(found.check), file=file, line=line)


def _in_repository(place: Place | None, workspace: Path | None, bases: Sequence[Path]) -> str | None:
    """The path of ``place`` as GitHub knows it; ``None`` if it is no file of the repository."""
    if place is None or workspace is None:
        return None
    root = workspace.resolve()
    try:
        paths = ((base / place.file).resolve() for base in bases)
        found = next((path for path in paths if path.exists() and path.is_relative_to(root)), None)
        return None if found is None else found.relative_to(root).as_posix()
    except (OSError, ValueError):  # too long, or with a NUL: no path at all
        return None


def _summary(verdict: Verdict | str) -> str:
    if isinstance(verdict, str):
        return f"## ⚠️ Token telemetry: no verdict\n\nnot judged: {html.escape(inert(verdict, LONGEST), quote=False)}\n"
    return markdown.render(verdict)


def _outputs(verdict: Verdict | str, report: Path | None) -> dict[str, str]:
    if isinstance(verdict, str):
        return {"verdict": "none", "headline": f"not judged: {verdict}"}
    told = {"verdict": verdict.conclusion, "headline": verdict.headline}
    return told if report is None else {**told, "report": str(report)}


def _append(path: Path, text: str) -> None:
    data = text.encode("utf-8", "backslashreplace")
    with path.open("ab", buffering=0) as file:
        if file.tell() + len(data) > LARGEST_SUMMARY:
            raise OSError(0, f"it would be larger than {LARGEST_SUMMARY:,} bytes")
        file.write(data)


def _try(name: str, write: Callable[..., None], *arguments: object) -> list[str]:
    try:
        write(*arguments)
    except OSError as error:
        return [f"{name} could not be written: {error.strerror or type(error).__name__}"]
    return []
