"""Every setting from the command line and from ini files; what cannot be meant is refused with one sentence."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from collections.abc import Callable
from typing import Any

import pytest

from pytest_token_telemetry.option import flag, ini_key
from pytest_token_telemetry.session.refusals import refuse
from pytest_token_telemetry.settings import Settings, options, read_one
from tests.integration.conftest import Run, usage_error
from tests.lines import cut_off, ready_lines, stamp, v2, write

GOOD = {
    "gate": "true",
    "dir": "runs",
    "pattern": "*.txt",
    "format": "otlp",
    "requests": "requests.jsonl",
    "predictions": "predictions.jsonl",
    "map": "maps.toml",
    "propose_map": "true",
    "jobs": "2",
    "executor": "concurrent.futures:ThreadPoolExecutor",
    "db": "sqlite:///calls.db",
    "db_table": "reports.calls",
    "db_query": "SELECT * FROM calls",
    "db_field": "output_tokens=tokens",
    "population": "success",
    "min_samples": "7",
    "require_categories": "docs",
    "require_complexities": "high",
    "require_deliverables": "6+",
    "require": "caps,reasons",
    "alias": "manual=docs",
    "max_unusable": "3",
    "not_ready": "skip",
    "max_underestimation": "7.5%",
    "max_truncation": "0.03",
    "under_multiplier": "1.1",
    "confidence": "0.9",
    "inconclusive": "fail",
    "sequential": "true",
    "one_per_task": "true",
    "max_waste_p90": "4x",
    "tier2": "fail",
    "max_cap_use_p90": "5x",
    "cap_use": "fail",
    "estimator": "json:loads",
    "base_estimator": "json:dumps",
    "estimator_errors": "skip",
    "estimator_timeout": "2.5",
    "min_replayed": "80%",
    "baseline": "out/baseline.json",
    "save_baseline": "out/new-baseline.json",
    "drift": "fail",
    "history": "out/history.jsonl",
    "unjudged": "pass",
    "json": "out/report.json",
    "junit": "out/junit.xml",
    "junit_family": "xunit2",
    "code_quality": "out/code-quality.json",
    "markdown": "out/summary.md",
    "markdown_append": "out/steps.md",
    "markdown_flavour": "plain",
    "html": "out/page.html",
    "github": "true",
    "tuning": "out/tuning.json",
    "record": "out/samples.jsonl",
    "capture_logs": "true",
    "capture_level": "DEBUG",
    "spans": "off",
}
"""A value that is not the default, for every setting."""


def settings_in_force(pytester: pytest.Pytester, *arguments: str) -> dict[str, Any]:
    pytester.makeconftest(
        """
        import json
        from pytest_token_telemetry.settings import Settings
        def pytest_unconfigure(config):
            settings = Settings.load(config)
            with open("settings.json", "w") as file:
                json.dump({"texts": settings.texts, "dir": [str(path) for path in settings.dir],
                           "json": str(settings.json)}, file)
        """
    )
    result = pytester.runpytest_inprocess("-p", "no:randomly", "--co", *arguments)
    assert result.ret in (0, 5), result.stdout.str()
    loaded: dict[str, Any] = json.loads((pytester.path / "settings.json").read_text())
    return loaded


OPTIONS = dict(options())


def on_the_command_line(pytester: pytest.Pytester, values: dict[str, str]) -> list[str]:
    return [flag(name) if OPTIONS[name].is_switch else f"{flag(name)}={value}" for name, value in values.items()]


def by_override(pytester: pytest.Pytester, values: dict[str, str]) -> list[str]:
    return [word for name, value in values.items() for word in ("-o", f"{ini_key(name)}={value}")]


def in_pytest_ini(pytester: pytest.Pytester, values: dict[str, str]) -> list[str]:
    lines = [f"{ini_key(name)} = {value}" for name, value in values.items()]
    (pytester.path / "pytest.ini").write_text("\n".join(["[pytest]", *lines]))
    return []


def in_pyproject(pytester: pytest.Pytester, values: dict[str, str]) -> list[str]:
    lines = [
        f'{ini_key(name)} = ["{value}"]' if OPTIONS[name].repeatable else f'{ini_key(name)} = "{value}"'
        for name, value in values.items()
    ]
    pytester.makepyprojecttoml("\n".join(["[tool.pytest.ini_options]", *lines]))
    return []


def in_native_toml(pytester: pytest.Pytester, values: dict[str, str]) -> list[str]:
    if int(pytest.__version__.split(".")[0]) < 9:
        pytest.skip("pytest reads [tool.pytest] from version 9 on")
    lines = [
        f'{ini_key(name)} = ["{value}"]'
        if OPTIONS[name].repeatable
        else f"{ini_key(name)} = {value}"
        if OPTIONS[name].is_switch
        else f'{ini_key(name)} = "{value}"'
        for name, value in values.items()
    ]
    pytester.makepyprojecttoml("\n".join(["[tool.pytest]", *lines]))
    return []


def test_the_table_above_names_every_setting() -> None:
    assert sorted(GOOD) == sorted(OPTIONS)


@pytest.mark.parametrize("left_out", ["executor", "jobs"])  # they exclude each other
@pytest.mark.parametrize("write_down", [on_the_command_line, by_override, in_pytest_ini, in_pyproject, in_native_toml])
def test_every_setting_is_read_from_where_it_is_written(
    pytester: pytest.Pytester,
    write_down: Callable[[pytest.Pytester, dict[str, str]], list[str]],
    left_out: str,
) -> None:
    pytester.mkdir("runs")
    (pytester.path / GOOD["requests"]).touch()
    (pytester.path / GOOD["predictions"]).touch()
    (pytester.path / "maps.toml").write_text(
        '[tool.token-telemetry.sources.ours]\nfiles = "*.x"\nfields.output_tokens = "out"\n'
    )
    refused = () if importlib.util.find_spec("vl_convert") else ("html",)  # it needs an extra
    written = {name: value for name, value in GOOD.items() if name not in (left_out, *refused)}
    texts = settings_in_force(pytester, *write_down(pytester, written))["texts"]
    texts.pop(left_out, None)  # its default
    assert texts == {name: [value] if OPTIONS[name].repeatable else value for name, value in written.items()}


def test_no_value_in_the_table_above_is_the_default(pytester: pytest.Pytester) -> None:
    pytester.mkdir("other")
    texts = settings_in_force(pytester, "--token-telemetry-dir=other")["texts"]
    assert set(texts) <= set(GOOD)
    assert [name for name, value in GOOD.items() if texts.get(name) in (value, [value])] == []


def test_the_command_line_wins_over_the_ini_file(pytester: pytest.Pytester) -> None:
    pytester.mkdir("typed")
    pytester.makeini("[pytest]\ntoken_telemetry_dir = kept\ntoken_telemetry_max_truncation = 1%\n")
    texts = settings_in_force(pytester, "--token-telemetry-dir=typed", "--token-telemetry-max-truncation=3%")["texts"]
    assert (texts["dir"], texts["max_truncation"]) == (["typed"], "3%")


def test_relative_paths_start_where_they_are_written(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytester.mkdir("runs")
    pytester.makeini("[pytest]\ntoken_telemetry_dir = runs\n")
    below = pytester.mkdir("below")
    monkeypatch.chdir(below)
    pytester.makeconftest("")
    result = pytester.runpytest_inprocess("-p", "no:randomly", "--token-telemetry-json=report.json")
    assert result.ret == 1
    assert (below / "report.json").exists()


REFUSED = {
    "dir": ("nowhere", "'nowhere' does not exist"),
    "pattern": ("", "'' is not a pattern"),
    "format": ("OTLP JSON", "'OTLP JSON' is not the name of a format (write auto, otlp or litellm)"),
    "requests": ("nowhere", "'nowhere' does not exist (name a file of requests, as it was sent)"),
    "predictions": ("nowhere", "'nowhere' does not exist (name a side file of predictions)"),
    "map": ("nowhere", "nowhere cannot be read: No such file or directory (name a TOML file of maps"),
    "jobs": ("0", "'0' is not a whole number from 1 to 999999999, and not auto"),
    "executor": ("tcp://host:8786", "'tcp://host:8786' is not an executor (write dask://host:8786, or package.module:"),
    "db": ("calls.db", "this is not the URL of a database (write sqlite:///calls.db or"),
    "db_table": ("reports.", "'reports.' is not the name of a table"),
    "db_query": ("DROP TABLE calls", "'DROP TABLE calls' is not a query (it begins with SELECT or WITH)"),
    "db_field": ("tokens=n", "'tokens=n' is not FIELD=COLUMN with one of the fields predicted_output_tokens, output"),
    "population": ("most", "'most' is not one of risk, success, all"),
    "min_samples": ("0", "'0' is not a whole number from 1"),
    "require_categories": ("a,,b", "'a,,b' has an empty name"),
    "require_complexities": ("low,low", "'low,low' names one twice"),
    "require_deliverables": ("2-1", "'2-1' is not a bucket of deliverables (write 1,2-9,10+)"),
    "require": ("cap", "'cap' is not one of predictions, caps, reasons"),
    "alias": ("docs", "'docs' is not an alias (write documentation=docs)"),
    "max_unusable": ("-1", "'-1' is not a whole number from 0"),
    "not_ready": ("pass", "'pass' is not one of fail, skip"),
    "max_underestimation": ("120%", "'120%' is more than 100%"),
    "max_truncation": ("2,5", "'2,5' is not a rate (write 0.025 or 2.5%)"),
    "under_multiplier": ("0.5", "'0.5' is not a multiplier from 1 to 10"),
    "max_waste_p90": ("nan", "'nan' is not a ratio above 0"),
    "confidence": ("1", "'1' is not a confidence from 0.5 to below 1 (write 0.95 or 95%)"),
    "inconclusive": ("pass", "'pass' is not one of warn, fail"),
    "tuning": ("runs/advice.log", "'runs/advice.log' would be read as a log (name it 'runs/advice.json')"),
    "estimator": ("estimator.py", "'estimator.py' is not an estimator (write package.module:callable, or path::module"),
    "base_estimator": ("main::predict", "'main::predict' is not an estimator (write package.module:callable, or path"),
    "estimator_errors": ("pass", "'pass' is not one of fail, skip"),
    "estimator_timeout": ("0", "'0' is not a number of seconds above 0 and up to 86400 (write 60)"),
    "min_replayed": ("90", "'90' is more than 100%"),
    "baseline": ("\t", "'\\t' is not a path"),
    "save_baseline": ("runs/b.log", "'runs/b.log' would be read as a log (name it 'runs/b.json')"),
    "drift": ("skip", "'skip' is not one of warn, fail"),
    "unjudged": ("skip", "'skip' is not one of fail, pass"),
    "history": ("runs/h.jsonl", "'runs/h.jsonl' would be read as a log (name it 'runs/h.json')"),
    "tier2": ("pass", "'pass' is not one of warn, fail"),
    "max_cap_use_p90": ("0", "'0' is not a ratio above 0"),
    "cap_use": ("pass", "'pass' is not one of warn, fail"),
    "junit_family": ("legacy", "'legacy' is not one of xunit1, xunit2"),
    "markdown_flavour": ("gitlab", "'gitlab' is not one of github, plain"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_value_that_cannot_be_meant_is_refused_in_one_line(
    run: Run, pytester: pytest.Pytester, passing: object, name: str
) -> None:
    value, sentence = REFUSED[name]
    arguments = [] if name == "dir" else ["--token-telemetry-dir=runs"]
    result = run(*arguments, f"{flag(name)}={value}", directory=None)
    assert result.exit == 4
    errors = [line for line in result.text.splitlines() if line.startswith("ERROR")]
    assert len(errors) == 1
    assert errors[0].startswith(f"ERROR: {flag(name)}: {sentence}")


def test_a_switch_of_an_ini_file_is_named_where_it_is_neither_on_nor_off(
    run: Run, pytester: pytest.Pytester, passing: object
) -> None:
    pytester.makeini("[pytest]\ntoken_telemetry_one_per_task = yess\n")
    result = run()
    assert (result.exit, "ERROR: token_telemetry_one_per_task: 'yess' is neither true nor false" in result.text) == (
        4,
        True,
    )


def test_a_format_is_named_in_any_case(run: Run, passing: object) -> None:
    assert run("--token-telemetry-format=Logs").exit == 0
    assert "there is no format 'litelm' (did you mean litellm?)" in run("--token-telemetry-format=LiteLM").text


@pytest.mark.parametrize("value", ["nan", "inf", "-1%", "1e-2", "", "five", "0x1", "\u0665%"])
def test_a_rate_is_a_plain_decimal_number(run: Run, passing: object, value: str) -> None:
    assert run(f"--token-telemetry-max-truncation={value}").exit == 4


@pytest.mark.parametrize("value", ["x", "-1", "1.5", "", "AUTO", "2 jobs"])
def test_jobs_are_a_number_or_auto(run: Run, passing: object, value: str) -> None:
    result = run(f"--token-telemetry-jobs={value}")
    assert result.exit == 4
    assert (
        f"ERROR: --token-telemetry-jobs: {value!r} is not a whole number from 1 to 999999999, and not auto"
        in result.text
    )


@pytest.mark.parametrize("address", ["", "host", "host:", "host:port", "host:1/path", "[::1]"])
def test_a_scheduler_has_a_host_and_a_port(run: Run, passing: object, address: str) -> None:
    result = run(f"--token-telemetry-executor=dask://{address}")
    assert result.exit == 4
    assert f"'dask://{address}' is not the address of a scheduler (write dask://host:8786)" in result.text


@pytest.mark.parametrize("spec", ["module", ":name", "module:", "a b:c", "module:name()"])
def test_a_factory_has_a_module_and_a_name(run: Run, passing: object, spec: str) -> None:
    result = run(f"--token-telemetry-executor={spec}")
    assert result.exit == 4
    assert f"{spec!r} is not an executor (write dask://host:8786, or package.module:callable)" in result.text


def test_an_executor_and_jobs_exclude_each_other(run: Run, passing: object) -> None:
    result = run("--token-telemetry-jobs=2", "--token-telemetry-executor=concurrent.futures:ThreadPoolExecutor")
    assert result.exit == 4
    assert (
        "ERROR: --token-telemetry-jobs is for reading here, and --token-telemetry-executor reads elsewhere"
        in result.text
    )


@pytest.mark.parametrize("missing", ["opentelemetry", "opentelemetry.sdk"])
@pytest.mark.parametrize("write_down", [on_the_command_line, in_pytest_ini])
def test_spans_that_nothing_can_make_are_refused_where_they_are_asked_for(
    pytester: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
    write_down: Callable[[pytest.Pytester, dict[str, str]], list[str]],
    missing: str,
) -> None:
    for name in [each for each in sys.modules if f"{each}.".startswith(f"{missing}.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, missing, None)
    pytester.parseconfigure(*write_down(pytester, {"spans": "auto"}))
    with pytest.raises(pytest.UsageError, match=r"spans.*: OpenTelemetry's SDK is not installed"):
        pytester.parseconfigure(*write_down(pytester, {"spans": "on"}))


@pytest.mark.parametrize(
    ("argument", "sentence"),
    [
        ("executor=concurrent.futures:ThreadPoolExecutor", "s3://b/x can only be read here (leave the executor out)"),
        ("propose-map", "s3://b/x is not a local directory (copy some files of it)"),
    ],
)
def test_what_needs_local_files_is_refused_for_remote_ones(
    pytester: pytest.Pytester, argument: str, sentence: str
) -> None:
    typed = [f"--token-telemetry-{argument}", "--token-telemetry-dir=s3://b/x?signature=1"]
    config = pytester.parseconfig(*typed)
    with pytest.raises(pytest.UsageError, match=f": {re.escape(sentence)}$"):
        refuse(config, Settings.load(config))


def test_a_url_is_no_path_wherever_it_is_written(pytester: pytest.Pytester) -> None:
    """One with ``file://`` is a path."""
    (pytester.path / "runs").mkdir()
    urls = ["s3://b/x/", "sftp://me:s3cret@host/logs?key=s3cret"]
    pytester.makeini("\n    ".join(["[pytest]\ntoken_telemetry_dir =", *urls, f"file://{pytester.path}/runs", "runs"]))
    settings = Settings.load(pytester.parseconfig())
    assert [each.url for each in settings.remote_directories] == urls
    assert settings.local_directories == (pytester.path / "runs", pytester.path / "runs")
    shown = ["s3://b/x", "sftp://me@host/logs", f"{pytester.path}/runs", "runs"]
    assert settings.texts["dir"] == shown


