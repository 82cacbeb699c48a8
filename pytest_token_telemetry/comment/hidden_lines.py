"""The two hidden lines of the comment: the first says whose it is, the last which run wrote it."""

from __future__ import annotations

import re
from dataclasses import dataclass

NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
"""What a gate may be called: it stands in an HTML comment, which ``-->`` would end."""


@dataclass(frozen=True, slots=True, order=True)
class Run:
    """A workflow run; the newer one is the greater one.

    GitHub counts the ids of a repository's runs upwards over all workflows. Run numbers begin at 1 again when a
    workflow's file is renamed, and would make old comments look newer for ever.
    """

    id: int = 0
    attempt: int = 0


NO_RUN = Run()
"""Older than all."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """Which run wrote a comment, and for which commit."""

    run: Run
    commit: str
    """Its full hash, or empty."""


def marker(name: str) -> str:
    """The comment's first line."""
    return f"<!-- pytest-token-telemetry:v1:{name} -->"


def is_marked(body: str, name: str) -> bool:
    """True if the comment is that of the gate called ``name``."""
    return _lines(body)[0] == marker(name)


def footed(content: str, words: str, stamp: Stamp) -> str:
    """``content`` with the visible line ``words`` and the hidden line of ``stamp`` at its end."""
    hidden = f"run={stamp.run.id} attempt={stamp.run.attempt} commit={stamp.commit or 'none'}"
    return f"{content}\n\n{words}\n<!-- token-telemetry stamp: {hidden} -->"


_HIDDEN = re.compile(
    r"<!-- token-telemetry stamp: run=(\d{1,19}) attempt=(\d{1,9}) commit=([0-9a-f]{40,64}|none) -->", re.ASCII
)


def stamp_of(body: str) -> Stamp:
    """The stamp of a comment. One that is not there, because somebody edited the comment, is older than all."""
    found = _HIDDEN.fullmatch(_lines(body)[-1])
    if found is None:
        return Stamp(NO_RUN, "")
    id, attempt, commit = found.groups()
    return Stamp(Run(int(id), int(attempt)), "" if commit == "none" else commit)


def content_of(body: str) -> str:
    """What a comment says, without the two lines of its foot."""
    return "\n".join(_lines(body)[:-2]).rstrip()


def _lines(body: str) -> list[str]:
    """A comment that was edited in a browser comes back with other line ends."""
    return body.replace("\r\n", "\n").rstrip().split("\n")
