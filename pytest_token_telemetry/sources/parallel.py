"""Read files with as many processes as are worth it, or with whatever executor is at hand.

A task is some paths, or a part of a file; what comes back is an `Extract`. So anything that runs a function elsewhere
can run them: this module speaks `concurrent.futures.Executor` and nothing else.
"""

from __future__ import annotations

import os
import time
from collections import deque
from concurrent.futures import BrokenExecutor, Executor, Future
from dataclasses import dataclass, field
from itertools import islice
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Self

from pytest_token_telemetry.sources.dividing import ELSEWHERE, HERE, TaskSizes, in_whole_files, plan
from pytest_token_telemetry.sources.extract import Extract, Listed, Task, extract
from pytest_token_telemetry.sources.process_pool import ProcessDiedError, Processes
from pytest_token_telemetry.sources.recognition import AUTO
from pytest_token_telemetry.sources.source import Sizes
from pytest_token_telemetry.text import inert, plural, raised

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from pytest_token_telemetry.sources.source import Source

    Done = tuple[Task, Extract]

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


@dataclass(frozen=True, slots=True)
class Worth:
    """What decides how many processes are started, in seconds."""

    process: float = 0.5
    """Work that is worth starting a process for: one takes about 0.2 s to start, while this one goes on."""
    look: float = 0.1
    """To read in this process before the work ahead is estimated from it."""
    byte: float = 4e-10
    """At least; so two processes are worth it for 1.2 GB, whatever they hold."""
    file: float = 2e-5
    """At least; so two processes are worth it for 25,000 files."""

    def processes(self, seconds: float, most: int) -> int:
        """How many processes so much work is worth."""
        return min(most, int(2 * seconds / self.process)) if seconds >= self.process else 1


def _processors() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1


@dataclass(slots=True, kw_only=True)
class Scan:
    """How to read files."""

    jobs: int | None = 1
    """Processes, of which this is one; ``None``: as many as are worth it."""
    executor: Callable[[], AbstractContextManager[Executor]] | None = None
    """Where to run the tasks instead."""
    progress: Progress = field(default_factory=Progress)
    bounds: TaskSizes | None = None
    """How large tasks are; ``None``: as is best for where they run."""
    waiting: int = 4096
    """Tasks that an executor has at a time: enough for a thousand workers, and few enough for any scheduler."""
    requests: tuple[str, ...] = ()
    """Files of requests that users named: see `Opened.requests`."""
    sizes: Sizes = field(default_factory=Sizes)
    """How much is looked at, and at a time."""
    format: str = AUTO
    """See `Task`."""
    mapped: tuple[Source, ...] = ()
    """See `Task`."""
    added: tuple[Source, ...] = ()
    """See `Task`: with any, all files are read in this process."""
    worth: Worth = field(default_factory=Worth)
    processors: int = field(default_factory=_processors)
    start: Callable[[int], Executor] = Processes
    """Gives an executor of so many processes of this machine."""
    _started: Executor | None = field(default=None, init=False)
    _is_decided: bool = field(default=False, init=False)

    def __enter__(self) -> Self:
        if self.added:
            self.jobs = 1
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        """End the processes that were started: after an error without waiting for their work."""
        if self._started is not None:
            self._started.shutdown(cancel_futures=kind is not None)
            self._started = None

    def expect(self, files: int, size: int = 0) -> Executor | None:
        """Start as many processes as so many ``files``, of ``size`` bytes, are worth: they are soon to be read.

        Raises:
            ScanError: as many were asked for, and none can be started.
        """
        if self.executor is None and not self._is_decided:
            self._start(self.jobs or self._worth(max(files * self.worth.file, size * self.worth.byte)))
        return self._started

    def read(self, files: Iterable[Listed], *, keep_ids: bool = False, keep_keys: bool = False) -> list[Extract]:
        """The extracts of ``files``, in this order. ``keep_ids`` keeps the calls' own ids, ``keep_keys`` their `Keys`.

        Where other processes were started already, they read the first files while others are still asked for.

        Raises:
            ScanError: what read some of them died, or the executor does not work.
        """
        like = Task(
            (),
            keep_ids=keep_ids,
            keep_keys=keep_keys,
            requests=self.requests,
            sizes=self.sizes,
            format=self.format,
            mapped=self.mapped,
            added=self.added,
        )
        if self.executor is None:
            return list(in_whole_files(self._on_this_machine(plan(files, self.bounds or HERE, like))))
        with self.executor() as executor:
            elsewhere = (Listed(each.path, each.size) for each in files)  # whose numbers and clocks may be others
            tasks = _Tasks(executor, plan(elsewhere, self.bounds or ELSEWHERE, like), self.waiting, self.progress)
            return list(in_whole_files(tasks.done()))

    def _on_this_machine(self, planned: Iterator[Task]) -> list[Done]:
        """Do what is ``planned``, in other processes too if they were asked for or it will take long."""
        if self._started is not None:
            return self._with(self._started, planned)
        done: list[Done] = []
        work = deque(planned)
        processes = self.expect(sum(each.new_files for each in work), _size(work))
        if not self._is_decided:
            began = time.perf_counter()
            while work and time.perf_counter() - began < self.worth.look:
                done.append(self._one_here(work.popleft()))
            rate = (time.perf_counter() - began) / max(sum(task.size for task, _ in done), 1)
            processes = self._start(min(self._worth(_size(work) * rate), len(work)))
        return done + ([self._one_here(one) for one in work] if processes is None else self._with(processes, work))

    def _with(self, processes: Executor, work: Iterable[Task]) -> list[Done]:
        """Do the ``work`` in this process and others."""
        return _Tasks(processes, work, 2 * (self.progress.processes - 1), self.progress).done(self._one_here)

    def _worth(self, seconds: float) -> int:
        return self.worth.processes(seconds, self.processors)

    def _start(self, jobs: int) -> Executor | None:
        """Have ``jobs`` processes, of which this is one: it is enough if none was asked for and none can be started."""
        self._is_decided = jobs > 1 or self.jobs == 1
        if jobs <= 1:
            return None
        try:
            self._started = self.start(jobs - 1)
        except OSError as error:
            if self.jobs is None:
                return None
            raise ScanError(f"no process can be started: {raised(error)}") from error
        self.progress.processes = jobs
        _submit(self._started, Task(()))  # the process that is started now imports what reads
        return self._started

    def _one_here(self, task: Task, between: Callable[[], None] | None = None) -> Done:
        """Do ``task`` in this process. ``between`` is called now and then."""
        left = task.size

        def on_read(size: int) -> None:
            nonlocal left
            self.progress.count(min(size, left))  # what stands before a part may be read again
            left -= min(size, left)
            if between is not None:
                between()

        self.progress.files += task.new_files
        return task, extract(task, on_read)


