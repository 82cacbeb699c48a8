"""``token-telemetry comment`` against a server that speaks GitHub's protocol."""

from __future__ import annotations

import html
import io
import json
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from pytest_token_telemetry.command import run
from pytest_token_telemetry.report.json_file import render_no_verdict
from tests.integration.github_server import (
    COMMIT,
    LARGEST,
    ME,
    REPOSITORY,
    TOKEN,
    FakeClock,
    Fault,
    GitHubServer,
    no_permission,
    primary_limit,
    secondary_limit,
)
from tests.unit.report.documents import report

OWNER = REPOSITORY.partition("/")[0]
MARKER = "<!-- pytest-token-telemetry:v1:default -->"


@dataclass
class Result:
    exit: int
    text: str
    slept: list[float]
    outputs: dict[str, str]


@pytest.fixture
def server():
    started = GitHubServer()
    yield started
    started.close()


@pytest.fixture
def post(server, tmp_path):
    """Run the command for the report of a verdict on pull request 7, and see what it says."""
    pull_request = {"number": 7, "head": {"sha": COMMIT, "repo": {"full_name": REPOSITORY}}}

    def run_with(*arguments, verdict="pass", event=None, name="pull_request", at=None, content=None, **variables):
        path = tmp_path / "report.json"
        path.write_bytes(content or report(verdict))
        event_path = tmp_path / "event.json"
        event_path.write_text(json.dumps({"pull_request": pull_request} if event is None else event))
        output, clock, out = tmp_path / "output", FakeClock(), io.StringIO()
        output.unlink(missing_ok=True)
        environment = {
            **(at or server).environment(),
            "GITHUB_EVENT_NAME": name,
            "GITHUB_EVENT_PATH": str(event_path),
            "GITHUB_OUTPUT": str(output),
            **variables,
        }
        found = run(["comment", f"--report={path}", *arguments], environment, out, clock)
        assert TOKEN not in out.getvalue()
        written = output.read_text().splitlines() if output.exists() else []
        return Result(found, out.getvalue(), clock.slept, dict(line.split("=", 1) for line in written))

    return run_with


def stamped(run_id, attempt=1, commit=COMMIT, content="old"):
    stamp = f"run={run_id} attempt={attempt} commit={commit}"
    return f"{MARKER}\n{content}\n\n<sub>x</sub>\n<!-- token-telemetry stamp: {stamp} -->"


def test_a_pull_request_without_comments_gets_one(server, post):
    result = post()
    [comment] = server.comments
    assert comment["body"].startswith(f"{MARKER}\n## ✅ Token telemetry: PASS")
    assert result.exit == 0
    url = f"https://github.example/{REPOSITORY}/pull/7#issuecomment-{comment['id']}"
    assert result.outputs == {"comment-action": "created", "comment-url": url}
    assert server.calls("POST") == [f"/repos/{REPOSITORY}/issues/7/comments"]


def test_every_call_says_which_interface_it_speaks(server, post):
    post()
    sent = {(request.accept, request.version) for request in server.requests}
    assert sent == {("application/vnd.github+json", "2022-11-28")}


def test_the_comment_is_looked_at_again_after_it_was_written(server, post):
    post()
    assert [request.verb for request in server.requests if request.path != "/graphql"] == ["GET", "POST", "GET"]


def test_the_same_comment_is_updated(server, post):
    post()
    result = post(verdict="tune", GITHUB_RUN_ID="7001")
    [comment] = server.comments
    assert "## ❌ Token telemetry: TUNE" in comment["body"]
    assert result.outputs["comment-action"] == "updated"


def test_a_gate_that_crashed_says_why_and_which_verdict_it_takes_the_place_of(server, post):
    """The next push breaks the set-up; one more such push keeps the verdict from before both."""
    post(verdict="tune")
    for run_id, why in (("7001", "'runs' does not exist"), ("7002", "'nope' cannot be imported")):
        result = post(content=render_no_verdict(why).encode(), GITHUB_RUN_ID=run_id)
        assert result.outputs["comment-action"] == "updated"
        assert f"report.json has no verdict: {why}" in result.text
        [comment] = server.comments
        assert f"The gate ended without a verdict: <code>{html.escape(why)}</code>" in comment["body"]
        before = f"The verdict before: TUNE, tuning needed, for <code>{COMMIT[:7]}</code>."
        assert before in comment["body"]


def test_an_unchanged_comment_is_not_sent_again(server, post):
    post()
    result = post()
    assert (server.calls("PATCH"), len(server.calls("POST"))) == ([], 1)
    assert result.outputs["comment-action"] == "unchanged"


def test_a_new_run_of_the_same_commit_with_the_same_figures_changes_nothing(server, post):
    post()
    assert post(GITHUB_RUN_ID="7001").outputs["comment-action"] == "unchanged"


