"""Steps of traces, as systems export them. Of model calls within each other, the innermost is the call.

A framework and the client within it each tell of a call, one step within the other.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_token_telemetry.sources.rows import Rows

MOST_HELD = 20_000
"""Steps that are held until their end, and those within, are known. Clients post them seconds or minutes later."""

_OF_ANSWER = ("output_tokens", "finish_reason", "model", "id", "time")


@dataclass(slots=True)
class Step:
    """What the records of one step say."""

    line: int
    place: int
    parent: object = None
    """The id of the step around it."""
    is_call: bool | None = None
    """Whether it is one of a model; ``None``: it is not known yet."""
    failed: bool = False
    said: dict[str, object] = field(default_factory=dict)
    choices: int = 1

    def learn(self, said: dict[str, object]) -> None:
        """Add what another record says. A later one counts."""
        self.said |= {name: value for name, value in said.items() if value is not None}


S = TypeVar("S", bound=Step)


class Steps(Generic[S]):
    """The steps of one file, told as soon as others need not be waited for."""

    def __init__(self, into: Rows, tell: Callable[[S], None], told_again: str) -> None:
        """No step yet. Each is given to ``tell``; one around another of its call is skipped as ``told_again``."""
        self._into = into
        self._tell = tell
        self._told_again = told_again
        self._held: dict[object, S] = {}

    def add(self, id: object, step: S) -> S:
        """Add a ``step``, and give what is known of it: that of an earlier record with its ``id``, or itself."""
        known = self._held.setdefault(id, step)
        if len(self._held) > MOST_HELD:
            self._tell_all_but(MOST_HELD // 2)
        return known

    def finish(self) -> None:
        """Tell of all that is held."""
        self._tell_all_but(0)

    def _tell_all_but(self, last: int) -> None:
        """Tell of all steps but so many that came ``last``."""
        within: dict[object, list[S]] = {}
        for id, step in self._held.items():
            around = self._held.get(step.parent)
            if around is not None and around.is_call and step.is_call and around.parent != id:
                within.setdefault(step.parent, []).append(step)
        for id, calls in within.items():
            said = self._held[id].said
            if len(calls) > 1:  # what it says of an answer is of one of them
                said = {name: value for name, value in said.items() if name not in _OF_ANSWER}
            for call in calls:
                call.said = {**said, **call.said}
        for id in [*self._held][: len(self._held) - last]:
            step = self._held.pop(id)
            if id in within:
                self._into.skip(self._told_again)
            else:
                self._tell(step)
