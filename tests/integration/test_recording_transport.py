"""What tests record reaches the verdict from any number of workers, of which some may die."""

from __future__ import annotations

import json
from pathlib import Path
from textwrap import dedent
from typing import Any, ClassVar

import pytest

from tests.integration.conftest import Outcome, Run, by_source

LAYOUTS = {"one process": [], "without xdist": ["-p", "no:xdist"], "two workers": ["-n", "2"]}

MODEL = """
import itertools, os, signal, time

KINDS = list(itertools.product(("implementation", "tests", "docs"), ("low", "medium", "high"), (1, 3, 8)))


def call(telemetry, category, **fields):
    telemetry.record(**{
        "predicted_output_tokens": 1000, "output_tokens": 900, "success": True, "truncated": False,
        "category": category, **fields,
    })


def every_kind(telemetry):
    for category, complexity, count in KINDS:
        call(telemetry, category, complexity=complexity, deliverable_count=count)


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def die_in_test():
    give_up = time.monotonic() + 60
    while not os.path.exists("killed test has begun") and time.monotonic() < give_up:
        time.sleep(0)
    die()
"""


@pytest.fixture(autouse=True)
def _model(pytester: pytest.Pytester) -> None:
    """What the tests under test import: ways to record calls, and to die."""
    pytester.makepyfile(model=MODEL)


@pytest.fixture
def project(pytester: pytest.Pytester) -> Any:
    """Write test files."""

    def write_tests(**sources: str) -> None:
        head = "import pytest\nfrom model import *\n\n"
        pytester.makepyfile(**{name: f"{head}{source}" for name, source in sources.items()})

    return write_tests


@pytest.fixture
def judge(run: Run) -> Any:
    """Run the tests with the gate on what they record."""

    def run_judged(*arguments: str, process: bool = False) -> Outcome:
        judged = ("--token-telemetry", "--token-telemetry-json=report.json")
        return run(*judged, *arguments, directory=None, process=process)

    return run_judged


def by_category(result: Outcome) -> dict[str, int]:
    """How many samples there are of each category: here, that is each call's own name."""
    assert result.report is not None
    return {stratum["name"]: stratum["attempts"] for stratum in result.report["strata"]["category"]}


def assert_not_judged(result: Outcome) -> None:
    assert result.exit != 0
    assert result.report is None
    assert "PASS" not in result.text.replace("PASSED", "")