def test_a_new_commit_with_the_same_figures_is_named(server, post):
    post()
    newer = "1" * 40
    event = {"pull_request": {"number": 7, "head": {"sha": newer, "repo": {"full_name": REPOSITORY}}}}
    assert post(event=event, GITHUB_RUN_ID="7001").outputs["comment-action"] == "updated"
    assert f"/commit/{newer}" in server.comments[0]["body"]


def test_other_line_ends_are_no_change(server, post):
    server.line_ends = "\r\n"
    post()
    assert post().outputs["comment-action"] == "unchanged"


def test_our_comment_is_found_on_the_third_page(server, post):
    for n in range(269):
        server.add_comment(f"comment {n}", "somebody", "User")
    ours = server.add_comment(stamped(6000))
    result = post()
    assert result.outputs["comment-action"] == "updated"
    assert len(server.comments) == 270
    assert server.comments[-1]["id"] == ours
    pages = [request.query["page"] for request in server.requests if request.verb == "GET"]
    assert pages == ["1", "2", "3"] * 2


def test_a_comment_with_our_marker_by_somebody_else_is_left_alone(server, post):
    server.add_comment(stamped(1), "mallory", "User")
    before = dict(server.comments[0])
    result = post()
    assert result.outputs["comment-action"] == "created"
    assert server.comments[0] == before
    assert len(server.own()) == 1


def test_a_planted_comment_of_a_newer_run_stops_nothing(server, post):
    server.add_comment(stamped(9999), "mallory", "User")
    assert post().outputs["comment-action"] == "created"


def test_the_marker_in_the_middle_of_an_own_comment_is_none(server, post):
    server.add_comment(f"Somebody quoted\n{MARKER}\nthis")
    assert post().outputs["comment-action"] == "created"


def test_a_comment_of_a_deleted_account_is_nobodys(server, post):
    server.add_comment(stamped(1))
    server.comments[0]["user"] = None
    assert post().outputs["comment-action"] == "created"


def test_own_duplicates_are_deleted_and_the_lowest_stays(server, post):
    first, *_ = (server.add_comment(stamped(6000 + n)) for n in range(3))
    post()
    [comment] = server.comments
    assert comment["id"] == first
    assert "PASS" in comment["body"]


def test_two_gates_on_one_pull_request_have_a_comment_each(server, post):
    post("--name=nightly")
    post("--name=smoke", verdict="tune")
    post("--name=nightly", verdict="not-ready", GITHUB_RUN_ID="7001")
    headings = [comment["body"].splitlines()[:2] for comment in server.comments]
    assert [heading[0] for heading in headings] == [
        "<!-- pytest-token-telemetry:v1:nightly -->",
        "<!-- pytest-token-telemetry:v1:smoke -->",
    ]
    assert "NOT READY" in headings[0][1]
    assert "TUNE" in headings[1][1]


def test_the_comment_of_a_newer_run_is_not_overwritten(server, post):
    server.add_comment(stamped(7001))
    result = post()
    assert server.comments[0]["body"] == stamped(7001)
    assert result.outputs["comment-action"] == "superseded"


def test_a_newer_attempt_of_the_same_run_is_newer(server, post):
    server.add_comment(stamped(7000, attempt=2))
    assert post().outputs["comment-action"] == "superseded"
    assert post(GITHUB_RUN_ATTEMPT="3").outputs["comment-action"] == "updated"


def test_of_duplicates_the_newest_content_ends_in_the_lowest_comment(server, post):
    first = server.add_comment(stamped(6000, content="older"))
    server.add_comment(stamped(8000, content="newer"))
    post()
    [comment] = server.comments
    assert (comment["id"], comment["body"]) == (first, stamped(8000, content="newer"))


def test_an_older_run_that_writes_at_the_same_time_is_written_over(server, post):
    """Between our writing and our second look, a poster of an older run overwrites what it had not seen."""
    late = []

    def overwrite(request):
        if request.verb == "GET" and len(server.calls("POST")) == 1 and not late:
            late.append(True)
            server.comments[0]["body"] = stamped(6999)

    server.before_answer = overwrite
    post()
    [comment] = server.comments
    assert late
    assert "run=7000" in comment["body"]


def test_a_comment_that_somebody_deletes_meanwhile_is_written_anew(server, post):
    server.add_comment(stamped(6000))

    def delete(request):
        if request.verb == "PATCH":
            server.comments.clear()

    server.before_answer = delete
    post()
    [comment] = server.comments
    assert "PASS" in comment["body"]


def test_a_duplicate_that_another_poster_deletes_first_is_no_trouble(server, post):
    server.add_comment(stamped(6000))
    server.add_comment(stamped(6001))
    server.fail("DELETE", "comments", Fault(404, "Not Found", after=True))
    assert post().outputs["comment-action"] == "updated"
    assert len(server.comments) == 1


