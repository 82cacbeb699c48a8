"""What an estimator answers for one recorded call, checked."""

from __future__ import annotations

from math import floor, isfinite
from typing import TYPE_CHECKING, NamedTuple

from pytest_token_telemetry.recording.record import MOST_TOKENS
from pytest_token_telemetry.replay.request import CannotReplay
from pytest_token_telemetry.wording import plural

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_token_telemetry.replay.request import Request

LONGEST_REASON = 200
"""Characters of an exception's text that are kept."""


class Answer(NamedTuple):
    """A prediction, or why there is none. There is one a call, and a tuple is quicker made than a dataclass."""

    predicted_output_tokens: int | None = None
    budget_tokens: int | None = None
    """The cap that goes with it, if the estimator picks one."""
    cannot: bool = False
    """True if the estimator said that it cannot replay the call."""
    error: str | None = None
    """What went wrong, in one line. It may quote the estimator's own words."""


def ask(estimator: Callable[[Request], object], request: Request) -> Answer:
    """What ``estimator`` answers to ``request``. Whatever it does, this raises nothing but Ctrl-C."""
    try:
        return read(estimator(request))
    except CannotReplay:
        return Answer(cannot=True)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # what the user's estimator raises is a finding: sys.exit must not end the session
        return Answer(error=raised(error))


def raised(error: BaseException) -> str:
    """``ValueError: what it says``, on one line."""
    try:
        said = " ".join(str(error).split())
    except Exception:  # its own text is the user's code too
        said = ""
    name = type(error).__name__
    return f"{name}: {said}"[:LONGEST_REASON] if said else name


def read(answer: object) -> Answer:
    """``answer`` as tokens: a number, or a pair of prediction and budget."""
    try:
        if isinstance(answer, tuple | list):
            if len(answer) != 2:
                said = f"{plural(len(answer), 'value')} instead of a prediction, or a prediction and a budget"
                return Answer(error=said)
            budget = None if answer[1] is None else _tokens("budget", answer[1])
            return Answer(_tokens("prediction", answer[0]), budget)
        return Answer(_tokens("prediction", answer))
    except ValueError as error:
        return Answer(error=str(error)[:LONGEST_REASON])


def _tokens(what: str, value: object) -> int:
    """A whole number of tokens; fractions are cut off, as ``int`` does.

    Raises:
        ValueError: it is none.
    """
    if not isinstance(value, int | float) and callable(item := getattr(value, "item", None)):
        value = item()  # numbers of other libraries
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"the {what} is {type(value).__name__}, not a number")
    if isinstance(value, float) and not isfinite(value):
        raise ValueError(f"the {what} is {value}")
    if value < 0:
        raise ValueError(f"the {what} is negative{_shown(value)}")
    if value > MOST_TOKENS:
        raise ValueError(f"the {what} is too large{_shown(value)}")
    return floor(value)


def _shown(value: float) -> str:
    """Unless it has so many digits that Python does not write them."""
    return f": {value}" if abs(value) < 10**100 else ""
