"""The calls that the spans and log records of a file tell of, given to its rows as soon as enough is known of them."""

from __future__ import annotations

from collections import Counter
from types import NoneType
from typing import TYPE_CHECKING

import numpy as np

from pytest_token_telemetry.sample import finish_reason, telling_reason
from pytest_token_telemetry.sources.emitted import Emission, Emitted
from pytest_token_telemetry.sources.otlp.attributes import first_of, reaches_cap
from pytest_token_telemetry.sources.otlp.seen import PlainCall, Seen, all_nanoseconds
from pytest_token_telemetry.sources.otlp.traces import Trace, calls_apart
from pytest_token_telemetry.sources.own_format import NO_OUTPUT, NO_OUTPUT_FAILED
from pytest_token_telemetry.sources.record_columns import AT_ONCE, Record, RecordColumns, UnusualError
from pytest_token_telemetry.sources.tagged.records import ended_as

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pytest_token_telemetry.sources.otlp.attributes import Layout
    from pytest_token_telemetry.sources.otlp.seen import Held
    from pytest_token_telemetry.sources.rows import Rows

MOST_HELD = 20_000
"""Spans that are held until the rest of their trace is known. Exporters write a trace's spans close together."""

NO_CALL = "spans that are not model calls"
NO_CALL_LOGGED = "log records that are not model calls"
TOLD_AGAIN = "spans of a call that another span tells of too"
BEFORE_LAST = (
    "calls before the last one of a span in which Gemini's client called functions by itself: nothing tells of them "
    "(switch automatic function calling off)"
)


class Calls:
    """The calls of one file."""

    def __init__(self, into: Rows, most_held: int = MOST_HELD, at_once: int = AT_ONCE) -> None:
        """Calls for ``into``, which is given ``at_once`` so many; 1: each by itself, as a sample."""
        self._into = into
        self._records = RecordColumns(into, at_once)
        self._most_held = most_held
        self._held = 0
        self.skipped = 0
        """Spans that are no call, not yet told of."""
        self.logged = 0
        """The same of log records."""
        self._traces: dict[object, Held | list[Held]] = {}
        """What is held of each; those last added to come last. Most have one span, and need no list."""
        self._apart: list[PlainCall] = []
        """Calls that nothing else in their traces tells of, and that are not yet told of."""

    def add(self, seen: Seen) -> None:
        """Add a span, or a log record."""
        if not seen.is_call:
            self.skipped += 1
        if seen.trace:
            self.add_all([seen if seen.is_call else seen.step()])
        elif seen.is_call:
            self.add_all([seen], (seen.id, seen.output, seen.end) if seen.id is not None else (seen.line, seen.place))

    def add_all(self, spans: Iterable[Held], without_trace: object = None) -> None:
        """Add ``spans`` in their order. Those that are no call are `skipped` already.

        Args:
            spans: all in traces, or not.
            without_trace: what those in no trace have alike that may tell of one call.
        """
        traces, held, most = self._traces, self._held, self._most_held + self._most_held // _AT_A_TIME
        latest: object = None
        known: Held | list[Held] | None = None
        for each in spans:
            key: object = each.trace or without_trace
            if key != latest:
                latest, known = key, traces.pop(key, None)
            if known is None:
                known = each
            elif isinstance(known, list):
                known.append(each)
            else:
                known = [known, each]
            traces[key] = known
            held += 1
            if held > most:
                held -= self._tell_oldest(held - self._most_held)
                latest = None
        self._held = held

    def finish(self) -> None:
        """Tell of all that is still held."""
        self._tell_oldest(self._held)
        self._held = 0
        self._tell_apart()
        self._records.finish()
        if self.skipped:
            self._into.skip(NO_CALL, self.skipped)
        if self.logged:
            self._into.skip(NO_CALL_LOGGED, self.logged)
        self.skipped = self.logged = 0

    def _tell_oldest(self, least: int) -> int:
        """Tell of at least so many spans, of the traces that were added to the longest ago, and say of how many."""
        oldest: list[object] = []
        apart, keeps_keys = self._apart, self._into.keeps_keys
        count = 0
        for key, held in self._traces.items():
            if count >= least:
                break
            count += len(held) if type(held) is list else 1
            oldest.append(key)
        for key in oldest:
            held = self._traces.pop(key)
            if type(held) is PlainCall and not keeps_keys:
                apart.append(held)
            else:
                self._tell_trace(held if isinstance(held, list) else [held])
            if len(apart) >= AT_ONCE:
                self._tell_apart()
        return count

    def _tell_trace(self, held: Sequence[Held]) -> None:
        # where side files are to be joined, the ids of spans that say nothing count too
        apart = None if self._into.keeps_keys else calls_apart(held)
        if apart is None:
            self._tell_all([each if isinstance(each, Seen) else each.seen() for each in held])
            return
        for call in apart:
            if isinstance(call, PlainCall):
                self._apart.append(call)
            else:
                self._tell([call], _said_alone(call))

    def _tell_apart(self) -> None:
        """Tell of calls of which no other span of their traces tells too."""
        alike: dict[Layout, list[PlainCall]] = {}
        for call in self._apart:
            alike.setdefault(call.layout, []).append(call)
        self._apart.clear()
        for layout, calls in alike.items():
            try:
                said = layout.columns([*zip(*[each.values for each in calls], strict=True)], _around(calls))
                ids = said.get("id") or [None] * len(calls)
                if not set(map(type, ids)) <= {str, NoneType}:
                    raise UnusualError
                self._records.add_columns(
                    said,
                    [_identity_by(each.trace, id or each.span or None) for each, id in zip(calls, ids, strict=True)],
                    [each.line for each in calls],
                    [each.place for each in calls],
                    all_nanoseconds([each.end for each in calls]),
                    emitted=_emitted(calls, ids),
                )
            except (TypeError, UnusualError):
                for seen in (each.seen() for each in calls):
                    self._tell([seen], _said_alone(seen))

    def _tell_all(self, seen: Sequence[Seen]) -> None:
        trace = Trace(seen)
        groups = trace.calls()
        self.skipped += len([each for each in seen if each.is_call]) - sum(map(len, groups))
        calls_of = Counter(map(_id, groups))
        for group in groups:
            if len(group) > 1:
                self._into.skip(TOLD_AGAIN, len(group) - 1)
            around = trace.around(group)
            record = first_of((*(each.labels for each in group), *(each.facts for each in group), *around))
            keys = trace.keys(group) if self._into.keeps_keys else ()
            self._tell(group, record, keys, has_own_id=calls_of[_id(group)] == 1)
            if trace.is_last_of_several(group):
                self._into.complain(BEFORE_LAST, min(group, key=_place).line)

    def _tell(
        self, group: Sequence[Seen], record: dict[str, object], keys: Sequence[str] = (), *, has_own_id: bool = True
    ) -> None:
        """Tell of the call of a ``group``, which all in all says this.

        Args:
            group: the spans of the call.
            record: what they say.
            keys: see `Rows.add`.
            has_own_id: whether no other call of the trace has its response's id, as those of a stand-in have.
        """
        identity = _identity(group, has_own_id=has_own_id)
        first = min(group, key=_place) if len(group) > 1 else group[0]
        is_failed = any(each.failed for each in group)
        reasons = [reason for each in group for reason in each.reasons]
        word = telling_reason(reasons) if len(reasons) > 1 else reasons[0] if reasons else None
        if is_failed and record.get("output_tokens") in (0, "0"):  # nothing was generated before it failed
            del record["output_tokens"]
        if not reasons and any(each.may_have_broken_off for each in group) and not reaches_cap(record):
            record.pop("output_tokens", None)  # what there is counts the first events of a stream
        if "output_tokens" not in record:
            reason = None if word is None else finish_reason(word)
            end = ended_as(None, reason, identity, failed=is_failed)
            own = record.get("id")
            known = (own, *keys) if isinstance(own, str) else keys
            self._into.complain(NO_OUTPUT_FAILED if is_failed else NO_OUTPUT, first.line, ended=end, keys=known)
            return
        if word is not None:
            record["finish_reason_raw"] = word
        elif is_failed:
            record.setdefault("finish_reason", "error")
        ended = max([each.end for each in group])
        remapped = bool(reasons) and all(each.remapped for each in group if each.reasons)
        self._records.add(Record(record, identity, first.line, first.place, ended, keys, remapped, _emission(group)))


