"""OTLP's documents, decoded into what is needed of them.

Which names attributes have is learned from the documents themselves. One of a known name is decoded into a type of its
own, so that a span's types tell its names; its value is skipped unless the name matters: prompts are never decoded.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import chain
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar, Union

import msgspec

from pytest_token_telemetry.sources.documents import mended
from pytest_token_telemetry.sources.otlp.attributes import CHOICE, EVENTS_REASON, MOST_KEYS, is_wanted, layout_of
from pytest_token_telemetry.sources.tagged.records import RecordError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pytest_token_telemetry.sources.otlp.attributes import Layout

_A = TypeVar("_A")


class Array(msgspec.Struct, gc=False):
    """A list of values."""

    values: list[Value] | None = None


class Value(msgspec.Struct, gc=False):
    """A value, of whichever kind; of none that is a plain value or a list, if all are empty."""

    stringValue: Any = None  # noqa: N815 - OTLP's own names, here and below
    intValue: Any = None  # noqa: N815
    doubleValue: Any = None  # noqa: N815
    boolValue: Any = None  # noqa: N815
    arrayValue: Array | None = None  # noqa: N815


class Attribute(msgspec.Struct, gc=False):
    """An attribute of a known name, which its type has as its tag: each name has a subclass."""

    value: Value = msgspec.field(default_factory=Value)


class RawAttribute(msgspec.Struct, gc=False):
    """An attribute of a document in which a name is not known, or a value is no `Value`. It stays as it is written."""

    key: str = ""
    value: msgspec.Raw = msgspec.Raw(b"null")


NO_EVENTS = msgspec.Raw(b"[]")


class Span(msgspec.Struct, Generic[_A], gc=False):
    """A span, of which no field has to be of the type that it should have."""

    traceId: Any = ""  # noqa: N815
    spanId: Any = ""  # noqa: N815
    parentSpanId: Any = ""  # noqa: N815
    startTimeUnixNano: Any = None  # noqa: N815
    endTimeUnixNano: Any = None  # noqa: N815
    attributes: list[_A] | None = None
    events: msgspec.Raw = NO_EVENTS
    status: Any = None


class LogRecord(msgspec.Struct, Generic[_A], gc=False):
    """A log record, as `Span`."""

    traceId: Any = None  # noqa: N815
    spanId: Any = None  # noqa: N815
    timeUnixNano: Any = None  # noqa: N815
    observedTimeUnixNano: Any = None  # noqa: N815
    eventName: Any = None  # noqa: N815
    body: msgspec.Raw = msgspec.Raw()
    attributes: list[_A] | None = None


class Scope(msgspec.Struct, Generic[_A], gc=False):
    """The spans or the log records of one instrumentation."""

    scope: Any = None
    """Which one it is."""
    instrumentationLibrary: Any = None  # noqa: N815
    """The same by its name before OTLP 0.15."""
    spans: list[Span[_A]] | None = None
    logRecords: list[LogRecord[_A]] | None = None  # noqa: N815


_NO_RESOURCE = msgspec.Raw(b"{}")


class Resource(msgspec.Struct, Generic[_A], gc=False):
    """What one process tells."""

    resource: msgspec.Raw = _NO_RESOURCE
    scopeSpans: list[Scope[_A]] | None = None  # noqa: N815
    scopeLogs: list[Scope[_A]] | None = None  # noqa: N815
    instrumentationLibrarySpans: list[Scope[_A]] | None = None  # noqa: N815
    """What ``scopeSpans`` was called before OTLP 0.15."""

    @property
    def has_scopes(self) -> bool:
        """Whether it says what it has, even if that is nothing."""
        return not (self.scopeSpans is self.instrumentationLibrarySpans is self.scopeLogs is None)

    def scopes(self) -> Sequence[Scope[_A]]:
        """All of them."""
        if self.instrumentationLibrarySpans is self.scopeLogs is None:  # as in nearly all
            return self.scopeSpans or ()
        return [*chain(self.scopeSpans or (), self.instrumentationLibrarySpans or (), self.scopeLogs or ())]


class TempoTrace(msgspec.Struct, Generic[_A], gc=False):
    """A trace as the second version of Grafana Tempo's API gives it."""

    resourceSpans: list[Resource[_A]] | None = None  # noqa: N815
    batches: list[Resource[_A]] | None = None


