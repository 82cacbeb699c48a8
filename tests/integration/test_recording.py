"""What tests record with the fixture and the marker, and what becomes of it with the switch and without."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, ClassVar

import pytest

from tests.integration.conftest import NOTHING_LOST, Outcome, Run
from tests.lines import ready_lines, write

JUDGED = ("--token-telemetry", "--token-telemetry-json=report.json")

MODEL = """
import itertools

KINDS = list(itertools.product(("implementation", "tests", "docs"), ("low", "medium", "high"), (1, 3, 8)))
RESPONSE = {
    "object": "chat.completion", "id": "call-1", "model": "gpt-x",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"content": "a secret answer"}}],
    "usage": {"completion_tokens": 850},
}


def good(telemetry, n=1, **fields):
    for _ in range(n):
        telemetry.record(**{
            "predicted_output_tokens": 1000, "output_tokens": 900, "success": True, "truncated": False, **fields
        })


def cut_off(telemetry, n=1, **fields):
    for _ in range(n):
        telemetry.record(predicted_output_tokens=1000, output_tokens=8192, success=False, truncated=True, **fields)


def every_kind(telemetry, categories=("implementation", "tests", "docs")):
    for category, complexity, count in KINDS:
        if category in categories:
            good(telemetry, category=category, complexity=complexity, deliverable_count=count)
"""


HEAD = "import pytest\nfrom model import *\n"


@pytest.fixture(autouse=True)
def _model(pytester: pytest.Pytester) -> None:
    """What the tests under test import: ways to record calls as they go well and not."""
    pytester.makepyfile(model=MODEL)


@pytest.fixture
def recorded(run: Run) -> Any:
    """Run the tests with the gate on what they record, and read its report."""

    def run_judged(*arguments: str) -> dict[str, Any]:
        report = run(*JUDGED, *arguments, directory=None).report
        assert report is not None
        return report

    return run_judged


def by_source(report: dict[str, Any]) -> dict[str, int]:
    return {source["path"]: source["samples"] for source in report["sources"]}


def by_category(report: dict[str, Any]) -> dict[str, int]:
    """How many samples that say whether they were truncated there are of each category."""
    return {stratum["name"]: stratum["attempts"] for stratum in report["strata"]["category"]}


class TestFixture:
    @pytest.mark.parametrize("scope", ["function", "class", "module", "package", "session"])
    def test_records_from_fixtures_of_any_scope_at_their_begin_and_at_their_end(
        self, pytester: pytest.Pytester, recorded: Any, scope: str
    ) -> None:
        package = pytester.mkpydir("package")
        (package / "conftest.py").write_text(
            f"""
import pytest, model
@pytest.fixture(scope="{scope}", autouse=True)
def agent(token_telemetry):
    model.good(token_telemetry)
    yield
    model.good(token_telemetry)
"""
        )
        (package / "test_it.py").write_text("class TestIt:\n    def test_it(self): pass\n")
        assert by_source(recorded()) == {"package/test_it.py::TestIt::test_it": 2}

    def test_records_in_the_teardown_of_a_session_fixture_of_a_worker(
        self, pytester: pytest.Pytester, project: Any, recorded: Any
    ) -> None:
        pytester.makeconftest(
            """
            import pytest, model
            @pytest.fixture(scope="session")
            def agent(token_telemetry):
                yield
                model.good(token_telemetry)
            """
        )
        project("@pytest.mark.parametrize('n', range(4))\ndef test_it(agent, n): pass")
        assert recorded("-n", "2")["counts"]["samples"] == 2  # each worker has a session of its own

    def test_records_from_threads(self, project: Any, recorded: Any) -> None:
        project(
            """
from concurrent.futures import ThreadPoolExecutor

def test_it(token_telemetry):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: good(token_telemetry, category=f"call-{n}"), range(200)))
    assert len(token_telemetry.samples) == 200
"""
        )
        assert by_category(recorded()) == {f"call-{n}": 1 for n in range(200)}

    def test_records_from_an_event_loop(self, project: Any, recorded: Any) -> None:
        project(
            """
import asyncio

async def call(telemetry, n):
    with telemetry.call(predicted_output_tokens=n, category=f"call-{n}", truncated=False) as call:
        await asyncio.sleep(0)
        call.output_tokens = n

async def calls(telemetry):
    await asyncio.gather(*(call(telemetry, n) for n in range(50)))

def test_it(token_telemetry):
    asyncio.run(calls(token_telemetry))
