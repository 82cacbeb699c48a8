"""What an estimator answers for one recorded call, checked."""

from __future__ import annotations

from dataclasses import dataclass
from math import floor, isfinite
from typing import TYPE_CHECKING

from pytest_token_telemetry.recording.record import MOST_TOKENS
from pytest_token_telemetry.replay.request import CannotReplay

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_token_telemetry.replay.request import Request

LONGEST_REASON = 200
"""Characters of an exception's text that are kept."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A prediction, or why there is none."""

    predicted_output_tokens: int | None = None
    budget_tokens: int | None = None
    """The cap that goes with it, if the estimator picks one."""
    cannot: bool = False
    """True if the estimator said that it cannot replay the call."""
    error: str | None = None
    """What went wrong, in one line. It may quote the estimator's own words."""


def ask(estimator: Callable[[Request], object], request: Request) -> Answer:
    """What ``estimator`` answers to ``request``. Whatever it does, this does not raise."""
    try:
        answer = estimator(request)
    except CannotReplay:
        return Answer(cannot=True)
    except Exception as error:  # the estimator is the user's: what it raises is a finding
        return Answer(error=f"{type(error).__name__}: {error}"[:LONGEST_REASON])
    return read(answer)


def read(answer: object) -> Answer:
    """``answer`` as tokens: a number, or a pair of prediction and budget."""
    try:
        if isinstance(answer, tuple | list):
            if len(answer) != 2:
                return Answer(error=f"{len(answer)} values instead of a prediction, or a prediction and a budget")
            return Answer(_tokens("prediction", answer[0]), _tokens("budget", answer[1]))
        return Answer(_tokens("prediction", answer))
    except ValueError as error:
        return Answer(error=str(error))


def _tokens(what: str, value: object) -> int:
    """A whole number of tokens; fractions are cut off, as ``int`` does.

    Raises:
        ValueError: it is none.
    """
    if not isinstance(value, int | float) and callable(item := getattr(value, "item", None)):
        value = item()  # numbers of other libraries
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"the {what} is {type(value).__name__}, not a number")
    if not isfinite(value):
        raise ValueError(f"the {what} is {value}")
    if value < 0:
        raise ValueError(f"the {what} is negative: {value}")
    if value > MOST_TOKENS:
        raise ValueError(f"the {what} is too large: {value}")
    return floor(value)
