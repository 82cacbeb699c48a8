"""What instrumentations call the facts of a call: OpenTelemetry's names, old and new, and those of others.

The prediction and the labels have no standard name. They are any attributes whose name holds ``token_telemetry.``, so
that it does not matter what carries them: a span's own attribute, baggage, association properties or metadata.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import msgspec

from pytest_token_telemetry.sample import MOST_FEATURES
from pytest_token_telemetry.sources.tagged.own_parsing import READ
from pytest_token_telemetry.sources.tagged.records import RecordError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

PREFIX = "token_telemetry."
"""What stands in the name of each attribute that is ours."""

OUTPUT = (
    "gen_ai.usage.output_tokens",
    "gen_ai.usage.completion_tokens",
    "llm.usage.completion_tokens",
    "llm.token_count.completion",
)
_MODEL = ("gen_ai.response.model", "llm.response.model", "llm.model_name", "gen_ai.request.model", "llm.request.model")
_FACTS = {
    "output_tokens": OUTPUT,
    "max_tokens": (
        "gen_ai.request.max_tokens",
        "gen_ai.request.max_completion_tokens",
        "gen_ai.request.max_output_tokens",
        "llm.request.max_tokens",
    ),
    "model": _MODEL,
    "id": ("gen_ai.response.id", "llm.response.id"),
    "operation": (
        "gen_ai.prompt.name",
        "traceloop.prompt.key",
        "gen_ai.agent.name",
        "agent.name",
    ),
}
"""The fields of a call, each with the attributes that may tell it. The first that is there counts."""

_REASONS = (
    "anthropic.message.stop_reason",
    "gen_ai.response.finish_reasons",
    "gen_ai.response.finish_reason",
    "gen_ai.response.stop_reason",
    "llm.response.finish_reason",
    "llm.response.stop_reason",
    "llm.finish_reason",
    *(f"{prefix}.{choice}.finish_reason" for prefix in ("gen_ai.completion", "llm.completions") for choice in range(8)),
)
"""What may tell why an output ended: the provider's own word first."""

_OPERATIONS = ("gen_ai.operation.name", "llm.request.type")
_KINDS = ("openinference.span.kind", "traceloop.span.kind", "agentops.span.kind")
_EVENT = "event.name"
_ERROR = "error.type"
_PARAMETERS = "llm.invocation_parameters"
_METADATA = "metadata"
_WANTED = frozenset(
    [
        *_REASONS,
        *_OPERATIONS,
        *_KINDS,
        _EVENT,
        _ERROR,
        _PARAMETERS,
        _METADATA,
        *(n for names in _FACTS.values() for n in names),
    ]
)

_CALLS = ("chat", "text_completion", "generate_content", "completion")
"""Operations that are one model call each."""

_NO_CALLS = (
    *("invoke_agent", "create_agent", "invoke_workflow", "execute_tool", "plan", "retrieval", "rerank", "embeddings"),
    *("embedding", "search_memory", "update_memory", "create_memory_store"),
)
"""Operations that are none. Of others, which a later convention may name, nobody can tell by the name."""

EVENT = "gen_ai.client.inference.operation.details"
"""The log record that tells of a call."""

_LABELS = {
    "predicted.output_tokens": "predicted_output_tokens",
    "budget.output_tokens": "budget_tokens",
    **{
        name: name
        for name in READ
        if name not in ("output_tokens", "features", "id", "time", "model", "truncated", "truncation_source")
    },
}
_FEATURE = "feature."


class Attribute(msgspec.Struct):
    """A name and its value, which is looked at only where the name is wanted: prompts are values too."""

    key: str = ""
    value: msgspec.Raw = msgspec.Raw(b"null")


Labels = dict[str, object]
"""Fields of a call by their names, as somebody around the call says them."""