def test_a_github_enterprise_server_is_reached_by_its_variables(post):
    enterprise = GitHubServer("/api/v3")
    try:
        result = post(at=enterprise)
        assert enterprise.graphql == "/api/graphql"
        assert {request.path for request in enterprise.requests} == {
            "/api/graphql",
            f"/api/v3/repos/{REPOSITORY}/issues/7/comments",
        }
        assert result.outputs["comment-action"] == "created"
        assert post(at=enterprise, GITHUB_GRAPHQL_URL="", GITHUB_RUN_ID="7001").outputs["comment-action"] == "unchanged"
    finally:
        enterprise.close()


@pytest.mark.parametrize("verb", ["GET", "PATCH", "DELETE"])
def test_a_server_that_fails_twice_is_asked_three_times(server, post, verb):
    server.add_comment(stamped(6000))
    server.add_comment(stamped(6001))
    server.fail(verb, "comments", Fault(502), Fault(502))
    result = post()
    assert result.outputs["comment-action"] == "updated"
    assert len(server.comments) == 1
    assert result.slept[:2] == [1.0, 2.0]


def test_a_comment_that_was_not_written_before_a_502_is_written_once(server, post):
    server.fail("POST", "comments", Fault(502), Fault(502))
    assert post().outputs["comment-action"] == "created"
    assert len(server.comments) == 1


def test_a_comment_that_was_written_before_a_502_is_not_written_again(server, post):
    server.fail("POST", "comments", Fault(502, after=True))
    assert post().outputs["comment-action"] == "created"
    assert len(server.calls("POST")) == len(server.comments) == 1


def test_an_answer_that_comes_too_late_is_none(server, post, monkeypatch):
    """The comment is there, but the answer that says so is not."""
    monkeypatch.setattr("pytest_token_telemetry.comment.github.TIMEOUT", 1)
    release = threading.Event()
    slow = []

    def delay(request):
        if request.verb == "POST" and request.path != server.graphql and not slow:
            slow.append(server.add_comment(request.body["body"]))
            release.wait(10)

    server.before_answer = delay
    server.fail("POST", "comments", Fault(504))
    try:
        result = post()
    finally:
        release.set()
    assert result.outputs["comment-action"] == "created"
    assert [comment["id"] for comment in server.comments] == slow


def test_a_server_that_always_fails_is_given_up(server, post):
    server.fail("GET", "comments", *[Fault(503)] * 99)
    result = post()
    assert result.exit == 0
    assert "nothing posted: the server failed (503), again and again" in result.text
    assert len(server.calls("GET")) == 5
    assert result.outputs["comment-action"] == "skipped"


def test_posts_that_always_fail_are_given_up(server, post):
    server.fail("POST", "comments", *[Fault(502)] * 99)
    result = post()
    assert result.exit == 0
    assert "nothing posted: the server failed (502)" in result.text
    assert len(server.calls("POST")) == 6


def test_a_server_that_is_not_there_is_a_warning(server, post):
    result = post(GITHUB_API_URL="http://127.0.0.1:9", GITHUB_GRAPHQL_URL="http://127.0.0.1:9/graphql")
    assert result.exit == 0
    assert "nothing posted: the server cannot be reached" in result.text


def test_the_primary_limit_is_waited_for(server, post):
    server.fail("GET", "comments", primary_limit(int(FakeClock().time()) + 30))
    result = post()
    assert result.outputs["comment-action"] == "created"
    assert 29 <= result.slept[0] <= 31


@pytest.mark.parametrize("status", [403, 429])
@pytest.mark.parametrize("verb", ["GET", "POST"])
def test_the_secondary_limit_is_waited_for_as_long_as_the_server_says(server, post, status, verb):
    server.fail(verb, "comments", secondary_limit(status))
    result = post()
    assert result.outputs["comment-action"] == "created"
    assert len(server.comments) == 1
    assert result.slept[0] == 7


def test_a_limit_without_a_time_is_waited_for_a_minute(server, post):
    server.fail("POST", "comments", secondary_limit(after=None))
    result = post()
    assert (result.outputs["comment-action"], result.slept[0]) == ("created", 60)


def test_a_date_in_retry_after_is_waited_for(server, post):
    server.fail("POST", "comments", secondary_limit(429, "Mon, 01 Jan 2024 00:00:00 GMT"))
    result = post()
    assert (result.outputs["comment-action"], result.slept[0]) == ("created", 0)


@pytest.mark.parametrize(
    "fault", [secondary_limit(after="3600"), primary_limit(2**33), secondary_limit(after="9" * 400)]
)
def test_a_limit_that_lasts_too_long_is_given_up(server, post, fault):
    server.fail("POST", "comments", fault)
    result = post()
    assert (result.exit, server.comments, result.slept) == (0, [], [])
    assert "nothing posted: GitHub's rate limit is reached" in result.text


def test_limits_again_and_again_are_given_up(server, post):
    server.fail("GET", "comments", *[secondary_limit(after="1")] * 99)
    result = post()
    assert result.exit == 0
    assert "rate limit" in result.text
    assert len(server.calls("GET")) == 5


