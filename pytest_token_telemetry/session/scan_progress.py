"""How far a long scan is, on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_token_telemetry.text import plural
from pytest_token_telemetry.text import size as in_bytes

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    import pytest


class ScanProgress:
    """One line that counts files and bytes while a long scan runs: on a terminal only, and gone when it ends."""

    _BEGIN = 1.0
    """Seconds before the first line."""
    _BETWEEN = 0.2
    """Seconds between two."""

    def __init__(self, terminal: pytest.TerminalReporter | None, clock: Callable[[], float]) -> None:
        self._terminal = terminal if terminal is not None and terminal.isatty else None
        self._clock = clock
        self._began = clock()
        self._next = self._began + self._BEGIN
        self._shown = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._terminal is not None and self._shown:
            self._terminal.rewrite("", erase=True)

    def __call__(self, files: int, size: int) -> None:
        """Say how far the scan is."""
        if self._terminal is None:
            return
        now = self._clock()
        if now >= self._next:
            self._next = now + self._BETWEEN
            self._shown = True
            rate = in_bytes(size / (now - self._began))
            said = f"{plural(files, 'file')}, {in_bytes(size)}, {rate}/s"
            self._terminal.rewrite(f"reading token telemetry: {said}", erase=True)
