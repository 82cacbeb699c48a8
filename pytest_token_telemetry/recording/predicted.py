"""What a test predicts of the calls that it makes in a block, for threads and tasks each as their context has it."""

from __future__ import annotations

import warnings
from contextlib import AbstractContextManager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from pytest_token_telemetry.sample import FIELDS

if TYPE_CHECKING:
    from collections.abc import Mapping

_PREDICTED = frozenset(name for name, field in FIELDS.items() if field.of_test and name != "success")


class Predicted:
    """The prediction and the labels of the innermost block, and of those around it what it does not say itself."""

    def __init__(self) -> None:
        self._fields: ContextVar[Mapping[str, object] | None] = ContextVar("token_telemetry_predicted", default=None)

    @property
    def fields(self) -> Mapping[str, object]:
        """What holds here: fields of a sample and features, by their names."""
        return self._fields.get() or {}

    def block(self, fields: Mapping[str, object]) -> AbstractContextManager[None]:
        """Have ``fields`` hold in the block. A task that begins in it keeps them; a thread begins with none."""
        return _PredictedBlock(self._fields, {name: value for name, value in fields.items() if value is not None})


class Block:
    """The object of a ``with`` statement. Without one it does nothing, so that is worth a warning."""

    _made_by = ""
    _is_entered = False

    def __del__(self) -> None:
        """Warn where the test dropped it, as Python does of a coroutine that nobody awaits."""
        if not self._is_entered:
            call = f"token_telemetry.{self._made_by}(...)"
            warnings.warn(f"{call} does nothing by itself (write: with {call}:)", RuntimeWarning, stacklevel=2)


class _PredictedBlock(Block, AbstractContextManager[None]):
    _made_by = "predict"

    def __init__(self, predicted: ContextVar[Mapping[str, object] | None], fields: Mapping[str, object]) -> None:
        self._predicted = predicted
        self._fields = fields
        self._before: Mapping[str, object] | None = None

    def __enter__(self) -> None:
        self._is_entered = True
        self._before = self._predicted.get()
        self._predicted.set({**(self._before or {}), **self._fields})

    def __exit__(self, *_: object) -> None:
        self._predicted.set(self._before)  # not by a token: an asynchronous fixture may end in another context


def is_known_before(name: str) -> bool:
    """Whether a field may be known before the call."""
    return name in _PREDICTED or name == "predicted_output_tokens"


def refuse_outcomes(fields: Mapping[str, object]) -> None:
    """Refuse what nobody knows before a call.

    Raises:
        TypeError: with the name of the field.
    """
    for name in fields:
        if name in FIELDS and not is_known_before(name):
            marker = ", or in the test's marker" if FIELDS[name].of_test else ""
            raise TypeError(f"{name}: it is not known before the call (give it where the call is recorded{marker})")
