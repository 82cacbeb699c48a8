"""Telemetry lines that the code under test logs or prints become samples of the test that ran."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import Outcome, Run, by_source
from tests.lines import cut_off, v2, write

LINE = v2(time=None)
JUDGED = ("--token-telemetry", "--token-telemetry-json=report.json")

HEAD = f"""
import logging, os, subprocess, sys
import pytest

LINE = {LINE!r}
LOG = logging.getLogger("agent.client")


def record(telemetry, **fields):
    telemetry.record(**{{"predicted_output_tokens": 1000, "output_tokens": 900, **fields}})

"""


@pytest.fixture
def judge(run: Run) -> Any:
    """Run the tests with the gate on what they record.

    A process of its own is for tests that leave handlers behind.
    """

    def run_judged(*arguments: str, process: bool = False) -> Outcome:
        return run(*JUDGED, *arguments, directory=None, process=process)

    return run_judged


def counts(result: Outcome) -> tuple[int, int]:
    """How many samples there are, and how many copies of one were left out."""
    assert result.report is not None
    return result.report["counts"]["samples"], result.report["counts"]["duplicates"]


class TestLogged:
    @pytest.mark.parametrize("layout", [[], ["-n", "2"]], ids=["one process", "two workers"])
    def test_a_line_is_a_sample_of_the_test_that_logs_it(self, project: Any, judge: Any, layout: list[str]) -> None:
        project("def test_it(): LOG.info(LINE)\n\ndef test_silent(): pass")
        result = judge(*layout)
        assert by_source(result) == {"test_agent.py::test_it": 1}
        assert result.report["worst"][0]["predicted_output_tokens"] == 1000
        assert result.report["worst"][0]["category"] == "implementation"

    @pytest.mark.parametrize("logger", ["logging.getLogger()", "logging.getLogger('a.b.c')", "logging"])
    @pytest.mark.parametrize("level", ["info", "warning", "error"])
    def test_any_logger_is_heard(self, project: Any, judge: Any, logger: str, level: str) -> None:
        project(f"def test_it(): {logger}.{level}(LINE)")
        assert counts(judge()) == (1, 0)

    def test_arguments_are_put_into_the_message(self, project: Any, judge: Any) -> None:
        project(
            "def test_it(): LOG.info('[TokenEstimation] Predicted: %d output tokens, Actual: %s output tokens', 3, 4)"
        )
        result = judge()
        assert (result.report["counts"]["samples"], result.report["counts"]["legacy"]) == (1, 1)

    def test_arguments_that_do_not_fit_break_nothing(self, project: Any, run: Run) -> None:
        project("def test_it():\n    logging.raiseExceptions = False\n    LOG.info(LINE + ' %d', 'text')")
        result = run("--token-telemetry-capture-logs", "-p", "no:logging", directory=None, process=True)
        assert result.outcomes == {"passed": 1}

    def test_a_budget_line_above_gives_its_task_and_its_cap(self, project: Any, judge: Any) -> None:
        project(
            """
BUDGET = "[TOKEN_BUDGET] phase=task-7 complexity=low input=1 output=900/900 total=901 utilization=100%"

def test_it(token_telemetry):
    LOG.info(BUDGET)
    LOG.info("[TokenEstimationV2] predicted_output=1000 actual_output=900 success=True stop_reason=None truncated=None")
"""
        )
        result = judge()
        [worst] = result.report["worst"]
        assert (worst["task_id"], worst["truncated"]) == ("task-7", True)

    def test_a_budget_line_belongs_to_no_call_of_the_next_test(self, project: Any, judge: Any) -> None:
        project(
            """
def test_budget():
    LOG.info("[TOKEN_BUDGET] phase=task-7 complexity=low input=1 output=900/900 total=901 utilization=100%")

def test_it(): LOG.info(LINE)
"""
        )
        assert judge().report["worst"][0]["task_id"] is None

    def test_lines_of_setup_and_teardown_count(self, project: Any, judge: Any) -> None:
        project(
            """
@pytest.fixture(scope="module")
def agent():
    LOG.info(LINE)
    yield
    LOG.info(LINE)

