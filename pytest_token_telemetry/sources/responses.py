"""The facts of one finished model call, read from what the provider's client returned, or from what it raised.

A response is known by its shape, as an object or as decoded JSON, whole or as the events of its stream: no client is
imported. What was asked and answered is never looked at.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn, TypeAlias, TypeVar

from pytest_token_telemetry import sample
from pytest_token_telemetry.sources.response_shapes import SHAPES, Shape, get, keeps_native_reason, word

if TYPE_CHECKING:
    from pytest_token_telemetry.sources.response_shapes import Ends

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Response:
    """What a finished call says of itself. ``None``: it does not say."""

    output_tokens: int
    """What was billed as output: reasoning included, all ``choices`` together."""
    finish_reason: str | None
    """The provider's own word, as it was before a gateway's translation where that is kept.

    Of the words of several choices, one that says that an answer was truncated; else the first.
    """
    model: str | None
    id: str | None
    """Of a stream whose parts have ids of their own, the first."""
    max_tokens: int | None
    """The cap. OpenAI's Responses alone echo it."""
    choices: int
    """How many answers share ``output_tokens``."""
    remapped: bool = False
    """Whether a gateway gave the reason that calls ``stop`` what it does not know, and kept no word of the provider."""


class FailedCallError(ValueError):
    """The provider answered with an error, and no count says what was generated before."""

    def __init__(self, what: str, reason: str | None = None, id: str | None = None) -> None:
        super().__init__(f"{what}: {_FAILED}" if what else _FAILED)
        self.reason = reason
        """What was given for the end of its output, in the provider's own word."""
        self.id = id


class JointCountError(ValueError):
    """There is one count for several calls."""


class IncompleteCallError(ValueError):
    """The call goes on, or its output was not counted."""

    def __init__(self, shape: Shape, lacks: str, reason: str | None, id: str | None) -> None:
        super().__init__(f"{shape.name}: {lacks} ({shape.way_out})")
        self.lacks = lacks
        self.reason = reason
        """Why its output ended, in the provider's own word; ``None`` if it goes on, or if that is not known."""
        self.id = id


def read(response: object) -> Response:
    """The facts of one call.

    Args:
        response: what a client of OpenAI (chat or Responses), Anthropic, Gemini, LiteLLM or LangChain returned, or its
            JSON as a ``dict``; of a stream the final event, or a list of all events: what later events say replaces
            the earlier; or the exception that holds such a response.

    Raises:
        TypeError: it is no such response, or what it has for a count is none.
        ValueError: the call is not finished, has failed, has no token count, or the events are those of several calls.
    """
    if isinstance(response, BaseException):
        held = held_by(response)
        if held is None and is_failure(response):
            raise FailedCallError(type(response).__name__)
        return read(held) if held is not None else _refuse(response)
    events = response if isinstance(response, (list, tuple)) else (response,)
    if not events:
        raise ValueError("the list has no events (a stream can be read only once: keep its events)")
    parts = [part for event in events if (part := _part(event))]
    failed = any(map(_is_error, events))
    if not parts:
        if failed:
            raise FailedCallError("")
        _refuse(events[-1])
    if not _is_one_call(parts):
        raise ValueError("the events are those of several calls (pass those of one, or its final event alone)")
    said: Ends = {}
    output_tokens, added = None, 0
    for shape, source in parts:
        found = shape.ends(source)
        said |= {index: end or said.get(index) for index, end in found.items()}
        count = shape.output_tokens(source)
        if count is not None and shape.adds_up:
            added += count
            count = added
        if count is not None or any(found.values()):  # a count from before the end is of what there was by then
            output_tokens = count
    reason = sample.telling_reason(end for _, end in sorted(said.items()))
    shape = parts[-1][0]
    id = next((known for shape, source in parts if (known := shape.id(source))), None)
    is_open = reason is None and all(shape.says_its_end(source) for shape, source in parts)
    if output_tokens is None or is_open:
        if failed or (reason and sample.finish_reason(reason) == "error"):
            raise FailedCallError(shape.name, reason, id)
        lacks = "it is not finished" if is_open else "it has no count of its output tokens"
        raise IncompleteCallError(shape, lacks, None if is_open else reason, id)
    return Response(
        output_tokens=output_tokens,
        finish_reason=reason,
        model=_last(shape.model(source) for shape, source in parts),
        id=id,
        max_tokens=_last(shape.max_tokens(source) for shape, source in parts),
        choices=max(len(said), 1),
        remapped=any(
            _is_of_remapper(source) and any(shape.ends(source).values()) and not keeps_native_reason(source)
            for shape, source in parts
        ),
    )


def _is_of_remapper(source: object) -> bool:
    """Whether LiteLLM made it: of its answers as JSON, nobody can tell."""
    return type(source).__module__.partition(".")[0] == "litellm"


_FAILED = "the call failed, and has no count of its output tokens (there is nothing to record of it)"


