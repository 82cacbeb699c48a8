"""The same verdict, once, whatever other plugins do with tests."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.integration.conftest import Run
from tests.unit.gate.cases import CHECK_IDS

LAYOUTS = {
    "without xdist": ["-p", "no:xdist"],
    "xdist unused": ["-n", "0"],
    "two workers": ["-n", "2"],
    "every test on every worker": ["-n", "2", "--dist=each"],
    "by group": ["-n", "2", "--dist=loadgroup"],
    "by scope": ["-n", "2", "--dist=loadscope"],
}


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_checks_run_once_in_any_process_layout(run: Run, tuning: object, suite: None, layout: list[str]) -> None:
    result = run(*layout, process=True)
    runs_each_test = 2 if "--dist=each" in layout else 1
    assert result.outcomes == {"passed": 6 + 3 * runs_each_test, "failed": 2}
    assert result.exit == 1
    assert result.report["verdict"] == "tune"


def test_the_gate_runs_alone_on_workers_without_tests(run: Run, passing: object) -> None:
    result = run("-n", "2", process=True)
    assert result.outcomes == {"passed": 8}
    assert result.exit == 0


def test_nothing_but_files_and_the_exit_code_is_left_without_a_terminal(run: Run, tuning: object, suite: None) -> None:
    result = run("-n", "2", "-p", "no:terminal", "--junitxml=pytest.xml", process=True)
    assert result.exit == 1
    assert result.report["verdict"] == "tune"
    assert 'tests="11"' in Path("pytest.xml").read_text()


def test_the_bare_name_runs_the_gate_alone_under_xdist(run: Run, passing: object, suite: None) -> None:
    assert run("token-telemetry", "-n", "2", process=True).outcomes == {"passed": 8}


def test_an_id_and_a_test_can_be_picked_under_xdist(run: Run, passing: object, suite: None) -> None:
    result = run("-n", "2", "token-telemetry::tier1", "test_suite.py::test_one", process=True)
    assert result.outcomes == {"passed": 3}


@pytest.mark.parametrize("selection", [["-k", "truncation"], ["--deselect", "token-telemetry::readiness"]])
def test_checks_are_selected_under_xdist(run: Run, tuning: object, suite: None, selection: list[str]) -> None:
    result = run("-n", "2", *selection, process=True)
    assert result.exit == 1
    kept = 1 if "-k" in selection else 3
    assert len(result.report["checks"]) == kept
    assert len(result.report["deselected"]) == len(CHECK_IDS) - kept


def test_collect_only_lists_the_checks_under_xdist(run: Run, tuning: object, suite: None) -> None:
    result = run("-n", "2", "--co", "-q", process=True)
    assert result.exit == 0
    assert "token-telemetry::tier1::truncation" in result.text
    assert result.report is None


def test_an_earlier_failure_with_x_under_xdist_leaves_nothing_judged(
    run: Run, passing: object, pytester: pytest.Pytester
) -> None:
    pytester.makepyfile("def test_broken(): assert False")
    result = run("-n", "2", "-x", process=True)
    assert result.exit == 2
    assert result.report is None


def test_a_killed_worker_fails_the_session_and_the_logs_are_judged(
    run: Run, passing: object, pytester: pytest.Pytester
) -> None:
    pytester.makepyfile(
        "import os, signal\ndef test_killed(): os.kill(os.getpid(), signal.SIGKILL)\ndef test_fine(): pass"
    )
    result = run("-n", "2", process=True)
    assert result.exit == 1
    assert result.report["verdict"] == "pass"


def test_a_workers_internal_error_never_ends_in_success(run: Run, passing: object, pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        """
        import pytest
        @pytest.hookimpl(wrapper=True)
        def pytest_runtest_makereport(item, call):
            report = yield
            report.cannot_travel = object()
            return report
        """
    )
    pytester.makepyfile("def test_one(): pass")
    result = run("-n", "1", process=True)
    assert result.exit in (1, 3)
    assert result.report is None


def test_pytest_junit_shows_the_checks_under_xdist(run: Run, tuning: object, suite: None) -> None:
    from lxml import etree

    run("-n", "2", "--junitxml=pytest.xml", process=True)
    cases = etree.parse("pytest.xml").xpath("//testcase[starts-with(@classname, 'token-telemetry.')]")
    assert len(cases) == len(CHECK_IDS)
    assert len([case for case in cases if case.find("failure") is not None]) == 2


@pytest.mark.parametrize("seed", ["1", "2", "3"])
def test_checks_keep_their_order_and_come_last_under_randomly(
    pytester: pytest.Pytester, passing: object, suite: None, seed: str
) -> None:
    arguments = ["-p", "no:cacheprovider", f"--randomly-seed={seed}", "-v", "--token-telemetry-dir=runs"]
    result = pytester.runpytest_subprocess(*arguments)
    passed = [line.split(" PASSED")[0] for line in result.outlines if " PASSED" in line]
    assert passed[3:] == [f"token-telemetry::{check}" for check in CHECK_IDS]


@pytest.mark.parametrize(
    "arguments", [["--reruns", "2"], ["--force-reruns", "2"], ["--reruns", "1", "--reruns-mode=append"]]
)
def test_a_failed_check_is_not_asked_twice(run: Run, tuning: object, suite: None, arguments: list[str]) -> None:
    result = run(*arguments, process=True)
    if "unrecognized arguments" in result.text:
        pytest.skip("this version of pytest-rerunfailures does not have the option")
    assert result.outcomes == {"passed": 9, "failed": 2}


def test_coverage_is_measured_as_without_the_gate(
    run: Run, passing: object, suite: None, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COVERAGE_FILE", str(pytester.path / ".coverage"))  # and not that of the tests themselves
    result = run("--cov=.", "--cov-report=term", process=True)
    assert result.exit == 0
    assert result.outcomes == {"passed": 11}
    assert "TOTAL" in result.text


@pytest.mark.parametrize("mark", ["skip(reason='all')", "xfail(reason='all')"])
def test_a_conftest_that_marks_everything_hides_no_failure(
    run: Run, tuning: object, pytester: pytest.Pytester, mark: str
) -> None:
    pytester.makeconftest(
        f"""
        import pytest
        def pytest_collection_modifyitems(items):
            for item in items:
                item.add_marker(pytest.mark.{mark})
        """
    )
    result = run()
    assert "failed" not in result.outcomes
    assert result.exit == 1
    assert result.report["verdict"] == "tune"


def test_the_plugin_can_be_left_out_by_its_name(run: Run, passing: object, suite: None) -> None:
    assert run("-p", "no:token_telemetry", directory=None).outcomes == {"passed": 3}


ENDED = "another plugin ended the session with exit code 0 before its verdict"
TURNED = "another plugin asked for exit code 0"
DROPPED = "another plugin dropped 8 of 9 checks without a word"
LEFT_OUT = "nothing is judged, because every check was left out of the session"


@pytest.mark.parametrize(
    ("hook", "code", "said", "verdict"),
    [
        ("pytest_configure(config): pytest.exit('x', returncode=0)", 2, ENDED, None),
        ("pytest_sessionstart(session): pytest.exit('x', returncode=0)", 2, ENDED, None),
        ("pytest_cmdline_main(config): return 0", 2, ENDED, None),
        ("pytest_cmdline_main(config): return 256", 2, ENDED, None),
        ("pytest_cmdline_main(config): raise SystemExit", 2, ENDED, None),
        ("pytest_sessionfinish(session): raise SystemExit(0)", 1, TURNED, "tune"),
        ("pytest_unconfigure(): raise SystemExit(0)", 1, TURNED, "tune"),
        ("pytest_addoption(): raise SystemExit(0)", 2, ENDED, None),
        ("pytest_collection(session): pytest.exit('x', returncode=0)", 2, "the session ended before", None),
        ("pytest_runtestloop(session): pytest.exit('x', returncode=0)", 2, "the session ended before", None),
        ("pytest_sessionfinish(session): pytest.exit('x', returncode=0)", 1, TURNED, "tune"),
        ("pytest_sessionfinish(session): session.exitstatus = 0", 1, TURNED, "tune"),
        ("pytest_terminal_summary(): pytest.exit('x', returncode=0)", 1, TURNED, "tune"),
        ("pytest_collection_modifyitems(items): del items[1:]", 2, LEFT_OUT, "inconclusive"),
        ("pytest_collection_modifyitems(items): del items[1:-1]", 2, DROPPED, "inconclusive"),
        ("pytest_collection_finish(session): session.items.clear()", 5, LEFT_OUT, "inconclusive"),
    ],
)
def test_no_plugin_ends_a_session_of_failing_checks_in_success(
    run: Run, tuning: object, pytester: pytest.Pytester, hook: str, code: int, said: str, verdict: str | None
) -> None:
    pytester.makeconftest(f"import pytest\n@pytest.hookimpl(tryfirst=True)\ndef {hook}")
    pytester.makepyfile("def test_it(): pass")
    leaves_files_open = "unconfigure" in hook  # pytest's own
    result = run(process=said == ENDED or leaves_files_open)  # pytester expects a session
    assert (result.exit, result.report and result.report["verdict"]) == (code, verdict)
    assert said in " ".join(result.text.split())
    report = pytester.path / "report.json"
    if verdict is None and report.exists():  # the session had begun
        assert json.loads(report.read_text())["headline"].startswith("No verdict")


def test_a_process_that_ends_at_once_leaves_a_report_without_a_verdict(
    run: Run, tuning: object, pytester: pytest.Pytester
) -> None:
    (pytester.path / "report.json").write_text('{"schema": "token-telemetry-report/1", "verdict": "pass"}')
    pytester.makepyfile("import os\ndef test_it(): os._exit(0)")
    result = run(process=True)
    assert result.exit == 0  # nothing in the process can change that
    assert json.loads((pytester.path / "report.json").read_text())["verdict"] is None


STRANGERS = """
import pytest

