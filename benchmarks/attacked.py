"""Where sessions are attacked: a directory that is laid out anew for each, and a process that runs them."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from threading import Timer
from typing import IO, TYPE_CHECKING

from measuring import clean_environment
from scenarios import PYTEST_XML, STEP_OUTPUT, STEP_SUMMARY, Scenario, write_case
from untruths import NONE, Aftermath, judge

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from untruths import Excuse, Judgement

PATIENCE = 60.0
"""Seconds after which a session hangs."""

LEAVE = 5.0
"""Seconds that the processes of a session have to end after it."""

_LONG_AGO = 1_000_000_000
"""When the earlier reports were written, so that they can be told from new ones."""


class Stage:
    """The directory that each session has for itself, and the process that runs them."""

    def __init__(self, work: Path, library: Path | None = None) -> None:
        """A stage in ``work``, with ``library`` loaded into each session."""
        self.work = work
        self.directory = work / "case"
        self._library = library
        self._server: subprocess.Popen[str] | None = None
        self._templates: set[Path] = set()
        self._earlier: dict[str, bytes] = {}
        self.undisturbed: dict[Scenario, Aftermath] = {}

    def close(self) -> None:
        """End the process."""
        if self._server is not None:
            self._server.communicate()
            self._server = None

    def learn(self, scenario: Scenario) -> Aftermath:
        """What ``scenario`` leaves if nothing disturbs it."""
        if not self._earlier:
            first = Scenario("pass")
            self._set_logs(first)
            for name in ("out", "appended", "kept"):
                (self.directory / "data" / name).mkdir(exist_ok=True)
            self._earlier = dict(self.play(first.arguments).files)
        if scenario not in self.undisturbed:
            self.set(scenario)
            found = self.play(scenario.arguments)
            self.undisturbed[scenario] = found
            if found.status != scenario.status:
                raise RuntimeError(f"{scenario} ends with {found.status} without a disturbance\n{found.output}")
        return self.undisturbed[scenario]

    def set(self, scenario: Scenario) -> None:
        """Lay out what is there before a session of ``scenario``: logs, tests, and what an earlier session left."""
        self._set_logs(scenario)
        if scenario.logs == "empty":
            (self.directory / "data" / "empty").mkdir()
        for path, content in self._earlier.items():
            if path == PYTEST_XML:
                continue  # not ours to remove
            file = self.directory / "data" / path
            file.parent.mkdir(exist_ok=True)
            file.write_bytes(content)
            os.utime(file, (_LONG_AGO, _LONG_AGO))

    def _set_logs(self, scenario: Scenario) -> None:
        template = self.work / f"template-{scenario.truth}-{scenario.jobs}"
        if template not in self._templates:
            write_case(template, scenario)
            self._templates.add(template)
        shutil.rmtree(self.directory, ignore_errors=True)
        shutil.copytree(template, self.directory, copy_function=os.link)

    def play(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str] | None = None,
        meanwhile: Callable[[int], None] | None = None,
    ) -> Aftermath:
        """Run pytest on the stage as it is, and ``meanwhile`` what is given, with the number of its process."""
        output = self.work / "output.txt"
        data = self.directory / "data"
        order = {
            "directory": str(self.directory),
            "arguments": list(arguments),
            "environment": {
                "GITHUB_ACTIONS": "true",
                "GITHUB_STEP_SUMMARY": str(data / STEP_SUMMARY),
                "GITHUB_OUTPUT": str(data / STEP_OUTPUT),
                **(environment or {}),
            },
            "output": str(output),
        }
        ask, answer = self._started()
        ask.write(json.dumps(order) + "\n")
        ask.flush()
        session = int(answer.readline())
        watch = Timer(PATIENCE, _end, (session,))
        watch.start()
        if meanwhile is not None:
            meanwhile(session)
        status = int(answer.readline())
        hung = not watch.is_alive()
        watch.cancel()
        left = _left_running(session)
        _end(session)
        files = {
            str(path.relative_to(data)): path
            for path in sorted(data.rglob("*"))
            if path.is_file() and "logs" not in path.relative_to(data).parts
        }
        return Aftermath(
            status,
            output.read_text(encoding="utf-8", errors="replace"),
            hung,
            left,
            {name: path.read_bytes() for name, path in files.items()},
            frozenset(name for name, path in files.items() if path.stat().st_mtime == _LONG_AGO),
        )

    def _started(self) -> tuple[IO[str], IO[str]]:
        """Where orders to the process are written, and its answers read."""
        if self._server is None:
            more = {"NO_COLOR": "1", "COLUMNS": "100"}
            if self._library is not None:
                more["LD_PRELOAD"] = str(self._library)
            self._server = subprocess.Popen(  # noqa: S603 - a script of this directory
                (sys.executable, str(Path(__file__).with_name("warm_pytest.py"))),
                env=clean_environment(**more),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        if self._server.stdin is None or self._server.stdout is None:
            raise RuntimeError("pipes were asked for")
        return self._server.stdin, self._server.stdout

    def judge(self, found: Aftermath, scenario: Scenario, excuse: Excuse = NONE) -> Judgement:
        """Whether what a session of ``scenario`` left is true."""
        return judge(found, self.undisturbed[scenario], self._earlier, scenario, excuse)


def _left_running(session: int) -> tuple[str, ...]:
    """The processes of a session that stay for longer than they may."""
    patience = time.monotonic() + LEAVE
    while (processes := dict(members(session))) and time.monotonic() < patience:
        time.sleep(0.02)
    return tuple(processes.values())


def members(session: int) -> Iterator[tuple[int, str]]:
    """The processes of a session that run, each with its command line."""
    for directory in Path("/proc").iterdir():
        if directory.name.isdigit():
            with suppress(OSError):
                state, _, _, of = (directory / "stat").read_text().rpartition(")")[2].split()[:4]
                if int(of) == session and state != "Z":
                    command = (directory / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                    yield int(directory.name), command[:80].replace("\n", " ")


def _end(session: int) -> None:
    for process, _ in members(session):
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
