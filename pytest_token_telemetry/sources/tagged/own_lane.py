"""Read many plain lines of our own format at once, each as `own_parsing.parse` reads it alone.

Lines of one writer have one layout: the same keys in the same order, with the same text between their values. So one
line, taken apart, tells between which of its quotes each value stands in all lines of its layout, and the values are
read as columns. All other lines are left to the caller: where there is any doubt, a line is not plain.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from json import JSONDecoder
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from pytest_token_telemetry.sample import FIELDS, LONGEST_TEXT, is_truncated, truncation_source
from pytest_token_telemetry.samples import UNKNOWN, NameColumn, Samples, narrowest, unknown
from pytest_token_telemetry.sources.rows import Ids
from pytest_token_telemetry.sources.tagged.byte_words import MOST_TEXTS, Text, stamps
from pytest_token_telemetry.sources.tagged.digests import digests
from pytest_token_telemetry.sources.tagged.own_layout import REASONS, layout_of
from pytest_token_telemetry.sources.tagged.own_parsing import distinct, read_features, said_reason
from pytest_token_telemetry.sources.tagged.records import RecordError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_token_telemetry.sample import Field
    from pytest_token_telemetry.samples import Integers, Mask
    from pytest_token_telemetry.sources.tagged.digests import Digests
    from pytest_token_telemetry.sources.tagged.own_layout import Layout


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
    ids: Ids
    """The calls' own ids."""


_MOST_LAYOUTS = 32
"""Layouts that are tried for some lines. To try one takes as long as to read twenty lines one by one."""


def plain(text: Text, begins: Integers, ends: Integers) -> Plain:
    """Read the plain ones of some lines of ``text``, which have one name each.

    Args:
        text: `normal` text.
        begins: offsets of the lines, in order.
        ends: offsets of their line ends.
    """
    ends = ends - (text.bytes[ends - 1] == ord("\r"))
    quotes = text.places(b'"')
    first = np.searchsorted(quotes, begins)
    counts = np.searchsorted(quotes, ends) - first
    columns = _Columns(text, begins, ends)
    left = np.flatnonzero(_are_texts(text, begins, ends))
    for _ in range(_MOST_LAYOUTS):
        if not len(left):
            break
        model = left[0]
        alike = left[counts[left] == counts[model]]
        layout = layout_of(text.text[begins[model] : ends[model]])
        if layout is not None:
            columns.read(layout, alike, quotes, first[alike])
        left = left[1:][~columns.ok[left[1:]]]
    return columns.taken()


def _are_texts(text: Text, begins: Integers, ends: Integers) -> Mask:
    """Mark which lines are valid UTF-8, without an escape or a control character."""
    odd = text.places_not_printable()
    odd = odd[text.bytes[odd] != ord("\n")]
    is_control = text.bytes[odd] < ord(" ")
    ok = ~_any_within(odd[is_control], begins, ends) & ~_any_within(text.places(b"\\"), begins, ends)
    for line in np.flatnonzero(ok & _any_within(odd[~is_control], begins, ends)).tolist():
        try:
            text.text[begins[line] : ends[line]].decode()
        except UnicodeDecodeError:
            ok[line] = False
    return ok


def _any_within(places: Integers, begins: Integers, ends: Integers) -> Mask:
    """Mark the lines in which any of ``places`` is."""
    if not len(places):
        return np.zeros(len(begins), np.bool_)
    return np.searchsorted(places, ends) > np.searchsorted(places, begins)


_EMPTY: dict[str, tuple[object, Any]] = {
    "count": (UNKNOWN, np.int32),
    "flag": (UNKNOWN, np.int8),
    "time": ("NaT", "datetime64[us]"),
    "text": (False, np.bool_),
    "features": (None, object),
}
"""What a column has where nothing is given, and its type, by the kind of its field."""

_FLAGS = {"true": 1, "false": 0, "null": UNKNOWN}
_NOT_PLAIN = UNKNOWN - 1
"""The code of a text that makes a line not plain."""