def test_it(agent): LOG.info(LINE)
"""
        )
        assert counts(judge()) == (3, 0)

    def test_lines_of_threads_count(self, project: Any, judge: Any) -> None:
        project(
            "from concurrent.futures import ThreadPoolExecutor\n"
            "def test_it():\n"
            "    with ThreadPoolExecutor(4) as pool:\n"
            "        list(pool.map(lambda _: LOG.info(LINE), range(100)))"
        )
        assert counts(judge()) == (100, 0)

    def test_a_line_of_ours_counts(self, project: Any, judge: Any) -> None:
        project(
            """
from pytest_token_telemetry.sources.own_format import line

def test_it(): LOG.info(line(predicted_output_tokens=1000, output_tokens=900, category="docs"))
"""
        )
        assert counts(judge()) == (1, 0)

    def test_a_line_that_cannot_be_used_is_counted_with_its_reason_and_its_test(self, project: Any, judge: Any) -> None:
        project("def test_it(): LOG.info(LINE.replace('actual_output=900', 'actual_output=many'))")
        assert judge().report["counts"]["unusable"] == {
            "total": 1,
            "reasons": {"actual_output is not a whole number": {"count": 1, "places": ["test_agent.py::test_it"]}},
        }

    def test_a_marker_limit_fails_on_what_was_logged(self, project: Any, run: Run) -> None:
        project(
            f"@pytest.mark.token_telemetry(max_truncation='2%')\n"
            f"def test_it(): LOG.info({cut_off(time=None)!r})\n\n"
            f"def test_other(): LOG.info({cut_off(time=None)!r})"
        )
        result = run(directory=None)
        assert result.outcomes == {"failed": 1, "passed": 1}
        assert "token_telemetry: 1/1 = 100.0% truncated (max_truncation 2.0%)" in result.text

    def test_a_logger_that_does_not_propagate_is_not_heard(self, project: Any, judge: Any) -> None:
        project(
            "@pytest.fixture\ndef aside(monkeypatch): monkeypatch.setattr(LOG, 'propagate', False)\n\n"
            "def test_it(aside): LOG.info(LINE)"
        )
        assert counts(judge()) == (0, 0)

    @pytest.mark.parametrize(
        "arguments",
        [
            ["-s"],
            ["--capture=sys"],
            ["--capture=tee-sys"],
            ["--show-capture=no"],
            ["-p", "no:logging"],
            ["--log-level=ERROR"],
            ["-o", "log_cli=true"],
            ["-rA"],
        ],
        ids=" ".join,
    )
    def test_pytests_own_ways_to_show_logs_change_nothing(self, project: Any, judge: Any, arguments: list[str]) -> None:
        project("def test_it(): LOG.info(LINE)")
        assert by_source(judge(*arguments, process=True)) == {"test_agent.py::test_it": 1}


class TestLevel:
    LEVELS = """
import logging
from pathlib import Path

def pytest_runtest_logfinish(nodeid):
    if nodeid.startswith("token-telemetry"):
        return
    with Path("levels.txt").open("a") as file:
        file.write(f"{nodeid.split('::')[1]} {logging.getLevelName(logging.getLogger().level)}\\n")
"""

    @pytest.fixture
    def levels(self, pytester: pytest.Pytester) -> Any:
        """The level of the root logger after each test."""
        pytester.makeconftest(self.LEVELS)

        def read() -> dict[str, str]:
            return dict(line.split() for line in Path("levels.txt").read_text().splitlines())

        return read

    @pytest.fixture(autouse=True)
    def _quiet_root(self) -> Any:
        """Begin with the level that Python begins with, and end with it."""
        root = logging.getLogger()
        before = root.level
        root.setLevel(logging.WARNING)
        yield
        root.setLevel(before)

    def test_is_lowered_for_each_test_and_put_back_after_it(self, project: Any, judge: Any, levels: Any) -> None:
        project(
            """