def test_a_value_in_an_ini_file_is_refused_by_its_key(run: Run, passing: object, pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\ntoken_telemetry_max_truncation = 2,5\n")
    result = run()
    assert result.exit == 4
    assert "ERROR: token_telemetry_max_truncation in tox.ini: '2,5' is not a rate" in result.text


def test_a_file_is_no_directory(run: Run, pytester: pytest.Pytester) -> None:
    (pytester.path / "runs").write_text("")
    result = run()
    assert result.exit == 4
    assert (
        "'runs' is a file, not a directory (name the directory that it is in, and --token-telemetry-pattern=runs to"
        " read no other file)"
    ) in result.text


def test_a_misprint_behind_o_is_not_blamed_on_the_ini_file(
    run: Run, passing: object, pytester: pytest.Pytester
) -> None:
    pytester.makeini("[pytest]\n")
    assert usage_error(run("-o", "token_telemetry_max_truncaton=2%")) == (
        "-o token_telemetry_max_truncaton: there is no such setting (did you mean token_telemetry_max_truncation?)"
    )


def test_a_misprint_of_a_long_name_is_not_taken_for_more_behind_a_short_one(run: Run, passing: object) -> None:
    assert usage_error(run("-o", "token_telemetry_require_categorys=any")).endswith(
        "there is no such setting (did you mean token_telemetry_require_categories?)"
    )


def test_a_key_that_is_like_none_is_told_where_all_are(run: Run, passing: object) -> None:
    assert usage_error(run("-o", "token_telemetry_qqqqqqqqqqqqqqqqqqq=1")) == (
        "-o token_telemetry_qqqqqqqqqqqqqqqqqqq: there is no such setting (pytest --help lists all that begin with"
        " token_telemetry)"
    )


def test_a_value_behind_o_is_not_blamed_on_the_ini_file(run: Run, passing: object, pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\ntoken_telemetry_max_truncation = 0.02\n")
    said = usage_error(run("-o", "token_telemetry_max_truncation=two"))
    assert said == "-o token_telemetry_max_truncation: 'two' is not a rate (write 0.025 or 2.5%)"


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("token_telemetry", "token-telemetry"),
        ("Token-Telemetry", "token-telemetry"),
        ("token_telemetry::tier1::truncation", "token-telemetry::tier1::truncation"),
    ],
)
def test_a_slip_in_the_name_of_the_gate_is_told(pytester: pytest.Pytester, typed: str, meant: str) -> None:
    pytester.mkdir("runs")
    for more in ((), ("--token-telemetry-dir=runs",)):
        result = pytester.runpytest_inprocess(typed, *more)
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines([f"ERROR: {typed}: there is no such file (did you mean {meant}?)"])
    pytester.makepyfile(token_telemetry="def test_it(): pass")
    assert pytester.runpytest_inprocess("token_telemetry.py").ret == 0