"""
        )
        assert by_category(recorded()) == {f"call-{n}": 1 for n in range(50)}

    def test_keeps_what_a_failing_test_recorded(self, project: Any, recorded: Any) -> None:
        project("def test_it(token_telemetry):\n    good(token_telemetry)\n    assert False")
        assert recorded()["counts"]["samples"] == 1

    def test_knows_the_samples_of_the_running_test_alone_in_their_order(self, project: Any, run: Run) -> None:
        project(
            """
def test_one(token_telemetry):
    good(token_telemetry, category="a")
    good(token_telemetry, category="b")
    assert [sample.category for sample in token_telemetry.samples] == ["a", "b"]

def test_two(token_telemetry):
    assert token_telemetry.samples == ()
    good(token_telemetry, category="c")
    assert [sample.category for sample in token_telemetry.samples] == ["c"]
"""
        )
        assert run(directory=None).outcomes == {"passed": 2}

    def test_reports_the_figures_of_the_running_test(self, project: Any, run: Run) -> None:
        project(
            """
def test_noise(token_telemetry):
    cut_off(token_telemetry, 5)

def test_it(token_telemetry):
    good(token_telemetry, 2)
    good(token_telemetry, output_tokens=1001)
    cut_off(token_telemetry)
    figures = token_telemetry.report()
    assert (figures.underestimation.events, figures.underestimation.n) == (2, 4)
    assert (figures.truncation.events, figures.truncation.n) == (1, 4)
    assert token_telemetry.report(population="success").truncation.events == 0
"""
        )
        assert run(directory=None).outcomes == {"passed": 2}

    def test_record_keeps_every_field_and_takes_other_keywords_for_features(self, project: Any, run: Run) -> None:
        project(
            """
from datetime import UTC, datetime

def test_it(token_telemetry):
    token_telemetry.record(
        predicted_output_tokens=1000, output_tokens=900, max_tokens=4096, budget_tokens=2048, finish_reason="end_turn",
        success=True, category="docs", complexity="low", deliverable_count=3, task_id="task-7", model="m-1",
        time=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), files=3, language="de",
    )
    [sample] = token_telemetry.samples
    assert (sample.predicted_output_tokens, sample.output_tokens) == (1000, 900)
    assert (sample.max_tokens, sample.budget_tokens) == (4096, 2048)
    assert (sample.finish_reason, sample.finish_reason_raw, sample.truncated) == ("stop", "end_turn", False)
    assert (sample.success, sample.category, sample.complexity, sample.deliverable_count) == (True, "docs", "low", 3)
    assert (sample.task_id, sample.model, sample.time) == ("task-7", "m-1", datetime(2026, 1, 2, 3, 4, 5))
    assert sample.features == {"files": "3", "language": "de"}
"""
        )
        assert run(directory=None).outcomes == {"passed": 1}

    def test_observe_reads_the_response_and_what_it_is_told_wins(self, project: Any, run: Run) -> None:
        project(
            """
def test_it(token_telemetry):
    token_telemetry.observe(RESPONSE, predicted_output_tokens=1000, success=True)
    token_telemetry.observe(RESPONSE, predicted_output_tokens=1000, model="renamed", output_tokens=800)
    first, second = token_telemetry.samples
    assert (first.output_tokens, first.model, first.finish_reason, first.success) == (850, "gpt-x", "stop", True)
    assert (second.output_tokens, second.model) == (800, "renamed")
"""
        )
        assert run(directory=None).outcomes == {"passed": 1}

    def test_observe_takes_an_output_at_the_cap_for_cut_off_and_says_that_the_cap_tells_it(
        self, project: Any, recorded: Any
    ) -> None:
        project(
            "def test_it(token_telemetry):\n"
            "    lost = {**RESPONSE, 'choices': [{'finish_reason': 'tool_calls'}]}\n"
            "    token_telemetry.observe(lost, predicted_output_tokens=1000, max_tokens=850)\n"
            "    assert token_telemetry.samples[0].truncation_source == 'cap'"
        )
        notes = recorded()["notes"]
        assert "1 truncation known by the cap alone: no reason said so." in notes

    def test_a_block_is_one_successful_call(self, project: Any, run: Run) -> None:
        project(
            """
def test_it(token_telemetry):
    with token_telemetry.call(predicted_output_tokens=1000, category="docs") as call:
        call.response = RESPONSE
    [sample] = token_telemetry.samples
    assert (sample.success, sample.output_tokens, sample.category) == (True, 850, "docs")
"""
        )
        assert run(directory=None).outcomes == {"passed": 1}

    def test_a_block_may_say_itself_that_the_task_failed(self, project: Any, run: Run) -> None:
        project(
            """
def test_it(token_telemetry):
    with token_telemetry.call(predicted_output_tokens=1000) as call:
        call.response, call.success = RESPONSE, False
    assert token_telemetry.samples[0].success is False
