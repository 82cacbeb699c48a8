"""What lines of our own format say, however they are spelled, and whatever stands around them.

Lines of others are read more leniently than ours are written.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from pytest_token_telemetry.sample import (
    FIELDS,
    LONGEST_TEXT,
    MOST_FEATURES,
    MOST_TOKENS,
    Sample,
    finish_reason,
    is_truncated,
    telling_reason,
    truncation_source,
)
from pytest_token_telemetry.sources.json_objects import (
    DEEPEST,
    MOST_BRACES,
    Around,
    Found,
    enclosing,
    is_cut_off,
    outside,
)
from pytest_token_telemetry.sources.own_format import KEPT_REASONS, SCHEMA, WRITTEN, field_meant
from pytest_token_telemetry.sources.tagged.records import Read, RecordError, Unusable, ended_as

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_token_telemetry.sample import Field, FinishReason, Kind
    from pytest_token_telemetry.sources.labels import Slips
    from pytest_token_telemetry.sources.tagged.simple_search import Fragment

NEEDLE = b'"token-telemetry'
"""What stands in every line of ours in its usual spelling, nested or not."""


def _spelled(character: str) -> str:
    """A pattern for ``character`` as JSON may write it, in strings within strings."""
    return rf"(?:{re.escape(character)}|\\{{1,16}}(?:u00(?i:{ord(character):02x}){r'|/' if character == '/' else ''}))"


_QUOTE = r'\\{0,16}(?:"|u0022)'
NAME = rf"{_QUOTE}{''.join(map(_spelled, 'token-telemetry/'))}[0-9][0-9.]{{0,9}}{_QUOTE}".encode()
"""A pattern for the value of ``schema``, of any version, however it is spelled."""


def parse(fragment: Fragment) -> Read | Unusable | None:
    """What ``fragment`` says; ``None`` if it only mentions the schema's name."""
    if not fragment.tag:
        return Unusable(CUT_OFF)
    try:
        for reach in _REACHES:
            pieces = (fragment.before[-reach:], fragment.tag, fragment.after[:reach])
            around = Around(*(bytes(piece).decode("utf-8", "replace") for piece in pieces))
            found = _around(around)
            if found is None:
                return None
            if found is not _NOT_WHOLE:
                return _read(found)
            if max(len(fragment.before), len(fragment.after)) <= reach or _is_hopeless(around):
                break
    except RecordError as error:
        return Unusable(str(error), ended=error.ended)
    return Unusable(CUT_OFF)


def read_line(text: str) -> Read | Unusable:
    """What a line says that is one of ours by how it begins, and nothing else."""
    try:
        return _read(Found(_DECODER.decode(text), text.strip(), 0, len(text)))
    except RecordError as error:
        return Unusable(str(error))
    except (ValueError, RecursionError):
        return Unusable(CUT_OFF)


def _read(found: Found) -> Read | Unusable:
    """What the record says that was ``found``. One that was kept as unusable is so for the reason of then."""
    slips = _slips(found.value)
    try:
        sample = sample_of(found.value)
    except RecordError as error:
        kept = found.value.get("unusable")
        reason = kept if isinstance(kept, str) and kept in KEPT_REASONS else str(error)
        return Unusable(reason, ended=error.ended, slips=slips)
    return Read(sample, _identity(found.value, sample, found.text), slips)


def _slips(record: Mapping[str, object]) -> Slips:
    """The keys of a ``record`` that were meant for a field of which it says nothing, each with that field.

    All other keys are somebody's own: these are close misses with a value that the field can have.
    """
    if record.keys() <= _KEYS:
        return ()
    said = {_FIELD_OF.get(key, key) for key in record if record[key] is not None}
    return tuple(
        (writable(key), field.name)
        for key, value in record.items()
        if key not in _KEYS and (field := _meant(key)) is not None and field.name not in said and _may_be(field, value)
    )


@lru_cache(1 << 12)
def _meant(key: str) -> Field | None:
    name = field_meant(key) if len(key) <= LONGEST_TEXT else None
    return None if name is None else FIELDS[name]


def _may_be(field: Field, value: object) -> bool:
    try:
        return _READERS.get(field.kind, _read_text)(field, value) is not None
    except RecordError:
        return False


_KEYS = frozenset({*FIELDS, "schema", "unusable"})
"""What a line of ours can have."""

_FIELD_OF = {"finish_reason_raw": "finish_reason"}


CUT_OFF = "the JSON line is malformed or cut off"

_REACHES = (1 << 14, 1 << 17, 1 << 20)
"""Bytes before and behind a name in which its record is looked for, one after the other."""