def test_a_directory_that_the_settings_name_may_be_missing_and_is_not_ready(
    run: Run, pytester: pytest.Pytester, suite: None
) -> None:
    pytester.makeini("[pytest]\ntoken_telemetry_dir = nowhere\n")
    result = run("--token-telemetry-json=report.json", directory=None)
    assert result.exit == 1
    assert result.outcomes == {"passed": 3, "failed": 2, "skipped": 6}  # the tests ran
    assert result.checks["readiness::sources"] == "fail"
    assert "could not be read: nowhere: the directory does not exist" in result.text
    alone = run("-k", "test_one", directory=None)
    assert alone.exit == 0
    assert "\nnot judged: all checks were deselected\n" in alone.text


def test_one_word_turns_everything_off(run: Run, pytester: pytest.Pytester, tuning: object) -> None:
    pytester.makeini(
        "[pytest]\ntoken_telemetry_dir = runs\ntoken_telemetry = true\ntoken_telemetry_record = calls.jsonl\n"
    )
    pytester.makepyfile(
        test_agent="""
        import pytest
        @pytest.mark.token_telemetry(max_truncation="0%")
        def test_call(token_telemetry):
            token_telemetry.record(predicted_output_tokens=1, output_tokens=9, truncated=True, success=False)
        """
    )
    assert run(directory=None).exit == 1
    (pytester.path / "calls.jsonl").unlink()
    result = run("--no-token-telemetry", "--token-telemetry-dir=runs", directory=None)
    assert (result.exit, result.outcomes) == (0, {"passed": 1})
    assert "token telemetry" not in result.text
    assert not (pytester.path / "calls.jsonl").exists()


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("--token-telemetry-jsn=x", "-jsn: there is no such option (did you mean --token-telemetry-json?)"),
        (
            "--token-telemetry-max_truncation=1%",
            "_truncation: there is no such option (did you mean --token-telemetry-max-t",
        ),
        ("--token-telemetry-directory=x", "-directory: there is no such option (did you mean --token-telemetry-dir?)"),
        ("--token-telemetry-dri=x", "-dri: there is no such option (did you mean --token-telemetry-dir?)"),
        (
            "--token-telemetry-db-tabel=x",
            "option (did you mean --token-telemetry-db-table?)",
        ),
        ("--token-telemetry-json-file=x", "-json-file: there is no such option (did you mean --token-telemetry-json?)"),
        ("--token-telemetry-save=x", "-save: there is no such option (did you mean --token-telemetry-save-baseline?)"),
        ("--token-telemetry-min=9", "-min: there is no such option (pytest --help lists all that begin with --token-t"),
        ("--token-telemetry-xy=9", "-xy: there is no such option (pytest --help lists all that begin with --token-t"),
        ("--no-token-telemetri", "--no-token-telemetri: there is no such option (did you mean --no-token-telemetry?)"),
        ("--token-telemetry-population=succes", "'succes' is not one of risk, success, all (did you mean success?)"),
        (
            "token-telemetry::tier1::truncaton",
            "::truncaton: there is no such check (did you mean token-telemetry::tier1::truncation?)",
        ),
    ],
)
def test_a_misprint_is_told_with_what_was_probably_meant(run: Run, passing: object, typed: str, sentence: str) -> None:
    assert sentence in usage_error(run(typed, directory="runs"))


