"""One completed model call: the one table of its fields, why its output ended, and what truncated means.

All that checks, writes, reads, packs or documents a call follows from `FIELDS`: a new field is one entry of `Sample`,
and its column in `pytest_token_telemetry.samples.Samples`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping  # noqa: TC003 - the annotations of `Sample` are read when this is imported
from dataclasses import KW_ONLY, MISSING, dataclass, field, fields, replace
from datetime import datetime  # noqa: TC003
from functools import lru_cache
from typing import Annotated, Literal, TypeAlias, get_args, get_type_hints

FinishReason = Literal["stop", "length", "tool_call", "content_filter", "error", "context", "unknown"]

CUT_OFF: tuple[FinishReason, ...] = ("length", "context")
"""The reasons that say that the output was truncated."""

MOST_TOKENS = 10**9
"""A larger count is taken for a defect. The limit also keeps ``tokens * multiplier`` exact in 64 bits."""

LONGEST_TEXT = 256
"""Characters of a name or feature. Prompts and answers do not belong into telemetry."""

MOST_FEATURES = 32
"""Features of one call."""

BUCKETS = {"1": (1, 1), "2-5": (2, 5), "6+": (6, MOST_TOKENS)}
"""The default buckets of deliverables, in order, with their least and most. A count of 0 is unknown: it is in none."""

Kind: TypeAlias = Literal["count", "flag", "name", "word", "reason", "raw reason", "text", "number", "time", "features"]
"""What a field holds.

