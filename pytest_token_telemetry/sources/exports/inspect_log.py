"""The source of Inspect's evaluation logs: ``.eval``, which is a ZIP of one file a sample, and JSON."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec

from pytest_token_telemetry.sample import telling_reason
from pytest_token_telemetry.sources.documents import OTHER_SHAPE
from pytest_token_telemetry.sources.exports.export_records import (
    NOTHING,
    OTHER_RECORD,
    beginning,
    call_said,
    documents_of,
    first,
    inner,
    shaped,
    text,
)
from pytest_token_telemetry.sources.exports.zip_members import ZipMembers
from pytest_token_telemetry.sources.json_head import shown_keys
from pytest_token_telemetry.sources.labels import labels_that_fit
from pytest_token_telemetry.sources.litellm import FROM_CACHE
from pytest_token_telemetry.sources.provider_calls import tell
from pytest_token_telemetry.sources.responses import end_of
from pytest_token_telemetry.sources.source import FileSource
from pytest_token_telemetry.sources.tagged.records import Unusable
from pytest_token_telemetry.text import plural

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import BinaryIO

    from pytest_token_telemetry.sources.rows import Rows
    from pytest_token_telemetry.sources.tagged.records import Read

_ZIP = b"PK\x03\x04"
_MEMBER = re.compile(rb"PK\x03\x04.{26}(?:_journal/|samples/|header\.json)", re.DOTALL)
_SAMPLE = re.compile(r"samples/[^/]+\.json")
_HEADERS = ("header.json", "_journal/start.json")
"""Where a log in a ZIP names its task: when it is done, and while it runs."""


class InspectSource(FileSource):
    """One call a model event, whether its answer was right or not."""

    name = "inspect"

    def claims(self, path: str, head: bytes) -> bool:
        """A ZIP whose first member is one of Inspect's, or JSON that begins with an evaluation."""
        if head.startswith(_ZIP):
            return path.endswith(".eval") or _MEMBER.match(head) is not None
        keys = shown_keys(head).keys()
        return {"eval.eval_id", "eval.task"} <= keys or {"version", "status", "eval.task"} <= keys

    def read(self, file: BinaryIO, into: Rows) -> None:
        """Read sample by sample. A sample that cannot be read does not take the others with it.

        Raises:
            OSError: not all of the log can be read.
        """
        if beginning(file, len(_ZIP)) == _ZIP:
            _read_zip(file, into)
            return
        for document in documents_of(file, _LOG, into):
            log, place = document.value, 0
            if log.eval is None and log.samples is None:
                into.complain(OTHER_RECORD, document.line)
            for sample in log.samples or ():
                for call in _calls(sample, _task(log)):
                    _tell(into, call, document.line, place)
                    place += 1


def _read_zip(file: BinaryIO, into: Rows) -> None:
    archive = ZipMembers(file)
    task = of_header = None
    for name in filter(archive.has, _HEADERS):
        try:
            with archive.open(name) as member:
                task = next((_task(each.value) for each in documents_of(member, _LOG, into)), None)
            break
        except OSError as error:
            of_header = f"its {name} cannot be read: {error.strerror}"
    samples = [name for name in archive.names if _SAMPLE.fullmatch(name)]
    faults: list[str] = []
    for number, name in enumerate(samples, 1):
        try:
            with archive.open(name) as member:
                is_empty = True
                for document in documents_of(member, _SAMPLE_DECODER, into):
                    is_empty = False
                    for place, call in enumerate(_calls(document.value, task)):
                        _tell(into, call, number, place)
                if is_empty:
                    faults.append("it is empty")
        except OSError as error:
            faults.append(error.strerror or type(error).__name__)
            if archive.is_exhausted:
                break
    if faults:
        raise OSError(None, f"{len(faults)} of {plural(len(samples), 'sample')} cannot be read: {faults[0]}")
    if of_header is not None:
        raise OSError(None, of_header)


class _Event(msgspec.Struct):
    event: Any = None
    model: Any = None
    role: Any = None
    config: msgspec.Raw = NOTHING
    output: msgspec.Raw = NOTHING
    call: msgspec.Raw = NOTHING
    error: Any = None
    pending: Any = None
    cache: Any = None
    timestamp: Any = None
    completed: Any = None
    uuid: Any = None
    events: list[_Event] | None = None
    """Those within a tool or a subtask, as older logs have them."""


class _Attempt(msgspec.Struct):
    """A failed attempt at a sample, which was repeated."""

    events: list[_Event] | None = None
    """From its last model event on."""


