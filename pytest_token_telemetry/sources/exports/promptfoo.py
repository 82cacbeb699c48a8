"""The source of promptfoo's results: a JSON file an evaluation, or JSON lines, one a result."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from pytest_token_telemetry.sources.caps import cap_in
from pytest_token_telemetry.sources.exports.export_records import (
    NOTHING,
    OTHER_RECORD,
    call_said,
    documents_of,
    inner,
    shaped,
    text,
)
from pytest_token_telemetry.sources.json_head import shown_keys
from pytest_token_telemetry.sources.labels import labels_that_fit
from pytest_token_telemetry.sources.litellm import FROM_CACHE
from pytest_token_telemetry.sources.provider_calls import tell
from pytest_token_telemetry.sources.source import FileSource
from pytest_token_telemetry.sources.tagged.records import Unusable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from pytest_token_telemetry.sources.rows import Rows
    from pytest_token_telemetry.sources.tagged.records import Read

SEVERAL = "a count is the sum of several calls"

_PROVIDER_FAILED = 2
"""How promptfoo numbers that a result failed because its provider did."""


class PromptfooSource(FileSource):
    """One call a result, whether its assertions passed or not."""

    name = "promptfoo"

    def claims(self, path: str, head: bytes) -> bool:  # noqa: ARG002
        """A file that begins with an evaluation's id and results, or with a result."""
        keys = shown_keys(head).keys()
        return any(
            each <= keys
            for each in ({"evalId", "results.version"}, {"promptIdx", "testIdx"}, {"cost", "gradingResult"})
        )

    def read(self, file: BinaryIO, into: Rows) -> None:
        """See `FileSource.read`."""
        for document in documents_of(file, _DECODER, into):
            caps = _caps(inner(document.value.config))
            for place, result in enumerate(_results(document.value)):
                if result is None:
                    into.complain(OTHER_RECORD, document.line)
                    continue
                call = _call(result, caps, text(document.value.evalId) or text(result.evalId))
                if call is None:
                    into.skip(FROM_CACHE)
                else:
                    tell(into, call, document.line, place)


class _Result(msgspec.Struct):
    id: Any = None
    evalId: Any = None  # noqa: N815 - promptfoo's own names, here and below
    provider: Any = None
    promptIdx: Any = None  # noqa: N815
    testIdx: Any = None  # noqa: N815
    failureReason: Any = None  # noqa: N815
    prompt: msgspec.Raw = NOTHING
    testCase: msgspec.Raw = NOTHING  # noqa: N815
    response: msgspec.Raw = NOTHING


class _Results(msgspec.Struct):
    results: list[_Result] | None = None


class _Document(_Result):
    """The results of an evaluation, or one of them."""

    results: _Results | list[_Result] | None = None
    config: msgspec.Raw = NOTHING


class _Prompt(msgspec.Struct):
    config: Any = None


class _TestCase(msgspec.Struct):
    metadata: Any = None


class _Response(msgspec.Struct):
    cached: Any = None
    tokenUsage: Any = None  # noqa: N815
    finishReason: Any = None  # noqa: N815
    error: msgspec.Raw = NOTHING


_DECODER = msgspec.json.Decoder(_Document)
_PROMPT = msgspec.json.Decoder(_Prompt | None)
_TEST_CASE = msgspec.json.Decoder(_TestCase | None)
_RESPONSE = msgspec.json.Decoder(_Response | None)


def _results(document: _Document) -> Iterator[_Result | None]:
    """The results of a document; ``None`` if it is none of promptfoo's."""
    match document.results:
        case None if bytes(document.response) != b"null" or document.promptIdx is not None:
            yield document
        case _Results(results=results):
            yield from results or ()
        case list() as results:
            yield from results
        case None:
            yield None


def _call(result: _Result, caps: dict[str, set[int | None]], eval_id: str | None) -> Read | Unusable | None:
    response = shaped(result.response, _RESPONSE) or _Response()
    usage = response.tokenUsage if isinstance(response.tokenUsage, dict) else {}
    output = usage.get("completion")
    if response.cached is True or (not output and usage.get("cached")):
        return None
    requests = usage.get("numRequests")
    if type(requests) is int and requests > 1:
        return Unusable(SEVERAL)
    prompt, test = shaped(result.prompt, _PROMPT), shaped(result.testCase, _TEST_CASE)
    provider = result.provider if isinstance(result.provider, dict) else {"id": result.provider}
    names = [name for each in ("label", "id") if (name := text(provider.get(each))) is not None]
    said: dict[str, object] = {
        "output_tokens": output,
        "max_tokens": cap_in(prompt.config if prompt is not None else None)
        or cap_in(provider.get("config"))
        or _only(next((caps[name] for name in names if name in caps), set())),
        "finish_reason": text(response.finishReason),
        "model": text(provider.get("id")),
        "id": text(result.id),
    }
    if type(result.promptIdx) is int:
        said["operation"] = f"prompt {result.promptIdx}"  # its label may be the prompt itself
    if eval_id is not None and type(result.testIdx) is int:
        said["task_id"] = f"{eval_id} test {result.testIdx}"
    said |= labels_that_fit(None if test is None else test.metadata)
    return call_said(
        said, failed=result.failureReason == _PROVIDER_FAILED or bytes(response.error) not in (b"null", b'""')
    )


def _caps(config: object) -> dict[str, set[int | None]]:
    """The caps of an evaluation's providers by their labels and ids, which several may share."""
    providers = config.get("providers") if isinstance(config, dict) else None
    found: dict[str, set[int | None]] = {}
    for each in providers if isinstance(providers, list) else (providers,):
        if isinstance(each, dict) and "id" not in each and len(each) == 1:
            ((id, rest),) = each.items()
            each = {"id": id, **(rest if isinstance(rest, dict) else {})}
        if isinstance(each, dict):
            cap = cap_in(each.get("config"))
            for name in {text(each.get("label")), text(each.get("id"))} - {None}:
                found.setdefault(str(name), set()).add(cap)
        elif (name := text(each)) is not None:
            found.setdefault(name, set()).add(None)
    return found


def _only(caps: set[int | None]) -> int | None:
    return next(iter(caps)) if len(caps) == 1 else None
