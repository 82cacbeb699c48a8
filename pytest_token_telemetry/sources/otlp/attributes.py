"""What instrumentations call the facts of a call: OpenTelemetry's names, old and new, and those of others.

The prediction and the labels have no standard name. They are any attributes whose name holds ``token_telemetry.``, so
that it does not matter what carries them: a span's own attribute, baggage, association properties or metadata.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import chain
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from pytest_token_telemetry.sample import LONGEST_TEXT, MOST_FEATURES, reason_of_error, telling_reason
from pytest_token_telemetry.sources.caps import cap_in
from pytest_token_telemetry.sources.labels import LABELS, PREFIX, flag_of
from pytest_token_telemetry.sources.tagged.own_parsing import READ
from pytest_token_telemetry.sources.tagged.records import RecordError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

OUTPUT = (
    "gen_ai.usage.output_tokens",
    "gen_ai.usage.completion_tokens",
    "llm.usage.completion_tokens",
    "llm.token_count.completion",
)
_MODEL = (
    *("gen_ai.response.model", "llm.response.model", "llm.model_name", "gen_ai.request.model", "llm.request.model"),
    *("langfuse.observation.model.name", "ai.model.id"),
)
_CLAUDE_CODES_OUTPUT = "output_tokens"
_BESIDE_IT = ("model", "request_id")
"""Claude Code's names for a call's model and id. Many programs have them: they count beside its output alone."""

_FACTS = {
    "output_tokens": (*OUTPUT, _CLAUDE_CODES_OUTPUT),
    "max_tokens": (
        "gen_ai.request.max_tokens",
        "gen_ai.request.max_completion_tokens",
        "gen_ai.request.max_output_tokens",
        "llm.request.max_tokens",
        "ai.settings.maxOutputTokens",
        "ai.settings.maxTokens",
    ),
    "model": (*_MODEL, "model"),
    "id": ("gen_ai.response.id", "llm.response.id", "request_id"),
    "operation": (
        "gen_ai.prompt.name",
        "traceloop.prompt.key",
        "langfuse.observation.prompt.name",
        "gen_ai.agent.name",
        "agent.name",
    ),
}
"""The fields of a call, each with the attributes that may tell it. The first that is there counts.

The names without a dot are Claude Code's. Anything may have them, so they make no call of a span that does not say so.
"""

_OF_ANSWERS = tuple(
    tuple(f"{prefix}.{answer}.finish_reason" for answer in range(8))
    for prefix in ("gen_ai.completion", "llm.completions")
)
"""What may tell why each of several answers ended."""

REASONS = (
    "anthropic.message.stop_reason",
    "gen_ai.response.finish_reasons",
    "gen_ai.response.finish_reason",
    "gen_ai.response.stop_reason",
    "llm.response.finish_reason",
    "llm.response.stop_reason",
    "llm.finish_reason",
    "langfuse.observation.metadata.finish_reason",
    "stop_reason",
    *chain.from_iterable(_OF_ANSWERS),
)
"""What may tell why an output ended: the provider's own word first."""

_OPERATIONS = ("gen_ai.operation.name", "llm.request.type", "span.type")
_KINDS = ("openinference.span.kind", "traceloop.span.kind", "agentops.span.kind", "langfuse.observation.type")
_EVENT = "event.name"
_ERROR = "error.type"
_CHOICES = "gen_ai.request.choice.count"
_STREAM = "gen_ai.request.stream"
_PARAMETERS = ("llm.invocation_parameters", "langfuse.observation.model.parameters")
_USAGE = "langfuse.observation.usage_details"
"""Counts by their names, as a JSON text."""
_METADATA = "metadata"
_WANTED = frozenset(
    [
        *REASONS,
        *_OPERATIONS,
        *_KINDS,
        _EVENT,
        _ERROR,
        _CHOICES,
        _STREAM,
        *_PARAMETERS,
        _USAGE,
        _METADATA,
        *(n for names in _FACTS.values() for n in names),
    ]
)

GEMINIS = "generate_content"
"""The operation of Gemini's client, which may call functions by itself, and then the model again, within one span."""

