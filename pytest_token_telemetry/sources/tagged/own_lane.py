"""Read many plain lines of our own format at once, each as `own_parsing.parse` reads it alone.

A line is plain if it is one JSON object and no more, with no escape in it, no key twice, and values as we write them.
All other lines are left to the caller: where there is any doubt, a line is not plain.
"""

from __future__ import annotations

from dataclasses import replace
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import numpy as np

from pytest_token_telemetry.sample import FIELDS, LONGEST_TEXT, MOST_TOKENS, is_truncated
from pytest_token_telemetry.samples import UNKNOWN, NameColumn, Samples, narrowest, unknown
from pytest_token_telemetry.sources.own_format import SCHEMA
from pytest_token_telemetry.sources.tagged.byte_words import Text, stamps
from pytest_token_telemetry.sources.tagged.digests import digests, digests_of
from pytest_token_telemetry.sources.tagged.own_parsing import READ, read_features, said_reason

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from pytest_token_telemetry.sample import Field
    from pytest_token_telemetry.samples import Integers, Mask
    from pytest_token_telemetry.sources.tagged.digests import Digests


class Plain(NamedTuple):
    """What the plain ones of some lines say."""

    rows: Integers
    """Which of the lines are plain, in order."""
    samples: Samples
    """Of these, without file and line."""
    digest: Digests
    """The digest of each one's identity, of shape ``(rows, 2)``; 0 without one."""
    known: Mask
    """Whether it has an identity."""
    ids: list[str | None]
    """The call's own id."""


def plain(text: Text, begins: Integers, ends: Integers) -> Plain:
    """Read the plain ones of some lines of ``text``, which have one name each.

    Args:
        text: `normal` text.
        begins: offsets of the lines, in order.
        ends: offsets of their line ends.
    """
    ends = ends - (text.bytes[ends - 1] == ord("\r"))
    keys = _keys(text, begins, ends)
    found = np.flatnonzero((text.bytes[begins] == ord("{")) & (text.bytes[ends - 1] == ord("}")) & (keys > 0))
    spans = zip(begins[found].tolist(), ends[found].tolist(), strict=True)
    lines = [_decoded(text.text[begin:end]) for begin, end in spans]
    if None in lines:
        found = found[[line is not None for line in lines]]
        lines = [line for line in lines if line is not None]
    columns = _Columns(lines, keys[found])
    ok = np.flatnonzero(columns.ok)
    found = found[ok]
    return Plain(found, *columns.taken(ok, text, begins[found], ends[found]))


def _keys(text: Text, begins: Integers, ends: Integers) -> Integers:
    """Count the keys of each line; 0 where they cannot be counted, or something is escaped."""
    colons = text.places(b":")
    before = text.bytes[colons - 1]
    keys = colons[before == ord('"')]
    counts = np.searchsorted(keys, ends) - np.searchsorted(keys, begins)
    for odd in (text.places(b"\\"), colons[(before == ord(" ")) | (before == ord("\t"))]):
        if len(odd):
            counts[np.searchsorted(odd, ends) > np.searchsorted(odd, begins)] = 0
    return counts


_REASONS = ("finish_reason", "finish_reason_raw")
_NAMES = ("schema", *READ, *_REASONS)


def _type(name: str) -> tuple[Any, ...]:
    """The type of a field in a plain line, and its default."""
    kind = "schema" if name == "schema" else FIELDS[name].kind
    plain: Any = {"count": int, "flag": bool, "features": dict[str, Any]}.get(kind, str)
    return (plain,) if name == "schema" or FIELDS[name].needed else (plain | None, None)


_Line = msgspec.defstruct("_Line", [(name, *_type(name)) for name in _NAMES], kw_only=True, gc=False)
_decode = msgspec.json.Decoder(_Line).decode


def _decoded(line: bytes) -> msgspec.Struct | None:
    """What a line says; ``None`` if it is not plain."""
    try:
        return _decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


_FLAGS = {True: 1, False: 0, None: UNKNOWN}
_NOT_GIVEN = -MOST_TOKENS - 2
"""Less than any count that is read."""


