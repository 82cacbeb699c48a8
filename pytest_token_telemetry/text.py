"""Figures and names in words, the same in every report."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from math import ceil, isclose
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

LONGEST_SHOWN = 120
"""Characters of an untrusted text that are shown."""

LONGEST_REASON = 200
"""Characters of an exception's text that are kept."""

LONGEST_EXPLANATION = 400
"""Characters of an untrusted sentence that says why there is no verdict."""

LONGEST_IN_SENTENCE = 60
"""Characters of a name within a sentence."""

BARS, ASCII_BARS = "·▁▂▃▄▅▆▇█", ".:-=+*%#@"
"""No value, then eight bars of which each is higher than the one before."""

MOST_DIGITS = 26
"""Decimals of a figure that are shown: they tell a share of a billion calls from any target, of 15 decimals at most."""


@dataclass(frozen=True, slots=True)
class Untrusted:
    """A text that is not ours: each form of report makes it inert in its own way."""

    text: str | None
    """``None``: not given."""


@dataclass(frozen=True, slots=True)
class Located(Untrusted):
    """Where a call stands, as ``file:line``: a form may link to it."""


@dataclass(frozen=True, slots=True)
class Reason(Untrusted):
    """What an exception says: in a sentence it is shown longer than a name."""


Piece: TypeAlias = "str | Untrusted"

Sentence: TypeAlias = "Piece | tuple[Piece, ...]"
"""Our own words, with names in them that anybody may have chosen."""


def pieces(sentence: Sentence) -> tuple[Piece, ...]:
    """``sentence`` as its pieces."""
    return sentence if isinstance(sentence, tuple) else (sentence,)


def plain(sentence: Sentence) -> str:
    """``sentence`` on one line of plain text, its names inert."""
    return "".join(map(_plain, pieces(sentence)))


def _plain(piece: Piece) -> str:
    if isinstance(piece, str):
        return piece
    longest = LONGEST_SHOWN if isinstance(piece, Reason) else LONGEST_IN_SENTENCE
    return NOT_GIVEN if piece.text is None else inert(piece.text, longest)


def first_clause(sentence: Sentence) -> tuple[Piece, ...]:
    """``sentence`` up to its first semicolon that is our own word."""
    found: list[Piece] = []
    for piece in pieces(sentence):
        if isinstance(piece, str) and ";" in piece:
            return (*found, piece[: piece.index(";")])
        found.append(piece)
    return tuple(found)


NOT_GIVEN = "not given"
"""Stands for a name that a sample does not have."""


def named(name: str | None) -> Piece:
    """``name``, as our own word if it can be nothing else: no mention, reference, link or markup is made of it."""
    return name if name is not None and len(name) <= 32 and _PLAIN_WORD.fullmatch(name) else Untrusted(name)


_PLAIN_WORD = re.compile(r"(?![0-9a-fA-F]{7,}\Z)[A-Za-z]+(?:[_-][A-Za-z]+)*|\d{1,3}(?:-\d{1,3}|\+)?", re.ASCII)
"""One word or bucket; GitHub links what may be a commit."""


def joined(sentences: Iterable[Sentence], between: str = ", ", last: str | None = None) -> tuple[Piece, ...]:
    """``sentences`` in one, with ``between`` them and ``last`` before the final one."""
    every = [pieces(sentence) for sentence in sentences]
    found: list[Piece] = []
    for i, each in enumerate(every):
        if i:
            found.append(f" {last} " if last is not None and i == len(every) - 1 else between)
        found += each
    return tuple(found)


def plural(n: int, noun: str) -> str:
    """``1 sample``, ``2,000 samples``."""
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


def listing(names: Iterable[str], last: str = "and") -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    *most, final = names
    return f"{', '.join(most)} {last} {final}" if most else final


def meant(text: str, known: Iterable[str], *, likeness: float = 0.6) -> str:
    """``did you mean this?``, of what is ``known`` the one that is most like ``text``; empty if none is.

    ``likeness``: how like it has to be, from 0 to 1 for the same text.
    """
    near = nearest(text, known, likeness=likeness)
    return "" if near is None else f"did you mean {near}?"


def nearest(text: str, known: Iterable[str], *, likeness: float = 0.6) -> str | None:
    """Of what is ``known`` the one that is most like ``text``: first, what has its letters in another order."""
    from difflib import get_close_matches  # idle sessions do without

    words = [*known]
    near = get_close_matches(text, words, len(words), likeness) if words else []
    same = (word for word in near if sorted(word) == sorted(text))
    return next(same, near[0] if near else None)


