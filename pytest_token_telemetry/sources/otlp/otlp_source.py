"""The source of OTLP JSON: documents of spans and log records, of which only what tells of model calls is looked at."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

import msgspec

from pytest_token_telemetry.sources.documents import BOM, OTHER_SHAPE, mended, whole_documents
from pytest_token_telemetry.sources.otlp.attributes import (
    EVENT,
    PREFIX,
    SAYS_SO,
    Attribute,
    RawAttribute,
    layout_of,
    plain_values,
)
from pytest_token_telemetry.sources.otlp.calls import Calls, PlainCall, Silent, nanoseconds, seen_of
from pytest_token_telemetry.sources.otlp.log_bodies import LogBodies
from pytest_token_telemetry.sources.source import FileSource
from pytest_token_telemetry.sources.tagged.records import RecordError
from pytest_token_telemetry.sources.uncollected import uncollected

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import BinaryIO

    from pytest_token_telemetry.sources.otlp.attributes import Labels, Said
    from pytest_token_telemetry.sources.otlp.calls import Span
    from pytest_token_telemetry.sources.rows import Rows

_A = TypeVar("_A", Attribute, RawAttribute)

NO_OTLP = "a JSON document among spans is not OTLP"

_BEGINS = re.compile(
    rb'\s*(?:\[\s*)?\{\s*"(?:resource(?:Spans|Logs|Metrics|Profiles)"\s*:|scope(?:Spans|Logs)"\s*:'
    rb'|resource"\s*:\s*\{\s*(?:"attributes"\s*:\s*\[|\}\s*,\s*"scope(?:Spans|Logs)"))'
)


class OtlpSource(FileSource):
    """Spans and log records in JSON, as exporters and collectors write them."""

    name = "otlp"

    def claims(self, path: str, head: bytes) -> bool:  # noqa: ARG002
        """Whether the text begins as OTLP does, or as one part of it that stands alone."""
        return _BEGINS.match(head.removeprefix(BOM)) is not None

    def read(self, file: BinaryIO, into: Rows) -> None:
        """Read documents one after the other. What is known of their calls counts, even if the rest cannot be read."""
        reading = _Reading(into)
        with uncollected():
            try:
                for each in whole_documents(file, _decoded, into):
                    reading.line, reading.place = each.line, 0
                    for document in each.value:
                        reading.add(document)
            finally:
                reading.calls.finish()


class _Span(msgspec.Struct, Generic[_A], gc=False):
    traceId: Any = ""  # noqa: N815 - OTLP's own names, here and below
    spanId: Any = ""  # noqa: N815
    parentSpanId: Any = ""  # noqa: N815
    startTimeUnixNano: Any = None  # noqa: N815
    endTimeUnixNano: Any = None  # noqa: N815
    attributes: list[_A] | None = None
    status: Any = None


class _LogRecord(msgspec.Struct, Generic[_A], gc=False):
    traceId: Any = None  # noqa: N815
    spanId: Any = None  # noqa: N815
    timeUnixNano: Any = None  # noqa: N815
    observedTimeUnixNano: Any = None  # noqa: N815
    eventName: Any = None  # noqa: N815
    body: msgspec.Raw = msgspec.Raw()
    attributes: list[_A] | None = None


class _Scope(msgspec.Struct, Generic[_A], gc=False):
    spans: list[_Span[_A]] | None = None
    logRecords: list[_LogRecord[_A]] | None = None  # noqa: N815


class _Attributed(msgspec.Struct, Generic[_A], gc=False):
    attributes: list[_A] | None = None


_NO_RESOURCE = msgspec.Raw(b"{}")


class _Resource(msgspec.Struct, Generic[_A], gc=False):
    resource: msgspec.Raw = _NO_RESOURCE
    scopeSpans: list[_Scope[_A]] | None = None  # noqa: N815
    scopeLogs: list[_Scope[_A]] | None = None  # noqa: N815


class _Document(_Resource[_A], Generic[_A], gc=False):
    """One of all shapes that a document may have."""

    resourceSpans: list[_Resource[_A]] | None = None  # noqa: N815
    resourceLogs: list[_Resource[_A]] | None = None  # noqa: N815
    resourceMetrics: msgspec.Raw = msgspec.Raw()  # noqa: N815
    resourceProfiles: msgspec.Raw = msgspec.Raw()  # noqa: N815
    scopeMetrics: msgspec.Raw = msgspec.Raw()  # noqa: N815
    scopeProfiles: msgspec.Raw = msgspec.Raw()  # noqa: N815


def _is_other(document: _Document[_A]) -> bool:
    """Whether it has none of the shapes: a resource alone is none."""
    return not document.resourceSpans and all(getattr(document, name) == getattr(_NOTHING, name) for name in _SHAPES)


_NOTHING: _Document[Attribute] = _Document()
_SHAPES = tuple(name for name in _Document.__struct_fields__ if name != "resource")


_Usual: TypeAlias = "_Document[Attribute]"
_Unusual: TypeAlias = "_Document[RawAttribute]"
_DECODER: msgspec.json.Decoder[_Usual | list[_Usual]] = msgspec.json.Decoder(
    _Document[Attribute] | list[_Document[Attribute]]
)
_OF_RAW: msgspec.json.Decoder[_Unusual | list[_Unusual]] = msgspec.json.Decoder(
    _Document[RawAttribute] | list[_Document[RawAttribute]]
)


def _decoded(text: bytes) -> Sequence[_Document[Any]]:
    """The documents in ``text``. Where a value of an attribute is no value, it stays as it is written."""
    try:
        found = _DECODER.decode(text)
    except (msgspec.DecodeError, RecursionError, ValueError):
        try:
            found = _DECODER.decode(mended(text))
        except (msgspec.DecodeError, RecursionError, ValueError):
            raw = _OF_RAW.decode(text)
            return raw if isinstance(raw, list) else [raw]
    return found if isinstance(found, list) else [found]


class _Reading:
    """The reading of one file."""

    def __init__(self, into: Rows) -> None:
        self._into = into
        self._bodies = LogBodies(into)
        self.calls = Calls(into)
        self.line = 0
        """That of the document."""
        self.place = 0
        """Of the next span or log record in it that is a call or may be near one."""

    def add(self, document: _Document[_A]) -> None:
        """Read a document."""
        resources: list[_Resource[_A]] = [document, *(document.resourceSpans or ()), *(document.resourceLogs or ())]
        if len(resources) == 1 and _is_other(document):
            self._into.complain(NO_OTLP, self.line)
        for resource in resources:
            for scope in resource.scopeLogs or ():
                for record in scope.logRecords or ():
                    self._bodies.read(record.body, _time_of_record(record), self.line)
        for resource in resources:
            self._add_resource(resource)

    def _add_resource(self, resource: _Resource[_A]) -> None:
        if resource.scopeSpans is None and resource.scopeLogs is None:
            return
        of_resource = self._labels(bytes(resource.resource))
        for scope in (*(resource.scopeSpans or ()), *(resource.scopeLogs or ())):
            self._add_spans(scope.spans or (), of_resource)
            self._add_log_records(scope.logRecords or (), of_resource)

    def _labels(self, resource: bytes) -> Labels:
        try:
            return _labels(resource) if len(resource) <= _LONGEST_RESOURCE else _labels.__wrapped__(resource)
        except msgspec.DecodeError:
            self._into.complain(OTHER_SHAPE, self.line)
            return {}

    def _add_spans(self, spans: Sequence[_Span[_A]], of_resource: Labels) -> None:
        line, place, calls = self.line, self.place - 1, self.calls
        latest: list[str] = []
        layout = layout_of(())
        together = ""
        of_trace: list[Span] = []
        for span in spans:
            place += 1
            trace, own, parent, attributes = span.traceId, span.spanId, span.parentSpanId, span.attributes
            if not (type(trace) is type(own) is type(parent) is str):
                trace, own, parent = _text(trace), _text(own), _text(parent)
            if trace != together:
                if of_trace:
                    calls.add_all(together, of_trace)
                    of_trace = []
                together = trace
            keys = [each.key for each in attributes] if attributes else []
            if keys != latest:
                layout, latest = layout_of(tuple(keys)), keys
            try:
                values = plain_values(attributes or (), layout.at) if layout.at else ()
                says_so = None
                if layout.is_plain or layout.is_plain_step:
                    operation = values[layout.operation]
                    says_so = SAYS_SO.get(operation) if type(operation) is str else None
                if not layout.at or (says_so is False and layout.is_plain_step):
                    calls.skipped += 1
                    if trace:
                        of_trace.append(Silent(trace, own, parent))
                    continue
                is_plain = says_so and layout.is_plain and trace and not of_resource
                if is_plain and not (span.status and _is_failed(span.status)):
                    times = span.startTimeUnixNano, span.endTimeUnixNano
                    of_trace.append(PlainCall(trace, own, parent, line, place, *times, layout, values))
                    continue
                said = layout.read(values)
            except RecordError as error:
                self._into.complain(str(error), line)
                continue
            start, end = nanoseconds(span.startTimeUnixNano), nanoseconds(span.endTimeUnixNano)
            is_failed = layout.has_error or _is_failed(span.status)
            seen = seen_of(said, trace, own, parent, start, end, is_failed, of_resource)
            seen.line, seen.place = line, place
            if trace:
                calls.skipped += not seen.is_call
                of_trace.append(seen)
            else:
                calls.add(seen)
        if of_trace:
            calls.add_all(together, of_trace)
        self.place = place + 1

    def _add_log_records(self, records: Iterable[_LogRecord[_A]], of_resource: Labels) -> None:
        for record in records:
            attributes: Sequence[_A] = record.attributes or ()
            layout = layout_of(tuple([each.key for each in attributes]))
            try:
                said = layout.read(plain_values(attributes, layout.at))
            except RecordError as error:
                self._into.complain(str(error), self.line)
                self.place += 1
                continue
            if said.is_call and (layout.has_output or said.is_event or record.eventName == EVENT):
                trace, own, end = _text(record.traceId), _text(record.spanId), _time_of_record(record)
                seen = seen_of(said, trace, own, "", 0, end, layout.has_error, of_resource)
                seen.line, seen.place = self.line, self.place
                self.calls.add(seen)
                self.place += 1


@lru_cache(maxsize=64)
def _labels(resource: bytes) -> Labels:
    """What our attributes of a ``resource`` say, which most have none of.

    Raises:
        msgspec.DecodeError: it is none.
    """
    if _PREFIX not in resource and b"\\" not in resource:
        return {}
    attributed: _Attributed[Attribute] | _Attributed[RawAttribute] | None
    try:
        attributed = _RESOURCE.decode(resource)
    except msgspec.DecodeError:
        attributed = _RAW_RESOURCE.decode(resource)
    attributes = attributed.attributes if attributed is not None else None
    try:
        return _read(attributes or ()).labels
    except RecordError:
        return {}  # it tells of no call


_PREFIX = PREFIX.encode()
_RESOURCE = msgspec.json.Decoder(_Attributed[Attribute] | None)
_RAW_RESOURCE = msgspec.json.Decoder(_Attributed[RawAttribute] | None)
_LONGEST_RESOURCE = 1 << 13


def _read(attributes: Sequence[Attribute] | Sequence[RawAttribute]) -> Said:
    layout = layout_of(tuple([each.key for each in attributes]))
    return layout.read(plain_values(attributes, layout.at))


def _is_failed(status: object) -> bool:
    return isinstance(status, dict) and status.get("code") in (2, "2", "STATUS_CODE_ERROR")


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _time_of_record(record: _LogRecord[_A]) -> int:
    return nanoseconds(record.timeUnixNano) or nanoseconds(record.observedTimeUnixNano)
