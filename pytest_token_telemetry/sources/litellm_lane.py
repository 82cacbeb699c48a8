"""LiteLLM's payloads, put into columns many at once: the lane of those that say nothing but the usual.

It is taken by a record that is a document of its own, of a successful call with an id, a count, an end in seconds, an
object of parameters and one answer, each of the usual type. Any other is read one by one, by the same rules.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import msgspec
import numpy as np

from pytest_token_telemetry.sample import LONGEST_TEXT
from pytest_token_telemetry.samples import UNKNOWN
from pytest_token_telemetry.sources.caps import cap_of
from pytest_token_telemetry.sources.emitted import Emitted
from pytest_token_telemetry.sources.labels import are_known, label_columns, labels_of, slips_in
from pytest_token_telemetry.sources.litellm_records import (
    FORMAT,
    GENERATES,
    emission_of,
    end_of,
    joined_metadata,
    labels_of_record,
    own_call_id,
)
from pytest_token_telemetry.sources.provider_calls import called, moment, tell
from pytest_token_telemetry.sources.record_columns import AT_ONCE, UnusualError, samples_of_columns
from pytest_token_telemetry.sources.rows import Ids
from pytest_token_telemetry.sources.tagged.digests import digests, one_text
from pytest_token_telemetry.sources.tagged.own_parsing import identity_by_counts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_token_telemetry.samples import Integers
    from pytest_token_telemetry.sources.rows import Rows


class PlainRecord(msgspec.Struct, gc=False, kw_only=True):
    """The fields of `litellm_records.Record` that the lane needs, each of its usual type.

    They have LiteLLM's order, so that the decoder finds each at once.
    """

    id: str
    litellm_call_id: str | None = None
    call_type: str
    cache_hit: bool | None = None
    status: Literal["success"] | None = None
    endTime: float  # noqa: N815 - LiteLLM's name
    model: str | None = None
    metadata: _Metadata | None = None
    completion_tokens: int
    request_tags: list[str] | None = None
    response: _Response | None = None
    model_parameters: _Parameters


class _Parameters(msgspec.Struct, frozen=True, gc=False):
    max_completion_tokens: int | None = None
    max_tokens: int | None = None
    max_output_tokens: int | None = None


class _Metadata(msgspec.Struct, gc=False):
    spend_logs_metadata: dict[str, Any] | None = None
    requester_metadata: dict[str, Any] | None = None


class _Native(msgspec.Struct, frozen=True, gc=False):
    native_finish_reason: str | None = None


class _Choice(_Native, frozen=True, gc=False):
    index: int | None = None
    finish_reason: str | None = None
    provider_specific_fields: _Native | None = None


class _Incomplete(msgspec.Struct, frozen=True, gc=False):
    reason: str | None = None


class _Response(msgspec.Struct, frozen=True, gc=False):
    """What tells the end of a chat completion, an OpenAI response or an Anthropic message: see `response_shapes`."""

    type: Literal["message"] | None = None
    object: str | None = None
    choices: tuple[_Choice, ...] | None = None
    status: str | None = None
    incomplete_details: _Incomplete | None = None
    stop_reason: str | None = None
    delta: None = None
    candidates: None = None
    usage_metadata: None = None
    usageMetadata: None = None  # noqa: N815 - Gemini's name, as the next
    promptFeedback: None = None  # noqa: N815
    prompt_feedback: None = None


_DECODER = msgspec.json.Decoder(PlainRecord)
_end = lru_cache(maxsize=256)(end_of)
_cap = lru_cache(maxsize=AT_ONCE)(cap_of)


def plain_record(text: bytes) -> PlainRecord | None:
    """The record in ``text``, if it may take the lane."""
    try:
        record = _DECODER.decode(text)
    except (ValueError, RecursionError):  # msgspec's errors are values that are none
        return None
    is_usual = (
        record.call_type in GENERATES
        and not record.cache_hit
        and 0 < record.endTime < _LATEST
        and 0 < len(record.id) <= LONGEST_TEXT
        and (record.response is None or record.response.choices is None or len(record.response.choices) == 1)
    )
    return record if is_usual else None


_LATEST = 2.5e11
"""Seconds since 1970: before the last year of the calendar."""


class Lane:
    """The plain records of one file on their way into its rows."""

    def __init__(self, into: Rows) -> None:
        self._into = into
        self._unread: _Waiting = {}
        """Those of which the metadata alone may have labels, by its keys, with its values."""
        self._read: _Waiting = {}
        """The others by the names of their labels, with these."""
        self._count = 0

    def add(self, record: PlainRecord, line: int, place: int) -> None:
        """Add a record of a ``line``, in which it has that ``place``, from 0."""
        reason, _, remapped = _end(record.response)
        cap = _cap(record.model_parameters)
        ids_and_end = record.id, record.endTime, record.litellm_call_id
        facts = (line, place, *ids_and_end, record.completion_tokens, cap, reason, record.model)
        kept, tags = record.metadata, record.request_tags
        said = joined_metadata(kept.requester_metadata, kept.spend_logs_metadata) if kept is not None else {}
        if tags or not are_known(said):
            self._into.note(slips_in(tags, said))
        if tags and labels_of(tags):
            _wait(self._read, facts, labels_of_record(tags, said), remapped=remapped)
        else:
            _wait(self._unread, facts, said, remapped=remapped)
        self._count += 1
        if self._count >= AT_ONCE:
            self.finish()

    def finish(self) -> None:
        """Give the rows what waits."""
        for (remapped, keys), alike in self._unread.items():
            columns = [*zip(*alike, strict=True)]
            labels = label_columns(keys, columns[_FACTS:])
            if labels is None:
                for each in alike:
                    said = labels_of(dict(zip(keys, each[_FACTS:], strict=True)))
                    _wait(self._read, each[:_FACTS], said, remapped=remapped)
            else:
                self._add(columns[:_FACTS], labels, remapped=remapped)
        for (remapped, names), alike in self._read.items():
            columns = [*zip(*alike, strict=True)]
            self._add(columns[:_FACTS], dict(zip(names, columns[_FACTS:], strict=True)), remapped=remapped)
        self._unread.clear()
        self._read.clear()
        self._count = 0

    def _add(self, facts: _Columns, labels: Mapping[str, Sequence[object]], *, remapped: bool) -> None:
        lines, places, ids, ends, call_ids, *values = facts
        said = {**dict(zip(_NAMES, values, strict=True)), **labels}
        try:
            self._add_columns(lines, places, ids, ends, call_ids, said, remapped=remapped)
        except UnusualError:
            for line, place, id, end, call_id, *each in zip(*facts[:_BEFORE], *said.values(), strict=True):
                record = {**dict(zip(said, each, strict=True)), "id": id, "time": moment(end)}
                call = called(record, remapped=remapped)
                tell(self._into, call, line, place, emission=emission_of(id, call_id))

    def _add_columns(
        self,
        lines: Sequence[int],
        places: Sequence[int],
        ids: Sequence[str],
        ends: Sequence[float],
        call_ids: Sequence[str | None],
        said: Mapping[str, Sequence[object]],
        *,
        remapped: bool,
    ) -> None:
        if not "".join(ids).isascii():
            raise UnusualError
        samples = samples_of_columns(said, lines, _microseconds(ends), self._into.file, remapped=remapped)
        predicted = ["" if count == UNKNOWN else count for count in samples.predicted_output_tokens.tolist()]
        identities = [*map(identity_by_counts, ids, predicted, samples.output_tokens.tolist())]
        text, bounds = one_text(identities)
        begins, stops = bounds[:-1], bounds[1:]
        known = np.broadcast_to(True, len(ids))
        own_ids = Ids.within(text, stops - np.array([*map(len, ids)], np.int64), stops, np.arange(len(ids)))
        digest = digests(text, begins, stops)
        told = [(row, each) for row, each in enumerate(map(own_call_id, ids, call_ids)) if each is not None]
        emitted = Emitted.of_records([row for row, _ in told], [each for _, each in told], FORMAT)
        self._into.add_own_block(samples, digest, known, own_ids, places=np.array(places, np.int64), emitted=emitted)


_Columns: TypeAlias = "Sequence[tuple[Any, ...]]"
_Waiting: TypeAlias = dict[tuple[bool, tuple[str, ...]], list[tuple[Any, ...]]]
"""Records by whether their reason may be changed, and by names: the facts of each, and the values of these names."""

_NAMES = ("output_tokens", "max_tokens", "finish_reason", "model")
"""Our names of the last facts of a record. Before them come its line, its place, its id, its end and LiteLLM's id."""

_BEFORE = 5
_FACTS = _BEFORE + len(_NAMES)


def _wait(waiting: _Waiting, facts: tuple[Any, ...], said: Mapping[str, object], *, remapped: bool) -> None:
    kind = remapped, tuple(said)
    alike = waiting.get(kind)
    if alike is None:
        alike = waiting[kind] = []
    alike.append((*facts, *said.values()))


def _microseconds(seconds: Sequence[float]) -> Integers:
    """``seconds`` since 1970 as microseconds, rounded as ``datetime.fromtimestamp`` does: to even."""
    part, whole = np.modf(np.array(seconds, np.float64))
    return whole.astype(np.int64) * 1_000_000 + np.rint(part * 1e6).astype(np.int64)
