"""Our own lines: one JSON object a call, ``token-telemetry/1``, and how they are written.

A call is checked where it is written, so that no line is unusable later.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from enum import Enum
from math import isfinite
from typing import TYPE_CHECKING, TypeAlias

from pytest_token_telemetry.sample import (
    FIELDS,
    LONGEST_TEXT,
    MOST_FEATURES,
    MOST_TOKENS,
    finish_reason,
    letters,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_token_telemetry.sample import Field, Kind

SCHEMA = "token-telemetry/1"

HEAD = f'{{"schema":"{SCHEMA}"'
"""How every line begins."""

_LINE = rb'\{\s*"schema"\s*:\s*"' + re.escape(SCHEMA.encode()) + b'"'
_BEGINS = re.compile(rb"(?:\xef\xbb\xbf)?\s*" + _LINE)
_NAMES = re.compile(re.escape(SCHEMA.encode()) + rb'[\\"]')
_LINES = re.compile(rb"^\{(?:[^\n]*?,\s*)??" + _LINE[2:], re.MULTILINE)

LONGEST_LINE = 1 << 14
"""Bytes of a line: no reader has to look further."""

FAILED = "a call failed"
SEVERAL_ATTEMPTS = "a call ended with the count of several attempts"
NO_RESPONSE = "a call ended without a response"
BAD_FIELD = "a logged call has a field that cannot be"
NO_OUTPUT = "a call has no output tokens: it broke off, or lost its usage"
NO_OUTPUT_FAILED = "a call has no output tokens: it failed"

KEPT_REASONS = frozenset((FAILED, SEVERAL_ATTEMPTS, NO_RESPONSE, BAD_FIELD, NO_OUTPUT, NO_OUTPUT_FAILED))
"""Why recorded calls were no samples, as a line of `unusable_line` may say it. A reader knows no other words."""

Plain: TypeAlias = str | int | float | bool | None

WRITTEN: Mapping[str, Field] = {
    name: field for name, field in FIELDS.items() if field.in_line and field.kind != "raw reason"
}
"""The fields that a writer can be given. The raw reason is what it is given as the reason."""

_ALONE = [name for name, field in WRITTEN.items() if field.kind != "features"]
"""The fields that are one value."""

_SHORT_NAMES = {
    "predicted_output_tokens": "predicted prediction predictions prediction_tokens estimate estimated_tokens expected",
    "output_tokens": "actual actual_tokens tokens_out",
    "max_tokens": "cap limit max_new_tokens maximum_tokens max_toks num_predict token_limit",
    "budget_tokens": "budget",
    "finish_reason": "finish_reason_raw reason done_reason end_reason",
    "truncated": "truncation is_truncated was_truncated",
    "success": "ok succeeded is_success",
    "deliverable_count": "deliverables_count",
    "task_id": "task",
}
"""What others call our fields for short, beside the names that they write."""

_OTHER_NAMES: Mapping[str, str] = {
    **{letters(other): name for name in _ALONE for other in (name, *WRITTEN[name].also)},
    **{letters(other): name for name, others in _SHORT_NAMES.items() for other in others.split()},
}
"""Our fields by the letters of other names. Taken for a feature, such a name would be lost to the verdict."""


def begins_as_ours(text: bytes) -> bool:
    """Whether ``text`` begins with a line of our own, whoever wrote it: no map and no other format is for it."""
    return _BEGINS.match(text) is not None


def is_line_of_ours(text: bytes) -> bool:
    """Whether a line of JSON is one of our own, wherever in it the schema stands, whole or cut off."""
    if text.find(_SCHEMA, 0, _WITHIN) < 0 and text.find(_SCHEMA, -_AT_END) < 0:  # no slice: of a record, each line pays
        return False
    return _LINES.match(text.lstrip()) is not None


_SCHEMA = SCHEMA.encode()
_WITHIN, _AT_END = 1024, 64
"""Bytes of a line in which its schema is looked for: records of others are long, and most have none."""


def has_ours_within_lines(text: bytes) -> bool:
    """Whether records of ours stand in ``text`` behind something else on their line, or within other JSON."""
    return len(_NAMES.findall(text)) > len(_LINES.findall(text))


def may_mean_ours(schema: str) -> bool:
    """Whether ``schema`` may be a slip of the pen for ours. One of another version is none."""
    if _VERSIONS.search(schema):
        return False
    from difflib import SequenceMatcher  # slow to import, and few files have any other schema

    said, ours = letters(schema), letters(SCHEMA)
    return any(SequenceMatcher(None, said, each).ratio() > _ALIKE for each in (ours, ours[:-1]))


_VERSIONS = re.compile(rf"{SCHEMA[:-1]}[0-9.]+")

_ALIKE = 0.85
"""Of the letters of two names."""


def line(*, output_tokens: object, predicted_output_tokens: object = None, **fields: object) -> str:
    """One call as a line of JSON, without its line end.

    Args:
        output_tokens: what the provider billed as output, reasoning included.
        predicted_output_tokens: the estimator's prediction, made before the call, if there is one.
        fields: the others of `WRITTEN`; ``None``: not known. ``finish_reason`` is the provider's own word, ``time`` a
            ``datetime`` with a time zone, or now if there is none, and ``features`` are plain values by their names.

    Raises:
        TypeError: a value is of a kind that the field cannot hold, or there is no such field.
        ValueError: a value is out of range, or the line would be too long.
    """
    given = {"predicted_output_tokens": predicted_output_tokens, "output_tokens": output_tokens, **fields}
    time = given.pop("time", None)
    record: dict[str, object] = {"schema": SCHEMA, "time": checked("time", datetime.now(UTC) if time is None else time)}
    for name, value in given.items():
        if (plain := checked(name, value)) is None:
            continue
        if FIELDS[name].kind == "reason":
            record |= {name: finish_reason(str(plain)), "finish_reason_raw": plain}
        else:
            record[name] = plain
    text = json.dumps(record, ensure_ascii=False, separators=(",", ":"))
    text = text.replace("[T", "\\u005bT")  # no text of ours is taken for a tag
    encoded = text.encode("utf-8", "replace")
    if len(encoded) > LONGEST_LINE:
        raise ValueError(f"the call takes more than {LONGEST_LINE} bytes (record fewer or shorter features)")
    return encoded.decode()


def unusable_line(reason: str, *, truncated: bool | None) -> str:
    """A line of a call that is no sample, as its output tokens are not known; a reader counts it as unusable.

    Args:
        reason: why it is none.
        truncated: how it ended; ``None``: not known.
    """
    record = {"schema": SCHEMA, "time": checked("time", datetime.now(UTC)), "unusable": reason}
    return json.dumps(record if truncated is None else {**record, "truncated": truncated}, separators=(",", ":"))


def completed(line: str, fields: Mapping[str, object]) -> str:
    """``line``, one of ours, with those of the ``fields`` that it does not have."""
    known: dict[str, object] = json.loads(line)
    return json.dumps({**known, **fields, **known}, ensure_ascii=False, separators=(",", ":"))


def checked(name: str, value: object) -> object:
    """``value`` as a line has it in the field ``name``; ``None`` if it is not known.

    Raises:
        TypeError: it is of a kind that the field cannot hold, or there is no such field.
        ValueError: it is out of range.
    """
    field = WRITTEN.get(name)
    is_plain = field is None or field.kind not in ("time", "features")
    given = _plain(name, value) if is_plain else value
    if given is None and not (field and field.needed):
        return None
    if field is None:
        raise TypeError(f"{name}: there is no such field (write {field_meant(name) or f'features={{{name!r}: ...}}'})")
    return _CHECKS.get(field.kind, _checked_text)(field, given)


def field_meant(name: str) -> str | None:
    """The field that somebody means who writes ``name``, which is not one: by another name, or by a slip of the pen."""
    return _OTHER_NAMES.get(letters(name)) or next((field for field in _ALONE if is_slip(name, field)), None)


def is_slip(name: str, field: str) -> bool:
    """True if one letter more, less or other, or two that changed places, make ``field`` of ``name``.

    Not for ``id``: all short names are like it.
    """
    pairs = enumerate(zip(name, field, strict=False))
    at = next((at for at, (typed, right) in pairs if typed != right), min(len(name), len(field)))
    here, there = name[at:], field[at:]
    return len(field) > len("id") and (
        here[1:] == there[1:]
        or here[1:] == there
        or here == there[1:]
        or (here[1::-1] == there[:2] and here[2:] == there[2:])
    )


def count(name: str, value: object) -> int | None:
    """``value`` as the plain whole number that the field ``name`` takes, or ``None``: see `checked`."""
    plain = _plain(name, value)
    return None if plain is None else _checked_count(WRITTEN[name], plain)


def _plain(name: str, value: object) -> Plain:
    """``value`` without its wrapping: enumerations by their value, numbers of other libraries as Python's own."""
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, datetime):
        return value.isoformat()
    if not isinstance(value, Plain) and callable(item := getattr(value, "item", None)):
        with suppress(Exception):  # an array of many, or a class that calls something else so
            value = item()
    if isinstance(value, Plain):
        return value
    raise TypeError(f"{name}: {type(value).__name__} is not a number, text, truth value or None")


