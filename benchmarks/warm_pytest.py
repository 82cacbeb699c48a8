"""Runs pytest again and again, each time as a fork of this process, which has imported pytest and numpy already.

Reads an order a line from standard input (JSON: directory, arguments, environment, output), and answers with the number
of the process, and when that has ended, with its status.
"""

from __future__ import annotations

import ctypes
import json
import os
import runpy
import signal
import sys
from typing import NoReturn

import numpy  # noqa: F401 - it takes most of the time that a session needs to start
import pytest  # noqa: F401


def serve() -> None:
    """Run what is ordered; in each fork, become the session."""
    for line in sys.stdin:
        order = json.loads(line)
        child = os.fork()
        if child == 0:
            _become_session(**order)
        print(child, flush=True)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def _become_session(directory: str, arguments: list[str], environment: dict[str, str], output: str) -> NoReturn:
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell has the commands that it runs beside ignore it
    os.chdir(directory)
    os.environ.update(environment)
    nothing = os.open(os.devnull, os.O_RDONLY)
    told = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    for old, new in ((nothing, 0), (told, 1), (told, 2)):
        os.dup2(old, new)
    if "FAULTY_CALLS" in environment:
        ctypes.CDLL(None).faulty_calls_arm(environment["FAULTY_CALLS"].encode())
    sys.argv = ["pytest", *arguments]
    sys.path[0] = directory  # as for python -m pytest
    runpy.run_module("pytest", run_name="__main__", alter_sys=True)
    raise AssertionError("pytest has ended without an exit")


if __name__ == "__main__":
    serve()