class TestDistribution:
    SUITE = """
import itertools
TIMES = itertools.count()

@pytest.fixture(scope="module", autouse=True)
def agent(token_telemetry, request):
    which = f"{os.getpid()}, time {next(TIMES)}"  # a worker may leave a module and come back to it
    call(token_telemetry, f"{request.module.__name__} begins in {which}")
    yield
    call(token_telemetry, f"{request.module.__name__} ends in {which}")

@pytest.fixture
def step(token_telemetry, request, n):
    call(token_telemetry, f"{request.module.__name__} before {n}")
    yield
    call(token_telemetry, f"{request.module.__name__} after {n}")

@pytest.mark.parametrize("n", [pytest.param(n, marks=pytest.mark.xdist_group(f"group-{n % 3}")) for n in range(12)])
def test_it(token_telemetry, step, request, n):
    call(token_telemetry, f"{request.module.__name__} during {n}")
"""

    @pytest.mark.parametrize("dist", ["load", "loadscope", "loadgroup", "worksteal"])
    def test_every_sample_arrives_exactly_once(self, project: Any, judge: Any, dist: str) -> None:
        project(test_one=self.SUITE, test_two=self.SUITE)
        found = by_category(judge("-n", "2", f"--dist={dist}"))
        of_tests = {
            f"{module} {phase} {n}"
            for module in ("test_one", "test_two")
            for phase in ("before", "during", "after")
            for n in range(12)
        }
        begun = {name for name in found if " begins in " in name}
        ended = {name.replace(" begins in ", " ends in ") for name in begun}
        assert {name.split()[0] for name in begun} == {"test_one", "test_two"}
        assert found == dict.fromkeys(of_tests | begun | ended, 1)

    def test_every_test_on_every_worker_counts_a_sample_once_a_run_and_says_so(self, project: Any, judge: Any) -> None:
        project(
            test_it="@pytest.mark.parametrize('n', range(5))\n"
            "def test_it(token_telemetry, n): call(token_telemetry, f'call-{n}')"
        )
        result = judge("-n", "2", "--dist=each", "-v")
        assert by_category(result) == {f"call-{n}": 2 for n in range(5)}
        note = "Each test ran on 2 workers (--dist=each): its samples count once a run."
        assert note in result.report["notes"]
        assert note.split("(")[0] in result.text

    @pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
    def test_every_attempt_of_a_rerun_test_counts(self, project: Any, judge: Any, layout: list[str]) -> None:
        project(
            test_it="""
attempts = []

@pytest.fixture
def agent(token_telemetry):
    call(token_telemetry, f"before-{len(attempts)}")
    yield
    call(token_telemetry, f"after-{len(attempts)}")

def test_it(token_telemetry, agent):
    attempts.append(1)
    call(token_telemetry, f"attempt-{len(attempts)}")
    assert len(token_telemetry.samples) == 2
    assert len(attempts) == 3
"""
        )
        result = judge("--reruns", "2", *layout)
        assert result.outcomes["rerun"] == 2
        assert by_category(result) == {
            **{f"before-{n}": 1 for n in (0, 1, 2)},
            **{f"attempt-{n}": 1 for n in (1, 2, 3)},
            **{f"after-{n}": 1 for n in (1, 2, 3)},
        }

    @pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
    def test_what_is_recorded_after_the_last_report_arrives_too(
        self, pytester: pytest.Pytester, project: Any, judge: Any, layout: list[str]
    ) -> None:
        pytester.makeconftest(
            """
            import pytest, model
            LATE = []
            @pytest.fixture(autouse=True)
            def late(token_telemetry):
                LATE[:] = [token_telemetry]
            @pytest.hookimpl(wrapper=True)
            def pytest_runtest_protocol(item):
                result = yield
                if LATE:
                    model.call(LATE.pop(), f"after {item.name}")
                return result
            """
        )
        project(test_it="def test_one(): pass\n\ndef test_two(): pass")
        assert by_category(judge(*layout)) == {"after test_one": 1, "after test_two": 1}

    def test_a_terminal_is_not_needed(self, project: Any, judge: Any) -> None:
        project(test_it="def test_it(token_telemetry): every_kind(token_telemetry)")
        result = judge("-n", "2", "-p", "no:terminal")
        assert (result.exit, result.report["verdict"], result.report["counts"]["samples"]) == (0, "pass", 27)

    def test_nothing_is_said_without_a_terminal(self, project: Any, run: Run) -> None:
        project(test_it="def test_it(token_telemetry): every_kind(token_telemetry)")
        result = run("-p", "no:terminal", directory=None)
        assert (result.exit, result.text.strip()) == (0, "")

    @pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
    @pytest.mark.parametrize("selection", [["-k", "not left_out"], ["--deselect", "test_it.py::test_left_out"]])
    def test_deselected_tests_are_mentioned(
        self, project: Any, judge: Any, layout: list[str], selection: list[str]
    ) -> None:
        project(
            test_it="def test_it(token_telemetry): every_kind(token_telemetry)\n\n"
            "@pytest.mark.parametrize('n', range(3))\ndef test_left_out(n): pass"
        )
        result = judge(*layout, *selection)
        assert result.report["verdict"] == "pass"
        assert "3 tests deselected: what they would record is not judged." in result.report["notes"]


class TestValues:
    SUITE = """
import enum
from datetime import UTC, date, datetime
import numpy as np

class Level(enum.Enum):
    HIGH = "high"

class Flag(enum.IntEnum):
    ON = 1

class Name(enum.StrEnum):
    DOCS = "docs"

@pytest.mark.parametrize("n", range(4))
def test_it(token_telemetry, n):
    token_telemetry.record(
        predicted_output_tokens=np.int64(1000), output_tokens=np.float32(900.0), max_tokens=np.uint16(4096),
        success=np.bool_(True), truncated=np.bool_(False), category=Name.DOCS, complexity=Level.HIGH,
        deliverable_count=Flag.ON, time=datetime(2026, 1, 2, tzinfo=UTC), finish_reason=Name.DOCS,
        mean=np.float64(1.5), level=Level.HIGH, on=Flag.ON, at=datetime(2026, 1, 2, tzinfo=UTC), is_set=np.True_,
    )
    assert token_telemetry.samples[0].features == {
        "mean": "1.5", "level": "high", "on": "1", "at": "2026-01-02T00:00:00+00:00", "is_set": "True"
    }

REFUSED = [object(), np.zeros(2), [1], {1: 2}, b"x", 1j, date(2026, 1, 2)]

@pytest.mark.parametrize("value", REFUSED, ids=lambda value: type(value).__name__)
def test_refused(token_telemetry, value):
    with pytest.raises(TypeError, match="is not a number, text, truth value or None"):
        token_telemetry.record(predicted_output_tokens=1000, output_tokens=900, feature=value)
"""

    def test_numbers_enumerations_and_times_travel_as_plain_values_or_are_refused_at_once(
        self, project: Any, judge: Any
    ) -> None:
        project(test_it=self.SUITE)
        result = judge("-n", "2")
        assert result.outcomes["passed"] == 4 + 7 + 1  # the tests, and the check that some test recorded
        assert by_category(result) == {"docs": 4}
        assert [each["name"] for each in result.report["strata"]["complexity"]] == ["high"]
        assert [each["name"] for each in result.report["strata"]["deliverables"]] == ["1"]