_KEY = re.compile(r'"schema"\s*:\s*\Z')
_SCHEMA = re.compile(r'"(token-telemetry/[0-9.]+)"')

_NAMED = re.compile(r'"schema"\s*:\s*("token-telemetry\\?/[0-9.]{1,10}")')
"""A name in its usual spelling: an object may have it twice."""

_OF_FEATURES = re.compile(r'"features"\s*:\s*\Z')

_NOT_WHOLE = Found({}, "", 0, 0)


def _around(around: Around) -> Found | None:
    """The record around a name; `_NOT_WHOLE` if not all of it is there, and ``None`` if it is no record's.

    Raises:
        RecordError: its version is not known.
    """
    if around.depth:
        around = around.on_its_line()
    for _ in range(DEEPEST):
        if not around.depth:
            break
        if enclosing(around, _is_ours, _ANY) is not None:  # it stands in a text of another record
            return None
        around = around.unescaped()
    schema = _SCHEMA.fullmatch(_in_plain_letters(around.name).replace("\\/", "/"))
    if schema is None or not _KEY.search(_in_plain_letters(around.before[-_LONGEST_KEY:])):
        return None
    found = enclosing(around, _is_ours, _DECODER)
    if schema[1] != SCHEMA:
        raise RecordError(f"its schema is {schema[1]}, not {SCHEMA}")
    if found is None:
        is_ending = around.before.endswith(_ENDING) and around.after[:1] in ("", "\n")
        return None if is_ending else _NOT_WHOLE
    text = "".join(around)
    if _OF_FEATURES.search(_in_plain_letters(text[max(0, found.begin - _LONGEST_KEY) : found.begin])):
        return None
    is_known = any(
        (other := enclosing(Around(text[: name.start(1)], name[1], text[name.end(1) :]), _is_ours, _ANY)) is not None
        and other.begin == found.begin
        for name in _NAMED.finditer(text, found.begin, len(around.before))
    )
    return None if is_known or outside(found, around, _is_ours) else found


def _is_hopeless(around: Around) -> bool:
    """Whether a larger part of the text has no record either."""
    return is_cut_off(around) or around.before.count("{") > MOST_BRACES


_LONGEST_KEY = 1 << 8
_ENDING = '\n"schema":'
"""Before what the writer leaves where two processes end a line of which only the brace was written."""


def _in_plain_letters(text: str) -> str:
    """``text`` with its letters in their usual spelling."""
    return re.sub(r"\\u00([2-7][0-9a-fA-F])", lambda match: chr(int(match[1], 16)), text)


def _is_ours(value: object) -> bool:
    return isinstance(value, dict) and str(value.get("schema")).startswith("token-telemetry/")


def distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON, for a decoder's ``object_pairs_hook``. The same value may be given twice.

    Raises:
        RecordError: one of its keys has two values.
    """
    record = dict(pairs)
    if len(record) < len(pairs):
        for key, value in pairs:
            if value != record[key] or type(value) is not type(record[key]):
                named = key if key in FIELDS or key == "schema" else "a key"
                raise RecordError(f"{named} is given twice, with different values")
    return record


_DECODER = json.JSONDecoder(object_pairs_hook=distinct)
_ANY = json.JSONDecoder()


def sample_of(record: Mapping[str, Any]) -> Sample:
    """The call that a ``record`` tells of by the names of our fields. A time may be text or a ``datetime``.

    Raises:
        RecordError: a field is missing, or cannot be what is given.
    """
    said = _said(record)
    output, cap = said["output_tokens"], said.get("max_tokens")
    return Sample(**{**said, "truncated": is_truncated(said.get("truncated"), said["finish_reason"], output, cap)})


def sample_of_other(
    record: Mapping[str, Any], *, choices: int = 1, remapped: bool = False, failed: bool = False
) -> Sample:
    """The call that a ``record`` of another system tells of by the names of our fields, with what says it was cut off.

    Args:
        record: as for `sample_of`.
        choices: answers that share the output tokens: the cap is that of each.
        remapped: as for `is_truncated`.
        failed: as for `ended_as`.

    Raises:
        RecordError: as `sample_of`.
    """
    said = _said(record, failed=failed)
    stated, reason, cap = said.get("truncated"), said["finish_reason"], said.get("max_tokens")
    if cap is not None and choices > 1:
        said["max_tokens"] = cap = cap * choices
        if cap > MOST_TOKENS:
            raise RecordError("max_tokens is too large")
    truncated = is_truncated(stated, reason, said["output_tokens"], cap, remapped=remapped)
    source = truncation_source(truncated, stated, reason)
    return Sample(**{**said, "truncated": truncated, "truncation_source": source})


def _said(record: Mapping[str, Any], *, failed: bool = False) -> dict[str, Any]:
    """What a ``record`` says, by the names of our fields. The error of one that cannot be used tells how it ended."""
    said: dict[str, Any] = {}
    wrong: RecordError | None = None
    tells_end = True
    for field in (*READ.values(), *_REASONS):
        if field.name in record or field.needed:
            try:
                said[field.name] = _READERS.get(field.kind, _read_text)(field, record.get(field.name))
            except RecordError as error:
                wrong = wrong or error
                tells_end = tells_end and field.name != "truncated" and field not in _REASONS
    reasons = (said.get(field.name) for field in _REASONS)
    said["finish_reason"], said["finish_reason_raw"] = said_reason(*reasons)
    if wrong is not None:
        truncated, counts = said.get("truncated"), (said.get("output_tokens"), said.get("max_tokens"))
        id, output = said.get("id"), said.get("output_tokens")
        identity = id if id is None or output is None else f"{output} {id}"  # a stand-in gives all calls one id
        ended = ended_as(truncated, said["finish_reason"], identity, *counts, failed=failed)
        wrong.ended = ended if ended is None or tells_end or ended.truncated else None
        raise wrong
    return said


def said_reason(reason: str | None, raw: str | None) -> tuple[FinishReason | None, str | None]:
    """Why an output ended, in our words and in the provider's, by what a line says of each."""
    word = telling_reason((raw, reason))
    return None if word is None else finish_reason(word), raw or reason


