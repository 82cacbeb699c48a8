"""Calls of drivers: several at a time, and none that anybody waits for without an end."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, TypeVar

from pytest_token_telemetry.sources.parallel import ScanError
from pytest_token_telemetry.sources.remote.drivers import ADDRESS
from pytest_token_telemetry.text import inert

if TYPE_CHECKING:
    from collections.abc import Callable

Answer = TypeVar("Answer")

CALLS = 16
"""Calls of a driver at a time: each waits for a server, most of the time."""

SILENCE = 60.0
"""Seconds without any answer after which nobody waits on: at 2 Mbit/s, `CALLS` blocks come in that time."""


class Calls:
    """Calls of drivers, several at a time, in threads that nobody waits for: one may hang for as long as it likes."""

    def __init__(self) -> None:
        self._todo: SimpleQueue[tuple[int, Callable[[], Any]] | None] = SimpleQueue()
        self._done: SimpleQueue[tuple[int, Any]] = SimpleQueue()
        self._asked: dict[int, tuple[str, Callable[[Any], None]]] = {}
        self._number = 0
        self._is_over = False
        for _ in range(CALLS):
            threading.Thread(target=self._work, name="token-telemetry", daemon=True).start()

    def ask(self, shown: str, call: Callable[[], Answer], take: Callable[[Answer | Exception], None]) -> None:
        """Have ``call`` called, about what is ``shown``, and its answer given to ``take`` in `work_until`."""
        self._number += 1
        self._asked[self._number] = shown, take
        self._todo.put((self._number, call))

    def answer(self, shown: str, call: Callable[[], Answer]) -> Answer | Exception:
        """The answer to one call.

        Raises:
            ScanError: there was none.
        """
        answers: list[Answer | Exception] = []
        self.ask(shown, call, answers.append)
        self.work_until(lambda: bool(answers))
        return answers[0]

    def work_until(self, is_done: Callable[[], bool], patience: float | None = None) -> None:
        """Take answers until ``is_done``.

        Raises:
            ScanError: there was none for so many seconds as the ``patience``, or without one for `SILENCE`.
        """
        while not is_done():
            number, answer = self._next(SILENCE if patience is None else patience)
            _, take = self._asked.pop(number)
            take(answer)

    def close(self) -> None:
        """Let the threads end as soon as they can."""
        self._is_over = True
        for _ in range(CALLS):
            self._todo.put(None)

    def _next(self, patience: float) -> tuple[int, Any]:
        began = time.monotonic()
        while (left := began + patience - time.monotonic()) > 0:
            with suppress(Empty):
                return self._done.get(timeout=min(left, 1.0))  # Ctrl-C interrupts no longer wait everywhere
        shown = next(iter(self._asked.values()))[0]
        raise ScanError(f"{inert(shown, 200)}: no answer for {patience:g} s ({ADDRESS})")

    def _work(self) -> None:
        while (one := self._todo.get()) is not None and not self._is_over:
            number, call = one
            try:
                answer = call()
            except Exception as error:  # a driver may raise anything
                answer = error
            self._done.put((number, answer))
