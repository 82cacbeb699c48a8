"""Which spans and log records tell of one call, and what they say together.

A call often has two or three spans: the instrumentation's, the provider's own, a framework's. Agents are no calls: they
were left out before, as their usage is the sum of their calls' and they may share a call's response id.
"""

from __future__ import annotations

from collections import OrderedDict
from itertools import chain
from types import NoneType
from typing import TYPE_CHECKING, Any, TypeAlias, final

import msgspec

from pytest_token_telemetry.sample import finish_reason, telling_reason
from pytest_token_telemetry.sources.keys import of_span, of_trace
from pytest_token_telemetry.sources.otlp.attributes import Labels, Layout, Said, first_of
from pytest_token_telemetry.sources.record_columns import AT_ONCE, RecordColumns, UnusualError
from pytest_token_telemetry.sources.tagged.records import ended_as

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_token_telemetry.sources.rows import Rows

MOST_HELD = 20_000
"""Spans that are held until the rest of their trace is known. Exporters write a trace's spans close together."""

MOST_ABOVE = 64
"""Spans above one that are looked at."""

MOST_OF_A_SPAN = 8
"""Log records, and copies, of one span that are looked at for what its calls are within."""

NO_OUTPUT = "a call has no output tokens: it broke off, or lost its usage"
FAILED_CALL = "a call has no output tokens: it failed"
NO_CALL = "spans that are not model calls"
TOLD_AGAIN = "spans of a call that another span tells of too"


@final
class Seen(msgspec.Struct, eq=False, gc=False):
    """A span, or a log record within it."""

    trace: str
    """Empty: it belongs to none, and what else tells of its call is not known."""
    span: str
    parent: str = ""
    line: int = 0
    place: int = 0
    """Which one of its document it is."""
    start: int = 0
    """In ns since 1970; 0: not known."""
    end: int = 0
    is_call: bool = False
    says_so: bool = False
    """Whether its operation or kind says that it is a call."""
    operation: str = ""
    """What it says that it does."""
    facts: dict[str, object] = {}
    """The fields of a call that it tells of."""
    reasons: tuple[str, ...] = ()
    labels: Labels = {}
    """What our own attributes say."""
    of_resource: Labels = {}
    """What those of everything in the process say."""
    failed: bool = False

    @property
    def id(self) -> str | None:
        """The response's own id."""
        value = self.facts.get("id")
        return value if isinstance(value, str) and value else None

    @property
    def output(self) -> str | None:
        """Its output tokens, however they are written."""
        value = self.facts.get("output_tokens")
        return None if value is None else str(value)

    def overlaps(self, other: Seen) -> bool:
        """Whether both were going on at one time, as far as that is known."""
        if not (self.start and self.end and other.start and other.end):
            return True
        return self.start <= other.end and other.start <= self.end

    def may_be(self, other: Seen) -> bool:
        """Whether ids and counts of both allow that they are one call."""
        return (self.id is None or other.id is None or self.id == other.id) and (
            self.output is None or other.output is None or self.output == other.output
        )


def seen_of(
    said: Said,
    trace: str,
    span: str,
    parent: str,
    start: int,
    end: int,
    is_failed: bool,
    of_resource: Labels,
) -> Seen:
    """A span whose attributes say this."""
    return Seen(
        trace,
        span,
        parent,
        start=start,
        end=end,
        is_call=said.is_call,
        says_so=said.says_so,
        operation=said.operation,
        facts=said.facts,
        reasons=said.reasons,
        labels=said.labels,
        of_resource=of_resource,
        failed=is_failed,
    )


_NOTHING: dict[str, object] = {}
"""Shared by all spans that say nothing: nobody changes what one says."""


@final
class PlainCall(msgspec.Struct, eq=False, gc=False):
    """A span that is a call, of a plain layout: what it says is looked at when its trace is known."""

    trace: str
    """Never empty."""
    span: str
    parent: str
    line: int
    place: int
    start: object
    """As it is written, as is the end."""
    end: object
    layout: Layout
    values: tuple[Any, ...]
    around: Labels = _NOTHING
    """What the spans around it say of it, where that is known already."""

    def seen(self) -> Seen:
        """The same, with all that it says. What is known of those around it stands beside what a resource says."""
        start, end = nanoseconds(self.start), nanoseconds(self.end)
        said = self.layout.read(self.values)
        seen = seen_of(said, self.trace, self.span, self.parent, start, end, False, self.around)
        seen.line, seen.place = self.line, self.place
        return seen


@final
class Silent(msgspec.Struct, eq=False, gc=False):
    """A span that is not a call, and says nothing of those within."""

    trace: str
    """Never empty."""
    span: str
    parent: str

    def seen(self) -> Seen:
        """The same as any other span."""
        return Seen(self.trace, self.span, self.parent, facts=_NOTHING, labels=_NOTHING, of_resource=_NOTHING)


