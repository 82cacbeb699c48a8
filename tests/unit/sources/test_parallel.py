"""However the reading is divided, and whoever reads, what comes of it is the same."""

from __future__ import annotations

import dataclasses
import os
import pickle
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_token_telemetry.sources.dividing import TaskSizes, plan
from pytest_token_telemetry.sources.extract import Listed, Task
from pytest_token_telemetry.sources.own_format import line as own_line
from pytest_token_telemetry.sources.parallel import Progress, Scan, ScanError, Worth
from pytest_token_telemetry.sources.places import UnusedColumn
from pytest_token_telemetry.sources.process_pool import Processes
from pytest_token_telemetry.sources.reading import Reading
from pytest_token_telemetry.sources.recorded import Recorded
from pytest_token_telemetry.sources.source import Sizes
from tests.lines import stamp, v2, write
from tests.unit.sources.builders import GOOD, RECORDED, TEXTS, at, budget, everything, joined, logs, read

SMALL = TaskSizes(size=2_000, files=2, part=1_000)


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


def with_executor(executor: Executor, bounds: TaskSizes = SMALL, progress: Progress | None = None) -> Scan:
    @contextmanager
    def opened() -> Iterator[Executor]:
        yield executor

    return Scan(executor=opened, bounds=bounds, progress=progress or Progress())


# For any logs -----------------------------------------------------------------------------------------------------

BOUNDS = st.builds(TaskSizes, st.integers(1, 3_000), st.integers(1, 3), st.integers(1, 2_000))


@settings(deadline=None, max_examples=150)
@given(st.lists(TEXTS, max_size=4), BOUNDS, st.integers(1, 400), st.sampled_from([None, RECORDED]))
def test_neither_tasks_nor_parts_show(
    texts: list[bytes], bounds: TaskSizes, reach: int, recorded: Recorded | None
) -> None:
    bounds = dataclasses.replace(bounds, line=reach)
    with logs(texts) as directory:
        expected = everything(read(directory, recorded=recorded))
        elsewhere = with_executor(Pickling(), bounds)
        elsewhere.sizes = Sizes(at_once=reach)
        assert everything(read(directory, elsewhere, recorded)) == expected
        here = Scan(sizes=Sizes(buffer=50, at_once=reach), jobs=None, bounds=bounds)
        assert everything(read(directory, here, recorded)) == expected


@settings(deadline=None, max_examples=30)
@given(st.lists(TEXTS, max_size=4), BOUNDS)
def test_many_threads_do_not_show(texts: list[bytes], bounds: TaskSizes) -> None:
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


class Starting:
    """Starts processes, and remembers how many, and how much was read before."""

    def __init__(self, progress: Progress | None = None) -> None:
        self.started: list[tuple[int, int]] = []
        self.progress = progress or Progress()

    def __call__(self, number: int) -> Executor:
        self.started.append((number, self.progress.size))
        return Processes(number)


EAGER = Worth(process=1e-6, look=1e-6)


def test_processes_are_started_where_the_work_is_worth_them(tmp_path: Path) -> None:
    logs = a_bit_of_everything(tmp_path)
    start = Starting()
    scan = Scan(jobs=None, bounds=SMALL, processors=2, worth=EAGER, start=start)
    assert everything(read(logs, scan)) == everything(read(logs))
    assert [number for number, _ in start.started] == [1]  # and this one


@pytest.mark.parametrize("worth", [Worth(file=10.0), Worth(byte=10.0)])
def test_processes_are_started_at_once_where_there_is_much_to_read(tmp_path: Path, worth: Worth) -> None:
    logs = a_bit_of_everything(tmp_path)
    start = Starting()
    scan = Scan(jobs=None, bounds=SMALL, processors=3, worth=worth, start=start, progress=start.progress)
    assert everything(read(logs, scan)) == everything(read(logs))
    assert start.started == [(2, 0)]


def test_no_process_is_left_where_reading_fails(tmp_path: Path) -> None:
    def fail(files: int, size: int) -> None:
        raise KeyboardInterrupt

    started: list[Processes] = []

    def start(number: int) -> Executor:
        started.append(Processes(number))
        return started[0]

    scan = Scan(jobs=None, bounds=SMALL, processors=2, worth=Worth(file=10.0), start=start, progress=Progress(fail))
    with pytest.raises(KeyboardInterrupt):
        read(a_bit_of_everything(tmp_path), scan)
    [processes] = started
    with pytest.raises(RuntimeError, match="after shutdown"):
        processes.submit(os.getpid)


def test_little_work_starts_no_process(tmp_path: Path) -> None:
    logs = a_bit_of_everything(tmp_path)
    worth = Worth(look=600.0)  # however slow this machine is
    scan = Scan(jobs=None, bounds=SMALL, processors=8, worth=worth, start=lambda _: pytest.fail("started"))
    assert everything(read(logs, scan)) == everything(read(logs))


def no_processes(number: int) -> Executor:
    raise BlockingIOError(11, "Resource temporarily unavailable")


def test_where_no_process_can_be_started_one_is_enough(tmp_path: Path) -> None:
    logs = a_bit_of_everything(tmp_path)
    scan = Scan(jobs=None, bounds=SMALL, processors=2, worth=EAGER, start=no_processes)
    assert everything(read(logs, scan)) == everything(read(logs))