_CALLS = ("chat", "text_completion", GEMINIS, "completion", "llm_request")
"""Operations that are one model call each."""

TOOL = "execute_tool"
"""The operation of a function that a model asked for."""

_NO_CALLS = (
    *("invoke_agent", "create_agent", "invoke_workflow", TOOL, "plan", "retrieval", "rerank", "embeddings"),
    *("embedding", "search_memory", "update_memory", "create_memory_store"),
)
"""Operations that are none. Of others, which a later convention may name, nobody can tell by the name."""

EVENT = "gen_ai.client.inference.operation.details"
"""The log record that tells of a call."""

REQUESTS = ("api_request", "claude_code.api_request")
"""What Claude Code's log records of a finished call are named."""

FAILED_REQUESTS = ("api_error", "claude_code.api_error")
"""And those of a failed one."""

CHOICE, EVENTS_REASON = "gen_ai.choice", "finish_reason"
"""The event of a span that tells of an answer, and what tells there why the output ended."""

_FEATURE = "feature."


Labels = dict[str, object]
"""Fields of a call by their names, as somebody around the call says them."""


class Said(NamedTuple):
    """What the attributes of a span, a log record or a resource say."""

    is_call: bool
    """Whether it is one model call: it says so, or, where it does not tell, a model and what only calls have."""
    says_so: bool
    """Whether its operation, or else its kind, is that of a model call."""
    operation: str
    """What it says that it does, in lower case; empty if it does not say."""
    facts: dict[str, object]
    """The fields of a call that it tells of."""
    reasons: tuple[str, ...]
    """All words for why the output ended, those of several answers and of several attributes."""
    labels: Labels
    """What our own attributes say."""
    event: str
    """What a log record is named; empty if no attribute says it."""
    may_have_broken_off: bool
    """Whether it is a stream, and nothing says why it ended."""

    @property
    def of_those_within(self) -> Labels:
        """What a span that says this says of the calls within it."""
        return of_those_within(self.facts, self.labels)