A name is shared by many calls, a text belongs to one. A word is one of a closed set. A reason is one too, but whoever
records a call gives the provider's own word instead, which is kept as the raw reason.
"""


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a call."""

    kind: Kind
    meaning: str
    """One sentence, for users too."""
    _: KW_ONLY
    unit: str = "tokens"
    """Of a count, which is from 0 to `MOST_TOKENS`, or a number."""
    zero_is_count: bool = False
    """Of a count: whether 0 is one, and less is a defect. Else both say that it is unknown."""
    words: tuple[str, ...] = ()
    """The closed set."""
    in_line: bool = True
    """Whether a line of our own format can say it."""
    follows: bool = False
    """Whether the fixture works it out from the rest, and refuses to be given it."""
    of_test: bool = False
    """Whether a test's marker may say it for all calls of the test."""
    tells_apart: bool = False
    """Whether a baseline knows a sample again by it. Another one, or another order, makes saved baselines useless."""
    also: tuple[str, ...] = ()
    """What other systems call it. As features, they would be lost to the verdict."""
    name: str = ""
    """This and what follows comes from the attribute of `Sample`."""
    needed: bool = False
    """Whether a call without it is not a sample."""
    unknown: object = None
    """What it is where it was not given."""

    @property
    def is_shared(self) -> bool:
        """Whether many calls say the same, so that a column of it is codes into the distinct values."""
        return self.kind in ("name", "word", "reason", "raw reason")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One model call whose output tokens are known. ``None`` always means that it was not given.

    The reason is in our words, and the time has no zone: it is in UTC, or goes by the log's own clock.
    """

    predicted_output_tokens: Annotated[
        int | None,
        Field(
            "count",
            "The estimator's prediction, made before the call; not every system has one.",
            zero_is_count=True,
            tells_apart=True,
            also=("predicted_output", "predicted_tokens"),
        ),
    ] = None
    output_tokens: Annotated[
        int,
        Field(
            "count",
            "What the provider billed as output, reasoning included.",
            zero_is_count=True,
            tells_apart=True,
            also=("actual_output", "actual_output_tokens", "completion_tokens"),
        ),
    ]
    budget_tokens: Annotated[
        int | None,
        Field(
            "count",
            "The cap that the budget selector chose.",
            of_test=True,
            tells_apart=True,
            also=("selected_budget",),
        ),
    ] = None
    max_tokens: Annotated[
        int | None,
        Field(
            "count",
            "The cap that was really sent.",
            of_test=True,
            tells_apart=True,
            also=("max_completion_tokens", "max_output_tokens"),
        ),
    ] = None
    truncated: Annotated[
        bool | None,
        Field("flag", "Whether the output was truncated: the cap or the context window ended it.", tells_apart=True),
    ] = None
    truncation_source: Annotated[
        str | None,
        Field(
            "word",
            "What says that it was truncated: the finish reason, the cap that it reached, or who recorded it.",
            words=("reason", "cap", "reported"),
            follows=True,
        ),
    ] = None
    success: Annotated[
        bool | None, Field("flag", "Whether the task succeeded, not just the request.", of_test=True, tells_apart=True)
    ] = None
    deliverable_count: Annotated[
        int | None,
        Field(
            "count",
            "How many files the call should produce.",
            unit="files",
            of_test=True,
            tells_apart=True,
            also=("deliverables",),
        ),
    ] = None
    category: Annotated[str | None, Field("name", "The kind of task.", of_test=True, tells_apart=True)] = None
    complexity: Annotated[str | None, Field("name", "How hard the task is.", of_test=True, tells_apart=True)] = None
    task_id: Annotated[
        str | None, Field("name", "The unit of work. Attempts at it share it.", of_test=True, tells_apart=True)
    ] = None
    model: Annotated[str | None, Field("name", "The model's name.", of_test=True, tells_apart=True)] = None
    operation: Annotated[
        str | None,
        Field(
            "name", "What the system itself calls this kind of call: a prompt, an agent, an operation.", of_test=True
        ),
    ] = None
    finish_reason: Annotated[
        FinishReason | None,
        Field(
            "reason",
            "Why the output ended, in one of our words or in the provider's own.",
            words=get_args(FinishReason),
            also=("stop_reason",),
        ),
    ] = None
    finish_reason_raw: Annotated[
        str | None, Field("raw reason", "The provider's own word for why the output ended.", tells_apart=True)
    ] = None
    id: Annotated[
        str | None,
        Field(
            "text",
            "The call's own id. Lines with the same id and the same counts are one call, unless they stand in one "
            "file with other times.",
        ),
    ] = None
    time: Annotated[
        datetime | None,
        Field(
            "time",
            "When the call ended, with its time zone; a log that names none goes by its own clock.",
            tells_apart=True,
        ),
    ] = None
    run: Annotated[str | None, Field("name", "The run whose directory the line was read in.", in_line=False)] = None
    smape: Annotated[
        float | None,
        Field(
            "number",
            "The error as logged: SMAPE, or the relative error on a legacy line.",
            unit="percent",
            in_line=False,
        ),
    ] = None
    legacy: Annotated[
        bool, Field("flag", "Whether it was read from a log line with no more than the two counts.", follows=True)
    ] = False
    features: Annotated[
        Mapping[str, str],
        Field("features", "What the estimator predicted from, by the log's own keys; never the prompt."),
    ] = field(default_factory=dict)


_ANNOTATIONS = get_type_hints(Sample, include_extras=True)
FIELDS: Mapping[str, Field] = {
    each.name: replace(
        _ANNOTATIONS[each.name].__metadata__[0],
        name=each.name,
        needed=each.default is MISSING and each.default_factory is MISSING,
        unknown=None if each.default is MISSING else each.default,
    )
    for each in fields(Sample)
}
"""The fields of a call by their names, in their order."""


def bucket(text: str) -> tuple[int, int] | None:
    """The least and the most deliverables of ``3``, ``2-9`` or ``10+``; ``None`` if ``text`` is no such range."""
    match = re.fullmatch(r"(\d{1,9})(?:-(\d{1,9})|(\+))?", text, re.ASCII)
    if match is None:
        return None
    least = int(match[1])
    most = MOST_TOKENS if match[3] else int(match[2] or least)
    return (least, most) if 0 < least <= most else None


def division(names: Iterable[str]) -> Mapping[str, tuple[int, int]]:
    """The buckets that counts are divided into where ``names`` are required: `BUCKETS`, unless one is another range."""
    own = {name: found for name in names if (found := bucket(name)) is not None}
    return own if own.keys() - BUCKETS.keys() else BUCKETS


def finish_reason(raw: str) -> FinishReason:
    """``raw`` in our vocabulary, however it is spelled: ``max_tokens``, ``maxTokens``, ``FinishReason.MAX_TOKENS``."""
    return _known_reason(raw) if len(raw) <= LONGEST_TEXT else _reason(raw)


def _reason(raw: str) -> FinishReason:
    word = letters(raw.rpartition(".")[2] or raw)
    return FINISH_REASONS.get(word) or FINISH_REASONS.get(_ENUMERATION.sub("", word), "unknown")


_ENUMERATION = re.compile(r"\A(?:beta)?(?:stop|finish)reason")
"""How the names of an enumeration's values begin: ``StopReasonMaxTokens``, ``FINISH_REASON_MAX_TOKENS``."""


_known_reason = lru_cache(maxsize=256)(_reason)
"""Millions of calls give a few reasons."""


