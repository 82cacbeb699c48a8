"""What the poster needs of the place where the pull request is: five calls, and how they fail."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


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
        ...

    def create(self, number: int, body: str) -> int:
        """Write a comment, and return its id. Raises `UnansweredError` if it may be there or not."""
        ...

    def edit(self, comment: int, body: str) -> None:
        """Give a comment another body. Raises `MissingError` if there is none."""
        ...

    def delete(self, comment: int) -> None:
        """Remove a comment. One that is not there is removed already."""
        ...

    def find_pull_request(self, owner: str, branch: str) -> list[PullRequest]:
        """The open pull requests of a branch."""
        ...


class HostError(Exception):
    """Why nothing was posted: one sentence in our own words, with the way out."""


class MissingError(HostError):
    """What was to be changed is not there."""


class UnansweredError(HostError):
    """The server did not say whether it did what it was asked."""
