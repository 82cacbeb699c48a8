"""What the runner and the event say: server, repository, run, token, and the pull request that the figures belong to.

The runner's variables are checked, and links are built of nothing else. The texts in the event are untrusted.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_token_telemetry.comment.hidden_lines import NO_RUN, Run

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_token_telemetry.comment.upsert import Host


class InvocationError(Exception):
    """The command or its environment is wrong: one sentence, with the way out."""


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
    """A GitHub Actions job, or as much of it as is set."""

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
    """The file of the job's outputs."""
    actions: bool = False
    """True in GitHub Actions, which reads commands in what is printed."""


@dataclass(frozen=True, slots=True)
class Branch:
    """The branch of a pull request. Owner and name are untrusted if it comes from a fork."""

    owner: str
    branch: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Occasion:
    """The run and the pull request that the figures belong to."""

    number: int | None = None
    """The pull request, if the event names it."""
    branch: Branch | None = None
    """Where to look for it otherwise."""
    listed: frozenset[int] = frozenset()
    """The pull requests that the event lists for a run that ended: none of a fork."""
    commit: str = ""
    run: Run = NO_RUN
    run_number: int = 0
    unverified: bool = False
    """True if the figures were made where the author of a pull request from a fork writes the rules."""
    why_none: str = "the event has no pull request"


_URL = re.compile(r"https?://[A-Za-z0-9.-]+(:\d{1,5})?(/[A-Za-z0-9._~-]+)*", re.ASCII)
_REPOSITORY = re.compile(r"[A-Za-z0-9_.-]{1,100}/[A-Za-z0-9_.-]{1,100}")
_DIGITS = re.compile(r"\d{1,19}", re.ASCII)
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_EVENT_NAME = re.compile(r"[a-z_]{1,50}")
_OWNER = re.compile(r"[A-Za-z0-9_-]{1,100}")
_QUEUE = re.compile(r"(?:refs/heads/)?gh-readonly-queue/.+/pr-(\d{1,9})-[0-9a-f]{40,64}", re.ASCII | re.DOTALL)
"""The branch on which a merge queue tests a pull request."""


def read_environment(variables: Mapping[str, str]) -> Environment:
    """Read the environment of a job.

    Raises:
        InvocationError: a variable holds what GitHub never sets.
    """

    def matching(name: str, pattern: re.Pattern[str], what: str) -> str:
        value = variables.get(name, "").strip().rstrip("/")
        if value and not pattern.fullmatch(value):
            shown = "its value" if pattern is _URL else repr(value)  # an address may hold a password
            raise InvocationError(f"{name}: {shown} is not {what}")
        return value

    def number(name: str) -> int:
        return int(matching(name, _DIGITS, "a number") or 0)

    api = matching("GITHUB_API_URL", _URL, "an address") or Environment().api
    beside_rest = f"{api.removesuffix('/v3')}/graphql"  # on an own server REST ends in /v3
    output = variables.get("GITHUB_OUTPUT")
    return Environment(
        api=api,
        graphql=matching("GITHUB_GRAPHQL_URL", _URL, "an address") or beside_rest,
        server=matching("GITHUB_SERVER_URL", _URL, "an address") or Environment().server,
        repository=matching("GITHUB_REPOSITORY", _REPOSITORY, "owner/name"),
        token=_token(variables.get("GITHUB_TOKEN") or variables.get("GH_TOKEN") or ""),
        run=Run(number("GITHUB_RUN_ID"), number("GITHUB_RUN_ATTEMPT")),
        run_number=number("GITHUB_RUN_NUMBER"),
        commit=matching("GITHUB_SHA", _COMMIT, "a commit"),
        event_name=matching("GITHUB_EVENT_NAME", _EVENT_NAME, "an event"),
        event=_payload(variables.get("GITHUB_EVENT_PATH", "")),
        output=Path(output) if output else None,
        actions=variables.get("GITHUB_ACTIONS") == "true",
    )


