"""However the reading is divided, and whoever reads, what comes of it is the same."""

from __future__ import annotations

import dataclasses
import os
import pickle
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_token_telemetry.columns import NameColumn
from pytest_token_telemetry.recording.record import line as own_line
from pytest_token_telemetry.sources import extract, scanning, tasks
from pytest_token_telemetry.sources.extract import Piece
from pytest_token_telemetry.sources.reading import Directory, Reading, read_directories
from pytest_token_telemetry.sources.recorded import Phase, Recorded, Span
from pytest_token_telemetry.sources.scanning import Progress, Scan, ScanError
from pytest_token_telemetry.sources.tasks import Bounds
from tests.lines import stamp, v2, write
from tests.unit.sources.test_reading import OTHER_LINES, V2_LINES, budget, joined

SMALL = Bounds(size=2_000, files=2, part=1_000)
PATTERNS = ("*.log", "*.jsonl")


def at(second: int) -> datetime:
    return datetime(2026, 1, 2, 3, 4, second, tzinfo=UTC)


class Pickling(Executor):
    """Does its work at once, with all that goes in and out on its way to another process."""

    def __init__(self) -> None:
        self.sent = 0

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        text = pickle.dumps(fn(*pickle.loads(pickle.dumps(args)), **kwargs))
        self.sent += len(text)
        future.set_result(pickle.loads(text))
        return future


def with_executor(executor: Executor, bounds: Bounds = SMALL, progress: Progress | None = None) -> Scan:
    @contextmanager
    def opened() -> Iterator[Executor]:
        yield executor

    return Scan(executor=opened, bounds=bounds, progress=progress or Progress())


def read(directory: Path, scan: Scan | None = None, recorded: Recorded | None = None) -> Reading:
    return read_directories([Directory(directory, "logs")], PATTERNS, scan=scan, recorded=recorded)


def everything(reading: Reading) -> dict[str, Any]:
    """All of ``reading``, as something that can be compared."""
    found = {field.name: getattr(reading, field.name) for field in dataclasses.fields(reading) if field.compare}
    samples = found.pop("samples")
    for field in dataclasses.fields(samples):
        column = getattr(samples, field.name)
        if isinstance(column, NameColumn):
            column = ([column.name(row) for row in range(len(samples))], column.names)
        elif field.name != "features":
            column = [repr(value) for value in column[:].tolist()]  # NaN differs from itself
        found[field.name] = column
    return found


# For any logs -----------------------------------------------------------------------------------------------------

OWN_LINES = st.builds(
    lambda id, second, task, truncated: own_line(
        predicted_output_tokens=900, output_tokens=900, time=at(second), **id, **task, **truncated
    ),
    st.sampled_from([{}, {"id": "a"}, {"id": "b"}]),
    st.integers(0, 3),
    st.sampled_from([{}, {"task_id": "p"}]),
    st.sampled_from([{}, {"truncated": True}]),
)
LINES = V2_LINES | OTHER_LINES | OWN_LINES | st.sampled_from(["x" * 300, "\0", "ü\0\n\r", v2(), v2()])
TEXTS = st.builds(
    lambda lines, glue, encoding, end: glue.join([*lines, ""] if end else lines).encode(encoding),
    st.lists(LINES, max_size=12),
    st.sampled_from(["\n", "\n", "\n", "\r\n", ""]),
    st.sampled_from(["utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"]),
    st.booleans(),
)
BOUNDS = st.builds(Bounds, st.integers(1, 3_000), st.integers(1, 3), st.integers(1, 2_000))
RECORDED = Recorded(
    phases=(
        Phase(
            "tests/test_it.py::test_it",
            Span(1767323044.0, 1767323047.0),
            (own_line(predicted_output_tokens=900, output_tokens=900, time=at(5), id="a"),),
        ),
    )
)


@contextmanager
def logs(texts: Sequence[bytes]) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as directory:
        for n, text in enumerate(texts):
            Path(directory, f"{n}.log").write_bytes(text)
        yield Path(directory)


@settings(deadline=None, max_examples=150)
@given(st.lists(TEXTS, max_size=4), BOUNDS, st.integers(1, 400), st.sampled_from([None, RECORDED]))
def test_neither_tasks_nor_parts_show(
    texts: list[bytes], bounds: Bounds, reach: int, recorded: Recorded | None
) -> None:
    with logs(texts) as directory, pytest.MonkeyPatch.context() as patch:
        patch.setattr(tasks, "_REACH", reach)
        expected = everything(read(directory, recorded=recorded))
        patch.setattr(extract, "_AT_ONCE", reach)
        assert everything(read(directory, with_executor(Pickling(), bounds), recorded)) == expected
        assert everything(read(directory, Scan(buffer=50, jobs=None, bounds=bounds), recorded)) == expected


