"""What the readers of exports share: the documents of a file, JSON within them, and how what is said becomes a call.

Prompts and answers are passed over as bytes. Only what may say why a call ended is decoded, one call at a time.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar, cast

import msgspec

from pytest_token_telemetry.sources.documents import whole_documents
from pytest_token_telemetry.sources.own_format import NO_OUTPUT, NO_OUTPUT_FAILED
from pytest_token_telemetry.sources.provider_calls import called, moment
from pytest_token_telemetry.sources.tagged.records import Unusable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime
    from io import BufferedReader
    from typing import BinaryIO

    from pytest_token_telemetry.sources.documents import Document
    from pytest_token_telemetry.sources.rows import Rows
    from pytest_token_telemetry.sources.tagged.records import Read

T = TypeVar("T")

OTHER_RECORD = "a record is of another kind than those that its file begins with"

NOTHING = msgspec.Raw(b"null")
"""JSON that was not given."""

_ANY: msgspec.json.Decoder[Any] = msgspec.json.Decoder()


def documents_of(file: BinaryIO, decoder: msgspec.json.Decoder[T], into: Rows) -> Iterator[Document[T]]:
    """The documents of a file. What is none is counted.

    Raises:
        OSError: not all of the file can be read, or none of it is a document.
    """
    yield from whole_documents(file, decoder.decode, into)


def beginning(file: BinaryIO, size: int) -> bytes:
    """The first bytes of a file that nothing was read of, without reading them."""
    if not file.seekable():
        return cast("BufferedReader", file).peek(size)[:size]
    begin = file.read(size)
    file.seek(0)
    return begin


def inner(value: object) -> Any:  # noqa: ANN401 - any JSON
    """What JSON within JSON says, as bytes or as a text; any other value itself. ``None`` if it is malformed."""
    if isinstance(value, str) and value[:1] in ("{", "["):
        return _decoded(value.encode("utf-8", "replace"), _ANY)
    return _decoded(bytes(value), _ANY) if isinstance(value, msgspec.Raw) else value


def shaped(raw: msgspec.Raw, decoder: msgspec.json.Decoder[T]) -> T | None:
    """What JSON within JSON says, in the shape that ``decoder`` gives; ``None`` if it has none."""
    return _decoded(bytes(raw), decoder)


def _decoded(text: bytes, decoder: msgspec.json.Decoder[T]) -> T | None:
    for each in (text, text.decode("utf-8", "replace").encode()):
        try:
            return decoder.decode(each)
        except (msgspec.DecodeError, RecursionError, ValueError):
            continue
    return None


def call_said(said: Mapping[str, object], *, choices: int = 1, failed: bool = False) -> Read | Unusable:
    """The call of which all this is ``said`` by the names of our fields, with the number of its answers.

    Some systems count 0 output tokens of a call that failed before there were any.
    """
    if failed and said.get("output_tokens") in (0, "0"):
        said = {**said, "output_tokens": None}
    if failed and not said.get("finish_reason"):
        said = {**said, "finish_reason": "error"}
    call = called(said, choices, failed=failed)
    if isinstance(call, Unusable) and said.get("output_tokens") is None:
        return replace(call, reason=NO_OUTPUT_FAILED if failed else NO_OUTPUT)
    return call


def first(values: Iterable[T | None]) -> T | None:
    """The first of ``values`` that is there."""
    return next((value for value in values if value is not None), None)


def text(value: object) -> str | None:
    """``value`` if it is a text that says something."""
    return value if isinstance(value, str) and value else None


def time_of(value: object) -> datetime | str | None:
    """A time as a text, or in seconds or milliseconds since 1970."""
    if type(value) in (int, float) and abs(value) > _SECONDS:  # type: ignore[arg-type] # a number
        value = value / 1000  # type: ignore[operator]
    return moment(value)


_SECONDS = 1e11
"""More than these are milliseconds: the year 5138."""