@pytest.mark.parametrize("n", range(2))
def test_it(n): assert logging.getLogger().level == logging.INFO
"""
        )
        assert "FAILED test_agent.py" not in judge().text
        assert levels() == {"test_it[0]": "WARNING", "test_it[1]": "WARNING"}

    @pytest.mark.parametrize(
        "source",
        [
            "def test_it(): raise ValueError",
            "def test_it(): pytest.skip('not here')",
            "@pytest.fixture\ndef broken(): raise ValueError\n\ndef test_it(broken): pass",
            "@pytest.fixture\ndef broken():\n    yield\n    raise ValueError\n\ndef test_it(broken): pass",
            "def test_it(caplog): caplog.set_level('DEBUG')",
            "@pytest.mark.token_telemetry(no_such_keyword=1)\ndef test_it(): pass",
        ],
    )
    def test_is_put_back_however_the_test_ends(self, project: Any, judge: Any, levels: Any, source: str) -> None:
        project(source)
        judge()
        assert levels() == {"test_it": "WARNING"}

    def test_of_the_code_under_test_is_left_alone(self, project: Any, judge: Any, levels: Any) -> None:
        project(
            """
@pytest.fixture(scope="session")
def configured(): logging.getLogger().setLevel(logging.DEBUG)

def test_one(configured): assert logging.getLogger().level == logging.DEBUG

def test_two(configured): assert logging.getLogger().level == logging.DEBUG
"""
        )
        assert "FAILED test_agent.py" not in judge().text
        assert levels() == {"test_one": "DEBUG", "test_two": "DEBUG"}

    def test_that_a_fixture_sets_with_caplog_holds_in_the_test(self, project: Any, run: Run, levels: Any) -> None:
        project(
            """
@pytest.fixture(autouse=True)
def verbose(caplog): caplog.set_level(logging.DEBUG)

def test_it(caplog):
    LOG.debug("a detail")
    assert "a detail" in caplog.text
"""
        )
        assert run("--token-telemetry-capture-logs", directory=None).outcomes == {"passed": 1}
        assert levels() == {"test_it": "WARNING"}

    @pytest.mark.parametrize(("level", "samples"), [("DEBUG", 1), ("10", 1), ("INFO", 0), (None, 0)])
    def test_is_the_ini_files(
        self, project: Any, judge: Any, pytester: pytest.Pytester, level: str | None, samples: int
    ) -> None:
        pytester.makeini(f"[pytest]\ntoken_telemetry_capture_level = {level}\n" if level else "[pytest]\n")
        project("def test_it(): LOG.debug(LINE)")
        assert counts(judge()) == (samples, 0)

    def test_above_a_line_keeps_it_out(self, project: Any, judge: Any) -> None:
        project("def test_it():\n    LOG.info(LINE)\n    LOG.error(LINE)")
        assert counts(judge("--token-telemetry-capture-level=ERROR")) == (1, 0)

    def test_that_is_lower_already_stays(self, project: Any, judge: Any, levels: Any) -> None:
        logging.getLogger().setLevel(logging.DEBUG)
        project("def test_it():\n    assert logging.getLogger().level == logging.DEBUG\n    LOG.debug(LINE)")
        assert counts(judge()) == (1, 0)
        assert levels() == {"test_it": "DEBUG"}

    def test_is_not_touched_without_the_switch(self, project: Any, run: Run) -> None:
        project(
            """
def test_it(caplog, token_telemetry):
    assert logging.getLogger().level == logging.WARNING
    LOG.info(LINE)
    LOG.warning("seen")
    assert caplog.messages == ["seen"]
    record(token_telemetry)
"""
        )
        result = run(directory=None)
        assert result.outcomes == {"passed": 1}
        assert "token telemetry: 1 sample recorded" in result.text


class TestSwitch:
    def test_false_switches_the_capture_off(self, project: Any, judge: Any, pytester: pytest.Pytester) -> None:
        pytester.makeini("[pytest]\ntoken_telemetry_capture_logs = false\n")
        project(
            "def test_it(token_telemetry):\n    LOG.warning(LINE)\n    print(LINE)\n    record(token_telemetry)\n"
            "    assert logging.getLogger().level == logging.WARNING"
        )
        result = judge("-p", "no:randomly")
        assert counts(result) == (1, 0)
        assert "FAILED test_agent.py" not in result.text

    def test_false_switches_the_capture_off_for_a_markers_limits_too(
        self, project: Any, run: Run, pytester: pytest.Pytester
    ) -> None:
        pytester.makeini("[pytest]\ntoken_telemetry_capture_logs = false\n")
        project("@pytest.mark.token_telemetry(max_truncation='2%')\ndef test_it(): LOG.warning(LINE)")
        assert "max_truncation: the test recorded nothing to judge" in run(directory=None).text

    @pytest.mark.parametrize("way", ["ini file", "command line"])
    def test_true_switches_it_on_where_nothing_is_judged(
        self, project: Any, run: Run, pytester: pytest.Pytester, way: str
    ) -> None:
        if way == "ini file":
            pytester.makeini("[pytest]\ntoken_telemetry_capture_logs = true\n")
        project("def test_it():\n    LOG.info(LINE)\n    print(LINE.replace('900', '901'))")
        result = run(*(["--token-telemetry-capture-logs"] if way == "command line" else []), directory=None)
        assert result.exit == 0
        assert "token telemetry: 2 samples recorded; gate with --token-telemetry" in result.text

    def test_nothing_is_captured_without_any_switch(self, project: Any, run: Run) -> None:
        project("def test_it():\n    LOG.warning(LINE)\n    print(LINE)")
        assert "token telemetry" not in run(directory=None).text


class TestPrinted:
    @pytest.mark.parametrize("stream", ["stdout", "stderr"])
    def test_lines_of_a_subprocess_count(self, project: Any, judge: Any, stream: str) -> None:
        project(
            f"""