class Stranger:
    nodeid = None
    token_telemetry = {"lines": 5}
    node = gateway = workeroutput = None
    iter_markers = lambda self, name: iter(())

@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config, items):
    config.hook.pytest_deselected(items=[object(), Stranger()])

class First:
    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item): return True if isinstance(item, Stranger) else None

@pytest.hookimpl(trylast=True)
def pytest_collection_finish(session):
    manager = session.config.pluginmanager
    manager.register(First())
    Stranger.config, Stranger.ihook = session.config, session.ihook
    session.config.hook.pytest_runtest_protocol(item=Stranger(), nextitem=None)
    ours = [plugin for name, plugin in manager.list_name_plugin() if name.startswith("token-telemetry")]
    for plugin in ours:
        for name in ("pytest_runtest_logreport", "pytest_testnodedown", "pytest_handlecrashitem"):
            hook = getattr(plugin, name, None)
            if hook:
                given = dict(report=Stranger(), node=Stranger(), error=None, crashitem="x")
                taken = hook.__code__.co_varnames[1 : hook.__code__.co_argcount]
                hook(**{each: given[each] for each in taken})
    print("hooked", len(ours))
"""


@pytest.mark.parametrize(("arguments", "ours"), [([], 1), (["--token-telemetry-record=calls.jsonl"], 2)])
def test_no_hook_trusts_what_other_plugins_pass(
    run: Run, pytester: pytest.Pytester, suite: None, arguments: list[str], ours: int
) -> None:
    pytester.makeconftest(STRANGERS)
    result = run("-s", *arguments, directory=None)
    assert f"hooked {ours}" in result.text
    assert (result.exit, result.outcomes["passed"]) == (0, 3)


def test_what_testmon_deselects_breaks_no_recording(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        calc="def one(): return 1\ndef two(): return 2\n",
        test_calc="import calc\ndef test_one(): assert calc.one() == 1\ndef test_two(): assert calc.two() == 2\n",
    )
    gate = ["-p", "no:randomly", "--testmon", "--token-telemetry-record=calls.jsonl"]
    assert pytester.runpytest_subprocess(*gate).ret == 0
    pytester.makepyfile(calc="def one(): return 1 + 0\ndef two(): return 2\n")
    result = pytester.runpytest_subprocess(*gate)
    assert (result.ret, result.parseoutcomes()["deselected"]) == (0, 1)


RECORDING = """
import pytest
from tests.lines import MIX