_AT_A_TIME = 16
"""Of this many parts of what is held, one is told of together."""


def _around(calls: Sequence[PlainCall]) -> dict[str, Sequence[object]]:
    """What is said around ``calls``, a column a field."""
    fields = set().union(*[each.around for each in calls if each.around])
    return {field: [each.around.get(field) for each in calls] for field in fields}


def _emitted(calls: Sequence[PlainCall], ids: Sequence[str | None]) -> Emitted:
    """By what other traces tell of ``calls``, which have these ``ids``."""
    rows = [row for row, (call, id) in enumerate(zip(calls, ids, strict=True)) if id and call.emitter]
    began = all_nanoseconds([calls[row].start for row in rows]) // 1000 if rows else np.empty(0)
    responses = [id for row in rows if (id := ids[row])]
    return Emitted.of_columns(rows, responses, [calls[row].emitter for row in rows], began.astype(np.int64))


def _emission(group: Sequence[Seen]) -> Emission | None:
    """By what another trace tells of the call of a ``group``; ``None`` if there is no id, or no emitter."""
    id = _id(group)
    emitters = tuple({each.emitter: None for each in group if each.emitter})
    times = (each.end if each.is_record else each.start for each in group)
    is_placed = bool(group[0].trace) or group[0].is_record
    return Emission(id, emitters, min(filter(None, times), default=0)) if id and emitters and is_placed else None


def _place(seen: Seen) -> tuple[int, int]:
    return seen.line, seen.place


def _said_alone(seen: Seen) -> dict[str, object]:
    """What is said of a call that is alone in its trace: that which is nearest to it counts."""
    record: dict[str, object] = {"operation": seen.operation} if seen.operation else {}
    return record | seen.of_resource | seen.facts | seen.labels


def _id(group: Sequence[Seen]) -> str | None:
    """The id of the response that a ``group`` tells of."""
    return next((each.id for each in group if each.id is not None), None)


def _identity(group: Sequence[Seen], *, has_own_id: bool) -> str | None:
    """The same in every copy of the call: its trace with the response's id or the span's, or that id with counts.

    The span's counts where the id is not its own, or there is none. Of a log record that has none of these: its time
    with what it says.
    """
    first, id = min(group, key=_place), _id(group)
    if first.trace:
        span = next((each.span for each in reversed(group) if each.span), None)
        own = id if id is not None and (has_own_id or span is None) else span
        if own is not None:
            return _identity_by(first.trace, own)
    if id is None and first.is_record and first.end:
        return f"otlp {first.output} {first.facts.get('model')} {first.reasons} at {first.end}"
    return None if id is None else f"otlp {first.output} {id}"


def _identity_by(trace: str, own: str | None) -> str | None:
    return None if own is None else f"otlp {trace} {own}"
