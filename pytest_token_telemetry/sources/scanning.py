"""Read files with as many processes as are worth it, or with whatever executor is at hand.

A task is some paths, or a part of a file; what comes back is an `Extract`. So anything that runs a function elsewhere
can run them: this module speaks `concurrent.futures.Executor` and nothing else.
"""

from __future__ import annotations

import os
import time
from collections import deque
from concurrent.futures import BrokenExecutor, Executor, Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import islice
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from pytest_token_telemetry.replay.answer import raised
from pytest_token_telemetry.sources.extract import Extract, Extractor, Piece, extract
from pytest_token_telemetry.sources.lines import BUFFER
from pytest_token_telemetry.sources.processes import ProcessDiedError, Processes
from pytest_token_telemetry.sources.tasks import ELSEWHERE, HERE, Bounds, Planned, joined, plan
from pytest_token_telemetry.wording import inert, plural

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from contextlib import AbstractContextManager

    Done = tuple[Planned, Extract]

_WORTH_PROCESSES = 0.7
"""Seconds of work that are worth starting a process for: one takes about 0.2 s to start, while this one reads on."""

_LOOK_FIRST = 0.1
"""Seconds to read in this process before the work ahead is estimated from them."""

_PER_BYTE, _PER_FILE = 4e-10, 2e-5
"""Seconds at least: two processes are worth it for 1.7 GB or 35,000 files, whatever they hold."""

_WAITING = 4096
"""Tasks that an executor has at a time: enough for a thousand workers, and few enough for any scheduler."""

_CALL = 1.0
"""Seconds after which to look whether Ctrl-C was pressed, on systems that do not interrupt a wait."""


class ScanError(Exception):
    """Why the files could not be read: one sentence in our own words, with paths in it made inert."""


@dataclass(slots=True)
class Progress:
    """How far the scan is."""

    tell: Callable[[int, int], None] | None = None
    """Called now and then with the number of files and bytes so far."""
    files: int = 0
    size: int = 0
    processes: int = 1
    """That read: this one, and those that it starts."""

    def count(self, size: int, files: int = 0) -> None:
        """Add what was read."""
        self.size += size
        self.files += files
        if self.tell is not None:
            self.tell(self.files, self.size)


@dataclass(slots=True, kw_only=True)
class Scan:
    """How to read files."""

    buffer: int = BUFFER
    """Bytes that are read at a time, if that is done in this process."""
    jobs: int | None = 1
    """Processes, of which this is one; ``None``: as many as are worth it."""
    executor: Callable[[], AbstractContextManager[Executor]] | None = None
    """Where to run the tasks instead."""
    bounds: Bounds | None = None
    """How large tasks are; ``None``: as is best for where they run."""
    progress: Progress = field(default_factory=Progress)

    def read(self, paths: Sequence[str], *, keep_ids: bool = False) -> list[Extract]:
        """The extracts of the files at ``paths``, in this order. ``keep_ids`` keeps the calls' own ids.

        Raises:
            ScanError: what read some of them died, or the executor does not work.
        """
        pieces = [Piece(path) for path in paths]
        if self.executor is not None:
            work = plan(pieces, self.bounds or ELSEWHERE, keep_ids=keep_ids, away=True)
            with self.executor() as executor:
                return list(joined(_Tasks(executor, work, _WAITING, self.progress).done()))
        jobs = _processors() if self.jobs is None else self.jobs
        if jobs == 1:
            return [self._here(pieces, keep_ids)]
        work = plan(pieces, self.bounds or HERE, keep_ids=keep_ids, away=False)
        if self.jobs is None:
            return list(joined(self._as_is_worth_it(work, len(pieces), jobs)))
        try:
            processes = Processes(jobs - 1)
        except OSError as error:
            raise ScanError(f"no process can be started: {raised(error)}") from error
        return list(joined(self._apart(work, processes, jobs)))

    def _here(self, pieces: Sequence[Piece], keep_ids: bool) -> Extract:
        extractor = Extractor(self.buffer, self.progress.count, keep_ids=keep_ids)
        for piece in pieces:
            self.progress.files += not piece.begin
            extractor.read(*piece)
        return extractor.result()

    def _as_is_worth_it(self, work: Iterator[Planned], files: int, most: int) -> Iterator[Done]:
        """Do the ``work``, on so many ``files``, in up to ``most`` processes if it will take long."""
        rest: Iterable[Planned] = work
        jobs = _worth(files * _PER_FILE, most)
        if jobs == 1:
            rest = left = deque(work)
            jobs = _worth(_size(left) * _PER_BYTE, most)
            began, before = time.perf_counter(), self.progress.size
            while jobs == 1 and left and time.perf_counter() - began < _LOOK_FIRST:
                yield self._one_here(left.popleft())
            if jobs == 1 and left:
                rate = (time.perf_counter() - began) / max(self.progress.size - before, 1)
                jobs = min(_worth(_size(left) * rate, most), len(left))
        processes = None
        with suppress(OSError):  # where none can be started, one is enough
            processes = Processes(jobs - 1) if jobs > 1 else None
        yield from map(self._one_here, rest) if processes is None else self._apart(rest, processes, jobs)

    def _one_here(self, planned: Planned, between: Callable[[], None] | None = None) -> Done:
        """Do ``planned`` in this process. ``between`` is called now and then."""

        def on_read(size: int) -> None:
            self.progress.count(size)
            if between is not None:
                between()

        self.progress.files += planned.files
        return planned, extract(planned.task, self.buffer, on_read)

    def _apart(self, work: Iterable[Planned], processes: Processes, jobs: int) -> list[Done]:
        """Do the ``work`` here and in other ``processes``, which makes ``jobs`` in all. They end with it."""
        with _ended(processes):
            self.progress.processes = jobs
            return _Tasks(processes, work, 2 * (jobs - 1), self.progress).done(self._one_here)


