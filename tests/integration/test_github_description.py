"""The poster and the server of its tests, held against GitHub's published description of its REST interface."""

from __future__ import annotations

import io
import json
import re
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from pytest_token_telemetry.command import run
from tests.integration import github_answers
from tests.integration.github_description import OPERATIONS, excerpt, json_schema, node_modules
from tests.integration.github_server import LARGEST, ME, REPOSITORY, TOKEN, FakeClock, Fault, GitHubServer
from tests.unit.report.documents import report

OURS = "<!-- pytest-token-telemetry:v1:default -->\nold"


@pytest.fixture
def server() -> Iterator[GitHubServer]:
    started = GitHubServer()
    started.add_pull_request(7, "octo:feature")
    yield started
    started.close()


def ask(server: GitHubServer, verb: str, path: str, body: str | None = None) -> tuple[int, Any]:
    """The status and the JSON of an answer."""
    data = None if body is None else json.dumps({"body": body}).encode()
    call = urllib.request.Request(
        f"{server.url}/repos/{REPOSITORY}{path}", data, {"authorization": f"token {TOKEN}"}, method=verb
    )
    try:
        with urllib.request.urlopen(call) as answer:
            return answer.status, json.loads(answer.read() or b"null")
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


@pytest.mark.parametrize("of", ["api.github.com", "ghes-*[0-9]"])
def test_the_tests_server_answers_with_all_that_the_description_requires(server: GitHubServer, of: str) -> None:
    described = excerpt(of)
    kept = server.add_comment("hello", "someone", "User")
    server.comments.append(server.comments[0] | {"id": 1, "user": None})  # of an account that was deleted
    server.fail("GET", "comments$", Fault(410), Fault(404))
    calls = [
        ("/repos/{owner}/{repo}", "get", "", None, 200),
        ("/repos/{owner}/{repo}/pulls", "get", "/pulls?head=octo:feature", None, 200),
        ("/repos/{owner}/{repo}/issues/{issue_number}/comments", "get", "/issues/7/comments", None, 410),
        ("/repos/{owner}/{repo}/issues/{issue_number}/comments", "get", "/issues/7/comments", None, 404),
        ("/repos/{owner}/{repo}/issues/{issue_number}/comments", "get", "/issues/7/comments", None, 200),
        ("/repos/{owner}/{repo}/issues/{issue_number}/comments", "post", "/issues/7/comments", "x", 201),
        (
            "/repos/{owner}/{repo}/issues/{issue_number}/comments",
            "post",
            "/issues/7/comments",
            "x" * (LARGEST + 1),
            422,
        ),
        ("/repos/{owner}/{repo}/issues/comments/{comment_id}", "patch", f"/issues/comments/{kept}", "y", 200),
        ("/repos/{owner}/{repo}/issues/comments/{comment_id}", "delete", f"/issues/comments/{kept}", None, 204),
    ]
    assert {(path, verb) for path, verb, *_ in calls} == {(path, v) for path in OPERATIONS for v in OPERATIONS[path]}
    for path, verb, address, body, expected in calls:
        status, answer = ask(server, verb.upper(), address, body)
        assert status == expected
        reply = described["paths"][path][verb]["responses"][str(status)]
        if "$ref" in reply:
            reply = described["components"]["responses"][reply["$ref"].rpartition("/")[2]]
        if status == 204:
            assert "content" not in reply
            continue
        schema = json_schema({**reply["content"]["application/json"]["schema"], "components": described["components"]})
        assert list(jsonschema.Draft202012Validator(schema).iter_errors(answer)) == [], (verb, path)
        assert answer


@pytest.fixture
def prism(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[GitHubServer, str, Path]]:
    """A server, the address of a proxy before it that validates each call and each answer, and what the proxy says.

    Each test has its own: a proxy writes down what it found some time after it has answered.
    """
    program, node = node_modules() / ".bin" / "prism", shutil.which("node")
    if node is None or not program.exists():
        pytest.skip("node or @stoplight/prism-cli is not installed")
    folder = tmp_path_factory.mktemp("prism")
    (folder / "description.json").write_text(json.dumps(excerpt("api.github.com")))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    behind = GitHubServer()
    command = [node, program, "proxy", "--errors", "--host=127.0.0.1", f"--port={port}", folder / "description.json"]
    with (folder / "said.txt").open("wb") as said:
        process = subprocess.Popen([*command, behind.url], stdout=said, stderr=subprocess.STDOUT)
        try:
            deadline = time.monotonic() + 60
            while "is listening" not in (folder / "said.txt").read_text():
                assert process.poll() is None, (folder / "said.txt").read_text()
                assert time.monotonic() < deadline
                time.sleep(0.05)
            yield behind, f"http://127.0.0.1:{port}", folder / "said.txt"
        finally:
            process.terminate()
            process.wait()
            behind.close()


def post(server: GitHubServer, address: str, folder: Path, run_id: int, *, forked: bool = False) -> str:
    """Run the poster against ``address``, which passes on to ``server``, and return what it says."""
    (folder / "report.json").write_bytes(report("pass"))
    ended = {"event": "pull_request", "head_sha": "a" * 40, "head_branch": "feature", "id": run_id, "run_attempt": 1}
    ended["head_repository"] = {"full_name": "fork/estimator", "owner": {"login": "fork"}}
    event = {"workflow_run": ended} if forked else {"pull_request": {"number": 7}}
    (folder / "event.json").write_text(json.dumps(event))
    variables = {
        **server.environment(GITHUB_API_URL=address, GITHUB_RUN_ID=str(run_id)),
        "GITHUB_EVENT_NAME": "workflow_run" if forked else "pull_request",
        "GITHUB_EVENT_PATH": str(folder / "event.json"),
    }
    out = io.StringIO()
    # The description has no GraphQL, so the poster is told who it is.
    assert run(["comment", f"--report={folder / 'report.json'}", f"--author={ME}"], variables, out, FakeClock()) == 0
    return out.getvalue()


def test_a_validating_proxy_finds_no_violation(prism: tuple[GitHubServer, str, Path], tmp_path: Path) -> None:
    server, address, said = prism
    server.add_pull_request(7, "fork:feature", "a" * 40)
    for _ in range(101):
        server.add_comment("hello", "someone", "User")
    assert "created: " in post(server, address, tmp_path, 7000)
    server.add_comment(OURS)
    server.comments[-1]["id"] = 1  # the lower one of two stays
    assert "updated: " in post(server, address, tmp_path, 7001)
    assert len(server.own()) == 1
    server.own()[0]["body"] = OURS
    assert "updated: " in post(server, address, tmp_path, 7002, forked=True)
    assert {request.verb for request in server.requests} == {"GET", "POST", "PATCH", "DELETE"}
    assert not re.search("violation", said.read_text(), re.IGNORECASE), said.read_text()


def test_the_proxy_finds_an_answer_that_the_description_does_not_allow(
    prism: tuple[GitHubServer, str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, address, said = prism
    monkeypatch.setattr(
        github_answers, "comment", lambda id, body, author, url: {"id": id, "body": body, "user": author}
    )
    server.add_comment(OURS)
    assert "the server failed (500)" in post(server, address, tmp_path, 7003)
    deadline = time.monotonic() + 10
    while not (found := re.search("violation", said.read_text(), re.IGNORECASE)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert found