class _Columns:
    """The columns of some decoded lines."""

    def __init__(self, lines: Sequence[msgspec.Struct | None], keys: Integers) -> None:
        """Each line has so many ``keys``, those within its features included."""
        self._values: dict[str, list[Any]] = {name: list(map(attrgetter(name), lines)) for name in _NAMES}
        self._given = np.ones(len(lines), np.int64)
        """How many keys of each line said something. If it has others, one is given twice, or is not known here."""
        self.ok: Mask = np.fromiter(map(SCHEMA.__eq__, self._values["schema"]), np.bool_, len(lines))
        """Which lines are plain."""
        readers = {"count": self._counts, "flag": self._flags, "name": self._names, "word": self._names}
        self._columns: dict[str, Any] = {
            name: readers[field.kind](field) for name, field in READ.items() if field.kind in readers
        }
        self._columns["time"] = self._times()
        if any(self._values["id"]):
            sizes = np.array([len(id) if id else 0 for id in self._values["id"]], np.int64)
            self.ok &= sizes <= LONGEST_TEXT
            self._given += sizes > 0
        if any(self._values["features"]):
            self._given += np.array([1 + len(each) if each else 0 for each in self._values["features"]], np.int64)
        self._reasons()
        self._truncated()
        self.ok &= self._given == keys

    def taken(
        self, rows: Integers, text: Text, begins: Integers, ends: Integers
    ) -> tuple[Samples, Digests, Mask, list[str | None]]:
        """What `Plain` has for some ``rows``, whose lines begin and end there."""
        columns: dict[str, Any] = {}
        for name, found in self._columns.items():
            if isinstance(found, NameColumn):
                columns[name] = NameColumn(narrowest(found.codes[rows]), found.names)
            else:
                columns[name] = found[rows]
        given = self._values["features"] if any(self._values["features"]) else []
        kept = enumerate(rows.tolist() if given else ())
        features = {new: plain for new, row in kept if given[row] and (plain := read_features(given[row]))}
        samples = replace(unknown(len(rows)), **columns, features=features)
        ids = [self._values["id"][row] for row in rows.tolist()] if any(self._values["id"]) else [None] * len(rows)
        digest = digests(text, begins, ends)
        known = ~np.isnat(samples.time)
        if have := [row for row, id in enumerate(ids) if id is not None]:
            counts = (samples.predicted_output_tokens[have].tolist(), samples.output_tokens[have].tolist())
            calls = zip(*counts, (ids[row] for row in have), strict=True)
            digest[have] = digests_of([f"id {predicted} {output} {id}".encode() for predicted, output, id in calls])
            known[have] = True
        digest[~known] = 0
        return samples, digest, known, ids

    def _counts(self, field: Field) -> npt.NDArray[np.int32]:
        """The counts; `UNKNOWN` where none is given, and where a 0 says so."""
        values = self._values[field.name]
        try:
            counts = np.fromiter(values, np.int64, len(values))
        except (TypeError, OverflowError):  # some are not given, or far too large
            most = MOST_TOKENS + 1
            given = (_NOT_GIVEN if value is None else min(max(value, -most), most) for value in values)
            counts = np.fromiter(given, np.int64, len(values))
        is_given = counts != _NOT_GIVEN
        self._given += is_given
        self.ok &= ~is_given | ((counts >= 0) & (counts <= MOST_TOKENS))
        return (counts if field.needed else np.where(counts > 0, counts, UNKNOWN)).astype(np.int32)

    def _flags(self, field: Field) -> npt.NDArray[Any]:
        values = self._values[field.name]
        flags = np.fromiter(map(_FLAGS.__getitem__, values), np.int8, len(values))
        self._given += flags != UNKNOWN
        return flags if field.unknown is None else flags == 1

    def _names(self, field: Field) -> NameColumn:
        codes, names = self._coded(self._values[field.name])
        self._given += codes != UNKNOWN
        if not field.words:
            return NameColumn(codes, names)
        known = np.array([*(code if name in field.words else UNKNOWN for code, name in enumerate(names)), UNKNOWN])
        return NameColumn(known[codes], names)

    def _coded(self, values: Sequence[Any]) -> tuple[Integers, tuple[Any, ...]]:
        """The index of each value among the distinct ones, and these; `UNKNOWN` for ``None`` and an empty text."""
        distinct = [value for value in dict.fromkeys(values) if value]
        codes = {None: UNKNOWN, "": UNKNOWN, **{value: code for code, value in enumerate(distinct)}}
        found = np.fromiter(map(codes.__getitem__, values), np.int64, len(values))
        if any(is_long := [len(value) > LONGEST_TEXT for value in distinct]):
            self.ok &= ~np.array([*is_long, False])[found]
        return found, tuple(distinct)

    def _reasons(self) -> None:
        """Say why each output ended, in our words and in the provider's."""
        (ours, our_words), (raw, raw_words) = (self._coded(self._values[name]) for name in _REASONS)
        self._given += ours != UNKNOWN
        self._given += raw != UNKNOWN
        size = len(raw_words) + 1
        pairs, which = np.unique((ours + 1) * size + raw + 1, return_inverse=True)
        our_words, raw_words = (None, *our_words), (None, *raw_words)
        meant = [said_reason(our_words[pair // size], raw_words[pair % size]) for pair in pairs.tolist()]
        for name, words in zip(_REASONS, zip(*meant, strict=True), strict=False):
            codes = {word: code for code, word in enumerate(dict.fromkeys(word for word in words if word is not None))}
            of_pair = np.array([UNKNOWN if word is None else codes[word] for word in words])
            self._columns[name] = NameColumn(of_pair[which], tuple(codes))

    def _truncated(self) -> None:
        """Decide by one line of each kind: what it states, why it ended, whether it reached its cap."""
        nothing = NameColumn(np.full(len(self.ok), UNKNOWN), ())
        reasons = self._columns.get("finish_reason", nothing)
        caps, outputs = self._columns["max_tokens"], self._columns["output_tokens"]
        reached = np.select([caps == UNKNOWN, outputs >= caps, outputs > 0], [0, 1, 2], 3)
        stated = self._columns["truncated"].astype(np.int64)
        kinds = ((stated + 1) * (len(reasons.names) + 1) + reasons.codes + 1) * 4 + reached
        table = [
            is_truncated(flag, reason, output, cap)
            for flag in (None, False, True)
            for reason in (None, *reasons.names)
            for output, cap in ((1, None), (2, 2), (1, 2), (0, 2))
        ]
        self._columns["truncated"] = np.array([_FLAGS[each] for each in table], np.int8)[kinds]

    def _times(self) -> npt.NDArray[np.datetime64]:
        """The times, in microseconds; NaT where there is none."""
        values = [value or "" for value in self._values["time"]]
        sizes = np.fromiter(map(len, values), np.int64, len(values))
        text = Text(" ".join(values).encode("ascii", "replace"))
        begins = np.cumsum(sizes + 1) - (sizes + 1)
        times, ends, ok = stamps(text, begins)
        left = begins + sizes - ends
        is_utc = (left == 1) & text.ends_with(b"Z", begins + sizes)
        is_utc |= (left == len("+00:00")) & text.ends_with(b"+00:00", begins + sizes)
        self._given += sizes > 0
        self.ok &= (sizes == 0) | (ok & ((left == 0) | is_utc))
        return np.where(ok & (sizes > 0), times, np.datetime64("NaT", "us"))
