"""The source of LangSmith's runs, as its API gives them and as its clients post them: at the beginning, and at the end.

A wrapped client within a chat model of LangChain makes two runs of one call, one within the other.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Any

import msgspec

from pytest_token_telemetry.sample import reason_of_error, telling_reason
from pytest_token_telemetry.sources.caps import cap_in
from pytest_token_telemetry.sources.exports.export_records import (
    NOTHING,
    OTHER_RECORD,
    call_said,
    documents_of,
    first,
    inner,
    text,
    time_of,
)
from pytest_token_telemetry.sources.json_head import shown_keys
from pytest_token_telemetry.sources.labels import labels_that_fit
from pytest_token_telemetry.sources.provider_calls import tell
from pytest_token_telemetry.sources.source import FileSource
from pytest_token_telemetry.sources.tagged.records import Unusable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import BinaryIO

    from pytest_token_telemetry.sources.rows import Rows

MOST_HELD = 20_000
"""Runs that are held until their end is known. Clients post it seconds or minutes later."""

NO_CALL = "runs that are not model calls"
TOLD_AGAIN = "runs around another run of their call"
NO_BEGINNING = "a run has no beginning that says whether it is a model call"


class LangSmithSource(FileSource):
    """Runs of models. Those of chains and tools are none of its calls."""

    name = "langsmith"

    def claims(self, path: str, head: bytes) -> bool:  # noqa: ARG002
        """A file whose first record is a run, or posts runs."""
        keys = shown_keys(head).keys()
        for within in ("", "post.", "runs."):
            ids = (f"{within}{name}" for name in ("trace_id", "dotted_order", "session_name", "session_id"))
            if f"{within}run_type" in keys and any(each in keys for each in ids):
                return True
        return {"run_type", "id", "start_time"} <= keys or {"patch.dotted_order", "patch.trace_id"} <= keys

    def read(self, file: BinaryIO, into: Rows) -> None:
        """Read runs one after the other. What is known of them counts, even if the rest cannot be read."""
        runs = _Runs(into)
        try:
            for document in documents_of(file, _DECODER, into):
                value = document.value
                for place, run in enumerate(_all(value if isinstance(value, list) else (value,))):
                    runs.add(run, document.line, place)
        finally:
            runs.tell(0)


class _Run(msgspec.Struct):
    id: Any = None
    run_type: Any = None
    name: Any = None
    end_time: Any = None
    error: Any = None
    trace_id: Any = None
    parent_run_id: Any = None
    dotted_order: Any = None
    completion_tokens: Any = None
    extra: msgspec.Raw = NOTHING
    inputs: msgspec.Raw = NOTHING
    outputs: msgspec.Raw = NOTHING
    child_runs: list[_Run] | None = None


class _Document(_Run):
    """A run, or what holds many."""

    post: list[_Run] | None = None
    patch: list[_Run] | None = None
    runs: list[_Run] | None = None


_DECODER: msgspec.json.Decoder[_Document | list[_Document]] = msgspec.json.Decoder(_Document | list[_Document])


def _all(runs: Iterable[_Run]) -> Iterator[_Run]:
    for run in runs:
        if isinstance(run, _Document) and (run.post or run.patch or run.runs):
            yield from _all((*(run.post or ()), *(run.patch or ()), *(run.runs or ())))
        else:
            yield run
        yield from _all(run.child_runs or ())


@dataclass(slots=True)
class _Known:
    """What several records say of one run."""

    line: int
    place: int
    kind: str | None = None
    parent: str | None = None
    failed: bool = False
    is_run: bool = False
    said: dict[str, object] = field(default_factory=dict)
    choices: int = 1

    def learn(self, run: _Run) -> None:
        """Add what another record says. A later one counts."""
        self.kind = text(run.run_type) or self.kind
        self.is_run = self.is_run or any(map(text, (run.run_type, run.trace_id, run.dotted_order)))
        self.failed = self.failed or bool(text(run.error))
        if self.kind not in (None, "llm"):
            return
        self.said |= {name: value for name, value in self._facts(run).items() if value is not None}

    def _facts(self, run: _Run) -> dict[str, object]:
        extra, inputs, outputs = inner(run.extra), inner(run.inputs), inner(run.outputs)
        extra = extra if isinstance(extra, dict) else {}
        metadata = extra.get("metadata")
        metadata = metadata if isinstance(metadata, dict) else {}
        invocation = extra.get("invocation_params")
        invocation = invocation if isinstance(invocation, dict) else {}
        carriers = [*_carriers(outputs)]
        if asked_for := text(metadata.get("ls_model_name")) or text(invocation.get("model")):
            self.said.setdefault("model", asked_for)
        self.choices = max(self.choices, _choices(outputs))
        return {
            "output_tokens": first((*map(_count, (*carriers, metadata)), run.completion_tokens)),
            "max_tokens": first(
                (*map(cap_in, (inputs, invocation)), cap_in({"max_tokens": metadata.get("ls_max_tokens")}))
            ),
            "finish_reason": telling_reason((*_reasons(carriers), reason_of_error(run.error))),
            "model": first(text(each.get("model") or each.get("model_name")) for each in carriers),
            "id": first(text(each.get("id")) for each in carriers if isinstance(each.get("id"), str)),
            "operation": text(metadata.get("langgraph_node")) or text(run.name),
            "time": time_of(run.end_time),
            **labels_that_fit(metadata),
        }


class _Runs:
    """The runs of one file, told as soon as others need not be waited for."""

    def __init__(self, into: Rows) -> None:
        self._into = into
        self._held: dict[object, _Known] = {}

    def add(self, run: _Run, line: int, place: int) -> None:
        """Add a record of a run."""
        order = text(run.dotted_order)
        path = [part.rpartition("Z")[2] for part in order.split(".")] if order else []
        id = text(run.id) or (path[-1] if path else text(run.trace_id))
        known = self._held.setdefault(id or (line, place), _Known(line, place))
        known.parent = text(run.parent_run_id) or (path[-2] if len(path) > 1 else known.parent)
        known.learn(run)
        if id is not None:
            known.said.setdefault("id", id)
        if len(self._held) > MOST_HELD:
            self.tell(MOST_HELD // 2)

    def tell(self, rest: int) -> None:
        """Tell of all runs but the last ``rest``. Of models within each other, the innermost is the call."""
        within: dict[object, list[_Known]] = {}
        for known in self._held.values():
            around = self._held.get(known.parent)
            if around is not None and around.kind == known.kind == "llm":
                within.setdefault(known.parent, []).append(known)
        for key, calls in within.items():
            said = self._held[key].said
            if len(calls) > 1:  # what it says of an answer is of one of them
                said = {name: value for name, value in said.items() if name not in _OF_ANSWER}
            for call in calls:
                call.said = {**said, **call.said}
        for key in [*self._held][: len(self._held) - rest]:
            known = self._held.pop(key)
            if key in within:
                self._into.skip(TOLD_AGAIN)
            else:
                self._tell(known)

    def _tell(self, known: _Known) -> None:
        if known.kind == "llm":
            call = call_said(known.said, choices=known.choices, failed=known.failed)
            tell(self._into, call, known.line, known.place)
        elif known.kind is None and known.said.get("output_tokens") is not None:
            tell(self._into, Unusable(NO_BEGINNING), known.line)
        elif not known.is_run:
            tell(self._into, Unusable(OTHER_RECORD), known.line)
        else:
            self._into.skip(NO_CALL)


_OF_ANSWER = ("output_tokens", "finish_reason", "model", "id", "time")


def _carriers(outputs: object) -> Iterator[dict[str, Any]]:
    """Where an output may say how many tokens it took and why it ended: the whole before its answers."""
    if not isinstance(outputs, dict):
        return
    yield outputs
    for name in ("llm_output", "output", "message"):
        if isinstance(each := outputs.get(name), dict):
            yield each
    for answer in _generations(outputs):
        message = answer.get("message")
        message = message.get("kwargs", message) if isinstance(message, dict) else {}
        metadata = message.get("response_metadata") if isinstance(message, dict) else None
        for each in (metadata, message, answer.get("generation_info"), answer.get("generationInfo")):
            if isinstance(each, dict):
                yield each


def _generations(outputs: dict[str, Any]) -> list[dict[str, Any]]:
    """The answers to the first of LangChain's prompts: a run has one."""
    found = outputs.get("generations")
    found = found[0] if isinstance(found, list) and found and isinstance(found[0], list) else found
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def _choices(outputs: object) -> int:
    if not isinstance(outputs, dict):
        return 1
    choices = outputs.get("choices")
    return max(len(choices) if isinstance(choices, list) else 1, len(_generations(outputs)))


def _count(carrier: dict[str, Any]) -> object:
    for name in ("usage_metadata", "token_usage", "usage", "tokenUsage"):
        usage = carrier.get(name)
        if isinstance(usage, dict):
            count = first(usage.get(each) for each in ("output_tokens", "completion_tokens", "completionTokens"))
            if count is not None:
                return count
    return None


_REASONS = ("finish_reason", "finishReason", "stop_reason", "stopReason", "done_reason", "reason")


def _reasons(carriers: Iterable[dict[str, Any]]) -> Iterator[str | None]:
    for carrier in carriers:
        answers = [each for name in ("choices", "candidates") if isinstance(each := carrier.get(name), list)]
        for each in (carrier, carrier.get("incomplete_details"), *chain.from_iterable(answers)):
            for name in _REASONS if isinstance(each, dict) else ():
                value = each.get(name)
                yield text(value.get(name) if isinstance(value, dict) else value)  # a stream's last part is both
