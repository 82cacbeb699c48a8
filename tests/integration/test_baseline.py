"""Baseline, drift and history, session by session."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from lxml import etree

from tests.integration.conftest import Outcome, Run, usage_error
from tests.lines import cut_off, ready_lines, stamp, write
from tests.unit.gate.cases import DRIFT

BASELINE = "--token-telemetry-baseline=baseline.json"
SAVE = "--token-telemetry-save-baseline=baseline.json"
HISTORY = "--token-telemetry-history=history.jsonl"

NO_BASELINE = "there is no baseline yet (--token-telemetry-save-baseline writes one)"
NOT_SAVED = "No baseline was saved: the data is not ready, and nothing should be compared with it."


def later(n: int = 60, **fields: object) -> list[str]:
    """Calls of another day than those of `ready_lines`."""
    return [line.replace("2026-01-02", "2026-02-03") for line in ready_lines(n, **fields)]


def drift(result: Outcome) -> dict[str, str]:
    return {id: outcome for id, outcome in result.checks.items() if id in DRIFT}


@pytest.fixture
def saved(run: Run, passing: Path) -> Path:
    """Logs that end in PASS, with their baseline."""
    assert run(SAVE).exit == 0
    assert Path("baseline.json").exists()
    return passing


# Save and compare


def test_the_first_session_of_a_repository_passes_with_skips(run: Run, passing: object) -> None:
    result = run(BASELINE, "-rs")
    assert result.exit == 0
    assert result.outcomes == {"passed": 8, "skipped": 3}
    assert result.report["verdict"] == "pass"
    assert drift(result) == dict.fromkeys(DRIFT, "skip")
    assert result.report["drift"]["missing"] == NO_BASELINE
    assert NO_BASELINE in " ".join(result.text.split())
    assert not Path("baseline.json").exists()


def test_one_option_saves_and_compares_from_the_first_session_on(run: Run, passing: Path) -> None:
    first = run(BASELINE, SAVE)
    assert (first.exit, drift(first)) == (0, dict.fromkeys(DRIFT, "skip"))
    write(passing, later(), "run-2/agent.log")
    second = run(BASELINE, SAVE)
    assert (second.exit, drift(second)) == (0, dict.fromkeys(DRIFT, "pass"))
    assert (second.report["drift"]["baseline_samples"], second.report["drift"]["new_samples"]) == (60, 60)
    third = run(BASELINE)
    assert (third.report["drift"]["baseline_samples"], third.report["drift"]["new_samples"]) == (120, 0)


def test_calls_that_the_baseline_knows_are_not_new_wherever_they_stand(run: Run, saved: Path) -> None:
    assert run(BASELINE).report["drift"]["new_samples"] == 0
    (saved / "run-1" / "agent.log").rename(saved / "elsewhere.log")
    write(saved, later(5), "run-2/agent.log")
    result = run(BASELINE)
    assert result.report["drift"]["new_samples"] == 5
    assert drift(result) == dict.fromkeys(DRIFT, "skip")
    assert "not enough data to judge drift" in " ".join(result.text.split())


def test_new_calls_that_got_worse_warn_or_fail(run: Run, saved: Path) -> None:
    write(saved, later(60, predicted=2000, output=990), "run-1/agent.log")  # the old calls are gone
    warned = run(BASELINE)
    assert (warned.exit, warned.report["verdict"]) == (0, "pass")
    assert warned.checks["drift::ratio"] == "warn"
    assert "drift since the baseline" in warned.report["headline"]
    failed = run(BASELINE, "--token-telemetry-drift=fail")
    assert (failed.exit, failed.report["verdict"]) == (1, "tune")
    assert failed.outcomes == {"passed": 10, "failed": 1}
    assert "FAILED token-telemetry::drift::ratio" in failed.text


def test_a_baseline_that_is_missing_is_refused_where_drift_is_to_fail(run: Run, saved: Path) -> None:
    result = run("--token-telemetry-baseline=basline.json", "--token-telemetry-drift=fail")
    assert (result.exit, "--token-telemetry-baseline: 'basline.json' does not exist (save one with" in result.text) == (
        4,
        True,
    )


def test_the_same_calls_save_the_same_file(run: Run, saved: Path) -> None:
    before = Path("baseline.json").read_bytes()
    log = saved / "run-1" / "agent.log"
    lines = log.read_text().splitlines()
    log.unlink()
    write(saved, lines[30:], "a.log")
    write(saved, lines[:30][::-1], "b/c.log")
    run(SAVE)
    assert Path("baseline.json").read_bytes() == before


def test_a_baseline_stands_a_stratum_a_line(saved: Path) -> None:
    text = Path("baseline.json").read_text()
    assert [json.loads(line.strip().rstrip(","))["name"] for line in text.splitlines() if line.startswith("    {")] == [
        "docs",
        "implementation",
        "tests",
    ]
    assert "run-1" not in text
    assert "claude" not in text


def test_a_baseline_that_is_asked_for_in_an_ini_file_lies_beside_it(
    run: Run, passing: Path, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytester.makeini(
        "[pytest]\ntoken_telemetry_dir = runs\ntoken_telemetry_baseline = kept/baseline.json\n"
        "token_telemetry_save_baseline = kept/baseline.json\ntoken_telemetry_history = kept/history.jsonl\n"
    )
    monkeypatch.chdir(pytester.mkdir("below"))
    assert pytester.runpytest_inprocess("-p", "no:randomly").ret == 0
    assert sorted(path.name for path in (pytester.path / "kept").iterdir()) == ["baseline.json", "history.jsonl"]


def test_what_the_tests_record_is_saved_and_compared(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import itertools
        import pytest
        @pytest.mark.parametrize("n", range(54))
        def test_call(token_telemetry, n):
            kinds = list(itertools.product(("implementation", "tests", "docs"), ("low", "medium", "high"), (1, 3, 8)))
            category, complexity, count = kinds[n % 27]
            token_telemetry.record(
                predicted_output_tokens=1000, output_tokens=900, success=True, truncated=False, category=category,
                complexity=complexity, deliverable_count=count
            )
        """
    )
    gate = ["--token-telemetry", "--token-telemetry-json=report.json", BASELINE, SAVE]
    assert run(*gate, directory=None).report["drift"]["baseline_samples"] == 0
    second = run(*gate, directory=None).report["drift"]
    assert (second["baseline_samples"], second["new_samples"]) == (54, 54)  # the tests called again