def test_an_error_after_the_start_is_no_reason_to_go_on_with_the_rest(tmp_path: Path) -> None:
    class Failing(Pickling):
        def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
            raise BlockingIOError(11, "Resource temporarily unavailable")

    scan = Scan(jobs=None, bounds=SMALL, processors=2, worth=Worth(file=10.0), start=lambda _: Failing())
    with pytest.raises(ScanError, match=r"^the executor takes no work: BlockingIOError"):
        read(a_bit_of_everything(tmp_path), scan)


def test_processes_that_were_asked_for_and_cannot_be_started_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(ScanError, match=r"^no process can be started: BlockingIOError: .*unavailable$"):
        read(a_bit_of_everything(tmp_path), Scan(jobs=2, start=no_processes))


def test_a_line_that_is_longer_than_parts_makes_a_part_longer(tmp_path: Path) -> None:
    write(tmp_path, [budget("p", 900), "x" * 10_000, *[v2(time=stamp(n), output=900) for n in range(20)]], "a.log")
    bounds = TaskSizes(size=2_000, files=2, part=1_000, line=300)
    log = tmp_path / "a.log"
    parts = list(plan([Listed(str(log), log.stat().st_size)], bounds, Task(())))
    assert [each.size > 10_000 for each in parts] == [True] + [False] * (len(parts) - 1)
    assert len(parts) > 3
    assert joined(read(tmp_path, with_executor(Pickling(), bounds)))[0] == ("p", 16384)


@settings(deadline=None, max_examples=150)
@given(
    st.lists(
        st.sampled_from(
            [budget("p", 900), budget("q", 900), budget("r", 7), GOOD, "x", f"{budget('p', 900)} {budget('q', 900)}"]
        ),
        max_size=60,
    ),
    st.integers(0, 8),
    st.integers(1, 400),
)
def test_what_stands_far_above_a_part_never_shows(lines: list[str], reach: int, part: int) -> None:
    """Each part looks back as far as a budget line reaches, and not to the beginning of the file.

    A budget line that a sample of a later part claims is not a call, nor is its copy in another file.
    """
    text = "".join(f"{line}\n" for line in lines)
    sizes = Sizes(reach=reach)
    copies = "".join(f"{line}\n" for line in (budget("p", 900), budget("q", 900)))
    with logs([text.encode(), copies.encode()]) as directory:
        scan = with_executor(Pickling(), TaskSizes(1, 1, part))
        scan.sizes = sizes
        assert everything(read(directory, scan)) == everything(read(directory, Scan(sizes=sizes)))


def test_progress_adds_up(tmp_path: Path) -> None:
    logs = a_bit_of_everything(tmp_path)
    told: list[tuple[int, int]] = []
    read(logs, with_executor(Pickling(), SMALL, Progress(lambda files, size: told.append((files, size)))))
    assert told == sorted(told)
    assert told[-1] == (6, sum(path.stat().st_size for path in logs.rglob("*") if path.is_file()))


def test_an_executor_has_few_tasks_at_a_time(tmp_path: Path) -> None:
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
    scan = with_executor(executor, TaskSizes(1, 1, 10_000))
    scan.waiting = 3
    assert everything(read(tmp_path, scan)) == everything(read(tmp_path))
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
    found = read(large.parent, Scan(sizes=Sizes(buffer=1_000), progress=progress))
    assert found.unreadable == {"logs/a.log": "it became shorter while it was read"}


def test_a_file_that_becomes_a_pipe_before_it_is_divided_is_unreadable(large: Path) -> None:
    if not hasattr(os, "mkfifo"):
        pytest.skip("needs named pipes")

    def meddle() -> None:
        large.unlink()
        os.mkfifo(large)

    write(large.parent, [v2()], "0.log")
    write(large.parent, [v2()], "00.log")
    scan = with_executor(Meddling(0, meddle), TaskSizes(1, 1, 1_000))
    assert read(large.parent, scan).unreadable == {"logs/a.log": "it is no longer a regular file"}


# Other machines ---------------------------------------------------------------------------------------------------


def test_a_file_of_two_names_is_read_once(tmp_path: Path) -> None:
    logs = a_bit_of_everything(tmp_path)
    expected = everything(read(logs))
    os.link(logs / "a.log", logs / "z.log")
    assert everything(read(logs, with_executor(Pickling()))) == everything(read(logs)) == expected


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


def test_after_a_failure_nothing_more_is_begun(tmp_path: Path) -> None:
    pending: list[Future[Any]] = []

    class FirstFails(Executor):
        def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
            pending.append(Future())
            if len(pending) == 3:
                pending[0].set_exception(OSError("gone"))
            return pending[-1]

    for n in range(10):
        write(tmp_path, [v2(time=stamp(n))], f"{n}.log")
    scan = with_executor(FirstFails(), TaskSizes(1, 1, 10_000))
    scan.waiting = 3
    with pytest.raises(ScanError, match="gone"):
        read(tmp_path, scan)
    assert [each.cancelled() for each in pending] == [False, True, True]


def test_misspelt_keys_count_once_a_line_however_a_file_is_divided(tmp_path: Path) -> None:
    text = f'{own_line(output_tokens=850)[:-1]},"max_token":9}}'
    write(tmp_path, [text] * 200, "a.jsonl")
    executor = Pickling()
    found = read(tmp_path, with_executor(executor))
    assert executor.sent > 0
    assert found.unused_columns == (UnusedColumn("max_token", "max_tokens", 200, "line"),)
