"""``pytest --token-telemetry-dir=DIR`` alone, beside a test suite, and with pytest's own ways to select."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.integration.conftest import Run
from tests.lines import ready_lines, stamp, v2, write
from tests.unit.gate.cases import CHECK_IDS


def test_good_logs_pass_in_a_directory_without_tests(run: Run, passing: object) -> None:
    result = run()
    assert result.exit == 0
    assert result.outcomes == {"passed": 8}
    assert result.report["verdict"] == "pass"


def test_risky_logs_fail_with_the_figure_in_the_summary(run: Run, tuning: object) -> None:
    result = run()
    assert result.exit == 1
    assert result.outcomes == {"passed": 6, "failed": 2}
    assert result.report["verdict"] == "tune"
    assert "FAILED token-telemetry::tier1::truncation" in result.text
    assert "6/60 = 10.0% of attempts (target <= 2%) FAIL" in result.text


def test_unready_logs_fail_and_skip_the_risk_checks_with_their_figures(run: Run, unready: object) -> None:
    result = run("-rs")
    assert result.exit == 1
    assert result.report["verdict"] == "not-ready"
    assert result.checks["tier1::underestimation"] == "skip"
    assert "0/5 = 0.0% of the risk population (target <= 5%)" in result.text


def test_no_matching_file_is_not_ready(run: Run, pytester: pytest.Pytester) -> None:
    (pytester.path / "runs").mkdir()
    (pytester.path / "runs" / "agent.txt").write_text("\n".join(ready_lines()))
    result = run()
    assert result.exit == 1
    assert result.report["verdict"] == "not-ready"
    assert result.checks["readiness::sources"] == "fail"


def test_tests_run_first_and_checks_last(run: Run, passing: object, suite: None) -> None:
    result = run("-v")
    assert result.exit == 0
    assert result.outcomes == {"passed": 11}
    ids = [line.split(" PASSED")[0] for line in result.text.splitlines() if " PASSED" in line]
    assert ids[:3] == ["test_suite.py::test_one", "test_suite.py::test_two", "test_suite.py::test_samples"]
    assert ids[3:] == [f"token-telemetry::{check}" for check in CHECK_IDS]


def test_telemetry_that_a_session_fixture_writes_at_its_end_is_judged(run: Run, pytester: pytest.Pytester) -> None:
    (pytester.path / "runs").mkdir()
    pytester.makeconftest(
        f"""
        import pytest
        @pytest.fixture(scope="session", autouse=True)
        def agent():
            yield
            open("runs/late.log", "w").write({chr(10).join(ready_lines())!r})
        """
    )
    pytester.makepyfile("def test_it(): pass")
    assert run().report["counts"]["samples"] == 27


@pytest.mark.parametrize(
    ("selection", "outcomes", "code"),
    [
        (["-k", "test_one"], {"passed": 1, "deselected": 11}, 2),
        (["-k", "test_one", "--token-telemetry-unjudged=pass"], {"passed": 1, "deselected": 11}, 0),
        (["-k", "readiness and samples"], {"passed": 1, "deselected": 11}, 0),
        (["-k", "truncation"], {"failed": 1, "deselected": 11}, 1),
        (["-k", "nothing_has_this_name"], {"deselected": 12}, 5),
        (["-m", "nothing_has_this_mark"], {"deselected": 12}, 5),
        (["-m", "token_telemetry_gate"], {"passed": 6, "failed": 2, "deselected": 3}, 1),
        (["-m", "not token_telemetry_gate"], {"passed": 3, "deselected": 9}, 2),
        (["--deselect", "token-telemetry::tier1::truncation"], {"passed": 9, "failed": 1, "deselected": 1}, 1),
        (["--deselect", "token-telemetry::tier1"], {"passed": 9, "deselected": 2}, 0),
    ],
)
def test_checks_are_selected_like_tests(
    run: Run, tuning: object, suite: None, selection: list[str], outcomes: dict[str, int], code: int
) -> None:
    result = run(*selection)
    assert result.outcomes == outcomes
    assert result.exit == code


def test_dropped_checks_are_said_everywhere_and_never_pass(run: Run, passing: object) -> None:
    result = run("-k", "not tier1", "--token-telemetry-markdown=summary.md")
    assert result.exit == 0
    assert result.report["verdict"] == "inconclusive"
    assert result.report["deselected"] == ["tier1::underestimation", "tier1::truncation"]
    note = "2 of 8 checks deselected: tier1::underestimation, tier1::truncation."
    assert note in result.report["notes"]
    assert "note: 2 of 8 checks deselected" in result.text
    assert note in Path("summary.md").read_text()


NOTHING_IS_JUDGED = (
    "ERROR: --token-telemetry-dir: nothing is judged, because every check was left out of the session (write -k"
    ' "test_one or token-telemetry" to judge, or add --token-telemetry-unjudged=pass if that is meant)'
)


@pytest.mark.parametrize("keyword", ["test_one", "not test_two and not tier1 and not tier2 and not readiness"])
def test_the_keyword_that_leaves_every_check_out_is_told_with_the_one_that_judges(
    run: Run, passing: object, suite: None, keyword: str
) -> None:
    result = run("-k", keyword)
    way_out = (
        f'(write -k "{keyword} or token-telemetry" to judge, or add --token-telemetry-unjudged=pass if that is meant)'
    )
    assert f"every check was left out of the session {way_out}" in result.text
    judged = run("-k", f"{keyword} or token-telemetry")
    assert (judged.exit, judged.report["verdict"], judged.outcomes["passed"] > 8) == (0, "pass", True)


def test_a_report_is_written_even_if_all_checks_are_deselected(run: Run, passing: object, suite: None) -> None:
    result = run("-k", "test_one")
    assert result.exit == 2
    assert NOTHING_IS_JUDGED in result.text
    assert result.report["verdict"] == "inconclusive"
    assert result.report["checks"] == []


def test_nothing_is_read_if_nothing_is_wanted_of_it(run: Run, pytester: pytest.Pytester, suite: None) -> None:
    (pytester.path / "runs").mkdir()
    result = run("-k", "test_one", "--token-telemetry-dir=runs", directory=None)
    assert result.exit == 2
    assert "not judged: all checks were deselected" in result.text
    assert NOTHING_IS_JUDGED in result.text


@pytest.mark.parametrize(
    ("ini", "typed", "code"),
    [
        ("token_telemetry_dir = runs", [], 0),
        ("addopts = --token-telemetry-dir=runs", [], 0),
        ("token_telemetry_dir = runs\ntoken_telemetry_unjudged = fail", [], 2),
        ("token_telemetry_dir = runs", ["token-telemetry", "test_suite.py"], 2),
        ("token_telemetry_dir = runs", ["--deselect", "token-telemetry"], 0),
        ("", ["--token-telemetry"], 2),
        ("token_telemetry_unjudged = pass", ["--token-telemetry"], 0),
    ],
)
def test_a_gate_of_an_ini_file_may_be_left_out(
    run: Run, pytester: pytest.Pytester, passing: object, suite: None, ini: str, typed: list[str], code: int
) -> None:
    pytester.makeini(f"[pytest]\n{ini}\n")
    result = run("-k", "test_one", *typed, directory=None)
    assert result.exit == code
    assert ("nothing is judged" in result.text) is (code == 2)


def test_an_id_copied_from_the_summary_runs_that_check(run: Run, tuning: object, suite: None) -> None:
    result = run("token-telemetry::tier1::truncation")
    assert result.outcomes == {"failed": 1}
    assert result.exit == 1


def test_an_id_copied_from_the_summary_fails_on_data_that_is_not_ready(run: Run, unready: object) -> None:
    result = run("token-telemetry::tier1::underestimation")
    assert result.outcomes == {"failed": 1}
    assert result.exit == 1
    assert result.report["verdict"] == "not-ready"


def test_the_bare_name_runs_the_gate_alone(run: Run, passing: object, suite: None) -> None:
    assert run("token-telemetry").outcomes == {"passed": 8}


def test_a_tier_and_a_test_file_can_stand_side_by_side(run: Run, passing: object, suite: None) -> None:
    assert run("token-telemetry::readiness", "test_suite.py::test_one").outcomes == {"passed": 6}


def test_an_id_that_no_check_has_is_refused_with_those_there_are(run: Run, passing: object) -> None:
    result = run("token-telemetry::tier1::typo")
    assert result.exit == 4
    assert "token-telemetry::tier1::typo: there is no such check" in result.text
    assert "token-telemetry::tier1::truncation" in result.text


def test_a_directory_called_token_telemetry_stays_a_directory(
    run: Run, passing: object, pytester: pytest.Pytester
) -> None:
    folder = pytester.mkdir("token-telemetry")
    (folder / "test_inside.py").write_text("def test_inside(): pass")
    assert run("token-telemetry").outcomes == {"passed": 9}
    assert run("token-telemetry::tier1").outcomes == {"passed": 2}


def test_an_earlier_failure_with_x_leaves_nothing_judged(run: Run, passing: object, pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_broken(): assert False")
    result = run("-x")
    assert result.exit == 1
    assert result.outcomes == {"failed": 1}
    assert "not judged: the session ended before the checks" in result.text
    assert result.report is None


def test_a_failing_check_with_x_ends_the_session(run: Run, tuning: object) -> None:
    result = run("-x")
    assert result.exit == 1
    assert result.outcomes == {"passed": 5, "failed": 1}
    assert result.report["verdict"] == "tune"


def test_a_collection_error_leaves_nothing_judged(run: Run, passing: object, pytester: pytest.Pytester) -> None:
    pytester.makepyfile("import nothing_of_this_name")
    result = run()
    assert result.exit == 2
    assert result.report is None


def test_a_collection_error_that_is_passed_over_still_fails(
    run: Run, passing: object, pytester: pytest.Pytester
) -> None:
    pytester.makepyfile("import nothing_of_this_name")
    result = run("--continue-on-collection-errors")
    assert result.exit == 1
    assert result.report["verdict"] == "pass"
    assert result.report["session"] == {"exit_status": 1, "tests_failed": 1}


@pytest.mark.parametrize("layout", [[], ["-n", "2"]])
def test_the_report_says_that_tests_failed(
    run: Run, passing: object, pytester: pytest.Pytester, layout: list[str]
) -> None:
    pytester.makepyfile("def test_good(): pass\ndef test_bad(): assert False")
    result = run(*layout, process=bool(layout))
    assert (result.exit, result.report["verdict"]) == (1, "pass")
    assert result.report["session"] == {"exit_status": 1, "tests_failed": 1}
    said = " ".join(result.text.split())
    assert "Tests of the same session failed (1 failure): the session fails whatever the verdict." in said


def test_checks_that_fail_are_no_tests_that_failed(run: Run, tuning: object, suite: None) -> None:
    assert run().report["session"] == {"exit_status": 1, "tests_failed": 0}


def test_a_report_that_cannot_be_written_fails_the_session_in_the_other_one_too(run: Run, passing: object) -> None:
    Path("occupied").touch()
    result = run("--token-telemetry-junit=occupied/junit.xml")
    assert (result.exit, result.report["session"]) == (4, {"exit_status": 4, "tests_failed": 0})


@pytest.mark.parametrize("option", ["--co", "--setup-plan", "--setup-only"])
def test_options_that_run_nothing_judge_nothing(run: Run, tuning: object, suite: None, option: str) -> None:
    result = run(option)
    assert result.exit == 0
    assert result.report is None


def test_collect_only_lists_every_check(run: Run, tuning: object) -> None:
    result = run("--co", "-q")
    for check in CHECK_IDS:
        assert f"token-telemetry::{check}" in result.text


@pytest.mark.parametrize(
    "option",
    ["-qq", "--tb=no", "--tb=line", "--no-summary", "--strict-markers", "-rA", "--color=yes", "-s"],
)
def test_options_that_change_the_output_change_no_verdict(run: Run, tuning: object, option: str) -> None:
    result = run(option)
    assert result.exit == 1
    assert result.report["verdict"] == "tune"


def test_last_failed_runs_the_failed_check_alone(pytester: pytest.Pytester, tuning: object) -> None:
    gate = ["-p", "no:randomly", "--token-telemetry-dir=runs"]
    assert pytester.runpytest_inprocess(*gate).parseoutcomes() == {"passed": 6, "failed": 2}
    again = pytester.runpytest_inprocess(*gate, "--lf")
    assert again.parseoutcomes() == {"failed": 2, "deselected": 7}
    write(pytester.path / "runs", ready_lines(), "run-1/agent.log")
    cured = pytester.runpytest_inprocess(*gate, "--lf")
    assert cured.parseoutcomes() == {"passed": 2, "deselected": 7}
    assert cured.ret == 0


def test_stepwise_begins_with_the_failed_check(pytester: pytest.Pytester, tuning: object) -> None:
    gate = ["-p", "no:randomly", "--token-telemetry-dir=runs", "--sw"]
    assert pytester.runpytest_inprocess(*gate).parseoutcomes() == {"passed": 5, "failed": 1}
    assert pytester.runpytest_inprocess(*gate).parseoutcomes() == {"deselected": 5, "failed": 1}


@pytest.mark.parametrize("option", ["--ff", "--nf"])
def test_checks_stay_last_whatever_ran_before(
    pytester: pytest.Pytester, tuning: object, suite: None, option: str
) -> None:
    gate = ["-p", "no:randomly", "--token-telemetry-dir=runs", "-v", option]
    pytester.runpytest_inprocess(*gate)
    again = pytester.runpytest_inprocess(*gate)
    ran = [line.split()[0] for line in again.outlines if re.search(r" (PASSED|FAILED) ", line)]
    assert ran[-8:] == [f"token-telemetry::{check}" for check in CHECK_IDS]


def test_a_failed_check_opens_the_debugger_like_a_failed_test(pytester: pytest.Pytester, tuning: object) -> None:
    arguments = ["-p", "no:randomly", "--token-telemetry-dir=runs", "--pdb"]
    process = pytester.popen(
        [sys.executable, "-m", "pytest", *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    output, _ = process.communicate(b"continue\ncontinue\n")
    assert b"(Pdb)" in output
    assert b"2 failed, 6 passed" in output
    assert process.returncode == 1


def test_pytests_own_junit_file_shows_the_same_checks(run: Run, tuning: object, pytester: pytest.Pytester) -> None:
    from lxml import etree

    result = run("--junitxml=pytest.xml")
    cases = {
        f"{case.get('classname')}::{case.get('name')}": [child.tag for child in case]
        for case in etree.parse("pytest.xml").iter("testcase")
    }
    assert list(cases) == [f"token-telemetry.{check}" for check in CHECK_IDS]
    failed = {name.removeprefix("token-telemetry.") for name, children in cases.items() if "failure" in children}
    assert failed == {check for check, outcome in result.checks.items() if outcome == "fail"}


def test_without_a_terminal_the_exit_code_and_the_reports_remain(run: Run, tuning: object) -> None:
    result = run("-p", "no:terminal")
    assert result.exit == 1
    assert result.report["verdict"] == "tune"


def test_an_internal_error_fails_the_session_and_judges_nothing(
    run: Run, passing: object, pytester: pytest.Pytester, suite: None
) -> None:
    pytester.makeconftest("def pytest_runtest_logreport(report):\n    raise RuntimeError('a broken plugin')")
    result = run()
    assert result.exit == 3
    assert result.report is None


def test_tier_2_warns_by_default_and_fails_on_request(run: Run, pytester: pytest.Pytester) -> None:
    write(pytester.path / "runs", ready_lines(30, predicted=9000))
    warned = run("-v", "--junitxml=own.xml")
    assert (warned.exit, warned.checks["tier2::waste-p90"]) == (0, "warn")
    assert warned.outcomes == {"passed": 7, "warned": 1}
    [line] = [line for line in warned.text.splitlines() if line.startswith("token-telemetry::tier2::waste-p90 ")]
    assert line.startswith("token-telemetry::tier2::waste-p90 WARNING (warning: P90 = ")
    assert "PASSED" not in line
    [skipped] = ElementTree.parse("own.xml").iter("skipped")
    assert skipped.get("message").startswith("warning: P90 = ")
    assert "waste above its target" in warned.report["headline"]
    assert "lower predictions" in warned.report["advice"][0]
    failed = run("--token-telemetry-tier2=fail")
    assert (failed.exit, failed.checks["tier2::waste-p90"]) == (1, "fail")


def test_the_advice_to_lower_caps_does_not_rest_on_failed_calls(run: Run, pytester: pytest.Pytester) -> None:
    """A cap of 2,000 is 2.2x of 900 tokens. Of 35 calls, 8 that failed at 100 would make the P90 20x."""
    capped = {"more": " max_tokens=2000"}
    short = [v2(output=100, success=False, time=stamp(100 + n), **capped) for n in range(8)]
    write(pytester.path / "runs", [*ready_lines(27, **capped), *short])
    found = run()
    assert found.checks["tier2::cap-use"] == "pass"
    assert "lower the caps" not in found.text
    use = found.report["metrics"]["cap_use"]
    assert (use["n"], use["calls"], use["reserved"], use["unused"]) == (27, 35, 70_000, 27 * 1100 + 8 * 1900)
    [message] = [each["message"] for each in found.report["checks"] if each["id"] == "tier2::cap-use"]
    assert message.startswith("P90 = 2.22x of calls with a cap, 8 truncated, failed or below 50 tokens left out ")
    unsaid = [v2(output=100, success=None, time=stamp(100 + n), **capped) for n in range(8)]
    write(pytester.path / "runs", [*ready_lines(27, **capped), *unsaid])
    found = run()
    assert found.checks["tier2::cap-use"] == "warn"
    assert any(each.startswith("To save quota, lower the caps (max_tokens) of ") for each in found.report["advice"])


def test_not_ready_can_be_made_a_skip(run: Run, unready: object) -> None:
    result = run("--token-telemetry-not-ready=skip")
    assert result.exit == 0
    assert result.report["verdict"] == "not-ready"
    assert "fail" not in result.checks.values()


def test_the_origins_success_population_is_blind_to_truncation(run: Run, tuning: object) -> None:
    assert run().report["verdict"] == "tune"
    blind = run("--token-telemetry-population=success")
    assert blind.report["verdict"] == "pass"
    assert "0.0% truncated" in blind.report["headline"]
