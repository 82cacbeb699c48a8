"""Our own lines: one JSON object a call, ``token-telemetry/1``. How they are written, and how they are read.

A call is checked where it is written, so that no line is unusable later. Lines of others are read more leniently.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from enum import Enum
from math import isfinite
from typing import TYPE_CHECKING, Any, TypeAlias

from pytest_token_telemetry.sample import (
    FIELDS,
    LONGEST_TEXT,
    MOST_FEATURES,
    MOST_TOKENS,
    Sample,
    finish_reason,
    is_truncated,
)
from pytest_token_telemetry.sources.tagged.records import Read, RecordError, Unusable

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_token_telemetry.sample import Field, Kind
    from pytest_token_telemetry.sources.tagged.simple_search import Fragment

SCHEMA = "token-telemetry/1"

TAG = json.dumps(SCHEMA).encode()

HEAD = f'{{"schema":"{SCHEMA}"'
"""How every line begins."""

LONGEST_LINE = 1 << 14
"""Bytes of a line: no reader has to look further."""

Plain: TypeAlias = str | int | float | bool | None

WRITTEN: Mapping[str, Field] = {
    name: field for name, field in FIELDS.items() if field.in_line and field.kind != "raw reason"
}
"""The fields that a writer can be given. The raw reason is what it is given as the reason."""


def line(*, predicted_output_tokens: object, output_tokens: object, **fields: object) -> str:
    """One call as a line of JSON, without its line end.

    Args:
        predicted_output_tokens: the estimator's prediction, made before the call.
        output_tokens: what the provider billed as output, reasoning included.
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
    for tag, escaped in _ESCAPES:
        text = f"{HEAD}{text[len(HEAD) :].replace(tag, escaped)}"
    encoded = text.encode("utf-8", "replace")
    if len(encoded) > LONGEST_LINE:
        raise ValueError(f"the call takes more than {LONGEST_LINE} bytes (record fewer or shorter features)")
    return encoded.decode()


_ESCAPES = (("[T", "\\u005bT"), (f'"{SCHEMA}"', json.dumps(SCHEMA).replace("/", "\\/")))
"""What a reader would take for the tag of a record, within a text of ours, and how JSON can write it otherwise."""


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
        raise TypeError(f"{name}: there is no such field (write features={{{name!r}: ...}})")
    return _CHECKS.get(field.kind, _checked_text)(field, given)


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
    raise TypeError(f"{name}: {type(value).__name__} is no number, text, truth value or None")


def _checked_count(field: Field, value: object) -> int:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{field.name}: {value!r} is not a whole number")
    if not field.least <= value <= MOST_TOKENS:
        raise ValueError(f"{field.name}: {value} is not between {field.least} and {MOST_TOKENS}")
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
        raise TypeError(f"{field.name}: {type(value).__name__} is no mapping of names to values")
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


def parse(fragment: Fragment) -> Read | Unusable | None:
    """What ``fragment`` says; ``None`` if it only mentions the schema's name."""
    before, after = fragment.before.decode("utf-8", "replace"), fragment.after.decode("utf-8", "replace")
    starts = [at for at in (before.rfind("{"), before.find("{")) if at >= 0]
    if not starts:
        return None
    text = f"{before}{TAG.decode()}{after}"
    for start in dict.fromkeys(starts):
        try:
            record, _ = _DECODER.raw_decode(text, start)
        except (ValueError, RecursionError):
            continue
        if isinstance(record, dict) and record.get("schema") == SCHEMA:
            try:
                return _read(record)
            except RecordError as error:
                return Unusable(str(error))
    return Unusable("the JSON line is malformed or cut off")


_DECODER = json.JSONDecoder()


def _read(record: dict[str, Any]) -> Read:
    said: dict[str, Any] = {name: _READERS[field.kind](field, record.get(name)) for name, field in _READ.items()}
    reason, raw = FIELDS["finish_reason"], FIELDS["finish_reason_raw"]
    word = _read_text(raw, record.get(raw.name)) or _read_text(reason, record.get(reason.name))
    said["finish_reason_raw"], said["finish_reason"] = word, None if word is None else finish_reason(word)
    facts = (said[name] for name in ("truncated", "finish_reason", "output_tokens", "max_tokens"))
    sample = Sample(**{**said, "truncated": is_truncated(*facts)})
    return Read(sample, _identity(record, sample))


def _identity(record: dict[str, Any], sample: Sample) -> str | None:
    """The call's own id with its counts, or else the whole line if it has a time: the same in every copy.

    Servers that stand in for a provider may give every call the same id: other counts are another call.
    """
    if isinstance(record.get("id"), str):
        return f"id {sample.predicted_output_tokens} {sample.output_tokens} {record['id']}"
    return json.dumps(record, sort_keys=True) if isinstance(record.get("time"), str) else None


def _read_count(field: Field, value: object) -> int | None:
    """The count; 0 and less says of one that is not needed that it is unknown."""
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 12:
        value = int(value)
    if value is None:
        if field.needed:
            raise RecordError(f"{field.name} is missing")
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise RecordError(f"{field.name} is not a whole number")
    if abs(value) > MOST_TOKENS:
        raise RecordError(f"{field.name} is too large")
    if not field.needed:
        return value if value > 0 else None
    if value < field.least:
        raise RecordError(f"{field.name} is negative")
    return value


def _read_flag(field: Field, value: object) -> object:
    if value is not None and not isinstance(value, bool):
        raise RecordError(f"{field.name} is not true, false or null")
    return field.unknown if value is None else value


def _read_text(field: Field, value: object) -> str | None:
    if value is not None and not isinstance(value, str):
        raise RecordError(f"{field.name} is not a text")
    return _writable(value) if value else None


def _read_word(field: Field, value: object) -> str | None:
    word = _read_text(field, value)
    return word if word in field.words else None


def _read_own_text(_: Field, value: object) -> str | None:
    return _writable(value) if isinstance(value, str) and value else None


def _read_time(_: Field, value: object) -> datetime | None:
    try:
        time = datetime.fromisoformat(value) if isinstance(value, str) else None
        return time.astimezone(UTC).replace(tzinfo=None) if time is not None and time.tzinfo else time
    except (ValueError, OverflowError):
        return None


def _read_features(_: Field, value: object) -> dict[str, str]:
    """The features that are plain values, as texts."""
    if not isinstance(value, dict):
        return {}
    plain = [(name, each) for name, each in value.items() if isinstance(each, (str, int, float, bool))]
    return {_writable(name): _writable(str(each)) for name, each in plain[:MOST_FEATURES]}


def _writable(text: str) -> str:
    """``text`` at its longest, in UTF-8: JSON can also write half a character."""
    text = text[:LONGEST_TEXT]
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


_READERS: dict[Kind, Callable[[Field, object], Any]] = {
    "count": _read_count,
    "flag": _read_flag,
    "name": _read_text,
    "text": _read_own_text,
    "word": _read_word,
    "time": _read_time,
    "features": _read_features,
}
_READ = {name: field for name, field in WRITTEN.items() if field.kind in _READERS}
"""The fields that are read each by itself. The reason may stand in either of two."""