"""
        )
        assert run(directory=None).outcomes == {"passed": 1}

    def test_a_block_that_raises_is_a_failed_call_and_the_exception_goes_on(self, project: Any, run: Run) -> None:
        project(
            """
def test_it(token_telemetry):
    with pytest.raises(ZeroDivisionError):
        with token_telemetry.call(predicted_output_tokens=1000, success=True) as call:
            call.response = RESPONSE
            1 / 0
    [sample] = token_telemetry.samples
    assert (sample.success, sample.output_tokens) == (False, 850)
"""
        )
        assert run(directory=None).outcomes == {"passed": 1}

    def test_a_block_that_raises_before_it_has_a_response_counts_as_unusable(self, project: Any, recorded: Any) -> None:
        project(
            """
def test_it(token_telemetry):
    with pytest.raises(ConnectionError):
        with token_telemetry.call(predicted_output_tokens=1000):
            raise ConnectionError
    assert token_telemetry.samples == ()
"""
        )
        assert recorded()["counts"]["unusable"] == {
            "total": 1,
            "reasons": {"a call ended without a response": {"count": 1, "places": ["test_agent.py::test_it"]}},
        }

    def test_read_records_the_lines_of_a_text_and_no_call_twice(self, project: Any, recorded: Any) -> None:
        lines = ready_lines(3)
        project(
            f"def test_it(token_telemetry):\n"
            f"    good(token_telemetry, category='implementation', complexity='low', deliverable_count=1)\n"
            f"    token_telemetry.read({chr(10).join(lines)!r})\n"
            f"    assert len(token_telemetry.samples) == 3"
        )
        report = recorded()
        assert (report["counts"]["samples"], report["counts"]["duplicates"]) == (3, 1)

    def test_read_counts_a_text_as_often_as_it_is_read_and_not_again_where_it_is_printed(
        self, project: Any, recorded: Any
    ) -> None:
        [line] = ready_lines(1)
        project(
            f"LINE = {line!r}\n\n"
            f"def test_it(token_telemetry):\n    for _ in range(2):\n        token_telemetry.read(LINE); print(LINE)"
        )
        report = recorded()
        assert (report["counts"]["samples"], report["counts"]["duplicates"]) == (2, 2)

    @pytest.mark.parametrize(
        ("statement", "sentence"),
        [
            ("record(predicted_output_tokens=1)", "missing 1 required keyword-only argument: 'output_tokens'"),
            ("record(predicted_output_tokens='9', output_tokens=1)", "predicted_output_tokens: '9' is not a whole"),
            ("record(predicted_output_tokens=9, output_tokens=-1)", "output_tokens: -1 is not between 0 and"),
            ("record(predicted_output_tokens=9, output_tokens=1, success='y')", "success: 'y' is not True, False or"),
            (
                "record(predicted_output_tokens=9, output_tokens=1, files=[1])",
                "features['files']: list is not a number",
            ),
            ("record(predicted_output_tokens=9, output_tokens=1, selected_budget=8)", "(write budget_tokens, or"),
            ("observe({'a': 1}, predicted_output_tokens=9)", "dict is not the response of a model"),
            ("observe(RESPONSE, predicted_output_tokens=1.5)", "predicted_output_tokens: 1.5 is not a whole number"),
            ("observe(RESPONSE, predicted_output_tokens=9, max_tokens='all')", "max_tokens: 'all' is not a whole"),
            (
                "observe(RESPONSE, predicted_output_tokens=9, max_tokens=5, finish_reason='?', output_tokens='all')",
                "output_tokens: 'all' is not a whole number",
            ),
            ("report('risky')", "report: 'risky' is not one of risk, success, all"),
            ("read(b'a line')", "read: bytes is not a text (decode it first)"),
        ],
    )
    def test_refuses_what_cannot_be_meant_at_the_users_own_line(
        self, project: Any, run: Run, statement: str, sentence: str
    ) -> None:
        project(f"def test_it(token_telemetry):\n    token_telemetry.{statement}")
        result = run("--tb=short", directory=None)
        assert result.outcomes == {"failed": 1}
        assert sentence in result.text
        assert frames(result) == ["test_agent.py:5: in test_it"]

    @pytest.mark.parametrize(
        ("block", "sentence"),
        [
            ("pass", "call: neither response nor output_tokens was set in the block"),
            ("call.response = object()", "object is not the response of a model"),
            ("call.output_tokens = 'all'", "output_tokens: 'all' is not a whole number"),
        ],
    )
    def test_refuses_a_block_that_tells_nothing_at_the_users_own_line(
        self, project: Any, run: Run, block: str, sentence: str
    ) -> None:
        project(
            f"def test_it(token_telemetry):\n"
            f"    with token_telemetry.call(predicted_output_tokens=9) as call:\n"
            f"        {block}"
        )
        result = run("--tb=short", directory=None)
        assert result.outcomes == {"failed": 1}
        assert f"ValueError: {sentence}" in result.text or f"TypeError: {sentence}" in result.text
        assert frames(result) == ["test_agent.py:5: in test_it"]


def frames(result: Outcome) -> list[str]:
    """The places that a short traceback shows."""
    return re.findall(r"^\S+\.py:\d+: in .+$", result.text, re.MULTILINE)


class TestMarker:
    def test_gives_defaults_of_which_the_closest_wins(self, project: Any, run: Run) -> None:
        project(
            """
