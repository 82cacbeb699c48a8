"""The source of LangSmith's runs, as its API gives them and as its clients post them: at the beginning, and at the end.

A wrapped client within a chat model of LangChain makes two runs of one call, one within the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
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
from pytest_token_telemetry.sources.exports.steps import Step, Steps
from pytest_token_telemetry.sources.json_head import shown_keys
from pytest_token_telemetry.sources.labels import labels_that_fit
from pytest_token_telemetry.sources.provider_calls import tell
from pytest_token_telemetry.sources.source import FileSource
from pytest_token_telemetry.sources.tagged.records import Unusable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import BinaryIO

    from pytest_token_telemetry.sources.rows import Rows

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
        runs = Steps[_Known](into, partial(_tell, into), TOLD_AGAIN)
        try:
            for document in documents_of(file, _DECODER, into):
                value = document.value
                for place, run in enumerate(_all(value if isinstance(value, list) else (value,))):
                    _add(runs, run, document.line, place)
        finally:
            runs.finish()


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
class _Known(Step):
    """What several records say of one run."""

    is_run: bool = False

    def learn_of(self, run: _Run) -> None:
        """Add what another record says."""
        if kind := text(run.run_type):
            self.is_call = kind == "llm"
        self.is_run = self.is_run or any(map(text, (run.run_type, run.trace_id, run.dotted_order)))
        self.failed = self.failed or bool(text(run.error))
        if self.is_call is not False:
            self.learn(self._facts(run))

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


def _add(runs: Steps[_Known], run: _Run, line: int, place: int) -> None:
    order = text(run.dotted_order)
    path = [part.rpartition("Z")[2] for part in order.split(".")] if order else []
    id = text(run.id) or (path[-1] if path else text(run.trace_id))
    known = runs.add(id or (line, place), _Known(line, place))
    known.parent = text(run.parent_run_id) or (path[-2] if len(path) > 1 else known.parent)
    known.learn_of(run)
    if id is not None:
        known.said.setdefault("id", id)


def _tell(into: Rows, known: _Known) -> None:
    if known.is_call:
        tell(into, call_said(known.said, choices=known.choices, failed=known.failed), known.line, known.place)
    elif known.is_call is None and known.said.get("output_tokens") is not None:
        tell(into, Unusable(NO_BEGINNING), known.line)
    elif not known.is_run:
        tell(into, Unusable(OTHER_RECORD), known.line)
    else:
        into.skip(NO_CALL)


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