class TestAmount:
    def test_10_000_samples_of_one_test_arrive_complete(self, project: Any, judge: Any) -> None:
        project(
            test_it="def test_it(token_telemetry):\n"
            "    for n in range(10_000): call(token_telemetry, 'docs', task_id=f'task-{n}')"
        )
        counts = judge("-n", "2").report["counts"]
        assert (counts["samples"], counts["tasks"], counts["unusable"]["total"]) == (10_000, 10_000, 0)

    def test_samples_of_2_000_tests_arrive_complete(self, project: Any, judge: Any) -> None:
        project(
            test_it="@pytest.mark.parametrize('n', range(2_000))\n"
            "def test_it(token_telemetry, n): call(token_telemetry, 'docs', task_id=f'task-{n}')"
        )
        counts = judge("-n", "2", "-q").report["counts"]
        assert (counts["samples"], counts["tasks"], counts["tests"]) == (2_000, 2_000, 2_000)


class TestEarlyEnd:
    SUITE = """
def test_good(token_telemetry): every_kind(token_telemetry)

def test_broken(): assert False

def test_never(token_telemetry): every_kind(token_telemetry)
"""

    @pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
    @pytest.mark.parametrize("option", ["-x", "--maxfail=1"])
    def test_a_session_that_stops_at_a_failure_is_not_judged(
        self, project: Any, judge: Any, layout: list[str], option: str
    ) -> None:
        project(test_it=self.SUITE)
        result = judge(option, *layout)
        assert_not_judged(result)
        assert "not judged: the session ended before the checks" in result.text

    @pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
    def test_failures_below_the_limit_leave_the_rest_judged(self, project: Any, judge: Any, layout: list[str]) -> None:
        project(test_it=self.SUITE)
        result = judge("--maxfail=2", *layout)
        assert (result.exit, result.report["verdict"]) == (1, "pass")
        assert result.report["counts"]["samples"] == 54

    @pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
    @pytest.mark.parametrize("end", ["raise KeyboardInterrupt", "pytest.exit('enough')"])
    def test_an_interrupted_session_is_not_judged(self, project: Any, judge: Any, layout: list[str], end: str) -> None:
        project(
            test_it=f"def test_good(token_telemetry): every_kind(token_telemetry)\n\n"
            f"def test_end():\n    {end}\n\ndef test_never(): pass"
        )
        assert_not_judged(judge(*layout, process=True))