@pytest.mark.parametrize("section", ["tool.pytest", "tool.pytest.ini_options"])
@pytest.mark.parametrize(
    ("line", "read"),
    [
        ('token_telemetry_require_categories = ["docs", "tests"]', {"require_categories": "docs,tests"}),
        ("token_telemetry_require_deliverables = ['1', '2-9']", {"require_deliverables": "1,2-9"}),
        ("token_telemetry_min_samples = 7", {"min_samples": "7"}),
        ("token_telemetry_max_waste_p90 = 2.5", {"max_waste_p90": "2.5"}),
    ],
)
def test_toml_says_lists_and_numbers_as_such(
    pytester: pytest.Pytester, section: str, line: str, read: dict[str, str]
) -> None:
    if section == "tool.pytest" and int(pytest.__version__.split(".")[0]) < 9:
        pytest.skip("pytest reads [tool.pytest] from version 9 on")
    pytester.makepyprojecttoml(f"[{section}]\n{line}\n")
    texts = Settings.load(pytester.parseconfig()).texts
    assert {name: texts[name] for name in read} == read


def test_a_list_is_no_text(pytester: pytest.Pytester) -> None:
    pytester.makepyprojecttoml('[tool.pytest.ini_options]\ntoken_telemetry_json = ["a", "b"]\n')
    with pytest.raises(pytest.UsageError, match=r"^token_telemetry_json: \['a', 'b'\] is a list \(write one text\)$"):
        Settings.load(pytester.parseconfig())