class _Sample(msgspec.Struct):
    id: Any = None
    metadata: msgspec.Raw = NOTHING
    error_retries: list[_Attempt] | None = None
    events: list[_Event] | None = None
    """Of the last attempt."""

    def all_events(self) -> Iterator[_Event]:
        """Those of all attempts, with those within others."""
        for each in self.error_retries or ():
            yield from _each(each.events or ())
        yield from _each(self.events or ())


class _Evaluation(msgspec.Struct):
    task: Any = None


class _Log(msgspec.Struct):
    eval: _Evaluation | None = None
    samples: list[_Sample] | None = None


class _Usage(msgspec.Struct):
    input_tokens: Any = None
    output_tokens: Any = None
    total_tokens: Any = None
    input_tokens_cache_write: Any = None
    input_tokens_cache_read: Any = None
    reasoning_tokens: Any = None

    @property
    def output(self) -> object:
        """The output with the reasoning, where the total says that this is beside it, as with Gemini."""
        known = [
            value if type(value) is int else 0
            for value in (self.input_tokens, self.input_tokens_cache_write, self.input_tokens_cache_read)
        ]
        output, reasoning = self.output_tokens, self.reasoning_tokens
        if type(output) is int and type(reasoning) is int and reasoning > 0:
            beside = {sum(known), known[0]}
            if type(self.total_tokens) is int and self.total_tokens - output - reasoning in beside:
                return output + reasoning
        return output


class _Message(msgspec.Struct):
    id: Any = None


class _Choice(msgspec.Struct):
    stop_reason: Any = None
    message: _Message | None = None


class _Output(msgspec.Struct):
    model: Any = None
    choices: list[_Choice] | None = None
    usage: _Usage | None = None


class _Config(msgspec.Struct):
    max_tokens: Any = None


class _Call(msgspec.Struct):
    response: Any = None


_LOG = msgspec.json.Decoder(_Log)
_SAMPLE_DECODER = msgspec.json.Decoder(_Sample)
_OUTPUT = msgspec.json.Decoder(_Output | None)
_CONFIG = msgspec.json.Decoder(_Config | None)
_CALL = msgspec.json.Decoder(_Call | None)


def _task(log: _Log) -> str | None:
    return None if log.eval is None else text(log.eval.task)


def _tell(into: Rows, call: Read | Unusable | None, line: int, place: int) -> None:
    """As `tell`; ``None`` stands for an answer from a cache."""
    if call is None:
        into.skip(FROM_CACHE)
    else:
        tell(into, call, line, place)


def _calls(sample: _Sample, task: str | None) -> Iterator[Read | Unusable | None]:
    said: dict[str, object] = {}
    if type(sample.id) in (str, int):
        said["task_id"] = str(sample.id) if task is None else f"{task}/{sample.id}"
    said |= labels_that_fit(inner(sample.metadata))
    for event in sample.all_events():
        if event.event != "model":
            continue
        if event.cache == "read":
            yield None
            continue
        output = shaped(event.output, _OUTPUT)
        if output is None and bytes(event.output) != b"null":
            yield Unusable(OTHER_SHAPE)
        else:
            yield _call(event, output or _Output(), {"operation": text(event.role) or task, **said})


def _each(events: Iterable[_Event]) -> Iterator[_Event]:
    for event in events:
        yield event
        yield from _each(event.events or ())


def _call(event: _Event, output: _Output, said: dict[str, object]) -> Read | Unusable:
    config, call = shaped(event.config, _CONFIG), shaped(event.call, _CALL)
    response = None if call is None else call.response
    native, _ = end_of(response)
    choices = output.choices or []
    words = [word for each in choices if (word := text(each.stop_reason)) not in (None, "unknown")]
    if output.usage is None and (event.error is not None or event.pending):  # Inspect's stand-in for an output
        words = [word for word in words if word != "stop"]
    ids = (response.get("id") if isinstance(response, dict) else None, event.uuid)
    of_message = (each.message.id for each in choices if each.message is not None)
    said |= {
        "output_tokens": None if output.usage is None else output.usage.output,
        "max_tokens": None if config is None else config.max_tokens,
        "finish_reason": telling_reason([*words, native]),
        "model": text(output.model) or text(event.model),
        "id": first(map(text, (*ids, *of_message))),
        "time": text(event.completed) or text(event.timestamp),
    }
    return call_said(said, choices=max(len(choices), 1), failed=event.error is not None)
