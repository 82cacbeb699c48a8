"""``--token-telemetry-record=PATH`` keeps every call that a test records, one line of JSON each."""

from __future__ import annotations

import json
import signal
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from pytest_token_telemetry import TokenTelemetryWriter
from tests.integration.conftest import NOTHING_LOST, Outcome, Run
from tests.lines import v2

KEPT = "--token-telemetry-record=kept/calls.jsonl"
JUDGED = ("--token-telemetry", "--token-telemetry-json=report.json")

HEAD = f"""
import logging, os, signal
from datetime import UTC, datetime
import pytest

LINE = {v2(time=None)!r}


def call(telemetry, task, **fields):
    telemetry.record(**{{
        "predicted_output_tokens": 1000, "output_tokens": 900, "success": True, "truncated": False,
        "task_id": task, "time": datetime.now(UTC), **fields,
    }})

"""


@pytest.fixture
def keep(run: Run) -> Any:
    """Run the tests, and keep what they record in ``kept/calls.jsonl``."""

    def run_keeping(*arguments: str, process: bool = False) -> Outcome:
        return run(KEPT, *arguments, directory=None, process=process)

    return run_keeping


@pytest.fixture
def read_back(run: Run) -> Any:
    """Judge what ``kept`` holds, in a session without tests."""

    def judge(*arguments: str) -> dict[str, Any]:
        report = run("-k", "not test_agent", *arguments, directory="kept").report
        assert report is not None
        return report

    return judge


def kept() -> list[dict[str, Any]]:
    """Every line of the file, each of which is whole."""
    *lines, end = Path("kept/calls.jsonl").read_bytes().split(b"\n")
    assert end == b""
    return [json.loads(line) for line in lines]


def counts(report: dict[str, Any]) -> tuple[int, int, int]:
    """How many samples, left out copies, and unusable lines there are."""
    found = report["counts"]
    return found["samples"], found["duplicates"], found["unusable"]["total"]


class TestLines:
    def test_are_what_was_recorded_in_its_order(self, project: Any, keep: Any) -> None:
        project("def test_it(token_telemetry):\n    for n in range(3): call(token_telemetry, f'task-{n}')")
        result = keep()
        assert result.exit == 0
        assert [line["task_id"] for line in kept()] == ["task-0", "task-1", "task-2"]
        assert (
            "token telemetry: 3 samples recorded; gate the file with pytest token-telemetry --token-telemetry-dir=kept"
            " --token-telemetry-pattern=calls.jsonl"
        ) in result.text

    def test_tell_what_could_not_be_used_as_its_session_did(self, project: Any, keep: Any, read_back: Any) -> None:
        project(
            """
def test_it(token_telemetry):
    call(token_telemetry, "whole")
    with token_telemetry.call(predicted_output_tokens=900):
        raise ConnectionError
"""
        )
        keep()
        told = read_back()["counts"]["unusable"]["reasons"]
        assert {reason: lines["count"] for reason, lines in told.items()} == {"a call ended without a response": 1}

    def test_are_valid_by_the_schema_that_is_shipped(self, project: Any, keep: Any) -> None:
        jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed")
        project(
            """
RESPONSE = {
    "object": "chat.completion", "id": "call-1", "model": "gpt-x",
    "choices": [{"index": 0, "finish_reason": "length", "message": {"content": "cut o"}}],
    "usage": {"completion_tokens": 850},
}

@pytest.mark.token_telemetry(category="docs", complexity="low")
def test_it(token_telemetry):
    call(token_telemetry, "a", max_tokens=4096, budget_tokens=0, deliverable_count=0, finish_reason="end_turn", id="i")
    call(token_telemetry, "b", predicted_output_tokens=0, model="größe \\u2028", language="de", files=3, ratio=0.5)
    token_telemetry.observe(RESPONSE, predicted_output_tokens=900)
    token_telemetry.observe(RESPONSE, predicted_output_tokens=900, max_tokens=850, finish_reason="odd")
    with token_telemetry.call(predicted_output_tokens=900) as block:
        block.output_tokens = 1
    logging.getLogger("agent").info(LINE.replace("900", "902"))
    logging.getLogger("agent").info("[TokenEstimation] Predicted: 3 output tokens, Actual: 4 output tokens")
    print(LINE.replace("900", "901"))
"""
        )
        keep("--token-telemetry")
        schema = resources.files("pytest_token_telemetry.sources").joinpath("token-telemetry-1.schema.json")
        check = jsonschema.Draft202012Validator(
            json.loads(schema.read_text("utf-8")), format_checker=jsonschema.FormatChecker()
        )
        assert [error.message for line in kept() for error in check.iter_errors(line)] == []
        assert len(kept()) == 8

    def test_of_another_session_are_appended(self, project: Any, keep: Any) -> None:
        project("def test_it(token_telemetry): call(token_telemetry, 'first')")
        keep()
        first = Path("kept/calls.jsonl").read_bytes()
        project("def test_it(token_telemetry): call(token_telemetry, 'second')")
        keep()
        assert Path("kept/calls.jsonl").read_bytes().startswith(first)
        assert [line["task_id"] for line in kept()] == ["first", "second"]

    def test_of_every_attempt_and_of_a_failing_test_are_kept(self, project: Any, keep: Any) -> None:
        project("def test_it(token_telemetry):\n    call(token_telemetry, 'task')\n    assert False")
        keep("--reruns", "2")
        assert len(kept()) == 3

    def test_of_parallel_workers_are_all_there_and_whole(self, project: Any, keep: Any) -> None:
        project(
            """
from concurrent.futures import ThreadPoolExecutor

@pytest.mark.parametrize("n", range(40))
def test_it(token_telemetry, n):
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda m: call(token_telemetry, f"{n}-{m}", text="x" * 200), range(50)))
"""
        )
        assert keep("-n", "2").exit == 0
        assert sorted(line["task_id"] for line in kept()) == sorted(f"{n}-{m}" for n in range(40) for m in range(50))

    def test_are_kept_of_a_session_that_is_killed(self, project: Any, keep: Any, read_back: Any) -> None:
        project(
            """
def test_one(token_telemetry): call(token_telemetry, "one")

def test_killed(token_telemetry):
    call(token_telemetry, "two")
    os.kill(os.getpid(), signal.SIGKILL)
"""
        )
        assert keep(process=True).exit == -signal.SIGKILL
        assert [line["task_id"] for line in kept()] == ["one", "two"]
        assert counts(read_back()) == (2, 0, 0)