class Layout:
    """Where attributes with these names, in this order, say what: spans of one kind have one layout."""

    __slots__ = (
        "_answers",
        "_choices",
        "_error",
        "_event",
        "_facts",
        "_kinds",
        "_labels",
        "_metadata",
        "_operations",
        "_own_labels",
        "_parameters",
        "_reasons",
        "_stream",
        "_twice",
        "_usage",
        "has_error",
        "has_model",
        "has_output",
        "id",
        "is_plain",
        "is_plain_step",
        "is_silent",
        "operation",
        "operation_at",
        "pick",
        "tells_reason",
    )

    def __init__(self, keys: Sequence[str]) -> None:
        passed_over = () if _CLAUDE_CODES_OUTPUT in keys else _BESIDE_IT
        wanted = [(at, key) for at, key in enumerate(keys) if is_wanted(key) and key not in passed_over]
        self.pick = _picker([at for at, _ in wanted])
        """Takes those that are looked at out of as many attributes."""
        self.is_silent = not wanted
        """Whether none is."""
        places: dict[str, int] = {}
        self._twice: list[tuple[int, int]] = []
        self._own_labels: list[tuple[int, str]] = []
        for place, (_, key) in enumerate(wanted):
            if key not in _WANTED:
                self._own_labels.append((place, key))
            elif places.setdefault(key, place) != place:
                self._twice.append((places[key], place))

        def found(names: Iterable[str]) -> list[int]:
            return [places[name] for name in names if name in places]

        self._operations, self._kinds, self._reasons = found(_OPERATIONS), found(_KINDS), found(REASONS)
        self.tells_reason = bool(self._reasons)
        """Whether an attribute tells why the output ended: else an event may."""
        self._facts = [(field, place) for field, names in _FACTS.items() for place in reversed(found(names))]
        """The one that counts comes last."""
        self._event, self._usage, self._metadata = map(places.get, (_EVENT, _USAGE, _METADATA))
        self._choices, self._stream = places.get(_CHOICES), places.get(_STREAM)
        self._parameters = next(iter(found(_PARAMETERS)), None)
        self._answers = max(1, *(len(found(names)) for names in _OF_ANSWERS))
        """As many as have attributes of their own."""
        self._error = places.get(_ERROR)
        self.has_error = self._error is not None
        """Whether there is the name of an error."""
        self.has_output, self.has_model = bool(found((*OUTPUT, _USAGE))), bool(found(_MODEL))
        """Whether there are output tokens, its own or those of all that it did."""
        labels = [(place, LABELS.get(_name(key))) for place, key in self._own_labels]
        self._labels = [(place, field) for place, field in labels if field is not None]
        is_odd = bool(self._twice) or self._metadata is not None
        names_operation = any(field == "operation" for field, _ in self._facts)
        self.is_plain_step = not (is_odd or self._own_labels or names_operation) and len(self._operations) == 1
        """Whether a span of it that does no call says nothing of those within."""
        has_choices = self._choices is not None or self._answers > 1
        is_odd = is_odd or self.has_error or has_choices or bool(found((*_PARAMETERS, _USAGE)))
        is_odd = is_odd or (self._stream is not None and not self._reasons)
        has_features = any(_name(key).startswith(_FEATURE) for _, key in self._own_labels)
        is_told_twice = len({field for _, field in self._labels}) < len(self._labels)
        self.is_plain = not (is_odd or has_features or is_told_twice) and self.has_output and len(self._operations) == 1
        """Whether `columns` can read it."""
        self.operation = self._operations[0] if self._operations else 0
        """Which of the values says what it does, if it is plain or a plain step."""
        self.operation_at = wanted[self.operation][0] if wanted else 0
        """Which of all attributes this is."""
        ids = found(_FACTS["id"])
        self.id = ids[0] if len(ids) == 1 else None
        """Which of the values alone is the response's own id."""

    def read(self, values: Sequence[Any], told: tuple[str, ...] = ()) -> Said:
        """What it is that attributes of this layout say.

        Args:
            values: plain values or sequences of them, of the attributes that it picks.
            told: words for why the output ended that stand elsewhere, where no attribute has any.

        Raises:
            RecordError: one is given twice, with different values.
        """
        for one, other in self._twice:
            if values[one] != values[other] or type(values[one]) is not type(values[other]):
                raise RecordError("an attribute is given twice, with different values")
        operation, says_so = self._operation(values)
        reasons, answers = self._ends([values[place] for place in self._reasons])
        reasons = reasons or told
        if self._choices is not None:
            answers = max(answers, _whole(values[self._choices]) or 1)
        facts = self._facts_of(values, answers)
        if self._error is not None and (reason := reason_of_error(values[self._error])) is not None:
            reasons += (reason,)
        only_calls_have = self.has_output or bool(reasons) or "max_tokens" in facts
        return Said(
            self.has_model and only_calls_have if says_so is None else says_so,
            bool(says_so),
            operation,
            facts,
            reasons,
            self._labels_of(values),
            "" if self._event is None else str(values[self._event] or ""),
            self._stream is not None and values[self._stream] is True and not reasons,
        )

    def _operation(self, values: Sequence[Any]) -> tuple[str, bool | None]:
        """What it says that it does, and whether that is one model call; ``None`` if nobody can tell."""
        operation = ""
        for place in self._operations:
            if values[place]:
                operation = str(values[place]).lower()
                break
        says_so = SAYS_SO.get(operation)
        if says_so is None and self._kinds:
            says_so = any(str(values[place]).lower() in _KINDS_OF_CALLS for place in self._kinds)
        return operation, says_so

    def _facts_of(self, values: Sequence[Any], answers: int) -> dict[str, object]:
        """The fields of a call that had so many ``answers``."""
        facts = {}
        for field, place in self._facts:
            value = values[place]
            if value is not None:
                facts[field] = value
        if self._parameters is not None and "max_tokens" not in facts:
            cap = _cap_of_parameters(values[self._parameters])
            if cap is not None:
                facts["max_tokens"] = cap
        if answers > 1 and "max_tokens" in facts:
            facts["max_tokens"] = _cap_of_all(facts["max_tokens"], answers)
        if self._usage is not None and "output_tokens" not in facts:
            output = output_of_details(_in_text(values[self._usage], _ANY))
            if output is not None:
                facts["output_tokens"] = output
        return facts

    def _labels_of(self, values: Sequence[Any]) -> Labels:
        """What our own attributes say, and those in metadata."""
        labels: Labels = {}
        for place, key in self._own_labels:
            _label(labels, key, values[place])
        if self._metadata is not None:
            _read_metadata(labels, values[self._metadata])
        return labels

    def _ends(self, reasons: Iterable[object]) -> tuple[tuple[str, ...], int]:
        """All words of the attributes that tell ``reasons``, and how many answers there were."""
        found: tuple[str, ...] = ()
        answers = self._answers
        for each in reasons:
            words = _words(each)
            found += words
            answers = max(answers, len(words))
        return found, answers

    def columns(self, places: Sequence[Sequence[Any]], around: Mapping[str, Sequence[Any]]) -> dict[str, Sequence[Any]]:
        """What many calls of this layout, which is plain, and those around them say, by the names of our fields.

        Args:
            places: of each attribute that it picks, the values of all calls. Operations are spelt as in `SAYS_SO`.
            around: what is said around each call, ``None`` where nothing is. What the call itself says counts first.

        Raises:
            TypeError: a call is unusual: it has a value of another type, several answers, or is a stream that may have
                broken off. Read the calls one by one.
        """
        columns: dict[str, Sequence[Any]] = {"operation": places[self.operation]}
        for field, column in around.items():
            _overlay(columns, field, column)
        for field, place in self._facts:
            _overlay(columns, field, places[place])
        for place, field in self._labels:
            labels: Sequence[Any] = places[place]
            if READ[field].kind == "flag":
                labels = [flag_of(value) for value in labels]
            _overlay(columns, field, [None if value == "" else value for value in labels] if "" in labels else labels)
        if self._reasons:
            ends = [*zip(*(places[place] for place in self._reasons), strict=True)]
            words = {each: self._ends(each) for each in set(ends)}
            if any(answers > 1 for _, answers in words.values()):
                raise TypeError("some calls have several answers")
            if self._stream is not None and not all(said for said, _ in words.values()):
                raise TypeError("some streams may have broken off")
            telling = {each: telling_reason(said) for each, (said, _) in words.items()}
            _overlay(columns, "finish_reason_raw", [telling[each] for each in ends])
        return columns


