"""What is held of a span until its trace is known: as little as it takes to tell of its call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias, final

import msgspec
import numpy as np

from pytest_token_telemetry.sample import are_one_model, reason_of_error
from pytest_token_telemetry.sources.otlp.attributes import TOOL, Labels, Layout, of_those_within

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from pytest_token_telemetry.sources.otlp.attributes import Said


@final
class Seen(msgspec.Struct, eq=False, gc=False):
    """A span, or a log record within it."""

    trace: str
    """Empty: it belongs to none, and what else tells of its call is not known."""
    span: str
    parent: str = ""
    line: int = 0
    place: int = 0
    """Which one of its document it is."""
    start: int = 0
    """In ns since 1970; 0: not known."""
    end: int = 0
    is_call: bool = False
    says_so: bool = False
    """Whether its operation or kind says that it is a call."""
    operation: str = ""
    """What it says that it does."""
    facts: dict[str, object] = {}
    """The fields of a call that it tells of."""
    reasons: tuple[str, ...] = ()
    labels: Labels = {}
    """What our own attributes say."""
    of_resource: Labels = {}
    """What those of everything in the process say."""
    failed: bool = False
    remapped: bool = False
    """Whether a gateway made it that calls ``stop`` what it does not know."""
    emitter: str = ""
    """Which program and instrumentation tells of it; empty: it is not known."""
    is_record: bool = False
    """Whether it is a log record."""
    may_have_broken_off: bool = False
    """Whether it is a stream, and does not say why it ended."""
    is_tool: ClassVar[bool] = False
    """As that of `Silent`: it is held where it is a call."""

    @property
    def id(self) -> str | None:
        """The response's own id."""
        value = self.facts.get("id")
        return value if isinstance(value, str) and value else None

    @property
    def output(self) -> str | None:
        """Its output tokens, however they are written."""
        value = self.facts.get("output_tokens")
        return None if value is None else str(value)

    @property
    def model(self) -> str | None:
        """The name of the model."""
        value = self.facts.get("model")
        return value if isinstance(value, str) else None

    @property
    def of_those_within(self) -> Labels:
        """What it says of the calls within it."""
        return of_those_within(self.facts, self.labels)

    def step(self) -> Step | Silent:
        """The same of a span that is not a call."""
        return step_of(self.trace, self.span, self.parent, self.of_those_within, is_tool=self.operation == TOOL)

    def overlaps(self, other: Seen) -> bool:
        """Whether both were going on at one time, as far as that is known."""
        if not (self.start and self.end and other.start and other.end):
            return True
        return self.start <= other.end and other.start <= self.end

    def goes_on_within(self, other: Seen) -> bool:
        """Whether it may be the span of another instrumentation for the call of an ``other`` one, around it in time.

        Both agree in all that both know, and at least one of them knows no id.
        """
        names = [name for name in (self.model, other.model) if name]
        return (
            0 < other.start <= self.start <= self.end <= other.end
            and self.emitter != other.emitter
            and (self.id is None or other.id is None)
            and self.output == other.output
            and are_one_model(names)
        )

    def may_be(self, other: Seen) -> bool:
        """Whether ids and counts of both allow that they are one call: one is told by two log records at one time."""
        if self.is_record and other.is_record and self.end != other.end and (self.id is None or other.id is None):
            return False
        return (self.id is None or other.id is None or self.id == other.id) and (
            self.output is None or other.output is None or self.output == other.output
        )


def seen_of(
    said: Said,
    trace: str,
    span: str,
    parent: str,
    start: int,
    end: int,
    is_failed: bool,
    of_resource: Labels,
    error: object = None,
) -> Seen:
    """A span whose attributes say this. ``error``: the text of its status, if it failed."""
    reason = reason_of_error(error)
    return Seen(
        trace,
        span,
        parent,
        start=start,
        end=end,
        is_call=said.is_call,
        says_so=said.says_so,
        operation=said.operation,
        facts=said.facts,
        reasons=said.reasons if reason is None else (*said.reasons, reason),
        labels=said.labels,
        of_resource=of_resource,
        failed=is_failed,
        may_have_broken_off=said.may_have_broken_off,
    )


