"""One comment, whoever else writes: look, do what is missing, and look again.

Each poster moves what stands towards the same end, the comment with the lowest id holding the body of the newest run,
and the others gone. Whoever writes a comment looks after that, sees every lower one, and removes its own: so one is
left, however many posters run at once. GitHub cannot compare and set: of two that write to the same comment the newer
one looks again after a pause, and writes once more if it was overwritten.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pytest_token_telemetry.github.host import Comment, HostError, MissingError, UnansweredError
from pytest_token_telemetry.github.stamp import content_of, is_marked, stamp_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_token_telemetry.github.host import Host

ROUNDS = 6
"""Looks at most. Two are usual: one before writing, and one after it."""

Action = Literal["created", "updated", "unchanged", "superseded"]


@dataclass(frozen=True, slots=True)
class Posted:
    """What became of the comment."""

    action: Action
    comment: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What to write where, and what to delete."""

    comment: int | None
    """``None``: there is none yet."""
    body: str | None
    """``None``: what stands is right."""
    duplicates: tuple[int, ...]
    superseded: bool
    """True if what stands, or shall stand, is a newer run's."""


def upsert(host: Host, number: int, name: str, body: str, pause: Callable[[], None]) -> Posted:
    """Post ``body`` as the comment of the gate called ``name`` on pull request ``number``.

    Raises:
        HostError: it could not be posted.
    """
    action: Action | None = None
    created: int | None = None
    written = False
    trouble: HostError | None = None
    for look in range(ROUNDS):
        if look:
            pause()
        comments = host.list_comments(number)
        _refuse_stranger(host, comments, created)
        plan = plan_for(comments, name, body, written=written)
        if created is not None and plan.comment is None:
            continue  # it is not listed yet
        if plan.comment is not None and plan.body is None and not plan.duplicates:
            return Posted("superseded" if plan.superseded else action or "unchanged", plan.comment)
        if plan.body is not None:
            action = action or ("created" if plan.comment is None else "updated")
        try:
            created = _carry_out(plan, host, number) or created
        except (MissingError, UnansweredError) as error:
            trouble = error  # somebody deleted it, or it may be written: look again before writing again
        else:
            written = written or plan.body is not None
    if created is not None and plan.comment is None:
        return Posted("created", created)
    raise trouble or HostError("the comment is written by others at the same time, again and again: gave up")


def plan_for(comments: Sequence[Comment], name: str, body: str, *, written: bool = False) -> Plan:
    """What to do about ``comments``. ``written``: the body was written before, and is not written over its equal."""
    standing = [each for each in comments if each.own and is_marked(each.body, name)]
    if not standing:
        return Plan(None, body, (), superseded=False)
    lowest = min(standing, key=lambda each: each.id)
    best = max(standing, key=lambda each: (stamp_of(each.body).run, -each.id))
    wanted, superseded = _newer(best.body, body, written=written)
    return Plan(
        lowest.id,
        None if _is_same(lowest.body, wanted) else wanted,
        tuple(each.id for each in standing if each is not lowest),
        superseded,
    )


def _newer(standing: str, ours: str, *, written: bool) -> tuple[str, bool]:
    """The body that shall stand, and whether it is one of a newer run."""
    theirs, our = stamp_of(standing), stamp_of(ours)
    if theirs.run > our.run:
        return standing, True
    if written and theirs.run == our.run:
        return standing, False
    if theirs.commit == our.commit and content_of(standing) == content_of(ours):
        return standing, False
    return ours, False


def _is_same(standing: str, wanted: str) -> bool:
    return stamp_of(standing) == stamp_of(wanted) and content_of(standing) == content_of(wanted)


def _refuse_stranger(host: Host, comments: Sequence[Comment], created: int | None) -> None:
    """See whether the comment that was ``created`` is by our own account, as every later run would create another.

    Raises:
        HostError: it is not. It is removed again.
    """
    if created is not None and any(each.id == created and not each.own for each in comments):
        host.delete(created)
        raise HostError("the token writes as another account than was assumed or told (name it with --author=LOGIN)")


def _carry_out(plan: Plan, host: Host, number: int) -> int | None:
    """Write and delete, and return the id of a comment that was created."""
    created = None
    if plan.body is not None:
        if plan.comment is None:
            created = host.create(number, plan.body)
        else:
            host.edit(plan.comment, plan.body)
    for comment in plan.duplicates:
        host.delete(comment)
    return created