class TestReadingBack:
    SUITE = """
@pytest.mark.parametrize("n", range(10))
def test_it(token_telemetry, n):
    call(token_telemetry, f"recorded-{n}", id="the same id")
    logging.getLogger("agent").info(LINE.replace("900", str(n)))
"""

    @pytest.mark.parametrize("layout", [[], ["-n", "2"]], ids=["one process", "two workers"])
    def test_in_the_same_session_counts_each_call_once(self, project: Any, run: Run, layout: list[str]) -> None:
        project(self.SUITE)
        Path("kept").mkdir()
        result = run("--token-telemetry", KEPT, *layout, directory="kept")
        assert counts(result.report) == (20, 20, 0)
        assert (result.report["counts"]["tests"], result.report["counts"]["files"]) == (10, 1)

    def test_in_the_next_session_counts_each_call_once(self, project: Any, keep: Any, read_back: Any) -> None:
        project(self.SUITE)
        keep("--token-telemetry")
        report = read_back()
        assert counts(report) == (20, 0, 0)
        assert report["sources"] == [
            {"path": "kept/calls.jsonl", "samples": 20, "kind": "file", "folded": 0, "format": "logs", **NOTHING_LOST}
        ]

    def test_adds_the_calls_of_the_sessions_before(self, project: Any, run: Run) -> None:
        project("def test_it(token_telemetry): call(token_telemetry, 'the same')")
        Path("kept").mkdir()
        judged = ("--token-telemetry", KEPT)
        assert counts(run(*judged, directory="kept").report) == (1, 1, 0)
        assert counts(run(*judged, directory="kept").report) == (2, 1, 0)
        assert counts(run(*judged, directory="kept").report) == (3, 1, 0)

    def test_finds_every_field_again(self, project: Any, keep: Any, read_back: Any) -> None:
        project(
            "def test_it(token_telemetry):\n"
            "    call(token_telemetry, 'task-7', category='docs', output_tokens=5000, truncated=True)"
        )
        keep()
        [worst] = read_back()["worst"]
        assert worst == {
            "source": "kept/calls.jsonl:1",
            "task_id": "task-7",
            "category": "docs",
            "predicted_output_tokens": 1000,
            "output_tokens": 5000,
            "max_tokens": None,
            "operation": None,
            "truncated": True,
            "ratio": 5.0,
            "underestimated": True,
        }