PROGRAM = f"import sys; print({{LINE!r}}, file=sys.{stream}); print({{LINE!r}}, file=sys.{stream})"

def test_it(): subprocess.run([sys.executable, "-c", PROGRAM], check=True)
"""
        )
        assert by_source(judge()) == {"test_agent.py::test_it": 2}

    @pytest.mark.parametrize("layout", [[], ["-n", "2"]], ids=["one process", "two workers"])
    def test_lines_of_setup_test_and_teardown_count_once_each(
        self, project: Any, judge: Any, layout: list[str]
    ) -> None:
        project(
            """
@pytest.fixture
def agent():
    print(LINE)
    yield
    print(LINE)

def test_it(agent): print(LINE)

def test_silent(): print("no telemetry")
"""
        )
        result = judge(*layout)
        assert by_source(result) == {"test_agent.py::test_it": 3}
        assert counts(result) == (3, 0)

    def test_lines_of_every_attempt_count_once(self, project: Any, judge: Any) -> None:
        project(
            "attempts = []\n\ndef test_it():\n    attempts.append(1)\n    print(LINE)\n    assert len(attempts) == 3"
        )
        assert counts(judge("--reruns", "2")) == (3, 0)

    def test_a_line_that_cannot_be_used_is_counted_with_its_test(self, project: Any, judge: Any) -> None:
        project("def test_it(): print('[TokenEstimationV2] predicted_output=1000')")
        reasons = judge().report["counts"]["unusable"]["reasons"]
        assert [lines["places"] for lines in reasons.values()] == [["test_agent.py::test_it"]]


class TestSeveralWays:
    """What is logged, printed and written to a file is one call if it was made once."""

    EVERY_WAY = """
def set_up(*formats):
    LOG.setLevel(logging.INFO)
    for handler, form in zip(
        (logging.StreamHandler(sys.stdout), logging.StreamHandler(sys.stderr), logging.FileHandler("runs/agent.log")),
        formats,
    ):
        handler.setFormatter(form if isinstance(form, logging.Formatter) else logging.Formatter(form))
        LOG.addHandler(handler)