pytestmark = pytest.mark.token_telemetry(category="module", complexity="module", model="module", task_id="module")

@pytest.mark.token_telemetry(category="class", complexity="class", model="class")
class TestIt:
    @pytest.mark.token_telemetry(category="function", complexity="function")
    def test_it(self, token_telemetry):
        good(token_telemetry, category="call")
        [sample] = token_telemetry.samples
        assert [sample.category, sample.complexity, sample.model, sample.task_id] == [
            "call", "function", "class", "module"
        ]
"""
        )
        assert run("--strict-markers", directory=None).outcomes == {"passed": 1}

    def test_gives_defaults_to_calls_that_are_observed(self, project: Any, run: Run) -> None:
        project(
            """
@pytest.mark.token_telemetry(max_tokens=850, deliverable_count=3, success=True)
def test_it(token_telemetry):
    token_telemetry.observe(RESPONSE, predicted_output_tokens=1000, finish_reason="tool_calls")
    [sample] = token_telemetry.samples
    assert (sample.truncated, sample.deliverable_count, sample.success) == (True, 3, True)
"""
        )
        assert run(directory=None).outcomes == {"passed": 1}

    def test_gives_no_defaults_to_the_next_test(self, project: Any, run: Run) -> None:
        project(
            """
@pytest.mark.token_telemetry(category="docs")
def test_one(token_telemetry):
    good(token_telemetry)

def test_two(token_telemetry):
    good(token_telemetry)
    assert token_telemetry.samples[0].category is None
"""
        )
        assert run(directory=None).outcomes == {"passed": 2}

    @pytest.mark.parametrize("layout", [[], ["-n", "2"]], ids=["one process", "two workers"])
    def test_its_limits_fail_that_test_and_no_other(self, project: Any, run: Run, layout: list[str]) -> None:
        project(
            """
@pytest.mark.token_telemetry(max_truncation="20%", max_underestimation="30%")
def test_above(token_telemetry):
    good(token_telemetry, 3)
    cut_off(token_telemetry)

@pytest.mark.token_telemetry(max_truncation="25%", max_underestimation="25%")
def test_at_the_limit(token_telemetry):
    good(token_telemetry, 3)
    cut_off(token_telemetry)

def test_without_limits(token_telemetry):
    cut_off(token_telemetry, 4)
"""
        )
        result = run(*layout, directory=None)
        assert result.exit == 1
        assert result.outcomes == {"passed": 2, "failed": 1}
        assert "token_telemetry: 1/4 = 25.0% truncated (max_truncation 20.0%)" in result.text
        assert "underestimated (max_underestimation" not in result.text  # 25% is within that test's 30%

    def test_its_limits_name_the_calls_that_exceed_them(self, project: Any, run: Run) -> None:
        """Truncated calls in their order, and of those that were underestimated the largest overruns."""
        project(
            """
@pytest.mark.token_telemetry(max_truncation="0%")
def test_truncated(token_telemetry):
    good(token_telemetry)
    token_telemetry.record(output_tokens=900, max_tokens=900, task_id="letter-4\\u202e")
    token_telemetry.record(output_tokens=8192, truncated=True)

@pytest.mark.token_telemetry(max_truncation="0%")
def test_many_truncated(token_telemetry):
    cut_off(token_telemetry, 5, max_tokens=8192)

@pytest.mark.token_telemetry(max_underestimation="0%")
def test_underestimated(token_telemetry):
    good(token_telemetry, 2)
    for output in (1200, 3500, 1300, 2000):
        good(token_telemetry, output_tokens=output, task_id=f"t-{output}")
