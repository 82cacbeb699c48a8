"""The source of OTLP JSON: documents of spans and log records, of which only what tells of model calls is looked at."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import msgspec

from pytest_token_telemetry.sources.documents import BOM, OTHER_SHAPE, whole_documents
from pytest_token_telemetry.sources.json_head import shown_keys
from pytest_token_telemetry.sources.keys import in_hex
from pytest_token_telemetry.sources.labels import PREFIX
from pytest_token_telemetry.sources.otlp.attributes import (
    EVENT,
    FAILED_REQUESTS,
    REQUESTS,
    SAYS_SO,
    TOOL,
    Layout,
    is_remapper,
    layout_of,
)
from pytest_token_telemetry.sources.otlp.calls import Calls
from pytest_token_telemetry.sources.otlp.decoding import (
    NO_EVENTS,
    Decoder,
    RawAttribute,
    layout_of_attributes,
    plain_values,
    reasons_of_events,
    usual_values,
)
from pytest_token_telemetry.sources.otlp.log_bodies import LogBodies
from pytest_token_telemetry.sources.otlp.seen import NOTHING, PlainCall, Silent, nanoseconds, seen_of, step_of
from pytest_token_telemetry.sources.source import FileSource
from pytest_token_telemetry.sources.tagged.records import RecordError
from pytest_token_telemetry.sources.uncollected import uncollected

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import BinaryIO

    from pytest_token_telemetry.sources.otlp.attributes import Labels, Said
    from pytest_token_telemetry.sources.otlp.decoding import Document, LogRecord, Resource, Span
    from pytest_token_telemetry.sources.otlp.seen import Held
    from pytest_token_telemetry.sources.rows import Rows

NO_OTLP = "a JSON document among spans is not OTLP"

_BEGINS = re.compile(
    rb'\s*(?:\[\s*)?\{\s*(?:"schemaUrl"\s*:\s*"[^"\\]*"\s*,\s*)?'
    rb'"(?:resource(?:Spans|Logs|Metrics|Profiles)"\s*:|(?:scope(?:Spans|Logs)|instrumentationLibrarySpans)"\s*:'
    rb'|resource"\s*:\s*\{\s*(?:"attributes"\s*:\s*\[|\}\s*,\s*"scope(?:Spans|Logs)"))'
)
"""How nearly all files begin."""

_SCOPES = ("scopeSpans", "scopeLogs", "instrumentationLibrarySpans")
_OF_RESOURCE = (*_SCOPES, "resource.attributes.value")
"""Keys that show a resource. The attributes of a long one may hide what stands behind them."""

_SHOWN = {
    **dict.fromkeys(("resource", "schemaUrl"), _OF_RESOURCE),
    "batches": tuple(f"batches.{key}" for key in _OF_RESOURCE),
    **dict.fromkeys(("trace", "metrics", "status", "message"), ("trace.resourceSpans", "trace.batches")),
}
"""By the key that a record begins with: keys of which a record of OTLP shows one."""


class OtlpSource(FileSource):
    """Spans and log records in JSON, as exporters and collectors write them."""

    name = "otlp"

    def claims(self, path: str, head: bytes) -> bool:  # noqa: ARG002
        """Whether the text begins as OTLP does, or as one part of it that stands alone."""
        if _BEGINS.match(head.removeprefix(BOM)) is not None:
            return True
        shown = shown_keys(head)
        return any(key in shown for key in _SHOWN.get(next(iter(shown), ""), ()))

    def read(self, file: BinaryIO, into: Rows) -> None:
        """Read documents one after the other. What is known of their calls counts, even if the rest cannot be read."""
        reading = _Reading(into)
        with uncollected():
            try:
                for each in whole_documents(file, _DECODER.decode, into):
                    reading.line, reading.place = each.line, 0
                    for document in each.value:
                        reading.add(document)
            finally:
                reading.calls.finish()


_DECODER = Decoder()
"""What it has learned serves all files of the process."""


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
        self._types: list[type] | None = None
        """Of the attributes of the latest span, if all have known names: the next one's may be the same."""
        self._layout = _NO_LAYOUT
        """Of these."""

    def add(self, document: Document[Any]) -> None:
        """Read a document."""
        if document.is_other():
            self._into.complain(NO_OTLP, self.line)
        for resource in document.resources():
            self._add_resource(resource)

    def _add_resource(self, resource: Resource[Any]) -> None:
        scopes = resource.scopes()
        if not scopes:
            return
        service, of_resource = self._of_resource(bytes(resource.resource))
        for scope in scopes:
            library = scope.scope or scope.instrumentationLibrary
            name = library.get("name") if type(library) is dict else None
            remapped = is_remapper(name)
            emitter = service if name is None else f"{service} {name}"
            if scope.spans:
                self._add_spans(scope.spans, of_resource, remapped=remapped, emitter=emitter)
            if scope.logRecords:
                self._add_log_records(scope.logRecords, of_resource, remapped=remapped, emitter=emitter)

    def _of_resource(self, resource: bytes) -> tuple[str, Labels]:
        try:
            is_usual = len(resource) <= _LONGEST_RESOURCE
            return _said_of_resource(resource) if is_usual else _said_of_resource.__wrapped__(resource)
        except msgspec.DecodeError:
            self._into.complain(OTHER_SHAPE, self.line)
            return "", {}

    def _add_spans(self, spans: Sequence[Span[Any]], of_resource: Labels, *, remapped: bool, emitter: str) -> None:
        line, place, calls = self.line, self.place - 1, self.calls
        held: list[Held] = []
        layout, latest = self._layout, self._types
        written = together = written_around = around = ""
        for span in spans:
            place += 1
            trace, own, parent = span.traceId, span.spanId, span.parentSpanId
            if not (type(trace) is type(own) is type(parent) is str):
                trace, own, parent = _text(trace), _text(own), _text(parent)
            # one object for all that are alike: it is held; and no call of `in_hex` for what is spelled as usual
            if trace != written:
                written, together = trace, trace.lower() if len(trace) == _OF_TRACE else in_hex(trace)
            if parent != written_around:
                written_around, around = parent, parent.lower() if len(parent) == _OF_SPAN else in_hex(parent)
            trace, own, parent = together, own.lower() if len(own) == _OF_SPAN else in_hex(own), around
            attributes: Sequence[Any] = span.attributes or ()
            types = [type(each) for each in attributes]  # faster than with `map`
            if types != latest:
                layout = layout_of_attributes(attributes, tuple(types))
                latest = None if RawAttribute in types else types
            if layout.is_silent:
                calls.skipped += 1
                if trace:
                    held.append(Silent(trace, own, parent, False))
                continue
            if latest is not None and (layout.is_plain or layout.is_plain_step):
                operation = attributes[layout.operation_at].value.stringValue
                says_so = SAYS_SO.get(operation) if type(operation) is str else None
                if says_so is False and layout.is_plain_step:
                    calls.skipped += 1
                    if trace:
                        held.append(Silent(trace, own, parent, operation == TOOL))
                    continue
                is_plain = says_so and layout.is_plain and trace and not of_resource and not remapped
                is_plain = is_plain and (layout.tells_reason or span.events is NO_EVENTS)
                if is_plain and not (span.status and _is_failed(span.status)):
                    times = span.startTimeUnixNano, span.endTimeUnixNano
                    values = usual_values(layout.pick(attributes))
                    held.append(PlainCall(trace, own, parent, line, place, *times, layout, values, emitter, NOTHING))
                    continue
            told = () if span.events is NO_EVENTS else reasons_of_events(span.events)
            try:
                said = _said(layout, plain_values(layout.pick(attributes)), told)
            except RecordError as error:
                self._into.complain(str(error), line)
                continue
            if not said.is_call:
                calls.skipped += 1
                if trace:
                    held.append(step_of(trace, own, parent, said.of_those_within, is_tool=said.operation == TOOL))
                continue
            start, end = nanoseconds(span.startTimeUnixNano), nanoseconds(span.endTimeUnixNano)
            is_failed = layout.has_error or _is_failed(span.status)
            message = span.status.get("message") if isinstance(span.status, dict) and is_failed else None
            seen = seen_of(said, trace, own, parent, start, end, is_failed, of_resource, message)
            seen.line, seen.place, seen.remapped, seen.emitter = line, place, remapped, emitter
            if trace:
                held.append(seen)
            else:
                calls.add(seen)
        calls.add_all(held)
        self._layout, self._types = layout, latest
        self.place = place + 1

    def _add_log_records(
        self, records: Iterable[LogRecord[Any]], of_resource: Labels, *, remapped: bool, emitter: str
    ) -> None:
        for record in records:
            end = _time_of_record(record)
            is_told = self._bodies.read(record.body, end, self.line)
            attributes: Sequence[Any] = record.attributes or ()
            layout = layout_of_attributes(attributes, tuple(map(type, attributes)))
            try:
                said = layout.read(plain_values(layout.pick(attributes)))
            except RecordError as error:
                self._into.complain(str(error), self.line)
                self.place += 1
                continue
            name = _text(record.eventName) or said.event
            of_claude_code = _of_claude_code(name, record, said)
            if of_claude_code or (said.is_call and (layout.has_output or name == EVENT)):
                trace, own = _id(record.traceId), _id(record.spanId)
                is_failed = layout.has_error or (of_claude_code and name in FAILED_REQUESTS)
                seen = seen_of(said, trace, own, "", 0, end, is_failed, of_resource)
                seen.line, seen.place, seen.remapped, seen.emitter = self.line, self.place, remapped, emitter
                seen.is_call = seen.is_record = True
                seen.says_so = said.says_so or of_claude_code
                self.calls.add(seen)
                self.place += 1
            elif not is_told:
                self.calls.logged += 1