def _checked_count(field: Field, value: object) -> int:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{field.name}: {value!r} is not a whole number")
    if not 0 <= value <= MOST_TOKENS:
        raise ValueError(f"{field.name}: {value} is not between 0 and {MOST_TOKENS}")
    return value


def _checked_flag(field: Field, value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{field.name}: {value!r} is not True, False or None")
    return value


def _checked_text(field: Field, value: object) -> str:
    return _short(field.name, value)


def _checked_word(field: Field, value: object) -> str:
    if value not in field.words:
        raise ValueError(f"{field.name}: {value!r} is not one of {', '.join(field.words)}")
    return str(value)


def _checked_time(field: Field, value: object) -> str:
    if not isinstance(value, datetime):
        raise TypeError(f"{field.name}: {type(value).__name__} is not a datetime")
    if value.tzinfo is None:
        raise ValueError(f"{field.name}: {value.isoformat()} has no time zone (write datetime.now(UTC))")
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _checked_features(field: Field, value: object) -> dict[str, Plain] | None:
    if not isinstance(value, Mapping):
        raise TypeError(f"{field.name}: {type(value).__name__} is not a mapping of names to values")
    if len(value) > MOST_FEATURES:
        raise ValueError(f"{field.name}: {len(value)} are too many (up to {MOST_FEATURES})")
    return {_short(field.name, name): _feature(f"{field.name}[{name!r}]", each) for name, each in value.items()} or None


def _feature(name: str, value: object) -> Plain:
    plain = _plain(name, value)
    if isinstance(plain, float) and not isfinite(plain):
        raise ValueError(f"{name}: {plain} is not a number that JSON can hold")
    return _short(name, plain) if isinstance(plain, str) else plain


def _short(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{name}: {value!r} is not a text")
    if len(value) > LONGEST_TEXT:
        raise ValueError(f"{name}: a text of {len(value)} characters is too long (up to {LONGEST_TEXT})")
    return value


_CHECKS: dict[Kind, Callable[[Field, object], object]] = {
    "count": _checked_count,
    "flag": _checked_flag,
    "word": _checked_word,
    "time": _checked_time,
    "features": _checked_features,
}