class Document(Resource[_A], Generic[_A], gc=False):
    """One of all shapes that a document may have."""

    resourceSpans: list[Resource[_A]] | None = None  # noqa: N815
    resourceLogs: list[Resource[_A]] | None = None  # noqa: N815
    batches: list[Resource[_A]] | None = None
    """What the first version of Grafana Tempo's API calls ``resourceSpans``."""
    trace: TempoTrace[_A] | None = None
    resourceMetrics: msgspec.Raw = msgspec.Raw()  # noqa: N815
    resourceProfiles: msgspec.Raw = msgspec.Raw()  # noqa: N815
    scopeMetrics: msgspec.Raw = msgspec.Raw()  # noqa: N815
    scopeProfiles: msgspec.Raw = msgspec.Raw()  # noqa: N815

    def resources(self) -> Iterable[Resource[_A]]:
        """Itself, if it is one, and those in it."""
        if self.resourceSpans and not (self.resourceLogs or self.batches or self.trace or self.has_scopes):
            return self.resourceSpans
        found = chain((self,), self.resourceSpans or (), self.resourceLogs or (), self.batches or ())
        return found if self.trace is None else chain(found, self.trace.resourceSpans or (), self.trace.batches or ())

    def is_other(self) -> bool:
        """Whether it has none of the shapes: a resource alone is none, nor are other things that Tempo's names name."""
        if self.resourceSpans or self.resourceLogs:
            return False
        given = {name for name in _SHAPES if getattr(self, name) != getattr(_NOTHING, name)}
        has_scopes = any(each.has_scopes for each in self.resources())
        return given <= _OF_TEMPO and self.batches != [] and not has_scopes


_NOTHING: Document[Any] = Document()
_OF_TEMPO = {"batches", "trace"}
_SHAPES = tuple(name for name in Document.__struct_fields__ if name != "resource")

Given: TypeAlias = "Attribute | RawAttribute"

_Documents: TypeAlias = "msgspec.json.Decoder[Document[Any] | list[Document[Any]]]"


def _decoder(attribute: Any) -> _Documents:  # noqa: ANN401 - a type, or a union of types
    return msgspec.json.Decoder(Document[attribute] | list[Document[attribute]])


class Decoder:
    """Decodes documents, and learns the names of their attributes."""

    def __init__(self) -> None:
        """A decoder that knows no name."""
        self._types: dict[str, type] = {}
        self._usual: _Documents | None = None
        self._unusual = 0
        """Bytes of the documents with something unknown since it learned last."""

    def decode(self, text: bytes) -> Sequence[Document[Any]]:
        """The documents in ``text``. All attributes of one are of types of their own, or all are `RawAttribute`.

        Raises:
            msgspec.DecodeError: it is none.
        """
        if self._usual is not None:
            try:
                found = self._usual.decode(text)
            except (msgspec.DecodeError, RecursionError, ValueError):
                pass
            else:
                return found if isinstance(found, list) else [found]
        found = _OF_RAW.decode(text)
        raw = found if isinstance(found, list) else [found]
        self._unusual += len(text)
        if not self._types or self._unusual >= _BYTES_A_NAME * (len(self._types) + _NAMES_AT_LEAST):
            self._unusual = 0
            self._learn(raw)
        return raw

    def _learn(self, documents: Iterable[Document[RawAttribute]]) -> None:
        scopes = [scope for document in documents for resource in document.resources() for scope in resource.scopes()]
        holders = chain.from_iterable((*(scope.spans or ()), *(scope.logRecords or ())) for scope in scopes)
        names = {each.key for holder in holders for each in holder.attributes or ()}
        new = {name: _type_of(name) for name in names - self._types.keys() if len(name) <= _LONGEST_NAME}
        if not new or len(new) > _MOST_NAMES:
            return
        self._types = {**self._types, **new} if len(self._types) + len(new) <= _MOST_NAMES else new
        self._usual = _decoder(Union[tuple(self._types.values())])  # noqa: UP007 - of as many as there are