class Said:
    """What the attributes of a span, a log record or a resource say."""

    def __init__(self, attributes: Iterable[Attribute] | None) -> None:
        """Read ``attributes``.

        Raises:
            RecordError: one is given twice, or malformed.
        """
        self._values: dict[str, msgspec.Raw] = {}
        self.labels: Labels = {}
        for each in attributes or ():
            key = each.key
            if key in _WANTED:
                known = self._values.setdefault(key, each.value)
                if known is not each.value and bytes(known) != bytes(each.value):
                    raise RecordError("an attribute is given twice, with different values")
            elif PREFIX in key:
                self._label(key, _plain(each.value))
        if _METADATA in self._values:
            self._read_metadata()

    @cached_property
    def operation(self) -> str:
        """What it says that it does, in lower case; empty if it does not say."""
        return next((str(value).lower() for name in _OPERATIONS if (value := self._value(name))), "")

    @property
    def is_event(self) -> bool:
        """Whether it is the log record of a call."""
        return bool(self._value(_EVENT) == EVENT)

    @cached_property
    def says_so(self) -> bool | None:
        """Whether its operation, or else its kind, is that of a model call; ``None`` if they do not tell."""
        if self.operation in (*_CALLS, *_NO_CALLS):
            return self.operation in _CALLS
        kinds = [str(self._value(kind)).lower() for kind in _KINDS if kind in self._values]
        return any(kind in ("llm", *_CALLS) for kind in kinds) if kinds else None

    @property
    def has_output(self) -> bool:
        """Whether it has output tokens, its own or those of all that it did."""
        return any(key in self._values for key in OUTPUT)

    @property
    def has_error(self) -> bool:
        """Whether it names an error."""
        return _ERROR in self._values

    def is_call(self) -> bool:
        """Whether it is one model call: it says so, or, where it does not tell, has a model and output tokens."""
        if self.says_so is not None:
            return self.says_so
        return self.has_output and any(key in self._values for key in _MODEL)

    def facts(self) -> dict[str, object]:
        """The fields of a call that it tells of."""
        facts: dict[str, object] = {}
        for field, keys in _FACTS.items():
            for key in keys:
                if key in self._values and (value := self._value(key)) is not None:
                    facts[field] = value
                    break
        if "max_tokens" not in facts and _PARAMETERS in self._values:
            facts["max_tokens"] = self._cap_of_parameters()
        return facts

    def reasons(self) -> Iterator[str]:
        """All words for why the output ended, those of several answers and of several attributes."""
        for key in _REASONS:
            if key in self._values:
                value = self._value(key)
                for word in value if isinstance(value, list) else (value,):
                    if isinstance(word, str):
                        yield from filter(None, map(str.strip, word.split(",")))

    def _value(self, key: str) -> Any:  # noqa: ANN401 - whatever JSON can say
        raw = self._values.get(key)
        return None if raw is None else _plain(raw)

    def _cap_of_parameters(self) -> object:
        parameters = _in_text(self._value(_PARAMETERS), _PARAMETERS_DECODER)
        return (
            next((cap for cap in msgspec.structs.astuple(parameters) if cap is not None), None) if parameters else None
        )

    def _read_metadata(self) -> None:
        metadata = _in_text(self._value(_METADATA), _ANY)
        if isinstance(metadata, dict):
            for key, value in metadata.items():
                if PREFIX in key:
                    self._label(key, value)
                elif key == PREFIX[:-1] and isinstance(value, dict):
                    for name, each in value.items():
                        self._label(PREFIX + name, each)

    def _label(self, key: str, value: object) -> None:
        name = key[key.index(PREFIX) + len(PREFIX) :]
        if name.startswith(_FEATURE):
            features = self.labels.setdefault("features", {})
            if isinstance(features, dict) and len(features) < MOST_FEATURES:
                features[name.removeprefix(_FEATURE)] = value
        elif (field := _LABELS.get(name)) is not None and value not in (None, ""):
            if READ.get(field) is not None and READ[field].kind == "flag" and isinstance(value, str):
                value = {"true": True, "false": False}.get(value.lower(), value)  # baggage holds texts only
            if self.labels.setdefault(field, value) != value:
                raise RecordError(f"{field} is given twice, with different values")


class _Parameters(msgspec.Struct):
    """What a request was given, as far as it is a cap."""

    max_completion_tokens: Any = None
    max_output_tokens: Any = None
    max_tokens: Any = None
    maxOutputTokens: Any = None  # noqa: N815 - Gemini's own name


_PARAMETERS_DECODER = msgspec.json.Decoder(_Parameters)
_ANY = msgspec.json.Decoder()


def _in_text(text: object, decoder: msgspec.json.Decoder[Any]) -> Any:  # noqa: ANN401 - as the decoder says
    """What the JSON in ``text`` says; ``None`` if it is none."""
    try:
        return decoder.decode(text) if isinstance(text, str) else None
    except (msgspec.DecodeError, RecursionError, ValueError):
        return None


def _plain(raw: msgspec.Raw) -> Any:  # noqa: ANN401 - whatever JSON can say
    """The value of an attribute; ``None`` for one that is empty or no plain value or list.

    Raises:
        RecordError: it is malformed.
    """
    try:
        return _unwrapped(_ANY.decode(raw))
    except (msgspec.DecodeError, RecursionError, ValueError):
        raise RecordError("an attribute is malformed") from None


def _unwrapped(value: Any) -> Any:  # noqa: ANN401 - as above
    if not isinstance(value, dict):
        return value
    for kind, inner in value.items():
        if kind == "arrayValue":
            values = inner.get("values") if isinstance(inner, dict) else None
            return [_unwrapped(each) for each in values] if isinstance(values, list) else []
        if kind in ("stringValue", "intValue", "doubleValue", "boolValue"):
            return inner
    return None


def first_of(labels: Iterable[Mapping[str, object]]) -> Labels:
    """All ``labels`` in one: what an earlier one says counts."""
    merged: Labels = {}
    for each in labels:
        for field, value in each.items():
            merged.setdefault(field, value)
    return merged