@pytest.mark.parametrize("key", ["token_telemetry_dirs", "token_telemtry_dir", "token-telemetry-dir"])
def test_a_misprint_in_an_ini_file_leaves_no_gate_off(
    run: Run, pytester: pytest.Pytester, suite: None, key: str
) -> None:
    pytester.makeini(f"[pytest]\n{key} = runs\n")
    assert usage_error(run(directory=None)) == (
        f"{key} in tox.ini: there is no such setting (did you mean token_telemetry_dir?)"
    )


def test_options_and_keys_of_other_plugins_may_begin_as_ours_do(
    run: Run, pytester: pytest.Pytester, passing: object
) -> None:
    pytester.makeconftest("""
def pytest_addoption(parser):
    parser.addoption("--token-telemetry-upload")
    parser.addini("token_budget_dir", "")
""")
    pytester.makeini("[pytest]\ntoken_budget_dir = runs\n")
    assert run("--token-telemetry-upload=x").exit == 0


@pytest.mark.parametrize(
    ("typed", "needed"),
    [
        ("--token-telemetry-drift=fail", "--token-telemetry-baseline"),
        ("--token-telemetry-inconclusive=fail", "--token-telemetry-confidence or --token-telemetry-estimator"),
        ("--token-telemetry-min-replayed=50%", "--token-telemetry-estimator"),
        ("--token-telemetry-db-table=calls", "--token-telemetry-db"),
        ("--token-telemetry-junit-family=xunit2", "--token-telemetry-junit"),
        (
            "--token-telemetry-markdown-flavour=plain",
            "--token-telemetry-markdown, --token-telemetry-markdown-append or --token-telemetry-github",
        ),
    ],
)
def test_what_has_no_effect_is_refused_where_it_is_typed(
    run: Run, pytester: pytest.Pytester, passing: object, typed: str, needed: str
) -> None:
    name = typed.partition("=")[0]
    assert usage_error(run(typed)) == f"{name} has no effect without {needed} (add it, or leave this out)"
    assert run("-o", typed[2:].replace("-", "_")).exit == 0


