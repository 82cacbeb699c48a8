"""``--token-telemetry-executor``: logs read by other engines, which a user names."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from pytest_token_telemetry.sources import other_engines
from tests.integration.conftest import Run, add_hole
from tests.lines import ready_lines, stamp, v2, write

with suppress(ImportError):  # now: what it changes in the interpreter must outlast a pytest in this process
    import distributed  # noqa: F401

ENGINES = '''
"""What users might write."""

from concurrent.futures import Executor, Future, ThreadPoolExecutor

class Here(Executor):
    def submit(self, function, /, *arguments, **named):
        future = Future()
        future.set_result(function(*arguments, **named))
        return future

class NoSubclass:
    def submit(self, function, /, *arguments):
        return Here().submit(function, *arguments)

    def shutdown(self, wait=True):
        print("SHUT DOWN", wait)

class Engines:
    @staticmethod
    def threads():
        return ThreadPoolExecutor(3)

class Dead(Here):
    def submit(self, function, /, *arguments):
        raise RuntimeError("the queue is closed")

def nothing(): pass
def fails(): raise ValueError("no licence\\nfor this machine")
def wants(more): pass
number = 7
'''


@pytest.fixture
def engines(pytester: pytest.Pytester) -> None:
    (pytester.path / "engines.py").write_text(ENGINES)


def without_dates(report: dict[str, object]) -> dict[str, object]:
    settings = {**report["settings"], "jobs": None, "executor": None}  # type: ignore[dict-item]
    return {**report, "created": None, "scan": None, "settings": settings}


@pytest.mark.usefixtures("engines")
@pytest.mark.parametrize(
    "spec", ["concurrent.futures:ThreadPoolExecutor", "engines:Here", "engines:NoSubclass", "engines:Engines.threads"]
)
def test_the_verdict_is_that_of_one_process(run: Run, tuning: Path, spec: str) -> None:
    for n in range(5):
        write(tuning, [v2(time=stamp(n))], f"run-{n}/agent.log")
    alone = run("--token-telemetry-jobs=1")
    elsewhere = run(f"--token-telemetry-executor={spec}", "-s")
    assert without_dates(alone.report) == without_dates(elsewhere.report)
    assert ("SHUT DOWN True" in elsewhere.text) == (spec == "engines:NoSubclass")


@pytest.mark.usefixtures("engines")
@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        ("no_such_engine:Executor", "'no_such_engine' cannot be imported: ModuleNotFoundError: No module named"),
        ("engines:missing", "'engines' has no 'missing'"),
        ("engines:number", "engines:number is int, which cannot be called"),
        ("engines:nothing", "engines:nothing makes NoneType, which is not an executor"),
        ("engines:fails", "engines:fails cannot be called: ValueError: no licence for this machine"),
        ("engines:wants", "engines:wants cannot be called: TypeError: wants() missing 1 required"),
        ("engines:Dead", "the executor takes no work: RuntimeError: the queue is closed"),
    ],
)
def test_a_wrong_factory_is_refused_with_one_sentence(run: Run, passing: Path, spec: str, sentence: str) -> None:
    refused = run(f"--token-telemetry-executor={spec}")
    assert refused.exit == 4
    assert f"ERROR: {sentence}" in refused.text
    assert "Traceback" not in refused.text
    assert "PASS" not in refused.text


def test_without_the_extra_dask_is_refused(run: Run, passing: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    refused = run("--token-telemetry-executor=dask://127.0.0.1:8786")
    assert refused.exit == 4
    assert "ERROR: distributed is not installed: install the extra 'pytest-token-telemetry[dask]'" in refused.text


# Dask -------------------------------------------------------------------------------------------------------------

CLUSTER = """
import sys
from distributed import LocalCluster

if __name__ == "__main__":
    with LocalCluster(
        n_workers=int(sys.argv[1]), threads_per_worker=1, host="127.0.0.1", dashboard_address=None,
        worker_dashboard_address=None, silence_logs=60,
    ) as cluster:
        print(cluster.scheduler_address, flush=True)
        for line in sys.stdin:
            print(*(worker.pid for worker in cluster.workers.values()), flush=True)
"""


@dataclass
class LocalCluster:
    """A scheduler and its workers in processes of their own, as on a real cluster."""

    process: subprocess.Popen[str]
    address: str

    @property
    def option(self) -> str:
        return f"--token-telemetry-executor={self.address.replace('tcp://', 'dask://')}"

    def workers(self) -> list[int]:
        """The ids of their processes."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return list(map(int, self.process.stdout.readline().split()))


def start(directory: Path, workers: int, **environment: str) -> Iterator[LocalCluster]:
    pytest.importorskip("distributed", reason="the extra 'dask' is not installed")
    (directory / "cluster.py").write_text(CLUSTER)
    with subprocess.Popen(
        [sys.executable, "cluster.py", str(workers)],
        cwd=directory,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "DASK_TEMPORARY_DIRECTORY": str(directory), **environment},
    ) as process:
        yield LocalCluster(process, process.stdout.readline().strip())
        process.stdin.close()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    yield from start(tmp_path_factory.mktemp("cluster"), 2)