class TestDeadWorker:
    SUITE = """
@pytest.fixture
def agent(token_telemetry, request):
    if "setup" in request.param: die_in_test()
    yield
    if "teardown" in request.param: die_in_test()

@pytest.mark.parametrize("n", range(8))
def test_before(token_telemetry, n): call(token_telemetry, f"before-{n}")

def test_good(token_telemetry): every_kind(token_telemetry)

@pytest.mark.parametrize("agent", [PHASE], indirect=True)
def test_killed(token_telemetry, agent):
    call(token_telemetry, "killed")
    if PHASE == "call": die_in_test()

@pytest.mark.parametrize("n", range(8))
def test_after(token_telemetry, n): call(token_telemetry, f"after-{n}")
"""

    @pytest.fixture(autouse=True)
    def _begun(self, pytester: pytest.Pytester) -> None:
        """Let no worker die while it is sent more tests: that is an error in xdist itself."""
        pytester.makeconftest(
            """
            def pytest_configure(config):
                if not hasattr(config, "workerinput"):
                    config.pluginmanager.register(Begun())
            class Begun:
                def pytest_runtest_logstart(self, nodeid):
                    if "killed" in nodeid:
                        open("killed test has begun", "w").close()
            """
        )

    @pytest.mark.parametrize("phase", ["setup", "call", "teardown"])
    def test_loses_at_most_the_samples_of_the_test_that_it_ran(self, project: Any, judge: Any, phase: str) -> None:
        project(test_it=f"PHASE = {phase!r}\n{self.SUITE}")
        result = judge("-n", "2")
        others = {f"test_it.py::test_{when}[{n}]": 1 for when in ("before", "after") for n in range(8)}
        found = by_source(result)
        assert found.pop(f"test_it.py::test_killed[{phase}]", 0) == (1 if phase == "teardown" else 0)
        assert found == {**others, "test_it.py::test_good": 27}

    def test_is_never_a_pass_and_is_named_with_its_test(self, project: Any, judge: Any) -> None:
        project(test_it=f"PHASE = 'call'\n{self.SUITE}")
        result = judge("-n", "2")
        assert (result.exit, result.report["verdict"]) == (1, "not-ready")
        assert result.checks["readiness::sources"] == "fail"
        [lost] = result.report["not_read"]["unreadable"]
        assert lost["path"] == "test_it.py::test_killed[call]"
        assert lost["reason"] in ("worker gw0 died while it ran", "worker gw1 died while it ran")
        assert f"could not be read: {lost['path']}: {lost['reason']}" in result.text
        assert "Run the tests again: a worker died, and what it recorded last is lost." in result.report["advice"]
        assert "PASS:" not in result.text

    def test_leaves_what_the_test_had_recorded_in_the_record_file(self, project: Any, judge: Any) -> None:
        project(test_it=f"PHASE = 'call'\n{self.SUITE}")
        judge("-n", "2", "--token-telemetry-record=kept.jsonl")
        kept = [json.loads(line)["category"] for line in Path("kept.jsonl").read_text().splitlines()]
        assert kept.count("killed") == 1
        assert len(kept) == 8 + 27 + 1 + 8

    def test_is_not_made_good_by_another_attempt(self, project: Any, judge: Any) -> None:
        project(
            test_it="""
def test_good(token_telemetry): every_kind(token_telemetry)

def test_killed_once(token_telemetry):
    call(token_telemetry, "attempt")
    if not os.path.exists("died"):
        open("died", "w").close()
        die_in_test()
"""
        )
        result = judge("-n", "2", "--reruns", "2")
        assert "test_it.py::test_killed_once" in {lost["path"] for lost in result.report["not_read"]["unreadable"]}
        assert (result.exit, result.report["verdict"]) == (1, "not-ready")

    def test_that_dies_after_its_last_test_fails_the_session_too(
        self, pytester: pytest.Pytester, project: Any, judge: Any
    ) -> None:
        pytester.makeconftest(
            """
            import model
            def pytest_sessionfinish(session):
                if getattr(session.config, "workerinput", {}).get("workerid") == "gw0":
                    model.die()
            """
        )
        project(test_it="def test_good(token_telemetry): every_kind(token_telemetry)")
        result = judge("-n", "1")
        assert (result.exit, result.report["verdict"]) == (1, "not-ready")
        assert result.report["not_read"]["unreadable"] == [
            {"path": "worker gw0", "reason": "it died between two tests"}
        ]
        assert result.report["counts"]["samples"] == 27

    def test_that_is_not_replaced_fails_the_session(self, project: Any, judge: Any) -> None:
        project(
            test_it="def test_good(token_telemetry): every_kind(token_telemetry)\n\n"
            "def test_killed(): die_in_test()\n\ndef test_never(): pass"
        )
        result = judge("-n", "1", "--max-worker-restart=0")
        assert (result.exit, result.report["verdict"]) == (1, "not-ready")
        assert by_source(result) == {"test_it.py::test_good": 27}


class TestInternalError:
    CONFTESTS: ClassVar = {
        "a hook that raises as it is told of a report": """
            def pytest_configure(config):
                global on_worker
                on_worker = hasattr(config, "workerinput")
            def pytest_runtest_logreport(report):
                if on_worker: raise RuntimeError("a broken plugin")
        """,
        "a hook that raises as it makes a report": """
            def pytest_runtest_makereport(item, call):
                if hasattr(item.config, "workerinput"): raise RuntimeError("a broken plugin")
        """,
        "a report that cannot travel": """
            import pytest
            @pytest.hookimpl(wrapper=True)
            def pytest_runtest_makereport(item, call):
                report = yield
                report.cannot_travel = object()
                return report
        """,
    }

    @pytest.mark.parametrize("workers", ["1", "2"])
    @pytest.mark.parametrize("conftest", CONFTESTS.values(), ids=CONFTESTS)
    def test_of_a_worker_fails_the_session_and_nothing_is_judged(
        self, pytester: pytest.Pytester, project: Any, judge: Any, conftest: str, workers: str
    ) -> None:
        pytester.makeconftest(dedent(conftest))
        project(test_it="def test_good(token_telemetry): every_kind(token_telemetry)")
        assert_not_judged(judge("-n", workers))

    def test_of_a_worker_fails_the_session_beside_good_logs(
        self, pytester: pytest.Pytester, project: Any, run: Run, passing: object
    ) -> None:
        pytester.makeconftest(dedent(self.CONFTESTS["a report that cannot travel"]))
        project(test_it="def test_good(token_telemetry): every_kind(token_telemetry)")
        assert_not_judged(run("--token-telemetry", "-n", "1"))
