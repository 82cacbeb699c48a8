"""Our fields by what systems call them: known by the letters of a name, or likely by its words and those around it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pytest_token_telemetry.sample import FIELDS, letters

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


NAMES: Mapping[str, str] = {
    **{
        letters(each): name
        for name, field in FIELDS.items()
        if field.in_line and field.kind != "features"
        for each in (name, *field.also)
    },
    "generatedtokens": "output_tokens",
    "responsetokens": "output_tokens",
    "outputlength": "output_tokens",
    "numoutputtokens": "output_tokens",
    "timestamp": "time",
    "requestid": "id",
}
"""Our fields by the letters of what others call them: ``GeneratedTokens`` in Azure's traces."""

PREDICTED, CAP, REASON = "predicted_output_tokens", "max_tokens", "finish_reason"
OPERATION, MODEL = "operation", "model"

ALIASES: Mapping[str, str] = {
    **dict.fromkeys(("estimate", "estimatedtokens", "estimatedoutput", "estimatedoutputtokens"), PREDICTED),
    **dict.fromkeys(("expectedtokens", "expectedoutput", "predicted", "prediction", "forecast"), PREDICTED),
    **dict.fromkeys(("maxnewtokens", "numpredict", "maxoutput", "cap", "tokencap", "tokenlimit"), CAP),
    **dict.fromkeys(("donereason", "stoppedreason", "endreason"), REASON),
    **dict.fromkeys(("endpoint", "route"), OPERATION),
    **dict.fromkeys(("engine", "deployment"), MODEL),
}
"""Names that mean a field where it has no other name, and the values fit."""


def likely(steps: Sequence[str]) -> str | None:
    """The field that the last of ``steps`` may be, by its words, if they are no sign of something else."""
    name = words(steps[-1])
    has = frozenset(name).__and__
    if not name or has(_OTHER_UNITS):
        return None
    if name[-1] in _TIMES or is_end_time(steps[-1]):
        return "time"
    if has(_INPUTS):
        return None
    if has(_PREDICTIONS):
        return PREDICTED
    if has(_CAPS) or ("max" in name and has(_OUTPUTS | _TOKENS)):
        return CAP
    if has(_ENDS) and "user" not in name:  # an end user is a person
        return REASON
    around = {word for step in steps for word in words(step)}
    is_output = around & _TOKENS and around & _OUTPUTS and (has(_OUTPUTS) or has(_TOKENS))
    return "output_tokens" if is_output and not around & _INPUTS else None


def is_end_time(name: str) -> bool:
    """Whether ``name`` is a time at which something ended: ``end_time_unix_nano``, ``endTime``."""
    found = frozenset(words(name))
    return "time" in found and not found.isdisjoint(("end", "ended", "finish", "finished"))


def may_be_output(name: str) -> bool:
    """Whether a count called ``name`` may be the output tokens, if no other count may be."""
    has = frozenset(words(name)).__and__
    return bool(has(_OUTPUTS | {"used"})) and not has(_INPUTS | _OTHER_UNITS | {"max"})


def is_no_output(name: str) -> bool:
    """Whether a count called ``name`` is surely not the output tokens, as a time, a number of attempts, or an input."""
    found = words(name)
    return not _NO_OUTPUTS.isdisjoint(found) or found[-1:] in (["id"], ["at"])


def words(name: str) -> list[str]:
    """The words of ``name`` in small letters: ``maxOut``, ``max_out`` and ``MAX-OUT`` have the same two."""
    return [word.lower() for word in _WORD.findall(name)]


_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")

_TIMES = frozenset({"ts", "when", "at", "timestamp", "datetime"})
_PREDICTIONS = frozenset({"predicted", "predict", "prediction", "forecast", "estimate", "estimated", "est", "guess"})
_CAPS = frozenset({"cap", "limit"})
_ENDS = frozenset({"reason", "why", "end", "ended", "ending", "stop", "stopped", "finish", "finished"})
_OUTPUTS = frozenset({"out", "output", "outputs", "completion", "generated", "response", "answer", "reply"})
_TOKENS = frozenset({"tok", "toks", "token", "tokens", "usage", "count", "counts"})
_INPUTS = frozenset({"in", "input", "inputs", "prompt", "context", "cache", "cached", "total"})
_OTHER_UNITS = frozenset(
    {"ms", "sec", "secs", "seconds", "minutes", "latency", "duration", "elapsed", "cost", "usd"}
) | {
    *("price", "rate", "retry", "retries", "attempts", "bytes", "size", "page", "concurrency", "temperature", "text"),
}
_NO_OUTPUTS = _INPUTS | _OTHER_UNITS | {"status", "code", "version", "port", "year", "index", "attempt", "step", "ts"}