@settings(deadline=None, max_examples=30)
@given(st.lists(TEXTS, max_size=4), BOUNDS)
def test_many_threads_do_not_show(texts: list[bytes], bounds: Bounds) -> None:
    with logs(texts) as directory, ThreadPoolExecutor(3) as executor:
        assert everything(read(directory, with_executor(executor, bounds))) == everything(read(directory))


def a_bit_of_everything(directory: Path) -> Path:
    """Logs in which lines of one file belong together from one end to the other."""
    lines = [v2(time=stamp(n), output=n, category=f"kind-{n % 7}") for n in range(300)]
    for n in range(0, 300, 10):
        lines[n] = budget(f"phase-{n}", n + 1)
    write(directory, lines, "a.log")
    write(directory, [*lines[:5], v2(None), "x" * 5_000, v2(output=-1), *lines[200:]], "b/copy.log")
    calls = [own_line(predicted_output_tokens=9, output_tokens=n, id="stub", time=at(n)) for n in range(60)]
    write(directory, calls, "c.jsonl")
    write(directory, calls[30:], "d.jsonl")
    (directory / "e.log").write_bytes("\n".join(lines).encode("utf-16"))
    (directory / "f.log").write_bytes(b"\0".join("\n".join(lines[:50]).encode().split(b"\n")))
    return directory


@pytest.mark.parametrize("jobs", [2, 3])
def test_processes_of_our_own_do_not_show(tmp_path: Path, jobs: int) -> None:
    logs = a_bit_of_everything(tmp_path)
    expected = everything(read(logs))
    assert len(expected["files"]) == 6
    assert everything(read(logs, Scan(jobs=jobs, bounds=SMALL))) == expected


def test_processes_are_started_where_the_work_is_worth_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    logs = a_bit_of_everything(tmp_path)
    expected = everything(read(logs))
    monkeypatch.setattr(scanning, "_processors", lambda: 2)
    monkeypatch.setattr(scanning, "_WORTH_PROCESSES", 1e-6)
    monkeypatch.setattr(scanning, "_LOOK_FIRST", 1e-6)
    started: list[int] = []
    original = scanning.Processes
    monkeypatch.setattr(scanning, "Processes", lambda number: started.append(number) or original(number))
    assert everything(read(logs, Scan(jobs=None, bounds=SMALL))) == expected
    assert started == [1]  # and this one


@pytest.mark.parametrize("least", ["_PER_FILE", "_PER_BYTE"])
def test_processes_are_started_at_once_where_there_is_much_to_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, least: str
) -> None:
    logs = a_bit_of_everything(tmp_path)
    monkeypatch.setattr(scanning, "_processors", lambda: 3)
    monkeypatch.setattr(scanning, least, 10.0)
    progress, read_before = Progress(), []
    original = scanning.Processes
    monkeypatch.setattr(
        scanning, "Processes", lambda number: read_before.append((number, progress.size)) or original(number)
    )
    assert everything(read(logs, Scan(jobs=None, bounds=SMALL, progress=progress))) == everything(read(logs))
    assert read_before == [(2, 0)]


def test_little_work_starts_no_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    logs = a_bit_of_everything(tmp_path)
    monkeypatch.setattr(scanning, "_processors", lambda: 8)
    monkeypatch.setattr(scanning, "_LOOK_FIRST", 600.0)  # however slow this machine is
    monkeypatch.setattr(scanning, "Processes", pytest.fail)
    assert everything(read(logs, Scan(jobs=None, bounds=SMALL))) == everything(read(logs))


def no_processes(number: int) -> None:
    raise BlockingIOError(11, "Resource temporarily unavailable")


def test_where_no_process_can_be_started_one_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    logs = a_bit_of_everything(tmp_path)
    monkeypatch.setattr(scanning, "_processors", lambda: 2)
    monkeypatch.setattr(scanning, "_WORTH_PROCESSES", 1e-6)
    monkeypatch.setattr(scanning, "_LOOK_FIRST", 1e-6)
    monkeypatch.setattr(scanning, "Processes", no_processes)
    assert everything(read(logs, Scan(jobs=None, bounds=SMALL))) == everything(read(logs))


def test_an_error_after_the_start_is_no_reason_to_go_on_with_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(scanning, "_processors", lambda: 2)
    monkeypatch.setattr(scanning, "_PER_FILE", 10.0)
    monkeypatch.setattr(scanning, "_submit", fails)
    with pytest.raises(BlockingIOError):
        read(a_bit_of_everything(tmp_path), Scan(jobs=None, bounds=SMALL))


