"""Columns on their way to another process. Those of one value take no room, and must not on the way."""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from pytest_token_telemetry.columns import NameColumn

if TYPE_CHECKING:
    import numpy.typing as npt

    Sent: TypeAlias = dict[str, Any]
    """The columns of a dataclass, by their names."""


@dataclass(frozen=True, slots=True)
class Alike:
    """A column of one value."""

    value: npt.NDArray[Any]
    """An array of it alone."""
    n: int


def sent(columns: object) -> Sent:
    """The fields of ``columns``, a dataclass, to be sent."""
    assert is_dataclass(columns)  # noqa: S101 - or there is nothing to send
    return {each.name: _sent(getattr(columns, each.name)) for each in fields(columns)}


def received(columns: Sent) -> dict[str, Any]:
    """The fields as they were before they were `sent`."""
    return {name: _received(column) for name, column in columns.items()}


def _sent(column: Any) -> Any:  # noqa: ANN401 - whatever a field may be
    if isinstance(column, NameColumn):
        return replace(column, codes=_sent(column.codes))
    if isinstance(column, np.ndarray) and column.ndim == 1 and len(column) and column.strides == (0,):
        return Alike(column[:1].copy(), len(column))
    return column


def _received(column: Any) -> Any:  # noqa: ANN401
    if isinstance(column, NameColumn):
        return replace(column, codes=_received(column.codes))
    return np.broadcast_to(column.value[0], column.n) if isinstance(column, Alike) else column
