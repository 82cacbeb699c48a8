"""The source of OpenHands' trajectories and completions.

A trajectory has events, each with the response of the model that led to it. The tool calls of one response are several
events, and each has its observation: all name the same response. A completion has a call with its request.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from pytest_token_telemetry.sources.caps import cap_in
from pytest_token_telemetry.sources.exports.export_records import (
    NOTHING,
    OTHER_RECORD,
    documents_of,
    inner,
    shaped,
    text,
)
from pytest_token_telemetry.sources.json_head import shown_keys
from pytest_token_telemetry.sources.provider_calls import call_of, called, failed_call, tell
from pytest_token_telemetry.sources.source import FileSource
from pytest_token_telemetry.sources.tagged.records import Unusable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from pytest_token_telemetry.sources.rows import Rows
    from pytest_token_telemetry.sources.tagged.records import Read

NO_RESPONSE = "a count of tokens names no response: an event may tell of its call"

_BY = ("agent", "user", "environment")
"""What events come from. Logs of other systems name other sources."""

_OF_EVENTS = ({"id", "timestamp", "source", "action"}, {"id", "timestamp", "source", "observation"})
_OF_FILES = (
    {"trajectory.timestamp", "trajectory.source"},
    {"history.timestamp", "history.source"},
    {"instance_id", "test_result"},
)
_OF_COMPLETIONS = (["context_window", "messages"], ["context_window", "llm_path"])


class OpenHandsSource(FileSource):
    """Trajectories, single events, the results of evaluations, one a line, and completions, a file each."""

    name = "openhands"

    def claims(self, path: str, head: bytes) -> bool:  # noqa: ARG002
        """A file whose first event has an action, or begins with a message that goes on beyond the beginning.

        Or a completion, which begins with the size of the context before what was asked.
        """
        shown = shown_keys(head)
        keys = shown.keys()
        if any(each <= keys for each in _OF_FILES) or [*keys][:2] in _OF_COMPLETIONS:
            return True
        is_event = any(each <= keys for each in _OF_EVENTS) or [*keys] == ["id", "timestamp", "source", "message"]
        return is_event and shown["source"] in _BY

    def read(self, file: BinaryIO, into: Rows) -> None:
        """See `FileSource.read`."""
        for document in documents_of(file, _DECODER, into):
            value = document.value
            for _ in filter(_is_other, value if isinstance(value, list) else (value,)):
                into.complain(OTHER_RECORD, document.line)
            for place, call in enumerate(_calls(value)):
                tell(into, call, document.line, place)


class _ToolCall(msgspec.Struct):
    model_response: msgspec.Raw = NOTHING


class _Event(msgspec.Struct):
    source: Any = None
    action: Any = None
    observation: Any = None
    tool_call_metadata: _ToolCall | None = None


class _Metrics(msgspec.Struct):
    token_usages: msgspec.Raw = NOTHING


class _Metadata(msgspec.Struct):
    llm_config: Any = None


class _Run(_Event):
    """An event, or what holds many. Older evaluations have them in pairs, with what was observed."""

    instance_id: Any = None
    trajectory: list[_Event] | None = None
    history: list[_Event | list[_Event]] | None = None
    metrics: msgspec.Raw = NOTHING
    metadata: msgspec.Raw = NOTHING
    context_window: Any = None
    """Only a completion has it, and the rest."""
    kwargs: msgspec.Raw = NOTHING
    response: msgspec.Raw = NOTHING
    error: Any = None


_DECODER: msgspec.json.Decoder[_Run | list[_Event]] = msgspec.json.Decoder(_Run | list[_Event])
_METRICS = msgspec.json.Decoder(_Metrics | None)
_METADATA = msgspec.json.Decoder(_Metadata | None)


def _is_other(record: _Event) -> bool:
    """Whether it is neither an event nor what holds some."""
    is_event = record.source in _BY and (record.action, record.observation) != (None, None)
    if is_event or record.tool_call_metadata is not None:
        return False
    parts = (
        (record.trajectory, record.history, record.instance_id, record.context_window)
        if isinstance(record, _Run)
        else ()
    )
    return all(part is None for part in parts)


def _calls(run: _Run | list[_Event]) -> Iterator[Read | Unusable | str]:
    if isinstance(run, _Run) and run.context_window is not None:
        yield _completion(run)
        return
    said: dict[str, object] = {}
    if isinstance(run, _Run):
        metadata = shaped(run.metadata, _METADATA)
        if metadata is not None and (cap := cap_in(metadata.llm_config)):
            said["max_tokens"] = cap
        if instance := text(run.instance_id):
            said["task_id"] = instance
    seen: set[object] = set()
    for event in _events(run):
        if event.tool_call_metadata is None:
            continue
        response = inner(event.tool_call_metadata.model_response)
        if response is None:
            continue
        if isinstance(response, dict) and (id := text(response.get("id"))) is not None:
            if id in seen:
                continue
            seen.add(id)
        yield call_of(response, said, by_remapper=True)  # it calls models through LiteLLM
    if isinstance(run, _Run):
        yield from _counted(run, said, seen)


def _completion(run: _Run) -> Read | Unusable | str:
    response = inner(run.response)
    if response is None and run.error is not None:
        return failed_call(None, None)
    return call_of(response, {"max_tokens": cap_in(inner(run.kwargs))}, by_remapper=True)


def _events(run: _Run | list[_Event]) -> Iterator[_Event]:
    if isinstance(run, list):
        yield from run
        return
    yield run
    yield from run.trajectory or ()
    for each in run.history or ():
        yield from each if isinstance(each, list) else (each,)


def _counted(run: _Run, said: dict[str, object], seen: set[object]) -> Iterator[Read | Unusable]:
    """The calls of which the metrics alone tell: those that called no tool. Why they ended is not said."""
    metrics = shaped(run.metrics, _METRICS)
    usages = None if metrics is None else inner(metrics.token_usages)
    for usage in usages if isinstance(usages, list) else ():
        id = text(usage.get("response_id")) if isinstance(usage, dict) else None
        if id is None:
            yield Unusable(NO_RESPONSE)
        elif id not in seen:
            seen.add(id)
            output = usage.get("completion_tokens")
            yield called({**said, "output_tokens": output, "model": text(usage.get("model")), "id": id})
