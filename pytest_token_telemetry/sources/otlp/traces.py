"""Which spans and log records of a trace tell of one call.

A call often has two or three spans: the instrumentation's, the provider's own, a framework's. Agents are no calls: they
were left out before, as their usage is the sum of their calls' and they may share a call's response id.
"""

from __future__ import annotations

from collections import defaultdict
from itertools import chain, islice
from typing import TYPE_CHECKING

from pytest_token_telemetry.sources.emitted import MOST_EMITTERS
from pytest_token_telemetry.sources.keys import of_span, of_trace
from pytest_token_telemetry.sources.otlp.attributes import GEMINIS, TOOL, first_of
from pytest_token_telemetry.sources.otlp.seen import NOTHING, PlainCall, Seen, Step

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pytest_token_telemetry.sources.otlp.attributes import Labels
    from pytest_token_telemetry.sources.otlp.seen import Held

MOST_ABOVE = 64
"""Spans above one that are looked at."""

MOST_BESIDE = 64
"""Spans with the same output that began before one, have none of its instrumentation within, and are looked at."""

MOST_OF_A_CALL = 16
"""Spans of one call, beyond which none beside them are joined."""

MOST_OF_A_SPAN = 8
"""Log records, and copies, of one span that are looked at for what its calls are within."""


def calls_apart(held: Sequence[Held]) -> Sequence[PlainCall | Seen] | None:
    """The calls of a trace, each with what is said around it, if they can be told apart without a look at all spans.

    A call is apart that is the only one, and of which no other span says anything. So are those of agents, if each call
    is plain and has an id that no other has, so that no two are one, and if each span is there once and no call is
    around another, nor around a tool. If they are not, it is ``None``.
    """
    kinds = [*map(type, held)]
    calls = [each for each in held if type(each) is PlainCall]
    further = [each for each in held if type(each) is Seen] if Seen in kinds else []
    found: list[PlainCall | Seen] = [*calls, *further]
    tools = {each.parent for each in held if each.is_tool}
    if tools and not tools.isdisjoint([each.span for each in found]):
        return None
    if len(found) == 1 and Step not in kinds:
        return found
    if further:
        return None
    if not calls:
        return calls
    spans = {each.span: each for each in held}
    if len(spans) < len(held) or "" in spans:
        return None
    if len(calls) > 1:
        ids = {each.values[at] for each in calls if (at := each.layout.id) is not None}
        if len(ids) < len(calls) or {*map(type, ids)} != {str} or "" in ids:
            return None
    around: dict[str, Labels | None] = {}
    for call in calls:
        parent = call.parent
        if parent not in around:
            around[parent] = _around(spans, parent)
        known = around[parent]
        if known is None:
            return None
        call.around = known
    return calls


def within_others(calls: Iterable[Seen]) -> Iterator[tuple[Seen, Seen]]:
    """Each call that may be that of another instrumentation's span around it in time, with this one.

    A call has at most one within of each instrumentation: the one that ends first is the nearest.
    """
    begun: dict[str, dict[str, list[Seen]]] = defaultdict(dict)
    """By output and emitter."""
    free: dict[tuple[str, str, str], list[Seen]] = {}
    """Those of an output and an emitter that have none of another emitter within."""
    for each in sorted(calls, key=lambda each: (each.start, -each.end, each.span)):
        output, own = each.output, each.emitter
        if not own or output is None:
            continue
        others = [emitter for emitter in islice(begun[output], MOST_EMITTERS) if emitter != own]
        for other in others:
            key = output, other, own
            if key not in free:
                free[key] = [*begun[output][other]]
            if (nearest := _taken_around(each, free[key])) is not None:
                yield each, nearest
                break
        begun[output].setdefault(own, []).append(each)
        for other in others:
            if (output, own, other) in free:
                free[output, own, other].append(each)


def _taken_around(call: Seen, begun: list[Seen]) -> Seen | None:
    """The first one to end of those ``begun`` that a ``call`` went on within, which is taken out."""
    if len(begun) > 2 * MOST_BESIDE:
        begun[:] = [each for each in begun if each.end >= call.start]  # nothing that begins later is within the others
    last = len(begun) - 1
    places = [at for at in range(last, max(last - MOST_BESIDE, -1), -1) if call.goes_on_within(begun[at])]
    return begun.pop(min(places, key=lambda at: begun[at].end)) if places else None


def _around(spans: Mapping[str, Held], parent: str) -> Labels | None:
    """What the spans around one with this ``parent`` say of it, the nearest first; ``None`` if one is a call."""
    said = NOTHING
    for _ in range(MOST_ABOVE):
        above = spans.get(parent)
        if above is None:
            break
        if type(above) is PlainCall:
            return None
        if type(above) is Step:
            said = first_of((said, above.says)) if said else above.says
        parent = above.parent
    return said