PLAIN = "%(asctime)s - %(name)s - %(levelname)s - %(message)s"
"""

    @pytest.fixture(autouse=True)
    def _runs(self, pytester: pytest.Pytester) -> None:
        pytester.mkdir("runs")

    @pytest.mark.parametrize("calls", [1, 2, 5])
    def test_identical_calls_count_as_often_as_they_were_made(self, project: Any, run: Run, calls: int) -> None:
        project(
            f"{self.EVERY_WAY}\n"
            f"def test_it():\n"
            f"    set_up('%(message)s', PLAIN, PLAIN)\n"
            f"    for _ in range({calls}): LOG.info(LINE)"
        )
        result = run("--token-telemetry", process=True)
        assert counts(result) == (calls, 3 * calls)
        assert result.report["counts"]["files"] == 1

    @pytest.mark.parametrize(
        "form",
        [
            "'%(message)s'",
            "'%(asctime)s %(message)s'",
            "'%(message)s (%(filename)s:%(lineno)d)'",
            "'%(message)s level=%(levelname)s'",
            "'\\x1b[32m%(message)s\\x1b[0m'",
            """'{"message": "%(message)s", "level": "%(levelname)s"}'""",
        ],
    )
    def test_a_call_is_known_again_whatever_the_formatter_puts_around_it(
        self, project: Any, run: Run, form: str
    ) -> None:
        project(
            f"{self.EVERY_WAY}\n"
            f"def test_it():\n"
            f"    set_up({form}, {form}, {form})\n"
            f"    LOG.info(LINE)\n"
            f"    LOG.info(LINE.replace('900', '901'))"
        )
        assert counts(run("--token-telemetry", process=True)) == (2, 6)

    def test_calls_of_two_ways_that_differ_both_count(self, project: Any, judge: Any) -> None:
        project(
            "def test_it():\n    LOG.info(LINE)\n    print(LINE.replace('category=implementation', 'category=docs'))"
        )
        assert counts(judge()) == (2, 0)

    def test_a_line_in_a_file_of_an_earlier_day_is_another_call(self, project: Any, run: Run) -> None:
        write(Path("runs"), [v2(time="2020-01-02 03:04:05,678")])
        project("def test_it(): LOG.info(LINE)")
        assert counts(run("--token-telemetry")) == (2, 0)

    def test_a_call_that_is_recorded_and_logged_counts_once(self, project: Any, judge: Any) -> None:
        project(
            """
def test_logged_first(token_telemetry):
    LOG.info(LINE)
    record(token_telemetry, category="implementation", success=True)

def test_recorded_first(token_telemetry):
    record(token_telemetry, category="implementation", success=True)
    LOG.info(LINE)
"""
        )
        result = judge()
        assert by_source(result) == {"test_agent.py::test_logged_first": 1, "test_agent.py::test_recorded_first": 1}
        assert counts(result) == (2, 2)

    def test_a_line_hides_no_more_calls_than_were_recorded(self, project: Any, judge: Any) -> None:
        project("def test_it(token_telemetry):\n    record(token_telemetry)\n    LOG.info(LINE)\n    LOG.info(LINE)")
        assert counts(judge()) == (2, 1)

    @pytest.mark.parametrize(
        ("said", "found"),
        [("truncated=False", (2, 0)), ("finish_reason='stop'", (2, 0)), ("success=True", (1, 1))],
    )
    def test_a_line_of_a_call_that_was_cut_off_is_never_hidden(
        self, project: Any, judge: Any, said: str, found: tuple[int, int]
    ) -> None:
        line = cut_off(1000, 900, time=None, success=True)
        project(f"def test_it(token_telemetry):\n    record(token_telemetry, {said})\n    LOG.info({line!r})")
        result = judge()
        assert counts(result) == found
        truncation = next(check for check in result.report["checks"] if check["id"] == "tier1::truncation")
        assert truncation["events"] == 1

    def test_a_line_that_contradicts_what_was_recorded_is_another_call(self, project: Any, judge: Any) -> None:
        project("def test_it(token_telemetry):\n    record(token_telemetry, success=False)\n    LOG.info(LINE)")
        assert counts(judge()) == (2, 0)


class TestFields:
    """``logger.info(..., extra={"token_telemetry": {...}})``."""

    CALL = "{'predicted_output_tokens': 1000, 'output_tokens': 900, 'success': True, 'category': 'docs'}"

    def test_are_a_call(self, project: Any, judge: Any) -> None:
        project(f"def test_it(): LOG.info('called', extra={{'token_telemetry': {self.CALL}}})")
        result = judge()
        assert counts(result) == (1, 0)
        assert result.report["worst"][0]["category"] == "docs"

    @pytest.mark.parametrize("fields", ["{'predicted_output_tokens': 1000}", "'text'", "3", "{1: 2}"])
    def test_that_cannot_be_are_counted_as_unusable(self, project: Any, judge: Any, fields: str) -> None:
        project(f"def test_it(): LOG.info('called', extra={{'token_telemetry': {fields}}})")
        assert judge().report["counts"]["unusable"]["reasons"] == {
            "a logged call has a field that cannot be": {"count": 1, "places": ["test_agent.py::test_it"]}
        }

    def test_beside_a_telemetry_line_are_the_same_call(self, project: Any, judge: Any) -> None:
        fields = "{'predicted_output_tokens': 1000, 'output_tokens': 900}"
        project(f"def test_it():\n    for _ in range(2): LOG.info(LINE, extra={{'token_telemetry': {fields}}})")
        assert counts(judge()) == (2, 2)

    def test_of_a_call_that_was_recorded_are_the_same_call(self, project: Any, judge: Any) -> None:
        project(
            f"def test_it(token_telemetry):\n    record(token_telemetry, success=True)\n"
            f"    LOG.info('called', extra={{'token_telemetry': {self.CALL}}})"
        )
        assert counts(judge()) == (1, 1)

    def test_that_a_handler_of_ours_writes_below_the_directory_count_once(
        self, project: Any, run: Run, pytester: pytest.Pytester
    ) -> None:
        pytester.mkdir("runs")
        project(
            f"""