"""
        )
        text = " ".join(run(directory=None).text.split())
        assert (
            "token_telemetry: 2/3 = 66.7% truncated (max_truncation 0.0%):"
            r" #2 (task letter-4\u202e, 900 of 900 tokens) and #3 (8,192 tokens)"
        ) in text
        assert (
            "token_telemetry: 5/5 = 100.0% truncated (max_truncation 0.0%): #1 (8,192 of 8,192 tokens),"
            " #2 (8,192 of 8,192 tokens), #3 (8,192 of 8,192 tokens) and 2 others"
        ) in text
        assert (
            "token_telemetry: 4/6 = 66.7% underestimated (max_underestimation 0.0%):"
            " #4 (task t-3500, predicted 1,000, 3,500 tokens), #6 (task t-2000, predicted 1,000, 2,000 tokens),"
            " #5 (task t-1300, predicted 1,000, 1,300 tokens) and 1 other"
        ) in text

    def test_its_limits_fail_a_test_that_recorded_nothing(self, project: Any, run: Run) -> None:
        project(
            """
@pytest.mark.token_telemetry(max_truncation='5%')
def test_nothing():
    pass

@pytest.mark.token_telemetry(max_underestimation='5%', max_truncation='5%')
def test_no_prediction(token_telemetry):
    token_telemetry.record(output_tokens=1, max_tokens=5, success=True)

@pytest.mark.token_telemetry(max_underestimation='5%', max_truncation='5%')
def test_no_outcome(token_telemetry):
    token_telemetry.record(output_tokens=1, predicted_output_tokens=5)
"""
        )
        result = run(directory=None)
        assert result.outcomes == {"failed": 3}
        assert (
            "max_underestimation: the test recorded no call with a prediction that succeeded or was truncated (give"
            " success=True where the task was done)"
        ) in result.text
        assert (
            "max_truncation: the test recorded nothing that says whether it was truncated (give max_tokens or"
            " finish_reason)"
        ) in result.text
        assert "token_telemetry: max_truncation: the test recorded nothing to judge" in result.text
        assert "max_underestimation: the test recorded nothing with a prediction to judge" in result.text
        assert result.text.count("recorded nothing to judge") == 1
        assert (
            result.text.count("recorded nothing with a prediction") == 1
        )  # that call is an attempt, which was not truncated

    def test_its_limits_leave_a_failure_a_skip_and_an_expected_failure_as_they_are(
        self, project: Any, run: Run
    ) -> None:
        project(
            """
pytestmark = pytest.mark.token_telemetry(max_truncation="0%")

def test_failed(token_telemetry):
    cut_off(token_telemetry)
    assert False, "the test's own reason"

def test_skipped(token_telemetry):
    cut_off(token_telemetry)
    pytest.skip("not here")

@pytest.mark.xfail(reason="known")
def test_expected(token_telemetry):
    cut_off(token_telemetry)
    assert False
"""
        )
        result = run(directory=None)
        assert result.outcomes == {"failed": 1, "skipped": 1, "xfailed": 1}
        assert "the test's own reason" in result.text
        assert "(max_truncation" not in result.text

    def test_its_limits_change_no_sample_of_the_gate(self, project: Any, recorded: Any) -> None:
        project(
            "@pytest.mark.token_telemetry(max_truncation='0%')\ndef test_it(token_telemetry): cut_off(token_telemetry)"
        )
        assert recorded()["counts"]["samples"] == 1

    REFUSED: ClassVar = {
        "catgory='docs'": "token_telemetry: there is no keyword 'catgory' (they are budget_tokens, max_tokens,",
        "'docs'": "token_telemetry: 'docs' has no keyword (write token_telemetry(category='docs'))",
        "max_truncation='2,5'": "token_telemetry: max_truncation: '2,5' is not a rate (write 0.025 or 2.5%)",
        "deliverable_count='many'": "token_telemetry: deliverable_count: 'many' is not a whole number",
    }

    @pytest.mark.parametrize("layout", [[], ["-n", "2"]], ids=["one process", "two workers"])
    def test_refuses_what_it_does_not_know_in_that_test_alone(self, project: Any, run: Run, layout: list[str]) -> None:
        refused = [
            f"@pytest.mark.token_telemetry({arguments})\ndef test_{n}(): pass\n\n"
            for n, arguments in enumerate(self.REFUSED)
        ]
        project(f"{''.join(refused)}def test_other(): pass")
        result = run("--strict-markers", *layout, directory=None)
        assert result.exit == 1
        assert result.outcomes == {"errors": 4, "passed": 1}
        for n, sentence in enumerate(self.REFUSED.values()):
            assert (
                sentence in result.text.partition(f"ERROR at setup of test_{n} ")[2].partition("ERROR at setup of")[0]
            )
        assert "Traceback" not in result.text


@pytest.mark.skipif(pytest.version_tuple < (9, 0), reason="this version of pytest has no subtests")
class TestSubtests:
    LAYOUTS = pytest.mark.parametrize("layout", [[], ["-n", "2"]], ids=["one process", "two workers"])

    @LAYOUTS
    def test_count_every_sample_once(self, project: Any, recorded: Any, layout: list[str]) -> None:
        project(
            """
