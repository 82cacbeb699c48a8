"""The kinds of work that advice is about, and how its sentences name them."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from pytest_token_telemetry.text import joined, named

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_token_telemetry.analysis.caps import CapUseOf
    from pytest_token_telemetry.analysis.carried import Grouping
    from pytest_token_telemetry.analysis.strata import Stratum
    from pytest_token_telemetry.analysis.tuning import Advice, Caps
    from pytest_token_telemetry.report.model import Report
    from pytest_token_telemetry.text import Piece, Sentence


T = TypeVar("T")


def strata_of(report: Report) -> tuple[tuple[Stratum, ...], Grouping]:
    """The kinds of work that advice is about, and what they are."""
    kind = "category" if report.tuning is None else report.tuning.grouped_by
    strata: tuple[Stratum, ...] = getattr(report.strata, kind) or report.strata.category
    return strata, kind


def called(row: Advice | Stratum | Caps | CapUseOf, kind: Grouping) -> Piece:
    """The name of a ``row`` of this kind, or what its calls have in common."""
    if row.folded:
        return f"{row.folded:,} other {KINDS[kind]}"
    return f"calls without {'an' if kind == 'operation' else 'a'} {kind}" if row.name is None else named(row.name)


KINDS: Mapping[Grouping, str] = {"category": "categories", "operation": "operations", "model": "models"}
"""Several of each."""


def some(every: Sequence[Sentence], between: str = ", ") -> Sentence:
    """The first few, and that there are others."""
    shown = first_few(every)
    return (*joined(shown, between), " and others" if len(every) > len(shown) else "")


def first_few(every: Sequence[T]) -> Sequence[T]:
    """Those that a sentence names: one more than `SHOWN` if that is all, as "others" would say no less."""
    return every if len(every) == SHOWN + 1 else every[:SHOWN]


SHOWN = 3
"""Categories and constants that a sentence names."""