@pytest.mark.parametrize("call", [*MIX, *MIX], ids=str)
def test_call(token_telemetry, call):
    category, complexity, count = call
    token_telemetry.record(
        predicted_output_tokens=1000, output_tokens=900, finish_reason="stop", success=True,
        category=category, complexity=complexity, deliverable_count=count,
    )
"""


def test_shards_record_and_one_session_judges_them_together(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_agent=RECORDING)
    for group in ("1", "2"):
        shard = run("--splits=2", f"--group={group}", f"--token-telemetry-record=shards/{group}.jsonl", directory=None)
        assert (shard.exit, shard.outcomes["passed"]) == (0, 27)
        assert "cannot judge the whole" not in shard.text
    result = run("token-telemetry", directory="shards")
    assert (result.exit, result.report["verdict"], result.report["counts"]["samples"]) == (0, "pass", 54)


@pytest.mark.parametrize("ini", ["token_telemetry = true", "addopts = --token-telemetry-dir=runs"])
def test_a_shard_that_judges_is_warned(run: Run, pytester: pytest.Pytester, passing: object, ini: str) -> None:
    pytester.makepyfile(test_agent=RECORDING)
    pytester.makeini(f"[pytest]\n{ini}\n")
    result = run("--splits=2", "--group=1", directory=None)
    assert "--splits=2 gives this session only part of the tests and checks" in result.text
    assert "cannot judge the whole" not in run("--splits=1", "--group=1", directory=None).text
