"""One comment, whoever else writes: look, do what is missing, and look again.

Each poster moves what stands towards the same end, the comment with the lowest id holding the body of the newest run,
and the others gone. Whoever writes a comment looks after that, sees every lower one, and removes its own: so one is
left, however many posters run at once. GitHub cannot compare and set: of two that write to the same comment the newer
one looks again after a pause, and writes once more if it was overwritten.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from pytest_token_telemetry.comment.hidden_lines import content_of, is_marked, stamp_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ROUNDS = 6
"""Looks at most. Two are usual: one before writing, and one after it."""

SETTLING = (0.5, 1.5)
"""Seconds between writing and looking again, for others that write at the same time."""

Action = Literal["created", "updated", "unchanged", "superseded"]


class HostError(Exception):
    """Why nothing was posted: one sentence in our own words, with the way out."""


class MissingError(HostError):
    """The comment or the pull request is not there."""


class UnansweredError(HostError):
    """The server did not say whether it did what it was asked."""


@dataclass(frozen=True, slots=True)
class Comment:
    """A comment on a pull request."""

    id: int
    body: str
    own: bool
    """True if the poster's own account wrote it: anybody can write our marker."""


@dataclass(frozen=True, slots=True)
class PullRequest:
    """An open pull request."""

    number: int
    commit: str
    """The full hash of its newest commit."""


class Host(Protocol):
    """A server that has pull requests. Every call may raise `HostError`."""

    def list_comments(self, number: int) -> list[Comment]:
        """All comments on the pull request, on all pages."""

    def create(self, number: int, body: str) -> int:
        """Write a comment, and return its id. Raises `UnansweredError` if it may be there or not."""

    def edit(self, comment: int, body: str) -> None:
        """Give a comment another body. Raises `MissingError` if there is none."""

    def delete(self, comment: int) -> None:
        """Remove a comment, if it is there."""

    def find_pull_requests(self, owner: str, branch: str) -> list[PullRequest]:
        """The open pull requests of a branch."""


@dataclass(frozen=True, slots=True)
class Posted:
    """What became of the comment."""

    action: Action
    comment: int


@dataclass(frozen=True, slots=True)
class Move:
    """What to write where, and what to delete."""

    comment: int | None
    """``None``: there is none yet."""
    body: str | None
    """``None``: what stands is right."""
    duplicates: tuple[int, ...]
    superseded: bool
    """True if what stands, or shall stand, is a newer run's."""


def upsert(host: Host, number: int, name: str, body: str, sleep: Callable[[float], None]) -> Posted:
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
            sleep(random.uniform(*SETTLING))  # noqa: S311 - so that posters do not march in step
        comments = host.list_comments(number)
        _refuse_stranger(host, comments, created)
        move = next_move(comments, name, body, written=written)
        if created is not None and move.comment is None:
            continue  # it is not listed yet
        if move.comment is not None and move.body is None and not move.duplicates:
            return Posted("superseded" if move.superseded else action or "unchanged", move.comment)
        if move.body is not None:
            action = action or ("created" if move.comment is None else "updated")
        try:
            created = _carry_out(move, host, number) or created
        except (MissingError, UnansweredError) as error:
            trouble = error  # somebody deleted it, or it may be written: look again before writing again
        else:
            written = written or move.body is not None
    if created is not None and move.comment is None:
        return Posted("created", created)
    raise trouble or HostError("the comment is written by others at the same time, again and again: gave up")


def next_move(comments: Sequence[Comment], name: str, body: str, *, written: bool = False) -> Move:
    """What to do about ``comments``. ``written``: the body was written before, and is not written over its equal."""
    standing = [each for each in comments if each.own and is_marked(each.body, name)]
    best = newest(comments, name)
    if best is None:
        return Move(None, body, (), superseded=False)
    lowest = min(standing, key=lambda each: each.id)
    wanted, superseded = _newer(best.body, body, written=written)
    return Move(
        lowest.id,
        None if _is_same(lowest.body, wanted) else wanted,
        tuple(each.id for each in standing if each is not lowest),
        superseded,
    )


def newest(comments: Sequence[Comment], name: str) -> Comment | None:
    """The own comment of the gate called ``name`` that the newest run wrote; ``None`` if there is none."""
    standing = (each for each in comments if each.own and is_marked(each.body, name))
    return max(standing, key=lambda each: (stamp_of(each.body).run, -each.id), default=None)


def _newer(standing: str, ours: str, *, written: bool) -> tuple[str, bool]:
    """Return the body that shall stand, and True if a newer run wrote it."""
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
    """Refuse to write as another account than our own, as every later run would create another comment.

    Raises:
        HostError: the comment that was ``created`` is another account's. It is removed again.
    """
    if created is not None and any(each.id == created and not each.own for each in comments):
        host.delete(created)
        raise HostError("the token writes as another account than was assumed or told (name it with --author=LOGIN)")


def _carry_out(move: Move, host: Host, number: int) -> int | None:
    """Write and delete, and return the id of a comment that was created."""
    created = None
    if move.body is not None:
        if move.comment is None:
            created = host.create(number, move.body)
        else:
            host.edit(move.comment, move.body)
    for comment in move.duplicates:
        host.delete(comment)
    return created