def occasion_of(environment: Environment) -> Occasion:
    """The occasion that the event in ``environment`` tells of."""
    own = Occasion(commit=environment.commit, run=environment.run, run_number=environment.run_number)
    event = environment.event
    match environment.event_name:
        case "pull_request" | "pull_request_target":
            pull_request = _object(event, "pull_request")
            head = _object(pull_request, "head")
            return replace(
                own,
                number=_count(pull_request, "number"),
                commit=_commit(head, "sha") or own.commit,
                unverified=_full_name(_object(head, "repo")) != environment.repository.lower(),
            )
        case "merge_group":
            return replace(own, number=_queued(_text(_object(event, "merge_group"), "head_ref")))
        case "workflow_run":
            return _of_workflow_run(_object(event, "workflow_run"), environment.repository)
    name = environment.event_name
    return replace(own, why_none=f"a {name} event has no pull request" if name else "there is no event")


def find_number(occasion: Occasion, host: Host) -> int | str:
    """The pull request's number, or why there is none to comment on."""
    if occasion.number is not None:
        return occasion.number
    if occasion.branch is None:
        return occasion.why_none
    found = host.find_pull_requests(occasion.branch.owner, occasion.branch.branch)
    numbers = sorted(each.number for each in found if each.commit == occasion.commit)
    match [number for number in numbers if number in occasion.listed] or numbers:
        case [number]:
            return number
        case []:
            newer = "the pull request has newer commits: their run will comment"
            return newer if found else "no open pull request has this branch"
    listed = " and ".join(f"#{number}" for number in numbers)
    return f"pull requests {listed} have the same newest commit: choose one with --pull-request=N"


def _token(text: str) -> Token | None:
    secret = text.strip()
    if not secret:
        return None
    if not re.fullmatch(r"[\x21-\x7e]{1,4000}", secret):
        raise InvocationError("GITHUB_TOKEN holds characters that no token has")
    return Token(secret)


def _payload(path: str) -> Mapping[str, Any]:
    """The event's payload. The runner writes it: its keys can be relied on, its texts cannot."""
    if not path:
        return {}
    try:
        payload = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        raise InvocationError("GITHUB_EVENT_PATH: the event cannot be read") from None
    if not isinstance(payload, dict):
        raise InvocationError("GITHUB_EVENT_PATH: the event is not an object")
    return payload


def _of_workflow_run(run: Mapping[str, Any], repository: str) -> Occasion:
    """The occasion of the run that ended, not of the run that it started."""
    head = _object(run, "head_repository")
    unverified = _full_name(head) != repository.lower()
    found = Occasion(
        commit=_commit(run, "head_sha"),
        run=Run(_count(run, "id") or 0, _count(run, "run_attempt") or 0),
        run_number=_count(run, "run_number") or 0,
        unverified=unverified,
    )
    match _text(run, "event"):
        case "merge_group" if not unverified:
            return replace(found, number=_queued(_text(run, "head_branch")))
        case "pull_request" | "pull_request_target":
            owner, branch = _text(_object(head, "owner"), "login"), _text(run, "head_branch")
            if not _OWNER.fullmatch(owner) or not branch or not found.commit:
                return replace(found, why_none="the event does not say from which branch the run was")
            return replace(found, branch=Branch(owner, branch), listed=_listed(run))
    return replace(found, why_none="the run that ended was not of a pull request")


def _listed(run: Mapping[str, Any]) -> frozenset[int]:
    listed = run.get("pull_requests")
    each = (_count(entry, "number") for entry in listed if isinstance(entry, dict)) if isinstance(listed, list) else ()
    return frozenset(number for number in each if number is not None)


def _queued(branch: str) -> int | None:
    found = _QUEUE.fullmatch(branch)
    return int(found[1]) if found else None


def _object(values: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = values.get(key)
    return value if isinstance(value, dict) else {}


def _text(values: Mapping[str, Any], key: str) -> str:
    value = values.get(key)
    return value if isinstance(value, str) else ""


def _count(values: Mapping[str, Any], key: str) -> int | None:
    value = values.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 10**18 else None


def _commit(values: Mapping[str, Any], key: str) -> str:
    value = _text(values, key)
    return value if _COMMIT.fullmatch(value) else ""


def _full_name(repository: Mapping[str, Any]) -> str:
    """A repository's ``owner/name``. A deleted fork has none, and equals no other."""
    return _text(repository, "full_name").lower() or "-"