def test_no_permission_is_a_warning_that_names_the_way_out(server, post):
    server.fail("POST", "comments", no_permission())
    result = post(verdict="tune")
    assert (result.exit, server.comments) == (0, [])
    assert "pull-requests: write" in result.text
    assert "two-stage" in result.text
    assert result.outputs == {"comment-action": "skipped", "comment-url": ""}


def test_in_github_actions_a_warning_is_an_annotation(server, post):
    server.fail("POST", "comments", no_permission())
    assert post(GITHUB_ACTIONS="true").text.startswith("::warning title=token-telemetry::nothing posted: ")


@pytest.mark.parametrize(
    ("verb", "message", "advice"),
    [
        ("POST", "Unable to create comment because issue is locked.", "the conversation is locked (403): unlock it"),
        (
            "POST",
            "Commenting is disabled on issues with more than 2500 comments",
            "2,500 comments, GitHub's limit (403):",
        ),
        ("POST", "Repository was archived so is read-only.", "the repository is archived (403): unarchive it"),
        ("POST", "Repository access blocked", "two-stage"),
        ("GET", "Resource not accessible by integration", "the token may not read pull requests. Give"),
    ],
)
def test_the_advice_fits_the_reason_of_a_refusal(server, post, verb, message, advice):
    server.fail(verb, "comments", Fault(403, message))
    said = post().text
    assert advice in said
    assert ("two-stage" in said) is (advice == "two-stage")


def test_a_token_that_is_none_is_not_shown(server, post):
    result = post(GITHUB_TOKEN="ghs_AnotherSecretAnotherSecret1234567890")
    assert result.exit == 0
    assert "nothing posted: the token is not valid (401)" in result.text
    assert "AnotherSecret" not in result.text


def test_a_server_that_repeats_the_token_does_not_make_us_show_it(server, post):
    server.fail("POST", "comments", Fault(403, f"the token {TOKEN} may not", {"x-token": TOKEN}))
    assert "the token *** may not" in post().text


def test_a_pull_request_that_is_not_there_is_a_warning(server, post):
    server.fail("GET", "comments", Fault(404, "Not Found"))
    result = post()
    assert result.exit == 0
    assert (
        "nothing posted: pull request or comment is not there, or the token may not read it (404): check" in result.text
    )


def test_a_comment_that_the_server_refuses_is_a_warning(server, post):
    server.fail("POST", "comments", Fault(422, "Validation Failed"))
    result = post()
    assert result.exit == 0
    assert "nothing posted: the server refused (422: Validation Failed)" in result.text


@pytest.mark.parametrize("text", ["<html>", "{}", '[{"id": 1}]', '[{"id": "x", "body": "", "user": null}]', ""])
def test_answers_that_are_none_are_warnings(server, post, text):
    server.fail("GET", "comments", Fault(200, text=text))
    result = post()
    assert result.exit == 0
    assert "nothing posted: the server's answer" in result.text


def test_a_body_at_its_largest_is_taken(server, post):
    many = {"name": "\u202e" * 200, "n": 1, "caps": [{"risk": 0.01, "max_tokens": 1}]}

    def enlarge(document):
        document["worst"] = [
            {
                "source": '"' * 500,
                "task_id": '"' * 500,
                "category": '"' * 500,
                "predicted_output_tokens": 1,
                "output_tokens": 2,
                "truncated": None,
                "ratio": 2.0,
            }
        ] * 90
        document["advice"] = ['"' * 1000] * 100
        document["notes"] = ['"' * 1000] * 100
        document["tuning"] = {"categories": [], "max_tokens": [many] * 4000}

    assert post(content=report("pass", enlarge)).outputs["comment-action"] == "created"
    assert len(server.comments[0]["body"]) < LARGEST


@pytest.mark.parametrize("redirect", [301, 302, 307, 308])
def test_a_repository_that_was_renamed_is_found(server, post, redirect):
    for n in range(250):
        server.add_comment(f"comment {n}", "somebody", "User")
    ours = server.add_comment(stamped(6000))
    server.repository, server.moved_from, server.redirect = "octo/renamed", REPOSITORY, redirect
    result = post()
    if redirect == 301:  # GitHub's own; PyGithub follows no other to ask for the new name
        assert result.outputs["comment-action"] == "updated"
        assert server.comments[-1]["id"] == ours
    else:
        assert "nothing posted: the server sends us to another address" in result.text
    assert result.exit == 0


def test_a_write_to_a_repository_that_was_renamed_is_repeated_there(server, post):
    server.repository, server.moved_from = "octo/renamed", REPOSITORY
    assert post().outputs["comment-action"] == "created"
    assert server.calls("POST") == [
        f"/repos/{REPOSITORY}/issues/7/comments",
        "/repos/octo/renamed/issues/7/comments",
    ]
    assert len(server.comments) == 1