def telling_reason(words: Iterable[str | None]) -> str | None:
    """The word that counts of those that several fields or answers give for the end of one call.

    One that says *cut off* counts wherever it stands: gateways call ``stop`` what they do not know. Else the first.
    """
    given = [word for word in words if word]
    return next((word for word in given if finish_reason(word) in CUT_OFF), given[0] if given else None)


def reason_of_error(error: object) -> FinishReason | None:
    """``length`` if the text of an ``error`` says so: a parser raised it for an answer that it could not complete.

    OpenAI's ``parse()`` does. Instrumentations then see an error and no response.
    """
    return "length" if isinstance(error, str) and _LENGTH_ERROR.search(error) else None


_LENGTH_ERROR = re.compile("LengthFinishReasonError|length limit was reached")


def is_truncated(
    stated: bool | None,
    reason: FinishReason | None,
    output_tokens: int,
    max_tokens: int | None,
    *,
    remapped: bool = False,
) -> bool | None:
    """Whether the output was truncated: if anything says so, a lost reason or an unset flag must not hide it.

    An output that reached the cap was cut off, unless the reason or the flag says that it ended by itself. One below
    the cap was not, unless the call broke off with an error or nobody counted its output: then nobody can tell.

    Args:
        stated: what the record says itself.
        reason: why the output ended.
        output_tokens: how many there were.
        max_tokens: the cap for them.
        remapped: whether a gateway gave the reason that is known to call ``stop`` what it does not know.
    """
    if stated or reason in CUT_OFF:
        return True
    if stated is not None:
        return stated
    if reason == "content_filter" or (reason == "stop" and not remapped):
        return False
    if max_tokens and output_tokens >= max_tokens:
        return True
    below_cap = bool(max_tokens) and output_tokens > 0 and reason != "error"
    return False if below_cap or reason in ("tool_call", "stop") else None


def truncation_source(
    truncated: bool | None, stated: bool | None, reason: FinishReason | None
) -> Literal["reason", "cap", "reported"] | None:
    """What says that an output was truncated, by what `is_truncated` made of the rest; ``None`` if it was not."""
    if not truncated:
        return None
    if reason in CUT_OFF:
        return "reason"
    return "reported" if stated else "cap"


def are_one_model(names: Iterable[str]) -> bool:
    """Whether ``names`` may be of one model: a gateway's may have the provider's before it, a response's a version."""
    shortest, *others = sorted((name.rpartition("/")[2] for name in names), key=len) or [""]
    return all(name.startswith(shortest) for name in others)


SPELLINGS: Mapping[FinishReason, str] = {
    "stop": (
        "stop end_turn stop_sequence complete completed eos eos_token eos_found end_of_text endoftext "
        "stop_string_found stop_sequence_reached stop_criteria_met finished reason_stop"
    ),
    "length": (
        "length max_length max_length_exceeded max_len reason_max_len length_limit length_limit_reached "
        "max_tokens max_token max_tokens_reached max_tokens_exceeded max_tokens_limit maximum_tokens "
        "max_output max_output_tokens max_output_tokens_exceeded max_completion_tokens max_new_tokens "
        "max_predicted_tokens_reached limit output_limit output_limit_reached output_token_limit "
        "token_limit tokens_limit token_limit_reached token_limit_exceeded stopped_limit "
        "incomplete truncated truncated_final alternative_status_truncated_final"
    ),
    "tool_call": "tool_use tool_calls tool_call function_call tool_execution reason_tool_calls",
    "content_filter": (
        "content_filter content_filtered refusal safety sensitive error_toxic guardrail_intervened recitation "
        "language blocklist prohibited_content spii model_armor escalation jailbreak image_safety "
        "image_prohibited_content image_recitation"
    ),
    "error": (
        "error failed cancelled network_error insufficient_system_resource malformed_function_call "
        "malformed_tool_use malformed_response malformed_model_output missing_thought_signature "
        "unexpected_tool_call abort aborted canceled cancel user_cancel user_stopped interrupted timeout timed_out "
        "time_limit reason_time_limit"
    ),
    "context": (
        "context model_length model_context_window_exceeded context_window_exceeded context_length "
        "context_length_exceeded context_length_reached context_limit max_context_length max_prompt_tokens "
        "exceeded_context_window_size reason_max_context error_limit"
    ),
}
"""Our word for the end of an output, and what providers and their libraries call it."""


def letters(word: str) -> str:
    """``word`` without what spellings differ in: case, blanks, dashes, underscores and quotes."""
    return "".join(filter(str.isalnum, word)).lower()


FINISH_REASONS = {letters(word): ours for ours, words in SPELLINGS.items() for word in words.split()}
"""The same by the letters of a word of theirs: see `finish_reason`."""
