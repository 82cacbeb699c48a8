"""Processes that run functions: what comes back, what is told when one dies, and that none is left."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

import pytest

from pytest_token_telemetry.sources.process_pool import ProcessDiedError, Processes


@pytest.fixture
def processes() -> Iterator[Processes]:
    started = Processes(2)
    yield started
    started.shutdown(cancel_futures=True)


def failure(future: Future[object]) -> str:
    with pytest.raises(ProcessDiedError) as raised:
        future.result(60)
    return str(raised.value)


def test_results_come_back(processes: Processes) -> None:
    futures = [processes.submit(divmod, n, 7) for n in range(20)]
    assert [future.result(60) for future in futures] == [divmod(n, 7) for n in range(20)]


def test_keywords_go_there(processes: Processes) -> None:
    assert processes.submit(int, "11", base=2).result(60) == 3


def test_there_are_as_many_processes_as_are_needed_and_none_is_this_one(processes: Processes) -> None:
    futures = [processes.submit(time.sleep, 0.2) for _ in range(4)]
    for future in futures:
        future.result(60)
    ids = {processes.submit(os.getpid).result(60) for _ in range(4)}
    assert 1 <= len(ids) <= 2
    assert os.getpid() not in ids


def test_large_tasks_and_results_pass(processes: Processes) -> None:
    text = b"x" * 5_000_000
    assert processes.submit(bytes.upper, text).result(60) == text.upper()


def test_what_a_function_raises_is_raised_here(processes: Processes) -> None:
    with pytest.raises(ZeroDivisionError):
        processes.submit(divmod, 1, 0).result(60)
    assert processes.submit(divmod, 1, 1).result(60) == (1, 0)


def test_what_a_function_prints_does_no_harm(processes: Processes) -> None:
    processes.submit(print, "to standard output", flush=True).result(60)
    processes.submit(os.write, 1, b"to standard output, too").result(60)
    assert processes.submit(divmod, 1, 1).result(60) == (1, 0)


@pytest.mark.skipif(sys.platform == "win32", reason="needs signals")
def test_a_process_that_is_killed_is_told(processes: Processes) -> None:
    assert failure(processes.submit(os.kill, 0, signal.SIGKILL)) == "was killed by SIGKILL"
    assert processes.submit(divmod, 1, 1).result(60) == (1, 0)


def test_a_process_that_ends_is_told_with_its_last_words(processes: Processes) -> None:
    code = "import sys, os; print('not this', file=sys.stderr); os.write(2, b'the reason\\n\\n'); os._exit(3)"
    assert failure(processes.submit(exec, code)) == "ended with exit code 3: the reason"


def test_what_is_printed_before_it_begins_does_no_harm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sitecustomize.py").write_text("print('hello'); import sys; sys.stdout.flush()")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    processes = Processes(1)
    assert processes.submit(divmod, 1, 1).result(60) == (1, 0)
    processes.shutdown()


def test_modules_are_found_where_this_process_finds_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "found_here.py").write_text("def double(n): return 2 * n")
    monkeypatch.syspath_prepend(tmp_path)
    import found_here

    processes = Processes(1)
    assert processes.submit(found_here.double, 4).result(60) == 8
    processes.shutdown()


@pytest.mark.parametrize("name", ["pickle", "numpy", "queue", "pytest_token_telemetry"])
def test_no_module_of_the_user_takes_the_place_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (tmp_path / f"{name}.py").write_text("raise SystemExit('the wrong module')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["", str(tmp_path), *sys.path])
    processes = Processes(1)
    code = f"import {name}"
    assert processes.submit(exec, code).result(60) is None
    processes.shutdown()


def test_without_an_interpreter_no_process_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    with pytest.raises(OSError, match="there is no Python interpreter to start"):
        Processes(1)


def is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text() if Path("/proc").is_dir() else True


def wait_until_gone(*pids: int) -> None:
    end = time.monotonic() + 30
    while any(map(is_there, pids)):
        assert time.monotonic() < end, "a process is left behind"
        time.sleep(0.02)


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX processes")
@pytest.mark.parametrize("cancel", [False, True])
def test_none_is_left_after_the_shutdown(cancel: bool) -> None:
    processes = Processes(2)
    pid = processes.submit(os.getpid).result(60)
    future = processes.submit(time.sleep, 60 if cancel else 0.1)
    processes.shutdown(cancel_futures=cancel)
    assert not is_there(pid)
    assert future.done()


OTHER = """
import os, sys, time
from pytest_token_telemetry.sources.process_pool import Processes
processes = Processes(2)
pids = {processes.submit(os.getpid).result() for _ in range(2)}
processes.submit(time.sleep, 60)
print(*pids, flush=True)
sys.stdin.read()
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks at /proc")
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_none_is_left_when_this_process_is_killed(how: signal.Signals) -> None:
    with subprocess.Popen([sys.executable, "-c", OTHER], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        pids = list(map(int, other.stdout.readline().split()))
        other.send_signal(how)
    wait_until_gone(*pids)


def in_daemon(answers: object) -> None:
    processes = Processes(1)
    answers.put(processes.submit(divmod, 9, 7).result(60))  # type: ignore[attr-defined]
    processes.shutdown()


def test_a_daemonic_process_may_start_them() -> None:
    context = multiprocessing.get_context("spawn")
    answers = context.SimpleQueue()
    process = context.Process(target=in_daemon, args=(answers,), daemon=True)
    process.start()
    process.join(60)
    assert process.exitcode == 0
    assert answers.get() == (1, 2)
