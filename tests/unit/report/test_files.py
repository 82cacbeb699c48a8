"""Reports on disk: whole or not at all."""

from __future__ import annotations

import json
import os
import stat
import threading
from pathlib import Path

import pytest

from pytest_token_telemetry.report import code_quality, markdown, markdown_flavours
from pytest_token_telemetry.report.files import remove_report, write_reports
from tests.full_disk import no_file_beyond
from tests.unit.gate.cases import ready, settings, verdict

FOUND = verdict(ready(27))

NAMES = ["json", "junit", "code_quality", "markdown", "markdown_append"]


def write(**outputs):
    return write_reports(FOUND, settings(**{name: str(path) for name, path in outputs.items()}))


def test_every_report_is_written_where_it_was_asked_for(tmp_path):
    names = {
        "json": "a.json",
        "junit": "b.xml",
        "markdown": "c.md",
        "markdown_append": "d.md",
        "code_quality": "e.json",
    }
    assert write(**{name: tmp_path / file for name, file in names.items()}) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.json", "b.xml", "c.md", "d.md", "e.json"]
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))["verdict"] == "pass"
    assert (tmp_path / "b.xml").read_text(encoding="utf-8").startswith("<?xml")
    assert (tmp_path / "c.md").read_text(encoding="utf-8") == markdown.render(FOUND)
    assert (tmp_path / "d.md").read_text(encoding="utf-8") == markdown.render(FOUND)
    assert (tmp_path / "e.json").read_text(encoding="utf-8") == code_quality.render(FOUND)


def test_nothing_is_written_that_was_not_asked_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert write() == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("family", ["xunit1", "xunit2"])
def test_the_junit_family_is_as_asked_for(family, tmp_path):
    write_reports(FOUND, settings(junit=str(tmp_path / "x.xml"), junit_family=family))
    assert (' line="' in (tmp_path / "x.xml").read_text(encoding="utf-8")) == (family == "xunit1")


@pytest.mark.parametrize("name", ["markdown", "markdown_append"])
def test_the_markdown_flavour_is_as_asked_for(name, tmp_path):
    write_reports(FOUND, settings(**{name: str(tmp_path / "x.md")}, markdown_flavour="plain"))
    assert (tmp_path / "x.md").read_text(encoding="utf-8") == markdown.render(FOUND, markdown_flavours.PLAIN)


def test_advice_is_written_to_its_file(tmp_path):
    path = tmp_path / "tuning.json"
    found = verdict(ready(27), tuning=str(path))
    assert write_reports(found, settings(tuning=str(path))) == []
    assert json.loads(path.read_text(encoding="utf-8"))["schema"] == "token-telemetry-tuning/1"


def test_missing_directories_are_made(tmp_path):
    assert write(json=tmp_path / "a" / "b" / "c.json") == []
    assert (tmp_path / "a" / "b" / "c.json").is_file()


def test_an_old_report_is_replaced(tmp_path):
    path = tmp_path / "a.json"
    path.write_text("old" * 100_000)
    write(json=path)
    assert json.loads(path.read_text(encoding="utf-8"))["verdict"] == "pass"


def test_a_reader_of_the_old_report_keeps_it_whole(tmp_path):
    path = tmp_path / "a.json"
    path.write_text("old")
    with path.open() as reader:
        write(json=path)
        assert reader.read() == "old"


def test_appending_keeps_what_is_there(tmp_path):
    path = tmp_path / "summary.md"
    path.write_text("before\n")
    write(markdown_append=path)
    write(markdown_append=path)
    assert path.read_text(encoding="utf-8") == "before\n" + markdown.render(FOUND) * 2


def test_a_summary_that_a_full_disk_cuts_off_is_an_error_and_taken_back(tmp_path):
    path = tmp_path / "summary.md"
    path.write_text("x" * 100_000)
    with no_file_beyond(100_100):
        errors = write(markdown_append=path, json=tmp_path / "a.json")
    assert errors == [f"--token-telemetry-markdown-append: '{path}' could not be written: File too large"]
    assert path.read_text() == "x" * 100_000


def test_no_temporary_file_is_left(tmp_path):
    write(json=tmp_path / "a.json", junit=tmp_path / "a.xml", markdown=tmp_path / "a.md")
    assert {path.name for path in tmp_path.iterdir()} == {"a.json", "a.xml", "a.md"}


