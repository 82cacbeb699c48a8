"""OpenTelemetry spans that end while tests run: what they say of model calls, read as the spans of files are.

Imported only where a program has OpenTelemetry's SDK, or an extra brings it.
"""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from opentelemetry import baggage, trace
from opentelemetry.sdk.trace import SpanProcessor

from pytest_token_telemetry.sources.labels import PREFIX
from pytest_token_telemetry.sources.otlp.attributes import CHOICE, EVENTS_REASON, first_of, is_remapper, layout_of
from pytest_token_telemetry.sources.otlp.calls import BEFORE_LAST, TOLD_AGAIN, Calls
from pytest_token_telemetry.sources.otlp.seen import seen_of
from pytest_token_telemetry.sources.otlp.traces import within_others
from pytest_token_telemetry.sources.own_format import WRITTEN, checked
from pytest_token_telemetry.sources.rows import Rows
from pytest_token_telemetry.sources.tagged.records import RecordError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import ReadableSpan, Span

    from pytest_token_telemetry.sample import Sample
    from pytest_token_telemetry.sources.otlp.attributes import Labels, Said
    from pytest_token_telemetry.sources.otlp.seen import Seen
    from pytest_token_telemetry.sources.tagged.records import Ended

UNREADABLE = "a span cannot be read"
NOT_ENDED = "a call had not ended when the tests did"


class Uncounted(NamedTuple):
    """A call that spans tell of without what a sample needs."""

    reason: str
    """Why it cannot be used."""
    ended: Ended | None = None
    """As that of `Unusable`."""
    id: str | None = None
    """That of the response."""
    model: str | None = None
    max_tokens: object = None
    """As the span has it."""


class Told(Rows):
    """What the spans of a test tell, a call each, however many spans it has: as plain samples, not as rows."""

    def __init__(self) -> None:
        super().__init__()
        self.samples: list[Sample] = []
        self.unusable: list[Uncounted] = []
        self.again = 0
        """How many spans tell of a call that another one tells of too."""
        self.seen: dict[int, Seen] = {}
        """Spans by the lines that `complain` is given."""

    def add(self, sample: Sample, *_: object, **__: object) -> None:
        """Take a call."""
        self.samples.append(sample)

    def complain(self, reason: str, line: int, *, ended: Ended | None = None, **_: object) -> None:
        """Count a call that cannot be used. ``ended``: as that of `Unusable`."""
        if reason == BEFORE_LAST or (seen := self.seen.get(line)) is None:
            self.unusable.append(Uncounted(reason, ended))
        else:
            self.unusable.append(Uncounted(reason, ended, seen.id, seen.model, seen.facts.get("max_tokens")))

    def skip(self, reason: str, count: int = 1) -> None:
        """Count spans of calls that were told already. The others are no calls."""
        self.again += count if reason == TOLD_AGAIN else 0


