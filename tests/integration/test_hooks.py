"""Plugins of others that hook into the gate: installed with an entry point, or a ``conftest.py``."""

from __future__ import annotations

import json
import os
import re
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_token_telemetry.gate.checks import CHECK_BY_ID, CHECKS
from pytest_token_telemetry.gate.results import Result
from pytest_token_telemetry.report import untrusted_file
from tests.integration.conftest import Run
from tests.lines import cut_off, ready_lines, write

Install = Callable[[str], None]


@pytest.fixture
def install(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Have a package with a pytest plugin installed, as pip leaves it."""

    def installed(code: str) -> None:
        site = pytester.mkdir("site-packages")
        (site / "our_plugin.py").write_text(textwrap.dedent(code))
        about = site / "our_plugin-1.0.dist-info"
        about.mkdir()
        (about / "METADATA").write_text("Metadata-Version: 2.1\nName: our-plugin\nVersion: 1.0\n")
        (about / "entry_points.txt").write_text("[pytest11]\nours = our_plugin\n")
        monkeypatch.syspath_prepend(site)
        monkeypatch.setenv("PYTHONPATH", str(site), prepend=os.pathsep)

    return installed


def usage_error(text: str) -> str:
    (said,) = [line for line in text.splitlines() if line.startswith("ERROR: pytest_token_telemetry")]
    return said.removeprefix("ERROR: ")


def test_installed_and_own_plugins_relabel_and_drop_samples_in_turn(
    run: Run, install: Install, pytester: pytest.Pytester
) -> None:
    write(pytester.path / "runs", [*ready_lines(60), *(cut_off(category="load") for _ in range(9))])
    install("""
        from pytest_token_telemetry import Drop

        def pytest_token_telemetry_sample(sample, place):
            assert place.startswith("runs/run-1/agent.log:")
            return Drop("load test") if sample.category == "a load test" else None
    """)
    pytester.makeconftest("""
        from dataclasses import replace

        def pytest_token_telemetry_sample(sample):
            return replace(sample, category="a load test") if sample.category == "load" else None
    """)
    result = run("--token-telemetry-markdown=summary.md")
    assert (result.exit, result.report["verdict"]) == (0, "pass")
    assert (result.report["counts"]["samples"], result.report["counts"]["dropped"]) == (60, {"load test": 9})
    assert "dropped by a plugin" in Path("summary.md").read_text()


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("1 / 0", "runs/run-1/agent.log:1: ZeroDivisionError: division by zero"),
        ("raise SystemExit(0)", "runs/run-1/agent.log:1: SystemExit: 0"),
        ("return 5", 'runs/run-1/agent.log:1: TypeError: int is not an answer (give the Sample, Drop("why") or None)'),
    ],
)
def test_a_plugin_that_breaks_on_a_sample_ends_the_session(
    run: Run, passing: Path, pytester: pytest.Pytester, body: str, said: str
) -> None:
    pytester.makeconftest(f"def pytest_token_telemetry_sample(sample): {body}")
    result = run()
    assert (result.exit, result.report) == (4, None)
    assert usage_error(result.text) == f"pytest_token_telemetry_sample (conftest.py): {said}"


SPEED = """
from pytest_token_telemetry import Case, Check, Context, RatioResult

class SpeedCheck(Check[RatioResult]):
    kind = RatioResult

    def decide(self, case):
        outputs = case.findings.samples.output_tokens
        value, target = float(outputs.max()) if len(outputs) else None, {target}
        outcome = "pass" if value is not None and value < target else "{missed}"
        return RatioResult(id=self.id, outcome=outcome, n=len(outputs), value=value, target=target)

    def words(self, result, context):
        return f"the longest output has {{result.value:.0f}} tokens (target < {{result.target:.0f}})"

def pytest_token_telemetry_checks(config):
    return [SpeedCheck("ours::longest", "length")]
"""


@pytest.mark.parametrize(
    ("target", "missed", "outcome", "ended", "verdict"),
    [
        (901.0, "fail", "pass", 0, "pass"),
        (900.0, "warn", "warn", 0, "pass"),
        (900.0, "fail", "fail", 1, "tune"),
    ],
)
def test_an_installed_plugin_adds_a_check(
    run: Run, install: Install, passing: Path, target: float, missed: str, outcome: str, ended: int, verdict: str
) -> None:
    install(SPEED.format(target=target, missed=missed))
    result = run("-v", "--token-telemetry-markdown=summary.md")
    assert (result.exit, result.report["verdict"]) == (ended, verdict)
    assert (list(result.checks)[-1], result.checks["ours::longest"]) == ("ours::longest", outcome)
    words = f"the longest output has 900 tokens (target < {target:.0f})"
    assert words in result.text
    assert words[:-1].replace("<", "&lt;") in Path("summary.md").read_text()
    found = untrusted_file.read(Path("report.json"))
    assert (found.verdict, found.checks[-1].outcome, type(found.checks[-1])) == (verdict, outcome, Result)
    assert CHECK_BY_ID.keys() == {check.id for check in CHECKS}


def test_an_added_check_is_picked_and_left_out_like_any_other(run: Run, install: Install, passing: Path) -> None:
    install(SPEED.format(target=900.0, missed="fail"))
    alone = run("token-telemetry::ours::longest")
    assert (alone.exit, alone.checks) == (1, {"ours::longest": "fail"})
    without = run("--deselect=token-telemetry::ours::longest")
    assert (without.exit, without.report["verdict"], without.report["deselected"]) == (0, "pass", ["ours::longest"])
    assert untrusted_file.read(Path("report.json")).verdict == "pass"
    refused = run("token-telemetry::ours::speed").text
    assert "ours::speed: there is no such check (did you mean token-telemetry::ours::longest?)" in refused


def test_an_added_check_says_nothing_of_data_that_is_not_ready(
    run: Run, install: Install, pytester: pytest.Pytester
) -> None:
    write(pytester.path / "runs", ready_lines(5))
    install(SPEED.format(target=901.0, missed="fail"))
    result = run("-n", "1", process=True)
    assert (result.exit, result.report["verdict"], result.checks["ours::longest"]) == (1, "not-ready", "skip")


BROKEN = """
from pytest_token_telemetry import Check, Result

class Broken(Check[Result]):
    kind = Result
    def decide(self, case): {decide}
    def words(self, result, context): {words}

def pytest_token_telemetry_checks(): return {given}
"""
DECIDES, SAYS, GIVES = 'return Result(id=self.id, outcome="pass")', 'return "fine"', '[Broken("ours::it", "it")]'


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"decide": "1 / 0"}, "ours::it: ZeroDivisionError: division by zero"),
        ({"decide": "raise SystemExit(0)"}, "ours::it: SystemExit: 0"),
        ({"decide": "import pytest; pytest.exit('enough', returncode=0)"}, "ours::it: Exit: enough"),
        (
            {"decide": "pass"},
            "ours::it: TypeError: NoneType is not a result (give a RateResult, RatioResult, CountResult,"
            " CoverageResult, DriftResult or Result)",
        ),
        (
            {"decide": 'return Result(id=self.id, outcome="fine")'},
            "ours::it: ValidationError: Invalid enum value 'fine' - at `$.outcome`",
        ),
        (
            {"decide": 'return Result(id="tier1::truncation", outcome="pass")'},
            "ours::it: ValueError: its result is of tier1::truncation",
        ),
        ({"words": "1 / 0"}, "pytest_token_telemetry_checks: ours::it: ZeroDivisionError: division by zero"),
        (
            {"words": "return 'two\\nlines'"},
            "pytest_token_telemetry_checks: ours::it: ValueError: its words are not one line of text",
        ),
        (
            {"words": "return 3"},
            "pytest_token_telemetry_checks: ours::it: TypeError: int is not a text (give its words on one line)",
        ),
        ({"given": "1 / 0"}, "pytest_token_telemetry_checks (conftest.py): ZeroDivisionError: division by zero"),
        (
            {"given": "Broken"},
            "pytest_token_telemetry_checks (conftest.py): Broken is not a check (give an instance of a Check)",
        ),
        (
            {"given": "[Broken('tier1::truncation', 'it')]"},
            "pytest_token_telemetry_checks (conftest.py): there is a check tier1::truncation already"
            " (choose another name)",
        ),
        (
            {"given": "[Broken('readiness::it', 'it')]"},
            "pytest_token_telemetry_checks (conftest.py): 'readiness::it' is not the id of a check (write it as"
            " tier1::name, tier2::name or ours::name, in small letters, digits and dashes)",
        ),
    ],
)
def test_an_added_check_that_does_not_work_is_never_a_pass(
    run: Run, passing: Path, pytester: pytest.Pytester, parts: dict[str, str], said: str
) -> None:
    pytester.makeconftest(BROKEN.format(**{"decide": DECIDES, "words": SAYS, "given": GIVES, **parts}))
    result = run()
    assert (result.exit, result.report) == (4, None)
    (line,) = [line for line in result.text.splitlines() if line.startswith("ERROR: ")]
    assert line == f"ERROR: {said}"


def test_the_report_is_given_to_every_plugin_once_and_what_one_raises_fails_the_session(
    run: Run, install: Install, passing: Path, pytester: pytest.Pytester
) -> None:
    """The ``conftest.py`` is asked first: it raises, and the installed plugin still gets the report."""
    install("""
        def pytest_token_telemetry_report(report):
            with open("told", "a") as told:
                told.write(f"{report.verdict} {report.counts.samples} {report.session.exit_status}\\n")
    """)
    pytester.makepyfile("def test_it(): pass")
    result = run("-n", "2", process=True)
    assert (result.exit, Path("told").read_text()) == (0, "pass 60 0\n")
    pytester.makeconftest("def pytest_token_telemetry_report(report): raise SystemExit(0)")
    result = run()
    assert (result.exit, result.report["session"]["exit_status"]) == (4, 4)
    assert usage_error(result.text) == "pytest_token_telemetry_report (conftest.py): SystemExit: 0"
    assert Path("told").read_text() == "pass 60 0\n" * 2


def test_tests_whose_samples_are_all_dropped_have_recorded(run: Run, passing: Path, pytester: pytest.Pytester) -> None:
    """Files of the program stand beside tests that ask a stand-in for its model."""
    pytester.makeconftest("""
        from pytest_token_telemetry import Drop

        def pytest_token_telemetry_sample(sample):
            return Drop("no real model") if sample.model == "stand-in" else None
    """)
    pytester.makepyfile("""
        def test_it(token_telemetry):
            token_telemetry.record(output_tokens=900, model="stand-in")
    """)
    result = run("--token-telemetry", "test_tests_whose_samples_are_all_dropped_have_recorded.py")
    assert (result.exit, result.checks["readiness::sources"]) == (0, "pass")
    assert result.report["counts"]["dropped"] == {"no real model": 1}


def test_where_a_plugin_drops_all_samples_this_is_what_to_change(
    run: Run, passing: Path, pytester: pytest.Pytester
) -> None:
    pytester.makeconftest("""
        from pytest_token_telemetry import Drop

        def pytest_token_telemetry_sample():
            return Drop("load test")
    """)
    result = run()
    assert (result.exit, result.report["verdict"]) == (1, "not-ready")
    assert "-> Let the plugin keep what is to be judged: it dropped all samples." in result.text


def test_the_examples_of_the_page_do_what_it_says(run: Run, pytester: pytest.Pytester) -> None:
    page = (Path(__file__).parents[2] / "docs" / "hooks.md").read_text(encoding="utf-8")
    examples = re.findall(r"```python\n# conftest\.py\n(.*?)```", page, re.DOTALL)
    pytester.syspathinsert()
    pytester.makepyfile(**{f"example_{n}": code for n, code in enumerate(examples)})
    lines = [*ready_lines(60), own(model="stand-in"), own(operation="write_docs"), own(output_tokens=4000)]
    write(pytester.path / "runs", lines)
    result = run(*(f"-pexample_{n}" for n in range(len(examples))))
    assert (len(examples), result.exit, result.checks["ours::longest"]) == (3, 0, "warn")
    assert result.report["counts"]["dropped"] == {"no real model": 1}
    assert result.report["counts"]["relabelled"] == 1
    assert Path("verdict.txt").read_text(encoding="utf-8") == "pass 62 samples"


def own(**fields: object) -> str:
    """A line of our own format."""
    return json.dumps({"schema": "token-telemetry/1", "predicted_output_tokens": 4000, "output_tokens": 3900, **fields})