def _identity(record: Mapping[str, object], sample: Sample, text: str) -> str | None:
    """The call's own id with its counts, or else the whole ``text`` if it has a time: the same in every copy."""
    if isinstance(record.get("id"), str):
        return identity_by_id(str(record["id"]), sample)
    return text if isinstance(record.get("time"), str) else None


def identity_by_id(id: str, sample: Sample) -> str:
    """The call's own ``id`` with its counts: the same in every copy.

    Servers that stand in for a provider may give every call the same id: other counts are another call.
    """
    predicted = "" if sample.predicted_output_tokens is None else sample.predicted_output_tokens
    return identity_by_counts(id, predicted, sample.output_tokens)


def identity_by_counts(id: str, predicted: int | str, output_tokens: int) -> str:
    """The same by the counts themselves. ``predicted``: empty if it is not known."""
    return f"id {predicted} {output_tokens} {id}"


def _read_count(field: Field, value: object) -> int | None:
    """The count; 0 and less says of most that it is unknown."""
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 12:
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if value is None:
        if field.needed:
            raise RecordError(f"{field.name} is missing")
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise RecordError(f"{field.name} is not a whole number")
    if abs(value) > MOST_TOKENS:
        raise RecordError(f"{field.name} is too large")
    if not field.zero_is_count:
        return value if value > 0 else None
    if value < 0:
        raise RecordError(f"{field.name} is negative")
    return value


def _read_flag(field: Field, value: object) -> object:
    if value is not None and not isinstance(value, bool):
        raise RecordError(f"{field.name} is not true, false or null")
    return field.unknown if value is None else value


def _read_text(field: Field, value: object) -> str | None:
    if value is not None and not isinstance(value, str):
        raise RecordError(f"{field.name} is not a text")
    return writable(value) if value else None


def _read_word(field: Field, value: object) -> str | None:
    word = _read_text(field, value)
    return word if word in field.words else None


def _read_own_text(_: Field, value: object) -> str | None:
    return writable(value) if isinstance(value, str) and value else None


def _read_time(_: Field, value: object) -> datetime | None:
    if not isinstance(value, (str, datetime)):
        return None
    try:
        time = datetime.fromisoformat(value) if isinstance(value, str) else value
        return time.astimezone(UTC).replace(tzinfo=None) if time is not None and time.tzinfo else time
    except (ValueError, OverflowError):
        return None


def _read_features_of(_: Field, value: object) -> dict[str, str]:
    return read_features(value)


def read_features(value: object) -> dict[str, str]:
    """The features that are plain values, as texts."""
    if not isinstance(value, dict):
        return {}
    plain = [(name, each) for name, each in value.items() if isinstance(each, (str, int, float, bool))]
    return {writable(name): writable(str(each)) for name, each in plain[:MOST_FEATURES]}


def writable(text: str) -> str:
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
    "features": _read_features_of,
}
READ = {name: field for name, field in WRITTEN.items() if field.kind in _READERS}
"""The fields that are read each by itself. The reason may stand in either of two."""

_REASONS = (FIELDS["finish_reason"], FIELDS["finish_reason_raw"])