class _Tasks:
    """Tasks on their way to an executor and back."""

    def __init__(self, executor: Executor, work: Iterable[Task], most: int, progress: Progress) -> None:
        """The ``executor`` gets no more than ``most`` tasks at a time."""
        self._executor = executor
        self._left = enumerate(work)
        self._most = most
        self._progress = progress
        self._found: dict[int, Done] = {}
        self._waiting: dict[Future[Extract], tuple[int, Task]] = {}
        self._ended: SimpleQueue[Future[Extract]] = SimpleQueue()

    def done(self, here: Callable[[Task, Callable[[], None]], Done] | None = None) -> list[Done]:
        """All tasks, in their order, when they are done.

        ``here`` does one in this process, if there is no executor free for it, and looks after the others meanwhile.
        """
        try:
            while True:
                self._look_after()
                mine = self._one_to_do() if here else None
                if here and mine is not None:
                    at, task = mine
                    self._found[at] = here(task, self._look_after)
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
        for at, task in islice(self._left, self._most - len(self._waiting)):
            future = _submit(self._executor, task)
            self._waiting[future] = at, task
            future.add_done_callback(self._ended.put)

    def _one_to_do(self) -> tuple[int, Task] | None:
        """The next task that nobody does, handed out or not."""
        if (one := next(self._left, None)) is not None:
            return one
        return next((self._waiting.pop(future) for future in [*self._waiting] if future.cancel()), None)

    def _take(self, future: Future[Extract]) -> None:
        if future not in self._waiting:  # it was taken back
            return
        at, task = self._waiting.pop(future)
        self._found[at] = task, _result(future, task, [each for _, each in self._waiting.values()])
        self._progress.count(task.size, task.new_files)


def _size(work: Iterable[Task]) -> int:
    return sum(each.size for each in work)


def _submit(executor: Executor, task: Task) -> Future[Extract]:
    try:
        future = executor.submit(extract, task)
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


def _result(future: Future[Extract], task: Task, others: Sequence[Task]) -> Extract:
    try:
        found = future.result()
    except ProcessDiedError as error:
        raise ScanError(f"a process that read {_files([task])} {inert(str(error), 400)}") from error
    except BrokenExecutor as error:  # which task it was, nobody can tell
        raise ScanError(f"a worker died: it had a part of {_files([task, *others])}") from error
    except Exception as error:  # whatever the executor raises
        if type(error).__name__ == "KilledWorker":  # of Dask: it may not be installed
            raise ScanError(f"the workers died that were to read {_files([task])}") from error
        raise ScanError(f"reading {_files([task])} failed: {inert(raised(error), 300)}") from error
    if not isinstance(found, Extract):
        raise ScanError(f"the executor gives {type(found).__name__} where its work is done, not what the work returns")
    return found


def _files(work: Sequence[Task]) -> str:
    paths = list(dict.fromkeys(file.path for task in work for file in task.files))
    more = f" and {plural(len(paths) - 1, 'other file')}" if len(paths) > 1 else ""
    return f"{inert(paths[0], 200)}{more}"
