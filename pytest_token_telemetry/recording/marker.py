"""The marker that gives the calls of a test defaults and limits."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pytest_token_telemetry import option_types
from pytest_token_telemetry.recording.tape import MARKER
from pytest_token_telemetry.sample import FIELDS
from pytest_token_telemetry.sources import own_format

if TYPE_CHECKING:
    from collections.abc import Mapping
    from fractions import Fraction

    import pytest

LIMITS = {"max_underestimation": "underestimated", "max_truncation": "truncated"}
"""The keywords of the marker that fail a test, each with the word for the calls that it limits."""

_OF_TEST = tuple(name for name, field in FIELDS.items() if field.of_test)
"""The other keywords of the marker."""


@dataclass(frozen=True, slots=True)
class Marker:
    """What the markers of a test say together. The closest to the test wins."""

    defaults: Mapping[str, object] = field(default_factory=dict)
    """Fields of the samples that the test records, where it does not say otherwise."""
    limits: Mapping[str, Fraction] = field(default_factory=dict)
    """The rates, by the names in `LIMITS`, above which the test fails on what it records."""

    @classmethod
    def of(cls, item: pytest.Item | None) -> Marker:
        """The marker of ``item``.

        Raises:
            TypeError, ValueError: with one sentence, if a keyword is unknown or its value is not one.
        """
        given: dict[str, object] = {}
        for mark in item.iter_markers(MARKER) if item else ():
            if mark.args:
                raise TypeError(f"{MARKER}: {mark.args[0]!r} has no keyword (write {MARKER}(category='docs'))")
            given = {**mark.kwargs, **given}
        unknown = [name for name in given if name not in (*_OF_TEST, *LIMITS)]
        if unknown:
            raise TypeError(
                f"{MARKER}: there is no keyword {unknown[0]!r} (they are {', '.join((*_OF_TEST, *LIMITS))})"
            )
        limits = {}
        try:
            for name in LIMITS:
                if name in given:
                    limits[name] = _rate(name, given.pop(name))
            for name, value in given.items():
                own_format.checked(name, value)
        except (TypeError, ValueError) as error:
            raise type(error)(f"{MARKER}: {error}") from None
        return cls(given, limits)


def _rate(name: str, value: object) -> Fraction:
    try:
        return option_types.rate(str(value))
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
