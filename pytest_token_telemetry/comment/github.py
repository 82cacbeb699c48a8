"""GitHub as a `Host`: REST for comments, GraphQL for the question who we are, both through PyGithub.

PyGithub brings authentication, the addresses of own servers and the care that a token never follows a redirect to
another host. Its retries are switched off: it repeats a POST that may have been carried out, never repeats a PATCH, and
waits for as long as the server says.
"""

from __future__ import annotations

import json
import re
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Literal, Protocol

import github
import requests

from pytest_token_telemetry import __version__
from pytest_token_telemetry.comment.upsert import Comment, HostError, MissingError, PullRequest, UnansweredError
from pytest_token_telemetry.text import inert

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pytest_token_telemetry.comment.event import Environment, Token

PER_PAGE = 100
MOST_PAGES = 100
TIMEOUT = 15
"""Seconds. GitHub itself ends a call after 10."""

TRIES = 5
"""Of one call."""

TOTAL_WAIT = 180.0
"""Seconds between all tries of one command: a job that posts a comment has five minutes or so."""

UNKNOWN_LIMIT = 60.0
"""Seconds, where a server sets a limit without saying for how long; GitHub asks for a minute at least."""

ACTIONS = "github-actions[bot]"
"""Who writes with the token of a workflow."""

PERMISSION = "the job 'permissions: pull-requests: write'"

TWO_STAGES = (
    f"the token may not comment on this pull request. Give {PERMISSION}; a pull request from a fork never gets it, and"
    " needs the two-stage set-up (a second workflow on workflow_run), see docs/pull-requests.md"
)

HEADERS = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
"""What GitHub asks every call of its REST interface to send. GraphQL takes them too."""

Verb = Literal["GET", "POST", "PATCH", "DELETE"]


class UnauthorizedError(HostError):
    """The token is not valid."""


class Clock(Protocol):
    """The time, as the module `time` has it."""

    def time(self) -> float:
        """Seconds since 1970."""

    def sleep(self, seconds: float, /) -> None:
        """Wait."""