class SpanKeeper(SpanProcessor):
    """Keeps what ended spans say, of whatever provider it was added to. Prompts and answers are not looked at."""

    def __init__(self, predicted: Callable[[], Mapping[str, object]]) -> None:
        """A keeper for which ``predicted`` says what the block around a call predicts, asked where its span begins."""
        self._predicted = predicted
        self._around: dict[tuple[str, str], Labels] = {}
        self._begun: dict[tuple[str, str], ReadableSpan] = {}
        """Those that have not ended."""
        self._given_up: set[tuple[str, str]] = set()
        """Those that were told of as such."""
        self._ended: deque[Seen | RecordError] = deque()
        self._providers: list[object] = []
        self.listens = False

    def look_for_provider(self) -> None:
        """Listen to the global provider, which a program may set, or replace, at any time."""
        provider: object = None
        with suppress(Exception):  # the environment may name one that is not there
            provider = trace.get_tracer_provider()
        add: Callable[[SpanProcessor], None] | None = getattr(provider, "add_span_processor", None)
        if add is not None and not any(provider is each for each in self._providers):
            self._providers.append(provider)
            add(self)

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Remember what is predicted where ``span`` begins: it may end in another task or thread."""
        if not self.listens:
            return
        self._begun[_key(span)] = span
        around = _labels(self._predicted())  # they were checked
        in_baggage = baggage.get_all(parent_context).items()
        carried = {key: value for key, value in in_baggage if PREFIX in key and isinstance(value, str)}
        with suppress(RecordError):  # else the baggage tells of no call
            around = first_of((around, _said(carried)[0].labels))
        if around:
            self._around[_key(span)] = around

    def on_end(self, span: ReadableSpan) -> None:
        """Keep what ``span`` says."""
        try:
            key = _key(span)
            self._begun.pop(key, None)
            around = self._around.pop(key, {})
            if self.listens and key not in self._given_up:
                self._ended.append(_seen(span, around))
        except RecordError as error:
            self._ended.append(error)
        except Exception:  # it never breaks the program
            self._ended.append(RecordError(UNREADABLE))

    def take(self, defaults: Mapping[str, object]) -> Told:
        """What the spans say that ended since the last time. ``defaults``: fields of calls that say nothing of them."""
        told = Told()
        calls = Calls(told, at_once=1)
        marked = _labels(defaults)
        ended = [self._ended.popleft() for _ in range(len(self._ended))]
        _join_traces([each for each in ended if not isinstance(each, RecordError)])
        for line, each in enumerate(ended, 1):
            if isinstance(each, RecordError):
                told.complain(str(each), line)
                continue
            each.line, each.of_resource = line, first_of((each.of_resource, marked))
            told.seen[line] = each
            calls.add(each)
        calls.finish()
        return told

    def take_rest(self, defaults: Mapping[str, object]) -> Told:
        """The same when the tests are over, with each call that has begun and not ended: if it does, it is too late."""
        told = self.take(defaults)
        begun = self._begun.copy()
        calls = {key for key, span in begun.items() if _is_call(span)}
        for key in calls:
            if not any(above in calls for above in _above(begun, key)):
                told.complain(NOT_ENDED, 0)
        self._given_up.update(begun)
        self._begun.clear()
        return told


def _is_call(span: ReadableSpan) -> bool:
    """Whether ``span`` is one of a call, as far as it says already."""
    with suppress(RecordError):
        return _said(span.attributes)[0].is_call
    return True


def _above(begun: Mapping[tuple[str, str], ReadableSpan], key: tuple[str, str]) -> Iterator[tuple[str, str]]:
    """The spans around one, of those that have ``begun``."""
    while (span := begun.get(key)) is not None and span.parent is not None:
        key = key[0], f"{span.parent.span_id:x}"
        yield key


def _join_traces(ended: Sequence[Seen]) -> None:
    """Put spans of one call into one trace.

    The span of a stream, or of a framework's call, is often not the current one where another instrumentation's begins,
    which then is in a trace of its own.
    """
    traces = _Traces()
    calls = [each for each in ended if each.is_call]
    _join_by_id(calls, traces)
    _join_by_time(calls, traces)
    for each in ended:
        each.trace = traces.of(each.trace)


class _Traces:
    """Which traces are one."""

    def __init__(self) -> None:
        self._into: dict[str, str] = {}

    def of(self, trace: str) -> str:
        while trace in self._into:
            trace = self._into[trace]
        return trace

    def join(self, one: str, other: str) -> None:
        one, other = self.of(one), self.of(other)
        if one != other:
            self._into[one] = other


def _join_by_id(calls: Sequence[Seen], traces: _Traces) -> None:
    """Join the traces of one response.

    One instrumentation tells of a call once: so a stand-in for a provider may give all calls the same id.
    """
    responses: dict[tuple[str, str], list[Seen]] = {}
    for each in sorted(calls, key=lambda each: each.start):
        if each.id is not None:
            responses.setdefault((each.id, each.trace), []).append(each)
    outer: dict[str, list[list[Seen]]] = {}
    for (id, _), spans in responses.items():
        first = spans[0]
        emitters = {each.emitter for each in spans}
        going_on = outer[id] = [around for around in outer.get(id, ()) if around[0].overlaps(first)]
        for around in going_on:
            if emitters.isdisjoint(each.emitter for each in around):
                traces.join(first.trace, around[0].trace)
                first.parent = first.parent or around[0].span
                around += spans
                break
        else:
            going_on.append([*spans])


def _join_by_time(calls: Sequence[Seen], traces: _Traces) -> None:
    """Join the trace of a call with that of another instrumentation's span around it, which has one within."""
    for each, outer in within_others(calls):
        traces.join(each.trace, outer.trace)


def _key(span: ReadableSpan) -> tuple[str, str]:
    """The ids of the trace and of the span."""
    context = span.get_span_context() or trace.INVALID_SPAN_CONTEXT
    return f"{context.trace_id:x}", f"{context.span_id:x}"


def _seen(span: ReadableSpan, around: Labels) -> Seen:
    """What ``span`` says, with what is said ``around`` it by no span.

    Raises:
        RecordError: it contradicts itself.
    """
    events = [(event.attributes or {}).get(EVENTS_REASON) for event in span.events if event.name == CHOICE]
    said, has_error = _said(span.attributes, tuple([each for each in events if isinstance(each, str) and each]))
    with suppress(RecordError):  # else the resource tells of no call
        around = first_of((around, _said(span.resource.attributes)[0].labels))
    parent = f"{span.parent.span_id:x}" if span.parent is not None else ""
    is_failed = has_error or span.status.status_code is trace.StatusCode.ERROR
    times, error = (span.start_time or 0, span.end_time or 0), span.status.description if is_failed else None
    seen = seen_of(said, *_key(span), parent, *times, is_failed, around, error)
    seen.emitter = span.instrumentation_scope.name if span.instrumentation_scope is not None else ""
    seen.remapped = is_remapper(seen.emitter)
    return seen


def _said(attributes: Mapping[str, object] | None, told: tuple[str, ...] = ()) -> tuple[Said, bool]:
    """What ``attributes`` say, with what events ``told``, and whether there is the name of an error."""
    given = attributes or {}
    layout, values = layout_of(tuple(given)), [*given.values()]
    return layout.read(layout.pick(values), told), layout.has_error


def _labels(fields: Mapping[str, object]) -> Labels:
    """``fields`` as a line has them, and others as features."""
    features = {name: value for name, value in fields.items() if name not in WRITTEN}
    labels = {name: checked(name, value) for name, value in fields.items() if name in WRITTEN}
    return {**labels, "features": checked("features", features)} if features else labels
