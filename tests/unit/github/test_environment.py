"""What the runner says, and how little of it is believed."""

from __future__ import annotations

import json

import pytest

from pytest_token_telemetry.github.environment import Environment, Token, UsageError, read_environment
from pytest_token_telemetry.github.stamp import Run

SECRET = "ghs_0123456789012345678901234567890123456"


def test_the_token_shows_itself_nowhere():
    environment = read_environment({"GITHUB_TOKEN": f" {SECRET}\n"})
    assert environment.token.reveal() == SECRET
    for shown in (repr(environment), str(environment), repr(environment.token), f"{environment.token!s}"):
        assert SECRET not in shown
    with pytest.raises(UsageError) as error:
        read_environment({"GITHUB_TOKEN": f"{SECRET}\r\nX: y"})
    assert SECRET not in str(error.value)
    assert not hasattr(Token(SECRET), "__dict__")


def test_a_password_in_an_address_is_not_shown():
    with pytest.raises(UsageError, match="GITHUB_API_URL: its value is not an address"):
        read_environment({"GITHUB_API_URL": "https://user:password@ghe.example"})
    with pytest.raises(UsageError, match="GITHUB_SHA: 'main' is not a commit"):
        read_environment({"GITHUB_SHA": "main"})


def test_gh_token_serves_too():
    assert read_environment({"GH_TOKEN": SECRET}).token.reveal() == SECRET


def test_nothing_set_is_github_itself():
    assert read_environment({}) == Environment()


def test_an_own_server_has_graphql_beside_rest():
    assert (
        read_environment({"GITHUB_API_URL": "https://ghe.example/api/v3"}).graphql == "https://ghe.example/api/graphql"
    )
    assert read_environment({}).graphql == "https://api.github.com/graphql"


def test_the_run_is_known_by_its_id_and_attempt():
    found = read_environment({"GITHUB_RUN_ID": "7", "GITHUB_RUN_ATTEMPT": "2", "GITHUB_RUN_NUMBER": "3"})
    assert (found.run, found.run_number) == (Run(7, 2), 3)


@pytest.mark.parametrize("content", ["", "[]", "{", "\xff"])
def test_an_event_that_is_none_is_a_wrong_call(tmp_path, content):
    path = tmp_path / "event.json"
    path.write_text(content, encoding="latin-1")
    with pytest.raises(UsageError, match="GITHUB_EVENT_PATH"):
        read_environment({"GITHUB_EVENT_PATH": str(path)})


def test_an_event_is_read(tmp_path):
    path = tmp_path / "event.json"
    path.write_text(json.dumps({"action": "opened"}))
    assert read_environment({"GITHUB_EVENT_PATH": str(path)}).event == {"action": "opened"}
