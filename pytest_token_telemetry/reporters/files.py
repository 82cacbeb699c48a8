"""Write the reports that were asked for: whole or not at all."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from pytest_token_telemetry.settings import flag

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_token_telemetry.settings import Settings
    from pytest_token_telemetry.verdict import Verdict


def write_reports(verdict: Verdict, settings: Settings) -> list[str]:
    """Write every report of ``settings``, and return one sentence for each that could not be written."""
    errors = []
    for name, text in _texts(verdict, settings):
        path: Path = getattr(settings, name)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _append(path, text) if name == "markdown_append" else replace_file(path, text)
        except OSError as error:
            reason = error.strerror or type(error).__name__
            errors.append(f"{flag(name)}: {settings.texts[name]!r} could not be written: {reason}")
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


def _texts(verdict: Verdict, settings: Settings) -> list[tuple[str, str]]:
    texts = []
    if settings.json:
        from pytest_token_telemetry.reporters import json

        texts.append(("json", json.render(verdict)))
    if settings.junit:
        from pytest_token_telemetry.reporters import junit

        texts.append(("junit", junit.render(verdict, settings.junit_family)))
    if settings.code_quality:
        from pytest_token_telemetry.reporters import code_quality

        texts.append(("code_quality", code_quality.render(verdict)))
    if settings.markdown or settings.markdown_append:
        from pytest_token_telemetry.reporters import flavours, markdown

        summary = markdown.render(verdict, flavours.FLAVOURS[settings.markdown_flavour])
        texts += [(name, summary) for name in ("markdown", "markdown_append") if getattr(settings, name)]
    if settings.tuning and verdict.tuning is not None:
        from pytest_token_telemetry.reporters import tuning

        texts.append(("tuning", tuning.render(verdict.tuning)))
    return texts


def replace_file(path: Path, text: str) -> None:
    """Write beside ``path``, then rename: a reader sees the old file or the new one."""
    if path.exists() and not path.is_file():
        path.write_bytes(_encoded(text))  # a device or a pipe; a directory says that it is one
        return
    target = path.resolve()
    temporary = target.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        with temporary.open("xb") as file:
            file.write(_encoded(text))
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _append(path: Path, text: str) -> None:
    """One write to the end, as other steps append to the same file."""
    with path.open("ab", buffering=0) as file:
        file.write(_encoded(text))


def _encoded(text: str) -> bytes:
    """In UTF-8. Bytes of the command line that are none became surrogates; they are shown as JSON escapes them."""
    return text.encode("utf-8", "backslashreplace")