def test_an_id_can_be_pasted_below_the_root(
    run: Run, pytester: pytest.Pytester, tuning: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytester.makeini("[pytest]\ntoken_telemetry_dir = runs\n")
    below = pytester.mkdir("below")
    monkeypatch.chdir(below)
    shown = re.search(r"FAILED (\S+truncation)", run(directory=None).text)
    assert shown is not None
    assert shown[1] == "../token-telemetry::tier1::truncation"
    result = run(shown[1], directory=None)
    assert (result.exit, result.outcomes) == (1, {"failed": 1})


@pytest.mark.parametrize("option", ["json", "markdown-append"])
def test_an_empty_path_means_no_file(run: Run, passing: object, pytester: pytest.Pytester, option: str) -> None:
    pytester.makeini(f"[pytest]\ntoken_telemetry_{option.replace('-', '_')} = kept.out\n")
    assert run("--token-telemetry-dir=runs", f"--token-telemetry-{option}=", directory=None).exit == 0
    assert not (pytester.path / "kept.out").exists()


@pytest.mark.parametrize("name", ["require_categories", "require_deliverables", "require"])
def test_an_empty_list_in_the_ini_file_is_refused(pytester: pytest.Pytester, name: str) -> None:
    pytester.makeini(f"[pytest]\n{ini_key(name)} =\n")
    with pytest.raises(pytest.UsageError, match=rf"^{ini_key(name)} in tox.ini: '' names nothing \(write "):
        read_one(pytester.parseconfig(), name)


def test_any_category_is_no_category_that_an_alias_folds(pytester: pytest.Pytester) -> None:
    typed = ["--token-telemetry-require-categories=any", "--token-telemetry-alias=any=docs", "--token-telemetry-dir=."]
    assert Settings.load(pytester.parseconfig(*typed)).require_categories == ("any",)


def test_the_setting_that_a_failing_check_names_makes_the_data_ready(run: Run, pytester: pytest.Pytester) -> None:
    write(pytester.path / "runs", ready_lines(27, category="bug_fix"))
    failed = run()
    (categories,) = [each for each in failed.report["checks"] if each["id"] == "readiness::categories"]
    assert (failed.exit, categories["found"], categories["named"]) == (1, {"bug_fix": 27}, 27)
    advised = re.search(r"--token-telemetry-require-categories=\S+(?= \(or)", categories["message"])
    assert advised is not None
    assert run(advised.group()).exit == 0


def test_an_alias_can_be_taken_back(run: Run, pytester: pytest.Pytester) -> None:
    write(pytester.path / "runs", ready_lines())
    turned = ["--token-telemetry-alias=docs=documentation", "--token-telemetry-alias=documentation=documentation"]
    result = run(*turned, "--token-telemetry-require-categories=documentation")
    assert result.exit == 0
    assert "documentation" in {each["name"] for each in result.report["strata"]["category"]}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--token-telemetry-markdown=report.json"], "--token-telemetry-json writes to the same file"),
        (["--token-telemetry-junit=x.xml", "--junitxml=x.xml"], "--junitxml writes to the same file"),
        (["--token-telemetry-junit=./x.xml", "--junitxml=a/../x.xml"], "--junitxml writes to the same file"),
        (["--token-telemetry-alias=a=b", "--token-telemetry-alias=a=c"], "'a' is given two meanings"),
        (
            [f"--token-telemetry-{name}=runs/run-1/agent.log" for name in ("markdown", "predictions")],
            "--token-telemetry-predictions reads the same file",
        ),
        (["--token-telemetry-sequential"], "--token-telemetry-sequential needs a confidence"),
        (["--token-telemetry-tuning=report.json"], "--token-telemetry-json writes to the same file"),
        (["--token-telemetry-code-quality=report.json"], "--token-telemetry-json writes to the same file"),
        (
            ["--token-telemetry-alias=a=testing"],
            "is itself folded into 'tests' (to keep 'testing', add 'testing=testing')",
        ),
    ],
)
def test_contradictions_are_refused(run: Run, passing: object, arguments: list[str], sentence: str) -> None:
    result = run(*arguments)
    assert result.exit == 4
    assert sentence in result.text


