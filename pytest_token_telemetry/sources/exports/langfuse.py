"""The source of Langfuse's exports: observations in JSON, JSON lines or CSV, and traces with their observations."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from pytest_token_telemetry.sample import reason_of_error, telling_reason
from pytest_token_telemetry.sources.caps import cap_in
from pytest_token_telemetry.sources.exports.csv_rows import csv_rows, header_of
from pytest_token_telemetry.sources.exports.export_records import (
    OTHER_RECORD,
    beginning,
    call_said,
    documents_of,
    first,
    inner,
    text,
)
from pytest_token_telemetry.sources.exports.steps import Step, Steps
from pytest_token_telemetry.sources.json_head import shown_keys
from pytest_token_telemetry.sources.labels import PREFIX, labels_of, labels_that_fit
from pytest_token_telemetry.sources.otlp.attributes import REASONS, output_of_details, reasons_of
from pytest_token_telemetry.sources.provider_calls import tell
from pytest_token_telemetry.sources.responses import end_of
from pytest_token_telemetry.sources.source import HEAD, FileSource
from pytest_token_telemetry.sources.tagged.records import Unusable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import BinaryIO

    from pytest_token_telemetry.sources.rows import Rows

NO_CALL = "observations that are not model calls"
AGAIN = "generations that their file has again"
TOLD_AGAIN = "generations around another one of their call"
OTHER_UNIT = "a count is not of tokens"

_OF_LANGFUSE = frozenset(("usagedetails", "modelparameters", "providedmodelname", "parentobservationid"))
"""Of the names of an observation, one of which stands beside its trace and its start, where its type does not."""

_OF_ROWS = frozenset(("traceid", "sessionid", "projectid", "observations"))
"""Of the names of observations, sessions and traces: each of these has one."""

_TYPES = frozenset(
    ("GENERATION", "SPAN", "EVENT", "AGENT", "TOOL", "CHAIN", "RETRIEVER", "EVALUATOR", "EMBEDDING", "GUARDRAIL")
)


class LangfuseSource(FileSource):
    """Generations. Spans, events, agents and tools are no calls."""

    name = "langfuse"

    def claims(self, path: str, head: bytes) -> bool:  # noqa: ARG002
        """A file whose first record, or first row, is an observation."""
        if header := header_of(head):
            return _is_observation(dict.fromkeys(map(_plain, header), ""))
        keys = shown_keys(head)
        for within in ("", "data.", "observations.", "data.observations."):
            below = {_plain(key.removeprefix(within)): keys[key] for key in keys if key.startswith(within)}
            if _is_observation(below):
                return True
        return False

    def read(self, file: BinaryIO, into: Rows) -> None:
        """See `FileSource.read`."""
        generations = Steps[Step](into, partial(_tell, into), TOLD_AGAIN)
        try:
            if not header_of(beginning(file, HEAD)):
                for document in documents_of(file, _DECODER, into):
                    value = document.value
                    for place, row in enumerate(_rows(value if isinstance(value, list) else [value])):
                        _add(generations, into, row, document.line, place)
            else:
                for line, cells in csv_rows(file, into):
                    _add(generations, into, cells, line, 0)
        finally:
            generations.finish()


_Row: TypeAlias = dict[str, msgspec.Raw]
_DECODER: msgspec.json.Decoder[_Row | list[_Row]] = msgspec.json.Decoder(_Row | list[_Row])
_ROWS: msgspec.json.Decoder[list[_Row]] = msgspec.json.Decoder(list[_Row])


def _plain(name: str) -> str:
    """A name as the interface, the API and the warehouse agree on it."""
    return name.replace("_", "").lower()


def _is_observation(known: Mapping[str, str]) -> bool:
    """Whether these names, each with its value if that is a text, are those of an observation."""
    is_of_langfuse = known.get("type") in _TYPES or not _OF_LANGFUSE.isdisjoint(known)
    return {"traceid", "starttime"} <= known.keys() and is_of_langfuse


def _rows(rows: Iterable[_Row]) -> Iterator[_Row]:
    """The observations, also those of traces and of pages of the API."""
    for row in rows:
        for name in ("observations", "data"):
            if name in row:
                try:
                    within = _ROWS.decode(row[name])
                except (msgspec.DecodeError, ValueError, RecursionError):
                    continue  # a trace may name its observations by their ids
                yield from _rows(within)
                break
        else:
            yield row


def _add(generations: Steps[Step], into: Rows, row: Mapping[str, object], line: int, place: int) -> None:
    known = {_plain(name): value for name, value in row.items()}
    kind = text(inner(known.get("type")))
    if kind in (None, "GENERATION") and ("traceid" in known or kind is not None):
        said = _said(known)
        if said is None:
            tell(into, Unusable(OTHER_UNIT), line)
            return
        parent = text(inner(known.get("parentobservationid")))
        step = Step(line, place, parent, is_call=True)
        call = generations.add(said["id"] or (line, place), step)
        if call is not step:
            into.skip(AGAIN)
        call.failed = inner(known.get("level")) == "ERROR"
        call.learn(said)
    elif _OF_ROWS.isdisjoint(known):
        into.complain(OTHER_RECORD, line)
    else:
        into.skip(NO_CALL)


def _tell(into: Rows, call: Step) -> None:
    tell(into, call_said(call.said, failed=call.failed), call.line, call.place)


def _said(row: Mapping[str, object]) -> dict[str, object] | None:
    """What a generation says by the names of our fields; ``None`` if its counts are of another unit."""
    parameters, metadata, details, usage = (
        inner(inner(row.get(name))) for name in ("modelparameters", "metadata", "usagedetails", "usage")
    )
    unit = usage.get("unit") if isinstance(usage, dict) else None
    if unit not in (None, "", "TOKENS"):
        return None
    error = reason_of_error(inner(row.get("statusmessage")))
    return {
        "output_tokens": _output(details, usage, row),
        "max_tokens": cap_in(parameters),
        "finish_reason": telling_reason((*_reasons(metadata, parameters, inner(row.get("output"))), error)),
        "model": first(text(inner(row.get(name))) for name in ("model", "providedmodelname")),
        "id": text(inner(row.get("id"))),
        "operation": first(text(inner(row.get(name))) for name in ("promptname", "name")),
        "time": first(text(inner(row.get(name))) for name in ("endtime", "starttime")),
        **_labels_of_span(metadata),
        **labels_that_fit(metadata),
    }


def _labels_of_span(metadata: object) -> dict[str, object]:
    """What our attributes of the span that an observation was say, and those of its resource."""
    labels: dict[str, object] = {}
    for name in ("resourceAttributes", "attributes"):
        attributes = inner(metadata.get(name)) if isinstance(metadata, dict) else None
        if isinstance(attributes, dict):
            ours = {key[key.index(PREFIX) :]: inner(value) for key, value in attributes.items() if PREFIX in key}
            labels |= labels_of(ours)
    return labels


def _output(details: object, usage: object, row: Mapping[str, object]) -> object:
    """The output tokens, by the first name that tells them."""
    if (known := output_of_details(details)) is not None:
        return known
    if isinstance(usage, dict) and (count := first((usage.get("output"), usage.get("completionTokens")))) is not None:
        return count
    found = first(inner(row.get(name)) for name in ("outputusage", "completiontokens", "outputtokens"))
    return None if found == "" else found


def _reasons(metadata: object, parameters: object, output: object) -> Iterator[str | None]:
    for each in (metadata, parameters, output):
        if isinstance(each, dict):
            yield from (text(each.get(name)) for name in ("finish_reason", "finishReason", "stop_reason"))
    attributes = inner(metadata.get("attributes")) if isinstance(metadata, dict) else None
    if isinstance(attributes, dict):  # of the span that it was
        yield from reasons_of({name: inner(attributes[name]) for name in REASONS if name in attributes})
    yield end_of(output)[0]
