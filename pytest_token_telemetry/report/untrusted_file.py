"""Read a report file as hostile input: a fork's own run may have written it.

A value of another type, out of its range, or at odds with another one refuses the file. A refusal names the place of
the value and never shows it.
"""

from __future__ import annotations

import json
import os
import re
import stat
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import msgspec

from pytest_token_telemetry.gate.checks import CHECK_BY_ID
from pytest_token_telemetry.report.consistency import RefusedError, check_consistency
from pytest_token_telemetry.report.count_consistency import check_counts
from pytest_token_telemetry.report.model import REPORT_SCHEMA, Report

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LARGEST_REPORT = 4 * 1024 * 1024
"""Bytes of a report. That of 10,000 log files has about 1,000,000."""

DEEPEST = 20
"""Levels of nesting."""

MOST_VALUES = 300_000
"""Of all kinds. As the gate writes them, more need more than `LARGEST`."""

_LONGEST_NUMBER = 400
"""Characters: the smallest float, written out, has some 330."""

_PREPARED = msgspec.json.Decoder(Report)
"""Made once, while the module is imported: msgspec 0.22 crashes if two threads are the first to look at its types."""

Value = TypeVar("Value")


class UnjudgedError(RefusedError):
    """The file says that there is no verdict."""

    def __init__(self, reason: str | None) -> None:
        super().__init__("it has no verdict: the session that began it ended before its checks")
        self.reason = reason
        """Why, as the file says it. Untrusted."""


def read(path: Path) -> Report:
    """The report at ``path``.

    Raises:
        RefusedError: it is no regular file, too large, no report, or says what does not fit together.
    """
    return from_json(_content(path))


def _content(path: Path) -> bytes:
    """The bytes of a regular file: no link is followed, and no pipe is waited for."""
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        descriptor = os.open(path, flags)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise RefusedError("it is neither a file nor a directory with files report*.json")
            with open(descriptor, "rb", closefd=False) as file:
                content = file.read(LARGEST_REPORT + 1)
        finally:
            os.close(descriptor)
    except FileNotFoundError:
        raise RefusedError("there is no such file") from None
    except (OSError, ValueError):
        raise RefusedError("it cannot be read (a link is not followed)") from None
    if len(content) > LARGEST_REPORT:
        raise RefusedError(f"it has more than {LARGEST_REPORT:,} bytes")
    return content


def from_json(content: bytes) -> Report:
    """The report that ``content`` is.

    Raises:
        UnjudgedError: it has no verdict, and says why.
        RefusedError: it is none, or says what does not fit together.
    """
    document = _encodable(_parsed(content))
    if not isinstance(document, dict) or document.get("schema") != REPORT_SCHEMA:
        raise RefusedError(f"its schema is not {REPORT_SCHEMA}")
    if document.get("verdict", "") is None:
        raise UnjudgedError(reason if isinstance(reason := document.get("reason"), str) else None)
    try:
        report = msgspec.convert(_with_kinds(document), Report)
    except msgspec.ValidationError as error:
        raise RefusedError(_why(error)) from None
    check_consistency(report)
    check_counts(report)
    return report


def _parsed(content: bytes) -> object:
    """The JSON value that ``content`` is, in UTF-8, without duplicate keys and not nested too deep."""
    try:
        document: object = json.loads(
            content.decode("utf-8"),
            parse_int=_number(int),
            parse_float=_number(float),
            parse_constant=_refuse_constant,
            object_pairs_hook=_without_duplicates,
        )
    except UnicodeDecodeError:
        raise RefusedError("it is not UTF-8") from None
    except RecursionError:
        raise RefusedError(f"it is nested deeper than {DEEPEST}") from None
    except ValueError:
        raise RefusedError("it is not JSON") from None
    _check_size(document)
    return document


def _number(read: Callable[[str], Value]) -> Callable[[str], Value]:
    def reader(text: str) -> Value:
        if len(text) > _LONGEST_NUMBER:
            raise RefusedError("it has a number of too many digits")
        return read(text)

    return reader


def _refuse_constant(_: str) -> NoReturn:
    raise RefusedError("it has a number that JSON does not know")


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise RefusedError("it has a key twice")  # and two readers might not mean the same one
    return found


def _check_size(document: object) -> None:
    level: list[object] = [document]
    values = 0
    for _ in range(DEEPEST):
        values += len(level)
        if values > MOST_VALUES:
            raise RefusedError(f"it has more than {MOST_VALUES:,} values")
        below = [each for each in level if isinstance(each, dict | list)]
        level = [child for each in below for child in (each.values() if isinstance(each, dict) else each)]
        if not level:
            return
    raise RefusedError(f"it is nested deeper than {DEEPEST}")


def _encodable(value: object) -> object:
    """``value`` with its lone surrogates spelled out: bytes of a path that are no text, which UTF-8 cannot say."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(value, list):
        return [_encodable(each) for each in value]
    if isinstance(value, dict):
        return {_encodable(key): _encodable(each) for key, each in value.items()}
    return value


def _with_kinds(document: dict[str, Any]) -> dict[str, Any]:
    """``document`` with the kind of each check: older reports do not name it, and newer ones may name others."""
    found = dict(document)
    for key in ("checks", "unready"):
        if isinstance(checks := document.get(key), list):
            found[key] = [{**check, "kind": _kind(check)} if isinstance(check, dict) else check for check in checks]
    return found


def _kind(check: dict[str, Any]) -> object:
    id = check.get("id")
    known = CHECK_BY_ID.get(id) if isinstance(id, str) else None
    return "other" if known is None else check.get("kind", known.kind.__struct_config__.tag)


_PLACE = re.compile(r"^(?P<what>.*?)(?: - at `\$\.?(?P<place>[^`]*)`)?$", re.DOTALL)

_SHOWS_NO_VALUE = re.compile(
    r"Expected [^']*|Expected `str` matching regex .*|Object missing required field `\w+`|Number out of range"
)
"""What msgspec says that shows nothing of the document."""


def _why(error: msgspec.ValidationError) -> str:
    """The place, and what is wrong with it, in words that show nothing of the document."""
    found = _PLACE.match(str(error))
    assert found is not None  # noqa: S101 - it matches everything
    place = found["place"] or "the report"
    if isinstance(error.__cause__, ValueError):  # one of our own: what does not fit together
        return f"{place}: {error.__cause__}"
    if _SHOWS_NO_VALUE.fullmatch(found["what"]):
        what = found["what"].partition(" matching ")[0]  # a pattern says little to who looks for the mistake
        return f"{place}: {what[0].lower()}{what[1:]}{' of another form' if what != found['what'] else ''}"
    return f"{place}: not one of the words that may stand there"
