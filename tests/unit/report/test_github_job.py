"""The verdict as a GitHub Actions job is told it."""

from __future__ import annotations

import io
from pathlib import Path

import cmarkgfm
import pytest
from hypothesis import given
from hypothesis import settings as limits

from pytest_token_telemetry.report import markdown
from pytest_token_telemetry.report.github_job import LARGEST_SUMMARY, Job, job_of, tell
from pytest_token_telemetry.report.words import headline
from pytest_token_telemetry.sources.reading import File
from tests.full_disk import no_file_beyond
from tests.github_commands import Command, commands
from tests.unit.gate.cases import call, cut_off, message, ready, verdict
from tests.unit.report.verdicts import HOSTILE, verdicts

LOG = "logs/run-1/agent.log"


@pytest.fixture
def job(tmp_path: Path) -> Job:
    """A job whose repository has the log of the cases."""
    log = tmp_path / "repository" / LOG
    log.parent.mkdir(parents=True)
    log.touch()
    return Job(tmp_path / "repository", tmp_path / "summary", tmp_path / "outputs")


def told(found, job, *, base=None, report=None, appended=None) -> tuple[list[Command], list[str]]:
    out = io.StringIO()
    errors = tell(found, job, out, [base or job.workspace], report, appended)
    return commands(out.getvalue()), errors


def test_there_is_no_job_outside_of_github_actions():
    assert job_of({}) is None
    assert job_of({"GITHUB_ACTIONS": "false", "GITHUB_WORKSPACE": "/w", "GITHUB_OUTPUT": "/o"}) is None


def test_a_job_is_what_the_runner_says():
    named = {"GITHUB_WORKSPACE": "/w", "GITHUB_STEP_SUMMARY": "/s", "GITHUB_OUTPUT": "/o"}
    assert job_of({"GITHUB_ACTIONS": "true", **named}) == Job(Path("/w"), Path("/s"), Path("/o"))
    assert job_of({"GITHUB_ACTIONS": "true", "GITHUB_OUTPUT": ""}) == Job(None, None, None)


def test_a_pass_annotates_nothing(job):
    found = verdict(ready(60))
    assert told(found, job) == ([], [])
    assert job.summary.read_text() == markdown.render(found)
    assert job.outputs.read_text().splitlines() == ["verdict=pass", f"headline={headline(found)}"]


def test_failed_checks_are_errors_at_the_lines_that_show_them(job):
    found = verdict([*ready(60), *[cut_off(category="docs")] * 4])
    annotations, errors = told(found, job)
    assert errors == []
    assert [each.name for each in annotations] == ["error", "error", *["warning"] * 4]
    assert annotations[0].properties == {
        "file": LOG,
        "line": "61",
        "title": "token-telemetry::tier1::underestimation",
    }
    assert annotations[0].data == message(found, "tier1::underestimation")
    assert annotations[2].data == "truncated: 1,000 tokens predicted, 8,192 output (8.19x), category docs"
    assert [each.properties["line"] for each in annotations[2:]] == ["61", "62", "63", "64"]


def test_there_are_at_most_ten_annotations(job):
    rows = [
        *ready(60),
        *(call(1000, 2000 + n) for n in range(9)),
        *(cut_off(9000 + n, 8000) for n in range(9)),
    ]
    annotations, _ = told(verdict(rows), job)
    assert len(annotations) == 10
    assert [each.name for each in annotations] == ["error"] * 2 + ["warning"] * 8


def test_a_log_below_the_repository_is_named_from_there(job):
    annotations, _ = told(verdict([*ready(60), *[cut_off()] * 4]), job, base=job.workspace / "logs" / "..")
    assert {each.properties["file"] for each in annotations} == {LOG}


def test_a_log_outside_of_the_repository_is_named_in_the_sentence(job, tmp_path):
    other = tmp_path / "elsewhere"
    (other / LOG).parent.mkdir(parents=True)
    (other / LOG).touch()
    annotations, _ = told(verdict([*ready(60), *[cut_off()] * 4]), job, base=other)
    assert {"file" in each.properties for each in annotations} == {False}
    assert annotations[0].data.endswith(f" ({LOG}:61)")


def test_without_a_workspace_no_file_is_named(job):
    annotations, _ = told(verdict([*ready(60), *[cut_off()] * 4]), Job(None, None, None), base=job.workspace)
    assert {"file" in each.properties for each in annotations} == {False}
    assert not job.summary.exists()
    assert not job.outputs.exists()


