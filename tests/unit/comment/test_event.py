"""What the runner and the event say, and how little of it is believed: what no event of GitHub should say, too."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_token_telemetry.comment.event import (
    Branch,
    Environment,
    InvocationError,
    Token,
    occasion_of,
    read_environment,
)
from pytest_token_telemetry.comment.hidden_lines import Run

COMMIT = "9f8e7d6c5b4a39281706f5e4d3c2b1a098765432"
REPOSITORY = "octo/Estimator"
SECRET = "ghs_0123456789012345678901234567890123456"


def test_the_token_shows_itself_nowhere():
    environment = read_environment({"GITHUB_TOKEN": f" {SECRET}\n"})
    assert environment.token.reveal() == SECRET
    for shown in (repr(environment), str(environment), repr(environment.token), f"{environment.token!s}"):
        assert SECRET not in shown
    with pytest.raises(InvocationError) as error:
        read_environment({"GITHUB_TOKEN": f"{SECRET}\r\nX: y"})
    assert SECRET not in str(error.value)
    assert not hasattr(Token(SECRET), "__dict__")


def test_a_password_in_an_address_is_not_shown():
    with pytest.raises(InvocationError, match="GITHUB_API_URL: its value is not an address"):
        read_environment({"GITHUB_API_URL": "https://user:password@ghe.example"})
    with pytest.raises(InvocationError, match="GITHUB_SHA: 'main' is not a commit"):
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
    with pytest.raises(InvocationError, match="GITHUB_EVENT_PATH"):
        read_environment({"GITHUB_EVENT_PATH": str(path)})


def test_an_event_is_read(tmp_path):
    path = tmp_path / "event.json"
    path.write_text(json.dumps({"action": "opened"}))
    assert read_environment({"GITHUB_EVENT_PATH": str(path)}).event == {"action": "opened"}


def occasion(name, event):
    return occasion_of(Environment(repository=REPOSITORY, event_name=name, event=event, commit="0" * 40, run=Run(5, 1)))


@pytest.mark.parametrize("name", ["pull_request", "pull_request_target"])
def test_a_pull_request_of_the_same_repository(name):
    head = {"sha": COMMIT, "repo": {"full_name": "Octo/estimator"}}
    found = occasion(name, {"pull_request": {"number": 7, "head": head}})
    assert (found.number, found.commit, found.run, found.unverified) == (7, COMMIT, Run(5, 1), False)


@pytest.mark.parametrize("repo", [None, {"full_name": "fork/Estimator"}, {}, "octo/Estimator"])
def test_a_pull_request_of_a_fork_is_unverified(repo):
    found = occasion("pull_request", {"pull_request": {"number": 7, "head": {"sha": COMMIT, "repo": repo}}})
    assert (found.number, found.unverified) == (7, True)


@pytest.mark.parametrize("number", [0, -1, True, "7", 7.0, 10**20, None])
def test_a_number_that_is_none_is_none(number):
    assert occasion("pull_request", {"pull_request": {"number": number}}).number is None


def ended(**changed):
    head = {"full_name": "fork/Estimator", "owner": {"login": "fork"}}
    run = {"id": 6, "run_attempt": 2, "run_number": 3, "event": "pull_request", "head_sha": COMMIT}
    return {"workflow_run": {**run, "head_branch": "main", "head_repository": head, **changed}}


def test_the_run_that_ended_is_the_one_that_counts():
    found = occasion("workflow_run", ended())
    assert (found.run, found.run_number, found.commit) == (Run(6, 2), 3, COMMIT)
    assert (found.branch, found.unverified) == (Branch("fork", "main"), True)


@pytest.mark.parametrize(
    ("listed", "numbers"),
    [
        ([{"number": 9}, {"number": 10}], {9, 10}),
        ([{"number": "9"}, {"number": -1}, {}, None, 7], set()),
        ({"number": 9}, set()),
        (None, set()),
    ],
)
def test_the_event_may_list_pull_requests(listed, numbers):
    assert occasion("workflow_run", ended(pull_requests=listed)).listed == numbers


@pytest.mark.parametrize(
    "changed",
    [
        {"head_branch": None},
        {"head_branch": ""},
        {"head_sha": "main"},
        {"head_sha": None},
        {"head_repository": {"full_name": "fork/Estimator", "owner": {"login": "a:b"}}},
        {"head_repository": None},
    ],
)
def test_a_run_that_does_not_say_its_branch_has_no_pull_request(changed):
    found = occasion("workflow_run", ended(**changed))
    assert (found.number, found.branch, found.unverified) == (None, None, True)
    assert found.why_none == "the event does not say from which branch the run was"


def test_a_fork_cannot_name_its_branch_like_a_merge_queue():
    branch = f"gh-readonly-queue/main/pr-1-{COMMIT}"
    assert occasion("workflow_run", ended(event="merge_group", head_branch=branch)).number is None


@pytest.mark.parametrize(
    ("ref", "number"),
    [
        (f"refs/heads/gh-readonly-queue/main/pr-104-{COMMIT}", 104),
        (f"refs/heads/gh-readonly-queue/release/1.x/pr-5-{COMMIT}", 5),
        (f"refs/heads/gh-readonly-queue/main/pr-x-{COMMIT}", None),
        (f"refs/heads/gh-readonly-queue/main/pr-5-{COMMIT}/more", None),
        ("refs/heads/main", None),
        (None, None),
    ],
)
def test_a_merge_queue_names_the_pull_request_in_its_branch(ref, number):
    found = occasion("merge_group", {"merge_group": {"head_ref": ref}})
    assert (found.number, found.unverified) == (number, False)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.dictionaries(
        st.sampled_from(["head_repository", "owner", "login", "full_name", "head", "repo", "number", "event", "sha"]),
        inner,
    ),
    max_leaves=8,
)


@given(
    st.sampled_from(["pull_request", "workflow_run", "merge_group", "push"]),
    st.dictionaries(st.sampled_from(["pull_request", "workflow_run", "merge_group"]), values),
)
def test_any_event_has_an_occasion(name, event):
    found = occasion(name, event)
    assert found.number is None or found.number > 0