Span: TypeAlias = "Seen | PlainCall | Silent"


def nanoseconds(value: object) -> int:
    """A time in ns since 1970; 0 if it is none."""
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < _DIGITS:
        return int(value)
    return value if type(value) is int and 0 < value < _LATEST else 0


_DIGITS = 20
_LATEST = 1 << 63


def _all_nanoseconds(values: Sequence[Any]) -> list[int]:
    """The same of many."""
    if set(map(type, values)) == {str} and all(values) and len(max(values, key=len)) < _DIGITS:
        text = "".join(values)
        if text.isascii() and text.isdecimal():
            return [*map(int, values)]
    return [*map(nanoseconds, values)]


class Calls:
    """The calls of one file, given to its rows as soon as enough is known of them."""

    def __init__(self, into: Rows, most_held: int = MOST_HELD, at_once: int = AT_ONCE) -> None:
        """Calls for ``into``, which is given ``at_once`` so many; 1: each by itself, as a sample."""
        self._into = into
        self._records = RecordColumns(into, at_once)
        self._most_held = most_held
        self._held = 0
        self.skipped = 0
        """Spans that are no call, not yet told of."""
        self._traces: OrderedDict[object, Span | list[Span]] = OrderedDict()
        """What is held of each; those last added to come last. Most have one span, and need no list."""
        self._alone: dict[Layout, list[PlainCall]] = {}
        """Calls that nothing else in their traces tells of, and that are not yet told of."""
        self._count_alone = 0

    def add(self, seen: Seen) -> None:
        """Add a span, or a log record."""
        key: object = seen.trace
        if not seen.is_call:
            self.skipped += 1
        if not seen.trace:
            if not seen.is_call:
                return
            key = (seen.id, seen.output, seen.end) if seen.id is not None else (seen.line, seen.place)
        self._hold(key, seen)

    def add_all(self, trace: str, spans: Sequence[Span]) -> None:
        """Add ``spans`` of one ``trace``, in their order. Those that are no call are `skipped` already."""
        if len(spans) == 1:
            self._hold(trace, spans[0])
            return
        traces = self._traces
        held = traces.pop(trace, None)
        together = [] if held is None else held if isinstance(held, list) else [held]
        room = self._most_held - len(spans)
        while self._held > room and traces:
            self._tell_oldest()
        if self._held > room:  # the trace alone is more than is held of all
            if held is not None:
                traces[trace] = held
            for each in spans:
                self._hold(trace, each)
            return
        together += spans
        traces[trace] = together
        self._held += len(spans)

    def finish(self) -> None:
        """Tell of all that is still held."""
        while self._traces:
            self._tell_oldest()
        self._tell_alone()
        self._records.finish()
        if self.skipped:
            self._into.skip(NO_CALL, self.skipped)
            self.skipped = 0

    def _hold(self, key: object, seen: Span) -> None:
        traces = self._traces
        held = traces.get(key)
        if held is None:
            traces[key] = seen
        else:
            if isinstance(held, list):
                held.append(seen)
            else:
                traces[key] = [held, seen]
            traces.move_to_end(key)
        self._held += 1
        while self._held > self._most_held:
            self._tell_oldest()

    def _tell_oldest(self) -> None:
        _, held = self._traces.popitem(last=False)
        self._held -= len(held) if isinstance(held, list) else 1
        if self._into.keeps_keys:  # those of spans that say nothing count too
            self._tell_all([_seen(each) for each in (held if isinstance(held, list) else [held])])
            return
        if not isinstance(held, list):
            self._tell_of(held)
            return
        apart = _apart(held)
        if apart is None:
            self._tell_all([_seen(each) for each in held])
        else:
            for call in apart:
                self._tell_of(call)

    def _tell_of(self, alone: Span) -> None:
        """Tell of a span of which no other one of its trace tells too."""
        if type(alone) is PlainCall:
            alike = self._alone.get(alone.layout)
            if alike is None:
                alike = self._alone[alone.layout] = []
            alike.append(alone)
            self._count_alone += 1
            if self._count_alone >= AT_ONCE:
                self._tell_alone()
        elif type(alone) is Seen and alone.is_call:
            self._tell([alone], _said_alone(alone))

    def _tell_alone(self) -> None:
        """Tell of calls of which no other span of their traces tells too."""
        for layout, calls in self._alone.items():
            fields = set().union(*[each.around for each in calls if each.around])
            around = {field: [each.around.get(field) for each in calls] for field in fields}
            try:
                columns = layout.columns([each.values for each in calls], around)
                ids = columns.get("id") or [None] * len(calls)
                if not set(map(type, ids)) <= {str, NoneType}:
                    raise UnusualError
                self._records.add_columns(
                    columns,
                    [_identity_by(each.trace, id or each.span or None) for each, id in zip(calls, ids, strict=True)],
                    [each.line for each in calls],
                    [each.place for each in calls],
                    _all_nanoseconds([each.end for each in calls]),
                )
            except (TypeError, UnusualError):
                for seen in (each.seen() for each in calls):
                    self._tell([seen], _said_alone(seen))
        self._alone.clear()
        self._count_alone = 0

    def _tell_all(self, seen: Sequence[Seen]) -> None:
        trace = _Trace(seen)
        groups = trace.calls()
        self.skipped += len([each for each in seen if each.is_call]) - sum(map(len, groups))
        for group in groups:
            if len(group) > 1:
                self._into.skip(TOLD_AGAIN, len(group) - 1)
            around = trace.around(group)
            record = first_of((*(each.labels for each in group), *(each.facts for each in group), *around))
            self._tell(group, record, trace.keys(group) if self._into.keeps_keys else ())

    def _tell(self, group: Sequence[Seen], record: dict[str, object], keys: Sequence[str] = ()) -> None:
        """Tell of the call of a ``group``, which all in all says this. ``keys``: see `Rows.add`."""
        first = min(group, key=_place) if len(group) > 1 else group[0]
        is_failed = any(each.failed for each in group)
        reasons = [reason for each in group for reason in each.reasons]
        word = telling_reason(reasons) if len(reasons) > 1 else reasons[0] if reasons else None
        if "output_tokens" not in record:
            end = None if word is None else ended_as(None, finish_reason(word), _identity(group, first))
            self._into.complain(FAILED_CALL if is_failed else NO_OUTPUT, first.line, ended=end)
            return
        if word is not None:
            record["finish_reason_raw"] = word
        elif is_failed:
            record.setdefault("finish_reason", "error")
        last = max([each.end for each in group])
        self._records.add(record, _identity(group, first), first.line, first.place, last, keys)