@pytest.fixture
def strict_cluster(tmp_path: Path) -> Iterator[LocalCluster]:
    """A cluster that gives a task up as soon as a worker dies with it."""
    yield from start(tmp_path, 1, DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES="0")


def test_a_cluster_comes_to_the_verdict_of_one_process(run: Run, tuning: Path, cluster: LocalCluster) -> None:
    for n in range(5):
        write(tuning, [v2(time=stamp(n))], f"run-{n}/agent.log")
    alone = run("--token-telemetry-jobs=1")
    elsewhere = run(cluster.option, process=True)
    assert without_dates(alone.report) == without_dates(elsewhere.report)
    assert "distributed" not in elsewhere.text


class Reading:
    """A pytest session whose logs are read by a cluster, one of them for a while."""

    def __init__(self, directory: Path, cluster: LocalCluster, size: int) -> None:
        log = directory / "runs" / "large.log"
        log.write_text("\n".join([*ready_lines(27), ""]))
        add_hole(log, size)
        options = ["-p", "no:randomly", "--token-telemetry-dir=runs", "--token-telemetry-json=report.json"]
        self.session = subprocess.Popen(
            [sys.executable, "-m", "pytest", *options, cluster.option],
            cwd=directory,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.reader = self._reader(cluster)

    def end(self) -> tuple[int, str, str]:
        out, err = self.session.communicate(timeout=90)
        return self.session.returncode, out, err

    def _reader(self, cluster: LocalCluster) -> int:
        end = time.monotonic() + 60
        while time.monotonic() < end and self.session.poll() is None:
            for pid in cluster.workers():
                if any(_opened(path) == "large.log" for path in Path(f"/proc/{pid}/fd").iterdir()):
                    return pid
            time.sleep(0.02)
        self.session.kill()
        pytest.fail(f"the log is not read: {self.session.communicate()}")


def _opened(descriptor: Path) -> str:
    """The name of the file behind a descriptor; empty if it was closed meanwhile."""
    try:
        return descriptor.readlink().name
    except OSError:
        return ""


linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks at the processes in /proc")


@linux
def test_what_a_dead_worker_had_is_read_by_another_one(
    pytester: pytest.Pytester, passing: Path, cluster: LocalCluster
) -> None:
    reading = Reading(pytester.path, cluster, 1 << 29)
    os.kill(reading.reader, signal.SIGKILL)
    code, out, err = reading.end()
    assert (code, err) == (0, ""), out
    counts = json.loads((pytester.path / "report.json").read_text())["counts"]
    assert (counts["samples"], counts["duplicates"], counts["unreadable_files"]) == (60, 27, 0)


@linux
def test_a_task_that_a_cluster_gives_up_is_an_error_that_names_its_file(
    pytester: pytest.Pytester, passing: Path, strict_cluster: LocalCluster
) -> None:
    (passing / "run-1" / "agent.log").unlink()  # else it may be the first to be given up
    reading = Reading(pytester.path, strict_cluster, 1 << 38)
    os.kill(reading.reader, signal.SIGKILL)
    code, out, err = reading.end()
    assert code == 4
    assert err == f"ERROR: the workers died that were to read {passing}/large.log\n\n"
    assert "Traceback" not in out + err
    assert "PASS" not in out


def test_no_scheduler_is_told_at_once(run: Run, passing: Path) -> None:
    pytest.importorskip("distributed", reason="the extra 'dask' is not installed")
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))  # nobody else takes the port, and nobody listens
        port = server.getsockname()[1]
        refused = run(f"--token-telemetry-executor=dask://127.0.0.1:{port}", process=True)
    assert refused.exit == 4
    assert f"ERROR: no scheduler answers at dask://127.0.0.1:{port}: ConnectionRefusedError" in refused.text
    assert "Traceback" not in refused.text
    assert "distributed" not in refused.text


@pytest.mark.parametrize(
    ("greeting", "reason"),
    [(b"", "TimeoutError: timed out"), (b"SSH-2.0-OpenSSH_9.2\r\n", "OSError: what answers there")],
)
def test_something_else_at_the_port_is_no_scheduler(
    run: Run, passing: Path, monkeypatch: pytest.MonkeyPatch, greeting: bytes, reason: str
) -> None:
    pytest.importorskip("distributed", reason="the extra 'dask' is not installed")
    monkeypatch.setattr(other_engines, "CONNECTING", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with ThreadPoolExecutor(1) as host:
            guest = host.submit(lambda: server.accept()[0])
            host.submit(lambda: guest.result(10).sendall(greeting))
            refused = run(f"--token-telemetry-executor=dask://127.0.0.1:{port}")
            guest.result(10).close()
    assert refused.exit == 4
    assert f"ERROR: no scheduler answers at dask://127.0.0.1:{port}: {reason}" in refused.text


def test_a_scheduler_without_workers_is_told(
    run: Run, passing: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(other_engines, "WORKERS", 0.5)
    (tmp_path / "empty").mkdir()
    for cluster in start(tmp_path / "empty", 0):
        refused = run(cluster.option)
        assert refused.exit == 4
        assert f"ERROR: the scheduler at {cluster.address.replace('tcp', 'dask')} has no workers" in refused.text