class GitHub:
    """A repository on GitHub, or on an own GitHub server."""

    def __init__(self, environment: Environment, token: Token, clock: Clock, author: str | None = None) -> None:
        """``author`` is the login that the token writes with, if it is known; else the server is asked."""
        self._requester = github.Github(
            auth=github.Auth.Token(token.reveal()),
            base_url=environment.api,
            timeout=TIMEOUT,
            user_agent=f"pytest-token-telemetry/{__version__}",
            retry=None,
            seconds_between_requests=None,
            seconds_between_writes=None,
        ).requester
        self._graphql = environment.graphql
        self._repository = environment.repository
        self._patience = Patience(clock)
        self._author = author
        self._moved = False

    def list_comments(self, number: int) -> list[Comment]:
        """All comments on the pull request, on all pages."""
        author = self._author = self._author or self._who_am_i()
        comments = self._pages(f"/issues/{number}/comments", {})
        with _understood():
            return [Comment(int(each["id"]), each["body"] or "", _wrote(author, each["user"])) for each in comments]

    def create(self, number: int, body: str) -> int:
        """Write a comment, and return its id."""
        made = self._call("POST", f"/issues/{number}/comments", body={"body": body}).content
        with _understood():
            return int(made["id"])

    def edit(self, comment: int, body: str) -> None:
        """Give a comment another body."""
        self._call("PATCH", f"/issues/comments/{comment}", body={"body": body})

    def delete(self, comment: int) -> None:
        """Remove a comment, if it is there."""
        try:
            self._call("DELETE", f"/issues/comments/{comment}")
        except MissingError:
            return

    def find_pull_requests(self, owner: str, branch: str) -> list[PullRequest]:
        """The open pull requests of a branch."""
        label = f"{owner}:{branch}"
        listed = self._pages("/pulls", {"state": "open", "head": label})  # all, if the server knows no such head
        with _understood():
            found = [each for each in listed if (each["head"]["label"] or "").lower() == label.lower()]
            return [PullRequest(int(each["number"]), each["head"]["sha"]) for each in found]

    def _who_am_i(self) -> str:
        """The login of the token's owner. The token of a workflow must not ask for it by REST."""
        query = {"query": "query { viewer { login } }"}
        try:
            login = self._call("POST", self._graphql, body=query, again=True).content["data"]["viewer"]["login"]
        except UnauthorizedError:
            raise
        except (HostError, KeyError, TypeError):
            return ACTIONS
        return login if isinstance(login, str) else ACTIONS

    def _pages(self, path: str, parameters: dict[str, Any]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for page in range(1, MOST_PAGES + 1):
            reply = self._call("GET", path, {**parameters, "per_page": PER_PAGE, "page": page})
            items = reply.content
            if not isinstance(items, list):
                raise HostError("the server's answer is not a list: check GITHUB_API_URL")
            found += items
            if 'rel="next"' not in reply.headers.get("link", ""):
                return found
            if len(items) < PER_PAGE and self._has_moved():
                return self._pages(path, parameters)  # PyGithub follows a redirect without the page that was asked for
        raise HostError(f"there are more than {MOST_PAGES * PER_PAGE:,} comments")

    def _call(
        self,
        verb: Verb,
        path: str,
        parameters: dict[str, Any] | None = None,
        body: dict[str, str] | None = None,
        *,
        again: bool = False,
    ) -> Reply:
        """Call the server, and call it again where that does no harm.

        Args:
            verb: what to do.
            path: below the repository, or a whole address.
            parameters: behind the address.
            body: as JSON.
            again: a POST that may be repeated although it may have been carried out.
        """
        for attempt in range(TRIES):
            reply = self._send(verb, path, parameters, body)
            if reply.is_success:
                return reply
            if reply.is_redirect and self._has_moved():
                continue
            if not (reply.is_limit or reply.is_unanswered) or attempt == TRIES - 1:
                break
            waited = self._patience.wait_after(reply, attempt)
            if reply.is_unanswered and verb == "POST" and not again:
                raise UnansweredError(str(error_of(reply, verb)))
            if not waited:
                break
        raise error_of(reply, verb)

    def _send(self, verb: Verb, path: str, parameters: dict[str, Any] | None, body: dict[str, str] | None) -> Reply:
        url = path if path.startswith("http") else f"/repos/{self._repository}{path}"
        try:
            status, headers, text = self._requester.requestJson(verb, url, parameters, dict(HEADERS), body)
        except requests.RequestException:
            return Reply(0, {}, "")
        except (RuntimeError, AssertionError):  # how PyGithub says that the token would go elsewhere
            raise HostError("the server sends us to another address: check GITHUB_API_URL") from None
        return Reply(status, {name: str(value) for name, value in headers.items()}, text)

    def _has_moved(self) -> bool:
        """True if the repository has another name now, which is used from here on. The server is asked once."""
        if self._moved:
            return False
        self._moved = True
        content = self._call("GET", "").content
        name = content.get("full_name") if isinstance(content, dict) else None
        if not isinstance(name, str) or not _FULL_NAME.fullmatch(name) or name == self._repository:
            return False
        self._repository = name
        return True


class Patience:
    """All the waiting for the server in one command."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._left = TOTAL_WAIT

    def wait_after(self, reply: Reply, attempt: int) -> bool:
        """Wait for as long as the server asks, or for 1, 2, 4, 8 seconds; return False if that is too long."""
        seconds = self.asked_for(reply.headers)
        if seconds is None:
            seconds = UNKNOWN_LIMIT if reply.is_limit else float(2**attempt)
        return self.wait(seconds)

    def wait(self, seconds: float) -> bool:
        """Wait, or return False if that is longer than there is patience for."""
        if seconds > self._left:
            return False
        self._left -= seconds
        self._clock.sleep(seconds)
        return True

    def asked_for(self, headers: Mapping[str, str]) -> float | None:
        """Seconds that the server asks to wait, if it does."""
        after = headers.get("retry-after", "").strip()
        if after.isascii() and after.isdigit():
            return float(after[:9])
        if after:
            try:
                return max(0.0, parsedate_to_datetime(after).timestamp() - self._clock.time())
            except (ValueError, OverflowError):
                return None
        reset = headers.get("x-ratelimit-reset", "")
        if headers.get("x-ratelimit-remaining") == "0" and reset.isascii() and reset.isdigit():
            return max(0.0, float(reset[:12]) - self._clock.time()) + 1  # GitHub does not say when in that second
        return None


@dataclass(frozen=True, slots=True)
class Reply:
    """The server's reply. ``status`` is 0 if there was none."""

    status: int
    headers: Mapping[str, str]
    """By names in lower case."""
    text: str

    @property
    def is_success(self) -> bool:
        """True if the server did what it was asked."""
        return 200 <= self.status < 300

    @property
    def is_redirect(self) -> bool:
        """True if what was asked for is elsewhere."""
        return 300 <= self.status < 400

    @property
    def is_unanswered(self) -> bool:
        """True if the server, or a proxy before it, failed: it may have done what it was asked."""
        return self.status == 0 or self.status >= 500

    @property
    def is_limit(self) -> bool:
        """True if we ask too much, for the hour or at once; the server did not do what it was asked."""
        if self.status == 429:
            return True
        return self.status == 403 and (
            "retry-after" in self.headers
            or self.headers.get("x-ratelimit-remaining") == "0"
            or "rate limit" in self.message.lower()
        )

    @property
    def content(self) -> Any:  # noqa: ANN401 - it is JSON
        """The JSON of the reply."""
        try:
            return json.loads(self.text) if self.text else None
        except (ValueError, RecursionError):
            raise HostError("the server's answer is not JSON: check GITHUB_API_URL") from None

    @property
    def message(self) -> str:
        """What the server says about a failure. Untrusted."""
        try:
            content = self.content
        except HostError:
            return ""
        message = content.get("message") if isinstance(content, dict) else None
        return message if isinstance(message, str) else ""


def error_of(reply: Reply, verb: Verb) -> HostError:
    """Why a call with ``verb`` failed for good, and the way out."""
    said = f": {inert(reply.message)}" if reply.message else ""
    if reply.is_unanswered:
        if reply.status:
            return HostError(f"the server failed ({reply.status}), again and again: run this again later")
        return HostError("the server cannot be reached, or does not answer in time: run this again later")
    if reply.is_limit:
        return HostError("GitHub's rate limit is reached, and lasts longer than we wait: run this again later")
    if reply.is_redirect:
        return HostError(f"the server sends us to another address ({reply.status}): check GITHUB_API_URL")
    match reply.status:
        case 401:
            return UnauthorizedError("the token is not valid (401): check GITHUB_TOKEN")
        case 403:
            for pattern, why in _REFUSALS:
                if re.search(pattern, reply.message, re.IGNORECASE):
                    return HostError(why)
            unread = f"the token may not read pull requests. Give {PERMISSION}"
            return HostError(f"{unread if verb == 'GET' else TWO_STAGES} (403{said})")
        case 404 | 410:
            gone = f"pull request or comment is not there, or the token may not read it ({reply.status})"
            return MissingError(f"{gone}: check the number, and give {PERMISSION}")
    return HostError(f"the server refused ({reply.status}{said})")


_REFUSALS = (
    (r"\blocked\b", "the conversation is locked (403): unlock it for comments"),
    (
        r"\b2,?500 comments\b",
        "the pull request has 2,500 comments, GitHub's limit (403): delete some, or open another one",
    ),
    (r"\barchived\b", "the repository is archived (403): unarchive it, or switch the comment off"),
)
"""What GitHub says of a 403 that no permission would change, and our sentence for it."""

_FULL_NAME = re.compile(r"[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+")


def _wrote(author: str, user: dict[str, Any] | None) -> bool:
    """True if ``user`` is ``author``, whose ``[bot]`` GraphQL may leave out. The user of a deleted account is null."""
    login = (user or {}).get("login")
    return login == author or (login == f"{author}[bot]" and (user or {}).get("type") == "Bot")


@contextmanager
def _understood() -> Iterator[None]:
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError):
        raise HostError("the server's answer is not understood: check GITHUB_API_URL") from None