# What is worth a baseline


def test_data_that_calls_for_tuning_is_a_baseline(run: Run, tuning: object) -> None:
    result = run(SAVE)
    assert result.report["verdict"] == "tune"
    assert json.loads(Path("baseline.json").read_text())["samples"] == 60
    assert NOT_SAVED not in result.report["notes"]


@pytest.mark.parametrize(
    ("arguments", "code", "verdict"),
    [
        ([], 1, "not-ready"),
        (["--token-telemetry-not-ready=skip"], 0, "not-ready"),
        (["-k", "sources"], 0, "inconclusive"),
        (["-k", "nothing_has_this_name"], 5, "inconclusive"),
    ],
)
def test_data_that_is_not_ready_is_no_baseline_and_told_so(
    run: Run, unready: object, arguments: list[str], code: int, verdict: str
) -> None:
    Path("baseline.json").write_text("the old one")
    result = run(SAVE, "--token-telemetry-markdown=summary.md", *arguments)
    assert (result.exit, result.report["verdict"]) == (code, verdict)
    assert Path("baseline.json").read_text() == "the old one"
    assert NOT_SAVED in result.report["notes"]
    assert f"note: {NOT_SAVED}" in " ".join(result.text.split())
    assert NOT_SAVED in Path("summary.md").read_text()


def test_an_estimator_that_cannot_be_judged_makes_no_baseline(run: Run, passing: object) -> None:
    Path("far_estimator.py").write_text("def predict(request): return None")
    result = run(SAVE, "--token-telemetry-estimator=far_estimator:predict")
    assert NOT_SAVED in result.report["notes"]
    assert not Path("baseline.json").exists()


def test_a_baseline_keeps_the_recorded_predictions_whatever_is_replayed(run: Run, saved: object) -> None:
    before = Path("baseline.json").read_bytes()
    Path("far_estimator.py").write_text("def predict(request): return 500, 500")
    assert run(SAVE, "--token-telemetry-estimator=far_estimator:predict").report["verdict"] == "tune"
    assert Path("baseline.json").read_bytes() == before