_CODES = {True: 1, False: 0, None: UNKNOWN}
_DECODER = JSONDecoder(object_pairs_hook=distinct)
_PREDICTED = "predicted_output_tokens"
_OF_IDENTITY = (_PREDICTED, "output_tokens", "id")


class _Columns:
    """The columns of some lines."""

    def __init__(self, text: Text, begins: Integers, ends: Integers) -> None:
        self._text, self._begins, self._ends = text, begins, ends
        self.ok = np.zeros(len(begins), np.bool_)
        """Which lines were found plain."""
        self._columns: dict[str, Any] = {}
        self._codes: dict[str, dict[str, int]] = {}
        """What the texts of a column are coded as."""
        self._spans = np.zeros((2, len(begins), len(_OF_IDENTITY)), np.int64)
        """Where the values of `_OF_IDENTITY` begin and end in each line. That of no prediction is empty."""

    def read(self, layout: Layout, rows: Integers, quotes: Integers, first: Integers) -> None:
        """Read those of the lines ``rows`` that have this ``layout``, and mark them.

        Each has as many quotes as the layout; its first is that of the ``quotes`` with the index ``first``.
        """
        ok = self._text.have(layout.constants, quotes[first[:, np.newaxis] + layout.anchors] + layout.shifts)
        ok &= self._text.ends_with(layout.after, self._ends[rows])
        ok &= quotes[first] - layout.first == self._begins[rows]
        if not ok.all():
            rows, first = rows[ok], first[ok]
        begins = quotes[first[:, np.newaxis] + layout.opening] + layout.begins
        ends = quotes[np.minimum(first[:, np.newaxis] + layout.closing, len(quotes) - 1)] + layout.ends
        if layout.closing[-1] == layout.quotes:
            ends[:, -1] = self._ends[rows] + layout.ends[-1]
        ok, values = self._values(layout.fields, begins, ends)
        rows = rows[ok]
        self.ok[rows] = True
        for name, column in values.items():
            if name not in self._columns:
                empty, kind = _EMPTY.get(FIELDS[name].kind, (UNKNOWN, np.int64))
                self._columns[name] = np.full(len(self.ok), empty, kind)
            self._columns[name][rows] = column[ok]
        if "id" in values:
            places = {field.name: at for at, field in enumerate(layout.fields)}
            of_identity = [places.get(name, places["id"]) for name in _OF_IDENTITY]
            self._spans[:, rows] = np.stack((begins[ok][:, of_identity], ends[ok][:, of_identity]))
            without = rows[values.get(_PREDICTED, np.full(len(ok), UNKNOWN))[ok] == UNKNOWN]
            self._spans[1][without, 0] = self._spans[0][without, 0]

    def _values(self, fields: Sequence[Field], begins: Integers, ends: Integers) -> tuple[Mask, dict[str, Any]]:
        """The values of ``fields`` that stand from ``begins`` to ``ends``, a row a line, and which lines are plain."""
        text = self._text
        values: dict[str, Any] = {}
        ok = np.ones(len(begins), np.bool_)
        counts = [at for at, field in enumerate(fields) if field.kind == "count"]
        numbers, are_numbers = self._counts(begins[:, counts], ends[:, counts], [fields[at] for at in counts])
        ok &= are_numbers
        for at, column in zip(counts, numbers.T, strict=True):
            values[fields[at].name] = column
        texts = [at for at, field in enumerate(fields) if field.kind == "flag" or field.is_shared]
        which, meant = text.meanings(begins[:, texts].ravel(), ends[:, texts].ravel(), bytes.decode, begins.size)
        for at, column in zip(texts, which.reshape(len(begins), len(texts)).T, strict=True):
            table = self._table(fields[at], meant, column)
            values[fields[at].name] = coded = table[column]
            ok &= coded != _NOT_PLAIN
        for at, field in enumerate(fields):
            begin, end = begins[:, at], ends[:, at]
            if field.kind == "time":
                values[field.name], are_plain = self._times(begin, end)
            elif field.kind == "text":
                values[field.name], are_plain = (
                    np.ones(len(end), np.bool_),
                    (end > begin) & (end - begin <= LONGEST_TEXT),
                )
            elif field.kind == "features":
                features = [_features(text.text[at:to]) for at, to in zip(begin.tolist(), end.tolist(), strict=True)]
                values[field.name] = np.array([*features, None])[:-1]
                are_plain = np.array([each is not None for each in features], np.bool_)
            else:
                continue
            ok &= are_plain
        return ok, values

    def _table(self, field: Field, texts: Sequence[str | None], which: Integers) -> Integers:
        """What each of the ``texts`` is coded as, as far as ``which`` names them."""
        table = np.full(len(texts), _NOT_PLAIN)
        used = np.zeros(len(texts), np.bool_)
        used[which] = True
        codes = self._codes.setdefault(field.name, {} if field.is_shared else {**_FLAGS})
        most = {"flag": 0, "reason": MOST_TEXTS, "raw reason": MOST_TEXTS}.get(field.kind, sys.maxsize)
        for at in np.flatnonzero(used).tolist():
            text = texts[at]
            if text in codes:
                table[at] = codes[text]
            elif field.kind == "word" and text is not None and text not in field.words:
                table[at] = UNKNOWN
            elif len(codes) < most and text is not None:
                table[at] = codes[text] = len(codes)
        return table

    def _counts(self, begins: Integers, ends: Integers, fields: Sequence[Field]) -> tuple[Integers, Mask]:
        """The counts, a row a line; `UNKNOWN` where none is given, and where a 0 says so. And which lines are plain."""
        numbers, are_numbers = (each.reshape(begins.shape) for each in self._text.numbers(begins.ravel(), ends.ravel()))
        are_numbers &= (ends - begins == 1) | (self._text.bytes[begins] != ord("0"))
        are_plain = are_numbers
        if not are_numbers.all():
            is_null = self._text.ends_with(b"null", ends.ravel()).reshape(ends.shape) & (ends - begins == len("null"))
            are_plain = are_numbers | (is_null & ~np.array([field.needed for field in fields]))
        are_known = (numbers > 0) | [field.zero_is_count for field in fields]
        return np.where(are_numbers & are_known, numbers, UNKNOWN), are_plain.all(axis=1)

    def _times(self, begins: Integers, ends: Integers) -> tuple[Any, Mask]:
        """The times, in microseconds, of which each names UTC or no time zone."""
        times, behind, ok = stamps(self._text, begins)
        left = ends - behind
        is_utc = (left == 1) & self._text.ends_with(b"Z", ends)
        if not is_utc.all():
            is_utc |= (left == len("+00:00")) & self._text.ends_with(b"+00:00", ends)
        return times, ok & ((left == 0) | is_utc)

    def taken(self) -> Plain:
        """What the plain lines say."""
        rows = np.flatnonzero(self.ok)
        n = len(rows)
        found = {name: column[rows] for name, column in self._columns.items()}
        features = found.pop("features", np.empty(0, object)).tolist()
        has_id = np.flatnonzero(found.pop("id", np.zeros(n, np.bool_)))
        columns: dict[str, Any] = {}
        for name, values in found.items():
            field = FIELDS[name]
            if field.is_shared:
                columns[name] = NameColumn(values, tuple(self._codes[name]))
            else:
                columns[name] = values if field.kind != "flag" or field.unknown is None else values == 1
        samples = replace(unknown(n), **columns, features={row: plain for row, plain in enumerate(features) if plain})
        samples = completed(samples)
        has_time = ~np.isnat(samples.time)
        has_time[has_id] = False
        digest = np.zeros((n, 2), np.uint64)
        digest[has_time] = digests(self._text, self._begins[rows[has_time]], self._ends[rows[has_time]])
        text, begins, ids, ends = self._identities(rows[has_id])
        digest[has_id] = digests(text, begins, ends)
        known = has_time
        known[has_id] = True
        return Plain(rows, samples, digest, known, Ids.within(text, ids, ends, has_id))

    def _identities(self, rows: Integers) -> tuple[Text, Integers, Integers, Integers]:
        """The identities of calls with an id: where each begins, where its id does, and where it ends."""
        begins, ends = self._spans[:, rows]
        before = np.array([len("id "), 1, 1])
        sizes = (ends - begins + before).ravel()
        stops = np.cumsum(sizes)
        text = self._text.bytes[np.repeat((begins - before).ravel() - stops + sizes, sizes) + np.arange(sizes.sum())]
        at = (stops - sizes).reshape(-1, 3)
        text[at + before - 1] = ord(" ")
        text[at[:, 0]], text[at[:, 0] + 1] = b"id"
        return Text(text.tobytes()), at[:, 0], at[:, 2] + 1, stops[2::3]