def test_a_pull_request_with_ten_thousand_comments_is_given_up(server, post):
    server.comments = [{"id": n, "body": "", "user": None} for n in range(10_001)]
    result = post()
    assert "nothing posted: there are more than 10,000 comments" in result.text
    assert len(server.calls("GET")) == 100


def test_a_proxy_that_refuses_in_html_is_a_warning(server, post):
    server.fail("GET", "comments", Fault(403, text="<html>no</html>"))
    assert "nothing posted: the token may not read" in post().text


def test_the_token_does_not_follow_a_redirect_to_another_host(server, post):
    other = GitHubServer()
    try:
        for fault in (301, 307):
            location = f"http://localhost:{other.host.rpartition(':')[2]}/repos/{REPOSITORY}/issues/7/comments"
            server.fail("GET", "comments", Fault(fault, "Moved", {"location": location}))
        server.fail("GET", f"{REPOSITORY}$", Fault(301, "Moved", {"location": location}))
        result = post()
        assert "nothing posted: the server sends us to another address" in result.text
        post()
        assert other.requests == []
    finally:
        other.close()


def test_the_author_is_assumed_where_the_server_does_not_say(server, post):
    server.viewer = None
    server.add_comment(stamped(6000))
    assert post().outputs["comment-action"] == "updated"


@pytest.mark.parametrize("viewer", ["token-bot", "token-bot[bot]"])
def test_another_app_knows_its_own_comments(server, post, viewer):
    server.viewer = viewer
    server.add_comment(stamped(6000), "token-bot[bot]")
    assert post().outputs["comment-action"] == "updated"


def test_a_person_is_not_the_bot_of_the_same_name(server, post):
    server.viewer = "octocat"
    server.add_comment(stamped(6000), "octocat[bot]", "User")
    assert post().outputs["comment-action"] == "created"


def test_the_author_can_be_told(server, post):
    server.viewer = None
    server.add_comment(stamped(6000), "octocat", "User")
    assert post("--author=octocat").outputs["comment-action"] == "updated"
    assert [request.path for request in server.requests if request.path == server.graphql] == []


@pytest.mark.parametrize("told", [[], ["--author=octocat"]], ids=["assumed", "told"])
def test_a_comment_that_no_later_run_would_know_is_taken_back(server, post, told):
    server.viewer = None
    server.writer = "token-bot[bot]"
    result = post(*told)
    assert server.comments == []
    assert "nothing posted: the token writes as another account" in result.text
    assert result.outputs["comment-action"] == "skipped"


def workflow_run(fork=True, event="pull_request", **changed):
    full_name = "contributor/estimator" if fork else REPOSITORY
    owner = full_name.partition("/")[0]
    run_that_ended = {
        "id": 6500,
        "run_number": 88,
        "run_attempt": 2,
        "event": event,
        "head_sha": COMMIT,
        "head_branch": "feature/a b",
        "head_repository": {"full_name": full_name, "owner": {"login": owner}},
        "pull_requests": [],
        **changed,
    }
    return {"workflow_run": run_that_ended}


def test_the_pull_request_of_a_fork_is_found_by_its_branch(server, post):
    server.add_pull_request(8, "somebody:feature/a b")
    server.add_pull_request(9, "contributor:feature/a b")
    result = post(name="workflow_run", event=workflow_run())
    assert result.outputs["comment-url"].startswith(f"https://github.example/{REPOSITORY}/pull/9#")
    [search] = [request for request in server.requests if request.path.endswith("/pulls")]
    assert search.query["head"] == "contributor:feature/a b"
    assert search.query["state"] == "open"
    body = server.comments[0]["body"]
    assert "run=6500 attempt=2" in body
    assert f"/{REPOSITORY}/actions/runs/6500/attempts/2" in body


def test_figures_of_a_fork_are_unverified_and_never_green(server, post):
    server.add_pull_request(9, "contributor:feature/a b")
    post(name="workflow_run", event=workflow_run())
    body = server.comments[0]["body"]
    assert "PASS, no tuning needed (unverified)" in body
    assert "not verified" in body
    assert "✅" not in body


def test_a_run_of_the_same_repository_is_verified(server, post):
    server.add_pull_request(9, "octo:feature/a b")
    post(name="workflow_run", event=workflow_run(fork=False))
    assert "✅" in server.comments[0]["body"]
    assert "verified" not in server.comments[0]["body"]


def made_for(verdict="pass", **keys):
    return report(verdict, lambda found: found.update(made_for=keys))


def test_a_report_of_this_run_is_green(server, post):
    post(content=made_for(commit=COMMIT, run=7000, attempt=1))
    assert "## ✅ Token telemetry: PASS" in server.comments[0]["body"]