def percent(value: Fraction | float, target: Fraction | None = None) -> str:
    """``5.0%``, with as many digits as it takes not to stand on the wrong side of ``target``.

    A rate must come as a fraction: the floating point number for 1/20 is more than 5%. A bound that
    is a floating point number and differs from ``target`` by rounding alone is on it.
    """
    if target is not None and isinstance(value, float) and isclose(value, target, rel_tol=1e-9):
        value = target
    for digits in range(1, MOST_DIGITS + 1):
        text = _rounded(Fraction(value) * 100, digits)
        if target is None or (Fraction(text) <= target * 100) == (value <= target):
            break
    return f"{text}%"


def size(count: float) -> str:
    """``1.5 GB``, ``15 MB``, ``4 KB``, ``17 bytes``."""
    for unit, least in (("GB", 1e9), ("MB", 1e6), ("KB", 1e3)):
        if count >= least:
            value = count / least
            return f"{value:.1f} {unit}" if value < 10 else f"{value:.0f} {unit}"
    return plural(int(count), "byte")


def chance(p: float) -> str:
    """``p = 0.012``, or ``p < 0.001``."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def times(value: float, target: Fraction | None = None) -> str:
    """``1.63x``, with as many digits as it takes not to stand on the wrong side of ``target``."""
    for digits in range(2, MOST_DIGITS + 1):
        text = _rounded(Fraction(value), digits)
        if target is None or (Fraction(text) < target) == (value < float(target)):
            break
    return f"{text}x"


def points(difference: float) -> str:
    """``+5.1 points``: the difference of two rates."""
    size = percent(abs(difference)).removesuffix("%")
    sign = "" if not Fraction(size) else "+" if difference > 0 else "-"
    return f"{sign}{size} points"


def sparkline(values: Sequence[float | None], bars: str = BARS) -> str:
    """One bar a value, from 0 to the highest; a dot where there is none."""
    highest = max((value for value in values if value is not None), default=0.0)
    none, heights = bars[0], bars[1:]
    steps = len(heights) - 1
    return "".join(
        none if value is None else heights[round(value / highest * steps) if highest else 0] for value in values
    )


def upwards(multiplier: float) -> str:
    """``1.13`` for 1.121: a multiplier that is rounded down does not do what is promised.

    It has as many digits as it takes to be hardly more, ``0.013`` for 0.0124, and not to be 1 if it lowers.
    """
    exact = Fraction(str(multiplier))
    for digits in range(2, MOST_DIGITS + 1):
        shown = Fraction(ceil(exact * 10**digits), 10**digits)
        if shown <= exact * _HARDLY_MORE and (shown < 1 or exact > _ALMOST_ONE):
            break
    return f"{float(shown):.{digits}f}"


_HARDLY_MORE = Fraction(21, 20)

_ALMOST_ONE = 1 - Fraction(1, 10**9)
"""What is below 1 by less is 1, but for rounding."""


def exact(target: Fraction) -> str:
    """``5`` or ``2.5``: a setting's own number, without trailing zeros."""
    return f"{(Decimal(target.numerator) / Decimal(target.denominator)).normalize():f}"


def inert(text: str, longest: int = LONGEST_SHOWN) -> str:
    """Untrusted ``text`` on one line, not too long: what does not print or gives orders is shown by its code."""
    shown = "".join(
        f"\\u{ord(char):04x}" if unicodedata.category(char)[0] == "C" or char in "\u2028\u2029" else char
        for char in text[:longest]
    )
    shown = _COMMAND.sub(r"#\\u0023", shown)
    return shown if len(shown) <= longest and len(text) <= longest else f"{shown[: longest - 1]}…"


_COMMAND = re.compile(r"##(?=\w*\[)")
"""What a CI server may obey wherever it stands in a line: ``##vso[...]`` (Azure), ``##[...]`` (GitHub) and the like."""


def raised(error: BaseException) -> str:
    """``ValueError: what it says``, on one line."""
    try:
        said = " ".join(str(error).split())
    except Exception:  # its own text is the user's code too
        said = ""
    name = type(error).__name__
    return f"{name}: {said}"[:LONGEST_REASON] if said else name


def _rounded(value: Fraction, digits: int) -> str:
    """``-0.12``; what rounds to 0 has no sign."""
    units = round(value * 10**digits)
    whole, decimals = divmod(abs(units), 10**digits)
    return f"{'-' if units < 0 else ''}{whole}.{decimals:0{digits}}"
