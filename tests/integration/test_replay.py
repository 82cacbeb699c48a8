"""``--token-telemetry-estimator``, ``--token-telemetry-base-estimator`` and the hook, in whole sessions."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lxml import etree
from scipy.stats import beta

from pytest_token_telemetry.sources.own_format import line as own_line
from tests.integration.conftest import Run, usage_error
from tests.lines import ready_lines, stamp, v2, write

TOO_LOW = "def predict(request): return 800"  # 900 came out of each call
HIGH_ENOUGH = "def predict(request): return 1000"
AS_RECORDED = "def predict(request): return request.predicted_output_tokens"
ESTIMATOR = "--token-telemetry-estimator=far_estimator:predict"

REPLAYED = {
    "readiness::sources": "pass",
    "readiness::samples": "pass",
    "readiness::categories": "pass",
    "readiness::complexities": "pass",
    "readiness::deliverables": "pass",
    "readiness::replay": "pass",
    "tier1::underestimation": "fail",
    "tier1::truncation": "pass",
    "tier2::waste-p90": "pass",
}


def module(text: str, directory: str = ".", name: str = "far_estimator") -> None:
    Path(directory).mkdir(parents=True, exist_ok=True)
    Path(directory, f"{name}.py").write_text(f"from pytest_token_telemetry import CannotReplay\n{text}\n")


# Where the estimator is


def test_an_estimator_of_the_current_directory_is_judged(run: Run, passing: object, suite: None) -> None:
    module(TOO_LOW)
    result = run(ESTIMATOR)
    assert result.exit == 1
    assert result.checks == REPLAYED
    assert result.outcomes == {"passed": 11, "failed": 1}
    assert result.report["verdict"] == "tune"
    assert result.report["estimator"]["estimator"] == "far_estimator:predict"
    assert result.report["settings"]["estimator"] == "far_estimator:predict"


def test_an_estimator_can_mend_what_the_recorded_one_did_wrong(run: Run, pytester: pytest.Pytester) -> None:
    write(pytester.path / "runs", ready_lines(60, predicted=800))
    module(HIGH_ENOUGH)
    assert run().exit == 1
    assert run(ESTIMATOR).exit == 0


def test_an_estimator_that_predicts_as_recorded_changes_no_figure(run: Run, tuning: object) -> None:
    module(AS_RECORDED)
    alone, replayed = run().report, run(ESTIMATOR).report
    assert replayed["estimator"]["figures"] == replayed["estimator"]["recorded"]
    for document in (alone, replayed):
        document["checks"] = [each for each in document["checks"] if each["id"] != "readiness::replay"]
        del document["created"], document["scan"], document["estimator"], document["settings"]
    assert replayed == alone


@pytest.mark.parametrize("spec", ["far_estimator:predict", "code::far_estimator:predict"])
def test_an_ini_file_names_an_estimator_from_where_it_lies(
    run: Run, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, spec: str
) -> None:
    write(pytester.path / "runs", ready_lines(60))
    module(TOO_LOW, "code" if "::" in spec else ".")
    pytester.makeini(f"[pytest]\ntoken_telemetry_dir = runs\ntoken_telemetry_estimator = {spec}\n")
    assert run(directory=None).exit == 1
    below = pytester.mkdir("below")
    monkeypatch.chdir(below)
    result = pytester.runpytest_inprocess("-p", "no:randomly", "--token-telemetry-json=report.json")
    assert result.ret == 1
    assert json.loads((below / "report.json").read_text())["estimator"]["estimator"] == spec


@pytest.mark.parametrize("directory", ["checkout", "./a/../checkout", "{here}/checkout"])
def test_an_estimator_is_taken_from_its_directory(
    run: Run, passing: object, pytester: pytest.Pytester, directory: str
) -> None:
    pytester.mkdir("a")
    module(HIGH_ENOUGH)
    module(TOO_LOW, "checkout")
    result = run(f"--token-telemetry-estimator={directory.format(here=pytester.path)}::far_estimator:predict")
    assert result.report["metrics"]["predicted_output_tokens"]["mean"] == 800


def test_the_command_line_wins_over_the_hook(run: Run, passing: object, pytester: pytest.Pytester) -> None:
    module(TOO_LOW)
    pytester.makeconftest("def pytest_token_telemetry_estimate(request): return 1000")
    result = run(ESTIMATOR)
    assert result.report["metrics"]["predicted_output_tokens"]["mean"] == 800


# The hook


def test_a_hook_with_something_to_set_up_is_an_estimator(run: Run, passing: object, pytester: pytest.Pytester) -> None:
    Path("coefficients.json").write_text('{"implementation": 1000, "tests": 800, "docs": 1000}')
    pytester.makeconftest(
        """
        import json
        with open("coefficients.json") as file:
            coefficients = json.load(file)
        def pytest_token_telemetry_estimate(request):
            return coefficients[request.category]
        """
    )
    result = run()
    assert result.checks == REPLAYED
    assert result.report["estimator"]["estimator"] == "pytest_token_telemetry_estimate"
    assert {each["name"]: each["underestimated"] for each in result.report["strata"]["category"]} == {
        "implementation": 0,
        "tests": 18,
        "docs": 0,
    }


def test_an_adapter_takes_three_lines(run: Run, passing: object, pytester: pytest.Pytester) -> None:
    Path("own_estimator.py").write_text(
        "class Estimator:\n"
        "    def estimate(self, category, complexity, deliverables):\n"
        "        return 400 * deliverables if category == 'docs' else 1000\n"
    )
    pytester.makeconftest(
        """
        from own_estimator import Estimator
        def pytest_token_telemetry_estimate(request):
            return Estimator().estimate(request.category, request.complexity, request.deliverable_count)
        """
    )
    pytester.syspathinsert()
    # docs with one deliverable get 400, for 900; there are 6 of them among 60
    assert run().report["estimator"]["figures"]["underestimation"] == {"events": 6, "n": 60}


@pytest.mark.parametrize("when", ["pytest_configure(config)", "pytest_sessionstart(session)"])
def test_a_plugin_that_is_registered_at_the_start_is_an_estimator(
    run: Run, passing: object, pytester: pytest.Pytester, when: str
) -> None:
    start = "config" if "config" in when else "session.config"
    pytester.makeconftest(
        f"""
        class Estimator:
            def pytest_token_telemetry_estimate(self, request):
                return 800
        def {when}:
            {start}.pluginmanager.register(Estimator())
        """
    )
    assert run().checks == REPLAYED


def test_of_two_hooks_the_first_that_answers_counts(run: Run, passing: object, pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        """
        import pytest
        class Docs:
            @pytest.hookimpl(tryfirst=True)
            def pytest_token_telemetry_estimate(self, request):
                return 800 if request.category == "docs" else None
        def pytest_configure(config):
            config.pluginmanager.register(Docs())
        def pytest_token_telemetry_estimate(request):
            return 1000
        """
    )
    assert run().report["estimator"]["figures"]["underestimation"] == {"events": 18, "n": 60}


def test_a_hook_that_says_nothing_is_a_wrong_answer(run: Run, passing: object, pytester: pytest.Pytester) -> None:
    pytester.makeconftest("def pytest_token_telemetry_estimate(request): pass")
    result = run()
    assert (result.exit, result.report["verdict"]) == (1, "not-ready")
    assert result.report["estimator"]["wrong"] == 60


LATE = {
    "pytest_token_telemetry_estimate": "def pytest_token_telemetry_estimate(request): return 800",
    "pytest_token_telemetry_sources": "def pytest_token_telemetry_sources(): return []",
    "pytest_token_telemetry_sample": "def pytest_token_telemetry_sample(sample): pass",
    "pytest_token_telemetry_checks": "def pytest_token_telemetry_checks(): return []",
    "pytest_token_telemetry_report": "def pytest_token_telemetry_report(): pass",
}


@pytest.mark.parametrize("hook", LATE)
def test_a_hook_that_comes_too_late_is_refused_before_the_tests(
    run: Run, passing: object, pytester: pytest.Pytester, hook: str
) -> None:
    below = pytester.mkdir("below")
    (below / "conftest.py").write_text(LATE[hook])
    (below / "test_it.py").write_text("def test_it(): open('ran', 'w').close()")
    said = usage_error(run())
    assert said.startswith(f"{hook} is answered too late")
    assert not Path("ran").exists()


@pytest.mark.parametrize("hook", LATE)
def test_a_hook_that_only_the_workers_see_is_never_passed_over(
    run: Run, passing: object, pytester: pytest.Pytester, hook: str
) -> None:
    below = pytester.mkdir("below")
    (below / "conftest.py").write_text(LATE[hook])
    (below / "test_it.py").write_text("def test_it(): pass")
    result = run("-n", "2", process=True)
    assert usage_error(result).startswith(f"{hook} is answered too late")
    assert "not judged" not in result.text  # once is enough


def test_a_hook_without_anything_to_judge_changes_nothing(run: Run, suite: None, pytester: pytest.Pytester) -> None:
    pytester.makeconftest("def pytest_token_telemetry_estimate(request): return 800")
    result = run(directory=None)
    assert (result.exit, result.outcomes) == (0, {"passed": 3})


# What it answers


def test_budgets_that_would_have_cut_off_fail_the_truncation_check(run: Run, passing: object) -> None:
    module("def predict(request): return 1000, 800 if request.category == 'docs' else 4096")
    result = run(ESTIMATOR, "--token-telemetry-markdown=summary.md")
    assert result.checks["tier1::truncation"] == "fail"
    assert result.report["estimator"]["would_truncate"] == 18
    sentence = "With its budgets, 18 of 60 calls would have been truncated."
    assert sentence in Path("summary.md").read_text()
    assert sentence in " ".join(result.text.split())


CALLS = [{"output_tokens": 100 + n, "predicted_output_tokens": 900, "finish_reason": "stop"} for n in range(97)]
TRUNCATED = [{"output_tokens": 800, "predicted_output_tokens": 900, "finish_reason": "length"} for _ in range(3)]


@pytest.fixture
def capped(pytester: pytest.Pytester) -> Callable[[list[dict[str, Any]]], list[str]]:
    """Keeps calls of one kind, all with a cap of 800."""

    def keep(calls: list[dict[str, Any]]) -> list[str]:
        lines = [
            own_line(max_tokens=800, id=f"{n}", success=call["finish_reason"] == "stop", **call)
            for n, call in enumerate(calls)
        ]
        (pytester.mkdir("capped") / "a.jsonl").write_text("\n".join([*lines, ""]))
        return [f"--token-telemetry-require-{mix}=none" for mix in ("categories", "complexities", "deliverables")]

    return keep


@pytest.mark.parametrize(
    ("target", "outcome", "verdict"),
    [("2%", "skip", "inconclusive"), ("3%", "pass", "pass"), ("2.9%", "skip", "inconclusive")],
)
def test_a_little_more_room_proves_nothing_about_calls_that_were_truncated(
    run: Run, capped: Any, target: str, outcome: str, verdict: str
) -> None:
    """3 of 100 were truncated at 800. With 801, they may all be again: so the bound is that of 3 of 100 (scipy)."""
    module("def predict(request): return 801, 801")
    result = run(
        ESTIMATOR, *capped([*CALLS, *TRUNCATED]), f"--token-telemetry-max-truncation={target}", directory="capped"
    )
    [check] = [each for each in result.report["checks"] if each["id"] == "tier1::truncation"]
    assert (result.report["verdict"], check["outcome"], check["proven"]) == (verdict, outcome, False)
    assert (check["events"], check["n"], check["open"]) == (0, 97, 3)
    assert check["bounds"]["upper"] == pytest.approx(beta.ppf(0.95, 4, 97))
    assert "beside these, 3 truncated calls would have had more room" in check["message"]
    if verdict == "inconclusive":
        assert result.report["headline"].startswith("A replay cannot tell whether the new caps are large enough")
        assert result.report["advice"][0].startswith(
            "Send calls with the new caps (max_tokens), record them, and judge"
        )
    else:
        assert "257 samples with 3 events would prove it" in check["message"]


def test_what_a_replay_leaves_open_can_fail(run: Run, capped: Any) -> None:
    module("def predict(request): return 801, 801")
    options = capped([*CALLS, *TRUNCATED])
    result = run(ESTIMATOR, *options, "--token-telemetry-inconclusive=fail", directory="capped")
    assert (result.exit, result.report["verdict"]) == (1, "inconclusive")


def test_budgets_do_not_judge_calls_that_they_were_not_asked_about(run: Run, capped: Any) -> None:
    """50 calls have a prediction, and 1 of them needs more than the new cap. Of 50 others, 40 would."""
    module("def predict(request): return 145, 145")
    asked = [{**CALLS[0], "output_tokens": 100} for _ in range(49)] + [{**CALLS[0], "output_tokens": 200}]
    others = [{"output_tokens": 200 if n < 40 else 100, "finish_reason": "stop"} for n in range(50)]
    result = run(ESTIMATOR, *capped([*asked, *others]), directory="capped")
    [check] = [each for each in result.report["checks"] if each["id"] == "tier1::truncation"]
    assert (check["events"], check["n"], result.report["estimator"]["unasked"]) == (1, 50, 50)
    assert "It was not asked about 50 calls without a prediction: not judged." in " ".join(result.text.split())


@pytest.mark.parametrize(
    ("leave", "reason"),
    [
        ("raise SystemExit(0)", "SystemExit: 0"),
        ("import os, sys; sys.exit()", "SystemExit"),
        ("import pytest; pytest.exit('enough', returncode=0)", "Exit: enough"),
        ("import pytest; pytest.skip('not today')", "Skipped: not today"),
    ],
)
@pytest.mark.parametrize("how", ["option", "hook"])
def test_an_estimator_that_leaves_does_not_end_the_session_as_a_success(
    run: Run, passing: object, pytester: pytest.Pytester, leave: str, reason: str, how: str
) -> None:
    if how == "option":
        module(f"def predict(request): {leave}")
    else:
        pytester.makeconftest(f"def pytest_token_telemetry_estimate(request): {leave}")
    result = run(*([ESTIMATOR] if how == "option" else []))
    assert (result.exit, result.report["verdict"]) == (1, "not-ready")
    [told, *_] = result.report["estimator"]["errors"]
    line = {"hook": "conftest.py:1", "option": "far_estimator.py:2"}[how]
    assert told == {"source": "runs/run-1/agent.log:1", "reason": f"{line}: {reason}"}


def test_ctrl_c_in_an_estimator_ends_the_session(run: Run, passing: object) -> None:
    module("def predict(request): raise KeyboardInterrupt")
    result = run(ESTIMATOR, process=True)
    assert (result.exit, result.report) == (2, None)


def test_an_estimator_that_cannot_replay_enough_is_not_ready(run: Run, passing: object) -> None:
    module("def predict(request):\n    if request.category == 'docs': raise CannotReplay\n    return 1000")
    result = run(ESTIMATOR)
    assert result.exit == 1
    assert result.report["headline"] == "The estimator cannot be judged: it replays 42 of 60 recorded calls."
    assert "42 of 60 calls replayed (18 could not be replayed); 54 must be" in result.text
    assert run(ESTIMATOR, "--token-telemetry-min-replayed=70%").checks["readiness::replay"] == "pass"


def test_wrong_answers_are_counted_by_reason(run: Run, passing: object) -> None:
    module("def predict(request): return None if request.category == 'docs' else 1000")
    reason = "the prediction is NoneType, not a number"
    told = " ".join(run(ESTIMATOR).text.split())
    assert f"-> Repair the estimator, as 18 of 60 predictions are invalid: {reason} (18 calls)." in told
    result = run(ESTIMATOR, "-v")
    assert result.checks["readiness::replay"] == "fail"
    assert f" 18 {reason} runs/run-1/agent.log:" in " ".join(result.text.split())
    skipped = run(ESTIMATOR, "--token-telemetry-estimator-errors=skip", "--token-telemetry-min-replayed=50%")
    assert skipped.checks["readiness::replay"] == "pass"


def test_one_sample_a_task_is_asked_about_where_one_is_judged(run: Run, pytester: pytest.Pytester) -> None:
    retries = [v2(time=stamp(100 + n), more=" task_id=phase-7") for n in range(40)]
    write(pytester.path / "runs", ready_lines(60) + retries)
    module(
        "def predict(request):\n"
        "    if request.task_id:\n"
        "        with open('asked', 'a') as file: file.write('x')\n"
        "        raise CannotReplay\n"
        "    return 1000"
    )
    result = run(ESTIMATOR, "--token-telemetry-one-per-task")
    assert Path("asked").read_text() == "x"
    assert (result.report["estimator"]["calls"], result.report["estimator"]["cannot"]) == (61, 1)
    assert result.exit == 0


# Two estimators


@pytest.fixture
def two_checkouts(passing: object) -> list[str]:
    """Two versions of one module: head is too low in docs."""
    for directory, docs in (("head", 800), ("base", 1000)):
        module(f"TOKENS = {{'docs': {docs}}}", directory, "far_table")
        module(
            "from far_table import TOKENS\ndef predict(request): return TOKENS.get(request.category, 1000)", directory
        )
    return [
        "--token-telemetry-estimator=head::far_estimator:predict",
        "--token-telemetry-base-estimator=base::far_estimator:predict",
    ]


def test_two_versions_of_one_module_are_compared(run: Run, two_checkouts: list[str]) -> None:
    result = run(*two_checkouts, "--token-telemetry-markdown=summary.md")
    base = result.report["estimator"]["base"]
    assert base["estimator"] == "base::far_estimator:predict"
    assert (base["base"]["underestimation"]["events"], base["head"]["underestimation"]["events"]) == (0, 18)
    assert base["underestimated"] == {"newly_underestimated": 18, "newly_safe": 0, "both": 0, "neither": 42}
    assert {each["category"] for each in base["changed"]} == {"docs"}
    sentence = "of 60 calls that both can replay, 18 newly underestimated and 0 newly safe"
    assert sentence in Path("summary.md").read_text()
    assert sentence in " ".join(result.text.split())


def test_the_verdict_is_on_the_head_alone(run: Run, two_checkouts: list[str]) -> None:
    assert run(*two_checkouts).report["verdict"] == "tune"
    turned = {"head": "base", "base": "head"}
    others = [
        option.replace(f"={each}::", f"={turned[each]}::")
        for option in two_checkouts
        for each in turned
        if f"={each}::" in option
    ]
    assert run(*others).report["verdict"] == "pass"


def test_a_base_may_be_another_name_of_the_same_module(run: Run, passing: object) -> None:
    module(f"{HIGH_ENOUGH}\ndef former(request): return 800")
    base = run(ESTIMATOR, "--token-telemetry-base-estimator=far_estimator:former").report["estimator"]["base"]
    assert base["underestimated"]["newly_safe"] == 60


def test_a_base_without_a_directory_is_not_taken_from_that_of_the_head(run: Run, passing: object) -> None:
    module(TOO_LOW, "head")
    said = usage_error(
        run(
            "--token-telemetry-estimator=head::far_estimator:predict",
            "--token-telemetry-base-estimator=far_estimator:predict",
        )
    )
    assert "'far_estimator' cannot be imported: ModuleNotFoundError" in said


def test_what_the_base_prints_does_not_reach_the_session(run: Run, passing: object) -> None:
    module(AS_RECORDED)
    module(f"print('ZQX')\n{HIGH_ENOUGH.replace('return', 'print(chr(90) * 3); return')}", "base")
    result = run(ESTIMATOR, "--token-telemetry-base-estimator=base::far_estimator:predict", process=True)
    assert result.exit == 0
    assert "ZQX" not in result.text
    assert "ZZZ" not in result.text


FIRST_OF_DOCS = next(n for n, line in enumerate(ready_lines(60), 1) if "category=docs" in line)


@pytest.mark.parametrize(
    ("which", "directory", "seconds", "what"),
    [
        ("estimator", "slow", "0.5", f"the call runs/run-1/agent.log:{FIRST_OF_DOCS}"),
        ("estimator", "slower", "0.5", "its import"),
        ("base-estimator", "slow", "3", f"the call runs/run-1/agent.log:{FIRST_OF_DOCS}"),
    ],
)
def test_an_estimator_that_hangs_ends_the_session_with_the_calls_name(
    run: Run, passing: object, which: str, directory: str, seconds: str, what: str
) -> None:
    module(HIGH_ENOUGH)
    module("import time\ndef predict(request): return time.sleep(1000) if request.category == 'docs' else 1000", "slow")
    module("import time\ntime.sleep(1000)", "slower")
    others = [] if which == "estimator" else [ESTIMATOR]
    hangs = f"--token-telemetry-{which}={directory}::far_estimator:predict"
    assert usage_error(run(*others, hangs, f"--token-telemetry-estimator-timeout={seconds}")) == (
        f"--token-telemetry-{which}: {what} takes longer than {seconds} s (if it has to, raise"
        " --token-telemetry-estimator-timeout)"
    )


def test_a_hook_that_hangs_ends_the_session(run: Run, passing: object, pytester: pytest.Pytester) -> None:
    pytester.makeconftest("def pytest_token_telemetry_estimate(request):\n    while True: pass")
    said = usage_error(run("--token-telemetry-estimator-timeout=.3"))
    assert said.startswith("pytest_token_telemetry_estimate: the call runs/run-1/agent.log:1 takes longer than .3 s")


# What cannot be meant


@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        ("estimator=far_estimator", "'far_estimator' is not an estimator (write package.module:callable, or"),
        ("estimator=far_estimator.py:predict()", "is not an estimator (write package.module:callable, or"),
        ("estimator=nothing_of_this_name:predict", "'nothing_of_this_name' cannot be imported: ModuleNotFoundError"),
        ("estimator=far_estimator:nothing", "'far_estimator' has no 'nothing'"),
        ("estimator=far_estimator:TABLE", "far_estimator:TABLE is dict, which cannot be called"),
        ("estimator=leaves:predict", "'leaves' cannot be imported: SystemExit: 0"),
        ("estimator=breaks:predict", "'breaks' cannot be imported: ValueError: two lines"),
        ("estimator=nowhere::far_estimator:predict", "is not a directory"),
        ("estimator=empty::far_estimator:predict", "'far_estimator' is not in '"),
        ("min-replayed=2", "'2' is more than 100%"),
        ("estimator-errors=pass", "'pass' is not one of fail, skip"),
        ("base-estimator=far_estimator:predict", "needs one to compare with (add --token-telemetry-estimator)"),
    ],
)
def test_an_estimator_that_cannot_be_had_is_refused_before_the_tests(
    run: Run, passing: object, pytester: pytest.Pytester, option: str, sentence: str
) -> None:
    pytester.makepyfile("def test_it(): open('ran', 'w').close()")
    pytester.mkdir("empty")
    pytester.syspathinsert()  # as python -m pytest has it
    module(f"{HIGH_ENOUGH}\nTABLE = {{}}")
    module("raise SystemExit(0)", name="leaves")
    module("raise ValueError('two\\nlines')", name="breaks")
    said = usage_error(run(f"--token-telemetry-{option}"))
    assert said.startswith(f"--token-telemetry-{option.partition('=')[0]}")
    assert sentence in said
    assert not Path("ran").exists()


def test_an_estimator_that_reads_the_advice_that_the_session_writes_is_told_why_it_is_gone(
    run: Run, passing: object, pytester: pytest.Pytester
) -> None:
    pytester.syspathinsert()
    module("open('tuning-1.json').close()", name="calibrated")
    Path("tuning-1.json").write_text('{"schema": "token-telemetry-tuning/1"}')
    said = usage_error(run("--token-telemetry-estimator=calibrated:predict", "--token-telemetry-tuning=tuning-1.json"))
    assert "'calibrated' cannot be imported: FileNotFoundError: " in said
    assert said.endswith(
        "(let --token-telemetry-tuning name another file: an earlier one there was removed when this session began)"
    )


def test_an_estimator_of_an_ini_file_is_refused_by_its_key(
    run: Run, passing: object, pytester: pytest.Pytester
) -> None:
    pytester.makeini("[pytest]\ntoken_telemetry_estimator = far_estimator\n")
    assert usage_error(run()).startswith("token_telemetry_estimator in tox.ini: 'far_estimator' is not an estimator")


WAY_OUT = "(name one that is there: 'git worktree add DIRECTORY COMMIT' makes one of another commit)"


def test_a_base_in_a_directory_that_is_not_there_is_refused_before_the_tests(
    run: Run, passing: object, pytester: pytest.Pytester
) -> None:
    pytester.makepyfile("def test_it(): open('ran', 'w').close()")
    module(HIGH_ENOUGH)
    said = usage_error(run(ESTIMATOR, "--token-telemetry-base-estimator=nowhere::far_estimator:predict"))
    assert said == f"--token-telemetry-base-estimator: '{pytester.path}/nowhere' is not a directory {WAY_OUT}"
    assert not Path("ran").exists()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("raise ValueError('two\\nlines')", "'far_estimator' cannot be imported: ValueError: two lines"),
        ("import os; os._exit(0)", "its process ended with 0 after 0 of 60 answers"),
        ("import os\ndef predict(request): os._exit(3)", "its process ended with 3 after 0 of 60 answers"),
        ("predict = 5", "far_estimator:predict is int, which cannot be called"),
    ],
)
@pytest.mark.parametrize("layout", [[], ["-n", "2"], ["-p", "no:terminal"]], ids=["plain", "xdist", "silent"])
def test_a_base_that_fails_leaves_no_pass_and_no_earlier_report(
    run: Run, passing: object, suite: None, text: str, sentence: str, layout: list[str]
) -> None:
    module(HIGH_ENOUGH)
    reports = ["--token-telemetry-markdown=summary.md", "--token-telemetry-junit=junit.xml"]
    assert run(ESTIMATOR, *reports).exit == 0
    module(text, "base")
    base = "--token-telemetry-base-estimator=base::far_estimator:predict"
    spread = "-n" in layout
    result = run(ESTIMATOR, base, "--token-telemetry-history=history.jsonl", *reports, *layout, process=spread)
    assert usage_error(result).startswith(f"--token-telemetry-base-estimator: {sentence}")
    assert not Path("summary.md").exists()
    assert not Path("junit.xml").exists()
    assert not Path("history.jsonl").exists()
    assert "not judged" not in result.text  # once is enough


# Beside everything else


@pytest.mark.parametrize(
    ("selection", "outcomes"),
    [
        (["token-telemetry::readiness::replay"], {"passed": 1}),
        (["token-telemetry::readiness"], {"passed": 6}),
        (["-k", "replay"], {"passed": 1, "deselected": 9}),
        (["-m", "token_telemetry_gate"], {"passed": 9}),
    ],
)
def test_the_check_of_the_replay_is_selected_like_any_other(
    run: Run, passing: object, selection: list[str], outcomes: dict[str, int]
) -> None:
    module(HIGH_ENOUGH)
    result = run(ESTIMATOR, *selection)
    assert (result.exit, result.outcomes) == (0, outcomes)


def test_a_replay_without_its_check_is_no_pass(run: Run, passing: object) -> None:
    module(HIGH_ENOUGH)
    result = run(ESTIMATOR, "--deselect=token-telemetry::readiness::replay")
    assert result.report["verdict"] == "inconclusive"
    assert result.report["notes"] == ["1 of 9 checks deselected: readiness::replay."]


def test_the_check_of_the_replay_has_no_place_where_nothing_is_replayed(run: Run, passing: object) -> None:
    assert usage_error(run("token-telemetry::readiness::replay", "token-telemetry::tier1")) == (
        "token-telemetry::readiness::replay: there is no such check in this session (add --token-telemetry-estimator)"
    )
    assert run("-k", "replay").exit == 5


def test_a_session_without_a_replay_says_nothing_of_one(run: Run, passing: object) -> None:
    result = run()
    assert result.report["estimator"] is None
    assert "Replayed" not in result.text
    assert "readiness::replay" not in result.text


@pytest.mark.parametrize("how", ["option", "hook"])
def test_a_replay_is_the_same_under_xdist(
    run: Run, passing: object, suite: None, pytester: pytest.Pytester, how: str
) -> None:
    module(TOO_LOW)
    if how == "hook":
        pytester.makeconftest("def pytest_token_telemetry_estimate(request): return 800")
    options = [ESTIMATOR] if how == "option" else []
    alone, spread = run(*options, process=True), run(*options, "-n", "2", process=True)
    assert spread.exit == alone.exit == 1
    assert spread.outcomes == alone.outcomes == {"passed": 11, "failed": 1}
    for outcome in (alone, spread):
        del outcome.report["created"], outcome.report["scan"]
    assert spread.report == alone.report


def test_options_that_run_nothing_ask_nothing(run: Run, passing: object) -> None:
    module("def predict(request): open('asked', 'w').close()")
    result = run(ESTIMATOR, "--co", "-q")
    assert result.exit == 0
    assert "token-telemetry::readiness::replay" in result.text
    assert not Path("asked").exists()


@pytest.mark.parametrize("predict", [TOO_LOW, HIGH_ENOUGH, "def predict(request): raise CannotReplay"])
def test_every_form_tells_the_same(run: Run, passing: object, predict: str) -> None:
    module(predict)
    result = run(ESTIMATOR, "-v", "--token-telemetry-markdown=summary.md", "--token-telemetry-junit=junit.xml")
    report, markdown = result.report, Path("summary.md").read_text()
    assert result.exit == (0 if report["verdict"] == "pass" else 1)
    assert report["headline"] in markdown
    assert report["headline"] in " ".join(result.text.split())
    cases = {
        f"{case.get('classname').removeprefix('token-telemetry.')}::{case.get('name')}": case
        for case in etree.parse("junit.xml").iter("testcase")
    }
    tags = {"fail": "failure", "skip": "skipped"}
    assert list(cases) == list(result.checks) == list(REPLAYED)
    for id, outcome in result.checks.items():
        assert cases[id].find(tags.get(outcome, "system-out")) is not None
        assert f"{outcome} {id}: " in result.text
        assert f"<td>{id.replace('::', ' ')}</td>" in markdown


def test_hostile_texts_of_an_estimator_stay_inert(run: Run, passing: object) -> None:
    module("def predict(request): raise ValueError('ZQX</code><script>|@octocat\\x1b[31m\\n::error::x')")
    result = run(ESTIMATOR, "-v", "--token-telemetry-markdown=summary.md")
    assert "\x1b[31m" not in result.text
    assert "\n::error::" not in result.text
    assert "<script>" not in Path("summary.md").read_text()