def _seen(held: Span) -> Seen:
    return held if isinstance(held, Seen) else held.seen()


def _apart(held: Sequence[Span]) -> Sequence[Span] | None:
    """The calls of a trace, each with what is said around it, if they can be told apart without a look at all spans.

    A call is apart that is the only one, and of which no other span says anything. So are those of agents, if each call
    is plain and has an id that no other has, so that no two are one, and if each span is there once and no call is
    around another. If they are not, it is ``None``.
    """
    calls = [each for each in held if type(each) is PlainCall]
    others = {each.span: each for each in held if type(each) is not PlainCall}
    seen = [each for each in held if type(each) is Seen]
    if seen:
        further = [each for each in seen if each.is_call]
        if len(calls) + len(further) == 1 and not any(map(_says_of_others, seen)):
            return calls or further
        if further:
            return None
    if not calls or (len(calls) == 1 and not seen):
        return calls
    spans = {each.span for each in calls}
    if len(spans) + len(others) < len(held) or not spans.isdisjoint(others) or "" in spans or "" in others:
        return None
    if len(calls) > 1:
        ids = [None if each.layout.id is None else each.values[each.layout.id] for each in calls]
        if {*map(type, ids)} != {str} or "" in ids or len(set(ids)) < len(ids):
            return None
    around: dict[str, Labels] = {}
    for call in calls:
        known = around.get(call.parent)
        if known is None:
            levels = [*_levels(others, call.parent)]
            if not spans.isdisjoint([call.parent, *(each.parent for each in levels)]):
                return None
            said = [each for each in levels if type(each) is Seen]
            known = around[call.parent] = first_of(labels for each in said for labels in _says_around(each))
        call.around = known
    return calls


def _levels(spans: Mapping[str, Span], parent: str) -> Iterator[Span]:
    """The spans around one with this ``parent``, the nearest first, of which each is there once."""
    for _ in range(MOST_ABOVE):
        above = spans.get(parent)
        if above is None:
            return
        yield above
        parent = above.parent


def _says_around(seen: Seen) -> Iterator[Labels]:
    """What a span says of those within it."""
    yield seen.labels
    if "operation" in seen.facts:
        yield {"operation": seen.facts["operation"]}


def _place(seen: Seen) -> tuple[int, int]:
    return seen.line, seen.place


def _says_of_others(seen: Seen) -> bool:
    """Whether a span is not a call, and says anything of those within."""
    return not seen.is_call and (bool(seen.labels) or "operation" in seen.facts)


def _said_alone(seen: Seen) -> dict[str, object]:
    """What is said of a call that is alone in its trace: that which is nearest to it counts."""
    record: dict[str, object] = {"operation": seen.operation} if seen.operation else {}
    return record | seen.of_resource | seen.facts | seen.labels


