"""Figures and names in words, the same in every report."""

from __future__ import annotations

import unicodedata
from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from fractions import Fraction

LONGEST_SHOWN = 120
"""Characters of an untrusted text that are shown."""


def plural(n: int, noun: str) -> str:
    """``1 sample``, ``2 samples``."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def listing(names: Iterable[str], last: str = "and") -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    *most, final = names
    return f"{', '.join(most)} {last} {final}" if most else final


def percent(value: float, target: Fraction | None = None) -> str:
    """``5.0 %``, with as many digits as it takes not to stand on the wrong side of ``target``."""
    for digits in range(1, 9):
        text = f"{value * 100:.{digits}f}"
        if target is None or (Decimal(text) <= _decimal(target * 100)) == (value <= target):
            break
    return f"{text} %"


def times(value: float, target: Fraction | None = None) -> str:
    """``1.63x``, with as many digits as it takes not to stand on the wrong side of ``target``."""
    for digits in range(2, 9):
        text = f"{value:.{digits}f}"
        if target is None or (Decimal(text) < _decimal(target)) == (value < target):
            break
    return f"{text}x"


def exact(target: Fraction) -> str:
    """``5`` or ``2.5``: a setting's own number, without trailing zeros."""
    return f"{_decimal(target).normalize():f}"


def inert(text: str, longest: int = LONGEST_SHOWN) -> str:
    """Untrusted ``text`` on one line: what does not print is shown by its code, and what is too long is cut."""
    shown = "".join(
        f"\\u{ord(char):04x}" if unicodedata.category(char)[0] == "C" or char in "\u2028\u2029" else char
        for char in text[:longest]
    )
    return shown if len(shown) <= longest and len(text) <= longest else f"{shown[: longest - 1]}…"


def _decimal(value: Fraction) -> Decimal:
    return Decimal(value.numerator) / Decimal(value.denominator)
