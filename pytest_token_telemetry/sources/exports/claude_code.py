"""The source of Claude Code's transcripts, for those who ask for it: it claims no file.

What was typed to an agent is no telemetry of a system under test. Each block of an answer is a record, and all of one
answer have its id. Before 2.1.98 most had a placeholder for the output tokens: what the first event of a stream says.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from pytest_token_telemetry.sources.exports.export_records import NOTHING, call_said, documents_of, shaped, text
from pytest_token_telemetry.sources.own_format import FAILED
from pytest_token_telemetry.sources.provider_calls import tell
from pytest_token_telemetry.sources.source import FileSource
from pytest_token_telemetry.sources.tagged.records import Unusable

if TYPE_CHECKING:
    from typing import BinaryIO

    from pytest_token_telemetry.sources.rows import Rows

MOST_HELD = 20_000
"""Answers that are held until all their blocks are known: these stand close together."""

NO_END = "a call has no stop reason: it was cut off, or another record has it"

_FINAL = (2, 1, 98)
"""The first version whose records all have the final count."""


class ClaudeCodeSource(FileSource):
    """Answers with their output tokens and stop reasons. The cap is not known."""

    name = "claude-code"

    def claims(self, path: str, head: bytes) -> bool:  # noqa: ARG002
        """No file: see above."""
        return False

    def read(self, file: BinaryIO, into: Rows) -> None:
        """Read records one after the other. What is known of their calls counts, even if the rest cannot be read."""
        answers: dict[object, _Answer] = {}
        try:
            for document in documents_of(file, _DECODER, into):
                record, line = document.value, document.line
                if isinstance(record, list) or record.type != "assistant":
                    continue  # files of other kinds stand beside transcripts
                message = shaped(record.message, _MESSAGE)
                if message is None:
                    continue
                if record.isApiErrorMessage is True:
                    tell(into, Unusable(FAILED), line)
                elif message.model != "<synthetic>":
                    key = (message.id, text(record.requestId)) if text(message.id) else line
                    answer = answers.setdefault(key, _Answer(line))
                    answer.learn(record, message)
                    if len(answers) > MOST_HELD:
                        answers.pop(next(iter(answers))).tell(into)
        finally:
            for answer in answers.values():
                answer.tell(into)


class _Record(msgspec.Struct):
    type: Any = None
    timestamp: Any = None
    version: Any = None
    requestId: Any = None  # noqa: N815 - Claude Code's own names, here and below
    isSidechain: Any = None  # noqa: N815
    isApiErrorMessage: Any = None  # noqa: N815
    message: msgspec.Raw = NOTHING


class _Usage(msgspec.Struct):
    output_tokens: Any = None


class _Message(msgspec.Struct):
    id: Any = None
    model: Any = None
    stop_reason: Any = None
    usage: _Usage | None = None


_DECODER: msgspec.json.Decoder[_Record | list[msgspec.Raw]] = msgspec.json.Decoder(_Record | list[msgspec.Raw])
_MESSAGE = msgspec.json.Decoder(_Message | None)


@dataclass(slots=True)
class _Answer:
    """What several records say of one answer."""

    line: int
    output: int | None = None
    reason: str | None = None
    model: str | None = None
    id: str | None = None
    time: str | None = None
    is_sidechain: bool = False

    def learn(self, record: _Record, message: _Message) -> None:
        """Add what another record says: the count grows, and the last reason is the reason."""
        reason = text(message.stop_reason)
        count = None if message.usage is None else message.usage.output_tokens
        is_final = reason is not None or _version(record.version) >= _FINAL
        if type(count) is int and is_final:
            self.output = max(count, self.output or 0)
        self.reason = reason or self.reason
        self.model = text(message.model) or self.model
        self.id = text(message.id)
        self.time = text(record.timestamp) or self.time
        self.is_sidechain = record.isSidechain is True

    def tell(self, into: Rows) -> None:
        """Give the call to the rows, or say why it is none."""
        said = {"output_tokens": self.output, "finish_reason": self.reason, "model": self.model}
        said |= {"id": self.id, "time": self.time, "operation": "sidechain" if self.is_sidechain else None}
        tell(into, Unusable(NO_END) if self.reason is None else call_said(said), self.line)


def _version(value: object) -> tuple[int, ...]:
    """The numbers of a version; lower than all if it has none."""
    return tuple(map(int, re.findall(r"[0-9]{1,9}", value)[:3])) if isinstance(value, str) else ()