def _identity(group: Sequence[Seen], first: Seen) -> str | None:
    """The same in every copy of the call: its trace with the response's id or the span's, or that id with counts."""
    id = next((each.id for each in group if each.id is not None), None)
    if first.trace:
        own = id if id is not None else next((each.span for each in reversed(group) if each.span), None)
        return _identity_by(first.trace, own)
    return None if id is None else f"otlp {first.output} {id}"


def _identity_by(trace: str, own: str | None) -> str | None:
    return None if own is None else f"otlp {trace} {own}"


class _Trace:
    """The spans of one trace."""

    def __init__(self, seen: Sequence[Seen]) -> None:
        self._calls = [each for each in seen if each.is_call]
        self._group: dict[Seen, list[Seen]] = {each: [each] for each in self._calls}
        self._spans: dict[str, list[Seen]] = {}
        """By its id, what tells of a span."""
        for each in seen:
            if each.span:
                self._add_to_span(each, self._spans.setdefault(each.span, []))

    def calls(self) -> list[list[Seen]]:
        """The calls, each with all that tells of it: the innermost first, which is next to the provider."""
        if len(self._calls) > 1:
            self._join_same_ids()
            self._join_with_those_above()
        groups = {id(group): group for group in self._group.values()}
        if len(groups) > 1:
            for around in self._with_calls_within():
                if not any(each.says_so for each in groups[around]):
                    del groups[around]
        for group in groups.values():
            if len(group) > 1:
                group.sort(key=lambda each: -len([*self._above(each)]))
        return [*groups.values()]

    def around(self, group: Sequence[Seen]) -> Iterator[Labels]:
        """What the spans around a call say of it, the nearest first."""
        for each in group:
            for level in self._above(each):
                for above in level:
                    yield from _says_around(above)
        yield from (each.of_resource for each in group)
        for each in group:
            if each.operation:
                yield {"operation": each.operation}

    def keys(self, group: Sequence[Seen]) -> Sequence[str]:
        """By what side files name a call: its spans, those around it, the nearest first, and the trace."""
        around = (above.span for each in group for level in self._above(each) for above in level[:1])
        spans = dict.fromkeys(filter(None, chain((each.span for each in group), around)))
        traces = dict.fromkeys(filter(None, (each.trace for each in group)))
        return [*map(of_span, spans), *map(of_trace, traces)]

    def _above(self, seen: Seen) -> Iterator[list[Seen]]:
        """What is known of the spans around one, the nearest first."""
        parent = seen.parent
        for _ in range(MOST_ABOVE):
            level = self._spans.get(parent)
            if level is None:
                return
            yield level
            parent = next((each.parent for each in level if each.parent), "")

    def _add_to_span(self, seen: Seen, level: list[Seen]) -> None:
        """Add what tells of a span. What was written twice is one call, and so are a log record and its span."""
        known = next((each for each in level if each.is_call), None) if seen.is_call else None
        if known is not None and known.may_be(seen):
            self._join(known, seen)
        if len(level) < MOST_OF_A_SPAN:
            level.append(seen)

    def _join_same_ids(self) -> None:
        """Join the spans of one response. A stand-in for a provider gives all the same id, one after the other."""
        ordered = sorted((each for each in self._calls if each.id is not None), key=lambda each: each.start)
        latest: dict[str | None, Seen] = {}
        for each in ordered:
            key = each.id
            if key in latest and latest[key].overlaps(each):
                self._join(latest[key], each)
            if key not in latest or each.end > latest[key].end:
                latest[key] = each

    def _join_with_those_above(self) -> None:
        """Join a span with the nearest call around it, where one of them has no id and both have the same counts."""
        taken: dict[int, list[Seen]] = {}
        for each in sorted(self._calls, key=lambda each: each.output is None):
            above = self._call_above(each)
            if above is None or self._group[above] is self._group[each] or not above.may_be(each):
                continue
            if above.id is not None and above.id == each.id:
                continue  # they were not going on at one time
            if taken.setdefault(id(above), self._group[each]) is self._group[each]:
                self._join(above, each)
                taken[id(above)] = self._group[each]

    def _call_above(self, seen: Seen) -> Seen | None:
        return next((each for level in self._above(seen) for each in level if each.is_call), None)

    def _with_calls_within(self) -> set[int]:
        """The ids of groups that have another group's call within: without a word of their own, they are its sum."""
        around = ((each, self._call_above(each)) for each in self._calls)
        return {
            id(self._group[above])
            for each, above in around
            if above is not None and self._group[above] is not self._group[each]
        }

    def _join(self, one: Seen, other: Seen) -> None:
        into, group = sorted((self._group[one], self._group[other]), key=len, reverse=True)
        if into is not group:
            into += group
            for each in group:
                self._group[each] = into
