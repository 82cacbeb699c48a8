"""Run logs in a bucket: judged as those of a directory, and nothing in the way of that is passed over."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.conftest import Run
from tests.integration.s3_server import SECRET, put, serving
from tests.lines import ready_lines, stamp, v2, write
from tests.unit.sources.test_remote import tree_of_all_kinds

pytest.importorskip("s3fs", reason="s3fs is not installed (the extra [remote])")
pytest.importorskip("moto", reason="moto is not installed (the extra [s3])")


@pytest.fixture(scope="session")
def s3() -> Iterator[str]:
    with serving() as address:
        yield address


@pytest.fixture(autouse=True)
def credentials(request: pytest.FixtureRequest, s3: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if "pytester" in request.fixturenames:
        request.getfixturevalue("pytester")  # it changes the home
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", s3)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", SECRET)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")


def page(directory: Path) -> str:
    """The markdown report, without how long it took."""
    return re.sub(r"read in .*? s \(.*?\)", "", (directory / "report.md").read_text())


def test_a_bucket_is_judged_as_a_directory_with_the_same_files(run: Run, pytester: pytest.Pytester, s3: str) -> None:
    """All figures, sentences and places are the same, but for where the files lie."""
    tree = tree_of_all_kinds(pytester.path / "runs")
    write(tree, ready_lines(), "run-4/ready.log")
    large = [v2(time=stamp(1000 + each)) for each in range(12000)]
    write(tree, large, "run-5/large.log")  # of several blocks
    put(s3, "same")
    for path in tree.rglob("*"):
        key = path.relative_to(pytester.path).as_posix()
        put(s3, f"same/{key}{'/' if path.is_dir() else ''}", path.read_bytes() if path.is_file() else b"")
    arguments = ("token-telemetry", "--token-telemetry-markdown=report.md")
    local = run(*arguments).report
    local_page = page(pytester.path)
    pytester.makeini("[pytest]\ntoken_telemetry_dir = s3://same/runs/\n")
    remote = run(*arguments, "--token-telemetry-json=report.json", directory=None, process=True)
    assert local is not None
    assert (local["counts"]["samples"], local["counts"]["unreadable_files"]) == (12082, 1)
    found = json.loads(json.dumps(remote.report).replace("s3://same/runs", "runs"))
    for report in (local, found):
        for varying in ("created", "made_for", "scan"):
            report.pop(varying, None)
    assert found == local
    assert page(pytester.path).replace("s3://same/runs", "runs") == local_page
    assert remote.exit == 1


def test_an_object_that_cannot_be_read_whole_is_never_passed_over(run: Run, pytester: pytest.Pytester, s3: str) -> None:
    put(s3, "faults")
    put(s3, "faults/x/good.log", "".join(f"{line}\n" for line in ready_lines()).encode())
    for key in ("denied.log", "vanished.log", "ends-early.log", "changed.log"):
        put(s3, f"faults/x/{key}", f"{v2()}\n".encode() * (6000 if key == "changed.log" else 1))
    outputs = ("junit=r.xml", "markdown=r.md", "code-quality=c.json", "history=h.jsonl", "tuning=t.json")
    outcome = run(
        *("token-telemetry", "-vv", "--showlocals", "--tb=long"),
        *(f"--token-telemetry-{each}" for each in outputs),
        directory="s3://faults/x",
        process=True,
    )
    assert (outcome.exit, outcome.checks["readiness::sources"]) == (1, "fail")
    assert outcome.report is not None
    unreadable = {each["path"]: each["reason"] for each in outcome.report["not_read"]["unreadable"]}
    assert "141 of 283 bytes" in unreadable.pop("s3://faults/x/ends-early.log")
    assert unreadable == {
        "s3://faults/x/changed.log": "it was changed while it was read",
        "s3://faults/x/denied.log": "access is denied: The key InvalidAccessKeyId is not known (check the credentials"
        " that its driver finds in the environment)",
        "s3://faults/x/vanished.log": "it is gone since it was listed",
    }
    written = [path.read_text() for path in pytester.path.iterdir() if path.is_file()]
    assert len(written) >= len(outputs)
    assert not any(SECRET in each or "Traceback" in each for each in (outcome.text, *written))


LISTING = """
import json, os, sys
from pytest_token_telemetry.option_types import directory
from pytest_token_telemetry.sources.parallel import Scan, ScanError
from pytest_token_telemetry.sources.remote import listing
from pytest_token_telemetry.sources.remote.remote_reading import read_remote
listing.LISTING = 3
for url, variable, value in json.load(sys.stdin):
    os.environ[variable] = value
    try:
        read_remote([directory(url)], ["*"], Scan())
    except ScanError as error:
        print(error)
"""


def test_a_bucket_that_cannot_be_listed_is_said_in_one_sentence(s3: str, tmp_path: Path) -> None:
    address = "check the address, and whether its server can be reached"
    credentials = "check the credentials that its driver finds in the environment"
    region = ("AWS_DEFAULT_REGION", "us-east-1")
    put(s3, "there")
    asked = [
        ("s3://none/x", *region),
        ("s3://there/x", *region),
        ("s3://denied/x", *region),
        ("s3://hangs/x", *region),
        ("s3://there/x", "AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1"),
    ]
    found = subprocess.run(
        [sys.executable, "-c", LISTING], input=json.dumps(asked), capture_output=True, text=True, check=True
    )
    assert found.stdout.splitlines() == [
        "s3://none/x: The specified bucket does not exist (name a bucket and a prefix that hold run logs)",
        "s3://there/x: there is nothing (name a bucket and a prefix that hold run logs)",
        f"s3://denied/x: access is denied: The key InvalidAccessKeyId is not known ({credentials})",
        f"s3://hangs/x: no answer for 3 s ({address})",
        f's3://there/x: Could not connect to the endpoint URL: "http://127.0.0.1:1/there" ({address})',
    ]


def test_a_directory_that_is_not_there_ends_the_session_with_its_reason(run: Run, s3: str) -> None:
    outcome = run("token-telemetry", "--token-telemetry-not-ready=skip", directory="s3://none/x", process=True)
    assert outcome.exit == 4
    why = "The specified bucket does not exist (name a bucket and a prefix that hold run logs)"
    assert f"ERROR: s3://none/x: {why}" in outcome.text
    assert outcome.report is None