@pytest.mark.parametrize("arguments", [["-x"], ["--co"], ["--setup-plan"]])
def test_a_session_that_judges_nothing_keeps_nothing(
    run: Run, passing: object, pytester: pytest.Pytester, arguments: list[str]
) -> None:
    pytester.makepyfile("def test_broken(): assert False")
    run(SAVE, HISTORY, *arguments)
    assert not Path("baseline.json").exists()
    assert not Path("history.jsonl").exists()


# What is refused


@pytest.mark.parametrize(
    ("arguments", "difference"),
    [
        (["--token-telemetry-population=all"], "with population=risk (now all)"),
        (["--token-telemetry-under-multiplier=1.1"], "with under_multiplier=1 (now 1.1)"),
        (["--token-telemetry-alias=manual=docs"], "with other aliases (manual=docs)"),
        (["--token-telemetry-one-per-task"], "with one_per_task=false (now true)"),
        (
            ["--token-telemetry-population=all", "--token-telemetry-under-multiplier=2"],
            "with population=risk (now all) and with under_multiplier=1 (now 2)",
        ),
    ],
)
def test_a_baseline_on_other_terms_is_refused_before_the_tests(
    run: Run, saved: object, pytester: pytest.Pytester, arguments: list[str], difference: str
) -> None:
    pytester.makepyfile("def test_it(): open('ran', 'w').close()")
    before = Path("baseline.json").read_bytes()
    assert usage_error(run(BASELINE, SAVE, *arguments)) == (
        f"--token-telemetry-baseline: 'baseline.json' was made {difference} (write it anew with"
        " --token-telemetry-save-baseline)"
    )
    assert not Path("ran").exists()
    assert Path("baseline.json").read_bytes() == before


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is not JSON"),
        ("{}", "is not a token-telemetry-baseline/1 file"),
        ('{"schema": "token-telemetry-baseline/1"}', "is damaged"),
    ],
)
def test_a_file_that_is_no_baseline_is_refused_before_the_tests(
    run: Run, passing: object, pytester: pytest.Pytester, text: str, reason: str
) -> None:
    pytester.makepyfile("def test_it(): open('ran', 'w').close()")
    Path("baseline.json").write_text(text)
    assert usage_error(run(BASELINE)) == (
        f"--token-telemetry-baseline: 'baseline.json' {reason} (write it anew with --token-telemetry-save-baseline)"
    )
    assert not Path("ran").exists()


def test_a_hostile_baseline_does_not_write_on_the_terminal(run: Run, saved: object) -> None:
    document = json.loads(Path("baseline.json").read_text())
    document["terms"]["population"] = "\x1b[31m\n::error::x"
    Path("baseline.json").write_text(json.dumps(document))
    assert "\\u001b[31m\\u000a::error::x" in usage_error(run(BASELINE))


def test_a_directory_is_no_baseline(run: Run, passing: object, pytester: pytest.Pytester) -> None:
    pytester.mkdir("baseline.json")
    assert "'baseline.json' cannot be read: Is a directory" in usage_error(run(BASELINE))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--token-telemetry-save-baseline=report.json"], "--token-telemetry-save-baseline writes to the same file"),
        (["--token-telemetry-history=report.json"], "--token-telemetry-history writes to the same file"),
        ([SAVE, "--token-telemetry-history=baseline.json"], "--token-telemetry-save-baseline writes to the same file"),
        ([HISTORY, "--token-telemetry-record=history.jsonl"], "--token-telemetry-record writes to the same file"),
        ([BASELINE, "--token-telemetry-history=./baseline.json"], "--token-telemetry-baseline reads the same file"),
        (["--token-telemetry-baseline=report.json"], "--token-telemetry-baseline reads the same file"),
        (["--token-telemetry-history=runs/history.jsonl"], "'runs/history.jsonl' would be read as a log"),
        (["--token-telemetry-save-baseline=runs/b.log"], "'runs/b.log' would be read as a log"),
    ],
)
def test_files_that_would_destroy_each_other_are_refused(
    run: Run, passing: object, arguments: list[str], sentence: str
) -> None:
    Path("report.json").unlink(missing_ok=True)
    assert sentence in usage_error(run(*arguments))