class _Tasks:
    """Tasks on their way to an executor and back."""

    def __init__(self, executor: Executor, work: Iterable[Planned], most: int, progress: Progress) -> None:
        """The ``executor`` gets no more than ``most`` tasks at a time."""
        self._executor = executor
        self._left = enumerate(work)
        self._most = most
        self._progress = progress
        self._found: dict[int, Done] = {}
        self._waiting: dict[Future[Extract], tuple[int, Planned]] = {}
        self._ended: SimpleQueue[Future[Extract]] = SimpleQueue()

    def done(self, here: Callable[[Planned, Callable[[], None]], Done] | None = None) -> list[Done]:
        """All tasks, in their order, when they are done.

        ``here`` does one in this process, if there is no executor free for it, and looks after the others meanwhile.
        """
        try:
            while True:
                self._look_after()
                mine = self._one_to_do() if here else None
                if here and mine is not None:
                    at, planned = mine
                    self._found[at] = here(planned, self._look_after)
                elif self._waiting:
                    self._take(_next(self._ended))
                else:
                    return [self._found[at] for at in sorted(self._found)]
        except BaseException:
            for future in self._waiting:
                future.cancel()
            raise

    def _look_after(self) -> None:
        """Take what has ended, and hand out as much as there may be, without waiting."""
        while not self._ended.empty():
            self._take(self._ended.get())
        for at, planned in islice(self._left, self._most - len(self._waiting)):
            future = _submit(self._executor, planned)
            self._waiting[future] = at, planned
            future.add_done_callback(self._ended.put)

    def _one_to_do(self) -> tuple[int, Planned] | None:
        """The next task that nobody does, handed out or not."""
        if (one := next(self._left, None)) is not None:
            return one
        return next((self._waiting.pop(future) for future in [*self._waiting] if future.cancel()), None)

    def _take(self, future: Future[Extract]) -> None:
        if future not in self._waiting:  # it was taken back
            return
        at, planned = self._waiting.pop(future)
        self._found[at] = planned, _result(future, planned, [each for _, each in self._waiting.values()])
        self._progress.count(planned.size, planned.files)


def _worth(seconds: float, most: int) -> int:
    """How many processes so much work is worth."""
    return min(most, int(2 * seconds / _WORTH_PROCESSES)) if seconds >= _WORTH_PROCESSES else 1


def _size(work: Iterable[Planned]) -> int:
    return sum(each.size for each in work)


def _submit(executor: Executor, planned: Planned) -> Future[Extract]:
    try:
        future = executor.submit(extract, planned.task)
    except Exception as error:  # whatever it raises
        raise ScanError(f"the executor takes no work: {inert(raised(error), 300)}") from error
    if not isinstance(future, Future):
        raise ScanError(f"the executor gives {type(future).__name__} for work, not a concurrent.futures.Future")
    return future


def _next(ended: SimpleQueue[Future[Extract]]) -> Future[Extract]:
    while True:
        try:
            return ended.get(timeout=_CALL)
        except Empty:
            continue


def _result(future: Future[Extract], planned: Planned, others: Sequence[Planned]) -> Extract:
    try:
        found = future.result()
    except ProcessDiedError as error:
        raise ScanError(f"a process that read {_files([planned])} {inert(str(error), 400)}") from error
    except BrokenExecutor as error:  # which task it was, nobody can tell
        raise ScanError(f"a worker died: it had a part of {_files([planned, *others])}") from error
    except Exception as error:  # whatever the executor raises
        if type(error).__name__ == "KilledWorker":  # of Dask: it may not be installed
            raise ScanError(f"the workers died that were to read {_files([planned])}") from error
        raise ScanError(f"reading {_files([planned])} failed: {inert(raised(error), 300)}") from error
    if not isinstance(found, Extract):
        raise ScanError(f"the executor gives {type(found).__name__} where its work is done, not what the work returns")
    return found


def _files(work: Sequence[Planned]) -> str:
    paths = list(dict.fromkeys(path for planned in work for path in planned.paths))
    more = f" and {plural(len(paths) - 1, 'other file')}" if len(paths) > 1 else ""
    return f"{inert(paths[0], 200)}{more}"


@contextmanager
def _ended(processes: Processes) -> Iterator[None]:
    try:
        yield
    except BaseException:
        processes.shutdown(cancel_futures=True)
        raise
    processes.shutdown()


def _processors() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1
