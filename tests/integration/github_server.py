"""A server on this machine that speaks the part of GitHub's REST and GraphQL interfaces that the poster uses.

Every test has its own. What it does wrong is scripted: `Fault` answers take the place of the next answers to a call.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.integration import github_answers

TOKEN = "ghs_SecretSecretSecretSecretSecret123456"
REPOSITORY = "octo/estimator"
ME = "github-actions[bot]"
LARGEST = 65_536
COMMIT = "9f8e7d6c5b4a39281706f5e4d3c2b1a098765432"


@dataclass
class Fault:
    """What is answered in place of the next answer."""

    status: int
    message: str = "fault"
    headers: dict[str, str] = field(default_factory=dict)
    after: bool = False
    """True to carry the call out first, and then fail."""
    text: str | None = None


@dataclass
class Request:
    """A call that arrived."""

    verb: str
    path: str
    query: dict[str, str]
    body: Any
    authorization: str
    accept: str = ""
    version: str = ""
    """The version of the interface that is asked for."""


def no_permission() -> Fault:
    return Fault(
        403,
        "Resource not accessible by integration",
        {"x-accepted-github-permissions": "issues=write; pull_requests=write"},
    )


def primary_limit(reset: int) -> Fault:
    return Fault(
        403,
        "API rate limit exceeded for installation ID 1.",
        {"x-ratelimit-limit": "1000", "x-ratelimit-remaining": "0", "x-ratelimit-reset": str(reset)},
    )


def secondary_limit(status: int = 403, after: str | None = "7") -> Fault:
    return Fault(
        status,
        "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.",
        {} if after is None else {"retry-after": after},
    )


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64


class GitHubServer:
    """One repository with pull requests and comments."""

    def __init__(self, prefix: str = "") -> None:
        self.prefix = prefix
        self.repository = REPOSITORY
        self.moved_from: str | None = None
        self.redirect = 301
        self.viewer: str | None = ME
        self.writer: str | None = None
        """As whom the token writes, if not as the viewer."""
        self.comments: list[dict[str, Any]] = []
        self.pull_requests: list[dict[str, Any]] = []
        self.requests: list[Request] = []
        self.faults: dict[tuple[str, str], list[Fault]] = {}
        self.before_answer: Callable[[Request], None] = lambda request: None
        self.line_ends = "\n"
        self._last_id = 1000
        self._lock = threading.Lock()
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                server._handle(self)

            do_POST = do_PATCH = do_DELETE = do_GET  # noqa: N815 - the names that http.server asks for

            def log_message(self, *_: Any) -> None:
                pass

        self._server = _Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def host(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def url(self) -> str:
        return f"{self.host}{self.prefix}"

    def environment(self, **changed: str) -> dict[str, str]:
        """The variables that the runner sets, for this server."""
        return {
            "GITHUB_API_URL": self.url,
            "GITHUB_GRAPHQL_URL": f"{self.host}{self.graphql}",
            "GITHUB_SERVER_URL": "https://github.example",
            "GITHUB_REPOSITORY": REPOSITORY,
            "GITHUB_TOKEN": TOKEN,
            "GITHUB_RUN_ID": "7000",
            "GITHUB_RUN_NUMBER": "123",
            "GITHUB_RUN_ATTEMPT": "1",
            "GITHUB_SHA": "0" * 40,
            **changed,
        }

    @property
    def _repository_url(self) -> str:
        return f"{self.url}/repos/{self.repository}"

    @property
    def graphql(self) -> str:
        return f"{self.prefix.removesuffix('/v3')}/graphql"

    def fail(self, verb: str, path: str, *faults: Fault) -> None:
        """Answer the next calls of ``verb`` to paths that match ``path`` with ``faults``, in this order."""
        self.faults.setdefault((verb, path), []).extend(faults)

    def add_comment(self, body: str, login: str = ME, kind: str = "Bot") -> int:
        self._last_id += 1
        author = github_answers.user(login, kind, self.url)
        self.comments.append(github_answers.comment(self._last_id, body, author, self._repository_url))
        return self._last_id

    def add_pull_request(self, number: int, label: str = "fork:feature", commit: str = COMMIT) -> None:
        self.pull_requests.append(github_answers.pull_request(number, label, commit, self.repository, self.url))

    def own(self, login: str = ME) -> list[dict[str, Any]]:
        return [comment for comment in self.comments if comment["user"] and comment["user"]["login"] == login]

    def calls(self, verb: str) -> list[str]:
        return [request.path for request in self.requests if request.verb == verb and request.path != self.graphql]

    def _handle(self, handler: BaseHTTPRequestHandler) -> None:
        length = int(handler.headers.get("content-length") or 0)
        text = handler.rfile.read(length)
        parts = urlsplit(handler.path)
        request = Request(
            handler.command,
            parts.path,
            {key: values[0] for key, values in parse_qs(parts.query).items()},
            json.loads(text) if text else None,
            handler.headers.get("authorization", ""),
            handler.headers.get("accept", ""),
            handler.headers.get("x-github-api-version", ""),
        )
        with self._lock:
            self.requests.append(request)
            fault = self._next_fault(request)
        self.before_answer(request)
        if fault is not None and not fault.after:
            status, content, headers = fault.status, {"message": fault.message}, fault.headers
        else:
            with self._lock:
                status, content, headers = self._answer(request)
            if fault is not None:
                status, content, headers = fault.status, {"message": fault.message}, fault.headers
        if isinstance(content, dict) and "message" in content:
            content = github_answers.refusal(status, **content)
        self._send(handler, status, content, headers, fault.text if fault is not None else None)

    def _send(
        self, handler: BaseHTTPRequestHandler, status: int, content: Any, headers: dict[str, str], raw: str | None
    ) -> None:
        data = b"" if status == 204 else (json.dumps(content) if raw is None else raw).encode()
        try:
            handler.send_response(status)
            for name, value in {"content-type": "application/json", **headers}.items():
                handler.send_header(name, value)
            handler.send_header("content-length", str(len(data)))
            handler.end_headers()
            handler.wfile.write(data)
        except OSError:
            handler.close_connection = True  # the client gave up

    def _next_fault(self, request: Request) -> Fault | None:
        for (verb, path), faults in self.faults.items():
            if verb == request.verb and faults and re.search(path, request.path):
                return faults.pop(0)
        return None

    def _answer(self, request: Request) -> tuple[int, Any, dict[str, str]]:
        if request.authorization != f"token {TOKEN}" and request.authorization != f"Bearer {TOKEN}":
            return 401, {"message": "Bad credentials"}, {}
        if request.path == self.graphql:
            if self.viewer is None:
                return 200, {"data": None, "errors": [{"message": "Resource not accessible by integration"}]}, {}
            return 200, {"data": {"viewer": {"login": self.viewer}}}, {}
        if not request.path.startswith(f"{self.prefix}/repos/"):
            return 404, {"message": "Not Found"}, {}
        path = request.path.removeprefix(f"{self.prefix}/repos/")
        if self.moved_from and (path + "/").startswith(f"{self.moved_from}/"):
            rest = path.removeprefix(self.moved_from)
            status = 307 if request.verb != "GET" else self.redirect
            return (
                status,
                {"message": "Moved", "url": f"{self._repository_url}{rest}"},
                {"location": f"{self._repository_url}{rest}"},
            )
        if not (path + "/").startswith(f"{self.repository}/"):
            return 404, {"message": "Not Found"}, {}
        return self._in_repository(request, path.removeprefix(self.repository))

    def _in_repository(self, request: Request, path: str) -> tuple[int, Any, dict[str, str]]:
        match request.verb, path.strip("/").split("/"):
            case "GET", [""]:
                return 200, github_answers.repository(self.repository, self.url), {}
            case "GET", ["pulls"]:
                head = request.query.get("head", "")
                return self._page(request, [each for each in self.pull_requests if each["head"]["label"] == head])
            case "GET", ["issues", _, "comments"]:
                return self._page(request, sorted(self.comments, key=lambda comment: comment["id"]))
            case "POST", ["issues", _, "comments"]:
                if len(request.body["body"]) > LARGEST:
                    return 422, {"message": "Validation Failed", "errors": [{"code": "unprocessable"}]}, {}
                id = self.add_comment(
                    request.body["body"].replace("\n", self.line_ends), self.writer or self.viewer or ME
                )
                return 201, self.comments[-1] | {"id": id}, {}
            case "PATCH" | "DELETE" as verb, ["issues", "comments", id]:
                return self._change(verb, int(id), request.body)
        return 404, {"message": "Not Found"}, {}

    def _change(self, verb: str, id: int, body: Any) -> tuple[int, Any, dict[str, str]]:
        found = [comment for comment in self.comments if comment["id"] == id]
        if not found:
            return 404, {"message": "Not Found"}, {}
        if verb == "DELETE":
            self.comments.remove(found[0])
            return 204, None, {}
        if len(body["body"]) > LARGEST:
            return 422, {"message": "Validation Failed"}, {}
        found[0]["body"] = body["body"].replace("\n", self.line_ends)
        return 200, found[0], {}

    def _page(self, request: Request, items: list[Any]) -> tuple[int, Any, dict[str, str]]:
        size = min(int(request.query.get("per_page", 30)), 100)
        page = int(request.query.get("page", 1))
        shown = items[(page - 1) * size : page * size]
        if page * size >= len(items):
            return 200, shown, {}
        link = f'<{self.host}{request.path}?per_page={size}&page={page + 1}>; rel="next"'
        return 200, shown, {"link": link}


class FakeClock:
    """A clock that does not wait, and remembers for how long it should have."""

    def __init__(self) -> None:
        self.slept: list[float] = []
        self._begin = time.time()

    def time(self) -> float:
        return self._begin + sum(self.slept)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