class Trace:
    """The spans of one trace."""

    def __init__(self, seen: Sequence[Seen]) -> None:
        self._calls = [each for each in seen if each.is_call]
        self._group: dict[Seen, list[Seen]] = {each: [each] for each in self._calls}
        self._spans: dict[str, list[Seen]] = {}
        """By its id, what tells of a span."""
        self._with_tools = {each.parent for each in seen if each.operation == TOOL and not each.is_call}
        """The spans that have a function within that a model asked for."""
        for each in seen:
            if each.span:
                self._add_to_span(each, self._spans.setdefault(each.span, []))

    def calls(self) -> list[list[Seen]]:
        """The calls, each with all that tells of it: the innermost first, which is next to the provider."""
        if len(self._calls) > 1:
            self._join_same_ids()
            self._join_with_those_above()
            self._join_with_those_beside()
        groups = {id(group): group for group in self._group.values()}
        if len(groups) > 1:
            around = {id(each) for each in self._with_calls_within()}
            for key, group in [*groups.items()]:
                if not around.isdisjoint(map(id, group)) and not any(each.says_so for each in group):
                    # they are the sum of several calls, of which one may be its group's
                    group[:] = [each for each in group if id(each) not in around]
                    if not group:
                        del groups[key]
        for group in groups.values():
            if len(group) > 1:
                group.sort(key=lambda each: -len([*self._above(each)]))
        return [*groups.values()]

    def is_last_of_several(self, group: Sequence[Seen]) -> bool:
        """Whether a client called functions and the model again within the call's span, which tells of the last one."""
        return any(each.operation == GEMINIS and each.span in self._with_tools for each in group)

    def around(self, group: Sequence[Seen]) -> Iterator[Labels]:
        """What the spans around a call say of it, the nearest first."""
        for each in group:
            for level in self._above(each):
                for above in level:
                    yield above.of_those_within
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
        known = (each for each in level if seen.is_call and each.is_call and each.may_be(seen))
        if (same := next(known, None)) is not None:
            self._join(same, seen)
        if len(level) < MOST_OF_A_SPAN:
            level.append(seen)

    def _join_same_ids(self) -> None:
        """Join the spans of one response. A stand-in for a provider gives all calls the same id."""
        ordered = sorted((each for each in self._calls if each.id is not None), key=lambda each: each.start)
        latest: dict[str | None, Seen] = {}
        of_stand_ins = self._of_stand_ins()
        for each in ordered:
            key = each.id
            if key in of_stand_ins:
                continue
            if key in latest and latest[key].overlaps(each):
                self._join(latest[key], each)
            if key not in latest or each.end > latest[key].end:
                latest[key] = each
        if of_stand_ins:
            self._join_within_each_other(each for each in ordered if each.id in of_stand_ins)

    def _of_stand_ins(self) -> set[str | None]:
        """The ids of several calls: one emitter has spans with them that went on beside each other at one time."""
        found: set[str | None] = set()
        latest: dict[tuple[str | None, str, int], Seen] = {}
        for each in sorted(self._calls, key=lambda each: each.start):
            if each.id is None or not each.emitter or each.is_record:
                continue
            above = self._same_above(each, each.emitter)
            key = each.id, each.emitter, id(above)
            other = latest.get(key)
            if other is not None and self._group[other] is not self._group[each] and other.overlaps(each):
                found.add(each.id)
            if other is None or each.end > other.end:
                latest[key] = each
        return found

    def _join_within_each_other(self, calls: Iterable[Seen]) -> None:
        """Join each call with the nearest one around it that has the same id, and one call alone within it."""
        taken: set[int] = set()
        for each in calls:
            above = self._same_above(each)
            if above is not None and id(above) not in taken and above.overlaps(each):
                taken.add(id(above))
                self._join(above, each)

    def _same_above(self, seen: Seen, emitter: str | None = None) -> Seen | None:
        """The nearest call around one with the same id, of this ``emitter`` or of any."""
        calls = (each for level in self._above(seen) for each in level if each.is_call and each.id == seen.id)
        return next((each for each in calls if emitter in (None, each.emitter)), None)

    def _join_with_those_above(self) -> None:
        """Join a span with the nearest call around it, where one of them has no id and both have the same counts."""
        taken: dict[int, list[Seen]] = {}
        for each in sorted(self._calls, key=lambda each: each.output is None):
            for above in self._calls_above(each):
                if self._group[above] is self._group[each]:
                    break
                if not above.may_be(each) or (above.id is not None and above.id == each.id):
                    continue  # with one id, they were not going on at one time
                if taken.setdefault(id(above), self._group[each]) is self._group[each]:
                    self._join(above, each)
                    taken[id(above)] = self._group[each]
                    break

    def _join_with_those_beside(self) -> None:
        """Join a span with one that went on around it, and is not above it, as LangChain's beside that of a client."""
        for each, outer in within_others(self._calls):
            inner, around = self._group[each], self._group[outer]
            if len(inner) + len(around) > MOST_OF_A_CALL:
                continue
            if {each.emitter for each in inner}.isdisjoint(each.emitter for each in around):
                self._join(outer, each)

    def _calls_above(self, seen: Seen) -> list[Seen]:
        """The calls of the nearest span around one that has any: log records of several may belong to one span."""
        calls = ([each for each in level if each.is_call] for level in self._above(seen))
        return next(filter(None, calls), [])

    def _with_calls_within(self) -> list[Seen]:
        """The calls that have another group's call within: without a word of their own, they are its sum."""
        around = ((each, self._calls_above(each)[:1]) for each in self._calls)
        found = (above for each, nearest in around for above in nearest if self._group[above] is not self._group[each])
        return [*{id(above): above for above in found}.values()]

    def _join(self, one: Seen, other: Seen) -> None:
        into, group = sorted((self._group[one], self._group[other]), key=len, reverse=True)
        if into is not group:
            into += group
            for each in group:
                self._group[each] = into
