"""What a test predicts of the calls that it makes in a block, for threads and tasks each as their context has it."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from pytest_token_telemetry.sample import FIELDS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_PREDICTED = frozenset(name for name, field in FIELDS.items() if field.of_test and name != "success")


class Predicted:
    """The prediction and the labels of the innermost block, and of those around it what it does not say itself."""

    def __init__(self) -> None:
        self._fields: ContextVar[Mapping[str, object] | None] = ContextVar("token_telemetry_predicted", default=None)

    @property
    def fields(self) -> Mapping[str, object]:
        """What holds here: fields of a sample and features, by their names."""
        return self._fields.get() or {}

    @contextmanager
    def block(self, fields: Mapping[str, object]) -> Iterator[None]:
        """Have ``fields`` hold in the block. A task that begins in it keeps them; a thread begins with none."""
        before = self._fields.get()
        self._fields.set({**(before or {}), **{name: value for name, value in fields.items() if value is not None}})
        try:
            yield
        finally:
            self._fields.set(before)  # not by a token: an asynchronous fixture may end in another context


def refuse_outcomes(fields: Mapping[str, object]) -> None:
    """Refuse what nobody knows before a call.

    Raises:
        TypeError: with the name of the field.
    """
    for name in fields:
        if name in FIELDS and name not in _PREDICTED and name != "predicted_output_tokens":
            raise TypeError(f"{name}: it is not known before the call (give it where the call is recorded)")
