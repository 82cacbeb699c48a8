"""The source of OTLP JSON: documents of spans and log records, of which only what tells of model calls is looked at."""

from __future__ import annotations

import re
from itertools import chain
from typing import TYPE_CHECKING, Any

import msgspec

from pytest_token_telemetry.sources.documents import BOM, whole_documents
from pytest_token_telemetry.sources.otlp.attributes import EVENT, Attribute, Said
from pytest_token_telemetry.sources.otlp.calls import Calls, Seen
from pytest_token_telemetry.sources.otlp.log_bodies import LogBodies
from pytest_token_telemetry.sources.source import FileSource
from pytest_token_telemetry.sources.tagged.records import RecordError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from pytest_token_telemetry.sources.otlp.attributes import Labels
    from pytest_token_telemetry.sources.rows import Rows

NO_OTLP = "a JSON document among spans is no OTLP"

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
        calls, bodies = Calls(into), LogBodies(into)
        try:
            for each in whole_documents(file, _decoded, into):
                for _ in filter(_is_other, each.value):
                    into.complain(NO_OTLP, each.line)
                for resource in chain.from_iterable(map(_resources, each.value)):
                    for record in chain.from_iterable(scope.logRecords or () for scope in resource.scopeLogs or ()):
                        bodies.read(record.body, _time_of_record(record), each.line)
                for place, seen in enumerate(chain.from_iterable(map(_seen, each.value))):
                    if isinstance(seen, RecordError):
                        into.complain(str(seen), each.line)
                    else:
                        seen.line, seen.place = each.line, place
                        calls.add(seen)
        finally:
            calls.finish()


class _Span(msgspec.Struct):
    traceId: Any = None  # noqa: N815 - OTLP's own names, here and below
    spanId: Any = None  # noqa: N815
    parentSpanId: Any = None  # noqa: N815
    startTimeUnixNano: Any = None  # noqa: N815
    endTimeUnixNano: Any = None  # noqa: N815
    attributes: list[Attribute] | None = None
    status: Any = None


class _LogRecord(msgspec.Struct):
    traceId: Any = None  # noqa: N815
    spanId: Any = None  # noqa: N815
    timeUnixNano: Any = None  # noqa: N815
    observedTimeUnixNano: Any = None  # noqa: N815
    eventName: Any = None  # noqa: N815
    body: msgspec.Raw = msgspec.Raw()
    attributes: list[Attribute] | None = None


class _Scope(msgspec.Struct):
    spans: list[_Span] | None = None
    logRecords: list[_LogRecord] | None = None  # noqa: N815


class _Attributed(msgspec.Struct):
    attributes: list[Attribute] | None = None


class _Resource(msgspec.Struct):
    resource: _Attributed | None = None
    scopeSpans: list[_Scope] | None = None  # noqa: N815
    scopeLogs: list[_Scope] | None = None  # noqa: N815


class _Document(_Resource):
    """One of all shapes that a document may have."""

    resourceSpans: list[_Resource] | None = None  # noqa: N815
    resourceLogs: list[_Resource] | None = None  # noqa: N815
    resourceMetrics: msgspec.Raw = msgspec.Raw()  # noqa: N815
    resourceProfiles: msgspec.Raw = msgspec.Raw()  # noqa: N815
    scopeMetrics: msgspec.Raw = msgspec.Raw()  # noqa: N815
    scopeProfiles: msgspec.Raw = msgspec.Raw()  # noqa: N815


def _is_other(document: _Document) -> bool:
    """Whether it has none of the shapes: a resource alone is none."""
    return all(getattr(document, name) == getattr(_NOTHING, name) for name in _SHAPES)


_NOTHING = _Document()
_SHAPES = tuple(name for name in _Document.__struct_fields__ if name != "resource")


_DECODER: msgspec.json.Decoder[_Document | list[_Document]] = msgspec.json.Decoder(_Document | list[_Document])


def _decoded(text: bytes) -> list[_Document]:
    found = _DECODER.decode(text)
    return found if isinstance(found, list) else [found]


def _resources(document: _Document) -> Iterator[_Resource]:
    yield document
    yield from document.resourceSpans or ()
    yield from document.resourceLogs or ()


def _seen(document: _Document) -> Iterator[Seen | RecordError]:
    """The spans of a document, and its log records of calls, or why one cannot be used."""
    for resource in _resources(document):
        scopes = (*(resource.scopeSpans or ()), *(resource.scopeLogs or ()))
        attributes = resource.resource.attributes if scopes and resource.resource is not None else None
        try:
            of_resource = Said(attributes).labels
        except RecordError:
            of_resource = {}  # it tells of no call
        for scope in scopes:
            for span in scope.spans or ():
                seen = Seen(_text(span.traceId), _text(span.spanId), _text(span.parentSpanId))
                seen.start, seen.end = _nanoseconds(span.startTimeUnixNano), _nanoseconds(span.endTimeUnixNano)
                status = span.status.get("code") if isinstance(span.status, dict) else None
                seen.failed = status in (2, "2", "STATUS_CODE_ERROR")
                yield _read(seen, span.attributes, of_resource)
            for record in scope.logRecords or ():
                seen = Seen(_text(record.traceId), _text(record.spanId))
                seen.end = _time_of_record(record)
                read = _read(seen, record.attributes, of_resource, event=_text(record.eventName))
                if isinstance(read, RecordError) or read.is_call:
                    yield read


def _read(
    seen: Seen, attributes: list[Attribute] | None, of_resource: Labels, event: str | None = None
) -> Seen | RecordError:
    """Add to ``seen`` what its attributes say. A log record is named ``event``, if only by an empty text."""
    try:
        said = Said(attributes)
        seen.labels = said.labels
        is_told = event is None or said.has_output or said.is_event or event == EVENT
        seen.is_call = is_told and said.is_call()
        seen.facts = said.facts()
        if seen.is_call:
            seen.says_so = bool(said.says_so)
            seen.operation, seen.reasons, seen.of_resource = said.operation, tuple(said.reasons()), of_resource
            seen.failed = seen.failed or said.has_error
    except RecordError as error:
        return error
    return seen


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _time_of_record(record: _LogRecord) -> int:
    return _nanoseconds(record.timeUnixNano) or _nanoseconds(record.observedTimeUnixNano)


def _nanoseconds(value: object) -> int:
    """A time in ns since 1970; 0 if it is none."""
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 20:
        return int(value)
    return value if type(value) is int and 0 < value < _LATEST else 0


_LATEST = 1 << 63