def test_processes_that_were_asked_for_and_cannot_be_started_are_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scanning, "Processes", no_processes)
    with pytest.raises(ScanError, match=r"^no process can be started: BlockingIOError: .*unavailable$"):
        read(a_bit_of_everything(tmp_path), Scan(jobs=2))


def test_a_line_that_is_longer_than_parts_makes_a_part_longer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "_REACH", 300)
    write(tmp_path, [budget("p", 900), "x" * 10_000, *[v2(time=stamp(n), output=900) for n in range(20)]], "a.log")
    parts = list(tasks.plan([Piece(str(tmp_path / "a.log"))], SMALL, keep_ids=False, away=False))
    assert [each.size > 10_000 for each in parts] == [True] + [False] * (len(parts) - 1)
    assert len(parts) > 3
    assert joined(read(tmp_path, with_executor(Pickling())))[0] == ("p", 16384)


def test_progress_adds_up(tmp_path: Path) -> None:
    logs = a_bit_of_everything(tmp_path)
    told: list[tuple[int, int]] = []
    read(logs, with_executor(Pickling(), SMALL, Progress(lambda files, size: told.append((files, size)))))
    assert told == sorted(told)
    assert told[-1] == (6, sum(path.stat().st_size for path in logs.rglob("*") if path.is_file()))


def test_an_executor_has_few_tasks_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scanning, "_WAITING", 3)

    class Late(Pickling):
        def __init__(self) -> None:
            super().__init__()
            self.waiting: list[tuple[Future[Any], Any]] = []
            self.most = 0

        def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
            future: Future[Any] = Future()
            self.waiting.append((future, super().submit(fn, *args).result()))
            self.most = max(self.most, len(self.waiting))
            if len(self.waiting) == 3:
                self.end()
            return future

        def end(self) -> None:
            while self.waiting:  # the last one first
                future, result = self.waiting.pop()
                future.set_result(result)

    executor = Late()
    for n in range(30):
        write(tmp_path, [v2(time=stamp(n))], f"{n}.log")
    assert everything(read(tmp_path, with_executor(executor, Bounds(1, 1, 10_000)))) == everything(read(tmp_path))
    assert executor.most == 3


# Files that change ------------------------------------------------------------------------------------------------


class Meddling(Pickling):
    """Does something to a file before the task with this number."""

    def __init__(self, at: int, meddle: Callable[[], object]) -> None:
        super().__init__()
        self.at = at
        self.meddle = meddle

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        if self.at == 0:
            self.meddle()
        self.at -= 1
        return super().submit(fn, *args, **kwargs)


LARGE = "".join(f"{v2(time=stamp(n))}\n" for n in range(40))


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """One log that is read in parts."""
    (tmp_path / "a.log").write_text(LARGE)
    return tmp_path / "a.log"


def read_meddled(large: Path, at: int, meddle: Callable[[], object]) -> Reading:
    return read(large.parent, with_executor(Meddling(at, meddle)))


def rewritten(large: Path, text: str) -> None:
    large.write_text(text)


def renamed(large: Path, text: str) -> None:
    large.with_suffix(".new").write_text(text)
    large.with_suffix(".new").replace(large)


@pytest.mark.parametrize("at", [0, 1, 5])
@pytest.mark.parametrize("how", [rewritten, renamed])
@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", "it became shorter while it was read"),
        (LARGE[: len(LARGE) // 2], "it became shorter while it was read"),
        (LARGE.replace("2026", "2027") * 2, "it was replaced while it was read"),
        ("".join(reversed(LARGE)), "it was replaced while it was read"),
    ],
    ids=["empty", "half", "longer", "as long"],
)
def test_a_file_that_is_another_one_when_its_parts_are_read_is_unreadable(
    large: Path, at: int, how: Callable[[Path, str], None], text: str, error: str
) -> None:
    found = read_meddled(large, at, lambda: how(large, text))
    assert found.unreadable == {"logs/a.log": error}


def test_a_file_that_is_gone_when_its_last_part_is_read_is_unreadable(large: Path) -> None:
    found = read_meddled(large, 5, large.unlink)
    assert found.unreadable == {"logs/a.log": "No such file or directory"}


def test_a_file_that_is_gone_when_its_first_part_is_read_is_unreadable(large: Path) -> None:
    found = read_meddled(large, 0, large.unlink)
    assert found.unreadable == {"logs/a.log": "No such file or directory"}


def test_what_is_appended_while_parts_are_read_is_for_the_next_time(large: Path) -> None:
    expected = everything(read(large.parent))

    def append() -> None:
        with large.open("a") as file:
            file.write(v2(time=stamp(1_000)))

    assert everything(read_meddled(large, 3, append)) == expected