def test_a_report_of_another_commit_is_no_verdict(server, post):
    result = post(content=made_for(commit="1" * 40, run=6999, attempt=1))
    assert "report.json is not used: it is made for another commit than this comment" in result.text
    assert "## ⚠️ Token telemetry: NO VERDICT" in server.comments[0]["body"]


def test_the_commit_of_a_pull_request_that_was_chosen_is_not_known(server, post):
    found = made_for(commit="1" * 40)
    post("--pull-request=9", name="workflow_dispatch", event={}, content=found, GITHUB_SHA="2" * 40)
    assert "## ✅ Token telemetry: PASS" in server.comments[0]["body"]


@pytest.mark.parametrize(("attempt", "green"), [(2, True), (1, False)])
def test_after_a_run_that_ended_its_attempt_counts(server, post, attempt, green):
    """The gate of the second attempt died, and the report of the first was there."""
    server.add_pull_request(9, "octo:feature/a b")
    event = workflow_run(fork=False, run_attempt=2)
    ended = event["workflow_run"]["id"]
    result = post(name="workflow_run", event=event, content=made_for(commit=COMMIT, run=ended, attempt=attempt))
    body = server.comments[0]["body"]
    assert ("## ✅ Token telemetry: PASS" in body) == green
    said = "This report is of attempt 1 of the run, and this comment is for attempt 2."
    assert (said in body, said in result.text) == (not green, not green)


def test_a_report_of_another_run_of_the_commit_is_said(server, post):
    post(content=made_for(commit=COMMIT, run=6999, attempt=1))
    body = server.comments[0]["body"]
    assert "## ⚠️ Token telemetry: PASS, no tuning needed (another run)" in body
    assert "This report is made for another run than this comment." in body


@pytest.mark.parametrize("head", [None, {}, {"full_name": None, "owner": {"login": "octo"}}])
def test_a_deleted_fork_is_a_fork(server, post, head):
    server.add_pull_request(9, "octo:feature/a b")
    result = post(name="workflow_run", event=workflow_run(head_repository=head))
    assert "✅" not in "".join(comment["body"] for comment in server.comments)
    assert result.exit == 0


def test_a_run_of_an_older_commit_does_not_comment(server, post):
    server.add_pull_request(9, "contributor:feature/a b", "1" * 40)
    result = post(name="workflow_run", event=workflow_run())
    assert "nothing posted: the pull request has newer commits" in result.text
    assert (server.comments, result.exit, result.outputs["comment-action"]) == ([], 0, "skipped")


def test_a_branch_of_two_pull_requests_needs_a_choice(server, post):
    server.add_pull_request(9, "contributor:feature/a b")
    server.add_pull_request(10, "contributor:feature/a b")
    assert (
        "pull requests #9 and #10 have the same newest commit" in post(name="workflow_run", event=workflow_run()).text
    )
    result = post("--pull-request=10", name="workflow_run", event=workflow_run())
    assert "/pull/10#" in result.outputs["comment-url"]


def test_of_two_pull_requests_of_a_branch_the_event_says_which(server, post):
    server.add_pull_request(9, f"{OWNER}:feature/a b")
    server.add_pull_request(10, f"{OWNER}:feature/a b")
    event = workflow_run(fork=False, pull_requests=[{"number": 10}])
    assert "/pull/10#" in post(name="workflow_run", event=event).outputs["comment-url"]
    stale = workflow_run(fork=False, pull_requests=[{"number": 11}])
    assert "choose one with --pull-request=N" in post(name="workflow_run", event=stale).text


@pytest.mark.parametrize("why", ["push", "schedule", "workflow_dispatch"])
def test_a_run_that_was_of_no_pull_request_does_not_comment(server, post, why):
    result = post(name="workflow_run", event=workflow_run(fork=False, event=why))
    assert "nothing posted: the run that ended was not of a pull request" in result.text
    assert server.requests == []


QUEUE = f"gh-readonly-queue/main/pr-7-{COMMIT}"


def test_a_merge_queue_comments_on_the_pull_request_that_it_tests(server, post):
    result = post(name="merge_group", event={"merge_group": {"head_ref": f"refs/heads/{QUEUE}"}})
    assert "/pull/7#" in result.outputs["comment-url"]
    assert "0" * 40 in server.comments[0]["body"]


def test_a_run_of_a_merge_queue_that_ended_comments_too(server, post):
    event = workflow_run(fork=False, event="merge_group", head_branch=QUEUE)
    assert "/pull/7#" in post(name="workflow_run", event=event).outputs["comment-url"]


@pytest.mark.parametrize(
    ("name", "event", "why"),
    [
        ("push", {"ref": "refs/heads/main"}, "a push event has no pull request"),
        ("merge_group", {"merge_group": {"head_ref": "refs/heads/main"}}, "the event has no pull request"),
        ("pull_request", {}, "the event has no pull request"),
        ("", {}, "there is no event"),
    ],
)
def test_an_event_without_a_pull_request_does_not_comment(server, post, name, event, why):
    result = post(name=name, event=event)
    assert f"nothing posted: {why}" in result.text
    assert (server.requests, result.exit) == ([], 0)