def _overlay(columns: dict[str, Sequence[Any]], field: str, column: Sequence[Any]) -> None:
    """Have ``column`` count for ``field``, but where it has no value."""
    below = columns.get(field)
    if below is not None and None in column:
        column = [other if value is None else value for value, other in zip(column, below, strict=True)]
    columns[field] = column


SAYS_SO = dict.fromkeys(_NO_CALLS, False) | dict.fromkeys(_CALLS, True)
"""What each operation says of whether it is one model call."""

_KINDS_OF_CALLS = ("llm", "generation", *_CALLS)


def is_remapper(scope: object) -> bool:
    """Whether the instrumentation of this name is a gateway that calls ``stop`` what it does not know."""
    return scope == "litellm"


def is_wanted(key: str) -> bool:
    """Whether an attribute of this name may say anything of a call."""
    return key in _WANTED or PREFIX in key


def _picker(places: Sequence[int]) -> Callable[[Sequence[Any]], Sequence[Any]]:
    if len(places) > 1:
        return itemgetter(*places)
    return itemgetter(slice(places[0], places[0] + 1) if places else slice(0))


def layout_of(keys: tuple[str, ...]) -> Layout:
    """The layout of attributes with these names. Those of usual size are kept."""
    is_usual = len(keys) <= MOST_KEYS and sum(map(len, keys)) <= _LONGEST_KEYS
    return _kept_layout(keys) if is_usual else Layout(keys)


_kept_layout = lru_cache(maxsize=1 << 10)(Layout)

MOST_KEYS = 1 << 7
_LONGEST_KEYS = 1 << 13
"""Characters of all names of a layout together."""


