"""What a part of the report is made of: sentences, and tables of figures and names."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from pytest_token_telemetry.text import Untrusted, percent, times

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from pytest_token_telemetry.analysis.metrics import Share
    from pytest_token_telemetry.text import Sentence

T = TypeVar("T")

Columns: TypeAlias = "Mapping[str, Callable[[T], Sentence]]"
"""The title of each column, and what stands in its cells."""


@dataclass(frozen=True, slots=True)
class Table:
    """Figures and names, a row each. Names come last in a row."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Sentence, ...], ...]
    marked: frozenset[tuple[int, int]] = frozenset()
    """Cells that must not be missed, by row and column."""
    folded: int = 0
    """How many the last row sums up, if it is the others; else 0."""


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the report: sentences, then tables, then remarks on them."""

    title: str
    sentences: tuple[Sentence, ...] = ()
    tables: tuple[Table, ...] = ()
    remarks: tuple[str, ...] = ()
    vital: int = 0
    """How many of the first sentences belong into every report, however short it is."""


@dataclass(frozen=True, slots=True)
class Chapter:
    """Sections that answer one question of a reader."""

    title: str
    sections: tuple[Section, ...]


def table_of(columns: Columns[T], items: Iterable[T], marked: frozenset[tuple[int, int]] = frozenset()) -> Table:
    """A row for each of ``items``."""
    return Table(tuple(columns), tuple(tuple(cell(each) for cell in columns.values()) for each in items), marked)


def share(share: Share) -> str:
    """``1/59 = 1.7%``."""
    return f"{share.events:,}/{share.n:,} = {percent(Fraction(share.events, share.n))}" if share.n else "none"


def count(value: int | None) -> str:
    """``2,070``."""
    return "none" if value is None else f"{value:,}"


def ratio(value: float | None, without: str = "none") -> str:
    """``1.63x``."""
    return without if value is None else times(value)


def named(folded: int, name: str | None) -> Sentence:
    """The name of a row, or how many others it sums up."""
    return f"{folded:,} others" if folded else Untrusted(name)
