"""Write the reports that were asked for, whole or not at all, and remove those of an earlier session."""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING

import pytest

from pytest_token_telemetry.option import flag
from pytest_token_telemetry.settings import OUTPUTS, read_one
from pytest_token_telemetry.writing import append_file, reason, replace_file

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping
    from pathlib import Path
    from typing import TypeAlias

    from pytest_token_telemetry.report.model import Report
    from pytest_token_telemetry.settings import Settings

    Form: TypeAlias = Callable[[Report], str]


def write_reports(
    report: Report,
    settings: Settings,
    only: Collection[str] = OUTPUTS,
    more: Mapping[str, Form] = MappingProxyType({}),
    tell: Callable[[str], object] | None = None,
) -> list[str]:
    """Write the reports of ``settings``, and return one sentence for each that could not be written.

    ``more`` has the forms that are made elsewhere, by the settings that name their files. ``tell`` is called with the
    setting of each report that was written.
    """
    errors = []
    texts = (*_texts(report, settings), *((name, form(report)) for name, form in more.items()))
    for name, text in texts:
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
        else:
            if tell is not None:
                tell(name)
    return errors


def write_no_verdict(path: Path, why: str) -> None:
    """Write to ``path`` that there is no verdict. What cannot be written is told with the verdict."""
    from pytest_token_telemetry.report import json_file

    try:
        if path.is_file() or not path.exists():  # a pipe or a device gets the report alone
            replace_file(path, json_file.render_no_verdict(why))
    except OSError:
        return


def reports_of(config: pytest.Config) -> Iterator[tuple[str, Path]]:
    """The files that the settings name for reports, and the setting of each."""
    for name in OUTPUTS:
        try:
            path: Path | None = read_one(config, name)
        except pytest.UsageError:  # told where all settings are read
            continue
        if path is not None:
            yield name, path


def remove_report(name: str, path: Path) -> str | None:
    """Remove the file at ``path`` if it is a report of ours, as the setting ``name`` has it written.

    Anything else stays until it is written over: it may have been named by mistake.

    Returns:
        Why an earlier report may still be there, in one sentence, if that is so.
    """
    try:
        if name in _MARKS and path.is_file():
            with path.open("rb") as file:
                head = file.read(200)
            if _MARKS[name].search(head):
                path.resolve().unlink()  # a link stays, and the report is written where it leads
    except (FileNotFoundError, ValueError):  # somebody else removed it, or no file can have that name
        return None
    except OSError as error:
        return f"{flag(name)}: {str(path)!r} could not be looked at, or removed as an earlier report: {reason(error)}"
    return None


_MARKS = {
    "json": re.compile(rb'"schema": ?"token-telemetry-report/'),
    "junit": re.compile(rb'<testsuites name="token-telemetry"'),
    "code_quality": re.compile(rb'\A\s*\[\s*\]\s*\Z|"check_name": "token-telemetry::'),  # the first is a clean run's
    "markdown": re.compile(rb" Token telemetry: "),
    "html": re.compile(rb'<meta name="generator" content="token-telemetry-page '),
    "tuning": re.compile(rb'"schema": "token-telemetry-tuning/'),
}
"""What our reports begin with. A summary that is appended has no mark: what stands there is not this session's."""


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