_OF_TRACE, _OF_SPAN = 32, 16
"""Digits of their ids."""

_NO_LAYOUT = layout_of(())


def _of_claude_code(name: str, record: LogRecord[Any], said: Said) -> bool:
    """Whether a log record of this ``name`` is Claude Code's of a call: others name theirs so too."""
    if name not in REQUESTS and name not in FAILED_REQUESTS:
        return False
    is_named = name.startswith(_CLAUDE_CODE) or f'"{_CLAUDE_CODE}'.encode() in bytes(record.body)
    return is_named or (name in REQUESTS and "output_tokens" in said.facts)


_CLAUDE_CODE = "claude_code."


def _said(layout: Layout, values: tuple[Any, ...], told: tuple[str, ...]) -> Said:
    """What ``values`` of attributes say, with what events ``told``. Steps of one kind say the same again and again.

    Raises:
        RecordError: one is given twice, with different values.
    """
    is_short = {*map(type, values)} == {str} and sum(map(len, values)) <= _LONGEST_TEXTS
    is_known = is_short and not layout.has_output and not told
    return _known_said(layout, values) if is_known else layout.read(values, told)


_known_said = lru_cache(maxsize=1 << 8)(Layout.read)
_LONGEST_TEXTS = 1 << 10


@lru_cache(maxsize=64)
def _said_of_resource(resource: bytes) -> tuple[str, Labels]:
    """The name of its service, and what our attributes of a ``resource`` say, which most have none of.

    Raises:
        msgspec.DecodeError: it is none.
    """
    if _PREFIX not in resource and _SERVICE not in resource and b"\\" not in resource:
        return "", {}
    attributed = _RESOURCE.decode(resource)
    attributes = (attributed.attributes or ()) if attributed is not None else ()
    services = plain_values([each for each in attributes if each.key == _SERVICE.decode()])
    service = str(services[0]) if services else ""
    layout = layout_of_attributes(attributes, tuple(map(type, attributes)))
    try:
        return service, layout.read(plain_values(layout.pick(attributes))).labels
    except RecordError:
        return service, {}  # it tells of no call


class _Attributed(msgspec.Struct, gc=False):
    attributes: list[RawAttribute] | None = None


_PREFIX = PREFIX.encode()
_SERVICE = b"service.name"
_RESOURCE = msgspec.json.Decoder(_Attributed | None)
_LONGEST_RESOURCE = 1 << 13


def _is_failed(status: object) -> bool:
    return isinstance(status, dict) and status.get("code") in (2, "2", "STATUS_CODE_ERROR")


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _id(value: object) -> str:
    """An id; empty if it is none, as where no span was open: all zeros, in hexadecimal digits or in base64."""
    text = _text(value)
    return in_hex(text) if text.strip("0A=") else ""


def _time_of_record(record: LogRecord[Any]) -> int:
    return nanoseconds(record.timeUnixNano) or nanoseconds(record.observedTimeUnixNano)
