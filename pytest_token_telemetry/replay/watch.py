"""A limit on the time that an estimator may take for one call.

The work notes when each call begins, which costs next to nothing, and a thread looks at the clock. In this process a
signal ends the call, where there are signals. A call that goes on all the same ends the session.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

GRACE = 5.0
"""Seconds that a call has to end in after it was told to."""

_DEBUGGERS = frozenset({"bdb", "pdb", "pydevd", "_pydevd_bundle", "debugpy"})


class Overdue(KeyboardInterrupt):
    """A call takes longer than it may. Whatever lets Ctrl-C through lets this through."""

    def __init__(self, call: int | None) -> None:
        super().__init__(call)
        self.call = call
        """Which of the calls, from 0 on; ``None``: the estimator was not there yet."""


class Watch:
    """Calls ``end`` once, in a thread of its own, if a call takes longer than ``seconds``."""

    def __init__(self, seconds: float, end: Callable[[], None]) -> None:
        self._seconds = seconds
        self._end = end
        self._calls = 0
        self._since = time.monotonic()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self.rearm: Callable[[], None] = lambda: None
        """Called whenever the thread has run."""

    @property
    def call(self) -> int | None:
        """Which call it is, from 0 on; ``None`` before the first."""
        return self._calls - 1 if self._calls else None

    @property
    def left(self) -> float:
        """Seconds that the call still has."""
        return self._since + self._seconds - time.monotonic()

    def begin(self) -> None:
        """Begin the next call."""
        self._calls += 1
        self._since = time.monotonic()

    def stop(self) -> None:
        """Look no more."""
        self._stop.set()

    def __enter__(self) -> Watch:
        self._since = time.monotonic()
        self.rearm()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self._thread.join()

    def _look(self) -> None:
        while not self._stop.wait(max(self.left, 0)):
            self.rearm()
            if self.left <= 0:
                self._end()
                return


@contextlib.contextmanager
def in_this_process(seconds: float, give_up: Callable[[int | None], None]) -> Iterator[Watch]:
    """Watch calls that run in this thread.

    Where there are signals and this is the main thread, a call that is overdue raises `Overdue`. Anywhere else, and
    where the call goes on all the same, ``give_up`` is told which one it is, in another thread, and must end the
    process. A call that lets no other thread run ends the process with a traceback of all threads. A call that is
    being debugged has all the time it takes.
    """
    thread = threading.get_ident()
    can_raise = hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread()

    def end() -> None:
        if not _is_debugged(thread):
            give_up(watch.call)
        faulthandler.cancel_dump_traceback_later()

    def rearm() -> None:
        with contextlib.suppress(AttributeError, ValueError, OSError, RuntimeError):  # there may be no standard error
            faulthandler.dump_traceback_later(2 * (seconds + 2 * GRACE), exit=True, file=sys.__stderr__ or sys.stderr)

    watch = Watch(seconds + GRACE if can_raise else seconds, end)
    watch.rearm = rearm
    try:
        with _alarm(watch, thread, GRACE) if can_raise else contextlib.nullcontext(), watch:
            yield watch
    finally:
        faulthandler.cancel_dump_traceback_later()


@contextlib.contextmanager
def _alarm(watch: Watch, thread: int, grace: float) -> Iterator[None]:
    """Raise `Overdue` in this thread when a call has ``grace`` seconds left, and each second from then on."""
    over = False

    def ring(*_: object) -> None:
        left = watch.left - grace
        if over:
            return
        if _is_debugged(thread):
            watch.stop()
            faulthandler.cancel_dump_traceback_later()
        elif left > 0:
            signal.setitimer(signal.ITIMER_REAL, left)
        else:
            signal.setitimer(signal.ITIMER_REAL, 1)  # for an estimator that catches everything
            raise Overdue(watch.call)

    before = signal.signal(signal.SIGALRM, ring)
    timer = signal.setitimer(signal.ITIMER_REAL, max(watch.left - grace, 1e-3))
    try:
        yield
    finally:
        over = True
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL if before is None else before)
        signal.setitimer(signal.ITIMER_REAL, *timer)


def end_process(code: int, sentence: str) -> None:
    """End this process at once, with ``sentence`` as its last words."""
    with contextlib.suppress(Exception):
        sys.stdout.flush()
    with contextlib.suppress(Exception):
        os.write(2, f"\nERROR: {sentence}\n".encode(errors="backslashreplace"))
    os._exit(code)


def _is_debugged(thread: int) -> bool:
    """True if the thread stands in a debugger."""
    frame = sys._current_frames().get(thread)
    while frame is not None:
        if str(frame.f_globals.get("__name__")).partition(".")[0] in _DEBUGGERS:
            return True
        frame = frame.f_back
    return False