class TestCutOff:
    """A file that ends in the middle of a line, as a full disk or a power failure leaves it."""

    @pytest.fixture
    def whole(self, pytester: pytest.Pytester) -> bytes:
        """One line as the writer leaves it, its line end included, with letters of several bytes in it."""
        path = pytester.path / "elsewhere.jsonl"
        TokenTelemetryWriter(path).write(
            predicted_output_tokens=1000,
            output_tokens=900,
            max_tokens=4096,
            finish_reason="end_turn",
            success=True,
            category="größe",
            task_id="task",
            features={"language": "中文"},
        )
        return path.read_bytes()

    def test_loses_that_line_alone_wherever_it_is_cut(self, whole: bytes, read_back: Any) -> None:
        Path("kept").mkdir()
        cuts = range(3, len(whole) - 1)  # of one or two bytes nobody can say what they were
        for cut in cuts:
            earlier = whole.replace(b'"task"', b'"earlier-%d"' % cut)
            Path(f"kept/{cut}.jsonl").write_bytes(earlier + whole[:cut])
        report = read_back()
        assert counts(report) == (len(cuts), 0, len(cuts))
        assert report["counts"]["tasks"] == len(cuts)
        assert set(report["counts"]["unusable"]["reasons"]) == {"the JSON line is malformed or cut off"}

    def test_loses_that_line_alone_wherever_it_is_cut_when_another_is_appended(
        self, whole: bytes, read_back: Any
    ) -> None:
        Path("kept").mkdir()
        cuts = range(1, len(whole) - 1)
        for cut in cuts:
            path = Path(f"kept/{cut}.jsonl")
            path.write_bytes(whole.replace(b'"task"', b'"earlier-%d"' % cut) + whole[:cut])
            TokenTelemetryWriter(path).append(whole.replace(b'"task"', b'"later-%d"' % cut).decode().rstrip())
        report = read_back()
        assert counts(report) == (2 * len(cuts), 0, len(cuts))
        assert report["counts"]["tasks"] == 2 * len(cuts)

    @pytest.mark.parametrize("cut", [1, 15, 29, 30, -2])
    def test_by_one_session_loses_that_line_alone_when_another_session_appends(
        self, project: Any, keep: Any, read_back: Any, whole: bytes, cut: int
    ) -> None:
        Path("kept").mkdir()
        Path("kept/calls.jsonl").write_bytes(whole.replace(b'"task"', b'"earlier"') + whole[:cut])
        project(
            "@pytest.mark.parametrize('n', range(4))\ndef test_it(token_telemetry, n): call(token_telemetry, str(n))"
        )
        keep("-n", "2")
        report = read_back()
        assert counts(report) == (5, 0, 1)
        assert report["counts"]["unusable"]["reasons"] == {
            "the JSON line is malformed or cut off": {"count": 1, "places": ["kept/calls.jsonl:2"]}
        }

    def test_behind_its_last_brace_loses_nothing(self, whole: bytes, project: Any, keep: Any, read_back: Any) -> None:
        Path("kept").mkdir()
        Path("kept/calls.jsonl").write_bytes(whole.rstrip(b"\n"))
        assert counts(read_back()) == (1, 0, 0)
        project("def test_it(token_telemetry): call(token_telemetry, 'later')")
        keep()
        assert counts(read_back()) == (2, 0, 0)

    def test_is_said_beside_what_the_session_records_itself(self, whole: bytes, project: Any, run: Run) -> None:
        Path("kept").mkdir()
        Path("kept/calls.jsonl").write_bytes(whole[:50])
        project("def test_it(token_telemetry): call(token_telemetry, 'later')")
        result = run("--token-telemetry", KEPT, directory="kept")
        assert counts(result.report) == (1, 1, 1)
        note = "1 telemetry line could not be used: the JSON line is malformed or cut off."
        assert note in result.report["notes"]


class TestFullDisk:
    """Here a limit on the size of files, which a write meets in the middle as it meets the end of a disk."""

    SUITE = """
import resource

@pytest.fixture
def full_disk():
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500, before[1]))  # two lines and a part of the third
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)

@pytest.mark.parametrize("n", range(4))
def test_it(token_telemetry, full_disk, n):
    call(token_telemetry, f"task-{n}")
"""

    @pytest.mark.parametrize("quiet", [[], ["-p", "no:terminal"]], ids=["told", "without a terminal"])
    @pytest.mark.parametrize("layout", [[], ["-n", "1"]], ids=["one process", "a worker"])
    def test_fails_the_session_and_leaves_whole_lines(
        self,
        project: Any,
        keep: Any,
        layout: list[str],
        quiet: list[str],
        pytester: pytest.Pytester,
        capfd: pytest.CaptureFixture[str],
    ) -> None:
        pytest.importorskip("resource", reason="this system has no limits for processes")
        project(self.SUITE)
        result = keep(*layout, *quiet)
        assert result.exit == 4
        path = pytester.path / "kept/calls.jsonl"
        error = f"ERROR: --token-telemetry-record: '{path}': 2 calls could not be written: File too large"
        assert (result.text + capfd.readouterr().err).count(error) >= 1
        assert [line["task_id"] for line in kept()] == ["task-0", "task-1"]

    def test_does_not_keep_a_call_from_being_judged(self, project: Any, run: Run) -> None:
        pytest.importorskip("resource", reason="this system has no limits for processes")
        project(self.SUITE)
        result = run(KEPT, *JUDGED, "-k", "test_it or sources", directory=None)
        assert result.report["counts"]["samples"] == 4
        assert "2 calls could not be written" in result.text

    def test_does_not_change_how_tests_that_failed_end(self, project: Any, keep: Any) -> None:
        pytest.importorskip("resource", reason="this system has no limits for processes")
        project(f"{self.SUITE}    assert n != 1")
        assert keep().exit == 1