def test_an_error_is_the_same_under_xdist(run: Run, passing: object) -> None:
    result = run("-n", "2", "--token-telemetry-max-truncation=2,5", process=True)
    assert result.exit == 4
    assert "'2,5' is not a rate" in result.text


@pytest.mark.parametrize(
    "argument",
    ["--token-telemetry-record=x.jsonl", "--token-telemetry-capture-logs", "--token-telemetry-capture-level=DEBUG"],
)
def test_what_records_needs_nothing_to_judge(run: Run, suite: None, argument: str) -> None:
    assert run(argument, directory=None).exit == 0


@pytest.mark.parametrize(("kept", "read"), [("true", True), ("false", False), (None, None)])
def test_a_switch_may_be_left_open(pytester: pytest.Pytester, kept: str | None, read: bool | None) -> None:
    ini = f"[pytest]\ntoken_telemetry_capture_logs = {kept}\n" if kept else "[pytest]\n"
    config = pytester.parseconfigure("-c", str(pytester.makeini(ini)))
    assert read_one(config, "capture_logs") is read


@pytest.mark.parametrize(
    "argument", ["--token-telemetry-json=report.json", "token-telemetry", "token-telemetry::tier1"]
)
def test_what_can_have_no_effect_is_refused(run: Run, suite: None, argument: str) -> None:
    result = run(argument, directory=None)
    assert result.exit == 4
    assert f"{argument.partition('=')[0]}: there is nothing to judge (add --token-telemetry-dir=DIR, " in result.text


def test_a_check_is_refused_where_the_gate_is_off(run: Run, suite: None) -> None:
    typed = ["token-telemetry", "--no-token-telemetry", "--token-telemetry-dir=runs"]
    assert usage_error(run(*typed, directory=None)) == (
        "token-telemetry: --no-token-telemetry turns the gate off (leave one of the two out)"
    )


