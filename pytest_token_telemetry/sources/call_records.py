"""Calls of which each fact has a name: rows of a table, and lines of the origin's export.

A `Layout` says which name is which of our fields. A value may be all that it may be in a line of our own, and what
databases make of that: a flag is 0 or 1, a count a decimal number, a time a text or the seconds since 1970.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import lru_cache
from math import isfinite
from typing import TYPE_CHECKING
from uuid import UUID

from pytest_token_telemetry.sample import FIELDS, LONGEST_TEXT
from pytest_token_telemetry.sources.labels import flag_of
from pytest_token_telemetry.sources.tagged.own_parsing import identity_by_id, read_features, sample_of_other
from pytest_token_telemetry.sources.tagged.records import Read

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pytest_token_telemetry.sample import Kind, Sample

ALSO: Mapping[str, tuple[str, ...]] = {
    "time": ("timestamp", "created_at"),
    "task_id": ("phase_id",),
    "run": ("run_id",),
    "smape": ("smape_percent",),
    "max_tokens": ("actual_max_tokens",),
}
"""What the origin calls our fields in its database and in its export, beside what all systems call them."""

_FLAGS = ("api_reference_required", "examples_required", "research_required", "usage_guide_required", "is_sot_file")
FEATURES = (*_FLAGS, "context_quality", "sot_file_name", "sot_entry_count_hint")
"""What the origin's estimator predicts from, in later shapes of its table."""

_BY_MAP_ONLY = ("id",)
"""Fields whose own name means something else here: the id of a row is not the id of a call."""


class LayoutError(Exception):
    """Why no call can be read where these names are, in one sentence."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Which names of a record are which of our fields."""

    fields: tuple[tuple[str, Kind, tuple[int, ...]], ...]
    """Each with its kind and with the places of its values: the first that is given counts."""
    features: tuple[tuple[str, int], ...]
    """Each with its place."""
    used: frozenset[str]
    """The names that something is read from."""
    times: frozenset[str]
    """Those of them that hold times."""

    def read(self, values: Sequence[object]) -> Read:
        """The call that a record tells of, by the ``values`` of all names of the layout, in their order.

        Raises:
            RecordError: it tells of none.
        """
        record: dict[str, object] = {}
        for name, kind, places in self.fields:
            for place in places:
                value = values[place]
                if value is not None and value != "":
                    if isinstance(value, Decimal):
                        value = _of_decimal(value)
                    record[name] = _PLAIN[kind](value) if kind in _PLAIN else value
                    break
        sample = sample_of_other(record)
        run, smape = record.get("run"), record.get("smape")
        features = tuple((name, _feature(name, values[place])) for name, place in self.features)
        more: dict[str, object] = {"features": _features(features)} if features else {}
        if isinstance(run, str):
            more["run"] = run[:LONGEST_TEXT]
        if isinstance(smape, float):
            more["smape"] = smape
        if more:
            sample = replace(sample, **more)  # type: ignore[arg-type] # by their names
        return Read(sample, _identity(record.get("id"), sample))


@lru_cache
def layout(names: tuple[str, ...], chosen: tuple[tuple[str, str], ...] = (), role: str | None = None) -> Layout:
    """The layout of records with these ``names``.

    Args:
        names: in the order of the values.
        chosen: fields, each with the name that it has here; then it is read from no other.
        role: what says which operation a call was.

    Raises:
        LayoutError: a name that was chosen is missing, or nothing can be the output tokens.
    """
    places = {name: place for place, name in reversed([*enumerate(names)])}
    there = f"there are {', '.join(names[:_SHOWN])}{' ...' if len(names) > _SHOWN else ''}"
    wanted: dict[str, list[str]] = {}
    for each, name in chosen:
        if name not in places:
            raise LayoutError(f"no column {name} for {each} ({there})")
        wanted.setdefault(each, []).append(name)
    features = [*wanted.pop("features", []), *(name for name in FEATURES if name in places)]
    fields = []
    for field in FIELDS.values():
        if field.follows or field.kind == "features":
            continue
        own = () if field.name in _BY_MAP_ONLY else (field.name,)
        known = (*own, *field.also, *ALSO.get(field.name, ()))
        if field.name == "operation" and role is not None:
            known = (*known, role)
        found = [places[name] for name in wanted.get(field.name, known) if name in places]
        if found:
            fields.append((field.name, field.kind, tuple(found)))
        elif field.needed:
            raise LayoutError(
                f"no column for {field.name} ({there}; add --token-telemetry-db-field={field.name}=COLUMN)"
            )
    used = {
        kind: frozenset(names[place] for _, of, found in fields if of == kind for place in found)
        for _, kind, _ in fields
    }
    return Layout(
        fields=tuple(fields),
        features=tuple((name, places[name]) for name in dict.fromkeys(features)),
        used=frozenset(features).union(*used.values()),
        times=used.get("time", frozenset()),
    )