NOTHING: dict[str, object] = {}
"""Shared by all spans that say nothing: nobody changes what one says."""


@final
class PlainCall(msgspec.Struct, eq=False, gc=False):
    """A span that is a call, of a plain layout: what it says is looked at when its trace is known."""

    trace: str
    """Never empty."""
    span: str
    parent: str
    line: int
    place: int
    start: object
    """As it is written, as is the end."""
    end: object
    layout: Layout
    values: tuple[Any, ...]
    emitter: str
    around: Labels
    """What the spans around it say of it, where that is known already."""
    is_tool: ClassVar[bool] = False
    """As that of `Silent`."""

    @property
    def id(self) -> object:
        """The response's own id; ``None`` if several attributes may be it."""
        return None if self.layout.id is None else self.values[self.layout.id]

    def seen(self) -> Seen:
        """The same, with all that it says. What is known of those around it stands beside what a resource says."""
        start, end = nanoseconds(self.start), nanoseconds(self.end)
        said = self.layout.read(self.values)
        seen = seen_of(said, self.trace, self.span, self.parent, start, end, False, self.around)
        seen.line, seen.place, seen.emitter = self.line, self.place, self.emitter
        return seen


@final
class Step(msgspec.Struct, eq=False, gc=False):
    """A span that is not a call, and says something of those within."""

    trace: str
    """Never empty."""
    span: str
    parent: str
    says: Labels
    is_tool: bool

    def seen(self) -> Seen:
        """The same as any other span."""
        return _seen_of_step(self, self.says)


@final
class Silent(msgspec.Struct, eq=False, gc=False):
    """A span that is not a call, and says nothing of those within."""

    trace: str
    """Never empty."""
    span: str
    parent: str
    is_tool: bool
    """Whether it is a function that a model asked for."""

    def seen(self) -> Seen:
        """The same as any other span."""
        return _seen_of_step(self, NOTHING)


def _seen_of_step(step: Step | Silent, says: Labels) -> Seen:
    operation = TOOL if step.is_tool else ""
    place = step.trace, step.span, step.parent
    return Seen(*place, operation=operation, facts=NOTHING, labels=says, of_resource=NOTHING)


def step_of(trace: str, span: str, parent: str, says: Labels, *, is_tool: bool) -> Step | Silent:
    """A span that is not a call, and ``says`` this of those within."""
    return Step(trace, span, parent, says, is_tool) if says else Silent(trace, span, parent, is_tool)


Held: TypeAlias = "Seen | PlainCall | Step | Silent"


def nanoseconds(value: object) -> int:
    """A time in ns since 1970; 0 if it is none."""
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < _DIGITS:
        return int(value)
    return value if type(value) is int and 0 < value < _LATEST else 0


_DIGITS = 20
_LATEST = 1 << 63


def all_nanoseconds(values: Sequence[Any]) -> npt.NDArray[Any]:
    """The same of many, of shape ``(values,)``."""
    try:
        text, sizes = "".join(values), set(map(len, values))
    except TypeError:
        text, sizes = "", set()
    if len(sizes) == 1 and max(sizes) < _DIGITS and text.isascii() and text.isdecimal():
        digits = np.frombuffer(text.encode(), np.uint8).reshape(len(values), -1).astype(np.int64) - ord("0")
        if (digits[:, 0] < _NINE).all():  # else it may be more than 64 bits hold
            return digits @ _POWERS[-digits.shape[1] :]
    return np.array([*map(nanoseconds, values)], object)


_NINE = 9
_POWERS = 10 ** np.arange(_DIGITS - 2, -1, -1)
"""What each of 19 digits counts."""
