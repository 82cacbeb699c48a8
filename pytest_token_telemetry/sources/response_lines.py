"""The source of plain responses, one a line, as a program leaves them that writes down what it received."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, BinaryIO

from pytest_token_telemetry.sources.documents import whole_documents
from pytest_token_telemetry.sources.json_head import shown_keys
from pytest_token_telemetry.sources.labels import slips_in
from pytest_token_telemetry.sources.provider_calls import call_of, decoded, records_of, tell
from pytest_token_telemetry.sources.response_shapes import get
from pytest_token_telemetry.sources.source import FileSource
from pytest_token_telemetry.sources.tagged.records import Read

if TYPE_CHECKING:
    from pytest_token_telemetry.sources.rows import Rows


class ResponseSource(FileSource):
    """Responses of OpenAI (chat, completions and Responses), Anthropic and Gemini, each whole."""

    name = "responses"

    def claims(self, path: str, head: bytes) -> bool:  # noqa: ARG002
        """A file whose first record is a response. Anthropic's client writes what that is behind its text."""
        keys = shown_keys(head)
        return any(all(key in keys and text.fullmatch(keys[key]) for key, text in shape) for shape in _SHAPES)

    def read(self, file: BinaryIO, into: Rows) -> None:
        """See `FileSource.read`."""
        for document in whole_documents(file, decoded, into):
            for place, record in records_of(document.value):
                call = call_of(record, {})
                tell(into, call, document.line, place)
                if isinstance(call, Read):
                    into.note(slips_in(get(record, "metadata")))


_SHAPES = [
    [(key, re.compile(text)) for key, text in shape]
    for shape in (
        (("object", r"chat\.completion|text_completion"), ("choices", "")),
        (("choices.finish_reason", ".*"), ("choices.message", "")),
        (("choices.finish_reason", ".*"), ("choices.text", ".*")),
        (("object", "response"), ("output", "")),
        (("object", "response"), ("id", "resp_.*")),
        (("created_at", ""), ("id", "resp_.*")),
        (("type", "message"), ("role", "assistant"), ("content", "")),
        (("id", "msg_.*"), ("content.text", ".*")),
        (("id", "msg_.*"), ("content.type", ".*")),
        (("candidates.content.parts.text", ".*"),),
        (("candidates.finishReason", ".*"),),
        (("candidates.finish_reason", ".*"),),
        (("usageMetadata.promptTokenCount", ""),),
    )
]
"""Keys that the first record of a file must show, each with a pattern for its text."""