def _type_of(name: str) -> type:
    if is_wanted(name):
        return msgspec.defstruct("_Wanted", (), bases=(Attribute,), tag_field="key", tag=name, gc=False)
    return msgspec.defstruct("_Skipped", (), tag_field="key", tag=name, gc=False)


_OF_RAW = _decoder(RawAttribute)

_MOST_NAMES = 1 << 9
_LONGEST_NAME = 1 << 8
_BYTES_A_NAME = 1 << 12
_NAMES_AT_LEAST = 1 << 7
"""To learn takes as long as to decode so many bytes for each name that is known, and for so many more."""


def layout_of_attributes(attributes: Sequence[Given], types: tuple[type, ...]) -> Layout:
    """The layout of ``attributes``, which have these ``types``."""
    if attributes and isinstance(attributes[0], RawAttribute):
        return layout_of(tuple([each.key for each in attributes if isinstance(each, RawAttribute)]))
    return _kept_layout(types) if len(types) <= MOST_KEYS else _layout_of_types(types)


def _layout_of_types(types: tuple[Any, ...]) -> Layout:
    return layout_of(tuple([each.__struct_config__.tag for each in types]))


_kept_layout = lru_cache(maxsize=1 << 10)(_layout_of_types)


def reasons_of_events(events: msgspec.Raw) -> tuple[str, ...]:
    """The words for why the output ended in the ``events`` of a span, where some frameworks alone say it."""
    text = bytes(events)
    if EVENTS_REASON.encode() not in text:
        return ()
    try:
        choices = [event for event in _EVENTS.decode(text) if event.name == CHOICE]
        found = [each for event in choices for each in event.attributes or () if each.key == EVENTS_REASON]
        return tuple([value for value in plain_values(found) if isinstance(value, str) and value])
    except (msgspec.DecodeError, RecordError, RecursionError, ValueError):
        return ()


class _Event(msgspec.Struct, gc=False):
    name: Any = None
    attributes: list[RawAttribute] | None = None


_EVENTS = msgspec.json.Decoder(list[_Event])


def plain_values(attributes: Sequence[Given]) -> tuple[Any, ...]:
    """The plain values of ``attributes``, which are wanted; ``None`` for one that is empty or of another kind.

    Raises:
        RecordError: one is malformed.
    """
    if attributes and isinstance(attributes[0], RawAttribute):
        return tuple([_decoded(each.value) for each in attributes if isinstance(each, RawAttribute)])
    return usual_values(attributes)  # type: ignore[arg-type] # all of them are of one kind


def usual_values(attributes: Iterable[Attribute]) -> tuple[Any, ...]:
    """The same of attributes of known names."""
    found = [
        text
        if (text := (value := each.value).stringValue) is not None
        else number
        if (number := value.intValue) is not None
        else _other(value)
        for each in attributes
    ]
    return tuple(found)


def _other(value: Value) -> Any:  # noqa: ANN401 - whatever JSON can say
    if value.arrayValue is not None:
        values = value.arrayValue.values or ()
        if len(values) == 1 and values[0].stringValue is not None:
            return (values[0].stringValue,)
        return tuple([_plain(each) for each in values])
    return value.boolValue if value.doubleValue is None else value.doubleValue


def _plain(value: Value) -> Any:  # noqa: ANN401
    plain = value.intValue if value.stringValue is None else value.stringValue
    return _other(value) if plain is None else plain


def _decoded(raw: msgspec.Raw) -> Any:  # noqa: ANN401
    """The plain value that is written in ``raw``. One that stands there without its kind is taken as it is."""
    text = bytes(raw)
    for each in (text, mended(text)):
        for decoder in (_VALUE, _ANY):
            try:
                value = decoder.decode(each)
            except (msgspec.DecodeError, RecursionError, ValueError):
                continue
            return _plain(value) if isinstance(value, Value) else None if isinstance(value, dict) else value
    raise RecordError("an attribute is malformed")


_VALUE = msgspec.json.Decoder(Value)
_ANY = msgspec.json.Decoder()