@pytest.mark.parametrize(("value", "held"), [("true", True), ("false", False)])
def test_a_switch_in_an_ini_file_is_true_or_false(pytester: pytest.Pytester, value: str, held: bool) -> None:
    pytester.mkdir("runs")
    pytester.makeini(f"[pytest]\ntoken_telemetry_dir = runs\ntoken_telemetry_one_per_task = {value}\n")
    assert settings_in_force(pytester)["texts"]["one_per_task"] == ("true" if held else "false")


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help", "--token-telemetry-dir=runs"],
        ["token-telemetry", "--help"],
        ["-k", "token-telemetry", "--co"],
        ["--deselect", "token-telemetry"],
    ],
)
def test_what_only_looks_like_an_argument_of_the_gate_is_none(
    pytester: pytest.Pytester, suite: None, arguments: list[str]
) -> None:
    result = pytester.runpytest_inprocess("-p", "no:randomly", *arguments)
    assert result.ret in (0, 5)
    assert "there is nothing to judge" not in result.stderr.str()


def test_limits_decide_exactly(run: Run, pytester: pytest.Pytester) -> None:
    lines = ready_lines(93) + [cut_off(time=stamp(5000 + i)) for i in range(7)]  # 7 of 100: 7/100*100 > 7.0 in floats
    write(pytester.path / "runs", lines)
    at_limit = run("--token-telemetry-max-truncation=7%", "--token-telemetry-max-underestimation=0.07")
    assert at_limit.report["verdict"] == "pass"
    assert run("--token-telemetry-max-truncation=6.99%").checks["tier1::truncation"] == "fail"


def test_zero_is_a_limit(run: Run, tuning: object, passing: object) -> None:
    assert run("--token-telemetry-max-truncation=0").exit == 0


def test_an_alias_folds_a_category(run: Run, pytester: pytest.Pytester) -> None:
    lines = [line.replace("category=docs", "category=Manual") for line in ready_lines()]
    write(pytester.path / "runs", lines)
    assert run().checks["readiness::categories"] == "fail"
    assert run("--token-telemetry-alias=manual=docs").checks["readiness::categories"] == "pass"


def test_built_in_aliases_fold_what_real_systems_write(run: Run, pytester: pytest.Pytester) -> None:
    spelled = {"implementation": "IMPLEMENT_FEATURE", "tests": "testing", "docs": "documentation"}
    lines = ready_lines()
    for name, spelling in spelled.items():
        lines = [line.replace(f"category={name} ", f"category={spelling} ") for line in lines]
    write(pytester.path / "runs", lines)
    result = run()
    assert result.checks["readiness::categories"] == "pass"
    assert {each["name"] for each in result.report["strata"]["category"]} == set(spelled)


def test_a_required_category_may_be_spelled_by_its_alias(run: Run, passing: object) -> None:
    result = run("--token-telemetry-require-categories=documentation,testing")
    assert result.checks["readiness::categories"] == "pass"


def test_patterns_choose_the_files(run: Run, pytester: pytest.Pytester) -> None:
    write(pytester.path / "runs", ready_lines(), "agent.txt")
    assert run().checks["readiness::sources"] == "fail"
    assert run("--token-telemetry-pattern=*.txt").exit == 0


def test_several_directories_are_read_together(run: Run, pytester: pytest.Pytester) -> None:
    lines = ready_lines()
    write(pytester.path / "runs", lines[:13])
    write(pytester.path / "more", lines[13:])
    assert run().exit == 1
    assert run("--token-telemetry-dir=more").exit == 0


def test_unusable_lines_can_gate(run: Run, pytester: pytest.Pytester) -> None:
    write(pytester.path / "runs", [*ready_lines(), v2(output="None"), v2(output="many")])
    assert run("--token-telemetry-max-unusable=2").exit == 0
    result = run("--token-telemetry-max-unusable=1")
    assert result.exit == 1
    assert result.checks["readiness::sources"] == "fail"
    assert "2 telemetry lines could not be used (limit 1)" in result.text


def test_the_multiplier_leaves_room_above_the_prediction(run: Run, pytester: pytest.Pytester) -> None:
    write(pytester.path / "runs", ready_lines(predicted=1000, output=1100))
    assert run().checks["tier1::underestimation"] == "fail"
    assert run("--token-telemetry-under-multiplier=1.1").checks["tier1::underestimation"] == "pass"


@pytest.mark.parametrize("quiet", [(), ("-q",), ("-v",)], ids=str)
@pytest.mark.parametrize("typed", ["--token-telemetry-format=litelm", "--token-telemetry-predictions=side.csv"])
def test_what_is_refused_late_is_told_once(
    run: Run, passing: object, pytester: pytest.Pytester, typed: str, quiet: tuple[str, ...]
) -> None:
    (pytester.path / "side.csv").write_text("call_id,guess\n1,2\n")
    result = run(typed, *quiet)
    assert usage_error(result).startswith(typed.partition("=")[0])
    assert result.text.count(typed.partition("=")[0]) == 1
    assert "not judged" not in result.text