def test_it(subtests, token_telemetry):
    good(token_telemetry, category="before")
    for n in range(3):
        with subtests.test(n=n):
            good(token_telemetry, category=f"within-{n}")
            assert n != 1
    good(token_telemetry, category="after")
    assert len(token_telemetry.samples) == 5
"""
        )
        report = recorded(*layout)
        assert by_category(report) == {"before": 1, "within-0": 1, "within-1": 1, "within-2": 1, "after": 1}
        assert by_source(report) == {"test_agent.py::test_it": 5}

    @LAYOUTS
    def test_count_every_line_once(self, project: Any, recorded: Any, layout: list[str]) -> None:
        lines = ready_lines(4)
        project(
            f"""
import logging

FIRST, PRINTED, LOGGED, LAST = {lines!r}

def test_it(subtests):
    print(FIRST)
    with subtests.test("prints"): print(PRINTED)
    with subtests.test("logs"): logging.getLogger("agent").info(LOGGED)
    with subtests.test("does both"): print(PRINTED); logging.getLogger("agent").info(LOGGED)
    print(LAST)
"""
        )
        assert by_source(recorded(*layout)) == {"test_agent.py::test_it": 6}

    def test_are_no_tests_to_a_markers_limits(self, project: Any, run: Run) -> None:
        project(
            """
@pytest.mark.token_telemetry(max_truncation="50%")
def test_it(subtests, token_telemetry):
    with subtests.test("truncated"): cut_off(token_telemetry)
    with subtests.test("good"): good(token_telemetry)
"""
        )
        assert run(directory=None).exit == 0


class TestWithoutTheSwitch:
    @pytest.mark.parametrize("layout", [[], ["-n", "2"]], ids=["one process", "two workers"])
    @pytest.mark.parametrize(("end", "code"), [("pass", 0), ("assert False", 1)])
    def test_recording_adds_one_line_and_changes_no_exit_code(
        self, project: Any, run: Run, monkeypatch: pytest.MonkeyPatch, layout: list[str], end: str, code: int
    ) -> None:
        project(
            f"""
import os

@pytest.mark.parametrize("n", range(3))
def test_it(token_telemetry, n):
    cut_off(token_telemetry, int(os.environ["CALLS"]))
    {end}
"""
        )
        monkeypatch.setenv("CALLS", "0")
        silent = run("--tb=no", *layout, directory=None)
        monkeypatch.setenv("CALLS", "4")
        recording = run("--tb=no", *layout, directory=None)
        assert (silent.exit, recording.exit) == (code, code)
        added = set(lines(recording)) - set(lines(silent))
        assert added == {"token telemetry: 12 samples recorded; gate with --token-telemetry"}
        assert len(lines(recording)) == len(lines(silent)) + 1

    def test_one_sample_is_one_sample(self, project: Any, run: Run) -> None:
        project("def test_it(token_telemetry): good(token_telemetry)")
        assert "token telemetry: 1 sample recorded; gate with" in run(directory=None).text

    def test_recording_imports_nothing_heavy(self, project: Any, run: Run) -> None:
        project(
            """
import sys

@pytest.mark.token_telemetry(category="docs")
def test_it(token_telemetry):
    token_telemetry.observe(RESPONSE, predicted_output_tokens=1000)
    assert len(token_telemetry.samples) == 1
    assert not {"numpy", "junit_xml", "tabulate"} & set(sys.modules)