from pytest_token_telemetry import TokenTelemetryHandler

def test_it():
    LOG.addHandler(TokenTelemetryHandler("runs/agent.jsonl"))
    for _ in range(3): LOG.info("called", extra={{'token_telemetry': {self.CALL}}})
"""
        )
        assert counts(run("--token-telemetry", process=True)) == (3, 3)

    @pytest.mark.parametrize("text", ["[TokenEstimationV2] predicted_output=1", "[TOKEN_BUDGET]", "token-telemetry/1"])
    def test_may_hold_any_text(self, project: Any, judge: Any, text: str) -> None:
        project(
            f"def test_it(token_telemetry):\n"
            f"    LOG.info('called', extra={{'token_telemetry': {{**{self.CALL}, 'task_id': {text!r}}}}})\n"
            f"    record(token_telemetry, model={text!r}, task_id={text + ' again'!r}, success=False)\n"
            f"    assert [sample.task_id for sample in token_telemetry.samples] == [{text + ' again'!r}]"
        )
        result = judge()
        assert "FAILED test_agent.py" not in result.text
        assert counts(result) == (2, 0)
        assert result.report["counts"]["unusable"]["total"] == 0
        assert result.report["counts"]["tasks"] == 2


class TestOwnConfiguration:
    DICT_CONFIG = """
from logging.config import dictConfig

CONFIG = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"console": {"class": "logging.StreamHandler"}},
    "root": {"level": "ERROR", "handlers": ["console"]},
}
"""

    def test_that_replaces_the_root_handlers_in_a_test_breaks_not_the_next(self, project: Any, judge: Any) -> None:
        project(
            f"{self.DICT_CONFIG}\n"
            "def test_one():\n    LOG.info(LINE)\n    dictConfig(CONFIG)\n\n"
            "def test_two(): LOG.info(LINE)"
        )
        result = judge(process=True)
        assert "FAILED test_agent.py" not in result.text
        assert by_source(result) == {"test_agent.py::test_one": 1, "test_agent.py::test_two": 1}

    def test_that_replaces_the_root_handlers_in_a_session_fixture_is_heard(self, project: Any, judge: Any) -> None:
        project(
            f"{self.DICT_CONFIG}\n"
            "@pytest.fixture(scope='session', autouse=True)\n"
            "def configured(): dictConfig({**CONFIG, 'root': {'level': 'INFO', 'handlers': ['console']}})\n\n"
            "@pytest.mark.parametrize('n', range(2))\n"
            "def test_it(n): LOG.info(LINE)"
        )
        assert by_source(judge(process=True)) == {"test_agent.py::test_it[0]": 1, "test_agent.py::test_it[1]": 1}


@pytest.mark.parametrize("tell", ["LOG.info(LINE)", "print(LINE)"])
def test_a_call_that_a_fixture_logs_and_the_test_records_counts_once(project: Any, judge: Any, tell: str) -> None:
    project(
        f"""
@pytest.fixture
def answer():
    {tell}

def test_it(answer, token_telemetry):
    record(token_telemetry, success=True)
    assert len(token_telemetry.samples) == 1
"""
    )
    assert counts(judge()) == (1, 1)


def test_what_a_fixture_logs_before_its_test_fails_to_be_set_up_counts(project: Any, judge: Any) -> None:
    project(
        """
@pytest.fixture
def answer():
    LOG.info(LINE)
    raise OSError

def test_it(answer): pass
"""
    )
    assert counts(judge()) == (1, 0)