def test_the_pull_request_can_be_told(server, post):
    assert "/pull/12#" in post("--pull-request=12", name="push", event={}).outputs["comment-url"]


def test_a_report_that_is_missing_takes_the_green_away(server, post, tmp_path):
    post()
    result = post(f"--report={tmp_path / 'missing.json'}", GITHUB_RUN_ID="7001")
    body = server.comments[0]["body"]
    assert "## ⚠️ Token telemetry: NO VERDICT" in body
    assert "there is no such file" in body
    assert "missing.json is not used: there is no such file" in result.text
    assert result.exit == 0


def test_a_report_that_says_pass_while_a_check_failed_is_not_green(server, post):
    lie = report("tune", lambda document: document.update(verdict="pass"))
    result = post(content=lie)
    body = server.comments[0]["body"]
    assert "NO VERDICT" in body
    assert "✅" not in body
    assert "it says pass, and tier1::truncation failed" in result.text or "tier1::underestimation failed" in result.text


def test_the_reports_of_a_matrix_are_one_comment(server, post, tmp_path):
    for leg, verdict in {"py311": "pass", "py312": "tune", "py313": "not-ready"}.items():
        (tmp_path / "legs" / leg).mkdir(parents=True)
        (tmp_path / "legs" / leg / "report.json").write_bytes(report(verdict))
    (tmp_path / "legs" / "py311" / "tuning.json").write_text("{}")
    result = post(f"--report={tmp_path / 'legs'}")
    [comment] = server.comments
    lines = comment["body"].splitlines()
    assert lines[1] == "## ❌ Token telemetry: TUNE, tuning needed"
    assert [line for line in lines if line.startswith("### ")] == [
        "### 1. ❌ TUNE, tuning needed",
        "### 2. ❌ NOT READY, do not tune",
        "### 3. ✅ PASS, no tuning needed",
        "### 4. ✅ PASS, no tuning needed",
    ]
    for leg in ("py311", "py312", "py313"):
        assert f"<code>legs/{leg}/report.json</code>" in comment["body"]
    assert result.exit == 0


def test_a_matrix_without_one_of_its_reports_is_not_green(server, post):
    assert "PASS" in post("--dry-run", "--expect=1").text.split("\n")[2]
    result = post("--expect=2")
    assert "only 1 of 2 reports are there" in result.text
    assert server.comments[0]["body"].splitlines()[1].startswith("## ⚠️ Token telemetry: NO VERDICT")


def test_a_directory_without_reports_has_no_verdict(server, post, tmp_path):
    (tmp_path / "empty").mkdir()
    assert "empty is not used: it is neither a file nor a directory" in post(f"--report={tmp_path / 'empty'}").text
    assert "NO VERDICT" in server.comments[0]["body"]


def test_more_reports_than_one_comment_holds_are_a_wrong_call(server, post, tmp_path):
    result = post(*[f"--report={tmp_path / 'report.json'}"] * 50)
    assert (result.exit, server.requests) == (2, [])
    assert "51 files are more than 50" in result.text


@pytest.mark.parametrize("verdict", ["pass", "tune", "not-ready", "inconclusive"])
def test_no_verdict_changes_the_exit_code(post, verdict):
    assert post(verdict=verdict).exit == 0


def test_a_dry_run_writes_nothing_and_shows_all(server, post):
    server.add_comment(stamped(6000))
    server.add_comment(stamped(6001))
    result = post("--dry-run")
    assert "would find comment 1001 and update it on pull request #7, and delete 1 duplicate" in result.text
    assert f"{MARKER}\n## ✅ Token telemetry: PASS" in result.text
    assert len(server.comments) == 2
    assert {request.verb for request in server.requests if request.path != server.graphql} == {"GET"}
    assert result.outputs == {}


def test_a_dry_run_says_what_it_would_create_or_leave(server, post):
    assert "would find no comment of ours and create one on pull request #7" in post("--dry-run").text
    post()
    assert "would find comment 1001 and leave it as it is" in post("--dry-run").text
    server.comments[0]["body"] = stamped(9000)
    assert "would find comment 1001 and leave it, as it is a newer run's" in post("--dry-run").text


def test_a_dry_run_needs_no_token(server, post):
    result = post("--dry-run", GITHUB_TOKEN="")
    assert "would post on pull request #7; without a token, what is there is not known" in result.text
    assert "## ✅ Token telemetry: PASS" in result.text
    assert server.requests == []


def test_a_dry_run_of_the_same_report_at_home(tmp_path):
    path, out = tmp_path / "report.json", io.StringIO()
    path.write_bytes(report("tune"))
    assert run(["comment", f"--report={path}", "--dry-run"], {}, out, FakeClock()) == 0
    assert "would post nothing: the pull request is not known without a token" in out.getvalue()
    assert "## ❌ Token telemetry: TUNE" in out.getvalue()


