"""The files: one verdict in every form, whole or not at all."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from lxml import etree

from tests.integration.conftest import NOTHING_LOST, Run, usage_error
from tests.lines import ready_lines, write

ALL = [
    "--token-telemetry-markdown=out/summary.md",
    "--token-telemetry-markdown-append=out/steps.md",
    "--token-telemetry-junit=out/junit.xml",
    "--token-telemetry-code-quality=out/code-quality.json",
]


@pytest.mark.parametrize("logs", ["passing", "tuning", "unready"])
def test_every_form_tells_the_same(run: Run, logs: str, request: pytest.FixtureRequest) -> None:
    request.getfixturevalue(logs)
    result = run(*ALL)
    markdown = Path("out/summary.md").read_text()
    cases = {
        f"{case.get('classname').removeprefix('token-telemetry.')}::{case.get('name')}": case
        for case in etree.parse("out/junit.xml").iter("testcase")
    }
    tags = {"fail": "failure", "skip": "skipped", "warn": "skipped"}
    for check in result.report["checks"]:
        assert cases[check["id"]].find(tags.get(check["outcome"], "system-out")) is not None
    named = {each["check_name"] for each in json.loads(Path("out/code-quality.json").read_text())}
    assert named == {
        f"token-telemetry::{check['id']}" for check in result.report["checks"] if check["outcome"] in ("fail", "warn")
    }
    assert result.report["headline"] in markdown
    assert Path("out/steps.md").read_text() == markdown
    assert result.exit == (0 if result.report["verdict"] == "pass" else 1)
    assert " ".join(result.report["headline"].split()) in " ".join(result.text.split())


def test_an_appended_summary_keeps_what_was_there(run: Run, passing: object) -> None:
    Path("steps.md").write_text("# Earlier step\n")
    run("--token-telemetry-markdown-append=steps.md")
    assert Path("steps.md").read_text().startswith("# Earlier step\n## ")


def test_a_page_is_written_and_one_of_an_earlier_session_removed(run: Run, passing: object) -> None:
    pytest.importorskip("vl_convert", reason="the extra 'html' is not installed")
    result = run("--token-telemetry-html=out/page.html")
    page = Path("out/page.html").read_text("utf-8")
    assert result.exit == 0
    assert "<h1>✅ Token telemetry: PASS, no tuning needed</h1>" in page
    assert len(result.report["calls"]) == 60
    run("--token-telemetry-html=out/page.html", "--token-telemetry-max-truncation=nonsense")
    assert not Path("out/page.html").exists()


def test_a_page_without_its_extra_is_refused_before_anything_is_read(
    run: Run, passing: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "vl_convert", None)
    result = run("--token-telemetry-html=page.html")
    assert result.exit == 4
    why = 'vl-convert-python is not installed (run pip install "pytest-token-telemetry[html]")'
    assert f"ERROR: --token-telemetry-html: {why}" in result.text


@pytest.mark.parametrize("option", ["json", "junit", "code-quality", "markdown", "markdown-append"])
def test_a_path_that_cannot_be_written_is_an_error_after_the_verdict(run: Run, passing: object, option: str) -> None:
    Path("occupied").write_text("")
    result = run(f"--token-telemetry-{option}=occupied/file", "--token-telemetry-dir=runs", directory=None)
    assert result.exit == 4
    verdict = result.text.index("PASS: No tuning needed")
    error = result.text.index(f"ERROR: --token-telemetry-{option}: 'occupied/file' could not be written")
    assert verdict < error


def test_a_path_that_cannot_be_written_leaves_a_failure_a_failure(run: Run, tuning: object) -> None:
    Path("occupied").write_text("")
    result = run("--token-telemetry-markdown=occupied/file")
    assert result.exit == 1
    assert "could not be written" in result.text


def test_a_path_that_cannot_be_written_is_said_without_a_terminal_too(run: Run, passing: object) -> None:
    Path("occupied").write_text("")
    result = run("-p", "no:terminal", "--token-telemetry-markdown=occupied/file", process=True)
    assert result.exit == 4
    assert "ERROR: --token-telemetry-markdown: 'occupied/file' could not be written" in result.text


def test_a_directory_is_no_report(run: Run, passing: object) -> None:
    Path("folder").mkdir()
    result = run("--token-telemetry-markdown=folder")
    assert result.exit == 4
    assert "'folder' could not be written" in result.text


def test_an_earlier_report_does_not_outlive_a_session_that_judges_nothing(
    run: Run, passing: object, pytester: pytest.Pytester
) -> None:
    run(*ALL)
    pytester.makepyfile("def test_broken(): assert False")
    result = run("-x", *ALL)
    assert result.exit == 1
    assert [path.name for path in Path("out").iterdir()] == ["steps.md"]


def test_an_earlier_report_does_not_outlive_a_session_that_cannot_begin(run: Run, passing: object) -> None:
    run(*ALL)
    gate = ["--token-telemetry-dir=runs", *ALL]
    assert run("nothing_of_this_name.py", *gate, directory=None).exit == 4
    assert [path.name for path in Path("out").iterdir()] == ["steps.md"]


def test_a_file_that_is_no_report_stays_until_it_is_written_over(
    run: Run, passing: object, pytester: pytest.Pytester
) -> None:
    Path("notes.md").write_text("# Notes\n")
    pytester.makepyfile("def test_broken(): assert False")
    run("-x", "--token-telemetry-markdown=notes.md")
    assert Path("notes.md").read_text() == "# Notes\n"


def test_a_report_never_takes_the_place_of_a_log(run: Run, passing: Path) -> None:
    log = passing / "run-1" / "agent.log"
    before = log.read_bytes()
    result = run("--token-telemetry-markdown=runs/run-1/agent.log")
    assert result.exit == 4
    assert "'runs/run-1/agent.log' would be read as a log" in result.text
    assert log.read_bytes() == before


@pytest.mark.parametrize(
    "option",
    ["json", "markdown", "markdown-append", "junit", "html", "code-quality", "tuning", "save-baseline", "history"],
)
@pytest.mark.parametrize("name", ["x.log", "x.jsonl"])
@pytest.mark.parametrize("more", [(), ("--token-telemetry-min-samples=many",)], ids=["alone", "with another error"])
def test_nothing_is_written_where_a_report_would_be_read(
    run: Run, passing: Path, option: str, name: str, more: tuple[str, ...]
) -> None:
    result = run(f"--token-telemetry-{option}=runs/{name}", *more)
    assert result.exit == 4
    assert bool(more) != ("would be read as a log" in result.text)
    assert [path.name for path in passing.iterdir()] == ["run-1"]
    assert "1 file read" in run("-v").text


@pytest.mark.parametrize(
    ("option", "name", "instead"),
    [
        ("json", "x.jsonl", "x.json"),
        ("code-quality", "x.jsonl.gz", "x.jsonl.json"),
        ("history", "x.log", "x.json"),
        ("markdown", "x.log", "x.md"),
        ("markdown-append", "x.log", "x.md"),
        ("junit", "x.json", "x.xml"),
    ],
)
def test_where_a_report_would_be_read_a_name_is_told_that_works(
    run: Run, passing: Path, option: str, name: str, instead: str
) -> None:
    result = run(f"--token-telemetry-{option}=runs/{name}")
    assert usage_error(result) == (
        f"--token-telemetry-{option}: 'runs/{name}' would be read as a log (name it 'runs/{instead}')"
    )
    assert run(f"--token-telemetry-{option}=runs/{instead}").exit == 0
    assert (passing / instead).exists()
    assert "1 file read" in run("-v").text


@pytest.mark.parametrize("name", ["x.log", "x.log.1", "x"])
def test_where_every_name_would_be_read_another_place_is_to_be_named(run: Run, passing: Path, name: str) -> None:
    result = run("--token-telemetry-pattern=*", f"--token-telemetry-markdown=runs/{name}")
    assert usage_error(result) == (
        f"--token-telemetry-markdown: 'runs/{name}' would be read as a log (name a file that no pattern matches)"
    )


@pytest.mark.parametrize(("option", "there"), [("json", "x.json"), ("markdown", "x.md")])
def test_no_file_that_is_there_is_told_for_a_report_that_would_be_read(
    run: Run, passing: Path, option: str, there: str
) -> None:
    (passing / there).write_text("{}")
    result = run(f"--token-telemetry-{option}=runs/x.log")
    assert usage_error(result).endswith("(name a file that no pattern matches)")


def test_our_own_outputs_are_no_files_that_were_read(run: Run, passing: Path) -> None:
    for option in ("json", "tuning", "save-baseline", "history"):
        assert " 1 file read" in run(f"--token-telemetry-{option}=runs/{option}.json").text
    assert " 1 file read" in run().text
    with (passing / "tuning.json").open("a") as file:
        file.write('{"something": "else"}\n')
    assert " 2 files read" in run().text


def test_the_files_that_were_written_are_named(run: Run, passing: Path) -> None:
    asked = ["--token-telemetry-save-baseline=out/baseline.json", "--token-telemetry-tuning=tuning.json"]
    assert re.search(r"\nwrote (\S+, )*tuning\.json and out/baseline\.json\n", run(*asked).text)
    assert "wrote" not in run(*asked, "-q").text
    assert "b.json\n" not in run("--token-telemetry-save-baseline=b.json", "--token-telemetry-min-samples=999").text


def test_the_report_has_the_keys_of_its_schema(run: Run, unready: object) -> None:
    report = run().report
    assert report["schema"] == "token-telemetry-report/1"
    assert report["counts"]["unusable"] == {"total": 0, "reasons": {}}
    check = next(each for each in report["checks"] if each["id"] == "tier1::truncation")
    assert {key: check[key] for key in ("events", "n", "value", "target", "proven")} == {
        "events": 0,
        "n": 5,
        "value": 0.0,
        "target": 0.02,
        "proven": False,
    }
    assert check["bounds"]["upper"] == pytest.approx(0.450720, abs=1e-6)  # 1 - 0.05 ** (1 / 5)
    assert check["samples_to_prove"] == 149
    assert report["settings"]["max_truncation"] == "2%"
    assert report["sources"] == [
        {"path": "runs/run-1/agent.log", "samples": 5, "kind": "file", "folded": 0, "format": "logs", **NOTHING_LOST}
    ]


def test_hostile_names_stay_inert_in_every_report(run: Run, pytester: pytest.Pytester) -> None:
    hostile = "</code><script>alert(1)</script>|@everyone\x1b[31m::error::`"
    lines = [line.replace("category=docs", f"category={hostile}") for line in ready_lines()]
    write(pytester.path / "runs", lines)
    result = run("-v", *ALL)
    assert "\x1b[31m::error" not in result.text
    assert "<script>" not in Path("out/summary.md").read_text()
    etree.parse("out/junit.xml")
    assert json.dumps(result.report)


OLD = {
    "old.json": '{\n  "schema": "token-telemetry-report/1",\n  "verdict": "pass"}',
    "old.xml": '<testsuites name="token-telemetry"/>',
    "old.md": "## ✅ Token telemetry: PASS\n",
}
NAMED = [
    f"--token-telemetry-{name}=old.{end}" for name, end in (("json", "json"), ("junit", "xml"), ("markdown", "md"))
]
IN_INI = "token_telemetry_json = old.json\ntoken_telemetry_junit = old.xml\naddopts = --token-telemetry-markdown=old.md"
DIR = "--token-telemetry-dir=runs"
MISTAKE = "--token-telemetry-max-truncation=5"


@pytest.mark.parametrize(
    ("arguments", "ini", "conftest", "code"),
    [
        ([DIR, MISTAKE, *NAMED], "", "", 4),
        ([DIR, *NAMED, "--token-telemetry-json=new.json"], "", "import nothing_of_this_name", 4),
        ([DIR, *NAMED, "--token-telemetry-min-samples"], "", "", 4),
        ([DIR, *NAMED, "--no-such-option"], "", "", 4),
        (NAMED, "", "", 4),
        ([DIR], IN_INI, "import nothing_of_this_name", 4),
        ([DIR, MISTAKE], IN_INI, "", 4),
        (["--token-telemetry-dir=nowhere"], IN_INI, "", 4),
        ([], IN_INI, "", 5),
        ([DIR, *NAMED, "--collect-only"], "", "", 0),
        ([DIR, *NAMED, "--fixtures"], "", "", 0),
        ([DIR, *NAMED, "--help"], "", "", 0),
    ],
)
def test_a_session_that_ends_early_leaves_no_earlier_report(
    pytester: pytest.Pytester, passing: object, arguments: list[str], ini: str, conftest: str, code: int
) -> None:
    pytester.makeini(f"[pytest]\n{ini}\n")
    pytester.makeconftest(conftest)
    for name, text in OLD.items():
        (pytester.path / name).write_text(text, encoding="utf-8")
    result = pytester.runpytest_inprocess(*arguments, "-p", "no:randomly")
    assert result.ret == code
    left = {name for name, text in OLD.items() if (path := pytester.path / name).exists() and path.read_text() == text}
    assert left == (set() if code == 4 else OLD.keys())  # the others judge nothing, and were not to


def test_a_foreign_file_that_was_named_by_mistake_outlives_a_usage_error(
    pytester: pytest.Pytester, passing: object
) -> None:
    (pytester.path / "data.json").write_text("[]")
    assert pytester.runpytest_inprocess(DIR, "--token-telemetry-json=data.json", MISTAKE).ret == 4
    assert (pytester.path / "data.json").read_text() == "[]"


def test_what_may_be_an_earlier_report_is_named_before_a_conftest_can_end_the_session(
    pytester: pytest.Pytester, passing: object
) -> None:
    pytester.makeconftest("import nothing_of_this_name")
    long = "x" * 300
    result = pytester.runpytest_inprocess(DIR, f"--token-telemetry-json={long}", f"--token-telemetry-junit={long}.xml")
    assert result.ret == 4
    why = "could not be looked at, or removed as an earlier report: File name too long"
    result.stderr.fnmatch_lines([f"ERROR: --token-telemetry-{name}: '*{long}*' {why}" for name in ("json", "junit")])


def test_a_report_that_cannot_be_looked_at_again_is_told_in_one_sentence(
    run: Run, pytester: pytest.Pytester, passing: object
) -> None:
    pytester.makeconftest(
        """
        from pathlib import Path
        def pytest_runtestloop():
            Path("out").rename("moved")
            Path("out").symlink_to("x" * 300)
        """
    )
    result = run("--token-telemetry-json=out/report.json", "--token-telemetry-junit=junit.xml")
    assert result.exit == 4
    assert "INTERNALERROR" not in result.text
    assert "--token-telemetry-json: 'out/report.json' could not be written: File name too long" in result.text
