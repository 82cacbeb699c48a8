"""The kinds of number that figures are, each with the range that it must keep where a figure is read from a file.

Lists have a length that they must keep there.
"""

from __future__ import annotations

from typing import Annotated, TypeAlias

from msgspec import Meta

ROUNDING = 1e-9
"""Two ways to compute the same figure differ by less, and sums of fractions pass 1 by less."""

Count: TypeAlias = Annotated[int, Meta(ge=0, le=2**63 - 1)]
"""How many."""

LoggedTokens: TypeAlias = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
"""A prediction as it was logged: a broken estimator may predict less than nothing."""

Rate: TypeAlias = Annotated[float, Meta(ge=0, le=1 + ROUNDING)]
"""A fraction of 1."""

Difference: TypeAlias = Annotated[float, Meta(ge=-1 - ROUNDING, le=1 + ROUNDING)]
"""Of two rates."""

Quantity: TypeAlias = Annotated[float, Meta(ge=0, le=1e30)]
"""A ratio, a mean, a percentage: anything that is measured."""

Bound: TypeAlias = Annotated[float, Meta(ge=-1e30, le=1e30)]
"""On a rate, a difference or a ratio."""

ROWS = Meta(max_length=10_000)
"""Of a list of objects: a file of 4 MB has hardly more."""

FILES = Meta(max_length=100_000)
"""Of a list of paths."""

Names: TypeAlias = Annotated[tuple[str, ...], Meta(max_length=1000)]
"""Untrusted, as all names are."""
