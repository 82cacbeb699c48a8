"""A call that hangs is ended, whatever it does, and nothing is left behind."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pytest_token_telemetry.importing import location
from pytest_token_telemetry.replay.base_estimator import replay_base
from pytest_token_telemetry.replay.run import replay
from pytest_token_telemetry.replay.watch import Overdue, in_this_process
from tests.unit.replay.test_base_estimator import checkout, head
from tests.unit.replay.test_run import SIX, every

SPIN = "while True: pass"
SLEEP = "import time; time.sleep(1000)"
CATCHES_ERRORS = "import time\n    while True:\n        try: time.sleep(1000)\n        except Exception: pass"
ON = "request.predicted_output_tokens == 1004"
"""The fifth call of six."""


def never(call: int | None) -> None:
    pytest.fail(f"the session would have ended in call {call}")


def estimator(text: str) -> object:
    names: dict[str, object] = {}
    exec(f"def predict(request):\n    if not {ON}: return 7\n    {text}", names)
    return names["predict"]


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="there are no signals that end a call here")
class TestHere:
    @pytest.mark.parametrize("text", [SPIN, SLEEP, CATCHES_ERRORS], ids=["spins", "sleeps", "catches errors"])
    def test_a_call_that_hangs_is_ended_and_named(self, text: str) -> None:
        before, threads = signal.getsignal(signal.SIGALRM), threading.active_count()
        with pytest.raises(Overdue) as error, in_this_process(0.2, never) as watch:
            replay(SIX, every(SIX), estimator(text), watch)
        assert error.value.call == 4
        assert signal.getsignal(signal.SIGALRM) == before
        assert threading.active_count() <= threads  # those of other tests may have ended
        assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)

    def test_the_time_is_that_of_one_call(self) -> None:
        with in_this_process(1, never) as watch:
            found = replay(SIX, every(SIX), lambda request: time.sleep(0.2) or 7, watch)
        assert found.predicted_output_tokens.tolist() == [7] * 6

    def test_a_timer_of_somebody_else_goes_on(self) -> None:
        rung = []
        before = signal.signal(signal.SIGALRM, lambda *_: rung.append(1))
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.3)
            with in_this_process(60, never) as watch:
                replay(SIX, every(SIX), lambda request: 7, watch)
            time.sleep(0.5)
        finally:
            signal.signal(signal.SIGALRM, before)
        assert rung == [1]


SESSION = """
import itertools, sys, threading, time
from pytest_token_telemetry.replay import watch
watch.GRACE = 0.2
def give_up(call): watch.end_process(4, f"call {{call}} hangs")
def work():
    with watch.in_this_process(0.2, give_up) as watched:
        for call in range(2):
            watched.begin()
            if call: {hang}
{run}
"""
CATCHES_ALL = """
                while True:
                    try: time.sleep(1000)
                    except BaseException: pass"""


@pytest.mark.parametrize(
    ("hang", "run", "code", "said"),
    [
        (CATCHES_ALL, "work()", 4, "ERROR: call 1 hangs\n"),
        (
            "time.sleep(1000)",
            "thread = threading.Thread(target=work); thread.start(); thread.join()",
            4,
            "call 1 hangs",
        ),
        ("sum(itertools.repeat(0))", "work()", 1, "in work\n"),
    ],
    ids=["catches everything", "not in the main thread", "lets no thread run"],
)
def test_a_call_that_cannot_be_ended_ends_the_process(hang: str, run: str, code: int, said: str) -> None:
    program = SESSION.format(hang=hang, run=run)
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == code, ended.stderr
    assert said in ended.stderr


def test_a_call_that_is_being_debugged_has_all_the_time(tmp_path) -> None:
    (tmp_path / "commands").write_text("!import time; time.sleep(0.8)\ncontinue\n")
    program = SESSION.format(hang="breakpoint(); print('went on')", run="work()")
    with (tmp_path / "commands").open() as commands:
        ended = subprocess.run(
            [sys.executable, "-c", program], stdin=commands, capture_output=True, text=True, timeout=60, check=False
        )
    assert ended.returncode == 0, ended.stderr
    assert "went on" in ended.stdout
    assert "Overdue" not in ended.stdout  # the debugger would show it, and go on


# In the process of the base

APART = {
    "a call": (f"def predict(request):\n    if {ON}:\n        {SPIN}\n    return 7", 4),
    "its import": ("import time; time.sleep(1000)", None),
    "its end": ("import atexit, time; atexit.register(time.sleep, 1000)\ndef predict(request): return 7", 5),
    "a program that it started": (
        "import subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(1000)'])\n"
        "open('child', 'w').write(str(child.pid))\n"
        f"def predict(request):\n    if {ON}: child.wait()\n    return 7",
        4,
    ),
}


def test_a_base_that_hangs_is_ended_with_all_that_it_started(tmp_path) -> None:
    def overdue(what: str) -> int | None:
        base = checkout(tmp_path / what / "base", APART[what][0])
        with pytest.raises(Overdue) as error:
            replay_base(SIX, every(SIX), location(f"{base}::far_estimator:predict"), head(base), 3)
        return error.value.call

    with ThreadPoolExecutor() as threads:  # all of them wait
        found = dict(zip(APART, threads.map(overdue, APART), strict=True))
    assert found == {what: call for what, (_, call) in APART.items()}
    child = (tmp_path / "a program that it started" / "base" / "child").read_text()
    assert is_gone(Path("/proc", child, "stat"))


@pytest.mark.skipif(not hasattr(signal, "SIGALRM"), reason="there is no signal to interrupt with here")
def test_ctrl_c_ends_the_base_too(tmp_path) -> None:
    base = checkout(
        tmp_path / "base",
        "import time\ndef predict(request):\n    open('own', 'w').write(str(os.getpid()))\n"
        "    os.kill(os.getppid(), signal.SIGALRM)\n    time.sleep(1000)",
    )
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)  # which raises as Ctrl-C does
    try:
        with pytest.raises(KeyboardInterrupt):
            replay_base(SIX, every(SIX), location(f"{base}::far_estimator:predict"), head(base), 60)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert is_gone(Path("/proc", (base / "own").read_text(), "stat"))


def is_gone(status: Path) -> bool:
    """True if the process has ended, or ends within a second; nobody may have waited for it yet."""
    for _ in range(20):
        try:
            if status.read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except OSError:
            return True
        time.sleep(0.05)
    return False