def _features(text: bytes) -> dict[str, str] | None:
    """The features that ``text`` says; ``None`` if it is not plain."""
    try:
        return read_features(_DECODER.decode(text.decode())) if text.count(b"{") < 2 else None
    except (ValueError, RecursionError, RecordError):
        return None


def completed(samples: Samples, *, of_other: bool = False, remapped: bool = False) -> Samples:
    """``samples`` with why each output ended, and whether it was truncated, by what the lines say of both.

    ``of_other``: whether they are records of another system. For these, what says it is told too.
    ``remapped``: as for `is_truncated`, of all of them.
    """
    ours, raw = samples.finish_reason, samples.finish_reason_raw
    our_words, raw_words = (None, *ours.names), (None, *raw.names)
    pairs = (ours.codes.astype(np.int64) + 1) * len(raw_words) + raw.codes + 1
    kinds = np.flatnonzero(np.bincount(pairs, minlength=1))
    said = [said_reason(our_words[kind // len(raw_words)], raw_words[kind % len(raw_words)]) for kind in kinds.tolist()]
    columns: dict[str, Any] = {}
    for name, words in zip(REASONS, zip(*said, strict=True), strict=False):
        names = tuple(dict.fromkeys(word for word in words if word is not None))
        codes = np.full(len(our_words) * len(raw_words), UNKNOWN)
        codes[kinds] = [UNKNOWN if word is None else names.index(word) for word in words]
        columns[name] = NameColumn(narrowest(codes)[pairs], names)
    reasons = columns.get("finish_reason", ours)
    caps, outputs = samples.max_tokens, samples.output_tokens
    reached = np.where(caps == UNKNOWN, 0, np.where(outputs >= caps, 1, np.where(outputs > 0, 2, 3)))
    of_kind = [
        (flag, reason, is_truncated(flag, reason, output, cap, remapped=remapped))
        for flag in (None, False, True)
        for reason in (None, *reasons.names)
        for output, cap in ((1, None), (2, 2), (1, 2), (0, 2))
    ]
    kinds = ((samples.truncated.astype(np.int64) + 1) * (len(reasons.names) + 1) + reasons.codes + 1) * 4 + reached
    columns["truncated"] = np.array([_CODES[truncated] for *_, truncated in of_kind], np.int8)[kinds]
    if of_other:
        there = {*np.flatnonzero(np.bincount(kinds)).tolist()}
        sources = [
            truncation_source(truncated, flag, reason) if kind in there else None
            for kind, (flag, reason, truncated) in enumerate(of_kind)
        ]
        names = tuple(dict.fromkeys(source for source in sources if source is not None))
        codes = np.array([UNKNOWN if source is None else names.index(source) for source in sources])
        columns["truncation_source"] = NameColumn(narrowest(codes)[kinds], names)
    return replace(samples, **columns)
