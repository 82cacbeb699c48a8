"""Processes that read files for this one: they run functions of this package, and end when this one does.

Not those of `multiprocessing`: it imports the main program into each process, refuses to start any in a daemonic one,
leaves them behind if this one is killed, and cannot tell which of them died with which task. Here each has two pipes.
When this process ends, however it does, its ends of the pipes are closed, and nobody is left waiting.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from typing import IO, TYPE_CHECKING, Any, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

Result = TypeVar("Result")
Given = ParamSpec("Given")

_BEGIN = """
import sys
sys.path.insert(0, sys.argv[1])
import pytest_token_telemetry.sources.process_pool as processes
del sys.path[0]
processes.serve(sys.argv[2])
"""
"""What a process runs first: the package of this one, whatever is installed or lies in the current directory."""

_LENGTH = 8
"""Bytes that say how long what follows is."""

_SAID = 300
"""Characters of the last words of a process that are kept."""


class ProcessDiedError(Exception):
    """How a process ended: the end of a sentence about it. It may quote what the process said."""


class Processes(Executor):
    """Runs functions of this package, each in one of some processes, with arguments and results that can be pickled."""

    def __init__(self, number: int) -> None:
        """At most ``number`` processes, started as they are needed; the first one now.

        Raises:
            OSError: no process can be started.
        """
        self._threads = ThreadPoolExecutor(number, "token-telemetry")  # each waits for one process
        self._lock = threading.Lock()
        self._is_over = False
        self._all: list[_Process] = []
        self._idle = [self._start()]

    def submit(self, fn: Callable[Given, Result], /, *args: Given.args, **kwargs: Given.kwargs) -> Future[Result]:
        """Run ``fn`` in a process. Its future fails with `ProcessDiedError` if the process dies."""
        return self._threads.submit(self._run, fn, args, kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the processes: when all is done, or with ``cancel_futures`` now. None is left when this returns."""
        del wait
        if cancel_futures:
            with self._lock:
                self._is_over = True
            for process in self._all:
                process.kill()
        self._threads.shutdown(cancel_futures=cancel_futures)
        for process in self._all:
            process.close()
        self._all.clear()

    def _run(self, function: Callable[..., Any], arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:  # noqa: ANN401
        with self._lock:
            process = self._idle.pop() if self._idle else None
        if process is None:
            process = self._start()
        is_result, answer = process.ask((function, arguments, named))
        with self._lock:
            self._idle.append(process)
        if is_result:
            return answer
        raise answer

    def _start(self) -> _Process:
        with self._lock:
            if self._is_over:
                raise ProcessDiedError("was not started in time")
            self._all.append(_Process())
            return self._all[-1]


class _Process:
    """One process, and the pipes to it."""

    def __init__(self) -> None:
        if not sys.executable or getattr(sys, "frozen", False):
            raise OSError("there is no Python interpreter to start")
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as the process runs
        token = os.urandom(16).hex()
        home = Path(__file__).parent.parent.parent
        try:
            self._process = subprocess.Popen(  # noqa: S603 - the interpreter that runs this, with arguments of ours
                [sys.executable, *_flags(), "-c", _BEGIN, str(home), token],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._said,
                env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},  # none of them calculates
                **_apart(),
            )
        except BaseException:
            self._said.close()
            raise
        self._token: bytes | None = token.encode()
        self._tasks: IO[bytes] = self._process.stdin  # type: ignore[assignment] # there are pipes
        self._answers: IO[bytes] = self._process.stdout  # type: ignore[assignment]

    def ask(self, task: object) -> tuple[bool, Any]:
        """Whether ``task`` had a result, and the result or what was raised.

        Raises:
            ProcessDiedError: there is no answer.
        """
        try:
            if self._token is not None:
                _write(self._tasks, [os.path.abspath(path) for path in sys.path if isinstance(path, str)])  # noqa: PTH100
            _write(self._tasks, task)
            if self._token is not None:
                _skip(self._answers, self._token)
                self._token = None
            answer = _read(self._answers)
        except (OSError, EOFError):
            raise ProcessDiedError(self._last_words()) from None
        is_result, value = pickle.loads(answer)  # noqa: S301 - from a process of ours, which has our rights
        return is_result, value

    def kill(self) -> None:
        """End it now."""
        self._process.kill()

    def close(self) -> None:
        """Let it end, and wait for that."""
        with suppress(OSError):  # it may have died
            _send(self._tasks, b"")
        with suppress(OSError):
            self._tasks.close()
        self._process.wait()
        self._answers.close()
        self._said.close()

    def _last_words(self) -> str:
        self._process.kill()  # if it only closed its pipes
        code = self._process.wait()
        self._said.seek(0)
        lines = self._said.read().decode(errors="replace").split("\n")
        said = next((f": {line.strip()[-_SAID:]}" for line in reversed(lines) if line.strip()), "")
        if code >= 0:
            return f"ended with exit code {code}{said}"
        try:
            return f"was killed by {signal.Signals(-code).name}{said}"
        except ValueError:
            return f"was killed by signal {-code}{said}"


def serve(token: str) -> None:
    """Run the functions that come in by standard input, and write their results to standard output.

    What anything prints goes to standard error. What was printed before ends with ``token``.
    """
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    tasks: SimpleQueue[bytes] = SimpleQueue()
    threading.Thread(target=_receive, args=(os.fdopen(os.dup(0), "rb"), tasks), daemon=True).start()
    answers.write(token.encode())
    sys.path += [path for path in pickle.loads(tasks.get()) if path not in sys.path]  # noqa: S301 - see ask
    while task := tasks.get():
        _write(answers, _answer(*pickle.loads(task)))  # noqa: S301


def _receive(file: IO[bytes], tasks: SimpleQueue[bytes]) -> None:
    """Put what comes in into ``tasks``. If the other process ends without saying so, end at once, whatever runs."""
    try:
        while task := _read(file):
            tasks.put(task)
        tasks.put(b"")
    except (EOFError, OSError):
        os._exit(1)


def _answer(function: Callable[..., Any], arguments: tuple[Any, ...], named: dict[str, Any]) -> tuple[bool, Any]:
    try:
        return True, function(*arguments, **named)
    except Exception as error:  # it is raised where it is waited for
        return False, error


def _write(file: IO[bytes], value: object) -> None:
    _send(file, pickle.dumps(value, pickle.HIGHEST_PROTOCOL))


def _send(file: IO[bytes], text: bytes) -> None:
    file.write(len(text).to_bytes(_LENGTH, "little"))
    file.write(text)
    file.flush()


def _read(file: IO[bytes]) -> bytes:
    return _read_exactly(file, int.from_bytes(_read_exactly(file, _LENGTH), "little"))


def _read_exactly(file: IO[bytes], length: int) -> bytes:
    text = file.read(length)
    if len(text) < length:
        raise EOFError
    return text


def _skip(file: IO[bytes], token: bytes) -> None:
    """Leave out what stands before ``token``, and that."""
    seen = b""
    while not seen.endswith(token):
        seen = seen[-len(token) :] + _read_exactly(file, 1)


def _flags() -> list[str]:
    """How this interpreter was started, and -P: nothing in the current directory takes the place of a module."""
    flags = {"-E": sys.flags.ignore_environment, "-s": sys.flags.no_user_site, "-S": sys.flags.no_site}
    return ["-P", *(flag for flag, is_set in flags.items() if is_set)]


def _apart() -> dict[str, Any]:
    """In a group of processes of its own: Ctrl-C is for this one, which ends the others."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
    return {"process_group": 0}
