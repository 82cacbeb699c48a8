"""``@pytest.mark.token_telemetry(category="docs", max_truncation="2%")``: defaults and limits for a test's samples."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pytest_token_telemetry import values
from pytest_token_telemetry.recording import record
from pytest_token_telemetry.recording.running import MARKER

if TYPE_CHECKING:
    from collections.abc import Mapping
    from fractions import Fraction

    import pytest

_DEFAULTS = (
    *("category", "complexity", "deliverable_count", "task_id", "model"),
    *("budget_tokens", "max_tokens", "success"),
)
_LIMITS = ("max_underestimation", "max_truncation")


@dataclass(frozen=True, slots=True)
class Marker:
    """What the markers of a test say together. The closest to the test wins."""

    defaults: Mapping[str, object] = field(default_factory=dict)
    """Fields of the samples that the test records, where it does not say otherwise."""
    max_underestimation: Fraction | None = None
    max_truncation: Fraction | None = None

    @property
    def has_limits(self) -> bool:
        """True if the test fails on what it records."""
        return self.max_underestimation is not None or self.max_truncation is not None

    @classmethod
    def of(cls, item: pytest.Item | None) -> Marker:
        """The marker of ``item``.

        Raises:
            TypeError, ValueError: with one sentence, if a keyword is unknown or its value is not one.
        """
        if item is None:
            return cls()
        given: dict[str, object] = {}
        for mark in item.iter_markers(MARKER):
            if mark.args:
                raise TypeError(f"{MARKER}: {mark.args[0]!r} has no keyword (write {MARKER}(category='docs'))")
            given = {**mark.kwargs, **given}
        unknown = [name for name in given if name not in (*_DEFAULTS, *_LIMITS)]
        if unknown:
            raise TypeError(
                f"{MARKER}: there is no keyword {unknown[0]!r} (they are {', '.join((*_DEFAULTS, *_LIMITS))})"
            )
        limits = {name: _limit(name, given.pop(name)) for name in _LIMITS if name in given}
        try:
            record.line(predicted_output_tokens=0, output_tokens=0, **given)  # type: ignore[arg-type] # checked there
        except (TypeError, ValueError) as error:
            raise type(error)(f"{MARKER}: {error}") from None
        return cls(given, **limits)


def _limit(name: str, value: object) -> Fraction:
    try:
        return values.rate(str(value))
    except ValueError as error:
        raise ValueError(f"{MARKER}: {name}: {error}") from None