_SHOWN = 12
"""Names that an error lists."""


def _identity(id: object, sample: Sample) -> str | None:
    """What is the same in every copy of a record: the call's own id, or its time with all that its first shape told."""
    if isinstance(id, str):
        return identity_by_id(id, sample)
    if sample.time is None:
        return None
    facts = (
        *(sample.time.isoformat(), sample.run, sample.task_id, sample.operation, sample.model),
        *(sample.category, sample.complexity, sample.deliverable_count, sample.predicted_output_tokens),
        *(sample.output_tokens, sample.budget_tokens, sample.success, sample.truncated, sample.finish_reason_raw),
    )
    return "\x1f".join("" if fact is None else str(fact) for fact in facts)


def _of_decimal(value: Decimal) -> int | float:
    """``value`` as a plain number. One that has a million digits is none that a call has."""
    if not value.is_finite():
        return float("nan")
    return int(value) if value.adjusted() < _DIGITS and value == value.to_integral_value() else float(value)


_DIGITS = 20
"""More than any count or time has."""


def whole(value: object) -> object:
    """``value``, or the digits that it has before a fraction of zero: so tables write whole numbers beside none."""
    if isinstance(value, str) and (match := _WHOLE.fullmatch(value)) is not None:
        return match[1]
    return value


_WHOLE = re.compile(r"([0-9]+)\.0*")


def _name(value: object) -> object:
    is_plain = isinstance(value, (int, float, UUID, date)) and not isinstance(value, bool)
    return str(value) if is_plain else value


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) and isfinite(value) else None


def plain_time(value: object) -> object:
    """``value``, or the time of so many seconds since 1970, or their thousandths and less; ``None`` if it is none."""
    if isinstance(value, str) and _EPOCH.fullmatch(value) is not None:  # as tables write numbers
        value = float(value)
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return value
    for unit, most in _EPOCHS:
        if 0 < value < most:
            return datetime.fromtimestamp(value / unit, UTC)
    return None


_EPOCH = re.compile(r"[0-9]{10}(?:\.[0-9]*|[0-9]{3}|[0-9]{6}|[0-9]{9})?")
"""Seconds since 1970 in our time, or their thousandths and less, in digits: no other time has as many."""

_EPOCHS = ((1, 10**11), (10**3, 10**14), (10**6, 10**17), (10**9, 10**20))
"""Seconds since 1970, and their thousandths and less, each with what is more than that: the year 5138."""

_PLAIN: Mapping[Kind, Callable[[object], object]] = {
    "count": whole,
    "flag": flag_of,
    "number": _number,
    "time": plain_time,
    **dict.fromkeys(("name", "text", "reason", "raw reason"), _name),
}
"""What a value is to the readers of our own lines, by the kind of its field."""


def _feature(name: str, value: object) -> str | None:
    plain = flag_of(value) if name in _FLAGS else value
    return str(plain) if isinstance(plain, (str, int, float, Decimal)) and plain != "" else None


@lru_cache(1 << 12)
def _features(features: tuple[tuple[str, object], ...]) -> Mapping[str, str]:
    """Many calls share theirs: each object is kept once."""
    return read_features(dict(features))
