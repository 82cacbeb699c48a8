"""Which spans and log records tell of one call, and what they say together.

A call often has two or three spans: the instrumentation's, the provider's own, a framework's. Agents are no calls: they
were left out before, as their usage is the sum of their calls' and they may share a call's response id.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import chain
from typing import TYPE_CHECKING

from pytest_token_telemetry.sample import telling_reason
from pytest_token_telemetry.sources.keys import of_span, of_trace
from pytest_token_telemetry.sources.otlp.attributes import first_of
from pytest_token_telemetry.sources.tagged.own_parsing import sample_of_other
from pytest_token_telemetry.sources.tagged.records import RecordError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_token_telemetry.sources.otlp.attributes import Labels
    from pytest_token_telemetry.sources.rows import Rows

MOST_HELD = 20_000
"""Spans that are held until the rest of their trace is known. Exporters write a trace's spans close together."""

MOST_ABOVE = 64
"""Spans above one that are looked at."""

MOST_OF_A_SPAN = 8
"""Log records, and copies, of one span that are looked at for what its calls are within."""

NO_OUTPUT = "a call has no output tokens: it broke off, or lost its usage"
FAILED_CALL = "a call has no output tokens: it failed"
NO_CALL = "spans that are no model call"
TOLD_AGAIN = "spans of a call that another span tells of too"


@dataclass(slots=True, eq=False)
class Seen:
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
    facts: dict[str, object] = field(default_factory=dict)
    """The fields of a call that it tells of."""
    reasons: tuple[str, ...] = ()
    labels: Labels = field(default_factory=dict)
    """What our own attributes say."""
    of_resource: Labels = field(default_factory=dict)
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


class Calls:
    """The calls of one file, given to its rows as soon as enough is known of them."""

    def __init__(self, into: Rows, most_held: int = MOST_HELD) -> None:
        self._into = into
        self._most_held = most_held
        self._held = 0
        self._traces: dict[object, list[Seen]] = {}
        """Those last added to come last."""

    def add(self, seen: Seen) -> None:
        """Add a span, or a log record."""
        if not seen.is_call:
            self._into.skip(NO_CALL)
        key: object = seen.trace
        if not seen.trace:
            if not seen.is_call:
                return
            key = (seen.id, seen.output, seen.end) if seen.id is not None else (seen.line, seen.place)
        trace = self._traces.pop(key, [])
        self._traces[key] = trace
        trace.append(seen)
        self._held += 1
        while self._held > self._most_held:
            self._tell(self._traces.pop(next(iter(self._traces))))

    def finish(self) -> None:
        """Tell of all that is still held."""
        while self._traces:
            self._tell(self._traces.pop(next(iter(self._traces))))

    def _tell(self, seen: Sequence[Seen]) -> None:
        self._held -= len(seen)
        trace = _Trace(seen)
        groups = trace.calls()
        if sums := len([each for each in seen if each.is_call]) - sum(map(len, groups)):
            self._into.skip(NO_CALL, sums)
        for group in groups:
            if len(group) > 1:
                self._into.skip(TOLD_AGAIN, len(group) - 1)
            first = min(group, key=lambda each: (each.line, each.place))
            facts = first_of(each.facts for each in group)
            try:
                if facts.get("output_tokens") is None:
                    raise RecordError(FAILED_CALL if any(each.failed for each in group) else NO_OUTPUT)
                record = first_of((*(each.labels for each in group), facts, *trace.around(group)))
                word = telling_reason(reason for each in group for reason in each.reasons)
                if word is not None:
                    record["finish_reason_raw"] = word
                elif any(each.failed for each in group):
                    record.setdefault("finish_reason", "error")
                ended = max(each.end for each in group)
                if ended:
                    record["time"] = time_of(ended)
                sample = sample_of_other(record)
            except RecordError as error:
                self._into.complain(str(error), first.line)
            else:
                keys = trace.keys(group) if self._into.keeps_keys else ()
                self._into.add(sample, _identity(group, first), first.line, place=first.place, keys=keys)


def _identity(group: Sequence[Seen], first: Seen) -> str | None:
    """The same in every copy of the call: its trace with the response's id or the span's, or that id with counts."""
    id = next((each.id for each in group if each.id is not None), None)
    if first.trace:
        own = id if id is not None else next((each.span for each in reversed(group) if each.span), None)
        return None if own is None else f"otlp {first.trace} {own}"
    return None if id is None else f"otlp {first.output} {id}"


def time_of(nanoseconds: int) -> datetime | None:
    """The time in UTC, without its zone, of so many ns since 1970; ``None`` for what no calendar has."""
    try:
        return _EPOCH + timedelta(microseconds=nanoseconds // 1000)
    except OverflowError:
        return None


_EPOCH = datetime(1970, 1, 1)


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
                    yield above.labels
                    if "operation" in above.facts:
                        yield {"operation": above.facts["operation"]}
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