def test_in_github_actions_a_dry_run_shows_the_comment_where_no_commands_are_read(post):
    lines = post("--dry-run", GITHUB_ACTIONS="true").text.splitlines()
    begin = next(i for i, line in enumerate(lines) if line.startswith("::stop-commands::"))
    assert lines[begin + 1] == MARKER
    assert lines[-1] == f"::{lines[begin].removeprefix('::stop-commands::')}::"


def test_without_a_token_nothing_is_posted(server, post):
    result = post(GITHUB_TOKEN="")
    assert (result.exit, server.requests) == (0, [])
    assert "nothing posted: GITHUB_TOKEN is not set" in result.text


def test_outputs_that_cannot_be_written_are_a_warning(server, post, tmp_path):
    result = post(GITHUB_OUTPUT=str(tmp_path))
    assert "GITHUB_OUTPUT could not be written" in result.text
    assert len(server.comments) == 1


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("GITHUB_API_URL", "ftp://example"),
        ("GITHUB_API_URL", "https://user:password@example"),
        ("GITHUB_SERVER_URL", "https://example/)](http://evil.example"),
        ("GITHUB_REPOSITORY", "octo/estimator/../x"),
        ("GITHUB_RUN_ID", "1 --> x"),
        ("GITHUB_SHA", "main"),
        ("GITHUB_EVENT_PATH", "/nowhere/event.json"),
        ("GITHUB_TOKEN", "secret\nsecret"),
        ("GITHUB_REPOSITORY", ""),
    ],
)
def test_an_environment_that_github_never_sets_is_a_wrong_call(server, post, variable, value):
    result = post(**{variable: value})
    assert (result.exit, server.requests) == (2, [])
    assert variable in result.text
    assert "secret" not in result.text
    assert "password" not in result.text


@pytest.mark.parametrize(
    "arguments",
    [[], ["comment"], ["comment", "--report=x", "--name=a-->b"], ["comment", "--report=x", "--pull-request=0"]],
)
def test_a_wrong_call_ends_in_2(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        run(arguments, {}, io.StringIO(), FakeClock())
    assert ended.value.code == 2
    assert "usage: token-telemetry" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["comment", "--reprt=x"], "error: --reprt: there is no such option (did you mean --report?)"),
        (["comment", "--report=x", "--dryrun"], "error: --dryrun: there is no such option (did you mean --dry-run?)"),
        (["comment", "--report=x", "--zzz=1"], "error: unrecognized arguments: --zzz=1"),
        (["comment", "--rep"], "error: argument --report: expected one argument"),  # the beginning of one is one
    ],
)
def test_a_misspelt_option_is_told_with_the_right_one(arguments, said, capsys):
    with pytest.raises(SystemExit) as ended:
        run(arguments, {}, io.StringIO(), FakeClock())
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


def test_without_pygithub_one_sentence_names_the_way_out(post, monkeypatch):
    monkeypatch.delitem(sys.modules, "pytest_token_telemetry.comment.github", raising=False)
    monkeypatch.setitem(sys.modules, "github", None)
    result = post()
    assert result.exit == 2
    assert result.text == (
        "token-telemetry: error: PyGithub is not installed: install the extra that posts,"
        " 'pytest-token-telemetry[github]'\n"
    )


def poster(server, tmp_path, run_id):
    """One of several posters that run at once: the command itself, with the waiting taken out."""
    out = io.StringIO()
    environment = {**server.environment(GITHUB_RUN_ID=str(run_id)), "GITHUB_EVENT_NAME": "push"}
    found = run(["comment", f"--report={tmp_path / 'report.json'}", "--pull-request=7"], environment, out, FakeClock())
    return found, out.getvalue()


@pytest.mark.parametrize("trial", range(50))
def test_eight_posters_at_once_leave_one_comment(server, tmp_path, trial):
    (tmp_path / "report.json").write_bytes(report())
    with ThreadPoolExecutor(8) as posters:
        ended = list(posters.map(lambda n: poster(server, tmp_path, 7000 + n * (trial % 2)), range(8)))
    assert {code for code, _ in ended} == {0}, ended
    assert len(server.comments) == 1


def test_eight_processes_leave_one_comment(server, tmp_path):
    (tmp_path / "report.json").write_bytes(report("tune"))
    program = Path(sys.executable).with_name("token-telemetry")
    command = [str(program), "comment", f"--report={tmp_path / 'report.json'}", "--pull-request=7"]
    environment = {**os.environ, **server.environment()}
    running = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for _ in range(8)
    ]
    ended = [(process.communicate()[0], process.returncode) for process in running]
    assert [code for _, code in ended] == [0] * 8, ended
    assert not any(TOKEN in text for text, _ in ended)
    [comment] = server.comments
    assert comment["user"]["login"] == ME
    assert "TUNE" in comment["body"]