def test_a_whole_file_that_becomes_shorter_while_it_is_read_is_unreadable(large: Path) -> None:
    progress = Progress(lambda files, size: os.truncate(large, 3_000))
    found = read(large.parent, Scan(buffer=1_000, progress=progress))
    assert found.unreadable == {"logs/a.log": "it became shorter while it was read"}


def test_a_file_that_becomes_a_pipe_before_it_is_divided_is_unreadable(large: Path) -> None:
    if not hasattr(os, "mkfifo"):
        pytest.skip("needs named pipes")

    def meddle() -> None:
        large.unlink()
        os.mkfifo(large)

    write(large.parent, [v2()], "0.log")
    write(large.parent, [v2()], "00.log")
    scan = with_executor(Meddling(0, meddle), Bounds(1, 1, 1_000))
    assert read(large.parent, scan).unreadable == {"logs/a.log": "it is no longer a regular file"}


# Other machines ---------------------------------------------------------------------------------------------------


class OtherDevices(Pickling):
    """As machines on which the same file system has another number, and another one has its number."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future = super().submit(fn, *args, **kwargs)
        found = future.result()
        files = tuple(each._replace(identity=each.identity and (1, 1)) for each in found.files)
        other: Future[Any] = Future()
        other.set_result(dataclasses.replace(found, files=files))
        return other


def test_files_are_told_apart_by_this_machine(tmp_path: Path) -> None:
    logs = a_bit_of_everything(tmp_path)
    os.link(logs / "a.log", logs / "z.log")
    assert everything(read(logs, with_executor(OtherDevices()))) == everything(read(logs))


def test_another_version_on_a_worker_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pytest_token_telemetry.sources import extract

    class Older(Pickling):
        def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
            future: Future[Any] = Future()
            monkeypatch.setattr(extract, "__version__", "0.0.1")
            try:
                fn(*args)
            except Exception as error:
                future.set_exception(error)
            return future

    with pytest.raises(ScanError, match=r"^reading .*agent\.log failed: VersionError: the worker has version 0\.0\.1"):
        read(write(tmp_path, [v2()]), with_executor(Older()))


# Executors that do not work ---------------------------------------------------------------------------------------


def failing(error: Exception) -> Callable[..., Future[Any]]:
    def submit(*arguments: object) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_exception(error)
        return future

    return submit


def refusing(*arguments: object) -> Future[Any]:
    raise RuntimeError("cannot schedule new futures\nafter shutdown")


def answering(answer: object) -> Callable[..., Future[Any]]:
    def submit(*arguments: object) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(answer)
        return future

    return submit


def cancelled(*arguments: object) -> Future[Any]:
    future: Future[Any] = Future()
    future.cancel()
    future.set_running_or_notify_cancel()
    return future


@pytest.mark.parametrize(
    ("submit", "sentence"),
    [
        (failing(BrokenExecutor("it died")), "a worker died: it had a part of /x/0.log and 3 other files"),
        (failing(MemoryError()), "reading /x/0.log and 1 other file failed: MemoryError"),
        (failing(OSError("a\x1bb\nc")), r"reading /x/0.log and 1 other file failed: OSError: a\u001bb c"),
        (cancelled, "reading /x/0.log and 1 other file failed: CancelledError"),
        (refusing, "the executor takes no work: RuntimeError: cannot schedule new futures after shutdown"),
        (lambda *arguments: 7, "the executor gives int for work, not a concurrent.futures.Future"),
        (answering(None), "the executor gives NoneType where its work is done, not what the work returns"),
    ],
)
def test_an_executor_that_does_not_work_is_told_in_one_sentence(
    tmp_path: Path, submit: Callable[..., Future[Any]], sentence: str
) -> None:
    for n in range(4):
        write(tmp_path, [v2(time=stamp(n))], f"{n}.log")
    executor = Pickling()
    executor.submit = submit  # type: ignore[method-assign]
    with pytest.raises(ScanError) as raised:
        read(tmp_path, with_executor(executor))
    assert str(raised.value).replace(str(tmp_path), "/x") == sentence


def test_after_a_failure_nothing_more_is_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pending: list[Future[Any]] = []

    class FirstFails(Executor):
        def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
            pending.append(Future())
            if len(pending) == 3:
                pending[0].set_exception(OSError("gone"))
            return pending[-1]

    monkeypatch.setattr(scanning, "_WAITING", 3)
    for n in range(10):
        write(tmp_path, [v2(time=stamp(n))], f"{n}.log")
    with pytest.raises(ScanError, match="gone"):
        read(tmp_path, with_executor(FirstFails(), Bounds(1, 1, 10_000)))
    assert [each.cancelled() for each in pending] == [False, True, True]