def test_no_temporary_file_is_left_by_a_failure(tmp_path, monkeypatch):
    def no_space(self, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", no_space)
    errors = write(json=tmp_path / "a.json")
    assert errors == [f"--token-telemetry-json: '{tmp_path}/a.json' could not be written: No space left on device"]
    assert list(tmp_path.iterdir()) == []


def test_an_old_report_survives_a_failure(tmp_path, monkeypatch):
    def interrupted(self, target):
        raise KeyboardInterrupt

    (tmp_path / "a.json").write_text("old")
    monkeypatch.setattr(Path, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write(json=tmp_path / "a.json")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a.json", "old")]


@pytest.mark.parametrize("name", NAMES)
def test_a_directory_is_not_written_to(name, tmp_path):
    (tmp_path / "here").mkdir()
    flag = f"--token-telemetry-{name.replace('_', '-')}"
    assert write(**{name: tmp_path / "here"}) == [f"{flag}: '{tmp_path}/here' could not be written: Is a directory"]
    assert list((tmp_path / "here").iterdir()) == []


@pytest.mark.parametrize("name", NAMES)
def test_a_path_below_a_file_is_one_sentence(name, tmp_path):
    (tmp_path / "file").write_text("x")
    (error,) = write(**{name: tmp_path / "file" / "report"})
    assert error.startswith(f"--token-telemetry-{name.replace('_', '-')}: '{tmp_path}/file/report' could not be ")
    assert "\n" not in error
    assert (tmp_path / "file").read_text() == "x"


def test_one_failure_does_not_keep_the_others_from_being_written(tmp_path):
    (tmp_path / "file").write_text("x")
    errors = write(json=tmp_path / "file" / "a.json", junit=tmp_path / "a.xml", markdown=tmp_path / "a.md")
    assert len(errors) == 1
    assert {path.name for path in tmp_path.iterdir()} == {"file", "a.xml", "a.md"}


def test_a_device_is_written_to_and_not_replaced():
    assert write(json=os.devnull) == []
    assert stat.S_ISCHR(Path(os.devnull).stat().st_mode)


def test_a_pipe_is_written_to_and_not_replaced(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    read = []
    reader = threading.Thread(target=lambda: read.append(path.read_text(encoding="utf-8")), daemon=True)
    reader.start()
    assert write(json=path) == []
    reader.join(30)
    assert json.loads(read[0])["verdict"] == "pass"
    assert stat.S_ISFIFO(path.stat().st_mode)


def test_a_link_is_followed_and_kept(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a.json").write_text("old")
    (tmp_path / "link.json").symlink_to(tmp_path / "real" / "a.json")
    assert write(json=tmp_path / "link.json") == []
    assert (tmp_path / "link.json").is_symlink()
    assert json.loads((tmp_path / "real" / "a.json").read_text(encoding="utf-8"))["verdict"] == "pass"


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o027, 0o640), (0o077, 0o600)])
@pytest.mark.parametrize("name", ["json", "markdown_append"])
def test_permissions_are_the_users_usual_ones(name, umask, mode, tmp_path):
    before = os.umask(umask)
    try:
        write(**{name: tmp_path / "report"})
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "report").stat().st_mode) == mode


@pytest.mark.parametrize("name", NAMES)
def test_bytes_of_the_command_line_that_are_no_text_do_not_stop_a_report(name, tmp_path):
    odd = verdict(ready(27), dir=["logs-\udcff"])
    assert write_reports(odd, settings(**{name: str(tmp_path / "report")})) == []
    text = (tmp_path / "report").read_bytes().decode("utf-8")
    if name == "json":
        assert json.loads(text)["settings"]["dir"] == ["logs-\udcff"]


def test_lines_end_alike_on_every_system(tmp_path):
    write(json=tmp_path / "a.json", markdown=tmp_path / "a.md")
    assert b"\r" not in (tmp_path / "a.json").read_bytes() + (tmp_path / "a.md").read_bytes()


def test_writing_beside_never_takes_over_what_is_there(tmp_path, monkeypatch):
    monkeypatch.setattr("secrets.token_hex", lambda size: "7")
    (tmp_path / "victim").write_text("precious")
    (tmp_path / ".7.tmp").symlink_to(tmp_path / "victim")
    write(json=tmp_path / "a.json")
    assert (tmp_path / "victim").read_text() == "precious"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("found", [FOUND, verdict([])], ids=["pass", "not ready"])
def test_a_report_is_known_again_and_removed(name, found, tmp_path):
    path = tmp_path / "report"
    (tmp_path / "link").symlink_to(path)
    write_reports(found, settings(**{name: str(path)}))
    remove_report(name, tmp_path / "link")
    assert path.exists() is (name == "markdown_append")  # that one belongs to others too
    assert (tmp_path / "link").is_symlink()  # and will lead to the next report


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("code_quality", "[1]\n"),
        ("code_quality", '[{"check_name": "ruff"}]'),
        ("json", "{}"),
        ("json", "[]"),
        ("json", '{"schema": "token-telemetry-baseline/1"}'),
        ("json", '{"schema": "token-telemetry/1", "output_tokens": 5}'),
        ("tuning", '{"schema": "token-telemetry-report/1"}'),
        ("markdown", "# Notes\n"),
        ("junit", '<testsuites name="pytest tests"/>'),
        ("junit", ""),
    ],
)
def test_what_is_no_report_of_that_kind_is_not_removed(name, text, tmp_path):
    path = tmp_path / "report"
    path.write_text(text)
    remove_report(name, path)
    assert path.read_text() == text


def test_what_cannot_be_looked_at_is_told_as_it_may_be_an_earlier_report(tmp_path):
    resource = pytest.importorskip("resource", reason="this system has no limits for processes")
    path = tmp_path / "report"
    path.write_text("[]\n")
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, before[1]))
    try:
        told = [remove_report(name, path) for name in ("code_quality", "markdown_append")]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    why = "could not be looked at, or removed as an earlier report: Too many open files"
    assert told == [f"--token-telemetry-code-quality: '{path}' {why}", None]


def test_neither_a_directory_nor_a_path_that_is_none_is_removed(tmp_path):
    for path in (tmp_path, tmp_path / "nothing", tmp_path / ("x" * 5000), tmp_path / "a\0b"):
        remove_report("json", path)
    assert tmp_path.is_dir()