class TestPath:
    @pytest.mark.parametrize("layout", [[], ["-n", "2"]], ids=["one process", "two workers"])
    @pytest.mark.parametrize(
        ("path", "reason"),
        [("folder", "Is a directory"), ("file/calls.jsonl", "Not a directory"), ("file/a/b.jsonl", "Not a directory")],
    )
    def test_that_cannot_be_written_is_refused_in_one_sentence(
        self, pytester: pytest.Pytester, project: Any, run: Run, path: str, reason: str, layout: list[str]
    ) -> None:
        pytester.mkdir("folder")
        (pytester.path / "file").write_text("")
        project("def test_it(token_telemetry): call(token_telemetry, 'task')")
        result = run(f"--token-telemetry-record={path}", *layout, directory=None)
        assert result.exit == 4
        said = [line for line in result.text.splitlines() if line.strip()]
        [error] = [line for line in said if line.startswith("ERROR: ")]
        assert error.startswith(f"ERROR: --token-telemetry-record: '{pytester.path / path}': ")
        assert error.endswith(" (name a file that can be written)")
        assert said[-1] == error
        assert "Traceback" not in result.text

    @pytest.mark.parametrize("output", ["json", "junit", "markdown", "markdown-append", "tuning"])
    def test_of_a_report_is_refused(self, run: Run, output: str) -> None:
        result = run(
            "--token-telemetry", "--token-telemetry-record=out.x", f"--token-telemetry-{output}=./out.x", directory=None
        )
        assert result.exit == 4
        assert f"--token-telemetry-{output}: --token-telemetry-record writes to the same file" in result.text

    def test_of_the_ini_file_starts_there_and_an_empty_one_switches_it_off(
        self, pytester: pytest.Pytester, project: Any, run: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        pytester.makeini("[pytest]\ntoken_telemetry_record = kept/calls.jsonl\n")
        project("def test_it(token_telemetry): call(token_telemetry, 'task')")
        monkeypatch.chdir(pytester.mkdir("elsewhere"))
        run("..", directory=None)
        run("..", "--token-telemetry-record=", directory=None)
        monkeypatch.chdir("..")
        assert len(kept()) == 1

    def test_without_the_option_nothing_is_written(self, pytester: pytest.Pytester, project: Any, run: Run) -> None:
        project("def test_it(token_telemetry): call(token_telemetry, 'task')")
        before = {path.name for path in pytester.path.iterdir()}
        assert run(*JUDGED, directory=None).report["counts"]["samples"] == 1
        assert {path.name for path in pytester.path.iterdir()} - before <= {"report.json", "__pycache__"}


def test_the_directory_that_is_read_may_be_the_one_that_recording_makes(project: Any, run: Run) -> None:
    project("def test_it(token_telemetry): call(token_telemetry, 'a')")
    result = run(
        "--token-telemetry", KEPT, "--token-telemetry-dir=kept", "--token-telemetry-json=report.json", directory=None
    )
    assert result.report is not None
    assert (result.report["counts"]["samples"], result.report["counts"]["duplicates"]) == (1, 1)


@pytest.mark.parametrize(
    ("other", "says"),
    [
        ("--junitxml=kept.jsonl", "--junitxml writes to the same file"),
        ("--token-telemetry-baseline=kept.jsonl", "--token-telemetry-baseline reads the same file"),
    ],
)
def test_a_file_of_others_is_no_record(project: Any, run: Run, other: str, says: str) -> None:
    project("def test_it(token_telemetry): call(token_telemetry, 'a')")
    result = run("--token-telemetry", "--token-telemetry-record=kept.jsonl", other, directory=None)
    assert result.exit == 4
    assert says in result.text
