"""What the runner says: which server, which repository, which run, and the token. Links are built of nothing else."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_token_telemetry.github.stamp import NO_RUN, Run

if TYPE_CHECKING:
    from collections.abc import Mapping

_URL = re.compile(r"https?://[A-Za-z0-9.-]+(:\d{1,5})?(/[A-Za-z0-9._~-]+)*", re.ASCII)
_REPOSITORY = re.compile(r"[A-Za-z0-9_.-]{1,100}/[A-Za-z0-9_.-]{1,100}")
_DIGITS = re.compile(r"\d{1,19}", re.ASCII)
COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


class UsageError(Exception):
    """What is wrong with the command or its environment: one sentence, with the way out."""


class Token:
    """The token, which shows itself only when it is asked to."""

    __slots__ = ("_secret",)

    def __init__(self, secret: str) -> None:
        self._secret = secret

    def reveal(self) -> str:
        """The token itself, for the one header that holds it."""
        return self._secret

    def __repr__(self) -> str:
        return "Token(***)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """A GitHub Actions job, or what is set of one."""

    api: str = "https://api.github.com"
    graphql: str = "https://api.github.com/graphql"
    server: str = "https://github.com"
    repository: str = ""
    """``owner/name``, or empty."""
    token: Token | None = None
    run: Run = NO_RUN
    run_number: int = 0
    commit: str = ""
    event_name: str = ""
    event: Mapping[str, Any] = field(default_factory=dict)
    output: Path | None = None
    """Where the job's outputs are written."""
    actions: bool = False
    """True in GitHub Actions, which reads commands in what is printed."""


def read_environment(variables: Mapping[str, str]) -> Environment:
    """The environment of a job.

    Raises:
        UsageError: a variable holds what GitHub never sets.
    """
    defaults = Environment()
    api = _matching(variables, "GITHUB_API_URL", _URL, "an address") or defaults.api
    output = variables.get("GITHUB_OUTPUT")
    return Environment(
        api=api,
        graphql=_matching(variables, "GITHUB_GRAPHQL_URL", _URL, "an address") or _graphql(api),
        server=_matching(variables, "GITHUB_SERVER_URL", _URL, "an address") or defaults.server,
        repository=_matching(variables, "GITHUB_REPOSITORY", _REPOSITORY, "owner/name"),
        token=_token(variables),
        run=Run(_number(variables, "GITHUB_RUN_ID"), _number(variables, "GITHUB_RUN_ATTEMPT")),
        run_number=_number(variables, "GITHUB_RUN_NUMBER"),
        commit=_matching(variables, "GITHUB_SHA", COMMIT, "a commit"),
        event_name=_matching(variables, "GITHUB_EVENT_NAME", re.compile(r"[a-z_]{1,50}"), "an event"),
        event=_event(variables.get("GITHUB_EVENT_PATH", "")),
        output=Path(output) if output else None,
        actions=variables.get("GITHUB_ACTIONS") == "true",
    )


def _matching(variables: Mapping[str, str], name: str, pattern: re.Pattern[str], what: str) -> str:
    value = variables.get(name, "").strip().rstrip("/")
    if value and not pattern.fullmatch(value):
        shown = "its value" if pattern is _URL else repr(value)  # an address may hold a password
        raise UsageError(f"{name}: {shown} is not {what}")
    return value


def _number(variables: Mapping[str, str], name: str) -> int:
    return int(_matching(variables, name, _DIGITS, "a number") or 0)


def _graphql(api: str) -> str:
    """Where GraphQL is: beside the REST interface, which ends in ``/v3`` on an own server."""
    return f"{api.removesuffix('/v3')}/graphql"


def _token(variables: Mapping[str, str]) -> Token | None:
    secret = (variables.get("GITHUB_TOKEN") or variables.get("GH_TOKEN") or "").strip()
    if not secret:
        return None
    if not re.fullmatch(r"[\x21-\x7e]{1,4000}", secret):
        raise UsageError("GITHUB_TOKEN holds characters that no token has")
    return Token(secret)


def _event(path: str) -> Mapping[str, Any]:
    """The event's payload. The runner writes it: its keys can be relied on, the texts in it cannot."""
    if not path:
        return {}
    try:
        event = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        raise UsageError("GITHUB_EVENT_PATH: the event cannot be read") from None
    if not isinstance(event, dict):
        raise UsageError("GITHUB_EVENT_PATH: the event is not an object")
    return event