def test_a_report_never_takes_the_place_of_the_baseline(run: Run, saved: object) -> None:
    before = Path("baseline.json").read_bytes()
    gate = ["--token-telemetry-dir=runs", BASELINE, "--token-telemetry-json=baseline.json"]
    usage_error(run(*gate, directory=None))
    assert Path("baseline.json").read_bytes() == before


@pytest.mark.parametrize("option", ["save-baseline", "history"])
def test_a_file_that_cannot_be_written_is_an_error_after_the_verdict(run: Run, passing: object, option: str) -> None:
    Path("occupied").mkdir()
    Path("occupied/file").write_text("")
    result = run(f"--token-telemetry-{option}=occupied/file/kept")
    if option == "history":  # it is read first
        assert "'occupied/file/kept' cannot be read: Not a directory" in usage_error(result)
        return
    assert (result.exit, result.report["verdict"]) == (4, "pass")
    error = "ERROR: --token-telemetry-save-baseline: 'occupied/file/kept' could not be written: "
    assert result.text.index("PASS: No tuning needed") < result.text.index(error)


def test_a_baseline_that_cannot_be_written_leaves_a_failure_a_failure(run: Run, tuning: object) -> None:
    Path("occupied").mkdir()
    result = run("--token-telemetry-save-baseline=occupied")
    assert result.exit == 1
    assert "'occupied' could not be written: Is a directory" in result.text


# Beside everything else


@pytest.mark.parametrize(
    ("selection", "outcomes", "verdict"),
    [
        (["token-telemetry::drift"], {"passed": 3}, "inconclusive"),
        (["token-telemetry::drift::ratio"], {"passed": 1}, "inconclusive"),
        (["-k", "drift"], {"passed": 3, "deselected": 9}, "inconclusive"),
        (["-k", "not drift"], {"passed": 8, "deselected": 3}, "pass"),
        (["--deselect=token-telemetry::drift::truncation"], {"passed": 10, "deselected": 1}, "pass"),
    ],
)
def test_drift_checks_are_selected_like_any_other(
    run: Run, saved: Path, selection: list[str], outcomes: dict[str, int], verdict: str
) -> None:
    write(saved, later(), "run-2/agent.log")
    result = run(BASELINE, *selection)
    assert (result.exit, result.outcomes, result.report["verdict"]) == (0, outcomes, verdict)


def test_drift_checks_have_no_place_where_nothing_is_compared(run: Run, passing: object) -> None:
    assert usage_error(run("token-telemetry::drift")) == (
        "token-telemetry::drift: there is no such check in this session (add --token-telemetry-baseline)"
    )
    assert run("-k", "drift").exit == 5


def test_what_was_not_asked_for_is_not_told(run: Run, passing: object) -> None:
    result = run()
    assert (result.report["estimator"], result.report["drift"], result.report["history"]) == (None, None, None)
    for word in ("Drift", "History", "drift::"):
        assert word not in result.text


def test_a_comparison_is_the_same_under_xdist(run: Run, saved: Path, suite: None) -> None:
    write(saved, later(60, predicted=2000, output=990), "run-1/agent.log")
    arguments = [BASELINE, "--token-telemetry-drift=fail"]
    alone, spread = run(*arguments, process=True), run(*arguments, "-n", "2", process=True)
    assert alone.exit == spread.exit == 1
    assert alone.outcomes == spread.outcomes == {"passed": 13, "failed": 1}
    for outcome in (alone, spread):
        del outcome.report["created"], outcome.report["scan"]
    assert alone.report == spread.report


def test_files_are_kept_once_under_xdist(run: Run, passing: object, suite: None) -> None:
    run(SAVE, HISTORY, "-n", "2", process=True)
    assert json.loads(Path("baseline.json").read_text())["samples"] == 60
    assert Path("history.jsonl").read_text().count("\n") == 1


def test_without_a_terminal_everything_is_kept(run: Run, passing: object) -> None:
    assert run(SAVE, HISTORY, "-p", "no:terminal").exit == 0
    assert Path("baseline.json").exists()
    assert Path("history.jsonl").exists()


