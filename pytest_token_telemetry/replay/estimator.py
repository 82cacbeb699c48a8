"""What an estimator is told of a recorded call, and what it may answer.

It is told what was known before the call, and nothing of how the call ended.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from functools import cache, lru_cache
from math import floor, isfinite
from sysconfig import get_paths
from traceback import walk_tb
from typing import TYPE_CHECKING, NamedTuple

from pytest_token_telemetry.sample import MOST_TOKENS
from pytest_token_telemetry.text import LONGEST_REASON, plural, raised

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

OUTCOMES = frozenset(
    {
        *("output", "output_tokens", "output_token_count", "total_output_tokens", "total", "total_tokens"),
        *("actual", "actual_output", "actual_output_tokens", "actual_tokens", "actual_total", "used_tokens"),
        *("completion_tokens", "generated_tokens", "reasoning_tokens", "thinking_tokens", "candidates_token_count"),
        *("thoughts_token_count", "eval_count", "utilization", "smape", "error", "ratio", "waste", "waste_ratio"),
        *("success", "succeeded", "successful", "failed", "outcome", "result", "status"),
        *("truncated", "truncation", "truncation_source", "is_truncated", "was_truncated", "cut_off"),
        *("finish_reason", "finish_reasons", "finish_reason_raw", "stop_reason", "stop_reasons", "done_reason"),
    }
)
"""Features with these names tell how a call ended: an estimator that reads them predicts what it was told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A recorded call as it was before it was made. ``None``: not given."""

    predicted_output_tokens: int | None
    """What the estimator of that time predicted. ``None``: none of the recorded calls has a prediction."""
    category: str | None = None
    complexity: str | None = None
    deliverable_count: int | None = None
    task_id: str | None = None
    model: str | None = None
    operation: str | None = None
    features: Mapping[str, str | bool] = field(default_factory=dict)
    """What else was recorded of it, by the keys of the log."""

    @property
    def deliverables(self) -> tuple[str, ...]:
        """What the call should produce, where a feature of this name lists it with commas between."""
        return tuple(filter(None, (name.strip() for name in str(self.features.get("deliverables", "")).split(","))))


class CannotReplay(Exception):  # noqa: N818 - it is an answer, not an error
    """Raised by an estimator that cannot say what it would have predicted for a recorded call."""


class Answer(NamedTuple):
    """A prediction, or why there is none. There is one a call, and a tuple is quicker made than a dataclass."""

    predicted_output_tokens: int | None = None
    budget_tokens: int | None = None
    """The cap that goes with it, if the estimator picks one."""
    cannot: bool = False
    """True if the estimator said that it cannot replay the call."""
    error: str | None = None
    """What went wrong, in one line. It may quote the estimator's own words."""


@lru_cache(maxsize=4096)
def tells_outcome(feature: str) -> bool:
    """True if ``feature`` is one of `OUTCOMES`, however it is spelled: ``outputTokens``, ``usage.output-tokens``."""
    return "".join(filter(str.isalnum, feature.strip(".").rpartition(".")[2])).lower() in _FOLDED


_FOLDED = frozenset(name.replace("_", "") for name in OUTCOMES)


def ask(estimator: Callable[[Request], object], request: Request) -> Answer:
    """What ``estimator`` answers to ``request``. Whatever it does, this raises nothing but Ctrl-C."""
    has_none = request.predicted_output_tokens is None
    try:
        answer = estimator(request)
        return Answer(error=f"{_LACK}: it answered None") if has_none and answer is None else read(answer)
    except CannotReplay:
        return Answer(cannot=True)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # what the user's estimator raises is a finding: sys.exit must not end the session
        said = f"{_place(error)}{raised(error)}"[:LONGEST_REASON]
        return Answer(error=f"{_LACK}: {said}"[:LONGEST_REASON] if has_none and isinstance(error, TypeError) else said)


def _place(error: BaseException) -> str:
    """``estimator.py:12: ``, the last line on its way that is in no library; empty if that is no line of Python."""
    places = [(frame.f_code.co_filename, line) for frame, line in walk_tb(error.__traceback__)]
    own = [place for place in places[1:] if not place[0].startswith(_libraries())]  # the first calls the estimator
    return f"{os.path.basename(own[-1][0])}:{own[-1][1]}: " if own else ""  # noqa: PTH119 - one string


@cache
def _libraries() -> tuple[str, ...]:
    paths = get_paths()
    return tuple(os.path.join(paths[each], "") for each in ("stdlib", "platstdlib", "purelib", "platlib"))  # noqa: PTH118


_LACK = "the recorded call has no prediction to start from"
"""What an estimator runs into that changes the prediction of its time."""


def read(answer: object) -> Answer:
    """``answer`` as tokens: a number, or a pair of prediction and budget."""
    try:
        if isinstance(answer, tuple | list):
            if len(answer) != 2:
                raise ValueError(
                    f"{plural(len(answer), 'value')} instead of a prediction, or a prediction and a budget"
                )
            budget = None if answer[1] is None else _tokens("budget", answer[1])
            if budget == 0:
                raise ValueError(f"the budget is {answer[1]}, and no call fits into it")
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
    if not 0 <= value <= MOST_TOKENS:
        shown = f": {value}" if abs(value) < 10**100 else ""  # Python does not write a number of any length
        raise ValueError(f"the {what} is {'negative' if value < 0 else 'too large'}{shown}")
    return floor(value)