"""
        )
        assert run(directory=None, process=True).outcomes == {"passed": 1}

    def test_nothing_is_said_if_nothing_was_recorded(self, project: Any, run: Run) -> None:
        project("def test_it(token_telemetry): assert token_telemetry.samples == ()")
        result = run(directory=None)
        assert result.outcomes == {"passed": 1}
        assert "token telemetry" not in result.text

    def test_directories_are_judged_without_what_the_tests_recorded(
        self, project: Any, run: Run, passing: object
    ) -> None:
        project("def test_it(token_telemetry): cut_off(token_telemetry, 50)")
        result = run()
        assert result.exit == 0
        assert result.report["verdict"] == "pass"
        assert (result.report["counts"]["samples"], result.report["counts"]["tests"]) == (60, 0)
        assert "token telemetry: 50 samples recorded; gate with --token-telemetry" in result.text


def lines(result: Outcome) -> list[str]:
    """What a run said, without what differs from run to run."""
    return [line for line in result.text.splitlines() if not re.search(r" in [\d.]+s|bringing up nodes", line)]


class TestWithTheSwitch:
    @pytest.mark.parametrize(
        ("calls", "verdict", "code", "title"),
        [
            ("every_kind(token_telemetry)", "pass", 0, "PASS: "),
            ("every_kind(token_telemetry); cut_off(token_telemetry, 3)", "tune", 1, "TUNE: "),
            ("good(token_telemetry, 19)", "not-ready", 1, "NOT READY: "),
        ],
    )
    def test_tests_alone_are_judged(
        self, project: Any, run: Run, calls: str, verdict: str, code: int, title: str
    ) -> None:
        project(f"def test_it(token_telemetry): {calls}")
        result = run(*JUDGED, directory=None)
        assert (result.report["verdict"], result.exit) == (verdict, code)
        assert title in result.text
        assert "gate with" not in result.text

    def test_tests_and_directories_are_judged_as_one(self, project: Any, run: Run, pytester: pytest.Pytester) -> None:
        kinds = [line for line in ready_lines() if "category=docs" in line]
        write(pytester.path / "runs", kinds)
        project("def test_it(token_telemetry): every_kind(token_telemetry, ('implementation', 'tests'))")
        assert run().report["verdict"] == "not-ready"
        assert run(*JUDGED, directory=None).report["verdict"] == "not-ready"
        result = run("--token-telemetry")
        assert (result.exit, result.report["verdict"]) == (0, "pass")
        assert result.report["counts"]["samples"] == 27

    def test_cut_off_calls_of_the_tests_outweigh_good_logs(self, project: Any, run: Run, passing: object) -> None:
        project("def test_it(token_telemetry): cut_off(token_telemetry, 3)")
        result = run("--token-telemetry")
        assert (result.exit, result.report["verdict"]) == (1, "tune")
        assert "3/63 = 4.8% of attempts (target <= 2%) FAIL" in result.text

    def test_the_report_counts_tests_and_files_apart(self, project: Any, run: Run, passing: object) -> None:
        project(
            """
def test_one(token_telemetry): good(token_telemetry, 2)

def test_two(token_telemetry): good(token_telemetry, 3)

def test_silent(token_telemetry): pass
"""
        )
        report = run("--token-telemetry").report
        assert (report["counts"]["samples"], report["counts"]["tests"], report["counts"]["files"]) == (65, 2, 1)
        assert report["sources"] == [
            {
                "path": "test_agent.py::test_one",
                "samples": 2,
                "kind": "test",
                "folded": 0,
                "format": "",
                **NOTHING_LOST,
            },
            {
                "path": "test_agent.py::test_two",
                "samples": 3,
                "kind": "test",
                "folded": 0,
                "format": "",
                **NOTHING_LOST,
            },
            {
                "path": "runs/run-1/agent.log",
                "samples": 60,
                "kind": "file",
                "folded": 0,
                "format": "logs",
                **NOTHING_LOST,
            },
        ]

    def test_the_worst_sample_is_named_by_its_test_and_its_place_there(self, project: Any, recorded: Any) -> None:
        project(
            """
def test_it(token_telemetry):
    good(token_telemetry)
    good(token_telemetry, output_tokens=5000)
