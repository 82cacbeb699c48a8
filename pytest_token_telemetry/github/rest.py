"""GitHub as a `Host`: REST for comments, GraphQL for the question who we are, both through PyGithub.

PyGithub brings authentication, the addresses of own servers and the care that a token never follows a redirect to
another host. Its retries are switched off: it repeats a POST that may have been carried out, never repeats a PATCH, and
waits for as long as the server says.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

import github
import requests

from pytest_token_telemetry import __version__
from pytest_token_telemetry.github.answers import Answer, UnauthorizedError, error_of
from pytest_token_telemetry.github.host import Comment, HostError, MissingError, PullRequest, UnansweredError
from pytest_token_telemetry.github.waiting import TRIES, UNKNOWN_LIMIT, backoff

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_token_telemetry.github.environment import Environment, Token
    from pytest_token_telemetry.github.waiting import Patience

PER_PAGE = 100
MOST_PAGES = 100
TIMEOUT = 15
"""Seconds. GitHub itself ends a call after 10."""

ACTIONS = "github-actions[bot]"
"""Who writes with the token of a workflow."""

_FULL_NAME = re.compile(r"[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+")

Verb = Literal["GET", "POST", "PATCH", "DELETE"]


class GitHub:
    """A repository on GitHub, or on an own GitHub server."""

    def __init__(self, environment: Environment, token: Token, patience: Patience, author: str | None = None) -> None:
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
        self._patience = patience
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
        """Remove a comment."""
        try:
            self._call("DELETE", f"/issues/comments/{comment}")
        except MissingError:
            return

    def find_pull_request(self, owner: str, branch: str) -> list[PullRequest]:
        """The open pull requests of a branch."""
        label = f"{owner}:{branch}"
        found = self._pages("/pulls", {"state": "open", "head": label})
        with _understood():
            return [
                PullRequest(int(each["number"]), each["head"]["sha"])
                for each in found
                if (each["head"]["label"] or "").lower()
                == label.lower()  # the server lists all if it knows no such head
            ]

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
            answer = self._call("GET", path, {**parameters, "per_page": PER_PAGE, "page": page})
            items = answer.content
            if not isinstance(items, list):
                raise HostError("the server's answer is no list: check GITHUB_API_URL")
            found += items
            if 'rel="next"' not in answer.headers.get("link", ""):
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
    ) -> Answer:
        """The server's answer to a call, which is repeated where that does no harm.

        Args:
            verb: what to do.
            path: below the repository, or a whole address.
            parameters: behind the address.
            body: as JSON.
            again: a POST that may be repeated although it may have been carried out.
        """
        for attempt in range(TRIES):
            answer = self._send(verb, path, parameters, body)
            if answer.is_success:
                return answer
            if answer.is_redirect and self._has_moved():
                continue
            if not (answer.is_limit or answer.is_missing) or attempt == TRIES - 1:
                break
            waited = self._wait(answer, attempt)
            if answer.is_missing and verb == "POST" and not again:
                raise UnansweredError(str(error_of(answer)))
            if not waited:
                break
        raise error_of(answer)

    def _wait(self, answer: Answer, attempt: int) -> bool:
        """Wait for as long as the server asks; False if that is too long."""
        asked = self._patience.asked_for(answer.headers)
        if asked is None:
            asked = UNKNOWN_LIMIT if answer.is_limit else backoff(attempt)
        return self._patience.wait(asked)

    def _send(self, verb: Verb, path: str, parameters: dict[str, Any] | None, body: dict[str, str] | None) -> Answer:
        url = path if path.startswith("http") else f"/repos/{self._repository}{path}"
        try:
            status, headers, text = self._requester.requestJson(verb, url, parameters, None, body)
        except requests.RequestException:
            return Answer(0, {}, "")
        except (RuntimeError, AssertionError):  # how PyGithub says that the token would go elsewhere
            raise HostError("the server sends us to another address: check GITHUB_API_URL") from None
        return Answer(status, {name: str(value) for name, value in headers.items()}, text)

    def _has_moved(self) -> bool:
        """True if the repository has another name now, which is used from here on. The server is asked once."""
        if self._moved:
            return False
        self._moved = True
        answer = self._call("GET", "").content
        name = answer.get("full_name") if isinstance(answer, dict) else None
        if not isinstance(name, str) or not _FULL_NAME.fullmatch(name) or name == self._repository:
            return False
        self._repository = name
        return True


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