def test_the_report_is_an_output(job):
    told(verdict(ready(60)), job, report=Path("/r/report.json"))
    assert job.outputs.read_text().splitlines()[-1] == "report=/r/report.json"


def test_what_other_steps_wrote_stays(job):
    job.summary.write_text("# Other\n")
    job.outputs.write_text("other=1\n")
    told(verdict(ready(60)), job)
    assert job.summary.read_text().startswith("# Other\n## ✅ Token telemetry")
    assert job.outputs.read_text().startswith("other=1\nverdict=pass\n")


def test_a_summary_that_is_there_already_is_not_written_again(job):
    job.summary.touch()
    (job.workspace / "link").symlink_to(job.summary)
    told(verdict(ready(60)), job, appended=job.workspace / "link")
    assert job.summary.read_text() == ""


def test_a_summary_that_github_would_drop_is_not_written(job):
    job.summary.write_text("x" * (LARGEST_SUMMARY - 100))
    _, errors = told(verdict(ready(60)), job)
    assert errors == ["GITHUB_STEP_SUMMARY could not be written: it would be larger than 1,000,000 bytes"]
    assert job.summary.stat().st_size == LARGEST_SUMMARY - 100
    assert job.outputs.read_text().startswith("verdict=pass\n")


def test_what_a_full_disk_cuts_off_is_named_and_taken_back(job):
    for path in (job.summary, job.outputs):
        path.write_text("x\n" * 5000)
    with no_file_beyond(10_010):
        errors = told(verdict(ready(60)), job)[1]
    assert errors == [
        "GITHUB_STEP_SUMMARY could not be written: File too large",
        "GITHUB_OUTPUT could not be written: File too large",
    ]
    assert [path.read_text() for path in (job.summary, job.outputs)] == ["x\n" * 5000] * 2


def test_a_file_that_cannot_be_written_is_named(job):
    job.summary.mkdir()
    job.outputs.mkdir()
    assert told(verdict(ready(60)), job)[1] == [
        "GITHUB_STEP_SUMMARY could not be written: Is a directory",
        "GITHUB_OUTPUT could not be written: Is a directory",
    ]


def test_no_verdict_is_a_warning_and_never_green(job):
    annotations, errors = told("the session ended <b>early</b>\n::error::x", job)
    assert errors == []
    assert annotations == [
        Command("warning", {"title": "token-telemetry"}, r"not judged: the session ended <b>early</b>\u000a::error::x")
    ]
    assert job.summary.read_text() == (
        "## ⚠️ Token telemetry: NO VERDICT\n\n"
        "<p>not judged: <code>the session ended &lt;b&gt;early&lt;/b&gt;\\u000a::error::x</code></p>\n"
    )
    assert "<b>" not in cmarkgfm.github_flavored_markdown_to_html(job.summary.read_text())
    assert job.outputs.read_text().splitlines()[0] == "verdict=none"
    assert len(job.outputs.read_text().splitlines()) == 2


@pytest.mark.parametrize("hostile", [*HOSTILE, "100%0A::error::x", "a,b:c=d", "%3A%2C%25"])
def test_hostile_names_are_data(job, hostile):
    rows = [*ready(60), *[cut_off(category=hostile, task_id=hostile)] * 4]
    path = f"logs/{hostile}".replace("\0", "")[:100]
    annotations, _ = told(verdict(rows, {"files": (File(path, len(rows)),)}), job)
    assert [each.name for each in annotations] == ["error", "error", *["warning"] * 4]
    assert all(set(each.properties) <= {"file", "line", "title"} for each in annotations)
    assert all(each.data.isprintable() for each in annotations)


def test_a_file_with_signs_of_the_commands_keeps_its_name(job):
    name = "logs/100%25, a:b.log"
    (job.workspace / name).touch()
    rows = [*ready(60), *[cut_off()] * 4]
    annotations, _ = told(verdict(rows, {"files": (File(name, len(rows)),)}), job)
    assert {each.properties["file"] for each in annotations} == {name}


@limits(deadline=None, max_examples=100)
@given(verdicts())
def test_whatever_the_verdict_the_runner_reads_no_other_command(found):
    out = io.StringIO()
    assert tell(found, Job(None, None, None), out, [], None, None) == []
    lines = [line for line in out.getvalue().split("\n") if line]
    read = commands(out.getvalue())
    assert len(read) == len(lines) <= 10
    assert {each.name for each in read} <= {"error", "warning"}
    failed = sum(check.outcome == "fail" for check in found.checks)
    assert sum(each.name == "error" for each in read) == failed
