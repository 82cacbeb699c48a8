"""``--token-telemetry-jobs``: logs read with several processes, of which none dies unseen or stays behind."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.conftest import Run, add_hole
from tests.lines import ready_lines, stamp, v2, write

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks at the processes in /proc")

COUNT_PROCESSES = """
from pytest_token_telemetry.sources import process_pool
original = process_pool.Processes._start
def start(self):
    print("A PROCESS STARTS")
    return original(self)
process_pool.Processes._start = start
"""


@pytest.fixture
def counted(pytester: pytest.Pytester) -> None:
    """Have pytest say whenever it starts a process to read with."""
    pytester.makeconftest(COUNT_PROCESSES)


@pytest.mark.parametrize("jobs", ["2", "auto"])
def test_the_verdict_is_that_of_one_process(run: Run, tuning: Path, jobs: str) -> None:
    for n in range(5):
        write(tuning, [v2(time=stamp(n))], f"run-{n}/agent.log")
    alone = run("--token-telemetry-jobs=1")
    several = run(f"--token-telemetry-jobs={jobs}")
    for each in (alone, several):
        assert each.report is not None
        del each.report["created"], each.report["scan"]
        each.report["settings"].pop("jobs")
    assert alone.report == several.report
    assert alone.exit == several.exit == 1


HOW = {
    "pytest": ["pytest"],
    "python -m pytest": [sys.executable, "-m", "pytest"],
    "python -c": [sys.executable, "-c", "import pytest, sys; sys.exit(pytest.main(sys.argv[1:]))"],
    "python script": [sys.executable, "unguarded.py"],
}
UNGUARDED = "print('MAIN PROGRAM'); import pytest, sys; sys.exit(pytest.main(sys.argv[1:]))"


@pytest.mark.usefixtures("counted")
@pytest.mark.parametrize(
    ("how", "more"),
    [*((how, []) for how in HOW), ("pytest", ["-n", "1"]), ("python -m pytest", ["-p", "no:terminal"])],
    ids=lambda value: value if isinstance(value, str) else " ".join(value),
)
def test_processes_work_however_pytest_is_started(
    pytester: pytest.Pytester, passing: Path, how: str, more: list[str]
) -> None:
    (pytester.path / "unguarded.py").write_text(UNGUARDED)
    pytester.makepyfile("def test_it(): pass")
    command = HOW[how] if how != "pytest" else [shutil.which("pytest", path=Path(sys.executable).parent) or "pytest"]
    options = ["-p", "no:randomly", "-s", "--token-telemetry-dir=runs", "--token-telemetry-jobs=2", *more]
    done = subprocess.run([*command, *options], cwd=pytester.path, capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
    assert (done.returncode, done.stdout.count("A PROCESS STARTS")) == (0, 1)
    assert done.stdout.count("MAIN PROGRAM") == (how == "python script")


@pytest.mark.usefixtures("counted")
def test_modules_in_the_current_directory_do_no_harm(run: Run, pytester: pytest.Pytester, passing: Path) -> None:
    for name in ("scanning", "extract", "processes", "tasks", "sources"):
        (pytester.path / f"{name}.py").write_text("raise SystemExit('the wrong module')")
    pytester.makepyfile("def test_it(): pass")
    done = run("--token-telemetry-jobs=2", "-s", process=True)
    assert done.exit == 0, done.text
    assert "A PROCESS STARTS" in done.text


@pytest.mark.usefixtures("counted")
def test_coverage_of_all_processes_does_no_harm(
    pytester: pytest.Pytester, passing: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COVERAGE_FILE", str(pytester.path / ".coverage"))  # and not that of the tests themselves
    (pytester.path / ".coveragerc").write_text("[run]\nparallel = true\npatch = subprocess\nsource = .\n")
    options = ["-p", "no:randomly", "-s", "--token-telemetry-dir=runs", "--token-telemetry-jobs=2"]
    command = [sys.executable, "-m", "coverage", "run", "-m", "pytest", *options]
    done = subprocess.run(command, cwd=pytester.path, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert "A PROCESS STARTS" in done.stdout


# Processes that end early -----------------------------------------------------------------------------------------


@pytest.fixture
def endless(pytester: pytest.Pytester, passing: Path) -> Path:
    """Logs of which two take minutes to be read."""
    for name in ("large-1.log", "large-2.log"):
        (passing / name).write_text("\n".join(ready_lines(27)))
        add_hole(passing / name, 1 << 38)
    return passing


class Session:
    """A pytest session that reads the endless logs."""

    def __init__(self, directory: Path) -> None:
        options = ["-p", "no:randomly", "--token-telemetry-dir=runs", "--token-telemetry-jobs=2"]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "pytest", *options, "--token-telemetry-json=report.json"],
            cwd=directory,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            preexec_fn=_listen,
        )
        self.readers = self._readers()

    def end(self) -> tuple[int, str, str]:
        """Exit code, standard output and standard error; nothing it started is there any more."""
        try:
            out, err = self.process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            raise
        end = time.monotonic() + 20
        while any(Path(f"/proc/{reader}/fd/1").exists() for reader in self.readers.values()):
            assert time.monotonic() < end, "a process is left behind"
            time.sleep(0.02)
        return self.process.returncode, out, err

    def _readers(self) -> dict[str, int]:
        """Wait until both logs are being read, and say by which processes."""
        end = time.monotonic() + 60
        while time.monotonic() < end and self.process.poll() is None:
            pids = [self.process.pid, *_children(self.process.pid)]
            found = {pid: name for pid in pids for name in _open_files(pid) if name.startswith("large-")}
            if set(found.values()) == {"large-1.log", "large-2.log"}:
                return {name: pid for pid, name in found.items()}
            time.sleep(0.02)
        self.process.kill()
        pytest.fail(f"the logs are not read: {self.process.communicate()}")


def _listen() -> None:
    """Have SIGINT interrupt the session: what runs in the background of a shell is started without."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _children(pid: int) -> Iterator[int]:
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            yield int(path.parent.name)


def _open_files(pid: int) -> Iterator[str]:
    try:
        for path in Path(f"/proc/{pid}/fd").iterdir():
            yield path.readlink().name
    except OSError:
        return


@linux
def test_a_process_that_is_killed_is_an_error_that_names_its_file(pytester: pytest.Pytester, endless: Path) -> None:
    session = Session(pytester.path)
    name, reader = next((name, pid) for name, pid in session.readers.items() if pid != session.process.pid)
    os.kill(reader, signal.SIGKILL)
    code, out, err = session.end()
    assert code == 4
    assert err == f"ERROR: a process that read {endless}/{name} was killed by SIGKILL\n\n"
    assert "Traceback" not in out + err
    assert "PASS" not in out
    assert json.loads((pytester.path / "report.json").read_text())["verdict"] is None


@linux
@pytest.mark.parametrize("whom", ["pytest", "all"])
def test_an_interrupt_ends_all(pytester: pytest.Pytester, endless: Path, whom: str) -> None:
    session = Session(pytester.path)
    if whom == "all":
        os.killpg(session.process.pid, signal.SIGINT)
    else:
        os.kill(session.process.pid, signal.SIGINT)
    code, out, err = session.end()
    assert (code, err) == (2, "")
    assert "KeyboardInterrupt" in out
    assert "PASS" not in out
    assert json.loads((pytester.path / "report.json").read_text())["verdict"] is None


@linux
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_session_that_is_killed_leaves_nobody_behind(
    pytester: pytest.Pytester, endless: Path, how: signal.Signals
) -> None:
    session = Session(pytester.path)
    session.process.send_signal(how)
    assert session.end()[0] == -how