def reasons_of(attributes: Mapping[str, object]) -> Iterator[str]:
    """All words for why outputs ended that ``attributes`` have, by their names: plain values, or lists of them."""
    for name in REASONS:
        yield from _words(attributes.get(name))


def _words(value: object) -> tuple[str, ...]:
    """The words of one attribute for why outputs ended."""
    texts = value if isinstance(value, (tuple, list)) else (value,)
    found: tuple[str, ...] = ()
    for text in texts:
        if isinstance(text, str):
            found += _known_words(text) if len(text) <= LONGEST_TEXT else _split(text)
    return found


def _split(text: str) -> tuple[str, ...]:
    return tuple(filter(None, map(str.strip, text.split(","))))


_known_words = lru_cache(maxsize=256)(_split)


def output_of_details(details: object) -> float | None:
    """The output tokens in Langfuse's ``details`` of a call's usage; ``None`` if they tell none.

    Langfuse takes what it knows in detail, as the reasoning, off the rest. It does not where it knows a name of a
    span's usage no better: those have dots. Its SDK may leave the provider's usage as it is, which has the whole.
    """
    known = details if isinstance(details, dict) else {}
    for whole in ("output_tokens", "completion_tokens"):
        if type(known.get(whole)) is int and "output" not in known:
            return known[whole] if known[whole] >= 0 else None
    parts = [value for name, value in known.items() if "output" in name and "." not in name]
    return sum(parts) if parts and all(type(each) in (int, float) and each >= 0 for each in parts) else None


def _cap_of_parameters(text: object) -> object:
    parameters = _in_text(text, _PARAMETERS_DECODER)
    known = msgspec.structs.astuple(parameters) if parameters else ()
    return next((cap for cap in known if cap is not None), None) or cap_in(_in_text(text, _ANY))


def _cap_of_all(cap: object, answers: int) -> object:
    """The cap of several answers, which share the output tokens, by that of each."""
    whole = _whole(cap)
    return cap if whole is None else whole * answers


def reaches_cap(record: Labels) -> bool:
    """Whether the output that a ``record`` tells is at the cap, or above it."""
    output, cap = _whole(record.get("output_tokens")), _whole(record.get("max_tokens"))
    return output is not None and cap is not None and 0 < cap <= output


def _whole(value: object) -> int | None:
    """A whole number, which some emitters write as a text and some with a fraction of zero; ``None`` if it is none."""
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < _DIGITS:
        return int(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if type(value) is int else None


_DIGITS = 12
"""More than any count has."""


def _read_metadata(labels: Labels, text: object) -> None:
    metadata = _in_text(text, _ANY)
    if isinstance(metadata, dict):
        for key, value in metadata.items():
            if PREFIX in key:
                _label(labels, key, value)
            elif key == PREFIX[:-1] and isinstance(value, dict):
                for name, each in value.items():
                    _label(labels, PREFIX + name, each)


def _label(labels: Labels, key: str, value: object) -> None:
    name = _name(key)
    if name.startswith(_FEATURE):
        features = labels.setdefault("features", {})
        if isinstance(features, dict) and len(features) < MOST_FEATURES:
            features[name.removeprefix(_FEATURE)] = value
    elif (field := LABELS.get(name)) is not None and value not in (None, ""):
        if READ[field].kind == "flag":
            value = flag_of(value)
        if labels.setdefault(field, value) != value:
            raise RecordError(f"{field} is given twice, with different values")


def _name(key: str) -> str:
    """The name of a label behind `PREFIX`."""
    return key[key.index(PREFIX) + len(PREFIX) :]


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


def of_those_within(facts: Labels, labels: Labels) -> Labels:
    """What a span with these ``facts`` and ``labels`` says of the calls within it."""
    operation = facts.get("operation")
    return labels if operation is None else {"operation": operation, **labels}


def first_of(labels: Iterable[Mapping[str, object]]) -> Labels:
    """All ``labels`` in one: what an earlier one says counts."""
    merged: Labels = {}
    for each in labels:
        for field, value in each.items():
            merged.setdefault(field, value)
    return merged