"""
        )
        assert recorded()["worst"][0]["source"] == "test_agent.py::test_it #2"

    @pytest.mark.parametrize("arguments", [[], ["--token-telemetry-dir=runs"]], ids=["alone", "with directories"])
    def test_no_recorded_sample_fails(self, project: Any, run: Run, passing: object, arguments: list[str]) -> None:
        project("def test_it(token_telemetry): pass")
        result = run(*JUDGED, *arguments, directory=None)
        assert (result.exit, result.report["verdict"]) == (1, "not-ready")
        assert result.checks["readiness::sources"] == "fail"
        assert "no test recorded a sample" in result.text

    def test_a_directory_without_logs_fails_beside_good_tests(
        self, project: Any, run: Run, pytester: pytest.Pytester
    ) -> None:
        pytester.mkdir("runs")
        project("def test_it(token_telemetry): every_kind(token_telemetry)")
        result = run("--token-telemetry")
        assert (result.exit, result.report["verdict"]) == (1, "not-ready")
        assert "no file matches" in result.text

    def test_no_test_at_all_fails(self, run: Run) -> None:
        result = run(*JUDGED, directory=None)
        assert (result.exit, result.report["verdict"]) == (1, "not-ready")

    @pytest.mark.parametrize("family", ["xunit1", "xunit2"])
    def test_the_junit_file_names_a_test_file_where_there_is_no_directory(
        self, project: Any, run: Run, family: str
    ) -> None:
        from junitparser import JUnitXml
        from lxml import etree

        project("def test_it(token_telemetry): good(token_telemetry)")
        run(
            *("--token-telemetry", "--token-telemetry-junit=gate.xml"),
            f"--token-telemetry-junit-family={family}",
            directory=None,
        )
        [suite] = JUnitXml.fromfile("gate.xml")
        assert (suite.tests, suite.failures) == (8, 1)  # no kind of work is named: it lacks samples alone
        places = {(case.get("file"), case.get("line")) for case in etree.parse("gate.xml").iter("testcase")}
        assert places == ({("test_agent.py", "1")} if family == "xunit1" else {(None, None)})

    def test_the_junit_file_of_tests_that_recorded_nothing_is_read_too(self, run: Run) -> None:
        from junitparser import JUnitXml

        run("--token-telemetry", "--token-telemetry-junit=gate.xml", directory=None)
        [suite] = JUnitXml.fromfile("gate.xml")
        assert suite.failures == 2

    def test_the_ini_file_turns_it_on(self, project: Any, run: Run, pytester: pytest.Pytester) -> None:
        pytester.makeini("[pytest]\ntoken_telemetry = true\n")
        project("def test_it(token_telemetry): every_kind(token_telemetry)")
        result = run("--token-telemetry-json=report.json", directory=None)
        assert result.report["verdict"] == "pass"
        assert result.outcomes == {"passed": 9}

    def test_the_command_line_turns_the_ini_files_switch_off(
        self, project: Any, run: Run, pytester: pytest.Pytester
    ) -> None:
        pytester.makeini("[pytest]\ntoken_telemetry = true\n")
        project("def test_it(token_telemetry): every_kind(token_telemetry)")
        result = run("-o", "token_telemetry=false", directory=None)
        assert result.outcomes == {"passed": 1}
        assert "27 samples recorded; gate with --token-telemetry" in result.text

    def test_the_markdown_report_names_the_tests(self, project: Any, run: Run) -> None:
        project("def test_it(token_telemetry): good(token_telemetry, output_tokens=5000)")
        run("--token-telemetry", "--token-telemetry-markdown=summary.md", directory=None)
        assert "test_agent.py::test_it" in Path("summary.md").read_text().replace("\\", "")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork a process")
def test_a_forked_child_is_told_that_nobody_would_see_what_it_records(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import os

        def test_it(token_telemetry):
            child = os.fork()
            if not child:
                try:
                    token_telemetry.record(predicted_output_tokens=10, output_tokens=90)
                except RuntimeError as error:
                    os._exit(7 if "TokenTelemetryWriter" in str(error) else 1)
                os._exit(0)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
        """
    )
    # newer Pythons warn of a fork beside threads, of which numpy has some
    assert run("-W", "ignore::DeprecationWarning", directory=None, process=True).outcomes == {"passed": 1}


def test_what_a_thread_logs_between_two_tests_is_a_sample(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        """
        import logging, threading
        go, done = threading.Event(), threading.Event()

        def speak():
            go.wait(10)
            logging.getLogger("agent").warning(
                "[TokenEstimationV2] predicted_output=10 actual_output=90 success=True truncated=False"
            )
            done.set()

        def pytest_runtest_logreport(report):
            if report.when == "teardown" and report.nodeid.endswith("test_first"):
                go.set()
                assert done.wait(10)
        """
    )
    pytester.makepyfile(
        "import threading, conftest\n"
        "def test_first(): threading.Thread(target=conftest.speak).start()\n"
        "def test_second(): pass"
    )
    result = run("--token-telemetry", "--token-telemetry-json=report.json", directory=None, process=True)
    assert result.report is not None
    assert result.report["counts"]["samples"] == 1


def test_a_session_that_is_told_to_end_well_before_the_checks_does_not(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile("import pytest\ndef test_it(): pytest.exit('enough', returncode=0)")
    result = run("--token-telemetry", directory=None, process=True)
    assert result.exit == 2
    assert "not judged: the session ended before the checks" in result.text


@pytest.mark.parametrize("layout", [[], ["-n", "2"]], ids=["one process", "two workers"])
def test_a_malformed_setting_is_refused_before_a_test_could_begin_to_record(
    run: Run, pytester: pytest.Pytester, layout: list[str]
) -> None:
    pytester.makeini("[pytest]\ntoken_telemetry_capture_level = loud\n")
    pytester.makepyfile("import pytest\n@pytest.mark.token_telemetry(category='docs')\ndef test_it(): pass")
    result = run(*layout, directory=None, process=True)
    assert result.exit == 4
    assert "token_telemetry_capture_level in tox.ini: 'loud' is not a log level" in result.text
