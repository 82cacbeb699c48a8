"""The two hidden lines of the comment: the first says whose it is, the last which run wrote it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from pytest_token_telemetry.report.markdown import Outlook

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


@dataclass(frozen=True, slots=True)
class Told:
    """The last verdict that a comment told, and for which commit."""

    verdict: Outlook
    commit: str
    """Its full hash, or empty."""


def marker(name: str) -> str:
    """The comment's first line."""
    return f"<!-- pytest-token-telemetry:v1:{name} -->"


def is_marked(body: str, name: str) -> bool:
    """True if the comment is that of the gate called ``name``."""
    return _lines(body)[0] == marker(name)


def footed(content: str, words: str, stamp: Stamp, told: Told | None = None) -> str:
    """``content`` with the visible line ``words`` and the hidden line of ``stamp`` and ``told`` at its end."""
    hidden = f"run={stamp.run.id} attempt={stamp.run.attempt} commit={stamp.commit or 'none'}"
    if told is not None:
        hidden += f" verdict={told.verdict} of={told.commit or 'none'}"
    return f"{content}\n\n{words}\n<!-- token-telemetry stamp: {hidden} -->"


_HIDDEN = re.compile(
    r"<!-- token-telemetry stamp: run=(\d{1,19}) attempt=(\d{1,9}) commit=([0-9a-f]{40,64}|none)"
    r"(?: verdict=(pass|tune|not-ready|inconclusive) of=([0-9a-f]{40,64}|none))? -->",
    re.ASCII,
)


def stamp_of(body: str) -> Stamp:
    """The stamp of a comment. One that is not there, because somebody edited the comment, is older than all."""
    found = _HIDDEN.fullmatch(_lines(body)[-1])
    if found is None:
        return Stamp(NO_RUN, "")
    id, attempt, commit = found.groups()[:3]
    return Stamp(Run(int(id), int(attempt)), "" if commit == "none" else commit)


def told_of(body: str) -> Told | None:
    """The last verdict that a comment told; ``None`` if it says of none, as older ones do."""
    found = _HIDDEN.fullmatch(_lines(body)[-1])
    if found is None or found[4] is None:
        return None
    return Told(cast("Outlook", found[4]), "" if found[5] == "none" else found[5])


def content_of(body: str) -> str:
    """What a comment says, without the two lines of its foot."""
    return "\n".join(_lines(body)[:-2]).rstrip()


def _lines(body: str) -> list[str]:
    """A comment that was edited in a browser comes back with other line ends."""
    return body.replace("\r\n", "\n").rstrip().split("\n")
