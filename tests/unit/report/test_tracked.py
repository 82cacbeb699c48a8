"""Which files of calls git tracks, in a repository as a runner checks it out."""

from __future__ import annotations

import subprocess

import pytest

from pytest_token_telemetry.report.tracked import tracked_files


@pytest.fixture
def repository(tmp_path):
    root = tmp_path / "repository"
    (root / "work" / "logs").mkdir(parents=True)
    for name in ("a b.log", "*.log", "new.log"):
        (root / "work" / "logs" / name).touch()
    (tmp_path / "outside.log").touch()
    for command in (["init", "-q"], ["--literal-pathspecs", "add", "work/logs/a b.log", "work/logs/*.log"]):
        subprocess.run(["git", *command], cwd=root, check=True)
    return root


def test_the_files_that_git_tracks_are_named_as_in_the_repository(repository):
    work = repository / "work"
    sources = [
        "logs/a b.log:7",
        "logs/a b.log:9",
        "logs/*.log:1",
        "logs/new.log:1",
        "../../outside.log:1",
        "gone.log:2",
    ]
    assert tracked_files([*sources, f"{work}/logs/a b.log:3"], work) == {
        "logs/a b.log": "work/logs/a b.log",
        "logs/*.log": "work/logs/*.log",
        f"{work}/logs/a b.log": "work/logs/a b.log",
    }


@pytest.mark.parametrize("sources", [[], ["no place"], ["\0:1"]])
def test_what_is_no_file_is_not_tracked(repository, sources):
    assert tracked_files(sources, repository) == {}


def test_without_a_repository_nothing_is_tracked(tmp_path):
    (tmp_path / "a.log").touch()
    assert tracked_files(["a.log:1"], tmp_path) == {}
