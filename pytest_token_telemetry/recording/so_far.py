"""What the running test has recorded so far: each line is read once, and each call packed once."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pytest_token_telemetry.recording.tape import Tape
    from pytest_token_telemetry.sample import Sample
    from pytest_token_telemetry.samples import Samples


class SoFar:
    """The calls of the running test, as samples and as columns, which grow with the tape."""

    def __init__(self, tape: Tape, read: Callable[[Iterable[str]], tuple[Sample, ...]]) -> None:
        """Follow ``tape``. ``read`` makes samples of its lines."""
        self._tape = tape
        self._read = read
        self._lines: list[str] = []
        self._said: list[tuple[Sample, ...]] = []
        self._columns: Samples | None = None
        self._packed = 0

    @property
    def samples(self) -> tuple[Sample, ...]:
        """The samples, in the order in which they came."""
        self._catch_up()
        return tuple(chain.from_iterable(self._said))

    @property
    def columns(self) -> Samples:
        """The same as columns."""
        import numpy as np

        from pytest_token_telemetry.samples import SamplesBuilder, columns_of

        self._catch_up()
        new = columns_of(chain.from_iterable(self._said[self._packed :]))
        if self._columns is not None:
            rows = sum(map(len, self._said[: self._packed]))
            kept = self._columns if rows == len(self._columns) else self._columns.take(np.arange(rows))
            new = SamplesBuilder([kept, new]).build()
        self._columns, self._packed = new, len(self._said)
        return new

    def _catch_up(self) -> None:
        """Read the lines that are new, and all from the first on that another has replaced."""
        lines = self._tape.test
        same = len(self._lines)
        if lines[:same] != self._lines:
            pairs = enumerate(zip(self._lines, lines, strict=False))
            same = next((at for at, (known, line) in pairs if known != line), min(same, len(lines)))
        self._said[same:] = [self._read([line]) for line in lines[same:]]
        self._lines[same:] = lines[same:]
        self._packed = min(self._packed, same)
