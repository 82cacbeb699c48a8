"""Write the reports that were asked for: whole or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_token_telemetry.settings import OUTPUTS, flag
from pytest_token_telemetry.writing import append_file, reason, replace_file

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from pytest_token_telemetry.report.model import Report
    from pytest_token_telemetry.settings import Settings


def write_reports(report: Report, settings: Settings, only: Collection[str] = OUTPUTS) -> list[str]:
    """Write the reports of ``settings``, and return one sentence for each that could not be written."""
    errors = []
    for name, text in _texts(report, settings):
        if name not in only:
            continue
        path: Path = getattr(settings, name)
        try:
            if name == "markdown_append":
                path.parent.mkdir(parents=True, exist_ok=True)
                append_file(path, text)
            else:
                replace_file(path, text)
        except OSError as error:
            errors.append(f"{flag(name)}: {settings.texts[name]!r} could not be written: {reason(error)}")
    return errors


def remove_report(path: Path) -> None:
    """Remove the file at ``path`` if it is a report of ours; anything else stays until it is written over."""
    try:
        if path.is_file():
            with path.open("rb") as file:
                head = file.read(200)
            if head.strip() == _NOTHING_FOUND or any(mark in head for mark in _MARKS):
                path.unlink()
    except OSError:
        return  # then writing fails too, and says so


_MARKS = (
    b'"schema": "token-telemetry-',
    b'<testsuites name="token-telemetry"',
    b" Token telemetry: ",
    b'"check_name": "token-telemetry::',
)
"""What our reports begin with."""

_NOTHING_FOUND = b"[]"
"""A whole Code Quality report. If it is not ours, nothing is lost with it; if it is, it would pass for a clean run."""


def _texts(report: Report, settings: Settings) -> Iterator[tuple[str, str]]:
    """Each form that is asked for, by the setting that names its file."""
    if settings.json:
        from pytest_token_telemetry.report import json_file

        yield "json", json_file.render(report)
    if settings.junit:
        from pytest_token_telemetry.report import junit

        yield "junit", junit.render(report, settings.junit_family)
    if settings.code_quality:
        from pytest_token_telemetry.report import code_quality

        yield "code_quality", code_quality.render(report)
    if settings.markdown or settings.markdown_append:
        from pytest_token_telemetry.report import markdown, markdown_flavours

        summary = markdown.render(report, markdown_flavours.FLAVOURS[settings.markdown_flavour])
        yield from ((name, summary) for name in ("markdown", "markdown_append") if getattr(settings, name))
    if settings.tuning and report.tuning is not None:
        from pytest_token_telemetry.report import json_file

        yield "tuning", json_file.render_tuning(report.tuning, settings.alias)
