"""What a request's metadata says of its call: the prediction and the labels, for which no provider has a place."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, TypeAlias

from pytest_token_telemetry.sample import FIELDS, LONGEST_TEXT, letters
from pytest_token_telemetry.sources.own_format import field_meant, is_slip

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

Slips: TypeAlias = "tuple[tuple[str, str], ...]"
"""Keys that no field takes, each with the field that it may be, or nothing."""

PREFIX = "token_telemetry."
"""What our names begin with, where others have names of their own beside them."""

_FEATURE = f"{PREFIX}feature."

LABELS = {
    **{
        spelling: name
        for name, field in FIELDS.items()
        if field.in_line and field.kind in ("count", "name", "flag") and not (field.needed or field.follows)
        for spelling in (name, *field.also)
        if name not in ("model", "truncated")
    },
    "predicted.output_tokens": "predicted_output_tokens",
    "budget.output_tokens": "budget_tokens",
}
"""Our fields by what may stand behind `PREFIX`."""

_KEYS = {
    **{spelling: name for spelling, name in LABELS.items() if name != "max_tokens" and "." not in spelling},
    **{f"{PREFIX}{spelling}": name for spelling, name in LABELS.items()},
}
"""Our fields by the keys under which metadata may have them. A cap of its own may be another one's."""

_ALL_KEYS = frozenset(_KEYS)


def labels_of(metadata: object) -> dict[str, object]:
    """What ``metadata`` says, by keys or as texts like ``category=docs``, by the names of our own fields.

    What is not a plain value says nothing.
    """
    found: dict[str, object] = {}
    features: dict[str, object] = {}
    for key, value in _pairs(metadata):
        if not isinstance(key, str) or type(value) not in _PLAIN or value == "":
            continue
        plain = value[:LONGEST_TEXT] if isinstance(value, str) else value
        if (name := _KEYS.get(key)) is not None:
            found[name] = plain if name in _COUNTS else _as_field(name, plain)
        elif key.startswith(_FEATURE):
            features[key.removeprefix(_FEATURE)[:LONGEST_TEXT]] = plain
    return {**found, "features": features} if features else found


def _pairs(metadata: object) -> Iterable[tuple[object, object]]:
    if isinstance(metadata, dict):
        return metadata.items()
    tags = [each for each in metadata if isinstance(each, str)] if isinstance(metadata, list) else []
    return [(name, value) for name, _, value in (tag.partition("=") for tag in tags)]


def are_known(metadata: Mapping[str, object]) -> bool:
    """Whether all keys of ``metadata`` are names of our fields, so that none is a slip."""
    return _ALL_KEYS.issuperset(metadata)


def slips_in(*metadata: object) -> Slips:
    """The keys of ``metadata`` of one call that were meant for a field of ours which nothing there says.

    Others have keys of their own: these are only close misses with a value that the field can have, and all that begin
    as ours do.
    """
    found = {
        key: field
        for each in metadata
        for key, value in _pairs(each)
        if isinstance(key, str)
        and type(value) in _PLAIN
        and value != ""
        and (field := _slip(key)) is not None
        and (not field or _may_mean(field, value))
    }
    if not found:
        return ()
    said = set().union(*map(labels_of, metadata))
    return tuple((key, field) for key, field in found.items() if field not in said)


@lru_cache(1 << 12)
def _slip(key: str) -> str | None:
    """The field that a ``key`` may be that is none of ours; nothing if it only begins as ours do, else ``None``."""
    if key in _KEYS or key.startswith(_FEATURE) or len(key) > LONGEST_TEXT:
        return None
    if key.startswith(PREFIX):
        meant = field_meant(key.removeprefix(PREFIX))
        return meant if meant in _KEYS.values() else ""
    if (field := _BY_LETTERS.get(letters(key))) is not None:
        return field
    return next((field for known, field in _SPELLINGS.items() if is_slip(key.lower(), known)), None)


_SPELLINGS = {spelling: name for spelling, name in _KEYS.items() if "." not in spelling}
_BY_LETTERS = {
    **{letters(spelling): name for spelling, name in _SPELLINGS.items()},
    **dict.fromkeys(("prediction", "predicted", "predictiontokens", "estimatedtokens"), "predicted_output_tokens"),
    "estimatedoutputtokens": "predicted_output_tokens",
}
"""Our fields by the letters of keys that mean them. Of shorter names, such as ``task``, most are another one's."""


def _may_mean(name: str, value: object) -> bool:
    if FIELDS[name].kind == "flag":
        return isinstance(flag_of(value), bool)
    return _may_be(name, value)


def field_of(key: str) -> str | None:
    """The field that `labels_of` reads from a ``key``; ``features`` for one of these, ``None`` for no field."""
    return "features" if key.startswith(_FEATURE) else _KEYS.get(key)


def labels_that_fit(metadata: object) -> dict[str, object]:
    """What ``metadata`` says by the names of our fields.

    Others have such names for other things too, so what such a field cannot hold says nothing, unless the name is ours.
    """
    if not isinstance(metadata, dict):
        return {}
    ours = {name: value for name, value in metadata.items() if name.startswith(PREFIX)}
    others = {name: value for name, value in metadata.items() if name not in ours}
    return {name: value for name, value in labels_of(others).items() if _may_be(name, value)} | labels_of(ours)


def flag_of(value: object) -> object:
    """``value`` as a flag, if it is a word or a number that stands for one: many carriers have no flags."""
    if isinstance(value, str):
        return _TRUTH.get(value.strip().lower(), value)
    return bool(value) if isinstance(value, (int, float)) and value in (0, 1) else value


_TRUTH = {"0": False, "f": False, "false": False, "no": False, "1": True, "t": True, "true": True, "yes": True}


def label_columns(keys: Sequence[str], columns: Iterable[Sequence[object]]) -> dict[str, Sequence[object]] | None:
    """What many objects of metadata say that have the same ``keys``, a column of values each: as `labels_of` does.

    ``None``: one of them has a feature, or a value that says nothing, so that each is to be read by itself.
    """
    found: dict[str, Sequence[object]] = {}
    for key, values in zip(keys, columns, strict=True):
        name = _KEYS.get(key)
        if name is None:
            if key.startswith(_FEATURE):
                return None
            continue
        kinds = {*map(type, values)}
        if not kinds <= _PLAIN or (str in kinds and not all(map(_is_usual, {*values} if kinds == {str} else values))):
            return None
        if name in _COUNTS or (kinds == {str} and FIELDS[name].kind == "name"):
            found[name] = values
        else:
            found[name] = [_as_field(name, value) for value in values]
    return found


def _is_usual(value: object) -> bool:
    return not isinstance(value, str) or 0 < len(value) <= LONGEST_TEXT


def _may_be(name: str, value: object) -> bool:
    match FIELDS[name].kind:
        case "count":
            return type(value) is int or (isinstance(value, str) and value.isascii() and value.isdecimal())
        case "flag":
            return isinstance(value, bool)
        case _:
            return True


_PLAIN = frozenset({str, int, float, bool})
_COUNTS = frozenset(name for name, field in FIELDS.items() if field.kind == "count")
"""What is read as it is."""


def _as_field(name: str, value: object) -> object:
    """``value`` as the field is read: many carriers hold texts only, and a task may have a number for its name."""
    match FIELDS[name].kind:
        case "flag":
            return flag_of(value)
        case "name":
            return str(value)
        case _:
            return value
