"""Which pull request a run belongs to, and whether its figures can be relied on."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pytest_token_telemetry.github.environment import COMMIT
from pytest_token_telemetry.github.stamp import NO_RUN, Run

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_token_telemetry.github.environment import Environment
    from pytest_token_telemetry.github.host import Host


@dataclass(frozen=True, slots=True)
class Branch:
    """The newest commit of a pull request: its owner and branch are untrusted if it comes from a fork."""

    owner: str
    branch: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Occasion:
    """What the figures are of."""

    number: int | None = None
    """The pull request, if the event names it."""
    branch: Branch | None = None
    """Where to look for it otherwise."""
    commit: str = ""
    run: Run = NO_RUN
    run_number: int = 0
    unverified: bool = False
    """True if the figures were made where the author of a pull request from a fork writes the rules."""
    why_none: str = "the event has no pull request"


_QUEUE = re.compile(r"(?:refs/heads/)?gh-readonly-queue/.+/pr-(\d{1,9})-[0-9a-f]{40,64}", re.ASCII | re.DOTALL)
"""The branch that a merge queue tests a pull request on."""

_OWNER = re.compile(r"[A-Za-z0-9_-]{1,100}")


def occasion_of(environment: Environment) -> Occasion:
    """What the event in ``environment`` is about."""
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
                unverified=_name(_object(head, "repo")) != environment.repository.lower(),
            )
        case "merge_group":
            return replace(own, number=_queued(_text(_object(event, "merge_group"), "head_ref")))
        case "workflow_run":
            return _of_workflow_run(_object(event, "workflow_run"), environment.repository)
    name = environment.event_name
    return replace(own, why_none=f"a {name} event has no pull request" if name else "there is no event")


def _of_workflow_run(run: Mapping[str, Any], repository: str) -> Occasion:
    """The occasion of the run that ended, and not of the one that was started by it."""
    head = _object(run, "head_repository")
    unverified = _name(head) != repository.lower()
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
            return replace(found, branch=Branch(owner, branch))
    return replace(found, why_none="the run that ended was not of a pull request")


def find(occasion: Occasion, host: Host) -> int | str:
    """The pull request's number, or why there is none to comment on."""
    if occasion.number is not None:
        return occasion.number
    if occasion.branch is None:
        return occasion.why_none
    found = host.find_pull_request(occasion.branch.owner, occasion.branch.branch)
    numbers = sorted(each.number for each in found if each.commit == occasion.commit)
    match numbers:
        case [number]:
            return number
        case []:
            newer = "the pull request has newer commits: their run will comment"
            return newer if found else "no open pull request has this branch"
    listed = " and ".join(f"#{number}" for number in numbers)
    return f"pull requests {listed} have the same newest commit: choose one with --pull-request=N"


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
    return value if COMMIT.fullmatch(value) else ""


def _name(repository: Mapping[str, Any]) -> str:
    """A repository's full name. That of a deleted fork is empty, and equals none."""
    return _text(repository, "full_name").lower() or "-"