def end_of(response: object) -> tuple[str | None, int]:
    """Why a whole ``response`` ended, in the provider's own word, and how many answers it has.

    It need not say how many tokens it took, and if it is nothing that is known, nothing is known of its end.
    """
    said = next((shape.ends(response) for shape in SHAPES if shape.fits(response)), {})
    return sample.telling_reason(end for _, end in sorted(said.items())), max(len(said), 1)


def held_by(error: BaseException) -> object:
    """The response that ``error`` holds, or what it was raised from; ``None`` if none does.

    As OpenAI's ``parse()`` and Instructor raise it for an answer that was truncated.

    Raises:
        JointCountError: it is the last of several attempts, and Instructor has added the counts of all to it.
    """
    for each in _chain(error):
        for name in ("completion", "last_completion", "response"):
            held = _attribute(each, name)
            if held is None or not is_response(held):
                continue
            attempts = _attribute(each, "n_attempts")
            if type(attempts) is int and attempts > 1:
                raise JointCountError(
                    f"{type(each).__name__}: its response has the count of {attempts} attempts (record each separately)"
                )
            return held
    return None


def is_failure(error: BaseException) -> bool:
    """True if ``error`` or what it was raised from is a provider's answer with an error."""
    urllib = sys.modules.get("urllib.error")  # its exception has a plain code, as exceptions of any kind may have
    return any(
        (urllib is not None and isinstance(each, urllib.HTTPError))
        or type(_attribute(each, "status_code")) is int
        or (type(_attribute(each, "code")) is int and word(_attribute(each, "status")) is not None)  # as Google's
        for each in _chain(error)
    )


def _attribute(error: BaseException, name: str) -> object:
    """What ``error`` has under ``name``; ``None`` if that raises, so that ``error`` itself goes on."""
    with suppress(Exception):
        return getattr(error, name, None)
    return None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """``error``, and what it was raised from, as a traceback shows them."""
    seen: list[BaseException] = []
    while error is not None and not any(error is each for each in seen):
        yield error
        seen.append(error)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


_Part: TypeAlias = tuple[Shape, object]


def _part(event: object) -> _Part | None:
    """The shape of ``event``, or of what it carries, and that; ``None`` for a kind of event that is not known."""
    kind = word(get(event, "type")) or ""
    carrier = "response" if kind.startswith("response.") else _CARRIERS.get(kind)
    carried = get(event, carrier) if carrier else None
    source = event if carried is None else carried
    shape = next((shape for shape in SHAPES if shape.fits(source)), None)
    if shape is None and not kind and not _is_error(event):
        _refuse(event)
    return None if shape is None else (shape, source)


_CARRIERS = {"message_start": "message", "message_stop": "message", "chunk": "chunk", "ai": "data"}
"""Where events carry the response itself, or a part of it."""


def is_response(thing: object) -> bool:
    """True if ``thing`` is of a shape that is known."""
    return any(shape.fits(thing) for shape in SHAPES)


def _is_error(event: object) -> bool:
    """True if it is an error in place of a response, or has one."""
    error = get(event, "error")
    return get(event, "type") == "error" or any(map(word, (error, get(error, "message"), get(error, "type"))))


def _is_one_call(parts: Sequence[_Part]) -> bool:
    """True if the ``parts`` are of one call: they have one id, or each its own and the order of one stream.

    In such an order each answer ends at most once, and nothing of it follows. One model speaks.
    """
    if sum(shape.is_whole(source) for shape, source in parts) > 1:
        return False
    streams = [shape.stream(source) for shape, source in parts]
    if len({*filter(None, streams)}) < 2:
        return True
    ended: set[int] = set()
    speaking = []
    for (shape, source), stream in zip(parts, streams, strict=True):
        answers = shape.ends(source)
        if not shape.own_ids or ended & answers.keys():
            return False
        ended |= {index for index, end in answers.items() if end}
        speaking += [stream] if answers else []
    models = {model for shape, source in parts if (model := shape.model(source))}
    ids = {*speaking}
    return len(models) == 1 and (len(ids) == 1 or (None not in ids and len(ids) == len(speaking)))


def _last(values: Iterable[_T | None]) -> _T | None:
    return next((value for value in reversed([*values]) if value is not None), None)


def _refuse(thing: object) -> NoReturn:
    if inspect.isawaitable(thing):
        way_out = "await it first"
    elif isinstance(thing, (Iterator, AsyncIterator)):
        way_out = "read the stream to its end, and pass a list of its events"
    elif type(get(thing, "status_code")) is int:
        way_out = "an HTTP response has to be decoded: pass its json() or parse()"
    else:
        way_out = (
            "pass what a client of OpenAI, Anthropic, Gemini, LiteLLM or LangChain returned, or its JSON as a dict; "
            "of a stream its final event, or a list of all events"
        )
    raise TypeError(f"{type(thing).__name__} is not the response of a model ({way_out})")
