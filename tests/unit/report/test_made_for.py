"""Which commit, run and attempt a report says it is made for."""

from __future__ import annotations

import json

import pytest

from pytest_token_telemetry.report.made_for import made_for
from pytest_token_telemetry.report.model import MadeFor

HEAD, MERGE = "1" * 40, "2" * 40
GITHUB = {"GITHUB_SHA": MERGE, "GITHUB_RUN_ID": "7000", "GITHUB_RUN_ATTEMPT": "2"}


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, None),
        (GITHUB, MadeFor(commit=MERGE, run=7000, attempt=2)),
        ({**GITHUB, "GITHUB_EVENT_NAME": "push"}, MadeFor(commit=MERGE, run=7000, attempt=2)),
        ({"GITHUB_RUN_ID": "7000"}, MadeFor(run=7000)),
        ({"CI_COMMIT_SHA": HEAD}, MadeFor(commit=HEAD)),
        ({"GIT_COMMIT": "a" * 64}, MadeFor(commit="a" * 64)),
        ({"BUILD_SOURCEVERSION": "C1234"}, None),
        ({"GITHUB_SHA": "main", "GITHUB_RUN_ID": "-1", "GITHUB_RUN_ATTEMPT": "9" * 19}, None),
        ({"GITHUB_SHA": HEAD + "\n"}, None),
    ],
)
def test_the_server_says_it_in_the_environment(variables, expected):
    assert made_for(variables) == expected


@pytest.mark.parametrize("name", ["pull_request", "pull_request_target"])
@pytest.mark.parametrize(
    ("event", "commit"),
    [
        ({"pull_request": {"head": {"sha": HEAD}}}, HEAD),
        ({"pull_request": {"head": {"sha": 7}}}, None),
        ({"pull_request": {"head": {"sha": "main"}}}, None),
        ({"pull_request": []}, None),
        ([], None),
        (None, None),
    ],
)
def test_of_a_pull_request_it_is_the_newest_commit_and_not_the_merge(tmp_path, name, event, commit):
    path = tmp_path / "event.json"
    path.write_text(json.dumps(event) if event is not None else "{")
    found = made_for({**GITHUB, "GITHUB_EVENT_NAME": name, "GITHUB_EVENT_PATH": str(path)})
    assert found == MadeFor(commit=commit, run=7000, attempt=2)


def test_an_event_that_is_not_there_says_nothing(tmp_path):
    found = made_for({"GITHUB_SHA": MERGE, "GITHUB_EVENT_NAME": "pull_request", "GITHUB_EVENT_PATH": str(tmp_path)})
    assert found is None