@pytest.mark.parametrize("policy", ["warn", "fail"])
def test_every_form_tells_the_same(run: Run, saved: Path, policy: str) -> None:
    write(saved, later(60, predicted=2000, output=990), "run-1/agent.log")
    result = run(
        BASELINE,
        "-v",
        f"--token-telemetry-drift={policy}",
        "--token-telemetry-markdown=summary.md",
        "--token-telemetry-junit=junit.xml",
    )
    report, markdown = result.report, Path("summary.md").read_text()
    assert result.exit == (1 if policy == "fail" else 0)
    assert report["headline"] in markdown
    assert report["headline"] in " ".join(result.text.split())
    cases = {
        f"{case.get('classname').removeprefix('token-telemetry.')}::{case.get('name')}": case
        for case in etree.parse("junit.xml").iter("testcase")
    }
    assert list(cases) == list(result.checks)
    assert (cases["drift::ratio"].find("failure") is not None) == (policy == "fail")
    for id, outcome in result.checks.items():
        assert f"{outcome} {id}: " in result.text
        assert f"<td>{id.replace('::', ' ')}</td>" in markdown
    assert "60 new calls against 60 in the baseline" in markdown


# History


def test_twelve_sessions_show_the_last_ten(run: Run, passing: Path) -> None:
    for session in range(12):
        result = run(HISTORY, "--token-telemetry-markdown=summary.md")
        assert len(result.report["history"]) == min(session, 10)
        write(passing, [cut_off(time=stamp(1000 + session))], f"run-{session + 2}/agent.log")
    lines = [json.loads(line) for line in Path("history.jsonl").read_text().splitlines()]
    # one more call is truncated each time, of 60 and those: from 2 of 62 on more than 2%
    assert [each["truncation"] for each in lines] == [[n, 60 + n] for n in range(12)]
    assert [each["verdict"] for each in lines] == ["pass", "pass", *["tune"] * 10]
    assert result.report["history"][0] | {"time": ""} == {
        "time": "",
        "verdict": "pass",
        "samples": 61,
        "underestimation": 1 / 61,
        "truncation": 1 / 61,
        "underestimated": {"events": 1, "n": 61},
        "truncated": {"events": 1, "n": 61},
        "commit": None,
    }
    # 1/61, 2/62... to 10/70, in sevenths of that: 0.8, 1.6, 2.3, 3.1, 3.8, 4.5, 5.1, 5.8, 6.4, 7
    sentence = "The last 10 sessions: underestimation ▂▃▃▄▅▅▆▇▇█ 14.3%, truncation ▂▃▃▄▅▅▆▇▇█ 14.3%."
    assert sentence in Path("summary.md").read_text()
    assert sentence in " ".join(result.text.split())


def test_the_first_session_of_a_history_is_told_so(run: Run, passing: object) -> None:
    result = run(HISTORY)
    assert result.report["history"] == []
    assert "History: This is the first session of the history." in result.text


def test_a_commit_is_kept_where_the_server_names_it(run: Run, passing: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_SHA", "0123456789abcdef")
    run(HISTORY)
    result = run(HISTORY, "-v")
    assert result.report["history"][0]["commit"] == "0123456789abcdef"
    assert "0123456789ab" in result.text
    assert "0123456789abc" not in result.text


@pytest.mark.parametrize("logs", ["passing", "tuning", "unready"])
def test_every_verdict_is_kept(run: Run, logs: str, request: pytest.FixtureRequest) -> None:
    request.getfixturevalue(logs)
    verdict = run(HISTORY).report["verdict"]
    assert json.loads(Path("history.jsonl").read_text())["verdict"] == verdict


def test_a_line_that_was_cut_off_is_passed_over_and_repaired(run: Run, passing: object) -> None:
    run(HISTORY)
    whole = Path("history.jsonl").read_text()
    Path("history.jsonl").write_text(whole + whole[:50])
    for sessions in (1, 2, 3):
        assert len(run(HISTORY).report["history"]) == sessions


def test_a_file_that_is_no_history_is_refused_and_left_alone(
    run: Run, passing: object, pytester: pytest.Pytester
) -> None:
    pytester.makepyfile("def test_it(): open('ran', 'w').close()")
    for text, number in (("# Notes\n", 1), ("no line end", 1), ('{"schema": "token-telemetry/1"}\n', 1)):
        Path("history.jsonl").write_text(text)
        assert usage_error(run(HISTORY)) == (
            f"--token-telemetry-history: 'history.jsonl' has no session in line {number} (name another file)"
        )
        assert Path("history.jsonl").read_text() == text
    assert not Path("ran").exists()
